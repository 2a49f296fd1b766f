/*
 * vIOMMU core: the sanitizer: DMA that no table translates
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An entry that lets a device pass is software's decision, and no mistake.  It
 * is one if there is no entry, and that lets it pass; or if its DMA does not
 * even come to the unit.  BQL.
 */

#include "qemu/osdep.h"
#include "hw/pci/pci_device.h"
#include "hw/virtio/virtio.h"
#include "qemu/rcu.h"
#include "standard-headers/linux/virtio_config.h"
#include "system/dma-query.h"
#include "viommu-policy-internal.h"
#include "viommu-query-internal.h"
#include "viommu-sanitizer-internal.h"

/*
 * Does its driver run, or begin to (@starts), and its DMA go round a vIOMMU
 * that is used?
 */
static bool sanitizer_goes_round(VIOMMUEndpoint *ep,
                                 const VirtIODevice *starts)
{
    PCIDevice *dev = viommu_query_device(ep);
    VirtIODevice *vdev = dev ? viommu_policy_virtio(dev) : NULL;

    /* A vIOMMU that is a virtio device has to go round itself. */
    return vdev && OBJECT(vdev) != ep->viommu->owner &&
           (vdev == starts || (vdev->status & VIRTIO_CONFIG_S_DRIVER_OK)) &&
           !viommu_policy_translated(vdev) && !qatomic_read(&ep->unlisted);
}

static void sanitizer_bypass(VIOMMU *v, const VirtIODevice *starts)
{
    VIOMMUEndpoint *ep;

    if (!qatomic_read(&v->enabled)) {
        return;
    }
    QLIST_FOREACH(ep, &v->endpoints, next) {
        SanitizerFinding new = sanitizer_of(ep, VIOMMU_FINDING_KIND_BYPASS,
                                            VIOMMU_NO_PASID);

        if (sanitizer_goes_round(ep, starts)) {
            new.message = g_strdup("translation is on, and no table "
                                   "translates its DMA: it is a virtio device "
                                   "without iommu_platform=on");
            sanitizer_found(v->sanitizer, &new);
        }
    }
}

void viommu_sanitize_bypass(VIOMMU *v)
{
    sanitizer_bypass(v, NULL);
    sanitizer_wake(v->sanitizer);
}

void viommu_sanitizer_driver(VIOMMURegistration *reg, const VirtIODevice *vdev)
{
    VIOMMU *v = container_of(reg, VIOMMU, registration);

    if (v->sanitizer) {
        sanitizer_bypass(v, vdev);
    }
}

/* Does @ep pass for want of an entry?  @config: what applies to it */
static bool bypass_is_unasked(VIOMMUEndpoint *ep, VIOMMUConfig *config)
{
    if (!ep->bus || !qatomic_read(&ep->viommu->enabled) ||
        qatomic_read(&ep->unlisted)) {
        return false;
    }
    RCU_READ_LOCK_GUARD();
    viommu_query_look(ep, VIOMMU_NO_PASID, config);
    return config->mode == VIOMMU_BYPASS && config->no_entry;
}

/*
 * Is some endpoint's DMA translated?  Before that software prepares: Linux
 * turns an AMD-Vi on before it fills the device table.
 */
static bool bypass_is_late(VIOMMU *v)
{
    VIOMMUEndpoint *ep;
    VIOMMUConfig config;

    RCU_READ_LOCK_GUARD();
    QLIST_FOREACH(ep, &v->endpoints, next) {
        viommu_query_look(ep, VIOMMU_NO_PASID, &config);
        if (ep->bus && config.mode == VIOMMU_TRANSLATE) {
            return true;
        }
    }
    return false;
}

static void bypass_found(VIOMMUEndpoint *ep, uint64_t accesses)
{
    SanitizerFinding new = sanitizer_of(ep, VIOMMU_FINDING_KIND_BYPASS,
                                        VIOMMU_NO_PASID);
    g_autofree char *why = NULL;
    VIOMMUBypassReason reason;
    VIOMMUConfig config;

    WITH_RCU_READ_LOCK_GUARD() {
        viommu_query_look(ep, VIOMMU_NO_PASID, &config);
        viommu_query_mode(ep, &config, &reason, &why);
    }
    new.message = g_strdup_printf("translation is on, and %" PRIu64 " accesses "
                                  "of it were not translated: %s", accesses,
                                  why);
    sanitizer_found(ep->viommu->sanitizer, &new);
}

bool sanitizer_sweep_bypass(VIOMMUSanitizer *s)
{
    bool late = bypass_is_late(s->viommu), any = false;
    VIOMMUEndpoint *ep;
    VIOMMUConfig config;

    QLIST_FOREACH(ep, &s->viommu->endpoints, next) {
        uint64_t accesses = dma_query_accesses(ep->inflight);
        bool passes = bypass_is_unasked(ep, &config);

        if (late && passes && ep->passes && accesses != ep->passed) {
            bypass_found(ep, accesses - ep->passed);
        }
        ep->passes = passes;
        ep->passed = accesses;
        any |= passes;
    }
    return any;
}

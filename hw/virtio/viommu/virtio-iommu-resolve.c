/*
 * virtio-iommu: the core's questions
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * virtio_iommu_resolve() runs on any thread and reads what is under RCU.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/rcu.h"
#include "standard-headers/linux/virtio_config.h"
#include "virtio-iommu-internal.h"

static void virtio_iommu_resolve(VIOMMU *v, VIOMMUEndpoint *ep, uint32_t pasid,
                                 VIOMMUConfig *config)
{
    VirtIOIOMMU *s = virtio_iommu_of(v);
    VirtIOMMUDomain *domain =
        qatomic_rcu_read(&s->attached[viommu_endpoint_sid(ep)]);
    bool bypass = domain ? domain->bypass : qatomic_read(&s->config.bypass);

    config->cacheable = true;
    config->tag = DMA_TAG_UNTRANSLATED;
    if (pasid != VIOMMU_NO_PASID) {
        /* The specification has none. */
        config->mode = VIOMMU_BLOCKED;
        config->reason = VIRTIO_IOMMU_FAULT_R_UNKNOWN;
    } else if (bypass) {
        config->mode = VIOMMU_BYPASS;
        config->bypass_bits = 64;
        /* Before there is a driver it is how the machine begins. */
        config->no_entry = !domain && (qatomic_read(&VIRTIO_DEVICE(s)->status) &
                                       VIRTIO_CONFIG_S_DRIVER_OK);
    } else if (!domain) {
        config->mode = VIOMMU_BLOCKED;
        config->reason = VIRTIO_IOMMU_FAULT_R_DOMAIN;
    } else {
        config->mode = VIOMMU_TRANSLATE;
        config->tag = virtio_iommu_tag(domain);
        config->space.maps = &domain->maps;
    }
}

uint8_t virtio_iommu_fault_reason(const VIOMMUConfig *config,
                                  const VIOMMUFault *fault)
{
    if (fault->blocked) {
        return config->reason;
    }
    return fault->denied ? VIRTIO_IOMMU_FAULT_R_UNKNOWN :
                           VIRTIO_IOMMU_FAULT_R_MAPPING;
}

static bool virtio_iommu_check_notifier(VIOMMU *v, VIOMMUEndpoint *ep,
                                        IOMMUNotifierFlag flags, Error **errp)
{
    if (flags & IOMMU_NOTIFIER_DEVIOTLB_UNMAP) {
        error_setg(errp, "virtio-iommu knows no device TLBs: give the device "
                   "ats=off");
        return false;
    }
    return true;
}

const VIOMMUOps virtio_iommu_viommu_ops = {
    .resolve = virtio_iommu_resolve,
    .fault = virtio_iommu_fault,
    .query = &virtio_iommu_query_ops,
    .endpoint_init = virtio_iommu_endpoint_init,
    .check_notifier = virtio_iommu_check_notifier,
};

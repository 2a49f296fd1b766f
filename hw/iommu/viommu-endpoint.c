/*
 * vIOMMU core: endpoints and the views of memory that they are shown
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Everything here runs under the BQL, except viommu_endpoint_sid().
 */

#include "qemu/osdep.h"
#include "exec/address-spaces.h"
#include "hw/pci/pci_bus.h"
#include "hw/pci/pci_device.h"
#include "qemu/rcu.h"
#include "system/dma-held.h"
#include "trace.h"
#include "viommu-internal.h"

uint16_t viommu_endpoint_sid(VIOMMUEndpoint *ep)
{
    PCIBus *bus = qatomic_read(&ep->bus);

    return PCI_BUILD_BDF(bus ? pci_bus_num(bus) : 0, ep->devfn);
}

bool viommu_endpoint_attributed(VIOMMUEndpoint *ep)
{
    PCIDevice *dev = ep->bus ? ep->bus->devices[ep->devfn] : NULL;

    return dev && dev->exp.pasid_cap;
}

bool viommu_refresh(VIOMMUEndpoint *ep)
{
    VIOMMU *v = ep->viommu;
    VIOMMUConfig config;
    bool bypass;

    qatomic_set(&ep->refresh, false);
    if (v->ops->asks && v->enabled && !ep->unlisted) {
        config.mode = VIOMMU_TRANSLATE;
    } else {
        WITH_RCU_READ_LOCK_GUARD() {
            viommu_resolve_now(ep, VIOMMU_NO_PASID, &config);
        }
    }
    bypass = config.mode == VIOMMU_BYPASS &&
             (!v->enabled || ep->unlisted ||
              (!viommu_endpoint_attributed(ep) && (!v->ops->bypass_view ||
                                   v->ops->bypass_view(v, ep))));
    if (bypass) {
        qatomic_set(&ep->last_tag, config.tag);
    }
    if (ep->bypass.enabled == bypass) {
        return false;
    }

    trace_viommu_switch(viommu_endpoint_sid(ep), bypass);
    if (bypass) {
        /* They would be told nothing any more by a region that is not shown. */
        viommu_notify_forget(ep);
    }
    memory_region_transaction_begin();
    memory_region_set_enabled(&ep->bypass, bypass);
    memory_region_set_enabled(MEMORY_REGION(&ep->iommu), !bypass);
    viommu_windows_show(ep, bypass);
    memory_region_transaction_commit();
    return !bypass;
}

void viommu_forget_identity(VIOMMUEndpoint *ep)
{
    viommu_notify_device_tlb(ep, VIOMMU_NO_PASID, true, 0, HWADDR_MAX);
}

void viommu_refresh_bh(void *opaque)
{
    VIOMMU *v = opaque;
    VIOMMUEndpoint *ep;
    DMA_HELD("refresh");

    QLIST_FOREACH(ep, &v->endpoints, next) {
        DMADrainScope scope = {
            .last = HWADDR_MAX, .topology = true,
            .only = ep->inflight,
        };

        /*
         * The tables may say something else again by now, and the guest's
         * invalidation, still to come, will find nothing left to switch: the
         * drain that has to cover the switch begins here.
         */
        if (qatomic_read(&ep->refresh) && viommu_refresh(ep)) {
            viommu_forget_identity(ep);
            dma_drain_start(v->drain, &scope);
        }
    }
}

const DMAInflightOps viommu_inflight_ops = {
    .canonical = viommu_canonical,
    .translate = viommu_dma_translate,
    .translate_ahead = viommu_dma_translate_ahead,
    .probe_begin = viommu_probe_begin,
    .probe_end = viommu_probe_end,
    .probe = viommu_probe,
    .tag_begin = viommu_tag_begin,
    .tag_end = viommu_tag_end,
    .stalled = viommu_device_stalled,
    .abandon = viommu_device_abandon,
};

VIOMMUEndpoint *viommu_of_address_space(AddressSpace *as)
{
    return dma_inflight_opaque(as->inflight, &viommu_inflight_ops);
}

static guint viommu_endpoint_hash(gconstpointer key)
{
    const VIOMMUEndpoint *ep = key;

    return g_direct_hash(ep->bus) ^ ((guint)ep->devfn << 24);
}

static gboolean viommu_endpoint_equal(gconstpointer a, gconstpointer b)
{
    const VIOMMUEndpoint *x = a, *y = b;

    return x->bus == y->bus && x->devfn == y->devfn;
}

GHashTable *viommu_endpoint_table_new(void)
{
    return g_hash_table_new(viommu_endpoint_hash, viommu_endpoint_equal);
}

VIOMMUEndpoint *viommu_endpoint(VIOMMU *v, PCIBus *bus, uint8_t devfn)
{
    VIOMMUEndpoint key = { .bus = bus, .devfn = devfn };
    VIOMMUEndpoint *ep = g_hash_table_lookup(v->by_key, &key);
    g_autofree char *name = NULL;
    g_autofree char *iommu_name = NULL;
    g_autofree char *bypass_name = NULL;

    if (ep) {
        return ep;
    }

    name = g_strdup_printf("%s-%02x.%x", v->name, PCI_SLOT(devfn),
                           PCI_FUNC(devfn));
    iommu_name = g_strdup_printf("%s-dmar", name);
    bypass_name = g_strdup_printf("%s-nodmar", v->name);

    ep = g_new0(VIOMMUEndpoint, 1);
    ep->viommu = v;
    ep->bus = bus;
    ep->devfn = devfn;
    ep->sid = viommu_endpoint_sid(ep);
    ep->last_tag = DMA_TAG_UNTRANSLATED;
    viommu_windows_init(ep);
    ep->inflight = dma_inflight_new(v->drain, &viommu_inflight_ops, ep);
    QLIST_INIT(&ep->listeners);
    viommu_notify_init(ep);

    memory_region_init(&ep->root, v->owner, name, UINT64_MAX);
    address_space_init(&ep->as, &ep->root, name);
    address_space_set_inflight(&ep->as, ep->inflight);
    memory_region_init_iommu(&ep->iommu, sizeof(ep->iommu),
                             v->sanitizer ? TYPE_VIOMMU_SANITIZED_REGION :
                                            TYPE_VIOMMU_MEMORY_REGION,
                             v->owner, iommu_name, UINT64_MAX);
    /*
     * All bypassing endpoints show the same region, so that they share one
     * flat view.
     */
    memory_region_init_alias(&ep->bypass, v->owner, bypass_name, &v->bypass, 0,
                             memory_region_size(&v->bypass));
    if (v->ops->endpoint_init) {
        v->ops->endpoint_init(v, ep);
    }
    viommu_windows_begin(ep);

    memory_region_transaction_begin();
    memory_region_set_enabled(MEMORY_REGION(&ep->iommu), true);
    memory_region_set_enabled(&ep->bypass, false);
    memory_region_add_subregion_overlap(&ep->root, 0,
                                        MEMORY_REGION(&ep->iommu), 0);
    memory_region_add_subregion_overlap(&ep->root, 0, &ep->bypass, 0);
    QLIST_INSERT_HEAD(&v->endpoints, ep, next);
    g_hash_table_add(v->by_key, ep);
    ep->unlisted = viommu_endpoint_unlisted(ep);
    viommu_refresh(ep);
    memory_region_transaction_commit();
    return ep;
}

/* An IOMMU index is what dma_attrs_code() says: 0 for most. */
static int viommu_attrs_to_index(IOMMUMemoryRegion *iommu, MemTxAttrs attrs)
{
    return dma_attrs_code(attrs);
}

static int viommu_num_indexes(IOMMUMemoryRegion *iommu)
{
    return 1 << DMA_ATTRS_BITS;
}

static void viommu_memory_region_class_init(ObjectClass *klass, void *data)
{
    IOMMUMemoryRegionClass *imrc = IOMMU_MEMORY_REGION_CLASS(klass);

    imrc->translate = viommu_mr_translate;
    imrc->attrs_to_index = viommu_attrs_to_index;
    imrc->num_indexes = viommu_num_indexes;
    imrc->notify_flag_changed = viommu_notify_flag_changed;
    imrc->replay = viommu_notify_replay;
}

static const TypeInfo viommu_memory_region_info = {
    .parent = TYPE_IOMMU_MEMORY_REGION,
    .name = TYPE_VIOMMU_MEMORY_REGION,
    .class_init = viommu_memory_region_class_init,
};

static void viommu_register_types(void)
{
    type_register_static(&viommu_memory_region_info);
}

type_init(viommu_register_types)

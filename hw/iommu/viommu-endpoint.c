/*
 * vIOMMU core: endpoints and the views of memory that they are shown
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The memory core makes a flat view, with a dispatch table of some 100 KiB, of
 * each region that is the only one which address spaces show.  So all that who
 * bypasses sees is in one region of the vIOMMU's, and an endpoint's root shows
 * nothing else: however many they are, they share one view.  Only who has holes
 * of its own there has one of its own.  A translated view is always an
 * endpoint's own, and small.
 *
 * Everything here runs under the BQL, except viommu_endpoint_sid() and
 * viommu_requester().
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

VIOMMUEndpoint *viommu_requester(VIOMMU *v)
{
    VIOMMUEndpoint *ep = dma_inflight_opaque(dma_requester(),
                                             &viommu_inflight_ops);

    return ep && ep->viommu == v ? ep : NULL;
}

void viommu_doorbell_add(VIOMMU *v, hwaddr addr, MemoryRegion *mr)
{
    memory_region_transaction_begin();
    memory_region_add_subregion(&v->doorbells, addr, mr);
    memory_region_set_enabled(&v->doorbells, true);
    memory_region_transaction_commit();
}

void viommu_views_init(VIOMMU *v)
{
    MemoryRegion *sysmem = get_system_memory();

    memory_region_init(&v->doorbells, v->owner, "viommu-doorbells", UINT64_MAX);
    /* Without any, who bypasses shares the machine's own view. */
    memory_region_set_enabled(&v->doorbells, false);
    memory_region_init(&v->plain, v->owner, "viommu-memory", UINT64_MAX);
    memory_region_init_alias(&v->sysmem, v->owner, "viommu-sysmem", sysmem, 0,
                             memory_region_size(sysmem));
    memory_region_add_subregion_overlap(&v->plain, 0, &v->sysmem, 0);
    memory_region_add_subregion_overlap(&v->plain, 0, &v->doorbells, 1);
    memory_region_init(&v->bypass, v->owner, "viommu-bypass", UINT64_MAX);
    memory_region_init_alias(&v->bypass_plain, v->owner, "viommu-memory",
                             &v->plain, 0, memory_region_size(&v->plain));
    memory_region_add_subregion_overlap(&v->bypass, 0, &v->bypass_plain, 0);
}

void viommu_show(VIOMMUEndpoint *ep)
{
    bool apart = viommu_windows_show(ep, ep->bypasses);

    if (apart && !ep->apart) {
        g_autofree char *name = g_strdup_printf("%s-nodmar-apart",
                                                ep->viommu->name);

        ep->apart = g_new0(MemoryRegion, 1);
        memory_region_init_alias(ep->apart, ep->viommu->owner, name,
                                 &ep->viommu->plain, 0,
                                 memory_region_size(&ep->viommu->plain));
        memory_region_set_enabled(ep->apart, false);
        memory_region_add_subregion_overlap(&ep->root, 0, ep->apart, 0);
    }
    memory_region_set_enabled(MEMORY_REGION(&ep->iommu), !ep->bypasses);
    memory_region_set_enabled(&ep->doorbells, !ep->bypasses);
    memory_region_set_enabled(&ep->bypass, ep->bypasses && !apart);
    if (ep->apart) {
        memory_region_set_enabled(ep->apart, ep->bypasses && apart);
    }
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
    if (ep->bypasses == bypass) {
        return false;
    }

    trace_viommu_switch(viommu_endpoint_sid(ep), bypass);
    if (bypass) {
        /* They would be told nothing any more by a region that is not shown. */
        viommu_notify_forget(ep);
    }
    memory_region_transaction_begin();
    ep->bypasses = bypass;
    v->views++;
    viommu_show(ep);
    memory_region_transaction_commit();
    return !bypass;
}

unsigned viommu_views(const VIOMMU *v)
{
    return v->views;
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

    /* All of them at once: see viommu_views(). */
    memory_region_transaction_begin();
    QLIST_FOREACH(ep, &v->endpoints, next) {
        if (qatomic_read(&ep->refresh) && viommu_refresh(ep)) {
            ep->switched = true;
        }
    }
    memory_region_transaction_commit();
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
        if (ep->switched) {
            ep->switched = false;
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

/* The regions of @ep, and its address space.  In a transaction. */
static void viommu_endpoint_views(VIOMMUEndpoint *ep)
{
    VIOMMU *v = ep->viommu;
    g_autofree char *name = g_strdup_printf("%s-%02x.%x", v->name,
                                            PCI_SLOT(ep->devfn),
                                            PCI_FUNC(ep->devfn));
    g_autofree char *iommu_name = g_strdup_printf("%s-dmar", name);
    g_autofree char *bypass_name = g_strdup_printf("%s-nodmar", v->name);

    memory_region_init(&ep->root, v->owner, name, UINT64_MAX);
    address_space_init(&ep->as, &ep->root, name);
    address_space_set_inflight(&ep->as, ep->inflight);
    memory_region_init_iommu(&ep->iommu, sizeof(ep->iommu),
                             v->sanitizer ? TYPE_VIOMMU_SANITIZED_REGION :
                                            TYPE_VIOMMU_MEMORY_REGION,
                             v->owner, iommu_name, UINT64_MAX);
    memory_region_init_alias(&ep->doorbells, v->owner, "viommu-doorbells",
                             &v->doorbells, 0,
                             memory_region_size(&v->doorbells));
    memory_region_init_alias(&ep->bypass, v->owner, bypass_name, &v->bypass, 0,
                             memory_region_size(&v->bypass));
    memory_region_add_subregion_overlap(&ep->root, 0,
                                        MEMORY_REGION(&ep->iommu), 0);
    memory_region_add_subregion_overlap(&ep->root, 0, &ep->doorbells, 1);
    memory_region_add_subregion_overlap(&ep->root, 0, &ep->bypass, 0);
}

VIOMMUEndpoint *viommu_endpoint(VIOMMU *v, PCIBus *bus, uint8_t devfn)
{
    VIOMMUEndpoint key = { .bus = bus, .devfn = devfn };
    VIOMMUEndpoint *ep = g_hash_table_lookup(v->by_key, &key);

    if (ep) {
        return ep;
    }

    ep = g_new0(VIOMMUEndpoint, 1);
    ep->viommu = v;
    ep->bus = bus;
    ep->devfn = devfn;
    ep->sid = viommu_endpoint_sid(ep);
    ep->last_tag = DMA_TAG_UNTRANSLATED;
    viommu_windows_init(ep);
    ep->inflight = dma_inflight_new(v->drain, &viommu_inflight_ops, ep);
    QLIST_INIT(&ep->listeners);

    memory_region_transaction_begin();
    viommu_endpoint_views(ep);
    if (v->ops->endpoint_init) {
        v->ops->endpoint_init(v, ep);
    }
    viommu_windows_begin(ep);
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

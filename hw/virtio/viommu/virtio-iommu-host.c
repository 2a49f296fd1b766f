/*
 * virtio-iommu: reserved regions, PROBE, what an assigned device's host allows
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Regions come from the property "reserved-regions", which machines set, and
 * from the hosts of assigned devices, which say what their IOMMUs translate.
 * They are windows (viommu-windows.h), and what the operator
 * reserves with "reserved-ranges" is told in the same way.  No mapping may
 * overlap one (5.13.6.8.1.2), so that one is either nothing to the endpoint, or
 * the doorbell of MSIs: a view of system memory that is laid over whatever else
 * endpoints see.
 */
#include "qemu/osdep.h"
#include "exec/address-spaces.h"
#include "hw/pci/pci_bus.h"
#include "qapi/error.h"
#include "qemu/range.h"
#include "qemu/reserved-region.h"
#include "system/host_iommu_device.h"
#include "trace.h"
#include "virtio-iommu-internal.h"

/* Regions */

bool virtio_iommu_regions_check(VirtIOIOMMU *s, Error **errp)
{
    uint32_t i;

    for (i = 0; i < s->nr_prop_resv_regions; i++) {
        Range *range = &s->prop_resv_regions[i].range;

        if (range_is_empty(range) ||
            (range_lob(range) == 0 && range_upb(range) == UINT64_MAX)) {
            error_setg(errp, "virtio-iommu: reserved-regions[%u] is empty, or "
                       "leaves no address to devices: give the first and the "
                       "last address of what is reserved", i);
            return false;
        }
    }
    return true;
}

void virtio_iommu_endpoint_init(VIOMMU *v, VIOMMUEndpoint *ep)
{
    VirtIOIOMMU *s = virtio_iommu_of(v);
    uint32_t i;

    for (i = 0; i < s->nr_prop_resv_regions; i++) {
        ReservedRegion *region = &s->prop_resv_regions[i];

        viommu_window_add(ep, range_lob(&region->range),
                          range_upb(&region->range),
                          region->type == VIRTIO_IOMMU_RESV_MEM_T_MSI ?
                          IOMMU_WINDOW_MSI : IOMMU_WINDOW_RESERVED,
                          IOMMU_WINDOW_MACHINE);
    }
}

static void virtio_iommu_add_doorbells(VirtIOIOMMU *s)
{
    uint32_t i;

    s->doorbells = g_new0(MemoryRegion, s->nr_prop_resv_regions);
    for (i = 0; i < s->nr_prop_resv_regions; i++) {
        ReservedRegion *region = &s->prop_resv_regions[i];
        hwaddr first = range_lob(&region->range);
        hwaddr last = range_upb(&region->range);

        if (region->type == VIRTIO_IOMMU_RESV_MEM_T_MSI) {
            memory_region_init_alias(&s->doorbells[i], OBJECT(s),
                                     "virtio-iommu-msi", get_system_memory(),
                                     first, last - first + 1);
            viommu_doorbell_add(&s->viommu, first, &s->doorbells[i]);
        }
    }
}

bool virtio_iommu_is_reserved(VIOMMUEndpoint *ep, uint64_t first,
                              uint64_t last)
{
    return iommu_windows_next(&ep->windows->list, first, last, true);
}

bool virtio_iommu_conflicts(VIOMMUEndpoint *ep, const VirtIOMMUDomain *domain)
{
    const IOMMUWindows *list = &ep->windows->list;
    unsigned i;

    for (i = 0; i < list->n; i++) {
        if (iommu_window_is_opaque(&list->at[i]) &&
            iopt_maps_overlaps(&domain->maps, list->at[i].first,
                               list->at[i].last)) {
            return true;
        }
    }
    return false;
}

bool virtio_iommu_fill_properties(VIOMMUEndpoint *ep, uint8_t *buf, size_t size)
{
    const IOMMUWindows *list = &ep->windows->list;
    struct virtio_iommu_probe_resv_mem prop;
    unsigned i;

    for (i = 0; i < list->n; i++) {
        const IOMMUWindow *w = &list->at[i];
        uint8_t type = w->kind == IOMMU_WINDOW_MSI ?
                       VIRTIO_IOMMU_RESV_MEM_T_MSI :
                       VIRTIO_IOMMU_RESV_MEM_T_RESERVED;

        if (!iommu_window_is_opaque(w)) {
            continue;
        }
        if (size < sizeof(prop)) {
            return false;
        }
        prop = (struct virtio_iommu_probe_resv_mem) {
            .head.type = cpu_to_le16(VIRTIO_IOMMU_PROBE_T_RESV_MEM),
            .head.length = cpu_to_le16(sizeof(prop) - sizeof(prop.head)),
            .subtype = type,
            .start = cpu_to_le64(w->first),
            .end = cpu_to_le64(w->last),
        };
        memcpy(buf, &prop, sizeof(prop));
        buf += sizeof(prop);
        size -= sizeof(prop);
        trace_virtio_iommu_fill_resv_property(viommu_endpoint_sid(ep), type,
                                              w->first, w->last);
    }
    return true;
}

/* Assigned devices */

typedef struct HostKey {
    PCIBus *bus;             /* with devfn: the device's own, not an alias */
    int devfn;
} HostKey;

static guint host_hash(gconstpointer v)
{
    const HostKey *key = v;

    return g_direct_hash(key->bus) ^ (guint)key->devfn;
}

static gboolean host_equal(gconstpointer a, gconstpointer b)
{
    const HostKey *x = a, *y = b;

    return x->bus == y->bus && x->devfn == y->devfn;
}

/* What the host's IOMMU does not translate becomes reserved. */
static bool host_set_ranges(VirtIOIOMMU *s, PCIBus *bus, int devfn,
                            HostIOMMUDevice *hiod, Error **errp)
{
    VIOMMUEndpoint *ep = viommu_endpoint(&s->viommu, hiod->aliased_bus,
                                         hiod->aliased_devfn);

    if (viommu_windows_has_host(ep)) {
        error_setg(errp, "virtio-iommu: %s shares its requester ID with "
                   "another assigned device; put it behind a bridge of its "
                   "own", hiod->name);
        return false;
    }
    return viommu_windows_set_host(&s->viommu, bus, devfn, hiod, errp);
}

/* Can the guest's pages be what the host's IOMMU maps? */
static bool host_check_pages(VirtIOIOMMU *s, uint64_t mask, Error **errp)
{
    uint64_t granule = virtio_iommu_granule(s->config.page_size_mask);

    if (!(s->config.page_size_mask & mask)) {
        error_setg(errp, "virtio-iommu: the host's pages (mask 0x%" PRIx64
                   ") and the guest's (0x%" PRIx64 ") have no size in common; "
                   "give virtio-iommu another granule", mask,
                   s->config.page_size_mask);
        return false;
    }
    /* Once the machine has started the guest may have read it. */
    if (s->granule_frozen && !(granule & mask)) {
        error_setg(errp, "virtio-iommu: the host has no pages of 0x%" PRIx64
                   " bytes, which is the granule that the guest was told; "
                   "give virtio-iommu another granule", granule);
        return false;
    }
    return true;
}

static bool virtio_iommu_set_iommu_device(PCIBus *bus, void *opaque, int devfn,
                                          HostIOMMUDevice *hiod, Error **errp)
{
    VirtIOIOMMU *s = virtio_iommu_of(opaque);
    HostIOMMUDeviceClass *hiodc = HOST_IOMMU_DEVICE_GET_CLASS(hiod);
    HostKey key = { .bus = bus, .devfn = devfn };
    uint64_t mask = 0;

    if (g_hash_table_contains(s->host_devices, &key)) {
        error_setg(errp, "Host IOMMU device already exists");
        return false;
    }
    if (hiodc->get_page_size_mask) {
        mask = hiodc->get_page_size_mask(hiod);
        if (!host_check_pages(s, mask, errp)) {
            return false;
        }
    }
    if (!host_set_ranges(s, bus, devfn, hiod, errp)) {
        return false;
    }
    if (hiodc->get_page_size_mask && !s->granule_frozen) {
        trace_virtio_iommu_update_page_size_mask(hiod->name,
                                                 s->config.page_size_mask,
                                                 mask);
        s->config.page_size_mask &= mask;
    }
    g_hash_table_insert(s->host_devices, g_memdup2(&key, sizeof(key)),
                        object_ref(hiod));
    return true;
}

static void virtio_iommu_unset_iommu_device(PCIBus *bus, void *opaque,
                                            int devfn)
{
    VirtIOIOMMU *s = virtio_iommu_of(opaque);
    HostKey key = { .bus = bus, .devfn = devfn };

    viommu_windows_unset_host(&s->viommu, bus, devfn);
    g_hash_table_remove(s->host_devices, &key);
}

const PCIIOMMUOps virtio_iommu_pci_ops = {
    .get_address_space = viommu_get_address_space,
    .set_iommu_device = virtio_iommu_set_iommu_device,
    .unset_iommu_device = virtio_iommu_unset_iommu_device,
};

void virtio_iommu_host_init(VirtIOIOMMU *s)
{
    virtio_iommu_add_doorbells(s);
    s->host_devices = g_hash_table_new_full(host_hash, host_equal, g_free,
                                            object_unref);
}

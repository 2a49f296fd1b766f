/*
 * virtio-iommu: reserved regions, PROBE, what an assigned device's host allows
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Regions come from the property "reserved-regions", which machines set, and
 * from the hosts of assigned devices, which say what their IOMMUs translate.
 * No mapping may overlap one (5.13.6.8.1.2), so that one is either nothing to
 * the endpoint, or the doorbell of MSIs: a view of system memory that is laid
 * over whatever else the endpoint sees.
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

static void region_insert(VirtIOMMUEndpoint *vep, const Range *range,
                          unsigned type)
{
    ReservedRegion *region = g_new0(ReservedRegion, 1);

    region->range = *range;
    region->type = type;
    vep->resv = resv_region_list_insert(vep->resv, region);
}

/* The host's first: where both say something the property counts. */
static void regions_make(VirtIOIOMMU *s, VirtIOMMUEndpoint *vep,
                         GList *host_resv)
{
    GList *l;
    uint32_t i;

    g_list_free_full(g_steal_pointer(&vep->resv), g_free);
    vep->host_ranges = host_resv;
    for (l = host_resv; l; l = l->next) {
        region_insert(vep, l->data, VIRTIO_IOMMU_RESV_MEM_T_RESERVED);
    }
    for (i = 0; i < s->nr_prop_resv_regions; i++) {
        region_insert(vep, &s->prop_resv_regions[i].range,
                      s->prop_resv_regions[i].type);
    }
}

void virtio_iommu_endpoint_init(VIOMMU *v, VIOMMUEndpoint *ep)
{
    VirtIOIOMMU *s = virtio_iommu_of(v);
    VirtIOMMUEndpoint *vep = g_new0(VirtIOMMUEndpoint, 1);
    uint32_t i;

    ep->model = vep;
    regions_make(s, vep, NULL);
    vep->doorbells = g_new0(MemoryRegion, s->nr_prop_resv_regions);
    for (i = 0; i < s->nr_prop_resv_regions; i++) {
        ReservedRegion *region = &s->prop_resv_regions[i];
        hwaddr first = range_lob(&region->range);
        hwaddr last = range_upb(&region->range);

        if (region->type != VIRTIO_IOMMU_RESV_MEM_T_MSI) {
            continue;
        }
        memory_region_init_alias(&vep->doorbells[i], OBJECT(s),
                                 "virtio-iommu-msi", get_system_memory(),
                                 first, last - first + 1);
        memory_region_add_subregion_overlap(&ep->root, first,
                                            &vep->doorbells[i], 1);
        if (ep->window_last < ep->window_first) {
            ep->window_first = first;
            ep->window_last = last;
        }
    }
}

bool virtio_iommu_is_reserved(VIOMMUEndpoint *ep, uint64_t first,
                              uint64_t last)
{
    const VirtIOMMUEndpoint *vep = ep->model;
    GList *l;

    for (l = vep->resv; l; l = l->next) {
        ReservedRegion *region = l->data;

        if (first <= range_upb(&region->range) &&
            last >= range_lob(&region->range)) {
            return true;
        }
    }
    return false;
}

bool virtio_iommu_conflicts(VIOMMUEndpoint *ep, const VirtIOMMUDomain *domain)
{
    const VirtIOMMUEndpoint *vep = ep->model;
    GList *l;

    for (l = vep->resv; l; l = l->next) {
        ReservedRegion *region = l->data;

        if (iopt_maps_overlaps(&domain->maps, range_lob(&region->range),
                               range_upb(&region->range))) {
            return true;
        }
    }
    return false;
}

bool virtio_iommu_fill_properties(VIOMMUEndpoint *ep, uint8_t *buf, size_t size)
{
    const VirtIOMMUEndpoint *vep = ep->model;
    struct virtio_iommu_probe_resv_mem prop;
    GList *l;

    if (g_list_length(vep->resv) > size / sizeof(prop)) {
        return false;
    }
    for (l = vep->resv; l; l = l->next, buf += sizeof(prop)) {
        ReservedRegion *region = l->data;

        prop = (struct virtio_iommu_probe_resv_mem) {
            .head.type = cpu_to_le16(VIRTIO_IOMMU_PROBE_T_RESV_MEM),
            .head.length = cpu_to_le16(sizeof(prop) - sizeof(prop.head)),
            .subtype = region->type,
            .start = cpu_to_le64(range_lob(&region->range)),
            .end = cpu_to_le64(range_upb(&region->range)),
        };
        memcpy(buf, &prop, sizeof(prop));
        trace_virtio_iommu_fill_resv_property(viommu_endpoint_sid(ep),
                                              region->type,
                                              range_lob(&region->range),
                                              range_upb(&region->range));
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
static bool host_set_ranges(VirtIOIOMMU *s, HostIOMMUDevice *hiod,
                            GList *iova_ranges, Error **errp)
{
    VIOMMUEndpoint *ep = viommu_endpoint(&s->viommu, hiod->aliased_bus,
                                         hiod->aliased_devfn);
    VirtIOMMUEndpoint *vep = ep->model;
    GList *reserved = NULL;

    if (vep->host_ranges) {
        error_setg(errp, "virtio-iommu: %s shares its requester ID with "
                   "another assigned device; put it behind a bridge of its "
                   "own", hiod->name);
        return false;
    }
    range_inverse_array(iova_ranges, &reserved, 0, UINT64_MAX);
    regions_make(s, vep, reserved);
    g_list_free_full(reserved, g_free);
    return true;
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
    GList *ranges = NULL;
    uint64_t mask = 0;
    bool ok;

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
    /* Old kernels may not tell. */
    ranges = hiodc->get_iova_ranges ? hiodc->get_iova_ranges(hiod) : NULL;
    ok = !ranges || host_set_ranges(s, hiod, ranges, errp);
    g_list_free_full(ranges, g_free);
    if (!ok) {
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
    HostIOMMUDevice *hiod = g_hash_table_lookup(s->host_devices, &key);
    VIOMMUEndpoint *ep;

    if (!hiod) {
        return;
    }
    ep = viommu_endpoint(&s->viommu, hiod->aliased_bus, hiod->aliased_devfn);
    regions_make(s, ep->model, NULL);
    g_hash_table_remove(s->host_devices, &key);
}

const PCIIOMMUOps virtio_iommu_pci_ops = {
    .get_address_space = viommu_get_address_space,
    .set_iommu_device = virtio_iommu_set_iommu_device,
    .unset_iommu_device = virtio_iommu_unset_iommu_device,
};

void virtio_iommu_host_init(VirtIOIOMMU *s)
{
    s->host_devices = g_hash_table_new_full(host_hash, host_equal, g_free,
                                            object_unref);
}

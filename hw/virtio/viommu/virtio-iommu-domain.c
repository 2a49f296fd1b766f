/*
 * virtio-iommu: domains, mappings, and who is attached
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A domain is there as long as an endpoint is attached to it.  Who is attached
 * is kept by endpoint ID, as the specification has it, so it does not matter
 * which device has that ID, or whether a stream is loaded before there is one.
 *
 * A request is checked in full before anything is changed, so one that fails
 * leaves everything as it was.
 */
#include "qemu/osdep.h"
#include "hw/iommu/viommu-model.h"
#include "hw/pci/pci_bridge.h"
#include "hw/pci/pci_bus.h"
#include "qapi/error.h"
#include "qemu/range.h"
#include "qemu/rcu.h"
#include "trace.h"
#include "virtio-iommu-internal.h"

static VirtIOMMUDomain *domain_find(VirtIOIOMMU *s, uint32_t id)
{
    return g_hash_table_lookup(s->domains, GUINT_TO_POINTER(id));
}

static VirtIOMMUDomain *domain_make(VirtIOIOMMU *s, uint32_t id, bool bypass)
{
    VirtIOMMUDomain *domain = g_new0(VirtIOMMUDomain, 1);

    trace_virtio_iommu_get_domain(id);
    domain->id = id;
    domain->bypass = bypass;
    iopt_maps_init(&domain->maps, viommu_maps_retire);
    g_hash_table_insert(s->domains, GUINT_TO_POINTER(id), domain);
    return domain;
}

/* Nobody is attached to it, and it is nobody's configuration any more. */
static void domain_free(VirtIOMMUDomain *domain)
{
    trace_virtio_iommu_put_domain(domain->id);
    iopt_maps_clear(&domain->maps);
    g_free_rcu(domain, rcu);
}

/* The endpoint that the requests of the function @id are made as */
static VIOMMUEndpoint *find_alias(VirtIOIOMMU *s, uint16_t id)
{
    PCIDevice *dev = pci_find_device(s->primary_bus, PCI_BUS_NUM(id),
                                     id & 0xff);
    AddressSpace *as = dev ? pci_device_iommu_address_space(dev) : NULL;
    VIOMMUEndpoint *ep;

    QLIST_FOREACH(ep, &s->viommu.endpoints, next) {
        if (&ep->as == as) {
            return ep;
        }
    }
    return NULL;
}

VIOMMUEndpoint *virtio_iommu_find_endpoint(VirtIOIOMMU *s, uint32_t id)
{
    VIOMMUEndpoint *ep;

    if (id >= VIRTIO_IOMMU_ENDPOINTS) {
        return NULL;
    }
    QLIST_FOREACH(ep, &s->viommu.endpoints, next) {
        if (ep->bus && viommu_endpoint_sid(ep) == id) {
            return ep;
        }
    }
    return find_alias(s, id);
}

/*
 * Is @ep the one of functions on a conventional bus, with IDs of their own?
 * Linux attaches each of these and the alias, and detaches each.
 */
static bool endpoint_is_alias(VIOMMUEndpoint *ep)
{
    PCIDevice *dev = ep->bus->devices[ep->devfn];

    return (!pci_bus_is_express(ep->bus) && !pci_bus_is_root(ep->bus)) ||
           (dev && IS_PCI_BRIDGE(dev));
}

/*
 * The endpoint @id is attached to @domain from now on, or to none if that is
 * NULL.  What it was attached to goes if it was the last one there.
 */
static void domain_move(VirtIOIOMMU *s, uint16_t id, VirtIOMMUDomain *domain)
{
    VirtIOMMUDomain *old = s->attached[id];
    VIOMMUInv inv = { .kind = VIOMMU_INV_CONFIG_ENDPOINT, .sid = id };

    if (domain) {
        domain->endpoints++;
    }
    qatomic_rcu_set(&s->attached[id], domain);
    viommu_invalidate(&s->viommu, &inv);
    if (old && !--old->endpoints) {
        g_hash_table_remove(s->domains, GUINT_TO_POINTER(old->id));
        if (!old->bypass) {
            /* Its ID may be another domain's tomorrow. */
            inv.kind = VIOMMU_INV_TAG;
            inv.tag = virtio_iommu_tag(old);
            viommu_invalidate(&s->viommu, &inv);
        }
        s->mappings -= iopt_maps_count(&old->maps);
        domain_free(old);
    }
}

/* 5.13.6.3.2 */
uint8_t virtio_iommu_attach(VirtIOIOMMU *s, const VirtIOMMURequest *req,
                            bool *drain)
{
    bool bypass = req->flags & VIRTIO_IOMMU_ATTACH_F_BYPASS;
    VIOMMUEndpoint *ep = virtio_iommu_find_endpoint(s, req->endpoint);
    VirtIOMMUDomain *domain = domain_find(s, req->domain);
    uint16_t id;

    trace_virtio_iommu_attach(req->domain, req->endpoint);
    if (!ep) {
        return VIRTIO_IOMMU_S_NOENT;
    }
    id = viommu_endpoint_sid(ep);
    if (domain && domain->bypass != bypass) {
        return VIRTIO_IOMMU_S_INVAL;
    }
    if (domain && domain == s->attached[id]) {
        return VIRTIO_IOMMU_S_OK;
    }
    if (domain && virtio_iommu_conflicts(ep, domain)) {
        return VIRTIO_IOMMU_S_UNSUPP;
    }
    if (!domain) {
        if (g_hash_table_size(s->domains) >= s->max_domains) {
            return VIRTIO_IOMMU_S_NOMEM;
        }
        domain = domain_make(s, req->domain, bypass);
    }
    domain_move(s, id, domain);
    *drain = true;
    return VIRTIO_IOMMU_S_OK;
}

/*
 * 5.13.6.4.2.  An endpoint that is attached was there once.  One that has
 * several names is detached by the first of them.
 */
uint8_t virtio_iommu_detach(VirtIOIOMMU *s, const VirtIOMMURequest *req,
                            bool *drain)
{
    VIOMMUEndpoint *ep = NULL;
    VirtIOMMUDomain *domain;
    uint32_t id = req->endpoint;

    trace_virtio_iommu_detach(req->domain, id);
    if (id >= VIRTIO_IOMMU_ENDPOINTS) {
        return VIRTIO_IOMMU_S_NOENT;
    }
    if (!s->attached[id]) {
        ep = virtio_iommu_find_endpoint(s, id);
        if (!ep) {
            return VIRTIO_IOMMU_S_NOENT;
        }
        id = viommu_endpoint_sid(ep);
    }
    domain = s->attached[id];
    if (!domain) {
        return endpoint_is_alias(ep) ? VIRTIO_IOMMU_S_OK :
                                       VIRTIO_IOMMU_S_INVAL;
    }
    if (domain->id != req->domain) {
        return VIRTIO_IOMMU_S_INVAL;
    }
    domain_move(s, id, NULL);
    *drain = true;
    return VIRTIO_IOMMU_S_OK;
}

/* Is part of @first .. @last one of "reserved-regions" or "reserved-ranges"? */
static bool domain_reserved_for_all(VirtIOIOMMU *s, uint64_t first,
                                    uint64_t last)
{
    uint32_t i;

    for (i = 0; i < s->nr_prop_resv_regions; i++) {
        Range *range = &s->prop_resv_regions[i].range;

        if (first <= range_upb(range) && last >= range_lob(range)) {
            return true;
        }
    }
    return iommu_windows_next(&s->viommu.reserved_ranges, first, last, true);
}

/*
 * Is it reserved for an endpoint of @domain?  Only devices with windows of
 * their own make a difference between endpoints.
 */
static bool domain_is_reserved(VirtIOIOMMU *s, const VirtIOMMUDomain *domain,
                               uint64_t first, uint64_t last)
{
    VIOMMUEndpoint *ep;

    if (domain_reserved_for_all(s, first, last)) {
        return true;
    }
    if (!viommu_windows_differ()) {
        return false;
    }
    QLIST_FOREACH(ep, &s->viommu.endpoints, next) {
        if (s->attached[viommu_endpoint_sid(ep)] == domain &&
            virtio_iommu_is_reserved(ep, first, last)) {
            return true;
        }
    }
    return false;
}

/* 5.13.6.5.2 */
uint8_t virtio_iommu_map(VirtIOIOMMU *s, const VirtIOMMURequest *req)
{
    VirtIOMMUDomain *domain = domain_find(s, req->domain);
    IOPTMapping m = {
        .first = req->virt_start,
        .last = req->virt_end,
        .addr = req->phys_start,
    };

    if (!domain) {
        return VIRTIO_IOMMU_S_NOENT;
    }
    if (domain->bypass ||
        iopt_maps_overlaps(&domain->maps, m.first, m.last) ||
        domain_is_reserved(s, domain, m.first, m.last)) {
        return VIRTIO_IOMMU_S_INVAL;
    }
    if (s->mappings >= s->max_mappings) {
        return VIRTIO_IOMMU_S_NOMEM;
    }
    trace_virtio_iommu_map(req->domain, m.first, m.last, m.addr, req->flags);
    virtio_iommu_mapping_set_flags(&m, req->flags);
    iopt_maps_add(&domain->maps, &m);
    s->mappings++;
    viommu_mapped(&s->viommu, virtio_iommu_tag(domain), m.first, m.last);
    return VIRTIO_IOMMU_S_OK;
}

/* 5.13.6.6.2 */
uint8_t virtio_iommu_unmap(VirtIOIOMMU *s, const VirtIOMMURequest *req,
                           bool *drain)
{
    VirtIOMMUDomain *domain = domain_find(s, req->domain);
    VIOMMUInv inv = {
        .kind = VIOMMU_INV_RANGE,
        .first = req->virt_start,
        .last = req->virt_end,
    };
    uint64_t count;

    trace_virtio_iommu_unmap(req->domain, req->virt_start, req->virt_end);
    if (!domain) {
        return VIRTIO_IOMMU_S_NOENT;
    }
    if (domain->bypass) {
        return VIRTIO_IOMMU_S_INVAL;
    }
    count = iopt_maps_count(&domain->maps);
    switch (iopt_maps_remove(&domain->maps, &inv.first, &inv.last)) {
    case IOPT_MAPS_SPLIT:
        return VIRTIO_IOMMU_S_RANGE;
    case IOPT_MAPS_NOTHING:
        return VIRTIO_IOMMU_S_OK;
    default:
        break;
    }
    s->mappings -= count - iopt_maps_count(&domain->maps);
    trace_virtio_iommu_unmap_done(req->domain, inv.first, inv.last);
    inv.tag = virtio_iommu_tag(domain);
    viommu_invalidate(&s->viommu, &inv);
    *drain = true;
    return VIRTIO_IOMMU_S_OK;
}

void virtio_iommu_mapping_set_flags(IOPTMapping *m, uint32_t flags)
{
    m->perm = (flags & VIRTIO_IOMMU_MAP_F_READ ? IOPT_READ : 0) |
              (flags & VIRTIO_IOMMU_MAP_F_WRITE ? IOPT_WRITE : 0);
    m->device = flags & VIRTIO_IOMMU_MAP_F_MMIO;
}

uint32_t virtio_iommu_mapping_flags(const IOPTMapping *m)
{
    return (m->perm & IOPT_READ ? VIRTIO_IOMMU_MAP_F_READ : 0) |
           (m->perm & IOPT_WRITE ? VIRTIO_IOMMU_MAP_F_WRITE : 0) |
           (m->device ? VIRTIO_IOMMU_MAP_F_MMIO : 0);
}

VirtIOMMUDomain *virtio_iommu_domain_new(VirtIOIOMMU *s, uint32_t id,
                                         bool bypass, Error **errp)
{
    if (domain_find(s, id)) {
        error_setg(errp, "domain %u is there twice", id);
        return NULL;
    }
    if (g_hash_table_size(s->domains) >= s->max_domains) {
        error_setg(errp, "there are more than max-domains=%u domains: give "
                   "virtio-iommu the source's max-domains", s->max_domains);
        return NULL;
    }
    return domain_make(s, id, bypass);
}

bool virtio_iommu_domain_add(VirtIOIOMMU *s, VirtIOMMUDomain *domain,
                             const IOPTMapping *m, Error **errp)
{
    if (s->mappings >= s->max_mappings) {
        error_setg(errp, "there are more than max-mappings=%u mappings: give "
                   "virtio-iommu the source's max-mappings", s->max_mappings);
        return false;
    }
    if (!iopt_maps_fits(m) || !iopt_maps_add(&domain->maps, m)) {
        error_setg(errp, "domain %u: the mapping 0x%" PRIx64 " .. 0x%" PRIx64
                   " is not of whole pages, or overlaps another", domain->id,
                   m->first, m->last);
        return false;
    }
    s->mappings++;
    return true;
}

bool virtio_iommu_domain_join(VirtIOIOMMU *s, VirtIOMMUDomain *domain,
                              uint32_t endpoint, Error **errp)
{
    if (endpoint >= VIRTIO_IOMMU_ENDPOINTS || s->attached[endpoint]) {
        error_setg(errp, "domain %u: there is no endpoint %u, or it is "
                   "attached already", domain->id, endpoint);
        return false;
    }
    qatomic_rcu_set(&s->attached[endpoint], domain);
    domain->endpoints++;
    return true;
}

GList *virtio_iommu_domains_leave(VirtIOIOMMU *s)
{
    GList *domains = g_hash_table_get_values(s->domains);
    unsigned id;

    for (id = 0; domains && id < VIRTIO_IOMMU_ENDPOINTS; id++) {
        if (s->attached[id]) {
            qatomic_rcu_set(&s->attached[id], NULL);
        }
    }
    g_hash_table_remove_all(s->domains);
    s->mappings = 0;
    return domains;
}

void virtio_iommu_domains_free(GList *domains)
{
    GList *l;

    for (l = domains; l; l = l->next) {
        domain_free(l->data);
    }
    g_list_free(domains);
}

void virtio_iommu_domains_init(VirtIOIOMMU *s)
{
    s->attached = g_new0(VirtIOMMUDomain *, VIRTIO_IOMMU_ENDPOINTS);
    s->domains = g_hash_table_new(NULL, NULL);
}

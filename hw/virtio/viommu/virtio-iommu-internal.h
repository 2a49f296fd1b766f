/*
 * virtio-iommu: what its files share
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 *   virtio-iommu.c            the device: properties, config space, reset
 *   virtio-iommu-decode.c     requests as numbers, and what is checked of them
 *                             alone.  Pure.
 *   virtio-iommu-request.c    the request queue
 *   virtio-iommu-domain.c     domains, mappings, and who is attached
 *   virtio-iommu-resolve.c    the core's questions
 *   virtio-iommu-fault.c      the event queue
 *   virtio-iommu-host.c       reserved regions, PROBE, and what the host of an
 *                             assigned device allows
 *   virtio-iommu-migration.c  the stream
 *   virtio-iommu-query.c      what query-viommu is told
 *
 * Everything that does not say otherwise: BQL.
 */
#ifndef HW_VIRTIO_VIOMMU_INTERNAL_H
#define HW_VIRTIO_VIOMMU_INTERNAL_H

#include "hw/iommu/iopt-maps.h"
#include "hw/iommu/viommu-model.h"
#include "hw/iommu/viommu-query.h"
#include "hw/virtio/virtio-iommu.h"
#include "virtio-iommu-decode.h"

/* Endpoint IDs are PCI requester IDs. */
#define VIRTIO_IOMMU_ENDPOINTS (1u << 16)

struct VirtIOMMUDomain {
    struct rcu_head rcu;
    uint32_t id;
    bool bypass;
    IOPTMaps maps;           /* readers: RCU */
    unsigned endpoints;      /* attached to it; 0: it is being made */
};

static inline VirtIOIOMMU *virtio_iommu_of(VIOMMU *v)
{
    return container_of(v, VirtIOIOMMU, viommu);
}

static inline uint64_t virtio_iommu_tag(const VirtIOMMUDomain *domain)
{
    return IOTLB_TAG(domain->id, 0, 0);
}

/* virtio-iommu-domain.c: the requests proper; @req has been checked alone. */

/*
 * Returns: a status.  *@drain: something was removed, and the request is to be
 * returned when viommu_fence() says so.
 */
uint8_t virtio_iommu_attach(VirtIOIOMMU *s, const VirtIOMMURequest *req,
                            bool *drain);
uint8_t virtio_iommu_detach(VirtIOIOMMU *s, const VirtIOMMURequest *req,
                            bool *drain);
uint8_t virtio_iommu_map(VirtIOIOMMU *s, const VirtIOMMURequest *req);
uint8_t virtio_iommu_unmap(VirtIOIOMMU *s, const VirtIOMMURequest *req,
                           bool *drain);

/*
 * virtio_iommu_find_endpoint: the one with this ID now, or that the function
 * with this ID makes its requests as (behind a bridge to a conventional bus),
 * or NULL.  BQL.
 */
VIOMMUEndpoint *virtio_iommu_find_endpoint(VirtIOIOMMU *s, uint32_t id);

/*
 * For a stream: no endpoint is told of it, and nothing is drained.
 * virtio_iommu_domain_new: NULL with @errp set if there is one, or too many.
 */
VirtIOMMUDomain *virtio_iommu_domain_new(VirtIOIOMMU *s, uint32_t id,
                                         bool bypass, Error **errp);
bool virtio_iommu_domain_add(VirtIOIOMMU *s, VirtIOMMUDomain *domain,
                             const IOPTMapping *m, Error **errp);
bool virtio_iommu_domain_join(VirtIOIOMMU *s, VirtIOMMUDomain *domain,
                              uint32_t endpoint, Error **errp);

/*
 * virtio_iommu_domains_leave: nobody is attached any more.  The caller has what
 * is cached dropped, the core's configurations above all, and only then frees
 * the domains: virtio_iommu_domains_free().
 */
GList *virtio_iommu_domains_leave(VirtIOIOMMU *s);
void virtio_iommu_domains_free(GList *domains);

/* virtio_iommu_domains_init: BQL, once. */
void virtio_iommu_domains_init(VirtIOIOMMU *s);

/* A mapping's flags (MAP) as permissions, and back */
void virtio_iommu_mapping_set_flags(IOPTMapping *m, uint32_t flags);
uint32_t virtio_iommu_mapping_flags(const IOPTMapping *m);

/* virtio-iommu-request.c */
void virtio_iommu_requests_init(VirtIOIOMMU *s);
void virtio_iommu_handle_requests(VirtIODevice *vdev, VirtQueue *vq);
/* Requests that wait are dropped: their queue is being reset. */
void virtio_iommu_requests_drop(VirtIOIOMMU *s);
/* The machine runs (again), or stops. */
void virtio_iommu_requests_vm_state(VirtIOIOMMU *s, bool running);
unsigned virtio_iommu_requests_pending(VirtIOIOMMU *s);
/* What the stream has of them, if the drain is stuck */
void virtio_iommu_requests_save(VirtIOIOMMU *s, QEMUFile *f);
int virtio_iommu_requests_load(VirtIOIOMMU *s, QEMUFile *f);

/* virtio-iommu-resolve.c */
extern const VIOMMUOps virtio_iommu_viommu_ops;
/* The specification's reason (5.13.6.9) of @fault.  Any thread. */
uint8_t virtio_iommu_fault_reason(const VIOMMUConfig *config,
                                  const VIOMMUFault *fault);

/* virtio-iommu-fault.c */
void virtio_iommu_faults_init(VirtIOIOMMU *s);
/* Any thread. */
void virtio_iommu_fault(VIOMMU *v, VIOMMUEndpoint *ep,
                        const VIOMMUConfig *config, const VIOMMUFault *fault);
uint64_t virtio_iommu_faults_dropped(VirtIOIOMMU *s);

/* virtio-iommu-host.c */
void virtio_iommu_host_init(VirtIOIOMMU *s);
/* VIOMMUOps.endpoint_init */
void virtio_iommu_endpoint_init(VIOMMU *v, VIOMMUEndpoint *ep);
bool virtio_iommu_regions_check(VirtIOIOMMU *s, Error **errp);
/*
 * virtio_iommu_fill_properties: PROBE's, of all of @ep, into @buf of @size
 * zeroed bytes.  Returns: false if they do not fit.
 */
bool virtio_iommu_fill_properties(VIOMMUEndpoint *ep, uint8_t *buf,
                                  size_t size);
/* Is part of @first .. @last reserved for @ep? */
bool virtio_iommu_is_reserved(VIOMMUEndpoint *ep, uint64_t first,
                              uint64_t last);
/* Does a mapping of @domain lie where something is reserved for @ep? */
bool virtio_iommu_conflicts(VIOMMUEndpoint *ep, const VirtIOMMUDomain *domain);
extern const PCIIOMMUOps virtio_iommu_pci_ops;

/* virtio-iommu-migration.c: VirtioDeviceClass.vmsd, DeviceClass.vmsd */
extern const VMStateDescription vmstate_virtio_iommu_device;
extern const VMStateDescription vmstate_virtio_iommu;

/* virtio-iommu-query.c */
extern const VIOMMUQueryOps virtio_iommu_query_ops;

#endif

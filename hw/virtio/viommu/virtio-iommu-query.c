/*
 * virtio-iommu: what the unit says of itself in words and numbers
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Only looks.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-virtio.h"
#include "qemu/rcu.h"
#include "virtio-iommu-internal.h"

static const char *const query_properties[] = {
    "aw-bits", "boot-bypass", "granule", "max-domains", "max-mappings", NULL
};

/* 5.13.2.  head and tail: of the available ring, modulo the queue's size */
static void query_queue(VirtIOIOMMU *s, VirtQueue *vq, const char *name,
                        bool waiting, VIOMMUQueueInfoList ***tail)
{
    g_autofree char *path = object_get_canonical_path(OBJECT(s));
    g_autoptr(VirtQueueStatus) status = qmp_x_query_virtio_queue_status(
        path, virtio_get_queue_index(vq), NULL);
    VIOMMUQueueInfo *queue = g_new0(VIOMMUQueueInfo, 1);

    queue->name = g_strdup(name);
    /* There is none if the driver has made it of size 0. */
    if (status && status->vring_desc) {
        queue->enabled = true;
        queue->address = status->vring_desc;
        queue->entries = status->vring_num;
        queue->head = status->last_avail_idx % status->vring_num;
        queue->tail = status->shadow_avail_idx % status->vring_num;
        queue->waiting = waiting;
    }
    if (VIRTIO_DEVICE(s)->broken) {
        queue->error = g_strdup("the driver broke the rules of a ring; the "
                                "device needs a reset");
    }
    viommu_say_queue(tail, queue);
}

static void query_unit(VIOMMU *v, VIOMMUInfo *info)
{
    VirtIOIOMMU *s = virtio_iommu_of(v);
    VIOMMUNumberList **tail = &info->registers;
    VIOMMUQueueInfoList **queues = &info->queues;

    query_queue(s, s->req_vq, "requestq",
                virtio_iommu_requests_pending(s) != 0, &queues);
    query_queue(s, s->event_vq, "eventq", false, &queues);

    viommu_say_number(&tail, "page_size_mask", s->config.page_size_mask);
    viommu_say_number(&tail, "bypass", s->config.bypass);
    viommu_say_number(&tail, "status", VIRTIO_DEVICE(s)->status);
    viommu_say_number(&tail, "domains", g_hash_table_size(s->domains));
    viommu_say_number(&tail, "mappings", s->mappings);
    viommu_say_number(&tail, "requests-waiting",
                      virtio_iommu_requests_pending(s));
    viommu_say_number(&tail, "faults-dropped", virtio_iommu_faults_dropped(s));
}

static void query_domain(VIOMMU *v, const VIOMMUConfig *config,
                         VIOMMUNumberList ***tail)
{
    viommu_say_number(tail, "domain", IOTLB_TAG_GROUP(config->tag));
}

/* 5.13.6.1 */
static const char *query_bypass(VIOMMU *v, VIOMMUEndpoint *ep)
{
    VirtIOIOMMU *s = virtio_iommu_of(v);

    return qatomic_rcu_read(&s->attached[viommu_endpoint_sid(ep)]) ?
           "the guest has attached it to a domain for bypass" :
           "the guest has attached it to no domain, and lets such devices pass "
           "(bypass is 1, as boot-bypass has it at first)";
}

/* 5.13.6.9 */
static void query_fault(VIOMMU *v, const VIOMMUConfig *config,
                        const VIOMMUFault *fault, VIOMMUFaultSays *says)
{
    static const VIOMMUFaultSays all[] = {
        [VIRTIO_IOMMU_FAULT_R_UNKNOWN] = {
            .name = "VIRTIO_IOMMU_FAULT_R_UNKNOWN",
            .reason = "a request that the unit has no translation for: it has "
                      "a PASID, or is about one of ATS",
        },
        [VIRTIO_IOMMU_FAULT_R_DOMAIN] = {
            .name = "VIRTIO_IOMMU_FAULT_R_DOMAIN",
            .reason = "the endpoint is attached to no domain, and bypass is 0",
        },
        [VIRTIO_IOMMU_FAULT_R_MAPPING] = {
            .name = "VIRTIO_IOMMU_FAULT_R_MAPPING",
            .reason = "the domain has no mapping there that allows it",
        },
    };
    uint8_t reason = virtio_iommu_fault_reason(config, fault);

    *says = all[reason];
    says->code = reason;
    says->recorded = true;
}

const VIOMMUQueryOps virtio_iommu_query_ops = {
    .properties = query_properties,
    .unit = query_unit,
    .domain = query_domain,
    .bypass = query_bypass,
    .fault = query_fault,
};

/*
 * virtio-iommu: what the unit says of itself in words and numbers
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Only looks.
 */
#include "qemu/osdep.h"
#include "virtio-iommu-internal.h"

static const char *const query_properties[] = {
    "aw-bits", "boot-bypass", "granule", "max-domains", "max-mappings", NULL
};

static void query_unit(VIOMMU *v, VIOMMUInfo *info)
{
    VirtIOIOMMU *s = virtio_iommu_of(v);
    VIOMMUNumberList **tail = &info->registers;

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
    .fault = query_fault,
};

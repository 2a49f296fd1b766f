/*
 * vIOMMU core: statistics, and the answer to x-query-viommu
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "viommu-internal.h"

void viommu_get_stats(VIOMMU *v, VIOMMUStats *stats)
{
    stats->translations = qatomic_read(&v->stats.translations);
    stats->iotlb_hits = qatomic_read(&v->stats.iotlb_hits);
    stats->iotlb_misses = qatomic_read(&v->stats.iotlb_misses);
    stats->walks = qatomic_read(&v->stats.walks);
    stats->faults = qatomic_read(&v->stats.faults);
    stats->inv_global = qatomic_read(&v->stats.inv_global);
    stats->inv_domain = qatomic_read(&v->stats.inv_domain);
    stats->inv_page = qatomic_read(&v->stats.inv_page);
    stats->inv_config = qatomic_read(&v->stats.inv_config);
}

VIOMMUInfo *viommu_info(VIOMMURegistration *reg)
{
    VIOMMU *v = container_of(reg, VIOMMU, registration);
    VIOMMUInfo *info = g_new0(VIOMMUInfo, 1);
    VIOMMUEndpoint *ep;
    VIOMMUStats stats;
    DMADrainStats drain;

    viommu_get_stats(v, &stats);
    dma_drain_get_stats(v->drain, &drain);
    info->qom_path = object_get_canonical_path(v->owner);
    info->model = g_strdup(v->name);
    info->enabled = v->enabled;
    QLIST_FOREACH(ep, &v->endpoints, next) {
        info->endpoints++;
        info->maps_in_flight += dma_inflight_count(ep->inflight);
    }
    info->translations = stats.translations;
    info->iotlb_hits = stats.iotlb_hits;
    info->iotlb_misses = stats.iotlb_misses;
    info->walks = stats.walks;
    info->faults = stats.faults;
    info->invalidations_tlb_global = stats.inv_global;
    info->invalidations_tlb_domain = stats.inv_domain;
    info->invalidations_tlb_page = stats.inv_page;
    info->invalidations_config = stats.inv_config;
    info->drains = drain.drains;
    info->drains_waited = drain.waited;
    info->drain_wait_ns_total = drain.wait_ns_total;
    info->drain_wait_ns_max = drain.wait_ns_max;
    info->drain_stalls = drain.stalls;
    info->maps_revoked = drain.revoked;
    info->maps_abandoned = drain.abandoned;
    return info;
}

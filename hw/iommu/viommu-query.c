/*
 * vIOMMU core: statistics, and the answer to query-viommu
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What an answer takes grows with the number of devices, which is the
 * operator's to choose, and not with what is in the guest's tables.
 */

#include "qemu/osdep.h"
#include "hw/iommu/iopt-explain.h"
#include "hw/pci/pci_bus.h"
#include "hw/pci/pci_device.h"
#include "qapi/error.h"
#include "qapi/util.h"
#include "system/dma-query.h"
#include "viommu-policy-internal.h"
#include "viommu-query-internal.h"

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

char *viommu_query_address(uint16_t sid)
{
    return g_strdup_printf("%02x:%02x.%x", PCI_BUS_NUM(sid), PCI_SLOT(sid),
                           PCI_FUNC(sid));
}

PCIDevice *viommu_query_device(VIOMMUEndpoint *ep)
{
    return ep->bus ? ep->bus->devices[ep->devfn] : NULL;
}

char *viommu_query_device_id(VIOMMUEndpoint *ep)
{
    PCIDevice *dev = viommu_query_device(ep);

    return dev ? g_strdup(DEVICE(dev)->id) : NULL;
}

char *viommu_query_device_type(VIOMMUEndpoint *ep)
{
    PCIDevice *dev = viommu_query_device(ep);

    return dev ? g_strdup(object_get_typename(OBJECT(dev))) : NULL;
}

void viommu_query_look(VIOMMUEndpoint *ep, uint32_t pasid,
                       VIOMMUConfig *config)
{
    const IOPTMem mem = { .read = viommu_read_entry, .opaque = ep->viommu };

    viommu_query_resolve(ep, pasid, &mem, config);
}

/* Does its DMA never come to the vIOMMU? */
static bool query_outside(VIOMMUEndpoint *ep)
{
    PCIDevice *dev = viommu_query_device(ep);
    VirtIODevice *vdev = dev ? viommu_policy_virtio(dev) : NULL;

    return vdev && !viommu_policy_translated(vdev);
}

static const char *query_bypass(VIOMMUEndpoint *ep,
                                const VIOMMUConfig *config,
                                VIOMMUBypassReason *reason)
{
    if (query_outside(ep)) {
        *reason = VIOMMU_BYPASS_REASON_POLICY;
        if (viommu_policy_exempt(viommu_policy_virtio(
                                     viommu_query_device(ep)))) {
            return "a vIOMMU, whose own requests are never translated";
        }
        return "a virtio device without iommu_platform=on: the vIOMMU's "
               "property virtio and the device's own decide that";
    }
    if (!ep->viommu->enabled) {
        *reason = VIOMMU_BYPASS_REASON_TRANSLATION_OFF;
        return "the guest has not turned translation on";
    }
    if (ep->unlisted) {
        *reason = VIOMMU_BYPASS_REASON_UNLISTED;
        return "the firmware tables do not list it as behind the vIOMMU";
    }
    *reason = VIOMMU_BYPASS_REASON_TABLES;
    if (ep->viommu->ops->query && ep->viommu->ops->query->bypass) {
        return ep->viommu->ops->query->bypass(ep->viommu, ep);
    }
    return config->no_entry ?
           "the guest's configuration tables have no valid entry for it" :
           "the guest's configuration tables let it pass";
}

static char *query_blocked(VIOMMUEndpoint *ep, const VIOMMUConfig *config)
{
    const VIOMMUFault fault = { .pasid = VIOMMU_NO_PASID, .blocked = true };
    VIOMMUFaultSays says;

    viommu_fault_says(ep->viommu, config, &fault, &says);
    return g_strdup(says.reason);
}

VIOMMUEndpointMode viommu_query_mode(VIOMMUEndpoint *ep,
                                     const VIOMMUConfig *config,
                                     VIOMMUBypassReason *bypass, char **why)
{
    if (config->mode == VIOMMU_BYPASS || query_outside(ep)) {
        *why = g_strdup(query_bypass(ep, config, bypass));
        return VIOMMU_ENDPOINT_MODE_BYPASS;
    }
    if (config->mode == VIOMMU_BLOCKED) {
        *why = query_blocked(ep, config);
        return VIOMMU_ENDPOINT_MODE_BLOCKED;
    }
    *why = NULL;
    return VIOMMU_ENDPOINT_MODE_TRANSLATE;
}

VIOMMUNumberList *viommu_query_domain(VIOMMU *v, const VIOMMUConfig *config)
{
    VIOMMUNumberList *list = NULL, **tail = &list;

    if (v->ops->query && v->ops->query->domain &&
        config->mode != VIOMMU_BLOCKED &&
        config->tag != DMA_TAG_UNTRANSLATED) {
        v->ops->query->domain(v, config, &tail);
    }
    return list;
}

static void query_stage(VIOMMUStageList ***tail, const IOPTTable *table,
                        bool upper)
{
    VIOMMUStage *stage;

    if (!table->format || table->disabled) {
        return;
    }
    stage = g_new0(VIOMMUStage, 1);
    stage->stage = iopt_stage_number(table->format);
    stage->upper = upper;
    stage->format = g_strdup(table->format->name);
    stage->root = table->root;
    stage->levels = table->levels;
    stage->input_bits = table->input_bits;
    stage->output_bits = table->output_bits;
    QAPI_LIST_APPEND(*tail, stage);
}

static VIOMMUStageList *query_stages(const VIOMMUConfig *config)
{
    const IOPTSpace *space = &config->space;
    VIOMMUStageList *list = NULL, **tail = &list;

    if (config->mode == VIOMMU_TRANSLATE) {
        query_stage(&tail, &space->table, false);
        query_stage(&tail, &space->upper, true);
        query_stage(&tail, &space->second, false);
    }
    return list;
}

/* Where a configuration leads */
static VIOMMUPASIDInfo *query_pasid(VIOMMUEndpoint *ep,
                                    const VIOMMUConfig *config)
{
    VIOMMUPASIDInfo *info = g_new0(VIOMMUPASIDInfo, 1);
    g_autofree char *why = NULL;
    VIOMMUBypassReason bypass;

    info->pasid = config->pasid;
    info->mode = viommu_query_mode(ep, config, &bypass, &why);
    if (info->mode != VIOMMU_ENDPOINT_MODE_BLOCKED) {
        info->has_tag = config->tag != DMA_TAG_UNTRANSLATED;
        info->tag = info->has_tag ? config->tag : 0;
        info->domain = viommu_query_domain(ep->viommu, config);
    }
    return info;
}

/* Those that something is kept of.  Inside an RCU read section. */
static VIOMMUPASIDInfoList *query_pasids(VIOMMUEndpoint *ep)
{
    VIOMMUConfig **configs = qatomic_rcu_read(&ep->pasid_configs);
    VIOMMUPASIDInfoList *list = NULL, **tail = &list;
    const VIOMMUConfig *config;
    unsigned i;

    for (i = 0; configs && i < VIOMMU_PASID_SLOTS; i++) {
        config = qatomic_rcu_read(&configs[i]);
        if (config) {
            QAPI_LIST_APPEND(tail, query_pasid(ep, config));
        }
    }
    return list;
}

static void query_endpoint_counters(VIOMMUEndpoint *ep,
                                    VIOMMUEndpointInfo *info)
{
    const VIOMMUQueryOps *query = ep->viommu->ops->query;

    info->accesses = dma_query_accesses(ep->inflight);
    info->translations = qatomic_read(&ep->stats.translations);
    info->faults = qatomic_read(&ep->stats.faults);
    info->has_interrupts_remapped = query && query->remaps &&
                                    query->remaps(ep->viommu);
    info->interrupts_remapped = info->has_interrupts_remapped ?
                                qatomic_read(&ep->stats.interrupts) : 0;
    info->has_interrupts_refused = info->has_interrupts_remapped;
    info->interrupts_refused = info->has_interrupts_refused ?
                               qatomic_read(&ep->stats.interrupts_refused) : 0;
}

static VIOMMUEndpointInfo *query_endpoint(VIOMMUEndpoint *ep)
{
    VIOMMUEndpointInfo *info = g_new0(VIOMMUEndpointInfo, 1);
    PCIDevice *dev = viommu_query_device(ep);
    uint16_t sid = viommu_endpoint_sid(ep);
    VIOMMUConfig config;
    int64_t waited, oldest;

    RCU_READ_LOCK_GUARD();
    viommu_query_look(ep, VIOMMU_NO_PASID, &config);
    info->address = viommu_query_address(sid);
    info->requester_id = sid;
    info->device = viommu_query_device_id(ep);
    info->qom_path = dev ? object_get_canonical_path(OBJECT(dev)) : NULL;
    info->type = viommu_query_device_type(ep);
    info->mode = viommu_query_mode(ep, &config, &info->bypass, &info->why);
    info->has_bypass = info->mode == VIOMMU_ENDPOINT_MODE_BYPASS;
    if (info->mode != VIOMMU_ENDPOINT_MODE_BLOCKED && !query_outside(ep)) {
        info->has_tag = config.tag != DMA_TAG_UNTRANSLATED;
        info->tag = info->has_tag ? config.tag : 0;
        info->domain = viommu_query_domain(ep->viommu, &config);
        info->stages = query_stages(&config);
    }
    info->has_bus_master = dev != NULL;
    info->bus_master = dev && dev->bus_master_enable_region.enabled;
    info->windows = viommu_query_windows(ep);
    info->pasids = query_pasids(ep);
    query_endpoint_counters(ep, info);
    info->maps_in_flight = dma_inflight_count(ep->inflight);
    info->maps_waited_for = dma_query_waits(ep->inflight, &waited);
    info->has_waited_ms = waited >= 0;
    info->waited_ms = MAX(waited, 0) / SCALE_MS;
    oldest = dma_query_oldest(ep->inflight);
    info->has_oldest_ms = oldest >= 0;
    info->oldest_ms = MAX(oldest, 0) / SCALE_MS;
    return info;
}

static void query_counters(VIOMMU *v, VIOMMUInfo *info)
{
    VIOMMUStats stats;
    DMADrainStats drain;

    viommu_get_stats(v, &stats);
    dma_drain_get_stats(v->drain, &drain);
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
}

static void query_property(VIOMMUPropertyList ***tail, Object *owner,
                           const char *name)
{
    char *value = object_property_print(owner, name, false, NULL);
    VIOMMUProperty *prop;

    if (value) {
        prop = g_new0(VIOMMUProperty, 1);
        prop->name = g_strdup(name);
        prop->value = value;
        QAPI_LIST_APPEND(*tail, prop);
    }
}

static void query_properties(VIOMMU *v, VIOMMUInfo *info)
{
    /* Every model has these: DEFINE_VIOMMU_PROPERTIES() */
    static const char *const common[] = {
        "iotlb-size", "dma-cache-size", "dma-mode", "drain-timeout",
        "drain-stall-time", "sanitizer", "reserved-ranges",
        "ram-in-windows",
    };
    VIOMMUPropertyList **tail = &info->properties;
    const char *const *name;
    unsigned i;

    for (name = v->ops->query ? v->ops->query->properties : NULL;
         name && *name; name++) {
        query_property(&tail, v->owner, *name);
    }
    for (i = 0; i < ARRAY_SIZE(common); i++) {
        query_property(&tail, v->owner, common[i]);
    }
}

static VIOMMUInfo *query_info(VIOMMURegistration *reg)
{
    VIOMMU *v = container_of(reg, VIOMMU, registration);
    VIOMMUInfo *info = g_new0(VIOMMUInfo, 1);
    VIOMMUEndpoint *ep;

    dma_query_age();
    info->qom_path = object_get_canonical_path(v->owner);
    info->model = g_strdup(v->name);
    info->enabled = v->enabled;
    /* The oldest one is last in our list, and first in the answer's. */
    QLIST_FOREACH(ep, &v->endpoints, next) {
        info->endpoints++;
        info->maps_in_flight += dma_inflight_count(ep->inflight);
        /* Nobody has an address on a bus that was unplugged. */
        if (ep->bus) {
            QAPI_LIST_PREPEND(info->endpoint_info, query_endpoint(ep));
        }
    }
    query_counters(v, info);
    query_properties(v, info);
    if (v->ops->query && v->ops->query->unit) {
        v->ops->query->unit(v, info);
    }
    info->fault_log = viommu_fault_log_list(v);
    info->has_findings = v->sanitizer != NULL;
    info->findings = info->has_findings ? viommu_sanitizer_list(v) : NULL;
    info->stale = info->has_findings ? viommu_sanitizer_stale(v) : NULL;
    return info;
}

/* An ID, a QOM path, or an address with or without the domain number */
static bool query_is_called(VIOMMUEndpoint *ep, const char *name)
{
    PCIDevice *dev = viommu_query_device(ep);
    g_autofree char *address = viommu_query_address(viommu_endpoint_sid(ep));
    g_autofree char *path = NULL;

    if (!ep->bus) {
        return false;
    }
    if (!strcmp(name, address) ||
        (g_str_has_prefix(name, "0000:") && !strcmp(name + 5, address))) {
        return true;
    }
    path = dev ? object_get_canonical_path(OBJECT(dev)) : NULL;
    return path && (!strcmp(name, path) ||
                    !g_strcmp0(name, DEVICE(dev)->id));
}

static void *query_find(VIOMMURegistration *reg, const char *device)
{
    VIOMMU *v = container_of(reg, VIOMMU, registration);
    VIOMMUEndpoint *ep;

    QLIST_FOREACH(ep, &v->endpoints, next) {
        if (query_is_called(ep, device)) {
            return ep;
        }
    }
    return NULL;
}

static void *query_find_tag(VIOMMURegistration *reg, uint64_t tag,
                            uint32_t pasid)
{
    VIOMMU *v = container_of(reg, VIOMMU, registration);
    VIOMMUConfig config;
    VIOMMUEndpoint *ep;

    RCU_READ_LOCK_GUARD();
    QLIST_FOREACH(ep, &v->endpoints, next) {
        viommu_query_look(ep, pasid, &config);
        if (config.mode != VIOMMU_BLOCKED && config.tag == tag &&
            !query_outside(ep)) {
            return ep;
        }
    }
    return NULL;
}

void viommu_query_init(VIOMMU *v)
{
    static const VIOMMUQueries queries = {
        .info = query_info,
        .find = query_find,
        .find_tag = query_find_tag,
        .translate = viommu_query_translate,
        .map = viommu_query_map,
        .in_flight = viommu_query_in_flight,
        .windows = viommu_query_unit_windows,
    };

    v->fault_log = viommu_fault_log_new();
    v->registration.queries = &queries;
}

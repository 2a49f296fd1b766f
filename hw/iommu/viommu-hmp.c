/*
 * The vIOMMUs of this machine, for the human monitor
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Prints what QMP answers, and knows no more than that.
 */

#include "qemu/osdep.h"
#include "hw/iommu/viommu-hmp.h"
#include "monitor/hmp.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-viommu.h"
#include "qemu/cutils.h"
#include "qobject/qdict.h"

static void print_numbers(Monitor *mon, const VIOMMUNumberList *list,
                          const char *before)
{
    for (; list; list = list->next) {
        monitor_printf(mon, "%s%s=0x%" PRIx64, before, list->value->name,
                       list->value->value);
        before = " ";
    }
}

static void print_queues(Monitor *mon, const VIOMMUQueueInfoList *list)
{
    for (; list; list = list->next) {
        const VIOMMUQueueInfo *q = list->value;

        if (!q->enabled) {
            monitor_printf(mon, "  %s: off\n", q->name);
            continue;
        }
        monitor_printf(mon, "  %s: %" PRIu32 " entries at 0x%" PRIx64 ", head "
                       "%" PRIu32 ", tail %" PRIu32 "%s%s%s\n", q->name,
                       q->entries, q->address, q->head, q->tail,
                       q->waiting ? ", waits for DMA in flight" : "",
                       q->error ? ", stopped: " : "", q->error ?: "");
    }
}

/* Words that fill lines, two columns in */
typedef struct Filled {
    Monitor *mon;
    unsigned column;
} Filled;

static void G_GNUC_PRINTF(2, 3) print_filled(Filled *f, const char *fmt, ...)
{
    g_autofree char *word = NULL;
    va_list args;

    va_start(args, fmt);
    word = g_strdup_vprintf(fmt, args);
    va_end(args);
    if (f->column && f->column + 1 + strlen(word) >= 80) {
        monitor_printf(f->mon, "\n");
        f->column = 0;
    }
    f->column += monitor_printf(f->mon, "%s%s", f->column ? " " : "  ", word);
}

static void print_filled_end(Filled *f)
{
    if (f->column) {
        monitor_printf(f->mon, "\n");
    }
}

static void print_properties(Monitor *mon, const VIOMMUPropertyList *list)
{
    Filled line = { .mon = mon };

    for (; list; list = list->next) {
        const char *value = list->value->value;

        /* A string that is not set is nothing. */
        if (*value && strcmp(value, "\"\"")) {
            print_filled(&line, "%s=%s", list->value->name, value);
        }
    }
    print_filled_end(&line);
}

static void print_registers(Monitor *mon, const VIOMMUNumberList *list)
{
    Filled line = { .mon = mon };

    for (; list; list = list->next) {
        print_filled(&line, "%s=0x%" PRIx64, list->value->name,
                     list->value->value);
    }
    print_filled_end(&line);
}

/* What is there is called: its ID, or of which type it is */
static const char *print_name(const char *device, const char *type)
{
    return device ?: type ?: "(gone)";
}

static void print_findings(Monitor *mon, const VIOMMUFindingList *list)
{
    for (; list; list = list->next) {
        const VIOMMUFinding *f = list->value;

        monitor_printf(mon, "  sanitizer: %s, %s%s%s, %" PRIu64 " times:\n",
                       VIOMMUFindingKind_str(f->kind), f->address ?: "",
                       f->address ? " " : "",
                       f->address ? print_name(f->device, f->type) : "the unit",
                       f->count);
        monitor_printf(mon, "    %s\n", f->message);
    }
}

static void print_stale(Monitor *mon, const VIOMMUStaleInfo *stale)
{
    if (stale) {
        monitor_printf(mon, "  sanitizer: cached entries that were stale %"
                       PRIu64 ", used meanwhile %" PRIu64 ", now %" PRIu32
                       ", longest %" PRIu64 " us\n", stale->windows,
                       stale->uses, stale->open, stale->longest_us);
    }
}

static void print_unit(Monitor *mon, const VIOMMUInfo *info)
{
    monitor_printf(mon, "%s %s: translation %s", info->model, info->qom_path,
                   info->enabled ? "on" : "off");
    if (info->has_root) {
        monitor_printf(mon, ", root at 0x%" PRIx64, info->root);
    }
    monitor_printf(mon, "\n");
    print_properties(mon, info->properties);
    print_registers(mon, info->registers);
    print_queues(mon, info->queues);
    monitor_printf(mon, "  endpoints %" PRIu32 ", maps in flight %" PRIu32
                   ", faults %" PRIu64 "\n", info->endpoints,
                   info->maps_in_flight, info->faults);
    monitor_printf(mon, "  translations %" PRIu64 ", IOTLB hits %" PRIu64
                   ", misses %" PRIu64 ", walks %" PRIu64 "\n",
                   info->translations, info->iotlb_hits, info->iotlb_misses,
                   info->walks);
    monitor_printf(mon, "  invalidations: global %" PRIu64 ", domain %" PRIu64
                   ", page %" PRIu64 ", configuration %" PRIu64 "\n",
                   info->invalidations_tlb_global,
                   info->invalidations_tlb_domain,
                   info->invalidations_tlb_page, info->invalidations_config);
    monitor_printf(mon, "  drains %" PRIu64 ", waited %" PRIu64 ", stalled %"
                   PRIu64 "\n", info->drains, info->drains_waited,
                   info->drain_stalls);
    print_stale(mon, info->stale);
    print_findings(mon, info->findings);
}

static void print_stages(Monitor *mon, const VIOMMUStageList *list)
{
    for (; list; list = list->next) {
        const VIOMMUStage *stage = list->value;

        monitor_printf(mon, "    stage %u%s: %s, %u levels at 0x%" PRIx64
                       ", %u bits to %u\n", stage->stage,
                       stage->upper ? " (upper half)" : "", stage->format,
                       stage->levels, stage->root, stage->input_bits,
                       stage->output_bits);
    }
}

static void print_pasids(Monitor *mon, const VIOMMUPASIDInfoList *list)
{
    for (; list; list = list->next) {
        const VIOMMUPASIDInfo *one = list->value;

        monitor_printf(mon, "    PASID 0x%" PRIx32 ": %s", one->pasid,
                       VIOMMUEndpointMode_str(one->mode));
        print_numbers(mon, one->domain, ", ");
        if (one->has_tag) {
            monitor_printf(mon, ", tag %" PRIu64, one->tag);
        }
        monitor_printf(mon, "\n");
    }
}

/* What a unit of its model always has is not worth a line. */
static void print_windows(Monitor *mon, const VIOMMUWindowList *list)
{
    for (; list; list = list->next) {
        const VIOMMUWindow *w = list->value;

        if (w->origin != VIOMMU_WINDOW_ORIGIN_MODEL) {
            monitor_printf(mon, "    window 0x%" PRIx64 " .. 0x%" PRIx64
                           ": %s (%s)\n", w->first, w->last,
                           VIOMMUWindowKind_str(w->kind),
                           VIOMMUWindowOrigin_str(w->origin));
        }
    }
}

static void print_endpoint_counters(Monitor *mon, const VIOMMUEndpointInfo *ep)
{
    uint64_t hits = ep->accesses - MIN(ep->translations, ep->accesses);

    if (!ep->accesses && !ep->translations && !ep->faults &&
        !ep->interrupts_remapped && !ep->interrupts_refused) {
        return;
    }
    monitor_printf(mon, "    accesses %" PRIu64 ", translations %" PRIu64,
                   ep->accesses, ep->translations);
    if (ep->accesses) {
        monitor_printf(mon, " (cache hits %" PRIu64 "%%)",
                       (uint64_t)(100.0 * hits / ep->accesses));
    }
    monitor_printf(mon, ", faults %" PRIu64, ep->faults);
    if (ep->has_interrupts_remapped) {
        monitor_printf(mon, ", interrupts %" PRIu64, ep->interrupts_remapped);
    }
    if (ep->interrupts_refused) {
        monitor_printf(mon, " (%" PRIu64 " more refused)",
                       ep->interrupts_refused);
    }
    monitor_printf(mon, "\n");
}

static void print_endpoints(Monitor *mon, const VIOMMUEndpointInfoList *list)
{
    monitor_printf(mon, "  Endpoints:\n");
    for (; list; list = list->next) {
        const VIOMMUEndpointInfo *ep = list->value;

        monitor_printf(mon, "  %s %s: %s", ep->address,
                       ep->device ?: ep->type ?: "(no device)",
                       VIOMMUEndpointMode_str(ep->mode));
        print_numbers(mon, ep->domain, ", ");
        if (ep->has_tag) {
            monitor_printf(mon, ", tag %" PRIu64, ep->tag);
        }
        if (ep->maps_in_flight) {
            monitor_printf(mon, ", %" PRIu32 " maps in flight",
                           ep->maps_in_flight);
        }
        if (ep->maps_waited_for) {
            monitor_printf(mon, ", %" PRIu32 " of them waited for",
                           ep->maps_waited_for);
        }
        if (ep->has_oldest_ms) {
            monitor_printf(mon, ", the oldest for %" PRIu64 " ms at least",
                           ep->oldest_ms);
        }
        monitor_printf(mon, "\n");
        if (ep->why) {
            monitor_printf(mon, "    %s\n", ep->why);
        }
        if (ep->mode == VIOMMU_ENDPOINT_MODE_TRANSLATE && ep->has_bus_master &&
            !ep->bus_master) {
            monitor_printf(mon, "    not bus master: what it reads and writes "
                           "goes nowhere\n");
        }
        print_stages(mon, ep->stages);
        print_windows(mon, ep->windows);
        print_pasids(mon, ep->pasids);
        print_endpoint_counters(mon, ep);
    }
}

static void print_fault(Monitor *mon, const VIOMMUFaultInfo *f)
{
    g_autoptr(GDateTime) utc = g_date_time_new_from_unix_utc(f->last_us /
                                                             1000000);
    g_autofree char *time = g_date_time_format(utc, "%F %T");

    monitor_printf(mon, "  %s UTC: %s %s %s at 0x%" PRIx64, time, f->address,
                   print_name(f->device, f->type), f->interrupt ? "interrupt" :
                   f->write ? "write" : "read", f->iova);
    if (f->has_index) {
        monitor_printf(mon, ", index %" PRIu32, f->index);
    }
    if (f->has_pasid) {
        monitor_printf(mon, ", PASID 0x%" PRIx32, f->pasid);
    }
    monitor_printf(mon, ", %" PRIu64 " times\n", f->count);
    monitor_printf(mon, "    0x%" PRIx32 "%s%s: %s%s\n", f->fault->code,
                   f->fault->name ? " " : "", f->fault->name ?: "",
                   f->fault->reason,
                   f->fault->recorded ? "" : " (the guest is not told)");
}

static void print_faults(Monitor *mon, const VIOMMUFaultInfoList *list)
{
    monitor_printf(mon, "  Faults, the last one first:\n");
    for (; list; list = list->next) {
        print_fault(mon, list->value);
    }
}

static void print_flights(Monitor *mon)
{
    g_autoptr(VIOMMUFlights) flights = qmp_viommu_in_flight(NULL, NULL, false,
                                                            0, &error_abort);
    const VIOMMUFlightList *list;

    monitor_printf(mon, "Maps in flight:\n");
    for (list = flights->maps; list; list = list->next) {
        const VIOMMUFlight *f = list->value;

        monitor_printf(mon, "  %s %s: %s of 0x%" PRIx64 " bytes at 0x%" PRIx64
                       ", %s", f->endpoint, print_name(f->device, f->type),
                       f->write ? "write" : "read", f->length, f->iova,
                       VIOMMUFlightKind_str(f->kind));
        if (f->has_pasid) {
            monitor_printf(mon, ", PASID 0x%" PRIx32, f->pasid);
        }
        if (f->has_age_ms) {
            monitor_printf(mon, ", for %" PRIu64 " ms at least", f->age_ms);
        }
        if (f->has_waited_ms) {
            monitor_printf(mon, ", an invalidation has waited for it for %"
                           PRIu64 " ms", f->waited_ms);
        }
        monitor_printf(mon, "\n");
    }
    if (flights->next) {
        monitor_printf(mon, "  and more: ask viommu-in-flight (QMP)\n");
    }
}

void hmp_info_viommu(Monitor *mon, const QDict *qdict)
{
    g_autoptr(VIOMMUInfoList) list = qmp_query_viommu(&error_abort);
    const VIOMMUInfoList *unit;

    if (!list) {
        monitor_printf(mon, "No vIOMMU: neither a device (-device help) nor "
                       "the machine (iommu=) brought one\n");
    }
    for (unit = list; unit; unit = unit->next) {
        print_unit(mon, unit->value);
        if (qdict_get_try_bool(qdict, "endpoints", false)) {
            print_endpoints(mon, unit->value->endpoint_info);
        }
        if (qdict_get_try_bool(qdict, "faults", false)) {
            print_faults(mon, unit->value->fault_log);
        }
    }
    if (list && qdict_get_try_bool(qdict, "dma", false)) {
        print_flights(mon);
    }
}

static void print_walk(Monitor *mon, const VIOMMUWalkStepList *list)
{
    for (; list; list = list->next) {
        const VIOMMUWalkStep *step = list->value;
        const VIOMMUBitList *bit;

        monitor_printf(mon, "  stage %u, level %u: 0x%016" PRIx64 " at 0x%"
                       PRIx64 ": %s", step->stage, step->level, step->value,
                       step->address, step->says);
        for (bit = step->bits; bit; bit = bit->next) {
            monitor_printf(mon, "%s bit %u%s%s%s",
                           bit == step->bits ? ";" : " or", bit->value->bit,
                           bit->value->name ? " (" : "",
                           bit->value->name ?: "",
                           bit->value->name ? ")" : "");
        }
        monitor_printf(mon, "\n");
    }
}

static void print_cached(Monitor *mon, const char *name,
                         const VIOMMUCached *cached)
{
    if (!cached) {
        return;
    }
    monitor_printf(mon, "  %s: 0x%" PRIx64 " .. 0x%" PRIx64, name,
                   cached->first, cached->last);
    if (cached->has_address) {
        monitor_printf(mon, " to 0x%" PRIx64, cached->address);
    }
    monitor_printf(mon, ",%s%s%s\n", cached->read ? " read" : "",
                   cached->write ? " write" : "",
                   cached->agrees ? "" : "; the tables say otherwise now");
}

static void print_range(Monitor *mon, const VIOMMURange *r)
{
    const uint64List *size;

    monitor_printf(mon, " 0x%" PRIx64 " .. 0x%" PRIx64 " to 0x%" PRIx64 ",%s%s",
                   r->first, r->last, r->address, r->read ? " read" : "",
                   r->write ? " write" : "");
    for (size = r->page_sizes; size; size = size->next) {
        g_autofree char *text = size_to_str(size->value);

        monitor_printf(mon, "%s %s", size == r->page_sizes ? ", pages of" :
                                                             ",", text);
    }
    monitor_printf(mon, "\n");
}

void hmp_viommu_translate(Monitor *mon, const QDict *qdict)
{
    g_autoptr(VIOMMUTranslation) t = NULL;
    uint64_t iova = qdict_get_int(qdict, "iova");
    const VIOMMUWordList *word;
    Error *err = NULL;

    t = qmp_viommu_translate(qdict_get_str(qdict, "device"), iova, true,
                             qdict_get_try_bool(qdict, "write", false),
                             qdict_haskey(qdict, "pasid"),
                             qdict_get_try_int(qdict, "pasid", 0), &err);
    if (hmp_handle_error(mon, err)) {
        return;
    }
    monitor_printf(mon, "%s: %s", t->endpoint,
                   VIOMMUEndpointMode_str(t->mode));
    print_numbers(mon, t->domain, ", ");
    monitor_printf(mon, "\n");
    for (word = t->configuration; word; word = word->next) {
        monitor_printf(mon, "  configuration: 0x%016" PRIx64 " at 0x%" PRIx64
                       "\n", word->value->value, word->value->address);
    }
    print_walk(mon, t->walk);
    if (t->mapping) {
        monitor_printf(mon, "  %s mapping:",
                       t->mapping->first <= iova ? "its" : "next");
        print_range(mon, t->mapping);
    }
    print_cached(mon, "IOTLB", t->iotlb);
    print_cached(mon, "endpoint's cache", t->dma_cache);
    monitor_printf(mon, "%s\n", t->verdict);
}

/* Answers of viommu-map that one command asks for, at the most */
#define MAP_ANSWERS 16
/* Ranges that are listed; a screen or two */
#define MAP_LINES   64

/* What viommu_map has seen */
typedef struct MapSeen {
    uint64_t ranges, bytes;
    uint64_t next;           /* where it goes on */
    bool more;
} MapSeen;

static void map_count(Monitor *mon, const VIOMMUMapping *map, bool list,
                      MapSeen *seen)
{
    const VIOMMURangeList *entry;

    for (entry = map->ranges; entry; entry = entry->next) {
        const VIOMMURange *r = entry->value;

        seen->ranges++;
        /* All of 64 bits is a byte more than the sum can say. */
        seen->bytes = MIN(r->last - r->first, UINT64_MAX - 1 - seen->bytes) +
                      seen->bytes + 1;
        if (list) {
            monitor_printf(mon, " ");
            print_range(mon, r);
        }
    }
    seen->more = map->has_next;
    seen->next = map->next;
}

/*
 * Neighbours are joined within an answer, so that what more than one answer has
 * may be counted as one range more.
 */
void hmp_viommu_map(Monitor *mon, const QDict *qdict)
{
    const char *device = qdict_get_str(qdict, "device");
    bool has_pasid = qdict_haskey(qdict, "pasid");
    bool list = !qdict_get_try_bool(qdict, "count", false);
    MapSeen seen = { .next = qdict_get_try_int(qdict, "start", 0) };
    VIOMMUEndpointMode mode;
    Error *err = NULL;
    unsigned asked = 0;

    do {
        g_autoptr(VIOMMUMapping) map = qmp_viommu_map(
            device, false, 0, has_pasid, qdict_get_try_int(qdict, "pasid", 0),
            true, seen.next, true, list ? MAP_LINES - seen.ranges : 4096,
            &err);

        if (hmp_handle_error(mon, err)) {
            return;
        }
        mode = map->mode;
        map_count(mon, map, list, &seen);
    } while (seen.more && ++asked < MAP_ANSWERS &&
             !(list && seen.ranges >= MAP_LINES));
    monitor_printf(mon, "%s: %s, %" PRIu64 " bytes in %" PRIu64 " ranges",
                   device, VIOMMUEndpointMode_str(mode), seen.bytes,
                   seen.ranges);
    if (seen.more) {
        monitor_printf(mon, "; that is not all, it goes on at 0x%" PRIx64,
                       seen.next);
    }
    monitor_printf(mon, "\n");
}

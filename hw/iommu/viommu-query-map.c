/*
 * vIOMMU core: the answer to viommu-map
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What an answer takes is bounded by the entries that may be read for it; where
 * they do not suffice it says where to go on.  BQL.
 */

#include "qemu/osdep.h"
#include "qapi/util.h"
#include "qemu/rcu.h"
#include "viommu-query-internal.h"

/* Entries read for one answer: less than a millisecond's work */
#define MAP_MAX_READS 16384

/* A query that is being answered */
typedef struct MapQuery {
    VIOMMUMapping *answer;
    VIOMMURangeList **tail;
    uint32_t left;           /* ranges that may still be begun */
    VIOMMURange *last;       /* may be continued */
    uint64_t sizes;          /* of it: a bit for each page size */
} MapQuery;

/* @q->last is complete. */
static void map_close(MapQuery *q)
{
    uint64List **tail;

    if (!q->last) {
        return;
    }
    tail = &q->last->page_sizes;
    for (; q->sizes; q->sizes &= q->sizes - 1) {
        QAPI_LIST_APPEND(tail, q->sizes & -q->sizes);
    }
    q->last = NULL;
}

static void map_stop(MapQuery *q, uint64_t next)
{
    q->answer->has_next = true;
    q->answer->next = next;
}

/* Returns: false if there is no room for it. */
static bool map_add(MapQuery *q, uint64_t first, uint64_t last, uint64_t addr,
                    unsigned perm)
{
    VIOMMURange *r = q->last;

    if (r && r->last + 1 == first &&
        r->address + (first - r->first) == addr &&
        r->read == !!(perm & IOPT_READ) && r->write == !!(perm & IOPT_WRITE)) {
        r->last = last;
        return true;
    }
    map_close(q);
    if (!q->left) {
        map_stop(q, first);
        return false;
    }
    q->left--;
    r = q->last = g_new0(VIOMMURange, 1);
    r->first = first;
    r->last = last;
    r->address = addr;
    r->read = perm & IOPT_READ;
    r->write = perm & IOPT_WRITE;
    QAPI_LIST_APPEND(q->tail, r);
    return true;
}

/* IOPTVisit */
static bool map_visit(void *opaque, uint64_t first, uint64_t last,
                      const IOPTResult *res)
{
    uint64_t size = (uint64_t)1 << res->shift;
    MapQuery *q = opaque;

    if (res->unread) {
        map_stop(q, first);
        return false;
    }
    if (!res->perm) {
        return true;
    }
    if (!map_add(q, first, last, res->addr | (first & (size - 1)),
                 res->perm)) {
        return false;
    }
    q->sizes |= size;
    return true;
}

static void map_walk(VIOMMUEndpoint *ep, VIOMMUConfig *config, uint64_t start,
                     MapQuery *q)
{
    const IOPTMem mem = { .read = viommu_read_entry, .opaque = ep->viommu };

    config->space.table.max_reads = MAP_MAX_READS;
    iopt_space_walk_range(&config->space, start, UINT64_MAX, &mem, map_visit,
                          q);
}

/* All but @windows, which may be NULL */
static void map_bypass(const VIOMMUConfig *config, const IOMMUWindows *windows,
                       uint64_t start, MapQuery *q)
{
    unsigned bits = config->mode == VIOMMU_BYPASS ? config->bypass_bits : 64;
    uint64_t last = bits < 64 ? ((uint64_t)1 << bits) - 1 : UINT64_MAX;
    const IOMMUWindow *w;

    while (start <= last) {
        w = windows ? iommu_windows_next(windows, start, last, true) : NULL;
        if (!w) {
            map_add(q, start, last, start, IOPT_READ | IOPT_WRITE);
            return;
        }
        if (start < w->first &&
            !map_add(q, start, w->first - 1, start, IOPT_READ | IOPT_WRITE)) {
            return;
        }
        if (last <= w->last) {
            return;
        }
        start = w->last + 1;
    }
}

VIOMMUMapping *viommu_query_map(void *endpoint, uint32_t pasid,
                                uint64_t start, uint32_t max)
{
    VIOMMUMapping *answer = g_new0(VIOMMUMapping, 1);
    MapQuery q = { .answer = answer, .tail = &answer->ranges, .left = max };
    VIOMMUEndpoint *ep = endpoint;
    VIOMMUBypassReason bypass;
    g_autofree char *why = NULL;
    VIOMMUConfig config;

    RCU_READ_LOCK_GUARD();
    viommu_query_look(ep, pasid, &config);
    answer->mode = viommu_query_mode(ep, &config, &bypass, &why);
    if (answer->mode == VIOMMU_ENDPOINT_MODE_BYPASS) {
        /* As viommu_query_translate() has it */
        map_bypass(&config, config.mode == VIOMMU_BYPASS &&
                            bypass != VIOMMU_BYPASS_REASON_POLICY &&
                            pasid == VIOMMU_NO_PASID ? viommu_windows(ep) :
                                                       NULL, start, &q);
    } else if (answer->mode == VIOMMU_ENDPOINT_MODE_TRANSLATE) {
        map_walk(ep, &config, start, &q);
    }
    map_close(&q);
    return answer;
}

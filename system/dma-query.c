/*
 * In-flight DMA: what can be asked of an endpoint while it runs
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Everything here runs under the BQL.
 */

#include "qemu/osdep.h"
#include "qemu/rcu.h"
#include "qemu/timer.h"
#include "system/dma-moment.h"
#include "system/dma-query.h"
#include "dma-inflight-internal.h"

/* DMAFlightCursor.kind */
enum { FLIGHTS_MAPS, FLIGHTS_BOUNCED, FLIGHTS_END };

/* How many maps are copied in one hold of the lock that devices take, too */
#define FLIGHTS_BATCH 16

/* When the last moments began (dma_moment()), by their numbers */
#define QUERY_MOMENTS   1024
#define QUERY_MOMENT_NS (10 * (int64_t)SCALE_MS)

static int64_t query_moments[QUERY_MOMENTS];

void dma_query_age(void)
{
    int64_t now = get_clock();

    if (now - query_moments[dma_moment() % QUERY_MOMENTS] >=
        QUERY_MOMENT_NS) {
        query_moments[(dma_moment() + 1) % QUERY_MOMENTS] = now;
        dma_moment_next();
    }
}

/* So old at least is what began in @moment: the next one had not begun. */
static int64_t query_age(uint32_t moment)
{
    uint32_t passed = dma_moment() - moment;

    if (!passed) {
        return -1;
    }
    passed = MIN(passed, QUERY_MOMENTS) - 1;
    return MAX(get_clock() - query_moments[(dma_moment() - passed) %
                                           QUERY_MOMENTS], 0);
}

static int64_t query_map_age(DMAMaps *maps, const DMAMapInfo *info)
{
    uint32_t moment;

    return dma_maps_moment(maps, info, &moment) ? query_age(moment) : -1;
}

/* How long the oldest fence that waits for the scan @stamp has waited */
static int64_t query_waited(DMADrain *drain, uint64_t stamp)
{
    DMAFence *fence;

    QTAILQ_FOREACH(fence, &drain->fences, next) {
        if (fence->seq >= stamp) {
            return MAX(get_clock() - fence->since, 0);
        }
    }
    /* It is not waited for yet, or not any more. */
    return -1;
}

static unsigned query_maps(DMAInflight *inflight, DMAFlightCursor *cursor,
                           DMAFlight *flights, unsigned n)
{
    DMAMapsListed items[FLIGHTS_BATCH];
    unsigned i, found;

    found = dma_maps_list(inflight->maps, &cursor->maps, items,
                          MIN(n, FLIGHTS_BATCH));
    for (i = 0; i < found; i++) {
        const DMAMapInfo *info = &items[i].info;

        flights[i] = (DMAFlight) {
            .iova = info->iova,
            .len = info->len,
            .attrs = info->pasid,
            .is_write = info->is_write,
            .standing = info->revoke != NULL,
            .vague = items[i].vague,
            .waited_ns = items[i].waited ?
                         query_waited(inflight->drain, items[i].stamp) : -1,
            .age_ns = query_map_age(inflight->maps, info),
        };
    }
    return found;
}

static unsigned query_bounced(DMAInflight *inflight, DMAFlightCursor *cursor,
                              DMAFlight *flights, unsigned n)
{
    DMABounce *bounce = qatomic_load_acquire(&inflight->bounce);
    DMABounced map;
    unsigned found = 0;

    while (bounce && found < n &&
           dma_bounce_next(bounce, &cursor->bounced, &map)) {
        flights[found++] = (DMAFlight) {
            .iova = map.addr,
            .len = map.len,
            .attrs = dma_attrs_code(map.attrs),
            .is_write = map.is_write,
            .bounced = true,
            .waited_ns = -1,
            .age_ns = query_age(map.moment),
        };
    }
    return found;
}

unsigned dma_query_flights(DMAInflight *inflight, DMAFlightCursor *cursor,
                           DMAFlight *flights, unsigned n)
{
    unsigned found = 0;

    if (!n) {
        return 0;
    }
    while (!found && cursor->kind < FLIGHTS_END) {
        found = cursor->kind == FLIGHTS_MAPS ?
                query_maps(inflight, cursor, flights, n) :
                query_bounced(inflight, cursor, flights, n);
        if (!found) {
            cursor->kind++;
        }
    }
    return found;
}

int64_t dma_query_oldest(DMAInflight *inflight)
{
    DMAFlightCursor cursor = { 0 };
    DMAFlight flights[FLIGHTS_BATCH];
    unsigned i, n, looked = 0;
    int64_t oldest = -1;

    while (looked < DMA_QUERY_OLDEST_MAPS) {
        n = dma_query_flights(inflight, &cursor, flights, FLIGHTS_BATCH);
        for (i = 0; i < n; i++) {
            /* What is there for ever says nothing. */
            if (!flights[i].standing) {
                oldest = MAX(oldest, flights[i].age_ns);
            }
        }
        if (!n) {
            break;
        }
        looked += n;
    }
    return oldest;
}

uint64_t dma_query_accesses(DMAInflight *inflight)
{
    uint64_t sum = 0;
    unsigned i;

    for (i = 0; i < DMA_COUNT_LANES; i++) {
        sum += qatomic_read(&inflight->lanes[i].accesses);
    }
    return sum;
}

unsigned dma_query_waits(DMAInflight *inflight, int64_t *waited_ns)
{
    uint64_t stamp = dma_maps_oldest_wait(inflight->maps, NULL);

    *waited_ns = stamp == UINT64_MAX ? -1 :
                 query_waited(inflight->drain, stamp);
    return dma_maps_waited(inflight->maps);
}

bool dma_query_cached(DMAInflight *inflight, uint32_t attrs, hwaddr iova,
                      hwaddr gpa, DMACached *cached)
{
    uint32_t who = dma_attrs_who(attrs);
    DMACache *c = dma_inflight_cache(inflight, who);
    DMACacheHit hit, now;

    if (!c || !dma_cache_find(c, who, iova, 0, &hit)) {
        return false;
    }
    *cached = (DMACached) {
        .first = iova - hit.before,
        .last = iova + (hit.avail - 1),
        .perm = hit.perm,
    };
    RCU_READ_LOCK_GUARD();
    cached->agrees = dma_ram_find_now(gpa, &now) && now.host == hit.host;
    return true;
}

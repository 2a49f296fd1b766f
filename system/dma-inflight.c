/*
 * In-flight DMA of devices behind a vIOMMU: drains and their endpoints
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What is mapped is recorded on any thread; drains and endpoints come and go
 * under the BQL.
 */

#include "qemu/osdep.h"
#include "exec/memory.h"
#include "qemu/atomic.h"
#include "qemu/main-loop.h"
#include "qemu/rcu.h"
#include "qemu/timer.h"
#include "system/dma-grace.h"
#include "system/dma-held.h"
#include "dma-inflight-internal.h"
#include "trace.h"

static QLIST_HEAD(, DMADrain) drains = QLIST_HEAD_INITIALIZER(drains);

/*
 * In the iohandler context, which nested event loops (a block drain inside a
 * device's reset, say) do not run: completions never happen in the middle of
 * somebody's register write.
 */
static QEMUBH *drain_bh;

void dma_drain_wake(void)
{
    qemu_bh_schedule(drain_bh);
}

static void dma_drain_bh(void *opaque)
{
    DMADrain *drain, *tmp;
    DMA_HELD("drain");

    QLIST_FOREACH_SAFE(drain, &drains, next, tmp) {
        dma_drain_advance(drain, false);
    }
}

DMADrain *dma_drain_new(const DMADrainParams *params)
{
    DMADrain *drain = g_new0(DMADrain, 1);

    dma_ram_init();

    if (!drain_bh) {
        drain_bh = aio_bh_new(iohandler_get_aio_context(), dma_drain_bh, NULL);
        dma_epoch_set_wake(dma_drain_wake);
        dma_grace_init(dma_drain_wake);
    }
    QLIST_INIT(&drain->inflights);
    QTAILQ_INIT(&drain->scans);
    QTAILQ_INIT(&drain->fences);
    dma_holds_init(&drain->holds);
    drain->cache_pages = params->cache_pages;
    drain->bounce = params->bounce;
    drain->stall_ms = params->stall_ms;
    drain->timeout_ms = params->timeout_ms;
    drain->timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, dma_fence_timer, drain);
    QLIST_INSERT_HEAD(&drains, drain, next);
    return drain;
}

void dma_drain_free(DMADrain *drain)
{
    DMAInflight *inflight, *tmp;
    DMAHold *hold;
    unsigned i;

    assert(QTAILQ_EMPTY(&drain->fences));
    dma_drain_reset(drain);
    while ((hold = dma_holds_oldest(&drain->holds))) {
        dma_hold_abandon(hold);
    }
    QLIST_FOREACH_SAFE(inflight, &drain->inflights, next, tmp) {
        QLIST_REMOVE(inflight, next);
        dma_maps_free(inflight->maps);
        for (i = 0; i < DMA_CACHES; i++) {
            dma_cache_free(inflight->caches[i]);
        }
        dma_bounce_free(inflight->bounce);
        g_free(inflight);
    }
    timer_free(drain->timer);
    QLIST_REMOVE(drain, next);
    g_free(drain);
}

DMAInflight *dma_inflight_new(DMADrain *drain, const DMAInflightOps *ops,
                              void *opaque)
{
    DMAInflight *inflight = g_new0(DMAInflight, 1);

    inflight->drain = drain;
    inflight->ops = ops;
    inflight->opaque = opaque;
    inflight->maps = dma_maps_new(&dma_ram_refs);
    inflight->cache_pages = drain->cache_pages;
    inflight->bounces = drain->bounce;
    inflight->bounce = drain->bounce ? dma_bounce_new() : NULL;
    QLIST_INSERT_HEAD(&drain->inflights, inflight, next);
    return inflight;
}

void *dma_inflight_opaque(DMAInflight *inflight, const DMAInflightOps *ops)
{
    return inflight && inflight->ops == ops ? inflight->opaque : NULL;
}

void address_space_set_inflight(AddressSpace *as, DMAInflight *inflight)
{
    as->inflight = inflight;
    qatomic_set(&as->mastering, inflight);
}

unsigned dma_inflight_count(DMAInflight *inflight)
{
    DMABounce *bounce = qatomic_load_acquire(&inflight->bounce);

    return dma_maps_count(inflight->maps) +
           (bounce ? dma_bounce_count(bounce) : 0);
}

static bool inflight_run_is_fine(void *opaque, hwaddr iova, hwaddr gpa,
                                 hwaddr len)
{
    return true;
}

bool dma_inflight_readable(AddressSpace *as, hwaddr addr, hwaddr len,
                           MemTxAttrs attrs)
{
    DMAInflight *inflight = as->inflight;
    uint64_t entries = UINT64_MAX;
    DMAProbe *probe;
    bool ok;

    RCU_READ_LOCK_GUARD();
    probe = inflight->ops->probe_begin(inflight->opaque,
                                       dma_attrs_code(attrs), false);
    ok = inflight->ops->probe(probe, addr, dma_range_last(addr, len), false,
                              &entries, inflight_run_is_fine, NULL);
    inflight->ops->probe_end(probe);
    return ok;
}

DMABounce *dma_inflight_bounce(DMAInflight *inflight)
{
    DMABounce *bounce = qatomic_load_acquire(&inflight->bounce);
    DMABounce *old;

    if (!bounce) {
        bounce = dma_bounce_new();
        old = qatomic_cmpxchg(&inflight->bounce, NULL, bounce);
        if (old) {
            dma_bounce_free(bounce);
            bounce = old;
        }
    }
    return bounce;
}

void dma_inflight_device_gone(DMAInflight *inflight)
{
    DMABounce *bounce = qatomic_load_acquire(&inflight->bounce);

    qatomic_sub(&inflight->drain->waited, dma_maps_clear(inflight->maps));
    if (bounce) {
        dma_bounce_forget(bounce);
    }
    dma_drain_wake();
}

static DMAMapInfo dma_inflight_info(DMAInflight *inflight,
                                    const DMAMapping *map)
{
    uint32_t attrs = dma_attrs_code(map->attrs);

    return (DMAMapInfo) {
        .iova = inflight->ops->canonical(inflight->opaque, attrs, map->addr),
        .len = map->len,
        .host = map->host,
        .owner = map->owner,
        .tag = map->tag,
        .pasid = attrs,
        .is_write = map->is_write,
        .revoke = map->revoke,
        .revoke_opaque = map->opaque,
    };
}

bool dma_inflight_mapped(DMAInflight *inflight, const DMAMapping *map)
{
    DMAMapInfo info = dma_inflight_info(inflight, map);

    dma_inflight_activate(inflight);
    if (!dma_maps_add(inflight->maps, &info)) {
        return false;
    }
    trace_dma_inflight_mapped(inflight, map->addr, map->len, map->is_write,
                              map->host, map->revoke != NULL);
    return true;
}

void dma_inflight_mapped_vague(DMAInflight *inflight, const DMAMapping *map)
{
    DMAMapInfo info = dma_inflight_info(inflight, map);

    dma_maps_add_vague(inflight->maps, &info);
    trace_dma_inflight_mapped(inflight, map->addr, map->len, map->is_write,
                              map->host, map->revoke != NULL);
}

bool dma_inflight_unmapped(DMAInflight *inflight, void *host, bool is_write,
                           DMARevoke *revoke, void *opaque)
{
    DMAMapsEnd end = { 0 };

    if (revoke) {
        dma_maps_remove_standing(inflight->maps, host, is_write, revoke,
                                 opaque);
    } else {
        dma_maps_remove(inflight->maps, host, is_write, &end);
    }
    trace_dma_inflight_unmapped(inflight, host, is_write, end.waited);
    if (end.waited) {
        qatomic_dec(&inflight->drain->waited);
        dma_drain_wake();
    }
    return !end.relied;
}

void dma_inflight_activate_slow(DMAInflight *inflight)
{
    DMAInflight *old, *head;

    if (qatomic_cmpxchg(&inflight->listed, false, true)) {
        /* Some other thread does it: until it has, do as if it were done. */
        while (!qatomic_load_acquire(&inflight->active)) {
            g_usleep(1);
        }
        return;
    }
    head = qatomic_read(&inflight->drain->active);
    do {
        old = head;
        inflight->next_active = old;
        head = qatomic_cmpxchg(&inflight->drain->active, old, inflight);
    } while (head != old);
    /*
     * An invalidation sees it in the list, or what it caches and maps from now
     * on was translated after the removal.
     */
    smp_mb();
    qatomic_store_release(&inflight->active, true);
}

void dma_drain_drop_caches(DMADrain *drain)
{
    DMAInflight *inflight;

    /* See dma_inflight_next_cache(). */
    smp_mb();
    for (inflight = qatomic_load_acquire(&drain->active); inflight;
         inflight = inflight->next_active) {
        unsigned index = 0;
        DMACache *c;

        while ((c = dma_inflight_next_cache(inflight, &index))) {
            dma_cache_invalidate_all(c);
        }
    }
}

void dma_drain_drop_all_caches(void)
{
    DMADrain *drain;

    QLIST_FOREACH(drain, &drains, next) {
        dma_drain_drop_caches(drain);
    }
}

void dma_drain_release_memory(void)
{
    DMAInflight *inflight;
    DMADrain *drain;

    QLIST_FOREACH(drain, &drains, next) {
        QLIST_FOREACH(inflight, &drain->inflights, next) {
            dma_maps_release(inflight->maps);
        }
    }
}

/* Is it a part of the address space that the caches have to be emptied of? */
static bool scope_is_range(const DMADrainScope *scope)
{
    return scope->named || scope->first || scope->last != UINT64_MAX;
}

/* Where the cache is noted that a domain's translations were found in */
static DMACache **dma_drain_likely(DMADrain *drain, const DMADrainScope *scope)
{
    /* Domains are numbered in turn: see IOTLB_TAG(). */
    return &drain->likely[(scope->tag >> 8) % DMA_LIKELY_CACHES];
}

static void dma_drain_drop_from(DMADrain *drain, DMACache *c,
                                const DMADrainScope *scope)
{
    if (scope_is_range(scope)) {
        hwaddr first = scope->named ? scope->named_first : scope->first;
        hwaddr last = scope->named ? scope->named_last : scope->last;

        if (dma_cache_remove_range(c, scope->tag, scope->tag_mask, first,
                                   last)) {
            *dma_drain_likely(drain, scope) = c;
        }
    } else {
        dma_cache_invalidate_all(c);
    }
}

/*
 * Whatever is found in a cache was translated through its tag: another domain's
 * invalidation does not concern it.  Who changes the tag drops everything, and
 * translates anew.
 */
static void dma_drain_drop_endpoint(DMAInflight *inflight,
                                    const DMADrainScope *scope)
{
    uint32_t made = qatomic_read(&inflight->caches_made);

    for (; made; made &= made - 1) {
        DMACache *c = qatomic_load_acquire(&inflight->caches[ctz32(made)]);

        if (c && !((qatomic_read(&c->tag) ^ scope->tag) & scope->tag_mask)) {
            dma_drain_drop_from(inflight->drain, c, scope);
        }
    }
}

/* Drop what @scope names from the endpoints' caches. */
static void dma_drain_drop_scope(DMADrain *drain, const DMADrainScope *scope)
{
    DMAInflight *inflight;

    if (!scope->announced) {
        /* What was removed elsewhere before the caches are looked at. */
        smp_mb();
    }
    for (inflight = qatomic_load_acquire(&drain->active); inflight;
         inflight = inflight->next_active) {
        if (!scope->only || scope->only == inflight) {
            dma_drain_drop_endpoint(inflight, scope);
        }
    }
    if (scope->announced_cache) {
        dma_cache_announced(scope->announced_cache);
    }
}

void dma_drain_announce(DMADrain *drain, DMADrainScope *scope)
{
    DMACache *c = *dma_drain_likely(drain, scope);

    if (scope_is_range(scope)) {
        scope->announced = true;
        /* To look at all of them would take longer than what it saves. */
        if (c) {
            scope->announced_cache = c;
            dma_cache_announce(c, scope->tag, scope->tag_mask);
        }
    }
}

void dma_drain_start(DMADrain *drain, const DMADrainScope *scope)
{
    dma_drain_drop_scope(drain, scope);
    dma_scan_start(drain, scope, ++drain->seq);
}

void dma_drain_get_stats(DMADrain *drain, DMADrainStats *stats)
{
    *stats = drain->stats;
}

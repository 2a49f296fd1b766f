/*
 * In-flight DMA of devices behind a vIOMMU, and the drain
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What runs where: dma_inflight_mapped() and dma_inflight_unmapped() on any
 * thread; everything else under the BQL.  Nothing waits: what cannot be done
 * yet is left on a list, and a bottom half in the main loop is scheduled by
 * whoever changes the reason (a slot that closes, a map that ends, an RCU
 * grace period).
 */

#include "qemu/osdep.h"
#include "exec/address-spaces.h"
#include "exec/memory.h"
#include "hw/core/cpu.h"
#include "qemu/atomic.h"
#include "qemu/main-loop.h"
#include "qemu/rcu.h"
#include "qemu/timer.h"
#include "system/tcg.h"
#include "dma-inflight-internal.h"
#include "trace.h"

/*
 * A scan that waits for slots to close.  A guest that sends invalidations
 * faster than they close must not make this list grow: beyond the limit they
 * are merged into one that covers everything.  It keeps its number, the lowest
 * of theirs, because a fence may be waiting for that one.
 */
#define MAX_PENDING_SCANS 64

typedef struct DrainScan DrainScan;
struct DrainScan {
    struct rcu_head rcu;
    DMADrain *drain;         /* NULL: forgotten, free after the grace period */
    DMADrainScope scope;
    uint64_t epoch;
    uint64_t seq;
    bool grace;              /* an RCU grace period is still running */
    bool nothing;            /* and that is all it is for */
    QTAILQ_ENTRY(DrainScan) next;
};

struct DMADrain {
    QLIST_HEAD(, DMAInflight) inflights;
    DMAInflight *active;                 /* atomic, grows only */
    uint32_t cache_pages;
    bool bounce;
    QTAILQ_HEAD(, DrainScan) scans;      /* in order of seq */
    unsigned nr_scans;
    QTAILQ_HEAD(, DMAFence) fences;      /* in order of seq */
    DMAHolds holds;
    uint64_t seq;                        /* of the last removal or hold */
    unsigned waited;                     /* records waited for; atomic */
    uint32_t stall_ms, timeout_ms;
    QEMUTimer *timer;                    /* of the oldest fence */
    bool stall_reported;                 /* for the oldest fence */
    int64_t timer_since;                 /* QEMU_CLOCK_VIRTUAL, ns */
    DMADrainStats stats;
    QLIST_ENTRY(DMADrain) next;
};

static QLIST_HEAD(, DMADrain) drains = QLIST_HEAD_INITIALIZER(drains);

/*
 * In the iohandler context, which nested event loops (a block drain inside a
 * device's reset, say) do not run: completions never happen in the middle of
 * somebody's register write.
 */
static QEMUBH *drain_bh;

static void dma_drain_wake(void)
{
    qemu_bh_schedule(drain_bh);
}

static void dma_drain_bh(void *opaque)
{
    DMADrain *drain, *tmp;

    QLIST_FOREACH_SAFE(drain, &drains, next, tmp) {
        dma_drain_poll(drain);
    }
}

static void dma_drain_timer(void *opaque);

DMADrain *dma_drain_new(const DMADrainParams *params)
{
    DMADrain *drain = g_new0(DMADrain, 1);

    dma_ram_init();

    if (!drain_bh) {
        drain_bh = aio_bh_new(iohandler_get_aio_context(), dma_drain_bh, NULL);
        dma_epoch_set_wake(dma_drain_wake);
    }
    QLIST_INIT(&drain->inflights);
    QTAILQ_INIT(&drain->scans);
    QTAILQ_INIT(&drain->fences);
    dma_holds_init(&drain->holds);
    drain->cache_pages = params->cache_pages;
    drain->bounce = params->bounce;
    drain->stall_ms = params->stall_ms;
    drain->timeout_ms = params->timeout_ms;
    drain->timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, dma_drain_timer, drain);
    QLIST_INSERT_HEAD(&drains, drain, next);
    return drain;
}

void dma_drain_free(DMADrain *drain)
{
    DMAInflight *inflight, *tmp;
    DMAHold *hold;

    assert(QTAILQ_EMPTY(&drain->fences));
    dma_drain_reset(drain);
    while ((hold = dma_holds_oldest(&drain->holds))) {
        dma_hold_abandon(hold);
    }
    QLIST_FOREACH_SAFE(inflight, &drain->inflights, next, tmp) {
        QLIST_REMOVE(inflight, next);
        dma_maps_free(inflight->maps);
        dma_cache_free(inflight->cache);
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
    inflight->maps = dma_maps_new();
    inflight->cache_pages = drain->cache_pages;
    inflight->bounce = drain->bounce ? dma_bounce_new() : NULL;
    QLIST_INSERT_HEAD(&drain->inflights, inflight, next);
    return inflight;
}

void address_space_set_inflight(AddressSpace *as, DMAInflight *inflight)
{
    as->inflight = inflight;
    qatomic_set(&as->fast, inflight);
}

unsigned dma_inflight_count(DMAInflight *inflight)
{
    return dma_maps_count(inflight->maps) +
           (inflight->bounce ? dma_bounce_count(inflight->bounce) : 0);
}

bool dma_inflight_readable(AddressSpace *as, hwaddr addr, hwaddr len)
{
    DMAInflight *inflight = as->inflight;
    hwaddr gpa, page;

    RCU_READ_LOCK_GUARD();
    while (inflight->ops->probe(inflight->opaque, 0, addr, false, &gpa,
                                &page)) {
        if (len <= page) {
            return true;
        }
        addr += page;
        len -= page;
    }
    return false;
}

DMABounce *dma_inflight_bounce(AddressSpace *as)
{
    return as->inflight->bounce;
}

void dma_inflight_device_gone(DMAInflight *inflight)
{
    qatomic_sub(&inflight->drain->waited, dma_maps_clear(inflight->maps));
    if (inflight->bounce) {
        dma_bounce_forget(inflight->bounce);
    }
    dma_drain_wake();
}

void dma_inflight_mapped(AddressSpace *as, hwaddr addr, hwaddr len,
                         bool is_write, MemTxAttrs attrs, void *host,
                         MemoryRegion *owner, DMARevoke *revoke,
                         void *opaque)
{
    DMAInflight *inflight = as->inflight;
    DMAMapInfo info = {
        .iova = inflight->ops->canonical(inflight->opaque, attrs.pid, addr),
        .len = len,
        .host = host,
        .owner = owner,
        .tag = inflight->ops->tag(inflight->opaque),
        .pasid = attrs.pid,
        .is_write = is_write,
        .revoke = revoke,
        .revoke_opaque = opaque,
    };

    dma_inflight_activate(inflight);
    dma_maps_add(inflight->maps, &info);
    trace_dma_inflight_mapped(inflight, addr, len, is_write, host,
                              revoke != NULL);
}

void dma_inflight_unmapped(AddressSpace *as, void *host, hwaddr len,
                           bool is_write, DMARevoke *revoke, void *opaque)
{
    DMAInflight *inflight = as->inflight;
    unsigned waited = 0;

    if (revoke) {
        dma_maps_remove_standing(inflight->maps, host, len, is_write, revoke,
                                 opaque);
    } else {
        dma_maps_remove(inflight->maps, host, len, is_write, &waited);
    }
    trace_dma_inflight_unmapped(inflight, host, len, is_write, waited);
    if (waited) {
        qatomic_sub(&inflight->drain->waited, waited);
        dma_drain_wake();
    }
}

/* One scan of one endpoint. */
typedef struct ScanContext {
    DMAInflight *inflight;
    const DMADrainScope *scope;
} ScanContext;

/*
 * Does @info's IOVA, as far as it lies in the scope, still lead to the host
 * memory that the device was handed?
 */
static bool dma_map_is_stale(void *opaque, const DMAMapInfo *info)
{
    ScanContext *ctx = opaque;
    const DMADrainScope *scope = ctx->scope;
    DMAInflight *inflight = ctx->inflight;
    hwaddr off, end;

    if (info->tag != DMA_TAG_ANY &&
        ((info->tag ^ scope->tag) & scope->tag_mask)) {
        return false;
    }

    off = scope->first > info->iova ? scope->first - info->iova : 0;
    end = MIN(info->len, scope->last - info->iova + 1);
    if (scope->last - info->iova == UINT64_MAX) {
        end = info->len;
    }

    RCU_READ_LOCK_GUARD();
    while (off < end) {
        MemoryRegion *mr;
        hwaddr gpa, page, xlat, len;
        uint8_t *host;

        if (!inflight->ops->probe(inflight->opaque, info->pasid,
                                  info->iova + off, info->is_write, &gpa,
                                  &page)) {
            return true;
        }
        len = MIN(page, end - off);
        mr = address_space_translate(&address_space_memory, gpa, &xlat, &len,
                                     info->is_write, MEMTXATTRS_UNSPECIFIED);
        if (!len || !memory_access_is_direct(mr, info->is_write,
                                             MEMTXATTRS_UNSPECIFIED)) {
            return true;
        }
        host = memory_region_get_ram_ptr(mr);
        if (host + xlat != (uint8_t *)info->host + off) {
            return true;
        }
        off += len;
    }
    return false;
}

/*
 * A vCPU of TCG is an RCU reader for as long as it executes, and the one that
 * waits for the invalidation may do so in a tight loop with interrupts off:
 * nothing makes it leave, and the grace period would last until the guest gives
 * up.  So they are kicked while a grace period is pending; more than once,
 * because it begins some time after it was asked for.  BQL.
 */
#define GRACE_KICK_MS 5

static unsigned graces;
static QEMUTimer *grace_timer;

static void dma_grace_kick(void *opaque)
{
    CPUState *cpu;

    CPU_FOREACH(cpu) {
        qemu_cpu_kick(cpu);
    }
    timer_mod(grace_timer,
              qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + GRACE_KICK_MS);
}

static void dma_grace_begin(void)
{
    if (!graces++ && tcg_enabled()) {
        if (!grace_timer) {
            grace_timer = timer_new_ms(QEMU_CLOCK_REALTIME, dma_grace_kick,
                                       NULL);
        }
        timer_mod(grace_timer,
                  qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + GRACE_KICK_MS);
    }
}

static void dma_grace_end(void)
{
    if (!--graces && grace_timer) {
        timer_del(grace_timer);
    }
}

static void dma_drain_grace(struct rcu_head *rcu);

/* Pointers were cleared: who has read one is in an RCU read section. */
static void dma_drain_wait_readers(DMADrain *drain, uint64_t seq)
{
    DrainScan *scan = g_new0(DrainScan, 1);
    DrainScan *next;

    scan->drain = drain;
    scan->seq = seq;
    scan->grace = true;
    scan->nothing = true;
    dma_grace_begin();
    call_rcu1(&scan->rcu, dma_drain_grace);
    QTAILQ_FOREACH(next, &drain->scans, next) {
        if (next->seq > seq) {
            QTAILQ_INSERT_BEFORE(next, scan, next);
            break;
        }
    }
    if (!next) {
        QTAILQ_INSERT_TAIL(&drain->scans, scan, next);
    }
    drain->nr_scans++;
}

static void dma_drain_scan(DMADrain *drain, const DMADrainScope *scope,
                           uint64_t seq)
{
    DMAInflight *inflight;
    g_autoptr(GArray) revoke = NULL;
    unsigned i, cleared = 0;

    for (inflight = qatomic_load_acquire(&drain->active); inflight;
         inflight = inflight->next_active) {
        ScanContext ctx = { .inflight = inflight, .scope = scope };
        unsigned stamped;

        if (scope->only && scope->only != inflight) {
            continue;
        }
        if (!scope->tag_mask) {
            /* What stays may belong to another domain by now. */
            dma_maps_forget_tags(inflight->maps);
        }
        cleared += dma_maps_clear_pointers(inflight->maps, scope->first,
                                           scope->last, dma_map_is_stale,
                                           &ctx);
        if (!dma_maps_count(inflight->maps)) {
            continue;
        }
        if (!revoke) {
            revoke = g_array_new(false, false, sizeof(DMAMapInfo));
        }
        stamped = dma_maps_scan(inflight->maps, scope->first, scope->last,
                                dma_map_is_stale, &ctx, seq, revoke);
        /*
         * A map that ended meanwhile has been subtracted already; nobody
         * looks at the sum in between, because that takes the BQL.
         */
        qatomic_add(&drain->waited, stamped);
        trace_dma_drain_scan(drain, inflight, seq, stamped, revoke->len);
    }

    if (cleared) {
        dma_drain_wait_readers(drain, seq);
    }
    for (i = 0; revoke && i < revoke->len; i++) {
        DMAMapInfo *info = &g_array_index(revoke, DMAMapInfo, i);

        drain->stats.revoked++;
        trace_dma_drain_revoke(drain, info->iova, info->len);
        info->revoke(info->revoke_opaque);
    }
}

/* call_rcu() callbacks run with the BQL, in the RCU thread. */
static void dma_drain_grace(struct rcu_head *rcu)
{
    DrainScan *scan = container_of(rcu, DrainScan, rcu);

    dma_grace_end();
    scan->grace = false;
    if (!scan->drain) {
        g_free(scan);
    } else {
        dma_drain_wake();
    }
}

static void dma_drain_drop_scan(DMADrain *drain, DrainScan *scan)
{
    QTAILQ_REMOVE(&drain->scans, scan, next);
    drain->nr_scans--;
    scan->drain = NULL;
    if (!scan->grace) {
        g_free(scan);
    }
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

void dma_drain_forget(DMADrain *drain)
{
    DMAInflight *inflight;

    for (inflight = qatomic_load_acquire(&drain->active); inflight;
         inflight = inflight->next_active) {
        DMACache *c = qatomic_load_acquire(&inflight->cache);

        if (c) {
            dma_cache_invalidate_all(c);
        }
    }
}

void dma_drain_drop_caches(void)
{
    DMADrain *drain;

    QLIST_FOREACH(drain, &drains, next) {
        dma_drain_forget(drain);
    }
}

/* Drop what @scope names from the endpoints' caches. */
static void dma_drain_drop(DMADrain *drain, const DMADrainScope *scope)
{
    DMAInflight *inflight;

    /* What was removed elsewhere before the caches are looked at. */
    smp_mb();
    for (inflight = qatomic_load_acquire(&drain->active); inflight;
         inflight = inflight->next_active) {
        DMACache *c = qatomic_load_acquire(&inflight->cache);

        if (!c || (scope->only && scope->only != inflight)) {
            continue;
        }
        if (scope->first || scope->last != UINT64_MAX) {
            /* Cheaper than to find out whose domain it is. */
            dma_cache_invalidate_range(c, scope->first, scope->last);
        } else if (!((qatomic_read(&c->tag) ^ scope->tag) & scope->tag_mask)) {
            dma_cache_invalidate_all(c);
        }
    }
}

void dma_drain_start(DMADrain *drain, const DMADrainScope *scope)
{
    uint64_t seq = ++drain->seq;
    uint64_t epoch;
    DrainScan *scan;

    dma_drain_drop(drain, scope);
    epoch = dma_epoch_next();

    if (!scope->topology && dma_epoch_passed(epoch)) {
        dma_drain_scan(drain, scope, seq);
        return;
    }

    scan = QTAILQ_LAST(&drain->scans);
    if (drain->nr_scans >= MAX_PENDING_SCANS && !scope->topology) {
        scan->scope.first = 0;
        scan->scope.last = UINT64_MAX;
        scan->scope.tag_mask = 0;
        scan->scope.only = NULL;
        scan->nothing = false;
    } else {
        scan = g_new0(DrainScan, 1);
        scan->drain = drain;
        scan->scope = *scope;
        if (scope->topology) {
            scan->grace = true;
            dma_grace_begin();
            call_rcu1(&scan->rcu, dma_drain_grace);
        }
        scan->seq = seq;
        QTAILQ_INSERT_TAIL(&drain->scans, scan, next);
        drain->nr_scans++;
    }
    scan->epoch = epoch;
}

DMAHold *dma_drain_hold(AddressSpace *as, hwaddr iova, hwaddr len,
                        const DMAHoldOps *ops, void *opaque)
{
    DMAInflight *inflight = as->inflight;
    DMAHold *hold;

    if (!inflight) {
        return NULL;
    }
    hold = dma_holds_add(&inflight->drain->holds, ++inflight->drain->seq);
    hold->iova = iova;
    hold->len = len;
    hold->endpoint = inflight;
    hold->ops = ops;
    hold->opaque = opaque;
    trace_dma_drain_hold(inflight->drain, hold, hold->seq, iova, len);
    return hold;
}

void dma_drain_release(DMAHold *hold)
{
    trace_dma_drain_release(hold, hold->seq);
    if (dma_hold_free(hold)) {
        dma_drain_wake();
    }
}

static bool dma_fence_done(DMADrain *drain, uint64_t seq)
{
    DrainScan *scan = QTAILQ_FIRST(&drain->scans);
    DMAHold *hold = dma_holds_oldest(&drain->holds);
    DMAInflight *inflight;

    if ((scan && scan->seq <= seq) || (hold && hold->seq <= seq)) {
        return false;
    }
    if (!qatomic_load_acquire(&drain->waited)) {
        return true;
    }
    QLIST_FOREACH(inflight, &drain->inflights, next) {
        if (dma_maps_oldest_wait(inflight->maps, NULL) <= seq) {
            return false;
        }
    }
    return true;
}

/*
 * The timer is about the oldest pending fence: it is reported once when it
 * has waited stall_ms, and its maps are given up after timeout_ms.
 */
static void dma_drain_set_timer(DMADrain *drain)
{
    int64_t ms = INT64_MAX;

    if (QTAILQ_EMPTY(&drain->fences)) {
        timer_del(drain->timer);
        return;
    }
    if (drain->stall_ms && !drain->stall_reported) {
        ms = drain->stall_ms;
    }
    if (drain->timeout_ms && drain->timeout_ms < ms) {
        ms = drain->timeout_ms;
    }
    if (ms == INT64_MAX) {
        timer_del(drain->timer);
    } else {
        timer_mod(drain->timer, drain->timer_since + ms * SCALE_MS);
    }
}

static void dma_drain_oldest_changed(DMADrain *drain)
{
    drain->stall_reported = false;
    drain->timer_since = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
    dma_drain_set_timer(drain);
}

/* The timer has rung for the fence @seq: what about its holds? */
static void dma_drain_late_holds(DMADrain *drain, uint64_t seq, bool stalled,
                                 bool timeout, int64_t age)
{
    DMAInflight *inflight;
    DMAHold *hold;

    if (!stalled && !timeout) {
        return;
    }
    QLIST_FOREACH(inflight, &drain->inflights, next) {
        bool report = stalled;

        while ((hold = dma_holds_oldest_of(&drain->holds, inflight)) &&
               hold->seq <= seq) {
            DMAMapInfo info = {
                .iova = hold->iova,
                .len = hold->len,
                .is_write = true,
            };

            if (report) {
                drain->stats.stalls++;
                inflight->ops->stalled(inflight->opaque, &info, age);
                report = false;
            }
            if (!timeout) {
                break;
            }
            dma_hold_abandon(hold);
            drain->stats.abandoned++;
            inflight->ops->abandon(inflight->opaque, &info, age);
            hold->ops->abandon(hold->opaque);
        }
    }
}

static void dma_drain_timer(void *opaque)
{
    DMADrain *drain = opaque;
    DMAFence *fence = QTAILQ_FIRST(&drain->fences);
    int64_t age = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL) - drain->timer_since;
    DMAInflight *inflight;
    bool stalled, timeout;

    if (!fence) {
        return;
    }
    stalled = drain->stall_ms && !drain->stall_reported &&
              age >= drain->stall_ms * (int64_t)SCALE_MS;
    timeout = drain->timeout_ms &&
              age >= drain->timeout_ms * (int64_t)SCALE_MS;

    QLIST_FOREACH(inflight, &drain->inflights, next) {
        DMAMapInfo info;

        if (dma_maps_oldest_wait(inflight->maps, &info) > fence->seq) {
            continue;
        }
        if (stalled) {
            drain->stats.stalls++;
            inflight->ops->stalled(inflight->opaque, &info, age);
        }
        if (timeout) {
            unsigned n;

            /*
             * Break the device first: that may end some of its requests in
             * the regular way.
             */
            inflight->ops->abandon(inflight->opaque, &info, age);
            n = dma_maps_abandon(inflight->maps, fence->seq);
            drain->stats.abandoned += n;
            qatomic_sub(&drain->waited, n);
        }
    }
    dma_drain_late_holds(drain, fence->seq, stalled, timeout, age);
    if (stalled) {
        drain->stall_reported = true;
    }
    if (timeout) {
        /* What is left of this fence is slots, which close by themselves. */
        drain->timer_since += age;
        dma_drain_wake();
    }
    dma_drain_set_timer(drain);
}

bool dma_drain_fence(DMADrain *drain, DMAFence *fence,
                     void (*done)(void *opaque), void *opaque)
{
    assert(!fence->seq);
    drain->stats.drains++;
    if (dma_fence_done(drain, drain->seq)) {
        return true;
    }

    drain->stats.waited++;
    fence->seq = drain->seq;
    fence->done = done;
    fence->opaque = opaque;
    fence->since = get_clock();
    QTAILQ_INSERT_TAIL(&drain->fences, fence, next);
    trace_dma_drain_wait(drain, fence->seq);
    if (QTAILQ_FIRST(&drain->fences) == fence) {
        dma_drain_oldest_changed(drain);
    }
    dma_holds_flush(&drain->holds, drain->seq);
    /* A map may have ended between the check and the insertion. */
    dma_drain_wake();
    return false;
}

static void dma_drain_remove_fence(DMADrain *drain, DMAFence *fence)
{
    bool oldest = QTAILQ_FIRST(&drain->fences) == fence;

    QTAILQ_REMOVE(&drain->fences, fence, next);
    fence->seq = 0;
    if (oldest) {
        dma_drain_oldest_changed(drain);
    }
}

void dma_drain_fence_cancel(DMADrain *drain, DMAFence *fence)
{
    if (fence->seq) {
        trace_dma_drain_cancel(drain, fence->seq);
        dma_drain_remove_fence(drain, fence);
    }
}

void dma_drain_poll(DMADrain *drain)
{
    DrainScan *scan, *tmp;
    DMAFence *fence;

    QTAILQ_FOREACH_SAFE(scan, &drain->scans, next, tmp) {
        DMADrainScope scope = scan->scope;
        uint64_t seq = scan->seq;
        bool nothing = scan->nothing;

        if (scan->grace || !dma_epoch_passed(scan->epoch)) {
            continue;
        }
        dma_drain_drop_scan(drain, scan);
        if (!nothing) {
            dma_drain_scan(drain, &scope, seq);
        }
    }

    /* @done may begin new drains and fences: look at the first one anew. */
    while ((fence = QTAILQ_FIRST(&drain->fences)) &&
           dma_fence_done(drain, fence->seq)) {
        int64_t ns = get_clock() - fence->since;

        trace_dma_drain_done(drain, fence->seq, ns);
        drain->stats.wait_ns_total += ns;
        drain->stats.wait_ns_max = MAX(drain->stats.wait_ns_max, (uint64_t)ns);
        dma_drain_remove_fence(drain, fence);
        fence->done(fence->opaque);
    }
}

bool dma_drain_busy(DMADrain *drain)
{
    return !QTAILQ_EMPTY(&drain->fences);
}

void dma_drain_reset(DMADrain *drain)
{
    DrainScan *scan, *tmp;
    DMAInflight *inflight;

    assert(QTAILQ_EMPTY(&drain->fences));
    QTAILQ_FOREACH_SAFE(scan, &drain->scans, next, tmp) {
        dma_drain_drop_scan(drain, scan);
    }
    QLIST_FOREACH(inflight, &drain->inflights, next) {
        qatomic_sub(&drain->waited,
                    dma_maps_abandon(inflight->maps, UINT64_MAX - 1));
    }
    dma_holds_reset(&drain->holds);
}

void dma_drain_get_stats(DMADrain *drain, DMADrainStats *stats)
{
    *stats = drain->stats;
}

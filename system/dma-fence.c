/*
 * The drain's fences and holds: who waits, for what, and for how long
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Nothing waits in place: what cannot be done yet is left on a list, and a
 * bottom half in the main loop is scheduled by whoever changes the reason (a
 * slot that closes, a map that ends, a grace period, a hold's release).
 * Everything here: BQL.
 */

#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "system/dma-held.h"
#include "dma-inflight-internal.h"
#include "trace.h"

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

void dma_drain_collect_begin(DMADrain *drain)
{
    drain->holds.collecting++;
}

void dma_drain_collect_end(DMADrain *drain)
{
    assert(drain->holds.collecting);
    if (!--drain->holds.collecting) {
        dma_holds_flush(&drain->holds, drain->seq);
    }
}

bool dma_drain_collects(const DMAHold *hold)
{
    return hold->holds && hold->holds->collecting;
}

void dma_drain_release(DMAHold *hold)
{
    DMADrain *drain = hold->holds ?
        container_of(hold->holds, DMADrain, holds) : NULL;

    trace_dma_drain_release(hold, hold->seq);
    dma_hold_free(hold);
    /* With no fence nobody waits for it. */
    if (drain && !QTAILQ_EMPTY(&drain->fences)) {
        dma_drain_wake();
    }
}

static bool dma_fence_done(DMADrain *drain, uint64_t seq)
{
    DMAHold *hold = dma_holds_oldest(&drain->holds);
    DMAInflight *inflight;

    if (dma_scan_pending(drain, seq) || (hold && hold->seq <= seq)) {
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
static void dma_fence_set_timer(DMADrain *drain)
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

static void dma_fence_oldest_changed(DMADrain *drain)
{
    drain->stall_reported = false;
    drain->timer_since = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
    dma_fence_set_timer(drain);
}

/* The timer has rung for the fence @seq: what about its holds? */
static void dma_fence_late_holds(DMADrain *drain, uint64_t seq, bool stalled,
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

void dma_fence_timer(void *opaque)
{
    DMADrain *drain = opaque;
    DMAFence *fence = QTAILQ_FIRST(&drain->fences);
    int64_t age = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL) - drain->timer_since;
    DMAInflight *inflight;
    bool stalled, timeout;
    DMA_HELD("drain timer");

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
    dma_fence_late_holds(drain, fence->seq, stalled, timeout, age);
    if (stalled) {
        drain->stall_reported = true;
    }
    if (timeout) {
        /* What is left of this fence is slots, which close by themselves. */
        drain->timer_since += age;
        dma_drain_wake();
    }
    dma_fence_set_timer(drain);
}

static void dma_fence_waited(DMADrain *drain, const DMAFence *fence,
                             uint64_t seq)
{
    int64_t ns = get_clock() - fence->since;

    trace_dma_drain_done(drain, seq, ns);
    drain->stats.wait_ns_total += ns;
    drain->stats.wait_ns_max = MAX(drain->stats.wait_ns_max, (uint64_t)ns);
}

bool dma_drain_fence(DMADrain *drain, DMAFence *fence,
                     void (*done)(void *opaque), void *opaque)
{
    uint64_t seq = drain->seq;

    assert(!fence->seq);
    drain->stats.drains++;
    if (dma_fence_done(drain, seq)) {
        return true;
    }

    drain->stats.waited++;
    fence->since = get_clock();
    /* Who is told only now may let go at once. */
    dma_holds_flush(&drain->holds, seq);
    if (dma_fence_done(drain, seq)) {
        dma_fence_waited(drain, fence, seq);
        return true;
    }
    fence->seq = seq;
    fence->done = done;
    fence->opaque = opaque;
    QTAILQ_INSERT_TAIL(&drain->fences, fence, next);
    trace_dma_drain_wait(drain, fence->seq);
    if (QTAILQ_FIRST(&drain->fences) == fence) {
        dma_fence_oldest_changed(drain);
    }
    /* A map may have ended between the check and the insertion. */
    dma_drain_wake();
    return false;
}

static void dma_fence_remove(DMADrain *drain, DMAFence *fence)
{
    bool oldest = QTAILQ_FIRST(&drain->fences) == fence;

    QTAILQ_REMOVE(&drain->fences, fence, next);
    fence->seq = 0;
    if (oldest) {
        dma_fence_oldest_changed(drain);
    }
}

void dma_drain_fence_cancel(DMADrain *drain, DMAFence *fence)
{
    if (fence->seq) {
        trace_dma_drain_cancel(drain, fence->seq);
        dma_fence_remove(drain, fence);
    }
}

void dma_drain_advance(DMADrain *drain, bool all)
{
    DMAFence *fence;

    if (dma_scan_advance(drain, all)) {
        dma_drain_wake();
    }
    /* @done may begin new drains and fences: look at the first one anew. */
    while ((fence = QTAILQ_FIRST(&drain->fences)) &&
           dma_fence_done(drain, fence->seq)) {
        dma_fence_waited(drain, fence, fence->seq);
        dma_fence_remove(drain, fence);
        fence->done(fence->opaque);
    }
}

void dma_drain_poll(DMADrain *drain)
{
    dma_drain_advance(drain, true);
}

bool dma_drain_busy(DMADrain *drain)
{
    return !QTAILQ_EMPTY(&drain->fences);
}

void dma_drain_reset(DMADrain *drain)
{
    DMAInflight *inflight;

    assert(QTAILQ_EMPTY(&drain->fences));
    dma_scan_cancel_all(drain);
    QLIST_FOREACH(inflight, &drain->inflights, next) {
        qatomic_sub(&drain->waited,
                    dma_maps_abandon(inflight->maps, UINT64_MAX - 1));
    }
    dma_holds_reset(&drain->holds);
}

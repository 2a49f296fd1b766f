/*
 * The vIOMMU core: command queues, and commands that the drain holds up
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/iommu/viommu-queue.h"
#include "system/dma-held.h"
#include "system/runstate.h"
#include "trace.h"

static void viommu_busy_drained(void *opaque)
{
    VIOMMUBusy *busy = opaque;

    if (busy->again) {
        busy->again = false;
        if (!viommu_fence(busy->viommu, &busy->fence, viommu_busy_drained,
                          busy)) {
            return;
        }
    }
    busy->done(busy->opaque);
}

void viommu_busy_init(VIOMMUBusy *busy, VIOMMU *viommu,
                      void (*done)(void *opaque), void *opaque)
{
    *busy = (VIOMMUBusy) {
        .viommu = viommu,
        .done = done,
        .opaque = opaque,
    };
}

bool viommu_busy_begin(VIOMMUBusy *busy)
{
    if (viommu_busy_pending(busy)) {
        /* Cancelling the fence and asking anew would restart its clock. */
        busy->again = true;
        return false;
    }
    return viommu_fence(busy->viommu, &busy->fence, viommu_busy_drained, busy);
}

void viommu_busy_cancel(VIOMMUBusy *busy)
{
    busy->again = false;
    viommu_fence_cancel(busy->viommu, &busy->fence);
}

/*
 * The fence at the head has drained.  Returns: false if what came before it is
 * still being written; then the bottom half asks again
 */
static bool viommu_queue_told(VIOMMUQueue *q)
{
    if (!q->events || (!q->telling && viommu_events_none(q->events))) {
        return true;
    }
    if (!q->telling) {
        q->telling = true;
        q->mark = viommu_events_mark(q->events);
    }
    viommu_events_write(q->events);
    if (!viommu_events_reached(q->events, q->mark)) {
        qemu_bh_schedule(q->bh);
        return false;
    }
    q->telling = false;
    return true;
}

/* Returns: false if the queue now waits at a fence. */
static bool viommu_queue_step(VIOMMUQueue *q)
{
    if (q->ops->take_up(q->opaque) == VIOMMU_QUEUE_FENCE) {
        q->waiting = true;
        if (!viommu_busy_begin(&q->fence) || !viommu_queue_told(q)) {
            trace_viommu_queue_wait(q->ops->name);
            return false;
        }
        /* What was told may have turned the queue off. */
        if (q->waiting) {
            q->waiting = false;
            q->ops->complete(q->opaque);
        }
    }
    return true;
}

static void viommu_queue_go_on(VIOMMUQueue *q)
{
    /* Nobody waits for the BQL when the machine has stopped. */
    bool running = runstate_is_running();
    unsigned budget = running ? VIOMMU_QUEUE_BUDGET : VIOMMU_QUEUE_LONGEST;
    unsigned views = viommu_views(q->fence.viommu);

    while (q->ops->ready(q->opaque)) {
        if (!budget-- ||
            (running && viommu_views(q->fence.viommu) != views)) {
            trace_viommu_queue_yield(q->ops->name);
            /* Of one that has stopped, when it runs again */
            if (running) {
                qemu_bh_schedule(q->bh);
            }
            break;
        }
        if (!viommu_queue_step(q)) {
            break;
        }
    }
}

void viommu_queue_run(VIOMMUQueue *q)
{
    /* Who comes back here from an entry leaves the rest to the outer run. */
    if (q->running || q->waiting) {
        return;
    }
    q->running = true;
    viommu_collect_begin(q->fence.viommu);
    viommu_queue_go_on(q);
    viommu_collect_end(q->fence.viommu);
    q->running = false;
    if (q->ops->rested) {
        q->ops->rested(q->opaque);
    }
}

static void viommu_queue_drained(void *opaque)
{
    VIOMMUQueue *q = opaque;
    bool told;

    if (!q->waiting) {
        /* The queue was turned off meanwhile. */
        return;
    }
    q->running = true;
    told = viommu_queue_told(q);
    /* Unless what was told has turned the queue off */
    if (told && q->waiting) {
        trace_viommu_queue_drained(q->ops->name);
        q->waiting = false;
        q->ops->complete(q->opaque);
    }
    q->running = false;
    if (told) {
        viommu_queue_run(q);
    }
}

static void viommu_queue_resume(VIOMMUQueue *q)
{
    if (q->telling) {
        viommu_queue_drained(q);
    } else {
        viommu_queue_run(q);
    }
}

static void viommu_queue_bh(void *opaque)
{
    DMA_HELD("queue");

    viommu_queue_resume(opaque);
}

/*
 * When the machine stops, the stream that may follow should find as little to
 * be done as possible: stock QEMU as the destination takes up what is in the
 * queue only when the tail is written.  When it runs (again), a stream may have
 * left something.
 */
static void viommu_queue_vm_state(void *opaque, bool running, RunState state)
{
    DMA_HELD("queue");

    viommu_queue_resume(opaque);
}

bool viommu_queue_waits(const VIOMMUQueue *q)
{
    return q->waiting;
}

void viommu_queue_off(VIOMMUQueue *q)
{
    q->waiting = false;
    q->telling = false;
    qemu_bh_cancel(q->bh);
}

void viommu_queue_cancel(VIOMMUQueue *q)
{
    viommu_queue_off(q);
    viommu_busy_cancel(&q->fence);
}

void viommu_queue_init(VIOMMUQueue *q, VIOMMU *viommu,
                       const VIOMMUQueueOps *ops, VIOMMUEvents *events,
                       void *opaque)
{
    q->ops = ops;
    q->opaque = opaque;
    q->events = events;
    q->running = false;
    q->waiting = false;
    q->telling = false;
    viommu_busy_init(&q->fence, viommu, viommu_queue_drained, q);
    /* Like the drain's: not in the middle of somebody's register write. */
    q->bh = aio_bh_new(iohandler_get_aio_context(), viommu_queue_bh, q);
    qemu_add_vm_change_state_handler(viommu_queue_vm_state, q);
}

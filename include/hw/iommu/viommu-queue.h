/*
 * The vIOMMU core: command queues, and commands that the drain holds up
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Every model has a queue of commands in guest memory (VT-d's invalidation
 * queue, SMMUv3's command queue), and bits in registers that say when a
 * command has been carried out.  What they have in common is here:
 *
 *   - entries are taken up in order, a bounded number in one go, so that one
 *     register write of the guest does not keep the BQL for long; the rest
 *     follows from a bottom half, with the guest running in between; likewise
 *     what is behind one that has changed a view of memory (viommu_views());
 *   - an entry that reports the completion of those before it (a wait
 *     descriptor, a CMD_SYNC) stays at the head until the drain says so, and
 *     the queue stands still: nothing behind it is done before it;
 *   - and until what the unit had to tell its guest by then has been written;
 *   - an error stops the queue where it is, until it is run again;
 *   - when the machine stops, the queue is worked off once as far as the drain
 *     allows.  What still waits is at the head, so a migration stream has it,
 *     and whoever loads that does it again when the machine runs.
 *
 * All of it: BQL.
 */
#ifndef HW_IOMMU_VIOMMU_QUEUE_H
#define HW_IOMMU_VIOMMU_QUEUE_H

#include "hw/iommu/viommu-events.h"
#include "hw/iommu/viommu.h"
#include "qemu/main-loop.h"

/*
 * Entries in one go.  Linux writes at most some 65 at once; a hostile guest
 * fills its queue, which may be of half a million.
 */
#define VIOMMU_QUEUE_BUDGET 128

/*
 * Entries of the longest queue that there is (SMMUv3).  More than that in one
 * go are a guest's whose fences write their own queue's tail.
 */
#define VIOMMU_QUEUE_LONGEST (1u << 19)

/*
 * A completion that waits for the drain: the bit BUSY (or ICC, IVT, TES, ...)
 * of a register.  It may be begun anew while it waits; then it is reported once
 * everything has drained, and what was waited for before goes on being timed
 * as it was: a guest that goes on invalidating puts off no drain-timeout.
 */
typedef struct VIOMMUBusy {
    VIOMMU *viommu;
    void (*done)(void *opaque);
    void *opaque;
    DMAFence fence;
    bool again;              /* begun anew since the fence was asked for */
} VIOMMUBusy;

/** viommu_busy_init: @done, with @opaque, is what reports the completion. */
void viommu_busy_init(VIOMMUBusy *busy, VIOMMU *viommu,
                      void (*done)(void *opaque), void *opaque);

/**
 * viommu_busy_begin: may what has been invalidated so far be reported?
 *
 * Returns: true if so.  Otherwise @done is called once, later, from the main
 * loop, however often it is begun until then.
 */
bool viommu_busy_begin(VIOMMUBusy *busy);

/** viommu_busy_cancel: @done will not be called.  Idle is fine. */
void viommu_busy_cancel(VIOMMUBusy *busy);

static inline bool viommu_busy_pending(const VIOMMUBusy *busy)
{
    return dma_drain_fence_pending(&busy->fence);
}

typedef enum VIOMMUQueueStep {
    VIOMMU_QUEUE_NEXT,       /* carried out, or an error that ready() tells */
    VIOMMU_QUEUE_FENCE,      /* at the head until all before it has drained */
} VIOMMUQueueStep;

typedef struct VIOMMUQueueOps {
    const char *name;        /* "vtd": for traces */
    /*
     * ready: is the queue on, not empty and not stopped by an error?  Asked
     * before each entry: what an entry does may change it.
     */
    bool (*ready)(void *opaque);
    /*
     * take_up: carry out the entry at the head and move the head on, or find
     * an error and leave it, or return VIOMMU_QUEUE_FENCE.
     */
    VIOMMUQueueStep (*take_up)(void *opaque);
    /*
     * complete: the fence at the head is due: report it and move the head on.
     * May write the unit's own registers, and so come back to
     * viommu_queue_run() or _off(), if the head has been moved before that.
     */
    void (*complete)(void *opaque);
    /* rested: nothing more is done in this go.  May be NULL. */
    void (*rested)(void *opaque);
} VIOMMUQueueOps;

typedef struct VIOMMUQueue {
    const VIOMMUQueueOps *ops;
    void *opaque;
    VIOMMUBusy fence;
    VIOMMUEvents *events;    /* that a fence is behind; NULL: none */
    unsigned mark;           /* of those, while telling */
    QEMUBH *bh;
    bool running;            /* against re-entry */
    bool waiting;            /* at the fence at the head */
    bool telling;            /* waiting: it has drained, events come first */
} VIOMMUQueue;

/**
 * viommu_queue_init: after viommu_init().  @q lives as long as the device.
 *
 * @events: when a fence is reported, those that came before have been written;
 *          NULL: the unit's events need no such care
 */
void viommu_queue_init(VIOMMUQueue *q, VIOMMU *viommu,
                       const VIOMMUQueueOps *ops, VIOMMUEvents *events,
                       void *opaque);

/**
 * viommu_queue_run: there may be something to do: the tail was written, an
 * error acknowledged, the queue turned on.
 */
void viommu_queue_run(VIOMMUQueue *q);

/** viommu_queue_waits: is it at a fence?  Then an entry is under way. */
bool viommu_queue_waits(const VIOMMUQueue *q);

/**
 * viommu_queue_off: the guest turned the queue off.  A fence at the head is
 * not completed; it will be taken up again if the queue finds it there.
 */
void viommu_queue_off(VIOMMUQueue *q);

/** viommu_queue_cancel: forget everything (reset, before a load). */
void viommu_queue_cancel(VIOMMUQueue *q);

#endif

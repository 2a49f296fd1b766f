/*
 * The vIOMMU core: what a unit has to tell its guest, until it is written
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Faults are met on any thread, in the middle of anything; the guest's event
 * queue or log belongs to the BQL.  So records come into a list first, and are
 * written from there, in order, a bounded number in one go: at once by a thread
 * that has the BQL, otherwise, and the rest, from a bottom half.  A guest that
 * has its devices fault as fast as they can does not keep the BQL taken.
 *
 * The list has as much room as the guest's queue.  So when a record finds none,
 * as many as that queue takes are still to be read by the guest, and it
 * overflows: the model is told once those before it have been written, and
 * until then nothing more is taken.
 *
 * What reports the completion of something (a CMD_SYNC, a COMPLETION_WAIT) has
 * to be behind the records of before: see viommu_queue_init().
 */
#ifndef HW_IOMMU_VIOMMU_EVENTS_H
#define HW_IOMMU_VIOMMU_EVENTS_H

#include "qemu/atomic.h"
#include "qemu/main-loop.h"
#include "qemu/thread.h"

/*
 * Records in one go, if the model does not say; each is at worst a write to a
 * register of some device.
 */
#define VIOMMU_EVENTS_BUDGET 1024

typedef struct VIOMMUEventsOps {
    const char *name;        /* "smmuv3": for traces */
    size_t size;             /* of a record, in bytes */
    size_t budget;           /* records in one go; 0: VIOMMU_EVENTS_BUDGET */
    /*
     * write: to the guest's queue; one that is off, or does not take it, is the
     * model's matter.  May write the unit's own registers, and so come back to
     * viommu_events_write() or _discard(): @record is not there after that.
     * BQL.
     */
    void (*write)(void *opaque, const void *record);
    /*
     * lost: a record found no room, after all that was written so far.  BQL.
     * NULL: there is nothing to be said of it, and those behind it are taken.
     */
    void (*lost)(void *opaque);
    /*
     * told: the go in which something was written or lost has ended.  BQL.  May
     * be NULL.
     */
    void (*told)(void *opaque);
} VIOMMUEventsOps;

typedef struct VIOMMUEvents {
    const VIOMMUEventsOps *ops;
    void *opaque;
    size_t budget;
    QEMUBH *bh;
    /* Written with the model's lock, the last two read by anybody */
    QemuMutex *lock;
    GArray *in;              /* records since out was taken up */
    unsigned added;          /* records so far, modulo 2^32 */
    bool lost;               /* one has found no room */
    /* Written with the BQL, the first one read by anybody */
    unsigned done;           /* of those added: written or discarded */
    GArray *out;             /* records that are being written */
    size_t next;             /* of out */
    bool writing;            /* against re-entry */
} VIOMMUEvents;

/**
 * viommu_events_init: an empty list.  BQL.  @e lives as long as the device.
 *
 * @lock: the model's, under which it knows whether the guest's queue is on.
 *        Nothing of the model's is called with it.
 */
void viommu_events_init(VIOMMUEvents *e, QemuMutex *lock,
                        const VIOMMUEventsOps *ops, void *opaque);

/**
 * viommu_events_add: a record comes.  Any thread, with @e's lock; without it,
 * viommu_events_go() or _later() is called next, if it was taken or not.
 *
 * @record: of the size that the model has said; copied
 * @room: records that the guest's queue takes if it is empty
 *
 * Returns: false if there is no room left, and the record is lost
 */
bool viommu_events_add(VIOMMUEvents *e, const void *record, size_t room);

/** viommu_events_later: write what is there in the main loop.  Any thread. */
void viommu_events_later(VIOMMUEvents *e);

/** viommu_events_go: write what is there, here or later.  Any thread. */
void viommu_events_go(VIOMMUEvents *e);

/**
 * viommu_events_write: write what is there, a budget of records at most; the
 * rest, and what comes meanwhile, follows in the main loop.  If the machine
 * does not run it is all that is there, since nobody waits for the BQL then.
 * BQL.
 */
void viommu_events_write(VIOMMUEvents *e);

/** viommu_events_discard: forget what has not been written.  BQL. */
void viommu_events_discard(VIOMMUEvents *e);

/**
 * viommu_events_none: is nothing to be written, or told?  BQL.  What threads
 * have added is seen once it is known, by the drain, that they are done.
 */
static inline bool viommu_events_none(const VIOMMUEvents *e)
{
    return qatomic_read(&e->added) == e->done && !qatomic_read(&e->lost);
}

/** viommu_events_mark: for viommu_events_reached().  BQL; threads as above. */
static inline unsigned viommu_events_mark(const VIOMMUEvents *e)
{
    return qatomic_read(&e->added);
}

/**
 * viommu_events_reached: has all that was there at @mark been written or
 * discarded?  Asked within 2^31 records.  BQL.
 */
static inline bool viommu_events_reached(const VIOMMUEvents *e, unsigned mark)
{
    return (int)(e->done - mark) >= 0;
}

#endif

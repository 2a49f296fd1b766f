/*
 * Holds: somebody who was told of an invalidation and has not answered yet
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A vhost-user backend translates by itself and keeps copies of translations.
 * It is told of a removal, and has let go of the copy when it acknowledges.
 * Until then a hold keeps the drain's fences waiting, as a stale map does.
 *
 * This is the bookkeeping alone; dma_drain_hold() and dma_drain_release() in
 * dma-inflight.h are for users.  Everything under the BQL.
 */
#ifndef SYSTEM_DMA_HOLD_H
#define SYSTEM_DMA_HOLD_H

#include <glib.h>

typedef struct DMAHold DMAHold;

/* What the drain asks of the holder; @opaque is the hold's.  BQL. */
typedef struct DMAHoldOps {
    /*
     * flush: a fence waits.  Whoever collects invalidations in order to tell
     * several at once tells them now.  NULL: nobody does.
     */
    void (*flush)(void *opaque);
    /* abandon: nobody waits any more; the holder may release it here. */
    void (*abandon)(void *opaque);
    /*
     * reset: the machine has been reset.  The holder releases what is of the
     * life before and will not be answered; others may go with it.  Returns
     * whether it has released this one.  NULL: it does not.
     */
    bool (*reset)(void *opaque);
} DMAHoldOps;

/* All holds of one drain that are waited for, oldest first. */
typedef struct DMAHolds {
    GQueue list;
    unsigned collecting;     /* dma_drain_collect_begin() without its end */
} DMAHolds;

struct DMAHold {
    uint64_t seq;            /* fences with this number or a higher one wait */
    uint64_t iova, len;      /* of the removal, bytes; 0: 2^64 */
    void *endpoint;          /* whose; a pointer that is only compared */
    DMAHolds *holds;         /* NULL: not waited for any more */
    bool flushed;            /* asked to be */
    const DMAHoldOps *ops;
    void *opaque;
    GList link;
};

void dma_holds_init(DMAHolds *holds);

/*
 * dma_holds_add: @seq must not be lower than that of any earlier one.  The
 * caller fills in the rest.
 */
DMAHold *dma_holds_add(DMAHolds *holds, uint64_t seq);

/* dma_holds_oldest: the one with the lowest number, or NULL. */
DMAHold *dma_holds_oldest(const DMAHolds *holds);

/* dma_holds_oldest_of: the same among those of @endpoint. */
DMAHold *dma_holds_oldest_of(const DMAHolds *holds, const void *endpoint);

/*
 * dma_holds_flush: ask each that has not been asked and is numbered @seq or
 * lower.  Any may be released meanwhile.
 */
void dma_holds_flush(DMAHolds *holds, uint64_t seq);

/* dma_holds_reset: ask each, as above.  Any may be released meanwhile. */
void dma_holds_reset(DMAHolds *holds);

/* dma_hold_abandon: @hold is not waited for any more; it is freed later. */
void dma_hold_abandon(DMAHold *hold);

/* dma_hold_free: Returns whether it was waited for. */
bool dma_hold_free(DMAHold *hold);

#endif

/*
 * How long the BQL is held for us
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Each place where we are called with the BQL, by a guest's access, from the
 * main loop or for the monitor, begins with DMA_HELD().  With the trace event
 * dma_held it is measured how long it keeps the BQL, and each time that is
 * longer than any before at this place is traced; without, that is a test of a
 * flag.  A place may lie within another.
 */
#ifndef SYSTEM_DMA_HELD_H
#define SYSTEM_DMA_HELD_H

#include "trace/trace-system.h"

/* The longest so far, in ns; BQL */
typedef struct DMAHeldSite {
    const char *what;
    int64_t cpu_ns;          /* of the thread's processor time */
    int64_t clock_ns;        /* of time: with waits, and with other threads */
} DMAHeldSite;

typedef struct DMAHeld {
    DMAHeldSite *site;
    int64_t cpu, clock;      /* at the beginning; clock 0: not measured */
} DMAHeld;

/*
 * dma_held_start: it is measured from now on, if the caller has the BQL;
 * dma_held_finish: until now.  Any thread; for DMA_HELD() only.
 */
void dma_held_start(DMAHeld *held);
void dma_held_finish(const DMAHeld *held);

static inline DMAHeld dma_held_begin(DMAHeldSite *site)
{
    DMAHeld held = { .site = site };

    if (unlikely(trace_event_get_state_backends(TRACE_DMA_HELD))) {
        dma_held_start(&held);
    }
    return held;
}

static inline void dma_held_end(DMAHeld *held)
{
    if (unlikely(held->clock)) {
        dma_held_finish(held);
    }
}

/*
 * DMA_HELD: a declaration; what is measured begins with it, and ends with the
 * block.  @name: a string, the same wherever it is the same to who reads it.
 * Any thread; who does not have the BQL is not measured.
 */
#define DMA_HELD(name)                                                      \
    static DMAHeldSite dma_held_site = { .what = name };                    \
    __attribute__((cleanup(dma_held_end), unused))                          \
    DMAHeld dma_held = dma_held_begin(&dma_held_site)

#endif

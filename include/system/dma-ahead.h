/*
 * Which pages to look up beside one that was missed
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pure.  A guess: what it says is no more than what is worth a look.
 *
 * A page table's entries come in cache lines of eight.  Who has missed a page
 * near the last one that was missed is likely to want its neighbours, whose
 * entries are at hand then; who goes on where the last look ended, upwards or
 * downwards, is likely to go on, and each look is twice as long as the one
 * before.  Where looks find nothing, as with a driver that maps one page at a
 * time, they become seldom.
 *
 * Any thread may use it, several at once: then it guesses worse.
 */
#ifndef SYSTEM_DMA_AHEAD_H
#define SYSTEM_DMA_AHEAD_H

#include "qemu/atomic.h"

/* Pages of a look: entries of a cache line, and the most. */
#define DMA_AHEAD_LINE  8
#define DMA_AHEAD_MAX   64

/* How far from the last one a page is near */
#define DMA_AHEAD_NEAR  64

/* So many misses in a row at most are not worth a look. */
#define DMA_AHEAD_WAIT  31

/* Zeroed, it knows nothing.  Atomic, all of it. */
typedef struct DMAAhead {
    uint64_t last;           /* page that was missed */
    uint64_t below, above;   /* the pages around the last look */
    uint32_t pages;          /* of the last look */
    uint32_t wait, waits;    /* misses still to be let pass; and of the last */
} DMAAhead;

/*
 * dma_ahead_guess: @page was missed.  Returns: whether pages *@first .. *@last,
 * which it is one of, are worth a look: whole lines beside it, DMA_AHEAD_MAX
 * at the most.  dma_ahead_found() says what came of it.
 */
static inline bool dma_ahead_guess(DMAAhead *a, uint64_t page,
                                   uint64_t *first, uint64_t *last)
{
    uint64_t line = DMA_AHEAD_LINE - 1;
    bool near = page - qatomic_read(&a->last) + DMA_AHEAD_NEAR <=
                2 * DMA_AHEAD_NEAR;
    uint32_t wait = qatomic_read(&a->wait);
    uint32_t pages = DMA_AHEAD_LINE;

    qatomic_set(&a->last, page);
    if (!near) {
        return false;
    }
    if (wait) {
        qatomic_set(&a->wait, wait - 1);
        return false;
    }
    *first = page & ~line;
    *last = page | line;
    if (page == qatomic_read(&a->above) || page == qatomic_read(&a->below)) {
        pages = MIN(2 * qatomic_read(&a->pages), DMA_AHEAD_MAX);
        if (page == qatomic_read(&a->above)) {
            *last = (*first + pages - 1) | line;
        } else {
            *first = *last >= pages - 1 ? (*last - (pages - 1)) & ~line : 0;
        }
    }
    qatomic_set(&a->pages, pages);
    qatomic_set(&a->below, *first - 1);
    qatomic_set(&a->above, *last + 1);
    return true;
}

/* dma_ahead_found: of the others, so many pages were there. */
static inline void dma_ahead_found(DMAAhead *a, unsigned n)
{
    uint32_t waits = qatomic_read(&a->waits);

    waits = n ? 0 : MIN(2 * waits + 1, DMA_AHEAD_WAIT);
    qatomic_set(&a->waits, waits);
    qatomic_set(&a->wait, waits);
}

#endif

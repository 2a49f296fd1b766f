/*
 * In-flight DMA: what can be asked of an endpoint while it runs
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Nothing changes by asking.  Everything here: BQL; devices go on in iothreads.
 */
#ifndef SYSTEM_DMA_QUERY_H
#define SYSTEM_DMA_QUERY_H

#include "system/dma-inflight.h"

/* Guest memory that a device was handed, and has not given back */
typedef struct DMAFlight {
    hwaddr iova, len;
    uint32_t attrs;          /* dma_attrs_code() */
    bool is_write;
    bool standing;
    bool bounced;
    bool vague;              /* several in one */
    int64_t waited_ns;       /* an invalidation waits for it; -1: none does */
    int64_t age_ns;          /* so old at least; -1: that is not known */
} DMAFlight;

/* Where a listing goes on; all 0: it begins.  May be stored as numbers. */
typedef struct DMAFlightCursor {
    uint64_t kind;           /* dma-query.c's */
    DMAMapsListing maps;
    uint64_t bounced;
} DMAFlightCursor;

/**
 * dma_query_flights: the next maps of @inflight, at most @n.
 *
 * What lasts from the first call to the last is listed, maybe twice.  Returns:
 * how many; 0: no more.
 */
unsigned dma_query_flights(DMAInflight *inflight, DMAFlightCursor *cursor,
                           DMAFlight *flights, unsigned n);

/**
 * dma_query_age: what begins from now on is told apart, by its age, from what
 * was there before.  No clock is read when a map begins: it is so old at least
 * as the first call of this since then, calls that come within 10 ms of one
 * another being one.
 */
void dma_query_age(void);

/**
 * dma_query_oldest: the age_ns of the oldest map of @inflight, as far as a
 * bounded look sees (DMA_QUERY_OLDEST_MAPS); -1 if there is none, or it is not
 * known.
 */
#define DMA_QUERY_OLDEST_MAPS 1024
int64_t dma_query_oldest(DMAInflight *inflight);

/**
 * dma_query_accesses: how often the memory behind @inflight was read, written
 * or mapped; approximately, if several threads do so.
 */
uint64_t dma_query_accesses(DMAInflight *inflight);

/**
 * dma_query_waits: how many of its maps keep invalidations waiting, and for how
 * long the oldest of these has, in ns of host time; -1 if none is.
 */
unsigned dma_query_waits(DMAInflight *inflight, int64_t *waited_ns);

/* What an endpoint's translation cache holds */
typedef struct DMACached {
    hwaddr first, last;      /* IOVA */
    unsigned perm;           /* DMA_CACHE_READ | DMA_CACHE_WRITE */
    bool agrees;             /* @iova leads where @gpa is */
} DMACached;

/**
 * dma_query_cached: what is cached for @iova of requests with dma_attrs_code()
 * @attrs.  @gpa: where it should lead.
 * Returns: false if nothing is.
 */
bool dma_query_cached(DMAInflight *inflight, uint32_t attrs, hwaddr iova,
                      hwaddr gpa, DMACached *cached);

#endif

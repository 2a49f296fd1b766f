/*
 * In-flight DMA: what its files share
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef SYSTEM_DMA_INFLIGHT_INTERNAL_H
#define SYSTEM_DMA_INFLIGHT_INTERNAL_H

#include "qemu/thread.h"
#include "system/dma-cache.h"
#include "system/dma-inflight.h"
#include "system/dma-memory.h"
#include "system/dma-ranges.h"

/* dma-bounce.c's own */
struct DMABounce {
    QemuMutex lock;          /* of everything here */
    GTree *by_buffer;        /* BouncedMap, in order of buffer addresses */
    DMARanges writes;        /* key: the buffer */
    unsigned nr_writes;      /* in there; read without lock */
    unsigned nr_maps;        /* buffers that are not forgotten */
    size_t bytes;            /* in these */
    unsigned count;          /* maps that have not ended */
};

typedef struct DrainScan DrainScan;

/*
 * An endpoint's caches: the first is for requests without anything but an
 * address, the others are for those with a PASID, each for one PASID at a time.
 * A device has 2^20 PASIDs, but only so many are busy.  A power of two.
 */
#define DMA_PASID_CACHES    16
#define DMA_CACHES          (1 + DMA_PASID_CACHES)
/* Of each of the others, at the most */
#define DMA_PASID_CACHE_PAGES 4096

/* Domains whose caches a drain remembers; a power of two */
#define DMA_LIKELY_CACHES   8

struct DMADrain {
    QLIST_HEAD(, DMAInflight) inflights;
    DMAInflight *active;                 /* atomic, grows only */
    DMACache *likely[DMA_LIKELY_CACHES]; /* see dma_drain_announce() */
    uint32_t cache_pages;
    bool bounce;
    QTAILQ_HEAD(, DrainScan) scans;      /* in order of seq */
    unsigned nr_scans;
    int64_t scan_steps;                  /* left of this slice */
    int64_t scan_refilled;               /* when that was; get_clock() */
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

/*
 * Accesses are counted by each thread in a lane of its own, as a rule, so that
 * devices' threads do not write to one cache line.  Two that share a lane may
 * lose a count.
 */
#define DMA_COUNT_LANES 8

typedef struct DMACountLane {
    char pad[56];
    uint64_t accesses;       /* atomic */
} DMACountLane;

struct DMAInflight {
    DMADrain *drain;
    const DMAInflightOps *ops;
    void *opaque;
    DMAMaps *maps;
    DMABounce *bounce;       /* made on first use, then kept; atomic */
    bool bounces;            /* every request's map is bounced */
    /*
     * Made on first use, by any thread, and then kept; atomic.  NULL: not yet,
     * or there shall be none (cache_pages is 0).  @caches_made: a bit for each
     * that may be there.
     */
    DMACache *caches[DMA_CACHES];
    uint32_t caches_made;
    unsigned cache_pages;
    bool active;             /* is in drain->active; atomic */
    bool listed;             /* is being put there; atomic */
    DMAInflight *next_active;            /* drain->active; set once */
    QLIST_ENTRY(DMAInflight) next;
    DMACountLane lanes[DMA_COUNT_LANES];
};

/*
 * dma_inflight_count_access: one begins.  Any thread.  Threads are told apart
 * by where their variables are: their stacks' distances are odd numbers of
 * pages, with the guard page.
 */
static __thread char dma_count_thread G_GNUC_UNUSED;

static inline void dma_inflight_count_access(DMAInflight *inflight)
{
    DMACountLane *lane = &inflight->lanes[((uintptr_t)&dma_count_thread >> 12) %
                                          DMA_COUNT_LANES];

    qatomic_set(&lane->accesses, qatomic_read(&lane->accesses) + 1);
}

/*
 * dma_inflight_activate: from now on dma_drain_start() looks at what @inflight
 * has cached and mapped.  Before anything is.  Any thread.
 */
void dma_inflight_activate_slow(DMAInflight *inflight);

static inline void dma_inflight_activate(DMAInflight *inflight)
{
    if (unlikely(!qatomic_load_acquire(&inflight->active))) {
        dma_inflight_activate_slow(inflight);
    }
}

/* Which of the caches holds what dma_attrs_who() @who's requests find. */
static inline unsigned dma_cache_index(uint32_t who)
{
    /*
     * PASIDs are given out in turn: neighbours do not displace each other.  0,
     * or 1 and a hash of the others.
     */
    return ((who ^ who / DMA_ATTRS_EXEC) & (DMA_PASID_CACHES - 1)) +
           (who / DMA_ATTRS_PASID & 1);
}

/* Of a DMACacheHit that is about to be filled in, and is not cleared first */
#if __has_attribute(uninitialized)
#define DMA_CACHE_UNSET __attribute__((uninitialized))
#else
#define DMA_CACHE_UNSET
#endif

/*
 * dma_inflight_cache: the cache of @who's translations, or NULL.  It may be
 * another one's now.
 * dma_inflight_next_cache: the next of those that are there, from @index on,
 * which becomes what to go on with; NULL: no more.  After a full barrier.
 * Any thread.
 */
static inline DMACache *dma_inflight_cache(DMAInflight *inflight, uint32_t who)
{
    return qatomic_load_acquire(&inflight->caches[dma_cache_index(who)]);
}

static inline DMACache *dma_inflight_next_cache(DMAInflight *inflight,
                                                unsigned *index)
{
    uint32_t made = qatomic_read(&inflight->caches_made) >> *index << *index;

    while (made) {
        unsigned i = ctz32(made);
        DMACache *c = qatomic_load_acquire(&inflight->caches[i]);

        *index = i + 1;
        if (c) {
            return c;
        }
        made &= made - 1;
    }
    return NULL;
}

/*
 * dma_inflight_mapped: a map has been handed out; in the slot in which it was
 * translated.  @owner: the region of @host.  Returns: false if it has to be
 * bounced.
 * dma_inflight_mapped_vague: it cannot be: there is too much in flight.
 * dma_inflight_unmapped: it has ended, and its effects are visible.  Returns:
 * whether it had a reference to its region of its own, which the caller is to
 * drop.
 * Any thread.
 */
typedef struct DMAMapping {
    hwaddr addr, len;
    bool is_write;
    MemTxAttrs attrs;
    void *host;
    MemoryRegion *owner;
    uint64_t tag;            /* what it was translated with, or DMA_TAG_ANY */
    DMARevoke *revoke;       /* standing; NULL: a request's */
    void *opaque;
} DMAMapping;

bool dma_inflight_mapped(DMAInflight *inflight, const DMAMapping *map);
void dma_inflight_mapped_vague(DMAInflight *inflight, const DMAMapping *map);
bool dma_inflight_unmapped(DMAInflight *inflight, void *host, bool is_write,
                           DMARevoke *revoke, void *opaque);

/* dma_inflight_bounce: where its maps are bounced.  Any thread. */
DMABounce *dma_inflight_bounce(DMAInflight *inflight);

/* dma_drain_wake: something that a fence waits for has changed.  Any thread. */
void dma_drain_wake(void);

/*
 * dma_drain_advance: do what is ready to be done, completions included: a
 * slice of the scans, or @all of them.  BQL.
 */
void dma_drain_advance(DMADrain *drain, bool all);

/* dma_drain_drop_all_caches: of every drain.  BQL. */
void dma_drain_drop_all_caches(void);

/*
 * dma_drain_release_memory: what endpoints keep of memory in which nothing may
 * be mapped: a reference that is kept for maps to come.  Of every drain.  BQL.
 */
void dma_drain_release_memory(void);

/*
 * dma_scan_start: look for what is stale now that @scope was removed, under
 * the number @seq: at once, or later.
 * dma_scan_advance: go on with it; @all: until nothing is left but what waits
 * for a reason.  Returns: true if there is more to do.
 * dma_scan_pending: is there a scan with this number or a lower one?
 * dma_scan_cancel_all: nobody is interested any more.
 * All: BQL.
 */
void dma_scan_start(DMADrain *drain, const DMADrainScope *scope, uint64_t seq);
bool dma_scan_advance(DMADrain *drain, bool all);
bool dma_scan_pending(DMADrain *drain, uint64_t seq);
void dma_scan_cancel_all(DMADrain *drain);

/* dma_fence_timer: a QEMUTimerCB; @opaque is the drain. */
void dma_fence_timer(void *opaque);

/*
 * dma_ram_init: begin to watch the memory map.  BQL.
 *
 * dma_ram_find: the RAM at @gpa: where it is in the host, its region (owner),
 * and how much of it there is before and behind (within 2 MiB, whole pages).
 * Only RAM that devices may read and write directly.  Any thread, in an RCU
 * read section or with the BQL.
 */
void dma_ram_init(void);
bool dma_ram_find(hwaddr gpa, DMACacheHit *hit);

/*
 * dma_ram_find_now: the same, of one page, and not cached: it is right even
 * while listeners are told of a change of the memory map.
 */
bool dma_ram_find_now(hwaddr gpa, DMACacheHit *hit);

/*
 * dma_ram_unref: memory_region_unref() for any thread.  With the last reference
 * to unplugged memory goes the memory itself, which takes the BQL: without it,
 * that is left to the main loop.
 *
 * dma_ram_refs: it, and memory_region_ref(), for a DMAMaps.
 */
void dma_ram_unref(MemoryRegion *mr);
extern const DMARefsOps dma_ram_refs;

#endif

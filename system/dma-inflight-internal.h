/*
 * In-flight DMA: what its files share
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef SYSTEM_DMA_INFLIGHT_INTERNAL_H
#define SYSTEM_DMA_INFLIGHT_INTERNAL_H

#include "system/dma-cache.h"
#include "system/dma-inflight.h"

struct DMAInflight {
    DMADrain *drain;
    const DMAInflightOps *ops;
    void *opaque;
    DMAMaps *maps;
    DMABounce *bounce;       /* NULL: maps lead to guest memory */
    /*
     * Made on first use, by any thread, and then kept; atomic.  NULL: not yet,
     * or there shall be none (cache_pages is 0).
     */
    DMACache *cache;
    unsigned cache_pages;
    bool active;             /* is in drain->active; atomic */
    bool listed;             /* is being put there; atomic */
    DMAInflight *next_active;            /* drain->active; set once */
    QLIST_ENTRY(DMAInflight) next;
};

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

/*
 * dma_inflight_mapped: a map has been handed out; in the slot in which it was
 * translated.  @owner: the region of @host.
 * dma_inflight_unmapped: it has ended, and its effects are visible.
 * Any thread.
 */
void dma_inflight_mapped(AddressSpace *as, hwaddr addr, hwaddr len,
                         bool is_write, MemTxAttrs attrs, void *host,
                         MemoryRegion *owner, DMARevoke *revoke,
                         void *opaque);
void dma_inflight_unmapped(AddressSpace *as, void *host, hwaddr len,
                           bool is_write, DMARevoke *revoke, void *opaque);

/* dma_drain_drop_caches: of every drain.  BQL. */
void dma_drain_drop_caches(void);

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
 */
void dma_ram_unref(MemoryRegion *mr);

#endif

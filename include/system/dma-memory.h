/*
 * In-flight DMA: what the memory core calls, and what it gives in turn
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * For system/physmem.c and system/dma-*.c alone; the contract for vIOMMUs and
 * devices is dma-inflight.h.
 */
#ifndef SYSTEM_DMA_MEMORY_H
#define SYSTEM_DMA_MEMORY_H

#include "system/dma-inflight.h"

/*
 * A short access (translate and copy) is bracketed by an epoch slot when the
 * address space is behind a vIOMMU and the thread does not hold the BQL; with
 * the BQL it cannot overlap an invalidation.  Until it ends it is known whose
 * it is (dma_requester()).
 */

typedef struct DMAShortAccess {
    bool tracked, slot;
    DMAInflight *outer;      /* whose access this is part of, or NULL */
} DMAShortAccess;

static inline DMAShortAccess dma_short_access_begin(bool tracked,
                                                    DMAInflight *inflight)
{
    DMAShortAccess access = { .tracked = tracked };

    if (unlikely(tracked)) {
        access.outer = dma_requester_set(inflight);
        access.slot = !bql_locked();
        if (access.slot) {
            dma_epoch_enter();
        }
    }
    return access;
}

static inline void dma_short_access_end(DMAShortAccess *access)
{
    if (unlikely(access->tracked)) {
        if (access->slot) {
            dma_epoch_exit();
        }
        dma_requester_set(access->outer);
    }
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(DMAShortAccess, dma_short_access_end)

/* @tracked: is it behind a vIOMMU; @inflight: whose, NULL: nobody knows */
#define DMA_SHORT_ACCESS_GUARD(tracked, inflight)                       \
    g_auto(DMAShortAccess) dma_short_access_ G_GNUC_UNUSED =            \
        dma_short_access_begin(tracked, inflight)

/*
 * What the translation cache answers.  Any thread.
 *
 * dma_fast_translate: as address_space_translate(); NULL: ask that.  In a
 * slot, and an RCU read section.
 * dma_ram_written: @len bytes at @offset of the RAM @mr were written.
 */
MemoryRegion *dma_fast_translate(DMAInflight *inflight, hwaddr addr,
                                 hwaddr *xlat, hwaddr *plen, bool is_write,
                                 MemTxAttrs attrs);
void dma_ram_written(MemoryRegion *mr, hwaddr offset, hwaddr len);

/*
 * address_space_read() and _write() of an address space behind a vIOMMU, and
 * the memory core's own, which know nothing of it.
 */
MemTxResult dma_read(AddressSpace *as, hwaddr addr, MemTxAttrs attrs,
                     void *buf, hwaddr len);
MemTxResult dma_write(AddressSpace *as, hwaddr addr, MemTxAttrs attrs,
                      const void *buf, hwaddr len);
MemTxResult address_space_read_untracked(AddressSpace *as, hwaddr addr,
                                         MemTxAttrs attrs, void *buf,
                                         hwaddr len);
MemTxResult address_space_write_untracked(AddressSpace *as, hwaddr addr,
                                          MemTxAttrs attrs, const void *buf,
                                          hwaddr len);

/* The system memory's flat view, with a reference, and to give that back. */
FlatView *dma_ram_view_get(void);
void dma_ram_view_put(FlatView *view);

/*
 * address_space_map() and _unmap() of an address space behind a vIOMMU.
 * dma_map_slowly, dma_unmap_slowly: of what the two do not find at once.
 * address_space_map_untracked: the memory core's own, which records nothing,
 * and address_space_unmap_untracked.
 */
void *dma_map(AddressSpace *as, hwaddr addr, hwaddr *plen, bool is_write,
              MemTxAttrs attrs);
void *dma_map_slowly(AddressSpace *as, hwaddr addr, hwaddr *plen,
                     bool is_write, MemTxAttrs attrs);
void dma_unmap(AddressSpace *as, void *buffer, hwaddr len, bool is_write,
               hwaddr access_len);
void dma_unmap_slowly(AddressSpace *as, void *buffer, hwaddr len,
                      bool is_write, hwaddr access_len);
void *address_space_map_untracked(AddressSpace *as, hwaddr addr, hwaddr *plen,
                                  bool is_write, MemTxAttrs attrs);
void address_space_unmap_untracked(AddressSpace *as, void *buffer, hwaddr len,
                                   bool is_write, hwaddr access_len);

/* dma_unpin: @cache is being destroyed.  Any thread. */
void dma_unpin(MemoryRegionCache *cache);

#endif

/*
 * Cached regions behind a vIOMMU that keep their host address
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The region becomes one of RAM, as without a vIOMMU, and its address is
 * recorded like a map that is in flight.  A drain that finds it stale sets
 * cache->ptr to NULL, which sends every access to the slow path, and waits for
 * an RCU grace period: who has read the address before is in a read section.
 */
#include "qemu/osdep.h"
#include "exec/memory.h"
#include "exec/ramblock.h"
#include "qemu/rcu.h"
#include "dma-inflight-internal.h"

/* Where @len bytes at @iova are, if that is one piece of RAM. */
static bool pin_find_piece(DMAInflight *inflight, hwaddr iova, hwaddr len,
                           bool is_write, DMAMapInfo *info)
{
    hwaddr done = 0;

    while (done < len) {
        DMATranslation t;
        DMACacheHit hit;
        hwaddr n;

        if (!inflight->ops->translate(inflight->opaque, iova + done, is_write,
                                      0, &t) ||
            !dma_ram_find_now(t.gpa, &hit)) {
            return false;
        }
        if (!done) {
            info->host = hit.host;
            info->owner = hit.owner;
            info->tag = t.tag;
        } else if (hit.owner != info->owner || t.tag != info->tag ||
                   hit.host != (uint8_t *)info->host + done) {
            return false;
        }
        n = MIN(hit.avail - 1, t.last - (iova + done)) + 1;
        done = len - done > n ? done + n : len;
    }
    return true;
}

void address_space_cache_pin(MemoryRegionCache *cache)
{
    DMAInflight *inflight = cache->inflight;
    DMAMapInfo info = {
        .iova = cache->iova,
        .len = cache->len,
        .is_write = cache->is_write,
    };
    MemoryRegion *mr = cache->mrs.mr;

    /*
     * Bounced DMA is never waited for, so it may not be that a stale address
     * is in use.
     */
    if (!inflight || cache->ptr || cache->pin || inflight->bounces ||
        !inflight->cache_pages) {
        return;
    }
    dma_inflight_activate(inflight);
    RCU_READ_LOCK_GUARD();
    if (!pin_find_piece(inflight, cache->iova, cache->len, cache->is_write,
                        &info)) {
        return;
    }
    cache->mrs.mr = info.owner;
    cache->xlat = (uint8_t *)info.host - cache->mrs.mr->ram_block->host;
    memory_region_ref(cache->mrs.mr);
    memory_region_unref(mr);
    cache->pin = dma_maps_add_pinned(inflight->maps, &info, &cache->ptr);
}

void dma_unpin(MemoryRegionCache *cache)
{
    dma_maps_remove_pinned(cache->inflight->maps, cache->pin);
    cache->pin = NULL;
}

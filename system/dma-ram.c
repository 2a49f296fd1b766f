/*
 * DMA: guest-physical memory as host memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The same cache that an endpoint has for its IOVAs, for the system's memory
 * map: page tables are read, and IOVA caches filled, through it.  A change of
 * the memory map drops it, and the endpoints' too.
 *
 * A host address found here is good for as long as the RCU read section that
 * it was found in, or the BQL is held: memory that is unplugged is freed by
 * call_rcu(), whose callbacks take the BQL.
 */
#include "qemu/osdep.h"
#include "exec/address-spaces.h"
#include "exec/memory.h"
#include "exec/ramblock.h"
#include "qemu/atomic.h"
#include "qemu/bswap.h"
#include "qemu/rcu.h"
#include "system/dma-held.h"
#include "system/xen.h"
#include "dma-inflight-internal.h"

/* Chunks for 8 GiB; its pages are used for memory next to holes only. */
#define RAM_CACHE_PAGES 32768

static DMACache *ram_cache;
static MemoryListener ram_listener;
/*
 * Whatever the caches lead to is in this view, so that it lives until they have
 * been dropped, and an RCU grace period more.
 */
static FlatView *ram_view;

typedef struct RAMLeft {
    struct rcu_head rcu;
} RAMLeft;

/*
 * Whoever found memory in the old view has mapped it by now: in the RCU read
 * section that it was found in, or with the BQL.  So this was the last
 * reference that is kept of memory which is there no more.
 */
static void ram_left(RAMLeft *left)
{
    DMA_HELD("memory");

    g_free(left);
    dma_drain_release_memory();
}

static void ram_commit(MemoryListener *listener)
{
    FlatView *old = ram_view;

    ram_view = dma_ram_view_get();
    dma_cache_invalidate_all(ram_cache);
    dma_drain_drop_all_caches();
    /* Callbacks are called in turn: the old view's own references go later. */
    call_rcu(g_new(RAMLeft, 1), ram_left, rcu);
    dma_ram_view_put(old);
}

void dma_ram_init(void)
{
    /* Xen maps guest memory as it is asked for: there is nothing to keep. */
    if (ram_cache || xen_enabled()) {
        return;
    }
    ram_cache = dma_cache_new(RAM_CACHE_PAGES, 0);
    ram_view = dma_ram_view_get();
    ram_listener.name = "dma-ram";
    ram_listener.commit = ram_commit;
    memory_listener_register(&ram_listener, &address_space_memory);
}

/* RAM at @gpa for at most *@len bytes, which becomes how many it is. */
static uint8_t *find_ram(hwaddr gpa, hwaddr *len, MemoryRegion **mr)
{
    hwaddr xlat;

    *mr = address_space_translate(&address_space_memory, gpa, &xlat, len, true,
                                  MEMTXATTRS_UNSPECIFIED);
    if (!memory_access_is_direct(*mr, true, MEMTXATTRS_UNSPECIFIED) ||
        !memory_region_is_ram(*mr) || memory_region_is_protected(*mr)) {
        return NULL;
    }
    return (uint8_t *)memory_region_get_ram_ptr(*mr) + xlat;
}

bool dma_ram_find_now(hwaddr gpa, DMACacheHit *hit)
{
    hwaddr page = gpa & ~(DMA_CACHE_PAGE_SIZE - 1);
    hwaddr len = DMA_CACHE_PAGE_SIZE;
    MemoryRegion *mr;
    uint8_t *host = find_ram(page, &len, &mr);

    if (!host || len < DMA_CACHE_PAGE_SIZE) {
        return false;
    }
    *hit = (DMACacheHit) {
        .host = host + (gpa - page),
        .owner = mr,
        .avail = page + DMA_CACHE_PAGE_SIZE - gpa,
        .before = gpa - page,
        .perm = DMA_CACHE_READ | DMA_CACHE_WRITE,
    };
    return true;
}

bool dma_ram_find(hwaddr gpa, DMACacheHit *hit)
{
    hwaddr chunk = gpa & ~(DMA_CACHE_CHUNK_SIZE - 1);
    hwaddr page = gpa & ~(DMA_CACHE_PAGE_SIZE - 1);
    DMACacheRun run = {
        .first = chunk,
        .perm = DMA_CACHE_READ | DMA_CACHE_WRITE,
    };
    hwaddr len = DMA_CACHE_CHUNK_SIZE;
    MemoryRegion *mr;
    uint64_t seq;

    if (unlikely(!ram_cache)) {
        return false;
    }
    if (likely(dma_cache_find_chunk(ram_cache,
                                    qatomic_load_acquire(&ram_cache->gen), gpa,
                                    DMA_CACHE_READ, hit) ||
               dma_cache_find(ram_cache, 0, gpa, DMA_CACHE_READ, hit))) {
        return true;
    }

    seq = dma_cache_seq(ram_cache);
    run.host = find_ram(chunk, &len, &mr);
    if (!run.host || len < DMA_CACHE_CHUNK_SIZE) {
        /* There is a hole in it: from this page on, then. */
        run.first = page;
        len = chunk + DMA_CACHE_CHUNK_SIZE - page;
        run.host = find_ram(page, &len, &mr);
        len &= ~(DMA_CACHE_PAGE_SIZE - 1);
        if (!run.host || !len) {
            return false;
        }
    }
    run.last = run.first + (len - 1);
    run.owner = mr;
    dma_cache_insert(ram_cache, &run, gpa, seq);
    *hit = (DMACacheHit) {
        .host = run.host + (gpa - run.first),
        .owner = mr,
        .avail = run.last - gpa + 1,
        .before = gpa - run.first,
        .perm = run.perm,
    };
    return true;
}

/* Most of it is in chunks; @hit stays in registers. */
static inline bool ram_find_chunk(hwaddr gpa, DMACacheHit *hit)
{
    return likely(ram_cache) &&
           likely(dma_cache_find_chunk(ram_cache,
                                       qatomic_load_acquire(&ram_cache->gen),
                                       gpa, DMA_CACHE_READ, hit));
}

static __attribute__((noinline)) uint8_t *ram_find_slowly(hwaddr gpa,
                                                          hwaddr len)
{
    DMACacheHit hit;

    return dma_ram_find(gpa, &hit) && hit.avail >= len ? hit.host : NULL;
}

/* @len bytes at @gpa, or NULL */
static inline uint8_t *ram_find(hwaddr gpa, hwaddr len)
{
    DMACacheHit DMA_CACHE_UNSET hit;

    return ram_find_chunk(gpa, &hit) && likely(hit.avail >= len) ? hit.host :
           ram_find_slowly(gpa, len);
}

const void *dma_ram_at(hwaddr gpa, hwaddr len)
{
    return ram_find(gpa, len);
}

bool dma_ram_write(hwaddr gpa, const void *buf, hwaddr len)
{
    DMACacheHit DMA_CACHE_UNSET hit;
    MemoryRegion *mr;

    if (unlikely(!ram_find_chunk(gpa, &hit)) &&
        !dma_ram_find(gpa, &hit)) {
        return false;
    }
    if (unlikely(hit.avail < len)) {
        return false;
    }
    /* What the caller, or whoever he has heard of, wrote before is visible. */
    smp_mb_release();
    switch (len) {
    case 4:
        memcpy(hit.host, buf, 4);
        break;
    case 8:
        memcpy(hit.host, buf, 8);
        break;
    default:
        memcpy(hit.host, buf, len);
        break;
    }
    mr = hit.owner;
    dma_ram_written(mr, hit.host - mr->ram_block->host, len);
    return true;
}

bool dma_ram_read64(hwaddr gpa, uint64_t *val)
{
    uint8_t *host = ram_find(gpa, sizeof(*val));

    if (!host) {
        return false;
    }
    *val = le64_to_cpu(qatomic_read((uint64_t *)host));
    return true;
}

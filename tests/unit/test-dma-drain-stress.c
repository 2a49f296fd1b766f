/*
 * The whole drain, without QEMU: translators against an invalidator
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What tests/model/dma-drain.pml has in Promela is here with the real IOTLB,
 * DMA cache, epochs and map records.  Once an invalidation is complete the old
 * page is poisoned with plain stores and checked again before its next use: a
 * device write that comes late destroys the poison, and ThreadSanitizer sees it
 * race.
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "hw/iommu/iotlb.h"
#include "system/dma-cache.h"
#include "system/dma-epoch.h"
#include "system/dma-maps.h"
#include "test-common.h"

#define IOVAS           8
#define PAGES           16
#define TRANSLATORS     3
#define MAPS            4            /* at once, per translator */
#define SLOT_BYTES      64
#define PAGE_BYTES      (SLOT_BYTES * TRANSLATORS)
#define TAG             IOTLB_TAG(0, 7, 0)
#define POISON          0xa5

/* Each translator writes bytes of its own, so that only stale ones race. */
typedef struct Page {
    uint8_t byte[PAGE_BYTES];
} Page;

static Page pages[PAGES];
static uint64_t table[IOVAS];        /* page number + 1; 0: not mapped */
static IOTLB *iotlb;
static DMACache *cache;
static DMAMaps *maps;
static Bell bell = BELL_INIT;
static unsigned stop;

static void wake(void)
{
    bell_ring(&bell);
}

typedef struct Translator {
    unsigned index;
    Rand rand;
    Page *mapped[MAPS];
    uint64_t accesses, maps, waited, faults, hits;
    pthread_t thread;
} Translator;

/* Through the IOTLB, or past it */
static Page *translate_slow(Translator *t, uint64_t addr)
{
    uint64_t entry, seq;
    IOTLBEntry e;

    if (iotlb_lookup(iotlb, TAG, addr, &e)) {
        return &pages[e.addr >> 12];
    }
    seq = iotlb_seq(iotlb);
    entry = qatomic_load_acquire(&table[addr >> 12]);
    if (!entry) {
        return NULL;
    }
    /* Invite an invalidation between the table and the insert. */
    if (rand_below(&t->rand, 8) == 0) {
        sched_yield();
    }
    e = (IOTLBEntry) {
        .tag = TAG,
        .iova = addr,
        .addr = (entry - 1) << 12,
        .shift = 12,
        .perm = IOTLB_READ | IOTLB_WRITE,
    };
    iotlb_insert(iotlb, &e, seq);
    return &pages[entry - 1];
}

/* Through the DMA cache, or past it */
static Page *translate(Translator *t, unsigned iova)
{
    uint64_t addr = (uint64_t)iova << 12;
    DMACacheHit hit;
    uint64_t seq;
    Page *page;

    if (dma_cache_find(cache, 0, addr, DMA_CACHE_WRITE, &hit)) {
        t->hits++;
        return (Page *)hit.host;
    }
    seq = dma_cache_seq(cache);
    if (!dma_cache_set_tag(cache, 0, TAG)) {
        seq = dma_cache_seq(cache);
    }
    page = translate_slow(t, addr);
    if (page) {
        DMACacheRun run = {
            .first = addr,
            .last = addr + (DMA_CACHE_PAGE_SIZE - 1),
            .host = page->byte,
            .perm = DMA_CACHE_READ | DMA_CACHE_WRITE,
            .leaf_shift = DMA_CACHE_PAGE_SHIFT,
        };

        if (rand_below(&t->rand, 8) == 0) {
            sched_yield();
        }
        dma_cache_insert(cache, &run, addr, seq);
    }
    return page;
}

static void device_write(Translator *t, Page *page)
{
    uint8_t *slot = page->byte + t->index * SLOT_BYTES;
    unsigned i;

    for (i = 0; i < SLOT_BYTES; i++) {
        slot[i] = i;
        if (i == SLOT_BYTES / 2 && rand_below(&t->rand, 32) == 0) {
            sched_yield();
        }
    }
}

static void end_map(Translator *t, unsigned i)
{
    DMAMapsEnd end;

    device_write(t, t->mapped[i]);
    g_assert_true(dma_maps_remove(maps, t->mapped[i], true, &end));
    t->mapped[i] = NULL;
    if (end.waited) {
        t->waited++;
        bell_ring(&bell);
    }
}

static void *translator(void *opaque)
{
    Translator *t = opaque;
    unsigned i;

    while (!qatomic_load_acquire(&stop)) {
        unsigned iova = rand_below(&t->rand, IOVAS);
        unsigned which = rand_below(&t->rand, MAPS * 2);
        Page *page;

        if (which < MAPS && t->mapped[which]) {
            end_map(t, which);
            continue;
        }
        dma_epoch_enter();
        page = translate(t, iova);
        if (rand_below(&t->rand, 32) == 0) {
            sched_yield();
        }
        if (!page) {
            t->faults++;
        } else if (which < MAPS) {
            DMAMapInfo info = {
                .iova = (uint64_t)iova << 12,
                .len = PAGE_BYTES,
                .host = page,
                .tag = TAG,
                .is_write = true,
            };

            if (!dma_maps_add(maps, &info)) {
                /* As where no copy is to be had, or not at all. */
                if (rand_below(&t->rand, 4)) {
                    page = NULL;
                } else {
                    dma_maps_add_vague(maps, &info);
                }
            }
            t->mapped[which] = page;
            t->maps += page != NULL;
        } else {
            device_write(t, page);
            t->accesses++;
        }
        dma_epoch_exit();
    }
    for (i = 0; i < MAPS; i++) {
        if (t->mapped[i]) {
            end_map(t, i);
        }
    }
    return NULL;
}

/* The invalidator alone changes the table. */
static bool is_stale(const DMAMapInfo *info)
{
    uint64_t entry = table[info->iova >> 12];

    return !entry || &pages[entry - 1] != info->host;
}

static void remove_translation(Rand *r, unsigned iova)
{
    uint64_t first = (uint64_t)iova << 12;

    switch (rand_below(r, 8)) {
    case 0:
        iotlb_invalidate_all(iotlb);
        break;
    case 1:
        iotlb_invalidate_tag(iotlb, TAG);
        break;
    case 2:
        iotlb_invalidate_range(iotlb, TAG, first, first + 0xfff);
        break;
    default:
        /* One barrier for both */
        dma_cache_announce(cache, TAG, IOTLB_TAG_DOMAIN_MASK);
        iotlb_invalidate_range(iotlb, TAG, first, first + 0xfff);
        dma_cache_remove_range(cache, TAG, IOTLB_TAG_DOMAIN_MASK, first,
                               first + 0xfff);
        dma_cache_announced(cache);
        return;
    }
    /* After the IOTLB, from which it is filled. */
    smp_mb();
    if (rand_below(r, 8) == 0) {
        dma_cache_invalidate_all(cache);
    } else {
        dma_cache_invalidate_range(cache, first, first + 0xfff);
    }
}

/* All that the drain does, with the waiting in place. */
static void drain(unsigned iova, uint64_t seq, uint64_t *stamped)
{
    uint64_t first = (uint64_t)iova << 12;
    DMAMapsItem items[4];
    DMAMapsCursor cursor;
    unsigned i, n;
    uint64_t epoch, seen;

    if (!dma_epoch_idle()) {
        epoch = dma_epoch_next();
        for (;;) {
            seen = bell_count(&bell);
            if (dma_epoch_passed(epoch)) {
                break;
            }
            bell_wait(&bell, seen);
        }
    }
    dma_maps_look(&cursor, first, first + 0xfff);
    while ((n = dma_maps_next(maps, &cursor, items, ARRAY_SIZE(items)))) {
        for (i = 0; i < n; i++) {
            /* They may end, and others take their places, meanwhile. */
            if (items[i].vague || is_stale(&items[i].info)) {
                *stamped += dma_maps_mark(maps, &items[i], seq) ==
                            DMA_MAPS_WAITED;
            }
        }
    }
    for (;;) {
        seen = bell_count(&bell);
        if (dma_maps_oldest_wait(maps, NULL) > seq) {
            break;
        }
        bell_wait(&bell, seen);
    }
}

static void poison(Page *page)
{
    memset(page->byte, POISON, PAGE_BYTES);
}

static void check_poison(const Page *page)
{
    unsigned i;

    for (i = 0; i < PAGE_BYTES; i++) {
        g_assert_cmphex(page->byte[i], ==, POISON);
    }
}

static void test_drain(void)
{
    Rand r = rand_new();
    Translator t[TRANSLATORS];
    unsigned users[PAGES] = { 0 };
    uint64_t stamped = 0, accesses = 0, mapped = 0, waited = 0, hits = 0;
    unsigned i, steps = rounds(3000);
    uint64_t seq;

    iotlb = iotlb_new(64);
    cache = dma_cache_new(64, 0);
    maps = dma_maps_new(NULL);
    dma_epoch_set_wake(wake);
    for (i = 0; i < PAGES; i++) {
        poison(&pages[i]);
    }
    for (i = 0; i < TRANSLATORS; i++) {
        t[i] = (Translator) { .index = i, .rand = { rand64(&r) | 1 } };
        thread_start(&t[i].thread, translator, &t[i]);
    }

    for (seq = 1; seq <= steps; seq++) {
        unsigned iova = rand_below(&r, IOVAS);
        uint64_t old = table[iova];
        uint64_t new = 0;

        /* Often a page that another IOVA leads to already; sometimes none. */
        if (rand_below(&r, 8)) {
            new = 1 + rand_below(&r, PAGES);
            if (!users[new - 1]++) {
                check_poison(&pages[new - 1]);
            }
        }
        qatomic_store_release(&table[iova], new);
        remove_translation(&r, iova);
        drain(iova, seq, &stamped);
        if (old && --users[old - 1] == 0) {
            poison(&pages[old - 1]);
        }
        /* Late writers get their chance, on any page that is not mapped. */
        if (rand_below(&r, 4) == 0) {
            sched_yield();
        }
        for (i = 0; i < PAGES; i++) {
            if (!users[i]) {
                check_poison(&pages[i]);
            }
        }
    }

    qatomic_store_release(&stop, 1);
    for (i = 0; i < TRANSLATORS; i++) {
        thread_join(t[i].thread);
        accesses += t[i].accesses;
        mapped += t[i].maps;
        waited += t[i].waited;
        hits += t[i].hits;
    }
    g_assert_cmpuint(dma_maps_count(maps), ==, 0);
    g_assert_cmpuint(stamped, ==, waited);
    g_test_message("%" PRIu64 " accesses, %" PRIu64 " maps, %" PRIu64
                   " waited for, %" PRIu64 " from the cache", accesses, mapped,
                   waited, hits);
    dma_maps_free(maps);
    dma_cache_free(cache);
    iotlb_free(iotlb);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/dma-drain/stress", test_drain);
    return g_test_run();
}

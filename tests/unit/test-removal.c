/*
 * A range that goes from the IOTLB and an endpoint's cache: step by step
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Any number of threads in one, and stores that are late: fibers.h.  What
 * viommu_invalidate() and dma_drain_start() do for an invalidation by page,
 * with one full barrier for all that it counts, is done here in the same order.
 *
 * A table's entry leads to a version, which lies in a page.  Once the
 * invalidation is complete the page that was left is poisoned: who still uses
 * it meets the poison, and a store that is still on its way destroys it.
 */
#define QEMU_SHIM_STEP_MINE
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "fibers.h"
#include "hw/iommu/iotlb.h"
#include "system/dma-cache.h"
#include "../../system/dma-epoch.c"

#define DOMAINS     2
#define IOVAS       2
#define PAGES       32
#define POISON      UINT64_MAX
#define TAG(d)      IOTLB_TAG(0, 5 + (d), 0)

static uint64_t table[DOMAINS][IOVAS];      /* version */
static uint64_t page[PAGES];                /* a version's is the remainder */
static uint64_t last_version;
static IOTLB *iotlb;
static DMACache *cache;
static uint64_t wakes, uses, hits, idle, waited;

/* What is __thread in dma-epoch.c */
static DMAEpochSlot *fiber_slot[FIBERS_MAX];
static unsigned fiber_depth[FIBERS_MAX];

static void switched(unsigned from, unsigned to)
{
    if (from < FIBERS_MAX) {
        fiber_slot[from] = my_slot;
        fiber_depth[from] = my_depth;
    }
    my_slot = fiber_slot[to];
    my_depth = fiber_depth[to];
}

static void wake(void)
{
    wakes++;
}

static uint64_t iova_of(unsigned i)
{
    return (uint64_t)i << DMA_CACHE_PAGE_SHIFT;
}

/* Through the IOTLB, or past it */
static uint64_t translate(Rand *r, unsigned d, unsigned i)
{
    uint64_t seq, version;
    IOTLBEntry e;

    if (iotlb_lookup(iotlb, TAG(d), iova_of(i), &e)) {
        return e.addr >> 12;
    }
    seq = iotlb_seq(iotlb);
    version = qatomic_load_acquire(&table[d][i]);
    e = (IOTLBEntry) {
        .tag = TAG(d),
        .iova = iova_of(i),
        .addr = version << 12,
        .shift = 12,
        .perm = IOTLB_READ | IOTLB_WRITE,
    };
    if (rand_below(r, 4)) {
        iotlb_insert(iotlb, &e, seq);
    }
    return version;
}

/* As fast_fill() in system/dma-fast.c */
static uint64_t fill(Rand *r, unsigned i)
{
    unsigned d = rand_below(r, DOMAINS), tries = 2;

    for (;;) {
        uint64_t seq = dma_cache_seq(cache);
        uint64_t version = translate(r, d, i);
        DMACacheRun run = {
            .first = iova_of(i),
            .last = iova_of(i) + (DMA_CACHE_PAGE_SIZE - 1),
            .host = (uint8_t *)(uintptr_t)(version << 12),
            .perm = DMA_CACHE_READ | DMA_CACHE_WRITE,
            .leaf_shift = DMA_CACHE_PAGE_SHIFT,
        };

        if (!dma_cache_set_tag(cache, 0, TAG(d)) && --tries) {
            continue;
        }
        dma_cache_insert(cache, &run, run.first, seq);
        return version;
    }
}

static void use_page(Rand *r)
{
    unsigned i = rand_below(r, IOVAS), n = 1 + rand_below(r, 3);
    DMACacheHit hit;
    uint64_t version, *p;

    if (dma_cache_find(cache, 0, iova_of(i), DMA_CACHE_WRITE, &hit)) {
        version = (uintptr_t)hit.host >> 12;
        hits++;
    } else {
        version = fill(r, i);
    }
    p = &page[version % PAGES];
    while (n--) {
        g_assert_cmphex(qatomic_read(p), !=, POISON);
        /* The device writes. */
        qatomic_set(p, version);
    }
    uses++;
}

static void device(Rand *r)
{
    unsigned i, n = 1 + rand_below(r, 4);

    for (i = 0; i < n; i++) {
        dma_epoch_enter();
        use_page(r);
        dma_epoch_exit();
    }
}

static bool others_done(void)
{
    unsigned i;

    for (i = 0; i < fiber_count; i++) {
        if (i != current && !fibers[i].done) {
            return false;
        }
    }
    return true;
}

static void drain(void)
{
    uint64_t epoch, seen;

    if (dma_epoch_idle()) {
        idle++;
        return;
    }
    waited++;
    epoch = dma_epoch_next();
    for (;;) {
        seen = wakes;
        if (dma_epoch_passed(epoch)) {
            return;
        }
        while (seen == wakes) {
            g_assert_false(others_done());
            qemu_shim_step();
        }
    }
}

static uint64_t new_version(void)
{
    do {
        last_version++;
    } while (qatomic_read(&page[last_version % PAGES]) != POISON);
    qatomic_set(&page[last_version % PAGES], last_version);
    return last_version;
}

static void invalidator(Rand *r)
{
    unsigned k, n = 1 + rand_below(r, 3);

    for (k = 0; k < n; k++) {
        unsigned d = rand_below(r, DOMAINS), i = rand_below(r, IOVAS);
        uint64_t old = qatomic_read(&table[d][i]);
        uint64_t first = iova_of(i), last = first + rand_below(r, 4096);
        bool announced = rand_below(r, 3);

        qatomic_store_release(&table[d][i], new_version());
        if (announced) {
            dma_cache_announce(cache, TAG(d), IOTLB_TAG_DOMAIN_MASK);
        }
        iotlb_invalidate_range(iotlb, TAG(d), first, last);
        if (!announced) {
            /* As in dma_drain_drop_scope() */
            smp_mb();
        }
        dma_cache_remove_range(cache, TAG(d), IOTLB_TAG_DOMAIN_MASK, first,
                               last);
        dma_cache_announced(cache);
        drain();
        qatomic_set(&page[old % PAGES], POISON);
        /* It is given away: who comes next there sees the poison. */
        smp_mb();
    }
}

static void reset(void)
{
    unsigned d, i;

    for (i = 0; i < PAGES; i++) {
        page[i] = POISON;
    }
    last_version = 0;
    for (d = 0; d < DOMAINS; d++) {
        for (i = 0; i < IOVAS; i++) {
            table[d][i] = new_version();
        }
    }
    iotlb = iotlb_new(64);
    cache = dma_cache_new(64, 0);
}

static void test_removal(void)
{
    static void (*const run[])(Rand *r) = {
        device, device, invalidator, device,
    };
    unsigned i, n, turn;

    chance = rand_new();
    fiber_switched = switched;
    dma_epoch_set_wake(wake);
    for (i = 0; i < rounds(25000); i++) {
        reset();
        for (turn = 0; turn < 4; turn++) {
            n = 1 + rand_below(&chance, 3);
            play(run + 3 - n, n + rand_below(&chance, 2));
            switched(current, 0);
        }
        dma_cache_free(cache);
        iotlb_free(iotlb);
    }
    g_assert_cmpuint(hits, >, uses / 10);
    g_assert_cmpuint(idle, >, 0);
    g_assert_cmpuint(waited, >, 0);
    g_test_message("%" PRIu64 " uses, %" PRIu64 " hits; %" PRIu64
                   " drains of nobody, %" PRIu64 " of somebody", uses, hits,
                   idle, waited);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/removal/steps", test_removal);
    return g_test_run();
}

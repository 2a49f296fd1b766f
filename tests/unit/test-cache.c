/*
 * IOTLB and DMA cache: interleavings, step by step
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Any number of threads in one, and stores that are late: fibers.h.
 */
#define QEMU_SHIM_STEP_MINE
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "fibers.h"
#include "dma-cache-world.h"
#include "iotlb-world.h"

static World world;
static unsigned world_ops;

static void dma_user(Rand *r)
{
    DMACacheHit hit;
    uint64_t iova;
    unsigned i;

    for (i = 0; i < world_ops; i++) {
        if (rand_below(r, 2) && world_lookup(&world, r, &hit, &iova)) {
            world.hits++;
        } else {
            world_fill(&world, r);
        }
    }
}

static void dma_invalidator(Rand *r)
{
    DMACacheHit hit;
    uint64_t iova;
    unsigned i;

    for (i = 0; i < world_ops / 2; i++) {
        world_change(&world, r);
        /* The state of now, before anybody repairs it */
        world.hits += world_lookup(&world, r, &hit, &iova);
    }
}

/* Nobody has a slot any more: one that stays taken takes nothing again. */
static void check_at_rest(const DMACache *c)
{
    size_t i, n = ((size_t)1 << c->page_bits) + ((size_t)1 << c->chunk_bits);

    for (i = 0; i < n; i++) {
        g_assert_cmphex(c->pages[i].word & 1, ==, 0);
    }
}

/* Often near the last generation */
static void test_dma_cache(gconstpointer kind)
{
    static void (*const run[])(Rand *r) = {
        dma_user, dma_user, dma_user, dma_invalidator,
    };
    uint64_t hits = 0, skipped = 0;
    unsigned i;

    chance = rand_new();
    world_ops = 40;
    for (i = 0; i < rounds(10000); i++) {
        world_init(&world, 64, &chance);
        world_set_kind(&world, kind);
        if (rand_below(&chance, 4) == 0) {
            /* The last one of all is not one to begin with. */
            world_set_generation(&world,
                                 UINT32_MAX - 1 - rand_below(&chance, 5));
        }
        play(run, 2 + rand_below(&chance, 2));
        play(run + rand_below(&chance, 2) + 1, 2);
        play(run, ARRAY_SIZE(run));
        check_at_rest(world.cache);
        hits += world.hits;
        skipped += world.skipped;
        dma_cache_free(world.cache);
    }
    g_assert_cmpuint(hits, >, 0);
    /* Where both have one tag nothing is another's. */
    g_assert_true(skipped > 0 || world.whos == WORLD_TWO_ALIKE);
    g_test_message("%" PRIu64 " hits, %" PRIu64 " of the other domain", hits,
                   skipped);
}

static IWorld iworld;
static uint64_t iworld_hits;

static void iotlb_user(Rand *r)
{
    unsigned i;

    for (i = 0; i < world_ops; i++) {
        iworld_hits += iworld_access(&iworld, r);
    }
}

static void iotlb_invalidator(Rand *r)
{
    unsigned i;

    for (i = 0; i < world_ops / 2; i++) {
        iworld_change(&iworld, r);
        iworld_hits += iworld_access(&iworld, r);
    }
}

static void test_iotlb(void)
{
    static void (*const run[])(Rand *r) = {
        iotlb_user, iotlb_user, iotlb_user, iotlb_invalidator,
    };
    unsigned i;

    chance = rand_new();
    world_ops = 60;
    iworld_hits = 0;
    for (i = 0; i < rounds(3000); i++) {
        iworld_init(&iworld, 2 + rand_below(&chance, IWORLD_PAGES - 1));
        play(run, ARRAY_SIZE(run));
        play(run + 2, 2);
        iotlb_free(iworld.tlb);
    }
    g_assert_cmpuint(iworld_hits, >, 0);
    g_test_message("%" PRIu64 " hits", iworld_hits);
}

int main(int argc, char **argv)
{
    unsigned i;

    g_test_init(&argc, &argv, NULL);
    for (i = 0; i < ARRAY_SIZE(world_kinds); i++) {
        g_autofree char *name = g_strdup_printf("/cache/dma-cache%s",
                                                world_kinds[i].name);

        g_test_add_data_func(name, &world_kinds[i], test_dma_cache);
    }
    g_test_add_func("/cache/iotlb", test_iotlb);
    return g_test_run();
}

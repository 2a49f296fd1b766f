/*
 * IOTLB and DMA cache: interleavings, step by step
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One thread plays several.  Before each access to shared state it may go on
 * with another one, which is drawn; one that was left may sleep for long, as a
 * thread does that lost its processor in the wrong moment.  So windows of one
 * instruction are met often, on any machine, and the seed repeats a failure.
 *
 * Steps take effect in program order: a missing barrier is not found here (the
 * models in tests/model are about those).
 */
#define QEMU_SHIM_STEP_MINE
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include <ucontext.h>
#include "test-common.h"
#include "dma-cache-world.h"
#include "iotlb-world.h"

#define FIBERS_MAX      4
#define STACK_BYTES     (256 * 1024)
#define SLEEP_STEPS     400

typedef struct Fiber {
    ucontext_t context;
    void (*run)(Rand *r);
    Rand rand;
    uint64_t sleeps_until;
    bool done;
} Fiber;

static Fiber fibers[FIBERS_MAX];
static char *stacks[FIBERS_MAX];
static unsigned fiber_count, current;
static ucontext_t home;
static bool playing;
static Rand chance;
static unsigned switch_odds;        /* one step in so many */
static uint64_t steps;

/* Go on with one that is awake; if none is, with any that is not done. */
static void play_next(Fiber *from)
{
    unsigned i, n = rand_below(&chance, fiber_count), next = fiber_count;

    for (i = 0; i < fiber_count; i++) {
        unsigned at = (n + i) % fiber_count;

        if (fibers[at].done) {
            continue;
        }
        next = at;
        if (fibers[at].sleeps_until <= steps) {
            break;
        }
    }
    if (next == fiber_count) {
        playing = false;
        swapcontext(&from->context, &home);
        return;
    }
    fibers[next].sleeps_until = 0;
    current = next;
    if (&fibers[next] != from) {
        swapcontext(&from->context, &fibers[next].context);
    }
}

void qemu_shim_step(void)
{
    if (!playing) {
        return;
    }
    steps++;
    if (rand_below(&chance, switch_odds)) {
        return;
    }
    if (rand_below(&chance, 8) == 0) {
        fibers[current].sleeps_until = steps +
                                       rand_below(&chance, SLEEP_STEPS);
    }
    play_next(&fibers[current]);
}

static void fiber_main(void)
{
    Fiber *f = &fibers[current];

    f->run(&f->rand);
    f->done = true;
    play_next(f);
    g_assert_not_reached();
}

/* All of @run at once, until the last has returned. */
static void play(void (*const run[])(Rand *r), unsigned count)
{
    unsigned i;

    g_assert_cmpuint(count, <=, FIBERS_MAX);
    fiber_count = count;
    steps = 0;
    switch_odds = 1 + rand_below(&chance, 12);
    for (i = 0; i < count; i++) {
        Fiber *f = &fibers[i];

        if (!stacks[i]) {
            stacks[i] = g_malloc(STACK_BYTES);
        }
        f->run = run[i];
        f->rand.state = rand64(&chance) | 1;
        f->sleeps_until = 0;
        f->done = false;
        getcontext(&f->context);
        f->context.uc_stack.ss_sp = stacks[i];
        f->context.uc_stack.ss_size = STACK_BYTES;
        f->context.uc_link = NULL;
        makecontext(&f->context, fiber_main, 0);
    }
    current = rand_below(&chance, count);
    playing = true;
    swapcontext(&home, &fibers[current].context);
}

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

/* Often near the last generation */
static void test_dma_cache(gconstpointer any_tag)
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
        world.any_tag = any_tag != NULL;
        if (rand_below(&chance, 4) == 0) {
            world.cache->gen = (uint64_t)(UINT32_MAX -
                                          rand_below(&chance, 6)) <<
                               DMA_CACHE_GEN_SHIFT;
            if (world.cache->gen >> DMA_CACHE_GEN_SHIFT == UINT32_MAX) {
                world.cache->gen -= 1ull << DMA_CACHE_GEN_SHIFT;
            }
        }
        play(run, 2 + rand_below(&chance, 2));
        play(run + rand_below(&chance, 2) + 1, 2);
        play(run, ARRAY_SIZE(run));
        hits += world.hits;
        skipped += world.skipped;
        dma_cache_free(world.cache);
    }
    g_assert_cmpuint(hits, >, 0);
    g_assert_cmpuint(skipped, >, 0);
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
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/cache/dma-cache", NULL, test_dma_cache);
    g_test_add_data_func("/cache/dma-cache-tags", "any tag", test_dma_cache);
    g_test_add_func("/cache/iotlb", test_iotlb);
    return g_test_run();
}

/*
 * Epochs of short DMA accesses: interleavings, step by step
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Any number of threads in one, and stores that are late: fibers.h.  The code
 * is included, so that each fiber can have thread-local variables of its own.
 *
 * A version of what is published lies in a page.  Once nobody can be using it
 * any more the page is poisoned: who still reads it meets the poison, and a
 * store that is still on its way destroys it.
 */
#define QEMU_SHIM_STEP_MINE
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "fibers.h"
#include "../../system/dma-epoch.c"

#define PAGES   16
#define POISON  UINT64_MAX

static uint64_t published;          /* version; its page is the remainder */
static uint64_t page[PAGES];
static uint64_t wakes;
static uint64_t uses;

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

static void use_version(Rand *r)
{
    uint64_t version = qatomic_load_acquire(&published);
    uint64_t *p = &page[version % PAGES];
    unsigned i, n = 1 + rand_below(r, 4);

    for (i = 0; i < n; i++) {
        g_assert_cmphex(qatomic_read(p), !=, POISON);
        /* The device writes. */
        qatomic_set(p, version);
    }
    uses++;
}

static void device(Rand *r)
{
    unsigned i, n = 1 + rand_below(r, 3);

    for (i = 0; i < n; i++) {
        dma_epoch_enter();
        use_version(r);
        if (rand_below(r, 4) == 0) {
            dma_epoch_enter();
            use_version(r);
            dma_epoch_exit();
            use_version(r);
        }
        dma_epoch_exit();
        if (my_slot && rand_below(r, 4) == 0) {
            /* The thread ends, and this is another one from now on. */
            slot_release(my_slot);
        }
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

static void invalidator(Rand *r)
{
    unsigned i, n = 1 + rand_below(r, 2);

    for (i = 0; i < n; i++) {
        uint64_t old = qatomic_read(&published), epoch, seen;

        /* Nothing was stored in it after it was poisoned. */
        g_assert_cmphex(qatomic_read(&page[(old + 1) % PAGES]), ==, POISON);
        qatomic_set(&page[(old + 1) % PAGES], old + 1);
        qatomic_store_release(&published, old + 1);
        epoch = dma_epoch_next();
        for (;;) {
            seen = wakes;
            if (dma_epoch_passed(epoch)) {
                break;
            }
            while (seen == wakes) {
                /* Whoever has to wake us has yet to come. */
                g_assert_false(others_done());
                qemu_shim_step();
            }
        }
        qatomic_set(&page[old % PAGES], POISON);
        /* The page is given away: who comes next there sees the poison. */
        smp_mb();
    }
}

static unsigned count_slots(void)
{
    DMAEpochSlot *slot;
    unsigned n = 0;

    for (slot = slots; slot; slot = slot->next) {
        g_assert_cmpuint(slot->epoch, ==, 0);
        n++;
    }
    return n;
}

static void test_epoch(void)
{
    static void (*const run[])(Rand *r) = {
        device, device, invalidator, device,
    };
    unsigned i, n;

    chance = rand_new();
    fiber_switched = switched;
    dma_epoch_set_wake(wake);
    for (i = 0; i < PAGES; i++) {
        page[i] = POISON;
    }
    page[0] = 0;
    for (i = 0; i < rounds(40000); i++) {
        n = 1 + rand_below(&chance, 3);
        play(run + 3 - n, n + rand_below(&chance, 2));
        switched(current, 0);
        /*
         * One slot for each that there was at a time, and a few for those who
         * found one taken under their eyes; not for each that there ever was.
         */
        g_assert_cmpuint(count_slots(), <=, 8 * FIBERS_MAX);
    }
    g_assert_cmpuint(count_slots(), >, 1);
    g_assert_cmpuint(uses, >, 0);
    g_test_message("%" PRIu64 " uses, %" PRIu64 " wakes", uses, wakes);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/epoch/steps", test_epoch);
    return g_test_run();
}

/*
 * Unit tests of the address translation cache of a device
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "hw/pci/atc.h"
#include "test-common.h"

#define PAGE 0x1000ULL
#define KEY  UINT32_MAX
#define ALL  UINT64_MAX

static const ATCEntry page = {
    .key = 5, .shift = 12, .perm = ATC_READ, .iova = 0x7000, .addr = 0x123000,
};

static void keep(ATC *atc, const ATCEntry *e)
{
    ATCEntry out;
    ATCUse use;

    if (!atc_begin(atc, &use, e->key, e->iova, 1, e->perm, &out)) {
        atc_fill(atc, &use, e);
    }
    g_assert_false(atc_end(atc, &use));
}

static bool has(ATC *atc, uint32_t key, uint64_t iova, unsigned need,
                ATCEntry *out)
{
    ATCUse use;
    bool hit = atc_begin(atc, &use, key, iova, 1, need, out);

    atc_end(atc, &use);
    return hit;
}

static void test_lookup(void)
{
    ATCEntry large = page, out;
    ATC *atc = atc_new(16);

    g_assert_false(has(atc, 5, 0x7123, ATC_READ, &out));
    keep(atc, &page);
    g_assert_true(has(atc, 5, 0x7fff, ATC_READ, &out));
    g_assert_cmphex(out.addr, ==, page.addr);
    g_assert_false(has(atc, 5, 0x8000, ATC_READ, &out));
    g_assert_false(has(atc, 5, 0x6fff, ATC_READ, &out));
    g_assert_false(has(atc, 6, 0x7000, ATC_READ, &out));
    /* More is asked than is known: who asks again is told more, maybe. */
    g_assert_false(has(atc, 5, 0x7000, ATC_READ | ATC_WRITE, &out));
    large.perm |= ATC_WRITE;
    keep(atc, &large);
    g_assert_true(has(atc, 5, 0x7000, ATC_WRITE, &out));
    g_assert_cmpuint(atc_count(atc), ==, 1);

    large = (ATCEntry) {
        .key = 5, .shift = 63, .perm = ATC_READ, .iova = 1ULL << 63,
    };
    keep(atc, &large);
    g_assert_true(has(atc, 5, ALL, ATC_READ, &out));
    atc_free(atc);
}

static void test_bounded(void)
{
    ATC *atc = atc_new(100);
    ATCEntry e = page, out;
    unsigned i, found = 0;

    for (i = 0; i < 10000; i++) {
        e.iova = i * PAGE;
        e.addr = (i + 7) * PAGE;
        e.key = i % 3;
        keep(atc, &e);
        g_assert_true(has(atc, e.key, e.iova, ATC_READ, &out));
    }
    g_assert_cmpuint(atc_count(atc), <=, 128);
    for (i = 0; i < 10000; i++) {
        if (has(atc, i % 3, i * PAGE, ATC_READ, &out)) {
            g_assert_cmphex(out.addr, ==, (i + 7) * PAGE);
            found++;
        }
    }
    g_assert_cmpuint(found, ==, atc_count(atc));
    atc_free(atc);
}

static void test_invalidate(void)
{
    ATC *atc = atc_new(64);
    ATCEntry e = page, out;
    unsigned i;

    for (i = 0; i < 8; i++) {
        e.iova = i * PAGE;
        e.key = i & 1;
        keep(atc, &e);
    }
    e.key = 9;
    e.shift = 21;
    e.iova = 0;
    keep(atc, &e);
    atc_invalidate(atc, 0, KEY, 2 * PAGE, 4 * PAGE, 1);
    for (i = 0; i < 8; i++) {
        g_assert_cmpint(has(atc, i & 1, i * PAGE, ATC_READ, &out), ==,
                        i != 2 && i != 4);
    }
    /* A byte of a large page is all of it; a mask says whose. */
    atc_invalidate(atc, 1, 1, 0x1fffff, 0x1fffff, 2);
    g_assert_false(has(atc, 9, 0, ATC_READ, &out));
    g_assert_true(has(atc, 1, PAGE, ATC_READ, &out));
    atc_invalidate(atc, 0, 0, 0, KEY, 3);
    g_assert_cmpuint(atc_count(atc), ==, 0);
    atc_free(atc);
}

/* Who uses what is invalidated is waited for, and nobody else. */
static void test_wait(void)
{
    ATC *atc = atc_new(16);
    ATCUse a, b, c, d;
    ATCEntry out;

    keep(atc, &page);
    g_assert_true(atc_begin(atc, &a, 5, 0x7010, 4, ATC_READ, &out));
    g_assert_false(atc_begin(atc, &b, 6, 0x7010, 4, ATC_READ, &out));
    g_assert_false(atc_begin(atc, &c, 5, 0x9000, PAGE, ATC_READ, &out));
    g_assert_cmpuint(atc_oldest(atc), ==, UINT64_MAX);
    /* Another byte of the page: whoever names one means the page. */
    g_assert_cmpuint(atc_invalidate(atc, 5, KEY, 0x7800, 0x7800, 4), ==, 1);
    g_assert_cmpuint(atc_oldest(atc), ==, 4);
    /* It is waited for already. */
    g_assert_cmpuint(atc_invalidate(atc, 5, KEY, 0x7000, 0x7fff, 5), ==, 0);
    g_assert_false(atc_begin(atc, &d, 5, 0x7010, 4, ATC_READ, &out));
    g_assert_cmpuint(atc_invalidate(atc, 5, KEY, 0, ALL, 6), ==, 2);
    g_assert_cmpuint(atc_oldest(atc), ==, 4);
    g_assert_true(atc_end(atc, &a));
    g_assert_cmpuint(atc_oldest(atc), ==, 6);
    g_assert_false(atc_end(atc, &b));
    g_assert_true(atc_end(atc, &c));
    g_assert_cmpuint(atc_oldest(atc), ==, 6);
    g_assert_true(atc_end(atc, &d));
    g_assert_cmpuint(atc_oldest(atc), ==, UINT64_MAX);
    atc_free(atc);
}

/* An answer that an invalidation has overtaken is not kept, but waited for. */
static void test_overtaken(void)
{
    ATC *atc = atc_new(16);
    ATCEntry out;
    ATCUse use;

    g_assert_false(atc_begin(atc, &use, 5, 0x7010, 4, ATC_READ, &out));
    g_assert_cmpuint(atc_invalidate(atc, 5, KEY, 0x7000, 0x7fff, 1), ==, 1);
    atc_fill(atc, &use, &page);
    g_assert_cmpuint(atc_count(atc), ==, 0);
    g_assert_true(atc_end(atc, &use));
    atc_free(atc);
}

static void test_reset(void)
{
    ATC *atc = atc_new(16);
    ATCUse a, b;
    ATCEntry out;

    keep(atc, &page);
    g_assert_true(atc_begin(atc, &a, 5, 0x7010, 4, ATC_READ, &out));
    g_assert_false(atc_begin(atc, &b, 5, 0x9000, 4, ATC_READ, &out));
    atc_invalidate(atc, 5, KEY, 0, ALL, 1);
    atc_reset(atc);
    g_assert_cmpuint(atc_oldest(atc), ==, UINT64_MAX);
    g_assert_cmpuint(atc_uses(atc), ==, 0);
    g_assert_cmpuint(atc_count(atc), ==, 0);
    /* They come too late, and do nothing. */
    atc_fill(atc, &b, &page);
    g_assert_cmpuint(atc_count(atc), ==, 0);
    g_assert_false(atc_end(atc, &a));
    g_assert_false(atc_end(atc, &b));
    atc_free(atc);
}

/*
 * Threads that use what a table says, and one that changes the table.  When
 * nobody is waited for any more, nobody uses what the table said before.
 */
#define STRESS_THREADS 3
#define STRESS_PAGES   8

static struct {
    ATC *atc;
    uint64_t table[STRESS_PAGES];    /* what pages lead to; atomic */
    uint64_t using[STRESS_THREADS];  /* atomic; 0: nothing */
    bool stop;                       /* atomic */
} stress;

static void stress_use(unsigned index, uint64_t iova)
{
    ATCEntry e = { .key = 1, .shift = 12, .perm = ATC_READ, .iova = iova };
    ATCEntry out;
    ATCUse use;

    if (!atc_begin(stress.atc, &use, 1, iova, PAGE, ATC_READ, &out)) {
        e.addr = qatomic_load_acquire(&stress.table[iova / PAGE]);
        atc_fill(stress.atc, &use, &e);
        out = e;
    }
    qatomic_store_release(&stress.using[index], out.addr);
    qatomic_store_release(&stress.using[index], 0);
    atc_end(stress.atc, &use);
}

static void *stress_thread(void *opaque)
{
    unsigned index = (uintptr_t)opaque, i = index;

    while (!qatomic_read(&stress.stop)) {
        stress_use(index, i++ % STRESS_PAGES * PAGE);
    }
    return NULL;
}

static void test_stress(void)
{
    GThread *threads[STRESS_THREADS];
    unsigned i, round;

    stress.atc = atc_new(16);
    for (i = 0; i < STRESS_PAGES; i++) {
        stress.table[i] = (i + 1) * PAGE;
    }
    for (i = 0; i < STRESS_THREADS; i++) {
        threads[i] = g_thread_new("use", stress_thread, (void *)(uintptr_t)i);
    }
    for (round = 1; round <= 3000; round++) {
        unsigned n = round % STRESS_PAGES;
        uint64_t old = stress.table[n];

        qatomic_store_release(&stress.table[n],
                              (round * STRESS_PAGES + n + 1) * PAGE);
        atc_invalidate(stress.atc, 1, KEY, n * PAGE, n * PAGE, round);
        while (atc_oldest(stress.atc) <= round) {
            g_thread_yield();
        }
        for (i = 0; i < STRESS_THREADS; i++) {
            g_assert_cmphex(qatomic_load_acquire(&stress.using[i]), !=, old);
        }
    }
    qatomic_set(&stress.stop, true);
    for (i = 0; i < STRESS_THREADS; i++) {
        g_thread_join(threads[i]);
    }
    g_assert_cmpuint(atc_uses(stress.atc), ==, 0);
    atc_free(stress.atc);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/atc/lookup", test_lookup);
    g_test_add_func("/atc/bounded", test_bounded);
    g_test_add_func("/atc/invalidate", test_invalidate);
    g_test_add_func("/atc/wait", test_wait);
    g_test_add_func("/atc/overtaken", test_overtaken);
    g_test_add_func("/atc/reset", test_reset);
    g_test_add_func("/atc/stress", test_stress);
    return g_test_run();
}

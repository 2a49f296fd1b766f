/*
 * Unit tests of the ordered set of ranges
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "system/dma-ranges.h"
#include "test-common.h"

#define RANGES 300

static int compare(const void *a, const void *b)
{
    const DMARange *x = *(DMARange *const *)a, *y = *(DMARange *const *)b;

    if (x->first != y->first) {
        return x->first < y->first ? -1 : 1;
    }
    if (x->key[0] != y->key[0]) {
        return x->key[0] < y->key[0] ? -1 : 1;
    }
    return x->key[1] < y->key[1] ? -1 : x->key[1] > y->key[1];
}

/* Everything that overlaps, in order, against a sorted array */
static void check_overlaps(DMARanges *set, DMARange **in, unsigned n,
                           uint64_t first, uint64_t last)
{
    DMARange at, *found = dma_ranges_next(set, first, last, NULL);
    bool around = false;
    unsigned i;

    for (i = 0; i < n; i++) {
        around |= in[i]->first <= first && in[i]->last >= last;
        if (in[i]->first > last || in[i]->last < first) {
            continue;
        }
        g_assert_true(found == in[i]);
        at = (DMARange) {
            .first = found->first, .key = { found->key[0], found->key[1] },
        };
        found = dma_ranges_next(set, first, last, &at);
    }
    g_assert_null(found);
    found = dma_ranges_around(set, first, last);
    g_assert_cmpint(found != NULL, ==, around);
    if (found) {
        g_assert_true(found->first <= first && found->last >= last);
    }
}

static uint64_t random_edge(Rand *r)
{
    static const uint64_t bases[] = { 0, 1ull << 40, -512ull };

    return bases[rand_below(r, ARRAY_SIZE(bases))] + rand_below(r, 512);
}

static void test_random(void)
{
    Rand r = rand_new();
    DMARange ranges[RANGES], *in[RANGES];
    bool present[RANGES] = { false };
    DMARanges set;
    unsigned step, i, n = 0;

    dma_ranges_init(&set);
    for (step = 0; step < rounds(20000); step++) {
        DMARange *range = &ranges[i = rand_below(&r, RANGES)];
        uint64_t a = random_edge(&r), b = random_edge(&r);

        if (present[i]) {
            g_assert_true(dma_ranges_find(&set, range->first, range->key[0],
                                          range->key[1]) == range);
            dma_ranges_remove(&set, range);
            g_assert_null(dma_ranges_find(&set, range->first, range->key[0],
                                          range->key[1]));
        } else {
            *range = (DMARange) {
                .first = MIN(a, b),
                .last = rand_below(&r, 2) ? MAX(a, b) : MIN(a, b),
                .key = { rand_below(&r, 3), i },
            };
            dma_ranges_insert(&set, range);
        }
        present[i] = !present[i];
        if (step % 16) {
            continue;
        }
        for (i = n = 0; i < RANGES; i++) {
            if (present[i]) {
                in[n++] = &ranges[i];
            }
        }
        qsort(in, n, sizeof(*in), compare);
        a = random_edge(&r);
        b = random_edge(&r);
        check_overlaps(&set, in, n, MIN(a, b), MAX(a, b));
        check_overlaps(&set, in, n, a, a);
        check_overlaps(&set, in, n, 0, UINT64_MAX);
    }
}

/*
 * The work is about the same in whatever order they come.  It is compared with
 * what a balanced tree of perfect shape would take.
 */
#define MANY 65536
#define PERFECT 16

typedef uint64_t Place(unsigned i);

static uint64_t place_rising(unsigned i)
{
    return (uint64_t)i << 12;
}

static uint64_t place_falling(unsigned i)
{
    return UINT64_MAX - ((uint64_t)i << 12);
}

static uint64_t place_same(unsigned i)
{
    return 4096;
}

static uint64_t place_zigzag(unsigned i)
{
    return i % 2 ? i : UINT64_MAX / 2 - i;
}

/* The multiples of what a hash by multiplication maps to one bucket */
static uint64_t place_hashed(unsigned i)
{
    return ((uint64_t)i << 20) * 0xf1de83e19937733dull;
}

static void test_work(void)
{
    static Place *const places[] = {
        place_rising, place_falling, place_same, place_zigzag, place_hashed,
    };
    DMARange *ranges = g_new(DMARange, MANY);
    unsigned p, i;

    for (p = 0; p < ARRAY_SIZE(places); p++) {
        DMARange *found = NULL;
        DMARanges set;
        double insert, next, remove;

        dma_ranges_init(&set);
        for (i = 0; i < MANY; i++) {
            uint64_t first = places[p](i);

            ranges[i] = (DMARange) {
                .first = first,
                .last = UINT64_MAX - first > 4095 ? first + 4095 : UINT64_MAX,
                .key = { i },
            };
            dma_ranges_insert(&set, &ranges[i]);
        }
        insert = (double)set.steps / MANY;
        set.steps = 0;
        for (i = 0; i < MANY; i++) {
            DMARange *range = dma_ranges_next(&set, 0, UINT64_MAX, found);

            g_assert_true(range && range != found);
            found = range;
        }
        g_assert_null(dma_ranges_next(&set, 0, UINT64_MAX, found));
        next = (double)set.steps / MANY;
        set.steps = 0;
        for (i = 0; i < MANY; i++) {
            dma_ranges_remove(&set, &ranges[i]);
        }
        remove = (double)set.steps / MANY;
        g_assert_null(set.root);
        g_test_message("insert %.1f, next %.1f, remove %.1f", insert, next,
                       remove);
        g_assert_cmpfloat(insert, <, PERFECT * 2);
        g_assert_cmpfloat(next, <, PERFECT * 2);
        g_assert_cmpfloat(remove, <, PERFECT * 2);
    }
    g_free(ranges);
}

/* What ends early is not looked at, however much of it there is. */
static void test_skip(void)
{
    DMARange *ranges = g_new(DMARange, MANY);
    DMARange all = { .first = 0, .last = UINT64_MAX, .key = { MANY } };
    DMARanges set;
    unsigned i;

    dma_ranges_init(&set);
    for (i = 0; i < MANY; i++) {
        ranges[i] = (DMARange) {
            .first = (uint64_t)i << 12, .last = (uint64_t)i << 12 | 0xfff,
            .key = { i },
        };
        dma_ranges_insert(&set, &ranges[i]);
    }
    set.steps = 0;
    g_assert_null(dma_ranges_next(&set, 1ull << 60, UINT64_MAX, NULL));
    g_assert_null(dma_ranges_around(&set, 1ull << 60, UINT64_MAX));
    g_assert_null(dma_ranges_around(&set, 0xfff, 0x1000));
    dma_ranges_insert(&set, &all);
    g_assert_true(dma_ranges_next(&set, 1ull << 60, UINT64_MAX, NULL) == &all);
    g_assert_true(dma_ranges_around(&set, 0xfff, 0x1000) == &all);
    g_assert_cmpuint(set.steps, <, PERFECT * 5 * 5);
    g_free(ranges);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/dma-ranges/random", test_random);
    g_test_add_func("/dma-ranges/work", test_work);
    g_test_add_func("/dma-ranges/skip", test_skip);
    return g_test_run();
}

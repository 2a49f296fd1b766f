/*
 * Table entries of several words, read while the guest writes them
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The guest takes its next step before a read that the test chooses, so that
 * every way in which one writer can meet one reader is tried.
 */
#include "qemu/osdep.h"
#include "hw/iommu/viommu-fetch.h"

#define BASE 0x1000
#define READS_MAX 64

typedef struct Guest {
    uint64_t words[VIOMMU_FETCH_WORDS_MAX];
    unsigned reads;
    unsigned fail_at;        /* this read fails; 0: none */
    unsigned steps;          /* of the writer, so far */
    uint64_t when;           /* bit n: a step before read n */
    void (*step)(struct Guest *g);
} Guest;

static bool guest_read(void *opaque, uint64_t addr, uint64_t *entry)
{
    Guest *g = opaque;

    g_assert_cmpuint(addr % 8, ==, 0);
    g_assert_cmpuint(addr, >=, BASE);
    g_assert_cmpuint(addr, <, BASE + sizeof(g->words));
    if (g->step && g->reads < READS_MAX && (g->when >> g->reads & 1)) {
        g->step(g);
        g->steps++;
    }
    g->reads++;
    *entry = g->words[(addr - BASE) / 8];
    return g->reads != g->fail_at;
}

static bool fetch(Guest *g, uint64_t *words, unsigned n)
{
    const IOPTMem mem = { .read = guest_read, .opaque = g };

    g->reads = 0;
    g->steps = 0;
    return viommu_fetch(&mem, BASE, words, n);
}

static void test_still(void)
{
    Guest g = { .words = { 1, 2, 3, 4, 5, 6, 7, 8 } };
    uint64_t words[VIOMMU_FETCH_WORDS_MAX];

    for (unsigned n = 1; n <= VIOMMU_FETCH_WORDS_MAX; n++) {
        memset(words, 0, sizeof(words));
        g_assert_true(fetch(&g, words, n));
        g_assert_true(!memcmp(words, g.words, 8 * n));
        g_assert_cmpuint(g.reads, ==, n == 1 ? 1 : n + 1);
    }
}

/* Each word that is read may be the one that is not there. */
static void test_fail(void)
{
    uint64_t words[VIOMMU_FETCH_WORDS_MAX];

    for (unsigned n = 1; n <= VIOMMU_FETCH_WORDS_MAX; n++) {
        unsigned reads = n == 1 ? 1 : n + 1;

        for (unsigned at = 1; at <= reads; at++) {
            Guest g = { .fail_at = at };

            g_assert_false(fetch(&g, words, n));
        }
    }
}

/* Generation @gen of an entry that is valid: every word says which it is. */
static void fill(Guest *g, uint64_t gen)
{
    for (unsigned i = 0; i < VIOMMU_FETCH_WORDS_MAX; i++) {
        g->words[i] = gen << 8 | 1;
    }
}

static void replace_at_once(Guest *g)
{
    fill(g, g->steps + 1);
}

/* CMPXCHG16B: never half of one and half of another */
static void test_replace(void)
{
    uint64_t words[2];

    for (uint64_t when = 0; when < 1 << 12; when++) {
        Guest g = { .step = replace_at_once, .when = when };

        if (__builtin_popcountll(when) > 3) {
            /* That is test_hostile(). */
            continue;
        }
        fill(&g, 0);
        g_assert_true(fetch(&g, words, 2));
        g_assert_cmphex(words[0], ==, words[1]);
    }
}

/* The last word first, word 0, which makes it valid, last */
static void publish(Guest *g)
{
    if (g->steps < VIOMMU_FETCH_WORDS_MAX) {
        g->words[VIOMMU_FETCH_WORDS_MAX - 1 - g->steps] = 0x101;
    }
}

static void test_publish(void)
{
    uint64_t words[VIOMMU_FETCH_WORDS_MAX];

    /* @first steps before we come, the others as @when says */
    for (unsigned first = 0; first <= VIOMMU_FETCH_WORDS_MAX; first++) {
        for (uint64_t when = 0; when < 1 << 12; when++) {
            Guest g = { .step = publish, .when = when };
            const IOPTMem mem = { .read = guest_read, .opaque = &g };

            while (g.steps < first) {
                publish(&g);
                g.steps++;
            }
            g_assert_true(viommu_fetch(&mem, BASE, words, 8));
            for (unsigned i = 0; i < 8 && words[0]; i++) {
                g_assert_cmphex(words[i], ==, 0x101);
            }
        }
    }
}

/* A guest that never stops: an end, and only words that it wrote together */
static void test_hostile(void)
{
    uint64_t words[2];
    Guest g = { .step = replace_at_once, .when = UINT64_MAX };

    g_assert_true(fetch(&g, words, 2));
    g_assert_cmpuint(g.reads, <=, 16);
    g_assert_cmpuint(words[1] - words[0], ==, 0x100);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/viommu-fetch/still", test_still);
    g_test_add_func("/viommu-fetch/fail", test_fail);
    g_test_add_func("/viommu-fetch/replace", test_replace);
    g_test_add_func("/viommu-fetch/publish", test_publish);
    g_test_add_func("/viommu-fetch/hostile", test_hostile);
    return g_test_run();
}

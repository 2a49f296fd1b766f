/*
 * References that keep mapped memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "system/dma-refs.h"
#include "test-common.h"

typedef struct Owner {
    unsigned refs;
} Owner;

static void take(void *owner, unsigned n)
{
    Owner *o = owner;

    g_assert_cmpuint(n, >, 0);
    o->refs += n;
}

static void drop(void *owner)
{
    Owner *o = owner;

    g_assert_cmpuint(o->refs, >, 0);
    o->refs--;
}

static const DMARefsOps ops = { .take = take, .drop = drop };

static uint64_t add(DMARefs *refs, Owner *owner)
{
    void *left = NULL;
    uint64_t turn = dma_refs_add(refs, &ops, owner, &left);

    if (left) {
        drop(left);
    }
    return turn;
}

static void end(DMARefs *refs, Owner *owner, uint64_t turn)
{
    if (!dma_refs_end(refs, turn)) {
        drop(owner);
    }
}

static void release(DMARefs *refs)
{
    void *left = dma_refs_release(refs, &ops);

    if (left) {
        drop(left);
    }
}

/* One reference for any number of maps, which stays when they have ended */
static void test_one(void)
{
    DMARefs refs;
    Owner a = { 0 };
    uint64_t turn;
    unsigned i;

    dma_refs_init(&refs);
    release(&refs);
    for (i = 0; i < 100; i++) {
        turn = add(&refs, &a);
        g_assert_cmpuint(turn, !=, DMA_REFS_OWN);
        g_assert_cmpuint(a.refs, ==, 1);
    }
    for (i = 0; i < 100; i++) {
        g_assert_true(dma_refs_end(&refs, turn));
        g_assert_cmpuint(a.refs, ==, 1);
    }
    release(&refs);
    g_assert_cmpuint(a.refs, ==, 0);
    release(&refs);
    g_assert_cmpuint(a.refs, ==, 0);
}

/* What is released while so many maps rely on it becomes theirs. */
static void test_release(void)
{
    unsigned maps, i;

    for (maps = 1; maps < 5; maps++) {
        DMARefs refs;
        Owner a = { 0 };
        uint64_t turn = 0, later;

        dma_refs_init(&refs);
        for (i = 0; i < maps; i++) {
            turn = add(&refs, &a);
        }
        release(&refs);
        g_assert_cmpuint(a.refs, ==, maps);
        /* The same owner again: the two turns are told apart. */
        later = add(&refs, &a);
        g_assert_cmpuint(later, !=, turn);
        g_assert_cmpuint(a.refs, ==, maps + 1);
        for (i = 0; i < maps; i++) {
            end(&refs, &a, turn);
            g_assert_cmpuint(a.refs, ==, maps - i);
        }
        end(&refs, &a, later);
        g_assert_cmpuint(a.refs, ==, 1);
        release(&refs);
        g_assert_cmpuint(a.refs, ==, 0);
    }
}

/* Another owner's maps have their own references until there are many. */
static void test_other(void)
{
    DMARefs refs;
    Owner a = { 0 }, b = { 0 };
    uint64_t first, turn;
    unsigned i;

    dma_refs_init(&refs);
    first = add(&refs, &a);
    for (i = 1; i < DMA_REFS_MISSES; i++) {
        turn = add(&refs, &b);
        g_assert_cmpuint(turn, ==, DMA_REFS_OWN);
        g_assert_cmpuint(b.refs, ==, 1);
        end(&refs, &b, turn);
        g_assert_cmpuint(b.refs, ==, 0);
    }
    turn = add(&refs, &b);
    g_assert_cmpuint(turn, !=, DMA_REFS_OWN);
    g_assert_cmpuint(turn, !=, first);
    /* The first one's map has what was kept of it. */
    g_assert_cmpuint(a.refs, ==, 1);
    end(&refs, &a, first);
    g_assert_cmpuint(a.refs, ==, 0);
    end(&refs, &b, turn);
    g_assert_cmpuint(b.refs, ==, 1);

    /* Nothing is mapped, and there are others again. */
    for (i = 0; i < DMA_REFS_MISSES; i++) {
        turn = add(&refs, &a);
        end(&refs, &a, turn);
    }
    g_assert_cmpuint(a.refs, ==, 1);
    g_assert_cmpuint(b.refs, ==, 0);
    release(&refs);
    g_assert_cmpuint(a.refs, ==, 0);
}

/* In turn: for most maps nothing is taken. */
static unsigned taken;

static void take_counted(void *owner, unsigned n)
{
    taken++;
    take(owner, n);
}

static void test_alternating(void)
{
    static const DMARefsOps counted = { .take = take_counted, .drop = drop };
    Owner owners[2] = { { 0 }, { 0 } };
    DMARefs refs;
    unsigned i;

    dma_refs_init(&refs);
    taken = 0;
    for (i = 0; i < 1000; i++) {
        void *left = NULL;
        uint64_t turn = dma_refs_add(&refs, &counted, &owners[i % 2], &left);

        if (left) {
            drop(left);
        }
        end(&refs, &owners[i % 2], turn);
        g_assert_cmpuint(owners[0].refs + owners[1].refs, ==, 1);
    }
    /* Of each two, and once more where they change places every other time */
    g_assert_cmpuint(taken, <=, 501 + 1000 / (2 * DMA_REFS_MISSES));
    release(&refs);
    g_assert_cmpuint(owners[0].refs + owners[1].refs, ==, 0);
}

/* No references: no owner, or nobody who takes them */
static void test_none(void)
{
    DMARefs refs;
    Owner a = { 0 };
    void *left = NULL;
    uint64_t turn, nobody;

    dma_refs_init(&refs);
    turn = dma_refs_add(&refs, NULL, &a, &left);
    g_assert_cmpuint(turn, ==, DMA_REFS_OWN);
    g_assert_null(left);
    g_assert_false(dma_refs_end(&refs, turn));
    g_assert_null(dma_refs_release(&refs, NULL));

    nobody = add(&refs, NULL);
    turn = add(&refs, &a);
    g_assert_cmpuint(a.refs, ==, 1);
    dma_refs_end(&refs, nobody);
    end(&refs, &a, turn);
    nobody = add(&refs, NULL);
    g_assert_cmpuint(nobody, ==, DMA_REFS_OWN);
    release(&refs);
    g_assert_cmpuint(a.refs, ==, 0);
}

/* Against a list of maps: after each release they have one each. */
static void test_random(void)
{
    enum { OWNERS = 3, MOST = 60 };
    Rand r = rand_new();
    Owner owners[OWNERS] = { { 0 } };
    struct {
        unsigned owner;
        uint64_t turn;
    } maps[MOST];
    unsigned counts[OWNERS] = { 0 };
    unsigned n = 0, step, i;
    DMARefs refs;

    dma_refs_init(&refs);
    for (step = 0; step < rounds(100000); step++) {
        unsigned what = rand_below(&r, 100), sum = 0, kept = 0;

        if (what < 50 && n < MOST) {
            maps[n].owner = rand_below(&r, 10) ? step / 1000 % OWNERS :
                                                 rand_below(&r, OWNERS);
            maps[n].turn = add(&refs, &owners[maps[n].owner]);
            counts[maps[n++].owner]++;
        } else if (what < 99 && n) {
            i = rand_below(&r, n);
            counts[maps[i].owner]--;
            end(&refs, &owners[maps[i].owner], maps[i].turn);
            maps[i] = maps[--n];
        } else if (what == 99) {
            release(&refs);
            for (i = 0; i < OWNERS; i++) {
                g_assert_cmpuint(owners[i].refs, ==, counts[i]);
            }
        }
        for (i = 0; i < OWNERS; i++) {
            g_assert_true(owners[i].refs || !counts[i]);
            sum += owners[i].refs;
            kept += owners[i].refs > counts[i];
        }
        g_assert_cmpuint(sum, <=, n + 1);
        g_assert_cmpuint(kept, <=, 1);
    }
    while (n--) {
        end(&refs, &owners[maps[n].owner], maps[n].turn);
    }
    release(&refs);
    for (i = 0; i < OWNERS; i++) {
        g_assert_cmpuint(owners[i].refs, ==, 0);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/dma-refs/one", test_one);
    g_test_add_func("/dma-refs/release", test_release);
    g_test_add_func("/dma-refs/other", test_other);
    g_test_add_func("/dma-refs/alternating", test_alternating);
    g_test_add_func("/dma-refs/none", test_none);
    g_test_add_func("/dma-refs/random", test_random);
    return g_test_run();
}

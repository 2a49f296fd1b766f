/*
 * Unit tests of the bookkeeping of holds
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "system/dma-hold.h"
#include "test-common.h"

static void test_order(void)
{
    DMAHolds holds;
    DMAHold *a, *b, *c;

    dma_holds_init(&holds);
    g_assert_null(dma_holds_oldest(&holds));
    a = dma_holds_add(&holds, 3);
    b = dma_holds_add(&holds, 5);
    c = dma_holds_add(&holds, 9);
    g_assert_true(dma_holds_oldest(&holds) == a);
    g_assert_cmpuint(a->seq, ==, 3);

    /* Answers may come in any order. */
    g_assert_true(dma_hold_free(b));
    g_assert_true(dma_holds_oldest(&holds) == a);
    g_assert_true(dma_hold_free(a));
    g_assert_true(dma_holds_oldest(&holds) == c);
    g_assert_true(dma_hold_free(c));
    g_assert_null(dma_holds_oldest(&holds));
}

static void test_abandon(void)
{
    DMAHolds holds;
    DMAHold *a, *b;

    dma_holds_init(&holds);
    a = dma_holds_add(&holds, 1);
    b = dma_holds_add(&holds, 2);
    dma_hold_abandon(a);
    g_assert_true(dma_holds_oldest(&holds) == b);
    dma_hold_abandon(a);
    /* A late answer changes nothing. */
    g_assert_false(dma_hold_free(a));
    g_assert_true(dma_holds_oldest(&holds) == b);
    g_assert_true(dma_hold_free(b));
}

static void test_endpoints(void)
{
    DMAHolds holds;
    DMAHold *a1, *a2, *b1;
    int a, b, none;

    dma_holds_init(&holds);
    b1 = dma_holds_add(&holds, 1);
    b1->endpoint = &b;
    a1 = dma_holds_add(&holds, 2);
    a1->endpoint = &a;
    a2 = dma_holds_add(&holds, 3);
    a2->endpoint = &a;
    g_assert_true(dma_holds_oldest_of(&holds, &a) == a1);
    g_assert_true(dma_holds_oldest_of(&holds, &b) == b1);
    g_assert_null(dma_holds_oldest_of(&holds, &none));
    dma_hold_free(a1);
    g_assert_true(dma_holds_oldest_of(&holds, &a) == a2);
    dma_hold_free(a2);
    g_assert_null(dma_holds_oldest_of(&holds, &a));
    dma_hold_free(b1);
}

typedef struct Flushed {
    DMAHold *hold;           /* released when asked to flush, unless NULL */
    unsigned times;
} Flushed;

static void flush(void *opaque)
{
    Flushed *f = opaque;

    f->times++;
    if (f->hold) {
        dma_hold_free(f->hold);
    }
}

static void test_flush(void)
{
    static const DMAHoldOps ops = { .flush = flush };
    Flushed f[4] = { 0 };
    DMAHold *hold[4];
    DMAHolds holds;
    int i;

    dma_holds_init(&holds);
    for (i = 0; i < 4; i++) {
        hold[i] = dma_holds_add(&holds, i + 1);
        hold[i]->ops = &ops;
        hold[i]->opaque = &f[i];
    }
    /* The first takes the second with it, the third itself. */
    f[0].hold = hold[1];
    f[2].hold = hold[2];
    dma_holds_flush(&holds, 3);
    dma_holds_flush(&holds, 3);
    g_assert_cmpuint(f[0].times, ==, 1);
    g_assert_cmpuint(f[1].times, ==, 0);
    g_assert_cmpuint(f[2].times, ==, 1);
    g_assert_cmpuint(f[3].times, ==, 0);
    dma_holds_flush(&holds, 4);
    g_assert_cmpuint(f[3].times, ==, 1);
    dma_hold_free(hold[0]);
    dma_hold_free(hold[3]);
    g_assert_null(dma_holds_oldest(&holds));
}

typedef struct Reset {
    DMAHold *hold[2];        /* released by a reset, unless NULL */
    unsigned times;
} Reset;

static bool reset(void *opaque)
{
    Reset *r = opaque;
    bool released = r->hold[0];
    int i;

    r->times++;
    for (i = 0; i < 2; i++) {
        if (r->hold[i]) {
            dma_hold_free(r->hold[i]);
            r->hold[i] = NULL;
        }
    }
    return released;
}

/* A reset ends those whose holder says so, wherever they are. */
static void test_reset(void)
{
    static const DMAHoldOps ops = { .reset = reset }, none = { };
    Reset gone = { }, stays = { };
    DMAHold *hold[5];
    DMAHolds holds;
    int i;

    dma_holds_init(&holds);
    for (i = 0; i < 5; i++) {
        hold[i] = dma_holds_add(&holds, i + 1);
    }
    hold[0]->ops = hold[2]->ops = hold[4]->ops = &ops;
    hold[1]->ops = &none;
    hold[0]->opaque = &stays;
    hold[2]->opaque = hold[4]->opaque = &gone;
    gone.hold[0] = hold[2];
    gone.hold[1] = hold[4];
    dma_holds_reset(&holds);
    g_assert_cmpuint(gone.times, ==, 1);
    g_assert_cmpuint(stays.times, >, 0);
    g_assert_true(dma_holds_oldest(&holds) == hold[0]);
    g_assert_true(dma_hold_free(hold[0]));
    g_assert_true(dma_hold_free(hold[1]));
    g_assert_true(dma_hold_free(hold[3]));
    g_assert_null(dma_holds_oldest(&holds));
    dma_holds_reset(&holds);
}

/* Against a brute-force list. */
static void test_random(void)
{
    enum { SLOTS = 64, STEPS = 20000 };
    DMAHold *held[SLOTS] = { NULL };
    bool waited[SLOTS] = { false };
    Rand rand = rand_new();
    uint64_t seq = 0;
    DMAHolds holds;
    int i, step;

    dma_holds_init(&holds);
    for (step = 0; step < STEPS; step++) {
        uint64_t oldest = UINT64_MAX;
        DMAHold *hold;

        i = rand_below(&rand, SLOTS);
        if (!held[i]) {
            seq += rand_below(&rand, 3);
            held[i] = dma_holds_add(&holds, seq);
            waited[i] = true;
        } else if (rand_below(&rand, 4) == 0) {
            dma_hold_abandon(held[i]);
            waited[i] = false;
        } else {
            g_assert_cmpint(dma_hold_free(held[i]), ==, waited[i]);
            held[i] = NULL;
        }
        for (i = 0; i < SLOTS; i++) {
            if (held[i] && waited[i]) {
                oldest = MIN(oldest, held[i]->seq);
            }
        }
        hold = dma_holds_oldest(&holds);
        g_assert_cmpuint(hold ? hold->seq : UINT64_MAX, ==, oldest);
    }
    for (i = 0; i < SLOTS; i++) {
        if (held[i]) {
            dma_hold_free(held[i]);
        }
    }
    g_assert_null(dma_holds_oldest(&holds));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/dma-hold/order", test_order);
    g_test_add_func("/dma-hold/abandon", test_abandon);
    g_test_add_func("/dma-hold/endpoints", test_endpoints);
    g_test_add_func("/dma-hold/flush", test_flush);
    g_test_add_func("/dma-hold/reset", test_reset);
    g_test_add_func("/dma-hold/random", test_random);
    return g_test_run();
}

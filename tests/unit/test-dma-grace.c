/*
 * Unit tests of RCU grace periods on demand
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The grace period is ours: it lasts as long as the test wants.
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "system/dma-grace.h"
#include "test-common.h"

static Bell begun = BELL_INIT;       /* grace periods */
static Bell let_end = BELL_INIT;
static Bell woken = BELL_INIT;
static unsigned periods;

static void await(Bell *bell, uint64_t n)
{
    uint64_t seen;

    while ((seen = bell_count(bell)) < n) {
        bell_wait(bell, seen);
    }
}

void synchronize_rcu_hurry(void)
{
    unsigned n = qatomic_fetch_inc(&periods) + 1;

    bell_ring(&begun);
    await(&let_end, n);
}

static void wake(void)
{
    bell_ring(&woken);
}

static void test_none(void)
{
    g_assert_true(dma_grace_passed(0));
    g_assert_cmpuint(qatomic_read(&periods), ==, 0);
}

static void test_tickets(void)
{
    uint64_t first, second, third;

    first = dma_grace_begin();
    g_assert_cmpuint(first, !=, 0);
    await(&begun, 1);
    g_assert_false(dma_grace_passed(first));

    /* These may have readers that the first one does not wait for. */
    second = dma_grace_begin();
    third = dma_grace_begin();
    bell_ring(&let_end);
    await(&begun, 2);
    g_assert_true(dma_grace_passed(first));
    g_assert_false(dma_grace_passed(second));
    g_assert_false(dma_grace_passed(third));
    g_assert_cmpuint(bell_count(&woken), ==, 1);

    /* They share one, after which there is nothing to do. */
    bell_ring(&let_end);
    await(&woken, 2);
    g_assert_true(dma_grace_passed(second));
    g_assert_true(dma_grace_passed(third));
    g_assert_cmpuint(qatomic_read(&periods), ==, 2);

    /* And again */
    first = dma_grace_begin();
    g_assert_false(dma_grace_passed(first));
    bell_ring(&let_end);
    await(&woken, 3);
    g_assert_true(dma_grace_passed(first));
    g_assert_cmpuint(qatomic_read(&periods), ==, 3);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    dma_grace_init(wake);
    /* There is one thread, however many units there are. */
    dma_grace_init(wake);
    g_test_add_func("/dma-grace/none", test_none);
    g_test_add_func("/dma-grace/tickets", test_tickets);
    return g_test_run();
}

/*
 * When the memory of mapping sets is freed: grace periods and the main loop are
 * the test's, and what is freed is counted
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/iommu/iopt-maps.h"
#include "hw/iommu/viommu.h"
#include "qemu/rcu.h"
#include "loop-world.h"

/* In one go of anybody: some hundred microseconds */
#define GO_MAX      4096
/* By who retires, who is in the middle of a request */
#define RETIRE_MAX  256

/* Batches of nodes, of which the test has but the numbers */
typedef struct Batch {
    unsigned nodes;
    bool unseen;             /* a grace period has passed */
} Batch;

static unsigned freed;       /* nodes, in all */
static struct rcu_head *called, *last_called;

void *iopt_maps_reclaim(void *dead, unsigned max)
{
    Batch *b = dead;
    unsigned n = MIN(b->nodes, max);

    g_assert_true(b->unseen);
    freed += n;
    b->nodes -= n;
    if (b->nodes) {
        return b;
    }
    g_free(b);
    return NULL;
}

void call_rcu1(struct rcu_head *head, void (*func)(struct rcu_head *head))
{
    head->func = func;
    head->next = NULL;
    if (called) {
        last_called->next = head;
    } else {
        called = head;
    }
    last_called = head;
}

/* Batches that no reader sees any more when the grace period ends */
static GPtrArray *waiting;

static void retire(unsigned nodes)
{
    Batch *b = g_new0(Batch, 1);

    b->nodes = nodes;
    g_ptr_array_add(waiting, b);
    viommu_maps_retire(b);
}

/* Returns: how many nodes were freed while RCU's thread had the big lock */
static unsigned grace_period(void)
{
    unsigned before = freed;

    while (waiting->len) {
        Batch *b = g_ptr_array_steal_index(waiting, 0);

        b->unseen = true;
    }
    while (called) {
        struct rcu_head *head = called;

        called = head->next;
        head->func(head);
    }
    return freed - before;
}

static void begin(void)
{
    static bool begun;

    /* The bottom half is made once. */
    if (!begun) {
        world_begin();
        waiting = g_ptr_array_new();
        begun = true;
    }
    freed = 0;
}

/* As many as there are: the callbacks of one grace period free nothing. */
static void test_callbacks(void)
{
    const unsigned n = 20000;

    begin();
    for (unsigned i = 0; i < n; i++) {
        retire(70);
    }
    g_assert_cmpuint(freed, ==, 0);
    g_assert_cmpuint(grace_period(), ==, 0);
    main_loop_all();
    g_assert_cmpuint(freed, ==, n * 70);
}

static void test_goes(void)
{
    const unsigned n = 1000000;

    begin();
    retire(n);
    retire(1);
    g_assert_cmpuint(grace_period(), ==, 0);
    while (freed < n + 1) {
        unsigned before = freed;

        g_assert_true(main_loop_once());
        g_assert_cmpuint(freed, >, before);
        g_assert_cmpuint(freed, <=, before + GO_MAX);
    }
    g_assert_false(main_loop_once());
}

/*
 * Where the main loop has no turn who retires frees more than it brings, in
 * small pieces.
 */
static void test_retiring(void)
{
    unsigned left, before, n = 0;

    begin();
    for (unsigned i = 0; i < 500; i++) {
        retire(100);
    }
    grace_period();
    for (left = 50000; left; left -= freed - before) {
        before = freed;
        retire(90);
        g_assert_cmpuint(freed - before, >, MIN(left - 1, 90));
        g_assert_cmpuint(freed - before, <=, RETIRE_MAX);
        n++;
    }
    g_assert_cmpuint(grace_period(), ==, 0);
    main_loop_all();
    g_assert_cmpuint(freed, ==, 50000 + n * 90);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/viommu-maps/callbacks", test_callbacks);
    g_test_add_func("/viommu-maps/goes", test_goes);
    g_test_add_func("/viommu-maps/retiring", test_retiring);
    return g_test_run();
}

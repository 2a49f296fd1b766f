/*
 * Random Armv8 tables, in one stage and two, against a second reading
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "iopt-random-world.h"

static void test_random(gconstpointer kind)
{
    Rand r = rand_new();
    unsigned i, j, n = GPOINTER_TO_UINT(kind);

    memset(seen_fault, 0, sizeof(seen_fault));
    memset(seen_ok, 0, sizeof(seen_ok));
    seen_writes = seen_range_leaves = 0;
    for (i = 0; i < rounds(n == 3 ? 600 : 150); i++) {
        run_random(&r, n);
    }
    for (i = 0; i <= IOPT_FAULT_ADDR_SIZE; i++) {
        g_test_message("result %u: %u, stage 2 %u, on a table %u", i,
                       seen_fault[i][0], seen_fault[i][1], seen_fault[i][2]);
        if (i == IOPT_FAULT_RESERVED) {
            continue;
        }
        g_assert_cmpuint(seen_fault[i][0], >, 0);
        /* The rarest of them take more rounds. */
        if (n == 3 && i != IOPT_OK && g_test_thorough()) {
            g_assert_cmpuint(seen_fault[i][1], >, 0);
            g_assert_cmpuint(seen_fault[i][2], >, 0);
        }
    }
    for (i = 12; i <= 16; i += 2) {
        for (j = n == 3 ? 12 : 0; j <= (n == 3 ? 16 : 0); j += 2) {
            g_test_message("granules %u, %u: %u", i, j, seen_ok[i][j]);
            g_assert_cmpuint(seen_ok[i][j], >, 0);
        }
    }
    g_test_message("%u writes, %u leaves in ranges", seen_writes,
                   seen_range_leaves);
    g_assert_cmpuint(seen_writes, >, 0);
    g_assert_cmpuint(seen_range_leaves, >, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/iopt-random/stage1", GUINT_TO_POINTER(1),
                         test_random);
    g_test_add_data_func("/iopt-random/stage2", GUINT_TO_POINTER(2),
                         test_random);
    g_test_add_data_func("/iopt-random/nested", GUINT_TO_POINTER(3),
                         test_random);
    return g_test_run();
}

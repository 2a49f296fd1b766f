/*
 * Random tables of VT-d's scalable mode, alone and nested, against a second
 * reading
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "iopt-vtd-world.h"

/*
 * What must have been met; 0 ends it.  Those after the first 0 only in a
 * thorough run: they depend on few entries of a space.
 */
static const uint8_t wanted[][20] = {
    [VTD_PGTT_FIRST] = {
        0x70, 0x71, 0x72, 0x80, 0x81, 0x85, 0x90,
    },
    [VTD_PGTT_SECOND] = {
        0x78, 0x79, 0x7a, 0x7c, 0x84, 0x85, 0x86,
    },
    [VTD_PGTT_NESTED] = {
        0x70, 0x71, 0x72, 0x77, 0x79, 0x7a, 0x7c, 0x80, 0x81, 0x85, 0x90, 0,
        0x73, 0x74, 0x75, 0x76, 0x78, 0x84, 0x86,
    },
};

static void test_random(gconstpointer data)
{
    unsigned pgtt = GPOINTER_TO_UINT(data), i;
    bool common = true;
    Rand r = rand_new();

    memset(seen_reason, 0, sizeof(seen_reason));
    seen_writes = seen_leaves = 0;
    for (i = 0; i < rounds(pgtt == VTD_PGTT_NESTED ? 500 : 200); i++) {
        run_random(&r, pgtt);
    }
    for (i = 0; i < ARRAY_SIZE(seen_reason); i++) {
        if (seen_reason[i]) {
            g_test_message("reason 0x%x: %u", i, seen_reason[i]);
        }
    }
    g_test_message("%u writes, %u leaves in ranges", seen_writes, seen_leaves);
    for (i = 0; i < ARRAY_SIZE(wanted[pgtt]); i++) {
        common = common && wanted[pgtt][i];
        if (common || g_test_thorough()) {
            g_assert_cmpuint(seen_reason[wanted[pgtt][i]], >, 0);
        }
    }
    g_assert_cmpuint(seen_reason[0], >, 0);
    g_assert_cmpuint(seen_writes, >, 0);
    g_assert_cmpuint(seen_leaves, >, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/iopt-vtd-random/first",
                         GUINT_TO_POINTER(VTD_PGTT_FIRST), test_random);
    g_test_add_data_func("/iopt-vtd-random/second",
                         GUINT_TO_POINTER(VTD_PGTT_SECOND), test_random);
    g_test_add_data_func("/iopt-vtd-random/nested",
                         GUINT_TO_POINTER(VTD_PGTT_NESTED), test_random);
    return g_test_run();
}

/*
 * Unit tests of the bookkeeping of page request groups
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/pci/prg.h"
#include "test-common.h"

static PRGs prgs;

static void test_group(void)
{
    uint32_t pasid = 0;

    prg_reset(&prgs);
    g_assert_cmpint(prg_request(&prgs, 3, 7, false, 8), ==, PRG_OK);
    g_assert_cmpint(prg_request(&prgs, 3, 8, false, 8), ==, PRG_MIXED);
    /* It is not complete, so nobody can have answered it. */
    g_assert_false(prg_response(&prgs, 3, &pasid, false));
    g_assert_cmpint(prg_request(&prgs, 3, 7, true, 8), ==, PRG_OK);
    g_assert_cmpint(prg_request(&prgs, 3, 7, true, 8), ==, PRG_BUSY);
    g_assert_cmpuint(prgs.outstanding, ==, 2);
    g_assert_true(prg_response(&prgs, 3, &pasid, false));
    g_assert_cmpuint(pasid, ==, 7);
    g_assert_cmpuint(prgs.outstanding, ==, 0);
    g_assert_false(prg_response(&prgs, 3, &pasid, false));
    /* Its index is free again, for anybody. */
    g_assert_cmpint(prg_request(&prgs, 3, 8, true, 8), ==, PRG_OK);
}

static void test_pasid(void)
{
    uint32_t pasid = 6;

    prg_reset(&prgs);
    g_assert_cmpint(prg_request(&prgs, 511, 5, true, 1), ==, PRG_OK);
    g_assert_false(prg_response(&prgs, 511, &pasid, true));
    pasid = 5;
    g_assert_false(prg_response(&prgs, 510, &pasid, true));
    /* 9 bits: not an alias of 511 */
    g_assert_false(prg_response(&prgs, 1023, &pasid, true));
    g_assert_true(prg_response(&prgs, 511, &pasid, true));
}

static void test_full(void)
{
    uint32_t pasid;
    unsigned i;

    prg_reset(&prgs);
    g_assert_cmpint(prg_request(&prgs, 0, 1, true, 0), ==, PRG_FULL);
    for (i = 0; i < 5; i++) {
        g_assert_cmpint(prg_request(&prgs, i / 2, 1, i % 2, 5), ==, PRG_OK);
    }
    g_assert_cmpint(prg_request(&prgs, 9, 1, true, 5), ==, PRG_FULL);
    g_assert_cmpint(prg_request(&prgs, 2, 1, true, 5), ==, PRG_FULL);
    g_assert_true(prg_response(&prgs, 1, &pasid, false));
    g_assert_cmpint(prg_request(&prgs, 9, 1, true, 5), ==, PRG_OK);
}

static void test_drop(void)
{
    uint32_t pasid;
    uint16_t prgi;

    prg_reset(&prgs);
    prg_request(&prgs, 1, 11, true, 9);
    prg_request(&prgs, 2, 12, false, 9);
    prg_request(&prgs, 4, 14, true, 9);
    g_assert_true(prg_take(&prgs, &prgi, &pasid));
    g_assert_cmpuint(prgi, ==, 1);
    g_assert_cmpuint(pasid, ==, 11);
    g_assert_true(prg_take(&prgs, &prgi, &pasid));
    g_assert_cmpuint(prgi, ==, 4);
    g_assert_false(prg_take(&prgs, &prgi, &pasid));
    g_assert_cmpuint(prgs.outstanding, ==, 1);
    prg_drop_open(&prgs);
    g_assert_cmpuint(prgs.outstanding, ==, 0);
    g_assert_cmpint(prg_request(&prgs, 2, 99, true, 9), ==, PRG_OK);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/prg/group", test_group);
    g_test_add_func("/prg/pasid", test_pasid);
    g_test_add_func("/prg/full", test_full);
    g_test_add_func("/prg/drop", test_drop);
    return g_test_run();
}

/*
 * Unit tests of the guess which pages to look up beside one that was missed
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "system/dma-ahead.h"
#include "test-common.h"

/* The look that the miss of @page leads to */
static void assert_looks(DMAAhead *a, uint64_t page, uint64_t first,
                         uint64_t last)
{
    uint64_t from = 0, to = 0;

    g_assert_true(dma_ahead_guess(a, page, &from, &to));
    g_assert_cmphex(from, ==, first);
    g_assert_cmphex(to, ==, last);
    dma_ahead_found(a, 1);
}

static void assert_passes(DMAAhead *a, uint64_t page)
{
    uint64_t from = 0, to = 0;

    g_assert_false(dma_ahead_guess(a, page, &from, &to));
}

/* Neighbours: the entries of a cache line, wherever in it the page is */
static void test_near(void)
{
    DMAAhead a = { 0 };

    assert_passes(&a, 1000);
    assert_looks(&a, 1003, 1000, 1007);
    assert_looks(&a, 1003 - DMA_AHEAD_NEAR, 936, 943);
    assert_looks(&a, 939 + DMA_AHEAD_NEAR, 1000, 1007);
    assert_passes(&a, 1003 + DMA_AHEAD_NEAR + 1);
    assert_passes(&a, 1003);
    assert_passes(&a, 1003 - DMA_AHEAD_NEAR - 1);
}

/* On and on: twice as far each time, up to a limit */
static void test_upwards(void)
{
    DMAAhead a = { 0 };

    assert_passes(&a, 4096);
    assert_looks(&a, 4097, 4096, 4103);
    assert_looks(&a, 4104, 4104, 4119);
    assert_looks(&a, 4120, 4120, 4151);
    assert_looks(&a, 4152, 4152, 4215);
    assert_looks(&a, 4216, 4216, 4279);
    /* Not on, but near: a line again */
    assert_looks(&a, 4270, 4264, 4271);
    assert_looks(&a, 4272, 4272, 4287);
}

static void test_downwards(void)
{
    DMAAhead a = { 0 };

    assert_passes(&a, 4100);
    assert_looks(&a, 4099, 4096, 4103);
    assert_looks(&a, 4095, 4080, 4095);
    assert_looks(&a, 4079, 4048, 4079);
    assert_looks(&a, 4047, 3984, 4047);
    assert_looks(&a, 3983, 3920, 3983);
}

/* At either end of the addresses: whatever is said has the page in it. */
static void test_ends(void)
{
    const uint64_t end = UINT64_MAX >> 12;
    uint64_t first = 0, last = 0, page;
    DMAAhead a = { 0 };

    for (page = end - 40; page <= end; page++) {
        if (dma_ahead_guess(&a, page, &first, &last)) {
            g_assert_cmphex(first, <=, page);
            g_assert_cmphex(last, >=, page);
            dma_ahead_found(&a, 1);
        }
    }
    for (page = 40; page--; ) {
        if (dma_ahead_guess(&a, page, &first, &last)) {
            g_assert_cmphex(first, <=, page);
            g_assert_cmphex(last, >=, page);
            g_assert_cmphex(last - first, <, DMA_AHEAD_MAX);
            dma_ahead_found(&a, 1);
        }
    }
}

/* How many of @n misses, each next to the one before, lead to a look in vain */
static unsigned looks_in_vain(DMAAhead *a, unsigned n)
{
    unsigned looks = 0, i;

    for (i = 0; i < n; i++) {
        uint64_t first = 0, last = 0;

        if (dma_ahead_guess(a, 5000 + i % 8, &first, &last)) {
            looks++;
            dma_ahead_found(a, 0);
        }
    }
    return looks;
}

/* Who maps one page at a time pays for a look now and then. */
static void test_in_vain(void)
{
    DMAAhead a = { 0 };

    assert_passes(&a, 5000);
    looks_in_vain(&a, 64);
    g_assert_cmpuint(looks_in_vain(&a, 10 * (DMA_AHEAD_WAIT + 1)), ==, 10);
    /* One that finds something: as if there had been none. */
    looks_in_vain(&a, 10 * (DMA_AHEAD_WAIT + 1));
    dma_ahead_found(&a, 3);
    assert_looks(&a, 5001, 5000, 5007);
    assert_looks(&a, 5002, 5000, 5007);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/dma-ahead/near", test_near);
    g_test_add_func("/dma-ahead/upwards", test_upwards);
    g_test_add_func("/dma-ahead/downwards", test_downwards);
    g_test_add_func("/dma-ahead/ends", test_ends);
    g_test_add_func("/dma-ahead/in-vain", test_in_vain);
    return g_test_run();
}

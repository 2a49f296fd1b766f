/*
 * Windows in which a cached entry is stale, against a list of everything
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/iommu/viommu-stale.h"
#include "test-common.h"

#define PAGE   12
#define LARGE  21
#define DOMAIN 0xffffffffffffff00ull

static int owners[4];

static VIOMMUStaleWindow page(uint64_t tag, uint64_t first, unsigned shift,
                         unsigned uses, int64_t when)
{
    return (VIOMMUStaleWindow) {
        .kind = VIOMMU_STALE_PAGE, .owner = &owners[0], .tag = tag,
        .first = first, .shift = shift, .iova = first + 8, .uses = uses,
        .opened = when,
    };
}

static unsigned nr_open(VIOMMUStaleWindows *w)
{
    VIOMMUStaleStats stats;
    unsigned i, n = 0;

    for (i = 0; i < VIOMMU_STALE_WINDOWS; i++) {
        n += viommu_stale_at(w, i) != NULL;
    }
    viommu_stale_stats(w, &stats);
    g_assert_cmpint(stats.open, ==, n);
    return n;
}

/* Seen twice it is one, and closes with what overlaps it. */
static void test_page(void)
{
    VIOMMUStaleWindows *w = viommu_stale_new();
    VIOMMUStaleWindow what = page(0x100, 0x200000, LARGE, 0, 5), *open;
    VIOMMUStaleStats stats;

    g_assert_cmpint(nr_open(w), ==, 0);
    open = viommu_stale_open(w, &what);
    g_assert_nonnull(open);
    g_assert_cmpint(open->uses, ==, 0);
    /* The first use is what is remembered. */
    what.uses = 1;
    what.opened = 7;
    what.iova = 0x201234;
    open = viommu_stale_open(w, &what);
    what.iova = 0x204321;
    g_assert_true(viommu_stale_open(w, &what) == open);
    g_assert_cmpint(open->uses, ==, 2);
    g_assert_cmpint(open->opened, ==, 5);
    g_assert_cmphex(open->iova, ==, 0x201234);
    g_assert_cmpint(nr_open(w), ==, 1);

    viommu_stale_close_pages(w, 0x200, DOMAIN, 0, UINT64_MAX, 8);
    viommu_stale_close_pages(w, 0x100, DOMAIN, 0x1ff000, 0x1fffff, 8);
    viommu_stale_close_pages(w, 0x100, DOMAIN, 0x400000, UINT64_MAX, 8);
    g_assert_cmpint(nr_open(w), ==, 1);
    viommu_stale_close_pages(w, 0x1ff, DOMAIN, 0x3ff000, 0x3fffff, 9);
    g_assert_cmpint(nr_open(w), ==, 0);
    viommu_stale_stats(w, &stats);
    g_assert_cmpint(stats.windows, ==, 1);
    g_assert_cmpint(stats.uses, ==, 2);
    g_assert_cmpint(stats.longest, ==, 4);
    viommu_stale_free(w);
}

/* A configuration is somebody's own. */
static void test_config(void)
{
    VIOMMUStaleWindows *w = viommu_stale_new();
    VIOMMUStaleWindow what = { .kind = VIOMMU_STALE_CONFIG, .opened = 1 };
    VIOMMUStaleStats stats;
    unsigned i;

    for (i = 0; i < 4; i++) {
        what.owner = &owners[i / 2];
        what.attrs = i % 2;
        viommu_stale_open(w, &what);
        viommu_stale_open(w, &what);
    }
    g_assert_cmpint(nr_open(w), ==, 4);
    viommu_stale_close_pages(w, 0, 0, 0, UINT64_MAX, 2);
    g_assert_cmpint(nr_open(w), ==, 4);
    viommu_stale_close_config(w, &owners[0], 1, 4);
    g_assert_cmpint(nr_open(w), ==, 3);
    viommu_stale_stats(w, &stats);
    g_assert_cmpint(stats.longest, ==, 3);
    viommu_stale_close_config(w, &owners[0], 1, 5);
    g_assert_cmpint(nr_open(w), ==, 3);
    viommu_stale_forget(w, &owners[1]);
    g_assert_cmpint(nr_open(w), ==, 1);
    viommu_stale_forget(w, &owners[0]);
    g_assert_cmpint(nr_open(w), ==, 0);
    viommu_stale_free(w);
}

/* What ended otherwise is no measure of how long an invalidation took. */
static void test_over(void)
{
    VIOMMUStaleWindows *w = viommu_stale_new();
    VIOMMUStaleWindow what = page(0x100, 0x1000, PAGE, 1, 1);
    VIOMMUStaleStats stats;

    viommu_stale_open(w, &what);
    viommu_stale_agree(w, &what);
    viommu_stale_agree(w, &what);
    g_assert_cmpint(nr_open(w), ==, 0);
    viommu_stale_open(w, &what);
    viommu_stale_clear(w);
    g_assert_cmpint(nr_open(w), ==, 0);
    viommu_stale_stats(w, &stats);
    g_assert_cmpint(stats.longest, ==, 0);
    g_assert_cmpint(stats.windows, ==, 2);
    viommu_stale_free(w);
}

static void test_full(void)
{
    VIOMMUStaleWindows *w = viommu_stale_new();
    VIOMMUStaleStats stats;
    unsigned i;

    for (i = 0; i < VIOMMU_STALE_WINDOWS + 10; i++) {
        VIOMMUStaleWindow what = page(0x100, (uint64_t)i << PAGE, PAGE, 1, i);

        g_assert_cmpint(viommu_stale_open(w, &what) != NULL, ==,
                        i < VIOMMU_STALE_WINDOWS);
    }
    g_assert_cmpint(nr_open(w), ==, VIOMMU_STALE_WINDOWS);
    viommu_stale_stats(w, &stats);
    g_assert_cmpint(stats.windows, ==, VIOMMU_STALE_WINDOWS + 10);
    viommu_stale_close_pages(w, 0, 0, 0, UINT64_MAX, 1000);
    g_assert_cmpint(nr_open(w), ==, 0);
    g_assert_cmpint(viommu_stale_bytes(), <, 64 * 1024);
    viommu_stale_free(w);
}

#define SPACE  24            /* pages, in two domains */

/* Pages open and close; an array by page says the same. */
static void test_random(void)
{
    VIOMMUStaleWindows *w = viommu_stale_new();
    int64_t opened[2][SPACE] = { 0 }, longest = 0;
    unsigned round, open = 0, i;
    VIOMMUStaleStats stats;
    Rand r = rand_new();

    for (round = 1; round < rounds(5000); round++) {
        unsigned domain = rand_below(&r, 2), at = rand_below(&r, SPACE);
        unsigned n = rand_below(&r, 3) ? 1 : 1 + rand_below(&r, SPACE - at);
        uint64_t first = (uint64_t)at << PAGE;
        VIOMMUStaleWindow what = page((domain + 1) << 8, first, PAGE, 1, round);

        if (rand_below(&r, 2)) {
            viommu_stale_open(w, &what);
            open += !opened[domain][at];
            opened[domain][at] = opened[domain][at] ?: round;
        } else {
            viommu_stale_close_pages(w, what.tag, DOMAIN, first,
                                       first + ((uint64_t)n << PAGE) - 1,
                                       round);
            for (i = at; i < at + n; i++) {
                if (opened[domain][i]) {
                    longest = MAX(longest, round - opened[domain][i]);
                    opened[domain][i] = 0;
                    open--;
                }
            }
        }
        g_assert_cmpint(nr_open(w), ==, open);
        viommu_stale_stats(w, &stats);
        g_assert_cmpint(stats.longest, ==, longest);
    }
    viommu_stale_free(w);
}

/* What a device was told is its own, by PASID and by page. */
static void test_device(void)
{
    VIOMMUStaleWindows *w = viommu_stale_new();
    VIOMMUStaleWindow what = page(0x100, 0x5000, PAGE, 1, 5);

    what.kind = VIOMMU_STALE_DEVICE;
    what.attrs = 1;
    viommu_stale_open(w, &what);
    viommu_stale_open(w, &what);
    what.attrs = 2;
    viommu_stale_open(w, &what);
    what.first = 0x6000;
    viommu_stale_open(w, &what);
    what.owner = &owners[1];
    viommu_stale_open(w, &what);
    g_assert_cmpint(nr_open(w), ==, 4);
    /* It is not closed by what closes others. */
    viommu_stale_close_pages(w, 0x100, DOMAIN, 0, UINT64_MAX, 6);
    viommu_stale_close_config(w, &owners[0], 1, 6);
    g_assert_cmpint(nr_open(w), ==, 4);
    viommu_stale_close_device(w, &owners[0], 2, 0xfffff, 0x7000, UINT64_MAX,
                              6);
    viommu_stale_close_device(w, &owners[0], 3, 0xfffff, 0, UINT64_MAX, 6);
    g_assert_cmpint(nr_open(w), ==, 4);
    viommu_stale_close_device(w, &owners[0], 2, 0xfffff, 0x6fff, 0x6fff, 6);
    g_assert_cmpint(nr_open(w), ==, 3);
    viommu_stale_close_device(w, &owners[0], 0, 0, 0, UINT64_MAX, 6);
    g_assert_cmpint(nr_open(w), ==, 1);
    viommu_stale_agree(w, &what);
    g_assert_cmpint(nr_open(w), ==, 0);
    viommu_stale_free(w);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/viommu-stale/page", test_page);
    g_test_add_func("/viommu-stale/config", test_config);
    g_test_add_func("/viommu-stale/device", test_device);
    g_test_add_func("/viommu-stale/over", test_over);
    g_test_add_func("/viommu-stale/full", test_full);
    g_test_add_func("/viommu-stale/random", test_random);
    return g_test_run();
}

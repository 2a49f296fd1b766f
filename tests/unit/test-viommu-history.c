/*
 * What was mapped a moment ago: the history against a list of everything
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/iommu/viommu-history.h"
#include "test-common.h"

#define PAGE   12
#define LARGE  21
#define DOMAIN 0xffffffffffffff00ull

static void put(VIOMMUHistory *h, uint64_t tag, uint64_t first, unsigned shift,
                uint64_t addr, int64_t when)
{
    viommu_history_mapped(h, &(VIOMMUPastPage) {
        .tag = tag, .first = first, .shift = shift, .addr = addr, .perm = 3,
        .when = when,
    });
}

static void inv(VIOMMUHistory *h, uint64_t tag, uint64_t mask, uint64_t first,
                uint64_t last, int64_t when)
{
    viommu_history_invalidated(h, &(VIOMMUPastInv) {
        .tag = tag, .tag_mask = mask, .first = first, .last = last,
        .when = when,
    });
}

static void test_nothing(void)
{
    VIOMMUHistory *h = viommu_history_new();
    VIOMMUPast past;

    g_assert_false(viommu_history_find(h, 0, 0, &past));
    g_assert_false(viommu_history_find(h, UINT64_MAX, UINT64_MAX, &past));
    g_assert_false(past.mapped || past.invalidated);
    viommu_history_free(h);
}

static void test_unmapped(void)
{
    VIOMMUHistory *h = viommu_history_new();
    VIOMMUPast past;

    put(h, 0x100, 0x5000, PAGE, 0x77000, 1);
    g_assert_true(viommu_history_find(h, 0x100, 0x5fff, &past));
    g_assert_true(past.mapped);
    g_assert_false(past.invalidated);
    g_assert_cmphex(past.page.addr, ==, 0x77000);
    /* Another domain's, and a neighbour, are none of it. */
    g_assert_false(viommu_history_find(h, 0x200, 0x5000, &past));
    g_assert_false(viommu_history_find(h, 0x100, 0x6000, &past));

    inv(h, 0x100, DOMAIN, 0x4000, 0x5fff, 5);
    inv(h, 0x200, DOMAIN, 0, UINT64_MAX, 6);
    g_assert_true(viommu_history_find(h, 0x100, 0x5000, &past));
    g_assert_true(past.mapped && past.invalidated);
    g_assert_cmpint(past.inv.when, ==, 5);
    g_assert_cmphex(past.inv.first, ==, 0x4000);
    g_assert_cmpuint(past.invs, ==, 1);
    inv(h, 0, 0, 0, UINT64_MAX, 6);
    inv(h, 0x100, DOMAIN, 0x4000, 0x4fff, 6);
    inv(h, 0x100, DOMAIN, 0x5000, 0x5fff, 6);
    g_assert_true(viommu_history_find(h, 0x100, 0x5000, &past));
    g_assert_cmpuint(past.invs, ==, 3);
    g_assert_cmphex(past.inv.first, ==, 0x5000);

    /* Mapped again: what was before is over. */
    put(h, 0x100, 0x5000, PAGE, 0x88000, 7);
    g_assert_true(viommu_history_find(h, 0x100, 0x5000, &past));
    g_assert_false(past.invalidated);
    g_assert_cmphex(past.page.addr, ==, 0x88000);
    inv(h, 0, 0, 0, UINT64_MAX, 8);
    g_assert_true(viommu_history_find(h, 0x100, 0x5000, &past));
    g_assert_true(past.invalidated);
    g_assert_cmpint(past.inv.when, ==, 8);
    g_assert_cmpuint(past.invs, ==, 1);
    viommu_history_free(h);
}

/* A page that no device has used is known of by its own invalidation alone. */
static void test_unused(void)
{
    VIOMMUHistory *h = viommu_history_new();
    VIOMMUPast past;

    inv(h, 0x100, DOMAIN, 0, UINT64_MAX, 1);
    inv(h, 0, 0, 0, UINT64_MAX, 2);
    g_assert_false(viommu_history_find(h, 0x100, 0x5000, &past));
    inv(h, 0x100, DOMAIN, 0x5000, 0x5fff, 3);
    g_assert_true(viommu_history_find(h, 0x100, 0x5000, &past));
    g_assert_false(past.mapped);
    g_assert_cmpint(past.inv.when, ==, 3);
    /* Tags that differ in what the mask leaves out are one domain's. */
    g_assert_true(viommu_history_find(h, 0x1ff, 0x5000, &past));
    g_assert_false(viommu_history_find(h, 0x200, 0x5000, &past));
    viommu_history_free(h);
}

static void test_sizes(void)
{
    VIOMMUHistory *h = viommu_history_new();
    VIOMMUPast past;

    put(h, 0x100, 0x200000, LARGE, 0x40000000, 1);
    g_assert_true(viommu_history_find(h, 0x100, 0x3ff000, &past));
    g_assert_cmpint(past.page.shift, ==, LARGE);
    put(h, 0x100, 0x3ff000, PAGE, 0x9000, 2);
    g_assert_true(viommu_history_find(h, 0x100, 0x3ff123, &past));
    g_assert_cmpint(past.page.shift, ==, PAGE);
    g_assert_true(viommu_history_find(h, 0x100, 0x3fe000, &past));
    g_assert_cmpint(past.page.shift, ==, LARGE);
    put(h, 0x100, 0x200000, LARGE, 0x80000000, 3);
    g_assert_true(viommu_history_find(h, 0x100, 0x3ff123, &past));
    g_assert_cmphex(past.page.addr, ==, 0x80000000);
    viommu_history_free(h);
}

/* The last invalidations are remembered, and no more pages than have room. */
static void test_full(void)
{
    VIOMMUHistory *h = viommu_history_new();
    unsigned i, found = 0;
    VIOMMUPast past;

    for (i = 0; i < 3 * VIOMMU_HISTORY_PAGES; i++) {
        put(h, 0x100, (uint64_t)i << PAGE, PAGE, 0, i);
        /* The newest one is always there. */
        g_assert_true(viommu_history_find(h, 0x100, (uint64_t)i << PAGE,
                                          &past));
    }
    for (i = 0; i < 3 * VIOMMU_HISTORY_PAGES; i++) {
        found += viommu_history_find(h, 0x100, (uint64_t)i << PAGE, &past);
    }
    g_assert_cmpint(found, <=, VIOMMU_HISTORY_PAGES);
    g_assert_cmpint(found, >, VIOMMU_HISTORY_PAGES / 2);

    for (i = 0; i < VIOMMU_HISTORY_INVS + 5; i++) {
        inv(h, 0x500, DOMAIN, (uint64_t)i << PAGE,
            ((uint64_t)i << PAGE) + 0xfff, i);
    }
    for (i = 0; i < VIOMMU_HISTORY_INVS + 5; i++) {
        g_assert_cmpint(viommu_history_find(h, 0x500, (uint64_t)i << PAGE,
                                            &past), ==, i >= 5);
    }
    g_assert_cmpint(viommu_history_bytes(), <, 512 * 1024);
    viommu_history_free(h);
}

/* Nothing has been invalidated since, as far as that is known. */
static void test_pending(void)
{
    VIOMMUHistory *h = viommu_history_new();
    VIOMMUPast past;
    unsigned i;

    inv(h, 0x100, DOMAIN, 0, UINT64_MAX, 1);
    put(h, 0x100, 0x200000, LARGE, 0x40000000, 2);
    g_assert_true(viommu_history_find(h, 0x100, 0x200000, &past));
    g_assert_true(viommu_history_pending(h, &past.page));
    inv(h, 0x200, DOMAIN, 0, UINT64_MAX, 3);
    inv(h, 0x100, DOMAIN, 0x1ff000, 0x1fffff, 3);
    inv(h, 0x100, DOMAIN, 0x400000, 0x400fff, 3);
    g_assert_true(viommu_history_pending(h, &past.page));
    /* Any part of the page is all of it. */
    inv(h, 0x100, DOMAIN, 0x3ff000, 0x3fffff, 4);
    g_assert_false(viommu_history_pending(h, &past.page));

    put(h, 0x100, 0x200000, LARGE, 0x40000000, 5);
    g_assert_true(viommu_history_find(h, 0x100, 0x200000, &past));
    for (i = 0; i < VIOMMU_HISTORY_INVS - 1; i++) {
        inv(h, 0x200, DOMAIN, 0, UINT64_MAX, 6);
        g_assert_true(viommu_history_pending(h, &past.page));
    }
    /* The next one takes the place of the last that is older. */
    inv(h, 0x200, DOMAIN, 0, UINT64_MAX, 6);
    g_assert_false(viommu_history_pending(h, &past.page));
    viommu_history_free(h);
}

/* Each page that is remembered is in one place. */
static void test_places(void)
{
    VIOMMUHistory *h = viommu_history_new();
    unsigned i, n = 0;

    for (i = 0; i < 100; i++) {
        put(h, 0x100, (uint64_t)(i % 50) << PAGE, PAGE, 0x1000, i);
    }
    for (i = 0; i < VIOMMU_HISTORY_PAGES; i++) {
        n += viommu_history_page_at(h, i) != NULL;
    }
    g_assert_cmpint(n, ==, 50);
    viommu_history_clear(h);
    for (i = 0; i < VIOMMU_HISTORY_PAGES; i++) {
        g_assert_null(viommu_history_page_at(h, i));
    }
    viommu_history_free(h);
}

#define SPACE  16            /* pages */
#define EVENTS 800           /* fewer than the history remembers */

typedef struct Event {
    bool is_inv;
    VIOMMUPastPage page;
    VIOMMUPastInv inv;
} Event;

/* The same by looking at everything that has happened */
static bool reference(const Event *events, unsigned n, uint64_t tag,
                      uint64_t iova, VIOMMUPast *past)
{
    memset(past, 0, sizeof(*past));
    for (unsigned i = 0; i < n; i++) {
        const Event *e = &events[i];
        const VIOMMUPastInv *v = &e->inv;

        if (!e->is_inv && e->page.tag == tag &&
            iova - e->page.first < (uint64_t)1 << e->page.shift) {
            past->mapped = true;
            past->page = e->page;
            past->invalidated = false;
        } else if (e->is_inv && !((v->tag ^ tag) & v->tag_mask) &&
                   iova >= v->first && iova <= v->last &&
                   (past->mapped || v->first || v->last != UINT64_MAX)) {
            past->invalidated = true;
            past->inv = *v;
        }
    }
    return past->mapped || past->invalidated;
}

static void random_event(Event *e, int64_t when)
{
    uint64_t page = g_test_rand_int_range(0, SPACE);

    memset(e, 0, sizeof(*e));
    e->is_inv = g_test_rand_int_range(0, 3) == 0;
    if (!e->is_inv) {
        unsigned more = g_test_rand_int_range(0, 3);

        e->page = (VIOMMUPastPage) {
            .tag = (uint64_t)g_test_rand_int_range(1, 4) << 8,
            .shift = PAGE + more,
            .first = page >> more << (PAGE + more),
            .addr = (uint64_t)g_test_rand_int() << PAGE,
            .perm = g_test_rand_int_range(1, 4),
            .when = when,
        };
        return;
    }
    e->inv = (VIOMMUPastInv) {
        .tag = (uint64_t)g_test_rand_int_range(1, 4) << 8,
        .tag_mask = DOMAIN, .first = page << PAGE,
        .last = (page << PAGE) + 0x1fff, .when = when,
    };
    if (g_test_rand_int_range(0, 4) == 0) {
        e->inv.first = 0;
        e->inv.last = UINT64_MAX;
        e->inv.tag_mask = g_test_rand_bit() ? DOMAIN : 0;
    }
}

static void test_random(void)
{
    g_autofree Event *events = g_new0(Event, EVENTS);

    for (unsigned round = 0; round < 20; round++) {
        VIOMMUHistory *h = viommu_history_new();

        for (unsigned n = 0; n < EVENTS; n++) {
            uint64_t tag = (uint64_t)g_test_rand_int_range(1, 4) << 8;
            uint64_t iova = (uint64_t)g_test_rand_int_range(0, SPACE) << PAGE;
            VIOMMUPast got, want;

            random_event(&events[n], n);
            if (events[n].is_inv) {
                viommu_history_invalidated(h, &events[n].inv);
            } else {
                viommu_history_mapped(h, &events[n].page);
            }
            g_assert_cmpint(viommu_history_find(h, tag, iova, &got), ==,
                            reference(events, n + 1, tag, iova, &want));
            g_assert_cmpint(got.mapped, ==, want.mapped);
            g_assert_cmpint(got.invalidated, ==, want.invalidated);
            if (got.mapped) {
                g_assert_cmpint(got.page.when, ==, want.page.when);
                g_assert_cmphex(got.page.addr, ==, want.page.addr);
            }
            if (got.invalidated) {
                g_assert_cmpint(got.inv.when, ==, want.inv.when);
            }
        }
        viommu_history_free(h);
    }
}

/* An invalidation of the wrong domain, in which nothing is */
static void test_astray(void)
{
    VIOMMUHistory *h = viommu_history_new();
    const VIOMMUPastPage page = {
        .tag = 0x100, .first = 0x5000, .shift = PAGE, .addr = 0x77000,
        .perm = 3, .when = 5,
    };
    VIOMMUPastInv found;

    viommu_history_mapped(h, &page);
    put(h, 0x200, 0x5000, PAGE, 0x88000, 5);
    g_assert_false(viommu_history_astray(h, &page, &found));
    /* Too early; elsewhere; right; of who has a page there; of all */
    inv(h, 0x300, DOMAIN, 0x5000, 0x5fff, 4);
    inv(h, 0x300, DOMAIN, 0x6000, 0x6fff, 6);
    inv(h, 0x100, DOMAIN, 0x5000, 0x5fff, 7);
    inv(h, 0x200, DOMAIN, 0x5000, 0x5fff, 8);
    inv(h, 0, 0, 0, UINT64_MAX, 9);
    g_assert_false(viommu_history_astray(h, &page, &found));
    inv(h, 0x300, DOMAIN, 0x5000, 0x5fff, 10);
    inv(h, 0x400, DOMAIN, 0, UINT64_MAX, 11);
    inv(h, 0x200, DOMAIN, 0, UINT64_MAX, 12);
    g_assert_true(viommu_history_astray(h, &page, &found));
    g_assert_cmphex(found.tag, ==, 0x400);
    g_assert_cmpint(found.when, ==, 11);
    viommu_history_free(h);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/viommu-history/nothing", test_nothing);
    g_test_add_func("/viommu-history/astray", test_astray);
    g_test_add_func("/viommu-history/unmapped", test_unmapped);
    g_test_add_func("/viommu-history/unused", test_unused);
    g_test_add_func("/viommu-history/sizes", test_sizes);
    g_test_add_func("/viommu-history/full", test_full);
    g_test_add_func("/viommu-history/pending", test_pending);
    g_test_add_func("/viommu-history/places", test_places);
    g_test_add_func("/viommu-history/random", test_random);
    return g_test_run();
}

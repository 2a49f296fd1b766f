/*
 * What endpoints were told by ATS, against a list of everything
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/iommu/viommu-granted.h"
#include "hw/iommu/viommu-stale.h"
#include "test-common.h"

#define PAGE   12
#define LARGE  21
#define PASID  0xfffff
#define READ   1
#define WRITE  2

static int owners[2];

static VIOMMUPastPage page(unsigned owner, uint32_t attrs, uint64_t first,
                           uint64_t addr, unsigned shift, int64_t when)
{
    return (VIOMMUPastPage) {
        .owner = &owners[owner], .attrs = attrs, .first = first, .addr = addr,
        .shift = shift, .perm = READ | WRITE, .when = when,
    };
}

static void add(VIOMMUGrants *g, VIOMMUPastPage what)
{
    viommu_grants_add(g, &what);
}

static unsigned count(const VIOMMUGrants *g)
{
    unsigned i, n = 0;

    for (i = 0; i < VIOMMU_GRANTS; i++) {
        n += viommu_grants_at(g, i) != NULL;
    }
    return n;
}

/* How many lead there, for @perm */
static unsigned lead(const VIOMMUGrants *g, unsigned owner, uint64_t addr,
                     uint8_t perm)
{
    unsigned i = 0, n = 0;

    while (viommu_grants_next(g, &owners[owner], addr, perm, &i)) {
        n++;
    }
    g_assert_cmpuint(i, ==, VIOMMU_GRANTS);
    return n;
}

static void test_next(void)
{
    VIOMMUGrants *g = viommu_grants_new();
    VIOMMUPastPage what = page(0, 2, 0x5000, 0x90000, PAGE, 4);

    g_assert_cmpuint(lead(g, 0, 0x90000, READ), ==, 0);
    add(g, page(0, 1, 0x5000, 0x90000, PAGE, 1));
    add(g, page(0, 1, 0x200000, 0x80000000, LARGE, 2));
    add(g, page(1, 1, 0x5000, 0x91000, PAGE, 3));
    what.perm = READ;
    viommu_grants_add(g, &what);
    g_assert_cmpuint(lead(g, 0, 0x90fff, READ), ==, 2);
    g_assert_cmpuint(lead(g, 0, 0x90fff, WRITE), ==, 1);
    g_assert_cmpuint(lead(g, 0, 0x8fffff, READ), ==, 0);
    g_assert_cmpuint(lead(g, 0, 0x91000, READ), ==, 0);
    g_assert_cmpuint(lead(g, 1, 0x91000, READ | WRITE), ==, 1);
    g_assert_cmpuint(lead(g, 0, 0x801fffff, READ), ==, 1);
    g_assert_cmpuint(lead(g, 0, 0x80200000, READ), ==, 0);
    /* Told again, it is what was told last. */
    add(g, page(0, 1, 0x5000, 0x70000, PAGE, 5));
    g_assert_cmpuint(lead(g, 0, 0x90000, READ), ==, 1);
    g_assert_cmpuint(lead(g, 0, 0x70000, READ), ==, 1);
    g_assert_cmpuint(count(g), ==, 4);
    viommu_grants_clear(g);
    g_assert_cmpuint(count(g), ==, 0);
    viommu_grants_free(g);
}

static void test_drop(void)
{
    VIOMMUGrants *g = viommu_grants_new();

    add(g, page(0, 1, 0x5000, 0x90000, PAGE, 1));
    add(g, page(0, 2, 0x5000, 0x91000, PAGE, 2));
    add(g, page(1, 1, 0x5000, 0x92000, PAGE, 3));
    add(g, page(0, 1, 0x200000, 0x80000000, LARGE, 4));
    viommu_grants_drop(g, &owners[0], 1, PASID, 0x6000, 0x1fffff);
    g_assert_cmpuint(viommu_grants_drop(g, &owners[0], 3, PASID, 0,
                                        UINT64_MAX), ==, 0);
    g_assert_cmpuint(count(g), ==, 4);
    viommu_grants_drop(g, &owners[0], 1, PASID, 0x3fffff, 0x400000);
    g_assert_cmpuint(lead(g, 0, 0x80000000, READ), ==, 0);
    viommu_grants_drop(g, &owners[0], 1, PASID, 0x5abc, 0x5abc);
    g_assert_cmpuint(lead(g, 0, 0x90000, READ), ==, 0);
    g_assert_cmpuint(count(g), ==, 2);
    g_assert_cmpuint(viommu_grants_drop(g, &owners[0], 0, 0, 0, UINT64_MAX),
                     ==, 1);
    g_assert_cmpuint(count(g), ==, 1);
    g_assert_cmpuint(lead(g, 1, 0x92000, READ), ==, 1);
    viommu_grants_free(g);
}

/* The oldest one goes, and only if there is no room. */
static void test_full(void)
{
    VIOMMUGrants *g = viommu_grants_new();
    unsigned i;

    for (i = 0; i < VIOMMU_GRANTS; i++) {
        add(g, page(0, 0, (uint64_t)i << PAGE, (uint64_t)i << PAGE, PAGE,
                    i == 7 ? 1 : 10 + i));
    }
    g_assert_cmpuint(count(g), ==, VIOMMU_GRANTS);
    g_assert_cmpuint(lead(g, 0, 7 << PAGE, READ), ==, 1);
    add(g, page(0, 0, 0x40000000, 0x40000000, PAGE, 1000));
    g_assert_cmpuint(lead(g, 0, 7 << PAGE, READ), ==, 0);
    g_assert_cmpuint(lead(g, 0, 0, READ), ==, 1);
    viommu_grants_drop(g, &owners[0], 0, 0, 0x5000, 0x5fff);
    add(g, page(0, 0, 0x50000000, 0x50000000, PAGE, 1001));
    g_assert_cmpuint(lead(g, 0, 0, READ), ==, 1);
    g_assert_cmpuint(count(g), ==, VIOMMU_GRANTS);
    /* What docs/system/debugging.rst says of a unit's memory */
    g_assert_cmpuint(viommu_grants_bytes() + viommu_history_bytes() +
                     viommu_stale_bytes(), <=, 360 * 1024);
    viommu_grants_free(g);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/viommu-granted/next", test_next);
    g_test_add_func("/viommu-granted/drop", test_drop);
    g_test_add_func("/viommu-granted/full", test_full);
    return g_test_run();
}

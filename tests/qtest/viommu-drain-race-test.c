/*
 * The drain against requests that come and go by themselves
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A page is replaced by another one under a request that nobody holds up, so it
 * may be not yet mapped, in flight, or over.  Whichever: once the invalidation
 * is complete the old page belongs to somebody else.
 */
#include "qemu/osdep.h"
#include "viommu-rig.h"

#define ROUNDS 150

static void replace(Rig *rig, uint64_t page, VTDScope scope)
{
    vtd_map(rig->vtd, &rig->dom, rig->data_iova, page, 1, VTD_PTE_RW);
    vtd_inv_iotlb(rig->vtd, rig->opt.form, scope, rig->dom.did,
                  scope == VTD_PAGE ? rig->data_iova : 0, 0);
}

static void test_race(const void *opaque)
{
    Rig *rig = rig_new(opaque);
    VTD *vtd = rig->vtd;
    uint64_t other = vtd_alloc(vtd, 1);
    unsigned corrupted = 0;
    int i;

    for (i = 0; i < ROUNDS; i++) {
        unsigned request = vblk_submit(rig->blk, false, RIG_SECTOR,
                                       rig->data_iova, RIG_LEN);

        replace(rig, other, VTD_GLOBAL + i % 3);
        viommu_fill(vtd, rig->page, RIG_REUSED, RIG_LEN);
        viommu_until(vtd, vblk_completed(rig->blk) == request + 1);
        g_assert_cmpint(vblk_result(rig->blk, request), ==, 0);
        corrupted += !viommu_is_filled(vtd, rig->page, RIG_REUSED, RIG_LEN);
        replace(rig, rig->page, VTD_DOMAIN);
    }
    g_test_message("%u of %d", corrupted, ROUNDS);
    if (!expect_corruption()) {
        g_assert_cmpint(corrupted, ==, 0);
    }
    vtd_assert_no_fault(vtd);
    rig_free(rig);
}

int main(int argc, char **argv)
{
    static const RigOptions variants[] = {
        { .form = VTD_REGISTER, .fast = true },
        { .form = VTD_QUEUED, .fast = true },
        { .form = VTD_REGISTER, .fast = true, .iothread = true },
        { .form = VTD_QUEUED, .fast = true, .iothread = true },
    };
    static const char *const names[] = {
        "register/main-loop", "queued/main-loop",
        "register/iothread", "queued/iothread",
    };
    size_t i;

    g_test_init(&argc, &argv, NULL);
    for (i = 0; i < G_N_ELEMENTS(variants); i++) {
        g_autofree char *path = g_strdup_printf("/viommu/drain/race/%s",
                                                names[i]);

        qtest_add_data_func(path, &variants[i], test_race);
    }
    return g_test_run();
}

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

static void replace(Rig *rig, uint64_t page, UnitScope scope)
{
    Unit *unit = rig->unit;

    unit->ops->map(unit, rig->space, rig->data_iova, page, UNIT_PAGE, UNIT_RW);
    unit_inv(unit, rig->opt.form, scope, rig->space,
             scope == UNIT_RANGE ? rig->data_iova : 0, 0);
}

static void test_race(const void *opaque)
{
    RigOptions opt = *(const RigOptions *)opaque;
    Rig *rig;
    Unit *unit;
    uint64_t other;
    unsigned corrupted = 0;
    int i;

    opt.fast = true;
    rig = rig_new(&opt);
    unit = rig->unit;
    other = unit_alloc(unit, 1);
    for (i = 0; i < ROUNDS; i++) {
        unsigned request = vblk_submit(rig->blk, false, RIG_SECTOR,
                                       rig->data_iova, RIG_LEN);

        replace(rig, other, UNIT_ALL + i % 3);
        viommu_fill(unit, rig->page, RIG_REUSED, RIG_LEN);
        viommu_until(unit, vblk_completed(rig->blk) == request + 1);
        g_assert_cmpint(vblk_result(rig->blk, request), ==, 0);
        corrupted += !viommu_is_filled(unit, rig->page, RIG_REUSED, RIG_LEN);
        replace(rig, rig->page, UNIT_SPACE);
    }
    g_test_message("%u of %d", corrupted, ROUNDS);
    if (!expect_corruption()) {
        g_assert_cmpint(corrupted, ==, 0);
    }
    unit->ops->assert_no_fault(unit);
    rig_free(rig);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    rig_add("drain/race", "replaced", false, test_race);
    /* An iothread would find no page while it is replaced. */
    if (!unit_ops()->by_request) {
        rig_add("drain/race", "replaced", true, test_race);
    }
    return g_test_run();
}

/*
 * What an invalidation waits for, and what it does not
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Only requests whose translation the tables no longer give, within what was
 * invalidated.  Anything more would stall a guest's lazy flushes on disks that
 * are merely busy.
 */
#include "qemu/osdep.h"
#include "viommu-rig.h"

#define LARGE_IOVA  0x30000000ULL

static void flush_space(Rig *rig)
{
    rig_inv(rig, UNIT_SPACE, rig->space, 0, 0);
}

static void map(Rig *rig, uint64_t iova, uint64_t gpa, uint64_t size,
                unsigned perms)
{
    rig->unit->ops->map(rig->unit, rig->space, iova, gpa, size, perms);
}

/* pending_then_done: waited for now; over once the request has ended. */
static void pending_then_done(Rig *rig)
{
    if (expect_corruption()) {
        viommu_turns(rig->unit);
        g_assert_true(rig_inv_done(rig));
        rig_release(rig);
        return;
    }
    rig_assert_pending(rig);
    rig_release(rig);
    rig_inv_wait(rig);
}

/* Does changing a page to what is as good leave what is in flight alone? */
static bool changes_in_place(void)
{
    if (unit_ops()->by_request) {
        g_test_skip("a page is changed by taking it away first");
    }
    return !unit_ops()->by_request;
}

/* What is in flight leads where it led, and whoever can see that does. */
static void done_at_once(Rig *rig)
{
    if (unit_ops()->vague) {
        rig_assert_pending(rig);
        rig_release(rig);
        rig_inv_wait(rig);
        return;
    }
    rig_assert_done(rig);
    rig_release(rig);
}

static void test_unchanged(const void *opaque)
{
    const RigOptions *opt = opaque;
    UnitScope scope;

    for (scope = UNIT_ALL; scope <= UNIT_RANGE; scope++) {
        Rig *rig = rig_new(opt);

        rig_hold(rig, false, rig->data_iova);
        rig_inv(rig, scope, rig->space,
                scope == UNIT_RANGE ? rig->data_iova : 0, 0);
        done_at_once(rig);
        g_assert_true(viommu_is_filled(rig->unit, rig->page, RIG_ON_DISK,
                                       RIG_LEN));
        rig_free(rig);
    }
}

/* A page that is in nobody's use goes away while the disk is busy. */
static void test_unrelated_page(const void *opaque)
{
    Rig *rig = rig_new(opaque);

    rig_hold(rig, false, rig->data_iova);
    unit_unmap(rig->unit, rig->space, RIG_SPARE_IOVA);
    flush_space(rig);
    done_at_once(rig);
    rig_free(rig);
}

static void test_other_scope(const void *opaque)
{
    Rig *rig = rig_new(opaque);

    rig_hold(rig, false, rig->data_iova);
    unit_unmap(rig->unit, rig->space, rig->data_iova);
    rig_inv(rig, UNIT_SPACE, rig->other, 0, 0);
    rig_assert_done(rig);
    if (!(unit_ops()->coarse_forms & 1u << rig->opt.form)) {
        rig_inv(rig, UNIT_RANGE, rig->space, rig->data_iova + UNIT_PAGE, 0);
        rig_assert_done(rig);
    }
    rig_inv(rig, UNIT_RANGE, rig->other, rig->data_iova, 0);
    rig_assert_done(rig);
    /* The page lies within the range of 16 pages. */
    rig_inv(rig, UNIT_RANGE, rig->space, rig->data_iova, 4);
    pending_then_done(rig);
    rig_free(rig);
}

typedef struct Permission {
    bool is_write;           /* a disk write: the device reads memory */
    unsigned left;           /* permissions of the page afterwards */
    bool waits;
} Permission;

static void test_permission(const void *opaque)
{
    const Permission *p = opaque;
    RigOptions opt = {
        .form = p->left == UNIT_W ? unit_ops()->write_only_form
                                  : unit_ops()->queue_form,
    };
    Rig *rig;

    if (!p->waits && !changes_in_place()) {
        return;
    }
    rig = rig_new(&opt);
    rig_hold(rig, p->is_write, rig->data_iova);
    map(rig, rig->data_iova, rig->page, UNIT_PAGE, p->left);
    flush_space(rig);
    if (p->waits) {
        pending_then_done(rig);
    } else {
        done_at_once(rig);
    }
    rig_free(rig);
}

/* A 4 KiB page becomes part of a 2 MiB one that leads to the same memory. */
static void test_same_memory(const void *opaque)
{
    Rig *rig;
    uint64_t large;

    if (!changes_in_place()) {
        return;
    }
    rig = rig_new(opaque);
    large = unit_alloc_aligned(rig->unit, UNIT_LARGE);
    map(rig, LARGE_IOVA, large, UNIT_PAGE, UNIT_RW);
    rig_hold(rig, false, LARGE_IOVA);
    map(rig, LARGE_IOVA, large, UNIT_LARGE, UNIT_RW);
    flush_space(rig);
    done_at_once(rig);
    g_assert_true(viommu_is_filled(rig->unit, large, RIG_ON_DISK, RIG_LEN));
    rig_free(rig);
}

static void test_other_memory(const void *opaque)
{
    Rig *rig = rig_new(opaque);

    rig_hold(rig, false, rig->data_iova);
    map(rig, rig->data_iova, rig->spare, UNIT_PAGE, UNIT_RW);
    flush_space(rig);
    pending_then_done(rig);
    rig_free(rig);
}

/* Of two requests in flight the second is stale: only its end counts. */
static void test_second_of_two(const void *opaque)
{
    Rig *rig = rig_new(opaque);
    Unit *unit = rig->unit;

    rig_hold(rig, false, RIG_SPARE_IOVA);
    vblk_submit(rig->blk, false, RIG_SECTOR, rig->data_iova, RIG_LEN);
    viommu_until(unit, vblk_in_flight(rig->blk) == 2);
    rig_unmap(rig, UNIT_RANGE);
    if (!expect_corruption()) {
        rig_assert_pending(rig);
        qtest_clock_step(unit->qts, RIG_RELEASE_NS);
        viommu_until(unit, vblk_completed(rig->blk) == 2);
        rig_assert_pending(rig);
        rig_release(rig);
        rig_inv_wait(rig);
    } else {
        viommu_turns(unit);
        g_assert_true(rig_inv_done(rig));
    }
    rig_free(rig);
}

/* Two requests of one page, through two IOVAs; the first to come ends. */
static Rig *shared_page(const RigOptions *opt, bool is_write, uint64_t first,
                        uint64_t second)
{
    Rig *rig = rig_new(opt);

    map(rig, RIG_SPARE_IOVA, rig->page, UNIT_PAGE, UNIT_RW);
    flush_space(rig);
    rig_inv_wait(rig);
    rig_hold(rig, is_write, first);
    vblk_submit(rig->blk, is_write, RIG_SECTOR, second, RIG_LEN);
    viommu_until(rig->unit, vblk_in_flight(rig->blk) == 2);
    return rig;
}

static void shared_page_free(Rig *rig, bool is_write)
{
    if (is_write) {
        g_assert_true(rig_disk_is(rig, RIG_BEFORE));
    } else {
        g_assert_true(viommu_is_filled(rig->unit, rig->page, RIG_ON_DISK,
                                       RIG_LEN));
    }
    rig_free(rig);
}

/* Neither the invalidation nor the drain can tell the two apart. */
static bool shared_page_is_one(const RigOptions *opt)
{
    return unit_ops()->vague && unit_ops()->coarse_forms & 1u << opt->form;
}

/*
 * Linux's zero page is mapped like that: what has ended is not waited for, and
 * is forgotten, whatever else there is of the page.
 */
static void test_shared_page(const void *opaque)
{
    unsigned is_write;

    if (shared_page_is_one(opaque)) {
        return;
    }
    for (is_write = 0; is_write < 2; is_write++) {
        Rig *rig = shared_page(opaque, is_write, RIG_DATA_IOVA,
                               RIG_SPARE_IOVA);

        qtest_clock_step(rig->unit->qts, RIG_RELEASE_NS);
        viommu_until(rig->unit, vblk_completed(rig->blk) == 2);
        rig_unmap(rig, UNIT_RANGE);
        rig_assert_done(rig);
        rig_release(rig);
        rig->unit->ops->assert_no_fault(rig->unit);
        shared_page_free(rig, is_write);
    }
}

/* The first of the two goes stale, and it alone is waited for. */
static void test_shared_page_stale(const void *opaque)
{
    unsigned is_write;

    if (shared_page_is_one(opaque)) {
        return;
    }
    for (is_write = 0; is_write < 2; is_write++) {
        Rig *rig = shared_page(opaque, is_write, RIG_DATA_IOVA,
                               RIG_SPARE_IOVA);

        rig_unmap(rig, UNIT_RANGE);
        if (expect_corruption()) {
            viommu_turns(rig->unit);
            g_assert_true(rig_inv_done(rig));
        } else {
            rig_assert_pending(rig);
        }
        /* The throttle lets one through at a time. */
        qtest_clock_step(rig->unit->qts, RIG_RELEASE_NS);
        viommu_until(rig->unit, vblk_completed(rig->blk) == 2);
        rig_inv_wait(rig);
        rig_release(rig);
        shared_page_free(rig, is_write);
    }
}

/* The device's context entry goes away: everything it maps is stale. */
static void test_detach(const void *opaque)
{
    Rig *rig = rig_new(opaque);
    Unit *unit = rig->unit;

    rig_hold(rig, false, rig->data_iova);
    unit->ops->detach_start(unit, rig->opt.form, rig->sid, rig->space);
    if (expect_corruption()) {
        viommu_turns(unit);
        g_assert_true(rig_inv_done(rig));
    } else {
        rig_assert_pending(rig);
        qtest_clock_step(unit->qts, RIG_RELEASE_NS);
        rig_inv_wait(rig);
        g_assert_true(viommu_is_filled(unit, rig->page, RIG_ON_DISK,
                                       RIG_LEN));
    }
    rig_free(rig);
}

/* Bypass to translated: not reported before untranslated DMA has ended. */
static void test_enable(const void *opaque)
{
    bool identity = GPOINTER_TO_INT(opaque);
    RigOptions opt = { .untranslated = true };
    Rig *rig = rig_new(&opt);
    Unit *unit = rig->unit;

    map(rig, rig->ring, rig->ring, UNIT_PAGE, UNIT_RW);
    if (identity) {
        map(rig, rig->page, rig->page, UNIT_PAGE, UNIT_RW);
    }
    rig_hold(rig, false, rig->page);
    unit->ops->enable_start(unit);
    viommu_turns(unit);
    if ((identity && !unit->ops->vague) || expect_corruption()) {
        viommu_until(unit, unit->ops->enabled(unit));
        rig_release(rig);
    } else {
        rig_step(rig, RIG_SHORT_NS);
        g_assert_false(unit->ops->enabled(unit));
        rig_release(rig);
        viommu_until(unit, unit->ops->enabled(unit));
    }
    g_assert_true(viommu_is_filled(unit, rig->page, RIG_ON_DISK, RIG_LEN));
    unit->ops->assert_no_fault(unit);
    rig_free(rig);
}

/*
 * A request that cannot be mapped to its end: what was mapped of it is given
 * back, copy or not, so nothing waits for it.
 */
static void test_undone(const void *opaque)
{
    RigOptions opt = {
        .form = unit_ops()->queue_form, .props = opaque,
    };
    Rig *rig = rig_new(&opt);

    vblk_submit(rig->blk, false, RIG_SECTOR, rig->data_iova, 8 * RIG_LEN);
    viommu_turns(rig->unit);
    g_assert_cmpint(vblk_completed(rig->blk), ==, 1);
    rig_unmap(rig, UNIT_RANGE);
    rig_inv_wait(rig);
    unit_unmap(rig->unit, rig->space, RIG_RING_IOVA);
    flush_space(rig);
    rig_inv_wait(rig);
    g_assert_true(viommu_is_filled(rig->unit, rig->page, RIG_BEFORE, RIG_LEN));
    g_assert_true(rig->unit->ops->drop_faults(rig->unit, rig->sid));
    rig_free(rig);
}

int main(int argc, char **argv)
{
    static const Permission keeps_write = { false, UNIT_W, false };
    static const Permission loses_write = { false, UNIT_R, true };
    static const Permission keeps_read = { true, UNIT_R, false };
    static const Permission loses_read = { true, UNIT_W, true };

    g_test_init(&argc, &argv, NULL);
    rig_add("scope", "unchanged", false, test_unchanged);
    rig_add("scope", "unrelated-page", false, test_unrelated_page);
    rig_add("scope", "other-scope", false, test_other_scope);
    rig_add("scope", "same-memory", false, test_same_memory);
    rig_add("scope", "other-memory", false, test_other_memory);
    rig_add("scope", "second-of-two", false, test_second_of_two);
    rig_add("scope", "shared-page", false, test_shared_page);
    rig_add("scope", "shared-page-stale", false, test_shared_page_stale);
    rig_add("scope", "detach", false, test_detach);
    qtest_add_data_func("/viommu/scope/permission/keeps-write", &keeps_write,
                        test_permission);
    qtest_add_data_func("/viommu/scope/permission/loses-write", &loses_write,
                        test_permission);
    qtest_add_data_func("/viommu/scope/permission/keeps-read", &keeps_read,
                        test_permission);
    qtest_add_data_func("/viommu/scope/permission/loses-read", &loses_read,
                        test_permission);
    qtest_add_data_func("/viommu/scope/enable/identity", GINT_TO_POINTER(1),
                        test_enable);
    qtest_add_data_func("/viommu/scope/enable/changed", GINT_TO_POINTER(0),
                        test_enable);
    qtest_add_data_func("/viommu/scope/undone/drain", "", test_undone);
    if (viommu_offers(unit_ops()->type, "dma-mode")) {
        qtest_add_data_func("/viommu/scope/undone/bounce", "dma-mode=bounce",
                            test_undone);
    }
    return g_test_run();
}

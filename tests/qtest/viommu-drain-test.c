/*
 * The drain: no invalidation completes while DMA still uses what it removed
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Every form of invalidation, in each direction, on each thread: a request is
 * in flight, its page is unmapped and invalidated, and the page is given to
 * somebody else the moment the unit says that it may be.
 */
#include "qemu/osdep.h"
#include "viommu-rig.h"

typedef struct Case {
    unsigned form;
    UnitScope scope;
    bool is_write;           /* a disk write: the device reads memory */
    bool iothread;
} Case;

/* The page changes hands; the device must not notice, nor be noticed. */
static void assert_untouched(Rig *rig, bool is_write)
{
    viommu_fill(rig->unit, rig->page, RIG_REUSED, RIG_LEN);
    rig_step(rig, 2 * RIG_RELEASE_NS);
    g_assert_true(viommu_is_filled(rig->unit, rig->page, RIG_REUSED, RIG_LEN));
    if (is_write) {
        g_assert_true(rig_disk_is(rig, RIG_BEFORE));
    }
}

static void see_it_drained(Rig *rig, bool is_write)
{
    rig_assert_pending(rig);
    qtest_clock_step(rig->unit->qts, RIG_RELEASE_NS);
    rig_inv_wait(rig);
    /* Complete means visible, before the driver hears of the request. */
    if (is_write) {
        g_assert_true(rig_disk_is(rig, RIG_BEFORE));
    } else {
        g_assert_true(viommu_is_filled(rig->unit, rig->page, RIG_ON_DISK,
                                       RIG_LEN));
    }
    assert_untouched(rig, is_write);
    viommu_until(rig->unit, vblk_completed(rig->blk) == 2);
    g_assert_cmpint(vblk_result(rig->blk, 1), ==, 0);
}

static void see_it_corrupted(Rig *rig, bool is_write)
{
    viommu_turns(rig->unit);
    g_assert_true(rig_inv_done(rig));
    viommu_fill(rig->unit, rig->page, RIG_REUSED, RIG_LEN);
    rig_release(rig);
    if (is_write) {
        g_assert_true(rig_disk_is(rig, RIG_REUSED));
    } else {
        g_assert_true(viommu_is_filled(rig->unit, rig->page, RIG_ON_DISK,
                                       RIG_LEN));
    }
}

static void test_drain(const void *opaque)
{
    const Case *c = opaque;
    RigOptions opt = { .form = c->form, .iothread = c->iothread };
    Rig *rig = rig_new(&opt);

    rig_hold(rig, c->is_write, rig->data_iova);
    rig_unmap(rig, c->scope);
    if (expect_corruption()) {
        see_it_corrupted(rig, c->is_write);
    } else {
        see_it_drained(rig, c->is_write);
    }
    rig->unit->ops->assert_no_fault(rig->unit);
    rig_free(rig);
}

static void add(unsigned form, UnitScope scope, bool is_write, bool iothread)
{
    static const char *const scopes[] = { "global", "domain", "page" };
    Case *c = g_new(Case, 1);
    g_autofree char *path = NULL;

    *c = (Case) { form, scope, is_write, iothread };
    path = g_strdup_printf("/viommu/drain/%s/%s/%s/%s",
                           unit_ops()->forms[form], scopes[scope],
                           is_write ? "disk-write" : "disk-read",
                           iothread ? "iothread" : "main-loop");
    qtest_add_data_func_full(path, c, test_drain, g_free);
}

int main(int argc, char **argv)
{
    unsigned form;
    int i;

    g_test_init(&argc, &argv, NULL);
    for (form = 0; unit_ops()->forms[form]; form++) {
        for (i = 0; *unit_ops()->forms[form] && i < 12; i++) {
            add(form, UNIT_ALL + i / 4, i & 2, i & 1);
        }
    }
    return g_test_run();
}

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
    VTDForm form;
    VTDScope scope;
    bool is_write;           /* a disk write: the device reads memory */
    bool iothread;
} Case;

/* The page changes hands; the device must not notice, nor be noticed. */
static void assert_untouched(Rig *rig, bool is_write)
{
    viommu_fill(rig->vtd, rig->page, RIG_REUSED, RIG_LEN);
    rig_step(rig, 2 * RIG_RELEASE_NS);
    g_assert_true(viommu_is_filled(rig->vtd, rig->page, RIG_REUSED, RIG_LEN));
    if (is_write) {
        g_assert_true(rig_disk_is(rig, RIG_BEFORE));
    }
}

static void see_it_drained(Rig *rig, bool is_write)
{
    rig_assert_pending(rig);
    qtest_clock_step(rig->vtd->qts, RIG_RELEASE_NS);
    vtd_inv_wait(rig->vtd, rig->opt.form);
    /* Complete means visible, before the driver hears of the request. */
    if (is_write) {
        g_assert_true(rig_disk_is(rig, RIG_BEFORE));
    } else {
        g_assert_true(viommu_is_filled(rig->vtd, rig->page, RIG_ON_DISK,
                                       RIG_LEN));
    }
    assert_untouched(rig, is_write);
    viommu_until(rig->vtd, vblk_completed(rig->blk) == 2);
    g_assert_cmpint(vblk_result(rig->blk, 1), ==, 0);
}

static void see_it_corrupted(Rig *rig, bool is_write)
{
    viommu_turns(rig->vtd);
    g_assert_true(rig_inv_done(rig));
    viommu_fill(rig->vtd, rig->page, RIG_REUSED, RIG_LEN);
    rig_release(rig);
    if (is_write) {
        g_assert_true(rig_disk_is(rig, RIG_REUSED));
    } else {
        g_assert_true(viommu_is_filled(rig->vtd, rig->page, RIG_ON_DISK,
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
    vtd_assert_no_fault(rig->vtd);
    rig_free(rig);
}

int main(int argc, char **argv)
{
    static const char *const forms[] = { "register", "queued" };
    static const char *const scopes[] = { "", "global", "domain", "page" };
    int i;

    g_test_init(&argc, &argv, NULL);
    for (i = 0; i < 24; i++) {
        Case *c = g_new(Case, 1);
        g_autofree char *path = NULL;

        c->iothread = i & 1;
        c->is_write = i & 2;
        c->form = i & 4 ? VTD_QUEUED : VTD_REGISTER;
        c->scope = VTD_GLOBAL + i / 8;
        path = g_strdup_printf("/viommu/drain/%s/%s/%s/%s", forms[c->form],
                               scopes[c->scope],
                               c->is_write ? "disk-write" : "disk-read",
                               c->iothread ? "iothread" : "main-loop");
        qtest_add_data_func_full(path, c, test_drain, g_free);
    }
    return g_test_run();
}

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

#define OTHER_DID   9
#define LARGE_IOVA  0x30000000ULL
#define LARGE_GPA   0x20000000ULL   /* on a 2 MiB boundary */

static const RigOptions by_register = { .form = VTD_REGISTER };
static const RigOptions by_queue = { .form = VTD_QUEUED };

static void invalidate(Rig *rig, VTDScope scope, uint16_t did, uint64_t iova,
                       int am)
{
    vtd_inv_iotlb_start(rig->vtd, rig->opt.form, scope, did, iova, am);
}

static void flush_domain(Rig *rig)
{
    invalidate(rig, VTD_DOMAIN, rig->dom.did, 0, 0);
}

/* pending_then_done: waited for now; over once the request has ended. */
static void pending_then_done(Rig *rig)
{
    if (expect_corruption()) {
        viommu_turns(rig->vtd);
        g_assert_true(rig_inv_done(rig));
        rig_release(rig);
        return;
    }
    rig_assert_pending(rig);
    rig_release(rig);
    vtd_inv_wait(rig->vtd, rig->opt.form);
}

static void done_at_once(Rig *rig)
{
    rig_assert_done(rig);
    rig_release(rig);
}

static void test_unchanged(const void *opaque)
{
    const RigOptions *opt = opaque;
    VTDScope scope;

    for (scope = VTD_GLOBAL; scope <= VTD_PAGE; scope++) {
        Rig *rig = rig_new(opt);

        rig_hold(rig, false, rig->data_iova);
        invalidate(rig, scope, rig->dom.did,
                   scope == VTD_PAGE ? rig->data_iova : 0, 0);
        done_at_once(rig);
        g_assert_true(viommu_is_filled(rig->vtd, rig->page, RIG_ON_DISK,
                                       RIG_LEN));
        rig_free(rig);
    }
}

/* A page that is in nobody's use goes away while the disk is busy. */
static void test_unrelated_page(const void *opaque)
{
    Rig *rig = rig_new(opaque);

    rig_hold(rig, false, rig->data_iova);
    vtd_unmap(rig->vtd, &rig->dom, RIG_SPARE_IOVA, 1);
    flush_domain(rig);
    done_at_once(rig);
    rig_free(rig);
}

static void test_other_scope(const void *opaque)
{
    Rig *rig = rig_new(opaque);

    rig_hold(rig, false, rig->data_iova);
    vtd_unmap(rig->vtd, &rig->dom, rig->data_iova, 1);
    invalidate(rig, VTD_DOMAIN, OTHER_DID, 0, 0);
    rig_assert_done(rig);
    invalidate(rig, VTD_PAGE, rig->dom.did, rig->data_iova + VTD_PAGE_SIZE, 0);
    rig_assert_done(rig);
    invalidate(rig, VTD_PAGE, OTHER_DID, rig->data_iova, 0);
    rig_assert_done(rig);
    /* The page lies within the range of 16 pages. */
    invalidate(rig, VTD_PAGE, rig->dom.did, rig->data_iova, 4);
    pending_then_done(rig);
    rig_free(rig);
}

typedef struct Permission {
    bool is_write;           /* a disk write: the device reads memory */
    uint64_t left;           /* permissions of the page afterwards */
    bool waits;
} Permission;

static void test_permission(const void *opaque)
{
    const Permission *p = opaque;
    Rig *rig = rig_new(&by_queue);

    rig_hold(rig, p->is_write, rig->data_iova);
    vtd_map(rig->vtd, &rig->dom, rig->data_iova, rig->page, 1, p->left);
    flush_domain(rig);
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
    Rig *rig = rig_new(opaque);
    VTD *vtd = rig->vtd;

    vtd_map(vtd, &rig->dom, LARGE_IOVA, LARGE_GPA, 1, VTD_PTE_RW);
    rig_hold(rig, false, LARGE_IOVA);
    vtd_map(vtd, &rig->dom, LARGE_IOVA, LARGE_GPA, 2, VTD_PTE_RW);
    flush_domain(rig);
    done_at_once(rig);
    g_assert_true(viommu_is_filled(vtd, LARGE_GPA, RIG_ON_DISK, RIG_LEN));
    rig_free(rig);
}

static void test_other_memory(const void *opaque)
{
    Rig *rig = rig_new(opaque);

    rig_hold(rig, false, rig->data_iova);
    vtd_map(rig->vtd, &rig->dom, rig->data_iova, rig->spare, 1, VTD_PTE_RW);
    flush_domain(rig);
    pending_then_done(rig);
    rig_free(rig);
}

/* Of two requests in flight the second is stale: only its end counts. */
static void test_second_of_two(const void *opaque)
{
    Rig *rig = rig_new(opaque);
    VTD *vtd = rig->vtd;

    rig_hold(rig, false, RIG_SPARE_IOVA);
    vblk_submit(rig->blk, false, RIG_SECTOR, rig->data_iova, RIG_LEN);
    viommu_until(vtd, vblk_in_flight(rig->blk) == 2);
    rig_unmap(rig, VTD_PAGE);
    if (!expect_corruption()) {
        rig_assert_pending(rig);
        qtest_clock_step(vtd->qts, RIG_RELEASE_NS);
        viommu_until(vtd, vblk_completed(rig->blk) == 2);
        rig_assert_pending(rig);
        rig_release(rig);
        vtd_inv_wait(vtd, rig->opt.form);
    } else {
        viommu_turns(vtd);
        g_assert_true(rig_inv_done(rig));
    }
    rig_free(rig);
}

/* The device's context entry goes away: everything it maps is stale. */
static void test_detach(const void *opaque)
{
    Rig *rig = rig_new(opaque);
    VTD *vtd = rig->vtd;

    rig_hold(rig, false, rig->data_iova);
    vtd_set_context(vtd, rig->sid, 0, 0);
    vtd_write64(vtd, VTD_CCMD, VTD_CCMD_ICC | VTD_CCMD_CIRG(VTD_PAGE) |
                (uint64_t)rig->sid << 16 | rig->dom.did);
    flush_domain(rig);
    if (expect_corruption()) {
        viommu_turns(vtd);
        g_assert_true(rig_inv_done(rig));
    } else {
        rig_assert_pending(rig);
        qtest_clock_step(vtd->qts, RIG_RELEASE_NS);
        vtd_inv_wait(vtd, rig->opt.form);
        g_assert_true(viommu_is_filled(vtd, rig->page, RIG_ON_DISK, RIG_LEN));
        viommu_until(vtd, !(vtd_read64(vtd, VTD_CCMD) & VTD_CCMD_ICC));
    }
    rig_free(rig);
}

/* Bypass to translated: TES is not reported before untranslated DMA ended. */
static void test_enable(const void *opaque)
{
    bool identity = GPOINTER_TO_INT(opaque);
    RigOptions opt = { .untranslated = true };
    Rig *rig = rig_new(&opt);
    VTD *vtd = rig->vtd;

    vtd_map(vtd, &rig->dom, rig->ring, rig->ring, 1, VTD_PTE_RW);
    if (identity) {
        vtd_map(vtd, &rig->dom, rig->page, rig->page, 1, VTD_PTE_RW);
    }
    rig_hold(rig, false, rig->page);
    vtd_set_root(vtd, vtd->root);
    vtd_gcmd(vtd, VTD_G_TE, 0);
    viommu_turns(vtd);
    if (identity || expect_corruption()) {
        viommu_until(vtd, vtd_read32(vtd, VTD_GSTS) & VTD_G_TE);
        rig_release(rig);
    } else {
        rig_step(rig, RIG_SHORT_NS);
        g_assert_false(vtd_read32(vtd, VTD_GSTS) & VTD_G_TE);
        rig_release(rig);
        viommu_until(vtd, vtd_read32(vtd, VTD_GSTS) & VTD_G_TE);
    }
    g_assert_true(viommu_is_filled(vtd, rig->page, RIG_ON_DISK, RIG_LEN));
    vtd_assert_no_fault(vtd);
    rig_free(rig);
}

/* 6.5.2.9: what is queued behind a wait is not complete before it. */
static void test_queue_order(void)
{
    Rig *rig = rig_new(&by_queue);
    VTD *vtd = rig->vtd;

    rig_hold(rig, false, rig->data_iova);
    rig_unmap(rig, VTD_DOMAIN);
    vtd_queue_put(vtd, VTD_D_WAIT_IF | VTD_D_WAIT, 0);
    vtd_queue_wait_put(vtd);
    vtd_queue_kick(vtd);
    if (expect_corruption()) {
        viommu_turns(vtd);
        g_assert_true(rig_inv_done(rig));
    } else {
        rig_assert_pending(rig);
        g_assert_cmpint(qtest_readl(vtd->qts, vtd->iq_status), !=,
                        vtd->iq_ticket - 1);
        g_assert_cmphex(vtd_read32(vtd, VTD_ICS), ==, 0);
        rig_release(rig);
        vtd_inv_wait(vtd, VTD_QUEUED);
    }
    g_assert_cmphex(vtd_read32(vtd, VTD_ICS), ==, VTD_ICS_IWC);
    g_assert_cmphex(vtd_read64(vtd, VTD_IQH), ==, vtd_read64(vtd, VTD_IQT));
    rig_free(rig);
}

/* With the drain pending the unit goes on working for everybody else. */
static void test_registers_live(void)
{
    Rig *rig = rig_new(&by_register);
    VTD *vtd = rig->vtd;
    uint64_t other = vtd_alloc(vtd, 1);

    if (expect_corruption()) {
        g_test_skip("nothing is pending there");
        rig_free(rig);
        return;
    }
    rig_hold(rig, false, rig->data_iova);
    rig_unmap(rig, VTD_DOMAIN);
    rig_assert_pending(rig);
    /* A second command while IVT is set is software's mistake. */
    vtd_write64(vtd, VTD_IOTLB, VTD_IOTLB_IVT | VTD_IOTLB_IIRG(VTD_GLOBAL));
    rig_assert_pending(rig);
    vtd_map(vtd, &rig->dom, RIG_DATA_IOVA + VTD_PAGE_SIZE, other, 1,
            VTD_PTE_RW);
    g_assert_cmphex(vtd_read32(vtd, VTD_GSTS) & VTD_G_TE, ==, VTD_G_TE);
    rig_release(rig);
    vtd_inv_wait(vtd, VTD_REGISTER);
    g_assert_cmpint(VTD_IOTLB_IAIG(vtd_read64(vtd, VTD_IOTLB)), ==,
                    VTD_DOMAIN);
    rig_free(rig);
}

static void add(const char *name, void (*fn)(const void *opaque))
{
    g_autofree char *reg = g_strdup_printf("/viommu/scope/register/%s", name);
    g_autofree char *queue = g_strdup_printf("/viommu/scope/queued/%s", name);

    qtest_add_data_func(reg, &by_register, fn);
    qtest_add_data_func(queue, &by_queue, fn);
}

int main(int argc, char **argv)
{
    static const Permission keeps_write = { false, VTD_PTE_W, false };
    static const Permission loses_write = { false, VTD_PTE_R, true };
    static const Permission keeps_read = { true, VTD_PTE_R, false };
    static const Permission loses_read = { true, VTD_PTE_W, true };

    g_test_init(&argc, &argv, NULL);
    add("unchanged", test_unchanged);
    add("unrelated-page", test_unrelated_page);
    add("other-scope", test_other_scope);
    add("same-memory", test_same_memory);
    add("other-memory", test_other_memory);
    add("second-of-two", test_second_of_two);
    qtest_add_data_func("/viommu/scope/permission/keeps-write", &keeps_write,
                        test_permission);
    qtest_add_data_func("/viommu/scope/permission/loses-write", &loses_write,
                        test_permission);
    qtest_add_data_func("/viommu/scope/permission/keeps-read", &keeps_read,
                        test_permission);
    qtest_add_data_func("/viommu/scope/permission/loses-read", &loses_read,
                        test_permission);
    qtest_add_func("/viommu/scope/queued/order", test_queue_order);
    qtest_add_func("/viommu/scope/register/live", test_registers_live);
    qtest_add_data_func("/viommu/scope/register/detach", &by_register,
                        test_detach);
    qtest_add_data_func("/viommu/scope/enable/identity", GINT_TO_POINTER(1),
                        test_enable);
    qtest_add_data_func("/viommu/scope/enable/changed", GINT_TO_POINTER(0),
                        test_enable);
    return g_test_run();
}

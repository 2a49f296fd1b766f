/*
 * A pending drain as VT-d's own registers and queue show it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "viommu-rig.h"
#include "viommu-vtd-sm.h"

static const RigOptions by_register = { .form = VTD_REGISTER };
static const RigOptions by_queue = { .form = VTD_QUEUED };

/* 6.5.2.9: what is queued behind a wait is not complete before it. */
static void test_queue_order(void)
{
    Rig *rig = rig_new(&by_queue);
    VTD *vtd = container_of(rig->unit, VTD, unit);

    rig_hold(rig, false, rig->data_iova);
    rig_unmap(rig, UNIT_SPACE);
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
    VTD *vtd = container_of(rig->unit, VTD, unit);
    uint64_t other = vtd_alloc(vtd, 1);

    if (expect_corruption()) {
        g_test_skip("nothing is pending there");
        rig_free(rig);
        return;
    }
    rig_hold(rig, false, rig->data_iova);
    rig_unmap(rig, UNIT_SPACE);
    rig_assert_pending(rig);
    /* A second command while IVT is set is software's mistake. */
    vtd_write64(vtd, VTD_IOTLB, VTD_IOTLB_IVT | VTD_IOTLB_IIRG(VTD_GLOBAL));
    rig_assert_pending(rig);
    rig->unit->ops->map(rig->unit, rig->space, RIG_DATA_IOVA + UNIT_PAGE, other,
                        UNIT_PAGE, UNIT_RW);
    g_assert_cmphex(vtd_read32(vtd, VTD_GSTS) & VTD_G_TE, ==, VTD_G_TE);
    rig_release(rig);
    vtd_inv_wait(vtd, VTD_REGISTER);
    g_assert_cmpint(VTD_IOTLB_IAIG(vtd_read64(vtd, VTD_IOTLB)), ==,
                    VTD_DOMAIN);
    rig_free(rig);
}

/*
 * The domain gets another DID while a request is in flight.  Its translation is
 * the same, so nothing is waited for; but from now on it is the new domain's,
 * and the drain of that one has to find it.
 */
static void test_renamed(void)
{
    Rig *rig = rig_new(&by_queue);
    VTD *vtd = container_of(rig->unit, VTD, unit);
    VTDDomain dom = *vtd_domain_of(rig->space);
    uint16_t was = dom.did;

    rig_hold(rig, false, rig->data_iova);
    dom.did = was + 40;
    vtd_attach(vtd, rig->sid, &dom, VTD_TT_UNTRANSLATED);
    vtd_inv_context(vtd, VTD_QUEUED, VTD_PAGE, was, rig->sid);
    vtd_inv_iotlb(vtd, VTD_QUEUED, VTD_DOMAIN, was, 0, 0);
    vtd_unmap(vtd, &dom, rig->data_iova, 1);
    vtd_inv_iotlb_start(vtd, VTD_QUEUED, VTD_DOMAIN, dom.did, 0, 0);
    if (expect_corruption()) {
        viommu_turns(vtd);
        g_assert_true(rig_inv_done(rig));
    } else {
        rig_assert_pending(rig);
        rig_release(rig);
        vtd_inv_wait(vtd, VTD_QUEUED);
    }
    rig_free(rig);
}

static bool tes(VTD *vtd)
{
    return vtd_read32(vtd, VTD_GSTS) & VTD_G_TE;
}

static void assert_tes_stays(Rig *rig, bool set)
{
    VTD *vtd = container_of(rig->unit, VTD, unit);

    viommu_turns(vtd);
    rig_step(rig, RIG_SHORT_NS);
    g_assert_cmpint(tes(vtd), ==, set);
}

/*
 * Translation off: what the tables led to is given away once TES is clear, so
 * the request that is in flight has to end first.
 */
static void test_disable(void)
{
    Rig *rig = rig_new(&by_queue);
    VTD *vtd = container_of(rig->unit, VTD, unit);

    rig_hold(rig, false, rig->data_iova);
    vtd_gcmd(vtd, 0, VTD_G_TE);
    if (expect_corruption()) {
        viommu_until(vtd, !tes(vtd));
        viommu_fill(rig->unit, rig->page, RIG_REUSED, RIG_LEN);
        rig_step(rig, RIG_RELEASE_NS);
        viommu_until(vtd, viommu_is_filled(rig->unit, rig->page, RIG_ON_DISK,
                                           RIG_LEN));
        rig_free(rig);
        return;
    }
    assert_tes_stays(rig, true);
    rig_step(rig, RIG_RELEASE_NS);
    viommu_until(vtd, !tes(vtd));
    g_assert_true(viommu_is_filled(rig->unit, rig->page, RIG_ON_DISK,
                                   RIG_LEN));
    rig_free(rig);
}

/* Translation is being turned off, and waits; or NULL, if nothing waits. */
static Rig *rig_disabling(void)
{
    Rig *rig;

    if (expect_corruption()) {
        g_test_skip("nothing is pending there");
        return NULL;
    }
    rig = rig_new(&by_queue);
    rig_hold(rig, false, rig->data_iova);
    vtd_gcmd(container_of(rig->unit, VTD, unit), 0, VTD_G_TE);
    assert_tes_stays(rig, true);
    return rig;
}

/*
 * On again while that waits, which no software should do: TES does not say that
 * it is done.  A reset then forgets all of it.
 */
static void test_disable_enable(void)
{
    Rig *rig = rig_disabling();
    VTD *vtd;

    if (!rig) {
        return;
    }
    vtd = container_of(rig->unit, VTD, unit);
    vtd_gcmd(vtd, VTD_G_TE, 0);
    assert_tes_stays(rig, false);
    /* Other commands go their way. */
    vtd_write32(vtd, VTD_GCMD, VTD_G_TE);
    viommu_until(vtd, !(vtd_read32(vtd, VTD_GSTS) & VTD_G_QIE));
    vtd_write32(vtd, VTD_GCMD, VTD_G_TE | VTD_G_SRTP);
    assert_tes_stays(rig, false);
    rig_step(rig, RIG_RELEASE_NS);
    viommu_until(vtd, tes(vtd));
    viommu_until(vtd, vtd_read32(vtd, VTD_GSTS) & VTD_G_SRTP);
    rig_free(rig);
}

static void test_disable_reset(void)
{
    Rig *rig = rig_disabling();
    VTD *vtd;

    if (!rig) {
        return;
    }
    vtd = container_of(rig->unit, VTD, unit);
    vtd_reset(vtd);
    g_assert_cmphex(vtd_read32(vtd, VTD_GSTS), ==, 0);
    rig_restart(rig);
    g_assert_true(tes(vtd));
    rig_free(rig);
}

/*
 * The machine's stop ends the request and with it the drain, so the stream says
 * that translation is off.  (What would still be pending then, which
 * vtd_pre_save() puts right, is viommu-sva-vtd-test's.)  The ring is where it
 * is without translation, so that the device goes on.
 */
static void test_disable_migrate(void)
{
    const RigOptions opt = { .form = VTD_QUEUED, .untranslated = true };
    Rig *rig;
    QTestState *to;
    VTD *vtd;

    if (expect_corruption()) {
        g_test_skip("nothing is pending there");
        return;
    }
    rig = rig_new(&opt);
    rig->data_iova = RIG_DATA_IOVA;
    rig->unit->ops->map(rig->unit, rig->space, rig->ring, rig->ring, UNIT_PAGE,
                        UNIT_RW);
    rig->unit->ops->map(rig->unit, rig->space, rig->data_iova, rig->page,
                        UNIT_PAGE, UNIT_RW);
    rig->unit->ops->enable(rig->unit, opt.form);
    rig_hold(rig, false, rig->data_iova);
    vtd_gcmd(container_of(rig->unit, VTD, unit), 0, VTD_G_TE);
    assert_tes_stays(rig, true);

    to = rig_target(rig);
    unit_load(to, unit_save(rig->unit->qts));
    rig_adopt(rig, to);
    vtd = container_of(rig->unit, VTD, unit);
    qtest_qmp_assert_success(to, "{'execute': 'cont'}");
    g_assert_false(tes(vtd));
    g_assert_true(viommu_is_filled(vtd, rig->page, RIG_ON_DISK, RIG_LEN));
    viommu_until(vtd, vblk_completed(rig->blk) == 2);
    /* What was an IOVA is an address now. */
    viommu_fill(vtd, rig->page, RIG_BEFORE, RIG_LEN);
    vblk_submit(rig->blk, false, RIG_SECTOR, rig->page, RIG_LEN);
    viommu_until(vtd, vblk_completed(rig->blk) == 3);
    g_assert_true(viommu_is_filled(vtd, rig->page, RIG_ON_DISK, RIG_LEN));
    vtd_assert_no_fault(vtd);
    rig_free(rig);
}

/*
 * Scalable mode's pass-through: what bypasses the tables is waited for, too,
 * when the PASID table's entry goes.
 */
static void test_pass_through(void)
{
    const RigOptions opt = {
        .form = VTD_QUEUED, .untranslated = true, .props = VTD_SM_ALL,
    };
    VTDSMSpace space;
    Rig *rig;
    VTD *vtd;

    if (expect_corruption()) {
        g_test_skip("nothing is pending there");
        return;
    }
    rig = rig_new(&opt);
    vtd = container_of(rig->unit, VTD, unit);
    vtd->scalable = true;
    vtd_sm_space_init(vtd, &space, VTD_SM_PASS_THROUGH, 9, 0);
    vtd_sm_attach(vtd, rig->sid, &space);
    vtd_enable(vtd, VTD_QUEUED);

    /* Nothing becomes of it by an invalidation alone. */
    rig->data_iova = rig->page;
    rig_hold(rig, false, rig->data_iova);
    vtd_sm_forget_start(vtd, &space);
    rig_assert_done(rig);
    vtd_sm_detach(vtd, rig->sid, 0);
    vtd_sm_forget_start(vtd, &space);
    rig_assert_pending(rig);
    rig_step(rig, RIG_RELEASE_NS);
    rig_inv_wait(rig);
    g_assert_true(viommu_is_filled(vtd, rig->page, RIG_ON_DISK, RIG_LEN));
    viommu_fill(vtd, rig->page, RIG_REUSED, RIG_LEN);
    rig_step(rig, RIG_RELEASE_NS);
    g_assert_true(viommu_is_filled(vtd, rig->page, RIG_REUSED, RIG_LEN));
    vtd_unit_drop_faults(rig->unit, rig->sid);
    rig_free(rig);
}

/*
 * A command that comes again and again does not put off drain-timeout: the
 * first one is timed, whatever follows.
 */
static void test_timeout_again(void)
{
    const RigOptions opt = {
        .form = VTD_QUEUED,
        .props = "drain-timeout=500,drain-stall-time=0",
    };
    Rig *rig;
    VTD *vtd;

    if (expect_corruption()) {
        g_test_skip("nothing is pending there");
        return;
    }
    rig = rig_new(&opt);
    vtd = container_of(rig->unit, VTD, unit);
    rig_hold(rig, false, rig->data_iova);
    unit_unmap(rig->unit, rig->space, rig->data_iova);
    for (int i = 0; i < 4; i++) {
        vtd_gcmd(vtd, VTD_G_SRTP, 0);
        assert_tes_stays(rig, true);
        g_assert_false(vtd_read32(vtd, VTD_GSTS) & VTD_G_SRTP);
    }
    /* 400 ms so far */
    vtd_gcmd(vtd, VTD_G_SRTP, 0);
    rig_step(rig, RIG_SHORT_NS + RIG_SHORT_NS / 2);
    viommu_until(vtd, vtd_read32(vtd, VTD_GSTS) & VTD_G_SRTP);
    g_assert_true(tes(vtd));
    rig_free(rig);
}

/*
 * One request of very much memory in pages of 4 KiB, whose translation does not
 * change: the scan for it is done in slices, and from a limit on it is waited
 * for, as if it were stale.
 */
#define BIG_IOVA    0x80000000ULL

/* Returns: the guest memory that it leads to */
static uint64_t map_big(Rig *rig, uint64_t size)
{
    VTD *vtd = container_of(rig->unit, VTD, unit);
    uint64_t gpa = QEMU_ALIGN_UP(vtd->next, UNIT_LARGE);
    uint64_t at, table[512];
    unsigned i;

    vtd->next = gpa + size;
    for (at = 0; at < size; at += UNIT_LARGE) {
        for (i = 0; i < ARRAY_SIZE(table); i++) {
            table[i] = cpu_to_le64((gpa + at + i * UNIT_PAGE) | VTD_PTE_RW);
        }
        qtest_memwrite(vtd->qts, vtd_pte(vtd, vtd_domain_of(rig->space),
                                         BIG_IOVA + at, 1),
                       table, sizeof(table));
    }
    return gpa;
}

static unsigned count_slices(const char *log)
{
    g_autofree char *text = NULL;
    unsigned n = 0;
    char *at;

    g_assert_true(g_file_get_contents(log, &text, NULL, NULL));
    for (at = text; (at = strstr(at, "dma_drain_scan ")); at++) {
        n++;
    }
    return n;
}

typedef struct Big {
    uint64_t mib;
    unsigned requests;
    unsigned slices;         /* at least */
    bool waits;
} Big;

static void test_big(const void *opaque)
{
    const Big *big = opaque;
    g_autofree char *log = NULL;
    g_autofree char *args = NULL;
    int fd = g_file_open_tmp("viommu-log-XXXXXX", &log, NULL);
    RigOptions opt = { .form = VTD_QUEUED, .image_size = 512 << 20 };
    unsigned i, before;
    Rig *rig;

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    args = g_strdup_printf("-trace dma_drain_scan -D %s", log);
    opt.args = args;
    rig = rig_new(&opt);
    map_big(rig, big->mib * big->requests << 20);
    rig_inv(rig, UNIT_ALL, rig->space, 0, 0);
    rig_inv_wait(rig);
    for (i = 0; i < big->requests; i++) {
        vblk_submit(rig->blk, false, RIG_SECTOR,
                    BIG_IOVA + i * (big->mib << 20), big->mib << 20);
    }
    viommu_until(rig->unit, vblk_in_flight(rig->blk) == big->requests);
    before = count_slices(log);
    rig_inv(rig, UNIT_SPACE, rig->space, 0, 0);
    if (big->waits && !expect_corruption()) {
        rig_assert_pending(rig);
        for (i = 0; i < big->requests; i++) {
            qtest_clock_step(rig->unit->qts, RIG_RELEASE_NS);
            viommu_turns(rig->unit);
        }
        rig_inv_wait(rig);
    } else {
        rig_assert_done(rig);
    }
    if (!expect_corruption()) {
        g_assert_cmpuint(count_slices(log) - before, >=, big->slices);
    }
    for (i = 0; i < big->requests; i++) {
        qtest_clock_step(rig->unit->qts, RIG_RELEASE_NS);
        viommu_turns(rig->unit);
    }
    rig->unit->ops->assert_no_fault(rig->unit);
    rig_free(rig);
    unlink(log);
}

/*
 * dma-mode=bounce: more than copies are made of.  The rest is guest memory, and
 * waited for; the request does not fail.
 */
static void test_bounce_limit(void)
{
    RigOptions opt = {
        .form = VTD_QUEUED, .props = "dma-mode=bounce",
        .image_size = 512 << 20,
    };
    uint64_t size = 300 << 20;
    Rig *rig = rig_new(&opt);
    uint64_t gpa;

    gpa = map_big(rig, size);
    rig_inv(rig, UNIT_ALL, rig->space, 0, 0);
    rig_inv_wait(rig);
    viommu_fill(rig->unit, gpa + size - UNIT_PAGE, RIG_BEFORE, UNIT_PAGE);
    vblk_submit(rig->blk, false, 0, BIG_IOVA, size);
    viommu_until(rig->unit, vblk_in_flight(rig->blk) == 1);
    unit_unmap(rig->unit, rig->space, BIG_IOVA + size - UNIT_PAGE);
    rig_inv(rig, UNIT_RANGE, rig->space, BIG_IOVA + size - UNIT_PAGE, 0);
    rig_assert_pending(rig);
    rig_release(rig);
    rig_inv_wait(rig);
    g_assert_true(viommu_is_filled(rig->unit, gpa, RIG_ON_DISK, UNIT_PAGE));
    g_assert_true(viommu_is_filled(rig->unit, gpa + size - UNIT_PAGE, 0,
                                   UNIT_PAGE));
    rig->unit->ops->assert_no_fault(rig->unit);
    rig_free(rig);
}

int main(int argc, char **argv)
{
    static const Big slices = { 64, 3, 2, false };
    static const Big limit = { 300, 1, 1, true };

    g_test_init(&argc, &argv, NULL);
    qtest_add_func("/viommu/scope/queued/order", test_queue_order);
    qtest_add_func("/viommu/scope/register/live", test_registers_live);
    qtest_add_func("/viommu/scope/queued/renamed", test_renamed);
    qtest_add_func("/viommu/scope/disable", test_disable);
    qtest_add_func("/viommu/scope/disable/enable", test_disable_enable);
    qtest_add_func("/viommu/scope/disable/reset", test_disable_reset);
    qtest_add_func("/viommu/scope/disable/migrate", test_disable_migrate);
    qtest_add_func("/viommu/scope/srtp/again", test_timeout_again);
    qtest_add_func("/viommu/scope/pass-through/scalable", test_pass_through);
    qtest_add_data_func("/viommu/scope/big/slices", &slices, test_big);
    qtest_add_data_func("/viommu/scope/big/limit", &limit, test_big);
    if (viommu_offers("intel-iommu", "dma-mode")) {
        qtest_add_func("/viommu/scope/big/bounced", test_bounce_limit);
    }
    return g_test_run();
}

/*
 * A pending drain as the SMMUv3's own registers and queue show it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "viommu-rig.h"
#include "viommu-smmu.h"

static SMMU *smmu_of(Rig *rig)
{
    return container_of(rig->unit, SMMU, unit);
}

/* A request in flight, its page gone, a CMD_SYNC waiting for it. */
static Rig *make_pending(void)
{
    RigOptions opt = { .form = SMMU_FORM_SYNC };
    Rig *rig = rig_new(&opt);

    rig_hold(rig, false, rig->data_iova);
    rig_unmap(rig, UNIT_RANGE);
    rig_assert_pending(rig);
    return rig;
}

/* What is behind the CMD_SYNC is not done before it. */
static void test_order(void)
{
    Rig *rig = make_pending();
    SMMU *smmu = smmu_of(rig);
    uint32_t at = smmu_read32(smmu, SMMU_CMDQ_CONS);

    smmu_irq_clear(smmu);
    smmu_cmd_put(smmu, SMMU_CMD_TLBI_NSNH_ALL, 0);
    smmu_cmd_put(smmu, SMMU_CMD_SYNC | SMMU_CMD_SYNC_CS(SMMU_SIG_IRQ), 0);
    smmu_cmd_kick(smmu);
    rig_assert_pending(rig);
    g_assert_cmphex(smmu_read32(smmu, SMMU_CMDQ_CONS), ==, at);
    g_assert_false(smmu_irq_arrived(smmu, SMMU_IRQ_CMD_SYNC));
    rig_release(rig);
    viommu_until(smmu, smmu_cmd_idle(smmu));
    g_assert_true(smmu_irq_arrived(smmu, SMMU_IRQ_CMD_SYNC));
    smmu_assert_no_event(smmu);
    rig_free(rig);
}

/* An error behind it is no error yet. */
static void test_error_behind(void)
{
    Rig *rig = make_pending();
    SMMU *smmu = smmu_of(rig);

    smmu_cmd_put(smmu, 0xff, 0);
    smmu_cmd_kick(smmu);
    rig_assert_pending(rig);
    g_assert_cmphex(smmu_read32(smmu, SMMU_GERROR), ==,
                    smmu_read32(smmu, SMMU_GERRORN));
    rig_release(rig);
    viommu_turns(smmu);
    smmu_cmd_error(smmu, SMMU_CERROR_ILL);
    rig_free(rig);
}

/* The unit goes on for everybody else: registers, events, translations. */
static void test_live(void)
{
    Rig *rig = make_pending();
    SMMU *smmu = smmu_of(rig);
    SMMUEvent e;

    g_assert_cmphex(smmu_read32(smmu, SMMU_CR0ACK), ==,
                    SMMU_CR0_SMMUEN | SMMU_CR0_CMDQEN | SMMU_CR0_EVENTQEN);
    smmu_write32(smmu, SMMU_IRQ_CTRL, 0);
    viommu_until(smmu, smmu_read32(smmu, SMMU_IRQ_CTRLACK) == 0);
    /* The queue is kicked again and again with nothing new in it. */
    smmu_cmd_kick(smmu);
    smmu_cmd_kick(smmu);
    rig_assert_pending(rig);
    rig_release(rig);
    viommu_until(smmu, smmu_cmd_idle(smmu));
    g_assert_false(smmu_event_take(smmu, &e));
    rig_free(rig);
}

/*
 * The queue is turned off with a CMD_SYNC in it that waits: whether or not it
 * is consumed first, it is not forgotten when the queue is on again.
 */
static void test_queue_off(void)
{
    Rig *rig = make_pending();
    SMMU *smmu = smmu_of(rig);
    uint32_t on = SMMU_CR0_SMMUEN | SMMU_CR0_CMDQEN | SMMU_CR0_EVENTQEN;

    smmu_write32(smmu, SMMU_CR0, on & ~SMMU_CR0_CMDQEN);
    viommu_turns(smmu);
    g_assert_false(smmu_cmd_idle(smmu));
    rig_release(rig);
    viommu_until(smmu, smmu_read32(smmu, SMMU_CR0ACK) ==
                       (on & ~SMMU_CR0_CMDQEN));
    smmu_cr0(smmu, on);
    viommu_until(smmu, smmu_cmd_idle(smmu));
    rig_free(rig);
}

/* SMMUEN off and on with the drain pending: never complete too early. */
static void test_disable(void)
{
    Rig *rig = make_pending();
    SMMU *smmu = smmu_of(rig);
    uint32_t on = SMMU_CR0_SMMUEN | SMMU_CR0_CMDQEN | SMMU_CR0_EVENTQEN;

    smmu_write32(smmu, SMMU_CR0, on & ~SMMU_CR0_SMMUEN);
    viommu_turns(smmu);
    g_assert_false(smmu_cmd_idle(smmu));
    smmu_write32(smmu, SMMU_CR0, on);
    viommu_turns(smmu);
    g_assert_false(smmu_cmd_idle(smmu));
    rig_release(rig);
    viommu_until(smmu, smmu_cmd_idle(smmu));
    viommu_until(smmu, smmu_read32(smmu, SMMU_CR0ACK) == on);
    rig_free(rig);
}

/* The CD is gone: CFGI_CD alone, without any TLBI, waits for what used it. */
static void test_cfgi_only(const void *opaque)
{
    uint8_t op = GPOINTER_TO_INT(opaque);
    RigOptions opt = { .form = SMMU_FORM_SYNC };
    Rig *rig = rig_new(&opt);
    SMMU *smmu = smmu_of(rig);
    uint64_t ste[8] = { SMMU_STE0_V | SMMU_STE0_CONFIG(SMMU_STE_ABORT) };

    rig_hold(rig, false, rig->data_iova);
    if (op == SMMU_CMD_CFGI_CD || op == SMMU_CMD_CFGI_CD_ALL) {
        uint64_t cd = qtest_readq(smmu->qts, smmu_ste(smmu, rig->sid)) &
                      0xffffffffffc0ULL;

        qtest_writeq(smmu->qts, cd, 0);
    } else {
        smmu_set_ste(smmu, rig->sid, ste);
    }
    smmu_cmd_put(smmu, op | (op == SMMU_CMD_CFGI_STE_RANGE ? 0 :
                             SMMU_CMD_SID(rig->sid)),
                 op == SMMU_CMD_CFGI_STE_RANGE ? 31 : SMMU_CMD1_LEAF);
    smmu_cmd_put(smmu, SMMU_CMD_SYNC, 0);
    smmu_cmd_kick(smmu);
    rig_assert_pending(rig);
    qtest_clock_step(smmu->qts, RIG_RELEASE_NS);
    viommu_until(smmu, smmu_cmd_idle(smmu));
    g_assert_true(viommu_is_filled(smmu, rig->page, RIG_ON_DISK, RIG_LEN));
    rig_free(rig);
}

/*
 * A page that the hardware has to mark accessed or dirty again is stale (IHI
 * 0070 3.13): what is in flight to it is waited for, and what comes later marks
 * it.
 */
#define HTTU_AF     GINT_TO_POINTER(0)
#define HTTU_DIRTY  GINT_TO_POINTER(1)

static uint64_t rig_cd(Rig *rig)
{
    SMMU *smmu = smmu_of(rig);

    return qtest_readq(smmu->qts, smmu_ste(smmu, rig->sid)) & 0xffffffffffc0ULL;
}

/* Address of the level 3 entry; 39 bits, 4 KiB pages: begins at level 1 */
static uint64_t rig_pte(Rig *rig, uint64_t iova)
{
    uint64_t table = qtest_readq(rig->unit->qts, rig_cd(rig) + 8);
    int shift;

    for (shift = 30; ; shift -= 9) {
        uint64_t at = (table & 0xfffffffff000ULL) + (iova >> shift & 511) * 8;

        if (shift == 12) {
            return at;
        }
        table = qtest_readq(rig->unit->qts, at);
    }
}

static Rig *httu_rig(void)
{
    RigOptions opt = {
        .form = SMMU_FORM_SYNC, .props = "httu=dirty", .used_apart = true,
    };
    Rig *rig = rig_new(&opt);
    SMMU *smmu = smmu_of(rig);
    uint64_t cd = rig_cd(rig);

    qtest_writeq(smmu->qts, cd, qtest_readq(smmu->qts, cd) |
                                SMMU_CD0_HA | SMMU_CD0_HD);
    smmu_cmd(smmu, SMMU_CMD_CFGI_CD | SMMU_CMD_SID(rig->sid), SMMU_CMD1_LEAF);
    return rig;
}

/* Software clears the page's access flag or dirty state. */
static void httu_clear(Rig *rig, uint64_t iova, bool dirty)
{
    uint64_t at = rig_pte(rig, iova);
    uint64_t pte = qtest_readq(rig->unit->qts, at);

    pte = dirty ? pte | LPAE_DBM | LPAE_AP_RO : pte & ~LPAE_AF;
    qtest_writeq(rig->unit->qts, at, pte);
    rig_inv(rig, UNIT_RANGE, rig->space, iova, 0);
}

static bool httu_is_marked(Rig *rig, uint64_t iova, bool dirty)
{
    uint64_t pte = qtest_readq(rig->unit->qts, rig_pte(rig, iova));

    return (pte & LPAE_AF) && (!dirty || !(pte & LPAE_AP_RO));
}

static void test_httu_in_flight(const void *opaque)
{
    bool dirty = opaque == HTTU_DIRTY;
    Rig *rig = httu_rig();

    rig_hold(rig, !dirty, rig->data_iova);
    httu_clear(rig, rig->data_iova, dirty);
    rig_assert_pending(rig);
    rig_release(rig);
    rig_inv_wait(rig);
    g_assert_false(httu_is_marked(rig, rig->data_iova, dirty));
    rig_hold(rig, !dirty, rig->data_iova);
    g_assert_true(httu_is_marked(rig, rig->data_iova, dirty));
    rig_release(rig);
    smmu_assert_no_event(smmu_of(rig));
    rig_free(rig);
}

/* Clean again: that is no matter to who only reads. */
static void test_httu_reader(void)
{
    Rig *rig = httu_rig();

    rig_hold(rig, true, rig->data_iova);
    httu_clear(rig, rig->data_iova, true);
    rig_assert_done(rig);
    rig_release(rig);
    rig_free(rig);
}

/* The used ring, whose address is kept */
static void test_httu_ring(const void *opaque)
{
    bool dirty = opaque == HTTU_DIRTY;
    Rig *rig = httu_rig();
    unsigned round;

    for (round = 0; round < 2; round++) {
        rig_hold(rig, false, rig->data_iova);
        rig_release(rig);
        httu_clear(rig, RIG_USED_IOVA, dirty);
        rig_inv_wait(rig);
        g_assert_false(httu_is_marked(rig, RIG_USED_IOVA, dirty));
        rig_hold(rig, false, rig->data_iova);
        rig_release(rig);
        g_assert_true(httu_is_marked(rig, RIG_USED_IOVA, dirty));
    }
    smmu_assert_no_event(smmu_of(rig));
    rig_free(rig);
}

/* A stream whose accesses are made privileged is in its space all the same. */
static void test_privcfg(const void *opaque)
{
    UnitScope scope = GPOINTER_TO_INT(opaque);
    RigOptions opt = {
        .form = SMMU_FORM_SYNC, .props = "attr-perms-ovr=on",
    };
    Rig *rig = rig_new(&opt);
    SMMU *smmu = smmu_of(rig);
    uint64_t ste = smmu_ste(smmu, rig->sid);

    qtest_writeq(smmu->qts, ste + 8, qtest_readq(smmu->qts, ste + 8) |
                                     SMMU_STE1_PRIVCFG(SMMU_PRIVCFG_PRIV));
    smmu_cmd(smmu, SMMU_CMD_CFGI_STE | SMMU_CMD_SID(rig->sid),
             SMMU_CMD1_LEAF);
    rig_hold(rig, false, rig->data_iova);
    rig_unmap(rig, scope);
    rig_assert_pending(rig);
    rig_release(rig);
    rig_inv_wait(rig);
    rig_free(rig);
}

/*
 * CD.TBI0: the device uses the page under a tag, which the invalidation by
 * address does not name.
 */
static void test_tbi(void)
{
    RigOptions opt = { .form = SMMU_FORM_SYNC };
    Rig *rig = rig_new(&opt);
    SMMU *smmu = smmu_of(rig);
    uint64_t cd = qtest_readq(smmu->qts, smmu_ste(smmu, rig->sid)) &
                  0xffffffffffc0ULL;

    qtest_writeq(smmu->qts, cd, qtest_readq(smmu->qts, cd) | SMMU_CD0_TBI0);
    smmu_cmd(smmu, SMMU_CMD_CFGI_CD | SMMU_CMD_SID(rig->sid), SMMU_CMD1_LEAF);
    rig_hold(rig, false, rig->data_iova | 0x5aULL << 56);
    rig_unmap(rig, UNIT_RANGE);
    rig_assert_pending(rig);
    rig_release(rig);
    rig_inv_wait(rig);
    g_assert_true(viommu_is_filled(smmu, rig->page, RIG_ON_DISK, RIG_LEN));
    rig_free(rig);
}

/* Stage 2 takes the page away beneath a stage 1 that still has it. */
static void test_stage2_beneath(void)
{
    RigOptions opt = { .form = SMMU_FORM_NESTED };
    Rig *rig = rig_new(&opt);
    SMMU *smmu = smmu_of(rig);
    uint64_t ste = smmu_ste(smmu, rig->sid);
    uint64_t vmid = qtest_readw(smmu->qts, ste + 16);
    SMMUTable t = {
        .stage = 2, .granule = 12, .bits = 40, .start = 1,
        .root = qtest_readq(smmu->qts, ste + 24) & LPAE_ADDR,
    };

    rig_hold(rig, false, rig->data_iova);
    /* The gigabyte around the page: other memory, or none */
    qtest_writeq(smmu->qts, smmu_pte(smmu, &t, rig->page, 1), 0);
    smmu_cmd_put(smmu, SMMU_CMD_TLBI_S2_IPA | SMMU_CMD_VMID(vmid),
                 rig->page & LPAE_ADDR);
    smmu_cmd_put(smmu, SMMU_CMD_TLBI_NH_ALL | SMMU_CMD_VMID(vmid), 0);
    smmu_cmd_put(smmu, SMMU_CMD_SYNC, 0);
    smmu_cmd_kick(smmu);
    rig_assert_pending(rig);
    qtest_clock_step(smmu->qts, RIG_RELEASE_NS);
    viommu_until(smmu, smmu_cmd_idle(smmu));
    g_assert_true(viommu_is_filled(smmu, rig->page, RIG_ON_DISK, RIG_LEN));
    rig_free(rig);
}

/* 6.3.14, bypass to abort: Update is clear when what bypassed has ended. */
static void test_gbpa(void)
{
    const RigOptions opt = { .untranslated = true };
    Rig *rig = rig_new(&opt);
    SMMU *smmu = container_of(rig->unit, SMMU, unit);

    rig_hold(rig, false, rig->data_iova);
    smmu_write32(smmu, SMMU_GBPA, SMMU_GBPA_UPDATE | SMMU_GBPA_ABORT);
    if (!expect_corruption()) {
        viommu_turns(smmu);
        rig_step(rig, RIG_SHORT_NS);
        g_usleep(200 * 1000);    /* more than an RCU grace period */
        g_assert_cmphex(smmu_read32(smmu, SMMU_GBPA), ==,
                        SMMU_GBPA_UPDATE | SMMU_GBPA_ABORT);
        /* A second write is ignored. */
        smmu_write32(smmu, SMMU_GBPA, SMMU_GBPA_UPDATE);
        g_assert_cmphex(smmu_read32(smmu, SMMU_GBPA), ==,
                        SMMU_GBPA_UPDATE | SMMU_GBPA_ABORT);
    }
    rig_step(rig, RIG_RELEASE_NS);
    viommu_until(smmu, smmu_read32(smmu, SMMU_GBPA) == SMMU_GBPA_ABORT);
    rig_free(rig);
}

/* SMMUEN 1 to 0, 6.3.9: acknowledged when what was translated has ended. */

#define ON (SMMU_CR0_SMMUEN | SMMU_CR0_CMDQEN | SMMU_CR0_EVENTQEN)
#define OFF (ON & ~SMMU_CR0_SMMUEN)

/*
 * Translation on, with the ring where it is without, so that the device goes
 * on when translation is off; and a request in flight for a page that is not.
 */
static Rig *make_translated(void)
{
    const RigOptions opt = { .untranslated = true };
    Rig *rig = rig_new(&opt);
    Unit *unit = rig->unit;

    rig->data_iova = RIG_DATA_IOVA;
    unit->ops->map(unit, rig->space, rig->ring, rig->ring, UNIT_PAGE,
                   UNIT_RW);
    unit->ops->map(unit, rig->space, rig->data_iova, rig->page, UNIT_PAGE,
                   UNIT_RW);
    unit->ops->enable(unit, SMMU_FORM_SYNC);
    rig_hold(rig, false, rig->data_iova);
    return rig;
}

/* CR0ACK does not become what CR0 says as long as the request is there. */
static void assert_cr0_pending(Rig *rig, uint32_t cr0)
{
    SMMU *smmu = smmu_of(rig);

    if (expect_corruption()) {
        return;
    }
    viommu_turns(smmu);
    rig_step(rig, RIG_SHORT_NS);
    g_assert_cmphex(smmu_read32(smmu, SMMU_CR0), ==, cr0);
    g_assert_cmphex(smmu_read32(smmu, SMMU_CR0ACK), ==,
                    cr0 ^ SMMU_CR0_SMMUEN);
}

/* The request ends, and nothing else has to happen. */
static void see_cr0_acked(Rig *rig, uint32_t cr0)
{
    SMMU *smmu = smmu_of(rig);

    rig_step(rig, RIG_RELEASE_NS);
    viommu_until(smmu, smmu_read32(smmu, SMMU_CR0ACK) == cr0);
    g_assert_true(viommu_is_filled(smmu, rig->page, RIG_ON_DISK, RIG_LEN));
}

static void test_off(void)
{
    Rig *rig = make_translated();
    SMMU *smmu = smmu_of(rig);
    uint64_t strtab = smmu_read64(smmu, SMMU_STRTAB_BASE);

    smmu_write32(smmu, SMMU_CR0, OFF);
    assert_cr0_pending(rig, OFF);
    /* It is in use as long as it is not acknowledged (6.3.24). */
    smmu_write64(smmu, SMMU_STRTAB_BASE, 0);
    g_assert_cmphex(smmu_read64(smmu, SMMU_STRTAB_BASE), ==, strtab);
    see_cr0_acked(rig, OFF);
    smmu_write64(smmu, SMMU_STRTAB_BASE, 0);
    g_assert_cmphex(smmu_read64(smmu, SMMU_STRTAB_BASE), ==, 0);
    rig_free(rig);
}

/* Nothing in flight: at once; and likewise when all is turned off together. */
static void test_off_idle(void)
{
    const RigOptions opt = { .form = SMMU_FORM_SYNC };
    Rig *rig = rig_new(&opt);
    SMMU *smmu = smmu_of(rig);

    smmu_cr0(smmu, 0);
    smmu_cr0(smmu, ON);
    smmu_cr0(smmu, OFF);
    rig_free(rig);
}

/* Written back, again and again, while it waits: the last one counts. */
static void test_off_on(void)
{
    Rig *rig = make_translated();
    SMMU *smmu = smmu_of(rig);

    for (int i = 0; i < 3; i++) {
        smmu_write32(smmu, SMMU_CR0, OFF);
        assert_cr0_pending(rig, OFF);
        /* The page is not mapped any more: it is as stale as before. */
        unit_unmap(rig->unit, rig->space, rig->data_iova);
        smmu_write32(smmu, SMMU_CR0, ON);
        assert_cr0_pending(rig, ON);
    }
    see_cr0_acked(rig, ON);
    rig_free(rig);
}

/* GBPA, too, waits for what is still being translated. */
static void test_off_gbpa(void)
{
    Rig *rig = make_translated();
    SMMU *smmu = smmu_of(rig);

    smmu_write32(smmu, SMMU_CR0, OFF);
    assert_cr0_pending(rig, OFF);
    smmu_write32(smmu, SMMU_GBPA, SMMU_GBPA_UPDATE | SMMU_GBPA_ABORT);
    assert_cr0_pending(rig, OFF);
    if (!expect_corruption()) {
        g_assert_cmphex(smmu_read32(smmu, SMMU_GBPA), ==,
                        SMMU_GBPA_UPDATE | SMMU_GBPA_ABORT);
    }
    see_cr0_acked(rig, OFF);
    viommu_until(smmu, smmu_read32(smmu, SMMU_GBPA) == SMMU_GBPA_ABORT);
    rig_free(rig);
}

/* From translation to abort (GBPA.ABORT was set before) is no different. */
static void test_off_to_abort(void)
{
    Rig *rig = make_translated();
    SMMU *smmu = smmu_of(rig);

    smmu_write32(smmu, SMMU_GBPA, SMMU_GBPA_UPDATE | SMMU_GBPA_ABORT);
    g_assert_cmphex(smmu_read32(smmu, SMMU_GBPA), ==, SMMU_GBPA_ABORT);
    smmu_write32(smmu, SMMU_CR0, OFF);
    assert_cr0_pending(rig, OFF);
    see_cr0_acked(rig, OFF);
    rig_free(rig);
}

static void test_off_reset(void)
{
    Rig *rig = make_translated();
    SMMU *smmu = smmu_of(rig);

    smmu_write32(smmu, SMMU_CR0, OFF);
    assert_cr0_pending(rig, OFF);
    smmu_reset(smmu);
    g_assert_cmphex(smmu_read32(smmu, SMMU_CR0), ==, 0);
    g_assert_cmphex(smmu_read32(smmu, SMMU_CR0ACK), ==, 0);
    rig_step(rig, RIG_RELEASE_NS);
    g_assert_cmphex(smmu_read32(smmu, SMMU_CR0ACK), ==, 0);
    rig_free(rig);
}

/* The stream says that it is off; so it is there. */
static void test_off_migrate(void)
{
    Rig *rig = make_translated();
    QTestState *to = rig_target(rig);
    SMMU *smmu = smmu_of(rig);

    smmu_write32(smmu, SMMU_CR0, OFF);
    assert_cr0_pending(rig, OFF);
    unit_load(to, unit_save(smmu->qts));
    rig_adopt(rig, to);
    smmu = smmu_of(rig);
    qtest_qmp_assert_success(to, "{'execute': 'cont'}");
    g_assert_cmphex(smmu_read32(smmu, SMMU_CR0ACK), ==, OFF);
    g_assert_true(viommu_is_filled(smmu, rig->page, RIG_ON_DISK, RIG_LEN));
    viommu_until(smmu, vblk_completed(rig->blk) == 2);
    /* An IOVA is an address now; the ring is where it was. */
    viommu_fill(smmu, rig->page, RIG_BEFORE, RIG_LEN);
    vblk_submit(rig->blk, false, RIG_SECTOR, rig->page, RIG_LEN);
    viommu_until(smmu, vblk_completed(rig->blk) == 3);
    g_assert_true(viommu_is_filled(smmu, rig->page, RIG_ON_DISK, RIG_LEN));
    rig->unit->ops->assert_no_fault(rig->unit);
    rig_free(rig);
}

/* What a migration starts with: nothing waits in a machine that stands. */
static void test_off_stop(void)
{
    Rig *rig = make_translated();
    SMMU *smmu = smmu_of(rig);

    smmu_write32(smmu, SMMU_CR0, OFF);
    assert_cr0_pending(rig, OFF);
    qtest_qmp_assert_success(smmu->qts, "{'execute': 'stop'}");
    viommu_until(smmu, smmu_read32(smmu, SMMU_CR0ACK) == OFF);
    g_assert_true(viommu_is_filled(smmu, rig->page, RIG_ON_DISK, RIG_LEN));
    qtest_qmp_assert_success(smmu->qts, "{'execute': 'cont'}");
    g_assert_cmphex(smmu_read32(smmu, SMMU_CR0ACK), ==, OFF);
    rig_free(rig);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("/viommu/smmu/drain/order", test_order);
    qtest_add_func("/viommu/smmu/drain/error-behind", test_error_behind);
    qtest_add_func("/viommu/smmu/drain/live", test_live);
    qtest_add_func("/viommu/smmu/drain/queue-off", test_queue_off);
    qtest_add_func("/viommu/smmu/drain/disable", test_disable);
    qtest_add_func("/viommu/smmu/drain/tbi", test_tbi);
    qtest_add_func("/viommu/smmu/drain/stage-2-beneath",
                   test_stage2_beneath);
    qtest_add_data_func("/viommu/smmu/drain/privcfg/all",
                        GINT_TO_POINTER(UNIT_ALL), test_privcfg);
    qtest_add_data_func("/viommu/smmu/drain/privcfg/asid",
                        GINT_TO_POINTER(UNIT_SPACE), test_privcfg);
    qtest_add_data_func("/viommu/smmu/drain/privcfg/va",
                        GINT_TO_POINTER(UNIT_RANGE), test_privcfg);
    qtest_add_data_func("/viommu/smmu/drain/cfgi/ste",
                        GINT_TO_POINTER(SMMU_CMD_CFGI_STE), test_cfgi_only);
    qtest_add_data_func("/viommu/smmu/drain/cfgi/all",
                        GINT_TO_POINTER(SMMU_CMD_CFGI_STE_RANGE),
                        test_cfgi_only);
    qtest_add_data_func("/viommu/smmu/drain/cfgi/cd",
                        GINT_TO_POINTER(SMMU_CMD_CFGI_CD), test_cfgi_only);
    qtest_add_data_func("/viommu/smmu/drain/cfgi/cd-all",
                        GINT_TO_POINTER(SMMU_CMD_CFGI_CD_ALL),
                        test_cfgi_only);
    if (viommu_offers("arm-smmuv3", "httu")) {
        qtest_add_data_func("/viommu/smmu/drain/httu/in-flight/accessed",
                            HTTU_AF, test_httu_in_flight);
        qtest_add_data_func("/viommu/smmu/drain/httu/in-flight/dirty",
                            HTTU_DIRTY, test_httu_in_flight);
        qtest_add_func("/viommu/smmu/drain/httu/reader", test_httu_reader);
        qtest_add_data_func("/viommu/smmu/drain/httu/ring/accessed", HTTU_AF,
                            test_httu_ring);
        qtest_add_data_func("/viommu/smmu/drain/httu/ring/dirty", HTTU_DIRTY,
                            test_httu_ring);
    }
    qtest_add_func("/viommu/smmu/drain/gbpa", test_gbpa);
    qtest_add_func("/viommu/smmu/drain/off/waits", test_off);
    qtest_add_func("/viommu/smmu/drain/off/idle", test_off_idle);
    qtest_add_func("/viommu/smmu/drain/off/on-again", test_off_on);
    qtest_add_func("/viommu/smmu/drain/off/gbpa", test_off_gbpa);
    qtest_add_func("/viommu/smmu/drain/off/to-abort", test_off_to_abort);
    qtest_add_func("/viommu/smmu/drain/off/reset", test_off_reset);
    qtest_add_func("/viommu/smmu/drain/off/stop", test_off_stop);
    qtest_add_func("/viommu/smmu/drain/off/migrate", test_off_migrate);
    return g_test_run();
}

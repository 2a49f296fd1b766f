/*
 * SMMUv3 events: each of them with its fields, and the queue they go to
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Section 7.  Faults of translations are in viommu-smmu-translate-test, too.
 */
#include "qemu/osdep.h"
#include "viommu-flood.h"
#include "viommu-smmu-bench.h"

#define IOVA        0x40200000ULL
#define UNMAPPED    0x70000000ULL
#define NOWHERE     0x7000000000ULL     /* no memory and no device is there */
#define IN          SMMU_CLASS_IN

static SBench *stage1_bench(const char *props)
{
    SBench *b = sb_new(props, "");

    sb_stage1(b, 12, 39);
    smmu_map(b->smmu, &b->s1, IOVA, SB_BLOCK_GPA, 3,
             smmu_leaf(&b->s1, UNIT_RW));
    sb_enable(b);
    sb_works(b, IOVA, SB_BLOCK_GPA);
    return b;
}

/* Most events have nothing but a type and a stream. */
static void see_bare_event(SBench *b, uint8_t type)
{
    int is_read;

    for (is_read = 0; is_read < 2; is_read++) {
        SMMUEvent e;

        sb_touch(b, is_read, IOVA);
        e = smmu_assert_event(b->smmu, type, SB_SID);
        g_assert_cmpint(SMMU_EVENT_SSV(&e), ==, 0);
    }
}

static void test_bad_streamid(void)
{
    SBench *b = stage1_bench("");

    smmu_cr0(b->smmu, SMMU_CR0_CMDQEN | SMMU_CR0_EVENTQEN);
    smmu_write32(b->smmu, SMMU_STRTAB_BASE_CFG, SMMU_STRTAB_LINEAR(5));
    smmu_inv_everything(b->smmu);
    smmu_cr0(b->smmu, SMMU_CR0_SMMUEN | SMMU_CR0_CMDQEN | SMMU_CR0_EVENTQEN);
    see_bare_event(b, SMMU_EVT_C_BAD_STREAMID);
    sb_free(b);
}

/* CR2.RECINVSID = 0: it is not to be recorded. */
static void test_recinvsid(void)
{
    SBench *b = stage1_bench("");

    smmu_cr0(b->smmu, SMMU_CR0_CMDQEN | SMMU_CR0_EVENTQEN);
    smmu_write32(b->smmu, SMMU_STRTAB_BASE_CFG, SMMU_STRTAB_LINEAR(5));
    smmu_write32(b->smmu, SMMU_CR2, 0);
    smmu_inv_everything(b->smmu);
    smmu_cr0(b->smmu, SMMU_CR0_SMMUEN | SMMU_CR0_CMDQEN | SMMU_CR0_EVENTQEN);
    viommu_fill(b->smmu, SB_BLOCK_GPA, SB_BLANK, 8);
    sb_touch(b, false, IOVA);
    g_assert_true(viommu_is_filled(b->smmu, SB_BLOCK_GPA, SB_BLANK, 8));
    smmu_assert_no_event(b->smmu);
    sb_free(b);
}

static void test_ste_fetch(void)
{
    SBench *b = stage1_bench("");
    SMMUEvent e;

    smmu_cr0(b->smmu, SMMU_CR0_CMDQEN | SMMU_CR0_EVENTQEN);
    smmu_write64(b->smmu, SMMU_STRTAB_BASE, NOWHERE);
    smmu_inv_everything(b->smmu);
    smmu_cr0(b->smmu, SMMU_CR0_SMMUEN | SMMU_CR0_CMDQEN | SMMU_CR0_EVENTQEN);
    sb_touch(b, true, IOVA);
    e = smmu_assert_event(b->smmu, SMMU_EVT_F_STE_FETCH, SB_SID);
    g_assert_cmphex(e.dw[3], ==, NOWHERE + SB_SID * SMMU_STE_SIZE);
    sb_free(b);
}

static void test_bad_ste(void)
{
    SBench *b = stage1_bench("");

    b->ste[0] &= ~SMMU_STE0_V;
    sb_update(b);
    see_bare_event(b, SMMU_EVT_C_BAD_STE);
    sb_free(b);
}

static void test_cd_fetch(void)
{
    SBench *b = stage1_bench("");
    SMMUEvent e;

    smmu_make_ste(b->ste, SMMU_STE_S1, NOWHERE, NULL, SB_VMID);
    sb_update(b);
    sb_touch(b, true, IOVA);
    e = smmu_assert_event(b->smmu, SMMU_EVT_F_CD_FETCH, SB_SID);
    g_assert_cmphex(e.dw[3], ==, NOWHERE);
    sb_free(b);
}

static void test_bad_cd(void)
{
    SBench *b = stage1_bench("");

    b->cd[0] &= ~SMMU_CD0_V;
    sb_update(b);
    see_bare_event(b, SMMU_EVT_C_BAD_CD);
    sb_free(b);
}

static void test_walk_eabt(void)
{
    SBench *b = stage1_bench("");
    uint64_t table = smmu_pte(b->smmu, &b->s1, UNMAPPED, 2);

    qtest_writeq(b->smmu->qts, table, NOWHERE | LPAE_TABLE);
    sb_inv(b);
    for (int is_read = 0; is_read < 2; is_read++) {
        SMMUEvent e;

        sb_touch(b, is_read, UNMAPPED + 0x123004);
        e = smmu_assert_event(b->smmu, SMMU_EVT_F_WALK_EABT, SB_SID);
        g_assert_cmpint(SMMU_EVENT_RNW(&e), ==, is_read);
        g_assert_cmpint(SMMU_EVENT_S2(&e), ==, 0);
        g_assert_cmpint(SMMU_EVENT_CLASS(&e), ==, SMMU_CLASS_TT);
        g_assert_cmphex(e.dw[2], ==, UNMAPPED + 0x123004);
        g_assert_cmphex(e.dw[3], ==, NOWHERE + 0x123 * 8);
    }
    /* It is no fault of a translation: CD.R does not count. */
    b->cd[0] &= ~SMMU_CD0_R;
    sb_update(b);
    sb_touch(b, true, UNMAPPED);
    smmu_assert_event(b->smmu, SMMU_EVT_F_WALK_EABT, SB_SID);
    sb_free(b);
}

static void test_walk_eabt_stage2(void)
{
    SBench *b = sb_new("", "");
    uint64_t table;
    SMMUEvent e;

    sb_stage2(b, 12, 40);
    sb_enable(b);
    table = smmu_pte(b->smmu, &b->s2, UNMAPPED, 2);
    qtest_writeq(b->smmu->qts, table, NOWHERE | LPAE_TABLE);
    sb_inv(b);
    sb_touch(b, false, UNMAPPED + 0x123004);
    e = smmu_assert_event(b->smmu, SMMU_EVT_F_WALK_EABT, SB_SID);
    g_assert_cmpint(SMMU_EVENT_S2(&e), ==, 1);
    g_assert_cmphex(e.dw[2], ==, UNMAPPED + 0x123004);
    g_assert_cmphex(e.dw[3], ==, NOWHERE + 0x123 * 8);
    sb_free(b);
}

/* CD.R and STE.S2R: a fault of that stage is recorded or not. */
static void test_record(void)
{
    SBench *b = sb_new("", "");
    uint64_t ipa = SB_OFFSET + SB_BLOCK_GPA;

    sb_nested(b, 12, 39, 12, 40);
    smmu_map(b->smmu, &b->s1, IOVA, ipa, 3, smmu_leaf(&b->s1, UNIT_RW));
    sb_enable(b);
    sb_faults(b, IOVA, SMMU_EVT_F_TRANSLATION, IN, true, ipa);
    b->cd[0] &= ~SMMU_CD0_R;
    sb_update(b);
    sb_faults(b, IOVA, SMMU_EVT_F_TRANSLATION, IN, true, ipa);
    sb_touch(b, true, UNMAPPED);
    smmu_assert_no_event(b->smmu);
    b->cd[0] |= SMMU_CD0_R;
    b->ste[2] &= ~SMMU_STE2_R;
    sb_update(b);
    sb_touch(b, true, IOVA);
    smmu_assert_no_event(b->smmu);
    sb_faults(b, UNMAPPED, SMMU_EVT_F_TRANSLATION, IN, false, 0);
    sb_free(b);
}

/* What is read on behalf of stage 1 has its class. */
static void test_classes(void)
{
    SBench *b = sb_new("", "");
    uint64_t far = SB_OFFSET * 4;

    sb_nested(b, 12, 39, 12, 40);
    sb_enable(b);
    /* An entry that leads to a table which stage 2 does not know */
    qtest_writeq(b->smmu->qts, smmu_pte(b->smmu, &b->s1, UNMAPPED, 2),
                 far | LPAE_TABLE);
    sb_inv(b);
    sb_faults(b, UNMAPPED + 0x5000, SMMU_EVT_F_TRANSLATION, SMMU_CLASS_TT,
              true, far + 5 * 8);
    /* The root itself */
    b->cd[1] = far;
    sb_update(b);
    sb_faults(b, IOVA, SMMU_EVT_F_TRANSLATION, SMMU_CLASS_TT, true, far);
    /* The context descriptor */
    smmu_make_ste(b->ste, SMMU_STE_NESTED, far, &b->s2, SB_VMID);
    sb_update(b);
    sb_faults(b, IOVA, SMMU_EVT_F_TRANSLATION, SMMU_CLASS_CD, true, far);
    /* STE.S2R is about this fault of stage 2, too. */
    b->ste[2] &= ~SMMU_STE2_R;
    sb_update(b);
    sb_touch(b, true, IOVA);
    smmu_assert_no_event(b->smmu);
    sb_free(b);
}

/*
 * STE.S2PTW: what is fetched for stage 1, be it a table or a descriptor, is not
 * fetched from Device memory.
 */
static void test_ptw(void)
{
    SBench *b = sb_new("", "");
    uint64_t far = SB_OFFSET * 4;
    uint64_t device;
    SMMUEvent e;

    sb_nested(b, 12, 39, 12, 40);
    smmu_map(b->smmu, &b->s1, IOVA, SB_OFFSET + SB_BLOCK_GPA, 3,
             smmu_leaf(&b->s1, UNIT_RW));
    device = smmu_leaf(&b->s2, UNIT_RW) & ~(0xfULL << 2);
    smmu_map(b->smmu, &b->s2, SB_OFFSET + SB_BLOCK_GPA, SB_BLOCK_GPA, 3,
             smmu_leaf(&b->s2, UNIT_RW));
    smmu_map(b->smmu, &b->s2, far, b->cd_gpa, 3, device);
    smmu_map(b->smmu, &b->s2, far + UNIT_PAGE, b->s1.root, 3, device);
    b->ste[2] |= SMMU_STE2_PTW;
    sb_update(b);
    sb_enable(b);
    sb_works(b, IOVA, SB_BLOCK_GPA);

    /* The root of stage 1: it was a read of it (TTRnW). */
    b->cd[1] = far + UNIT_PAGE;
    sb_update(b);
    sb_touch(b, false, IOVA);
    e = smmu_assert_event(b->smmu, SMMU_EVT_F_PERMISSION, SB_SID);
    g_assert_cmpint(SMMU_EVENT_CLASS(&e), ==, SMMU_CLASS_TT);
    g_assert_cmpint(SMMU_EVENT_S2(&e), ==, 1);
    g_assert_cmpint(e.dw[1] >> 44 & 1, ==, 1);
    g_assert_cmphex(e.dw[3], ==, far + UNIT_PAGE);
    b->ste[2] &= ~SMMU_STE2_PTW;
    sb_update(b);
    sb_works(b, IOVA, SB_BLOCK_GPA);

    /* The context descriptor, likewise */
    b->ste[0] = SMMU_STE0_V | SMMU_STE0_CONFIG(SMMU_STE_NESTED) |
                (far + b->cd_gpa % UNIT_PAGE);
    sb_update(b);
    sb_works(b, IOVA, SB_BLOCK_GPA);
    b->ste[2] |= SMMU_STE2_PTW;
    sb_update(b);
    sb_faults(b, IOVA, SMMU_EVT_F_PERMISSION, SMMU_CLASS_CD, true, far);
    sb_free(b);
}

/*
 * 3.4: an address that bypasses is not beyond the output size.  With substreams
 * an endpoint is always translated, so that such an access is recorded.
 */
static void test_bypass_size(void)
{
    SBench *b;

    if (!viommu_offers("arm-smmuv3", "ssidsize")) {
        g_test_skip("no substreams");
        return;
    }
    b = sb_new("ssidsize=4", "");
    smmu_make_ste(b->ste, SMMU_STE_BYPASS, 0, NULL, 0);
    sb_update(b);
    sb_enable(b);
    edu_store(b->edu, SB_BLOCK_GPA, 8);
    smmu_assert_no_event(b->smmu);
    sb_touch(b, false, 1ULL << 44);
    smmu_assert_fault(b->smmu, SMMU_EVT_F_ADDR_SIZE, SB_SID, false, IN, false,
                      1ULL << 44, 0);
    sb_free(b);
}

/* F_ADDR_SIZE of stage 2 for an IPA that stage 1 may put out, but is too big */
static void test_ipa_size(void)
{
    SBench *b = sb_new("", "");
    uint64_t ipa = 1ULL << 41;

    sb_nested(b, 12, 39, 12, 40);
    smmu_map(b->smmu, &b->s1, IOVA, ipa, 3, smmu_leaf(&b->s1, UNIT_RW));
    sb_enable(b);
    sb_faults(b, IOVA, SMMU_EVT_F_TRANSLATION, IN, true, ipa);
    sb_free(b);
}

/* The address is the access's own, not its page's. */
static void test_input_addr(void)
{
    SBench *b = stage1_bench("");
    static const uint64_t offsets[] = { 0, 4, 8, 0x1fc, 0xffc };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(offsets); i++) {
        sb_faults(b, UNMAPPED + offsets[i], SMMU_EVT_F_TRANSLATION, IN, false,
                  0);
    }
    sb_free(b);
}

static uint32_t eventq_prod(SBench *b)
{
    return smmu_read32(b->smmu, SMMU_PAGE1 + SMMU_EVENTQ_PROD);
}

/*
 * 7.4: one more than there is room for, and the queue says so; what was in it
 * stays, and it goes on when it is acknowledged.
 */
static void test_overflow(void)
{
    SBench *b = stage1_bench("");
    unsigned size = 1u << SMMU_EVENTQ_LOG2, i;
    SMMUEvent e;

    for (int round = 0; round < 2; round++) {
        uint32_t flag = round ? SMMU_EVENTQ_OVFLG : 0;

        for (i = 0; i < size; i++) {
            sb_touch(b, true, UNMAPPED + i * UNIT_PAGE);
        }
        g_assert_cmphex(eventq_prod(b) & SMMU_EVENTQ_OVFLG, ==, flag);
        sb_touch(b, true, UNMAPPED + i * UNIT_PAGE);
        sb_touch(b, true, UNMAPPED + i * UNIT_PAGE);
        g_assert_cmphex(eventq_prod(b) & SMMU_EVENTQ_OVFLG, ==,
                        flag ^ SMMU_EVENTQ_OVFLG);
        g_assert_cmphex(smmu_read32(b->smmu, SMMU_GERROR), ==,
                        smmu_read32(b->smmu, SMMU_GERRORN));
        for (i = 0; i < size; i++) {
            g_assert_true(smmu_event_take(b->smmu, &e));
            g_assert_cmphex(e.dw[2], ==, UNMAPPED + i * UNIT_PAGE);
        }
        smmu_assert_no_event(b->smmu);
        sb_faults(b, UNMAPPED, SMMU_EVT_F_TRANSLATION, IN, false, 0);
    }
    sb_free(b);
}

/* While an overflow is not acknowledged there is room, but nothing is told. */
static void test_overflow_unacknowledged(void)
{
    SBench *b = stage1_bench("");
    unsigned size = 1u << SMMU_EVENTQ_LOG2, i;
    uint32_t prod;

    for (i = 0; i < size + 3; i++) {
        sb_touch(b, true, UNMAPPED + i * UNIT_PAGE);
    }
    prod = eventq_prod(b);
    g_assert_cmphex(prod & SMMU_EVENTQ_OVFLG, ==, SMMU_EVENTQ_OVFLG);
    /* Room for four, with OVACKFLG as it was: writes go on (7.4). */
    smmu_write32(b->smmu, SMMU_PAGE1 + SMMU_EVENTQ_CONS, 4);
    sb_touch(b, true, UNMAPPED);
    g_assert_cmphex(eventq_prod(b), ==, prod + 1);
    /* Full again: the flag stays as it is, since it is not acknowledged. */
    for (i = 0; i < 5; i++) {
        sb_touch(b, true, UNMAPPED);
    }
    g_assert_cmphex(eventq_prod(b), ==, prod + 4);
    sb_free(b);
}

/* More events than the queue has room for, taken one by one */
static void test_wrap(void)
{
    SBench *b = stage1_bench("");
    int i;

    for (i = 0; i < 70; i++) {
        sb_fault(b, i & 1, UNMAPPED + i * UNIT_PAGE, SMMU_EVT_F_TRANSLATION,
                 IN, false, 0);
    }
    sb_free(b);
}

/* A queue of one event */
static void test_tiny_queue(void)
{
    SBench *b = sb_new("", "");
    int i;

    b->smmu->eventq_log2 = 0;
    sb_stage1(b, 12, 39);
    sb_enable(b);
    for (i = 0; i < 5; i++) {
        sb_fault(b, true, UNMAPPED + i * UNIT_PAGE, SMMU_EVT_F_TRANSLATION,
                 IN, false, 0);
    }
    sb_touch(b, true, UNMAPPED);
    sb_touch(b, true, UNMAPPED);
    g_assert_cmphex(eventq_prod(b) & SMMU_EVENTQ_OVFLG, ==,
                    SMMU_EVENTQ_OVFLG);
    sb_free(b);
}

/*
 * Events of other threads, more than there is room for, while the main loop
 * does not come to writing them: the run is one write of a register.
 */
static void test_overflow_threads(void)
{
    SBench *b = sb_new("", FLOOD_DEVICE);
    unsigned size = 1u << SMMU_EVENTQ_LOG2, i;
    SMMUEvent e;
    Flood f;

    flood_open(&f, b->smmu->bus);
    sb_stage1(b, 12, 39);
    smmu_set_ste(b->smmu, FLOOD_SID, b->ste);
    sb_enable(b);
    for (int round = 0; round < 2; round++) {
        uint32_t flag = round ? 0 : SMMU_EVENTQ_OVFLG;

        flood_run(&f, 2, UNMAPPED, size);
        viommu_until(b->smmu, (eventq_prod(b) & SMMU_EVENTQ_OVFLG) == flag);
        for (i = 0; i < size; i++) {
            g_assert_true(smmu_event_take(b->smmu, &e));
            g_assert_cmphex(SMMU_EVENT_SID(&e), ==, FLOOD_SID);
            g_assert_cmphex(SMMU_EVENT_TYPE(&e), ==, SMMU_EVT_F_TRANSLATION);
        }
        smmu_assert_no_event(b->smmu);
    }
    /* As many as there is room for are no overflow. */
    flood_run(&f, 2, UNMAPPED, size / 2);
    viommu_until(b->smmu, (eventq_prod(b) ^ b->smmu->eventq_cons) == size);
    for (i = 0; i < size; i++) {
        g_assert_true(smmu_event_take(b->smmu, &e));
    }
    smmu_assert_no_event(b->smmu);
    g_assert_cmphex(eventq_prod(b) & SMMU_EVENTQ_OVFLG, ==, 0);
    flood_close(&f);
    sb_free(b);
}

#define LONG_LOG2   18

/*
 * More events than are written in one go: a CMD_SYNC is consumed when all those
 * before it are in the queue (4.7.3), and is behind them when another turns the
 * queue off and on.
 */
static void test_sync_behind(void)
{
    const unsigned threads = 2, each = 80000;
    SBench *b = sb_new("", FLOOD_DEVICE);
    const uint32_t mask = (2u << LONG_LOG2) - 1;
    uint32_t before;
    Flood f;

    flood_open(&f, b->smmu->bus);
    b->smmu->eventq_log2 = LONG_LOG2;
    b->smmu->eventq = unit_alloc_aligned(
        &b->smmu->unit, sizeof(SMMUEvent) << b->smmu->eventq_log2);
    sb_stage1(b, 12, 39);
    smmu_set_ste(b->smmu, FLOOD_SID, b->ste);
    sb_enable(b);
    for (unsigned i = 0; i < 3; i++) {
        flood_run(&f, threads, UNMAPPED, each);
        smmu_cmd_put(b->smmu, SMMU_CMD_SYNC, 0);
        smmu_cmd_kick(b->smmu);
        before = (eventq_prod(b) - b->smmu->eventq_cons) & mask;
        if (i == 1) {
            smmu_cr0(b->smmu, SMMU_CR0_SMMUEN | SMMU_CR0_EVENTQEN);
            smmu_cr0(b->smmu, SMMU_CR0_SMMUEN | SMMU_CR0_EVENTQEN |
                              SMMU_CR0_CMDQEN);
        }
        viommu_until(b->smmu, smmu_cmd_idle(b->smmu));
        /* Nothing but the number of turns says how many there were before. */
        g_test_message("%u of %u events were there before it", before,
                       threads * each);
        g_assert_cmpuint((eventq_prod(b) - b->smmu->eventq_cons) & mask, ==,
                         threads * each);
        b->smmu->eventq_cons = eventq_prod(b);
        smmu_write32(b->smmu, SMMU_PAGE1 + SMMU_EVENTQ_CONS,
                     b->smmu->eventq_cons);
    }
    flood_close(&f);
    sb_free(b);
}

/* A queue that is turned off is told no more, nor is it once it is on again. */
static void test_off_behind(void)
{
    SBench *b = sb_new("", FLOOD_DEVICE);
    uint32_t prod;
    Flood f;

    flood_open(&f, b->smmu->bus);
    b->smmu->eventq_log2 = LONG_LOG2;
    b->smmu->eventq = unit_alloc_aligned(
        &b->smmu->unit, sizeof(SMMUEvent) << b->smmu->eventq_log2);
    sb_stage1(b, 12, 39);
    smmu_set_ste(b->smmu, FLOOD_SID, b->ste);
    sb_enable(b);
    flood_run(&f, 2, UNMAPPED, 80000);
    smmu_cr0(b->smmu, SMMU_CR0_SMMUEN | SMMU_CR0_CMDQEN);
    prod = eventq_prod(b);
    smmu_cr0(b->smmu, SMMU_CR0_SMMUEN | SMMU_CR0_CMDQEN | SMMU_CR0_EVENTQEN);
    smmu_inv_everything(b->smmu);
    viommu_turns(b->smmu);
    g_assert_cmphex(eventq_prod(b), ==, prod);
    flood_close(&f);
    sb_free(b);
}

/* Equal events are not merged unless the stream says that they may be. */
static void test_no_merge(void)
{
    SBench *b = stage1_bench("");
    SMMUEvent e;
    int i;

    for (i = 0; i < 5; i++) {
        sb_touch(b, true, UNMAPPED);
    }
    for (i = 0; i < 5; i++) {
        g_assert_true(smmu_event_take(b->smmu, &e));
        g_assert_cmphex(e.dw[2], ==, UNMAPPED);
    }
    smmu_assert_no_event(b->smmu);
    sb_free(b);
}

static void test_queue_abort(void)
{
    SBench *b = stage1_bench("");
    uint32_t gerror;

    smmu_cr0(b->smmu, SMMU_CR0_SMMUEN | SMMU_CR0_CMDQEN);
    smmu_write64(b->smmu, SMMU_EVENTQ_BASE, NOWHERE | SMMU_EVENTQ_LOG2);
    smmu_cr0(b->smmu, SMMU_CR0_SMMUEN | SMMU_CR0_CMDQEN | SMMU_CR0_EVENTQEN);
    smmu_irq_clear(b->smmu);
    sb_touch(b, true, UNMAPPED);
    viommu_turns(b->smmu);
    gerror = smmu_read32(b->smmu, SMMU_GERROR);
    g_assert_cmphex(gerror ^ smmu_read32(b->smmu, SMMU_GERRORN), ==,
                    SMMU_GERROR_EVENTQ_ABT);
    g_assert_true(smmu_irq_arrived(b->smmu, SMMU_IRQ_GERROR));
    /* Commands and translations go on. */
    smmu_inv_everything(b->smmu);
    g_assert_true(sb_reads(b, IOVA, SB_BLOCK_GPA));
    /* Acknowledged, it can happen again. */
    smmu_write32(b->smmu, SMMU_GERRORN, gerror);
    smmu_irq_clear(b->smmu);
    sb_touch(b, true, UNMAPPED);
    viommu_turns(b->smmu);
    g_assert_cmphex(smmu_read32(b->smmu, SMMU_GERROR) ^ gerror, ==,
                    SMMU_GERROR_EVENTQ_ABT);
    g_assert_true(smmu_irq_arrived(b->smmu, SMMU_IRQ_GERROR));
    /* As long as it is active, events are discarded, room or not. */
    smmu_cr0(b->smmu, SMMU_CR0_SMMUEN | SMMU_CR0_CMDQEN);
    smmu_write64(b->smmu, SMMU_EVENTQ_BASE,
                 b->smmu->eventq | SMMU_EVENTQ_LOG2);
    smmu_write32(b->smmu, SMMU_PAGE1 + SMMU_EVENTQ_PROD,
                 b->smmu->eventq_cons);
    smmu_cr0(b->smmu, SMMU_CR0_SMMUEN | SMMU_CR0_CMDQEN | SMMU_CR0_EVENTQEN);
    sb_touch(b, true, UNMAPPED);
    viommu_turns(b->smmu);
    g_assert_cmphex(eventq_prod(b), ==, b->smmu->eventq_cons);
    smmu_write32(b->smmu, SMMU_GERRORN, smmu_read32(b->smmu, SMMU_GERROR));
    sb_touch(b, true, UNMAPPED);
    viommu_turns(b->smmu);
    g_assert_cmphex(eventq_prod(b), ==, b->smmu->eventq_cons + 1);
    sb_free(b);
}

static void test_disabled(void)
{
    SBench *b = stage1_bench("");

    smmu_cr0(b->smmu, SMMU_CR0_SMMUEN | SMMU_CR0_CMDQEN);
    sb_touch(b, true, UNMAPPED);
    smmu_assert_no_event(b->smmu);
    smmu_cr0(b->smmu, SMMU_CR0_SMMUEN | SMMU_CR0_CMDQEN | SMMU_CR0_EVENTQEN);
    smmu_assert_no_event(b->smmu);
    sb_faults(b, UNMAPPED, SMMU_EVT_F_TRANSLATION, IN, false, 0);
    sb_free(b);
}

static void test_irq(void)
{
    SBench *b = stage1_bench("");
    SMMUEvent e;

    smmu_irq_clear(b->smmu);
    sb_touch(b, true, UNMAPPED);
    viommu_turns(b->smmu);
    g_assert_true(smmu_irq_arrived(b->smmu, SMMU_IRQ_EVENTQ));
    g_assert_false(smmu_irq_arrived(b->smmu, SMMU_IRQ_GERROR));
    /* Only when the queue was empty */
    smmu_irq_clear(b->smmu);
    sb_touch(b, true, UNMAPPED);
    viommu_turns(b->smmu);
    g_assert_false(smmu_irq_arrived(b->smmu, SMMU_IRQ_EVENTQ));
    g_assert_true(smmu_event_take(b->smmu, &e));
    smmu_assert_event(b->smmu, SMMU_EVT_F_TRANSLATION, SB_SID);
    smmu_irq_clear(b->smmu);
    smmu_write32(b->smmu, SMMU_IRQ_CTRL, 0);
    sb_touch(b, true, UNMAPPED);
    viommu_turns(b->smmu);
    g_assert_false(smmu_irq_arrived(b->smmu, SMMU_IRQ_EVENTQ));
    smmu_assert_event(b->smmu, SMMU_EVT_F_TRANSLATION, SB_SID);
    sb_free(b);
}

/* An event and a queue's error as messages, instead of wires */
static void test_msi(void)
{
    SBench *b;
    uint64_t page;
    SMMUEvent e;

    if (!viommu_offers("arm-smmuv3", "msi")) {
        g_test_skip("no MSIs");
        return;
    }
    b = sb_new("msi=on", "");
    page = b->smmu->msi;
    g_assert_cmphex(smmu_read32(b->smmu, SMMU_IDR0) & SMMU_IDR0_MSI, ==,
                    SMMU_IDR0_MSI);
    /* Configured before IRQ_CTRL is */
    smmu_write64(b->smmu, SMMU_EVENTQ_IRQ_CFG0, page + 0x10);
    smmu_write32(b->smmu, SMMU_EVENTQ_IRQ_CFG1, 0x11223344);
    smmu_write64(b->smmu, SMMU_GERROR_IRQ_CFG0, page + 0x20);
    smmu_write32(b->smmu, SMMU_GERROR_IRQ_CFG1, 0x55667788);
    sb_stage1(b, 12, 39);
    sb_enable(b);
    smmu_irq_clear(b->smmu);
    sb_touch(b, true, UNMAPPED);
    viommu_until(b->smmu, qtest_readl(b->smmu->qts, page + 0x10) ==
                          0x11223344);
    smmu_assert_event(b->smmu, SMMU_EVT_F_TRANSLATION, SB_SID);
    smmu_cmd_put(b->smmu, 0xff, 0);
    smmu_cmd_kick(b->smmu);
    smmu_cmd_error(b->smmu, SMMU_CERROR_ILL);
    g_assert_cmphex(qtest_readl(b->smmu->qts, page + 0x20), ==, 0x55667788);

    /* One that goes nowhere is an error of its own, and stops nothing. */
    smmu_write32(b->smmu, SMMU_IRQ_CTRL, 0);
    smmu_write64(b->smmu, SMMU_EVENTQ_IRQ_CFG0, NOWHERE);
    smmu_write32(b->smmu, SMMU_IRQ_CTRL,
                 SMMU_IRQ_CTRL_GERROR | SMMU_IRQ_CTRL_EVENTQ);
    sb_touch(b, true, UNMAPPED);
    viommu_turns(b->smmu);
    g_assert_cmphex(smmu_read32(b->smmu, SMMU_GERROR) ^
                    smmu_read32(b->smmu, SMMU_GERRORN), ==,
                    SMMU_GERROR_MSI_EVENTQ_ABT);
    /* Once more before it is acknowledged, it is still active (7.5). */
    g_assert_true(smmu_event_take(b->smmu, &e));
    sb_touch(b, true, UNMAPPED);
    viommu_turns(b->smmu);
    g_assert_cmphex(smmu_read32(b->smmu, SMMU_GERROR) ^
                    smmu_read32(b->smmu, SMMU_GERRORN), ==,
                    SMMU_GERROR_MSI_EVENTQ_ABT);
    smmu_write32(b->smmu, SMMU_GERRORN, smmu_read32(b->smmu, SMMU_GERROR));
    g_assert_true(smmu_event_take(b->smmu, &e));

    /* Beyond the output size an address is cut off (3.4.3). */
    smmu_write32(b->smmu, SMMU_IRQ_CTRL, 0);
    smmu_write64(b->smmu, SMMU_EVENTQ_IRQ_CFG0, (page + 0x30) | 1ULL << 50);
    smmu_write32(b->smmu, SMMU_IRQ_CTRL, SMMU_IRQ_CTRL_EVENTQ);
    sb_touch(b, true, UNMAPPED);
    viommu_until(b->smmu, qtest_readl(b->smmu->qts, page + 0x30) ==
                          0x11223344);
    smmu_assert_event(b->smmu, SMMU_EVT_F_TRANSLATION, SB_SID);
    sb_free(b);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*fn)(void);
    } tests[] = {
        { "c-bad-streamid", test_bad_streamid },
        { "recinvsid", test_recinvsid },
        { "f-ste-fetch", test_ste_fetch },
        { "c-bad-ste", test_bad_ste },
        { "f-cd-fetch", test_cd_fetch },
        { "c-bad-cd", test_bad_cd },
        { "f-walk-eabt/stage-1", test_walk_eabt },
        { "f-walk-eabt/stage-2", test_walk_eabt_stage2 },
        { "record", test_record },
        { "classes", test_classes },
        { "ptw", test_ptw },
        { "bypass-size", test_bypass_size },
        { "ipa-size", test_ipa_size },
        { "input-addr", test_input_addr },
        { "queue/overflow", test_overflow },
        { "queue/overflow-unacknowledged", test_overflow_unacknowledged },
        { "queue/overflow-threads", test_overflow_threads },
        { "queue/sync-behind", test_sync_behind },
        { "queue/off-behind", test_off_behind },
        { "queue/wrap", test_wrap },
        { "queue/tiny", test_tiny_queue },
        { "queue/no-merge", test_no_merge },
        { "queue/abort", test_queue_abort },
        { "queue/disabled", test_disabled },
        { "irq", test_irq },
        { "msi", test_msi },
    };
    size_t i;

    g_test_init(&argc, &argv, NULL);
    for (i = 0; i < G_N_ELEMENTS(tests); i++) {
        g_autofree char *path = g_strdup_printf("/viommu/smmu/event/%s",
                                                tests[i].name);

        qtest_add_func(path, tests[i].fn);
    }
    return g_test_run();
}

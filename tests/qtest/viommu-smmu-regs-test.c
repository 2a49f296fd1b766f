/*
 * SMMUv3 registers: identification, reset values, what can be written when
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Section 6.3.
 */
#include "qemu/osdep.h"
#include "viommu-smmu-bench.h"

#define IOVA        0x40200000ULL
#define ON          (SMMU_CR0_SMMUEN | SMMU_CR0_CMDQEN | SMMU_CR0_EVENTQEN)

/* As of the base: a driver must not see another SMMU after a migration. */
static void test_idr(void)
{
    static const uint8_t ids[] = {
        0x04, 0, 0, 0, 0x84, 0xb4, 0xf0, 0x10, 0x0d, 0xf0, 0x05, 0xb1,
    };
    SMMU *smmu = smmu_start("", " ");
    unsigned i;

    g_assert_cmphex(smmu_read32(smmu, SMMU_IDR0), ==,
                    SMMU_IDR0_S1P | SMMU_IDR0_S2P | 2u << 2 |
                    SMMU_IDR0_COHACC | SMMU_IDR0_ASID16 | SMMU_IDR0_VMID16 |
                    2u << 21 | 1u << 24 | SMMU_IDR0_TERM_MODEL | 1u << 27);
    g_assert_cmphex(smmu_read32(smmu, SMMU_IDR1), ==,
                    16 | 19 << 16 | 19 << 21);
    g_assert_cmphex(smmu_read32(smmu, SMMU_IDR2), ==, 0);
    g_assert_cmphex(smmu_read32(smmu, SMMU_IDR3), ==,
                    SMMU_IDR3_HAD | SMMU_IDR3_XNX | SMMU_IDR3_RIL | 2 << 11);
    g_assert_cmphex(smmu_read32(smmu, SMMU_IDR4), ==, 0);
    g_assert_cmphex(smmu_read32(smmu, SMMU_IDR5), ==,
                    4 | SMMU_IDR5_GRAN4K | SMMU_IDR5_GRAN16K |
                    SMMU_IDR5_GRAN64K);
    g_assert_cmphex(smmu_read32(smmu, SMMU_AIDR), ==, 1);
    for (i = 0; i < G_N_ELEMENTS(ids); i++) {
        g_assert_cmphex(smmu_read32(smmu, SMMU_ID_REGS + 4 * i), ==, ids[i]);
    }
    /* Read-only, all of them */
    for (i = SMMU_IDR0; i <= SMMU_AIDR; i += 4) {
        uint32_t before = smmu_read32(smmu, i);

        smmu_write32(smmu, i, ~before);
        g_assert_cmphex(smmu_read32(smmu, i), ==, before);
    }
    smmu_stop(smmu);
}

static void see_reset_values(SMMU *smmu)
{
    g_assert_cmphex(smmu_read32(smmu, SMMU_CR0), ==, 0);
    g_assert_cmphex(smmu_read32(smmu, SMMU_CR0ACK), ==, 0);
    g_assert_cmphex(smmu_read32(smmu, SMMU_GBPA), ==, 0x1000);
    g_assert_cmphex(smmu_read32(smmu, SMMU_IRQ_CTRL), ==, 0);
    g_assert_cmphex(smmu_read32(smmu, SMMU_IRQ_CTRLACK), ==, 0);
    g_assert_cmphex(smmu_read32(smmu, SMMU_GERROR), ==, 0);
    g_assert_cmphex(smmu_read32(smmu, SMMU_GERRORN), ==, 0);
    g_assert_cmphex(smmu_read32(smmu, SMMU_CMDQ_CONS), ==, 0);
    g_assert_cmphex(smmu_read32(smmu, SMMU_PAGE1 + SMMU_EVENTQ_PROD), ==, 0);
}

static void test_reset(void)
{
    SBench *b = sb_new("", "");
    SMMU *smmu = b->smmu;
    SMMUEvent e;
    int i;

    see_reset_values(smmu);
    for (i = 0; i < 2; i++) {
        sb_stage1(b, 12, 39);
        smmu_map(smmu, &b->s1, IOVA, SB_BLOCK_GPA, 3,
                 smmu_leaf(&b->s1, UNIT_RW));
        sb_enable(b);
        sb_works(b, IOVA, SB_BLOCK_GPA);
        sb_touch(b, true, IOVA + UNIT_PAGE);
        smmu_cmd_put(smmu, 0xff, 0);
        smmu_cmd_kick(smmu);
        viommu_turns(smmu);
        g_assert_cmphex(smmu_read32(smmu, SMMU_GERROR), !=, 0);
        smmu_write32(smmu, SMMU_GBPA, SMMU_GBPA_UPDATE | SMMU_GBPA_ABORT);

        smmu_reset(smmu);
        see_reset_values(smmu);
        /* It does not translate, nor abort, and nothing is left of before. */
        edu_free(b->edu);
        b->edu = edu_new(&smmu->unit, EDU_SID);
        viommu_fill(smmu, SB_BLOCK_GPA, SB_BLANK, 8);
        edu_load(b->edu, b->window, 4);
        edu_store(b->edu, SB_BLOCK_GPA, 4);
        g_assert_true(viommu_is_filled(smmu, SB_BLOCK_GPA, SB_MARK, 4));
        g_assert_false(smmu_event_take(smmu, &e));
    }
    sb_free(b);
}

/* 64-bit registers by halves and as a whole */
static void test_halves(void)
{
    static const unsigned regs[] = {
        SMMU_STRTAB_BASE, SMMU_CMDQ_BASE, SMMU_EVENTQ_BASE,
    };
    const uint64_t addr = 0x0000034567890000ULL;
    SMMU *smmu = smmu_start("", " ");
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(regs); i++) {
        smmu_write64(smmu, regs[i], addr);
        g_assert_cmphex(smmu_read64(smmu, regs[i]) & LPAE_ADDR, ==, addr);
        g_assert_cmphex(smmu_read32(smmu, regs[i]) & ~0xfffu, ==,
                        (uint32_t)addr);
        g_assert_cmphex(smmu_read32(smmu, regs[i] + 4) & 0xffff, ==,
                        addr >> 32);
        smmu_write32(smmu, regs[i] + 4, 0x12);
        smmu_write32(smmu, regs[i], 0x55550000);
        g_assert_cmphex(smmu_read64(smmu, regs[i]) & LPAE_ADDR, ==,
                        0x1255550000ULL);
    }
    smmu_stop(smmu);
}

/* CR0: what is not there is not acknowledged. */
static void test_cr0(void)
{
    SMMU *smmu = smmu_start("", " ");

    smmu_setup(smmu);
    smmu_write32(smmu, SMMU_CR0, ~0u);
    viommu_until(smmu, smmu_read32(smmu, SMMU_CR0ACK) & SMMU_CR0_SMMUEN);
    g_assert_cmphex(smmu_read32(smmu, SMMU_CR0ACK) & ~(ON | SMMU_CR0_ATSCHK |
                                                       7 << 6), ==, 0);
    smmu_cr0(smmu, 0);
    smmu_write32(smmu, SMMU_CR0ACK, ON);
    g_assert_cmphex(smmu_read32(smmu, SMMU_CR0ACK), ==, 0);
    g_assert_cmphex(smmu_read32(smmu, SMMU_CR0), ==, 0);
    smmu_stop(smmu);
}

/* What is in use is not written (6.3: the registers' own sections). */
static void test_guarded(void)
{
    static const struct {
        unsigned reg;
        bool wide;
    } regs[] = {
        { SMMU_STRTAB_BASE, true }, { SMMU_STRTAB_BASE_CFG, false },
        { SMMU_CMDQ_BASE, true }, { SMMU_CMDQ_CONS, false },
        { SMMU_EVENTQ_BASE, true },
        { SMMU_PAGE1 + SMMU_EVENTQ_PROD, false },
    };
    SBench *b = sb_new("", "");
    SMMU *smmu = b->smmu;
    size_t i;

    sb_stage1(b, 12, 39);
    smmu_map(smmu, &b->s1, IOVA, SB_BLOCK_GPA, 3,
             smmu_leaf(&b->s1, UNIT_RW));
    sb_enable(b);
    for (i = 0; i < G_N_ELEMENTS(regs); i++) {
        unsigned reg = regs[i].reg;

        g_test_message("register 0x%x", reg);
        if (regs[i].wide) {
            uint64_t before = smmu_read64(smmu, reg);

            smmu_write64(smmu, reg, before ^ 0x100000);
            g_assert_cmphex(smmu_read64(smmu, reg), ==, before);
            smmu_write32(smmu, reg, (uint32_t)before ^ 0x100000);
            smmu_write32(smmu, reg + 4, 0x123);
            g_assert_cmphex(smmu_read64(smmu, reg), ==, before);
        } else {
            uint32_t before = smmu_read32(smmu, reg);

            smmu_write32(smmu, reg, before ^ 3);
            g_assert_cmphex(smmu_read32(smmu, reg), ==, before);
        }
    }
    sb_works(b, IOVA, SB_BLOCK_GPA);
    smmu_inv_everything(smmu);
    sb_free(b);
}

/*
 * The bits of each register that software can change, and what keeps it from
 * that: enables of CR0, or, with 0x10000, of IRQ_CTRL; those registers are
 * there with MSIs only.
 */
static const struct {
    unsigned reg;
    uint32_t mask, guard;
} masks[] = {
    { SMMU_CR1, 0xfc0, SMMU_CR0_SMMUEN },
    { SMMU_CR1, 0x03f, SMMU_CR0_CMDQEN | SMMU_CR0_EVENTQEN },
    { SMMU_CR2, 0xf, SMMU_CR0_SMMUEN },
    { SMMU_IRQ_CTRL, 5, 0 },
    { SMMU_GERROR_IRQ_CFG0, 0xfffffffc, 0x10001 },
    { SMMU_GERROR_IRQ_CFG0 + 4, 0x00ffffff, 0x10001 },
    { SMMU_GERROR_IRQ_CFG1, 0xffffffff, 0x10001 },
    { SMMU_GERROR_IRQ_CFG2, 0x3f, 0x10001 },
    { SMMU_STRTAB_BASE, 0xffffffc0, SMMU_CR0_SMMUEN },
    { SMMU_STRTAB_BASE + 4, 0x40ffffff, SMMU_CR0_SMMUEN },
    { SMMU_STRTAB_BASE_CFG, 0x000307ff, SMMU_CR0_SMMUEN },
    { SMMU_CMDQ_BASE, 0xffffffff, SMMU_CR0_CMDQEN },
    { SMMU_CMDQ_BASE + 4, 0x40ffffff, SMMU_CR0_CMDQEN },
    { SMMU_CMDQ_PROD, 0x000fffff, 0 },
    { SMMU_CMDQ_CONS, 0x7f0fffff, SMMU_CR0_CMDQEN },
    { SMMU_EVENTQ_BASE, 0xffffffff, SMMU_CR0_EVENTQEN },
    { SMMU_EVENTQ_BASE + 4, 0x40ffffff, SMMU_CR0_EVENTQEN },
    { SMMU_PAGE1 + SMMU_EVENTQ_PROD, 0x800fffff, SMMU_CR0_EVENTQEN },
    { SMMU_PAGE1 + SMMU_EVENTQ_CONS, 0x800fffff, 0 },
    { SMMU_EVENTQ_IRQ_CFG0, 0xfffffffc, 0x10004 },
    { SMMU_EVENTQ_IRQ_CFG0 + 4, 0x00ffffff, 0x10004 },
    { SMMU_EVENTQ_IRQ_CFG1, 0xffffffff, 0x10004 },
    { SMMU_EVENTQ_IRQ_CFG2, 0x3f, 0x10004 },
};

/* Everything is off: all that is there can be written, and nothing else. */
static void see_masks(const char *props, bool msi)
{
    SMMU *smmu = smmu_start(props, " ");
    size_t i, j;

    for (i = 0; i < G_N_ELEMENTS(masks); i++) {
        unsigned reg = masks[i].reg;
        uint32_t mask = 0;

        for (j = 0; j < G_N_ELEMENTS(masks); j++) {
            mask |= masks[j].reg == reg ? masks[j].mask : 0;
        }
        if (masks[i].guard >> 16 && !msi) {
            mask = 0;
        }
        g_test_message("register 0x%x", reg);
        for (uint32_t bit = 1; bit; bit <<= 1) {
            smmu_write32(smmu, reg, bit);
            g_assert_cmphex(smmu_read32(smmu, reg), ==, bit & mask);
        }
        smmu_write32(smmu, reg, 0);
        g_assert_cmphex(smmu_read32(smmu, reg), ==, 0);
    }
    smmu_stop(smmu);
}

static void test_masks(void)
{
    see_masks("", false);
    if (viommu_offers("arm-smmuv3", "msi")) {
        see_masks("msi=on", true);
    }
}

/* One enable at a time */
static void see_guard(SMMU *smmu, bool irq, uint32_t enable)
{
    unsigned ctrl = irq ? SMMU_IRQ_CTRL : SMMU_CR0;
    unsigned ack = irq ? SMMU_IRQ_CTRLACK : SMMU_CR0ACK;
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(masks); i++) {
        unsigned reg = masks[i].reg;
        uint32_t guard = masks[i].guard, before;
        bool kept = guard >> 16 == irq && (guard & enable);
        /* The queues stay empty, and nothing that is enabled is turned off. */
        uint32_t mask = masks[i].mask & ~enable;

        if (reg == SMMU_CMDQ_PROD || reg == SMMU_CMDQ_CONS ||
            reg == SMMU_IRQ_CTRL) {
            continue;
        }
        before = smmu_read32(smmu, reg);
        smmu_write32(smmu, ctrl, enable);
        viommu_until(smmu, smmu_read32(smmu, ack) == enable);
        g_test_message("register 0x%x, enable 0x%x", reg, enable);
        smmu_write32(smmu, reg, before ^ mask);
        g_assert_cmphex((smmu_read32(smmu, reg) ^ before) & mask, ==,
                        kept ? 0 : mask);
        smmu_write32(smmu, ctrl, 0);
        viommu_until(smmu, smmu_read32(smmu, ack) == 0);
        smmu_write32(smmu, reg, before);
        g_assert_cmphex(smmu_read32(smmu, reg), ==, before);
    }
}

static void test_guards(void)
{
    SMMU *smmu;

    if (!viommu_offers("arm-smmuv3", "msi")) {
        g_test_skip("no MSIs");
        return;
    }
    smmu = smmu_start("msi=on", " ");
    see_guard(smmu, false, SMMU_CR0_SMMUEN);
    see_guard(smmu, false, SMMU_CR0_EVENTQEN);
    see_guard(smmu, false, SMMU_CR0_CMDQEN);
    see_guard(smmu, true, SMMU_IRQ_CTRL_GERROR);
    see_guard(smmu, true, SMMU_IRQ_CTRL_EVENTQ);
    smmu_stop(smmu);
}

/* GERRORN is for acknowledging; GERROR is not written. */
static void test_gerror(void)
{
    SMMU *smmu = smmu_start("", " ");

    smmu_enable(smmu);
    smmu_write32(smmu, SMMU_GERROR, ~0u);
    g_assert_cmphex(smmu_read32(smmu, SMMU_GERROR), ==, 0);
    smmu_cmd_put(smmu, 0xff, 0);
    smmu_cmd_kick(smmu);
    viommu_turns(smmu);
    g_assert_cmphex(smmu_read32(smmu, SMMU_GERROR), ==, SMMU_GERROR_CMDQ);
    g_assert_cmphex(smmu_read32(smmu, SMMU_GERRORN), ==, 0);
    smmu_cmd_error(smmu, SMMU_CERROR_ILL);
    /* The second one goes the other way. */
    smmu_cmd_put(smmu, 0xff, 0);
    smmu_cmd_kick(smmu);
    viommu_turns(smmu);
    g_assert_cmphex(smmu_read32(smmu, SMMU_GERROR), ==, 0);
    g_assert_cmphex(smmu_read32(smmu, SMMU_GERRORN), ==, SMMU_GERROR_CMDQ);
    smmu_cmd_error(smmu, SMMU_CERROR_ILL);
    smmu_stop(smmu);
}

static void test_properties(void)
{
    static const struct {
        const char *props;
        unsigned reg;
        uint32_t mask, value;
    } tests[] = {
        { "msi=on", SMMU_IDR0, SMMU_IDR0_MSI, SMMU_IDR0_MSI },
        { "httu=access", SMMU_IDR0, 3u << 6, 1u << 6 },
        { "httu=dirty", SMMU_IDR0, 3u << 6, 2u << 6 },
        { "ssidsize=8", SMMU_IDR1, 0x1fu << 6, 8u << 6 },
        { "oas=48", SMMU_IDR5, 7, SMMU_PS_48 },
        { "attr-perms-ovr=on", SMMU_IDR1, 1u << 26, 1u << 26 },
    };
    size_t i;

    if (!viommu_offers("arm-smmuv3", "httu")) {
        g_test_skip("no such properties");
        return;
    }
    for (i = 0; i < G_N_ELEMENTS(tests); i++) {
        SMMU *smmu = smmu_start(tests[i].props, " ");

        g_assert_cmphex(smmu_read32(smmu, tests[i].reg) & tests[i].mask, ==,
                        tests[i].value);
        smmu_stop(smmu);
    }
}

/* "-device arm-smmuv3,help" says what each is about. */
static void test_help(void)
{
    unit_assert_help("arm-smmuv3", 14);
}

/* What software must not do, and no event says: -d guest_errors */
static void test_mistakes(void)
{
    UnitLog *log = unit_log_new();
    SMMU *smmu = smmu_start("", "-d guest_errors");

    smmu_write32(smmu, SMMU_CR0, 1u << 1);      /* PRIQEN */
    smmu_write32(smmu, SMMU_GBPA, 1u << 20);
    /* What is right */
    smmu_write32(smmu, SMMU_GBPA, 1u << 31 | 1u << 20);
    smmu_write32(smmu, SMMU_CR0, 0);
    smmu_stop(smmu);
    unit_log_rest(log);
    g_assert_cmpuint(unit_log_count(log, "CR0 0x2: some bits are reserved"),
                     ==, 1);
    g_assert_cmpuint(unit_log_count(log, "GBPA written without Update"), ==, 1);
    g_assert_cmpuint(unit_log_count(log, "smmuv3: "), ==, 2);
    unit_log_free(log);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("/viommu/smmu/regs/idr", test_idr);
    qtest_add_func("/viommu/smmu/regs/reset", test_reset);
    qtest_add_func("/viommu/smmu/regs/halves", test_halves);
    qtest_add_func("/viommu/smmu/regs/cr0", test_cr0);
    qtest_add_func("/viommu/smmu/regs/guarded", test_guarded);
    qtest_add_func("/viommu/smmu/regs/masks", test_masks);
    qtest_add_func("/viommu/smmu/regs/guards", test_guards);
    qtest_add_func("/viommu/smmu/regs/gerror", test_gerror);
    qtest_add_func("/viommu/smmu/regs/properties", test_properties);
    qtest_add_func("/viommu/smmu/regs/help", test_help);
    qtest_add_func("/viommu/smmu/regs/mistakes", test_mistakes);
    return g_test_run();
}

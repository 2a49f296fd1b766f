/*
 * SMMUv3 commands: what each does, errors and recovery, the queue
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Section 4, and 7.1 for errors.
 */
#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "viommu-smmu-bench.h"

#define IOVA        0x40200000ULL
#define NOWHERE     0x7000000000ULL
#define PAGE_A      SB_BLOCK_GPA
#define PAGE_B      (SB_BLOCK_GPA + 0x10000)
#define MSI_DATA    0x12345678u

static void gerror_clean(SMMU *smmu)
{
    g_assert_cmphex(smmu_read32(smmu, SMMU_GERROR), ==,
                    smmu_read32(smmu, SMMU_GERRORN));
}

/* Does a unit with this IDR0 have the command? */
static bool is_command(uint32_t idr0, uint8_t op)
{
    switch (op) {
    case SMMU_CMD_PREFETCH_CONFIG ... SMMU_CMD_CFGI_CD_ALL:
    case SMMU_CMD_TLBI_NSNH_ALL:
    case SMMU_CMD_SYNC:
        return true;
    case SMMU_CMD_TLBI_NH_ALL ... SMMU_CMD_TLBI_NH_VAA:
        return idr0 & SMMU_IDR0_S1P;
    case SMMU_CMD_TLBI_EL2_ALL ... SMMU_CMD_TLBI_EL2_VAA:
        return idr0 & SMMU_IDR0_HYP;
    case SMMU_CMD_TLBI_S12_VMALL:
    case SMMU_CMD_TLBI_S2_IPA:
        return idr0 & SMMU_IDR0_S2P;
    case SMMU_CMD_ATC_INV:
        return idr0 & SMMU_IDR0_ATS;
    case SMMU_CMD_PRI_RESP:
        return idr0 & SMMU_IDR0_PRI;
    case SMMU_CMD_RESUME:
    case SMMU_CMD_STALL_TERM:
        return SMMU_IDR0_STALL(idr0) != 1;
    default:
        return false;
    }
}

/* Every opcode there is: done, or CERROR_ILL and the queue stands still. */
static void test_opcodes(void)
{
    SMMU *smmu = smmu_start("", " ");
    uint32_t idr0 = smmu_read32(smmu, SMMU_IDR0);
    unsigned op;

    smmu_enable(smmu);
    for (op = 0; op < 256; op++) {
        g_test_message("opcode 0x%02x", op);
        smmu_cmd_put(smmu, op, 0);
        smmu_cmd_kick(smmu);
        if (is_command(idr0, op)) {
            viommu_until(smmu, (smmu_read32(smmu, SMMU_CMDQ_CONS) &
                                0xffffff) == smmu->cmdq_prod);
            gerror_clean(smmu);
        } else {
            smmu_cmd_error(smmu, SMMU_CERROR_ILL);
        }
    }
    smmu_stop(smmu);
}

/* Fields that are illegal in a command that is not */
static void test_illegal(void)
{
    static const uint64_t bad[][2] = {
        { SMMU_CMD_SYNC | SMMU_CMD_SYNC_CS(3) },
        /* 4.4.1.1: no range and no level, though there is a granule */
        { SMMU_CMD_TLBI_NH_VA, SMMU_CMD1_TG(1) },
        { SMMU_CMD_TLBI_NH_VAA, SMMU_CMD1_TG(2) },
        { SMMU_CMD_TLBI_S2_IPA, SMMU_CMD1_TG(3) },
        { SMMU_CMD_PREFETCH_CONFIG | SMMU_CMD_SSEC },
        { SMMU_CMD_CFGI_STE | SMMU_CMD_SSEC },
        { SMMU_CMD_CFGI_STE_RANGE | SMMU_CMD_SSEC },
        { SMMU_CMD_CFGI_CD | SMMU_CMD_SSEC },
        { SMMU_CMD_CFGI_CD_ALL | SMMU_CMD_SSEC },
    };
    SMMU *smmu = smmu_start("", " ");
    size_t i;

    smmu_enable(smmu);
    for (i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_test_message("command 0x%" PRIx64, bad[i][0]);
        smmu_cmd_put(smmu, bad[i][0], bad[i][1]);
        smmu_cmd_kick(smmu);
        smmu_cmd_error(smmu, SMMU_CERROR_ILL);
    }
    smmu_stop(smmu);
}

/* Behind an error nothing is done until it is acknowledged. */
static void test_error_stops(void)
{
    SMMU *smmu = smmu_start("", " ");
    uint32_t at;

    smmu_enable(smmu);
    smmu_irq_clear(smmu);
    smmu_cmd_put(smmu, SMMU_CMD_SYNC, 0);
    at = smmu->cmdq_prod;
    smmu_cmd_put(smmu, 0xff, 0);
    smmu_cmd_put(smmu, SMMU_CMD_SYNC | SMMU_CMD_SYNC_CS(SMMU_SIG_IRQ), 0);
    smmu_cmd_kick(smmu);
    viommu_turns(smmu);
    g_assert_cmphex(smmu_read32(smmu, SMMU_CMDQ_CONS), ==,
                    at | SMMU_CERROR_ILL << 24);
    g_assert_true(smmu_irq_arrived(smmu, SMMU_IRQ_GERROR));
    g_assert_false(smmu_irq_arrived(smmu, SMMU_IRQ_CMD_SYNC));
    /* More commands change nothing; nor does a wrong acknowledgement. */
    smmu_cmd_put(smmu, SMMU_CMD_SYNC, 0);
    smmu_cmd_kick(smmu);
    smmu_write32(smmu, SMMU_GERRORN, smmu_read32(smmu, SMMU_GERRORN));
    viommu_turns(smmu);
    g_assert_cmphex(smmu_read32(smmu, SMMU_CMDQ_CONS) & 0xff, ==, at);
    g_assert_false(smmu_irq_arrived(smmu, SMMU_IRQ_CMD_SYNC));
    /* The command put right, it goes on. */
    qtest_writeq(smmu->qts, smmu->cmdq + at * 16, SMMU_CMD_TLBI_NSNH_ALL);
    smmu_write32(smmu, SMMU_GERRORN, smmu_read32(smmu, SMMU_GERROR));
    viommu_until(smmu, (smmu_read32(smmu, SMMU_CMDQ_CONS) & 0xff) ==
                       smmu->cmdq_prod);
    g_assert_true(smmu_irq_arrived(smmu, SMMU_IRQ_CMD_SYNC));
    smmu_stop(smmu);
}

/* GERROR_IRQEN = 0: the error is there, and no interrupt. */
static void test_error_silent(void)
{
    SMMU *smmu = smmu_start("", " ");

    smmu_enable(smmu);
    smmu_write32(smmu, SMMU_IRQ_CTRL, 0);
    smmu_irq_clear(smmu);
    smmu_cmd_put(smmu, 0xff, 0);
    smmu_cmd_kick(smmu);
    viommu_turns(smmu);
    g_assert_false(smmu_irq_arrived(smmu, SMMU_IRQ_GERROR));
    smmu_cmd_error(smmu, SMMU_CERROR_ILL);
    smmu_stop(smmu);
}

static void test_abort(void)
{
    SMMU *smmu = smmu_start("", " ");

    smmu_setup(smmu);
    smmu_cr0(smmu, 0);
    smmu_write64(smmu, SMMU_CMDQ_BASE, NOWHERE | smmu->cmdq_log2);
    smmu_write32(smmu, SMMU_CMDQ_PROD, 0);
    smmu_write32(smmu, SMMU_CMDQ_CONS, 0);
    smmu_cr0(smmu, SMMU_CR0_CMDQEN);
    gerror_clean(smmu);
    smmu_write32(smmu, SMMU_CMDQ_PROD, 1);
    viommu_turns(smmu);
    g_assert_cmphex(smmu_read32(smmu, SMMU_CMDQ_CONS), ==,
                    SMMU_CERROR_ABT << 24);
    g_assert_cmphex(smmu_read32(smmu, SMMU_GERROR) ^
                    smmu_read32(smmu, SMMU_GERRORN), ==, SMMU_GERROR_CMDQ);
    /* Tried again, it is an error again. */
    smmu_write32(smmu, SMMU_GERRORN, smmu_read32(smmu, SMMU_GERROR));
    viommu_turns(smmu);
    g_assert_cmphex(smmu_read32(smmu, SMMU_GERROR) ^
                    smmu_read32(smmu, SMMU_GERRORN), ==, SMMU_GERROR_CMDQ);
    smmu_stop(smmu);
}

/* 4.7.3: SIG_NONE, SIG_IRQ and SIG_SEV */
static void test_sync_signals(void)
{
    SMMU *smmu = smmu_start("", " ");
    int cs;

    smmu_enable(smmu);
    for (cs = SMMU_SIG_NONE; cs <= SMMU_SIG_SEV; cs++) {
        smmu_irq_clear(smmu);
        smmu_cmd(smmu, SMMU_CMD_SYNC | SMMU_CMD_SYNC_CS(cs), 0);
        viommu_turns(smmu);
        g_assert_cmpint(smmu_irq_arrived(smmu, SMMU_IRQ_CMD_SYNC), ==,
                        cs == SMMU_SIG_IRQ);
        gerror_clean(smmu);
    }
    smmu_stop(smmu);
}

static void test_sync_msi(void)
{
    SMMU *smmu;

    if (!viommu_offers("arm-smmuv3", "msi")) {
        g_test_skip("no MSIs");
        return;
    }
    smmu = smmu_start("msi=on", " ");
    smmu_enable(smmu);
    smmu_irq_clear(smmu);
    smmu_cmd(smmu, SMMU_CMD_SYNC | SMMU_CMD_SYNC_CS(SMMU_SIG_IRQ) |
             SMMU_CMD_SYNC_MSIDATA(MSI_DATA), smmu->msi + 0x40);
    viommu_until(smmu, qtest_readl(smmu->qts, smmu->msi + 0x40) == MSI_DATA);
    g_assert_cmphex(qtest_readl(smmu->qts, smmu->msi + 0x44), ==, 0);
    /* No address: the wire, which may be used besides. */
    smmu_irq_clear(smmu);
    smmu_cmd(smmu, SMMU_CMD_SYNC | SMMU_CMD_SYNC_CS(SMMU_SIG_IRQ), 0);
    g_assert_true(smmu_irq_arrived(smmu, SMMU_IRQ_CMD_SYNC));
    /* Not asked for: the address is ignored. */
    smmu_cmd(smmu, SMMU_CMD_SYNC | SMMU_CMD_SYNC_MSIDATA(MSI_DATA),
             smmu->msi + 0x80);
    g_assert_cmphex(qtest_readl(smmu->qts, smmu->msi + 0x80), ==, 0);
    /* Nowhere: consumed all the same, and an error (7.2). */
    smmu_cmd(smmu, SMMU_CMD_SYNC | SMMU_CMD_SYNC_CS(SMMU_SIG_IRQ) |
             SMMU_CMD_SYNC_MSIDATA(MSI_DATA), NOWHERE);
    g_assert_cmphex(smmu_read32(smmu, SMMU_GERROR) ^
                    smmu_read32(smmu, SMMU_GERRORN), ==,
                    SMMU_GERROR_MSI_CMDQ_ABT);
    /* The queue goes on. */
    smmu_cmd(smmu, SMMU_CMD_TLBI_NSNH_ALL, 0);
    smmu_stop(smmu);
}

/* An interrupt from a message, through the board's MSI frame */
static void test_sync_msi_frame(void)
{
    uint64_t v2m = 0x08020000, gicd = VIRT_GICD;
    unsigned spi = 32 + 48;
    SMMU *smmu;

    if (!viommu_offers("arm-smmuv3", "msi")) {
        g_test_skip("no MSIs");
        return;
    }
    smmu = smmu_start("msi=on", " ");
    smmu_enable(smmu);
    qtest_writel(smmu->qts, gicd + 0xc00 + spi / 16 * 4, ~0u);
    smmu_cmd(smmu, SMMU_CMD_SYNC | SMMU_CMD_SYNC_CS(SMMU_SIG_IRQ) |
             SMMU_CMD_SYNC_MSIDATA(spi), v2m + 0x40);
    viommu_until(smmu, qtest_readl(smmu->qts, gicd + 0x200 + spi / 32 * 4) &
                       1u << spi % 32);
    gerror_clean(smmu);
    smmu_stop(smmu);
}

/* Queues of every size from one command on, full at once, several times */
static void test_sizes(void)
{
    SMMU *smmu = smmu_start("", " ");
    unsigned log2;

    for (log2 = 0; log2 <= 8; log2++) {
        unsigned size = 1u << log2, i, round;

        smmu->cmdq_log2 = log2;
        smmu->cmdq = unit_alloc_aligned(&smmu->unit, MAX(16 << log2, 64));
        /* smmu_setup() puts two and more commands at once. */
        smmu_cr0(smmu, 0);
        smmu->cmdq_prod = 0;
        smmu_write64(smmu, SMMU_CMDQ_BASE, smmu->cmdq | log2);
        smmu_write32(smmu, SMMU_CMDQ_PROD, 0);
        smmu_write32(smmu, SMMU_CMDQ_CONS, 0);
        smmu_cr0(smmu, SMMU_CR0_CMDQEN);
        for (round = 0; round < 5; round++) {
            for (i = 0; i < size - 1; i++) {
                smmu_cmd_put(smmu, SMMU_CMD_TLBI_NSNH_ALL, 0);
            }
            smmu_cmd_put(smmu, SMMU_CMD_SYNC, 0);
            smmu_cmd_kick(smmu);
            viommu_until(smmu, smmu_cmd_idle(smmu));
            gerror_clean(smmu);
        }
    }
    smmu_stop(smmu);
}

/* Disabled, the queue waits. */
static void test_cmdqen(void)
{
    SMMU *smmu = smmu_start("", " ");

    smmu_setup(smmu);
    smmu_cr0(smmu, SMMU_CR0_EVENTQEN);
    smmu_irq_clear(smmu);
    smmu_cmd_put(smmu, SMMU_CMD_SYNC | SMMU_CMD_SYNC_CS(SMMU_SIG_IRQ), 0);
    smmu_cmd_kick(smmu);
    viommu_turns(smmu);
    g_assert_false(smmu_cmd_idle(smmu));
    g_assert_false(smmu_irq_arrived(smmu, SMMU_IRQ_CMD_SYNC));
    smmu_cr0(smmu, SMMU_CR0_EVENTQEN | SMMU_CR0_CMDQEN);
    viommu_until(smmu, smmu_cmd_idle(smmu));
    g_assert_true(smmu_irq_arrived(smmu, SMMU_IRQ_CMD_SYNC));
    smmu_stop(smmu);
}

/* Invalidations: what was cached is gone, whichever command it is. */

typedef struct Inv {
    const char *name;
    int granule;
    int level;               /* of the entry */
    int config;
    uint64_t dw0, dw1;       /* address 0: that of the page is put in */
    bool by_address;
    int64_t offset;          /* of the address from the page's */
    bool both;               /* stage 1, too: TLBI_NH_ALL after it */
} Inv;

#define ASID_VMID (SMMU_CMD_ASID(SB_ASID) | SMMU_CMD_VMID(SB_VMID))
#define TG(g) SMMU_CMD1_TG(SMMU_TLBI_TG(g))
#define RANGE(num, scale) (SMMU_CMD_NUM(num) | SMMU_CMD_SCALE(scale))
#define NH_VA (SMMU_CMD_TLBI_NH_VA | ASID_VMID)
#define NH_VAA (SMMU_CMD_TLBI_NH_VAA | SMMU_CMD_VMID(SB_VMID))
#define S2_IPA (SMMU_CMD_TLBI_S2_IPA | SMMU_CMD_VMID(SB_VMID))

static const Inv invs[] = {
    { "nh-all", 12, 3, SMMU_STE_S1, SMMU_CMD_TLBI_NH_ALL | ASID_VMID },
    { "nh-asid", 12, 3, SMMU_STE_S1, SMMU_CMD_TLBI_NH_ASID | ASID_VMID },
    { "nsnh-all", 12, 3, SMMU_STE_S1, SMMU_CMD_TLBI_NSNH_ALL },
    { "nh-va/page", 12, 3, SMMU_STE_S1, NH_VA, 0, true },
    { "nh-va/leaf", 12, 3, SMMU_STE_S1, NH_VA, SMMU_CMD1_LEAF, true },
    { "nh-va/block", 12, 2, SMMU_STE_S1, NH_VA, 0, true, 0x5000 },
    { "nh-va/gigabyte", 12, 1, SMMU_STE_S1, NH_VA, 0, true, 0x12345000 },
    { "nh-va/table", 12, 3, SMMU_STE_S1, NH_VA | RANGE(1, 0), TG(12), true },
    { "nh-va/ttl", 12, 3, SMMU_STE_S1, NH_VA, TG(12) | SMMU_CMD1_TTL(3),
      true },
    { "nh-va/ttl-block", 12, 2, SMMU_STE_S1, NH_VA,
      TG(12) | SMMU_CMD1_TTL(2), true },
    { "nh-va/16K", 14, 3, SMMU_STE_S1, NH_VA, 0, true },
    { "nh-va/16K-ttl", 14, 3, SMMU_STE_S1, NH_VA,
      TG(14) | SMMU_CMD1_TTL(3), true },
    { "nh-va/64K", 16, 3, SMMU_STE_S1, NH_VA, 0, true },
    { "nh-va/64K-ttl", 16, 3, SMMU_STE_S1, NH_VA,
      TG(16) | SMMU_CMD1_TTL(3), true },
    { "nh-va/64K-block", 16, 2, SMMU_STE_S1, NH_VA,
      TG(16) | SMMU_CMD1_TTL(2), true, 0x30000 },
    { "nh-vaa/page", 12, 3, SMMU_STE_S1, NH_VAA, 0, true },
    { "nh-va/range/first", 12, 3, SMMU_STE_S1, NH_VA | RANGE(9, 0), TG(12),
      true },
    { "nh-va/range/last", 12, 3, SMMU_STE_S1, NH_VA | RANGE(9, 0), TG(12),
      true, -9 * 4096 },
    { "nh-va/range/scaled", 12, 3, SMMU_STE_S1, NH_VA | RANGE(2, 5), TG(12),
      true, -95 * 4096 },
    { "nh-va/range/16K", 14, 3, SMMU_STE_S1, NH_VA | RANGE(4, 1), TG(14),
      true, -9 * 16384 },
    { "nh-va/range/64K", 16, 3, SMMU_STE_S1, NH_VA | RANGE(4, 1), TG(16),
      true, -9 * 65536 },
    { "nh-va/range/block", 12, 2, SMMU_STE_S1, NH_VA | RANGE(3, 0), TG(12),
      true, 0x1fc000 },
    { "nh-va/range/everything", 12, 3, SMMU_STE_S1, NH_VA | RANGE(31, 31),
      TG(12), true, -(int64_t)IOVA },
    { "nh-vaa/range", 12, 3, SMMU_STE_S1, NH_VAA | RANGE(1, 0), TG(12), true,
      -4096 },
    { "s12-vmall", 12, 3, SMMU_STE_S2,
      SMMU_CMD_TLBI_S12_VMALL | SMMU_CMD_VMID(SB_VMID) },
    { "s2/nsnh-all", 12, 3, SMMU_STE_S2, SMMU_CMD_TLBI_NSNH_ALL },
    { "s2-ipa/page", 12, 3, SMMU_STE_S2, S2_IPA, 0, true },
    { "s2-ipa/block", 12, 2, SMMU_STE_S2, S2_IPA, 0, true, 0x5000 },
    { "s2-ipa/ttl", 12, 3, SMMU_STE_S2, S2_IPA, TG(12) | SMMU_CMD1_TTL(3),
      true },
    { "s2-ipa/64K", 16, 3, SMMU_STE_S2, S2_IPA, 0, true },
    { "s2-ipa/range", 12, 3, SMMU_STE_S2, S2_IPA | RANGE(9, 0), TG(12), true,
      -9 * 4096 },
    { "nested/s2-ipa", 12, 3, SMMU_STE_NESTED, S2_IPA, 0, true, 0, true },
    { "nested/s12-vmall", 12, 3, SMMU_STE_NESTED,
      SMMU_CMD_TLBI_S12_VMALL | SMMU_CMD_VMID(SB_VMID) },
};

static void test_inv(const void *opaque)
{
    const Inv *inv = opaque;
    SBench *b = sb_new("", "");
    uint64_t size, iova, in, a = 0x80000000, other = 0xa0000000;
    const SMMUTable *t;
    int round;

    if (inv->config == SMMU_STE_S1) {
        sb_stage1(b, inv->granule, 42);
        t = &b->s1;
    } else if (inv->config == SMMU_STE_S2) {
        sb_stage2(b, inv->granule, 40);
        t = &b->s2;
    } else {
        sb_nested(b, 12, 39, inv->granule, 40);
        t = &b->s2;
    }
    size = 1ULL << smmu_level_shift(inv->granule, inv->level);
    if (size > 0x20000000) {
        a = 0x80000000;
        other = 0x40000000;
    }
    iova = ROUND_UP(IOVA, size);
    in = iova;
    if (inv->config == SMMU_STE_NESTED) {
        in = SB_OFFSET * 3;
        smmu_map(b->smmu, &b->s1, iova, in, 3, smmu_leaf(&b->s1, UNIT_RW));
    }
    smmu_map(b->smmu, t, in, a, inv->level, smmu_leaf(t, UNIT_RW));
    sb_enable(b);
    for (round = 0; round < 2; round++) {
        /* Far enough into a block not to hit our own tables */
        uint64_t off = size > 0x20000000 ? 0x30000000 : 0;

        sb_works(b, iova + off, (round ? other : a) + off);
        smmu_map(b->smmu, t, in, round ? a : other, inv->level,
                 smmu_leaf(t, UNIT_RW));
        smmu_cmd(b->smmu, inv->dw0,
                 inv->dw1 | (inv->by_address ? in + inv->offset : 0));
        if (inv->both) {
            smmu_cmd(b->smmu, SMMU_CMD_TLBI_NH_ALL |
                     SMMU_CMD_VMID(SB_VMID), 0);
        }
        sb_works(b, iova + off, (round ? a : other) + off);
        smmu_map(b->smmu, t, in, round ? a : other, inv->level,
                 smmu_leaf(t, UNIT_RW));
    }
    sb_free(b);
}

/*
 * Leaf: nothing but last levels' entries has changed, says software.  Without,
 * another table is seen, and by any command that is about more.
 */
static void test_leaf(void)
{
    static const uint64_t others[] = {
        NH_VA, SMMU_CMD_TLBI_NH_ASID | ASID_VMID,
        SMMU_CMD_TLBI_NH_ALL | SMMU_CMD_VMID(SB_VMID), SMMU_CMD_TLBI_NSNH_ALL,
    };
    const uint64_t only = SMMU_CMD1_LEAF | TG(12) | SMMU_CMD1_TTL(3);
    SBench *b = sb_new("", "");
    QTestState *qts = b->smmu->qts;
    unsigned i;

    sb_stage1(b, 12, 39);
    smmu_map(b->smmu, &b->s1, IOVA, PAGE_A, 3, smmu_leaf(&b->s1, UNIT_RW));
    sb_enable(b);
    for (i = 0; i < G_N_ELEMENTS(others); i++) {
        uint64_t entry = smmu_pte(b->smmu, &b->s1, IOVA, 2);
        uint64_t old = qtest_readq(qts, entry);
        uint64_t table = unit_alloc(&b->smmu->unit, 1);
        uint64_t in_table = (IOVA >> 12 & 511) * 8;
        uint64_t leaf = qtest_readq(qts, smmu_pte(b->smmu, &b->s1, IOVA, 3));

        sb_works(b, IOVA, PAGE_A);
        qtest_writeq(qts, table + in_table, leaf - PAGE_A + PAGE_B);
        qtest_writeq(qts, entry, old - (old & 0xfffffffff000ULL) + table);
        smmu_cmd(b->smmu, NH_VA, only | IOVA);
        g_assert_true(sb_writes(b, IOVA, PAGE_A));
        smmu_cmd(b->smmu, others[i], others[i] == NH_VA ? IOVA : 0);
        sb_works(b, IOVA, PAGE_B);
        qtest_writeq(qts, table + in_table, leaf);
        smmu_cmd(b->smmu, NH_VA, only | IOVA);
        sb_works(b, IOVA, PAGE_A);
    }
    sb_free(b);
}

/*
 * Without TTL a command goes for each page or block that has the address, and
 * for nothing else: what is beside that is still cached.
 */

#define GIB         (1ULL << 30)

typedef struct Near {
    const char *name;
    const char *props;
    uint64_t size;           /* of what goes */
    uint64_t dw0, dw1;
    /* The endpoint's cache has it in pieces, too many to be looked for. */
    bool all;
} Near;

static const Near nears[] = {
    { "page", "", 4096, NH_VA, 0 },
    { "block", "", 1 << 21, NH_VA, 0 },
    { "gigabyte", "", GIB, NH_VA, 0, true },
    { "range", "", 1 << 21, NH_VA | RANGE(3, 0), TG(12) },
    { "uncached/page", "dma-cache-size=0", 4096, NH_VA, 0 },
    { "uncached/block", "dma-cache-size=0", 1 << 21, NH_VA, 0 },
    { "uncached/gigabyte", "dma-cache-size=0", GIB, NH_VA, 0 },
    { "uncached/range", "dma-cache-size=0", 1 << 21, NH_VA | RANGE(3, 0),
      TG(12) },
};

static void near_map(SBench *b, uint64_t iova, uint64_t gpa, uint64_t size)
{
    int level = size == GIB ? 1 : size == 4096 ? 3 : 2;

    smmu_map(b->smmu, &b->s1, iova, gpa, level, smmu_leaf(&b->s1, UNIT_RW));
}

static int64_t walks(SBench *b)
{
    QDict *answer = qtest_qmp(b->smmu->qts, "{'execute': 'query-viommu'}");
    QList *units = qdict_get_qlist(answer, "return");
    int64_t n = qdict_get_int(qobject_to(QDict, qlist_peek(units)), "walks");

    qobject_unref(answer);
    return n;
}

static void test_near(const void *opaque)
{
    const Near *near = opaque;
    SBench *b = sb_new(near->props, "");
    /* In the middle of it, and far from our own tables */
    uint64_t in = near->size == GIB ? 0x30000000 : near->size / 2;
    uint64_t iova = 4 * GIB, a = 0x80000000;
    uint64_t other = near->size == GIB ? 0x40000000 : 0xa0000000;
    /* In the same gigabyte, if there is room */
    uint64_t beside = near->size == GIB ? iova + GIB : iova + 0x20000000;
    int64_t before;

    sb_stage1(b, 12, 42);
    near_map(b, iova, a, near->size);
    near_map(b, beside, PAGE_B + 0x10000000, 4096);
    sb_enable(b);
    sb_works(b, iova + in, a + in);
    /* Another part of it is cached on its own. */
    sb_works(b, iova + in / 2, a + in / 2);
    sb_works(b, beside, PAGE_B + 0x10000000);
    before = walks(b);
    sb_works(b, beside, PAGE_B + 0x10000000);
    g_assert_cmpint(walks(b), ==, before);

    near_map(b, iova, other, near->size);
    smmu_cmd(b->smmu, near->dw0, near->dw1 | ((iova + in) & ~4095ULL));
    sb_works(b, beside, PAGE_B + 0x10000000);
    g_assert_cmpint(walks(b) > before, ==, near->all);
    if (near->size != GIB) {
        sb_works(b, iova + in / 2, other + in / 2);
    }
    sb_works(b, iova + in, other + in);
    sb_free(b);
}

/* Stage 1's block at @iova leads to @ipa, whose pages are one by one. */
static void near_nested_map(SBench *b, uint64_t iova, uint64_t ipa,
                            uint64_t gpa)
{
    unsigned i;

    smmu_map(b->smmu, &b->s1, iova, ipa, 2, smmu_leaf(&b->s1, UNIT_RW));
    for (i = 0; i < 4; i++) {
        smmu_map(b->smmu, &b->s2, ipa + i * 4096, gpa + i * 8192, 3,
                 smmu_leaf(&b->s2, UNIT_RW));
    }
}

/* A block of stage 1 is kept in pages of stage 2, and goes with all of them. */
static void test_near_nested(const void *props)
{
    SBench *b = sb_new(props, "");
    uint64_t ipa = SB_OFFSET * 3, other = ipa + (1 << 21);
    unsigned i;

    sb_nested(b, 12, 39, 12, 40);
    near_nested_map(b, IOVA, ipa, PAGE_A + 0x10000000);
    near_nested_map(b, IOVA, other, PAGE_A + 0x18000000);
    near_nested_map(b, IOVA, ipa, PAGE_A + 0x10000000);
    sb_enable(b);
    for (i = 0; i < 4; i++) {
        sb_works(b, IOVA + i * 4096, PAGE_A + 0x10000000 + i * 8192);
    }
    smmu_map(b->smmu, &b->s1, IOVA, other, 2, smmu_leaf(&b->s1, UNIT_RW));
    smmu_cmd(b->smmu, NH_VA, IOVA);
    for (i = 0; i < 4; i++) {
        sb_works(b, IOVA + i * 4096, PAGE_A + 0x18000000 + i * 8192);
    }
    sb_free(b);
}

/* Configuration: what was kept of the STE or the CD is gone. */

typedef struct Cfgi {
    const char *name;
    bool cd;                 /* the CD changes, not the STE */
    uint64_t dw0, dw1;
} Cfgi;

static const Cfgi cfgis[] = {
    { "ste", false, SMMU_CMD_CFGI_STE | SMMU_CMD_SID(SB_SID),
      SMMU_CMD1_LEAF },
    { "ste-all-levels", false, SMMU_CMD_CFGI_STE | SMMU_CMD_SID(SB_SID), 0 },
    { "ste-range/one", false, SMMU_CMD_CFGI_STE_RANGE | SMMU_CMD_SID(SB_SID),
      0 },
    { "ste-range/some", false,
      SMMU_CMD_CFGI_STE_RANGE | SMMU_CMD_SID(SB_SID + 15), 4 },
    { "all", false, SMMU_CMD_CFGI_STE_RANGE, 31 },
    { "cd/one", true, SMMU_CMD_CFGI_CD | SMMU_CMD_SID(SB_SID), SMMU_CMD1_LEAF },
    { "cd-all", true, SMMU_CMD_CFGI_CD_ALL | SMMU_CMD_SID(SB_SID), 0 },
    { "cd/by-ste", true, SMMU_CMD_CFGI_STE | SMMU_CMD_SID(SB_SID),
      SMMU_CMD1_LEAF },
    { "cd/by-all", true, SMMU_CMD_CFGI_STE_RANGE, 31 },
};

static void test_cfgi(const void *opaque)
{
    const Cfgi *c = opaque;
    SBench *b = sb_new("", "");
    uint64_t cd_gpa = unit_alloc(&b->smmu->unit, 1);
    uint64_t cd[8], ste[8];
    SMMUTable t;

    sb_stage1(b, 12, 39);
    smmu_map(b->smmu, &b->s1, IOVA, PAGE_A, 3, smmu_leaf(&b->s1, UNIT_RW));
    smmu_table_init(b->smmu, &t, 1, 12, 36, 0);
    sb_map_window(b, &t);
    smmu_map(b->smmu, &t, IOVA, PAGE_B, 3, smmu_leaf(&t, UNIT_RW));
    sb_enable(b);
    sb_works(b, IOVA, PAGE_A);
    /* Another ASID, so that no TLB entry is in the way */
    smmu_make_cd(cd, &t, NULL, SB_ASID + 1);
    if (c->cd) {
        smmu_put(b->smmu, b->cd_gpa, cd);
    } else {
        smmu_put(b->smmu, cd_gpa, cd);
        smmu_make_ste(ste, SMMU_STE_S1, cd_gpa, NULL, SB_VMID);
        smmu_set_ste(b->smmu, SB_SID, ste);
    }
    smmu_cmd(b->smmu, c->dw0, c->dw1);
    sb_works(b, IOVA, PAGE_B);
    sb_free(b);
}

/* Nothing is there that could be invalidated. */
static void test_nobody(void)
{
    SMMU *smmu = smmu_start("", " ");

    smmu_enable(smmu);
    smmu_cmd(smmu, SMMU_CMD_CFGI_STE | SMMU_CMD_SID(0xffffffff), 0);
    smmu_cmd(smmu, SMMU_CMD_CFGI_CD | SMMU_CMD_SID(0x12345678), 0);
    smmu_cmd(smmu, SMMU_CMD_CFGI_STE_RANGE | SMMU_CMD_SID(0xffffffff), 30);
    smmu_cmd(smmu, NH_VA | RANGE(31, 31), TG(16) | 0xfffffffffffff000ULL);
    smmu_cmd(smmu, NH_VA, 0xfffffffffffff000ULL);
    smmu_cmd(smmu, S2_IPA | RANGE(31, 31), TG(12) | 0xfffffffffffff000ULL);
    gerror_clean(smmu);
    smmu_stop(smmu);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*fn)(void);
    } tests[] = {
        { "opcodes", test_opcodes },
        { "illegal", test_illegal },
        { "error/stops", test_error_stops },
        { "error/silent", test_error_silent },
        { "error/abort", test_abort },
        { "sync/signals", test_sync_signals },
        { "sync/msi", test_sync_msi },
        { "sync/msi-frame", test_sync_msi_frame },
        { "queue/sizes", test_sizes },
        { "queue/enable", test_cmdqen },
        { "nobody", test_nobody },
        { "leaf", test_leaf },
    };
    size_t i;

    g_test_init(&argc, &argv, NULL);
    for (i = 0; i < G_N_ELEMENTS(tests); i++) {
        g_autofree char *path = g_strdup_printf("/viommu/smmu/cmd/%s",
                                                tests[i].name);

        qtest_add_func(path, tests[i].fn);
    }
    for (i = 0; i < G_N_ELEMENTS(invs); i++) {
        g_autofree char *path = g_strdup_printf("/viommu/smmu/cmd/tlbi/%s",
                                                invs[i].name);

        qtest_add_data_func(path, &invs[i], test_inv);
    }
    for (i = 0; i < G_N_ELEMENTS(nears); i++) {
        g_autofree char *path = g_strdup_printf("/viommu/smmu/cmd/near/%s",
                                                nears[i].name);

        qtest_add_data_func(path, &nears[i], test_near);
    }
    qtest_add_data_func("/viommu/smmu/cmd/near/nested", "", test_near_nested);
    qtest_add_data_func("/viommu/smmu/cmd/near/uncached/nested",
                        "dma-cache-size=0", test_near_nested);
    for (i = 0; i < G_N_ELEMENTS(cfgis); i++) {
        g_autofree char *path = g_strdup_printf("/viommu/smmu/cmd/cfgi/%s",
                                                cfgis[i].name);

        qtest_add_data_func(path, &cfgis[i], test_cfgi);
    }
    return g_test_run();
}

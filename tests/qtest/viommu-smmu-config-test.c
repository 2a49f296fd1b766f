/*
 * SMMUv3 configuration: what is and is not a valid STE or CD, stream tables
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Section 5; 7.3 says which event it is.
 */
#include "qemu/osdep.h"
#include "viommu-smmu-bench.h"

#define IOVA        0x40200000ULL
#define NOWHERE     0x7000000000ULL
#define OTHER_SLOT  5
#define OTHER_SID   (OTHER_SLOT << 3)

/* One field changed: it works as before, or this event, or no access at all */
enum { WORKS = 0, ABORTS = 0x100 };

typedef struct Change {
    const char *name;
    int dw;
    uint64_t clear, set;
    unsigned result;
} Change;

static void see(SBench *b, unsigned result)
{
    viommu_fill(b->smmu, SB_BLOCK_GPA, SB_BLANK, 8);
    switch (result) {
    case WORKS:
        sb_works(b, IOVA, SB_BLOCK_GPA);
        break;
    case ABORTS:
        sb_touch(b, false, IOVA);
        smmu_assert_no_event(b->smmu);
        g_assert_true(viommu_is_filled(b->smmu, SB_BLOCK_GPA, SB_BLANK, 8));
        break;
    default:
        sb_touch(b, false, IOVA);
        smmu_assert_event(b->smmu, result, SB_SID);
        g_assert_true(viommu_is_filled(b->smmu, SB_BLOCK_GPA, SB_BLANK, 8));
    }
}

static SBench *config_bench(int config, const char *props)
{
    SBench *b = sb_new(props, "");
    uint64_t ipa = SB_BLOCK_GPA;

    switch (config) {
    case SMMU_STE_S1:
        sb_stage1(b, 12, 39);
        smmu_map(b->smmu, &b->s1, IOVA, ipa, 3, smmu_leaf(&b->s1, UNIT_RW));
        break;
    case SMMU_STE_S2:
        sb_stage2(b, 12, 39);
        smmu_map(b->smmu, &b->s2, IOVA, ipa, 3, smmu_leaf(&b->s2, UNIT_RW));
        break;
    default:
        sb_nested(b, 12, 39, 12, 40);
        ipa += SB_OFFSET;
        smmu_map(b->smmu, &b->s1, IOVA, ipa, 3, smmu_leaf(&b->s1, UNIT_RW));
        smmu_map(b->smmu, &b->s2, ipa, SB_BLOCK_GPA, 3,
                 smmu_leaf(&b->s2, UNIT_RW));
    }
    sb_enable(b);
    return b;
}

static void run_changes(SBench *b, uint64_t *words, const Change *changes,
                        size_t n)
{
    size_t i;

    for (i = 0; i < n; i++) {
        const Change *c = &changes[i];
        uint64_t old = words[c->dw];

        g_test_message("%s", c->name);
        see(b, WORKS);
        words[c->dw] = (old & ~c->clear) | c->set;
        sb_update(b);
        see(b, c->result);
        words[c->dw] = old;
        sb_update(b);
    }
    see(b, WORKS);
}

static void test_cd(void)
{
    const unsigned bad = SMMU_EVT_C_BAD_CD;
    const Change changes[] = {
        { "V = 0", 0, SMMU_CD0_V, 0, bad },
        { "AA64 = 0", 0, SMMU_CD0_AA64, 0, bad },
        { "A = 0", 0, SMMU_CD0_A, 0, bad },
        { "S = 1", 0, 0, SMMU_CD0_S, bad },
        { "HA = 1", 0, 0, SMMU_CD0_HA, bad },
        { "HD = 1", 0, 0, SMMU_CD0_HA | SMMU_CD0_HD, bad },
        { "T0SZ = 15", 0, 0x3f, 15, bad },
        { "T0SZ = 0", 0, 0x3f, 0, bad },
        { "T0SZ = 40", 0, 0x3f, 40, bad },
        { "T0SZ = 63", 0, 0x3f, 63, bad },
        { "TG0 = 3", 0, 0, SMMU_CD0_TG0(3), bad },
        { "ENDI = 1", 0, 0, SMMU_CD0_ENDI, bad },
        { "TG1 = 0, EPD1 = 1", 0, SMMU_CD0_TG1(3), 0, WORKS },
        { "T1SZ = 3, EPD1 = 1", 0, 0, SMMU_CD0_T1SZ(3), WORKS },
        { "T1SZ = 3", 0, SMMU_CD0_EPD1, SMMU_CD0_T1SZ(3), bad },
        { "TG1 = 0", 0, SMMU_CD0_EPD1, SMMU_CD0_T1SZ(25), bad },
        { "EPD0 = 1", 0, 0, SMMU_CD0_EPD0, SMMU_EVT_F_TRANSLATION },
        { "EPD0 = 1, T0SZ = 0", 0, 0x3f, SMMU_CD0_EPD0,
          SMMU_EVT_F_TRANSLATION },
        { "IPS = 48 bits", 0, SMMU_CD0_IPS(7), SMMU_CD0_IPS(5), WORKS },
        { "IPS = 40 bits", 0, SMMU_CD0_IPS(7), SMMU_CD0_IPS(2), WORKS },
        { "ASET = 0", 0, SMMU_CD0_ASET, 0, WORKS },
        { "TTB0 is too big", 1, 0, 1ULL << 44, bad },
        { "TTB0 is too big for IPS", 1, 0, 1ULL << 47, bad },
    };
    SBench *b = config_bench(SMMU_STE_S1, "");

    run_changes(b, b->cd, changes, G_N_ELEMENTS(changes));
    sb_free(b);
}

static void test_ste(void)
{
    const unsigned bad = SMMU_EVT_C_BAD_STE;
    const Change changes[] = {
        { "V = 0", 0, SMMU_STE0_V, 0, bad },
        { "Config = 0", 0, SMMU_STE0_CONFIG(7), SMMU_STE0_CONFIG(0), ABORTS },
        { "Config = 1", 0, SMMU_STE0_CONFIG(7), SMMU_STE0_CONFIG(1), ABORTS },
        { "Config = 2", 0, SMMU_STE0_CONFIG(7), SMMU_STE0_CONFIG(2), ABORTS },
        { "Config = 3", 0, SMMU_STE0_CONFIG(7), SMMU_STE0_CONFIG(3), ABORTS },
        { "Config = 0, rest is rubbish", 0, ~1ULL, ~0xfULL, ABORTS },
        { "S1STALLD", 1, 0, SMMU_STE1_S1STALLD, bad },
        { "S2 fields are not looked at", 2, 0, SMMU_STE2_TG(3), WORKS },
        { "MEV", 1, 0, SMMU_STE1_MEV, WORKS },
        { "EATS without ATS", 1, 0, SMMU_STE1_EATS(1), WORKS },
    };
    SBench *b = config_bench(SMMU_STE_S1, "");

    run_changes(b, b->ste, changes, G_N_ELEMENTS(changes));
    sb_free(b);
}

static void test_ste_stage2(const void *opaque)
{
    const unsigned bad = SMMU_EVT_C_BAD_STE;
    const Change changes[] = {
        { "S2T0SZ = 15", 2, SMMU_STE2_T0SZ(63), SMMU_STE2_T0SZ(15), bad },
        { "S2T0SZ = 40", 2, SMMU_STE2_T0SZ(63), SMMU_STE2_T0SZ(40), bad },
        { "S2T0SZ beyond OAS", 2, SMMU_STE2_T0SZ(63), SMMU_STE2_T0SZ(18),
          bad },
        { "S2SL0 = 3", 2, 0, SMMU_STE2_SL0(3), bad },
        { "S2SL0 too low", 2, SMMU_STE2_SL0(3), SMMU_STE2_SL0(0), bad },
        { "S2SL0 too high", 2, SMMU_STE2_T0SZ(63) | SMMU_STE2_SL0(3),
          SMMU_STE2_T0SZ(39) | SMMU_STE2_SL0(2), bad },
        { "S2TG = 3", 2, 0, SMMU_STE2_TG(3), bad },
        { "S2ENDI", 2, 0, SMMU_STE2_ENDI, bad },
        { "S2S", 2, 0, SMMU_STE2_S, bad },
        { "S2HA", 2, 0, SMMU_STE2_HA, bad },
        { "S2HD", 2, 0, SMMU_STE2_HA | SMMU_STE2_HD, bad },
        { "S2TTB is too big", 3, 0, 1ULL << 44, bad },
        { "S2PS beyond OAS", 2, SMMU_STE2_PS(7), SMMU_STE2_PS(5), WORKS },
        { "S2PS reserved", 2, SMMU_STE2_PS(7), SMMU_STE2_PS(7), WORKS },
    };
    SBench *b = config_bench(GPOINTER_TO_INT(opaque), "");

    run_changes(b, b->ste, changes, G_N_ELEMENTS(changes));
    sb_free(b);
}

/* A stage that the unit does not have */
static void test_stage_missing(void)
{
    SBench *b = sb_new("", "");
    uint64_t ste[8];

    sb_stage1(b, 12, 39);
    sb_free(b);

    /* Of virt-9.1 the SMMU has stage 1 only. */
    b = g_new0(SBench, 1);
    b->smmu = smmu_start("", "-machine virt-9.1 " EDU_DEVICE);
    b->edu = edu_new(&b->smmu->unit, EDU_SID);
    g_assert_cmphex(smmu_read32(b->smmu, SMMU_IDR0) &
                    (SMMU_IDR0_S1P | SMMU_IDR0_S2P), ==, SMMU_IDR0_S1P);
    smmu_table_init(b->smmu, &b->s2, 2, 12, 40, 0);
    smmu_make_ste(ste, SMMU_STE_S2, 0, &b->s2, SB_VMID);
    smmu_set_ste(b->smmu, SB_SID, ste);
    sb_enable(b);
    sb_touch(b, true, IOVA);
    smmu_assert_event(b->smmu, SMMU_EVT_C_BAD_STE, SB_SID);
    smmu_make_ste(ste, SMMU_STE_NESTED, 0, &b->s2, SB_VMID);
    smmu_set_ste(b->smmu, SB_SID, ste);
    sb_inv(b);
    sb_touch(b, true, IOVA);
    smmu_assert_event(b->smmu, SMMU_EVT_C_BAD_STE, SB_SID);
    /* Nor its commands */
    smmu_cmd_put(b->smmu, SMMU_CMD_TLBI_S12_VMALL, 0);
    smmu_cmd_kick(b->smmu);
    smmu_cmd_error(b->smmu, SMMU_CERROR_ILL);
    smmu_cmd_put(b->smmu, SMMU_CMD_TLBI_S2_IPA, 0);
    smmu_cmd_kick(b->smmu);
    smmu_cmd_error(b->smmu, SMMU_CERROR_ILL);
    sb_free(b);
}

/* Stream tables in two levels */

static void restart(SBench *b)
{
    smmu_cr0(b->smmu, 0);
    smmu_set_ste(b->smmu, SB_SID, b->ste);
    sb_enable(b);
}

static void test_two_levels(void)
{
    static const unsigned splits[] = { 6, 8, 10 };
    SBench *b = config_bench(SMMU_STE_S1, "");
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(splits); i++) {
        smmu_use_2level(b->smmu, 16, splits[i]);
        restart(b);
        see(b, WORKS);
    }
    /* And back to one */
    b->smmu->strtab = unit_alloc_aligned(&b->smmu->unit,
                                         SMMU_STE_SIZE << SMMU_STRTAB_LOG2);
    b->smmu->strtab_cfg = SMMU_STRTAB_LINEAR(SMMU_STRTAB_LOG2);
    restart(b);
    see(b, WORKS);
    sb_free(b);
}

static void set_l1std(SBench *b, uint64_t value)
{
    qtest_writeq(b->smmu->qts, b->smmu->strtab, value);
    sb_inv(b);
}

static void test_span(void)
{
    SBench *b = config_bench(SMMU_STE_S1, "");
    uint64_t l1std;
    SMMUEvent e;

    smmu_use_2level(b->smmu, 16, 8);
    restart(b);
    see(b, WORKS);
    l1std = qtest_readq(b->smmu->qts, b->smmu->strtab);
    g_assert_cmphex(l1std & 0x1f, ==, 9);
    /* Span 0: nothing is there. */
    set_l1std(b, l1std & ~0x1fULL);
    see(b, SMMU_EVT_C_BAD_STREAMID);
    /* 2^(span - 1) streams: 0x20 is the 33rd. */
    set_l1std(b, (l1std & ~0x1fULL) | 6);
    see(b, SMMU_EVT_C_BAD_STREAMID);
    set_l1std(b, (l1std & ~0x1fULL) | 7);
    see(b, WORKS);
    /* The second level cannot be read. */
    set_l1std(b, NOWHERE | 9);
    sb_touch(b, true, IOVA);
    e = smmu_assert_event(b->smmu, SMMU_EVT_F_STE_FETCH, SB_SID);
    g_assert_cmphex(e.dw[3], ==, NOWHERE + SB_SID * SMMU_STE_SIZE);
    set_l1std(b, l1std);
    see(b, WORKS);
    /* Nor the first */
    smmu_cr0(b->smmu, SMMU_CR0_CMDQEN | SMMU_CR0_EVENTQEN);
    smmu_write64(b->smmu, SMMU_STRTAB_BASE, NOWHERE);
    smmu_inv_everything(b->smmu);
    smmu_cr0(b->smmu, SMMU_CR0_SMMUEN | SMMU_CR0_CMDQEN | SMMU_CR0_EVENTQEN);
    sb_touch(b, true, IOVA);
    e = smmu_assert_event(b->smmu, SMMU_EVT_F_STE_FETCH, SB_SID);
    g_assert_cmphex(e.dw[3], ==, NOWHERE);
    sb_free(b);
}

/* 6.3.24: the base's low bits are taken as zero, by the table's size. */
static void test_alignment(void)
{
    SBench *b = config_bench(SMMU_STE_S1, "");

    smmu_cr0(b->smmu, SMMU_CR0_CMDQEN | SMMU_CR0_EVENTQEN);
    smmu_write64(b->smmu, SMMU_STRTAB_BASE, b->smmu->strtab + 0x40 * 5);
    smmu_inv_everything(b->smmu);
    smmu_cr0(b->smmu, SMMU_CR0_SMMUEN | SMMU_CR0_CMDQEN | SMMU_CR0_EVENTQEN);
    see(b, WORKS);
    sb_free(b);
}

/* Substreams: S1CDMax says that there are CDs for them; S1DSS, without one. */
static void test_substreams(void)
{
    SBench *b;
    uint64_t l2, l1;

    if (!viommu_offers("arm-smmuv3", "ssidsize")) {
        g_test_skip("no substreams");
        return;
    }
    b = config_bench(SMMU_STE_S1, "ssidsize=8");
    g_assert_cmpint(SMMU_IDR1_SSIDSIZE(smmu_read32(b->smmu, SMMU_IDR1)), ==,
                    8);
    b->ste[0] |= SMMU_STE0_S1CDMAX(4);
    sb_update(b);
    see(b, SMMU_EVT_F_STREAM_DISABLED);
    b->ste[1] |= SMMU_STE1_S1DSS(SMMU_S1DSS_SSID0);
    sb_update(b);
    see(b, WORKS);
    /* Bypass of stage 1: the IOVA is the address. */
    b->ste[1] ^= SMMU_STE1_S1DSS(SMMU_S1DSS_SSID0 | SMMU_S1DSS_BYPASS);
    sb_update(b);
    viommu_fill(b->smmu, SB_BLOCK_GPA, SB_BLANK, 8);
    edu_store(b->edu, SB_BLOCK_GPA, 4);
    g_assert_false(viommu_is_filled(b->smmu, SB_BLOCK_GPA, SB_BLANK, 4));
    smmu_assert_no_event(b->smmu);
    /* Reserved: as 0 */
    b->ste[1] |= SMMU_STE1_S1DSS(3);
    sb_update(b);
    see(b, SMMU_EVT_F_STREAM_DISABLED);
    b->ste[1] ^= SMMU_STE1_S1DSS(SMMU_S1DSS_BYPASS);
    sb_update(b);
    see(b, WORKS);
    /* More than the unit has */
    b->ste[0] |= SMMU_STE0_S1CDMAX(15);
    sb_update(b);
    see(b, SMMU_EVT_C_BAD_STE);

    /* Two levels of CDs, of 4 KiB and of 64 KiB */
    l1 = unit_alloc(&b->smmu->unit, 1);
    l2 = unit_alloc_aligned(&b->smmu->unit, 64 * 1024);
    smmu_put(b->smmu, l2, b->cd);
    qtest_writeq(b->smmu->qts, l1, l2 | 1);
    b->ste[0] = SMMU_STE0_V | SMMU_STE0_CONFIG(SMMU_STE_S1) | l1 |
                SMMU_STE0_S1CDMAX(8) | SMMU_STE0_S1FMT(SMMU_S1FMT_4K_L2);
    sb_update(b);
    see(b, WORKS);
    b->ste[0] ^= SMMU_STE0_S1FMT(SMMU_S1FMT_4K_L2 ^ SMMU_S1FMT_64K_L2);
    sb_update(b);
    see(b, WORKS);
    /* L1CD.V = 0 */
    qtest_writeq(b->smmu->qts, l1, l2);
    sb_inv(b);
    see(b, SMMU_EVT_C_BAD_SUBSTREAMID);
    sb_free(b);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*fn)(void);
    } tests[] = {
        { "cd/fields", test_cd },
        { "ste/fields", test_ste },
        { "ste/stage-missing", test_stage_missing },
        { "stream-table/two-levels", test_two_levels },
        { "stream-table/span", test_span },
        { "stream-table/alignment", test_alignment },
        { "substreams", test_substreams },
    };
    size_t i;

    g_test_init(&argc, &argv, NULL);
    for (i = 0; i < G_N_ELEMENTS(tests); i++) {
        g_autofree char *path = g_strdup_printf("/viommu/smmu/config/%s",
                                                tests[i].name);

        qtest_add_func(path, tests[i].fn);
    }
    qtest_add_data_func("/viommu/smmu/config/ste/stage-2",
                        GINT_TO_POINTER(SMMU_STE_S2), test_ste_stage2);
    qtest_add_data_func("/viommu/smmu/config/ste/nested",
                        GINT_TO_POINTER(SMMU_STE_NESTED), test_ste_stage2);
    return g_test_run();
}

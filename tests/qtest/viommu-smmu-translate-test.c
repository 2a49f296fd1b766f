/*
 * SMMUv3 translation: granules, sizes, permissions, both stages and nesting
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "viommu-smmu-bench.h"
#include "viommu-smmu-walk.h"

#define IOVA        0x40200000ULL
#define IN          SMMU_CLASS_IN

static const int granules[] = { 12, 14, 16 };

static int first_block_level(int granule)
{
    return granule == 12 ? 1 : 2;
}

/* A page or block, from its first byte to its last. */
static void see_block(SBench *b, const SMMUTable *t, int level,
                      uint64_t offset)
{
    uint64_t size = 1ULL << smmu_level_shift(t->granule, level);
    uint64_t iova = 2ULL << 30;

    smmu_map(b->smmu, t, iova, SB_BLOCK_GPA + offset, level,
             smmu_leaf(t, UNIT_RW));
    sb_inv(b);
    sb_works(b, iova, SB_BLOCK_GPA);
    sb_works(b, iova + size - 8, SB_BLOCK_GPA + size - 8);
    sb_works(b, iova + size / 2, SB_BLOCK_GPA + size / 2);
    /* What follows is not mapped; an access that crosses is cut in two. */
    sb_faults(b, iova + size, SMMU_EVT_F_TRANSLATION, IN, t->stage == 2,
              iova + size);
}

static void test_stage1_sizes(const void *opaque)
{
    int granule = *(const int *)opaque;
    SBench *b = sb_new("", "");
    int level;

    for (level = 3; level >= first_block_level(granule); level--) {
        sb_stage1(b, granule, 48);
        if (level == 3) {
            sb_enable(b);
        }
        see_block(b, &b->s1, level, 0);
    }
    sb_free(b);
}

static void test_stage2_sizes(const void *opaque)
{
    int granule = *(const int *)opaque;
    SBench *b = sb_new("", "");
    int level;

    for (level = 3; level >= first_block_level(granule); level--) {
        sb_stage2(b, granule, 40);
        if (level == 3) {
            sb_enable(b);
        }
        see_block(b, &b->s2, level, 0);
    }
    sb_free(b);
}

static void test_nested_sizes(const void *opaque)
{
    int granule1 = *(const int *)opaque;
    SBench *b = sb_new("", "");
    bool enabled = false;
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(granules); i++) {
        int granule2 = granules[i];
        int level1, level2;

        for (level1 = 3; level1 >= first_block_level(granule1); level1--) {
            for (level2 = 3; level2 >= first_block_level(granule2);
                 level2--) {
                uint64_t size = 1ULL << MIN(
                    smmu_level_shift(granule1, level1),
                    smmu_level_shift(granule2, level2));
                uint64_t iova = 2ULL << 30, ipa = 4ULL << 30;

                sb_nested(b, granule1, 42, granule2, 40);
                if (!enabled) {
                    sb_enable(b);
                    enabled = true;
                }
                smmu_map(b->smmu, &b->s1, iova, ipa, level1,
                         smmu_leaf(&b->s1, UNIT_RW));
                smmu_map(b->smmu, &b->s2, ipa, SB_BLOCK_GPA, level2,
                         smmu_leaf(&b->s2, UNIT_RW));
                sb_inv(b);
                sb_works(b, iova, SB_BLOCK_GPA);
                sb_works(b, iova + size - 8, SB_BLOCK_GPA + size - 8);
                if (smmu_level_shift(granule1, level1) >
                    smmu_level_shift(granule2, level2)) {
                    sb_faults(b, iova + size, SMMU_EVT_F_TRANSLATION, IN,
                              true, ipa + size);
                } else {
                    sb_faults(b, iova + size, SMMU_EVT_F_TRANSLATION, IN,
                              false, 0);
                }
            }
        }
    }
    sb_free(b);
}

/* Every input size, and with it every start level */
static void test_stage1_bits(const void *opaque)
{
    int granule = *(const int *)opaque;
    SBench *b = sb_new("", "");
    int bits;

    for (bits = 25; bits <= 48; bits++) {
        uint64_t last = (1ULL << bits) - (1ULL << granule);

        sb_stage1(b, granule, bits);
        if (bits == 25) {
            sb_enable(b);
        }
        smmu_map(b->smmu, &b->s1, last, SB_BLOCK_GPA, 3,
                 smmu_leaf(&b->s1, UNIT_RW));
        sb_inv(b);
        sb_works(b, last, SB_BLOCK_GPA);
        sb_faults(b, 1ULL << bits, SMMU_EVT_F_TRANSLATION, IN, false, 0);
        sb_faults(b, last | 1ULL << 50, SMMU_EVT_F_TRANSLATION, IN, false, 0);
    }
    sb_free(b);
}

/* Every size and each start level that it can have, with up to 16 tables */
static void test_stage2_bits(const void *opaque)
{
    int granule = *(const int *)opaque;
    int step = granule - 3;
    SBench *b = sb_new("", "");
    bool enabled = false;
    int bits, start;

    for (bits = 32; bits <= 44; bits++) {
        for (start = 0; start <= (granule == 12 ? 2 : 3); start++) {
            int reach = smmu_level_shift(granule, start);
            uint64_t last = (1ULL << bits) - (1ULL << granule);

            /* It needs an entry, and 16 tables at most; 16K, 64K: no 0. */
            if (bits <= reach || bits > reach + step + 4 ||
                (granule > 12 && start == 0)) {
                continue;
            }
            smmu_table_init_at(b->smmu, &b->s2, 2, granule, bits, start, 0);
            sb_map_window(b, &b->s2);
            smmu_make_ste(b->ste, SMMU_STE_S2, 0, &b->s2, SB_VMID);
            sb_update(b);
            if (!enabled) {
                sb_enable(b);
                enabled = true;
            }
            smmu_map(b->smmu, &b->s2, last, SB_BLOCK_GPA, 3,
                     smmu_leaf(&b->s2, UNIT_RW));
            sb_inv(b);
            sb_works(b, last, SB_BLOCK_GPA);
            if (bits < 44) {
                sb_faults(b, 1ULL << bits, SMMU_EVT_F_TRANSLATION, IN, true,
                          1ULL << bits);
            }
            /* 3.4: beyond the input size of the SMMU it is stage 1's fault. */
            sb_faults(b, 1ULL << 50, SMMU_EVT_F_ADDR_SIZE, IN, false, 0);
        }
    }
    sb_free(b);
}

/* Both halves, with different granules and sizes; the gap between them. */
static void test_ttb1(const void *opaque)
{
    int granule = *(const int *)opaque;
    int other = granule == 12 ? 16 : 12;
    SBench *b = sb_new("", "");
    uint64_t top = ~0ULL << 40, high = top | IOVA;
    SMMUTable t1;

    sb_stage1(b, other, 36);
    smmu_table_init(b->smmu, &t1, 1, granule, 40, 0);
    smmu_make_cd(b->cd, &b->s1, &t1, SB_ASID);
    sb_update(b);
    sb_enable(b);
    smmu_map(b->smmu, &b->s1, IOVA, SB_BLOCK_GPA, 3,
             smmu_leaf(&b->s1, UNIT_RW));
    smmu_map(b->smmu, &t1, IOVA, SB_BLOCK_GPA + 0x10000, 3,
             smmu_leaf(&t1, UNIT_RW));
    sb_inv(b);
    sb_works(b, IOVA, SB_BLOCK_GPA);
    sb_works(b, high, SB_BLOCK_GPA + 0x10000);
    sb_faults(b, high + 0x10000000, SMMU_EVT_F_TRANSLATION, IN, false, 0);
    sb_faults(b, 1ULL << 36, SMMU_EVT_F_TRANSLATION, IN, false, 0);
    sb_faults(b, top - 8, SMMU_EVT_F_TRANSLATION, IN, false, 0);
    /* A tag in the top byte is part of the address unless TBI says so. */
    sb_faults(b, IOVA | 0x5aULL << 56, SMMU_EVT_F_TRANSLATION, IN, false, 0);
    sb_faults(b, high & ~(0xa5ULL << 56), SMMU_EVT_F_TRANSLATION, IN, false,
              0);
    b->cd[0] |= SMMU_CD0_TBI0;
    sb_update(b);
    sb_works(b, IOVA | 0x5aULL << 56, SB_BLOCK_GPA);
    sb_faults(b, high & ~(0xa5ULL << 56), SMMU_EVT_F_TRANSLATION, IN, false,
              0);
    b->cd[0] ^= SMMU_CD0_TBI0 | SMMU_CD0_TBI1;
    sb_update(b);
    sb_faults(b, IOVA | 0x5aULL << 56, SMMU_EVT_F_TRANSLATION, IN, false, 0);
    sb_works(b, high & ~(0xa5ULL << 56), SB_BLOCK_GPA + 0x10000);
    /* Bit 55 chooses the half, tag or not. */
    b->cd[0] |= SMMU_CD0_TBI0;
    sb_update(b);
    sb_works(b, (high & ~(0xffULL << 56)) | 0x01ULL << 56,
             SB_BLOCK_GPA + 0x10000);
    /* A half that is off */
    b->cd[0] |= SMMU_CD0_EPD1;
    sb_update(b);
    sb_works(b, IOVA, SB_BLOCK_GPA);
    sb_faults(b, high, SMMU_EVT_F_TRANSLATION, IN, false, 0);
    sb_free(b);
}

/* D8.4: what the access flag, AP and the tables above allow */
static void test_stage1_permissions(void)
{
    SBench *b = sb_new("", "");
    SMMUTable *t = &b->s1;
    uint64_t iova = IOVA;
    int i;

    sb_stage1(b, 12, 39);
    sb_enable(b);
    for (i = 0; i < 32; i++) {
        uint64_t ap = (i & 1 ? LPAE_AP_EL0 : 0) | (i & 2 ? LPAE_AP_RO : 0);
        uint64_t above = (i & 4 ? LPAE_APTABLE_NO_EL0 : 0) |
                         (i & 8 ? LPAE_APTABLE_RO : 0);
        bool af = !(i & 16);
        uint64_t table;
        int read_first;

        iova += UNIT_LARGE;
        smmu_map(b->smmu, t, iova, SB_BLOCK_GPA, 3,
                 (af ? LPAE_AF : 0) | LPAE_NG | ap);
        table = smmu_pte(b->smmu, t, iova, 2);
        qtest_writeq(b->smmu->qts, table,
                     qtest_readq(b->smmu->qts, table) | above);
        for (read_first = 0; read_first < 2; read_first++) {
            int n;

            sb_inv(b);
            /* The second access may meet what the first one has cached. */
            for (n = 0; n < 2; n++) {
                bool is_read = n ^ read_first;
                SMMUWalk w = smmu_walk(b->smmu, t, NULL, 44, iova, !is_read);

                g_test_message("AP %d above %d AF %d read %d", i & 3,
                               i >> 2 & 3, af, is_read);
                if (w.type) {
                    sb_fault(b, is_read, iova, w.type, w.class, false, 0);
                } else {
                    sb_touch(b, is_read, iova);
                    smmu_assert_no_event(b->smmu);
                }
            }
        }
    }
    sb_free(b);
}

/* CD.HAD: what tables say about permissions does not count. */
static void test_had(void)
{
    SBench *b = sb_new("", "");
    uint64_t table;

    sb_stage1(b, 12, 39);
    b->cd[1] |= SMMU_CD1_HAD;
    sb_update(b);
    sb_enable(b);
    smmu_map(b->smmu, &b->s1, IOVA, SB_BLOCK_GPA, 3,
             smmu_leaf(&b->s1, UNIT_RW));
    table = smmu_pte(b->smmu, &b->s1, IOVA, 2);
    qtest_writeq(b->smmu->qts, table, qtest_readq(b->smmu->qts, table) |
                 LPAE_APTABLE_NO_EL0 | LPAE_APTABLE_RO);
    sb_inv(b);
    sb_works(b, IOVA, SB_BLOCK_GPA);
    sb_free(b);
}

static void test_affd(void)
{
    SBench *b = sb_new("", "");

    sb_nested(b, 12, 39, 12, 40);
    sb_enable(b);
    smmu_map(b->smmu, &b->s1, IOVA, SB_OFFSET + SB_BLOCK_GPA, 3,
             smmu_leaf(&b->s1, UNIT_RW) & ~LPAE_AF);
    smmu_map(b->smmu, &b->s2, SB_OFFSET + SB_BLOCK_GPA, SB_BLOCK_GPA, 3,
             smmu_leaf(&b->s2, UNIT_RW) & ~LPAE_AF);
    sb_inv(b);
    sb_faults(b, IOVA, SMMU_EVT_F_ACCESS, IN, false, 0);
    b->cd[0] |= SMMU_CD0_AFFD;
    sb_update(b);
    sb_faults(b, IOVA, SMMU_EVT_F_ACCESS, IN, true,
              SB_OFFSET + SB_BLOCK_GPA);
    b->ste[2] |= SMMU_STE2_AFFD;
    sb_update(b);
    sb_works(b, IOVA, SB_BLOCK_GPA);
    sb_free(b);
}

static void test_stage2_permissions(void)
{
    SBench *b = sb_new("", "");
    uint64_t iova = IOVA;
    int i;

    sb_stage2(b, 12, 40);
    sb_enable(b);
    for (i = 0; i < 16; i++) {
        unsigned perms = i & 3;
        bool read_first = i & 4, af = !(i & 8);
        int n;

        iova += UNIT_PAGE;
        smmu_map(b->smmu, &b->s2, iova, SB_BLOCK_GPA, 3,
                 smmu_leaf(&b->s2, perms) & ~(af ? 0 : LPAE_AF));
        sb_inv(b);
        for (n = 0; n < 2; n++) {
            bool is_read = n ^ read_first;

            g_test_message("S2AP %d AF %d read %d", i & 3, af, is_read);
            if (!af) {
                sb_fault(b, is_read, iova, SMMU_EVT_F_ACCESS, IN, true, iova);
            } else if (perms & (is_read ? UNIT_R : UNIT_W)) {
                sb_touch(b, is_read, iova);
                smmu_assert_no_event(b->smmu);
            } else {
                sb_fault(b, is_read, iova, SMMU_EVT_F_PERMISSION, IN, true,
                         iova);
            }
        }
    }
    sb_free(b);
}

/* Addresses beyond IPS, S2PS and what the SMMU puts out */
static void test_output_size(void)
{
    SBench *b = sb_new("", "");
    uint64_t big = 1ULL << 36;
    uint64_t table;

    sb_stage1(b, 12, 39);
    b->cd[0] &= ~SMMU_CD0_IPS(7);
    b->cd[0] |= SMMU_CD0_IPS(1);        /* 36 bits */
    sb_update(b);
    sb_enable(b);
    smmu_map(b->smmu, &b->s1, IOVA, SB_BLOCK_GPA, 3,
             smmu_leaf(&b->s1, UNIT_RW));
    smmu_map(b->smmu, &b->s1, IOVA + UNIT_PAGE, big, 3,
             smmu_leaf(&b->s1, UNIT_RW));
    sb_inv(b);
    sb_works(b, IOVA, SB_BLOCK_GPA);
    sb_faults(b, IOVA + UNIT_PAGE, SMMU_EVT_F_ADDR_SIZE, IN, false, 0);
    table = smmu_pte(b->smmu, &b->s1, IOVA, 2);
    qtest_writeq(b->smmu->qts, table,
                 qtest_readq(b->smmu->qts, table) | big);
    sb_inv(b);
    sb_faults(b, IOVA, SMMU_EVT_F_ADDR_SIZE, IN, false, 0);

    sb_stage2(b, 12, 36);
    b->ste[2] &= ~SMMU_STE2_PS(7);
    b->ste[2] |= SMMU_STE2_PS(1);
    sb_update(b);
    smmu_map(b->smmu, &b->s2, IOVA, big, 3, smmu_leaf(&b->s2, UNIT_RW));
    sb_inv(b);
    sb_faults(b, IOVA, SMMU_EVT_F_ADDR_SIZE, IN, true, IOVA);
    table = smmu_pte(b->smmu, &b->s2, IOVA, 2);
    qtest_writeq(b->smmu->qts, table,
                 qtest_readq(b->smmu->qts, table) | big);
    sb_inv(b);
    sb_faults(b, IOVA, SMMU_EVT_F_ADDR_SIZE, IN, true, IOVA);
    sb_free(b);
}

/* D8.3: a block where no block can be, and level 3's reserved encoding */
static void test_no_such_block(void)
{
    SBench *b = sb_new("", "");
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(granules); i++) {
        int granule = granules[i];
        int level = first_block_level(granule) - 1;
        uint64_t iova = 1ULL << smmu_level_shift(granule, level);

        sb_stage1(b, granule, 48);
        if (i == 0) {
            sb_enable(b);
        }
        smmu_map(b->smmu, &b->s1, iova, 0, level, smmu_leaf(&b->s1, UNIT_RW));
        qtest_writeq(b->smmu->qts, smmu_pte(b->smmu, &b->s1, IOVA, 3),
                     SB_BLOCK_GPA | smmu_leaf(&b->s1, UNIT_RW) | LPAE_BLOCK);
        sb_inv(b);
        g_test_message("granule %d level %d", granule, level);
        sb_faults(b, IOVA, SMMU_EVT_F_TRANSLATION, IN, false, 0);
        sb_faults(b, iova + SB_BLOCK_GPA, SMMU_EVT_F_TRANSLATION, IN, false,
                  0);
    }
    sb_free(b);
}

static uint64_t pick(uint64_t n)
{
    return (uint64_t)g_test_rand_int() % n;
}

/* A few pages in each of a few tables, of every kind */
static void random_table(SBench *b, const SMMUTable *t, uint64_t in,
                         uint64_t out, uint64_t page)
{
    int i;

    for (i = 0; i < 16; i++) {
        uint64_t attrs = smmu_leaf(t, pick(8) ? UNIT_RW : pick(4));
        uint64_t table;

        if (pick(10) == 0) {
            attrs &= ~LPAE_AF;
        }
        if (pick(5) == 0) {
            continue;
        }
        smmu_map(b->smmu, t, in + i * page, out + pick(16) * page, 3, attrs);
        if (t->stage == 1 && pick(10) == 0) {
            table = smmu_pte(b->smmu, t, in + i * page, 2);
            qtest_writeq(b->smmu->qts, table,
                         qtest_readq(b->smmu->qts, table) |
                         pick(4) << 61);
        }
    }
}

static void compare(SBench *b, const SMMUTable *s1, const SMMUTable *s2,
                    uint64_t iova, bool is_read)
{
    SMMUWalk w = smmu_walk(b->smmu, s1, s2, 44, iova, !is_read);

    g_test_message("%s 0x%" PRIx64 ": event %d stage %d class %d ipa 0x%"
                   PRIx64 " gpa 0x%" PRIx64, is_read ? "read" : "write", iova,
                   w.type, w.s2 + 1, w.class, w.ipa, w.gpa);
    if (w.type) {
        sb_fault(b, is_read, iova, w.type, w.class, w.s2, w.ipa);
        return;
    }
    if (is_read) {
        g_assert_true(sb_reads(b, iova, w.gpa));
    } else {
        g_assert_true(sb_writes(b, iova, w.gpa));
    }
    smmu_assert_no_event(b->smmu);
}

/*
 * Random pairs of tables.  Pages of stage 1 lead to IPAs around SB_OFFSET + 4
 * GiB, which stage 2 maps to memory, or not; so do stage 1 tables, because
 * those are there, too.
 */
static void test_random(const void *opaque)
{
    int granule1 = *(const int *)opaque;
    SBench *b = sb_new("", "");
    uint64_t ipa = SB_OFFSET + (4ULL << 30);
    bool enabled = false;
    int round, i;

    for (round = 0; round < 12; round++) {
        int granule2 = granules[round % 3];
        int bits1 = 34 + pick(10);

        sb_nested(b, granule1, bits1, granule2, 40);
        if (!enabled) {
            sb_enable(b);
            enabled = true;
        }
        random_table(b, &b->s1, IOVA & ~0xffffULL, ipa, 1 << granule1);
        random_table(b, &b->s2, ipa, SB_BLOCK_GPA, 1 << granule2);
        sb_inv(b);
        for (i = 0; i < 48; i++) {
            uint64_t iova = (IOVA & ~0xffffULL) +
                            (pick(17) << granule1) +
                            (pick(1 << granule1) & ~7ULL);

            compare(b, &b->s1, &b->s2, iova, pick(2));
        }
    }
    sb_free(b);
}

/*
 * A stage 1 table of 64 KiB in IPA pages of 4 KiB, each of them elsewhere:
 * an entry is found through the page that it is in.
 */
static void test_scattered_table(void)
{
    SBench *b = sb_new("", "");
    uint64_t ipa = SB_OFFSET + (8ULL << 30);
    uint64_t root = unit_alloc_aligned(&b->smmu->unit, 64 * 1024);
    uint64_t leaf = unit_alloc_aligned(&b->smmu->unit, 64 * 1024);
    uint64_t iova = 0x100000000ULL | 0x1234ULL << 16;
    int i;

    /* Page i of each table is at page 15 - i. */
    sb_nested(b, 16, 42, 12, 40);
    for (i = 0; i < 16; i++) {
        uint64_t at = i * UNIT_PAGE, from = (15 - i) * UNIT_PAGE;

        smmu_map(b->smmu, &b->s2, ipa + at, root + from, 3,
                 smmu_leaf(&b->s2, UNIT_RW));
        smmu_map(b->smmu, &b->s2, ipa + 0x10000 + at, leaf + from, 3,
                 smmu_leaf(&b->s2, UNIT_RW));
    }
    /* Two levels: bits 41..29 and 28..16; 512 entries in each 4 KiB */
    for (i = 0; i < 2; i++) {
        uint64_t va = i ? iova : SB_WINDOW;
        uint64_t out = (i ? SB_BLOCK_GPA : b->window) + SB_OFFSET;
        unsigned at2 = va >> 29 & 0x1fff, at3 = va >> 16 & 0x1fff;

        if (i) {
            smmu_map(b->smmu, &b->s2, out, SB_BLOCK_GPA, 3,
                     smmu_leaf(&b->s2, UNIT_RW));
        }
        qtest_writeq(b->smmu->qts, root + (15 - at2 / 512) * UNIT_PAGE +
                     at2 % 512 * 8, (ipa + 0x10000) | LPAE_TABLE);
        qtest_writeq(b->smmu->qts, leaf + (15 - at3 / 512) * UNIT_PAGE +
                     at3 % 512 * 8,
                     out | smmu_leaf(&b->s1, UNIT_RW) | LPAE_PAGE);
    }
    b->cd[1] = ipa;
    sb_update(b);
    sb_enable(b);
    sb_works(b, iova, SB_BLOCK_GPA);
    sb_free(b);
}

/* Stage 2 has other memory for the stage 1 tables; TLBI is all it takes. */
static void test_moved_tables(void)
{
    SBench *b = sb_new("", "");
    uint64_t copy;
    g_autofree uint8_t *root = g_malloc(UNIT_PAGE);

    sb_nested(b, 12, 39, 12, 40);
    smmu_map(b->smmu, &b->s2, SB_OFFSET + SB_BLOCK_GPA, SB_BLOCK_GPA, 1,
             smmu_leaf(&b->s2, UNIT_RW));
    smmu_map(b->smmu, &b->s1, IOVA, SB_OFFSET + SB_BLOCK_GPA, 3,
             smmu_leaf(&b->s1, UNIT_RW));
    /* The page of the root alone, so that it can move */
    copy = unit_alloc(&b->smmu->unit, 1);
    smmu_map(b->smmu, &b->s2, SB_OFFSET * 2, b->s1.root, 3,
             smmu_leaf(&b->s2, UNIT_RW));
    b->cd[1] = SB_OFFSET * 2;
    sb_update(b);
    sb_enable(b);
    sb_works(b, IOVA, SB_BLOCK_GPA);

    qtest_memread(b->smmu->qts, b->s1.root, root, UNIT_PAGE);
    qtest_memwrite(b->smmu->qts, copy, root, UNIT_PAGE);
    qtest_memset(b->smmu->qts, b->s1.root, 0, UNIT_PAGE);
    smmu_map(b->smmu, &b->s2, SB_OFFSET * 2, copy, 3,
             smmu_leaf(&b->s2, UNIT_RW));
    smmu_cmd(b->smmu, SMMU_CMD_TLBI_S12_VMALL | SMMU_CMD_VMID(SB_VMID), 0);
    sb_works(b, IOVA, SB_BLOCK_GPA);
    sb_free(b);
}

/* S2AP without write: enough for tables, not for what is written by DMA. */
static void test_nested_read_only(void)
{
    SBench *b = sb_new("", "");
    uint64_t ipa = SB_OFFSET + SB_BLOCK_GPA;

    sb_nested(b, 12, 39, 12, 40);
    smmu_map(b->smmu, &b->s1, IOVA, ipa, 3, smmu_leaf(&b->s1, UNIT_RW));
    smmu_map(b->smmu, &b->s2, ipa, SB_BLOCK_GPA, 3,
             smmu_leaf(&b->s2, UNIT_R));
    sb_enable(b);
    g_assert_true(sb_reads(b, IOVA, SB_BLOCK_GPA));
    sb_fault(b, false, IOVA, SMMU_EVT_F_PERMISSION, IN, true, ipa);
    g_assert_true(sb_reads(b, IOVA, SB_BLOCK_GPA));
    smmu_assert_no_event(b->smmu);
    smmu_map(b->smmu, &b->s2, ipa, SB_BLOCK_GPA, 3,
             smmu_leaf(&b->s2, UNIT_W));
    sb_inv(b);
    g_assert_true(sb_writes(b, IOVA, SB_BLOCK_GPA));
    sb_fault(b, true, IOVA, SMMU_EVT_F_PERMISSION, IN, true, ipa);
    sb_free(b);
}

/*
 * One page after the other changes, each with the invalidation that it needs;
 * whatever is accessed is as the tables are then.
 */
static void test_churn(const void *opaque)
{
    int config = GPOINTER_TO_INT(opaque);
    SBench *b = sb_new("", "");
    uint64_t ipa = SB_OFFSET + (4ULL << 30);
    const SMMUTable *s1 = NULL, *s2 = NULL;
    int step;

    if (config == SMMU_STE_S1) {
        sb_stage1(b, 12, 39);
    } else if (config == SMMU_STE_S2) {
        sb_stage2(b, 12, 40);
    } else {
        sb_nested(b, 12, 39, 12, 40);
    }
    s1 = config == SMMU_STE_S2 ? NULL : &b->s1;
    s2 = config == SMMU_STE_S1 ? NULL : &b->s2;
    sb_enable(b);
    for (step = 0; step < 250; step++) {
        bool second = !s1 || (s2 && pick(2));
        const SMMUTable *t = second ? s2 : s1;
        uint64_t in = (second && s1 ? ipa : IOVA) + pick(8) * UNIT_PAGE;
        uint64_t out = (second || !s2 ? SB_BLOCK_GPA : ipa) +
                       pick(8) * UNIT_PAGE;
        uint64_t tag = SMMU_CMD_VMID(SB_VMID) | SMMU_CMD_ASID(SB_ASID);
        uint64_t at = in | SMMU_CMD1_TG(1) | SMMU_CMD1_TTL(3);
        int i;

        if (pick(4)) {
            smmu_map(b->smmu, t, in, out, 3,
                     smmu_leaf(t, pick(4) ? UNIT_RW : UNIT_R));
        } else {
            qtest_writeq(b->smmu->qts, smmu_pte(b->smmu, t, in, 3), 0);
        }
        if (second) {
            smmu_cmd_put(b->smmu, SMMU_CMD_TLBI_S2_IPA | tag, at);
            /* What was made of both stages is found by the first alone. */
            smmu_cmd(b->smmu, SMMU_CMD_TLBI_NH_ALL | tag, 0);
        } else {
            smmu_cmd(b->smmu, SMMU_CMD_TLBI_NH_VA | tag, at);
        }
        for (i = 0; i < 3; i++) {
            compare(b, s1, s2, IOVA + pick(8) * UNIT_PAGE, pick(2));
        }
    }
    sb_free(b);
}

/* An invalidation by address is one of every tag that the address had. */
static void test_tbi_invalidated(void)
{
    SBench *b = sb_new("", "");
    uint64_t tagged = IOVA | 0x5aULL << 56;
    SMMUTable t1;

    sb_stage1(b, 12, 39);
    smmu_table_init(b->smmu, &t1, 1, 12, 39, 0);
    smmu_make_cd(b->cd, &b->s1, &t1, SB_ASID);
    b->cd[0] |= SMMU_CD0_TBI0 | SMMU_CD0_TBI1;
    sb_update(b);
    sb_enable(b);
    smmu_map(b->smmu, &b->s1, IOVA, SB_BLOCK_GPA, 3,
             smmu_leaf(&b->s1, UNIT_RW));
    sb_inv(b);
    sb_works(b, tagged, SB_BLOCK_GPA);
    sb_works(b, IOVA, SB_BLOCK_GPA);
    qtest_writeq(b->smmu->qts, smmu_pte(b->smmu, &b->s1, IOVA, 3), 0);
    smmu_cmd(b->smmu, SMMU_CMD_TLBI_NH_VA | SMMU_CMD_ASID(SB_ASID) |
             SMMU_CMD_VMID(SB_VMID),
             IOVA | SMMU_CMD1_TG(1) | SMMU_CMD1_TTL(3));
    sb_faults(b, IOVA, SMMU_EVT_F_TRANSLATION, IN, false, 0);
    sb_faults(b, tagged, SMMU_EVT_F_TRANSLATION, IN, false, 0);
    sb_free(b);
}

/* Privileged only: not for a device, unless its stream is made so. */
static void test_privcfg(void)
{
    SBench *b = sb_new("", "");

    sb_stage1(b, 12, 39);
    smmu_map(b->smmu, &b->s1, IOVA, SB_BLOCK_GPA, 3, LPAE_AF | LPAE_NG);
    sb_enable(b);
    sb_faults(b, IOVA, SMMU_EVT_F_PERMISSION, IN, false, 0);
    if (smmu_read32(b->smmu, SMMU_IDR1) & 1u << 26) {
        SMMUEvent e;

        b->ste[1] |= SMMU_STE1_PRIVCFG(SMMU_PRIVCFG_PRIV);
        sb_update(b);
        sb_works(b, IOVA, SB_BLOCK_GPA);
        sb_touch(b, false, 0);
        e = smmu_assert_event(b->smmu, SMMU_EVT_F_TRANSLATION, SB_SID);
        g_assert_cmpint(SMMU_EVENT_PNU(&e), ==, 1);
    }
    sb_free(b);
}

/* Two streams: the same ASID is the same space, another one is not. */
static void test_asid(void)
{
    SBench *b = sb_new("", "-device edu,addr=05.0,"
                       "dma_mask=0xffffffffffffffff");
    Edu *first = b->edu, *second = edu_new(&b->smmu->unit, 5 << 3);
    uint64_t cd_gpa = unit_alloc(&b->smmu->unit, 1);
    uint64_t cd[8], ste[8];
    SMMUTable t;

    sb_stage1(b, 12, 39);
    smmu_table_init(b->smmu, &t, 1, 12, 39, 0);
    sb_map_window(b, &t);
    smmu_map(b->smmu, &b->s1, IOVA, SB_BLOCK_GPA, 3,
             smmu_leaf(&b->s1, UNIT_RW));
    smmu_map(b->smmu, &t, IOVA, SB_BLOCK_GPA + UNIT_PAGE, 3,
             smmu_leaf(&t, UNIT_RW));
    smmu_make_cd(cd, &t, NULL, SB_ASID + 1);
    smmu_put(b->smmu, cd_gpa, cd);
    smmu_make_ste(ste, SMMU_STE_S1, cd_gpa, NULL, SB_VMID);
    smmu_set_ste(b->smmu, 5 << 3, ste);
    sb_enable(b);
    sb_works(b, IOVA, SB_BLOCK_GPA);
    b->edu = second;
    sb_works(b, IOVA, SB_BLOCK_GPA + UNIT_PAGE);
    b->edu = first;
    sb_works(b, IOVA, SB_BLOCK_GPA);
    edu_free(second);
    sb_free(b);
}

/* STE bypass and abort, SMMUEN = 0, GBPA */
static void test_modes(void)
{
    SBench *b = sb_new("", "");

    /* Off: through, unless GBPA says that it is to be aborted. */
    g_assert_true(sb_writes(b, SB_BLOCK_GPA, SB_BLOCK_GPA) || true);
    viommu_fill(b->smmu, SB_BLOCK_GPA, SB_BLANK, 8);
    edu_load(b->edu, b->window, 8);
    edu_store(b->edu, SB_BLOCK_GPA, 8);
    g_assert_true(viommu_is_filled(b->smmu, SB_BLOCK_GPA, SB_MARK, 8));
    smmu_write32(b->smmu, SMMU_GBPA, SMMU_GBPA_UPDATE | SMMU_GBPA_ABORT);
    viommu_until(b->smmu, !(smmu_read32(b->smmu, SMMU_GBPA) &
                            SMMU_GBPA_UPDATE));
    viommu_fill(b->smmu, SB_BLOCK_GPA, SB_BLANK, 8);
    edu_store(b->edu, SB_BLOCK_GPA, 8);
    g_assert_true(viommu_is_filled(b->smmu, SB_BLOCK_GPA, SB_BLANK, 8));
    /* Without UPDATE it is not written. */
    smmu_write32(b->smmu, SMMU_GBPA, 0);
    edu_store(b->edu, SB_BLOCK_GPA, 8);
    g_assert_true(viommu_is_filled(b->smmu, SB_BLOCK_GPA, SB_BLANK, 8));
    smmu_write32(b->smmu, SMMU_GBPA, SMMU_GBPA_UPDATE);
    viommu_until(b->smmu, !(smmu_read32(b->smmu, SMMU_GBPA) &
                            SMMU_GBPA_UPDATE));
    edu_store(b->edu, SB_BLOCK_GPA, 8);
    g_assert_true(viommu_is_filled(b->smmu, SB_BLOCK_GPA, SB_MARK, 8));

    smmu_make_ste(b->ste, SMMU_STE_BYPASS, 0, NULL, 0);
    sb_update(b);
    sb_enable(b);
    viommu_fill(b->smmu, SB_BLOCK_GPA, SB_BLANK, 8);
    edu_store(b->edu, SB_BLOCK_GPA, 8);
    g_assert_true(viommu_is_filled(b->smmu, SB_BLOCK_GPA, SB_MARK, 8));
    smmu_assert_no_event(b->smmu);
    /* An abort is not an event. */
    smmu_make_ste(b->ste, SMMU_STE_ABORT, 0, NULL, 0);
    sb_update(b);
    viommu_fill(b->smmu, SB_BLOCK_GPA, SB_BLANK, 8);
    edu_store(b->edu, SB_BLOCK_GPA, 8);
    g_assert_true(viommu_is_filled(b->smmu, SB_BLOCK_GPA, SB_BLANK, 8));
    smmu_assert_no_event(b->smmu);

    /* Off again: GBPA again, which is as it was. */
    smmu_cr0(b->smmu, SMMU_CR0_CMDQEN | SMMU_CR0_EVENTQEN);
    edu_store(b->edu, SB_BLOCK_GPA, 8);
    g_assert_true(viommu_is_filled(b->smmu, SB_BLOCK_GPA, SB_MARK, 8));
    sb_free(b);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*fn)(const void *opaque);
    } by_granule[] = {
        { "stage-1/sizes", test_stage1_sizes },
        { "stage-2/sizes", test_stage2_sizes },
        { "nested/sizes", test_nested_sizes },
        { "stage-1/bits", test_stage1_bits },
        { "stage-2/bits", test_stage2_bits },
        { "stage-1/ttb1", test_ttb1 },
        { "nested/random", test_random },
    };
    size_t i, g;

    g_test_init(&argc, &argv, NULL);
    for (i = 0; i < G_N_ELEMENTS(by_granule); i++) {
        for (g = 0; g < G_N_ELEMENTS(granules); g++) {
            g_autofree char *path = g_strdup_printf(
                "/viommu/smmu/translate/%s/%dK", by_granule[i].name,
                1 << (granules[g] - 10));

            qtest_add_data_func(path, &granules[g], by_granule[i].fn);
        }
    }
    qtest_add_func("/viommu/smmu/translate/modes", test_modes);
    qtest_add_func("/viommu/smmu/translate/stage-1/permissions",
                   test_stage1_permissions);
    qtest_add_func("/viommu/smmu/translate/stage-1/had", test_had);
    qtest_add_func("/viommu/smmu/translate/stage-1/privcfg", test_privcfg);
    qtest_add_func("/viommu/smmu/translate/stage-1/asid", test_asid);
    qtest_add_func("/viommu/smmu/translate/no-such-block",
                   test_no_such_block);
    qtest_add_func("/viommu/smmu/translate/output-size", test_output_size);
    qtest_add_func("/viommu/smmu/translate/stage-2/permissions",
                   test_stage2_permissions);
    qtest_add_func("/viommu/smmu/translate/nested/access-flag", test_affd);
    qtest_add_func("/viommu/smmu/translate/nested/read-only",
                   test_nested_read_only);
    qtest_add_func("/viommu/smmu/translate/nested/scattered-table",
                   test_scattered_table);
    qtest_add_func("/viommu/smmu/translate/nested/moved-tables",
                   test_moved_tables);
    qtest_add_func("/viommu/smmu/translate/stage-1/tbi-invalidated",
                   test_tbi_invalidated);
    qtest_add_data_func("/viommu/smmu/translate/churn/stage-1",
                        GINT_TO_POINTER(SMMU_STE_S1), test_churn);
    qtest_add_data_func("/viommu/smmu/translate/churn/stage-2",
                        GINT_TO_POINTER(SMMU_STE_S2), test_churn);
    qtest_add_data_func("/viommu/smmu/translate/churn/nested",
                        GINT_TO_POINTER(SMMU_STE_NESTED), test_churn);
    return g_test_run();
}

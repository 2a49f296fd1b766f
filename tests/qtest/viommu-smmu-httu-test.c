/*
 * SMMUv3: hardware management of the access flag and of dirty state
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * IHI 0070 3.13, DDI 0487 D8.5: with CD.HA (STE.S2HA) an entry's AF is set
 * instead of a fault; with HD a page whose DBM is set is made writable by a
 * write.
 */
#include "qemu/osdep.h"
#include "viommu-smmu-bench.h"

#define IOVA        0x40200000ULL
#define IN          SMMU_CLASS_IN

static uint64_t entry(SBench *b, const SMMUTable *t, uint64_t addr)
{
    return qtest_readq(b->smmu->qts, smmu_pte(b->smmu, t, addr, 3));
}

static void put(SBench *b, const SMMUTable *t, uint64_t attrs)
{
    smmu_map(b->smmu, t, IOVA, SB_BLOCK_GPA, 3, attrs);
    sb_inv(b);
}

static void test_access(const void *opaque)
{
    bool second = GPOINTER_TO_INT(opaque);
    SBench *b = sb_new("httu=access", "");
    const SMMUTable *t = second ? &b->s2 : &b->s1;
    uint64_t leaf;

    if (second) {
        sb_stage2(b, 12, 40);
    } else {
        sb_stage1(b, 12, 39);
    }
    leaf = smmu_leaf(t, UNIT_RW) & ~LPAE_AF;
    sb_enable(b);
    put(b, t, leaf);
    sb_fault(b, true, IOVA, SMMU_EVT_F_ACCESS, IN, second, IOVA);
    g_assert_cmphex(entry(b, t, IOVA) & LPAE_AF, ==, 0);
    b->cd[0] |= SMMU_CD0_HA;
    b->ste[2] |= second ? SMMU_STE2_HA : 0;
    sb_update(b);
    sb_works(b, IOVA, SB_BLOCK_GPA);
    g_assert_cmphex(entry(b, t, IOVA), ==,
                    SB_BLOCK_GPA | leaf | LPAE_AF | LPAE_PAGE);
    /* A page that cannot be written is accessed by a refused write, or not. */
    put(b, t, smmu_leaf(t, UNIT_R) & ~LPAE_AF);
    sb_fault(b, false, IOVA, SMMU_EVT_F_PERMISSION, IN, second, IOVA);
    /* HD is more than this unit has. */
    b->cd[0] |= SMMU_CD0_HD;
    b->ste[2] |= second ? SMMU_STE2_HD : 0;
    sb_update(b);
    sb_touch(b, true, IOVA);
    smmu_assert_event(b->smmu, second ? SMMU_EVT_C_BAD_STE
                                      : SMMU_EVT_C_BAD_CD, SB_SID);
    sb_free(b);
}

static void test_dirty(const void *opaque)
{
    bool second = GPOINTER_TO_INT(opaque);
    SBench *b = sb_new("httu=dirty", "");
    const SMMUTable *t = second ? &b->s2 : &b->s1;
    uint64_t clean, writable;

    if (second) {
        sb_stage2(b, 12, 40);
        b->ste[2] |= SMMU_STE2_HA | SMMU_STE2_HD;
    } else {
        sb_stage1(b, 12, 39);
        b->cd[0] |= SMMU_CD0_HA | SMMU_CD0_HD;
    }
    sb_update(b);
    sb_enable(b);
    clean = smmu_leaf(t, UNIT_R) | LPAE_DBM;
    writable = second ? clean | LPAE_S2AP_W : clean & ~LPAE_AP_RO;

    /* A read leaves it clean; a write after that, and before it, does not. */
    put(b, t, clean);
    g_assert_true(sb_reads(b, IOVA, SB_BLOCK_GPA));
    g_assert_cmphex(entry(b, t, IOVA), ==, SB_BLOCK_GPA | clean | LPAE_PAGE);
    g_assert_true(sb_writes(b, IOVA, SB_BLOCK_GPA));
    g_assert_cmphex(entry(b, t, IOVA), ==,
                    SB_BLOCK_GPA | writable | LPAE_PAGE);
    put(b, t, clean & ~LPAE_AF);
    g_assert_true(sb_writes(b, IOVA, SB_BLOCK_GPA));
    g_assert_cmphex(entry(b, t, IOVA), ==,
                    SB_BLOCK_GPA | writable | LPAE_PAGE);
    smmu_assert_no_event(b->smmu);
    /* Cleaned again by software and invalidated, it is dirtied again. */
    put(b, t, clean);
    g_assert_true(sb_writes(b, IOVA, SB_BLOCK_GPA));
    g_assert_cmphex(entry(b, t, IOVA), ==,
                    SB_BLOCK_GPA | writable | LPAE_PAGE);
    /* Without DBM it is a page that cannot be written. */
    put(b, t, clean & ~LPAE_DBM);
    sb_fault(b, false, IOVA, SMMU_EVT_F_PERMISSION, IN, second, IOVA);
    sb_free(b);
}

static void test_skipped(void)
{
    g_test_skip("no HTTU");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    if (!viommu_offers("arm-smmuv3", "httu")) {
        qtest_add_func("/viommu/smmu/httu", test_skipped);
        return g_test_run();
    }
    qtest_add_data_func("/viommu/smmu/httu/access/stage-1",
                        GINT_TO_POINTER(0), test_access);
    qtest_add_data_func("/viommu/smmu/httu/access/stage-2",
                        GINT_TO_POINTER(1), test_access);
    qtest_add_data_func("/viommu/smmu/httu/dirty/stage-1",
                        GINT_TO_POINTER(0), test_dirty);
    qtest_add_data_func("/viommu/smmu/httu/dirty/stage-2",
                        GINT_TO_POINTER(1), test_dirty);
    return g_test_run();
}

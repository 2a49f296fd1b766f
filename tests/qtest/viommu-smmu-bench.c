/*
 * A workbench for translation tests: one SMMUv3, one edu device, its tables
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "viommu-smmu-bench.h"

/* Of an access: what fails is tried in pieces of four bytes. */
#define LEN     4
#define SINK    0x800        /* in the window; the source is at 0 */
#define RAM     (512ULL << 20)

SBench *sb_new(const char *props, const char *args)
{
    SBench *b = g_new0(SBench, 1);

    b->smmu = smmu_start(props, EDU_DEVICE "%s", args);
    b->edu = edu_new(&b->smmu->unit, EDU_SID);
    b->window = unit_alloc_aligned(&b->smmu->unit, 64 * 1024);
    b->cd_gpa = unit_alloc(&b->smmu->unit, 1);
    viommu_fill(b->smmu, b->window, SB_MARK, SINK);
    return b;
}

void sb_free(SBench *b)
{
    edu_free(b->edu);
    smmu_stop(b->smmu);
    g_free(b);
}

void sb_map_window(SBench *b, const SMMUTable *t)
{
    smmu_map(b->smmu, t, SB_WINDOW, b->window, 3, smmu_leaf(t, UNIT_RW));
}

void sb_map_ram(SBench *b, const SMMUTable *s2)
{
    uint64_t block = 1ULL << smmu_level_shift(s2->granule, 2);
    uint64_t at;

    for (at = VIRT_RAM; at < VIRT_RAM + RAM; at += block) {
        smmu_map(b->smmu, s2, SB_OFFSET + at, at, 2, smmu_leaf(s2, UNIT_RW));
    }
}

void sb_update(SBench *b)
{
    smmu_put(b->smmu, b->cd_gpa, b->cd);
    smmu_set_ste(b->smmu, SB_SID, b->ste);
    sb_inv(b);
}

void sb_inv(SBench *b)
{
    if (smmu_read32(b->smmu, SMMU_CR0ACK) & SMMU_CR0_CMDQEN) {
        smmu_inv_everything(b->smmu);
    }
}

void sb_enable(SBench *b)
{
    smmu_enable(b->smmu);
}

void sb_stage1(SBench *b, int granule, int bits)
{
    smmu_table_init(b->smmu, &b->s1, 1, granule, bits, 0);
    sb_map_window(b, &b->s1);
    smmu_make_cd(b->cd, &b->s1, NULL, SB_ASID);
    smmu_make_ste(b->ste, SMMU_STE_S1, b->cd_gpa, NULL, SB_VMID);
    sb_update(b);
}

void sb_stage2(SBench *b, int granule, int bits)
{
    smmu_table_init(b->smmu, &b->s2, 2, granule, bits, 0);
    sb_map_window(b, &b->s2);
    memset(b->cd, 0, sizeof(b->cd));
    smmu_make_ste(b->ste, SMMU_STE_S2, 0, &b->s2, SB_VMID);
    sb_update(b);
}

void sb_nested(SBench *b, int granule1, int bits1, int granule2, int bits2)
{
    smmu_table_init(b->smmu, &b->s2, 2, granule2, bits2, 0);
    sb_map_ram(b, &b->s2);
    smmu_table_init(b->smmu, &b->s1, 1, granule1, bits1, SB_OFFSET);
    smmu_map(b->smmu, &b->s1, SB_WINDOW, b->window + SB_OFFSET, 3,
             smmu_leaf(&b->s1, UNIT_RW));
    smmu_make_cd(b->cd, &b->s1, NULL, SB_ASID);
    smmu_make_ste(b->ste, SMMU_STE_NESTED, b->cd_gpa + SB_OFFSET, &b->s2,
                  SB_VMID);
    sb_update(b);
}

bool sb_writes(SBench *b, uint64_t iova, uint64_t gpa)
{
    edu_load(b->edu, SB_WINDOW, LEN);
    viommu_fill(b->smmu, gpa, SB_BLANK, LEN);
    edu_store(b->edu, iova, LEN);
    return viommu_is_filled(b->smmu, gpa, SB_MARK, LEN);
}

bool sb_reads(SBench *b, uint64_t iova, uint64_t gpa)
{
    viommu_fill(b->smmu, gpa, SB_MARK, LEN);
    viommu_fill(b->smmu, b->window + SINK, SB_BLANK, LEN);
    edu_load(b->edu, SB_WINDOW + SINK, LEN);
    edu_load(b->edu, iova, LEN);
    edu_store(b->edu, SB_WINDOW + SINK, LEN);
    return viommu_is_filled(b->smmu, b->window + SINK, SB_MARK, LEN);
}

void sb_works(SBench *b, uint64_t iova, uint64_t gpa)
{
    g_assert_true(sb_reads(b, iova, gpa));
    g_assert_true(sb_writes(b, iova, gpa));
    smmu_assert_no_event(b->smmu);
}

void sb_touch(SBench *b, bool is_read, uint64_t iova)
{
    if (is_read) {
        edu_load(b->edu, iova, LEN);
    } else {
        edu_store(b->edu, iova, LEN);
    }
}

void sb_fault(SBench *b, bool is_read, uint64_t iova, uint8_t type, int class,
              bool s2, uint64_t ipa)
{
    sb_touch(b, is_read, iova);
    smmu_assert_fault(b->smmu, type, SB_SID, is_read, class, s2, iova, ipa);
}

void sb_faults(SBench *b, uint64_t iova, uint8_t type, int class, bool s2,
               uint64_t ipa)
{
    sb_fault(b, true, iova, type, class, s2, ipa);
    sb_fault(b, false, iova, type, class, s2, ipa);
}

/*
 * A workbench for translation tests: one SMMUv3, one edu device, its tables
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VIOMMU_SMMU_BENCH_H
#define VIOMMU_SMMU_BENCH_H

#include "viommu-edu.h"
#include "viommu-smmu.h"

#define SB_SID          EDU_SID
#define SB_ASID         0x5a
#define SB_VMID         0xc3

/*
 * Always mapped, one page of whatever size, so that the device's buffer can be
 * set and seen.
 */
#define SB_WINDOW       0x10000ULL
/* Where a stage 1 thinks that its tables and the window are, behind stage 2 */
#define SB_OFFSET       0x200000000ULL
/* Guest memory that nothing else uses, on a boundary of any block */
#define SB_BLOCK_GPA    0x80000000ULL

#define SB_MARK         0xc7     /* what the device writes */
#define SB_BLANK        0x11

typedef struct SBench {
    SMMU *smmu;
    Edu *edu;
    uint64_t window;         /* guest memory */
    SMMUTable s1, s2;
    uint64_t cd_gpa;
    uint64_t cd[8], ste[8];  /* as they are in memory; see sb_update() */
} SBench;

/* sb_new: translation is off.  @props, @args: as smmu_start(). */
SBench *sb_new(const char *props, const char *args);
void sb_free(SBench *b);

/*
 * Tables of this granule (log2) and of so many bits, the stream table entry
 * and all for the device.  Nothing but the window is mapped; behind stage 2 it
 * is at an IPA of its own.
 */
void sb_stage1(SBench *b, int granule, int bits);
void sb_stage2(SBench *b, int granule, int bits);
void sb_nested(SBench *b, int granule1, int bits1, int granule2, int bits2);
/* sb_map_window: into a table that was made in another way */
void sb_map_window(SBench *b, const SMMUTable *t);
/* sb_map_ram: so that stage 1 tables and descriptors are found at SB_OFFSET */
void sb_map_ram(SBench *b, const SMMUTable *s2);
/* sb_update: write b->ste and b->cd, and invalidate everything. */
void sb_update(SBench *b);
/* sb_inv: everything, after a change of a table */
void sb_inv(SBench *b);
/* sb_enable: turn translation on. */
void sb_enable(SBench *b);

/* sb_writes: does a device write at @iova reach @gpa? */
bool sb_writes(SBench *b, uint64_t iova, uint64_t gpa);
/* sb_reads: does a device read at @iova yield what is at @gpa? */
bool sb_reads(SBench *b, uint64_t iova, uint64_t gpa);
/* sb_works: both, and no event came of it. */
void sb_works(SBench *b, uint64_t iova, uint64_t gpa);
/* sb_touch: a read or a write, whatever comes of it. */
void sb_touch(SBench *b, bool is_read, uint64_t iova);
/*
 * sb_faults: neither works; each access is recorded like this.
 * sb_fault: one of them.
 */
void sb_faults(SBench *b, uint64_t iova, uint8_t type, int class, bool s2,
               uint64_t ipa);
void sb_fault(SBench *b, bool is_read, uint64_t iova, uint8_t type, int class,
              bool s2, uint64_t ipa);

#endif

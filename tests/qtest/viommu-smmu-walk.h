/*
 * Translation by the specification, for tests to compare with
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * As plain as can be, one access at a time, no cache.
 */
#ifndef VIOMMU_SMMU_WALK_H
#define VIOMMU_SMMU_WALK_H

#include "viommu-smmu.h"

typedef struct SMMUWalk {
    uint8_t type;            /* SMMU_EVT_*; 0: it works */
    int class;
    bool s2;
    uint64_t ipa;            /* @s2: the input of stage 2 */
    uint64_t gpa;            /* it works */
} SMMUWalk;

/*
 * smmu_walk: an unprivileged access at @iova through @s1, @s2 or both; the
 * other one is NULL.  What descriptors say must fit in @out_bits.
 */
SMMUWalk smmu_walk(SMMU *smmu, const SMMUTable *s1, const SMMUTable *s2,
                   int out_bits, uint64_t iova, bool is_write);

#endif

/*
 * Translation by the specification, for tests to compare with
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * DDI 0487 D8.2 (the walk), D8.4 (permissions); IHI 0070 3.4 (sizes), 7.3
 * (what a fault says).
 */
#include "qemu/osdep.h"
#include "viommu-smmu-walk.h"

/* The lowest level (with the largest blocks) that has blocks */
static int first_block_level(int granule)
{
    return granule == 12 ? 1 : 2;
}


static SMMUWalk stage2(SMMU *smmu, const SMMUTable *t, int out_bits,
                       uint64_t ipa, bool is_write, int class);

/* A stage 1 descriptor's address is an IPA if there is a stage 2. */
static bool locate(SMMU *smmu, const SMMUTable *s2, int out_bits,
                   uint64_t addr, SMMUWalk *result, uint64_t *gpa)
{
    if (!s2) {
        *gpa = addr;
        return true;
    }
    *result = stage2(smmu, s2, out_bits, addr, false, SMMU_CLASS_TT);
    *gpa = result->gpa;
    return result->type == 0;
}

static SMMUWalk fault(uint8_t type, int class, bool s2, uint64_t ipa)
{
    return (SMMUWalk) { .type = type, .class = class, .s2 = s2, .ipa = ipa };
}

/*
 * One stage.  @s2: what stage 1 descriptors are found through.  *@out is the
 * output address; its permissions were checked.
 */
static SMMUWalk one_stage(SMMU *smmu, const SMMUTable *t, const SMMUTable *s2,
                          int out_bits, uint64_t in, bool is_write, int class)
{
    bool second = t->stage == 2;
    bool ro_above = false, no_el0_above = false;
    uint64_t table = t->root + t->offset;
    int level;

    if (in >> t->bits) {
        return fault(SMMU_EVT_F_TRANSLATION, class, second, in);
    }
    for (level = t->start; ; level++) {
        int shift = smmu_level_shift(t->granule, level);
        int top = level == t->start ? t->bits : shift + t->granule - 3;
        uint64_t index = (in >> shift) & ((1ULL << (top - shift)) - 1);
        uint64_t desc, at, out;
        SMMUWalk result = { 0 };
        bool leaf, may_read, may_write;

        if (!locate(smmu, s2, out_bits, table + index * 8, &result, &at)) {
            return result;
        }
        desc = qtest_readq(smmu->qts, at);
        leaf = level == 3 || (desc & LPAE_TABLE) == LPAE_BLOCK;
        if (!(desc & LPAE_VALID) ||
            (level == 3 && (desc & LPAE_PAGE) != LPAE_PAGE) ||
            (level < 3 && leaf && level < first_block_level(t->granule))) {
            return fault(SMMU_EVT_F_TRANSLATION, class, second, in);
        }
        out = desc & LPAE_ADDR & ~((1ULL << (leaf ? shift : t->granule)) - 1);
        if (out >> out_bits) {
            return fault(SMMU_EVT_F_ADDR_SIZE, class, second, in);
        }
        if (!leaf) {
            ro_above |= !second && (desc & LPAE_APTABLE_RO);
            no_el0_above |= !second && (desc & LPAE_APTABLE_NO_EL0);
            table = out;
            continue;
        }
        if (!(desc & LPAE_AF)) {
            return fault(SMMU_EVT_F_ACCESS, class, second, in);
        }
        if (second) {
            may_read = desc & LPAE_S2AP_R;
            may_write = desc & LPAE_S2AP_W;
        } else {
            may_read = (desc & LPAE_AP_EL0) && !no_el0_above;
            may_write = may_read && !(desc & LPAE_AP_RO) && !ro_above;
        }
        if (is_write ? !may_write : !may_read) {
            return fault(SMMU_EVT_F_PERMISSION, class, second, in);
        }
        result.gpa = out | (in & ((1ULL << shift) - 1));
        return result;
    }
}

static SMMUWalk stage2(SMMU *smmu, const SMMUTable *t, int out_bits,
                       uint64_t ipa, bool is_write, int class)
{
    return one_stage(smmu, t, NULL, out_bits, ipa, is_write, class);
}

SMMUWalk smmu_walk(SMMU *smmu, const SMMUTable *s1, const SMMUTable *s2,
                   int out_bits, uint64_t iova, bool is_write)
{
    SMMUWalk first;

    if (!s1) {
        return stage2(smmu, s2, out_bits, iova, is_write, SMMU_CLASS_IN);
    }
    first = one_stage(smmu, s1, s2, out_bits, iova, is_write, SMMU_CLASS_IN);
    if (first.type || !s2) {
        return first;
    }
    return stage2(smmu, s2, out_bits, first.gpa, is_write, SMMU_CLASS_IN);
}

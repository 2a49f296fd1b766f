/*
 * An SMMUv3 as a test drives it: what it reads from guest memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "viommu-smmu.h"

void smmu_put(SMMU *smmu, uint64_t gpa, const uint64_t *dw)
{
    int i;

    /* The first one last: it says that the rest is valid. */
    for (i = 7; i >= 0; i--) {
        qtest_writeq(smmu->qts, gpa + i * 8, dw[i]);
    }
}

static unsigned strtab_log2(SMMU *smmu)
{
    return smmu->strtab_cfg & 0x3f;
}

uint64_t smmu_ste(SMMU *smmu, uint32_t sid)
{
    unsigned split = (smmu->strtab_cfg >> 6) & 0x1f;
    uint64_t desc, l1std;

    g_assert_cmpuint(sid >> strtab_log2(smmu), ==, 0);
    if (!(smmu->strtab_cfg >> 16)) {
        return smmu->strtab + sid * SMMU_STE_SIZE;
    }
    desc = smmu->strtab + (sid >> split) * 8;
    l1std = qtest_readq(smmu->qts, desc);
    if (!l1std) {
        l1std = SMMU_L1STD(unit_alloc_aligned(&smmu->unit,
                                              SMMU_STE_SIZE << split),
                           split + 1);
        qtest_writeq(smmu->qts, desc, l1std);
    }
    return (l1std & ~0x3fULL) + (sid & ((1u << split) - 1)) * SMMU_STE_SIZE;
}

void smmu_set_ste(SMMU *smmu, uint32_t sid, const uint64_t dw[8])
{
    smmu_put(smmu, smmu_ste(smmu, sid), dw);
}

void smmu_use_2level(SMMU *smmu, unsigned log2, unsigned split)
{
    smmu->strtab = unit_alloc_aligned(&smmu->unit,
                                      MAX(64, 8ULL << (log2 - split)));
    smmu->strtab_cfg = SMMU_STRTAB_2LEVEL(log2, split);
}

int smmu_level_shift(int granule, int level)
{
    return granule + (3 - level) * (granule - 3);
}

/*
 * Stage 1 takes as many levels as the input needs (D8.2).  Stage 2 may begin
 * one level lower with up to 16 tables in a row; it does if it can, as Linux
 * would have it.
 */
void smmu_table_init(SMMU *smmu, SMMUTable *t, int stage, int granule,
                     int bits, uint64_t offset)
{
    int start = 3, concat = stage == 2 ? 4 : 0;

    while (smmu_level_shift(granule, start) + granule - 3 + concat < bits) {
        start--;
    }
    smmu_table_init_at(smmu, t, stage, granule, bits, start, offset);
}

void smmu_table_init_at(SMMU *smmu, SMMUTable *t, int stage, int granule,
                        int bits, int start, uint64_t offset)
{
    uint64_t size = 8ULL << (bits - smmu_level_shift(granule, start));

    *t = (SMMUTable) {
        .stage = stage, .granule = granule, .bits = bits, .start = start,
        .root = unit_alloc_aligned(&smmu->unit, MAX(size, UNIT_PAGE)),
        .offset = offset,
    };
}

static uint64_t index_of(const SMMUTable *t, uint64_t addr, int level)
{
    int shift = smmu_level_shift(t->granule, level);
    int top = level == t->start ? t->bits : shift + t->granule - 3;

    return (addr >> shift) & ((1ULL << (top - shift)) - 1);
}

uint64_t smmu_pte(SMMU *smmu, const SMMUTable *t, uint64_t addr, int level)
{
    uint64_t table = t->root;
    int l;

    for (l = t->start; ; l++) {
        uint64_t entry = table + index_of(t, addr, l) * 8;
        uint64_t desc;

        if (l == level) {
            return entry;
        }
        desc = qtest_readq(smmu->qts, entry);
        if ((desc & LPAE_TABLE) != LPAE_TABLE) {
            desc = (unit_alloc_aligned(&smmu->unit, 1ULL << t->granule) +
                    t->offset) | LPAE_TABLE;
            qtest_writeq(smmu->qts, entry, desc);
        }
        table = (desc & LPAE_ADDR) - t->offset;
    }
}

uint64_t smmu_leaf(const SMMUTable *t, unsigned perms)
{
    if (t->stage == 2) {
        return LPAE_AF | LPAE_SH_INNER | 0xfULL << 2 |
               (perms & UNIT_R ? LPAE_S2AP_R : 0) |
               (perms & UNIT_W ? LPAE_S2AP_W : 0);
    }
    return LPAE_AF | LPAE_SH_INNER | LPAE_NG |
           (perms ? LPAE_AP_EL0 : 0) | (perms & UNIT_W ? 0 : LPAE_AP_RO);
}

void smmu_map(SMMU *smmu, const SMMUTable *t, uint64_t addr, uint64_t out,
              int level, uint64_t attrs)
{
    qtest_writeq(smmu->qts, smmu_pte(smmu, t, addr, level),
                 out | attrs | (level == 3 ? LPAE_PAGE : LPAE_BLOCK));
}

void smmu_make_cd(uint64_t *cd, const SMMUTable *low, const SMMUTable *high,
                  uint16_t asid)
{
    static const uint8_t tg0[] = {
        [12] = SMMU_TG0_4K, [14] = SMMU_TG0_16K, [16] = SMMU_TG0_64K,
    };
    static const uint8_t tg1[] = {
        [12] = SMMU_TG1_4K, [14] = SMMU_TG1_16K, [16] = SMMU_TG1_64K,
    };

    memset(cd, 0, SMMU_CD_SIZE);
    cd[0] = SMMU_CD0_V | SMMU_CD0_AA64 | SMMU_CD0_R | SMMU_CD0_A |
            SMMU_CD0_ASET | SMMU_CD0_IPS(SMMU_PS_44) | SMMU_CD0_ASID(asid);
    if (low) {
        cd[0] |= SMMU_CD0_T0SZ(64 - low->bits) |
                 SMMU_CD0_TG0(tg0[low->granule]);
        cd[1] = low->root + low->offset;
    } else {
        cd[0] |= SMMU_CD0_EPD0;
    }
    if (high) {
        cd[0] |= SMMU_CD0_T1SZ(64 - high->bits) |
                 SMMU_CD0_TG1(tg1[high->granule]);
        cd[2] = high->root + high->offset;
    } else {
        cd[0] |= SMMU_CD0_EPD1;
    }
}

void smmu_make_ste(uint64_t *ste, int config, uint64_t cd,
                   const SMMUTable *s2, uint16_t vmid)
{
    static const uint8_t tg[] = {
        [12] = SMMU_TG0_4K, [14] = SMMU_TG0_16K, [16] = SMMU_TG0_64K,
    };

    memset(ste, 0, SMMU_STE_SIZE);
    ste[0] = SMMU_STE0_V | SMMU_STE0_CONFIG(config) | cd;
    ste[1] = SMMU_STE1_SHCFG(1);
    ste[2] = SMMU_STE2_VMID(vmid);
    if (s2) {
        /* 5.2, S2SL0: how many levels below level 2 (4K) or 3 it begins */
        int sl0 = (s2->granule == 12 ? 2 : 3) - s2->start;

        ste[2] |= SMMU_STE2_T0SZ(64 - s2->bits) | SMMU_STE2_SL0(sl0) |
                  SMMU_STE2_TG(tg[s2->granule]) | SMMU_STE2_PS(SMMU_PS_44) |
                  SMMU_STE2_AA64 | SMMU_STE2_R;
        ste[3] = s2->root + s2->offset;
    }
}

/*
 * SMMUv3: decoders of what the guest leaves in memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Where the specification says IGNORED or RES0, a bit is not looked at; where
 * it says ILLEGAL, the structure is refused.  Which values of a translation
 * regime are possible at all (granule, TxSZ, SL0, table address) is for the
 * page-table formats to say.
 */
#include "qemu/osdep.h"
#include "smmuv3-decode.h"

/* ID registers */

static uint32_t idr0(const SMMUv3Features *f)
{
    uint32_t val = SMMU_IDR0_TTF_AA64 | SMMU_IDR0_COHACC | SMMU_IDR0_ASID16 |
                   SMMU_IDR0_VMID16 | SMMU_IDR0_TERM_MODEL |
                   smmu_put(SMMU_TTENDIAN_LITTLE, SMMU_IDR0_TTENDIAN) |
                   smmu_put(SMMU_STALL_MODEL_NONE, SMMU_IDR0_STALL_MODEL) |
                   smmu_put(SMMU_ST_LEVEL_2, SMMU_IDR0_ST_LEVEL) |
                   smmu_put(f->httu, SMMU_IDR0_HTTU);

    val |= f->s1p ? SMMU_IDR0_S1P : 0;
    val |= f->s2p ? SMMU_IDR0_S2P : 0;
    val |= f->ats ? SMMU_IDR0_ATS | SMMU_IDR0_NS1ATS : 0;
    val |= f->msi ? SMMU_IDR0_MSI : 0;
    val |= f->ssid_bits ? SMMU_IDR0_CD2L : 0;
    return val;
}

static uint32_t idr1(const SMMUv3Features *f)
{
    return smmu_put(SMMU_SIDSIZE, SMMU_IDR1_SIDSIZE) |
           smmu_put(f->ssid_bits, SMMU_IDR1_SSIDSIZE) |
           smmu_put(SMMU_QUEUE_LOG2SIZE_MAX, SMMU_IDR1_EVENTQS) |
           smmu_put(SMMU_QUEUE_LOG2SIZE_MAX, SMMU_IDR1_CMDQS) |
           (f->perms_ovr ? SMMU_IDR1_ATTR_PERMS_OVR : 0);
}

static uint32_t idr3(const SMMUv3Features *f)
{
    return SMMU_IDR3_HAD | SMMU_IDR3_RIL | smmu_put(2, SMMU_IDR3_BBML) |
           (f->s2p ? SMMU_IDR3_XNX : 0);
}

static uint32_t idr5(const SMMUv3Features *f)
{
    return SMMU_IDR5_GRAN4K | SMMU_IDR5_GRAN16K | SMMU_IDR5_GRAN64K |
           smmu_put(f->oas_bits == 48 ? SMMU_OAS_48 : SMMU_OAS_44,
                    SMMU_IDR5_OAS);
}

uint32_t smmuv3_idr(const SMMUv3Features *features, unsigned n)
{
    switch (n) {
    case 0:
        return idr0(features);
    case 1:
        return idr1(features);
    case 3:
        return idr3(features);
    case 5:
        return idr5(features);
    default:
        return 0;
    }
}

void smmuv3_features(SMMUv3Features *features, const uint32_t *idr)
{
    *features = (SMMUv3Features) {
        .s1p = idr[0] & SMMU_IDR0_S1P,
        .s2p = idr[0] & SMMU_IDR0_S2P,
        .ats = idr[0] & SMMU_IDR0_ATS,
        .msi = idr[0] & SMMU_IDR0_MSI,
        .perms_ovr = idr[1] & SMMU_IDR1_ATTR_PERMS_OVR,
        .httu = smmu_bits(idr[0], SMMU_IDR0_HTTU),
        .ssid_bits = smmu_bits(idr[1], SMMU_IDR1_SSIDSIZE),
        .oas_bits = smmu_bits(idr[5], SMMU_IDR5_OAS) == SMMU_OAS_48 ? 48 : 44,
    };
}

/* Stream tables */

static unsigned strtab_split(uint32_t cfg)
{
    unsigned split = smmu_bits(cfg, SMMU_STRTAB_CFG_SPLIT);

    return split == 8 || split == 10 ? split : 6;
}

/* @addr with its lower @bits cleared; @bits may be 64 and more. */
static uint64_t align_down(uint64_t addr, unsigned bits)
{
    return bits < 64 ? addr >> bits << bits : 0;
}

bool smmuv3_strtab_index(uint64_t base, uint32_t cfg, uint32_t sid,
                         bool *two_level, uint64_t *addr)
{
    unsigned log2size = smmu_bits(cfg, SMMU_STRTAB_CFG_LOG2SIZE);
    unsigned usable = log2size < SMMU_SIDSIZE ? log2size : SMMU_SIDSIZE;
    unsigned split = strtab_split(cfg);

    if (sid >> usable) {
        return false;
    }
    base = smmu_keep(base, SMMU_STRTAB_BASE_ADDR);
    *two_level = smmu_bits(cfg, SMMU_STRTAB_CFG_FMT) == SMMU_STRTAB_FMT_2LVL;
    if (*two_level) {
        /* ADDR[MAX(5, LOG2SIZE - SPLIT - 1 + 3):0] = 0 */
        unsigned top = log2size + 2 > split + 5 ? log2size + 2 - split : 5;

        *addr = align_down(base, top + 1) +
                (uint64_t)(sid >> split) * SMMU_L1STD_SIZE;
    } else {
        *addr = align_down(base, log2size + SMMU_STE_LOG2SIZE) +
                (uint64_t)sid * SMMU_STE_SIZE;
    }
    return true;
}

bool smmuv3_decode_l1std(uint64_t l1std, uint32_t cfg, uint32_t sid,
                         uint64_t *addr)
{
    unsigned span = smmu_bits(l1std, SMMU_L1STD_SPAN);
    unsigned split = strtab_split(cfg);

    sid &= (1u << split) - 1;
    if (!span || span > SMMU_L1STD_SPAN_MAX || span > split + 1 ||
        sid >> (span - 1)) {
        return false;
    }
    *addr = align_down(smmu_keep(l1std, SMMU_L1STD_L2PTR),
                       SMMU_STE_LOG2SIZE + span - 1) +
            (uint64_t)sid * SMMU_STE_SIZE;
    return true;
}

/* STE */

/* Do the bits that turn on hardware updates ask for what there is? */
static bool httu_ok(const SMMUv3Features *f, bool ha, bool hd)
{
    return (!ha && !hd) || f->httu == SMMU_HTTU_DIRTY ||
           (f->httu == SMMU_HTTU_ACCESS && !hd);
}

static unsigned output_bits(const SMMUv3Features *f, unsigned ps)
{
    unsigned bits = iopt_armv8_pa_bits(ps);

    return bits < f->oas_bits ? bits : f->oas_bits;
}

static bool decode_ste_s1(const uint64_t *d, const SMMUv3Features *f,
                          SMMUv3STE *ste)
{
    unsigned fmt = smmu_bits(d[0], SMMU_STE_D0_S1FMT);

    if (!f->s1p || (d[1] & SMMU_STE_D1_S1STALLD)) {
        return false;
    }
    ste->s1contextptr = smmu_keep(d[0], SMMU_STE_D0_S1CONTEXTPTR);
    /* An IPA is for stage 2 to refuse (3.4.3). */
    if (!(ste->config & SMMU_STE_CONFIG_S2) &&
        ste->s1contextptr >> f->oas_bits) {
        return false;
    }
    if (f->ssid_bits) {
        ste->s1cdmax = smmu_bits(d[0], SMMU_STE_D0_S1CDMAX);
        if (ste->s1cdmax > f->ssid_bits) {
            return false;
        }
        ste->s1fmt = fmt == 3 ? SMMU_STE_S1FMT_LINEAR : fmt;
        ste->s1dss = smmu_bits(d[1], SMMU_STE_D1_S1DSS);
    }
    return true;
}

static bool decode_ste_s2(const uint64_t *d, const SMMUv3Features *f,
                          SMMUv3STE *ste)
{
    bool ha = d[2] & SMMU_STE_D2_S2HA;
    bool hd = d[2] & SMMU_STE_D2_S2HD;
    IOPTArmv8Params params = {
        .granule = iopt_armv8_tg0(smmu_bits(d[2], SMMU_STE_D2_S2TG)),
        .tsz = smmu_bits(d[2], SMMU_STE_D2_S2T0SZ),
        .sl0 = smmu_bits(d[2], SMMU_STE_D2_S2SL0),
        .ttb = smmu_keep(d[3], SMMU_STE_D3_S2TTB),
        .output_bits = output_bits(f, smmu_bits(d[2], SMMU_STE_D2_S2PS)),
        .pa_bits = f->oas_bits,
        .flags = IOPT_ARMV8_XNX |
                 (ha ? IOPT_ARMV8_HA : 0) |
                 (hd ? IOPT_ARMV8_HD : 0) |
                 (d[2] & SMMU_STE_D2_S2AFFD ? IOPT_ARMV8_AFFD : 0) |
                 (d[2] & SMMU_STE_D2_S2PTW ? IOPT_ARMV8_PTW : 0),
    };

    if (!f->s2p || !(d[2] & SMMU_STE_D2_S2AA64) ||
        (d[2] & (SMMU_STE_D2_S2ENDI | SMMU_STE_D2_S2S)) ||
        !httu_ok(f, ha, hd)) {
        return false;
    }
    ste->s2r = d[2] & SMMU_STE_D2_S2R;
    return iopt_armv8_stage2(&ste->s2, &params) == IOPT_ARMV8_OK;
}

static void override_attr(unsigned cfg, uint8_t attr, SMMUv3STE *ste)
{
    if (cfg == SMMU_STE_CFG_SET || cfg == SMMU_STE_CFG_PRIV) {
        ste->attrs_fixed |= attr;
        ste->attrs |= cfg == SMMU_STE_CFG_PRIV ? attr : 0;
    }
}

bool smmuv3_decode_ste(const uint64_t *words, const SMMUv3Features *features,
                       SMMUv3STE *ste)
{
    const uint64_t *d = words;

    memset(ste, 0, sizeof(*ste));
    if (!(d[0] & SMMU_STE_D0_V)) {
        return false;
    }
    ste->config = smmu_bits(d[0], SMMU_STE_D0_CONFIG);
    if (!(ste->config & SMMU_STE_CONFIG_PASS)) {
        ste->config = 0;
        return true;
    }
    if (features->s2p) {
        ste->vmid = smmu_bits(d[2], SMMU_STE_D2_S2VMID);
    }
    /* Without IDR1.ATTR_PERMS_OVR: as they come in. */
    if (features->perms_ovr) {
        override_attr(smmu_bits(d[1], SMMU_STE_D1_PRIVCFG), IOPT_PRIV, ste);
        override_attr(smmu_bits(d[1], SMMU_STE_D1_INSTCFG), IOPT_EXEC, ste);
    }
    /* EATS is ignored where nothing is translated (5.2). */
    if (features->ats && (ste->config & (SMMU_STE_CONFIG_S1 |
                                         SMMU_STE_CONFIG_S2))) {
        unsigned eats = smmu_bits(d[1], SMMU_STE_D1_EATS);

        if (eats == SMMU_STE_EATS_SPLIT) {
            return false;
        }
        ste->ats = eats == SMMU_STE_EATS_FULL;
    }
    /* STRW is RES0 without IDR0.Hyp: the StreamWorld is always NS-EL1. */
    if ((ste->config & SMMU_STE_CONFIG_S1) &&
        !decode_ste_s1(d, features, ste)) {
        return false;
    }
    return !(ste->config & SMMU_STE_CONFIG_S2) ||
           decode_ste_s2(d, features, ste);
}

/* log2 of the CDs in a second-level table */
static unsigned l2_bits(const SMMUv3STE *ste)
{
    return ste->s1fmt == SMMU_STE_S1FMT_64K_L2 ? 10 : 6;
}

uint64_t smmuv3_cd_index(const SMMUv3STE *ste, uint32_t ssid, bool *two_level)
{
    unsigned bits = l2_bits(ste);
    unsigned l1;

    *two_level = ste->s1cdmax && ste->s1fmt != SMMU_STE_S1FMT_LINEAR;
    if (*two_level) {
        /* An array of L1CDs, aligned to its size or to 64 bytes */
        l1 = ste->s1cdmax > bits ? ste->s1cdmax - bits + 3 : 0;
        return align_down(ste->s1contextptr, l1) +
               (uint64_t)(ssid >> bits) * SMMU_L1CD_SIZE;
    }
    return align_down(ste->s1contextptr, ste->s1cdmax + SMMU_CD_LOG2SIZE) +
           ((uint64_t)ssid << SMMU_CD_LOG2SIZE);
}

bool smmuv3_decode_l1cd(uint64_t l1cd, const SMMUv3STE *ste,
                        const SMMUv3Features *features, uint32_t ssid,
                        uint64_t *addr)
{
    uint64_t l2ptr = smmu_keep(l1cd, SMMU_L1CD_L2PTR);

    if (!(l1cd & SMMU_L1CD_V)) {
        return false;
    }
    if (!(ste->config & SMMU_STE_CONFIG_S2) && l2ptr >> features->oas_bits) {
        return false;
    }
    *addr = align_down(l2ptr, l2_bits(ste) + SMMU_CD_LOG2SIZE) +
            ((uint64_t)(ssid & ((1u << l2_bits(ste)) - 1)) <<
             SMMU_CD_LOG2SIZE);
    return true;
}

/* CD */

static bool decode_ttb(const uint64_t *d, unsigned n, unsigned bits,
                       unsigned flags, IOPTTable *table)
{
    uint64_t epd = n ? SMMU_CD_D0_EPD1 : SMMU_CD_D0_EPD0;
    uint64_t tbi = n ? SMMU_CD_D0_TBI1 : SMMU_CD_D0_TBI0;
    IOPTArmv8Params params = {
        .granule = n ? iopt_armv8_tg1(smmu_bits(d[0], SMMU_CD_D0_TG1)) :
                       iopt_armv8_tg0(smmu_bits(d[0], SMMU_CD_D0_TG0)),
        .tsz = n ? smmu_bits(d[0], SMMU_CD_D0_T1SZ) :
                   smmu_bits(d[0], SMMU_CD_D0_T0SZ),
        .ttb = smmu_keep(d[1 + n], SMMU_CD_D12_TTB),
        .output_bits = bits,
        .flags = flags |
                 (d[0] & epd ? IOPT_ARMV8_EPD : 0) |
                 (d[0] & tbi ? IOPT_ARMV8_TBI : 0) |
                 (d[1 + n] & SMMU_CD_D12_HAD ? IOPT_ARMV8_HPD : 0),
    };

    return iopt_armv8_stage1(table, &params) == IOPT_ARMV8_OK ||
           (d[0] & epd);
}

bool smmuv3_decode_cd(const uint64_t *words, const SMMUv3Features *features,
                      SMMUv3CD *cd)
{
    const uint64_t *d = words;
    const uint64_t epd = SMMU_CD_D0_EPD0 | SMMU_CD_D0_EPD1;
    bool ha = d[0] & SMMU_CD_D0_HA;
    bool hd = d[0] & SMMU_CD_D0_HD;
    unsigned bits = output_bits(features, smmu_bits(d[0], SMMU_CD_D0_IPS));
    unsigned flags = (ha ? IOPT_ARMV8_HA : 0) |
                     (hd ? IOPT_ARMV8_HD : 0) |
                     (d[0] & SMMU_CD_D0_AFFD ? IOPT_ARMV8_AFFD : 0) |
                     (d[0] & SMMU_CD_D0_WXN ? IOPT_ARMV8_WXN : 0) |
                     (d[0] & SMMU_CD_D0_PAN ? IOPT_ARMV8_PAN : 0);

    memset(cd, 0, sizeof(*cd));
    /* TTF: AArch64 only; TERM_MODEL: A is 1; STALL_MODEL: S is 0 */
    if (!(d[0] & SMMU_CD_D0_V) || !(d[0] & SMMU_CD_D0_AA64) ||
        !(d[0] & SMMU_CD_D0_A) || (d[0] & SMMU_CD_D0_S) ||
        ((d[0] & SMMU_CD_D0_ENDI) && (d[0] & epd) != epd) ||
        !httu_ok(features, ha, hd)) {
        return false;
    }
    cd->asid = smmu_bits(d[0], SMMU_CD_D0_ASID);
    cd->r = d[0] & SMMU_CD_D0_R;
    cd->tbi = d[0] & (SMMU_CD_D0_TBI0 | SMMU_CD_D0_TBI1);
    return decode_ttb(d, 0, bits, flags, &cd->ttb[0]) &&
           decode_ttb(d, 1, bits, flags, &cd->ttb[1]);
}

/* Commands */

/* The level, in TTL's encoding, of the largest block (Arm ARM D8.3) */
static unsigned largest_block_ttl(unsigned granule)
{
    return granule == 12 ? 1 : 2;
}

/*
 * The extent of an invalidation by address, 4.4.1.1.  An entry is dropped if
 * it contains any address of the extent, however large it is.  What is in
 * flight through such an entry may be anywhere in it, so the extent has to be
 * as large as the entry can be.  TTL tells; without it, it is a page or a
 * block of any level, which caches look for by the addresses that the command
 * names.  Without TG it is one address, and of any granule: those of 4 KiB have
 * the largest blocks.
 */
static const char *decode_tlbi_extent(const uint64_t *d, uint64_t addr,
                                      SMMUv3Cmd *cmd)
{
    unsigned tg = smmu_bits(d[1], SMMU_CMD_D1_TG);
    unsigned ttl = tg ? smmu_bits(d[1], SMMU_CMD_D1_TTL) : 0;
    unsigned num = tg ? smmu_bits(d[0], SMMU_CMD_D0_NUM) : 0;
    unsigned scale = tg ? smmu_bits(d[0], SMMU_CMD_D0_SCALE) : 0;
    unsigned granule = tg ? 10 + 2 * tg : 12;
    uint64_t leaf, size, last;

    if (granule == 14 && ttl == 1) {
        ttl = 0;
    }
    if (tg && !num && !scale && !ttl) {
        return "TG without TTL and without a range";
    }
    cmd->tlbi.named = !ttl;
    if (!ttl) {
        ttl = largest_block_ttl(granule);
    }
    leaf = (1ull << (granule + (3 - ttl) * (granule - 3))) - 1;
    size = (uint64_t)(num + 1) << scale << granule;
    cmd->tlbi.leaf = d[1] & SMMU_CMD_D1_LEAF;
    last = addr + size - 1 < addr ? UINT64_MAX : addr + size - 1;
    cmd->tlbi.first = addr & ~leaf;
    cmd->tlbi.last = last | leaf;
    cmd->tlbi.named_first = addr;
    cmd->tlbi.named_last = last;
    return NULL;
}

static const char *decode_cfgi(const uint64_t *d, const SMMUv3Features *f,
                               SMMUv3Cmd *cmd)
{
    cmd->cfgi.sid = smmu_bits(d[0], SMMU_CMD_D0_SID);
    if (d[0] & SMMU_CMD_D0_SSEC) {
        return "SSec is set";
    }
    switch (cmd->op) {
    case SMMU_CMD_CFGI_STE_RANGE:
        cmd->cfgi.mask = (2ull << smmu_bits(d[1], SMMU_CMD_D1_RANGE)) - 1;
        return NULL;
    case SMMU_CMD_CFGI_CD:
    case SMMU_CMD_CFGI_CD_ALL:
        return f->s1p ? NULL : "no stage 1";
    default:
        return NULL;
    }
}

static const char *decode_tlbi(const uint64_t *d, const SMMUv3Features *f,
                               SMMUv3Cmd *cmd)
{
    bool stage1 = cmd->op >= SMMU_CMD_TLBI_NH_ALL &&
                  cmd->op <= SMMU_CMD_TLBI_NH_VAA;
    bool stage2 = cmd->op == SMMU_CMD_TLBI_S12_VMALL ||
                  cmd->op == SMMU_CMD_TLBI_S2_IPA;

    if (stage1 && !f->s1p) {
        return "no stage 1";
    }
    if (stage2 && !f->s2p) {
        return "no stage 2";
    }
    if (f->s2p) {
        cmd->tlbi.vmid = smmu_bits(d[0], SMMU_CMD_D0_VMID);
    }
    cmd->tlbi.asid = smmu_bits(d[0], SMMU_CMD_D0_ASID);
    switch (cmd->op) {
    case SMMU_CMD_TLBI_NH_VA:
    case SMMU_CMD_TLBI_NH_VAA:
        return decode_tlbi_extent(d, smmu_keep(d[1], SMMU_CMD_D1_ADDR), cmd);
    case SMMU_CMD_TLBI_S2_IPA:
        return decode_tlbi_extent(d, smmu_keep(d[1], SMMU_CMD_D1_IPA), cmd);
    default:
        return NULL;
    }
}

static const char *decode_atc(const uint64_t *d, const SMMUv3Features *f,
                              SMMUv3Cmd *cmd)
{
    unsigned size = smmu_bits(d[1], SMMU_CMD_D1_SIZE);
    uint64_t addr = smmu_keep(d[1], SMMU_CMD_D1_ADDR);
    uint64_t mask = size >= SMMU_ATC_SIZE_ALL ? UINT64_MAX :
                    (1ull << (size + SMMU_ATC_PAGE_SHIFT)) - 1;

    if (!f->ats) {
        return "no ATS";
    }
    cmd->atc.sid = smmu_bits(d[0], SMMU_CMD_D0_SID);
    cmd->atc.ssv = d[0] & SMMU_CMD_D0_SSV;
    cmd->atc.ssid = smmu_bits(d[0], SMMU_CMD_D0_SSID);
    cmd->atc.global = cmd->atc.ssv && (d[0] & SMMU_CMD_D0_GLOBAL);
    cmd->atc.first = addr & ~mask;
    cmd->atc.last = addr | mask;
    return d[0] & SMMU_CMD_D0_SSEC ? "SSec is set" : NULL;
}

static const char *decode_sync(const uint64_t *d, const SMMUv3Features *f,
                               SMMUv3Cmd *cmd)
{
    cmd->sync.cs = smmu_bits(d[0], SMMU_CMD_D0_SYNC_CS);
    if (cmd->sync.cs == SMMU_SYNC_CS_RESERVED) {
        return "CS is reserved";
    }
    if (cmd->sync.cs == SMMU_SYNC_CS_IRQ && f->msi) {
        cmd->sync.msi_data = smmu_bits(d[0], SMMU_CMD_D0_SYNC_MSIDATA);
        cmd->sync.msi_addr = smmu_keep(d[1], SMMU_CMD_D1_SYNC_MSIADDR);
    }
    return NULL;
}

const char *smmuv3_decode_cmd(const uint64_t *words,
                              const SMMUv3Features *features, SMMUv3Cmd *cmd)
{
    memset(cmd, 0, sizeof(*cmd));
    cmd->op = smmu_bits(words[0], SMMU_CMD_D0_OP);
    switch (cmd->op) {
    case SMMU_CMD_PREFETCH_CONFIG:
    case SMMU_CMD_PREFETCH_ADDR:
    case SMMU_CMD_CFGI_STE:
    case SMMU_CMD_CFGI_STE_RANGE:
    case SMMU_CMD_CFGI_CD:
    case SMMU_CMD_CFGI_CD_ALL:
        return decode_cfgi(words, features, cmd);
    case SMMU_CMD_TLBI_NH_ALL:
    case SMMU_CMD_TLBI_NH_ASID:
    case SMMU_CMD_TLBI_NH_VA:
    case SMMU_CMD_TLBI_NH_VAA:
    case SMMU_CMD_TLBI_S12_VMALL:
    case SMMU_CMD_TLBI_S2_IPA:
    case SMMU_CMD_TLBI_NSNH_ALL:
        return decode_tlbi(words, features, cmd);
    case SMMU_CMD_ATC_INV:
        return decode_atc(words, features, cmd);
    case SMMU_CMD_SYNC:
        return decode_sync(words, features, cmd);
    default:
        /*
         * Reserved, or of a feature that is not there: EL2 (IDR0.Hyp), EL3
         * and Secure state, PRI, stalls, MPAM, DPT.
         */
        return "reserved or not supported";
    }
}

const char *smmuv3_cmd_name(uint8_t op)
{
    switch (op) {
    case SMMU_CMD_PREFETCH_CONFIG:
        return "CMD_PREFETCH_CONFIG";
    case SMMU_CMD_PREFETCH_ADDR:
        return "CMD_PREFETCH_ADDR";
    case SMMU_CMD_CFGI_STE:
        return "CMD_CFGI_STE";
    case SMMU_CMD_CFGI_STE_RANGE:
        return "CMD_CFGI_STE_RANGE";
    case SMMU_CMD_CFGI_CD:
        return "CMD_CFGI_CD";
    case SMMU_CMD_CFGI_CD_ALL:
        return "CMD_CFGI_CD_ALL";
    case SMMU_CMD_ATC_INV:
        return "CMD_ATC_INV";
    case SMMU_CMD_TLBI_NH_ALL:
        return "CMD_TLBI_NH_ALL";
    case SMMU_CMD_TLBI_NH_ASID:
        return "CMD_TLBI_NH_ASID";
    case SMMU_CMD_TLBI_NH_VA:
        return "CMD_TLBI_NH_VA";
    case SMMU_CMD_TLBI_NH_VAA:
        return "CMD_TLBI_NH_VAA";
    case SMMU_CMD_TLBI_S12_VMALL:
        return "CMD_TLBI_S12_VMALL";
    case SMMU_CMD_TLBI_S2_IPA:
        return "CMD_TLBI_S2_IPA";
    case SMMU_CMD_TLBI_NSNH_ALL:
        return "CMD_TLBI_NSNH_ALL";
    case SMMU_CMD_SYNC:
        return "CMD_SYNC";
    default:
        return "unsupported";
    }
}

/* Events */

static uint64_t event_access(const SMMUv3Event *event)
{
    return (event->rnw ? SMMU_EVT_D1_RNW : 0) |
           (event->pnu ? SMMU_EVT_D1_PNU : 0) |
           (event->ind ? SMMU_EVT_D1_IND : 0) |
           (event->s2 ? SMMU_EVT_D1_S2 : 0) |
           smmu_put(event->class, SMMU_EVT_D1_CLASS);
}

void smmuv3_encode_event(const SMMUv3Event *event, uint64_t *words)
{
    bool permission = event->type == SMMU_EVT_F_PERMISSION;

    words[0] = smmu_put(event->type, SMMU_EVT_D0_TYPE) |
               smmu_put(event->sid, SMMU_EVT_D0_SID);
    words[1] = words[2] = words[3] = 0;

    /*
     * C_BAD_SUBSTREAMID has a substream, so it has no SSV; a translated
     * transaction has none.
     */
    if (event->type == SMMU_EVT_C_BAD_SUBSTREAMID) {
        words[0] |= smmu_put(event->ssid, SMMU_EVT_D0_SSID);
    } else if (event->ssv && event->type != SMMU_EVT_F_TRANSL_FORBIDDEN) {
        words[0] |= SMMU_EVT_D0_SSV |
                    smmu_put(event->ssid, SMMU_EVT_D0_SSID);
    }

    switch (event->type) {
    case SMMU_EVT_F_STE_FETCH:
    case SMMU_EVT_F_CD_FETCH:
        words[3] = smmu_keep(event->addr2, SMMU_EVT_D3_FETCHADDR);
        break;
    case SMMU_EVT_F_TRANSL_FORBIDDEN:
        words[1] = event->rnw ? SMMU_EVT_D1_RNW : 0;
        words[2] = event->addr;
        break;
    case SMMU_EVT_F_WALK_EABT:
        words[1] = event_access(event);
        words[2] = event->addr;
        words[3] = smmu_keep(event->addr2, SMMU_EVT_D3_FETCHADDR);
        break;
    case SMMU_EVT_F_TRANSLATION:
    case SMMU_EVT_F_ADDR_SIZE:
    case SMMU_EVT_F_ACCESS:
    case SMMU_EVT_F_PERMISSION:
        words[1] = event_access(event);
        if (permission && event->class == SMMU_CLASS_TT && event->ttrnw) {
            words[1] |= SMMU_EVT_D1_TTRNW;
        }
        words[2] = event->addr;
        if (event->s2) {
            words[3] = smmu_keep(event->addr2, SMMU_EVT_D3_IPA);
        }
        break;
    default:
        break;
    }
}

const char *smmuv3_event_name(uint8_t type)
{
    switch (type) {
    case SMMU_EVT_C_BAD_STREAMID:
        return "C_BAD_STREAMID";
    case SMMU_EVT_F_STE_FETCH:
        return "F_STE_FETCH";
    case SMMU_EVT_C_BAD_STE:
        return "C_BAD_STE";
    case SMMU_EVT_F_TRANSL_FORBIDDEN:
        return "F_TRANSL_FORBIDDEN";
    case SMMU_EVT_F_STREAM_DISABLED:
        return "F_STREAM_DISABLED";
    case SMMU_EVT_C_BAD_SUBSTREAMID:
        return "C_BAD_SUBSTREAMID";
    case SMMU_EVT_F_CD_FETCH:
        return "F_CD_FETCH";
    case SMMU_EVT_C_BAD_CD:
        return "C_BAD_CD";
    case SMMU_EVT_F_WALK_EABT:
        return "F_WALK_EABT";
    case SMMU_EVT_F_TRANSLATION:
        return "F_TRANSLATION";
    case SMMU_EVT_F_ADDR_SIZE:
        return "F_ADDR_SIZE";
    case SMMU_EVT_F_ACCESS:
        return "F_ACCESS";
    case SMMU_EVT_F_PERMISSION:
        return "F_PERMISSION";
    default:
        return "none";
    }
}

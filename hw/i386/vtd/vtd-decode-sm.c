/*
 * VT-d: decoders of scalable mode's tables
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Everything decoded here was written by the guest: any bit pattern must have
 * a defined result.  Layouts and their sections are in vtd-spec.h.
 */
#include "qemu/osdep.h"
#include "vtd-decode-sm.h"

/* @field, if the unit does not have @feature: then it is reserved. */
static uint64_t vtd_rsvd_unless(uint64_t caps, uint64_t feature,
                                uint64_t field)
{
    return caps & feature ? 0 : field;
}

VTDFaultReason vtd_decode_sm_root(uint64_t lo, uint64_t hi, uint8_t devfn,
                                  uint8_t aw_bits, uint64_t *table)
{
    uint64_t half = VTD_SM_ROOT_UPPER(devfn) ? hi : lo;

    if (!(half & VTD_SM_ROOT_P)) {
        return VTD_FR_SM_ROOT_P;
    }
    if (half & VTD_SM_ROOT_RSVD(aw_bits)) {
        return VTD_FR_SM_ROOT_RSVD;
    }
    *table = VTD_SM_ROOT_CTP(half);
    return VTD_FR_NONE;
}

VTDFaultReason vtd_decode_sm_context(const uint64_t words[4], uint8_t aw_bits,
                                     uint64_t ecap, VTDSMContext *context)
{
    uint64_t lo = words[0], hi = words[1];
    uint64_t rsvd_lo = VTD_SM_CONTEXT_RSVD_LO(aw_bits) |
        vtd_rsvd_unless(ecap, VTD_ECAP_DT, VTD_SM_CONTEXT_DTE) |
        vtd_rsvd_unless(ecap, VTD_ECAP_PASID, VTD_SM_CONTEXT_PASIDE) |
        vtd_rsvd_unless(ecap, VTD_ECAP_PRS, VTD_SM_CONTEXT_PRE);
    uint64_t rsvd_hi = VTD_SM_CONTEXT_RSVD_HI |
        vtd_rsvd_unless(ecap, VTD_ECAP_RPS, VTD_SM_CONTEXT_RID_PASID) |
        vtd_rsvd_unless(ecap, VTD_ECAP_RPRIVS, VTD_SM_CONTEXT_RID_PRIV);

    *context = (VTDSMContext) {
        .fpd = lo & VTD_SM_CONTEXT_FPD,
        .dte = lo & VTD_SM_CONTEXT_DTE,
        .paside = lo & VTD_SM_CONTEXT_PASIDE,
        .pre = lo & VTD_SM_CONTEXT_PRE,
        .rid_priv = hi & VTD_SM_CONTEXT_RID_PRIV,
        .rid_pasid = hi & VTD_SM_CONTEXT_RID_PASID,
        .pasids = VTD_PDTS_PASIDS(VTD_SM_CONTEXT_PDTS(lo)),
        .pasiddirptr = VTD_SM_CONTEXT_PASIDDIRPTR(lo),
    };
    if (!(lo & VTD_SM_CONTEXT_P)) {
        return VTD_FR_SM_CONTEXT_P;
    }
    if ((lo & rsvd_lo) || (hi & rsvd_hi) || words[2] || words[3]) {
        return VTD_FR_SM_CONTEXT_RSVD;
    }
    if (context->rid_pasid >= context->pasids ||
        (context->pre && !context->dte)) {
        return VTD_FR_SM_CONTEXT_INV;
    }
    return VTD_FR_NONE;
}

VTDFaultReason vtd_check_sm_request(const VTDSMContext *context,
                                    uint64_t ecap, VTDSMRequest *req)
{
    if ((req->translation || req->translated) && !context->dte) {
        return VTD_FR_SM_CONTEXT_DTE;
    }
    if (req->page && !context->pre) {
        return VTD_FR_SM_CONTEXT_PRE;
    }
    if (!req->has_pasid) {
        req->pasid = context->rid_pasid;
        req->priv = context->rid_priv;
        return VTD_FR_NONE;
    }
    if (!context->paside) {
        return VTD_FR_SM_CONTEXT_PASIDE;
    }
    if (req->pasid >= context->pasids) {
        return VTD_FR_SM_CONTEXT_PASID;
    }
    if (req->pasid == context->rid_pasid) {
        return VTD_FR_SM_CONTEXT_RID;
    }
    /* The specification lets page requests pass. */
    if (!req->page && req->pasid >> VTD_ECAP_PSS_BITS(ecap)) {
        return VTD_FR_SM_PASID_SIZE;
    }
    return VTD_FR_NONE;
}

VTDFaultReason vtd_decode_pasid_dir(uint64_t entry, uint8_t aw_bits, bool *fpd,
                                    uint64_t *table)
{
    *fpd = entry & VTD_PASID_DIR_FPD;
    if (!(entry & VTD_PASID_DIR_P)) {
        return VTD_FR_SM_PASID_DIR_P;
    }
    if (entry & VTD_PASID_DIR_RSVD(aw_bits)) {
        return VTD_FR_SM_PASID_DIR_RSVD;
    }
    *table = VTD_PASID_DIR_SMPTBLPTR(entry);
    return VTD_FR_NONE;
}

/* PASID table entry */

static bool vtd_pasid_is_reserved(const uint64_t words[8], uint8_t aw_bits,
                                  uint64_t ecap)
{
    const uint64_t rsvd[3] = {
        VTD_PASID_RSVD_0(aw_bits) |
            vtd_rsvd_unless(ecap, VTD_ECAP_SSADS, VTD_PASID_SSADE) |
            vtd_rsvd_unless(ecap, VTD_ECAP_SSTS, VTD_PASID_SSPTPTR(~0ULL)),
        VTD_PASID_RSVD_1 |
            vtd_rsvd_unless(ecap, VTD_ECAP_SMPWC, VTD_PASID_PWSNP) |
            vtd_rsvd_unless(ecap, VTD_ECAP_SC, VTD_PASID_PGSNP),
        VTD_PASID_RSVD_2(aw_bits) |
            vtd_rsvd_unless(ecap, VTD_ECAP_SRS, VTD_PASID_SRE) |
            vtd_rsvd_unless(ecap, VTD_ECAP_EAFS, VTD_PASID_EAFE) |
            vtd_rsvd_unless(ecap, VTD_ECAP_FSTS, VTD_PASID_FIRST_STAGE),
    };

    for (unsigned i = 0; i < VTD_PASID_ENTRY_WORDS; i++) {
        if (words[i] & (i < ARRAY_SIZE(rsvd) ? rsvd[i] : ~0ULL)) {
            return true;
        }
    }
    return false;
}

static bool vtd_pgtt_has_first(uint8_t pgtt)
{
    return pgtt == VTD_PGTT_FIRST || pgtt == VTD_PGTT_NESTED;
}

static bool vtd_pgtt_has_second(uint8_t pgtt)
{
    return pgtt == VTD_PGTT_SECOND || pgtt == VTD_PGTT_NESTED;
}

/* SPT.4: what PGTT asks for, does the unit have it? */
static bool vtd_pgtt_is_supported(uint8_t pgtt, uint64_t ecap)
{
    switch (pgtt) {
    case VTD_PGTT_FIRST:
        return ecap & VTD_ECAP_FSTS;
    case VTD_PGTT_SECOND:
        return ecap & VTD_ECAP_SSTS;
    case VTD_PGTT_NESTED:
        return (ecap & VTD_ECAP_NEST) && (ecap & VTD_ECAP_FSTS) &&
               (ecap & VTD_ECAP_SSTS);
    case VTD_PGTT_PASS_THROUGH:
        return ecap & VTD_ECAP_PT;
    default:
        return false;
    }
}

/* SPT.4.4: nested, the first stage's top table is where the second has room */
static bool vtd_fsptptr_is_valid(const VTDPASIDEntry *entry, uint8_t aw_bits)
{
    unsigned width = VTD_LEVELS_BITS(entry->ss_levels);

    return entry->pgtt != VTD_PGTT_NESTED ||
           !(entry->fsptptr >> (width < aw_bits ? width : aw_bits));
}

/* What the unit does not have of what the entry asks for; NULL: nothing */
static const char *vtd_pasid_unsupported(const VTDPASIDEntry *entry,
                                         uint8_t fspm, uint8_t aw_bits,
                                         uint64_t cap, uint64_t ecap)
{
    if (!vtd_pgtt_is_supported(entry->pgtt, ecap)) {
        return "PGTT of the PASID table entry is a kind of translation that "
               "the unit does not have (ECAP.FSTS, SSTS, NEST, PT)";
    }
    if (vtd_pgtt_has_second(entry->pgtt) &&
        (entry->ss_levels > VTD_LEVELS_MAX ||
         !(cap & VTD_CAP_SAGAW_MASK & VTD_CAP_SAGAW(entry->ss_levels)))) {
        return "AW of the PASID table entry is a table depth that the unit "
               "does not have (CAP.SAGAW; aw-bits)";
    }
    if (vtd_pgtt_has_first(entry->pgtt) && fspm != VTD_FSPM_4_LEVELS &&
        (fspm != VTD_FSPM_5_LEVELS || !(cap & VTD_CAP_FS5LP))) {
        return "FSPM of the PASID table entry is a table depth that the unit "
               "does not have (CAP.FS5LP; aw-bits)";
    }
    return vtd_fsptptr_is_valid(entry, aw_bits) ? NULL :
           "FSPTPTR of the PASID table entry is beyond the second stage's "
           "width";
}

VTDFaultReason vtd_decode_pasid(const uint64_t words[8], uint8_t aw_bits,
                                uint64_t cap, uint64_t ecap,
                                VTDPASIDEntry *entry)
{
    uint8_t fspm = VTD_PASID_FSPM(words[2]);

    *entry = (VTDPASIDEntry) {
        .fpd = words[0] & VTD_PASID_FPD,
        .pgtt = VTD_PASID_PGTT(words[0]),
        .did = VTD_PASID_DID(words[1]),
        .pwsnp = words[1] & VTD_PASID_PWSNP,
        .pgsnp = words[1] & VTD_PASID_PGSNP,
        .ss_levels = VTD_AW_LEVELS(VTD_PASID_AW(words[0])),
        .ssade = words[0] & VTD_PASID_SSADE,
        .ssptptr = VTD_PASID_SSPTPTR(words[0]),
        .fs_levels = fspm == VTD_FSPM_5_LEVELS ? 5 : 4,
        .sre = words[2] & VTD_PASID_SRE,
        .wpe = words[2] & VTD_PASID_WPE,
        .eafe = words[2] & VTD_PASID_EAFE,
        .fsptptr = VTD_PASID_FSPTPTR(words[2]),
    };
    if (!(words[0] & VTD_PASID_P)) {
        return VTD_FR_SM_PASID_P;
    }
    if (vtd_pasid_is_reserved(words, aw_bits, ecap)) {
        return VTD_FR_SM_PASID_RSVD;
    }
    entry->why = vtd_pasid_unsupported(entry, fspm, aw_bits, cap, ecap);
    return entry->why ? VTD_FR_SM_PASID_INV : VTD_FR_NONE;
}

VTDFaultReason vtd_check_pasid_request(const VTDPASIDEntry *entry,
                                       const VTDSMRequest *req)
{
    /* ECAP.ERS is clear: nobody may execute, whatever PGTT is. */
    if (req->exec) {
        return VTD_FR_SM_PASID_ERE;
    }
    return req->priv && !entry->sre ? VTD_FR_SM_PASID_SRE : VTD_FR_NONE;
}

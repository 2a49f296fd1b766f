/*
 * VT-d: decoders of what the guest leaves in memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Everything decoded here was written by the guest: any bit pattern must have
 * a defined result.  Layouts and their sections are in vtd-spec.h.
 */
#include "qemu/osdep.h"
#include "vtd-decode.h"

VTDFaultReason vtd_decode_root(uint64_t lo, uint64_t hi, uint8_t aw_bits,
                               uint64_t *table)
{
    if (!(lo & VTD_ROOT_P)) {
        return VTD_FR_ROOT_ENTRY_P;
    }
    if ((lo & VTD_ROOT_RSVD_LO(aw_bits)) || (hi & VTD_ROOT_RSVD_HI)) {
        return VTD_FR_ROOT_ENTRY_RSVD;
    }
    *table = VTD_ROOT_CTP(lo);
    return VTD_FR_NONE;
}

VTDFaultReason vtd_decode_context(uint64_t lo, uint64_t hi, uint8_t aw_bits,
                                  VTDContext *context)
{
    *context = (VTDContext) {
        .fpd = lo & VTD_CONTEXT_FPD,
        .tt = VTD_CONTEXT_TT(lo),
        .levels = VTD_AW_LEVELS(VTD_CONTEXT_AW(hi)),
        .did = VTD_CONTEXT_DID(hi),
        .sspt = VTD_CONTEXT_SSPTPTR(lo),
    };
    if (!(lo & VTD_CONTEXT_P)) {
        return VTD_FR_CONTEXT_ENTRY_P;
    }
    if ((lo & VTD_CONTEXT_RSVD_LO(aw_bits)) || (hi & VTD_CONTEXT_RSVD_HI)) {
        return VTD_FR_CONTEXT_ENTRY_RSVD;
    }
    return VTD_FR_NONE;
}

const char *vtd_context_unsupported(const VTDContext *context, uint64_t cap,
                                    uint64_t ecap)
{
    /* AW counts for pass-through, too; SAGAW has no bits above 57-bit. */
    if (!(cap & VTD_CAP_SAGAW_MASK & VTD_CAP_SAGAW(context->levels))) {
        return "AW of the context entry is a table depth that the unit does "
               "not have (CAP.SAGAW; aw-bits)";
    }
    switch (context->tt) {
    case VTD_CONTEXT_TT_UNTRANSLATED:
        return NULL;
    case VTD_CONTEXT_TT_DEV_TLB:
        return ecap & VTD_ECAP_DT ? NULL :
               "TT of the context entry allows a device TLB, which the unit "
               "does not have (ECAP.DT; device-iotlb)";
    case VTD_CONTEXT_TT_PASS_THROUGH:
        return ecap & VTD_ECAP_PT ? NULL :
               "TT of the context entry is pass-through, which the unit does "
               "not have (ECAP.PT; pt)";
    default:
        return "TT of the context entry is 3, which is reserved";
    }
}

VTDFaultReason vtd_check_context(const VTDContext *context,
                                 uint64_t cap, uint64_t ecap)
{
    return vtd_context_unsupported(context, cap, ecap) ?
           VTD_FR_CONTEXT_ENTRY_INV : VTD_FR_NONE;
}

void vtd_ss_table(IOPTTable *table, uint64_t root, unsigned levels,
                  uint8_t aw_bits, bool snoop_control, bool tm)
{
    unsigned width = iopt_vtd_ss.page_shift + levels * iopt_vtd_ss.index_bits;
    /* Address bits that the unit does not have, and 62 */
    uint64_t all = ~(VTD_AW_MASK(aw_bits) | VTD_SS_IGNORED);
    uint64_t leaf = all | VTD_SS_SNP;

    if (snoop_control) {
        leaf &= ~VTD_SS_SNP;
    }
    if (tm) {
        leaf &= ~VTD_SS_TM;
    }

    *table = (IOPTTable) {
        .format = &iopt_vtd_ss,
        .root = root,
        .levels = levels,
        /* What is beyond either of AW and MGAW faults. */
        .input_bits = width < aw_bits ? width : aw_bits,
        .output_bits = VTD_HAW(aw_bits),
        .reserved = {
            /*
             * Entries that lead to a table.  SNP is in leaves only, PS where
             * there can be no leaf is reserved.
             */
            [0] = {
                [2] = all | VTD_SS_SNP,
                [3] = all | VTD_SS_SNP,
                [4] = all | VTD_SS_SNP | VTD_SS_PS,
                [5] = all | VTD_SS_SNP | VTD_SS_PS,
            },
            /* Leaves; bit 7 is ignored at level 1. */
            [1] = {
                [1] = leaf,
                [2] = leaf | VTD_SS_2M_RSVD,
                [3] = leaf | VTD_SS_1G_RSVD,
            },
        },
    };
}

/* Interrupt requests and remapping table entries */

VTDFaultReason vtd_decode_int_request(uint64_t addr, uint32_t data,
                                      VTDIntRequest *req)
{
    *req = (VTDIntRequest) { 0 };

    /* 63:32 are part of the request's address, which must be the window's. */
    if ((addr >> 32) || VTD_MSI_ADDR_HEAD(addr) != VTD_MSI_ADDR_HEAD_VALUE) {
        return VTD_FR_IR_REQ_RSVD;
    }
    req->remappable = addr & VTD_MSI_ADDR_REMAPPABLE;
    if (!req->remappable) {
        return VTD_FR_NONE;
    }
    req->shv = addr & VTD_MSI_ADDR_SHV;
    req->dont_care = VTD_MSI_ADDR_DONT_CARE(addr);
    req->index = VTD_MSI_ADDR_HANDLE(addr);
    if (req->shv) {
        if (data & VTD_MSI_DATA_RSVD) {
            return VTD_FR_IR_REQ_RSVD;
        }
        req->index += VTD_MSI_DATA_SUBHANDLE(data);
    }
    return VTD_FR_NONE;
}

/* 9.9: the remapped format */
static VTDFaultReason vtd_decode_remapped(uint64_t lo, uint64_t hi, bool eime,
                                          VTDIRTE *irte)
{
    irte->dm = lo & VTD_IRTE_DM;
    irte->rh = lo & VTD_IRTE_RH;
    irte->tm = lo & VTD_IRTE_TM;
    irte->dlm = VTD_IRTE_DLM(lo);
    irte->vector = VTD_IRTE_V(lo);
    irte->dst = eime ? VTD_IRTE_DST(lo) : VTD_IRTE_DST_XAPIC(lo);
    /*
     * The rest of the destination is reserved without EIME, but the base lets
     * it pass, so guests may rely on that.
     */
    return (lo & VTD_IRTE_RSVD_LO) || (hi & VTD_IRTE_RSVD_HI) ?
           VTD_FR_IR_IRTE_RSVD : VTD_FR_NONE;
}

/* 9.10: the posted format */
static VTDFaultReason vtd_decode_posted(uint64_t lo, uint64_t hi, uint64_t cap,
                                        uint8_t aw_bits, VTDIRTE *irte)
{
    irte->posted = true;
    irte->urg = lo & VTD_IRTE_POSTED_URG;
    irte->vector = VTD_IRTE_POSTED_VV(lo);
    irte->pda = VTD_IRTE_POSTED_PDA(lo, hi);
    return !(cap & VTD_CAP_PI) || (lo & VTD_IRTE_POSTED_RSVD_LO) ||
           (hi & VTD_IRTE_POSTED_RSVD_HI) ||
           (irte->pda & ~VTD_AW_MASK(aw_bits)) ?
           VTD_FR_IR_IRTE_RSVD : VTD_FR_NONE;
}

VTDFaultReason vtd_decode_irte(uint64_t lo, uint64_t hi, uint64_t cap,
                               uint8_t aw_bits, bool eime, VTDIRTE *irte)
{
    *irte = (VTDIRTE) {
        .fpd = lo & VTD_IRTE_FPD,
        .sq = VTD_IRTE_SQ(hi),
        .svt = VTD_IRTE_SVT(hi),
        .sid = VTD_IRTE_SID(hi),
    };
    if (!(lo & VTD_IRTE_P)) {
        return VTD_FR_IR_ENTRY_P;
    }
    return lo & VTD_IRTE_IM ?
           vtd_decode_posted(lo, hi, cap, aw_bits, irte) :
           vtd_decode_remapped(lo, hi, eime, irte);
}

VTDFaultReason vtd_check_pid(const uint64_t words[8], bool eime)
{
    uint64_t rsvd = VTD_PID_RSVD | (eime ? 0 : VTD_PID_RSVD_XAPIC);

    if (words[VTD_PID_CONTROL] & rsvd) {
        return VTD_FR_IR_PID_RSVD;
    }
    for (unsigned i = VTD_PID_CONTROL + 1; i < VTD_PID_WORDS; i++) {
        if (words[i]) {
            return VTD_FR_IR_PID_RSVD;
        }
    }
    return VTD_FR_NONE;
}

bool vtd_pid_notifies(uint64_t control, bool urg)
{
    return !(control & VTD_PID_ON) && (urg || !(control & VTD_PID_SN));
}

bool vtd_irte_sid_ok(const VTDIRTE *irte, uint16_t sid)
{
    /* By SQ: function number bits that are compared; the others are not */
    static const uint16_t sq_mask[] = { 0xffff, 0xfffb, 0xfff9, 0xfff8 };
    uint8_t bus = sid >> 8;

    switch (irte->svt) {
    case VTD_SVT_NONE:
        return true;
    case VTD_SVT_SID:
        return !((irte->sid ^ sid) & sq_mask[irte->sq & 3]);
    case VTD_SVT_BUS:
        return bus >= VTD_IRTE_START_BUS(irte->sid) &&
               bus <= VTD_IRTE_END_BUS(irte->sid);
    default:
        /* Reserved: nothing verifies. */
        return false;
    }
}

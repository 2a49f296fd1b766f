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

VTDFaultReason vtd_check_context(const VTDContext *context,
                                 uint64_t cap, uint64_t ecap)
{
    uint64_t tt_cap;

    /* AW counts for pass-through, too; SAGAW has no bits above 57-bit. */
    if (!(cap & VTD_CAP_SAGAW_MASK & VTD_CAP_SAGAW(context->levels))) {
        return VTD_FR_CONTEXT_ENTRY_INV;
    }
    switch (context->tt) {
    case VTD_CONTEXT_TT_UNTRANSLATED:
        return VTD_FR_NONE;
    case VTD_CONTEXT_TT_DEV_TLB:
        tt_cap = VTD_ECAP_DT;
        break;
    case VTD_CONTEXT_TT_PASS_THROUGH:
        tt_cap = VTD_ECAP_PT;
        break;
    default:
        return VTD_FR_CONTEXT_ENTRY_INV;
    }
    return ecap & tt_cap ? VTD_FR_NONE : VTD_FR_CONTEXT_ENTRY_INV;
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
        .output_bits = aw_bits,
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

bool vtd_fault_is_qualified(VTDFaultReason reason)
{
    switch (reason) {
    case VTD_FR_CONTEXT_ENTRY_P:
    case VTD_FR_CONTEXT_ENTRY_INV:
    case VTD_FR_ADDR_BEYOND_MGAW:
    case VTD_FR_WRITE:
    case VTD_FR_READ:
    case VTD_FR_PAGING_ENTRY_INV:
    case VTD_FR_CONTEXT_ENTRY_RSVD:
    case VTD_FR_PAGING_ENTRY_RSVD:
    case VTD_FR_CONTEXT_ENTRY_TT:
    case VTD_FR_INTERRUPT_ADDR:
    case VTD_FR_IR_ENTRY_P:
    case VTD_FR_IR_IRTE_RSVD:
    case VTD_FR_IR_SID_ERR:
        return true;
    default:
        /* There is no valid entry whose FPD could count. */
        return false;
    }
}

/* Invalidation descriptors */

/*
 * The range of a device-TLB invalidation, PCIe ATS: with S set, each 1 bit
 * from bit 12 of the address up to the first 0 doubles the size.
 */
static void vtd_device_tlb_range(uint64_t addr, bool s,
                                 uint64_t *first, uint64_t *last)
{
    uint64_t mask = VTD_PAGE_SIZE - 1;

    if (s) {
        /* The bits below the lowest 0, and that bit: all ones if there is 0 */
        uint64_t low = addr | mask;

        mask = low ^ (low + 1);
    }
    *first = addr & ~mask;
    *last = addr | mask;
}

static const char *vtd_decode_context_cache(uint64_t lo, uint64_t hi,
                                            VTDInvDesc *desc)
{
    if ((lo & VTD_INV_DESC_CC_RSVD_LO) || (hi & VTD_INV_DESC_CC_RSVD_HI)) {
        return "reserved bits of a context-cache descriptor are set";
    }
    desc->context.granularity = VTD_INV_DESC_CC_G(lo);
    desc->context.did = VTD_INV_DESC_CC_DID(lo);
    desc->context.sid = VTD_INV_DESC_CC_SID(lo);
    desc->context.fm = VTD_INV_DESC_CC_FM(lo);
    if (!desc->context.granularity) {
        return "granularity of a context-cache descriptor is reserved";
    }
    return NULL;
}

static const char *vtd_decode_iotlb(uint64_t lo, uint64_t hi,
                                    VTDInvDesc *desc)
{
    if ((lo & VTD_INV_DESC_IOTLB_RSVD_LO) ||
        (hi & VTD_INV_DESC_IOTLB_RSVD_HI)) {
        return "reserved bits of an IOTLB descriptor are set";
    }
    desc->iotlb.granularity = VTD_INV_DESC_IOTLB_G(lo);
    desc->iotlb.did = VTD_INV_DESC_IOTLB_DID(lo);
    desc->iotlb.addr = VTD_INV_DESC_IOTLB_ADDR(hi);
    desc->iotlb.am = VTD_INV_DESC_IOTLB_AM(hi);
    if (!desc->iotlb.granularity) {
        return "granularity of an IOTLB descriptor is reserved";
    }
    if (desc->iotlb.granularity == VTD_INV_G_SELECTIVE &&
        desc->iotlb.am > VTD_MAMV) {
        return "address mask of an IOTLB descriptor is above MAMV";
    }
    return NULL;
}

static const char *vtd_decode_device_tlb(uint64_t lo, uint64_t hi,
                                         VTDInvDesc *desc)
{
    if ((lo & VTD_INV_DESC_DEVICE_RSVD_LO) ||
        (hi & VTD_INV_DESC_DEVICE_RSVD_HI)) {
        return "reserved bits of a device-TLB descriptor are set";
    }
    desc->device.sid = VTD_INV_DESC_DEVICE_SID(lo);
    vtd_device_tlb_range(VTD_INV_DESC_DEVICE_ADDR(hi),
                         hi & VTD_INV_DESC_DEVICE_S,
                         &desc->device.first, &desc->device.last);
    return NULL;
}

static const char *vtd_decode_iec(uint64_t lo, uint64_t hi, VTDInvDesc *desc)
{
    if ((lo & VTD_INV_DESC_IEC_RSVD_LO) || (hi & VTD_INV_DESC_IEC_RSVD_HI)) {
        return "reserved bits of an interrupt entry cache descriptor are set";
    }
    desc->iec.global = !(lo & VTD_INV_DESC_IEC_G);
    desc->iec.index = VTD_INV_DESC_IEC_IIDX(lo);
    desc->iec.mask = VTD_INV_DESC_IEC_IM(lo);
    return NULL;
}

static const char *vtd_decode_wait(uint64_t lo, uint64_t hi, VTDInvDesc *desc)
{
    if ((lo & VTD_INV_DESC_WAIT_RSVD_LO) || (hi & VTD_INV_DESC_WAIT_RSVD_HI)) {
        return "reserved bits of a wait descriptor are set";
    }
    desc->wait.sw = lo & VTD_INV_DESC_WAIT_SW;
    desc->wait.intr = lo & VTD_INV_DESC_WAIT_IF;
    desc->wait.fn = lo & VTD_INV_DESC_WAIT_FN;
    desc->wait.data = VTD_INV_DESC_WAIT_DATA(lo);
    desc->wait.addr = VTD_INV_DESC_WAIT_ADDR(hi);
    if (!desc->wait.sw && !desc->wait.intr && !desc->wait.fn) {
        return "a wait descriptor asks for nothing";
    }
    return NULL;
}

const char *vtd_decode_inv_desc(const VTDInvDescRaw *raw, VTDInvDesc *desc)
{
    uint64_t lo = raw->lo, hi = raw->hi;

    *desc = (VTDInvDesc) { .type = VTD_INV_DESC_TYPE(lo) };
    switch (desc->type) {
    case VTD_INV_DESC_CC:
        return vtd_decode_context_cache(lo, hi, desc);
    case VTD_INV_DESC_IOTLB:
        return vtd_decode_iotlb(lo, hi, desc);
    case VTD_INV_DESC_DEVICE:
        return vtd_decode_device_tlb(lo, hi, desc);
    case VTD_INV_DESC_IEC:
        return vtd_decode_iec(lo, hi, desc);
    case VTD_INV_DESC_WAIT:
        return vtd_decode_wait(lo, hi, desc);
    case VTD_INV_DESC_PIOTLB:
    case VTD_INV_DESC_PC:
    case VTD_INV_DESC_DEV_PIOTLB:
    case VTD_INV_DESC_PGRP_RESP:
        return "the descriptor is for scalable mode";
    default:
        return "unknown descriptor type";
    }
}

const char *vtd_inv_desc_name(uint8_t type)
{
    static const char *const names[] = {
        [VTD_INV_DESC_CC] = "context-cache",
        [VTD_INV_DESC_IOTLB] = "iotlb",
        [VTD_INV_DESC_DEVICE] = "device-iotlb",
        [VTD_INV_DESC_IEC] = "iec",
        [VTD_INV_DESC_WAIT] = "wait",
        [VTD_INV_DESC_PIOTLB] = "p-iotlb",
        [VTD_INV_DESC_PC] = "pasid-cache",
        [VTD_INV_DESC_DEV_PIOTLB] = "device-piotlb",
        [VTD_INV_DESC_PGRP_RESP] = "page-group-response",
    };

    return type < ARRAY_SIZE(names) && names[type] ? names[type] : "unknown";
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

VTDFaultReason vtd_decode_irte(uint64_t lo, uint64_t hi, bool eime,
                               VTDIRTE *irte)
{
    *irte = (VTDIRTE) {
        .fpd = lo & VTD_IRTE_FPD,
        .dm = lo & VTD_IRTE_DM,
        .rh = lo & VTD_IRTE_RH,
        .tm = lo & VTD_IRTE_TM,
        .dlm = VTD_IRTE_DLM(lo),
        .vector = VTD_IRTE_V(lo),
        .sq = VTD_IRTE_SQ(hi),
        .svt = VTD_IRTE_SVT(hi),
        .sid = VTD_IRTE_SID(hi),
        .dst = eime ? VTD_IRTE_DST(lo) : VTD_IRTE_DST_XAPIC(lo),
    };
    if (!(lo & VTD_IRTE_P)) {
        return VTD_FR_IR_ENTRY_P;
    }
    /*
     * The rest of the destination is reserved without EIME, but the base lets
     * it pass, so guests may rely on that.
     */
    if ((lo & (VTD_IRTE_RSVD_LO | VTD_IRTE_IM)) || (hi & VTD_IRTE_RSVD_HI)) {
        return VTD_FR_IR_IRTE_RSVD;
    }
    return VTD_FR_NONE;
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

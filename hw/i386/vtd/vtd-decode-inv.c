/*
 * VT-d: decoders of invalidation descriptors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Everything decoded here was written by the guest: any bit pattern must have
 * a defined result.  Layouts and their sections are in vtd-spec.h.
 */
#include "qemu/osdep.h"
#include "vtd-decode.h"

/* The bytes of a naturally aligned block of 1 << @shift around @addr */
static void vtd_block_range(uint64_t addr, unsigned shift,
                            uint64_t *first, uint64_t *last)
{
    uint64_t mask = shift < 64 ? (1ULL << shift) - 1 : UINT64_MAX;

    *first = addr & ~mask;
    *last = addr | mask;
}

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

/* PFSID means something to a unit that throttles, and is reserved elsewhere. */
static uint64_t vtd_pfsid_rsvd(uint64_t ecap)
{
    return ecap & VTD_ECAP_DIT ? 0 : VTD_INV_DESC_DEVICE_PFSID;
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

static const char *vtd_decode_pasid_cache(uint64_t lo, uint64_t hi,
                                          VTDInvDesc *desc)
{
    if ((lo & VTD_INV_DESC_PC_RSVD_LO) || (hi & VTD_INV_DESC_PC_RSVD_HI)) {
        return "reserved bits of a PASID-cache descriptor are set";
    }
    desc->pasid_cache.granularity = VTD_INV_DESC_PC_G(lo);
    desc->pasid_cache.did = VTD_INV_DESC_PC_DID(lo);
    desc->pasid_cache.pasid = VTD_INV_DESC_PC_PASID(lo);
    switch (desc->pasid_cache.granularity) {
    case VTD_INV_PC_G_DOMAIN:
    case VTD_INV_PC_G_PASID:
    case VTD_INV_PC_G_GLOBAL:
        return NULL;
    default:
        return "granularity of a PASID-cache descriptor is reserved";
    }
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
    desc->iotlb.ih = hi & VTD_INV_DESC_IOTLB_IH;
    if (!desc->iotlb.granularity) {
        return "granularity of an IOTLB descriptor is reserved";
    }
    if (desc->iotlb.granularity == VTD_INV_G_SELECTIVE &&
        desc->iotlb.am > VTD_MAMV) {
        return "address mask of an IOTLB descriptor is above MAMV";
    }
    return NULL;
}

static const char *vtd_decode_piotlb(uint64_t lo, uint64_t hi,
                                     VTDInvDesc *desc)
{
    if ((lo & VTD_INV_DESC_PIOTLB_RSVD_LO) ||
        (hi & VTD_INV_DESC_PIOTLB_RSVD_HI)) {
        return "reserved bits of a PASID-based IOTLB descriptor are set";
    }
    desc->piotlb.granularity = VTD_INV_DESC_PIOTLB_G(lo);
    desc->piotlb.did = VTD_INV_DESC_PIOTLB_DID(lo);
    desc->piotlb.pasid = VTD_INV_DESC_PIOTLB_PASID(lo);
    desc->piotlb.ih = hi & VTD_INV_DESC_PIOTLB_IH;
    vtd_block_range(VTD_INV_DESC_PIOTLB_ADDR(hi),
                    VTD_PAGE_SHIFT + VTD_INV_DESC_PIOTLB_AM(hi),
                    &desc->piotlb.first, &desc->piotlb.last);
    switch (desc->piotlb.granularity) {
    case VTD_INV_PIOTLB_G_PASID:
    case VTD_INV_PIOTLB_G_PAGES:
        return NULL;
    default:
        return "granularity of a PASID-based IOTLB descriptor is reserved";
    }
}

static const char *vtd_decode_device_tlb(uint64_t lo, uint64_t hi,
                                         uint64_t ecap, VTDInvDesc *desc)
{
    if ((lo & (VTD_INV_DESC_DEVICE_RSVD_LO | vtd_pfsid_rsvd(ecap))) ||
        (hi & VTD_INV_DESC_DEVICE_RSVD_HI)) {
        return "reserved bits of a device-TLB descriptor are set";
    }
    desc->device.sid = VTD_INV_DESC_DEVICE_SID(lo);
    vtd_device_tlb_range(VTD_INV_DESC_DEVICE_ADDR(hi),
                         hi & VTD_INV_DESC_DEVICE_S,
                         &desc->device.first, &desc->device.last);
    return NULL;
}

static const char *vtd_decode_device_ptlb(uint64_t lo, uint64_t hi,
                                          uint64_t ecap, VTDInvDesc *desc)
{
    if ((lo & vtd_pfsid_rsvd(ecap)) ||
        (hi & VTD_INV_DESC_DEV_PIOTLB_RSVD_HI)) {
        return "reserved bits of a PASID-based device-TLB descriptor are set";
    }
    desc->device_pasid.sid = VTD_INV_DESC_DEV_PIOTLB_SID(lo);
    desc->device_pasid.pasid = VTD_INV_DESC_DEV_PIOTLB_PASID(lo);
    desc->device_pasid.global = hi & VTD_INV_DESC_DEV_PIOTLB_G;
    vtd_device_tlb_range(VTD_INV_DESC_DEV_PIOTLB_ADDR(hi),
                         hi & VTD_INV_DESC_DEV_PIOTLB_S,
                         &desc->device_pasid.first, &desc->device_pasid.last);
    return NULL;
}

static const char *vtd_decode_response(uint64_t lo, uint64_t hi,
                                       VTDInvDesc *desc)
{
    if ((lo & VTD_INV_DESC_PGRP_RSVD_LO) || (hi & VTD_INV_DESC_PGRP_RSVD_HI)) {
        return "reserved bits of a page group response are set";
    }
    desc->response.has_pasid = lo & VTD_INV_DESC_PGRP_PP;
    desc->response.code = VTD_INV_DESC_PGRP_RC(lo);
    desc->response.sid = VTD_INV_DESC_PGRP_RID(lo);
    desc->response.pasid = VTD_INV_DESC_PGRP_PASID(lo);
    desc->response.prgi = VTD_INV_DESC_PGRP_PRGI(hi);
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

static const char *vtd_decode_wait(uint64_t lo, uint64_t hi, uint64_t ecap,
                                   VTDInvDesc *desc)
{
    uint64_t rsvd = VTD_INV_DESC_WAIT_RSVD_LO;

    if (!(ecap & VTD_ECAP_PDS)) {
        rsvd |= VTD_INV_DESC_WAIT_PD;
    }
    if ((lo & rsvd) || (hi & VTD_INV_DESC_WAIT_RSVD_HI)) {
        return "reserved bits of a wait descriptor are set";
    }
    desc->wait.sw = lo & VTD_INV_DESC_WAIT_SW;
    desc->wait.intr = lo & VTD_INV_DESC_WAIT_IF;
    desc->wait.fn = lo & VTD_INV_DESC_WAIT_FN;
    desc->wait.pd = lo & VTD_INV_DESC_WAIT_PD;
    desc->wait.data = VTD_INV_DESC_WAIT_DATA(lo);
    desc->wait.addr = VTD_INV_DESC_WAIT_ADDR(hi);
    if (!desc->wait.sw && !desc->wait.intr && !desc->wait.fn &&
        !desc->wait.pd) {
        return "a wait descriptor asks for nothing";
    }
    return NULL;
}

/* Is there such a type?  Returns: NULL, or why not. */
static const char *vtd_check_inv_type(uint8_t type, bool scalable,
                                      uint64_t ecap)
{
    if (type == VTD_INV_DESC_NONE || type > VTD_INV_DESC_LAST) {
        return "unknown descriptor type";
    }
    if (type > VTD_INV_DESC_WAIT && !scalable) {
        return "the descriptor is for scalable mode";
    }
    if ((type == VTD_INV_DESC_DEVICE || type == VTD_INV_DESC_DEV_PIOTLB) &&
        !(ecap & VTD_ECAP_DT)) {
        return "device-TLBs are not supported";
    }
    if (type == VTD_INV_DESC_PGRP_RESP && !(ecap & VTD_ECAP_PRS)) {
        return "page requests are not supported";
    }
    return NULL;
}

static const char *vtd_decode_inv_fields(const VTDInvDescRaw *raw,
                                         uint64_t ecap, VTDInvDesc *desc)
{
    uint64_t lo = raw->lo, hi = raw->hi;

    if (raw->upper[0] || raw->upper[1]) {
        return "the reserved upper half of a descriptor is not 0";
    }
    switch (desc->type) {
    case VTD_INV_DESC_CC:
        return vtd_decode_context_cache(lo, hi, desc);
    case VTD_INV_DESC_IOTLB:
        return vtd_decode_iotlb(lo, hi, desc);
    case VTD_INV_DESC_DEVICE:
        return vtd_decode_device_tlb(lo, hi, ecap, desc);
    case VTD_INV_DESC_IEC:
        return vtd_decode_iec(lo, hi, desc);
    case VTD_INV_DESC_WAIT:
        return vtd_decode_wait(lo, hi, ecap, desc);
    case VTD_INV_DESC_PIOTLB:
        return vtd_decode_piotlb(lo, hi, desc);
    case VTD_INV_DESC_PC:
        return vtd_decode_pasid_cache(lo, hi, desc);
    case VTD_INV_DESC_DEV_PIOTLB:
        return vtd_decode_device_ptlb(lo, hi, ecap, desc);
    default:
        return vtd_decode_response(lo, hi, desc);
    }
}

const char *vtd_decode_inv_desc(const VTDInvDescRaw *raw, bool scalable,
                                uint64_t ecap, VTDInvDesc *desc)
{
    const char *why;

    /* The rest is set by who decodes the type, and not cleared before. */
    desc->type = VTD_INV_DESC_TYPE(raw->lo);
    desc->iqei = 0;
    why = vtd_check_inv_type(desc->type, scalable, ecap);
    if (why) {
        desc->iqei = VTD_IQEI_TYPE;
        return why;
    }
    why = vtd_decode_inv_fields(raw, ecap, desc);
    if (why) {
        desc->iqei = VTD_IQEI_RSVD;
    }
    return why;
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

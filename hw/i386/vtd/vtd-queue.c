/*
 * VT-d: queued invalidation
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * VT-d 6.5.2 and 11.4.9.  How it is worked off is viommu-queue.h's: descriptors
 * are taken up in order from the guest's tail write on, and a wait descriptor
 * completes when the drain says so.
 *
 * An error (VT-d 6.5.2.11) stops the queue with the head at the descriptor and
 * FSTS.IQE set; clearing IQE starts it again.
 */
#include "qemu/osdep.h"
#include "qemu/log.h"
#include "exec/address-spaces.h"
#include "hw/iommu/viommu-sanitizer.h"
#include "system/dma.h"
#include "trace.h"
#include "vtd-decode.h"
#include "vtd-fault.h"
#include "vtd-inv.h"
#include "vtd-ir.h"
#include "vtd-queue.h"

static bool vtd_queue_stopped(const IntelIOMMUState *s)
{
    return vtd_reg32(s, DMAR_FSTS_REG) & VTD_FSTS_IQE;
}

/* @info: what IQERCD_REG says of it */
static void vtd_queue_error(IntelIOMMUState *s, unsigned info, const char *why)
{
    vtd_reg64_set(s, DMAR_IQERCD_REG, VTD_IQERCD_IQEI(info));
    qemu_log_mask(LOG_GUEST_ERROR, "vtd: invalidation queue error at head %u "
                  "(tail %u, size %u): %s\n", s->iq_head, s->iq_tail,
                  s->iq_size, why);
    vtd_record_queue_error(s, VTD_FSTS_IQE);
}

/* Head and tail count descriptors; the registers have bytes. */
static unsigned vtd_queue_shift(const IntelIOMMUState *s)
{
    return s->iq_dw ? VTD_INV_DESC_SHIFT_DW : VTD_INV_DESC_SHIFT;
}

static void vtd_queue_set_head(IntelIOMMUState *s, uint16_t head)
{
    s->iq_head = head;
    vtd_reg64_set(s, DMAR_IQH_REG, (uint64_t)head << vtd_queue_shift(s));
}

static void vtd_queue_advance(IntelIOMMUState *s)
{
    vtd_queue_set_head(s, s->iq_head + 1 >= s->iq_size ? 0 : s->iq_head + 1);
}

static bool vtd_queue_fetch(IntelIOMMUState *s, VTDInvDescRaw *raw)
{
    unsigned shift = vtd_queue_shift(s);
    dma_addr_t addr = s->iq + ((dma_addr_t)s->iq_head << shift);
    dma_addr_t size = 1ULL << shift;
    const uint64_t *val = dma_ram_at(addr, size);
    uint64_t VIOMMU_UNSET copy[4];

    if (unlikely(!val)) {
        if (dma_memory_read(&address_space_memory, addr, copy, size,
                            VTD_MEM_ATTRS) != MEMTX_OK) {
            return false;
        }
        val = copy;
    }
    raw->lo = ldq_le_p(&val[0]);
    raw->hi = ldq_le_p(&val[1]);
    raw->upper[0] = s->iq_dw ? ldq_le_p(&val[2]) : 0;
    raw->upper[1] = s->iq_dw ? ldq_le_p(&val[3]) : 0;
    return true;
}

/* IWC and the completion event, VT-d 6.5.2.9 and 11.4.9.4 */
static void vtd_queue_raise_event(IntelIOMMUState *s)
{
    if (vtd_reg32(s, DMAR_ICS_REG) & VTD_ICS_IWC) {
        trace_vtd_inv_desc_wait_irq("not serviced yet, no new event");
        return;
    }
    vtd_reg32_change(s, DMAR_ICS_REG, 0, VTD_ICS_IWC);
    if (vtd_reg32(s, DMAR_IECTL_REG) & VTD_IECTL_IM) {
        trace_vtd_inv_desc_wait_irq("masked, held pending");
        vtd_reg32_change(s, DMAR_IECTL_REG, 0, VTD_IECTL_IP);
        return;
    }
    trace_vtd_inv_desc_wait_irq("sent");
    vtd_event_send(s, vtd_event_message(s, DMAR_IEADDR_REG, DMAR_IEUADDR_REG,
                                        DMAR_IEDATA_REG));
}

/* Everything ahead of s->wait has drained. */
static void vtd_queue_complete(void *opaque)
{
    IntelIOMMUState *s = opaque;
    const VTDPendingWait *wait = &s->wait;

    if (wait->sw) {
        uint32_t data = cpu_to_le32(wait->data);

        trace_vtd_inv_desc_wait_sw(wait->addr, wait->data);
        if (!dma_ram_write(wait->addr, &data, sizeof(data)) &&
            dma_memory_write(&address_space_memory, wait->addr, &data,
                             sizeof(data), VTD_MEM_ATTRS) != MEMTX_OK) {
            trace_vtd_inv_desc_wait_write_fail(wait->addr, wait->data);
            vtd_queue_error(s, VTD_IQEI_NONE, "status cannot be written");
            return;
        }
    }
    vtd_queue_advance(s);
    /* The status is visible before the event (6.5.2.10). */
    if (wait->intr) {
        vtd_queue_raise_event(s);
    }
}

static void vtd_queue_do_wait(IntelIOMMUState *s, const VTDInvDesc *desc)
{
    s->wait = (VTDPendingWait) {
        .sw = desc->wait.sw,
        .intr = desc->wait.intr,
        .data = desc->wait.data,
        /* Bits above the host address width are ignored (6.5.2.9). */
        .addr = desc->wait.addr & VTD_AW_MASK(s->aw_bits),
    };
}

static void vtd_queue_do_context(IntelIOMMUState *s, const VTDInvDesc *desc)
{
    switch (desc->context.granularity) {
    case VTD_INV_G_GLOBAL:
        vtd_inv_context_global(s);
        break;
    case VTD_INV_G_DOMAIN:
        vtd_inv_context_domain(s, desc->context.did);
        break;
    default:
        vtd_inv_context_device(s, desc->context.sid, desc->context.fm);
        break;
    }
}

static void vtd_queue_do_iotlb(IntelIOMMUState *s, const VTDInvDesc *desc)
{
    switch (desc->iotlb.granularity) {
    case VTD_INV_G_GLOBAL:
        vtd_inv_iotlb_global(s);
        break;
    case VTD_INV_G_DOMAIN:
        vtd_inv_iotlb_domain(s, desc->iotlb.did);
        break;
    default:
        vtd_inv_iotlb_page(s, desc->iotlb.did, desc->iotlb.addr,
                           desc->iotlb.am, desc->iotlb.ih);
        break;
    }
}

/* Fetch and decode.  Returns: false if that is a queue error. */
static bool vtd_queue_next_desc(IntelIOMMUState *s, VTDInvDesc *desc)
{
    VTDInvDescRaw VIOMMU_UNSET raw;
    const char *why;

    trace_vtd_inv_qi_head(s->iq_head);
    s->iq_last_desc_type = VTD_INV_DESC_NONE;
    if (!vtd_queue_fetch(s, &raw)) {
        vtd_queue_error(s, VTD_IQEI_READ, "descriptor cannot be read");
        return false;
    }
    why = vtd_decode_inv_desc(&raw, s->root_ttm != VTD_RTADDR_TTM_LEGACY,
                              s->ecap, desc);
    if (trace_event_get_state_backends(TRACE_VTD_INV_DESC)) {
        trace_vtd_inv_desc(vtd_inv_desc_name(desc->type), raw.hi, raw.lo);
    }
    if (why) {
        vtd_queue_error(s, desc->iqei, why);
        return false;
    }
    s->iq_last_desc_type = desc->type;
    return true;
}

/*
 * 256-bit descriptors need SMTS, and scalable mode needs them (11.4.9.3).
 */
static bool vtd_queue_width_ok(const IntelIOMMUState *s)
{
    return s->iq_dw ? s->ecap & VTD_ECAP_SMTS :
                      s->root_ttm != VTD_RTADDR_TTM_SCALABLE;
}

static void vtd_queue_do_pasid_cache(IntelIOMMUState *s,
                                     const VTDInvDesc *desc)
{
    if (desc->pasid_cache.granularity == VTD_INV_PC_G_PASID) {
        vtd_inv_pasid_cache(s, desc->pasid_cache.pasid);
    } else {
        /* What is kept is not known by domain. */
        vtd_inv_pasid_cache_global(s);
    }
}

static void vtd_queue_do_piotlb(IntelIOMMUState *s, const VTDInvDesc *desc)
{
    if (desc->piotlb.granularity == VTD_INV_PIOTLB_G_PASID) {
        vtd_inv_piotlb_pasid(s, desc->piotlb.did, desc->piotlb.pasid);
    } else {
        vtd_inv_piotlb_pages(s, desc->piotlb.did, desc->piotlb.pasid,
                             desc->piotlb.first, desc->piotlb.last,
                             desc->piotlb.ih);
    }
}

static VIOMMUQueueStep vtd_queue_take_up(void *opaque)
{
    IntelIOMMUState *s = opaque;
    VTDInvDesc VIOMMU_UNSET desc;

    if (!vtd_queue_width_ok(s)) {
        vtd_queue_error(s, VTD_IQEI_WIDTH, "IQA.DW does not suit the mode");
        return VIOMMU_QUEUE_NEXT;
    }
    if (s->iq_tail >= s->iq_size) {
        vtd_queue_error(s, VTD_IQEI_TAIL, "tail is beyond the end");
        return VIOMMU_QUEUE_NEXT;
    }
    if (!vtd_queue_next_desc(s, &desc)) {
        return VIOMMU_QUEUE_NEXT;
    }

    switch (desc.type) {
    case VTD_INV_DESC_CC:
        vtd_queue_do_context(s, &desc);
        break;
    case VTD_INV_DESC_IOTLB:
        vtd_queue_do_iotlb(s, &desc);
        break;
    case VTD_INV_DESC_DEVICE:
        viommu_invalidate_device_tlb(&s->viommu, desc.device.sid,
                                     desc.device.first, desc.device.last);
        break;
    case VTD_INV_DESC_PIOTLB:
        vtd_queue_do_piotlb(s, &desc);
        break;
    case VTD_INV_DESC_PC:
        vtd_queue_do_pasid_cache(s, &desc);
        break;
    case VTD_INV_DESC_DEV_PIOTLB:
        viommu_invalidate_device_tlb_pasid(&s->viommu, desc.device_pasid.sid,
                                           desc.device_pasid.pasid,
                                           desc.device_pasid.global,
                                           desc.device_pasid.first,
                                           desc.device_pasid.last);
        break;
    case VTD_INV_DESC_PGRP_RESP:
        viommu_page_response(&s->viommu, desc.response.sid,
                             desc.response.has_pasid ? desc.response.pasid :
                                                       VIOMMU_NO_PASID,
                             desc.response.prgi, desc.response.code);
        break;
    case VTD_INV_DESC_IEC:
        vtd_ir_invalidate(s, desc.iec.global, desc.iec.index, desc.iec.mask);
        break;
    default:
        vtd_queue_do_wait(s, &desc);
        return VIOMMU_QUEUE_FENCE;
    }
    if (desc.type != VTD_INV_DESC_PGRP_RESP) {
        viommu_watch_queued(&s->viommu);
    }
    vtd_queue_advance(s);
    return VIOMMU_QUEUE_NEXT;
}

static bool vtd_queue_ready(void *opaque)
{
    IntelIOMMUState *s = opaque;

    return s->qi_enabled && s->iq_head != s->iq_tail && !vtd_queue_stopped(s);
}

/*
 * GCMD.QIE was cleared: the queue goes off once it has nothing under way.  A
 * queue that an error stopped has not, and cannot get further.
 */
static void vtd_queue_maybe_off(void *opaque)
{
    IntelIOMMUState *s = opaque;

    if (!s->qi_enabled || (vtd_reg32(s, DMAR_GCMD_REG) & VTD_GCMD_QIE) ||
        viommu_queue_waits(&s->queue) || vtd_queue_ready(s)) {
        return;
    }
    trace_vtd_inv_qi_enable(false);
    s->qi_enabled = false;
    vtd_queue_set_head(s, 0);
    vtd_reg32_change(s, DMAR_GSTS_REG, VTD_GSTS_QIES, 0);
}

static const VIOMMUQueueOps vtd_queue_ops = {
    .name = "vtd",
    .ready = vtd_queue_ready,
    .take_up = vtd_queue_take_up,
    .complete = vtd_queue_complete,
    .rested = vtd_queue_maybe_off,
};

void vtd_queue_run(IntelIOMMUState *s)
{
    viommu_queue_run(&s->queue);
}

/* A tail within a descriptor is an error, and does not move it. */
static void vtd_queue_take_tail(IntelIOMMUState *s)
{
    uint64_t bytes = VTD_IQT_BYTES(vtd_reg64(s, DMAR_IQT_REG));
    unsigned shift = vtd_queue_shift(s);

    if (s->qi_enabled && (bytes & ((1ULL << shift) - 1))) {
        vtd_queue_error(s, VTD_IQEI_ALIGN, "tail is within a descriptor");
        return;
    }
    s->iq_tail = bytes >> shift;
}

static void vtd_queue_watch_tail(IntelIOMMUState *s, unsigned was)
{
    const VIOMMUTail tail = {
        .queue = "invalidation queue",
        .head = s->iq_head,
        .was = was,
        .now = s->iq_tail,
        .positions = s->iq_size,
        .size = s->iq_size,
    };

    if (s->qi_enabled) {
        viommu_sanitize_tail(&s->viommu, &tail);
    }
}

void vtd_queue_tail_written(IntelIOMMUState *s)
{
    unsigned was = s->iq_tail;

    vtd_queue_take_tail(s);
    if (unlikely(s->viommu.sanitizer)) {
        vtd_queue_watch_tail(s, was);
    }
    trace_vtd_inv_qi_tail(s->iq_tail);
    trace_vtd_inv_qi_fetch();
    vtd_queue_run(s);
}

static void vtd_queue_on(IntelIOMMUState *s)
{
    uint64_t iqa = vtd_reg64(s, DMAR_IQA_REG);

    s->iq = VTD_IQA_ADDR(iqa) & VTD_AW_MASK(s->aw_bits);
    s->iq_dw = iqa & VTD_IQA_DW;
    s->iq_size = 1u << (VTD_IQA_QS(iqa) + VTD_PAGE_SHIFT - vtd_queue_shift(s));
    s->qi_enabled = true;
    s->iq_last_desc_type = VTD_INV_DESC_NONE;
    vtd_queue_set_head(s, 0);
    trace_vtd_inv_qi_enable(true);
    trace_vtd_inv_qi_setup(s->iq, s->iq_size);
    vtd_reg32_change(s, DMAR_GSTS_REG, 0, VTD_GSTS_QIES);

    vtd_queue_take_tail(s);
    if (s->iq_tail) {
        /*
         * Software should have cleared IQT first.  Windows writes the tail
         * and then enables the queue.
         */
        trace_vtd_warn_invalid_qi_tail(s->iq_tail);
        vtd_queue_run(s);
    }
}

void vtd_queue_enable(IntelIOMMUState *s, bool enable)
{
    if (enable && !s->qi_enabled) {
        vtd_queue_on(s);
    } else if (!enable) {
        vtd_queue_maybe_off(s);
    }
}

void vtd_queue_cancel(IntelIOMMUState *s)
{
    viommu_queue_cancel(&s->queue);
}

void vtd_queue_init(IntelIOMMUState *s)
{
    viommu_queue_init(&s->queue, &s->viommu, &vtd_queue_ops, NULL, s);
}

void vtd_ics_written(IntelIOMMUState *s)
{
    if ((vtd_reg32(s, DMAR_IECTL_REG) & VTD_IECTL_IP) &&
        !(vtd_reg32(s, DMAR_ICS_REG) & VTD_ICS_IWC)) {
        trace_vtd_reg_ics_clear_ip();
        vtd_reg32_change(s, DMAR_IECTL_REG, VTD_IECTL_IP, 0);
    }
}

void vtd_iectl_written(IntelIOMMUState *s)
{
    uint32_t iectl = vtd_reg32(s, DMAR_IECTL_REG);

    trace_vtd_reg_write_iectl(iectl);
    if ((iectl & VTD_IECTL_IP) && !(iectl & VTD_IECTL_IM)) {
        vtd_reg32_change(s, DMAR_IECTL_REG, VTD_IECTL_IP, 0);
        vtd_event_send(s, vtd_event_message(s, DMAR_IEADDR_REG,
                                            DMAR_IEUADDR_REG,
                                            DMAR_IEDATA_REG));
    }
}

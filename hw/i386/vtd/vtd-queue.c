/*
 * VT-d: queued invalidation
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * VT-d 6.5.2 and 11.4.9.  Descriptors are taken up in order within the guest's
 * tail write.  A wait descriptor completes when the drain says so; until then
 * it stays at the head and the queue stands still, so that nothing behind it
 * is done before it, and a migration stream finds it there and does it again.
 *
 * An error (VT-d 6.5.2.11) stops the queue with the head at the descriptor and
 * FSTS.IQE set; clearing IQE starts it again.
 */
#include "qemu/osdep.h"
#include "qemu/log.h"
#include "exec/address-spaces.h"
#include "system/dma.h"
#include "trace.h"
#include "vtd-decode.h"
#include "vtd-internal.h"

/* What became of a descriptor */
typedef enum VTDQueueStep {
    VTD_QUEUE_NEXT,          /* done, the head moves on */
    VTD_QUEUE_HOLD,          /* waits for the drain */
    VTD_QUEUE_ERROR,
} VTDQueueStep;

static bool queue_stopped(const IntelIOMMUState *s)
{
    return vtd_reg32(s, DMAR_FSTS_REG) & VTD_FSTS_IQE;
}

/* @info: what IQERCD_REG says of it */
static void queue_error(IntelIOMMUState *s, unsigned info, const char *why)
{
    vtd_reg64_set(s, DMAR_IQERCD_REG, VTD_IQERCD_IQEI(info));
    qemu_log_mask(LOG_GUEST_ERROR, "vtd: invalidation queue error at head %u "
                  "(tail %u, size %u): %s\n", s->iq_head, s->iq_tail,
                  s->iq_size, why);
    vtd_record_queue_error(s, VTD_FSTS_IQE);
}

static void set_head(IntelIOMMUState *s, uint16_t head)
{
    s->iq_head = head;
    vtd_reg64_set(s, DMAR_IQH_REG, (uint64_t)head << VTD_IQH_QH_SHIFT);
}

static void advance(IntelIOMMUState *s)
{
    set_head(s, s->iq_head + 1 >= s->iq_size ? 0 : s->iq_head + 1);
}

static bool fetch(IntelIOMMUState *s, VTDInvDescRaw *raw)
{
    dma_addr_t addr = s->iq + (dma_addr_t)s->iq_head * VTD_INV_DESC_SIZE;
    uint64_t val[2];

    if (!dma_ram_read(addr, val, sizeof(val)) &&
        dma_memory_read(&address_space_memory, addr, val, sizeof(val),
                        VTD_MEM_ATTRS) != MEMTX_OK) {
        return false;
    }
    raw->lo = le64_to_cpu(val[0]);
    raw->hi = le64_to_cpu(val[1]);
    return true;
}

/* IWC and the completion event, VT-d 6.5.2.9 and 11.4.9.4 */
static void raise_completion_event(IntelIOMMUState *s)
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
static VTDQueueStep complete_wait(IntelIOMMUState *s)
{
    const VTDPendingWait *wait = &s->wait;

    if (wait->sw) {
        uint32_t data = cpu_to_le32(wait->data);

        trace_vtd_inv_desc_wait_sw(wait->addr, wait->data);
        if (dma_memory_write(&address_space_memory, wait->addr, &data,
                             sizeof(data), VTD_MEM_ATTRS) != MEMTX_OK) {
            trace_vtd_inv_desc_wait_write_fail(wait->addr, wait->data);
            queue_error(s, VTD_IQEI_NONE, "status cannot be written");
            return VTD_QUEUE_ERROR;
        }
    }
    /* The status is visible before the event (6.5.2.10). */
    if (wait->intr) {
        raise_completion_event(s);
    }
    return VTD_QUEUE_NEXT;
}

static void wait_drained(void *opaque)
{
    IntelIOMMUState *s = opaque;

    trace_vtd_inv_wait_done(s->iq_head);
    if (complete_wait(s) == VTD_QUEUE_NEXT) {
        advance(s);
    }
    vtd_queue_run(s);
}

static VTDQueueStep do_wait(IntelIOMMUState *s, const VTDInvDesc *desc)
{
    s->wait = (VTDPendingWait) {
        .sw = desc->wait.sw,
        .intr = desc->wait.intr,
        .data = desc->wait.data,
        /* Bits above the host address width are ignored (6.5.2.9). */
        .addr = desc->wait.addr & VTD_AW_MASK(s->aw_bits),
    };
    if (!viommu_fence(&s->viommu, &s->wait_fence, wait_drained, s)) {
        trace_vtd_inv_wait_pending(s->iq_head);
        return VTD_QUEUE_HOLD;
    }
    return complete_wait(s);
}

static void do_context(IntelIOMMUState *s, const VTDInvDesc *desc)
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

static void do_iotlb(IntelIOMMUState *s, const VTDInvDesc *desc)
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
                           desc->iotlb.am);
        break;
    }
}

static VTDQueueStep take_up(IntelIOMMUState *s)
{
    VTDInvDescRaw raw;
    VTDInvDesc desc;
    const char *why;

    trace_vtd_inv_qi_head(s->iq_head);
    s->iq_last_desc_type = VTD_INV_DESC_NONE;
    if (!fetch(s, &raw)) {
        queue_error(s, VTD_IQEI_READ, "descriptor cannot be read");
        return VTD_QUEUE_ERROR;
    }
    why = vtd_decode_inv_desc(&raw, &desc);
    trace_vtd_inv_desc(vtd_inv_desc_name(desc.type), raw.hi, raw.lo);
    if (why) {
        queue_error(s, desc.type >= VTD_INV_DESC_CC &&
                       desc.type <= VTD_INV_DESC_WAIT ?
                       VTD_IQEI_RSVD : VTD_IQEI_TYPE, why);
        return VTD_QUEUE_ERROR;
    }
    s->iq_last_desc_type = desc.type;

    switch (desc.type) {
    case VTD_INV_DESC_CC:
        do_context(s, &desc);
        return VTD_QUEUE_NEXT;
    case VTD_INV_DESC_IOTLB:
        do_iotlb(s, &desc);
        return VTD_QUEUE_NEXT;
    case VTD_INV_DESC_DEVICE:
        if (!(s->ecap & VTD_ECAP_DT)) {
            queue_error(s, VTD_IQEI_TYPE, "device-TLBs are not supported");
            return VTD_QUEUE_ERROR;
        }
        viommu_invalidate_device_tlb(&s->viommu, desc.device.sid,
                                     desc.device.first, desc.device.last);
        return VTD_QUEUE_NEXT;
    case VTD_INV_DESC_IEC:
        vtd_ir_invalidate(s, desc.iec.global, desc.iec.index, desc.iec.mask);
        return VTD_QUEUE_NEXT;
    case VTD_INV_DESC_WAIT:
        return do_wait(s, &desc);
    default:
        queue_error(s, VTD_IQEI_TYPE, "unknown descriptor type");
        return VTD_QUEUE_ERROR;
    }
}

static bool queue_waits(const IntelIOMMUState *s)
{
    return dma_drain_fence_pending(&s->wait_fence);
}

/*
 * GCMD.QIE was cleared: the queue goes off once it has nothing under way.  A
 * queue that an error stopped has not, and cannot get further.
 */
static void maybe_disable(IntelIOMMUState *s)
{
    bool idle = s->iq_head == s->iq_tail || queue_stopped(s);

    if (!s->qi_enabled || (vtd_reg32(s, DMAR_GCMD_REG) & VTD_GCMD_QIE) ||
        queue_waits(s) || !idle) {
        return;
    }
    trace_vtd_inv_qi_enable(false);
    s->qi_enabled = false;
    set_head(s, 0);
    vtd_reg32_change(s, DMAR_GSTS_REG, VTD_GSTS_QIES, 0);
}

static void run(IntelIOMMUState *s)
{
    unsigned budget = s->iq_size;
    VTDQueueStep step = VTD_QUEUE_NEXT;

    if (s->iq_head == s->iq_tail || queue_waits(s) || queue_stopped(s)) {
        return;
    }
    trace_vtd_inv_qi_fetch();
    if (s->iq_dw) {
        /* 256-bit descriptors are for scalable mode (11.4.9.4). */
        queue_error(s, VTD_IQEI_WIDTH, "IQA.DW is set");
        return;
    }
    if (s->iq_tail >= s->iq_size) {
        queue_error(s, VTD_IQEI_TAIL, "tail is beyond the end");
        return;
    }

    while (step == VTD_QUEUE_NEXT && s->iq_head != s->iq_tail && budget--) {
        step = take_up(s);
        if (step == VTD_QUEUE_NEXT) {
            advance(s);
        }
    }
}

void vtd_queue_run(IntelIOMMUState *s)
{
    /* Nothing we call comes back here; if it does, the outer run goes on. */
    if (!s->qi_enabled || s->iq_running) {
        return;
    }
    s->iq_running = true;
    run(s);
    s->iq_running = false;
    maybe_disable(s);
}

void vtd_queue_tail_written(IntelIOMMUState *s)
{
    s->iq_tail = VTD_IQT_QT(vtd_reg64(s, DMAR_IQT_REG));
    trace_vtd_inv_qi_tail(s->iq_tail);
    vtd_queue_run(s);
}

static void queue_on(IntelIOMMUState *s)
{
    uint64_t iqa = vtd_reg64(s, DMAR_IQA_REG);

    s->iq = VTD_IQA_ADDR(iqa) & VTD_AW_MASK(s->aw_bits);
    s->iq_size = 1u << (VTD_IQA_QS(iqa) + VTD_IQ_SIZE_SHIFT);
    s->iq_dw = iqa & VTD_IQA_DW;
    s->qi_enabled = true;
    s->iq_last_desc_type = VTD_INV_DESC_NONE;
    set_head(s, 0);
    trace_vtd_inv_qi_enable(true);
    trace_vtd_inv_qi_setup(s->iq, s->iq_size);
    vtd_reg32_change(s, DMAR_GSTS_REG, 0, VTD_GSTS_QIES);

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
        queue_on(s);
    } else if (!enable) {
        maybe_disable(s);
    }
}

void vtd_queue_cancel(IntelIOMMUState *s)
{
    viommu_fence_cancel(&s->viommu, &s->wait_fence);
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

/*
 * VT-d: fault recording and the fault event
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Primary fault logging, VT-d 7.2.1 and 7.3.  Faults are recorded by any
 * thread; s->lock makes recording atomic.  The event is a message, which needs
 * the BQL: a thread without it leaves FECTL.IP set, which is what the
 * specification calls a message held pending, and a bottom half sends it.
 */
#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "system/dma-held.h"
#include "trace.h"
#include "vtd-fault.h"

/* Any of these set: an event was already raised and not yet serviced */
#define VTD_FSTS_CONDITIONS \
    (VTD_FSTS_PPF | VTD_FSTS_PFO | VTD_FSTS_IQE | VTD_FSTS_ICE | VTD_FSTS_ITE)

static uint64_t vtd_frcd_hi(const IntelIOMMUState *s, unsigned index)
{
    return vtd_reg64(s, vtd_frcd_reg(index) + 8);
}

/* With s->lock.  Returns: true if the fault event is now pending. */
static bool vtd_fault_raise_event(IntelIOMMUState *s, uint32_t fsts_before)
{
    if (fsts_before & VTD_FSTS_CONDITIONS) {
        return false;
    }
    vtd_reg32_change(s, DMAR_FECTL_REG, 0, VTD_FECTL_IP);
    return true;
}

MSIMessage vtd_event_message(IntelIOMMUState *s, hwaddr addr_reg,
                             hwaddr upper_reg, hwaddr data_reg)
{
    return (MSIMessage) {
        .address = vtd_reg32(s, addr_reg) |
                   (uint64_t)vtd_reg32(s, upper_reg) << 32,
        .data = vtd_reg32(s, data_reg),
    };
}

void vtd_fault_flush(IntelIOMMUState *s)
{
    MSIMessage msg = { 0 };

    WITH_QEMU_LOCK_GUARD(&s->lock) {
        uint32_t fectl = vtd_reg32(s, DMAR_FECTL_REG);

        if (!(fectl & VTD_FECTL_IP) || (fectl & VTD_FECTL_IM)) {
            return;
        }
        vtd_reg32_change(s, DMAR_FECTL_REG, VTD_FECTL_IP, 0);
        msg = vtd_event_message(s, DMAR_FEADDR_REG, DMAR_FEUADDR_REG,
                                DMAR_FEDATA_REG);
    }
    vtd_event_send(s, msg);
}

static void vtd_fault_event_bh(void *opaque)
{
    DMA_HELD("faults");

    vtd_fault_flush(opaque);
}

/* Without s->lock */
static void vtd_fault_flush_or_schedule(IntelIOMMUState *s)
{
    if (bql_locked()) {
        vtd_fault_flush(s);
    } else {
        qemu_bh_schedule(s->event_bh);
    }
}

/* With s->lock */
static void vtd_update_ppf(IntelIOMMUState *s)
{
    uint32_t ppf = 0;

    for (unsigned i = 0; i < s->fault_records; i++) {
        if (vtd_frcd_hi(s, i) & VTD_FRCD_F) {
            ppf = VTD_FSTS_PPF;
            break;
        }
    }
    vtd_reg32_change(s, DMAR_FSTS_REG, VTD_FSTS_PPF, ppf);
    trace_vtd_fsts_ppf(ppf);
}

/* The requester has a fault pending that nobody has looked at yet */
static bool vtd_fault_collapses(const IntelIOMMUState *s, uint16_t sid)
{
    for (unsigned i = 0; i < s->fault_records; i++) {
        uint64_t hi = vtd_frcd_hi(s, i);

        if ((hi & VTD_FRCD_F) && VTD_FRCD_SID_GET(hi) == sid) {
            return true;
        }
    }
    return false;
}

/* With s->lock.  Returns: true if the fault event is now pending. */
static bool vtd_fault_record(IntelIOMMUState *s, uint16_t sid,
                             uint64_t hi, uint64_t lo)
{
    uint32_t fsts = vtd_reg32(s, DMAR_FSTS_REG);
    uint16_t index = s->next_frcd_reg % s->fault_records;

    if (fsts & VTD_FSTS_PFO) {
        trace_vtd_fault_lost(sid, "overflow is pending");
        return false;
    }
    if (vtd_fault_collapses(s, sid)) {
        trace_vtd_fault_lost(sid, "requester has a fault pending");
        return false;
    }
    if (vtd_frcd_hi(s, index) & VTD_FRCD_F) {
        trace_vtd_fault_lost(sid, "no free record");
        vtd_reg32_change(s, DMAR_FSTS_REG, 0, VTD_FSTS_PFO);
        return false;
    }

    trace_vtd_frr_new(index, hi, lo);
    vtd_reg64_set(s, vtd_frcd_reg(index), lo);
    vtd_reg64_set(s, vtd_frcd_reg(index) + 8, hi | VTD_FRCD_F);
    s->next_frcd_reg = (index + 1) % s->fault_records;
    if (fsts & VTD_FSTS_PPF) {
        return false;
    }
    /* FRI is the record that made PPF become set. */
    vtd_reg32_change(s, DMAR_FSTS_REG, VTD_FSTS_FRI_MASK,
                     VTD_FSTS_FRI(index) | VTD_FSTS_PPF);
    trace_vtd_fsts_ppf(true);
    return vtd_fault_raise_event(s, fsts);
}

static void vtd_fault_record_and_signal(IntelIOMMUState *s, uint16_t sid,
                                        uint64_t hi, uint64_t lo)
{
    bool event = false;

    WITH_QEMU_LOCK_GUARD(&s->lock) {
        event = vtd_fault_record(s, sid, hi, lo);
    }
    if (event) {
        vtd_fault_flush_or_schedule(s);
    }
}

void vtd_record_dma_fault(IntelIOMMUState *s, const VTDFaultRecord *record)
{
    uint64_t lo, hi;

    trace_vtd_dmar_fault(record->sid, record->reason, record->addr,
                         !record->read);
    vtd_encode_fault(record, &lo, &hi);
    vtd_fault_record_and_signal(s, record->sid, hi, lo);
}

void vtd_record_ir_fault(IntelIOMMUState *s, uint16_t sid, uint16_t index,
                         VTDFaultReason reason)
{
    trace_vtd_ir_fault(sid, reason, index);
    vtd_fault_record_and_signal(s, sid,
                                VTD_FRCD_SID(sid) | VTD_FRCD_FR(reason),
                                VTD_FRCD_IR_IDX(index));
}

void vtd_record_queue_error(IntelIOMMUState *s, uint32_t fsts_bit)
{
    bool event = false;

    trace_vtd_inv_error(fsts_bit);
    WITH_QEMU_LOCK_GUARD(&s->lock) {
        uint32_t fsts = vtd_reg32(s, DMAR_FSTS_REG);

        vtd_reg32_set(s, DMAR_FSTS_REG, fsts | fsts_bit);
        event = vtd_fault_raise_event(s, fsts);
    }
    if (event) {
        vtd_fault_flush_or_schedule(s);
    }
}

/* With s->lock: nothing left to signal, so a held message goes (IP) */
static void vtd_fault_drop_serviced(IntelIOMMUState *s)
{
    if (!(vtd_reg32(s, DMAR_FSTS_REG) & VTD_FSTS_CONDITIONS) &&
        (vtd_reg32(s, DMAR_FECTL_REG) & VTD_FECTL_IP)) {
        vtd_reg32_change(s, DMAR_FECTL_REG, VTD_FECTL_IP, 0);
        trace_vtd_fsts_clear_ip();
    }
}

void vtd_fsts_written(IntelIOMMUState *s)
{
    QEMU_LOCK_GUARD(&s->lock);
    vtd_fault_drop_serviced(s);
}

void vtd_frcd_written(IntelIOMMUState *s)
{
    WITH_QEMU_LOCK_GUARD(&s->lock) {
        vtd_update_ppf(s);
        vtd_fault_drop_serviced(s);
    }
}

void vtd_fectl_written(IntelIOMMUState *s)
{
    trace_vtd_reg_write_fectl(vtd_reg32(s, DMAR_FECTL_REG));
    vtd_fault_flush(s);
}

void vtd_fault_index_reset(IntelIOMMUState *s)
{
    QEMU_LOCK_GUARD(&s->lock);
    s->next_frcd_reg = 0;
}

void vtd_fault_init(IntelIOMMUState *s)
{
    s->event_bh = qemu_bh_new(vtd_fault_event_bh, s);
}

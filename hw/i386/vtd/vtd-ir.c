/*
 * VT-d: interrupt remapping
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * VT-d 5.1.  A request is a write to the interrupt window.  Two ways lead here:
 *
 *   - the write itself, by a device model or the I/O APIC: the memory core
 *     takes the BQL for it, also in an iothread;
 *   - KVM asks beforehand where a message would go and lets the kernel deliver
 *     it (int_remap).  Nothing has been requested then, so no fault is
 *     recorded.
 *
 * Remapping itself needs no BQL.  It takes s->lock for a moment, for a table
 * address that belongs to the table size; memory is read without any lock.
 * Entries are not cached here: those who cache what an entry led to (KVM's
 * routes, the I/O APIC) are told through IEC notifiers.
 */
#include "qemu/osdep.h"
#include "hw/iommu/viommu-fetch.h"
#include "qemu/atomic.h"
#include "qemu/log.h"
#include "trace.h"
#include "vtd-decode.h"
#include "vtd-fault.h"
#include "vtd-ir.h"
#include "vtd-post.h"

/* What governs one request, taken together */
typedef struct VTDIRTable {
    dma_addr_t root;
    uint32_t size;
    bool eime;
    bool cfis;               /* compatibility format passes */
} VTDIRTable;

static VTDIRTable vtd_ir_table_in_use(IntelIOMMUState *s)
{
    QEMU_LOCK_GUARD(&s->lock);

    return (VTDIRTable) {
        .root = s->intr_root,
        .size = s->intr_size,
        .eime = s->intr_eime,
        .cfis = vtd_reg32(s, DMAR_GSTS_REG) & VTD_GSTS_CFIS,
    };
}

/* The guest may write the entry meanwhile: only this copy is looked at. */
static bool vtd_read_irte(IntelIOMMUState *s, const VTDIRTable *table,
                          uint32_t index, uint64_t *irte)
{
    dma_addr_t addr = table->root + (dma_addr_t)index * VTD_IRTE_SIZE;

    if (!viommu_fetch(&s->viommu.mem, addr, irte, 2)) {
        return false;
    }
    trace_vtd_ir_irte_get(index, irte[0], irte[1]);
    return true;
}

/*
 * Source-id verification (5.1.4).  The I/O APIC has an ID of its own, from the
 * DMAR table.  The base takes no notice of it, so there are guests whose entry
 * says something else (kvm-unit-tests: the ID of the device behind the pin).
 * Any thread.
 */
static bool vtd_ir_source_ok(IntelIOMMUState *s, const VTDIRTE *irte,
                             VTDRequester who, uint32_t index)
{
    if (vtd_irte_sid_ok(irte, who.sid)) {
        return true;
    }
    if (!who.ioapic || s->ioapic_sid_check) {
        return false;
    }
    if (!qatomic_xchg(&s->ioapic_sid_said, true)) {
        qemu_log_mask(LOG_GUEST_ERROR, "vtd: interrupt remapping entry %" PRIu32
                      ", used by the I/O APIC with source-id 0x%04x, is for "
                      "0x%04x (SVT %u): accepted, as x-ioapic-sid-check is "
                      "off\n", index, who.sid, irte->sid, irte->svt);
    }
    return true;
}

/*
 * Find the entry for a remappable request.
 *
 * @irte: irte->fpd is valid for the faults that it qualifies
 */
static VTDFaultReason vtd_find_irte(IntelIOMMUState *s,
                                    const VTDIRTable *table, uint32_t index,
                                    VTDRequester who, VTDIRTE *irte)
{
    VTDFaultReason reason;
    uint64_t entry[2];

    if (index >= table->size) {
        return VTD_FR_IR_INDEX_OVER;
    }
    if (!vtd_read_irte(s, table, index, entry)) {
        return VTD_FR_IR_ROOT_INVAL;
    }
    reason = vtd_decode_irte(entry[0], entry[1], s->cap, s->aw_bits,
                             table->eime, irte);
    if (reason != VTD_FR_NONE) {
        return reason;
    }
    return vtd_ir_source_ok(s, irte, who, index) ? VTD_FR_NONE
                                                 : VTD_FR_IR_SID_ERR;
}

/*
 * An I/O APIC repeats vector and trigger mode, which must match those of the
 * entry (5.1.5.1).  If they do not, the entry's count.
 */
static void vtd_check_ioapic_data(uint16_t sid, uint32_t index,
                                  uint32_t data, const VTDIRTE *irte)
{
    if (VTD_MSI_DATA_VECTOR(data) != irte->vector) {
        trace_vtd_warn_ir_vector(sid, index, VTD_MSI_DATA_VECTOR(data),
                                 irte->vector);
    }
    if (VTD_MSI_DATA_TM(data) != irte->tm) {
        trace_vtd_warn_ir_trigger(sid, index, VTD_MSI_DATA_TM(data), irte->tm);
    }
}

static void vtd_make_message(const VTDIRTE *irte, const VTDIntRequest *req,
                             MSIMessage *msg)
{
    X86IOMMUIrq irq = {
        .trigger_mode = irte->tm,
        .vector = irte->vector,
        .delivery_mode = irte->dlm,
        .dest = irte->dst,
        .dest_mode = irte->dm,
        .redir_hint = irte->rh,
        /* Ignored by everybody, but the base hands them on. */
        .msi_addr_last_bits = req->dont_care,
    };

    trace_vtd_ir_remap(req->index, irq.trigger_mode, irq.vector,
                       irq.delivery_mode, irq.dest, irq.dest_mode);
    x86_iommu_irq_to_msi_message(&irq, msg);
}

/*
 * Any thread.  The order of the checks is that of VT-d 5.1.4, except that the
 * entry's reserved fields come before the source-id, as in the base.
 *
 * @request: it is one; else what one would lead to is asked for.  A posted
 *           interrupt leads to no message that could be told beforehand.
 */
static VTDFaultReason vtd_remap(IntelIOMMUState *s, const MSIMessage *src,
                                VTDRequester who, bool request,
                                VTDIntRequest *req, VTDIRTE *irte,
                                VTDRemapped *dst)
{
    VTDIRTable table = vtd_ir_table_in_use(s);
    VTDFaultReason reason;

    reason = vtd_decode_int_request(src->address, src->data, req);
    if (reason != VTD_FR_NONE) {
        return reason;
    }
    if (!req->remappable) {
        if (table.eime || !table.cfis) {
            return VTD_FR_IR_REQ_COMPAT;
        }
        dst->by = VTD_REMAP_BY_FORMAT;
        return VTD_FR_NONE;
    }
    reason = vtd_find_irte(s, &table, req->index, who, irte);
    if (reason != VTD_FR_NONE) {
        return reason;
    }
    trace_vtd_ir_remap_type(req->shv ? "MSI" : "IOAPIC");
    dst->index = req->index;
    if (irte->posted) {
        dst->by = VTD_REMAP_BY_DESCRIPTOR;
        dst->send = false;
        return request ? vtd_post(s, irte, table.eime, &dst->send, &dst->msg) :
                         VTD_FR_NONE;
    }
    dst->by = VTD_REMAP_BY_ENTRY;
    if (!req->shv) {
        vtd_check_ioapic_data(who.sid, req->index, src->data, irte);
    }
    vtd_make_message(irte, req, &dst->msg);
    return VTD_FR_NONE;
}

bool vtd_remap_message(IntelIOMMUState *s, const MSIMessage *src,
                       VTDRequester who, bool request, VTDRemapped *dst)
{
    VTDIntRequest req = { 0 };
    VTDIRTE irte = { 0 };
    VTDFaultReason reason = VTD_FR_NONE;
    bool record = request;

    trace_vtd_ir_remap_msi_req(src->address, src->data);
    *dst = (VTDRemapped) { .msg = *src, .send = true };
    if (qatomic_read(&s->intr_enabled)) {
        reason = vtd_remap(s, src, who, request, &req, &irte, dst);
    }
    if (reason == VTD_FR_NONE) {
        if (dst->send) {
            trace_vtd_ir_remap_msi(src->address, src->data,
                                   dst->msg.address, dst->msg.data);
        }
        return true;
    }
    dst->send = false;

    if (irte.fpd && vtd_fault_is_qualified(reason)) {
        record = false;
    }
    dst->reason = reason;
    dst->recorded = record;
    dst->has_index = req.remappable;
    dst->index = req.index;
    trace_vtd_ir_blocked(who.sid, reason, req.index, record);
    if (record) {
        vtd_record_ir_fault(s, who.sid, req.index, reason);
    }
    return false;
}

/* X86IOMMUClass.int_remap: any thread */
int vtd_int_remap(X86IOMMUState *iommu, MSIMessage *src, MSIMessage *dst,
                  uint16_t sid)
{
    VTDRequester who = { .sid = sid };
    VTDRemapped remapped;

    if (sid == X86_IOMMU_SID_INVALID) {
        /* KVM asks for a route of the I/O APIC without saying whose it is. */
        who = VTD_IOAPIC_REQUESTER;
    }
    /* What is posted has no route, which CAP.PI's property cares for. */
    if (!vtd_remap_message(INTEL_IOMMU_DEVICE(iommu), src, who, false,
                           &remapped) || !remapped.send) {
        return -EINVAL;
    }
    *dst = remapped.msg;
    return 0;
}

void vtd_ir_set_table(IntelIOMMUState *s)
{
    uint64_t irta = vtd_reg64(s, DMAR_IRTA_REG);

    WITH_QEMU_LOCK_GUARD(&s->lock) {
        s->intr_root = VTD_IRTA_IRTA(irta) & VTD_AW_MASK(s->aw_bits);
        s->intr_size = VTD_IRTA_ENTRIES(irta);
        /* Reserved without ECAP.EIM */
        s->intr_eime = (irta & VTD_IRTA_EIME) &&
                       s->intr_eim == ON_OFF_AUTO_ON;
    }
    trace_vtd_reg_ir_root(s->intr_root, s->intr_size);
    vtd_ir_invalidate(s, true, 0, 0);
}

void vtd_ir_invalidate(IntelIOMMUState *s, bool global, uint16_t index,
                       uint32_t mask)
{
    x86_iommu_iec_notify_all(X86_IOMMU_DEVICE(s), global, index, mask);
}

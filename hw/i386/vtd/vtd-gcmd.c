/*
 * VT-d: global command and status
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * VT-d 11.4.4.1 and 11.4.4.2.  SRTP, SIRTP, SFL and WBF are one-shot commands;
 * TE, QIE, IRE and CFI are levels.  Software writes one command at a time and
 * waits for its status, but what it writes meanwhile must do no harm: a level
 * is compared with the state the unit is in, not with a status that the drain
 * still holds back.
 */
#include "qemu/osdep.h"
#include "trace.h"
#include "vtd-fault.h"
#include "vtd-gcmd.h"
#include "vtd-ir.h"
#include "vtd-mistakes.h"
#include "vtd-queue.h"
#include "vtd-tables.h"

static void vtd_gsts_set(IntelIOMMUState *s, uint32_t bit, bool set)
{
    vtd_reg32_change(s, DMAR_GSTS_REG, bit, set ? bit : 0);
}

/* The fault index restarts when nothing is translated any more (7.2.1). */
static void vtd_gcmd_maybe_reset_fri(IntelIOMMUState *s)
{
    if (!s->dmar_enabled && !s->intr_enabled) {
        vtd_fault_index_reset(s);
    }
}

static void vtd_te_drained(void *opaque)
{
    IntelIOMMUState *s = opaque;

    trace_vtd_gcmd_done("TES");
    vtd_gsts_set(s, VTD_GSTS_TES, s->dmar_enabled);
    if (!s->dmar_enabled) {
        vtd_gcmd_maybe_reset_fri(s);
    }
}

/*
 * Untranslated DMA that is in flight must end before TES is reported set
 * (6.5.4), and translated DMA before it is reported clear: what software does
 * next is to use the memory that the tables led to for something else.
 *
 * Software waits for the status before it writes the next command.  Should it
 * not, TES never says of the last command that it is done before it is.
 */
static void vtd_set_te(IntelIOMMUState *s, bool enable)
{
    if (s->dmar_enabled == enable) {
        return;
    }
    trace_vtd_dmar_enable(enable);
    s->dmar_enabled = enable;
    vtd_gsts_set(s, VTD_GSTS_TES, !enable);
    viommu_set_enabled(&s->viommu, enable);
    if (viommu_busy_begin(&s->te_busy)) {
        vtd_te_drained(s);
    } else {
        trace_vtd_gcmd_wait("TES");
    }
}

static void vtd_srtp_drained(void *opaque)
{
    IntelIOMMUState *s = opaque;

    trace_vtd_gcmd_done("RTPS");
    vtd_gsts_set(s, VTD_GSTS_RTPS, true);
}

static void vtd_set_root_table(IntelIOMMUState *s)
{
    static const VIOMMUInv config = { .kind = VIOMMU_INV_CONFIG_ALL };
    static const VIOMMUInv all = { .kind = VIOMMU_INV_ALL };

    vtd_gsts_set(s, VTD_GSTS_RTPS, false);
    vtd_latch_root(s);
    viommu_invalidate(&s->viommu, &config);
    viommu_invalidate(&s->viommu, &all);
    if (viommu_busy_begin(&s->srtp_busy)) {
        vtd_srtp_drained(s);
    } else {
        trace_vtd_gcmd_wait("RTPS");
    }
}

static void vtd_ire_settled(void *opaque)
{
    IntelIOMMUState *s = opaque;

    trace_vtd_gcmd_done("IRES");
    vtd_gsts_set(s, VTD_GSTS_IRES, s->intr_enabled);
    vtd_gcmd_maybe_reset_fri(s);
}

/*
 * Requests are remapped, all of them, before IRES is reported set, and none is
 * when it is reported clear (11.4.4.1).
 */
static void vtd_set_ire(IntelIOMMUState *s, bool enable)
{
    if (s->intr_enabled == enable) {
        return;
    }
    trace_vtd_ir_enable(enable);
    s->intr_enabled = enable;
    vtd_gsts_set(s, VTD_GSTS_IRES, !enable);
    /* Routes that KVM and the IOAPIC hold were made the other way. */
    vtd_ir_invalidate(s, true, 0, 0);
    if (vtd_ir_settle(&s->ire_busy)) {
        vtd_ire_settled(s);
    } else {
        trace_vtd_gcmd_wait("IRES");
    }
}

static void vtd_sirtp_settled(void *opaque)
{
    IntelIOMMUState *s = opaque;

    trace_vtd_gcmd_done("IRTPS");
    vtd_gsts_set(s, VTD_GSTS_IRTPS, true);
}

static void vtd_set_ir_table(IntelIOMMUState *s)
{
    vtd_gsts_set(s, VTD_GSTS_IRTPS, false);
    vtd_ir_set_table(s);
    if (vtd_ir_settle(&s->sirtp_busy)) {
        vtd_sirtp_settled(s);
    } else {
        trace_vtd_gcmd_wait("IRTPS");
    }
}

void vtd_gcmd_written(IntelIOMMUState *s)
{
    uint32_t cmd = vtd_reg32(s, DMAR_GCMD_REG);
    bool ir = x86_iommu_ir_supported(X86_IOMMU_DEVICE(s));

    trace_vtd_reg_write_gcmd(vtd_reg32(s, DMAR_GSTS_REG), cmd);
    vtd_mistakes_gcmd(s);

    /* A table is set before what uses it is turned on. */
    if (cmd & VTD_GCMD_SRTP) {
        vtd_set_root_table(s);
    }
    if (s->dma_translation) {
        vtd_set_te(s, cmd & VTD_GCMD_TE);
    }
    vtd_queue_enable(s, cmd & VTD_GCMD_QIE);
    if (ir) {
        if (cmd & VTD_GCMD_SIRTP) {
            vtd_set_ir_table(s);
        }
        vtd_gsts_set(s, VTD_GSTS_CFIS, cmd & VTD_GCMD_CFI);
        vtd_set_ire(s, cmd & VTD_GCMD_IRE);
    }
    /* WBF: ECAP.RWBF is clear.  SFL, EAFL: CAP.AFL is clear. */
}

void vtd_gcmd_cancel(IntelIOMMUState *s)
{
    viommu_busy_cancel(&s->te_busy);
    viommu_busy_cancel(&s->srtp_busy);
    viommu_busy_cancel(&s->ire_busy);
    viommu_busy_cancel(&s->sirtp_busy);
}

void vtd_gcmd_init(IntelIOMMUState *s)
{
    viommu_busy_init(&s->te_busy, &s->viommu, vtd_te_drained, s);
    viommu_busy_init(&s->srtp_busy, &s->viommu, vtd_srtp_drained, s);
    viommu_busy_init(&s->ire_busy, &s->viommu, vtd_ire_settled, s);
    viommu_busy_init(&s->sirtp_busy, &s->viommu, vtd_sirtp_settled, s);
}

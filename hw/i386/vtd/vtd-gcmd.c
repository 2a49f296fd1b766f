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
#include "vtd-internal.h"

static void set_status(IntelIOMMUState *s, uint32_t bit, bool set)
{
    vtd_reg32_change(s, DMAR_GSTS_REG, bit, set ? bit : 0);
}

/* The fault index restarts when nothing is translated any more (7.2.1). */
static void maybe_reset_fault_index(IntelIOMMUState *s)
{
    if (!s->dmar_enabled && !s->intr_enabled) {
        vtd_fault_index_reset(s);
    }
}

static void te_drained(void *opaque)
{
    IntelIOMMUState *s = opaque;

    trace_vtd_gcmd_done("TES");
    set_status(s, VTD_GSTS_TES, true);
}

/*
 * Untranslated DMA that is in flight must end before TES is reported set
 * (6.5.4).  Nothing is asked for the way back, and a crash kernel polls it.
 */
static void set_te(IntelIOMMUState *s, bool enable)
{
    if (s->dmar_enabled == enable) {
        return;
    }
    trace_vtd_dmar_enable(enable);
    s->dmar_enabled = enable;
    viommu_fence_cancel(&s->viommu, &s->te_fence);
    viommu_set_enabled(&s->viommu, enable);
    if (!enable) {
        set_status(s, VTD_GSTS_TES, false);
        maybe_reset_fault_index(s);
    } else if (viommu_fence(&s->viommu, &s->te_fence, te_drained, s)) {
        te_drained(s);
    } else {
        trace_vtd_gcmd_wait("TES");
    }
}

static void srtp_drained(void *opaque)
{
    IntelIOMMUState *s = opaque;

    trace_vtd_gcmd_done("RTPS");
    set_status(s, VTD_GSTS_RTPS, true);
}

static void set_root_table(IntelIOMMUState *s)
{
    static const VIOMMUInv config = { .kind = VIOMMU_INV_CONFIG_ALL };
    static const VIOMMUInv all = { .kind = VIOMMU_INV_ALL };

    set_status(s, VTD_GSTS_RTPS, false);
    viommu_fence_cancel(&s->viommu, &s->srtp_fence);
    vtd_latch_root(s);
    viommu_invalidate(&s->viommu, &config);
    viommu_invalidate(&s->viommu, &all);
    if (viommu_fence(&s->viommu, &s->srtp_fence, srtp_drained, s)) {
        srtp_drained(s);
    } else {
        trace_vtd_gcmd_wait("RTPS");
    }
}

static void set_ire(IntelIOMMUState *s, bool enable)
{
    if (s->intr_enabled == enable) {
        return;
    }
    trace_vtd_ir_enable(enable);
    s->intr_enabled = enable;
    set_status(s, VTD_GSTS_IRES, enable);
    /* Routes that KVM and the IOAPIC hold were made the other way. */
    vtd_ir_invalidate(s, true, 0, 0);
    maybe_reset_fault_index(s);
}

void vtd_gcmd_written(IntelIOMMUState *s)
{
    uint32_t cmd = vtd_reg32(s, DMAR_GCMD_REG);
    bool ir = x86_iommu_ir_supported(X86_IOMMU_DEVICE(s));

    trace_vtd_reg_write_gcmd(vtd_reg32(s, DMAR_GSTS_REG), cmd);

    /* A table is set before what uses it is turned on. */
    if (cmd & VTD_GCMD_SRTP) {
        set_root_table(s);
    }
    if (s->dma_translation) {
        set_te(s, cmd & VTD_GCMD_TE);
    }
    vtd_queue_enable(s, cmd & VTD_GCMD_QIE);
    if (ir) {
        if (cmd & VTD_GCMD_SIRTP) {
            vtd_ir_set_table(s);
            set_status(s, VTD_GSTS_IRTPS, true);
        }
        set_status(s, VTD_GSTS_CFIS, cmd & VTD_GCMD_CFI);
        set_ire(s, cmd & VTD_GCMD_IRE);
    }
    /* WBF: ECAP.RWBF is clear.  SFL, EAFL: CAP.AFL is clear. */
}

void vtd_gcmd_cancel(IntelIOMMUState *s)
{
    viommu_fence_cancel(&s->viommu, &s->te_fence);
    viommu_fence_cancel(&s->viommu, &s->srtp_fence);
}

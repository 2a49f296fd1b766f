/*
 * VT-d: the migration stream
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * "iommu-intel" version 1 of the base, in both directions.  Caches are not in
 * it.  Nothing is under way in it either: when the VM stops, the core ends the
 * drain.  If the drain cannot end (a backend is stuck), the stream still has
 *
 *   - a wait descriptor at IQH, not completed: the destination does it again;
 *   - register commands (ICC, IVT, TE, SRTP, IRE, SIRTP) as if they had
 *     completed, since the base as the destination would leave them pending for
 *     ever.  The source's DMA cannot reach the destination's memory.
 *
 * The live state stays as it is, in case the source goes on.
 */
#include "qemu/osdep.h"
#include "migration/vmstate.h"
#include "qemu/error-report.h"
#include "system/dma-held.h"
#include "system/runstate.h"
#include "trace.h"
#include "vtd-fault.h"
#include "vtd-gcmd.h"
#include "vtd-inv.h"
#include "vtd-migration.h"
#include "vtd-queue.h"

static int vtd_pre_save(void *opaque)
{
    IntelIOMMUState *s = opaque;
    uint8_t *csr = s->csr_stream;
    uint32_t gsts;
    uint64_t val;
    DMA_HELD("save");

    /* An event that an iothread left to us goes to the APIC while it can. */
    vtd_fault_flush(s);
    WITH_QEMU_LOCK_GUARD(&s->lock) {
        memcpy(csr, s->csr, DMAR_REG_SIZE);
    }
    gsts = ldl_le_p(csr + DMAR_GSTS_REG);
    if (viommu_busy_pending(&s->te_busy)) {
        gsts &= ~VTD_GSTS_TES;
        gsts |= s->dmar_enabled ? VTD_GSTS_TES : 0;
    }
    if (viommu_busy_pending(&s->srtp_busy)) {
        gsts |= VTD_GSTS_RTPS;
    }
    if (viommu_busy_pending(&s->ire_busy)) {
        gsts &= ~VTD_GSTS_IRES;
        gsts |= s->intr_enabled ? VTD_GSTS_IRES : 0;
    }
    if (viommu_busy_pending(&s->sirtp_busy)) {
        gsts |= VTD_GSTS_IRTPS;
    }
    stl_le_p(csr + DMAR_GSTS_REG, gsts);
    if (viommu_busy_pending(&s->ccmd_busy)) {
        val = ldq_le_p(csr + DMAR_CCMD_REG);
        val &= ~(VTD_CCMD_ICC | VTD_CCMD_CAIG_MASK);
        stq_le_p(csr + DMAR_CCMD_REG, val | s->ccmd_done);
    }
    if (viommu_busy_pending(&s->iotlb_busy)) {
        val = ldq_le_p(csr + DMAR_IOTLB_REG);
        val &= ~(VTD_IOTLB_IVT | VTD_IOTLB_IAIG_MASK);
        stq_le_p(csr + DMAR_IOTLB_REG, val | s->iotlb_done);
    }
    return 0;
}

static int vtd_pre_load(void *opaque)
{
    IntelIOMMUState *s = opaque;

    s->latched_in_stream = false;
    /* loadvm: what was pending belongs to the state that goes. */
    vtd_gcmd_cancel(s);
    vtd_inv_cancel(s);
    vtd_queue_cancel(s);
    return 0;
}

/*
 * Bits for which nothing has to be done here that is not done anyway:
 *
 * ESRTPS, ESIRTPS  SRTP and SIRTP invalidate all that is cached (QEMU 11.1 sets
 *                  ESRTPS, even for machines of the 10.0 series)
 * DRD, DWD         an invalidation always drains
 * C                tables are read through the caches
 */
#define VTD_CAP_ANYWAY \
    (VTD_CAP_ESRTPS | VTD_CAP_ESIRTPS | VTD_CAP_DRD | VTD_CAP_DWD)
#define VTD_ECAP_ANYWAY VTD_ECAP_C

/*
 * The guest has read the source's CAP and ECAP, and keeps to them: they may
 * promise less than ours, but nothing that is not there.  Until the next reset
 * the registers go on showing what the source's showed.
 */
static bool vtd_stream_caps_ok(IntelIOMMUState *s)
{
    const uint64_t cap_numbers = VTD_CAP_ND_MASK | VTD_CAP_MGAW_MASK |
                                 VTD_CAP_FRO_MASK | VTD_CAP_NFR_MASK |
                                 VTD_CAP_MAMV_MASK;
    const uint64_t ecap_numbers = VTD_ECAP_IRO_MASK | VTD_ECAP_PSS_MASK;
    uint64_t cap = ldq_le_p(s->csr_stream + DMAR_CAP_REG);
    uint64_t ecap = ldq_le_p(s->csr_stream + DMAR_ECAP_REG);

    if (((cap ^ s->cap) & cap_numbers) || ((ecap ^ s->ecap) & ecap_numbers) ||
        (cap & ~(s->cap | VTD_CAP_ANYWAY)) ||
        (ecap & ~(s->ecap | VTD_ECAP_ANYWAY))) {
        error_report("intel-iommu: the source has CAP_REG 0x%" PRIx64
                     " and ECAP_REG 0x%" PRIx64 ", the destination 0x%" PRIx64
                     " and 0x%" PRIx64 ": give intel-iommu the same "
                     "properties on both sides", cap, ecap, s->cap, s->ecap);
        return false;
    }
    return true;
}

/* The stream is input like any other: what indexes or shifts is checked. */
static bool vtd_stream_state_ok(IntelIOMMUState *s)
{
    const char *what = NULL;

    if (s->next_frcd_reg >= s->fault_records) {
        what = "next_frcd_reg";
    } else if (s->qi_enabled &&
               (!is_power_of_2(s->iq_size) ||
                s->iq_size < VTD_PAGE_SIZE >> VTD_INV_DESC_SHIFT_DW)) {
        what = "iq_size";
    } else if (s->qi_enabled && s->iq_head >= s->iq_size) {
        what = "iq_head";
    } else if (s->intr_enabled &&
               !x86_iommu_ir_supported(X86_IOMMU_DEVICE(s))) {
        what = "intr_enabled";
    } else if (s->intr_size > VTD_IRTA_ENTRIES_MAX ||
               (s->intr_size && !is_power_of_2(s->intr_size))) {
        what = "intr_size";
    } else if (s->dmar_enabled && !s->dma_translation) {
        what = "dmar_enabled";
    } else if (s->latched_in_stream && s->root_ttm > VTD_RTADDR_TTM_ABORT) {
        what = "root_ttm";
    }
    if (what) {
        error_report("intel-iommu: %s in the migration stream is not valid",
                     what);
    }
    return !what;
}

/*
 * What the unit took over from a register, and when (SRTP, QIE): the base's
 * stream has it for addresses and sizes, but not for these two.
 */
static void vtd_latch_from_registers(IntelIOMMUState *s)
{
    s->root_ttm = VTD_RTADDR_TTM(vtd_reg64(s, DMAR_RTADDR_REG));
    s->iq_dw = vtd_reg64(s, DMAR_IQA_REG) & VTD_IQA_DW;
}

static int vtd_post_load(void *opaque, int version_id)
{
    IntelIOMMUState *s = opaque;
    DMA_HELD("load");

    if (!vtd_stream_caps_ok(s) || !vtd_stream_state_ok(s)) {
        return -EINVAL;
    }
    WITH_QEMU_LOCK_GUARD(&s->lock) {
        memcpy(s->csr, s->csr_stream, DMAR_REG_SIZE);
        if (!s->latched_in_stream) {
            vtd_latch_from_registers(s);
        }
    }
    return viommu_post_load(&s->viommu, s->dmar_enabled) ? 0 : -EINVAL;
}

/*
 * The VM runs (again): do what a stream, or a stop, left to be done.  Not
 * earlier: it writes guest memory, which is not all there before.
 */
static void vtd_vm_state_changed(void *opaque, bool running, RunState state)
{
    IntelIOMMUState *s = opaque;

    vtd_fault_flush(s);
    if (!running) {
        return;
    }
    if (!viommu_busy_pending(&s->ccmd_busy)) {
        vtd_ccmd_written(s);
    }
    if (!viommu_busy_pending(&s->iotlb_busy)) {
        vtd_iotlb_written(s);
    }
}

void vtd_migration_init(IntelIOMMUState *s)
{
    s->vmstate = qemu_add_vm_change_state_handler(vtd_vm_state_changed, s);
}

static bool vtd_frcd_needed(void *opaque)
{
    IntelIOMMUState *s = opaque;

    return s->fault_records > 1;
}

/* Fault recording registers after the first */
static const VMStateDescription vtd_vmstate_frcd = {
    .name = "iommu-intel/fault-records",
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = vtd_frcd_needed,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT8_SUB_ARRAY(csr, IntelIOMMUState, DMAR_REG_SIZE,
                                VTD_REG_WINDOW_MAX - DMAR_REG_SIZE),
        VMSTATE_END_OF_LIST()
    }
};

/* Is something written that has not been latched? */
static bool vtd_latched_needed(void *opaque)
{
    IntelIOMMUState *s = opaque;
    uint8_t ttm = VTD_RTADDR_TTM(vtd_reg64(s, DMAR_RTADDR_REG));
    bool dw = vtd_reg64(s, DMAR_IQA_REG) & VTD_IQA_DW;

    return s->root_ttm != ttm || (s->qi_enabled && s->iq_dw != dw);
}

static int vtd_latched_post_load(void *opaque, int version_id)
{
    IntelIOMMUState *s = opaque;

    s->latched_in_stream = true;
    return 0;
}

static const VMStateDescription vtd_vmstate_latched = {
    .name = "iommu-intel/latched",
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = vtd_latched_needed,
    .post_load = vtd_latched_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT8(root_ttm, IntelIOMMUState),
        VMSTATE_BOOL(iq_dw, IntelIOMMUState),
        VMSTATE_END_OF_LIST()
    }
};

const VMStateDescription vtd_vmstate = {
    .name = "iommu-intel",
    .version_id = 1,
    .minimum_version_id = 1,
    .priority = MIG_PRI_IOMMU,
    .pre_save = vtd_pre_save,
    .pre_load = vtd_pre_load,
    .post_load = vtd_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT64(root, IntelIOMMUState),
        VMSTATE_UINT64(intr_root, IntelIOMMUState),
        VMSTATE_UINT64(iq, IntelIOMMUState),
        VMSTATE_UINT32(intr_size, IntelIOMMUState),
        VMSTATE_UINT16(iq_head, IntelIOMMUState),
        VMSTATE_UINT16(iq_tail, IntelIOMMUState),
        VMSTATE_UINT16(iq_size, IntelIOMMUState),
        VMSTATE_UINT16(next_frcd_reg, IntelIOMMUState),
        VMSTATE_UINT8_ARRAY(csr_stream, IntelIOMMUState, DMAR_REG_SIZE),
        VMSTATE_UINT8(iq_last_desc_type, IntelIOMMUState),
        VMSTATE_UNUSED(1),      /* root_extended, of older versions */
        VMSTATE_BOOL(dmar_enabled, IntelIOMMUState),
        VMSTATE_BOOL(qi_enabled, IntelIOMMUState),
        VMSTATE_BOOL(intr_enabled, IntelIOMMUState),
        VMSTATE_BOOL(intr_eime, IntelIOMMUState),
        VMSTATE_END_OF_LIST()
    },
    .subsections = (const VMStateDescription * const []) {
        &vtd_vmstate_frcd,
        &vtd_vmstate_latched,
        NULL
    }
};

/*
 * VT-d: the unit: its parts, and which register write goes where
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What is here, and below, knows nothing of the machine that the unit is in:
 * qemu-viommud has the same.
 */
#include "qemu/osdep.h"
#include "qemu/bitmap.h"
#include "trace.h"
#include "vtd-fault.h"
#include "vtd-gcmd.h"
#include "vtd-inv.h"
#include "vtd-migration.h"
#include "vtd-mistakes.h"
#include "vtd-prq.h"
#include "vtd-queue.h"
#include "vtd-unit.h"

/* Registers */

static bool vtd_ccmd_busy(const IntelIOMMUState *s)
{
    return viommu_busy_pending(&s->ccmd_busy);
}

static bool vtd_iotlb_busy(const IntelIOMMUState *s)
{
    return viommu_busy_pending(&s->iotlb_busy);
}

/* A 64-bit register acts on the half that has its command bit, or QT. */
static const VTDRegAction vtd_reg_actions[] = {
    { DMAR_GCMD_REG, DMAR_GCMD_REG + 3, vtd_gcmd_written },
    { DMAR_CCMD_REG + 4, DMAR_CCMD_REG + 7, vtd_ccmd_written, vtd_ccmd_busy },
    { DMAR_FSTS_REG, DMAR_FSTS_REG + 3, vtd_fsts_written },
    /* IQE may have been cleared: then the queue goes on. */
    { DMAR_FSTS_REG, DMAR_FSTS_REG + 3, vtd_queue_run },
    { DMAR_FECTL_REG, DMAR_FECTL_REG + 3, vtd_fectl_written },
    { DMAR_IQT_REG, DMAR_IQT_REG + 3, vtd_queue_tail_written },
    { DMAR_IQA_REG, DMAR_IQA_REG + 7, vtd_mistakes_iqa },
    { DMAR_ICS_REG, DMAR_ICS_REG + 3, vtd_ics_written },
    { DMAR_IECTL_REG, DMAR_IECTL_REG + 3, vtd_iectl_written },
    { DMAR_PRS_REG, DMAR_PRS_REG + 3, vtd_prs_written },
    { DMAR_PECTL_REG, DMAR_PECTL_REG + 3, vtd_pectl_written },
    { DMAR_IOTLB_REG + 4, DMAR_IOTLB_REG + 7, vtd_iotlb_written,
      vtd_iotlb_busy },
    { DMAR_FRCD_REG_OFFSET, VTD_REG_WINDOW_MAX - 1, vtd_frcd_written },
};

/* State */

static void vtd_reset_state(IntelIOMMUState *s)
{
    vtd_regs_reset(s);
    WITH_QEMU_LOCK_GUARD(&s->lock) {
        s->next_frcd_reg = 0;
        s->root = 0;
        s->root_ttm = 0;
    }
    s->dmar_enabled = false;
    s->qi_enabled = false;
    s->iq = 0;
    s->iq_size = 0;
    s->iq_dw = false;
    s->iq_head = 0;
    s->iq_tail = 0;
    s->iq_last_desc_type = VTD_INV_DESC_NONE;
    s->intr_enabled = false;
    s->intr_root = 0;
    s->intr_size = 0;
    s->intr_eime = false;
    qatomic_set(&s->ioapic_sid_said, false);
}

void vtd_unit_reset(IntelIOMMUState *s)
{
    trace_vtd_reset_exit();
    vtd_gcmd_cancel(s);
    vtd_inv_cancel(s);
    vtd_queue_cancel(s);
    vtd_reset_state(s);
    viommu_reset(&s->viommu);
}

void vtd_unit_init(IntelIOMMUState *s)
{
    qemu_mutex_init(&s->lock);
    vtd_cap_init(s);
    if (s->scalable_mode) {
        s->pasid_dids = bitmap_new(1 << VTD_DOMAIN_ID_BITS);
    }
    vtd_regs_init(s, vtd_reg_actions, ARRAY_SIZE(vtd_reg_actions));
    vtd_fault_init(s);
    vtd_inv_init(s);
    vtd_queue_init(s);
    vtd_gcmd_init(s);
    vtd_reset_state(s);
    vtd_migration_init(s);
}

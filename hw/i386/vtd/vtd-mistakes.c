/*
 * VT-d: what software does with the registers that it must not
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The specification leaves open what the unit makes of these, and has no fault
 * or status for them.  They are said in the log (-d guest_errors), and change
 * nothing.  Who writes to IQT_REG, or has an invalidation refused, is told in
 * vtd-queue.c and vtd-inv.c.
 */
#include "qemu/osdep.h"
#include "qemu/host-utils.h"
#include "qemu/log.h"
#include "vtd-mistakes.h"

/* A command each; WBF is for nothing without CAP.RWBF, and does no harm. */
#define GCMD_ONCE (VTD_GCMD_SRTP | VTD_GCMD_SIRTP | VTD_GCMD_SFL)

/* GCMD_REG's levels as the unit has them, whatever GSTS_REG says already */
static uint32_t gcmd_levels(const IntelIOMMUState *s)
{
    return (s->dmar_enabled ? VTD_GCMD_TE : 0) |
           (s->qi_enabled ? VTD_GCMD_QIE : 0) |
           (s->intr_enabled ? VTD_GCMD_IRE : 0) |
           (vtd_reg32(s, DMAR_GSTS_REG) & VTD_GSTS_CFIS ? VTD_GCMD_CFI : 0);
}

static bool gcmd_pending(const IntelIOMMUState *s)
{
    return viommu_busy_pending(&s->te_busy) ||
           viommu_busy_pending(&s->srtp_busy) ||
           viommu_busy_pending(&s->ire_busy) ||
           viommu_busy_pending(&s->sirtp_busy);
}

static bool gcmd_ttm_is_legal(const IntelIOMMUState *s)
{
    uint8_t ttm = VTD_RTADDR_TTM(vtd_reg64(s, DMAR_RTADDR_REG));

    return ttm == VTD_RTADDR_TTM_LEGACY ||
           (ttm == VTD_RTADDR_TTM_SCALABLE && s->scalable_mode);
}

void vtd_mistakes_gcmd(IntelIOMMUState *s)
{
    uint32_t cmd = vtd_reg32(s, DMAR_GCMD_REG);
    uint32_t sts = vtd_reg32(s, DMAR_GSTS_REG);
    uint32_t changed = ((cmd ^ gcmd_levels(s)) & VTD_GCMD_LEVELS) |
                       (cmd & GCMD_ONCE);
    uint32_t on = changed & cmd;
    bool ir = x86_iommu_ir_supported(X86_IOMMU_DEVICE(s));
    const struct {
        bool wrong;
        const char *what;
    } rules[] = {
        { ctpop32(changed) > 1, "more than one command in a write (11.4.4.1)" },
        { changed && gcmd_pending(s), "GSTS_REG has not reported the last "
          "command yet" },
        { (on & VTD_GCMD_SRTP) && !gcmd_ttm_is_legal(s),
          "SRTP with an RTADDR_REG.TTM that the unit does not have" },
        { (on & VTD_GCMD_TE) && !s->dma_translation,
          "TE, but the unit translates no DMA (CAP.SAGAW is 0)" },
        { (on & VTD_GCMD_TE) && !(sts & VTD_GSTS_RTPS) &&
          !(on & VTD_GCMD_SRTP), "TE, but no root table has been set (SRTP)" },
        { (on & (VTD_GCMD_IRE | VTD_GCMD_SIRTP | VTD_GCMD_CFI)) && !ir,
          "IRE, SIRTP or CFI, but the unit remaps no interrupts (ECAP.IR)" },
        { (on & VTD_GCMD_IRE) && ir && !(sts & VTD_GSTS_IRTPS) &&
          !(on & VTD_GCMD_SIRTP),
          "IRE, but no interrupt remapping table has been set (SIRTP)" },
        { on & (VTD_GCMD_SFL | VTD_GCMD_EAFL),
          "SFL or EAFL, but there is no advanced fault log (CAP.AFL)" },
        { (on & VTD_GCMD_QIE) && vtd_reg64(s, DMAR_IQT_REG),
          "QIE, but IQT_REG is not 0 (6.5.2)" },
        { (changed & ~cmd & VTD_GCMD_QIE) && s->iq_head != s->iq_tail,
          "QIE is cleared with descriptors that were not taken up" },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(rules); i++) {
        if (rules[i].wrong) {
            qemu_log_mask(LOG_GUEST_ERROR, "vtd: GCMD_REG 0x%x: %s\n", cmd,
                          rules[i].what);
        }
    }
}

void vtd_mistakes_iqa(IntelIOMMUState *s)
{
    if (s->qi_enabled) {
        qemu_log_mask(LOG_GUEST_ERROR, "vtd: IQA_REG written with the "
                      "invalidation queue on; it counts from when the queue is "
                      "turned on again\n");
    }
}

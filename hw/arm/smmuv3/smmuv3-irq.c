/*
 * SMMUv3: GERROR, wired interrupts and MSIs
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * IHI 0070 3.18, 7.5.  Interrupts are pulses.  With IDR0.MSI a source has both:
 * its wire, and an MSI if its address is not zero.  MSIs carry requester ID 0,
 * the host bridge's, which sends none of its own: every other ID may be a
 * device's.
 *
 * CONSTRAINED UNPREDICTABLE: GERRORN takes what is written; toggling an error
 * that is inactive activates it (6.3.20).
 */
#include "qemu/osdep.h"
#include "qemu/log.h"
#include "trace.h"
#include "smmuv3-internal.h"

static void irq_pulse(SMMUv3State *s, SMMUIrq irq)
{
    trace_smmuv3_trigger_irq(irq);
    smmuv3_wire_pulse(s, irq);
}

/* @aborted: the error of an MSI that cannot be written */
static void irq_send_msi(SMMUv3State *s, uint64_t addr, uint32_t data,
                         uint32_t aborted)
{
    if (!addr || !(s->idr[0] & SMMU_IDR0_MSI)) {
        return;
    }
    /* Beyond the OAS it is truncated (3.4.3); zero is looked for before. */
    addr &= (1ull << s->oas) - 1;
    trace_smmuv3_msi(addr, data);
    if (!smmuv3_wire_msi(s, addr, data)) {
        smmuv3_gerror(s, aborted);
    }
}

void smmuv3_gerror(SMMUv3State *s, uint32_t error)
{
    uint32_t activated = error & ~(s->gerror ^ s->gerrorn);

    if (!activated) {
        return;
    }
    s->gerror ^= activated;
    trace_smmuv3_write_gerror(activated, s->gerror);
    /* An aborted GERROR MSI would only be aborted again (7.5.1). */
    if ((s->irq_ctrl & SMMU_IRQ_CTRL_GERROR) &&
        (activated & ~SMMU_GERROR_MSI_GERROR_ABT)) {
        irq_pulse(s, SMMU_IRQ_GERROR);
        irq_send_msi(s, s->gerror_irq.cfg0, s->gerror_irq.cfg1,
                     SMMU_GERROR_MSI_GERROR_ABT);
    }
}

void smmuv3_gerrorn_written(SMMUv3State *s, uint32_t val)
{
    uint32_t active = s->gerror ^ s->gerrorn;
    uint32_t toggled = s->gerrorn ^ (val & SMMU_GERROR_MASK);

    if (toggled & ~active) {
        qemu_log_mask(LOG_GUEST_ERROR, "smmuv3: GERRORN acknowledges errors "
                      "that are not active: 0x%" PRIx32 "\n",
                      toggled & ~active);
    }
    s->gerrorn ^= toggled;
    trace_smmuv3_write_gerrorn(toggled & active, s->gerrorn);
}

void smmuv3_irq_eventq(SMMUv3State *s)
{
    if (s->irq_ctrl & SMMU_IRQ_CTRL_EVENTQ) {
        irq_pulse(s, SMMU_IRQ_EVTQ);
        irq_send_msi(s, s->eventq_irq.cfg0, s->eventq_irq.cfg1,
                     SMMU_GERROR_MSI_EVENTQ_ABT);
    }
}

void smmuv3_irq_sync(SMMUv3State *s, const SMMUv3Sync *sync)
{
    if (sync->irq) {
        irq_pulse(s, SMMU_IRQ_CMD_SYNC);
        irq_send_msi(s, sync->msi_addr, sync->msi_data,
                     SMMU_GERROR_MSI_CMDQ_ABT);
    }
}

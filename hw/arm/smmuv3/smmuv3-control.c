/*
 * SMMUv3: CR0 and GBPA, what turns translation and the queues on and off
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * IHI 0070 6.3.9 and 6.3.14.  A field of CR0 has taken effect when CR0ACK says
 * so.  All are acknowledged at once but SMMUEN: DMA that is in flight, made as
 * it was before, ends first, as it would have to after an invalidation.  Were
 * it acknowledged at once, a driver that then took the memory of such DMA for
 * something else would have nothing to wait for: the target of what bypassed
 * when SMMUEN is set, that of what was translated when it is cleared.  GBPA
 * going from bypass to abort is the same: Update stays set meanwhile.
 *
 * CONSTRAINED UNPREDICTABLE: SMMUEN written while an update of it waits is
 * taken as if that had been complete: what has been asked for last is
 * acknowledged when all of it has ended.
 */
#include "qemu/osdep.h"
#include "qemu/log.h"
#include "trace.h"
#include "smmuv3-internal.h"

static void set_cr0(SMMUv3State *s, uint32_t clear, uint32_t set)
{
    QEMU_LOCK_GUARD(&s->lock);
    s->cr0 = (s->cr0 & ~clear) | set;
}

/* What CR0.SMMUEN says has taken effect. */
static void smmuen_updated(void *opaque)
{
    SMMUv3State *s = opaque;
    uint32_t smmuen = s->cr0 & SMMU_CR0_SMMUEN;

    trace_smmuv3_enabled(smmuen);
    s->cr0ack = (s->cr0ack & ~SMMU_CR0_SMMUEN) | smmuen;
}

static void set_smmuen(SMMUv3State *s, bool on)
{
    uint32_t smmuen = on ? SMMU_CR0_SMMUEN : 0;

    trace_smmuv3_enable(on);
    s->cr0ack = (s->cr0ack & ~SMMU_CR0_SMMUEN) | (smmuen ^ SMMU_CR0_SMMUEN);
    set_cr0(s, SMMU_CR0_SMMUEN, smmuen);
    viommu_set_enabled(&s->viommu, smmuv3_translates(s));
    if (viommu_busy_begin(&s->smmuen_busy)) {
        smmuen_updated(s);
    } else {
        trace_smmuv3_enable_wait(on);
    }
}

static void set_eventqen(SMMUv3State *s, bool on)
{
    if (!on) {
        /* What was committed is visible when the queue is off (7.2). */
        viommu_events_write(&s->events);
    }
    set_cr0(s, SMMU_CR0_EVENTQEN, on ? SMMU_CR0_EVENTQEN : 0);
    if (!on) {
        viommu_events_discard(&s->events);
    }
}

/* What has no event: -d guest_errors */
static void cr0_mistakes(SMMUv3State *s, uint32_t val, uint32_t changed)
{
    if (val & ~smmuv3_cr0_wmask(s)) {
        qemu_log_mask(LOG_GUEST_ERROR, "smmuv3: CR0 0x%x: some bits are "
                      "reserved, or the ID registers do not have what they "
                      "turn on; they stay clear\n", val);
    }
    if ((changed & SMMU_CR0_SMMUEN) &&
        viommu_busy_pending(&s->smmuen_busy)) {
        qemu_log_mask(LOG_GUEST_ERROR, "smmuv3: CR0 0x%x: CR0ACK has not "
                      "reported the last change of SMMUEN yet\n", val);
    }
}

void smmuv3_cr0_written(SMMUv3State *s, uint32_t val)
{
    uint32_t changed = (s->cr0 ^ val) & smmuv3_cr0_wmask(s);
    const uint32_t queues = SMMU_CR0_EVENTQEN | SMMU_CR0_CMDQEN |
                            SMMU_CR0_ATSCHK;

    cr0_mistakes(s, val, changed);
    if (changed & SMMU_CR0_EVENTQEN) {
        set_eventqen(s, val & SMMU_CR0_EVENTQEN);
    }
    if (changed & SMMU_CR0_CMDQEN) {
        /* A CMD_SYNC that waits is the first command not consumed. */
        smmuv3_cmdq_off(s);
        set_cr0(s, SMMU_CR0_CMDQEN, val & SMMU_CR0_CMDQEN);
    }
    if (changed & SMMU_CR0_SMMUEN) {
        set_smmuen(s, val & SMMU_CR0_SMMUEN);
    }
    if (changed & SMMU_CR0_ATSCHK) {
        /* Translated transactions are checked always: see smmuv3-fault.c. */
        set_cr0(s, SMMU_CR0_ATSCHK, val & SMMU_CR0_ATSCHK);
    }
    s->cr0ack = (s->cr0ack & ~queues) | (s->cr0 & queues);
    if (changed & SMMU_CR0_CMDQEN) {
        smmuv3_cmdq_run(s);
    }
}

static void set_gbpa(SMMUv3State *s, uint32_t val)
{
    QEMU_LOCK_GUARD(&s->lock);
    s->gbpa = val;
}

static void gbpa_updated(void *opaque)
{
    SMMUv3State *s = opaque;

    set_gbpa(s, s->gbpa & ~SMMU_GBPA_UPDATE);
}

/*
 * Bypass to abort ends the DMA that bypasses, as SMMUEN going to 1 does.
 * Written with Update set only, as in SMMUv3.2 and later; while it is set, a
 * write is CONSTRAINED UNPREDICTABLE, and ignored.
 */
void smmuv3_gbpa_written(SMMUv3State *s, uint32_t val)
{
    bool abort_changed = (s->gbpa ^ val) & SMMU_GBPA_ABORT;

    if (!(val & SMMU_GBPA_UPDATE) || (s->gbpa & SMMU_GBPA_UPDATE)) {
        qemu_log_mask(LOG_GUEST_ERROR, "smmuv3: GBPA written %s, and ignored\n",
                      val & SMMU_GBPA_UPDATE ? "while it is being updated" :
                                               "without Update");
        return;
    }
    set_gbpa(s, val & SMMU_GBPA_WMASK);
    if (!abort_changed || (s->cr0 & SMMU_CR0_SMMUEN)) {
        return;
    }
    viommu_set_enabled(&s->viommu, smmuv3_translates(s));
    if ((s->gbpa & SMMU_GBPA_ABORT) && !viommu_busy_begin(&s->gbpa_busy)) {
        set_gbpa(s, s->gbpa | SMMU_GBPA_UPDATE);
    }
}

void smmuv3_control_cancel(SMMUv3State *s)
{
    viommu_busy_cancel(&s->gbpa_busy);
    viommu_busy_cancel(&s->smmuen_busy);
}

void smmuv3_control_init(SMMUv3State *s)
{
    viommu_busy_init(&s->smmuen_busy, &s->viommu, smmuen_updated, s);
    viommu_busy_init(&s->gbpa_busy, &s->viommu, gbpa_updated, s);
}

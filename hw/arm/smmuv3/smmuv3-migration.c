/*
 * SMMUv3: the migration stream
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * "smmuv3" version 1 of the base, in both directions.  Caches are not in it,
 * and events are in the guest's queue since the VM stopped: its memory has been
 * sent when we are saved.  Nothing waits for the drain either: when the VM
 * stops, the core ends it.  If it cannot end (a backend is stuck), the stream
 * still has
 *
 *   - a CMD_SYNC at CMDQ_CONS, not consumed: the destination does it again;
 *   - CR0ACK.SMMUEN, and GBPA, as if the update had been completed, since the
 *     base as the destination would leave it for ever.  The source's DMA cannot
 *     reach the destination's memory.
 *
 * The live state stays as it is, in case the source goes on.
 *
 * The base's stream does not say what the ID registers are.  Ours does in a
 * subsection, if they are not the defaults of a base with the same stages: then
 * the guest may be using what the base does not have.
 */
#include "qemu/osdep.h"
#include "migration/vmstate.h"
#include "qemu/error-report.h"
#include "system/dma-held.h"
#include "system/runstate.h"
#include "trace.h"
#include "smmuv3-internal.h"

/* The base's only feature flag: the stream table has two levels */
#define STREAM_FEATURE_2LVL_STE 1u

static uint8_t stream_split(const SMMUv3State *s)
{
    unsigned split = smmu_bits(s->strtab_base_cfg, SMMU_STRTAB_CFG_SPLIT);

    return split == 8 || split == 10 ? split : 6;
}

static int smmuv3_pre_save(void *opaque)
{
    SMMUv3State *s = opaque;
    bool two_level = smmu_bits(s->strtab_base_cfg, SMMU_STRTAB_CFG_FMT) ==
                     SMMU_STRTAB_FMT_2LVL;
    DMA_HELD("save");

    memset(&s->stream, 0, sizeof(s->stream));
    s->stream.features = two_level ? STREAM_FEATURE_2LVL_STE : 0;
    s->stream.sid_split = two_level ? stream_split(s) : 0;
    s->stream.cr[0] = s->cr0;
    s->stream.cr[1] = s->cr1;
    s->stream.cr[2] = s->cr2;
    s->stream.cr0ack = s->cr0;
    s->stream.gbpa = s->gbpa & SMMU_GBPA_WMASK;
    memcpy(s->stream.idr, s->idr, sizeof(s->idr));
    return 0;
}

static int smmuv3_pre_load(void *opaque)
{
    SMMUv3State *s = opaque;

    /* loadvm: what was pending belongs to the state that goes. */
    smmuv3_control_cancel(s);
    smmuv3_cmdq_cancel(s);
    viommu_events_discard(&s->events);
    /* Subsections that are not there say these. */
    s->stream.gbpa = SMMU_GBPA_RESET;
    memset(s->stream.idr, 0, sizeof(s->stream.idr));
    return 0;
}

/*
 * The guest has read the source's ID registers, and keeps to them: they may
 * promise less than ours, but nothing that is not there.
 */
static bool stream_features_ok(SMMUv3State *s)
{
    SMMUv3Features ours, theirs;

    if (!s->stream.idr[0]) {
        return true;
    }
    smmuv3_features(&ours, s->idr);
    smmuv3_features(&theirs, s->stream.idr);
    if ((theirs.s1p && !ours.s1p) || (theirs.s2p && !ours.s2p) ||
        (theirs.msi && !ours.msi) || (theirs.ats && !ours.ats) ||
        theirs.perms_ovr != ours.perms_ovr ||
        theirs.httu > ours.httu || theirs.ssid_bits > ours.ssid_bits ||
        theirs.oas_bits != ours.oas_bits) {
        error_report("arm-smmuv3: the source has SMMU_IDR0 0x%" PRIx32
                     ", IDR1 0x%" PRIx32 " and IDR5 0x%" PRIx32
                     ", the destination 0x%" PRIx32 ", 0x%" PRIx32 " and 0x%"
                     PRIx32 ": give arm-smmuv3 the same properties (stage, "
                     "oas, httu, ssidsize, ats, msi, attr-perms-ovr) on both "
                     "sides",
                     s->stream.idr[0], s->stream.idr[1], s->stream.idr[5],
                     s->idr[0], s->idr[1], s->idr[5]);
        return false;
    }
    return true;
}

/* The size is CMDQ_BASE's or EVENTQ_BASE's: stock QEMU does not reset it. */
static void load_queue(SMMUQueue *q, uint64_t flag)
{
    q->log2size = smmuv3_queue_log2size(q->base);
    q->base &= SMMU_QUEUE_BASE_WMASK;
    q->prod &= SMMU_QUEUE_INDEX_MASK | flag;
    q->cons &= SMMU_QUEUE_INDEX_MASK | flag;
}

static int smmuv3_post_load(void *opaque, int version_id)
{
    SMMUv3State *s = opaque;
    uint32_t cmdq_err = smmu_keep(s->cmdq.cons, SMMU_CMDQ_CONS_ERR);
    DMA_HELD("load");

    if (!stream_features_ok(s)) {
        return -EINVAL;
    }
    WITH_QEMU_LOCK_GUARD(&s->lock) {
        s->cr0 = s->stream.cr[0] & smmuv3_cr0_wmask(s);
        s->cr1 = s->stream.cr[1];
        s->cr2 = s->stream.cr[2] & SMMU_CR2_WMASK;
        s->cr0ack = s->cr0;
        s->gbpa = s->stream.gbpa & SMMU_GBPA_WMASK;
        s->irq_ctrl &= SMMU_IRQ_CTRL_WMASK;
        load_queue(&s->cmdq, 0);
        s->cmdq.cons |= cmdq_err;
        load_queue(&s->eventq, SMMU_EVENTQ_OVFLG);
    }
    /* Nothing is cached, or in flight, that was made with TBI, or nested. */
    qatomic_set(&s->tbi_seen, false);
    qatomic_set(&s->nested_seen, false);
    return viommu_post_load(&s->viommu, smmuv3_translates(s)) ? 0 : -EINVAL;
}

/*
 * The VM stops: events are written while its memory is still being sent.  It
 * runs again: what came after that is written now.  The command queue's own
 * handler does the same for it.
 */
static void smmuv3_vm_state_changed(void *opaque, bool running, RunState state)
{
    SMMUv3State *s = opaque;

    viommu_events_write(&s->events);
}

void smmuv3_migration_init(SMMUv3State *s)
{
    /* When the VM stops, after the core's: that ends DMA, which may fault. */
    s->vmstate = qemu_add_vm_change_state_handler_prio(smmuv3_vm_state_changed,
                                                       s, -1);
}

static const VMStateDescription smmuv3_vmstate_queue = {
    .name = "smmuv3_queue",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT64(base, SMMUQueue),
        VMSTATE_UINT32(prod, SMMUQueue),
        VMSTATE_UINT32(cons, SMMUQueue),
        VMSTATE_UINT8(log2size, SMMUQueue),
        VMSTATE_END_OF_LIST()
    }
};

static bool gbpa_needed(void *opaque)
{
    SMMUv3State *s = opaque;

    return s->stream.gbpa != SMMU_GBPA_RESET;
}

static const VMStateDescription smmuv3_vmstate_gbpa = {
    .name = "smmuv3/gbpa",
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = gbpa_needed,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32(stream.gbpa, SMMUv3State),
        VMSTATE_END_OF_LIST()
    }
};

static bool idr_needed(void *opaque)
{
    SMMUv3State *s = opaque;
    SMMUv3Features f;

    smmuv3_features(&f, s->idr);
    return f.ats || f.msi || f.perms_ovr || f.httu || f.ssid_bits ||
           f.oas_bits != 44;
}

static const VMStateDescription smmuv3_vmstate_idr = {
    .name = "smmuv3/idr",
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = idr_needed,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32_ARRAY(stream.idr, SMMUv3State, 6),
        VMSTATE_END_OF_LIST()
    }
};

const VMStateDescription smmuv3_vmstate = {
    .name = "smmuv3",
    .version_id = 1,
    .minimum_version_id = 1,
    .priority = MIG_PRI_IOMMU,
    .pre_save = smmuv3_pre_save,
    .pre_load = smmuv3_pre_load,
    .post_load = smmuv3_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32(stream.features, SMMUv3State),
        VMSTATE_UINT8(stream.sid_size, SMMUv3State),
        VMSTATE_UINT8(stream.sid_split, SMMUv3State),
        VMSTATE_UINT32_ARRAY(stream.cr, SMMUv3State, 3),
        VMSTATE_UINT32(stream.cr0ack, SMMUv3State),
        VMSTATE_UINT32(stream.statusr, SMMUv3State),
        VMSTATE_UINT32(irq_ctrl, SMMUv3State),
        VMSTATE_UINT32(gerror, SMMUv3State),
        VMSTATE_UINT32(gerrorn, SMMUv3State),
        VMSTATE_UINT64(gerror_irq.cfg0, SMMUv3State),
        VMSTATE_UINT32(gerror_irq.cfg1, SMMUv3State),
        VMSTATE_UINT32(gerror_irq.cfg2, SMMUv3State),
        VMSTATE_UINT64(strtab_base, SMMUv3State),
        VMSTATE_UINT32(strtab_base_cfg, SMMUv3State),
        VMSTATE_UINT64(eventq_irq.cfg0, SMMUv3State),
        VMSTATE_UINT32(eventq_irq.cfg1, SMMUv3State),
        VMSTATE_UINT32(eventq_irq.cfg2, SMMUv3State),
        VMSTATE_STRUCT(cmdq, SMMUv3State, 0, smmuv3_vmstate_queue, SMMUQueue),
        VMSTATE_STRUCT(eventq, SMMUv3State, 0, smmuv3_vmstate_queue,
                       SMMUQueue),
        VMSTATE_END_OF_LIST()
    },
    .subsections = (const VMStateDescription * const []) {
        &smmuv3_vmstate_gbpa,
        &smmuv3_vmstate_idr,
        NULL
    }
};

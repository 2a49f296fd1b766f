/*
 * AMD-Vi: the migration stream
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The base cannot be migrated, so the stream is ours.  Caches are not in it.
 * Nothing is under way in it either: when the VM stops, the core ends the
 * drain.  If the drain cannot end (a backend is stuck), the COMPLETION_WAIT is
 * still at the head of the command buffer, and the destination does it again:
 * the source's DMA cannot reach the destination's memory.
 */
#include "qemu/osdep.h"
#include "migration/vmstate.h"
#include "qemu/error-report.h"
#include "system/dma-held.h"
#include "system/runstate.h"
#include "amdvi-internal.h"

static int amdvi_pre_save(void *opaque)
{
    AMDVIState *s = opaque;
    DMA_HELD("save");

    s->stream_efr = s->efr;
    return 0;
}

static int amdvi_pre_load(void *opaque)
{
    AMDVIState *s = opaque;

    /* loadvm: what was pending belongs to the state that goes. */
    amdvi_cmd_cancel(s);
    viommu_events_discard(&s->events);
    return 0;
}

/*
 * The guest has read the source's EFR, and keeps to it.  The stream is input
 * like any other: of pointers no more than software can write.  A tail that is
 * not in the ring would never be reached.
 */
static int amdvi_post_load(void *opaque, int version_id)
{
    AMDVIState *s = opaque;
    DMA_HELD("load");

    if (s->stream_efr != s->efr) {
        error_report("amd-iommu: the source has EFR 0x%" PRIx64 ", the "
                     "destination 0x%" PRIx64 ": give amd-iommu the same "
                     "properties on both sides", s->stream_efr, s->efr);
        return -EINVAL;
    }
    s->cmd_head = amdvi_ring_wrap(s->cmd_base, s->cmd_head);
    s->cmd_tail = amdvi_ring_wrap(s->cmd_base, s->cmd_tail);
    s->event_head = amdvi_ring_wrap(s->event_base, s->event_head);
    s->event_tail = amdvi_ring_wrap(s->event_base, s->event_tail);
    return viommu_post_load(&s->viommu, s->control & AMDVI_CONTROL_IOMMU_EN) ?
           0 : -EINVAL;
}

/*
 * The VM stops: events are written while its memory is still being sent.  It
 * runs again: what came after that is written now.
 */
static void amdvi_vm_state_changed(void *opaque, bool running, RunState state)
{
    AMDVIState *s = opaque;

    viommu_events_write(&s->events);
}

void amdvi_migration_init(AMDVIState *s)
{
    /* When the VM stops, after the core's: that ends DMA, which may fault. */
    s->vmstate = qemu_add_vm_change_state_handler_prio(amdvi_vm_state_changed,
                                                       s, -1);
}

const VMStateDescription amdvi_vmstate = {
    .name = TYPE_AMD_IOMMU_DEVICE,
    .version_id = 1,
    .minimum_version_id = 1,
    .priority = MIG_PRI_IOMMU,
    .pre_save = amdvi_pre_save,
    .pre_load = amdvi_pre_load,
    .post_load = amdvi_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT64(stream_efr, AMDVIState),
        VMSTATE_UINT64(devtab, AMDVIState),
        VMSTATE_UINT64(control, AMDVIState),
        VMSTATE_UINT64(status, AMDVIState),
        VMSTATE_UINT64(cmd_base, AMDVIState),
        VMSTATE_UINT64(event_base, AMDVIState),
        VMSTATE_UINT64(excl_base, AMDVIState),
        VMSTATE_UINT64(excl_limit, AMDVIState),
        VMSTATE_UINT64(xt_int, AMDVIState),
        VMSTATE_UINT32(cmd_head, AMDVIState),
        VMSTATE_UINT32(cmd_tail, AMDVIState),
        VMSTATE_UINT32(event_head, AMDVIState),
        VMSTATE_UINT32(event_tail, AMDVIState),
        VMSTATE_END_OF_LIST()
    },
};

const VMStateDescription amdvi_pci_vmstate = {
    .name = TYPE_AMD_IOMMU_PCI,
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_PCI_DEVICE(dev, AMDVIPCIState),
        VMSTATE_END_OF_LIST()
    },
};

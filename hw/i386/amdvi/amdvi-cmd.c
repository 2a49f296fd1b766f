/*
 * AMD-Vi: the command buffer
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * 48882 2.4.  How it is worked off is viommu-queue.h's: commands are taken up
 * in order from the guest's write of the tail on, and a COMPLETION_WAIT
 * completes when the drain says so.  Until then it stays at the head.
 *
 * An error stops the buffer with the head at the command and Status.CmdBufRun
 * clear; Control.CmdBufEn, off and on, starts it again.
 */
#include "qemu/osdep.h"
#include "qemu/log.h"
#include "exec/address-spaces.h"
#include "hw/iommu/viommu-fetch.h"
#include "hw/iommu/viommu-sanitizer.h"
#include "system/dma.h"
#include "trace/trace-hw_i386.h"
#include "amdvi-internal.h"

static bool amdvi_cmd_ready(void *opaque)
{
    AMDVIState *s = opaque;

    return (s->status & AMDVI_STATUS_CMD_RUN) && s->cmd_head != s->cmd_tail;
}

static uint64_t amdvi_cmd_addr(const AMDVIState *s)
{
    return (s->cmd_base & AMDVI_RING_ADDR) + s->cmd_head;
}

static void amdvi_cmd_advance(AMDVIState *s)
{
    s->cmd_head = amdvi_ring_next(s->cmd_base, s->cmd_head);
}

static void amdvi_cmd_stop(AMDVIState *s, AMDVIEventCode code, uint16_t flags,
                           uint64_t addr, const char *why)
{
    const AMDVIEvent event = { .code = code, .flags = flags, .addr = addr };

    qemu_log_mask(LOG_GUEST_ERROR, "amdvi: command at 0x%" PRIx64 ": %s\n",
                  amdvi_cmd_addr(s), why);
    amdvi_status_change(s, AMDVI_STATUS_CMD_RUN, 0);
    amdvi_event_log(s, &event);
}

/*
 * Everything ahead of the COMPLETION_WAIT at the head has drained, and its
 * events are in the log.
 */
static void amdvi_cmd_wait_complete(void *opaque)
{
    AMDVIState *s = opaque;
    AMDVIPendingWait wait = s->wait;

    trace_amdvi_completion_wait(wait.addr, wait.data);
    /* The store comes before the interrupt. */
    if (wait.store) {
        uint64_t data = cpu_to_le64(wait.data);

        if (!dma_ram_write(wait.addr, &data, sizeof(data)) &&
            dma_memory_write(&address_space_memory, wait.addr, &data,
                             sizeof(data), AMDVI_MEM_ATTRS) != MEMTX_OK) {
            trace_amdvi_completion_wait_fail(wait.addr);
            amdvi_cmd_stop(s, AMDVI_EVENT_COMMAND_HARDWARE_ERROR,
                           AMDVI_EVF_TYPE_MASTER_ABORT, wait.addr,
                           "the store address is no memory");
            return;
        }
    }
    amdvi_cmd_advance(s);
    if (wait.interrupt) {
        amdvi_status_change(s, 0, AMDVI_STATUS_COM_WAIT_INT);
        if (s->control & AMDVI_CONTROL_COM_WAIT_INT_EN) {
            amdvi_interrupt(s);
        }
    }
}

/*
 * The host translations of a domain.  Nested ones went through them, and so did
 * the way to the GCR3 table; any page may have been on it.
 */
static void amdvi_inv_nested(AMDVIState *s, uint16_t domain, bool all)
{
    const VIOMMUInv inv = {
        .kind = VIOMMU_INV_GROUP,
        .tag = AMDVI_TAG_GUEST(domain, 0),
        .roots = true,
    };

    if (all || qatomic_read(&s->nested_seen)) {
        viommu_invalidate(&s->viommu, &inv);
    }
}

static void amdvi_inv_pages(AMDVIState *s, const AMDVICmd *cmd)
{
    bool all = cmd->pages.first == 0 && cmd->pages.last == UINT64_MAX;
    const VIOMMUInv inv = {
        .kind = all ? VIOMMU_INV_TAG : VIOMMU_INV_RANGE,
        .tag = cmd->pages.guest ?
               AMDVI_TAG_GUEST(cmd->pages.domain, cmd->pages.pasid) :
               AMDVI_TAG_HOST(cmd->pages.domain),
        .first = cmd->pages.first,
        .last = cmd->pages.last,
        /*
         * 2.4.3, GN, all of a PASID: its entry of the GCR3 table may be another
         * one; software has no other command to say that.
         */
        .roots = cmd->pages.guest && all,
    };

    trace_amdvi_pages_inval(cmd->pages.domain);
    if (!cmd->pages.guest && (s->control & AMDVI_CONTROL_GT_EN)) {
        amdvi_inv_nested(s, cmd->pages.domain, all);
    }
    viommu_invalidate(&s->viommu, &inv);
}

static void amdvi_inv_iotlb(AMDVIState *s, const AMDVICmd *cmd)
{
    trace_amdvi_iotlb_inval();
    if (cmd->iotlb.guest) {
        viommu_invalidate_device_tlb_pasid(&s->viommu, cmd->iotlb.device,
                                           cmd->iotlb.pasid, false,
                                           cmd->iotlb.first, cmd->iotlb.last);
    } else {
        viommu_invalidate_device_tlb(&s->viommu, cmd->iotlb.device,
                                     cmd->iotlb.first, cmd->iotlb.last);
    }
}

static void amdvi_inv_devtab(AMDVIState *s, uint16_t device)
{
    const VIOMMUInv inv = {
        .kind = VIOMMU_INV_CONFIG_ENDPOINT,
        .sid = device,
    };

    trace_amdvi_devtab_inval(PCI_BUS_NUM(device), PCI_SLOT(device),
                             PCI_FUNC(device));
    viommu_invalidate(&s->viommu, &inv);
    /* Its interrupt half may be another one, too. */
    amdvi_ir_changed(s);
}

void amdvi_inv_all(AMDVIState *s)
{
    viommu_invalidate_everything(&s->viommu);
}

/* Software leaves commands alone between head and tail: they are just read. */
static bool amdvi_cmd_read(AMDVIState *s, uint64_t addr, uint64_t words[2])
{
    const uint64_t *at = dma_ram_at(addr, 1 << AMDVI_RING_ENTRY_SHIFT);

    if (unlikely(!at)) {
        return viommu_fetch(&s->viommu.mem, addr, words, 2);
    }
    words[0] = ldq_le_p(&at[0]);
    words[1] = ldq_le_p(&at[1]);
    return true;
}

/* Fetch and decode.  Returns: false if that stopped the buffer. */
static bool amdvi_cmd_fetch(AMDVIState *s, AMDVICmd *cmd)
{
    uint64_t addr = amdvi_cmd_addr(s), words[2];
    const char *why;

    trace_amdvi_command_exec(s->cmd_head, s->cmd_tail, s->cmd_base);
    if (!amdvi_cmd_read(s, addr, words)) {
        amdvi_cmd_stop(s, AMDVI_EVENT_COMMAND_HARDWARE_ERROR,
                       AMDVI_EVF_TYPE_MASTER_ABORT, addr, "cannot be read");
        return false;
    }
    why = amdvi_decode_cmd(words, s->efr, cmd);
    if (why) {
        trace_amdvi_unhandled_command(cmd->op);
        amdvi_cmd_stop(s, AMDVI_EVENT_ILLEGAL_COMMAND_ERROR, 0, addr, why);
        return false;
    }
    return true;
}

static VIOMMUQueueStep amdvi_cmd_take_up(void *opaque)
{
    AMDVIState *s = opaque;
    AMDVICmd cmd;

    if (!amdvi_cmd_fetch(s, &cmd)) {
        return VIOMMU_QUEUE_NEXT;
    }
    switch (cmd.op) {
    case AMDVI_CMD_COMPLETION_WAIT:
        s->wait = (AMDVIPendingWait) {
            .store = cmd.wait.store,
            .interrupt = cmd.wait.interrupt,
            .addr = cmd.wait.addr,
            .data = cmd.wait.data,
        };
        return VIOMMU_QUEUE_FENCE;
    case AMDVI_CMD_INVALIDATE_DEVTAB_ENTRY:
        amdvi_inv_devtab(s, cmd.devtab.device);
        break;
    case AMDVI_CMD_INVALIDATE_IOMMU_PAGES:
        amdvi_inv_pages(s, &cmd);
        break;
    case AMDVI_CMD_INVALIDATE_IOTLB_PAGES:
        amdvi_inv_iotlb(s, &cmd);
        break;
    case AMDVI_CMD_INVALIDATE_INTERRUPT_TABLE:
        trace_amdvi_intr_inval();
        amdvi_ir_changed(s);
        break;
    default:
        trace_amdvi_all_inval();
        amdvi_inv_all(s);
        amdvi_ir_changed(s);
        break;
    }
    viommu_watch_queued(&s->viommu);
    amdvi_cmd_advance(s);
    return VIOMMU_QUEUE_NEXT;
}

static const VIOMMUQueueOps amdvi_cmd_ops = {
    .name = "amd",
    .ready = amdvi_cmd_ready,
    .take_up = amdvi_cmd_take_up,
    .complete = amdvi_cmd_wait_complete,
};

void amdvi_cmd_run(AMDVIState *s)
{
    viommu_queue_run(&s->queue);
}

void amdvi_cmd_off(AMDVIState *s)
{
    viommu_queue_off(&s->queue);
}

void amdvi_cmd_cancel(AMDVIState *s)
{
    viommu_queue_cancel(&s->queue);
}

void amdvi_cmd_init(AMDVIState *s)
{
    viommu_queue_init(&s->queue, &s->viommu, &amdvi_cmd_ops,
                      &s->events, s);
}

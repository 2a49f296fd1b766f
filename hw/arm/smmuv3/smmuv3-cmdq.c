/*
 * SMMUv3: the command queue
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * IHI 0070 3.5, 4 and 7.1.  How it is worked off is viommu-queue.h's: commands
 * are taken up in order from the guest's write of CMDQ_PROD on, and a CMD_SYNC
 * is consumed when the drain says so (4.7.3, 3.21).  Until then it stays at
 * CMDQ_CONS.
 *
 * An error (7.1) stops the queue with CMDQ_CONS at the command and CMDQ_ERR
 * active; acknowledging that starts it again.
 */
#include "qemu/osdep.h"
#include "qemu/log.h"
#include "hw/iommu/viommu-fetch.h"
#include "hw/iommu/viommu-sanitizer.h"
#include "system/dma-inflight.h"
#include "trace.h"
#include "smmuv3-internal.h"

/* Asked for each command: what a CMD_SYNC signals may write our registers. */
static bool cmdq_ready(void *opaque)
{
    SMMUv3State *s = opaque;

    return (s->cr0 & SMMU_CR0_CMDQEN) &&
           !smmuv3_queue_empty(s->cmdq.prod, s->cmdq.cons, s->cmdq.log2size) &&
           !smmuv3_gerror_active(s, SMMU_GERROR_CMDQ);
}

static void cmdq_advance(SMMUv3State *s)
{
    s->cmdq.cons = smmuv3_queue_next(s->cmdq.cons, s->cmdq.log2size);
}

static void cmdq_error(SMMUv3State *s, uint8_t op, unsigned cerror,
                       const char *why)
{
    trace_smmuv3_cmdq_consume_error(smmuv3_cmd_name(op), cerror);
    qemu_log_mask(LOG_GUEST_ERROR, "smmuv3: command 0x%02x at CMDQ_CONS 0x%"
                  PRIx32 ": %s\n", op, s->cmdq.cons, why);
    s->cmdq.cons &= ~smmu_put(~0ull, SMMU_CMDQ_CONS_ERR);
    s->cmdq.cons |= smmu_put(cerror, SMMU_CMDQ_CONS_ERR);
    smmuv3_gerror(s, SMMU_GERROR_CMDQ);
}

/*
 * Everything ahead of the CMD_SYNC at CMDQ_CONS has drained, and its events are
 * in the queue.
 */
static void cmdq_sync_complete(void *opaque)
{
    SMMUv3State *s = opaque;
    SMMUv3Sync sync = s->sync;

    trace_smmuv3_sync_done(s->cmdq.cons);
    /* The signal is last (4.7.3, 3.18). */
    cmdq_advance(s);
    smmuv3_irq_sync(s, &sync);
}

/* Software leaves commands alone between PROD and CONS: they are just read. */
static bool cmdq_fetch(SMMUv3State *s, uint64_t addr, uint64_t *words)
{
    const uint64_t *cmd = dma_ram_at(addr, SMMU_CMD_WORDS * sizeof(*cmd));

    if (unlikely(!cmd)) {
        return viommu_fetch(&s->viommu.mem, addr, words, SMMU_CMD_WORDS);
    }
    for (unsigned i = 0; i < SMMU_CMD_WORDS; i++) {
        words[i] = ldq_le_p(&cmd[i]);
    }
    return true;
}

/* Fetch and decode.  Returns: false if that is a command queue error. */
static bool cmdq_next(SMMUv3State *s, SMMUv3Cmd *cmd)
{
    uint64_t addr = smmuv3_queue_entry(s->cmdq.base, s->cmdq.cons,
                                       s->cmdq.log2size, SMMU_CMD_SHIFT,
                                       s->oas);
    uint64_t words[SMMU_CMD_WORDS];
    SMMUv3Features features;
    const char *why;

    trace_smmuv3_cmdq_consume(s->cmdq.prod, s->cmdq.cons, 0, 0);
    if (!cmdq_fetch(s, addr, words)) {
        cmdq_error(s, 0, SMMU_CERROR_ABT, "cannot be read");
        return false;
    }
    smmuv3_features(&features, s->idr);
    why = smmuv3_decode_cmd(words, &features, cmd);
    if (why) {
        cmdq_error(s, cmd->op, SMMU_CERROR_ILL, why);
        return false;
    }
    if (trace_event_get_state_backends(TRACE_SMMUV3_CMDQ_OPCODE)) {
        trace_smmuv3_cmdq_opcode(smmuv3_cmd_name(cmd->op));
    }
    return true;
}

static VIOMMUQueueStep cmdq_take_up(void *opaque)
{
    SMMUv3State *s = opaque;
    SMMUv3Cmd cmd;

    if (!cmdq_next(s, &cmd)) {
        return VIOMMU_QUEUE_NEXT;
    }
    if (cmd.op == SMMU_CMD_SYNC) {
        s->sync = (SMMUv3Sync) {
            .irq = cmd.sync.cs == SMMU_SYNC_CS_IRQ,
            .msi_data = cmd.sync.msi_data,
            .msi_addr = cmd.sync.msi_addr,
        };
        return VIOMMU_QUEUE_FENCE;
    }
    smmuv3_invalidate(s, &cmd);
    if (cmd.op != SMMU_CMD_PREFETCH_CONFIG &&
        cmd.op != SMMU_CMD_PREFETCH_ADDR) {
        viommu_watch_queued(&s->viommu);
    }
    cmdq_advance(s);
    return VIOMMU_QUEUE_NEXT;
}

static const VIOMMUQueueOps cmdq_ops = {
    .name = "smmuv3",
    .ready = cmdq_ready,
    .take_up = cmdq_take_up,
    .complete = cmdq_sync_complete,
};

void smmuv3_cmdq_watch_prod(SMMUv3State *s, uint32_t was)
{
    unsigned log2size = s->cmdq.log2size;
    const VIOMMUTail tail = {
        .queue = "command queue",
        .head = smmuv3_queue_pos(s->cmdq.cons, log2size),
        .was = smmuv3_queue_pos(was, log2size),
        .now = smmuv3_queue_pos(s->cmdq.prod, log2size),
        .positions = 2u << log2size,
        .size = 1u << log2size,
    };

    if (s->cr0 & SMMU_CR0_CMDQEN) {
        viommu_sanitize_tail(&s->viommu, &tail);
    }
}

void smmuv3_cmdq_run(SMMUv3State *s)
{
    viommu_queue_run(&s->cmdq_engine);
}

void smmuv3_cmdq_off(SMMUv3State *s)
{
    viommu_queue_off(&s->cmdq_engine);
}

void smmuv3_cmdq_cancel(SMMUv3State *s)
{
    viommu_queue_cancel(&s->cmdq_engine);
}

void smmuv3_cmdq_init(SMMUv3State *s)
{
    viommu_queue_init(&s->cmdq_engine, &s->viommu, &cmdq_ops,
                      &s->events, s);
}

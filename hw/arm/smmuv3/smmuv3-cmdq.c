/*
 * SMMUv3: the command queue
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * IHI 0070 3.5, 4 and 7.1.  Commands are taken up in order within the guest's
 * write of CMDQ_PROD.  A CMD_SYNC is consumed when the drain says so (4.7.3,
 * 3.21); until then it stays at CMDQ_CONS and the queue stands still, so that
 * nothing behind it is done before it, and a migration stream finds it there
 * and does it again.
 *
 * An error (7.1) stops the queue with CMDQ_CONS at the command and CMDQ_ERR
 * active; acknowledging that starts it again.
 */
#include "qemu/osdep.h"
#include "qemu/log.h"
#include "qemu/main-loop.h"
#include "exec/address-spaces.h"
#include "system/dma.h"
#include "system/runstate.h"
#include "trace.h"
#include "smmuv3-internal.h"

/*
 * Commands in one go.  A queue can hold half a million, and an invalidation
 * with notifiers takes its time: the guest gets the BQL in between.
 */
#define CMDQ_BUDGET 4096

static bool empty(const SMMUv3State *s)
{
    return smmuv3_queue_empty(s->cmdq.prod, s->cmdq.cons, s->cmdq.log2size);
}

/* Asked for each command: what a CMD_SYNC signals may write our registers. */
static bool can_run(const SMMUv3State *s)
{
    return (s->cr0 & SMMU_CR0_CMDQEN) && !empty(s) &&
           !smmuv3_gerror_active(s, SMMU_GERROR_CMDQ) &&
           !dma_drain_fence_pending(&s->sync_fence);
}

static void advance(SMMUv3State *s)
{
    s->cmdq.cons = smmuv3_queue_next(s->cmdq.cons, s->cmdq.log2size);
}

static void command_error(SMMUv3State *s, uint8_t op, unsigned cerror,
                          const char *why)
{
    trace_smmuv3_cmdq_consume_error(smmuv3_cmd_name(op), cerror);
    qemu_log_mask(LOG_GUEST_ERROR, "smmuv3: command 0x%02x at CMDQ_CONS 0x%"
                  PRIx32 ": %s\n", op, s->cmdq.cons, why);
    s->cmdq.cons &= ~smmu_put(~0ull, SMMU_CMDQ_CONS_ERR);
    s->cmdq.cons |= smmu_put(cerror, SMMU_CMDQ_CONS_ERR);
    smmuv3_gerror(s, SMMU_GERROR_CMDQ);
}

static bool fetch(SMMUv3State *s, uint64_t *words)
{
    dma_addr_t addr = smmuv3_queue_entry(s->cmdq.base, s->cmdq.cons,
                                         s->cmdq.log2size, SMMU_CMD_SHIFT,
                                         s->oas);
    uint64_t val[SMMU_CMD_WORDS];

    if (!dma_ram_read(addr, val, sizeof(val)) &&
        dma_memory_read(&address_space_memory, addr, val, sizeof(val),
                        SMMU_MEM_ATTRS) != MEMTX_OK) {
        return false;
    }
    for (unsigned i = 0; i < SMMU_CMD_WORDS; i++) {
        words[i] = le64_to_cpu(val[i]);
    }
    return true;
}

/* Everything ahead of the CMD_SYNC at CMDQ_CONS has drained. */
static void complete_sync(SMMUv3State *s)
{
    SMMUv3Sync sync = s->sync;

    /* Events come first, and the signal last (4.7.3, 3.18). */
    smmuv3_eventq_flush(s);
    advance(s);
    smmuv3_irq_sync(s, &sync);
}

static void sync_drained(void *opaque)
{
    SMMUv3State *s = opaque;

    trace_smmuv3_sync_done(s->cmdq.cons);
    complete_sync(s);
    smmuv3_cmdq_run(s);
}

static void do_sync(SMMUv3State *s, const SMMUv3Cmd *cmd)
{
    s->sync = (SMMUv3Sync) {
        .irq = cmd->sync.cs == SMMU_SYNC_CS_IRQ,
        .msi_data = cmd->sync.msi_data,
        .msi_addr = cmd->sync.msi_addr,
    };
    if (viommu_fence(&s->viommu, &s->sync_fence, sync_drained, s)) {
        complete_sync(s);
    } else {
        trace_smmuv3_sync_pending(s->cmdq.cons);
    }
}

static void take_up(SMMUv3State *s)
{
    SMMUv3Features features;
    uint64_t words[SMMU_CMD_WORDS];
    SMMUv3Cmd cmd;
    const char *why;

    trace_smmuv3_cmdq_consume(s->cmdq.prod, s->cmdq.cons, 0, 0);
    if (!fetch(s, words)) {
        command_error(s, 0, SMMU_CERROR_ABT, "cannot be read");
        return;
    }
    smmuv3_features(&features, s->idr);
    why = smmuv3_decode_cmd(words, &features, &cmd);
    if (why) {
        command_error(s, cmd.op, SMMU_CERROR_ILL, why);
        return;
    }
    trace_smmuv3_cmdq_opcode(smmuv3_cmd_name(cmd.op));
    if (cmd.op == SMMU_CMD_SYNC) {
        do_sync(s, &cmd);
        return;
    }
    smmuv3_invalidate(s, &cmd);
    advance(s);
}

void smmuv3_cmdq_run(SMMUv3State *s)
{
    unsigned budget = CMDQ_BUDGET;

    /* Who comes back here from a command leaves the rest to the outer run. */
    if (s->cmdq_running) {
        return;
    }
    s->cmdq_running = true;
    while (can_run(s)) {
        if (!budget--) {
            qemu_bh_schedule(s->cmdq_bh);
            break;
        }
        take_up(s);
    }
    s->cmdq_running = false;
}

static void cmdq_bh(void *opaque)
{
    /* A VM that stopped meanwhile goes on with this when it runs again. */
    if (runstate_is_running()) {
        smmuv3_cmdq_run(opaque);
    }
}

void smmuv3_cmdq_cancel(SMMUv3State *s)
{
    viommu_fence_cancel(&s->viommu, &s->sync_fence);
    qemu_bh_cancel(s->cmdq_bh);
}

void smmuv3_cmdq_init(SMMUv3State *s)
{
    /* Like the drain's: not in the middle of somebody's register write. */
    s->cmdq_bh = aio_bh_new(iohandler_get_aio_context(), cmdq_bh, s);
}

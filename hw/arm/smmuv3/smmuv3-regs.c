/*
 * SMMUv3: the register file
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * IHI 0070 6.2 and 6.3.  Where an access is CONSTRAINED UNPREDICTABLE we chose:
 *
 *   - pages 0 and 1 are aliases of one another (6.2);
 *   - 64-bit accesses to pairs of 32-bit registers are RAZ/WI, and accesses of
 *     other sizes abort (6.2);
 *   - a register that is Guarded by an enable which is set, or still on its
 *     way, is read-only, as in SMMUv3.2 and later;
 *   - GBPA is written with Update set only, as in SMMUv3.2 and later (6.3.14);
 *   - GERRORN takes what is written: toggling an error that is inactive
 *     activates it (6.3.20);
 *   - a LOG2SIZE beyond IDR1.CMDQS or EVENTQS is taken as that.
 */
#include "qemu/osdep.h"
#include "qemu/log.h"
#include "trace.h"
#include "smmuv3-internal.h"

/* The PrimeCell and CoreLink identification of an MMU-600 r0p1 */
static const uint8_t id_regs[] = {
    0x04, 0x00, 0x00, 0x00, 0x84, 0xb4, 0xf0, 0x10, 0x0d, 0xf0, 0x05, 0xb1,
};

static uint32_t low(uint64_t val)
{
    return val;
}

static uint32_t high(uint64_t val)
{
    return val >> 32;
}

/* Is it, or was it until a moment ago, enabled? */
static bool guarded(SMMUv3State *s, uint32_t cr0_bits, hwaddr reg)
{
    if (!((s->cr0 | s->cr0ack) & cr0_bits)) {
        return false;
    }
    qemu_log_mask(LOG_GUEST_ERROR, "smmuv3: register 0x%" HWADDR_PRIx
                  " written while what uses it is enabled\n", reg);
    return true;
}

static bool reg_read(SMMUv3State *s, hwaddr reg, uint32_t *val)
{
    switch (reg) {
    case SMMU_IDR0 ... SMMU_IDR5:
        *val = s->idr[(reg - SMMU_IDR0) / 4];
        return true;
    case SMMU_IIDR:
    case SMMU_STATUSR:
        *val = 0;
        return true;
    case SMMU_AIDR:
        *val = SMMU_AIDR_V3_1;
        return true;
    case SMMU_CR0:
        *val = s->cr0;
        return true;
    case SMMU_CR0ACK:
        *val = s->cr0ack;
        return true;
    case SMMU_CR1:
        *val = s->cr1;
        return true;
    case SMMU_CR2:
        *val = s->cr2;
        return true;
    case SMMU_GBPA:
        *val = s->gbpa;
        if (dma_drain_fence_pending(&s->gbpa_fence)) {
            *val |= SMMU_GBPA_UPDATE;
        }
        return true;
    case SMMU_IRQ_CTRL:
    case SMMU_IRQ_CTRLACK:
        *val = s->irq_ctrl;
        return true;
    case SMMU_GERROR:
        *val = s->gerror;
        return true;
    case SMMU_GERRORN:
        *val = s->gerrorn;
        return true;
    case SMMU_GERROR_IRQ_CFG0:
        *val = low(s->gerror_irq.cfg0);
        return true;
    case SMMU_GERROR_IRQ_CFG0 + 4:
        *val = high(s->gerror_irq.cfg0);
        return true;
    case SMMU_GERROR_IRQ_CFG1:
        *val = s->gerror_irq.cfg1;
        return true;
    case SMMU_GERROR_IRQ_CFG2:
        *val = s->gerror_irq.cfg2;
        return true;
    case SMMU_STRTAB_BASE:
        *val = low(s->strtab_base);
        return true;
    case SMMU_STRTAB_BASE + 4:
        *val = high(s->strtab_base);
        return true;
    case SMMU_STRTAB_BASE_CFG:
        *val = s->strtab_base_cfg;
        return true;
    case SMMU_CMDQ_BASE:
        *val = low(s->cmdq.base);
        return true;
    case SMMU_CMDQ_BASE + 4:
        *val = high(s->cmdq.base);
        return true;
    case SMMU_CMDQ_PROD:
        *val = s->cmdq.prod;
        return true;
    case SMMU_CMDQ_CONS:
        *val = s->cmdq.cons;
        return true;
    case SMMU_EVENTQ_BASE:
        *val = low(s->eventq.base);
        return true;
    case SMMU_EVENTQ_BASE + 4:
        *val = high(s->eventq.base);
        return true;
    case SMMU_EVENTQ_PROD:
        *val = s->eventq.prod;
        return true;
    case SMMU_EVENTQ_CONS:
        *val = s->eventq.cons;
        return true;
    case SMMU_EVENTQ_IRQ_CFG0:
        *val = low(s->eventq_irq.cfg0);
        return true;
    case SMMU_EVENTQ_IRQ_CFG0 + 4:
        *val = high(s->eventq_irq.cfg0);
        return true;
    case SMMU_EVENTQ_IRQ_CFG1:
        *val = s->eventq_irq.cfg1;
        return true;
    case SMMU_EVENTQ_IRQ_CFG2:
        *val = s->eventq_irq.cfg2;
        return true;
    case SMMU_ID_REGS ... SMMU_ID_REGS_LAST:
        *val = id_regs[(reg - SMMU_ID_REGS) / 4];
        return true;
    default:
        return false;
    }
}

/* One half of a 64-bit register; what is not in @wmask reads as zero. */
static uint64_t merge(uint64_t old, bool upper, uint32_t val, uint64_t wmask)
{
    unsigned shift = upper ? 32 : 0;

    return ((old & ~(0xffffffffull << shift)) | (uint64_t)val << shift) &
           wmask;
}

/*
 * 6.3.19: guarded by its enable in IRQ_CTRL; RES0 without MSIs.  @reg is the
 * offset from CFG0.
 */
static void irq_cfg_write(SMMUv3State *s, SMMUv3IrqCfg *cfg, uint32_t enable,
                          hwaddr reg, uint32_t val)
{
    if (!(s->idr[0] & SMMU_IDR0_MSI)) {
        return;
    }
    if (s->irq_ctrl & enable) {
        qemu_log_mask(LOG_GUEST_ERROR, "smmuv3: an IRQ_CFG register written "
                      "while its interrupt is enabled\n");
        return;
    }
    switch (reg) {
    case 0:
    case 4:
        cfg->cfg0 = merge(cfg->cfg0, reg == 4, val, SMMU_IRQ_CFG0_WMASK);
        break;
    case 8:
        cfg->cfg1 = val;
        break;
    default:
        cfg->cfg2 = val & SMMU_IRQ_CFG2_WMASK;
        break;
    }
}

static void cr1_write(SMMUv3State *s, uint32_t val)
{
    uint32_t mask = 0;

    if (!((s->cr0 | s->cr0ack) & SMMU_CR0_SMMUEN)) {
        mask |= SMMU_CR1_TABLE_MASK;
    }
    if (!((s->cr0 | s->cr0ack) & (SMMU_CR0_CMDQEN | SMMU_CR0_EVENTQEN))) {
        mask |= SMMU_CR1_QUEUE_MASK;
    }
    s->cr1 = (s->cr1 & ~mask) | (val & mask);
}

static void queue_base_write(SMMUv3State *s, SMMUQueue *q, bool upper,
                             uint32_t val)
{
    unsigned log2size;

    /* Committing an event looks at the size of its queue. */
    QEMU_LOCK_GUARD(&s->lock);
    q->base = merge(q->base, upper, val, SMMU_QUEUE_BASE_WMASK);
    log2size = smmu_bits(q->base, SMMU_QUEUE_BASE_LOG2SIZE);
    q->log2size = MIN(log2size, SMMU_QUEUE_LOG2SIZE_MAX);
}

static void gerrorn_write(SMMUv3State *s, uint32_t val)
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
    /* Acknowledging CMDQ_ERR starts the queue again (7.1). */
    smmuv3_cmdq_run(s);
}

static bool reg_write(SMMUv3State *s, hwaddr reg, uint32_t val)
{
    switch (reg) {
    case SMMU_CR0:
        smmuv3_cr0_written(s, val);
        return true;
    case SMMU_CR1:
        cr1_write(s, val);
        return true;
    case SMMU_CR2:
        if (!guarded(s, SMMU_CR0_SMMUEN, reg)) {
            QEMU_LOCK_GUARD(&s->lock);
            s->cr2 = val & SMMU_CR2_WMASK;
        }
        return true;
    case SMMU_GBPA:
        smmuv3_gbpa_written(s, val);
        return true;
    case SMMU_IRQ_CTRL:
        /* What was triggered has been sent, so that this is complete. */
        s->irq_ctrl = val & SMMU_IRQ_CTRL_WMASK;
        return true;
    case SMMU_GERRORN:
        gerrorn_write(s, val);
        return true;
    case SMMU_GERROR_IRQ_CFG0 ... SMMU_GERROR_IRQ_CFG2:
        irq_cfg_write(s, &s->gerror_irq, SMMU_IRQ_CTRL_GERROR,
                      reg - SMMU_GERROR_IRQ_CFG0, val);
        return true;
    case SMMU_STRTAB_BASE:
    case SMMU_STRTAB_BASE + 4:
        if (!guarded(s, SMMU_CR0_SMMUEN, reg)) {
            QEMU_LOCK_GUARD(&s->lock);
            s->strtab_base = merge(s->strtab_base, reg != SMMU_STRTAB_BASE,
                                   val, SMMU_STRTAB_BASE_WMASK);
        }
        return true;
    case SMMU_STRTAB_BASE_CFG:
        if (!guarded(s, SMMU_CR0_SMMUEN, reg)) {
            QEMU_LOCK_GUARD(&s->lock);
            s->strtab_base_cfg = val & SMMU_STRTAB_BASE_CFG_WMASK;
        }
        return true;
    case SMMU_CMDQ_BASE:
    case SMMU_CMDQ_BASE + 4:
        if (!guarded(s, SMMU_CR0_CMDQEN, reg)) {
            queue_base_write(s, &s->cmdq, reg != SMMU_CMDQ_BASE, val);
        }
        return true;
    case SMMU_CMDQ_PROD:
        s->cmdq.prod = val & SMMU_QUEUE_INDEX_MASK;
        smmuv3_cmdq_run(s);
        return true;
    case SMMU_CMDQ_CONS:
        if (!guarded(s, SMMU_CR0_CMDQEN, reg)) {
            s->cmdq.cons = val & (SMMU_QUEUE_INDEX_MASK |
                                  smmu_put(~0ull, SMMU_CMDQ_CONS_ERR));
        }
        return true;
    case SMMU_EVENTQ_BASE:
    case SMMU_EVENTQ_BASE + 4:
        if (!guarded(s, SMMU_CR0_EVENTQEN, reg)) {
            queue_base_write(s, &s->eventq, reg != SMMU_EVENTQ_BASE, val);
        }
        return true;
    case SMMU_EVENTQ_PROD:
        if (!guarded(s, SMMU_CR0_EVENTQEN, reg)) {
            s->eventq.prod = val & (SMMU_QUEUE_INDEX_MASK |
                                    SMMU_EVENTQ_OVFLG);
        }
        return true;
    case SMMU_EVENTQ_CONS:
        s->eventq.cons = val & (SMMU_QUEUE_INDEX_MASK | SMMU_EVENTQ_OVFLG);
        return true;
    case SMMU_EVENTQ_IRQ_CFG0 ... SMMU_EVENTQ_IRQ_CFG2:
        irq_cfg_write(s, &s->eventq_irq, SMMU_IRQ_CTRL_EVENTQ,
                      reg - SMMU_EVENTQ_IRQ_CFG0, val);
        return true;
    default:
        return false;
    }
}

static bool is_64bit(hwaddr reg)
{
    return reg == SMMU_GERROR_IRQ_CFG0 || reg == SMMU_STRTAB_BASE ||
           reg == SMMU_CMDQ_BASE || reg == SMMU_EVENTQ_BASE ||
           reg == SMMU_EVENTQ_IRQ_CFG0;
}

static MemTxResult smmuv3_read(void *opaque, hwaddr offset, uint64_t *data,
                               unsigned size, MemTxAttrs attrs)
{
    SMMUv3State *s = opaque;
    hwaddr reg = offset % SMMU_PAGE_SIZE;
    uint32_t lo = 0, hi = 0;
    bool known;

    if (size == 8) {
        known = is_64bit(reg) && reg_read(s, reg, &lo) &&
                reg_read(s, reg + 4, &hi);
    } else {
        known = reg_read(s, reg, &lo);
    }
    if (!known) {
        qemu_log_mask(LOG_UNIMP, "smmuv3: %u-bit read of 0x%" HWADDR_PRIx
                      " (RAZ)\n", size * 8, reg);
    }
    *data = (uint64_t)hi << 32 | lo;
    trace_smmuv3_read_mmio(reg, *data, size, MEMTX_OK);
    return MEMTX_OK;
}

static MemTxResult smmuv3_write(void *opaque, hwaddr offset, uint64_t data,
                                unsigned size, MemTxAttrs attrs)
{
    SMMUv3State *s = opaque;
    hwaddr reg = offset % SMMU_PAGE_SIZE;
    bool known;

    trace_smmuv3_write_mmio(reg, data, size, MEMTX_OK);
    if (size == 8) {
        known = is_64bit(reg) && reg_write(s, reg, data) &&
                reg_write(s, reg + 4, data >> 32);
    } else {
        known = reg_write(s, reg, data);
    }
    if (!known) {
        qemu_log_mask(LOG_UNIMP, "smmuv3: %u-bit write of 0x%" HWADDR_PRIx
                      " (WI)\n", size * 8, reg);
    }
    return MEMTX_OK;
}

const MemoryRegionOps smmuv3_reg_ops = {
    .read_with_attrs = smmuv3_read,
    .write_with_attrs = smmuv3_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = {
        .min_access_size = 4,
        .max_access_size = 8,
    },
    .impl = {
        .min_access_size = 4,
        .max_access_size = 8,
    },
};

static void queue_reset(SMMUQueue *q)
{
    *q = (SMMUQueue) {
        .base = SMMU_QUEUE_LOG2SIZE_MAX,
        .log2size = SMMU_QUEUE_LOG2SIZE_MAX,
    };
}

void smmuv3_regs_reset(SMMUv3State *s)
{
    QEMU_LOCK_GUARD(&s->lock);

    s->cr0 = 0;
    s->cr0ack = 0;
    s->cr1 = 0;
    s->cr2 = 0;
    s->gbpa = SMMU_GBPA_RESET;
    s->irq_ctrl = 0;
    s->gerror = 0;
    s->gerrorn = 0;
    s->gerror_irq = (SMMUv3IrqCfg) { 0 };
    s->eventq_irq = (SMMUv3IrqCfg) { 0 };
    s->strtab_base = 0;
    s->strtab_base_cfg = 0;
    queue_reset(&s->cmdq);
    queue_reset(&s->eventq);
    qatomic_set(&s->tbi_seen, false);
}

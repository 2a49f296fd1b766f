/*
 * SMMUv3: the register file
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * IHI 0070 6.2 and 6.3.  Where each register is kept, what of it software can
 * change, and when.  What a write sets off is in smmuv3-mmio.c: this file is
 * below all others of the model and calls none of them.  Where an access is
 * CONSTRAINED UNPREDICTABLE we chose:
 *
 *   - a register that is Guarded by an enable which is set, or still on its
 *     way, is read-only, as in SMMUv3.2 and later;
 *   - a LOG2SIZE beyond IDR1.CMDQS or EVENTQS is taken as that.
 */
#include "qemu/osdep.h"
#include "qemu/log.h"
#include "smmuv3-internal.h"

typedef struct SMMUv3Reg {
    uint16_t offset;
    uint8_t size;            /* 4, or 8: two halves */
    uint16_t field;          /* of SMMUv3State, as large */
    uint64_t wmask;          /* what a write changes, unless it is guarded */
    uint32_t guard;          /* by these bits of CR0 */
    uint32_t irq_guard;      /* by these of IRQ_CTRL; RES0 without MSIs */
} SMMUv3Reg;

#define REG(reg, state, ...) {                                          \
        .offset = (reg),                                                \
        .size = sizeof_field(SMMUv3State, state),                       \
        .field = offsetof(SMMUv3State, state),                          \
        __VA_ARGS__                                                     \
    }

/* The three that say how one interrupt is sent as a message */
#define REGS_IRQ_CFG(source, irq)                                       \
    REG(SMMU_##source##_IRQ_CFG0, irq.cfg0,                             \
        .wmask = SMMU_IRQ_CFG0_WMASK,                                   \
        .irq_guard = SMMU_IRQ_CTRL_##source),                           \
    REG(SMMU_##source##_IRQ_CFG1, irq.cfg1,                             \
        .wmask = UINT32_MAX,                                            \
        .irq_guard = SMMU_IRQ_CTRL_##source),                           \
    REG(SMMU_##source##_IRQ_CFG2, irq.cfg2,                             \
        .wmask = SMMU_IRQ_CFG2_WMASK,                                   \
        .irq_guard = SMMU_IRQ_CTRL_##source)

/*
 * One without .wmask is read-only, or writing it does more than that.  Of
 * several with the same offset each has some of its bits.
 */
static const SMMUv3Reg smmuv3_regs[] = {
    REG(SMMU_IDR0, idr[0]),
    REG(SMMU_IDR0 + 0x04, idr[1]),
    REG(SMMU_IDR0 + 0x08, idr[2]),
    REG(SMMU_IDR0 + 0x0c, idr[3]),
    REG(SMMU_IDR0 + 0x10, idr[4]),
    REG(SMMU_IDR5, idr[5]),
    REG(SMMU_CR0, cr0),
    REG(SMMU_CR0ACK, cr0ack),
    REG(SMMU_CR1, cr1, .wmask = SMMU_CR1_TABLE_MASK,
        .guard = SMMU_CR0_SMMUEN),
    REG(SMMU_CR1, cr1, .wmask = SMMU_CR1_QUEUE_MASK,
        .guard = SMMU_CR0_CMDQEN | SMMU_CR0_EVENTQEN),
    REG(SMMU_CR2, cr2, .wmask = SMMU_CR2_WMASK, .guard = SMMU_CR0_SMMUEN),
    REG(SMMU_GBPA, gbpa),
    /* What was triggered has been sent, so that an update is complete. */
    REG(SMMU_IRQ_CTRL, irq_ctrl, .wmask = SMMU_IRQ_CTRL_WMASK),
    REG(SMMU_IRQ_CTRLACK, irq_ctrl),
    REG(SMMU_GERROR, gerror),
    REG(SMMU_GERRORN, gerrorn),
    REGS_IRQ_CFG(GERROR, gerror_irq),
    REG(SMMU_STRTAB_BASE, strtab_base, .wmask = SMMU_STRTAB_BASE_WMASK,
        .guard = SMMU_CR0_SMMUEN),
    REG(SMMU_STRTAB_BASE_CFG, strtab_base_cfg,
        .wmask = SMMU_STRTAB_BASE_CFG_WMASK, .guard = SMMU_CR0_SMMUEN),
    REG(SMMU_CMDQ_BASE, cmdq.base, .wmask = SMMU_QUEUE_BASE_WMASK,
        .guard = SMMU_CR0_CMDQEN),
    REG(SMMU_CMDQ_PROD, cmdq.prod),
    REG(SMMU_CMDQ_CONS, cmdq.cons, .wmask = SMMU_CMDQ_CONS_WMASK,
        .guard = SMMU_CR0_CMDQEN),
    REG(SMMU_EVENTQ_BASE, eventq.base, .wmask = SMMU_QUEUE_BASE_WMASK,
        .guard = SMMU_CR0_EVENTQEN),
    REG(SMMU_EVENTQ_PROD, eventq.prod, .wmask = SMMU_EVENTQ_INDEX_WMASK,
        .guard = SMMU_CR0_EVENTQEN),
    REG(SMMU_EVENTQ_CONS, eventq.cons, .wmask = SMMU_EVENTQ_INDEX_WMASK),
    REGS_IRQ_CFG(EVENTQ, eventq_irq),
};

/* What is the same in every unit */
static bool reg_constant(hwaddr reg, uint32_t *val)
{
    /* The PrimeCell and CoreLink identification of an MMU-600 r0p1 */
    static const uint8_t ids[] = {
        0x04, 0x00, 0x00, 0x00, 0x84, 0xb4, 0xf0, 0x10, 0x0d, 0xf0, 0x05, 0xb1,
    };

    switch (reg) {
    case SMMU_IIDR:
    case SMMU_STATUSR:
        *val = 0;
        return true;
    case SMMU_AIDR:
        *val = SMMU_AIDR_V3_1;
        return true;
    case SMMU_ID_REGS ... SMMU_ID_REGS_LAST:
        *val = ids[(reg - SMMU_ID_REGS) / 4];
        return true;
    default:
        return false;
    }
}

/*
 * Of each word of the registers, the index of the first that it is (of);
 * ARRAY_SIZE(smmuv3_regs): there is none.  Written once, when the first unit is
 * reset.
 */
#define REG_WORDS (SMMU_REGS_END / 4)
static uint8_t reg_first[REG_WORDS];

static void reg_index(void)
{
    unsigned i;

    QEMU_BUILD_BUG_ON(ARRAY_SIZE(smmuv3_regs) > UINT8_MAX);
    memset(reg_first, ARRAY_SIZE(smmuv3_regs), sizeof(reg_first));
    for (i = ARRAY_SIZE(smmuv3_regs); i--; ) {
        const SMMUv3Reg *r = &smmuv3_regs[i];

        assert(r->offset + r->size <= SMMU_REGS_END);
        memset(&reg_first[r->offset / 4], i, r->size / 4);
    }
}

/* From @from on, the next that @reg, which may be an upper half, is (of). */
static const SMMUv3Reg *reg_next(const SMMUv3Reg *from, hwaddr reg)
{
    const SMMUv3Reg *end = smmuv3_regs + ARRAY_SIZE(smmuv3_regs);

    if (from == smmuv3_regs) {
        from = reg < SMMU_REGS_END ? smmuv3_regs + reg_first[reg / 4] : end;
    }
    for (; from < end; from++) {
        if (reg == from->offset || (reg == from->offset + 4 &&
                                    from->size == 8)) {
            return from;
        }
    }
    return NULL;
}

bool smmuv3_reg_is_64bit(hwaddr reg)
{
    const SMMUv3Reg *r = reg_next(smmuv3_regs, reg);

    return r && r->size == 8 && r->offset == reg;
}

static uint64_t reg_value(const SMMUv3State *s, const SMMUv3Reg *r)
{
    const void *field = (const char *)s + r->field;

    return r->size == 8 ? *(const uint64_t *)field : *(const uint32_t *)field;
}

bool smmuv3_reg_read(const SMMUv3State *s, hwaddr reg, uint32_t *val)
{
    const SMMUv3Reg *r = reg_next(smmuv3_regs, reg);

    if (!r) {
        return reg_constant(reg, val);
    }
    *val = reg_value(s, r) >> (reg == r->offset ? 0 : 32);
    return true;
}

static bool reg_guarded(const SMMUv3State *s, const SMMUv3Reg *r)
{
    return ((s->cr0 | s->cr0ack) & r->guard) || (s->irq_ctrl & r->irq_guard);
}

/* Returns: false if some of it should have changed, but is in use */
static bool reg_change(SMMUv3State *s, const SMMUv3Reg *r, bool upper,
                       uint32_t val)
{
    unsigned shift = upper ? 32 : 0;
    uint64_t mask = r->wmask & (uint64_t)UINT32_MAX << shift;
    uint64_t old = reg_value(s, r);
    uint64_t new = (old & ~mask) | ((uint64_t)val << shift & mask);
    void *field = (char *)s + r->field;

    if (new == old || (r->irq_guard && !(s->idr[0] & SMMU_IDR0_MSI))) {
        return true;
    }
    if (reg_guarded(s, r)) {
        return false;
    }
    /* What translations and faults look at: see SMMUv3State.lock. */
    QEMU_LOCK_GUARD(&s->lock);
    if (r->size == 8) {
        *(uint64_t *)field = new;
    } else {
        *(uint32_t *)field = new;
    }
    s->cmdq.log2size = smmuv3_queue_log2size(s->cmdq.base);
    s->eventq.log2size = smmuv3_queue_log2size(s->eventq.base);
    return true;
}

bool smmuv3_reg_write(SMMUv3State *s, hwaddr reg, uint32_t val)
{
    const SMMUv3Reg *r;
    uint32_t constant;
    bool found = false;

    for (r = reg_next(smmuv3_regs, reg); r; r = reg_next(r + 1, reg)) {
        found = true;
        if (!reg_change(s, r, reg != r->offset, val)) {
            qemu_log_mask(LOG_GUEST_ERROR, "smmuv3: register 0x%" HWADDR_PRIx
                          " written while what uses it is enabled\n", reg);
        }
    }
    return found || reg_constant(reg, &constant);
}

static void reset_queue(SMMUQueue *q)
{
    *q = (SMMUQueue) {
        .base = SMMU_QUEUE_LOG2SIZE_MAX,
        .log2size = SMMU_QUEUE_LOG2SIZE_MAX,
    };
}

void smmuv3_regs_reset(SMMUv3State *s)
{
    QEMU_LOCK_GUARD(&s->lock);

    reg_index();
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
    reset_queue(&s->cmdq);
    reset_queue(&s->eventq);
    qatomic_set(&s->tbi_seen, false);
    qatomic_set(&s->nested_seen, false);
}

/*
 * AMD-Vi: registers
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * 48882 3.4.  All registers have 64 bits, and are written whole or in halves.
 * What a half does not cover keeps its value, but for the bits of Status that
 * are cleared by writing a 1.
 */
#include "qemu/osdep.h"
#include "hw/iommu/viommu-sanitizer.h"
#include "qemu/log.h"
#include "system/dma-held.h"
#include "amdvi-internal.h"

uint64_t amdvi_control(AMDVIState *s)
{
    QEMU_LOCK_GUARD(&s->lock);

    return s->control;
}

uint64_t amdvi_status_change(AMDVIState *s, uint64_t clear, uint64_t set)
{
    uint64_t before;

    QEMU_LOCK_GUARD(&s->lock);
    before = s->status;
    s->status = (s->status & ~clear) | set;
    return before & set;
}

unsigned amdvi_ring_log2(uint64_t base)
{
    return MAX(amdvi_get(base, AMDVI_RING_LEN), AMDVI_RING_LEN_MIN);
}

uint32_t amdvi_ring_wrap(uint64_t base, uint32_t pointer)
{
    return pointer & AMDVI_RING_POINTER &
           ((1u << (amdvi_ring_log2(base) + AMDVI_RING_ENTRY_SHIFT)) - 1);
}

uint32_t amdvi_ring_next(uint64_t base, uint32_t pointer)
{
    return amdvi_ring_wrap(base, pointer + (1 << AMDVI_RING_ENTRY_SHIFT));
}

uint64_t amdvi_control_wmask(const AMDVIState *s)
{
    uint64_t mask = AMDVI_CONTROL_WMASK;

    if (s->efr & AMDVI_EFR_GT_SUP) {
        mask |= AMDVI_CONTROL_GT_EN;
    }
    if (s->efr & AMDVI_EFR_GA_SUP) {
        mask |= AMDVI_CONTROL_GA_EN;
    }
    if (s->efr & AMDVI_EFR_XT_SUP) {
        mask |= AMDVI_CONTROL_XT_EN | AMDVI_CONTROL_INT_CAP_XT_EN;
    }
    return mask;
}

/* Does the ring run that @bit of Control turns on? */
static bool amdvi_ring_on(uint64_t control, uint64_t bit)
{
    return (control & AMDVI_CONTROL_IOMMU_EN) && (control & bit);
}

/*
 * What is turned on runs; what stopped (an error, an overflow) runs again when
 * it is turned off and on (2.4, 2.5.2).
 */
static void amdvi_ring_follow(AMDVIState *s, uint64_t before, uint64_t now,
                              uint64_t enable, uint64_t run)
{
    bool on = amdvi_ring_on(now, enable);

    if (on != amdvi_ring_on(before, enable)) {
        amdvi_status_change(s, run, on ? run : 0);
    }
}

static void amdvi_control_written(AMDVIState *s, uint64_t value)
{
    uint64_t before = s->control;

    value &= amdvi_control_wmask(s);
    if (!amdvi_ring_on(value, AMDVI_CONTROL_EVENT_LOG_EN)) {
        /* Before it is off, what came while it was on. */
        viommu_events_write(&s->events);
    }
    WITH_QEMU_LOCK_GUARD(&s->lock) {
        s->control = value;
    }
    amdvi_ring_follow(s, before, value, AMDVI_CONTROL_EVENT_LOG_EN,
                      AMDVI_STATUS_EVENT_RUN);
    if (!amdvi_ring_on(value, AMDVI_CONTROL_EVENT_LOG_EN)) {
        viommu_events_discard(&s->events);
    }
    amdvi_ring_follow(s, before, value, AMDVI_CONTROL_CMD_BUF_EN,
                      AMDVI_STATUS_CMD_RUN);
    if ((before ^ value) & (AMDVI_CONTROL_GA_EN | AMDVI_CONTROL_XT_EN |
                            AMDVI_CONTROL_IOMMU_EN)) {
        amdvi_ir_changed(s);
    }
    if ((before ^ value) & AMDVI_CONTROL_GT_EN) {
        /* Other entries of the device table are legal. */
        amdvi_inv_all(s);
    }
    if ((before ^ value) & AMDVI_CONTROL_IOMMU_EN) {
        viommu_set_enabled(&s->viommu, value & AMDVI_CONTROL_IOMMU_EN);
    }
    if (amdvi_ring_on(value, AMDVI_CONTROL_CMD_BUF_EN)) {
        amdvi_cmd_run(s);
    } else {
        amdvi_cmd_off(s);
    }
}

/* 3.4.2, 3.4.3: the pointers begin anew with the ring. */
static void amdvi_cmd_base_written(AMDVIState *s, uint64_t value)
{
    s->cmd_base = value & (AMDVI_RING_ADDR | AMDVI_RING_LEN);
    s->cmd_head = s->cmd_tail = 0;
    amdvi_cmd_off(s);
}

static void amdvi_event_base_written(AMDVIState *s, uint64_t value)
{
    /* What does not get into the log of before is not for this one. */
    viommu_events_write(&s->events);
    viommu_events_discard(&s->events);
    WITH_QEMU_LOCK_GUARD(&s->lock) {
        s->event_base = value & (AMDVI_RING_ADDR | AMDVI_RING_LEN);
    }
    s->event_head = s->event_tail = 0;
}

static void amdvi_cmd_head_written(AMDVIState *s, uint64_t value)
{
    if (s->status & AMDVI_STATUS_CMD_RUN) {
        qemu_log_mask(LOG_GUEST_ERROR, "amdvi: the head of the command buffer "
                      "is written while it runs\n");
        return;
    }
    s->cmd_head = amdvi_ring_wrap(s->cmd_base, value);
}

static void amdvi_event_tail_written(AMDVIState *s, uint64_t value)
{
    if (s->status & AMDVI_STATUS_EVENT_RUN) {
        qemu_log_mask(LOG_GUEST_ERROR, "amdvi: the tail of the event log is "
                      "written while it runs\n");
        return;
    }
    s->event_tail = amdvi_ring_wrap(s->event_base, value);
}

/* 3.4.5: it takes effect at once. */
static void amdvi_exclusion_written(AMDVIState *s, uint64_t base,
                                    uint64_t limit)
{
    WITH_QEMU_LOCK_GUARD(&s->lock) {
        s->excl_base = base & (AMDVI_EXCL_ADDR | AMDVI_EXCL_BASE_EN |
                               AMDVI_EXCL_BASE_ALLOW);
        s->excl_limit = limit & AMDVI_EXCL_ADDR;
    }
    amdvi_inv_all(s);
}

static void amdvi_cmd_tail_written(AMDVIState *s, uint64_t value)
{
    unsigned size = 1u << (amdvi_ring_log2(s->cmd_base) +
                           AMDVI_RING_ENTRY_SHIFT);
    VIOMMUTail tail = {
        .queue = "command buffer",
        .head = s->cmd_head,
        .was = s->cmd_tail,
        .positions = size,
        .size = size,
    };

    s->cmd_tail = tail.now = amdvi_ring_wrap(s->cmd_base, value);
    if (unlikely(s->viommu.sanitizer) &&
        (s->status & AMDVI_STATUS_CMD_RUN)) {
        viommu_sanitize_tail(&s->viommu, &tail);
    }
    amdvi_cmd_run(s);
}

static uint64_t amdvi_reg_value(AMDVIState *s, hwaddr reg)
{
    switch (reg) {
    case AMDVI_REG_DEVTAB:
        return s->devtab;
    case AMDVI_REG_CMD_BASE:
        return s->cmd_base;
    case AMDVI_REG_EVENT_BASE:
        return s->event_base;
    case AMDVI_REG_CONTROL:
        return s->control;
    case AMDVI_REG_EXCL_BASE:
        return s->excl_base;
    case AMDVI_REG_EXCL_LIMIT:
        return s->excl_limit;
    case AMDVI_REG_EFR:
        return s->efr;
    case AMDVI_REG_XT_INT:
        return s->xt_int;
    case AMDVI_REG_CMD_HEAD:
        return s->cmd_head;
    case AMDVI_REG_CMD_TAIL:
        return s->cmd_tail;
    case AMDVI_REG_EVENT_HEAD:
        return s->event_head;
    case AMDVI_REG_EVENT_TAIL:
        return s->event_tail;
    case AMDVI_REG_STATUS:
        return s->status;
    default:
        return 0;
    }
}

static void amdvi_reg_written(AMDVIState *s, hwaddr reg, uint64_t value)
{
    if (unlikely(qemu_loglevel_mask(LOG_GUEST_ERROR))) {
        amdvi_mistakes(s, reg, value);
    }
    switch (reg) {
    case AMDVI_REG_DEVTAB:
        WITH_QEMU_LOCK_GUARD(&s->lock) {
            s->devtab = value & (AMDVI_DEVTAB_ADDR | AMDVI_DEVTAB_SIZE);
        }
        break;
    case AMDVI_REG_CMD_BASE:
        amdvi_cmd_base_written(s, value);
        break;
    case AMDVI_REG_EVENT_BASE:
        amdvi_event_base_written(s, value);
        break;
    case AMDVI_REG_CONTROL:
        amdvi_control_written(s, value);
        break;
    case AMDVI_REG_EXCL_BASE:
        amdvi_exclusion_written(s, value, s->excl_limit);
        break;
    case AMDVI_REG_EXCL_LIMIT:
        amdvi_exclusion_written(s, s->excl_base, value);
        break;
    case AMDVI_REG_XT_INT:
        if (s->efr & AMDVI_EFR_XT_SUP) {
            s->xt_int = value & AMDVI_XT_INT_WMASK;
        }
        break;
    case AMDVI_REG_CMD_HEAD:
        amdvi_cmd_head_written(s, value);
        break;
    case AMDVI_REG_CMD_TAIL:
        amdvi_cmd_tail_written(s, value);
        break;
    case AMDVI_REG_EVENT_HEAD:
        s->event_head = amdvi_ring_wrap(s->event_base, value);
        break;
    case AMDVI_REG_EVENT_TAIL:
        amdvi_event_tail_written(s, value);
        break;
    case AMDVI_REG_STATUS:
        amdvi_status_change(s, value & AMDVI_STATUS_W1C, 0);
        break;
    }
}

static uint64_t amdvi_mmio_read(void *opaque, hwaddr addr, unsigned size)
{
    AMDVIState *s = opaque;
    DMA_HELD("register read");

    QEMU_LOCK_GUARD(&s->lock);
    return amdvi_reg_value(s, addr & ~7ULL) >> (addr & 4) * 8;
}

static void amdvi_mmio_write(void *opaque, hwaddr addr, uint64_t value,
                             unsigned size)
{
    unsigned shift = (addr & 4) * 8;
    uint64_t mask = size == 8 ? UINT64_MAX : (uint64_t)UINT32_MAX << shift;
    hwaddr reg = addr & ~7ULL;
    AMDVIState *s = opaque;
    DMA_HELD("register write");

    value = value << shift & mask;
    if (reg != AMDVI_REG_STATUS) {
        value |= amdvi_reg_value(s, reg) & ~mask;
    }
    amdvi_reg_written(s, reg, value);
}

const MemoryRegionOps amdvi_reg_ops = {
    .read = amdvi_mmio_read,
    .write = amdvi_mmio_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .impl = { .min_access_size = 4, .max_access_size = 8 },
    .valid = { .min_access_size = 4, .max_access_size = 8 },
};

void amdvi_regs_reset(AMDVIState *s)
{
    WITH_QEMU_LOCK_GUARD(&s->lock) {
        s->devtab = s->control = s->status = s->event_base = 0;
        s->excl_base = s->excl_limit = 0;
    }
    s->cmd_base = s->xt_int = 0;
    s->cmd_head = s->cmd_tail = s->event_head = s->event_tail = 0;
}

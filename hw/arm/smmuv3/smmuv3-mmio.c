/*
 * SMMUv3: accesses to the registers, and what they set off
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * IHI 0070 6.2.  Where an access is CONSTRAINED UNPREDICTABLE we chose:
 *
 *   - pages 0 and 1 are aliases of one another;
 *   - 64-bit accesses to pairs of 32-bit registers are RAZ/WI, and accesses of
 *     other sizes abort.
 */
#include "qemu/osdep.h"
#include "qemu/log.h"
#include "system/dma-held.h"
#include "trace.h"
#include "smmuv3-internal.h"

/* Returns: false if there is no such register */
static bool mmio_write32(SMMUv3State *s, hwaddr reg, uint32_t val)
{
    uint32_t was = s->cmdq.prod;
    bool known = true;

    switch (reg) {
    case SMMU_CR0:
        smmuv3_cr0_written(s, val);
        break;
    case SMMU_GBPA:
        smmuv3_gbpa_written(s, val);
        break;
    case SMMU_GERRORN:
        /* Acknowledging CMDQ_ERR starts the queue again (7.1). */
        smmuv3_gerrorn_written(s, val);
        smmuv3_cmdq_run(s);
        break;
    case SMMU_CMDQ_PROD:
        /* The doorbell: nobody but the queue, under the BQL, looks at it. */
        s->cmdq.prod = val & SMMU_QUEUE_INDEX_MASK;
        if (unlikely(s->viommu.sanitizer)) {
            smmuv3_cmdq_watch_prod(s, was);
        }
        smmuv3_cmdq_run(s);
        break;
    default:
        known = smmuv3_reg_write(s, reg, val);
        break;
    }
    return known;
}

static MemTxResult smmuv3_mmio_read(void *opaque, hwaddr offset, uint64_t *data,
                                    unsigned size, MemTxAttrs attrs)
{
    SMMUv3State *s = opaque;
    hwaddr reg = offset % SMMU_PAGE_SIZE;
    uint32_t lo = 0, hi = 0;
    bool known;
    DMA_HELD("register read");

    if (size == 8) {
        known = smmuv3_reg_is_64bit(reg) && smmuv3_reg_read(s, reg, &lo) &&
                smmuv3_reg_read(s, reg + 4, &hi);
    } else {
        known = smmuv3_reg_read(s, reg, &lo);
    }
    if (!known) {
        qemu_log_mask(LOG_UNIMP, "smmuv3: %u-bit read of 0x%" HWADDR_PRIx
                      " (RAZ)\n", size * 8, reg);
    }
    *data = (uint64_t)hi << 32 | lo;
    trace_smmuv3_read_mmio(reg, *data, size, MEMTX_OK);
    return MEMTX_OK;
}

static MemTxResult smmuv3_mmio_write(void *opaque, hwaddr offset, uint64_t data,
                                     unsigned size, MemTxAttrs attrs)
{
    SMMUv3State *s = opaque;
    hwaddr reg = offset % SMMU_PAGE_SIZE;
    bool known;
    DMA_HELD("register write");

    trace_smmuv3_write_mmio(reg, data, size, MEMTX_OK);
    if (size == 8) {
        known = smmuv3_reg_is_64bit(reg) && mmio_write32(s, reg, data) &&
                mmio_write32(s, reg + 4, data >> 32);
    } else {
        known = mmio_write32(s, reg, data);
    }
    if (!known) {
        qemu_log_mask(LOG_UNIMP, "smmuv3: %u-bit write of 0x%" HWADDR_PRIx
                      " (WI)\n", size * 8, reg);
    }
    return MEMTX_OK;
}

const MemoryRegionOps smmuv3_mmio_ops = {
    .read_with_attrs = smmuv3_mmio_read,
    .write_with_attrs = smmuv3_mmio_write,
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

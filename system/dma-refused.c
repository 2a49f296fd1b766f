/*
 * A memory region that refuses every access
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/rcu.h"
#include "system/dma-refused.h"

static MemTxResult refused_access(void *opaque, hwaddr offset, bool is_write,
                                  MemTxAttrs attrs)
{
    const DMARefused *r = opaque;

    RCU_READ_LOCK_GUARD();
    r->refused(r->opaque, offset, is_write, attrs);
    return MEMTX_DECODE_ERROR;
}

static MemTxResult refused_read(void *opaque, hwaddr offset, uint64_t *data,
                                unsigned size, MemTxAttrs attrs)
{
    *data = 0;
    return refused_access(opaque, offset, false, attrs);
}

static MemTxResult refused_write(void *opaque, hwaddr offset, uint64_t data,
                                 unsigned size, MemTxAttrs attrs)
{
    return refused_access(opaque, offset, true, attrs);
}

const MemoryRegionOps dma_refused_ops = {
    .read_with_attrs = refused_read,
    .write_with_attrs = refused_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    /* Aligned: what reaches beyond the region's end is taken apart. */
    .valid = { .min_access_size = 1, .max_access_size = 8 },
    .impl = { .min_access_size = 1, .max_access_size = 8 },
};

/*
 * A memory region that refuses every access
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * For a hole in what a device sees of memory.  Unlike a device's region it is
 * accessed without the BQL, as unassigned memory is: an iothread may run into
 * it while the main loop waits for that iothread.
 */
#ifndef SYSTEM_DMA_REFUSED_H
#define SYSTEM_DMA_REFUSED_H

#include "exec/memory.h"

/* The opaque of a region with dma_refused_ops; lives as long as the region. */
typedef struct DMARefused {
    /*
     * refused: an access @offset bytes into the region came, and gets
     * MEMTX_DECODE_ERROR.  Any thread, with or without the BQL, inside an RCU
     * read section.
     */
    void (*refused)(void *opaque, hwaddr offset, bool is_write,
                    MemTxAttrs attrs);
    void *opaque;
} DMARefused;

extern const MemoryRegionOps dma_refused_ops;

#endif

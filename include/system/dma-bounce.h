/*
 * Bounced DMA maps: race-free without waiting
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef SYSTEM_DMA_BOUNCE_H
#define SYSTEM_DMA_BOUNCE_H

#include "exec/memory.h"

typedef struct DMABounce DMABounce;

/** dma_bounce_new: the bounced maps of one endpoint. */
DMABounce *dma_bounce_new(void);
void dma_bounce_free(DMABounce *bounce);

/**
 * dma_bounce_map: a private buffer in place of guest memory.
 *
 * @plen: bytes wanted; set to the bytes handed out, 0 on failure
 * @valid: bytes from @addr that are known to be accessible, at least 1
 * Returns: the buffer; what the device reads is in it already.  NULL if too
 * much is in flight: try again when some of it has ended.  Any thread.
 */
void *dma_bounce_map(DMABounce *bounce, AddressSpace *as, hwaddr addr,
                     hwaddr *plen, hwaddr valid, bool is_write,
                     MemTxAttrs attrs);

/**
 * dma_bounce_share: the same for memory that the device writes, and that is
 * within a bounced map for writing already: the address in that one's buffer.
 * Returns: NULL if there is no such map.  Any thread.
 */
void *dma_bounce_share(DMABounce *bounce, hwaddr addr, hwaddr len);

/**
 * dma_bounce_writes: is some map for writing in flight?  Then a map for writing
 * has to ask dma_bounce_share() first.  Any thread.
 */
bool dma_bounce_writes(DMABounce *bounce);

/**
 * dma_bounce_written: the device has written @len bytes, at least 1, at @addr
 * by a short access.  Any thread.
 */
void dma_bounce_written(DMABounce *bounce, hwaddr addr, const void *data,
                        hwaddr len);

/**
 * dma_bounce_unmap: end it; what the device wrote, @access_len bytes, is
 * stored through the translation that holds now.
 *
 * Returns: false if @buffer is not one of ours.  Any thread.
 */
bool dma_bounce_unmap(DMABounce *bounce, AddressSpace *as, void *buffer,
                      bool is_write, hwaddr access_len);

/**
 * dma_bounce_forget: the device has gone; what it still maps counts no more.
 * The buffers stay, in case somebody ends them after all.  Any thread.
 */
void dma_bounce_forget(DMABounce *bounce);

/* A bounced map, for whoever asks what is in flight. */
typedef struct DMABounced {
    hwaddr addr, len;
    bool is_write;
    MemTxAttrs attrs;
    uint32_t moment;         /* in which it was made; see dma-moment.h */
} DMABounced;

/**
 * dma_bounce_next: the first map whose buffer is beyond *@at, which becomes
 * that buffer's address; 0 to begin with.  Returns: false: there is none.
 * Any thread; the work grows with the logarithm of the number of maps.
 */
bool dma_bounce_next(DMABounce *bounce, uint64_t *at, DMABounced *map);

/** dma_bounce_count: maps in flight.  Any thread. */
unsigned dma_bounce_count(DMABounce *bounce);

#endif

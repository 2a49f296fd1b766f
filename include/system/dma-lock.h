/*
 * A lock for a few dozen instructions
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pure: no QEMU type beyond qatomic_*.
 *
 * Taken for each DMA map, so it costs one atomic operation where a mutex costs
 * two and some calls.  A waiter spins for a moment, then yields its
 * processor, then sleeps; nothing may block while holding it.
 */
#ifndef SYSTEM_DMA_LOCK_H
#define SYSTEM_DMA_LOCK_H

#include "qemu/atomic.h"

#define DMA_LOCK_SPINS 100
#define DMA_LOCK_SLEEP 200

typedef struct DMALock {
    unsigned held;
} DMALock;

static inline void dma_lock(DMALock *lock)
{
    unsigned spins = 0;

    while (unlikely(qatomic_xchg(&lock->held, 1))) {
        while (qatomic_read(&lock->held)) {
            if (++spins >= DMA_LOCK_SLEEP) {
                /* The owner may have a lower priority than we have. */
                g_usleep(10);
            } else if (spins >= DMA_LOCK_SPINS) {
                g_thread_yield();
            }
        }
    }
}

static inline void dma_unlock(DMALock *lock)
{
    qatomic_store_release(&lock->held, 0);
}

#endif

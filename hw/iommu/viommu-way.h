/*
 * vIOMMU core: the way that a thread's last walk came by
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pure: no QEMU type beyond fixed-width integers and qatomic_*.
 *
 * The next walk begins there (IOPTMemo) if it is of the same configuration, and
 * nothing has been invalidated since that could be part of the way: in whatever
 * domain, so that nobody has to know whose tables they were.  Of one stage that
 * is all but leaves; of two, everything: the way to the first's tables has
 * leaves of the second's.
 *
 * The count of such invalidations is read before the tables.  One that comes
 * while they are read makes what is stored of no use to whoever comes after it.
 * Who came before it may use what has gone, as one may who has read the tables
 * before, and is waited for as he is (dma-epoch.h).  So nothing has to be
 * compared after the walk, or after the use.
 */
#ifndef HW_IOMMU_VIOMMU_WAY_H
#define HW_IOMMU_VIOMMU_WAY_H

#include "hw/iommu/iopt.h"
#include "qemu/atomic.h"

typedef struct VIOMMUWay {
    uint64_t config;         /* VIOMMUConfig.id; 0: none */
    uint64_t seq;
    IOPTMemo memo;
} VIOMMUWay;

/**
 * viommu_way: what a walk may begin with, and leaves behind.  The thread that
 * @way belongs to, before it reads a table.
 *
 * @config: never another one's number, unlike an address
 * @seq: the count of invalidations
 */
static inline IOPTMemo *viommu_way(VIOMMUWay *way, uint64_t config,
                                   const uint64_t *seq)
{
    uint64_t now = qatomic_load_acquire(seq);

    if (way->seq != now || way->config != config) {
        way->seq = now;
        way->config = config;
        way->memo = (IOPTMemo) { 0 };
    }
    return &way->memo;
}

/**
 * viommu_way_lost: count an invalidation.  One thread at a time; a full barrier
 * follows before it is looked who is to be waited for.
 */
static inline void viommu_way_lost(uint64_t *seq)
{
    /* Who sees it sees the tables as software had them before. */
    qatomic_store_release(seq, *seq + 1);
}

#endif

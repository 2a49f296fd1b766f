/*
 * The vIOMMU core: what a model tells the sanitizer of its queues
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Everything here: BQL.
 */
#ifndef HW_IOMMU_VIOMMU_SANITIZER_H
#define HW_IOMMU_VIOMMU_SANITIZER_H

#include "hw/iommu/viommu.h"

/* A write of a queue's tail, in units of entries or bytes */
typedef struct VIOMMUTail {
    const char *queue;       /* its name, for people */
    unsigned head, was, now; /* @was, @now: the tail */
    unsigned positions;      /* that head and tail can have */
    unsigned size;           /* of those, in which entries are */
} VIOMMUTail;

/**
 * viommu_sanitize_tail: software wrote the tail of a queue that is on.  Only if
 * @v->sanitizer is set.
 */
void viommu_sanitize_tail(VIOMMU *v, const VIOMMUTail *tail);

/* Only if @v->sanitizer is set: see viommu_watch_queued(). */
void viommu_sanitize_queued(VIOMMU *v);

/**
 * viommu_watch_queued: an invalidation was taken up from a queue, and is
 * complete, for software, with the next viommu_fence().
 */
static inline void viommu_watch_queued(VIOMMU *v)
{
    if (unlikely(v->sanitizer)) {
        viommu_sanitize_queued(v);
    }
}

#endif

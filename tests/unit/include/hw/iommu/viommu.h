/*
 * What the command-queue engine needs of the core, and who retires mappings,
 * for the standalone build
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The test plays the drain: it defines these functions.
 */
#ifndef HW_IOMMU_VIOMMU_H
#define HW_IOMMU_VIOMMU_H

typedef struct VIOMMU VIOMMU;

typedef struct DMAFence {
    uint64_t seq;            /* 0: idle */
} DMAFence;

static inline bool dma_drain_fence_pending(const DMAFence *fence)
{
    return fence->seq != 0;
}

bool viommu_fence(VIOMMU *v, DMAFence *fence, void (*done)(void *opaque),
                  void *opaque);
void viommu_fence_cancel(VIOMMU *v, DMAFence *fence);
unsigned viommu_views(const VIOMMU *v);
void viommu_collect_begin(VIOMMU *v);
void viommu_collect_end(VIOMMU *v);
void viommu_maps_retire(void *dead);

#endif

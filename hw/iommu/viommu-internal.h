/*
 * vIOMMU core: what its files share
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_IOMMU_VIOMMU_INTERNAL_H
#define HW_IOMMU_VIOMMU_INTERNAL_H

#include "hw/iommu/viommu.h"
#include "hw/iommu/viommu-registry.h"

/*
 * viommu_resolve_now: what applies to @ep by the tables as they are in memory
 * now, no cache.  Any thread, inside an RCU read section.
 */
void viommu_resolve_now(VIOMMUEndpoint *ep, uint32_t pasid,
                        VIOMMUConfig *config);

/* viommu_read_entry: an IOPTRead; @opaque is the VIOMMU.  Any thread. */
bool viommu_read_entry(void *opaque, uint64_t addr, uint64_t *entry);

/*
 * viommu_notify_init: an endpoint's notifier state.
 * viommu_notify_unmap: tell notifiers that @first .. @last of @ep is gone;
 * MAP notifiers are told the difference between what they know and the tables
 * as they are now.
 * viommu_notify_forget: unmap everything, whatever the tables say.
 * All: BQL.
 */
void viommu_notify_init(VIOMMUEndpoint *ep);
void viommu_notify_unmap(VIOMMUEndpoint *ep, hwaddr first, hwaddr last);
void viommu_notify_forget(VIOMMUEndpoint *ep);
void viommu_notify_device_tlb(VIOMMUEndpoint *ep, hwaddr first, hwaddr last);

/* The methods of TYPE_VIOMMU_MEMORY_REGION that are about notifiers. */
int viommu_notify_flag_changed(IOMMUMemoryRegion *iommu,
                               IOMMUNotifierFlag old_flags,
                               IOMMUNotifierFlag new_flags, Error **errp);
void viommu_notify_replay(IOMMUMemoryRegion *iommu, IOMMUNotifier *n);

/* DMAInflightOps.stalled and .abandon; @opaque is the endpoint.  BQL. */
void viommu_device_stalled(void *opaque, const DMAMapInfo *map, int64_t age);
void viommu_device_abandon(void *opaque, const DMAMapInfo *map, int64_t age);

#endif

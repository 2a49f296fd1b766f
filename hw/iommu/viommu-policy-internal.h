/*
 * The "virtio" switch, within hw/iommu
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * BQL.
 */
#ifndef HW_IOMMU_VIOMMU_POLICY_INTERNAL_H
#define HW_IOMMU_VIOMMU_POLICY_INTERNAL_H

#include "hw/iommu/viommu-policy.h"

/* The vIOMMU that @dev, or what is on @bus, is behind; NULL: none. */
VIOMMUPolicy *viommu_policy_of(PCIDevice *dev);
VIOMMUPolicy *viommu_policy_of_bus(PCIBus *bus);
/* The virtio device whose transport @dev is; NULL: none. */
VirtIODevice *viommu_policy_virtio(PCIDevice *dev);
/* Is @vdev a vIOMMU?  Its own requests are never translated. */
bool viommu_policy_exempt(VirtIODevice *vdev);
/* Does @vdev's DMA go through the vIOMMU, if there is one? */
bool viommu_policy_translated(VirtIODevice *vdev);
/* Would tables made now leave @dev out, and all that is below it? */
bool viommu_policy_bypasses(PCIDevice *dev);

/* Is what is on @bus one requester: a conventional bus behind a bridge? */
bool viommu_policy_shared(PCIBus *bus);

/* @bus and all below it as they are now, for tables */
VIOMMUBus *viommu_policy_bus(PCIBus *bus);
void viommu_policy_bus_free(VIOMMUBus *bus);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VIOMMUBus, viommu_policy_bus_free)
/* The root buses that are behind the vIOMMU, each a VIOMMUBus */
GPtrArray *viommu_policy_roots(void);

/* From now on it is kept what the guest was told. */
void viommu_policy_told_start(void);
/*
 * Has the guest been told whether @dev, or what else is in its slot, is behind
 * the vIOMMU?  Then it is @listed or not.
 */
bool viommu_policy_told_of(PCIDevice *dev, bool *listed);

#endif

/*
 * The "virtio" switch, within hw/iommu
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_IOMMU_VIOMMU_POLICY_INTERNAL_H
#define HW_IOMMU_VIOMMU_POLICY_INTERNAL_H

#include "hw/iommu/viommu-policy.h"

/* The vIOMMU that @dev is behind; NULL: none.  BQL. */
VIOMMUPolicy *viommu_policy_of(PCIDevice *dev);
/* The virtio device whose transport @dev is; NULL: none.  BQL. */
VirtIODevice *viommu_policy_virtio(PCIDevice *dev);
/* Does @vdev's DMA go through the vIOMMU, if there is one?  BQL. */
bool viommu_policy_translated(VirtIODevice *vdev);

#endif

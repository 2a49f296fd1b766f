/*
 * DMAR: the scopes of the endpoints that are translated
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * BQL.  Both return false if the base's way to build the table is right:
 * always with virtio=device.
 */
#ifndef HW_IOMMU_VIOMMU_POLICY_ACPI_H
#define HW_IOMMU_VIOMMU_POLICY_ACPI_H

#include "hw/iommu/viommu-policy.h"

/*
 * viommu_policy_dmar_scope: append to @blob the device scopes (VT-d 8.3.1) of
 * what is translated of @dev, which is on a root bus, and of what is below it.
 */
bool viommu_policy_dmar_scope(PCIDevice *dev, GArray *blob);

/*
 * viommu_policy_dmar_atsr: append to @table the ATSR structure (VT-d 8.5) of
 * the root ports with something translated below; none, if there are none.
 */
bool viommu_policy_dmar_atsr(GArray *table);

#endif

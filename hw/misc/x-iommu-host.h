/*
 * x-iommu-host: the host's IOMMU as VFIO would show it to a vIOMMU
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * For test builds only (CONFIG_VIOMMU_LISTENER).
 */
#ifndef HW_MISC_X_IOMMU_HOST_H
#define HW_MISC_X_IOMMU_HOST_H

#include "hw/pci/pci_device.h"
#include "system/host_iommu_device.h"

/*
 * x_iommu_host_attach: tell the vIOMMU of @dev, if it has one, of a host that
 * lets @dev use @usable: ranges START:END with commas in between, in rising
 * order.  Returns: NULL with @errp set if @usable is none of these or the
 * vIOMMU refuses.  BQL.
 *
 * x_iommu_host_detach: the device goes.  @host: NULL is fine.  BQL.
 */
HostIOMMUDevice *x_iommu_host_attach(PCIDevice *dev, const char *usable,
                                     Error **errp);
void x_iommu_host_detach(PCIDevice *dev, HostIOMMUDevice *host);

#endif

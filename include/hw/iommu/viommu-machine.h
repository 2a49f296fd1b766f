/*
 * vIOMMUs and the machines that they are for
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What machines, and who makes devices for them, ask.  BQL, or startup.
 */
#ifndef HW_IOMMU_VIOMMU_MACHINE_H
#define HW_IOMMU_VIOMMU_MACHINE_H

#include "qobject/qlist.h"

/*
 * viommu_machine_refuse: -device or device_add names @driver, a device type
 * that this machine does not take in this way.  True, with @errp set, if it is
 * a vIOMMU: the error says how to have one.
 */
bool viommu_machine_refuse(const char *driver, Error **errp);

/*
 * viommu_machine_regions: @regions, which become the callee's, are what the
 * machine has as reserved-regions of @dev, a virtio-iommu-pci that is about to
 * be realized.  That fails if the operator has given some.
 */
void viommu_machine_regions(DeviceState *dev, QList *regions);

#endif

/*
 * virt: the SMMUv3's "virtio" switch, and its devices' windows
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * BQL, while the machine is created.
 */
#ifndef HW_ARM_VIRT_VIOMMU_POLICY_H
#define HW_ARM_VIRT_VIOMMU_POLICY_H

#include "hw/arm/virt.h"

/* virt_viommu_policy_class_init: the machine option "iommu-virtio". */
void virt_viommu_policy_class_init(ObjectClass *oc);

/*
 * virt_viommu_policy_init: @bus, the machine's root bus, has just got its SMMU,
 * or it will have none.  Exits if the option makes no sense.
 */
void virt_viommu_policy_init(VirtMachineState *vms, PCIBus *bus);

/*
 * virt_viommu_policy_fdt: the devices are there, and the device tree is about
 * to be loaded: let "iommu-map" list what is translated.  With the switch at
 * "device" it stays the base's.
 */
void virt_viommu_policy_fdt(VirtMachineState *vms);

/*
 * virt_viommu_windows_fdt: at the same time: let the tree tell of the windows
 * of devices behind the SMMU (hw/iommu/windows.h), unless there will be ACPI
 * tables.  It stays the base's if nobody has any.
 */
void virt_viommu_windows_fdt(VirtMachineState *vms);

#endif

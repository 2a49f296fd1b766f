/*
 * Arm SMMU: the abstract device
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * This header takes the place of the base's at the same path.  It keeps the
 * type "arm-smmu" with its two properties; everything else is the model's
 * (hw/arm/smmuv3) and the vIOMMU core's.
 */
#ifndef HW_ARM_SMMU_COMMON_H
#define HW_ARM_SMMU_COMMON_H

#include "hw/pci/pci.h"
#include "hw/sysbus.h"
#include "qom/object.h"

struct SMMUState {
    SysBusDevice dev;
    MemoryRegion iomem;      /* the registers */
    uint8_t bus_num;         /* property of old; nothing uses it */
    PCIBus *primary_bus;     /* the root bus whose devices are behind it */
};

struct SMMUBaseClass {
    SysBusDeviceClass parent_class;
};

#define TYPE_ARM_SMMU "arm-smmu"
OBJECT_DECLARE_TYPE(SMMUState, SMMUBaseClass, ARM_SMMU)

#endif

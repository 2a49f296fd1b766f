/*
 * Arm SMMU: the abstract device
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/arm/smmu-common.h"
#include "hw/qdev-properties.h"
#include "qemu/module.h"

static const Property smmu_properties[] = {
    DEFINE_PROP_UINT8("bus_num", SMMUState, bus_num, 0),
    DEFINE_PROP_LINK("primary-bus", SMMUState, primary_bus,
                     TYPE_PCI_BUS, PCIBus *),
};

static void smmu_class_init(ObjectClass *klass, void *data)
{
    device_class_set_props(DEVICE_CLASS(klass), smmu_properties);
    object_class_property_set_description(
        klass, "bus_num", "not used");
    object_class_property_set_description(
        klass, "primary-bus", "the root bus whose devices it translates; the "
        "machine sets it");
}

static const TypeInfo smmu_info = {
    .name = TYPE_ARM_SMMU,
    .parent = TYPE_SYS_BUS_DEVICE,
    .instance_size = sizeof(SMMUState),
    .class_size = sizeof(SMMUBaseClass),
    .class_init = smmu_class_init,
    .abstract = true,
};

static void smmu_register_types(void)
{
    type_register_static(&smmu_info);
}

type_init(smmu_register_types)

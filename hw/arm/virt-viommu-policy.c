/*
 * virt: the SMMUv3's "virtio" switch, which is an option of the machine
 * because the machine creates the SMMU
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/arm/smmuv3.h"
#include "hw/arm/virt.h"
#include "hw/arm/virt-viommu-policy.h"
#include "qapi/error.h"

static int get_switch(Object *obj, Error **errp)
{
    return VIRT_MACHINE(obj)->viommu_policy.virtio;
}

static void set_switch(Object *obj, int value, Error **errp)
{
    VIRT_MACHINE(obj)->viommu_policy.virtio = value;
}

void virt_viommu_policy_class_init(ObjectClass *oc)
{
    object_class_property_add_enum(oc, "iommu-virtio", "VIOMMUVirtio",
                                   &VIOMMUVirtio_lookup, get_switch,
                                   set_switch);
    object_class_property_set_description(oc, "iommu-virtio",
                                          "With iommu=smmuv3: which virtio "
                                          "devices are translated. Valid "
                                          "values are device, translate, "
                                          "bypass and require");
}

void virt_viommu_policy_init(VirtMachineState *vms, PCIBus *bus)
{
    VIOMMUPolicy *policy = &vms->viommu_policy;

    if (vms->iommu == VIRT_IOMMU_SMMUV3) {
        policy->model = TYPE_ARM_SMMUV3;
        policy->bus = bus;
        viommu_policy_register(policy, &error_fatal);
    } else if (policy->virtio != VIOMMU_VIRTIO_DEVICE) {
        error_setg(&error_fatal, "-machine virt: iommu-virtio=%s needs "
                   "iommu=smmuv3; a virtio-iommu-pci has the option as its "
                   "own property, virtio=%s",
                   VIOMMUVirtio_str(policy->virtio),
                   VIOMMUVirtio_str(policy->virtio));
    }
}

/*
 * SMMUv3: the arm-smmuv3 device
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Our model in place of the base's, with its name, properties and defaults.
 * smmuv3-internal.h lists the files and their jobs.
 */
#include "qemu/osdep.h"
#include "hw/iommu/viommu-model.h"
#include "hw/irq.h"
#include "hw/pci/pci.h"
#include "hw/qdev-properties.h"
#include "migration/vmstate.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/module.h"
#include "trace.h"
#include "smmuv3-internal.h"

/*
 * A host device whose stream bypasses now asks for MAP notifications only once
 * the guest translates it, too late to refuse.  So it is refused here.
 */
static bool smmuv3_set_iommu_device(PCIBus *bus, void *opaque, int devfn,
                                    HostIOMMUDevice *hiod, Error **errp)
{
    SMMUv3State *s = container_of(opaque, SMMUv3State, viommu);

    if (!s->caching_mode) {
        error_setg(errp, "a host device behind the SMMU requires "
                   "arm-smmuv3.caching-mode=on");
        error_append_hint(errp, "It is for guests that invalidate what they "
                          "map; Linux does not.\n");
        return false;
    }
    return viommu_windows_set_host(opaque, bus, devfn, hiod, errp);
}

static void smmuv3_unset_iommu_device(PCIBus *bus, void *opaque, int devfn)
{
    viommu_windows_unset_host(opaque, bus, devfn);
}

static const PCIIOMMUOps smmuv3_pci_ops = {
    .get_address_space = viommu_get_address_space,
    .set_iommu_device = smmuv3_set_iommu_device,
    .unset_iommu_device = smmuv3_unset_iommu_device,
};

/*
 * In the exit phase: devices stop their DMA in the enter and hold phases, and
 * until then it goes where the guest directed it.
 */
static void smmuv3_reset_exit(Object *obj, ResetType type)
{
    trace_smmu_reset_exit();
    smmuv3_unit_reset(ARM_SMMUV3(obj));
}

/*
 * The machine has set the property after -global did, whose value is looked at
 * all the same.
 */
static bool smmuv3_check_global_stage(SMMUv3State *s, Error **errp)
{
    const GlobalProperty *given = qdev_find_global_prop(OBJECT(s), "stage");
    SMMUv3Features unused = { 0 };

    if (!given || !g_strcmp0(given->value, s->stage)) {
        return true;
    }
    if (!smmuv3_props_stage(given->value, &unused, errp)) {
        return false;
    }
    warn_report("arm-smmuv3: stage=%s has no effect: the machine sets "
                "stage=%s; machine types up to virt-9.1 leave it to -global",
                given->value, s->stage);
    return true;
}

static void smmuv3_realize(DeviceState *dev, Error **errp)
{
    SMMUv3State *s = ARM_SMMUV3(dev);
    SMMUState *smmu = ARM_SMMU(dev);
    SysBusDevice *sbd = SYS_BUS_DEVICE(dev);
    const VIOMMUModel model = {
        .name = "smmuv3",
        .type = TYPE_ARM_SMMUV3,
        .ops = &smmuv3_viommu_ops,
        .pci_ops = &smmuv3_pci_ops,
        .direct_kinds = smmuv3_direct_kinds(),
        .direct_align = SMMU_RMR_ALIGN,
    };

    /* The switch "virtio" is the machine's: it is made before this device. */
    if (!smmuv3_check_global_stage(s, errp) || !smmuv3_props_decide(s, errp) ||
        !viommu_realize(&s->viommu, &model, OBJECT(s), smmu->primary_bus, NULL,
                        errp)) {
        return;
    }

    memory_region_init_io(&smmu->iomem, OBJECT(s), &smmuv3_mmio_ops, s,
                          TYPE_ARM_SMMUV3, SMMU_REG_SIZE);
    sysbus_init_mmio(sbd, &smmu->iomem);
    for (unsigned i = 0; i < SMMU_IRQS; i++) {
        sysbus_init_irq(sbd, &s->irq[i]);
    }
    smmuv3_unit_init(s);
}

static void smmuv3_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    ResettableClass *rc = RESETTABLE_CLASS(klass);

    rc->phases.exit = smmuv3_reset_exit;
    dc->realize = smmuv3_realize;
    dc->vmsd = &smmuv3_vmstate;
    /* So that a -global is named that no unit is there for */
    dc->hotpluggable = false;
    dc->desc = "Arm System Memory Management Unit version 3";
    smmuv3_props_class_init(klass);
}

static const TypeInfo smmuv3_info = {
    .name = TYPE_ARM_SMMUV3,
    .parent = TYPE_ARM_SMMU,
    .instance_size = sizeof(SMMUv3State),
    .class_init = smmuv3_class_init,
};

static void smmuv3_register_types(void)
{
    type_register_static(&smmuv3_info);
}

type_init(smmuv3_register_types)

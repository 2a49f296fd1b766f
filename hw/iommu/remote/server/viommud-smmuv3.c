/*
 * qemu-viommud: what SMMUv3 wants of a machine
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * In place of hw/arm/smmuv3/smmu.c, smmuv3.c, smmuv3-wire.c and smmuv3-acpi.c:
 * the device without a PCI bus and without wires.
 */
#include "qemu/osdep.h"
#include "hw/iommu/viommu-model.h"
#include "qapi/error.h"
#include "qemu/module.h"
#include "hw/arm/smmuv3/smmuv3-internal.h"
#include "viommud-internal.h"

/* Who the unit is when it sends a message: as with the machine's own */
#define SMMU_OWN_RID 0

/* The protocol has messages, but no wires: without MSIs it would be mute. */
void smmuv3_wire_pulse(SMMUv3State *s, SMMUIrq irq)
{
}

/* It is not heard whether somebody was there to take it. */
bool smmuv3_wire_msi(SMMUv3State *s, uint64_t addr, uint32_t data)
{
    if (viommud.link) {
        vrs_interrupt(viommud.link, addr & ~3ull, data, SMMU_OWN_RID);
    }
    return true;
}

/* What the protocol has no messages for is not offered to the guest. */
static bool smmuv3_check_offered(const SMMUv3State *s, Error **errp)
{
    if (!s->msi) {
        error_setg(errp, "arm-smmuv3: a remote unit has no wired interrupts; "
                   "remove msi=off");
        return false;
    }
    return true;
}

static void smmuv3_realize(DeviceState *dev, Error **errp)
{
    SMMUv3State *s = ARM_SMMUV3(dev);
    static const VIOMMUModel model = {
        .name = "smmuv3",
        .type = TYPE_ARM_SMMUV3,
        .ops = &smmuv3_viommu_ops,
    };

    if (!smmuv3_props_decide(s, errp) || !smmuv3_check_offered(s, errp) ||
        !viommu_realize(&s->viommu, &model, OBJECT(s), NULL, NULL, errp)) {
        return;
    }
    smmuv3_unit_init(s);
    viommud_registers(&smmuv3_mmio_ops, s, SMMU_REG_SIZE);
    if (s->ats) {
        viommud.ops.ats_fault = viommud_ats_fault;
    }
}

static void smmuv3_instance_init(Object *obj)
{
    ARM_SMMUV3(obj)->msi = true;
}

static void smmuv3_reset_exit(Object *obj, ResetType type)
{
    smmuv3_unit_reset(ARM_SMMUV3(obj));
}

static void smmuv3_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);

    RESETTABLE_CLASS(klass)->phases.exit = smmuv3_reset_exit;
    dc->realize = smmuv3_realize;
    dc->vmsd = &smmuv3_vmstate;
    smmuv3_props_class_init(klass);
}

static const TypeInfo smmuv3_parent_type = {
    .name = TYPE_ARM_SMMU,
    .parent = TYPE_DEVICE,
    .instance_size = sizeof(SMMUState),
    .class_size = sizeof(SMMUBaseClass),
    .abstract = true,
};

static const TypeInfo smmuv3_type = {
    .name = TYPE_ARM_SMMUV3,
    .parent = TYPE_ARM_SMMU,
    .instance_size = sizeof(SMMUv3State),
    .instance_init = smmuv3_instance_init,
    .class_init = smmuv3_class_init,
};

static void smmuv3_register_types(void)
{
    type_register_static(&smmuv3_parent_type);
    type_register_static(&smmuv3_type);
}

type_init(smmuv3_register_types)

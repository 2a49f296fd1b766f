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
#include "qemu/module.h"
#include "trace.h"
#include "smmuv3-internal.h"

static bool smmuv3_prop_is(const char *value, const char *name)
{
    return value && !strcmp(value, name);
}

/* The properties are those of the base, but for what is beyond it. */
static bool check_stage(const SMMUv3State *s, SMMUv3Features *f, Error **errp)
{
    if (!s->stage || smmuv3_prop_is(s->stage, "1")) {
        f->s1p = true;
    } else if (smmuv3_prop_is(s->stage, "2")) {
        f->s2p = true;
    } else if (smmuv3_prop_is(s->stage, "nested")) {
        f->s1p = true;
        f->s2p = true;
    } else {
        error_setg(errp, "arm-smmuv3: stage is '%s', but must be '1', '2' or "
                   "'nested'", s->stage);
        return false;
    }
    return true;
}

static bool check_httu(const SMMUv3State *s, SMMUv3Features *f, Error **errp)
{
    if (!s->httu || smmuv3_prop_is(s->httu, "off")) {
        f->httu = SMMU_HTTU_NONE;
    } else if (smmuv3_prop_is(s->httu, "access")) {
        f->httu = SMMU_HTTU_ACCESS;
    } else if (smmuv3_prop_is(s->httu, "dirty")) {
        f->httu = SMMU_HTTU_DIRTY;
    } else {
        error_setg(errp, "arm-smmuv3: httu is '%s', but must be 'off', "
                   "'access' (the Access flag) or 'dirty' (dirty state, too)",
                   s->httu);
        return false;
    }
    return true;
}

static bool check_config(SMMUv3State *s, Error **errp)
{
    SMMUv3Features f = {
        .ats = s->ats,
        .msi = s->msi,
        .perms_ovr = s->perms_ovr,
        .ssid_bits = s->ssidsize,
        .oas_bits = s->oas,
    };

    if (!check_stage(s, &f, errp) || !check_httu(s, &f, errp)) {
        return false;
    }
    if (s->oas != 44 && s->oas != 48) {
        error_setg(errp, "arm-smmuv3: oas is %u bits, but must be 44 or 48",
                   s->oas);
        return false;
    }
    if (s->ssidsize > SMMU_SSIDSIZE_MAX) {
        error_setg(errp, "arm-smmuv3: ssidsize is %u bits, but must be 0 to "
                   "%u", s->ssidsize, SMMU_SSIDSIZE_MAX);
        return false;
    }
    if (s->ssidsize && !f.s1p) {
        error_setg(errp, "arm-smmuv3: ssidsize=%u needs stage 1; use "
                   "stage=nested or ssidsize=0", s->ssidsize);
        return false;
    }
    if (s->caching_mode && f.httu) {
        error_setg(errp, "arm-smmuv3: caching-mode=on is for devices that do "
                   "not update the guest's tables; use httu=off");
        return false;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(s->idr); i++) {
        s->idr[i] = smmuv3_idr(&f, i);
    }
    return true;
}

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
    SMMUv3State *s = ARM_SMMUV3(obj);

    trace_smmu_reset_exit();
    smmuv3_control_cancel(s);
    smmuv3_cmdq_cancel(s);
    smmuv3_eventq_discard(s);
    smmuv3_regs_reset(s);
    viommu_reset(&s->viommu);
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
    if (!check_config(s, errp) ||
        !viommu_realize(&s->viommu, &model, OBJECT(s), smmu->primary_bus, NULL,
                        errp)) {
        return;
    }

    qemu_mutex_init(&s->lock);
    smmuv3_eventq_init(s);
    memory_region_init_io(&smmu->iomem, OBJECT(s), &smmuv3_mmio_ops, s,
                          TYPE_ARM_SMMUV3, SMMU_REG_SIZE);
    sysbus_init_mmio(sbd, &smmu->iomem);
    for (unsigned i = 0; i < SMMU_IRQS; i++) {
        sysbus_init_irq(sbd, &s->irq[i]);
    }

    smmuv3_control_init(s);
    smmuv3_cmdq_init(s);
    smmuv3_regs_reset(s);
    smmuv3_migration_init(s);
}

static const Property smmuv3_properties[] = {
    DEFINE_PROP_STRING("stage", SMMUv3State, stage),

    /* Ours.  An OAS of 52 would need the tables of FEAT_LPA and LPA2. */
    DEFINE_PROP_UINT8("oas", SMMUv3State, oas, 44),
    DEFINE_PROP_UINT8("ssidsize", SMMUv3State, ssidsize, 0),
    DEFINE_PROP_STRING("httu", SMMUv3State, httu),
    DEFINE_PROP_BOOL("ats", SMMUv3State, ats, false),
    DEFINE_PROP_BOOL("msi", SMMUv3State, msi, false),
    DEFINE_PROP_BOOL("attr-perms-ovr", SMMUv3State, perms_ovr, false),
    DEFINE_PROP_BOOL("caching-mode", SMMUv3State, caching_mode, false),
    DEFINE_VIOMMU_PROPERTIES(SMMUv3State, viommu),
};

static const VIOMMUPropertyHelp smmuv3_property_help[] = {
    { "stage", "stages of translation (IDR0.S1P, S2P): 1, 2, or nested, which "
               "is both; 1 if it is not given" },
    { "oas", "bits of an output address (IDR5.OAS), 44 or 48" },
    { "ssidsize", "bits of a SubstreamID, or PASID (IDR1.SSIDSIZE), up to 20; "
                  "0: no substreams" },
    { "httu", "hardware update of tables (IDR0.HTTU, and the machine's IORT): "
              "off, access (the Access flag) or dirty (dirty state, too); off "
              "if it is not given" },
    { "ats", "endpoints may have address translation caches of their own "
             "(IDR0.ATS)" },
    { "msi", "CMD_SYNC, events and GERROR can signal by MSI (IDR0.MSI)" },
    { "attr-perms-ovr", "an STE's PRIVCFG and INSTCFG count "
                        "(IDR1.ATTR_PERMS_OVR)" },
    { "caching-mode", "allow devices that keep a copy of the guest's tables "
                      "(vfio-pci); for guests that invalidate what they map, "
                      "which Linux does not" },
};

static void smmuv3_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    ResettableClass *rc = RESETTABLE_CLASS(klass);

    rc->phases.exit = smmuv3_reset_exit;
    dc->realize = smmuv3_realize;
    dc->vmsd = &smmuv3_vmstate;
    dc->desc = "Arm System Memory Management Unit version 3";
    device_class_set_props(dc, smmuv3_properties);
    viommu_describe(klass, smmuv3_property_help,
                    ARRAY_SIZE(smmuv3_property_help));
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

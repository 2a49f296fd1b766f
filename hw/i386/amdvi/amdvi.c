/*
 * AMD-Vi: the devices amd-iommu and AMDVI-PCI
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Our model in place of the base's, with its names, properties and defaults.
 * amdvi-internal.h lists the files and their jobs.
 */
#include "qemu/osdep.h"
#include "exec/address-spaces.h"
#include "hw/i386/pc.h"
#include "hw/iommu/ram-holes.h"
#include "hw/iommu/viommu-model.h"
#include "hw/pci/msi.h"
#include "hw/pci/pci_bus.h"
#include "kvm/kvm_i386.h"
#include "migration/vmstate.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "system/kvm.h"
#include "system/system.h"
#include "amdvi-internal.h"

/* Where the base has what else is in configuration space */
#define AMDVI_PCI_HT_CAP    0x5c
#define AMDVI_PCI_HT_SIZE   4
#define AMDVI_PCI_MSI_CAP   0x60

/*
 * PASIDs of as many bits as AMD's units have: Linux takes more for a bug of its
 * own and stops.  Two levels of GCR3 tables are enough for them.
 */
#define AMDVI_PASID_BITS    16

/* Guest translations, see amdvi-guest.c */
static uint64_t amdvi_guest_features(void)
{
    return AMDVI_EFR_GT_SUP | AMDVI_EFR_GIO_SUP |
           amdvi_put(AMDVI_EFR_GATS_5, AMDVI_EFR_GATS) |
           amdvi_put(AMDVI_EFR_GLX_SUP_2, AMDVI_EFR_GLX_SUP) |
           amdvi_put(AMDVI_PASID_BITS - 1, AMDVI_EFR_PAS_MAX);
}

uint64_t amdvi_extended_feature_register(AMDVIState *s)
{
    return AMDVI_EFR_IA_SUP | AMDVI_EFR_GA_SUP |
           amdvi_put(AMDVI_MODE_MAX - 4, AMDVI_EFR_HATS) |
           (s->xtsup ? AMDVI_EFR_XT_SUP : 0) |
           (s->gtsup ? amdvi_guest_features() : 0);
}

uint32_t amdvi_ivhd_features(AMDVIState *s)
{
    uint64_t efr = amdvi_extended_feature_register(s);

    return (efr & AMDVI_EFR_GT_SUP ? AMDVI_IVHD_GT_SUP : 0) |
           amdvi_put(amdvi_get(efr, AMDVI_EFR_GLX_SUP), AMDVI_IVHD_GLX_SUP) |
           amdvi_put(amdvi_get(efr, AMDVI_EFR_PAS_MAX), AMDVI_IVHD_PAS_MAX) |
           amdvi_put(amdvi_get(efr, AMDVI_EFR_GATS), AMDVI_IVHD_GATS);
}

void amdvi_ivhd_40h(GArray *table, unsigned len)
{
    g_autofree uint8_t *block = g_memdup2(table->data + table->len - len, len);

    block[0] = AMDVI_IVHD_TYPE_40H;
    g_array_append_vals(table, block, len);
}

/* AMDVI-PCI */

/* The guest would see a unit where there is none. */
static void amdvi_pci_machine_done(Notifier *notifier, void *unused)
{
    AMDVIPCIState *p = container_of(notifier, AMDVIPCIState, machine_done);
    const char *id = DEVICE(p)->id;

    if (!p->used) {
        warn_report("AMDVI-PCI '%s' is not the PCI function of any amd-iommu: "
                    "say '-device amd-iommu,pci-id=%s' behind it, or leave "
                    "it out", id ?: "", id ?: "ID");
    }
}

static void amdvi_pci_realize(PCIDevice *pdev, Error **errp)
{
    AMDVIPCIState *p = AMD_IOMMU_PCI(pdev);
    uint8_t *cap;
    int pos;

    pos = pci_add_capability(pdev, AMDVI_CAP_ID, 0, AMDVI_CAP_SIZE, errp);
    if (pos < 0) {
        return;
    }
    p->capab_offset = pos;
    if (pci_add_capability(pdev, PCI_CAP_ID_HT, AMDVI_PCI_HT_CAP,
                           AMDVI_PCI_HT_SIZE, errp) < 0 ||
        msi_init(pdev, AMDVI_PCI_MSI_CAP, 1, true, false, errp) < 0) {
        return;
    }
    pci_config_set_prog_interface(pdev->config, 0);
    p->machine_done.notify = amdvi_pci_machine_done;
    qemu_add_machine_init_done_notifier(&p->machine_done);

    /* All of it is read only, and stays through a reset. */
    cap = pdev->config + pos;
    pci_set_long(cap, pci_get_word(cap) | AMDVI_CAP_TYPE | AMDVI_CAP_IOTLB_SUP |
                 AMDVI_CAP_HT_TUNNEL | AMDVI_CAP_NP_CACHE | AMDVI_CAP_EFR_SUP |
                 AMDVI_CAP_EXT);
    pci_set_long(cap + AMDVI_CAP_BASE_LOW,
                 AMDVI_BASE_ADDR & AMDVI_CAP_BASE_LOW_ADDR);
    pci_set_long(cap + AMDVI_CAP_BASE_HIGH, AMDVI_BASE_ADDR >> 32);
    pci_set_long(cap + AMDVI_CAP_RANGE, AMDVI_CAP_RANGE_LAST);
    pci_set_long(cap + AMDVI_CAP_MISC, AMDVI_CAP_MISC_GVA_48 |
                 AMDVI_CAP_MISC_PA_40 | AMDVI_CAP_MISC_VA_48);
}

static void amdvi_pci_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    PCIDeviceClass *k = PCI_DEVICE_CLASS(klass);

    k->vendor_id = PCI_VENDOR_ID_AMD;
    k->device_id = 0x1419;
    k->class_id = 0x0806;           /* IOMMU */
    k->realize = amdvi_pci_realize;
    dc->vmsd = &amdvi_pci_vmstate;
    dc->hotpluggable = false;
    dc->desc = "AMD IOMMU (AMD-Vi) DMA Remapping device";
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
}

/* amd-iommu */

static bool amdvi_set_iommu_device(PCIBus *bus, void *opaque, int devfn,
                                   HostIOMMUDevice *hiod, Error **errp)
{
    return viommu_windows_set_host(opaque, bus, devfn, hiod, errp);
}

static void amdvi_unset_iommu_device(PCIBus *bus, void *opaque, int devfn)
{
    viommu_windows_unset_host(opaque, bus, devfn);
}

static const PCIIOMMUOps amdvi_pci_ops = {
    .get_address_space = viommu_get_address_space,
    .set_iommu_device = amdvi_set_iommu_device,
    .unset_iommu_device = amdvi_unset_iommu_device,
};

/*
 * In the exit phase: devices stop their DMA in the enter and hold phases, and
 * until then it goes where the guest directed it.
 */
static void amdvi_reset_exit(Object *obj, ResetType type)
{
    AMDVIState *s = AMD_IOMMU_DEVICE(obj);

    amdvi_cmd_cancel(s);
    viommu_events_discard(&s->events);
    amdvi_regs_reset(s);
    msi_reset(&s->pci->dev);
    viommu_reset(&s->viommu);
}

/* The device that pci-id names: one on @bus that is nobody's yet */
static AMDVIPCIState *amdvi_find_pci(const char *id, PCIBus *bus, Error **errp)
{
    PCIDevice *pdev = NULL;

    if (pci_qdev_find_device(id, &pdev) < 0 ||
        !object_dynamic_cast(OBJECT(pdev), TYPE_AMD_IOMMU_PCI)) {
        error_setg(errp, "amd-iommu: pci-id is '%s', but there is no device "
                   "AMDVI-PCI with this id; put '-device AMDVI-PCI,id=%s' "
                   "before amd-iommu, or leave pci-id out", id, id);
        return NULL;
    }
    if (pci_get_bus(pdev) != bus) {
        error_setg(errp, "amd-iommu: pci-id is '%s', but this device is not "
                   "on bus '%s', where the unit is", id, BUS(bus)->name);
        return NULL;
    }
    return AMD_IOMMU_PCI(pdev);
}

/* The unit as a PCI device: the operator's, or one of our own */
static bool amdvi_pci_attach(AMDVIState *s, PCIBus *bus, Error **errp)
{
    PCIDevice *pdev;

    if (s->pci_id) {
        s->pci = amdvi_find_pci(s->pci_id, bus, errp);
        if (s->pci) {
            s->pci->used = true;
        }
        return s->pci;
    }
    pdev = pci_new(-1, TYPE_AMD_IOMMU_PCI);
    if (!pci_realize_and_unref(pdev, bus, errp)) {
        return false;
    }
    s->pci = AMD_IOMMU_PCI(pdev);
    s->pci->used = true;
    return true;
}

static bool amdvi_check_properties(AMDVIState *s, X86MachineState *x86ms,
                                   Error **errp)
{
    if (!s->dma_remap) {
        error_setg(errp, "amd-iommu: dma-remap=off would let devices go past "
                   "the tables that the guest set up for them; leave it out");
        return false;
    }
    if (kvm_enabled() && x86ms->apic_id_limit > 255 && !s->xtsup) {
        error_setg(errp, "AMD IOMMU with x2APIC configuration requires "
                   "xtsup=on");
        return false;
    }
    if (s->xtsup && kvm_irqchip_is_split() && !kvm_enable_x2apic()) {
        error_setg(errp, "AMD IOMMU xtsup=on requires x2APIC support on the "
                   "KVM side");
        return false;
    }
    if (!X86_IOMMU_DEVICE(s)->pt_supported) {
        warn_report("amd-iommu: pt=off has no effect: the guest's tables say "
                    "which devices are untranslated");
    }
    return true;
}

static void amdvi_realize(DeviceState *dev, Error **errp)
{
    AMDVIState *s = AMD_IOMMU_DEVICE(dev);
    PCMachineState *pcms = PC_MACHINE(qdev_get_machine());
    X86MachineState *x86ms = X86_MACHINE(pcms);
    static const VIOMMUModel model = {
        .name = "amd",
        .type = TYPE_AMD_IOMMU_DEVICE,
        .ops = &amdvi_viommu_ops,
        .pci_ops = &amdvi_pci_ops,
        .direct_kinds = 1u << IOMMU_WINDOW_DIRECT,
        .direct_align = AMDVI_PAGE_SIZE,
    };

    if (!amdvi_check_properties(s, x86ms, errp) ||
        !amdvi_pci_attach(s, pcms->pcibus, errp) ||
        !amdvi_southbridge_realize(s, pcms->pcibus, errp)) {
        return;
    }
    s->policy.device_iotlb = true;
    if (!viommu_realize(&s->viommu, &model, OBJECT(s), pcms->pcibus,
                        &s->policy, errp)) {
        return;
    }

    qemu_mutex_init(&s->lock);
    s->viommu.keeps_absent = true; /* NpCache */
    s->efr = amdvi_extended_feature_register(s);
    memory_region_init_io(&s->mr_mmio, OBJECT(s), &amdvi_reg_ops, s,
                          "amdvi-mmio", AMDVI_MMIO_SIZE);
    memory_region_add_subregion(get_system_memory(), AMDVI_BASE_ADDR,
                                &s->mr_mmio);
    amdvi_event_init(s);
    amdvi_cmd_init(s);
    amdvi_migration_init(s);
    amdvi_window_init(s);
    x86ms->ioapic_as = &viommu_endpoint(&s->viommu, pcms->pcibus,
                                        AMDVI_IOAPIC_DEVFN)->as;
}

static const Property amdvi_properties[] = {
    DEFINE_PROP_BOOL("xtsup", AMDVIState, xtsup, false),
    DEFINE_PROP_BOOL("gtsup", AMDVIState, gtsup, false),
    DEFINE_PROP_BOOL("dma-remap", AMDVIState, dma_remap, true),
    DEFINE_PROP_STRING("pci-id", AMDVIState, pci_id),
    DEFINE_PROP_ON_OFF_AUTO("southbridge", AMDVIState, southbridge,
                            ON_OFF_AUTO_AUTO),
    DEFINE_PROP_VIOMMU_VIRTIO(AMDVIState, policy.virtio),
    DEFINE_VIOMMU_PROPERTIES(AMDVIState, viommu),
};

/* What "-device amd-iommu,help" says of each: what it does, and its unit */
static const VIOMMUPropertyHelp amdvi_property_help[] = {
    { "xtsup", "32-bit APIC IDs in interrupt remapping (EFR.XTSup), which a "
               "guest with x2APIC needs" },
    { "gtsup", "guest translations (EFR.GTSup and GIoSup): page tables of "
               "version 2, PASIDs and nesting, which Linux uses with "
               "amd_iommu=pgtbl_v2" },
    { "dma-remap", "DMA is translated; always on, and there for command lines "
                   "of newer QEMU" },
    { "pci-id", "id of the AMDVI-PCI device that is the unit's PCI function; "
                "one is made if it is not given" },
    { "southbridge", "an SMBus function at 00:14.0, where IVRS says that the "
                     "I/O APIC's interrupts come from (Linux 7.3 remaps none "
                     "without it): on/off/auto; auto is on with intremap, "
                     "unless another device is there" },
    { "virtio", "which virtio devices are translated: device (as each says), "
                "translate, bypass, require" },
    { "intremap", "interrupts are remapped: on/off/auto; auto is on, unless "
                  "KVM's irqchip is in the kernel" },
    { "device-iotlb", "without effect: devices may always have a TLB of their "
                      "own (IotlbSup)" },
    { "pt", "without effect: untranslated devices are the guest's choice" },
};

static void amdvi_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    X86IOMMUClass *x86_class = X86_IOMMU_DEVICE_CLASS(klass);

    RESETTABLE_CLASS(klass)->phases.exit = amdvi_reset_exit;
    dc->vmsd = &amdvi_vmstate;
    dc->hotpluggable = false;
    dc->desc = "AMD IOMMU (AMD-Vi) DMA Remapping device";
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
    device_class_set_props(dc, amdvi_properties);
    viommu_describe(klass, amdvi_property_help,
                    ARRAY_SIZE(amdvi_property_help));
    x86_class->realize = amdvi_realize;
    x86_class->int_remap = amdvi_int_remap;
}

static const TypeInfo amdvi_types[] = {
    {
        .name = TYPE_AMD_IOMMU_DEVICE,
        .parent = TYPE_X86_IOMMU_DEVICE,
        .instance_size = sizeof(AMDVIState),
        .class_init = amdvi_class_init,
    }, {
        .name = TYPE_AMD_IOMMU_PCI,
        .parent = TYPE_PCI_DEVICE,
        .instance_size = sizeof(AMDVIPCIState),
        .class_init = amdvi_pci_class_init,
        .interfaces = (InterfaceInfo[]) {
            { INTERFACE_CONVENTIONAL_PCI_DEVICE },
            { },
        },
    },
};

DEFINE_TYPES(amdvi_types)

static void amdvi_register_windows(void)
{
    ram_holes_model(TYPE_AMD_IOMMU_DEVICE, AMDVI_HT_FIRST, AMDVI_HT_LAST);
}

type_init(amdvi_register_windows)

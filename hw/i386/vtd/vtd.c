/*
 * VT-d: the intel-iommu device
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Our model in place of the base's, with its name, properties and defaults.
 * vtd-internal.h lists the files and their jobs.
 */
#include "qemu/osdep.h"
#include "exec/address-spaces.h"
#include "hw/i386/pc.h"
#include "hw/iommu/viommu-model.h"
#include "hw/pci-host/q35.h"
#include "hw/pci/pci.h"
#include "hw/pci/pci_bus.h"
#include "migration/vmstate.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "system/host_iommu_device.h"
#include "system/kvm.h"
#include "system/system.h"
#include "trace.h"
#include "vtd-ir.h"
#include "vtd-migration.h"
#include "vtd-props.h"
#include "vtd-tables.h"
#include "vtd-unit.h"

/* PCI */

typedef struct VTDHostKey {
    PCIBus *bus;             /* with devfn: the device's own, not an alias */
    int devfn;
} VTDHostKey;

static guint host_hash(gconstpointer v)
{
    const VTDHostKey *key = v;

    return g_direct_hash(key->bus) ^ (guint)key->devfn;
}

static gboolean host_equal(gconstpointer a, gconstpointer b)
{
    const VTDHostKey *x = a, *y = b;

    return x->bus == y->bus && x->devfn == y->devfn;
}

static bool vtd_set_iommu_device(PCIBus *bus, void *opaque, int devfn,
                                 HostIOMMUDevice *hiod, Error **errp)
{
    IntelIOMMUState *s = container_of(opaque, IntelIOMMUState, viommu);
    HostIOMMUDeviceClass *hiodc = HOST_IOMMU_DEVICE_GET_CLASS(hiod);
    VTDHostKey key = { .bus = bus, .devfn = devfn };
    int host_aw_bits;

    if (g_hash_table_contains(s->host_devices, &key)) {
        error_setg(errp, "Host IOMMU device already exist");
        return false;
    }
    if (!hiodc->get_cap) {
        error_setg(errp, ".get_cap() not implemented");
        return false;
    }
    host_aw_bits = hiodc->get_cap(hiod, HOST_IOMMU_DEVICE_CAP_AW_BITS, errp);
    if (host_aw_bits < 0) {
        return false;
    }
    if (s->fsts) {
        error_setg(errp, "intel-iommu: an assigned device cannot use a first "
                   "stage; give intel-iommu x-flts=off");
        return false;
    }
    if (s->aw_bits > host_aw_bits) {
        error_setg(errp, "aw-bits %d > host aw-bits %d", s->aw_bits,
                   host_aw_bits);
        error_append_hint(errp, "Give intel-iommu aw-bits=%d.\n",
                          VTD_HOST_AW_39BIT);
        return false;
    }
    if (!viommu_windows_set_host(&s->viommu, bus, devfn, hiod, errp)) {
        return false;
    }
    g_hash_table_insert(s->host_devices, g_memdup2(&key, sizeof(key)),
                        object_ref(hiod));
    return true;
}

static void vtd_unset_iommu_device(PCIBus *bus, void *opaque, int devfn)
{
    IntelIOMMUState *s = container_of(opaque, IntelIOMMUState, viommu);
    VTDHostKey key = { .bus = bus, .devfn = devfn };

    viommu_windows_unset_host(&s->viommu, bus, devfn);
    g_hash_table_remove(s->host_devices, &key);
}

static const PCIIOMMUOps vtd_pci_ops = {
    .get_address_space = viommu_get_address_space,
    .set_iommu_device = vtd_set_iommu_device,
    .unset_iommu_device = vtd_unset_iommu_device,
};

/*
 * A vfio-pci device that bypasses now asks for MAP notifications only once
 * the guest translates it, too late to refuse.  So it is refused here.
 */
static int refuse_vfio(Object *child, void *opaque)
{
    if (object_dynamic_cast(child, "vfio-pci")) {
        error_report("We need to set caching-mode=on for intel-iommu to "
                     "enable device assignment with IOMMU protection.");
        exit(1);
    }
    return 0;
}

static void vtd_machine_done(Notifier *notifier, void *unused)
{
    IntelIOMMUState *s = container_of(notifier, IntelIOMMUState, machine_done);

    if (!s->caching_mode) {
        object_child_foreach_recursive(object_get_root(), refuse_vfio, NULL);
    }
}

/* The device */

/*
 * In the exit phase: devices stop their DMA in the enter and hold phases, and
 * until then it goes where the guest directed it.
 */
static void vtd_reset_exit(Object *obj, ResetType type)
{
    IntelIOMMUState *s = INTEL_IOMMU_DEVICE(obj);

    vtd_unit_reset(s);
}

static void vtd_realize(DeviceState *dev, Error **errp)
{
    IntelIOMMUState *s = INTEL_IOMMU_DEVICE(dev);
    PCMachineState *pcms = PC_MACHINE(qdev_get_machine());
    X86MachineState *x86ms = X86_MACHINE(pcms);
    static VIOMMUOps vtd_machine_ops;
    static const VIOMMUModel model = {
        .name = "vtd",
        .type = TYPE_INTEL_IOMMU_DEVICE,
        .ops = &vtd_machine_ops,
        .pci_ops = &vtd_pci_ops,
        .direct_kinds = 1u << IOMMU_WINDOW_DIRECT,
        .direct_align = VTD_PAGE_SIZE,
    };

    if (!vtd_props_decide(s, errp)) {
        return;
    }
    /* The unit's answers, and where the machine's interrupts come in */
    vtd_machine_ops = vtd_viommu_ops;
    vtd_machine_ops.endpoint_init = vtd_ir_window_endpoint;
    s->policy.follows_tables = true;
    s->policy.device_iotlb = X86_IOMMU_DEVICE(s)->dt_supported;
    s->policy.device_iotlb_fix = "device-iotlb=on";
    if (!viommu_realize(&s->viommu, &model, OBJECT(s), pcms->pcibus,
                        &s->policy, errp)) {
        return;
    }

    s->host_devices = g_hash_table_new_full(host_hash, host_equal, g_free,
                                            object_unref);
    s->viommu.keeps_absent = s->caching_mode;
    vtd_unit_init(s);
    memory_region_init_io(&s->csrmem, OBJECT(s), &vtd_reg_ops, s,
                          "intel_iommu", s->reg_size);
    memory_region_add_subregion(get_system_memory(),
                                Q35_HOST_BRIDGE_IOMMU_ADDR, &s->csrmem);

    vtd_ir_window_init(s);
    s->ioapic = viommu_endpoint(&s->viommu, pcms->pcibus,
                                Q35_PSEUDO_DEVFN_IOAPIC);
    x86ms->ioapic_as = &s->ioapic->as;
    s->machine_done.notify = vtd_machine_done;
    qemu_add_machine_init_done_notifier(&s->machine_done);
}

static void vtd_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    X86IOMMUClass *x86_class = X86_IOMMU_DEVICE_CLASS(klass);
    ResettableClass *rc = RESETTABLE_CLASS(klass);

    rc->phases.exit = vtd_reset_exit;
    dc->vmsd = &vtd_vmstate;
    dc->hotpluggable = false;
    dc->desc = "Intel IOMMU (VT-d) DMA Remapping device";
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
    vtd_props_class_init(klass);
    x86_class->realize = vtd_realize;
    x86_class->int_remap = vtd_int_remap;
}

static const TypeInfo vtd_info = {
    .name = TYPE_INTEL_IOMMU_DEVICE,
    .parent = TYPE_X86_IOMMU_DEVICE,
    .instance_size = sizeof(IntelIOMMUState),
    .instance_init = vtd_props_instance_init,
    .class_init = vtd_class_init,
};

static void vtd_register_types(void)
{
    type_register_static(&vtd_info);
}

type_init(vtd_register_types)

/*
 * viommu-remote: the machine's side of interrupt remapping, on x86
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The base knows one IOMMU that remaps interrupts, a device of the type
 * x86-iommu: KVM asks it where messages lead, and the I/O APIC and KVM want it
 * to tell of changes.  It is a part of viommu-remote here, and has nothing else
 * of an IOMMU.
 */
#include "qemu/osdep.h"
#include "hw/i386/apic_internal.h"
#include "hw/i386/pc.h"
#include "hw/i386/x86-iommu.h"
#include "hw/pci-host/q35.h"
#include "kvm/kvm_i386.h"
#include "qapi/error.h"
#include "qemu/main-loop.h"
#include "qemu/module.h"
#include "system/kvm.h"
#include "../../i386/acpi-common.h"
#include "remote-internal.h"

QEMU_BUILD_BUG_ON(REMOTE_IOAPIC_RID !=
                  PCI_BUILD_BDF(Q35_PSEUDO_BUS_PLATFORM,
                                Q35_PSEUDO_DEVFN_IOAPIC));
QEMU_BUILD_BUG_ON(REMOTE_IOAPIC_ID != ACPI_BUILD_IOAPIC_ID);

#define TYPE_REMOTE_X86 "viommu-remote-x86"
OBJECT_DECLARE_SIMPLE_TYPE(RemoteX86, REMOTE_X86)

struct RemoteX86 {
    X86IOMMUState parent_obj;

    VIOMMURemote *remote;
};

/*
 * X86IOMMUClass.int_remap: KVM asks where a message would lead.  What is posted
 * has no route: see remote_x86_able().
 */
static int x86_int_remap(X86IOMMUState *iommu, MSIMessage *src,
                         MSIMessage *dst, uint16_t sid)
{
    /* Nobody but the I/O APIC asks without saying whose it is. */
    bool ioapic = sid == X86_IOMMU_SID_INVALID;
    const VRPRemap question = {
        .addr = src->address,
        .data = src->data,
        .rid = ioapic ? REMOTE_IOAPIC_RID : sid,
        .flags = ioapic ? VRP_REMAP_IOAPIC : 0,
    };
    VRPRemapped answer;

    BQL_LOCK_GUARD();
    if (remote_irq_remap(REMOTE_X86(iommu)->remote, &question, &answer) !=
        VRP_REMAP_SEND) {
        return -EINVAL;
    }
    *dst = (MSIMessage) { .address = answer.addr, .data = answer.data };
    return 0;
}

bool remote_x86_able(uint32_t *features, Error **errp)
{
    Object *pc = object_dynamic_cast(qdev_get_machine(), TYPE_PC_MACHINE);

    *features = 0;
    if (!pc) {
        error_setg(errp, TYPE_VIOMMU_REMOTE ": intremap=on is for x86's PCs "
                   "(q35, pc); remove it");
        return false;
    }
    if (PC_MACHINE(pc)->iommu) {
        error_setg(errp, TYPE_VIOMMU_REMOTE ": the machine has another IOMMU, "
                   "and only one can remap interrupts; remove it, or "
                   "intremap=on");
        return false;
    }
    if (kvm_irqchip_in_kernel() && !kvm_irqchip_is_split()) {
        error_setg(errp, TYPE_VIOMMU_REMOTE ": interrupts are not remapped "
                   "with kernel-irqchip=on; give -machine "
                   "kernel-irqchip=split, or remove intremap=on");
        return false;
    }
    /* Whether destinations have 32 bits, the server's unit says: VT-d's EIM */
    if (kvm_irqchip_is_split() && !kvm_enable_x2apic()) {
        error_setg(errp, TYPE_VIOMMU_REMOTE ": intremap=on requires support on "
                   "the KVM side (X2APIC_API, first shipped in v4.7); remove "
                   "it");
        return false;
    }
    /* KVM wants to know beforehand where each message leads. */
    *features = VRP_F_INTERRUPTS |
                (kvm_irqchip_in_kernel() ? 0 : VRP_F_POSTED);
    return true;
}

bool remote_x86_claim(VIOMMURemote *s, Error **errp)
{
    RemoteX86 *x86 = REMOTE_X86(object_new(TYPE_REMOTE_X86));

    x86->remote = s;
    X86_IOMMU_DEVICE(x86)->intr_supported = ON_OFF_AUTO_ON;
    object_property_add_child(OBJECT(s), "interrupts", OBJECT(x86));
    s->x86 = x86;
    if (!sysbus_realize_and_unref(SYS_BUS_DEVICE(x86), errp)) {
        s->x86 = NULL;
        return false;
    }
    return true;
}

void remote_x86_release(VIOMMURemote *s)
{
    if (s->x86) {
        /* The base never takes one away. */
        PC_MACHINE(qdev_get_machine())->iommu = NULL;
        object_unparent(OBJECT(s->x86));
        s->x86 = NULL;
    }
}

void remote_x86_start(VIOMMURemote *s)
{
    PCMachineState *pcms = PC_MACHINE(qdev_get_machine());

    s->ioapic = viommu_endpoint(&s->viommu, pcms->pcibus,
                                Q35_PSEUDO_DEVFN_IOAPIC);
    X86_MACHINE(pcms)->ioapic_as = &s->ioapic->as;
}

void remote_x86_send(uint64_t addr, uint32_t data)
{
    MSIMessage msg = { .address = addr, .data = data };

    apic_get_class(NULL)->send_msi(&msg);
}

void remote_x86_changed(VIOMMURemote *s)
{
    /* Not whose it is: what is asked about anew is as it was. */
    x86_iommu_iec_notify_all(X86_IOMMU_DEVICE(s->x86), true, 0, 0);
}

static void x86_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);

    dc->desc = "viommu-remote's interrupt remapping";
    dc->user_creatable = false;
    dc->hotpluggable = false;
    X86_IOMMU_DEVICE_CLASS(klass)->int_remap = x86_int_remap;
}

static const TypeInfo x86_type = {
    .name = TYPE_REMOTE_X86,
    .parent = TYPE_X86_IOMMU_DEVICE,
    .instance_size = sizeof(RemoteX86),
    .class_init = x86_class_init,
};

static void x86_register_types(void)
{
    type_register_static(&x86_type);
}

type_init(x86_register_types)

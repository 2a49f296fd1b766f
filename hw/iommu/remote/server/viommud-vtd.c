/*
 * qemu-viommud: what VT-d wants of a machine
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * In place of hw/i386/vtd/vtd.c, vtd-event.c and vtd-ir-window.c: the device
 * without a PCI bus, an APIC and a window for interrupts, which are the
 * client's; and of the base's x86-iommu, KVM and I/O APIC what the model asks
 * for.
 */
#include "qemu/osdep.h"
#include "hw/iommu/viommu-model.h"
#include "qapi/error.h"
#include "qemu/module.h"
#include "system/kvm.h"
#include "hw/i386/vtd/trace.h"
#include "hw/i386/vtd/vtd-fault.h"
#include "hw/i386/vtd/vtd-ir.h"
#include "hw/i386/vtd/vtd-migration.h"
#include "hw/i386/vtd/vtd-props.h"
#include "hw/i386/vtd/vtd-tables.h"
#include "hw/i386/vtd/vtd-unit.h"
#include "viommud-internal.h"

/* Who the unit is when it sends a message: software does not look. */
#define VTD_OWN_RID 0

/* No processor is here whose interrupt controller KVM could have. */
bool kvm_kernel_irqchip, kvm_split_irqchip;

bool kvm_enable_x2apic(void)
{
    return false;
}

/* Events */

void vtd_event_send(IntelIOMMUState *s, MSIMessage msg)
{
    trace_vtd_irq_generate(msg.address, msg.data);
    if (viommud.link) {
        vrs_interrupt(viommud.link, msg.address & ~3ull, msg.data,
                      VTD_OWN_RID);
    }
}

/* What all IOMMUs for x86 have */

bool x86_iommu_ir_supported(X86IOMMUState *s)
{
    return s->intr_supported == ON_OFF_AUTO_ON;
}

/* @mask: so many bits of @index do not matter (VT-d 6.5.2.7, IM). */
void x86_iommu_iec_notify_all(X86IOMMUState *iommu, bool global,
                              uint32_t index, uint32_t mask)
{
    uint64_t low = (1ull << mask) - 1;
    const VRPInvalidate inv = {
        .kind = global ? VRP_INV_INTERRUPT_ALL : VRP_INV_INTERRUPT,
        .first = index & ~low,
        .last = index | low,
    };

    viommud_invalidate(&inv);
}

/* Intel SDM 3, 11.11: the message that requests @irq */
void x86_iommu_irq_to_msi_message(X86IOMMUIrq *irq, MSIMessage *msg)
{
    msg->address = VTD_INTERRUPT_ADDR_FIRST |
                   (uint64_t)(irq->dest & 0xffffff00) << 32 |
                   (irq->dest & 0xff) << 12 | (irq->redir_hint & 1) << 3 |
                   (irq->dest_mode & 1) << 2 | (irq->msi_addr_last_bits & 3);
    msg->data = irq->vector | (irq->delivery_mode & 7) << 8 | 1 << 14 |
                (irq->trigger_mode & 1) << 15;
}

/* Interrupts: where they lead, the client keeps. */

bool vtd_ir_settle(VIOMMUBusy *busy)
{
    return viommu_busy_begin(busy);
}

/*
 * What changes without an invalidation may not be kept: a descriptor, and
 * whether compatibility format passes (GCMD.CFI).  That remapping is turned on
 * is invalidated like an entry.
 */
static bool vtd_remapped_stays(const VTDRemapped *remapped)
{
    return remapped->send && (remapped->by == VTD_REMAP_BY_ENTRY ||
                              remapped->by == VTD_REMAP_BY_NOTHING);
}

/* VRSOps.remap */
static void vtd_remap(void *opaque, const VRPRemap *question,
                      VRPRemapped *answer)
{
    IntelIOMMUState *s = INTEL_IOMMU_DEVICE(viommud.dev);
    const MSIMessage src = {
        .address = question->addr,
        .data = question->data,
    };
    VTDRequester who = {
        .sid = question->rid,
        .ioapic = question->flags & VRP_REMAP_IOAPIC,
    };
    uint32_t low = question->addr;
    VTDRemapped remapped;

    /* What was set up in a server before this one is nowhere. */
    if (!viommud.begun || low < VTD_INTERRUPT_ADDR_FIRST ||
        low > VTD_INTERRUPT_ADDR_LAST ||
        !vtd_remap_message(s, &src, who, question->flags & VRP_REMAP_REQUEST,
                           &remapped)) {
        return;
    }
    *answer = (VRPRemapped) {
        .verdict = remapped.send ? VRP_REMAP_SEND : VRP_REMAP_DONE,
        .addr = remapped.send ? remapped.msg.address : 0,
        .data = remapped.send ? remapped.msg.data : 0,
        .flags = vtd_remapped_stays(&remapped) ? VRP_REMAPPED_KEEP : 0,
        .index = remapped.by >= VTD_REMAP_BY_ENTRY ? remapped.index :
                                                     VRP_NO_ENTRY,
    };
}

static const Property vtd_parent_properties[] = {
    DEFINE_PROP_ON_OFF_AUTO("intremap", X86IOMMUState, intr_supported,
                            ON_OFF_AUTO_AUTO),
    DEFINE_PROP_BOOL("device-iotlb", X86IOMMUState, dt_supported, false),
    DEFINE_PROP_BOOL("pt", X86IOMMUState, pt_supported, true),
};

static void vtd_parent_class_init(ObjectClass *klass, void *data)
{
    device_class_set_props(DEVICE_CLASS(klass), vtd_parent_properties);
}

static const TypeInfo vtd_parent_type = {
    .name = TYPE_X86_IOMMU_DEVICE,
    .parent = TYPE_DEVICE,
    .instance_size = sizeof(X86IOMMUState),
    .class_size = sizeof(X86IOMMUClass),
    .class_init = vtd_parent_class_init,
    .abstract = true,
};

/* The device */

/* ECAP.IR and CAP.PI are there for the guest to see, so the client has to. */
static void vtd_offer_interrupts(IntelIOMMUState *s)
{
    viommud.ops.remap = vtd_remap;
    viommud.ops.needs |= VRP_F_INTERRUPTS;
    if (s->posted_interrupts) {
        viommud.ops.posts = true;
        viommud.ops.needs |= VRP_F_POSTED;
    }
}

static void vtd_realize(DeviceState *dev, Error **errp)
{
    IntelIOMMUState *s = INTEL_IOMMU_DEVICE(dev);
    static const VIOMMUModel model = {
        .name = "vtd",
        .type = TYPE_INTEL_IOMMU_DEVICE,
        .ops = &vtd_viommu_ops,
    };

    if (X86_IOMMU_DEVICE(s)->intr_supported == ON_OFF_AUTO_AUTO) {
        X86_IOMMU_DEVICE(s)->intr_supported = ON_OFF_AUTO_OFF;
    }
    if (!vtd_props_decide(s, errp) ||
        !viommu_realize(&s->viommu, &model, OBJECT(s), NULL, &s->policy,
                        errp)) {
        return;
    }
    vtd_unit_init(s);
    viommud_registers(&vtd_reg_ops, s, s->reg_size);
    viommud.ops.unit = VRP_UNIT_VTD;
    viommud.ops.address_bits = s->aw_bits;
    if (X86_IOMMU_DEVICE(s)->dt_supported) {
        viommud.ops.ats_fault = viommud_ats_fault;
    }
    if (x86_iommu_ir_supported(X86_IOMMU_DEVICE(s))) {
        vtd_offer_interrupts(s);
    }
    if (s->svm) {
        viommud.ops.page_request = viommud_page_request;
    }
}

static void vtd_reset_exit(Object *obj, ResetType type)
{
    vtd_unit_reset(INTEL_IOMMU_DEVICE(obj));
}

static void vtd_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);

    RESETTABLE_CLASS(klass)->phases.exit = vtd_reset_exit;
    dc->vmsd = &vtd_vmstate;
    dc->realize = vtd_realize;
    vtd_props_class_init(klass);
}

static const TypeInfo vtd_type = {
    .name = TYPE_INTEL_IOMMU_DEVICE,
    .parent = TYPE_X86_IOMMU_DEVICE,
    .instance_size = sizeof(IntelIOMMUState),
    .instance_init = vtd_props_instance_init,
    .class_init = vtd_class_init,
};

static void vtd_register_types(void)
{
    type_register_static(&vtd_parent_type);
    type_register_static(&vtd_type);
}

type_init(vtd_register_types)

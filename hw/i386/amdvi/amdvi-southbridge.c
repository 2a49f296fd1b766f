/*
 * AMD-Vi: a device where the I/O APIC's interrupts come from
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * IVRS's special entry names 00:14.0, as the base's does, because that is where
 * AMD's southbridges have their first function, and operating systems look for
 * it there: Linux up to 6.12 by the number, Linux 7.3 for a device of class
 * SMBus or ISA bridge.  On a q35 machine there is nothing.  So a second SMBus
 * controller of the machine's own kind is put there, which works and has
 * nothing on its bus: no identity is made up, and a driver that binds to it
 * finds what it expects.
 *
 * By "auto" it gives way to whatever the operator puts there, before or after
 * amd-iommu: it is plugged in when the machine is complete.
 */
#include "qemu/osdep.h"
#include "hw/pci/pci_bus.h"
#include "hw/southbridge/ich9.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/module.h"
#include "system/system.h"
#include "amdvi-internal.h"

static void amdvi_southbridge_plug(Notifier *notifier, void *data)
{
    Object *iommu = OBJECT(x86_iommu_get_default());
    AMDVIState *s = (AMDVIState *)object_dynamic_cast(iommu,
                                                      TYPE_AMD_IOMMU_DEVICE);
    PCIDevice *smbus = s ? s->smbus : NULL;
    PCIBus *bus;

    if (!smbus) {
        return;
    }
    s->smbus = NULL;
    bus = pci_get_bus(&s->pci->dev);
    if (bus->devices[AMDVI_IOAPIC_DEVFN]) {
        warn_report("amd-iommu: IVRS says that the I/O APIC's interrupts come "
                    "from 00:14.0, where there is a device '%s': Linux 7.3 "
                    "will not remap interrupts; put it at another address, or "
                    "say southbridge=off",
                    bus->devices[AMDVI_IOAPIC_DEVFN]->name);
        object_unref(OBJECT(smbus));
        return;
    }
    pci_realize_and_unref(smbus, bus, &error_fatal);
}

bool amdvi_southbridge_realize(AMDVIState *s, PCIBus *bus, Error **errp)
{
    PCIDevice *smbus;

    if (s->southbridge == ON_OFF_AUTO_OFF ||
        (s->southbridge == ON_OFF_AUTO_AUTO &&
         !x86_iommu_ir_supported(X86_IOMMU_DEVICE(s)))) {
        return true;
    }
    /* Made now, it is part of the machine and was not hot-plugged. */
    smbus = pci_new(AMDVI_IOAPIC_DEVFN, TYPE_ICH9_SMB_DEVICE);
    if (s->southbridge == ON_OFF_AUTO_AUTO) {
        s->smbus = smbus;
        return true;
    }
    if (!pci_realize_and_unref(smbus, bus, errp)) {
        error_prepend(errp, "amd-iommu: southbridge is 'on': ");
        return false;
    }
    return true;
}

/*
 * A PCI bus has a notifier of its own, which makes the devices that it finds
 * bus masters; one that is realized after it does so itself.  The notifier that
 * was added first runs last: this one is added before there is a bus.
 */
static void amdvi_southbridge_register(void)
{
    static Notifier notifier = { .notify = amdvi_southbridge_plug };

    qemu_add_machine_init_done_notifier(&notifier);
}

type_init(amdvi_southbridge_register)

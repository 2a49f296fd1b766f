/*
 * vIOMMU core: what firmware tables say of direct windows
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * viommu-direct.h makes the bytes; here is what they are made of: the devices
 * as they are when firmware asks.  Everything here runs under the BQL.
 */
#include "qemu/osdep.h"
#include "hw/acpi/aml-build.h"
#include "hw/iommu/viommu-direct.h"
#include "hw/pci/pci_bridge.h"
#include "hw/pci/pci_bus.h"
#include "hw/pci/pci_host.h"
#include "viommu-acpi-spec.h"
#include "viommu-internal.h"
#include "viommu-policy-internal.h"

/* PCI Firmware Specification 3.3, 4.6.5: 0, which is no list but is said */
#define DSM_PRESERVE 5

typedef struct DirectMachine {
    GPtrArray *roots;        /* VIOMMUBus, with windows */
    VIOMMUDirect d;
} DirectMachine;

static const IOMMUWindows direct_none;

const IOMMUWindows *viommu_windows_of(PCIDevice *dev)
{
    VIOMMUEndpoint *ep =
        viommu_of_address_space(pci_device_iommu_address_space(dev));

    return ep ? &ep->windows->list : NULL;
}

/* @copy, which was made of @bus, gets the devices' windows. */
static void direct_fill(DirectMachine *m, VIOMMUBus *copy, PCIBus *bus)
{
    bool truthful = viommu_policy_truthful();
    VIOMMUEndpoint *ep;
    unsigned i;

    /* Otherwise tables list all that is behind the unit. */
    copy->open_translated |= !truthful;
    for (i = 0; i < copy->n; i++) {
        VIOMMUFunction *fn = &copy->functions[i];
        PCIDevice *dev = bus->devices[fn->devfn];

        if (fn->below) {
            direct_fill(m, fn->below,
                        pci_bridge_get_sec_bus(PCI_BRIDGE(dev)));
            continue;
        }
        fn->translated |= !truthful;
        fn->requester = pci_requester_id(dev);
        ep = viommu_of_address_space(pci_device_iommu_address_space(dev));
        if (ep) {
            fn->windows = &ep->windows->list;
            m->d.all = &ep->viommu->reserved_ranges;
        }
    }
}

static int direct_root(Object *obj, void *opaque)
{
    DirectMachine *m = opaque;
    VIOMMUBus *copy;
    PCIBus *bus;

    if (object_dynamic_cast(obj, TYPE_PCI_HOST_BRIDGE)) {
        bus = PCI_HOST_BRIDGE(obj)->bus;
        if (bus && !pci_bus_bypass_iommu(bus)) {
            copy = viommu_policy_bus(bus);
            direct_fill(m, copy, bus);
            g_ptr_array_add(m->roots, copy);
        }
    }
    return 0;
}

static void direct_machine_init(DirectMachine *m)
{
    m->roots =
        g_ptr_array_new_with_free_func((GDestroyNotify)viommu_policy_bus_free);
    m->d.all = &direct_none;
    if (viommu_windows_tell_direct()) {
        object_child_foreach_recursive(object_get_root(), direct_root, m);
    }
    m->d.roots = (VIOMMUBus *const *)m->roots->pdata;
    m->d.n = m->roots->len;
}

static void direct_machine_clear(DirectMachine *m)
{
    g_ptr_array_unref(m->roots);
}

void viommu_windows_direct(IOMMUWindows *list)
{
    DirectMachine m;

    direct_machine_init(&m);
    viommu_direct_union(&m.d, list);
    direct_machine_clear(&m);
}

void viommu_windows_rmrr(GArray *table)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    DirectMachine m;

    direct_machine_init(&m);
    viommu_direct_rmrr(&m.d, bytes);
    g_array_append_vals(table, bytes->data, bytes->len);
    direct_machine_clear(&m);
}

void viommu_windows_ivmd(GArray *table)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    DirectMachine m;

    direct_machine_init(&m);
    viommu_direct_ivmd(&m.d, bytes);
    g_array_append_vals(table, bytes->data, bytes->len);
    direct_machine_clear(&m);
}

void viommu_windows_rmr(GArray *table, uint32_t iort, uint32_t smmu,
                        uint32_t id)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    uint8_t *head;
    DirectMachine m;
    unsigned n;

    if (!smmu) {
        return;
    }
    direct_machine_init(&m);
    n = viommu_direct_rmr(&m.d, bytes, smmu, id);
    if (n) {
        g_array_append_vals(table, bytes->data, bytes->len);
        head = (uint8_t *)table->data + iort;
        head[ACPI_REVISION] = MAX(head[ACPI_REVISION], IORT_REVISION_RMR);
        stl_le_p(head + IORT_NODE_COUNT, ldl_le_p(head + IORT_NODE_COUNT) + n);
    }
    direct_machine_clear(&m);
}

void *viommu_windows_e820(void *table, size_t *bytes)
{
    IOMMUWindows list = { 0 };
    GByteArray *out;

    viommu_windows_direct(&list);
    if (!list.n) {
        return table;
    }
    out = g_byte_array_new();
    viommu_direct_e820(table, *bytes, &list, out);
    iommu_windows_clear(&list);
    *bytes = out->len;
    return g_byte_array_free(out, false);
}

uint8_t viommu_windows_dsm_functions(void)
{
    IOMMUWindows list = { 0 };
    bool any;

    viommu_windows_direct(&list);
    any = list.n;
    iommu_windows_clear(&list);
    return any ? 1 << DSM_PRESERVE | 1 : 0;
}

void viommu_windows_dsm(Aml *uuid)
{
    Aml *function;

    if (viommu_windows_dsm_functions()) {
        function = aml_if(aml_equal(aml_arg(2), aml_int(DSM_PRESERVE)));
        aml_append(function, aml_return(aml_int(0)));
        aml_append(uuid, function);
    }
}

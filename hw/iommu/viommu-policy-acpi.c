/*
 * DMAR: the scopes of the endpoints that are translated
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * VT-d specification, chapter 8.  VIOT and IORT need no code of their own: they
 * take viommu_policy_rids().
 */
#include "qemu/osdep.h"
#include "hw/acpi/aml-build.h"
#include "hw/iommu/viommu-policy-acpi.h"
#include "hw/pci/pci_bridge.h"
#include "hw/pci/pci_bus.h"
#include "hw/pci/pci_host.h"
#include "viommu-policy-internal.h"

/* 8.3.1, Device Scope Structure: Type */
#define SCOPE_ENDPOINT      0x01
#define SCOPE_SUBHIERARCHY  0x02
#define SCOPE_FIXED_BYTES   6

/* 8.5, Root Port ATS Capability Reporting Structure */
#define ATSR_TYPE           2
#define ATSR_FIXED_BYTES    8

/* The devices on the way from the root bus to @dev, which is the last */
static unsigned path_length(PCIDevice *dev)
{
    PCIBus *bus = pci_get_bus(dev);

    return pci_bus_is_root(bus) ? 1 : path_length(bus->parent_dev) + 1;
}

static void append_path(GArray *blob, PCIDevice *dev)
{
    PCIBus *bus = pci_get_bus(dev);

    if (pci_bus_is_root(bus)) {
        build_append_int_noprefix(blob, pci_bus_num(bus), 1);
    } else {
        append_path(blob, bus->parent_dev);
    }
    build_append_int_noprefix(blob, PCI_SLOT(dev->devfn), 1);
    build_append_int_noprefix(blob, PCI_FUNC(dev->devfn), 1);
}

static void append_scope(GArray *blob, PCIDevice *dev, int type)
{
    build_append_int_noprefix(blob, type, 1);
    build_append_int_noprefix(blob, SCOPE_FIXED_BYTES + 2 * path_length(dev),
                              1);
    build_append_int_noprefix(blob, 0, 2);      /* Reserved */
    build_append_int_noprefix(blob, 0, 1);      /* Enumeration ID */
    append_path(blob, dev);                     /* after Start Bus Number */
}

static void append_translated(GArray *blob, PCIDevice *dev)
{
    bool bridge = object_dynamic_cast(OBJECT(dev), TYPE_PCI_BRIDGE);
    PCIBus *bus;
    int devfn;

    switch (viommu_policy_listed(dev)) {
    case VIOMMU_LISTED_NONE:
        return;
    case VIOMMU_LISTED_ALL:
        append_scope(blob, dev, bridge ? SCOPE_SUBHIERARCHY : SCOPE_ENDPOINT);
        return;
    case VIOMMU_LISTED_SOME:
        /* Only a bridge. A scope for it would cover everything below it. */
        bus = pci_bridge_get_sec_bus(PCI_BRIDGE(dev));
        for (devfn = 0; devfn < PCI_DEVFN_MAX; devfn++) {
            if (bus->devices[devfn]) {
                append_translated(blob, bus->devices[devfn]);
            }
        }
        return;
    }
}

bool viommu_policy_dmar_scope(PCIDevice *dev, GArray *blob)
{
    if (!viommu_policy_truthful()) {
        return false;
    }
    append_translated(blob, dev);
    return true;
}

typedef struct RootPorts {
    GArray *scopes;
    bool all;                /* nothing below any of them bypasses */
} RootPorts;

static void add_root_port(PCIBus *bus, PCIDevice *dev, void *opaque)
{
    RootPorts *ports = opaque;
    VIOMMUListed listed;

    if (!pci_is_express(dev) ||
        pcie_cap_get_type(dev) != PCI_EXP_TYPE_ROOT_PORT) {
        return;
    }
    listed = viommu_policy_listed(dev);
    ports->all &= listed == VIOMMU_LISTED_ALL;
    if (listed != VIOMMU_LISTED_NONE) {
        append_scope(ports->scopes, dev, SCOPE_SUBHIERARCHY);
    }
}

static int add_host_bridge(Object *obj, void *opaque)
{
    PCIBus *bus;

    if (object_dynamic_cast(obj, TYPE_PCI_HOST_BRIDGE)) {
        bus = PCI_HOST_BRIDGE(obj)->bus;
        if (bus && !pci_bus_bypass_iommu(bus)) {
            pci_for_each_device_under_bus(bus, add_root_port, opaque);
        }
    }
    return 0;
}

bool viommu_policy_dmar_atsr(GArray *table)
{
    g_autoptr(GArray) scopes = g_array_new(false, true, 1);
    RootPorts ports = { .scopes = scopes, .all = true };

    if (!viommu_policy_truthful()) {
        return false;
    }
    object_child_foreach_recursive(object_get_root(), add_host_bridge, &ports);
    if (ports.all) {
        return false;
    }
    if (scopes->len) {
        build_append_int_noprefix(table, ATSR_TYPE, 2);
        build_append_int_noprefix(table, ATSR_FIXED_BYTES + scopes->len, 2);
        build_append_int_noprefix(table, 0, 1);     /* Flags: not ALL_PORTS */
        build_append_int_noprefix(table, 0, 1);     /* Reserved */
        build_append_int_noprefix(table, 0, 2);     /* Segment Number */
        g_array_append_vals(table, scopes->data, scopes->len);
    }
    return true;
}

/*
 * virt: what the device tree tells of the windows of devices behind the SMMU
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A window is a child of /reserved-memory with "iommu-addresses" for each
 * device that has it.  Where it is mapped one to one it has a "reg", too.  A
 * device is a node below the PCI host bridge, which points back with
 * "memory-region".  Nobody has numbered the other buses when the tree is made,
 * and a bridge's node would have to route the interrupts behind it; so devices
 * behind bridges have none.
 */
#include "qemu/osdep.h"
#include "hw/arm/virt.h"
#include "hw/arm/virt-viommu-policy.h"
#include "hw/iommu/viommu-policy.h"
#include "hw/iommu/viommu-windows.h"
#include "hw/pci/pci_bridge.h"
#include "hw/pci/pci_bus.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "system/device_tree.h"

#define RESERVED_MEMORY "/reserved-memory"
/* PCI Bus Binding to IEEE Std 1275, 2.2.1.1: memory of 64 bits */
#define PCI_MEMORY_64   0x03000000
/* Of an address below a PCI host bridge, and of a size */
#define PCI_CELLS       5

typedef struct WindowsTree {
    VirtMachineState *vms;
    void *fdt;
    GArray *windows;         /* IOMMUWindow: each has a node, */
    GPtrArray *nodes;        /* of this name, */
    GPtrArray *addresses;    /* with this "iommu-addresses": GArray of cells */
} WindowsTree;

/* Is @w something that a tree can tell of? */
static bool windows_told(const IOMMUWindow *w)
{
    return w->kind == IOMMU_WINDOW_RESERVED || iommu_window_is_direct(w);
}

static void cells_add(GArray *cells, uint64_t value, unsigned n)
{
    while (n--) {
        const uint32_t cell = cpu_to_be32(n < 2 ? value >> 32 * n : 0);

        g_array_append_val(cells, cell);
    }
}

static void windows_reserved_memory(WindowsTree *t)
{
    if (t->windows->len) {
        return;
    }
    qemu_fdt_add_path(t->fdt, RESERVED_MEMORY);
    qemu_fdt_setprop_cell(t->fdt, RESERVED_MEMORY, "#address-cells", 2);
    qemu_fdt_setprop_cell(t->fdt, RESERVED_MEMORY, "#size-cells", 2);
    qemu_fdt_setprop(t->fdt, RESERVED_MEMORY, "ranges", NULL, 0);
}

/* The index of @w's node, which is made if there is none */
static unsigned windows_node(WindowsTree *t, const IOMMUWindow *w)
{
    char *node;
    unsigned i;

    for (i = 0; i < t->windows->len; i++) {
        const IOMMUWindow *old = &g_array_index(t->windows, IOMMUWindow, i);

        if (old->first == w->first && old->last == w->last &&
            iommu_window_is_direct(old) == iommu_window_is_direct(w)) {
            return i;
        }
    }
    windows_reserved_memory(t);
    node = g_strdup_printf(RESERVED_MEMORY "/viommu-window-%u@%" PRIx64, i,
                           w->first);
    qemu_fdt_add_subnode(t->fdt, node);
    if (iommu_window_is_direct(w)) {
        qemu_fdt_setprop_sized_cells(t->fdt, node, "reg", 2, w->first, 2,
                                     w->last - w->first + 1);
        qemu_fdt_setprop(t->fdt, node, "no-map", NULL, 0);
    }
    qemu_fdt_setprop_cell(t->fdt, node, "phandle",
                          qemu_fdt_alloc_phandle(t->fdt));
    g_array_append_val(t->windows, *w);
    g_ptr_array_add(t->nodes, node);
    g_ptr_array_add(t->addresses, g_array_new(false, false, 4));
    return i;
}

/* The node of @dev, which is on the root bus.  Returns: its phandle. */
static uint32_t windows_device(WindowsTree *t, PCIDevice *dev,
                               const GArray *regions)
{
    uint32_t phandle = qemu_fdt_alloc_phandle(t->fdt);
    g_autoptr(GArray) reg = g_array_new(false, false, 4);
    g_autofree char *node =
        g_strdup_printf("%s/device@%x,%x", t->vms->pciehb_nodename,
                        PCI_SLOT(dev->devfn), PCI_FUNC(dev->devfn));

    cells_add(reg, dev->devfn << 8, 1);
    cells_add(reg, 0, PCI_CELLS - 1);
    qemu_fdt_add_subnode(t->fdt, node);
    qemu_fdt_setprop(t->fdt, node, "reg", reg->data, reg->len * 4);
    qemu_fdt_setprop_cell(t->fdt, node, "phandle", phandle);
    qemu_fdt_setprop(t->fdt, node, "memory-region", regions->data,
                     regions->len * 4);
    return phandle;
}

static void windows_device_tell(WindowsTree *t, PCIDevice *dev,
                                const IOMMUWindows *list)
{
    g_autoptr(GArray) regions = g_array_new(false, false, 4);
    uint32_t phandle;
    unsigned i;

    for (i = 0; i < list->n; i++) {
        if (windows_told(&list->at[i])) {
            unsigned at = windows_node(t, &list->at[i]);
            const char *node = g_ptr_array_index(t->nodes, at);

            cells_add(regions, qemu_fdt_get_phandle(t->fdt, node), 1);
        }
    }
    if (!regions->len) {
        return;
    }
    phandle = windows_device(t, dev, regions);
    for (i = 0; i < list->n; i++) {
        const IOMMUWindow *w = &list->at[i];

        if (windows_told(w)) {
            unsigned at = windows_node(t, w);
            GArray *cells = g_ptr_array_index(t->addresses, at);

            cells_add(cells, phandle, 1);
            cells_add(cells, PCI_MEMORY_64, 1);
            cells_add(cells, w->first, 2);
            cells_add(cells, w->last - w->first + 1, 2);
        }
    }
}

/* Has @dev, or something behind it, windows that are not told? */
static void windows_untold(PCIBus *bus, PCIDevice *dev, void *opaque)
{
    const IOMMUWindows *list = viommu_windows_of(dev);
    bool *untold = opaque;
    unsigned i;

    for (i = 0; list && i < list->n; i++) {
        *untold |= windows_told(&list->at[i]);
    }
    if (object_dynamic_cast(OBJECT(dev), TYPE_PCI_BRIDGE)) {
        pci_for_each_device_under_bus(pci_bridge_get_sec_bus(PCI_BRIDGE(dev)),
                                      windows_untold, opaque);
    }
}

static void windows_tell(WindowsTree *t, PCIBus *bus)
{
    bool untold = false;
    unsigned devfn, i;

    for (devfn = 0; devfn < PCI_DEVFN_MAX; devfn++) {
        PCIDevice *dev = bus->devices[devfn];
        const IOMMUWindows *list;

        if (!dev || viommu_policy_unlisted(bus, devfn)) {
            continue;
        }
        if (object_dynamic_cast(OBJECT(dev), TYPE_PCI_BRIDGE)) {
            pci_for_each_device_under_bus(
                pci_bridge_get_sec_bus(PCI_BRIDGE(dev)), windows_untold,
                &untold);
            continue;
        }
        list = viommu_windows_of(dev);
        if (list) {
            windows_device_tell(t, dev, list);
        }
    }
    for (i = 0; i < t->nodes->len; i++) {
        const GArray *cells = g_ptr_array_index(t->addresses, i);

        qemu_fdt_setprop(t->fdt, g_ptr_array_index(t->nodes, i),
                         "iommu-addresses", cells->data, cells->len * 4);
    }
    if (untold) {
        warn_report("the device tree does not tell of reserved-ranges of "
                    "devices behind PCI bridges: boot with firmware and ACPI, "
                    "or put the devices on the root bus");
    }
}

void virt_viommu_windows_fdt(VirtMachineState *vms)
{
    WindowsTree t = { .vms = vms, .fdt = MACHINE(vms)->fdt };

    if (vms->iommu != VIRT_IOMMU_SMMUV3) {
        return;
    }
    if (vms->bootinfo.firmware_loaded && virt_is_acpi_enabled(vms)) {
        return;
    }
    if (!vms->iommu_phandle || vms->default_bus_bypass_iommu) {
        return;
    }
    t.windows = g_array_new(false, false, sizeof(IOMMUWindow));
    t.nodes = g_ptr_array_new_with_free_func(g_free);
    t.addresses =
        g_ptr_array_new_with_free_func((GDestroyNotify)g_array_unref);
    windows_tell(&t, vms->bus);
    g_array_unref(t.windows);
    g_ptr_array_unref(t.nodes);
    g_ptr_array_unref(t.addresses);
}

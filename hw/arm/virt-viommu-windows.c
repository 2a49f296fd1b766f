/*
 * virt: what the device tree tells of the windows of devices behind the SMMU
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A window is a child of /reserved-memory with "iommu-addresses" for each
 * device that has it.  Where it is mapped one to one it has a "reg", too.  A
 * device is a node below the PCI host bridge, or below the node of the bridge
 * that it is behind, which points back with "memory-region".  Nobody has
 * numbered the buses behind bridges when the tree is made, nor has software to
 * know their numbers: a node is found by its device and function.
 */
#include "qemu/osdep.h"
#include "hw/arm/virt.h"
#include "hw/arm/virt-viommu-policy.h"
#include "hw/iommu/viommu-policy.h"
#include "hw/iommu/viommu-windows.h"
#include "hw/pci/pci_bridge.h"
#include "hw/pci/pci_bus.h"
#include "qapi/error.h"
#include "system/device_tree.h"

#define RESERVED_MEMORY "/reserved-memory"
/* PCI Bus Binding to IEEE Std 1275, 2.2.1.1: memory of 64 bits */
#define PCI_MEMORY_64   0x03000000
/* Of an address on a PCI bus; with a size */
#define PCI_ADDRESS_CELLS 3
#define PCI_CELLS         5

typedef struct WindowsTree {
    VirtMachineState *vms;
    void *fdt;
    bool behind;             /* what is behind bridges is translated */
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

/* The node of @dev, below @bus.  Returns: its path. */
static char *windows_function(WindowsTree *t, PCIDevice *dev, const char *bus,
                              const char *name)
{
    g_autoptr(GArray) reg = g_array_new(false, false, 4);
    char *node = g_strdup_printf("%s/%s@%x,%x", bus, name,
                                 PCI_SLOT(dev->devfn), PCI_FUNC(dev->devfn));

    cells_add(reg, dev->devfn << 8, 1);
    cells_add(reg, 0, PCI_CELLS - 1);
    qemu_fdt_add_subnode(t->fdt, node);
    qemu_fdt_setprop(t->fdt, node, "reg", reg->data, reg->len * 4);
    return node;
}

/* Returns: the phandle of @node, which gets one if it has none */
static uint32_t windows_phandle(WindowsTree *t, const char *node)
{
    Error *none = NULL;
    uint32_t phandle = qemu_fdt_getprop_cell(t->fdt, node, "phandle", NULL,
                                             &none);

    if (none) {
        error_free(none);
        phandle = qemu_fdt_alloc_phandle(t->fdt);
        qemu_fdt_setprop_cell(t->fdt, node, "phandle", phandle);
    }
    return phandle;
}

/*
 * Wired interrupts from behind @bridge, by device and pin: software that finds
 * a bridge's node expects to find there which pin of the bridge each is
 * (PCI-to-PCI Bridge Architecture 1.2, 9.1).
 */
static void windows_interrupts(WindowsTree *t, PCIDevice *bridge,
                               const char *node, uint32_t parent)
{
    g_autoptr(GArray) map = g_array_new(false, false, 4);
    unsigned slot, pin;

    for (slot = 0; slot < PCI_NUM_PINS; slot++) {
        for (pin = 0; pin < PCI_NUM_PINS; pin++) {
            cells_add(map, PCI_DEVFN(slot, 0) << 8, 1);
            cells_add(map, 0, PCI_ADDRESS_CELLS - 1);
            cells_add(map, pin + 1, 1);
            cells_add(map, parent, 1);
            cells_add(map, bridge->devfn << 8, 1);
            cells_add(map, 0, PCI_ADDRESS_CELLS - 1);
            cells_add(map, (slot + pin) % PCI_NUM_PINS + 1, 1);
        }
    }
    qemu_fdt_setprop_cell(t->fdt, node, "#interrupt-cells", 1);
    qemu_fdt_setprop_cells(t->fdt, node, "interrupt-map-mask",
                           PCI_DEVFN(PCI_NUM_PINS - 1, 0) << 8, 0, 0, 7);
    qemu_fdt_setprop(t->fdt, node, "interrupt-map", map->data, map->len * 4);
}

/* The node of @bridge, below @bus.  Returns: its path. */
static char *windows_bridge(WindowsTree *t, PCIDevice *bridge, const char *bus)
{
    char *node = windows_function(t, bridge, bus, "pci");

    qemu_fdt_setprop_string(t->fdt, node, "device_type", "pci");
    qemu_fdt_setprop_cell(t->fdt, node, "#address-cells", PCI_ADDRESS_CELLS);
    qemu_fdt_setprop_cell(t->fdt, node, "#size-cells",
                          PCI_CELLS - PCI_ADDRESS_CELLS);
    qemu_fdt_setprop(t->fdt, node, "ranges", NULL, 0);
    windows_interrupts(t, bridge, node, windows_phandle(t, bus));
    return node;
}

/* The node of @dev, below @bus.  Returns: its phandle. */
static uint32_t windows_device(WindowsTree *t, PCIDevice *dev, const char *bus,
                               const GArray *regions)
{
    g_autofree char *node = windows_function(t, dev, bus, "device");
    uint32_t phandle = windows_phandle(t, node);

    qemu_fdt_setprop(t->fdt, node, "memory-region", regions->data,
                     regions->len * 4);
    return phandle;
}

static void windows_device_tell(WindowsTree *t, PCIDevice *dev,
                                const char *bus, const IOMMUWindows *list)
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
    phandle = windows_device(t, dev, bus, regions);
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

/* Has @dev, or something behind it, windows that are told? */
static void windows_below(PCIBus *bus, PCIDevice *dev, void *opaque)
{
    const IOMMUWindows *list = viommu_windows_of(dev);
    bool *any = opaque;
    unsigned i;

    for (i = 0; list && i < list->n; i++) {
        *any |= windows_told(&list->at[i]);
    }
    if (object_dynamic_cast(OBJECT(dev), TYPE_PCI_BRIDGE)) {
        pci_for_each_device_under_bus(pci_bridge_get_sec_bus(PCI_BRIDGE(dev)),
                                      windows_below, opaque);
    }
}

/* What is on @bus, of the node @node, and behind its bridges */
static void windows_tell_bus(WindowsTree *t, PCIBus *bus, const char *node)
{
    unsigned devfn;

    for (devfn = 0; devfn < PCI_DEVFN_MAX; devfn++) {
        PCIDevice *dev = bus->devices[devfn];
        const IOMMUWindows *list;

        /* Of buses without a number the tree says the same of all devices. */
        if (!dev || (pci_bus_is_root(bus) &&
                     viommu_policy_unlisted(bus, devfn))) {
            continue;
        }
        if (object_dynamic_cast(OBJECT(dev), TYPE_PCI_BRIDGE)) {
            PCIBus *sec = pci_bridge_get_sec_bus(PCI_BRIDGE(dev));
            bool any = false;

            if (t->behind) {
                pci_for_each_device_under_bus(sec, windows_below, &any);
            }
            if (any) {
                g_autofree char *below = windows_bridge(t, dev, node);

                windows_tell_bus(t, sec, below);
            }
            continue;
        }
        list = viommu_windows_of(dev);
        if (list) {
            windows_device_tell(t, dev, node, list);
        }
    }
}

static void windows_tell(WindowsTree *t)
{
    unsigned i;

    windows_tell_bus(t, t->vms->bus, t->vms->pciehb_nodename);
    for (i = 0; i < t->nodes->len; i++) {
        const GArray *cells = g_ptr_array_index(t->addresses, i);

        qemu_fdt_setprop(t->fdt, g_ptr_array_index(t->nodes, i),
                         "iommu-addresses", cells->data, cells->len * 4);
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
    t.behind = !viommu_policy_truthful() ||
               viommu_policy_unnumbered(vms->bus) != VIOMMU_LISTED_NONE;
    t.windows = g_array_new(false, false, sizeof(IOMMUWindow));
    t.nodes = g_ptr_array_new_with_free_func(g_free);
    t.addresses =
        g_ptr_array_new_with_free_func((GDestroyNotify)g_array_unref);
    windows_tell(&t);
    g_array_unref(t.windows);
    g_ptr_array_unref(t.nodes);
    g_ptr_array_unref(t.addresses);
}

/*
 * What the guest was told about who is behind the vIOMMU
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The guest sets up a device's DMA and interrupts by what firmware tables said
 * of its requester ID when it read them.  That decides how the device is
 * treated, whatever is plugged in meanwhile, until the guest is told again:
 * after a reset.  The tables' own bytes are what is kept: they come along with
 * the guest when it is migrated, from a stock QEMU, too.
 *
 * A device tree is made once and is not migrated: the destination goes by its
 * own, which says the same if its devices were given alike.
 *
 * BQL.
 */
#include "qemu/osdep.h"
#include "hw/pci/pci_bridge.h"
#include "hw/pci/pci_bus.h"
#include "exec/cpu-common.h"
#include "exec/memory.h"
#include "exec/ramblock.h"
#include "qemu/notify.h"
#include "system/reset.h"
#include "system/runstate.h"
#include "trace.h"
#include "viommu-policy-internal.h"

/* Where hw/core/loader.c keeps ACPI tables, in the guest's RAM stream */
#define TABLES_RAM_BLOCK "/rom@etc/acpi/tables"

/* Before those of virtio devices, which start then */
#define TOLD_PRIORITY (-1)

static struct {
    VIOMMURids *tables;      /* NULL: not read since the reset */
    VIOMMURids *tree;        /* NULL: the guest has none, or ACPI besides */
    bool loaded;             /* the guest has just come from elsewhere */
    bool started;
} told;

static NotifierList told_notifiers =
    NOTIFIER_LIST_INITIALIZER(told_notifiers);

void viommu_policy_told_add_notifier(Notifier *notifier)
{
    notifier_list_add(&told_notifiers, notifier);
}

static void told_read(const uint8_t *tables, size_t len)
{
    g_autoptr(GPtrArray) roots = viommu_policy_roots();
    VIOMMURids *rids = g_new0(VIOMMURids, 1);

    g_free(told.tables);
    told.tables = NULL;
    if (viommu_told(rids, tables, len, (VIOMMUBus *const *)roots->pdata,
                    roots->len)) {
        told.tables = rids;
    } else {
        g_free(rids);
    }
    trace_viommu_policy_told(told.tables != NULL);
    notifier_list_notify(&told_notifiers, NULL);
}

void viommu_policy_told(const GArray *tables)
{
    if (viommu_policy_truthful()) {
        told_read((const uint8_t *)tables->data, tables->len);
    }
}

void viommu_policy_told_tree(VIOMMURids *rids)
{
    told.tree = rids;
}

static void told_reset(void *opaque)
{
    g_free(told.tables);
    told.tables = NULL;
    notifier_list_notify(&told_notifiers, NULL);
}

void viommu_policy_loaded(void)
{
    told.loaded = true;
}

/* Now every bridge has its bus numbers again. */
static void told_state_change(void *opaque, bool running, RunState state)
{
    RAMBlock *block;

    if (!running || !told.loaded) {
        return;
    }
    told.loaded = false;
    block = qemu_ram_block_by_name(TABLES_RAM_BLOCK);
    if (block && viommu_policy_truthful()) {
        told_read(qemu_ram_get_host_addr(block),
                  qemu_ram_get_used_length(block));
    }
}

void viommu_policy_told_start(void)
{
    if (!told.started) {
        told.started = true;
        qemu_register_reset(told_reset, NULL);
        qemu_add_vm_change_state_handler_prio(told_state_change, NULL,
                                              TOLD_PRIORITY);
    }
}

/* As pci_device_iommu_address_space() sees it (PCIe-to-PCI/X bridge, 2.3) */
static void told_requester(PCIDevice *dev, PCIBus **bus, uint8_t *devfn)
{
    PCIBus *up = pci_get_bus(dev);

    *bus = up;
    *devfn = dev->devfn;
    for (; !pci_bus_is_root(up); up = pci_get_bus(up->parent_dev)) {
        PCIDevice *bridge = up->parent_dev;

        if (pci_bus_is_express(up)) {
            continue;
        }
        if (pci_is_express(bridge) &&
            pcie_cap_get_type(bridge) == PCI_EXP_TYPE_PCI_BRIDGE) {
            *bus = up;
            *devfn = 0;
        } else {
            *bus = pci_get_bus(bridge);
            *devfn = bridge->devfn;
        }
    }
}

/* What the guest knows of @devfn on @bus; false if it knows nothing yet. */
static bool told_of(PCIBus *bus, uint8_t devfn, bool *listed)
{
    uint8_t number = pci_bus_num(bus);
    bool numbered = number || pci_bus_is_root(bus);

    if (told.tables && numbered) {
        *listed = viommu_rids_have(told.tables, PCI_BUILD_BDF(number, devfn));
        return true;
    }
    if (told.tree) {
        /* It says the same of all that is behind bridges. */
        *listed = viommu_rids_have(told.tree,
                                   PCI_BUILD_BDF(numbered ? number : 1,
                                                 devfn));
        return true;
    }
    return false;
}

bool viommu_policy_told_of(PCIDevice *dev, bool *listed)
{
    PCIBus *bus;
    uint8_t devfn;

    if (!viommu_policy_truthful()) {
        return false;
    }
    told_requester(dev, &bus, &devfn);
    return told_of(bus, devfn, listed);
}

bool viommu_policy_shared(PCIBus *bus)
{
    return !pci_bus_is_express(bus) && !pci_bus_is_root(bus);
}

bool viommu_policy_unlisted(PCIBus *bus, uint8_t devfn)
{
    PCIDevice *dev = viommu_policy_shared(bus) ? bus->parent_dev :
                                                 bus->devices[devfn];
    bool listed;

    if (!viommu_policy_truthful() || !viommu_policy_of_bus(bus)) {
        return false;
    }
    if (told_of(bus, devfn, &listed)) {
        return !listed;
    }
    return dev && viommu_policy_bypasses(dev);
}

/*
 * Which endpoints firmware tables list: what is translated
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a table says must hold when the guest reads it; so this looks at the
 * devices as they are now, and tables are built anew whenever firmware asks.
 */
#include "qemu/osdep.h"
#include "hw/pci/pci_bridge.h"
#include "hw/pci/pci_bus.h"
#include "hw/pci/pci_host.h"
#include "hw/virtio/virtio-bus.h"
#include "viommu-policy-internal.h"

VirtIODevice *viommu_policy_virtio(PCIDevice *dev)
{
    BusState *bus;

    QLIST_FOREACH(bus, &DEVICE(dev)->child_bus, sibling) {
        if (object_dynamic_cast(OBJECT(bus), TYPE_VIRTIO_BUS)) {
            return virtio_bus_get_device(VIRTIO_BUS(bus));
        }
    }
    return NULL;
}

static bool endpoint_translated(PCIDevice *dev)
{
    VirtIODevice *vdev = viommu_policy_virtio(dev);

    return !vdev || viommu_policy_translated(vdev);
}

/* Would a virtio device that is plugged into @bus later be translated? */
static bool slots_translated(PCIBus *bus)
{
    VIOMMUPolicy *policy = viommu_policy_of_bus(bus);

    return !policy || policy->virtio != VIOMMU_VIRTIO_BYPASS;
}

static bool is_root_port(PCIDevice *dev)
{
    return pci_is_express(dev) &&
           pcie_cap_get_type(dev) == PCI_EXP_TYPE_ROOT_PORT;
}

VIOMMUBus *viommu_policy_bus(PCIBus *bus)
{
    VIOMMUBus *copy = g_new0(VIOMMUBus, 1);
    int devfn;

    copy->number = pci_bus_num(bus);
    copy->last = pci_bus_is_root(bus) ? copy->number :
                 bus->parent_dev->config[PCI_SUBORDINATE_BUS];
    copy->shared = viommu_policy_shared(bus);
    copy->open = qbus_is_hotpluggable(BUS(bus));
    copy->open_translated = slots_translated(bus);
    copy->functions = g_new0(VIOMMUFunction, PCI_DEVFN_MAX);
    for (devfn = 0; devfn < PCI_DEVFN_MAX; devfn++) {
        PCIDevice *dev = bus->devices[devfn];
        VIOMMUFunction *fn = &copy->functions[copy->n];

        if (!dev) {
            continue;
        }
        copy->n++;
        fn->devfn = devfn;
        fn->root_port = is_root_port(dev);
        if (object_dynamic_cast(OBJECT(dev), TYPE_PCI_BRIDGE)) {
            fn->below =
                viommu_policy_bus(pci_bridge_get_sec_bus(PCI_BRIDGE(dev)));
        } else {
            fn->translated = endpoint_translated(dev);
        }
    }
    return copy;
}

void viommu_policy_bus_free(VIOMMUBus *bus)
{
    unsigned i;

    for (i = 0; i < bus->n; i++) {
        if (bus->functions[i].below) {
            viommu_policy_bus_free(bus->functions[i].below);
        }
    }
    g_free(bus->functions);
    g_free(bus);
}

static int root_bus_append(Object *obj, void *opaque)
{
    PCIBus *bus;

    if (object_dynamic_cast(obj, TYPE_PCI_HOST_BRIDGE)) {
        bus = PCI_HOST_BRIDGE(obj)->bus;
        if (bus && !pci_bus_bypass_iommu(bus)) {
            g_ptr_array_add(opaque, viommu_policy_bus(bus));
        }
    }
    return 0;
}

GPtrArray *viommu_policy_roots(void)
{
    GPtrArray *roots =
        g_ptr_array_new_with_free_func((GDestroyNotify)viommu_policy_bus_free);

    object_child_foreach_recursive(object_get_root(), root_bus_append, roots);
    return roots;
}

bool viommu_policy_bypasses(PCIDevice *dev)
{
    VIOMMUFunction fn = { .translated = endpoint_translated(dev) };
    g_autoptr(VIOMMUBus) below = NULL;

    if (object_dynamic_cast(OBJECT(dev), TYPE_PCI_BRIDGE)) {
        below = viommu_policy_bus(pci_bridge_get_sec_bus(PCI_BRIDGE(dev)));
        fn.below = below;
    }
    return viommu_function_listed(&fn) == VIOMMU_LISTED_NONE;
}

VIOMMUListed viommu_policy_unnumbered(PCIBus *bus)
{
    g_autoptr(VIOMMUBus) copy = viommu_policy_bus(bus);

    return viommu_bus_unnumbered(copy);
}

void viommu_policy_rids(PCIBus *bus, uint32_t first, uint32_t last,
                        VIOMMURidFn *fn, void *opaque)
{
    g_autofree VIOMMURids *rids = NULL;
    g_autoptr(VIOMMUBus) copy = NULL;

    if (!viommu_policy_truthful()) {
        fn(first, last, opaque);
        return;
    }
    rids = g_new0(VIOMMURids, 1);
    copy = viommu_policy_bus(bus);
    viommu_rids_set(rids, first, last, true);
    viommu_bus_unlist(copy, rids);
    viommu_rids_each(rids, first, last, fn, opaque);
}

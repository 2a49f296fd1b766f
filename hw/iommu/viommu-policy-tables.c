/*
 * Which endpoints firmware tables list: exactly what is translated
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a table says must hold when the guest reads it; so this looks at the
 * devices as they are now, and tables are built anew whenever firmware asks.
 */
#include "qemu/osdep.h"
#include "hw/pci/pci_bridge.h"
#include "hw/pci/pci_bus.h"
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

static bool is_bridge(PCIDevice *dev)
{
    return object_dynamic_cast(OBJECT(dev), TYPE_PCI_BRIDGE);
}

/* Would a virtio device that is plugged in later be translated? */
static bool slots_translated(PCIDevice *dev)
{
    VIOMMUPolicy *policy = viommu_policy_of(dev);

    return !policy || policy->virtio != VIOMMU_VIRTIO_BYPASS;
}

static VIOMMUListed bridge_listed(PCIDevice *bridge)
{
    PCIBus *bus = pci_bridge_get_sec_bus(PCI_BRIDGE(bridge));
    bool any = false, all = true, occupied = false;
    int devfn;

    for (devfn = 0; devfn < PCI_DEVFN_MAX; devfn++) {
        if (bus->devices[devfn]) {
            VIOMMUListed listed = viommu_policy_listed(bus->devices[devfn]);

            occupied = true;
            any |= listed != VIOMMU_LISTED_NONE;
            all &= listed == VIOMMU_LISTED_ALL;
        }
    }
    /* A PCIe port has one slot, a conventional bridge has many. */
    if (qbus_is_hotpluggable(BUS(bus)) &&
        !(occupied && pci_bus_is_express(bus))) {
        any |= slots_translated(bridge);
        all &= slots_translated(bridge);
    }
    return all ? VIOMMU_LISTED_ALL : any ? VIOMMU_LISTED_SOME :
                                           VIOMMU_LISTED_NONE;
}

VIOMMUListed viommu_policy_listed(PCIDevice *dev)
{
    VirtIODevice *vdev;

    if (is_bridge(dev)) {
        return bridge_listed(dev);
    }
    vdev = viommu_policy_virtio(dev);
    return vdev && !viommu_policy_translated(vdev) ? VIOMMU_LISTED_NONE :
                                                     VIOMMU_LISTED_ALL;
}

bool viommu_policy_unlisted(PCIBus *bus, uint8_t devfn)
{
    bool shared = !pci_bus_is_express(bus) && !pci_bus_is_root(bus);
    PCIDevice *dev = shared ? bus->parent_dev : bus->devices[devfn];
    VIOMMUPolicy *policy = dev ? viommu_policy_of(dev) : NULL;

    if (!viommu_policy_truthful() || !policy ||
        (policy->bridged_listed && !pci_bus_is_root(bus))) {
        return false;
    }
    return viommu_policy_listed(dev) == VIOMMU_LISTED_NONE;
}

VIOMMUListed viommu_policy_unnumbered(PCIBus *bus)
{
    bool any = false, all = true;
    int devfn;

    for (devfn = 0; devfn < PCI_DEVFN_MAX; devfn++) {
        PCIDevice *dev = bus->devices[devfn];

        if (dev && is_bridge(dev) &&
            !pci_bus_num(pci_bridge_get_sec_bus(PCI_BRIDGE(dev)))) {
            VIOMMUListed listed = viommu_policy_listed(dev);

            any |= listed != VIOMMU_LISTED_NONE;
            all &= listed == VIOMMU_LISTED_ALL;
        }
    }
    return all ? VIOMMU_LISTED_ALL : any ? VIOMMU_LISTED_SOME :
                                           VIOMMU_LISTED_NONE;
}

#define RIDS 0x10000

static void clear_rids(unsigned long *rids, PCIBus *bus)
{
    int devfn;

    for (devfn = 0; devfn < PCI_DEVFN_MAX; devfn++) {
        PCIDevice *dev = bus->devices[devfn];
        VIOMMUListed listed;

        if (!dev) {
            continue;
        }
        listed = viommu_policy_listed(dev);
        if (is_bridge(dev)) {
            PCIBus *sec = pci_bridge_get_sec_bus(PCI_BRIDGE(dev));
            int first = pci_bus_num(sec);
            int last = dev->config[PCI_SUBORDINATE_BUS];

            if (!first || last < first) {
                continue;               /* not numbered */
            }
            if (listed == VIOMMU_LISTED_SOME) {
                clear_rids(rids, sec);
            } else if (listed == VIOMMU_LISTED_NONE) {
                bitmap_clear(rids, PCI_BUILD_BDF(first, 0),
                             (last - first + 1) * PCI_DEVFN_MAX);
            }
        }
        if (listed == VIOMMU_LISTED_NONE) {
            clear_bit(pci_get_bdf(dev), rids);
        }
    }
}

void viommu_policy_rids(PCIBus *bus, uint32_t first, uint32_t last,
                        VIOMMURidFn *fn, void *opaque)
{
    g_autofree unsigned long *rids = NULL;
    unsigned long from;

    if (!viommu_policy_truthful()) {
        fn(first, last, opaque);
        return;
    }
    rids = bitmap_new(RIDS);
    bitmap_set(rids, first, last - first + 1);
    clear_rids(rids, bus);
    for (from = find_next_bit(rids, RIDS, first); from < RIDS;
         from = find_next_bit(rids, RIDS, from)) {
        unsigned long to = find_next_zero_bit(rids, RIDS, from);

        fn(from, to - 1, opaque);
        from = to;
    }
}

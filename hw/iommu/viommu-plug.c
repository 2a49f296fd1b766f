/*
 * vIOMMU core: devices that come and go, and what the guest was told of them
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Everything here runs under the BQL.
 */

#include "qemu/osdep.h"
#include "hw/iommu/viommu-policy.h"
#include "hw/pci/pci.h"
#include "hw/pci/pci_bridge.h"
#include "hw/pci/pci_bus.h"
#include "qemu/lockable.h"
#include "trace.h"
#include "viommu-internal.h"

bool viommu_endpoint_unlisted(VIOMMUEndpoint *ep)
{
    return ep->bus && viommu_policy_unlisted(ep->bus, ep->devfn);
}

/*
 * Endpoints are treated as the guest was told.  Not only their DMA: on Arm a
 * message that signals an interrupt is translated as any write, and the guest
 * prepares that only for what it believes to be behind the vIOMMU.
 */
static void viommu_listed_refresh(VIOMMU *v)
{
    VIOMMUEndpoint *ep;

    QLIST_FOREACH(ep, &v->endpoints, next) {
        bool unlisted = viommu_endpoint_unlisted(ep);

        if (unlisted != ep->unlisted) {
            qatomic_set(&ep->unlisted, unlisted);
            ep->changed = true;
        }
    }
    viommu_endpoints_changed(v);
}

typedef struct PlugRequesters {
    VIOMMU *v;
    void (*each)(uint16_t sid, void *opaque);
    void *opaque;
} PlugRequesters;

static int plug_requester(Object *obj, void *opaque)
{
    const PlugRequesters *r = opaque;
    VIOMMUEndpoint *ep;
    PCIDevice *dev;
    uint16_t sid;

    if (!object_dynamic_cast(obj, TYPE_PCI_DEVICE) ||
        !DEVICE(obj)->parent_bus) {
        return 0;
    }
    dev = PCI_DEVICE(obj);
    if (pci_get_bus(dev)->devices[dev->devfn] != dev) {
        /* It is not there yet, or no more. */
        return 0;
    }
    ep = viommu_of_address_space(pci_device_iommu_address_space(dev));
    if (ep && ep->viommu == r->v && ep->bus && !ep->unlisted) {
        sid = viommu_endpoint_sid(ep);
        if (pci_bus_is_root(ep->bus) || PCI_BUS_NUM(sid)) {
            r->each(sid, r->opaque);
        }
    }
    return 0;
}

void viommu_each_requester(VIOMMU *v, void (*each)(uint16_t sid, void *opaque),
                           void *opaque)
{
    PlugRequesters r = { v, each, opaque };

    object_child_foreach_recursive(object_get_root(), plug_requester, &r);
}

/* Before the machine is made it is not known who is behind what. */
static void plug_requesters_changed(VIOMMU *v)
{
    if (v->ops->requesters_changed && phase_check(PHASE_MACHINE_READY)) {
        v->ops->requesters_changed(v);
    }
}

/*
 * What is known of a requester is cached by its ID (VT-d 6.2.2; SMMUv3 3.21.1:
 * by StreamID), so what its device finds under its new one is that one's.
 */
void viommu_renumbered(VIOMMURegistration *reg, PCIBus *bus)
{
    VIOMMU *v = container_of(reg, VIOMMU, registration);
    bool anybody = false;
    VIOMMUEndpoint *ep;
    uint16_t sid;

    QLIST_FOREACH(ep, &v->endpoints, next) {
        if (ep->bus != bus) {
            continue;
        }
        anybody = true;
        sid = viommu_endpoint_sid(ep);
        if (sid != ep->sid) {
            trace_viommu_renumbered(ep->sid, sid);
            ep->sid = sid;
            qatomic_set(&ep->unlisted, viommu_endpoint_unlisted(ep));
            ep->changed = true;
        }
    }
    if (anybody) {
        viommu_endpoints_changed(v);
        /* It may have been without a number since the last reset. */
        plug_requesters_changed(v);
    }
}

void viommu_told_changed(Notifier *notifier, void *unused)
{
    VIOMMU *v = container_of(notifier, VIOMMU, told_notifier);

    viommu_listed_refresh(v);
    plug_requesters_changed(v);
}

/* Its capabilities came after its endpoint. */
static void viommu_attributed_refresh(VIOMMU *v, PCIDevice *dev)
{
    VIOMMUEndpoint key = { .bus = pci_get_bus(dev), .devfn = dev->devfn };
    VIOMMUEndpoint *ep = g_hash_table_lookup(v->by_key, &key);

    if (ep && viommu_endpoint_attributed(ep)) {
        viommu_endpoint_changed(ep);
    }
}

void viommu_device_realized(DeviceListener *listener, DeviceState *dev)
{
    VIOMMU *v = container_of(listener, VIOMMU, device_listener);

    if (object_dynamic_cast(OBJECT(dev), TYPE_PCI_DEVICE)) {
        viommu_windows_device_realized(v, PCI_DEVICE(dev));
        viommu_listed_refresh(v);
        viommu_attributed_refresh(v, PCI_DEVICE(dev));
        plug_requesters_changed(v);
    }
}

/*
 * A bridge has been unplugged and its bus will be freed.  Its endpoints stay,
 * but are nobody's any more: a bus that is plugged in later may have the same
 * address in our memory.
 */
static void viommu_bus_gone(VIOMMU *v, PCIBus *bus)
{
    VIOMMUEndpoint *ep;

    QLIST_FOREACH(ep, &v->endpoints, next) {
        DMADrainScope scope = { .last = HWADDR_MAX, .only = ep->inflight };

        if (ep->bus == bus) {
            g_hash_table_remove(v->by_key, ep);
            qatomic_set(&ep->bus, NULL);
            WITH_QEMU_LOCK_GUARD(&v->lock) {
                qatomic_store_release(&v->config_seq, v->config_seq + 1);
                viommu_config_drop(ep);
            }
            dma_inflight_device_gone(ep->inflight);
            if (unlikely(v->sanitizer)) {
                viommu_sanitize_gone(ep);
            }
            dma_drain_start(v->drain, &scope);
        }
    }
}

/*
 * A device that was unplugged may leave maps behind, above all if its driver
 * did not reset it: nobody will ever end them, and the owner of a standing one
 * is about to be freed.  On a conventional bus the endpoint is the bridge's,
 * and others may be using it.  BQL.
 */
void viommu_device_unrealized(DeviceListener *listener,
                              DeviceState *dev)
{
    VIOMMU *v = container_of(listener, VIOMMU, device_listener);
    VIOMMUEndpoint key = { 0 };
    VIOMMUEndpoint *ep;

    if (!object_dynamic_cast(OBJECT(dev), TYPE_PCI_DEVICE)) {
        return;
    }
    viommu_windows_device_gone(v, PCI_DEVICE(dev));
    key.bus = pci_get_bus(PCI_DEVICE(dev));
    key.devfn = PCI_DEVICE(dev)->devfn;
    ep = g_hash_table_lookup(v->by_key, &key);
    if (ep && (pci_bus_is_express(key.bus) || pci_bus_is_root(key.bus))) {
        dma_inflight_device_gone(ep->inflight);
        if (unlikely(v->sanitizer)) {
            viommu_sanitize_gone(ep);
        }
    }
    if (object_dynamic_cast(OBJECT(dev), TYPE_PCI_BRIDGE)) {
        viommu_bus_gone(v, pci_bridge_get_sec_bus(PCI_BRIDGE(dev)));
    }
    plug_requesters_changed(v);
}

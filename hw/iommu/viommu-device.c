/*
 * vIOMMU core: the devices behind it, when one of them keeps a drain waiting
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Everything here runs under the BQL, in the main loop.
 */

#include "qemu/osdep.h"
#include "hw/pci/pci_bus.h"
#include "hw/pci/pci_device.h"
#include "hw/virtio/virtio.h"
#include "qapi/qapi-events-viommu.h"
#include "qemu/error-report.h"
#include "trace.h"
#include "viommu-internal.h"
#include "viommu-policy-internal.h"

/*
 * The device that stands at the endpoint's address now; NULL if it has gone.
 * Behind a bridge that aliases its devices this is not the one that does the
 * DMA; then nobody can tell which one it is.
 */
static PCIDevice *viommu_endpoint_device(VIOMMUEndpoint *ep)
{
    return ep->bus ? ep->bus->devices[ep->devfn] : NULL;
}

/* The two events say the same of a map; QAPI made both functions. */
typedef void DrainEvent(const char *viommu, const char *device,
                        const char *qom_path, uint64_t iova, uint64_t length,
                        bool write, uint64_t age_ms);

static void send_event(VIOMMUEndpoint *ep, DrainEvent *send,
                       const DMAMapInfo *map, int64_t age)
{
    PCIDevice *dev = viommu_endpoint_device(ep);
    g_autofree char *viommu = object_get_canonical_path(ep->viommu->owner);
    g_autofree char *path = dev ? object_get_canonical_path(OBJECT(dev)) : NULL;

    send(viommu, dev ? DEVICE(dev)->id : NULL, path, map->iova, map->len,
         map->is_write, age / SCALE_MS);
}

void viommu_device_stalled(void *opaque, const DMAMapInfo *map, int64_t age)
{
    VIOMMUEndpoint *ep = opaque;

    trace_viommu_drain_stalled(viommu_endpoint_sid(ep), map->iova, map->len,
                               age);
    send_event(ep, qapi_event_send_viommu_drain_stalled, map, age);
}

/*
 * The device must not go on as if nothing had happened: the guest was told
 * that its DMA has ended.  A virtio device says that it needs a reset; any
 * other PCI device loses bus mastering until its driver enables it again.
 */
void viommu_device_abandon(void *opaque, const DMAMapInfo *map, int64_t age)
{
    VIOMMUEndpoint *ep = opaque;
    PCIDevice *dev = viommu_endpoint_device(ep);
    g_autofree char *path = NULL;
    VirtIODevice *vdev;

    trace_viommu_drain_abandoned(viommu_endpoint_sid(ep), map->iova, map->len,
                                 age);
    send_event(ep, qapi_event_send_viommu_drain_abandoned, map, age);
    if (!dev) {
        return;
    }
    vdev = viommu_policy_virtio(dev);
    if (vdev) {
        virtio_error(vdev, "DMA at IOVA 0x%" PRIx64 " did not end within the "
                     "vIOMMU's drain-timeout", map->iova);
    } else {
        path = object_get_canonical_path(OBJECT(dev));
        warn_report("%s: DMA at IOVA 0x%" PRIx64 " did not end within the "
                    "vIOMMU's drain-timeout; bus mastering is off until the "
                    "driver enables it again", path, map->iova);
        memory_region_set_enabled(&dev->bus_master_enable_region, false);
    }
}

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
#include "hw/virtio/virtio-bus.h"
#include "qapi/qapi-events-viommu.h"
#include "qemu/error-report.h"
#include "trace.h"
#include "viommu-internal.h"

/*
 * The device that stands at the endpoint's address now; NULL if it has gone.
 * Behind a bridge that aliases its devices this is not the one that does the
 * DMA; then nobody can tell which one it is.
 */
static PCIDevice *viommu_endpoint_device(VIOMMUEndpoint *ep)
{
    return ep->bus ? ep->bus->devices[ep->devfn] : NULL;
}

static VirtIODevice *pci_virtio_device(PCIDevice *dev)
{
    BusState *bus;

    QLIST_FOREACH(bus, &DEVICE(dev)->child_bus, sibling) {
        if (object_dynamic_cast(OBJECT(bus), TYPE_VIRTIO_BUS)) {
            return virtio_bus_get_device(VIRTIO_BUS(bus));
        }
    }
    return NULL;
}

typedef struct DeviceName {
    char *id;
    char *path;
} DeviceName;

static void device_name(VIOMMUEndpoint *ep, DeviceName *name)
{
    PCIDevice *dev = viommu_endpoint_device(ep);

    name->id = dev ? g_strdup(DEVICE(dev)->id) : NULL;
    name->path = dev ? object_get_canonical_path(OBJECT(dev)) : NULL;
}

void viommu_device_stalled(void *opaque, const DMAMapInfo *map, int64_t age)
{
    VIOMMUEndpoint *ep = opaque;
    g_autofree char *viommu = object_get_canonical_path(ep->viommu->owner);
    g_autofree char *id = NULL;
    g_autofree char *path = NULL;
    DeviceName name;

    device_name(ep, &name);
    id = name.id;
    path = name.path;
    trace_viommu_drain_stalled(viommu_endpoint_sid(ep), map->iova, map->len,
                               age);
    qapi_event_send_viommu_drain_stalled(viommu, id, path, map->iova, map->len,
                                         map->is_write, age / SCALE_MS);
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
    g_autofree char *viommu = object_get_canonical_path(ep->viommu->owner);
    g_autofree char *id = NULL;
    g_autofree char *path = NULL;
    VirtIODevice *vdev;
    DeviceName name;

    device_name(ep, &name);
    id = name.id;
    path = name.path;
    trace_viommu_drain_abandoned(viommu_endpoint_sid(ep), map->iova, map->len,
                                 age);
    qapi_event_send_viommu_drain_abandoned(viommu, id, path, map->iova,
                                           map->len, map->is_write,
                                           age / SCALE_MS);
    if (!dev) {
        return;
    }
    vdev = pci_virtio_device(dev);
    if (vdev) {
        virtio_error(vdev, "DMA at IOVA 0x%" PRIx64 " did not end within "
                     "drain-timeout of %s", map->iova, viommu);
    } else {
        warn_report("%s: DMA at IOVA 0x%" PRIx64 " did not end within "
                    "drain-timeout of %s; bus mastering is off until the "
                    "driver enables it again", path, map->iova, viommu);
        memory_region_set_enabled(&dev->bus_master_enable_region, false);
    }
}

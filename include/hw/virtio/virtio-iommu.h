/*
 * virtio-iommu: the device
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Our model in place of the base's, with its names; hw/virtio/viommu has it.
 * What machines and virtio-iommu-pci use comes first.
 */
#ifndef QEMU_VIRTIO_IOMMU_H
#define QEMU_VIRTIO_IOMMU_H

#include "standard-headers/linux/virtio_iommu.h"
#include "hw/iommu/viommu-events.h"
#include "hw/iommu/viommu.h"
#include "hw/virtio/virtio.h"
#include "qapi/qapi-types-virtio.h"
#include "qom/object.h"

#define TYPE_VIRTIO_IOMMU "virtio-iommu-device"
#define TYPE_VIRTIO_IOMMU_PCI "virtio-iommu-pci"
OBJECT_DECLARE_SIMPLE_TYPE(VirtIOIOMMU, VIRTIO_IOMMU)

typedef struct VirtIOMMUDomain VirtIOMMUDomain;
typedef struct VirtIOMMUPending VirtIOMMUPending;

/* Faults that wait for the main loop to report them, at most */
#define VIRTIO_IOMMU_FAULTS 64

typedef struct VirtIOMMUFaults {
    QemuMutex lock;          /* a leaf */
    VIOMMUEvents events;     /* struct virtio_iommu_fault */
    uint64_t dropped;        /* never reported: no buffer, or no room; @lock */
} VirtIOMMUFaults;

struct VirtIOIOMMU {
    VirtIODevice parent_obj;
    VIOMMU viommu;
    /* Properties */
    PCIBus *primary_bus;
    ReservedRegion *prop_resv_regions;
    uint32_t nr_prop_resv_regions;
    bool regions_given;          /* by the operator, not the machine */
    bool boot_bypass;
    GranuleMode granule_mode;
    uint8_t aw_bits;
    uint32_t max_domains, max_mappings;

    VirtQueue *req_vq, *event_vq;
    uint64_t features;
    /* BQL; but .bypass is atomic.  In the host's byte order. */
    struct virtio_iommu_config config;
    bool granule_frozen;
    Notifier machine_done;
    GHashTable *host_devices;    /* those assigned: bus and devfn */
    MemoryRegion *doorbells;     /* of MSI, one for each such property region */
    /* virtio-iommu.c */
    bool in_reset, system_reset;
    DMAFence reset_fence;        /* of the driver's last reset; BQL */
    uint8_t reset_status;        /* the device's status before it */

    /* By endpoint ID, which is a PCI requester ID.  RCU */
    VirtIOMMUDomain **attached;
    GHashTable *domains;         /* by ID; BQL */
    uint64_t mappings;           /* of all domains; BQL */

    QEMUBH *req_bh;              /* the rest of the request queue */
    /* Requests that have been carried out and wait for the drain; BQL */
    QTAILQ_HEAD(, VirtIOMMUPending) pending;
    VirtIOMMUFaults faults;
    GTree *stream;               /* while a state is saved or loaded */
};

/* virtio_iommu_pci_describe: help text of what the PCI device alone has */
void virtio_iommu_pci_describe(ObjectClass *klass);
/*
 * virtio_iommu_pci_check: the PCI device, on the root bus @bus, is about to be
 * realized.  False with @errp set if the operator wants it to translate another
 * one, or has given what is the machine's to say.  BQL.
 */
bool virtio_iommu_pci_check(VirtIOIOMMU *s, PCIBus *bus, Error **errp);

#endif

/*
 * Which virtio devices are behind the vIOMMU: its "virtio" switch
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The host decides, never the guest.  A vIOMMU of any model registers its
 * switch when it is realized; every virtio device asks when it is realized.
 * Whichever comes second settles it, so their order on the command line does
 * not matter.  No vIOMMU can come after the guest has started.
 *
 * Everything here: BQL, main loop or vCPU, except as noted.
 */
#ifndef HW_IOMMU_VIOMMU_POLICY_H
#define HW_IOMMU_VIOMMU_POLICY_H

#include "hw/iommu/viommu-listed.h"
#include "hw/pci/pci.h"
#include "hw/qdev-properties.h"
#include "hw/virtio/virtio.h"
#include "qapi/qapi-types-viommu.h"
#include "qemu/notify.h"
#include "qemu/queue.h"

typedef struct VIOMMUPolicy {
    VIOMMUVirtio virtio;     /* the switch */
    const char *model;       /* "intel-iommu": what messages call the vIOMMU */
    PCIBus *bus;             /* it translates what is on it and below it */
    bool device_iotlb;       /* has device-TLB invalidation */
    const char *device_iotlb_fix;   /* how to get it; NULL: not at all */
    bool follows_tables;     /* lets through what viommu_policy_unlisted() */
    QLIST_ENTRY(VIOMMUPolicy) next;
} VIOMMUPolicy;

extern const PropertyInfo qdev_prop_viommu_virtio;

/* The vIOMMU's property "virtio" */
#define DEFINE_PROP_VIOMMU_VIRTIO(_state, _field)                       \
    DEFINE_PROP_UNSIGNED("virtio", _state, _field, VIOMMU_VIRTIO_DEVICE, \
                         qdev_prop_viommu_virtio, VIOMMUVirtio)

/*
 * viommu_policy_register: the switch applies from now on, to the devices that
 * are there already, too.  @policy is filled in and lives until unregistered.
 * False with @errp set, and not registered, if one of the devices cannot be
 * as it must.
 */
bool viommu_policy_register(VIOMMUPolicy *policy, Error **errp);
void viommu_policy_unregister(VIOMMUPolicy *policy);

/*
 * viommu_policy_plug: @vdev, on its bus, is about to be realized: offer
 * VIRTIO_F_ACCESS_PLATFORM or not.  False with @errp set if the device would
 * bypass where none may.
 */
bool viommu_policy_plug(VirtIODevice *vdev, Error **errp);

/* Can ATS be used on @dev: does the vIOMMU, if there is one, support it? */
bool viommu_policy_device_iotlb(PCIDevice *dev);

/*
 * For firmware tables.  As long as every switch is "device" they are the
 * base's, which take no notice of what a virtio device does.
 */
bool viommu_policy_truthful(void);

/*
 * viommu_policy_unnumbered: viommu_bus_unnumbered() of @bus as it is now.
 */
VIOMMUListed viommu_policy_unnumbered(PCIBus *bus);

/*
 * viommu_policy_rids: call @fn for each range of requester IDs that is
 * translated, in ascending order.  @first..@last belong to the root bus @bus;
 * what is on buses that firmware has not numbered yet has no ID.
 */
void viommu_policy_rids(PCIBus *bus, uint32_t first, uint32_t last,
                        VIOMMURidFn *fn, void *opaque);

/*
 * viommu_policy_told: firmware reads @tables, the ACPI tables one after
 * another.  They decide about devices until the next reset.
 */
void viommu_policy_told(const GArray *tables);

/*
 * viommu_policy_told_tree: there will be no ACPI tables, but a device tree that
 * lists @rids, which become the callee's; for good.
 */
void viommu_policy_told_tree(VIOMMURids *rids);

/* viommu_policy_loaded: the state of a vIOMMU, and so a guest, was loaded. */
void viommu_policy_loaded(void);

/*
 * viommu_policy_unlisted: has the guest been told that who does DMA as @devfn
 * on @bus is behind no vIOMMU?  If it has been told nothing since the reset:
 * would it be?
 */
bool viommu_policy_unlisted(PCIBus *bus, uint8_t devfn);

/* @notifier is called whenever viommu_policy_unlisted() may have changed. */
void viommu_policy_told_add_notifier(Notifier *notifier);

/*
 * viommu_policy_sizes_queues: @vdev is translated, so its queues have the sizes
 * that they ask for.
 */
bool viommu_policy_sizes_queues(VirtIODevice *vdev);

#endif

/*
 * vhost devices and the vIOMMU's notifiers
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * All: BQL.
 */
#ifndef HW_VIRTIO_VHOST_IOMMU_H
#define HW_VIRTIO_VHOST_IOMMU_H

#include "hw/virtio/vhost.h"

/**
 * vhost_iommu_register: have @iommu's notifier told of what the guest
 * invalidates: its device-TLB, if the guest has enabled ATS and the vIOMMU has
 * device-TLB invalidations; otherwise the IOTLB.
 *
 * Returns: false if it is not: the backend is one that does not translate by
 * itself, or the vIOMMU refuses.  Then that has been reported, and
 * vhost_iommu_may_translate() says no until the device is stopped.
 */
bool vhost_iommu_register(struct vhost_dev *dev, struct vhost_iommu *iommu);

/** vhost_iommu_toggle: the guest has switched ATS on or off. */
void vhost_iommu_toggle(struct vhost_dev *dev);

/**
 * vhost_iommu_may_translate: may the backend be given translations?  Not if
 * it could not be told when they end.
 */
bool vhost_iommu_may_translate(struct vhost_dev *dev);

/**
 * vhost_iommu_unmap: tell the backend that @iova .. @iova + @len - 1 is gone.
 * See vhost_iommu_failed() for a backend that cannot be told.
 */
void vhost_iommu_unmap(struct vhost_dev *dev, hwaddr iova, hwaddr len);

/**
 * vhost_iommu_failed: the backend keeps a translation that is gone.  Its
 * device is broken (needs a reset) and will be stopped from the main loop; the
 * drain waits until it is.
 */
void vhost_iommu_failed(struct vhost_dev *dev, hwaddr iova, hwaddr len);

/** vhost_iommu_stopped: the backend does no DMA any more. */
void vhost_iommu_stopped(struct vhost_dev *dev);

/**
 * vhost_iommu_features: of @wanted, what the device can offer as far as the
 * vIOMMU is concerned.  Not every device's own list of what depends on the
 * backend has VIRTIO_F_ACCESS_PLATFORM; without the backend it is a lie, so
 * it is taken out, and a reason is given.  Behind a vIOMMU virtio then refuses
 * to plug the device; elsewhere it offers the feature by itself.
 */
uint64_t vhost_iommu_features(struct vhost_dev *dev, uint64_t wanted);

#endif

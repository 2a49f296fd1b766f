/*
 * vDPA behind a vIOMMU: mappings that the kernel does not give back
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * All: BQL.
 */
#ifndef HW_VIRTIO_VHOST_VDPA_IOMMU_H
#define HW_VIRTIO_VHOST_VDPA_IOMMU_H

#include "hw/virtio/vhost-vdpa.h"

/**
 * vhost_vdpa_iommu_start: @dev, the last of those that share @s, is about to
 * have its memory mapped.
 *
 * Returns: 0; -EIO, and that has been reported, if the kernel still has
 * mappings of an earlier run and keeps them.
 */
int vhost_vdpa_iommu_start(VhostVDPAShared *s, struct vhost_dev *dev);

/** vhost_vdpa_iommu_stopped: the device has been reset and does no DMA. */
void vhost_vdpa_iommu_stopped(VhostVDPAShared *s);

/**
 * vhost_vdpa_unmap_failed: the kernel could not be told to unmap @iova ..
 * @iova + @size - 1.  A running device is broken and stopped, and the drain
 * waits for that.
 */
void vhost_vdpa_unmap_failed(VhostVDPAShared *s, hwaddr iova, hwaddr size);

#endif

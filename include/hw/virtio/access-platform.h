/*
 * virtio: VIRTIO_F_ACCESS_PLATFORM, the bit that says "behind the platform's
 * IOMMU" (virtio 1.2, 6; VIRTIO_F_IOMMU_PLATFORM in older headers)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Included by hw/virtio/virtio.h, where struct VirtIODevice is complete.
 *
 * The bit is the host's to decide (hw/iommu/viommu-policy.h): a driver that
 * is offered it and does not accept it gets no FEATURES_OK, and until a driver
 * has both, the device does not touch memory.
 */
#ifndef HW_VIRTIO_ACCESS_PLATFORM_H
#define HW_VIRTIO_ACCESS_PLATFORM_H

#include "exec/address-spaces.h"
#include "hw/qdev-properties.h"
#include "standard-headers/linux/virtio_config.h"

/* VirtIODevice.access_platform: what the device's own iommu_platform said */
enum {
    VIRTIO_ACCESS_PLATFORM_UNSET = 0,
    VIRTIO_ACCESS_PLATFORM_OFF,
    VIRTIO_ACCESS_PLATFORM_ON,
};

/* A bool like DEFINE_PROP_BIT64, off, that knows whether it was ever set */
extern const PropertyInfo qdev_prop_access_platform;

#define DEFINE_PROP_ACCESS_PLATFORM(_name, _state, _field)                  \
    DEFINE_PROP(_name, _state, _field, qdev_prop_access_platform, uint64_t, \
                .bitnr = VIRTIO_F_ACCESS_PLATFORM,                          \
                .set_default = true)

/* Is the device behind the platform's IOMMU, if there is one?  Any thread. */
static inline bool virtio_access_is_platform(const VirtIODevice *vdev)
{
    return (vdev->host_features & (1ULL << VIRTIO_F_ACCESS_PLATFORM)) &&
           vdev->dma_as != &address_space_memory;
}

/* Would @status be one in which the driver has agreed to that?  Any thread. */
static inline bool virtio_access_agreed(const VirtIODevice *vdev,
                                        uint8_t status)
{
    return (status & VIRTIO_CONFIG_S_FEATURES_OK) &&
           (vdev->guest_features & (1ULL << VIRTIO_F_ACCESS_PLATFORM));
}

/* Must the device keep its hands off guest memory?  Any thread. */
static inline bool virtio_access_refused(const VirtIODevice *vdev)
{
    return virtio_access_is_platform(vdev) &&
           !virtio_access_agreed(vdev, vdev->status);
}

/*
 * virtio_access_features_ok: has the driver accepted those of the platform's
 * features that it was offered: ACCESS_PLATFORM, and ORDER_PLATFORM alike
 * (virtio 1.2, 6.2)?  BQL.
 */
bool virtio_access_features_ok(const VirtIODevice *vdev);

/*
 * virtio_access_status_ok: may the driver write @status?  Neither FEATURES_OK
 * nor DRIVER_OK without the platform's features.  BQL.
 */
bool virtio_access_status_ok(const VirtIODevice *vdev, uint8_t status);

/*
 * virtio_access_refuse_legacy: set @errp for @vdev, which has a legacy
 * interface although it is behind the IOMMU.  BQL.
 */
void virtio_access_refuse_legacy(VirtIODevice *vdev, Error **errp);

/*
 * virtio_access_refuse_backend: set @errp for @vdev, whose backend cannot work
 * behind the IOMMU.  BQL.
 */
void virtio_access_refuse_backend(VirtIODevice *vdev, Error **errp);

#endif

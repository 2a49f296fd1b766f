/*
 * Virtio devices whose reset is not over when the driver has written it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/virtio/virtio-slow-reset.h"

uint8_t virtio_driver_status(VirtIODevice *vdev)
{
    ObjectClass *klass = object_get_class(OBJECT(vdev));

    if (!vdev->status &&
        object_class_dynamic_cast(klass, TYPE_VIRTIO_SLOW_RESET)) {
        return VIRTIO_SLOW_RESET_CLASS(klass)->reset_status(vdev);
    }
    return vdev->status;
}

static const TypeInfo virtio_slow_reset_info = {
    .name = TYPE_VIRTIO_SLOW_RESET,
    .parent = TYPE_INTERFACE,
    .class_size = sizeof(VirtIOSlowResetClass),
};

static void virtio_slow_reset_register_types(void)
{
    type_register_static(&virtio_slow_reset_info);
}

type_init(virtio_slow_reset_register_types)

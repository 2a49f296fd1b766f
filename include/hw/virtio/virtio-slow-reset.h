/*
 * Virtio devices whose reset is not over when the driver has written it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * VIRTIO 1.3, 2.4.1: a device says that its reset is complete by a status that
 * reads as 0; 2.4.2: until it does the driver waits.  Everything that a reset
 * resets is reset at once, as of any other device; what is put off is that the
 * driver sees it.  One that does not wait, and writes another status, sees
 * that.
 */
#ifndef QEMU_VIRTIO_SLOW_RESET_H
#define QEMU_VIRTIO_SLOW_RESET_H

#include "hw/virtio/virtio.h"
#include "qom/object.h"

/* An interface for the class of the device */
#define TYPE_VIRTIO_SLOW_RESET "virtio-slow-reset"
typedef struct VirtIOSlowResetClass VirtIOSlowResetClass;
DECLARE_CLASS_CHECKERS(VirtIOSlowResetClass, VIRTIO_SLOW_RESET,
                       TYPE_VIRTIO_SLOW_RESET)

struct VirtIOSlowResetClass {
    InterfaceClass parent_class;
    /*
     * reset_status: what the driver is to read instead of 0 because the reset
     * is not over yet; 0: it is over.  Never while the status is another one.
     * BQL.
     */
    uint8_t (*reset_status)(VirtIODevice *vdev);
};

/* virtio_driver_status: what the driver reads of @vdev's status.  BQL. */
uint8_t virtio_driver_status(VirtIODevice *vdev);

#endif

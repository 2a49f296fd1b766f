/*
 * virtio: telling the guest of a device that broke, from any thread
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VIRTIO_VIRTIO_BROKEN_H
#define HW_VIRTIO_VIRTIO_BROKEN_H

#include "hw/virtio/virtio.h"

/*
 * virtio_broken_notify: the configuration interrupt of a device that has just
 * set DEVICE_NEEDS_RESET (virtio 1.2, 2.1.2) and becomes broken; from the main
 * loop unless the caller holds the BQL.  Any thread.
 */
void virtio_broken_notify(VirtIODevice *vdev);

#endif

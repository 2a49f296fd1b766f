/*
 * virtio: when a device looks at a queue that its driver has not notified
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The base looks at every queue whenever its host notifier is attached, for
 * what might have come meanwhile, and so it stays for a device that is behind
 * no vIOMMU of ours.  Behind one, a ring that firmware left and that is no
 * longer mapped must be left alone: to read it, or to write in it that no
 * notification is wanted, is a fault that no driver caused.
 */
#ifndef HW_VIRTIO_QUEUE_KICK_H
#define HW_VIRTIO_QUEUE_KICK_H

#include "hw/virtio/virtio.h"

/*
 * virtio_queue_start_kick: queue @n of @vdev gets a new host notifier: is it
 * to be looked at?  Not if the vIOMMU would not let the device read the ring.
 * No fault is recorded.  BQL.
 */
bool virtio_queue_start_kick(VirtIODevice *vdev, int n);

/*
 * virtio_queue_attach_kick: the host notifier of queue @n of @vdev is about to
 * be attached to @ctx again: is the queue to be looked at?  What the driver
 * notified meanwhile is kept by the notifier itself, so only if the driver had
 * been told not to notify.  BQL.
 */
bool virtio_queue_attach_kick(VirtIODevice *vdev, int n, AioContext *ctx);

/*
 * virtio_queue_is_there: may the ring that queue @n of @vdev has be looked at
 * although nobody has notified it, as an iothread that polls does all the time?
 * No fault is recorded.  Any thread.
 */
bool virtio_queue_is_there(VirtIODevice *vdev, int n);

/*
 * virtio_queue_is_pinned: the device has host addresses of the ring, which no
 * invalidation has taken away so far.  virtio.c has it.  Any thread.
 */
bool virtio_queue_is_pinned(VirtQueue *vq);

#endif

/*
 * virtio: when a device looks at a queue that its driver has not notified
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "block/aio.h"
#include "hw/virtio/queue-kick.h"
#include "qemu/main-loop.h"
#include "system/dma-inflight.h"

/* May the device read what tells of requests? */
static bool queue_ring_readable(VirtIODevice *vdev, int n)
{
    return dma_inflight_readable(vdev->dma_as,
                                 virtio_queue_get_desc_addr(vdev, n),
                                 virtio_queue_get_desc_size(vdev, n),
                                 MEMTXATTRS_UNSPECIFIED) &&
           dma_inflight_readable(vdev->dma_as,
                                 virtio_queue_get_avail_addr(vdev, n),
                                 virtio_queue_get_avail_size(vdev, n),
                                 MEMTXATTRS_UNSPECIFIED);
}

bool virtio_queue_start_kick(VirtIODevice *vdev, int n)
{
    return !vdev->dma_as->inflight || !virtio_queue_get_desc_addr(vdev, n) ||
           queue_ring_readable(vdev, n);
}

bool virtio_queue_attach_kick(VirtIODevice *vdev, int n, AioContext *ctx)
{
    VirtQueue *vq = virtio_get_queue(vdev, n);

    /*
     * An iothread polls: it may have told the driver not to notify, and be
     * about to do so again although the notifier has been detached.
     */
    if (vdev->dma_as->inflight && ctx == qemu_get_aio_context() &&
        virtio_queue_get_notification(vq)) {
        return false;
    }
    return virtio_queue_start_kick(vdev, n);
}

bool virtio_queue_is_there(VirtIODevice *vdev, int n)
{
    return !vdev->dma_as->inflight ||
           virtio_queue_is_pinned(virtio_get_queue(vdev, n)) ||
           queue_ring_readable(vdev, n);
}

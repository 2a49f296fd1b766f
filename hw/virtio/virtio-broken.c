/*
 * virtio: telling the guest of a device that broke, from any thread
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A device gives a ring up where it reads it, which may be an iothread.  There
 * an MSI is fine, a store that takes the BQL by itself, but a wired interrupt
 * is not: interrupt controllers are the BQL's, and GICv3 ends the emulator over
 * it.  So the guest is told from the main loop.
 */
#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "hw/virtio/virtio.h"
#include "hw/virtio/virtio-broken.h"
#include "hw/virtio/virtio-bus.h"

#define ISR_CONFIG_CHANGE   0x3         /* with the bit of an interrupt */

/*
 * virtio_notify_config() is silent for a device that is broken, which this one
 * may be by now.  Not what says whether it was reset in the meantime:
 * virtio_error() sets vdev->broken after it has sent for this.
 */
static void virtio_broken_notify_bh(void *opaque)
{
    VirtIODevice *vdev = opaque;
    BusState *bus = qdev_get_parent_bus(DEVICE(vdev));

    /* Not if it was reset, or unplugged, in the meantime */
    if (bus && (vdev->status & VIRTIO_CONFIG_S_NEEDS_RESET) &&
        (vdev->status & VIRTIO_CONFIG_S_DRIVER_OK)) {
        VirtioBusClass *k = VIRTIO_BUS_GET_CLASS(bus);

        qatomic_or(&vdev->isr, ISR_CONFIG_CHANGE);
        vdev->generation++;
        if (k->notify) {
            k->notify(bus->parent, vdev->config_vector);
        }
    }
    object_unref(OBJECT(vdev));
}

void virtio_broken_notify(VirtIODevice *vdev)
{
    if (bql_locked()) {
        virtio_notify_config(vdev);
        return;
    }
    object_ref(OBJECT(vdev));
    aio_bh_schedule_oneshot(qemu_get_aio_context(), virtio_broken_notify_bh,
                            vdev);
}

/*
 * vhost devices and the vIOMMU's notifiers
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What an acknowledgement is differs by backend.  The kernel's vhost takes the
 * locks of all its queues to remove a translation, so it is gone, and nothing
 * uses it, when the write of the message returns.  vhost-user says so in a
 * reply; see vhost-user-iotlb.c.
 */

#include "qemu/osdep.h"
#include "hw/virtio/vhost-iommu.h"
#include "hw/virtio/virtio.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "system/dma-inflight.h"

static int register_for(struct vhost_iommu *iommu, IOMMUNotifierFlag flags,
                        Error **errp)
{
    iommu->n.notifier_flags = flags;
    return memory_region_register_iommu_notifier(iommu->mr, &iommu->n, errp);
}

bool vhost_iommu_register(struct vhost_dev *dev, struct vhost_iommu *iommu)
{
    Error *err = NULL;

    if (!dev->vhost_ops->vhost_send_device_iotlb_msg) {
        /* vDPA asks for nothing; it has a listener of its own. */
        return false;
    }
    if (dev->vdev->device_iotlb_enabled) {
        if (!register_for(iommu, IOMMU_NOTIFIER_DEVIOTLB_UNMAP, &err)) {
            return true;
        }
        /*
         * The guest must invalidate the IOTLB as well, so that will do.  It
         * may enable ATS where there is none: that is not worth more.
         */
        warn_report_once("%s: the guest enabled ATS, but %s",
                         dev->vdev->name, error_get_pretty(err));
        error_free(err);
        err = NULL;
    }
    if (!register_for(iommu, IOMMU_NOTIFIER_UNMAP, &err)) {
        return true;
    }
    error_reportf_err(err, "%s: its vhost backend cannot be used behind the "
                      "vIOMMU as it is: ", dev->vdev->name);
    dev->iommu_refused = true;
    /* What it knows it would keep for ever. */
    vhost_iommu_unmap(dev, 0, UINT64_MAX);
    return false;
}

void vhost_iommu_toggle(struct vhost_dev *dev)
{
    struct vhost_iommu *iommu, *tmp;

    QLIST_FOREACH_SAFE(iommu, &dev->iommu_list, iommu_next, tmp) {
        memory_region_unregister_iommu_notifier(iommu->mr, &iommu->n);
        if (!vhost_iommu_register(dev, iommu)) {
            QLIST_REMOVE(iommu, iommu_next);
            g_free(iommu);
        }
    }
}

bool vhost_iommu_may_translate(struct vhost_dev *dev)
{
    return !dev->iommu_refused;
}

/* drain-timeout has passed; the device has been marked broken. */
static void vhost_iommu_abandoned(void *opaque)
{
    struct vhost_dev *dev = opaque;

    dma_drain_release(dev->iommu_hold);
    dev->iommu_hold = NULL;
}

static const DMAHoldOps vhost_iommu_hold_ops = {
    .abandon = vhost_iommu_abandoned,
};

/* Not where it happened: that may be in the middle of starting the device. */
static void vhost_iommu_stop(void *opaque)
{
    VirtIODevice *vdev = opaque;

    if (vdev->broken && vdev->status & VIRTIO_CONFIG_S_DRIVER_OK) {
        virtio_set_status(vdev, vdev->status & ~VIRTIO_CONFIG_S_DRIVER_OK);
    }
    object_unref(OBJECT(vdev));
}

void vhost_iommu_failed(struct vhost_dev *dev, hwaddr iova, hwaddr len)
{
    VirtIODevice *vdev = dev->vdev;

    if (dev->iommu_hold) {
        /* It will be stopped, and all later fences wait for that already. */
        return;
    }
    dev->iommu_hold = dma_drain_hold(vdev->dma_as, iova, len,
                                     &vhost_iommu_hold_ops, dev);
    virtio_error(vdev, "a translation could not be taken back from its vhost "
                 "backend, which is stopped");
    aio_bh_schedule_oneshot(qemu_get_aio_context(), vhost_iommu_stop,
                            object_ref(OBJECT(vdev)));
}

void vhost_iommu_unmap(struct vhost_dev *dev, hwaddr iova, hwaddr len)
{
    int r = vhost_backend_invalidate_device_iotlb(dev, iova, len);

    if (r < 0) {
        error_report("%s: its vhost backend could not be told of an "
                     "invalidation of IOVA 0x%" PRIx64 ", 0x%" PRIx64
                     " bytes: %s", dev->vdev->name, iova, len, strerror(-r));
        vhost_iommu_failed(dev, iova, len);
    }
}

void vhost_iommu_stopped(struct vhost_dev *dev)
{
    dev->iommu_refused = false;
    if (dev->iommu_hold) {
        dma_drain_release(dev->iommu_hold);
        dev->iommu_hold = NULL;
    }
}

uint64_t vhost_iommu_features(struct vhost_dev *dev, uint64_t wanted)
{
    if (virtio_has_feature(wanted, VIRTIO_F_ACCESS_PLATFORM) &&
        !virtio_has_feature(dev->features, VIRTIO_F_ACCESS_PLATFORM)) {
        warn_report("the vhost backend does not offer VIRTIO_F_ACCESS_PLATFORM "
                    "(feature 33: IOTLB messages), so with iommu_platform=on "
                    "it cannot be used behind a vIOMMU");
        virtio_clear_feature(&wanted, VIRTIO_F_ACCESS_PLATFORM);
    }
    return wanted;
}

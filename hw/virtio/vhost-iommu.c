/*
 * vhost backends behind a vIOMMU: what is the same for all of them
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What an acknowledgement is differs by backend.  The kernel's vhost takes the
 * locks of all its queues to remove a translation, so it is gone, and nothing
 * uses it, when the write of the message returns.  vhost-user says so in a
 * reply; see vhost-user-iotlb.c.  For vDPA see vhost-vdpa-iommu.c.
 */

#include "qemu/osdep.h"
#include "hw/virtio/vhost.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "system/dma-inflight.h"

/*
 * 2^64 has no number: DPDK ignores a size of 0 and acknowledges, Linux of 5.17
 * to 6.5 refuses it.  DPDK also compares iova + size with the IOVAs it knows,
 * which finds nothing if that is 0.
 */
void vhost_iommu_range(struct vhost_iotlb_msg *msg, hwaddr first, hwaddr last)
{
    if (last == HWADDR_MAX) {
        last--;
        first = MIN(first, last);
    }
    msg->iova = first;
    msg->size = last - first + 1;
}

static int vhost_iommu_register_for(struct vhost_iommu *iommu,
                                    IOMMUNotifierFlag flags, Error **errp)
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
        if (!vhost_iommu_register_for(iommu, IOMMU_NOTIFIER_DEVIOTLB_UNMAP,
                                      &err)) {
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
    if (!vhost_iommu_register_for(iommu, IOMMU_NOTIFIER_UNMAP, &err)) {
        return true;
    }
    error_reportf_err(err, "%s: its vhost backend cannot be used behind the "
                      "vIOMMU as it is: ", dev->vdev->name);
    dev->viommu.refused = true;
    /* What it knows it would keep for ever. */
    vhost_iommu_unmap(dev, 0, HWADDR_MAX);
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
    return !dev->viommu.refused;
}

static void vhost_iommu_release(struct vhost_dev *dev)
{
    if (dev->viommu.hold) {
        dma_drain_release(dev->viommu.hold);
        dev->viommu.hold = NULL;
    }
}

/* drain-timeout has passed; the device has been marked broken. */
static void vhost_iommu_abandoned(void *opaque)
{
    vhost_iommu_release(opaque);
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

    if (dev->viommu.failed) {
        /* It will be stopped, and all later fences wait for that already. */
        return;
    }
    dev->viommu.failed = true;
    dev->viommu.hold = dma_drain_hold(vdev->dma_as, iova, len,
                                      &vhost_iommu_hold_ops, dev);
    virtio_error(vdev, "a translation could not be taken back from its vhost "
                 "backend, which is stopped");
    aio_bh_schedule_oneshot(qemu_get_aio_context(), vhost_iommu_stop,
                            object_ref(OBJECT(vdev)));
}

void vhost_iommu_unmap(struct vhost_dev *dev, hwaddr first, hwaddr last)
{
    struct vhost_iotlb_msg msg;
    int r;

    vhost_iommu_range(&msg, first, last);
    r = vhost_backend_invalidate_device_iotlb(dev, msg.iova, msg.size);
    if (r < 0) {
        vhost_iommu_report(dev, "the vhost backend could not be told of an "
                           "invalidation of IOVA 0x%" PRIx64 ", 0x%" PRIx64
                           " bytes: %s", (uint64_t)msg.iova,
                           (uint64_t)msg.size, strerror(-r));
        vhost_iommu_failed(dev, msg.iova, msg.size);
    }
}

void vhost_iommu_report(struct vhost_dev *dev, const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    if (dev->viommu.errors++) {
        return;
    }
    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    error_report("%s: %s", dev->vdev->name, text);
}

void vhost_iommu_stopped(struct vhost_dev *dev)
{
    unsigned errors = dev->viommu.errors;

    if (errors > 1) {
        error_report("%s: %u more vhost errors until it was stopped",
                     dev->vdev->name, errors - 1);
    }
    vhost_iommu_release(dev);
    dev->viommu = (VHostIOMMU) { };
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

/*
 * vhost backends behind a vIOMMU: what they are told, and what follows if they
 * cannot be
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A backend (the kernel's vhost, a vhost-user process, a vDPA device) keeps
 * copies of translations.  An invalidation is complete when the backend has
 * let go of its copy; one that does not holds up the vIOMMU's drain
 * (system/dma-inflight.h) until it does no DMA any more.
 *
 * Included by hw/virtio/vhost.h and vhost-vdpa.h, where the state is kept.
 *
 * All: BQL.
 */
#ifndef HW_VIRTIO_VHOST_IOMMU_H
#define HW_VIRTIO_VHOST_IOMMU_H

#include "chardev/char-fe.h"
#include "exec/memory.h"
#include "standard-headers/linux/vhost_types.h"

struct vhost_dev;
struct vhost_iommu;
struct vhost_vdpa_shared;

/*
 * All backends (vhost-iommu.c)
 */

/* Of a struct vhost_dev, from its start until it has stopped */
typedef struct VHostIOMMU {
    bool refused;            /* by the vIOMMU: nothing is translated for it */
    bool failed;             /* it keeps a translation, and is being stopped */
    unsigned errors;         /* see vhost_iommu_report() */
    struct DMAHold *hold;    /* of a device that failed */
} VHostIOMMU;

/**
 * vhost_iommu_range: the IOVA and size of a message about @first .. @last.
 *
 * What every backend understands the same way: a size is not 0, and no range
 * ends at 2^64.  "Everything" is therefore all but the last byte, which takes
 * the last page with it, for a backend drops each translation that the range
 * touches.
 */
void vhost_iommu_range(struct vhost_iotlb_msg *msg, hwaddr first, hwaddr last);

/**
 * vhost_iommu_register: have @iommu's notifier told of what the guest
 * invalidates: its device-TLB, if the guest has enabled ATS and the vIOMMU has
 * device-TLB invalidations; otherwise the IOTLB.
 *
 * Returns: false if it is not: the backend is one that does not translate by
 * itself, or the vIOMMU refuses.  Then that has been reported, and
 * vhost_iommu_may_translate() says no until the device is stopped.
 */
bool vhost_iommu_register(struct vhost_dev *dev, struct vhost_iommu *iommu);

/** vhost_iommu_toggle: the guest has switched ATS on or off. */
void vhost_iommu_toggle(struct vhost_dev *dev);

/**
 * vhost_iommu_may_translate: may the backend be given translations?  Not if
 * it could not be told when they end.
 */
bool vhost_iommu_may_translate(struct vhost_dev *dev);

/**
 * vhost_iommu_unmap: tell the backend that @first .. @last is gone.  See
 * vhost_iommu_failed() for a backend that cannot be told.
 */
void vhost_iommu_unmap(struct vhost_dev *dev, hwaddr first, hwaddr last);

/**
 * vhost_iommu_failed: the backend keeps a translation of @iova .. @iova + @len
 * - 1, which is gone.  Its device is broken (needs a reset) and will be stopped
 * from the main loop; the drain waits until it is.
 */
void vhost_iommu_failed(struct vhost_dev *dev, hwaddr iova, hwaddr len);

/** vhost_iommu_stopped: the backend does no DMA any more. */
void vhost_iommu_stopped(struct vhost_dev *dev);

/**
 * vhost_iommu_report: an error that the guest can cause as often as it likes.
 * The first since the device was started is reported, with the device's name;
 * how many more there were is said when it has stopped.
 */
void vhost_iommu_report(struct vhost_dev *dev, const char *fmt, ...)
    G_GNUC_PRINTF(2, 3);

/**
 * vhost_iommu_features: of @wanted, what the device can offer as far as the
 * vIOMMU is concerned.  Not every device's own list of what depends on the
 * backend has VIRTIO_F_ACCESS_PLATFORM; without the backend it is a lie, so
 * it is taken out, and a reason is given.  Behind a vIOMMU virtio then refuses
 * to plug the device; elsewhere it offers the feature by itself.
 */
uint64_t vhost_iommu_features(struct vhost_dev *dev, uint64_t wanted);

/*
 * vhost-user (vhost-user-iotlb.c)
 *
 * An invalidation is sent and takes a hold; the acknowledgement is read in the
 * main loop and releases it.  Neither the vCPU nor the BQL waits for the
 * backend.  Replies come in the order of requests, so whoever waits for one
 * takes the acknowledgements before it first: vhost_user_iotlb_collect().
 */

/* What is on its way over one connection. */
typedef struct VhostUserIOTLB VhostUserIOTLB;

/**
 * vhost_user_iotlb_send: send VHOST_USER_IOTLB_MSG, or queue it.
 *
 * @slot: of the connection; NULL inside until the first call
 * @chr: the connection; outlives what is in @slot
 * @as: the device's, with the drain that an invalidation keeps waiting
 *
 * Returns: 0, also for an invalidation when there is no connection left (then
 * no translation is, either); -ENOTSUP if the caller has to send it and wait:
 * there is no drain, or the connection is no plain socket; -ENOTCONN.
 */
int vhost_user_iotlb_send(VhostUserIOTLB **slot, CharBackend *chr,
                          AddressSpace *as, const struct vhost_iotlb_msg *imsg);

/**
 * vhost_user_iotlb_collect: wait for the acknowledgements of what has been
 * sent.  Before the reply to any other request is read.
 */
void vhost_user_iotlb_collect(VhostUserIOTLB **slot);

/**
 * vhost_user_iotlb_stop: the device has stopped, or its connection is not used
 * any more (@gone).  What is pending on a connection that has ended goes on
 * being waited for until the backend's end is closed as well, or the machine
 * is reset.
 */
void vhost_user_iotlb_stop(VhostUserIOTLB **slot, bool gone);

/*
 * vDPA (vhost-vdpa-iommu.c)
 *
 * The kernel unmaps when it is told to.  What it keeps it keeps across a reset
 * of the device, too.
 */

/* Of those queue pairs that share a device */
typedef struct VHostVDPAIOMMU {
    struct vhost_dev *running;   /* NULL: stopped, or behind no vIOMMU */
    bool has_mapped;             /* ever; the kernel unmaps nothing before */
    bool unmap_failed;           /* it may have mappings of an earlier run */
} VHostVDPAIOMMU;

/**
 * vhost_vdpa_iommu_start: @dev, the last of those that share @s, is about to
 * have its memory mapped.
 *
 * Returns: 0; -EIO, and that has been reported, if the kernel still has
 * mappings of an earlier run and keeps them.
 */
int vhost_vdpa_iommu_start(struct vhost_vdpa_shared *s, struct vhost_dev *dev);

/** vhost_vdpa_iommu_stopped: the device has been reset and does no DMA. */
void vhost_vdpa_iommu_stopped(struct vhost_vdpa_shared *s);

/**
 * vhost_vdpa_unmap_failed: the kernel could not be told to unmap @iova ..
 * @iova + @size - 1.  A running device is broken and stopped, and the drain
 * waits for that.
 */
void vhost_vdpa_unmap_failed(struct vhost_vdpa_shared *s, hwaddr iova,
                             hwaddr size);

/**
 * vhost_vdpa_iommu_report: vhost_iommu_report(), if it is running.  One that
 * was stopped because the kernel keeps mappings has been reported: what fails
 * after that is no news.
 */
void vhost_vdpa_iommu_report(struct vhost_vdpa_shared *s, const char *fmt, ...)
    G_GNUC_PRINTF(2, 3);

#endif

/*
 * vDPA behind a vIOMMU: mappings that the kernel does not give back
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * When the write of a message returns, the kernel has unmapped and flushed the
 * IOMMU of the device, so there is nothing to wait for.  If it fails, the
 * mapping may still be there.  Then only a device that has been reset is sure
 * not to use it, and it must not start again as long as it is there: the
 * kernel keeps mappings across a reset.
 *
 * A device that is behind no vIOMMU, or one without a drain, is left alone.
 */

#include "qemu/osdep.h"
#include "hw/virtio/vhost-iommu.h"
#include "hw/virtio/vhost-vdpa-iommu.h"
#include "qemu/error-report.h"

int vhost_vdpa_iommu_start(VhostVDPAShared *s, struct vhost_dev *dev)
{
    /* Two halves: the size of all there is has no number. */
    const hwaddr half = 1ULL << 63;

    if (!dev->vdev->dma_as->inflight) {
        return 0;
    }
    if (s->unmap_failed) {
        s->unmap_failed = false;
        vhost_vdpa_dma_unmap(s, VHOST_VDPA_GUEST_PA_ASID, 0, half);
        vhost_vdpa_dma_unmap(s, VHOST_VDPA_GUEST_PA_ASID, half, half);
        if (s->unmap_failed) {
            error_report("vhost-vdpa: the kernel still has mappings of before "
                         "the reset; the device is not started");
            return -EIO;
        }
    }
    s->running = dev;
    return 0;
}

void vhost_vdpa_iommu_stopped(VhostVDPAShared *s)
{
    s->running = NULL;
}

void vhost_vdpa_unmap_failed(VhostVDPAShared *s, hwaddr iova, hwaddr size)
{
    /* The kernel refuses to unmap anything before it has mapped something. */
    if (!s->has_mapped) {
        return;
    }
    s->unmap_failed = true;
    if (s->running) {
        vhost_iommu_failed(s->running, iova, size);
    }
}

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
#include "hw/virtio/vhost.h"
#include "hw/virtio/vhost-vdpa.h"
#include "qemu/error-report.h"

int vhost_vdpa_iommu_start(VhostVDPAShared *s, struct vhost_dev *dev)
{
    struct vhost_iotlb_msg all;

    if (!dev->vdev->dma_as->inflight) {
        return 0;
    }
    if (s->viommu.unmap_failed) {
        s->viommu.unmap_failed = false;
        vhost_iommu_range(&all, 0, HWADDR_MAX);
        vhost_vdpa_dma_unmap(s, VHOST_VDPA_GUEST_PA_ASID, all.iova, all.size);
        if (s->viommu.unmap_failed) {
            error_report("vhost-vdpa: the kernel still has mappings of before "
                         "the reset; the device is not started");
            return -EIO;
        }
    }
    s->viommu.running = dev;
    return 0;
}

void vhost_vdpa_iommu_stopped(VhostVDPAShared *s)
{
    s->viommu.running = NULL;
}

void vhost_vdpa_unmap_failed(VhostVDPAShared *s, hwaddr iova, hwaddr size)
{
    /* The kernel refuses to unmap anything before it has mapped something. */
    if (!s->viommu.has_mapped) {
        return;
    }
    s->viommu.unmap_failed = true;
    if (s->viommu.running) {
        vhost_iommu_failed(s->viommu.running, iova, size);
    }
}

void vhost_vdpa_iommu_report(VhostVDPAShared *s, const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    if (s->viommu.running) {
        vhost_iommu_report(s->viommu.running, "%s", text);
    } else if (!s->viommu.unmap_failed) {
        error_report("vhost-vdpa: %s", text);
    }
}

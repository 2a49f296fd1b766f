/*
 * virtio-iommu: the event queue
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Faults are met on any thread, in the middle of anything; the queue belongs to
 * the BQL.  So a fault goes into a short list first, and to the guest from the
 * main loop.  What finds no room there, or no buffer in the queue, is dropped
 * and counted (5.13.6.9).
 */
#include "qemu/osdep.h"
#include "qemu/iov.h"
#include "qemu/lockable.h"
#include "trace.h"
#include "virtio-iommu-internal.h"

static void fault_dropped(VirtIOMMUFaults *faults)
{
    faults->dropped++;
    trace_virtio_iommu_fault_dropped(faults->dropped);
}

void virtio_iommu_fault(VIOMMU *v, VIOMMUEndpoint *ep,
                        const VIOMMUConfig *config, const VIOMMUFault *fault)
{
    VirtIOMMUFaults *faults = &virtio_iommu_of(v)->faults;
    const struct virtio_iommu_fault event = {
        .reason = virtio_iommu_fault_reason(config, fault),
        .flags = cpu_to_le32(VIRTIO_IOMMU_FAULT_F_ADDRESS |
                             (fault->is_write ? VIRTIO_IOMMU_FAULT_F_WRITE :
                                                VIRTIO_IOMMU_FAULT_F_READ)),
        .endpoint = cpu_to_le32(viommu_endpoint_sid(ep)),
        .address = cpu_to_le64(fault->iova),
    };

    WITH_QEMU_LOCK_GUARD(&faults->lock) {
        if (!viommu_events_add(&faults->events, &event, VIRTIO_IOMMU_FAULTS)) {
            fault_dropped(faults);
        }
    }
    viommu_events_later(&faults->events);
}

/* Returns: false if there is no buffer that it could be told in. */
static bool fault_report(VirtIOIOMMU *s,
                         const struct virtio_iommu_fault *event)
{
    VirtIODevice *vdev = VIRTIO_DEVICE(s);
    VirtQueueElement *elem;

    if (!virtio_device_started(vdev, vdev->status)) {
        return false;
    }
    elem = virtqueue_pop(s->event_vq, sizeof(VirtQueueElement));
    if (!elem) {
        return false;
    }
    if (iov_size(elem->in_sg, elem->in_num) < sizeof(*event)) {
        virtio_error(vdev, "error buffer of wrong size");
        virtqueue_detach_element(s->event_vq, elem, 0);
        g_free(elem);
        return false;
    }
    trace_virtio_iommu_report_fault(event->reason, le32_to_cpu(event->flags),
                                    le32_to_cpu(event->endpoint),
                                    le64_to_cpu(event->address));
    iov_from_buf(elem->in_sg, elem->in_num, 0, event, sizeof(*event));
    virtqueue_push(s->event_vq, elem, sizeof(*event));
    virtio_notify(vdev, s->event_vq);
    g_free(elem);
    return true;
}

static void fault_write(void *opaque, const void *record)
{
    VirtIOIOMMU *s = opaque;

    if (!fault_report(s, record)) {
        QEMU_LOCK_GUARD(&s->faults.lock);
        fault_dropped(&s->faults);
    }
}

/* What found no room has been counted, and each is told by itself. */
static const VIOMMUEventsOps fault_ops = {
    .name = "virtio-iommu",
    .size = sizeof(struct virtio_iommu_fault),
    .budget = VIRTIO_IOMMU_FAULTS,
    .write = fault_write,
};

uint64_t virtio_iommu_faults_dropped(VirtIOIOMMU *s)
{
    QEMU_LOCK_GUARD(&s->faults.lock);
    return s->faults.dropped;
}

void virtio_iommu_faults_init(VirtIOIOMMU *s)
{
    qemu_mutex_init(&s->faults.lock);
    viommu_events_init(&s->faults.events, &s->faults.lock, &fault_ops, s);
}

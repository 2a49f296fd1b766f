/*
 * virtio-iommu: the request queue
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * 1. Requests are carried out in the order in which they are taken up, a
 *    bounded number in one go.
 * 2. One that removed something (ATTACH, DETACH, UNMAP) is returned to the
 *    guest when the drain says that no DMA uses it any more.  Those behind it
 *    are carried out and returned meanwhile: virtio has no order of returns
 *    (unless VIRTIO_F_IN_ORDER is negotiated, which the virtqueue sees to).
 * 3. So at most a queue's length of requests waits, each with its fence.
 */
#include "qemu/osdep.h"
#include "migration/qemu-file-types.h"
#include "qemu/iov.h"
#include "qemu/log.h"
#include "qemu/main-loop.h"
#include "system/dma-held.h"
#include "system/runstate.h"
#include "trace.h"
#include "virtio-iommu-internal.h"

/*
 * Requests in one go, after which the guest and others run.  Each may be of a
 * thousand pieces: so many count as one request more.
 */
#define REQUEST_BUDGET 128
#define REQUEST_PIECES 16

struct VirtIOMMUPending {
    VirtIOIOMMU *s;
    VirtQueueElement *elem;
    DMAFence fence;          /* idle: of a stream, to be returned at once */
    uint8_t status;
    QTAILQ_ENTRY(VirtIOMMUPending) next;
};

/* Give @elem back, @len bytes of it written. */
static void request_return(VirtIOIOMMU *s, VirtQueueElement *elem, size_t len)
{
    virtqueue_push(s->req_vq, elem, len);
    virtio_notify(&s->parent_obj, s->req_vq);
    g_free(elem);
}

/* The tail is at @offset of the writable part. */
static void request_end(VirtIOIOMMU *s, VirtQueueElement *elem, size_t offset,
                        uint8_t status)
{
    const struct virtio_iommu_req_tail tail = { .status = status };

    iov_from_buf(elem->in_sg, elem->in_num, offset, &tail, sizeof(tail));
    request_return(s, elem, offset + sizeof(tail));
}

static void request_drained(void *opaque)
{
    VirtIOMMUPending *p = opaque;

    trace_virtio_iommu_request_drained(p->status);
    QTAILQ_REMOVE(&p->s->pending, p, next);
    request_end(p->s, p->elem, 0, p->status);
    g_free(p);
}

static void request_end_drained(VirtIOIOMMU *s, VirtQueueElement *elem,
                                uint8_t type, uint8_t status)
{
    VirtIOMMUPending *p = g_new0(VirtIOMMUPending, 1);

    p->s = s;
    p->elem = elem;
    p->status = status;
    QTAILQ_INSERT_TAIL(&s->pending, p, next);
    if (viommu_fence(&s->viommu, &p->fence, request_drained, p)) {
        request_drained(p);
    } else {
        trace_virtio_iommu_request_wait(type);
    }
}

/*
 * 5.13.6.7.2.  What is too small for the properties gets none, but its tail is
 * known to be its end.
 */
static void request_probe(VirtIOIOMMU *s, VirtQueueElement *elem,
                          uint32_t endpoint, uint8_t status)
{
    size_t writable = iov_size(elem->in_sg, elem->in_num);
    size_t size = MIN(s->config.probe_size,
                      writable - VIRTIO_IOMMU_TAIL_SIZE);
    g_autofree uint8_t *buf = g_malloc0(size);
    VIOMMUEndpoint *ep = virtio_iommu_find_endpoint(s, endpoint);

    if (status == VIRTIO_IOMMU_S_OK && !ep) {
        status = VIRTIO_IOMMU_S_NOENT;
    }
    if (status == VIRTIO_IOMMU_S_OK &&
        (size < s->config.probe_size ||
         !virtio_iommu_fill_properties(ep, buf, size))) {
        status = VIRTIO_IOMMU_S_INVAL;
    }
    iov_from_buf(elem->in_sg, elem->in_num, 0, buf, size);
    request_end(s, elem, size, status);
}

static VirtIOMMULimits request_limits(VirtIOIOMMU *s)
{
    return (VirtIOMMULimits) {
        .features = s->parent_obj.guest_features,
        .page_size_mask = s->config.page_size_mask,
        .input_start = s->config.input_range.start,
        .input_end = s->config.input_range.end,
        .domain_start = s->config.domain_range.start,
        .domain_end = s->config.domain_range.end,
    };
}

/* The status is all that the driver is told: -d guest_errors */
static void request_refused(const VirtIOMMURequest *req, uint8_t status)
{
    static const char *const types[] = {
        [VIRTIO_IOMMU_T_ATTACH] = "ATTACH", [VIRTIO_IOMMU_T_DETACH] = "DETACH",
        [VIRTIO_IOMMU_T_MAP] = "MAP", [VIRTIO_IOMMU_T_UNMAP] = "UNMAP",
    };
    static const char *const names[] = {
        [VIRTIO_IOMMU_S_UNSUPP] = "S_UNSUPP",
        [VIRTIO_IOMMU_S_INVAL] = "S_INVAL",
        [VIRTIO_IOMMU_S_RANGE] = "S_RANGE",
        [VIRTIO_IOMMU_S_NOENT] = "S_NOENT",
        [VIRTIO_IOMMU_S_NOMEM] = "S_NOMEM",
    };
    bool maps = req->type == VIRTIO_IOMMU_T_MAP ||
                req->type == VIRTIO_IOMMU_T_UNMAP;
    const char *name = status < ARRAY_SIZE(names) ? names[status] : NULL;

    if (maps) {
        qemu_log_mask(LOG_GUEST_ERROR, "virtio-iommu: %s of 0x%" PRIx64 " .. "
                      "0x%" PRIx64 " in domain %u (to 0x%" PRIx64 ", flags "
                      "0x%x) is refused: %s\n", types[req->type],
                      req->virt_start, req->virt_end, req->domain,
                      req->phys_start, req->flags, name ?: "");
    } else {
        qemu_log_mask(LOG_GUEST_ERROR, "virtio-iommu: %s of endpoint 0x%x, "
                      "domain %u (flags 0x%x, reserved 0x%x) is refused: %s\n",
                      types[req->type], req->endpoint, req->domain, req->flags,
                      req->reserved, name ?: "");
    }
}

static uint8_t request_carry_out(VirtIOIOMMU *s, const VirtIOMMURequest *req,
                                 bool *drain)
{
    const VirtIOMMULimits limits = request_limits(s);
    uint8_t status = virtio_iommu_check(req, &limits);

    if (status != VIRTIO_IOMMU_S_OK) {
        return status;
    }
    switch (req->type) {
    case VIRTIO_IOMMU_T_ATTACH:
        return virtio_iommu_attach(s, req, drain);
    case VIRTIO_IOMMU_T_DETACH:
        return virtio_iommu_detach(s, req, drain);
    case VIRTIO_IOMMU_T_MAP:
        return virtio_iommu_map(s, req);
    default:
        return virtio_iommu_unmap(s, req, drain);
    }
}

/* Takes over @elem. */
static void request_handle(VirtIOIOMMU *s, VirtQueueElement *elem)
{
    uint8_t buf[VIRTIO_IOMMU_READABLE_MAX];
    size_t len = iov_to_buf(elem->out_sg, elem->out_num, 0, buf, sizeof(buf));
    size_t writable = iov_size(elem->in_sg, elem->in_num);
    VirtIOMMURequest req;
    VirtIOMMUDecoded decoded = virtio_iommu_decode(buf, len, &req);
    uint8_t status = VIRTIO_IOMMU_S_INVAL;
    bool drain = false;

    if (decoded == VIRTIO_IOMMU_UNKNOWN ||
        writable < VIRTIO_IOMMU_TAIL_SIZE) {
        /* 5.13.6, 5.13.6.2: nothing is written then. */
        trace_virtio_iommu_request_unparsed(len, writable);
        request_return(s, elem, 0);
        return;
    }
    if (req.type == VIRTIO_IOMMU_T_PROBE) {
        request_probe(s, elem, req.endpoint,
                      decoded == VIRTIO_IOMMU_DECODED ? VIRTIO_IOMMU_S_OK :
                                                        status);
        return;
    }
    if (decoded == VIRTIO_IOMMU_DECODED) {
        status = request_carry_out(s, &req, &drain);
        if (unlikely(status != VIRTIO_IOMMU_S_OK)) {
            request_refused(&req, status);
        }
    } else {
        qemu_log_mask(LOG_GUEST_ERROR, "virtio-iommu: a request of type %u is "
                      "too short: %zu bytes\n", req.type, len);
    }
    if (drain) {
        request_end_drained(s, elem, req.type, status);
    } else {
        request_end(s, elem, 0, status);
    }
}

/* Returns: whether there may be more */
static bool requests_take_up(VirtIOIOMMU *s, VirtQueue *vq)
{
    unsigned views = viommu_views(&s->viommu);
    int budget = REQUEST_BUDGET;

    while (budget > 0 && viommu_views(&s->viommu) == views) {
        VirtQueueElement *elem = virtqueue_pop(vq, sizeof(VirtQueueElement));

        if (!elem) {
            return false;
        }
        budget -= 1 + (elem->out_num + elem->in_num) / REQUEST_PIECES;
        request_handle(s, elem);
    }
    trace_virtio_iommu_requests_yield();
    return true;
}

void virtio_iommu_handle_requests(VirtIODevice *vdev, VirtQueue *vq)
{
    VirtIOIOMMU *s = VIRTIO_IOMMU(vdev);
    bool more;
    DMA_HELD("requests");

    viommu_collect_begin(&s->viommu);
    more = requests_take_up(s, vq);
    viommu_collect_end(&s->viommu);
    if (more) {
        qemu_bh_schedule(s->req_bh);
    }
}

static void requests_go_on(VirtIOIOMMU *s)
{
    VirtIODevice *vdev = VIRTIO_DEVICE(s);

    /* A machine that is stopped finds the rest in its queue when it runs. */
    if (runstate_is_running() && virtio_device_started(vdev, vdev->status)) {
        virtio_iommu_handle_requests(vdev, s->req_vq);
    }
}

static void requests_bh(void *opaque)
{
    requests_go_on(opaque);
}

void virtio_iommu_requests_vm_state(VirtIOIOMMU *s, bool running)
{
    VirtIOMMUPending *p, *next;

    if (!running) {
        return;
    }
    QTAILQ_FOREACH_SAFE(p, &s->pending, next, next) {
        if (!dma_drain_fence_pending(&p->fence)) {
            request_drained(p);
        }
    }
    requests_go_on(s);
}

void virtio_iommu_requests_drop(VirtIOIOMMU *s)
{
    VirtIOMMUPending *p;

    qemu_bh_cancel(s->req_bh);
    while ((p = QTAILQ_FIRST(&s->pending))) {
        QTAILQ_REMOVE(&s->pending, p, next);
        viommu_fence_cancel(&s->viommu, &p->fence);
        virtqueue_detach_element(s->req_vq, p->elem, 0);
        g_free(p->elem);
        g_free(p);
    }
}

unsigned virtio_iommu_requests_pending(VirtIOIOMMU *s)
{
    VirtIOMMUPending *p;
    unsigned n = 0;

    QTAILQ_FOREACH(p, &s->pending, next) {
        n++;
    }
    return n;
}

/* In the order in which they were taken up: a status, then the element */
void virtio_iommu_requests_save(VirtIOIOMMU *s, QEMUFile *f)
{
    VirtIOMMUPending *p;

    qemu_put_be32(f, virtio_iommu_requests_pending(s));
    QTAILQ_FOREACH(p, &s->pending, next) {
        qemu_put_byte(f, p->status);
        qemu_put_virtqueue_element(VIRTIO_DEVICE(s), f, p->elem);
    }
}

int virtio_iommu_requests_load(VirtIOIOMMU *s, QEMUFile *f)
{
    uint32_t n = qemu_get_be32(f);

    if (n > VIRTQUEUE_MAX_SIZE) {
        return -EINVAL;
    }
    while (n--) {
        VirtIOMMUPending *p = g_new0(VirtIOMMUPending, 1);

        p->s = s;
        p->status = qemu_get_byte(f);
        p->elem = qemu_get_virtqueue_element(VIRTIO_DEVICE(s), f,
                                             sizeof(VirtQueueElement));
        QTAILQ_INSERT_TAIL(&s->pending, p, next);
    }
    return 0;
}

void virtio_iommu_requests_init(VirtIOIOMMU *s)
{
    QTAILQ_INIT(&s->pending);
    /* Like the drain's: not in the middle of somebody's register write. */
    s->req_bh = aio_bh_new(iohandler_get_aio_context(), requests_bh, s);
}

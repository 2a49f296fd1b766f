/*
 * vhost-user: IOTLB messages, whose acknowledgement nobody waits for for long
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A hold ends when the backend acknowledges, or when its end of the connection
 * is closed: a process that dies loses its mappings of guest memory before
 * its sockets.  That our end is closed says nothing about the backend.  So the
 * connection is watched through a duplicate of its file descriptor, which
 * stays when the character device drops the connection for whatever reason.
 *
 * A backend that has lied may say what it likes: nothing is read any more, so
 * that it cannot keep anybody busy.
 *
 * Everything here runs under the BQL.
 */

#include "qemu/osdep.h"
#include <glib-unix.h>
#include "chardev/char-socket.h"
#include "hw/virtio/vhost-iommu.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "system/dma-held.h"
#include "system/dma-inflight.h"
#include "trace.h"
#include "vhost-user-ack.h"

/* docs/interop/vhost-user.rst, "Header" and "Front-end message types" */
#define VHOST_USER_NEED_REPLY_MASK  (0x1 << 3)

typedef struct QEMU_PACKED IOTLBMessage {
    uint32_t request, flags, size;
    struct vhost_iotlb_msg payload;
} IOTLBMessage;

/*
 * So few are on their way that writing them does not block, even if the
 * backend reads nothing: they fit into any socket's buffer.
 */
#define MAX_SENT 8
/*
 * The guest decides how many invalidations wait to be sent: from here on they
 * become one that covers them all.
 */
#define MERGE_ALL 64
/* The backend decides how many updates do. */
#define MAX_WAITING 1024
/*
 * A backend that has a processor acknowledges within some microseconds.  To
 * wait for so long in place spares the main loop a wake-up for each message,
 * and a guest that would spin meanwhile leaves the processor to the backend.
 * Who takes longer is not waited for again until some messages have passed.
 */
#define PATIENCE_NS (200 * SCALE_US)
#define IMPATIENT 16

typedef struct Request {
    struct vhost_iotlb_msg msg;
    DMAHold *hold;               /* of an invalidation */
} Request;

struct VhostUserIOTLB {
    VhostUserIOTLB **slot;
    CharBackend *chr;            /* NULL: lingers, until the peer closes */
    QIOChannelSocket *sioc;      /* the connection that this is about */
    AddressSpace *as;            /* of the last message; NULL: stopped since */
    int fd;                      /* our duplicate */
    QEMUBH *bh;                  /* sends what is waiting */
    GQueue sent, waiting;
    VhostUserAck ack;            /* as far as it has arrived */
    size_t ack_len;
    unsigned refused;            /* updates */
    unsigned impatient;          /* so often nobody waits in place */
    bool watched;                /* the main loop takes what arrives */
    guint watch;                 /* of one that lingers */
};

static void request_free(Request *r)
{
    if (r->hold) {
        dma_drain_release(r->hold);
    }
    g_free(r);
}

/* Nothing is waited for any more. */
static void iotlb_free(VhostUserIOTLB *t)
{
    Request *r;

    if (t->slot) {
        *t->slot = NULL;
    }
    qemu_set_fd_handler(t->fd, NULL, NULL, NULL);
    if (t->watch) {
        g_source_remove(t->watch);
    }
    if (t->refused > 1) {
        error_report("a vhost-user backend refused %u more IOTLB updates",
                     t->refused - 1);
    }
    close(t->fd);
    qemu_bh_delete(t->bh);
    object_unref(OBJECT(t->sioc));
    while ((r = g_queue_pop_head(&t->sent)) ||
           (r = g_queue_pop_head(&t->waiting))) {
        request_free(r);
    }
    g_free(t);
}

static const char *iotlb_label(VhostUserIOTLB *t)
{
    Chardev *chr = t->chr ? qemu_chr_fe_get_driver(t->chr) : NULL;

    return chr && chr->label ? chr->label : "?";
}

/* drain-timeout has passed. */
static void iotlb_abandoned(void *opaque)
{
    VhostUserIOTLB *t = opaque;
    CharBackend *chr = t->chr;

    if (chr) {
        error_report("vhost-user backend of chardev %s did not acknowledge an "
                     "IOTLB invalidation within the vIOMMU's drain-timeout; "
                     "its connection is closed", iotlb_label(t));
    }
    iotlb_free(t);
    if (chr) {
        qemu_chr_fe_disconnect(chr);
    }
}

/*
 * The machine has been reset.  What a connection that is no more held up was
 * asked for in the life before, and no invalidation of the new one is about
 * what the backend may still use.
 */
static bool iotlb_reset(void *opaque)
{
    VhostUserIOTLB *t = opaque;

    if (t->chr) {
        return false;
    }
    warn_report("a vhost-user backend that was hung up on has not closed its "
                "end: it may still write to the memory of the guest, which "
                "has been reset");
    iotlb_free(t);
    return true;
}

static void iotlb_flush(void *opaque);

static const DMAHoldOps iotlb_hold_ops = {
    .flush = iotlb_flush,
    .abandon = iotlb_abandoned,
    .reset = iotlb_reset,
};

static void iotlb_take_hold(VhostUserIOTLB *t, Request *r)
{
    r->hold = dma_drain_hold(t->as, r->msg.iova, r->msg.size, &iotlb_hold_ops,
                             t);
}

static bool iotlb_holds(VhostUserIOTLB *t)
{
    GQueue *queues[] = { &t->sent, &t->waiting };
    int i;

    for (i = 0; i < ARRAY_SIZE(queues); i++) {
        GList *link;

        for (link = queues[i]->head; link; link = link->next) {
            if (((Request *)link->data)->hold) {
                return true;
            }
        }
    }
    return false;
}

static gboolean iotlb_hung_up(int fd, GIOCondition condition, void *opaque)
{
    VhostUserIOTLB *t = opaque;

    trace_vhost_user_iotlb_closed(t, g_queue_get_length(&t->sent));
    iotlb_free(t);
    return G_SOURCE_REMOVE;
}

/*
 * Our end is closed, or will be.  Ask the backend to close its own, and keep
 * the holds until it does.  There is one at least while the device runs: what
 * is invalidated from now on, the backend is not told.  @t may be gone
 * afterwards.
 */
static void iotlb_linger(VhostUserIOTLB *t)
{
    trace_vhost_user_iotlb_linger(t, g_queue_get_length(&t->sent),
                                  g_queue_get_length(&t->waiting));
    if (!iotlb_holds(t) && t->as) {
        Request *r = g_new0(Request, 1);

        iotlb_take_hold(t, r);
        g_queue_push_tail(&t->sent, r);
    }
    if (!iotlb_holds(t)) {
        iotlb_free(t);
        return;
    }
    *t->slot = NULL;
    t->slot = NULL;
    t->chr = NULL;
    shutdown(t->fd, SHUT_WR);
    qemu_set_fd_handler(t->fd, NULL, NULL, NULL);
    /* Not G_IO_IN: what is not read costs nothing. */
    t->watch = g_unix_fd_add(t->fd, G_IO_HUP | G_IO_ERR, iotlb_hung_up, t);
}

/*
 * The backend says what cannot be true, so nothing that it says is believed.
 * It may use any translation until it has closed its end.
 */
static void iotlb_lied(VhostUserIOTLB *t, const char *how)
{
    CharBackend *chr = t->chr;

    error_report("vhost-user backend of chardev %s %s; its connection is "
                 "closed", iotlb_label(t), how);
    iotlb_linger(t);
    qemu_chr_fe_disconnect(chr);
}

static void iotlb_readable(void *opaque);

/*
 * The main loop is woken by what arrives as long as something is awaited that
 * nobody waits for in place.  To change that costs a wake-up, too.
 */
static void iotlb_watch(VhostUserIOTLB *t)
{
    bool watch = t->impatient || !g_queue_is_empty(&t->sent);

    if (watch != t->watched) {
        t->watched = watch;
        qemu_set_fd_handler(t->fd, watch ? iotlb_readable : NULL, NULL, t);
    }
}

/* Write @r.  Returns: false if the connection is no more, and so may @t. */
static bool iotlb_write(VhostUserIOTLB *t, Request *r)
{
    IOTLBMessage msg = {
        .request = VHOST_USER_IOTLB_MSG,
        .flags = VHOST_USER_VERSION | VHOST_USER_NEED_REPLY_MASK,
        .size = sizeof(r->msg),
        .payload = r->msg,
    };

    trace_vhost_user_iotlb_send(t, r->msg.type, r->msg.iova, r->msg.size);
    g_queue_push_tail(&t->sent, r);
    if (qemu_chr_fe_write_all(t->chr, (uint8_t *)&msg, sizeof(msg)) !=
        sizeof(msg)) {
        iotlb_linger(t);
        return false;
    }
    return true;
}

/* Returns: likewise.  Who does not wait in place calls iotlb_watch(). */
static bool iotlb_send_waiting(VhostUserIOTLB *t)
{
    while (g_queue_get_length(&t->sent) < MAX_SENT &&
           !g_queue_is_empty(&t->waiting)) {
        if (!iotlb_write(t, g_queue_pop_head(&t->waiting))) {
            return false;
        }
    }
    return true;
}

static void iotlb_bh(void *opaque)
{
    VhostUserIOTLB *t = opaque;
    DMA_HELD("vhost-user");

    if (t->chr && iotlb_send_waiting(t)) {
        iotlb_watch(t);
    }
}

static void iotlb_acknowledged(VhostUserIOTLB *t)
{
    Request *r = g_queue_pop_head(&t->sent);

    trace_vhost_user_iotlb_ack(t, r->msg.type, r->msg.iova, r->msg.size,
                               t->ack.payload);
    if (t->ack.payload && !t->refused++) {
        error_report("vhost-user backend of chardev %s refused an IOTLB "
                     "update", iotlb_label(t));
    }
    t->ack_len = 0;
    request_free(r);
    if (!g_queue_is_empty(&t->waiting)) {
        /* Not now: somebody may be between his request and its reply. */
        qemu_bh_schedule(t->bh);
    }
}

/*
 * Take the acknowledgements that have arrived; if @wait, all of what was sent.
 * No more than MAX_SENT can: nothing is sent meanwhile, and one more is a lie.
 * Returns: false if @t is no more, or lingers.
 */
static bool iotlb_read(VhostUserIOTLB *t, bool wait)
{
    while (!wait || !g_queue_is_empty(&t->sent)) {
        ssize_t n = recv(t->fd, (uint8_t *)&t->ack + t->ack_len,
                         sizeof(t->ack) - t->ack_len, MSG_DONTWAIT);
        const char *lie;
        Request *r;

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 && errno == EAGAIN) {
            GPollFD pfd = { .fd = t->fd, .events = G_IO_IN };

            if (!wait) {
                return true;
            }
            g_poll(&pfd, 1, -1);
            continue;
        }
        if (n <= 0) {
            trace_vhost_user_iotlb_closed(t, g_queue_get_length(&t->sent));
            iotlb_free(t);
            return false;
        }
        t->ack_len += n;
        r = g_queue_peek_head(&t->sent);
        lie = vhost_user_ack_check(&t->ack, t->ack_len, r, r && r->hold);
        if (lie) {
            iotlb_lied(t, lie);
            return false;
        }
        if (t->ack_len == sizeof(t->ack)) {
            iotlb_acknowledged(t);
        }
    }
    return true;
}

/*
 * Acknowledgements that come at once.  Returns: false if @t is no more, or
 * lingers.
 */
static bool iotlb_wait_shortly(VhostUserIOTLB *t)
{
    int64_t end = get_clock() + PATIENCE_NS, left;

    while ((left = end - get_clock()) > 0) {
        GPollFD pfd = { .fd = t->fd, .events = G_IO_IN };

        qemu_poll_ns(&pfd, 1, left);
        if (!iotlb_read(t, false)) {
            return false;
        }
        if (g_queue_is_empty(&t->sent)) {
            return true;
        }
    }
    t->impatient = IMPATIENT;
    return true;
}

/* Something has been sent.  @t may be gone afterwards. */
static void iotlb_await(VhostUserIOTLB *t)
{
    if (t->impatient) {
        t->impatient--;
    } else if (!iotlb_wait_shortly(t)) {
        return;
    }
    iotlb_watch(t);
}

/* A fence waits. */
static void iotlb_flush(void *opaque)
{
    VhostUserIOTLB *t = opaque;
    DMA_HELD("vhost-user");

    if (t->chr && iotlb_send_waiting(t)) {
        iotlb_await(t);
    }
}

static void iotlb_readable(void *opaque)
{
    VhostUserIOTLB *t = opaque;

    if (iotlb_read(t, false)) {
        iotlb_watch(t);
    }
}

/*
 * The connection, if there is one.  *@plain: bytes written to the character
 * device are those that its socket carries.
 */
static QIOChannelSocket *iotlb_connection(CharBackend *chr, bool *plain)
{
    Object *obj = OBJECT(qemu_chr_fe_get_driver(chr));
    SocketChardev *s = (SocketChardev *)
        object_dynamic_cast(obj, TYPE_CHARDEV_SOCKET);

    *plain = s && !s->tls_creds && !s->is_websock && !s->is_telnet;
    return *plain && s->state == TCP_CHARDEV_STATE_CONNECTED ? s->sioc : NULL;
}

static VhostUserIOTLB *iotlb_new(VhostUserIOTLB **slot, CharBackend *chr,
                                 QIOChannelSocket *sioc)
{
    int fd = fcntl(sioc->fd, F_DUPFD_CLOEXEC, 0);
    VhostUserIOTLB *t;

    if (fd < 0) {
        error_report("vhost-user: cannot watch a connection: %s",
                     strerror(errno));
        return NULL;
    }
    t = g_new0(VhostUserIOTLB, 1);
    t->slot = slot;
    t->chr = chr;
    t->sioc = QIO_CHANNEL_SOCKET(object_ref(OBJECT(sioc)));
    t->fd = fd;
    /* Like the drain's: not in the middle of somebody's register write. */
    t->bh = aio_bh_new(iohandler_get_aio_context(), iotlb_bh, t);
    g_queue_init(&t->sent);
    g_queue_init(&t->waiting);
    *slot = t;
    return t;
}

/* May it go with the invalidation that will be sent last?  Then it does. */
static bool iotlb_merge(VhostUserIOTLB *t, const struct vhost_iotlb_msg *imsg)
{
    Request *r = g_queue_peek_tail(&t->waiting);
    uint64_t first, last;

    if (!r || !r->hold || imsg->type != VHOST_IOTLB_INVALIDATE) {
        return false;
    }
    first = r->msg.iova;
    last = first + r->msg.size - 1;
    if (!vhost_user_span_merge(&first, &last, imsg->iova,
                               imsg->iova + imsg->size - 1,
                               g_queue_get_length(&t->waiting) >= MERGE_ALL)) {
        return false;
    }
    vhost_iommu_range(&r->msg, first, last);
    return true;
}

int vhost_user_iotlb_send(VhostUserIOTLB **slot, CharBackend *chr,
                          AddressSpace *as, const struct vhost_iotlb_msg *imsg)
{
    bool plain;
    QIOChannelSocket *sioc = iotlb_connection(chr, &plain);
    VhostUserIOTLB *t;
    Request *r;

    if (!as->inflight || !plain) {
        return -ENOTSUP;
    }
    if (*slot && (*slot)->sioc != sioc) {
        vhost_user_iotlb_stop(slot, true);
    }
    if (*slot) {
        /* What it says before it is asked cannot be an answer. */
        iotlb_read(*slot, false);
        sioc = iotlb_connection(chr, &plain);
    }
    if (!sioc) {
        return imsg->type == VHOST_IOTLB_INVALIDATE ? 0 : -ENOTCONN;
    }
    t = *slot ?: iotlb_new(slot, chr, sioc);
    if (!t) {
        return -ENOTSUP;
    }
    t->as = as;

    if (iotlb_merge(t, imsg)) {
        return 0;
    }
    if (g_queue_get_length(&t->waiting) >= MAX_WAITING) {
        iotlb_lied(t, "asks for translations and does not take them");
        return -ENOTCONN;
    }
    r = g_new0(Request, 1);
    r->msg = *imsg;
    g_queue_push_tail(&t->waiting, r);
    if (imsg->type == VHOST_IOTLB_INVALIDATE) {
        /* More may follow that go with it; the drain says when to send. */
        iotlb_take_hold(t, r);
        if (!dma_drain_collects(r->hold)) {
            qemu_bh_schedule(t->bh);
        }
    } else if (iotlb_send_waiting(t)) {
        iotlb_await(t);
    }
    return 0;
}

void vhost_user_iotlb_collect(VhostUserIOTLB **slot)
{
    if (*slot) {
        iotlb_read(*slot, true);
    }
}

void vhost_user_iotlb_stop(VhostUserIOTLB **slot, bool gone)
{
    VhostUserIOTLB *t = *slot;
    bool plain;

    if (!t) {
        return;
    }
    if (gone || iotlb_connection(t->chr, &plain) != t->sioc) {
        /* It may have ended on the other side already. */
        if (iotlb_read(t, false)) {
            iotlb_linger(t);
        }
    } else if (g_queue_is_empty(&t->sent) && g_queue_is_empty(&t->waiting)) {
        iotlb_free(t);
    } else {
        t->as = NULL;
    }
}

/*
 * A vIOMMU outside the VMM: the connection
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "block/aio-wait.h"
#include "block/aio.h"
#include "chardev/char-socket.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/lockable.h"
#include "../trace.h"
#include "remote-link-internal.h"

unsigned remote_link_connection(RemoteLink *link)
{
    return qatomic_read(&link->connection);
}

/* What happens to the connection: the link's thread */

/* Whoever leads carries out nothing any more when this returns. */
static void link_end_wire(RemoteLink *link, RemoteWire *wire)
{
    WITH_QEMU_LOCK_GUARD(&wire->lock) {
        wire->over = true;
    }
    remote_wire_close(wire);
    g_source_destroy(link->wire_source);
    g_clear_pointer(&link->wire_source, g_source_unref);
}

static void link_down(RemoteLink *link, const char *reason)
{
    g_autoptr(RemoteWire) wire = link->wire;
    GHashTableIter iter;
    gpointer value;
    bool was_up;

    if (wire) {
        link_end_wire(link, wire);
    }
    link->held = false;
    remote_out_restart(link, 0, NULL);
    g_byte_array_set_size(link->in, 0);
    WITH_QEMU_LOCK_GUARD(&link->lock) {
        link->wire = NULL;
        was_up = link->state == LINK_UP;
        link->state = LINK_DOWN;
        link->late = false;
        link->owed = 0;
        g_free(link->reason);
        link->reason = g_strdup(reason);
        g_hash_table_iter_init(&iter, link->asks);
        while (g_hash_table_iter_next(&iter, NULL, &value)) {
            RemoteAsk *ask = value;

            g_hash_table_iter_remove(&iter);
            if (ask->abandoned || ask->then) {
                remote_ask_free(ask);
                continue;
            }
            ask->error = -ENOTCONN;
            remote_ask_done(ask, wire, NULL);
        }
        qemu_cond_broadcast(&link->changed);
    }
    if (was_up) {
        link->ops->down(link->opaque, link->acted_on, reason);
    }
}

/* The handshake's next question */
static void link_greet(RemoteLink *link, VRPCommand command,
                       const void *message, const char *text,
                       void (*then)(RemoteLink *, const void *,
                       const uint8_t *, size_t))
{
    VRPHeader h = { .command = command };

    WITH_QEMU_LOCK_GUARD(&link->lock) {
        remote_ask_new(link, command, &h.id)->then = then;
    }
    remote_out_write(link, qatomic_read(&link->connection),
                     remote_out_new(&h, vrp_shape(command)->fields, message,
                                    text, text ? strlen(text) + 1 : 0));
}

static void link_region_known(RemoteLink *link, const void *message,
                              const uint8_t *data, size_t len)
{
    const VRPRegionInfo *info = message;
    const char *wrong;

    WITH_QEMU_LOCK_GUARD(&link->out_lock) {
        link->greeted = true;
    }
    wrong = link->ops->greet(link->opaque, info->size, &link->unit);
    if (wrong) {
        remote_link_hang_up(link, wrong);
        return;
    }
    WITH_QEMU_LOCK_GUARD(&link->lock) {
        link->state = LINK_UP;
        link->stats.connections++;
        g_clear_pointer(&link->reason, g_free);
        qemu_cond_broadcast(&link->changed);
    }
    link->ops->up(link->opaque);
}

/* Or later.  Once it has answered that it may send whatever it likes. */
static void link_ask_region(RemoteLink *link)
{
    VRPRegionInfo info = { .argsz = sizeof(info) };

    link->held = !link->ops->ready(link->opaque);
    if (!link->held) {
        link_greet(link, VRP_REGION_INFO, &info, NULL, link_region_known);
    }
}

static void link_version_known(RemoteLink *link, const void *message,
                               const uint8_t *data, size_t len)
{
    const char *wrong = remote_hello_read(data, len, link->features,
                                          &link->unit);

    if (wrong) {
        remote_link_hang_up(link, wrong);
        return;
    }
    link_ask_region(link);
}

static gboolean link_wire_ready(gint fd, GIOCondition cond, gpointer opaque)
{
    RemoteLink *link = opaque;
    RemoteWire *wire = link->wire;
    unsigned events = remote_wire_events(wire);

    if (events & REMOTE_WIRE_OUT) {
        remote_out_go_on(link);
    }
    if (events & REMOTE_WIRE_IN) {
        remote_read(link, wire, NULL);
    }
    return G_SOURCE_CONTINUE;
}

/*
 * The socket that the connection is, if it is nothing but that: who reads past
 * the character device reads what it would have been told, and nothing is
 * recorded.
 */
static RemoteWire *link_wire(RemoteLink *link)
{
    Chardev *chr = qemu_chr_fe_get_driver(link->chr);
    SocketChardev *socket;

    if (!object_dynamic_cast(OBJECT(chr), TYPE_CHARDEV_SOCKET) ||
        chr->logfd >= 0 ||
        qemu_chr_has_feature(chr, QEMU_CHAR_FEATURE_REPLAY)) {
        return NULL;
    }
    socket = SOCKET_CHARDEV(chr);
    if (!socket->sioc || socket->ioc != QIO_CHANNEL(socket->sioc) ||
        socket->do_telnetopt) {
        return NULL;
    }
    return remote_wire_new(socket->sioc->fd);
}

static void link_listen_to_wire(RemoteLink *link, RemoteWire *wire)
{
    GMainContext *context = iothread_get_g_main_context(link->iothread);

    link->wire_source = g_unix_fd_source_new(remote_wire_fd(wire), G_IO_IN);
    g_source_set_callback(link->wire_source, G_SOURCE_FUNC(link_wire_ready),
                          link, NULL);
    /* It runs no loop; or it would be taken out while it runs, at some cost. */
    g_source_set_can_recurse(link->wire_source, true);
    g_source_attach(link->wire_source, context);
}

static void link_hello(RemoteLink *link, unsigned opening)
{
    VRPVersion version = { VRP_MAJOR, VRP_MINOR };
    g_autofree char *text = remote_hello(link->features);
    RemoteWire *wire = link_wire(link);

    /* It was about the connection before. */
    qatomic_set(&link->wrong, NULL);
    remote_out_restart(link, opening, wire);
    if (wire) {
        link_listen_to_wire(link, wire);
    }
    link->unit = (RemoteUnit) { .kind = REMOTE_UNIT_OTHER };
    /* At once: who waits takes one without the other for a refusal. */
    WITH_QEMU_LOCK_GUARD(&link->lock) {
        link->acted_on = opening;
        link->wire = wire;
        link->state = LINK_GREETING;
    }
    link_greet(link, VRP_VERSION, &version, text, link_version_known);
}

/* It is over; what was said before that is heard. */
static void link_read_rest(RemoteLink *link)
{
    unsigned most = REMOTE_OUT_MAX / REMOTE_WIRE_READ;

    while (link->wire && most-- && remote_read(link, link->wire, NULL) > 0) {
        /* Mostly the other end is closed, so there is an end. */
    }
}

static void link_rest_bh(void *opaque)
{
    RemoteLink *link = opaque;

    if (link->wire) {
        remote_read(link, link->wire, NULL);
    }
}

static void link_event_bh(void *opaque)
{
    RemoteLink *link = opaque;
    const char *wrong = qatomic_xchg(&link->wrong, NULL);
    unsigned openings = qatomic_read(&link->openings);

    if (wrong && link->state != LINK_DOWN) {
        trace_viommu_remote_hang_up(wrong);
        link_down(link, wrong);
        qemu_chr_fe_disconnect(link->chr);
    }
    if (link->state != LINK_DOWN &&
        (openings != link->acted_on || !qatomic_read(&link->opened))) {
        link_read_rest(link);
        link_down(link, "the connection ended");
    }
    if (openings != link->acted_on && qatomic_read(&link->opened)) {
        link_hello(link, openings);
    }
    if (link->held) {
        link_ask_region(link);
    }
}

void remote_link_go_on(RemoteLink *link)
{
    qemu_bh_schedule(link->event_bh);
}

static void link_event(void *opaque, QEMUChrEvent event)
{
    RemoteLink *link = opaque;

    if (event == CHR_EVENT_OPENED) {
        qatomic_set(&link->openings, link->openings + 1);
        qatomic_set(&link->opened, true);
    } else if (event == CHR_EVENT_CLOSED) {
        qatomic_set(&link->opened, false);
    } else {
        return;
    }
    qemu_bh_schedule(link->event_bh);
}

void remote_link_hang_up(RemoteLink *link, const char *reason)
{
    qatomic_set(&link->wrong, reason);
    qemu_bh_schedule(link->event_bh);
}

/* Without a wire the character device reads: the link's thread */

static int link_can_read(void *opaque)
{
    RemoteLink *link = opaque;

    return link->wire ? 0 : 1 << 16;
}

static void link_read(void *opaque, const uint8_t *buf, int size)
{
    RemoteLink *link = opaque;

    if (link->state == LINK_DOWN || qatomic_read(&link->wrong)) {
        return;
    }
    remote_read_bytes(link, buf, size);
}

/* Beginning and end */

RemoteLink *remote_link_new(CharBackend *chr, uint32_t timeout_ms,
                            uint32_t features, const RemoteLinkOps *ops,
                            void *opaque, Error **errp)
{
    g_autofree char *id = g_strdup_printf("viommu-remote-%s",
                                          qemu_chr_fe_get_driver(chr)->label);
    IOThread *iothread = iothread_create(id, errp);
    RemoteLink *link;

    if (!iothread) {
        return NULL;
    }
    link = g_new0(RemoteLink, 1);
    link->chr = chr;
    link->iothread = iothread;
    link->ops = ops;
    link->opaque = opaque;
    link->timeout_ms = timeout_ms;
    link->features = features;
    link->reason = g_strdup("it has not answered");
    link->asks = g_hash_table_new(NULL, NULL);
    link->in = g_byte_array_new();
    qemu_mutex_init(&link->lock);
    qemu_mutex_init(&link->out_lock);
    qemu_cond_init(&link->changed);
    g_queue_init(&link->out);
    link->event_bh = aio_bh_new(iothread_get_aio_context(iothread),
                                link_event_bh, link);
    link->rest_bh = aio_bh_new(iothread_get_aio_context(iothread),
                               link_rest_bh, link);
    return link;
}

/*
 * In the link's thread: it frees a socket's sources when the other end hangs
 * up, so nobody else may be putting them there, or taking them away.
 */
static void link_listen(void *opaque)
{
    RemoteLink *link = opaque;

    qemu_chr_fe_set_handlers(link->chr, link_can_read, link_read, link_event,
                             NULL, link,
                             iothread_get_g_main_context(link->iothread), true);
}

static void link_listen_no_more(void *opaque)
{
    RemoteLink *link = opaque;

    qemu_chr_fe_set_handlers(link->chr, NULL, NULL, NULL, NULL, NULL, NULL,
                             true);
    if (link->wire) {
        link_end_wire(link, link->wire);
        g_clear_pointer(&link->wire, remote_wire_unref);
    }
}

bool remote_link_wait(RemoteLink *link, unsigned ms, Error **errp)
{
    int64_t end = g_get_monotonic_time() + (int64_t)ms * 1000;

    /* From now on its thread calls .ops. */
    aio_wait_bh_oneshot(iothread_get_aio_context(link->iothread), link_listen,
                        link);
    QEMU_LOCK_GUARD(&link->lock);
    /* A connection that has ended does not come up by itself. */
    while (link->state != LINK_UP &&
           (link->state == LINK_GREETING || !link->acted_on)) {
        int64_t left = (end - g_get_monotonic_time()) / 1000;

        if (left <= 0) {
            break;
        }
        qemu_cond_timedwait(&link->changed, &link->lock, left);
    }
    if (link->state != LINK_UP) {
        error_setg(errp, "viommu-remote: the server at chardev '%s' will not "
                   "do: %s", qemu_chr_fe_get_driver(link->chr)->label,
                   link->reason);
        return false;
    }
    return true;
}

void remote_link_free(RemoteLink *link)
{
    aio_wait_bh_oneshot(iothread_get_aio_context(link->iothread),
                        link_listen_no_more, link);
    qemu_bh_delete(link->event_bh);
    qemu_bh_delete(link->rest_bh);
    iothread_destroy(link->iothread);
    remote_out_restart(link, 0, NULL);
    g_hash_table_unref(link->asks);
    g_byte_array_unref(link->in);
    qemu_cond_destroy(&link->changed);
    qemu_mutex_destroy(&link->out_lock);
    qemu_mutex_destroy(&link->lock);
    g_free(link->reason);
    g_free(link);
}

bool remote_link_is_up(RemoteLink *link)
{
    QEMU_LOCK_GUARD(&link->lock);
    return link->state == LINK_UP;
}

void remote_link_stats(RemoteLink *link, RemoteLinkStats *stats)
{
    QEMU_LOCK_GUARD(&link->lock);
    *stats = link->stats;
}

size_t remote_link_backlog(RemoteLink *link)
{
    QEMU_LOCK_GUARD(&link->out_lock);
    return link->out_bytes;
}

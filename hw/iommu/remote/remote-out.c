/*
 * A vIOMMU outside the VMM: what is written
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Who has something to say writes it, as far as there is room, and the link's
 * thread the rest.
 */
#include "qemu/osdep.h"
#include "qemu/lockable.h"
#include "remote-link-internal.h"

/* So many messages in one write */
#define OUT_VECTOR 16

struct RemoteOut {
    size_t done, len;
    int fd;
    uint8_t bytes[];
};

static void out_free(RemoteOut *m)
{
    if (m->fd >= 0) {
        close(m->fd);
    }
    g_free(m);
}

static gboolean out_writable(void *do_not_use, GIOCondition cond,
                             void *opaque);

/* out_lock held: tell when there is room.  The character device carries it. */
static void out_watch(RemoteLink *link)
{
    if (link->out_wire) {
        remote_wire_want_out(link->out_wire, true);
        link->watching = true;
    } else {
        link->watching = qemu_chr_fe_add_watch(
            link->chr, G_IO_OUT | G_IO_HUP, out_writable, link);
    }
}

/*
 * out_lock held: what there is of the first messages, which is something.  A
 * descriptor goes with the first byte of a write.
 * Returns: how much was written, or a negative errno.
 */
static ssize_t out_send(RemoteLink *link)
{
    RemoteOut *first = g_queue_peek_head(&link->out);
    int fd = first->done ? -1 : first->fd;
    struct iovec iov[OUT_VECTOR];
    unsigned n = 0;
    ssize_t done;

    if (link->out_wire) {
        for (GList *at = link->out.head; at && n < OUT_VECTOR; at = at->next) {
            RemoteOut *m = at->data;

            if (n && m->fd >= 0) {
                break;
            }
            iov[n++] = (struct iovec) { m->bytes + m->done, m->len - m->done };
        }
        return remote_wire_write(link->out_wire, iov, n, fd);
    }
    if (fd >= 0) {
        qemu_chr_fe_set_msgfds(link->chr, &fd, 1);
    }
    done = qemu_chr_fe_write(link->chr, first->bytes + first->done,
                             first->len - first->done);
    return done > 0 ? done : errno == EAGAIN ? -EAGAIN : -EIO;
}

/* out_lock held */
static void out_flush(RemoteLink *link)
{
    while (!g_queue_is_empty(&link->out)) {
        ssize_t n = out_send(link);

        if (n < 0) {
            /* If it is broken, the end of the connection clears the queue. */
            if (!link->watching && n == -EAGAIN) {
                out_watch(link);
            }
            return;
        }
        link->out_bytes -= n;
        while (n) {
            RemoteOut *m = g_queue_peek_head(&link->out);
            size_t part = MIN((size_t)n, m->len - m->done);

            m->done += part;
            n -= part;
            if (m->done == m->len) {
                out_free(g_queue_pop_head(&link->out));
            }
        }
    }
}

void remote_out_go_on(RemoteLink *link)
{
    QEMU_LOCK_GUARD(&link->out_lock);
    if (link->out_wire) {
        remote_wire_want_out(link->out_wire, false);
    }
    link->watching = false;
    out_flush(link);
}

static gboolean out_writable(void *do_not_use, GIOCondition cond,
                             void *opaque)
{
    RemoteLink *link = opaque;

    remote_out_go_on(link);
    return G_SOURCE_REMOVE;
}

RemoteOut *remote_out_new(VRPHeader *h, const char *fields,
                          const void *message, const void *data, size_t len)
{
    size_t fixed = vrp_fields_size(fields);
    RemoteOut *m;

    h->size = sizeof(*h) + fixed + len;
    m = g_malloc(sizeof(*m) + h->size);
    m->done = 0;
    m->len = h->size;
    m->fd = -1;
    vrp_pack(VRP_HEADER_FIELDS, h, m->bytes);
    vrp_pack(fields, message, m->bytes + sizeof(*h));
    if (len) {
        memcpy(m->bytes + sizeof(*h) + fixed, data, len);
    }
    return m;
}

/*
 * Takes over @m.  @connection: 0 for whichever there is, once it has been
 * greeted.
 */
void remote_out_write(RemoteLink *link, unsigned connection, RemoteOut *m)
{
    bool full;

    WITH_QEMU_LOCK_GUARD(&link->out_lock) {
        if (connection ? connection != link->connection : !link->greeted) {
            out_free(m);
            return;
        }
        full = link->out_bytes + m->len > REMOTE_OUT_MAX;
        if (full) {
            out_free(m);
        } else {
            g_queue_push_tail(&link->out, m);
            link->out_bytes += m->len;
            out_flush(link);
        }
    }
    if (full) {
        remote_link_hang_up(link, "it does not read what it is sent");
    }
}

/* A new connection has begun, or there is none any more: @number 0. */
void remote_out_restart(RemoteLink *link, unsigned number, RemoteWire *wire)
{
    RemoteOut *m;

    QEMU_LOCK_GUARD(&link->out_lock);
    while ((m = g_queue_pop_head(&link->out))) {
        out_free(m);
    }
    if (link->out_wire) {
        remote_wire_unref(link->out_wire);
        link->watching = false;
    }
    link->out_wire = wire ? remote_wire_ref(wire) : NULL;
    link->out_bytes = 0;
    link->greeted = false;
    qatomic_set(&link->connection, number);
}

void remote_link_post(RemoteLink *link, VRPCommand command,
                      const void *message, const void *data, size_t len,
                      int fd)
{
    VRPHeader h = { .command = command, .flags = VRP_FLAG_NO_REPLY };
    RemoteOut *m = remote_out_new(&h, vrp_shape(command)->fields, message, data,
                            len);

    if (fd >= 0) {
        m->fd = qemu_dup(fd);
    }
    remote_out_write(link, 0, m);
}

void remote_link_reply(RemoteLink *link, unsigned connection,
                       const VRPHeader *h, int error, const void *message,
                       const void *data, size_t len)
{
    VRPHeader back = {
        .id = h->id,
        .command = h->command,
        .flags = VRP_TYPE_REPLY | (error ? VRP_FLAG_ERROR : 0),
        .error = error,
    };
    const char *fields = error ? NULL : vrp_shape(h->command)->answer;

    remote_out_write(link, connection,
                     remote_out_new(&back, fields, message, data,
                                    error ? 0 : len));
}

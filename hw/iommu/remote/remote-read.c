/*
 * A vIOMMU outside the VMM: what is read
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The link's thread, or who leads; but for remote_read(), the wire's lock held.
 */
#include "qemu/osdep.h"
#include "qemu/lockable.h"
#include "qemu/main-loop.h"
#include "../trace.h"
#include "remote-link-internal.h"

/* Returns: what is wrong with it, or NULL. */
static const char *read_answer(RemoteLink *link, RemoteReader *reader,
                               const VRPHeader *h, const void *message,
                               const uint8_t *data, size_t len)
{
    const char *fields = vrp_shape(h->command)->answer;
    int error = h->flags & VRP_FLAG_ERROR ? -(int)MIN(h->error, 4095) : 0;
    void (*then)(RemoteLink *, const void *, const uint8_t *, size_t) = NULL;
    RemoteAsk *ask;

    WITH_QEMU_LOCK_GUARD(&link->lock) {
        ask = g_hash_table_lookup(link->asks, GUINT_TO_POINTER(h->id));
        if (!ask || ask->command != h->command) {
            return "it answers what it was not asked";
        }
        g_hash_table_remove(link->asks, GUINT_TO_POINTER(h->id));
        link->late = false;
        if (ask->abandoned || ask->then) {
            link->owed -= ask->abandoned && ask->brief;
            then = ask->then;
            remote_ask_free(ask);
        } else {
            ask->error = h->flags & VRP_FLAG_ERROR && !error ? -EIO : error;
            if (!ask->error && ask->answer) {
                memcpy(ask->answer, message, vrp_fields_size(fields));
            }
            if (!ask->error && ask->more) {
                g_byte_array_append(ask->more, data, len);
            }
            remote_ask_done(ask, link->wire, reader ? reader->mine : NULL);
            if (reader) {
                reader->done |= ask == reader->mine;
            }
        }
    }
    if (then) {
        /* Who is told to stop is done, then, in any case. */
        if (h->flags & VRP_FLAG_ERROR && h->command != VRP_RUN) {
            return h->command == VRP_RESET ? "it refuses a reset" :
                   "it refuses the handshake";
        }
        then(link, message, data, len);
    }
    return NULL;
}

static const char *read_message(RemoteLink *link, RemoteReader *reader,
                                const VRPHeader *h, const uint8_t *body)
{
    QEMU_ALIGNED(8) uint8_t message[VRP_FIXED_MAX];
    const char *wrong = vrp_check_server(h, body, link->unit.features, message);
    const VRPShape *shape = vrp_shape(h->command);
    bool reply = (h->flags & VRP_FLAG_TYPE) == VRP_TYPE_REPLY;
    size_t fixed;

    if (wrong) {
        return wrong;
    }
    fixed = h->flags & VRP_FLAG_ERROR ? 0 :
            vrp_fields_size(reply ? shape->answer : shape->fields);
    trace_viommu_remote_message(h->id, h->command, h->flags, h->size);
    if (reply) {
        return read_answer(link, reader, h, message, body + fixed,
                             h->size - sizeof(*h) - fixed);
    }
    if (link->state != LINK_UP) {
        return "it commands before the handshake is over";
    }
    return link->ops->command(link->opaque, h, message, body + fixed,
                              h->size - sizeof(*h) - fixed);
}

/* Is there a message in @in behind @at, or the beginning of what is none? */
static bool read_has_message(const GByteArray *in, size_t at)
{
    VRPHeader h;

    if (in->len - at < sizeof(h)) {
        return false;
    }
    vrp_unpack(VRP_HEADER_FIELDS, in->data + at, &h);
    return vrp_check_header(&h) || in->len - at >= h.size;
}

/*
 * Carry out what there is in @in; who leads, until its answer has come, and
 * within its budget.  Returns: true if there is more.
 */
static bool read_carry_out(RemoteLink *link, GByteArray *in,
                           RemoteReader *reader)
{
    const char *wrong = NULL;
    size_t at = 0;
    bool more;

    while ((more = read_has_message(in, at)) && !wrong &&
           !qatomic_read(&link->wrong) &&
           !(reader && (reader->done || !reader->budget))) {
        VRPHeader h;

        vrp_unpack(VRP_HEADER_FIELDS, in->data + at, &h);
        wrong = vrp_check_header(&h);
        if (!wrong) {
            wrong = read_message(link, reader, &h, in->data + at + sizeof(h));
            at += h.size;
        }
        if (reader) {
            reader->budget--;
        }
    }
    g_byte_array_remove_range(in, 0, at);
    if (wrong) {
        remote_link_hang_up(link, wrong);
    }
    return more;
}

/* remote_read(), the wire's lock held */
static ssize_t read_locked(RemoteLink *link, RemoteWire *wire,
                           RemoteReader *reader)
{
    ssize_t n;

    if (wire->over || qatomic_read(&link->wrong)) {
        return 0;
    }
    n = remote_wire_read(wire);
    if (read_carry_out(link, wire->in, reader) && reader) {
        qemu_bh_schedule(link->rest_bh);
        return 0;
    }
    if (!n) {
        remote_link_hang_up(link, "the connection ended");
    }
    return reader && !reader->budget ? 0 : n;
}

ssize_t remote_read(RemoteLink *link, RemoteWire *wire,
                    RemoteReader *reader)
{
    ssize_t n;

    WITH_QEMU_LOCK_GUARD(&wire->lock) {
        n = read_locked(link, wire, reader);
    }
    link->ops->commanded(link->opaque, !reader);
    return n;
}

void remote_read_bytes(RemoteLink *link, const uint8_t *buf, size_t size)
{
    g_byte_array_append(link->in, buf, size);
    read_carry_out(link, link->in, NULL);
    /* The character device is in the middle of something. */
    link->ops->commanded(link->opaque, false);
}

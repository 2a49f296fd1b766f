/*
 * A remote unit's server at the other end of a socket, in a thread
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include <poll.h>
#include <sys/socket.h>
#include "qemu/atomic.h"
#include "fake-server.h"

int server_lies;

/* A message of its own that is to be answered */
typedef struct Sent {
    uint16_t id;
    VRPCommand command;
    uint64_t seq;            /* VRP_INVALIDATE */
    uint32_t ticket;
    bool old;                /* there has been a reset since */
    VRPHeader question;      /* VRP_DMA_READ: that it is for */
    unsigned iova;
} Sent;

static void server_flush(Server *srv)
{
    size_t done = 0;

    while (!srv->over && done < srv->out->len) {
        /* In pieces: what comes is not always a message. */
        size_t part = srv->gathers || rand_below(&srv->rand, 16) ?
                      srv->out->len - done : 1;
        ssize_t n = send(srv->fd, srv->out->data + done, part, MSG_NOSIGNAL);

        if (n < 0) {
            srv->over = true;
        } else {
            done += n;
        }
    }
    g_byte_array_set_size(srv->out, 0);
}

static void server_send(Server *srv, const VRPHeader *h, const char *fields,
                        const void *message, const void *data, size_t len)
{
    size_t fixed = vrp_fields_size(fields);
    uint8_t bytes[256];
    VRPHeader header = *h;

    header.size = sizeof(header) + fixed + len;
    g_assert_cmpuint(header.size, <=, sizeof(bytes));
    vrp_pack(VRP_HEADER_FIELDS, &header, bytes);
    vrp_pack(fields, message, bytes + sizeof(header));
    if (len) {
        memcpy(bytes + sizeof(header) + fixed, data, len);
    }
    g_byte_array_append(srv->out, bytes, header.size);
    if (!srv->gathers) {
        server_flush(srv);
    }
}

static void server_reply(Server *srv, const VRPHeader *to, const void *message,
                         const void *data, size_t len)
{
    const VRPHeader h = {
        .id = to->id, .command = to->command, .flags = VRP_TYPE_REPLY,
    };

    if (!(to->flags & VRP_FLAG_NO_REPLY)) {
        server_send(srv, &h, vrp_shape(to->command)->answer, message, data,
                    len);
    }
}

static Sent *server_order(Server *srv, VRPCommand command, uint32_t flags,
                          const void *message, const void *data, size_t len)
{
    const VRPHeader h = {
        .id = srv->next_id++, .command = command, .flags = flags,
    };
    Sent sent = { .id = h.id, .command = command };

    server_send(srv, &h, vrp_shape(command)->fields, message, data, len);
    if (flags & VRP_FLAG_NO_REPLY) {
        return NULL;
    }
    g_array_append_val(srv->sent, sent);
    return &g_array_index(srv->sent, Sent, srv->sent->len - 1);
}

static uint64_t server_look(Server *srv, unsigned iova)
{
    if (srv->kept[iova] == UINT64_MAX || rand_below(&srv->rand, 4) == 0) {
        srv->kept[iova] = qatomic_load_acquire(&srv->memory[MEM_TABLE + iova]);
    }
    return srv->kept[iova];
}

static void server_answer(Server *srv, const VRPHeader *question,
                          uint64_t entry)
{
    VRPAnswer answer = { .verdict = VRP_ABSENT };

    if (entry) {
        answer = (VRPAnswer) {
            .verdict = VRP_OK,
            .addr = (entry - 1) << 12,
            .shift = 12,
            .perm = VRP_READ | VRP_WRITE,
            .flags = rand_below(&srv->rand, 8) ? 0 : VRP_ANSWER_ONCE,
        };
    }
    server_reply(srv, question, &answer, NULL, 0);
}

/* What nobody has asked for */
static void server_volunteer(Server *srv)
{
    unsigned iova = rand_below(&srv->rand, IOVAS);
    uint64_t entry, used;

    switch (rand_below(&srv->rand, 8)) {
    case 0:
    case 1:
        entry = server_look(srv, iova);
        if (entry) {
            const VRPPrefetch prefetch = {
                .iova = (uint64_t)iova << 12,
                .addr = (entry - 1) << 12,
                .domain = DOMAIN,
                .shift = 12,
                .perm = VRP_READ | VRP_WRITE,
            };

            server_order(srv, VRP_PREFETCH, VRP_FLAG_NO_REPLY, &prefetch, NULL,
                         0);
        }
        break;
    case 2:
        used = qatomic_read(&srv->memory[MEM_FLAGS + iova]);
        server_order(srv, VRP_UPDATE, 0, &(VRPUpdate) {
            8 * (MEM_FLAGS + iova), used, used + 1,
        }, NULL, 0);
        break;
    case 3:
        server_order(srv, VRP_INTERRUPT, VRP_FLAG_NO_REPLY, &(VRPInterrupt) {
            .data = srv->complete,
        }, NULL, 0);
        break;
    }
}

static void server_invalidate(Server *srv, VRPInvKind kind, unsigned iova)
{
    VRPInvalidate inv = { .seq = ++srv->seq, .kind = kind };
    Sent *sent;

    if (kind == VRP_INV_RANGE) {
        inv.first = (uint64_t)iova << 12;
        inv.last = inv.first + 0xfff;
    }
    if (kind == VRP_INV_RANGE || kind == VRP_INV_DOMAIN) {
        inv.domain = DOMAIN;
    }
    sent = server_order(srv, VRP_INVALIDATE, 0, &inv, NULL, 0);
    sent->ticket = srv->ticket;
    sent->seq = srv->seq;
}

static void server_written(Server *srv, uint64_t value)
{
    unsigned iova = value & 0xff, kind = value >> 8 & 0xff;

    srv->ticket = value >> 16;
    memset(srv->kept, -1, sizeof(srv->kept));
    if (kind == SERVER_CONFIG) {
        server_invalidate(srv, VRP_INV_CONFIG_ALL, 0);
    }
    server_invalidate(srv, kind == SERVER_ALL ? VRP_INV_ALL :
                      kind == SERVER_DOMAIN ? VRP_INV_DOMAIN : VRP_INV_RANGE,
                      iova);
    if (kind == SERVER_NOTHING) {
        server_invalidate(srv, VRP_INV_NOTHING, 0);
    }
}

/* All that a ticket stands for has been drained: software is told. */
static void server_drained(Server *srv, const Sent *sent,
                           const VRPDrained *drained)
{
    const VRPDMA dma = { 8 * MEM_STATUS, 8 };
    uint64_t status = sent->ticket;

    g_assert_cmpuint(drained->seq, ==, sent->seq);
    for (guint i = 0; i < srv->sent->len; i++) {
        const Sent *other = &g_array_index(srv->sent, Sent, i);

        if (other->command == VRP_INVALIDATE && !other->old) {
            return;
        }
    }
    srv->complete = sent->ticket;
    server_order(srv, VRP_DMA_WRITE,
                 rand_below(&srv->rand, 2) ? VRP_FLAG_NO_REPLY : 0, &dma,
                 &status, 8);
    if (rand_below(&srv->rand, 2)) {
        server_order(srv, VRP_INTERRUPT, VRP_FLAG_NO_REPLY, &(VRPInterrupt) {
            .data = srv->complete,
        }, NULL, 0);
    }
}

static void server_replied(Server *srv, const VRPHeader *h,
                           const void *message, const uint8_t *data)
{
    uint64_t entry;
    guint i;

    g_assert_false(h->flags & VRP_FLAG_ERROR &&
                   !(h->command == VRP_DMA_WRITE || h->command == VRP_UPDATE));
    for (i = 0; i < srv->sent->len; i++) {
        Sent sent = g_array_index(srv->sent, Sent, i);

        if (sent.id != h->id) {
            continue;
        }
        g_assert_cmphex(sent.command, ==, h->command);
        g_array_remove_index(srv->sent, i);
        if (sent.command == VRP_INVALIDATE && !sent.old) {
            server_drained(srv, &sent, message);
        } else if (sent.command == VRP_DMA_READ) {
            memcpy(&entry, data, 8);
            server_answer(srv, &sent.question, entry);
        }
        return;
    }
    g_error("the client answers what it was not asked");
}

static void server_asked(Server *srv, const VRPHeader *h,
                         const VRPTranslate *question)
{
    unsigned iova = question->iova >> 12;
    Sent held = { .question = *h, .iova = iova }, *sent;

    switch (rand_below(&srv->rand, 4)) {
    case 0:
        sent = server_order(srv, VRP_DMA_READ, 0, &(VRPDMA) {
            8 * (MEM_TABLE + iova), 8,
        }, NULL, 0);
        sent->question = *h;
        break;
    case 1:
        g_array_append_val(srv->held, held);
        break;
    default:
        server_answer(srv, h, server_look(srv, iova));
        break;
    }
}

static void server_release(Server *srv)
{
    unsigned i;

    if (srv->held->len) {
        Sent held;

        i = rand_below(&srv->rand, srv->held->len);
        held = g_array_index(srv->held, Sent, i);
        g_array_remove_index(srv->held, i);
        server_answer(srv, &held.question, server_look(srv, held.iova));
    }
}

static void server_resolve(Server *srv, const VRPHeader *h,
                           const VRPResolve *question)
{
    const VRPDMA dma = { 8 * MEM_STATUS, 8 };
    const VRPConfig answer = { .mode = VRP_BLOCKED };
    uint64_t status = question->rid;

    srv->gathers = true;
    server_reply(srv, h, &answer, NULL, 0);
    if (status % 2) {
        server_flush(srv);
        g_usleep(5000);
    }
    server_order(srv, VRP_DMA_WRITE, VRP_FLAG_NO_REPLY, &dma, &status, 8);
    server_flush(srv);
    srv->gathers = false;
    qatomic_inc(&srv->resolved);
}

/* Whoever asked is told nothing more of what was before. */
static void server_reset(Server *srv)
{
    for (guint i = 0; i < srv->sent->len; i++) {
        g_array_index(srv->sent, Sent, i).old = true;
    }
    srv->complete = srv->ticket;
}

static void server_message(Server *srv, const VRPHeader *h,
                           const void *message, const uint8_t *data,
                           size_t len)
{
    uint64_t value = REG_VALUE(srv->ticket, srv->complete);

    if (h->flags & VRP_TYPE_REPLY) {
        server_replied(srv, h, message, data);
        return;
    }
    switch (h->command) {
    case VRP_VERSION:
        server_reply(srv, h, &(VRPVersion) { VRP_MAJOR, VRP_MINOR }, "{}", 3);
        return;
    case VRP_REGION_INFO:
        server_reply(srv, h, &(VRPRegionInfo) {
            .argsz = sizeof(VRPRegionInfo), .size = 0x1000,
        }, NULL, 0);
        return;
    case VRP_REGION_READ:
        server_reply(srv, h, message, &value, 8);
        return;
    case VRP_REGION_WRITE:
        g_assert_cmpuint(len, ==, 8);
        memcpy(&value, data, 8);
        server_written(srv, value);
        server_reply(srv, h, message, NULL, 0);
        return;
    case VRP_TRANSLATE:
        qatomic_inc(&srv->questions);
        server_asked(srv, h, message);
        return;
    case VRP_RESOLVE:
        server_resolve(srv, h, message);
        return;
    case VRP_RESET:
        server_reset(srv);
        /* fall through */
    default:
        server_reply(srv, h, NULL, NULL, 0);
        return;
    }
}

static bool server_take(Server *srv, void *bytes, size_t len)
{
    struct pollfd pfd = { srv->fd, POLLIN, 0 };
    size_t done = 0;

    while (!srv->over && done < len) {
        ssize_t n;

        /* Nobody has anything to say who is not waiting for this. */
        while (srv->held->len && poll(&pfd, 1, srv->late ? 4 : 0) == 0) {
            server_release(srv);
        }
        n = recv(srv->fd, (uint8_t *)bytes + done, len - done, 0);
        if (n <= 0) {
            srv->over = true;
        } else {
            done += n;
        }
    }
    return !srv->over;
}

/* Now and then it says what cannot be right, and is hung up on. */
static void server_lie(Server *srv)
{
    const VRPHeader h = { .id = srv->next_id, .command = VRP_RESOLVE,
                          .flags = VRP_TYPE_REPLY };

    qatomic_inc(&server_lies);
    server_send(srv, &h, vrp_shape(VRP_RESOLVE)->answer,
                &(VRPConfig) { .mode = VRP_BLOCKED }, NULL, 0);
}

static void *server_run(void *opaque)
{
    Server *srv = opaque;
    uint8_t raw[sizeof(VRPHeader)], body[256];
    unsigned lifetime = rand_below(&srv->rand, 2000);
    VRPHeader h;

    while (server_take(srv, raw, sizeof(raw))) {
        QEMU_ALIGNED(8) uint8_t message[VRP_FIXED_MAX];
        const VRPShape *shape;
        const char *fields;
        size_t fixed;

        vrp_unpack(VRP_HEADER_FIELDS, raw, &h);
        g_assert_null(vrp_check_header(&h));
        g_assert_cmpuint(h.size, <=, sizeof(h) + sizeof(body));
        if (!server_take(srv, body, h.size - sizeof(h))) {
            break;
        }
        g_assert_null(vrp_check_client(&h, body, 0, message));
        shape = vrp_shape(h.command);
        fields = h.flags & VRP_FLAG_ERROR ? NULL :
                 h.flags & VRP_TYPE_REPLY ? shape->answer : shape->fields;
        fixed = vrp_fields_size(fields);
        server_message(srv, &h, message, body + fixed,
                       h.size - sizeof(h) - fixed);
        if (rand_below(&srv->rand, 2)) {
            server_release(srv);
        }
        if (h.command > VRP_RESOLVE) {
            server_volunteer(srv);
            if (!srv->late && lifetime && !--lifetime) {
                server_lie(srv);
            }
        }
    }
    return NULL;
}

Server *server_new(int fd, uint64_t *memory, bool late, uint64_t seed)
{
    Server *srv = g_new0(Server, 1);

    srv->fd = fd;
    srv->memory = memory;
    srv->late = late;
    srv->rand.state = seed | 1;
    srv->next_id = seed >> 16;
    srv->out = g_byte_array_new();
    srv->sent = g_array_new(false, false, sizeof(Sent));
    srv->held = g_array_new(false, false, sizeof(Sent));
    memset(srv->kept, -1, sizeof(srv->kept));
    thread_start(&srv->thread, server_run, srv);
    return srv;
}

void server_end(Server *srv)
{
    shutdown(srv->fd, SHUT_RDWR);
}

void server_free(Server *srv)
{
    thread_join(srv->thread);
    close(srv->fd);
    g_byte_array_unref(srv->out);
    g_array_unref(srv->sent);
    g_array_unref(srv->held);
    g_free(srv);
}

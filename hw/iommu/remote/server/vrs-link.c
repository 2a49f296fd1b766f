/*
 * The server's library: bytes, messages, and questions to the client
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What is sent is gathered, and written before anybody waits.  A client reads
 * whatever it waits for, so writing may block.  A descriptor comes with the
 * first byte of its message: so a header is read, then its body, and never
 * beyond.
 */
#include "qemu/osdep.h"
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>
#include "vrs-internal.h"

/* So much is gathered, at most */
#define OUT_MAX (64u << 10)

void vrs_end(VRSServer *s, const char *why)
{
    if (!s->gone) {
        s->gone = true;
        s->why = why;
        shutdown(s->fd, SHUT_RDWR);
    }
}

/* Writing */

void vrs_flush(VRSServer *s)
{
    size_t done = 0;

    while (!s->gone && done < s->out->len) {
        ssize_t n = send(s->fd, s->out->data + done, s->out->len - done,
                         MSG_NOSIGNAL);

        if (n >= 0) {
            done += n;
        } else if (errno != EINTR) {
            vrs_end(s, NULL);
        }
    }
    g_byte_array_set_size(s->out, 0);
}

void vrs_send(VRSServer *s, const VRPHeader *h, const char *fields,
              const void *message, const void *data, size_t len)
{
    size_t fixed = vrp_fields_size(fields), at = s->out->len;
    VRPHeader header = *h;

    header.size = sizeof(header) + fixed + len;
    g_byte_array_set_size(s->out, at + sizeof(header) + fixed);
    vrp_pack(VRP_HEADER_FIELDS, &header, s->out->data + at);
    vrp_pack(fields, message, s->out->data + at + sizeof(header));
    if (len) {
        g_byte_array_append(s->out, data, len);
    }
    if (s->out->len > OUT_MAX) {
        vrs_flush(s);
    }
}

void vrs_reply(VRSServer *s, const VRPHeader *to, int error,
               const void *message, const void *data, size_t len)
{
    const VRPHeader h = {
        .id = to->id,
        .command = to->command,
        .flags = VRP_TYPE_REPLY | (error ? VRP_FLAG_ERROR : 0),
        .error = error,
    };

    if (to->flags & VRP_FLAG_NO_REPLY) {
        return;
    }
    vrs_send(s, &h, error ? NULL : vrp_shape(to->command)->answer, message,
             data, error ? 0 : len);
}

uint16_t vrs_order(VRSServer *s, VRPCommand command, uint32_t flags,
                   const void *message, const void *data, size_t len)
{
    VRPHeader h = { .command = command, .flags = flags };

    do {
        h.id = s->next_id++;
    } while (vrs_drain_is_pending(s, h.id));
    vrs_send(s, &h, vrp_shape(command)->fields, message, data, len);
    return h.id;
}

/* Reading */

/* The descriptor of a message; if there are more they are closed. */
static void link_take_fd(struct msghdr *msg, int *fd)
{
    struct cmsghdr *c;

    for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        size_t n, i;

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (i = 0; i < n; i++) {
            int one;

            memcpy(&one, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
            if (*fd < 0) {
                *fd = one;
            } else {
                close(one);
            }
        }
    }
}

/*
 * @size bytes.  @wait: for the first one, too.  Returns: 1; 0 if there is none
 * of them yet; -1 if there will not be as many.
 */
static int link_take(VRSServer *s, uint8_t *to, size_t size, int *fd,
                      bool wait)
{
    size_t done = 0;

    while (done < size) {
        union {
            struct cmsghdr align;
            char bytes[CMSG_SPACE(8 * sizeof(int))];
        } control;
        struct iovec iov = { to + done, size - done };
        struct msghdr msg = {
            .msg_iov = &iov,
            .msg_iovlen = 1,
            .msg_control = control.bytes,
            .msg_controllen = sizeof(control),
        };
        ssize_t n = recvmsg(s->fd, &msg, MSG_CMSG_CLOEXEC |
                            (wait || done ? 0 : MSG_DONTWAIT));

        if (n > 0) {
            link_take_fd(&msg, fd);
            done += n;
        } else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            return 0;
        } else if (!n || errno != EINTR) {
            return -1;
        }
    }
    return 1;
}

VRSMessage *vrs_receive(VRSServer *s, bool wait)
{
    uint8_t bytes[sizeof(VRPHeader)];
    const char *wrong;
    VRSMessage *m;
    int fd = -1, taken;
    VRPHeader h;

    if (s->gone) {
        return NULL;
    }
    taken = link_take(s, bytes, sizeof(bytes), &fd, wait);
    if (taken <= 0) {
        if (taken < 0) {
            vrs_end(s, NULL);
        }
        return NULL;
    }
    vrp_unpack(VRP_HEADER_FIELDS, bytes, &h);
    wrong = vrp_check_header(&h);
    m = g_malloc(sizeof(*m) + (wrong ? 0 : h.size - sizeof(h)));
    m->h = h;
    if (!wrong && link_take(s, m->body, h.size - sizeof(h), &fd, true) < 0) {
        wrong = "a message ends before its end";
    }
    m->fd = fd;
    if (wrong) {
        vrs_end(s, wrong);
        vrs_message_free(m);
        return NULL;
    }
    return m;
}

void vrs_message_free(VRSMessage *m)
{
    if (m && m->fd >= 0) {
        close(m->fd);
    }
    g_free(m);
}

/* The client's answer to a question with @id, or what it is instead */
static bool link_is_answer(const VRSMessage *m, uint16_t id,
                           VRPCommand command)
{
    return (m->h.flags & VRP_FLAG_TYPE) == VRP_TYPE_REPLY && m->h.id == id &&
           m->h.command == command;
}

/* Takes over @m.  Returns: is it as asked for, and no error? */
static bool link_answered(VRSServer *s, VRSMessage *m, void *answer,
                          void *more, size_t more_len)
{
    QEMU_ALIGNED(8) uint8_t message[VRP_FIXED_MAX];
    const char *wrong = vrp_check_client(&m->h, m->body, s->features, message);
    size_t fixed = vrp_fields_size(vrp_shape(m->h.command)->answer);
    bool good = !wrong && !(m->h.flags & VRP_FLAG_ERROR);

    if (good && m->h.size - sizeof(m->h) - fixed != more_len) {
        wrong = "an answer has not as much data as was asked for";
        good = false;
    }
    if (good) {
        memcpy(answer, message, fixed);
        if (more_len) {
            memcpy(more, m->body + fixed, more_len);
        }
    }
    if (wrong) {
        vrs_end(s, wrong);
    }
    vrs_message_free(m);
    return good;
}

bool vrs_ask(VRSServer *s, VRPCommand command, const void *message,
             const void *data, size_t len, void *answer, void *more,
             size_t more_len)
{
    uint16_t id;
    VRSMessage *m;

    if (!s->up || s->gone) {
        return false;
    }
    id = vrs_order(s, command, 0, message, data, len);
    vrs_flush(s);
    while ((m = vrs_receive(s, true))) {
        if (link_is_answer(m, id, command)) {
            return link_answered(s, m, answer, more, more_len);
        }
        g_queue_push_tail(&s->deferred, m);
        if (g_queue_get_length(&s->deferred) > VRS_DEFERRED_MAX) {
            vrs_end(s, "it does not answer, but goes on asking");
            break;
        }
    }
    return false;
}

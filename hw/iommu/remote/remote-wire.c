/*
 * A vIOMMU outside the VMM: the socket of a connection, and who reads it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Who is woken is for an epoll of the link's thread to say, in which who leads
 * turns the socket off.  It is level-triggered: turned on again, it says at
 * once what there is.  Each thread that turns it off turns it on later, so
 * whatever the order of several, the last one does so.  The end of a connection
 * it says in any case.
 */
#include "qemu/osdep.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include "qemu/atomic.h"
#include "remote-wire.h"

static int wire_epoll(RemoteWire *wire, int op, int fd, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.fd = fd };

    return epoll_ctl(wire->idle_fd, op, fd, &event);
}

static void wire_close_all(RemoteWire *wire)
{
    const int fds[] = { wire->fd, wire->out_fd, wire->idle_fd, wire->kick_fd };

    for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
}

RemoteWire *remote_wire_new(int fd)
{
    RemoteWire *wire = g_new0(RemoteWire, 1);

    wire->refs = 1;
    /* Twice, since one descriptor has but one entry in an epoll. */
    wire->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    wire->out_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    wire->idle_fd = epoll_create1(EPOLL_CLOEXEC);
    wire->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (wire->fd < 0 || wire->out_fd < 0 || wire->idle_fd < 0 ||
        wire->kick_fd < 0 ||
        wire_epoll(wire, EPOLL_CTL_ADD, wire->fd, EPOLLIN) ||
        wire_epoll(wire, EPOLL_CTL_ADD, wire->out_fd, 0)) {
        wire_close_all(wire);
        g_free(wire);
        return NULL;
    }
    qemu_mutex_init(&wire->lock);
    wire->in = g_byte_array_new();
    return wire;
}

RemoteWire *remote_wire_ref(RemoteWire *wire)
{
    qatomic_inc(&wire->refs);
    return wire;
}

void remote_wire_unref(RemoteWire *wire)
{
    if (qatomic_fetch_dec(&wire->refs) == 1) {
        wire_close_all(wire);
        qemu_mutex_destroy(&wire->lock);
        g_byte_array_unref(wire->in);
        g_free(wire);
    }
}

void remote_wire_close(RemoteWire *wire)
{
    shutdown(wire->fd, SHUT_RDWR);
}

/* The link's thread's side */

int remote_wire_fd(const RemoteWire *wire)
{
    return wire->idle_fd;
}

unsigned remote_wire_events(RemoteWire *wire)
{
    struct epoll_event events[2];
    unsigned found = 0;
    int n = epoll_wait(wire->idle_fd, events, ARRAY_SIZE(events), 0);

    for (int i = 0; i < n; i++) {
        found |= events[i].data.fd == wire->fd ? REMOTE_WIRE_IN :
                                                 REMOTE_WIRE_OUT;
    }
    return found;
}

/* Who waits for an answer */

void remote_wire_lead(RemoteWire *wire)
{
    wire_epoll(wire, EPOLL_CTL_MOD, wire->fd, 0);
}

void remote_wire_follow(RemoteWire *wire)
{
    wire_epoll(wire, EPOLL_CTL_MOD, wire->fd, EPOLLIN);
}

void remote_wire_await(RemoteWire *wire, int ms)
{
    struct pollfd fds[] = {
        { .fd = wire->fd, .events = POLLIN },
        { .fd = wire->kick_fd, .events = POLLIN },
    };
    uint64_t kicks;
    ssize_t n;

    if (poll(fds, ARRAY_SIZE(fds), ms) <= 0 || !fds[1].revents) {
        return;
    }
    do {
        n = read(wire->kick_fd, &kicks, sizeof(kicks));
    } while (n < 0 && errno == EINTR);
}

void remote_wire_kick(RemoteWire *wire)
{
    const uint64_t one = 1;
    ssize_t n;

    do {
        n = write(wire->kick_fd, &one, sizeof(one));
    } while (n < 0 && errno == EINTR);
}

/* Bytes */

ssize_t remote_wire_read(RemoteWire *wire)
{
    guint len = wire->in->len;
    ssize_t n;

    g_byte_array_set_size(wire->in, len + REMOTE_WIRE_READ);
    do {
        n = recv(wire->fd, wire->in->data + len, REMOTE_WIRE_READ,
                 MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    g_byte_array_set_size(wire->in, len + MAX(n, 0));
    if (n < 0) {
        /* Broken is ended. */
        return errno == EAGAIN || errno == EWOULDBLOCK ? -EAGAIN : 0;
    }
    return n;
}

ssize_t remote_wire_write(RemoteWire *wire, struct iovec *iov, unsigned n,
                          int fd)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = { };
    struct msghdr msg = { .msg_iov = iov, .msg_iovlen = n };
    ssize_t done;

    if (fd >= 0) {
        struct cmsghdr *c = &control.align;

        msg.msg_control = control.bytes;
        msg.msg_controllen = sizeof(control.bytes);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &fd, sizeof(int));
    }
    do {
        done = sendmsg(wire->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (done < 0 && errno == EINTR);
    return done >= 0 ? done : errno == EWOULDBLOCK ? -EAGAIN : -errno;
}

void remote_wire_want_out(RemoteWire *wire, bool want)
{
    wire_epoll(wire, EPOLL_CTL_MOD, wire->out_fd, want ? EPOLLOUT : 0);
}

/*
 * A vhost-user-blk backend in the test, which does what the test says
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * docs/interop/vhost-user.rst of the base describes the messages.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "standard-headers/linux/virtio_blk.h"
#include "standard-headers/linux/virtio_config.h"
#include "viommu-vhost-user.h"
#include <sys/socket.h>
#include <sys/un.h>

enum {
    GET_FEATURES = 1,
    GET_VRING_BASE = 11,
    GET_PROTOCOL_FEATURES = 15,
    GET_QUEUE_NUM = 17,
    SET_BACKEND_REQ_FD = 21,
    GET_CONFIG = 24,
    BACKEND_IOTLB_MSG = 1,
};

#define F_PROTOCOL_FEATURES     30
#define PROTOCOL_F_MQ           0
#define PROTOCOL_F_REPLY_ACK    3
#define PROTOCOL_F_BACKEND_REQ  5
#define PROTOCOL_F_CONFIG       9
#define FLAG_NEED_REPLY         (1 << 3)
#define MAX_FDS                 8

typedef struct QEMU_PACKED Message {
    uint32_t request, flags, size;
    union {
        uint64_t u64;
        struct {
            uint32_t index, num;
        } state;
        struct vhost_iotlb_msg iotlb;
        uint8_t bytes[1024];
    } u;
} Message;

#define HEADER offsetof(Message, u)

struct VUBackend {
    GThread *thread;
    GMutex lock;
    char *dir, *path;
    VUWithout without;
    int listener, conn, misses;     /* -1: closed */
    int wake[2];
    bool quit, keep, until_stop, stop_reading, hung_up;
    bool refuse_updates;
    unsigned kept, updates;
    GArray *invalidated;            /* struct vhost_iotlb_msg */
    struct vhost_iotlb_msg last_update;
};

static void say_locked(VUBackend *vu, const void *bytes, size_t len)
{
    if (vu->conn >= 0) {
        /* QEMU may have hung up. */
        if (send(vu->conn, bytes, len, MSG_NOSIGNAL) < 0) {
            g_test_message("send: %s", strerror(errno));
        }
    }
}

void vu_say(VUBackend *vu, const void *bytes, size_t len)
{
    g_mutex_lock(&vu->lock);
    say_locked(vu, bytes, len);
    g_mutex_unlock(&vu->lock);
}

/* More than any socket's buffer has room for */
#define CHATTER (16 * 1024 * 1024)

size_t vu_chatter(VUBackend *vu)
{
    static const uint8_t nothing[4096];
    size_t said = 0;

    g_mutex_lock(&vu->lock);
    while (said < CHATTER) {
        ssize_t n = send(vu->conn, nothing, sizeof(nothing),
                         MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n <= 0) {
            break;
        }
        said += n;
    }
    g_mutex_unlock(&vu->lock);
    return said;
}

static void reply_locked(VUBackend *vu, uint32_t request, uint32_t flags,
                         uint32_t size, uint64_t payload)
{
    Message msg = {
        .request = request,
        .flags = flags,
        .size = size,
        .u.u64 = payload,
    };

    say_locked(vu, &msg, HEADER + sizeof(payload));
}

void vu_reply(VUBackend *vu, uint32_t request, uint32_t flags, uint32_t size,
              uint64_t payload)
{
    g_mutex_lock(&vu->lock);
    reply_locked(vu, request, flags, size, payload);
    g_mutex_unlock(&vu->lock);
}

static void u64_reply(VUBackend *vu, const Message *msg, uint64_t value)
{
    reply_locked(vu, msg->request, VU_REPLY, sizeof(value), value);
}

static void answer_locked(VUBackend *vu, uint64_t result)
{
    g_assert_cmpuint(vu->kept, >, 0);
    vu->kept--;
    reply_locked(vu, VU_IOTLB_MSG, VU_REPLY, sizeof(result), result);
}

void vu_answer(VUBackend *vu, uint64_t result)
{
    g_mutex_lock(&vu->lock);
    answer_locked(vu, result);
    g_mutex_unlock(&vu->lock);
}

static uint64_t features(VUBackend *vu)
{
    uint64_t all = 1ULL << VIRTIO_F_VERSION_1;

    if (vu->without != VU_WITHOUT_PLATFORM) {
        all |= 1ULL << VIRTIO_F_ACCESS_PLATFORM;
    }
    if (vu->without != VU_WITHOUT_PROTOCOL) {
        all |= 1ULL << F_PROTOCOL_FEATURES;
    }
    return all;
}

static uint64_t protocol_features(VUBackend *vu)
{
    uint64_t all = 1 << PROTOCOL_F_MQ | 1 << PROTOCOL_F_BACKEND_REQ |
                   1 << PROTOCOL_F_CONFIG;

    if (vu->without != VU_WITHOUT_REPLY_ACK) {
        all |= 1 << PROTOCOL_F_REPLY_ACK;
    }
    return all;
}

static void config_reply(VUBackend *vu, Message *msg)
{
    struct virtio_blk_config config = {
        .capacity = cpu_to_le64(1024),
        .num_queues = cpu_to_le16(1),
    };
    size_t head = 3 * sizeof(uint32_t);     /* offset, size, flags */

    g_assert_cmpuint(msg->size, <=, sizeof(msg->u));
    g_assert_cmpuint(msg->size, >, head);
    memcpy(msg->u.bytes + head, &config,
           MIN(msg->size - head, sizeof(config)));
    msg->flags = VU_REPLY;
    say_locked(vu, msg, HEADER + msg->size);
}

static void iotlb(VUBackend *vu, const Message *msg)
{
    if (msg->u.iotlb.type == VHOST_IOTLB_INVALIDATE) {
        /* What DPDK needs to find what it has; others need less. */
        g_assert_cmphex(msg->u.iotlb.size, >, 0);
        g_assert_cmphex(msg->u.iotlb.iova + msg->u.iotlb.size, >,
                        msg->u.iotlb.iova);
        g_array_append_val(vu->invalidated, msg->u.iotlb);
        vu->kept++;
        if (!vu->keep) {
            answer_locked(vu, 0);
        }
        return;
    }
    g_assert_cmpint(msg->u.iotlb.type, ==, VHOST_IOTLB_UPDATE);
    vu->updates++;
    vu->last_update = msg->u.iotlb;
    if (vu->kept) {
        /* Replies are in order: this one belongs behind those kept. */
        vu->kept++;
    } else {
        u64_reply(vu, msg, vu->refuse_updates);
    }
}

static void handle(VUBackend *vu, Message *msg, const int *fds)
{
    /* Replies are in order, whatever is replied to. */
    while (vu->until_stop && vu->kept && msg->request != VU_IOTLB_MSG) {
        answer_locked(vu, 0);
    }
    switch (msg->request) {
    case GET_FEATURES:
        u64_reply(vu, msg, features(vu));
        break;
    case GET_PROTOCOL_FEATURES:
        u64_reply(vu, msg, protocol_features(vu));
        break;
    case GET_QUEUE_NUM:
        u64_reply(vu, msg, 1);
        break;
    case GET_CONFIG:
        config_reply(vu, msg);
        break;
    case GET_VRING_BASE:
        msg->u.state.num = 0;
        u64_reply(vu, msg, msg->u.u64);
        break;
    case VU_IOTLB_MSG:
        iotlb(vu, msg);
        break;
    default:
        if (msg->request == SET_BACKEND_REQ_FD) {
            vu->misses = fcntl(fds[0], F_DUPFD_CLOEXEC, 0);
        }
        if (msg->flags & FLAG_NEED_REPLY) {
            u64_reply(vu, msg, 0);
        }
        break;
    }
}

/* Returns false if there is nothing more to come. */
static bool read_all(int fd, void *to, size_t len)
{
    uint8_t *at = to;

    while (len) {
        ssize_t n = recv(fd, at, len, 0);

        if (n <= 0) {
            return false;
        }
        at += n;
        len -= n;
    }
    return true;
}

static bool receive(int conn, Message *msg, int *fds)
{
    char control[CMSG_SPACE(sizeof(int) * MAX_FDS)] = { 0 };
    struct iovec iov = { .iov_base = msg, .iov_len = HEADER };
    struct msghdr mh = {
        .msg_iov = &iov, .msg_iovlen = 1,
        .msg_control = control, .msg_controllen = sizeof(control),
    };
    ssize_t n = recvmsg(conn, &mh, MSG_CMSG_CLOEXEC);
    struct cmsghdr *c;

    if (n <= 0) {
        return false;
    }
    for (c = CMSG_FIRSTHDR(&mh); c; c = CMSG_NXTHDR(&mh, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
            memcpy(fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
        }
    }
    if (!read_all(conn, (uint8_t *)msg + n, HEADER - n) ||
        msg->size > sizeof(msg->u)) {
        return false;
    }
    return read_all(conn, &msg->u, msg->size);
}

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

static void serve(VUBackend *vu)
{
    int fds[MAX_FDS];
    Message msg = { 0 };
    bool more;
    int i;

    memset(fds, -1, sizeof(fds));
    more = receive(vu->conn, &msg, fds);
    g_mutex_lock(&vu->lock);
    if (more) {
        handle(vu, &msg, fds);
    } else if (vu->without) {
        /* QEMU does not like it, and tries again. */
        close_fd(&vu->conn);
    } else {
        vu->hung_up = true;
    }
    g_mutex_unlock(&vu->lock);
    for (i = 0; i < MAX_FDS; i++) {
        close_fd(&fds[i]);
    }
}

static void *backend(void *opaque)
{
    VUBackend *vu = opaque;

    for (;;) {
        GPollFD pfds[2] = { { .fd = vu->wake[0], .events = G_IO_IN } };
        char c;

        g_mutex_lock(&vu->lock);
        pfds[1].fd = vu->conn >= 0 ? vu->conn : vu->listener;
        pfds[1].events = vu->hung_up || vu->stop_reading ? 0 : G_IO_IN;
        if (vu->quit) {
            g_mutex_unlock(&vu->lock);
            return NULL;
        }
        g_mutex_unlock(&vu->lock);
        g_poll(pfds, pfds[1].fd >= 0 && pfds[1].events ? 2 : 1, -1);
        if (pfds[0].revents) {
            /* The test has changed something: look again. */
            g_assert_cmpint(read(vu->wake[0], &c, 1), ==, 1);
        } else if (pfds[1].fd == vu->listener) {
            g_mutex_lock(&vu->lock);
            vu->conn = accept4(vu->listener, NULL, NULL, SOCK_CLOEXEC);
            if (!vu->without) {
                close_fd(&vu->listener);
            }
            g_mutex_unlock(&vu->lock);
        } else {
            serve(vu);
        }
    }
}

static void wake(VUBackend *vu)
{
    g_assert_cmpint(write(vu->wake[1], "", 1), ==, 1);
}

VUBackend *vu_new(VUWithout without)
{
    VUBackend *vu = g_new0(VUBackend, 1);
    struct sockaddr_un addr = { .sun_family = AF_UNIX };

    g_mutex_init(&vu->lock);
    vu->without = without;
    vu->conn = -1;
    vu->misses = -1;
    vu->invalidated = g_array_new(false, false,
                                  sizeof(struct vhost_iotlb_msg));
    vu->dir = g_dir_make_tmp("viommu-vhost-user-XXXXXX", NULL);
    g_assert_nonnull(vu->dir);
    vu->path = g_strdup_printf("%s/socket", vu->dir);
    g_assert_cmpuint(strlen(vu->path), <, sizeof(addr.sun_path));
    g_strlcpy(addr.sun_path, vu->path, sizeof(addr.sun_path));
    vu->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(bind(vu->listener, (struct sockaddr *)&addr,
                         sizeof(addr)), ==, 0);
    g_assert_cmpint(listen(vu->listener, 1), ==, 0);
    g_assert_cmpint(pipe2(vu->wake, O_CLOEXEC), ==, 0);
    vu->thread = g_thread_new("backend", backend, vu);
    return vu;
}

void vu_die(VUBackend *vu)
{
    g_mutex_lock(&vu->lock);
    vu->quit = true;
    g_mutex_unlock(&vu->lock);
    if (vu->thread) {
        wake(vu);
        g_thread_join(vu->thread);
        vu->thread = NULL;
    }
    close_fd(&vu->listener);
    close_fd(&vu->conn);
    close_fd(&vu->misses);
}

void vu_free(VUBackend *vu)
{
    vu_die(vu);
    close_fd(&vu->wake[0]);
    close_fd(&vu->wake[1]);
    unlink(vu->path);
    rmdir(vu->dir);
    g_array_free(vu->invalidated, true);
    g_free(vu->path);
    g_free(vu->dir);
    g_mutex_clear(&vu->lock);
    g_free(vu);
}

const char *vu_path(VUBackend *vu)
{
    return vu->path;
}

void vu_keep(VUBackend *vu, bool keep)
{
    g_mutex_lock(&vu->lock);
    vu->keep = keep;
    g_mutex_unlock(&vu->lock);
}

void vu_keep_until_stop(VUBackend *vu)
{
    g_mutex_lock(&vu->lock);
    vu->keep = vu->until_stop = true;
    g_mutex_unlock(&vu->lock);
}

void vu_refuse_updates(VUBackend *vu, bool refuse)
{
    g_mutex_lock(&vu->lock);
    vu->refuse_updates = refuse;
    g_mutex_unlock(&vu->lock);
}

void vu_stop_reading(VUBackend *vu, bool stop)
{
    g_mutex_lock(&vu->lock);
    vu->stop_reading = stop;
    g_mutex_unlock(&vu->lock);
    wake(vu);
}

void vu_refuse_messages(VUBackend *vu)
{
    g_mutex_lock(&vu->lock);
    g_assert_cmpint(shutdown(vu->conn, SHUT_RD), ==, 0);
    g_mutex_unlock(&vu->lock);
}

unsigned vu_invalidations(VUBackend *vu)
{
    unsigned n;

    g_mutex_lock(&vu->lock);
    n = vu->invalidated->len;
    g_mutex_unlock(&vu->lock);
    return n;
}

void vu_forget(VUBackend *vu)
{
    g_mutex_lock(&vu->lock);
    g_array_set_size(vu->invalidated, 0);
    g_mutex_unlock(&vu->lock);
}

unsigned vu_kept(VUBackend *vu)
{
    unsigned n;

    g_mutex_lock(&vu->lock);
    n = vu->kept;
    g_mutex_unlock(&vu->lock);
    return n;
}

unsigned vu_updates(VUBackend *vu)
{
    unsigned n;

    g_mutex_lock(&vu->lock);
    n = vu->updates;
    g_mutex_unlock(&vu->lock);
    return n;
}

struct vhost_iotlb_msg vu_last_invalidation(VUBackend *vu)
{
    struct vhost_iotlb_msg msg;

    g_mutex_lock(&vu->lock);
    g_assert_cmpuint(vu->invalidated->len, >, 0);
    msg = g_array_index(vu->invalidated, struct vhost_iotlb_msg,
                        vu->invalidated->len - 1);
    g_mutex_unlock(&vu->lock);
    return msg;
}

struct vhost_iotlb_msg vu_last_update(VUBackend *vu)
{
    struct vhost_iotlb_msg msg;

    g_mutex_lock(&vu->lock);
    msg = vu->last_update;
    g_mutex_unlock(&vu->lock);
    return msg;
}

bool vu_covered(VUBackend *vu, uint64_t iova, uint64_t len)
{
    uint64_t at = iova;
    bool found = true;
    unsigned i;

    g_mutex_lock(&vu->lock);
    while (found && at - iova < len) {
        found = false;
        for (i = 0; i < vu->invalidated->len && !found; i++) {
            struct vhost_iotlb_msg *m = &g_array_index(vu->invalidated,
                                                       struct vhost_iotlb_msg,
                                                       i);

            if (at - m->iova < m->size) {
                at = m->iova + m->size;
                found = true;
            }
        }
    }
    g_mutex_unlock(&vu->lock);
    return found;
}

void vu_miss(VUBackend *vu, uint64_t iova)
{
    Message msg = {
        .request = BACKEND_IOTLB_MSG,
        .flags = 1,
        .size = sizeof(msg.u.iotlb),
        .u.iotlb = {
            .iova = iova,
            .perm = VHOST_ACCESS_RW,
            .type = VHOST_IOTLB_MISS,
        },
    };

    g_assert_cmpint(vu->misses, >=, 0);
    g_assert_cmpint(send(vu->misses, &msg, HEADER + msg.size, MSG_NOSIGNAL),
                    ==, HEADER + msg.size);
}

bool vu_hung_up(VUBackend *vu)
{
    bool hung_up;

    g_mutex_lock(&vu->lock);
    hung_up = vu->hung_up;
    g_mutex_unlock(&vu->lock);
    return hung_up;
}

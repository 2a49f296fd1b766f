/*
 * vhost-user: what a backend answers to IOTLB messages
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pure.  The backend is another process, and may say anything.
 */
#ifndef HW_VIRTIO_VHOST_USER_ACK_H
#define HW_VIRTIO_VHOST_USER_ACK_H

/* docs/interop/vhost-user.rst, "Header" and "Front-end message types" */
#define VHOST_USER_IOTLB_MSG        22
#define VHOST_USER_VERSION          0x1
#define VHOST_USER_REPLY_MASK       (0x1 << 2)

/* Bytes as they are on the socket, in the host's order */
typedef struct VhostUserAck {
    uint32_t request, flags, size;
    uint64_t payload;        /* 0: done */
} __attribute__((packed)) VhostUserAck;

/**
 * vhost_user_ack_check: @len bytes of a message have arrived.  @asked: an
 * answer is due; @removes: to an invalidation, which cannot fail.
 *
 * Returns: NULL if it may become an acknowledgement, or is one (all of
 * sizeof(VhostUserAck)); else why not, a statement about the backend.
 */
const char *vhost_user_ack_check(const VhostUserAck *ack, size_t len,
                                 bool asked, bool removes);

/**
 * vhost_user_span_merge: *@first .. *@last grows to cover @more_first ..
 * @more_last (all inclusive), if they overlap or touch, or @anyway.  Returns:
 * did it?
 */
bool vhost_user_span_merge(uint64_t *first, uint64_t *last,
                           uint64_t more_first, uint64_t more_last,
                           bool anyway);

#endif

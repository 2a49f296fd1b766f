/*
 * vhost-user: what a backend answers to IOTLB messages
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "vhost-user-ack.h"

const char *vhost_user_ack_check(const VhostUserAck *ack, size_t len,
                                 bool asked, bool removes)
{
    if (!asked) {
        return "sent a reply that nobody asked for";
    }
    if (len >= offsetof(VhostUserAck, payload) &&
        (ack->request != VHOST_USER_IOTLB_MSG ||
         ack->flags != (VHOST_USER_REPLY_MASK | VHOST_USER_VERSION) ||
         ack->size != sizeof(ack->payload))) {
        return "did not answer an IOTLB message with its acknowledgement";
    }
    if (len == sizeof(*ack) && ack->payload && removes) {
        return "refused an IOTLB invalidation";
    }
    return NULL;
}

bool vhost_user_span_merge(uint64_t *first, uint64_t *last,
                           uint64_t more_first, uint64_t more_last,
                           bool anyway)
{
    bool apart = more_first > *last ? more_first - *last > 1 :
                 *first > more_last && *first - more_last > 1;

    if (apart && !anyway) {
        return false;
    }
    *first = MIN(*first, more_first);
    *last = MAX(*last, more_last);
    return true;
}

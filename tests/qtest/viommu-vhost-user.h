/*
 * A vhost-user-blk backend in the test, which does what the test says
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A thread answers what QEMU needs to start the device; no request is ever
 * taken from the ring.  What is under test are the IOTLB messages:
 * invalidations are answered at once or kept until the test answers.
 */
#ifndef VIOMMU_VHOST_USER_H
#define VIOMMU_VHOST_USER_H

#include "viommu-unit.h"
#include "standard-headers/linux/vhost_types.h"

typedef struct VUBackend VUBackend;

/* Features that it does not offer */
typedef enum VUWithout {
    VU_WITHOUT_NOTHING,
    VU_WITHOUT_PLATFORM,     /* VIRTIO_F_ACCESS_PLATFORM */
    VU_WITHOUT_REPLY_ACK,
    VU_WITHOUT_PROTOCOL,     /* VHOST_USER_F_PROTOCOL_FEATURES */
} VUWithout;

/* vu_new: listens; QEMU has to connect to vu_path() once. */
VUBackend *vu_new(VUWithout without);
void vu_free(VUBackend *vu);
const char *vu_path(VUBackend *vu);

/*
 * vu_keep: from now on invalidations are not answered (@keep), or are.  Those
 * that have been kept stay so.
 */
void vu_keep(VUBackend *vu, bool keep);
/* vu_keep_until_stop: the kept are answered before any other request is. */
void vu_keep_until_stop(VUBackend *vu);
/* vu_stop_reading: it takes no message any more, or does again. */
void vu_stop_reading(VUBackend *vu, bool stop);

/* vu_refuse_updates: answers each with an error, or not any more. */
void vu_refuse_updates(VUBackend *vu, bool refuse);
/* Whoever writes to it from now on gets an error; its end stays open. */
void vu_refuse_messages(VUBackend *vu);

/*
 * How many have arrived (since vu_forget()), and are unanswered.  Each must be
 * of more than nothing, and not reach 2^64.
 */
unsigned vu_invalidations(VUBackend *vu);
void vu_forget(VUBackend *vu);
unsigned vu_kept(VUBackend *vu);
unsigned vu_updates(VUBackend *vu);
struct vhost_iotlb_msg vu_last_invalidation(VUBackend *vu);
struct vhost_iotlb_msg vu_last_update(VUBackend *vu);
/* vu_covered: was each byte of @iova .. @iova + @len - 1 invalidated? */
bool vu_covered(VUBackend *vu, uint64_t iova, uint64_t len);

/* vu_answer: one kept invalidation, with @result (0: done). */
void vu_answer(VUBackend *vu, uint64_t result);
/* vu_say: bytes, whatever they are. */
void vu_say(VUBackend *vu, const void *bytes, size_t len);
/* vu_chatter: as many bytes as QEMU takes without a pause; returns that. */
size_t vu_chatter(VUBackend *vu);
/* vu_reply: a reply to @request, asked for or not. */
void vu_reply(VUBackend *vu, uint32_t request, uint32_t flags,
              uint32_t size, uint64_t payload);
/* vu_miss: ask for the translation of @iova. */
void vu_miss(VUBackend *vu, uint64_t iova);

/* vu_hung_up: has QEMU closed the connection, as far as one can see? */
bool vu_hung_up(VUBackend *vu);
/* vu_die: all sockets are closed, as when the process ends. */
void vu_die(VUBackend *vu);

#define VU_IOTLB_MSG    22
#define VU_REPLY        (1 | 1 << 2)    /* flags: version, reply */

#endif

/*
 * vhost-user: IOTLB messages whose acknowledgement nobody waits for in place
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Behind a vIOMMU with a drain (system/dma-inflight.h) an invalidation is sent
 * and takes a hold; the acknowledgement is read in the main loop and releases
 * it.  Neither the vCPU nor the BQL waits for the backend.
 *
 * Replies come in the order of requests, so whoever waits for one takes the
 * acknowledgements before it first: vhost_user_iotlb_collect().
 *
 * All: BQL.
 */
#ifndef HW_VIRTIO_VHOST_USER_IOTLB_H
#define HW_VIRTIO_VHOST_USER_IOTLB_H

#include "chardev/char-fe.h"
#include "exec/memory.h"
#include "standard-headers/linux/vhost_types.h"

/* What is on its way over one connection. */
typedef struct VhostUserIOTLB VhostUserIOTLB;

/**
 * vhost_user_iotlb_send: send VHOST_USER_IOTLB_MSG, or queue it.
 *
 * @slot: of the connection; NULL inside until the first call
 * @chr: the connection; outlives what is in @slot
 * @as: the device's, with the drain that an invalidation keeps waiting
 *
 * Returns: 0, also for an invalidation when there is no connection left (then
 * no translation is, either); -ENOTSUP if the caller has to send it and wait:
 * there is no drain, or the connection is no plain socket; -ENOTCONN.
 */
int vhost_user_iotlb_send(VhostUserIOTLB **slot, CharBackend *chr,
                          AddressSpace *as, const struct vhost_iotlb_msg *imsg);

/**
 * vhost_user_iotlb_collect: wait for the acknowledgements of what has been
 * sent.  Before the reply to any other request is read.
 */
void vhost_user_iotlb_collect(VhostUserIOTLB **slot);

/**
 * vhost_user_iotlb_stop: the device has stopped, or its connection is not used
 * any more (@gone).  What is pending on a connection that has ended goes on
 * being waited for until the backend's end is closed as well.
 */
void vhost_user_iotlb_stop(VhostUserIOTLB **slot, bool gone);

#endif

/*
 * virtio-gpu's standing DMA maps: the backing of 2D resources
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A resource keeps its backing for as long as the driver likes, so an
 * invalidation does not wait for it but revokes all of it: the lengths stay in
 * res->iov, the pointers become NULL until the next transfer.  Everything here
 * runs under the BQL.
 */

#include "qemu/osdep.h"
#include "hw/virtio/virtio-gpu-standing.h"
#include "system/dma.h"
#include "system/dma-inflight.h"

static void virtio_gpu_revoke_backing(void *opaque);

static void virtio_gpu_unmap_piece(struct virtio_gpu_simple_resource *res,
                                   struct iovec *iov, hwaddr len)
{
    address_space_unmap_standing(VIRTIO_DEVICE(res->backing_owner)->dma_as,
                                 iov->iov_base, len, false, 0,
                                 virtio_gpu_revoke_backing, res);
    iov->iov_base = NULL;
}

void virtio_gpu_release_backing(struct virtio_gpu_simple_resource *res)
{
    unsigned i;

    for (i = 0; res->backing_owner && i < res->iov_cnt; i++) {
        struct iovec *iov = &res->iov[i];

        if (iov->iov_base) {
            virtio_gpu_unmap_piece(res, iov, iov->iov_len);
        }
    }
}

static void virtio_gpu_revoke_backing(void *opaque)
{
    /* One call for each piece; the first one drops them all. */
    virtio_gpu_release_backing(opaque);
}

void *virtio_gpu_map_backing(VirtIOGPU *g, uint64_t **addrs, hwaddr addr,
                             hwaddr *len)
{
    struct virtio_gpu_simple_resource *res = addrs ?
        container_of(addrs, struct virtio_gpu_simple_resource, addrs) : NULL;
    AddressSpace *as = VIRTIO_DEVICE(g)->dma_as;

    if (!res || res->blob_size) {
        return dma_memory_map(as, addr, len, DMA_DIRECTION_TO_DEVICE,
                              MEMTXATTRS_UNSPECIFIED);
    }
    res->backing_owner = g;
    return address_space_map_standing(as, addr, len, false,
                                      MEMTXATTRS_UNSPECIFIED,
                                      virtio_gpu_revoke_backing, res);
}

bool virtio_gpu_backing_ready(VirtIOGPU *g,
                              struct virtio_gpu_simple_resource *res)
{
    unsigned i;

    for (i = 0; i < res->iov_cnt; i++) {
        struct iovec *iov = &res->iov[i];
        hwaddr len = iov->iov_len;

        if (iov->iov_base) {
            continue;
        }
        iov->iov_base = virtio_gpu_map_backing(g, &res->addrs, res->addrs[i],
                                               &len);
        if (!iov->iov_base) {
            return false;
        }
        if (len != iov->iov_len) {
            /* It was contiguous when it was attached, and is not now. */
            virtio_gpu_unmap_piece(res, iov, len);
            return false;
        }
    }
    return true;
}

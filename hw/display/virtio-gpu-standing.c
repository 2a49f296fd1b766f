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

static void virtio_gpu_drop_backing(VirtIOGPU *g,
                                    struct virtio_gpu_simple_resource *res)
{
    unsigned i;

    for (i = 0; i < res->iov_cnt; i++) {
        struct iovec *iov = &res->iov[i];

        if (iov->iov_base) {
            dma_memory_unmap(VIRTIO_DEVICE(g)->dma_as, iov->iov_base,
                             iov->iov_len, DMA_DIRECTION_TO_DEVICE, 0);
            iov->iov_base = NULL;
        }
    }
}

static void virtio_gpu_revoke_backing(void *opaque)
{
    struct virtio_gpu_simple_resource *res = opaque;

    /* One call for each piece; the first one drops them all. */
    virtio_gpu_drop_backing(res->backing_owner, res);
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
            dma_memory_unmap(VIRTIO_DEVICE(g)->dma_as, iov->iov_base, len,
                             DMA_DIRECTION_TO_DEVICE, 0);
            iov->iov_base = NULL;
            return false;
        }
    }
    return true;
}

/*
 * virtio-gpu's standing DMA maps: the backing of 2D resources
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VIRTIO_GPU_STANDING_H
#define HW_VIRTIO_GPU_STANDING_H

#include "hw/virtio/virtio-gpu.h"

/*
 * virtio_gpu_map_backing: map one piece of a resource's backing for reading.
 * @addrs: the resource's addrs member; NULL: not a resource of ours (virgl).
 * A blob's backing is handed to others and is a plain map.  BQL.
 */
void *virtio_gpu_map_backing(VirtIOGPU *g, uint64_t **addrs, hwaddr addr,
                             hwaddr *len);

/*
 * virtio_gpu_release_backing: unmap what virtio_gpu_map_backing() mapped as
 * standing; the pointers in res->iov become NULL.  BQL.
 */
void virtio_gpu_release_backing(struct virtio_gpu_simple_resource *res);

/*
 * virtio_gpu_backing_ready: map the backing again if a vIOMMU has revoked it.
 * Returns: false if it does not translate (any more).  BQL.
 */
bool virtio_gpu_backing_ready(VirtIOGPU *g,
                              struct virtio_gpu_simple_resource *res);

#endif

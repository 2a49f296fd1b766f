/*
 * Loaded before the C library: the kernel refuses to take mappings back
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * While the file VIOMMU_FAIL_UNMAP names is there, the write of a message
 * VHOST_IOTLB_INVALIDATE fails.  No kernel does that on request.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/vhost_types.h>
#include <stdlib.h>
#include <unistd.h>

static int is_unmap(const void *data, size_t size)
{
    const struct vhost_msg *v1 = data;
    const struct vhost_msg_v2 *v2 = data;

    if (size == sizeof(*v2) && v2->type == VHOST_IOTLB_MSG_V2) {
        return v2->iotlb.type == VHOST_IOTLB_INVALIDATE;
    }
    return size == sizeof(*v1) && v1->type == VHOST_IOTLB_MSG &&
           v1->iotlb.type == VHOST_IOTLB_INVALIDATE;
}

ssize_t write(int fd, const void *data, size_t size)
{
    static ssize_t (*real)(int, const void *, size_t);
    const char *flag = getenv("VIOMMU_FAIL_UNMAP");

    if (!real) {
        *(void **)&real = dlsym(RTLD_NEXT, "write");
    }
    if (flag && is_unmap(data, size) && access(flag, F_OK) == 0) {
        errno = EIO;
        return -1;
    }
    return real(fd, data, size);
}

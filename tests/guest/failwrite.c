/*
 * Loaded before the C library: the kernel refuses to take mappings back
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * While the file VIOMMU_FAIL_UNMAP names is there, the write of a message
 * VHOST_IOTLB_INVALIDATE fails, which no kernel does on request.  Then
 * vhost-net takes its time to stop, so that it matters who waits for it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/vhost.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/ioctl.h>
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

static int is_on(void)
{
    const char *flag = getenv("VIOMMU_FAIL_UNMAP");

    return flag && access(flag, F_OK) == 0;
}

ssize_t write(int fd, const void *data, size_t size)
{
    static ssize_t (*real)(int, const void *, size_t);

    if (!real) {
        *(void **)&real = dlsym(RTLD_NEXT, "write");
    }
    if (is_unmap(data, size) && is_on()) {
        errno = EIO;
        return -1;
    }
    return real(fd, data, size);
}

int ioctl(int fd, unsigned long request, ...)
{
    static int (*real)(int, unsigned long, ...);
    va_list ap;
    void *arg;

    if (!real) {
        *(void **)&real = dlsym(RTLD_NEXT, "ioctl");
    }
    va_start(ap, request);
    arg = va_arg(ap, void *);
    va_end(ap);
    if (request == VHOST_NET_SET_BACKEND && is_on()) {
        usleep(50 * 1000);
    }
    return real(fd, request, arg);
}

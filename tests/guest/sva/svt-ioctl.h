/*
 * What a process asks of the driver of x-sva-test
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * For the driver and for programs.  A descriptor of /dev/sva-test is bound to
 * the address space of the process that asked for it first; another process
 * that inherits it cannot use it (EPERM) and opens its own.
 */
#ifndef SVT_IOCTL_H
#define SVT_IOCTL_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define SVT_DEVICE_PATH     "/dev/sva-test"

/* A command of the device (x-sva-test.h) and how it ended */
struct svt_command {
    __u32 command;      /* in: SVT_C_COPY .. SVT_C_LAST */
    __u32 flags;        /* in: SVT_F_ATC, SVT_F_PAGES, SVT_F_MAP */
    __u64 src, dst;     /* in: addresses of the process */
    __u64 len, arg;     /* in */
    __u32 context;      /* out of SVT_IOC_SUBMIT, in of SVT_IOC_WAIT */
    __u32 status;       /* out, as all from here on: SVT_S_* */
    __u32 pages;        /* page requests that it took */
    __u32 unused;       /* 0 */
    __u64 done, last, fault;
};

/* A copy by the DMA API, without PASID, between two buffers of the driver's */
struct svt_dma_copy {
    __u64 src, dst;     /* in: of the process; the driver copies to and fro */
    __u32 len;          /* in: bytes, up to SVT_DMA_COPY_MAX */
    __u32 status;       /* out: SVT_S_* */
};

#define SVT_DMA_COPY_MAX    65536

/* Binds, if it is not bound yet; gives the PASID.  ENODEV: the unit cannot. */
#define SVT_IOC_BIND        _IOR('S', 0, __u32)
/* Starts a command; waits for a free context.  Not with SVT_IOC_BIND: EINVAL */
#define SVT_IOC_SUBMIT      _IOWR('S', 1, struct svt_command)
/* Waits for the end of a command, and lets go of its context */
#define SVT_IOC_WAIT        _IOWR('S', 2, struct svt_command)
/* Has a command end where it is; it has to be waited for all the same */
#define SVT_IOC_STOP        _IOW('S', 3, __u32)
#define SVT_IOC_DMA_COPY    _IOWR('S', 4, struct svt_dma_copy)

#endif

/*
 * x-iommu-listener: a PCI device that writes down what IOMMU notifiers say
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * For test builds only (CONFIG_VIOMMU_LISTENER).  It listens to its own DMA
 * address space the way VFIO and vhost do, on a host that offers neither, and
 * does no DMA.
 *
 * BAR 0: little endian; 32-bit accesses, and 64-bit ones where aligned.  A
 * reset changes nothing of it, so that what a reset causes can be read.
 */
#ifndef HW_MISC_X_IOMMU_LISTENER_H
#define HW_MISC_X_IOMMU_LISTENER_H

#define TYPE_X_IOMMU_LISTENER "x-iommu-listener"

#define X_IOMMU_LISTENER_DEVICE_ID   0x11ea
#define X_IOMMU_LISTENER_MAGIC       0x4c4d4f49u

enum {
    XIL_MAGIC   = 0x00,  /* 32, RO: X_IOMMU_LISTENER_MAGIC */
    XIL_STATUS  = 0x04,  /* 32: XIL_S_*; a one written clears */
    XIL_REGIONS = 0x08,  /* 32, RO: IOMMU regions that it listens to */
    /* The log, oldest first; it stops when it is full. */
    XIL_COUNT   = 0x10,  /* 32, RO: events in it; a write empties it */
    XIL_INDEX   = 0x14,  /* 32: the event that the next five are of */
    XIL_TYPE    = 0x18,  /* 32, RO: XILType; 0: there is no such event */
    XIL_PERM    = 0x1c,  /* 32, RO: bit 0: read, bit 1: write */
    XIL_IOVA    = 0x20,  /* 64, RO */
    XIL_MASK    = 0x28,  /* 64, RO */
    XIL_ADDR    = 0x30,  /* 64, RO: where it leads */
    /*
     * The picture of what is mapped, in rising order.  What VFIO would be
     * refused by the kernel is not done and sets a flag in STATUS.
     */
    XIL_PIECES  = 0x40,  /* 32, RO: pieces in it */
    XIL_PIECE   = 0x44,  /* 32: the piece that the next four are of */
    XIL_P_PERM  = 0x48,  /* 32, RO: as PERM; 0: there is no such piece */
    XIL_P_IOVA  = 0x50,  /* 64, RO */
    XIL_P_MASK  = 0x58,  /* 64, RO */
    XIL_P_ADDR  = 0x60,  /* 64, RO */
    XIL_SIZE    = 0x1000,
};

typedef enum XILType {
    XIL_MAP = 1,
    XIL_UNMAP = 2,
    XIL_DEVTLB = 3,
} XILType;

#define XIL_S_OVERFLOW   (1u << 0)   /* events were lost */
#define XIL_S_FULL       (1u << 1)   /* pieces were lost */
#define XIL_S_MAP_TWICE  (1u << 2)   /* MAP of what is mapped */
#define XIL_S_UNMAP_PART (1u << 3)   /* UNMAP of a part of a piece */
#define XIL_S_SHAPE      (1u << 4)   /* no naturally aligned power of two */
#define XIL_S_TARGET     (1u << 5)   /* leads elsewhere than to memory */
#define XIL_S_REFUSED    (1u << 6)   /* could not listen to a region */
#define XIL_S_LEFT       (1u << 7)   /* a region went, and was not unmapped */

#define XIL_MAX_EVENTS  4096
#define XIL_MAX_PIECES  65536

#endif

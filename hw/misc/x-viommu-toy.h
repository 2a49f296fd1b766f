/*
 * x-viommu-toy: the smallest vIOMMU on the core; what software sees of it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * For test builds only (CONFIG_VIOMMU_TOY), on q35, and no firmware table says
 * that it is there.  All devices share one table: three levels, IOVAs of 39
 * bits, entries as VT-d's second stage has them (bit 0 read, bit 1 write, bit 7
 * a large page), with bits 63:48 reserved.
 *
 * Registers: 64 bits, little endian, at XVT_BASE.
 */
#ifndef HW_MISC_X_VIOMMU_TOY_H
#define HW_MISC_X_VIOMMU_TOY_H

#define TYPE_X_VIOMMU_TOY "x-viommu-toy"

#define XVT_BASE        0xfed91000ull
#define XVT_SIZE        0x1000

enum {
    XVT_CTRL    = 0x00,  /* XVT_CTRL_ENABLE: DMA is translated */
    /* RO: XVT_STATUS_BUSY until all that CTRL and INV did has drained */
    XVT_STATUS  = 0x08,
    /* The table's address | its domain; after a change: XVT_INV_CONFIG */
    XVT_ROOT    = 0x10,
    XVT_FIRST   = 0x18,  /* the range of XVT_INV_RANGE, inclusive */
    XVT_LAST    = 0x20,
    XVT_INV     = 0x28,  /* WO: XVTInv | domain << XVT_INV_DOMAIN_SHIFT */
    /* The first fault since it was last written with anything; 0: none */
    XVT_FAULT   = 0x30,
    XVT_FAULT_IOVA = 0x38,  /* RO */
};

#define XVT_CTRL_ENABLE         (1ull << 0)
#define XVT_STATUS_BUSY         (1ull << 0)

#define XVT_ROOT_DOMAIN         0xfffull        /* 11:0 */
#define XVT_ROOT_ADDR           0xfffffffff000ull   /* 47:12 */

typedef enum XVTInv {            /* bits 1:0 */
    XVT_INV_NOTHING,             /* BUSY until what is removed has drained */
    XVT_INV_CONFIG,              /* what ROOT was */
    XVT_INV_DOMAIN,              /* translations of a domain */
    XVT_INV_RANGE,               /* of them, those in FIRST .. LAST */
} XVTInv;
#define XVT_INV_KIND            0x3ull
#define XVT_INV_DOMAIN_SHIFT    16

#define XVT_FAULT_VALID         (1ull << 63)
#define XVT_FAULT_MORE          (1ull << 62)    /* later ones were lost */
#define XVT_FAULT_WRITE         (1ull << 61)
#define XVT_FAULT_REASON_SHIFT  16              /* XVTReason */
#define XVT_FAULT_RID           0xffffull       /* 15:0 */

typedef enum XVTReason {
    XVT_R_ROOT = 1,              /* ROOT has reserved bits */
    XVT_R_RANGE,                 /* the IOVA is beyond 39 bits */
    XVT_R_TABLE,                 /* the table could not be read */
    XVT_R_ABSENT,                /* neither read nor write */
    XVT_R_RESERVED,              /* reserved bits in an entry */
    XVT_R_PERMISSION,            /* only one of read and write */
} XVTReason;

#endif

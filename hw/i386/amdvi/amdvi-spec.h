/*
 * Facts of the AMD IOMMU specification: registers, tables, commands, events
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * From the AMD I/O Virtualization Technology (IOMMU) Specification, document
 * 48882; section numbers are that document's.  Only layouts and encodings; what
 * they lead to is in the other files.  Plain C, also for the standalone build.
 *
 * Conventions: AMDVI_REG_x is a register's offset; AMDVI_x_FIELD a mask of the
 * bits of a word (register, or 64 bits of an entry), for amdvi_get() and
 * amdvi_put().  An entry's word 0 is its bits 63:0, and so on.  Registers and
 * tables are little-endian.
 */
#ifndef HW_I386_AMDVI_SPEC_H
#define HW_I386_AMDVI_SPEC_H

#define AMDVI_BITS(high, low) \
    ((~0ULL >> (63 - (high) + (low))) << (low))

/* The value of the field @mask of @word, and a word with it */
static inline uint64_t amdvi_get(uint64_t word, uint64_t mask)
{
    return (word & mask) / (mask & -mask);
}

static inline uint64_t amdvi_put(uint64_t value, uint64_t mask)
{
    return (value * (mask & -mask)) & mask;
}

#define AMDVI_PAGE_SHIFT            12
#define AMDVI_PAGE_SIZE             (1ULL << AMDVI_PAGE_SHIFT)

/* 2.1.2: writes here are interrupt requests, never memory */
#define AMDVI_INT_FIRST             0xfee00000ULL
#define AMDVI_INT_LAST              0xfeefffffULL
/* 2.1.2: HyperTransport's own addresses, up to 1 TiB: never memory */
#define AMDVI_HT_FIRST              0xfd00000000ULL
#define AMDVI_HT_LAST               0xffffffffffULL
#define AMDVI_INT_SIZE              (AMDVI_INT_LAST - AMDVI_INT_FIRST + 1)

/* 3.2: the capability block in configuration space */

#define AMDVI_CAP_ID                0xf     /* PCI: secure device */
#define AMDVI_CAP_SIZE              0x18
#define AMDVI_CAP_TYPE              (3U << 16)
#define AMDVI_CAP_IOTLB_SUP         (1U << 24)
#define AMDVI_CAP_HT_TUNNEL         (1U << 25)
#define AMDVI_CAP_NP_CACHE          (1U << 26)
#define AMDVI_CAP_EFR_SUP           (1U << 27)
#define AMDVI_CAP_EXT               (1U << 28)

#define AMDVI_CAP_BASE_LOW          0x04
#define AMDVI_CAP_BASE_LOW_ADDR     0xffffc000U
#define AMDVI_CAP_BASE_HIGH         0x08
#define AMDVI_CAP_RANGE             0x0c
#define AMDVI_CAP_RANGE_LAST        (0xffU << 24)
#define AMDVI_CAP_MISC              0x10
#define AMDVI_CAP_MISC_GVA_48       (2U << 5)
#define AMDVI_CAP_MISC_PA_40        (40U << 8)
#define AMDVI_CAP_MISC_VA_48        (48U << 15)

/* 5.2.2: IVRS, what an IVHD has first: its type */
#define AMDVI_IVHD_TYPE_40H         0x40

/* 5.2: IVRS, feature reporting of an IVHD of type 10h */
#define AMDVI_IVHD_GT_SUP           (1U << 2)
#define AMDVI_IVHD_GLX_SUP          AMDVI_BITS(4, 3)
#define AMDVI_IVHD_PAS_MAX          AMDVI_BITS(12, 8)
#define AMDVI_IVHD_GATS             AMDVI_BITS(29, 28)

/* 3.4: registers */

#define AMDVI_REG_DEVTAB            0x0000  /* Device Table Base Address */
#define AMDVI_REG_CMD_BASE          0x0008  /* Command Buffer Base Address */
#define AMDVI_REG_EVENT_BASE        0x0010  /* Event Log Base Address */
#define AMDVI_REG_CONTROL           0x0018  /* Control */
#define AMDVI_REG_EXCL_BASE         0x0020  /* Exclusion Base */
#define AMDVI_REG_EXCL_LIMIT        0x0028  /* Exclusion Range Limit */
#define AMDVI_REG_EFR               0x0030  /* Extended Feature */
#define AMDVI_REG_XT_INT            0x0170  /* XT IOMMU General Interrupt */
#define AMDVI_REG_CMD_HEAD          0x2000  /* Command Buffer Head Pointer */
#define AMDVI_REG_CMD_TAIL          0x2008  /* Command Buffer Tail Pointer */
#define AMDVI_REG_EVENT_HEAD        0x2010  /* Event Log Head Pointer */
#define AMDVI_REG_EVENT_TAIL        0x2018  /* Event Log Tail Pointer */
#define AMDVI_REG_STATUS            0x2020  /* Status */

#define AMDVI_MMIO_SIZE             0x4000

/* 3.4.1: Device Table Base Address */
#define AMDVI_DEVTAB_SIZE           AMDVI_BITS(8, 0)    /* 4 KiB units - 1 */
#define AMDVI_DEVTAB_ADDR           AMDVI_BITS(51, 12)
#define AMDVI_DTE_SIZE              32
#define AMDVI_DTE_WORDS             4

/* 3.4.2, 3.4.3: Command Buffer, Event Log Base Address */
#define AMDVI_RING_ADDR             AMDVI_BITS(51, 12)
#define AMDVI_RING_LEN              AMDVI_BITS(59, 56)  /* log2 of entries */
#define AMDVI_RING_LEN_MIN          8                   /* less is reserved */
#define AMDVI_RING_ENTRY_SHIFT      4
#define AMDVI_RING_POINTER          AMDVI_BITS(18, 4)

/* 3.4.4: Control */
#define AMDVI_CONTROL_IOMMU_EN      (1ULL << 0)
#define AMDVI_CONTROL_HT_TUN_EN     (1ULL << 1)
#define AMDVI_CONTROL_EVENT_LOG_EN  (1ULL << 2)
#define AMDVI_CONTROL_EVENT_INT_EN  (1ULL << 3)
#define AMDVI_CONTROL_COM_WAIT_INT_EN (1ULL << 4)
#define AMDVI_CONTROL_INV_TIMEOUT   AMDVI_BITS(7, 5)
#define AMDVI_CONTROL_PASS_PW       (1ULL << 8)
#define AMDVI_CONTROL_RES_PASS_PW   (1ULL << 9)
#define AMDVI_CONTROL_COHERENT      (1ULL << 10)
#define AMDVI_CONTROL_ISOC          (1ULL << 11)
#define AMDVI_CONTROL_CMD_BUF_EN    (1ULL << 12)
#define AMDVI_CONTROL_GT_EN         (1ULL << 16)
#define AMDVI_CONTROL_GA_EN         (1ULL << 17)
#define AMDVI_CONTROL_XT_EN         (1ULL << 50)
#define AMDVI_CONTROL_INT_CAP_XT_EN (1ULL << 51)
/* Of whatever is there, in every unit; GT, GA and XT as EFR says. */
#define AMDVI_CONTROL_WMASK \
    (AMDVI_CONTROL_IOMMU_EN | AMDVI_CONTROL_HT_TUN_EN | \
     AMDVI_CONTROL_EVENT_LOG_EN | AMDVI_CONTROL_EVENT_INT_EN | \
     AMDVI_CONTROL_COM_WAIT_INT_EN | AMDVI_CONTROL_INV_TIMEOUT | \
     AMDVI_CONTROL_PASS_PW | AMDVI_CONTROL_RES_PASS_PW | \
     AMDVI_CONTROL_COHERENT | AMDVI_CONTROL_ISOC | AMDVI_CONTROL_CMD_BUF_EN)

/* 3.4.5: Exclusion Base, Exclusion Range Limit */
#define AMDVI_EXCL_BASE_EN          (1ULL << 0)
#define AMDVI_EXCL_BASE_ALLOW       (1ULL << 1)
#define AMDVI_EXCL_ADDR             AMDVI_BITS(51, 12)

/* 3.4.6: Extended Feature */
#define AMDVI_EFR_PREF_SUP          (1ULL << 0)     /* PREFETCH_IOMMU_PAGES */
#define AMDVI_EFR_PPR_SUP           (1ULL << 1)     /* page requests */
#define AMDVI_EFR_XT_SUP            (1ULL << 2)     /* x2APIC */
#define AMDVI_EFR_GT_SUP            (1ULL << 4)     /* guest translation */
#define AMDVI_EFR_IA_SUP            (1ULL << 6)     /* INVALIDATE_IOMMU_ALL */
#define AMDVI_EFR_GA_SUP            (1ULL << 7)     /* 128-bit IRTEs */
#define AMDVI_EFR_HE_SUP            (1ULL << 8)     /* error registers */
#define AMDVI_EFR_HATS              AMDVI_BITS(11, 10)
#define AMDVI_EFR_HATS_LEVELS(efr)  (4 + (unsigned)amdvi_get(efr, \
                                                             AMDVI_EFR_HATS))
#define AMDVI_EFR_GATS              AMDVI_BITS(13, 12)  /* 0: 4 levels, 1: 5 */
#define AMDVI_EFR_GATS_5            1
#define AMDVI_EFR_GLX_SUP           AMDVI_BITS(15, 14)  /* GCR3 levels - 1 */
#define AMDVI_EFR_GLX_SUP_2         1
#define AMDVI_EFR_PAS_MAX           AMDVI_BITS(36, 32)  /* PASID bits - 1 */
#define AMDVI_EFR_GIO_SUP           (1ULL << 48)        /* DTE.GIoV */

/* 3.4.14: Status */
#define AMDVI_STATUS_EVENT_OVERFLOW (1ULL << 0)
#define AMDVI_STATUS_EVENT_INT      (1ULL << 1)
#define AMDVI_STATUS_COM_WAIT_INT   (1ULL << 2)
#define AMDVI_STATUS_EVENT_RUN      (1ULL << 3)
#define AMDVI_STATUS_CMD_RUN        (1ULL << 4)
#define AMDVI_STATUS_W1C \
    (AMDVI_STATUS_EVENT_OVERFLOW | AMDVI_STATUS_EVENT_INT | \
     AMDVI_STATUS_COM_WAIT_INT)

/* 3.4.10: XT IOMMU General Interrupt Control */
#define AMDVI_XT_INT_DEST_MODE      (1ULL << 2)
#define AMDVI_XT_INT_DEST_LOW       AMDVI_BITS(31, 8)
#define AMDVI_XT_INT_VECTOR         AMDVI_BITS(39, 32)
#define AMDVI_XT_INT_DELIVERY_MODE  (1ULL << 40)
#define AMDVI_XT_INT_DEST_HIGH      AMDVI_BITS(63, 56)
#define AMDVI_XT_INT_WMASK \
    (AMDVI_XT_INT_DEST_MODE | AMDVI_XT_INT_DEST_LOW | AMDVI_XT_INT_VECTOR | \
     AMDVI_XT_INT_DELIVERY_MODE | AMDVI_XT_INT_DEST_HIGH)

/* 2.2.2.1: device table entry.  Word 0 */
#define AMDVI_DTE0_V                (1ULL << 0)
#define AMDVI_DTE0_TV               (1ULL << 1)
#define AMDVI_DTE0_HAD              AMDVI_BITS(8, 7)
#define AMDVI_DTE0_MODE             AMDVI_BITS(11, 9)
#define AMDVI_DTE0_ROOT             AMDVI_BITS(51, 12)
#define AMDVI_DTE0_PPR              (1ULL << 52)
#define AMDVI_DTE0_GPRP             (1ULL << 53)
#define AMDVI_DTE0_GIOV             (1ULL << 54)
#define AMDVI_DTE0_GV               (1ULL << 55)
#define AMDVI_DTE0_GLX              AMDVI_BITS(57, 56)  /* GCR3 levels - 1 */
#define AMDVI_DTE0_GCR3             AMDVI_BITS(60, 58)  /* bits 14:12 */
#define AMDVI_DTE0_IR               (1ULL << 61)
#define AMDVI_DTE0_IW               (1ULL << 62)
/* Whatever EFR says; because it lacks HASup and PPRSup; because of GTSup */
#define AMDVI_DTE0_RESERVED         (AMDVI_BITS(6, 2) | 1ULL << 63)
#define AMDVI_DTE0_UNSUPPORTED \
    (AMDVI_DTE0_HAD | AMDVI_DTE0_PPR | AMDVI_DTE0_GPRP)
#define AMDVI_DTE0_GUEST            (AMDVI_DTE0_GIOV | AMDVI_DTE0_GV)
/* Word 1 */
#define AMDVI_DTE1_DOMAIN           AMDVI_BITS(15, 0)
#define AMDVI_DTE1_GCR3_LOW         AMDVI_BITS(31, 16)  /* bits 30:15 */
#define AMDVI_DTE1_GCR3_HIGH        AMDVI_BITS(63, 43)  /* bits 51:31 */
#define AMDVI_DTE1_I                (1ULL << 32)    /* the device's own TLB */
#define AMDVI_DTE1_SE               (1ULL << 33)    /* Suppress Events */
#define AMDVI_DTE1_SA               (1ULL << 34)    /* Suppress All */
#define AMDVI_DTE1_IOCTL            AMDVI_BITS(36, 35)
#define AMDVI_DTE1_IOCTL_RESERVED   3
#define AMDVI_DTE1_EX               (1ULL << 39)    /* Exclusion */
#define AMDVI_DTE1_RESERVED         (1ULL << 42)
/* Word 2 */
#define AMDVI_DTE2_IV               (1ULL << 0)
#define AMDVI_DTE2_INT_TAB_LEN      AMDVI_BITS(4, 1)    /* log2 of entries */
#define AMDVI_DTE2_INT_TAB_LEN_MAX  11
#define AMDVI_DTE2_IG               (1ULL << 5)     /* Ignore unmapped */
#define AMDVI_DTE2_INT_TAB_ROOT     AMDVI_BITS(51, 6)
#define AMDVI_DTE2_GUEST_MODE       AMDVI_BITS(55, 54)  /* GuestPagingMode */
#define AMDVI_DTE2_INIT_PASS        (1ULL << 56)
#define AMDVI_DTE2_EINT_PASS        (1ULL << 57)
#define AMDVI_DTE2_NMI_PASS         (1ULL << 58)
#define AMDVI_DTE2_INT_CTL          AMDVI_BITS(61, 60)
#define AMDVI_DTE2_RESERVED         (AMDVI_BITS(53, 52) | 1ULL << 59)
/* Word 3 */
#define AMDVI_DTE3_RESERVED         (AMDVI_BITS(15, 0) | AMDVI_BITS(53, 48))

/* DTE.GuestPagingMode */
#define AMDVI_GUEST_MODE_4          0               /* levels */
#define AMDVI_GUEST_MODE_5          1

/* 2.2.6: entries of the GCR3 table; the rest of one is ignored */
#define AMDVI_GCR3_V                (1ULL << 0)
#define AMDVI_GCR3_ADDR             AMDVI_BITS(51, 12)
#define AMDVI_GCR3_INDEX_BITS       9               /* of a level */

/* DTE.Mode */
#define AMDVI_MODE_NONE             0               /* not translated */
#define AMDVI_MODE_MAX              6

/* DTE.IntCtl: fixed and arbitrated interrupts */
typedef enum AMDVIIntCtl {
    AMDVI_INT_CTL_ABORT,
    AMDVI_INT_CTL_PASS,
    AMDVI_INT_CTL_REMAP,
    AMDVI_INT_CTL_RESERVED,
} AMDVIIntCtl;

/* 2.2.5: an interrupt message.  The index into the table is of its data. */
#define AMDVI_MSI_DATA_INDEX        AMDVI_BITS(10, 0)
#define AMDVI_MSI_DATA_TYPE         AMDVI_BITS(10, 8)
#define AMDVI_MSI_ADDR_DEST_MODE    (1ULL << 2)

/* Types of interrupts (IntType) */
typedef enum AMDVIIntType {
    AMDVI_INT_FIXED,
    AMDVI_INT_ARBITRATED,
    AMDVI_INT_SMI,
    AMDVI_INT_NMI = 4,
    AMDVI_INT_INIT,
    AMDVI_INT_EXT_INT = 7,
} AMDVIIntType;

/* 2.2.5.1: interrupt remapping table entry, of 32 bits */
#define AMDVI_IRTE_REMAP_EN         (1ULL << 0)
#define AMDVI_IRTE_SUP_IOPF         (1ULL << 1)
#define AMDVI_IRTE_INT_TYPE         AMDVI_BITS(4, 2)
#define AMDVI_IRTE_RQ_EOI           (1ULL << 5)
#define AMDVI_IRTE_DM               (1ULL << 6)
#define AMDVI_IRTE_GUEST_MODE       (1ULL << 7)
#define AMDVI_IRTE_DEST             AMDVI_BITS(15, 8)
#define AMDVI_IRTE_VECTOR           AMDVI_BITS(23, 16)
#define AMDVI_IRTE_RESERVED         AMDVI_BITS(31, 24)
#define AMDVI_IRTE_SIZE             4

/* 2.2.5.2: of 128 bits (Control.GAEn); bits 7:0 as above.  Words 0, 1 */
#define AMDVI_IRTE_GA0_DEST_LOW     AMDVI_BITS(31, 8)
#define AMDVI_IRTE_GA0_RESERVED     AMDVI_BITS(63, 32)
#define AMDVI_IRTE_GA1_VECTOR       AMDVI_BITS(7, 0)
#define AMDVI_IRTE_GA1_DEST_HIGH    AMDVI_BITS(63, 56)
#define AMDVI_IRTE_GA1_RESERVED     AMDVI_BITS(55, 8)
#define AMDVI_IRTE_GA_SIZE          16

/* 2.4: commands.  Word 0 */
#define AMDVI_CMD_OPCODE            AMDVI_BITS(63, 60)

typedef enum AMDVIOpcode {
    AMDVI_CMD_COMPLETION_WAIT = 1,
    AMDVI_CMD_INVALIDATE_DEVTAB_ENTRY,
    AMDVI_CMD_INVALIDATE_IOMMU_PAGES,
    AMDVI_CMD_INVALIDATE_IOTLB_PAGES,
    AMDVI_CMD_INVALIDATE_INTERRUPT_TABLE,
    AMDVI_CMD_PREFETCH_IOMMU_PAGES,
    AMDVI_CMD_COMPLETE_PPR_REQUEST,
    AMDVI_CMD_INVALIDATE_IOMMU_ALL,
} AMDVIOpcode;

/* 2.4.1: COMPLETION_WAIT; word 1 is what is stored */
#define AMDVI_WAIT0_S               (1ULL << 0)
#define AMDVI_WAIT0_I               (1ULL << 1)
#define AMDVI_WAIT0_F               (1ULL << 2)
#define AMDVI_WAIT0_ADDR            AMDVI_BITS(51, 3)
#define AMDVI_WAIT0_RESERVED        AMDVI_BITS(59, 52)
/* 2.4.2, 2.4.4, 2.4.5: whose entry, TLB or interrupt table */
#define AMDVI_CMD0_DEVICE           AMDVI_BITS(15, 0)
#define AMDVI_DEVTAB0_RESERVED      AMDVI_BITS(59, 16)
/* 2.4.3: INVALIDATE_IOMMU_PAGES */
#define AMDVI_PAGES0_PASID          AMDVI_BITS(19, 0)   /* with GN */
#define AMDVI_PAGES0_DOMAIN         AMDVI_BITS(47, 32)
#define AMDVI_PAGES0_RESERVED       (AMDVI_BITS(31, 20) | AMDVI_BITS(59, 48))
#define AMDVI_PAGES1_RESERVED       AMDVI_BITS(11, 3)
/* and 2.4.4: INVALIDATE_IOTLB_PAGES */
#define AMDVI_PAGES1_S              (1ULL << 0)
#define AMDVI_PAGES1_PDE            (1ULL << 1)
#define AMDVI_PAGES1_GN             (1ULL << 2)
#define AMDVI_PAGES1_ADDR           AMDVI_BITS(63, 12)
#define AMDVI_IOTLB0_PASID_HIGH     AMDVI_BITS(59, 56)  /* bits 19:16 */
#define AMDVI_IOTLB0_PASID_LOW      AMDVI_BITS(55, 48)  /* bits 7:0 */
#define AMDVI_IOTLB0_PASID_MID      AMDVI_BITS(23, 16)  /* bits 15:8 */
#define AMDVI_IOTLB1_RESERVED       (1ULL << 1 | 1ULL << 3 | AMDVI_BITS(11, 6))
/* 2.4.8: INVALIDATE_IOMMU_ALL */
#define AMDVI_ALL0_RESERVED         AMDVI_BITS(59, 0)

/*
 * 2.5: events.  Word 0; word 1 is an address.  With GN it is a guest's, and
 * bits 15:0 of the PASID are in the place of the domain.
 */
#define AMDVI_EVENT_DEVICE          AMDVI_BITS(15, 0)
#define AMDVI_EVENT_PASID_HIGH      AMDVI_BITS(19, 16)  /* bits 19:16 */
#define AMDVI_EVENT_DOMAIN          AMDVI_BITS(47, 32)
#define AMDVI_EVENT_FLAGS           AMDVI_BITS(59, 48)
#define AMDVI_EVENT_CODE            AMDVI_BITS(63, 60)

typedef enum AMDVIEventCode {
    AMDVI_EVENT_NONE,
    AMDVI_EVENT_ILLEGAL_DEV_TABLE_ENTRY,
    AMDVI_EVENT_IO_PAGE_FAULT,
    AMDVI_EVENT_DEV_TAB_HARDWARE_ERROR,
    AMDVI_EVENT_PAGE_TAB_HARDWARE_ERROR,
    AMDVI_EVENT_ILLEGAL_COMMAND_ERROR,
    AMDVI_EVENT_COMMAND_HARDWARE_ERROR,
    AMDVI_EVENT_IOTLB_INV_TIMEOUT,
    AMDVI_EVENT_INVALID_DEVICE_REQUEST,
} AMDVIEventCode;

/* Flags of events, within AMDVI_EVENT_FLAGS */
#define AMDVI_EVF_GN                (1U << 0)   /* of a guest translation */
#define AMDVI_EVF_US                (1U << 2)   /* a user's access; with GN */
#define AMDVI_EVF_I                 (1U << 3)   /* of an interrupt */
#define AMDVI_EVF_PR                (1U << 4)   /* the page is present */
#define AMDVI_EVF_RW                (1U << 5)   /* a write */
#define AMDVI_EVF_PE                (1U << 6)   /* for want of a permission */
#define AMDVI_EVF_RZ                (1U << 7)   /* a reserved bit is set */
#define AMDVI_EVF_TR                (1U << 8)   /* a translation request */
/* 2.5.4 to 2.5.6: what the hardware error is */
#define AMDVI_EVF_TYPE_MASTER_ABORT (1U << 9)
/* 2.5.9: what was invalid about the request */
#define AMDVI_EVF_REQ_TRANSLATED    (1U << 9)   /* pre-translated, DTE.I = 0 */

#endif

/*
 * Facts of the Intel VT-d specification: registers, tables, descriptors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * From the Intel Virtualization Technology for Directed I/O specification,
 * Rev 5.10; section numbers are that document's.  Only layouts and encodings;
 * what they lead to is in the other files.  Plain C, also for the standalone
 * build.
 *
 * Conventions: DMAR_x_REG is a register's offset, VTD_x_FIELD a bit or the
 * position of a field, VTD_x_FIELD(val) the field taken out of a value (or,
 * where a comment says so, put into one), VTD_x_WMASK what software can
 * change.  Registers and tables are little-endian.
 */
#ifndef HW_I386_VTD_SPEC_H
#define HW_I386_VTD_SPEC_H

/*
 * Addresses at or above 1 << aw are reserved in every table and register; no
 * entry has more than 52 bits of them, however wide an input address is.
 */
#define VTD_HAW_MAX                 52
#define VTD_HAW(aw)                 ((aw) < VTD_HAW_MAX ? (aw) : VTD_HAW_MAX)
#define VTD_AW_MASK(aw)             ((1ULL << VTD_HAW(aw)) - 1)

#define VTD_PAGE_SHIFT              12
#define VTD_PAGE_SIZE               (1ULL << VTD_PAGE_SHIFT)
#define VTD_PAGE_MASK               (~(VTD_PAGE_SIZE - 1))

/* 16-bit domain-ids: CAP.ND = 6 */
#define VTD_DOMAIN_ID_BITS          16
#define VTD_DOMAIN_ID_MASK          0xffffULL

/* 3.15: requests to this range are interrupt requests, never memory */
#define VTD_INTERRUPT_ADDR_FIRST    0xfee00000ULL
#define VTD_INTERRUPT_ADDR_LAST     0xfeefffffULL
#define VTD_INTERRUPT_ADDR_SIZE \
    (VTD_INTERRUPT_ADDR_LAST - VTD_INTERRUPT_ADDR_FIRST + 1)

/* 11.4: register offsets */

#define DMAR_VER_REG                0x00    /* Version */
#define DMAR_CAP_REG                0x08    /* Capability */
#define DMAR_ECAP_REG               0x10    /* Extended Capability */
#define DMAR_GCMD_REG               0x18    /* Global Command */
#define DMAR_GSTS_REG               0x1c    /* Global Status */
#define DMAR_RTADDR_REG             0x20    /* Root Table Address */
#define DMAR_CCMD_REG               0x28    /* Context Command */
#define DMAR_FSTS_REG               0x34    /* Fault Status */
#define DMAR_FECTL_REG              0x38    /* Fault Event Control */
#define DMAR_FEDATA_REG             0x3c    /* Fault Event Data */
#define DMAR_FEADDR_REG             0x40    /* Fault Event Address */
#define DMAR_FEUADDR_REG            0x44    /* Fault Event Upper Address */
#define DMAR_AFLOG_REG              0x58    /* Advanced Fault Log */
#define DMAR_PMEN_REG               0x64    /* Protected Memory Enable */
#define DMAR_PLMBASE_REG            0x68    /* Protected Low-Memory Base */
#define DMAR_PLMLIMIT_REG           0x6c    /* Protected Low-Memory Limit */
#define DMAR_PHMBASE_REG            0x70    /* Protected High-Memory Base */
#define DMAR_PHMLIMIT_REG           0x78    /* Protected High-Memory Limit */
#define DMAR_IQH_REG                0x80    /* Invalidation Queue Head */
#define DMAR_IQT_REG                0x88    /* Invalidation Queue Tail */
#define DMAR_IQA_REG                0x90    /* Invalidation Queue Address */
#define DMAR_ICS_REG                0x9c    /* Invalidation Completion Status */
#define DMAR_IECTL_REG              0xa0    /* Invalidation Event Control */
#define DMAR_IEDATA_REG             0xa4    /* Invalidation Event Data */
#define DMAR_IEADDR_REG             0xa8    /* Invalidation Event Address */
#define DMAR_IEUADDR_REG            0xac    /* Invalidation Event Upper Addr. */
#define DMAR_IQERCD_REG             0xb0    /* Inv. Queue Error Record */
#define DMAR_IRTA_REG               0xb8    /* Interrupt Remap. Table Address */
#define DMAR_PQH_REG                0xc0    /* Page Request Queue Head */
#define DMAR_PQT_REG                0xc8    /* Page Request Queue Tail */
#define DMAR_PQA_REG                0xd0    /* Page Request Queue Address */
#define DMAR_PRS_REG                0xdc    /* Page Request Status */
#define DMAR_PECTL_REG              0xe0    /* Page Request Event Control */
#define DMAR_PEDATA_REG             0xe4    /* Page Request Event Data */
#define DMAR_PEADDR_REG             0xe8    /* Page Request Event Address */
#define DMAR_PEUADDR_REG            0xec    /* Page Request Event Upper Addr. */
#define DMAR_MTRRCAP_REG            0x100   /* MTRR Capability */
#define DMAR_MTRRDEF_REG            0x108   /* MTRR Default Type */

/*
 * Where these are is the implementation's choice, told by ECAP.IRO and
 * CAP.FRO; the choice is the base's, because a guest may migrate.
 */
#define DMAR_IOTLB_REG_OFFSET       0xf0
#define DMAR_IVA_REG                DMAR_IOTLB_REG_OFFSET
#define DMAR_IOTLB_REG              (DMAR_IOTLB_REG_OFFSET + 8)
#define DMAR_FRCD_REG_OFFSET        0x220
#define VTD_FRCD_REG_SIZE           16      /* one fault recording register */

/* 11.4.1: VER_REG; architecture 1.0, so DR and DW are meaningful */

#define VTD_VER                     0x10
#define VTD_VER_MAX(val)            (((val) >> 4) & 0xf)
#define VTD_VER_MIN(val)            ((val) & 0xf)

/* 11.4.2: CAP_REG; the macros with an argument put it in */

#define VTD_CAP_ND                  ((VTD_DOMAIN_ID_BITS - 4ULL) / 2)
#define VTD_CAP_ND_MASK             7ULL
#define VTD_CAP_AFL                 (1ULL << 3)
#define VTD_CAP_RWBF                (1ULL << 4)
#define VTD_CAP_PLMR                (1ULL << 5)
#define VTD_CAP_PHMR                (1ULL << 6)
#define VTD_CAP_CM                  (1ULL << 7)
#define VTD_CAP_SAGAW(levels)       (1ULL << (6 + (levels)))    /* 2 .. 5 */
#define VTD_CAP_SAGAW_39            VTD_CAP_SAGAW(3)
#define VTD_CAP_SAGAW_48            VTD_CAP_SAGAW(4)
#define VTD_CAP_SAGAW_57            VTD_CAP_SAGAW(5)
#define VTD_CAP_SAGAW_MASK          (0x1fULL << 8)
/* 9.6: AW encodes no more; the topmost bit of SAGAW is reserved */
#define VTD_LEVELS_MAX              5
#define VTD_CAP_MGAW(aw)            ((((aw) - 1) & 0x3fULL) << 16)
#define VTD_CAP_MGAW_MASK           (0x3fULL << 16)
#define VTD_CAP_ZLR                 (1ULL << 22)
#define VTD_CAP_FRO                 ((DMAR_FRCD_REG_OFFSET / 16ULL) << 24)
#define VTD_CAP_FRO_MASK            (0x3ffULL << 24)
#define VTD_CAP_SSLPS_2M            (1ULL << 34)
#define VTD_CAP_SSLPS_1G            (1ULL << 35)
#define VTD_CAP_SSLPS               (VTD_CAP_SSLPS_2M | VTD_CAP_SSLPS_1G)
#define VTD_CAP_PSI                 (1ULL << 39)
#define VTD_CAP_NFR(records)        ((((records) - 1) & 0xffULL) << 40)
#define VTD_CAP_NFR_MASK            (0xffULL << 40)
/* Largest address mask of a page-selective invalidation: 1 GiB */
#define VTD_MAMV                    18
#define VTD_CAP_MAMV                ((uint64_t)VTD_MAMV << 48)
#define VTD_CAP_MAMV_MASK           (0x3fULL << 48)
#define VTD_CAP_DWD                 (1ULL << 54)
#define VTD_CAP_DRD                 (1ULL << 55)
#define VTD_CAP_FS1GP               (1ULL << 56)
#define VTD_CAP_PI                  (1ULL << 59)
#define VTD_CAP_FS5LP               (1ULL << 60)
#define VTD_CAP_ESIRTPS             (1ULL << 62)
#define VTD_CAP_ESRTPS              (1ULL << 63)

/* 11.4.3: ECAP_REG */

#define VTD_ECAP_C                  (1ULL << 0)
#define VTD_ECAP_QI                 (1ULL << 1)
#define VTD_ECAP_DT                 (1ULL << 2)
#define VTD_ECAP_IR                 (1ULL << 3)
#define VTD_ECAP_EIM                (1ULL << 4)
#define VTD_ECAP_PT                 (1ULL << 6)
#define VTD_ECAP_SC                 (1ULL << 7)
#define VTD_ECAP_IRO                ((DMAR_IOTLB_REG_OFFSET / 16ULL) << 8)
#define VTD_ECAP_IRO_MASK           (0x3ffULL << 8)
/* Largest index mask of an interrupt entry cache invalidation */
#define VTD_MHMV                    15
#define VTD_ECAP_MHMV               ((uint64_t)VTD_MHMV << 20)
#define VTD_ECAP_NEST               (1ULL << 26)
#define VTD_ECAP_PRS                (1ULL << 29)
#define VTD_ECAP_SRS                (1ULL << 31)
#define VTD_ECAP_NWFS               (1ULL << 33)
#define VTD_ECAP_EAFS               (1ULL << 34)
#define VTD_ECAP_PSS(bits)          ((((bits) - 1) & 0x1fULL) << 35)
#define VTD_ECAP_PSS_BITS(ecap)     ((((ecap) >> 35) & 0x1f) + 1)
#define VTD_ECAP_PSS_MASK           (0x1fULL << 35)
#define VTD_ECAP_PASID              (1ULL << 40)
#define VTD_ECAP_DIT                (1ULL << 41)
#define VTD_ECAP_PDS                (1ULL << 42)
#define VTD_ECAP_SMTS               (1ULL << 43)
#define VTD_ECAP_SSADS              (1ULL << 45)
#define VTD_ECAP_SSTS               (1ULL << 46)
#define VTD_ECAP_FSTS               (1ULL << 47)
#define VTD_ECAP_SMPWC              (1ULL << 48)
#define VTD_ECAP_RPS                (1ULL << 49)
#define VTD_ECAP_RPRIVS             (1ULL << 53)

/* 11.4.4.1: GCMD_REG */

#define VTD_GCMD_TE                 (1U << 31)
#define VTD_GCMD_SRTP               (1U << 30)
#define VTD_GCMD_SFL                (1U << 29)
#define VTD_GCMD_EAFL               (1U << 28)
#define VTD_GCMD_WBF                (1U << 27)
#define VTD_GCMD_QIE                (1U << 26)
#define VTD_GCMD_IRE                (1U << 25)
#define VTD_GCMD_SIRTP              (1U << 24)
#define VTD_GCMD_CFI                (1U << 23)
#define VTD_GCMD_WMASK              0xff800000U
/* Bits that hold a state; the others are one-shot commands */
#define VTD_GCMD_LEVELS \
    (VTD_GCMD_TE | VTD_GCMD_EAFL | VTD_GCMD_QIE | VTD_GCMD_IRE | VTD_GCMD_CFI)

/* 11.4.4.2: GSTS_REG */

#define VTD_GSTS_TES                (1U << 31)
#define VTD_GSTS_RTPS               (1U << 30)
#define VTD_GSTS_FLS                (1U << 29)
#define VTD_GSTS_AFLS               (1U << 28)
#define VTD_GSTS_WBFS               (1U << 27)
#define VTD_GSTS_QIES               (1U << 26)
#define VTD_GSTS_IRES               (1U << 25)
#define VTD_GSTS_IRTPS              (1U << 24)
#define VTD_GSTS_CFIS               (1U << 23)

/* 11.4.5: RTADDR_REG */

#define VTD_RTADDR_RTA(val)         ((val) & VTD_PAGE_MASK)
#define VTD_RTADDR_TTM(val)         (((val) >> 10) & 3)
#define VTD_RTADDR_TTM_LEGACY       0
#define VTD_RTADDR_TTM_SCALABLE     1
#define VTD_RTADDR_TTM_ABORT        3
#define VTD_RTADDR_WMASK            0xfffffffffffffc00ULL

/* 11.4.6.1: CCMD_REG */

#define VTD_CCMD_ICC                (1ULL << 63)
#define VTD_CCMD_CIRG_MASK          (3ULL << 61)
#define VTD_CCMD_CIRG_GLOBAL        (1ULL << 61)
#define VTD_CCMD_CIRG_DOMAIN        (2ULL << 61)
#define VTD_CCMD_CIRG_DEVICE        (3ULL << 61)
#define VTD_CCMD_CAIG_MASK          (3ULL << 59)
#define VTD_CCMD_CAIG_GLOBAL        (1ULL << 59)
#define VTD_CCMD_CAIG_DOMAIN        (2ULL << 59)
#define VTD_CCMD_CAIG_DEVICE        (3ULL << 59)
#define VTD_CCMD_FM(val)            (((val) >> 32) & 3)
#define VTD_CCMD_SID(val)           (((val) >> 16) & 0xffff)
#define VTD_CCMD_DID(val)           ((val) & VTD_DOMAIN_ID_MASK)
#define VTD_CCMD_WMASK              0xe0000003ffffffffULL
#define VTD_CCMD_WOMASK             0x00000003ffff0000ULL   /* FM, SID */

/* 11.4.6.3: IOTLB_REG */

#define VTD_IOTLB_IVT               (1ULL << 63)
#define VTD_IOTLB_IIRG_MASK         (3ULL << 60)
#define VTD_IOTLB_IIRG_GLOBAL       (1ULL << 60)
#define VTD_IOTLB_IIRG_DOMAIN       (2ULL << 60)
#define VTD_IOTLB_IIRG_PAGE         (3ULL << 60)
#define VTD_IOTLB_IAIG_MASK         (3ULL << 57)
#define VTD_IOTLB_IAIG_GLOBAL       (1ULL << 57)
#define VTD_IOTLB_IAIG_DOMAIN       (2ULL << 57)
#define VTD_IOTLB_IAIG_PAGE         (3ULL << 57)
#define VTD_IOTLB_DR                (1ULL << 49)
#define VTD_IOTLB_DW                (1ULL << 48)
#define VTD_IOTLB_DID(val)          (((val) >> 32) & VTD_DOMAIN_ID_MASK)
#define VTD_IOTLB_WMASK             0xb003ffff00000000ULL

/* 11.4.6.4: IVA_REG */

#define VTD_IVA_ADDR(val)           ((val) & VTD_PAGE_MASK)
#define VTD_IVA_IH                  (1ULL << 6)
#define VTD_IVA_AM(val)             ((val) & 0x3f)
#define VTD_IVA_WMASK               0xfffffffffffff07fULL

/* 11.4.7.1: FSTS_REG */

#define VTD_FSTS_PFO                (1U << 0)
#define VTD_FSTS_PPF                (1U << 1)
#define VTD_FSTS_AFO                (1U << 2)
#define VTD_FSTS_APF                (1U << 3)
#define VTD_FSTS_IQE                (1U << 4)
#define VTD_FSTS_ICE                (1U << 5)
#define VTD_FSTS_ITE                (1U << 6)
#define VTD_FSTS_FRI_MASK           0xff00U
#define VTD_FSTS_FRI(index)         (((uint32_t)(index) & 0xff) << 8) /* in */
#define VTD_FSTS_W1CMASK \
    (VTD_FSTS_PFO | VTD_FSTS_IQE | VTD_FSTS_ICE | VTD_FSTS_ITE)

/* 11.4.7.2 to 11.4.7.5: fault event; 11.4.9.5 to .8: the same for the queue */

#define VTD_FECTL_IM                (1U << 31)
#define VTD_FECTL_IP                (1U << 30)
#define VTD_FEDATA_WMASK            0x0000ffffU
#define VTD_FEADDR_WMASK            0xfffffffcU

#define VTD_IECTL_IM                (1U << 31)
#define VTD_IECTL_IP                (1U << 30)
#define VTD_IEDATA_WMASK            0xffffffffU
#define VTD_IEADDR_WMASK            0xfffffffcU

/* 11.4.7.6: FRCD_REG, 128 bits; the macros with an argument put it in */

/* bits 127:64 */
#define VTD_FRCD_F                  (1ULL << 63)
#define VTD_FRCD_T                  (1ULL << 62)    /* T1: read or AtomicOp */
#define VTD_FRCD_AT(at)             (((at) & 3ULL) << 60)
#define VTD_AT_UNTRANSLATED         0       /* the values of a request's AT */
#define VTD_AT_TRANSLATION          1
#define VTD_AT_TRANSLATED           2
#define VTD_FRCD_PV(pasid)          (((pasid) & VTD_PASID_MASK) << 40)
#define VTD_FRCD_FR(reason)         (((reason) & 0xffULL) << 32)
#define VTD_FRCD_PP                 (1ULL << 31)    /* PASID Present */
#define VTD_FRCD_EXE                (1ULL << 30)    /* with PASID only */
#define VTD_FRCD_PRIV               (1ULL << 29)    /* with PASID only */
#define VTD_FRCD_T2                 (1ULL << 28)    /* page request, AtomicOp */
#define VTD_FRCD_SID(sid)           ((sid) & 0xffffULL)
#define VTD_FRCD_SID_GET(hi)        ((hi) & 0xffff)
/* bits 63:0 */
#define VTD_FRCD_FI(addr)           ((addr) & VTD_PAGE_MASK)
#define VTD_FRCD_IR_IDX(index)      (((index) & 0xffffULL) << 48)

/* 11.4.9.1 to 11.4.9.4: the invalidation queue */

/* Head and tail: bytes from the queue's start, of its whole descriptors */
#define VTD_IQT_BYTES(val)          ((val) & VTD_IQT_WMASK)
#define VTD_IQT_WMASK               0x7fff0ULL

#define VTD_IQA_ADDR_MASK           VTD_PAGE_MASK
#define VTD_IQA_ADDR(val)           ((val) & VTD_IQA_ADDR_MASK)
#define VTD_IQA_DW                  (1ULL << 11)    /* 256-bit descriptors */
#define VTD_IQA_QS(val)             ((val) & 7)
#define VTD_IQA_WMASK               0xfffffffffffff807ULL
/* The queue has 2^QS pages */

#define VTD_ICS_IWC                 (1U << 0)

/* 11.4.9.9: IQERCD_REG, Invalidation Queue Error Information */

#define VTD_IQERCD_IQEI(val)        ((val) & 0xf)
#define VTD_IQEI_NONE               0x0     /* not reported */
#define VTD_IQEI_TAIL               0x1     /* IQT is beyond the queue's end */
#define VTD_IQEI_READ               0x2     /* descriptor cannot be read */
#define VTD_IQEI_TYPE               0x3     /* invalid type */
#define VTD_IQEI_RSVD               0x4     /* reserved field set */
#define VTD_IQEI_WIDTH              0x5     /* width does not suit the mode */
#define VTD_IQEI_ALIGN              0x6     /* 256-bit: tail not aligned */
#define VTD_IQEI_TTM                0x7     /* does not suit RTADDR.TTM */

/* 11.4.11: the page request queue */

/* Head and tail: bytes from the queue's start, of its 32-byte descriptors */
#define VTD_PQH_WMASK               0x7ffe0ULL
#define VTD_PQA_ADDR(val)           ((val) & VTD_PAGE_MASK)
#define VTD_PQA_PQS(val)            ((val) & 7)     /* 2^PQS pages */
#define VTD_PQA_WMASK               0xfffffffffffff007ULL
#define VTD_PRS_PPR                 (1U << 0)       /* pending page request */
#define VTD_PRS_PRO                 (1U << 1)       /* overflow */
#define VTD_PRS_W1CMASK             (VTD_PRS_PPR | VTD_PRS_PRO)
#define VTD_PECTL_IM                (1U << 31)
#define VTD_PECTL_IP                (1U << 30)
#define VTD_PEDATA_WMASK            0xffffffffU
#define VTD_PEADDR_WMASK            0xfffffffcU

/* 11.4.10: IRTA_REG; the table has 2^(S + 1) entries */

#define VTD_IRTA_ENTRIES_MAX        65536
#define VTD_IRTA_IRTA(val)          ((val) & VTD_PAGE_MASK)
#define VTD_IRTA_EIME               (1ULL << 11)
#define VTD_IRTA_S(val)             ((val) & 0xf)
#define VTD_IRTA_ENTRIES(val)       (2U << VTD_IRTA_S(val))
#define VTD_IRTA_WMASK              0xfffffffffffff80fULL

/* 9.1: root entry (legacy mode): 256 per table, by bus */

#define VTD_ROOT_ENTRY_SIZE         16
#define VTD_ROOT_P                  (1ULL << 0)
#define VTD_ROOT_CTP(lo)            ((lo) & VTD_PAGE_MASK)
#define VTD_ROOT_RSVD_LO(aw)        (0xffeULL | ~VTD_AW_MASK(aw))
#define VTD_ROOT_RSVD_HI            (~0ULL)

/* 9.2: root entry (scalable mode): a half for each 16 devices of the bus */

#define VTD_SM_ROOT_UPPER(devfn)    ((devfn) & 0x80)
#define VTD_SM_ROOT_P               (1ULL << 0)     /* LP, UP */
#define VTD_SM_ROOT_CTP(half)       ((half) & VTD_PAGE_MASK)
#define VTD_SM_ROOT_RSVD(aw)        (0xffeULL | ~VTD_AW_MASK(aw))

/* 9.3: context entry (legacy mode): 256 per table, by device and function */

#define VTD_CONTEXT_ENTRY_SIZE      16
/* bits 63:0 */
#define VTD_CONTEXT_P               (1ULL << 0)
#define VTD_CONTEXT_FPD             (1ULL << 1)
#define VTD_CONTEXT_TT(lo)          (((lo) >> 2) & 3)
#define VTD_CONTEXT_TT_UNTRANSLATED 0   /* no device-TLB */
#define VTD_CONTEXT_TT_DEV_TLB      1
#define VTD_CONTEXT_TT_PASS_THROUGH 2
#define VTD_CONTEXT_SSPTPTR(lo)     ((lo) & VTD_PAGE_MASK)
#define VTD_CONTEXT_RSVD_LO(aw)     (0xff0ULL | ~VTD_AW_MASK(aw))
/* bits 127:64; 6:3 are ignored by hardware */
#define VTD_CONTEXT_AW(hi)          ((hi) & 7)
#define VTD_AW_39                   1
#define VTD_AW_48                   2
#define VTD_AW_57                   3
/* Levels of the table tree, and the width it translates, for a value of AW */
#define VTD_AW_LEVELS(aw_field)     (2 + (aw_field))
#define VTD_AW_BITS(aw_field)       (30 + 9 * (aw_field))
#define VTD_LEVELS_BITS(levels)     (VTD_PAGE_SHIFT + 9 * (levels))
#define VTD_CONTEXT_DID(hi)         (((hi) >> 8) & VTD_DOMAIN_ID_MASK)
#define VTD_CONTEXT_RSVD_HI         0xffffffffff000080ULL

/* 9.4: context entry (scalable mode): 128 per table */

#define VTD_SM_CONTEXT_ENTRY_SIZE   32
#define VTD_SM_CONTEXT_OFFSET(devfn) \
    (((devfn) & 0x7f) * VTD_SM_CONTEXT_ENTRY_SIZE)
/* bits 63:0 */
#define VTD_SM_CONTEXT_P            (1ULL << 0)
#define VTD_SM_CONTEXT_FPD          (1ULL << 1)
#define VTD_SM_CONTEXT_DTE          (1ULL << 2)     /* reserved without DT */
#define VTD_SM_CONTEXT_PASIDE       (1ULL << 3)     /* ... without PASID */
#define VTD_SM_CONTEXT_PRE          (1ULL << 4)     /* ... without PRS */
#define VTD_SM_CONTEXT_PDTS(lo)     (((lo) >> 9) & 7)
#define VTD_SM_CONTEXT_PASIDDIRPTR(lo) ((lo) & VTD_PAGE_MASK)
#define VTD_SM_CONTEXT_RSVD_LO(aw)  (0x1e0ULL | ~VTD_AW_MASK(aw))
/* PASIDs of a directory of 2^(PDTS + 7) entries */
#define VTD_PDTS_PASIDS(pdts)       (1U << ((pdts) + 7 + 6))
/* bits 127:64; the others are reserved */
#define VTD_SM_CONTEXT_RID_PASID    0xfffffULL      /* ... without RPS */
#define VTD_SM_CONTEXT_RID_PRIV     (1ULL << 20)    /* ... without RPRIVS */
#define VTD_SM_CONTEXT_RSVD_HI      0xffffffffffe00000ULL

/* 3.4.3: a PASID is an index into directory (19:6) and table (5:0) */

#define VTD_PASID_BITS              20
#define VTD_PASID_MASK              0xfffffULL
#define VTD_PASID_DIR_OFFSET(pasid) ((uint64_t)((pasid) >> 6) * 8)
#define VTD_PASID_OFFSET(pasid) \
    ((uint64_t)((pasid) & 0x3f) * VTD_PASID_ENTRY_SIZE)

/* 9.5: PASID directory entry */

#define VTD_PASID_DIR_P             (1ULL << 0)
#define VTD_PASID_DIR_FPD           (1ULL << 1)
#define VTD_PASID_DIR_SMPTBLPTR(entry) ((entry) & VTD_PAGE_MASK)
#define VTD_PASID_DIR_RSVD(aw)      (0xffcULL | ~VTD_AW_MASK(aw))

/* 9.6: PASID table entry: 64 per table */

#define VTD_PASID_ENTRY_SIZE        64
#define VTD_PASID_ENTRY_WORDS       (VTD_PASID_ENTRY_SIZE / 8)
/* bits 63:0 */
#define VTD_PASID_P                 (1ULL << 0)
#define VTD_PASID_FPD               (1ULL << 1)
#define VTD_PASID_AW(val)           (((val) >> 2) & 7)
#define VTD_PASID_PGTT(val)         (((val) >> 6) & 7)
#define VTD_PGTT_FIRST              1
#define VTD_PGTT_SECOND             2
#define VTD_PGTT_NESTED             3
#define VTD_PGTT_PASS_THROUGH       4
#define VTD_PASID_SSADE             (1ULL << 9)     /* reserved without SSADS */
#define VTD_PASID_SSPTPTR(val)      ((val) & VTD_PAGE_MASK)
#define VTD_PASID_RSVD_0(aw)        (0xc20ULL | ~VTD_AW_MASK(aw))
/* bits 127:64; CD, EMTE, memory types and PAT, 63:25, are not modelled */
#define VTD_PASID_DID(val)          ((val) & VTD_DOMAIN_ID_MASK)
#define VTD_PASID_PWSNP             (1ULL << 23)    /* ... without SMPWC */
#define VTD_PASID_PGSNP             (1ULL << 24)    /* ... without SC */
#define VTD_PASID_RSVD_1            0x00000000007f0000ULL
/* bits 191:128; NXE and SMEP, 6:5, are ignored */
#define VTD_PASID_SRE               (1ULL << 0)     /* ... without SRS */
#define VTD_PASID_FSPM(val)         (((val) >> 2) & 3)
#define VTD_FSPM_4_LEVELS           0
#define VTD_FSPM_5_LEVELS           1
#define VTD_PASID_WPE               (1ULL << 4)
#define VTD_PASID_EAFE              (1ULL << 7)     /* ... without EAFS */
#define VTD_PASID_FSPTPTR(val)      ((val) & VTD_PAGE_MASK)
#define VTD_PASID_RSVD_2(aw)        (0xf02ULL | ~VTD_AW_MASK(aw))
/* All of the first stage's fields that are reserved without FSTS; not SRE */
#define VTD_PASID_FIRST_STAGE       (~0x61ULL)
/* bits 511:192 are reserved */

/* 9.7: first-stage paging entries */

#define VTD_FS_P                    (1ULL << 0)
#define VTD_FS_RW                   (1ULL << 1)
#define VTD_FS_US                   (1ULL << 2)
#define VTD_FS_A                    (1ULL << 5)
#define VTD_FS_D                    (1ULL << 6)
#define VTD_FS_PS                   (1ULL << 7)     /* at level 1: PAT */
#define VTD_FS_EA                   (1ULL << 10)
/* Address bits below a large page's size; bit 12 is PAT */
#define VTD_FS_2M_RSVD              0x001fe000ULL
#define VTD_FS_1G_RSVD              0x3fffe000ULL
/* Ignored by hardware in every entry: XD, which is 63, and 62:52 */
#define VTD_FS_IGNORED              0xfff0000000000000ULL

/* 9.8: second-stage paging entries */

#define VTD_SS_R                    (1ULL << 0)
#define VTD_SS_W                    (1ULL << 1)
#define VTD_SS_PS                   (1ULL << 7)
#define VTD_SS_A                    (1ULL << 8)     /* with SSADE */
#define VTD_SS_D                    (1ULL << 9)     /* with SSADE, leaves */
#define VTD_SS_SNP                  (1ULL << 11)
#define VTD_SS_TM                   (1ULL << 62)    /* reserved since 3.2 */
/* Ignored by hardware in every entry: 63, 61:52 */
#define VTD_SS_IGNORED              0xbff0000000000000ULL
/* Address bits below a large page's size */
#define VTD_SS_2M_RSVD              0x001ff000ULL
#define VTD_SS_1G_RSVD              0x3ffff000ULL

/*
 * 6.5.2: invalidation descriptors: 128 bits, or 256 with IQA.DW; all that has a
 * meaning is in the lower 128, the others are reserved
 */

/* Log2 of a descriptor's bytes; of a 256-bit one's, with IQA.DW */
#define VTD_INV_DESC_SHIFT          4
#define VTD_INV_DESC_SHIFT_DW       5
/* Type: bits 3:0 and, above them, 11:9 */
#define VTD_INV_DESC_TYPE(lo)       (((lo) & 0xf) | (((lo) >> 5) & 0x70))
#define VTD_INV_DESC_TYPE_HI        (7ULL << 9)
#define VTD_INV_DESC_NONE           0x0     /* no descriptor has it */
#define VTD_INV_DESC_CC             0x1     /* context-cache */
#define VTD_INV_DESC_IOTLB          0x2
#define VTD_INV_DESC_DEVICE         0x3     /* device-TLB */
#define VTD_INV_DESC_IEC            0x4     /* interrupt entry cache */
#define VTD_INV_DESC_WAIT           0x5
#define VTD_INV_DESC_PIOTLB         0x6     /* PASID-based IOTLB */
#define VTD_INV_DESC_PC             0x7     /* PASID-cache */
#define VTD_INV_DESC_DEV_PIOTLB     0x8     /* PASID-based device-TLB */
#define VTD_INV_DESC_PGRP_RESP      0x9     /* page group response */
/* In legacy mode WAIT is the last of them */
#define VTD_INV_DESC_LAST           VTD_INV_DESC_PGRP_RESP

/* 6.5.2.1: context-cache; bits 127:64 are reserved */
#define VTD_INV_DESC_CC_G(lo)       (((lo) >> 4) & 3)
#define VTD_INV_DESC_CC_DID(lo)     (((lo) >> 16) & VTD_DOMAIN_ID_MASK)
#define VTD_INV_DESC_CC_SID(lo)     (((lo) >> 32) & 0xffff)
#define VTD_INV_DESC_CC_FM(lo)      (((lo) >> 48) & 3)
#define VTD_INV_DESC_CC_RSVD_LO     0xfffc00000000f1c0ULL
#define VTD_INV_DESC_CC_RSVD_HI     (~0ULL)

/* 6.5.2.2: PASID-cache; bits 127:64 are reserved */
#define VTD_INV_DESC_PC_G(lo)       (((lo) >> 4) & 3)
#define VTD_INV_PC_G_DOMAIN         0
#define VTD_INV_PC_G_PASID          1       /* of a domain */
#define VTD_INV_PC_G_GLOBAL         3
#define VTD_INV_DESC_PC_DID(lo)     (((lo) >> 16) & VTD_DOMAIN_ID_MASK)
#define VTD_INV_DESC_PC_PASID(lo)   (((lo) >> 32) & VTD_PASID_MASK)
#define VTD_INV_DESC_PC_RSVD_LO     0xfff000000000f1c0ULL
#define VTD_INV_DESC_PC_RSVD_HI     (~0ULL)

/* 6.5.2.3: IOTLB */
#define VTD_INV_DESC_IOTLB_G(lo)    (((lo) >> 4) & 3)
#define VTD_INV_DESC_IOTLB_DW       (1ULL << 6)
#define VTD_INV_DESC_IOTLB_DR       (1ULL << 7)
#define VTD_INV_DESC_IOTLB_DID(lo)  (((lo) >> 16) & VTD_DOMAIN_ID_MASK)
#define VTD_INV_DESC_IOTLB_AM(hi)   ((hi) & 0x3f)
#define VTD_INV_DESC_IOTLB_IH       (1ULL << 6)
#define VTD_INV_DESC_IOTLB_ADDR(hi) ((hi) & VTD_PAGE_MASK)
#define VTD_INV_DESC_IOTLB_RSVD_LO  0xffffffff0000f100ULL
#define VTD_INV_DESC_IOTLB_RSVD_HI  0x0000000000000f80ULL

/* Granularity (G) of context-cache and IOTLB; 0 is reserved */
#define VTD_INV_G_GLOBAL            1
#define VTD_INV_G_DOMAIN            2
#define VTD_INV_G_SELECTIVE         3       /* device or page */

/* 6.5.2.4: PASID-based IOTLB; any AM, whatever MAMV is (11.4.2) */
#define VTD_INV_DESC_PIOTLB_G(lo)   (((lo) >> 4) & 3)
#define VTD_INV_PIOTLB_G_PASID      2       /* all of a domain's PASID */
#define VTD_INV_PIOTLB_G_PAGES      3       /* pages of it */
#define VTD_INV_DESC_PIOTLB_DID(lo) (((lo) >> 16) & VTD_DOMAIN_ID_MASK)
#define VTD_INV_DESC_PIOTLB_PASID(lo) (((lo) >> 32) & VTD_PASID_MASK)
#define VTD_INV_DESC_PIOTLB_AM(hi)  ((hi) & 0x3f)
#define VTD_INV_DESC_PIOTLB_IH      (1ULL << 6)
#define VTD_INV_DESC_PIOTLB_ADDR(hi) ((hi) & VTD_PAGE_MASK)
#define VTD_INV_DESC_PIOTLB_RSVD_LO 0xfff000000000f1c0ULL
#define VTD_INV_DESC_PIOTLB_RSVD_HI 0x0000000000000f80ULL

/*
 * 6.5.2.5: device-TLB.  PFSID is in 15:12 and 63:52, and reserved without
 * ECAP.DIT.
 */
#define VTD_INV_DESC_DEVICE_MIP(lo)     (((lo) >> 16) & 0x1f)
#define VTD_INV_DESC_DEVICE_SID(lo)     (((lo) >> 32) & 0xffff)
#define VTD_INV_DESC_DEVICE_S           (1ULL << 0)
#define VTD_INV_DESC_DEVICE_ADDR(hi)    ((hi) & VTD_PAGE_MASK)
#define VTD_INV_DESC_DEVICE_PFSID       0xfff000000000f000ULL
#define VTD_INV_DESC_DEVICE_RSVD_LO     0x000f0000ffe001f0ULL
#define VTD_INV_DESC_DEVICE_RSVD_HI     0x0000000000000ffeULL

/* 6.5.2.6: PASID-based device-TLB; MIP in 8:4, PFSID as above */
#define VTD_INV_DESC_DEV_PIOTLB_SID(lo) (((lo) >> 16) & 0xffff)
#define VTD_INV_DESC_DEV_PIOTLB_PASID(lo) (((lo) >> 32) & VTD_PASID_MASK)
#define VTD_INV_DESC_DEV_PIOTLB_G       (1ULL << 0)     /* of any PASID */
#define VTD_INV_DESC_DEV_PIOTLB_S       (1ULL << 11)
#define VTD_INV_DESC_DEV_PIOTLB_ADDR(hi) ((hi) & VTD_PAGE_MASK)
#define VTD_INV_DESC_DEV_PIOTLB_RSVD_HI 0x00000000000007feULL

/* 6.5.2.8: interrupt entry cache; bits 127:64 are reserved */
#define VTD_INV_DESC_IEC_G          (1ULL << 4)     /* index-selective */
#define VTD_INV_DESC_IEC_IM(lo)     (((lo) >> 27) & 0x1f)
#define VTD_INV_DESC_IEC_IIDX(lo)   (((lo) >> 32) & 0xffff)
#define VTD_INV_DESC_IEC_RSVD_LO    0xffff000007fff1e0ULL
#define VTD_INV_DESC_IEC_RSVD_HI    (~0ULL)

/* 6.5.2.9: wait */
#define VTD_INV_DESC_WAIT_IF        (1ULL << 4)
#define VTD_INV_DESC_WAIT_SW        (1ULL << 5)
#define VTD_INV_DESC_WAIT_FN        (1ULL << 6)
#define VTD_INV_DESC_WAIT_PD        (1ULL << 7)     /* reserved without PDS */
#define VTD_INV_DESC_WAIT_DATA(lo)  ((uint32_t)((lo) >> 32))
#define VTD_INV_DESC_WAIT_ADDR(hi)  ((hi) & ~3ULL)
#define VTD_INV_DESC_WAIT_RSVD_LO   0x00000000fffff100ULL
#define VTD_INV_DESC_WAIT_RSVD_HI   0x0000000000000003ULL

/* 7.6.1: page group response; LPIG, 66, is of earlier revisions: ignored */
#define VTD_INV_DESC_PGRP_PP            (1ULL << 4)     /* PASID Present */
#define VTD_INV_DESC_PGRP_RC(lo)        (((lo) >> 12) & 0xf)
#define VTD_INV_DESC_PGRP_RID(lo)       (((lo) >> 16) & 0xffff)
#define VTD_INV_DESC_PGRP_PASID(lo)     (((lo) >> 32) & VTD_PASID_MASK)
#define VTD_INV_DESC_PGRP_PRGI(hi)      (((hi) >> 3) & 0x1ff)
#define VTD_INV_DESC_PGRP_RSVD_LO       0xfff00000000001e0ULL
#define VTD_INV_DESC_PGRP_RSVD_HI       0xfffffffffffff003ULL

/* 7.4.1.1: page request descriptor, 256 bits; the macros put it in */
#define VTD_PRD_SIZE                32
/* bits 63:0 */
#define VTD_PRD_TYPE                1ULL
#define VTD_PRD_PP                  (1ULL << 8)     /* PASID Present */
#define VTD_PRD_RID(sid)            (((sid) & 0xffffULL) << 16)
#define VTD_PRD_PASID(pasid)        (((pasid) & VTD_PASID_MASK) << 32)
#define VTD_PRD_EXE                 (1ULL << 52)    /* with PASID only */
#define VTD_PRD_PRIV                (1ULL << 53)    /* with PASID only */
/* bits 127:64 */
#define VTD_PRD_R                   (1ULL << 0)
#define VTD_PRD_W                   (1ULL << 1)
#define VTD_PRD_LPIG                (1ULL << 2)     /* last in group */
#define VTD_PRD_PRGI(index)         (((index) & 0x1ffULL) << 3)
#define VTD_PRD_ADDR(addr)          ((addr) & VTD_PAGE_MASK)
/* bits 255:128 are private data, of which there is none */

/* 5.1.2: interrupt requests, as the address and data of a message */

#define VTD_MSI_ADDR_HEAD(addr)     (((addr) >> 20) & 0xfff)
#define VTD_MSI_ADDR_HEAD_VALUE     0xfee
#define VTD_MSI_ADDR_REMAPPABLE     (1U << 4)   /* Interrupt Format */
#define VTD_MSI_ADDR_SHV            (1U << 3)   /* SubHandle Valid */
/* Handle: 14:0 in 19:5, 15 in 2 */
#define VTD_MSI_ADDR_HANDLE(addr) \
    ((((addr) >> 5) & 0x7fff) | (((addr) << 13) & 0x8000))
#define VTD_MSI_ADDR_DONT_CARE(addr) ((addr) & 3)
#define VTD_MSI_DATA_SUBHANDLE(data) ((data) & 0xffff)
#define VTD_MSI_DATA_RSVD           0xffff0000U /* with SHV */
/* What the I/O APIC puts there, for comparison with the IRTE */
#define VTD_MSI_DATA_VECTOR(data)   ((data) & 0xff)
#define VTD_MSI_DATA_TM(data)       (((data) >> 15) & 1)

/* 5.1.5.1: I/O APIC redirection table entry, remappable format */

#define VTD_RTE_HANDLE_HI           (1ULL << 11)    /* handle 15 */
#define VTD_RTE_REMAPPABLE          (1ULL << 48)    /* Interrupt Format */
#define VTD_RTE_HANDLE_LO(rte)      (((rte) >> 49) & 0x7fff)

/* 9.9: interrupt remapping table entry (IRTE), remapped format */

#define VTD_IRTE_SIZE               16
/* bits 63:0 */
#define VTD_IRTE_P                  (1ULL << 0)
#define VTD_IRTE_FPD                (1ULL << 1)
#define VTD_IRTE_DM                 (1ULL << 2)
#define VTD_IRTE_RH                 (1ULL << 3)
#define VTD_IRTE_TM                 (1ULL << 4)
#define VTD_IRTE_DLM(lo)            (((lo) >> 5) & 7)
#define VTD_IRTE_IM                 (1ULL << 15)    /* posted format */
#define VTD_IRTE_V(lo)              (((lo) >> 16) & 0xff)
#define VTD_IRTE_DST(lo)            ((uint32_t)((lo) >> 32))
/* Without EIME the destination is 8 bits, here */
#define VTD_IRTE_DST_XAPIC(lo)      (((lo) >> 40) & 0xff)
#define VTD_IRTE_RSVD_LO            0x00000000ff007000ULL
/* bits 127:64 */
#define VTD_IRTE_SID(hi)            ((hi) & 0xffff)
#define VTD_IRTE_SQ(hi)             (((hi) >> 16) & 3)
#define VTD_IRTE_SVT(hi)            (((hi) >> 18) & 3)
#define VTD_SVT_NONE                0
#define VTD_SVT_SID                 1   /* SID, less what SQ says */
#define VTD_SVT_BUS                 2   /* SID is a range of buses */
#define VTD_IRTE_START_BUS(sid)     (((sid) >> 8) & 0xff)
#define VTD_IRTE_END_BUS(sid)       ((sid) & 0xff)
#define VTD_IRTE_RSVD_HI            0xfffffffffff00000ULL

/* 9.10: IRTE, posted format (CAP.PI), where it differs */

#define VTD_IRTE_POSTED_URG         (1ULL << 14)
#define VTD_IRTE_POSTED_VV(lo)      (((lo) >> 16) & 0xff)
#define VTD_IRTE_POSTED_PDA(lo, hi) \
    (((lo) >> 32 & 0xffffffc0ULL) | ((hi) & 0xffffffff00000000ULL))
#define VTD_IRTE_POSTED_RSVD_LO     0x0000003fff0030fcULL
#define VTD_IRTE_POSTED_RSVD_HI     0x00000000fff00000ULL

/* 9.11: posted interrupt descriptor (PID), 64-byte aligned, by 64-bit words */

#define VTD_PID_SIZE                64
#define VTD_PID_WORDS               (VTD_PID_SIZE / 8)
/* PIR, 255:0: a bit for each vector */
#define VTD_PID_PIR_WORD(vector)    ((vector) / 64)
#define VTD_PID_PIR_BIT(vector)     (1ULL << ((vector) % 64))
/* Bits 319:256 */
#define VTD_PID_CONTROL             4
#define VTD_PID_ON                  (1ULL << 0)     /* Outstanding Notif. */
#define VTD_PID_SN                  (1ULL << 1)     /* Suppress Notification */
#define VTD_PID_NV(control)         (((control) >> 16) & 0xff)
#define VTD_PID_NDST(control)       ((uint32_t)((control) >> 32))
#define VTD_PID_NDST_XAPIC(control) (((control) >> 40) & 0xff)
#define VTD_PID_RSVD                0x00000000ff00fffcULL
#define VTD_PID_RSVD_XAPIC          0xffff00ff00000000ULL
/* Bits 511:320 are reserved */

/*
 * 7.1.3 (DMA) and 5.1.4.1 (interrupt remapping): fault reasons, with the
 * specification's names of the conditions of scalable mode
 */

typedef enum VTDFaultReason {
    VTD_FR_NONE = 0x0,
    /* Legacy mode */
    VTD_FR_ROOT_ENTRY_P = 0x1,          /* root entry not present */
    VTD_FR_CONTEXT_ENTRY_P = 0x2,       /* context entry not present */
    VTD_FR_CONTEXT_ENTRY_INV = 0x3,     /* invalid programming of it */
    VTD_FR_ADDR_BEYOND_MGAW = 0x4,      /* beyond MGAW or the entry's AW */
    VTD_FR_WRITE = 0x5,                 /* no write permission */
    VTD_FR_READ = 0x6,                  /* no read permission */
    VTD_FR_PAGING_ENTRY_INV = 0x7,      /* paging entry cannot be read */
    VTD_FR_ROOT_TABLE_INV = 0x8,        /* root entry cannot be read */
    VTD_FR_CONTEXT_TABLE_INV = 0x9,     /* context entry cannot be read */
    VTD_FR_ROOT_ENTRY_RSVD = 0xa,       /* reserved field in root entry */
    VTD_FR_CONTEXT_ENTRY_RSVD = 0xb,    /* ... in context entry */
    VTD_FR_PAGING_ENTRY_RSVD = 0xc,     /* ... in paging entry */
    VTD_FR_CONTEXT_ENTRY_TT = 0xd,      /* blocked by translation type */
    VTD_FR_INTERRUPT_ADDR = 0xe,        /* result in the interrupt range */

    VTD_FR_IR_REQ_RSVD = 0x20,          /* reserved field in the request */
    VTD_FR_IR_INDEX_OVER = 0x21,        /* index beyond the table */
    VTD_FR_IR_ENTRY_P = 0x22,           /* IRTE not present */
    VTD_FR_IR_ROOT_INVAL = 0x23,        /* IRTE cannot be read */
    VTD_FR_IR_IRTE_RSVD = 0x24,         /* reserved field in IRTE */
    VTD_FR_IR_REQ_COMPAT = 0x25,        /* compatibility format blocked */
    VTD_FR_IR_SID_ERR = 0x26,           /* source-id verification failed */
    VTD_FR_IR_PID_ACCESS = 0x27,        /* PID cannot be read or updated */
    VTD_FR_IR_PID_RSVD = 0x28,          /* reserved field in PID */

    /* Root Table Address Register */
    VTD_FR_RTADDR_INV_TTM = 0x30,       /* RTA.1: TTM has no legal value */
    VTD_FR_RTADDR_PASID = 0x31,         /* RTA.2: PASID in legacy mode */
    VTD_FR_RTADDR_PAGE_REQ = 0x32,      /* RTA.3: page request in it */

    /* Scalable mode: root entry */
    VTD_FR_SM_ROOT_ACCESS = 0x38,       /* SRT.1: cannot be read */
    VTD_FR_SM_ROOT_P = 0x39,            /* SRT.2: LP or UP is clear */
    VTD_FR_SM_ROOT_RSVD = 0x3a,         /* SRT.3 */

    /* Context entry */
    VTD_FR_SM_CONTEXT_ACCESS = 0x40,    /* SCT.1: cannot be read */
    VTD_FR_SM_CONTEXT_P = 0x41,         /* SCT.2 */
    VTD_FR_SM_CONTEXT_RSVD = 0x42,      /* SCT.3 */
    VTD_FR_SM_CONTEXT_INV = 0x43,       /* SCT.4: RID_PASID, DTE and PRE */
    VTD_FR_SM_CONTEXT_DTE = 0x44,       /* SCT.5: blocked: DTE is clear */
    VTD_FR_SM_CONTEXT_PASIDE = 0x45,    /* SCT.6: ... PASIDE */
    VTD_FR_SM_CONTEXT_PASID = 0x46,     /* SCT.7: PASID beyond PDTS */
    VTD_FR_SM_CONTEXT_PRE = 0x47,       /* SCT.8: blocked: PRE is clear */
    VTD_FR_SM_CONTEXT_RID = 0x48,       /* SCT.9: PASID is RID_PASID */

    /* PASID directory entry */
    VTD_FR_SM_PASID_DIR_ACCESS = 0x50,  /* SPD.1: cannot be read */
    VTD_FR_SM_PASID_DIR_P = 0x51,       /* SPD.2 */
    VTD_FR_SM_PASID_DIR_RSVD = 0x52,    /* SPD.3 */

    /* PASID table entry */
    VTD_FR_SM_PASID_ACCESS = 0x58,      /* SPT.1: cannot be read */
    VTD_FR_SM_PASID_P = 0x59,           /* SPT.2 */
    VTD_FR_SM_PASID_RSVD = 0x5a,        /* SPT.3 */
    VTD_FR_SM_PASID_INV = 0x5b,         /* SPT.4: PGTT, AW, FSPM, FSPTPTR */
    VTD_FR_SM_PASID_ERE = 0x5c,         /* SPT.5: execute request */
    VTD_FR_SM_PASID_SRE = 0x5d,         /* SPT.6: supervisor request */

    /* First-stage paging entry; the last four: nested */
    VTD_FR_FS_ACCESS = 0x70,            /* SFS.1: cannot be read */
    VTD_FR_FS_P = 0x71,                 /* SFS.2 */
    VTD_FR_FS_RSVD = 0x72,              /* SFS.3 */
    VTD_FR_FS_TOP_ACCESS = 0x73,        /* SFS.4: top one cannot be read */
    VTD_FR_FS_BEYOND_MGAW = 0x74,       /* SFS.5: at an address beyond MGAW */
    VTD_FR_FS_TOP_READ = 0x75,          /* SFS.6: top one, no permission */
    VTD_FR_FS_READ = 0x76,              /* SFS.7: no permission */
    VTD_FR_FS_WRITE = 0x77,             /* SFS.8: ... for an update of it */

    /* Second-stage paging entry */
    VTD_FR_SS_ACCESS = 0x78,            /* SSS.1: cannot be read */
    VTD_FR_SS_P = 0x79,                 /* SSS.2: neither R nor W */
    VTD_FR_SS_RSVD = 0x7a,              /* SSS.3 */
    VTD_FR_SS_TOP_ACCESS = 0x7b,        /* SSS.4: top one cannot be read */
    VTD_FR_SS_NO_SNOOP = 0x7c,          /* SSS.5: A or D with PWSNP clear */
    VTD_FR_SS_UPDATE = 0x7d,            /* SSS.6: A or D cannot be set */

    /* General */
    VTD_FR_SM_NON_CANONICAL = 0x80,     /* SGN.1: first-stage address */
    VTD_FR_SM_USER = 0x81,              /* SGN.2: U/S is 0, request a user's */
    VTD_FR_SM_BEYOND_HAW = 0x83,        /* SGN.4: pass-through, translated */
    VTD_FR_SM_BEYOND_MGAW = 0x84,       /* SGN.5: second-stage address */
    VTD_FR_SM_WRITE = 0x85,             /* SGN.6: no write permission */
    VTD_FR_SM_READ = 0x86,              /* SGN.7: no read permission */
    VTD_FR_SM_INTERRUPT_ADDR = 0x87,    /* SGN.8: result in that range */
    VTD_FR_SM_PASID_SIZE = 0x89,        /* SGN.10: PASID beyond PSS */

    VTD_FR_FS_NO_SNOOP = 0x90,          /* SFS.9: A or D with PWSNP clear */
    VTD_FR_FS_UPDATE = 0x91,            /* SFS.10: A or D cannot be set */
} VTDFaultReason;

#endif

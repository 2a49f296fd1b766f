/*
 * VT-d facts the tests go by: registers, tables, descriptors, fault reasons
 *
 * From the VT-d specification, Rev 5.10: section 11.4 (registers), 9 (tables,
 * legacy mode), 6.5.2 (descriptors), 7.1 (fault reasons), 5.1 (interrupt
 * remapping).  Written apart from the model's own headers on purpose: a value
 * that is wrong there must not be wrong here too.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VIOMMU_VTD_SPEC_H
#define VIOMMU_VTD_SPEC_H

#define VTD_BASE            0xfed90000ULL

#define VTD_VER             0x00
#define VTD_CAP             0x08
#define VTD_ECAP            0x10
#define VTD_GCMD            0x18
#define VTD_GSTS            0x1c
#define VTD_RTADDR          0x20
#define VTD_CCMD            0x28
#define VTD_FSTS            0x34
#define VTD_FECTL           0x38
#define VTD_FEDATA          0x3c
#define VTD_FEADDR          0x40
#define VTD_FEUADDR         0x44
#define VTD_PMEN            0x64
#define VTD_IQH             0x80
#define VTD_IQT             0x88
#define VTD_IQA             0x90
#define VTD_ICS             0x9c
#define VTD_IECTL           0xa0
#define VTD_IEDATA          0xa4
#define VTD_IEADDR          0xa8
#define VTD_IEUADDR         0xac
#define VTD_IRTA            0xb8
#define VTD_PQH             0xc0
#define VTD_PQT             0xc8
#define VTD_PQA             0xd0
#define VTD_PRS             0xdc
#define VTD_PECTL           0xe0
#define VTD_PEDATA          0xe4
#define VTD_PEADDR          0xe8
/* Where the base puts these; ECAP.IRO and CAP.FRO are what a guest goes by. */
#define VTD_IVA             0xf0
#define VTD_IOTLB           0xf8
#define VTD_FRCD            0x220

#define VTD_RTADDR_SCALABLE (1ULL << 10)

/* GCMD and GSTS share their layout. */
#define VTD_G_TE            (1U << 31)
#define VTD_G_SRTP          (1U << 30)
#define VTD_G_WBF           (1U << 27)
#define VTD_G_QIE           (1U << 26)
#define VTD_G_IRE           (1U << 25)
#define VTD_G_SIRTP         (1U << 24)
#define VTD_G_CFI           (1U << 23)
/* What software repeats in each command so that it stays on. */
#define VTD_G_STICKY        (VTD_G_TE | VTD_G_QIE | VTD_G_IRE | VTD_G_CFI)

#define VTD_CAP_CM          (1ULL << 7)
#define VTD_CAP_PI          (1ULL << 59)
#define VTD_CAP_NFR(cap)    ((((cap) >> 40) & 0xff) + 1)
#define VTD_CAP_FRO(cap)    ((((cap) >> 24) & 0x3ff) * 16)
#define VTD_ECAP_EIM        (1ULL << 4)
#define VTD_ECAP_NEST       (1ULL << 26)
#define VTD_ECAP_SRS        (1ULL << 31)
#define VTD_ECAP_EAFS       (1ULL << 34)
#define VTD_ECAP_PSS(ecap)  ((((ecap) >> 35) & 0x1f) + 1)
#define VTD_ECAP_PASID      (1ULL << 40)
#define VTD_ECAP_SMTS       (1ULL << 43)
#define VTD_ECAP_SSADS      (1ULL << 45)
#define VTD_ECAP_SSTS       (1ULL << 46)
#define VTD_ECAP_FSTS       (1ULL << 47)
#define VTD_ECAP_SMPWC      (1ULL << 48)
#define VTD_ECAP_RPS        (1ULL << 49)
#define VTD_ECAP_IRO(ecap)  ((((ecap) >> 8) & 0x3ff) * 16)

#define VTD_CCMD_ICC        (1ULL << 63)
#define VTD_CCMD_CIRG(g)    ((uint64_t)(g) << 61)
#define VTD_CCMD_CAIG(v)    (((v) >> 59) & 3)

#define VTD_IOTLB_IVT       (1ULL << 63)
#define VTD_IOTLB_IIRG(g)   ((uint64_t)(g) << 60)
#define VTD_IOTLB_IAIG(v)   (((v) >> 57) & 3)
#define VTD_IOTLB_DR        (1ULL << 49)
#define VTD_IOTLB_DW        (1ULL << 48)
#define VTD_IOTLB_DID(d)    ((uint64_t)(d) << 32)

#define VTD_FSTS_PFO        (1U << 0)
#define VTD_FSTS_PPF        (1U << 1)
#define VTD_FSTS_IQE        (1U << 4)
#define VTD_FSTS_ICE        (1U << 5)
#define VTD_FSTS_ITE        (1U << 6)
#define VTD_FSTS_FRI(v)     (((v) >> 8) & 0xff)

#define VTD_PRS_PPR         (1U << 0)
#define VTD_PRS_PRO         (1U << 1)

/* FECTL, IECTL and PECTL */
#define VTD_ECTL_IM         (1U << 31)
#define VTD_ECTL_IP         (1U << 30)

#define VTD_ICS_IWC         (1U << 0)

#define VTD_IQA_DW          (1ULL << 11)

/* Fault recording register, high half */
#define VTD_FRCD_F          (1ULL << 63)
#define VTD_FRCD_T          (1ULL << 62)
#define VTD_FRCD_FR(v)      (((v) >> 32) & 0xff)
#define VTD_FRCD_SID(v)     ((v) & 0xffff)

#define VTD_FRCD_PASID(v)   (((v) >> 40) & 0xfffff)
#define VTD_FRCD_PP         (1ULL << 31)
#define VTD_FRCD_EXE        (1ULL << 30)
#define VTD_FRCD_PRIV       (1ULL << 29)
#define VTD_FRCD_T2         (1ULL << 28)

/* Fault reasons, legacy mode */
#define VTD_FR_ROOT_P       0x1
#define VTD_FR_CTX_P        0x2
#define VTD_FR_CTX_INV      0x3
#define VTD_FR_BEYOND_MGAW  0x4
#define VTD_FR_WRITE        0x5
#define VTD_FR_READ         0x6
#define VTD_FR_PT_ACCESS    0x7
#define VTD_FR_ROOT_ACCESS  0x8
#define VTD_FR_CTX_ACCESS   0x9
#define VTD_FR_ROOT_RSVD    0xa
#define VTD_FR_CTX_RSVD     0xb
#define VTD_FR_PT_RSVD      0xc
#define VTD_FR_CTX_TT       0xd
#define VTD_FR_INTR_OUT     0xe
#define VTD_FR_IR_REQ_RSVD  0x20
#define VTD_FR_IR_INDEX     0x21
#define VTD_FR_IR_P         0x22
#define VTD_FR_IR_ACCESS    0x23
#define VTD_FR_IR_RSVD      0x24
#define VTD_FR_IR_COMPAT    0x25
#define VTD_FR_IR_SID       0x26
#define VTD_FR_PID_ACCESS   0x27
#define VTD_FR_PID_RSVD     0x28
#define VTD_FR_LEGACY_PASID 0x31

/* Fault reasons, scalable mode */
#define VTD_FR_TTM          0x30
#define VTD_FR_TTM_PASID    0x31
#define VTD_FR_TTM_PAGE     0x32
#define VTD_FR_S_ROOT_ACCESS 0x38
#define VTD_FR_S_ROOT_P     0x39
#define VTD_FR_S_ROOT_RSVD  0x3a
#define VTD_FR_S_CTX_ACCESS 0x40
#define VTD_FR_S_CTX_P      0x41
#define VTD_FR_S_CTX_RSVD   0x42
#define VTD_FR_S_CTX_INV    0x43
#define VTD_FR_S_CTX_DTE    0x44
#define VTD_FR_S_CTX_PASIDE 0x45
#define VTD_FR_S_CTX_PASID  0x46
#define VTD_FR_S_CTX_PRE    0x47
#define VTD_FR_S_CTX_RID    0x48
#define VTD_FR_S_DIR_ACCESS 0x50
#define VTD_FR_S_DIR_P      0x51
#define VTD_FR_S_DIR_RSVD   0x52
#define VTD_FR_S_PASID_ACCESS 0x58
#define VTD_FR_S_PASID_P    0x59
#define VTD_FR_S_PASID_RSVD 0x5a
#define VTD_FR_S_PASID_INV  0x5b
#define VTD_FR_S_ERE        0x5c
#define VTD_FR_S_SRE        0x5d
#define VTD_FR_FS_ACCESS    0x70
#define VTD_FR_FS_P         0x71
#define VTD_FR_FS_RSVD      0x72
#define VTD_FR_FS_TOP       0x73
#define VTD_FR_FS_BEYOND    0x74
#define VTD_FR_FS_TOP_READ  0x75
#define VTD_FR_FS_READ      0x76
#define VTD_FR_FS_WRITE     0x77
#define VTD_FR_SS_ACCESS    0x78
#define VTD_FR_SS_P         0x79
#define VTD_FR_SS_RSVD      0x7a
#define VTD_FR_SS_TOP       0x7b
#define VTD_FR_SS_SNOOP     0x7c
#define VTD_FR_SS_UPDATE    0x7d
#define VTD_FR_NON_CANONICAL 0x80
#define VTD_FR_FS_US        0x81
#define VTD_FR_S_HAW        0x83
#define VTD_FR_S_BEYOND     0x84
#define VTD_FR_S_WRITE      0x85
#define VTD_FR_S_READ       0x86
#define VTD_FR_S_INTERRUPT  0x87
#define VTD_FR_S_PASID_SIZE 0x89
#define VTD_FR_FS_SNOOP     0x90
#define VTD_FR_FS_UPDATE    0x91

#define VTD_ROOT_P          (1ULL << 0)

/* Context entry, low and high half */
#define VTD_CTX_P           (1ULL << 0)
#define VTD_CTX_FPD         (1ULL << 1)
#define VTD_CTX_TT(t)       ((uint64_t)(t) << 2)
#define VTD_TT_UNTRANSLATED 0
#define VTD_TT_DEVICE_TLB   1
#define VTD_TT_PASSTHROUGH  2
#define VTD_CTX_AW(levels)  ((uint64_t)((levels) - 2))
#define VTD_CTX_DID(d)      ((uint64_t)(d) << 8)

/* Second-stage paging entry */
#define VTD_PTE_R           (1ULL << 0)
#define VTD_PTE_W           (1ULL << 1)
#define VTD_PTE_RW          (VTD_PTE_R | VTD_PTE_W)
#define VTD_PTE_PS          (1ULL << 7)
#define VTD_PTE_ADDR        0x000ffffffffff000ULL

#define VTD_PAGE_SHIFT      12
#define VTD_PAGE_SIZE       4096ULL
#define VTD_LEVEL_SHIFT(l)  (VTD_PAGE_SHIFT + 9 * ((l) - 1))
#define VTD_LEVEL_SIZE(l)   (1ULL << VTD_LEVEL_SHIFT(l))

/* Scalable mode: context entry, PASID directory and table entry */
#define VTD_SM_CTX_SIZE     32
#define VTD_SM_CTX_DTE      (1ULL << 2)
#define VTD_SM_CTX_PRE      (1ULL << 4)
#define VTD_SM_CTX_PASIDE   (1ULL << 3)
#define VTD_SM_PASID_SIZE   64
#define VTD_SM_P            (1ULL << 0)
#define VTD_SM_FPD          (1ULL << 1)
#define VTD_SM_SSADE        (1ULL << 9)
#define VTD_SM_PWSNP        (1ULL << 23)    /* second word */
#define VTD_SM_AW(levels)   (((levels) - 2ULL) << 2)
#define VTD_SM_PGTT(type)   ((uint64_t)(type) << 6)

/* First-stage paging entry */
#define VTD_FS_P            (1ULL << 0)
#define VTD_FS_W            (1ULL << 1)
#define VTD_FS_US           (1ULL << 2)
#define VTD_FS_A            (1ULL << 5)
#define VTD_FS_D            (1ULL << 6)

/* Invalidation descriptors */
#define VTD_D_CC            0x1
#define VTD_D_IOTLB         0x2
#define VTD_D_DEVTLB        0x3
#define VTD_D_IEC           0x4
#define VTD_D_WAIT          0x5
#define VTD_D_PIOTLB        0x6
#define VTD_D_PC            0x7
#define VTD_D_DEVPTLB       0x8     /* PASID-based device-TLB */
#define VTD_D_DEVPTLB_SID(s) ((uint64_t)(s) << 16)
#define VTD_D_DEVPTLB_G     (1ULL << 0)     /* upper half, as S */
#define VTD_D_DEVPTLB_S     (1ULL << 11)
#define VTD_D_DEVTLB_S      (1ULL << 0)     /* upper half */
#define VTD_D_DEVTLB_ALL    0x7ffffffffffff000ULL /* with S */
#define VTD_D_RESPONSE      0x9
#define VTD_D_RESPONSE_PP   (1ULL << 4)
#define VTD_D_RESPONSE_CODE(c) ((uint64_t)(c) << 12)
#define VTD_D_RESPONSE_SID(s) ((uint64_t)(s) << 16)
#define VTD_D_PASID(p)      ((uint64_t)(p) << 32)
#define VTD_D_G(g)          ((uint64_t)(g) << 4)
#define VTD_D_DID(d)        ((uint64_t)(d) << 16)
#define VTD_D_IOTLB_DW      (1ULL << 6)
#define VTD_D_IOTLB_DR      (1ULL << 7)
#define VTD_D_CC_SID(s)     ((uint64_t)(s) << 32)
#define VTD_D_IEC_INDEX     (1ULL << 4)
#define VTD_D_WAIT_IF       (1ULL << 4)
#define VTD_D_WAIT_SW       (1ULL << 5)
#define VTD_D_WAIT_FN       (1ULL << 6)
#define VTD_D_WAIT_PD       (1ULL << 7)
#define VTD_D_WAIT_DATA(d)  ((uint64_t)(d) << 32)

/* Interrupt remapping: IRTA, IRTE (low and high half), remappable requests */
#define VTD_IRTA_EIME       (1ULL << 11)
#define VTD_IRTA_SIZE(log2) ((uint64_t)((log2) - 1))
#define VTD_IRTE_P          (1ULL << 0)
#define VTD_IRTE_FPD        (1ULL << 1)
#define VTD_IRTE_VECTOR(v)  ((uint64_t)(v) << 16)
#define VTD_IRTE_XAPIC(id)  ((uint64_t)(id) << 40)
#define VTD_IRTE_X2APIC(id) ((uint64_t)(id) << 32)
#define VTD_IRTE_SID(s)     ((uint64_t)(s))
#define VTD_IRTE_SQ(q)      ((uint64_t)(q) << 16)
#define VTD_IRTE_SVT(t)     ((uint64_t)(t) << 18)
/* Posted: IM, URG, the vector as above; the descriptor's address in parts */
#define VTD_IRTE_IM         (1ULL << 15)
#define VTD_IRTE_URG        (1ULL << 14)
#define VTD_IRTE_PDAL(a)    (((uint64_t)(a) & 0xffffffc0ULL) << 32)
#define VTD_IRTE_PDAH(a)    ((uint64_t)(a) & 0xffffffff00000000ULL)
/* Posted interrupt descriptor: PIR, then at byte 32: */
#define VTD_PID_CONTROL     32
#define VTD_PID_ON          (1ULL << 0)
#define VTD_PID_SN          (1ULL << 1)
#define VTD_PID_NV(v)       ((uint64_t)(v) << 16)
#define VTD_PID_XAPIC(id)   ((uint64_t)(id) << 40)
#define VTD_PID_X2APIC(id)  ((uint64_t)(id) << 32)
#define VTD_MSI_SHV         (1U << 3)
#define VTD_MSI_REMAP(i)    (0xfee00010U | ((i) & 0x7fffU) << 5 | \
                             ((i) >> 15) << 2)
/* An IOAPIC redirection entry in remappable format */
#define VTD_RTE_REMAP(i)    (1ULL << 48 | ((i) & 0x7fffULL) << 49 | \
                             ((i) >> 15) << 11)

#endif

/*
 * SMMUv3 facts the tests go by: registers, tables, commands, events
 *
 * From the Arm SMMU architecture specification, version 3 (IHI 0070), sections
 * 6.3 (registers), 5 (stream table entries, context descriptors), 4 (commands)
 * and 7 (errors, events), and from DDI 0487 D8 (VMSAv8-64 descriptors).
 * Written apart from the model's own headers on purpose: a value that is wrong
 * there must not be wrong here too.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VIOMMU_SMMU_SPEC_H
#define VIOMMU_SMMU_SPEC_H

/* The board: virt's memory map and interrupts */
#define SMMU_BASE               0x09050000ULL
#define SMMU_PAGE1              0x10000
#define SMMU_INTID              (32 + 74)
#define SMMU_IRQ_EVENTQ         0
#define SMMU_IRQ_PRIQ           1
#define SMMU_IRQ_CMD_SYNC       2
#define SMMU_IRQ_GERROR         3
#define VIRT_GICD               0x08000000ULL
#define VIRT_RAM                0x40000000ULL

/* 6.3 */
#define SMMU_IDR0               0x00
#define   SMMU_IDR0_S2P         (1u << 0)
#define   SMMU_IDR0_S1P         (1u << 1)
#define   SMMU_IDR0_TTF(v)      (((v) >> 2) & 3)
#define   SMMU_IDR0_COHACC      (1u << 4)
#define   SMMU_IDR0_HTTU(v)     (((v) >> 6) & 3)
#define   SMMU_IDR0_HYP         (1u << 9)
#define   SMMU_IDR0_ATS         (1u << 10)
#define   SMMU_IDR0_ASID16      (1u << 12)
#define   SMMU_IDR0_MSI         (1u << 13)
#define   SMMU_IDR0_SEV         (1u << 14)
#define   SMMU_IDR0_PRI         (1u << 16)
#define   SMMU_IDR0_VMID16      (1u << 18)
#define   SMMU_IDR0_CD2L        (1u << 19)
#define   SMMU_IDR0_STALL(v)    (((v) >> 24) & 3)
#define   SMMU_IDR0_TERM_MODEL  (1u << 26)
#define   SMMU_IDR0_ST_LEVEL(v) (((v) >> 27) & 3)
#define SMMU_IDR1               0x04
#define   SMMU_IDR1_SIDSIZE(v)  ((v) & 0x3f)
#define   SMMU_IDR1_SSIDSIZE(v) (((v) >> 6) & 0x1f)
#define   SMMU_IDR1_EVENTQS(v)  (((v) >> 16) & 0x1f)
#define   SMMU_IDR1_CMDQS(v)    (((v) >> 21) & 0x1f)
#define SMMU_IDR2               0x08
#define SMMU_IDR3               0x0c
#define   SMMU_IDR3_HAD         (1u << 2)
#define   SMMU_IDR3_XNX         (1u << 4)
#define   SMMU_IDR3_STT         (1u << 9)
#define   SMMU_IDR3_RIL         (1u << 10)
#define   SMMU_IDR3_BBML(v)     (((v) >> 11) & 3)
#define SMMU_IDR4               0x10
#define SMMU_IDR5               0x14
#define   SMMU_IDR5_OAS(v)      ((v) & 7)
#define   SMMU_IDR5_GRAN4K      (1u << 4)
#define   SMMU_IDR5_GRAN16K     (1u << 5)
#define   SMMU_IDR5_GRAN64K     (1u << 6)
#define SMMU_IIDR               0x18
#define SMMU_AIDR               0x1c
#define SMMU_CR0                0x20
#define SMMU_CR0ACK             0x24
#define   SMMU_CR0_SMMUEN       (1u << 0)
#define   SMMU_CR0_PRIQEN       (1u << 1)
#define   SMMU_CR0_EVENTQEN     (1u << 2)
#define   SMMU_CR0_CMDQEN       (1u << 3)
#define   SMMU_CR0_ATSCHK       (1u << 4)
#define SMMU_CR1                0x28
#define SMMU_CR2                0x2c
#define   SMMU_CR2_RECINVSID    (1u << 1)
#define   SMMU_CR2_REC_CFG_ATS  (1u << 3)
#define SMMU_STATUSR            0x40
#define SMMU_GBPA               0x44
#define   SMMU_GBPA_ABORT       (1u << 20)
#define   SMMU_GBPA_UPDATE      (1u << 31)
#define SMMU_IRQ_CTRL           0x50
#define SMMU_IRQ_CTRLACK        0x54
#define   SMMU_IRQ_CTRL_GERROR  (1u << 0)
#define   SMMU_IRQ_CTRL_PRIQ    (1u << 1)
#define   SMMU_IRQ_CTRL_EVENTQ  (1u << 2)
#define SMMU_GERROR             0x60
#define SMMU_GERRORN            0x64
#define   SMMU_GERROR_CMDQ      (1u << 0)
#define   SMMU_GERROR_EVENTQ_ABT (1u << 2)
#define   SMMU_GERROR_MSI_CMDQ_ABT (1u << 4)
#define   SMMU_GERROR_MSI_EVENTQ_ABT (1u << 5)
#define SMMU_GERROR_IRQ_CFG0    0x68
#define SMMU_GERROR_IRQ_CFG1    0x70
#define SMMU_GERROR_IRQ_CFG2    0x74
#define SMMU_STRTAB_BASE        0x80
#define SMMU_STRTAB_BASE_CFG    0x88
#define   SMMU_STRTAB_LINEAR(log2) (log2)
#define   SMMU_STRTAB_2LEVEL(log2, split) (1u << 16 | (split) << 6 | (log2))
#define SMMU_CMDQ_BASE          0x90
#define SMMU_CMDQ_PROD          0x98
#define SMMU_CMDQ_CONS          0x9c
#define   SMMU_CMDQ_CONS_ERR(v) (((v) >> 24) & 0x7f)
#define SMMU_EVENTQ_BASE        0xa0
#define SMMU_EVENTQ_PROD        0xa8    /* in page 1 */
#define   SMMU_EVENTQ_OVFLG     (1u << 31)
#define SMMU_EVENTQ_CONS        0xac    /* in page 1 */
#define SMMU_EVENTQ_IRQ_CFG0    0xb0
#define SMMU_EVENTQ_IRQ_CFG1    0xb8
#define SMMU_EVENTQ_IRQ_CFG2    0xbc
#define   SMMU_BASE_RA_WA       (1ULL << 62)
#define   SMMU_BASE_ADDR        0x000fffffffffffe0ULL
#define SMMU_ID_REGS            0xfd0
#define SMMU_END                0x20000

/* 7.1: reasons in CMDQ_CONS.ERR */
#define SMMU_CERROR_NONE        0
#define SMMU_CERROR_ILL         1
#define SMMU_CERROR_ABT         2

/* 5.1: level 1 stream table descriptor */
#define SMMU_L1STD(ptr, span)   ((ptr) | (span))

/* 5.2: stream table entry, 64 bytes */
#define SMMU_STE_SIZE           64
#define SMMU_STE0_V             (1ULL << 0)
#define SMMU_STE0_CONFIG(c)     ((uint64_t)(c) << 1)
#define   SMMU_STE_ABORT        0
#define   SMMU_STE_BYPASS       4
#define   SMMU_STE_S1           5
#define   SMMU_STE_S2           6
#define   SMMU_STE_NESTED       7
#define SMMU_STE0_S1FMT(f)      ((uint64_t)(f) << 4)
#define   SMMU_S1FMT_LINEAR     0
#define   SMMU_S1FMT_4K_L2      1
#define   SMMU_S1FMT_64K_L2     2
#define SMMU_STE0_S1CDMAX(n)    ((uint64_t)(n) << 59)
#define SMMU_L1CD_V             1
#define SMMU_STE1_S1DSS(v)      ((uint64_t)(v) << 0)
#define   SMMU_S1DSS_TERMINATE  0
#define   SMMU_S1DSS_BYPASS     1
#define   SMMU_S1DSS_SSID0      2
#define SMMU_STE1_MEV           (1ULL << 19)
#define SMMU_STE1_S1STALLD      (1ULL << 27)
#define SMMU_STE1_EATS(v)       ((uint64_t)(v) << 28)
#define SMMU_STE1_STRW(v)       ((uint64_t)(v) << 30)
#define SMMU_STE1_SHCFG(v)      ((uint64_t)(v) << 44)
#define SMMU_STE1_PRIVCFG(v)    ((uint64_t)(v) << 48)
#define   SMMU_PRIVCFG_INCOMING 0
#define   SMMU_PRIVCFG_UNPRIV   2
#define   SMMU_PRIVCFG_PRIV     3
#define SMMU_STE1_INSTCFG(v)    ((uint64_t)(v) << 50)
#define   SMMU_INSTCFG_DATA     2
#define   SMMU_INSTCFG_INST     3
#define SMMU_STE2_VMID(v)       ((uint64_t)(v) << 0)
#define SMMU_STE2_T0SZ(v)       ((uint64_t)(v) << 32)
#define SMMU_STE2_SL0(v)        ((uint64_t)(v) << 38)
#define SMMU_STE2_TG(v)         ((uint64_t)(v) << 46)
#define SMMU_STE2_PS(v)         ((uint64_t)(v) << 48)
#define SMMU_STE2_AA64          (1ULL << 51)
#define SMMU_STE2_ENDI          (1ULL << 52)
#define SMMU_STE2_AFFD          (1ULL << 53)
#define SMMU_STE2_PTW           (1ULL << 54)
#define SMMU_STE2_HD            (1ULL << 55)
#define SMMU_STE2_HA            (1ULL << 56)
#define SMMU_STE2_S             (1ULL << 57)
#define SMMU_STE2_R             (1ULL << 58)

/* 5.4: context descriptor, 64 bytes */
#define SMMU_CD_SIZE            64
#define SMMU_CD0_T0SZ(v)        ((uint64_t)(v) << 0)
#define SMMU_CD0_TG0(v)         ((uint64_t)(v) << 6)
#define SMMU_CD0_EPD0           (1ULL << 14)
#define SMMU_CD0_ENDI           (1ULL << 15)
#define SMMU_CD0_T1SZ(v)        ((uint64_t)(v) << 16)
#define SMMU_CD0_TG1(v)         ((uint64_t)(v) << 22)
#define SMMU_CD0_EPD1           (1ULL << 30)
#define SMMU_CD0_V              (1ULL << 31)
#define SMMU_CD0_IPS(v)         ((uint64_t)(v) << 32)
#define SMMU_CD0_AFFD           (1ULL << 35)
#define SMMU_CD0_WXN            (1ULL << 36)
#define SMMU_CD0_UWXN           (1ULL << 37)
#define SMMU_CD0_TBI0           (1ULL << 38)
#define SMMU_CD0_TBI1           (1ULL << 39)
#define SMMU_CD0_PAN            (1ULL << 40)
#define SMMU_CD0_AA64           (1ULL << 41)
#define SMMU_CD0_HD             (1ULL << 42)
#define SMMU_CD0_HA             (1ULL << 43)
#define SMMU_CD0_S              (1ULL << 44)
#define SMMU_CD0_R              (1ULL << 45)
#define SMMU_CD0_A              (1ULL << 46)
#define SMMU_CD0_ASET           (1ULL << 47)
#define SMMU_CD0_ASID(v)        ((uint64_t)(v) << 48)
#define SMMU_CD1_HAD            (1ULL << 1)     /* and of CD2, TTB1 */
/* TG0 and STE.S2TG; TG1 has other encodings */
#define SMMU_TG0_4K             0
#define SMMU_TG0_64K            1
#define SMMU_TG0_16K            2
#define SMMU_TG1_16K            1
#define SMMU_TG1_4K             2
#define SMMU_TG1_64K            3
/* IPS, S2PS, IDR5.OAS: 32, 36, 40, 42, 44, 48, 52 bits */
#define SMMU_PS_44              4
#define SMMU_PS_48              5

/* 4.1: commands; the first of two doublewords unless it says 1 */
#define SMMU_CMD_PREFETCH_CONFIG 0x01
#define SMMU_CMD_PREFETCH_ADDR  0x02
#define SMMU_CMD_CFGI_STE       0x03
#define SMMU_CMD_CFGI_STE_RANGE 0x04
#define SMMU_CMD_CFGI_CD        0x05
#define SMMU_CMD_CFGI_CD_ALL    0x06
#define SMMU_CMD_TLBI_NH_ALL    0x10
#define SMMU_CMD_TLBI_NH_ASID   0x11
#define SMMU_CMD_TLBI_NH_VA     0x12
#define SMMU_CMD_TLBI_NH_VAA    0x13
#define SMMU_CMD_TLBI_EL3_ALL   0x18
#define SMMU_CMD_TLBI_EL3_VA    0x1a
#define SMMU_CMD_TLBI_EL2_ALL   0x20
#define SMMU_CMD_TLBI_EL2_ASID  0x21
#define SMMU_CMD_TLBI_EL2_VA    0x22
#define SMMU_CMD_TLBI_EL2_VAA   0x23
#define SMMU_CMD_TLBI_S12_VMALL 0x28
#define SMMU_CMD_TLBI_S2_IPA    0x2a
#define SMMU_CMD_TLBI_NSNH_ALL  0x30
#define SMMU_CMD_ATC_INV        0x40
#define SMMU_CMD_PRI_RESP       0x41
#define SMMU_CMD_RESUME         0x44
#define SMMU_CMD_STALL_TERM     0x45
#define SMMU_CMD_SYNC           0x46
#define SMMU_CMD_SSEC           (1ULL << 10)
#define SMMU_CMD_SSV            (1ULL << 11)
#define SMMU_CMD_SSID(v)        ((uint64_t)(v) << 12)
#define SMMU_CMD_SID(v)         ((uint64_t)(v) << 32)
#define SMMU_CMD_NUM(v)         ((uint64_t)(v) << 12)
#define SMMU_CMD_SCALE(v)       ((uint64_t)(v) << 20)
#define SMMU_CMD_VMID(v)        ((uint64_t)(v) << 32)
#define SMMU_CMD_ASID(v)        ((uint64_t)(v) << 48)
#define SMMU_CMD1_LEAF          (1ULL << 0)
#define SMMU_CMD1_TTL(v)        ((uint64_t)(v) << 8)
#define SMMU_CMD1_TG(v)         ((uint64_t)(v) << 10)
#define   SMMU_TLBI_TG(shift)   (((shift) - 10) / 2)
#define SMMU_CMD_SYNC_CS(v)     ((uint64_t)(v) << 12)
#define   SMMU_SIG_NONE         0
#define   SMMU_SIG_IRQ          1
#define   SMMU_SIG_SEV          2
#define SMMU_CMD_SYNC_MSIDATA(v) ((uint64_t)(v) << 32)

/* 7.3: events */
#define SMMU_EVT_F_UUT              0x01
#define SMMU_EVT_C_BAD_STREAMID     0x02
#define SMMU_EVT_F_STE_FETCH        0x03
#define SMMU_EVT_C_BAD_STE          0x04
#define SMMU_EVT_F_BAD_ATS_TREQ     0x05
#define SMMU_EVT_F_STREAM_DISABLED  0x06
#define SMMU_EVT_F_TRANSL_FORBIDDEN 0x07
#define SMMU_EVT_C_BAD_SUBSTREAMID  0x08
#define SMMU_EVT_F_CD_FETCH         0x09
#define SMMU_EVT_C_BAD_CD           0x0a
#define SMMU_EVT_F_WALK_EABT        0x0b
#define SMMU_EVT_F_TRANSLATION      0x10
#define SMMU_EVT_F_ADDR_SIZE        0x11
#define SMMU_EVT_F_ACCESS           0x12
#define SMMU_EVT_F_PERMISSION       0x13
#define SMMU_CLASS_CD               0
#define SMMU_CLASS_TT               1
#define SMMU_CLASS_IN               2

/* DDI 0487 D8.3: VMSAv8-64 descriptors */
#define LPAE_VALID              (1ULL << 0)
#define LPAE_TABLE              (3ULL << 0)
#define LPAE_PAGE               (3ULL << 0)     /* level 3 */
#define LPAE_BLOCK              (1ULL << 0)     /* above it */
#define LPAE_AP_EL0             (1ULL << 6)     /* AP[1] */
#define LPAE_AP_RO              (1ULL << 7)     /* AP[2] */
#define LPAE_UXN                (1ULL << 54)
#define LPAE_S2AP_R             (1ULL << 6)
#define LPAE_S2AP_W             (1ULL << 7)
#define LPAE_SH_INNER           (3ULL << 8)
#define LPAE_AF                 (1ULL << 10)
#define LPAE_NG                 (1ULL << 11)
#define LPAE_DBM                (1ULL << 51)
#define LPAE_CONTIGUOUS         (1ULL << 52)
#define LPAE_APTABLE_NO_EL0     (1ULL << 61)
#define LPAE_APTABLE_RO         (1ULL << 62)
#define LPAE_ADDR               0x0000fffffffff000ULL

#endif

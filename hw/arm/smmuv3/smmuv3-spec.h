/*
 * Facts of the SMMUv3 specification: registers, structures, commands, events
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * From the Arm System Memory Management Unit Architecture Specification, SMMU
 * architecture version 3 (IHI 0070, H.a); section numbers are that document's.
 * Only layouts and encodings; what they lead to is in the other files.  Plain
 * C, also for the standalone build.
 *
 * Conventions: SMMU_x is a register's offset in page 0; SMMU_x_FIELD is a bit,
 * or, of a field of several bits, what smmu_bits() and smmu_put() take;
 * SMMU_x_WMASK is what software can change; Dn is a structure's n-th 64-bit
 * word.  Registers, structures and queue entries are little-endian.
 */
#ifndef HW_ARM_SMMUV3_SPEC_H
#define HW_ARM_SMMUV3_SPEC_H

#define SMMU_BIT(n) (1ull << (n))

/* A field of several bits, for the functions below */
#define SMMU_FIELD(hi, lo) ((hi) << 8 | (lo))

/* @field of @val, moved down to bit 0 */
static inline uint64_t smmu_bits(uint64_t val, unsigned field)
{
    unsigned hi = field >> 8, lo = field & 0xff;

    return val << (63 - hi) >> (63 - hi + lo);
}

/* The same bits, left where they are */
static inline uint64_t smmu_keep(uint64_t val, unsigned field)
{
    return smmu_bits(val, field) << (field & 0xff);
}

/* @val in the place of @field; what does not fit is cut off */
static inline uint64_t smmu_put(uint64_t val, unsigned field)
{
    return smmu_keep(val << (field & 0xff), field);
}

/* 6.1: two pages of 64 KiB; page 1 has the event queue's indexes */
#define SMMU_PAGE_SIZE              0x10000
#define SMMU_REG_SIZE               (2 * SMMU_PAGE_SIZE)
/* All but the identification registers are below */
#define SMMU_REGS_END               0x200

/* 6.2.1: registers */

#define SMMU_IDR0                   0x00
#define SMMU_IDR5                   0x14
#define SMMU_IIDR                   0x18
#define SMMU_AIDR                   0x1c
#define SMMU_CR0                    0x20
#define SMMU_CR0ACK                 0x24
#define SMMU_CR1                    0x28
#define SMMU_CR2                    0x2c
#define SMMU_STATUSR                0x40
#define SMMU_GBPA                   0x44
#define SMMU_IRQ_CTRL               0x50
#define SMMU_IRQ_CTRLACK            0x54
#define SMMU_GERROR                 0x60
#define SMMU_GERRORN                0x64
#define SMMU_GERROR_IRQ_CFG0        0x68    /* 64 bits */
#define SMMU_GERROR_IRQ_CFG1        0x70
#define SMMU_GERROR_IRQ_CFG2        0x74
#define SMMU_STRTAB_BASE            0x80    /* 64 bits */
#define SMMU_STRTAB_BASE_CFG        0x88
#define SMMU_CMDQ_BASE              0x90    /* 64 bits */
#define SMMU_CMDQ_PROD              0x98
#define SMMU_CMDQ_CONS              0x9c
#define SMMU_EVENTQ_BASE            0xa0    /* 64 bits */
#define SMMU_EVENTQ_PROD            0xa8    /* of page 1 */
#define SMMU_EVENTQ_CONS            0xac    /* of page 1 */
#define SMMU_EVENTQ_IRQ_CFG0        0xb0    /* 64 bits */
#define SMMU_EVENTQ_IRQ_CFG1        0xb8
#define SMMU_EVENTQ_IRQ_CFG2        0xbc
#define SMMU_ID_REGS                0xfd0   /* .. 0xffc */
#define SMMU_ID_REGS_LAST           0xffc

/* 6.3.1: IDR0 */
#define SMMU_IDR0_S2P               SMMU_BIT(0)
#define SMMU_IDR0_S1P               SMMU_BIT(1)
#define SMMU_IDR0_TTF_AA64          SMMU_BIT(3)     /* TTF = 0b10 */
#define SMMU_IDR0_COHACC            SMMU_BIT(4)
#define SMMU_IDR0_HTTU              SMMU_FIELD(7, 6)
#define SMMU_IDR0_ATS               SMMU_BIT(10)
#define SMMU_IDR0_NS1ATS            SMMU_BIT(11)    /* no split-stage ATS */
#define SMMU_IDR0_ASID16            SMMU_BIT(12)
#define SMMU_IDR0_MSI               SMMU_BIT(13)
#define SMMU_IDR0_VMID16            SMMU_BIT(18)
#define SMMU_IDR0_CD2L              SMMU_BIT(19)
#define SMMU_IDR0_TTENDIAN          SMMU_FIELD(22, 21)
#define SMMU_IDR0_STALL_MODEL       SMMU_FIELD(25, 24)
#define SMMU_IDR0_TERM_MODEL        SMMU_BIT(26)
#define SMMU_IDR0_ST_LEVEL          SMMU_FIELD(28, 27)

#define SMMU_HTTU_NONE              0
#define SMMU_HTTU_ACCESS            1
#define SMMU_HTTU_DIRTY             2       /* and access */
#define SMMU_TTENDIAN_LITTLE        2
#define SMMU_STALL_MODEL_NONE       1       /* faults terminate */
#define SMMU_ST_LEVEL_2             1

/* 6.3.2: IDR1 */
#define SMMU_IDR1_SIDSIZE           SMMU_FIELD(5, 0)
#define SMMU_IDR1_SSIDSIZE          SMMU_FIELD(10, 6)
#define SMMU_IDR1_EVENTQS           SMMU_FIELD(20, 16)
#define SMMU_IDR1_CMDQS             SMMU_FIELD(25, 21)
#define SMMU_IDR1_ATTR_PERMS_OVR    SMMU_BIT(26)

/* 6.3.4: IDR3 */
#define SMMU_IDR3_HAD               SMMU_BIT(2)
#define SMMU_IDR3_XNX               SMMU_BIT(4)
#define SMMU_IDR3_RIL               SMMU_BIT(10)
#define SMMU_IDR3_BBML              SMMU_FIELD(12, 11)

/* 6.3.6: IDR5 */
#define SMMU_IDR5_OAS               SMMU_FIELD(2, 0)
#define SMMU_IDR5_GRAN4K            SMMU_BIT(4)
#define SMMU_IDR5_GRAN16K           SMMU_BIT(5)
#define SMMU_IDR5_GRAN64K           SMMU_BIT(6)

#define SMMU_OAS_44                 4
#define SMMU_OAS_48                 5

/* 6.3.8: AIDR: SMMUv3.1 */
#define SMMU_AIDR_V3_1              1

/* 6.3.9: CR0 and CR0ACK, the fields that are implemented */
#define SMMU_CR0_SMMUEN             SMMU_BIT(0)
#define SMMU_CR0_EVENTQEN           SMMU_BIT(2)
#define SMMU_CR0_CMDQEN             SMMU_BIT(3)
#define SMMU_CR0_ATSCHK             SMMU_BIT(4)     /* with IDR0.ATS */
#define SMMU_CR0_WMASK \
    (SMMU_CR0_SMMUEN | SMMU_CR0_EVENTQEN | SMMU_CR0_CMDQEN | SMMU_CR0_ATSCHK)

/* 6.3.11: CR1 */
#define SMMU_CR1_TABLE_MASK         0xfc0u
#define SMMU_CR1_QUEUE_MASK         0x03fu

/* 6.3.12: CR2 */
#define SMMU_CR2_RECINVSID          SMMU_BIT(1)
#define SMMU_CR2_REC_CFG_ATS        SMMU_BIT(3)
#define SMMU_CR2_WMASK              0xfu    /* E2H, PTM: kept */

/* 6.3.14: GBPA */
#define SMMU_GBPA_ABORT             SMMU_BIT(20)
#define SMMU_GBPA_UPDATE            SMMU_BIT(31)
#define SMMU_GBPA_WMASK             0x001f3f1fu
#define SMMU_GBPA_RESET             0x1000u         /* SHCFG: use incoming */

/* 6.3.16: IRQ_CTRL */
#define SMMU_IRQ_CTRL_GERROR        SMMU_BIT(0)
#define SMMU_IRQ_CTRL_EVENTQ        SMMU_BIT(2)
#define SMMU_IRQ_CTRL_WMASK \
    (SMMU_IRQ_CTRL_GERROR | SMMU_IRQ_CTRL_EVENTQ)

/* 6.3.19: GERROR and GERRORN */
#define SMMU_GERROR_CMDQ            SMMU_BIT(0)
#define SMMU_GERROR_EVENTQ_ABT      SMMU_BIT(2)
#define SMMU_GERROR_MSI_CMDQ_ABT    SMMU_BIT(4)
#define SMMU_GERROR_MSI_EVENTQ_ABT  SMMU_BIT(5)
#define SMMU_GERROR_MSI_GERROR_ABT  SMMU_BIT(7)
#define SMMU_GERROR_MASK \
    (SMMU_GERROR_CMDQ | SMMU_GERROR_EVENTQ_ABT | SMMU_GERROR_MSI_CMDQ_ABT | \
     SMMU_GERROR_MSI_EVENTQ_ABT | SMMU_GERROR_MSI_GERROR_ABT)

/* 6.3.21 and 22: *_IRQ_CFG0 .. 2: where an MSI goes, and what it is */
#define SMMU_IRQ_CFG0_WMASK         0x00fffffffffffffcull
#define SMMU_IRQ_CFG2_WMASK         0x3fu

/* 6.3.24 and 25: STRTAB_BASE, STRTAB_BASE_CFG */
#define SMMU_STRTAB_BASE_WMASK      0x40ffffffffffffc0ull
#define SMMU_STRTAB_BASE_ADDR       SMMU_FIELD(55, 6)
#define SMMU_STRTAB_BASE_CFG_WMASK  0x000307ffu
#define SMMU_STRTAB_CFG_FMT         SMMU_FIELD(17, 16)
#define SMMU_STRTAB_CFG_SPLIT       SMMU_FIELD(10, 6)
#define SMMU_STRTAB_CFG_LOG2SIZE    SMMU_FIELD(5, 0)
#define SMMU_STRTAB_FMT_2LVL        1

/* 6.3.26 to 31: queues */
#define SMMU_QUEUE_BASE_WMASK       0x40ffffffffffffffull
#define SMMU_QUEUE_BASE_ADDR        SMMU_FIELD(55, 5)
#define SMMU_QUEUE_BASE_LOG2SIZE    SMMU_FIELD(4, 0)
#define SMMU_QUEUE_INDEX_MASK       0xfffffu        /* WR or RD, and its wrap */
#define SMMU_CMDQ_CONS_ERR          SMMU_FIELD(30, 24)
#define SMMU_CMDQ_CONS_WMASK        0x7f0fffffu
#define SMMU_EVENTQ_OVFLG           SMMU_BIT(31)    /* OVACKFLG in CONS */
#define SMMU_EVENTQ_INDEX_WMASK     0x800fffffu     /* of PROD and CONS */

/* The largest queues, tables and identifiers of this implementation */
#define SMMU_SIDSIZE                16
#define SMMU_QUEUE_LOG2SIZE_MAX     19
#define SMMU_SSIDSIZE_MAX           20      /* and a PASID has no more */

/* 7.1: CMDQ_CONS.ERR */
#define SMMU_CERROR_NONE            0
#define SMMU_CERROR_ILL             1
#define SMMU_CERROR_ABT             2

/* 4.1.1: command opcodes; the others are reserved, or not ours */
#define SMMU_CMD_SHIFT              4       /* log2 of their size */
#define SMMU_CMD_WORDS              2
#define SMMU_CMD_PREFETCH_CONFIG    0x01
#define SMMU_CMD_PREFETCH_ADDR      0x02
#define SMMU_CMD_CFGI_STE           0x03
#define SMMU_CMD_CFGI_STE_RANGE     0x04    /* with Range 31: CFGI_ALL */
#define SMMU_CMD_CFGI_CD            0x05
#define SMMU_CMD_CFGI_CD_ALL        0x06
#define SMMU_CMD_TLBI_NH_ALL        0x10
#define SMMU_CMD_TLBI_NH_ASID       0x11
#define SMMU_CMD_TLBI_NH_VA         0x12
#define SMMU_CMD_TLBI_NH_VAA        0x13
#define SMMU_CMD_TLBI_S12_VMALL     0x28
#define SMMU_CMD_TLBI_S2_IPA        0x2a
#define SMMU_CMD_TLBI_NSNH_ALL      0x30
#define SMMU_CMD_ATC_INV            0x40
#define SMMU_CMD_SYNC               0x46

/* Fields of commands; D0 and D1 are the two 64-bit halves. */
#define SMMU_CMD_D0_OP              SMMU_FIELD(7, 0)
#define SMMU_CMD_D0_SSEC            SMMU_BIT(10)
#define SMMU_CMD_D0_SSID            SMMU_FIELD(31, 12)
#define SMMU_CMD_D0_SID             SMMU_FIELD(63, 32)
#define SMMU_CMD_D0_VMID            SMMU_FIELD(47, 32)
#define SMMU_CMD_D0_ASID            SMMU_FIELD(63, 48)
#define SMMU_CMD_D0_NUM             SMMU_FIELD(16, 12)  /* 4.4.1.1 */
#define SMMU_CMD_D0_SCALE           SMMU_FIELD(24, 20)
#define SMMU_CMD_D1_RANGE           SMMU_FIELD(4, 0)    /* 4.3.2 */
#define SMMU_CMD_D1_LEAF            SMMU_BIT(0)         /* 4.4.1 */
#define SMMU_CMD_D1_TTL             SMMU_FIELD(9, 8)
#define SMMU_CMD_D1_TG              SMMU_FIELD(11, 10)
#define SMMU_CMD_D1_ADDR            SMMU_FIELD(63, 12)
#define SMMU_CMD_D1_IPA             SMMU_FIELD(55, 12)
#define SMMU_CMD_D0_SSV             SMMU_BIT(11)        /* 4.5.1 */
#define SMMU_CMD_D0_GLOBAL          SMMU_BIT(9)
#define SMMU_CMD_D1_SIZE            SMMU_FIELD(5, 0)
#define SMMU_CMD_D0_SYNC_CS         SMMU_FIELD(13, 12)  /* 4.7.3 */
#define SMMU_CMD_D0_SYNC_MSIDATA    SMMU_FIELD(63, 32)
#define SMMU_CMD_D1_SYNC_MSIADDR    SMMU_FIELD(55, 2)

/* CMD_ATC_INV: 2^Size pages of 4 KiB; so many are the whole address space */
#define SMMU_ATC_SIZE_ALL           52
#define SMMU_ATC_PAGE_SHIFT         12

#define SMMU_SYNC_CS_NONE           0
#define SMMU_SYNC_CS_IRQ            1
#define SMMU_SYNC_CS_SEV            2
#define SMMU_SYNC_CS_RESERVED       3

/* 5.1: L1STD */
#define SMMU_L1STD_SIZE             8
#define SMMU_L1STD_SPAN             SMMU_FIELD(4, 0)
#define SMMU_L1STD_SPAN_MAX         11
#define SMMU_L1STD_L2PTR            SMMU_FIELD(55, 6)

/* 5.2: STE; Dn is the n-th 64-bit word */
#define SMMU_STE_SIZE               64
#define SMMU_STE_LOG2SIZE           6
#define SMMU_STE_WORDS              8
#define SMMU_STE_D0_V               SMMU_BIT(0)
#define SMMU_STE_D0_CONFIG          SMMU_FIELD(3, 1)
#define SMMU_STE_D0_S1FMT           SMMU_FIELD(5, 4)
#define SMMU_STE_D0_S1CONTEXTPTR    SMMU_FIELD(55, 6)
#define SMMU_STE_D0_S1CDMAX         SMMU_FIELD(63, 59)
#define SMMU_STE_D1_S1DSS           SMMU_FIELD(1, 0)
#define SMMU_STE_D1_S1STALLD        SMMU_BIT(27)
#define SMMU_STE_D1_EATS            SMMU_FIELD(29, 28)
#define SMMU_STE_D1_PRIVCFG         SMMU_FIELD(49, 48)
#define SMMU_STE_D1_INSTCFG         SMMU_FIELD(51, 50)
#define SMMU_STE_D2_S2VMID          SMMU_FIELD(15, 0)
#define SMMU_STE_D2_S2T0SZ          SMMU_FIELD(37, 32)
#define SMMU_STE_D2_S2SL0           SMMU_FIELD(39, 38)
#define SMMU_STE_D2_S2TG            SMMU_FIELD(47, 46)
#define SMMU_STE_D2_S2PS            SMMU_FIELD(50, 48)
#define SMMU_STE_D2_S2AA64          SMMU_BIT(51)
#define SMMU_STE_D2_S2ENDI          SMMU_BIT(52)
#define SMMU_STE_D2_S2AFFD          SMMU_BIT(53)
#define SMMU_STE_D2_S2PTW           SMMU_BIT(54)
#define SMMU_STE_D2_S2HD            SMMU_BIT(55)
#define SMMU_STE_D2_S2HA            SMMU_BIT(56)
#define SMMU_STE_D2_S2S             SMMU_BIT(57)
#define SMMU_STE_D2_S2R             SMMU_BIT(58)
#define SMMU_STE_D3_S2TTB           SMMU_FIELD(51, 4)

/* STE.Config: bit 2 lets traffic pass, 1 is stage 2, 0 is stage 1 */
#define SMMU_STE_CONFIG_PASS        4u
#define SMMU_STE_CONFIG_S2          2u
#define SMMU_STE_CONFIG_S1          1u

#define SMMU_STE_S1FMT_LINEAR       0
#define SMMU_STE_S1FMT_4K_L2        1
#define SMMU_STE_S1FMT_64K_L2       2
#define SMMU_STE_S1DSS_TERMINATE    0
#define SMMU_STE_S1DSS_BYPASS       1
#define SMMU_STE_S1DSS_SSID0        2
#define SMMU_STE_EATS_FULL          1
#define SMMU_STE_EATS_SPLIT         2       /* stage 1 only */
#define SMMU_STE_CFG_SET            2       /* PRIVCFG, INSTCFG: overrides */
#define SMMU_STE_CFG_PRIV           3       /* privileged; instruction */

/* 5.3: L1CD */
#define SMMU_L1CD_SIZE              8
#define SMMU_L1CD_V                 SMMU_BIT(0)
#define SMMU_L1CD_L2PTR             SMMU_FIELD(55, 12)

/* 5.4: CD */
#define SMMU_CD_LOG2SIZE            6
#define SMMU_CD_WORDS               8
#define SMMU_CD_D0_T0SZ             SMMU_FIELD(5, 0)
#define SMMU_CD_D0_TG0              SMMU_FIELD(7, 6)
#define SMMU_CD_D0_EPD0             SMMU_BIT(14)
#define SMMU_CD_D0_ENDI             SMMU_BIT(15)
#define SMMU_CD_D0_T1SZ             SMMU_FIELD(21, 16)
#define SMMU_CD_D0_TG1              SMMU_FIELD(23, 22)
#define SMMU_CD_D0_EPD1             SMMU_BIT(30)
#define SMMU_CD_D0_V                SMMU_BIT(31)
#define SMMU_CD_D0_IPS              SMMU_FIELD(34, 32)
#define SMMU_CD_D0_AFFD             SMMU_BIT(35)
#define SMMU_CD_D0_WXN              SMMU_BIT(36)
#define SMMU_CD_D0_TBI0             SMMU_BIT(38)
#define SMMU_CD_D0_TBI1             SMMU_BIT(39)
#define SMMU_CD_D0_PAN              SMMU_BIT(40)
#define SMMU_CD_D0_AA64             SMMU_BIT(41)
#define SMMU_CD_D0_HD               SMMU_BIT(42)
#define SMMU_CD_D0_HA               SMMU_BIT(43)
#define SMMU_CD_D0_S                SMMU_BIT(44)
#define SMMU_CD_D0_R                SMMU_BIT(45)
#define SMMU_CD_D0_A                SMMU_BIT(46)
#define SMMU_CD_D0_ASID             SMMU_FIELD(63, 48)
#define SMMU_CD_D12_HAD             SMMU_BIT(1)     /* in TTB0's and TTB1's */
#define SMMU_CD_D12_TTB             SMMU_FIELD(51, 4)

/* VMSAv8-64 stage 2 leaves (Arm ARM D8.3), for what an event says of one */
#define SMMU_S2_S2AP_READ           SMMU_BIT(6)
#define SMMU_S2_MEMATTR_TYPE        SMMU_FIELD(5, 4)    /* 0: Device */

/* 7.3: events */
#define SMMU_EVT_SHIFT              5       /* log2 of their size */
#define SMMU_EVT_WORDS              4

typedef enum SMMUv3EventType {
    SMMU_EVT_NONE               = 0x00,     /* nothing is recorded */
    SMMU_EVT_C_BAD_STREAMID     = 0x02,
    SMMU_EVT_F_STE_FETCH        = 0x03,
    SMMU_EVT_C_BAD_STE          = 0x04,
    SMMU_EVT_F_STREAM_DISABLED  = 0x06,
    SMMU_EVT_F_TRANSL_FORBIDDEN = 0x07,
    SMMU_EVT_C_BAD_SUBSTREAMID  = 0x08,
    SMMU_EVT_F_CD_FETCH         = 0x09,
    SMMU_EVT_C_BAD_CD           = 0x0a,
    SMMU_EVT_F_WALK_EABT        = 0x0b,
    SMMU_EVT_F_TRANSLATION      = 0x10,
    SMMU_EVT_F_ADDR_SIZE        = 0x11,
    SMMU_EVT_F_ACCESS           = 0x12,
    SMMU_EVT_F_PERMISSION       = 0x13,
} SMMUv3EventType;

#define SMMU_EVT_D0_TYPE            SMMU_FIELD(7, 0)
#define SMMU_EVT_D0_SSV             SMMU_BIT(11)
#define SMMU_EVT_D0_SSID            SMMU_FIELD(31, 12)
#define SMMU_EVT_D0_SID             SMMU_FIELD(63, 32)
#define SMMU_EVT_D1_PNU             SMMU_BIT(33)
#define SMMU_EVT_D1_IND             SMMU_BIT(34)
#define SMMU_EVT_D1_RNW             SMMU_BIT(35)
#define SMMU_EVT_D1_S2              SMMU_BIT(39)
#define SMMU_EVT_D1_CLASS           SMMU_FIELD(41, 40)
#define SMMU_EVT_D1_TTRNW           SMMU_BIT(44)
#define SMMU_EVT_D3_FETCHADDR       SMMU_FIELD(55, 3)
#define SMMU_EVT_D3_IPA             SMMU_FIELD(55, 12)

#define SMMU_CLASS_CD               0
#define SMMU_CLASS_TT               1
#define SMMU_CLASS_IN               2

#endif

/*
 * I/O page-table formats: Armv8-A VMSAv8-64
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Arm ARM (DDI 0487I.a) D8, the AArch64 Virtual Memory System Architecture:
 * stage 1 and stage 2, granules of 4, 16 and 64 KiB, little-endian tables,
 * 48-bit addresses.  Left out is what FEAT_LPA, LPA2 and LVA add (52-bit
 * addresses, and with them the level 1 block of 4 TiB with 64 KiB granules
 * and the level -1): bits [51:48] of a descriptor and, with 64 KiB granules,
 * [15:12] are ignored.
 *
 * Pure functions; any thread, no lock.
 */
#ifndef HW_IOMMU_IOPT_ARMV8_H
#define HW_IOMMU_IOPT_ARMV8_H

#include "hw/iommu/iopt.h"

/* Largest input and output address, in bits. */
#define IOPT_ARMV8_MAX_BITS 48

/*
 * IOPTTable.flags of these formats, both stages.
 * HA: hardware sets the Access flag.  HD: and dirty state (nothing without
 * HA).  AFFD: AF = 0 is no fault (it matters without HA).
 * STT: small tables (FEAT_TTST): TxSZ up to 48 (64 KiB granules: 47), not 39.
 */
#define IOPT_ARMV8_HA       (1u << 0)
#define IOPT_ARMV8_HD       (1u << 1)
#define IOPT_ARMV8_AFFD     (1u << 2)
#define IOPT_ARMV8_STT      (1u << 3)
/*
 * Stage 1 only.
 * HPD: APTable, XNTable and PXNTable are ignored.  WXN: what is writable is
 * execute-never.  PAN: no privileged data access to what unprivileged software
 * can access.  ONE_PRIV: a regime with one privilege level (EL2 without E2H,
 * EL3): AP[1] is ignored and bit 54 is XN.  TBI: the top byte of an IOVA is
 * ignored.  EPD: no walks; every IOVA is out of range and no other parameter
 * matters.
 */
#define IOPT_ARMV8_HPD      (1u << 4)
#define IOPT_ARMV8_WXN      (1u << 5)
#define IOPT_ARMV8_PAN      (1u << 6)
#define IOPT_ARMV8_ONE_PRIV (1u << 7)
#define IOPT_ARMV8_TBI      (1u << 8)
#define IOPT_ARMV8_EPD      (1u << 9)
/*
 * Stage 2 only.
 * XNX: XN has two bits (FEAT_XNX).  PTW: stage 1 tables in Device memory are a
 * permission fault (HCR_EL2.PTW).
 */
#define IOPT_ARMV8_XNX      (1u << 10)
#define IOPT_ARMV8_PTW      (1u << 11)

/* Why a table cannot be built as asked, in the order of the checks. */
typedef enum IOPTArmv8Status {
    IOPT_ARMV8_OK,
    IOPT_ARMV8_BAD_GRANULE,  /* not 12, 14 or 16 */
    IOPT_ARMV8_BAD_SIZE,     /* TxSZ is out of range */
    /*
     * Stage 2: SL0 is reserved, or does not go with the granule and T0SZ:
     * more than 16 concatenated tables, or nothing left for the level.
     */
    IOPT_ARMV8_BAD_START,
    IOPT_ARMV8_BAD_TTB,      /* the table starts beyond @output_bits */
} IOPTArmv8Status;

typedef struct IOPTArmv8Params {
    unsigned granule;        /* log2 of the granule, in bytes: 12, 14, 16 */
    unsigned tsz;            /* TxSZ: input addresses have 64 - tsz bits */
    unsigned sl0;            /* stage 2 only: the encoding of VTCR_EL2.SL0 */
    uint64_t ttb;            /* of the table; bits below its size are ignored */
    unsigned output_bits;    /* effective IPS or PS, in bits; 48 at most */
    /* Stage 2 only: bits of a physical address; limits T0SZ and SL0. */
    unsigned pa_bits;
    unsigned flags;          /* IOPT_ARMV8_* */
} IOPTArmv8Params;

/**
 * iopt_armv8_stage1: the table of a stage 1 translation (D8.2).
 *
 * For IOPTSpace.table (TTBR0) or IOPTSpace.upper (TTBR1): which of the two it
 * is is no part of the table.  A regime with one range has no upper.
 *
 * Returns: IOPT_ARMV8_OK; or why not, and then @table translates nothing
 * (every IOVA is IOPT_FAULT_RANGE).  But with IOPT_ARMV8_BAD_TTB it can be
 * used, and every walk that reaches it is an IOPT_FAULT_ADDR_SIZE.
 */
IOPTArmv8Status iopt_armv8_stage1(IOPTTable *table,
                                  const IOPTArmv8Params *params);

/**
 * iopt_armv8_stage2: the table of a stage 2 translation, with as many
 * concatenated tables at its start level as T0SZ asks for (D8.2.2).
 *
 * For IOPTSpace.second, or for IOPTSpace.table if there is no stage 1.
 *
 * Returns: as iopt_armv8_stage1().
 */
IOPTArmv8Status iopt_armv8_stage2(IOPTTable *table,
                                  const IOPTArmv8Params *params);

/**
 * iopt_armv8_tg0, iopt_armv8_tg1: the granule that TCR_ELx.TG0 (also
 * VTCR_EL2.TG0) or TCR_ELx.TG1 encodes, as its log2; 0 if it is reserved.
 */
unsigned iopt_armv8_tg0(unsigned tg);
unsigned iopt_armv8_tg1(unsigned tg);

/**
 * iopt_armv8_pa_bits: the address size that TCR_ELx.IPS (or PS, or
 * ID_AA64MMFR0_EL1.PARange) encodes, in bits; reserved values are 52.
 */
unsigned iopt_armv8_pa_bits(unsigned ips);

/** iopt_armv8_level: the architecture's level (0 .. 3) of our @level. */
static inline unsigned iopt_armv8_level(unsigned level)
{
    return 4 - level;
}

#endif

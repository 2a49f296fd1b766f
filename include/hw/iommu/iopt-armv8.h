/*
 * I/O page-table formats: Armv8-A VMSAv8-64
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Arm ARM (DDI 0487) D8, the AArch64 Virtual Memory System Architecture:
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

/* What an IOPTTable of these formats has in @flags. */
#define IOPT_ARMV8_HA       (1u << 0) /* hardware sets the Access flag */
#define IOPT_ARMV8_HD       (1u << 1) /* and dirty state (nothing without HA) */
#define IOPT_ARMV8_AFFD     (1u << 2) /* AF = 0 is no fault (without HA) */
/* Stage 1 only: */
#define IOPT_ARMV8_HPD      (1u << 3) /* APTable, XNTable, PXNTable ignored */
#define IOPT_ARMV8_WXN      (1u << 4) /* what is writable is execute-never */
#define IOPT_ARMV8_PAN      (1u << 5) /* no privileged data access to what is
                                         accessible unprivileged */
#define IOPT_ARMV8_ONE_PRIV (1u << 6) /* a regime with one privilege level (EL2
                                         without E2H, EL3): AP[1] is ignored,
                                         bit 54 is XN */
#define IOPT_ARMV8_TBI      (1u << 7) /* the top byte of an IOVA is ignored */
#define IOPT_ARMV8_EPD      (1u << 8) /* no walks: every IOVA is out of range;
                                         the other parameters do not matter */
/* Stage 2 only: */
#define IOPT_ARMV8_XNX      (1u << 9) /* XN has two bits (FEAT_XNX) */
#define IOPT_ARMV8_PTW      (1u << 10) /* stage 1 tables in Device memory are a
                                          permission fault (HCR_EL2.PTW) */
/* Either stage: */
#define IOPT_ARMV8_STT      (1u << 11) /* small tables (FEAT_TTST): TxSZ up to
                                          48 (64 KiB granules: 47), not 39 */

/* Why a table cannot be built as asked, in the order of the checks. */
typedef enum IOPTArmv8Status {
    IOPT_ARMV8_OK,
    IOPT_ARMV8_BAD_GRANULE,  /* not 12, 14 or 16 */
    IOPT_ARMV8_BAD_SIZE,     /* TxSZ is out of range */
    IOPT_ARMV8_BAD_START,    /* stage 2: SL0 is reserved, or does not go with
                                the granule and T0SZ (more than 16 concatenated
                                tables, or nothing left for the level) */
    IOPT_ARMV8_BAD_TTB,      /* the table starts beyond @output_bits */
} IOPTArmv8Status;

typedef struct IOPTArmv8Params {
    unsigned granule;        /* log2 of the granule, in bytes: 12, 14, 16 */
    unsigned tsz;            /* TxSZ: input addresses have 64 - tsz bits */
    unsigned sl0;            /* stage 2 only: the encoding of VTCR_EL2.SL0 */
    uint64_t ttb;            /* address of the table; bits below the alignment
                                that its size asks for are ignored */
    unsigned output_bits;    /* effective IPS or PS, in bits; more than 48 is
                                taken as 48 */
    unsigned pa_bits;        /* stage 2 only: size of physical addresses that
                                is implemented: limits T0SZ and SL0 */
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
 * used, and every walk that reaches it is an IOPT_FAULT_ADDR_SIZE (D8.2.4).
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

/**
 * iopt_armv8_level: the architecture's level (0 .. 3) of an IOPTResult.level.
 */
static inline unsigned iopt_armv8_level(unsigned level)
{
    return 4 - level;
}

#endif

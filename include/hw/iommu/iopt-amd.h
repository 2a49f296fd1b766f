/*
 * I/O page-table formats: AMD-Vi
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * AMD I/O Virtualization Technology specification (48882) 2.2.3, "version 1"
 * tables for host translations: one to six levels, of which an entry may skip
 * some, and pages of any power of two.  2.2.6, "version 2" tables for guest
 * translations: four or five levels, as processors have them.
 *
 * Pure; any thread, no lock.
 */
#ifndef HW_IOMMU_IOPT_AMD_H
#define HW_IOMMU_IOPT_AMD_H

#include "hw/iommu/iopt.h"

/* The most levels: mode 6, of which the topmost has no pages */
#define IOPT_AMD_V1_MAX_LEVELS  6

/* IOPTTable.flags: what the device table entry does not allow (IR, IW clear) */
#define IOPT_AMD_NO_READ    IOPT_READ
#define IOPT_AMD_NO_WRITE   IOPT_WRITE

extern const IOPTFormat iopt_amd_v1;

/**
 * iopt_amd_v1_table: describe a tree of tables to the walker.
 *
 * @root: address of the top table, a multiple of 4 KiB, of at most 52 bits
 * @mode: its levels, 1 .. IOPT_AMD_V1_MAX_LEVELS
 * @flags: IOPT_AMD_NO_READ, IOPT_AMD_NO_WRITE
 */
void iopt_amd_v1_table(IOPTTable *table, uint64_t root, unsigned mode,
                       uint32_t flags);

/**
 * iopt_amd_v1_reserved: has @entry of @level, which is present, reserved bits
 * set?  If not, and it is refused all the same (IOPT_FAULT_RESERVED), it is for
 * the encoding of its level.
 */
bool iopt_amd_v1_reserved(unsigned level, uint64_t entry);

extern const IOPTFormat iopt_amd_v2;

/**
 * iopt_amd_v2_space: describe a tree of guest tables: both halves of the
 * canonical addresses, of 47 bits each (4 levels) or 56 (5 levels).
 *
 * @space: .table and .upper are set; what tables and pages go through is the
 *         caller's (.second)
 * @root: address of the top table, a multiple of 4 KiB, of at most 52 bits
 * @levels: 4 or 5
 * @flags: IOPT_AMD_NO_READ, IOPT_AMD_NO_WRITE
 */
void iopt_amd_v2_space(IOPTSpace *space, uint64_t root, unsigned levels,
                       uint32_t flags);

/** iopt_amd_v2_reserved: has @entry, which is present, reserved bits set? */
bool iopt_amd_v2_reserved(unsigned level, uint64_t entry);

#endif

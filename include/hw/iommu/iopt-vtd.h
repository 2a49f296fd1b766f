/*
 * I/O page-table formats: VT-d, scalable mode
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * VT-d 3.6 and 9.7, first stage: 4 or 5 levels of the tables that processors
 * use, pages of 4 KiB, 2 MiB and 1 GiB.  VT-d 3.7 and 9.8, second stage whose
 * Accessed and Dirty bits are managed; without them iopt_vtd_ss is the format.
 * What is reserved in an entry is in IOPTTable.reserved.
 *
 * A first stage has the two halves of the canonical addresses: IOPTSpace.table
 * and IOPTSpace.upper, of 47 bits (4 levels) or 56 bits (5 levels) each, with
 * one top table that both use a half of.
 *
 * IOPT_PRIV makes an access a supervisor's.  IOPT_EXEC is nothing to them:
 * since revision 4 there are no execute requests.
 *
 * Pure; any thread, no lock.
 */
#ifndef HW_IOMMU_IOPT_VTD_H
#define HW_IOMMU_IOPT_VTD_H

#include "hw/iommu/iopt.h"

/*
 * IOPTTable.flags of these formats.
 * NO_UPDATE: A, D and EA cannot be set, because the hardware's accesses to
 * tables do not snoop the processors' caches: where one would have to be set
 * the access is IOPT_FAULT_UPDATE.
 * First stage only: WPE: supervisors do not write what is read-only.  EAFE: EA
 * is set where A is.
 */
#define IOPT_VTD_NO_UPDATE  (1u << 0)
#define IOPT_VTD_WPE        (1u << 1)
#define IOPT_VTD_EAFE       (1u << 2)

/* First-stage paging entries, 9.7 */
extern const IOPTFormat iopt_vtd_fs;
/* Second-stage paging entries with Accessed and Dirty bits (SSADE), 9.8 */
extern const IOPTFormat iopt_vtd_ss_ad;

#endif

/*
 * I/O page-table format: VT-d second stage
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * VT-d 9.8, second-stage paging entries.  Only facts of the format.
 */
#include "qemu/osdep.h"
#include "hw/iommu/iopt.h"

#define VTD_SS_R    (1ull << 0)     /* Read */
#define VTD_SS_W    (1ull << 1)     /* Write */
#define VTD_SS_PS   (1ull << 7)     /* Page Size; ignored at level 1 */

const IOPTFormat iopt_vtd_ss = {
    .name = "vtd-ss",
    .page_shift = 12,
    .index_bits = 9,
    .read_bit = VTD_SS_R,
    .write_bit = VTD_SS_W,
    .leaf_bit = VTD_SS_PS,
    /* 4 KiB, 2 MiB (SS-PDE), 1 GiB (SS-PDPE) */
    .leaf_levels = 1u << 1 | 1u << 2 | 1u << 3,
};

/*
 * I/O page-table formats: VT-d second stage
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * VT-d 9.8, second-stage paging entries, with and without Accessed and Dirty
 * bits.  Only facts of the format.
 */
#include "qemu/osdep.h"
#include "hw/iommu/iopt-vtd.h"
#include "iopt-internal.h"

#define VTD_SS_R    (1ull << 0)     /* Read */
#define VTD_SS_W    (1ull << 1)     /* Write */
#define VTD_SS_PS   (1ull << 7)     /* Page Size; ignored at level 1 */
#define VTD_SS_A    (1ull << 8)     /* Accessed */
#define VTD_SS_D    (1ull << 9)     /* Dirty; leaves only */

static IOPTFault vtd_ss_ad_decode(const IOPTTable *table, unsigned level,
                                  uint64_t entry, unsigned attrs,
                                  unsigned inherited, IOPTEntry *out)
{
    IOPTFault fault = iopt_plain_decode(table, level, entry, inherited, out);

    if (fault != IOPT_OK) {
        return fault;
    }
    if (!(table->flags & IOPT_VTD_NO_UPDATE)) {
        out->accessed = entry | VTD_SS_A;
        out->dirty = entry | VTD_SS_A | VTD_SS_D;
    }
    if (!out->leaf) {
        return entry & VTD_SS_A ? IOPT_OK : IOPT_FAULT_ACCESS_FLAG;
    }
    if (!(entry & VTD_SS_A)) {
        out->now = 0;
    } else if (!(entry & VTD_SS_D)) {
        out->now &= ~IOPT_WRITE;
    }
    return IOPT_OK;
}

#define FORMAT(format_name)                                 \
    .name = (format_name),                                  \
    .page_shift = 12,                                       \
    .index_bits = 9,                                        \
    .read_bit = VTD_SS_R,                                   \
    .write_bit = VTD_SS_W,                                  \
    .leaf_bit = VTD_SS_PS,                                  \
    /* 4 KiB, 2 MiB (SS-PDE), 1 GiB (SS-PDPE) */            \
    .leaf_levels = 1u << 1 | 1u << 2 | 1u << 3

const IOPTFormat iopt_vtd_ss = {
    FORMAT("vtd-ss"),
};

const IOPTFormat iopt_vtd_ss_ad = {
    FORMAT("vtd-ss-ad"),
    .decode = vtd_ss_ad_decode,
};

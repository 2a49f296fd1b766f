/*
 * I/O page-table formats: VT-d first stage
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * VT-d 9.7, first-stage paging entries.  Only facts of the format.
 */
#include "qemu/osdep.h"
#include "hw/iommu/iopt-vtd.h"
#include "iopt-internal.h"

#define VTD_FS_P    (1ull << 0)     /* Present */
#define VTD_FS_RW   (1ull << 1)     /* Read/Write */
#define VTD_FS_US   (1ull << 2)     /* User/Supervisor */
#define VTD_FS_A    (1ull << 5)     /* Accessed */
#define VTD_FS_D    (1ull << 6)     /* Dirty; leaves only */
#define VTD_FS_PS   (1ull << 7)     /* Page Size; at level 1 a memory type */
#define VTD_FS_EA   (1ull << 10)    /* Extended Accessed */

/* IOPTEntry.inherited: what an entry or one above it denies */
#define DENY_WRITE  (1u << 0)
#define DENY_USER   (1u << 1)

/* 3.6.1: what a leaf allows, with all levels above */
static IOPTFault vtd_fs_leaf(const IOPTTable *table, uint64_t entry,
                             bool supervisor, bool used, unsigned deny,
                             IOPTEntry *out)
{
    if (!supervisor && (deny & DENY_USER)) {
        return IOPT_FAULT_PRIVILEGE;
    }
    out->can = IOPT_READ;
    if (!(deny & DENY_WRITE) ||
        (supervisor && !(table->flags & IOPT_VTD_WPE))) {
        out->can |= IOPT_WRITE;
    }
    out->dirty = table->flags & IOPT_VTD_NO_UPDATE ? entry :
                 out->accessed | VTD_FS_D;
    if (used) {
        out->now = entry & VTD_FS_D ? out->can : out->can & ~IOPT_WRITE;
    }
    return IOPT_OK;
}

static IOPTFault vtd_fs_decode(const IOPTTable *table, unsigned level,
                               uint64_t entry, unsigned attrs,
                               unsigned inherited, IOPTEntry *out)
{
    const IOPTFormat *format = table->format;
    uint64_t mark = VTD_FS_A | (table->flags & IOPT_VTD_EAFE ? VTD_FS_EA : 0);
    bool used = (entry & mark) == mark;

    if (!(entry & VTD_FS_P)) {
        return IOPT_FAULT_NOT_PRESENT;
    }
    out->leaf = iopt_is_leaf(format, level, entry);
    if (entry & table->reserved[out->leaf][level]) {
        return IOPT_FAULT_RESERVED;
    }
    inherited |= (entry & VTD_FS_RW ? 0 : DENY_WRITE) |
                 (entry & VTD_FS_US ? 0 : DENY_USER);
    out->accessed = table->flags & IOPT_VTD_NO_UPDATE ? entry : entry | mark;
    if (out->leaf) {
        out->addr = iopt_entry_output(table, entry,
                                      iopt_level_shift(format, level));
        return vtd_fs_leaf(table, entry, attrs & IOPT_PRIV, used, inherited,
                           out);
    }
    out->addr = iopt_entry_output(table, entry, format->page_shift);
    out->inherited = inherited;
    out->can = out->now = IOPT_READ | IOPT_WRITE;
    return used ? IOPT_OK : IOPT_FAULT_ACCESS_FLAG;
}

const IOPTFormat iopt_vtd_fs = {
    .name = "vtd-fs",
    .page_shift = 12,
    .index_bits = 9,
    .leaf_bit = VTD_FS_PS,
    /* 4 KiB, 2 MiB (FS-PDE), 1 GiB (FS-PDPE) */
    .leaf_levels = 1u << 1 | 1u << 2 | 1u << 3,
    .decode = vtd_fs_decode,
};

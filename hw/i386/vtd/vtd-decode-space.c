/*
 * VT-d: what a PASID table entry says, as tables for the core's walker
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Layouts and their sections are in vtd-spec.h.
 */
#include "qemu/osdep.h"
#include "hw/iommu/iopt-vtd.h"
#include "vtd-decode.h"
#include "vtd-decode-sm.h"

/* Half of the first stage's top table */
#define VTD_FS_HALF_TABLE (VTD_PAGE_SIZE / 2)

/* 9.7: reserved fields of the first stage's entries */
static void vtd_fs_reserved(IOPTTable *table, uint8_t aw_bits, uint64_t cap)
{
    /* Address bits that the unit does not have */
    uint64_t all = ~(VTD_AW_MASK(aw_bits) | VTD_FS_IGNORED);
    bool huge = cap & VTD_CAP_FS1GP;

    for (unsigned level = 2; level <= IOPT_MAX_LEVELS; level++) {
        table->reserved[0][level] = all | (level > 3 ? VTD_FS_PS : 0);
    }
    table->reserved[1][1] = all;
    table->reserved[1][2] = all | VTD_FS_2M_RSVD;
    table->reserved[1][3] = all | (huge ? VTD_FS_1G_RSVD : VTD_FS_PS);
}

static void vtd_fs_tables(const VTDPASIDEntry *entry, uint8_t aw_bits,
                          uint64_t cap, IOPTSpace *space)
{
    unsigned width = iopt_vtd_fs.page_shift +
                     entry->fs_levels * iopt_vtd_fs.index_bits;

    space->table = (IOPTTable) {
        .format = &iopt_vtd_fs,
        .root = entry->fsptptr,
        .levels = entry->fs_levels,
        /* 3.6: the address is canonical: this is the lower half. */
        .input_bits = width - 1,
        .output_bits = VTD_HAW(aw_bits),
        .flags = (entry->pwsnp ? 0 : IOPT_VTD_NO_UPDATE) |
                 (entry->wpe ? IOPT_VTD_WPE : 0) |
                 (entry->eafe ? IOPT_VTD_EAFE : 0),
    };
    vtd_fs_reserved(&space->table, aw_bits, cap);
    space->upper = space->table;
    space->upper.root += VTD_FS_HALF_TABLE;
}

static void vtd_sm_ss_table(const VTDPASIDEntry *entry, uint8_t aw_bits,
                            uint64_t ecap, IOPTTable *table)
{
    vtd_ss_table(table, entry->ssptptr, entry->ss_levels, aw_bits,
                 ecap & VTD_ECAP_SC, false);
    if (entry->ssade) {
        table->format = &iopt_vtd_ss_ad;
        table->flags = entry->pwsnp ? 0 : IOPT_VTD_NO_UPDATE;
    }
}

void vtd_pasid_space(const VTDPASIDEntry *entry, uint8_t aw_bits,
                     uint64_t cap, uint64_t ecap, IOPTSpace *space)
{
    space->upper = (IOPTTable) { 0 };
    space->second = (IOPTTable) { 0 };
    switch (entry->pgtt) {
    case VTD_PGTT_FIRST:
        vtd_fs_tables(entry, aw_bits, cap, space);
        break;
    case VTD_PGTT_SECOND:
        vtd_sm_ss_table(entry, aw_bits, ecap, &space->table);
        break;
    case VTD_PGTT_NESTED:
        vtd_fs_tables(entry, aw_bits, cap, space);
        vtd_sm_ss_table(entry, aw_bits, ecap, &space->second);
        break;
    default:
        space->table = (IOPTTable) { 0 };
        break;
    }
}

/* SFS.1 to SFS.3, SFS.9 and SFS.10, SGN.1, SGN.2 and SGN.6 */
static VTDFaultReason vtd_fs_fault(IOPTFault kind, const IOPTResult *res,
                                   bool top, bool is_write)
{
    switch (kind) {
    case IOPT_FAULT_RANGE:
        return VTD_FR_SM_NON_CANONICAL;
    case IOPT_FAULT_READ_TABLE:
        return res->not_updated ? VTD_FR_FS_UPDATE :
               top ? VTD_FR_FS_TOP_ACCESS : VTD_FR_FS_ACCESS;
    case IOPT_FAULT_NOT_PRESENT:
        return VTD_FR_FS_P;
    case IOPT_FAULT_RESERVED:
        return VTD_FR_FS_RSVD;
    case IOPT_FAULT_PRIVILEGE:
        return VTD_FR_SM_USER;
    case IOPT_FAULT_UPDATE:
        return VTD_FR_FS_NO_SNOOP;
    default:
        return is_write ? VTD_FR_SM_WRITE : VTD_FR_SM_READ;
    }
}

/*
 * The second stage does not let the first's entry be read or written: SFS.5 to
 * SFS.8.  VTD_FR_NONE: the reason is the second stage's own.
 */
static VTDFaultReason vtd_fs_entry_fault(const IOPTTable *first,
                                         IOPTFault kind,
                                         const IOPTResult *res)
{
    bool top = (res->ipa & VTD_PAGE_MASK) == (first->root & VTD_PAGE_MASK);

    if (kind == IOPT_FAULT_RANGE) {
        return VTD_FR_FS_BEYOND_MGAW;
    }
    if (kind != IOPT_FAULT_PERMISSION || !res->perm) {
        return VTD_FR_NONE;
    }
    return res->table_write ? VTD_FR_FS_WRITE :
           top ? VTD_FR_FS_TOP_READ : VTD_FR_FS_READ;
}

/* SSS.1 to SSS.6, SGN.5 to SGN.7 */
static VTDFaultReason vtd_ss_fault(IOPTFault kind, const IOPTResult *res,
                                   bool top, bool is_write)
{
    switch (kind) {
    case IOPT_FAULT_RANGE:
        return VTD_FR_SM_BEYOND_MGAW;
    case IOPT_FAULT_READ_TABLE:
        return res->not_updated ? VTD_FR_SS_UPDATE :
               top ? VTD_FR_SS_TOP_ACCESS : VTD_FR_SS_ACCESS;
    case IOPT_FAULT_NOT_PRESENT:
        return VTD_FR_SS_P;
    case IOPT_FAULT_RESERVED:
        return VTD_FR_SS_RSVD;
    case IOPT_FAULT_UPDATE:
        return VTD_FR_SS_NO_SNOOP;
    default:
        return !res->perm ? VTD_FR_SS_P :
               is_write ? VTD_FR_SM_WRITE : VTD_FR_SM_READ;
    }
}

VTDFaultReason vtd_sm_walk_fault(const IOPTSpace *space, IOPTFault kind,
                                 const IOPTResult *res, bool is_write)
{
    const IOPTTable *table = res->second ? &space->second : &space->table;
    bool top = res->level == table->levels;
    VTDFaultReason reason = VTD_FR_NONE;

    if (table->format == &iopt_vtd_fs) {
        return vtd_fs_fault(kind, res, top, is_write);
    }
    if (res->on_table) {
        reason = vtd_fs_entry_fault(&space->table, kind, res);
    }
    return reason ?: vtd_ss_fault(kind, res, top, is_write);
}

/*
 * I/O page-table formats: AMD-Vi, guest translations
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * AMD I/O Virtualization Technology specification (48882) 2.2.6, I/O page
 * tables for guest translations: those that processors use in long mode.  Only
 * facts of the format.
 *
 * Every access is a user's, and none fetches instructions (EFR.USSup and NXSup
 * are clear): a page without U/S is nobody's, and NX says nothing.
 */
#include "qemu/osdep.h"
#include "hw/iommu/iopt-amd.h"
#include "iopt-internal.h"

#define V2_P            (1ull << 0)     /* Present */
#define V2_RW           (1ull << 1)     /* Read/Write */
#define V2_US           (1ull << 2)     /* User/Supervisor */
#define V2_A            (1ull << 5)     /* Accessed */
#define V2_D            (1ull << 6)     /* Dirty; pages only */
#define V2_PS           (1ull << 7)     /* Page Size; level 1: memory type */

/* A page's memory type is in bit 12 if it is larger than 4 KiB. */
#define V2_2M_RESERVED  0x00000000001fe000ull
#define V2_1G_RESERVED  0x000000003fffe000ull

#define ADDRESS_BITS    52

/* IOPTEntry.inherited: what an entry or one above it denies */
#define DENY_WRITE      (1u << 0)
#define DENY_USER       (1u << 1)

bool iopt_amd_v2_reserved(unsigned level, uint64_t entry)
{
    if (!(entry & V2_PS)) {
        return false;
    }
    switch (level) {
    case 1:
        return false;
    case 2:
        return entry & V2_2M_RESERVED;
    case 3:
        return entry & V2_1G_RESERVED;
    default:
        return true;
    }
}

/* What a page allows, with all levels above and the device table entry */
static IOPTFault amd_v2_page(const IOPTTable *table, uint64_t entry,
                             unsigned deny, IOPTEntry *out)
{
    if (deny & DENY_USER) {
        return IOPT_FAULT_PRIVILEGE;
    }
    out->can = IOPT_READ | (deny & DENY_WRITE ? 0 : IOPT_WRITE);
    out->can &= ~table->flags;
    out->dirty = out->accessed | V2_D;
    if (entry & V2_A) {
        out->now = entry & V2_D ? out->can : out->can & ~IOPT_WRITE;
    }
    return IOPT_OK;
}

static IOPTFault amd_v2_decode(const IOPTTable *table, unsigned level,
                               uint64_t entry, unsigned attrs,
                               unsigned inherited, IOPTEntry *out)
{
    const IOPTFormat *format = table->format;

    if (!(entry & V2_P)) {
        return IOPT_FAULT_NOT_PRESENT;
    }
    if (iopt_amd_v2_reserved(level, entry)) {
        return IOPT_FAULT_RESERVED;
    }
    out->leaf = iopt_is_leaf(format, level, entry);
    out->accessed = entry | V2_A;
    inherited |= (entry & V2_RW ? 0 : DENY_WRITE) |
                 (entry & V2_US ? 0 : DENY_USER);
    if (out->leaf) {
        out->addr = iopt_entry_output(table, entry,
                                      iopt_level_shift(format, level));
        return amd_v2_page(table, entry, inherited, out);
    }
    out->addr = iopt_entry_output(table, entry, format->page_shift);
    out->inherited = inherited;
    out->can = out->now = IOPT_READ | IOPT_WRITE;
    return entry & V2_A ? IOPT_OK : IOPT_FAULT_ACCESS_FLAG;
}

const IOPTFormat iopt_amd_v2 = {
    .name = "amd-v2",
    .page_shift = 12,
    .index_bits = 9,
    .leaf_bit = V2_PS,
    .leaf_levels = 1u << 1 | 1u << 2 | 1u << 3,
    .decode = amd_v2_decode,
};

void iopt_amd_v2_space(IOPTSpace *space, uint64_t root, unsigned levels,
                       uint32_t flags)
{
    unsigned bits = iopt_amd_v2.page_shift + levels * iopt_amd_v2.index_bits;

    space->table = (IOPTTable) {
        .format = &iopt_amd_v2,
        .root = root,
        .levels = levels,
        .input_bits = bits - 1,
        .output_bits = ADDRESS_BITS,
        .flags = flags,
    };
    space->upper = space->table;
    space->upper.root += sizeof(uint64_t) << (iopt_amd_v2.index_bits - 1);
}

/*
 * I/O page-table formats: AMD-Vi, host translations
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * AMD I/O Virtualization Technology specification (48882) 2.2.3, I/O page
 * tables for host translations.  Only facts of the format.
 *
 * Neither Accessed nor Dirty is ever set (EFR.HASup and HDSup are clear).
 */
#include "qemu/osdep.h"
#include "hw/iommu/iopt-amd.h"
#include "iopt-internal.h"

#define ENTRY_PR            (1ull << 0)     /* Present */
#define ENTRY_NEXT_LEVEL(e) ((e) >> 9 & 7)
#define ENTRY_ADDR          0x000ffffffffff000ull
#define ENTRY_IR            (1ull << 61)    /* I/O Read */
#define ENTRY_IW            (1ull << 62)    /* I/O Write */

/* Next Level: it is a page, of the level's own size, or the address says */
#define NEXT_LEVEL_PAGE     0
#define NEXT_LEVEL_SIZED    7

/* A page also has U and FC, bits 59 and 60. */
#define RESERVED_PAGE       (0x7full << 52)
#define RESERVED_DIRECTORY  (0x1ffull << 52)

#define ADDRESS_BITS        52

static bool amd_v1_is_page(uint64_t entry)
{
    return ENTRY_NEXT_LEVEL(entry) == NEXT_LEVEL_PAGE ||
           ENTRY_NEXT_LEVEL(entry) == NEXT_LEVEL_SIZED;
}

bool iopt_amd_v1_reserved(unsigned level, uint64_t entry)
{
    return entry & (amd_v1_is_page(entry) ? RESERVED_PAGE :
                                            RESERVED_DIRECTORY);
}

/*
 * log2 of the size that the address says: with n ones from bit 12 on it is
 * 2^(13 + n).  More than 52 if there is no zero.
 */
static unsigned amd_v1_said_shift(uint64_t entry)
{
    unsigned shift = 13;

    while (shift <= ADDRESS_BITS && (entry >> (shift - 1) & 1)) {
        shift++;
    }
    return shift;
}

/* A page's size; 0 if there is none such at @level. */
static unsigned amd_v1_page_shift(const IOPTFormat *format, unsigned level,
                                  uint64_t entry)
{
    unsigned least = iopt_level_shift(format, level);
    unsigned shift;

    if (level == IOPT_AMD_V1_MAX_LEVELS) {
        return 0;
    }
    if (ENTRY_NEXT_LEVEL(entry) == NEXT_LEVEL_PAGE) {
        return least;
    }
    shift = amd_v1_said_shift(entry);
    return shift > least && shift < least + format->index_bits &&
           shift <= ADDRESS_BITS ? shift : 0;
}

static IOPTFault amd_v1_decode(const IOPTTable *table, unsigned level,
                               uint64_t entry, unsigned attrs,
                               unsigned inherited, IOPTEntry *out)
{
    const IOPTFormat *format = table->format;
    unsigned next = ENTRY_NEXT_LEVEL(entry), shift = format->page_shift;

    if (!(entry & ENTRY_PR)) {
        return IOPT_FAULT_NOT_PRESENT;
    }
    if (iopt_amd_v1_reserved(level, entry)) {
        return IOPT_FAULT_RESERVED;
    }
    out->leaf = amd_v1_is_page(entry);
    if (out->leaf) {
        shift = amd_v1_page_shift(format, level, entry);
        if (!shift) {
            return IOPT_FAULT_RESERVED;
        }
        if (next == NEXT_LEVEL_SIZED) {
            out->leaf_shift = shift;
        }
    } else if (next >= level) {
        return IOPT_FAULT_RESERVED;
    } else if (next != level - 1) {
        out->next_level = next;
    }
    out->addr = entry & ENTRY_ADDR & ~iopt_block_last(0, shift);
    /* IR and IW of all levels count, the device table entry's included. */
    out->can = (entry & ENTRY_IR ? IOPT_READ : 0) |
               (entry & ENTRY_IW ? IOPT_WRITE : 0);
    out->can &= ~(inherited | table->flags);
    out->now = out->can;
    out->inherited = ~out->can & (IOPT_READ | IOPT_WRITE);
    out->accessed = out->dirty = entry;
    return IOPT_OK;
}

const IOPTFormat iopt_amd_v1 = {
    .name = "amd-v1",
    .page_shift = 12,
    .index_bits = 9,
    .leaf_levels = 1u << 1 | 1u << 2 | 1u << 3 | 1u << 4 | 1u << 5,
    .decode = amd_v1_decode,
};

void iopt_amd_v1_table(IOPTTable *table, uint64_t root, unsigned mode,
                       uint32_t flags)
{
    unsigned bits = iopt_amd_v1.page_shift + mode * iopt_amd_v1.index_bits;

    *table = (IOPTTable) {
        .format = &iopt_amd_v1,
        .root = root,
        .levels = mode,
        .input_bits = MIN(bits, 64),
        .output_bits = ADDRESS_BITS,
        .flags = flags,
    };
}

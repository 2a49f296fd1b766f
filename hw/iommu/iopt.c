/*
 * I/O page-table walker: one stage, with the table format as data
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Everything in a table is the guest's: any address, any loop.  A walk is as
 * long as the table is deep.
 */
#include "qemu/osdep.h"
#include "iopt-internal.h"

/*
 * Of a format that is data, where nothing is updated: the permissions that the
 * entry gives, and whether it leads on, are bits of it.
 */
static IOPTFault walk_plain(const IOPTTable *table, uint64_t iova,
                            unsigned access, IOPTRead *read, void *opaque,
                            IOPTResult *out)
{
    const IOPTFormat *format = table->format;
    const uint64_t address = iopt_block_last(0, table->output_bits) &
                             ~iopt_block_last(0, format->page_shift);
    unsigned level = table->levels;
    unsigned shift = iopt_level_shift(format, level);
    uint64_t base = table->root;

    out->perm = IOPT_READ | IOPT_WRITE;
    for (;; level--, shift -= format->index_bits) {
        uint64_t addr = iopt_entry_addr(table, base, level, iova);
        uint64_t entry;
        unsigned perm;
        bool leaf;

        out->level = level;
        out->shift = shift;
        out->entry = 0;
        if (!read(opaque, addr, &entry)) {
            out->fetch = addr;
            return IOPT_FAULT_READ_TABLE;
        }
        out->entry = entry;
        perm = (entry & format->read_bit ? IOPT_READ : 0) |
               (entry & format->write_bit ? IOPT_WRITE : 0);
        if (!perm) {
            return IOPT_FAULT_NOT_PRESENT;
        }
        leaf = iopt_is_leaf(format, level, entry);
        if (entry & table->reserved[leaf][level]) {
            return IOPT_FAULT_RESERVED;
        }
        out->perm &= perm;
        if (!out->perm || (access & ~out->perm)) {
            return IOPT_FAULT_PERMISSION;
        }
        base = entry & address;
        if (leaf) {
            out->addr = base & ~iopt_block_last(0, shift);
            return IOPT_OK;
        }
    }
}

IOPTFault iopt_walk(const IOPTTable *table, uint64_t iova, unsigned access,
                    IOPTRead *read, void *opaque, IOPTResult *out)
{
    if (unlikely(table->format->decode)) {
        IOPTMem mem = { .read = read, .opaque = opaque };
        IOPTWalk w = { .mem = &mem, .reads_left = UINT64_MAX };

        return iopt_stage_walk(&w, table, false, iova, access, 0, out);
    }
    iopt_check_table(table);
    memset(out, 0, sizeof(*out));
    if (iova > iopt_input_last(table)) {
        return IOPT_FAULT_RANGE;
    }
    return walk_plain(table, iova, access, read, opaque, out);
}

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
 * Read and check the entry for @iova in the table @base.  @out->perm is what
 * the levels above allow, and is narrowed; *@leaf is set if it is IOPT_OK.
 */
static IOPTFault read_entry(const IOPTTable *table, uint64_t base,
                            unsigned level, uint64_t iova, unsigned access,
                            IOPTRead *read, void *opaque, IOPTResult *out,
                            bool *leaf)
{
    const IOPTFormat *format = table->format;
    unsigned perm;
    uint64_t entry, addr;

    out->level = level;
    out->shift = iopt_level_shift(format, level);
    out->entry = 0;
    addr = iopt_entry_addr(table, base, level, iova);
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
    *leaf = iopt_is_leaf(format, level, entry);
    if (entry & table->reserved[*leaf][level]) {
        return IOPT_FAULT_RESERVED;
    }
    out->perm &= perm;
    if (!out->perm || (access & ~out->perm)) {
        return IOPT_FAULT_PERMISSION;
    }
    return IOPT_OK;
}

IOPTFault iopt_walk(const IOPTTable *table, uint64_t iova, unsigned access,
                    IOPTRead *read, void *opaque, IOPTResult *out)
{
    uint64_t base = table->root;
    unsigned level;

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
    out->perm = IOPT_READ | IOPT_WRITE;
    for (level = table->levels; ; level--) {
        bool leaf;
        IOPTFault fault = read_entry(table, base, level, iova, access,
                                     read, opaque, out, &leaf);

        if (fault != IOPT_OK) {
            return fault;
        }
        if (leaf) {
            out->addr = iopt_entry_output(table, out->entry, out->shift);
            return IOPT_OK;
        }
        base = iopt_entry_output(table, out->entry, table->format->page_shift);
    }
}

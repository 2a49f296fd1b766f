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
                            IOPTPath *path, IOPTResult *out)
{
    const IOPTFormat *format = table->format;
    const uint64_t address = iopt_block_last(0, table->output_bits) &
                             ~iopt_block_last(0, format->page_shift);
    unsigned level = table->levels, inherited = 0;
    uint64_t base = table->root;
    unsigned shift;

    if (path) {
        level = iopt_path_begin(path, table, iova, access, &base, &inherited);
    }
    shift = iopt_level_shift(format, level);
    out->perm = (IOPT_READ | IOPT_WRITE) & ~inherited;
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
        if (path) {
            iopt_path_step(path, level, base, ~out->perm, out->perm);
        }
    }
}

/* May a walk of @table for @iova begin?  @out is zeroed. */
static bool plain_starts(const IOPTTable *table, uint64_t iova,
                         IOPTResult *out)
{
    iopt_check_table(table);
    memset(out, 0, sizeof(*out));
    return iova <= iopt_input_last(table);
}

IOPTFault iopt_walk_plain(const IOPTTable *table, uint64_t iova,
                          unsigned access, const IOPTMem *mem,
                          IOPTResult *out)
{
    IOPTPath *path = mem->memo && mem->update ? &mem->memo->first : NULL;
    IOPTFault fault;

    if (!plain_starts(table, iova, out)) {
        return IOPT_FAULT_RANGE;
    }
    if (path && path->lowest) {
        fault = walk_plain(table, iova, access, mem->read, mem->opaque, path,
                           out);
        if (likely(fault == IOPT_OK)) {
            return fault;
        }
        /* Of what is there now, not of what was met before. */
        path->lowest = 0;
        memset(out, 0, sizeof(*out));
    }
    return walk_plain(table, iova, access, mem->read, mem->opaque, path, out);
}

IOPTFault iopt_walk(const IOPTTable *table, uint64_t iova, unsigned access,
                    IOPTRead *read, void *opaque, IOPTResult *out)
{
    if (unlikely(table->format->decode)) {
        IOPTMem mem = { .read = read, .opaque = opaque };
        IOPTWalk w = { .mem = &mem, .reads_left = UINT64_MAX };

        return iopt_stage_walk(&w, table, false, iova, access, 0, out);
    }
    if (!plain_starts(table, iova, out)) {
        return IOPT_FAULT_RANGE;
    }
    return walk_plain(table, iova, access, read, opaque, NULL, out);
}

/*
 * I/O page-table walker, with table formats as data
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Everything in a table is the guest's: any address, any loop.  A walk is as
 * long as the table is deep; a range walk also counts the entries it reads,
 * because a table that points to itself has more leaves than anyone can
 * visit.
 */
#include "qemu/osdep.h"
#include "hw/iommu/iopt.h"

/* log2 of what one entry at @level covers */
static inline unsigned level_shift(const IOPTFormat *format, unsigned level)
{
    return format->page_shift + (level - 1) * format->index_bits;
}

/* The last of the bytes that start at a multiple of 1 << @shift, @base. */
static inline uint64_t block_last(uint64_t base, unsigned shift)
{
    return base | (shift < 64 ? ((uint64_t)1 << shift) - 1 : UINT64_MAX);
}

/* What the model, not the guest, is responsible for. */
static inline void check_table(const IOPTTable *table)
{
    assert(table->levels >= 1 && table->levels <= IOPT_MAX_LEVELS);
    assert(level_shift(table->format, table->levels) < 64);
}

static inline uint64_t input_last(const IOPTTable *table)
{
    return block_last(0, table->input_bits);
}

/*
 * The top table has as many entries as input_bits asks for, so its index is
 * not masked.
 */
static inline uint64_t entry_addr(const IOPTTable *table, uint64_t base,
                                  unsigned level, uint64_t iova)
{
    uint64_t index = iova >> level_shift(table->format, level);

    if (level < table->levels) {
        index &= ((uint64_t)1 << table->format->index_bits) - 1;
    }
    return base + index * sizeof(uint64_t);
}

static inline bool is_leaf(const IOPTFormat *format, unsigned level,
                           uint64_t entry)
{
    return level == 1 || ((entry & format->leaf_bit) &&
                          (format->leaf_levels >> level & 1));
}

static inline uint64_t entry_output(const IOPTTable *table, uint64_t entry,
                                    unsigned shift)
{
    return entry & block_last(0, table->output_bits) &
           ~block_last(0, shift);
}

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
    uint64_t entry;

    out->level = level;
    out->shift = level_shift(format, level);
    out->entry = 0;
    if (!read(opaque, entry_addr(table, base, level, iova), &entry)) {
        return IOPT_FAULT_READ_TABLE;
    }
    out->entry = entry;
    perm = (entry & format->read_bit ? IOPT_READ : 0) |
           (entry & format->write_bit ? IOPT_WRITE : 0);
    if (!perm) {
        return IOPT_FAULT_NOT_PRESENT;
    }
    *leaf = is_leaf(format, level, entry);
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

    check_table(table);
    memset(out, 0, sizeof(*out));
    if (iova > input_last(table)) {
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
            out->addr = entry_output(table, out->entry, out->shift);
            return IOPT_OK;
        }
        base = entry_output(table, out->entry, table->format->page_shift);
    }
}

typedef struct RangeWalk {
    const IOPTTable *table;
    IOPTRead *read;
    void *opaque;
    IOPTVisit *visit;
    void *visit_opaque;
    uint64_t reads_left;
    uint64_t next;           /* everything below it has been visited */
    uint64_t last;
    bool complete;           /* @last has been visited */
    bool stopped;            /* the visitor said so */
} RangeWalk;

static bool visit_part(RangeWalk *w, uint64_t first, uint64_t last,
                  const IOPTResult *res)
{
    /* @next wraps to 0 after the very last byte; @complete tells. */
    w->next = last + 1;
    w->complete = last == w->last;
    w->stopped = !w->visit(w->visit_opaque, first, last, res);
    return !w->stopped;
}

/* Visit what lies between the previous leaf and @last as one hole. */
static bool visit_hole(RangeWalk *w, uint64_t last)
{
    const IOPTResult hole = { 0 };

    return visit_part(w, w->next, last, &hole);
}

/*
 * Visit @first .. @last, all of it below the table @base, whose level is
 * @level; @perm is what the levels above allow.  The recursion is as deep as
 * the table has levels.  Returns: false to stop.
 */
static bool walk_table(RangeWalk *w, uint64_t base, unsigned level,
                       unsigned perm, uint64_t first, uint64_t last)
{
    const IOPTTable *table = w->table;
    unsigned shift = level_shift(table->format, level);
    uint64_t iova = first;

    for (;;) {
        uint64_t end = MIN(last, block_last(iova, shift));
        IOPTResult res = { .perm = perm };
        IOPTFault fault;
        bool leaf;

        if (w->reads_left == 0) {
            return false;
        }
        w->reads_left--;
        fault = read_entry(table, base, level, iova, 0, w->read, w->opaque,
                           &res, &leaf);
        /* What faults joins the hole that is reported before the next leaf. */
        if (fault == IOPT_OK && leaf) {
            if (w->next < iova && !visit_hole(w, iova - 1)) {
                return false;
            }
            res.addr = entry_output(table, res.entry, shift);
            if (!visit_part(w, iova, end, &res)) {
                return false;
            }
        } else if (fault == IOPT_OK) {
            uint64_t below = entry_output(table, res.entry,
                                          table->format->page_shift);

            if (!walk_table(w, below, level - 1, res.perm, iova, end)) {
                return false;
            }
        }
        if (end == last) {
            return true;
        }
        iova = end + 1;
    }
}

bool iopt_walk_range(const IOPTTable *table, uint64_t first, uint64_t last,
                     IOPTRead *read, void *opaque,
                     IOPTVisit *visit, void *visit_opaque)
{
    RangeWalk w = {
        .table = table,
        .read = read,
        .opaque = opaque,
        .visit = visit,
        .visit_opaque = visit_opaque,
        .reads_left = table->max_reads ?: IOPT_MAX_READS,
        .next = first,
        .last = MIN(last, input_last(table)),
    };
    bool all;

    check_table(table);
    if (first > w.last) {
        return true;
    }
    all = walk_table(&w, table->root, table->levels, IOPT_READ | IOPT_WRITE,
                     first, w.last);
    if (w.stopped || (!w.complete && !visit_hole(&w, w.last))) {
        return false;
    }
    return all;
}

IOPTFault iopt_space_walk(const IOPTSpace *space, uint64_t iova,
                          unsigned access, const IOPTMem *mem,
                          IOPTResult *out)
{
    return iopt_walk(&space->table, iova, access, mem->read, mem->opaque, out);
}

bool iopt_space_walk_range(const IOPTSpace *space, uint64_t first,
                           uint64_t last, const IOPTMem *mem,
                           IOPTVisit *visit, void *visit_opaque)
{
    return iopt_walk_range(&space->table, first, last, mem->read, mem->opaque,
                           visit, visit_opaque);
}

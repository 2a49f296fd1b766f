/*
 * I/O page-table walker: what its files share
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_IOMMU_IOPT_INTERNAL_H
#define HW_IOMMU_IOPT_INTERNAL_H

#include "hw/iommu/iopt.h"

/* Blocks of a range that is not translated: what caches can keep as a page */
#define IOPT_IDENTITY_SHIFT_MIN 12
#define IOPT_IDENTITY_SHIFT_MAX 52

/* log2 of what one entry at @level covers */
static inline unsigned iopt_level_shift(const IOPTFormat *format,
                                        unsigned level)
{
    return format->page_shift + (level - 1) * format->index_bits;
}

/* The last of the bytes that start at a multiple of 1 << @shift, @base. */
static inline uint64_t iopt_block_last(uint64_t base, unsigned shift)
{
    return base | (shift < 64 ? ((uint64_t)1 << shift) - 1 : UINT64_MAX);
}

/* What the model, not the guest, is responsible for. */
static inline void iopt_check_table(const IOPTTable *table)
{
    assert(table->levels >= 1 && table->levels <= IOPT_MAX_LEVELS);
    assert(iopt_level_shift(table->format, table->levels) < 64);
}

static inline uint64_t iopt_input_last(const IOPTTable *table)
{
    return iopt_block_last(0, table->input_bits);
}

/*
 * The top table has as many entries as input_bits asks for, so its index is
 * not masked.
 */
static inline uint64_t iopt_entry_addr(const IOPTTable *table, uint64_t base,
                                       unsigned level, uint64_t iova)
{
    uint64_t index = iova >> iopt_level_shift(table->format, level);

    if (level < table->levels) {
        index &= ((uint64_t)1 << table->format->index_bits) - 1;
    }
    return base + index * sizeof(uint64_t);
}

static inline bool iopt_is_leaf(const IOPTFormat *format, unsigned level,
                                uint64_t entry)
{
    return level == 1 || ((entry & format->leaf_bit) &&
                          (format->leaf_levels >> level & 1));
}

static inline uint64_t iopt_entry_output(const IOPTTable *table,
                                         uint64_t entry, unsigned shift)
{
    return entry & iopt_block_last(0, table->output_bits) &
           ~iopt_block_last(0, shift);
}

/* A walk through up to two stages. */
typedef struct IOPTWalk {
    const IOPTTable *second; /* NULL: none */
    const IOPTMem *mem;
    uint64_t reads_left;     /* entries */
    bool exhausted;          /* one more was wanted: the fault says nothing */
    bool update;             /* entries are updated: no probe */
    IOPTMemo *memo;          /* NULL: every step is made */
    bool remembers;          /* it is of walks before this one, too */
} IOPTWalk;

/* IOPTFormat.decode of the formats that are data */
static inline IOPTFault iopt_plain_decode(const IOPTTable *table,
                                          unsigned level, uint64_t entry,
                                          unsigned inherited, IOPTEntry *out)
{
    const IOPTFormat *format = table->format;
    unsigned perm = (entry & format->read_bit ? IOPT_READ : 0) |
                    (entry & format->write_bit ? IOPT_WRITE : 0);

    if (!perm) {
        return IOPT_FAULT_NOT_PRESENT;
    }
    out->leaf = iopt_is_leaf(format, level, entry);
    if (entry & table->reserved[out->leaf][level]) {
        return IOPT_FAULT_RESERVED;
    }
    /* Inherited is what the levels above do not allow. */
    perm &= ~inherited;
    out->inherited = ~perm;
    out->can = out->now = perm;
    out->global = false;
    out->leaf_shift = out->next_level = 0;
    out->accessed = out->dirty = entry;
    out->addr = iopt_entry_output(table, entry, out->leaf ?
                                  iopt_level_shift(format, level) :
                                  format->page_shift);
    return IOPT_OK;
}

static inline IOPTFault iopt_decode(const IOPTTable *table, unsigned level,
                                    uint64_t entry, unsigned attrs,
                                    unsigned inherited, IOPTEntry *out)
{
    if (table->format->decode) {
        memset(out, 0, sizeof(*out));
        return table->format->decode(table, level, entry, attrs, inherited,
                                     out);
    }
    return iopt_plain_decode(table, level, entry, inherited, out);
}

/* The level of the table that the entry @e of @level leads to */
static inline unsigned iopt_next_level(const IOPTEntry *e, unsigned level)
{
    return likely(!e->next_level) ? level - 1 : e->next_level;
}

/*
 * The last of the addresses that begin with the first byte of the entry's, of
 * those around @iova, and that the table which it leads to covers.
 */
static inline uint64_t iopt_covered_last(const IOPTTable *table,
                                         unsigned level, const IOPTEntry *e,
                                         uint64_t iova)
{
    uint64_t block = iopt_block_last(0, iopt_level_shift(table->format,
                                                         level));

    return iopt_block_last(iova & ~block,
                           iopt_level_shift(table->format,
                                            iopt_next_level(e, level) + 1));
}

/* Is @iova among those?  It is, if no level is skipped. */
static inline bool iopt_is_covered(const IOPTTable *table, unsigned level,
                                   const IOPTEntry *e, uint64_t iova)
{
    return likely(!e->next_level) ||
           iova <= iopt_covered_last(table, level, e, iova);
}

/* Does the entry lead to a table, and is to be marked accessed first? */
static inline bool iopt_is_unmarked(IOPTFault fault, const IOPTEntry *e)
{
    return fault == IOPT_FAULT_ACCESS_FLAG && e->accessed;
}

/* The same, and it may be marked. */
static inline bool iopt_is_markable(IOPTFault fault, uint64_t entry,
                                    const IOPTEntry *e)
{
    return iopt_is_unmarked(fault, e) && e->accessed != entry;
}

/* What @entry allows if all that can be updated is. */
static inline unsigned iopt_updated_perm(uint64_t entry, const IOPTEntry *e)
{
    return e->dirty == entry ? e->now : e->can;
}

/*
 * log2 of the largest block of @space's identity range that @iova, which is in
 * it, lies in.
 */
static inline unsigned iopt_identity_shift(const IOPTSpace *space,
                                           uint64_t iova)
{
    unsigned shift = IOPT_IDENTITY_SHIFT_MIN;

    while (shift < IOPT_IDENTITY_SHIFT_MAX) {
        uint64_t ones = iopt_block_last(0, shift + 1);

        if ((iova & ~ones) < space->identity_first ||
            (iova | ones) > space->identity_last) {
            break;
        }
        shift++;
    }
    return shift;
}

static inline bool iopt_is_identity(const IOPTSpace *space, uint64_t iova)
{
    return unlikely(space->identity_perm) && iova >= space->identity_first &&
           iova <= space->identity_last;
}

/*
 * A walk of a stage for @iova begins: at @base, the table of the level that is
 * returned.  An entry that leads to a table says the same whatever
 * @attrs are (IOPTFormat.decode).
 */
static inline unsigned iopt_path_begin(IOPTPath *path, const IOPTTable *table,
                                       uint64_t iova, unsigned access,
                                       uint64_t *base, unsigned *inherited)
{
    unsigned level = path->lowest ?: table->levels;

    while (level < table->levels &&
           ((iova ^ path->iova) >> iopt_level_shift(table->format, level + 1) ||
            (access & ~path->can[level]))) {
        level++;
    }
    path->iova = iova;
    path->lowest = level;
    if (level < table->levels) {
        *base = path->base[level];
        *inherited = path->inherited[level];
    } else {
        path->can[level] = IOPT_READ | IOPT_WRITE;
    }
    return level;
}

/* It goes on from the table of @level to @base, the next one. */
static inline void iopt_path_step(IOPTPath *path, unsigned level,
                                  uint64_t base, unsigned inherited,
                                  unsigned can)
{
    if (path->lowest == level) {
        path->lowest = level - 1;
        path->base[level - 1] = base;
        path->inherited[level - 1] = inherited;
        path->can[level - 1] = path->can[level] & can;
    }
}

/*
 * iopt_stage_start: may a walk of @table begin?  RANGE if it is disabled,
 * ADDR_SIZE if it is beyond its own output_bits.
 */
IOPTFault iopt_stage_start(const IOPTTable *table, IOPTResult *out);

/*
 * iopt_stage_walk: translate @iova, which counts from the first byte that
 * @table covers, by one stage.
 *
 * @nested: @table's entries are read through w->second
 */
IOPTFault iopt_stage_walk(IOPTWalk *w, const IOPTTable *table, bool nested,
                          uint64_t iova, unsigned access, unsigned attrs,
                          IOPTResult *out);

/*
 * iopt_walk_plain: as iopt_walk() of a format that is data, with @mem->memo as
 * iopt_space_walk() has it.
 */
IOPTFault iopt_walk_plain(const IOPTTable *table, uint64_t iova,
                          unsigned access, const IOPTMem *mem,
                          IOPTResult *out);

/*
 * iopt_locate_entry: where in memory the first stage's entry at @addr is, for
 * @access: IOPT_READ, or IOPT_WRITE: it will be written.
 *
 * @page: keeps the last answer between calls; NULL: nothing is kept
 */
IOPTFault iopt_locate_entry(IOPTWalk *w, uint64_t addr, unsigned access,
                            IOPTTablePage *page, uint64_t *memory,
                            IOPTResult *out);

/*
 * iopt_read_entry: read the entry at @addr into @out->entry; @nested: @addr is
 * an address before w->second.
 */
static inline IOPTFault iopt_read_entry(IOPTWalk *w, bool nested,
                                        uint64_t addr, IOPTTablePage *page,
                                        IOPTResult *out)
{
    if (nested) {
        IOPTFault fault = iopt_locate_entry(w, addr, IOPT_READ, page, &addr,
                                            out);

        if (fault != IOPT_OK) {
            return fault;
        }
        out->fetch = addr;
    }
    if (w->reads_left == 0) {
        w->exhausted = true;
        return IOPT_FAULT_READ_TABLE;
    }
    w->reads_left--;
    if (!w->mem->read(w->mem->opaque, addr, &out->entry)) {
        out->fetch = addr;
        return IOPT_FAULT_READ_TABLE;
    }
    return IOPT_OK;
}

#endif

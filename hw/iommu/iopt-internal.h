/*
 * I/O page-table walker: what its files share
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_IOMMU_IOPT_INTERNAL_H
#define HW_IOMMU_IOPT_INTERNAL_H

#include "hw/iommu/iopt.h"

/* log2 of what one entry at @level covers */
static inline unsigned iopt_level_shift(const IOPTFormat *format, unsigned level)
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

static inline uint64_t iopt_entry_output(const IOPTTable *table, uint64_t entry,
                                    unsigned shift)
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
} IOPTWalk;

/* iopt_plain_decode: IOPTFormat.decode of the formats that are data. */
IOPTFault iopt_plain_decode(const IOPTTable *table, unsigned level,
                            uint64_t entry, unsigned attrs,
                            unsigned inherited, IOPTEntry *out);

static inline IOPTFault iopt_decode(const IOPTTable *table, unsigned level,
                                    uint64_t entry, unsigned attrs,
                                    unsigned inherited, IOPTEntry *out)
{
    memset(out, 0, sizeof(*out));
    return (table->format->decode ?: iopt_plain_decode)(table, level, entry,
                                                        attrs, inherited, out);
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
 * iopt_read_entry: read the entry at @addr; if @nested an address before
 * w->second, for @access (IOPT_READ, or IOPT_WRITE: it will be written).
 * *@page caches where a page of tables leads between calls; NULL: does not.
 */
typedef struct IOPTTablePage {
    uint64_t first, addr;
    uint8_t shift;           /* 0: nothing cached */
} IOPTTablePage;

IOPTFault iopt_read_entry(IOPTWalk *w, bool nested, uint64_t addr,
                          IOPTTablePage *page, uint64_t *entry,
                          IOPTResult *out);

#endif

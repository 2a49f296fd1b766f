/*
 * I/O page tables: what an entry says, and what is wrong with it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pure functions; any thread, no lock.  The format's own decoder is asked, over
 * and over if need be: there is no second reading of an entry.
 */
#ifndef HW_IOMMU_IOPT_EXPLAIN_H
#define HW_IOMMU_IOPT_EXPLAIN_H

#include "hw/iommu/iopt.h"

typedef struct IOPTSays {
    bool ok;                 /* the walk went on, or had arrived */
    bool leaf;               /* @ok: a page, not a table */
    bool updates;            /* the access would have the entry updated */
    unsigned shift;          /* log2 of what the entry covers */
    uint64_t addr;           /* @ok: where it leads */
    uint8_t perm;            /* @ok: IOPT_READ | IOPT_WRITE */
    /*
     * Not @ok: bits any one of which, if it alone were the other way round,
     * would let the walk go on.  0: no single bit does it.  Of a reserved bit
     * that is set only such bits: no other, although a table may be where a
     * page was meant.
     */
    uint64_t culprits;
    uint64_t reserved;       /* not @ok: set, and reserved; 0: none known */
} IOPTSays;

/**
 * iopt_explain: what the entry that @step tells of says to the access.
 */
void iopt_explain(const IOPTStep *step, IOPTSays *says);

/**
 * iopt_bit_name: the specification's name of @bit of an entry of @format; NULL
 * if it is part of a field (an address, say) or has none.
 */
const char *iopt_bit_name(const IOPTFormat *format, unsigned bit);

/** iopt_stage_number: is @format one of stage 1 or 2 (first, second)? */
unsigned iopt_stage_number(const IOPTFormat *format);

/** iopt_level_number: the specification's number of our @level. */
unsigned iopt_level_number(const IOPTFormat *format, unsigned level);

/**
 * iopt_reserved_words: the reserved bits that are set in the entry of @step, of
 * which @says has been made: "bit 51", or what is wrong with a page's address.
 * Returns: text to be freed; NULL if none is known.
 */
char *iopt_reserved_words(const IOPTStep *step, const IOPTSays *says);

/** iopt_fault_name: @fault in a few words; never NULL. */
const char *iopt_fault_name(IOPTFault fault);

#endif

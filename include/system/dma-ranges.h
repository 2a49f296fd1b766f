/*
 * A set of ranges, ordered, whose cost nobody outside can choose
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pure: no QEMU type beyond fixed-width integers and glib.
 *
 * The guest chooses the addresses.  So neither a hash nor the order of arrival
 * decides the shape: it is a binary tree whose shape comes from random numbers
 * that the guest does not see, and every operation costs a number of steps
 * that grows with the logarithm of the number of ranges.  Nothing is allocated:
 * a range is part of what it stands for.  The caller locks.
 */
#ifndef SYSTEM_DMA_RANGES_H
#define SYSTEM_DMA_RANGES_H

typedef struct DMARange {
    uint64_t first, last;    /* inclusive; not to be changed while in a set */
    uint64_t key[2];         /* tells apart what begins at the same place */
    /* The set's own */
    uint64_t max_last;       /* of all below it, and itself */
    uint64_t priority;
    struct DMARange *left, *right;
} DMARange;

typedef struct DMARanges {
    DMARange *root;
    uint64_t random;
    uint64_t steps;          /* ranges looked at so far; for tests */
} DMARanges;

/* The last of @len bytes (0 counts as 1) from @first on, which do not wrap. */
static inline uint64_t dma_range_last(uint64_t first, uint64_t len)
{
    uint64_t span = len ? len - 1 : 0;

    return span > UINT64_MAX - first ? UINT64_MAX : first + span;
}

void dma_ranges_init(DMARanges *set);

/** dma_ranges_insert: no range in @set may have the same first and key. */
void dma_ranges_insert(DMARanges *set, DMARange *range);

/** dma_ranges_remove: @range is in @set. */
void dma_ranges_remove(DMARanges *set, DMARange *range);

/** dma_ranges_find: the one with this first and key, or NULL. */
DMARange *dma_ranges_find(DMARanges *set, uint64_t first, uint64_t key0,
                          uint64_t key1);

/**
 * dma_ranges_next: the first one, in the order of first and key, that overlaps
 * @first .. @last and comes after @after; or NULL.
 *
 * @after: only its first and key matter, it need not be in @set; NULL: from
 *         the beginning
 */
DMARange *dma_ranges_next(DMARanges *set, uint64_t first, uint64_t last,
                          const DMARange *after);

/** dma_ranges_around: one that has all of @first .. @last in it, or NULL. */
DMARange *dma_ranges_around(DMARanges *set, uint64_t first, uint64_t last);

#endif

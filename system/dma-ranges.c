/*
 * A set of ranges, ordered, whose cost nobody outside can choose
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A treap: a search tree by first and key, and at the same time a heap by
 * random priority.  Each node knows the highest last below it, so that what
 * overlaps a range is found without looking at what ends before it.
 */
#include "qemu/osdep.h"
#include "system/dma-ranges.h"

/* xorshift64*; never 0 */
static uint64_t ranges_random(DMARanges *set)
{
    uint64_t x = set->random;

    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    set->random = x;
    return x * 0x2545f4914f6cdd1dull;
}

static bool range_before(const DMARange *a, const DMARange *b)
{
    if (a->first != b->first) {
        return a->first < b->first;
    }
    if (a->key[0] != b->key[0]) {
        return a->key[0] < b->key[0];
    }
    return a->key[1] < b->key[1];
}

static void range_update(DMARange *node)
{
    uint64_t max = node->last;

    if (node->left) {
        max = MAX(max, node->left->max_last);
    }
    if (node->right) {
        max = MAX(max, node->right->max_last);
    }
    node->max_last = max;
}

/* Part @node's tree in what comes before @at and what does not. */
static void ranges_split(DMARanges *set, DMARange *node, const DMARange *at,
                         DMARange **before, DMARange **after)
{
    if (!node) {
        *before = *after = NULL;
        return;
    }
    set->steps++;
    if (range_before(node, at)) {
        ranges_split(set, node->right, at, &node->right, after);
        *before = node;
    } else {
        ranges_split(set, node->left, at, before, &node->left);
        *after = node;
    }
    range_update(node);
}

/* All of @a comes before all of @b. */
static DMARange *ranges_join(DMARanges *set, DMARange *a, DMARange *b)
{
    if (!a || !b) {
        return a ?: b;
    }
    set->steps++;
    if (a->priority > b->priority) {
        a->right = ranges_join(set, a->right, b);
        range_update(a);
        return a;
    }
    b->left = ranges_join(set, a, b->left);
    range_update(b);
    return b;
}

static DMARange *ranges_insert_below(DMARanges *set, DMARange *node,
                                     DMARange *range)
{
    set->steps++;
    if (!node || node->priority < range->priority) {
        ranges_split(set, node, range, &range->left, &range->right);
        node = range;
    } else if (range_before(range, node)) {
        node->left = ranges_insert_below(set, node->left, range);
    } else {
        node->right = ranges_insert_below(set, node->right, range);
    }
    range_update(node);
    return node;
}

static DMARange *ranges_remove_below(DMARanges *set, DMARange *node,
                                     DMARange *range)
{
    set->steps++;
    if (node == range) {
        return ranges_join(set, node->left, node->right);
    }
    if (range_before(range, node)) {
        node->left = ranges_remove_below(set, node->left, range);
    } else {
        node->right = ranges_remove_below(set, node->right, range);
    }
    range_update(node);
    return node;
}

void dma_ranges_init(DMARanges *set)
{
    *set = (DMARanges) {
        .random = (uint64_t)g_random_int() << 32 | g_random_int() | 1,
    };
}

void dma_ranges_insert(DMARanges *set, DMARange *range)
{
    range->priority = ranges_random(set);
    set->root = ranges_insert_below(set, set->root, range);
}

void dma_ranges_remove(DMARanges *set, DMARange *range)
{
    set->root = ranges_remove_below(set, set->root, range);
}

DMARange *dma_ranges_find(DMARanges *set, uint64_t first, uint64_t key0,
                          uint64_t key1)
{
    const DMARange at = { .first = first, .key = { key0, key1 } };
    DMARange *node = set->root;

    while (node) {
        set->steps++;
        if (range_before(&at, node)) {
            node = node->left;
        } else if (range_before(node, &at)) {
            node = node->right;
        } else {
            break;
        }
    }
    return node;
}

/*
 * If the left side reaches @first at all, either something there overlaps, or
 * it begins beyond @last, and so does everything that follows.  So only the
 * path to @after is ever left without a result.
 */
static DMARange *ranges_next_below(DMARanges *set, DMARange *node,
                                   uint64_t first, uint64_t last,
                                   const DMARange *after)
{
    while (node && node->max_last >= first) {
        set->steps++;
        if (!after || range_before(after, node)) {
            DMARange *found = ranges_next_below(set, node->left, first, last,
                                                after);

            if (found) {
                return found;
            }
            if (node->first <= last && node->last >= first) {
                return node;
            }
        }
        if (node->first > last) {
            return NULL;
        }
        node = node->right;
    }
    return NULL;
}

DMARange *dma_ranges_next(DMARanges *set, uint64_t first, uint64_t last,
                          const DMARange *after)
{
    return ranges_next_below(set, set->root, first, last, after);
}

DMARange *dma_ranges_around(DMARanges *set, uint64_t first, uint64_t last)
{
    DMARange *node = set->root;

    while (node && node->max_last >= last) {
        set->steps++;
        if (node->first > first) {
            node = node->left;
        } else if (node->last >= last) {
            return node;
        } else if (node->left && node->left->max_last >= last) {
            /* Whatever is there begins early enough. */
            node = node->left;
        } else {
            node = node->right;
        }
    }
    return NULL;
}

/*
 * vIOMMU core: what MAP notifiers were told
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pieces that do not overlap, each told as one and taken back as one.  All of
 * it under the BQL.
 */
#ifndef HW_IOMMU_VIOMMU_SHADOW_H
#define HW_IOMMU_VIOMMU_SHADOW_H

#include "exec/hwaddr.h"
#include "exec/memory.h"
#include "qemu/interval-tree.h"

typedef struct VIOMMUPiece {
    IntervalTreeNode node;   /* its IOVAs; the shadow's own */
    hwaddr addr;             /* what the first of them leads to */
    IOMMUAccessFlags perm;
} VIOMMUPiece;

/* A new one is all zeroes. */
typedef struct VIOMMUShadow {
    IntervalTreeRoot pieces;
    VIOMMUPiece *spare;      /* removed last: the next one inserted */
} VIOMMUShadow;

/**
 * viommu_shadow_find: Look for what was told of a range
 * @first, @last: IOVAs, inclusive
 *
 * Returns: the first piece that overlaps it, good until the shadow changes; or
 * NULL
 */
static inline VIOMMUPiece *viommu_shadow_find(VIOMMUShadow *shadow,
                                              hwaddr first, hwaddr last)
{
    IntervalTreeNode *node = interval_tree_iter_first(&shadow->pieces, first,
                                                      last);

    return node ? container_of(node, VIOMMUPiece, node) : NULL;
}

/**
 * viommu_shadow_insert: Note a piece
 * @piece: what to copy; nothing in the shadow overlaps it
 */
void viommu_shadow_insert(VIOMMUShadow *shadow, const VIOMMUPiece *piece);

/**
 * viommu_shadow_remove: Take a piece of the shadow out
 * @piece: as viommu_shadow_find() returned it
 *
 * Returns: what it was
 */
VIOMMUPiece viommu_shadow_remove(VIOMMUShadow *shadow, VIOMMUPiece *piece);

/* viommu_shadow_clear: Forget everything */
void viommu_shadow_clear(VIOMMUShadow *shadow);

#endif

/*
 * vIOMMU core: what MAP notifiers were told
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/iommu/viommu-shadow.h"

void viommu_shadow_insert(VIOMMUShadow *shadow, const VIOMMUPiece *piece)
{
    VIOMMUPiece *own = g_steal_pointer(&shadow->spare);

    if (!own) {
        own = g_new(VIOMMUPiece, 1);
    }
    *own = *piece;
    interval_tree_insert(&own->node, &shadow->pieces);
}

VIOMMUPiece viommu_shadow_remove(VIOMMUShadow *shadow, VIOMMUPiece *piece)
{
    VIOMMUPiece was = *piece;

    interval_tree_remove(&piece->node, &shadow->pieces);
    g_free(shadow->spare);
    shadow->spare = piece;
    return was;
}

void viommu_shadow_clear(VIOMMUShadow *shadow)
{
    VIOMMUPiece *piece;

    while ((piece = viommu_shadow_find(shadow, 0, HWADDR_MAX))) {
        viommu_shadow_remove(shadow, piece);
    }
    g_clear_pointer(&shadow->spare, g_free);
}

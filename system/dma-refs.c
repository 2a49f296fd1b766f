/*
 * References that keep mapped memory: one for many maps
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "system/dma-refs.h"

void dma_refs_init(DMARefs *refs)
{
    *refs = (DMARefs) { .turn = DMA_REFS_OWN + 1 };
}

void *dma_refs_release(DMARefs *refs, const DMARefsOps *ops)
{
    void *owner = refs->owner;
    unsigned maps = refs->maps;

    *refs = (DMARefs) { .turn = refs->turn + 1 };
    if (!owner || !maps) {
        return owner;
    }
    /* What was kept becomes one of theirs. */
    if (maps > 1) {
        ops->take(owner, maps - 1);
    }
    return NULL;
}

uint64_t dma_refs_other(DMARefs *refs, const DMARefsOps *ops, void *owner,
                        void **left)
{
    if (!ops || !owner) {
        return DMA_REFS_OWN;
    }
    ops->take(owner, 1);
    /*
     * Who changes to and fro between two owners has at least one of them kept
     * for a while: the other's maps cost what they would cost without.
     */
    if (refs->owner && ++refs->misses < DMA_REFS_MISSES) {
        return DMA_REFS_OWN;
    }
    *left = dma_refs_release(refs, ops);
    refs->owner = owner;
    refs->maps = 1;
    return refs->turn;
}

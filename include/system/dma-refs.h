/*
 * References that keep mapped memory: one for many maps
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pure: no QEMU type beyond fixed-width integers.
 *
 * Memory that is mapped has to stay, so each map has a reference to its owner.
 * Nearly all maps of an endpoint are of one owner's memory, and two atomic
 * operations on the owner's count, which all endpoints share, are much of what
 * a map costs.  So one reference is kept, on which all maps of that owner
 * rely: they are counted under a lock that is taken anyway.
 *
 * It can go at any moment: each map that relied on it then has one of its own.
 * Nothing is changed in the maps for that.  Each remembers the turn in which it
 * came to rely on what was kept, and with the reference the turn ends.
 */
#ifndef SYSTEM_DMA_REFS_H
#define SYSTEM_DMA_REFS_H

/*
 * take: @n more references to @owner, which stays as long as this lasts.  With
 * the lock of the DMARefs held, so it must not block.
 * drop: one less.  With no lock of ours.
 * Both: any thread, and @owner is not NULL.
 */
typedef struct DMARefsOps {
    void (*take)(void *owner, unsigned n);
    void (*drop)(void *owner);
} DMARefsOps;

typedef struct DMARefs {
    void *owner;             /* to whom a reference is kept; NULL: none is */
    uint64_t turn;           /* of that; never 0 */
    unsigned maps;           /* that rely on it */
    unsigned misses;         /* maps of others in this turn */
} DMARefs;

/* A map's turn if its reference is its own */
#define DMA_REFS_OWN 0

/* After so many maps of others the last one's owner is referred to. */
#define DMA_REFS_MISSES 16

/*
 * All of these: any thread, with the lock of @refs held.
 *
 * dma_refs_init: none is kept.
 * dma_refs_other: dma_refs_add() for an owner whose reference is not kept.
 */
void dma_refs_init(DMARefs *refs);
uint64_t dma_refs_other(DMARefs *refs, const DMARefsOps *ops, void *owner,
                        void **left);

/**
 * dma_refs_add: there is one more map of @owner's memory, and a reference for
 * it.  @owner stays as long as this lasts.
 *
 * @ops: NULL: nobody's references are kept, or taken
 * @left: set to an owner of whom the caller is to drop a reference once it has
 *        released the lock; or left alone
 * Returns: the map's turn, for dma_refs_end().
 */
static inline uint64_t dma_refs_add(DMARefs *refs, const DMARefsOps *ops,
                                    void *owner, void **left)
{
    if (unlikely(refs->owner != owner)) {
        return dma_refs_other(refs, ops, owner, left);
    }
    refs->maps++;
    return refs->turn;
}

/**
 * dma_refs_end: a map of this turn has ended.  Returns: false if it has a
 * reference of its own, which is to be dropped.
 */
static inline bool dma_refs_end(DMARefs *refs, uint64_t turn)
{
    if (unlikely(turn != refs->turn)) {
        return false;
    }
    refs->maps--;
    return true;
}

/**
 * dma_refs_release: no reference is kept any more; maps have their own.
 *
 * Returns: the owner of whom the caller is to drop a reference once it has
 * released the lock; NULL: none.
 */
void *dma_refs_release(DMARefs *refs, const DMARefsOps *ops);

#endif

/*
 * An I/O address space that is a set of mappings instead of page tables
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pure: no QEMU type beyond fixed-width integers.
 *
 * Mappings are added and removed as a whole, and do not overlap.  The set is a
 * balanced tree whose nodes never change: a writer copies the path to what it
 * changes and then shows the new root.  So a reader that has read the root sees
 * the set as it was at that moment, for as long as it likes, without a lock;
 * nodes that nobody can reach from the new root are freed when the readers of
 * the old one have gone (RCU).  An operation takes O(log n), whatever it adds
 * or removes and whatever order the guest chose.
 *
 * Writers take turns, those of different sets, too: they share a pool of memory
 * (BQL).  Readers: any thread, inside an RCU read section.
 */
#ifndef HW_IOMMU_IOPT_MAPS_H
#define HW_IOMMU_IOPT_MAPS_H

#include "hw/iommu/iopt.h"

/* log2 of what all addresses are multiples of: the IOTLB's smallest page */
#define IOPT_MAPS_SHIFT 12

typedef struct IOPTMapping {
    uint64_t first, last;    /* IOVAs, inclusive */
    uint64_t addr;           /* where @first leads; does not wrap up to @last */
    uint8_t perm;            /* IOPT_READ | IOPT_WRITE; may be none */
    bool device;             /* see IOPTResult.device */
} IOPTMapping;

typedef struct IOPTMapsNode IOPTMapsNode;

/*
 * IOPTMapsRetire: @dead has been in a set.  Hand it to iopt_maps_reclaim() once
 * all readers that are inside a read section now have left it.  Called by
 * writers.
 */
typedef void IOPTMapsRetire(void *dead);

struct IOPTMaps {
    IOPTMapsNode *root;      /* RCU */
    IOPTMapsNode *dead;      /* out of the tree, not yet retired */
    unsigned ndead;
    IOPTMapsRetire *retire;
};

/** iopt_maps_init: an empty set. */
void iopt_maps_init(IOPTMaps *maps, IOPTMapsRetire *retire);

/** iopt_maps_clear: empty it, and retire all its memory.  O(1). */
void iopt_maps_clear(IOPTMaps *maps);

/**
 * iopt_maps_reclaim: free what was retired, at most @max nodes of it.
 *
 * Returns: what is left, to be handed in again (no further waiting is needed),
 * or NULL.  Writer.
 */
void *iopt_maps_reclaim(void *dead, unsigned max);

/** iopt_maps_fits: is @m well-formed: aligned, not empty, without wrapping? */
bool iopt_maps_fits(const IOPTMapping *m);

/**
 * iopt_maps_add: add @m, which fits.
 *
 * Returns: false, and nothing done, if it overlaps a mapping.  Writer.
 */
bool iopt_maps_add(IOPTMaps *maps, const IOPTMapping *m);

typedef enum IOPTMapsRemoved {
    IOPT_MAPS_REMOVED,
    IOPT_MAPS_NOTHING,       /* there was no mapping */
    IOPT_MAPS_SPLIT,         /* one reaches beyond the range: none removed */
} IOPTMapsRemoved;

/**
 * iopt_maps_remove: remove all mappings in *@first .. *@last, any addresses.
 *
 * Of IOPT_MAPS_REMOVED: *@first is the first byte of the first that was
 * removed, *@last the last one of the last.  Writer.
 */
IOPTMapsRemoved iopt_maps_remove(IOPTMaps *maps, uint64_t *first,
                                 uint64_t *last);

/** iopt_maps_count: how many mappings there are.  Reader. */
uint64_t iopt_maps_count(const IOPTMaps *maps);

/**
 * iopt_maps_next: the first mapping that ends at or after @iova.
 * Returns: false if there is none.  Reader.
 */
bool iopt_maps_next(const IOPTMaps *maps, uint64_t iova, IOPTMapping *m);

/** iopt_maps_overlaps: is part of @first .. @last mapped?  Reader. */
bool iopt_maps_overlaps(const IOPTMaps *maps, uint64_t first, uint64_t last);

/**
 * iopt_maps_walk: as iopt_walk().  The page is the largest naturally aligned
 * one around @iova all of which leads to consecutive memory with the same
 * permission, through one mapping or through neighbours (a bounded number is
 * looked at).  Reader.
 */
IOPTFault iopt_maps_walk(const IOPTMaps *maps, uint64_t iova, unsigned access,
                         IOPTResult *out);

/**
 * iopt_maps_walk_range: as iopt_walk_range().  Mappings are visited one by one,
 * each in the largest aligned pages that it holds: which these are is no
 * matter of its neighbours, since whoever keeps a copy (MAP notifiers) must not
 * see a mapping change that was not touched.
 *
 * @max: how many pages may be visited.  Reader.
 */
bool iopt_maps_walk_range(const IOPTMaps *maps, uint64_t first, uint64_t last,
                          uint64_t max, IOPTVisit *visit, void *opaque);

#endif

/*
 * vIOMMU: what was mapped a moment ago, and what has been invalidated since
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pure: no QEMU type beyond fixed-width integers.  Of fixed size: of pages that
 * devices have used, VIOMMU_HISTORY_PAGES are remembered, and the last
 * VIOMMU_HISTORY_INVS invalidations.
 *
 * Callers take turns.  Times are the caller's, in any unit, and rise.
 */
#ifndef HW_IOMMU_VIOMMU_HISTORY_H
#define HW_IOMMU_VIOMMU_HISTORY_H

#define VIOMMU_HISTORY_PAGES 4096
#define VIOMMU_HISTORY_INVS  1024

typedef struct VIOMMUHistory VIOMMUHistory;

/* A translation that was found in the tables */
typedef struct VIOMMUPastPage {
    uint64_t tag;            /* of its domain */
    uint64_t first;          /* IOVA; a multiple of the size */
    uint64_t addr;           /* where it led */
    uint8_t shift;           /* log2 of the size */
    uint8_t perm;            /* never 0 */
    int64_t when;            /* the last time */
    void *owner;             /* who has used it, and how: the caller's own */
    uint32_t attrs;
} VIOMMUPastPage;

/* An invalidation */
typedef struct VIOMMUPastInv {
    uint64_t tag, tag_mask;  /* of domains like @tag in these bits */
    uint64_t first, last;    /* inclusive */
    int64_t when;
} VIOMMUPastInv;

/* What is known of an address */
typedef struct VIOMMUPast {
    bool mapped;             /* it was, as @page says */
    bool invalidated;        /* the last invalidation since is @inv */
    unsigned invs;           /* and so many there were, as is remembered */
    VIOMMUPastPage page;
    VIOMMUPastInv inv;
} VIOMMUPast;

VIOMMUHistory *viommu_history_new(void);
void viommu_history_free(VIOMMUHistory *h);

/** viommu_history_bytes: the memory that one takes. */
size_t viommu_history_bytes(void);

/** viommu_history_mapped: @page was found in the tables. */
void viommu_history_mapped(VIOMMUHistory *h, const VIOMMUPastPage *page);

/** viommu_history_invalidated: @inv has been invalidated. */
void viommu_history_invalidated(VIOMMUHistory *h, const VIOMMUPastInv *inv);

/**
 * viommu_history_find: what is remembered of @iova in the domain @tag.
 *
 * Of a page that was not used, an invalidation is told of only if it was one of
 * a range: it says that something was there, or next to it.  If there were
 * several since a page was used, it may have been mapped to something else in
 * between, which no device used.
 * Returns: false if that is nothing.
 */
bool viommu_history_find(const VIOMMUHistory *h, uint64_t tag, uint64_t iova,
                         VIOMMUPast *past);

/**
 * viommu_history_pending: is it certain that since @page was found in the
 * tables nothing that overlaps it has been invalidated?  Of what was too long
 * ago it is not.
 */
bool viommu_history_pending(const VIOMMUHistory *h,
                            const VIOMMUPastPage *page);

/**
 * viommu_history_astray: since @page was found in the tables, was there an
 * invalidation of its addresses, but of another domain, in which nothing is
 * remembered there?  Its domain is the wrong one, perhaps.
 *
 * Returns: true, with the last one in @inv.
 */
bool viommu_history_astray(const VIOMMUHistory *h, const VIOMMUPastPage *page,
                           VIOMMUPastInv *inv);

/**
 * viommu_history_page_at: the one in place @i < VIOMMU_HISTORY_PAGES, or NULL.
 */
const VIOMMUPastPage *viommu_history_page_at(const VIOMMUHistory *h,
                                             unsigned i);

/** viommu_history_clear: nothing was mapped. */
void viommu_history_clear(VIOMMUHistory *h);

#endif

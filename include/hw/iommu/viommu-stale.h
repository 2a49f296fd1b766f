/*
 * vIOMMU: windows in which a cached entry is not what the tables say
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pure: no QEMU type beyond fixed-width integers.  Of fixed size: at most
 * VIOMMU_STALE_WINDOWS are open at a time.  One opens when somebody sees the
 * difference, and closes with the invalidation that removes the entry.
 *
 * Callers take turns.  Times are the caller's, in any unit, and do not fall.
 */
#ifndef HW_IOMMU_VIOMMU_STALE_H
#define HW_IOMMU_VIOMMU_STALE_H

#define VIOMMU_STALE_WINDOWS 256

typedef enum VIOMMUStaleKind {
    VIOMMU_STALE_NONE,      /* a free place */
    VIOMMU_STALE_PAGE,      /* a translation: @tag, @first, @shift */
    VIOMMU_STALE_CONFIG,    /* what applies to @owner, @attrs */
    VIOMMU_STALE_DEVICE,    /* what @owner was told: @attrs, @first, @shift */
} VIOMMUStaleKind;

typedef struct VIOMMUStaleWindow {
    VIOMMUStaleKind kind;
    void *owner;             /* who was seen to use it, or to have used it */
    uint32_t attrs;          /* of the accesses, the caller's own code */
    uint64_t tag;            /* domain */
    uint64_t first;          /* IOVA; a multiple of the size */
    uint8_t shift;           /* log2 of the size */
    uint64_t addr;           /* where the cached entry leads */
    uint8_t perm;
    /* The first use of it since */
    uint64_t iova;
    bool is_write;
    uint64_t uses;           /* so far */
    int64_t opened;          /* when that was seen */
    bool told;               /* the caller's: it has been reported */
} VIOMMUStaleWindow;

/* So far */
typedef struct VIOMMUStaleStats {
    uint64_t windows;        /* that have opened */
    uint64_t uses;           /* in them */
    unsigned open;           /* now */
    int64_t longest;         /* of those that were closed */
} VIOMMUStaleStats;

typedef struct VIOMMUStaleWindows VIOMMUStaleWindows;

VIOMMUStaleWindows *viommu_stale_new(void);
void viommu_stale_free(VIOMMUStaleWindows *w);

/** viommu_stale_bytes: the memory that it takes. */
size_t viommu_stale_bytes(void);

/**
 * viommu_stale_open: the difference @what was seen, and is a use if
 * @what->uses is 1.
 *
 * Returns: the window, which may have been open for long; NULL: too many are
 * open, and it is not remembered.  Until the next call.
 */
VIOMMUStaleWindow *viommu_stale_open(VIOMMUStaleWindows *w,
                                     const VIOMMUStaleWindow *what);

/** viommu_stale_agree: the entry is what the tables say after all. */
void viommu_stale_agree(VIOMMUStaleWindows *w, const VIOMMUStaleWindow *what);

/**
 * viommu_stale_close_pages: what overlaps @first .. @last in domains like
 * @tag in the bits @tag_mask was invalidated @now.
 */
void viommu_stale_close_pages(VIOMMUStaleWindows *w, uint64_t tag,
                                uint64_t tag_mask, uint64_t first,
                                uint64_t last, int64_t now);

/**
 * viommu_stale_close_config: so was what applies to @owner, @attrs.
 */
void viommu_stale_close_config(VIOMMUStaleWindows *w, const void *owner,
                               uint32_t attrs, int64_t now);

/**
 * viommu_stale_close_device: so was what @owner was told of @first .. @last,
 * with attrs like @attrs in the bits @mask.
 */
void viommu_stale_close_device(VIOMMUStaleWindows *w, const void *owner,
                               uint32_t attrs, uint32_t mask, uint64_t first,
                               uint64_t last, int64_t now);

/** viommu_stale_forget: @owner's are over, not by an invalidation. */
void viommu_stale_forget(VIOMMUStaleWindows *w, const void *owner);
/** viommu_stale_clear: so are all. */
void viommu_stale_clear(VIOMMUStaleWindows *w);

/** viommu_stale_at: the one in place @i < VIOMMU_STALE_WINDOWS, or NULL. */
VIOMMUStaleWindow *viommu_stale_at(VIOMMUStaleWindows *w, unsigned i);

void viommu_stale_stats(const VIOMMUStaleWindows *w, VIOMMUStaleStats *stats);

#endif

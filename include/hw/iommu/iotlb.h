/*
 * IOTLB: a set-associative cache of IOVA translations
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pure: no QEMU type beyond fixed-width integers, so that the standalone
 * build tests, fuzzes and measures it alone.
 *
 * Every page size lives in the one table; an entry is found by domain tag,
 * page size and page number.  Memory is fixed at creation.  Invalidation is
 * by generation (everything, or one domain tag) in O(1), or by page in
 * O(ways) per page size in use.
 */
#ifndef HW_IOMMU_IOTLB_H
#define HW_IOMMU_IOTLB_H

/* Access permissions of a translation; the values are IOMMUAccessFlags'. */
#define IOTLB_READ   (1u << 0)
#define IOTLB_WRITE  (1u << 1)

/*
 * A domain tag: the group (VMID and the like), the domain in it (DID, ASID),
 * and the variant: what else sets translations apart (privileged accesses,
 * say) but is no matter to an invalidation.
 */
#define IOTLB_TAG(group, domain, variant) \
    ((uint64_t)(group) << 32 | (uint64_t)(domain) << 8 | (variant))
#define IOTLB_TAG_GROUP(tag)   ((uint32_t)((tag) >> 32))
#define IOTLB_TAG_DOMAIN(tag)  ((uint32_t)(tag) >> 8)
#define IOTLB_TAG_GROUP_MASK   0xffffffff00000000ull
#define IOTLB_TAG_DOMAIN_MASK  0xffffffffffffff00ull

typedef struct IOTLB IOTLB;

typedef struct IOTLBEntry {
    uint64_t tag;        /* domain tag (DID, or ASID and VMID, or PASID) */
    uint64_t iova;       /* first byte of the page */
    uint64_t addr;       /* first byte of the page it leads to */
    uint8_t shift;       /* log2 of the page size in bytes, 12 .. 52 */
    uint8_t perm;        /* IOTLB_READ | IOTLB_WRITE */
} IOTLBEntry;

/* Largest log2 of a page size that the IOTLB holds. */
#define IOTLB_MAX_SHIFT 52

/**
 * iotlb_new: create an IOTLB.
 *
 * @entries: how many translations it holds; rounded up to a power of two, at
 *           least 64
 *
 * Returns: the IOTLB; release with iotlb_free().  Any thread.
 */
IOTLB *iotlb_new(unsigned entries);
void iotlb_free(IOTLB *tlb);

/**
 * iotlb_lookup: find the translation of @iova in the domain @tag.
 *
 * Returns: true and fills @out if it is cached.  @out->perm may lack the
 * permission that the caller needs: checking it is the caller's business.
 *
 * Any thread, no lock; may run beside every other function here.  A lookup
 * that starts after an invalidation returned never sees what that removed.
 */
bool iotlb_lookup(IOTLB *tlb, uint64_t tag, uint64_t iova, IOTLBEntry *out);

/**
 * iotlb_seq: the number of invalidations so far.
 *
 * Read it (with acquire semantics) before the tables are read; hand it to
 * iotlb_insert(), which refuses the entry if anything has been invalidated in
 * between.  Any thread.
 */
uint64_t iotlb_seq(IOTLB *tlb);

/**
 * iotlb_insert: cache one translation.
 *
 * @seq: iotlb_seq() from before the tables were read
 *
 * Returns: false if an invalidation came in between and the entry was not
 * taken.  Any thread; takes an internal lock.
 */
bool iotlb_insert(IOTLB *tlb, const IOTLBEntry *entry, uint64_t seq);

/*
 * Invalidations: callers take turns (BQL); beside lookups and inserts.
 *
 * iotlb_invalidate_all: drop every entry.  O(1).
 */
void iotlb_invalidate_all(IOTLB *tlb);

/**
 * iotlb_invalidate_tag: drop a domain's entries, of every variant (others may
 * go too).  O(1).
 */
void iotlb_invalidate_tag(IOTLB *tlb, uint64_t tag);

/** iotlb_invalidate_group: drop those of @tag's group; others may go too. */
void iotlb_invalidate_group(IOTLB *tlb, uint64_t tag);

/**
 * iotlb_invalidate_range: drop every entry of @tag whose page overlaps
 * @iova .. @last (inclusive bytes).  Entries beside it may go too.  The work
 * is bounded whatever the range: a range too large to probe page by page
 * drops the whole domain.
 *
 * A full barrier comes before anything is looked for, and another one after
 * anything has gone.
 */
void iotlb_invalidate_range(IOTLB *tlb, uint64_t tag, uint64_t iova,
                            uint64_t last);

/** iotlb_size: how many entries fit; iotlb_bytes: the memory it takes. */
unsigned iotlb_size(const IOTLB *tlb);
size_t iotlb_bytes(const IOTLB *tlb);

#endif

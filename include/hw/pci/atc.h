/*
 * An address translation cache: what a device keeps of what ATS told it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pure bookkeeping: no QEMU type beyond fixed-width integers.  PCIe 10.3.
 *
 * Before a device uses a translation it says so (atc_begin()), and afterwards
 * that it has ended (atc_end()).  A device-TLB invalidation removes entries and
 * marks the uses under way with a stamp: it may be answered when none with its
 * stamp or a lower one is left (atc_oldest()).  A use begins before its
 * translation is asked for, so that an answer which an invalidation has
 * overtaken is waited for, and not kept.
 *
 * Every function: any thread; takes an internal lock.
 */
#ifndef HW_PCI_ATC_H
#define HW_PCI_ATC_H

#define ATC_READ    (1u << 0)
#define ATC_WRITE   (1u << 1)
#define ATC_EXEC    (1u << 2)

/* log2 of the smallest page */
#define ATC_PAGE_SHIFT 12

typedef struct ATC ATC;

typedef struct ATCEntry {
    uint32_t key;            /* whose: the PASID, or what the caller likes */
    uint8_t shift;           /* log2 of the page size, ATC_PAGE_SHIFT .. 63 */
    uint8_t perm;            /* ATC_READ and the like */
    uint64_t iova;           /* first byte of the page */
    uint64_t addr;           /* first byte of the page it leads to */
} ATCEntry;

/* A use of a translation; the caller's memory, until atc_end(). */
typedef struct ATCUse ATCUse;
struct ATCUse {
    /* atc.c's own */
    uint32_t key;
    uint64_t first, last;    /* IOVA, inclusive */
    uint64_t stamp;          /* of who waits for it; 0: nobody */
    uint64_t seq;            /* of invalidations when it began */
    ATCUse *next, **prev;    /* @prev: NULL: it is not listed */
};

/** atc_new: for @entries translations, rounded up to a power of two >= 16. */
ATC *atc_new(unsigned entries);
/** atc_free: no use may be left, but those that atc_reset() forgot. */
void atc_free(ATC *atc);

/**
 * atc_begin: @use of @iova .. @iova + @len - 1 (@len at least 1) begins.
 *
 * Returns: true if a translation of @iova that allows @need is kept; it is in
 * @out.  Otherwise the caller finds out and calls atc_fill().  Either way
 * atc_end() follows.
 */
bool atc_begin(ATC *atc, ATCUse *use, uint32_t key, uint64_t iova,
               uint64_t len, unsigned need, ATCEntry *out);

/**
 * atc_fill: @entry is what @use was told.  It is kept, unless anything has been
 * invalidated since atc_begin().
 */
void atc_fill(ATC *atc, ATCUse *use, const ATCEntry *entry);

/** atc_end: Returns: true if somebody waited for it. */
bool atc_end(ATC *atc, ATCUse *use);

/**
 * atc_invalidate: forget translations that overlap @first .. @last (inclusive)
 * and whose key is @key in the bits of @mask.
 *
 * @stamp: not 0, and higher than any before
 * Returns: how many uses are waited for from now on that were not before.
 */
unsigned atc_invalidate(ATC *atc, uint32_t key, uint32_t mask, uint64_t first,
                        uint64_t last, uint64_t stamp);

/** atc_oldest: the lowest stamp of a use; UINT64_MAX: nobody is waited for. */
uint64_t atc_oldest(ATC *atc);

/** atc_reset: forget translations and uses; their atc_end() does nothing. */
void atc_reset(ATC *atc);

/** atc_count: how many translations are kept; atc_uses: uses under way. */
unsigned atc_count(ATC *atc);
unsigned atc_uses(ATC *atc);

#endif

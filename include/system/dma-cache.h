/*
 * DMA translation cache: IOVA to host memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pure: no QEMU type beyond fixed-width integers and qatomic_*.
 *
 * One for the accesses of an endpoint that are translated alike, consulted
 * before the memory core's own dispatch.  RAM only; what a page leads to is a
 * host address and an opaque owner (its memory region).  Two direct-mapped
 * tables of fixed size: pages of 4 KiB, and chunks of 2 MiB, an entry of which
 * covers a contiguous run of pages: a large page, or what a long map has found
 * out.
 *
 * A lookup takes no lock and writes nothing.  It may be used for as long as
 * the caller keeps an invalidator from reporting completion: that is what the
 * epoch slots of dma-epoch.h, or the BQL, are for.
 */
#ifndef SYSTEM_DMA_CACHE_H
#define SYSTEM_DMA_CACHE_H

#include "qemu/atomic.h"
#include "qemu/thread.h"
#include "system/dma-ahead.h"

#define DMA_CACHE_READ   (1u << 0)
#define DMA_CACHE_WRITE  (1u << 1)

#define DMA_CACHE_PAGE_SHIFT   12
#define DMA_CACHE_PAGE_SIZE    ((uint64_t)1 << DMA_CACHE_PAGE_SHIFT)
#define DMA_CACHE_CHUNK_SHIFT  21
#define DMA_CACHE_CHUNK_SIZE   ((uint64_t)1 << DMA_CACHE_CHUNK_SHIFT)
#define DMA_CACHE_CHUNK_PAGES  (DMA_CACHE_CHUNK_SIZE / DMA_CACHE_PAGE_SIZE)

/*
 * An entry.  @word: the generation in which it was filled, and a count that is
 * odd while it changes.  @key of a page: its number and permissions; of a
 * chunk: number, last and first page, and permissions.
 */
typedef struct DMACacheSlot {
    uint64_t word;
    uint64_t key;
    uint8_t *host;           /* of the page's or the chunk's first byte */
    void *owner;
} DMACacheSlot;

#define DMA_CACHE_GEN_SHIFT    32
#define DMA_CACHE_PERM_MASK    ((uint64_t)3)
#define DMA_CACHE_PAGE_KEY     2     /* shift of the number */
#define DMA_CACHE_LO_SHIFT     2
#define DMA_CACHE_HI_SHIFT     11
#define DMA_CACHE_INDEX_MASK   (DMA_CACHE_CHUNK_PAGES - 1)
#define DMA_CACHE_CHUNK_KEY    20

/*
 * Whose translations a cache holds: a number of the caller's (dma-attrs.h), one
 * at a time.  It is a part of the generation, below DMA_CACHE_GEN_SHIFT, so
 * that who looks finds out in one compare.
 */
#define DMA_CACHE_WHO_BITS     31

typedef struct DMACache {
    DMACacheSlot *pages;
    DMACacheSlot *chunks;
    uint32_t page_bits, chunk_bits;
    uint32_t page_mask, chunk_mask;      /* 1 << bits, less 1 */
    /*
     * The generation, << DMA_CACHE_GEN_SHIFT, never 0; and whose it is, << 1.
     * Bit 0 is clear: a slot's is its lock.
     */
    uint64_t gen;
    uint64_t tag;            /* domain tag of all that is in it */
    uint64_t seq;            /* counts generations, by two; any thread */
    uint64_t ranges;         /* counts ranges; odd: one is being removed */
    uint64_t leaf_shifts;    /* leaves larger than their entries; a bit each */
    unsigned refused;        /* of dma_cache_claim(); atomic */
    DMAAhead ahead;          /* the user's: what it may miss next */
    QemuMutex lock;          /* of a change of tag */
    void *mem;
    size_t bytes;
} DMACache;

typedef struct DMACacheHit {
    uint8_t *host;           /* of the byte asked for */
    void *owner;
    uint64_t avail;          /* bytes from there on */
    uint64_t before;         /* and in front of it, in the same run */
    unsigned perm;           /* all that is allowed */
} DMACacheHit;

/**
 * dma_cache_new: a cache of @pages pages (rounded up to a power of two, at
 * least 64) and an eighth as many chunks (at most 1,024), for @who's
 * translations to begin with.
 */
DMACache *dma_cache_new(unsigned pages, uint32_t who);
void dma_cache_free(DMACache *c);

/** dma_cache_bytes: the memory that a cache of @pages pages takes. */
size_t dma_cache_bytes(unsigned pages);

/*
 * Neighbouring pages have slots of their own; higher bits are folded in for
 * large strides.
 */
static inline DMACacheSlot *dma_cache_page_slot(DMACache *c, uint64_t page)
{
    uint64_t index = page ^ page >> c->page_bits;

    return &c->pages[index & c->page_mask];
}

static inline DMACacheSlot *dma_cache_chunk_slot(DMACache *c, uint64_t chunk)
{
    uint64_t index = chunk ^ chunk >> c->chunk_bits;

    return &c->chunks[index & c->chunk_mask];
}

/* Is a slot with @word filled in generation @gen, and at rest? */
static inline bool dma_cache_word_ok(uint64_t word, uint64_t gen)
{
    return ((word ^ gen) & ~(uint64_t)0xfffffffe) == 0;
}

/* Is generation @gen one of @who's? */
static inline bool dma_cache_gen_is(uint64_t gen, uint32_t who)
{
    return (uint32_t)gen == who << 1;
}

static inline bool dma_cache_find_page(DMACache *c, uint64_t gen,
                                       uint64_t iova, unsigned need,
                                       DMACacheHit *hit)
{
    uint64_t page = iova >> DMA_CACHE_PAGE_SHIFT;
    uint64_t offset = iova & (DMA_CACHE_PAGE_SIZE - 1);
    DMACacheSlot *slot = dma_cache_page_slot(c, page);
    uint64_t word = qatomic_load_acquire(&slot->word);
    uint64_t key = qatomic_read(&slot->key);

    if (key >> DMA_CACHE_PAGE_KEY != page || (need & ~key) ||
        !dma_cache_word_ok(word, gen)) {
        return false;
    }
    hit->host = qatomic_read(&slot->host) + offset;
    hit->owner = qatomic_read(&slot->owner);
    hit->avail = DMA_CACHE_PAGE_SIZE - offset;
    hit->before = offset;
    hit->perm = key & DMA_CACHE_PERM_MASK;
    /* They belong together only if nobody was here. */
    smp_rmb();
    return qatomic_read(&slot->word) == word;
}

static inline bool dma_cache_find_chunk(DMACache *c, uint64_t gen,
                                        uint64_t iova, unsigned need,
                                        DMACacheHit *hit)
{
    uint64_t chunk = iova >> DMA_CACHE_CHUNK_SHIFT;
    uint64_t offset = iova & (DMA_CACHE_CHUNK_SIZE - 1);
    uint64_t page = offset >> DMA_CACHE_PAGE_SHIFT;
    DMACacheSlot *slot = dma_cache_chunk_slot(c, chunk);
    uint64_t word = qatomic_load_acquire(&slot->word);
    uint64_t key = qatomic_read(&slot->key);
    uint64_t lo, hi;

    if (key >> DMA_CACHE_CHUNK_KEY != chunk || (need & ~key) ||
        !dma_cache_word_ok(word, gen)) {
        return false;
    }
    lo = key >> DMA_CACHE_LO_SHIFT & DMA_CACHE_INDEX_MASK;
    hi = key >> DMA_CACHE_HI_SHIFT & DMA_CACHE_INDEX_MASK;
    if (page < lo || page > hi) {
        return false;
    }
    hit->host = qatomic_read(&slot->host) + offset;
    hit->owner = qatomic_read(&slot->owner);
    hit->avail = ((hi + 1) << DMA_CACHE_PAGE_SHIFT) - offset;
    hit->before = offset - (lo << DMA_CACHE_PAGE_SHIFT);
    hit->perm = key & DMA_CACHE_PERM_MASK;
    /* As for a page. */
    smp_rmb();
    return qatomic_read(&slot->word) == word;
}

/**
 * dma_cache_find: where @iova leads @who, if that is known and allows @need
 * (DMA_CACHE_READ, DMA_CACHE_WRITE).
 *
 * Any thread, in an epoch slot or with the BQL: no lock, no write.  A lookup
 * that starts after an invalidation returned never sees what that removed.
 */
static inline bool dma_cache_find(DMACache *c, uint32_t who, uint64_t iova,
                                  unsigned need, DMACacheHit *hit)
{
    uint64_t gen = qatomic_load_acquire(&c->gen);

    /* The entries of a generation are all of him whose it is. */
    return likely(dma_cache_gen_is(gen, who)) &&
           (dma_cache_find_page(c, gen, iova, need, hit) ||
            dma_cache_find_chunk(c, gen, iova, need, hit));
}

/**
 * dma_cache_find_run: the same for an access of @len bytes, that may span
 * pages; @tag is set to the domain tag through which it was translated.
 */
static inline bool dma_cache_find_run(DMACache *c, uint32_t who, uint64_t iova,
                                      uint64_t len, unsigned need,
                                      DMACacheHit *hit, uint64_t *tag)
{
    uint64_t gen = qatomic_load_acquire(&c->gen);
    bool one_page = (iova & (DMA_CACHE_PAGE_SIZE - 1)) + len <=
                    DMA_CACHE_PAGE_SIZE;

    if (!dma_cache_gen_is(gen, who) ||
        (!(one_page && dma_cache_find_page(c, gen, iova, need, hit)) &&
         !dma_cache_find_chunk(c, gen, iova, need, hit) &&
         !(!one_page && dma_cache_find_page(c, gen, iova, need, hit)))) {
        return false;
    }
    /*
     * The entry is of this generation, so the tag is not older; and it is not
     * newer if the generation is the same still.
     */
    *tag = qatomic_load_acquire(&c->tag);
    /* The tag before the generation. */
    smp_rmb();
    return qatomic_read(&c->gen) == gen;
}

/**
 * dma_cache_seq: a number that every invalidation changes; for
 * dma_cache_insert(), from before the tables, the IOTLB, the memory map or the
 * cache itself were read.  Any thread.
 */
static inline uint64_t dma_cache_seq(DMACache *c)
{
    /* Neither ever falls: the sum is the same only if both are. */
    return qatomic_load_acquire(&c->seq) + qatomic_load_acquire(&c->ranges);
}

/* A contiguous run of host memory */
typedef struct DMACacheRun {
    uint64_t first, last;    /* IOVA, inclusive; whole pages */
    uint8_t *host;           /* of @first */
    void *owner;
    unsigned perm;           /* DMA_CACHE_READ | DMA_CACHE_WRITE */
    /*
     * log2 of the leaf that it is, or is a part of: an invalidation that
     * touches one byte of a leaf removes all of it.  0: it is made of whole
     * runs as the cache gave them (@before, @avail), or there are no leaves
     * (bypass).
     */
    unsigned leaf_shift;
    uint32_t who;            /* if the cache is another's, nothing is kept */
} DMACacheRun;

/**
 * dma_cache_claim: may @who have the cache?
 *
 * Returns: true if it is his already, and once in DMA_CACHE_CLAIMS times that
 * it is not: who keeps on asking gets it in the end, but cannot empty it at
 * each access.  Any thread.
 */
#define DMA_CACHE_CLAIMS    32

bool dma_cache_claim(DMACache *c, uint32_t who);

/**
 * dma_cache_set_tag: what is inserted from now on is @who's, translated through
 * @tag.
 *
 * Returns: false if that is a change, and everything was dropped for it: the
 * caller translates again, with a new dma_cache_seq().  Any thread.
 */
bool dma_cache_set_tag(DMACache *c, uint32_t who, uint64_t tag);

/**
 * dma_cache_insert: keep the part of @run around @iova that one entry holds.
 *
 * A run of one page goes to the pages; a longer one to the chunks, where it is
 * joined with what is there if it continues it.  Nothing happens if
 * anything was invalidated since @seq.  Any thread; takes no lock.
 */
void dma_cache_insert(DMACache *c, const DMACacheRun *run, uint64_t iova,
                      uint64_t seq);

/*
 * Invalidation.  Callers take turns (BQL); beside lookups and inserts.  What
 * one removes is removed before a full barrier.
 *
 * dma_cache_invalidate_all: O(1).
 * dma_cache_invalidate_range: every entry of a leaf that overlaps @first ..
 * @last; others may go too.  The work is bounded whatever the range.
 */
void dma_cache_invalidate_all(DMACache *c);
void dma_cache_invalidate_range(DMACache *c, uint64_t first, uint64_t last);

/*
 * The same for who has more to remove, and passes a full barrier for that: what
 * was translated through a tag that is like @tag in @mask.
 *
 * dma_cache_announce: a range will be.  Nothing is inserted from now on.
 * dma_cache_remove_range: remove it, after a full barrier that comes after what
 * it was translated from has gone.  Likewise if it was not announced, which
 * costs one more.  Returns: might there have been something?
 * dma_cache_announced: the announced one has been removed, or turned out to be
 * of no matter: it is another domain's cache by now.
 */
static inline void dma_cache_announce(DMACache *c, uint64_t tag, uint64_t mask)
{
    if (!((qatomic_read(&c->tag) ^ tag) & mask)) {
        qatomic_set(&c->ranges, qatomic_read(&c->ranges) + 1);
    }
}

void dma_cache_drop_range(DMACache *c, uint64_t first, uint64_t last);

static inline bool dma_cache_remove_range(DMACache *c, uint64_t tag,
                                          uint64_t mask, uint64_t first,
                                          uint64_t last)
{
    uint64_t ranges = qatomic_read(&c->ranges);

    /* Whose it was when it was announced is of no matter. */
    if ((qatomic_read(&c->tag) ^ tag) & mask) {
        return false;
    }
    /*
     * Odd while it is under way: nothing may be inserted that was read from the
     * cache itself, half of which may be gone, or from what has yet to go.
     */
    if (!(ranges & 1)) {
        qatomic_set(&c->ranges, ++ranges);
        /* Counted, before the slots are looked at. */
        smp_mb();
    }
    dma_cache_drop_range(c, first, last);
    qatomic_store_release(&c->ranges, ranges + 1);
    return true;
}

static inline void dma_cache_announced(DMACache *c)
{
    uint64_t ranges = qatomic_read(&c->ranges);

    if (ranges & 1) {
        qatomic_store_release(&c->ranges, ranges + 1);
    }
}

#endif

/*
 * DMA translation cache: IOVA to host memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A slot's word is its lock: odd while somebody changes it.  Who wants to
 * change it and finds it odd gives up.
 *
 * Why nothing removed comes back.  An insert takes the slot (1) and then looks
 * whether anything was invalidated since its caller read the tables (2).  An
 * invalidation counts itself (a), passes a full barrier, which may be one that
 * it has to pass for others, too, and then looks at the slot (b).  Either (2)
 * sees (a), and the insert leaves nothing; or (b) sees the slot taken, or
 * already filled.  Filled, it is emptied if it is in the range.  Taken, the
 * word is changed under the owner's hands, who finds that out when he lets the
 * slot go, and leaves nothing.
 *
 * What the tables are read from (an IOTLB) may still have what goes until then.
 * So the count is odd until the range is gone from here, and nothing is kept
 * of what was read while it was.
 *
 * Dropping everything is a new generation; an insert stamps its entry with the
 * one that it saw before (2), so that it is dead if a newer one began later.
 * So is a change of whose translations the cache holds: who looks up compares
 * himself with the generation that he goes by.
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/thread.h"
#include "system/dma-cache.h"

#define MIN_PAGES       64u
#define MAX_PAGES       (1u << 20)
#define MAX_CHUNKS      1024u
#define ALIGN           64

/* A range of more pages than this drops everything. */
#define PROBE_PAGES     512

#define GEN_ONE         ((uint64_t)1 << DMA_CACHE_GEN_SHIFT)
/* Nothing is inserted in it: it is used while slots are wiped. */
#define GEN_LAST        ((uint64_t)UINT32_MAX << DMA_CACHE_GEN_SHIFT)

/* A generation without whose it is */
static uint64_t gen_number(uint64_t gen)
{
    return gen & ~(GEN_ONE - 1);
}

static uint64_t gen_of(uint64_t number, uint32_t who)
{
    return number | (uint64_t)who << 1;
}

/* The next count, of no generation */
static uint64_t next_count(uint64_t word, unsigned n)
{
    return (word + n) & UINT32_MAX;
}

static unsigned round_pages(unsigned pages)
{
    unsigned n = MIN_PAGES;

    while (n < pages && n < MAX_PAGES) {
        n <<= 1;
    }
    return n;
}

static unsigned chunks_for(unsigned pages)
{
    return MIN(pages / 8, MAX_CHUNKS);
}

size_t dma_cache_bytes(unsigned pages)
{
    unsigned n = round_pages(pages);

    return sizeof(DMACache) + ALIGN +
           ((size_t)n + chunks_for(n)) * sizeof(DMACacheSlot);
}

DMACache *dma_cache_new(unsigned pages, uint32_t who)
{
    DMACache *c = g_new0(DMACache, 1);
    unsigned n = round_pages(pages);
    uintptr_t at;

    /* Zeroes: memory that is never used is never taken. */
    c->bytes = dma_cache_bytes(pages);
    c->mem = g_malloc0(c->bytes - sizeof(DMACache));
    at = ((uintptr_t)c->mem + ALIGN - 1) & ~(uintptr_t)(ALIGN - 1);
    c->pages = (DMACacheSlot *)at;
    c->chunks = c->pages + n;
    c->page_bits = __builtin_ctz(n);
    c->page_mask = n - 1;
    c->chunk_bits = __builtin_ctz(chunks_for(n));
    c->chunk_mask = chunks_for(n) - 1;
    c->gen = gen_of(GEN_ONE, who);
    qemu_mutex_init(&c->lock);
    return c;
}

void dma_cache_free(DMACache *c)
{
    if (c) {
        qemu_mutex_destroy(&c->lock);
        g_free(c->mem);
        g_free(c);
    }
}

/*
 * Take @slot to change it.  @word: what it was; it is valid still if its
 * generation is the current one.  Returns: false if somebody else has it.
 */
static bool slot_take(DMACacheSlot *slot, uint64_t *word)
{
    *word = qatomic_load_acquire(&slot->word);
    return !(*word & 1) &&
           qatomic_cmpxchg(&slot->word, *word, next_count(*word, 1)) == *word;
}

/*
 * Let it go.  @gen: of the new entry; 0: there is none.  @word: what
 * slot_take() said.
 */
static void slot_release(DMACacheSlot *slot, uint64_t word, uint64_t gen)
{
    uint64_t taken = next_count(word, 1);
    uint64_t now = qatomic_cmpxchg(&slot->word, taken,
                                   gen_number(gen) | next_count(word, 2));

    while (now != taken) {
        /* An invalidation was here. */
        taken = now;
        now = qatomic_cmpxchg(&slot->word, taken, next_count(taken, 1));
    }
}

/*
 * May an entry be made of what was read for @who at @seq?  The slot is taken.
 * Returns: the generation, or 0.
 */
static uint64_t insert_gen(DMACache *c, uint32_t who, uint64_t seq)
{
    uint64_t gen;

    /* The slot is taken before the count is read: (1) and (2) above. */
    smp_mb__after_rmw();
    gen = qatomic_load_acquire(&c->gen);
    if (gen == GEN_LAST || !dma_cache_gen_is(gen, who) || (seq & 1) ||
        dma_cache_seq(c) != seq) {
        return 0;
    }
    return gen;
}

static void slot_fill(DMACacheSlot *slot, uint64_t key, uint8_t *host,
                      void *owner)
{
    qatomic_set(&slot->key, key);
    qatomic_set(&slot->host, host);
    qatomic_set(&slot->owner, owner);
}

/* Part of a leaf only: an invalidation of the rest of it has to find it. */
static void note_leaf(DMACache *c, unsigned leaf_shift)
{
    uint64_t bit = (uint64_t)1 << leaf_shift;

    if (!(qatomic_read(&c->leaf_shifts) & bit)) {
        qatomic_or(&c->leaf_shifts, bit);
    }
}

static void insert_page(DMACache *c, const DMACacheRun *run, uint64_t iova,
                        uint64_t seq)
{
    uint64_t page = iova >> DMA_CACHE_PAGE_SHIFT;
    DMACacheSlot *slot = dma_cache_page_slot(c, page);
    uint64_t word, gen;

    if (run->leaf_shift > DMA_CACHE_PAGE_SHIFT) {
        note_leaf(c, run->leaf_shift);
    }
    if (!slot_take(slot, &word)) {
        return;
    }
    gen = insert_gen(c, run->who, seq);
    if (gen) {
        slot_fill(slot, page << DMA_CACHE_PAGE_KEY | run->perm,
                  run->host + ((page << DMA_CACHE_PAGE_SHIFT) - run->first),
                  run->owner);
    }
    slot_release(slot, word, gen);
}

static void insert_chunk(DMACache *c, const DMACacheRun *run, uint64_t iova,
                         uint64_t seq)
{
    uint64_t chunk = iova >> DMA_CACHE_CHUNK_SHIFT;
    uint64_t base = chunk << DMA_CACHE_CHUNK_SHIFT;
    uint64_t last = base + (DMA_CACHE_CHUNK_SIZE - 1);
    DMACacheSlot *slot = dma_cache_chunk_slot(c, chunk);
    uint64_t lo = (MAX(run->first, base) - base) >> DMA_CACHE_PAGE_SHIFT;
    uint64_t hi = (MIN(run->last, last) - base) >> DMA_CACHE_PAGE_SHIFT;
    uint64_t bounds = DMA_CACHE_INDEX_MASK << DMA_CACHE_LO_SHIFT |
                      DMA_CACHE_INDEX_MASK << DMA_CACHE_HI_SHIFT;
    uint64_t key = chunk << DMA_CACHE_CHUNK_KEY | run->perm;
    uint8_t *host = run->host + (base - run->first);
    uint64_t word, gen;

    if (run->leaf_shift > DMA_CACHE_CHUNK_SHIFT ||
        (run->leaf_shift > DMA_CACHE_PAGE_SHIFT &&
         (run->first > base || run->last < last))) {
        note_leaf(c, run->leaf_shift);
    }
    if (!slot_take(slot, &word)) {
        return;
    }
    gen = insert_gen(c, run->who, seq);
    if (gen) {
        if (dma_cache_word_ok(word, gen) && (slot->key & ~bounds) == key &&
            slot->host == host && slot->owner == run->owner) {
            uint64_t old_lo = slot->key >> DMA_CACHE_LO_SHIFT &
                              DMA_CACHE_INDEX_MASK;
            uint64_t old_hi = slot->key >> DMA_CACHE_HI_SHIFT &
                              DMA_CACHE_INDEX_MASK;

            /* One run if no page lies between them. */
            if (lo <= old_hi + 1 && old_lo <= hi + 1) {
                lo = MIN(lo, old_lo);
                hi = MAX(hi, old_hi);
            }
        }
        slot_fill(slot, key | lo << DMA_CACHE_LO_SHIFT |
                        hi << DMA_CACHE_HI_SHIFT, host, run->owner);
    }
    slot_release(slot, word, gen);
}

void dma_cache_insert(DMACache *c, const DMACacheRun *run, uint64_t iova,
                      uint64_t seq)
{
    if (run->last - run->first < DMA_CACHE_PAGE_SIZE) {
        insert_page(c, run, iova, seq);
    } else {
        insert_chunk(c, run, iova, seq);
    }
}

/* Make what is in @slot, or is about to be, no entry. */
static void slot_empty(DMACacheSlot *slot, uint64_t word)
{
    uint64_t now;

    /* Odd stays odd: its owner lets it go. */
    while ((now = qatomic_cmpxchg(&slot->word, word,
                                  next_count(word, 2))) != word) {
        word = now;
    }
    /* Gone, before anybody looks who may still use it. */
    smp_mb__after_rmw();
}

/*
 * Empty @slot if it is taken, or is of @number and, in a chunk, has a page from
 * @lo to @hi.  Whoever takes it after its word was read here has yet to look
 * whether there were invalidations: what he makes of it is no matter.
 */
static void drop_page(DMACacheSlot *slot, uint64_t number)
{
    uint64_t word = qatomic_load_acquire(&slot->word);

    if ((word & 1) ||
        qatomic_read(&slot->key) >> DMA_CACHE_PAGE_KEY == number) {
        slot_empty(slot, word);
    }
}

static void drop_chunk(DMACacheSlot *slot, uint64_t number, uint64_t lo,
                       uint64_t hi)
{
    uint64_t word = qatomic_load_acquire(&slot->word);
    uint64_t key = qatomic_read(&slot->key);

    if ((word & 1) ||
        (key >> DMA_CACHE_CHUNK_KEY == number &&
         lo <= (key >> DMA_CACHE_HI_SHIFT & DMA_CACHE_INDEX_MASK) &&
         hi >= (key >> DMA_CACHE_LO_SHIFT & DMA_CACHE_INDEX_MASK))) {
        slot_empty(slot, word);
    }
}

/*
 * Lock held.  A new generation, of what is translated for @who through @tag.
 *
 * Until it begins the cache is closed: the last generation finds nothing and
 * takes nothing, so that nobody sees the tag or the leaves of one generation
 * and the entries of another.  In this order: who has read the new count has
 * seen the new tag and has its leaf noted after the reset, and who is stamped
 * with the new generation has read the new count.
 */
static void new_generation(DMACache *c, uint32_t who, uint64_t tag)
{
    uint64_t gen = gen_number(c->gen) + GEN_ONE;
    size_t i, n = ((size_t)1 << c->page_bits) + ((size_t)1 << c->chunk_bits);

    /*
     * No barrier: what is stored below is released, so nobody sees it who does
     * not see this; and each slot is emptied by a read-modify-write, so an
     * insert that takes it later sees this, and one that took it earlier is
     * seen.
     */
    qatomic_set(&c->gen, GEN_LAST);
    if (gen == GEN_LAST) {
        /* They are used up: every slot is emptied by hand. */
        for (i = 0; i < n; i++) {
            slot_empty(&c->pages[i], qatomic_read(&c->pages[i].word));
        }
        gen = GEN_ONE;
    }
    qatomic_store_release(&c->tag, tag);
    qatomic_store_release(&c->leaf_shifts, 0);
    qatomic_fetch_add(&c->seq, 2);
    /* Gone, as in slot_empty(). */
    smp_mb__after_rmw();
    qatomic_store_release(&c->gen, gen_of(gen, who));
}

/* Lock held, or for a guess */
static uint32_t cache_whose(const DMACache *c)
{
    return (uint32_t)qatomic_read(&c->gen) >> 1;
}

void dma_cache_invalidate_all(DMACache *c)
{
    qemu_mutex_lock(&c->lock);
    new_generation(c, cache_whose(c), c->tag);
    qemu_mutex_unlock(&c->lock);
}

bool dma_cache_claim(DMACache *c, uint32_t who)
{
    unsigned n;

    if (likely(cache_whose(c) == who)) {
        return true;
    }
    /* Two threads may count as one: it is not that exact. */
    n = qatomic_read(&c->refused) + 1;
    qatomic_set(&c->refused, n);
    return n % DMA_CACHE_CLAIMS == 0;
}

bool dma_cache_set_tag(DMACache *c, uint32_t who, uint64_t tag)
{
    bool same;

    /*
     * While a new generation is made the two may not belong together, but then
     * what is inserted is refused.
     */
    if (likely(qatomic_load_acquire(&c->tag) == tag && cache_whose(c) == who)) {
        return true;
    }
    qemu_mutex_lock(&c->lock);
    same = c->tag == tag && cache_whose(c) == who;
    if (!same) {
        new_generation(c, who, tag);
    }
    qemu_mutex_unlock(&c->lock);
    /*
     * The tag is set, whoever set it, before anything is translated again: an
     * invalidation that does not see it is seen.
     */
    smp_mb();
    return same;
}

/* Counted already, and a full barrier was passed: (a) above. */
void dma_cache_drop_range(DMACache *c, uint64_t first, uint64_t last)
{
    uint64_t shifts, page, last_page, chunk;

    /* After a reset nothing of the old generation is found either. */
    shifts = qatomic_load_acquire(&c->leaf_shifts);
    if (shifts) {
        uint64_t mask = ((uint64_t)1 << (63 - __builtin_clzll(shifts))) - 1;

        first &= ~mask;
        last |= mask;
    }
    page = first >> DMA_CACHE_PAGE_SHIFT;
    last_page = last >> DMA_CACHE_PAGE_SHIFT;
    if (last < first || last_page - page >= PROBE_PAGES) {
        dma_cache_invalidate_all(c);
        return;
    }
    for (; page <= last_page; page++) {
        drop_page(dma_cache_page_slot(c, page), page);
    }
    for (chunk = first >> DMA_CACHE_CHUNK_SHIFT;
         chunk <= last >> DMA_CACHE_CHUNK_SHIFT; chunk++) {
        uint64_t base = chunk << DMA_CACHE_CHUNK_SHIFT;
        uint64_t end = base + (DMA_CACHE_CHUNK_SIZE - 1);

        drop_chunk(dma_cache_chunk_slot(c, chunk), chunk,
                   (MAX(first, base) - base) >> DMA_CACHE_PAGE_SHIFT,
                   (MIN(last, end) - base) >> DMA_CACHE_PAGE_SHIFT);
    }
}

void dma_cache_invalidate_range(DMACache *c, uint64_t first, uint64_t last)
{
    dma_cache_remove_range(c, 0, 0, first, last);
}

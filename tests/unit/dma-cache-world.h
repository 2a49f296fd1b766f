/*
 * A made-up endpoint whose translations the DMA cache keeps, and the truth
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Two domains, in one of which the endpoint is, or each is a PASID's of the two
 * that share the cache; each has the same few leaves, from 4 KiB to 1 GiB.  A
 * leaf leads to a version: a host address holds domain, version and IOVA, so
 * that a hit tells of itself whether it is right.  A version has its
 * permissions.  Neighbours of one version are one run of host memory.  The only
 * rule: once an invalidation has returned, no lookup that begins finds a
 * version below the leaf's floor.
 *
 * The host addresses are never used as such.
 */
#ifndef DMA_CACHE_WORLD_H
#define DMA_CACHE_WORLD_H

#include "hw/iommu/iotlb.h"
#include "system/dma-cache.h"

#define WORLD_TAGS      2
#define WORLD_LEAVES    9
#define WORLD_CHUNK(n)  ((uint64_t)(n) << DMA_CACHE_CHUNK_SHIFT)

static const struct WorldLeaf {
    uint64_t first;
    unsigned shift;
} world_leaves[WORLD_LEAVES] = {
    { 0, 12 }, { 0x1000, 12 }, { 0x2000, 12 }, { 0x3000, 12 },
    /* Of the same slot, in a cache of 8 chunks */
    { WORLD_CHUNK(9), 16 }, { WORLD_CHUNK(9) + 0x10000, 16 },
    /* Neighbours, so that a run may cross from chunk to chunk */
    { WORLD_CHUNK(11) - 0x1000, 12 }, { WORLD_CHUNK(11), 21 },
    { 1ull << 30, 30 },
};

#define WORLD_IOVA_BITS     36
#define WORLD_VERSION_BITS  26

typedef enum WorldWhos {
    WORLD_ONE,                  /* nobody asks with a PASID */
    WORLD_TWO,                  /* each has a domain tag of its own */
    WORLD_TWO_ALIKE,            /* both have the same */
} WorldWhos;

typedef struct World {
    DMACache *cache;
    WorldWhos whos;
    uint64_t version[WORLD_TAGS][WORLD_LEAVES];     /* tables; 0: no leaf */
    uint64_t floor[WORLD_TAGS][WORLD_LEAVES];
    uint64_t dead[WORLD_TAGS][WORLD_LEAVES];        /* below: in other use */
    uint64_t last_version;
    uint64_t context;           /* changes begun; odd: domain 1 */
    uint64_t context_done;
    bool any_tag;               /* whoever fills may have any domain in mind */
    unsigned yield;             /* one in so many; 0: never */
    uint64_t hits, runs, skipped;
} World;

static inline uint64_t world_tag(unsigned t)
{
    return IOTLB_TAG(0, 5 + t, 0);
}

/* What is translated for @t is tagged so, and is for ... */
static inline uint64_t world_tag_of(const World *w, unsigned t)
{
    return world_tag(w->whos == WORLD_TWO_ALIKE ? 0 : t);
}

static inline uint32_t world_who(const World *w, unsigned t)
{
    return w->whos == WORLD_ONE ? 0 : (1u << (DMA_CACHE_WHO_BITS - 1)) + t;
}

static inline uint64_t world_last(unsigned leaf)
{
    return world_leaves[leaf].first + ((1ull << world_leaves[leaf].shift) - 1);
}

static inline unsigned world_perm(uint64_t version)
{
    return version % 4 ? 3 : DMA_CACHE_READ + version / 4 % 2;
}

static inline uint8_t *world_host(unsigned t, uint64_t version, uint64_t iova)
{
    return (uint8_t *)(uintptr_t)((uint64_t)t << 63 |
                                  version << WORLD_IOVA_BITS | iova);
}

static inline void *world_owner(unsigned t, uint64_t version)
{
    return (void *)(uintptr_t)(version * 2 + t);
}

static inline void world_yield(World *w, Rand *r)
{
    if (w->yield && rand_below(r, w->yield) == 0) {
        sched_yield();
    }
}

/* Near one of the leaf's ends, or anywhere; several threads often meet. */
static inline uint64_t world_iova(Rand *r, unsigned leaf)
{
    uint64_t size = 1ull << world_leaves[leaf].shift;
    uint64_t page;

    switch (rand_below(r, 8)) {
    case 0:
        page = size / 4096 - 1;
        break;
    case 1:
        page = rand64(r) % (size / 4096);
        break;
    default:
        page = rand_below(r, 2) % (size / 4096);
        break;
    }
    return world_leaves[leaf].first + page * 4096 + rand_below(r, 4096);
}

/* What a lookup may not fall behind, from before it */
typedef struct WorldSeen {
    uint64_t floor[WORLD_TAGS][WORLD_LEAVES];
    uint64_t context;
    bool context_stable;
} WorldSeen;

/* No steps here: this is the test's own, not what it is about. */
static inline void world_see(World *w, WorldSeen *seen)
{
    unsigned t, i;

    seen->context = __atomic_load_n(&w->context_done, __ATOMIC_ACQUIRE);
    for (t = 0; t < WORLD_TAGS; t++) {
        for (i = 0; i < WORLD_LEAVES; i++) {
            seen->floor[t][i] = __atomic_load_n(&w->floor[t][i],
                                                __ATOMIC_ACQUIRE);
        }
    }
}

static inline unsigned world_hit_tag(const DMACacheHit *hit)
{
    return (uintptr_t)hit->host >> 63;
}

static inline uint64_t world_hit_version(const DMACacheHit *hit)
{
    return (uintptr_t)hit->host >> WORLD_IOVA_BITS &
           ((1u << WORLD_VERSION_BITS) - 1);
}

/* All of the hit is at least as new as @floor says, and hangs together. */
static inline void world_check_floor(uint64_t floor[][WORLD_LEAVES],
                                     uint64_t iova, const DMACacheHit *hit)
{
    unsigned t = world_hit_tag(hit), i;
    uint64_t version = world_hit_version(hit), covered = 0;

    for (i = 0; i < WORLD_LEAVES; i++) {
        uint64_t first = MAX(iova, world_leaves[i].first);
        uint64_t last = MIN(iova + (hit->avail - 1), world_last(i));

        if (first <= last) {
            covered += last - first + 1;
            g_assert_cmpuint(version, >=,
                             __atomic_load_n(&floor[t][i], __ATOMIC_ACQUIRE));
        }
    }
    g_assert_cmpuint(covered, ==, hit->avail);
}

/* Returns: true if it was a hit, which @hit and @iova tell; it is right. */
static inline bool world_lookup(World *w, Rand *r, DMACacheHit *hit,
                                uint64_t *iova)
{
    unsigned leaf = rand_below(r, WORLD_LEAVES);
    unsigned need = rand_below(r, 8) ? DMA_CACHE_READ : rand_below(r, 4);
    bool run = rand_below(r, 2);
    unsigned asks = w->whos == WORLD_ONE ? 0 : rand_below(r, WORLD_TAGS);
    uint32_t who = world_who(w, asks);
    uint64_t version, tag = 0;
    WorldSeen seen;
    bool found;

    *iova = world_iova(r, leaf);
    world_see(w, &seen);
    found = run ? dma_cache_find_run(w->cache, who, *iova,
                                     rand_below(r, 2) ? 1 : 0x1800, need, hit,
                                     &tag)
                : dma_cache_find(w->cache, who, *iova, need, hit);
    if (!found) {
        return false;
    }
    version = world_hit_version(hit);
    g_assert_cmphex((uintptr_t)hit->host & ((1ull << WORLD_IOVA_BITS) - 1), ==,
                    *iova);
    g_assert_true(hit->owner == world_owner(world_hit_tag(hit), version));
    g_assert_cmphex(need & ~world_perm(version), ==, 0);
    world_check_floor(seen.floor, *iova, hit);
    if (run) {
        g_assert_cmphex(tag, ==, world_tag_of(w, world_hit_tag(hit)));
    }
    if (w->whos != WORLD_ONE) {
        g_assert_cmpuint(world_hit_tag(hit), ==, asks);
    } else if (!w->any_tag &&
               seen.context == __atomic_load_n(&w->context, __ATOMIC_ACQUIRE)) {
        g_assert_cmpuint(world_hit_tag(hit), ==, seen.context & 1);
    }
    return true;
}

/* What follows a miss: from the tables into the cache. */
static inline void world_fill(World *w, Rand *r)
{
    DMACache *c = w->cache;
    unsigned leaf = rand_below(r, WORLD_LEAVES), low = leaf, high = leaf;
    unsigned t, tries = 0;
    uint64_t seq, version, before, after, iova = world_iova(r, leaf);
    DMACacheRun run;
    uint32_t who;
    bool keep;

    do {
        if (tries++ == 3) {
            return;
        }
        seq = dma_cache_seq(c);
        t = w->any_tag || w->whos != WORLD_ONE ?
            rand_below(r, WORLD_TAGS) : qatomic_load_acquire(&w->context) & 1;
        world_yield(w, r);
        /* If it is the other's, and remains so, nothing may come of it. */
        who = world_who(w, t);
        keep = dma_cache_claim(c, who);
    } while (keep && !dma_cache_set_tag(c, who, world_tag_of(w, t)));
    version = qatomic_load_acquire(&w->version[t][leaf]);
    if (!version) {
        return;
    }
    world_yield(w, r);
    run = (DMACacheRun) {
        .first = iova & -DMA_CACHE_PAGE_SIZE,
        .last = iova | (DMA_CACHE_PAGE_SIZE - 1),
        .owner = world_owner(t, version),
        .perm = world_perm(version),
        .leaf_shift = world_leaves[leaf].shift,
        .who = who,
    };
    switch (rand_below(r, 4)) {
    case 0:
        /* one page of it */
        break;
    case 1:
        /* some pages of it */
        before = rand_below(r, 3) * DMA_CACHE_PAGE_SIZE;
        after = rand_below(r, 3) * DMA_CACHE_PAGE_SIZE;
        run.first -= MIN(run.first - world_leaves[leaf].first, before);
        run.last += MIN(world_last(leaf) - run.last, after);
        break;
    case 2:
        /* all of it, and what continues it */
        while (low > 0 && world_last(low - 1) + 1 == world_leaves[low].first &&
               qatomic_load_acquire(&w->version[t][low - 1]) == version) {
            low--;
        }
        while (high + 1 < WORLD_LEAVES &&
               world_last(high) + 1 == world_leaves[high + 1].first &&
               qatomic_load_acquire(&w->version[t][high + 1]) == version) {
            high++;
        }
        /* fall through */
    default:
        run.first = world_leaves[low].first;
        run.last = world_last(high);
        for (; low <= high; low++) {
            run.leaf_shift = MAX(run.leaf_shift, world_leaves[low].shift);
        }
        break;
    }
    run.host = world_host(t, version, run.first);
    dma_cache_insert(c, &run, iova, seq);
}

/* What world_change() did: these leaves of this domain are older now. */
typedef struct WorldChange {
    unsigned tag, low, high;
    uint64_t version;
    bool context;
} WorldChange;

static inline void world_changed(World *w, const WorldChange *change)
{
    unsigned i;

    /* Whoever is told is told after all of it. */
    smp_mb();
    for (i = change->low; i <= change->high; i++) {
        __atomic_store_n(&w->floor[change->tag][i], change->version,
                         __ATOMIC_RELEASE);
    }
}

/* The guest changes something, and invalidates.  One thread at a time. */
static inline WorldChange world_change(World *w, Rand *r)
{
    DMACache *c = w->cache;
    WorldChange change = {
        .tag = rand_below(r, WORLD_TAGS),
        .version = ++w->last_version,
    };
    bool unmap = rand_below(r, 8) == 0;
    uint64_t tag;
    unsigned i;

    if (rand_below(r, 12) == 0) {
        uint64_t context = w->context + 1;

        change.context = true;
        qatomic_store_release(&w->context, context);
        dma_cache_invalidate_all(c);
        /* What was in use before is seen to be over, as after a drain. */
        smp_mb();
        __atomic_store_n(&w->context_done, context, __ATOMIC_RELEASE);
        return change;
    }
    if (!w->any_tag && w->whos == WORLD_ONE && rand_below(r, 4)) {
        change.tag = w->context & 1;
    }
    change.low = change.high = rand_below(r, WORLD_LEAVES);
    while (change.high + 1 < WORLD_LEAVES && rand_below(r, 2)) {
        change.high++;
    }
    for (i = change.low; i <= change.high; i++) {
        qatomic_store_release(&w->version[change.tag][i],
                              unmap ? 0 : change.version);
    }

    tag = world_tag_of(w, change.tag);
    if (rand_below(r, 2) == 0) {
        uint64_t at = world_iova(r, change.low);

        dma_cache_announce(c, tag, IOTLB_TAG_DOMAIN_MASK);
        /* One for all that is counted, as where there is an IOTLB, too */
        smp_mb();
        w->skipped += qatomic_read(&c->tag) != tag;
        dma_cache_remove_range(c, tag, IOTLB_TAG_DOMAIN_MASK, at,
                               MAX(at, world_last(change.high)));
        dma_cache_announced(c);
        dma_cache_remove_range(c, tag, IOTLB_TAG_DOMAIN_MASK,
                               world_leaves[change.low].first, at);
        world_changed(w, &change);
        return change;
    }

    /* Nothing of another domain is in the cache. */
    smp_mb();
    if (qatomic_load_acquire(&c->tag) != tag) {
        w->skipped++;
    } else if (rand_below(r, 16) == 0) {
        dma_cache_invalidate_all(c);
    } else if (rand_below(r, 16) == 0) {
        dma_cache_invalidate_range(c, 0, UINT64_MAX);
    } else if (rand_below(r, 4) == 0) {
        dma_cache_invalidate_range(c, world_iova(r, change.low) & -4096ull,
                                   world_last(change.high));
        dma_cache_invalidate_range(c, world_leaves[change.low].first,
                                   world_iova(r, change.low));
    } else {
        /* One byte of a leaf is enough. */
        for (i = change.low; i <= change.high; i++) {
            uint64_t at = world_iova(r, i);

            dma_cache_invalidate_range(c, at, at);
        }
    }
    world_changed(w, &change);
    return change;
}

/* Who is in it: a test's name ends so. */
typedef struct WorldKind {
    const char *name;
    bool any_tag;
    WorldWhos whos;
} WorldKind;

static const WorldKind world_kinds[] = {
    { "" }, { "-tags", .any_tag = true },
    { "-pasids", .whos = WORLD_TWO }, { "-alike", .whos = WORLD_TWO_ALIKE },
};

static inline void world_set_kind(World *w, const WorldKind *kind)
{
    w->any_tag = kind->any_tag;
    w->whos = kind->whos;
}

static inline void world_set_generation(World *w, uint32_t gen)
{
    w->cache->gen = (uint64_t)gen << DMA_CACHE_GEN_SHIFT |
                    (uint32_t)w->cache->gen;
}

static inline void world_init(World *w, unsigned pages, Rand *r)
{
    unsigned t, i;

    memset(w, 0, sizeof(*w));
    w->cache = dma_cache_new(pages, 0);
    w->last_version = 1 + rand_below(r, 4);
    for (t = 0; t < WORLD_TAGS; t++) {
        for (i = 0; i < WORLD_LEAVES; i++) {
            w->version[t][i] = w->last_version;
        }
    }
}

#endif

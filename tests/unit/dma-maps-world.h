/*
 * Maps in flight, and the truth: a list
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Nothing is ambiguous (every host address once), so the truth and the records
 * must agree exactly, after each step.  The memory has owners, who are referred
 * to once for each map as soon as no reference is kept.
 */
#ifndef DMA_MAPS_WORLD_H
#define DMA_MAPS_WORLD_H

#include "system/dma-maps.h"

#define NOBODY UINT64_MAX

static char memory[1 << 20];

static inline void revoke_a(void *opaque)
{
}

static inline void revoke_b(void *opaque)
{
}

/* End a map; returns whether it was waited for, or -1 if there was none. */
static inline int end(DMAMaps *maps, void *host, bool is_write)
{
    DMAMapsEnd end = { .waited = true, .relied = true };

    if (!dma_maps_remove(maps, host, is_write, &end)) {
        g_assert_false(end.waited);
        g_assert_false(end.relied);
        return -1;
    }
    return end.waited;
}

typedef bool IsStale(void *opaque, const DMAMapInfo *info);

/* What the last scan said is to be revoked, and how much it cleared */
static GArray *revoked;
static unsigned cleared;
/* Others add and end maps meanwhile */
static bool in_threads;

/*
 * Look at all that overlaps, as the drain does; is_stale NULL: all of it is.
 * Returns: how many are waited for now.
 */
static inline unsigned scan_if(DMAMaps *maps, uint64_t first, uint64_t last,
                        IsStale *is_stale, void *opaque, uint64_t seq)
{
    bool concerned = dma_maps_concerned(maps, first, last, 0, 0);
    DMAMapsItem items[3];
    DMAMapsCursor cursor;
    unsigned i, n, stamped = 0, met = 0;

    cleared = 0;
    dma_maps_look(&cursor, first, last);
    while ((n = dma_maps_next(maps, &cursor, items, ARRAY_SIZE(items)))) {
        g_assert_cmpuint(n, <=, ARRAY_SIZE(items));
        met += n;
        for (i = 0; i < n; i++) {
            const DMAMapInfo *info = &items[i].info;

            if (!items[i].vague && is_stale && !is_stale(opaque, info)) {
                continue;
            }
            switch (dma_maps_mark(maps, &items[i], seq)) {
            case DMA_MAPS_WAITED:
                stamped++;
                break;
            case DMA_MAPS_REVOKE:
                g_array_append_val(revoked, *info);
                break;
            case DMA_MAPS_CLEARED:
                cleared++;
                break;
            default:
                break;
            }
            g_assert_cmpint(dma_maps_mark(maps, &items[i], seq), ==,
                            DMA_MAPS_GONE);
        }
    }
    g_assert_cmpuint(dma_maps_next(maps, &cursor, items, 1), ==, 0);
    /* Who asks whether it is worth a look is not told a lie. */
    if (!in_threads) {
        g_assert_cmpint(concerned, ==, met > 0);
    }
    return stamped;
}

static inline DMAMaps *start(void)
{
    revoked = g_array_new(false, false, sizeof(DMAMapInfo));
    return dma_maps_new(NULL);
}

static inline void finish(DMAMaps *maps)
{
    g_array_free(revoked, true);
    dma_maps_free(maps);
}

typedef struct Truth {
    DMAMapInfo info;
    uint64_t stamp;              /* 0: not waited for */
    bool done;                   /* given up, or revoked */
} Truth;

/* Which 4 KiB chunks of IOVA are stale, by a hash */
typedef struct StaleSet {
    uint64_t salt;
} StaleSet;

static inline bool is_stale(void *opaque, const DMAMapInfo *info)
{
    StaleSet *set = opaque;
    uint64_t x = (info->iova >> 12 ^ set->salt) * 0x9e3779b97f4a7c15ull;

    return x >> 62 == 0;
}

static inline bool overlaps(const DMAMapInfo *info, uint64_t first,
                            uint64_t last)
{
    uint64_t end = info->iova + (info->len - 1);

    if (end < info->iova) {
        end = UINT64_MAX;
    }
    return info->iova <= last && end >= first;
}

static inline uint64_t random_iova(Rand *r)
{
    static const uint64_t bases[] = { 0, 1ull << 32, 1ull << 63, -65536ull };

    return bases[rand_below(r, ARRAY_SIZE(bases))] + rand_below(r, 65536);
}

static inline void random_range(Rand *r, uint64_t *first, uint64_t *last)
{
    uint64_t a = random_iova(r), b = random_iova(r);

    if (rand_below(r, 2)) {
        b = a + rand_below(r, 8192);
        b = b < a ? UINT64_MAX : b;
    }
    *first = MIN(a, b);
    *last = MAX(a, b);
}

static inline uint64_t truth_oldest(GArray *truth)
{
    uint64_t oldest = NOBODY;
    unsigned i;

    for (i = 0; i < truth->len; i++) {
        Truth *t = &g_array_index(truth, Truth, i);

        if (t->stamp) {
            oldest = MIN(oldest, t->stamp);
        }
    }
    return oldest;
}

#define MAPS_WORLD_MOST 200
#define MAPS_OWNERS 3
/* So many of the hosts in a row are one owner's, but for some between them. */
#define MAPS_OWNED 40

/* The owner of some of the memory */
typedef struct MapsOwner {
    DMAMaps *maps;           /* its lock is free when a reference is dropped */
    unsigned refs, counted;
} MapsOwner;

static inline void maps_owner_take(void *opaque, unsigned n)
{
    MapsOwner *owner = opaque;

    g_assert_cmpuint(n, >, 0);
    owner->refs += n;
}

static inline void maps_owner_drop(void *opaque)
{
    MapsOwner *owner = opaque;

    dma_maps_waited(owner->maps);
    g_assert_cmpuint(owner->refs, >, 0);
    owner->refs--;
}

static const DMARefsOps maps_owner_ops = {
    .take = maps_owner_take,
    .drop = maps_owner_drop,
};

typedef struct MapsWorld {
    DMAMaps *maps;
    GArray *truth;           /* Truth */
    uint64_t seq, next_host;
    MapsOwner owners[MAPS_OWNERS];
} MapsWorld;

static inline void maps_world_init(MapsWorld *w)
{
    unsigned i;

    *w = (MapsWorld) {
        .maps = dma_maps_new(&maps_owner_ops),
        .truth = g_array_new(false, false, sizeof(Truth)),
    };
    revoked = g_array_new(false, false, sizeof(DMAMapInfo));
    for (i = 0; i < MAPS_OWNERS; i++) {
        w->owners[i].maps = w->maps;
    }
}

/* Each map has its owner; and there is one more for one of them at most. */
static inline void maps_world_check_owners(MapsWorld *w)
{
    unsigned i, kept = 0;

    for (i = 0; i < MAPS_OWNERS; i++) {
        w->owners[i].counted = 0;
    }
    for (i = 0; i < w->truth->len; i++) {
        MapsOwner *owner = g_array_index(w->truth, Truth, i).info.owner;

        owner->counted++;
    }
    for (i = 0; i < MAPS_OWNERS; i++) {
        const MapsOwner *owner = &w->owners[i];

        g_assert_true(owner->refs || !owner->counted);
        g_assert_cmpuint(owner->refs, <=, owner->counted + 1);
        kept += owner->refs > owner->counted;
    }
    g_assert_cmpuint(kept, <=, 1);
}

static inline void maps_world_release(MapsWorld *w)
{
    unsigned i;

    dma_maps_release(w->maps);
    maps_world_check_owners(w);
    for (i = 0; i < MAPS_OWNERS; i++) {
        g_assert_cmpuint(w->owners[i].refs, ==, w->owners[i].counted);
    }
}

/* The maps that are left are forgotten, with a reference each. */
static inline void maps_world_free(MapsWorld *w)
{
    unsigned i;

    maps_world_check_owners(w);
    dma_maps_clear(w->maps);
    for (i = 0; i < MAPS_OWNERS; i++) {
        g_assert_cmpuint(w->owners[i].refs, ==, w->owners[i].counted);
    }
    g_array_free(w->truth, true);
    finish(w->maps);
}

static inline void maps_world_add(MapsWorld *w, Rand *r)
{
    Truth t = {
        .info = {
            .iova = random_iova(r),
            .len = 1 + (rand64(r) >> (32 + rand_below(r, 32))),
            .host = memory + w->next_host++ * 16 % sizeof(memory),
            .is_write = rand_below(r, 2),
            .tag = rand_below(r, 2),
        },
    };

    t.info.owner = &w->owners[w->next_host / MAPS_OWNED % MAPS_OWNERS];
    if (rand_below(r, 8) == 0) {
        t.info.owner = &w->owners[rand_below(r, MAPS_OWNERS)];
    }
    if (rand_below(r, 4) == 0) {
        t.info.revoke = rand_below(r, 2) ? revoke_a : revoke_b;
        t.info.revoke_opaque = memory + rand_below(r, 2);
    }
    g_array_append_val(w->truth, t);
    if (!t.info.revoke && rand_below(r, 4)) {
        g_assert_true(dma_maps_add_request(w->maps, t.info.iova, t.info.len,
                                           t.info.host, t.info.owner,
                                           t.info.tag, t.info.pasid,
                                           t.info.is_write));
    } else {
        maps_owner_take(t.info.owner, 1);
        g_assert_true(dma_maps_add(w->maps, &t.info));
    }
}

/* As an unmap does it; returns whether it was waited for. */
static inline bool maps_world_end(MapsWorld *w, const DMAMapInfo *info,
                                  bool at_once)
{
    DMAMapsEnd end = { 0 };
    void *left;

    if (at_once && dma_maps_remove_request(w->maps, info->host, info->is_write,
                                           &left)) {
        g_assert_true(!left || left == info->owner);
        end.relied = !left;
    } else {
        g_assert_true(dma_maps_remove(w->maps, info->host, info->is_write,
                                      &end));
    }
    if (!end.relied) {
        maps_owner_drop(info->owner);
    }
    return end.waited;
}

static inline void maps_world_remove(MapsWorld *w, Rand *r)
{
    unsigned i = rand_below(r, w->truth->len);
    Truth t = g_array_index(w->truth, Truth, i);

    g_array_remove_index_fast(w->truth, i);
    if (t.info.revoke) {
        g_assert_true(dma_maps_remove_standing(w->maps, t.info.host,
                                               t.info.is_write, t.info.revoke,
                                               t.info.revoke_opaque));
        maps_owner_drop(t.info.owner);
    } else {
        g_assert_cmpint(maps_world_end(w, &t.info, rand_below(r, 2)), ==,
                        !!t.stamp);
    }
}

static inline void maps_world_scan(MapsWorld *w, Rand *r)
{
    StaleSet set = { rand64(r) };
    unsigned stamped = 0, revokes = 0, i;
    uint64_t first, last;

    random_range(r, &first, &last);
    w->seq++;
    for (i = 0; i < w->truth->len; i++) {
        Truth *t = &g_array_index(w->truth, Truth, i);

        if (t->stamp || t->done || !overlaps(&t->info, first, last) ||
            !is_stale(&set, &t->info)) {
            continue;
        }
        if (t->info.revoke) {
            t->done = true;
            revokes++;
        } else {
            t->stamp = w->seq;
            stamped++;
        }
    }
    g_array_set_size(revoked, 0);
    g_assert_cmpuint(scan_if(w->maps, first, last, is_stale, &set, w->seq), ==,
                     stamped);
    g_assert_cmpuint(revoked->len, ==, revokes);
}

static inline void maps_world_abandon(MapsWorld *w, Rand *r)
{
    uint64_t upto = w->seq - MIN(w->seq, rand_below(r, 20));
    unsigned given_up = 0, i;

    for (i = 0; i < w->truth->len; i++) {
        Truth *t = &g_array_index(w->truth, Truth, i);

        if (t->stamp && t->stamp <= upto) {
            t->stamp = 0;
            t->done = true;
            given_up++;
        }
    }
    g_assert_cmpuint(dma_maps_abandon(w->maps, upto), ==, given_up);
}

static inline void maps_world_step(MapsWorld *w, Rand *r)
{
    switch (rand_below(r, 16)) {
    case 0 ... 6:
        if (w->truth->len < MAPS_WORLD_MOST) {
            maps_world_add(w, r);
        }
        break;
    case 7 ... 13:
        if (w->truth->len) {
            maps_world_remove(w, r);
        }
        break;
    case 14:
        maps_world_scan(w, r);
        break;
    case 15:
        switch (rand_below(r, 16)) {
        case 0 ... 1:
            maps_world_abandon(w, r);
            break;
        case 2:
            maps_world_release(w);
            break;
        }
        break;
    }
    maps_world_check_owners(w);
    g_assert_cmpuint(dma_maps_count(w->maps), ==, w->truth->len);
    g_assert_cmphex(dma_maps_oldest_wait(w->maps, NULL), ==,
                    truth_oldest(w->truth));
}

#endif

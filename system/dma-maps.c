/*
 * DMA maps in flight: which host memory a device was handed, and for which IOVA
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Nearly every map ends before anybody asks for it.  It is kept in a small
 * table, a slot by host address, and becomes a record when it is found stale,
 * when another map wants its slot, or the same memory.
 *
 * A record is in two ordered sets: by host address, for when it ends, and by
 * IOVA, for when a translation changes.  One that is waited for, or never will
 * be again, is in the first alone.
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "system/dma-lock.h"
#include "system/dma-maps.h"
#include "system/dma-moment.h"

#define HASH_BITS       10

/*
 * A power of two, at most 1 << HASH_BITS, and 64 * 64.  A request of 1 MiB is
 * 256 maps, and each that finds its slot taken costs some five times as much.
 */
#define SLOTS           1024

/* Bytes of a cache line, or of several */
#define LINE            64

/*
 * More slots than this are a crowd for who has to look at each.  Then each look
 * goes through one word of .live, twice through all of them: what was in such a
 * slot the last time becomes a record.
 */
#define CROWD           16
#define CROWD_LOOKS     (2 * SLOTS / 64)

typedef enum RecordState {
    RECORD_IDLE,             /* nobody waits for it */
    RECORD_WAITED,           /* stale, and waited for */
    RECORD_DONE,             /* given up, revoked or cleared */
} RecordState;

typedef struct Record {
    DMARange by_host;        /* maps->by_host[][]; not of a pinned pointer */
    DMARange by_iova;        /* maps->by_iova or ->vague, if idle */
    DMAMapInfo info;
    uint64_t id;
    uint64_t stamp;          /* RECORD_WAITED: the scan that found it */
    RecordState state;
    unsigned maps;           /* so many unmaps end it */
    unsigned relying;        /* of these, those of @turn; see dma-refs.h */
    uint64_t turn;
    uint32_t moment;         /* in which the first of them was added */
    uint32_t tags;           /* info.tag counts if this is maps->tags */
    bool vague;
    GList in_wait;           /* RECORD_WAITED: in maps->wait */
} Record;

struct DMAPointer {
    Record record;
    uint8_t **pointer;
};

typedef struct Slot {
    const void *host;        /* atomic; NULL: free */
    void *owner;             /* atomic */
    uint32_t version;        /* odd while the two change; atomic */
    uint32_t moment;         /* in which it was added */
    uint64_t iova;
    uint64_t len;
    uint64_t tag;
    uint64_t turn;           /* see dma-refs.h */
    uint32_t pasid;
    bool is_write;
} QEMU_ALIGNED(LINE) Slot;

/*
 * What each map and unmap writes to comes first: that is one line, and a bit of
 * another one, and one more of the slot's own.
 */
struct DMAMaps {
    DMAMapsSeen seen;        /* the first member */
    DMALock lock;
    uint32_t tags;           /* how often tags were forgotten */
    DMARefs refs;
    uint64_t words;          /* a bit for each of .live that is not 0 */
    uint64_t live[SLOTS / 64];           /* a bit for each slot */
    Slot *slots;             /* set once; atomic */
    const DMARefsOps *refs_ops;
    void *room, *slots_room; /* what this, and .slots, are in */
    uint64_t last_id;
    DMARanges by_host[2][2]; /* [is_write][standing]; key: the owner */
    DMARanges by_iova;       /* key: id */
    DMARanges vague;         /* overlap everything; key: id */
    GQueue wait;             /* RECORD_WAITED, rising stamps */
    unsigned crowded;        /* looks at a crowd */
    uint32_t *versions;      /* of the slots, then; NULL: none */
    unsigned records[1 << HASH_BITS];    /* whose host has this hash */
};

/*
 * What .slots is until there has been a map, all of them free: so that who has
 * many endpoints pays for those that are used.  Nothing is written there.
 */
static Slot no_slots[SLOTS];

/* Atomic */
static uint32_t maps_moment;

uint32_t dma_moment(void)
{
    return qatomic_read(&maps_moment);
}

uint32_t dma_moment_next(void)
{
    qatomic_set(&maps_moment, maps_moment + 1);
    return maps_moment;
}

static unsigned maps_hash(const void *host)
{
    return ((uintptr_t)host * 0x9e3779b97f4a7c15ull) >> (64 - HASH_BITS);
}

static Slot *slot_at(DMAMaps *maps, const void *host)
{
    return &qatomic_read(&maps->slots)[maps_hash(host) & (SLOTS - 1)];
}

static void maps_count_add(DMAMaps *maps, int n)
{
    qatomic_store_release(&maps->seen.count, maps->seen.count + n);
}

/* Records */

static DMARanges *record_hosts(DMAMaps *maps, const DMAMapInfo *info)
{
    return &maps->by_host[info->is_write][info->revoke != NULL];
}

static Record *record_find(DMAMaps *maps, const DMAMapInfo *info)
{
    DMARange *range;

    if (!maps->records[maps_hash(info->host)]) {
        return NULL;
    }
    range = dma_ranges_find(record_hosts(maps, info), (uintptr_t)info->host,
                            (uintptr_t)info->revoke,
                            (uintptr_t)info->revoke_opaque);
    return range ? container_of(range, Record, by_host) : NULL;
}

/* Idle, so it is listed when its IOVA is looked at. */
static void record_list(DMAMaps *maps, Record *r)
{
    r->state = RECORD_IDLE;
    r->by_iova = (DMARange) {
        .first = r->vague ? 0 : r->info.iova,
        .last = r->vague ? UINT64_MAX :
                           dma_range_last(r->info.iova, r->info.len),
        .key = { r->id },
    };
    dma_ranges_insert(r->vague ? &maps->vague : &maps->by_iova, &r->by_iova);
}

static void record_unlist(DMAMaps *maps, Record *r)
{
    if (r->state == RECORD_IDLE) {
        dma_ranges_remove(r->vague ? &maps->vague : &maps->by_iova,
                          &r->by_iova);
    } else if (r->state == RECORD_WAITED) {
        g_queue_unlink(&maps->wait, &r->in_wait);
    }
    r->state = RECORD_DONE;
}

static void record_init(DMAMaps *maps, Record *r, const DMAMapInfo *info)
{
    *r = (Record) {
        .info = *info,
        .id = ++maps->last_id,
        .maps = 1,
        .moment = dma_moment(),
        .tags = maps->tags,
    };
    r->in_wait.data = r;
    record_list(maps, r);
}

static Record *record_new(DMAMaps *maps, const DMAMapInfo *info)
{
    Record *r = g_new(Record, 1);

    record_init(maps, r, info);
    r->by_host = (DMARange) {
        .first = (uintptr_t)info->host,
        .last = dma_range_last((uintptr_t)info->host, info->len),
        .key = { (uintptr_t)info->revoke, (uintptr_t)info->revoke_opaque },
    };
    dma_ranges_insert(record_hosts(maps, info), &r->by_host);
    maps->records[maps_hash(info->host)]++;
    return r;
}

static void record_free(DMAMaps *maps, Record *r)
{
    record_unlist(maps, r);
    dma_ranges_remove(record_hosts(maps, &r->info), &r->by_host);
    maps->records[maps_hash(r->info.host)]--;
    g_free(r);
}

static uint64_t record_tag(const DMAMaps *maps, const Record *r)
{
    return r->tags == maps->tags ? r->info.tag : DMA_TAG_ANY;
}

/* Are the two translated alike, whatever the tables come to say? */
static bool maps_same_translation(const DMAMapInfo *a, const DMAMapInfo *b)
{
    return a->iova == b->iova && a->len == b->len && a->pasid == b->pasid;
}

/* One more map of @r.  Returns: false if that would have to make it vague. */
static bool record_share(DMAMaps *maps, Record *r, const DMAMapInfo *info)
{
    if (r->state != RECORD_IDLE || r->vague ||
        !maps_same_translation(&r->info, info)) {
        return false;
    }
    if (record_tag(maps, r) != info->tag) {
        r->info.tag = DMA_TAG_ANY;
    }
    r->maps++;
    return true;
}

static void record_blur(DMAMaps *maps, Record *r)
{
    r->maps++;
    if (r->state == RECORD_WAITED) {
        /* Then the new one is waited for as well: that is the price. */
        r->vague = true;
        return;
    }
    record_unlist(maps, r);
    r->vague = true;
    record_list(maps, r);
}

/* One of @r's maps was added in @turn.  All are of the same memory. */
static void record_rely(Record *r, uint64_t turn)
{
    if (turn == DMA_REFS_OWN) {
        return;
    }
    if (r->turn != turn) {
        /* Of an earlier turn: they have references of their own. */
        r->turn = turn;
        r->relying = 0;
    }
    r->relying++;
}

/*
 * One of @r's maps ends.  Returns: whether it relied on what is kept; it does
 * not matter which of them does.
 */
static bool record_relied(DMAMaps *maps, Record *r)
{
    if (!r->relying || !dma_refs_end(&maps->refs, r->turn)) {
        return false;
    }
    r->relying--;
    return true;
}

/* Slots */

static void slot_free(DMAMaps *maps, Slot *s)
{
    unsigned i = s - maps->slots;

    qatomic_set(&s->host, NULL);
    maps->live[i / 64] &= ~((uint64_t)1 << i % 64);
    if (!maps->live[i / 64]) {
        maps->words &= ~((uint64_t)1 << i / 64);
    }
}

/* The first that is taken of those from the @i-th on; NULL: there is none. */
static Slot *slot_next(DMAMaps *maps, unsigned i)
{
    while (i < SLOTS) {
        uint64_t live = maps->live[i / 64] >> i % 64;

        if (live) {
            return &maps->slots[i + __builtin_ctzll(live)];
        }
        i = (i | 63) + 1;
    }
    return NULL;
}

/* It may be given up meanwhile. */
#define SLOTS_FOREACH(maps, s) \
    for (s = slot_next(maps, 0); s; \
         s = slot_next(maps, s - (maps)->slots + 1))

static void slot_info(const Slot *s, DMAMapInfo *info)
{
    *info = (DMAMapInfo) {
        .iova = s->iova,
        .len = s->len,
        .host = (void *)s->host,
        .owner = s->owner,
        .tag = s->tag,
        .pasid = s->pasid,
        .is_write = s->is_write,
    };
}

static Record *slot_spill(DMAMaps *maps, Slot *s)
{
    DMAMapInfo info;
    Record *r;

    slot_info(s, &info);
    slot_free(maps, s);
    r = record_new(maps, &info);
    r->moment = s->moment;
    record_rely(r, s->turn);
    return r;
}

/* Room for @size bytes that begin with a cache line; *@room: to be freed. */
static void *lines_new0(size_t size, void **room)
{
    *room = g_malloc0(size + LINE - 1);
    return (void *)(((uintptr_t)*room + LINE - 1) / LINE * LINE);
}

/*
 * Before the lock is taken, since it takes long.  Who looks meanwhile finds
 * nothing in either.
 */
static __attribute__((noinline)) void slots_make(DMAMaps *maps)
{
    void *room;
    Slot *slots = lines_new0(SLOTS * sizeof(*slots), &room);

    dma_lock(&maps->lock);
    if (maps->slots == no_slots) {
        maps->slots_room = g_steal_pointer(&room);
        qatomic_store_release(&maps->slots, slots);
    }
    dma_unlock(&maps->lock);
    g_free(room);
}

static inline void slots_need(DMAMaps *maps)
{
    if (unlikely(qatomic_read(&maps->slots) == no_slots)) {
        slots_make(maps);
    }
}

/*
 * The map's turn is the caller's to set.  Returns: NULL if it has to be a
 * record, or is to be refused.
 */
static inline Slot *slot_add(DMAMaps *maps, uint64_t iova, uint64_t len,
                             void *host, void *owner, uint64_t tag,
                             uint32_t pasid, bool is_write)
{
    Slot *s = slot_at(maps, host);
    unsigned i = s - maps->slots;

    if (unlikely(s->host) || unlikely(maps->records[maps_hash(host)])) {
        return NULL;
    }
    s->iova = iova;
    s->len = len;
    s->tag = tag;
    s->pasid = pasid;
    s->is_write = is_write;
    s->moment = dma_moment();
    /* For dma_maps_owner() */
    qatomic_set(&s->version, s->version + 1);
    /* Whoever sees one of the two change sees the odd version. */
    smp_wmb();
    qatomic_set(&s->owner, owner);
    qatomic_set(&s->host, host);
    qatomic_store_release(&s->version, s->version + 1);
    maps->live[i / 64] |= (uint64_t)1 << i % 64;
    maps->words |= (uint64_t)1 << i / 64;
    return s;
}

/* @relied: set to whether it relied on the reference that is kept */
static inline bool slot_remove(DMAMaps *maps, const void *host, bool is_write,
                               bool *relied)
{
    Slot *s = slot_at(maps, host);

    if (s->host != host || !host || s->is_write != is_write) {
        return false;
    }
    slot_free(maps, s);
    *relied = dma_refs_end(&maps->refs, s->turn);
    maps_count_add(maps, -1);
    return true;
}

/* Adding */

/*
 * What no slot took.  @vague: it is not refused but made one with what is
 * there.  Returns: NULL if it is refused.  Lock held.
 */
static Record *maps_add_record(DMAMaps *maps, const DMAMapInfo *info,
                               bool vague)
{
    Slot *s = slot_at(maps, info->host);
    Record *r;

    if (s->host == info->host && s->is_write == info->is_write &&
        !info->revoke) {
        DMAMapInfo old;

        slot_info(s, &old);
        if (!vague && !maps_same_translation(&old, info)) {
            return NULL;
        }
        r = slot_spill(maps, s);
    } else {
        r = record_find(maps, info);
    }
    if (!r) {
        r = record_new(maps, info);
    } else if (!record_share(maps, r, info)) {
        if (!vague) {
            return NULL;
        }
        record_blur(maps, r);
    }
    maps_count_add(maps, 1);
    return r;
}

static __attribute__((noinline))
Record *maps_add_request_slowly(DMAMaps *maps, uint64_t iova, uint64_t len,
                                void *host, void *owner, uint64_t tag,
                                uint32_t pasid, bool is_write)
{
    DMAMapInfo info = {
        .iova = iova,
        .len = len,
        .host = host,
        .owner = owner,
        .tag = tag,
        .pasid = pasid,
        .is_write = is_write,
    };

    return maps_add_record(maps, &info, false);
}

/* A reference that was to be dropped once the lock was released */
static inline void maps_drop(DMAMaps *maps, void *left)
{
    if (unlikely(left)) {
        maps->refs_ops->drop(left);
    }
}

bool dma_maps_add_request(DMAMaps *maps, uint64_t iova, uint64_t len,
                          void *host, void *owner, uint64_t tag,
                          uint32_t pasid, bool is_write)
{
    void *left = NULL;
    Record *r = NULL;
    Slot *s;

    slots_need(maps);
    dma_lock(&maps->lock);
    s = slot_add(maps, iova, len, host, owner, tag, pasid, is_write);
    if (likely(s)) {
        s->turn = dma_refs_add(&maps->refs, maps->refs_ops, owner, &left);
        maps_count_add(maps, 1);
    } else {
        r = maps_add_request_slowly(maps, iova, len, host, owner, tag, pasid,
                                    is_write);
        if (r) {
            record_rely(r, dma_refs_add(&maps->refs, maps->refs_ops, owner,
                                        &left));
        }
    }
    dma_unlock(&maps->lock);
    maps_drop(maps, left);
    return s || r;
}

bool dma_maps_add(DMAMaps *maps, const DMAMapInfo *info)
{
    Record *r = NULL;
    Slot *s = NULL;

    slots_need(maps);
    dma_lock(&maps->lock);
    if (!info->revoke) {
        s = slot_add(maps, info->iova, info->len, info->host, info->owner,
                     info->tag, info->pasid, info->is_write);
    }
    if (s) {
        s->turn = DMA_REFS_OWN;
        maps_count_add(maps, 1);
    } else {
        r = maps_add_record(maps, info, false);
    }
    dma_unlock(&maps->lock);
    return s || r;
}

void dma_maps_add_vague(DMAMaps *maps, const DMAMapInfo *info)
{
    dma_lock(&maps->lock);
    maps_add_record(maps, info, true);
    dma_unlock(&maps->lock);
}

void *dma_maps_owner(DMAMaps *maps, const void *host)
{
    Slot *s = slot_at(maps, host);
    uint32_t version = qatomic_load_acquire(&s->version);
    bool found = qatomic_read(&s->host) == host;
    void *owner = qatomic_read(&s->owner);

    /*
     * They belong together if neither changed.  The caller's map keeps the
     * owner alive, whatever becomes of the slot.
     */
    smp_rmb();
    return found && !(version & 1) && qatomic_read(&s->version) == version ?
           owner : NULL;
}

/* Ending */

/* One map of @r has ended. */
static void record_end_one(DMAMaps *maps, Record *r, DMAMapsEnd *end)
{
    bool waited = r->state == RECORD_WAITED;

    maps_count_add(maps, -1);
    end->relied = record_relied(maps, r);
    if (--r->maps == 0) {
        end->waited = waited;
        record_free(maps, r);
    }
}

bool dma_maps_remove_request(DMAMaps *maps, const void *host, bool is_write,
                             void **left)
{
    void *owner;
    bool relied, ok;

    dma_lock(&maps->lock);
    owner = slot_at(maps, host)->owner;
    ok = slot_remove(maps, host, is_write, &relied);
    dma_unlock(&maps->lock);
    *left = likely(ok) && unlikely(!relied) ? owner : NULL;
    return ok;
}

/*
 * A pointer that was advanced: the one request's map that has it inside, or
 * NULL.  Lock held.
 */
static Record *record_find_around(DMAMaps *maps, const void *host,
                                  bool is_write)
{
    DMARanges *hosts = &maps->by_host[is_write][false];
    uint64_t at = (uintptr_t)host;
    DMARange *range;
    Slot *s;

    SLOTS_FOREACH(maps, s) {
        if (s->is_write == is_write && at - (uintptr_t)s->host < s->len) {
            slot_spill(maps, s);
        }
    }
    range = dma_ranges_next(hosts, at, at, NULL);
    return range && !dma_ranges_next(hosts, at, at, range) ?
           container_of(range, Record, by_host) : NULL;
}

bool dma_maps_remove(DMAMaps *maps, const void *host, bool is_write,
                     DMAMapsEnd *end)
{
    const DMAMapInfo info = { .host = (void *)host, .is_write = is_write };
    Record *r = NULL;
    bool ok;

    *end = (DMAMapsEnd) { 0 };
    /* The caller's own map, if there is one, is counted: it added it. */
    if (qatomic_read(&maps->seen.count) == 0) {
        return false;
    }
    dma_lock(&maps->lock);
    ok = slot_remove(maps, host, is_write, &end->relied);
    if (!ok) {
        r = record_find(maps, &info) ?:
            record_find_around(maps, host, is_write);
    }
    if (r) {
        record_end_one(maps, r, end);
        ok = true;
    }
    dma_unlock(&maps->lock);
    return ok;
}

bool dma_maps_remove_standing(DMAMaps *maps, const void *host, bool is_write,
                              DMARevoke *revoke, void *revoke_opaque)
{
    const DMAMapInfo info = {
        .host = (void *)host,
        .is_write = is_write,
        .revoke = revoke,
        .revoke_opaque = revoke_opaque,
    };
    DMAMapsEnd end = { 0 };
    Record *r;

    dma_lock(&maps->lock);
    r = record_find(maps, &info);
    if (r) {
        record_end_one(maps, r, &end);
    }
    dma_unlock(&maps->lock);
    return r != NULL;
}

void dma_maps_release(DMAMaps *maps)
{
    void *left;

    dma_lock(&maps->lock);
    left = dma_refs_release(&maps->refs, maps->refs_ops);
    dma_unlock(&maps->lock);
    maps_drop(maps, left);
}

unsigned dma_maps_clear(DMAMaps *maps)
{
    unsigned i, waited;
    DMARange *range;
    void *left;
    Slot *s;

    dma_lock(&maps->lock);
    left = dma_refs_release(&maps->refs, maps->refs_ops);
    waited = maps->wait.length;
    SLOTS_FOREACH(maps, s) {
        slot_free(maps, s);
    }
    for (i = 0; i < 4; i++) {
        while ((range = maps->by_host[i / 2][i % 2].root)) {
            record_free(maps, container_of(range, Record, by_host));
        }
    }
    qatomic_store_release(&maps->seen.count, 0);
    dma_unlock(&maps->lock);
    maps_drop(maps, left);
    return waited;
}

/* Pinned pointers */

DMAPointer *dma_maps_add_pinned(DMAMaps *maps, const DMAMapInfo *info,
                               uint8_t **pointer)
{
    DMAPointer *p = g_new(DMAPointer, 1);

    p->pointer = pointer;
    dma_lock(&maps->lock);
    record_init(maps, &p->record, info);
    p->record.maps = 0;
    qatomic_store_release(&maps->seen.pinned, maps->seen.pinned + 1);
    qatomic_set(pointer, info->host);
    dma_unlock(&maps->lock);
    return p;
}

void dma_maps_remove_pinned(DMAMaps *maps, DMAPointer *pinned)
{
    dma_lock(&maps->lock);
    record_unlist(maps, &pinned->record);
    qatomic_set(&maps->seen.pinned, maps->seen.pinned - 1);
    dma_unlock(&maps->lock);
    g_free(pinned);
}

/* Looking */

void dma_maps_forget_tags(DMAMaps *maps)
{
    Slot *s;

    if (dma_maps_idle(maps)) {
        return;
    }
    dma_lock(&maps->lock);
    maps->tags++;
    SLOTS_FOREACH(maps, s) {
        s->tag = DMA_TAG_ANY;
    }
    dma_unlock(&maps->lock);
}

/* What becomes a record meanwhile is met in a later stage, or again. */
enum { LOOK_SLOTS, LOOK_BY_IOVA, LOOK_VAGUE, LOOK_END };

void dma_maps_look(DMAMapsCursor *cursor, uint64_t first, uint64_t last)
{
    *cursor = (DMAMapsCursor) {
        .first = first,
        .last = last,
        .stage = first > last ? LOOK_END : LOOK_SLOTS,
    };
}

static bool slot_overlaps(const Slot *s, uint64_t first, uint64_t last)
{
    return s->iova <= last && dma_range_last(s->iova, s->len) >= first;
}

/*
 * What has been in a slot since the last time leaves it, of one word of them:
 * with the lock, it is not to take long.
 */
static void maps_spill_old(DMAMaps *maps)
{
    unsigned w = maps->crowded++ % (SLOTS / 64);
    uint64_t live = maps->live[w];

    if (!maps->versions) {
        maps->versions = g_new0(uint32_t, SLOTS);
    }
    for (; live; live &= live - 1) {
        unsigned i = 64 * w + __builtin_ctzll(live);
        Slot *s = &maps->slots[i];

        if (maps->versions[i] == s->version) {
            slot_spill(maps, s);
        } else {
            maps->versions[i] = s->version;
        }
    }
}

static bool maps_slots_concerned(DMAMaps *maps, uint64_t first, uint64_t last,
                                 uint64_t tag, uint64_t tag_mask)
{
    uint64_t words = maps->words;
    unsigned n = 0;

    for (; words; words &= words - 1) {
        unsigned w = __builtin_ctzll(words);
        uint64_t live = maps->live[w];

        for (; live; live &= live - 1) {
            const Slot *s = &maps->slots[64 * w + __builtin_ctzll(live)];

            n++;
            if (unlikely(slot_overlaps(s, first, last)) &&
                (s->tag == DMA_TAG_ANY || !((s->tag ^ tag) & tag_mask))) {
                return true;
            }
        }
    }
    if (unlikely(n > CROWD || maps->crowded % CROWD_LOOKS)) {
        maps_spill_old(maps);
    }
    return false;
}

bool dma_maps_concerned(DMAMaps *maps, uint64_t first, uint64_t last,
                        uint64_t tag, uint64_t tag_mask)
{
    bool concerned;

    if (first > last) {
        return false;
    }
    dma_lock(&maps->lock);
    concerned = maps_slots_concerned(maps, first, last, tag, tag_mask) ||
                dma_ranges_next(&maps->by_iova, first, last, NULL) ||
                maps->vague.root;
    dma_unlock(&maps->lock);
    return concerned;
}

/* All live slots that overlap: there are few enough.  At most SLOTS of them. */
static unsigned maps_look_at_slots(DMAMaps *maps, DMAMapsCursor *cursor,
                              DMAMapsItem *items, unsigned n)
{
    unsigned i = cursor->at.first, found = 0;
    Slot *s;

    while (found < n && (s = slot_next(maps, i))) {
        i = s - maps->slots;
        if (slot_overlaps(s, cursor->first, cursor->last)) {
            items[found] = (DMAMapsItem) { .id = s->version, .slot = i };
            slot_info(s, &items[found++].info);
        }
        i++;
    }
    cursor->at.first = i;
    if (found < n) {
        cursor->stage++;
        cursor->at = (DMARange) { 0 };
    }
    return found;
}

static unsigned maps_look_at_records(DMAMaps *maps, DMAMapsCursor *cursor,
                                DMAMapsItem *items, unsigned n)
{
    DMARanges *set = cursor->stage == LOOK_VAGUE ? &maps->vague :
                                                   &maps->by_iova;
    unsigned found = 0;

    while (found < n) {
        /* No id is 0. */
        DMARange *range = dma_ranges_next(set, cursor->first, cursor->last,
                                          cursor->at.key[0] ? &cursor->at :
                                                              NULL);
        Record *r;

        if (!range) {
            cursor->stage++;
            cursor->at = (DMARange) { 0 };
            break;
        }
        r = container_of(range, Record, by_iova);
        cursor->at.first = range->first;
        cursor->at.key[0] = range->key[0];
        items[found] = (DMAMapsItem) {
            .info = r->info, .vague = r->vague, .id = r->id, .slot = -1,
        };
        items[found++].info.tag = record_tag(maps, r);
    }
    return found;
}

unsigned dma_maps_next(DMAMaps *maps, DMAMapsCursor *cursor,
                       DMAMapsItem *items, unsigned n)
{
    unsigned found = 0;

    dma_lock(&maps->lock);
    while (!found && cursor->stage < LOOK_END) {
        found = cursor->stage == LOOK_SLOTS ?
                maps_look_at_slots(maps, cursor, items, n) :
                maps_look_at_records(maps, cursor, items, n);
    }
    dma_unlock(&maps->lock);
    return found;
}

/* Listing: the slots, and then the four sets by host address */

#define LIST_SETS 4

static unsigned maps_list_slots(DMAMaps *maps, DMAMapsListing *listing,
                                DMAMapsListed *items, unsigned n)
{
    unsigned found = 0;
    Slot *s;

    while (found < n && (s = slot_next(maps, listing->at))) {
        items[found] = (DMAMapsListed) { 0 };
        slot_info(s, &items[found++].info);
        listing->at = s - maps->slots + 1;
    }
    if (found < n) {
        *listing = (DMAMapsListing) { .stage = 1 };
    }
    return found;
}

static unsigned maps_list_records(DMAMaps *maps, DMAMapsListing *listing,
                                  DMAMapsListed *items, unsigned n)
{
    unsigned set = listing->stage - 1, found = 0;
    DMARanges *hosts = &maps->by_host[set / 2][set % 2];
    DMARange after = {
        .first = listing->at, .key = { listing->key[0], listing->key[1] },
    };

    while (found < n) {
        /* No map begins at 0. */
        DMARange *range = dma_ranges_next(hosts, 0, UINT64_MAX,
                                          after.first ? &after : NULL);
        Record *r;

        if (!range) {
            *listing = (DMAMapsListing) { .stage = listing->stage + 1 };
            return found;
        }
        r = container_of(range, Record, by_host);
        items[found] = (DMAMapsListed) {
            .info = r->info,
            .vague = r->vague,
            .waited = r->state == RECORD_WAITED,
            .stamp = r->stamp,
        };
        items[found++].info.tag = record_tag(maps, r);
        after.first = range->first;
        after.key[0] = range->key[0];
        after.key[1] = range->key[1];
    }
    listing->at = after.first;
    listing->key[0] = after.key[0];
    listing->key[1] = after.key[1];
    return found;
}

unsigned dma_maps_list(DMAMaps *maps, DMAMapsListing *listing,
                       DMAMapsListed *items, unsigned n)
{
    unsigned found = 0;

    dma_lock(&maps->lock);
    while (!found && listing->stage <= LIST_SETS) {
        found = !listing->stage ?
                maps_list_slots(maps, listing, items, n) :
                maps_list_records(maps, listing, items, n);
    }
    dma_unlock(&maps->lock);
    return found;
}

bool dma_maps_moment(DMAMaps *maps, const DMAMapInfo *info, uint32_t *moment)
{
    Slot *s = slot_at(maps, info->host);
    Record *r = NULL;
    bool in_slot;

    dma_lock(&maps->lock);
    in_slot = !info->revoke && s->host == info->host &&
              s->is_write == info->is_write;
    if (!in_slot) {
        r = record_find(maps, info);
    }
    if (in_slot || r) {
        *moment = r ? r->moment : s->moment;
    }
    dma_unlock(&maps->lock);
    return in_slot || r;
}

unsigned dma_maps_waited(DMAMaps *maps)
{
    unsigned waited;

    dma_lock(&maps->lock);
    waited = maps->wait.length;
    dma_unlock(&maps->lock);
    return waited;
}

/* The idle record that @item was, or NULL.  Lock held. */
static Record *record_of_item(DMAMaps *maps, const DMAMapsItem *item)
{
    DMARange *range;

    if (item->slot >= 0) {
        Slot *s = &maps->slots[item->slot];

        if (s->host == item->info.host && s->version == (uint32_t)item->id) {
            return slot_spill(maps, s);
        }
        /* It has ended, or has become a record, whose stage comes. */
        return NULL;
    }
    range = item->vague ?
            dma_ranges_find(&maps->vague, 0, item->id, 0) :
            dma_ranges_find(&maps->by_iova, item->info.iova, item->id, 0);
    return range ? container_of(range, Record, by_iova) : NULL;
}

DMAMapsMark dma_maps_mark(DMAMaps *maps, const DMAMapsItem *item,
                          uint64_t seq)
{
    DMAMapsMark mark = DMA_MAPS_GONE;
    Record *r;

    dma_lock(&maps->lock);
    r = record_of_item(maps, item);
    if (r) {
        record_unlist(maps, r);
        if (!r->maps) {
            qatomic_set(container_of(r, DMAPointer, record)->pointer, NULL);
            mark = DMA_MAPS_CLEARED;
        } else if (r->info.revoke) {
            mark = DMA_MAPS_REVOKE;
        } else {
            r->state = RECORD_WAITED;
            r->stamp = seq;
            g_queue_push_tail_link(&maps->wait, &r->in_wait);
            mark = DMA_MAPS_WAITED;
        }
    }
    dma_unlock(&maps->lock);
    return mark;
}

uint64_t dma_maps_oldest_wait(DMAMaps *maps, DMAMapInfo *info)
{
    uint64_t seq = UINT64_MAX;
    Record *r;

    dma_lock(&maps->lock);
    r = g_queue_peek_head(&maps->wait);
    if (r) {
        seq = r->stamp;
        if (info) {
            *info = r->info;
        }
    }
    dma_unlock(&maps->lock);
    return seq;
}

unsigned dma_maps_abandon(DMAMaps *maps, uint64_t seq)
{
    unsigned n = 0;
    Record *r;

    dma_lock(&maps->lock);
    while ((r = g_queue_peek_head(&maps->wait)) && r->stamp <= seq) {
        record_unlist(maps, r);
        if (r->vague) {
            /* What is left of it may be what has yet to go stale. */
            record_list(maps, r);
        }
        n++;
    }
    dma_unlock(&maps->lock);
    return n;
}

uint64_t dma_maps_steps(DMAMaps *maps)
{
    uint64_t steps = maps->by_iova.steps + maps->vague.steps;
    unsigned i;

    for (i = 0; i < 4; i++) {
        steps += maps->by_host[i / 2][i % 2].steps;
    }
    return steps;
}

DMAMaps *dma_maps_new(const DMARefsOps *refs_ops)
{
    void *room;
    DMAMaps *maps = lines_new0(sizeof(*maps), &room);
    unsigned i;

    maps->room = room;
    maps->slots = no_slots;
    maps->refs_ops = refs_ops;
    dma_refs_init(&maps->refs);

    dma_ranges_init(&maps->by_iova);
    dma_ranges_init(&maps->vague);
    for (i = 0; i < 4; i++) {
        dma_ranges_init(&maps->by_host[i / 2][i % 2]);
    }
    g_queue_init(&maps->wait);
    return maps;
}

void dma_maps_free(DMAMaps *maps)
{
    if (maps) {
        dma_maps_clear(maps);
        g_free(maps->versions);
        g_free(maps->slots_room);
        g_free(maps->room);
    }
}

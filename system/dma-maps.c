/*
 * DMA maps in flight: which host memory a device was handed, and for which IOVA
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A record is found in two ways: by host address when it ends, by IOVA when a
 * translation changes.
 *
 * Groups.  An unmap names host address, length and direction.  The records
 * that it cannot tell apart form a group; a standing map's owner is told apart
 * too.  While all records of a group have one IOVA and domain tag, they are
 * interchangeable and one goes with each unmap.  A mixed group only counts its
 * unmaps and goes as a whole when it has had as many as records.
 *
 * A mixed group that is never quite empty would grow without end, and the
 * guest chooses the IOVAs.  So once unmaps are outstanding and the group has
 * GROUP_RECORDS records, further maps share one record that overlaps any range
 * and is always stale: that may wait too long, for such a guest only.
 *
 * Singles.  Nearly every map is the only one of its memory and ends before
 * anybody asks for it.  It is kept in a small table by host address, and
 * becomes a record of a group (is spilled) when it is found stale, when another
 * map of the same memory comes, or when its place is taken.  Memory that has a
 * group has no single.
 *
 * By IOVA.  A record lies in a bucket by size class k, 2^(k-1) < len <= 2^k
 * (k at least 12), and chunk number iova >> k.  It reaches into the next chunk
 * at most, so what overlaps a small range is found with a few probes per class
 * in use, whatever else is in flight.
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "system/dma-lock.h"
#include "system/dma-maps.h"

#define BUCKET_BITS     10
#define BUCKETS         (1u << BUCKET_BITS)
#define CLASS_MIN       12
#define CLASS_MAX       63
#define GROUP_RECORDS   256

/* A range of more chunks than this is scanned record by record. */
#define SCAN_CHUNKS     64

/* Places for singles: a power of two, at most 1 << BUCKET_BITS */
#define SINGLES         256

/* Freed records and groups kept for the next map */
#define SPARE_MAX       256

/* Doubly linked circular list; a head is a Link too. */
typedef struct Link {
    struct Link *prev, *next;
} Link;

typedef enum RecordState {
    RECORD_IDLE,             /* nobody waits for it */
    RECORD_WAITED,           /* stale, and waited for */
    RECORD_DONE,             /* given up, or revoked: never waited for again */
    RECORD_STATES,
} RecordState;

typedef struct Group {
    struct Group *next;      /* in its host bucket, or spare */
    const void *host;
    uint64_t len;
    DMARevoke *revoke;
    void *revoke_opaque;
    bool is_write;
    bool mixed;              /* has had more than one IOVA or tag */
    bool any_len;            /* groups of several lengths were merged */
    bool blurred;            /* an interchangeable record went before others */
    unsigned records;        /* records in the lists */
    unsigned maps;           /* maps they stand for */
    unsigned ended;          /* of those, unmapped; 0 unless mixed */
    uint64_t last_stamp;     /* the last scan that found one of it stale */
    struct Record *overflow; /* the record of further maps, or NULL */
    Link list[RECORD_STATES];
} Group;

typedef struct Record {
    DMAMapInfo info;
    uint64_t last;           /* last byte of IOVA */
    uint64_t stamp;          /* RECORD_WAITED: the scan that found it */
    Group *group;
    RecordState state;
    bool shared;             /* stands for several maps */
    unsigned class;          /* unless shared */
    Link all;                /* maps->all */
    Link by_iova;            /* maps->by_iova[], or maps->shared */
    Link in_group;           /* group->list[state] */
    Link in_wait;            /* maps->wait */
} Record;

typedef struct Single {
    const void *host;        /* atomic; NULL: free */
    void *owner;             /* atomic */
    uint32_t version;        /* odd while the two change; atomic */
    uint64_t iova;
    uint64_t len;
    uint64_t tag;
    uint32_t pasid;
    bool is_write;
} Single;

struct DMAPointer {
    Link link;               /* maps->pointers */
    DMAMapInfo info;
    uint8_t **pointer;       /* NULL: it was cleared */
};

struct DMAMaps {
    DMALock lock;
    unsigned nr_pointers;    /* read without lock */
    Link pointers;
    unsigned count;          /* maps that have not ended; read without lock */
    Link all;
    Link shared;             /* shared records: part of every range */
    Link wait;               /* RECORD_WAITED, rising stamps */
    unsigned classes[CLASS_MAX + 1];
    uint64_t class_map;      /* bit k: classes[k] is not 0 */
    Link by_iova[BUCKETS];
    Group *by_host[BUCKETS];
    Group *spare_groups;
    Record *spare_records;   /* linked through @group */
    unsigned spares;
    uint64_t live[SINGLES / 64];         /* a bit for each single */
    Single singles[SINGLES];
};

static void link_init(Link *head)
{
    head->prev = head->next = head;
}

static bool link_empty(const Link *head)
{
    return head->next == head;
}

static void link_insert_after(Link *at, Link *link)
{
    link->prev = at;
    link->next = at->next;
    at->next->prev = link;
    at->next = link;
}

static void link_remove(Link *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
}

static void count_maps(DMAMaps *maps, int n)
{
    qatomic_store_release(&maps->count, maps->count + n);
}

static unsigned hash64(uint64_t x)
{
    return (x * 0x9e3779b97f4a7c15ull) >> (64 - BUCKET_BITS);
}

static Group **host_bucket(DMAMaps *maps, const void *host)
{
    return &maps->by_host[hash64((uintptr_t)host)];
}

static Link *iova_bucket(DMAMaps *maps, unsigned class, uint64_t chunk)
{
    return &maps->by_iova[hash64(chunk << 6 ^ class)];
}

static uint64_t range_last(uint64_t first, uint64_t len)
{
    uint64_t span = len ? len - 1 : 0;

    return span > UINT64_MAX - first ? UINT64_MAX : first + span;
}

static unsigned size_class(const Record *r)
{
    uint64_t span = r->last - r->info.iova;
    unsigned bits = span ? 64 - __builtin_clzll(span) : 0;

    return MIN(MAX(bits, CLASS_MIN), CLASS_MAX);
}

static void group_init(Group *g, const DMAMapInfo *info)
{
    unsigned i;

    memset(g, 0, sizeof(*g));
    g->host = info->host;
    g->len = info->len;
    g->is_write = info->is_write;
    g->revoke = info->revoke;
    g->revoke_opaque = info->revoke_opaque;
    for (i = 0; i < RECORD_STATES; i++) {
        link_init(&g->list[i]);
    }
}

static bool group_owner_is(const Group *g, DMARevoke *revoke,
                           const void *revoke_opaque)
{
    return g->revoke == revoke && g->revoke_opaque == revoke_opaque;
}

static Group *group_find_exact(DMAMaps *maps, const void *host, uint64_t len,
                               bool is_write, DMARevoke *revoke,
                               const void *revoke_opaque)
{
    Group *g;

    for (g = *host_bucket(maps, host); g; g = g->next) {
        if (g->host == host && g->is_write == is_write &&
            (g->any_len || g->len == len) &&
            group_owner_is(g, revoke, revoke_opaque)) {
            return g;
        }
    }
    return NULL;
}

static Group *group_get(DMAMaps *maps, const DMAMapInfo *info)
{
    Group **bucket = host_bucket(maps, info->host);
    Group *g = group_find_exact(maps, info->host, info->len, info->is_write,
                                info->revoke, info->revoke_opaque);

    if (g) {
        return g;
    }
    g = maps->spare_groups;
    if (g) {
        maps->spare_groups = g->next;
        maps->spares--;
    } else {
        g = g_new(Group, 1);
    }
    group_init(g, info);
    g->next = *bucket;
    *bucket = g;
    return g;
}

static void group_put(DMAMaps *maps, Group *g)
{
    Group **p = host_bucket(maps, g->host);

    while (*p != g) {
        p = &(*p)->next;
    }
    *p = g->next;
    if (maps->spares < SPARE_MAX) {
        maps->spares++;
        g->next = maps->spare_groups;
        maps->spare_groups = g;
    } else {
        g_free(g);
    }
}

/* Fit for a list by rising stamp; in practice that is at the end. */
static void wait_insert(DMAMaps *maps, Record *r)
{
    Link *at = maps->wait.prev;

    while (at != &maps->wait &&
           container_of(at, Record, in_wait)->stamp > r->stamp) {
        at = at->prev;
    }
    link_insert_after(at, &r->in_wait);

    at = r->group->list[RECORD_WAITED].prev;
    while (at != &r->group->list[RECORD_WAITED] &&
           container_of(at, Record, in_group)->stamp > r->stamp) {
        at = at->prev;
    }
    link_insert_after(at, &r->in_group);
}

static void record_set_state(DMAMaps *maps, Record *r, RecordState state)
{
    link_remove(&r->in_group);
    if (r->state == RECORD_WAITED) {
        link_remove(&r->in_wait);
    }
    r->state = state;
    if (state == RECORD_WAITED) {
        wait_insert(maps, r);
    } else {
        link_insert_after(r->group->list[state].prev, &r->in_group);
    }
}

/* May the record stand for another map than the one it was made for? */
static bool record_is_vague(const Record *r)
{
    return r->shared || r->group->blurred;
}

static void record_free(DMAMaps *maps, Record *r)
{
    link_remove(&r->all);
    link_remove(&r->by_iova);
    link_remove(&r->in_group);
    if (r->state == RECORD_WAITED) {
        link_remove(&r->in_wait);
    }
    if (!r->shared) {
        if (--maps->classes[r->class] == 0) {
            maps->class_map &= ~((uint64_t)1 << r->class);
        }
    }
    r->group->records--;
    if (maps->spares < SPARE_MAX) {
        maps->spares++;
        r->group = (Group *)maps->spare_records;
        maps->spare_records = r;
    } else {
        g_free(r);
    }
}

static Record *record_new(DMAMaps *maps)
{
    Record *r = maps->spare_records;

    if (!r) {
        return g_new(Record, 1);
    }
    maps->spare_records = (Record *)r->group;
    maps->spares--;
    return r;
}

static bool group_is_uniform_with(const Group *g, const DMAMapInfo *info)
{
    unsigned i;

    if (g->mixed) {
        return false;
    }
    for (i = 0; i < RECORD_STATES; i++) {
        if (!link_empty(&g->list[i])) {
            const Record *r = container_of(g->list[i].next, Record, in_group);

            /* All records of a group that is not mixed are like this one. */
            return r->info.iova == info->iova && r->info.tag == info->tag;
        }
    }
    return true;
}

static Record *group_add(DMAMaps *maps, const DMAMapInfo *info)
{
    bool shared;
    Record *r;
    Group *g;

    g = group_get(maps, info);
    g->mixed = !group_is_uniform_with(g, info);
    g->maps++;

    shared = g->ended && g->records >= GROUP_RECORDS;
    if (shared && g->overflow) {
        /*
         * If the shared record is waited for already, this map is too: that
         * is the price.  If it has been revoked, it counts from now again.
         */
        r = g->overflow;
        r->info = *info;
        if (r->state == RECORD_DONE) {
            record_set_state(maps, r, RECORD_IDLE);
        }
        return r;
    }

    r = record_new(maps);
    r->info = *info;
    r->last = range_last(info->iova, info->len);
    r->stamp = 0;
    r->group = g;
    r->state = RECORD_IDLE;
    r->shared = shared;
    r->class = size_class(r);
    link_insert_after(maps->all.prev, &r->all);
    link_insert_after(g->list[RECORD_IDLE].prev, &r->in_group);
    if (shared) {
        g->overflow = r;
        link_insert_after(maps->shared.prev, &r->by_iova);
    } else {
        link_insert_after(iova_bucket(maps, r->class,
                                      info->iova >> r->class), &r->by_iova);
        maps->classes[r->class]++;
        maps->class_map |= (uint64_t)1 << r->class;
    }
    g->records++;
    return r;
}

static Single *single_at(DMAMaps *maps, const void *host)
{
    return &maps->singles[hash64((uintptr_t)host) & (SINGLES - 1)];
}

static void single_free(DMAMaps *maps, Single *s)
{
    unsigned i = s - maps->singles;

    qatomic_set(&s->host, NULL);
    maps->live[i / 64] &= ~((uint64_t)1 << i % 64);
}

static void single_info(const Single *s, DMAMapInfo *info)
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

static Record *single_spill(DMAMaps *maps, Single *s)
{
    DMAMapInfo info;

    single_info(s, &info);
    single_free(maps, s);
    return group_add(maps, &info);
}

static void single_spill_all(DMAMaps *maps)
{
    unsigned i;

    for (i = 0; i < SINGLES; i++) {
        if (maps->singles[i].host) {
            single_spill(maps, &maps->singles[i]);
        }
    }
}

/*
 * A request's map becomes a single.  Returns: false if it has to go to a
 * group.
 */
static inline bool single_add(DMAMaps *maps, uint64_t iova, uint64_t len,
                              void *host, void *owner, uint64_t tag,
                              uint32_t pasid, bool is_write)
{
    Single *s = single_at(maps, host);
    unsigned i = s - maps->singles;

    if (unlikely(s->host)) {
        if (s->host == host) {
            single_spill(maps, s);
        }
        return false;
    }
    if (*host_bucket(maps, host)) {
        return false;
    }
    s->iova = iova;
    s->len = len;
    s->tag = tag;
    s->pasid = pasid;
    s->is_write = is_write;
    /* For dma_maps_owner() */
    qatomic_set(&s->version, s->version + 1);
    /* Whoever sees one of the two change sees the odd version. */
    smp_wmb();
    qatomic_set(&s->owner, owner);
    qatomic_set(&s->host, host);
    qatomic_store_release(&s->version, s->version + 1);
    maps->live[i / 64] |= (uint64_t)1 << i % 64;
    return true;
}

static __attribute__((noinline))
void add_to_group(DMAMaps *maps, uint64_t iova, uint64_t len, void *host,
                  void *owner, uint64_t tag, bool is_write)
{
    DMAMapInfo info = {
        .iova = iova,
        .len = len,
        .host = host,
        .owner = owner,
        .tag = tag,
        .is_write = is_write,
    };

    group_add(maps, &info);
}

void dma_maps_add_request(DMAMaps *maps, uint64_t iova, uint64_t len,
                          void *host, void *owner, uint64_t tag,
                          bool is_write)
{
    dma_lock(&maps->lock);
    count_maps(maps, 1);
    if (unlikely(!single_add(maps, iova, len, host, owner, tag, 0,
                             is_write))) {
        add_to_group(maps, iova, len, host, owner, tag, is_write);
    }
    dma_unlock(&maps->lock);
}

void dma_maps_add(DMAMaps *maps, const DMAMapInfo *info)
{
    dma_lock(&maps->lock);
    count_maps(maps, 1);
    if (info->revoke ||
        !single_add(maps, info->iova, info->len, info->host, info->owner,
                    info->tag, info->pasid, info->is_write)) {
        Single *s = single_at(maps, info->host);

        if (s->host == info->host) {
            single_spill(maps, s);
        }
        group_add(maps, info);
    }
    dma_unlock(&maps->lock);
}

void *dma_maps_owner(DMAMaps *maps, const void *host)
{
    Single *s = single_at(maps, host);
    uint32_t version = qatomic_load_acquire(&s->version);
    bool found = qatomic_read(&s->host) == host;
    void *owner = qatomic_read(&s->owner);

    /*
     * They belong together if neither changed.  The caller's map keeps the
     * owner alive, whatever becomes of the single.
     */
    smp_rmb();
    return found && !(version & 1) && qatomic_read(&s->version) == version ?
           owner : NULL;
}

/* Remove all of @g.  Returns: how many records were waited for. */
static unsigned group_drop(DMAMaps *maps, Group *g)
{
    unsigned i, waited = 0;

    for (i = 0; i < RECORD_STATES; i++) {
        while (!link_empty(&g->list[i])) {
            waited += i == RECORD_WAITED;
            record_free(maps, container_of(g->list[i].next, Record, in_group));
        }
    }
    group_put(maps, g);
    return waited;
}

/* One map of @g has ended.  Returns: how many waited records went with it. */
static unsigned group_end_one(DMAMaps *maps, Group *g)
{
    RecordState state;
    Link *link;

    count_maps(maps, -1);
    if (g->mixed) {
        return ++g->ended == g->maps ? group_drop(maps, g) : 0;
    }
    /*
     * The records are interchangeable, but what is still owed must be kept
     * longest: first one that nobody will wait for, then the oldest of those
     * that nobody waits for yet, then the one that was found stale last.
     */
    if (!link_empty(&g->list[RECORD_DONE])) {
        link = g->list[RECORD_DONE].next;
    } else if (!link_empty(&g->list[RECORD_IDLE])) {
        link = g->list[RECORD_IDLE].next;
    } else {
        link = g->list[RECORD_WAITED].prev;
    }
    state = container_of(link, Record, in_group)->state;
    record_free(maps, container_of(link, Record, in_group));
    g->blurred = true;
    if (--g->maps == 0) {
        group_put(maps, g);
    }
    return state == RECORD_WAITED;
}

/*
 * @from's records join @into's, because an unmap came that may have meant
 * either.  The two differ in length only.
 */
static void group_merge(DMAMaps *maps, Group *into, Group *from)
{
    unsigned i;

    into->mixed = true;
    into->any_len = true;
    into->blurred |= from->blurred;
    into->last_stamp = MAX(into->last_stamp, from->last_stamp);
    into->maps += from->maps;
    into->ended += from->ended;
    if (!into->overflow) {
        into->overflow = from->overflow;
    }
    for (i = 0; i < RECORD_STATES; i++) {
        while (!link_empty(&from->list[i])) {
            Record *r = container_of(from->list[i].next, Record, in_group);

            link_remove(&r->in_group);
            r->group = into;
            into->records++;
            if (i == RECORD_WAITED) {
                link_remove(&r->in_wait);
                wait_insert(maps, r);
            } else {
                link_insert_after(into->list[i].prev, &r->in_group);
            }
        }
    }
    group_put(maps, from);
}

/*
 * The groups at @host in this direction and of this owner whatever their
 * length, merged if they are several; or NULL.
 */
static Group *group_find_any_len(DMAMaps *maps, const void *host,
                                 bool is_write, DMARevoke *revoke,
                                 const void *revoke_opaque)
{
    Group *g, *next, *found = NULL;

    for (g = *host_bucket(maps, host); g; g = next) {
        next = g->next;
        if (g->host != host || g->is_write != is_write ||
            !group_owner_is(g, revoke, revoke_opaque)) {
            continue;
        }
        if (found) {
            group_merge(maps, found, g);
        } else {
            found = g;
        }
    }
    return found;
}

/*
 * Some device models advance a pointer before they unmap.  If exactly one
 * group of requests has @host inside its memory, it is meant.
 */
static Group *group_find_inside(DMAMaps *maps, const void *host, bool is_write)
{
    Group *found = NULL;
    Link *link;

    for (link = maps->all.next; link != &maps->all; link = link->next) {
        Record *r = container_of(link, Record, all);

        if (r->info.revoke || r->info.is_write != is_write ||
            (uintptr_t)host < (uintptr_t)r->info.host ||
            (uintptr_t)host - (uintptr_t)r->info.host >= r->info.len) {
            continue;
        }
        if (found && found != r->group) {
            return NULL;
        }
        found = r->group;
    }
    return found;
}

/*
 * A standing map was ended by someone who did not say whose.  If it can have
 * been only one group's, it is.  Otherwise all of them are forgotten: a revoke
 * function must never be called for an owner that may be gone.
 */
static bool end_standing_of_unknown(DMAMaps *maps, const void *host,
                                    uint64_t len, bool is_write)
{
    Group *g, *next, *found = NULL;
    unsigned exact = 0, groups = 0;

    for (g = *host_bucket(maps, host); g; g = g->next) {
        if (g->host == host && g->is_write == is_write && g->revoke) {
            bool fits = g->any_len || g->len == len;

            groups++;
            exact += fits;
            if (fits || !exact) {
                found = g;
            }
        }
    }
    if (exact == 1 || groups == 1) {
        group_end_one(maps, found);
        return true;
    }
    for (g = *host_bucket(maps, host); g; g = next) {
        next = g->next;
        if (g->host == host && g->is_write == is_write && g->revoke &&
            (!exact || g->any_len || g->len == len)) {
            count_maps(maps, -(int)(g->maps - g->ended));
            group_drop(maps, g);
        }
    }
    return groups > 0;
}

/* Lock held.  It is the only map of this memory, so its length is no matter. */
static inline bool single_remove(DMAMaps *maps, const void *host,
                                 bool is_write)
{
    Single *s = single_at(maps, host);

    if (s->host != host || s->is_write != is_write) {
        return false;
    }
    single_free(maps, s);
    count_maps(maps, -1);
    return true;
}

void *dma_maps_remove_request(DMAMaps *maps, const void *host, bool is_write)
{
    void *owner;

    dma_lock(&maps->lock);
    owner = single_at(maps, host)->owner;
    if (unlikely(!owner) ||
        unlikely(!single_remove(maps, host, is_write))) {
        owner = NULL;
    }
    dma_unlock(&maps->lock);
    return owner;
}

bool dma_maps_remove(DMAMaps *maps, const void *host, uint64_t len,
                     bool is_write, unsigned *waited)
{
    bool ok = true;
    Group *g;

    *waited = 0;
    /* The caller's own map, if there is one, is counted: it added it. */
    if (qatomic_read(&maps->count) == 0) {
        return false;
    }
    dma_lock(&maps->lock);
    if (single_remove(maps, host, is_write)) {
        dma_unlock(&maps->lock);
        return true;
    }
    g = group_find_exact(maps, host, len, is_write, NULL, NULL);
    if (!g) {
        single_spill_all(maps);
        g = group_find_any_len(maps, host, is_write, NULL, NULL);
    }
    if (g) {
        *waited = group_end_one(maps, g);
    } else if (!end_standing_of_unknown(maps, host, len, is_write)) {
        g = group_find_inside(maps, host, is_write);
        if (g) {
            *waited = group_end_one(maps, g);
        } else {
            ok = false;
        }
    }
    dma_unlock(&maps->lock);
    return ok;
}

bool dma_maps_remove_standing(DMAMaps *maps, const void *host, uint64_t len,
                              bool is_write, DMARevoke *revoke,
                              void *revoke_opaque)
{
    Group *g;

    dma_lock(&maps->lock);
    g = group_find_exact(maps, host, len, is_write, revoke, revoke_opaque);
    if (!g) {
        g = group_find_any_len(maps, host, is_write, revoke, revoke_opaque);
    }
    if (g) {
        group_end_one(maps, g);
    }
    dma_unlock(&maps->lock);
    return g != NULL;
}

DMAPointer *dma_maps_add_pointer(DMAMaps *maps, const DMAMapInfo *info,
                                 uint8_t **pointer)
{
    DMAPointer *p = g_new(DMAPointer, 1);

    p->info = *info;
    p->pointer = pointer;
    dma_lock(&maps->lock);
    link_insert_after(&maps->pointers, &p->link);
    qatomic_store_release(&maps->nr_pointers, maps->nr_pointers + 1);
    qatomic_set(pointer, info->host);
    dma_unlock(&maps->lock);
    return p;
}

void dma_maps_remove_pointer(DMAMaps *maps, DMAPointer *p)
{
    dma_lock(&maps->lock);
    link_remove(&p->link);
    qatomic_set(&maps->nr_pointers, maps->nr_pointers - 1);
    dma_unlock(&maps->lock);
    g_free(p);
}

unsigned dma_maps_count(DMAMaps *maps)
{
    /*
     * Who sees that the last map has ended must see what was written through
     * it, as if it had taken the lock.
     */
    return qatomic_load_acquire(&maps->count);
}

typedef struct Scan {
    DMAMaps *maps;
    uint64_t first, last;
    DMAMapStale *stale;
    void *opaque;
    uint64_t seq;
    GArray *revoke;
    unsigned stamped;
} Scan;

static void scan_record(Scan *s, Record *r, bool always)
{
    if (r->state == RECORD_DONE ||
        (!always && (r->info.iova > s->last || r->last < s->first))) {
        return;
    }
    if (r->state == RECORD_WAITED) {
        /* It may be another map's by now, which goes stale just now. */
        if (record_is_vague(r)) {
            r->group->last_stamp = MAX(r->group->last_stamp, s->seq);
        }
        /* A scan that was put off comes after younger ones. */
        if (r->stamp > s->seq && (always || s->stale(s->opaque, &r->info))) {
            r->stamp = s->seq;
            record_set_state(s->maps, r, RECORD_WAITED);
        }
        return;
    }
    if (!always && !s->stale(s->opaque, &r->info)) {
        return;
    }
    if (r->info.revoke) {
        g_array_append_val(s->revoke, r->info);
        record_set_state(s->maps, r, RECORD_DONE);
    } else {
        r->stamp = s->seq;
        r->group->last_stamp = MAX(r->group->last_stamp, s->seq);
        record_set_state(s->maps, r, RECORD_WAITED);
        s->stamped++;
    }
}

/* How many chunks of class @k can hold what overlaps the range. */
static uint64_t scan_chunks(const Scan *s, unsigned k)
{
    return (s->last >> k) - (s->first >> k) + 1 + !!(s->first >> k);
}

static bool scan_is_small(const Scan *s)
{
    uint64_t map = s->maps->class_map;
    uint64_t chunks = 0;

    for (; map; map &= map - 1) {
        chunks += scan_chunks(s, __builtin_ctzll(map));
        if (chunks > SCAN_CHUNKS) {
            return false;
        }
    }
    return true;
}

static void scan_class(Scan *s, unsigned k)
{
    uint64_t chunk = s->first >> k;
    uint64_t n = scan_chunks(s, k);
    Link *head, *link;

    if (chunk) {
        chunk--;
    }
    for (; n; n--, chunk++) {
        head = iova_bucket(s->maps, k, chunk);
        for (link = head->next; link != head; link = link->next) {
            scan_record(s, container_of(link, Record, by_iova), false);
        }
    }
}

/* Those that are stale become records, which the scan proper finds. */
static void scan_singles(Scan *s)
{
    DMAMaps *maps = s->maps;
    unsigned i;

    for (i = 0; i < SINGLES / 64; i++) {
        uint64_t live = maps->live[i];

        for (; live; live &= live - 1) {
            Single *single = &maps->singles[i * 64 + __builtin_ctzll(live)];
            DMAMapInfo info;

            if (single->iova > s->last ||
                range_last(single->iova, single->len) < s->first) {
                continue;
            }
            single_info(single, &info);
            if (s->stale(s->opaque, &info)) {
                single_spill(maps, single);
            }
        }
    }
}

unsigned dma_maps_scan(DMAMaps *maps, uint64_t first, uint64_t last,
                       DMAMapStale *stale, void *opaque, uint64_t seq,
                       GArray *revoke)
{
    Scan s = {
        .maps = maps,
        .first = first,
        .last = last,
        .stale = stale,
        .opaque = opaque,
        .seq = seq,
        .revoke = revoke,
    };
    Link *link;

    /* Maps that are added later were translated later. */
    if (first > last || dma_maps_count(maps) == 0) {
        return 0;
    }
    dma_lock(&maps->lock);
    scan_singles(&s);
    for (link = maps->shared.next; link != &maps->shared; link = link->next) {
        scan_record(&s, container_of(link, Record, by_iova), true);
    }
    if (scan_is_small(&s)) {
        uint64_t map = maps->class_map;

        for (; map; map &= map - 1) {
            scan_class(&s, __builtin_ctzll(map));
        }
    } else {
        for (link = maps->all.next; link != &maps->all; link = link->next) {
            scan_record(&s, container_of(link, Record, all), false);
        }
    }
    dma_unlock(&maps->lock);
    return s.stamped;
}

unsigned dma_maps_clear_pointers(DMAMaps *maps, uint64_t first, uint64_t last,
                                 DMAMapStale *stale, void *opaque)
{
    unsigned cleared = 0;
    Link *link;

    if (!qatomic_read(&maps->nr_pointers)) {
        return 0;
    }
    dma_lock(&maps->lock);
    for (link = maps->pointers.next; link != &maps->pointers;
         link = link->next) {
        DMAPointer *p = container_of(link, DMAPointer, link);

        if (p->pointer && p->info.iova <= last &&
            range_last(p->info.iova, p->info.len) >= first &&
            stale(opaque, &p->info)) {
            qatomic_set(p->pointer, NULL);
            p->pointer = NULL;
            cleared++;
        }
    }
    dma_unlock(&maps->lock);
    return cleared;
}

void dma_maps_forget_tags(DMAMaps *maps)
{
    Link *link;
    unsigned i;

    if (!dma_maps_count(maps) && !qatomic_read(&maps->nr_pointers)) {
        return;
    }
    dma_lock(&maps->lock);
    for (i = 0; i < SINGLES; i++) {
        maps->singles[i].tag = DMA_TAG_ANY;
    }
    for (link = maps->all.next; link != &maps->all; link = link->next) {
        container_of(link, Record, all)->info.tag = DMA_TAG_ANY;
    }
    for (link = maps->pointers.next; link != &maps->pointers;
         link = link->next) {
        container_of(link, DMAPointer, link)->info.tag = DMA_TAG_ANY;
    }
    dma_unlock(&maps->lock);
}

uint64_t dma_maps_oldest_wait(DMAMaps *maps, DMAMapInfo *info)
{
    uint64_t seq = UINT64_MAX;

    dma_lock(&maps->lock);
    if (!link_empty(&maps->wait)) {
        Record *r = container_of(maps->wait.next, Record, in_wait);

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

    dma_lock(&maps->lock);
    while (!link_empty(&maps->wait)) {
        Record *r = container_of(maps->wait.next, Record, in_wait);

        if (r->stamp > seq) {
            break;
        }
        if (!record_is_vague(r)) {
            record_set_state(maps, r, RECORD_DONE);
        } else if (r->group->last_stamp <= seq) {
            /* The map in flight may be one that has yet to go stale. */
            record_set_state(maps, r, RECORD_IDLE);
        } else {
            /* Or one that went stale some time after @seq. */
            r->stamp = seq + 1;
            record_set_state(maps, r, RECORD_WAITED);
            continue;
        }
        n++;
    }
    dma_unlock(&maps->lock);
    return n;
}

unsigned dma_maps_clear(DMAMaps *maps)
{
    unsigned i, waited = 0;

    dma_lock(&maps->lock);
    for (i = 0; i < SINGLES; i++) {
        if (maps->singles[i].host) {
            single_free(maps, &maps->singles[i]);
        }
    }
    for (i = 0; i < BUCKETS; i++) {
        while (maps->by_host[i]) {
            waited += group_drop(maps, maps->by_host[i]);
        }
    }
    qatomic_store_release(&maps->count, 0);
    dma_unlock(&maps->lock);
    return waited;
}

void dma_maps_foreach(DMAMaps *maps,
                      void (*fn)(void *opaque, const DMAMapInfo *info),
                      void *opaque)
{
    DMAMapInfo info;
    Link *link;
    unsigned i;

    dma_lock(&maps->lock);
    for (i = 0; i < SINGLES; i++) {
        if (maps->singles[i].host) {
            single_info(&maps->singles[i], &info);
            fn(opaque, &info);
        }
    }
    for (link = maps->all.next; link != &maps->all; link = link->next) {
        fn(opaque, &container_of(link, Record, all)->info);
    }
    dma_unlock(&maps->lock);
}

DMAMaps *dma_maps_new(void)
{
    DMAMaps *maps = g_new0(DMAMaps, 1);
    unsigned i;

    link_init(&maps->pointers);
    link_init(&maps->all);
    link_init(&maps->shared);
    link_init(&maps->wait);
    for (i = 0; i < BUCKETS; i++) {
        link_init(&maps->by_iova[i]);
    }
    return maps;
}

void dma_maps_free(DMAMaps *maps)
{
    Group *g;

    if (!maps) {
        return;
    }
    dma_maps_clear(maps);
    while (maps->spare_records) {
        g_free(record_new(maps));
    }
    while ((g = maps->spare_groups)) {
        maps->spare_groups = g->next;
        g_free(g);
    }
    g_free(maps);
}

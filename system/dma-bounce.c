/*
 * Bounced DMA maps: race-free without waiting
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A bounced map is a copy: the device has no pointer into guest memory while
 * the request is in flight.  What it reads is copied when the request is
 * submitted; what it writes is stored, when the request ends, through the
 * translation that holds then.  So an invalidation has nothing to wait for:
 * both copies are short accesses.
 *
 * With dma-mode=bounce every request's map is one.  Otherwise only that of
 * memory which is mapped already is (dma-maps.h).
 *
 * Standing maps are not bounced, since their owners watch the memory itself:
 * they are revoked, as always.  Every function here runs on any thread.
 */

#include "qemu/osdep.h"
#include "exec/memory.h"
#include "qemu/atomic.h"
#include "qemu/lockable.h"
#include "qemu/memalign.h"
#include "qemu/thread.h"
#include "qemu/units.h"
#include "system/dma-moment.h"
#include "system/dma-ranges.h"
#include "dma-inflight-internal.h"
#include "trace.h"

/*
 * How much one endpoint may have in flight, and in how many buffers, of which
 * each takes a page at least.  More than any queue of a sane driver, less than
 * what would hurt the host.
 */
#define BOUNCE_BYTES_MAX (256 * MiB)
#define BOUNCE_MAPS_MAX  65536

/* One map hands out this much at most; callers ask again for the rest. */
#define BOUNCE_MAP_MAX   (16 * MiB)

#define BOUNCE_ALIGN     4096

/*
 * One buffer.  Device models use memory twice for one request: virtio-scsi
 * takes the request off its queue, which maps the data, and then has the data
 * transferred by address, which maps it again, or writes it directly.  All of
 * them must see one buffer, or the last one to end would store what it never
 * saw.
 */
typedef struct BouncedMap {
    hwaddr addr;
    hwaddr len;
    uint8_t *buffer;
    bool is_write;
    MemTxAttrs attrs;
    uint32_t moment;         /* in which it was made; dma_moment() */
    unsigned refs;           /* maps that have not ended */
    bool forgotten;          /* its device has gone: not counted any more */
    DMARange range;          /* of @addr, in bounce->writes; not if forgotten */
} BouncedMap;

static gint bounce_buffer_order(gconstpointer a, gconstpointer b,
                                gpointer unused)
{
    const BouncedMap *x = a, *y = b;

    return x->buffer < y->buffer ? -1 : x->buffer > y->buffer;
}

/* For g_tree_search(): is @opaque, a pointer, in this map's buffer? */
static gint bounce_buffer_search(gconstpointer key, gconstpointer opaque)
{
    const BouncedMap *map = key;
    const uint8_t *at = opaque;

    return at < map->buffer ? -1 : at - map->buffer >= map->len;
}

DMABounce *dma_bounce_new(void)
{
    DMABounce *bounce = g_new0(DMABounce, 1);

    qemu_mutex_init(&bounce->lock);
    bounce->by_buffer = g_tree_new_full(bounce_buffer_order, NULL, NULL, NULL);
    dma_ranges_init(&bounce->writes);
    return bounce;
}

void dma_bounce_free(DMABounce *bounce)
{
    if (bounce) {
        g_tree_unref(bounce->by_buffer);
        qemu_mutex_destroy(&bounce->lock);
        g_free(bounce);
    }
}

/*
 * Under the lock: @map is in flight, or (@count -1) is not any more, or is
 * forgotten.
 */
static void bounce_account(DMABounce *bounce, BouncedMap *map, int count)
{
    bounce->nr_maps += count;
    if (!map->is_write) {
        return;
    }
    qatomic_set(&bounce->nr_writes, bounce->nr_writes + count);
    if (count > 0) {
        map->range = (DMARange) {
            .first = map->addr,
            .last = dma_range_last(map->addr, map->len),
            .key = { (uintptr_t)map->buffer },
        };
        dma_ranges_insert(&bounce->writes, &map->range);
    } else {
        dma_ranges_remove(&bounce->writes, &map->range);
    }
    trace_dma_inflight_bounces(bounce, map->addr, map->len, bounce->nr_writes,
                               bounce->writes.steps);
}

bool dma_bounce_writes(DMABounce *bounce)
{
    return qatomic_read(&bounce->nr_writes);
}

void *dma_bounce_share(DMABounce *bounce, hwaddr addr, hwaddr len)
{
    DMARange *range;
    BouncedMap *map;

    if (!qatomic_read(&bounce->nr_writes)) {
        return NULL;
    }
    QEMU_LOCK_GUARD(&bounce->lock);
    range = dma_ranges_around(&bounce->writes, addr, dma_range_last(addr, len));
    if (!range) {
        return NULL;
    }
    map = container_of(range, BouncedMap, range);
    map->refs++;
    bounce->count++;
    return map->buffer + (addr - map->addr);
}

/*
 * A buffer with what the memory holds: a device that says it wrote more than
 * it did (a short transfer) must not store anything else there.  What the
 * device cannot read reads as zeroes.
 *
 * Returns: NULL if too much is in flight.
 */
static BouncedMap *bounce_new_map(DMABounce *bounce, AddressSpace *as,
                                  hwaddr addr, hwaddr len, bool is_write,
                                  MemTxAttrs attrs)
{
    BouncedMap *map;

    WITH_QEMU_LOCK_GUARD(&bounce->lock) {
        if (len > BOUNCE_BYTES_MAX - bounce->bytes ||
            bounce->nr_maps >= BOUNCE_MAPS_MAX) {
            return NULL;
        }
        bounce->bytes += len;
    }
    map = g_new0(BouncedMap, 1);
    map->addr = addr;
    map->len = len;
    map->is_write = is_write;
    map->attrs = attrs;
    map->moment = dma_moment();
    map->buffer = qemu_memalign(BOUNCE_ALIGN, len);
    memset(map->buffer, 0, len);
    /* A write's page may be write-only: then this is no fault of the guest. */
    if (!is_write || dma_inflight_readable(as, addr, len, attrs)) {
        address_space_read_full(as, addr, attrs, map->buffer, len);
    }

    QEMU_LOCK_GUARD(&bounce->lock);
    g_tree_insert(bounce->by_buffer, map, map);
    bounce_account(bounce, map, 1);
    map->refs = 1;
    bounce->count++;
    return map;
}

/* Under the lock: nobody maps it any more. */
static void bounce_free_map(DMABounce *bounce, BouncedMap *map)
{
    g_tree_remove(bounce->by_buffer, map);
    if (!map->forgotten) {
        bounce_account(bounce, map, -1);
        bounce->bytes -= map->len;
    }
    qemu_vfree(map->buffer);
    g_free(map);
}

void *dma_bounce_map(DMABounce *bounce, AddressSpace *as, hwaddr addr,
                     hwaddr *plen, hwaddr valid, bool is_write,
                     MemTxAttrs attrs)
{
    hwaddr len = MIN(*plen, BOUNCE_MAP_MAX);
    BouncedMap *map;
    void *buffer;

    *plen = 0;
    if (len > valid &&
        !address_space_access_valid(as, addr, len, is_write, attrs)) {
        len = valid;
    }
    buffer = is_write ? dma_bounce_share(bounce, addr, len) : NULL;
    if (!buffer) {
        map = bounce_new_map(bounce, as, addr, len, is_write, attrs);
        if (!map) {
            return NULL;
        }
        buffer = map->buffer;
    }
    *plen = len;
    return buffer;
}

void dma_bounce_written(DMABounce *bounce, hwaddr addr, const void *data,
                        hwaddr len)
{
    hwaddr end = dma_range_last(addr, len);
    DMARange *range = NULL;

    if (!qatomic_read(&bounce->nr_writes)) {
        return;
    }
    QEMU_LOCK_GUARD(&bounce->lock);
    while ((range = dma_ranges_next(&bounce->writes, addr, end, range))) {
        BouncedMap *map = container_of(range, BouncedMap, range);
        hwaddr first = MAX(addr, range->first);
        hwaddr last = MIN(end, range->last);

        memmove(map->buffer + (first - map->addr),
                (const uint8_t *)data + (first - addr), last - first + 1);
    }
}

bool dma_bounce_unmap(DMABounce *bounce, AddressSpace *as, void *buffer,
                      bool is_write, hwaddr access_len)
{
    uint8_t *at = buffer;
    BouncedMap *map;

    WITH_QEMU_LOCK_GUARD(&bounce->lock) {
        map = g_tree_search(bounce->by_buffer, bounce_buffer_search, buffer);
    }
    /* It stays: this map of it has not ended. */
    if (!map) {
        return false;
    }
    if (is_write) {
        hwaddr offset = at - map->buffer;

        /*
         * It may fault now: the guest took the page away, and the data goes
         * nowhere.  The request itself has succeeded.
         */
        address_space_write(as, map->addr + offset, map->attrs, at,
                            MIN(access_len, map->len - offset));
    }
    WITH_QEMU_LOCK_GUARD(&bounce->lock) {
        bounce->count -= !map->forgotten;
        if (--map->refs == 0) {
            bounce_free_map(bounce, map);
        }
    }
    return true;
}

static gboolean bounce_forget_map(gpointer key, gpointer unused,
                                  gpointer opaque)
{
    DMABounce *bounce = opaque;
    BouncedMap *map = key;

    if (!map->forgotten) {
        map->forgotten = true;
        bounce_account(bounce, map, -1);
        bounce->bytes -= map->len;
        bounce->count -= map->refs;
    }
    return FALSE;
}

void dma_bounce_forget(DMABounce *bounce)
{
    QEMU_LOCK_GUARD(&bounce->lock);
    g_tree_foreach(bounce->by_buffer, bounce_forget_map, bounce);
}

typedef struct BounceSuccessor {
    uint64_t at;
    const BouncedMap *map;   /* the first one beyond it so far */
} BounceSuccessor;

/* For g_tree_search(): it never finds, but passes by what it looks for. */
static gint bounce_successor_search(gconstpointer key, gconstpointer opaque)
{
    BounceSuccessor *next = (BounceSuccessor *)opaque;
    const BouncedMap *map = key;

    if ((uintptr_t)map->buffer <= next->at) {
        return 1;
    }
    next->map = map;
    return -1;
}

bool dma_bounce_next(DMABounce *bounce, uint64_t *at, DMABounced *map)
{
    BounceSuccessor next = { .at = *at };

    QEMU_LOCK_GUARD(&bounce->lock);
    do {
        next.map = NULL;
        g_tree_search(bounce->by_buffer, bounce_successor_search, &next);
        if (!next.map) {
            return false;
        }
        next.at = (uintptr_t)next.map->buffer;
    } while (next.map->forgotten);
    *at = next.at;
    *map = (DMABounced) {
        .addr = next.map->addr,
        .len = next.map->len,
        .is_write = next.map->is_write,
        .attrs = next.map->attrs,
        .moment = next.map->moment,
    };
    return true;
}

unsigned dma_bounce_count(DMABounce *bounce)
{
    QEMU_LOCK_GUARD(&bounce->lock);
    return bounce->count;
}

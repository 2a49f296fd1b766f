/*
 * Bounced DMA maps: race-free without waiting
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * With dma-mode=bounce a device never holds a pointer into guest memory while
 * a request is in flight.  What it reads is copied when the request is
 * submitted; what it writes is stored, when the request ends, through the
 * translation that holds then.  So an invalidation has nothing to wait for:
 * both copies are short accesses.
 *
 * Standing maps are not bounced, since their owners watch the memory itself:
 * they are revoked, as always.  Every function here runs on any thread.
 */

#include "qemu/osdep.h"
#include "exec/memory.h"
#include "qemu/atomic.h"
#include "qemu/lockable.h"
#include "qemu/memalign.h"
#include "qemu/queue.h"
#include "qemu/thread.h"
#include "qemu/units.h"
#include "system/dma-inflight.h"

/*
 * How much one endpoint may have in flight.  More than any queue of a sane
 * driver, less than what would hurt the host: beyond it a map fails, as when
 * the memory core's own bounce buffers are used up.
 */
#define BOUNCE_BYTES_MAX (256 * MiB)

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
    unsigned refs;           /* maps that have not ended */
    bool forgotten;          /* its device has gone: not counted any more */
    QLIST_ENTRY(BouncedMap) next;
} BouncedMap;

struct DMABounce {
    QemuMutex lock;          /* of everything here */
    GTree *by_buffer;        /* BouncedMap, in order of buffer addresses */
    QLIST_HEAD(, BouncedMap) writes;
    size_t bytes;
    unsigned count;          /* maps that have not ended */
};

static gint by_buffer_order(gconstpointer a, gconstpointer b, gpointer unused)
{
    const BouncedMap *x = a, *y = b;

    return x->buffer < y->buffer ? -1 : x->buffer > y->buffer;
}

/* For g_tree_search(): is @opaque, a pointer, in this map's buffer? */
static gint by_buffer_search(gconstpointer key, gconstpointer opaque)
{
    const BouncedMap *map = key;
    const uint8_t *at = opaque;

    return at < map->buffer ? -1 : at - map->buffer >= map->len;
}

DMABounce *dma_bounce_new(void)
{
    DMABounce *bounce = g_new0(DMABounce, 1);

    qemu_mutex_init(&bounce->lock);
    bounce->by_buffer = g_tree_new_full(by_buffer_order, NULL, NULL, NULL);
    QLIST_INIT(&bounce->writes);
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

/* Under the lock: a write in flight whose buffer has all of the range. */
static BouncedMap *find_write(DMABounce *bounce, hwaddr addr, hwaddr len)
{
    BouncedMap *map;

    QLIST_FOREACH(map, &bounce->writes, next) {
        if (!map->forgotten &&
            addr >= map->addr && addr - map->addr < map->len &&
            len <= map->len - (addr - map->addr)) {
            return map;
        }
    }
    return NULL;
}

/*
 * A buffer with what the memory holds: a device that says it wrote more than
 * it did (a short transfer) must not store anything else there.  What the
 * device cannot read reads as zeroes.
 *
 * Returns: NULL if too much is in flight.
 */
static BouncedMap *new_map(DMABounce *bounce, AddressSpace *as, hwaddr addr,
                           hwaddr len, bool is_write, MemTxAttrs attrs)
{
    BouncedMap *map;

    WITH_QEMU_LOCK_GUARD(&bounce->lock) {
        if (len > BOUNCE_BYTES_MAX - bounce->bytes) {
            return NULL;
        }
        bounce->bytes += len;
    }
    map = g_new0(BouncedMap, 1);
    map->addr = addr;
    map->len = len;
    map->is_write = is_write;
    map->attrs = attrs;
    map->buffer = qemu_memalign(BOUNCE_ALIGN, len);
    memset(map->buffer, 0, len);
    /* A write's page may be write-only: then this is no fault of the guest. */
    if (!is_write || dma_inflight_readable(as, addr, len)) {
        address_space_read_full(as, addr, attrs, map->buffer, len);
    }

    QEMU_LOCK_GUARD(&bounce->lock);
    g_tree_insert(bounce->by_buffer, map, map);
    if (is_write) {
        QLIST_INSERT_HEAD(&bounce->writes, map, next);
    }
    map->refs = 1;
    bounce->count++;
    return map;
}

/* Under the lock: nobody maps it any more. */
static void free_map(DMABounce *bounce, BouncedMap *map)
{
    g_tree_remove(bounce->by_buffer, map);
    if (map->is_write) {
        QLIST_REMOVE(map, next);
    }
    if (!map->forgotten) {
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
    BouncedMap *map = NULL;

    *plen = 0;
    if (len > valid &&
        !address_space_access_valid(as, addr, len, is_write, attrs)) {
        len = valid;
    }
    if (is_write) {
        QEMU_LOCK_GUARD(&bounce->lock);
        map = find_write(bounce, addr, len);
        if (map) {
            map->refs++;
            bounce->count++;
        }
    }
    if (!map) {
        map = new_map(bounce, as, addr, len, is_write, attrs);
    }
    if (!map) {
        return NULL;
    }
    *plen = len;
    return map->buffer + (addr - map->addr);
}

void dma_bounce_written(DMABounce *bounce, hwaddr addr, const void *data,
                        hwaddr len)
{
    BouncedMap *map;

    QEMU_LOCK_GUARD(&bounce->lock);
    QLIST_FOREACH(map, &bounce->writes, next) {
        hwaddr first = MAX(addr, map->addr);
        hwaddr end = MIN(addr + len, map->addr + map->len);

        if (first < end) {
            memmove(map->buffer + (first - map->addr),
                    (const uint8_t *)data + (first - addr), end - first);
        }
    }
}

bool dma_bounce_unmap(DMABounce *bounce, AddressSpace *as, void *buffer,
                      bool is_write, hwaddr access_len)
{
    uint8_t *at = buffer;
    BouncedMap *map;

    WITH_QEMU_LOCK_GUARD(&bounce->lock) {
        map = g_tree_search(bounce->by_buffer, by_buffer_search, buffer);
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
            free_map(bounce, map);
        }
    }
    return true;
}

static gboolean forget_map(gpointer key, gpointer unused, gpointer opaque)
{
    DMABounce *bounce = opaque;
    BouncedMap *map = key;

    if (!map->forgotten) {
        map->forgotten = true;
        bounce->bytes -= map->len;
        bounce->count -= map->refs;
    }
    return FALSE;
}

void dma_bounce_forget(DMABounce *bounce)
{
    QEMU_LOCK_GUARD(&bounce->lock);
    g_tree_foreach(bounce->by_buffer, forget_map, bounce);
}

unsigned dma_bounce_count(DMABounce *bounce)
{
    QEMU_LOCK_GUARD(&bounce->lock);
    return bounce->count;
}

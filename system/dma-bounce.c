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
#include "qemu/thread.h"
#include "qemu/units.h"
#include "system/dma-bounce.h"

/*
 * How much one endpoint may have in flight.  More than any queue of a sane
 * driver, less than what would hurt the host: beyond it a map fails, as when
 * the memory core's own bounce buffers are used up.
 */
#define BOUNCE_BYTES_MAX (256 * MiB)

/* One map hands out this much at most; callers ask again for the rest. */
#define BOUNCE_MAP_MAX   (16 * MiB)

#define BOUNCE_ALIGN     4096

typedef struct BouncedMap {
    hwaddr addr;
    hwaddr len;
    MemTxAttrs attrs;
} BouncedMap;

struct DMABounce {
    QemuMutex lock;
    GHashTable *maps;        /* buffer -> BouncedMap; under lock */
    size_t bytes;            /* under lock */
};

DMABounce *dma_bounce_new(void)
{
    DMABounce *bounce = g_new0(DMABounce, 1);

    qemu_mutex_init(&bounce->lock);
    bounce->maps = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    return bounce;
}

void dma_bounce_free(DMABounce *bounce)
{
    if (bounce) {
        g_hash_table_unref(bounce->maps);
        qemu_mutex_destroy(&bounce->lock);
        g_free(bounce);
    }
}

static bool bounce_reserve(DMABounce *bounce, hwaddr len)
{
    QEMU_LOCK_GUARD(&bounce->lock);
    if (len > BOUNCE_BYTES_MAX - bounce->bytes) {
        return false;
    }
    bounce->bytes += len;
    return true;
}

static void bounce_release(DMABounce *bounce, hwaddr len)
{
    QEMU_LOCK_GUARD(&bounce->lock);
    bounce->bytes -= len;
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
    if (!bounce_reserve(bounce, len)) {
        return NULL;
    }
    buffer = qemu_memalign(BOUNCE_ALIGN, len);
    memset(buffer, 0, len);
    if (!is_write) {
        /*
         * What cannot be read any more reads as zeroes, as it does when a
         * whole map leads nowhere; the fault is recorded.
         */
        address_space_read_full(as, addr, attrs, buffer, len);
    }

    map = g_new(BouncedMap, 1);
    *map = (BouncedMap) { .addr = addr, .len = len, .attrs = attrs };
    WITH_QEMU_LOCK_GUARD(&bounce->lock) {
        g_hash_table_insert(bounce->maps, buffer, map);
    }
    *plen = len;
    return buffer;
}

bool dma_bounce_unmap(DMABounce *bounce, AddressSpace *as, void *buffer,
                      bool is_write, hwaddr access_len)
{
    g_autofree BouncedMap *map = NULL;

    WITH_QEMU_LOCK_GUARD(&bounce->lock) {
        map = g_hash_table_lookup(bounce->maps, buffer);
        g_hash_table_steal(bounce->maps, buffer);
    }
    if (!map) {
        return false;
    }
    if (is_write) {
        /*
         * It may fault now: the guest took the page away, and the data goes
         * nowhere.  The request itself has succeeded.
         */
        address_space_write(as, map->addr, map->attrs, buffer,
                            MIN(access_len, map->len));
    }
    bounce_release(bounce, map->len);
    qemu_vfree(buffer);
    return true;
}

unsigned dma_bounce_count(DMABounce *bounce)
{
    QEMU_LOCK_GUARD(&bounce->lock);
    return g_hash_table_size(bounce->maps);
}

/*
 * DMA maps behind a vIOMMU
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What dma-fast.c does not answer: standing maps, bounced maps, and what is not
 * cached or is no RAM.  The memory core maps, in the slot in which the map is
 * recorded.
 */
#include "qemu/osdep.h"
#include "block/aio.h"
#include "exec/memory.h"
#include "qemu/main-loop.h"
#include "qemu/rcu.h"
#include "system/dma-held.h"
#include "system/xen.h"
#include "dma-inflight-internal.h"
#include "trace.h"

/*
 * A copy in place of @map, which guest memory's own address cannot be, or is
 * not to be, handed out for.  *@plen: what was asked for; it becomes what there
 * is.  NULL: there are too many copies.
 */
static void *dma_map_copy(AddressSpace *as, const DMAMapping *map,
                          hwaddr *plen)
{
    DMABounce *bounce = dma_inflight_bounce(as->inflight);
    void *copy = dma_bounce_map(bounce, as, map->addr, plen, map->len,
                                map->is_write, map->attrs);

    trace_dma_inflight_bounced(as->inflight, map->addr, *plen, map->is_write,
                               copy != NULL);
    return copy;
}

/* The copy that @map has to be, or NULL: it may be of the memory itself. */
static void *dma_map_must_copy(AddressSpace *as, const DMAMapping *map,
                               hwaddr *plen)
{
    DMAInflight *inflight = as->inflight;
    DMABounce *bounce = qatomic_load_acquire(&inflight->bounce);

    if (map->revoke || !bounce) {
        return NULL;
    }
    if (inflight->bounces) {
        return dma_map_copy(as, map, plen);
    }
    *plen = map->len;
    return map->is_write ? dma_bounce_share(bounce, map->addr, map->len) : NULL;
}

/* What @map's user is to have: its memory, which is recorded, or a copy. */
static void *dma_map_memory(AddressSpace *as, const DMAMapping *map,
                            hwaddr *plen)
{
    void *copy = dma_map_must_copy(as, map, plen);

    if (copy) {
        return copy;
    }
    *plen = map->len;
    if (dma_inflight_mapped(as->inflight, map)) {
        return map->host;
    }
    copy = map->revoke ? NULL : dma_map_copy(as, map, plen);
    if (copy) {
        return copy;
    }
    /*
     * A device that is refused memory breaks down, and any process in the
     * guest may be the cause: then the drain may wait too long.
     */
    *plen = map->len;
    dma_inflight_mapped_vague(as->inflight, map);
    return map->host;
}

/*
 * Where there is no RAM the memory core hands out a buffer of its own, which it
 * writes back without any attributes: to the same IOVA of another PASID, or to
 * that which the address is when it is translated.
 */
static void *dma_map_elsewhere(AddressSpace *as, const DMAMapping *map)
{
    if (!map->host || dma_attrs_plain(map->attrs)) {
        return map->host;
    }
    address_space_unmap(as, map->host, map->len, map->is_write, 0);
    return NULL;
}

void *address_space_map_standing(AddressSpace *as, hwaddr addr, hwaddr *plen,
                                 bool is_write, MemTxAttrs attrs,
                                 DMARevoke *revoke, void *opaque)
{
    DMAMapping map = {
        .addr = addr,
        .len = *plen,
        .is_write = is_write,
        .attrs = attrs,
        .revoke = revoke,
        .opaque = opaque,
    };
    DMAInflight *inflight = as->inflight;
    DMATagMark mark;
    ram_addr_t offset;
    void *host;

    if (!inflight) {
        return address_space_map(as, addr, plen, is_write, attrs);
    }
    DMA_SHORT_ACCESS_GUARD(true, inflight);
    RCU_READ_LOCK_GUARD();
    inflight->ops->tag_begin(inflight->opaque, dma_attrs_code(attrs), &mark);
    map.host = address_space_map_untracked(as, addr, &map.len, is_write, attrs);
    map.tag = inflight->ops->tag_end(inflight->opaque, &mark);
    map.owner = map.host ? memory_region_from_host(map.host, &offset) : NULL;
    if (!map.owner) {
        /* Nothing, or the memory core's bounce buffer. */
        *plen = map.len;
        return dma_map_elsewhere(as, &map);
    }
    host = dma_map_memory(as, &map, plen);
    if (host != map.host) {
        memory_region_unref(map.owner);
    }
    return host;
}

void *dma_map_slowly(AddressSpace *as, hwaddr addr, hwaddr *plen,
                     bool is_write, MemTxAttrs attrs)
{
    return address_space_map_standing(as, addr, plen, is_write, attrs, NULL,
                                      NULL);
}

static void dma_ram_unref_bh(void *opaque)
{
    DMA_HELD("drain");

    object_unref(OBJECT(opaque));
}

void dma_ram_unref(MemoryRegion *mr)
{
    Object *owner = mr->owner;
    uint32_t n;

    if (likely(bql_locked())) {
        memory_region_unref(mr);
        return;
    }
    if (!owner) {
        return;
    }
    n = qatomic_read(&owner->ref);
    while (likely(n > 1)) {
        uint32_t now = qatomic_cmpxchg(&owner->ref, n, n - 1);

        if (likely(now == n)) {
            return;
        }
        n = now;
    }
    /* The only one that is left: nobody can add to it, or take it away. */
    aio_bh_schedule_oneshot(qemu_get_aio_context(), dma_ram_unref_bh,
                            owner);
}

static void dma_ram_take(void *mr, unsigned n)
{
    Object *owner = ((MemoryRegion *)mr)->owner;

    if (owner) {
        qatomic_add(&owner->ref, n);
    }
}

static void dma_ram_drop(void *mr)
{
    dma_ram_unref(mr);
}

const DMARefsOps dma_ram_refs = {
    .take = dma_ram_take,
    .drop = dma_ram_drop,
};

/* Returns: false if @buffer is a bounce buffer of the memory core. */
static bool dma_unmap_recorded(AddressSpace *as, void *buffer, bool is_write,
                               hwaddr access_len, DMARevoke *revoke,
                               void *opaque)
{
    DMABounce *bounce = qatomic_load_acquire(&as->inflight->bounce);
    MemoryRegion *mr;
    ram_addr_t offset;

    if (bounce && dma_bounce_unmap(bounce, as, buffer, is_write, access_len)) {
        return true;
    }
    mr = memory_region_from_host(buffer, &offset);
    if (!mr) {
        return false;
    }
    if (xen_enabled()) {
        /* The memory core knows what there is to do. */
        dma_inflight_unmapped(as->inflight, buffer, is_write, revoke, opaque);
        return false;
    }
    if (is_write) {
        dma_ram_written(mr, offset, access_len);
    }
    if (dma_inflight_unmapped(as->inflight, buffer, is_write, revoke,
                              opaque)) {
        dma_ram_unref(mr);
    }
    return true;
}

void dma_unmap_slowly(AddressSpace *as, void *buffer, hwaddr len,
                      bool is_write, hwaddr access_len)
{
    if (!dma_unmap_recorded(as, buffer, is_write, access_len, NULL, NULL)) {
        address_space_unmap_untracked(as, buffer, len, is_write, access_len);
    }
}

void address_space_unmap_standing(AddressSpace *as, void *buffer, hwaddr len,
                                  bool is_write, hwaddr access_len,
                                  DMARevoke *revoke, void *opaque)
{
    if (!as->inflight ||
        !dma_unmap_recorded(as, buffer, is_write, access_len, revoke,
                            opaque)) {
        address_space_unmap_untracked(as, buffer, len, is_write, access_len);
    }
}

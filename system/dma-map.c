/*
 * DMA maps behind a vIOMMU
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What dma-fast.c does not answer: standing maps, bounced maps, accesses with
 * a PASID, and what is not cached or is no RAM.  The memory core maps, in the
 * slot in which the map is recorded.
 */
#include "qemu/osdep.h"
#include "block/aio.h"
#include "exec/memory.h"
#include "qemu/main-loop.h"
#include "qemu/rcu.h"
#include "system/xen.h"
#include "dma-inflight-internal.h"

void *address_space_map_standing(AddressSpace *as, hwaddr addr, hwaddr *plen,
                                 bool is_write, MemTxAttrs attrs,
                                 DMARevoke *revoke, void *opaque)
{
    MemoryRegion *mr;
    ram_addr_t offset;
    void *host;

    if (!as->inflight) {
        return address_space_map(as, addr, plen, is_write, attrs);
    }
    DMA_SHORT_ACCESS_GUARD(true);
    RCU_READ_LOCK_GUARD();
    host = address_space_map_untracked(as, addr, plen, is_write, attrs);
    mr = host ? memory_region_from_host(host, &offset) : NULL;
    if (!mr) {
        /* Nothing, or the memory core's bounce buffer. */
        return host;
    }
    if (!revoke && dma_inflight_bounce(as)) {
        host = dma_bounce_map(dma_inflight_bounce(as), as, addr, plen, *plen,
                              is_write, attrs);
        memory_region_unref(mr);
        return host;
    }
    dma_inflight_mapped(as, addr, *plen, is_write, attrs, host, mr, revoke,
                        opaque);
    return host;
}

void *dma_map(AddressSpace *as, hwaddr addr, hwaddr *plen, bool is_write,
              MemTxAttrs attrs)
{
    void *host = attrs.pid || !qatomic_read(&as->fast) ? NULL :
                 dma_fast_map(as, addr, plen, is_write);

    return host ?: address_space_map_standing(as, addr, plen, is_write, attrs,
                                              NULL, NULL);
}

static void unref_bh(void *opaque)
{
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
    aio_bh_schedule_oneshot(qemu_get_aio_context(), unref_bh, owner);
}

bool dma_unmap(AddressSpace *as, void *buffer, hwaddr len, bool is_write,
               hwaddr access_len, DMARevoke *revoke, void *opaque)
{
    MemoryRegion *mr;
    ram_addr_t offset;

    if (!revoke && dma_fast_unmap(as, buffer, len, is_write, access_len)) {
        return true;
    }
    if (dma_inflight_bounce(as) &&
        dma_bounce_unmap(dma_inflight_bounce(as), as, buffer, is_write,
                         access_len)) {
        return true;
    }
    mr = memory_region_from_host(buffer, &offset);
    if (!mr) {
        return false;
    }
    if (xen_enabled()) {
        /* The memory core knows what there is to do. */
        dma_inflight_unmapped(as, buffer, len, is_write, revoke, opaque);
        return false;
    }
    if (is_write) {
        dma_ram_written(mr, offset, access_len);
    }
    dma_inflight_unmapped(as, buffer, len, is_write, revoke, opaque);
    dma_ram_unref(mr);
    return true;
}

void address_space_unmap_standing(AddressSpace *as, void *buffer, hwaddr len,
                                  bool is_write, hwaddr access_len,
                                  DMARevoke *revoke, void *opaque)
{
    if (!as->inflight ||
        !dma_unmap(as, buffer, len, is_write, access_len, revoke, opaque)) {
        address_space_unmap(as, buffer, len, is_write, access_len);
    }
}

/*
 * vIOMMU core: IOMMU notifiers (vhost, VFIO, ...) and the shadow they are told
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * UNMAP notifiers cache what they asked for and hear of every removal.  MAP
 * notifiers keep a copy of the whole table: they hear the difference between
 * what they were told (the endpoint's shadow) and the tables as they are now,
 * because a guest's invalidation says neither which of the two it is nor its
 * exact extent.  DEVIOTLB_UNMAP notifiers hear device-TLB invalidations only.
 *
 * Everything here runs under the BQL.
 */

#include "qemu/osdep.h"
#include "exec/address-spaces.h"
#include "hw/boards.h"
#include "qapi/error.h"
#include "system/dma-held.h"
#include "system/dma.h"
#include "trace.h"
#include "viommu-internal.h"

/*
 * Walk @first .. @last of the tables for MAP notifiers.  How many entries it
 * reads is bounded, but enough for a guest that maps all of its memory several
 * times over in the smallest pages, each of which takes as many entries again
 * as a second stage has levels.  Tables that lead back to themselves map far
 * more than that, and each piece would become a node of the shadow.
 */
static void walk_tables(VIOMMUEndpoint *ep, VIOMMUConfig *config,
                        hwaddr first, hwaddr last, IOPTVisit *visit,
                        void *opaque)
{
    IOPTSpace *space = &config->space;
    uint64_t pages = current_machine->ram_size >> 12;
    unsigned reads = 1 + (space->second.format ? space->second.levels : 0);

    space->table.max_reads = reads * MAX(4 * pages, 1ULL << 20);
    iopt_space_walk_range(space, first, last, &ep->viommu->mem, visit,
                          opaque);
}

/*
 * "Everything" is 2^64 bytes, which no length can say, and every listener of
 * the base's takes addr_mask + 1 for one.  So no event is larger than 2^63
 * bytes: UNMAP and DEVIOTLB_UNMAP notifiers hear of everything in two halves.
 * MAP notifiers never do: they hear of what they were told, piece by piece.
 */
#define EVENT_BITS 63

void viommu_notify_init(VIOMMUEndpoint *ep)
{
    ep->shadow = iova_tree_new();
}

/*
 * Tell @n of @first .. @last, cut to what it registered for, in naturally
 * aligned power-of-two pieces.
 */
static void notify_pieces(VIOMMUEndpoint *ep, IOMMUNotifier *n,
                       IOMMUNotifierFlag type, hwaddr first, hwaddr last,
                       hwaddr addr, IOMMUAccessFlags perm)
{
    hwaddr start = MAX(first, n->start);
    hwaddr end = MIN(last, n->end);

    if (!(n->notifier_flags & type) || start > end) {
        return;
    }
    addr += start - first;
    for (;;) {
        hwaddr mask = dma_aligned_pow2_mask(start, end, EVENT_BITS);
        IOMMUTLBEvent event = {
            .type = type,
            .entry = {
                .target_as = ep->viommu->memory,
                .iova = start,
                .translated_addr = perm == IOMMU_NONE ? 0 : addr,
                .addr_mask = mask,
                .perm = perm,
            },
        };

        trace_viommu_notify(viommu_endpoint_sid(ep), type, start, mask,
                            event.entry.translated_addr, perm);
        memory_region_notify_iommu_one(n, &event);
        if (end - start <= mask) {
            break;
        }
        start += mask + 1;
        addr += mask + 1;
    }
}

/*
 * Of what is mapped only what is not in a window: nothing is mapped there, and
 * the host of an assigned device would refuse the whole page.  What is unmapped
 * may be more than was mapped.
 */
static void notify_one(VIOMMUEndpoint *ep, IOMMUNotifier *n,
                       IOMMUNotifierFlag type, hwaddr first, hwaddr last,
                       hwaddr addr, IOMMUAccessFlags perm)
{
    const IOMMUWindows *list = &ep->windows->list;
    const IOMMUWindow *w = NULL;

    while (type == IOMMU_NOTIFIER_MAP &&
           (w = iommu_windows_next(list, first, last, true))) {
        if (w->first > first) {
            notify_pieces(ep, n, type, first, w->first - 1, addr, perm);
        }
        if (w->last >= last) {
            return;
        }
        addr += w->last + 1 - first;
        first = w->last + 1;
    }
    notify_pieces(ep, n, type, first, last, addr, perm);
}

static void notify_all(VIOMMUEndpoint *ep, IOMMUNotifierFlag type,
                       hwaddr first, hwaddr last, hwaddr addr,
                       IOMMUAccessFlags perm)
{
    IOMMUNotifier *n;

    IOMMU_NOTIFIER_FOREACH(n, &ep->iommu) {
        notify_one(ep, n, type, first, last, addr, perm);
    }
}

static bool notifies_map(VIOMMUEndpoint *ep)
{
    return ep->notifier_flags & IOMMU_NOTIFIER_MAP;
}

/* Only those that keep a copy: the others have been told the whole range. */
static void notify_map_users(VIOMMUEndpoint *ep, IOMMUNotifierFlag type,
                             const DMAMap *map)
{
    bool is_map = type == IOMMU_NOTIFIER_MAP;
    IOMMUNotifier *n;

    IOMMU_NOTIFIER_FOREACH(n, &ep->iommu) {
        if (n->notifier_flags & IOMMU_NOTIFIER_MAP) {
            notify_one(ep, n, type, map->iova, map->iova + map->size,
                       is_map ? map->translated_addr : 0,
                       is_map ? map->perm : IOMMU_NONE);
        }
    }
}

/* Unmap what was told and overlaps @first .. @last; it may reach beyond. */
static void shadow_drop(VIOMMUEndpoint *ep, hwaddr first, hwaddr last)
{
    DMAMap range = { .iova = first, .size = last - first };
    const DMAMap *found;

    while ((found = iova_tree_find(ep->shadow, &range))) {
        DMAMap map = *found;

        iova_tree_remove(ep->shadow, map);
        notify_map_users(ep, IOMMU_NOTIFIER_UNMAP, &map);
        if (map.iova <= first && map.iova + map.size >= last) {
            break;
        }
    }
}

/* The whole page, even where the walk's range touches a part of it only. */
static DMAMap leaf_map(uint64_t first, const IOPTResult *res)
{
    uint64_t mask = (1ULL << res->shift) - 1;

    return (DMAMap) {
        .iova = first & ~mask,
        .size = mask,
        .translated_addr = res->addr,
        .perm = (IOMMUAccessFlags)res->perm,
    };
}

static bool shadow_is(const DMAMap *found, const DMAMap *map)
{
    return found && found->iova == map->iova && found->size == map->size &&
           found->translated_addr == map->translated_addr &&
           found->perm == map->perm;
}

/* Is it in the shadow just like this? */
static bool shadow_has(VIOMMUEndpoint *ep, const DMAMap *map)
{
    return shadow_is(iova_tree_find(ep->shadow, map), map);
}

static bool shadow_visit(void *opaque, uint64_t first, uint64_t last,
                         const IOPTResult *res)
{
    VIOMMUEndpoint *ep = opaque;
    const DMAMap *found;
    DMAMap map;

    if (!res->perm || res->device) {
        shadow_drop(ep, first, last);
        return true;
    }
    map = leaf_map(first, res);
    found = iova_tree_find(ep->shadow, &map);
    if (!shadow_is(found, &map)) {
        if (found) {
            shadow_drop(ep, map.iova, map.iova + map.size);
        }
        if (iova_tree_insert(ep->shadow, &map) == IOVA_OK) {
            notify_map_users(ep, IOMMU_NOTIFIER_MAP, &map);
        }
    }
    return true;
}

/*
 * What was told as one piece goes as one piece, so its remains beyond *@first
 * and *@last have to be looked up again as well.
 */
static void shadow_widen(VIOMMUEndpoint *ep, hwaddr *first, hwaddr *last)
{
    DMAMap at_first = { .iova = *first };
    DMAMap at_last = { .iova = *last };
    DMAMap all = { .iova = *first, .size = *last - *first };
    const DMAMap *found = iova_tree_find(ep->shadow, &all);

    if (!found) {
        return;
    }
    if (found->iova <= *first && found->iova + found->size >= *last) {
        *first = found->iova;
        *last = found->iova + found->size;
        return;
    }
    /* It may be one of many. */
    found = iova_tree_find(ep->shadow, &at_first);
    if (found) {
        *first = found->iova;
    }
    found = iova_tree_find(ep->shadow, &at_last);
    if (found) {
        *last = found->iova + found->size;
    }
}

/* Make the shadow of @first .. @last equal to the tables as they are now. */
static void shadow_sync(VIOMMUEndpoint *ep, hwaddr first, hwaddr last)
{
    VIOMMUConfig config;

    shadow_widen(ep, &first, &last);

    RCU_READ_LOCK_GUARD();
    viommu_resolve_now(ep, VIOMMU_NO_PASID, &config);
    if (config.mode != VIOMMU_TRANSLATE) {
        /* In bypass the address space itself shows the memory. */
        shadow_drop(ep, first, last);
        return;
    }
    walk_tables(ep, &config, first, last, shadow_visit, ep);
}

void viommu_notify_unmap(VIOMMUEndpoint *ep, hwaddr first, hwaddr last)
{
    IOMMUNotifier *n;

    if (!(ep->notifier_flags & IOMMU_NOTIFIER_IOTLB_EVENTS)) {
        return;
    }
    IOMMU_NOTIFIER_FOREACH(n, &ep->iommu) {
        if (!(n->notifier_flags & IOMMU_NOTIFIER_MAP)) {
            notify_one(ep, n, IOMMU_NOTIFIER_UNMAP, first, last, 0,
                       IOMMU_NONE);
        }
    }
    if (notifies_map(ep)) {
        shadow_sync(ep, first, last);
    }
}

void viommu_notify_map(VIOMMUEndpoint *ep, hwaddr first, hwaddr last)
{
    if (notifies_map(ep)) {
        shadow_sync(ep, first, last);
    }
}

void viommu_notify_forget(VIOMMUEndpoint *ep)
{
    DMAMap all = { .iova = 0, .size = HWADDR_MAX };

    if (ep->notifier_flags & IOMMU_NOTIFIER_IOTLB_EVENTS) {
        notify_all(ep, IOMMU_NOTIFIER_UNMAP, 0, HWADDR_MAX, 0, IOMMU_NONE);
    }
    viommu_notify_device_tlb(ep, VIOMMU_NO_PASID, true, 0, HWADDR_MAX);
    iova_tree_remove(ep->shadow, all);
}

void viommu_notify_device_tlb(VIOMMUEndpoint *ep, uint32_t pasid, bool all,
                              hwaddr first, hwaddr last)
{
    VIOMMUATSListener *l, *next;
    IOMMUNotifier *n;

    if (unlikely(ep->viommu->sanitizer)) {
        viommu_sanitize_device_tlb(ep, pasid, all, first, last);
    }
    IOMMU_NOTIFIER_FOREACH(n, &ep->iommu) {
        if (all || viommu_pasid_of(n->iommu_idx) == pasid) {
            notify_one(ep, n, IOMMU_NOTIFIER_DEVIOTLB_UNMAP, first, last, 0,
                       IOMMU_NONE);
        }
    }
    QLIST_FOREACH_SAFE(l, &ep->listeners, next, next) {
        l->invalidate(l, pasid, all, first, last);
    }
}

int viommu_notify_flag_changed(IOMMUMemoryRegion *iommu,
                               IOMMUNotifierFlag old_flags,
                               IOMMUNotifierFlag new_flags, Error **errp)
{
    VIOMMUEndpoint *ep = container_of(iommu, VIOMMUEndpoint, iommu);
    VIOMMU *v = ep->viommu;
    DMA_HELD("notifier");

    if (v->ops->check_notifier &&
        !v->ops->check_notifier(v, ep, new_flags, errp)) {
        return -ENOTSUP;
    }
    ep->notifier_flags = new_flags;
    if (!ep->notified) {
        ep->notified = true;
        ep->next_notified = v->notified;
        v->notified = ep;
    }
    if (!notifies_map(ep)) {
        /* It is kept for nobody now: the next one must be told everything. */
        iova_tree_remove(ep->shadow, (DMAMap) { .size = HWADDR_MAX });
    }
    return 0;
}

typedef struct ReplayContext {
    VIOMMUEndpoint *ep;
    IOMMUNotifier *n;
    bool registered;
} ReplayContext;

static bool replay_visit(void *opaque, uint64_t first, uint64_t last,
                         const IOPTResult *res)
{
    ReplayContext *ctx = opaque;
    DMAMap map;

    if (!res->perm || res->device) {
        return true;
    }
    map = leaf_map(first, res);
    if (ctx->registered && !shadow_has(ctx->ep, &map)) {
        /* New to everybody. */
        return shadow_visit(ctx->ep, first, last, res);
    }
    /*
     * A notifier that only wants to look (VFIO's dirty bitmap) changes
     * nothing about what the others were told.
     */
    notify_one(ctx->ep, ctx->n, IOMMU_NOTIFIER_MAP, map.iova,
               map.iova + map.size, map.translated_addr, map.perm);
    return true;
}

void viommu_notify_replay(IOMMUMemoryRegion *iommu, IOMMUNotifier *n)
{
    ReplayContext ctx = {
        .ep = container_of(iommu, VIOMMUEndpoint, iommu),
        .n = n,
    };
    VIOMMUConfig config;
    IOMMUNotifier *other;
    DMA_HELD("replay");

    if (!(n->notifier_flags & IOMMU_NOTIFIER_MAP)) {
        return;
    }
    IOMMU_NOTIFIER_FOREACH(other, &ctx.ep->iommu) {
        ctx.registered |= other == n;
    }

    RCU_READ_LOCK_GUARD();
    viommu_resolve_now(ctx.ep, VIOMMU_NO_PASID, &config);
    if (config.mode == VIOMMU_TRANSLATE) {
        walk_tables(ctx.ep, &config, n->start, n->end, replay_visit, &ctx);
    }
}

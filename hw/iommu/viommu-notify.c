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

        if (trace_event_get_state_backends(TRACE_VIOMMU_NOTIFY)) {
            trace_viommu_notify(viommu_endpoint_sid(ep), type, start, mask,
                                event.entry.translated_addr, perm);
        }
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
                             const VIOMMUPiece *piece)
{
    bool is_map = type == IOMMU_NOTIFIER_MAP;
    IOMMUNotifier *n;

    IOMMU_NOTIFIER_FOREACH(n, &ep->iommu) {
        if (n->notifier_flags & IOMMU_NOTIFIER_MAP) {
            notify_one(ep, n, type, piece->node.start, piece->node.last,
                       is_map ? piece->addr : 0,
                       is_map ? piece->perm : IOMMU_NONE);
        }
    }
}

/* Unmap what was told and overlaps @first .. @last; it may reach beyond. */
static void shadow_drop(VIOMMUEndpoint *ep, hwaddr first, hwaddr last)
{
    VIOMMUPiece *found;

    while ((found = viommu_shadow_find(&ep->shadow, first, last))) {
        VIOMMUPiece was = viommu_shadow_remove(&ep->shadow, found);

        notify_map_users(ep, IOMMU_NOTIFIER_UNMAP, &was);
        if (was.node.start <= first && was.node.last >= last) {
            break;
        }
    }
}

/* The whole page, even where the walk's range touches a part of it only. */
static VIOMMUPiece leaf_piece(uint64_t first, const IOPTResult *res)
{
    uint64_t mask = (1ULL << res->shift) - 1;

    return (VIOMMUPiece) {
        .node.start = first & ~mask,
        .node.last = first | mask,
        .addr = res->addr,
        .perm = (IOMMUAccessFlags)res->perm,
    };
}

static bool piece_is(const VIOMMUPiece *found, const VIOMMUPiece *piece)
{
    return found && found->node.start == piece->node.start &&
           found->node.last == piece->node.last &&
           found->addr == piece->addr && found->perm == piece->perm;
}

static bool shadow_visit(void *opaque, uint64_t first, uint64_t last,
                         const IOPTResult *res)
{
    VIOMMUEndpoint *ep = opaque;
    VIOMMUPiece piece, *found;

    if (!res->perm || res->device) {
        shadow_drop(ep, first, last);
        return true;
    }
    piece = leaf_piece(first, res);
    found = viommu_shadow_find(&ep->shadow, piece.node.start,
                               piece.node.last);
    if (!piece_is(found, &piece)) {
        if (found) {
            shadow_drop(ep, piece.node.start, piece.node.last);
        }
        viommu_shadow_insert(&ep->shadow, &piece);
        notify_map_users(ep, IOMMU_NOTIFIER_MAP, &piece);
    }
    return true;
}

/*
 * What was told as one piece goes as one piece, so its remains beyond *@first
 * and *@last have to be looked up again as well.
 */
static void shadow_widen(VIOMMUEndpoint *ep, hwaddr *first, hwaddr *last)
{
    const VIOMMUPiece *found = viommu_shadow_find(&ep->shadow, *first, *last);

    if (!found) {
        return;
    }
    *first = MIN(*first, found->node.start);
    if (found->node.last < *last) {
        /* It may be one of many. */
        found = viommu_shadow_find(&ep->shadow, *last, *last);
    }
    if (found) {
        *last = MAX(*last, found->node.last);
    }
}

/* Make the shadow of @first .. @last equal to the tables as they are now. */
static void shadow_sync(VIOMMUEndpoint *ep, hwaddr first, hwaddr last)
{
    VIOMMUConfig VIOMMU_UNSET config;

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
    if (ep->notifier_flags & IOMMU_NOTIFIER_IOTLB_EVENTS) {
        notify_all(ep, IOMMU_NOTIFIER_UNMAP, 0, HWADDR_MAX, 0, IOMMU_NONE);
    }
    viommu_notify_device_tlb(ep, VIOMMU_NO_PASID, true, 0, HWADDR_MAX);
    viommu_shadow_clear(&ep->shadow);
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
        viommu_shadow_clear(&ep->shadow);
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
    VIOMMUPiece piece;

    if (!res->perm || res->device) {
        return true;
    }
    piece = leaf_piece(first, res);
    if (ctx->registered &&
        !piece_is(viommu_shadow_find(&ctx->ep->shadow, piece.node.start,
                                     piece.node.last), &piece)) {
        /* New to everybody. */
        return shadow_visit(ctx->ep, first, last, res);
    }
    /*
     * A notifier that only wants to look (VFIO's dirty bitmap) changes
     * nothing about what the others were told.
     */
    notify_one(ctx->ep, ctx->n, IOMMU_NOTIFIER_MAP, piece.node.start,
               piece.node.last, piece.addr, piece.perm);
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

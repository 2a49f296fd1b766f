/*
 * vIOMMU core: invalidation and its fences
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Everything here runs under the BQL.
 */

#include "qemu/osdep.h"
#include "qemu/lockable.h"
#include "qemu/rcu.h"
#include "trace.h"
#include "viommu-internal.h"
#include "viommu-way.h"

/* Its view is what it is to be; who is told of that, and @scope, are next. */
static void viommu_config_follow(VIOMMUEndpoint *ep, DMADrainScope *scope)
{
    if (ep->switched) {
        ep->switched = false;
        viommu_forget_identity(ep);
        scope->topology = true;
    }
    viommu_notify_unmap(ep, 0, HWADDR_MAX);
}

/*
 * What is cached of those that are .changed has gone: they follow the tables.
 * @together: one drain for all, of everything.  Their views change at once: to
 * change the memory map takes longer the more of them there are.
 */
static void viommu_configs_changed(VIOMMU *v, bool together)
{
    DMADrainScope all = { .last = HWADDR_MAX };
    VIOMMUEndpoint *ep;

    memory_region_transaction_begin();
    QLIST_FOREACH(ep, &v->endpoints, next) {
        if (ep->changed && viommu_refresh(ep)) {
            ep->switched = true;
        }
    }
    memory_region_transaction_commit();
    QLIST_FOREACH(ep, &v->endpoints, next) {
        DMADrainScope own = { .last = HWADDR_MAX, .only = ep->inflight };

        if (!ep->changed) {
            continue;
        }
        ep->changed = false;
        viommu_config_follow(ep, together ? &all : &own);
        if (!together) {
            dma_drain_start(v->drain, &own);
        }
    }
    if (together) {
        dma_drain_start(v->drain, &all);
    }
}

static bool viommu_any_changed(VIOMMU *v)
{
    VIOMMUEndpoint *ep;

    QLIST_FOREACH(ep, &v->endpoints, next) {
        if (ep->changed) {
            return true;
        }
    }
    return false;
}

void viommu_endpoints_changed(VIOMMU *v)
{
    VIOMMUEndpoint *ep;

    if (!viommu_any_changed(v)) {
        return;
    }
    WITH_QEMU_LOCK_GUARD(&v->lock) {
        qatomic_store_release(&v->config_seq, v->config_seq + 1);
        QLIST_FOREACH(ep, &v->endpoints, next) {
            if (ep->changed) {
                viommu_config_drop(ep);
            }
        }
    }
    if (unlikely(v->sanitizer)) {
        viommu_sanitize_config_dropped(v);
    }
    smp_mb(); /* as in viommu_invalidate_config() */
    viommu_configs_changed(v, false);
}

void viommu_endpoint_changed(VIOMMUEndpoint *ep)
{
    ep->changed = true;
    viommu_endpoints_changed(ep->viommu);
}

static bool viommu_config_in_scope(VIOMMUEndpoint *ep, const VIOMMUInv *inv)
{
    switch (inv->kind) {
    case VIOMMU_INV_CONFIG_ENDPOINT:
        /* Nothing is kept of an ID that it had before: see ep->sid. */
        return ((viommu_endpoint_sid(ep) ^ inv->sid) & ~inv->sid_mask) == 0;
    default:
        /*
         * Of a PASID: what an endpoint that no copy is kept of was shown, or
         * has in flight, may have come from its entry.
         */
        return true;
    }
}

static void viommu_forget_config(VIOMMU *v, const VIOMMUInv *inv)
{
    VIOMMUEndpoint *ep;

    VIOMMU_STAT_INC(v, inv_config);
    if (unlikely(v->sanitizer)) {
        viommu_sanitize_config(v, inv);
    }
    WITH_QEMU_LOCK_GUARD(&v->lock) {
        qatomic_store_release(&v->config_seq, v->config_seq + 1);
        QLIST_FOREACH(ep, &v->endpoints, next) {
            if (inv->kind == VIOMMU_INV_CONFIG_PASID) {
                viommu_config_drop_pasid(ep, inv->pasid);
            } else if (viommu_config_in_scope(ep, inv)) {
                viommu_config_drop(ep);
            }
        }
    }
    if (unlikely(v->sanitizer)) {
        viommu_sanitize_config_dropped(v);
    }
}

static void viommu_invalidate_config(VIOMMU *v, const VIOMMUInv *inv)
{
    VIOMMUEndpoint *ep;

    viommu_forget_config(v, inv);
    /* Removed, before the slots of those who might still use it are read. */
    smp_mb();
    QLIST_FOREACH(ep, &v->endpoints, next) {
        if (viommu_config_in_scope(ep, inv)) {
            ep->changed = true;
        }
    }
    viommu_configs_changed(v, inv->kind != VIOMMU_INV_CONFIG_ENDPOINT);
}

/*
 * A page marked global is translated alike in all domains of a group, but is
 * cached as the one's that used it first.  Once there has been one, the
 * invalidation of a domain, or of a range of it, is one of its group.
 */
static bool viommu_inv_is_groups(VIOMMU *v, const VIOMMUInv *inv)
{
    return inv->kind == VIOMMU_INV_GROUP ||
           (inv->kind != VIOMMU_INV_ALL && qatomic_read(&v->global_seen));
}

/* Is @ep in domain @tag, or was it when it was asked last?  @mask 0: yes. */
static bool viommu_is_in_domain(VIOMMUEndpoint *ep, uint64_t tag,
                                uint64_t mask)
{
    VIOMMU *v = ep->viommu;
    VIOMMUConfig config;

    /*
     * The tables are asked only if what was does not say it already; whom one
     * would have to wait for, not at all.
     */
    if (v->ops->asks || !((qatomic_read(&ep->last_tag) ^ tag) & mask)) {
        return true;
    }
    WITH_RCU_READ_LOCK_GUARD() {
        viommu_resolve_now(ep, VIOMMU_NO_PASID, &config);
    }
    return !((config.tag ^ tag) & mask);
}

/*
 * What follows of the invalidation, by tag, is about all that came from these
 * configurations: nobody else has to be told, or waited for.
 */
static void viommu_forget_roots(VIOMMU *v, const VIOMMUInv *inv)
{
    uint64_t mask = inv->kind == VIOMMU_INV_GROUP ? IOTLB_TAG_GROUP_MASK :
                                                    IOTLB_TAG_DOMAIN_MASK;
    VIOMMUEndpoint *ep;

    WITH_QEMU_LOCK_GUARD(&v->lock) {
        qatomic_store_release(&v->config_seq, v->config_seq + 1);
        QLIST_FOREACH(ep, &v->endpoints, next) {
            viommu_config_drop_tag(ep, inv->tag, mask);
        }
    }
    smp_mb(); /* as in viommu_invalidate_config() */
}

static void viommu_invalidate_tlb(VIOMMU *v, const VIOMMUInv *inv)
{
    DMADrainScope scope = {
        .first = 0,
        .last = HWADDR_MAX,
        .tag = inv->tag,
        .tag_mask = IOTLB_TAG_DOMAIN_MASK,
    };
    VIOMMUEndpoint *ep;

    if (inv->kind != VIOMMU_INV_RANGE || !inv->leaf) {
        /* Before the IOTLB's count: see viommu_memo_of(). */
        viommu_way_lost(&v->table_seq);
    }
    if (inv->roots) {
        viommu_forget_roots(v, inv);
    }
    switch (inv->kind) {
    case VIOMMU_INV_ALL:
        VIOMMU_STAT_INC(v, inv_global);
        iotlb_invalidate_all(v->iotlb);
        scope.tag_mask = 0;
        break;
    case VIOMMU_INV_GROUP:
        VIOMMU_STAT_INC(v, inv_domain);
        break;
    case VIOMMU_INV_TAG:
        VIOMMU_STAT_INC(v, inv_domain);
        iotlb_invalidate_tag(v->iotlb, inv->tag);
        break;
    default:
        VIOMMU_STAT_INC(v, inv_page);
        scope.first = inv->first;
        scope.last = inv->last;
        scope.named = inv->named;
        scope.named_first = inv->named_first;
        scope.named_last = inv->named_last;
        if (!v->notified) {
            /* The IOTLB's barriers do for the endpoints' caches. */
            dma_drain_announce(v->drain, &scope);
        }
        iotlb_invalidate_range(v->iotlb, inv->tag,
                               inv->named ? inv->named_first : inv->first,
                               inv->named ? inv->named_last : inv->last);
        break;
    }
    /* Asked after the removal: the first global page may come meanwhile. */
    if (unlikely(viommu_inv_is_groups(v, inv))) {
        iotlb_invalidate_group(v->iotlb, inv->tag);
        scope.tag_mask = IOTLB_TAG_GROUP_MASK;
        /* More has gone since. */
        scope.announced = false;
    }

    if (unlikely(v->sanitizer)) {
        viommu_sanitize_invalidated(v, scope.tag, scope.tag_mask, scope.first,
                                    scope.last);
    }
    for (ep = v->notified; ep; ep = ep->next_notified) {
        if (!ep->notifier_flags ||
            !viommu_is_in_domain(ep, inv->tag, scope.tag_mask)) {
            continue;
        }
        viommu_notify_unmap(ep, scope.first, scope.last);
    }
    dma_drain_start(v->drain, &scope);
}

void viommu_invalidate(VIOMMU *v, const VIOMMUInv *inv)
{
    trace_viommu_invalidate(v->name, inv->kind, inv->tag, inv->first,
                            inv->last);
    switch (inv->kind) {
    case VIOMMU_INV_CONFIG_ALL:
    case VIOMMU_INV_CONFIG_ENDPOINT:
    case VIOMMU_INV_CONFIG_PASID:
        viommu_invalidate_config(v, inv);
        break;
    default:
        viommu_invalidate_tlb(v, inv);
        break;
    }
}

void viommu_invalidate_everything(VIOMMU *v)
{
    static const VIOMMUInv config = { .kind = VIOMMU_INV_CONFIG_ALL };
    VIOMMUEndpoint *ep;

    trace_viommu_invalidate(v->name, config.kind, 0, 0, HWADDR_MAX);
    viommu_forget_config(v, &config);
    VIOMMU_STAT_INC(v, inv_global);
    iotlb_invalidate_all(v->iotlb);
    if (unlikely(v->sanitizer)) {
        viommu_sanitize_invalidated(v, 0, 0, 0, HWADDR_MAX);
    }
    smp_mb(); /* as in viommu_invalidate_config() */
    QLIST_FOREACH(ep, &v->endpoints, next) {
        ep->changed = true;
    }
    viommu_configs_changed(v, true);
}

bool viommu_invalidation_is_heard(VIOMMU *v)
{
    VIOMMUEndpoint *ep;

    for (ep = v->notified; ep; ep = ep->next_notified) {
        if (ep->notifier_flags) {
            return true;
        }
    }
    return v->sanitizer;
}

void viommu_mapped(VIOMMU *v, uint64_t tag, hwaddr first, hwaddr last)
{
    VIOMMUEndpoint *ep;

    for (ep = v->notified; ep; ep = ep->next_notified) {
        if ((ep->notifier_flags & IOMMU_NOTIFIER_MAP) &&
            viommu_is_in_domain(ep, tag, IOTLB_TAG_DOMAIN_MASK)) {
            viommu_notify_map(ep, first, last);
        }
    }
}

void viommu_invalidate_device_tlb_pasid(VIOMMU *v, uint16_t sid,
                                        uint32_t pasid, bool global,
                                        hwaddr first, hwaddr last)
{
    VIOMMUEndpoint *ep;

    QLIST_FOREACH(ep, &v->endpoints, next) {
        if (ep->bus && viommu_endpoint_sid(ep) == sid) {
            viommu_notify_device_tlb(ep, pasid, global, first, last);
        }
    }
}

void viommu_invalidate_device_tlb(VIOMMU *v, uint16_t sid,
                                  hwaddr first, hwaddr last)
{
    viommu_invalidate_device_tlb_pasid(v, sid, VIOMMU_NO_PASID, false, first,
                                       last);
}

bool viommu_fence(VIOMMU *v, DMAFence *fence, void (*done)(void *opaque),
                  void *opaque)
{
    if (unlikely(v->sanitizer)) {
        viommu_sanitize_fence(v);
    }
    return dma_drain_fence(v->drain, fence, done, opaque);
}

void viommu_fence_cancel(VIOMMU *v, DMAFence *fence)
{
    dma_drain_fence_cancel(v->drain, fence);
}

void viommu_collect_begin(VIOMMU *v)
{
    dma_drain_collect_begin(v->drain);
}

void viommu_collect_end(VIOMMU *v)
{
    dma_drain_collect_end(v->drain);
}

/*
 * vIOMMU core: the sanitizer: what is invalidated, and what ends otherwise
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/rcu.h"
#include "viommu-sanitizer-internal.h"

void viommu_sanitize_invalidated(VIOMMU *v, uint64_t tag, uint64_t tag_mask,
                                 hwaddr first, hwaddr last)
{
    const VIOMMUPastInv inv = {
        .tag = tag, .tag_mask = tag_mask, .first = first, .last = last,
        .when = get_clock(),
    };
    VIOMMUSanitizer *s = v->sanitizer;

    QEMU_LOCK_GUARD(&s->lock);
    viommu_history_invalidated(s->history, &inv);
    viommu_stale_close_pages(s->windows, tag, tag_mask, first, last,
                               qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL));
}

/* Is a copy of what @window is about kept still? */
static bool sanitizer_is_kept(const VIOMMUStaleWindow *window)
{
    return viommu_config_kept(window->owner,
                              viommu_pasid_of(window->attrs)) != NULL;
}

void viommu_sanitize_config_dropped(VIOMMU *v)
{
    int64_t now = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
    VIOMMUSanitizer *s = v->sanitizer;
    unsigned i;

    RCU_READ_LOCK_GUARD();
    QEMU_LOCK_GUARD(&s->lock);
    for (i = 0; i < VIOMMU_STALE_WINDOWS; i++) {
        VIOMMUStaleWindow *at = viommu_stale_at(s->windows, i);

        if (at && at->kind == VIOMMU_STALE_CONFIG && !sanitizer_is_kept(at)) {
            viommu_stale_close_owner(s->windows, at->kind, at->owner,
                                       at->attrs, UINT32_MAX, 0, UINT64_MAX,
                                       now);
        }
    }
}

void viommu_sanitize_gone(VIOMMUEndpoint *ep)
{
    VIOMMUSanitizer *s = ep->viommu->sanitizer;

    QEMU_LOCK_GUARD(&s->lock);
    viommu_stale_forget(s->windows, ep);
}

void viommu_sanitize_clear(VIOMMU *v)
{
    VIOMMUSanitizer *s = v->sanitizer;

    QEMU_LOCK_GUARD(&s->lock);
    viommu_history_clear(s->history);
    viommu_stale_clear(s->windows);
}

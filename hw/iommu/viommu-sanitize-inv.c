/*
 * vIOMMU core: the sanitizer: what is invalidated, and what ends otherwise
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/iommu/viommu-sanitizer.h"
#include "qemu/rcu.h"
#include "viommu-query-internal.h"
#include "viommu-sanitizer-internal.h"

void viommu_sanitize_invalidated(VIOMMU *v, uint64_t tag, uint64_t tag_mask,
                                 hwaddr first, hwaddr last)
{
    const VIOMMUPastInv inv = {
        .tag = tag, .tag_mask = tag_mask, .first = first, .last = last,
        .when = get_clock(),
    };
    VIOMMUSanitizer *s = v->sanitizer;

    WITH_QEMU_LOCK_GUARD(&s->lock) {
        viommu_history_invalidated(s->history, &inv);
        viommu_stale_close_pages(s->windows, tag, tag_mask, first, last,
                                 qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL));
    }
    sanitizer_absent_range(v, tag, tag_mask, first, last);
}

/* Is anything kept of @ep that @inv is about?  In an RCU read section. */
static bool inv_finds(VIOMMUEndpoint *ep, const VIOMMUInv *inv)
{
    const VIOMMUConfig *kept = viommu_config_kept(ep, VIOMMU_NO_PASID);
    unsigned i;

    if (inv->kind == VIOMMU_INV_CONFIG_PASID) {
        return (kept && kept->pasid == inv->pasid) ||
               viommu_config_kept(ep, inv->pasid);
    }
    if ((viommu_endpoint_sid(ep) ^ inv->sid) & ~inv->sid_mask) {
        return false;
    }
    for (i = 1; !kept && i <= VIOMMU_PASID_SLOTS; i++) {
        kept = viommu_config_kept(ep, viommu_config_pasid_at(ep, i));
    }
    return kept != NULL;
}

void viommu_sanitize_config(VIOMMU *v, const VIOMMUInv *inv)
{
    VIOMMUSanitizer *s = v->sanitizer;
    VIOMMUEndpoint *ep;

    if (inv->kind == VIOMMU_INV_CONFIG_ALL) {
        return;
    }
    RCU_READ_LOCK_GUARD();
    QLIST_FOREACH(ep, &v->endpoints, next) {
        if (inv_finds(ep, inv)) {
            return;
        }
    }
    s->astray = *inv;
    s->astray_when = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
}

char *sanitizer_astray_words(VIOMMUSanitizer *s)
{
    const VIOMMUInv *inv = &s->astray;
    g_autofree char *address = viommu_query_address(inv->sid);
    g_autofree char *whose = inv->kind == VIOMMU_INV_CONFIG_PASID ?
        g_strdup_printf("PASID 0x%" PRIx32, inv->pasid) :
        g_steal_pointer(&address);

    return g_strdup_printf("; the entry of %s was invalidated %" PRId64 " ms "
                           "ago, and none was kept of it", whose,
                           (qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL) -
                            s->astray_when) / SCALE_MS);
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
            viommu_stale_close_config(s->windows, at->owner, at->attrs, now);
        }
    }
}

void viommu_sanitize_gone(VIOMMUEndpoint *ep)
{
    VIOMMUSanitizer *s = ep->viommu->sanitizer;

    QEMU_LOCK_GUARD(&s->lock);
    viommu_stale_forget(s->windows, ep);
    viommu_grants_drop(s->grants, ep, 0, 0, 0, HWADDR_MAX);
}

void viommu_sanitize_clear(VIOMMU *v)
{
    VIOMMUSanitizer *s = v->sanitizer;

    QEMU_LOCK_GUARD(&s->lock);
    viommu_history_clear(s->history);
    viommu_stale_clear(s->windows);
    viommu_grants_clear(s->grants);
    s->lost.ep = NULL;
    s->device_seq++;
    memset(s->tables, 0, sizeof(s->tables));
    memset(s->absent, 0, sizeof(s->absent));
    s->astray_when = INT64_MIN;
    s->unfenced = s->unfenced_told = false;
    sanitizer_wake(s);
}

/*
 * Queues
 */

void viommu_sanitize_queued(VIOMMU *v)
{
    VIOMMUSanitizer *s = v->sanitizer;

    if (!s->unfenced) {
        s->unfenced = true;
        s->unfenced_since = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
    }
    sanitizer_wake(s);
}

void viommu_sanitize_fence(VIOMMU *v)
{
    v->sanitizer->unfenced = v->sanitizer->unfenced_told = false;
}

bool sanitizer_look_at_fence(VIOMMUSanitizer *s)
{
    int64_t age = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL) - s->unfenced_since;
    SanitizerFinding new = {
        .kind = VIOMMU_FINDING_KIND_MISSING_WAIT, .pasid = VIOMMU_NO_PASID,
    };

    if (s->unfenced && !s->unfenced_told && age >= SANITIZER_OVERDUE) {
        s->unfenced_told = true;
        new.message = g_strdup_printf(
            "invalidations were queued %" PRId64 " ms ago, and nothing behind "
            "them that says when they are complete: until then devices may "
            "use what was invalidated", age / SCALE_MS);
        sanitizer_found(s, &new);
    }
    return s->unfenced && !s->unfenced_told;
}

/* Entries from @t->head to @tail */
static unsigned sanitizer_entries(const VIOMMUTail *t, unsigned tail)
{
    return (tail + t->positions - t->head) % t->positions;
}

void viommu_sanitize_tail(VIOMMU *v, const VIOMMUTail *t)
{
    SanitizerFinding new = {
        .kind = VIOMMU_FINDING_KIND_QUEUE_OVERRUN, .pasid = VIOMMU_NO_PASID,
    };

    if (t->now >= t->positions || t->was >= t->positions ||
        t->head >= t->positions ||
        (sanitizer_entries(t, t->now) >= sanitizer_entries(t, t->was) &&
         sanitizer_entries(t, t->now) <= t->size)) {
        return;
    }
    new.message = g_strdup_printf(
        "the tail of the %s went from 0x%x to 0x%x, while its head is at 0x%x: "
        "entries that had not been taken up are lost, or were written over",
        t->queue, t->was, t->now, t->head);
    sanitizer_found(v->sanitizer, &new);
}

/*
 * vIOMMU core: the sanitizer: what was not there, and is now
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A unit that says so (VT-d's caching mode, AMD-Vi's NpCache) may keep that an
 * entry is not present, so that software invalidates what it makes present.
 * What was seen not to be there is remembered: it is a mistake if it is used
 * later, and nothing of it has been invalidated in between.  The entries of a
 * first stage are never kept so (VT-d 6.1), nor are those of a guest's tables
 * looked at here.
 */

#include "qemu/osdep.h"
#include "hw/iommu/iopt-explain.h"
#include "qemu/rcu.h"
#include "viommu-sanitizer-internal.h"

/* Pages of an invalidation that are looked at, from its first one on */
#define ABSENT_PAGES 16

static uint32_t absent_attrs(uint32_t attrs)
{
    return attrs & (DMA_ATTRS_PASID | DMA_ATTRS_PASID_MASK);
}

static bool absent_is_kept(const VIOMMUConfig *config)
{
    const IOPTSpace *space = &config->space;

    return config->mode == VIOMMU_TRANSLATE && space->table.format &&
           !space->second.format && !space->upper.format &&
           iopt_stage_number(space->table.format) == 2;
}

static SanitizerAbsent *absent_place(VIOMMUSanitizer *s, uint64_t key)
{
    uint64_t hash = key * 0x9e3779b97f4a7c15ull;

    return &s->absent[(hash >> 32) % SANITIZER_ABSENT];
}

static SanitizerAbsent *absent_page_place(VIOMMUSanitizer *s, uint64_t tag,
                                          hwaddr page)
{
    return absent_place(s, (page >> 12) ^ tag << 20);
}

static SanitizerAbsent *absent_config_place(VIOMMUSanitizer *s,
                                            VIOMMUEndpoint *ep, uint32_t attrs)
{
    return absent_place(s, (uintptr_t)ep ^ (uint64_t)attrs << 32);
}

/* @when: before it was looked at */
static void absent_page(VIOMMUSanitizer *s, uint64_t tag, hwaddr iova,
                        int64_t when)
{
    hwaddr page = iova & ~SANITIZER_PAGE;

    QEMU_LOCK_GUARD(&s->lock);
    *absent_page_place(s, tag, page) = (SanitizerAbsent) {
        .tag = tag, .page = page, .when = when,
    };
}

static void absent_config(VIOMMUEndpoint *ep, uint32_t attrs,
                          const SanitizerMoment *before)
{
    VIOMMUSanitizer *s = ep->viommu->sanitizer;

    QEMU_LOCK_GUARD(&s->lock);
    *absent_config_place(s, ep, attrs) = (SanitizerAbsent) {
        .ep = ep, .attrs = attrs, .when = before->when,
        .config_seq = before->config_seq,
    };
}

void sanitizer_absent(VIOMMUEndpoint *ep, const SanitizerNow *now,
                      uint32_t attrs, hwaddr iova,
                      const SanitizerMoment *before)
{
    VIOMMU *v = ep->viommu;

    if (!v->keeps_absent) {
        return;
    }
    if (now->config.mode == VIOMMU_BLOCKED) {
        absent_config(ep, absent_attrs(attrs), before);
    } else if (absent_is_kept(&now->config) &&
               now->fault == IOPT_FAULT_NOT_PRESENT) {
        absent_page(v->sanitizer, now->config.tag,
                    iopt_space_iova(&now->config.space, iova), before->when);
    }
}

/* The configuration of an endpoint in a domain like @tag, or NULL */
static const VIOMMUConfig *absent_domain(VIOMMU *v, uint64_t tag,
                                         uint64_t tag_mask)
{
    VIOMMUEndpoint *ep;

    QLIST_FOREACH(ep, &v->endpoints, next) {
        const VIOMMUConfig *kept = viommu_config_kept(ep, VIOMMU_NO_PASID);

        if (kept && !((kept->tag ^ tag) & tag_mask) && absent_is_kept(kept)) {
            return kept;
        }
    }
    return NULL;
}

void sanitizer_absent_range(VIOMMU *v, uint64_t tag, uint64_t tag_mask,
                            hwaddr first, hwaddr last)
{
    const IOPTMem mem = { .read = viommu_read_entry, .opaque = v };
    const VIOMMUConfig *config;
    IOTLBEntry entry;
    IOPTResult res;
    bool refused;
    unsigned i;

    if (!v->keeps_absent || (!first && last == HWADDR_MAX)) {
        return;
    }
    RCU_READ_LOCK_GUARD();
    config = absent_domain(v, tag, tag_mask);
    for (i = 0; config && i < ABSENT_PAGES && first <= last; i++) {
        int64_t when = get_clock();

        if (viommu_walk(v, config, &mem, first, 0, &entry, &res, &refused) ==
            IOPT_FAULT_NOT_PRESENT) {
            absent_page(v->sanitizer, config->tag, first, when);
        }
        if ((first | SANITIZER_PAGE) == HWADDR_MAX) {
            break;
        }
        first = (first | SANITIZER_PAGE) + 1;
    }
}

/* Takes what is remembered of that page, if nothing was invalidated since. */
static bool absent_take_page(VIOMMUSanitizer *s, uint64_t tag, hwaddr page,
                             int64_t *since)
{
    SanitizerAbsent *at;
    VIOMMUPastPage was;

    QEMU_LOCK_GUARD(&s->lock);
    at = absent_page_place(s, tag, page);
    if (!at->when || at->ep || at->tag != tag || at->page != page) {
        return false;
    }
    was = (VIOMMUPastPage) {
        .tag = tag, .first = page, .shift = 12, .when = at->when,
    };
    *since = at->when;
    at->when = 0;
    return viommu_history_pending(s->history, &was);
}

static bool absent_take_config(VIOMMUEndpoint *ep, uint32_t attrs,
                               int64_t *since)
{
    VIOMMUSanitizer *s = ep->viommu->sanitizer;
    SanitizerAbsent *at;

    QEMU_LOCK_GUARD(&s->lock);
    at = absent_config_place(s, ep, attrs);
    if (!at->when || at->ep != ep || at->attrs != attrs) {
        return false;
    }
    *since = at->when;
    at->when = 0;
    return at->config_seq == qatomic_read(&ep->viommu->config_seq);
}

static int64_t absent_ms(int64_t since)
{
    return (get_clock() - since) / SCALE_MS;
}

void sanitizer_used_absent(VIOMMUSanitizer *s, const SanitizerNow *now,
                           const VIOMMUPastPage *page, VIOMMUEndpoint *ep,
                           uint32_t attrs, hwaddr iova)
{
    SanitizerFinding new = sanitizer_of(ep, VIOMMU_FINDING_KIND_MISSING_FLUSH,
                                        viommu_pasid_of(attrs));
    hwaddr at = iopt_space_iova(&now->config.space, iova);
    int64_t since;

    if (!s->viommu->keeps_absent || !page->perm) {
        return;
    }
    if (absent_take_config(ep, absent_attrs(attrs), &since)) {
        new.kind = VIOMMU_FINDING_KIND_STALE_CONFIGURATION;
        new.message = g_strdup_printf(
            "its entry in the configuration tables refused its DMA %" PRId64
            " ms ago, does not now, and none was invalidated in between: the "
            "unit may keep what it was (caching mode)", absent_ms(since));
        sanitizer_found(s, &new);
    } else if (absent_is_kept(&now->config) &&
               absent_take_page(s, now->config.tag, at & ~SANITIZER_PAGE,
                                &since)) {
        new.iova = iova;
        new.has_iova = true;
        new.message = g_strdup_printf(
            "0x%" PRIx64 " was not mapped %" PRId64 " ms ago, leads to 0x%"
            PRIx64 " now, and was not invalidated in between: the unit may "
            "keep that nothing is mapped (caching mode)", iova,
            absent_ms(since), page->addr + (at - page->first));
        sanitizer_found(s, &new);
    }
}

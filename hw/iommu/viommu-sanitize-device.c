/*
 * vIOMMU core: the sanitizer: what endpoints keep of what ATS told them
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Of each translation request the answer is remembered until a device-TLB
 * invalidation, or the device itself, drops it.  A translated access says where
 * it goes, and not by which address: it is stale if all that could have led
 * there is.
 */

#include "qemu/osdep.h"
#include "qemu/rcu.h"
#include "viommu-sanitizer-internal.h"

/* What sets the translations of an endpoint apart, for an invalidation */
#define DEVICE_ATTRS (DMA_ATTRS_PASID | DMA_ATTRS_PASID_MASK)

uint64_t viommu_sanitize_device_seq(VIOMMU *v)
{
    QEMU_LOCK_GUARD(&v->sanitizer->lock);
    return v->sanitizer->device_seq;
}

void viommu_sanitize_granted(VIOMMUEndpoint *ep, uint32_t attrs, uint64_t seq,
                             const IOMMUTLBEntry *told)
{
    VIOMMUSanitizer *s = ep->viommu->sanitizer;
    const VIOMMUPastPage page = {
        .first = told->iova,
        .addr = told->translated_addr,
        .shift = ctz64(~told->addr_mask),
        .perm = told->perm & IOMMU_RW,
        .when = get_clock(),
        .owner = ep,
        .attrs = attrs & ~DMA_ATTRS_EXEC,
    };

    if (!page.perm || (told->perm & VIOMMU_ATS_UNTRANSLATED)) {
        return;
    }
    WITH_QEMU_LOCK_GUARD(&s->lock) {
        /* What was invalidated meanwhile the endpoint does not keep either. */
        if (s->device_seq == seq) {
            viommu_grants_add(s->grants, &page);
        }
    }
    sanitizer_wake(s);
}

void viommu_sanitize_device_tlb(VIOMMUEndpoint *ep, uint32_t pasid, bool all,
                                hwaddr first, hwaddr last)
{
    uint32_t attrs = pasid == VIOMMU_NO_PASID ? 0 : DMA_ATTRS_PASID | pasid;
    uint32_t mask = all ? 0 : DEVICE_ATTRS;
    int64_t now = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
    VIOMMUSanitizer *s = ep->viommu->sanitizer;

    QEMU_LOCK_GUARD(&s->lock);
    s->device_seq++;
    if (!viommu_grants_drop(s->grants, ep, attrs, mask, first, last) && !all) {
        s->lost = (SanitizerLost) {
            .ep = ep, .pasid = pasid, .first = first, .last = last, .when = now,
        };
    }
    viommu_stale_close_device(s->windows, ep, attrs, mask, first, last, now);
}

char *sanitizer_lost_words(VIOMMUSanitizer *s, const VIOMMUStaleWindow *window)
{
    int64_t now = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
    g_autofree char *whose = NULL;
    SanitizerLost lost;

    WITH_QEMU_LOCK_GUARD(&s->lock) {
        lost = s->lost;
    }
    if (lost.ep != window->owner ||
        lost.when < window->opened - SANITIZER_TICK ||
        lost.pasid == viommu_pasid_of(window->attrs) ||
        lost.first > window->first || lost.last < window->first) {
        return NULL;
    }
    whose = lost.pasid == VIOMMU_NO_PASID ? g_strdup("without a PASID") :
            g_strdup_printf("of PASID 0x%" PRIx32, lost.pasid);
    return g_strdup_printf("; 0x%" PRIx64 " .. 0x%" PRIx64 " was invalidated "
                           "there %" PRId64 " ms ago, but %s, of which it was "
                           "told nothing there", lost.first, lost.last,
                           (now - lost.when) / SCALE_MS, whose);
}

bool sanitizer_granted_agrees(const VIOMMUPastPage *page, SanitizerNow *now)
{
    VIOMMUEndpoint *ep = page->owner;

    now->fault = IOPT_OK;
    sanitizer_now_config(ep, page->attrs, now);
    if (now->config.mode == VIOMMU_BYPASS) {
        return page->addr == page->first;
    }
    if (now->config.mode != VIOMMU_TRANSLATE) {
        return false;
    }
    sanitizer_now_page(ep->viommu, page->attrs, page->first, now);
    return sanitizer_agrees(now, page, page->first);
}

static void granted_open(VIOMMUSanitizer *s, const VIOMMUPastPage *page,
                         hwaddr addr, bool is_write, unsigned uses)
{
    VIOMMUStaleWindow window = sanitizer_page_window(page);

    window.kind = VIOMMU_STALE_DEVICE;
    window.iova = page->first + (addr - page->addr);
    window.is_write = is_write;
    window.uses = uses;
    QEMU_LOCK_GUARD(&s->lock);
    viommu_stale_open(s->windows, &window);
}

/* The next one from place *@i on that leads to @addr.  Returns: false: none */
static bool granted_next(VIOMMUSanitizer *s, VIOMMUEndpoint *ep, hwaddr addr,
                         bool is_write, unsigned *i, VIOMMUPastPage *page)
{
    const VIOMMUPastPage *at;

    QEMU_LOCK_GUARD(&s->lock);
    at = viommu_grants_next(s->grants, ep, addr,
                            is_write ? IOPT_WRITE : IOPT_READ, i);
    if (at) {
        *page = *at;
    }
    return at != NULL;
}

void sanitizer_used_granted(VIOMMUEndpoint *ep, hwaddr addr, bool is_write)
{
    VIOMMUSanitizer *s = ep->viommu->sanitizer;
    VIOMMUPastPage page, stale = { 0 };
    SanitizerNow now;
    unsigned i = 0;

    while (granted_next(s, ep, addr, is_write, &i, &page)) {
        if (sanitizer_granted_agrees(&page, &now)) {
            return;
        }
        stale = page;
    }
    if (stale.perm) {
        granted_open(s, &stale, addr, is_write, 1);
        sanitizer_wake(s);
    }
}

bool sanitizer_sweep_granted(VIOMMUSanitizer *s)
{
    SanitizerNow now;
    bool any = false;
    unsigned i;

    for (i = 0; i < VIOMMU_GRANTS; i++) {
        const VIOMMUPastPage *at;
        VIOMMUPastPage page;

        WITH_QEMU_LOCK_GUARD(&s->lock) {
            at = viommu_grants_at(s->grants, i);
            if (at) {
                page = *at;
            }
        }
        if (at) {
            any = true;
            if (!sanitizer_granted_agrees(&page, &now)) {
                granted_open(s, &page, page.addr, false, 0);
            }
        }
    }
    return any;
}

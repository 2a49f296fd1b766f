/*
 * vIOMMU core: the sanitizer: what no invalidation has come for
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A timer of the guest's clock looks at what is, or may be, cached and not used
 * any more, a piece at a time, and at windows that are open for too long.  BQL,
 * main loop.
 */

#include "qemu/osdep.h"
#include "qapi/util.h"
#include "qemu/rcu.h"
#include "system/dma-held.h"
#include "viommu-query-internal.h"
#include "viommu-sanitizer-internal.h"

static int64_t sanitizer_ms(int64_t ns)
{
    return ns / SCALE_MS;
}

/* Who has it cached, and what would have removed it there */
typedef struct LateWords {
    const char *by, *cached, *comes;
} LateWords;

static const LateWords late_words[] = {
    [VIOMMU_STALE_PAGE] = {
        "by the IOTLB", "the IOTLB may still have it", "no invalidation",
    },
    [VIOMMU_STALE_DEVICE] = {
        "by what its own cache (ATC) was told",
        "its own cache (ATC) was told so, and may still have it",
        "no device-TLB invalidation",
    },
};

/* Of what has been used since */
static char *late_used(const VIOMMUStaleWindow *window, int64_t age,
                       const char *says)
{
    const LateWords *words = &late_words[window->kind];

    return g_strdup_printf(
        "%s at 0x%" PRIx64 " went to 0x%" PRIx64 " %s (looked up %" PRIu64
        " times); for %" PRId64 " ms the tables have said that %s, and %s has "
        "come", window->is_write ? "write" : "read", window->iova,
        window->addr + (window->iova - window->first), words->by, window->uses,
        sanitizer_ms(age), says, words->comes);
}

static char *late_unused(const VIOMMUStaleWindow *window, int64_t age,
                         const char *says)
{
    const LateWords *words = &late_words[window->kind];

    return g_strdup_printf(
        "0x%" PRIx64 " .. 0x%" PRIx64 " led to 0x%" PRIx64 " %s; for %" PRId64
        " ms the tables have said that %s, and %s has come: %s", window->first,
        window->first | (((hwaddr)1 << window->shift) - 1), window->addr,
        sanitizer_rights(window->perm), sanitizer_ms(age), says, words->comes,
        words->cached);
}

/* "DID=0x7", of @tag, in @like's kind of domains */
static char *late_domain(VIOMMU *v, const VIOMMUConfig *like, uint64_t tag)
{
    VIOMMUConfig config = *like;
    GString *text = g_string_new(NULL);

    config.tag = tag;
    sanitizer_domain_words(v, &config, text);
    return g_string_free(text, false);
}

/* Was the wrong domain's invalidated instead?  In words, or NULL. */
static char *late_astray(VIOMMUSanitizer *s, const VIOMMUConfig *config,
                         const VIOMMUStaleWindow *window)
{
    g_autofree char *wrong = NULL, *right = NULL;
    VIOMMUPastInv inv;
    VIOMMUPast past;
    bool astray;

    if (window->kind == VIOMMU_STALE_DEVICE) {
        return sanitizer_lost_words(s, window);
    }
    WITH_QEMU_LOCK_GUARD(&s->lock) {
        astray = viommu_history_find(s->history, window->tag, window->first,
                                     &past) && past.mapped &&
                 viommu_history_astray(s->history, &past.page, &inv);
    }
    if (!astray) {
        return NULL;
    }
    wrong = late_domain(s->viommu, config, inv.tag);
    right = late_domain(s->viommu, config, window->tag);
    return g_strdup_printf("; 0x%" PRIx64 " .. 0x%" PRIx64 " was invalidated "
                           "%" PRId64 " ms ago, but of %s, of which nothing is "
                           "known to be cached there: it is cached of %s",
                           inv.first, inv.last,
                           sanitizer_ms(get_clock() - inv.when), wrong, right);
}

/* A window of a translation that nothing has closed in time */
static void late_page(VIOMMUSanitizer *s, const SanitizerNow *now,
                      const VIOMMUPastPage *page,
                      const VIOMMUStaleWindow *window, int64_t age)
{
    SanitizerFinding new = sanitizer_of(window->owner, window->uses ?
                                        VIOMMU_FINDING_KIND_STALE_USE :
                                        VIOMMU_FINDING_KIND_MISSING_FLUSH,
                                        viommu_pasid_of(window->attrs));
    g_autofree char *says = sanitizer_now_words(now, page, window->iova);
    g_autofree char *astray = late_astray(s, &now->config, window);
    g_autofree char *what = window->uses ? late_used(window, age, says) :
                                           late_unused(window, age, says);

    if (astray) {
        new.kind = VIOMMU_FINDING_KIND_WRONG_INVALIDATION;
    }
    new.iova = window->iova;
    new.has_iova = true;
    new.has_write = window->uses;
    new.is_write = window->uses && window->is_write;
    new.message = g_strconcat(what, astray, NULL);
    sanitizer_found(s, &new);
}

static void late_config(VIOMMUSanitizer *s, const SanitizerNow *now,
                        const VIOMMUStaleWindow *window, int64_t age)
{
    SanitizerFinding new = sanitizer_of(window->owner,
                                        VIOMMU_FINDING_KIND_STALE_CONFIGURATION,
                                        viommu_pasid_of(window->attrs));
    g_autofree char *was = sanitizer_config_words(s->viommu, &now->config);
    g_autofree char *is = sanitizer_config_words(s->viommu, &now->tables);
    g_autofree char *astray = NULL;

    if (s->astray_when >= window->opened - SANITIZER_TICK) {
        new.kind = VIOMMU_FINDING_KIND_WRONG_INVALIDATION;
        astray = sanitizer_astray_words(s);
    }
    new.message = g_strdup_printf(
        "its entry in the configuration tables was changed %" PRId64 " ms ago "
        "or before, and not invalidated: it is treated as [%s] still, and the "
        "tables say [%s]%s", sanitizer_ms(age), was, is, astray ?: "");
    sanitizer_found(s, &new);
}

void sanitizer_wake(VIOMMUSanitizer *s)
{
    if (!timer_pending(s->timer)) {
        timer_mod_anticipate_ns(s->timer, SANITIZER_TICK +
                                qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL));
    }
}

/*
 * What the tables say of @page's first byte, as far as its user is in that
 * domain still.  Returns: false if not.  In an RCU read section.
 */
static bool sanitizer_now_of(VIOMMU *v, const VIOMMUPastPage *page,
                             SanitizerNow *now)
{
    sanitizer_now_config(page->owner, page->attrs, now);
    if (now->config.mode != VIOMMU_TRANSLATE || now->config.tag != page->tag) {
        return false;
    }
    sanitizer_now_page(v, page->attrs, page->first, now);
    return true;
}

/* One page that devices have used: is it cached, and not in the tables? */
static void sanitizer_sweep_page(VIOMMUSanitizer *s, const VIOMMUPastPage *page)
{
    VIOMMUStaleWindow window = sanitizer_page_window(page);
    bool pending = false;
    SanitizerNow now;

    if (!sanitizer_now_of(s->viommu, page, &now) ||
        sanitizer_agrees(&now, page, page->first)) {
        return;
    }
    WITH_QEMU_LOCK_GUARD(&s->lock) {
        if (viommu_history_pending(s->history, page)) {
            pending = true;
            viommu_stale_open(s->windows, &window);
        }
    }
    if (pending && sanitizer_leads_elsewhere(&now, page, page->first)) {
        sanitizer_remapped(s, &now, page, page->first);
    }
}

/* Returns: whether there is anything. */
static bool sanitizer_sweep(VIOMMUSanitizer *s)
{
    bool any = false;
    unsigned i, n;

    /* A piece of it, and as much further as there is nothing. */
    for (i = n = 0; i < VIOMMU_HISTORY_PAGES && n < SANITIZER_SWEEP; i++) {
        const VIOMMUPastPage *at;
        VIOMMUPastPage page;

        WITH_QEMU_LOCK_GUARD(&s->lock) {
            at = viommu_history_page_at(s->history, s->sweep);
            if (at) {
                page = *at;
            }
        }
        s->sweep = (s->sweep + 1) % VIOMMU_HISTORY_PAGES;
        if (at) {
            any = true;
            n++;
            sanitizer_sweep_page(s, &page);
        }
    }
    return any;
}

/* Kept configurations that are not what the tables say */
static void sanitizer_sweep_configs(VIOMMUSanitizer *s)
{
    VIOMMUEndpoint *ep;
    SanitizerNow now;
    unsigned i;

    QLIST_FOREACH(ep, &s->viommu->endpoints, next) {
        VIOMMUStaleWindow window = sanitizer_config_window(ep, 0);

        for (i = 0; i <= VIOMMU_PASID_SLOTS; i++) {
            uint32_t pasid = viommu_config_pasid_at(ep, i);

            if (pasid == VIOMMU_NO_PASID && i) {
                continue;
            }
            window.attrs = i ? DMA_ATTRS_PASID | pasid : 0;
            sanitizer_now_config(ep, window.attrs, &now);
            if (now.config_stale) {
                QEMU_LOCK_GUARD(&s->lock);
                viommu_stale_open(s->windows, &window);
            }
        }
    }
}

/* Returns: is it no difference (any more)?  Else @now says what it is. */
static bool sanitizer_is_over(VIOMMU *v, const VIOMMUStaleWindow *window,
                              const VIOMMUPastPage *page, SanitizerNow *now)
{
    if (window->kind == VIOMMU_STALE_CONFIG) {
        sanitizer_now_config(window->owner, window->attrs, now);
        return !now->config_stale;
    }
    if (window->kind == VIOMMU_STALE_DEVICE) {
        return sanitizer_granted_agrees(page, now);
    }
    return !sanitizer_now_of(v, page, now) ||
           sanitizer_agrees(now, page, page->first);
}

/* The window in place @i: is it open for too long? */
static void sanitizer_look_at_window(VIOMMUSanitizer *s, unsigned i)
{
    int64_t now_ns = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
    VIOMMUStaleWindow *at, window = { 0 };
    VIOMMUPastPage page;
    SanitizerNow now;
    bool over;

    WITH_QEMU_LOCK_GUARD(&s->lock) {
        at = viommu_stale_at(s->windows, i);
        if (at && !at->told && now_ns - at->opened >= SANITIZER_OVERDUE) {
            window = *at;
        }
    }
    if (!window.kind) {
        return;
    }
    page = (VIOMMUPastPage) {
        .tag = window.tag, .first = window.first, .addr = window.addr,
        .shift = window.shift, .perm = window.perm, .owner = window.owner,
        .attrs = window.attrs,
    };
    over = sanitizer_is_over(s->viommu, &window, &page, &now);
    WITH_QEMU_LOCK_GUARD(&s->lock) {
        at = viommu_stale_at(s->windows, i);
        if (over) {
            viommu_stale_agree(s->windows, &window);
        } else if (at) {
            at->told = true;
        }
    }
    if (over) {
        return;
    }
    if (window.kind == VIOMMU_STALE_CONFIG) {
        late_config(s, &now, &window, now_ns - window.opened);
    } else {
        late_page(s, &now, &page, &window, now_ns - window.opened);
    }
}

void sanitizer_tick(void *opaque)
{
    VIOMMUSanitizer *s = opaque;
    VIOMMUStaleStats stats;
    unsigned i;
    bool any;
    DMA_HELD("sanitizer");

    RCU_READ_LOCK_GUARD();
    any = sanitizer_sweep(s);
    any |= sanitizer_sweep_granted(s);
    any |= sanitizer_sweep_bypass(s);
    sanitizer_sweep_configs(s);
    for (i = 0; i < VIOMMU_STALE_WINDOWS; i++) {
        sanitizer_look_at_window(s, i);
    }
    WITH_QEMU_LOCK_GUARD(&s->lock) {
        viommu_stale_stats(s->windows, &stats);
    }
    any |= sanitizer_look_at_fence(s);
    if (any || stats.open) {
        sanitizer_wake(s);
    }
}

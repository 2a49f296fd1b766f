/*
 * vIOMMU core: the sanitizer: what is used from a cache, and the tables
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * With sanitizer=on endpoints have no caches of their own (viommu_init()), so
 * that every access comes here; the IOTLB and the kept configurations are what
 * is cached.  After each translation the tables are looked at again, by a probe
 * that updates nothing, and what was handed out is compared.  A difference
 * opens a window, which the invalidation closes; one that stays open was
 * forgotten.  What is cached and not used again is swept, a piece at a time.
 *
 * Nothing is compared if anything was invalidated meanwhile.
 */

#include "qemu/osdep.h"
#include "hw/iommu/iopt-explain.h"
#include "qapi/util.h"
#include "qemu/rcu.h"
#include "viommu-query-internal.h"
#include "viommu-sanitizer-internal.h"

/* What an access goes by, and what the tables say of that */
typedef struct SanitizerNow {
    VIOMMUConfig config;     /* the kept one, or by the tables */
    VIOMMUConfig tables;     /* by the tables */
    bool config_stale;
    IOPTFault fault;         /* of the walk; config.mode TRANSLATE */
    bool mapped;
    IOTLBEntry entry;        /* if @mapped */
    SanitizerReads reads;    /* by both */
} SanitizerNow;

static bool sanitizer_same_table(const IOPTTable *a, const IOPTTable *b)
{
    return a->format == b->format &&
           (!a->format || (a->root == b->root && a->levels == b->levels &&
                           a->disabled == b->disabled));
}

/* Do both say the same of where an access leads? */
static bool sanitizer_same_config(const VIOMMUConfig *a, const VIOMMUConfig *b)
{
    if (a->mode != b->mode) {
        return false;
    }
    return a->mode != VIOMMU_TRANSLATE ||
           (a->tag == b->tag && a->space.maps == b->space.maps &&
            sanitizer_same_table(&a->space.table, &b->space.table) &&
            sanitizer_same_table(&a->space.upper, &b->space.upper) &&
            sanitizer_same_table(&a->space.second, &b->space.second));
}

/* What applies to @ep's accesses with @attrs.  In an RCU read section. */
static void sanitizer_now_config(VIOMMUEndpoint *ep, uint32_t attrs,
                                 SanitizerNow *now)
{
    const IOPTMem mem = { .read = sanitizer_read, .opaque = &now->reads };
    uint32_t pasid = viommu_config_pasid(attrs);
    const VIOMMUConfig *kept = viommu_config_kept(ep, pasid);

    now->reads.viommu = ep->viommu;
    now->reads.n = 0;
    viommu_resolve_look(ep, pasid, &mem, &now->tables);
    now->config = kept ? *kept : now->tables;
    now->config_stale = kept && !sanitizer_same_config(kept, &now->tables);
    now->mapped = false;
}

/* Where @iova leads by the tables of @now->config; none is updated. */
static void sanitizer_now_page(VIOMMU *v, uint32_t attrs, hwaddr iova,
                               SanitizerNow *now)
{
    const IOPTMem mem = { .read = sanitizer_read, .opaque = &now->reads };
    IOPTResult res;
    bool refused;

    now->fault = viommu_walk(v, &now->config, &mem,
                             iopt_space_iova(&now->config.space, iova),
                             viommu_walk_attrs(&now->config, attrs),
                             &now->entry, &res, &refused);
    now->mapped = now->fault == IOPT_OK && !refused && now->entry.perm;
}

/* Does @page, of the cache or the history, say what the tables say? */
static bool sanitizer_agrees(const SanitizerNow *now,
                             const VIOMMUPastPage *page, hwaddr iova)
{
    hwaddr mask = (1ULL << now->entry.shift) - 1;

    return now->mapped && !(page->perm & ~now->entry.perm) &&
           (now->entry.addr | (iova & mask)) ==
           page->addr + (iova - page->first);
}

/* Something else is there, and not just less. */
static bool sanitizer_leads_elsewhere(const SanitizerNow *now,
                                      const VIOMMUPastPage *page, hwaddr iova)
{
    hwaddr mask = (1ULL << now->entry.shift) - 1;

    return now->mapped && (now->entry.addr | (iova & mask)) !=
                          page->addr + (iova - page->first);
}

static VIOMMUStaleWindow sanitizer_page_window(const VIOMMUPastPage *page)
{
    return (VIOMMUStaleWindow) {
        .kind = VIOMMU_STALE_PAGE,
        .owner = page->owner,
        .attrs = page->attrs,
        .tag = page->tag,
        .first = page->first,
        .shift = page->shift,
        .addr = page->addr,
        .perm = page->perm,
        .iova = page->first,
        .opened = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL),
    };
}

static VIOMMUStaleWindow sanitizer_config_window(VIOMMUEndpoint *ep,
                                                 uint32_t attrs)
{
    return (VIOMMUStaleWindow) {
        .kind = VIOMMU_STALE_CONFIG,
        .owner = ep,
        .attrs = viommu_config_pasid(attrs) == VIOMMU_NO_PASID ? 0 :
                 attrs & (DMA_ATTRS_PASID | DMA_ATTRS_PASID_MASK),
        .opened = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL),
    };
}

/*
 * Findings
 */

/* What the tables say of where @page was, in words */
static char *sanitizer_now_words(const SanitizerNow *now,
                                 const VIOMMUPastPage *page, hwaddr iova)
{
    hwaddr mask = (1ULL << now->entry.shift) - 1;

    if (!now->mapped) {
        return g_strdup(now->fault == IOPT_FAULT_NOT_PRESENT ||
                        now->fault == IOPT_OK ? "nothing is mapped" :
                        iopt_fault_name(now->fault));
    }
    return g_strdup_printf("it leads to 0x%" PRIx64 " %s",
                           now->entry.addr | (iova & mask),
                           sanitizer_rights(now->entry.perm));
}

/*
 * The tables led to @page, lead elsewhere now, and it may be cached.  Of tables
 * that a process shares, the invalidation may follow a moment later.
 */
static void sanitizer_remapped(VIOMMUSanitizer *s, const SanitizerNow *now,
                               const VIOMMUPastPage *page, hwaddr iova)
{
    SanitizerFinding new = sanitizer_of(page->owner,
                                        VIOMMU_FINDING_KIND_MISSING_FLUSH,
                                        viommu_pasid_of(page->attrs));
    g_autofree char *what = NULL;

    if (page->attrs & DMA_ATTRS_PASID) {
        return;
    }
    what = sanitizer_now_words(now, page, iova);
    new.iova = iova;
    new.has_iova = true;
    new.message = g_strdup_printf("0x%" PRIx64 " led to 0x%" PRIx64 ", and was "
                                  "mapped anew without an invalidation in "
                                  "between: now %s, and caches may still have "
                                  "what was", iova,
                                  page->addr + (iova - page->first), what);
    sanitizer_found(s, &new);
}

static int64_t sanitizer_ms(int64_t ns)
{
    return ns / SCALE_MS;
}

/* A page's window that nothing has closed in time */
static void sanitizer_forgotten_page(VIOMMUSanitizer *s,
                                     const SanitizerNow *now,
                                     const VIOMMUPastPage *page,
                                     const VIOMMUStaleWindow *window,
                                     int64_t age)
{
    SanitizerFinding new = sanitizer_of(window->owner, window->uses ?
                                        VIOMMU_FINDING_KIND_STALE_USE :
                                        VIOMMU_FINDING_KIND_MISSING_FLUSH,
                                        viommu_pasid_of(window->attrs));
    g_autofree char *what = sanitizer_now_words(now, page, window->iova);
    hwaddr was = page->addr + (window->iova - page->first);

    new.iova = window->iova;
    new.has_iova = true;
    new.has_write = window->uses;
    new.is_write = window->uses && window->is_write;
    if (window->uses) {
        new.message = g_strdup_printf(
            "%s at 0x%" PRIx64 " went to 0x%" PRIx64 " by the IOTLB (looked up "
            "%" PRIu64 " times); for %" PRId64 " ms the tables have said that "
            "%s, and no invalidation has come",
            window->is_write ? "write" : "read", window->iova, was,
            window->uses, sanitizer_ms(age), what);
    } else {
        new.message = g_strdup_printf(
            "0x%" PRIx64 " .. 0x%" PRIx64 " led to 0x%" PRIx64 " %s; for %"
            PRId64 " ms the tables have said that %s, and no invalidation has "
            "come: the IOTLB may still have it", window->first,
            window->first + (((hwaddr)1 << window->shift) - 1), was,
            sanitizer_rights(window->perm), sanitizer_ms(age), what);
    }
    sanitizer_found(s, &new);
}

/* "translate, DID=0x7, table at 0x1000": BQL */
static char *sanitizer_config_words(VIOMMU *v, const VIOMMUConfig *config)
{
    static const char *const modes[] = {
        [VIOMMU_BLOCKED] = "blocked",
        [VIOMMU_BYPASS] = "bypass",
        [VIOMMU_TRANSLATE] = "translate",
    };
    GString *text = g_string_new(modes[config->mode]);
    VIOMMUNumberList *domain, *d;

    if (config->mode == VIOMMU_TRANSLATE) {
        domain = viommu_query_domain(v, config);
        for (d = domain; d; d = d->next) {
            g_string_append_printf(text, ", %s=0x%" PRIx64, d->value->name,
                                   d->value->value);
        }
        qapi_free_VIOMMUNumberList(domain);
        if (config->space.table.format) {
            g_string_append_printf(text, ", tables at 0x%" PRIx64,
                                   config->space.table.root);
        }
        if (config->space.second.format) {
            g_string_append_printf(text, " behind 0x%" PRIx64,
                                   config->space.second.root);
        }
    }
    return g_string_free(text, false);
}

static void sanitizer_forgotten_config(VIOMMUSanitizer *s,
                                       const SanitizerNow *now,
                                       const VIOMMUStaleWindow *window,
                                       int64_t age)
{
    SanitizerFinding new = sanitizer_of(window->owner,
                                        VIOMMU_FINDING_KIND_STALE_CONFIGURATION,
                                        viommu_pasid_of(window->attrs));
    g_autofree char *was = sanitizer_config_words(s->viommu, &now->config);
    g_autofree char *is = sanitizer_config_words(s->viommu, &now->tables);

    new.message = g_strdup_printf(
        "its entry in the configuration tables was changed %" PRId64 " ms ago "
        "or before, and not invalidated: it is treated as [%s] still, and the "
        "tables say [%s]", sanitizer_ms(age), was, is);
    sanitizer_found(s, &new);
}

/*
 * Uses
 */

/* Is @page, which has just been seen, news without a flush? */
static bool sanitizer_was_elsewhere(VIOMMUSanitizer *s,
                                    const VIOMMUPastPage *page,
                                    const SanitizerNow *now, hwaddr iova,
                                    VIOMMUPastPage *was)
{
    VIOMMUPast past;

    if (!viommu_history_find(s->history, page->tag, iova, &past) ||
        !past.mapped || !sanitizer_leads_elsewhere(now, &past.page, iova) ||
        !viommu_history_pending(s->history, &past.page)) {
        return false;
    }
    *was = past.page;
    return true;
}

/* A translation was handed out for @iova, and is @page. */
static void sanitizer_used_page(VIOMMUSanitizer *s, const SanitizerNow *now,
                                const VIOMMUPastPage *page, hwaddr iova,
                                bool is_write)
{
    VIOMMUStaleWindow window = sanitizer_page_window(page);
    VIOMMUPastPage was = *page;
    bool elsewhere;

    WITH_QEMU_LOCK_GUARD(&s->lock) {
        if (sanitizer_agrees(now, page, iova)) {
            elsewhere = sanitizer_was_elsewhere(s, page, now, iova, &was);
            viommu_history_mapped(s->history, page);
            viommu_stale_agree(s->windows, &window);
        } else {
            elsewhere = sanitizer_leads_elsewhere(now, page, iova);
            window.iova = iova;
            window.is_write = is_write;
            window.uses = 1;
            viommu_stale_open(s->windows, &window);
        }
    }
    if (elsewhere) {
        sanitizer_remapped(s, now, &was, iova);
    }
}

static void sanitizer_used_config(VIOMMUSanitizer *s, VIOMMUEndpoint *ep,
                                  uint32_t attrs, bool stale)
{
    VIOMMUStaleWindow window = sanitizer_config_window(ep, attrs);

    QEMU_LOCK_GUARD(&s->lock);
    if (stale) {
        window.uses = 1;
        viommu_stale_open(s->windows, &window);
    } else {
        viommu_stale_agree(s->windows, &window);
    }
}

/* A write goes to @addr: are tables there, which are used? */
static void sanitizer_used_table(VIOMMUEndpoint *ep, uint32_t attrs,
                                 hwaddr iova, hwaddr addr)
{
    VIOMMU *v = ep->viommu;
    SanitizerTable table;
    SanitizerNow now;

    if (!sanitizer_table_find(v->sanitizer, addr, &table)) {
        return;
    }
    sanitizer_now_config(table.ep, table.attrs, &now);
    if (now.config.mode == VIOMMU_TRANSLATE) {
        sanitizer_now_page(v, table.attrs, table.iova, &now);
    }
    if (sanitizer_has_read(&now.reads, addr)) {
        sanitizer_table_hit(ep, attrs, iova, addr, &table);
    }
}

/* @got was handed out for an access. */
static void sanitizer_used(VIOMMUEndpoint *ep, hwaddr iova, bool is_write,
                           uint32_t attrs, const SanitizerNow *now,
                           const IOMMUTLBEntry *got)
{
    VIOMMUSanitizer *s = ep->viommu->sanitizer;
    const VIOMMUPastPage page = {
        .tag = now->config.tag,
        .first = iopt_space_iova(&now->config.space, iova) & ~got->addr_mask,
        .addr = got->translated_addr,
        .shift = ctz64(~got->addr_mask),
        .perm = got->perm & IOMMU_RW,
        .when = get_clock(),
        .owner = ep,
        .attrs = attrs,
    };

    sanitizer_used_config(s, ep, attrs, now->config_stale);
    if (page.perm && now->config.mode == VIOMMU_TRANSLATE) {
        sanitizer_used_page(s, now, &page,
                            iopt_space_iova(&now->config.space, iova),
                            is_write);
    }
    sanitizer_tables_read(s, &now->reads, ep, attrs, iova);
    if (is_write && (page.perm & IOPT_WRITE)) {
        sanitizer_used_table(ep, attrs, iova,
                             page.addr | (iova & got->addr_mask));
    }
    sanitizer_wake(s);
}

/* IOMMUMemoryRegionClass.translate */
static IOMMUTLBEntry sanitizer_mr_translate(IOMMUMemoryRegion *iommu,
                                            hwaddr addr, IOMMUAccessFlags flag,
                                            int iommu_idx)
{
    VIOMMUEndpoint *ep = container_of(iommu, VIOMMUEndpoint, iommu);
    VIOMMU *v = ep->viommu;
    uint64_t seq = iotlb_seq(v->iotlb);
    uint64_t config_seq = qatomic_load_acquire(&v->config_seq);
    IOMMUTLBEntry got = viommu_translate(ep, addr, flag, iommu_idx);
    SanitizerNow now;

    if (!(flag & IOMMU_RW) || (iommu_idx & DMA_ATTRS_TRANSLATED)) {
        return got;
    }
    sanitizer_now_config(ep, iommu_idx, &now);
    if (got.perm && now.config.mode == VIOMMU_TRANSLATE) {
        sanitizer_now_page(v, iommu_idx, addr, &now);
    }
    /* The tables before the counts. */
    smp_rmb();
    if (iotlb_seq(v->iotlb) == seq &&
        qatomic_load_acquire(&v->config_seq) == config_seq) {
        sanitizer_used(ep, addr, flag & IOMMU_WO, iommu_idx, &now, &got);
    }
    return got;
}

/*
 * Looking after it
 */

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
        sanitizer_forgotten_config(s, &now, &window, now_ns - window.opened);
    } else {
        sanitizer_forgotten_page(s, &now, &page, &window,
                                 now_ns - window.opened);
    }
}

void sanitizer_tick(void *opaque)
{
    VIOMMUSanitizer *s = opaque;
    VIOMMUStaleStats stats;
    unsigned i;
    bool any;

    RCU_READ_LOCK_GUARD();
    any = sanitizer_sweep(s);
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

/* Another method for the same region, so that hits cost nothing without it. */
static void sanitizer_memory_region_class_init(ObjectClass *klass, void *data)
{
    IOMMU_MEMORY_REGION_CLASS(klass)->translate = sanitizer_mr_translate;
}

static const TypeInfo sanitizer_memory_region_info = {
    .parent = TYPE_VIOMMU_MEMORY_REGION,
    .name = TYPE_VIOMMU_SANITIZED_REGION,
    .class_init = sanitizer_memory_region_class_init,
};

static void sanitizer_register_types(void)
{
    type_register_static(&sanitizer_memory_region_info);
}

type_init(sanitizer_register_types)

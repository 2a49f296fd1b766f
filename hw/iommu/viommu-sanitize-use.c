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
 * forgotten (viommu-sanitize-late.c).
 *
 * Nothing is compared if anything was invalidated meanwhile.
 */

#include "qemu/osdep.h"
#include "viommu-query-internal.h"
#include "viommu-sanitizer-internal.h"

void sanitizer_remapped(VIOMMUSanitizer *s, const SanitizerNow *now,
                        const VIOMMUPastPage *page, hwaddr iova)
{
    SanitizerFinding new = sanitizer_of(page->owner,
                                        VIOMMU_FINDING_KIND_MISSING_FLUSH,
                                        viommu_pasid_of(page->attrs));
    g_autofree char *what = NULL;

    /* Of what a process shares the invalidation may follow a moment later. */
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
    sanitizer_used_absent(s, now, &page, ep, attrs, iova);
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
    const SanitizerMoment before = {
        .when = get_clock(),
        .seq = iotlb_seq(v->iotlb),
        .config_seq = qatomic_load_acquire(&v->config_seq),
    };
    IOMMUTLBEntry got = viommu_translate(ep, addr, flag, iommu_idx);
    SanitizerNow now;

    if (!(flag & IOMMU_RW)) {
        return got;
    }
    if (iommu_idx & DMA_ATTRS_TRANSLATED) {
        if (got.perm) {
            sanitizer_used_granted(ep, addr, flag & IOMMU_WO);
        }
        return got;
    }
    sanitizer_now_config(ep, iommu_idx, &now);
    if ((got.perm || v->keeps_absent) && now.config.mode == VIOMMU_TRANSLATE) {
        sanitizer_now_page(v, iommu_idx, addr, &now);
    }
    /* The tables before the counts. */
    smp_rmb();
    if (iotlb_seq(v->iotlb) == before.seq &&
        qatomic_load_acquire(&v->config_seq) == before.config_seq) {
        sanitizer_used(ep, addr, flag & IOMMU_WO, iommu_idx, &now, &got);
        if (!got.perm) {
            sanitizer_absent(ep, &now, iommu_idx, addr, &before);
        }
    }
    return got;
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

/*
 * vIOMMU core: the sanitizer: what the tables say at this moment
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * They are looked at by a probe, which updates nothing.
 */

#include "qemu/osdep.h"
#include "hw/iommu/iopt-explain.h"
#include "viommu-query-internal.h"
#include "viommu-sanitizer-internal.h"

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

void sanitizer_now_config(VIOMMUEndpoint *ep, uint32_t attrs,
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

void sanitizer_now_page(VIOMMU *v, uint32_t attrs, hwaddr iova,
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

/* Where @iova leads.  The entry is filled in only if something is mapped. */
static hwaddr now_addr(const SanitizerNow *now, hwaddr iova)
{
    hwaddr mask = (1ULL << now->entry.shift) - 1;

    return now->entry.addr | (iova & mask);
}

bool sanitizer_agrees(const SanitizerNow *now,
                      const VIOMMUPastPage *page, hwaddr iova)
{
    return now->mapped && !(page->perm & ~now->entry.perm) &&
           now_addr(now, iova) == page->addr + (iova - page->first);
}

bool sanitizer_leads_elsewhere(const SanitizerNow *now,
                               const VIOMMUPastPage *page, hwaddr iova)
{
    return now->mapped &&
           now_addr(now, iova) != page->addr + (iova - page->first);
}

char *sanitizer_now_words(const SanitizerNow *now,
                          const VIOMMUPastPage *page, hwaddr iova)
{
    if (!now->mapped) {
        return g_strdup(now->fault == IOPT_FAULT_NOT_PRESENT ||
                        now->fault == IOPT_OK ? "nothing is mapped" :
                        iopt_fault_name(now->fault));
    }
    return g_strdup_printf("it leads to 0x%" PRIx64 " %s",
                           now_addr(now, iova),
                           sanitizer_rights(now->entry.perm));
}

void sanitizer_domain_words(VIOMMU *v, const VIOMMUConfig *config,
                            GString *text)
{
    VIOMMUNumberList *domain = viommu_query_domain(v, config), *d;

    for (d = domain; d; d = d->next) {
        g_string_append_printf(text, "%s%s=0x%" PRIx64, d == domain ? "" : ", ",
                               d->value->name, d->value->value);
    }
    qapi_free_VIOMMUNumberList(domain);
}

char *sanitizer_config_words(VIOMMU *v, const VIOMMUConfig *config)
{
    static const char *const modes[] = {
        [VIOMMU_BLOCKED] = "blocked",
        [VIOMMU_BYPASS] = "bypass",
        [VIOMMU_TRANSLATE] = "translate",
    };
    GString *text = g_string_new(modes[config->mode]);

    if (config->mode == VIOMMU_TRANSLATE) {
        g_string_append(text, ", ");
        sanitizer_domain_words(v, config, text);
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

VIOMMUStaleWindow sanitizer_page_window(const VIOMMUPastPage *page)
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

VIOMMUStaleWindow sanitizer_config_window(VIOMMUEndpoint *ep,
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

/*
 * vIOMMU core: the sanitizer: tables that devices write to
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Which pages the tables are in is seen when they are read.  A page that was
 * one of a table may have been freed and be a buffer since: who finds it among
 * these reads again what it was read for.
 */

#include "qemu/osdep.h"
#include "viommu-query-internal.h"
#include "viommu-sanitizer-internal.h"

bool sanitizer_read(void *opaque, uint64_t addr, uint64_t *entry)
{
    SanitizerReads *reads = opaque;
    hwaddr page = addr & ~SANITIZER_PAGE;

    if (reads->n < SANITIZER_READS &&
        (!reads->n || reads->pages[reads->n - 1] != page)) {
        reads->pages[reads->n++] = page;
    }
    return viommu_read_entry(reads->viommu, addr, entry);
}

static SanitizerTable *sanitizer_table(VIOMMUSanitizer *s, hwaddr page)
{
    uint64_t hash = (page >> 12) * 0x9e3779b97f4a7c15ull;

    return &s->tables[(hash >> 32) % SANITIZER_TABLES];
}

void sanitizer_tables_read(VIOMMUSanitizer *s, const SanitizerReads *reads,
                           VIOMMUEndpoint *ep, uint32_t attrs, hwaddr iova)
{
    unsigned i;

    QEMU_LOCK_GUARD(&s->lock);
    for (i = 0; i < reads->n; i++) {
        *sanitizer_table(s, reads->pages[i]) = (SanitizerTable) {
            .page = reads->pages[i],
            .ep = ep,
            .attrs = attrs,
            .iova = iova,
        };
    }
}

bool sanitizer_table_find(VIOMMUSanitizer *s, hwaddr addr, SanitizerTable *out)
{
    hwaddr page = addr & ~SANITIZER_PAGE;

    QEMU_LOCK_GUARD(&s->lock);
    *out = *sanitizer_table(s, page);
    return out->ep && out->page == page;
}

bool sanitizer_has_read(const SanitizerReads *reads, hwaddr addr)
{
    unsigned i;

    for (i = 0; i < reads->n; i++) {
        if (reads->pages[i] == (addr & ~SANITIZER_PAGE)) {
            return true;
        }
    }
    return false;
}

void sanitizer_table_hit(VIOMMUEndpoint *ep, uint32_t attrs, hwaddr iova,
                         hwaddr addr, const SanitizerTable *table)
{
    SanitizerFinding new = sanitizer_of(ep, VIOMMU_FINDING_KIND_TABLE_TARGET,
                                        viommu_pasid_of(attrs));
    g_autofree char *whose =
        viommu_query_address(viommu_endpoint_sid(table->ep));

    new.iova = iova;
    new.has_iova = new.has_write = new.is_write = true;
    new.message = g_strdup_printf("write at 0x%" PRIx64 " goes to 0x%" PRIx64
                                  ", a page of the tables that are read to "
                                  "translate 0x%" PRIx64 " for %s", iova, addr,
                                  table->iova, whose);
    sanitizer_found(ep->viommu->sanitizer, &new);
}

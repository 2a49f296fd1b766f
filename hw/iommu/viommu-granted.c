/*
 * vIOMMU: what endpoints were told by ATS, and may keep
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/iommu/viommu-granted.h"

struct VIOMMUGrants {
    VIOMMUPastPage pages[VIOMMU_GRANTS];     /* perm 0: free */
};

VIOMMUGrants *viommu_grants_new(void)
{
    return g_new0(VIOMMUGrants, 1);
}

void viommu_grants_free(VIOMMUGrants *g)
{
    g_free(g);
}

size_t viommu_grants_bytes(void)
{
    return sizeof(VIOMMUGrants);
}

static bool grant_is_like(const VIOMMUPastPage *a, const VIOMMUPastPage *b)
{
    return a->perm && a->owner == b->owner && a->attrs == b->attrs &&
           a->first == b->first && a->shift == b->shift;
}

void viommu_grants_add(VIOMMUGrants *g, const VIOMMUPastPage *page)
{
    VIOMMUPastPage *place = &g->pages[0];
    unsigned i;

    for (i = 0; i < VIOMMU_GRANTS; i++) {
        VIOMMUPastPage *at = &g->pages[i];

        if (grant_is_like(at, page)) {
            place = at;
            break;
        }
        if (place->perm && (!at->perm || at->when < place->when)) {
            place = at;
        }
    }
    *place = *page;
}

static uint64_t grant_mask(const VIOMMUPastPage *page)
{
    return ((uint64_t)1 << page->shift) - 1;
}

unsigned viommu_grants_drop(VIOMMUGrants *g, const void *owner, uint32_t attrs,
                            uint32_t mask, uint64_t first, uint64_t last)
{
    unsigned i, n = 0;

    for (i = 0; i < VIOMMU_GRANTS; i++) {
        VIOMMUPastPage *at = &g->pages[i];

        if (at->perm && at->owner == owner && !((at->attrs ^ attrs) & mask) &&
            at->first <= last && first <= (at->first | grant_mask(at))) {
            at->perm = 0;
            n++;
        }
    }
    return n;
}

void viommu_grants_clear(VIOMMUGrants *g)
{
    memset(g, 0, sizeof(*g));
}

const VIOMMUPastPage *viommu_grants_next(const VIOMMUGrants *g,
                                         const void *owner, uint64_t addr,
                                         uint8_t perm, unsigned *i)
{
    while (*i < VIOMMU_GRANTS) {
        const VIOMMUPastPage *at = &g->pages[(*i)++];

        if (at->perm && at->owner == owner && !(perm & ~at->perm) &&
            !((at->addr ^ addr) & ~grant_mask(at))) {
            return at;
        }
    }
    return NULL;
}

const VIOMMUPastPage *viommu_grants_at(const VIOMMUGrants *g, unsigned i)
{
    return g->pages[i].perm ? &g->pages[i] : NULL;
}

/*
 * vIOMMU: what was mapped a moment ago, and what has been invalidated since
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/iommu/viommu-history.h"

/* A page may be in any place of its set. */
#define HISTORY_WAYS 4
#define HISTORY_SETS (VIOMMU_HISTORY_PAGES / HISTORY_WAYS)

struct VIOMMUHistory {
    VIOMMUPastPage pages[HISTORY_SETS][HISTORY_WAYS];  /* perm 0: free */
    uint64_t shifts;         /* sizes that there have been; a bit each */
    VIOMMUPastInv invs[VIOMMU_HISTORY_INVS];
    uint64_t nr_invs;        /* so far; the next one's place, modulo */
};

VIOMMUHistory *viommu_history_new(void)
{
    return g_new0(VIOMMUHistory, 1);
}

void viommu_history_free(VIOMMUHistory *h)
{
    g_free(h);
}

size_t viommu_history_bytes(void)
{
    return sizeof(VIOMMUHistory);
}

static unsigned history_set(uint64_t tag, uint64_t first, unsigned shift)
{
    uint64_t hash = (tag ^ (first >> shift) ^ shift) * 0x9e3779b97f4a7c15ull;

    return (hash >> 32) % HISTORY_SETS;
}

void viommu_history_mapped(VIOMMUHistory *h, const VIOMMUPastPage *page)
{
    VIOMMUPastPage *set = h->pages[history_set(page->tag, page->first,
                                               page->shift)];
    VIOMMUPastPage *oldest = set;
    unsigned i;

    for (i = 0; i < HISTORY_WAYS; i++) {
        if (set[i].perm && set[i].tag == page->tag &&
            set[i].first == page->first && set[i].shift == page->shift) {
            oldest = &set[i];
            break;
        }
        if (!set[i].perm || (oldest->perm && set[i].when < oldest->when)) {
            oldest = &set[i];
        }
    }
    *oldest = *page;
    h->shifts |= (uint64_t)1 << page->shift;
}

void viommu_history_invalidated(VIOMMUHistory *h, const VIOMMUPastInv *inv)
{
    h->invs[h->nr_invs++ % VIOMMU_HISTORY_INVS] = *inv;
}

/* The one that was used last, if pages of several sizes were there */
static const VIOMMUPastPage *history_page(const VIOMMUHistory *h, uint64_t tag,
                                          uint64_t iova)
{
    const VIOMMUPastPage *found = NULL;
    uint64_t shifts;
    unsigned i;

    for (shifts = h->shifts; shifts; shifts &= shifts - 1) {
        unsigned shift = __builtin_ctzll(shifts);
        uint64_t first = iova >> shift << shift;
        const VIOMMUPastPage *set = h->pages[history_set(tag, first, shift)];

        for (i = 0; i < HISTORY_WAYS; i++) {
            if (set[i].perm && set[i].tag == tag && set[i].first == first &&
                set[i].shift == shift &&
                (!found || set[i].when >= found->when)) {
                found = &set[i];
            }
        }
    }
    return found;
}

static bool history_covers(const VIOMMUPastInv *inv, uint64_t tag,
                           uint64_t iova)
{
    return !((inv->tag ^ tag) & inv->tag_mask) && inv->first <= iova &&
           iova <= inv->last;
}

static bool history_is_range(const VIOMMUPastInv *inv)
{
    return inv->first != 0 || inv->last != UINT64_MAX;
}

bool viommu_history_find(const VIOMMUHistory *h, uint64_t tag, uint64_t iova,
                         VIOMMUPast *past)
{
    const VIOMMUPastPage *page = history_page(h, tag, iova);
    uint64_t n = MIN(h->nr_invs, VIOMMU_HISTORY_INVS), i;

    memset(past, 0, sizeof(*past));
    if (page) {
        past->mapped = true;
        past->page = *page;
    }
    for (i = 1; i <= n; i++) {
        const VIOMMUPastInv *inv = &h->invs[(h->nr_invs - i) %
                                            VIOMMU_HISTORY_INVS];

        if (page && inv->when < page->when) {
            break;
        }
        if (history_covers(inv, tag, iova) &&
            (page || history_is_range(inv))) {
            if (!past->invalidated) {
                past->invalidated = true;
                past->inv = *inv;
            }
            past->invs++;
        }
    }
    return past->mapped || past->invalidated;
}

/* Does @inv overlap all or a part of @page? */
static bool history_touches(const VIOMMUPastInv *inv,
                            const VIOMMUPastPage *page)
{
    uint64_t last = page->first | (((uint64_t)1 << page->shift) - 1);

    return !((inv->tag ^ page->tag) & inv->tag_mask) && inv->first <= last &&
           page->first <= inv->last;
}

bool viommu_history_pending(const VIOMMUHistory *h, const VIOMMUPastPage *page)
{
    uint64_t n = MIN(h->nr_invs, VIOMMU_HISTORY_INVS), i;

    for (i = 1; i <= n; i++) {
        const VIOMMUPastInv *inv = &h->invs[(h->nr_invs - i) %
                                            VIOMMU_HISTORY_INVS];

        if (inv->when < page->when) {
            return true;
        }
        if (history_touches(inv, page)) {
            return false;
        }
    }
    /* All there have been are newer than the page: were there more? */
    return h->nr_invs <= VIOMMU_HISTORY_INVS;
}

/* Is @inv about any page that is remembered? */
static bool history_hits(const VIOMMUHistory *h, const VIOMMUPastInv *inv)
{
    unsigned i;

    for (i = 0; i < VIOMMU_HISTORY_PAGES; i++) {
        const VIOMMUPastPage *page = viommu_history_page_at(h, i);

        if (page && history_touches(inv, page)) {
            return true;
        }
    }
    return false;
}

bool viommu_history_astray(const VIOMMUHistory *h, const VIOMMUPastPage *page,
                           VIOMMUPastInv *found)
{
    uint64_t n = MIN(h->nr_invs, VIOMMU_HISTORY_INVS), i;

    for (i = 1; i <= n; i++) {
        VIOMMUPastInv inv = h->invs[(h->nr_invs - i) % VIOMMU_HISTORY_INVS];
        VIOMMUPastInv here = inv;

        if (inv.when < page->when) {
            return false;
        }
        here.tag = page->tag;
        if (((inv.tag ^ page->tag) & inv.tag_mask) &&
            history_touches(&here, page) && !history_hits(h, &inv)) {
            *found = inv;
            return true;
        }
    }
    return false;
}

const VIOMMUPastPage *viommu_history_page_at(const VIOMMUHistory *h, unsigned i)
{
    const VIOMMUPastPage *page = &h->pages[i / HISTORY_WAYS][i % HISTORY_WAYS];

    return page->perm ? page : NULL;
}

void viommu_history_clear(VIOMMUHistory *h)
{
    memset(h, 0, sizeof(*h));
}

/*
 * vIOMMU: windows in which a cached entry is not what the tables say
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/iommu/viommu-stale.h"

struct VIOMMUStaleWindows {
    VIOMMUStaleWindow windows[VIOMMU_STALE_WINDOWS];
    unsigned used;           /* places that may not be free: below it */
    VIOMMUStaleStats stats;
};

VIOMMUStaleWindows *viommu_stale_new(void)
{
    return g_new0(VIOMMUStaleWindows, 1);
}

void viommu_stale_free(VIOMMUStaleWindows *w)
{
    g_free(w);
}

size_t viommu_stale_bytes(void)
{
    return sizeof(VIOMMUStaleWindows);
}

/* A translation is a domain's, whoever uses it. */
static bool window_is_like(const VIOMMUStaleWindow *a,
                           const VIOMMUStaleWindow *b)
{
    if (a->kind != b->kind) {
        return false;
    }
    if (a->kind == VIOMMU_STALE_PAGE) {
        return a->tag == b->tag && a->first == b->first &&
               a->shift == b->shift;
    }
    return a->owner == b->owner && a->attrs == b->attrs &&
           (a->kind == VIOMMU_STALE_CONFIG ||
            (a->first == b->first && a->shift == b->shift));
}

static VIOMMUStaleWindow *window_find(VIOMMUStaleWindows *w,
                                      const VIOMMUStaleWindow *what)
{
    unsigned i;

    for (i = 0; i < w->used; i++) {
        if (window_is_like(&w->windows[i], what)) {
            return &w->windows[i];
        }
    }
    return NULL;
}

static VIOMMUStaleWindow *window_place(VIOMMUStaleWindows *w)
{
    unsigned i;

    for (i = 0; i < w->used; i++) {
        if (w->windows[i].kind == VIOMMU_STALE_NONE) {
            return &w->windows[i];
        }
    }
    return w->used < VIOMMU_STALE_WINDOWS ? &w->windows[w->used++] : NULL;
}

VIOMMUStaleWindow *viommu_stale_open(VIOMMUStaleWindows *w,
                                     const VIOMMUStaleWindow *what)
{
    VIOMMUStaleWindow *window = window_find(w, what);

    w->stats.uses += what->uses;
    if (window) {
        if (!window->uses) {
            window->iova = what->iova;
            window->is_write = what->is_write;
        }
        window->uses += what->uses;
        return window;
    }
    w->stats.windows++;
    window = window_place(w);
    if (window) {
        *window = *what;
        w->stats.open++;
    }
    return window;
}

static void window_over(VIOMMUStaleWindows *w, VIOMMUStaleWindow *window)
{
    window->kind = VIOMMU_STALE_NONE;
    w->stats.open--;
    while (w->used && w->windows[w->used - 1].kind == VIOMMU_STALE_NONE) {
        w->used--;
    }
}

static void window_close(VIOMMUStaleWindows *w, VIOMMUStaleWindow *window,
                         int64_t now)
{
    w->stats.longest = MAX(w->stats.longest, now - window->opened);
    window_over(w, window);
}

void viommu_stale_agree(VIOMMUStaleWindows *w, const VIOMMUStaleWindow *what)
{
    VIOMMUStaleWindow *window = window_find(w, what);

    if (window) {
        window_over(w, window);
    }
}

static bool window_overlaps(const VIOMMUStaleWindow *window, uint64_t first,
                            uint64_t last)
{
    uint64_t end = window->first | (((uint64_t)1 << window->shift) - 1);

    return window->first <= last && first <= end;
}

void viommu_stale_close_pages(VIOMMUStaleWindows *w, uint64_t tag,
                                uint64_t tag_mask, uint64_t first,
                                uint64_t last, int64_t now)
{
    unsigned i;

    for (i = 0; i < w->used; i++) {
        VIOMMUStaleWindow *window = &w->windows[i];

        if (window->kind == VIOMMU_STALE_PAGE &&
            !((window->tag ^ tag) & tag_mask) &&
            window_overlaps(window, first, last)) {
            window_close(w, window, now);
        }
    }
}

void viommu_stale_close_config(VIOMMUStaleWindows *w, const void *owner,
                               uint32_t attrs, int64_t now)
{
    unsigned i;

    for (i = 0; i < w->used; i++) {
        VIOMMUStaleWindow *window = &w->windows[i];

        if (window->kind == VIOMMU_STALE_CONFIG && window->owner == owner &&
            window->attrs == attrs) {
            window_close(w, window, now);
        }
    }
}

void viommu_stale_close_device(VIOMMUStaleWindows *w, const void *owner,
                               uint32_t attrs, uint32_t mask, uint64_t first,
                               uint64_t last, int64_t now)
{
    unsigned i;

    for (i = 0; i < w->used; i++) {
        VIOMMUStaleWindow *window = &w->windows[i];

        if (window->kind == VIOMMU_STALE_DEVICE && window->owner == owner &&
            !((window->attrs ^ attrs) & mask) &&
            window_overlaps(window, first, last)) {
            window_close(w, window, now);
        }
    }
}

void viommu_stale_forget(VIOMMUStaleWindows *w, const void *owner)
{
    unsigned i;

    for (i = 0; i < w->used; i++) {
        if (w->windows[i].kind != VIOMMU_STALE_NONE &&
            w->windows[i].owner == owner) {
            window_over(w, &w->windows[i]);
        }
    }
}

void viommu_stale_clear(VIOMMUStaleWindows *w)
{
    memset(w->windows, 0, sizeof(w->windows));
    w->used = 0;
    w->stats.open = 0;
}

VIOMMUStaleWindow *viommu_stale_at(VIOMMUStaleWindows *w, unsigned i)
{
    return w->windows[i].kind != VIOMMU_STALE_NONE ? &w->windows[i] : NULL;
}

void viommu_stale_stats(const VIOMMUStaleWindows *w, VIOMMUStaleStats *stats)
{
    *stats = w->stats;
}

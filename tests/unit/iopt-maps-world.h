/*
 * Mapping sets against a reference of one byte a page
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The reference knows of each page which mapping it belongs to.
 */
#ifndef IOPT_MAPS_WORLD_H
#define IOPT_MAPS_WORLD_H

#include "hw/iommu/iopt-maps.h"
#include "test-common.h"

#define PAGE    0x1000ull
#define PAGES   64

/* Readers have gone: it can be freed at once. */
static unsigned retired;

static void retire_now(void *dead)
{
    retired++;
    while (dead) {
        dead = iopt_maps_reclaim(dead, 3);
    }
}

/* The reference: pages @base .. @base + PAGES - 1 */
typedef struct World {
    IOPTMaps maps;
    uint64_t base;           /* IOVA */
    unsigned id[PAGES];      /* of its mapping; 0: none */
    uint64_t addr[PAGES];    /* where the page leads */
    uint8_t perm[PAGES];
    bool device[PAGES];
    unsigned next_id;
    unsigned count;
} World;

static uint64_t world_iova(const World *w, unsigned page)
{
    return w->base + page * PAGE;
}

static bool world_overlaps(const World *w, unsigned from, unsigned to)
{
    for (; from <= to; from++) {
        if (w->id[from]) {
            return true;
        }
    }
    return false;
}

static void world_add(World *w, Rand *r)
{
    unsigned from = rand_below(r, PAGES);
    unsigned end = from + rand_below(r, 9), to = MIN(end, PAGES - 1);
    /* Often what its neighbours lead to, too */
    uint64_t addr = (rand_below(r, 2) ? 0x40000000 : 0x40003000) +
                    from * PAGE;
    IOPTMapping m = {
        .first = world_iova(w, from),
        .last = world_iova(w, to) + PAGE - 1,
        .addr = addr,
        .perm = rand_below(r, 4) ? 3 : rand_below(r, 4),
        .device = !rand_below(r, 8),
    };
    bool added = iopt_maps_add(&w->maps, &m);

    g_assert_cmpint(added, ==, !world_overlaps(w, from, to));
    if (!added) {
        return;
    }
    w->count++;
    w->next_id++;
    for (; from <= to; from++, addr += PAGE) {
        w->id[from] = w->next_id;
        w->addr[from] = addr;
        w->perm[from] = m.perm;
        w->device[from] = m.device;
    }
}

static IOPTMapsRemoved world_expect(const World *w, unsigned from, unsigned to)
{
    if (!world_overlaps(w, from, to)) {
        return IOPT_MAPS_NOTHING;
    }
    if ((from && w->id[from] && w->id[from] == w->id[from - 1]) ||
        (to < PAGES - 1 && w->id[to] && w->id[to] == w->id[to + 1])) {
        return IOPT_MAPS_SPLIT;
    }
    return IOPT_MAPS_REMOVED;
}

static void world_remove(World *w, Rand *r)
{
    unsigned from = rand_below(r, PAGES);
    unsigned end = from + rand_below(r, rand_below(r, 9) ? 6 : PAGES);
    unsigned to = MIN(end, PAGES - 1);
    uint64_t first = world_iova(w, from);
    uint64_t last = world_iova(w, to) + PAGE - 1;
    IOPTMapsRemoved expect = world_expect(w, from, to);
    unsigned id = 0;

    g_assert_cmpint(iopt_maps_remove(&w->maps, &first, &last), ==, expect);
    if (expect != IOPT_MAPS_REMOVED) {
        return;
    }
    while (!w->id[from]) {
        from++;
    }
    while (!w->id[to]) {
        to--;
    }
    g_assert_cmphex(first, ==, world_iova(w, from));
    g_assert_cmphex(last, ==, world_iova(w, to) + PAGE - 1);
    for (; from <= to; from++) {
        w->count -= w->id[from] && w->id[from] != id;
        id = w->id[from];
        w->id[from] = 0;
    }
}

/* Do the pages of the block lead on from one to the next alike? */
static bool world_is_run(const World *w, uint64_t first, uint64_t last,
                         unsigned page)
{
    uint64_t delta = w->addr[page] - world_iova(w, page);
    uint64_t end = world_iova(w, PAGES - 1) + PAGE - 1;

    if (first < w->base || last > end || last < first) {
        return false;
    }
    for (; first < last && first >= w->base; first += PAGE) {
        unsigned i = (first - w->base) / PAGE;

        if (!w->id[i] || w->addr[i] - world_iova(w, i) != delta ||
            w->perm[i] != w->perm[page] || w->device[i] != w->device[page]) {
            return false;
        }
    }
    return true;
}

static void world_check_page(const World *w, unsigned page)
{
    uint64_t iova = world_iova(w, page) + 0x123, mask;
    IOPTResult res;
    IOPTFault fault = iopt_maps_walk(&w->maps, iova, IOPT_WRITE, &res);

    if (!w->id[page]) {
        g_assert_cmpint(fault, ==, IOPT_FAULT_NOT_PRESENT);
        return;
    }
    g_assert_cmpint(fault, ==, w->perm[page] & IOPT_WRITE ? IOPT_OK :
                               IOPT_FAULT_PERMISSION);
    g_assert_cmpuint(res.perm, ==, w->perm[page]);
    if (fault != IOPT_OK) {
        return;
    }
    mask = (1ull << res.shift) - 1;
    g_assert_cmphex(res.addr + (iova & mask), ==, w->addr[page] + 0x123);
    g_assert_cmpint(res.device, ==, w->device[page]);
    g_assert_true(world_is_run(w, iova & ~mask, iova | mask, page));
    /* The next larger page is not uniform, or leads to no aligned memory. */
    mask = mask << 1 | 1;
    g_assert_true(((w->addr[page] - world_iova(w, page)) & mask) ||
                  !world_is_run(w, iova & ~mask, iova | mask, page));
}

typedef struct Visit {
    const World *w;
    uint64_t next;
    unsigned pages, visits;
} Visit;

static bool check_visit(void *opaque, uint64_t first, uint64_t last,
                        const IOPTResult *res)
{
    uint64_t mask = (1ull << res->shift) - 1;
    Visit *v = opaque;
    const World *w = v->w;
    uint64_t at;

    v->visits++;
    g_assert_cmphex(first, ==, v->next);
    v->next = last + 1;
    if (res->perm) {
        g_assert_cmphex(first & ~mask, ==, last & ~mask);
    }
    for (at = first; at <= last && at >= first; at += PAGE) {
        unsigned i = (at - w->base) / PAGE;

        if (at < w->base || i >= PAGES) {
            g_assert_cmpuint(res->perm, ==, 0);
            break;
        }
        if (!res->perm) {
            g_assert_true(!w->id[i] || !w->perm[i]);
            continue;
        }
        v->pages++;
        g_assert_true(w->id[i]);
        /* One mapping, however its neighbours look */
        g_assert_cmpuint(w->id[i], ==, w->id[(first - w->base) / PAGE]);
        g_assert_cmphex(res->addr + (at & mask), ==, w->addr[i]);
        g_assert_cmpuint(res->perm, ==, w->perm[i]);
    }
    return true;
}

static void world_check(World *w)
{
    uint64_t end = world_iova(w, PAGES - 1) + PAGE - 1;
    Visit v = { .w = w, .next = w->base };
    unsigned page, mapped = 0;

    g_assert_cmpuint(iopt_maps_count(&w->maps), ==, w->count);
    for (page = 0; page < PAGES; page++) {
        world_check_page(w, page);
        mapped += w->id[page] && w->perm[page];
    }
    g_assert_true(iopt_maps_walk_range(&w->maps, w->base, end, UINT64_MAX,
                                       check_visit, &v));
    g_assert_cmphex(v.next, ==, end + 1);
    g_assert_cmpuint(v.pages, ==, mapped);
    /* One less than it takes is told to be unknown. */
    mapped = v.visits;
    v = (Visit) { .w = w, .next = w->base };
    g_assert_true(iopt_maps_walk_range(&w->maps, w->base, end, mapped,
                                       check_visit, &v));
}

#endif

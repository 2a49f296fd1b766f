/*
 * Unit tests of the records of DMA maps in flight
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "system/dma-maps.h"
#include "system/dma-moment.h"
#include "test-common.h"
#include "dma-maps-world.h"

/* Returns: whether it was recorded. */
static bool try_add(DMAMaps *maps, uint64_t iova, uint64_t len, void *host,
                    bool is_write)
{
    DMAMapInfo info = {
        .iova = iova, .len = len, .host = host, .is_write = is_write,
    };

    return dma_maps_add(maps, &info);
}

static void add(DMAMaps *maps, uint64_t iova, uint64_t len, void *host,
                bool is_write)
{
    g_assert_true(try_add(maps, iova, len, host, is_write));
}

static void add_vague(DMAMaps *maps, uint64_t iova, uint64_t len, void *host)
{
    DMAMapInfo info = {
        .iova = iova, .len = len, .host = host, .is_write = true,
    };

    dma_maps_add_vague(maps, &info);
}

static bool try_add_standing(DMAMaps *maps, uint64_t iova, uint64_t len,
                             void *host, DMARevoke *revoke, void *opaque)
{
    DMAMapInfo info = {
        .iova = iova, .len = len, .host = host, .is_write = true,
        .revoke = revoke, .revoke_opaque = opaque,
    };

    return dma_maps_add(maps, &info);
}

static void add_standing(DMAMaps *maps, uint64_t iova, uint64_t len,
                         void *host, DMARevoke *revoke, void *opaque)
{
    g_assert_true(try_add_standing(maps, iova, len, host, revoke, opaque));
}

static bool end_standing(DMAMaps *maps, void *host, DMARevoke *revoke,
                         void *opaque)
{
    return dma_maps_remove_standing(maps, host, true, revoke, opaque);
}

static bool never(void *opaque, const DMAMapInfo *info)
{
    return false;
}

static unsigned scan(DMAMaps *maps, uint64_t first, uint64_t last,
                     uint64_t seq)
{
    return scan_if(maps, first, last, NULL, NULL, seq);
}

/* How many would be looked at */
static unsigned listed(DMAMaps *maps, uint64_t first, uint64_t last)
{
    DMAMapsItem items[64];
    DMAMapsCursor cursor;
    unsigned n, all = 0;

    dma_maps_look(&cursor, first, last);
    while ((n = dma_maps_next(maps, &cursor, items, ARRAY_SIZE(items)))) {
        all += n;
    }
    return all;
}

static void test_basic(void)
{
    DMAMaps *maps = start();
    DMAMapInfo info = {
        .iova = 0x1000, .len = 0x200, .host = memory, .tag = 7, .pasid = 99,
        .is_write = true,
    };
    DMAMapInfo out;

    g_assert_cmpuint(dma_maps_count(maps), ==, 0);
    g_assert_cmpint(end(maps, memory, true), ==, -1);
    dma_maps_add(maps, &info);
    g_assert_cmpuint(dma_maps_count(maps), ==, 1);
    g_assert_cmphex(dma_maps_oldest_wait(maps, NULL), ==, NOBODY);
    g_assert_cmpint(end(maps, memory, false), ==, -1);
    g_assert_cmpint(end(maps, memory + 0x200, true), ==, -1);

    /* Beside it; not stale; stale; stamped already. */
    g_assert_cmpuint(scan(maps, 0, 0xfff, 1), ==, 0);
    g_assert_cmpuint(scan(maps, 0x1200, NOBODY, 1), ==, 0);
    g_assert_cmpuint(scan_if(maps, 0, NOBODY, never, NULL, 1), ==, 0);
    g_assert_cmphex(dma_maps_oldest_wait(maps, &out), ==, NOBODY);
    g_assert_cmpuint(scan(maps, 0x11ff, 0x11ff, 2), ==, 1);
    g_assert_cmpuint(scan(maps, 0x1000, 0x1000, 3), ==, 0);
    g_assert_cmphex(dma_maps_oldest_wait(maps, &out), ==, 2);
    g_assert_cmphex(out.iova, ==, 0x1000);
    g_assert_cmphex(out.len, ==, 0x200);
    g_assert_cmphex(out.tag, ==, 7);
    g_assert_cmpint(out.pasid, ==, 99);
    g_assert_true(out.host == memory && out.is_write);
    g_assert_cmpint(end(maps, memory, true), ==, 1);
    g_assert_cmphex(dma_maps_oldest_wait(maps, NULL), ==, NOBODY);
    g_assert_cmpuint(dma_maps_count(maps), ==, 0);

    /* At the end of the address space, and over all of it */
    add(maps, NOBODY - 0xfff, 0x2000, memory, true);
    add(maps, 0, NOBODY, memory + 1, true);
    g_assert_cmpuint(scan(maps, NOBODY, NOBODY, 4), ==, 1);
    g_assert_cmpuint(scan(maps, 1ull << 63, 1ull << 63, 4), ==, 1);
    g_assert_cmpuint(scan(maps, 1, 0, 4), ==, 0);
    finish(maps);
}

/* A device model that maps twice for one request: one record, two ends */
static void test_twice(void)
{
    DMAMaps *maps = start();
    DMAMapInfo tagged = {
        .iova = 0x1000, .len = 512, .host = memory, .is_write = true,
        .tag = 1,
    };
    DMAMapInfo out;

    add(maps, 0x1000, 512, memory, true);
    add(maps, 0x1000, 512, memory, true);
    g_assert_cmpuint(dma_maps_count(maps), ==, 2);
    g_assert_cmpuint(listed(maps, 0, NOBODY), ==, 1);
    g_assert_cmpint(end(maps, memory, true), ==, 0);
    g_assert_cmpuint(listed(maps, 0, NOBODY), ==, 1);
    g_assert_cmpint(end(maps, memory, true), ==, 0);
    g_assert_cmpint(end(maps, memory, true), ==, -1);
    g_assert_cmpuint(listed(maps, 0, NOBODY), ==, 0);

    /* Both are stale, and are waited for. */
    add(maps, 0x1000, 512, memory, true);
    add(maps, 0x1000, 512, memory, true);
    g_assert_cmpuint(scan(maps, 0x11ff, 0x2000, 5), ==, 1);
    g_assert_cmpint(end(maps, memory, true), ==, 0);
    g_assert_cmphex(dma_maps_oldest_wait(maps, NULL), ==, 5);
    /* But what is mapped after that is another matter, as it says. */
    g_assert_false(try_add(maps, 0x1000, 512, memory, true));
    g_assert_cmpuint(dma_maps_count(maps), ==, 1);
    g_assert_cmpint(end(maps, memory, true), ==, 1);
    g_assert_cmphex(dma_maps_oldest_wait(maps, NULL), ==, NOBODY);

    /* The same for what was given up. */
    add(maps, 0x1000, 512, memory, true);
    g_assert_cmpuint(scan(maps, 0, NOBODY, 6), ==, 1);
    g_assert_cmpuint(dma_maps_abandon(maps, 6), ==, 1);
    g_assert_false(try_add(maps, 0x1000, 512, memory, true));
    g_assert_cmpint(end(maps, memory, true), ==, 0);
    add(maps, 0x1000, 512, memory, true);
    g_assert_cmpuint(scan(maps, 0, NOBODY, 7), ==, 1);
    g_assert_cmpint(end(maps, memory, true), ==, 1);

    /* Through two domains: whichever is asked for, it is looked at. */
    add(maps, 0x1000, 512, memory, true);
    g_assert_true(dma_maps_add(maps, &tagged));
    g_assert_cmpuint(scan(maps, 0, NOBODY, 8), ==, 1);
    dma_maps_oldest_wait(maps, &out);
    g_assert_cmphex(out.tag, ==, DMA_TAG_ANY);
    g_assert_cmpint(end(maps, memory, true), ==, 0);
    g_assert_cmpint(end(maps, memory, true), ==, 1);
    finish(maps);
}

/* An unmap could not tell it from the one that is there: it is refused. */
static void test_refused(void)
{
    DMAMaps *maps = start();
    DMAMapInfo info = {
        .iova = 0x1000, .len = 512, .host = memory, .is_write = true,
        .pasid = 1,
    };
    unsigned round;

    /* As a slot, and as a record */
    for (round = 0; round < 2; round++) {
        add(maps, 0x1000, 512, memory, true);
        if (round) {
            add(maps, 0x1000, 512, memory, true);
            g_assert_cmpint(end(maps, memory, true), ==, 0);
        }
        g_assert_false(try_add(maps, 0x2000, 512, memory, true));
        g_assert_false(try_add(maps, 0x1000, 513, memory, true));
        g_assert_false(dma_maps_add_request(maps, 0x2000, 512, memory, memory,
                                            0, 0, true));
        g_assert_false(dma_maps_add(maps, &info));
        g_assert_cmpuint(dma_maps_count(maps), ==, 1);
        /* One direction is not the other, nor a part the whole. */
        add(maps, 0x2000, 512, memory, false);
        g_assert_false(try_add(maps, 0x3000, 512, memory, false));
        add(maps, 0x3000, 511, memory + 1, true);
        g_assert_cmpuint(scan(maps, 0x1000, 0x1000, 7 + round), ==, 1);
        g_assert_cmpint(end(maps, memory, false), ==, 0);
        /* It has ended: nobody waits, whatever else there is. */
        g_assert_cmpint(end(maps, memory, true), ==, 1);
        g_assert_cmphex(dma_maps_oldest_wait(maps, NULL), ==, NOBODY);
        add(maps, 0x2000, 512, memory, true);
        g_assert_cmpint(end(maps, memory, true), ==, 0);
        g_assert_cmpint(end(maps, memory + 1, true), ==, 0);
        g_assert_cmpuint(dma_maps_count(maps), ==, 0);
    }
    finish(maps);
}

static void test_changed_unmap(void)
{
    DMAMaps *maps = start();

    /* An advanced pointer, if there is one request that it can be */
    add(maps, 0x1000, 4096, memory, true);
    add(maps, 0x4000, 4096, memory + 8192, true);
    add_standing(maps, 0x5000, 4096, memory, revoke_a, NULL);
    g_assert_cmpint(end(maps, memory + 4096, true), ==, -1);
    g_assert_cmpint(end(maps, memory + 4095, false), ==, -1);
    g_assert_cmpint(end(maps, memory + 4095, true), ==, 0);
    g_assert_cmpint(end(maps, memory + 4095, true), ==, -1);
    add(maps, 0x1000, 4096, memory + 8192 - 2048, true);
    g_assert_cmpint(end(maps, memory + 8192 + 1, true), ==, -1);
    g_assert_cmpint(end(maps, memory + 8192 - 1, true), ==, 0);
    g_assert_cmpuint(dma_maps_count(maps), ==, 2);
    /* One that is waited for */
    g_assert_cmpuint(scan(maps, 0x4000, 0x4000, 1), ==, 1);
    g_assert_cmpint(end(maps, memory + 8192 + 10, true), ==, 1);
    finish(maps);
}

static void test_standing(void)
{
    DMAMaps *maps = start();
    int owner1, owner2;
    DMAMapInfo *info;

    /* Revoked once, never waited for */
    add_standing(maps, 0x1000, 1024, memory, revoke_a, &owner1);
    add_standing(maps, 0x9000, 1024, memory + 4096, revoke_b, &owner2);
    g_assert_cmpuint(scan(maps, 0x1000, 0x1fff, 1), ==, 0);
    g_assert_cmpuint(revoked->len, ==, 1);
    info = &g_array_index(revoked, DMAMapInfo, 0);
    g_assert_true(info->revoke == revoke_a);
    g_assert_true(info->revoke_opaque == &owner1);
    g_assert_cmphex(info->iova, ==, 0x1000);
    g_assert_cmphex(dma_maps_oldest_wait(maps, NULL), ==, NOBODY);
    g_assert_cmpuint(scan(maps, 0x1000, 0x1fff, 2), ==, 0);
    g_assert_cmpuint(revoked->len, ==, 1);
    g_assert_cmpuint(dma_maps_count(maps), ==, 2);
    g_assert_true(end_standing(maps, memory, revoke_a, &owner1));
    g_assert_false(end_standing(maps, memory, revoke_a, &owner1));
    /* Mapped again: it can go stale again. */
    add_standing(maps, 0x1000, 1024, memory, revoke_a, &owner1);
    scan(maps, 0, NOBODY, 3);
    g_assert_cmpuint(revoked->len, ==, 3);
    /* A request's end is no end of it. */
    g_assert_cmpint(end(maps, memory, true), ==, -1);
    g_assert_true(end_standing(maps, memory, revoke_a, &owner1));
    g_assert_true(end_standing(maps, memory + 4096, revoke_b, &owner2));
    g_assert_cmpuint(dma_maps_count(maps), ==, 0);

    /* Beside a request of the same memory each is found for itself. */
    g_array_set_size(revoked, 0);
    add_standing(maps, 0x1000, 1024, memory, revoke_a, &owner1);
    add_standing(maps, 0x2000, 1024, memory, revoke_a, &owner2);
    add_standing(maps, 0x2000, 1024, memory, revoke_b, &owner2);
    add(maps, 0x3000, 1024, memory, true);
    g_assert_true(end_standing(maps, memory, revoke_a, &owner1));
    g_assert_true(end_standing(maps, memory, revoke_b, &owner2));
    g_assert_cmpuint(scan(maps, 0, NOBODY, 4), ==, 1);
    g_assert_cmpuint(revoked->len, ==, 1);
    info = &g_array_index(revoked, DMAMapInfo, 0);
    g_assert_true(info->revoke == revoke_a);
    g_assert_true(info->revoke_opaque == &owner2);
    g_assert_cmpint(end(maps, memory, true), ==, 1);
    g_assert_true(end_standing(maps, memory, revoke_a, &owner2));
    g_assert_cmpuint(dma_maps_count(maps), ==, 0);
    finish(maps);
}

/* One owner's twice: whatever goes stale, all of it is revoked. */
static void test_standing_vague(void)
{
    DMAMaps *maps = start();
    int owner;
    DMAMapInfo again = {
        .iova = 0x2000, .len = 1024, .host = memory, .is_write = true,
        .revoke = revoke_a, .revoke_opaque = &owner,
    };

    add_standing(maps, 0x1000, 1024, memory, revoke_a, &owner);
    g_assert_false(dma_maps_add(maps, &again));
    dma_maps_add_vague(maps, &again);
    g_assert_true(end_standing(maps, memory, revoke_a, &owner));
    scan_if(maps, 0x9000, 0x9000, never, NULL, 1);
    g_assert_cmpuint(revoked->len, ==, 1);
    scan(maps, 0, NOBODY, 2);
    g_assert_cmpuint(revoked->len, ==, 1);
    /* A part of it was dropped when it is mapped again. */
    dma_maps_add_vague(maps, &again);
    scan_if(maps, 0x9000, 0x9000, never, NULL, 3);
    g_assert_cmpuint(revoked->len, ==, 2);
    g_assert_true(end_standing(maps, memory, revoke_a, &owner));
    g_assert_true(end_standing(maps, memory, revoke_a, &owner));
    g_assert_false(end_standing(maps, memory, revoke_a, &owner));
    g_assert_cmpuint(dma_maps_count(maps), ==, 0);
    finish(maps);
}

static void test_abandon(void)
{
    DMAMaps *maps = start();

    add(maps, 0x1000, 512, memory, true);
    g_assert_cmpuint(scan(maps, 0, NOBODY, 5), ==, 1);
    add(maps, 0x2000, 512, memory + 512, true);
    g_assert_cmpuint(scan(maps, 0, NOBODY, 6), ==, 1);
    add(maps, 0x3000, 512, memory + 1024, true);
    g_assert_cmpuint(dma_maps_abandon(maps, 4), ==, 0);
    g_assert_cmpuint(dma_maps_abandon(maps, 5), ==, 1);
    g_assert_cmphex(dma_maps_oldest_wait(maps, NULL), ==, 6);
    g_assert_cmpuint(dma_maps_count(maps), ==, 3);
    g_assert_cmpuint(dma_maps_abandon(maps, 100), ==, 1);
    g_assert_cmphex(dma_maps_oldest_wait(maps, NULL), ==, NOBODY);
    g_assert_cmpuint(scan(maps, 0, NOBODY, 101), ==, 1);
    g_assert_cmpint(end(maps, memory, true), ==, 0);
    g_assert_cmpint(end(maps, memory + 512, true), ==, 0);
    g_assert_cmpint(end(maps, memory + 1024, true), ==, 1);
    finish(maps);
}

/* No copy was to be had: nothing is known of the two but how many. */
static void test_vague(void)
{
    DMAMaps *maps = start();

    add(maps, 0x1000, 512, memory, true);
    add_vague(maps, 0x2000, 512, memory);
    g_assert_cmpuint(dma_maps_count(maps), ==, 2);
    /* Stale whatever is asked for, and whatever the tables say */
    g_assert_cmpuint(scan_if(maps, 0x9000, 0x9000, never, NULL, 1), ==, 1);
    g_assert_cmpint(end(maps, memory, true), ==, 0);
    g_assert_cmphex(dma_maps_oldest_wait(maps, NULL), ==, 1);
    /* Not even what it began with is the same any more. */
    g_assert_false(try_add(maps, 0x1000, 512, memory, true));
    add_vague(maps, 0x1000, 512, memory);
    g_assert_cmpint(end(maps, memory, true), ==, 0);
    g_assert_cmpint(end(maps, memory, true), ==, 1);
    g_assert_cmphex(dma_maps_oldest_wait(maps, NULL), ==, NOBODY);

    /* Given up: what is left may not have been stale then. */
    add(maps, 0x1000, 512, memory, true);
    add_vague(maps, 0x2000, 512, memory);
    g_assert_cmpuint(scan_if(maps, 0x9000, 0x9000, never, NULL, 2), ==, 1);
    g_assert_cmpuint(dma_maps_abandon(maps, 2), ==, 1);
    g_assert_cmphex(dma_maps_oldest_wait(maps, NULL), ==, NOBODY);
    g_assert_cmpuint(scan_if(maps, 0x9000, 0x9000, never, NULL, 3), ==, 1);
    g_assert_cmpint(end(maps, memory, true), ==, 0);
    g_assert_cmpint(end(maps, memory, true), ==, 1);

    /* With one that is waited for, or was given up */
    add(maps, 0x1000, 512, memory, true);
    g_assert_cmpuint(scan(maps, 0, NOBODY, 4), ==, 1);
    add_vague(maps, 0x2000, 512, memory);
    g_assert_cmpint(end(maps, memory, true), ==, 0);
    g_assert_cmphex(dma_maps_oldest_wait(maps, NULL), ==, 4);
    g_assert_cmpuint(dma_maps_abandon(maps, 4), ==, 1);
    g_assert_cmpuint(scan_if(maps, 0x9000, 0x9000, never, NULL, 5), ==, 1);
    g_assert_cmpint(end(maps, memory, true), ==, 1);
    add(maps, 0x1000, 512, memory, true);
    g_assert_cmpuint(scan(maps, 0, NOBODY, 6), ==, 1);
    g_assert_cmpuint(dma_maps_abandon(maps, 6), ==, 1);
    add_vague(maps, 0x2000, 512, memory);
    g_assert_cmpuint(scan_if(maps, 0x9000, 0x9000, never, NULL, 7), ==, 1);
    g_assert_cmpint(end(maps, memory, true), ==, 0);
    g_assert_cmpint(end(maps, memory, true), ==, 1);

    /* Of nothing that is there it is a map like any. */
    add_vague(maps, 0x2000, 512, memory);
    g_assert_cmpuint(scan_if(maps, 0x9000, 0x9000, never, NULL, 8), ==, 0);
    g_assert_cmpint(end(maps, memory, true), ==, 0);
    g_assert_cmpuint(dma_maps_count(maps), ==, 0);
    finish(maps);
}

/* Between the look and the mark it ended, and its place was taken. */
static void test_mark(void)
{
    DMAMaps *maps = start();
    DMAMapsItem items[4], old;
    DMAMapsCursor cursor;
    unsigned round;

    for (round = 0; round < 2; round++) {
        add(maps, 0x1000, 512, memory, true);
        if (round) {
            add(maps, 0x1000, 512, memory, true);
        }
        dma_maps_look(&cursor, 0, NOBODY);
        g_assert_cmpuint(dma_maps_next(maps, &cursor, items, 4), ==, 1);
        old = items[0];
        g_assert_cmpint(end(maps, memory, true), ==, 0);
        if (round) {
            g_assert_cmpint(end(maps, memory, true), ==, 0);
        }
        g_assert_cmpint(dma_maps_mark(maps, &old, 1), ==, DMA_MAPS_GONE);
        add(maps, 0x1000, 512, memory, true);
        if (round) {
            add(maps, 0x1000, 512, memory, true);
            g_assert_cmpint(end(maps, memory, true), ==, 0);
        }
        g_assert_cmpint(dma_maps_mark(maps, &old, 1), ==, DMA_MAPS_GONE);
        g_assert_cmphex(dma_maps_oldest_wait(maps, NULL), ==, NOBODY);
        g_assert_cmpint(end(maps, memory, true), ==, 0);
    }

    /* What becomes vague behind the cursor is met once more. */
    add(maps, 0x9000, 512, memory + 512, true);
    add(maps, 0x9000, 512, memory + 512, true);
    add(maps, 0x1000, 512, memory, true);
    add(maps, 0x1000, 512, memory, true);
    dma_maps_look(&cursor, 0, NOBODY);
    g_assert_cmpuint(dma_maps_next(maps, &cursor, items, 1), ==, 1);
    g_assert_cmphex(items[0].info.iova, ==, 0x1000);
    add_vague(maps, 0x2000, 512, memory);
    add_vague(maps, 0x2000, 512, memory + 512);
    g_assert_cmpint(dma_maps_mark(maps, &items[0], 1), ==, DMA_MAPS_GONE);
    g_assert_cmpuint(dma_maps_next(maps, &cursor, items, 4), ==, 2);
    g_assert_true(items[0].vague && items[1].vague);
    g_assert_cmpuint(dma_maps_next(maps, &cursor, items, 4), ==, 0);

    /* So is what becomes a record. */
    add(maps, 0x4000, 512, memory + 8192, true);
    dma_maps_look(&cursor, 0x4000, 0x4fff);
    g_assert_cmpuint(dma_maps_next(maps, &cursor, items, 1), ==, 1);
    add(maps, 0x4000, 512, memory + 8192, true);
    g_assert_cmpint(dma_maps_mark(maps, &items[0], 1), ==, DMA_MAPS_GONE);
    g_assert_cmpuint(dma_maps_next(maps, &cursor, items, 1), ==, 1);
    g_assert_cmpint(dma_maps_mark(maps, &items[0], 1), ==, DMA_MAPS_WAITED);
    finish(maps);
}

static void test_pinned(void)
{
    DMAMaps *maps = start();
    uint8_t *pointer = NULL, *other = NULL;
    DMAMapInfo info = {
        .iova = 0x1000, .len = 0x2000, .host = memory, .tag = 3,
    };
    DMAMapsCursor cursor;
    DMAMapsItem item;
    DMAPointer *p, *q;

    g_assert_true(dma_maps_idle(maps));
    p = dma_maps_add_pinned(maps, &info, &pointer);
    q = dma_maps_add_pinned(maps, &info, &other);
    g_assert_false(dma_maps_idle(maps));
    g_assert_cmpuint(dma_maps_count(maps), ==, 0);
    g_assert_true(pointer == (uint8_t *)memory && other == pointer);
    /* It is no map: a request is not refused for it. */
    add(maps, 0x9000, 512, memory, false);
    g_assert_cmpint(end(maps, memory, false), ==, 0);
    g_assert_cmpint(end(maps, memory, false), ==, -1);

    scan(maps, 0, 0xfff, 1);
    scan(maps, 0x3000, NOBODY, 1);
    scan_if(maps, 0, NOBODY, never, NULL, 1);
    g_assert_nonnull(pointer);
    dma_maps_look(&cursor, 0x2fff, 0x2fff);
    g_assert_cmpuint(dma_maps_next(maps, &cursor, &item, 1), ==, 1);
    g_assert_cmphex(item.info.tag, ==, 3);
    dma_maps_forget_tags(maps);
    dma_maps_look(&cursor, 0x2fff, 0x2fff);
    g_assert_cmpuint(dma_maps_next(maps, &cursor, &item, 1), ==, 1);
    g_assert_cmphex(item.info.tag, ==, DMA_TAG_ANY);
    dma_maps_remove_pinned(maps, q);
    g_assert_cmpuint(scan(maps, 0x2fff, 0x2fff, 2), ==, 0);
    g_assert_cmpuint(cleared, ==, 1);
    g_assert_true(pointer == NULL && other == (uint8_t *)memory);
    scan(maps, 0, NOBODY, 3);
    g_assert_cmpuint(cleared, ==, 0);
    g_assert_cmphex(dma_maps_oldest_wait(maps, NULL), ==, NOBODY);
    /* It stays when the device's maps are forgotten: it is not the device's. */
    dma_maps_clear(maps);
    dma_maps_remove_pinned(maps, p);
    g_assert_true(dma_maps_idle(maps));
    finish(maps);
}

/* Tags that are forgotten: of slots and records, and not of later maps */
static void test_forget_tags(void)
{
    DMAMaps *maps = start();
    DMAMapInfo info = {
        .iova = 0x1000, .len = 512, .host = memory, .is_write = true,
        .tag = 5,
    };
    DMAMapsCursor cursor;
    DMAMapsItem items[8];
    unsigned i, n;

    dma_maps_forget_tags(maps);
    dma_maps_add(maps, &info);
    info.host = memory + 4096;
    info.iova = 0x2000;
    dma_maps_add(maps, &info);
    dma_maps_add(maps, &info);
    dma_maps_forget_tags(maps);
    info.host = memory + 8192;
    info.iova = 0x3000;
    dma_maps_add(maps, &info);
    info.host = memory + 12288;
    info.iova = 0x4000;
    dma_maps_add(maps, &info);
    dma_maps_add(maps, &info);
    dma_maps_look(&cursor, 0, NOBODY);
    for (i = 0; (n = dma_maps_next(maps, &cursor, items, 1)); i++) {
        g_assert_cmphex(items[0].info.tag, ==,
                        items[0].info.iova < 0x3000 ? DMA_TAG_ANY : 5);
    }
    g_assert_cmpuint(i, ==, 4);
    finish(maps);
}

/* The device is gone, and with it whatever it had. */
static void test_clear(void)
{
    DMAMaps *maps = start();
    unsigned round;
    int owner;

    g_assert_cmpuint(dma_maps_clear(maps), ==, 0);
    for (round = 0; round < 3; round++) {
        g_array_set_size(revoked, 0);
        /* Given up, waited for, and one that nobody asked about */
        add(maps, 0x1000, 512, memory, true);
        g_assert_cmpuint(scan(maps, 0, NOBODY, 1), ==, 1);
        g_assert_cmpuint(dma_maps_abandon(maps, 1), ==, 1);
        add(maps, 0x2000, 512, memory + 512, true);
        g_assert_cmpuint(scan(maps, 0, NOBODY, 2), ==, 1);
        add(maps, 0x3000, 512, memory + 1024, false);
        /* Vague and waited for, vague and not */
        add(maps, 0x4000, 512, memory + 8192, true);
        add_vague(maps, 0x5000, 512, memory + 8192);
        g_assert_cmpint(end(maps, memory + 8192, true), ==, 0);
        g_assert_cmpuint(scan(maps, 0x5000, 0x5000, 3), ==, 1);
        add(maps, 0x4000, 512, memory + 4096, true);
        add_vague(maps, 0x5000, 512, memory + 4096);
        /* Standing, revoked and not */
        add_standing(maps, 0x6000, 512, memory, revoke_a, &owner);
        scan_if(maps, 0x6000, 0x6000, never, NULL, 4);
        g_assert_cmpuint(revoked->len, ==, 0);
        g_assert_cmpuint(scan(maps, 0x6000, 0x6000, 5), ==, 0);
        g_assert_cmpuint(revoked->len, ==, 1);
        add_standing(maps, 0x7000, 512, memory, revoke_b, &owner);
        g_assert_cmpuint(dma_maps_count(maps), ==, 8);

        g_assert_cmpuint(dma_maps_clear(maps), ==, 3);
        g_assert_cmpuint(dma_maps_count(maps), ==, 0);
        g_assert_cmpuint(listed(maps, 0, NOBODY), ==, 0);
        g_assert_cmphex(dma_maps_oldest_wait(maps, NULL), ==, NOBODY);
        g_assert_cmpuint(dma_maps_abandon(maps, NOBODY), ==, 0);
        g_assert_cmpuint(dma_maps_clear(maps), ==, 0);

        /* Another device's map is found, what is gone is not. */
        add(maps, 0x9000, 512, memory + 65536, true);
        g_assert_cmpint(end(maps, memory, true), ==, -1);
        g_assert_cmpint(end(maps, memory + 512, true), ==, -1);
        g_assert_cmpint(end(maps, memory + 8192, true), ==, -1);
        g_assert_cmpint(end(maps, memory + 4096, true), ==, -1);
        g_assert_false(end_standing(maps, memory, revoke_b, &owner));
        g_assert_cmpuint(scan(maps, 0, NOBODY, 6), ==, 1);
        g_assert_cmpuint(revoked->len, ==, 1);
        g_assert_cmpint(end(maps, memory + 65536, true), ==, 1);
        g_assert_cmpuint(dma_maps_count(maps), ==, 0);
    }
    finish(maps);
}

/*
 * The guest chooses both addresses; the work for a map is about the same
 * whatever they are.
 */
#define MANY 64000

typedef struct Flood {
    const char *name;
    uint64_t iova_step, host_step;
} Flood;

static void *flood_host(const Flood *flood, unsigned i)
{
    return (void *)((uintptr_t)memory + (uintptr_t)(i * flood->host_step));
}

static void test_flood(void)
{
    static const Flood floods[] = {
        { "pages in a row", 4096, 4096 },
        { "one page's bytes", 4096, 1 },
        { "one hash of hosts", 4096, 0xf1de83e19937733dull << 10 },
        { "one hash of IOVAs", 0xf1de83e19937733dull << 10, 4096 },
        { "one IOVA", 0, 4096 },
        { "one host, or nearly so", 1ull << 40, 64 },
    };
    unsigned f, i;

    for (f = 0; f < ARRAY_SIZE(floods); f++) {
        DMAMaps *maps = start();
        uint64_t mapped, looked;

        for (i = 0; i < MANY; i++) {
            add(maps, i * floods[f].iova_step, 4096,
                flood_host(&floods[f], i), true);
        }
        mapped = dma_maps_steps(maps);
        g_assert_cmpuint(scan_if(maps, 0, NOBODY, never, NULL, 1), ==, 0);
        looked = dma_maps_steps(maps) - mapped;
        for (i = 0; i < MANY; i++) {
            g_assert_cmpint(end(maps, flood_host(&floods[f], i), true), ==, 0);
        }
        g_test_message("%s: %.1f to add, %.1f to look, %.1f in all",
                       floods[f].name, (double)mapped / MANY,
                       (double)looked / MANY,
                       (double)dma_maps_steps(maps) / MANY);
        /* Three sets, log2(MANY) is 16 */
        g_assert_cmpuint(dma_maps_steps(maps) / MANY, <, 16 * 4 * 5);
        finish(maps);
    }
}

static void add_tagged(DMAMaps *maps, uint64_t iova, uint64_t tag, void *host)
{
    g_assert_true(dma_maps_add_request(maps, iova, 0x1000, host, memory, tag,
                                       0, true));
}

/* Is it worth a look?  Of tags those that are known not to be alike are not. */
static void test_concerned(void)
{
    DMAMaps *maps = start();

    g_assert_false(dma_maps_concerned(maps, 0, NOBODY, 7, NOBODY));
    add_tagged(maps, 0x1000, 7, memory);
    add_tagged(maps, 0x3000, DMA_TAG_ANY, memory + 4096);
    g_assert_true(dma_maps_concerned(maps, 0x1fff, 0x2000, 7, NOBODY));
    g_assert_true(dma_maps_concerned(maps, 0, 0x1000, 7, NOBODY));
    g_assert_false(dma_maps_concerned(maps, 0, 0xfff, 7, NOBODY));
    g_assert_false(dma_maps_concerned(maps, 0x2000, 0x2fff, 7, NOBODY));
    g_assert_false(dma_maps_concerned(maps, 0x1000, 0x2000, 8, NOBODY));
    g_assert_true(dma_maps_concerned(maps, 0x1000, 0x2000, 0x107, 0xff));
    g_assert_true(dma_maps_concerned(maps, 0x1000, 0x2000, 8, 0));
    g_assert_true(dma_maps_concerned(maps, 0x3000, 0x3000, 8, NOBODY));
    g_assert_false(dma_maps_concerned(maps, 0x3000, 0x1000, 7, NOBODY));
    dma_maps_forget_tags(maps);
    g_assert_true(dma_maps_concerned(maps, 0x1000, 0x1000, 8, NOBODY));

    /* What is waited for already is nobody's concern. */
    g_assert_cmpuint(scan(maps, 0, NOBODY, 1), ==, 2);
    g_assert_false(dma_maps_concerned(maps, 0, NOBODY, 7, 0));
    finish(maps);
}

/* How many slots are in use?  They are listed first. */
static unsigned in_slots(DMAMaps *maps)
{
    DMAMapsListing listing = { 0 };
    DMAMapsListed item;
    unsigned n = 0;

    while (dma_maps_list(maps, &listing, &item, 1) && !listing.stage) {
        n++;
    }
    return n;
}

/*
 * Many that last do not stay where each look meets all of them; few do, and
 * those that come and go.
 */
static void test_crowd(void)
{
    enum { MANY_SLOTS = 100, LOOKS = 64 };
    DMAMaps *maps = start();
    unsigned i;

    for (i = 0; i < 8; i++) {
        add(maps, i << 12, 4096, memory + (i << 12), true);
    }
    for (i = 0; i < 10 * LOOKS; i++) {
        g_assert_false(dma_maps_concerned(maps, 1ull << 40, NOBODY, 0, 0));
    }
    g_assert_cmpuint(in_slots(maps), ==, 8);
    for (; i < 10 * LOOKS + MANY_SLOTS; i++) {
        add(maps, (uint64_t)i << 12, 4096, memory + i * 64, false);
    }
    for (i = 0; i < LOOKS; i++) {
        g_assert_false(dma_maps_concerned(maps, 1ull << 40, NOBODY, 0, 0));
    }
    g_assert_cmpuint(in_slots(maps), ==, 0);
    g_assert_cmpuint(listed(maps, 0, NOBODY), ==, 8 + MANY_SLOTS);
    for (i = 0; i < 8; i++) {
        g_assert_cmpint(end(maps, memory + (i << 12), true), ==, 0);
    }
    g_assert_cmpuint(dma_maps_count(maps), ==, MANY_SLOTS);
    g_assert_cmpuint(scan(maps, 0, NOBODY, 1), ==, MANY_SLOTS);
    finish(maps);
}

/* A slot that is free has no memory, and none that ends is there. */
static void test_none(void)
{
    DMAMaps *maps = start();
    void *left;

    for (int i = 0; i < 2; i++) {
        g_assert_false(dma_maps_remove_request(maps, NULL, false, &left));
        g_assert_cmpuint(dma_maps_count(maps), ==, i);
        add(maps, 0x1000, 4096, memory, true);
    }
    g_assert_cmpint(end(maps, memory, true), ==, 0);
    g_assert_cmpint(end(maps, memory, true), ==, 0);
    finish(maps);
}

static void test_exact(void)
{
    MapsWorld w;
    Rand r = rand_new();
    unsigned step;

    maps_world_init(&w);
    for (step = 0; step < rounds(40000); step++) {
        maps_world_step(&w, &r);
    }
    maps_world_free(&w);
}

/*
 * Random, with few host addresses and many IOVAs, and copies used up: what is
 * really in flight and was found stale must be waited for, whatever the records
 * believe; and when nothing is in flight nothing may be waited for.
 */
static void test_ambiguous(void)
{
    Rand r = rand_new();
    unsigned round, step, i, vague = 0;

    for (round = 0; round < rounds(20); round++) {
        DMAMaps *maps = start();
        GArray *truth = g_array_new(false, false, sizeof(Truth));
        unsigned hosts = 1 + rand_below(&r, 3);
        unsigned iovas = 1 + rand_below(&r, 40);
        unsigned most = 2 + rand_below(&r, 30);
        uint64_t seq = 0;

        for (step = 0; step < 4000; step++) {
            unsigned what = rand_below(&r, 100);

            if (what < 45 && truth->len < most) {
                Truth t = {
                    .info = {
                        .iova = (uint64_t)rand_below(&r, iovas) << 12,
                        .len = 512,
                        .host = memory + rand_below(&r, hosts) * 65536,
                        .is_write = true,
                        .tag = rand_below(&r, 8) == 0,
                    },
                };

                if (!dma_maps_add(maps, &t.info)) {
                    /* A copy, or none to be had */
                    if (rand_below(&r, 2)) {
                        continue;
                    }
                    dma_maps_add_vague(maps, &t.info);
                    vague++;
                }
                g_array_append_val(truth, t);
            } else if (what < 90 && truth->len) {
                Truth t;

                i = rand_below(&r, truth->len);
                t = g_array_index(truth, Truth, i);
                g_array_remove_index_fast(truth, i);
                g_assert_cmpint(end(maps, t.info.host, true), >=, 0);
            } else if (what < 98) {
                StaleSet set = { rand64(&r) };
                uint64_t first = (uint64_t)rand_below(&r, iovas) << 12;
                uint64_t last = rand_below(&r, 2) ? NOBODY : first;

                seq++;
                for (i = 0; i < truth->len; i++) {
                    Truth *t = &g_array_index(truth, Truth, i);

                    if (!t->stamp && !t->done &&
                        overlaps(&t->info, first, last) &&
                        is_stale(&set, &t->info)) {
                        t->stamp = seq;
                    }
                }
                scan_if(maps, first, last, is_stale, &set, seq);
            } else if (what == 99 && rand_below(&r, 4) == 0) {
                /* All there is: what is younger stays owed. */
                for (i = 0; i < truth->len; i++) {
                    Truth *t = &g_array_index(truth, Truth, i);

                    if (t->stamp) {
                        t->stamp = 0;
                        t->done = true;
                    }
                }
                dma_maps_abandon(maps, seq);
            }
            g_assert_cmpuint(dma_maps_count(maps), ==, truth->len);
            g_assert_cmphex(dma_maps_oldest_wait(maps, NULL), <=,
                            truth_oldest(truth));
            if (!truth->len) {
                g_assert_cmphex(dma_maps_oldest_wait(maps, NULL), ==, NOBODY);
                g_assert_cmpuint(listed(maps, 0, NOBODY), ==, 0);
            }
        }
        while (truth->len) {
            Truth *t = &g_array_index(truth, Truth, truth->len - 1);

            end(maps, t->info.host, true);
            g_array_set_size(truth, truth->len - 1);
        }
        g_assert_cmpuint(dma_maps_count(maps), ==, 0);
        g_assert_cmpuint(listed(maps, 0, NOBODY), ==, 0);
        g_array_free(truth, true);
        finish(maps);
    }
    g_test_message("%u vague maps", vague);
}

/* Threads map and unmap the same memory while another scans. */
#define MAPPERS 3

typedef struct Mapper {
    DMAMaps *maps;
    Rand rand;
    unsigned steps;
    uint64_t waited, refused;
    pthread_t thread;
} Mapper;

static unsigned mappers_left;

static void *mapper(void *opaque)
{
    Mapper *m = opaque;
    unsigned i;

    for (i = 0; i < m->steps; i++) {
        unsigned page = rand_below(&m->rand, 8);
        char *host = memory + (page % 4) * 4096;
        DMAMapsEnd end;

        if (!try_add(m->maps, (uint64_t)page << 12, 4096, host, true)) {
            m->refused++;
            if (rand_below(&m->rand, 2)) {
                continue;
            }
            add_vague(m->maps, (uint64_t)page << 12, 4096, host);
        }
        if (rand_below(&m->rand, 8) == 0) {
            sched_yield();
        }
        g_assert_true(dma_maps_remove(m->maps, host, true, &end));
        m->waited += end.waited;
    }
    qatomic_fetch_add(&mappers_left, -1);
    return NULL;
}

static void test_threads(void)
{
    Rand r = rand_new();
    DMAMaps *maps = start();
    Mapper m[MAPPERS];
    uint64_t stamped = 0, waited = 0, seq = 0;
    unsigned i;

    in_threads = true;
    mappers_left = MAPPERS;
    for (i = 0; i < MAPPERS; i++) {
        m[i] = (Mapper) {
            .maps = maps,
            .rand = { rand64(&r) | 1 },
            .steps = rounds(10000),
        };
        thread_start(&m[i].thread, mapper, &m[i]);
    }
    while (qatomic_load_acquire(&mappers_left)) {
        uint64_t first = (uint64_t)rand_below(&r, 8) << 12;

        stamped += scan(maps, first, first, ++seq);
        sched_yield();
    }
    for (i = 0; i < MAPPERS; i++) {
        thread_join(m[i].thread);
        waited += m[i].waited;
    }
    /* Every record that was stamped was reported when it went. */
    g_assert_cmpuint(stamped, ==, waited);
    g_assert_cmpuint(dma_maps_count(maps), ==, 0);
    g_assert_cmphex(dma_maps_oldest_wait(maps, NULL), ==, NOBODY);
    g_test_message("%" PRIu64 " stamped", stamped);
    in_threads = false;
    finish(maps);
}

/*
 * Whoever sees no map in flight has what was written through the last one.
 * The stores are plain: it is ThreadSanitizer that sees this fail.
 */
static DMAMaps *ordered_maps;
static unsigned ordered_turn;        /* odd: the writer has its map */

#define ORDERED_STEPS 300

static void *ordered_writer(void *opaque)
{
    unsigned i;

    for (i = 0; i < ORDERED_STEPS; i++) {
        while (qatomic_load_acquire(&ordered_turn) != i * 2) {
            sched_yield();
        }
        add(ordered_maps, 0x1000, 512, memory, true);
        qatomic_store_release(&ordered_turn, i * 2 + 1);
        memory[0] = 1;
        g_assert_cmpint(end(ordered_maps, memory, true), ==, 0);
    }
    return NULL;
}

static void test_count_orders(void)
{
    DMAMaps *maps = start();
    pthread_t thread;
    unsigned i;

    ordered_maps = maps;
    thread_start(&thread, ordered_writer, NULL);
    for (i = 0; i < ORDERED_STEPS; i++) {
        while (qatomic_load_acquire(&ordered_turn) != i * 2 + 1 ||
               dma_maps_count(maps)) {
            sched_yield();
        }
        memory[0] = 2;
        qatomic_store_release(&ordered_turn, i * 2 + 2);
    }
    thread_join(thread);
    g_assert_cmpint(memory[0], ==, 2);
    finish(maps);
}

/* Listed: everything, however it is cut into pieces, whatever waits for it. */
static void test_list(void)
{
    DMAMaps *maps = dma_maps_new(NULL);
    unsigned size, i, n, seen[64];
    DMAMapsListed items[64];

    for (i = 0; i < 40; i++) {
        add(maps, 0x1000 * i, 16, memory + 4096 * i, i & 1);
    }
    for (i = 40; i < 44; i++) {
        add_standing(maps, 0x1000 * i, 16, memory + 4096 * i, revoke_a, NULL);
    }
    /* These two are records, waited for; one is two maps in one. */
    add_vague(maps, 0x44000, 16, memory + 4096);
    dma_maps_forget_tags(maps);
    g_assert_cmpuint(scan_if(maps, 0x2000, 0x2fff, NULL, NULL, 7), ==, 2);
    g_assert_cmpuint(dma_maps_waited(maps), ==, 2);

    for (size = 1; size <= 64; size++) {
        DMAMapsListing listing = { 0 };
        unsigned waited = 0, vague = 0;

        memset(seen, 0, sizeof(seen));
        while ((n = dma_maps_list(maps, &listing, items, size))) {
            g_assert_cmpuint(n, <=, size);
            for (i = 0; i < n; i++) {
                unsigned at = ((char *)items[i].info.host - memory) / 4096;

                seen[at]++;
                vague += items[i].vague;
                waited += items[i].waited;
                g_assert_cmpuint(items[i].waited ? items[i].stamp : 7, ==, 7);
                g_assert_true((items[i].info.revoke != NULL) == (at >= 40));
                if (!items[i].vague) {
                    g_assert_cmphex(items[i].info.iova, ==, 0x1000 * at);
                }
            }
        }
        for (i = 0; i < 44; i++) {
            g_assert_cmpuint(seen[i], ==, 1);
        }
        g_assert_cmpuint(waited, ==, 2);
        g_assert_cmpuint(vague, ==, 1);
        g_assert_cmpuint(dma_maps_list(maps, &listing, items, size), ==, 0);
    }
    dma_maps_free(maps);
}

/* Each map has the moment in which it was added, whatever becomes of it. */
static void test_moments(void)
{
    DMAMaps *maps = dma_maps_new(NULL);
    DMAMapsListing listing = { 0 };
    uint32_t moment, first = dma_moment();
    DMAMapsListed items[8];
    unsigned i, n;

    add(maps, 0, 16, memory, true);
    g_assert_cmpuint(dma_moment_next(), ==, first + 1);
    g_assert_cmpuint(dma_moment(), ==, first + 1);
    add(maps, 0x1000, 16, memory + 4096, true);
    add_standing(maps, 0x2000, 16, memory + 8192, revoke_a, NULL);
    dma_moment_next();
    /* Again the first one, which becomes a record; and the second, vague. */
    add(maps, 0, 16, memory, true);
    add_vague(maps, 0x9000, 16, memory + 4096);
    add(maps, 0x3000, 16, memory + 3 * 4096, true);

    n = dma_maps_list(maps, &listing, items, 8);
    n += dma_maps_list(maps, &listing, items + n, 8 - n);
    n += dma_maps_list(maps, &listing, items + n, 8 - n);
    g_assert_cmpuint(n, ==, 4);
    for (i = 0; i < n; i++) {
        static const unsigned since[] = { 0, 1, 1, 2 };
        unsigned at = ((char *)items[i].info.host - memory) / 4096;

        g_assert_true(dma_maps_moment(maps, &items[i].info, &moment));
        g_assert_cmpuint(moment, ==, first + since[at]);
    }
    end(maps, memory + 3 * 4096, true);
    items[0].info.host = memory + 3 * 4096;
    items[0].info.revoke = NULL;
    g_assert_false(dma_maps_moment(maps, &items[0].info, &moment));
    dma_maps_free(maps);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/dma-maps/basic", test_basic);
    g_test_add_func("/dma-maps/twice", test_twice);
    g_test_add_func("/dma-maps/refused", test_refused);
    g_test_add_func("/dma-maps/changed-unmap", test_changed_unmap);
    g_test_add_func("/dma-maps/standing", test_standing);
    g_test_add_func("/dma-maps/standing-vague", test_standing_vague);
    g_test_add_func("/dma-maps/abandon", test_abandon);
    g_test_add_func("/dma-maps/vague", test_vague);
    g_test_add_func("/dma-maps/mark", test_mark);
    g_test_add_func("/dma-maps/pinned", test_pinned);
    g_test_add_func("/dma-maps/forget-tags", test_forget_tags);
    g_test_add_func("/dma-maps/list", test_list);
    g_test_add_func("/dma-maps/moments", test_moments);
    g_test_add_func("/dma-maps/clear", test_clear);
    g_test_add_func("/dma-maps/flood", test_flood);
    g_test_add_func("/dma-maps/concerned", test_concerned);
    g_test_add_func("/dma-maps/crowd", test_crowd);
    g_test_add_func("/dma-maps/none", test_none);
    g_test_add_func("/dma-maps/exact", test_exact);
    g_test_add_func("/dma-maps/ambiguous", test_ambiguous);
    g_test_add_func("/dma-maps/threads", test_threads);
    g_test_add_func("/dma-maps/count-orders", test_count_orders);
    return g_test_run();
}

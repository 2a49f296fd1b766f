/*
 * Unit tests of the records of DMA maps in flight
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "system/dma-maps.h"
#include "test-common.h"

#define NOBODY UINT64_MAX

static char memory[1 << 20];

static void revoke_a(void *opaque)
{
}

static void revoke_b(void *opaque)
{
}

static void add(DMAMaps *maps, uint64_t iova, uint64_t len, void *host,
                bool is_write)
{
    DMAMapInfo info = {
        .iova = iova, .len = len, .host = host, .is_write = is_write,
    };

    dma_maps_add(maps, &info);
}

static void add_standing(DMAMaps *maps, uint64_t iova, uint64_t len,
                         void *host, DMARevoke *revoke, void *opaque)
{
    DMAMapInfo info = {
        .iova = iova, .len = len, .host = host, .is_write = true,
        .revoke = revoke, .revoke_opaque = opaque,
    };

    dma_maps_add(maps, &info);
}

/* End a map; returns how many waited records went, or -1 if there was none. */
static int end(DMAMaps *maps, void *host, uint64_t len, bool is_write)
{
    unsigned waited = 12345;

    if (!dma_maps_remove(maps, host, len, is_write, &waited)) {
        g_assert_cmpuint(waited, ==, 0);
        return -1;
    }
    return waited;
}

static bool always(void *opaque, const DMAMapInfo *info)
{
    return true;
}

static bool never(void *opaque, const DMAMapInfo *info)
{
    return false;
}

static bool at_iova(void *opaque, const DMAMapInfo *info)
{
    return info->iova == *(uint64_t *)opaque;
}

static GArray *revoked;

static unsigned scan(DMAMaps *maps, uint64_t first, uint64_t last,
                     uint64_t seq)
{
    return dma_maps_scan(maps, first, last, always, NULL, seq, revoked);
}

static void count_one(void *opaque, const DMAMapInfo *info)
{
    ++*(unsigned *)opaque;
}

static unsigned records(DMAMaps *maps)
{
    unsigned n = 0;

    dma_maps_foreach(maps, count_one, &n);
    return n;
}

static DMAMaps *start(void)
{
    revoked = g_array_new(false, false, sizeof(DMAMapInfo));
    return dma_maps_new();
}

static void finish(DMAMaps *maps)
{
    g_array_free(revoked, true);
    dma_maps_free(maps);
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
    g_assert_cmpint(end(maps, memory, 0x200, true), ==, -1);
    dma_maps_add(maps, &info);
    g_assert_cmpuint(dma_maps_count(maps), ==, 1);
    g_assert_cmphex(dma_maps_oldest_wait(maps, NULL), ==, NOBODY);
    g_assert_cmpint(end(maps, memory, 0x200, false), ==, -1);
    g_assert_cmpint(end(maps, memory + 0x200, 0x200, true), ==, -1);

    /* Beside it; not stale; stale; stamped already. */
    g_assert_cmpuint(scan(maps, 0, 0xfff, 1), ==, 0);
    g_assert_cmpuint(scan(maps, 0x1200, NOBODY, 1), ==, 0);
    g_assert_cmpuint(dma_maps_scan(maps, 0, NOBODY, never, NULL, 1, revoked),
                     ==, 0);
    g_assert_cmphex(dma_maps_oldest_wait(maps, &out), ==, NOBODY);
    g_assert_cmpuint(scan(maps, 0x11ff, 0x11ff, 2), ==, 1);
    g_assert_cmpuint(scan(maps, 0x1000, 0x1000, 3), ==, 0);
    g_assert_cmphex(dma_maps_oldest_wait(maps, &out), ==, 2);
    g_assert_cmphex(out.iova, ==, 0x1000);
    g_assert_cmphex(out.len, ==, 0x200);
    g_assert_cmphex(out.tag, ==, 7);
    g_assert_cmpint(out.pasid, ==, 99);
    g_assert_true(out.host == memory && out.is_write);
    g_assert_cmpint(end(maps, memory, 0x200, true), ==, 1);
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

/* Through one IOVA: interchangeable, but what is waited for stays longest. */
static void test_same_iova(void)
{
    DMAMaps *maps = start();

    add(maps, 0x1000, 512, memory, true);
    g_assert_cmpuint(scan(maps, 0, NOBODY, 5), ==, 1);
    add(maps, 0x1000, 512, memory, true);
    g_assert_cmpuint(scan(maps, 0, NOBODY, 6), ==, 1);
    add(maps, 0x1000, 512, memory, true);
    g_assert_cmpint(end(maps, memory, 512, true), ==, 0);
    g_assert_cmphex(dma_maps_oldest_wait(maps, NULL), ==, 5);
    g_assert_cmpint(end(maps, memory, 512, true), ==, 1);
    g_assert_cmphex(dma_maps_oldest_wait(maps, NULL), ==, 5);
    g_assert_cmpint(end(maps, memory, 512, true), ==, 1);
    g_assert_cmphex(dma_maps_oldest_wait(maps, NULL), ==, NOBODY);

    /* One direction is not the other. */
    add(maps, 0x1000, 512, memory, true);
    add(maps, 0x2000, 512, memory, false);
    g_assert_cmpuint(scan(maps, 0x1000, 0x1000, 7), ==, 1);
    g_assert_cmpint(end(maps, memory, 512, false), ==, 0);
    g_assert_cmpint(end(maps, memory, 512, true), ==, 1);
    finish(maps);
}

/* Through different IOVAs, or tags: all or none. */
static void test_mixed(void)
{
    DMAMaps *maps = start();
    uint64_t second = 0x2000;
    DMAMapInfo tagged = {
        .iova = 0x1000, .len = 512, .host = memory, .is_write = true,
        .tag = 1,
    };

    add(maps, 0x1000, 512, memory, true);
    add(maps, 0x2000, 512, memory, true);
    add(maps, 0x1000, 512, memory, true);
    g_assert_cmpuint(dma_maps_scan(maps, 0, NOBODY, at_iova, &second, 3,
                                   revoked), ==, 1);
    g_assert_cmpint(end(maps, memory, 512, true), ==, 0);
    g_assert_cmpint(end(maps, memory, 512, true), ==, 0);
    g_assert_cmpuint(dma_maps_count(maps), ==, 1);
    g_assert_cmphex(dma_maps_oldest_wait(maps, NULL), ==, 3);
    add(maps, 0x2000, 512, memory, true);
    g_assert_cmpint(end(maps, memory, 512, true), ==, 0);
    g_assert_cmphex(dma_maps_oldest_wait(maps, NULL), ==, 3);
    g_assert_cmpint(end(maps, memory, 512, true), ==, 1);
    g_assert_cmphex(dma_maps_oldest_wait(maps, NULL), ==, NOBODY);
    g_assert_cmpuint(dma_maps_count(maps), ==, 0);
    g_assert_cmpuint(records(maps), ==, 0);

    /* It has forgotten that it was mixed. */
    add(maps, 0x3000, 512, memory, true);
    add(maps, 0x3000, 512, memory, true);
    g_assert_cmpint(end(maps, memory, 512, true), ==, 0);
    g_assert_cmpuint(records(maps), ==, 1);
    g_assert_cmpint(end(maps, memory, 512, true), ==, 0);

    add(maps, 0x1000, 512, memory, true);
    dma_maps_add(maps, &tagged);
    g_assert_cmpint(end(maps, memory, 512, true), ==, 0);
    g_assert_cmpuint(records(maps), ==, 2);
    g_assert_cmpint(end(maps, memory, 512, true), ==, 0);
    g_assert_cmpuint(records(maps), ==, 0);
    finish(maps);
}

static void test_changed_unmap(void)
{
    DMAMaps *maps = start();

    /* Another length */
    add(maps, 0x1000, 4096, memory, true);
    g_assert_cmpint(end(maps, memory, 100, true), ==, 0);
    g_assert_cmpuint(dma_maps_count(maps), ==, 0);

    /* The right length goes first. */
    add(maps, 0x1000, 4096, memory, true);
    add(maps, 0x8000, 512, memory, true);
    g_assert_cmpuint(scan(maps, 0x8000, 0x8000, 1), ==, 1);
    g_assert_cmpint(end(maps, memory, 512, true), ==, 1);
    g_assert_cmpint(end(maps, memory, 4096, true), ==, 0);

    /* Another length than either of two: both are meant until both ended. */
    add(maps, 0x1000, 4096, memory, true);
    add(maps, 0x8000, 512, memory, true);
    add(maps, 0x9000, 1024, memory, true);
    add(maps, 0x9000, 1024, memory, false);
    g_assert_cmpuint(scan(maps, 0x8000, 0x9000, 1), ==, 3);
    g_assert_cmpint(end(maps, memory, 100, true), ==, 0);
    g_assert_cmpint(end(maps, memory, 512, true), ==, 0);
    g_assert_cmphex(dma_maps_oldest_wait(maps, NULL), ==, 1);
    g_assert_cmpint(end(maps, memory, 4096, true), ==, 2);
    g_assert_cmpint(end(maps, memory, 1024, false), ==, 1);
    g_assert_cmpuint(dma_maps_count(maps), ==, 0);

    /* An advanced pointer, if there is one request that it can be */
    add(maps, 0x1000, 4096, memory, true);
    add(maps, 0x4000, 4096, memory + 8192, true);
    add_standing(maps, 0x5000, 4096, memory, revoke_a, NULL);
    g_assert_cmpint(end(maps, memory + 4096, 10, true), ==, -1);
    g_assert_cmpint(end(maps, memory + 4095, 10, false), ==, -1);
    g_assert_cmpint(end(maps, memory + 4095, 10, true), ==, 0);
    g_assert_cmpint(end(maps, memory + 4095, 10, true), ==, -1);
    add(maps, 0x1000, 4096, memory + 8192 - 2048, true);
    g_assert_cmpint(end(maps, memory + 8192 + 1, 10, true), ==, -1);
    g_assert_cmpint(end(maps, memory + 8192 - 1, 10, true), ==, 0);
    g_assert_cmpuint(dma_maps_count(maps), ==, 2);
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
    g_assert_true(dma_maps_remove_standing(maps, memory, 1024, true, revoke_a,
                                           &owner1));
    g_assert_false(dma_maps_remove_standing(maps, memory, 1024, true, revoke_a,
                                            &owner1));
    /* Mapped again: it can go stale again. */
    add_standing(maps, 0x1000, 1024, memory, revoke_a, &owner1);
    scan(maps, 0, NOBODY, 3);
    g_assert_cmpuint(revoked->len, ==, 3);
    /* The plain call finds it, too. */
    g_assert_cmpint(end(maps, memory, 1024, true), ==, 0);
    g_assert_cmpint(end(maps, memory + 4096, 1024, true), ==, 0);
    g_assert_cmpuint(dma_maps_count(maps), ==, 0);

    /* Beside a request of the same memory each is found for itself. */
    g_array_set_size(revoked, 0);
    add_standing(maps, 0x1000, 1024, memory, revoke_a, &owner1);
    add_standing(maps, 0x2000, 1024, memory, revoke_a, &owner2);
    add(maps, 0x3000, 1024, memory, true);
    g_assert_true(dma_maps_remove_standing(maps, memory, 1024, true, revoke_a,
                                           &owner1));
    g_assert_cmpuint(scan(maps, 0, NOBODY, 4), ==, 1);
    g_assert_cmpuint(revoked->len, ==, 1);
    info = &g_array_index(revoked, DMAMapInfo, 0);
    g_assert_true(info->revoke_opaque == &owner2);
    g_assert_cmpint(end(maps, memory, 1024, true), ==, 1);
    g_assert_cmpint(end(maps, memory, 1024, true), ==, 0);
    g_assert_cmpuint(dma_maps_count(maps), ==, 0);

    /* One of two owners, nobody knows which: neither is ever called. */
    g_array_set_size(revoked, 0);
    add_standing(maps, 0x1000, 1024, memory, revoke_a, &owner1);
    add_standing(maps, 0x1000, 1024, memory, revoke_b, &owner1);
    g_assert_cmpint(end(maps, memory, 1024, true), ==, 0);
    scan(maps, 0, NOBODY, 5);
    g_assert_cmpuint(revoked->len, ==, 0);
    g_assert_cmpuint(dma_maps_count(maps), ==, 0);
    g_assert_cmpint(end(maps, memory, 1024, true), ==, -1);
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
    g_assert_cmpint(end(maps, memory, 512, true), ==, 0);
    g_assert_cmpint(end(maps, memory + 512, 512, true), ==, 0);
    g_assert_cmpint(end(maps, memory + 1024, 512, true), ==, 1);

    /* What is left after an unmap may be either: give up for both only. */
    add(maps, 0x1000, 512, memory, true);
    g_assert_cmpuint(scan(maps, 0, NOBODY, 110), ==, 1);
    add(maps, 0x1000, 512, memory, true);
    g_assert_cmpuint(scan(maps, 0, NOBODY, 115), ==, 1);
    g_assert_cmpint(end(maps, memory, 512, true), ==, 1);
    g_assert_cmpuint(dma_maps_abandon(maps, 110), ==, 0);
    g_assert_cmphex(dma_maps_oldest_wait(maps, NULL), >, 110);
    g_assert_cmphex(dma_maps_oldest_wait(maps, NULL), <=, 115);
    g_assert_cmpuint(dma_maps_abandon(maps, 115), ==, 1);
    g_assert_cmphex(dma_maps_oldest_wait(maps, NULL), ==, NOBODY);
    g_assert_cmpint(end(maps, memory, 512, true), ==, 0);

    /* It may be the one that was not stale then. */
    add(maps, 0x1000, 512, memory, true);
    g_assert_cmpuint(scan(maps, 0, NOBODY, 120), ==, 1);
    add(maps, 0x1000, 512, memory, true);
    g_assert_cmpint(end(maps, memory, 512, true), ==, 0);
    g_assert_cmpuint(dma_maps_abandon(maps, 120), ==, 1);
    g_assert_cmpuint(scan(maps, 0, NOBODY, 125), ==, 1);
    g_assert_cmpint(end(maps, memory, 512, true), ==, 1);
    g_assert_cmpuint(dma_maps_count(maps), ==, 0);
    finish(maps);
}

/* A scan that was put off, so that a younger one has stamped before it */
static void test_restamp(void)
{
    DMAMaps *maps = start();
    DMAMapInfo out;
    unsigned i;

    add(maps, 0x1000, 512, memory, true);
    add(maps, 0x2000, 512, memory + 512, true);
    g_assert_cmpuint(scan(maps, 0x1000, 0x1000, 5), ==, 1);
    g_assert_cmpuint(scan(maps, 0x2000, 0x2000, 6), ==, 1);
    /* Not of what was stamped; not stale then; younger still */
    g_assert_cmpuint(scan(maps, 0x3000, NOBODY, 2), ==, 0);
    g_assert_cmpuint(dma_maps_scan(maps, 0, NOBODY, never, NULL, 2, revoked),
                     ==, 0);
    g_assert_cmpuint(scan(maps, 0, NOBODY, 7), ==, 0);
    g_assert_cmphex(dma_maps_oldest_wait(maps, &out), ==, 5);
    g_assert_cmphex(out.iova, ==, 0x1000);
    /* Waited for already, but sooner from now on */
    g_assert_cmpuint(scan(maps, 0x2000, 0x2000, 3), ==, 0);
    g_assert_cmphex(dma_maps_oldest_wait(maps, &out), ==, 3);
    g_assert_cmphex(out.iova, ==, 0x2000);
    /* Given up as what it is now, and for good */
    g_assert_cmpuint(dma_maps_abandon(maps, 2), ==, 0);
    g_assert_cmpuint(dma_maps_abandon(maps, 3), ==, 1);
    g_assert_cmphex(dma_maps_oldest_wait(maps, NULL), ==, 5);
    g_assert_cmpuint(scan(maps, 0, NOBODY, 4), ==, 0);
    g_assert_cmphex(dma_maps_oldest_wait(maps, &out), ==, 4);
    g_assert_cmphex(out.iova, ==, 0x1000);
    g_assert_cmpint(end(maps, memory + 512, 512, true), ==, 0);
    g_assert_cmpint(end(maps, memory, 512, true), ==, 1);
    g_assert_cmphex(dma_maps_oldest_wait(maps, NULL), ==, NOBODY);

    /* What is left may be the one that the younger scan meant. */
    add(maps, 0x1000, 512, memory, true);
    add(maps, 0x1000, 512, memory, true);
    g_assert_cmpuint(scan(maps, 0, NOBODY, 10), ==, 2);
    g_assert_cmpint(end(maps, memory, 512, true), ==, 1);
    g_assert_cmpuint(scan(maps, 0, NOBODY, 8), ==, 0);
    g_assert_cmphex(dma_maps_oldest_wait(maps, NULL), ==, 8);
    g_assert_cmpuint(dma_maps_abandon(maps, 8), ==, 0);
    g_assert_cmphex(dma_maps_oldest_wait(maps, NULL), ==, 9);
    g_assert_cmpuint(dma_maps_abandon(maps, 10), ==, 1);
    g_assert_cmphex(dma_maps_oldest_wait(maps, NULL), ==, NOBODY);
    g_assert_cmpint(end(maps, memory, 512, true), ==, 0);

    /* A shared record is stale whatever the tables say. */
    add(maps, 0, 4096, memory, true);
    for (i = 1; i < 1000; i++) {
        add(maps, (uint64_t)i << 12, 4096, memory, true);
        g_assert_cmpint(end(maps, memory, 4096, true), ==, 0);
    }
    g_assert_cmpuint(dma_maps_scan(maps, 0, 0, never, NULL, 20, revoked), ==,
                     1);
    g_assert_cmpuint(dma_maps_scan(maps, 0, 0, never, NULL, 18, revoked), ==,
                     0);
    g_assert_cmphex(dma_maps_oldest_wait(maps, NULL), ==, 18);
    g_assert_cmpint(end(maps, memory, 4096, true), ==, 1);
    g_assert_cmpuint(dma_maps_count(maps), ==, 0);
    finish(maps);
}

/* The device is gone, and with it whatever it had. */
static void test_clear(void)
{
    DMAMaps *maps = start();
    unsigned round, i;
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
        /* Mixed, one of it ended, one waited for */
        add(maps, 0x4000, 512, memory + 8192, true);
        add(maps, 0x5000, 512, memory + 8192, true);
        g_assert_cmpint(end(maps, memory + 8192, 512, true), ==, 0);
        g_assert_cmpuint(scan(maps, 0x5000, 0x5000, 3), ==, 1);
        /* Standing, revoked and not */
        add_standing(maps, 0x6000, 512, memory, revoke_a, &owner);
        scan(maps, 0x6000, 0x6000, 4);
        g_assert_cmpuint(revoked->len, ==, 1);
        add_standing(maps, 0x7000, 512, memory, revoke_b, &owner);
        /* So many that they share a record */
        add(maps, 0, 4096, memory + 4096, true);
        for (i = 1; i < 1000; i++) {
            add(maps, (uint64_t)i << 20, 4096, memory + 4096, true);
            g_assert_cmpint(end(maps, memory + 4096, 4096, true), ==, 0);
        }
        g_assert_cmpuint(dma_maps_scan(maps, NOBODY, NOBODY, never, NULL, 5,
                                       revoked), ==, 1);
        g_assert_cmpuint(dma_maps_count(maps), ==, 7);

        g_assert_cmpuint(dma_maps_clear(maps), ==, 3);
        g_assert_cmpuint(dma_maps_count(maps), ==, 0);
        g_assert_cmpuint(records(maps), ==, 0);
        g_assert_cmphex(dma_maps_oldest_wait(maps, NULL), ==, NOBODY);
        g_assert_cmpuint(dma_maps_abandon(maps, NOBODY), ==, 0);
        g_assert_cmpuint(dma_maps_clear(maps), ==, 0);

        /* Another device's map is found, what is gone is not. */
        add(maps, 0x9000, 512, memory + 65536, true);
        g_assert_cmpint(end(maps, memory, 512, true), ==, -1);
        g_assert_cmpint(end(maps, memory + 512, 512, true), ==, -1);
        g_assert_cmpint(end(maps, memory + 8192, 512, true), ==, -1);
        g_assert_cmpint(end(maps, memory + 4096, 4096, true), ==, -1);
        g_assert_false(dma_maps_remove_standing(maps, memory, 512, true,
                                                revoke_b, &owner));
        g_assert_cmpuint(scan(maps, 0, NOBODY, 6), ==, 1);
        g_assert_cmpuint(revoked->len, ==, 1);
        g_assert_cmpint(end(maps, memory + 65536, 512, true), ==, 1);
        g_assert_cmpuint(dma_maps_count(maps), ==, 0);
    }
    finish(maps);
}

/* A mixed group that is never empty does not grow without end. */
static void test_endless(void)
{
    DMAMaps *maps = start();
    unsigned i, n = 100000;

    add(maps, 0, 4096, memory, true);
    for (i = 1; i < n; i++) {
        add(maps, (uint64_t)i << 12, 4096, memory, true);
        g_assert_cmpint(end(maps, memory, 4096, true), ==, 0);
    }
    g_assert_cmpuint(records(maps), <, 1000);
    g_assert_cmpuint(dma_maps_count(maps), ==, 1);
    /* Whatever it was that did not end is still waited for. */
    g_assert_cmpuint(dma_maps_scan(maps, (uint64_t)n << 11, (uint64_t)n << 11,
                                   never, NULL, 1, revoked), ==, 1);
    g_assert_cmphex(dma_maps_oldest_wait(maps, NULL), ==, 1);
    /* Given up, unless something has gone stale since */
    g_assert_cmpuint(scan(maps, 1, 1, 2), ==, 1);
    g_assert_cmpuint(dma_maps_abandon(maps, 1), ==, 0);
    g_assert_cmphex(dma_maps_oldest_wait(maps, NULL), ==, 2);
    g_assert_cmpuint(dma_maps_abandon(maps, 2), ==, 2);
    g_assert_cmphex(dma_maps_oldest_wait(maps, NULL), ==, NOBODY);
    g_assert_cmpuint(dma_maps_scan(maps, 5, 5, never, NULL, 3, revoked), ==,
                     1);
    g_assert_cmpint(end(maps, memory, 4096, true), ==, 1);
    g_assert_cmpuint(records(maps), ==, 0);
    finish(maps);
}

/*
 * Random, where nothing is ambiguous (every host address once): the truth and
 * the records must agree exactly.
 */
typedef struct Truth {
    DMAMapInfo info;
    uint64_t stamp;              /* 0: not waited for */
    bool done;                   /* given up, or revoked */
} Truth;

/* Which 4 KiB chunks of IOVA are stale, by a hash */
typedef struct StaleSet {
    uint64_t salt;
} StaleSet;

static bool is_stale(void *opaque, const DMAMapInfo *info)
{
    StaleSet *set = opaque;
    uint64_t x = (info->iova >> 12 ^ set->salt) * 0x9e3779b97f4a7c15ull;

    return x >> 62 == 0;
}

static bool overlaps(const DMAMapInfo *info, uint64_t first, uint64_t last)
{
    uint64_t end = info->iova + (info->len - 1);

    if (end < info->iova) {
        end = UINT64_MAX;
    }
    return info->iova <= last && end >= first;
}

static uint64_t random_iova(Rand *r)
{
    static const uint64_t bases[] = { 0, 1ull << 32, 1ull << 63, -65536ull };

    return bases[rand_below(r, ARRAY_SIZE(bases))] + rand_below(r, 65536);
}

static void random_range(Rand *r, uint64_t *first, uint64_t *last)
{
    uint64_t a = random_iova(r), b = random_iova(r);

    if (rand_below(r, 2)) {
        b = a + rand_below(r, 8192);
        b = b < a ? UINT64_MAX : b;
    }
    *first = MIN(a, b);
    *last = MAX(a, b);
}

static uint64_t truth_oldest(GArray *truth)
{
    uint64_t oldest = NOBODY;
    unsigned i;

    for (i = 0; i < truth->len; i++) {
        Truth *t = &g_array_index(truth, Truth, i);

        if (t->stamp) {
            oldest = MIN(oldest, t->stamp);
        }
    }
    return oldest;
}

static void test_exact(void)
{
    Rand r = rand_new();
    DMAMaps *maps = start();
    GArray *truth = g_array_new(false, false, sizeof(Truth));
    uint64_t seq = 0, next_host = 0;
    unsigned step, i;

    for (step = 0; step < rounds(40000); step++) {
        switch (rand_below(&r, 16)) {
        case 0 ... 6:
            if (truth->len < 200) {
                Truth t = {
                    .info = {
                        .iova = random_iova(&r),
                        .len = 1 + (rand64(&r) >> (32 + rand_below(&r, 32))),
                        .host = memory + next_host++ * 16 % sizeof(memory),
                        .is_write = rand_below(&r, 2),
                        .tag = rand_below(&r, 2),
                    },
                };

                if (rand_below(&r, 4) == 0) {
                    t.info.revoke = rand_below(&r, 2) ? revoke_a : revoke_b;
                    t.info.revoke_opaque = memory + rand_below(&r, 2);
                }
                g_array_append_val(truth, t);
                dma_maps_add(maps, &t.info);
            }
            break;
        case 7 ... 13:
            if (truth->len) {
                Truth t;

                i = rand_below(&r, truth->len);
                t = g_array_index(truth, Truth, i);
                g_array_remove_index_fast(truth, i);
                if (t.info.revoke && rand_below(&r, 2)) {
                    g_assert_true(dma_maps_remove_standing(maps, t.info.host,
                        t.info.len, t.info.is_write, t.info.revoke,
                        t.info.revoke_opaque));
                } else {
                    g_assert_cmpint(end(maps, t.info.host,
                                        t.info.len + !rand_below(&r, 8),
                                        t.info.is_write), ==, !!t.stamp);
                }
            }
            break;
        case 14: {
            StaleSet set = { rand64(&r) };
            unsigned stamped = 0, revokes = 0;
            uint64_t first, last;

            random_range(&r, &first, &last);
            seq++;
            for (i = 0; i < truth->len; i++) {
                Truth *t = &g_array_index(truth, Truth, i);

                if (t->stamp || t->done || !overlaps(&t->info, first, last) ||
                    !is_stale(&set, &t->info)) {
                    continue;
                }
                if (t->info.revoke) {
                    t->done = true;
                    revokes++;
                } else {
                    t->stamp = seq;
                    stamped++;
                }
            }
            g_array_set_size(revoked, 0);
            g_assert_cmpuint(dma_maps_scan(maps, first, last, is_stale, &set,
                                           seq, revoked), ==, stamped);
            g_assert_cmpuint(revoked->len, ==, revokes);
            break;
        }
        case 15:
            if (rand_below(&r, 8) == 0) {
                uint64_t upto = seq - MIN(seq, rand_below(&r, 20));
                unsigned given_up = 0;

                for (i = 0; i < truth->len; i++) {
                    Truth *t = &g_array_index(truth, Truth, i);

                    if (t->stamp && t->stamp <= upto) {
                        t->stamp = 0;
                        t->done = true;
                        given_up++;
                    }
                }
                g_assert_cmpuint(dma_maps_abandon(maps, upto), ==, given_up);
            }
            break;
        }
        g_assert_cmpuint(dma_maps_count(maps), ==, truth->len);
        g_assert_cmphex(dma_maps_oldest_wait(maps, NULL), ==,
                        truth_oldest(truth));
    }
    g_array_free(truth, true);
    finish(maps);
}

/*
 * Random, with everything ambiguous: few host addresses, many IOVAs, lengths
 * that change.  What is really in flight and was found stale must be waited
 * for, whatever the records believe; and when nothing is in flight nothing
 * may be waited for.
 */
static void test_ambiguous(void)
{
    Rand r = rand_new();
    static const unsigned lens[] = { 512, 1024, 4096 };
    unsigned round, step, i, shared = 0;

    for (round = 0; round < rounds(20); round++) {
        DMAMaps *maps = start();
        GArray *truth = g_array_new(false, false, sizeof(Truth));
        unsigned hosts = 1 + rand_below(&r, 3);
        unsigned iovas = 1 + rand_below(&r, 40);
        unsigned odd = rand_below(&r, 2) ? 0 : 16;
        unsigned most = 2 + rand_below(&r, 30);
        uint64_t seq = 0;

        for (step = 0; step < 4000; step++) {
            unsigned what = rand_below(&r, 100);

            if (what < 45 && truth->len < most) {
                Truth t = {
                    .info = {
                        .iova = (uint64_t)rand_below(&r, iovas) << 12,
                        .len = lens[rand_below(&r, odd ? 3 : 1)],
                        .host = memory + rand_below(&r, hosts) * 65536,
                        .is_write = true,
                        .tag = rand_below(&r, 8) == 0,
                    },
                };

                g_array_append_val(truth, t);
                dma_maps_add(maps, &t.info);
            } else if (what < 90 && truth->len) {
                Truth t;
                uint64_t len;

                i = rand_below(&r, truth->len);
                t = g_array_index(truth, Truth, i);
                g_array_remove_index_fast(truth, i);
                len = t.info.len;
                if (odd && rand_below(&r, odd) == 0) {
                    len -= 8;
                }
                g_assert_cmpint(end(maps, t.info.host, len, true), >=, 0);
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
                dma_maps_scan(maps, first, last, is_stale, &set, seq, revoked);
            } else if (what == 99 && rand_below(&r, 4) == 0) {
                uint64_t upto = seq - MIN(seq, rand_below(&r, 5));

                for (i = 0; i < truth->len; i++) {
                    Truth *t = &g_array_index(truth, Truth, i);

                    if (t->stamp && t->stamp <= upto) {
                        t->stamp = 0;
                        t->done = true;
                    }
                }
                dma_maps_abandon(maps, upto);
            }
            g_assert_cmpuint(dma_maps_count(maps), ==, truth->len);
            g_assert_cmphex(dma_maps_oldest_wait(maps, NULL), <=,
                            truth_oldest(truth));
            if (!truth->len) {
                g_assert_cmphex(dma_maps_oldest_wait(maps, NULL), ==, NOBODY);
                g_assert_cmpuint(records(maps), ==, 0);
            }
        }
        shared = MAX(shared, records(maps));
        while (truth->len) {
            Truth *t = &g_array_index(truth, Truth, truth->len - 1);

            end(maps, t->info.host, t->info.len, true);
            g_array_set_size(truth, truth->len - 1);
        }
        g_assert_cmpuint(dma_maps_count(maps), ==, 0);
        g_assert_cmpuint(records(maps), ==, 0);
        g_array_free(truth, true);
        finish(maps);
    }
    g_test_message("at most %u records", shared);
}

/* Threads map and unmap the same memory while another scans. */
#define MAPPERS 3

typedef struct Mapper {
    DMAMaps *maps;
    Rand rand;
    unsigned steps;
    uint64_t waited;
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
        unsigned waited;

        add(m->maps, (uint64_t)page << 12, 4096, host, true);
        if (rand_below(&m->rand, 8) == 0) {
            sched_yield();
        }
        g_assert_true(dma_maps_remove(m->maps, host, 4096, true, &waited));
        m->waited += waited;
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
        g_assert_cmpint(end(ordered_maps, memory, 512, true), ==, 0);
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

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/dma-maps/basic", test_basic);
    g_test_add_func("/dma-maps/same-iova", test_same_iova);
    g_test_add_func("/dma-maps/mixed", test_mixed);
    g_test_add_func("/dma-maps/changed-unmap", test_changed_unmap);
    g_test_add_func("/dma-maps/standing", test_standing);
    g_test_add_func("/dma-maps/abandon", test_abandon);
    g_test_add_func("/dma-maps/restamp", test_restamp);
    g_test_add_func("/dma-maps/clear", test_clear);
    g_test_add_func("/dma-maps/endless", test_endless);
    g_test_add_func("/dma-maps/exact", test_exact);
    g_test_add_func("/dma-maps/ambiguous", test_ambiguous);
    g_test_add_func("/dma-maps/threads", test_threads);
    g_test_add_func("/dma-maps/count-orders", test_count_orders);
    return g_test_run();
}

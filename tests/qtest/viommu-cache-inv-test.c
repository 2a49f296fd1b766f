/*
 * The DMA translation cache: what the guest invalidates is gone
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Each test first has the device use a page in all ways, so that whatever can
 * be cached is.  The races have the device's own threads do so all the time;
 * once an invalidation is complete, the page that was replaced is marked as
 * its new owner would, and no device's write may be seen in it, nor the mark
 * by a device's read.
 */
#include "qemu/osdep.h"
#include "qemu/units.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "standard-headers/linux/pci_regs.h"
#include "viommu-dma.h"

#define OTHER_DID   22
#define ROUNDS      40
#define PAGES       8
#define LEN         64

/* The IOVA, and where it leads before and after, by the level of its leaf */
typedef struct Place {
    uint64_t iova, from, to;
    int level;
} Place;

static const Place places[] = {
    { DMA_IOVA, 0x20000000, 0x20005000, 1 },
    { DMA_IOVA, 0x20000000, 0x20400000, 2 },
    /* 2 GiB of memory: the second one is above the hole. */
    { 1 * GiB, 1 * GiB, 4 * GiB, 3 },
};

/* The machine has memory from 4 GiB on, because q35 ends it at 2 GiB. */
static DMARig *new_rig(bool cached)
{
    return dma_new(cached, "-m 4G ");
}

static void map(DMARig *rig, const Place *p, uint64_t gpa)
{
    vtd_map(rig->vtd, &rig->dom, p->iova, gpa, p->level, VTD_PTE_RW);
}

static void test_replaced(bool cached)
{
    /* In thousandths of the leaf */
    static const unsigned places_in_leaf[] = { 0, 3, 150, 999 };
    DMARig *rig = new_rig(cached);
    int scope;
    size_t i, j;

    for (i = 0; i < G_N_ELEMENTS(places); i++) {
        const Place *p = &places[i];

        for (scope = VTD_GLOBAL; scope <= VTD_PAGE; scope++) {
            /* Any page of a leaf will do to invalidate all of it. */
            for (j = 0; j < G_N_ELEMENTS(places_in_leaf); j++) {
                uint64_t at = VTD_LEVEL_SIZE(p->level) / 1000 *
                              places_in_leaf[j] & ~(VTD_PAGE_SIZE - 1);

                map(rig, p, p->from);
                dma_inv(rig, scope, p->iova);
                dma_reaches(rig, p->iova, p->from);
                dma_reaches(rig, p->iova + at, p->from + at);
                map(rig, p, p->to);
                dma_inv(rig, scope, p->iova + at);
                dma_misses(rig, p->iova + at, p->from + at);
                dma_misses(rig, p->iova, p->from);
                dma_reaches(rig, p->iova + at, p->to + at);
                dma_reaches(rig, p->iova, p->to);
            }
        }
        vtd_unmap(rig->vtd, &rig->dom, p->iova, p->level);
        dma_inv(rig, VTD_GLOBAL, 0);
    }
    dma_free(rig);
}

static void test_removed(bool cached)
{
    DMARig *rig = new_rig(cached);
    int scope;
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(places); i++) {
        const Place *p = &places[i];

        for (scope = VTD_GLOBAL; scope <= VTD_PAGE; scope++) {
            map(rig, p, p->from);
            dma_reaches(rig, p->iova, p->from);
            vtd_unmap(rig->vtd, &rig->dom, p->iova, p->level);
            dma_inv(rig, scope, p->iova);
            dma_misses(rig, p->iova, p->from);
            g_assert_cmpuint(dma_run(rig, XDB_WRITE, 1, p->iova, 64, 1), ==, 1);
        }
    }
    dma_free(rig);
}

/* A permission goes, the other one stays. */
static void test_permission(bool cached)
{
    DMARig *rig = new_rig(cached);
    const Place *p = &places[0];
    int scope;

    for (scope = VTD_GLOBAL; scope <= VTD_PAGE; scope++) {
        map(rig, p, p->from);
        dma_inv(rig, scope, p->iova);
        dma_reaches(rig, p->iova, p->from);
        vtd_map(rig->vtd, &rig->dom, p->iova, p->from, 1, VTD_PTE_R);
        dma_inv(rig, scope, p->iova);
        g_assert_true(dma_reads(rig, p->iova, p->from));
        g_assert_false(dma_writes(rig, p->iova, p->from));
        vtd_map(rig->vtd, &rig->dom, p->iova, p->from, 1, VTD_PTE_W);
        dma_inv(rig, scope, p->iova);
        g_assert_false(dma_reads(rig, p->iova, p->from));
        g_assert_true(dma_writes(rig, p->iova, p->from));
    }
    dma_free(rig);
}

/*
 * Many pages, mapped in one piece by the device: some of them are replaced,
 * first one of them, then as many as an address mask says.
 */
static void test_range(bool cached)
{
    DMARig *rig = new_rig(cached);
    const Place *p = &places[0];
    const uint64_t other = p->from + 2 * PAGES * VTD_PAGE_SIZE;
    int i, am;

    for (am = 0; 1 << am <= PAGES; am++) {
        for (i = 0; i < PAGES; i++) {
            uint64_t at = i * VTD_PAGE_SIZE;

            vtd_map(rig->vtd, &rig->dom, p->iova + at, p->from + at, 1,
                    VTD_PTE_RW);
        }
        dma_inv(rig, VTD_DOMAIN, 0);
        for (i = 0; i < 2; i++) {
            dma_run(rig, XDB_READ, i, p->iova, PAGES * VTD_PAGE_SIZE, PAGES);
            dma_run(rig, XDB_MAP_WRITE, i, p->iova, PAGES * VTD_PAGE_SIZE,
                    PAGES);
            dma_run(rig, XDB_WRITE, i, p->iova, 64, PAGES);
        }
        for (i = 0; i < 1 << am; i++) {
            uint64_t at = i * VTD_PAGE_SIZE;

            vtd_map(rig->vtd, &rig->dom, p->iova + at, other + at, 1,
                    VTD_PTE_RW);
        }
        vtd_inv_iotlb(rig->vtd, VTD_QUEUED, VTD_PAGE, DMA_DID, p->iova, am);
        for (i = 0; i < PAGES; i++) {
            uint64_t at = i * VTD_PAGE_SIZE;

            dma_mark(rig, p->from, PAGES);
            dma_mark(rig, other, PAGES);
            g_assert_cmpuint(dma_run(rig, XDB_WRITE, i % 2, p->iova + at,
                                     64, 1), ==, 0);
            g_assert_cmpint(dma_is_marked(rig, p->from, PAGES), ==,
                            i < 1 << am);
            g_assert_cmpint(dma_is_marked(rig, other, PAGES), ==,
                            i >= 1 << am);
        }
        /* One operation that spans all of them */
        dma_mark(rig, p->from, PAGES);
        dma_mark(rig, other, PAGES);
        dma_run(rig, XDB_MAP_FILL, 1, p->iova, PAGES * VTD_PAGE_SIZE, PAGES);
        g_assert_true(dma_is_marked(rig, p->from, 1 << am));
        g_assert_true(viommu_is_filled(rig->vtd, other, 0,
                                       VTD_PAGE_SIZE << am));
    }
    dma_free(rig);
}

/* Where the @i-th of PAGES scattered pages is: no two are neighbours. */
static uint64_t scattered(const Place *p, int i)
{
    return p->from + i * 3 % PAGES * 2 * VTD_PAGE_SIZE;
}

static void map_scattered(DMARig *rig, const Place *p)
{
    int i;

    for (i = 0; i < PAGES; i++) {
        vtd_map(rig->vtd, &rig->dom, p->iova + i * VTD_PAGE_SIZE,
                scattered(p, i), 1, VTD_PTE_RW);
    }
    dma_inv(rig, VTD_DOMAIN, 0);
}

/* Page-table walks so far, of the only unit */
static uint64_t walks(DMARig *rig)
{
    QDict *answer = qtest_qmp(rig->vtd->qts, "{'execute': 'query-viommu'}");
    QDict *info = qobject_to(QDict, qlist_peek(qdict_get_qlist(answer,
                                                               "return")));
    uint64_t n = qdict_get_int(info, "walks");

    qobject_unref(answer);
    return n;
}

/*
 * One operation on scattered pages: those behind the first are looked up
 * together, and each goes when it is replaced.
 */
static void test_ahead(bool cached)
{
    static const XDBCommand commands[] = {
        XDB_READ, XDB_WRITE, XDB_MAP_READ, XDB_MAP_WRITE,
    };
    const uint64_t len = PAGES * VTD_PAGE_SIZE;
    DMARig *rig = new_rig(cached);
    const Place *p = &places[0];
    size_t n;
    int i;

    /* The first time the cache learns whose translations it holds. */
    map_scattered(rig, p);
    dma_run(rig, XDB_READ, 1, p->iova, len, PAGES);
    for (n = 0; n < 2 * G_N_ELEMENTS(commands); n++) {
        XDBCommand command = commands[n / 2];
        unsigned threads = n % 2;
        uint64_t before;

        map_scattered(rig, p);
        before = walks(rig);
        dma_run(rig, command, threads, p->iova, len, PAGES);
        before = walks(rig) - before;
        if (cached) {
            g_assert_cmpuint(before, ==, 2);
        } else {
            g_assert_cmpuint(before, >, 2);
        }
        for (i = 0; i < PAGES; i++) {
            uint64_t at = p->iova + i * VTD_PAGE_SIZE;

            map_scattered(rig, p);
            dma_run(rig, command, threads, p->iova, len, PAGES);
            vtd_map(rig->vtd, &rig->dom, at, p->to + 2 * len, 1, VTD_PTE_RW);
            dma_inv(rig, VTD_PAGE, at);
            dma_misses(rig, at, scattered(p, i));
            dma_reaches(rig, at, p->to + 2 * len);
        }
    }
    dma_free(rig);
}

/* What a page may not be used for, nobody finds out by looking ahead. */
static void test_ahead_rights(bool cached)
{
    DMARig *rig = new_rig(cached);
    const Place *p = &places[0];
    const uint64_t len = PAGES * VTD_PAGE_SIZE;
    const uint64_t at = p->iova + 3 * VTD_PAGE_SIZE;

    map_scattered(rig, p);
    vtd_map(rig->vtd, &rig->dom, at, scattered(p, 3), 1, VTD_PTE_R);
    g_assert_cmpuint(dma_run(rig, XDB_READ, 1, p->iova, len, PAGES), ==, 0);
    g_assert_false(dma_writes(rig, at, scattered(p, 3)));
    g_assert_cmpuint(dma_run(rig, XDB_WRITE, 1, p->iova, len, PAGES), ==, 1);

    /* It may be: nothing that is not there is kept. */
    map_scattered(rig, p);
    vtd_unmap(rig->vtd, &rig->dom, at, 1);
    g_assert_cmpuint(dma_run(rig, XDB_READ, 1, p->iova, len, PAGES), ==, 1);
    vtd_map(rig->vtd, &rig->dom, at, scattered(p, 3), 1, VTD_PTE_RW);
    g_assert_cmpuint(dma_run(rig, XDB_READ, 1, p->iova, len, PAGES), ==, 0);
    dma_reaches(rig, at, scattered(p, 3));
    dma_free(rig);
}

/* One page after the other: what is not there, or not allowed, is no end. */
static void test_neighbours(bool cached)
{
    static const XDBCommand commands[] = {
        XDB_READ, XDB_WRITE, XDB_MAP_READ, XDB_MAP_WRITE,
    };
    DMARig *rig = new_rig(cached);
    const Place *p = &places[0];
    const uint64_t gap = p->iova + 2 * VTD_PAGE_SIZE;
    const uint64_t locked = p->iova + 4 * VTD_PAGE_SIZE;
    size_t n;
    int i;

    map_scattered(rig, p);
    dma_run(rig, XDB_READ, 1, p->iova, 64, PAGES);
    for (n = 0; n < 2 * G_N_ELEMENTS(commands); n++) {
        XDBCommand command = commands[n / 2];
        unsigned threads = n % 2;
        uint64_t before;

        map_scattered(rig, p);
        before = walks(rig);
        dma_run(rig, command, threads, p->iova, 64, PAGES);
        before = walks(rig) - before;
        if (cached) {
            g_assert_cmpuint(before, <=, 3);
        } else {
            g_assert_cmpuint(before, >=, PAGES);
        }
        for (i = 0; i < PAGES; i++) {
            uint64_t at = p->iova + i * VTD_PAGE_SIZE;
            uint64_t to = p->to + 4 * PAGES * VTD_PAGE_SIZE;

            map_scattered(rig, p);
            dma_run(rig, command, threads, p->iova, 64, PAGES);
            vtd_map(rig->vtd, &rig->dom, at, to, 1, VTD_PTE_RW);
            dma_inv(rig, VTD_PAGE, at);
            dma_misses(rig, at, scattered(p, i));
            dma_reaches(rig, at, to);
        }

        map_scattered(rig, p);
        vtd_unmap(rig->vtd, &rig->dom, gap, 1);
        vtd_map(rig->vtd, &rig->dom, locked, scattered(p, 4), 1, VTD_PTE_R);
        dma_run(rig, XDB_READ, threads, p->iova, 64, 2);
        before = walks(rig);
        dma_run(rig, XDB_READ, threads, p->iova + 5 * VTD_PAGE_SIZE, 64, 3);
        if (cached) {
            g_assert_cmpuint(walks(rig) - before, ==, 0);
        }
        g_assert_false(dma_writes(rig, locked, scattered(p, 4)));
        vtd_map(rig->vtd, &rig->dom, gap, scattered(p, 2), 1, VTD_PTE_RW);
        dma_reaches(rig, gap, scattered(p, 2));
    }
    dma_free(rig);
}

/* Another domain: told by a context-cache invalidation of any scope alone. */
static void test_context(bool cached)
{
    DMARig *rig = new_rig(cached);
    VTD *vtd = rig->vtd;
    const Place *p = &places[0];
    VTDDomain other;
    int scope;

    vtd_domain_init(vtd, &other, OTHER_DID, 3);
    vtd_map(vtd, &other, p->iova, p->to, 1, VTD_PTE_RW);
    map(rig, p, p->from);
    for (scope = VTD_GLOBAL; scope <= VTD_PAGE; scope++) {
        dma_reaches(rig, p->iova, p->from);
        vtd_attach(vtd, DMA_SID, &other, VTD_TT_UNTRANSLATED);
        vtd_inv_context(vtd, VTD_QUEUED, scope, DMA_DID, DMA_SID);
        dma_misses(rig, p->iova, p->from);
        dma_reaches(rig, p->iova, p->to);

        /* While nobody looks, the first one's page goes. */
        vtd_unmap(vtd, &rig->dom, p->iova, 1);
        dma_inv(rig, VTD_PAGE, p->iova);
        vtd_attach(vtd, DMA_SID, &rig->dom, VTD_TT_UNTRANSLATED);
        vtd_inv_context(vtd, VTD_QUEUED, scope, OTHER_DID, DMA_SID);
        dma_misses(rig, p->iova, p->from);
        dma_misses(rig, p->iova, p->to);
        map(rig, p, p->from);

        /* And not at all */
        dma_reaches(rig, p->iova, p->from);
        vtd_set_context(vtd, DMA_SID, 0, 0);
        vtd_inv_context(vtd, VTD_QUEUED, scope, DMA_DID, DMA_SID);
        dma_misses(rig, p->iova, p->from);
        vtd_attach(vtd, DMA_SID, &rig->dom, VTD_TT_UNTRANSLATED);
        vtd_inv_context(vtd, VTD_QUEUED, scope, 0, DMA_SID);
    }
    dma_free(rig);
}

/* From pass-through, where the IOVA is the address, to a domain, and back */
static void test_passthrough(bool cached)
{
    DMARig *rig = new_rig(cached);
    VTD *vtd = rig->vtd;
    const Place *p = &places[0];
    int i;

    map(rig, p, p->from);
    for (i = 0; i < 3; i++) {
        dma_reaches(rig, p->iova, p->from);
        dma_misses(rig, p->iova, p->iova);
        vtd_attach(vtd, DMA_SID, &rig->dom, VTD_TT_PASSTHROUGH);
        vtd_inv_context(vtd, VTD_QUEUED, VTD_PAGE, DMA_DID, DMA_SID);
        dma_reaches(rig, p->iova, p->iova);
        dma_misses(rig, p->iova, p->from);
        vtd_attach(vtd, DMA_SID, &rig->dom, VTD_TT_UNTRANSLATED);
        vtd_inv_context(vtd, VTD_QUEUED, VTD_PAGE, DMA_DID, DMA_SID);
    }
    dma_free(rig);
}

static void set_te(VTD *vtd, bool on)
{
    vtd_gcmd(vtd, on ? VTD_G_TE : 0, on ? 0 : VTD_G_TE);
    viommu_until(vtd, !(vtd_read32(vtd, VTD_GSTS) & VTD_G_TE) == !on);
}

static void test_enable(bool cached)
{
    DMARig *rig = new_rig(cached);
    const Place *p = &places[0];
    int i;

    map(rig, p, p->from);
    for (i = 0; i < 3; i++) {
        dma_reaches(rig, p->iova, p->from);
        dma_misses(rig, p->iova, p->iova);
        set_te(rig->vtd, false);
        dma_reaches(rig, p->iova, p->iova);
        dma_misses(rig, p->iova, p->from);
        set_te(rig->vtd, true);
    }
    dma_free(rig);
}

/*
 * A grace period is all that is waited for, not what RCU has to do besides:
 * callbacks wait to be many, and for others.
 */
static void test_stalled_rcu(bool cached)
{
    DMARig *rig = new_rig(cached);
    VTD *vtd = rig->vtd;
    const Place *p = &places[0];

    map(rig, p, p->from);
    dma_stall_rcu(rig);
    set_te(vtd, false);
    set_te(vtd, true);
    g_assert_true(dma_is_rcu_stalled(rig));
    vtd_attach(vtd, DMA_SID, &rig->dom, VTD_TT_PASSTHROUGH);
    vtd_inv_context(vtd, VTD_QUEUED, VTD_PAGE, DMA_DID, DMA_SID);
    vtd_attach(vtd, DMA_SID, &rig->dom, VTD_TT_UNTRANSLATED);
    vtd_inv_context(vtd, VTD_QUEUED, VTD_PAGE, DMA_DID, DMA_SID);
    g_assert_true(dma_is_rcu_stalled(rig));
    dma_unstall_rcu(rig);
    dma_reaches(rig, p->iova, p->from);
    dma_free(rig);
}

/*
 * Whoever holds the BQL may be waiting for the thread that does the access.
 * One that leads to no device does not wait for the BQL.
 */
static void test_held(bool cached)
{
    static const XDBCommand ways[] = {
        XDB_READ, XDB_WRITE, XDB_LOAD, XDB_MAP_READ, XDB_MAP_WRITE, XDB_VRING,
    };
    DMARig *rig = new_rig(cached);
    const Place *p = &places[0];
    const uint64_t nowhere = p->iova + 2 * MiB;
    size_t i;

    for (i = 0; i < PAGES; i++) {
        vtd_map(rig->vtd, &rig->dom, p->iova + i * VTD_PAGE_SIZE, p->from, 1,
                VTD_PTE_RW);
        vtd_map(rig->vtd, &rig->dom, nowhere + 2 * MiB + i * VTD_PAGE_SIZE,
                p->from, 1, VTD_PTE_R);
    }
    for (i = 0; i < G_N_ELEMENTS(ways); i++) {
        uint16_t command = qpci_config_readw(rig->pci, PCI_COMMAND);

        g_assert_true(dma_run_held(rig, ways[i], p->iova, LEN, PAGES));
        g_assert_true(dma_run_held(rig, ways[i], nowhere, LEN, PAGES));
        /* May be read only */
        g_assert_true(dma_run_held(rig, ways[i], nowhere + 2 * MiB, LEN,
                                   PAGES));
        qpci_config_writew(rig->pci, PCI_COMMAND,
                           command & ~PCI_COMMAND_MASTER);
        g_assert_true(dma_run_held(rig, ways[i], p->iova, LEN, PAGES));
        qpci_config_writew(rig->pci, PCI_COMMAND, command);
    }
    dma_free(rig);
}

/* The device's own switch; nobody tells the unit. */
static void test_bus_master(bool cached)
{
    DMARig *rig = new_rig(cached);
    const Place *p = &places[0];
    int i;

    map(rig, p, p->from);
    for (i = 0; i < 3; i++) {
        uint16_t command = qpci_config_readw(rig->pci, PCI_COMMAND);

        dma_reaches(rig, p->iova, p->from);
        qpci_config_writew(rig->pci, PCI_COMMAND,
                           command & ~PCI_COMMAND_MASTER);
        dma_misses(rig, p->iova, p->from);
        dma_misses(rig, p->iova, p->iova);
        qpci_config_writew(rig->pci, PCI_COMMAND, command);
    }
    dma_free(rig);
}

/* The tables stay in memory, and are another's after it. */
static void test_reset(bool cached)
{
    DMARig *rig = new_rig(cached);
    const Place *p = &places[0];

    map(rig, p, p->from);
    dma_reaches(rig, p->iova, p->from);
    vtd_reset(rig->vtd);
    dma_place(rig);
    dma_reaches(rig, p->iova, p->iova);
    dma_misses(rig, p->iova, p->from);
    map(rig, p, p->to);
    vtd_enable(rig->vtd, VTD_QUEUED);
    dma_reaches(rig, p->iova, p->to);
    dma_misses(rig, p->iova, p->from);
    dma_misses(rig, p->iova, p->iova);
    dma_free(rig);
}

/*
 * Races
 */

typedef struct Race {
    const char *name;
    XDBCommand command;
    uint64_t length;
    unsigned pages;          /* that it uses; the last one is replaced */
} Race;

static const Race races[] = {
    { "write", XDB_WRITE, 64, 1 },
    { "write-page", XDB_WRITE, VTD_PAGE_SIZE, 2 },
    { "write-pages", XDB_WRITE, 2 * VTD_PAGE_SIZE, 2 },
    { "map", XDB_MAP_FILL, 512, 1 },
    { "map-pages", XDB_MAP_FILL, 2 * VTD_PAGE_SIZE, 2 },
    { "read", XDB_READ_NOT, 64, 1 },
    { "vring", XDB_VRING, 64, 3 },
};

enum { BY_CONTEXT = VTD_PAGE + 1, BY_TE, WAYS };

static const char *const way_names[] = {
    [VTD_GLOBAL] = "global", [VTD_DOMAIN] = "domain", [VTD_PAGE] = "page",
    [BY_CONTEXT] = "context", [BY_TE] = "te",
};

typedef struct RaceCase {
    const Race *race;
    int way;
    bool cached;
} RaceCase;

/* The two domains or states between which is switched differ in one page. */
static void change(DMARig *rig, const RaceCase *c, VTDDomain *doms,
                   uint64_t iova, const uint64_t *pages, int to)
{
    VTD *vtd = rig->vtd;

    switch (c->way) {
    case BY_CONTEXT:
        vtd_attach(vtd, DMA_SID, &doms[to], VTD_TT_UNTRANSLATED);
        vtd_inv_context(vtd, VTD_QUEUED, VTD_PAGE, doms[!to].did, DMA_SID);
        vtd_inv_iotlb(vtd, VTD_QUEUED, VTD_DOMAIN, doms[!to].did, 0, 0);
        break;
    case BY_TE:
        /* A guest that turns it off has no right to wait for anything. */
        vtd_map(vtd, &rig->dom, iova, pages[to], 1, VTD_PTE_RW);
        set_te(vtd, false);
        dma_inv(rig, VTD_GLOBAL, 0);
        set_te(vtd, true);
        break;
    default:
        vtd_map(vtd, &rig->dom, iova, pages[to], 1, VTD_PTE_RW);
        dma_inv(rig, c->way, iova);
        break;
    }
}

static void test_race(const void *opaque)
{
    const RaceCase *c = opaque;
    const Race *race = c->race;
    DMARig *rig = new_rig(c->cached);
    VTD *vtd = rig->vtd;
    uint64_t iova = DMA_IOVA + (race->pages - 1) * VTD_PAGE_SIZE;
    uint64_t base = vtd_alloc(vtd, race->pages);
    uint64_t pages[2] = { vtd_alloc(vtd, 1), vtd_alloc(vtd, 1) };
    VTDDomain doms[2];
    int i, d;

    doms[0] = rig->dom;
    vtd_domain_init(vtd, &doms[1], OTHER_DID, 4);
    for (d = 0; d < 2; d++) {
        for (i = 0; i < race->pages; i++) {
            vtd_map(vtd, &doms[d], DMA_IOVA + i * VTD_PAGE_SIZE,
                    base + i * VTD_PAGE_SIZE, 1, VTD_PTE_RW);
        }
        vtd_map(vtd, &doms[d], iova, pages[d], 1, VTD_PTE_RW);
    }
    dma_start(rig, race->command, 2, DMA_IOVA, race->length, race->pages);
    for (i = 0; i < ROUNDS; i++) {
        int from = i % 2, to = !from;

        viommu_fill(vtd, pages[to], 0, VTD_PAGE_SIZE);
        change(rig, c, doms, iova, pages, to);
        dma_mark(rig, pages[from], 1);
        dma_go_on(rig);
        g_assert_true(dma_is_marked(rig, pages[from], 1));
    }
    if (race->command == XDB_READ_NOT) {
        g_assert_cmpuint(dma_stop(rig), ==, 0);
    } else {
        dma_stop(rig);
    }
    dma_free(rig);
}

/* Without the cache they are another test of the drain: the least of them. */
static void add_races(bool cached)
{
    size_t i;
    int way;

    for (i = 0; i < G_N_ELEMENTS(races); i++) {
        for (way = cached ? VTD_GLOBAL : VTD_PAGE;
             way < (cached ? WAYS : BY_CONTEXT); way++) {
            g_autofree char *path = g_strdup_printf(
                "viommu/cache/race/%s/%s/%s", races[i].name, way_names[way],
                cached ? "on" : "off");
            RaceCase *c = g_new(RaceCase, 1);

            *c = (RaceCase) { &races[i], way, cached };
            qtest_add_data_func_full(path, c, test_race, g_free);
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    dma_add("replaced", test_replaced);
    dma_add("removed", test_removed);
    dma_add("permission", test_permission);
    dma_add("range", test_range);
    dma_add("ahead", test_ahead);
    dma_add("ahead-rights", test_ahead_rights);
    dma_add("neighbours", test_neighbours);
    dma_add("context", test_context);
    dma_add("pass-through", test_passthrough);
    dma_add("enable", test_enable);
    dma_add("stalled-rcu", test_stalled_rcu);
    dma_add("held", test_held);
    dma_add("bus-master", test_bus_master);
    dma_add("reset", test_reset);
    add_races(true);
    add_races(false);
    return g_test_run();
}

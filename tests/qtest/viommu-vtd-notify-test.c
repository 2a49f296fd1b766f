/*
 * What vhost and VFIO would be told: IOMMU notifiers, through x-iommu-listener
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The device's picture of what is mapped is compared with a walk of the tables
 * that shares nothing with the one under test.
 */
#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "viommu-listener-vtd.h"
#include "viommu-plug.h"

#define DID         5
#define OTHER_DID   6
#define CACHING     "caching-mode=on"
#define MAP_DEVICE  LISTENER_DEVICE "map=on "
#define SEED        20100

#define IOVA        0x40000000ULL
#define PAGE        (VTD_PAGE_SIZE - 1)
#define TARGET      0x10000000ULL
#define SIZE_2M     VTD_LEVEL_SIZE(2)
#define SIZE_1G     VTD_LEVEL_SIZE(3)
/* The address masks of invalidations that are as wide */
#define AM_2M       9
#define AM_1G       18
#define WINDOW      0xfee00000ULL
#define WINDOW_SIZE 0x100000ULL

#define MAPPED(iova, mask, addr, perm) \
    ((Heard) { XIL_MAP, iova, mask, addr, perm })
#define UNMAPPED(iova, mask) \
    ((Heard) { XIL_UNMAP, iova, mask, 0, 0 })
#define DEVTLB(iova, mask) \
    ((Heard) { XIL_DEVTLB, iova, mask, 0, 0 })

typedef struct Stage {
    VTD *vtd;
    Listener *l;
    VTDDomain dom;
    VTDForm form;
} Stage;

static Stage *stage_new_with(const char *unit, const char *devices,
                             VTDForm form, int tt)
{
    Stage *s = g_new0(Stage, 1);

    s->vtd = vtd_start(unit, "%s", devices);
    s->form = form;
    s->l = listener_new(&s->vtd->unit, LISTENER_SID);
    vtd_domain_init(s->vtd, &s->dom, DID, 4);
    vtd_attach(s->vtd, LISTENER_SID, &s->dom, tt);
    g_assert_cmpint(listener_regions(s->l), ==, 0);
    vtd_enable(s->vtd, form);
    g_assert_cmpint(listener_regions(s->l), ==, 2);
    return s;
}

static Stage *stage_new(VTDForm form)
{
    return stage_new_with(CACHING, MAP_DEVICE, form, VTD_TT_UNTRANSLATED);
}

static void stage_free(Stage *s)
{
    listener_free(s->l);
    vtd_stop(s->vtd);
    g_free(s);
}

static void inv_page(Stage *s, uint64_t iova, int am)
{
    vtd_inv_iotlb(s->vtd, s->form, VTD_PAGE, DID, iova, am);
}

static void inv_device(Stage *s)
{
    vtd_inv_context(s->vtd, s->form, VTD_PAGE, DID, LISTENER_SID);
}

static void map(Stage *s, uint64_t iova, uint64_t gpa, int level)
{
    vtd_map(s->vtd, &s->dom, iova, gpa, level, VTD_PTE_RW);
}

/* The guest's order: a strict one, as it is with caching mode */
static void test_page(gconstpointer form)
{
    Stage *s = stage_new(GPOINTER_TO_INT(form));

    LISTENER_SILENT(s->l);
    inv_page(s, IOVA, 0);
    LISTENER_SILENT(s->l);

    map(s, IOVA, TARGET, 1);
    LISTENER_SILENT(s->l);
    inv_page(s, IOVA, 0);
    LISTENER_HEARD(s->l, MAPPED(IOVA, PAGE, TARGET, 3));
    inv_page(s, IOVA, 0);
    LISTENER_SILENT(s->l);
    listener_agrees(s->l, s->vtd, &s->dom);

    map(s, IOVA, TARGET + SIZE_2M, 1);
    inv_page(s, IOVA, 0);
    LISTENER_HEARD(s->l, UNMAPPED(IOVA, PAGE),
                   MAPPED(IOVA, PAGE, TARGET + SIZE_2M, 3));

    vtd_map(s->vtd, &s->dom, IOVA, TARGET, 1, VTD_PTE_R);
    inv_page(s, IOVA, 0);
    LISTENER_HEARD(s->l, UNMAPPED(IOVA, PAGE),
                   MAPPED(IOVA, PAGE, TARGET, VTD_PTE_R));
    vtd_map(s->vtd, &s->dom, IOVA, TARGET, 1, VTD_PTE_W);
    inv_page(s, IOVA, 0);
    LISTENER_HEARD(s->l, UNMAPPED(IOVA, PAGE),
                   MAPPED(IOVA, PAGE, TARGET, VTD_PTE_W));
    listener_agrees(s->l, s->vtd, &s->dom);

    vtd_unmap(s->vtd, &s->dom, IOVA, 1);
    inv_page(s, IOVA, 0);
    LISTENER_HEARD(s->l, UNMAPPED(IOVA, PAGE));
    listener_is_empty(s->l);
    stage_free(s);
}

/* Whatever form the invalidation has, the difference is the same. */
static void test_scopes(void)
{
    static const VTDScope scopes[] = { VTD_PAGE, VTD_DOMAIN, VTD_GLOBAL };
    Stage *s = stage_new(VTD_QUEUED);
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(scopes); i++) {
        VTDScope scope = scopes[i];
        int am = 3;

        map(s, IOVA, TARGET, 1);
        map(s, IOVA + 7 * VTD_PAGE_SIZE, TARGET, 1);
        vtd_inv_iotlb(s->vtd, s->form, scope, DID, IOVA, am);
        LISTENER_HEARD(s->l, MAPPED(IOVA, PAGE, TARGET, 3),
                       MAPPED(IOVA + 7 * VTD_PAGE_SIZE, PAGE, TARGET, 3));
        vtd_unmap(s->vtd, &s->dom, IOVA, 1);
        map(s, IOVA + VTD_PAGE_SIZE, TARGET, 1);
        vtd_inv_iotlb(s->vtd, s->form, scope, DID, IOVA, am);
        LISTENER_HEARD(s->l, UNMAPPED(IOVA, PAGE),
                       MAPPED(IOVA + VTD_PAGE_SIZE, PAGE, TARGET, 3));
        vtd_unmap(s->vtd, &s->dom, IOVA + VTD_PAGE_SIZE, 1);
        vtd_unmap(s->vtd, &s->dom, IOVA + 7 * VTD_PAGE_SIZE, 1);
        /* Somebody else's domain */
        vtd_inv_iotlb(s->vtd, s->form, VTD_DOMAIN, OTHER_DID, 0, 0);
        vtd_inv_iotlb(s->vtd, s->form, VTD_PAGE, OTHER_DID, IOVA, am);
        LISTENER_SILENT(s->l);
        vtd_inv_iotlb(s->vtd, s->form, scope, DID, IOVA, am);
        LISTENER_HEARD(s->l, UNMAPPED(IOVA + VTD_PAGE_SIZE, PAGE),
                       UNMAPPED(IOVA + 7 * VTD_PAGE_SIZE, PAGE));
        listener_is_empty(s->l);
    }
    stage_free(s);
}

/* A table of 4 KiB pages instead of the 2 MiB page, all but one of them */
static void split(Stage *s)
{
    uint64_t table = vtd_alloc(s->vtd, 1);
    int i;

    for (i = 0; i < 512; i++) {
        qtest_writeq(s->vtd->qts, table + i * 8, i == 3 ? 0 :
                     (TARGET + i * VTD_PAGE_SIZE) | VTD_PTE_RW);
    }
    qtest_writeq(s->vtd->qts, vtd_pte(s->vtd, &s->dom, IOVA, 2),
                 table | VTD_PTE_RW);
}

static void test_split(void)
{
    Stage *s = stage_new(VTD_QUEUED);
    static const int ams[] = { AM_2M, 0, 4 };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(ams); i++) {
        map(s, IOVA, TARGET, 2);
        inv_page(s, IOVA, AM_2M);
        LISTENER_HEARD(s->l, MAPPED(IOVA, SIZE_2M - 1, TARGET, 3));
        split(s);
        /* A piece in the middle: what was told as one goes as one. */
        inv_page(s, IOVA + 32 * VTD_PAGE_SIZE, ams[i]);
        g_assert_cmpint(listener_count(s->l), ==, 1 + 511);
        listener_agrees(s->l, s->vtd, &s->dom);
        listener_clear(s->l);
        /* And together again, of which a part is invalidated, too */
        map(s, IOVA, TARGET, 2);
        inv_page(s, IOVA + 32 * VTD_PAGE_SIZE, ams[i]);
        g_assert_cmpint(listener_count(s->l), ==, 511 + 1);
        listener_agrees(s->l, s->vtd, &s->dom);
        vtd_unmap(s->vtd, &s->dom, IOVA, 2);
        inv_page(s, IOVA + SIZE_2M - VTD_PAGE_SIZE, 0);
        listener_is_empty(s->l);
        listener_clear(s->l);
    }
    stage_free(s);
}

static void test_context(void)
{
    Stage *s = stage_new(VTD_QUEUED);
    VTDDomain other;

    map(s, IOVA, TARGET, 1);
    map(s, 0, TARGET, 2);
    vtd_domain_init(s->vtd, &other, OTHER_DID, 3);
    vtd_map(s->vtd, &other, IOVA, TARGET, 1, VTD_PTE_RW);
    vtd_map(s->vtd, &other, SIZE_2M, TARGET, 2, VTD_PTE_RW);
    inv_device(s);
    LISTENER_HEARD(s->l, MAPPED(0, SIZE_2M - 1, TARGET, 3),
                   MAPPED(IOVA, PAGE, TARGET, 3));

    /* Another domain: only what differs */
    vtd_attach(s->vtd, LISTENER_SID, &other, VTD_TT_UNTRANSLATED);
    /* Somebody else's device */
    vtd_inv_context(s->vtd, s->form, VTD_PAGE, DID, LISTENER_SID + 8);
    LISTENER_SILENT(s->l);
    inv_device(s);
    LISTENER_HEARD(s->l, UNMAPPED(0, SIZE_2M - 1),
                   MAPPED(SIZE_2M, SIZE_2M - 1, TARGET, 3));
    listener_agrees(s->l, s->vtd, &other);

    vtd_set_context(s->vtd, LISTENER_SID, 0, 0);
    inv_device(s);
    LISTENER_HEARD(s->l, UNMAPPED(SIZE_2M, SIZE_2M - 1), UNMAPPED(IOVA, PAGE));
    listener_is_empty(s->l);

    /* Back, by an invalidation that names a domain only */
    vtd_attach(s->vtd, LISTENER_SID, &s->dom, VTD_TT_UNTRANSLATED);
    vtd_inv_context(s->vtd, s->form, VTD_DOMAIN, DID, 0);
    listener_agrees(s->l, s->vtd, &s->dom);
    stage_free(s);
}

static void test_pass_through(void)
{
    Stage *s = stage_new(VTD_QUEUED);

    map(s, IOVA, TARGET, 1);
    map(s, SIZE_1G, TARGET, 2);
    inv_device(s);
    listener_agrees(s->l, s->vtd, &s->dom);

    vtd_attach(s->vtd, LISTENER_SID, &s->dom, VTD_TT_PASSTHROUGH);
    inv_device(s);
    g_assert_cmpint(listener_regions(s->l), ==, 0);
    listener_is_empty(s->l);
    listener_clear(s->l);

    /* Changes go unheard now, and are caught up with. */
    map(s, IOVA + SIZE_2M, TARGET, 2);
    vtd_unmap(s->vtd, &s->dom, SIZE_1G, 2);
    inv_page(s, IOVA, AM_1G);
    LISTENER_SILENT(s->l);
    vtd_attach(s->vtd, LISTENER_SID, &s->dom, VTD_TT_UNTRANSLATED);
    inv_device(s);
    g_assert_cmpint(listener_regions(s->l), ==, 2);
    listener_agrees(s->l, s->vtd, &s->dom);
    stage_free(s);
}

static void test_enable(void)
{
    Stage *s = stage_new(VTD_REGISTER);
    int i;

    for (i = 0; i < 3; i++) {
        map(s, IOVA + i * SIZE_2M, TARGET, 1 + i % 2);
        inv_page(s, IOVA + i * SIZE_2M, AM_2M);
        listener_agrees(s->l, s->vtd, &s->dom);
        vtd_gcmd(s->vtd, 0, VTD_G_TE);
        viommu_until(s->vtd, !(vtd_read32(s->vtd, VTD_GSTS) & VTD_G_TE));
        g_assert_cmpint(listener_regions(s->l), ==, 0);
        listener_is_empty(s->l);
        vtd_enable(s->vtd, VTD_REGISTER);
        g_assert_cmpint(listener_regions(s->l), ==, 2);
        listener_agrees(s->l, s->vtd, &s->dom);
    }
    stage_free(s);
}

static void test_reset(void)
{
    Stage *s = stage_new(VTD_QUEUED);

    map(s, IOVA, TARGET, 1);
    map(s, WINDOW & ~(SIZE_1G - 1), TARGET, 3);
    inv_device(s);
    listener_agrees(s->l, s->vtd, &s->dom);
    vtd_reset(s->vtd);
    listener_again(s->l);
    g_assert_cmpint(listener_regions(s->l), ==, 0);
    listener_is_empty(s->l);
    vtd_enable(s->vtd, s->form);
    listener_agrees(s->l, s->vtd, &s->dom);
    stage_free(s);
}

/* The interrupt window is never translated, so nobody is told of it. */
static void test_window(void)
{
    Stage *s = stage_new(VTD_QUEUED);
    uint64_t iova;
    int level;

    for (level = 1; level <= 3; level++) {
        uint64_t size = VTD_LEVEL_SIZE(level);
        uint64_t first = (WINDOW - size) & ~(size - 1);
        GArray *events;
        unsigned i;

        for (iova = first; iova < WINDOW + WINDOW_SIZE + size; iova += size) {
            map(s, iova, iova, level);
        }
        inv_page(s, WINDOW, 8);
        inv_page(s, WINDOW & ~(SIZE_2M - 1), AM_2M);
        inv_page(s, WINDOW & ~(SIZE_1G - 1), AM_1G);
        vtd_inv_iotlb(s->vtd, s->form, VTD_DOMAIN, DID, 0, 0);
        listener_agrees(s->l, s->vtd, &s->dom);
        events = listener_events(s->l);
        g_assert_cmpint(events->len, >, 0);
        for (i = 0; i < events->len; i++) {
            const Heard *e = &g_array_index(events, Heard, i);

            g_assert_true(e->iova + e->mask < WINDOW ||
                          e->iova >= WINDOW + WINDOW_SIZE);
        }
        g_array_free(events, true);
        for (iova = first; iova < WINDOW + WINDOW_SIZE + size; iova += size) {
            vtd_unmap(s->vtd, &s->dom, iova, level);
        }
        inv_page(s, WINDOW, 0);
        vtd_inv_iotlb(s->vtd, s->form, VTD_GLOBAL, DID, 0, 0);
        listener_is_empty(s->l);
        listener_clear(s->l);
        /* The next level's entry may not be a table. */
        vtd_domain_init(s->vtd, &s->dom, DID, 4);
        vtd_attach(s->vtd, LISTENER_SID, &s->dom, VTD_TT_UNTRANSLATED);
        inv_device(s);
    }
    stage_free(s);
}

/* The very ends of what can be translated */
static void test_ends(void)
{
    Stage *s = stage_new(VTD_QUEUED);
    uint64_t top = (1ULL << 48) - SIZE_1G;

    map(s, 0, TARGET, 1);
    map(s, top, TARGET & ~(SIZE_1G - 1), 3);
    vtd_inv_iotlb(s->vtd, s->form, VTD_GLOBAL, DID, 0, 0);
    LISTENER_HEARD(s->l, MAPPED(0, PAGE, TARGET, 3),
                   MAPPED(top, SIZE_1G - 1, 0, 3));
    /* What does not exist, with the bits that a table does not have */
    inv_page(s, ~PAGE, 0);
    inv_page(s, 1ULL << 63, AM_1G);
    LISTENER_SILENT(s->l);
    vtd_unmap(s->vtd, &s->dom, top, 3);
    inv_page(s, top + SIZE_1G - VTD_PAGE_SIZE, 0);
    LISTENER_HEARD(s->l, UNMAPPED(top, SIZE_1G - 1));
    listener_agrees(s->l, s->vtd, &s->dom);
    stage_free(s);
}

/* Entries that fault map nothing, whatever they used to. */
static void test_reserved(void)
{
    Stage *s = stage_new(VTD_QUEUED);
    int bit;

    map(s, IOVA + VTD_PAGE_SIZE, TARGET, 1);
    map(s, IOVA, TARGET, 1);
    inv_device(s);
    listener_agrees(s->l, s->vtd, &s->dom);
    for (bit = 2; bit < 64; bit++) {
        int level = 1 + bit % 4;
        uint64_t entry = vtd_pte(s->vtd, &s->dom, IOVA, level);
        uint64_t old = qtest_readq(s->vtd->qts, entry);

        qtest_writeq(s->vtd->qts, entry, level == 1 || bit < 12 || bit > 47 ?
                     old | 1ULL << bit : old);
        inv_page(s, IOVA, 0);
        vtd_inv_iotlb(s->vtd, s->form, VTD_DOMAIN, DID, 0, 0);
        listener_agrees(s->l, s->vtd, &s->dom);
        qtest_writeq(s->vtd->qts, entry, old);
        vtd_inv_iotlb(s->vtd, s->form, VTD_GLOBAL, 0, 0, 0);
        listener_agrees(s->l, s->vtd, &s->dom);
    }
    stage_free(s);
}

/* A table that is its own next level, in some of its entries */
static void test_loop(void)
{
    Stage *s = stage_new(VTD_QUEUED);
    int i;

    for (i = 0; i < 6; i++) {
        qtest_writeq(s->vtd->qts, s->dom.table + (i * 97 % 512) * 8,
                     s->dom.table | VTD_PTE_RW);
    }
    vtd_inv_iotlb(s->vtd, s->form, VTD_DOMAIN, DID, 0, 0);
    g_assert_cmpint(listener_count(s->l), >, 6 * 6 * 6);
    listener_agrees(s->l, s->vtd, &s->dom);
    qtest_memset(s->vtd->qts, s->dom.table, 0, VTD_PAGE_SIZE);
    vtd_inv_iotlb(s->vtd, s->form, VTD_DOMAIN, DID, 0, 0);
    listener_is_empty(s->l);
    stage_free(s);
}

/* Tables at random, all of them new each time */
static void test_garbage(void)
{
    enum { PAGES = 16, ROUNDS = 60, ENTRIES = 5 };
    Stage *s = stage_new(VTD_QUEUED);
    GRand *rand = g_rand_new_with_seed(SEED);
    uint64_t pages = vtd_alloc(s->vtd, PAGES);
    int round, i;

    for (round = 0; round < ROUNDS; round++) {
        qtest_memset(s->vtd->qts, pages, 0, PAGES * VTD_PAGE_SIZE);
        for (i = 0; i < PAGES * ENTRIES; i++) {
            uint64_t entry = pages | g_rand_int_range(rand, 1, 4) |
                g_rand_int_range(rand, 0, PAGES) * VTD_PAGE_SIZE;

            switch (g_rand_int_range(rand, 0, 8)) {
            case 0:
                entry |= VTD_PTE_PS;
                break;
            case 1:
                entry = (entry & 3) | VTD_PTE_PS | SIZE_1G *
                    g_rand_int_range(rand, 0, 4);
                break;
            case 2:
                entry = (uint64_t)g_rand_int(rand) << 32 | g_rand_int(rand);
                break;
            }
            qtest_writeq(s->vtd->qts, pages + i / ENTRIES * VTD_PAGE_SIZE +
                         g_rand_int_range(rand, 0, 512) * 8, entry);
        }
        s->dom.table = pages;
        vtd_attach(s->vtd, LISTENER_SID, &s->dom, VTD_TT_UNTRANSLATED);
        switch (round % 4) {
        case 0:
            vtd_inv_iotlb(s->vtd, s->form, VTD_DOMAIN, DID, 0, 0);
            break;
        case 1:
            vtd_inv_iotlb(s->vtd, s->form, VTD_GLOBAL, 0, 0, 0);
            break;
        case 2:
            inv_device(s);
            break;
        default:
            vtd_inv_context(s->vtd, s->form, VTD_GLOBAL, 0, 0);
            break;
        }
        listener_agrees(s->l, s->vtd, &s->dom);
        listener_clear(s->l);
    }
    g_rand_free(rand);
    stage_free(s);
}

/*
 * Put @entry at @level, with tables above.  What stood in their way goes.
 * Returns: the level of the highest entry that is another one now.
 */
static int put_entry(Stage *s, uint64_t iova, int level, uint64_t entry)
{
    uint64_t table = s->dom.table;
    int l, highest = level;

    for (l = s->dom.levels; ; l--) {
        uint64_t at = table + (iova >> VTD_LEVEL_SHIFT(l)) % 512 * 8;
        uint64_t old = qtest_readq(s->vtd->qts, at);

        if (l == level) {
            qtest_writeq(s->vtd->qts, at, entry);
            return highest;
        }
        if (!(old & VTD_PTE_RW) || (old & VTD_PTE_PS)) {
            highest = MAX(highest, l);
            old = vtd_alloc(s->vtd, 1) | VTD_PTE_RW;
            qtest_writeq(s->vtd->qts, at, old);
        }
        table = old & VTD_PTE_ADDR;
    }
}

/* A guest that maps and unmaps, and invalidates just what it has to */
static void test_random(void)
{
    enum { ROUNDS = 400 };
    static const uint64_t bases[] = { 0, IOVA, WINDOW & ~(SIZE_1G - 1) };
    Stage *s = stage_new(VTD_QUEUED);
    GRand *rand = g_rand_new_with_seed(SEED + 1);
    int round;

    for (round = 0; round < ROUNDS; round++) {
        int kind = g_rand_int_range(rand, 0, 12);
        int level = kind == 0 ? 3 : kind < 4 ? 2 : 1;
        uint64_t size = VTD_LEVEL_SIZE(level);
        uint64_t iova = bases[g_rand_int_range(rand, 0, 3)], entry;
        int i, n = g_rand_int_range(rand, 1, 5), highest = 0;

        /* Few 2 MiB areas, among them the one with the window */
        iova += 0x3ee00000 * g_rand_boolean(rand);
        iova += SIZE_2M * g_rand_int_range(rand, 0, 2);
        iova += VTD_PAGE_SIZE * g_rand_int_range(rand, 0, 500);
        iova &= ~(size - 1);
        n = level == 1 ? n : 1;
        for (i = 0; i < n; i++) {
            entry = SIZE_1G * g_rand_int_range(rand, 0, 2);
            entry += level == 1 ? i * VTD_PAGE_SIZE : 0;
            entry |= g_rand_int_range(rand, 1, 4);
            entry |= level > 1 ? VTD_PTE_PS : 0;
            if (kind & 1) {
                entry = 0;
            }
            highest = MAX(highest, put_entry(s, iova + i * VTD_PAGE_SIZE,
                                             level, entry));
        }
        if (highest > 3 || g_rand_int_range(rand, 0, 20) == 0) {
            vtd_inv_iotlb(s->vtd, s->form, VTD_DOMAIN, DID, 0, 0);
        } else if (highest == 1) {
            for (i = 0; i < n; i++) {
                inv_page(s, iova + i * VTD_PAGE_SIZE, 0);
            }
        } else {
            inv_page(s, iova, 9 * (highest - 1));
            inv_page(s, iova + (n - 1) * VTD_PAGE_SIZE, 9 * (highest - 1));
        }
        listener_agrees(s->l, s->vtd, &s->dom);
        listener_clear(s->l);
    }
    g_rand_free(rand);
    stage_free(s);
}

/* Is the range gone, in however many pieces it was told? */
static void told_of(Listener *l, uint32_t type, uint64_t first, uint64_t last)
{
    g_autoptr(GArray) events = listener_events(l);
    uint64_t next = first;
    unsigned i;

    /* The regions are told one after the other, the last one first. */
    for (i = 0; i < events->len; i++) {
        g_assert_cmpint(g_array_index(events, Heard, i).type, ==, type);
    }
    while (next != last + 1) {
        for (i = 0; i < events->len; i++) {
            const Heard *e = &g_array_index(events, Heard, i);

            if (e->iova == next) {
                break;
            }
        }
        if (i == events->len) {
            g_assert_cmphex(next, ==, WINDOW);
            next += WINDOW_SIZE;
        } else {
            next += g_array_index(events, Heard, i).mask + 1;
        }
    }
    g_assert_cmphex(listener_status(l), ==, 0);
    listener_clear(l);
}

/* vhost without caching mode: it is told of removals, mapped or not. */
static void test_unmap_only(void)
{
    Stage *s = stage_new_with("", LISTENER_DEVICE "unmap=on ", VTD_QUEUED,
                              VTD_TT_UNTRANSLATED);

    listener_clear(s->l);
    map(s, IOVA, TARGET, 1);
    inv_page(s, IOVA, 0);
    LISTENER_HEARD(s->l, UNMAPPED(IOVA, PAGE));
    inv_page(s, IOVA, 0);
    LISTENER_HEARD(s->l, UNMAPPED(IOVA, PAGE));
    inv_page(s, IOVA, AM_2M);
    LISTENER_HEARD(s->l, UNMAPPED(IOVA, SIZE_2M - 1));
    vtd_inv_iotlb(s->vtd, s->form, VTD_PAGE, OTHER_DID, IOVA, 0);
    vtd_inv_iotlb(s->vtd, s->form, VTD_DOMAIN, OTHER_DID, 0, 0);
    vtd_inv_context(s->vtd, s->form, VTD_PAGE, DID, LISTENER_SID + 8);
    LISTENER_SILENT(s->l);
    inv_page(s, WINDOW, 8);
    LISTENER_SILENT(s->l);
    vtd_inv_iotlb(s->vtd, s->form, VTD_DOMAIN, DID, 0, 0);
    told_of(s->l, XIL_UNMAP, 0, UINT64_MAX);
    vtd_inv_iotlb(s->vtd, s->form, VTD_GLOBAL, 0, 0, 0);
    told_of(s->l, XIL_UNMAP, 0, UINT64_MAX);
    inv_device(s);
    told_of(s->l, XIL_UNMAP, 0, UINT64_MAX);
    vtd_attach(s->vtd, LISTENER_SID, &s->dom, VTD_TT_PASSTHROUGH);
    inv_device(s);
    told_of(s->l, XIL_UNMAP, 0, UINT64_MAX);
    stage_free(s);
}

static void inv_devtlb(Stage *s, uint16_t sid, uint64_t addr, bool sized)
{
    vtd_queue_put(s->vtd, VTD_D_DEVTLB | (uint64_t)sid << 32, addr | sized);
    vtd_queue_wait_put(s->vtd);
    vtd_queue_kick(s->vtd);
    vtd_inv_wait(s->vtd, VTD_QUEUED);
}

static void test_devtlb(void)
{
    Stage *s = stage_new_with("device-iotlb=on",
                              LISTENER_DEVICE "unmap=off,devtlb=on ",
                              VTD_QUEUED, VTD_TT_DEVICE_TLB);

    /* Of what it may have got before translation was on. */
    told_of(s->l, XIL_DEVTLB, 0, UINT64_MAX);
    inv_page(s, IOVA, 0);
    vtd_inv_iotlb(s->vtd, s->form, VTD_GLOBAL, 0, 0, 0);
    inv_device(s);
    LISTENER_SILENT(s->l);

    inv_devtlb(s, LISTENER_SID, IOVA, false);
    LISTENER_HEARD(s->l, DEVTLB(IOVA, PAGE));
    /* S: the lowest address bit that is 0 says how many pages. */
    inv_devtlb(s, LISTENER_SID, IOVA, true);
    LISTENER_HEARD(s->l, DEVTLB(IOVA, 2 * VTD_PAGE_SIZE - 1));
    inv_devtlb(s, LISTENER_SID, IOVA | 0xff000, true);
    LISTENER_HEARD(s->l, DEVTLB(IOVA, SIZE_2M - 1));
    inv_devtlb(s, LISTENER_SID + 8, IOVA, false);
    inv_devtlb(s, LISTENER_SID | 0x100, IOVA, false);
    LISTENER_SILENT(s->l);
    inv_devtlb(s, LISTENER_SID, ~PAGE & INT64_MAX, true);
    told_of(s->l, XIL_DEVTLB, 0, UINT64_MAX);
    stage_free(s);
}

/* Plug a device in while translation is on: only then has it a say. */
static void test_refused(void)
{
    static const struct {
        const char *unit, *property, *says;
    } tests[] = {
        { "", "map", "caching-mode=on" },
        { "device-iotlb=on", "map", "caching-mode=on" },
        { "", "devtlb", "device-iotlb=on" },
        { CACHING, "devtlb", "device-iotlb=on" },
        { CACHING, "map", NULL },
        { "device-iotlb=on", "devtlb", NULL },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(tests); i++) {
        VTD *vtd = vtd_start(tests[i].unit, PLUG_PORT_ARGS);
        QDict *answer;

        vtd_enable(vtd, VTD_QUEUED);
        answer = qtest_qmp(vtd->qts, "{'execute': 'device_add', 'arguments':"
                           " {'driver': 'x-iommu-listener', 'id': 'l',"
                           " 'bus': 'rp', %s: true}}", tests[i].property);
        if (tests[i].says) {
            QDict *error = qdict_get_qdict(answer, "error");

            g_assert_nonnull(error);
            g_assert_nonnull(strstr(qdict_get_str(error, "desc"),
                                    tests[i].says));
            /* And nothing is left that could be told. */
            vtd_inv_everything(vtd);
        } else {
            g_assert_true(qdict_haskey(answer, "return"));
        }
        qobject_unref(answer);
        vtd_stop(vtd);
    }
}

/* Those that were there before translation was can only be refused then. */
static void test_refused_later(void)
{
    VTD *vtd = vtd_start("", MAP_DEVICE);
    Listener *l = listener_new(&vtd->unit, LISTENER_SID);

    vtd_enable(vtd, VTD_QUEUED);
    g_assert_cmphex(listener_status(l), ==, XIL_S_REFUSED);
    g_assert_cmpint(listener_regions(l), ==, 0);
    listener_free(l);
    vtd_stop(vtd);
}

/* Unplugged and plugged in again: the next one is told everything. */
static void test_unplug(void)
{
    enum { BUS = 3, SID = BUS << 8 };
    VTD *vtd = vtd_start(CACHING, PLUG_PORT_ARGS);
    QPCIDevice *port;
    VTDDomain dom;
    Listener *l;
    int i;

    vtd_domain_init(vtd, &dom, DID, 4);
    vtd_map(vtd, &dom, IOVA, TARGET, 1, VTD_PTE_RW);
    vtd_attach(vtd, SID, &dom, VTD_TT_UNTRANSLATED);
    port = vtd_open_bridge(vtd, PLUG_PORT, BUS);
    vtd_enable(vtd, VTD_QUEUED);
    for (i = 0; i < 3; i++) {
        qtest_qmp_device_add(vtd->qts, "x-iommu-listener", "l",
                             "{'bus': 'rp', 'map': true}");
        plug_power(port);
        l = listener_new(&vtd->unit, SID);
        LISTENER_HEARD(l, MAPPED(IOVA, PAGE, TARGET, 3));
        vtd_unmap(vtd, &dom, IOVA, 1);
        vtd_inv_iotlb(vtd, VTD_QUEUED, VTD_PAGE, DID, IOVA, 0);
        LISTENER_HEARD(l, UNMAPPED(IOVA, PAGE));
        vtd_map(vtd, &dom, IOVA, TARGET, 1, VTD_PTE_RW);
        vtd_inv_iotlb(vtd, VTD_QUEUED, VTD_PAGE, DID, IOVA, 0);
        LISTENER_HEARD(l, MAPPED(IOVA, PAGE, TARGET, 3));
        listener_free(l);
        plug_pull(&vtd->unit, port, "l");
        vtd_inv_everything(vtd);
    }
    g_free(port);
    vtd_stop(vtd);
}

/*
 * Two behind a bridge to conventional PCI are one requester.  Who comes later
 * is told what the other one knows, and the other one nothing.
 */
static void test_shared(void)
{
    enum { BUS = 3, SID = BUS << 8 };
    VTD *vtd = vtd_start(CACHING, "-device pcie-pci-bridge,id=br,addr=07.0 "
                         "-device x-iommu-listener,bus=br,addr=2.0,map=on "
                         "-device x-iommu-listener,bus=br,addr=3.0,map=on ");
    QPCIDevice *bridge = vtd_open_bridge(vtd, 7 << 3, BUS);
    Listener *a = listener_new(&vtd->unit, SID | 2 << 3);
    Listener *b = listener_new(&vtd->unit, SID | 3 << 3);
    VTDDomain dom;

    vtd_domain_init(vtd, &dom, DID, 4);
    vtd_map(vtd, &dom, IOVA, TARGET, 1, VTD_PTE_RW);
    vtd_attach(vtd, SID, &dom, VTD_TT_UNTRANSLATED);
    vtd_enable(vtd, VTD_QUEUED);
    LISTENER_HEARD(a, MAPPED(IOVA, PAGE, TARGET, 3));
    LISTENER_HEARD(b, MAPPED(IOVA, PAGE, TARGET, 3));
    vtd_unmap(vtd, &dom, IOVA, 1);
    vtd_inv_iotlb(vtd, VTD_QUEUED, VTD_PAGE, DID, IOVA, 0);
    LISTENER_HEARD(a, UNMAPPED(IOVA, PAGE));
    LISTENER_HEARD(b, UNMAPPED(IOVA, PAGE));
    listener_free(a);
    listener_free(b);
    g_free(bridge);
    vtd_stop(vtd);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_data_func("/viommu/vtd/notify/page/register",
                        GINT_TO_POINTER(VTD_REGISTER), test_page);
    qtest_add_data_func("/viommu/vtd/notify/page/queued",
                        GINT_TO_POINTER(VTD_QUEUED), test_page);
    qtest_add_func("/viommu/vtd/notify/scopes", test_scopes);
    qtest_add_func("/viommu/vtd/notify/split", test_split);
    qtest_add_func("/viommu/vtd/notify/context", test_context);
    qtest_add_func("/viommu/vtd/notify/pass-through", test_pass_through);
    qtest_add_func("/viommu/vtd/notify/enable", test_enable);
    qtest_add_func("/viommu/vtd/notify/reset", test_reset);
    qtest_add_func("/viommu/vtd/notify/window", test_window);
    qtest_add_func("/viommu/vtd/notify/ends", test_ends);
    qtest_add_func("/viommu/vtd/notify/reserved", test_reserved);
    qtest_add_func("/viommu/vtd/notify/loop", test_loop);
    qtest_add_func("/viommu/vtd/notify/garbage", test_garbage);
    qtest_add_func("/viommu/vtd/notify/random", test_random);
    qtest_add_func("/viommu/vtd/notify/unmap-only", test_unmap_only);
    qtest_add_func("/viommu/vtd/notify/devtlb", test_devtlb);
    qtest_add_func("/viommu/vtd/notify/refused", test_refused);
    qtest_add_func("/viommu/vtd/notify/refused-later", test_refused_later);
    qtest_add_func("/viommu/vtd/notify/unplug", test_unplug);
    qtest_add_func("/viommu/vtd/notify/shared", test_shared);
    return g_test_run();
}

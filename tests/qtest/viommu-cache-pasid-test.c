/*
 * The DMA translation cache: accesses with a PASID
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * VT-d in scalable mode.  What is cached is found, by the PASID that it belongs
 * to and by no other, until an invalidation of any kind is complete.  Whether
 * something was cached is told by the unit, which counts the translations that
 * it was asked for.
 */
#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "viommu-dma.h"
#include "viommu-vtd-sm.h"

#define PASID       77
/* One that has a cache of its own, and one that shares that of PASID */
#define APART       (PASID + 1)
#define SHARES      (PASID + 16)
#define OTHER_DID   (DMA_DID + 1)
#define LEN         64
#define ROUNDS      30
/* Of DMA_CACHE_CLAIMS, fewer, and more than enough */
#define FEW         8
#define MANY        100
/* Odd: the last one is the new one */
#define FLIPS       31

typedef struct Type {
    const char *name;
    VTDSMType type;
} Type;

static const Type types[] = {
    { "first", VTD_SM_FIRST },
    { "second", VTD_SM_SECOND },
    { "nested", VTD_SM_NESTED },
    { "pass-through", VTD_SM_PASS_THROUGH },
};

static DMARig *new_rig(bool cached)
{
    g_autofree char *unit = g_strdup_printf("%s%s", VTD_SM_ALL, cached ?
                                            "" : ",dma-cache-size=0");
    DMARig *rig = g_new0(DMARig, 1);

    rig->vtd = vtd_sm_start(unit, DMA_DEVICE);
    rig->pci = qpci_device_find(rig->vtd->bus, DMA_SID);
    g_assert_nonnull(rig->pci);
    dma_place(rig);
    vtd_enable(rig->vtd, VTD_QUEUED);
    return rig;
}

static void use_pasid(DMARig *rig, uint32_t pasid)
{
    qtest_writel(rig->vtd->qts, DMA_BAR + XDB_PASID, pasid);
}

/* Entries are made, or made anew: nothing of them is kept. */
static void inv_all(DMARig *rig)
{
    vtd_queue_put(rig->vtd, VTD_D_CC | VTD_D_G(VTD_GLOBAL), 0);
    vtd_queue_put(rig->vtd, VTD_D_PC | VTD_D_G(3), 0);
    vtd_inv_iotlb(rig->vtd, VTD_QUEUED, VTD_GLOBAL, 0, 0, 0);
}

/* The page @iova of a space leads to @gpa, which pass-through has as it is. */
static void attach(DMARig *rig, VTDSMSpace *space, VTDSMType type,
                   uint16_t did, uint32_t pasid, uint64_t iova, uint64_t gpa)
{
    vtd_sm_space_init(rig->vtd, space, type, did, pasid);
    if (type != VTD_SM_PASS_THROUGH) {
        vtd_sm_map(rig->vtd, space, iova, gpa, 1, VTD_PTE_RW);
    }
    vtd_sm_attach(rig->vtd, DMA_SID, space);
}

static uint64_t translations(DMARig *rig)
{
    QDict *answer = qtest_qmp(rig->vtd->qts, "{'execute': 'query-viommu'}");
    QList *units = qdict_get_qlist(answer, "return");
    QDict *unit = qobject_to(QDict, qlist_peek(units));
    uint64_t n = qdict_get_int(unit, "translations");

    qobject_unref(answer);
    return n;
}

/* How many translations the unit was asked for by @n accesses of each way */
static uint64_t asked(DMARig *rig, uint32_t pasid, uint64_t iova, unsigned n)
{
    static const XDBCommand ways[] = {
        XDB_READ, XDB_WRITE, XDB_LOAD, XDB_MAP_READ, XDB_MAP_FILL,
    };
    uint64_t before = translations(rig);

    use_pasid(rig, pasid);
    for (unsigned i = 0; i < n; i++) {
        for (unsigned way = 0; way < G_N_ELEMENTS(ways); way++) {
            uint64_t length = ways[way] == XDB_LOAD ? 4 : LEN;

            g_assert_cmpuint(dma_run(rig, ways[way], i % 2, iova, length, 1),
                             ==, 0);
        }
    }
    return translations(rig) - before;
}

static void reaches(DMARig *rig, uint32_t pasid, uint64_t iova, uint64_t gpa)
{
    use_pasid(rig, pasid);
    dma_reaches(rig, iova, gpa);
}

/* Who comes again is served without the unit. */
static void test_served(const Type *t, bool cached)
{
    DMARig *rig = new_rig(cached);
    uint64_t page = vtd_alloc(rig->vtd, 1);
    uint64_t iova = t->type == VTD_SM_PASS_THROUGH ? page : DMA_IOVA;
    VTDSMSpace space;

    attach(rig, &space, t->type, DMA_DID, PASID, iova, page);
    inv_all(rig);
    reaches(rig, PASID, iova, page);
    if (cached) {
        g_assert_cmpuint(asked(rig, PASID, iova, 2), ==, 0);
    } else {
        g_assert_cmpuint(asked(rig, PASID, iova, 2), >=, 10);
    }
    reaches(rig, PASID, iova, page);
    vtd_assert_no_fault(rig->vtd);
    dma_free(rig);
}

static void test_served_on(const void *opaque)
{
    test_served(opaque, true);
}

static void test_served_off(const void *opaque)
{
    test_served(opaque, false);
}

/* Each its own, whoever else is about; also none at all */
static void test_apart(const void *opaque)
{
    static const uint32_t pasids[] = { 0, PASID, APART, SHARES };
    const Type *t = opaque;
    DMARig *rig = new_rig(true);
    VTDSMSpace space[G_N_ELEMENTS(pasids)];
    uint64_t page[G_N_ELEMENTS(pasids)];
    unsigned i, j, round;

    for (i = 0; i < G_N_ELEMENTS(pasids); i++) {
        page[i] = vtd_alloc(rig->vtd, 1);
        attach(rig, &space[i], t->type, DMA_DID + i, pasids[i], DMA_IOVA,
               page[i]);
    }
    inv_all(rig);
    for (round = 0; round < 3; round++) {
        for (i = 0; i < G_N_ELEMENTS(pasids); i++) {
            reaches(rig, pasids[i], DMA_IOVA, page[i]);
            for (j = 0; j < G_N_ELEMENTS(pasids); j++) {
                if (j != i) {
                    dma_misses(rig, DMA_IOVA, page[j]);
                }
            }
        }
    }
    /* Only the one that is invalidated goes. */
    reaches(rig, PASID, DMA_IOVA, page[1]);
    reaches(rig, APART, DMA_IOVA, page[2]);
    asked(rig, PASID, DMA_IOVA, MANY);
    vtd_sm_inv_start(rig->vtd, VTD_PAGE, &space[2], DMA_IOVA, 0);
    vtd_inv_wait(rig->vtd, VTD_QUEUED);
    g_assert_cmpuint(asked(rig, PASID, DMA_IOVA, 1), ==, 0);
    g_assert_cmpuint(asked(rig, APART, DMA_IOVA, 1), >, 0);
    vtd_assert_no_fault(rig->vtd);
    dma_free(rig);
}

/*
 * Of two that share a cache, one does not cost the other his entries by an
 * access now and then; who goes on gets it.
 */
static void test_shared(void)
{
    DMARig *rig = new_rig(true);
    uint64_t page[2] = { vtd_alloc(rig->vtd, 1), vtd_alloc(rig->vtd, 1) };
    VTDSMSpace space[2];

    attach(rig, &space[0], VTD_SM_FIRST, DMA_DID, PASID, DMA_IOVA, page[0]);
    attach(rig, &space[1], VTD_SM_FIRST, OTHER_DID, SHARES, DMA_IOVA, page[1]);
    inv_all(rig);
    reaches(rig, PASID, DMA_IOVA, page[0]);
    for (unsigned i = 0; i < FEW; i++) {
        use_pasid(rig, SHARES);
        g_assert_cmpuint(dma_run(rig, XDB_WRITE, 1, DMA_IOVA, LEN, 1), ==, 0);
        g_assert_cmpuint(asked(rig, PASID, DMA_IOVA, 1), ==, 0);
    }
    g_assert_cmpuint(asked(rig, SHARES, DMA_IOVA, MANY), >, 0);
    g_assert_cmpuint(asked(rig, SHARES, DMA_IOVA, MANY), ==, 0);
    reaches(rig, SHARES, DMA_IOVA, page[1]);
    reaches(rig, PASID, DMA_IOVA, page[0]);
    vtd_assert_no_fault(rig->vtd);
    dma_free(rig);
}

/* How a change is told to the unit */
typedef enum Way {
    BY_PAGE,                 /* the translation's page */
    BY_PASID,                /* the PASID's, or the domain's, translations */
    BY_DOMAIN,               /* the domain's, without a PASID */
    BY_GLOBAL,
    BY_ENTRY,                /* another PASID table entry: the PASID cache */
    BY_CONTEXT,              /* the context cache and the domain */
    WAYS,
} Way;

static const char *const way_names[] = {
    [BY_PAGE] = "page", [BY_PASID] = "pasid", [BY_DOMAIN] = "domain",
    [BY_GLOBAL] = "global", [BY_ENTRY] = "entry", [BY_CONTEXT] = "context",
};

/* spaces[0], or if an entry changes both, which differ in the page */
static void change(DMARig *rig, VTDSMSpace *spaces, Way way,
                   const uint64_t *pages, int to)
{
    VTD *vtd = rig->vtd;

    if (way < BY_ENTRY) {
        vtd_sm_map(vtd, &spaces[0], DMA_IOVA, pages[to], 1, VTD_PTE_RW);
    } else {
        vtd_sm_attach(vtd, DMA_SID, &spaces[to]);
    }
    switch (way) {
    case BY_PAGE:
    case BY_PASID:
    case BY_GLOBAL:
        vtd_sm_inv_start(vtd, way == BY_PAGE ? VTD_PAGE : way == BY_PASID ?
                         VTD_DOMAIN : VTD_GLOBAL, &spaces[0], DMA_IOVA, 0);
        vtd_inv_wait(vtd, VTD_QUEUED);
        break;
    case BY_DOMAIN:
        vtd_inv_iotlb(vtd, VTD_QUEUED, VTD_DOMAIN, spaces[0].did, 0, 0);
        break;
    case BY_ENTRY:
        vtd_sm_forget(vtd, &spaces[!to]);
        break;
    default:
        vtd_inv_context(vtd, VTD_QUEUED, VTD_PAGE, spaces[!to].did, DMA_SID);
        vtd_sm_forget(vtd, &spaces[!to]);
        break;
    }
}

typedef struct GoneCase {
    const Type *type;
    Way way;
    XDBCommand command;      /* of a race */
} GoneCase;

static void attach_two(DMARig *rig, VTDSMType type, VTDSMSpace *spaces,
                       const uint64_t *pages)
{
    attach(rig, &spaces[1], type, OTHER_DID, PASID, DMA_IOVA, pages[1]);
    attach(rig, &spaces[0], type, DMA_DID, PASID, DMA_IOVA, pages[0]);
    inv_all(rig);
    use_pasid(rig, PASID);
}

static void test_gone(const void *opaque)
{
    const GoneCase *c = opaque;
    DMARig *rig = new_rig(true);
    uint64_t pages[2] = { vtd_alloc(rig->vtd, 1), vtd_alloc(rig->vtd, 1) };
    VTDSMSpace spaces[2];

    attach_two(rig, c->type->type, spaces, pages);
    for (unsigned i = 0; i < 4; i++) {
        unsigned from = i % 2, to = !from;

        dma_reaches(rig, DMA_IOVA, pages[from]);
        change(rig, spaces, c->way, pages, to);
        dma_misses(rig, DMA_IOVA, pages[from]);
        dma_reaches(rig, DMA_IOVA, pages[to]);
    }
    /* No entry at all */
    vtd_sm_detach(rig->vtd, DMA_SID, PASID);
    vtd_sm_forget(rig->vtd, &spaces[0]);
    dma_misses(rig, DMA_IOVA, pages[0]);
    g_assert_cmpuint(dma_run(rig, XDB_WRITE, 1, DMA_IOVA, LEN, 1), ==, 1);
    dma_free(rig);
}

/* A right goes, the other one stays. */
static void test_permission(const void *opaque)
{
    const Type *t = opaque;
    DMARig *rig = new_rig(true);
    uint64_t page = vtd_alloc(rig->vtd, 1);
    VTDSMSpace space;

    attach(rig, &space, t->type, DMA_DID, PASID, DMA_IOVA, page);
    inv_all(rig);
    reaches(rig, PASID, DMA_IOVA, page);
    vtd_sm_map(rig->vtd, &space, DMA_IOVA, page, 1, VTD_PTE_R);
    vtd_sm_inv_start(rig->vtd, VTD_PAGE, &space, DMA_IOVA, 0);
    vtd_inv_wait(rig->vtd, VTD_QUEUED);
    g_assert_true(dma_reads(rig, DMA_IOVA, page));
    g_assert_false(dma_writes(rig, DMA_IOVA, page));
    dma_free(rig);
}

/*
 * Two threads use a page all the time.  When its successor's invalidation is
 * complete, nobody writes to it any more.
 */
static void test_race(const void *opaque)
{
    const GoneCase *c = opaque;
    DMARig *rig = new_rig(true);
    VTD *vtd = rig->vtd;
    uint64_t pages[2] = { vtd_alloc(vtd, 1), vtd_alloc(vtd, 1) };
    VTDSMSpace spaces[2];

    attach_two(rig, c->type->type, spaces, pages);
    dma_start(rig, c->command, 2, DMA_IOVA, LEN, 1);
    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned from = i % 2, to = !from;

        viommu_fill(vtd, pages[to], 0, VTD_PAGE_SIZE);
        change(rig, spaces, c->way, pages, to);
        dma_mark(rig, pages[from], 1);
        dma_go_on(rig);
        g_assert_true(dma_is_marked(rig, pages[from], 1));
    }
    dma_stop(rig);
    dma_free(rig);
}

/* The first stage's table of PASID, by the unit's own status write */
static void flip_put(VTD *vtd, uint64_t entry, const VTDSMSpace *space)
{
    vtd_queue_put(vtd, VTD_D_WAIT | VTD_D_WAIT_SW |
                  VTD_D_WAIT_DATA(space->first), entry + 16);
    vtd_queue_put(vtd, VTD_D_PC | VTD_D_G(1) | VTD_D_DID(space->did) |
                  VTD_D_PASID(space->pasid), 0);
}

/*
 * What is kept of a PASID's entry, and two threads that want it all the time:
 * the entry changes again and again, and is forgotten at once each time, while
 * they read it.  What they read before is not kept.
 */
static void test_kept(void)
{
    DMARig *rig = new_rig(false);
    VTD *vtd = rig->vtd;
    uint64_t pages[2] = { vtd_alloc(vtd, 1), vtd_alloc(vtd, 1) }, entry;
    VTDSMSpace spaces[2];

    attach(rig, &spaces[1], VTD_SM_FIRST, DMA_DID, PASID, DMA_IOVA, pages[1]);
    attach(rig, &spaces[0], VTD_SM_FIRST, DMA_DID, PASID, DMA_IOVA, pages[0]);
    inv_all(rig);
    use_pasid(rig, PASID);
    entry = vtd_sm_entry(vtd, DMA_SID, PASID);
    dma_start(rig, XDB_WRITE, 2, DMA_IOVA, LEN, 1);
    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned from = i % 2, to = !from;

        viommu_fill(vtd, pages[to], 0, VTD_PAGE_SIZE);
        for (unsigned n = 0; n < FLIPS; n++) {
            flip_put(vtd, entry, &spaces[n % 2 ? from : to]);
        }
        vtd_sm_inv_start(vtd, VTD_DOMAIN, &spaces[to], 0, 0);
        vtd_inv_wait(vtd, VTD_QUEUED);
        dma_mark(rig, pages[from], 1);
        dma_go_on(rig);
        g_assert_true(dma_is_marked(rig, pages[from], 1));
    }
    dma_stop(rig);
    vtd_assert_no_fault(vtd);
    dma_free(rig);
}

static void add(const char *name, const Type *t, Way way, XDBCommand command,
                void (*fn)(const void *opaque))
{
    g_autofree char *path = g_strdup_printf("viommu/cache/pasid/%s/%s/%s",
                                            name, t->name, way_names[way]);
    GoneCase *c = g_new(GoneCase, 1);

    *c = (GoneCase) { t, way, command };
    qtest_add_data_func_full(path, c, fn, g_free);
}

static void add_type(const char *name, const Type *t,
                     void (*fn)(const void *opaque))
{
    g_autofree char *path = g_strdup_printf("viommu/cache/pasid/%s/%s", name,
                                            t->name);

    qtest_add_data_func(path, t, fn);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(types); i++) {
        const Type *t = &types[i];

        add_type("served/on", t, test_served_on);
        add_type("served/off", t, test_served_off);
        if (t->type == VTD_SM_PASS_THROUGH) {
            continue;
        }
        add_type("apart", t, test_apart);
        add_type("permission", t, test_permission);
        for (Way way = 0; way < WAYS; way++) {
            add("gone", t, way, 0, test_gone);
        }
        add("race/write", t, BY_PAGE, XDB_WRITE, test_race);
        add("race/write", t, BY_ENTRY, XDB_WRITE, test_race);
        add("race/map", t, BY_PASID, XDB_MAP_FILL, test_race);
        add("race/map", t, BY_ENTRY, XDB_MAP_FILL, test_race);
    }
    qtest_add_func("viommu/cache/pasid/shared", test_shared);
    qtest_add_func("viommu/cache/pasid/race/kept", test_kept);
    return g_test_run();
}

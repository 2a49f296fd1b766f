/*
 * What can be asked of a vIOMMU: each answer is right, and asking changes
 * nothing
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The same for every model.
 */
#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "qobject/qnum.h"
#include "qobject/qstring.h"
#include "viommu-rig.h"

#define DISK        "00:05.0"
#define HOLE_IOVA   0x30000000ull       /* nothing is mapped there */
#define RO_IOVA     0x40000000ull
#define NOWHERE     0x7000000000ull     /* guest-physical: nothing is there */
#define ARM_UART    0x09000000ull       /* of the machine virt */
#define HPET        0xfed00000ull       /* of q35 */
#define LARGE_IOVA  0x50000000ull

/* What a model calls the reasons that the tests meet, and its bits */
typedef struct Words {
    const char *unit, *model;
    unsigned unmapped, read_only, beyond, detached;
    unsigned write_bit;      /* of a page that may be read only */
    unsigned flip, flipped;  /* a bit that spoils a page, and how */
    int absent_bit;          /* that would do for an entry of 0; -1: no one */
} Words;

static const Words words[] = {
    /* Spoilt by a reserved bit; the Access flag.  STE.Config 0 has no event. */
    { "vtd", "vtd", 0x6, 0x5, 0x4, 0x2, 1, 51, 0xc, 0 },
    { "vtd-sm", "vtd", 0x79, 0x85, 0x84, 0x59, 1, 51, 0x7a, 0 },
    { "smmuv3", "smmuv3", 0x10, 0x13, 0x10, 0, 7, 10, 0x12, -1 },
    /* All is IO_PAGE_FAULT.  Spoilt by a reserved bit. */
    { "amd", "amd", 2, 2, 2, 2, 62, 55, 2, -1 },
    /* No entries, and so no bits */
    { "virtio", "virtio-iommu", 2, 2, 2, 1, 0, 0, 0, -1 },
};

static const Words *words_of(const Unit *unit)
{
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(words); i++) {
        if (g_str_equal(words[i].unit, unit->ops->name)) {
            return &words[i];
        }
    }
    g_error("no words for %s", unit->ops->name);
}

/* Everything, with what time does to it left out */
static QDict *query_unit(QTestState *qts)
{
    QDict *answer = qtest_qmp(qts, "{'execute': 'query-viommu'}");
    QList *list = qdict_get_qlist(answer, "return");
    QDict *info;

    g_assert_nonnull(list);
    info = qobject_to(QDict, qlist_pop(list));
    g_assert_nonnull(info);
    qobject_unref(answer);
    return info;
}

static QDict *query_endpoint(QDict *info, const char *address)
{
    const QListEntry *entry;

    QLIST_FOREACH_ENTRY(qdict_get_qlist(info, "endpoint-info"), entry) {
        QDict *ep = qobject_to(QDict, qlist_entry_obj(entry));

        if (g_str_equal(qdict_get_str(ep, "address"), address)) {
            return ep;
        }
    }
    g_error("no endpoint %s", address);
}

static QDict *query_translate(Rig *rig, uint64_t iova, bool write)
{
    return qtest_qmp_assert_success_ref(rig->unit->qts,
        "{'execute': 'viommu-translate', 'arguments': {'device': 'disk',"
        " 'iova': %" PRIu64 ", 'write': %i}}", iova, write);
}

static uint64_t get_u64(QDict *dict, const char *key)
{
    return qnum_get_uint(qobject_to(QNum, qdict_get(dict, key)));
}

static void assert_error(QTestState *qts, const char *command,
                         const char *text)
{
    QDict *answer, *error;

    qtest_qmp_send_raw(qts, "%s", command);
    answer = qtest_qmp_receive(qts);
    error = qdict_get_qdict(answer, "error");
    g_assert_nonnull(error);
    g_assert_nonnull(strstr(qdict_get_str(error, "desc"), text));
    qobject_unref(answer);
}

/* Nothing is different from what it was: what a guest sees, and what we do. */
static void assert_unchanged(Rig *rig, QDict *before)
{
    QDict *now = query_unit(rig->unit->qts);

    g_assert_true(qobject_is_equal(QOBJECT(before), QOBJECT(now)));
    rig->unit->ops->assert_no_fault(rig->unit);
    qobject_unref(now);
    qobject_unref(before);
}

static RigOptions preferred(void)
{
    return (RigOptions) { .form = unit_ops()->queue_form };
}

static void test_unit(void)
{
    RigOptions opt = preferred();
    Rig *rig = rig_new(&opt);
    QDict *info = query_unit(rig->unit->qts), *old, *ep, *stage;
    QList *list;

    g_assert_cmpstr(qdict_get_str(info, "model"), ==,
                    words_of(rig->unit)->model);
    g_assert_true(qdict_get_bool(info, "enabled"));
    g_assert_true(qdict_haskey(info, "root") != rig->unit->ops->by_request);
    g_assert_false(qlist_empty(qdict_get_qlist(info, "properties")));
    g_assert_false(qlist_empty(qdict_get_qlist(info, "registers")));
    g_assert_true(qlist_empty(qdict_get_qlist(info, "fault-log")));
    list = qdict_get_qlist(info, "queues");
    stage = qobject_to(QDict, qlist_peek(list));
    g_assert_true(qdict_get_bool(stage, "enabled"));
    g_assert_cmpint(get_u64(stage, "head"), ==, get_u64(stage, "tail"));
    g_assert_false(qdict_haskey(stage, "error"));

    ep = query_endpoint(info, DISK);
    g_assert_cmpstr(qdict_get_str(ep, "device"), ==, "disk");
    g_assert_cmpstr(qdict_get_str(ep, "mode"), ==, "translate");
    g_assert_cmpint(get_u64(ep, "requester-id"), ==, rig->sid);
    g_assert_false(qlist_empty(qdict_get_qlist(ep, "domain")));
    g_assert_false(qdict_haskey(ep, "why"));
    g_assert_true(qdict_get_bool(ep, "bus-master"));
    list = qdict_get_qlist(ep, "stages");
    g_assert_true(qlist_empty(list) == rig->unit->ops->by_request);
    if (!qlist_empty(list)) {
        stage = qobject_to(QDict, qlist_peek(list));
        g_assert_cmphex(get_u64(stage, "root"), !=, 0);
        g_assert_cmpint(get_u64(stage, "levels"), >=, 2);
    }

    /* Its old name */
    old = qtest_qmp(rig->unit->qts, "{'execute': 'x-query-viommu'}");
    ep = qobject_to(QDict, qlist_peek(qdict_get_qlist(old, "return")));
    g_assert_true(qobject_is_equal(QOBJECT(info), QOBJECT(ep)));
    qobject_unref(old);
    qobject_unref(info);
    rig_free(rig);
}

static void test_bypass(void)
{
    RigOptions opt = preferred();
    bool by_request = unit_ops()->by_request;
    QDict *info, *ep, *answer;
    Rig *rig;

    opt.untranslated = true;
    opt.args = "-device virtio-rng-pci,id=rng,addr=07.0,disable-legacy=on";
    rig = rig_new(&opt);
    info = query_unit(rig->unit->qts);
    /* A virtio-iommu is always on; the device is in no domain. */
    g_assert_true(qdict_get_bool(info, "enabled") == by_request);
    ep = query_endpoint(info, DISK);
    g_assert_cmpstr(qdict_get_str(ep, "mode"), ==, "bypass");
    g_assert_cmpstr(qdict_get_str(ep, "bypass"), ==,
                    by_request ? "tables" : "translation-off");
    g_assert_nonnull(strstr(qdict_get_str(ep, "why"),
                            by_request ? "to no domain" : "not turned"));
    g_assert_cmpstr(qdict_get_str(ep, "type"), ==, "virtio-blk-pci");
    g_assert_false(qdict_haskey(ep, "tag"));
    ep = query_endpoint(info, "00:07.0");
    g_assert_cmpstr(qdict_get_str(ep, "bypass"), ==, "policy");
    g_assert_nonnull(strstr(qdict_get_str(ep, "why"), "iommu_platform"));
    /* It has no driver. */
    g_assert_false(qdict_get_bool(ep, "bus-master"));
    qobject_unref(info);

    answer = query_translate(rig, 0x123456789000, true);
    g_assert_true(qdict_get_bool(answer, "ok"));
    g_assert_cmphex(get_u64(answer, "address"), ==, 0x123456789000);
    g_assert_true(qlist_empty(qdict_get_qlist(answer, "walk")));
    qobject_unref(answer);

    /* It is all mapped, to itself. */
    answer = qtest_qmp_assert_success_ref(rig->unit->qts,
        "{'execute': 'viommu-map', 'arguments': {'device': 'rng'}}");
    g_assert_cmpstr(qdict_get_str(answer, "mode"), ==, "bypass");
    ep = qobject_to(QDict, qlist_peek(qdict_get_qlist(answer, "ranges")));
    g_assert_cmphex(get_u64(ep, "first"), ==, 0);
    g_assert_cmphex(get_u64(ep, "address"), ==, 0);
    qobject_unref(answer);
    rig_free(rig);
}

/* In each form: one stage, the other, or both */
static void test_translate(const void *data)
{
    Rig *rig = rig_new(data);
    Unit *unit = rig->unit;
    QDict *before, *answer, *step;
    unsigned n = 0;

    before = query_unit(unit->qts);
    answer = query_translate(rig, RIG_DATA_IOVA + 0x123, true);
    g_assert_true(qdict_get_bool(answer, "ok"));
    g_assert_cmphex(get_u64(answer, "address"), ==, rig->page + 0x123);
    g_assert_cmpint(get_u64(answer, "page-size"), ==, UNIT_PAGE);
    g_assert_true(qdict_get_bool(answer, "write"));
    g_assert_cmpstr(qdict_get_str(answer, "mode"), ==, "translate");
    g_assert_true(qlist_empty(qdict_get_qlist(answer, "configuration")) ==
                  unit->ops->by_request);
    g_assert_false(qdict_haskey(answer, "fault"));
    g_assert_true(qdict_haskey(answer, "mapping") == unit->ops->by_request);
    if (unit->ops->by_request) {
        step = qdict_get_qdict(answer, "mapping");
        g_assert_cmphex(get_u64(step, "first"), ==, RIG_DATA_IOVA);
        g_assert_cmphex(get_u64(step, "address"), ==, rig->page);
    }
    while ((step = qobject_to(QDict, qlist_pop(qdict_get_qlist(answer,
                                                               "walk"))))) {
        uint64_t value = qtest_readq(unit->qts, get_u64(step, "address"));

        /* It is what is in memory, and it leads on. */
        g_assert_cmphex(get_u64(step, "value"), ==, value);
        g_assert_true(qdict_get_bool(step, "ok"));
        g_assert_true(qlist_empty(qdict_get_qlist(step, "bits")));
        n++;
        qobject_unref(step);
    }
    g_assert_cmpint(n, >=, unit->ops->by_request ? 0 : 3);
    qobject_unref(answer);

    /* Nobody has used the page yet, and still nobody has. */
    answer = query_translate(rig, RIG_DATA_IOVA, false);
    g_assert_false(qdict_haskey(answer, "iotlb"));
    g_assert_false(qdict_haskey(answer, "dma-cache"));
    qobject_unref(answer);
    assert_unchanged(rig, before);
    rig_free(rig);
}

/* Why an access is refused, and which bit of which entry does it. */
static void assert_refused(Rig *rig, uint64_t iova, bool write, unsigned code,
                           int bit)
{
    QDict *before = query_unit(rig->unit->qts);
    QDict *answer = query_translate(rig, iova, write);
    QDict *fault = qdict_get_qdict(answer, "fault"), *step = NULL;
    QList *walk = qdict_get_qlist(answer, "walk"), *bits;
    const char *verdict = qdict_get_str(answer, "verdict");

    g_assert_false(qdict_get_bool(answer, "ok"));
    g_assert_nonnull(fault);
    g_assert_cmphex(get_u64(fault, "code"), ==, code);
    g_assert_nonnull(strstr(verdict, qdict_get_str(fault, "reason")));
    while (!qlist_empty(walk)) {
        qobject_unref(step);
        step = qobject_to(QDict, qlist_pop(walk));
    }
    if (bit >= 0) {
        g_assert_false(qdict_get_bool(step, "ok"));
        bits = qdict_get_qlist(step, "bits");
        g_assert_cmpint(get_u64(qobject_to(QDict, qlist_peek(bits)), "bit"),
                        ==, bit);
        g_assert_nonnull(strstr(verdict, "it is bit"));
    }
    qobject_unref(step);
    qobject_unref(answer);
    assert_unchanged(rig, before);
}

/* Where the last entry that a read at @iova meets is */
static uint64_t query_pte(Rig *rig, uint64_t iova)
{
    QDict *answer = query_translate(rig, iova, false), *step;
    QList *walk = qdict_get_qlist(answer, "walk");
    uint64_t pte = 0;

    while ((step = qobject_to(QDict, qlist_pop(walk)))) {
        pte = get_u64(step, "address");
        qobject_unref(step);
    }
    qobject_unref(answer);
    return pte;
}

/* Which bit of which entry it is */
static void refused_bits(Rig *rig)
{
    Unit *unit = rig->unit;
    const Words *w = words_of(unit);
    QDict *info;
    uint64_t pte;

    assert_refused(rig, RO_IOVA, true, w->read_only, w->write_bit);
    pte = query_pte(rig, RO_IOVA);
    qtest_writeq(unit->qts, pte, qtest_readq(unit->qts, pte) ^
                                 1ull << w->flip);
    assert_refused(rig, RO_IOVA, false, w->flipped, w->flip);
    assert_refused(rig, RO_IOVA + UNIT_PAGE, false, w->unmapped,
                   w->absent_bit);
    /* What is cached is not what the tables say. */
    pte = query_pte(rig, RIG_SPARE_IOVA);
    qtest_writeq(unit->qts, pte, 0);
    assert_refused(rig, RIG_SPARE_IOVA, false, w->unmapped, w->absent_bit);
    info = query_translate(rig, RIG_SPARE_IOVA, false);
    g_assert_true(qdict_haskey(info, "iotlb") ||
                  qdict_haskey(info, "dma-cache"));
    g_assert_false(qdict_get_bool(qdict_get_qdict(info,
        qdict_haskey(info, "iotlb") ? "iotlb" : "dma-cache"), "agrees"));
    qobject_unref(info);
    qtest_writeq(unit->qts, pte, 0);
}

/* Which mapping it is, or would be */
static void assert_mapping_blamed(Rig *rig, uint64_t iova, const char *text)
{
    QDict *answer = query_translate(rig, iova, true);
    const char *verdict = qdict_get_str(answer, "verdict");

    g_assert_nonnull(strstr(verdict, text));
    g_assert_cmphex(get_u64(qdict_get_qdict(answer, "mapping"), "first"), ==,
                    RO_IOVA);
    qobject_unref(answer);
}

static void test_refused(void)
{
    RigOptions opt = preferred();
    Rig *rig = rig_new(&opt);
    Unit *unit = rig->unit;
    const Words *w = words_of(unit);
    QDict *info;

    assert_refused(rig, HOLE_IOVA, false, w->unmapped, -1);
    unit->ops->map(unit, rig->space, RO_IOVA, rig->page, UNIT_PAGE, UNIT_R);
    if (unit->ops->by_request) {
        assert_refused(rig, RO_IOVA, true, w->read_only, -1);
        assert_mapping_blamed(rig, RO_IOVA + 8, "is for read");
        assert_mapping_blamed(rig, RO_IOVA - 8, "The next mapping is 0x");
    } else {
        refused_bits(rig);
    }
    assert_refused(rig, 1ull << 60, false, w->beyond, -1);

    unit->ops->detach_start(unit, opt.form, rig->sid, rig->space);
    unit_inv_wait(unit, opt.form);
    assert_refused(rig, RIG_DATA_IOVA, false, w->detached, -1);
    info = query_unit(unit->qts);
    g_assert_cmpstr(qdict_get_str(query_endpoint(info, DISK), "mode"), ==,
                    "blocked");
    g_assert_true(qdict_haskey(query_endpoint(info, DISK), "why"));
    qobject_unref(info);
    rig_free(rig);
}

static void assert_verdict(Rig *rig, uint64_t iova, const char *text)
{
    QDict *answer = query_translate(rig, iova, true);

    g_assert_true(qdict_get_bool(answer, "ok"));
    g_assert_nonnull(strstr(qdict_get_str(answer, "verdict"), text));
    qobject_unref(answer);
}

/* A translation that leads to no memory is right, and useless. */
static void test_place(void)
{
    RigOptions opt = preferred();
    Rig *rig = rig_new(&opt);
    Unit *unit = rig->unit;
    g_autofree char *memory = g_strdup_printf("leads to 0x%" PRIx64 ".",
                                              rig->page);
    bool arm = !strcmp(qtest_get_arch(), "aarch64");

    assert_verdict(rig, RIG_DATA_IOVA, memory);
    unit->ops->map(unit, rig->space, RO_IOVA, NOWHERE, UNIT_PAGE, UNIT_RW);
    assert_verdict(rig, RO_IOVA, ", where nothing is");
    unit->ops->map(unit, rig->space, RO_IOVA + UNIT_PAGE,
                   arm ? ARM_UART : HPET, UNIT_PAGE, UNIT_RW);
    assert_verdict(rig, RO_IOVA + UNIT_PAGE, arm ? "a device's: pl011" :
                                                   "a device's: hpet");
    rig_free(rig);
}

static QDict *first_fault(QDict *info)
{
    return qobject_to(QDict, qlist_peek(qdict_get_qlist(info, "fault-log")));
}

/* A fault is kept, with the reason, whatever becomes of it in the guest. */
static void test_fault_log(void)
{
    RigOptions opt = preferred();
    Rig *rig = rig_new(&opt);
    Unit *unit = rig->unit;
    QDict *info, *fault;
    unsigned i;

    vblk_submit(rig->blk, false, RIG_SECTOR, HOLE_IOVA + 0x10, 512);
    for (i = 0; i < VIOMMU_TRIES && !unit->ops->drop_faults(unit, rig->sid);
         i++) {
        unit_turn(unit->qts);
    }
    viommu_turns(unit);
    info = query_unit(unit->qts);
    g_assert_cmpint(qlist_size(qdict_get_qlist(info, "fault-log")), ==, 1);
    fault = first_fault(info);
    g_assert_cmpstr(qdict_get_str(fault, "address"), ==, DISK);
    g_assert_cmpstr(qdict_get_str(fault, "device"), ==, "disk");
    g_assert_cmphex(get_u64(fault, "iova"), ==, HOLE_IOVA);
    g_assert_true(qdict_get_bool(fault, "write"));
    g_assert_false(qdict_haskey(fault, "pasid"));
    g_assert_cmpint(get_u64(fault, "count"), >=, 1);
    g_assert_cmpint(get_u64(fault, "count"), ==, get_u64(info, "faults"));
    g_assert_cmpint(get_u64(query_endpoint(info, DISK), "faults"), ==,
                    get_u64(fault, "count"));
    g_assert_cmpint(get_u64(fault, "last-us"), >=, get_u64(fault, "first-us"));
    g_assert_true(qdict_get_bool(qdict_get_qdict(fault, "fault"),
                                 "recorded"));
    qobject_unref(info);
    rig_free(rig);
}

/* What an endpoint has done is counted, and what its cache did for it. */
static void test_counters(void)
{
    RigOptions opt = preferred();
    Rig *rig = rig_new(&opt);
    uint64_t accesses[4], translations[4];
    unsigned i;

    for (i = 0; i < G_N_ELEMENTS(accesses); i++) {
        QDict *info, *ep;

        if (i) {
            rig_hold(rig, true, RIG_DATA_IOVA);
            rig_release(rig);
        }
        info = query_unit(rig->unit->qts);
        ep = query_endpoint(info, DISK);
        accesses[i] = get_u64(ep, "accesses");
        translations[i] = get_u64(ep, "translations");
        g_assert_cmpint(get_u64(ep, "faults"), ==, 0);
        g_assert_true(qlist_empty(qdict_get_qlist(ep, "pasids")));
        g_assert_cmpint(qdict_haskey(ep, "interrupts-remapped"), ==,
                        g_str_equal(unit_ops()->name, "amd"));
        /* Nobody else does DMA that is translated. */
        g_assert_cmpint(translations[i], ==, get_u64(info, "translations"));
        qobject_unref(info);
    }
    /* The first request finds nothing in the cache, and the others all. */
    g_assert_cmpint(accesses[1], >, accesses[0]);
    g_assert_cmpint(translations[1], >, translations[0]);
    g_assert_cmpint(accesses[2], >, accesses[1]);
    g_assert_cmpint(accesses[3] - accesses[2], ==, accesses[2] - accesses[1]);
    g_assert_cmpint(translations[3], ==, translations[2]);
    rig_free(rig);
}

/* Everything in flight, @max at a time; returns how many, and their IOVAs. */
static unsigned in_flight(Rig *rig, unsigned max, uint64_t *iovas,
                          unsigned room, QDict **last)
{
    g_autofree char *next = NULL;
    unsigned n = 0;

    do {
        QDict *answer, *map;
        QList *maps;

        answer = next ? qtest_qmp_assert_success_ref(rig->unit->qts,
            "{'execute': 'viommu-in-flight', 'arguments': {'max': %u,"
            " 'device': 'disk', 'start': %s}}", max, next) :
            qtest_qmp_assert_success_ref(rig->unit->qts,
            "{'execute': 'viommu-in-flight', 'arguments': {'max': %u,"
            " 'device': 'disk'}}", max);
        maps = qdict_get_qlist(answer, "maps");
        g_assert_cmpint(qlist_size(maps), <=, max);
        while ((map = qobject_to(QDict, qlist_pop(maps)))) {
            g_assert_cmpint(n, <, room);
            g_assert_cmpstr(qdict_get_str(map, "endpoint"), ==, DISK);
            g_assert_cmpstr(qdict_get_str(map, "device"), ==, "disk");
            iovas[n++] = get_u64(map, "iova");
            if (last) {
                qobject_unref(*last);
                *last = qobject_ref(map);
            }
            qobject_unref(map);
        }
        g_free(next);
        next = g_strdup(qdict_get_try_str(answer, "next"));
        qobject_unref(answer);
    } while (next);
    return n;
}

static unsigned count_iova(const uint64_t *iovas, unsigned n, uint64_t iova)
{
    unsigned found = 0;

    while (n--) {
        found += iovas[n] == iova;
    }
    return found;
}

/* Of what is in flight, and, as long as that stays, of its endpoint */
static bool age_is_known(Rig *rig)
{
    QDict *map = NULL, *info;
    uint64_t iovas[32];
    bool known;

    in_flight(rig, 256, iovas, 32, &map);
    known = qdict_haskey(map, "age-ms");
    qobject_unref(map);
    info = query_unit(rig->unit->qts);
    if (known) {
        g_assert_true(qdict_haskey(query_endpoint(info, DISK), "oldest-ms"));
    }
    qobject_unref(info);
    return known;
}

static void test_in_flight(void)
{
    RigOptions opt = preferred();
    uint64_t age = 0;
    Rig *rig = rig_new(&opt);
    Unit *unit = rig->unit;
    uint64_t iovas[32];
    unsigned i, n, max;
    QDict *map = NULL;

    g_assert_cmpint(in_flight(rig, 1, iovas, 32, NULL), ==, 0);
    /* Two requests: each has its data and its status byte, at least. */
    rig_hold(rig, false, RIG_DATA_IOVA);
    vblk_submit(rig->blk, false, 0, RIG_SPARE_IOVA, RIG_LEN);
    viommu_until(unit, vblk_in_flight(rig->blk) == 2);
    n = in_flight(rig, 256, iovas, 32, NULL);
    g_assert_cmpint(n, >=, 2);
    for (max = 1; max <= n + 1; max++) {
        g_assert_cmpint(in_flight(rig, max, iovas, 32, &map), ==, n);
        g_assert_cmpint(count_iova(iovas, n, RIG_DATA_IOVA), ==, 1);
        g_assert_cmpint(count_iova(iovas, n, RIG_SPARE_IOVA), ==, 1);
    }
    g_assert_cmpstr(qdict_get_str(map, "kind"), ==, "request");
    g_assert_false(qdict_haskey(map, "waited-ms"));
    qobject_unref(map);
    /* It was there when somebody asked before, if that was not just now. */
    viommu_until(unit, age_is_known(rig));

    /* What an invalidation waits for is still there, and says so. */
    rig_unmap(rig, UNIT_ALL);
    rig_assert_pending(rig);
    for (i = 0; i < 2; i++) {
        QDict *info = query_unit(unit->qts);
        QDict *ep = query_endpoint(info, DISK);

        g_assert_cmpint(get_u64(ep, "maps-waited-for"), ==, 1);
        g_assert_true(qdict_haskey(ep, "waited-ms"));
        g_assert_true(qdict_haskey(ep, "oldest-ms"));
        g_assert_cmpint(get_u64(ep, "oldest-ms"), >=, age);
        age = get_u64(ep, "oldest-ms");
        qobject_unref(info);
        g_assert_cmpint(in_flight(rig, 1 + i, iovas, 32, NULL), ==, n);
        g_assert_cmpint(count_iova(iovas, n, RIG_DATA_IOVA), ==, 1);
    }
    rig_step(rig, RIG_RELEASE_NS);
    rig_step(rig, RIG_RELEASE_NS);
    viommu_until(unit, rig_inv_done(rig));
    viommu_until(unit, !in_flight(rig, 8, iovas, 32, NULL));

    assert_error(unit->qts, "{'execute': 'viommu-in-flight',"
                 " 'arguments': {'start': '1-2'}}", "start is '1-2'");
    assert_error(unit->qts, "{'execute': 'viommu-in-flight',"
                 " 'arguments': {'max': 0}}", "max is 0");
    /* A cursor is only numbers: none of them does harm. */
    qtest_qmp_assert_success(unit->qts, "{'execute': 'viommu-in-flight',"
        " 'arguments': {'start': '0-0-ffffffffffffffff-ffffffffffffffff-"
        "ffffffffffffffff-ffffffffffffffff-ffffffffffffffff-"
        "ffffffffffffffff'}}");
    rig_free(rig);
}

/* All ranges, @max at a time */
static QList *map_all(Rig *rig, unsigned max, uint64_t tag)
{
    QList *all = qlist_new();
    uint64_t start = 0;
    bool more;

    do {
        QDict *answer, *range;

        answer = tag ? qtest_qmp_assert_success_ref(rig->unit->qts,
            "{'execute': 'viommu-map', 'arguments': {'tag': %" PRIu64 ","
            " 'start': %" PRIu64 ", 'max': %u}}", tag, start, max) :
            qtest_qmp_assert_success_ref(rig->unit->qts,
            "{'execute': 'viommu-map', 'arguments': {'device': 'disk',"
            " 'start': %" PRIu64 ", 'max': %u}}", start, max);
        g_assert_cmpstr(qdict_get_str(answer, "mode"), ==, "translate");
        g_assert_cmpint(qlist_size(qdict_get_qlist(answer, "ranges")), <=,
                        max);
        while ((range = qobject_to(QDict, qlist_pop(qdict_get_qlist(answer,
                                                        "ranges"))))) {
            g_assert_cmphex(get_u64(range, "first"), >=, start);
            qlist_append(all, range);
        }
        more = qdict_haskey(answer, "next");
        if (more) {
            g_assert_cmphex(get_u64(answer, "next"), >, start);
            start = get_u64(answer, "next");
        }
        qobject_unref(answer);
    } while (more);
    return all;
}

static QDict *range_at(QList *list, uint64_t iova)
{
    const QListEntry *entry;

    QLIST_FOREACH_ENTRY(list, entry) {
        QDict *range = qobject_to(QDict, qlist_entry_obj(entry));

        if (get_u64(range, "first") <= iova &&
            get_u64(range, "last") >= iova) {
            return range;
        }
    }
    return NULL;
}

static void test_map(void)
{
    RigOptions opt = preferred();
    Rig *rig = rig_new(&opt);
    Unit *unit = rig->unit;
    uint64_t pages = unit_alloc(unit, 4);
    uint64_t large = unit_alloc_aligned(unit, UNIT_LARGE);
    QDict *info, *range, *before;
    QList *all, *pieces;
    uint64_t tag;
    unsigned i;

    /* Four pages in a row are one range; the last of them read-only. */
    for (i = 0; i < 5; i++) {
        unit->ops->map(unit, rig->space, RO_IOVA + i * UNIT_PAGE,
                       pages + MIN(i, 3) * UNIT_PAGE, UNIT_PAGE,
                       i < 4 ? UNIT_RW : UNIT_R);
    }
    unit->ops->map(unit, rig->space, LARGE_IOVA, large, UNIT_LARGE, UNIT_RW);
    before = query_unit(unit->qts);
    tag = get_u64(query_endpoint(before, DISK), "tag");
    all = map_all(rig, 256, 0);
    range = range_at(all, RO_IOVA);
    g_assert_cmphex(get_u64(range, "first"), ==, RO_IOVA);
    g_assert_cmphex(get_u64(range, "last"), ==, RO_IOVA + 4 * UNIT_PAGE - 1);
    g_assert_cmphex(get_u64(range, "address"), ==, pages);
    g_assert_true(qdict_get_bool(range, "write"));
    range = range_at(all, RO_IOVA + 4 * UNIT_PAGE);
    g_assert_cmphex(get_u64(range, "address"), ==, pages + 3 * UNIT_PAGE);
    g_assert_false(qdict_get_bool(range, "write"));
    range = range_at(all, LARGE_IOVA);
    g_assert_cmphex(get_u64(range, "last"), ==, LARGE_IOVA + UNIT_LARGE - 1);
    g_assert_cmphex(qnum_get_uint(qobject_to(QNum, qlist_peek(
                        qdict_get_qlist(range, "page-sizes")))), ==,
                    UNIT_LARGE);
    g_assert_null(range_at(all, HOLE_IOVA));

    for (i = 1; i < 4; i++) {
        pieces = map_all(rig, i, i & 1 ? tag : 0);
        g_assert_true(qobject_is_equal(QOBJECT(all), QOBJECT(pieces)));
        qobject_unref(pieces);
    }
    qobject_unref(all);
    assert_unchanged(rig, before);

    assert_error(unit->qts, "{'execute': 'viommu-map'}", "device and tag");
    assert_error(unit->qts, "{'execute': 'viommu-map', 'arguments':"
                 " {'tag': 12345678}}", "no endpoint is in a domain");
    info = qtest_qmp(unit->qts, "{'execute': 'viommu-translate', 'arguments':"
                     " {'device': 'nobody', 'iova': 0}}");
    g_assert_true(qdict_haskey(info, "error"));
    qobject_unref(info);
    rig_free(rig);
}

/* A machine without any */
static void test_none(void)
{
    QTestState *qts = qtest_init(
        g_str_equal(qtest_get_arch(), "x86_64") ? "-machine q35" :
                                                  "-machine virt");
    QDict *answer = qtest_qmp(qts, "{'execute': 'query-viommu'}");
    g_autofree char *text = NULL;

    g_assert_true(qlist_empty(qdict_get_qlist(answer, "return")));
    qobject_unref(answer);
    answer = qtest_qmp_assert_success_ref(qts,
                                          "{'execute': 'viommu-in-flight'}");
    g_assert_true(qlist_empty(qdict_get_qlist(answer, "maps")));
    qobject_unref(answer);
    assert_error(qts, "{'execute': 'viommu-translate', 'arguments':"
                 " {'device': '00:01.0', 'iova': 0}}", "no vIOMMU");
    text = qtest_hmp(qts, "info viommu -e -f -d");
    g_assert_nonnull(strstr(text, "No vIOMMU"));
    qtest_quit(qts);
}

/* The monitor's commands say the same. */
static void test_hmp(void)
{
    RigOptions opt = preferred();
    Rig *rig = rig_new(&opt);
    QTestState *qts = rig->unit->qts;
    g_autofree char *all = NULL, *walk = NULL, *error = NULL, *map = NULL;

    rig_hold(rig, false, RIG_DATA_IOVA);
    all = qtest_hmp(qts, "info viommu -e -f -d");
    g_assert_nonnull(strstr(all, "translation on"));
    g_assert_nonnull(strstr(all, DISK " disk: translate"));
    g_assert_nonnull(strstr(all, "of 0x1000 bytes at 0x20000000, request"));
    walk = qtest_hmp(qts, "viommu_translate -w disk 0x%x",
                     (unsigned)RIG_DATA_IOVA);
    g_assert_nonnull(strstr(walk, "A write at 0x20000000 leads to"));
    map = qtest_hmp(qts, "viommu_map disk 0x%x", (unsigned)RIG_DATA_IOVA);
    g_assert_nonnull(strstr(map, "0x20000000 .. 0x2"));
    g_assert_nonnull(strstr(map, "disk: translate, "));
    error = qtest_hmp(qts, "viommu_map -c nobody");
    g_assert_nonnull(strstr(error, "no vIOMMU knows an endpoint 'nobody'"));
    g_free(error);
    error = qtest_hmp(qts, "viommu_translate nobody 0");
    g_assert_nonnull(strstr(error, "no vIOMMU knows an endpoint 'nobody'"));
    rig_release(rig);
    rig_free(rig);
}

/*
 * Whichever bit of the configuration is spoilt, so that all DMA is blocked: it
 * is named, unless others would do as well.  Returns: was it?
 */
static bool entry_bit_named(Rig *rig, uint64_t addr, unsigned bit)
{
    QTestState *qts = rig->unit->qts;
    uint64_t was = qtest_readq(qts, addr);
    g_autofree char *name = g_strdup_printf("bit %u of 0x%" PRIx64 " were %s",
                                            bit, addr, was >> bit & 1 ? "set" :
                                                                      "clear");
    const char *verdict;
    QDict *answer;
    bool named;

    qtest_writeq(qts, addr, was ^ 1ull << bit);
    answer = query_translate(rig, RIG_DATA_IOVA, false);
    verdict = qdict_get_str(answer, "verdict");
    named = strstr(verdict, name);
    if (g_str_equal(qdict_get_str(answer, "mode"), "blocked")) {
        g_test_message("%s", verdict);
        g_assert_true(named || !strstr(verdict, "were"));
    } else {
        g_assert_null(strstr(verdict, "It would"));
    }
    qobject_unref(answer);
    qtest_writeq(qts, addr, was);
    return named;
}

static void test_entry(void)
{
    RigOptions opt = preferred();
    Rig *rig = rig_new(&opt);
    QDict *answer = query_translate(rig, RIG_DATA_IOVA, false), *word;
    QList *list = qdict_get_qlist(answer, "configuration");
    unsigned bit, named = 0, words = 0;

    while ((word = qobject_to(QDict, qlist_pop(list)))) {
        for (bit = words++ % 3; bit < 64; bit += 3) {
            named += entry_bit_named(rig, get_u64(word, "address"), bit);
        }
        qobject_unref(word);
    }
    qobject_unref(answer);
    /* Without tables there is nothing to spoil. */
    g_assert_true(rig->unit->ops->by_request ? !words : named >= 4);
    rig_free(rig);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("/viommu/query/unit", test_unit);
    qtest_add_func("/viommu/query/bypass", test_bypass);
    qtest_add_func("/viommu/query/refused", test_refused);
    qtest_add_func("/viommu/query/entry", test_entry);
    qtest_add_func("/viommu/query/place", test_place);
    qtest_add_func("/viommu/query/fault-log", test_fault_log);
    qtest_add_func("/viommu/query/counters", test_counters);
    qtest_add_func("/viommu/query/in-flight", test_in_flight);
    qtest_add_func("/viommu/query/map", test_map);
    qtest_add_func("/viommu/query/none", test_none);
    qtest_add_func("/viommu/query/hmp", test_hmp);
    rig_add("query", "translate", false, test_translate);
    return g_test_run();
}

/*
 * Windows: addresses that are no memory for an endpoint
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The same for every model.  The window under test lies over guest RAM, so that
 * an access that goes past it is seen there.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "qobject/qnum.h"
#include "hw/misc/x-dma-bench.h"
#include "viommu-amd.h"
#include "viommu-edu.h"
#include "viommu-listener.h"
#include "viommu-plug.h"
#include "viommu-smmu.h"
#include "viommu-vblk.h"
#include "standard-headers/linux/virtio_config.h"
#include "viommu-virtio.h"
#include "viommu-vtd.h"

/* In guest RAM, in the middle of a large page, and of three pages */
#define WINDOW_AT   0x50005000ULL
#define WINDOW_LEN  (3 * UNIT_PAGE)
#define BENCH_SLOT  5
#define BENCH_SID   (BENCH_SLOT << 3)
#define EDU         "-device edu,id=edu,addr=04.0," \
                    "dma_mask=0xffffffffffffffff "
#define BENCH       "-device x-dma-bench,id=bench,addr=05.0 "
#define RAM_BYTE    0x3c
/* It lets the device use what most PCs do, of 40 bits. */
#define HOST        "-device x-iommu-listener,id=host,addr=06.0,map=on," \
                    "host-usable=0:0xfedfffff,,0xfef00000:0xffffffffff "

typedef enum Mode {
    MODE_OFF,                /* the guest has turned nothing on */
    MODE_BYPASS,             /* on, but the endpoint's entry lets it pass */
    MODE_PAGES,              /* small pages, one to one */
    MODE_LARGE,              /* one large page around the window */
    MODES,
} Mode;

static const char *const mode_names[] = { "off", "bypass", "pages", "large" };

typedef struct Test {
    Mode mode;
    bool cached;             /* with the DMA translation cache */
    bool device;             /* it is the devices' own, and not the unit's */
    bool bounce;             /* devices work on copies */
    const char *form;        /* NULL: the usual one */
} Test;

typedef struct Win {
    Unit *unit;
    Edu *edu;
    uint64_t first, last;    /* of the window */
    uint64_t large;          /* the large page it is in */
    bool faults;             /* what is refused is reported */
} Win;

/* Of unit_ops()->forms, if it is not the usual one */
static const char *form_name;

static unsigned form(void)
{
    const UnitOps *ops = unit_ops();
    unsigned i;

    if (!form_name) {
        return ops->queue_form;
    }
    for (i = 0; strcmp(ops->forms[i], form_name); i++) {
        g_assert_nonnull(ops->forms[i + 1]);
    }
    return i;
}

/* An entry of the model's that lets @sid pass */
static void attach_bypass(Unit *unit, uint16_t sid, UnitSpace *space)
{
    if (unit->ops == &vtd_unit_ops) {
        vtd_attach(container_of(unit, VTD, unit), sid, vtd_domain_of(space),
                   VTD_TT_PASSTHROUGH);
    } else if (unit->ops == &smmu_unit_ops) {
        uint64_t ste[8];

        smmu_make_ste(ste, SMMU_STE_BYPASS, 0, NULL, 0);
        smmu_set_ste(container_of(unit, SMMU, unit), sid, ste);
    } else if (unit->ops == &amd_unit_ops) {
        amd_set_dte(container_of(unit, AMD, unit), sid, 0, 0, 0);
    } else {
        g_assert_not_reached();
    }
}

static void map_pages(Win *w, UnitSpace *space)
{
    uint64_t at;

    for (at = w->first - 2 * UNIT_PAGE; at <= w->last + 2 * UNIT_PAGE;
         at += UNIT_PAGE) {
        /* With requests, a page of the window is one that is refused. */
        if (!w->unit->ops->by_request || at + UNIT_PAGE <= w->first ||
            at > w->last) {
            w->unit->ops->map(w->unit, space, at, at, UNIT_PAGE, UNIT_RW);
        }
    }
}

static void win_enable(Win *w, Mode mode)
{
    const UnitOps *ops = w->unit->ops;
    UnitSpace *space;
    unsigned i;

    if (mode == MODE_OFF) {
        return;
    }
    space = ops->space(w->unit, form(), 7);
    for (i = 0; i < 2; i++) {
        uint16_t sid = i ? BENCH_SID : EDU_SID;

        if (mode == MODE_BYPASS) {
            attach_bypass(w->unit, sid, space);
        } else {
            ops->attach(w->unit, sid, space);
        }
    }
    if (mode == MODE_PAGES) {
        map_pages(w, space);
    } else if (mode == MODE_LARGE) {
        ops->map(w->unit, space, w->large, w->large, UNIT_LARGE, UNIT_RW);
    }
    ops->enable(w->unit, form());
    w->faults = true;
}

static char *win_range(const UnitOps *ops)
{
    uint64_t first = ops->ram + WINDOW_AT, last = first + WINDOW_LEN - 1;

    return g_strdup_printf("reserved-ranges=0x%" PRIx64 ":0x%" PRIx64 ":0",
                           first, last);
}

/* The same for a unit; what lies there is the guest's memory. */
static char *win_unit_range(const UnitOps *ops)
{
    g_autofree char *range = win_range(ops);

    return g_strdup_printf("%s,ram-in-windows=on", range);
}

static void win_start(Win *w, const Test *test)
{
    const UnitOps *ops = unit_ops();
    g_autofree char *range = win_range(ops), *args = NULL, *props = NULL;

    form_name = test->form;
    props = g_strdup_printf("%s%s%s,ram-in-windows=on",
                            test->cached ? "" : "dma-cache-size=0,",
                            test->bounce ? "dma-mode=bounce," : "",
                            test->device ? "iotlb-size=4096" : range);
    args = g_strdup_printf("-device edu,id=edu,addr=04.0,%s,"
                           "dma_mask=0xffffffffffffffff "
                           "-device x-dma-bench,id=bench,addr=05.0,%s",
                           test->device ? range : "multifunction=off",
                           test->device ? range : "multifunction=off");
    *w = (Win) { .unit = ops->start(form(), props, args) };
    w->first = ops->ram + WINDOW_AT;
    w->last = w->first + WINDOW_LEN - 1;
    w->large = w->first & ~(UNIT_LARGE - 1);
    qtest_memset(w->unit->qts, w->first - UNIT_PAGE, RAM_BYTE,
                 WINDOW_LEN + 2 * UNIT_PAGE);
    win_enable(w, test->mode);
    w->edu = edu_new(w->unit, EDU_SID);
}

static void win_stop(Win *w)
{
    edu_free(w->edu);
    w->unit->ops->stop(w->unit);
    form_name = NULL;
}

static void assert_refusal(Win *w, uint16_t sid, bool refused)
{
    if (refused && w->faults) {
        g_assert_true(w->unit->ops->drop_faults(w->unit, sid));
    } else if (w->faults) {
        w->unit->ops->assert_no_fault(w->unit);
    }
}

/* A write, then a read, of 8 bytes; what lies in the window is not reached. */
static void check_access(Win *w, uint64_t iova)
{
    QTestState *qts = w->unit->qts;
    uint64_t spare = w->first - UNIT_PAGE + 0x100;
    bool inside = false;
    uint8_t got[8];
    unsigned i;

    qtest_memset(qts, iova, RAM_BYTE, 8);
    /* The device's buffer: eight bytes that are told apart */
    for (i = 0; i < 8; i++) {
        qtest_writeb(qts, spare + i, 0xc0 + i);
    }
    edu_load(w->edu, spare, 8);
    edu_store(w->edu, iova, 8);
    qtest_memread(qts, iova, got, 8);
    for (i = 0; i < 8; i++) {
        bool in = iova + i >= w->first && iova + i <= w->last;

        inside |= in;
        g_assert_cmphex(got[i], ==, in ? RAM_BYTE : 0xc0 + i);
    }
    assert_refusal(w, EDU_SID, inside);

    /* Other bytes are there now: the device must not see those inside. */
    qtest_memset(qts, iova, 0x77, 8);
    edu_load(w->edu, iova, 8);
    assert_refusal(w, EDU_SID, inside);
    edu_store(w->edu, spare, 8);
    qtest_memread(qts, spare, got, 8);
    for (i = 0; i < 8; i++) {
        bool in = iova + i >= w->first && iova + i <= w->last;

        if (in) {
            g_assert_cmphex(got[i], !=, 0x77);
        } else {
            g_assert_cmphex(got[i], ==, 0x77);
        }
    }
    assert_refusal(w, EDU_SID, false);
}

static void test_access(const void *data)
{
    Win w;

    win_start(&w, data);
    /* Twice: what can be cached is cached then. */
    for (int i = 0; i < 2; i++) {
        check_access(&w, w.first - 8);
        check_access(&w, w.first - 4);
        check_access(&w, w.first);
        check_access(&w, w.first + UNIT_PAGE);
        check_access(&w, w.last - 7);
        check_access(&w, w.last - 3);
        check_access(&w, w.last + 1);
    }
    win_stop(&w);
}

/* x-dma-bench: accesses over the whole of it in one, mapped and not */
static void check_bench(Win *w, QPCIDevice *pci, QPCIBar bar, uint32_t command,
                        unsigned threads)
{
    QTestState *qts = w->unit->qts;
    uint64_t before = w->first - UNIT_PAGE;

    qtest_memset(qts, before, RAM_BYTE, WINDOW_LEN + 2 * UNIT_PAGE);
    qpci_io_writeq(pci, bar, XDB_ADDR, before);
    qpci_io_writeq(pci, bar, XDB_LENGTH, WINDOW_LEN + 2 * UNIT_PAGE);
    qpci_io_writeq(pci, bar, XDB_STRIDE, UNIT_PAGE);
    qpci_io_writeq(pci, bar, XDB_WINDOW, UNIT_PAGE);
    qpci_io_writeq(pci, bar, XDB_COUNT, 3);
    qpci_io_writel(pci, bar, XDB_THREADS, threads);
    qpci_io_writel(pci, bar, XDB_CMD, command);
    g_assert_cmphex(qpci_io_readl(pci, bar, XDB_STATUS), ==, 0);
    g_assert_true(viommu_is_filled(w->unit, w->first, RAM_BYTE, WINDOW_LEN));
    /* Each has come as far as the window. */
    g_assert_false(viommu_is_filled(w->unit, before, RAM_BYTE, UNIT_PAGE));
    if (w->faults) {
        w->unit->ops->drop_faults(w->unit, BENCH_SID);
    }
}

static void test_bench(const void *data)
{
    QPCIDevice *pci;
    QPCIBar bar;
    unsigned i;
    Win w;

    win_start(&w, data);
    pci = qpci_device_find(w.unit->bus, BENCH_SID);
    qpci_device_enable(pci);
    bar = qpci_iomap(pci, 0, NULL);
    for (i = 0; i < 2; i++) {
        check_bench(&w, pci, bar, XDB_WRITE, i);
        check_bench(&w, pci, bar, XDB_NUMBER, i);
        check_bench(&w, pci, bar, XDB_MAP_FILL, i);
    }
    /* A thread that runs into it does not want the BQL. */
    check_bench(&w, pci, bar, XDB_WRITE | XDB_HOLD, 1);
    check_bench(&w, pci, bar, XDB_MAP_FILL | XDB_HOLD, 1);
    g_free(pci);
    win_stop(&w);
}

/* A ring in it is never read; one beside it is. */
static void test_ring(void)
{
    const UnitOps *ops = unit_ops();
    g_autofree char *range = win_unit_range(ops);
    Win w = { .first = ops->ram + WINDOW_AT,
              .last = ops->ram + WINDOW_AT + WINDOW_LEN - 1 };
    UnitSpace *space;
    unsigned i;
    VBlk *blk;

    w.unit = ops->start(form(), range, "-blockdev null-co,node-name=n,"
                        "size=65536,read-zeroes=on -device virtio-blk-pci,"
                        "id=blk,drive=n,addr=05.0,disable-legacy=on,"
                        "iommu_platform=on");
    space = ops->space(w.unit, form(), 7);
    ops->attach(w.unit, BENCH_SID, space);
    map_pages(&w, space);
    ops->enable(w.unit, form());
    blk = vblk_new(w.unit, BENCH_SID, "blk", w.first, w.first);
    vblk_submit(blk, false, 0, w.last + 1 + UNIT_PAGE, VBLK_SECTOR);
    viommu_turns(w.unit);
    g_assert_cmpuint(vblk_completed(blk), ==, 0);
    vblk_free(blk);
    ops->drop_faults(w.unit, BENCH_SID);
    blk = vblk_new(w.unit, BENCH_SID, "blk", w.last + 1, w.last + 1);
    /* Where its data goes: into the window, across its edge, beside it */
    for (i = 0; i < 3; i++) {
        uint64_t at = w.first - (i * VBLK_SECTOR) / 2;
        unsigned before = vblk_completed(blk);

        qtest_memset(w.unit->qts, w.first - UNIT_PAGE, RAM_BYTE,
                     2 * UNIT_PAGE);
        vblk_submit(blk, false, 0, at, VBLK_SECTOR);
        viommu_until(w.unit, vblk_completed(blk) == before + 1 ||
                     vblk_device_status(blk) & VIRTIO_CONFIG_S_NEEDS_RESET);
        g_assert_true(viommu_is_filled(w.unit, w.first, RAM_BYTE, UNIT_PAGE));
        if (vblk_device_status(blk) & VIRTIO_CONFIG_S_NEEDS_RESET) {
            vblk_free(blk);
            blk = vblk_new(w.unit, BENCH_SID, "blk", w.last + 1, w.last + 1);
        }
    }
    vblk_free(blk);
    ops->stop(w.unit);
}

/* The model's doorbell, where tables have memory around it and over it */
static void test_doorbell(void)
{
    const UnitOps *ops = unit_ops();
    uint64_t first = 0xfee00000, last = 0xfeefffff, ram = ops->ram + WINDOW_AT;
    Unit *unit = ops->start(form(), "", EDU);
    UnitSpace *space = ops->space(unit, form(), 7);
    Edu *edu;
    unsigned i;

    ops->attach(unit, EDU_SID, space);
    ops->map(unit, space, first - UNIT_PAGE, ram, UNIT_PAGE, UNIT_RW);
    if (!ops->by_request) {
        ops->map(unit, space, first, ram + UNIT_PAGE, UNIT_PAGE, UNIT_RW);
        ops->map(unit, space, last + 1 - UNIT_PAGE, ram + 2 * UNIT_PAGE,
                 UNIT_PAGE, UNIT_RW);
    }
    ops->map(unit, space, last + 1, ram + 3 * UNIT_PAGE, UNIT_PAGE, UNIT_RW);
    ops->map(unit, space, ops->ram, ops->ram, UNIT_PAGE, UNIT_RW);
    ops->enable(unit, form());
    edu = edu_new(unit, EDU_SID);
    for (i = 0; i < 2; i++) {
        qtest_memset(unit->qts, ram, RAM_BYTE, 4 * UNIT_PAGE);
        qtest_memset(unit->qts, ops->ram, 0xc0, 8);
        edu_load(edu, ops->ram, 8);
        edu_store(edu, first - 4, 8);
        edu_store(edu, last - 3, 8);
        /* Four bytes before it, and four behind; of the rest nothing. */
        g_assert_true(viommu_is_filled(unit, ram + UNIT_PAGE - 4, 0xc0, 4));
        g_assert_true(viommu_is_filled(unit, ram + UNIT_PAGE, RAM_BYTE,
                                       2 * UNIT_PAGE));
        g_assert_true(viommu_is_filled(unit, ram + 3 * UNIT_PAGE, 0xc0, 4));
        /* Reads do not see what is in memory either. */
        qtest_memset(unit->qts, ram + UNIT_PAGE, 0x77, 2 * UNIT_PAGE);
        edu_load(edu, first, 8);
        edu_store(edu, ops->ram, 8);
        g_assert_cmphex(qtest_readq(unit->qts, ops->ram), !=,
                        0x7777777777777777);
        edu_load(edu, last + 1, 4);
        edu_store(edu, ops->ram, 4);
        g_assert_true(viommu_is_filled(unit, ops->ram, 0xc0, 4));
    }
    ops->drop_faults(unit, EDU_SID);
    edu_free(edu);
    ops->stop(unit);
}

/* What is asked */

typedef struct Window {
    uint64_t first, last;
    const char *kind, *origin;
} Window;

/* @windows of an endpoint are just these; one without kind ends them. */
static void check_windows(QDict *endpoint, const Window *ought)
{
    QList *list = qdict_get_qlist(endpoint, "windows");
    const QListEntry *entry;

    QLIST_FOREACH_ENTRY(list, entry) {
        QDict *w = qobject_to(QDict, qlist_entry_obj(entry));

        g_assert_nonnull(ought->kind);
        g_assert_cmphex(qnum_get_uint(qobject_to(QNum, qdict_get(w, "first"))),
                        ==, ought->first);
        g_assert_cmphex(qnum_get_uint(qobject_to(QNum, qdict_get(w, "last"))),
                        ==, ought->last);
        g_assert_cmpstr(qdict_get_str(w, "kind"), ==, ought->kind);
        g_assert_cmpstr(qdict_get_str(w, "origin"), ==, ought->origin);
        g_assert_cmpint(qdict_get_bool(w, "translated"), ==,
                        g_str_equal(ought->kind, "software-msi"));
        ought++;
    }
    g_assert_null(ought->kind);
}

/* Every endpoint, or the one with @id, as query-viommu-windows has it */
static void check_answer(QTestState *qts, const char *id, const Window *ought)
{
    QDict *answer = qtest_qmp(qts, "{'execute': 'query-viommu-windows'}");
    QDict *unit = qobject_to(QDict, qlist_peek(qdict_get_qlist(answer,
                                                               "return")));
    const QListEntry *entry;
    unsigned n = 0;

    g_assert_nonnull(unit);
    g_assert_nonnull(qdict_get_str(unit, "viommu"));
    QLIST_FOREACH_ENTRY(qdict_get_qlist(unit, "endpoints"), entry) {
        QDict *ep = qobject_to(QDict, qlist_entry_obj(entry));

        if (!id || !g_strcmp0(qdict_get_try_str(ep, "device"), id)) {
            check_windows(ep, ought);
            n++;
        }
    }
    g_assert_cmpuint(n, >=, 1);
    qobject_unref(answer);
}

/* What a model's endpoints have by themselves above what the tests add */
static unsigned model_windows(Window *w)
{
    const UnitOps *ops = unit_ops();

    if (ops == &smmu_unit_ops) {
        return 0;
    }
    w[0] = (Window) { 0xfee00000, 0xfeefffff, "msi",
                      ops == &virtio_unit_ops ? "machine" : "model" };
    if (ops != &amd_unit_ops) {
        return 1;
    }
    w[1] = (Window) { 0xfd00000000, 0xffffffffff, "reserved", "model" };
    return 2;
}

static void test_query(void)
{
    uint64_t ram = unit_ops()->ram;
    uint64_t at = ram + 0x50000000, next = ram + 0x60000000;
    Window plain[4] = { { 0 } }, ought[6] = { { 0 } };
    g_autofree char *props = NULL, *args = NULL, *info = NULL;
    Unit *unit;

    props = g_strdup_printf("reserved-ranges=0x%" PRIx64 ":0x%" PRIx64
                            ":software-msi,ram-in-windows=on", at,
                            at + 0xfffff);
    args = g_strdup_printf(EDU "-device x-dma-bench,id=bench,addr=05.0,"
                           "reserved-ranges=0x%" PRIx64 ":0x%" PRIx64
                           ":reserved,,0x%" PRIx64 ":0x%" PRIx64 ":0",
                           at + 0x100000, at + 0x100fff, next, next + 0xfff);
    ought[0] = (Window) { at, at + 0xfffff, "software-msi", "operator" };
    ought[1] = (Window) { at + 0x100000, at + 0x100fff, "reserved",
                          "operator" };
    ought[2] = (Window) { next, next + 0xfff, "reserved", "operator" };
    plain[0] = ought[0];
    model_windows(&ought[3]);
    model_windows(&plain[1]);
    unit = unit_ops()->start(form(), props, args);
    check_answer(unit->qts, "edu", plain);
    check_answer(unit->qts, "bench", ought);
    info = qtest_hmp(unit->qts, "info viommu -e");
    g_assert_nonnull(strstr(info, ": software-msi (operator)"));
    unit->ops->stop(unit);

    /* Without any property, only the model's own */
    memset(plain, 0, sizeof(plain));
    model_windows(plain);
    unit = unit_ops()->start(form(), "", EDU);
    check_answer(unit->qts, NULL, plain);
    unit->ops->stop(unit);
}

/* Why an access fails is said in words. */
static void test_explain(void)
{
    const Test test = { .mode = MODE_PAGES, .cached = true };
    QDict *answer;
    Win w;

    win_start(&w, &test);
    answer = qtest_qmp_assert_success_ref(w.unit->qts,
        "{'execute': 'viommu-translate', 'arguments': {'device': 'edu',"
        " 'iova': %" PRIu64 "}}", w.first);
    g_assert_false(qdict_get_bool(answer, "ok"));
    g_assert_nonnull(strstr(qdict_get_str(answer, "verdict"), "window"));
    g_assert_true(qlist_empty(qdict_get_qlist(answer, "walk")));
    qobject_unref(answer);
    answer = qtest_qmp_assert_success_ref(w.unit->qts,
        "{'execute': 'viommu-translate', 'arguments': {'device': 'edu',"
        " 'iova': %" PRIu64 "}}", w.last + 1);
    g_assert_true(qdict_get_bool(answer, "ok"));
    qobject_unref(answer);
    win_stop(&w);
}

/* @id's mapping goes from 0 and leaves out @ought, and nothing else. */
static void check_map(QTestState *qts, const char *id, const Window *ought)
{
    QDict *answer = qtest_qmp_assert_success_ref(qts,
        "{'execute': 'viommu-map', 'arguments': {'device': %s}}", id);
    const QListEntry *entry;
    uint64_t next = 0;

    QLIST_FOREACH_ENTRY(qdict_get_qlist(answer, "ranges"), entry) {
        QDict *r = qobject_to(QDict, qlist_entry_obj(entry));
        uint64_t last = qnum_get_uint(qobject_to(QNum, qdict_get(r, "last")));

        g_assert_cmphex(qnum_get_uint(qobject_to(QNum, qdict_get(r, "first"))),
                        ==, next);
        g_assert_cmphex(last, ==, ought->kind ? ought->first - 1 : UINT64_MAX);
        next = ought->kind ? ought->last + 1 : 0;
        ought += ought->kind != NULL;
    }
    g_assert_null(ought->kind);
    g_assert_cmphex(next, ==, 0);
    qobject_unref(answer);
}

/* Of one that bypasses, too, and it says what an interrupt message is. */
static void test_explain_bypass(void)
{
    uint64_t at = unit_ops()->ram + 0x50000000;
    g_autofree char *props = g_strdup_printf(
        "reserved-ranges=0x%" PRIx64 ":0x%" PRIx64 ":0,ram-in-windows=on", at,
        at + 0xfffff);
    Unit *unit = unit_ops()->start(form(), props, EDU
        "-device virtio-rng-pci,id=rng,addr=06.0,disable-legacy=on");
    const Window none = { 0 };
    Window ought[5] = { { at, at + 0xfffff, "reserved", "operator" } };

    check_map(unit->qts, "rng", &none);
    if (model_windows(&ought[1])) {
        g_autofree char *message = qtest_hmp(unit->qts, "viommu_translate -w "
                                             "edu 0xfee00000");
        g_autofree char *read = qtest_hmp(unit->qts, "viommu_translate edu "
                                          "0xfee00000");

        g_assert_nonnull(strstr(message, "is an interrupt message"));
        g_assert_null(strstr(read, "is an interrupt message"));
        g_assert_nonnull(strstr(read, "no memory is there"));
    }
    check_map(unit->qts, "edu", ought);
    unit->ops->stop(unit);
}

static void refuses(const char *props, const char *args, const char *why)
{
    g_autofree char *machine = unit_ops()->args(form(), props);
    g_autofree char *all = g_strdup_printf("%s %s", machine, args);
    g_autofree char *said = unit_refused(all);

    if (!strstr(said, why)) {
        g_error("'%s' does not say '%s'", said, why);
    }
}

static void test_refused(void)
{
    refuses("reserved-ranges=0x1000:0x1fff", "", "START:END:TYPE");
    refuses("reserved-ranges=0x1000:0x2000:0", "", "pages");
    refuses("reserved-ranges=0x8000000:0x80fffff:1", "",
            "another doorbell");
    refuses("", "-device edu,reserved-ranges=x", "reserved-ranges: 'x'");
    refuses("", "-device edu,id=me,reserved-ranges=0x1000:0x1fff:msi",
            "me: reserved-ranges has msi");
}

/* A list that is copied by whoever hears of it has a hole there. */
static void test_notify(void)
{
    const UnitOps *ops = unit_ops();
    g_autofree char *range = win_unit_range(ops);
    g_autofree char *props = g_strdup_printf("%s%s", range, ops == &vtd_unit_ops
                                             ? ",caching-mode=on" : "");
    Unit *unit = ops->start(form(), props, LISTENER_DEVICE "map=on");
    g_autoptr(GArray) ought = g_array_new(false, false, sizeof(Heard));
    UnitSpace *space = ops->space(unit, form(), 7);
    uint64_t first = ops->ram + WINDOW_AT, large = first & ~(UNIT_LARGE - 1);
    Listener *l = listener_new(unit, LISTENER_SID);

    ops->attach(unit, LISTENER_SID, space);
    ops->enable(unit, form());
    ops->map(unit, space, large, large, UNIT_LARGE, UNIT_RW);
    unit_inv(unit, form(), UNIT_SPACE, space, 0, 0);
    picture_put(ought, large, first - 1, large, UNIT_RW);
    picture_put(ought, first + WINDOW_LEN, large + UNIT_LARGE - 1,
                first + WINDOW_LEN, UNIT_RW);
    listener_agrees_with(l, ought);
    ops->map(unit, space, large, 0, UNIT_LARGE, 0);
    unit_inv(unit, form(), UNIT_SPACE, space, 0, 0);
    listener_is_empty(l);
    listener_free(l);
    ops->stop(unit);
}

/* What a unit needs for an assigned device to be behind it */
static const char *host_props(void)
{
    const UnitOps *ops = unit_ops();

    return ops == &vtd_unit_ops || ops == &smmu_unit_ops ? "caching-mode=on" :
                                                           "";
}

/* An assigned device: what its host does not let it use, while it is there */
static void test_host(void)
{
    const UnitOps *ops = unit_ops();
    Unit *unit = ops->start(form(), host_props(), EDU HOST);
    Window ought[8] = { { 0 } }, plain[4] = { { 0 } };
    unsigned n = model_windows(plain), i;

    /* Where there is a doorbell, more is known of it than the host says. */
    ought[0] = (Window) { 0xfee00000, 0xfeefffff, "reserved", "host" };
    for (i = 0; i < n; i++) {
        ought[i] = plain[i];
    }
    ought[MAX(n, 1)] = (Window) { 1ULL << 40, UINT64_MAX, "reserved",
                                      "host" };
    check_answer(unit->qts, "host", ought);
    check_answer(unit->qts, "edu", plain);
    ops->stop(unit);
}

/* The first address of the last window that a host says, or 0 if none does */
static uint64_t host_top(QTestState *qts)
{
    QDict *answer = qtest_qmp(qts, "{'execute': 'query-viommu-windows'}");
    QDict *unit = qobject_to(QDict, qlist_peek(qdict_get_qlist(answer,
                                                               "return")));
    const QListEntry *ep, *entry;
    uint64_t top = 0;

    QLIST_FOREACH_ENTRY(qdict_get_qlist(unit, "endpoints"), ep) {
        QDict *one = qobject_to(QDict, qlist_entry_obj(ep));

        QLIST_FOREACH_ENTRY(qdict_get_qlist(one, "windows"), entry) {
            QDict *w = qobject_to(QDict, qlist_entry_obj(entry));

            if (g_str_equal(qdict_get_str(w, "origin"), "host")) {
                top = qnum_get_uint(qobject_to(QNum, qdict_get(w, "first")));
            }
        }
    }
    qobject_unref(answer);
    return top;
}

/* What is plugged in is asked; what goes takes its windows along. */
static void test_host_again(void)
{
    static const uint64_t tops[] = { 3ULL << 39, 1ULL << 41 };
    Unit *unit = unit_ops()->start(form(), host_props(), PLUG_PORT_ARGS);
    QPCIDevice *port = unit_open_bridge(unit, PLUG_PORT, 1);
    unsigned i;

    for (i = 0; i < G_N_ELEMENTS(tops); i++) {
        g_autofree char *usable =
            g_strdup_printf("0:0xfedfffff,0xfef00000:0x%" PRIx64, tops[i] - 1);

        qtest_qmp_assert_success(unit->qts, "{'execute': 'device_add',"
                                 " 'arguments': {'driver': 'x-iommu-listener',"
                                 " 'id': 'host', 'bus': 'rp', 'map': true,"
                                 " 'host-usable': %s}}", usable);
        plug_power(port);
        g_assert_cmphex(host_top(unit->qts), ==, tops[i]);
        plug_pull(unit, port, "host");
        g_assert_cmphex(host_top(unit->qts), ==, 0);
    }
    g_free(port);
    unit->ops->stop(unit);
}

/* A host that keeps much for itself is named, and one that does not, not. */
static void test_host_warns(void)
{
    g_autofree char *machine = unit_ops()->args(form(), host_props());
    /* It does not come to anything: what is said is seen then. */
    g_autofree char *args = g_strdup_printf("%s " HOST
        "-device x-iommu-listener,id=wide,addr=07.0,map=on,host-usable="
        "0:0x5fffffffff,,0x7000000000:0xffffffffff "
        "-device edu,reserved-ranges=x", machine);
    g_autofree char *said = unit_refused(args);
    char *warning = strstr(said, "larger than expected");

    g_assert_nonnull(warning);
    g_assert_nonnull(strstr(said, "wide: a window of its host's IOMMU"));
    g_assert_nonnull(strstr(warning, "reserved 0x6000000000 .. 0x6fffffffff"));
    g_assert_null(strstr(warning + 1, "larger than expected"));
}

/* A host that leaves a device everything but 16 MiB of the guest's memory */
static char *bad_host(const char *more)
{
    uint64_t ram = unit_ops()->ram;

    return g_strdup_printf("x-iommu-listener,id=bad,map=on%s,host-usable="
                           "0:0x%" PRIx64 ",,0x%" PRIx64 ":0xffffffffffffffff",
                           more, ram + 0x4fffffff, ram + 0x51000000);
}

/* It is not plugged in, neither at the start nor later. */
static void test_collision_device(void)
{
    g_autofree char *host = bad_host(""), *args = NULL;
    Unit *unit;
    QDict *answer;
    g_autofree char *usable = NULL;
    const char *desc;

    args = g_strdup_printf("-device %s", host);
    refuses(host_props(), args, "bad: the guest has memory");
    refuses(host_props(), args, "(host)");

    unit = unit_ops()->start(form(), host_props(), PLUG_PORT_ARGS);
    usable = g_strdup_printf("0:0x%" PRIx64, unit_ops()->ram + 0x4fffffff);
    answer = qtest_qmp(unit->qts, "{'execute': 'device_add', 'arguments': {"
                       "'driver': 'x-iommu-listener', 'id': 'bad',"
                       " 'bus': 'rp', 'map': true, 'host-usable': %s}}",
                       usable);
    desc = qdict_get_str(qdict_get_qdict(answer, "error"), "desc");
    g_assert_nonnull(strstr(desc, "bad: the guest has memory"));
    qobject_unref(answer);
    unit->ops->stop(unit);
}

static QDict *add_dimm(QTestState *qts, const char *id, uint64_t addr)
{
    g_autofree char *memdev = g_strdup_printf("mem-%s", id);

    qtest_qmp_assert_success(qts, "{'execute': 'object-add', 'arguments': {"
                             "'qom-type': 'memory-backend-ram', 'id': %s,"
                             " 'size': 134217728}}", memdev);
    return qtest_qmp(qts, "{'execute': 'device_add', 'arguments': {"
                     "'driver': 'pc-dimm', 'id': %s, 'memdev': %s,"
                     " 'addr': %" PRIu64 "}}", id, memdev, addr);
}

/* Memory is not plugged in over a window, but beside it. */
static void check_dimms(const char *props, const char *args,
                        const char *origin)
{
    g_autofree char *all = g_strdup_printf("-m 2G,slots=4,maxmem=8G %s", args);
    Unit *unit = unit_ops()->start(form(), props, all);
    const char *desc;
    QDict *answer;

    answer = add_dimm(unit->qts, "below", 0x138000000);
    g_assert_true(qdict_haskey(answer, "return"));
    qobject_unref(answer);
    answer = add_dimm(unit->qts, "in", 0x140000000);
    desc = qdict_get_str(qdict_get_qdict(answer, "error"), "desc");
    g_assert_nonnull(strstr(desc, "memory at 0x140000000"));
    g_assert_nonnull(strstr(desc, "00:04.0 me"));
    g_assert_nonnull(strstr(desc, origin));
    qobject_unref(answer);
    answer = add_dimm(unit->qts, "above", 0x148000000);
    g_assert_true(qdict_haskey(answer, "return"));
    qobject_unref(answer);
    unit->ops->stop(unit);
}

/* Is there RAM at @at? */
static bool has_ram(QTestState *qts, uint64_t at)
{
    qtest_writeq(qts, at, 0x5a5a5a5a5a5a5a5a);
    return qtest_readq(qts, at) == 0x5a5a5a5a5a5a5a5a;
}

/* Memory without an address passes over it. */
static void check_dimm_moves(void)
{
    Unit *unit = unit_ops()->start(form(), "", "-m 2G,slots=4,maxmem=8G "
        "-device edu,id=me,addr=04.0,reserved-ranges=0x100000000:0x100000fff:0");
    QDict *answer = add_dimm(unit->qts, "any", 0);

    g_assert_true(qdict_haskey(answer, "return"));
    qobject_unref(answer);
    g_assert_false(has_ram(unit->qts, 0x1001ffff8));
    g_assert_true(has_ram(unit->qts, 0x100200000));
    unit->ops->stop(unit);
}

static void test_collision_memory(void)
{
    check_dimm_moves();
    check_dimms("", "-device edu,id=me,addr=04.0,"
                "reserved-ranges=0x147fff000:0x147ffffff:0", "(operator)");
    if (unit_ops() != &vtd_sm_unit_ops) {
        check_dimms(host_props(), "-device x-iommu-listener,id=me,addr=04.0,"
                    "map=on,host-usable=0:0x147ffefff,,"
                    "0x148000000:0xffffffffff", "(host)");
    }
}

/* A machine with RAM in a window does not start, unless that is accepted. */
static void test_collision_start(void)
{
    g_autofree char *range = win_range(unit_ops());
    g_autofree char *args = g_strdup_printf("-device edu,id=me,%s", range);
    g_autofree char *own = g_strdup_printf("%s,ram-in-windows=on", range);
    Unit *unit;

    refuses(range, EDU, "the guest has memory");
    refuses(range, EDU, "ram-in-windows");
    refuses("", args, " me: the guest has memory");
    refuses("", args, "(operator)");
    unit = unit_ops()->start(form(), own, EDU);
    unit->ops->stop(unit);
}

/* Above 4 GiB; what is not there as RAM, but is plugged in; and NVDIMMs */
static void test_collision_start_high(void)
{
    const char *at = "-device edu,id=me,addr=04.0,"
                     "reserved-ranges=0x120000000:0x120000fff:0 ";
    g_autofree char *dimm = g_strdup_printf("-m 2G,slots=2,maxmem=4G "
        "-object memory-backend-ram,id=m,size=128M -device pc-dimm,memdev=m,"
        "addr=0x120000000 %s", at);
    g_autofree char *nvdimm = g_strdup_printf("-machine nvdimm=on "
        "-m 2G,slots=2,maxmem=4G -object memory-backend-ram,id=m,size=128M "
        "-device nvdimm,memdev=m,addr=0x120000000 %s", at);
    g_autofree char *high = g_strdup_printf("-m 4G %s", at);

    refuses("", high, "me: the guest has memory ('pc.ram', 0x100000000");
    refuses("", dimm, "me: the guest has memory");
    refuses("", nvdimm, "me: the guest has memory");
}

/* A device with a window of its own is not plugged in over RAM. */
static void test_collision_plug(void)
{
    Unit *unit = unit_ops()->start(form(), "", PLUG_PORT_ARGS);
    uint64_t at = unit_ops()->ram + WINDOW_AT;
    g_autofree char *range = g_strdup_printf("0x%" PRIx64 ":0x%" PRIx64 ":0",
                                             at, at + 0xfff);
    QDict *answer = qtest_qmp(unit->qts, "{'execute': 'device_add',"
                              " 'arguments': {'driver': 'edu', 'id': 'me',"
                              " 'bus': 'rp', 'reserved-ranges': %s}}", range);
    const char *desc = qdict_get_str(qdict_get_qdict(answer, "error"), "desc");

    g_assert_nonnull(strstr(desc, "me: the guest has memory"));
    qobject_unref(answer);
    unit->ops->stop(unit);
}

/* RAM of 2 GiB is at 0 .. @low - 1, and what is left of it at @high. */
static void check_holes(const char *args, uint64_t low, uint64_t high)
{
    Unit *unit = unit_ops()->start(form(), "", args);
    uint64_t left = (2ULL << 30) - low;

    g_assert_true(has_ram(unit->qts, low - 8));
    g_assert_false(has_ram(unit->qts, low));
    if (left) {
        g_assert_false(has_ram(unit->qts, high - 8));
        g_assert_true(has_ram(unit->qts, high));
        g_assert_true(has_ram(unit->qts, high + left - 8));
    }
    g_assert_false(has_ram(unit->qts, high + left));
    unit->ops->stop(unit);
}

/* The machine leaves windows out of RAM, as far as it knows them. */
static void test_ram_holes(void)
{
    const char *edu = "-machine ram-holes=auto -device edu,reserved-ranges=";
    g_autofree char *low = g_strdup_printf("%s0x50005000:0x50005fff:0", edu);
    g_autofree char *both =
        g_strdup_printf("%s0x50005000:0x50005fff:0,,"
                        "0x110000000:0x110000fff:reserved", edu);
    g_autofree char *soft =
        g_strdup_printf("%s0x50005000:0x50005fff:software-msi", edu);
    g_autofree char *json = g_strdup_printf("-machine ram-holes=auto "
        "-device '{\"driver\":\"edu\",\"reserved-ranges\":"
        "\"0x50000000:0x50000fff:0\"}'");
    g_autofree char *every = g_strdup_printf("-machine ram-holes=auto "
        "-global %s.reserved-ranges=0x60000000:0x60000fff:0 -device edu",
        unit_ops()->type);
    g_autofree char *tiny = g_strdup_printf("%s0x200000:0x2fffff:0", edu);

    check_holes(low, 0x50000000, 0x100000000);
    check_holes(both, 0x50000000, 0x140000000);
    check_holes(json, 0x50000000, 0x100000000);
    check_holes(every, 0x60000000, 0x100000000);
    check_holes(soft, 0x80000000, 0x100000000);
    check_holes("-machine ram-holes=off -device edu", 0x80000000, 0x100000000);
    refuses("", tiny, "first 64 MiB");
    refuses("", "-machine ram-holes=yes", "must be 'auto'");
}

/* arm64's RAM, 2 GiB that begin at @ram, goes on behind each window. */
static void test_ram_pieces(void)
{
    uint64_t ram = unit_ops()->ram;
    const struct {
        uint64_t at;
        bool is_ram;
    } edge[] = {
        { ram, true },
        { ram + 0x20000000 - 8, true }, { ram + 0x20000000, false },
        { ram + 0x20200000 - 8, false }, { ram + 0x20200000, true },
        { ram + 0x40000000 - 8, true }, { ram + 0x40000000, false },
        { ram + 0x40200000 - 8, false }, { ram + 0x40200000, true },
        { ram + 0x80400000 - 8, true }, { ram + 0x80400000, false },
    };
    g_autofree char *args =
        g_strdup_printf("-machine ram-holes=auto -device edu,reserved-ranges="
                        "0x%" PRIx64 ":0x%" PRIx64 ":0,,"
                        "0x%" PRIx64 ":0x%" PRIx64 ":reserved",
                        ram + 0x20005000, ram + 0x20005fff,
                        ram + 0x40000000, ram + 0x400fffff);
    g_autofree char *early =
        g_strdup_printf("-machine ram-holes=auto -device edu,reserved-ranges="
                        "0x%" PRIx64 ":0x%" PRIx64 ":0",
                        ram + 0xffff000, ram + 0xfffffff);
    g_autofree char *endless =
        g_strdup_printf("-machine ram-holes=auto -device edu,reserved-ranges="
                        "0x%" PRIx64 ":0x%" PRIx64 ":0",
                        ram + 0x20000000, UINT64_MAX);
    Unit *unit = unit_ops()->start(form(), "", args);
    unsigned i;

    for (i = 0; i < G_N_ELEMENTS(edge); i++) {
        qtest_writeq(unit->qts, edge[i].at, edge[i].at);
    }
    /* No two of them are the same memory. */
    for (i = 0; i < G_N_ELEMENTS(edge); i++) {
        g_assert_cmpint(qtest_readq(unit->qts, edge[i].at) == edge[i].at, ==,
                        edge[i].is_ram);
    }
    unit->ops->stop(unit);
    refuses("", early, "has to be RAM where it begins");
    refuses("", endless, "no room for RAM behind it");
}

/* RAM up to HyperTransport's range, whatever the CPU */
static void test_ram_holes_model(void)
{
    g_autofree char *args =
        g_strdup_printf("-cpu qemu64,vendor=GenuineIntel,phys-bits=42 -m 1016G "
                        "-object memory-backend-ram,id=ram,size=1016G,"
                        "reserve=off -machine memory-backend=ram %s", EDU);
    g_autofree char *holes = g_strdup_printf("%s -machine ram-holes=auto",
                                             args);
    Unit *unit;

    refuses("", args, "reserved 0xfd00000000 .. 0xffffffffff (model)");
    unit = unit_ops()->start(form(), "", holes);
    g_assert_true(has_ram(unit->qts, 1ULL << 40));
    g_assert_false(has_ram(unit->qts, 0x100000000));
    unit->ops->stop(unit);
}

/* Migration */

/* The offset of @name in the file, or its size */
static size_t offset_of(const char *file, const char *name)
{
    g_autofree char *text = NULL;
    size_t len, at;

    g_assert_true(g_file_get_contents(file, &text, &len, NULL));
    for (at = 0; at + strlen(name) <= len; at++) {
        if (!memcmp(text + at, name, strlen(name))) {
            return at;
        }
    }
    return len;
}

static char *migrate_args(const char *range)
{
    return g_strdup_printf("-device edu,id=edu,addr=04.0%s%s",
                           *range ? ",reserved-ranges=" : "", range);
}

/* A guest that is told of @from's windows goes on where there are @to's. */
static void check_migration(const char *from, const char *to, const char *why)
{
    g_autofree char *source = migrate_args(from), *there = migrate_args(to);
    g_autofree char *machine = unit_ops()->args(form(), "ram-in-windows=on");
    Unit *unit = unit_ops()->start(form(), "ram-in-windows=on", source);
    char *file = unit_save(unit->qts);
    g_autofree char *args = g_strdup_printf("%s %s", machine, there);
    size_t at = offset_of(file, "viommu-windows");

    if (*from) {
        /* Ahead of the list of what memory there is */
        g_assert_cmpuint(at, <, offset_of(file, "pc.bios"));
        g_assert_cmpuint(at, <, 4096);
    } else {
        /* Stock QEMU is not troubled with what it does not know. */
        g_assert_cmpuint(at, ==, offset_of(file, "no such thing at all"));
    }
    unit->ops->stop(unit);
    if (why) {
        g_autofree char *incoming = g_strdup_printf("%s -incoming file:%s",
                                                    args, file);
        g_autofree char *said = unit_refused(incoming);

        if (!strstr(said, why)) {
            g_error("'%s' does not say '%s'", said, why);
        }
        unlink(file);
        g_free(file);
    } else {
        QTestState *qts = qtest_initf("%s -incoming defer", args);

        unit_load(qts, file);
        qtest_quit(qts);
    }
}

static void test_migrate(void)
{
    const char *a = "0x7000000000:0x70000fffff:0";
    const char *more = "0x7000000000:0x70001fffff:0";
    const char *soft = "0x7000000000:0x70000fffff:software-msi";

    check_migration("", "", NULL);
    check_migration(a, a, NULL);
    check_migration(more, a, NULL);
    check_migration(a, "", NULL);
    check_migration("", soft, NULL);
    check_migration(a, more, "source's guest does not know of: reserved "
                    "0x7000000000 .. 0x70001fffff");
    check_migration(soft, a, "source's guest does not know of");
    check_migration("", a, "the source has none");
}

/* PROBE tells of it, beside the doorbell. */
static void test_probe(void)
{
    g_autofree char *range = win_unit_range(unit_ops());
    uint64_t first = unit_ops()->ram + WINDOW_AT, own = first + 0x100000;
    g_autofree char *args =
        g_strdup_printf(EDU "-device x-dma-bench,addr=05.0,reserved-ranges="
                        "0x%" PRIx64 ":0x%" PRIx64 ":0", own, own + 0xfff);
    VIO *vio = container_of(unit_ops()->start(form(), range, args), VIO, unit);
    uint8_t req[72] = { VIO_T_PROBE }, got[72];

    vio_setup(vio, VIO_ALL_FEATURES);
    stl_le_p(req + 4, EDU_SID);
    vio_wait(vio, vio_put(vio, req, sizeof(req), VIO_PROBE_SIZE + 4));
    qtest_memread(vio->qts, vio->big, got, sizeof(got));
    g_assert_cmphex(got[4], ==, 0);
    g_assert_cmphex(ldq_le_p(got + 8), ==, first);
    g_assert_cmphex(ldq_le_p(got + 16), ==, first + WINDOW_LEN - 1);
    g_assert_cmphex(got[24 + 4], ==, 1);
    g_assert_cmphex(ldq_le_p(got + 24 + 8), ==, 0xfee00000);
    g_assert_true(viommu_is_filled(vio, vio->big + 48, 0, 24));
    /* And nothing can be mapped there. */
    g_assert_cmpint(vio_wait(vio, vio_put_attach(vio, 3, EDU_SID, 0)), ==,
                    VIO_S_OK);
    g_assert_cmpint(vio_wait(vio, vio_put_map(vio, 3, first - UNIT_PAGE,
                                              first + UNIT_PAGE - 1, 0,
                                              VIO_MAP_F_R)), ==, VIO_S_INVAL);
    /* Where only one device has a window, the other's domain is free. */
    g_assert_cmpint(vio_wait(vio, vio_put_attach(vio, 4, BENCH_SID, 0)), ==,
                    VIO_S_OK);
    g_assert_cmpint(vio_wait(vio, vio_put_map(vio, 4, own, own + 0xfff, 0,
                                              VIO_MAP_F_R)), ==, VIO_S_INVAL);
    g_assert_cmpint(vio_wait(vio, vio_put_map(vio, 3, own, own + 0xfff, 0,
                                              VIO_MAP_F_R)), ==, VIO_S_OK);
    vio_stop(vio);
}

static void add_tests(const char *name, void (*fn)(const void *data))
{
    const UnitOps *ops = unit_ops();
    unsigned mode, cached;

    for (mode = 0; mode < MODES; mode++) {
        /*
         * Requests: no entries that let pass, and no page over a window.
         * Scalable mode differs in how it finds a table alone.
         */
        if ((ops->by_request && (mode == MODE_BYPASS || mode == MODE_LARGE)) ||
            (ops == &vtd_sm_unit_ops && mode == MODE_BYPASS)) {
            continue;
        }
        for (cached = 0; cached < 2; cached++) {
            Test *test = g_new0(Test, 1);
            g_autofree char *path =
                g_strdup_printf("/viommu/windows/%s/%s%s", name,
                                mode_names[mode], cached ? "-cached" : "");

            test->mode = mode;
            test->cached = cached;
            test->device = !cached && mode == MODE_OFF;
            qtest_add_data_func_full(path, test, fn, g_free);
        }
    }
}

static void add_bounce_tests(void)
{
    static const Test bounce[] = {
        { .mode = MODE_PAGES, .cached = true, .bounce = true },
        { .mode = MODE_OFF, .cached = true, .bounce = true },
    };

    qtest_add_data_func("/viommu/windows/access/pages-bounce", &bounce[0],
                        test_access);
    qtest_add_data_func("/viommu/windows/bench/pages-bounce", &bounce[0],
                        test_bench);
    qtest_add_data_func("/viommu/windows/bench/off-bounce", &bounce[1],
                        test_bench);
}

/* Tables of other kinds, and two stages */
static void add_form_tests(void)
{
    static const char *const tables[] = {
        "first", "guest", "stage-2", "nested", NULL
    };
    const UnitOps *ops = unit_ops();
    unsigned i, cached;

    for (i = 0; ops->forms[i]; i++) {
        if (!g_strv_contains(tables, ops->forms[i])) {
            continue;
        }
        for (cached = 0; cached < 2; cached++) {
            Test *test = g_new0(Test, 1);
            g_autofree char *path =
                g_strdup_printf("/viommu/windows/access/pages-%s%s",
                                ops->forms[i], cached ? "-cached" : "");

            *test = (Test) {
                .mode = MODE_PAGES, .cached = cached, .form = ops->forms[i],
            };
            qtest_add_data_func_full(path, test, test_access, g_free);
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_tests("access", test_access);
    add_tests("bench", test_bench);
    add_form_tests();
    add_bounce_tests();
    qtest_add_func("/viommu/windows/ring", test_ring);
    if (unit_ops() != &smmu_unit_ops) {
        qtest_add_func("/viommu/windows/doorbell", test_doorbell);
    }
    qtest_add_func("/viommu/windows/query", test_query);
    qtest_add_func("/viommu/windows/explain", test_explain);
    qtest_add_func("/viommu/windows/explain-bypass", test_explain_bypass);
    qtest_add_func("/viommu/windows/refused", test_refused);
    qtest_add_func("/viommu/windows/collision/start", test_collision_start);
    qtest_add_func("/viommu/windows/collision/plug", test_collision_plug);
    qtest_add_func("/viommu/windows/migrate", test_migrate);
    /* Scalable mode's first stage is not for assigned devices. */
    if (unit_ops() != &vtd_sm_unit_ops) {
        qtest_add_func("/viommu/windows/host", test_host);
        qtest_add_func("/viommu/windows/host-warns", test_host_warns);
        if (unit_ops() != &smmu_unit_ops) {
            qtest_add_func("/viommu/windows/host-again", test_host_again);
        }
        qtest_add_func("/viommu/windows/collision/device",
                       test_collision_device);
    }
    if (unit_ops() == &vtd_unit_ops || unit_ops() == &amd_unit_ops) {
        qtest_add_func("/viommu/windows/notify", test_notify);
    }
    /* arm64's machine has slots for memory only with UEFI. */
    if (unit_ops() != &smmu_unit_ops) {
        qtest_add_func("/viommu/windows/collision/memory",
                       test_collision_memory);
        qtest_add_func("/viommu/windows/collision/start-high",
                       test_collision_start_high);
        qtest_add_func("/viommu/windows/ram-holes", test_ram_holes);
    }
    if (unit_ops() == &smmu_unit_ops) {
        qtest_add_func("/viommu/windows/ram-pieces", test_ram_pieces);
    }
    if (unit_ops() == &amd_unit_ops) {
        qtest_add_func("/viommu/windows/ram-holes-model",
                       test_ram_holes_model);
    }
    if (unit_ops() == &virtio_unit_ops) {
        qtest_add_func("/viommu/windows/probe", test_probe);
    }
    return g_test_run();
}

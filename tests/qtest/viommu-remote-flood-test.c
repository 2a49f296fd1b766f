/*
 * A machine moves in a flood of invalidations at a unit in another process
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Two devices write to pages of one space, by short accesses and through maps,
 * from threads that never pause.  Pages are unmapped or replaced, and each is
 * invalidated without waiting for those before it; a page that is acknowledged
 * has its next owner's pattern, which nobody may change.  Memory is copied
 * meanwhile, and the machine stops and moves while many are on their way,
 * behind one that waits for a disk.  Nothing is lost: memory is the same there,
 * the unit's registers say the same, all that was on its way is acknowledged,
 * and the tables lead where they did.
 *
 * Once; twenty times, from one to the next, with -m thorough.
 */
#include "qemu/osdep.h"
#include <glib/gstdio.h>
#include "hw/misc/x-dma-bench.h"
#include "qobject/qdict.h"
#include "viommu-rig.h"
#include "viommu-vtd.h"

/* Of vtd-sm's forms, the first stage */
#define FORM_FIRST      1
#define DEVICES         2
#define IOVA            0x30000000ULL
/* Pages that are mapped, and those there are */
#define WINDOW          16
#define POOL            64
/* Invalidations on their way, so that their queue has room for them */
#define FLOOD           24
#define ROUNDS          8
/* What a device writes has a byte below 0x80 at the least. */
#define PATTERN         0x80
/*
 * So much of the stream there is while the machine runs: it has all pages that
 * change, for what is before them are zeros, of which a page takes up 9 bytes;
 * and what comes after them is far more than a pipe and a buffer have room for.
 */
#define AHEAD           (512 * 1024)
#define FAST            (1ull << 40)

typedef struct Kind {
    const char *unit;
    unsigned form;
} Kind;

typedef struct Page {
    uint64_t gpa;
    uint8_t pattern;         /* of its owner, while it is free */
} Page;

typedef struct Flood {
    Rig *rig;
    QPCIDevice *pci[DEVICES];
    QPCIBar bar[DEVICES];
    GRand *rand;
    Page pages[POOL];
    int at[WINDOW];          /* the page; -1: not mapped */
    int free[POOL];
    unsigned n_free;
    int old[FLOOD];          /* pages on their way, oldest first; -1: none */
    unsigned n_old;
    uint8_t pattern;         /* the last one */
    unsigned acknowledged;
} Flood;

static const unsigned device_slots[DEVICES] = { 7, 8 };
static const XDBCommand commands[DEVICES] = { XDB_NUMBER, XDB_MAP_FILL };
static const unsigned lengths[DEVICES] = { 64, 4096 };

static QTestState *flood_qts(Flood *f)
{
    return f->rig->unit->qts;
}

static VTD *flood_vtd(Flood *f)
{
    return container_of(f->rig->unit, VTD, unit);
}

/* Devices */

/* @count: of operations, with the BQL; 0: without end, in a thread. */
static void device_command(Flood *f, unsigned i, uint32_t command,
                           uint64_t count)
{
    QPCIDevice *pci = f->pci[i];

    qpci_io_writel(pci, f->bar[i], XDB_THREADS, !count);
    qpci_io_writeq(pci, f->bar[i], XDB_ADDR, IOVA);
    qpci_io_writeq(pci, f->bar[i], XDB_LENGTH, lengths[i]);
    qpci_io_writeq(pci, f->bar[i], XDB_STRIDE, UNIT_PAGE);
    qpci_io_writeq(pci, f->bar[i], XDB_WINDOW, WINDOW * UNIT_PAGE);
    qpci_io_writeq(pci, f->bar[i], XDB_COUNT, count);
    qpci_io_writel(pci, f->bar[i], XDB_CMD, command);
}

static void devices_start(Flood *f)
{
    for (unsigned i = 0; i < DEVICES; i++) {
        device_command(f, i, commands[i] | XDB_BACKGROUND, 0);
    }
}

static void devices_stop(Flood *f)
{
    for (unsigned i = 0; i < DEVICES; i++) {
        qpci_io_writel(f->pci[i], f->bar[i], XDB_CMD, XDB_STOP);
    }
}

/* Each does something, however few processors there are. */
static void devices_await_work(Flood *f)
{
    for (unsigned i = 0; i < DEVICES; i++) {
        viommu_until(f->rig->unit,
                     qpci_io_readq(f->pci[i], f->bar[i], XDB_OPS) > 0);
    }
}

/* Pages */

static void page_check(Flood *f, int page)
{
    const Page *p = &f->pages[page];

    g_assert_true(viommu_is_filled(f->rig->unit, p->gpa, p->pattern,
                                   UNIT_PAGE));
}

static void page_release(Flood *f, int page)
{
    Page *p = &f->pages[page];

    p->pattern = f->pattern = PATTERN | (f->pattern + 1);
    viommu_fill(f->rig->unit, p->gpa, p->pattern, UNIT_PAGE);
    f->free[f->n_free++] = page;
}

static int page_take(Flood *f)
{
    unsigned i = g_rand_int_range(f->rand, 0, f->n_free);
    int page = f->free[i];

    page_check(f, page);
    f->free[i] = f->free[--f->n_free];
    return page;
}

static void check_free(Flood *f)
{
    for (unsigned i = 0; i < f->n_free; i++) {
        page_check(f, f->free[i]);
    }
}

static void window_map(Flood *f, unsigned i, int page)
{
    f->rig->unit->ops->map(f->rig->unit, f->rig->space, IOVA + i * UNIT_PAGE,
                           page < 0 ? 0 : f->pages[page].gpa, UNIT_PAGE,
                           page < 0 ? 0 : UNIT_RW);
    f->at[i] = page;
}

/* The flood */

/* Each has a ticket, the last of which has been acknowledged */
static void flood_collect(Flood *f)
{
    const VTD *vtd = flood_vtd(f);
    unsigned n = f->n_old - (vtd->iq_ticket -
                             qtest_readl(vtd->qts, vtd->iq_status));

    for (unsigned i = 0; i < n; i++) {
        if (f->old[i] >= 0) {
            page_release(f, f->old[i]);
        }
    }
    f->acknowledged += n;
    f->n_old -= n;
    memmove(f->old, f->old + n, f->n_old * sizeof(*f->old));
}

/* Of @rig: its page, which a disk may be writing to */
static void flood_put_rig(Flood *f)
{
    rig_unmap(f->rig, UNIT_RANGE);
    f->old[f->n_old++] = -1;
}

static void flood_put(Flood *f)
{
    unsigned i = g_rand_int_range(f->rand, 0, WINDOW);
    bool unmap = g_rand_int_range(f->rand, 0, 4) == 0;

    f->old[f->n_old++] = f->at[i];
    window_map(f, i, unmap || !f->n_free ? -1 : page_take(f));
    rig_inv(f->rig, UNIT_RANGE, f->rig->space, IOVA + i * UNIT_PAGE, 0);
}

/* Until no more than @most are on their way */
static void flood_await(Flood *f, unsigned most)
{
    viommu_until(f->rig->unit, (flood_collect(f), f->n_old <= most));
}

/* Some more, of which none waits for another; some are acknowledged. */
static void flood_run(Flood *f)
{
    for (unsigned n = 0; n < ROUNDS; n++) {
        flood_await(f, FLOOD - 1);
        flood_put(f);
    }
    flood_await(f, f->n_old - 1);
}

/* The whole */

static Flood *flood_new(const Kind *kind)
{
    Flood *f = g_new0(Flood, 1);
    RigOptions opt = {
        .form = kind->form,
        .args = "-device x-dma-bench,addr=07.0 -device x-dma-bench,addr=08.0",
    };

    g_setenv("VIOMMU_UNIT", kind->unit, true);
    f->rand = g_rand_new_with_seed(g_test_rand_int());
    f->rig = rig_new(&opt);
    for (unsigned i = 0; i < POOL; i++) {
        f->pages[i].gpa = unit_alloc(f->rig->unit, 1);
        page_release(f, i);
    }
    for (unsigned i = 0; i < WINDOW; i++) {
        window_map(f, i, page_take(f));
    }
    for (unsigned i = 0; i < DEVICES; i++) {
        uint16_t sid = device_slots[i] << 3;

        f->rig->unit->ops->attach(f->rig->unit, sid, f->rig->space);
        f->pci[i] = qpci_device_find(f->rig->unit->bus, sid);
        g_assert_nonnull(f->pci[i]);
        qpci_device_enable(f->pci[i]);
        f->bar[i] = qpci_iomap(f->pci[i], 0, NULL);
    }
    unit_inv(f->rig->unit, kind->form, UNIT_ALL, f->rig->space, 0, 0);
    return f;
}

static void flood_free(Flood *f)
{
    for (unsigned i = 0; i < DEVICES; i++) {
        g_free(f->pci[i]);
    }
    g_rand_free(f->rand);
    rig_free(f->rig);
    g_free(f);
}

/* Each page that is mapped is reached, and no other. */
static void flood_check_tables(Flood *f)
{
    unsigned absent = 0;

    for (unsigned i = 0; i < WINDOW; i++) {
        if (f->at[i] >= 0) {
            viommu_fill(f->rig->unit, f->pages[f->at[i]].gpa, PATTERN,
                        UNIT_PAGE);
        }
    }
    device_command(f, 0, XDB_WRITE, WINDOW);
    for (unsigned i = 0; i < WINDOW; i++) {
        if (f->at[i] >= 0) {
            g_assert_false(viommu_is_filled(f->rig->unit,
                                            f->pages[f->at[i]].gpa, PATTERN,
                                            UNIT_PAGE));
        } else {
            absent++;
        }
    }
    g_assert_cmpuint(qpci_io_readq(f->pci[0], f->bar[0], XDB_ERRORS), ==,
                     absent);
    check_free(f);
}

/* Migration */

static void set_speed(QTestState *qts, uint64_t speed, unsigned downtime)
{
    qtest_qmp_assert_success(qts, "{'execute': 'migrate-set-parameters',"
                             " 'arguments': {'max-bandwidth': %" PRIu64 ","
                             " 'downtime-limit': %u}}", speed, downtime);
}

static bool is_migration(QTestState *qts, const char *status)
{
    QDict *answer = qtest_qmp(qts, "{'execute': 'query-migrate'}");
    const char *now = qdict_get_try_str(qdict_get_qdict(answer, "return"),
                                        "status");
    bool is = g_strcmp0(now, status) == 0;

    g_assert_cmpstr(now, !=, "failed");
    qobject_unref(answer);
    return is;
}

/* The stream goes to @file; all but its beginning when the gate is opened. */
typedef struct Stream {
    char *file, *gate;
} Stream;

static Stream stream_new(void)
{
    Stream s = { 0 };
    int fd = g_file_open_tmp("viommu-state-XXXXXX", &s.file, NULL);

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    s.gate = g_strconcat(s.file, ".gate", NULL);
    g_assert_cmpint(mkfifo(s.gate, 0600), ==, 0);
    return s;
}

/* It ends by itself, and nobody waits for it, if the test has failed. */
static char *stream_uri(const Stream *s)
{
    return g_strdup_printf("exec:exec 2>/dev/null timeout 1800 sh -c \""
                           "head -c %d >'%s'; : <'%s'; cat >>'%s'; rm '%s'\"",
                           AHEAD, s->file, s->gate, s->file, s->gate);
}

static bool stream_is_ahead(const Stream *s)
{
    GStatBuf st;

    g_assert_cmpint(g_stat(s->file, &st), ==, 0);
    g_assert_cmpint(st.st_size, <=, AHEAD);
    return st.st_size == AHEAD;
}

/* Returns: was anybody waiting there? */
static bool stream_open(const Stream *s)
{
    int fd = open(s->gate, O_WRONLY | O_NONBLOCK);

    if (fd < 0) {
        g_assert_cmpint(errno, ==, ENXIO);
        return false;
    }
    close(fd);
    return true;
}

/* All of it is there: the file's name, which is the caller's. */
static char *stream_end(Stream *s, Unit *unit)
{
    viommu_until(unit, !g_file_test(s->gate, G_FILE_TEST_EXISTS));
    g_free(s->gate);
    return g_steal_pointer(&s->file);
}

/* How many pages that are not zero have been copied */
static int64_t pages_copied(QTestState *qts)
{
    QDict *answer = qtest_qmp(qts, "{'execute': 'query-migrate'}");
    QDict *ram = qdict_get_qdict(qdict_get_qdict(answer, "return"), "ram");
    int64_t n = qdict_get_int(ram, "normal");

    qobject_unref(answer);
    return n;
}

/*
 * Memory that changes is copied, once; however long it takes until the machine
 * stops, there is more to copy.
 */
static Stream migration_begin(Flood *f)
{
    QTestState *qts = flood_qts(f);
    Stream s = stream_new();
    g_autofree char *uri = stream_uri(&s);

    qtest_qmp_assert_success(qts, "{'execute': 'migrate-set-capabilities',"
                             " 'arguments': {'capabilities': [{'capability':"
                             " 'pause-before-switchover', 'state': true}]}}");
    set_speed(qts, FAST, 1);
    qtest_qmp_assert_success(qts, "{'execute': 'migrate', 'arguments':"
                             " {'uri': %s}}", uri);
    viommu_until(f->rig->unit, stream_is_ahead(&s));
    g_assert_true(is_migration(qts, "active"));
    g_assert_cmpint(pages_copied(qts), >=, POOL);
    return s;
}

/*
 * The machine stops; x-dma-bench lets go of the BQL until its threads have, so
 * the migration is not to end before.  Nor before the server has said that it
 * is done, for which stop does not wait long: what it is asked then it answers
 * afterwards.
 */
static char *migration_end(Flood *f, Stream *s)
{
    QTestState *qts = flood_qts(f);

    qtest_qmp_assert_success(qts, "{'execute': 'stop'}");
    g_assert_cmphex(vtd_read32(flood_vtd(f), VTD_VER), !=, UINT32_MAX);
    viommu_turns(f->rig->unit);
    set_speed(qts, FAST, 2000);
    viommu_until(f->rig->unit, stream_open(s));
    viommu_until(f->rig->unit, is_migration(qts, "pre-switchover"));
    qtest_qmp_assert_success(qts, "{'execute': 'migrate-continue',"
                             " 'arguments': {'state': 'pre-switchover'}}");
    viommu_until(f->rig->unit, is_migration(qts, "completed"));
    return stream_end(s, f->rig->unit);
}

/* Memory, and what the unit says; neither machine runs. */
static void assert_same(Flood *f, QTestState *to)
{
    static const unsigned regs[] = {
        VTD_GSTS, VTD_RTADDR, VTD_FSTS, VTD_IQT, VTD_IQA,
    };
    uint8_t here[UNIT_PAGE], there[UNIT_PAGE];
    VTD *vtd = flood_vtd(f);

    for (unsigned i = 0; i < POOL; i++) {
        qtest_memread(flood_qts(f), f->pages[i].gpa, here, sizeof(here));
        qtest_memread(to, f->pages[i].gpa, there, sizeof(there));
        g_assert_cmpmem(here, sizeof(here), there, sizeof(there));
    }
    for (size_t i = 0; i < G_N_ELEMENTS(regs); i++) {
        g_assert_cmphex(qtest_readq(to, VTD_BASE + regs[i]), ==,
                        vtd_read64(vtd, regs[i]));
    }
    g_assert_cmphex(qtest_readl(to, vtd->iq_status), ==,
                    qtest_readl(vtd->qts, vtd->iq_status));
}

static void flood_move(Flood *f)
{
    Rig *rig = f->rig;
    QTestState *to = rig_target(rig);
    Stream stream = migration_begin(f);
    char *file;

    flood_run(f);
    g_assert_true(is_migration(flood_qts(f), "active"));
    /* One of them waits for the disk, and those after it for that one. */
    flood_await(f, FLOOD / 2);
    viommu_fill(rig->unit, rig->page, RIG_BEFORE, RIG_LEN);
    rig_hold(rig, false, rig->data_iova);
    flood_put_rig(f);
    while (f->n_old < FLOOD) {
        flood_put(f);
    }
    rig_assert_pending(rig);
    g_assert_true(is_migration(flood_qts(f), "active"));
    file = migration_end(f, &stream);
    /* Final as soon as the state is on the way */
    g_assert_true(viommu_is_filled(rig->unit, rig->page, RIG_ON_DISK,
                                   RIG_LEN));
    check_free(f);

    unit_load(to, file);
    assert_same(f, to);
    rig_adopt(rig, to);
    for (unsigned i = 0; i < DEVICES; i++) {
        f->pci[i]->bus = rig->unit->bus;
    }
    qtest_qmp_assert_success(to, "{'execute': 'cont'}");
    flood_await(f, 0);
    viommu_until(rig->unit,
                 vblk_completed(rig->blk) == rig->blk->submitted);
}

/* As it was: the page under test is there again, and requests can be held. */
static void flood_settle(Flood *f)
{
    Rig *rig = f->rig;

    rig_throttle(flood_qts(f));
    rig->unit->ops->map(rig->unit, rig->space, rig->data_iova, rig->page,
                        UNIT_PAGE, UNIT_RW);
    vblk_submit(rig->blk, false, 0, RIG_SPARE_IOVA, RIG_LEN);
    viommu_until(rig->unit,
                 vblk_completed(rig->blk) == rig->blk->submitted);
}

static void test_move(const void *opaque)
{
    Flood *f = flood_new(opaque);

    devices_start(f);
    devices_await_work(f);
    flood_run(f);
    for (unsigned i = 0; i < (g_test_thorough() ? 20 : 1); i++) {
        flood_move(f);
        devices_stop(f);
        flood_check_tables(f);
        flood_settle(f);
        devices_start(f);
        devices_await_work(f);
        flood_run(f);
    }
    devices_stop(f);
    flood_await(f, 0);
    flood_check_tables(f);
    g_test_message("%u acknowledged", f->acknowledged);
    flood_free(f);
}

int main(int argc, char **argv)
{
    static const Kind kinds[] = {
        { "remote-vtd", VTD_QUEUED },
        { "remote-vtd-sm", FORM_FIRST },
    };

    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        g_autofree char *path = g_strconcat("viommu/remote/flood/",
                                            kinds[i].unit, NULL);

        qtest_add_data_func(path, &kinds[i], test_move);
    }
    return g_test_run();
}

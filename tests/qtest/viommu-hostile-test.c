/*
 * What a guest must not be able to do to the emulator, whatever its vIOMMU is
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The same cases for every model, in every form.  What depends on the model is
 * in its rig (viommu-fuzz-models.c, and its UnitOps): which registers there
 * are, what a word of a table looks like, what a command.
 *
 * The garbage is the same every time: GLib's generator with a fixed seed.
 * Whatever was done, the machine answers; reset and set up anew, it works.
 */
#include "qemu/osdep.h"
#include "hw/misc/x-dma-bench.h"
#include "viommu-fuzz.h"

#define SEED            20100
#define LENGTH          500      /* bytes; more than a hundred steps */
#define MARK            0x5a
#define BLANK           0x11
/* Pages of the device's space; the second leads wherever a case says. */
#define IOVA            FUZZ_IOVA
#define IOVA2           (FUZZ_IOVA + UNIT_PAGE)
#define UNMAPPED        (FUZZ_IOVA + 0x100000)
#define NOWHERE         0x7000000000ULL
#define FAULTS          5000
#define FAULTS_ROUNDS   4

typedef struct Hostile {
    const FuzzModel *model;
    QTestState *qts;
    const char *kind;        /* of steps */
} Hostile;

typedef struct Guest {
    Unit *unit;
    unsigned form;
    UnitSpace *space;
    QPCIDevice *bench;
    QPCIBar bar;
    uint64_t page;
    uint64_t victim;         /* mapped by nobody */
} Guest;

static unsigned hostile_forms(const FuzzModel *model)
{
    unsigned n = 0;

    while (model->ops->forms[n]) {
        n++;
    }
    return n;
}

/* Garbage of one kind of step */

static void host_reset(QTestState *qts)
{
    qtest_system_reset(qts);
}

static void host_ask(QTestState *qts, unsigned question, uint64_t iova,
                     uint32_t pasid)
{
}

static const FuzzHost hostile_host = { .reset = host_reset, .ask = host_ask };

static QTestState *hostile_launch(const FuzzModel *model)
{
    g_autofree char *machine = fuzz_machine(model);

    return qtest_init(machine);
}

static void hostile_end(QTestState *qts)
{
    unit_use(NULL, NULL);
    qtest_quit(qts);
}

static void test_steps(const void *opaque)
{
    const Hostile *h = opaque;
    QTestState *qts = hostile_launch(h->model);
    GRand *rand = g_rand_new_with_seed(SEED);
    uint8_t data[LENGTH];
    unsigned form, i;

    for (form = 0; form < hostile_forms(h->model); form++) {
        for (i = 0; i < LENGTH; i++) {
            data[i] = g_rand_int(rand);
        }
        data[0] = form;
        fuzz_run_only(h->model, &hostile_host, qts, h->kind, data,
                      sizeof(data));
    }
    /* To the last one, too */
    fuzz_run(h->model, &hostile_host, qts, NULL, 0);
    g_rand_free(rand);
    hostile_end(qts);
}

/* A guest that a case is about */

static uint64_t guest_dma(Guest *g, XDBCommand command, uint64_t iova,
                          unsigned len, unsigned stride, unsigned count)
{
    qpci_io_writeq(g->bench, g->bar, XDB_ADDR, iova);
    qpci_io_writeq(g->bench, g->bar, XDB_LENGTH, len);
    qpci_io_writeq(g->bench, g->bar, XDB_STRIDE, stride);
    qpci_io_writeq(g->bench, g->bar, XDB_WINDOW, (uint64_t)stride * count);
    qpci_io_writeq(g->bench, g->bar, XDB_COUNT, count);
    qpci_io_writel(g->bench, g->bar, XDB_THREADS, 0);
    qpci_io_writel(g->bench, g->bar, XDB_CMD, command);
    return qpci_io_readq(g->bench, g->bar, XDB_ERRORS);
}

static void guest_map(Guest *g, uint64_t iova, uint64_t gpa)
{
    const UnitOps *ops = g->unit->ops;

    ops->map(g->unit, g->space, iova, gpa, UNIT_PAGE, UNIT_RW);
    unit_inv(g->unit, g->form, UNIT_SPACE, g->space, 0, 0);
}

/* What the device writes to its page gets there, and nowhere else. */
static void guest_works(Guest *g)
{
    viommu_fill(g->unit, g->page, MARK, UNIT_PAGE);
    g_assert_cmpuint(guest_dma(g, XDB_NUMBER, IOVA, 8, 8, 1), ==, 0);
    g_assert_cmphex(qtest_readq(g->unit->qts, g->page), ==, 0);
    g_assert_true(viommu_is_filled(g->unit, g->page + 8, MARK, UNIT_PAGE - 8));
    g_assert_true(viommu_is_filled(g->unit, g->victim, BLANK, UNIT_PAGE));
}

static void guest_open(Guest *g, const FuzzModel *model, QTestState *qts,
                       unsigned form)
{
    const UnitOps *ops = model->ops;

    qtest_system_reset(qts);
    unit_use(qts, NULL);
    *g = (Guest) { .unit = ops->start(0, model->props, ""), .form = form };
    g->unit->ops = ops;
    g->page = unit_alloc(g->unit, 1);
    g->victim = unit_alloc(g->unit, 1);
    viommu_fill(g->unit, g->victim, BLANK, UNIT_PAGE);
    g->space = ops->space(g->unit, form, 7);
    ops->map(g->unit, g->space, IOVA, g->page, UNIT_PAGE, UNIT_RW);
    ops->attach(g->unit, FUZZ_BENCH_SID, g->space);
    ops->enable(g->unit, form);
    g->bench = qpci_device_find(g->unit->bus, FUZZ_BENCH_SID);
    g_assert_nonnull(g->bench);
    g->bar = qpci_iomap(g->bench, 0, NULL);
    qpci_device_enable(g->bench);
    guest_works(g);
}

static void guest_close(Guest *g)
{
    g_free(g->bench);
    g_free(g->space);
    g->unit->ops->stop(g->unit);
}

/* Pages that lead to no memory: nowhere, the unit's registers, a device's */
static void test_places(const void *opaque)
{
    static const uint64_t x86[] = {
        NOWHERE, 0xfed80000, 0xfed90000, 0xfec00000, 0xfed00000, 0xa0000,
        0xfffff000, UINT64_C(0xffffffffff000), 0
    };
    static const uint64_t arm[] = {
        NOWHERE, 0x09050000, 0x08000000, 0x09000000, 0x3ffff000,
        UINT64_C(0xfffffff000), 0
    };
    const Hostile *h = opaque;
    const uint64_t *place = h->model->ops->ram ? arm : x86;
    QTestState *qts = hostile_launch(h->model);
    Guest g;
    unsigned form;

    for (; *place; place++) {
        for (form = 0; form < hostile_forms(h->model); form++) {
            g_test_message("0x%" PRIx64, *place);
            guest_open(&g, h->model, qts, form);
            guest_map(&g, IOVA2, *place);
            guest_dma(&g, XDB_READ, IOVA2, 64, 64, 8);
            guest_dma(&g, XDB_MAP_READ, IOVA2, 4096, 4096, 2);
            guest_works(&g);
            guest_dma(&g, XDB_NUMBER, IOVA2, 8, 8, 8);
            guest_dma(&g, XDB_MAP_FILL, IOVA2, 4096, 4096, 1);
            guest_close(&g);
        }
    }
    guest_open(&g, h->model, qts, 0);
    guest_close(&g);
    hostile_end(qts);
}

/* A device that writes to its own tables, which it uses meanwhile */
static void test_own_tables(const void *opaque)
{
    const Hostile *h = opaque;
    QTestState *qts;
    unsigned form;
    Guest g;

    if (!h->model->ops->pte) {
        g_test_skip("it has no tables");
        return;
    }
    qts = hostile_launch(h->model);
    for (form = 0; form < hostile_forms(h->model); form++) {
        uint64_t table;

        guest_open(&g, h->model, qts, form);
        table = h->model->ops->pte(g.unit, g.space, IOVA) & -UNIT_PAGE;
        guest_map(&g, IOVA2, table);
        /* Numbers; then whatever is in a page of the table's own entries */
        guest_dma(&g, XDB_NUMBER, IOVA2, 8, 8, 512);
        guest_dma(&g, XDB_READ, IOVA - UNIT_PAGE, 64, UNIT_PAGE, 8);
        h->model->ops->inv_start(g.unit, form, UNIT_ALL, g.space, 0, 0);
        guest_dma(&g, XDB_NUMBER, IOVA2, 8, 8, 512);
        guest_dma(&g, XDB_MAP_FILL, IOVA2, 4096, 4096, 1);
        g_assert_true(viommu_is_filled(g.unit, g.victim, BLANK, UNIT_PAGE));
        guest_close(&g);
    }
    guest_open(&g, h->model, qts, 0);
    guest_close(&g);
    hostile_end(qts);
}

/* More faults than anything has room for, and nobody takes them. */
static void test_faults(const void *opaque)
{
    const Hostile *h = opaque;
    QTestState *qts = hostile_launch(h->model);
    unsigned form, i;
    Guest g;

    for (form = 0; form < hostile_forms(h->model); form++) {
        guest_open(&g, h->model, qts, form);
        for (i = 0; i < FAULTS_ROUNDS; i++) {
            g_assert_cmpuint(guest_dma(&g, i % 2 ? XDB_NUMBER : XDB_READ,
                                       UNMAPPED, 8, 8, FAULTS), ==, FAULTS);
            guest_works(&g);
        }
        g_assert_true(g.unit->ops->drop_faults(g.unit, FUZZ_BENCH_SID));
        guest_works(&g);
        guest_close(&g);
    }
    hostile_end(qts);
}

static void hostile_add(const FuzzModel *model, const char *name,
                        const char *kind, void (*fn)(const void *opaque))
{
    g_autofree char *path = g_strdup_printf("/viommu/hostile/%s/%s",
                                            model->name, name);
    Hostile *h = g_new0(Hostile, 1);

    h->model = model;
    h->kind = kind;
    qtest_add_data_func_full(path, h, fn, g_free);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name, *kind;
    } kinds[] = {
        { "registers", "register" }, { "entries", "entry" },
        { "tables", "fill" }, { "memory", "poke" },
        { "commands", "command" }, { "invalidations", "invalidate" },
        { "endpoint", "sva" }, { "configuration-space", "config" },
        { "accesses", "dma" },
    };
    unsigned i, k;

    g_test_init(&argc, &argv, NULL);
    for (i = 0; fuzz_models[i]; i++) {
        const FuzzModel *model = fuzz_models[i];

        if (!g_str_equal(model->ops->target, qtest_get_arch())) {
            continue;
        }
        for (k = 0; k < G_N_ELEMENTS(kinds); k++) {
            hostile_add(model, kinds[k].name, kinds[k].kind, test_steps);
        }
        hostile_add(model, "places", NULL, test_places);
        hostile_add(model, "own-tables", NULL, test_own_tables);
        hostile_add(model, "faults", NULL, test_faults);
    }
    return g_test_run();
}

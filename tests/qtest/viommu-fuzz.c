/*
 * A guest whose every step is a byte string's: for fuzzing, and for replay
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/misc/x-dma-bench.h"
#include "standard-headers/linux/pci_regs.h"
#include "viommu-fuzz.h"
#include "viommu-sva.h"

#define WINDOW      8            /* pages that are mapped at FUZZ_IOVA */
#define ARENA       32           /* pages */
#define STEPS       400
#define CHANGES     4            /* of a migration stream */
#define ALONE       100          /* operations in the background */
#define MARK        0x5a
#define IOAPIC      0xfec00000ULL

uint64_t fuzz_bytes(FuzzGuest *g, unsigned n)
{
    uint64_t value = 0;
    unsigned i;

    for (i = 0; i < n && g->next < g->end; i++) {
        value |= (uint64_t)*g->next++ << 8 * i;
    }
    return value;
}

static uint64_t arena_page(FuzzGuest *g)
{
    return g->arena + fuzz_bytes(g, 1) % ARENA * UNIT_PAGE;
}

/* From the unit's first table to the last page of the arena */
static uint64_t table_page(FuzzGuest *g)
{
    uint64_t first = g->model->ops->ram + UNIT_PAGE * 0x100;
    uint64_t pages = (g->unit->next - first) / UNIT_PAGE;

    return first + fuzz_bytes(g, 2) % pages * UNIT_PAGE;
}

static uint64_t fuzz_flag(FuzzGuest *g)
{
    const uint64_t *flags = g->model->flags;
    unsigned n = 0;

    while (flags[n]) {
        n++;
    }
    return n ? flags[fuzz_bytes(g, 1) % n] : 0;
}

uint64_t fuzz_value(FuzzGuest *g, uint64_t old)
{
    switch (fuzz_bytes(g, 1) % 12) {
    case 0:
        return fuzz_bytes(g, 8);
    case 1:
        return arena_page(g) | fuzz_bytes(g, 2) % UNIT_PAGE;
    case 2:
        return arena_page(g) | fuzz_flag(g);
    case 3:
        return table_page(g) | fuzz_flag(g);
    case 4:
        return fuzz_bytes(g, 1);
    case 5:
        return -1ULL << fuzz_bytes(g, 1) % 64;
    case 6:
        return old ^ fuzz_flag(g);
    case 7:
        return old + fuzz_bytes(g, 1) * UNIT_PAGE;
    case 8:
        return (old & ~0xffULL) | fuzz_bytes(g, 1);
    case 9:
        return fuzz_flag(g) | fuzz_flag(g);
    default:
        return old ^ 1ULL << fuzz_bytes(g, 1) % 64;
    }
}

void fuzz_word(FuzzGuest *g, uint64_t gpa)
{
    g_array_append_val(g->words, gpa);
}

void fuzz_words(FuzzGuest *g, uint64_t gpa, unsigned n)
{
    unsigned i;

    for (i = 0; i < n; i++) {
        fuzz_word(g, gpa + 8 * i);
    }
}

/* A page that is mapped, around it, or anywhere */
static uint64_t fuzz_iova(FuzzGuest *g)
{
    uint8_t how = fuzz_bytes(g, 1);
    uint64_t iova = FUZZ_IOVA + how % (WINDOW + 2) * UNIT_PAGE;

    switch (how >> 5) {
    case 0:
        return fuzz_bytes(g, 8);
    case 1:
        /* Messages, or what looks like one */
        return 0xfee00000 | fuzz_bytes(g, 3) % 0x100000;
    case 2 ... 4:
        return iova | fuzz_bytes(g, 2) % UNIT_PAGE;
    default:
        return iova;
    }
}

static uint32_t fuzz_pasid(FuzzGuest *g)
{
    uint8_t how = fuzz_bytes(g, 1);

    return how < 0xf0 ? how % 4 : fuzz_bytes(g, 3);
}

/* Steps */

static void step_register(FuzzGuest *g)
{
    unsigned n = 0, which = fuzz_bytes(g, 1), size = fuzz_bytes(g, 1);
    QTestState *qts = g->unit->qts;
    uint64_t at;

    while (g->model->regs[n] != FUZZ_END) {
        n++;
    }
    at = g->regs + (which < 0xf0 ? g->model->regs[which % n] :
                                   fuzz_bytes(g, 2));
    switch (size % 8) {
    case 0 ... 2:
        qtest_writeq(qts, at, fuzz_value(g, qtest_readq(qts, at)));
        break;
    case 3 ... 5:
        qtest_writel(qts, at, fuzz_value(g, qtest_readl(qts, at)));
        break;
    case 6:
        qtest_writew(qts, at, fuzz_value(g, 0));
        break;
    default:
        qtest_writeb(qts, at, fuzz_value(g, 0));
    }
}

static void poke(FuzzGuest *g, uint64_t at)
{
    qtest_writeq(g->unit->qts, at,
                 fuzz_value(g, qtest_readq(g->unit->qts, at)));
}

static void step_entry(FuzzGuest *g)
{
    unsigned i = fuzz_bytes(g, 2);

    if (g->words->len) {
        poke(g, g_array_index(g->words, uint64_t, i % g->words->len));
    }
}

static void step_poke(FuzzGuest *g)
{
    uint64_t page = fuzz_bytes(g, 1) & 1 ? table_page(g) : arena_page(g);

    poke(g, page + fuzz_bytes(g, 2) % 512 * 8);
}

/* A page of one kind of entry: tables that lead to each other, and beyond */
static void step_fill(FuzzGuest *g)
{
    uint64_t page = arena_page(g), value = fuzz_value(g, 0);
    uint64_t data[512];
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(data); i++) {
        data[i] = value + (value & 1 ? i % ARENA * UNIT_PAGE : 0);
    }
    qtest_memwrite(g->unit->qts, page, data, sizeof(data));
}

static void step_command(FuzzGuest *g)
{
    g->model->command(g);
}

/* What a driver does; nobody waits for it. */
static void step_invalidate(FuzzGuest *g)
{
    uint8_t how = fuzz_bytes(g, 1);
    unsigned order = (how >> 3) % 10;

    g->model->ops->inv_start(g->unit, g->form, how % 3,
                             g->spaces[how >> 7], fuzz_iova(g) &
                             -(UNIT_PAGE << order), order);
}

static void bench_set(FuzzGuest *g, unsigned reg, uint64_t value)
{
    qpci_io_writeq(g->bench, g->bar, reg, value);
}

static void bench_stop(FuzzGuest *g)
{
    if (g->background) {
        qpci_io_writel(g->bench, g->bar, XDB_CMD, XDB_STOP);
        g->background = false;
    }
}

static uint64_t dma_length(const FuzzGuest *g, uint64_t len)
{
    return MIN(len, g->model->dma_max ?: UINT64_MAX);
}

static void step_dma(FuzzGuest *g)
{
    static const uint8_t commands[] = {
        XDB_READ, XDB_WRITE, XDB_LOAD, XDB_MAP_READ, XDB_MAP_WRITE,
        XDB_NUMBER, XDB_MAP_FILL, XDB_VRING,
    };
    uint8_t how = fuzz_bytes(g, 1), size = fuzz_bytes(g, 1);
    uint32_t command = commands[how % ARRAY_SIZE(commands)];
    bool alone = how >> 4 == 0;

    bench_stop(g);
    bench_set(g, XDB_ADDR, fuzz_iova(g));
    bench_set(g, XDB_LENGTH, dma_length(g, command == XDB_LOAD ? 4 :
              size < 0xe0 ? 1 + size % 64 * 4 : (size & 0x1fULL) << 10));
    bench_set(g, XDB_STRIDE, UNIT_PAGE);
    bench_set(g, XDB_WINDOW, WINDOW * UNIT_PAGE);
    bench_set(g, XDB_COUNT, alone ? ALONE : 1 + (how >> 3) % 4);
    qpci_io_writel(g->bench, g->bar, XDB_THREADS, alone);
    qpci_io_writel(g->bench, g->bar, XDB_PASID, fuzz_pasid(g));
    qpci_io_writel(g->bench, g->bar, XDB_CMD,
                   command | (alone ? XDB_BACKGROUND : 0));
    g->background = alone;
}

static void step_sva(FuzzGuest *g)
{
    static const uint8_t commands[] = {
        SVT_C_FILL, SVT_C_COPY, SVT_C_COMPARE, SVT_C_CHASE, SVT_C_RELEASE,
        SVT_C_STOP, SVT_C_MARKER, SVT_C_FILL,
    };
    uint8_t command = fuzz_bytes(g, 1), flags = fuzz_bytes(g, 1);
    uint32_t pasid = fuzz_pasid(g);
    uint64_t src = fuzz_iova(g), dst = fuzz_iova(g);

    sva_start(g->sva, (command >> 3) % SVT_CONTEXTS,
              commands[command % ARRAY_SIZE(commands)], flags, pasid, src, dst,
              dma_length(g, fuzz_bytes(g, 2)));
}

/* What the guest makes of the device in its configuration space */
static void step_config(FuzzGuest *g)
{
    uint16_t value = fuzz_bytes(g, 2);

    switch (fuzz_bytes(g, 1) % 6) {
    case 0:
        sva_cap_write16(g->sva, PCI_EXT_CAP_ID_ATS, PCI_ATS_CTRL, value);
        break;
    case 1:
        sva_cap_write16(g->sva, PCI_EXT_CAP_ID_PASID, PCI_PASID_CTRL, value);
        break;
    case 2:
        sva_cap_write16(g->sva, PCI_EXT_CAP_ID_PRI, PCI_PRI_CTRL, value);
        sva_cap_write32(g->sva, PCI_EXT_CAP_ID_PRI, PCI_PRI_ALLOC_REQ,
                        value >> 8);
        break;
    case 3:
        sva_enable(g->sva, value % 8);
        break;
    case 4:
        sva_flr(g->sva);
        sva_enable_bus(g->sva);
        break;
    default:
        sva_msi(g->sva, fuzz_iova(g), value);
    }
}

/* A route of the I/O APIC, in either format */
static void step_route(FuzzGuest *g)
{
    unsigned pin = fuzz_bytes(g, 1) % 24;
    uint64_t route = fuzz_value(g, 0);
    unsigned i;

    if (g->model->ops->ram) {
        return;
    }
    for (i = 0; i < 2; i++) {
        qtest_writel(g->unit->qts, IOAPIC, 0x10 + 2 * pin + i);
        qtest_writel(g->unit->qts, IOAPIC + 0x10, route >> 32 * i);
    }
}

/* Up to 8 s of the virtual clock pass, too: timeouts of what waits */
static void step_turn(FuzzGuest *g)
{
    uint8_t how = fuzz_bytes(g, 1);

    if (how & 1) {
        qtest_clock_step(g->unit->qts, 1LL << (20 + (how >> 1) % 14));
    }
    unit_turn(g->unit->qts);
}

static void step_ask(FuzzGuest *g)
{
    unsigned question = fuzz_bytes(g, 1) % FUZZ_QUESTIONS;
    uint64_t iova = fuzz_iova(g);

    g->host->ask(g->unit->qts, question, iova, fuzz_pasid(g));
}

/* The devices, after a reset */
static void guest_devices(FuzzGuest *g)
{
    g->background = false;
    g->bench = qpci_device_find(g->unit->bus, FUZZ_BENCH_SID);
    g_assert_nonnull(g->bench);
    g->bar = qpci_iomap(g->bench, 0, NULL);
    qpci_device_enable(g->bench);
    g->sva = sva_open(g->unit, FUZZ_SVA_SID);
    sva_enable(g->sva, SVA_ATS | SVA_PASID | SVA_PRI);
}

static void guest_drop_devices(FuzzGuest *g)
{
    g_free(g->bench);
    sva_close(g->sva);
}

/* A stream that is refused is the end, as it is the destination's. */
static void step_migrate(FuzzGuest *g)
{
    unsigned n = fuzz_bytes(g, 1) % (CHANGES + 1), i;
    FuzzChange changes[CHANGES];

    for (i = 0; i < n; i++) {
        changes[i].offset = fuzz_bytes(g, 2);
        changes[i].flip = fuzz_bytes(g, 1);
    }
    if (!g->host->migrate) {
        return;
    }
    bench_stop(g);
    if (!g->host->migrate(g->model, changes, n)) {
        g->next = g->end;
    }
    guest_drop_devices(g);
    guest_devices(g);
}

/* The beginning and the end */

static void guest_close(FuzzGuest *g)
{
    bench_stop(g);
    guest_drop_devices(g);
    g->model->ops->stop(g->unit);
    g_free(g->spaces[0]);
    g_free(g->spaces[1]);
    g_array_free(g->words, true);
}

/* The page that @iova leads to is where the device writes. */
static void guest_works(FuzzGuest *g)
{
    uint64_t gpa = g->arena;

    qtest_memset(g->unit->qts, gpa, MARK, UNIT_PAGE);
    bench_set(g, XDB_ADDR, FUZZ_IOVA);
    bench_set(g, XDB_LENGTH, 8);
    bench_set(g, XDB_COUNT, 1);
    qpci_io_writel(g->bench, g->bar, XDB_THREADS, 0);
    qpci_io_writel(g->bench, g->bar, XDB_CMD, XDB_NUMBER);
    g_assert_cmphex(qpci_io_readq(g->bench, g->bar, XDB_ERRORS), ==, 0);
    g_assert_cmphex(qtest_readq(g->unit->qts, gpa), ==, 0);
    g_assert_true(viommu_is_filled(g->unit, gpa + 8, MARK, UNIT_PAGE - 8));
}

static void guest_spaces(FuzzGuest *g)
{
    static const uint16_t sids[] = { FUZZ_BENCH_SID, FUZZ_SVA_SID };
    const UnitOps *ops = g->model->ops;
    unsigned i, k;

    for (i = 0; i < 2; i++) {
        g->spaces[i] = ops->space(g->unit, g->form, 7 + i);
        for (k = 0; k < WINDOW; k++) {
            ops->map(g->unit, g->spaces[i], FUZZ_IOVA + k * UNIT_PAGE,
                     g->arena + (i * WINDOW + k) * UNIT_PAGE, UNIT_PAGE,
                     k == WINDOW - 1 ? UNIT_R : UNIT_RW);
            if (ops->pte) {
                fuzz_word(g, ops->pte(g->unit, g->spaces[i],
                                      FUZZ_IOVA + k * UNIT_PAGE));
            }
        }
        ops->attach(g->unit, sids[i], g->spaces[i]);
    }
}

static void guest_open(FuzzGuest *g, QTestState *qts)
{
    const UnitOps *ops = g->model->ops;
    unsigned n = 0;

    while (ops->forms[n]) {
        n++;
    }
    g->form = fuzz_bytes(g, 1) % n;
    g->words = g_array_new(false, false, sizeof(uint64_t));
    g->host->reset(qts);
    unit_use(qts, g->host->turn);
    g->unit = ops->start(0, g->model->props, FUZZ_DEVICES);
    g->unit->ops = ops;
    g->arena = unit_alloc(g->unit, ARENA);
    guest_spaces(g);
    ops->enable(g->unit, g->form);
    guest_devices(g);
    g->model->ready(g);
    guest_works(g);
}

static int64_t fuzz_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* More than once: more often */
static const struct {
    const char *name;
    void (*run)(FuzzGuest *g);
} steps[] = {
    { "register", step_register }, { "register", step_register },
    { "entry", step_entry }, { "entry", step_entry }, { "entry", step_entry },
    { "poke", step_poke }, { "fill", step_fill },
    { "command", step_command }, { "command", step_command },
    { "command", step_command }, { "invalidate", step_invalidate },
    { "dma", step_dma }, { "dma", step_dma }, { "dma", step_dma },
    { "sva", step_sva }, { "sva", step_sva }, { "config", step_config },
    { "route", step_route }, { "turn", step_turn }, { "ask", step_ask },
    { "migrate", step_migrate },
};

/* Which of them is next */
static unsigned fuzz_pick(FuzzGuest *g)
{
    unsigned which = fuzz_bytes(g, 1) % ARRAY_SIZE(steps);

    if (g->only) {
        const char *name = g->steps++ % 2 ? "dma" : g->only;

        while (!g_str_equal(steps[which].name, name)) {
            which = (which + 1) % ARRAY_SIZE(steps);
        }
    }
    return which;
}

/* Returns: of this thread's time, when it was */
static int64_t step_begin(FuzzGuest *g, const char *name)
{
    if (g->host->begin) {
        g->host->begin(name);
    }
    return fuzz_clock();
}

static void step_end(FuzzGuest *g, const char *name, int64_t start)
{
    int64_t ns = fuzz_clock() - start;

    if (g->host->took) {
        g->host->took(name, ns);
    }
    if (ns > FUZZ_STEP_NS) {
        g_error("step %s took more than a second", name);
    }
}

static void fuzz_step(FuzzGuest *g)
{
    unsigned which = fuzz_pick(g);
    int64_t start = step_begin(g, steps[which].name);

    steps[which].run(g);
    step_end(g, steps[which].name, start);
}

char *fuzz_machine(const FuzzModel *model)
{
    g_autofree char *machine = model->ops->args(0, model->props);

    return g_strdup_printf("%s " FUZZ_DEVICES, machine);
}

void fuzz_run_only(const FuzzModel *model, const FuzzHost *host,
                   QTestState *qts, const char *only, const uint8_t *data,
                   size_t size)
{
    FuzzGuest g = {
        .model = model, .host = host, .only = only,
        .next = data, .end = data + size,
    };
    int64_t start = step_begin(&g, "begin");
    unsigned i;

    guest_open(&g, qts);
    step_end(&g, "begin", start);
    for (i = 0; i < STEPS && g.next < g.end; i++) {
        fuzz_step(&g);
    }
    start = step_begin(&g, "end");
    unit_turn(qts);
    guest_close(&g);
    step_end(&g, "end", start);
}

void fuzz_run(const FuzzModel *model, const FuzzHost *host, QTestState *qts,
              const uint8_t *data, size_t size)
{
    fuzz_run_only(model, host, qts, NULL, data, size);
}

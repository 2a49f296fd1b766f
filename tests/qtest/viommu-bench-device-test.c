/*
 * x-dma-bench, the benchmark's device: what it does, and what it refuses
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * How long anything takes is not looked at.
 */
#include "qemu/osdep.h"
#include "hw/misc/x-dma-bench.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "standard-headers/linux/pci_regs.h"
#include "viommu-vtd.h"

#define SLOT        4
#define PEER_SLOT   5
#define DEVFN       QPCI_DEVFN(SLOT, 0)
#define DEVICES     "-device x-dma-bench,addr=4 -device x-dma-bench,addr=5 " \
                    "-device edu,addr=6"
#define DID         1
#define LEVELS      3
#define IOVA        0x200000
#define MARK        0x5a

typedef struct Bench {
    VTD *vtd;
    QPCIDevice *pci;
    QPCIDevice *peer;
    QPCIBar bar;
    VTDDomain dom;
    uint64_t mem;            /* two pages of guest memory, all MARK */
} Bench;

static QPCIDevice *open_device(VTD *vtd, int slot)
{
    QPCIDevice *pci = qpci_device_find(vtd->bus, QPCI_DEVFN(slot, 0));

    g_assert_nonnull(pci);
    qpci_device_enable(pci);
    return pci;
}

static Bench *bench_start(bool translate)
{
    Bench *b = g_new0(Bench, 1);

    b->vtd = vtd_start("", DEVICES);
    b->pci = open_device(b->vtd, SLOT);
    b->peer = open_device(b->vtd, PEER_SLOT);
    b->bar = qpci_iomap(b->pci, 0, NULL);
    b->mem = vtd_alloc(b->vtd, 2);
    viommu_fill(b->vtd, b->mem, MARK, 2 * VTD_PAGE_SIZE);
    if (translate) {
        vtd_domain_init(b->vtd, &b->dom, DID, LEVELS);
        vtd_attach(b->vtd, DEVFN, &b->dom, VTD_TT_UNTRANSLATED);
        vtd_map(b->vtd, &b->dom, IOVA, b->mem, 1, VTD_PTE_RW);
        vtd_enable(b->vtd, VTD_QUEUED);
    }
    return b;
}

static void bench_stop(Bench *b)
{
    g_free(b->peer);
    g_free(b->pci);
    vtd_stop(b->vtd);
    g_free(b);
}

static void set(Bench *b, unsigned reg, uint64_t value)
{
    qpci_io_writeq(b->pci, b->bar, reg, value);
}

static uint64_t get(Bench *b, unsigned reg)
{
    return qpci_io_readq(b->pci, b->bar, reg);
}

static void set32(Bench *b, unsigned reg, uint32_t value)
{
    qpci_io_writel(b->pci, b->bar, reg, value);
}

/* One run; its status. */
static uint32_t run(Bench *b, XDBCommand command, uint64_t addr,
                    uint64_t length, uint64_t window, uint64_t count)
{
    set(b, XDB_ADDR, addr);
    set(b, XDB_LENGTH, length);
    set(b, XDB_STRIDE, length);
    set(b, XDB_WINDOW, window);
    set(b, XDB_COUNT, count);
    set32(b, XDB_CMD, command);
    return qpci_io_readl(b->pci, b->bar, XDB_STATUS);
}

static void assert_done(Bench *b, uint64_t ops, uint64_t errors)
{
    g_assert_cmpuint(get(b, XDB_OPS), ==, ops);
    g_assert_cmpuint(get(b, XDB_ERRORS), ==, errors);
}

static void test_registers(void)
{
    Bench *b = bench_start(false);
    static const unsigned wide[] = {
        XDB_ADDR, XDB_LENGTH, XDB_STRIDE, XDB_WINDOW, XDB_COUNT, XDB_AUX,
        XDB_AUX + 8 * (XDB_AUX_REGS - 1),
    };
    unsigned i;

    g_assert_cmphex(qpci_io_readl(b->pci, b->bar, XDB_MAGIC), ==,
                    X_DMA_BENCH_MAGIC);
    for (i = 0; i < ARRAY_SIZE(wide); i++) {
        set(b, wide[i], 0x0123456789abcdefULL);
        set32(b, wide[i] + 4, 0x55aa33cc);
        g_assert_cmphex(get(b, wide[i]), ==, 0x55aa33cc89abcdefULL);
    }
    set(b, XDB_NS, 1);
    set(b, XDB_AUX + 8 * XDB_AUX_REGS, 1);
    g_assert_cmphex(get(b, XDB_NS), ==, 0);
    g_assert_cmphex(get(b, XDB_AUX + 8 * XDB_AUX_REGS), ==, 0);
    qtest_system_reset(b->vtd->qts);
    bench_stop(b);
}

/* What a write reaches: the window, and nothing after it. */
static void test_window(void)
{
    Bench *b = bench_start(false);

    g_assert_cmphex(run(b, XDB_WRITE, b->mem, 64, 256, 3), ==, 0);
    assert_done(b, 3, 0);
    g_assert_true(viommu_is_filled(b->vtd, b->mem, 0, 192));
    g_assert_true(viommu_is_filled(b->vtd, b->mem + 192, MARK, 64));

    /* The last 32 bytes are too few for another one. */
    g_assert_cmphex(run(b, XDB_WRITE, b->mem, 64, 288, 100), ==, 0);
    assert_done(b, 100, 0);
    g_assert_true(viommu_is_filled(b->vtd, b->mem, 0, 256));
    g_assert_true(viommu_is_filled(b->vtd, b->mem + 256, MARK, 1024));
    bench_stop(b);
}

static void test_commands(void)
{
    static const XDBCommand commands[] = {
        XDB_READ, XDB_WRITE, XDB_LOAD, XDB_MAP_READ, XDB_MAP_WRITE,
    };
    Bench *b = bench_start(true);
    unsigned i, threads;

    for (i = 0; i < ARRAY_SIZE(commands); i++) {
        for (threads = 0; threads <= 2; threads++) {
            unsigned n = MAX(threads, 1);

            set32(b, XDB_THREADS, threads);
            g_assert_cmphex(run(b, commands[i], IOVA, 64, 4096, 10), ==, 0);
            assert_done(b, 10 * n, 0);
            /*
             * The page after it is not mapped.  The base gives a map of it
             * a buffer that leads nowhere, which is no error.
             */
            g_assert_cmphex(run(b, commands[i], IOVA + VTD_PAGE_SIZE, 64,
                                4096, 10), ==, 0);
            assert_done(b, 10 * n, commands[i] < XDB_MAP_READ ? 10 * n : 0);
        }
    }
    g_assert_true(viommu_is_filled(b->vtd, b->mem + VTD_PAGE_SIZE, MARK,
                                   VTD_PAGE_SIZE));
    bench_stop(b);
}

/* Odd threads are the peer, which is attached to nothing. */
static void test_peer(void)
{
    Bench *b = bench_start(true);

    set32(b, XDB_THREADS, 2);
    set32(b, XDB_PEER, XDB_PEER_VALID | QPCI_DEVFN(PEER_SLOT, 0));
    g_assert_cmphex(run(b, XDB_READ, IOVA, 64, 4096, 10), ==, 0);
    assert_done(b, 20, 10);
    vtd_attach(b->vtd, QPCI_DEVFN(PEER_SLOT, 0), &b->dom,
               VTD_TT_UNTRANSLATED);
    vtd_inv_everything(b->vtd);
    g_assert_cmphex(run(b, XDB_READ, IOVA, 64, 4096, 10), ==, 0);
    assert_done(b, 20, 0);

    set32(b, XDB_PEER, XDB_PEER_VALID | QPCI_DEVFN(6, 0));
    g_assert_cmphex(run(b, XDB_READ, IOVA, 64, 4096, 1), ==, XDB_S_PEER);
    set32(b, XDB_PEER, XDB_PEER_VALID | QPCI_DEVFN(31, 7));
    g_assert_cmphex(run(b, XDB_READ, IOVA, 64, 4096, 1), ==, XDB_S_PEER);
    assert_done(b, 0, 0);
    bench_stop(b);
}

static void test_vring(void)
{
    Bench *b = bench_start(true);
    uint64_t ring = vtd_alloc(b->vtd, 3);
    int i, threads;

    for (i = 0; i < 3; i++) {
        vtd_map(b->vtd, &b->dom, IOVA + i * VTD_PAGE_SIZE,
                ring + i * VTD_PAGE_SIZE, 1, VTD_PTE_RW);
    }
    vtd_inv_everything(b->vtd);
    for (threads = 0; threads <= 2; threads++) {
        set32(b, XDB_THREADS, threads);
        g_assert_cmphex(run(b, XDB_VRING, IOVA, 0, 0, 3), ==, 0);
        assert_done(b, 3 * MAX(threads, 1), 0);
    }
    g_assert_cmpuint(qtest_readw(b->vtd->qts, ring + XDB_VRING_USED + 2), ==,
                     3);
    g_assert_cmpuint(qtest_readl(b->vtd->qts, ring + XDB_VRING_USED + 20), ==,
                     2);
    bench_stop(b);
}

static void test_store(void)
{
    Bench *b = bench_start(false);

    set(b, XDB_AUX, b->mem + 8);
    set(b, XDB_AUX + 8, 0x1122334455667788ULL);
    g_assert_cmphex(run(b, XDB_STORE, 0, 0, 0, 2), ==, 0);
    assert_done(b, 2, 0);
    g_assert_cmphex(qtest_readq(b->vtd->qts, b->mem + 8), ==,
                    0x1122334455667788ULL);
    g_assert_true(viommu_is_filled(b->vtd, b->mem, MARK, 8));
    g_assert_cmphex(run(b, XDB_STORE32, 0, 0, 0, 2), ==, 0);
    g_assert_cmphex(qtest_readq(b->vtd->qts, b->mem + 8), ==,
                    0x1122334455667788ULL);
    set(b, XDB_AUX, b->mem + 16);
    g_assert_cmphex(run(b, XDB_STORE32, 0, 0, 0, 2), ==, 0);
    g_assert_cmphex(qtest_readl(b->vtd->qts, b->mem + 16), ==, 0x55667788);
    g_assert_true(viommu_is_filled(b->vtd, b->mem + 20, MARK, 8));
    bench_stop(b);
}

/* Each operation maps, writes, unmaps and has it invalidated. */
static void test_cycle(void)
{
    Bench *b = bench_start(true);
    VTD *vtd = b->vtd;
    uint64_t leaf = vtd_pte(vtd, &b->dom, b->mem, 1);
    const uint64_t aux[XDB_AUX_REGS] = {
        leaf, VTD_PTE_RW, vtd->iq,
        VTD_D_IOTLB | VTD_D_G(VTD_PAGE) | VTD_D_DID(DID),
        VTD_D_WAIT | VTD_D_WAIT_SW, vtd->iq_status, VTD_BASE + VTD_IQT,
        VTD_IQ_SLOTS,
    };
    unsigned i;

    /* Nothing was queued yet: head and tail are at slot 0. */
    g_assert_cmpuint(vtd_read64(vtd, VTD_IQT), ==, 0);
    for (i = 0; i < XDB_AUX_REGS; i++) {
        set(b, XDB_AUX + 8 * i, aux[i]);
    }
    g_assert_cmphex(run(b, XDB_CYCLE, b->mem, VTD_PAGE_SIZE, VTD_PAGE_SIZE,
                        VTD_IQ_SLOTS), ==, 0);
    assert_done(b, VTD_IQ_SLOTS, 0);
    g_assert_true(viommu_is_filled(vtd, b->mem, 0, VTD_PAGE_SIZE));
    g_assert_true(viommu_is_filled(vtd, b->mem + VTD_PAGE_SIZE, MARK,
                                   VTD_PAGE_SIZE));
    g_assert_cmphex(qtest_readq(vtd->qts, leaf), ==, 0);
    vtd_assert_no_fault(vtd);
    /* The last one is gone from the caches, too. */
    g_assert_cmphex(run(b, XDB_READ, b->mem, 64, 64, 1), ==, 0);
    assert_done(b, 1, 1);
    bench_stop(b);
}

/*
 * Two pages at a time, which are not neighbours in memory, with an invalidation
 * when they are mapped, too.
 */
static void test_cycle_pieces(void)
{
    enum { PAGES = 4, SPAN = 2, STEP = 3 };
    Bench *b = bench_start(true);
    VTD *vtd = b->vtd;
    uint64_t mem = ROUND_UP(vtd_alloc(vtd, PAGES + SPAN),
                            SPAN * VTD_PAGE_SIZE);
    uint64_t leaf = vtd_pte(vtd, &b->dom, mem, 1);
    const uint64_t aux[XDB_AUX_REGS] = {
        leaf, VTD_PTE_RW, vtd->iq,
        VTD_D_IOTLB | VTD_D_G(VTD_PAGE) | VTD_D_DID(DID),
        VTD_D_WAIT | VTD_D_WAIT_SW, vtd->iq_status, VTD_BASE + VTD_IQT,
        VTD_IQ_SLOTS, 1, true, STEP,
    };
    unsigned i;

    viommu_fill(vtd, mem, MARK, PAGES * VTD_PAGE_SIZE);
    for (i = 0; i < XDB_AUX_REGS; i++) {
        set(b, XDB_AUX + 8 * i, aux[i]);
    }
    g_assert_cmphex(run(b, XDB_CYCLE, mem, SPAN * VTD_PAGE_SIZE,
                        PAGES * VTD_PAGE_SIZE, 1), ==, 0);
    assert_done(b, 1, 0);
    /* Pages 0 and 3 are the first two of the window. */
    for (i = 0; i < PAGES; i++) {
        g_assert_cmpint(viommu_is_filled(vtd, mem + i * VTD_PAGE_SIZE, MARK,
                                         VTD_PAGE_SIZE), ==, i % STEP != 0);
        g_assert_cmphex(qtest_readq(vtd->qts, leaf + 8 * i), ==, 0);
    }
    g_assert_cmphex(vtd_read64(vtd, VTD_IQT), ==, 4 * 16);
    vtd_assert_no_fault(vtd);
    bench_stop(b);
}

/* Maps that stay until they are let go, or the device is reset */
static void test_keep(void)
{
    Bench *b = bench_start(true);
    QDict *answer;

    g_assert_cmphex(run(b, XDB_KEEP, IOVA, 64, 0, 3), ==, 0);
    assert_done(b, 3, 0);
    answer = qtest_qmp(b->vtd->qts, "{'execute': 'query-viommu'}");
    g_assert_cmpint(qdict_get_int(qobject_to(QDict, qlist_peek(
        qdict_get_qlist(answer, "return"))), "maps-in-flight"), ==, 3);
    qobject_unref(answer);
    run(b, XDB_LET_GO, 0, 0, 0, 0);
    answer = qtest_qmp(b->vtd->qts, "{'execute': 'query-viommu'}");
    g_assert_cmpint(qdict_get_int(qobject_to(QDict, qlist_peek(
        qdict_get_qlist(answer, "return"))), "maps-in-flight"), ==, 0);
    qobject_unref(answer);
    bench_stop(b);
}

/*
 * The same for two indices with a wrap bit.  There is no such queue here: the
 * consumer's is what the test says it is.
 */
static void test_cycle_cons(void)
{
    enum { SLOTS = 4, LO = 0x12, SYNC = 0x46, QUEUE = 0x100, PROD = 0x200 };
    Bench *b = bench_start(false);
    QTestState *qts = b->vtd->qts;
    uint64_t base = b->mem + VTD_PAGE_SIZE;
    const uint64_t aux[XDB_AUX_REGS] = {
        base, 0x3, base + QUEUE, LO, SYNC, 0, base + PROD, SLOTS,
    };
    static const struct {
        unsigned ops, prod;
    } runs[] = { { 1, 2 }, { 2, 4 }, { 3, 6 }, { 4, 0 }, { 5, 2 } };
    unsigned i;

    for (i = 0; i < XDB_AUX_REGS; i++) {
        set(b, XDB_AUX + 8 * i, aux[i]);
    }
    for (i = 0; i < ARRAY_SIZE(runs); i++) {
        viommu_fill(b->vtd, base, MARK, VTD_PAGE_SIZE);
        qtest_writel(qts, base + PROD + 4, runs[i].prod);
        g_assert_cmphex(run(b, XDB_CYCLE_CONS, b->mem, 64, 64, runs[i].ops),
                        ==, 0);
        g_assert_cmpuint(get(b, XDB_OPS), ==, runs[i].ops);
        g_assert_cmpuint(qtest_readl(qts, base + PROD), ==, runs[i].prod);
        g_assert_cmphex(qtest_readq(qts, base + QUEUE), ==, LO);
        g_assert_cmphex(qtest_readq(qts, base + QUEUE + 8), ==, b->mem);
        g_assert_cmphex(qtest_readq(qts, base + QUEUE + 16), ==, SYNC);
        g_assert_cmphex(qtest_readq(qts, base + QUEUE + 24), ==, 0);
        g_assert_true(viommu_is_filled(b->vtd, base + QUEUE + 16 * SLOTS,
                                       MARK, 16));
    }
    /* Of the five, those whose index was what the consumer's stood at */
    assert_done(b, 5, 3);
    set(b, XDB_AUX + 8 * 7, SLOTS + 1);
    g_assert_cmphex(run(b, XDB_CYCLE_CONS, b->mem, 64, 64, 1), ==, XDB_S_QUEUE);
    assert_done(b, 0, 0);
    bench_stop(b);
}

/* A run in the background, and all that ends one */
static void test_background(void)
{
    Bench *b = bench_start(true);
    QTestState *qts = b->vtd->qts;
    int way;

    for (way = 0; way < 4; way++) {
        uint64_t ops;

        set32(b, XDB_THREADS, way);
        g_assert_cmphex(run(b, XDB_NUMBER | XDB_BACKGROUND, IOVA, 64, 4096,
                            UINT64_MAX), ==, XDB_S_RUNNING | XDB_S_COUNT);
        /* Nothing else can be begun, and it goes on. */
        set(b, XDB_ADDR, 0);
        set32(b, XDB_CMD, XDB_READ);
        ops = get(b, XDB_OPS);
        viommu_until(b->vtd, get(b, XDB_OPS) > ops);
        g_assert_cmphex(get(b, XDB_ADDR), ==, IOVA);
        if (way == 2) {
            qtest_qmp_assert_success(qts, "{'execute': 'stop'}");
            qtest_qmp_assert_success(qts, "{'execute': 'cont'}");
        } else if (way == 3) {
            vtd_reset(b->vtd);
            qpci_device_enable(b->pci);
            qpci_config_writel(b->pci, PCI_BASE_ADDRESS_0, b->bar.addr);
        } else {
            set32(b, XDB_CMD, XDB_STOP);
        }
        g_assert_cmphex(qpci_io_readl(b->pci, b->bar, XDB_STATUS) &
                        XDB_S_RUNNING, ==, 0);
    }
    bench_stop(b);
}

static void test_clamp(void)
{
    Bench *b = bench_start(false);

    g_assert_cmphex(run(b, 0, b->mem, 4, 4, 1), ==, XDB_S_COMMAND);
    g_assert_cmphex(run(b, XDB_STORE_WAIT + 1, b->mem, 4, 4, 1), ==,
                    XDB_S_COMMAND);
    g_assert_cmphex(run(b, UINT32_MAX, b->mem, 4, 4, 1), ==, XDB_S_COMMAND);
    g_assert_cmphex(run(b, XDB_MAP_READ, b->mem, UINT64_MAX, 0, 1), ==,
                    XDB_S_LENGTH);
    assert_done(b, 1, 0);
    g_assert_cmphex(run(b, XDB_VRING, UINT64_MAX, 0, 0, 1), ==, XDB_S_VRING);
    g_assert_cmphex(run(b, XDB_CYCLE, b->mem, 4, 4, 1), ==, XDB_S_QUEUE);
    assert_done(b, 0, 0);
    set32(b, XDB_THREADS, UINT32_MAX);
    g_assert_cmphex(run(b, XDB_READ, b->mem, 4, 4, 2), ==, XDB_S_THREADS);
    assert_done(b, 2 * XDB_MAX_THREADS, 0);
    bench_stop(b);
}

/* A device that is told to write to its own registers */
static void test_reentry(void)
{
    Bench *b = bench_start(false);
    int threads;

    for (threads = 0; threads <= 2; threads++) {
        set32(b, XDB_THREADS, threads);
        g_assert_cmphex(run(b, XDB_WRITE, b->bar.addr, 64, 64, 3), ==, 0);
        assert_done(b, 3 * MAX(threads, 1), 3 * MAX(threads, 1));
    }
    set32(b, XDB_THREADS, 0);
    set(b, XDB_AUX, b->bar.addr + XDB_CMD);
    set(b, XDB_AUX + 8, XDB_STORE);
    g_assert_cmphex(run(b, XDB_STORE, 0, 0, 0, 2), ==, 0);
    assert_done(b, 2, 2);
    bench_stop(b);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("viommu/bench-device/registers", test_registers);
    qtest_add_func("viommu/bench-device/window", test_window);
    qtest_add_func("viommu/bench-device/commands", test_commands);
    qtest_add_func("viommu/bench-device/peer", test_peer);
    qtest_add_func("viommu/bench-device/vring", test_vring);
    qtest_add_func("viommu/bench-device/store", test_store);
    qtest_add_func("viommu/bench-device/strict-cycle", test_cycle);
    qtest_add_func("viommu/bench-device/strict-cycle-cons", test_cycle_cons);
    qtest_add_func("viommu/bench-device/strict-cycle-pieces",
                   test_cycle_pieces);
    qtest_add_func("viommu/bench-device/keep", test_keep);
    qtest_add_func("viommu/bench-device/background", test_background);
    qtest_add_func("viommu/bench-device/clamp", test_clamp);
    qtest_add_func("viommu/bench-device/re-entry", test_reentry);
    return g_test_run();
}

/*
 * A workbench for the DMA translation cache: one unit, one domain, and an
 * x-dma-bench that reads, writes and maps, with and without the BQL
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "standard-headers/linux/pci_regs.h"
#include "viommu-dma.h"

#define CACHE_PROPERTY  "dma-cache-size"
#define LEVELS          4
#define MARK64          (DMA_MARK * 0x0101010101010101ULL)
#define LEN             64
#define TIMES           3
/* Of small operations; others come in smaller ones. */
#define BATCH           1024

static const char *unit_properties(bool cached)
{
    static int has = -1;

    if (has < 0) {
        has = viommu_offers("intel-iommu", CACHE_PROPERTY);
    }
    return has && !cached ? CACHE_PROPERTY "=0" : "";
}

char *dma_unit_args(bool cached)
{
    const char *properties = unit_properties(cached);

    return g_strdup_printf("-device intel-iommu%s%s", *properties ? "," : "",
                           properties);
}

void dma_setup(DMARig *rig)
{
    dma_place(rig);
    vtd_attach(rig->vtd, DMA_SID, &rig->dom, VTD_TT_UNTRANSLATED);
    vtd_enable(rig->vtd, VTD_QUEUED);
}

DMARig *dma_of(VTD *vtd)
{
    DMARig *rig = g_new0(DMARig, 1);

    rig->vtd = vtd;
    rig->pci = qpci_device_find(vtd->bus, DMA_SID);
    g_assert_nonnull(rig->pci);
    vtd_domain_init(vtd, &rig->dom, DMA_DID, LEVELS);
    dma_setup(rig);
    return rig;
}

DMARig *dma_new(bool cached, const char *args)
{
    return dma_of(vtd_start(unit_properties(cached), DMA_DEVICE "%s", args));
}

void dma_free(DMARig *rig)
{
    g_free(rig->pci);
    vtd_stop(rig->vtd);
    g_free(rig);
}

void dma_place(DMARig *rig)
{
    qpci_config_writel(rig->pci, PCI_BASE_ADDRESS_0, DMA_BAR);
    qpci_device_enable(rig->pci);
    g_assert_cmphex(qtest_readl(rig->vtd->qts, DMA_BAR + XDB_MAGIC), ==,
                    X_DMA_BENCH_MAGIC);
}

static void set(DMARig *rig, unsigned reg, uint64_t value)
{
    qtest_writeq(rig->vtd->qts, DMA_BAR + reg, value);
}

static uint64_t get(DMARig *rig, unsigned reg)
{
    return qtest_readq(rig->vtd->qts, DMA_BAR + reg);
}

static uint32_t get32(DMARig *rig, unsigned reg)
{
    return qtest_readl(rig->vtd->qts, DMA_BAR + reg);
}

static void command(DMARig *rig, uint32_t cmd, unsigned threads, uint64_t iova,
                    uint64_t length, unsigned pages, uint64_t count)
{
    set(rig, XDB_ADDR, iova);
    set(rig, XDB_LENGTH, length);
    set(rig, XDB_STRIDE, MAX(length, VTD_PAGE_SIZE));
    set(rig, XDB_WINDOW, pages * VTD_PAGE_SIZE);
    set(rig, XDB_COUNT, count);
    set(rig, XDB_AUX, MARK64);
    qtest_writel(rig->vtd->qts, DMA_BAR + XDB_THREADS, threads);
    qtest_writel(rig->vtd->qts, DMA_BAR + XDB_CMD, cmd);
}

uint64_t dma_run(DMARig *rig, XDBCommand cmd, unsigned threads, uint64_t iova,
                 uint64_t length, unsigned pages)
{
    command(rig, cmd, threads, iova, length, pages,
            MAX(pages * VTD_PAGE_SIZE / MAX(length, VTD_PAGE_SIZE), 1));
    g_assert_cmphex(get32(rig, XDB_STATUS), ==, 0);
    return get(rig, XDB_ERRORS);
}

void dma_keep(DMARig *rig, uint64_t iova, unsigned pages)
{
    command(rig, XDB_KEEP, 0, iova, VTD_PAGE_SIZE, 1, pages);
    g_assert_cmpuint(get(rig, XDB_OPS), ==, pages);
}

void dma_let_go(DMARig *rig)
{
    qtest_writel(rig->vtd->qts, DMA_BAR + XDB_CMD, XDB_LET_GO);
}

bool dma_run_held(DMARig *rig, XDBCommand cmd, uint64_t iova, uint64_t length,
                  unsigned pages)
{
    uint32_t status;

    command(rig, cmd | XDB_HOLD, 1, iova, length, pages, pages);
    status = get32(rig, XDB_STATUS);
    g_assert_cmphex(status & ~XDB_S_HELD, ==, 0);
    g_assert_cmpuint(get(rig, XDB_OPS), ==, pages);
    return !status;
}

bool dma_is_rcu_stalled(DMARig *rig)
{
    return get32(rig, XDB_STATUS) & XDB_S_STALLED;
}

void dma_stall_rcu(DMARig *rig)
{
    qtest_writel(rig->vtd->qts, DMA_BAR + XDB_CMD, XDB_STALL_RCU);
    viommu_until(rig->vtd, dma_is_rcu_stalled(rig));
}

void dma_unstall_rcu(DMARig *rig)
{
    qtest_writel(rig->vtd->qts, DMA_BAR + XDB_CMD, XDB_STOP);
    viommu_until(rig->vtd, !dma_is_rcu_stalled(rig));
}

void dma_start(DMARig *rig, XDBCommand cmd, unsigned threads, uint64_t iova,
               uint64_t length, unsigned pages)
{
    rig->threads = threads;
    command(rig, cmd | XDB_BACKGROUND, threads, iova, length, pages, 0);
    g_assert_cmphex(get32(rig, XDB_STATUS), ==, XDB_S_RUNNING);
    dma_go_on(rig);
}

uint64_t dma_go_on(DMARig *rig)
{
    uint64_t before = get(rig, XDB_OPS), now;

    /*
     * Whoever moves on does so in batches, the first of which may be almost
     * over already.
     */
    viommu_until(rig->vtd, (now = get(rig, XDB_OPS)) >=
                           before + 2 * rig->threads * BATCH);
    return now;
}

uint64_t dma_errors(DMARig *rig)
{
    return get(rig, XDB_ERRORS);
}

uint64_t dma_stop(DMARig *rig)
{
    qtest_writel(rig->vtd->qts, DMA_BAR + XDB_CMD, XDB_STOP);
    g_assert_cmphex(get32(rig, XDB_STATUS), ==, 0);
    return get(rig, XDB_ERRORS);
}

void dma_mark(DMARig *rig, uint64_t gpa, unsigned pages)
{
    viommu_fill(rig->vtd, gpa, DMA_MARK, pages * VTD_PAGE_SIZE);
}

bool dma_is_marked(DMARig *rig, uint64_t gpa, unsigned pages)
{
    return viommu_is_filled(rig->vtd, gpa, DMA_MARK, pages * VTD_PAGE_SIZE);
}

bool dma_reads_mark(DMARig *rig, uint64_t iova)
{
    unsigned seen = 0, i;

    for (i = 0; i < TIMES; i++) {
        unsigned threads = i % 2;

        seen += dma_run(rig, XDB_READ_NOT, threads, iova, LEN, 1);
        dma_run(rig, XDB_LOAD, threads, iova, 4, 1);
        dma_run(rig, XDB_MAP_READ, threads, iova, LEN, 1);
    }
    /* Not sometimes */
    g_assert_true(seen == 0 || seen == TIMES);
    return seen;
}

bool dma_reads(DMARig *rig, uint64_t iova, uint64_t gpa)
{
    bool seen;

    dma_mark(rig, gpa, 1);
    seen = dma_reads_mark(rig, iova);
    viommu_fill(rig->vtd, gpa, 0, VTD_PAGE_SIZE);
    return seen;
}

static const XDBCommand writers[] = { XDB_WRITE, XDB_MAP_FILL };

void dma_write_all_ways(DMARig *rig, uint64_t iova)
{
    unsigned i, way;

    for (i = 0; i < TIMES; i++) {
        for (way = 0; way < G_N_ELEMENTS(writers); way++) {
            dma_run(rig, writers[way], i % 2, iova, LEN, 1);
        }
    }
}

bool dma_writes(DMARig *rig, uint64_t iova, uint64_t gpa)
{
    unsigned seen = 0, i, way;

    for (i = 0; i < TIMES; i++) {
        for (way = 0; way < G_N_ELEMENTS(writers); way++) {
            dma_mark(rig, gpa, 1);
            dma_run(rig, writers[way], i % 2, iova, LEN, 1);
            seen += !dma_is_marked(rig, gpa, 1);
        }
    }
    viommu_fill(rig->vtd, gpa, 0, VTD_PAGE_SIZE);
    g_assert_true(seen == 0 || seen == TIMES * G_N_ELEMENTS(writers));
    return seen;
}

void dma_reaches(DMARig *rig, uint64_t iova, uint64_t gpa)
{
    g_assert_true(dma_reads(rig, iova, gpa));
    g_assert_true(dma_writes(rig, iova, gpa));
}

void dma_misses(DMARig *rig, uint64_t iova, uint64_t gpa)
{
    g_assert_false(dma_reads(rig, iova, gpa));
    g_assert_false(dma_writes(rig, iova, gpa));
}

void dma_inv(DMARig *rig, VTDScope scope, uint64_t iova)
{
    vtd_inv_iotlb(rig->vtd, VTD_QUEUED, scope, DMA_DID, iova, 0);
}

static void run_test(const void *opaque, bool cached)
{
    void (*fn)(bool cached) = opaque;

    fn(cached);
}

static void run_cached(const void *opaque)
{
    run_test(opaque, true);
}

static void run_uncached(const void *opaque)
{
    run_test(opaque, false);
}

void dma_add(const char *name, void (*fn)(bool cached))
{
    g_autofree char *on = g_strdup_printf("viommu/cache/%s/on", name);
    g_autofree char *off = g_strdup_printf("viommu/cache/%s/off", name);

    qtest_add_data_func(on, fn, run_cached);
    qtest_add_data_func(off, fn, run_uncached);
}

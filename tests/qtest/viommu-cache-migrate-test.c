/*
 * The DMA translation cache: what devices write is in the dirty bitmap
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A device writes without end, to pages that it has been writing to before.
 * The source sends its memory meanwhile; what is written to a page that was
 * sent already is only sent again if it was marked.  When the machine has
 * stopped, source and target hold the same.
 */
#include "qemu/osdep.h"
#include "qemu/units.h"
#include "qobject/qdict.h"
#include "viommu-dma.h"

#define PAGES       16
#define SLOW        (256 * KiB)  /* bytes per second: minutes from an end */
#define MACHINE     "-m 256M "

typedef struct Writer {
    const char *name;
    XDBCommand command;
    uint64_t length;
    unsigned pages;
} Writer;

static const Writer writers[] = {
    { "write", XDB_NUMBER, 64, PAGES },
    { "write-all", XDB_NUMBER, PAGES * VTD_PAGE_SIZE, PAGES },
    { "map", XDB_MAP_FILL, 64, PAGES },
    { "map-all", XDB_MAP_FILL, PAGES * VTD_PAGE_SIZE, PAGES },
    { "vring", XDB_VRING, 64, 3 },
};

typedef struct Case {
    const Writer *writer;
    bool cached;
    bool cancel;             /* first a migration that comes to nothing */
} Case;

/* 2 GiB would take their time; everything is below that. */
#define IOVA        DMA_IOVA
#define GPA         0x4000000ULL

static bool status_is(QTestState *qts, const char *wanted)
{
    QDict *answer = qtest_qmp(qts, "{'execute': 'query-migrate'}");
    g_autofree char *status = g_strdup(
        qdict_get_try_str(qdict_get_qdict(answer, "return"), "status"));

    qobject_unref(answer);
    g_assert_cmpstr(status, !=, "failed");
    return g_strcmp0(status, wanted) == 0;
}

static void wait_for(QTestState *qts, const char *status)
{
    while (!status_is(qts, status)) {
        g_usleep(1000);
    }
}

static void migrate(DMARig *rig, const char *uri, uint64_t bandwidth)
{
    qtest_qmp_assert_success(rig->vtd->qts,
                             "{'execute': 'migrate-set-parameters',"
                             " 'arguments': {'max-bandwidth': %" PRIu64 "}}",
                             bandwidth);
    qtest_qmp_assert_success(rig->vtd->qts, "{'execute': 'migrate',"
                             " 'arguments': {'uri': %s}}", uri);
}

static QTestState *load(bool cached, const char *uri)
{
    g_autofree char *unit = dma_unit_args(cached);
    QTestState *qts = qtest_initf("-machine q35 -nodefaults %s " DMA_DEVICE
                                  MACHINE "-incoming defer", unit);

    qtest_qmp_assert_success(qts, "{'execute': 'migrate-incoming',"
                             " 'arguments': {'uri': %s}}", uri);
    wait_for(qts, "completed");
    return qts;
}

static void fill_numbers(QTestState *qts)
{
    g_autofree uint64_t *data = g_new(uint64_t, PAGES * VTD_PAGE_SIZE / 8);
    size_t i;

    /* Incompressible, or pages are sent in no time */
    for (i = 0; i < PAGES * VTD_PAGE_SIZE / 8; i++) {
        data[i] = i * 0x9e3779b97f4a7c15ULL;
    }
    qtest_memwrite(qts, GPA, data, PAGES * VTD_PAGE_SIZE);
}

static void assert_same(QTestState *a, QTestState *b)
{
    g_autofree uint8_t *here = g_malloc(PAGES * VTD_PAGE_SIZE);
    g_autofree uint8_t *there = g_malloc(PAGES * VTD_PAGE_SIZE);
    unsigned i;

    qtest_memread(a, GPA, here, PAGES * VTD_PAGE_SIZE);
    qtest_memread(b, GPA, there, PAGES * VTD_PAGE_SIZE);
    for (i = 0; i < PAGES; i++) {
        g_assert_cmpmem(here + i * VTD_PAGE_SIZE, VTD_PAGE_SIZE,
                        there + i * VTD_PAGE_SIZE, VTD_PAGE_SIZE);
    }
}

static void test_migrate(const void *opaque)
{
    const Case *c = opaque;
    const Writer *w = c->writer;
    g_autofree char *file = NULL;
    g_autofree char *uri = NULL;
    g_autoptr(GError) error = NULL;
    DMARig *rig = dma_new(c->cached, MACHINE);
    DMARig target;
    unsigned i;
    int fd;

    fd = g_file_open_tmp("viommu-cache-XXXXXX", &file, &error);
    g_assert_no_error(error);
    close(fd);
    uri = g_strdup_printf("file:%s", file);
    fill_numbers(rig->vtd->qts);
    for (i = 0; i < PAGES; i++) {
        /* Not one after the other */
        vtd_map(rig->vtd, &rig->dom, IOVA + i * VTD_PAGE_SIZE,
                GPA + (i * 5 % PAGES) * VTD_PAGE_SIZE, 1, VTD_PTE_RW);
    }
    dma_start(rig, w->command, 2, IOVA, w->length, w->pages);
    if (c->cancel) {
        /* Enough to take a while */
        qtest_memset(rig->vtd->qts, GPA * 2, 0x33, 64 * MiB);
        migrate(rig, uri, SLOW);
        wait_for(rig->vtd->qts, "active");
        dma_go_on(rig);
        qtest_qmp_assert_success(rig->vtd->qts,
                                 "{'execute': 'migrate_cancel'}");
        wait_for(rig->vtd->qts, "cancelled");
        dma_go_on(rig);
    }
    migrate(rig, uri, 0);
    wait_for(rig->vtd->qts, "completed");

    target = *rig;
    target.vtd = vtd_adopt(rig->vtd, load(c->cached, uri));
    target.pci = qpci_device_find(target.vtd->bus, DMA_SID);
    assert_same(rig->vtd->qts, target.vtd->qts);
    unlink(file);
    dma_free(rig);

    qtest_qmp_assert_success(target.vtd->qts, "{'execute': 'cont'}");
    dma_reaches(&target, IOVA + VTD_PAGE_SIZE, GPA + 5 * VTD_PAGE_SIZE);
    g_free(target.pci);
    vtd_stop(target.vtd);
}

static void add(const Writer *writer, bool cached, bool cancel)
{
    g_autofree char *path = g_strdup_printf(
        "viommu/cache/migrate/%s%s/%s", writer->name,
        cancel ? "/cancelled-once" : "", cached ? "on" : "off");
    Case *c = g_new(Case, 1);

    *c = (Case) { writer, cached, cancel };
    qtest_add_data_func_full(path, c, test_migrate, g_free);
}

int main(int argc, char **argv)
{
    size_t i;

    g_test_init(&argc, &argv, NULL);
    for (i = 0; i < G_N_ELEMENTS(writers); i++) {
        add(&writers[i], true, false);
        add(&writers[i], true, true);
        add(&writers[i], false, false);
    }
    return g_test_run();
}

/*
 * viommu-remote: what the server is told of devices, and what they ask it for
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The server is tests/remote/toy.py.
 */
#include "qemu/osdep.h"
#include <sys/wait.h>
#include "libqos/pci-pc.h"
#include "qemu/bswap.h"
#include "qobject/qdict.h"
#include "standard-headers/linux/pci_regs.h"
#include "viommu-plug.h"
#include "viommu-remote.h"
#include "viommu-sva.h"

#define BUS         1
#define BEHIND      (BUS << 8)           /* whoever is in the slot */
#define CHIPSET     (31 << 3)            /* there is something on every q35 */

#define DOMAIN      3
#define IOVA        0x10000000ull
#define PAGES       2
#define MARK        0x5a
#define BLANK       0x11

/* A slot that is empty, but for @args; its bus has a number. */
static RMT *slot_start(const char *args, QPCIDevice **port)
{
    g_autofree char *all = g_strdup_printf(PLUG_PORT_ARGS "%s", args);
    RMT *rmt = rmt_start("", all);

    *port = unit_open_bridge(&rmt->unit, PLUG_PORT, BUS);
    return rmt;
}

/* Who is there from the beginning, and who comes and goes */
static void test_plug(void)
{
    QPCIDevice *port;
    RMT *rmt = slot_start("", &port);
    unsigned before = rmt_present(rmt);

    g_assert_true(rmt_is_present(rmt, CHIPSET));
    g_assert_true(rmt_is_present(rmt, PLUG_PORT));
    g_assert_false(rmt_is_present(rmt, PLUG_PORT + 8));
    g_assert_false(rmt_is_present(rmt, BEHIND));
    for (int i = 0; i < 2; i++) {
        qtest_qmp_device_add(rmt->qts, "x-sva-test", "dev", "{'bus': 'rp'}");
        g_assert_true(rmt_is_present(rmt, BEHIND));
        g_assert_cmpuint(rmt_present(rmt), ==, before + 1);
        plug_power(port);
        plug_pull(&rmt->unit, port, "dev");
        g_assert_false(rmt_is_present(rmt, BEHIND));
        g_assert_cmpuint(rmt_present(rmt), ==, before);
    }
    g_free(port);
    rmt_stop(rmt);
}

/* An ID is what the guest makes it. */
static void test_number(void)
{
    QPCIDevice *port;
    RMT *rmt = slot_start("-device x-sva-test,bus=rp", &port);
    unsigned all = rmt_present(rmt);

    g_assert_true(rmt_is_present(rmt, BEHIND));
    qpci_config_writeb(port, PCI_SECONDARY_BUS, BUS + 4);
    g_assert_false(rmt_is_present(rmt, BEHIND));
    g_assert_true(rmt_is_present(rmt, BEHIND + (4 << 8)));
    g_assert_cmpuint(rmt_present(rmt), ==, all);
    /* Without a number it has none; the root bus has number 0, too. */
    qpci_config_writeb(port, PCI_SECONDARY_BUS, 0);
    g_assert_false(rmt_is_present(rmt, BEHIND + (4 << 8)));
    g_assert_cmpuint(rmt_present(rmt), ==, all - 1);
    qpci_config_writeb(port, PCI_SECONDARY_BUS, BUS);
    g_assert_true(rmt_is_present(rmt, BEHIND));
    qtest_system_reset(rmt->qts);
    g_assert_false(rmt_is_present(rmt, BEHIND));
    g_assert_cmpuint(rmt_present(rmt), ==, all - 1);
    qpci_config_writeb(port, PCI_SECONDARY_BUS, BUS);
    g_assert_cmpuint(rmt_present(rmt), ==, all);
    g_free(port);
    rmt_stop(rmt);
}

/* A machine with a slot, at a socket where servers come and go */
static QTestState *again_start(const char *path)
{
    return qtest_initf("-machine q35 -m 256 -nodefaults -display none "
                       "-chardev socket,id=remote,path=%s,reconnect-ms=20 "
                       "-device viommu-remote,chardev=remote,mmio=0x%llx,"
                       "timeout=60000 " PLUG_PORT_ARGS "-device x-sva-test,"
                       "bus=rp -device pcie-root-port,id=empty,chassis=2",
                       path, RMT_BASE);
}

/* The next server is told anew, of those that are there by then. */
static void test_again(void)
{
    g_autofree char *path = NULL;
    GPid server = rmt_serve(rmt_listen(&path), NULL);
    RMT rmt = { .qts = again_start(path) };
    QPCIDevice *port;
    unsigned all;

    rmt.bus = qpci_new_pc(rmt.qts, NULL);
    all = rmt_present(&rmt);
    rmt_end_server(server);
    qtest_qmp_eventwait(rmt.qts, "VIOMMU_REMOTE_DOWN");
    port = unit_open_bridge(&rmt.unit, PLUG_PORT, BUS);
    server = rmt_serve(rmt_listen(&path), NULL);
    qtest_qmp_eventwait(rmt.qts, "VIOMMU_REMOTE_UP");
    g_assert_true(rmt_is_present(&rmt, BEHIND));
    g_assert_cmpuint(rmt_present(&rmt), ==, all + 1);
    g_free(port);
    qpci_free_pc(rmt.bus);
    qtest_quit(rmt.qts);
    rmt_end_server(server);
    unlink(path);
}

/* A server that does not want to know is not told, and is none the worse. */
static void test_plain(void)
{
    g_autofree char *path = NULL;
    GPid server = rmt_serve(rmt_listen(&path), "--plain");
    RMT rmt = { .qts = again_start(path) };

    g_assert_cmpuint(rmt_present(&rmt), ==, 0);
    rmt_write(&rmt, RMT_DIR, 0x1000);
    g_assert_cmphex(rmt_read(&rmt, RMT_DIR), ==, 0x1000);
    /* One that has features in its place is another one. */
    rmt_end_server(server);
    qtest_qmp_eventwait(rmt.qts, "VIOMMU_REMOTE_DOWN");
    server = rmt_serve(rmt_listen(&path), NULL);
    g_assert_cmpint(waitpid(server, NULL, 0), ==, server);
    g_assert_cmphex(rmt_read(&rmt, RMT_DIR), ==, UINT64_MAX);
    qtest_quit(rmt.qts);
    unlink(path);
}

/*
 * What would keep a copy of the tables, as VFIO does, is told why it cannot;
 * and what keeps translations can, if the server has device TLBs.
 */
static void test_refused(void)
{
    static const struct {
        const char *option, *property, *says;
    } tests[] = {
        { NULL, "map", "the server does not say what is mapped" },
        { "--plain", "map", "caching-mode=on, instead" },
        { "--plain", "devtlb", "the server has no device TLBs; remove ats=on" },
        { NULL, "devtlb", NULL },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(tests); i++) {
        g_autofree char *path = NULL;
        GPid server = rmt_serve(rmt_listen(&path), tests[i].option);
        QTestState *qts = again_start(path);
        QDict *answer = qtest_qmp(qts, "{'execute': 'device_add', 'arguments':"
                                  " {'driver': 'x-iommu-listener', 'id': 'l',"
                                  " 'bus': 'empty', %s: true}}",
                                  tests[i].property);

        if (tests[i].says) {
            QDict *error = qdict_get_qdict(answer, "error");

            g_assert_nonnull(error);
            g_assert_nonnull(strstr(qdict_get_str(error, "desc"),
                                    tests[i].says));
        } else {
            g_assert_true(qdict_haskey(answer, "return"));
        }
        qobject_unref(answer);
        qtest_quit(qts);
        rmt_end_server(server);
        unlink(path);
    }
}

/* With the state come the buses' numbers. */
static void test_migrate(void)
{
    QPCIDevice *port;
    RMT *from = slot_start("-device x-sva-test,bus=rp", &port), *to;
    unsigned all = rmt_present(from);
    GPid server;
    g_autofree char *args = rmt_args("", &server);
    char *file;

    to = rmt_adopt(from, qtest_initf("%s " PLUG_PORT_ARGS "-device x-sva-test,"
                                     "bus=rp -incoming defer", args));
    g_array_append_val(to->servers, server);
    g_assert_cmpuint(rmt_present(to), ==, all - 1);
    file = unit_save(from->qts);
    unit_load(to->qts, file);
    g_assert_true(rmt_is_present(to, BEHIND));
    g_assert_cmpuint(rmt_present(to), ==, all);
    g_free(port);
    rmt_stop(from);
    rmt_stop(to);
}

/* The @len bytes @words in @data; NULL: they are not there. */
static char *find_bytes(char *data, size_t size, const char *words, size_t len)
{
    for (size_t i = 0; i + len <= size; i++) {
        if (!memcmp(data + i, words, len)) {
            return data + i;
        }
    }
    return NULL;
}

/* A stream that says that the server's state is of any size is refused. */
static void test_migrate_size(void)
{
    /* The name of its section, an instance and a version of 32 bits; then it */
    static const char name[] = "\x0dviommu-remote";
    RMT *from = rmt_start("", "");
    g_autofree char *file = unit_save(from->qts), *data = NULL, *said = NULL;
    g_autofree char *args = NULL, *all = NULL;
    char *at;
    gsize size;
    GPid server;

    rmt_stop(from);
    g_assert_true(g_file_get_contents(file, &data, &size, NULL));
    at = find_bytes(data, size, name, sizeof(name) - 1);
    g_assert_nonnull(at);
    at += sizeof(name) - 1 + 8;
    g_assert_cmphex(ldl_be_p(at), <=, 1 << 20);
    stl_be_p(at, 0xdf00fe08);
    g_assert_true(g_file_set_contents(file, data, size, NULL));
    args = rmt_args("", &server);
    all = g_strdup_printf("%s -incoming file:%s", args, file);
    said = unit_refused(all);
    g_assert_nonnull(strstr(said, "the server's state has 3741384200 bytes"));
    rmt_end_server(server);
    unlink(file);
}

/* Translations that devices keep, and pages that they ask for */

typedef struct Keeper {
    RMT *rmt;
    UnitSpace *space;
    SVA *sva;
    uint64_t mem;            /* PAGES pages, mapped at IOVA */
} Keeper;

static Keeper *keeper_of(RMT *rmt, bool ats)
{
    Keeper *k = g_new0(Keeper, 1);

    k->rmt = rmt;
    k->sva = sva_open(&rmt->unit, SVA_SID);
    k->space = rmt_space(rmt, DOMAIN);
    k->space->ats = ats;
    k->mem = unit_alloc(&rmt->unit, PAGES);
    viommu_fill(rmt, k->mem, BLANK, PAGES * UNIT_PAGE);
    for (unsigned i = 0; i < PAGES; i++) {
        rmt_map(rmt, k->space, IOVA + i * UNIT_PAGE, k->mem + i * UNIT_PAGE,
                UNIT_PAGE, UNIT_RW);
    }
    rmt_attach(rmt, SVA_SID, k->space);
    rmt_enable(rmt);
    sva_enable(k->sva, SVA_ATS | SVA_PRI);
    return k;
}

static Keeper *keeper_new(bool ats)
{
    return keeper_of(rmt_start("", SVA_DEVICE), ats);
}

static void keeper_free(Keeper *k)
{
    sva_close(k->sva);
    rmt_stop(k->rmt);
    g_free(k->space);
    g_free(k);
}

static uint32_t keeper_fill(Keeper *k, uint32_t flags, uint64_t iova)
{
    return sva_fill(k->sva, SVT_F_ATC | flags, 0, iova, 8, MARK);
}

/* What the device keeps of the page @iova has to go. */
static void keeper_inv_start(Keeper *k, uint16_t rid, uint64_t iova)
{
    rmt_write(k->rmt, RMT_FIRST, iova);
    rmt_write(k->rmt, RMT_LAST, iova + UNIT_PAGE - 1);
    rmt_inv(k->rmt, RMT_INV_DEVICE, rid);
}

/* What is kept is used until it is invalidated, and that waits for its use. */
static void test_keep(void)
{
    Keeper *k = keeper_new(true);

    g_assert_cmpint(keeper_fill(k, 0, IOVA + UNIT_PAGE), ==, SVT_S_OK);
    sva_start(k->sva, 2, SVT_C_FILL, SVT_F_ATC | SVT_F_HOLD, 0, 0, IOVA, 8);
    g_assert_cmpint(sva_finish(k->sva, 2), ==, SVT_S_HELD);
    g_assert_cmpuint(sva_get32(k->sva, 0, SVT_KEPT), ==, 2);
    rmt_map(k->rmt, k->space, IOVA, 0, UNIT_PAGE, 0);
    rmt_inv(k->rmt, RMT_INV_DOMAIN, DOMAIN);
    keeper_inv_start(k, SVA_SID + 1, IOVA);
    keeper_inv_start(k, SVA_SID, IOVA + UNIT_PAGE);
    /* Of those nobody has anything in use. */
    viommu_until(k->rmt, rmt_drained(k->rmt));
    g_assert_cmpuint(sva_get32(k->sva, 0, SVT_KEPT), ==, 1);
    keeper_inv_start(k, SVA_SID, IOVA);
    viommu_turns(k->rmt);
    g_assert_false(rmt_drained(k->rmt));
    g_assert_true(viommu_is_filled(k->rmt, k->mem, BLANK, 8));
    sva_set32(k->sva, 2, SVT_CMD, SVT_C_RELEASE);
    viommu_until(k->rmt, rmt_drained(k->rmt));
    g_assert_false(viommu_is_filled(k->rmt, k->mem, BLANK, 8));
    g_assert_cmpint(sva_finish(k->sva, 2), ==, SVT_S_OK);
    g_assert_cmpint(keeper_fill(k, 0, IOVA), ==, SVT_S_FAULT);
    /* A page that is not there is an answer, and no fault. */
    g_assert_cmphex(rmt_read(k->rmt, RMT_FAULT), ==, 0);
    keeper_free(k);
}

/* Whom the server does not let keep any, and one that does not know of it */
static void test_denied(void)
{
    Keeper *k = keeper_new(false);
    uint64_t fault;

    g_assert_cmpint(keeper_fill(k, 0, IOVA), ==, SVT_S_DENIED);
    fault = rmt_read(k->rmt, RMT_FAULT);
    g_assert_true(fault & RMT_FAULT_VALID);
    g_assert_cmphex(RMT_FAULT_RID(fault), ==, SVA_SID);
    rmt_write(k->rmt, RMT_FAULT, 0);

    /* What it was told while it might is worth nothing afterwards. */
    k->space->ats = true;
    rmt_attach(k->rmt, SVA_SID, k->space);
    rmt_inv(k->rmt, RMT_INV_RID, SVA_SID);
    viommu_until(k->rmt, rmt_drained(k->rmt));
    g_assert_cmpint(keeper_fill(k, 0, IOVA), ==, SVT_S_OK);
    k->space->ats = false;
    rmt_attach(k->rmt, SVA_SID, k->space);
    rmt_inv(k->rmt, RMT_INV_RID, SVA_SID);
    viommu_until(k->rmt, rmt_drained(k->rmt));
    viommu_fill(k->rmt, k->mem, BLANK, 8);
    g_assert_cmpint(keeper_fill(k, 0, IOVA), ==, SVT_S_ERROR);
    g_assert_true(viommu_is_filled(k->rmt, k->mem, BLANK, 8));
    viommu_until(k->rmt, rmt_read(k->rmt, RMT_FAULT) & RMT_FAULT_VALID);
    g_assert_cmphex(rmt_read(k->rmt, RMT_FAULT_IOVA), ==, k->mem);
    keeper_free(k);
}

/* Tables in error: the request is aborted, and the server records it. */
static void test_abort(void)
{
    Keeper *k = keeper_new(true);

    rmt_map(k->rmt, k->space, IOVA, k->mem | 1ull << 50, UNIT_PAGE, UNIT_RW);
    g_assert_cmpint(keeper_fill(k, 0, IOVA), ==, SVT_S_ERROR);
    g_assert_cmpuint(RMT_FAULT_VERDICT(rmt_read(k->rmt, RMT_FAULT)), ==, 3);
    keeper_free(k);
}

/* Asked for, mapped, answered, written; or refused */
static void test_page(void)
{
    static const unsigned codes[] = { 0, 1, 15 };
    Keeper *k = keeper_new(true);

    for (unsigned i = 0; i < G_N_ELEMENTS(codes); i++) {
        uint64_t iova = IOVA + (PAGES + i) * UNIT_PAGE, page;

        sva_set(k->sva, i, SVT_ARG, MARK);
        sva_start(k->sva, i, SVT_C_FILL, SVT_F_ATC | SVT_F_PAGES, 0, 0, iova,
                  8);
        viommu_until(k->rmt, rmt_read(k->rmt, RMT_PAGE) & RMT_PAGE_VALID);
        page = rmt_read(k->rmt, RMT_PAGE);
        g_assert_cmphex(RMT_PAGE_RID(page), ==, SVA_SID);
        g_assert_cmphex(RMT_PAGE_GROUP(page), ==, i);
        g_assert_cmphex(RMT_PAGE_FLAGS(page), ==, 1 << 8 | UNIT_W);
        g_assert_cmphex(rmt_read(k->rmt, RMT_PAGE_IOVA), ==, iova);
        viommu_turns(k->rmt);
        g_assert_cmpint(sva_get32(k->sva, i, SVT_STATUS), ==, SVT_S_BUSY);
        if (!codes[i]) {
            rmt_map(k->rmt, k->space, iova, k->mem, UNIT_PAGE, UNIT_RW);
        }
        rmt_write(k->rmt, RMT_PAGE, codes[i]);
        g_assert_cmpint(sva_finish(k->sva, i), ==,
                        codes[i] ? SVT_S_FAULT : SVT_S_OK);
    }
    g_assert_true(viommu_is_filled(k->rmt, k->mem, MARK, 8));
    g_assert_cmphex(sva_cap_read16(k->sva, PCI_EXT_CAP_ID_PRI, PCI_PRI_STATUS),
                    ==, PCI_PRI_STATUS_PASID | PCI_PRI_STATUS_RF);
    keeper_free(k);
}

/* Without a server nothing is kept, and who waits for a page gets an answer. */
static void test_dead(void)
{
    Keeper *k = keeper_new(true);
    GPid server = g_array_index(k->rmt->servers, GPid, 0);

    g_assert_cmpint(keeper_fill(k, 0, IOVA), ==, SVT_S_OK);
    sva_start(k->sva, 1, SVT_C_FILL, SVT_F_ATC | SVT_F_PAGES, 0, 0,
              IOVA + PAGES * UNIT_PAGE, 8);
    viommu_until(k->rmt, rmt_read(k->rmt, RMT_PAGE) & RMT_PAGE_VALID);
    g_assert_cmpint(sva_get32(k->sva, 1, SVT_STATUS), ==, SVT_S_BUSY);
    g_array_set_size(k->rmt->servers, 0);
    rmt_end_server(server);
    g_assert_cmpint(sva_finish(k->sva, 1), ==, SVT_S_FAULT);
    g_assert_cmpuint(sva_get32(k->sva, 0, SVT_KEPT), ==, 0);
    viommu_fill(k->rmt, k->mem, BLANK, 8);
    g_assert_cmpint(keeper_fill(k, SVT_F_PAGES, IOVA), ==, SVT_S_DENIED);
    g_assert_true(viommu_is_filled(k->rmt, k->mem, BLANK, 8));
    keeper_free(k);
}

/*
 * A device that waits for a page moves, and asks for it again there; that
 * server dies, and it gets an answer all the same.
 */
static void test_dead_elsewhere(void)
{
    Keeper *k = keeper_new(true);
    uint64_t regs = k->sva->bar.addr + SVT_CONTEXT_SIZE;
    GPid server;
    g_autofree char *args = rmt_args("", &server);
    RMT *to;

    sva_start(k->sva, 1, SVT_C_FILL, SVT_F_ATC | SVT_F_PAGES, 0, 0,
              IOVA + PAGES * UNIT_PAGE, 8);
    viommu_until(k->rmt, rmt_read(k->rmt, RMT_PAGE) & RMT_PAGE_VALID);
    to = rmt_adopt(k->rmt, qtest_initf("%s " SVA_DEVICE " -incoming defer",
                                       args));
    unit_load(to->qts, unit_save(k->rmt->qts));
    qtest_qmp_assert_success(to->qts, "{'execute': 'cont'}");
    viommu_until(to, rmt_read(to, RMT_PAGE) & RMT_PAGE_VALID);
    g_assert_cmphex(RMT_PAGE_RID(rmt_read(to, RMT_PAGE)), ==, SVA_SID);
    viommu_turns(to);
    g_assert_cmpint(qtest_readl(to->qts, regs + SVT_STATUS), ==, SVT_S_BUSY);
    rmt_end_server(server);
    viommu_until(to, qtest_readl(to->qts, regs + SVT_STATUS) != SVT_S_BUSY);
    g_assert_cmpint(qtest_readl(to->qts, regs + SVT_STATUS), ==, SVT_S_FAULT);
    rmt_stop(to);
    keeper_free(k);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("viommu/remote/device/plug", test_plug);
    qtest_add_func("viommu/remote/device/number", test_number);
    qtest_add_func("viommu/remote/device/again", test_again);
    qtest_add_func("viommu/remote/device/plain", test_plain);
    qtest_add_func("viommu/remote/device/refused", test_refused);
    qtest_add_func("viommu/remote/device/migrate/numbers", test_migrate);
    qtest_add_func("viommu/remote/device/migrate/size", test_migrate_size);
    qtest_add_func("viommu/remote/device/keep", test_keep);
    qtest_add_func("viommu/remote/device/denied", test_denied);
    qtest_add_func("viommu/remote/device/abort", test_abort);
    qtest_add_func("viommu/remote/device/page", test_page);
    qtest_add_func("viommu/remote/device/dead/here", test_dead);
    qtest_add_func("viommu/remote/device/dead/elsewhere", test_dead_elsewhere);
    return g_test_run();
}

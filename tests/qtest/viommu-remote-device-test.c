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
#include "standard-headers/linux/pci_regs.h"
#include "viommu-plug.h"
#include "viommu-remote.h"
#include "viommu-sva.h"

#define BUS         1
#define BEHIND      (BUS << 8)           /* whoever is in the slot */
#define CHIPSET     (31 << 3)            /* there is something on every q35 */

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
                       "bus=rp", path, RMT_BASE);
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

/* With the state come the buses' numbers. */
static void test_migrate(void)
{
    QPCIDevice *port;
    RMT *from = slot_start("-device x-sva-test,bus=rp", &port), *to;
    unsigned all = rmt_present(from);
    GPid server;
    g_autofree char *args = rmt_args("", "", &server);
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

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("viommu/remote/device/plug", test_plug);
    qtest_add_func("viommu/remote/device/number", test_number);
    qtest_add_func("viommu/remote/device/again", test_again);
    qtest_add_func("viommu/remote/device/plain", test_plain);
    qtest_add_func("viommu/remote/device/migrate", test_migrate);
    return g_test_run();
}

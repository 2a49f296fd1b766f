/*
 * The DMAR table that firmware gets, byte for byte as QEMU 10.0.13 makes it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Read from fw_cfg as the machine offers it, so no firmware has to run; the
 * checksum is still 0 there.
 */
#include "qemu/osdep.h"
#include "libqos/fw_cfg.h"
#include "viommu-vtd.h"

#define TABLES_FILE "etc/acpi/tables"
/* The beginning of the file is enough, and it comes byte by byte. */
#define TABLES_MAX  (20 * 1024)

typedef struct Table {
    const char *unit, *args;
    const char *dmar;        /* in hexadecimal */
} Table;

static const Table tables[] = {
    { "",
      "",
      "444d4152680000000100424f4348532042585043202020200100000042585043"
      "010000002f010000000000000000000000003800000000000000d9fe00000000"
      "0308000000ff000001080000000000000108000000001f000108000000001f02"
      "0108000000001f03" },
    { "aw-bits=39",
      "",
      "444d4152680000000100424f4348532042585043202020200100000042585043"
      "0100000026010000000000000000000000003800000000000000d9fe00000000"
      "0308000000ff000001080000000000000108000000001f000108000000001f02"
      "0108000000001f03" },
    { "intremap=off",
      "",
      "444d4152680000000100424f4348532042585043202020200100000042585043"
      "010000002f000000000000000000000000003800000000000000d9fe00000000"
      "0308000000ff000001080000000000000108000000001f000108000000001f02"
      "0108000000001f03" },
    { "intremap=on,eim=on",
      "",
      "444d4152680000000100424f4348532042585043202020200100000042585043"
      "010000002f010000000000000000000000003800000000000000d9fe00000000"
      "0308000000ff000001080000000000000108000000001f000108000000001f02"
      "0108000000001f03" },
    { "device-iotlb=on",
      "",
      "444d4152700000000100424f4348532042585043202020200100000042585043"
      "010000002f010000000000000000000000003800000000000000d9fe00000000"
      "0308000000ff000001080000000000000108000000001f000108000000001f02"
      "0108000000001f030200080001000000" },
    { "caching-mode=on,device-iotlb=on,intremap=on",
      "",
      "444d4152700000000100424f4348532042585043202020200100000042585043"
      "010000002f010000000000000000000000003800000000000000d9fe00000000"
      "0308000000ff000001080000000000000108000000001f000108000000001f02"
      "0108000000001f030200080001000000" },
    { "dma-translation=off,intremap=on",
      "",
      "444d4152680000000100424f4348532042585043202020200100000042585043"
      "010000002f010000000000000000000000003800000000000000d9fe00000000"
      "0308000000ff000001080000000000000108000000001f000108000000001f02"
      "0108000000001f03" },
    { "device-iotlb=on",
      "-device pcie-root-port,id=rp0,chassis=1,addr=03.0 -device "
      "edu,addr=04.0 -device "
      "pcie-root-port,id=rp1,chassis=2,addr=05.0 -device "
      "virtio-rng-pci,bus=rp1",
      "444d4152880000000100424f4348532042585043202020200100000042585043"
      "010000002f010000000000000000000000005000000000000000d9fe00000000"
      "0308000000ff0000010800000000000002080000000003000108000000000400"
      "02080000000005000108000000001f000108000000001f020108000000001f03"
      "0200080001000000" },
    { "",
      "-device "
      "pxb-pcie,id=pxb,bus_nr=32,bypass_iommu=on,bus=pcie.0 "
      "-device pcie-root-port,id=rp0,bus=pxb,chassis=1 -device "
      "edu,bus=pcie.0,addr=04.0",
      "444d4152780000000100424f4348532042585043202020200100000042585043"
      "010000002f010000000000000000000000004800000000000000d9fe00000000"
      "0308000000ff0000010800000000000001080000000001000108000000000400"
      "0108000000001f000108000000001f020108000000001f03" },
    { "",
      "-machine default_bus_bypass_iommu=on -device "
      "edu,bus=pcie.0,addr=04.0 -device "
      "pxb-pcie,id=pxb,bus_nr=32,bus=pcie.0 -device "
      "pcie-root-port,id=rp0,bus=pxb,chassis=1",
      "444d4152500000000100424f4348532042585043202020200100000042585043"
      "010000002f010000000000000000000000002000000000000000d9fe00000000"
      "0308000000ff00000208000000200000" },
};

/* find_dmar: its bytes in hexadecimal. */
static char *find_dmar(VTD *vtd)
{
    g_autofree uint8_t *file = g_malloc0(TABLES_MAX);
    QFWCFG *fw_cfg = pc_fw_cfg_init(vtd->qts);
    size_t size = qfw_cfg_get_file(fw_cfg, TABLES_FILE, file, TABLES_MAX);
    GString *hex = g_string_new(NULL);
    size_t at = 0, i;
    uint32_t len = 0;

    pc_fw_cfg_uninit(fw_cfg);
    while (at + 8 < size && memcmp(file + at, "DMAR", 4) != 0) {
        at++;
    }
    if (at + 8 < size) {
        len = file[at + 4] | file[at + 5] << 8;
    }
    for (i = 0; i < len; i++) {
        g_string_append_printf(hex, "%02x", file[at + i]);
    }
    return g_string_free(hex, false);
}

static void test_dmar(const void *opaque)
{
    const Table *table = opaque;
    VTD *vtd = vtd_start(table->unit, "%s", table->args);
    g_autofree char *dmar = find_dmar(vtd);

    g_assert_cmpstr(dmar, ==, table->dmar);
    vtd_stop(vtd);
}

int main(int argc, char **argv)
{
    size_t i;

    g_test_init(&argc, &argv, NULL);
    for (i = 0; i < G_N_ELEMENTS(tables); i++) {
        g_autofree char *path = g_strdup_printf("/viommu/vtd/dmar/%zu", i);

        qtest_add_data_func(path, &tables[i], test_dmar);
    }
    return g_test_run();
}

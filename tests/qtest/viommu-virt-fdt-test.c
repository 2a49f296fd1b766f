/*
 * The device tree of "virt" lists what is translated, and nothing else
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What "iommu-map" of the PCI host bridge says of each endpoint on the root bus
 * is compared with where its DMA goes.  Nobody has numbered the other buses
 * when the tree is made.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/units.h"
#include "viommu-policy-rig.h"

/* Where the machine leaves the tree if it has no kernel to give it to */
#define FDT_BASE        0x40000000ULL
#define FDT_MAX         (2 * MiB)

/* Devicetree Specification v0.4, 5.2 and 5.4.1 */
#define FDT_MAGIC       0xd00dfeed
#define FDT_OFF_STRUCT  8
#define FDT_OFF_STRINGS 12
#define FDT_BEGIN_NODE  1
#define FDT_END_NODE    2
#define FDT_PROP        3
#define FDT_END         9

typedef struct IOMMUMap {
    uint32_t cells[64];
    unsigned n;
} IOMMUMap;

/* The only property of that name in the tree; without one, nothing listed */
static void map_read(IOMMUMap *map, QTestState *qts)
{
    g_autofree uint8_t *fdt = NULL;
    uint8_t header[8];
    uint32_t size, at, strings, i;

    map->n = 0;
    qtest_memread(qts, FDT_BASE, header, sizeof(header));
    g_assert_cmphex((uint32_t)ldl_be_p(header), ==, FDT_MAGIC);
    size = ldl_be_p(header + 4);
    g_assert_cmpuint(size, <=, FDT_MAX);
    fdt = g_malloc(size);
    qtest_memread(qts, FDT_BASE, fdt, size);
    at = ldl_be_p(fdt + FDT_OFF_STRUCT);
    strings = ldl_be_p(fdt + FDT_OFF_STRINGS);
    for (;;) {
        uint32_t token = ldl_be_p(fdt + at), len;

        g_assert_cmpuint(at, <, size);
        at += 4;
        if (token == FDT_END) {
            break;
        } else if (token == FDT_BEGIN_NODE) {
            at = ROUND_UP(at + strlen((char *)fdt + at) + 1, 4);
        } else if (token == FDT_PROP) {
            len = ldl_be_p(fdt + at);
            if (g_str_equal(fdt + strings + ldl_be_p(fdt + at + 4),
                            "iommu-map")) {
                g_assert_cmpuint(map->n, ==, 0);
                g_assert_cmpuint(len % 16, ==, 0);
                g_assert_cmpuint(len, <=, sizeof(map->cells));
                map->n = len / 4;
                for (i = 0; i < map->n; i++) {
                    map->cells[i] = ldl_be_p(fdt + at + 8 + 4 * i);
                }
            }
            at = ROUND_UP(at + 8 + len, 4);
        }
    }
}

static bool map_lists(const IOMMUMap *map, uint16_t rid)
{
    bool lists = false;
    unsigned i;

    for (i = 0; i < map->n; i += 4) {
        if (rid >= map->cells[i] &&
            rid - map->cells[i] < map->cells[i + 3]) {
            g_assert_false(lists);
            g_assert_cmphex(map->cells[i + 2], ==, map->cells[i]);
            g_assert_cmphex(map->cells[i + 1], ==, map->cells[1]);
            lists = true;
        }
    }
    return lists;
}

static const char root_bus[] =
    "-device virtio-rng-pci,disable-legacy=on,bus=pcie.0,addr=4.0 "
    "-device virtio-rng-pci,disable-legacy=on,bus=pcie.0,addr=5.0,"
    "iommu_platform=on "
    "-device virtio-rng-pci,disable-legacy=on,bus=pcie.0,addr=6.0,"
    "iommu_platform=off "
    "-device edu,bus=pcie.0,addr=7.0 ";
#define EDU             (7 << 3)
#define BEHIND_A_PORT   0x100

static void test_root_bus(const char *policy, PolicyModel model)
{
    PolicyRig *rig = policy_start(model, policy, "", root_bus);
    IOMMUMap map;
    unsigned slot, listed = 0;

    map_read(&map, rig->qts);
    policy_block(rig, true);
    for (slot = 4; slot <= 6; slot++) {
        uint16_t rid = slot << 3;
        QVirtioPCIDevice *dev = policy_device(rig, rid);

        listed += map_lists(&map, rid);
        g_assert_true(policy_reads(rig, dev, 0) != map_lists(&map, rid));
        policy_device_free(dev);
    }
    g_assert_cmpuint(listed, ==, g_str_equal(policy, "bypass") ? 1 : 2);
    g_assert_true(map_lists(&map, EDU));
    g_assert_true(map_lists(&map, 0));
    g_assert_true(map_lists(&map, BEHIND_A_PORT));
    g_assert_true(map_lists(&map, 0xffff));
    policy_stop(rig);
}

static void test_smmu(const void *policy)
{
    test_root_bus(policy, POLICY_SMMUV3);
}

static void test_virtio_iommu(const void *policy)
{
    test_root_bus(policy, POLICY_VIRTIO_IOMMU);
}

/* As the base has it, whatever the devices do */
static void test_unchanged(void)
{
    PolicyRig *rig = policy_start(POLICY_SMMUV3, NULL, "", root_bus);
    IOMMUMap map;

    map_read(&map, rig->qts);
    g_assert_cmpuint(map.n, ==, 4);
    g_assert_cmphex(map.cells[0], ==, 0);
    g_assert_cmphex(map.cells[2], ==, 0);
    g_assert_cmphex(map.cells[3], ==, 0x10000);
    policy_stop(rig);
}

/* The machine's option for a bus that nothing translates */
static void test_bypass_bus(void)
{
    PolicyRig *rig = policy_start(POLICY_SMMUV3, "translate",
                                  "-machine default-bus-bypass-iommu=on ", "");
    IOMMUMap map;

    map_read(&map, rig->qts);
    g_assert_cmpuint(map.n, ==, 0);
    policy_stop(rig);
}

typedef struct Ports {
    const char *name, *args;
    bool listed, warns;
    int bypasses;            /* bdf of a port with a device that does; or 0 */
} Ports;

#define PORT(_n, _more) "-device pcie-root-port,id=p" #_n ",chassis=" #_n \
                        ",bus=pcie.0,addr=" #_n ".0" _more " "

static const Ports ports[] = {
    { "none", "-device edu,bus=pcie.0,addr=7.0 ", true, false },
    { "all-bypass", PORT(5, "") PORT(6, "")
      "-device virtio-rng-pci,bus=p5 ", false, false, 5 << 3 },
    { "all-translated", PORT(5, "") PORT(6, ",hotplug=off")
      "-device virtio-rng-pci,bus=p5,iommu_platform=on ", true, false },
    { "both", PORT(5, "") PORT(6, "")
      "-device virtio-rng-pci,bus=p5,iommu_platform=on "
      "-device virtio-rng-pci,bus=p6 ", true, true, 6 << 3 },
};

static void test_ports(const void *opaque)
{
    const Ports *p = opaque;
    PolicyRig *rig = policy_start(POLICY_SMMUV3, "bypass", "", p->args);
    g_autofree char *said = policy_log(rig);
    IOMMUMap map;
    uint8_t number;

    map_read(&map, rig->qts);
    g_assert_true(map_lists(&map, 0));
    g_assert_true(map_lists(&map, BEHIND_A_PORT) == p->listed);
    g_assert_true(map_lists(&map, 0xffff) == p->listed);
    g_assert_cmpuint(policy_count(said, "device tree lists"), ==, p->warns);
    if (p->bypasses) {
        QPCIDevice *port = policy_open(rig, p->bypasses, &number);
        QVirtioPCIDevice *dev = policy_device(rig, number << 8);

        /* Its interrupts are as the guest has been told. */
        qpci_msix_enable(dev->pdev);
        policy_block(rig, true);
        g_assert_true(policy_reads(rig, dev, 0));
        g_assert_true(policy_signals(rig, dev, 0) != p->listed);
        policy_device_free(dev);
        g_free(port);
    }
    policy_stop(rig);
}

int main(int argc, char **argv)
{
    static const char *const policies[] = { "translate", "bypass" };
    unsigned i;

    g_test_init(&argc, &argv, NULL);
    policy_firmware = false;
    for (i = 0; i < G_N_ELEMENTS(policies); i++) {
        g_autofree char *smmu =
            g_strdup_printf("/viommu/virt/fdt/smmuv3/%s", policies[i]);
        g_autofree char *virtio =
            g_strdup_printf("/viommu/virt/fdt/virtio-iommu/%s", policies[i]);

        qtest_add_data_func(smmu, policies[i], test_smmu);
        qtest_add_data_func(virtio, policies[i], test_virtio_iommu);
    }
    for (i = 0; i < G_N_ELEMENTS(ports); i++) {
        g_autofree char *path =
            g_strdup_printf("/viommu/virt/fdt/ports/%s", ports[i].name);

        qtest_add_data_func(path, &ports[i], test_ports);
    }
    qtest_add_func("/viommu/virt/fdt/unchanged", test_unchanged);
    qtest_add_func("/viommu/virt/fdt/bypass-bus", test_bypass_bus);
    return g_test_run();
}

/*
 * Any vIOMMU, its "virtio" switch, and virtio devices of every kind behind it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include <glib/gstdio.h>
#include "qemu/bswap.h"
#include "qemu/units.h"
#include "libqos/pci-pc.h"
#include "standard-headers/linux/pci_regs.h"
#include "standard-headers/linux/virtio_config.h"
#include "standard-headers/linux/virtio_pci.h"
#include "viommu-amd.h"
#include "viommu-policy-rig.h"

#define ARM_RAM         0x40000000ULL
#define ARM_SMMU        0x09050000ULL
#define SMMU_GBPA       0x44
#define GBPA_UPDATE     (1U << 31)
#define GBPA_ABORT      (1U << 20)

#define IOMMU_F_BYPASS_CONFIG 6
#define IOMMU_CONFIG_BYPASS   36
#define IOMMU_SLOT      "1e.0"
#define IOMMU_DEVFN     (0x1e << 3)

/* The ring page, and the entry in it that no ring has */
#define RING_SIZE       8
#define DESC_OFF        0x000
#define AVAIL_OFF       0x200
#define USED_OFF        0x400
#define NO_ENTRY        0xffff

#define TRIES           30

/* QEMU's docs/specs/fw_cfg: the DMA interface, and the directory of files */
#define X86_FW_CFG_DMA  0x514
#define ARM_FW_CFG_DMA  0x09020010ULL
#define FW_CFG_FILE_DIR 0x19
#define FW_CFG_READ     0x02
#define FW_CFG_SELECT   0x08
#define FW_CFG_ENTRY    64
#define TABLES_FILE     "etc/acpi/tables"
#define TABLES_MAX      (128 * KiB)

/* What a device's interrupt writes */
#define MESSAGE         0x51676e6c

#define COMMON(dev, field) \
    ((dev)->common_cfg_offset + offsetof(struct virtio_pci_common_cfg, field))

const PolicyKind policy_kinds[POLICY_KINDS] = {
    { "blk", "virtio-blk-pci", "-blockdev null-co,node-name=node0,size=65536 ",
      ",drive=node0", ",'drive': 'node0'", 0 },
    { "net", "virtio-net-pci", "", ",romfile=", ",'romfile': ''", 1 },
    { "scsi", "virtio-scsi-pci", "", "", "", 0 },
    { "rng", "virtio-rng-pci", "", "", "", 0 },
    { "console", "virtio-serial-pci", "", "", "", 3 },
    { "input", "virtio-keyboard-pci", "", "", "", 1 },
    { "gpu", "virtio-gpu-pci", "", "", "", 0, true },
    { "balloon", "virtio-balloon-pci", "", "", "", 0 },
    { "9p", "virtio-9p-pci",
      "-fsdev local,id=fs0,path=/tmp,security_model=none,readonly=on ",
      ",fsdev=fs0,mount_tag=tag",
      ",'fsdev': 'fs0', 'mount_tag': 'tag'", 0 },
};

static bool is_arm(void)
{
    return g_str_equal(qtest_get_arch(), "aarch64");
}

unsigned policy_models(PolicyModel models[POLICY_MODELS])
{
    models[0] = is_arm() ? POLICY_SMMUV3 : POLICY_VTD;
    models[1] = POLICY_VIRTIO_IOMMU;
    models[2] = POLICY_AMD;
    return is_arm() ? 2 : 3;
}

bool policy_tells(PolicyModel model)
{
    return model != POLICY_AMD;
}

const char *policy_model_name(PolicyModel model)
{
    static const char *const names[] = {
        "vtd", "smmuv3", "virtio-iommu", "none", "amd",
    };

    return names[model];
}

char *policy_args(PolicyModel model, const char *policy, const char *before,
                  const char *after)
{
    GString *args = g_string_new("-nodefaults -m 1G ");

    if (is_arm()) {
        g_string_append(args, "-cpu cortex-a57 -machine virt,gic-version=3");
        if (model == POLICY_SMMUV3) {
            g_string_append(args, ",iommu=smmuv3");
            if (policy) {
                g_string_append_printf(args, ",iommu-virtio=%s", policy);
            }
        }
    } else {
        g_string_append(args, "-machine q35 -global ICH9-LPC.acpi-pci-hotplug-"
                              "with-bridge-support=off");
    }
    g_string_append_printf(args, " %s ", before);
    if (model == POLICY_VTD) {
        g_string_append(args, "-device intel-iommu");
    } else if (model == POLICY_AMD) {
        g_string_append(args, "-device amd-iommu");
    } else if (model == POLICY_VIRTIO_IOMMU) {
        g_string_append(args, "-device virtio-iommu-pci,bus=pcie.0,addr="
                              IOMMU_SLOT);
    }
    if (model != POLICY_SMMUV3 && policy) {
        g_assert_cmpint(model, !=, POLICY_NONE);
        g_string_append_printf(args, ",virtio=%s", policy);
    }
    g_string_append_printf(args, "%s%s", *after == ',' ? "" : " ", after);
    return g_string_free(args, false);
}

bool policy_firmware = true;

/* Nobody runs it. */
static char *make_firmware(void)
{
    char *name;
    int fd = g_file_open_tmp("viommu-policy-XXXXXX", &name, NULL);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(write(fd, "none", 4), ==, 4);
    close(fd);
    return name;
}

PolicyRig *policy_start(PolicyModel model, const char *policy,
                        const char *before, const char *after)
{
    PolicyRig *rig = g_new0(PolicyRig, 1);
    g_autofree char *args = policy_args(model, policy, before, after);
    int fd = g_file_open_tmp("viommu-policy-XXXXXX", &rig->log, NULL);

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    rig->model = model;
    if (is_arm() && policy_firmware) {
        rig->bios = make_firmware();
    }
    rig->qts = qtest_initf("%s %s %s 2>%s", args, rig->bios ? "-bios" : "",
                           rig->bios ?: "", rig->log);
    rig->next = 0x200000;
    rig->next_bus = 1;
    if (is_arm()) {
        rig->next += ARM_RAM;
        qpci_init_generic(&rig->generic, rig->qts, NULL, false);
        rig->bus = &rig->generic.bus;
    } else {
        rig->bus = qpci_new_pc(rig->qts, NULL);
    }
    if (model == POLICY_VTD) {
        VTD vtd = { .next = 0x800000 };

        vtd.root = 0x7ff000;
        qtest_memset(rig->qts, vtd.root, 0, VTD_PAGE_SIZE);
        rig->vtd = vtd_adopt(&vtd, rig->qts);
    }
    return rig;
}

void policy_stop(PolicyRig *rig)
{
    if (rig->unit) {
        policy_device_free(rig->unit);
    }
    if (rig->vtd) {
        qpci_free_pc(rig->vtd->bus);
        g_free(rig->vtd);
    }
    if (!is_arm()) {
        qpci_free_pc(rig->bus);
    }
    qtest_quit(rig->qts);
    if (rig->bios) {
        g_unlink(rig->bios);
        g_free(rig->bios);
    }
    g_unlink(rig->log);
    g_free(rig->log);
    g_free(rig);
}

char *policy_refused(PolicyModel model, const char *policy,
                     const char *before, const char *after)
{
    g_autofree char *args = policy_args(model, policy, before, after);

    return unit_refused(args);
}

char *policy_log(PolicyRig *rig)
{
    char *text = NULL;

    g_assert_true(g_file_get_contents(rig->log, &text, NULL, NULL));
    return text;
}

unsigned policy_count(const char *text, const char *word)
{
    unsigned n = 0;

    while ((text = strstr(text, word))) {
        text += strlen(word);
        n++;
    }
    return n;
}

uint64_t policy_alloc(PolicyRig *rig, unsigned pages)
{
    uint64_t addr = rig->next;

    rig->next += pages * VTD_PAGE_SIZE;
    qtest_memset(rig->qts, addr, 0, pages * VTD_PAGE_SIZE);
    return addr;
}

/* Read @len bytes of fw_cfg's item @key to @addr; beyond its end they are 0. */
static void fw_cfg_read(PolicyRig *rig, uint16_t key, uint64_t addr,
                        uint32_t len)
{
    uint64_t access = policy_alloc(rig, 1);
    const uint32_t control = key << 16 | FW_CFG_SELECT | FW_CFG_READ;
    const uint32_t words[] = {
        cpu_to_be32(control), cpu_to_be32(len),
        cpu_to_be32(addr >> 32), cpu_to_be32(addr),
    };

    qtest_memwrite(rig->qts, access, words, sizeof(words));
    if (is_arm()) {
        qtest_writeq(rig->qts, ARM_FW_CFG_DMA, cpu_to_be64(access));
    } else {
        qtest_outl(rig->qts, X86_FW_CFG_DMA, cpu_to_be32(access >> 32));
        qtest_outl(rig->qts, X86_FW_CFG_DMA + 4, cpu_to_be32(access));
    }
    g_assert_cmphex(qtest_readl(rig->qts, access), ==, 0);
}

uint8_t *policy_file(PolicyRig *rig, const char *name, size_t *size)
{
    uint64_t addr = policy_alloc(rig, TABLES_MAX / VTD_PAGE_SIZE);
    g_autofree uint8_t *dir = g_malloc(VTD_PAGE_SIZE);
    uint8_t *tables = NULL, *entry;
    uint32_t n;

    fw_cfg_read(rig, FW_CFG_FILE_DIR, addr, VTD_PAGE_SIZE);
    qtest_memread(rig->qts, addr, dir, VTD_PAGE_SIZE);
    n = MIN(ldl_be_p(dir), VTD_PAGE_SIZE / FW_CFG_ENTRY - 1);
    for (entry = dir + 4; n--; entry += FW_CFG_ENTRY) {
        if (g_str_equal(entry + 8, name)) {
            *size = ldl_be_p(entry);
            g_assert_cmpuint(*size, <=, TABLES_MAX);
            fw_cfg_read(rig, lduw_be_p(entry + 4), addr, *size);
            tables = g_malloc(*size);
            qtest_memread(rig->qts, addr, tables, *size);
            break;
        }
    }
    g_assert_nonnull(tables);
    return tables;
}

uint8_t *policy_tables(PolicyRig *rig, size_t *size)
{
    return policy_file(rig, TABLES_FILE, size);
}

void policy_boot(PolicyRig *rig)
{
    size_t size;

    g_free(policy_tables(rig, &size));
}

char *policy_port(unsigned i)
{
    return g_strdup_printf("-device pcie-root-port,id=rp%u,chassis=%u,"
                           "addr=%02x.0 ", i, i + 1,
                           POLICY_PORT_DEVFN(i) >> 3);
}

QPCIDevice *policy_open(PolicyRig *rig, int bdf, uint8_t *number)
{
    uint64_t base = ROUND_UP(rig->bus->mmio_alloc_ptr, 1 << 20);
    QPCIDevice *bridge = qpci_device_find(rig->bus, bdf);
    uint8_t bus = rig->next_bus++;

    g_assert_nonnull(bridge);
    qpci_device_enable(bridge);
    qpci_config_writeb(bridge, PCI_PRIMARY_BUS, bdf >> 8);
    qpci_config_writeb(bridge, PCI_SECONDARY_BUS, bus);
    qpci_config_writeb(bridge, PCI_SUBORDINATE_BUS, bus);
    qpci_config_writew(bridge, PCI_MEMORY_BASE, base >> 16);
    qpci_config_writew(bridge, PCI_MEMORY_LIMIT, base >> 16);
    rig->bus->mmio_alloc_ptr = base;
    *number = bus;
    return bridge;
}

static void policy_go(QVirtioPCIDevice *dev)
{
    const QVirtioBus *bus = dev->vdev.bus;

    bus->set_status(&dev->vdev, bus->get_status(&dev->vdev) |
                                VIRTIO_CONFIG_S_DRIVER_OK);
    g_assert_true(bus->get_status(&dev->vdev) & VIRTIO_CONFIG_S_DRIVER_OK);
}

/* The vIOMMU's own driver, for as little as it takes */
static void start_virtio_iommu(PolicyRig *rig)
{
    rig->unit = policy_device(rig, IOMMU_DEVFN);
    policy_begin(rig->unit);
    g_assert_true(policy_accept(rig->unit, 1ULL << VIRTIO_F_VERSION_1 |
                                           1ULL << IOMMU_F_BYPASS_CONFIG));
    policy_go(rig->unit);
}

/*
 * A device table of one page, whose entries have no translation and let no
 * interrupt through; other buses have none.
 */
static void amd_block(PolicyRig *rig, bool block)
{
    unsigned i;

    if (block && !rig->table) {
        rig->table = policy_alloc(rig, 1);
        for (i = 0; i < UNIT_PAGE; i += AMD_DTE_SIZE) {
            qtest_writeq(rig->qts, rig->table + i, AMD_DTE_V | AMD_DTE_TV);
            qtest_writeq(rig->qts, rig->table + i + 16, AMD_DTE2_IV);
        }
        qtest_writeq(rig->qts, AMD_BASE + AMD_DEVTAB, rig->table);
    }
    qtest_writeq(rig->qts, AMD_BASE + AMD_CONTROL, block ? AMD_C_IOMMU : 0);
}

void policy_block(PolicyRig *rig, bool block)
{
    int tries = 0;

    switch (rig->model) {
    case POLICY_VTD:
        if (block) {
            vtd_enable(rig->vtd, VTD_REGISTER);
        } else {
            vtd_gcmd(rig->vtd, 0, VTD_G_TE);
        }
        break;
    case POLICY_SMMUV3:
        qtest_writel(rig->qts, ARM_SMMU + SMMU_GBPA,
                     GBPA_UPDATE | (block ? GBPA_ABORT : 0));
        while (qtest_readl(rig->qts, ARM_SMMU + SMMU_GBPA) & GBPA_UPDATE) {
            g_assert_cmpint(tries++, <, VIOMMU_TRIES);
        }
        break;
    case POLICY_AMD:
        amd_block(rig, block);
        break;
    case POLICY_NONE:
        break;
    case POLICY_VIRTIO_IOMMU:
        if (!rig->unit) {
            start_virtio_iommu(rig);
        }
        qpci_io_writeb(rig->unit->pdev, rig->unit->bar,
                       rig->unit->device_cfg_offset + IOMMU_CONFIG_BYPASS,
                       !block);
        break;
    }
}

QVirtioPCIDevice *policy_device(PolicyRig *rig, int bdf)
{
    QPCIAddress addr = { .devfn = bdf };
    QVirtioPCIDevice *dev = virtio_pci_new(rig->bus, &addr);

    g_assert_nonnull(dev);
    qvirtio_pci_device_enable(dev);
    return dev;
}

void policy_device_free(QVirtioPCIDevice *dev)
{
    g_free(dev->pdev);
    g_free(dev);
}

uint64_t policy_offered(QVirtioPCIDevice *dev)
{
    return qvirtio_get_features(&dev->vdev);
}

bool policy_offers(QVirtioPCIDevice *dev)
{
    return policy_offered(dev) & (1ULL << VIRTIO_F_ACCESS_PLATFORM);
}

/* libqos has no driver that knows nothing of virtio 1.x. */
void policy_set_features(QVirtioPCIDevice *dev, uint64_t features)
{
    int i;

    for (i = 0; i < 2; i++) {
        qpci_io_writel(dev->pdev, dev->bar,
                       COMMON(dev, guest_feature_select), i);
        qpci_io_writel(dev->pdev, dev->bar, COMMON(dev, guest_feature),
                       features >> (32 * i));
    }
}

bool policy_accept(QVirtioPCIDevice *dev, uint64_t features)
{
    const QVirtioBus *bus = dev->vdev.bus;

    policy_set_features(dev, features);
    bus->set_status(&dev->vdev, bus->get_status(&dev->vdev) |
                                VIRTIO_CONFIG_S_FEATURES_OK);
    return bus->get_status(&dev->vdev) & VIRTIO_CONFIG_S_FEATURES_OK;
}

void policy_begin(QVirtioPCIDevice *dev)
{
    qvirtio_reset(&dev->vdev);
    qvirtio_set_acknowledge(&dev->vdev);
    qvirtio_set_driver(&dev->vdev);
}

static void ring_address(QVirtioPCIDevice *dev, uint64_t reg, uint64_t addr)
{
    qpci_io_writel(dev->pdev, dev->bar, reg, addr);
    qpci_io_writel(dev->pdev, dev->bar, reg + 4, addr >> 32);
}

void policy_ring(QVirtioPCIDevice *dev, unsigned queue, uint64_t addr)
{
    qpci_io_writew(dev->pdev, dev->bar, COMMON(dev, queue_select), queue);
    qpci_io_writew(dev->pdev, dev->bar, COMMON(dev, queue_size), RING_SIZE);
    ring_address(dev, COMMON(dev, queue_desc_lo), addr + DESC_OFF);
    ring_address(dev, COMMON(dev, queue_avail_lo), addr + AVAIL_OFF);
    ring_address(dev, COMMON(dev, queue_used_lo), addr + USED_OFF);
    qpci_io_writew(dev->pdev, dev->bar, COMMON(dev, queue_enable), 1);
}

void policy_poison(PolicyRig *rig, uint64_t gpa)
{
    qtest_writew(rig->qts, gpa + AVAIL_OFF + 4, NO_ENTRY);
    qtest_writew(rig->qts, gpa + AVAIL_OFF + 2, 1);
}

void policy_kick(QVirtioPCIDevice *dev, unsigned queue)
{
    uint16_t off;

    qpci_io_writew(dev->pdev, dev->bar, COMMON(dev, queue_select), queue);
    off = qpci_io_readw(dev->pdev, dev->bar, COMMON(dev, queue_notify_off));
    qpci_io_writew(dev->pdev, dev->bar, dev->notify_cfg_offset +
                   off * dev->notify_off_multiplier, queue);
}

static bool needs_reset(QVirtioPCIDevice *dev)
{
    return dev->vdev.bus->get_status(&dev->vdev) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

void policy_objects_all(QVirtioPCIDevice *const *dev, unsigned n,
                        bool *objects)
{
    bool all = false;
    unsigned i;
    int tries;

    /* Each try is a turn of the main loop. */
    for (tries = 0; tries < TRIES && !all; tries++) {
        all = true;
        for (i = 0; i < n; i++) {
            objects[i] = dev[i] && needs_reset(dev[i]);
            all &= objects[i] || !dev[i];
        }
        if (!all) {
            g_usleep(500);
        }
    }
}

bool policy_objects(PolicyRig *rig, QVirtioPCIDevice *dev)
{
    bool objects;

    policy_objects_all(&dev, 1, &objects);
    return objects;
}

static void set_message(QVirtioPCIDevice *dev, uint64_t message)
{
    QPCIDevice *pdev = dev->pdev;

    qpci_io_writel(pdev, pdev->msix_table_bar, pdev->msix_table_off +
                   PCI_MSIX_ENTRY_LOWER_ADDR, message);
    qpci_io_writel(pdev, pdev->msix_table_bar, pdev->msix_table_off +
                   PCI_MSIX_ENTRY_UPPER_ADDR, message >> 32);
    qpci_io_writel(pdev, pdev->msix_table_bar, pdev->msix_table_off +
                   PCI_MSIX_ENTRY_DATA, MESSAGE);
    qpci_io_writel(pdev, pdev->msix_table_bar, pdev->msix_table_off +
                   PCI_MSIX_ENTRY_VECTOR_CTRL, 0);
    dev->msix_ops->set_config_vector(dev, 0);
}

/* Negotiate all there is, and kick a queue whose ring no device can read. */
static void provoke(PolicyRig *rig, QVirtioPCIDevice *dev, unsigned queue,
                    uint64_t message)
{
    uint64_t ring = policy_alloc(rig, 1);
    uint64_t features;

    policy_begin(dev);
    features = policy_offered(dev) & (1ULL << VIRTIO_F_VERSION_1 |
                                      1ULL << VIRTIO_F_ACCESS_PLATFORM);
    g_assert_true(policy_accept(dev, features));
    if (message) {
        set_message(dev, message);
    }
    policy_ring(dev, queue, ring);
    policy_go(dev);
    /* Now: an objection before the status is set would be lost with it. */
    policy_poison(rig, ring);
    policy_kick(dev, queue);
}

void policy_reads_all(PolicyRig *rig, QVirtioPCIDevice *const *dev,
                      const unsigned *queue, unsigned n, bool *reads)
{
    unsigned i;

    for (i = 0; i < n; i++) {
        if (dev[i]) {
            provoke(rig, dev[i], queue ? queue[i] : 0, 0);
        }
    }
    policy_objects_all(dev, n, reads);
}

bool policy_reads(PolicyRig *rig, QVirtioPCIDevice *dev, unsigned queue)
{
    provoke(rig, dev, queue, 0);
    return policy_objects(rig, dev);
}

bool policy_signals(PolicyRig *rig, QVirtioPCIDevice *dev, unsigned queue)
{
    uint64_t page = policy_alloc(rig, 1);

    qtest_writel(rig->qts, page, 0);
    provoke(rig, dev, queue, page);
    return policy_objects(rig, dev) &&
           qtest_readl(rig->qts, page) == MESSAGE;
}

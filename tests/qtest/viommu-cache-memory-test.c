/*
 * The DMA translation cache: what the guest's memory map says, holds
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Nothing is invalidated here and no page table changes: an IOVA leads to the
 * same guest address all the time, but what is at that address changes.
 */
#include "qemu/osdep.h"
#include "qemu/units.h"
#include "libqos/malloc-pc.h"
#include "libqos/virtio-pci.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "standard-headers/linux/pci_regs.h"
#include "standard-headers/linux/virtio_config.h"
#include "viommu-dma.h"
#include "viommu-plug.h"

static void map(DMARig *rig, uint64_t iova, uint64_t gpa)
{
    vtd_map(rig->vtd, &rig->dom, iova, gpa, 1, VTD_PTE_RW);
}

/* Is there memory of @size bytes, whoever uses it? */
static bool is_there(DMARig *rig, uint64_t size)
{
    g_autofree char *text = qtest_hmp(rig->vtd->qts, "info ramblock");
    g_autofree char *used = g_strdup_printf("0x%016" PRIx64 " 0x%016" PRIx64,
                                            size, size);

    g_assert_nonnull(strstr(text, "pc.ram"));
    return strstr(text, used) != NULL;
}

/* It is given back to the host, though nothing else happens. */
static void is_freed(DMARig *rig, uint64_t size)
{
    viommu_until(rig->vtd, !is_there(rig, size));
}

/* It has been taken from the guest, and stays as long as it is mapped. */
static void is_freed_last(DMARig *rig, uint64_t size)
{
    viommu_turns(rig->vtd);
    g_assert_true(is_there(rig, size));
    dma_let_go(rig);
    is_freed(rig, size);
}

/*
 * Memory that comes and goes
 */

#define DIMM_SIZE   (256 * MiB)
#define DIMM_PAGES  4
/* ACPI memory hot-plug: docs/specs/acpi_mem_hotplug.rst */
#define ACPI_MHP        0x0a00
#define ACPI_MHP_FLAGS  (ACPI_MHP + 0x14)
#define ACPI_MHP_EJECT  (1 << 3)

static uint64_t dimm_plug(DMARig *rig)
{
    QTestState *qts = rig->vtd->qts;
    QDict *answer, *info;
    uint64_t addr;

    qtest_qmp_assert_success(qts, "{'execute': 'object-add', 'arguments':"
                             " {'qom-type': 'memory-backend-ram', 'id': 'm',"
                             " 'size': %" PRId64 "}}", (int64_t)DIMM_SIZE);
    qtest_qmp_assert_success(qts, "{'execute': 'device_add', 'arguments':"
                             " {'driver': 'pc-dimm', 'id': 'd',"
                             " 'memdev': 'm'}}");
    answer = qtest_qmp(qts, "{'execute': 'query-memory-devices'}");
    info = qobject_to(QDict, qlist_peek(qdict_get_qlist(answer, "return")));
    addr = qdict_get_int(qdict_get_qdict(info, "data"), "addr");
    qobject_unref(answer);
    return addr;
}

static void dimm_unplug(DMARig *rig)
{
    QTestState *qts = rig->vtd->qts;

    qtest_qmp_assert_success(qts, "{'execute': 'device_del', 'arguments':"
                             " {'id': 'd'}}");
    qtest_outl(qts, ACPI_MHP, 0);
    qtest_outb(qts, ACPI_MHP_FLAGS, ACPI_MHP_EJECT);
    qtest_qmp_eventwait(qts, "DEVICE_DELETED");
    /* Its memory is given back to the host, sooner or later. */
    qtest_qmp_assert_success(qts, "{'execute': 'object-del', 'arguments':"
                             " {'id': 'm'}}");
}

static DMARig *new_dimm_rig(bool cached, uint64_t *gpa)
{
    DMARig *rig = dma_new(cached, "-m 2G,slots=2,maxmem=8G ");
    int i;

    /* It is always given the same place. */
    *gpa = dimm_plug(rig);
    for (i = 0; i < DIMM_PAGES; i++) {
        map(rig, DMA_IOVA + i * VTD_PAGE_SIZE, *gpa + i * VTD_PAGE_SIZE);
    }
    return rig;
}

static void test_unplug(bool cached)
{
    uint64_t gpa;
    DMARig *rig = new_dimm_rig(cached, &gpa);
    int i;

    for (i = 0; i < 3; i++) {
        dma_reaches(rig, DMA_IOVA, gpa);
        dimm_unplug(rig);
        g_assert_cmpuint(dma_run(rig, XDB_WRITE, 0, DMA_IOVA, 64, 1), ==, 1);
        g_assert_cmpuint(dma_run(rig, XDB_WRITE, 1, DMA_IOVA, 64, 1), ==, 1);
        g_assert_cmpuint(dma_run(rig, XDB_READ, 1, DMA_IOVA, 64, 1), ==, 1);
        dma_run(rig, XDB_MAP_FILL, 1, DMA_IOVA, 64, 1);
        is_freed(rig, DIMM_SIZE);
        g_assert_cmphex(dimm_plug(rig), ==, gpa);
        /* New memory, that nobody has written to yet */
        g_assert_true(viommu_is_filled(rig->vtd, gpa, 0, VTD_PAGE_SIZE));
    }
    dma_reaches(rig, DMA_IOVA, gpa);
    dma_free(rig);
}

/* The device has mapped some of it, and then nothing, before it goes. */
static void test_unplug_mapped(bool cached)
{
    uint64_t gpa;
    DMARig *rig = new_dimm_rig(cached, &gpa);
    unsigned kept;

    for (kept = 0; kept <= DIMM_PAGES; kept++) {
        g_assert_cmpuint(dma_run(rig, XDB_MAP_FILL, kept % 2, DMA_IOVA, 64,
                                 DIMM_PAGES), ==, 0);
        /* Two maps that are one record */
        dma_keep(rig, DMA_IOVA, 1);
        dma_keep(rig, DMA_IOVA, 1);
        dma_let_go(rig);
        if (kept) {
            dma_keep(rig, DMA_IOVA, kept);
        }
        dma_run(rig, XDB_MAP_READ, kept % 2, DMA_IOVA, 64, DIMM_PAGES);
        dimm_unplug(rig);
        if (kept) {
            is_freed_last(rig, DIMM_SIZE);
        } else {
            is_freed(rig, DIMM_SIZE);
        }
        g_assert_cmphex(dimm_plug(rig), ==, gpa);
    }
    dma_reaches(rig, DMA_IOVA, gpa);
    dma_free(rig);
}

/* What is kept mapped of it while other memory is mapped all the time */
static void test_unplug_among(bool cached)
{
    uint64_t gpa;
    DMARig *rig = new_dimm_rig(cached, &gpa);
    const uint64_t ram = vtd_alloc(rig->vtd, 1);
    const uint64_t other = DMA_IOVA + DIMM_PAGES * VTD_PAGE_SIZE;
    int i;

    map(rig, other, ram);
    for (i = 0; i < 3; i++) {
        dma_run(rig, XDB_MAP_FILL, i % 2, DMA_IOVA, 64, DIMM_PAGES);
        dma_keep(rig, DMA_IOVA, DIMM_PAGES);
        dma_start(rig, XDB_MAP_FILL, 2, other, 64, 1);
        dimm_unplug(rig);
        dma_go_on(rig);
        dma_stop(rig);
        is_freed_last(rig, DIMM_SIZE);
        g_assert_cmphex(dimm_plug(rig), ==, gpa);
    }
    dma_reaches(rig, other, ram);
    dma_free(rig);
}

/* The device goes on all the time: it must not touch what is unmapped. */
static void test_unplug_race(bool cached)
{
    static const XDBCommand commands[] = { XDB_WRITE, XDB_MAP_FILL, XDB_READ };
    uint64_t gpa;
    DMARig *rig = new_dimm_rig(cached, &gpa);
    size_t c;
    int i;

    for (c = 0; c < G_N_ELEMENTS(commands); c++) {
        dma_start(rig, commands[c], 2, DMA_IOVA, 64, DIMM_PAGES);
        for (i = 0; i < 5; i++) {
            dma_go_on(rig);
            dimm_unplug(rig);
            dma_go_on(rig);
            is_freed(rig, DIMM_SIZE);
            g_assert_cmphex(dimm_plug(rig), ==, gpa);
        }
        dma_stop(rig);
        dma_reaches(rig, DMA_IOVA, gpa);
    }
    dma_free(rig);
}

/*
 * BARs that move
 */

#define VGA_SLOT    5
#define VGA_ARGS    "-device secondary-vga,addr=05.0 -device edu,addr=06.0 "
#define EDU_SLOT_   6
/* Of 16 MiB, the size of the display's memory */
#define WINDOW      0xd0000000ULL
#define WINDOW_TOO  0xd2000000ULL
#define SMALL       0xd4000000ULL

static void set_bar(QPCIDevice *dev, uint64_t addr)
{
    qpci_config_writel(dev, PCI_BASE_ADDRESS_0, addr);
}

static void set_decoding(QPCIDevice *dev, bool on)
{
    uint16_t command = qpci_config_readw(dev, PCI_COMMAND);

    qpci_config_writew(dev, PCI_COMMAND,
                       on ? command | PCI_COMMAND_MEMORY
                          : command & ~PCI_COMMAND_MEMORY);
}

/* Memory behind a BAR, which devices reach as they reach any memory */
static void test_bar_moves(bool cached)
{
    DMARig *rig = dma_new(cached, VGA_ARGS);
    QPCIDevice *vga = qpci_device_find(rig->vtd->bus,
                                       QPCI_DEVFN(VGA_SLOT, 0));
    const uint64_t too = DMA_IOVA + VTD_PAGE_SIZE;
    int i;

    map(rig, DMA_IOVA, WINDOW);
    map(rig, too, WINDOW_TOO);
    qpci_device_enable(vga);
    for (i = 0; i < 3; i++) {
        set_bar(vga, WINDOW);
        dma_reaches(rig, DMA_IOVA, WINDOW);
        dma_misses(rig, too, WINDOW);
        set_bar(vga, WINDOW_TOO);
        dma_reaches(rig, too, WINDOW_TOO);
        dma_misses(rig, DMA_IOVA, WINDOW_TOO);
    }
    dma_mark(rig, WINDOW_TOO, 1);
    set_decoding(vga, false);
    g_assert_false(dma_reads_mark(rig, too));
    dma_write_all_ways(rig, too);
    set_decoding(vga, true);
    g_assert_true(dma_is_marked(rig, WINDOW_TOO, 1));
    dma_reaches(rig, too, WINDOW_TOO);
    g_free(vga);
    dma_free(rig);
}

#define PLUGGED_BUS     1
#define PLUGGED_SIZE    (32 * MiB)

/* A display whose memory, behind a BAR, the other device does DMA to */
static QPCIDevice *display_plug(DMARig *rig, QPCIDevice *port)
{
    QPCIDevice *vga;

    qtest_qmp_device_add(rig->vtd->qts, "secondary-vga", "vga",
                         "{'bus': 'rp', 'vgamem_mb': 32}");
    plug_power(port);
    vga = qpci_device_find(rig->vtd->bus, PLUGGED_BUS << 8);
    g_assert_nonnull(vga);
    set_bar(vga, WINDOW);
    qpci_device_enable(vga);
    return vga;
}

static void test_bar_unplug(bool cached)
{
    DMARig *rig = dma_new(cached, PLUG_PORT_ARGS);
    QPCIDevice *port = unit_open_bridge(&rig->vtd->unit, PLUG_PORT,
                                        PLUGGED_BUS);
    unsigned kept;

    qpci_config_writew(port, PCI_PREF_MEMORY_BASE, WINDOW >> 16);
    qpci_config_writew(port, PCI_PREF_MEMORY_LIMIT,
                       (WINDOW + PLUGGED_SIZE - 1) >> 16);
    for (kept = 0; kept < 4; kept++) {
        map(rig, DMA_IOVA + kept * VTD_PAGE_SIZE,
            WINDOW + kept * VTD_PAGE_SIZE);
    }
    for (kept = 0; kept < 4; kept++) {
        QPCIDevice *vga = display_plug(rig, port);

        dma_reaches(rig, DMA_IOVA, WINDOW);
        if (kept) {
            dma_keep(rig, DMA_IOVA, kept);
        }
        dma_run(rig, XDB_MAP_FILL, kept % 2, DMA_IOVA, 64, 4);
        plug_pull_start(&rig->vtd->unit, port, "vga");
        g_free(vga);
        if (kept) {
            viommu_turns(rig->vtd);
            g_assert_false(plug_pulled(&rig->vtd->unit, "vga"));
            is_freed_last(rig, PLUGGED_SIZE);
        }
        /* That is said of a device whose last reference has been dropped. */
        viommu_until(rig->vtd, plug_pulled(&rig->vtd->unit, "vga"));
        is_freed(rig, PLUGGED_SIZE);
    }
    g_free(port);
    dma_free(rig);
}

/* Another device's registers over it, then away again */
static void test_bar_covers(bool cached)
{
    DMARig *rig = dma_new(cached, VGA_ARGS);
    VTD *vtd = rig->vtd;
    QPCIDevice *vga = qpci_device_find(vtd->bus, QPCI_DEVFN(VGA_SLOT, 0));
    QPCIDevice *edu = qpci_device_find(vtd->bus, QPCI_DEVFN(EDU_SLOT_, 0));
    int i;

    map(rig, DMA_IOVA, WINDOW);
    set_bar(vga, WINDOW);
    qpci_device_enable(vga);
    set_bar(edu, SMALL);
    qpci_device_enable(edu);
    for (i = 0; i < 3; i++) {
        dma_reaches(rig, DMA_IOVA, WINDOW);
        dma_mark(rig, WINDOW, 1);
        set_bar(edu, WINDOW);
        g_assert_false(dma_is_marked(rig, WINDOW, 1));
        g_assert_false(dma_reads_mark(rig, DMA_IOVA));
        dma_write_all_ways(rig, DMA_IOVA);
        set_bar(edu, SMALL);
        g_assert_true(dma_is_marked(rig, WINDOW, 1));
    }
    g_free(edu);
    g_free(vga);
    dma_free(rig);
}

static void test_bar_race(bool cached)
{
    DMARig *rig = dma_new(cached, VGA_ARGS);
    QPCIDevice *vga = qpci_device_find(rig->vtd->bus,
                                       QPCI_DEVFN(VGA_SLOT, 0));
    int i;

    map(rig, DMA_IOVA, WINDOW);
    qpci_device_enable(vga);
    set_bar(vga, WINDOW);
    dma_start(rig, XDB_WRITE, 1, DMA_IOVA, 64, 1);
    for (i = 0; i < 50; i++) {
        set_bar(vga, WINDOW);
        dma_go_on(rig);
        set_bar(vga, WINDOW_TOO);
        dma_go_on(rig);
        dma_mark(rig, WINDOW_TOO, 1);
        dma_go_on(rig);
        g_assert_true(dma_is_marked(rig, WINDOW_TOO, 1));
    }
    dma_stop(rig);
    g_free(vga);
    dma_free(rig);
}

/*
 * Memory that becomes ROM: the host bridge's PAM registers.  Intel 3 Series
 * Express Chipset Family datasheet, 5.1.21 and on
 */

#define PAM3        0x93
#define PAM3_LOW    0xd0000ULL       /* to 0xd3fff */
#define PAM5        0x95
#define PAM5_LOW    0xe0000ULL
enum { PAM_NONE = 0, PAM_READ = 1, PAM_BOTH = 3 };

static void pam(QPCIDevice *host, unsigned reg, unsigned state)
{
    qpci_config_writeb(host, reg, state);
}

static void check_pam(DMARig *rig, QPCIDevice *host, unsigned reg,
                      uint64_t gpa)
{
    static const unsigned states[] = { PAM_BOTH, PAM_NONE, PAM_READ, PAM_NONE };
    size_t i;

    map(rig, DMA_IOVA, gpa);
    dma_inv(rig, VTD_PAGE, DMA_IOVA);
    for (i = 0; i < G_N_ELEMENTS(states); i++) {
        pam(host, reg, PAM_BOTH);
        dma_reaches(rig, DMA_IOVA, gpa);
        dma_mark(rig, gpa, 1);
        pam(host, reg, states[i]);
        g_assert_cmpint(dma_reads_mark(rig, DMA_IOVA), ==,
                        states[i] != PAM_NONE);
        dma_write_all_ways(rig, DMA_IOVA);
        pam(host, reg, PAM_BOTH);
        /*
         * Where memory is read-only the base has it so for CPUs alone: an
         * alias does not make the memory behind it read-only to devices.
         */
        if (states[i] != PAM_READ) {
            g_assert_cmpint(dma_is_marked(rig, gpa, 1), ==,
                            states[i] == PAM_NONE);
        }
    }
}

static void test_rom(bool cached)
{
    DMARig *rig = dma_new(cached, "");
    QPCIDevice *host = qpci_device_find(rig->vtd->bus, QPCI_DEVFN(0, 0));

    g_assert_nonnull(host);
    check_pam(rig, host, PAM3, PAM3_LOW);
    check_pam(rig, host, PAM5, PAM5_LOW);
    g_free(host);
    dma_free(rig);
}

/* The last write that the memory has seen is from before it was ROM. */
static void test_rom_race(bool cached)
{
    DMARig *rig = dma_new(cached, "");
    QPCIDevice *host = qpci_device_find(rig->vtd->bus, QPCI_DEVFN(0, 0));
    int i;

    map(rig, DMA_IOVA, PAM3_LOW);
    for (i = 0; i < 50; i++) {
        uint64_t ops;

        pam(host, PAM3, PAM_BOTH);
        dma_start(rig, XDB_NUMBER, 1, DMA_IOVA, 64, 1);
        pam(host, PAM3, PAM_NONE);
        ops = dma_go_on(rig);
        dma_go_on(rig);
        dma_stop(rig);
        pam(host, PAM3, PAM_BOTH);
        g_assert_cmpuint(qtest_readq(rig->vtd->qts, PAM3_LOW), <, ops);
    }
    g_free(host);
    dma_free(rig);
}

/*
 * Memory that the host takes away and that is zero afterwards
 */

#define BALLOON_SLOT    5
#define BALLOON_ARGS \
    "-device virtio-balloon-pci,addr=05.0,disable-legacy=on "
#define BALLOON_TURNS   5

/* The guest gives the page at @gpa to the balloon. */
static void inflate(DMARig *rig, QVirtioPCIDevice *dev, QVirtQueue *vq,
                    uint64_t buffer, uint64_t gpa)
{
    QTestState *qts = rig->vtd->qts;
    uint32_t head;

    qtest_writel(qts, buffer, gpa >> VTD_PAGE_SHIFT);
    head = qvirtqueue_add(qts, vq, buffer, 4, false, false);
    qvirtqueue_kick(qts, &dev->vdev, vq, head);
    viommu_until(rig->vtd, qvirtqueue_get_buf(qts, vq, NULL, NULL));
}

static void test_balloon(bool cached)
{
    DMARig *rig = dma_new(cached, BALLOON_ARGS);
    VTD *vtd = rig->vtd;
    QPCIAddress addr = { .devfn = QPCI_DEVFN(BALLOON_SLOT, 0) };
    QVirtioPCIDevice *dev = virtio_pci_new(vtd->bus, &addr);
    uint64_t heap = vtd_alloc(vtd, 64), buffer = vtd_alloc(vtd, 1);
    uint64_t page = vtd_alloc(vtd, 1);
    QGuestAllocator alloc;
    QVirtQueue *vq;
    int i;

    alloc_init(&alloc, 0, heap, heap + 64 * VTD_PAGE_SIZE, VTD_PAGE_SIZE);
    qvirtio_pci_device_enable(dev);
    qvirtio_start_device(&dev->vdev);
    qvirtio_set_features(&dev->vdev, 1ULL << VIRTIO_F_VERSION_1);
    vq = qvirtqueue_setup(&dev->vdev, &alloc, 0);
    qvirtio_set_driver_ok(&dev->vdev);

    map(rig, DMA_IOVA, page);
    for (i = 0; i < BALLOON_TURNS; i++) {
        dma_reaches(rig, DMA_IOVA, page);
        dma_mark(rig, page, 1);
        inflate(rig, dev, vq, buffer, page);
        g_assert_true(viommu_is_filled(vtd, page, 0, VTD_PAGE_SIZE));
        g_assert_false(dma_reads_mark(rig, DMA_IOVA));
    }
    dma_reaches(rig, DMA_IOVA, page);

    dma_start(rig, XDB_NUMBER, 1, DMA_IOVA, 64, 1);
    for (i = 0; i < BALLOON_TURNS; i++) {
        uint64_t before;

        inflate(rig, dev, vq, buffer, page);
        dma_go_on(rig);
        /* What the device writes now is what the CPU sees. */
        before = qtest_readq(vtd->qts, page);
        dma_go_on(rig);
        g_assert_cmpuint(qtest_readq(vtd->qts, page), !=, before);
    }
    dma_stop(rig);

    qvirtqueue_cleanup(dev->vdev.bus, vq, &alloc);
    alloc_destroy(&alloc);
    qvirtio_pci_device_disable(dev);
    g_free(dev->pdev);
    g_free(dev);
    dma_free(rig);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    dma_add("memory/unplug", test_unplug);
    dma_add("memory/unplug-mapped", test_unplug_mapped);
    dma_add("memory/unplug-among", test_unplug_among);
    dma_add("memory/unplug-race", test_unplug_race);
    dma_add("memory/bar-moves", test_bar_moves);
    dma_add("memory/bar-unplug", test_bar_unplug);
    dma_add("memory/bar-covers", test_bar_covers);
    dma_add("memory/bar-race", test_bar_race);
    dma_add("memory/rom", test_rom);
    dma_add("memory/rom-race", test_rom_race);
    dma_add("memory/balloon", test_balloon);
    return g_test_run();
}

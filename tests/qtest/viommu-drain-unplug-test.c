/*
 * A device that is unplugged leaves nothing mapped behind
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Its driver has not stopped it.  A standing map whose owner has gone must not
 * be revoked, and nobody will end what a device kept: no drain may wait for
 * it.  The emulator overwrites what it frees, so that a revoke function that
 * is called for an owner that has gone does not go unnoticed.
 */
#include "qemu/osdep.h"
#include "libqos/virtio-pci.h"
#include "standard-headers/linux/virtio_balloon.h"
#include "standard-headers/linux/virtio_config.h"
#include "standard-headers/linux/virtio_pci.h"
#include "standard-headers/linux/virtio_ring.h"
#include "viommu-plug.h"
#include "viommu-rig.h"

#define BUS             1
#define SID             (BUS << 8)
#define SPACE_ID        5
#define PAGES           3
#define IOVA(page)      (0x40000000ULL + (page) * UNIT_PAGE)
#define FILLER          0x5a

#define AHCI_GHC        0x04
#define AHCI_GHC_AE     (1U << 31)
#define AHCI_PORT       0x100
#define AHCI_CLB        (AHCI_PORT + 0x00)
#define AHCI_FB         (AHCI_PORT + 0x08)
#define AHCI_CMD        (AHCI_PORT + 0x18)
#define AHCI_CMD_ST     (1U << 0)
#define AHCI_CMD_FRE    (1U << 4)
#define AHCI_CMD_FR     (1U << 14)
#define AHCI_CMD_CR     (1U << 15)

#define MFI_IQP         0x40
#define MFI_CMD_DCMD    5
#define MFI_DIR_READ    0x10
#define MFI_EVENT_WAIT  0x01040500

#define STATS_QUEUE     2
#define STATS_SIZE      8
#define STATS_AVAIL     0x200
#define STATS_USED      0x400

typedef struct Slot {
    Unit *unit;
    UnitSpace *space;
    unsigned form;
    QPCIDevice *port, *pci;
    uint64_t page[PAGES];
} Slot;

static void map(Slot *s, unsigned page, uint64_t gpa)
{
    s->unit->ops->map(s->unit, s->space, IOVA(page), gpa, UNIT_PAGE, UNIT_RW);
}

static Slot *slot_new(const char *props)
{
    Slot *s = g_new0(Slot, 1);
    Unit *unit;
    unsigned i;

    s->form = unit_ops()->queue_form;
    s->unit = unit = unit_ops()->start(s->form, props, PLUG_PORT_ARGS);
    s->space = unit->ops->space(unit, s->form, SPACE_ID);
    for (i = 0; i < PAGES; i++) {
        s->page[i] = unit_alloc(unit, 1);
        map(s, i, s->page[i]);
    }
    unit->ops->attach(unit, SID, s->space);
    unit->ops->enable(unit, s->form);
    return s;
}

static void slot_free(Slot *s)
{
    g_free(s->port);
    g_free(s->space);
    s->unit->ops->stop(s->unit);
    g_free(s);
}

/* The device "dev" is in the slot, its driver at work. */
static void slot_open(Slot *s)
{
    g_free(s->port);
    s->port = unit_open_bridge(s->unit, PLUG_PORT, BUS);
    plug_power(s->port);
}

static QPCIBar slot_open_pci(Slot *s, int bar)
{
    slot_open(s);
    s->pci = qpci_device_find(s->unit->bus, SID);
    g_assert_nonnull(s->pci);
    qpci_device_enable(s->pci);
    return qpci_iomap(s->pci, bar, NULL);
}

/* Everything that the device has had changes hands. */
static void change_tables(Slot *s)
{
    uint64_t other = unit_alloc(s->unit, 1);
    unsigned i;

    for (i = 0; i < PAGES; i++) {
        map(s, i, other);
        viommu_fill(s->unit, s->page[i], FILLER, UNIT_PAGE);
    }
    unit_inv(s->unit, s->form, UNIT_ALL, s->space, 0, 0);
    s->unit->ops->detach_start(s->unit, s->form, SID, s->space);
    unit_inv_wait(s->unit, s->form);
    viommu_turns(s->unit);
    for (i = 0; i < PAGES; i++) {
        g_assert_true(viommu_is_filled(s->unit, s->page[i], FILLER,
                                       UNIT_PAGE));
    }
}

static void put_back(Slot *s)
{
    unsigned i;

    for (i = 0; i < PAGES; i++) {
        map(s, i, s->page[i]);
    }
    s->unit->ops->reattach(s->unit, s->form, SID, s->space);
}

/* A controller without a disk whose port runs: two standing maps */
static void ahci_run(Slot *s)
{
    uint32_t running = AHCI_CMD_FR | AHCI_CMD_CR;
    QPCIBar bar;

    qtest_qmp_device_add(s->unit->qts, "ich9-ahci", "dev", "{'bus': 'rp'}");
    bar = slot_open_pci(s, 5);
    qpci_io_writel(s->pci, bar, AHCI_GHC, AHCI_GHC_AE);
    qpci_io_writel(s->pci, bar, AHCI_CLB, IOVA(0));
    qpci_io_writel(s->pci, bar, AHCI_FB, IOVA(1));
    qpci_io_writel(s->pci, bar, AHCI_CMD, AHCI_CMD_FRE);
    qpci_io_writel(s->pci, bar, AHCI_CMD, AHCI_CMD_FRE | AHCI_CMD_ST);
    g_assert_cmphex(qpci_io_readl(s->pci, bar, AHCI_CMD) & running, ==,
                    running);
    g_assert_cmpuint(plug_maps(s->unit), ==, 2);
}

/* A frame that waits for an event that never comes */
static void megasas_run(Slot *s)
{
    QTestState *qts = s->unit->qts;
    uint64_t frame = s->page[0];
    QPCIBar bar;

    qtest_qmp_device_add(qts, "megasas", "dev", "{'bus': 'rp'}");
    bar = slot_open_pci(s, 0);
    qtest_memset(qts, frame, 0, UNIT_PAGE);
    qtest_writeb(qts, frame, MFI_CMD_DCMD);
    qtest_writeb(qts, frame + 7, 1);                     /* one SG entry */
    qtest_writew(qts, frame + 16, MFI_DIR_READ);
    qtest_writel(qts, frame + 20, UNIT_PAGE);
    qtest_writel(qts, frame + 24, MFI_EVENT_WAIT);
    qtest_writel(qts, frame + 40, IOVA(1));
    qtest_writel(qts, frame + 44, UNIT_PAGE);
    qpci_io_writel(s->pci, bar, MFI_IQP, IOVA(0));
    g_assert_cmpuint(plug_maps(s->unit), ==, 1);
}

typedef struct Case {
    void (*run)(Slot *s);
    bool revoked;            /* before it is unplugged */
} Case;

static void test_standing(const void *opaque)
{
    const Case *c = opaque;
    Slot *s = slot_new("");
    unsigned i;

    /* The second one may be where the first one was. */
    for (i = 0; i < 2; i++) {
        c->run(s);
        if (c->revoked) {
            change_tables(s);
            g_assert_cmpuint(plug_maps(s->unit), ==, 0);
        }
        g_free(s->pci);
        plug_pull(s->unit, s->port, "dev");
        g_assert_cmpuint(plug_maps(s->unit), ==, 0);
        /* It may have tried to say how its command ended. */
        if (s->unit->ops->drop_faults(s->unit, SID)) {
            g_assert_true(c->revoked);
        }
        change_tables(s);
        s->unit->ops->assert_no_fault(s->unit);
        put_back(s);
    }
    s->unit->ops->reset(s->unit);
    viommu_turns(s->unit);
    s->unit->ops->assert_reset(s->unit);
    slot_free(s);
}

static void common_write(QVirtioPCIDevice *dev, size_t field, uint64_t iova)
{
    qpci_io_writel(dev->pdev, dev->bar, dev->common_cfg_offset + field, iova);
    qpci_io_writel(dev->pdev, dev->bar, dev->common_cfg_offset + field + 4,
                   iova >> 32);
}

#define COMMON(field) offsetof(struct virtio_pci_common_cfg, field)

/* The balloon keeps one buffer, to hand it back when it wants statistics. */
static QVirtioPCIDevice *balloon_run(Slot *s)
{
    QTestState *qts = s->unit->qts;
    uint64_t ring = s->page[0];
    QPCIAddress addr = { .devfn = SID };
    QVirtioPCIDevice *dev;
    uint32_t common, notify;

    qtest_qmp_device_add(qts, "virtio-balloon-pci", "dev",
                         "{'bus': 'rp', 'disable-legacy': 'on',"
                         " 'iommu_platform': true}");
    slot_open(s);
    dev = virtio_pci_new(s->unit->bus, &addr);
    g_assert_nonnull(dev);
    qvirtio_pci_device_enable(dev);
    common = dev->common_cfg_offset;
    qvirtio_reset(&dev->vdev);
    qvirtio_set_acknowledge(&dev->vdev);
    qvirtio_set_driver(&dev->vdev);
    qvirtio_set_features(&dev->vdev, 1ULL << VIRTIO_F_VERSION_1 |
                                     1ULL << VIRTIO_F_ACCESS_PLATFORM |
                                     1ULL << VIRTIO_BALLOON_F_STATS_VQ);

    qtest_memset(qts, ring, 0, UNIT_PAGE);
    qtest_writeq(qts, ring, IOVA(1));
    qtest_writel(qts, ring + 8, sizeof(struct virtio_balloon_stat));
    qtest_writew(qts, ring + STATS_AVAIL + 2, 1);
    qpci_io_writew(dev->pdev, dev->bar, common + COMMON(queue_select),
                   STATS_QUEUE);
    qpci_io_writew(dev->pdev, dev->bar, common + COMMON(queue_size),
                   STATS_SIZE);
    common_write(dev, COMMON(queue_desc_lo), IOVA(0));
    common_write(dev, COMMON(queue_avail_lo), IOVA(0) + STATS_AVAIL);
    common_write(dev, COMMON(queue_used_lo), IOVA(0) + STATS_USED);
    notify = dev->notify_cfg_offset + dev->notify_off_multiplier *
             qpci_io_readw(dev->pdev, dev->bar,
                           common + COMMON(queue_notify_off));
    qpci_io_writew(dev->pdev, dev->bar, common + COMMON(queue_enable), 1);
    qvirtio_set_driver_ok(&dev->vdev);
    qpci_io_writew(dev->pdev, dev->bar, notify, STATS_QUEUE);
    viommu_until(s->unit, plug_maps(s->unit) == 1);
    return dev;
}

static void balloon_free(QVirtioPCIDevice *dev)
{
    g_free(dev->pdev);
    g_free(dev);
}

/* A drain is waiting for the buffer when the device goes. */
static void test_balloon_pending(void)
{
    Slot *s = slot_new("");
    QVirtioPCIDevice *dev = balloon_run(s);

    unit_unmap(s->unit, s->space, IOVA(1));
    s->unit->ops->inv_start(s->unit, s->form, UNIT_SPACE, s->space, 0, 0);
    viommu_turns(s->unit);
    g_assert_false(s->unit->ops->inv_done(s->unit, s->form));
    plug_pull(s->unit, s->port, "dev");
    unit_inv_wait(s->unit, s->form);
    g_assert_cmpuint(plug_maps(s->unit), ==, 0);
    change_tables(s);
    balloon_free(dev);
    slot_free(s);
}

/* Bounced, it keeps a copy: nothing waits, and nothing is left over. */
static void test_balloon_bounced(void)
{
    Slot *s = slot_new("dma-mode=bounce");
    QVirtioPCIDevice *dev = balloon_run(s);

    g_assert_cmpuint(plug_maps(s->unit), ==, 1);
    unit_unmap(s->unit, s->space, IOVA(1));
    s->unit->ops->inv_start(s->unit, s->form, UNIT_SPACE, s->space, 0, 0);
    unit_inv_wait(s->unit, s->form);
    plug_pull(s->unit, s->port, "dev");
    g_assert_cmpuint(plug_maps(s->unit), ==, 0);
    balloon_free(dev);
    slot_free(s);
}

/* The device goes first: no later drain waits for what it left. */
static void test_balloon_later(void)
{
    Slot *s = slot_new("");
    QVirtioPCIDevice *dev = balloon_run(s);

    plug_pull(s->unit, s->port, "dev");
    g_assert_cmpuint(plug_maps(s->unit), ==, 0);
    change_tables(s);
    balloon_free(dev);
    /* Another one in its place is waited for as ever. */
    put_back(s);
    dev = balloon_run(s);
    unit_unmap(s->unit, s->space, IOVA(1));
    s->unit->ops->inv_start(s->unit, s->form, UNIT_RANGE, s->space, IOVA(1),
                            0);
    viommu_turns(s->unit);
    g_assert_false(s->unit->ops->inv_done(s->unit, s->form));
    qvirtio_reset(&dev->vdev);
    unit_inv_wait(s->unit, s->form);
    balloon_free(dev);
    slot_free(s);
}

static void test_skipped(void)
{
    g_test_skip("this vIOMMU does not drain");
}

int main(int argc, char **argv)
{
    static const Case ahci = { ahci_run, false };
    static const Case ahci_revoked = { ahci_run, true };
    static const Case megasas = { megasas_run, false };
    static const Case megasas_revoked = { megasas_run, true };

    g_test_init(&argc, &argv, NULL);
    if (expect_corruption()) {
        qtest_add_func("/viommu/unplug", test_skipped);
        return g_test_run();
    }
    g_setenv("MALLOC_PERTURB_", "170", true);
    qtest_add_data_func("/viommu/unplug/ahci/standing", &ahci, test_standing);
    qtest_add_data_func("/viommu/unplug/ahci/revoked", &ahci_revoked,
                        test_standing);
    qtest_add_data_func("/viommu/unplug/megasas/standing", &megasas,
                        test_standing);
    qtest_add_data_func("/viommu/unplug/megasas/revoked", &megasas_revoked,
                        test_standing);
    qtest_add_func("/viommu/unplug/balloon/pending", test_balloon_pending);
    qtest_add_func("/viommu/unplug/balloon/later", test_balloon_later);
    qtest_add_func("/viommu/unplug/balloon/bounced", test_balloon_bounced);
    return g_test_run();
}

/*
 * AHCI's command list and received-FIS area stay mapped as long as the port
 * runs: an invalidation must not wait for them, and the controller must not
 * go on using what they led to
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "standard-headers/linux/pci_regs.h"
#include "viommu-rig.h"

#define AHCI_DEVFN      (7 << 3)
#define AHCI_GHC        0x04
#define AHCI_GHC_AE     (1U << 31)
#define PORT            0x100              /* of port 0 */
#define PORT_CLB        (PORT + 0x00)
#define PORT_FB         (PORT + 0x08)
#define PORT_CMD        (PORT + 0x18)
#define PORT_CMD_ST     (1U << 0)
#define PORT_CMD_FRE    (1U << 4)
#define PORT_CI         (PORT + 0x38)

#define LIST_IOVA       0x40000000ULL
#define FIS_IOVA        0x40001000ULL
#define TABLE_IOVA      0x40002000ULL
#define DATA_IOVA       0x40003000ULL
#define SPACE_ID        3

#define FIS_H2D         0x27
#define FIS_H2D_C       0x80
#define FIS_H2D_DWORDS  5
#define FIS_PIO_SETUP   0x5f
#define RFIS_PIO_SETUP  0x20               /* where it goes in the area */
#define ATA_IDENTIFY    0xec
#define TABLE_PRDT      0x80
#define FILLER          0x5a

typedef struct Port {
    Unit *unit;
    UnitSpace *space;
    QPCIDevice *pci;
    QPCIBar bar;
    uint64_t list, fis, table, data;
    unsigned form;
} Port;

static uint32_t port_read(Port *p, unsigned reg)
{
    return qpci_io_readl(p->pci, p->bar, reg);
}

static void port_write(Port *p, unsigned reg, uint32_t value)
{
    qpci_io_writel(p->pci, p->bar, reg, value);
}

static void map(Port *p, uint64_t iova, uint64_t gpa)
{
    p->unit->ops->map(p->unit, p->space, iova, gpa, UNIT_PAGE, UNIT_RW);
}

/* Command slot 0: IDENTIFY DEVICE into the data page. */
static void put_identify(Port *p, uint64_t list)
{
    QTestState *qts = p->unit->qts;

    qtest_writel(qts, list, FIS_H2D_DWORDS | 1 << 16);
    qtest_writel(qts, list + 4, 0);
    qtest_writeq(qts, list + 8, TABLE_IOVA);
    qtest_writel(qts, p->table, FIS_H2D | FIS_H2D_C << 8 | ATA_IDENTIFY << 16);
    qtest_writeq(qts, p->table + TABLE_PRDT, DATA_IOVA);
    qtest_writel(qts, p->table + TABLE_PRDT + 12, VBLK_SECTOR - 1);
}

static void issue(Port *p)
{
    viommu_fill(p->unit, p->data, FILLER, VBLK_SECTOR);
    port_write(p, PORT_CI, 1);
}

static void see_identified(Port *p)
{
    viommu_until(p->unit, port_read(p, PORT_CI) == 0);
    g_assert_false(viommu_is_filled(p->unit, p->data, FILLER, VBLK_SECTOR));
}

static bool has_pio_setup(Port *p, uint64_t fis)
{
    return qtest_readb(p->unit->qts, fis + RFIS_PIO_SETUP) == FIS_PIO_SETUP;
}

static Port *port_new(const RigOptions *opt)
{
    Port *p = g_new0(Port, 1);
    Unit *unit = unit_ops()->start(opt->form, "",
        "-blockdev null-co,node-name=null,read-zeroes=on "
        "-device ich9-ahci,id=ahci,addr=07.0 "
        "-device ide-hd,bus=ahci.0,drive=null");

    p->unit = unit;
    p->form = opt->form;
    p->list = unit_alloc(unit, 1);
    p->fis = unit_alloc(unit, 1);
    p->table = unit_alloc(unit, 1);
    p->data = unit_alloc(unit, 1);
    p->space = unit->ops->space(unit, p->form, SPACE_ID);
    map(p, LIST_IOVA, p->list);
    map(p, FIS_IOVA, p->fis);
    map(p, TABLE_IOVA, p->table);
    map(p, DATA_IOVA, p->data);
    unit->ops->attach(unit, AHCI_DEVFN, p->space);
    unit->ops->enable(unit, p->form);

    p->pci = qpci_device_find(unit->bus, AHCI_DEVFN);
    g_assert_nonnull(p->pci);
    qpci_device_enable(p->pci);
    p->bar = qpci_iomap(p->pci, 5, NULL);
    port_write(p, AHCI_GHC, AHCI_GHC_AE);
    port_write(p, PORT_CLB, LIST_IOVA);
    port_write(p, PORT_CLB + 4, LIST_IOVA >> 32);
    port_write(p, PORT_FB, FIS_IOVA);
    port_write(p, PORT_FB + 4, FIS_IOVA >> 32);
    port_write(p, PORT_CMD, PORT_CMD_FRE);
    port_write(p, PORT_CMD, PORT_CMD_FRE | PORT_CMD_ST);

    put_identify(p, p->list);
    issue(p);
    see_identified(p);
    g_assert_true(has_pio_setup(p, p->fis));
    unit->ops->assert_no_fault(unit);
    return p;
}

static void port_free(Port *p)
{
    g_free(p->pci);
    g_free(p->space);
    p->unit->ops->stop(p->unit);
    g_free(p);
}

/* Both areas move; the invalidation completes with the port running. */
static void test_moved(const void *opaque)
{
    Port *p = port_new(opaque);
    uint64_t list = unit_alloc(p->unit, 1);
    uint64_t fis = unit_alloc(p->unit, 1);

    map(p, LIST_IOVA, list);
    map(p, FIS_IOVA, fis);
    unit_inv(p->unit, p->form, UNIT_SPACE, p->space, 0, 0);

    /* The old pages are somebody else's now, and look as they did. */
    viommu_fill(p->unit, p->fis, FILLER, UNIT_PAGE);
    put_identify(p, p->list);
    put_identify(p, list);
    issue(p);
    if (expect_corruption()) {
        viommu_turns(p->unit);
        g_assert_false(has_pio_setup(p, fis));
        g_assert_false(viommu_is_filled(p->unit, p->fis, FILLER,
                                        UNIT_PAGE));
    } else {
        see_identified(p);
        g_assert_true(has_pio_setup(p, fis));
        g_assert_true(viommu_is_filled(p->unit, p->fis, FILLER,
                                       UNIT_PAGE));
        /* The count of bytes moved went where the list is now. */
        g_assert_cmpint(qtest_readl(p->unit->qts, p->list + 4), ==, 0);
        g_assert_cmpint(qtest_readl(p->unit->qts, list + 4), ==, VBLK_SECTOR);
    }
    port_free(p);
}

/* Both areas are gone: nothing reaches the old pages, and it is a fault. */
static void test_unmapped(const void *opaque)
{
    Port *p = port_new(opaque);

    unit_unmap(p->unit, p->space, LIST_IOVA);
    unit_unmap(p->unit, p->space, FIS_IOVA);
    unit_inv(p->unit, p->form, UNIT_ALL, p->space, 0, 0);
    viommu_fill(p->unit, p->fis, FILLER, UNIT_PAGE);
    issue(p);
    viommu_turns(p->unit);
    if (expect_corruption()) {
        g_assert_false(viommu_is_filled(p->unit, p->fis, FILLER,
                                        UNIT_PAGE));
    } else {
        g_assert_true(viommu_is_filled(p->unit, p->fis, FILLER,
                                       UNIT_PAGE));
        g_assert_true(viommu_is_filled(p->unit, p->data, FILLER, VBLK_SECTOR));
        g_assert_true(p->unit->ops->drop_faults(p->unit, AHCI_DEVFN));
    }
    port_free(p);
}

/* A firmware's identity mappings, as a kernel turns translation on. */
static void test_unchanged(const void *opaque)
{
    Port *p = port_new(opaque);

    unit_inv(p->unit, p->form, UNIT_ALL, p->space, 0, 0);
    issue(p);
    see_identified(p);
    p->unit->ops->assert_no_fault(p->unit);
    port_free(p);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    rig_add("ahci", "moved", false, test_moved);
    rig_add("ahci", "unmapped", false, test_unmapped);
    rig_add("ahci", "unchanged", false, test_unchanged);
    return g_test_run();
}

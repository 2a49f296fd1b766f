/*
 * AHCI's command list and received-FIS area stay mapped as long as the port
 * runs: an invalidation must not wait for them, and the controller must not
 * go on using what they led to.  A command table may cross pages, whose order
 * in memory is another one.
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
#define PORT_IS         (PORT + 0x10)
#define PORT_IS_HBFS    (1U << 29)
#define PORT_CMD        (PORT + 0x18)
#define PORT_CMD_ST     (1U << 0)
#define PORT_CMD_FRE    (1U << 4)
#define PORT_TFD        (PORT + 0x20)
#define PORT_TFD_ERR    (1U << 0)
#define PORT_SACT       (PORT + 0x34)
#define PORT_CI         (PORT + 0x38)

#define LIST_IOVA       0x40000000ULL
#define FIS_IOVA        0x40001000ULL
#define TABLE_IOVA      0x40002000ULL
#define DATA_IOVA       0x40003000ULL
#define CROSS_IOVA      0x40010000ULL      /* two pages, for one table */
#define SCATTER_IOVA    0x40020000ULL      /* a page for each sector */
#define SPACE_ID        3

#define FIS_H2D         0x27
#define FIS_H2D_C       0x80
#define FIS_H2D_DWORDS  5
#define FIS_LBA         0x40               /* of the device register */
#define HEADER_ATAPI    (1U << 5)
#define FIS_PIO_SETUP   0x5f
#define RFIS_PIO_SETUP  0x20               /* where it goes in the area */
#define ATA_IDENTIFY    0xec
#define ATA_READ_DMA_EXT        0x25
#define ATA_READ_FPDMA_QUEUED   0x60
#define ATA_PACKET      0xa0
#define SCSI_INQUIRY    0x12
#define INQUIRY_LEN     36
#define INQUIRY_CDROM   0x05               /* its first byte: what it is */
#define TABLE_ACMD      0x40
#define TABLE_PRDT      0x80
#define PRD_SIZE        16
#define SECTORS         4
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

static Port *port_bare(const RigOptions *opt, const char *drive)
{
    g_autofree char *args = g_strdup_printf(
        "-device ich9-ahci,id=ahci,addr=07.0 %s", drive);
    Port *p = g_new0(Port, 1);
    Unit *unit = unit_ops()->start(opt->form, "", args);

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
    return p;
}

static Port *port_new(const RigOptions *opt)
{
    Port *p = port_bare(opt,
        "-blockdev null-co,node-name=null,read-zeroes=on "
        "-device ide-hd,bus=ahci.0,drive=null");
    Unit *unit = p->unit;

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

/* A command table at @at of the two pages at CROSS_IOVA */
typedef struct Table {
    Port *port;
    uint64_t pages[2];
    uint64_t at;
    uint64_t data[SECTORS];
} Table;

static void table_new(Table *table, Port *p, uint64_t at)
{
    unsigned i;

    table->port = p;
    table->at = at;
    table->pages[0] = unit_alloc(p->unit, 1);
    for (i = 0; i < SECTORS; i++) {
        table->data[i] = unit_alloc(p->unit, 1);
        viommu_fill(p->unit, table->data[i], FILLER, VBLK_SECTOR);
        map(p, SCATTER_IOVA + i * UNIT_PAGE, table->data[i]);
    }
    /* No neighbour of the first */
    table->pages[1] = unit_alloc(p->unit, 1);
    map(p, CROSS_IOVA, table->pages[0]);
    map(p, CROSS_IOVA + UNIT_PAGE, table->pages[1]);
}

static void table_write(Table *table, uint64_t offset, uint32_t value)
{
    uint64_t at = table->at + offset;

    qtest_writel(table->port->unit->qts,
                 table->pages[at / UNIT_PAGE] + at % UNIT_PAGE, value);
}

/* Into @count data pages, @size bytes each */
static void table_put_prdt(Table *table, unsigned count, uint32_t size)
{
    unsigned i;

    for (i = 0; i < count; i++) {
        uint64_t entry = TABLE_PRDT + i * PRD_SIZE;
        uint64_t data = SCATTER_IOVA + i * UNIT_PAGE;

        table_write(table, entry, data);
        table_write(table, entry + 4, data >> 32);
        table_write(table, entry + 12, size - 1);
    }
}

static void table_start(Table *table, unsigned prdtl, uint32_t flags, bool ncq)
{
    Port *p = table->port;
    QTestState *qts = p->unit->qts;

    qtest_writel(qts, p->list, FIS_H2D_DWORDS | flags | prdtl << 16);
    qtest_writel(qts, p->list + 4, 0);
    qtest_writeq(qts, p->list + 8, CROSS_IOVA + table->at);
    if (ncq) {
        port_write(p, PORT_SACT, 1);
    }
    port_write(p, PORT_CI, 1);
}

/* Sees it end; false if that is with an error, or never. */
static bool table_run(Table *table, unsigned prdtl, uint32_t flags, bool ncq)
{
    Port *p = table->port;

    table_start(table, prdtl, flags, ncq);
    if (expect_corruption()) {
        viommu_turns(p->unit);
    } else {
        viommu_until(p->unit, (port_read(p, PORT_TFD) & PORT_TFD_ERR) ||
                              !(port_read(p, PORT_CI) |
                                port_read(p, PORT_SACT)));
    }
    return !(port_read(p, PORT_TFD) & PORT_TFD_ERR) &&
           !(port_read(p, PORT_CI) | port_read(p, PORT_SACT));
}

static bool table_read_sectors(Table *table, uint8_t command)
{
    bool ncq = command == ATA_READ_FPDMA_QUEUED;

    /* From sector 0 on; tag 0 */
    table_write(table, 0, FIS_H2D | FIS_H2D_C << 8 | command << 16 |
                          (ncq ? (uint32_t)SECTORS << 24 : 0));
    table_write(table, 4, (uint32_t)FIS_LBA << 24);
    table_write(table, 8, 0);
    table_write(table, 12, ncq ? 0 : SECTORS);
    table_write(table, 16, 0);
    table_put_prdt(table, SECTORS, VBLK_SECTOR);
    return table_run(table, SECTORS, 0, ncq);
}

/* A disk whose sector n is full of n + 1 */
static char *numbered_image(void)
{
    uint8_t sector[VBLK_SECTOR];
    char *name = NULL;
    int fd = g_file_open_tmp("viommu-disk-XXXXXX", &name, NULL);
    unsigned i;

    g_assert_cmpint(fd, >=, 0);
    for (i = 0; i < SECTORS; i++) {
        memset(sector, i + 1, sizeof(sector));
        g_assert_cmpint(write(fd, sector, sizeof(sector)), ==, sizeof(sector));
    }
    close(fd);
    return name;
}

/* A disk reads by a table at @at; the base, which maps it whole, cannot. */
static void cross_read(const RigOptions *opt, uint64_t at, uint8_t command)
{
    g_autofree char *image = numbered_image();
    g_autofree char *drive = g_strdup_printf(
        "-blockdev driver=file,node-name=file,locking=off,filename=%s "
        "-blockdev driver=raw,node-name=disk,file=file "
        "-device ide-hd,bus=ahci.0,drive=disk", image);
    Port *p = port_bare(opt, drive);
    Table table;
    unsigned i;

    table_new(&table, p, at);
    g_assert_cmpint(table_read_sectors(&table, command), ==,
                    !expect_corruption());
    for (i = 0; i < SECTORS; i++) {
        g_assert_true(viommu_is_filled(p->unit, table.data[i],
                                       expect_corruption() ? FILLER : i + 1,
                                       VBLK_SECTOR));
    }
    p->unit->ops->assert_no_fault(p->unit);
    port_free(p);
    unlink(image);
}

#define AT_PRDT_CROSSES (UNIT_PAGE - TABLE_PRDT - 2 * PRD_SIZE)

static void test_prdt_dma(const void *opaque)
{
    cross_read(opaque, AT_PRDT_CROSSES, ATA_READ_DMA_EXT);
}

static void test_prdt_queued(const void *opaque)
{
    cross_read(opaque, AT_PRDT_CROSSES, ATA_READ_FPDMA_QUEUED);
}

/* Software must not do that: tables are aligned to what stands before it. */
static void test_fis(const void *opaque)
{
    cross_read(opaque, UNIT_PAGE - 8, ATA_READ_DMA_EXT);
}

static void test_packet(const void *opaque)
{
    Port *p = port_bare(opaque,
        "-blockdev null-co,node-name=null,read-zeroes=on,read-only=on "
        "-device ide-cd,bus=ahci.0,drive=null");
    Table table;
    bool ran;

    table_new(&table, p, UNIT_PAGE - TABLE_ACMD);
    table_write(&table, 0, FIS_H2D | FIS_H2D_C << 8 | ATA_PACKET << 16);
    /* At most as many bytes at once */
    table_write(&table, 4, INQUIRY_LEN << 8);
    table_write(&table, TABLE_ACMD, SCSI_INQUIRY);
    table_write(&table, TABLE_ACMD + 4, INQUIRY_LEN);
    table_put_prdt(&table, 1, INQUIRY_LEN);
    ran = table_run(&table, 1, HEADER_ATAPI, false);
    g_assert_cmpint(ran, ==, !expect_corruption());
    g_assert_cmphex(qtest_readb(p->unit->qts, table.data[0]), ==,
                    ran ? INQUIRY_CDROM : FILLER);
    p->unit->ops->assert_no_fault(p->unit);
    port_free(p);
}

/* Its end is nowhere: a fault and a host bus error, and the port goes on. */
static void test_no_table(const void *opaque)
{
    Port *p = port_new(opaque);
    Table table;

    table_new(&table, p, UNIT_PAGE - 8);
    unit_unmap(p->unit, p->space, CROSS_IOVA + UNIT_PAGE);
    port_write(p, PORT_IS, -1U);
    table_start(&table, 1, 0, false);
    viommu_turns(p->unit);
    if (!expect_corruption()) {
        g_assert_true(port_read(p, PORT_IS) & PORT_IS_HBFS);
        g_assert_true(p->unit->ops->drop_faults(p->unit, AHCI_DEVFN));
    }

    /* Software stops and starts a port after an error (AHCI 1.3.1, 6.2.2). */
    port_write(p, PORT_CMD, PORT_CMD_FRE);
    port_write(p, PORT_CMD, PORT_CMD_FRE | PORT_CMD_ST);
    put_identify(p, p->list);
    issue(p);
    see_identified(p);
    port_free(p);
}

/* How something is invalidated does not matter here: one form will do. */
static void table_add(const char *name, void (*fn)(const void *opaque))
{
    RigOptions *opt = g_new0(RigOptions, 1);
    g_autofree char *path = g_strdup_printf("/viommu/ahci/table/%s", name);

    opt->form = unit_ops()->queue_form;
    qtest_add_data_func_full(path, opt, fn, g_free);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    rig_add("ahci", "moved", false, test_moved);
    rig_add("ahci", "unmapped", false, test_unmapped);
    rig_add("ahci", "unchanged", false, test_unchanged);
    table_add("prdt", test_prdt_dma);
    table_add("prdt-queued", test_prdt_queued);
    table_add("fis", test_fis);
    table_add("packet", test_packet);
    table_add("missing", test_no_table);
    return g_test_run();
}

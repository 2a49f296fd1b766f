/*
 * A ring that crosses a page, where the next IOVA leads elsewhere
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A virtio device reaches its ring through a cached region.  An element that
 * begins in one page and ends in the next is translated for either of them;
 * the base goes on in the memory that happens to follow the first page.
 */
#include "qemu/osdep.h"
#include "standard-headers/linux/virtio_config.h"
#include "standard-headers/linux/virtio_pci.h"
#include "viommu-rig.h"

#define DEVFN       (5 << 3)
#define SPACE_ID    7
#define RING_IOVA   0x10000000ULL
#define DATA_IOVA   0x20000000ULL
#define USED_IOVA   0x30000000ULL
/* Flags and index, and the first half of element 0 (32 bits of 64) */
#define USED_OFF    (UNIT_PAGE - 8)
/* An indirect table of three descriptors whose second one crosses */
#define TABLE_IOVA  0x38000000ULL
#define TABLE_OFF   (UNIT_PAGE - 24)
#define AVAIL_IDX   (0x200 + 2)         /* in a VBlk's page */
#define FILLER      0x5a
#define LEN         4096
#define WAKE_UPS    20

typedef struct Ring {
    Unit *unit;
    UnitSpace *space;
    unsigned form;
    VBlk *blk;
    char *image;
    uint64_t data;
    uint64_t first, between, second;     /* of the used ring; adjacent */
} Ring;

static void map(Ring *r, uint64_t iova, uint64_t gpa, unsigned perms)
{
    r->unit->ops->map(r->unit, r->space, iova, gpa, UNIT_PAGE, perms);
}

static Ring *ring_new(const RigOptions *opt)
{
    Ring *r = g_new0(Ring, 1);
    g_autofree char *args = NULL;
    uint64_t ring;
    Unit *unit;

    r->form = opt->form;
    r->image = rig_make_image();
    args = rig_args(opt, r->image);
    r->unit = unit = unit_ops()->start(r->form, "", args);
    ring = unit_alloc(unit, 1);
    r->data = unit_alloc(unit, 1);
    r->first = unit_alloc(unit, 1);
    r->between = unit_alloc(unit, 1);
    r->second = unit_alloc(unit, 1);
    viommu_fill(unit, r->between, FILLER, UNIT_PAGE);
    viommu_fill(unit, r->second, FILLER, UNIT_PAGE);

    r->space = unit->ops->space(unit, r->form, SPACE_ID);
    map(r, RING_IOVA, ring, UNIT_RW);
    map(r, DATA_IOVA, r->data, UNIT_RW);
    map(r, USED_IOVA, r->first, UNIT_RW);
    map(r, USED_IOVA + UNIT_PAGE, r->second, UNIT_RW);
    unit->ops->attach(unit, DEVFN, r->space);
    unit->ops->enable(unit, r->form);
    r->blk = vblk_new_used(unit, DEVFN, "disk", ring, RING_IOVA,
                           r->first + USED_OFF, USED_IOVA + USED_OFF);
    return r;
}

static void ring_free(Ring *r)
{
    vblk_free(r->blk);
    g_free(r->space);
    r->unit->ops->stop(r->unit);
    unlink(r->image);
    g_free(r->image);
    g_free(r);
}

static void test_used(const void *opaque)
{
    Ring *r = ring_new(opaque);
    QTestState *qts = r->unit->qts;
    unsigned i;

    for (i = 1; i <= 2; i++) {
        vblk_submit(r->blk, false, 0, DATA_IOVA, LEN);
        viommu_until(r->unit, vblk_completed(r->blk) == i);
    }
    g_assert_true(viommu_is_filled(r->unit, r->data, RIG_ON_DISK, LEN));
    /* Element 0: the head, and how much was written with the result byte */
    g_assert_cmphex(qtest_readl(qts, r->first + USED_OFF + 4), ==, 0);
    if (expect_corruption()) {
        g_assert_cmphex(qtest_readl(qts, r->between), ==, LEN + 1);
        g_assert_true(viommu_is_filled(r->unit, r->second, FILLER, 4));
    } else {
        g_assert_cmphex(qtest_readl(qts, r->second), ==, LEN + 1);
        g_assert_true(viommu_is_filled(r->unit, r->between, FILLER,
                                       UNIT_PAGE));
    }
    /* Element 1 is in the second page as a whole, and ends where it should. */
    g_assert_cmphex(qtest_readl(qts, r->second + 4), ==, 3);
    g_assert_cmphex(qtest_readl(qts, r->second + 8), ==, LEN + 1);
    g_assert_true(viommu_is_filled(r->unit, r->second + 12, FILLER,
                                   UNIT_PAGE - 12));
    r->unit->ops->assert_no_fault(r->unit);
    ring_free(r);
}

/* The second page is not there: the first half arrives, and it is a fault. */
static void test_half(const void *opaque)
{
    Ring *r = ring_new(opaque);
    Unit *unit = r->unit;

    unit_unmap(unit, r->space, USED_IOVA + UNIT_PAGE);
    unit_inv(unit, r->form, UNIT_ALL, r->space, 0, 0);
    vblk_submit(r->blk, false, 0, DATA_IOVA, LEN);
    viommu_until(unit, vblk_completed(r->blk) == 1);
    if (expect_corruption()) {
        g_assert_cmphex(qtest_readl(unit->qts, r->between), ==, LEN + 1);
        unit->ops->assert_no_fault(unit);
    } else {
        g_assert_true(viommu_is_filled(unit, r->between, FILLER,
                                       UNIT_PAGE));
        unit->ops->assert_fault(unit, DEVFN, false, USED_IOVA + UNIT_PAGE);
    }
    ring_free(r);
}

/* The same for what the device reads: a descriptor */
static void test_indirect(const void *opaque)
{
    Ring *r = ring_new(opaque);
    Unit *unit = r->unit;
    uint64_t first = unit_alloc(unit, 1);
    uint64_t between = unit_alloc(unit, 1);
    uint64_t second = unit_alloc(unit, 1);

    g_assert_cmphex(between, ==, first + UNIT_PAGE);
    map(r, TABLE_IOVA, first, UNIT_R);
    map(r, TABLE_IOVA + UNIT_PAGE, second, UNIT_R);
    r->blk->table_iova = TABLE_IOVA + TABLE_OFF;
    r->blk->table_gpa[0] = first + TABLE_OFF;
    r->blk->table_gpa[1] = second;
    vblk_submit(r->blk, false, 0, DATA_IOVA, LEN);
    if (expect_corruption()) {
        /* It finds an empty buffer where it looks. */
        viommu_until(unit, vblk_device_status(r->blk) &
                          VIRTIO_CONFIG_S_NEEDS_RESET);
    } else {
        viommu_until(unit, vblk_completed(r->blk) == 1);
        g_assert_cmpint(vblk_result(r->blk, 0), ==, 0);
        g_assert_true(viommu_is_filled(unit, r->data, RIG_ON_DISK, LEN));
    }
    unit->ops->assert_no_fault(unit);
    ring_free(r);
}

/*
 * A ring that the device gives up: it needs a reset, and says so by interrupt.
 * From an iothread, too, which may not raise one itself.
 */
static void test_given_up(const void *opaque)
{
    Ring *r = ring_new(opaque);
    QPCIDevice *pci = r->blk->pci->pdev;
    uint8_t isr = 0;

    /* Descriptors of size 0 */
    qtest_writew(r->unit->qts, r->blk->gpa + AVAIL_IDX, 1);
    qpci_io_writew(pci, r->blk->pci->bar, r->blk->notify, 0);
    viommu_until(r->unit, vblk_device_status(r->blk) &
                          VIRTIO_CONFIG_S_NEEDS_RESET);
    viommu_until(r->unit, (isr |= qpci_io_readb(pci, r->blk->pci->bar,
                                    r->blk->pci->isr_cfg_offset)) &
                          VIRTIO_PCI_ISR_CONFIG);
    ring_free(r);
}

/*
 * A ring that is not mapped any more, as one that firmware left: an iothread
 * polls it, and tells its driver that it does, whenever it has something else
 * to do.  Nobody notified the disk, so none of that is a fault.
 */
static void test_left(void)
{
    const RigOptions opt = {
        .form = unit_ops()->queue_form, .iothread = true,
    };
    Rig *rig = rig_new(&opt);
    Unit *unit = rig->unit;
    unsigned i;

    /* It polls after it was busy, and this is a long time to be called so. */
    qtest_qmp_assert_success(unit->qts, "{'execute': 'qom-set', 'arguments': {"
                             "'path': '/objects/io',"
                             "'property': 'poll-max-ns', 'value': 10000000}}");
    rig_hold(rig, false, rig->data_iova);
    rig_release(rig);
    unit_unmap(unit, rig->space, RIG_RING_IOVA);
    rig_inv(rig, UNIT_SPACE, rig->space, 0, 0);
    rig_inv_wait(rig);
    for (i = 1; i <= WAKE_UPS; i++) {
        qtest_qmp_assert_success(unit->qts, "{'execute': 'qom-set',"
                                 " 'arguments': {'path': '/objects/io',"
                                 "  'property': 'aio-max-batch',"
                                 "  'value': %u}}", i);
        viommu_turns(unit);
    }
    unit->ops->assert_no_fault(unit);

    /* It is alive, and hears of what comes. */
    unit->ops->map(unit, rig->space, RIG_RING_IOVA, rig->ring, UNIT_PAGE,
                   UNIT_RW);
    rig_inv(rig, UNIT_SPACE, rig->space, 0, 0);
    rig_inv_wait(rig);
    rig_hold(rig, false, rig->data_iova);
    rig_release(rig);
    unit->ops->assert_no_fault(unit);
    rig_free(rig);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*fn)(const void *opaque);
    } tests[] = {
        { "used", test_used },
        { "half", test_half },
        { "indirect", test_indirect },
        /* No proof of corruption: in an iothread the base may go wrong. */
        { "given-up", test_given_up },
    };
    size_t n = G_N_ELEMENTS(tests) - expect_corruption();
    size_t i;

    g_test_init(&argc, &argv, NULL);
    for (i = 0; i < n; i++) {
        rig_add("ring", tests[i].name, false, tests[i].fn);
        rig_add("ring", tests[i].name, true, tests[i].fn);
    }
    if (!expect_corruption()) {
        qtest_add_func("/viommu/ring/left", test_left);
    }
    return g_test_run();
}

/*
 * The DMA translation cache: virtio rings that keep their host address
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The page with the rings is replaced, or taken away, between requests and
 * under them.  Once that is complete the old page is another's.
 */
#include "qemu/osdep.h"
#include "standard-headers/linux/pci_regs.h"
#include "viommu-rig.h"

#define MARK        0xa7
#define ROUNDS      16
#define CACHE_OFF   "dma-cache-size=0"

/* How the ring's page is replaced */
enum { BY_ATTACHING, BY_ALL, BY_SPACE, BY_RANGE, WAYS };

static void request(Rig *rig)
{
    unsigned n = vblk_submit(rig->blk, false, RIG_SECTOR, rig->data_iova,
                             RIG_LEN);

    viommu_until(rig->unit, vblk_completed(rig->blk) == n + 1);
    g_assert_cmpint(vblk_result(rig->blk, n), ==, 0);
}

static void mark(Rig *rig, uint64_t page)
{
    viommu_fill(rig->unit, page, MARK, UNIT_PAGE);
}

static bool is_marked(Rig *rig, uint64_t page)
{
    return viommu_is_filled(rig->unit, page, MARK, UNIT_PAGE);
}

static void copy(Rig *rig, uint64_t to, uint64_t from)
{
    uint8_t data[UNIT_PAGE];

    qtest_memread(rig->unit->qts, from, data, sizeof(data));
    qtest_memwrite(rig->unit->qts, to, data, sizeof(data));
}

static void map(Rig *rig, uint64_t iova, uint64_t gpa)
{
    rig->unit->ops->map(rig->unit, rig->space, iova, gpa, UNIT_PAGE, UNIT_RW);
}

static void inv(Rig *rig, unsigned way)
{
    unit_inv(rig->unit, rig->opt.form,
             way == BY_ALL ? UNIT_ALL :
             way == BY_SPACE ? UNIT_SPACE : UNIT_RANGE,
             rig->space, way == BY_RANGE ? rig->blk->iova : 0, 0);
}

static void lead_to(Rig *rig, unsigned way, uint64_t page)
{
    const UnitOps *ops = rig->unit->ops;
    UnitSpace *from = rig->space;

    if (way != BY_ATTACHING) {
        map(rig, rig->blk->iova, page);
        inv(rig, way);
        return;
    }
    ops->detach_start(rig->unit, rig->opt.form, rig->sid, from);
    unit_inv_wait(rig->unit, rig->opt.form);
    rig->space = rig->other;
    rig->other = from;
    map(rig, rig->blk->iova, page);
    map(rig, rig->data_iova, rig->page);
    /* What was there when it was attached the last time */
    inv(rig, BY_SPACE);
    ops->reattach(rig->unit, rig->opt.form, rig->sid, rig->space);
}

static void check_moved(const RigOptions *opt)
{
    Rig *rig = rig_new(opt);
    uint64_t pages[2] = { rig->ring, unit_alloc(rig->unit, 1) };
    unsigned i;

    for (i = 0; i < ROUNDS; i++) {
        uint64_t from = pages[i % 2], to = pages[!(i % 2)];

        request(rig);
        copy(rig, to, from);
        lead_to(rig, i % WAYS, to);
        mark(rig, from);
        rig->blk->gpa = to;
        rig->blk->used_gpa += to - from;
        request(rig);
        request(rig);
        g_assert_true(is_marked(rig, from));
    }
    rig->unit->ops->assert_no_fault(rig->unit);
    rig_free(rig);
}

/* Under a request, which may be not yet seen, in flight or over */
static void check_taken(const RigOptions *opt)
{
    unsigned way;

    for (way = BY_ALL; way < WAYS; way++) {
        Rig *rig = rig_new(opt);
        QPCIDevice *pci = rig->blk->pci->pdev;

        request(rig);
        vblk_submit(rig->blk, false, RIG_SECTOR, rig->data_iova, RIG_LEN);
        unit_unmap(rig->unit, rig->space, rig->blk->iova);
        inv(rig, way);
        mark(rig, rig->ring);
        viommu_turns(rig->unit);
        qpci_io_writew(pci, rig->blk->pci->bar, rig->blk->notify, 0);
        viommu_turns(rig->unit);
        viommu_turns(rig->unit);
        g_assert_true(is_marked(rig, rig->ring));
        rig_free(rig);
    }
}

/* The device may not master the bus any more; the unit is not told. */
static void check_bus_master(const RigOptions *opt)
{
    Rig *rig = rig_new(opt);
    QPCIDevice *pci = rig->blk->pci->pdev;
    uint16_t command = qpci_config_readw(pci, PCI_COMMAND);

    request(rig);
    qpci_config_writew(pci, PCI_COMMAND, command & ~PCI_COMMAND_MASTER);
    mark(rig, rig->ring);
    qpci_io_writew(pci, rig->blk->pci->bar, rig->blk->notify, 0);
    viommu_turns(rig->unit);
    viommu_turns(rig->unit);
    g_assert_true(is_marked(rig, rig->ring));
    rig_free(rig);
}

/* With the cache, and without it if that is a choice */
static void both(const void *opaque, void (*check)(const RigOptions *opt))
{
    RigOptions opt = *(const RigOptions *)opaque;

    opt.fast = true;
    check(&opt);
    if (viommu_offers(unit_ops()->type, "dma-cache-size")) {
        opt.props = CACHE_OFF;
        check(&opt);
    }
}

static void test_moved(const void *opaque)
{
    both(opaque, check_moved);
}

static void test_taken(const void *opaque)
{
    both(opaque, check_taken);
}

static void test_bus_master(const void *opaque)
{
    both(opaque, check_bus_master);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*fn)(const void *opaque);
    } tests[] = {
        { "moved", test_moved },
        { "taken", test_taken },
        { "bus-master", test_bus_master },
    };
    size_t i;

    g_test_init(&argc, &argv, NULL);
    for (i = 0; i < G_N_ELEMENTS(tests); i++) {
        rig_add("cache-ring", tests[i].name, false, tests[i].fn);
        rig_add("cache-ring", tests[i].name, true, tests[i].fn);
    }
    return g_test_run();
}

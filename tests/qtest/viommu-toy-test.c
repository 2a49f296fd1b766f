/*
 * x-viommu-toy: the smallest model on the core is a whole vIOMMU
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the core does for every model is tested with the real ones.  This says
 * that the recipe for a model, which shows this one's source, works.
 */
#include "qemu/osdep.h"
#include "hw/misc/x-viommu-toy.h"
#include "libqos/pci-pc.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "viommu-rig.h"

#define DEVFN       QPCI_DEVFN(5, 0)
#define DOMAIN      3
#define FIRST_FREE  0x1000000ull
#define DISK        "-device virtio-blk-pci,id=disk,addr=05.0,drive=slow," \
                    "disable-legacy=on,iommu_platform=on"

typedef struct Toy {
    Unit unit;
    uint64_t root, ring, page;           /* guest memory */
    char *image;
    VBlk *blk;
} Toy;

static uint64_t toy_read(Toy *toy, unsigned reg)
{
    return qtest_readq(toy->unit.qts, XVT_BASE + reg);
}

static void toy_write(Toy *toy, unsigned reg, uint64_t value)
{
    qtest_writeq(toy->unit.qts, XVT_BASE + reg, value);
}

static bool toy_busy(Toy *toy)
{
    return toy_read(toy, XVT_STATUS) & XVT_STATUS_BUSY;
}

/* Three levels; bits 0 and 1 of @entry are what is allowed */
static void toy_map(Toy *toy, uint64_t iova, uint64_t entry)
{
    uint64_t table = toy->root, at;
    int level;

    for (level = 3; level > 1; level--) {
        at = table + 8 * (iova >> (12 + 9 * (level - 1)) & 511);
        table = qtest_readq(toy->unit.qts, at) & XVT_ROOT_ADDR;
        if (!table) {
            table = unit_alloc(&toy->unit, 1);
            qtest_writeq(toy->unit.qts, at, table | UNIT_RW);
        }
    }
    qtest_writeq(toy->unit.qts, table + 8 * (iova >> 12 & 511), entry);
}

static void toy_inv(Toy *toy, XVTInv what)
{
    toy_write(toy, XVT_INV, what | DOMAIN << XVT_INV_DOMAIN_SHIFT);
}

/* @more: arguments */
static QTestState *toy_machine(const char *image, const char *more)
{
    g_autofree char *backend = rig_backend(image, false);

    return qtest_initf("-machine q35 -m 256 -nodefaults -display none "
                       "-device " TYPE_X_VIOMMU_TOY " %s " DISK " %s", backend,
                       more);
}

/* A disk behind the unit, which is on, with its ring and one page mapped */
static Toy *toy_new(void)
{
    Toy *toy = g_new0(Toy, 1);

    toy->image = rig_make_image();
    toy->unit.qts = toy_machine(toy->image, "");
    toy->unit.bus = qpci_new_pc(toy->unit.qts, NULL);
    toy->unit.next = FIRST_FREE;
    rig_throttle(toy->unit.qts);
    toy->root = unit_alloc(&toy->unit, 1);
    toy->ring = unit_alloc(&toy->unit, 1);
    toy->page = unit_alloc(&toy->unit, 1);
    toy_map(toy, RIG_RING_IOVA, toy->ring | UNIT_RW);
    toy_map(toy, RIG_DATA_IOVA, toy->page | UNIT_RW);
    toy_write(toy, XVT_ROOT, toy->root | DOMAIN);
    toy_inv(toy, XVT_INV_CONFIG);
    toy_write(toy, XVT_CTRL, XVT_CTRL_ENABLE);
    viommu_until(&toy->unit, !toy_busy(toy));
    toy->blk = vblk_new(&toy->unit, DEVFN, "disk", toy->ring, RIG_RING_IOVA);
    return toy;
}

static void toy_free(Toy *toy)
{
    vblk_free(toy->blk);
    qpci_free_pc(toy->unit.bus);
    qtest_quit(toy->unit.qts);
    unlink(toy->image);
    g_free(toy->image);
    g_free(toy);
}

/* One disk read to @iova, to its end; its status */
static uint8_t toy_disk_read(Toy *toy, uint64_t iova)
{
    unsigned n = vblk_submit(toy->blk, false, 0, iova, RIG_LEN);

    viommu_until(&toy->unit, (qtest_clock_step(toy->unit.qts, RIG_RELEASE_NS),
                              vblk_completed(toy->blk) > n));
    return vblk_result(toy->blk, n);
}

/* The check that a model is in the binary: Kconfig says nothing if it is not */
static void test_in_binary(void)
{
    QTestState *qts = qtest_init("-machine q35");
    QDict *answer = qtest_qmp(qts, "{'execute': 'qom-list-types', 'arguments':"
                              " {'implements': 'sys-bus-device'}}");
    const QListEntry *entry;
    bool found = false;

    QLIST_FOREACH_ENTRY(qdict_get_qlist(answer, "return"), entry) {
        const QDict *type = qobject_to(QDict, qlist_entry_obj(entry));

        found |= g_str_equal(qdict_get_str(type, "name"), TYPE_X_VIOMMU_TOY);
    }
    g_assert_true(found);
    qobject_unref(answer);
    qtest_quit(qts);
}

static void test_translate(void)
{
    Toy *toy = toy_new();

    g_assert_cmpint(toy_disk_read(toy, RIG_DATA_IOVA), ==, 0);
    g_assert_true(unit_is_filled(toy->unit.qts, toy->page, RIG_ON_DISK,
                                 RIG_LEN));
    g_assert_cmphex(toy_read(toy, XVT_FAULT), ==, 0);
    toy_free(toy);
}

/* Each reason that a table can give; the record says who, where and why. */
static void test_fault(void)
{
    static const struct {
        uint64_t entry;
        XVTReason reason;
    } cases[] = {
        { 0, XVT_R_ABSENT },
        { UNIT_R, XVT_R_PERMISSION },
        { UNIT_RW | 1ull << 48, XVT_R_RESERVED },
    };
    Toy *toy = toy_new();
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(cases); i++) {
        toy_map(toy, RIG_DATA_IOVA, toy->page | cases[i].entry);
        toy_inv(toy, XVT_INV_DOMAIN);
        viommu_until(&toy->unit, !toy_busy(toy));
        toy_disk_read(toy, RIG_DATA_IOVA);
        g_assert_cmphex(toy_read(toy, XVT_FAULT) & ~XVT_FAULT_MORE, ==,
                        XVT_FAULT_VALID | XVT_FAULT_WRITE |
                        cases[i].reason << XVT_FAULT_REASON_SHIFT | DEVFN);
        g_assert_cmphex(toy_read(toy, XVT_FAULT_IOVA) & ~0xfffull, ==,
                        RIG_DATA_IOVA);
        toy_write(toy, XVT_FAULT, 0);
        g_assert_cmphex(toy_read(toy, XVT_FAULT), ==, 0);
    }
    g_assert_true(unit_is_filled(toy->unit.qts, toy->page, 0, RIG_LEN));
    toy_free(toy);
}

/* A root that the unit cannot use blocks all DMA. */
static void test_blocked(void)
{
    Toy *toy = toy_new();

    toy_write(toy, XVT_ROOT, toy->root | DOMAIN | 1ull << 63);
    toy_inv(toy, XVT_INV_CONFIG);
    viommu_until(&toy->unit, !toy_busy(toy));
    vblk_submit(toy->blk, false, 0, RIG_DATA_IOVA, RIG_LEN);
    viommu_until(&toy->unit, toy_read(toy, XVT_FAULT));
    g_assert_cmphex(toy_read(toy, XVT_FAULT) >> XVT_FAULT_REASON_SHIFT & 0xff,
                    ==, XVT_R_ROOT);
    toy_free(toy);
}

/* @data: XVTInv; a request is in flight while its page is taken away. */
static void test_drain(const void *data)
{
    XVTInv what = GPOINTER_TO_INT(data);
    Toy *toy = toy_new();
    QTestState *qts = toy->unit.qts;

    /* The first one is let through at once; the second is not. */
    vblk_submit(toy->blk, false, 0, RIG_DATA_IOVA, RIG_LEN);
    viommu_until(&toy->unit, vblk_completed(toy->blk) == 1);
    viommu_fill(&toy->unit, toy->page, RIG_BEFORE, RIG_LEN);
    vblk_submit(toy->blk, false, 0, RIG_DATA_IOVA, RIG_LEN);
    viommu_until(&toy->unit, vblk_in_flight(toy->blk));
    toy_map(toy, RIG_DATA_IOVA, 0);

    /* Another page's does not wait; nor does one that is of nothing. */
    toy_write(toy, XVT_FIRST, RIG_SPARE_IOVA);
    toy_write(toy, XVT_LAST, RIG_SPARE_IOVA + UNIT_PAGE - 1);
    toy_inv(toy, XVT_INV_NOTHING);
    toy_inv(toy, XVT_INV_RANGE);
    viommu_until(&toy->unit, !toy_busy(toy));

    toy_write(toy, XVT_FIRST, RIG_DATA_IOVA);
    toy_write(toy, XVT_LAST, RIG_DATA_IOVA + UNIT_PAGE - 1);
    toy_inv(toy, what);
    unit_turns(qts);
    g_assert_true(toy_busy(toy));
    g_assert_true(unit_is_filled(qts, toy->page, RIG_BEFORE, RIG_LEN));
    qtest_clock_step(qts, RIG_RELEASE_NS);
    viommu_until(&toy->unit, !toy_busy(toy));
    g_assert_true(unit_is_filled(qts, toy->page, RIG_ON_DISK, RIG_LEN));
    toy_free(toy);
}

/* Two units for one bus, in either order: the second one is refused. */
static void test_second(void)
{
    static const char *const args[] = {
        "-machine q35 -device intel-iommu -device " TYPE_X_VIOMMU_TOY,
        "-machine q35 -device " TYPE_X_VIOMMU_TOY " -device intel-iommu",
    };
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(args); i++) {
        g_autofree char *said = unit_refused(args[i]);

        g_assert_nonnull(strstr(said, "is behind another vIOMMU; remove one"));
    }
}

static void test_reset(void)
{
    Toy *toy = toy_new();

    toy_write(toy, XVT_LAST, 1);
    qtest_system_reset(toy->unit.qts);
    g_assert_cmphex(toy_read(toy, XVT_CTRL), ==, 0);
    g_assert_cmphex(toy_read(toy, XVT_STATUS), ==, 0);
    g_assert_cmphex(toy_read(toy, XVT_ROOT), ==, 0);
    g_assert_cmphex(toy_read(toy, XVT_LAST), ==, 0);
    toy_free(toy);
}

/* With a fault, and a drain that the source ends before its state is saved */
static void test_migrate(void)
{
    Toy *toy = toy_new();
    QTestState *to = toy_machine(toy->image, "-incoming defer");
    uint64_t fault;

    /* This one is not held; the next one is. */
    vblk_submit(toy->blk, false, 0, RIG_DATA_IOVA + UNIT_PAGE, RIG_LEN);
    viommu_until(&toy->unit, vblk_completed(toy->blk) == 1);
    fault = toy_read(toy, XVT_FAULT);
    g_assert_cmphex(fault, !=, 0);
    vblk_submit(toy->blk, false, 0, RIG_DATA_IOVA, RIG_LEN);
    viommu_until(&toy->unit, vblk_in_flight(toy->blk) == 1);
    toy_map(toy, RIG_DATA_IOVA, 0);
    toy_inv(toy, XVT_INV_DOMAIN);
    g_assert_true(toy_busy(toy));

    unit_load(to, unit_save(toy->unit.qts));
    qpci_free_pc(toy->unit.bus);
    qtest_quit(toy->unit.qts);
    toy->unit.qts = to;
    toy->unit.bus = qpci_new_pc(to, NULL);
    toy->blk->pci->pdev->bus = toy->unit.bus;
    qtest_qmp_assert_success(to, "{'execute': 'cont'}");
    g_assert_false(toy_busy(toy));
    g_assert_cmphex(toy_read(toy, XVT_FAULT), ==, fault);
    g_assert_true(unit_is_filled(to, toy->page, RIG_ON_DISK, RIG_LEN));

    /* It translates by the table that came along. */
    toy_map(toy, RIG_DATA_IOVA, toy->page | UNIT_RW);
    toy_inv(toy, XVT_INV_DOMAIN);
    viommu_until(&toy->unit, !toy_busy(toy));
    viommu_fill(&toy->unit, toy->page, RIG_BEFORE, RIG_LEN);
    g_assert_cmpint(toy_disk_read(toy, RIG_DATA_IOVA), ==, 0);
    g_assert_true(unit_is_filled(to, toy->page, RIG_ON_DISK, RIG_LEN));
    toy_free(toy);
}

/* A model that says little of itself can be asked all the same. */
static void test_query(void)
{
    Toy *toy = toy_new();
    QDict *answer, *about;

    answer = qtest_qmp(toy->unit.qts, "{'execute': 'query-viommu'}");
    about = qobject_to(QDict, qlist_peek(qdict_get_qlist(answer, "return")));
    g_assert_cmpstr(qdict_get_str(about, "model"), ==, "toy");
    g_assert_cmphex(qdict_get_int(about, "root"), ==, toy->root);
    qobject_unref(answer);

    answer = qtest_qmp_assert_success_ref(toy->unit.qts,
        "{'execute': 'viommu-translate', 'arguments': {'device': 'disk',"
        " 'iova': %" PRIu64 "}}", (uint64_t)RIG_DATA_IOVA);
    g_assert_cmphex(qdict_get_int(answer, "address"), ==, toy->page);
    g_assert_cmpint(qlist_size(qdict_get_qlist(answer, "walk")), ==, 3);
    about = qobject_to(QDict, qlist_peek(qdict_get_qlist(answer, "domain")));
    g_assert_cmpstr(qdict_get_str(about, "name"), ==, "DOMAIN");
    g_assert_cmpint(qdict_get_int(about, "value"), ==, DOMAIN);
    qobject_unref(answer);

    toy_map(toy, RIG_DATA_IOVA, 0);
    answer = qtest_qmp_assert_success_ref(toy->unit.qts,
        "{'execute': 'viommu-translate', 'arguments': {'device': 'disk',"
        " 'iova': %" PRIu64 "}}", (uint64_t)RIG_DATA_IOVA);
    about = qdict_get_qdict(answer, "fault");
    g_assert_cmpstr(qdict_get_str(about, "reason"), ==,
                    "the page is not mapped");
    qobject_unref(answer);
    toy_free(toy);
}

/* What every model has says what it is about. */
static void test_help(void)
{
    unit_assert_help("x-viommu-toy", 7);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("viommu/toy/in-binary", test_in_binary);
    qtest_add_func("viommu/toy/help", test_help);
    qtest_add_func("viommu/toy/translate", test_translate);
    qtest_add_func("viommu/toy/fault", test_fault);
    qtest_add_func("viommu/toy/blocked", test_blocked);
    qtest_add_data_func("viommu/toy/drain/domain",
                        GINT_TO_POINTER(XVT_INV_DOMAIN), test_drain);
    qtest_add_data_func("viommu/toy/drain/range",
                        GINT_TO_POINTER(XVT_INV_RANGE), test_drain);
    qtest_add_func("viommu/toy/query", test_query);
    qtest_add_func("viommu/toy/reset", test_reset);
    qtest_add_func("viommu/toy/second", test_second);
    qtest_add_func("viommu/toy/migrate", test_migrate);
    return g_test_run();
}

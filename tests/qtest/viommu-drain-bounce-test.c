/*
 * dma-mode=bounce: no invalidation waits, and no DMA is ever stale
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a device reads is copied when the request is submitted; what it writes
 * is stored through the translation that holds when the request ends.
 */
#include "qemu/osdep.h"
#include "viommu-rig.h"

typedef struct Case {
    unsigned form;
    UnitScope scope;
    bool is_write;           /* a disk write: the device reads memory */
    bool iothread;
} Case;

static Rig *bouncing_rig(const Case *c)
{
    RigOptions opt = {
        .form = c->form, .iothread = c->iothread, .props = "dma-mode=bounce",
    };

    return rig_new(&opt);
}

static void test_unmapped(const void *opaque)
{
    const Case *c = opaque;
    Rig *rig = bouncing_rig(c);

    rig_hold(rig, c->is_write, rig->data_iova);
    rig_unmap(rig, c->scope);
    rig_assert_done(rig);
    viommu_fill(rig->unit, rig->page, RIG_REUSED, RIG_LEN);
    rig_release(rig);
    g_assert_true(viommu_is_filled(rig->unit, rig->page, RIG_REUSED, RIG_LEN));
    if (c->is_write) {
        g_assert_true(rig_disk_is(rig, RIG_BEFORE));
        rig->unit->ops->assert_no_fault(rig->unit);
    } else {
        /* The data came too late: there is no such page any more. */
        rig->unit->ops->assert_fault(rig->unit, rig->sid, false,
                                     rig->data_iova);
    }
    rig_free(rig);
}

/* The table leads elsewhere by then: that is where the data goes. */
static void test_moved(const void *opaque)
{
    const Case *c = opaque;
    Rig *rig = bouncing_rig(c);
    uint64_t page = unit_alloc(rig->unit, 1);

    viommu_fill(rig->unit, page, RIG_REUSED, RIG_LEN);
    rig_hold(rig, c->is_write, rig->data_iova);
    rig->unit->ops->map(rig->unit, rig->space, rig->data_iova, page, UNIT_PAGE,
                        UNIT_RW);
    rig_inv(rig, c->scope, rig->space, rig->data_iova, 0);
    rig_assert_done(rig);
    rig_release(rig);
    g_assert_true(viommu_is_filled(rig->unit, rig->page, RIG_BEFORE, RIG_LEN));
    if (c->is_write) {
        g_assert_true(rig_disk_is(rig, RIG_BEFORE));
    } else {
        g_assert_true(viommu_is_filled(rig->unit, page, RIG_ON_DISK, RIG_LEN));
    }
    rig->unit->ops->assert_no_fault(rig->unit);
    rig_free(rig);
}

/* Nothing changes: an ordinary request, and more than a page at a time. */
static void test_unchanged(const void *opaque)
{
    const Case *c = opaque;
    Rig *rig = bouncing_rig(c);

    rig_hold(rig, c->is_write, rig->data_iova);
    rig_release(rig);
    if (c->is_write) {
        g_assert_true(rig_disk_is(rig, RIG_BEFORE));
    } else {
        g_assert_true(viommu_is_filled(rig->unit, rig->page, RIG_ON_DISK,
                                       RIG_LEN));
    }
    rig->unit->ops->assert_no_fault(rig->unit);
    rig_free(rig);
}

/* A page that the device may only write: that is enough for a disk read. */
static void test_write_only(void)
{
    Case c = { .form = unit_ops()->write_only_form };
    Rig *rig = bouncing_rig(&c);

    rig->unit->ops->map(rig->unit, rig->space, rig->data_iova, rig->page,
                        UNIT_PAGE, UNIT_W);
    unit_inv(rig->unit, c.form, UNIT_ALL, rig->space, 0, 0);
    rig_hold(rig, false, rig->data_iova);
    rig->unit->ops->assert_no_fault(rig->unit);
    rig_release(rig);
    g_assert_true(viommu_is_filled(rig->unit, rig->page, RIG_ON_DISK, RIG_LEN));
    rig->unit->ops->assert_no_fault(rig->unit);
    rig_free(rig);
}

/* A device that writes less than it says leaves the rest as it was. */
static void test_short(void)
{
    static const char serial[] = "VIOMMU-SERIAL";
    RigOptions opt = {
        .form = unit_ops()->queue_form, .props = "dma-mode=bounce",
        .args = "-global virtio-blk-device.serial=VIOMMU-SERIAL",
    };
    Rig *rig = rig_new(&opt);
    Unit *unit = rig->unit;
    char got[sizeof(serial)];

    g_assert_cmpint(vblk_submit_id(rig->blk, rig->data_iova, RIG_LEN), ==, 1);
    viommu_until(unit, vblk_completed(rig->blk) == 2);
    g_assert_cmpint(vblk_result(rig->blk, 1), ==, 0);
    qtest_memread(unit->qts, rig->page, got, sizeof(got));
    g_assert_cmpmem(got, sizeof(got), serial, sizeof(serial));
    g_assert_true(viommu_is_filled(unit, rig->page + sizeof(serial), RIG_BEFORE,
                                   RIG_LEN - sizeof(serial)));
    unit->ops->assert_no_fault(unit);
    rig_free(rig);
}

/*
 * Very many maps at once: to make and to end each of them, only few of the
 * others are looked at.
 */
#define MANY            1000
#define MANY_LOOKED     100      /* for each; one after the other: 500 */
#define TABLE_IOVA      0x30000000ULL
#define TABLE_PAGES     4

/* How many had been looked at when @log was written last, for all so far */
static uint64_t looked_at(const char *log, unsigned *maps)
{
    g_autofree char *text = NULL;
    const char *at;
    uint64_t looked;

    g_assert_true(g_file_get_contents(log, &text, NULL, NULL));
    at = g_strrstr(text, "dma_inflight_bounces ");
    g_assert_nonnull(at);
    at = strstr(at, " maps ");
    g_assert_nonnull(at);
    g_assert_cmpint(sscanf(at, " maps %u looked %" SCNu64, maps, &looked), ==,
                    2);
    return looked;
}

static void test_many(void)
{
    g_autofree char *log = NULL;
    g_autofree char *args = NULL;
    RigOptions opt = {
        .form = unit_ops()->queue_form, .props = "dma-mode=bounce",
        .image_size = 1 << 20,
    };
    int fd = g_file_open_tmp("viommu-log-XXXXXX", &log, NULL);
    uint64_t before, pages, table;
    unsigned i, maps;
    Rig *rig;

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    opt.args = args = g_strdup_printf("-trace dma_inflight_bounces -D %s", log);
    rig = rig_new(&opt);
    pages = unit_alloc(rig->unit, MANY);
    table = unit_alloc(rig->unit, TABLE_PAGES);
    for (i = 0; i < MANY; i++) {
        rig->unit->ops->map(rig->unit, rig->space,
                            rig->data_iova + i * UNIT_PAGE,
                            pages + i * UNIT_PAGE, UNIT_PAGE, UNIT_RW);
    }
    for (i = 0; i < TABLE_PAGES; i++) {
        rig->unit->ops->map(rig->unit, rig->space, TABLE_IOVA + i * UNIT_PAGE,
                            table + i * UNIT_PAGE, UNIT_PAGE, UNIT_R);
    }
    unit_inv(rig->unit, opt.form, UNIT_ALL, rig->space, 0, 0);
    before = looked_at(log, &maps);
    g_assert_cmpuint(maps, ==, 0);
    vblk_submit_spread(rig->blk, rig->data_iova, MANY, TABLE_IOVA, table);
    viommu_until(rig->unit, vblk_in_flight(rig->blk) == 1);
    looked_at(log, &maps);
    g_assert_cmpuint(maps, >=, MANY);
    rig_release(rig);
    before = looked_at(log, &maps) - before;
    g_assert_cmpuint(maps, ==, 0);
    g_test_message("looked at %" PRIu64, before);
    g_assert_cmpuint(before, <, MANY * MANY_LOOKED);
    rig_free(rig);
    unlink(log);
}

typedef struct Test {
    const char *name;
    void (*fn)(const void *opaque);
} Test;

static void add(const Test *t, unsigned form, bool is_write, bool iothread)
{
    Case *c = g_new0(Case, 1);
    g_autofree char *path = NULL;

    *c = (Case) {
        .form = form, .scope = form & 1 ? UNIT_SPACE : UNIT_RANGE,
        .is_write = is_write, .iothread = iothread,
    };
    path = g_strdup_printf("/viommu/bounce/%s/%s/%s/%s", t->name,
                           unit_ops()->forms[form],
                           is_write ? "disk-write" : "disk-read",
                           iothread ? "iothread" : "main-loop");
    qtest_add_data_func_full(path, c, t->fn, g_free);
}

int main(int argc, char **argv)
{
    static const Test tests[] = {
        { "unmapped", test_unmapped },
        { "moved", test_moved },
        { "unchanged", test_unchanged },
    };
    unsigned form, i, t;

    g_test_init(&argc, &argv, NULL);
    qtest_add_func("/viommu/bounce/write-only", test_write_only);
    qtest_add_func("/viommu/bounce/short", test_short);
    qtest_add_func("/viommu/bounce/many", test_many);
    for (t = 0; t < G_N_ELEMENTS(tests); t++) {
        for (form = 0; unit_ops()->forms[form]; form++) {
            for (i = 0; *unit_ops()->forms[form] && i < 4; i++) {
                add(&tests[t], form, i & 2, i & 1);
            }
        }
    }
    return g_test_run();
}

/*
 * A machine moves, whatever its vIOMMU is: between two of ours, and to and from
 * stock QEMU where that has the device with the same stream
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * VIOMMU_PEER names the stock emulator; without it, only ours is tried.  A
 * drain that is pending meanwhile is viommu-drain-life-test's; what is one
 * model's own, that of its own migration test.
 */
#include "qemu/osdep.h"
#include "viommu-rig.h"

#define BINARY "QTEST_QEMU_BINARY"

typedef struct Hop {
    bool from_stock, to_stock;
    unsigned form;
} Hop;

/* What software reads where the unit's registers are; NULL: nowhere */
static uint8_t *registers(const UnitOps *ops, QTestState *qts)
{
    uint8_t *data;

    if (!ops->regs_size) {
        return NULL;
    }
    data = g_malloc(ops->regs_size);
    qtest_memread(qts, ops->regs, data, ops->regs_size);
    return data;
}

static void assert_same(const UnitOps *ops, const uint8_t *was,
                        const uint8_t *is)
{
    unsigned i;

    for (i = 0; i < ops->regs_size; i += 4) {
        if (memcmp(was + i, is + i, 4)) {
            g_test_message("register 0x%x", i);
            g_test_fail();
        }
    }
}

static void command(Rig *rig, const char *name)
{
    qtest_qmp_assert_success(rig->unit->qts, "{'execute': %s}", name);
}

/* A read of the disk gets to the page under test. */
static void see_request(Rig *rig)
{
    unsigned n = rig->blk->submitted;

    viommu_fill(rig->unit, rig->page, RIG_BEFORE, RIG_LEN);
    vblk_submit(rig->blk, false, RIG_SECTOR, rig->data_iova, RIG_LEN);
    viommu_until(rig->unit, vblk_completed(rig->blk) == n + 1);
    g_assert_cmpint(vblk_result(rig->blk, n), ==, 0);
    g_assert_true(viommu_is_filled(rig->unit, rig->page, RIG_ON_DISK,
                                   RIG_LEN));
}

/* The guest takes the page away, and the device faults. */
static void see_unmap(Rig *rig)
{
    viommu_fill(rig->unit, rig->page, RIG_BEFORE, RIG_LEN);
    rig_unmap(rig, UNIT_RANGE);
    rig_inv_wait(rig);
    vblk_submit(rig->blk, false, RIG_SECTOR, rig->data_iova, RIG_LEN);
    viommu_turns(rig->unit);
    g_assert_true(viommu_is_filled(rig->unit, rig->page, RIG_BEFORE, RIG_LEN));
}

/* The machine goes on in @to, where nothing has run yet. */
static void move(Rig *rig, QTestState *to)
{
    unit_load(to, unit_save(rig->unit->qts));
    rig_adopt(rig, to);
}

static void test_hop(const void *opaque)
{
    const Hop *hop = opaque;
    const UnitOps *ops = unit_ops();
    g_autofree char *ours = g_strdup(g_getenv(BINARY));
    const char *stock = g_getenv("VIOMMU_PEER");
    RigOptions opt = { .form = hop->form, .fast = true };
    g_autofree uint8_t *was = NULL, *is = NULL;
    QTestState *to;
    Rig *rig;

    if ((hop->from_stock || hop->to_stock) && !stock) {
        g_test_skip("VIOMMU_PEER is not set");
        return;
    }
    g_setenv(BINARY, hop->from_stock ? stock : ours, true);
    rig = rig_new(&opt);
    g_setenv(BINARY, hop->to_stock ? stock : ours, true);
    to = rig_target(rig);
    g_setenv(BINARY, ours, true);

    see_request(rig);
    was = registers(ops, rig->unit->qts);
    move(rig, to);
    if (!hop->from_stock && !hop->to_stock) {
        is = registers(ops, to);
        assert_same(ops, was, is);
    }
    command(rig, "cont");
    see_request(rig);
    see_unmap(rig);
    g_assert_true(ops->drop_faults(rig->unit, rig->sid));
    rig_free(rig);
}

/* There, and back to a machine that is like the first one */
static void test_back(const void *opaque)
{
    const RigOptions *given = opaque;
    RigOptions opt = { .form = given->form, .fast = true };
    Rig *rig = rig_new(&opt);
    unsigned i;

    for (i = 0; i < 2; i++) {
        move(rig, rig_target(rig));
        command(rig, "cont");
        see_request(rig);
    }
    see_unmap(rig);
    g_assert_true(rig->unit->ops->drop_faults(rig->unit, rig->sid));
    rig_free(rig);
}

/* Translation is off: the device uses guest-physical addresses there, too. */
static void test_off(const void *opaque)
{
    const RigOptions *given = opaque;
    RigOptions opt = {
        .form = given->form, .fast = true, .untranslated = true,
    };
    Rig *rig = rig_new(&opt);

    see_request(rig);
    move(rig, rig_target(rig));
    command(rig, "cont");
    see_request(rig);
    rig_free(rig);
}

/* A fault that the guest has not taken yet is there for it to take. */
static void test_fault(const void *opaque)
{
    const RigOptions *given = opaque;
    RigOptions opt = { .form = given->form, .fast = true };
    Rig *rig = rig_new(&opt);

    see_unmap(rig);
    move(rig, rig_target(rig));
    rig->unit->ops->assert_fault(rig->unit, rig->sid, false, rig->data_iova);
    command(rig, "cont");
    rig->unit->ops->assert_no_fault(rig->unit);
    rig_free(rig);
}

static void add_hop(bool from_stock, bool to_stock, unsigned form)
{
    Hop *hop = g_new0(Hop, 1);
    g_autofree char *path = g_strdup_printf(
        "/viommu/migrate/%s/%s-to-%s", unit_ops()->forms[form],
        from_stock ? "stock" : "ours", to_stock ? "stock" : "ours");

    *hop = (Hop) { from_stock, to_stock, form };
    qtest_add_data_func_full(path, hop, test_hop, g_free);
}

static void add_form(const char *name, unsigned form,
                     void (*fn)(const void *opaque))
{
    g_autofree char *path = g_strdup_printf("/viommu/migrate/%s/%s",
                                            unit_ops()->forms[form], name);
    RigOptions *opt = g_new0(RigOptions, 1);

    opt->form = form;
    qtest_add_data_func_full(path, opt, fn, g_free);
}

/* What is not about the form's own state is seen in one of them. */
int main(int argc, char **argv)
{
    unsigned form, one;

    g_test_init(&argc, &argv, NULL);
    one = unit_ops()->queue_form;
    for (form = 0; unit_ops()->forms[form]; form++) {
        add_hop(false, false, form);
        add_form("fault", form, test_fault);
    }
    if (unit_ops()->stock_stream) {
        add_hop(true, false, one);
        add_hop(false, true, one);
    }
    add_form("back", one, test_back);
    add_form("off", one, test_off);
    return g_test_run();
}

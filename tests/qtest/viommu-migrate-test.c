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
#include "viommu-move.h"

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

static void test_move(const void *opaque)
{
    const Move *move = opaque;
    const UnitOps *ops = unit_ops();
    g_autofree uint8_t *was = NULL, *is = NULL;
    QTestState *to;
    Rig *rig = move_begin(move, &to);

    if (!rig) {
        return;
    }
    move_see_request(rig);
    was = registers(ops, rig->unit->qts);
    move_to(rig, to);
    if (!move->from_stock && !move->to_stock) {
        is = registers(ops, to);
        assert_same(ops, was, is);
    }
    move_go_on(rig);
    move_see_request(rig);
    move_see_unmap(rig);
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
        move_to(rig, rig_target(rig));
        move_go_on(rig);
        move_see_request(rig);
    }
    move_see_unmap(rig);
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

    move_see_request(rig);
    move_to(rig, rig_target(rig));
    move_go_on(rig);
    move_see_request(rig);
    rig_free(rig);
}

/* A fault that the guest has not taken yet is there for it to take. */
static void test_fault(const void *opaque)
{
    const RigOptions *given = opaque;
    RigOptions opt = { .form = given->form, .fast = true };
    Rig *rig = rig_new(&opt);

    move_see_unmap(rig);
    move_to(rig, rig_target(rig));
    rig->unit->ops->assert_fault(rig->unit, rig->sid, false, rig->data_iova);
    move_go_on(rig);
    rig->unit->ops->assert_no_fault(rig->unit);
    rig_free(rig);
}

static void add_move(bool from_stock, bool to_stock, unsigned form)
{
    g_autofree char *group = g_strdup_printf("/viommu/migrate/%s",
                                             unit_ops()->forms[form]);

    move_add(group, from_stock, to_stock, form, test_move);
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
        add_move(false, false, form);
        add_form("fault", form, test_fault);
    }
    if (unit_ops()->stock_stream) {
        add_move(true, false, one);
        add_move(false, true, one);
    }
    add_form("back", one, test_back);
    add_form("off", one, test_off);
    return g_test_run();
}

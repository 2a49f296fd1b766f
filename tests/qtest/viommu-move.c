/*
 * The rig moves: what the tests of migration have in common
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "viommu-move.h"

#define BINARY "QTEST_QEMU_BINARY"

Rig *move_begin(const Move *move, QTestState **to)
{
    g_autofree char *ours = g_strdup(g_getenv(BINARY));
    const char *stock = g_getenv("VIOMMU_PEER");
    RigOptions opt = { .form = move->form, .fast = true };
    Rig *rig;

    if ((move->from_stock || move->to_stock) && !stock) {
        g_test_skip("VIOMMU_PEER is not set");
        return NULL;
    }
    g_setenv(BINARY, move->from_stock ? stock : ours, true);
    rig = rig_new(&opt);
    g_setenv(BINARY, move->to_stock ? stock : ours, true);
    *to = rig_target(rig);
    g_setenv(BINARY, ours, true);
    return rig;
}

void move_to(Rig *rig, QTestState *to)
{
    unit_load(to, unit_save(rig->unit->qts));
    rig_adopt(rig, to);
}

void move_go_on(Rig *rig)
{
    qtest_qmp_assert_success(rig->unit->qts, "{'execute': 'cont'}");
}

void move_see_request(Rig *rig)
{
    unsigned n = rig->blk->submitted;

    viommu_fill(rig->unit, rig->page, RIG_BEFORE, RIG_LEN);
    vblk_submit(rig->blk, false, RIG_SECTOR, rig->data_iova, RIG_LEN);
    viommu_until(rig->unit, vblk_completed(rig->blk) == n + 1);
    g_assert_cmpint(vblk_result(rig->blk, n), ==, 0);
    g_assert_true(viommu_is_filled(rig->unit, rig->page, RIG_ON_DISK,
                                   RIG_LEN));
}

void move_see_unmap(Rig *rig)
{
    viommu_fill(rig->unit, rig->page, RIG_BEFORE, RIG_LEN);
    rig_unmap(rig, UNIT_RANGE);
    rig_inv_wait(rig);
    vblk_submit(rig->blk, false, RIG_SECTOR, rig->data_iova, RIG_LEN);
    viommu_turns(rig->unit);
    g_assert_true(viommu_is_filled(rig->unit, rig->page, RIG_BEFORE, RIG_LEN));
}

void move_add(const char *group, bool from_stock, bool to_stock, unsigned form,
              void (*fn)(const void *opaque))
{
    g_autofree char *path = g_strdup_printf("%s/%s-to-%s", group,
                                            from_stock ? "stock" : "ours",
                                            to_stock ? "stock" : "ours");
    Move *move = g_new(Move, 1);

    *move = (Move) { from_stock, to_stock, form };
    qtest_add_data_func_full(path, move, fn, g_free);
}

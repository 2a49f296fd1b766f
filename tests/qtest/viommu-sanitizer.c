/*
 * What a sanitizer has found: what its tests share
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qobject/qlist.h"
#include "viommu-sanitizer.h"

RigOptions san_options(const char *props, const char *args)
{
    return (RigOptions) {
        .form = unit_ops()->queue_form, .props = props, .args = args,
    };
}

Rig *san_rig(const char *props)
{
    RigOptions opt = san_options(props, NULL);

    return rig_new(&opt);
}

QDict *san_unit(Rig *rig)
{
    QDict *answer = qtest_qmp(rig->unit->qts, "{'execute': 'query-viommu'}");
    QDict *info = qobject_to(QDict,
                             qlist_pop(qdict_get_qlist(answer, "return")));

    g_assert_nonnull(info);
    qobject_unref(answer);
    return info;
}

unsigned san_count(Rig *rig)
{
    QDict *info = san_unit(rig);
    unsigned n = qlist_size(qdict_get_qlist(info, "findings"));

    qobject_unref(info);
    return n;
}

uint64_t san_stale(Rig *rig, const char *name)
{
    QDict *info = san_unit(rig);
    uint64_t n = qdict_get_int(qdict_get_qdict(info, "stale"), name);

    qobject_unref(info);
    return n;
}

void san_refused(Rig *rig, uint64_t iova)
{
    Unit *unit = rig->unit;
    unsigned i;

    vblk_submit(rig->blk, false, RIG_SECTOR, iova, SAN_LEN);
    for (i = 0; i < VIOMMU_TRIES && !unit->ops->drop_faults(unit, rig->sid);
         i++) {
        unit_turn(unit->qts);
    }
    viommu_turns(unit);
    /* It may have been tried in pieces. */
    unit->ops->drop_faults(unit, rig->sid);
}

void san_settle(Rig *rig)
{
    Unit *unit = rig->unit;

    rig_step(rig, SAN_LONG);
    viommu_until(unit, vblk_completed(rig->blk) == rig->blk->submitted);
    unit->ops->drop_faults(unit, rig->sid);
}

void san_allowed(Rig *rig, uint64_t iova)
{
    /* After a quiet second it is not held. */
    vblk_submit(rig->blk, true, RIG_SECTOR, iova, RIG_LEN);
    viommu_turns(rig->unit);
    rig_release(rig);
    rig->unit->ops->assert_no_fault(rig->unit);
}

void san_map(Rig *rig, uint64_t iova, uint64_t gpa, unsigned perms)
{
    rig->unit->ops->map(rig->unit, rig->space, iova, gpa, UNIT_PAGE, perms);
}

void san_map_new(Rig *rig, uint64_t iova, uint64_t gpa, unsigned perms)
{
    san_map(rig, iova, gpa, perms);
    if (g_str_equal(unit_ops()->name, "amd")) {
        /* NpCache */
        rig_inv(rig, UNIT_RANGE, rig->space, iova, 0);
        rig_inv_wait(rig);
    }
}

void san_unmap(Rig *rig, uint64_t iova, UnitScope scope)
{
    unit_unmap(rig->unit, rig->space, iova);
    rig_inv(rig, scope, rig->space, iova, 0);
    rig_inv_wait(rig);
}

static void assert_said(const QDict *one, const SanFinding *want)
{
    const char *message = qdict_get_str(one, "message");

    g_assert_cmpstr(qdict_get_str(one, "kind"), ==, want->kind);
    g_assert_cmpstr(qdict_get_try_str(one, "device"), ==,
                    want->no_device ? NULL : want->device ?: "disk");
    g_assert_cmpint(qdict_haskey(one, "type"), ==, !want->no_device);
    g_assert_cmpint(qdict_haskey(one, "address"), ==, !want->no_device);
    g_assert_cmpint(qdict_haskey(one, "iova"), ==, !want->no_iova);
    g_assert_cmphex(qdict_get_try_int(one, "iova", 0), ==, want->iova);
    g_assert_cmpint(qdict_haskey(one, "write"), ==,
                    want->access != SAN_NEITHER);
    g_assert_cmpint(qdict_get_try_bool(one, "write", false), ==,
                    want->access == SAN_WRITE);
    g_assert_true(!want->words || strstr(message, want->words));
    g_assert_true(!want->more || strstr(message, want->more));
}

void san_assert(Rig *rig, const SanFinding *want)
{
    QDict *info = san_unit(rig), *event;
    QList *list = qdict_get_qlist(info, "findings");
    QDict *one = qobject_to(QDict, qlist_peek(list));

    g_assert_cmpint(qlist_size(list), ==, 1);
    g_test_message("%s", qdict_get_str(one, "message"));
    assert_said(one, want);
    g_assert_cmpint(qdict_get_int(one, "count"), >=, 1);
    event = qtest_qmp_eventwait_ref(rig->unit->qts, "VIOMMU_SANITIZER");
    assert_said(qdict_get_qdict(event, "data"), want);
    qobject_unref(event);
    qobject_unref(info);
}

void san_assert_none(Rig *rig)
{
    rig_step(rig, SAN_LONG);
    g_assert_cmpint(san_count(rig), ==, 0);
    g_assert_null(qtest_qmp_event_ref(rig->unit->qts, "VIOMMU_SANITIZER"));
}

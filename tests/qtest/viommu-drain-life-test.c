/*
 * A drain that is pending when something happens to the machine or the device
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Reset, stop, migration, unplug and another bus number; and what an operator
 * hears of a backend that does not answer (the stall event) or decides about it
 * (drain-timeout).
 */
#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "standard-headers/linux/pci_regs.h"
#include "standard-headers/linux/virtio_config.h"
#include "viommu-plug.h"
#include "viommu-rig.h"

#define STALL_EVENT     "VIOMMU_DRAIN_STALLED"
#define ABANDON_EVENT   "VIOMMU_DRAIN_ABANDONED"

static void command(Unit *unit, const char *name)
{
    qtest_qmp_assert_success(unit->qts, "{'execute': %s}", name);
}

/* A request in flight, its page gone, the invalidation waiting for it. */
static Rig *make_pending(const RigOptions *opt)
{
    Rig *rig = rig_new(opt);

    rig_hold(rig, false, rig->data_iova);
    rig_unmap(rig, UNIT_SPACE);
    rig_assert_pending(rig);
    return rig;
}

static void see_another_drain(Rig *rig)
{
    rig_hold(rig, false, rig->data_iova);
    rig_unmap(rig, UNIT_RANGE);
    rig_assert_pending(rig);
    rig_release(rig);
    rig_inv_wait(rig);
}

static void test_reset(const void *opaque)
{
    Rig *rig = make_pending(opaque);
    Unit *unit = rig->unit;

    unit->ops->reset(unit);
    unit->ops->assert_reset(unit);
    /* What was cancelled must not complete into the new life. */
    rig_step(rig, RIG_RELEASE_NS);
    unit->ops->assert_reset(unit);
    unit->ops->assert_cancelled(unit, rig->opt.form);

    rig_restart(rig);
    see_another_drain(rig);
    rig_free(rig);
}

/* Stopping waits for the disk, so the drain is over when the guest goes on. */
static void test_stop(const void *opaque)
{
    Rig *rig = make_pending(opaque);

    command(rig->unit, "stop");
    command(rig->unit, "cont");
    rig_inv_wait(rig);
    g_assert_true(viommu_is_filled(rig->unit, rig->page, RIG_ON_DISK, RIG_LEN));
    viommu_until(rig->unit, vblk_completed(rig->blk) == 2);
    rig->unit->ops->assert_no_fault(rig->unit);
    rig_free(rig);
}

/* The machine's state is in @file; what was pending there is over here. */
static void go_on_in(Rig *rig, QTestState *to, char *file)
{
    unit_load(to, file);
    rig_adopt(rig, to);
    command(rig->unit, "cont");
    unit_inv_wait(rig->unit, rig->opt.form);
    g_assert_true(viommu_is_filled(rig->unit, rig->page, RIG_ON_DISK,
                                   RIG_LEN));
}

/* The drain is finished before the state is saved; the queue goes on after. */
static void test_migrate(const void *opaque)
{
    Rig *rig = make_pending(opaque);
    QTestState *to = rig_peer(rig);
    char *file = unit_save(rig->unit->qts);
    Unit *unit;

    /* The source's page is final as soon as its state is on the way. */
    g_assert_true(viommu_is_filled(rig->unit, rig->page, RIG_ON_DISK, RIG_LEN));

    go_on_in(rig, to, file);
    if (g_getenv("VIOMMU_DRAIN_PEER")) {
        /* It has no drain; and back from there. */
        to = rig_target(rig);
        go_on_in(rig, to, unit_save(rig->unit->qts));
    }
    unit = rig->unit;

    /* Go on there: no IOTLB came along, and the queue still works. */
    rig_throttle(to);
    unit->ops->map(unit, rig->space, rig->data_iova, rig->page, UNIT_PAGE,
                   UNIT_RW);
    vblk_submit(rig->blk, false, 0, RIG_SPARE_IOVA, RIG_LEN);
    viommu_until(unit, vblk_completed(rig->blk) == 3);
    see_another_drain(rig);
    unit->ops->assert_no_fault(unit);
    rig_free(rig);
}

/* Returns: did it reach @page? */
static bool reads_to(Rig *rig, uint64_t page)
{
    unsigned n = rig->blk->submitted;

    viommu_fill(rig->unit, page, RIG_BEFORE, RIG_LEN);
    vblk_submit(rig->blk, false, RIG_SECTOR, rig->data_iova, RIG_LEN);
    qtest_clock_step(rig->unit->qts, RIG_RELEASE_NS);
    viommu_until(rig->unit, vblk_completed(rig->blk) == n + 1);
    g_assert_cmpint(vblk_result(rig->blk, n), ==, 0);
    return viommu_is_filled(rig->unit, page, RIG_ON_DISK, RIG_LEN);
}

/*
 * Its bus has a number there only when the bridge's state has come, which is
 * after the unit's.
 */
static void test_migrate_behind(void)
{
    const RigOptions opt = {
        .form = unit_ops()->queue_form, .behind_port = true,
    };
    Rig *rig = rig_new(&opt);
    QTestState *to = rig_target(rig);

    unit_load(to, unit_save(rig->unit->qts));
    rig_adopt(rig, to);
    command(rig->unit, "cont");
    g_assert_true(reads_to(rig, rig->page));
    rig->unit->ops->assert_no_fault(rig->unit);
    rig_free(rig);
}

/*
 * What is cached of a requester goes by its ID: with another one, and without
 * any invalidation, what is configured for that applies, and back again.
 */
static void test_renumbered(void)
{
    const RigOptions opt = {
        .form = unit_ops()->queue_form, .behind_port = true,
    };
    const UnitOps *ops = unit_ops();
    uint64_t page;
    uint8_t bus;
    Rig *rig;

    if (ops->by_request) {
        g_test_skip("nothing has the other ID beforehand");
        return;
    }
    rig = rig_new(&opt);
    page = unit_alloc(rig->unit, 1);
    bus = (rig->sid >> 8) + 1;
    ops->map(rig->unit, rig->other, RIG_RING_IOVA, rig->ring, UNIT_PAGE,
             UNIT_RW);
    ops->map(rig->unit, rig->other, rig->data_iova, page, UNIT_PAGE, UNIT_RW);
    ops->attach(rig->unit, bus << 8, rig->other);
    g_assert_true(reads_to(rig, rig->page));

    viommu_fill(rig->unit, rig->page, RIG_REUSED, RIG_LEN);
    qpci_config_writeb(rig->port, PCI_SUBORDINATE_BUS, bus);
    qpci_config_writeb(rig->port, PCI_SECONDARY_BUS, bus);
    g_assert_true(reads_to(rig, page));
    g_assert_true(viommu_is_filled(rig->unit, rig->page, RIG_REUSED, RIG_LEN));

    viommu_fill(rig->unit, page, RIG_REUSED, RIG_LEN);
    qpci_config_writeb(rig->port, PCI_SECONDARY_BUS, bus - 1);
    g_assert_true(reads_to(rig, rig->page));
    g_assert_true(viommu_is_filled(rig->unit, page, RIG_REUSED, RIG_LEN));
    ops->assert_no_fault(rig->unit);
    rig_free(rig);
}

/*
 * Unplugged while its request is in flight: the device's own cleanup ends it,
 * and with it the drain.
 */
static void test_unplug(const void *opaque)
{
    RigOptions opt = *(const RigOptions *)opaque;
    Rig *rig;

    opt.behind_port = true;
    rig = make_pending(&opt);
    plug_pull(rig->unit, rig->port, "disk");
    rig_inv_wait(rig);
    viommu_fill(rig->unit, rig->page, RIG_REUSED, RIG_LEN);
    rig_step(rig, 2 * RIG_RELEASE_NS);
    g_assert_true(viommu_is_filled(rig->unit, rig->page, RIG_REUSED, RIG_LEN));
    rig_free(rig);
}

static void check_event(Rig *rig, const char *name)
{
    QDict *event = qtest_qmp_eventwait_ref(rig->unit->qts, name);
    QDict *data = qdict_get_qdict(event, "data");

    g_assert_cmpstr(qdict_get_str(data, "device"), ==, "disk");
    if (!rig->unit->ops->vague) {
        /* Otherwise the request's header is waited for, too. */
        g_assert_cmphex(qdict_get_int(data, "iova"), ==, rig->data_iova);
        g_assert_cmpint(qdict_get_int(data, "length"), ==, RIG_LEN);
        g_assert_true(qdict_get_bool(data, "write"));
    }
    g_assert_cmpint(qdict_get_int(data, "age-ms"), >=, 200);
    qobject_unref(event);
}

static void test_stall(const void *opaque)
{
    RigOptions opt = *(const RigOptions *)opaque;
    Rig *rig;

    opt.props = "drain-stall-time=200";
    rig = make_pending(&opt);
    g_assert_null(qtest_qmp_event_ref(rig->unit->qts, STALL_EVENT));
    rig_step(rig, RIG_SHORT_NS);
    rig_step(rig, RIG_SHORT_NS);
    check_event(rig, STALL_EVENT);
    /* It was news, not an end. */
    rig_assert_pending(rig);
    rig_release(rig);
    rig_inv_wait(rig);
    rig_free(rig);
}

static void test_timeout(const void *opaque)
{
    RigOptions opt = *(const RigOptions *)opaque;
    Rig *rig;

    opt.props = "drain-timeout=200";
    rig = make_pending(&opt);
    g_assert_false(vblk_device_status(rig->blk) &
                   VIRTIO_CONFIG_S_NEEDS_RESET);
    rig_step(rig, RIG_SHORT_NS);
    rig_step(rig, RIG_SHORT_NS);
    rig_inv_wait(rig);
    check_event(rig, ABANDON_EVENT);
    g_assert_true(vblk_device_status(rig->blk) & VIRTIO_CONFIG_S_NEEDS_RESET);
    /* The request ends after all; nobody is waiting for it any more. */
    rig_step(rig, 2 * RIG_RELEASE_NS);
    rig_free(rig);
}

static void add(const char *name, void (*fn)(const void *opaque))
{
    rig_add("drain/life", name, false, fn);
    rig_add("drain/life", name, true, fn);
}

static void test_skipped(void)
{
    g_test_skip("this vIOMMU does not drain");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    if (expect_corruption()) {
        qtest_add_func("/viommu/drain/life", test_skipped);
        return g_test_run();
    }
    add("reset", test_reset);
    add("stop", test_stop);
    add("migrate", test_migrate);
    qtest_add_func("/viommu/drain/life/migrate-behind", test_migrate_behind);
    qtest_add_func("/viommu/drain/life/renumbered", test_renumbered);
    add("unplug", test_unplug);
    add("stall-event", test_stall);
    add("timeout", test_timeout);
    return g_test_run();
}

/*
 * The sanitizer: what is cached, and the tables do not say any more
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The same for every model that has tables.  Time is the guest's, and passes
 * when the test says so.
 */
#include "qemu/osdep.h"
#include "viommu-sanitizer.h"
#include "viommu-plug.h"

#define ON "sanitizer=on"

static void command(Unit *unit, const char *name)
{
    qtest_qmp_assert_success(unit->qts, "{'execute': %s}", name);
}

/* Used, taken away, used again, and never invalidated */
static void use_stale(Rig *rig)
{
    san_allowed(rig, RIG_DATA_IOVA);
    unit_unmap(rig->unit, rig->space, RIG_DATA_IOVA);
    g_assert_cmpint(san_stale(rig, "open"), ==, 0);
    san_allowed(rig, RIG_DATA_IOVA);
    rig_step(rig, SAN_LONG);
}

static void assert_stale_use(Rig *rig)
{
    const SanFinding want = {
        .kind = "stale-use", .iova = RIG_DATA_IOVA, .access = SAN_READ,
        .words = "by the IOTLB (looked up ",
        .more = "the tables have said that nothing is mapped, and no "
                "invalidation has come",
    };

    san_assert(rig, &want);
}

static void test_use_forgotten(void)
{
    Rig *rig = san_rig(ON);

    use_stale(rig);
    assert_stale_use(rig);
    g_assert_cmpint(san_stale(rig, "open"), ==, 1);
    g_assert_cmpint(san_stale(rig, "uses"), >=, 1);
    rig_free(rig);
}

/* As in lazy mode: it is counted, and is no mistake. */
static void test_use_lazy(void)
{
    Rig *rig = san_rig(ON);

    san_allowed(rig, RIG_DATA_IOVA);
    unit_unmap(rig->unit, rig->space, RIG_DATA_IOVA);
    rig_hold(rig, true, RIG_DATA_IOVA);
    rig_step(rig, RIG_SHORT_NS);
    g_assert_cmpint(san_stale(rig, "open"), ==, 1);
    rig_inv(rig, UNIT_ALL, rig->space, 0, 0);
    rig_release(rig);
    rig_inv_wait(rig);
    g_assert_cmpint(san_stale(rig, "windows"), ==, 1);
    g_assert_cmpint(san_stale(rig, "uses"), >=, 1);
    g_assert_cmpint(san_stale(rig, "open"), ==, 0);
    g_assert_cmpint(san_stale(rig, "longest-us"), >=, RIG_SHORT_NS / 1000);
    san_assert_none(rig);
    rig_free(rig);
}

/* As in strict mode: there is no such time. */
static void test_use_strict(void)
{
    Rig *rig = san_rig(ON);

    san_allowed(rig, RIG_DATA_IOVA);
    san_unmap(rig, RIG_DATA_IOVA, UNIT_RANGE);
    san_map_new(rig, RIG_DATA_IOVA, rig->page, UNIT_RW);
    san_allowed(rig, RIG_DATA_IOVA);
    san_assert_none(rig);
    g_assert_cmpint(san_stale(rig, "windows"), ==, 0);
    rig_free(rig);
}

/* What is put back as it was needs no invalidation. */
static void test_use_restored(void)
{
    Rig *rig = san_rig(ON);

    san_allowed(rig, RIG_DATA_IOVA);
    unit_unmap(rig->unit, rig->space, RIG_DATA_IOVA);
    rig_hold(rig, true, RIG_DATA_IOVA);
    g_assert_cmpint(san_stale(rig, "open"), ==, 1);
    san_map(rig, RIG_DATA_IOVA, rig->page, UNIT_RW);
    rig_release(rig);
    san_assert_none(rig);
    g_assert_cmpint(san_stale(rig, "open"), ==, 0);
    g_assert_cmpint(san_stale(rig, "longest-us"), ==, 0);
    rig_free(rig);
}

/* Nobody used it any more, but somebody might have. */
static void test_flush_unused(void)
{
    Rig *rig = san_rig(ON);
    const SanFinding want = {
        .kind = "missing-flush", .iova = RIG_DATA_IOVA, .access = SAN_NEITHER,
        .words = "0x20000000 .. 0x20000fff led to",
        .more = "that nothing is mapped, and no invalidation has come: the "
                "IOTLB may still have it",
    };

    san_allowed(rig, RIG_DATA_IOVA);
    unit_unmap(rig->unit, rig->space, RIG_DATA_IOVA);
    rig_step(rig, SAN_LONG);
    san_assert(rig, &want);
    rig_free(rig);
}

static void test_flush_rights(void)
{
    Rig *rig = san_rig(ON);
    const SanFinding want = {
        .kind = "missing-flush", .iova = RIG_DATA_IOVA, .access = SAN_NEITHER,
        .words = "for reading and writing; for",
        .more = "for reading, and no invalidation has come",
    };

    san_allowed(rig, RIG_DATA_IOVA);
    san_map(rig, RIG_DATA_IOVA, rig->page, UNIT_R);
    rig_step(rig, SAN_LONG);
    san_assert(rig, &want);
    rig_free(rig);
}

/* It leads elsewhere, and the device still goes where it was sent before. */
static void test_flush_remapped(void)
{
    Rig *rig = san_rig(ON);
    g_autofree char *led = g_strdup_printf("0x20000000 led to 0x%" PRIx64 ", "
                                           "and was mapped anew without",
                                           rig->page);
    g_autofree char *leads = g_strdup_printf("now it leads to 0x%" PRIx64,
                                             rig->spare);
    const SanFinding want = {
        .kind = "missing-flush", .iova = RIG_DATA_IOVA, .access = SAN_NEITHER,
        .words = led, .more = leads,
    };

    san_allowed(rig, RIG_DATA_IOVA);
    san_map(rig, RIG_DATA_IOVA, rig->spare, UNIT_RW);
    rig_hold(rig, true, RIG_DATA_IOVA);
    san_assert(rig, &want);
    rig_release(rig);
    rig_free(rig);
}

/* The cached entry was no good for that, so the tables were asked. */
static void test_flush_remapped_miss(void)
{
    Rig *rig = san_rig(ON);
    const SanFinding want = {
        .kind = "missing-flush", .iova = RIG_DATA_IOVA, .access = SAN_NEITHER,
        .words = "was mapped anew without an invalidation",
    };

    san_map(rig, RIG_DATA_IOVA, rig->page, UNIT_R);
    rig_inv(rig, UNIT_ALL, rig->space, 0, 0);
    rig_inv_wait(rig);
    san_allowed(rig, RIG_DATA_IOVA);
    san_map(rig, RIG_DATA_IOVA, rig->spare, UNIT_RW);
    rig_hold(rig, false, RIG_DATA_IOVA);
    san_assert(rig, &want);
    rig_release(rig);
    rig_free(rig);
}

/* Less becomes more, nothing becomes something, and it is invalidated */
static void test_flush_correct(void)
{
    Rig *rig = san_rig(ON);

    san_map(rig, RIG_DATA_IOVA, rig->page, UNIT_R);
    rig_inv(rig, UNIT_RANGE, rig->space, RIG_DATA_IOVA, 0);
    rig_inv_wait(rig);
    san_allowed(rig, RIG_DATA_IOVA);
    if (!rig->unit->ops->by_request) {
        san_map(rig, RIG_DATA_IOVA, rig->page, UNIT_RW);
    }
    san_allowed(rig, RIG_DATA_IOVA);
    san_unmap(rig, RIG_DATA_IOVA, UNIT_RANGE);
    san_map_new(rig, RIG_DATA_IOVA, rig->spare, UNIT_RW);
    san_allowed(rig, RIG_DATA_IOVA);
    san_unmap(rig, RIG_DATA_IOVA, UNIT_ALL);
    san_assert_none(rig);
    rig_free(rig);
}

static void test_config_forgotten(void)
{
    Rig *rig = san_rig(ON);
    const SanFinding want = {
        .kind = "stale-configuration", .no_iova = true, .access = SAN_NEITHER,
        .words = "not invalidated: it is treated as [translate, ",
        .more = "and the tables say [translate, ",
    };

    san_allowed(rig, RIG_DATA_IOVA);
    rig->unit->ops->attach(rig->unit, rig->sid, rig->other);
    rig_step(rig, SAN_LONG);
    san_assert(rig, &want);
    rig_free(rig);
}

static void test_config_correct(void)
{
    Rig *rig = san_rig(ON);
    Unit *unit = rig->unit;

    san_allowed(rig, RIG_DATA_IOVA);
    unit->ops->detach_start(unit, rig->opt.form, rig->sid, rig->space);
    rig_inv_wait(rig);
    rig_step(rig, SAN_LONG);
    unit->ops->reattach(unit, rig->opt.form, rig->sid, rig->space);
    san_allowed(rig, RIG_DATA_IOVA);
    san_assert_none(rig);
    rig_free(rig);
}

/* Devices work on copies, which are written where the translation leads. */
static void test_bounce(void)
{
    Rig *rig = san_rig(ON ",dma-mode=bounce");

    use_stale(rig);
    assert_stale_use(rig);
    rig_free(rig);
}

/* A reset is no invalidation that was forgotten. */
static void test_reset(void)
{
    Rig *rig = san_rig(ON);

    san_allowed(rig, RIG_DATA_IOVA);
    unit_unmap(rig->unit, rig->space, RIG_DATA_IOVA);
    rig_hold(rig, true, RIG_DATA_IOVA);
    g_assert_cmpint(san_stale(rig, "open"), ==, 1);
    rig->unit->ops->reset(rig->unit);
    g_assert_cmpint(san_stale(rig, "open"), ==, 0);
    rig_restart(rig);
    san_assert_none(rig);
    use_stale(rig);
    assert_stale_use(rig);
    rig_free(rig);
}

/* Nothing of it is in the stream: the target begins anew. */
static void test_migrate(void)
{
    Rig *rig = san_rig(ON);
    QTestState *to = rig_target(rig);

    san_allowed(rig, RIG_DATA_IOVA);
    unit_unmap(rig->unit, rig->space, RIG_DATA_IOVA);
    unit_load(to, unit_save(rig->unit->qts));
    rig_adopt(rig, to);
    command(rig->unit, "cont");
    rig_throttle(to);
    rig_step(rig, SAN_LONG);
    san_refused(rig, RIG_DATA_IOVA + SAN_OFFSET);
    san_settle(rig);
    san_assert_none(rig);

    /* And finds what comes. */
    san_map_new(rig, RIG_DATA_IOVA, rig->page, UNIT_RW);
    rig_step(rig, SAN_LONG);
    vblk_submit(rig->blk, false, 0, RIG_SPARE_IOVA, RIG_LEN);
    rig_step(rig, SAN_LONG);
    use_stale(rig);
    assert_stale_use(rig);
    rig_free(rig);
}

/* Who has gone uses nothing. */
static void test_unplug(void)
{
    RigOptions opt = san_options(ON, NULL);
    Rig *rig;

    opt.behind_port = true;
    rig = rig_new(&opt);
    plug_power(rig->port);
    san_allowed(rig, RIG_DATA_IOVA);
    unit_unmap(rig->unit, rig->space, RIG_DATA_IOVA);
    rig_hold(rig, true, RIG_DATA_IOVA);
    g_assert_cmpint(san_stale(rig, "open"), ==, 1);
    rig_release(rig);
    plug_pull(rig->unit, rig->port, "disk");
    g_assert_cmpint(san_stale(rig, "open"), ==, 0);
    rig->unit->ops->detach_start(rig->unit, rig->opt.form, rig->sid,
                                 rig->space);
    rig_inv_wait(rig);
    rig_step(rig, SAN_LONG);
    g_assert_cmpint(san_stale(rig, "open"), ==, 0);
    rig_free(rig);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, fn) qtest_add_func("/viommu/sanitizer-stale/" name, fn)
    ADD("use/strict", test_use_strict);
    ADD("flush/correct", test_flush_correct);
    ADD("config/correct", test_config_correct);
    if (!unit_ops()->by_request) {
        /* Where a request takes a page away, it is cached nowhere. */
        ADD("use/forgotten", test_use_forgotten);
        ADD("use/lazy", test_use_lazy);
        ADD("use/restored", test_use_restored);
        ADD("flush/unused", test_flush_unused);
        ADD("flush/rights", test_flush_rights);
        ADD("flush/remapped", test_flush_remapped);
        ADD("flush/remapped-miss", test_flush_remapped_miss);
        ADD("config/forgotten", test_config_forgotten);
        ADD("bounce", test_bounce);
        ADD("reset", test_reset);
        ADD("migrate", test_migrate);
        ADD("unplug", test_unplug);
    }
#undef ADD
    return g_test_run();
}

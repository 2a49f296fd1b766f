/*
 * A drain that is pending when something happens to the machine or the device
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Reset, stop, migration and unplug; and what an operator hears of a backend
 * that does not answer (the stall event) or decides about it (drain-timeout).
 */
#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "standard-headers/linux/virtio_config.h"
#include "viommu-plug.h"
#include "viommu-rig.h"

#define STALL_EVENT     "VIOMMU_DRAIN_STALLED"
#define ABANDON_EVENT   "VIOMMU_DRAIN_ABANDONED"

static void command(VTD *vtd, const char *name)
{
    qtest_qmp_assert_success(vtd->qts, "{'execute': %s}", name);
}

/* A request in flight, its page gone, the invalidation waiting for it. */
static Rig *make_pending(const RigOptions *opt)
{
    Rig *rig = rig_new(opt);

    rig_hold(rig, false, rig->data_iova);
    rig_unmap(rig, VTD_DOMAIN);
    rig_assert_pending(rig);
    return rig;
}

static void see_another_drain(Rig *rig)
{
    rig_hold(rig, false, rig->data_iova);
    rig_unmap(rig, VTD_PAGE);
    rig_assert_pending(rig);
    rig_release(rig);
    vtd_inv_wait(rig->vtd, rig->opt.form);
}

static void test_reset(const void *opaque)
{
    Rig *rig = make_pending(opaque);
    VTD *vtd = rig->vtd;

    vtd_reset(vtd);
    g_assert_cmphex(vtd_read64(vtd, VTD_IOTLB), ==, 0);
    g_assert_cmphex(vtd_read32(vtd, VTD_GSTS), ==, 0);
    g_assert_cmphex(vtd_read64(vtd, VTD_IQH), ==, 0);
    g_assert_cmphex(vtd_read64(vtd, VTD_IQT), ==, 0);
    /* What was cancelled must not complete into the new life. */
    qtest_writel(vtd->qts, vtd->iq_status, 0);
    rig_step(rig, RIG_RELEASE_NS);
    g_assert_cmphex(qtest_readl(vtd->qts, vtd->iq_status), ==, 0);
    g_assert_cmphex(vtd_read64(vtd, VTD_IOTLB), ==, 0);
    vtd_assert_no_fault(vtd);

    rig_restart(rig);
    see_another_drain(rig);
    rig_free(rig);
}

/* Stopping waits for the disk, so the drain is over when the guest goes on. */
static void test_stop(const void *opaque)
{
    Rig *rig = make_pending(opaque);

    command(rig->vtd, "stop");
    command(rig->vtd, "cont");
    vtd_inv_wait(rig->vtd, rig->opt.form);
    g_assert_true(viommu_is_filled(rig->vtd, rig->page, RIG_ON_DISK, RIG_LEN));
    viommu_until(rig->vtd, vblk_completed(rig->blk) == 2);
    vtd_assert_no_fault(rig->vtd);
    rig_free(rig);
}

static void wait_for_migration(QTestState *qts)
{
    for (;;) {
        QDict *answer = qtest_qmp(qts, "{'execute': 'query-migrate'}");
        g_autofree char *status = g_strdup(
            qdict_get_try_str(qdict_get_qdict(answer, "return"), "status"));

        qobject_unref(answer);
        g_assert_cmpstr(status, !=, "failed");
        if (g_strcmp0(status, "completed") == 0) {
            return;
        }
        g_usleep(1000);
    }
}

static QTestState *start_target(Rig *rig)
{
    g_autofree char *args = rig_args(&rig->opt, rig->image);

    return qtest_initf("-machine q35 -m 2G -nodefaults -device intel-iommu%s%s "
                       "%s -incoming defer", rig->opt.unit ? "," : "",
                       rig->opt.unit ?: "", args);
}

/* The drain is finished before the state is saved; the queue goes on after. */
static void test_migrate(const void *opaque)
{
    Rig *rig = make_pending(opaque);
    QTestState *to = start_target(rig);
    g_autofree char *file = g_strdup_printf("%s.state", rig->image);
    g_autofree char *uri = g_strdup_printf("file:%s", file);
    VTD *vtd;

    qtest_qmp_assert_success(rig->vtd->qts, "{'execute': 'migrate',"
                             " 'arguments': {'uri': %s}}", uri);
    wait_for_migration(rig->vtd->qts);
    /* The source's page is final as soon as its state is on the way. */
    g_assert_true(viommu_is_filled(rig->vtd, rig->page, RIG_ON_DISK, RIG_LEN));

    qtest_qmp_assert_success(to, "{'execute': 'migrate-incoming',"
                             " 'arguments': {'uri': %s}}", uri);
    wait_for_migration(to);
    unlink(file);
    vtd = vtd_adopt(rig->vtd, to);
    command(vtd, "cont");
    vtd_inv_wait(vtd, rig->opt.form);
    g_assert_true(viommu_is_filled(vtd, rig->page, RIG_ON_DISK, RIG_LEN));
    g_assert_cmphex(vtd_read64(vtd, VTD_IQH), ==, vtd_read64(vtd, VTD_IQT));

    /* Go on there: no IOTLB came along, and the queue still works. */
    vtd_stop(rig->vtd);
    rig->vtd = vtd;
    rig->blk->vtd = vtd;
    rig->blk->pci->pdev->bus = vtd->bus;
    rig_throttle(to);
    vtd_map(vtd, &rig->dom, rig->data_iova, rig->page, 1, VTD_PTE_RW);
    vblk_submit(rig->blk, false, 0, RIG_SPARE_IOVA, RIG_LEN);
    viommu_until(vtd, vblk_completed(rig->blk) == 3);
    see_another_drain(rig);
    vtd_assert_no_fault(vtd);
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
    plug_pull(rig->vtd, rig->port, "disk");
    vtd_inv_wait(rig->vtd, rig->opt.form);
    viommu_fill(rig->vtd, rig->page, RIG_REUSED, RIG_LEN);
    rig_step(rig, 2 * RIG_RELEASE_NS);
    g_assert_true(viommu_is_filled(rig->vtd, rig->page, RIG_REUSED, RIG_LEN));
    rig_free(rig);
}

static void check_event(Rig *rig, const char *name)
{
    QDict *event = qtest_qmp_eventwait_ref(rig->vtd->qts, name);
    QDict *data = qdict_get_qdict(event, "data");

    g_assert_cmpstr(qdict_get_str(data, "device"), ==, "disk");
    g_assert_cmphex(qdict_get_int(data, "iova"), ==, rig->data_iova);
    g_assert_cmpint(qdict_get_int(data, "length"), ==, RIG_LEN);
    g_assert_true(qdict_get_bool(data, "write"));
    g_assert_cmpint(qdict_get_int(data, "age-ms"), >=, 200);
    qobject_unref(event);
}

static void test_stall(const void *opaque)
{
    RigOptions opt = *(const RigOptions *)opaque;
    Rig *rig;

    opt.unit = "drain-stall-time=200";
    rig = make_pending(&opt);
    g_assert_null(qtest_qmp_event_ref(rig->vtd->qts, STALL_EVENT));
    rig_step(rig, RIG_SHORT_NS);
    rig_step(rig, RIG_SHORT_NS);
    check_event(rig, STALL_EVENT);
    /* It was news, not an end. */
    rig_assert_pending(rig);
    rig_release(rig);
    vtd_inv_wait(rig->vtd, opt.form);
    rig_free(rig);
}

static void test_timeout(const void *opaque)
{
    RigOptions opt = *(const RigOptions *)opaque;
    Rig *rig;

    opt.unit = "drain-timeout=200";
    rig = make_pending(&opt);
    g_assert_false(vblk_device_status(rig->blk) &
                   VIRTIO_CONFIG_S_NEEDS_RESET);
    rig_step(rig, RIG_SHORT_NS);
    rig_step(rig, RIG_SHORT_NS);
    vtd_inv_wait(rig->vtd, opt.form);
    check_event(rig, ABANDON_EVENT);
    g_assert_true(vblk_device_status(rig->blk) & VIRTIO_CONFIG_S_NEEDS_RESET);
    /* The request ends after all; nobody is waiting for it any more. */
    rig_step(rig, 2 * RIG_RELEASE_NS);
    rig_free(rig);
}

static const RigOptions variants[] = {
    { .form = VTD_REGISTER },
    { .form = VTD_QUEUED },
    { .form = VTD_QUEUED, .iothread = true },
};

static void add(const char *name, void (*fn)(const void *opaque))
{
    static const char *const names[] = { "register", "queued", "iothread" };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(variants); i++) {
        g_autofree char *path = g_strdup_printf("/viommu/drain/%s/%s", name,
                                                names[i]);

        qtest_add_data_func(path, &variants[i], fn);
    }
}

static void test_skipped(void)
{
    g_test_skip("this intel-iommu does not drain");
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
    add("unplug", test_unplug);
    add("stall-event", test_stall);
    add("timeout", test_timeout);
    return g_test_run();
}

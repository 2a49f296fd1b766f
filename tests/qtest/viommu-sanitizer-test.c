/*
 * The sanitizer: of each kind a guest that makes the mistake, and one that does
 * not
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The same for every model.
 */
#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "standard-headers/linux/virtio_config.h"
#include "viommu-rig.h"

#define HOLE_IOVA   0x30000000ull   /* nothing is, or was, anywhere near */
#define PAGE_IOVA   0x40000000ull
#define OFFSET      0x10
#define LEN         512

static RigOptions sanitized(const char *props, const char *args)
{
    return (RigOptions) {
        .form = unit_ops()->queue_form, .props = props, .args = args,
    };
}

static Rig *sanitizer_rig(void)
{
    RigOptions opt = sanitized("sanitizer=on", NULL);

    return rig_new(&opt);
}

/* What query-viommu says of its first unit */
static QDict *query_unit(Rig *rig)
{
    QDict *answer = qtest_qmp(rig->unit->qts, "{'execute': 'query-viommu'}");
    QDict *info = qobject_to(QDict,
                             qlist_pop(qdict_get_qlist(answer, "return")));

    g_assert_nonnull(info);
    qobject_unref(answer);
    return info;
}

static unsigned nr_findings(Rig *rig)
{
    QDict *info = query_unit(rig);
    unsigned n = qlist_size(qdict_get_qlist(info, "findings"));

    qobject_unref(info);
    return n;
}

/* The device writes to @iova, and is refused. */
static void refused(Rig *rig, uint64_t iova)
{
    Unit *unit = rig->unit;
    unsigned i;

    vblk_submit(rig->blk, false, RIG_SECTOR, iova, LEN);
    for (i = 0; i < VIOMMU_TRIES && !unit->ops->drop_faults(unit, rig->sid);
         i++) {
        unit_turn(unit->qts);
    }
    viommu_turns(unit);
}

/* The device reads @iova, and may. */
static void allowed(Rig *rig, uint64_t iova)
{
    rig_hold(rig, true, iova);
    rig_release(rig);
    rig->unit->ops->assert_no_fault(rig->unit);
}

/* There is one finding: of @kind, at @iova, with all of these words. */
static void assert_finding(Rig *rig, const char *kind, uint64_t iova,
                           const char *words, const char *more)
{
    QDict *info = query_unit(rig), *event, *data;
    QList *list = qdict_get_qlist(info, "findings");
    QDict *one = qobject_to(QDict, qlist_peek(list));
    const char *message;

    g_assert_cmpint(qlist_size(list), ==, 1);
    message = qdict_get_str(one, "message");
    g_test_message("%s", message);
    g_assert_cmpstr(qdict_get_str(one, "kind"), ==, kind);
    g_assert_cmpstr(qdict_get_str(one, "device"), ==, "disk");
    g_assert_cmphex(qdict_get_int(one, "iova"), ==, iova);
    g_assert_true(qdict_get_bool(one, "write"));
    g_assert_cmpint(qdict_get_int(one, "count"), >=, 1);
    g_assert_nonnull(strstr(message, words));
    g_assert_nonnull(strstr(message, more));

    event = qtest_qmp_eventwait_ref(rig->unit->qts, "VIOMMU_SANITIZER");
    data = qdict_get_qdict(event, "data");
    g_assert_cmpstr(qdict_get_str(data, "kind"), ==, kind);
    g_assert_cmpstr(qdict_get_str(data, "device"), ==, "disk");
    g_assert_cmpstr(qdict_get_str(data, "message"), ==, message);
    qobject_unref(event);
    qobject_unref(info);
}

static void unmap(Rig *rig, uint64_t iova, UnitScope scope)
{
    unit_unmap(rig->unit, rig->space, iova);
    rig_inv(rig, scope, rig->space, iova, 0);
    rig_inv_wait(rig);
}

/* Unmapped too early, strict and lazy; and once is once. */
static void use_after_unmap(UnitScope scope, const char *words)
{
    Rig *rig = sanitizer_rig();
    g_autofree char *was = g_strdup_printf("was mapped to 0x%" PRIx64,
                                           rig->page + OFFSET);
    uint64_t count;
    QDict *info;

    allowed(rig, RIG_DATA_IOVA);
    unmap(rig, RIG_DATA_IOVA, scope);
    g_assert_cmpint(nr_findings(rig), ==, 0);
    refused(rig, RIG_DATA_IOVA + OFFSET);
    assert_finding(rig, "use-after-unmap", RIG_DATA_IOVA + OFFSET, was, words);

    refused(rig, RIG_DATA_IOVA + OFFSET);
    info = query_unit(rig);
    count = qdict_get_int(qobject_to(QDict, qlist_peek(
        qdict_get_qlist(info, "findings"))), "count");
    g_assert_cmpint(count, >=, 2);
    g_assert_cmpint(nr_findings(rig), ==, 1);
    qobject_unref(info);
    /* Nobody was told again: the next event is of something else. */
    g_assert_null(qtest_qmp_event_ref(rig->unit->qts, "VIOMMU_SANITIZER"));
    rig_free(rig);
}

static void test_unmap_strict(void)
{
    use_after_unmap(UNIT_RANGE, "until 0x20000000 .. 0x20000fff was "
                    "invalidated");
}

static void test_unmap_lazy(void)
{
    /* virtio-iommu removes what is unmapped, and no more. */
    use_after_unmap(UNIT_ALL, g_str_equal(unit_ops()->name, "virtio") ?
                    "was invalidated" : "until an invalidation of");
}

/* The device had not even used it. */
static void test_unmap_unused(void)
{
    Rig *rig = sanitizer_rig();

    rig->unit->ops->map(rig->unit, rig->space, PAGE_IOVA, rig->page, UNIT_PAGE,
                        UNIT_RW);
    unmap(rig, PAGE_IOVA, UNIT_RANGE);
    refused(rig, PAGE_IOVA + OFFSET);
    assert_finding(rig, "use-after-unmap", PAGE_IOVA + OFFSET, "was unmapped",
                   "no device had used the page");
    rig_free(rig);
}

/* Use, then unmap; map again, and use; and what never was a mapping. */
static void test_unmap_correct(void)
{
    Rig *rig = sanitizer_rig();
    unsigned i;

    for (i = 0; i < 3; i++) {
        allowed(rig, RIG_DATA_IOVA);
        unmap(rig, RIG_DATA_IOVA, i == 1 ? UNIT_ALL : UNIT_RANGE);
        rig->unit->ops->map(rig->unit, rig->space, RIG_DATA_IOVA, rig->page,
                            UNIT_PAGE, UNIT_RW);
    }
    g_assert_cmpint(nr_findings(rig), ==, 0);
    refused(rig, HOLE_IOVA + OFFSET);
    g_assert_cmpint(nr_findings(rig), ==, 0);
    rig_free(rig);
}

static void test_bounds_behind(void)
{
    Rig *rig = sanitizer_rig();

    rig->unit->ops->map(rig->unit, rig->space, PAGE_IOVA, rig->page, UNIT_PAGE,
                        UNIT_RW);
    refused(rig, PAGE_IOVA + UNIT_PAGE + OFFSET);
    assert_finding(rig, "out-of-bounds", PAGE_IOVA + UNIT_PAGE + OFFSET,
                   "is 16 bytes behind the end of a mapping",
                   "0x40000000 .. 0x40000fff leads to");
    rig_free(rig);
}

static void test_bounds_before(void)
{
    Rig *rig = sanitizer_rig();

    rig->unit->ops->map(rig->unit, rig->space, PAGE_IOVA, rig->page, UNIT_PAGE,
                        UNIT_R);
    refused(rig, PAGE_IOVA - LEN);
    assert_finding(rig, "out-of-bounds", PAGE_IOVA - LEN,
                   "is 512 bytes in front of a mapping: 0x40000000",
                   "for reading");
    rig_free(rig);
}

/* To the last byte, and no further; and a page that may only be read */
static void test_bounds_correct(void)
{
    Rig *rig = sanitizer_rig();
    Unit *unit = rig->unit;

    unit->ops->map(unit, rig->space, PAGE_IOVA, rig->page, UNIT_PAGE, UNIT_R);
    vblk_submit(rig->blk, true, RIG_SECTOR, PAGE_IOVA + UNIT_PAGE - LEN, LEN);
    viommu_until(unit, vblk_completed(rig->blk) == 1);
    unit->ops->assert_no_fault(unit);
    refused(rig, PAGE_IOVA + OFFSET);
    g_assert_cmpint(nr_findings(rig), ==, 0);
    rig_free(rig);
}

/* A virtio driver that runs as if there were no vIOMMU */
static void start_rng(Rig *rig, bool translated)
{
    QPCIAddress addr = { .devfn = 7 << 3 };
    QVirtioPCIDevice *rng = virtio_pci_new(rig->unit->bus, &addr);
    QVirtioDevice *vdev = &rng->vdev;
    uint64_t features = 1ull << VIRTIO_F_VERSION_1;

    qvirtio_pci_device_enable(rng);
    qvirtio_reset(vdev);
    qvirtio_set_acknowledge(vdev);
    qvirtio_set_driver(vdev);
    if (translated) {
        features |= 1ull << VIRTIO_F_ACCESS_PLATFORM;
    }
    qvirtio_set_features(vdev, features);
    qvirtio_set_driver_ok(vdev);
    g_free(rng->pdev);
    g_free(rng);
}

static void bypasses(const char *platform, bool translated)
{
    g_autofree char *args = g_strdup_printf(
        "-device virtio-rng-pci,id=rng,addr=07.0,disable-legacy=on,"
        "iommu_platform=%s", platform);
    RigOptions opt = sanitized("sanitizer=on", args);
    Rig *rig = rig_new(&opt);
    QDict *info, *one;

    start_rng(rig, translated);
    info = query_unit(rig);
    one = qobject_to(QDict, qlist_peek(qdict_get_qlist(info, "findings")));
    if (translated) {
        g_assert_null(one);
    } else {
        g_assert_nonnull(one);
        g_assert_cmpstr(qdict_get_str(one, "kind"), ==, "bypass");
        g_assert_cmpstr(qdict_get_str(one, "device"), ==, "rng");
        g_assert_false(qdict_haskey(one, "iova"));
        g_assert_nonnull(strstr(qdict_get_str(one, "message"),
                                "iommu_platform=on"));
        qobject_unref(qtest_qmp_eventwait_ref(rig->unit->qts,
                                              "VIOMMU_SANITIZER"));
    }
    qobject_unref(info);
    rig_free(rig);
}

static void test_bypass(void)
{
    bypasses("off", false);
}

static void test_bypass_correct(void)
{
    bypasses("on", true);
}

/* Off, nothing is kept. */
static void test_off(void)
{
    RigOptions opt = sanitized(NULL, NULL);
    Rig *rig = rig_new(&opt);
    QDict *info;

    allowed(rig, RIG_DATA_IOVA);
    unmap(rig, RIG_DATA_IOVA, UNIT_RANGE);
    refused(rig, RIG_DATA_IOVA + OFFSET);
    info = query_unit(rig);
    g_assert_false(qdict_haskey(info, "findings"));
    qobject_unref(info);
    g_assert_null(qtest_qmp_event_ref(rig->unit->qts, "VIOMMU_SANITIZER"));
    rig_free(rig);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, fn) qtest_add_func("/viommu/sanitizer/" name, fn)
    ADD("off", test_off);
    ADD("use-after-unmap/strict", test_unmap_strict);
    ADD("use-after-unmap/lazy", test_unmap_lazy);
    ADD("use-after-unmap/unused", test_unmap_unused);
    ADD("use-after-unmap/correct", test_unmap_correct);
    ADD("out-of-bounds/behind", test_bounds_behind);
    ADD("out-of-bounds/before", test_bounds_before);
    ADD("out-of-bounds/correct", test_bounds_correct);
    ADD("bypass/mistake", test_bypass);
    ADD("bypass/correct", test_bypass_correct);
#undef ADD
    return g_test_run();
}

/*
 * The sanitizer: of each kind a guest that makes the mistake, and one that does
 * not
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The same for every model.
 */
#include "qemu/osdep.h"
#include "qobject/qlist.h"
#include "standard-headers/linux/virtio_config.h"
#include "viommu-sanitizer.h"

#define HOLE_IOVA   0x30000000ull   /* nothing is, or was, anywhere near */
#define PAGE_IOVA   0x40000000ull

/* There is one finding: of @kind, a write at @iova, with all of these words. */
static void assert_finding(Rig *rig, const char *kind, uint64_t iova,
                           const char *words, const char *more)
{
    const SanFinding want = {
        .kind = kind, .iova = iova, .words = words, .more = more,
    };

    san_assert(rig, &want);
}

/* Unmapped too early, strict and lazy; and once is once. */
static void use_after_unmap(UnitScope scope, const char *words)
{
    Rig *rig = san_rig("sanitizer=on");
    g_autofree char *was = g_strdup_printf("was mapped to 0x%" PRIx64,
                                           rig->page + SAN_OFFSET);
    uint64_t count;
    QDict *info, *one;

    san_allowed(rig, RIG_DATA_IOVA);
    san_unmap(rig, RIG_DATA_IOVA, scope);
    g_assert_cmpint(san_count(rig), ==, 0);
    san_refused(rig, RIG_DATA_IOVA + SAN_OFFSET);
    assert_finding(rig, "use-after-unmap", RIG_DATA_IOVA + SAN_OFFSET, was,
                   words);

    /* Again, a bit in front of that: what is told is about the last one. */
    san_refused(rig, RIG_DATA_IOVA);
    info = san_unit(rig);
    one = qobject_to(QDict, qlist_peek(qdict_get_qlist(info, "findings")));
    count = qdict_get_int(one, "count");
    g_assert_cmpint(count, >=, 2);
    g_assert_cmphex(qdict_get_int(one, "iova"), ==, RIG_DATA_IOVA);
    g_assert_nonnull(strstr(qdict_get_str(one, "message"),
                            "write at 0x20000000,"));
    g_assert_cmpint(san_count(rig), ==, 1);
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
    Rig *rig = san_rig("sanitizer=on");

    rig->unit->ops->map(rig->unit, rig->space, PAGE_IOVA, rig->page, UNIT_PAGE,
                        UNIT_RW);
    san_unmap(rig, PAGE_IOVA, UNIT_RANGE);
    san_refused(rig, PAGE_IOVA + SAN_OFFSET);
    assert_finding(rig, "use-after-unmap", PAGE_IOVA + SAN_OFFSET,
                   "was unmapped", "no device had used the page");
    rig_free(rig);
}

/*
 * Mapped again, and unmapped before the device came: where it led then nobody
 * knows, and where it led before is not said to be that.
 */
static void test_unmap_again(void)
{
    Rig *rig = san_rig("sanitizer=on");
    g_autofree char *was = g_strdup_printf("led to 0x%" PRIx64 " for reading "
                                           "and writing when it was last used",
                                           rig->page + SAN_OFFSET);

    san_allowed(rig, RIG_DATA_IOVA);
    san_unmap(rig, RIG_DATA_IOVA, UNIT_RANGE);
    san_map_new(rig, RIG_DATA_IOVA, rig->page + UNIT_PAGE, UNIT_RW);
    san_unmap(rig, RIG_DATA_IOVA, UNIT_RANGE);
    san_refused(rig, RIG_DATA_IOVA + SAN_OFFSET);
    assert_finding(rig, "use-after-unmap", RIG_DATA_IOVA + SAN_OFFSET, was,
                   "(0x20000000 .. 0x20000fff");
    rig_free(rig);
}

/* Use, then unmap; map again, and use; and what never was a mapping. */
static void test_unmap_correct(void)
{
    Rig *rig = san_rig("sanitizer=on");
    unsigned i;

    for (i = 0; i < 3; i++) {
        san_allowed(rig, RIG_DATA_IOVA);
        san_unmap(rig, RIG_DATA_IOVA, i == 1 ? UNIT_ALL : UNIT_RANGE);
        san_map_new(rig, RIG_DATA_IOVA, rig->page, UNIT_RW);
    }
    g_assert_cmpint(san_count(rig), ==, 0);
    san_refused(rig, HOLE_IOVA + SAN_OFFSET);
    g_assert_cmpint(san_count(rig), ==, 0);
    rig_free(rig);
}

static void test_bounds_behind(void)
{
    Rig *rig = san_rig("sanitizer=on");

    rig->unit->ops->map(rig->unit, rig->space, PAGE_IOVA, rig->page, UNIT_PAGE,
                        UNIT_RW);
    san_refused(rig, PAGE_IOVA + UNIT_PAGE + SAN_OFFSET);
    assert_finding(rig, "out-of-bounds", PAGE_IOVA + UNIT_PAGE + SAN_OFFSET,
                   "is 16 bytes behind the end of a mapping",
                   "0x40000000 .. 0x40000fff leads to");
    rig_free(rig);
}

static void test_bounds_before(void)
{
    Rig *rig = san_rig("sanitizer=on");

    rig->unit->ops->map(rig->unit, rig->space, PAGE_IOVA, rig->page, UNIT_PAGE,
                        UNIT_R);
    san_refused(rig, PAGE_IOVA - SAN_LEN);
    assert_finding(rig, "out-of-bounds", PAGE_IOVA - SAN_LEN,
                   "is 512 bytes in front of a mapping: 0x40000000",
                   "for reading");
    rig_free(rig);
}

/* What is invalidated is rounded: it does not say that it was all mapped. */
static void test_bounds_rounded(void)
{
    Rig *rig = san_rig("sanitizer=on");

    rig->unit->ops->map(rig->unit, rig->space, PAGE_IOVA, rig->page, UNIT_PAGE,
                        UNIT_RW);
    rig_inv(rig, UNIT_RANGE, rig->space, PAGE_IOVA, 1);
    rig_inv_wait(rig);
    san_refused(rig, PAGE_IOVA + UNIT_PAGE + SAN_OFFSET);
    assert_finding(rig, "out-of-bounds", PAGE_IOVA + UNIT_PAGE + SAN_OFFSET,
                   "is 16 bytes behind the end of a mapping",
                   "0x40000000 .. 0x40001fff, which it is in, was "
                   "invalidated");
    rig_free(rig);
}

/* To the last byte, and no further */
static void test_bounds_correct(void)
{
    Rig *rig = san_rig("sanitizer=on");
    Unit *unit = rig->unit;

    unit->ops->map(unit, rig->space, PAGE_IOVA, rig->page, UNIT_PAGE, UNIT_R);
    vblk_submit(rig->blk, true, RIG_SECTOR, PAGE_IOVA + UNIT_PAGE - SAN_LEN,
                SAN_LEN);
    viommu_until(unit, vblk_completed(rig->blk) == 1);
    unit->ops->assert_no_fault(unit);
    g_assert_cmpint(san_count(rig), ==, 0);
    rig_free(rig);
}

static void test_direction(void)
{
    Rig *rig = san_rig("sanitizer=on");

    san_map(rig, PAGE_IOVA, rig->page, UNIT_R);
    san_refused(rig, PAGE_IOVA + SAN_OFFSET);
    assert_finding(rig, "wrong-direction", PAGE_IOVA + SAN_OFFSET,
                   "which is mapped for reading alone: 0x40000000 .. "
                   "0x40000fff leads to", "write");
    rig_free(rig);
}

static void test_direction_correct(void)
{
    Rig *rig = san_rig("sanitizer=on");

    san_map(rig, PAGE_IOVA, rig->page, UNIT_R);
    san_allowed(rig, PAGE_IOVA);
    san_assert_none(rig);
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
    RigOptions opt = san_options("sanitizer=on", args);
    Rig *rig = rig_new(&opt);
    QDict *info, *one;

    start_rng(rig, translated);
    info = san_unit(rig);
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
    RigOptions opt = san_options(NULL, NULL);
    Rig *rig = rig_new(&opt);
    QDict *info;

    san_allowed(rig, RIG_DATA_IOVA);
    san_unmap(rig, RIG_DATA_IOVA, UNIT_RANGE);
    san_refused(rig, RIG_DATA_IOVA + SAN_OFFSET);
    info = san_unit(rig);
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
    ADD("use-after-unmap/again", test_unmap_again);
    ADD("use-after-unmap/correct", test_unmap_correct);
    ADD("out-of-bounds/behind", test_bounds_behind);
    ADD("out-of-bounds/before", test_bounds_before);
    if (!unit_ops()->by_request) {
        ADD("out-of-bounds/rounded", test_bounds_rounded);
    }
    ADD("out-of-bounds/correct", test_bounds_correct);
    ADD("wrong-direction/mistake", test_direction);
    ADD("wrong-direction/correct", test_direction_correct);
    ADD("bypass/mistake", test_bypass);
    ADD("bypass/correct", test_bypass_correct);
#undef ADD
    return g_test_run();
}

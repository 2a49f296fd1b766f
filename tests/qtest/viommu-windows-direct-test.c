/*
 * Windows that are mapped one to one: to DMA they are memory like any other
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The same for every model that tells its guest of such windows, in the steps
 * of the guest: nothing is on; translation is, with the window mapped; and what
 * if it is not mapped.
 */
#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "viommu-amd.h"
#include "viommu-edu.h"
#include "viommu-smmu.h"
#include "viommu-vtd.h"

/* In guest RAM; whole pages of 64 KiB, within one large page */
#define WINDOW_AT   0x50010000ULL
#define WINDOW_LEN  0x20000ULL

typedef struct Direct {
    Unit *unit;
    Edu *edu;
    uint64_t first, last;    /* of the window */
    uint64_t spare;          /* a page that is mapped, too */
} Direct;

static unsigned form(void)
{
    return unit_ops()->queue_form;
}

static void direct_start(Direct *d, const char *props)
{
    const UnitOps *ops = unit_ops();
    uint64_t first = ops->ram + WINDOW_AT, last = first + WINDOW_LEN - 1;
    g_autofree char *all =
        g_strdup_printf("%sreserved-ranges=0x%" PRIx64 ":0x%" PRIx64
                        ":direct", props, first, last);

    *d = (Direct) {
        .unit = ops->start(form(), all, EDU_DEVICE),
        .first = first, .last = last, .spare = first - 0x10000,
    };
    d->edu = edu_new(d->unit, EDU_SID);
}

static void direct_stop(Direct *d)
{
    edu_free(d->edu);
    d->unit->ops->stop(d->unit);
}

/* A write of the device's at @iova, then a read, both get there. */
static void reaches(Direct *d, uint64_t iova)
{
    static unsigned n;
    QTestState *qts = d->unit->qts;
    const uint64_t one = 0x0123456789abcdefULL + n++, other = ~one;

    qtest_writeq(qts, d->spare, one);
    edu_load(d->edu, d->spare, 8);
    edu_store(d->edu, iova, 8);
    g_assert_cmphex(qtest_readq(qts, iova), ==, one);
    qtest_writeq(qts, iova, other);
    edu_load(d->edu, iova, 8);
    edu_store(d->edu, d->spare, 8);
    g_assert_cmphex(qtest_readq(qts, d->spare), ==, other);
    d->unit->ops->assert_no_fault(d->unit);
}

static void reaches_all(Direct *d)
{
    reaches(d, d->first);
    reaches(d, d->first + UNIT_PAGE - 4);
    reaches(d, d->last - 7);
}

static void refused(Direct *d, uint64_t iova)
{
    qtest_writeq(d->unit->qts, iova, 0x77);
    edu_load(d->edu, d->spare, 8);
    edu_store(d->edu, iova, 8);
    g_assert_cmphex(qtest_readq(d->unit->qts, iova), ==, 0x77);
    d->unit->ops->assert_fault(d->unit, EDU_SID, false, iova);
}

static void map_window(Direct *d, UnitSpace *space)
{
    uint64_t at;

    for (at = d->first; at < d->last; at += UNIT_PAGE) {
        d->unit->ops->map(d->unit, space, at, at, UNIT_PAGE, UNIT_RW);
    }
    d->unit->ops->map(d->unit, space, d->spare, d->spare, UNIT_PAGE, UNIT_RW);
}

/* Nothing is on: it is there, and so is what is beside it. */
static void test_off(const void *props)
{
    Direct d;

    direct_start(&d, props);
    reaches_all(&d);
    reaches(&d, d.first - 8);
    reaches(&d, d.first - 4);
    reaches(&d, d.last + 1);
    direct_stop(&d);
}

/* Translated: the guest's tables decide, as they do anywhere. */
static void test_mapped(const void *props)
{
    UnitSpace *space;
    Direct d;

    direct_start(&d, props);
    space = d.unit->ops->space(d.unit, form(), 7);
    d.unit->ops->attach(d.unit, EDU_SID, space);
    map_window(&d, space);
    d.unit->ops->enable(d.unit, form());
    reaches_all(&d);
    refused(&d, d.first - 8);
    refused(&d, d.last + 1);
    /* Once more, now that it is cached */
    reaches_all(&d);
    unit_unmap(d.unit, space, d.first);
    unit_inv(d.unit, form(), UNIT_RANGE, space, d.first, 0);
    refused(&d, d.first);
    reaches(&d, d.first + UNIT_PAGE);
    direct_stop(&d);
}

/* A page that is larger than the window is not cut at its edges. */
static void test_large(void)
{
    uint64_t large;
    UnitSpace *space;
    Direct d;

    direct_start(&d, "");
    large = d.first & ~(UNIT_LARGE - 1);
    space = d.unit->ops->space(d.unit, form(), 7);
    d.unit->ops->attach(d.unit, EDU_SID, space);
    d.unit->ops->map(d.unit, space, large, large, UNIT_LARGE, UNIT_RW);
    d.unit->ops->enable(d.unit, form());
    reaches_all(&d);
    reaches(&d, d.first - 4);
    reaches(&d, d.last - 3);
    direct_stop(&d);
}

static void test_query(void)
{
    g_autofree char *info = NULL, *line = NULL;
    Direct d;

    direct_start(&d, "");
    info = qtest_hmp(d.unit->qts, "info viommu -e");
    line = g_strdup_printf("window 0x%" PRIx64 " .. 0x%" PRIx64
                           ": direct (operator)", d.first, d.last);
    g_assert_nonnull(strstr(info, line));
    direct_stop(&d);
}

/*
 * The order of Linux with RMR nodes: streams of RMRs bypass before the SMMU is
 * enabled, and are then given tables, while the device works on.
 */
static void test_smmu_order(void)
{
    uint64_t ste[8];
    UnitSpace *space;
    SMMU *smmu;
    Direct d;
    unsigned i;

    direct_start(&d, "");
    smmu = container_of(d.unit, SMMU, unit);
    reaches_all(&d);
    smmu_make_ste(ste, SMMU_STE_BYPASS, 0, NULL, 0);
    smmu_set_ste(smmu, EDU_SID, ste);
    d.unit->ops->enable(d.unit, form());
    reaches_all(&d);
    /* Tables that are there and not used yet */
    space = d.unit->ops->space(d.unit, form(), 7);
    map_window(&d, space);
    reaches_all(&d);
    d.unit->ops->attach(d.unit, EDU_SID, space);
    for (i = 0; i < 2; i++) {
        smmu_cmd(smmu, SMMU_CMD_CFGI_STE | SMMU_CMD_SID(EDU_SID),
                 SMMU_CMD1_LEAF);
        reaches_all(&d);
    }
    refused(&d, d.last + 1);
    direct_stop(&d);

    /* Reset lets everything through again. */
    direct_start(&d, "");
    space = d.unit->ops->space(d.unit, form(), 7);
    d.unit->ops->attach(d.unit, EDU_SID, space);
    d.unit->ops->enable(d.unit, form());
    d.unit->ops->reset(d.unit);
    edu_free(d.edu);
    d.edu = edu_new(d.unit, EDU_SID);
    reaches_all(&d);
    direct_stop(&d);
}

int main(int argc, char **argv)
{
    const UnitOps *ops = unit_ops();

    g_test_init(&argc, &argv, NULL);
    qtest_add_data_func("/viommu/windows/direct/off", "", test_off);
    qtest_add_data_func("/viommu/windows/direct/off-uncached",
                        "dma-cache-size=0,", test_off);
    qtest_add_data_func("/viommu/windows/direct/mapped", "", test_mapped);
    qtest_add_data_func("/viommu/windows/direct/mapped-uncached",
                        "dma-cache-size=0,", test_mapped);
    qtest_add_func("/viommu/windows/direct/large", test_large);
    qtest_add_func("/viommu/windows/direct/query", test_query);
    if (ops == &smmu_unit_ops) {
        qtest_add_func("/viommu/windows/direct/smmu-order", test_smmu_order);
    }
    return g_test_run();
}

/*
 * Views of memory: who sees the same is shown the same
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A view has a dispatch table of some 100 KiB.  The same for every model; where
 * devices' messages come in, and whose they are, is in each model's own tests.
 */
#include "qemu/osdep.h"
#include "viommu-amd.h"
#include "viommu-edu.h"
#include "viommu-plug.h"
#include "viommu-rig.h"
#include "viommu-smmu.h"
#include "viommu-vtd.h"

#define EDUS        6
#define FIRST_SLOT  10
#define EDU_AT      "-device edu,id=edu%u,addr=%02x.0," \
                    "dma_mask=0xffffffffffffffff%s "
/* In guest memory */
#define HOLE        0x50005000ULL
#define BESIDE      (HOLE - UNIT_PAGE)
#define MARK        0x5a

/* An address space, and the number of its view */
typedef struct View {
    char *name;
    unsigned number;
} View;

static uint16_t edu_sid(unsigned i)
{
    return (FIRST_SLOT + i) << 3;
}

/* EDUS of them; the one at @i has the property @with. */
static char *edus(unsigned i, const char *with)
{
    GString *args = g_string_new("");
    unsigned n;

    for (n = 0; n < EDUS; n++) {
        g_string_append_printf(args, EDU_AT, n, FIRST_SLOT + n,
                               n == i ? with : "");
    }
    return g_string_free(args, false);
}

static void view_free(gpointer data)
{
    View *view = data;

    g_free(view->name);
    g_free(view);
}

static GPtrArray *views_now(Unit *unit)
{
    g_autofree char *text = qtest_hmp(unit->qts, "info mtree -f");
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    GPtrArray *views = g_ptr_array_new_with_free_func(view_free);
    unsigned number = 0;
    char **line;

    for (line = lines; *line; line++) {
        g_auto(GStrv) words = g_strsplit(*line, "\"", 3);

        if (g_str_has_prefix(*line, "FlatView #")) {
            number = atoi(*line + strlen("FlatView #"));
        } else if (g_str_has_prefix(*line, " AS \"")) {
            View *view = g_new0(View, 1);

            view->name = g_strdup(words[1]);
            view->number = number;
            g_ptr_array_add(views, view);
        }
    }
    return views;
}

/* How many views endpoints have among them that are at @devfn of some bus */
static unsigned views_at(const GPtrArray *views, uint8_t devfn,
                         GHashTable *used)
{
    g_autofree char *end = g_strdup_printf("-%02x.%x", devfn >> 3, devfn & 7);
    unsigned i, n = 0;

    for (i = 0; i < views->len; i++) {
        View *view = views->pdata[i];

        if (g_str_has_suffix(view->name, end)) {
            g_hash_table_add(used, GUINT_TO_POINTER(view->number));
            n++;
        }
    }
    return n;
}

/* How many views the EDUS have among them */
static unsigned views_used(Unit *unit)
{
    g_autoptr(GHashTable) used = g_hash_table_new(NULL, NULL);
    g_autoptr(GPtrArray) views = views_now(unit);
    unsigned i;

    for (i = 0; i < EDUS; i++) {
        g_assert_cmpuint(views_at(views, edu_sid(i), used), ==, 1);
    }
    return g_hash_table_size(used);
}

static unsigned views_in_common(GHashTable *some, GHashTable *others)
{
    GHashTableIter iter;
    gpointer number;
    unsigned n = 0;

    g_hash_table_iter_init(&iter, some);
    while (g_hash_table_iter_next(&iter, &number, NULL)) {
        n += g_hash_table_contains(others, number);
    }
    return n;
}

/* Is the view of the EDU at @i no other one's? */
static bool is_alone(Unit *unit, unsigned i)
{
    g_autoptr(GHashTable) mine = g_hash_table_new(NULL, NULL);
    g_autoptr(GHashTable) theirs = g_hash_table_new(NULL, NULL);
    g_autoptr(GPtrArray) views = views_now(unit);
    unsigned n;

    views_at(views, edu_sid(i), mine);
    for (n = 0; n < EDUS; n++) {
        if (n != i) {
            views_at(views, edu_sid(n), theirs);
        }
    }
    return views_in_common(mine, theirs) == 0;
}

static Unit *views_start(unsigned i, const char *with, const char *more)
{
    const UnitOps *ops = unit_ops();
    g_autofree char *devices = edus(i, with);
    g_autofree char *args = g_strdup_printf("%s%s", devices, more);

    return ops->start(ops->queue_form, "", args);
}

/* Nobody has turned anything on: one for all, whatever the unit reserves. */
static void test_idle(void)
{
    Unit *unit = views_start(EDUS, "", "");

    g_assert_cmpuint(views_used(unit), ==, 1);
    unit->ops->stop(unit);
}

/* What of guest memory an endpoint with such a window does not reach */
static void see_hole(Unit *unit, unsigned i, bool hole)
{
    Edu *edu = edu_new(unit, edu_sid(i));
    uint64_t at = unit->ops->ram + HOLE, beside = unit->ops->ram + BESIDE;

    qtest_memset(unit->qts, beside, MARK, 8);
    qtest_memset(unit->qts, at, 0, 8);
    edu_load(edu, beside, 8);
    edu_store(edu, at, 8);
    g_assert_cmphex(qtest_readb(unit->qts, at), ==, hole ? 0 : MARK);
    edu_free(edu);
}

/* A device that has a hole of its own has a view of its own, and it alone. */
static void test_apart(void)
{
    uint64_t at = unit_ops()->ram + HOLE;
    uint64_t last = at + UNIT_PAGE - 1;
    g_autofree char *with = g_strdup_printf(",reserved-ranges=0x%" PRIx64
                                            ":0x%" PRIx64 ":0", at, last);
    const UnitOps *ops = unit_ops();
    g_autofree char *devices = edus(2, with);
    Unit *unit = ops->start(ops->queue_form, "ram-in-windows=on", devices);

    g_assert_cmpuint(views_used(unit), ==, 2);
    g_assert_true(is_alone(unit, 2));
    see_hole(unit, 1, false);
    see_hole(unit, 2, true);
    see_hole(unit, 3, false);
    ops->reset(unit);
    g_assert_cmpuint(views_used(unit), ==, 2);
    unit->ops->stop(unit);
}

/* The same hole for everybody, by the unit: one view again. */
static void test_unit_hole(void)
{
    const UnitOps *ops = unit_ops();
    uint64_t at = ops->ram + HOLE, last = at + UNIT_PAGE - 1;
    g_autofree char *props = g_strdup_printf(
        "ram-in-windows=on,reserved-ranges=0x%" PRIx64 ":0x%" PRIx64 ":0",
        at, last);
    g_autofree char *devices = edus(EDUS, "");
    Unit *unit = ops->start(ops->queue_form, props, devices);

    g_assert_cmpuint(views_used(unit), ==, 1);
    see_hole(unit, 1, true);
    see_hole(unit, 3, true);
    unit->ops->stop(unit);
}

/* Who is translated has a view of its own; after a reset there is one again. */
static void test_enable(void)
{
    const UnitOps *ops = unit_ops();
    Unit *unit = views_start(EDUS, "", "");
    UnitSpace *space;
    unsigned i;

    space = ops->space(unit, ops->queue_form, 7);
    for (i = 0; i < EDUS; i++) {
        ops->attach(unit, edu_sid(i), space);
    }
    ops->enable(unit, ops->queue_form);
    g_assert_cmpuint(views_used(unit), ==, EDUS);
    ops->reset(unit);
    g_assert_cmpuint(views_used(unit), ==, 1);
    unit->ops->stop(unit);
}

/* An entry of the model's that lets @sid pass */
static void attach_bypass(Unit *unit, uint16_t sid, UnitSpace *space)
{
    if (unit->ops == &vtd_unit_ops) {
        vtd_attach(container_of(unit, VTD, unit), sid, vtd_domain_of(space),
                   VTD_TT_PASSTHROUGH);
    } else if (unit->ops == &smmu_unit_ops) {
        uint64_t ste[8];

        smmu_make_ste(ste, SMMU_STE_BYPASS, 0, NULL, 0);
        smmu_set_ste(container_of(unit, SMMU, unit), sid, ste);
    } else {
        amd_set_dte(container_of(unit, AMD, unit), sid, 0, 0, 0);
    }
}

/* One is translated, leaves the others' view, and comes back to it. */
static void test_switch(void)
{
    const UnitOps *ops = unit_ops();
    unsigned form = ops->queue_form, i;
    Unit *unit = views_start(EDUS, "", "");
    UnitSpace *space = ops->space(unit, form, 7);

    for (i = 0; i < EDUS; i++) {
        attach_bypass(unit, edu_sid(i), space);
    }
    ops->enable(unit, form);
    see_hole(unit, 2, false);
    g_assert_cmpuint(views_used(unit), ==, 1);

    for (i = 0; i < 2; i++) {
        ops->detach_start(unit, form, edu_sid(2), space);
        viommu_until(unit, ops->inv_done(unit, form));
        ops->reattach(unit, form, edu_sid(2), space);
        g_assert_cmpuint(views_used(unit), ==, 2);
        g_assert_true(is_alone(unit, 2));
        see_hole(unit, 2, true);
        g_assert_true(ops->drop_faults(unit, edu_sid(2)));
        see_hole(unit, 3, false);

        ops->detach_start(unit, form, edu_sid(2), space);
        viommu_until(unit, ops->inv_done(unit, form));
        attach_bypass(unit, edu_sid(2), space);
        see_hole(unit, 2, false);
        ops->inv_start(unit, form, UNIT_ALL, space, 0, 0);
        viommu_until(unit, ops->inv_done(unit, form));
        g_assert_cmpuint(views_used(unit), ==, 1);
    }
    ops->assert_no_fault(unit);
    unit->ops->stop(unit);
}

/* A device that comes later sees what all see; its address stays. */
static void test_plug(void)
{
    const UnitOps *ops = unit_ops();
    Unit *unit = views_start(EDUS, "", PLUG_PORT_ARGS);
    QPCIDevice *port = unit_open_bridge(unit, PLUG_PORT, 1);
    unsigned i;

    for (i = 0; i < 2; i++) {
        g_autoptr(GHashTable) used = g_hash_table_new(NULL, NULL);
        g_autoptr(GPtrArray) views = NULL;

        qtest_qmp_device_add(unit->qts, "edu", "late", "{'bus': 'rp'}");
        plug_power(port);
        views = views_now(unit);
        /* The host bridge, too, is at the first address of its bus. */
        g_assert_cmpuint(views_at(views, 0, used), ==, 2);
        views_at(views, edu_sid(0), used);
        g_assert_cmpuint(g_hash_table_size(used), ==, 1);
        plug_pull(unit, port, "late");
        g_assert_cmpuint(views_used(unit), ==, 1);
    }
    g_free(port);
    ops->stop(unit);
}

int main(int argc, char **argv)
{
    const UnitOps *ops;

    g_test_init(&argc, &argv, NULL);
    ops = unit_ops();
    qtest_add_func("viommu/views/idle", test_idle);
    qtest_add_func("viommu/views/unit-hole", test_unit_hole);
    qtest_add_func("viommu/views/apart", test_apart);
    qtest_add_func("viommu/views/enable", test_enable);
    if (ops == &vtd_unit_ops || ops == &smmu_unit_ops ||
        ops == &amd_unit_ops) {
        qtest_add_func("viommu/views/switch", test_switch);
    }
    if (!strcmp(ops->target, "x86_64")) {
        qtest_add_func("viommu/views/plug", test_plug);
    }
    return g_test_run();
}

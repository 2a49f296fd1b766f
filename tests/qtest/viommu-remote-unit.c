/*
 * viommu-remote, with the toy server, for model-neutral tests
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "viommu-remote.h"

/* Servers of machines whose command line was asked for, for adopt() */
static GPid second_server;

static RMT *rmt_of(const Unit *unit)
{
    return container_of(unit, RMT, unit);
}

static Unit *start(unsigned form, const char *props, const char *args)
{
    RMT *rmt = rmt_start(props, args);

    rmt->ops = &remote_unit_ops;
    return &rmt->unit;
}

static char *args(unsigned form, const char *props)
{
    return rmt_args(props, &second_server);
}

static Unit *adopt(const Unit *from, QTestState *qts)
{
    RMT *rmt = rmt_adopt(rmt_of(from), qts);

    g_array_append_val(rmt->servers, second_server);
    return &rmt->unit;
}

static void stop(Unit *unit)
{
    rmt_stop(rmt_of(unit));
}

static void reset(Unit *unit)
{
    qtest_system_reset(unit->qts);
}

static void assert_reset(Unit *unit)
{
    RMT *rmt = rmt_of(unit);

    g_assert_cmphex(rmt_read(rmt, RMT_CTRL), ==, 0);
    g_assert_cmphex(rmt_read(rmt, RMT_STATUS), ==, 0);
    g_assert_cmphex(rmt_read(rmt, RMT_DIR), ==, 0);
    g_assert_cmphex(rmt_read(rmt, RMT_FIRST), ==, 0);
}

/* A reset ends what waits, and nothing else tells of its end. */
static void assert_cancelled(Unit *unit, unsigned form)
{
    g_assert_true(rmt_drained(rmt_of(unit)));
}

static UnitSpace *space(Unit *unit, unsigned form, uint16_t id)
{
    return rmt_space(rmt_of(unit), id);
}

static void attach(Unit *unit, uint16_t sid, UnitSpace *s)
{
    rmt_attach(rmt_of(unit), sid, s);
}

static void map(Unit *unit, UnitSpace *s, uint64_t iova, uint64_t gpa,
                uint64_t size, unsigned perms)
{
    rmt_map(rmt_of(unit), s, iova, gpa, size, perms);
}

static void enable(Unit *unit, unsigned form)
{
    rmt_enable(rmt_of(unit));
}

static void enable_start(Unit *unit)
{
    RMT *rmt = rmt_of(unit);

    rmt_write(rmt, RMT_DIR, rmt->dir);
    rmt_write(rmt, RMT_CTRL, 1);
}

static bool inv_done(Unit *unit, unsigned form)
{
    return rmt_drained(rmt_of(unit));
}

static bool enabled(Unit *unit)
{
    return inv_done(unit, 0);
}

static void inv_start(Unit *unit, unsigned form, UnitScope scope,
                      const UnitSpace *s, uint64_t iova, unsigned order)
{
    RMT *rmt = rmt_of(unit);

    switch (scope) {
    case UNIT_ALL:
        rmt_inv(rmt, RMT_INV_ALL, 0);
        break;
    case UNIT_SPACE:
        rmt_inv(rmt, RMT_INV_DOMAIN, s->domain);
        break;
    default:
        rmt_write(rmt, RMT_FIRST, iova);
        rmt_write(rmt, RMT_LAST, iova + (UNIT_PAGE << order) - 1);
        rmt_inv(rmt, RMT_INV_RANGE, s->domain);
    }
}

static void detach_start(Unit *unit, unsigned form, uint16_t sid,
                         const UnitSpace *s)
{
    RMT *rmt = rmt_of(unit);

    rmt_attach(rmt, sid, NULL);
    rmt_inv(rmt, RMT_INV_RID, sid);
    rmt_inv(rmt, RMT_INV_DOMAIN, s->domain);
}

static void reattach(Unit *unit, unsigned form, uint16_t sid, UnitSpace *s)
{
    attach(unit, sid, s);
    rmt_inv(rmt_of(unit), RMT_INV_RID, sid);
    unit_inv_wait(unit, form);
}

static bool fault_take(RMT *rmt, uint64_t *fault, uint64_t *iova)
{
    *fault = rmt_read(rmt, RMT_FAULT);
    *iova = rmt_read(rmt, RMT_FAULT_IOVA);
    if (*fault) {
        rmt_write(rmt, RMT_FAULT, 0);
    }
    return *fault;
}

static void assert_no_fault(Unit *unit)
{
    viommu_turns(unit);
    g_assert_cmphex(rmt_read(rmt_of(unit), RMT_FAULT), ==, 0);
}

/* What fails may be tried in pieces, and each is told. */
static void assert_fault(Unit *unit, uint16_t sid, bool is_read, uint64_t iova)
{
    uint64_t fault, at;
    unsigned n = 0;

    viommu_turns(unit);
    for (; fault_take(rmt_of(unit), &fault, &at); n++) {
        g_assert_cmphex(RMT_FAULT_RID(fault), ==, sid);
        g_assert_cmpint(!(fault & RMT_FAULT_WRITE), ==, is_read);
        g_assert_cmphex(at & -UNIT_PAGE, ==, iova & -UNIT_PAGE);
    }
    g_assert_cmpuint(n, >, 0);
}

static bool drop_faults(Unit *unit, uint16_t sid)
{
    uint64_t fault, at;
    bool any = false;

    viommu_turns(unit);
    while (fault_take(rmt_of(unit), &fault, &at)) {
        g_assert_cmphex(RMT_FAULT_RID(fault), ==, sid);
        any = true;
    }
    return any;
}

static const char *const forms[] = { "message", NULL };

const UnitOps remote_unit_ops = {
    .name = "remote",
    .target = "x86_64",
    .type = "viommu-remote",
    .forms = forms,
    .vague = true,
    .start = start,
    .args = args,
    .adopt = adopt,
    .stop = stop,
    .reset = reset,
    .assert_reset = assert_reset,
    .assert_cancelled = assert_cancelled,
    .space = space,
    .attach = attach,
    .map = map,
    .enable = enable,
    .enable_start = enable_start,
    .enabled = enabled,
    .inv_start = inv_start,
    .reattach = reattach,
    .detach_start = detach_start,
    .inv_done = inv_done,
    .assert_no_fault = assert_no_fault,
    .assert_fault = assert_fault,
    .drop_faults = drop_faults,
};

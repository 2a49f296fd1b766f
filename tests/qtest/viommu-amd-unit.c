/*
 * AMD-Vi for model-neutral tests
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "viommu-amd.h"

/* Who translates; a guest's accesses have no PASID, which is PASID 0. */
typedef enum Form {
    FORM_HOST,
    FORM_GUEST,
    FORM_NESTED,
} Form;

static const char *const forms[] = { "command", "guest", "nested", NULL };

struct UnitSpace {
    Form form;
    uint32_t pasid;          /* of the guest's tables */
    AMDDomain dom;           /* FORM_HOST */
    AMDGuest guest;          /* the others */
};

static AMD *amd_of(const Unit *unit)
{
    return container_of(unit, AMD, unit);
}

static char *properties(unsigned form, const char *props)
{
    return g_strdup_printf("%s%s%s", props,
                           *props && form != FORM_HOST ? "," : "",
                           form != FORM_HOST ? "gtsup=on" : "");
}

static Unit *start(unsigned form, const char *props, const char *args)
{
    g_autofree char *all = properties(form, props);
    AMD *amd = amd_start(all, "%s", args);

    amd->ops = &amd_unit_ops;
    amd->control = form != FORM_HOST ? AMD_C_GT : 0;
    return &amd->unit;
}

static char *args(unsigned form, const char *props)
{
    g_autofree char *all = properties(form, props);

    return amd_machine(all);
}

static Unit *adopt(const Unit *from, QTestState *qts)
{
    return &amd_adopt(amd_of(from), qts)->unit;
}

static void stop(Unit *unit)
{
    amd_stop(amd_of(unit));
}

static void reset(Unit *unit)
{
    AMD *amd = amd_of(unit);

    qtest_system_reset(amd->qts);
    amd->cmd_tail = 0;
}

static void assert_reset(Unit *unit)
{
    AMD *amd = amd_of(unit);

    g_assert_cmphex(amd_read(amd, AMD_CONTROL), ==, 0);
    g_assert_cmphex(amd_read(amd, AMD_STATUS), ==, 0);
    g_assert_cmphex(amd_read(amd, AMD_CMD_BASE), ==, 0);
    g_assert_cmphex(amd_read(amd, AMD_CMD_HEAD), ==, 0);
    g_assert_cmphex(amd_read(amd, AMD_CMD_TAIL), ==, 0);
}

static void assert_cancelled(Unit *unit, unsigned form)
{
    g_assert_false(amd_cmd_done(amd_of(unit)));
}

static UnitSpace *space(Unit *unit, unsigned form, uint16_t id)
{
    UnitSpace *s = g_new0(UnitSpace, 1);

    s->form = form;
    if (form == FORM_HOST) {
        amd_domain_init(amd_of(unit), &s->dom, id);
    } else {
        amd_guest_init(amd_of(unit), &s->guest, id, form == FORM_NESTED);
    }
    return s;
}

static void attach(Unit *unit, uint16_t sid, UnitSpace *s)
{
    if (s->form == FORM_HOST) {
        amd_attach(amd_of(unit), sid, &s->dom);
    } else {
        amd_guest_attach(amd_of(unit), sid, &s->guest);
    }
}

/*
 * As Linux does it, a page has been accessed and written: one that the unit had
 * to mark again would be stale.
 */
static void guest_map(AMD *amd, UnitSpace *s, uint64_t iova, uint64_t gpa,
                      uint64_t size, unsigned perms)
{
    bool large = size != UNIT_PAGE;
    uint64_t pte = amd_guest_pte(amd, &s->guest, s->pasid, iova,
                                 large ? 2 : 1);

    qtest_writeq(amd->qts, pte, !perms ? 0 : gpa | AMD_G_P | AMD_G_US |
                 AMD_G_A | AMD_G_D | (large ? AMD_G_PS : 0) |
                 (perms & UNIT_W ? AMD_G_RW : 0));
}

static void map(Unit *unit, UnitSpace *s, uint64_t iova, uint64_t gpa,
                uint64_t size, unsigned perms)
{
    AMD *amd = amd_of(unit);
    uint64_t pte;

    if (s->form != FORM_HOST) {
        guest_map(amd, s, iova, gpa, size, perms);
        return;
    }
    pte = amd_pte(amd, &s->dom, iova, size == UNIT_PAGE ? 1 : 2);
    qtest_writeq(amd->qts, pte, !perms ? 0 : gpa | AMD_PR |
                 (perms & UNIT_R ? AMD_IR : 0) |
                 (perms & UNIT_W ? AMD_IW : 0));
}

static uint64_t pte(Unit *unit, UnitSpace *s, uint64_t iova)
{
    return s->form == FORM_HOST ? amd_pte(amd_of(unit), &s->dom, iova, 1) :
           amd_guest_pte(amd_of(unit), &s->guest, s->pasid, iova, 1);
}

/* A machine may have been started for another form (fuzzing). */
static void enable(Unit *unit, unsigned form)
{
    AMD *amd = amd_of(unit);

    amd->control = form != FORM_HOST ? AMD_C_GT : 0;
    amd_enable(amd);
}

static void enable_start(Unit *unit)
{
    AMD *amd = amd_of(unit);

    amd_setup(amd);
    amd_write(amd, AMD_CONTROL, AMD_C_IOMMU | AMD_C_EVENT_LOG | AMD_C_CMD_BUF |
              amd->control);
    amd_cmd_wait_put(amd);
    amd_cmd_kick(amd);
}

static bool inv_done(Unit *unit, unsigned form)
{
    return amd_cmd_done(amd_of(unit));
}

static bool enabled(Unit *unit)
{
    return inv_done(unit, 0);
}

/* What an address with S = 1 has for 2^@order pages */
static uint64_t pages(uint64_t iova, unsigned order)
{
    uint64_t size = UNIT_PAGE << order;

    return order ? ((iova & -size) | (size / 2 - UNIT_PAGE) | 1) : iova;
}

static void inv_start(Unit *unit, unsigned form, UnitScope scope,
                      const UnitSpace *s, uint64_t iova, unsigned order)
{
    AMD *amd = amd_of(unit);

    if (scope == UNIT_ALL) {
        amd_cmd_put(amd, AMD_CMD_ALL, 0);
    } else {
        bool host = s->form == FORM_HOST;

        amd_cmd_put(amd, AMD_CMD_PAGES | s->pasid |
                    AMD_PAGES_DOMAIN(host ? s->dom.id : s->guest.id),
                    (host ? 0 : AMD_GN) |
                    (scope == UNIT_SPACE ? AMD_PAGES_ALL :
                                           pages(iova, order)));
    }
    amd_cmd_wait_put(amd);
    amd_cmd_kick(amd);
}

static void detach_start(Unit *unit, unsigned form, uint16_t sid,
                         const UnitSpace *s)
{
    AMD *amd = amd_of(unit);

    amd_set_dte(amd, sid, 0, AMD_DTE_V, 0);
    amd_cmd_put(amd, AMD_CMD_DEVTAB | sid, 0);
    amd_cmd_wait_put(amd);
    amd_cmd_kick(amd);
}

static void reattach(Unit *unit, unsigned form, uint16_t sid, UnitSpace *s)
{
    AMD *amd = amd_of(unit);

    attach(unit, sid, s);
    amd_cmd(amd, AMD_CMD_DEVTAB | sid, 0);
}

static UnitSpace *pasid_space(Unit *unit, uint16_t id, uint32_t pasid)
{
    UnitSpace *s = space(unit, FORM_GUEST, id);

    s->pasid = pasid;
    return s;
}

static void attach_ats(Unit *unit, uint16_t sid, UnitSpace *s)
{
    uint64_t dte1 = amd_of(unit)->devtab + 32 * sid + 8;

    attach(unit, sid, s);
    qtest_writeq(unit->qts, dte1, qtest_readq(unit->qts, dte1) | AMD_DTE1_I);
}

static void ats_inv_start(Unit *unit, uint16_t sid)
{
    AMD *amd = amd_of(unit);

    amd_cmd_put(amd, AMD_CMD_IOTLB | sid, AMD_PAGES_ALL);
    amd_cmd_wait_put(amd);
    amd_cmd_kick(amd);
}

static void assert_no_fault(Unit *unit)
{
    amd_assert_no_event(amd_of(unit));
}

/* What fails is tried in pieces, and each is logged. */
static void assert_fault(Unit *unit, uint16_t sid, bool is_read, uint64_t iova)
{
    AMD *amd = amd_of(unit);
    unsigned n = 0;
    AMDEvent event;

    for (; amd_event_take(amd, &event); n++) {
        g_assert_cmpuint(event.code, ==, AMD_EV_PAGE_FAULT);
        g_assert_cmphex(event.device, ==, sid);
        g_assert_cmphex(event.flags & AMD_F_RW, ==, is_read ? 0 : AMD_F_RW);
        g_assert_cmphex(event.addr & -UNIT_PAGE, ==, iova & -UNIT_PAGE);
    }
    g_assert_cmpuint(n, >, 0);
}

static bool drop_faults(Unit *unit, uint16_t sid)
{
    AMDEvent event;
    bool any = false;

    while (amd_event_take(amd_of(unit), &event)) {
        g_assert_cmphex(event.device, ==, sid);
        any = true;
    }
    return any;
}

const UnitOps amd_unit_ops = {
    .name = "amd",
    .target = "x86_64",
    .type = "amd-iommu",
    .forms = forms,
    .regs = AMD_BASE,
    .regs_size = 0x4000,
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
    .pte = pte,
    .enable = enable,
    .enable_start = enable_start,
    .enabled = enabled,
    .inv_start = inv_start,
    .reattach = reattach,
    .detach_start = detach_start,
    .inv_done = inv_done,
    .pasid_form = FORM_GUEST,
    .pasid_props = "",
    .pasid_space = pasid_space,
    .ats_props = "",
    .attach_ats = attach_ats,
    .ats_inv_start = ats_inv_start,
    .assert_no_fault = assert_no_fault,
    .assert_fault = assert_fault,
    .drop_faults = drop_faults,
};

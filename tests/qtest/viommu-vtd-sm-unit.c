/*
 * VT-d in scalable mode for model-neutral tests
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A form is a translation type, invalidated as a driver does it: a second stage
 * by domain, the others by PASID.  Accesses have no PASID: theirs is RID_PASID.
 */
#include "qemu/osdep.h"
#include "viommu-viommud.h"
#include "viommu-vtd-sm.h"

typedef enum Form {
    FORM_SECOND,
    FORM_FIRST,
    FORM_NESTED,
} Form;

static const char *const forms[] = { "second", "first", "nested", NULL };

struct UnitSpace {
    VTDSMSpace sm;
};

static VTD *vtd_of(const Unit *unit)
{
    return container_of(unit, VTD, unit);
}

static VTDScope scope_of(UnitScope scope)
{
    static const VTDScope scopes[] = { VTD_GLOBAL, VTD_DOMAIN, VTD_PAGE };

    return scopes[scope];
}

static char *properties(const char *props)
{
    return g_strdup_printf("%s%s%s", VTD_SM_ALL, *props ? "," : "", props);
}

static Unit *start(unsigned form, const char *props, const char *args)
{
    g_autofree char *all = properties(props);
    VTD *vtd = vtd_sm_start(all, args);

    vtd->ops = &vtd_sm_unit_ops;
    return &vtd->unit;
}

static char *args(unsigned form, const char *props)
{
    g_autofree char *all = properties(props);

    return vtd_machine(all);
}

/* Behind viommu-remote, with qemu-viommud */

static Unit *remote_start_machine(const char *machine, const char *args)
{
    VTD *vtd = vtd_start_machine(machine, args);

    vtd->scalable = true;
    return &vtd->unit;
}

static Unit *remote_start(unsigned form, const char *props, const char *args)
{
    return viommud_start(&vtd_sm_remote_unit_ops, form, props, args,
                         remote_start_machine);
}

static UnitSpace *space(Unit *unit, unsigned form, uint16_t id)
{
    static const VTDSMType types[] = {
        [FORM_SECOND] = VTD_SM_SECOND,
        [FORM_FIRST] = VTD_SM_FIRST,
        [FORM_NESTED] = VTD_SM_NESTED,
    };
    UnitSpace *s = g_new0(UnitSpace, 1);

    vtd_sm_space_init(vtd_of(unit), &s->sm, types[form], id, 0);
    return s;
}

static void attach(Unit *unit, uint16_t sid, UnitSpace *s)
{
    vtd_sm_attach(vtd_of(unit), sid, &s->sm);
}

static void map(Unit *unit, UnitSpace *s, uint64_t iova, uint64_t gpa,
                uint64_t size, unsigned perms)
{
    vtd_sm_map(vtd_of(unit), &s->sm, iova, gpa, size == UNIT_PAGE ? 1 : 2,
               (perms & UNIT_R ? VTD_PTE_R : 0) |
               (perms & UNIT_W ? VTD_PTE_W : 0));
}

static uint64_t pte(Unit *unit, UnitSpace *s, uint64_t iova)
{
    return vtd_sm_pte(vtd_of(unit), &s->sm, iova, 1);
}

static void enable(Unit *unit, unsigned form)
{
    vtd_enable(vtd_of(unit), VTD_QUEUED);
}

static void inv_start(Unit *unit, unsigned form, UnitScope scope,
                      const UnitSpace *s, uint64_t iova, unsigned order)
{
    vtd_sm_inv_start(vtd_of(unit), scope_of(scope), &s->sm, iova, order);
}

/* 6.5.3.3: the PASID cache first, then what was translated by it */
static void detach_start(Unit *unit, unsigned form, uint16_t sid,
                         const UnitSpace *s)
{
    vtd_sm_detach(vtd_of(unit), sid, s->sm.pasid);
    vtd_sm_forget_start(vtd_of(unit), &s->sm);
}

static void reattach(Unit *unit, unsigned form, uint16_t sid, UnitSpace *s)
{
    attach(unit, sid, s);
    vtd_sm_forget(vtd_of(unit), &s->sm);
}

static UnitSpace *pasid_space(Unit *unit, uint16_t id, uint32_t pasid)
{
    UnitSpace *s = g_new0(UnitSpace, 1);

    vtd_sm_space_init(vtd_of(unit), &s->sm, VTD_SM_FIRST, id, pasid);
    return s;
}

static void attach_ats(Unit *unit, uint16_t sid, UnitSpace *s)
{
    uint64_t context = vtd_sm_context(vtd_of(unit), sid);

    attach(unit, sid, s);
    qtest_writeq(unit->qts, context,
                 qtest_readq(unit->qts, context) | VTD_SM_CTX_DTE);
}

static bool inv_done(Unit *unit, unsigned form)
{
    return vtd_inv_done(vtd_of(unit), VTD_QUEUED);
}

static void assert_fault(Unit *unit, uint16_t sid, bool is_read, uint64_t iova)
{
    VTD *vtd = vtd_of(unit);
    VTDFault fault;

    g_assert_true(vtd_fault_take(vtd, 0, &fault));
    /* Not present, or not for this: which depends on the stage. */
    g_assert_true(fault.reason == VTD_FR_FS_P || fault.reason == VTD_FR_SS_P ||
                  fault.reason == (is_read ? VTD_FR_S_READ : VTD_FR_S_WRITE));
    g_assert_cmphex(fault.sid, ==, sid);
    g_assert_cmpint(fault.is_read, ==, is_read);
    g_assert_cmphex(fault.info, ==, iova & ~(VTD_PAGE_SIZE - 1));
    vtd_assert_no_fault(vtd);
}

static void assert_cancelled(Unit *unit, unsigned form)
{
    VTD *vtd = vtd_of(unit);

    g_assert_cmpuint(qtest_readl(vtd->qts, vtd->iq_status), <,
                     vtd->iq_ticket);
}

/* Wherever the unit is */
#define VTD_SM_UNIT_OPS                                                 \
    VTD_UNIT_OPS,                                                       \
    .forms = forms,                                                     \
    .queue_form = FORM_SECOND,                                          \
    .write_only_form = FORM_SECOND,                                     \
    .assert_cancelled = assert_cancelled,                               \
    .space = space,                                                     \
    .attach = attach,                                                   \
    .map = map,                                                         \
    .pte = pte,                                                         \
    .enable = enable,                                                   \
    .inv_start = inv_start,                                             \
    .reattach = reattach,                                               \
    .detach_start = detach_start,                                       \
    .inv_done = inv_done,                                               \
    .pasid_form = FORM_FIRST,                                           \
    .pasid_props = "",                                                  \
    .pasid_space = pasid_space,                                         \
    .assert_fault = assert_fault

const UnitOps vtd_sm_unit_ops = {
    VTD_SM_UNIT_OPS,
    .name = "vtd-sm",
    .type = "intel-iommu",
    .start = start,
    .args = args,
    .ats_props = "device-iotlb=on",
    .attach_ats = attach_ats,
    .stop = vtd_unit_stop,
};

const UnitOps vtd_sm_remote_unit_ops = {
    VTD_SM_UNIT_OPS,
    .name = "remote-vtd-sm",
    .type = "viommu-remote",
    .vague = true,
    .shares_memory = true,
    .start = remote_start,
    .args = viommud_vtd_sm_args,
    .stop = vtd_unit_remote_stop,
};

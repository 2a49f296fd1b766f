/*
 * VT-d for model-neutral tests
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "viommu-viommud.h"
#include "viommu-vtd.h"

struct UnitSpace {
    VTDDomain dom;
};

static VTD *vtd_of(const Unit *unit)
{
    return container_of(unit, VTD, unit);
}

const VTDDomain *vtd_domain_of(const UnitSpace *space)
{
    return &space->dom;
}

static VTDScope scope_of(UnitScope scope)
{
    static const VTDScope scopes[] = { VTD_GLOBAL, VTD_DOMAIN, VTD_PAGE };

    return scopes[scope];
}

static Unit *start(unsigned form, const char *props, const char *args)
{
    VTD *vtd = vtd_start(props, "%s", args);

    vtd->ops = &vtd_unit_ops;
    return &vtd->unit;
}

static char *args(unsigned form, const char *props)
{
    return vtd_machine(props);
}

Unit *vtd_unit_adopt(const Unit *from, QTestState *qts)
{
    return &vtd_adopt(vtd_of(from), qts)->unit;
}

void vtd_unit_stop(Unit *unit)
{
    vtd_stop(vtd_of(unit));
}

void vtd_machine_reset(Unit *unit)
{
    vtd_reset(vtd_of(unit));
}

void vtd_unit_assert_reset(Unit *unit)
{
    VTD *vtd = vtd_of(unit);

    g_assert_cmphex(vtd_read64(vtd, VTD_IOTLB), ==, 0);
    g_assert_cmphex(vtd_read64(vtd, VTD_CCMD), ==, 0);
    g_assert_cmphex(vtd_read32(vtd, VTD_GSTS), ==, 0);
    g_assert_cmphex(vtd_read64(vtd, VTD_IQH), ==, 0);
    g_assert_cmphex(vtd_read64(vtd, VTD_IQT), ==, 0);
}

static void assert_cancelled(Unit *unit, unsigned form)
{
    VTD *vtd = vtd_of(unit);

    if (form == VTD_QUEUED) {
        g_assert_cmpuint(qtest_readl(vtd->qts, vtd->iq_status), <,
                         vtd->iq_ticket);
    }
}

static UnitSpace *space(Unit *unit, unsigned form, uint16_t id)
{
    UnitSpace *s = g_new0(UnitSpace, 1);

    vtd_domain_init(vtd_of(unit), &s->dom, id, 4);
    return s;
}

static void attach(Unit *unit, uint16_t sid, UnitSpace *s)
{
    vtd_attach(vtd_of(unit), sid, &s->dom, VTD_TT_UNTRANSLATED);
}

static void map(Unit *unit, UnitSpace *s, uint64_t iova, uint64_t gpa,
                uint64_t size, unsigned perms)
{
    int level = size == UNIT_PAGE ? 1 : 2;
    uint64_t bits = (perms & UNIT_R ? VTD_PTE_R : 0) |
                    (perms & UNIT_W ? VTD_PTE_W : 0);

    if (bits) {
        vtd_map(vtd_of(unit), &s->dom, iova, gpa, level, bits);
    } else {
        vtd_unmap(vtd_of(unit), &s->dom, iova, level);
    }
}

static uint64_t pte(Unit *unit, UnitSpace *s, uint64_t iova)
{
    return vtd_pte(vtd_of(unit), &s->dom, iova, 1);
}

static void enable(Unit *unit, unsigned form)
{
    vtd_enable(vtd_of(unit), form);
}

void vtd_unit_enable_start(Unit *unit)
{
    VTD *vtd = vtd_of(unit);

    vtd_set_root(vtd, vtd->root);
    vtd_gcmd(vtd, VTD_G_TE, 0);
}

bool vtd_unit_enabled(Unit *unit)
{
    return vtd_read32(vtd_of(unit), VTD_GSTS) & VTD_G_TE;
}

static void inv_start(Unit *unit, unsigned form, UnitScope scope,
                      const UnitSpace *s, uint64_t iova, unsigned order)
{
    vtd_inv_iotlb_start(vtd_of(unit), form, scope_of(scope), s->dom.did, iova,
                        order);
}

/* 6.5.3.3: the context cache first, then what was translated by it */
static void detach_start(Unit *unit, unsigned form, uint16_t sid,
                         const UnitSpace *s)
{
    VTD *vtd = vtd_of(unit);

    vtd_set_context(vtd, sid, 0, 0);
    if (form == VTD_QUEUED) {
        vtd_queue_put(vtd, VTD_D_CC | VTD_D_G(VTD_PAGE) |
                      VTD_D_DID(s->dom.did) | VTD_D_CC_SID(sid), 0);
    } else {
        vtd_write64(vtd, VTD_CCMD, VTD_CCMD_ICC | VTD_CCMD_CIRG(VTD_PAGE) |
                    (uint64_t)sid << 16 | s->dom.did);
    }
    vtd_inv_iotlb_start(vtd, form, VTD_DOMAIN, s->dom.did, 0, 0);
}

static void reattach(Unit *unit, unsigned form, uint16_t sid, UnitSpace *s)
{
    attach(unit, sid, s);
    vtd_inv_everything(vtd_of(unit));
}

static void attach_ats(Unit *unit, uint16_t sid, UnitSpace *s)
{
    vtd_attach(vtd_of(unit), sid, &s->dom, VTD_TT_DEVICE_TLB);
}

void vtd_unit_ats_inv_start(Unit *unit, uint16_t sid)
{
    VTD *vtd = vtd_of(unit);

    vtd_queue_put(vtd, VTD_D_DEVTLB | VTD_D_CC_SID(sid),
                  VTD_D_DEVTLB_ALL | VTD_D_DEVTLB_S);
    vtd_queue_wait_put(vtd);
    vtd_queue_kick(vtd);
}

static bool inv_done(Unit *unit, unsigned form)
{
    return vtd_inv_done(vtd_of(unit), form);
}

void vtd_unit_assert_no_fault(Unit *unit)
{
    vtd_assert_no_fault(vtd_of(unit));
}

static void assert_fault(Unit *unit, uint16_t sid, bool is_read,
                         uint64_t iova)
{
    vtd_assert_fault(vtd_of(unit), is_read ? VTD_FR_READ : VTD_FR_WRITE, sid,
                     is_read, iova & ~(VTD_PAGE_SIZE - 1));
}

bool vtd_unit_drop_faults(Unit *unit, uint16_t sid)
{
    VTDFault fault;
    bool any = false;

    while (vtd_fault_take(vtd_of(unit), 0, &fault)) {
        g_assert_cmphex(fault.sid, ==, sid);
        any = true;
    }
    return any;
}

static const char *const forms[] = { "register", "queued", NULL };

/* Of legacy mode, wherever the unit is */
#define VTD_LEGACY_UNIT_OPS                                             \
    VTD_UNIT_OPS,                                                       \
    .forms = forms,                                                     \
    .queue_form = VTD_QUEUED,                                           \
    .write_only_form = VTD_QUEUED,                                      \
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
    .assert_fault = assert_fault

const UnitOps vtd_unit_ops = {
    VTD_LEGACY_UNIT_OPS,
    .name = "vtd",
    .type = "intel-iommu",
    .stock_stream = true,
    .start = start,
    .args = args,
    .ats_props = "device-iotlb=on",
    .attach_ats = attach_ats,
    .stop = vtd_unit_stop,
};

/* Behind viommu-remote, with qemu-viommud */

static Unit *remote_start_machine(const char *machine, const char *args)
{
    return &vtd_start_machine(machine, args)->unit;
}

static Unit *remote_start(unsigned form, const char *props, const char *args)
{
    return viommud_start(&vtd_remote_unit_ops, form, props, args,
                         remote_start_machine);
}

void vtd_unit_remote_stop(Unit *unit)
{
    vtd_unit_stop(unit);
    viommud_end();
}

const UnitOps vtd_remote_unit_ops = {
    VTD_LEGACY_UNIT_OPS,
    .name = "remote-vtd",
    .type = "viommu-remote",
    .vague = true,
    .start = remote_start,
    .args = viommud_vtd_args,
    .shares_memory = true,
    .stop = vtd_unit_remote_stop,
};

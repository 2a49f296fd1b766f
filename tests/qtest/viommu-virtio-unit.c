/*
 * virtio-iommu for model-neutral tests
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Those think of tables, which are changed and then invalidated.  Here a page
 * that is mapped for the first time is mapped at once; one that goes, or leads
 * elsewhere, is unmapped (and mapped anew) by the invalidation that covers it.
 * So while a page changes there is none, which accesses may see (.by_request).
 *
 * A domain must have an endpoint before anything can be mapped in it.  Each has
 * one that does nothing, so that the device under test can be attached last.
 */
#include "qemu/osdep.h"
#include "viommu-smmu-spec.h"
#include "viommu-virtio.h"

typedef struct SpacePage {
    uint64_t iova, size;
    uint64_t gpa, now_gpa;   /* as it shall be, and as it is */
    unsigned perms, now_perms;
    uint64_t now_size;
} SpacePage;

struct UnitSpace {
    uint16_t id;
    uint16_t idler;          /* the endpoint that does nothing */
    bool made;
    GArray *pages;           /* SpacePage */
};

#define PAGE_OF(s, i) (&g_array_index((s)->pages, SpacePage, i))

static VIO *vio_of(const Unit *unit)
{
    return container_of(unit, VIO, unit);
}

static Unit *start(unsigned form, const char *props, const char *args)
{
    VIO *vio = vio_start(props, args);

    vio->ops = unit_ops();
    return &vio->unit;
}

static char *args(unsigned form, const char *props)
{
    return vio_machine(props);
}

static Unit *adopt(const Unit *from, QTestState *qts)
{
    return &vio_adopt(vio_of(from), qts)->unit;
}

static void stop(Unit *unit)
{
    vio_stop(vio_of(unit));
}

static void reset(Unit *unit)
{
    VIO *vio = vio_of(unit);
    unsigned i, k;

    qtest_system_reset(unit->qts);
    vio_forget(vio);
    /* What the guest would have mapped, it maps again. */
    for (i = 0; i < vio->attachments->len; i++) {
        UnitSpace *s = g_array_index(vio->attachments, VIOAttachment, i).space;

        s->made = false;
        for (k = 0; k < s->pages->len; k++) {
            PAGE_OF(s, k)->now_perms = 0;
        }
    }
    g_array_set_size(vio->attachments, 0);
}

static void assert_reset(Unit *unit)
{
    VIO *vio = vio_of(unit);

    g_assert_cmphex(vio_register(vio, "status"), ==, 0);
    g_assert_cmpuint(vio_register(vio, "domains"), ==, 0);
    g_assert_cmpuint(vio_register(vio, "mappings"), ==, 0);
    g_assert_cmpuint(vio_register(vio, "requests-waiting"), ==, 0);
}

/* The last one put */
static void assert_cancelled(Unit *unit, unsigned form)
{
    VIO *vio = vio_of(unit);

    g_assert_cmphex(vio_answer(vio, (vio->put - 1) % VIO_SLOTS, 0), ==,
                    VIO_S_NONE);
}

static UnitSpace *space(Unit *unit, unsigned form, uint16_t id)
{
    /* The host bridge, and the unit itself or what stands there */
    static const uint16_t idlers[] = { 0, VIO_DEVFN };
    VIO *vio = vio_of(unit);
    UnitSpace *s = g_new0(UnitSpace, 1);

    s->pages = g_array_new(false, true, sizeof(SpacePage));
    s->id = id;
    s->idler = idlers[vio->spaces++];
    return s;
}

static bool differs(const SpacePage *p)
{
    return p->perms != p->now_perms || p->gpa != p->now_gpa ||
           p->size != p->now_size;
}

static void page_map(VIO *vio, const UnitSpace *s, SpacePage *p)
{
    if (p->perms) {
        vio_put_map(vio, s->id, p->iova, p->iova + p->size - 1, p->gpa,
                    (p->perms & UNIT_R ? VIO_MAP_F_R : 0) |
                    (p->perms & UNIT_W ? VIO_MAP_F_W : 0));
    }
    p->now_perms = p->perms;
    p->now_gpa = p->gpa;
    p->now_size = p->size;
}

static void wait_idle(VIO *vio)
{
    vio_kick(vio);
    viommu_until(vio, vio_idle(vio));
}

/* The domain, and what is to be mapped in it */
static void space_make(VIO *vio, UnitSpace *s)
{
    unsigned i;

    if (s->made) {
        return;
    }
    s->made = true;
    g_assert_cmpint(vio_wait(vio, vio_put_attach(vio, s->id, s->idler, 0)), ==,
                    VIO_S_OK);
    for (i = 0; i < s->pages->len; i++) {
        page_map(vio, s, PAGE_OF(s, i));
        wait_idle(vio);
    }
}

static void attach(Unit *unit, uint16_t sid, UnitSpace *s)
{
    VIOAttachment a = { sid, s };
    VIO *vio = vio_of(unit);

    g_array_append_val(vio->attachments, a);
    if (vio->on) {
        space_make(vio, s);
        g_assert_cmpint(vio_wait(vio, vio_put_attach(vio, s->id, sid, 0)), ==,
                        VIO_S_OK);
    }
}

static SpacePage *find_page(UnitSpace *s, uint64_t iova)
{
    unsigned i;

    for (i = 0; i < s->pages->len; i++) {
        if (PAGE_OF(s, i)->iova == iova) {
            return PAGE_OF(s, i);
        }
    }
    g_array_set_size(s->pages, i + 1);
    PAGE_OF(s, i)->iova = iova;
    return PAGE_OF(s, i);
}

static void map(Unit *unit, UnitSpace *s, uint64_t iova, uint64_t gpa,
                uint64_t size, unsigned perms)
{
    VIO *vio = vio_of(unit);
    SpacePage *p = find_page(s, iova);

    p->gpa = gpa;
    p->size = size;
    p->perms = perms;
    if (vio->on && !p->now_perms) {
        space_make(vio, s);
        if (differs(p)) {
            page_map(vio, s, p);
            wait_idle(vio);
        }
    }
}

/* Nothing is put behind an ATTACH that may have to wait. */
static void enable_begin(VIO *vio)
{
    unsigned i;

    vio_setup(vio, VIO_ALL_FEATURES);
    vio->on = true;
    for (i = 0; i < vio->attachments->len; i++) {
        VIOAttachment *a = &g_array_index(vio->attachments, VIOAttachment, i);

        space_make(vio, a->space);
    }
    for (i = 0; i < vio->attachments->len; i++) {
        VIOAttachment *a = &g_array_index(vio->attachments, VIOAttachment, i);

        vio->attach_slot = vio_put_attach(vio, a->space->id, a->sid, 0);
    }
    vio_kick(vio);
    /* Who is attached to nothing sees nothing. */
    vio->transport->set_config(vio, VIO_CONFIG_BYPASS, 0);
}

static void enable(Unit *unit, unsigned form)
{
    VIO *vio = vio_of(unit);

    enable_begin(vio);
    viommu_until(vio, vio_idle(vio));
}

static void enable_start(Unit *unit)
{
    enable_begin(vio_of(unit));
}

static bool enabled(Unit *unit)
{
    return vio_idle(vio_of(unit));
}

static void page_change(VIO *vio, UnitSpace *s, SpacePage *p)
{
    if (!differs(p)) {
        return;
    }
    if (p->now_perms) {
        vio_put_unmap(vio, s->id, p->iova, p->iova + p->now_size - 1);
    }
    page_map(vio, s, p);
}

static void inv_start(Unit *unit, unsigned form, UnitScope scope,
                      const UnitSpace *c, uint64_t iova, unsigned order)
{
    UnitSpace *s = (UnitSpace *)c;
    VIO *vio = vio_of(unit);
    unsigned i;

    if (!s->made) {
        return;
    }
    for (i = 0; i < s->pages->len; i++) {
        SpacePage *p = PAGE_OF(s, i);

        if (scope != UNIT_RANGE ||
            (p->iova >= iova && p->iova < iova + (UNIT_PAGE << order))) {
            page_change(vio, s, p);
        }
    }
    vio_kick(vio);
}

static bool inv_done(Unit *unit, unsigned form)
{
    return vio_idle(vio_of(unit));
}

static void detach_start(Unit *unit, unsigned form, uint16_t sid,
                         const UnitSpace *s)
{
    vio_put_detach(vio_of(unit), s->id, sid);
    vio_kick(vio_of(unit));
}

static void reattach(Unit *unit, unsigned form, uint16_t sid, UnitSpace *s)
{
    viommu_until(unit, vio_idle(vio_of(unit)));
    attach(unit, sid, s);
}

static void assert_no_fault(Unit *unit)
{
    VIOFault fault;

    viommu_turns(unit);
    g_assert_false(vio_fault_take(vio_of(unit), &fault));
}

/* An access that fails may have been tried in pieces; the first is at @iova. */
static void assert_fault(Unit *unit, uint16_t sid, bool is_read,
                         uint64_t iova)
{
    VIO *vio = vio_of(unit);
    VIOFault fault;
    unsigned n = 0;

    viommu_turns(unit);
    while (vio_fault_take(vio, &fault)) {
        g_assert_cmpuint(fault.reason, ==, 2);
        g_assert_cmphex(fault.flags, ==, 0x100 | (is_read ? 1 : 2));
        g_assert_cmphex(fault.endpoint, ==, sid);
        g_assert_cmphex(fault.address & ~(UNIT_PAGE - 1), ==,
                        iova & ~(UNIT_PAGE - 1));
        n++;
    }
    g_assert_cmpuint(n, >, 0);
}

static bool drop_faults(Unit *unit, uint16_t sid)
{
    VIOFault fault;
    bool any = false;

    viommu_turns(unit);
    while (vio_fault_take(vio_of(unit), &fault)) {
        g_assert_cmphex(fault.endpoint, ==, sid);
        any = true;
    }
    return any;
}

static const char *const forms[] = { "request", NULL };

#define VIRTIO_UNIT                                                     \
    .forms = forms,                                                     \
    .by_request = true,                                                 \
    .stock_stream = true,                                               \
    .start = start,                                                     \
    .args = args,                                                       \
    .adopt = adopt,                                                     \
    .stop = stop,                                                       \
    .reset = reset,                                                     \
    .assert_reset = assert_reset,                                       \
    .assert_cancelled = assert_cancelled,                               \
    .space = space,                                                     \
    .attach = attach,                                                   \
    .map = map,                                                         \
    .enable = enable,                                                   \
    .enable_start = enable_start,                                       \
    .enabled = enabled,                                                 \
    .inv_start = inv_start,                                             \
    .reattach = reattach,                                               \
    .detach_start = detach_start,                                       \
    .inv_done = inv_done,                                               \
    .assert_no_fault = assert_no_fault,                                 \
    .assert_fault = assert_fault,                                       \
    .drop_faults = drop_faults

const UnitOps virtio_unit_ops = {
    .name = "virtio",
    .target = "x86_64",
    .type = "virtio-iommu-pci",
    VIRTIO_UNIT,
};

const UnitOps virtio_arm_unit_ops = {
    .name = "virtio",
    .target = "aarch64",
    .type = "virtio-iommu-pci",
    .ram = VIRT_RAM,
    VIRTIO_UNIT,
};

const UnitOps virtio_mmio_unit_ops = {
    .name = "virtio-mmio",
    .target = "aarch64",
    .type = "virtio-iommu-device",
    .ram = VIRT_RAM,
    VIRTIO_UNIT,
};

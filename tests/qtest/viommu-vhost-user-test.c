/*
 * vhost-user behind a vIOMMU: an invalidation is complete when the backend has
 * acknowledged it, and not before
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Nothing blocks meanwhile: every check that an invalidation is pending is a
 * number of register reads, which a QEMU that waits for its backend would not
 * answer.
 */
#include "qemu/osdep.h"
#include "libqos/pci.h"
#include "qobject/qdict.h"
#include "standard-headers/linux/virtio_config.h"
#include "viommu-plug.h"
#include "viommu-rig.h"
#include "viommu-vhost-user.h"
#include "viommu-vtd.h"

#define DEVFN       (5 << 3)
#define BEHIND      (1 << 8)           /* bus 1, device 0 */
#define SPACE_ID    7
#define INTERRUPT_RANGE     0xfee00000ULL
#define INTERRUPT_RANGE_END 0xfef00000ULL
#define MSEC        (1000 * 1000LL)

#define STALL_EVENT     "VIOMMU_DRAIN_STALLED"
#define ABANDON_EVENT   "VIOMMU_DRAIN_ABANDONED"

typedef struct VURig {
    VUBackend *vu;
    Unit *unit;
    UnitSpace *space;
    VBlk *blk;
    unsigned form;
    uint16_t sid;
    QPCIDevice *port;
    uint64_t ring, page, other;
} VURig;

static void start_unit(VURig *r)
{
    Unit *unit = r->unit;

    if (r->sid == BEHIND) {
        r->port = unit_open_bridge(unit, PLUG_PORT, BEHIND >> 8);
    }
    unit->ops->attach(unit, r->sid, r->space);
    unit->ops->map(unit, r->space, RIG_RING_IOVA, r->ring, UNIT_PAGE,
                   UNIT_RW);
    unit->ops->map(unit, r->space, RIG_DATA_IOVA, r->page, UNIT_PAGE,
                   UNIT_RW);
    unit->ops->enable(unit, r->form);
}

static void start_device(VURig *r)
{
    start_unit(r);
    r->blk = vblk_new(r->unit, r->sid, "disk", r->ring, RIG_RING_IOVA);
}

static void start(VURig *r)
{
    unsigned n = vu_updates(r->vu);

    start_device(r);
    /* The ring's own update comes last, and nobody waits for it. */
    viommu_until(r->unit, vu_updates(r->vu) == n + 1);
}

/* Memory that the backend can map, unless the unit wants it so already */
static const char *memory_args(void)
{
    return unit_ops()->shares_memory ? "" :
           "-object memory-backend-memfd,id=ram,size=2G,share=on "
           "-machine memory-backend=ram";
}

static VURig *rig_with(const char *props, bool ats, unsigned form)
{
    VURig *r = g_new0(VURig, 1);
    g_autofree char *args = NULL;

    r->form = form;
    /* Only a PCI Express device has it, which one on the root bus is not. */
    r->sid = ats ? BEHIND : DEVFN;
    r->vu = vu_new(VU_WITHOUT_NOTHING);
    args = g_strdup_printf(
        "%s -chardev socket,id=vu,path=%s %s "
        "-device vhost-user-blk-pci,id=disk,chardev=vu,%s,num-queues=1,"
        "disable-legacy=on,iommu_platform=on",
        memory_args(), vu_path(r->vu), PLUG_PORT_ARGS,
        ats ? "bus=rp,ats=on" : "addr=5");
    r->unit = unit_ops()->start(form, props, args);
    r->ring = unit_alloc(r->unit, 1);
    r->page = unit_alloc(r->unit, 1);
    r->other = unit_alloc(r->unit, 1);
    r->space = r->unit->ops->space(r->unit, form, SPACE_ID);
    return r;
}

static VURig *rig_started(const char *props, unsigned form)
{
    VURig *r = rig_with(props, false, form);

    start(r);
    return r;
}

static void rig_end(VURig *r)
{
    if (r->blk) {
        vblk_free(r->blk);
    }
    g_free(r->port);
    g_free(r->space);
    r->unit->ops->stop(r->unit);
    vu_free(r->vu);
    g_free(r);
}

static bool inv_done(VURig *r)
{
    return r->unit->ops->inv_done(r->unit, r->form);
}

/* By requests only what is mapped can be removed: the page is another then. */
static void inv_start(VURig *r, UnitScope scope)
{
    if (r->unit->ops->by_request) {
        uint64_t page = r->other;

        r->other = r->page;
        r->page = page;
        r->unit->ops->map(r->unit, r->space, RIG_DATA_IOVA, page, UNIT_PAGE,
                          UNIT_RW);
    }
    r->unit->ops->inv_start(r->unit, r->form, scope, r->space,
                            scope == UNIT_RANGE ? RIG_DATA_IOVA : 0, 0);
}

static void assert_pending(VURig *r)
{
    viommu_turns(r->unit);
    g_assert_false(inv_done(r));
    qtest_clock_step(r->unit->qts, 100 * MSEC);
    viommu_turns(r->unit);
    g_assert_false(inv_done(r));
}

/* An invalidation that the backend has got and keeps. */
static void make_pending(VURig *r)
{
    unsigned n = vu_kept(r->vu);

    vu_keep(r->vu, true);
    inv_start(r, UNIT_RANGE);
    viommu_until(r->unit, vu_kept(r->vu) == n + 1);
    assert_pending(r);
}

static void see_done(VURig *r)
{
    unit_inv_wait(r->unit, r->form);
    r->unit->ops->assert_no_fault(r->unit);
}

/* Can the form say how large what it invalidates is? */
static bool is_exact(VURig *r)
{
    return !(r->unit->ops->coarse_forms & 1u << r->form);
}

static bool is_vtd(void)
{
    return unit_ops() == &vtd_unit_ops;
}

/* Is there a range for interrupts in each endpoint's view of memory? */
static bool has_interrupt_range(void)
{
    return is_vtd() || !strcmp(unit_ops()->type, "amd-iommu") ||
           (!strcmp(unit_ops()->type, "viommu-remote") &&
            !strcmp(unit_ops()->target, "x86_64"));
}

static VTD *vtd_of(VURig *r)
{
    g_assert_true(is_vtd());
    return container_of(r->unit, VTD, unit);
}

static void test_answers(const void *opaque)
{
    VURig *r = rig_started("", *(const unsigned *)opaque);
    struct vhost_iotlb_msg msg;
    unsigned n = vu_invalidations(r->vu);

    inv_start(r, UNIT_RANGE);
    see_done(r);
    g_assert_cmpuint(vu_invalidations(r->vu), ==, n + 1);
    msg = vu_last_invalidation(r->vu);
    if (is_exact(r)) {
        g_assert_cmphex(msg.iova, ==, RIG_DATA_IOVA);
        g_assert_cmphex(msg.size, ==, UNIT_PAGE);
    } else {
        g_assert_cmphex(RIG_DATA_IOVA - msg.iova, <, msg.size);
    }
    rig_end(r);
}

/* The backend asserts that each message says something. */
static void assert_all_covered(VURig *r)
{
    if (has_interrupt_range()) {
        uint64_t end = is_vtd() ? 1ULL << 57 : UINT64_MAX;

        /* One message on each side of it */
        g_assert_cmpuint(vu_invalidations(r->vu), ==, 2);
        g_assert_true(vu_covered(r->vu, 0, INTERRUPT_RANGE));
        g_assert_true(vu_covered(r->vu, INTERRUPT_RANGE_END,
                                 end - INTERRUPT_RANGE_END));
    } else {
        g_assert_cmpuint(vu_invalidations(r->vu), ==, 1);
        /* 2^64 has no number; the last byte takes the last page with it. */
        g_assert_true(vu_covered(r->vu, 0, UINT64_MAX));
    }
    vu_forget(r->vu);
}

/* An invalidation of everything is one of everything for the backend, too. */
static void test_everything(const void *opaque)
{
    VURig *r = rig_started("", *(const unsigned *)opaque);
    Unit *unit = r->unit;

    vu_forget(r->vu);
    inv_start(r, UNIT_SPACE);
    see_done(r);
    assert_all_covered(r);
    inv_start(r, UNIT_ALL);
    see_done(r);
    assert_all_covered(r);
    unit->ops->detach_start(unit, r->form, r->sid, r->space);
    see_done(r);
    g_assert_true(vu_covered(r->vu, RIG_DATA_IOVA, UNIT_PAGE));
    unit->ops->reattach(unit, r->form, r->sid, r->space);
    rig_end(r);
}

static void test_delays(const void *opaque)
{
    VURig *r = rig_started("", *(const unsigned *)opaque);

    make_pending(r);
    qtest_qmp_assert_success(r->unit->qts, "{'execute': 'query-status'}");
    vu_answer(r->vu, 0);
    see_done(r);
    make_pending(r);
    vu_answer(r->vu, 0);
    see_done(r);
    rig_end(r);
}

/* Each wait descriptor waits for what is before it. */
static void test_in_order(void)
{
    VURig *r = rig_started("", VTD_QUEUED);
    VTD *vtd = vtd_of(r);
    uint32_t first;

    make_pending(r);
    first = vtd->iq_ticket;
    inv_start(r, UNIT_RANGE);
    viommu_turns(r->unit);
    vu_answer(r->vu, 0);
    viommu_until(vtd, qtest_readl(vtd->qts, vtd->iq_status) == first);
    viommu_until(r->unit, vu_kept(r->vu) == 1);
    assert_pending(r);
    vu_answer(r->vu, 0);
    see_done(r);
    rig_end(r);
}

/* The acknowledgement arrives in pieces. */
static void test_pieces(const void *opaque)
{
    VURig *r = rig_started("", *(const unsigned *)opaque);
    const uint32_t ack[] = { VU_IOTLB_MSG, VU_REPLY, 8, 0, 0 };

    make_pending(r);
    vu_say(r->vu, ack, 6);
    assert_pending(r);
    vu_say(r->vu, (const uint8_t *)ack + 6, 9);
    assert_pending(r);
    vu_say(r->vu, (const uint8_t *)ack + 15, 5);
    see_done(r);
    rig_end(r);
}

static void test_dies(const void *opaque)
{
    VURig *r = rig_started("", *(const unsigned *)opaque);

    make_pending(r);
    vu_die(r->vu);
    see_done(r);
    /* The guest goes on. */
    inv_start(r, UNIT_SPACE);
    see_done(r);
    r->unit->ops->reset(r->unit);
    qtest_qmp_assert_success(r->unit->qts, "{'execute': 'query-status'}");
    rig_end(r);
}

/* Dies with unsent invalidations behind it. */
static void test_dies_busy(void)
{
    VURig *r = rig_started("", unit_ops()->queue_form);
    /* A queue of requests has room for so many. */
    int i, n = unit_ops()->by_request ? 10 : 60;

    vu_keep(r->vu, true);
    for (i = 0; i < n; i++) {
        inv_start(r, UNIT_RANGE);
    }
    assert_pending(r);
    vu_die(r->vu);
    see_done(r);
    rig_end(r);
}

/* What it says is wrong: it is hung up on, and waited for until it is gone. */
static void see_lie(VURig *r)
{
    viommu_until(r->unit, vu_hung_up(r->vu));
    assert_pending(r);
    /* Now it may say what it wants. */
    vu_reply(r->vu, VU_IOTLB_MSG, VU_REPLY, 8, 0);
    assert_pending(r);
    vu_die(r->vu);
    see_done(r);
    inv_start(r, UNIT_SPACE);
    see_done(r);
    rig_end(r);
}

static void test_refuses(const void *opaque)
{
    VURig *r = rig_started("", *(const unsigned *)opaque);

    make_pending(r);
    vu_answer(r->vu, 1);
    see_lie(r);
}

static void test_wrong_request(const void *opaque)
{
    VURig *r = rig_started("", *(const unsigned *)opaque);

    make_pending(r);
    vu_reply(r->vu, 1, VU_REPLY, 8, 0);
    see_lie(r);
}

static void test_no_reply(const void *opaque)
{
    VURig *r = rig_started("", *(const unsigned *)opaque);

    make_pending(r);
    vu_reply(r->vu, VU_IOTLB_MSG, 1, 8, 0);
    see_lie(r);
}

static void test_garbage(const void *opaque)
{
    VURig *r = rig_started("", *(const unsigned *)opaque);
    uint8_t garbage[4096];

    memset(garbage, 0xff, sizeof(garbage));
    make_pending(r);
    vu_say(r->vu, garbage, sizeof(garbage));
    see_lie(r);
}

/* Before it is asked, which would count as the answer to what comes next. */
static void test_unasked(const void *opaque)
{
    VURig *r = rig_started("", *(const unsigned *)opaque);

    /* So that QEMU listens. */
    make_pending(r);
    vu_answer(r->vu, 0);
    see_done(r);
    vu_reply(r->vu, VU_IOTLB_MSG, VU_REPLY, 8, 0);
    inv_start(r, UNIT_RANGE);
    see_lie(r);
}

/* A liar may say what it likes: nobody listens, or is kept busy. */
static void test_chatters(const void *opaque)
{
    VURig *r = rig_started("", *(const unsigned *)opaque);

    make_pending(r);
    vu_answer(r->vu, 1);
    viommu_until(r->unit, vu_hung_up(r->vu));
    vu_chatter(r->vu);
    assert_pending(r);
    g_assert_cmpuint(vu_chatter(r->vu), ==, 0);
    vu_die(r->vu);
    see_done(r);
    rig_end(r);
}

/* The guest of the next life does not wait for what was in the last one. */
static void test_lie_reset(const void *opaque)
{
    VURig *r = rig_started("", *(const unsigned *)opaque);

    make_pending(r);
    vu_answer(r->vu, 1);
    viommu_until(r->unit, vu_hung_up(r->vu));
    assert_pending(r);
    r->unit->ops->reset(r->unit);
    start_unit(r);
    inv_start(r, UNIT_SPACE);
    see_done(r);
    vu_reply(r->vu, VU_IOTLB_MSG, VU_REPLY, 8, 0);
    inv_start(r, UNIT_SPACE);
    see_done(r);
    rig_end(r);
}

/* It is not told of memory in a window. */
static void test_window(void)
{
    g_autofree char *props =
        g_strdup_printf("reserved-ranges=0x%llx:0x%llx:reserved,"
                        "ram-in-windows=on", RIG_DATA_IOVA,
                        RIG_DATA_IOVA + UNIT_PAGE - 1);
    VURig *r = rig_started(props, unit_ops()->queue_form);
    unsigned n = vu_updates(r->vu);

    vu_miss(r->vu, RIG_DATA_IOVA);
    vu_miss(r->vu, RIG_RING_IOVA);
    viommu_until(r->unit, vu_updates(r->vu) > n);
    viommu_turns(r->unit);
    g_assert_cmpuint(vu_updates(r->vu), ==, n + 1);
    g_assert_cmphex(vu_last_update(r->vu).iova, ==, RIG_RING_IOVA);
    rig_end(r);
}

/* What a guest can cause as often as it likes is reported once. */
static void test_refuses_updates(void)
{
    UnitLog *log = unit_log_new();
    VURig *r = rig_started("", unit_ops()->queue_form);
    unsigned i;

    unit_log_rest(log);
    /* Until then QEMU waits for nothing, and reads nothing. */
    inv_start(r, UNIT_RANGE);
    see_done(r);
    vu_refuse_updates(r->vu, true);
    for (i = 0; i < 50; i++) {
        unsigned n = vu_updates(r->vu);

        vu_miss(r->vu, RIG_DATA_IOVA);
        viommu_until(r->unit, vu_updates(r->vu) == n + 1);
    }
    viommu_until(r->unit, unit_log_count(log, "refused an IOTLB update") > 0);
    qvirtio_reset(&r->blk->pci->vdev);
    g_assert_cmpuint(unit_log_count(log, "refused an IOTLB update"), ==, 1);
    g_assert_cmpuint(unit_log_count(log, "refused 49 more"), ==, 1);
    rig_end(r);
    unit_log_free(log);
}

static void check_event(VURig *r, const char *name)
{
    QDict *event, *data;

    event = qtest_qmp_eventwait_ref(r->unit->qts, name);
    data = qdict_get_qdict(event, "data");
    g_assert_cmpstr(qdict_get_str(data, "device"), ==, "disk");
    if (is_exact(r)) {
        g_assert_cmphex(qdict_get_int(data, "iova"), ==, RIG_DATA_IOVA);
        g_assert_cmphex(qdict_get_int(data, "length"), ==, UNIT_PAGE);
    }
    qobject_unref(event);
}

static void test_stall(const void *opaque)
{
    VURig *r = rig_started("drain-stall-time=200", *(const unsigned *)opaque);

    make_pending(r);
    assert_pending(r);
    check_event(r, STALL_EVENT);
    assert_pending(r);
    vu_answer(r->vu, 0);
    see_done(r);
    rig_end(r);
}

static void test_never(const void *opaque)
{
    VURig *r = rig_started("drain-timeout=500", *(const unsigned *)opaque);

    make_pending(r);
    g_assert_false(vblk_device_status(r->blk) & VIRTIO_CONFIG_S_NEEDS_RESET);
    qtest_clock_step(r->unit->qts, 500 * MSEC);
    see_done(r);
    check_event(r, ABANDON_EVENT);
    viommu_until(r->unit, vu_hung_up(r->vu));
    g_assert_true(vblk_device_status(r->blk) & VIRTIO_CONFIG_S_NEEDS_RESET);
    /* It comes back too late. */
    vu_reply(r->vu, VU_IOTLB_MSG, VU_REPLY, 8, 0);
    inv_start(r, UNIT_SPACE);
    see_done(r);
    rig_end(r);
}

/* One that was hung up on for lying, and stays. */
static void test_lingers(const void *opaque)
{
    VURig *r = rig_started("drain-timeout=500", *(const unsigned *)opaque);

    make_pending(r);
    vu_answer(r->vu, 1);
    viommu_until(r->unit, vu_hung_up(r->vu));
    assert_pending(r);
    qtest_clock_step(r->unit->qts, 500 * MSEC);
    see_done(r);
    check_event(r, ABANDON_EVENT);
    inv_start(r, UNIT_SPACE);
    see_done(r);
    rig_end(r);
}

/*
 * Hung up on with nothing on its way: it may use what it knows until it has
 * closed its end, and is not told of any invalidation.
 */
static void test_dropped(const void *opaque)
{
    VURig *r = rig_started("", *(const unsigned *)opaque);

    vu_refuse_messages(r->vu);
    vu_miss(r->vu, RIG_DATA_IOVA);
    viommu_turns(r->unit);
    inv_start(r, UNIT_RANGE);
    assert_pending(r);
    vu_die(r->vu);
    see_done(r);
    rig_end(r);
}

/* A translation that the backend asks for does not wait for it either. */
static void test_miss(const void *opaque)
{
    VURig *r = rig_started("", *(const unsigned *)opaque);
    unsigned n = vu_updates(r->vu);

    make_pending(r);
    vu_miss(r->vu, RIG_DATA_IOVA + 5);
    viommu_until(r->unit, vu_updates(r->vu) == n + 1);
    g_assert_cmphex(vu_last_update(r->vu).iova, ==, RIG_DATA_IOVA);
    g_assert_cmphex(vu_last_update(r->vu).size, ==, UNIT_PAGE);
    assert_pending(r);
    vu_answer(r->vu, 0);
    see_done(r);
    /* The update's own. */
    vu_answer(r->vu, 0);
    make_pending(r);
    vu_answer(r->vu, 0);
    see_done(r);
    rig_end(r);
}

/* A request with a reply takes the acknowledgements before it first. */
static void test_stop(const void *opaque)
{
    VURig *r = rig_started("", *(const unsigned *)opaque);

    make_pending(r);
    vu_keep_until_stop(r->vu);
    qvirtio_reset(&r->blk->pci->vdev);
    g_assert_cmpuint(vu_kept(r->vu), ==, 0);
    see_done(r);
    inv_start(r, UNIT_SPACE);
    see_done(r);
    g_assert_false(vu_hung_up(r->vu));
    rig_end(r);
}

static void test_unplug(void)
{
    VURig *r = rig_with("", true, unit_ops()->queue_form);

    start(r);
    make_pending(r);
    vu_keep_until_stop(r->vu);
    plug_pull(r->unit, r->port, "disk");
    see_done(r);
    inv_start(r, UNIT_SPACE);
    see_done(r);
    rig_end(r);
}

static void test_reset(const void *opaque)
{
    VURig *r = rig_started("", *(const unsigned *)opaque);

    make_pending(r);
    vu_keep_until_stop(r->vu);
    r->unit->ops->reset(r->unit);
    g_assert_cmpuint(vu_kept(r->vu), ==, 0);
    vblk_free(r->blk);
    start(r);
    make_pending(r);
    vu_answer(r->vu, 0);
    see_done(r);
    rig_end(r);
}

/* No wait descriptor follows, but the backend is told all the same. */
static void test_no_wait(void)
{
    VURig *r = rig_started("", VTD_QUEUED);
    VTD *vtd = vtd_of(r);

    vu_forget(r->vu);
    vtd_queue_put(vtd, VTD_D_IOTLB | VTD_D_G(VTD_PAGE) | VTD_D_DID(SPACE_ID),
                  RIG_DATA_IOVA);
    vtd_queue_kick(vtd);
    viommu_until(r->unit, vu_covered(r->vu, RIG_DATA_IOVA, UNIT_PAGE));
    rig_end(r);
}

/* The guest cannot make QEMU block, nor remember without limit. */
static void test_flood(void)
{
    VURig *r = rig_started("", VTD_QUEUED);
    VTD *vtd = vtd_of(r);
    unsigned n = vu_invalidations(r->vu);
    unsigned tries = 0;
    int i, j;

    vu_stop_reading(r->vu, true);
    vu_keep(r->vu, true);
    for (i = 0; i < 100; i++) {
        for (j = 0; j < 200; j++) {
            vtd_queue_put(vtd, VTD_D_IOTLB | VTD_D_G(VTD_PAGE) |
                          VTD_D_DID(SPACE_ID), RIG_DATA_IOVA + j * 0x10000);
        }
        vtd_queue_kick(vtd);
    }
    vtd_queue_wait_put(vtd);
    vtd_queue_kick(vtd);
    assert_pending(r);
    vu_stop_reading(r->vu, false);
    vu_keep(r->vu, false);
    while (!inv_done(r) || vu_kept(r->vu)) {
        if (vu_kept(r->vu)) {
            vu_answer(r->vu, 0);
        }
        viommu_turns(r->unit);
        g_assert_cmpuint(tries++, <, VIOMMU_TRIES);
    }
    g_assert_cmpuint(vu_invalidations(r->vu), <, n + 200);
    for (j = 0; j < 200; j++) {
        g_assert_true(vu_covered(r->vu, RIG_DATA_IOVA + j * 0x10000,
                                 UNIT_PAGE));
    }
    rig_end(r);
}

/* Without device-IOTLB the guest may enable it all the same. */
static void test_ats_without(void)
{
    VURig *r = rig_with("", true, VTD_QUEUED);

    start(r);
    plug_set_ats(r->unit, r->sid, true);
    make_pending(r);
    vu_answer(r->vu, 0);
    see_done(r);
    plug_set_ats(r->unit, r->sid, false);
    make_pending(r);
    vu_answer(r->vu, 0);
    see_done(r);
    rig_end(r);
}

static void test_ats(void)
{
    VURig *r = rig_with("device-iotlb=on", true, VTD_QUEUED);
    VTD *vtd = vtd_of(r);
    unsigned n;

    start(r);
    plug_set_ats(r->unit, r->sid, true);
    vu_keep(r->vu, true);
    n = vu_invalidations(r->vu);
    /* The IOTLB is not the device's any more ... */
    inv_start(r, UNIT_RANGE);
    see_done(r);
    g_assert_cmpuint(vu_invalidations(r->vu), ==, n);
    /* ... and this is. */
    vtd_queue_put(vtd, VTD_D_DEVTLB | VTD_D_CC_SID(r->sid), RIG_DATA_IOVA);
    vtd_queue_wait_put(vtd);
    vtd_queue_kick(vtd);
    viommu_until(vtd, vu_kept(r->vu) == 1);
    g_assert_cmphex(vu_last_invalidation(r->vu).iova, ==, RIG_DATA_IOVA);
    assert_pending(r);
    vu_answer(r->vu, 0);
    see_done(r);

    plug_set_ats(r->unit, r->sid, false);
    make_pending(r);
    vu_answer(r->vu, 0);
    see_done(r);
    rig_end(r);
}

/*
 * Translation off and on again: what the device-TLB was told meanwhile is an
 * identity map, which only QEMU knows of.
 */
static void test_ats_te(void)
{
    VURig *r = rig_with("device-iotlb=on", true, VTD_REGISTER);
    VTD *vtd = vtd_of(r);
    unsigned n;

    start(r);
    plug_set_ats(&vtd->unit, r->sid, true);
    vtd_gcmd(vtd, 0, VTD_G_TE);
    viommu_until(vtd, !(vtd_read32(vtd, VTD_GSTS) & VTD_G_TE));
    viommu_turns(vtd);
    vu_keep(r->vu, true);
    n = vu_invalidations(r->vu);
    vtd_gcmd(vtd, VTD_G_TE, 0);
    viommu_until(vtd, vu_kept(r->vu) == 2);
    g_assert_false(vtd_read32(vtd, VTD_GSTS) & VTD_G_TE);
    g_assert_cmpuint(vu_invalidations(r->vu), ==, n + 2);
    g_assert_true(vu_covered(r->vu, 0, INTERRUPT_RANGE));
    vu_answer(r->vu, 0);
    viommu_turns(vtd);
    g_assert_false(vtd_read32(vtd, VTD_GSTS) & VTD_G_TE);
    vu_answer(r->vu, 0);
    viommu_until(vtd, vtd_read32(vtd, VTD_GSTS) & VTD_G_TE);
    rig_end(r);
}

/* A unit that refuses vhost's notifiers breaks the device and nothing else. */
static void test_refused_unit(void)
{
    VURig *r = rig_with("snoop-control=on", false, VTD_REGISTER);

    start_device(r);
    /* Not even the rings' addresses were translated for it. */
    viommu_until(r->unit, vu_hung_up(r->vu));
    g_assert_cmpuint(vu_updates(r->vu), ==, 0);
    vu_die(r->vu);
    inv_start(r, UNIT_RANGE);
    see_done(r);
    qtest_qmp_assert_success(r->unit->qts, "{'execute': 'query-status'}");
    rig_end(r);
}

/* Plugging a backend that cannot: an error with the reason. */
static void test_plug(const void *opaque)
{
    static const char *const reasons[] = {
        [VU_WITHOUT_PLATFORM] = "iommu_platform=true is not supported",
        [VU_WITHOUT_REPLY_ACK] = "reply-ack",
        [VU_WITHOUT_PROTOCOL] = "reply-ack",
    };
    VUWithout without = *(const VUWithout *)opaque;
    VUBackend *vu = vu_new(without);
    g_autofree char *args = g_strdup_printf(
        "%s %s -chardev socket,id=vu,path=%s",
        PLUG_PORT_ARGS, memory_args(), vu_path(vu));
    Unit *unit = unit_ops()->start(unit_ops()->queue_form, "", args);
    QDict *answer, *error;
    const char *reason;

    answer = qtest_qmp(unit->qts,
                       "{'execute': 'device_add', 'arguments': {"
                       " 'driver': 'vhost-user-blk-pci', 'id': 'disk',"
                       " 'bus': 'rp', 'chardev': 'vu', 'num-queues': 1,"
                       " 'iommu_platform': true, 'disable-legacy': 'on'}}");
    error = qdict_get_qdict(answer, "error");
    g_assert_nonnull(error);
    reason = qdict_get_str(error, "desc");
    if (!strstr(reason, reasons[without])) {
        g_error("unexpected reason: %s", reason);
    }
    qobject_unref(answer);
    unit->ops->stop(unit);
    vu_free(vu);
}

/*
 * The device is there first, and said nothing: the unit that wants it behind
 * it finds that its backend cannot be, and QEMU does not start.
 */
static void test_unit_last(void)
{
    VUBackend *vu = vu_new(VU_WITHOUT_PLATFORM);
    g_autofree char *command = g_strdup_printf(
        "exec timeout 600 %s -machine q35,memory-backend=ram -nodefaults "
        "-accel qtest -display none -S -m 256M "
        "-object memory-backend-memfd,id=ram,size=256M,share=on "
        "-chardev socket,id=vu,path=%s "
        "-device vhost-user-blk-pci,chardev=vu,num-queues=1,disable-legacy=on "
        "-device intel-iommu,virtio=translate",
        getenv("QTEST_QEMU_BINARY"), vu_path(vu));
    const char *argv[] = { "/bin/sh", "-c", command, NULL };
    g_autofree char *said = NULL;
    int status = 0;

    g_assert_true(g_spawn_sync(NULL, (char **)argv, NULL, 0, NULL, NULL, NULL,
                               &said, &status, NULL));
    g_assert_true(WIFEXITED(status));
    g_assert_cmpint(WEXITSTATUS(status), ==, 1);
    g_assert_nonnull(strstr(said, "vhost-user-blk-pci"));
    g_assert_nonnull(strstr(said, "give vhost-user-blk-pci another backend"));
    vu_free(vu);
}

/*
 * A backend may expect each part of a ring in one piece, which pages behind a
 * vIOMMU are not: the size of the rings is the operator's.
 */
static void test_queue_size(void)
{
    VURig *r = rig_started("", unit_ops()->queue_form);
    QVirtioDevice *vdev = &r->blk->pci->vdev;
    QDict *answer = qtest_qmp(r->unit->qts, "{'execute': 'qom-get',"
                              " 'arguments': {'path': %s,"
                              " 'property': 'queue-size'}}", r->blk->backend);

    qvirtio_reset(vdev);
    vdev->bus->queue_select(vdev, 0);
    g_assert_cmpuint(vdev->bus->get_queue_size(vdev), ==,
                     qdict_get_int(answer, "return"));
    qobject_unref(answer);
    rig_end(r);
}

/* @all: for each form; or for the one that the model's driver prefers. */
static void add(const char *name, bool all, void (*fn)(const void *opaque))
{
    const char *const *forms = unit_ops()->forms;
    unsigned i;

    for (i = 0; forms[i]; i++) {
        g_autofree char *path = g_strdup_printf("/viommu/vhost-user/%s/%s",
                                                name, forms[i]);

        if (all || i == unit_ops()->queue_form) {
            qtest_add_data_func_full(path, g_memdup2(&i, sizeof(i)), fn,
                                     g_free);
        }
    }
}

static void add_vtd(void)
{
    qtest_add_func("/viommu/vhost-user/in-order", test_in_order);
    /* A request that maps something there is refused. */
    if (!unit_ops()->by_request) {
        qtest_add_func("/viommu/vhost-user/window", test_window);
    }
    qtest_add_func("/viommu/vhost-user/no-wait", test_no_wait);
    qtest_add_func("/viommu/vhost-user/flood", test_flood);
    qtest_add_func("/viommu/vhost-user/ats-without", test_ats_without);
    qtest_add_func("/viommu/vhost-user/ats", test_ats);
    qtest_add_func("/viommu/vhost-user/ats-te", test_ats_te);
    qtest_add_func("/viommu/vhost-user/refused-unit", test_refused_unit);
    qtest_add_func("/viommu/vhost-user/unit-last", test_unit_last);
}

int main(int argc, char **argv)
{
    static const VUWithout withouts[] = {
        VU_WITHOUT_PLATFORM, VU_WITHOUT_REPLY_ACK, VU_WITHOUT_PROTOCOL,
    };

    g_test_init(&argc, &argv, NULL);
    add("answers", true, test_answers);
    /* No request says "everything". */
    if (!unit_ops()->by_request) {
        add("everything", true, test_everything);
    }
    add("delays", true, test_delays);
    add("pieces", false, test_pieces);
    add("dies", is_vtd(), test_dies);
    qtest_add_func("/viommu/vhost-user/dies-busy", test_dies_busy);
    add("refuses", is_vtd(), test_refuses);
    add("wrong-request", false, test_wrong_request);
    add("no-reply", false, test_no_reply);
    add("garbage", false, test_garbage);
    add("unasked", is_vtd(), test_unasked);
    add("chatters", false, test_chatters);
    add("lie-reset", false, test_lie_reset);
    qtest_add_func("/viommu/vhost-user/refuses-updates",
                   test_refuses_updates);
    add("stall", is_vtd(), test_stall);
    add("never", is_vtd(), test_never);
    add("lingers", is_vtd(), test_lingers);
    add("dropped", is_vtd(), test_dropped);
    add("miss", is_vtd(), test_miss);
    add("stop", is_vtd(), test_stop);
    add("reset", true, test_reset);
    qtest_add_func("/viommu/vhost-user/unplug", test_unplug);
    qtest_add_func("/viommu/vhost-user/queue-size", test_queue_size);
    if (is_vtd()) {
        add_vtd();
    }
    qtest_add_data_func("/viommu/vhost-user/plug/no-access-platform",
                        &withouts[0], test_plug);
    qtest_add_data_func("/viommu/vhost-user/plug/no-reply-ack",
                        &withouts[1], test_plug);
    qtest_add_data_func("/viommu/vhost-user/plug/no-protocol",
                        &withouts[2], test_plug);
    return g_test_run();
}

/*
 * vhost-user behind a VT-d unit: an invalidation is complete when the backend
 * has acknowledged it, and not before
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

#define DEVFN       (5 << 3)
#define BEHIND      (1 << 8)           /* bus 1, device 0 */
#define DID         7
#define INTERRUPT_RANGE     0xfee00000ULL
#define INTERRUPT_RANGE_END 0xfef00000ULL
#define MSEC        (1000 * 1000LL)

#define STALL_EVENT     "VIOMMU_DRAIN_STALLED"
#define ABANDON_EVENT   "VIOMMU_DRAIN_ABANDONED"

typedef struct VURig {
    VUBackend *vu;
    VTD *vtd;
    VTDDomain dom;
    VBlk *blk;
    VTDForm form;
    uint16_t sid;
    QPCIDevice *port;
    uint64_t ring, page;
} VURig;

static void start(VURig *r)
{
    VTD *vtd = r->vtd;

    vtd->ops = &vtd_unit_ops;
    if (r->sid == BEHIND) {
        r->port = vtd_open_bridge(vtd, PLUG_PORT, BEHIND >> 8);
    }
    vtd_attach(vtd, r->sid, &r->dom, VTD_TT_UNTRANSLATED);
    vtd_map(vtd, &r->dom, RIG_RING_IOVA, r->ring, 1, VTD_PTE_RW);
    vtd_map(vtd, &r->dom, RIG_DATA_IOVA, r->page, 1, VTD_PTE_RW);
    vtd_enable(vtd, r->form);
    r->blk = vblk_new(&vtd->unit, r->sid, "disk", r->ring, RIG_RING_IOVA);
}

static VURig *rig_with(const char *unit, bool ats, VTDForm form)
{
    VURig *r = g_new0(VURig, 1);

    r->form = form;
    /* Only a PCI Express device has it, which one on the root bus is not. */
    r->sid = ats ? BEHIND : DEVFN;
    r->vu = vu_new(VU_WITHOUT_NOTHING);
    r->vtd = vtd_start(unit,
                       "-object memory-backend-memfd,id=ram,size=2G,share=on "
                       "-machine memory-backend=ram "
                       "-chardev socket,id=vu,path=%s %s "
                       "-device vhost-user-blk-pci,id=disk,chardev=vu,%s,"
                       "num-queues=1,disable-legacy=on,iommu_platform=on",
                       vu_path(r->vu), PLUG_PORT_ARGS,
                       ats ? "bus=rp,ats=on" : "addr=5");
    r->ring = vtd_alloc(r->vtd, 1);
    r->page = vtd_alloc(r->vtd, 1);
    vtd_domain_init(r->vtd, &r->dom, DID, 3);
    return r;
}

static VURig *rig_started(const char *unit, VTDForm form)
{
    VURig *r = rig_with(unit, false, form);

    start(r);
    return r;
}

static void rig_end(VURig *r)
{
    vblk_free(r->blk);
    g_free(r->port);
    vtd_stop(r->vtd);
    vu_free(r->vu);
    g_free(r);
}

static void inv_start(VURig *r, VTDScope scope)
{
    vtd_inv_iotlb_start(r->vtd, r->form, scope, DID, RIG_DATA_IOVA, 0);
}

static void assert_pending(VURig *r)
{
    viommu_turns(r->vtd);
    g_assert_false(vtd_inv_done(r->vtd, r->form));
    qtest_clock_step(r->vtd->qts, 100 * MSEC);
    viommu_turns(r->vtd);
    g_assert_false(vtd_inv_done(r->vtd, r->form));
}

/* An invalidation that the backend has got and keeps. */
static void make_pending(VURig *r)
{
    unsigned n = vu_kept(r->vu);

    vu_keep(r->vu, true);
    inv_start(r, VTD_PAGE);
    viommu_until(r->vtd, vu_kept(r->vu) == n + 1);
    assert_pending(r);
}

static void see_done(VURig *r)
{
    vtd_inv_wait(r->vtd, r->form);
    vtd_assert_no_fault(r->vtd);
}

static void test_answers(const void *opaque)
{
    VURig *r = rig_started("", *(const VTDForm *)opaque);
    struct vhost_iotlb_msg msg;
    unsigned n = vu_invalidations(r->vu);

    inv_start(r, VTD_PAGE);
    see_done(r);
    g_assert_cmpuint(vu_invalidations(r->vu), ==, n + 1);
    msg = vu_last_invalidation(r->vu);
    g_assert_cmphex(msg.iova, ==, RIG_DATA_IOVA);
    g_assert_cmphex(msg.size, ==, VTD_PAGE_SIZE);

    /* A domain is one message on each side of the interrupt range. */
    n = vu_invalidations(r->vu);
    inv_start(r, VTD_DOMAIN);
    see_done(r);
    g_assert_cmpuint(vu_invalidations(r->vu), ==, n + 2);
    g_assert_true(vu_covered(r->vu, 0, INTERRUPT_RANGE));
    g_assert_true(vu_covered(r->vu, INTERRUPT_RANGE_END,
                             (1ULL << 57) - INTERRUPT_RANGE_END));
    rig_end(r);
}

static void test_delays(const void *opaque)
{
    VURig *r = rig_started("", *(const VTDForm *)opaque);

    make_pending(r);
    qtest_qmp_assert_success(r->vtd->qts, "{'execute': 'query-status'}");
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
    uint32_t first;

    make_pending(r);
    first = r->vtd->iq_ticket;
    inv_start(r, VTD_PAGE);
    viommu_turns(r->vtd);
    vu_answer(r->vu, 0);
    viommu_until(r->vtd,
                 qtest_readl(r->vtd->qts, r->vtd->iq_status) == first);
    viommu_until(r->vtd, vu_kept(r->vu) == 1);
    assert_pending(r);
    vu_answer(r->vu, 0);
    see_done(r);
    rig_end(r);
}

/* The acknowledgement arrives in pieces. */
static void test_pieces(const void *opaque)
{
    VURig *r = rig_started("", *(const VTDForm *)opaque);
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
    VURig *r = rig_started("", *(const VTDForm *)opaque);

    make_pending(r);
    vu_die(r->vu);
    see_done(r);
    /* The guest goes on. */
    inv_start(r, VTD_DOMAIN);
    see_done(r);
    vtd_reset(r->vtd);
    qtest_qmp_assert_success(r->vtd->qts, "{'execute': 'query-status'}");
    rig_end(r);
}

/* Dies with unsent invalidations behind it. */
static void test_dies_busy(void)
{
    VURig *r = rig_started("", VTD_QUEUED);
    int i;

    vu_keep(r->vu, true);
    for (i = 0; i < 60; i++) {
        inv_start(r, VTD_PAGE);
    }
    assert_pending(r);
    vu_die(r->vu);
    see_done(r);
    rig_end(r);
}

/* What it says is wrong: it is hung up on, and waited for until it is gone. */
static void see_lie(VURig *r)
{
    viommu_until(r->vtd, vu_hung_up(r->vu));
    assert_pending(r);
    /* Now it may say what it wants. */
    vu_reply(r->vu, VU_IOTLB_MSG, VU_REPLY, 8, 0);
    assert_pending(r);
    vu_die(r->vu);
    see_done(r);
    inv_start(r, VTD_DOMAIN);
    see_done(r);
    rig_end(r);
}

static void test_refuses(const void *opaque)
{
    VURig *r = rig_started("", *(const VTDForm *)opaque);

    make_pending(r);
    vu_answer(r->vu, 1);
    see_lie(r);
}

static void test_wrong_request(const void *opaque)
{
    VURig *r = rig_started("", *(const VTDForm *)opaque);

    make_pending(r);
    vu_reply(r->vu, 1, VU_REPLY, 8, 0);
    see_lie(r);
}

static void test_no_reply(const void *opaque)
{
    VURig *r = rig_started("", *(const VTDForm *)opaque);

    make_pending(r);
    vu_reply(r->vu, VU_IOTLB_MSG, 1, 8, 0);
    see_lie(r);
}

static void test_garbage(const void *opaque)
{
    VURig *r = rig_started("", *(const VTDForm *)opaque);
    uint8_t garbage[4096];

    memset(garbage, 0xff, sizeof(garbage));
    make_pending(r);
    vu_say(r->vu, garbage, sizeof(garbage));
    see_lie(r);
}

/* Before it is asked, which would count as the answer to what comes next. */
static void test_unasked(const void *opaque)
{
    VURig *r = rig_started("", *(const VTDForm *)opaque);

    /* So that QEMU listens. */
    make_pending(r);
    vu_answer(r->vu, 0);
    see_done(r);
    vu_reply(r->vu, VU_IOTLB_MSG, VU_REPLY, 8, 0);
    inv_start(r, VTD_PAGE);
    see_lie(r);
}

static void check_event(VURig *r, const char *name)
{
    QDict *event, *data;

    event = qtest_qmp_eventwait_ref(r->vtd->qts, name);
    data = qdict_get_qdict(event, "data");
    g_assert_cmpstr(qdict_get_str(data, "device"), ==, "disk");
    g_assert_cmphex(qdict_get_int(data, "iova"), ==, RIG_DATA_IOVA);
    g_assert_cmphex(qdict_get_int(data, "length"), ==, VTD_PAGE_SIZE);
    qobject_unref(event);
}

static void test_stall(const void *opaque)
{
    VURig *r = rig_started("drain-stall-time=200", *(const VTDForm *)opaque);

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
    VURig *r = rig_started("drain-timeout=500", *(const VTDForm *)opaque);

    make_pending(r);
    g_assert_false(vblk_device_status(r->blk) & VIRTIO_CONFIG_S_NEEDS_RESET);
    qtest_clock_step(r->vtd->qts, 500 * MSEC);
    see_done(r);
    check_event(r, ABANDON_EVENT);
    viommu_until(r->vtd, vu_hung_up(r->vu));
    g_assert_true(vblk_device_status(r->blk) & VIRTIO_CONFIG_S_NEEDS_RESET);
    /* It comes back too late. */
    vu_reply(r->vu, VU_IOTLB_MSG, VU_REPLY, 8, 0);
    inv_start(r, VTD_DOMAIN);
    see_done(r);
    rig_end(r);
}

/* One that was hung up on for lying, and stays. */
static void test_lingers(const void *opaque)
{
    VURig *r = rig_started("drain-timeout=500", *(const VTDForm *)opaque);

    make_pending(r);
    vu_answer(r->vu, 1);
    viommu_until(r->vtd, vu_hung_up(r->vu));
    assert_pending(r);
    qtest_clock_step(r->vtd->qts, 500 * MSEC);
    see_done(r);
    check_event(r, ABANDON_EVENT);
    inv_start(r, VTD_DOMAIN);
    see_done(r);
    rig_end(r);
}

/* A translation that the backend asks for does not wait for it either. */
static void test_miss(const void *opaque)
{
    VURig *r = rig_started("", *(const VTDForm *)opaque);
    unsigned n = vu_updates(r->vu);

    make_pending(r);
    vu_miss(r->vu, RIG_DATA_IOVA + 5);
    viommu_until(r->vtd, vu_updates(r->vu) == n + 1);
    g_assert_cmphex(vu_last_update(r->vu).iova, ==, RIG_DATA_IOVA);
    g_assert_cmphex(vu_last_update(r->vu).size, ==, VTD_PAGE_SIZE);
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
    VURig *r = rig_started("", *(const VTDForm *)opaque);

    make_pending(r);
    vu_keep_until_stop(r->vu);
    qvirtio_reset(&r->blk->pci->vdev);
    g_assert_cmpuint(vu_kept(r->vu), ==, 0);
    see_done(r);
    inv_start(r, VTD_DOMAIN);
    see_done(r);
    g_assert_false(vu_hung_up(r->vu));
    rig_end(r);
}

static void test_unplug(void)
{
    VURig *r = rig_with("", true, VTD_QUEUED);

    start(r);
    make_pending(r);
    vu_keep_until_stop(r->vu);
    plug_pull(&r->vtd->unit, r->port, "disk");
    see_done(r);
    inv_start(r, VTD_DOMAIN);
    see_done(r);
    rig_end(r);
}

static void test_reset(const void *opaque)
{
    VURig *r = rig_started("", *(const VTDForm *)opaque);

    make_pending(r);
    vu_keep_until_stop(r->vu);
    vtd_reset(r->vtd);
    g_assert_cmpuint(vu_kept(r->vu), ==, 0);
    vblk_free(r->blk);
    start(r);
    make_pending(r);
    vu_answer(r->vu, 0);
    see_done(r);
    rig_end(r);
}

/* The guest cannot make QEMU block, nor remember without limit. */
static void test_flood(void)
{
    VURig *r = rig_started("", VTD_QUEUED);
    unsigned n = vu_invalidations(r->vu);
    unsigned tries = 0;
    int i, j;

    vu_stop_reading(r->vu, true);
    vu_keep(r->vu, true);
    for (i = 0; i < 100; i++) {
        for (j = 0; j < 200; j++) {
            vtd_queue_put(r->vtd, VTD_D_IOTLB | VTD_D_G(VTD_PAGE) |
                          VTD_D_DID(DID), RIG_DATA_IOVA + j * 0x10000);
        }
        vtd_queue_kick(r->vtd);
    }
    vtd_queue_wait_put(r->vtd);
    vtd_queue_kick(r->vtd);
    assert_pending(r);
    vu_stop_reading(r->vu, false);
    vu_keep(r->vu, false);
    while (!vtd_inv_done(r->vtd, VTD_QUEUED) || vu_kept(r->vu)) {
        if (vu_kept(r->vu)) {
            vu_answer(r->vu, 0);
        }
        viommu_turns(r->vtd);
        g_assert_cmpuint(tries++, <, VIOMMU_TRIES);
    }
    g_assert_cmpuint(vu_invalidations(r->vu), <, n + 200);
    for (j = 0; j < 200; j++) {
        g_assert_true(vu_covered(r->vu, RIG_DATA_IOVA + j * 0x10000,
                                 VTD_PAGE_SIZE));
    }
    rig_end(r);
}

/* Without device-IOTLB the guest may enable it all the same. */
static void test_ats_without(void)
{
    VURig *r = rig_with("", true, VTD_QUEUED);

    start(r);
    plug_set_ats(&r->vtd->unit, r->sid, true);
    make_pending(r);
    vu_answer(r->vu, 0);
    see_done(r);
    plug_set_ats(&r->vtd->unit, r->sid, false);
    make_pending(r);
    vu_answer(r->vu, 0);
    see_done(r);
    rig_end(r);
}

static void test_ats(void)
{
    VURig *r = rig_with("device-iotlb=on", true, VTD_QUEUED);
    VTD *vtd = r->vtd;
    unsigned n;

    start(r);
    plug_set_ats(&r->vtd->unit, r->sid, true);
    vu_keep(r->vu, true);
    n = vu_invalidations(r->vu);
    /* The IOTLB is not the device's any more ... */
    inv_start(r, VTD_PAGE);
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

    plug_set_ats(&r->vtd->unit, r->sid, false);
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
    VTD *vtd = r->vtd;
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

    start(r);
    /* Not even the rings' addresses were translated for it. */
    viommu_until(r->vtd, vu_hung_up(r->vu));
    g_assert_cmpuint(vu_updates(r->vu), ==, 0);
    vu_die(r->vu);
    inv_start(r, VTD_PAGE);
    see_done(r);
    qtest_qmp_assert_success(r->vtd->qts, "{'execute': 'query-status'}");
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
    VTD *vtd = vtd_start("", PLUG_PORT_ARGS
                         "-object memory-backend-memfd,id=ram,size=2G,share=on "
                         "-machine memory-backend=ram "
                         "-chardev socket,id=vu,path=%s", vu_path(vu));
    QDict *answer, *error;
    const char *reason;

    answer = qtest_qmp(vtd->qts,
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
    vtd_stop(vtd);
    vu_free(vu);
}

/*
 * A backend may expect each part of a ring in one piece, which pages behind a
 * vIOMMU are not: the size of the rings is the operator's.
 */
static void test_queue_size(void)
{
    VURig *r = rig_started("", VTD_QUEUED);
    QVirtioDevice *vdev = &r->blk->pci->vdev;
    QDict *answer = qtest_qmp(r->vtd->qts, "{'execute': 'qom-get',"
                              " 'arguments': {'path': %s,"
                              " 'property': 'queue-size'}}", r->blk->backend);

    qvirtio_reset(vdev);
    vdev->bus->queue_select(vdev, 0);
    g_assert_cmpuint(vdev->bus->get_queue_size(vdev), ==,
                     qdict_get_int(answer, "return"));
    qobject_unref(answer);
    rig_end(r);
}

static void add(const char *name, void (*fn)(const void *opaque))
{
    static const VTDForm forms[] = { VTD_REGISTER, VTD_QUEUED };
    static const char *const names[] = { "register", "queued" };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(forms); i++) {
        g_autofree char *path = g_strdup_printf("/viommu/vhost-user/%s/%s",
                                                name, names[i]);

        qtest_add_data_func(path, &forms[i], fn);
    }
}

int main(int argc, char **argv)
{
    static const VUWithout withouts[] = {
        VU_WITHOUT_PLATFORM, VU_WITHOUT_REPLY_ACK, VU_WITHOUT_PROTOCOL,
    };

    g_test_init(&argc, &argv, NULL);
    add("answers", test_answers);
    add("delays", test_delays);
    qtest_add_func("/viommu/vhost-user/in-order", test_in_order);
    add("pieces", test_pieces);
    add("dies", test_dies);
    qtest_add_func("/viommu/vhost-user/dies-busy", test_dies_busy);
    add("refuses", test_refuses);
    add("wrong-request", test_wrong_request);
    add("no-reply", test_no_reply);
    add("garbage", test_garbage);
    add("unasked", test_unasked);
    add("stall", test_stall);
    add("never", test_never);
    add("lingers", test_lingers);
    add("miss", test_miss);
    add("stop", test_stop);
    add("reset", test_reset);
    qtest_add_func("/viommu/vhost-user/unplug", test_unplug);
    qtest_add_func("/viommu/vhost-user/flood", test_flood);
    qtest_add_func("/viommu/vhost-user/ats-without", test_ats_without);
    qtest_add_func("/viommu/vhost-user/ats", test_ats);
    qtest_add_func("/viommu/vhost-user/ats-te", test_ats_te);
    qtest_add_func("/viommu/vhost-user/refused-unit", test_refused_unit);
    qtest_add_func("/viommu/vhost-user/queue-size", test_queue_size);
    qtest_add_data_func("/viommu/vhost-user/plug/no-access-platform",
                        &withouts[0], test_plug);
    qtest_add_data_func("/viommu/vhost-user/plug/no-reply-ack",
                        &withouts[1], test_plug);
    qtest_add_data_func("/viommu/vhost-user/plug/no-protocol",
                        &withouts[2], test_plug);
    return g_test_run();
}

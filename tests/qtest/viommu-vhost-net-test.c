/*
 * The kernel's vhost-net behind a vIOMMU: what it was told of an invalidation,
 * it does not use any more
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Needs /dev/vhost-net and a network of its own: tests/guest/vhostkernel.py
 * runs it in a Linux guest.  Guest memory is mapped by QEMU, the kernel and
 * the test; nothing but the kernel's vhost thread touches the data.
 *
 * The kernel keeps what it has been told until it is told otherwise, so that
 * what happens without an invalidation is certain as well: test_copy() sees
 * what the others must not.
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qobject/qdict.h"
#include "standard-headers/linux/pci_regs.h"
#include "standard-headers/linux/virtio_config.h"
#include "viommu-plug.h"
#include "viommu-smmu.h"
#include "viommu-tap.h"
#include "viommu-vring.h"
#include "viommu-vtd.h"

#define DEVFN       (5 << 3)
#define BEHIND      (1 << 8)           /* bus 1, device 0 */
#define SPACE_ID    7
#define RX_IOVA     0x20000000ULL
#define TX_IOVA     0x20010000ULL
#define BATCH       16
/* Of RX_IOVA's page for each frame */
#define RX_LEN      (UNIT_PAGE / 2)
#define ROUNDS      50

#define STALE       0xdeadbeef         /* the page, in other hands */
#define REUSED      0xa5               /* the same, as bytes */

typedef struct How {
    const char *name;
    unsigned form;
    UnitScope scope;
    bool ats;
} How;

static const How vtd_hows[] = {
    { "queued/page", VTD_QUEUED, UNIT_RANGE },
    { "queued/domain", VTD_QUEUED, UNIT_SPACE },
    { "queued/global", VTD_QUEUED, UNIT_ALL },
    { "register/page", VTD_REGISTER, UNIT_RANGE },
    { "ats", VTD_QUEUED, UNIT_RANGE, true },
    { }
};

static const How smmu_hows[] = {
    { "sync/page", SMMU_FORM_SYNC, UNIT_RANGE },
    { "sync/asid", SMMU_FORM_SYNC, UNIT_SPACE },
    { "sync/all", SMMU_FORM_SYNC, UNIT_ALL },
    { "stage-2/vmid", SMMU_FORM_S2, UNIT_SPACE },
    { "nested/page", SMMU_FORM_NESTED, UNIT_RANGE },
    { }
};

static bool is_vtd(void)
{
    return unit_ops() == &vtd_unit_ops;
}

typedef struct Net {
    const How *how;
    VMem *mem;
    Unit *unit;
    UnitSpace *space;
    uint16_t sid;
    QPCIDevice *port;
    QVirtioPCIDevice *pci;
    VRing rx, tx;
    uint64_t rx_ring, tx_ring;
    uint64_t page[2], other;
    uint64_t rx_pte, tx_pte, entry;
    int tap;
} Net;

static uint8_t *at(Net *n, uint64_t gpa)
{
    return vmem_at(n->mem, gpa);
}

static VTD *vtd_of(Net *n)
{
    g_assert_true(is_vtd());
    return container_of(n->unit, VTD, unit);
}

static void map_perms(Net *n, uint64_t iova, uint64_t gpa, unsigned perms)
{
    n->unit->ops->map(n->unit, n->space, iova, gpa, UNIT_PAGE, perms);
}

/* Bits of an entry that say where it leads, in both models */
#define ENTRY_ADDR 0x0000fffffffff000ULL

/* As fast as a guest would, or there would not be much of a race. */
static void map(Net *n, uint64_t iova, uint64_t gpa)
{
    uint64_t where = iova == RX_IOVA ? n->rx_pte :
                     iova == TX_IOVA ? n->tx_pte : 0;

    if (where) {
        qatomic_set((uint64_t *)at(n, where), gpa | n->entry);
    } else {
        map_perms(n, iova, gpa, UNIT_RW);
    }
}

static void unmap(Net *n, uint64_t iova)
{
    unit_unmap(n->unit, n->space, iova);
}

/* Where the entry of @iova is, which leads nowhere. */
static uint64_t entry_of(Net *n, uint64_t iova)
{
    uint64_t where;

    map_perms(n, iova, n->page[0], UNIT_RW);
    where = n->unit->ops->pte(n->unit, n->space, iova);
    n->entry = qtest_readq(n->unit->qts, where) & ~ENTRY_ADDR;
    unmap(n, iova);
    return where;
}

/* The device as its driver starts it; the rings are where they are. */
static void start(Net *n)
{
    n->pci = vring_device(n->unit, n->sid, 0);
    vring_setup(&n->rx, n->pci, 0, at(n, n->rx_ring), n->rx_ring);
    vring_setup(&n->tx, n->pci, 1, at(n, n->tx_ring), n->tx_ring);
    if (n->how->ats) {
        plug_set_ats(n->unit, n->sid, true);
    }
    qvirtio_set_driver_ok(&n->pci->vdev);
}

static void enable(Net *n)
{
    if (n->sid == BEHIND) {
        n->port = unit_open_bridge(n->unit, PLUG_PORT, BEHIND >> 8);
    }
    n->unit->ops->enable(n->unit, n->how->form);
}

static Net *net_new(const How *how)
{
    Net *n = g_new0(Net, 1);
    g_autofree char *memory = NULL, *args = NULL;

    n->how = how;
    n->mem = vmem_new(unit_ops()->ram);
    memory = vmem_args(n->mem);
    n->sid = how->ats ? BEHIND : DEVFN;
    args = g_strdup_printf("%s %s -netdev tap,id=net,ifname=" TAP_NAME
                           ",script=no,downscript=no,vhost=on "
                           "-device virtio-net-pci,id=nic,netdev=net,%s,"
                           "romfile=,disable-legacy=on,iommu_platform=on,"
                           "rx_queue_size=256", memory, PLUG_PORT_ARGS,
                           how->ats ? "bus=rp,ats=on" : "addr=5");
    n->unit = unit_ops()->start(how->form, how->ats ? "device-iotlb=on" : "",
                                args);
    n->tap = tap_open();
    n->rx_ring = unit_alloc(n->unit, 1);
    n->tx_ring = unit_alloc(n->unit, 1);
    n->page[0] = unit_alloc(n->unit, 1);
    n->page[1] = unit_alloc(n->unit, 1);
    n->other = unit_alloc(n->unit, 1);
    n->space = n->unit->ops->space(n->unit, how->form, SPACE_ID);
    n->rx_pte = entry_of(n, RX_IOVA);
    n->tx_pte = entry_of(n, TX_IOVA);
    n->unit->ops->attach(n->unit, n->sid, n->space);
    map(n, n->rx_ring, n->rx_ring);
    map(n, n->tx_ring, n->tx_ring);
    return n;
}

static Net *net_started(const How *how)
{
    Net *n = net_new(how);

    enable(n);
    start(n);
    return n;
}

static void net_free(Net *n)
{
    close(n->tap);
    vring_device_free(n->pci);
    g_free(n->port);
    g_free(n->space);
    n->unit->ops->stop(n->unit);
    vmem_free(n->mem);
    g_free(n);
}

static void inv_start(Net *n, uint64_t iova)
{
    UnitScope scope = n->how->scope;

    if (n->how->ats) {
        VTD *vtd = vtd_of(n);

        vtd_queue_put(vtd, VTD_D_IOTLB | VTD_D_G(VTD_PAGE) |
                      VTD_D_DID(SPACE_ID) | VTD_D_IOTLB_DR | VTD_D_IOTLB_DW,
                      iova);
        vtd_queue_put(vtd, VTD_D_DEVTLB | VTD_D_CC_SID(n->sid), iova);
        vtd_queue_wait_put(vtd);
        vtd_queue_kick(vtd);
        return;
    }
    n->unit->ops->inv_start(n->unit, n->how->form, scope, n->space,
                            scope == UNIT_RANGE ? iova : 0, 0);
}

static bool inv_done(Net *n)
{
    return n->unit->ops->inv_done(n->unit, n->how->form);
}

static void inv(Net *n, uint64_t iova)
{
    unsigned tries = 0;

    inv_start(n, iova);
    while (!inv_done(n)) {
        g_assert_cmpuint(tries++, <, 10 * VIOMMU_TRIES);
        g_usleep(50);
    }
}

static void remap(Net *n, uint64_t iova, uint64_t gpa)
{
    map(n, iova, gpa);
    inv(n, iova);
}

/* A frame to be sent */
static void stamp_page(Net *n, uint64_t gpa, uint32_t stamp)
{
    memset(at(n, gpa), 0, TAP_HEADER);
    tap_frame((TapFrame *)(at(n, gpa) + TAP_HEADER), stamp);
}

static void tx_post(Net *n, uint64_t iova, unsigned count)
{
    while (count--) {
        vring_put(&n->tx, iova, TAP_LEN, false);
    }
    vring_kick(&n->tx);
}

static bool tx_done(Net *n)
{
    uint32_t len;

    while (vring_take(&n->tx, &len)) {
        /* nothing */
    }
    return n->tx.seen == n->tx.put;
}

/* One frame, which is this one. */
static void see_sent(Net *n, uint64_t iova, uint32_t stamp)
{
    uint32_t got;

    tx_post(n, iova, 1);
    viommu_until(n->unit, tap_receive(n->tap, &got));
    g_assert_cmphex(got, ==, stamp);
    viommu_until(n->unit, tx_done(n));
    g_assert_false(tap_receive(n->tap, &got));
}

static void rx_post(Net *n, uint64_t iova)
{
    vring_put(&n->rx, iova, RX_LEN, true);
    vring_kick(&n->rx);
}

static bool received(Net *n)
{
    uint32_t len;

    if (!vring_take(&n->rx, &len)) {
        return false;
    }
    g_assert_cmpuint(len, ==, TAP_LEN);
    return true;
}

static bool holds(Net *n, uint64_t gpa, uint32_t stamp)
{
    TapFrame want;

    tap_frame(&want, stamp);
    return memcmp(at(n, gpa) + TAP_HEADER, &want, sizeof(want)) == 0;
}

/* One frame arrives, here. */
static void see_received(Net *n, uint64_t iova, uint64_t gpa, uint32_t stamp)
{
    rx_post(n, iova);
    tap_send(n->tap, stamp);
    viommu_until(n->unit, received(n));
    g_assert_true(holds(n, gpa, stamp));
}

static void reuse(Net *n, uint64_t gpa)
{
    memset(at(n, gpa), REUSED, UNIT_PAGE);
}

static void assert_untouched(Net *n, uint64_t gpa)
{
    const uint8_t *page = at(n, gpa);
    size_t i;

    for (i = 0; i < UNIT_PAGE; i++) {
        g_assert_cmphex(page[i], ==, REUSED);
    }
}

static void take_fault(Net *n, bool is_read, uint64_t iova)
{
    VTDFault fault;

    if (!is_vtd()) {
        /* The kernel may ask more than once. */
        viommu_until(n->unit, n->unit->ops->drop_faults(n->unit, n->sid));
        return;
    }
    viommu_until(n->unit, vtd_fault_take(vtd_of(n), 0, &fault));
    g_assert_cmphex(fault.reason, ==, is_read ? VTD_FR_READ : VTD_FR_WRITE);
    g_assert_cmphex(fault.sid, ==, n->sid);
    g_assert_cmpint(fault.is_read, ==, is_read);
    g_assert_cmphex(fault.info, ==, iova);
}

/* Does vhost do it, or QEMU's own virtio-net? */
static bool is_vhost(Net *n)
{
    QDict *answer;
    bool started;

    answer = qtest_qmp(n->unit->qts,
        "{'execute': 'x-query-virtio-status',"
        " 'arguments': {'path': '/machine/peripheral/nic/virtio-backend'}}");

    started = qdict_get_bool(qdict_get_qdict(answer, "return"),
                             "vhost-started");
    qobject_unref(answer);
    return started;
}

/*
 * The kernel asks for each translation, and QEMU says what the tables say: a
 * page that is not there is a fault of the device, and goes on when it is.
 */
static void test_asks(const void *opaque)
{
    Net *n = net_started(opaque);
    uint32_t got;

    g_assert_true(is_vhost(n));
    stamp_page(n, n->page[0], 1);
    tx_post(n, TX_IOVA, 1);
    take_fault(n, true, TX_IOVA);
    g_assert_false(tap_receive(n->tap, &got));
    g_assert_false(tx_done(n));
    map(n, TX_IOVA, n->page[0]);
    vring_kick(&n->tx);
    viommu_until(n->unit, tap_receive(n->tap, &got));
    g_assert_cmphex(got, ==, 1);
    viommu_until(n->unit, tx_done(n));
    n->unit->ops->assert_no_fault(n->unit);

    /* Read-only is not enough to receive into. */
    reuse(n, n->page[1]);
    map_perms(n, RX_IOVA, n->page[1], UNIT_R);
    rx_post(n, RX_IOVA);
    tap_send(n->tap, 2);
    take_fault(n, false, RX_IOVA);
    assert_untouched(n, n->page[1]);
    g_assert_false(received(n));
    remap(n, RX_IOVA, n->page[1]);
    vring_kick(&n->rx);
    viommu_until(n->unit, received(n));
    g_assert_true(holds(n, n->page[1], 2));
    n->unit->ops->assert_no_fault(n->unit);
    net_free(n);
}

/* What this whole file is about: the kernel has a copy. */
static void test_copy(const void *opaque)
{
    Net *n = net_started(opaque);

    map(n, TX_IOVA, n->page[0]);
    map(n, RX_IOVA, n->page[0]);
    stamp_page(n, n->page[0], 1);
    stamp_page(n, n->page[1], 2);
    see_sent(n, TX_IOVA, 1);
    map(n, TX_IOVA, n->page[1]);
    see_sent(n, TX_IOVA, 1);
    see_received(n, RX_IOVA, n->page[0], 3);
    map(n, RX_IOVA, n->other);
    see_received(n, RX_IOVA, n->page[0], 4);

    inv(n, TX_IOVA);
    inv(n, RX_IOVA);
    see_sent(n, TX_IOVA, 2);
    reuse(n, n->page[0]);
    see_received(n, RX_IOVA, n->other, 5);
    assert_untouched(n, n->page[0]);
    n->unit->ops->assert_no_fault(n->unit);
    net_free(n);
}

static void test_remap(const void *opaque)
{
    Net *n = net_started(opaque);
    int i;

    for (i = 0; i < 10; i++) {
        uint64_t page = n->page[i & 1], old = n->page[!(i & 1)];

        stamp_page(n, page, 10 * i);
        remap(n, TX_IOVA, page);
        stamp_page(n, old, STALE);
        see_sent(n, TX_IOVA, 10 * i);

        remap(n, RX_IOVA, page);
        reuse(n, old);
        see_received(n, RX_IOVA, page, 10 * i + 1);
        assert_untouched(n, old);
    }
    n->unit->ops->assert_no_fault(n->unit);
    net_free(n);
}

/* Unmapped is unmapped. */
static void test_unmap(const void *opaque)
{
    Net *n = net_started(opaque);
    uint32_t got;

    map(n, TX_IOVA, n->page[0]);
    map(n, RX_IOVA, n->page[1]);
    stamp_page(n, n->page[0], 1);
    see_sent(n, TX_IOVA, 1);
    see_received(n, RX_IOVA, n->page[1], 2);

    unmap(n, TX_IOVA);
    inv(n, TX_IOVA);
    tx_post(n, TX_IOVA, 1);
    take_fault(n, true, TX_IOVA);
    g_assert_false(tap_receive(n->tap, &got));

    unmap(n, RX_IOVA);
    inv(n, RX_IOVA);
    reuse(n, n->page[1]);
    rx_post(n, RX_IOVA);
    tap_send(n->tap, 3);
    take_fault(n, false, RX_IOVA);
    assert_untouched(n, n->page[1]);
    net_free(n);
}

/* The rings are memory like any other. */
static void test_rings(const void *opaque)
{
    Net *n = net_started(opaque);
    uint64_t rx = unit_alloc(n->unit, 1), tx = unit_alloc(n->unit, 1);

    map(n, TX_IOVA, n->page[0]);
    map(n, RX_IOVA, n->page[1]);
    stamp_page(n, n->page[0], 1);
    see_sent(n, TX_IOVA, 1);
    see_received(n, RX_IOVA, n->page[1], 2);

    /* Both are empty, so nobody writes to them. */
    memcpy(at(n, rx), at(n, n->rx_ring), UNIT_PAGE);
    memcpy(at(n, tx), at(n, n->tx_ring), UNIT_PAGE);
    remap(n, n->rx_ring, rx);
    remap(n, n->tx_ring, tx);
    reuse(n, n->rx_ring);
    reuse(n, n->tx_ring);
    n->rx.page = at(n, rx);
    n->tx.page = at(n, tx);
    see_sent(n, TX_IOVA, 1);
    see_received(n, RX_IOVA, n->page[1], 3);
    assert_untouched(n, n->rx_ring);
    assert_untouched(n, n->tx_ring);
    n->unit->ops->assert_no_fault(n->unit);
    net_free(n);
}

static gint stop_traffic;

typedef struct Sender {
    Net *n;
    gint newest;             /* stamp that has come through */
} Sender;

/*
 * The guest sends without a pause, and the other end looks: what it gets may
 * be the old page or the new one until the invalidation is complete, but never
 * a page that is somebody else's.
 */
static void *transmit_all_the_time(void *opaque)
{
    Sender *sender = opaque;
    Net *n = sender->n;
    uint32_t got;

    while (!g_atomic_int_get(&stop_traffic)) {
        tx_done(n);
        while (vring_room(&n->tx)) {
            vring_put(&n->tx, TX_IOVA, TAP_LEN, false);
        }
        while (tap_receive(n->tap, &got)) {
            /* Also not STALE */
            g_assert_cmpint(got, <=, g_atomic_int_get(&sender->newest) + 1);
            g_assert_cmpint(got, >=, g_atomic_int_get(&sender->newest));
            g_atomic_int_set(&sender->newest, got);
        }
    }
    return NULL;
}

static bool has_come(Sender *sender, int stamp)
{
    /* The kernel stops looking when it finds nothing. */
    vring_kick(&sender->n->tx);
    return g_atomic_int_get(&sender->newest) == stamp;
}

/* The old page says STALE as soon as the invalidation is complete. */
static void test_race_tx(const void *opaque)
{
    Net *n = net_started(opaque);
    Sender sender = { n };
    unsigned busy = 0;
    GThread *thread;
    int i;

    map(n, TX_IOVA, n->page[0]);
    stamp_page(n, n->page[0], 0);
    g_atomic_int_set(&stop_traffic, 0);
    thread = g_thread_new("guest", transmit_all_the_time, &sender);
    for (i = 1; i <= ROUNDS; i++) {
        uint64_t page = n->page[i & 1], old = n->page[!(i & 1)];

        stamp_page(n, page, i);
        vring_kick(&n->tx);
        map(n, TX_IOVA, page);
        inv(n, TX_IOVA);
        stamp_page(n, old, STALE);
        busy += vring_pending(&n->tx);
        viommu_until(n->unit, has_come(&sender, i));
    }
    g_atomic_int_set(&stop_traffic, 1);
    g_thread_join(thread);
    g_test_message("note: %u of %u invalidations were complete while the "
                   "kernel was sending", busy, ROUNDS);
    n->unit->ops->assert_no_fault(n->unit);
    net_free(n);
}

/* Between frames; microseconds */
static gint pause_us = 20;

static void *send_all_the_time(void *opaque)
{
    Net *n = opaque;
    uint32_t i;

    for (i = 0; !g_atomic_int_get(&stop_traffic); i++) {
        tap_send(n->tap, i);
        g_usleep(g_atomic_int_get(&pause_us));
    }
    return NULL;
}

static void rx_refill(Net *n)
{
    unsigned i = 0;

    while (received(n)) {
        /* nothing */
    }
    if (vring_room(&n->rx) < VRING_SLOTS / 4) {
        return;
    }
    while (vring_room(&n->rx)) {
        vring_put(&n->rx, RX_IOVA + (i++ & 1) * RX_LEN, RX_LEN, true);
    }
    vring_kick(&n->rx);
}

static bool is_used(Net *n, uint64_t gpa)
{
    const uint8_t *page = at(n, gpa);
    size_t i;

    rx_refill(n);
    for (i = 0; i < UNIT_PAGE; i++) {
        if (page[i] != REUSED) {
            return true;
        }
    }
    return false;
}

/* Another thread sends; the page changes all the time. */
static void test_race_rx(const void *opaque)
{
    Net *n = net_started(opaque);
    GThread *sender;
    int i;

    reuse(n, n->page[0]);
    map(n, RX_IOVA, n->page[0]);
    rx_refill(n);
    g_atomic_int_set(&stop_traffic, 0);
    sender = g_thread_new("sender", send_all_the_time, n);
    for (i = 1; i <= ROUNDS; i++) {
        uint64_t page = n->page[i & 1], old = n->page[!(i & 1)];

        viommu_until(n->unit, is_used(n, old));
        reuse(n, page);
        map(n, RX_IOVA, page);
        inv_start(n, RX_IOVA);
        while (!inv_done(n)) {
            rx_refill(n);
        }
        /* It is somebody else's now. */
        reuse(n, old);
        viommu_until(n->unit, is_used(n, page));
        assert_untouched(n, old);
    }
    g_atomic_int_set(&stop_traffic, 1);
    g_thread_join(sender);
    n->unit->ops->assert_no_fault(n->unit);
    net_free(n);
}

/* After a reset nothing is used any more, and what is used next is new. */
static void see_stopped(Net *n)
{
    uint32_t got;

    /* The thread was stopped in the middle of it all. */
    reuse(n, n->page[0]);
    reuse(n, n->page[1]);
    reuse(n, n->rx_ring);
    reuse(n, n->tx_ring);
    tap_send(n->tap, 1);
    viommu_turns(n->unit);
    assert_untouched(n, n->page[0]);
    assert_untouched(n, n->page[1]);
    assert_untouched(n, n->rx_ring);
    assert_untouched(n, n->tx_ring);
    while (tap_receive(n->tap, &got)) {
        /* nothing */
    }
    /* Nor are there frames in a queue for the next owner of the rings. */
    map(n, TX_IOVA, n->other);
    map(n, RX_IOVA, n->other);
}

static void see_started(Net *n)
{
    inv(n, TX_IOVA);
    inv(n, RX_IOVA);
    stamp_page(n, n->other, 7);
    see_sent(n, TX_IOVA, 7);
    reuse(n, n->page[0]);
    reuse(n, n->page[1]);
    rx_post(n, RX_IOVA);
    /* The one that was sent while nobody was there may come first. */
    tap_send(n->tap, 8);
    viommu_until(n->unit, received(n));
    if (!holds(n, n->other, 8)) {
        rx_post(n, RX_IOVA);
        viommu_until(n->unit, received(n));
    }
    assert_untouched(n, n->page[0]);
    assert_untouched(n, n->page[1]);
}

static void make_busy(Net *n)
{
    stamp_page(n, n->page[0], 1);
    reuse(n, n->page[1]);
    map(n, TX_IOVA, n->page[0]);
    map(n, RX_IOVA, n->page[1]);
    rx_refill(n);
    tap_send(n->tap, 2);
    viommu_until(n->unit, is_used(n, n->page[1]));
    tx_post(n, TX_IOVA, BATCH);
}

static void test_reset(const void *opaque)
{
    Net *n = net_started(opaque);

    make_busy(n);
    qvirtio_reset(&n->pci->vdev);
    see_stopped(n);
    vring_device_free(n->pci);
    start(n);
    see_started(n);
    n->unit->ops->assert_no_fault(n->unit);
    net_free(n);
}

static void test_system_reset(const void *opaque)
{
    Net *n = net_started(opaque);

    make_busy(n);
    n->unit->ops->reset(n->unit);
    see_stopped(n);
    vring_device_free(n->pci);
    g_free(n->port);
    n->port = NULL;
    enable(n);
    start(n);
    see_started(n);
    n->unit->ops->assert_no_fault(n->unit);
    net_free(n);
}

static void test_bus_master(const void *opaque)
{
    Net *n = net_started(opaque);
    uint16_t command = qpci_config_readw(n->pci->pdev, PCI_COMMAND);

    make_busy(n);
    qpci_config_writew(n->pci->pdev, PCI_COMMAND,
                       command & ~PCI_COMMAND_MASTER);
    see_stopped(n);
    vring_device_free(n->pci);
    start(n);
    see_started(n);
    n->unit->ops->assert_no_fault(n->unit);
    net_free(n);
}

/* One more in the queue, which the next invalidation takes with it */
static void inv_put(Net *n)
{
    if (!is_vtd()) {
        smmu_cmd_put(container_of(n->unit, SMMU, unit),
                     SMMU_CMD_TLBI_NSNH_ALL, 0);
    } else if (n->how->ats) {
        vtd_queue_put(vtd_of(n), VTD_D_DEVTLB | VTD_D_CC_SID(n->sid),
                      TX_IOVA);
    } else {
        vtd_queue_put(vtd_of(n), VTD_D_IOTLB | VTD_D_G(VTD_GLOBAL), 0);
    }
}

/*
 * The kernel keeps a translation: its device ends there, and the guest goes on.
 * The invalidation is complete when vhost has stopped.
 */
static void test_refuses(const void *opaque)
{
    g_autofree char *flag = g_strdup_printf("%s/refuse", g_get_tmp_dir());
    UnitLog *log = unit_log_new();
    GThread *sender;
    uint8_t status;
    unsigned i;
    Net *n;

    g_setenv("LD_PRELOAD", "/tests/failwrite.so", true);
    g_setenv("VIOMMU_FAIL_UNMAP", flag, true);
    n = net_started(opaque);
    g_unsetenv("LD_PRELOAD");
    unit_log_rest(log);
    make_busy(n);
    g_atomic_int_set(&stop_traffic, 0);
    /* So that the ring does not run empty while QEMU does not listen */
    g_atomic_int_set(&pause_us, 1000);
    sender = g_thread_new("sender", send_all_the_time, n);
    reuse(n, n->page[1]);
    viommu_until(n->unit, is_used(n, n->page[1]));

    g_assert_true(g_file_set_contents(flag, "", 0, NULL));
    map(n, RX_IOVA, n->other);
    for (i = 0; i < 20; i++) {
        inv_put(n);
    }
    inv(n, RX_IOVA);
    reuse(n, n->page[1]);
    /* Each has failed; one is heard of, and how many more there were. */
    g_assert_cmpuint(unit_log_count(log, "could not be told"), ==, 1);
    g_assert_cmpuint(unit_log_count(log, "more vhost errors"), ==, 1);
    g_assert_cmpuint(unit_log_count(log, "Fail to update"), ==, 0);
    g_assert_false(is_vhost(n));
    status = n->pci->vdev.bus->get_status(&n->pci->vdev);
    g_assert_cmphex(status & VIRTIO_CONFIG_S_NEEDS_RESET, !=, 0);
    viommu_turns(n->unit);
    assert_untouched(n, n->page[1]);
    inv(n, TX_IOVA);
    unlink(flag);
    g_atomic_int_set(&stop_traffic, 1);
    g_thread_join(sender);

    qvirtio_reset(&n->pci->vdev);
    see_stopped(n);
    vring_device_free(n->pci);
    start(n);
    g_assert_true(is_vhost(n));
    see_started(n);
    n->unit->ops->assert_no_fault(n->unit);
    net_free(n);
    unit_log_free(log);
}

static void set_te(Net *n, bool on)
{
    VTD *vtd = vtd_of(n);

    vtd_gcmd(vtd, on ? VTD_G_TE : 0, on ? 0 : VTD_G_TE);
    viommu_until(vtd, !(vtd_read32(vtd, VTD_GSTS) & VTD_G_TE) == !on);
}

/*
 * Translation off and on while the device runs: its rings are mapped where
 * they are, and one data page leads to another.
 */
static void test_te(const void *opaque)
{
    Net *n = net_started(opaque);
    int i;

    map(n, n->page[0], n->page[1]);
    for (i = 0; i < 4; i++) {
        stamp_page(n, n->page[0], 1);
        stamp_page(n, n->page[1], 2);
        see_sent(n, n->page[0], 2);
        reuse(n, n->page[0]);
        see_received(n, n->page[0], n->page[1], 3);
        assert_untouched(n, n->page[0]);

        set_te(n, false);
        stamp_page(n, n->page[0], 1);
        stamp_page(n, n->page[1], 2);
        see_sent(n, n->page[0], 1);
        reuse(n, n->page[1]);
        see_received(n, n->page[0], n->page[0], 4);
        assert_untouched(n, n->page[1]);
        set_te(n, true);
    }
    n->unit->ops->assert_no_fault(n->unit);
    net_free(n);
}

/* As above with a device that starts while translation is off. */
static void test_te_late(const void *opaque)
{
    Net *n = net_new(opaque);

    enable(n);
    set_te(n, false);
    start(n);
    map(n, n->page[0], n->page[1]);
    stamp_page(n, n->page[0], 1);
    stamp_page(n, n->page[1], 2);
    see_sent(n, n->page[0], 1);
    set_te(n, true);
    see_sent(n, n->page[0], 2);
    n->unit->ops->assert_no_fault(n->unit);
    net_free(n);
}

static void add(const char *name, const How *how,
                void (*fn)(const void *opaque))
{
    g_autofree char *path = g_strdup_printf("/viommu/vhost-net/%s/%s", name,
                                            how->name);

    qtest_add_data_func(path, how, fn);
}

static void add_all(const char *name, void (*fn)(const void *opaque))
{
    const How *how = is_vtd() ? vtd_hows : smmu_hows;

    for (; how->name; how++) {
        add(name, how, fn);
    }
}

static void add_ends(const char *name, void (*fn)(const void *opaque))
{
    const How *how = is_vtd() ? vtd_hows : smmu_hows;

    add(name, how, fn);
    while (how[1].name) {
        how++;
    }
    add(name, how, fn);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_ends("asks", test_asks);
    add_ends("copy", test_copy);
    add_all("remap", test_remap);
    add_ends("unmap", test_unmap);
    add_ends("rings", test_rings);
    add_ends("race-tx", test_race_tx);
    add_ends("race-rx", test_race_rx);
    add_ends("reset", test_reset);
    add_ends("system-reset", test_system_reset);
    add_ends("bus-master", test_bus_master);
    add_ends("refuses", test_refuses);
    if (is_vtd()) {
        add_ends("te", test_te);
        add_ends("te-late", test_te_late);
    }
    return g_test_run();
}

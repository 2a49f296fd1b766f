/*
 * Soak: a slot whose device comes and goes while everything else is at work
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "qemu/units.h"
#include "hw/misc/x-dma-bench.h"
#include "viommu-soak-slot.h"
#include "viommu-vblk.h"
#include "viommu-vhost-user.h"

#define BUS         1
#define SID         (BUS << 8)
/* One round in so many changes what is in the slot, or whether it answers. */
#define SELDOM      10
/* Of the virtual clock, while an invalidation waits */
#define WAIT_NS     (10 * 1000 * 1000LL)

struct SoakSlot {
    Unit *unit;
    unsigned form;
    UnitSpace *space;
    SoakGuest guest;
    GRand *rand;
    uint64_t iova;
    unsigned pages;
    uint64_t mmio;           /* of the port's memory window */
    uint64_t ring;           /* the backend's ring */
    QPCIDevice *port;
    bool there, silent;
    QPCIDevice *pci;         /* a writer */
    QPCIBar bar;
    VUBackend *vu;           /* a backend */
    VBlk *blk;
    uint64_t visits, kills, operations;
};

/* What is mapped behind the port has its place, time and again. */
static void slot_open(SoakSlot *s)
{
    g_free(s->port);
    s->unit->bus->mmio_alloc_ptr = s->mmio;
    s->port = unit_open_bridge(s->unit, PLUG_PORT, BUS);
    plug_power(s->port);
}

static void writer_come(SoakSlot *s)
{
    qtest_qmp_device_add(s->unit->qts, "x-dma-bench", "visit",
                         "{'bus': 'rp'}");
    slot_open(s);
    s->unit->ops->reattach(s->unit, s->form, SID, s->space);
    s->pci = qpci_device_find(s->unit->bus, SID);
    g_assert_nonnull(s->pci);
    s->bar = qpci_iomap(s->pci, 0, NULL);
    qpci_device_enable(s->pci);
    qpci_io_writel(s->pci, s->bar, XDB_THREADS, 1);
    qpci_io_writeq(s->pci, s->bar, XDB_ADDR, s->iova);
    qpci_io_writeq(s->pci, s->bar, XDB_LENGTH, 64);
    qpci_io_writeq(s->pci, s->bar, XDB_STRIDE, UNIT_PAGE);
    qpci_io_writeq(s->pci, s->bar, XDB_WINDOW, s->pages * UNIT_PAGE);
    qpci_io_writeq(s->pci, s->bar, XDB_COUNT, 0);
    qpci_io_writel(s->pci, s->bar, XDB_CMD, XDB_MAP_FILL | XDB_BACKGROUND);
}

/* At work */
static void writer_go(SoakSlot *s)
{
    s->operations += qpci_io_readq(s->pci, s->bar, XDB_OPS);
    g_free(s->pci);
    plug_pull(s->unit, s->port, "visit");
}

static void backend_come(SoakSlot *s)
{
    QTestState *qts = s->unit->qts;

    s->vu = vu_new(VU_WITHOUT_NOTHING);
    qtest_qmp_assert_success(qts, "{'execute': 'chardev-add', 'arguments': {"
        " 'id': 'vu', 'backend': {'type': 'socket', 'data': {"
        " 'server': false, 'addr': {'type': 'unix', 'data': {'path': %s}}}}}}",
        vu_path(s->vu));
    qtest_qmp_device_add(qts, "vhost-user-blk-pci", "visit",
                         "{'bus': 'rp', 'chardev': 'vu', 'num-queues': 1,"
                         " 'iommu_platform': true, 'disable-legacy': 'on'}");
    slot_open(s);
    s->unit->ops->reattach(s->unit, s->form, SID, s->space);
    s->blk = vblk_new(s->unit, SID, "visit", s->ring, s->iova - UNIT_PAGE);
}

static bool backend_is_seen_dead(SoakSlot *s)
{
    QDict *response = qtest_qmp(s->unit->qts, "{'execute': 'query-chardev'}");
    QListEntry *entry;
    bool dead = false;

    QLIST_FOREACH_ENTRY(qdict_get_qlist(response, "return"), entry) {
        QDict *chr = qobject_to(QDict, qlist_entry_obj(entry));

        dead |= !strcmp(qdict_get_str(chr, "label"), "vu") &&
                g_str_has_prefix(qdict_get_str(chr, "filename"),
                                 "disconnected");
    }
    qobject_unref(response);
    return dead;
}

static void backend_go(SoakSlot *s)
{
    if (s->silent || g_rand_boolean(s->rand)) {
        vu_die(s->vu);
        s->kills++;
        /* The base's device has to have dealt with it before it is pulled. */
        viommu_until(s->unit, backend_is_seen_dead(s));
        viommu_turns(s->unit);
    }
    vblk_free(s->blk);
    plug_pull(s->unit, s->port, "visit");
    qtest_qmp_assert_success(s->unit->qts, "{'execute': 'chardev-remove',"
                             " 'arguments': {'id': 'vu'}}");
    vu_free(s->vu);
    s->silent = false;
}

static void slot_come(SoakSlot *s)
{
    uint64_t next = s->unit->bus->mmio_alloc_ptr;

    if (s->guest == SOAK_GUEST_WRITER) {
        writer_come(s);
    } else {
        backend_come(s);
    }
    s->unit->bus->mmio_alloc_ptr = next;
    s->there = true;
    s->visits++;
}

void soak_slot_empty(SoakSlot *s)
{
    if (!s || !s->there) {
        return;
    }
    if (s->guest == SOAK_GUEST_WRITER) {
        writer_go(s);
    } else {
        backend_go(s);
    }
    s->there = false;
    s->unit->ops->detach_start(s->unit, s->form, SID, s->space);
    unit_inv_wait(s->unit, s->form);
}

void soak_slot_round(SoakSlot *s)
{
    if (!s || g_rand_int_range(s->rand, 0, SELDOM)) {
        return;
    }
    if (!s->there) {
        slot_come(s);
    } else if (s->guest == SOAK_GUEST_BACKEND && !s->silent &&
               g_rand_boolean(s->rand)) {
        vu_keep(s->vu, true);
        s->silent = true;
    } else {
        soak_slot_empty(s);
    }
}

void soak_slot_wait(SoakSlot *s)
{
    if (s && s->silent) {
        qtest_clock_step(s->unit->qts, WAIT_NS);
    }
}

void soak_slot_adopt(SoakSlot *s, Unit *unit)
{
    if (s) {
        g_assert_false(s->there);
        s->unit = unit;
        if (s->port) {
            s->port->bus = unit->bus;
        }
    }
}

SoakSlot *soak_slot_new(Unit *unit, unsigned form, UnitSpace *space,
                        SoakGuest guest, uint64_t iova, unsigned pages,
                        GRand *rand)
{
    SoakSlot *s = g_new0(SoakSlot, 1);

    *s = (SoakSlot) {
        .unit = unit, .form = form, .space = space, .guest = guest,
        .rand = rand, .iova = iova, .pages = pages,
        .mmio = ROUND_UP(unit->bus->mmio_alloc_ptr, 1 * MiB),
    };
    unit->bus->mmio_alloc_ptr = s->mmio + 1 * MiB;
    if (guest == SOAK_GUEST_BACKEND) {
        s->ring = unit_alloc(unit, 1);
        unit->ops->map(unit, space, iova - UNIT_PAGE, s->ring, UNIT_PAGE,
                       UNIT_RW);
    }
    return s;
}

void soak_slot_free(SoakSlot *s)
{
    if (s) {
        soak_slot_empty(s);
        g_free(s->port);
        g_free(s);
    }
}

uint64_t soak_slot_visits(const SoakSlot *s)
{
    return s ? s->visits : 0;
}

uint64_t soak_slot_kills(const SoakSlot *s)
{
    return s ? s->kills : 0;
}

uint64_t soak_slot_operations(const SoakSlot *s)
{
    return s ? s->operations : 0;
}

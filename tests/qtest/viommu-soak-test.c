/*
 * Soak: devices that never stop, pages that change hands all the time
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Two devices write to pages of one space, by short accesses and through maps,
 * and one reads pages of another, each from threads of its own.  Meanwhile
 * pages are unmapped or replaced, alone and in batches, and invalidated in
 * every scope.  Each page that is in no device's hands is somebody else's: it
 * has a pattern of its owner's, which nobody may change (space of the writers),
 * or holds what no device may see (space of the reader).  Some cases have one
 * more device: it keeps translations of its own (ATS), or comes and goes, or
 * its backend does not answer, or dies, or it is a disk that is read to the
 * writers' pages.  One has two NVMe controllers, and one four network devices:
 * half of them write to the writers' pages, and half read the reader's.
 *
 * A short run is part of make check.  VIOMMU_SOAK_SECONDS: so long for each
 * case instead (make soak), and from time to time the machine is reset, or goes
 * to another process.  One case is counted: so many pages are mapped, used and
 * taken away, against a thread that writes through maps and one that reads;
 * VIOMMU_SOAK_ROUNDS says how many, ten thousand in make soak.  With
 * VIOMMU_SOAK_ALONE the two that write and the one that reads do nothing: what
 * is found then, the other devices of the case have found.
 */
#include "qemu/osdep.h"
#include "hw/misc/x-dma-bench.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "viommu-rig.h"
#include "viommu-soak-ats.h"
#include "viommu-soak-disk.h"
#include "viommu-soak-net.h"
#include "viommu-soak-nvme.h"
#include "viommu-soak-slot.h"

/* Where no BAR is: an NVMe controller takes an IOVA for its own registers. */
#define IOVA            0x50000000ULL
/* Pages that a space maps, and those there are */
#define WINDOW          32
#define POOL            48
#define BATCH_MAX       16

/* What a device writes has a byte below 0x80 at the least. */
#define PATTERN         0x80
#define ALLOWED         0x11
#define FORBIDDEN       0xee
#define FORBIDDEN64     (FORBIDDEN * 0x0101010101010101ULL)

#define PASID           5

/* Of a run in make check, and between two resets of a long one */
#define ROUNDS          30
#define ROUNDS_LONG     200
/* Of the counted one, where only the beginning of a page is filled and read */
#define ROUNDS_COUNTED  600
#define COUNTED_LEN     64

enum { WRITER, MAPPER, READER, DEVICES };

typedef struct Page {
    uint64_t gpa;
    uint8_t pattern;         /* of its owner; of a writers' page, if free */
} Page;

/* One space: what is mapped where, and which pages are free */
typedef struct Side {
    UnitSpace *space;
    bool written;            /* the writers' */
    Page pages[POOL];
    int at[WINDOW];          /* the page; -1: not mapped */
    int free[POOL];
    unsigned n_free;
} Side;

typedef struct Soak {
    Unit *unit;
    unsigned form;
    Side sides[2];
    QPCIDevice *pci[DEVICES];
    QPCIBar bar[DEVICES];
    GRand *rand;
    const uint8_t *threads;  /* of each device; 0: it does nothing */
    unsigned len;            /* so much of a page has a pattern, and is read */
    uint8_t pattern;         /* the last one */
    uint64_t operations, rounds, waited, migrations, resets;
    uint64_t changed;        /* pages, by all rounds */
    const struct Case *with;
    uint64_t mmio;           /* where what is mapped begins */
    SoakSlot *slot;
    SoakATS *ats;
    SoakDisk *disk;
    SoakNvme *nvme;
    SoakNet *net;
} Soak;

typedef struct Case {
    unsigned form;
    const char *props;
    bool counted;
    bool pasid;              /* all DMA has PASID */
    bool ats;                /* a device with ATS, too */
    bool disk;               /* a disk, too */
    bool nvme;               /* NVMe controllers, too */
    bool net;                /* network devices, too */
    SoakGuest guest;         /* and one that comes and goes */
} Case;

/* Devices */

static const struct {
    XDBCommand command;
    unsigned length;
    unsigned side;
} devices[DEVICES] = {
    [WRITER] = { XDB_NUMBER, 64, 0 },
    [MAPPER] = { XDB_MAP_FILL, 4096, 0 },
    [READER] = { XDB_READ_NOT, 64, 1 },
};
static const uint8_t threads_soak[DEVICES] = { 1, 2, 1 };
static const uint8_t threads_counted[DEVICES] = { 0, 1, 1 };
static const uint8_t threads_none[DEVICES];

/* The port is in the middle, the device with ATS before it. */
static const unsigned device_slots[DEVICES] = { 5, 7, 8 };

static uint16_t device_sid(unsigned i)
{
    return device_slots[i] << 3;
}

/* The registers are where they have been, after a reset and elsewhere. */
static void device_find(Soak *s, unsigned i)
{
    g_free(s->pci[i]);
    s->pci[i] = qpci_device_find(s->unit->bus, device_sid(i));
    g_assert_nonnull(s->pci[i]);
    s->bar[i] = qpci_iomap(s->pci[i], 0, NULL);
}

static void device_start(Soak *s, unsigned i)
{
    QPCIDevice *pci = s->pci[i];

    qpci_device_enable(pci);
    if (!s->threads[i]) {
        return;
    }
    qpci_io_writel(pci, s->bar[i], XDB_PASID, s->with->pasid ? PASID : 0);
    qpci_io_writel(pci, s->bar[i], XDB_THREADS, s->threads[i]);
    qpci_io_writeq(pci, s->bar[i], XDB_ADDR, IOVA);
    qpci_io_writeq(pci, s->bar[i], XDB_LENGTH, devices[i].length);
    qpci_io_writeq(pci, s->bar[i], XDB_STRIDE, UNIT_PAGE);
    qpci_io_writeq(pci, s->bar[i], XDB_WINDOW, WINDOW * UNIT_PAGE);
    qpci_io_writeq(pci, s->bar[i], XDB_COUNT, 0);
    qpci_io_writeq(pci, s->bar[i], XDB_AUX, FORBIDDEN64);
    qpci_io_writel(pci, s->bar[i], XDB_CMD,
                   devices[i].command | XDB_BACKGROUND);
}

/* It ends by itself at a reset, and what it has seen stays with it. */
static void device_stop(Soak *s, unsigned i)
{
    QPCIDevice *pci = s->pci[i];

    qpci_io_writel(pci, s->bar[i], XDB_CMD, XDB_STOP);
    s->operations += qpci_io_readq(pci, s->bar[i], XDB_OPS);
    if (i == READER) {
        /* Nothing there is ever unmapped: it has seen what it must not. */
        g_assert_cmpuint(qpci_io_readq(pci, s->bar[i], XDB_ERRORS), ==, 0);
    }
}

/* Pages */

static void page_check(Soak *s, const Side *side, int page)
{
    const Page *p = &side->pages[page];

    if (side->written) {
        g_assert_true(viommu_is_filled(s->unit, p->gpa, p->pattern, s->len));
    }
}

/* In nobody's hands any more: its next owner's. */
static void page_release(Soak *s, Side *side, int page)
{
    Page *p = &side->pages[page];

    s->pattern = PATTERN | (s->pattern + 1);
    p->pattern = side->written ? s->pattern : FORBIDDEN;
    viommu_fill(s->unit, p->gpa, p->pattern, s->len);
    side->free[side->n_free++] = page;
}

/* One that is free, for a device; what it is filled with. */
static int page_take(Soak *s, Side *side)
{
    unsigned i = g_rand_int_range(s->rand, 0, side->n_free);
    int page = side->free[i];

    page_check(s, side, page);
    side->free[i] = side->free[--side->n_free];
    if (!side->written) {
        viommu_fill(s->unit, side->pages[page].gpa, ALLOWED, s->len);
    }
    return page;
}

static void side_map(Soak *s, Side *side, unsigned i, int page)
{
    s->unit->ops->map(s->unit, side->space, IOVA + i * UNIT_PAGE,
                      page < 0 ? 0 : side->pages[page].gpa, UNIT_PAGE,
                      page < 0 ? 0 : UNIT_RW);
    side->at[i] = page;
}

/* As a driver does it: what the device keeps by ATS comes last. */
static void soak_invalidate(Soak *s, const Side *side, UnitScope scope,
                            unsigned first, unsigned order)
{
    const UnitOps *ops = s->unit->ops;
    bool range = scope == UNIT_RANGE;
    unsigned tries = 0;

    ops->inv_start(s->unit, s->form, scope, side->space,
                   range ? IOVA + first * UNIT_PAGE : 0, range ? order : 0);
    if (s->ats && side->written) {
        ops->ats_inv_start(s->unit, SVA_SID);
    }
    while (!ops->inv_done(s->unit, s->form)) {
        g_assert_cmpuint(tries++, <, VIOMMU_TRIES);
        soak_ats_release(s->ats);
        soak_slot_wait(s->slot);
        soak_net_wait(s->net);
        unit_pause(s->unit->qts);
    }
}

/*
 * 2^@order pages from @first on are unmapped, or replaced; the old ones have
 * their next owners as soon as the invalidation is complete.
 */
static void side_change(Soak *s, Side *side, unsigned first, unsigned order,
                        UnitScope scope)
{
    int old[BATCH_MAX], was[WINDOW];
    unsigned i;

    memcpy(was, side->at, sizeof(was));
    soak_disk_round(s->disk, s->sides[0].at, WINDOW);
    soak_nvme_round(s->nvme, side - s->sides, was, WINDOW);
    soak_net_round(s->net, side - s->sides, was, WINDOW);
    soak_net_begin(s->net, side - s->sides);
    for (i = 0; i < 1u << order; i++) {
        bool unmap = side->written && g_rand_int(s->rand) % 3 == 0;

        old[i] = side->at[first + i];
        side_map(s, side, first + i, unmap || !side->n_free ? -1 :
                                     page_take(s, side));
        /* Never empty for the reader: there are POOL - WINDOW spare ones. */
    }
    /* What is cached is good for the pages of before. */
    if (side->written) {
        soak_disk_round(s->disk, was, WINDOW);
    }
    soak_nvme_round(s->nvme, side - s->sides, was, WINDOW);
    soak_net_round(s->net, side - s->sides, was, WINDOW);
    soak_invalidate(s, side, scope, first, order);
    soak_net_end(s->net, side - s->sides, first, order);
    for (i = 0; i < 1u << order; i++) {
        if (old[i] >= 0) {
            page_release(s, side, old[i]);
        }
    }
}

static void soak_round(Soak *s)
{
    Side *side = &s->sides[g_rand_int_range(s->rand, 0, 2)];
    unsigned order = g_rand_int_range(s->rand, 0, 5);
    unsigned first = g_rand_int_range(s->rand, 0, WINDOW >> order) << order;

    soak_ats_round(s->ats);
    soak_slot_round(s->slot);
    soak_nvme_lists(s->nvme, side - s->sides);
    side_change(s, side, first, order,
                UNIT_ALL + g_rand_int_range(s->rand, 0, 3));
    s->rounds++;
    s->changed += 1u << order;
}

/* The whole */

static void soak_begin(Soak *s)
{
    unsigned i;

    for (i = 0; i < DEVICES; i++) {
        s->unit->ops->attach(s->unit, device_sid(i),
                             s->sides[devices[i].side].space);
    }
    if (s->ats) {
        s->unit->ops->attach_ats(s->unit, SVA_SID, s->sides[0].space);
    }
    if (s->disk) {
        s->unit->ops->attach(s->unit, SOAK_DISK_SID, s->sides[0].space);
    }
    soak_nvme_attach(s->nvme);
    soak_net_attach(s->net);
    s->unit->ops->enable(s->unit, s->form);
    s->unit->bus->mmio_alloc_ptr = s->mmio;
    for (i = 0; i < DEVICES; i++) {
        device_find(s, i);
        device_start(s, i);
    }
    soak_ats_open(s->ats, s->unit);
    soak_disk_open(s->disk);
    soak_nvme_open(s->nvme);
    soak_net_open(s->net);
}

static void soak_check_free(Soak *s)
{
    unsigned i, j;

    for (i = 0; i < 2; i++) {
        for (j = 0; j < s->sides[i].n_free; j++) {
            page_check(s, &s->sides[i], s->sides[i].free[j]);
        }
    }
    soak_nvme_check(s->nvme);
}

/* At the end of a process: a reset does not clear the counter. */
static void soak_count_waits(Soak *s)
{
    QDict *answer = qtest_qmp(s->unit->qts, "{'execute': 'x-query-viommu'}");
    QListEntry *entry;

    QLIST_FOREACH_ENTRY(qdict_get_qlist(answer, "return"), entry) {
        s->waited += qdict_get_int(qobject_to(QDict, qlist_entry_obj(entry)),
                                   "drains-waited");
    }
    qobject_unref(answer);
}

static char *soak_args(const Soak *s)
{
    const Case *c = s->with;
    g_autofree char *disk = s->disk ? soak_disk_args(s->disk) :
                            s->nvme ? soak_nvme_args(s->nvme) :
                            s->net ? soak_net_args(s->net) : g_strdup("");

    return g_strdup_printf("-device x-dma-bench,addr=05.0 "
                           "-device x-dma-bench,addr=07.0 "
                           "-device x-dma-bench,addr=08.0 %s%s%s%s", disk,
                           c->ats ? SOAK_ATS_DEVICE : "",
                           c->guest ? PLUG_PORT_ARGS : "",
                           c->guest == SOAK_GUEST_BACKEND ?
                           SOAK_SLOT_BACKEND_ARGS : "");
}

static void side_new(Soak *s, unsigned i)
{
    const UnitOps *ops = s->unit->ops;
    Side *side = &s->sides[i];
    unsigned j;

    side->written = i == 0;
    side->space = s->with->pasid ? ops->pasid_space(s->unit, 7 + i, PASID) :
                  ops->space(s->unit, s->form, 7 + i);
    for (j = 0; j < POOL; j++) {
        side->pages[j].gpa = unit_alloc(s->unit, 1);
        page_release(s, side, j);
    }
    for (j = 0; j < WINDOW; j++) {
        side_map(s, side, j, page_take(s, side));
    }
}

/* The devices of a case, besides those of all */
static void soak_place(Soak *s)
{
    UnitSpace *spaces[] = { s->sides[0].space, s->sides[1].space };
    const Case *c = s->with;

    if (c->guest) {
        s->slot = soak_slot_new(s->unit, c->form, spaces[0], c->guest, IOVA,
                                WINDOW, s->rand);
    }
    if (c->ats) {
        s->ats = soak_ats_new(IOVA, WINDOW, s->rand);
    }
    if (s->disk) {
        soak_disk_place(s->disk, s->unit, spaces[0], IOVA);
    }
    if (s->nvme) {
        soak_nvme_place(s->nvme, s->unit, s->form, spaces, IOVA, ALLOWED,
                        FORBIDDEN);
    }
    if (s->net) {
        soak_net_place(s->net, s->unit, spaces, IOVA, ALLOWED);
    }
}

static Soak *soak_new(const Case *c)
{
    g_autofree char *args = NULL;
    Soak *s = g_new0(Soak, 1);
    unsigned i;

    s->with = c;
    s->form = c->form;
    s->threads = g_getenv("VIOMMU_SOAK_ALONE") ? threads_none :
                 c->counted ? threads_counted : threads_soak;
    s->len = c->counted ? COUNTED_LEN : UNIT_PAGE;
    s->rand = g_rand_new_with_seed(g_test_rand_int());
    s->disk = c->disk ? soak_disk_new(s->rand) : NULL;
    s->nvme = c->nvme ? soak_nvme_new(s->rand) : NULL;
    s->net = c->net ? soak_net_new(s->rand) : NULL;
    args = soak_args(s);
    s->unit = unit_ops()->start(c->form, c->props, args);
    for (i = 0; i < 2; i++) {
        side_new(s, i);
    }
    soak_place(s);
    s->mmio = s->unit->bus->mmio_alloc_ptr;
    return s;
}

static void soak_free(Soak *s)
{
    unsigned i;

    soak_slot_free(s->slot);
    soak_ats_free(s->ats);
    soak_disk_free(s->disk);
    soak_nvme_free(s->nvme);
    soak_net_free(s->net);
    for (i = 0; i < DEVICES; i++) {
        g_free(s->pci[i]);
    }
    s->unit->ops->stop(s->unit);
    for (i = 0; i < 2; i++) {
        g_free(s->sides[i].space);
    }
    g_rand_free(s->rand);
    g_free(s);
}

/* A reset under load, too: what was in flight then is cancelled, or over. */
static void soak_reset(Soak *s)
{
    soak_slot_empty(s->slot);
    s->unit->ops->reset(s->unit);
    soak_check_free(s);
    s->resets++;
    soak_begin(s);
}

/*
 * To another process, while the devices write.  What they had in flight is over
 * when the machine has stopped, and they stay at rest there.
 */
static void soak_migrate(Soak *s)
{
    const UnitOps *ops = s->unit->ops;
    g_autofree char *machine = ops->args(s->form, s->with->props);
    g_autofree char *args = soak_args(s);
    QTestState *to;
    Unit *unit;
    unsigned i;

    soak_count_waits(s);
    soak_slot_empty(s->slot);
    to = qtest_initf("%s %s -incoming defer", machine, args);
    unit_load(to, unit_save(s->unit->qts));
    unit = ops->adopt(s->unit, to);
    unit->bus->mmio_alloc_ptr = s->unit->bus->mmio_alloc_ptr;
    ops->stop(s->unit);
    s->unit = unit;
    for (i = 0; i < DEVICES; i++) {
        s->pci[i]->bus = unit->bus;
    }
    soak_slot_adopt(s->slot, unit);
    soak_ats_adopt(s->ats, unit);
    soak_disk_adopt(s->disk, unit);
    soak_net_adopt(s->net, unit);
    qtest_qmp_assert_success(to, "{'execute': 'cont'}");
    s->migrations++;
}

/*
 * Every other time.  A guest whose backend is in the test stays where that is,
 * and so do NVMe controllers, which the base does not migrate; in make check
 * only what the others do not have moves.
 */
static bool soak_moves(const Soak *s, unsigned epoch)
{
    const Case *c = s->with;

    return epoch % 2 && c->guest != SOAK_GUEST_BACKEND && !c->nvme &&
           (g_getenv("VIOMMU_SOAK_SECONDS") || c->guest || c->ats || c->pasid ||
            c->disk || c->net);
}

/* What has been written so far is looked at; and on it goes. */
static void soak_look(Soak *s)
{
    unsigned i;

    for (i = 0; i < DEVICES; i++) {
        device_stop(s, i);
    }
    soak_check_free(s);
    for (i = 0; i < DEVICES; i++) {
        device_start(s, i);
    }
}

static void soak_say(const Soak *s)
{
    g_test_message("soak: %" PRIu64 " operations, %" PRIu64 " invalidations, "
                   "%" PRIu64 " waited, 0 violations",
                   s->operations + soak_ats_operations(s->ats) +
                   soak_disk_operations(s->disk) +
                   soak_nvme_operations(s->nvme) +
                   soak_net_received(s->net) + soak_net_sent(s->net) +
                   soak_slot_operations(s->slot), s->rounds, s->waited);
    g_test_message("soak: %" PRIu64 " resets, %" PRIu64 " migrations, "
                   "%" PRIu64 " devices plugged, %" PRIu64 " backends killed",
                   s->resets, s->migrations, soak_slot_visits(s->slot),
                   soak_slot_kills(s->slot));
    if (s->disk) {
        g_test_message("soak: %" PRIu64 " requests of a disk, which was begun "
                       "anew %" PRIu64 " times", soak_disk_operations(s->disk),
                       soak_disk_broken(s->disk));
    }
    if (s->nvme) {
        g_test_message("soak: %" PRIu64 " NVMe commands, %" PRIu64 " failed, "
                       "%" PRIu64 " late, %" PRIu64 " lists changed hands",
                       soak_nvme_operations(s->nvme),
                       soak_nvme_failed(s->nvme), soak_nvme_late(s->nvme),
                       soak_nvme_moved(s->nvme));
    }
    if (s->net) {
        g_test_message("soak: %" PRIu64 " frames received, %" PRIu64 " sent, "
                       "by devices that were begun anew %" PRIu64 " times",
                       soak_net_received(s->net), soak_net_sent(s->net),
                       soak_net_broken(s->net));
    }
}

static void test_soak(const void *opaque)
{
    const char *seconds = g_getenv("VIOMMU_SOAK_SECONDS");
    gint64 end = g_get_monotonic_time() +
                 (seconds ? g_ascii_strtoll(seconds, NULL, 10) : 0) * 1000000;
    Soak *s = soak_new(opaque);
    unsigned i, epochs = 0;

    soak_begin(s);
    do {
        if (epochs++) {
            soak_reset(s);
        }
        for (i = 0; i < (seconds ? ROUNDS_LONG : ROUNDS); i++) {
            soak_round(s);
        }
        if (soak_moves(s, epochs)) {
            soak_migrate(s);
        }
        soak_look(s);
    } while (epochs < 2 || g_get_monotonic_time() < end);
    soak_count_waits(s);
    soak_say(s);
    soak_free(s);
}

/* Each device does something, however few processors there are. */
static void soak_await_work(Soak *s)
{
    unsigned i;

    for (i = 0; i < DEVICES; i++) {
        if (s->threads[i]) {
            viommu_until(s->unit, qpci_io_readq(s->pci[i], s->bar[i],
                                                XDB_OPS) > 0);
        }
    }
}

static void test_counted(const void *opaque)
{
    const char *rounds = g_getenv("VIOMMU_SOAK_ROUNDS");
    uint64_t n = rounds ? g_ascii_strtoull(rounds, NULL, 10) : ROUNDS_COUNTED;
    Soak *s = soak_new(opaque);
    unsigned i;

    soak_begin(s);
    soak_await_work(s);
    while (s->changed < n) {
        soak_round(s);
    }
    for (i = 0; i < DEVICES; i++) {
        device_stop(s, i);
    }
    soak_check_free(s);
    soak_count_waits(s);
    g_test_message("%" PRIu64 " pages mapped and taken away", s->changed);
    soak_say(s);
    soak_free(s);
}

static void add_case(const char *name, Case values)
{
    g_autofree char *path = g_strdup_printf("/viommu/soak/%s/%s",
                                            unit_ops()->forms[values.form],
                                            name);

    qtest_add_data_func_full(path, g_memdup2(&values, sizeof(values)),
                             values.counted ? test_counted : test_soak,
                             g_free);
}

int main(int argc, char **argv)
{
    const UnitOps *ops;
    unsigned form, queue;

    g_test_init(&argc, &argv, NULL);
    ops = unit_ops();
    queue = ops->queue_form;
    for (form = 0; ops->forms[form]; form++) {
        add_case("drain", (Case) { form, "" });
    }
    add_case("bounce", (Case) { queue, "dma-mode=bounce" });
    add_case("no-cache", (Case) { queue, "dma-cache-size=0" });
    add_case("small-iotlb", (Case) { queue, "iotlb-size=64,dma-cache-size=0" });
    add_case("counted", (Case) { queue, "", .counted = true });
    add_case("hot-plug", (Case) { queue, "", .guest = SOAK_GUEST_WRITER });
    add_case("disk", (Case) { queue, "", .disk = true });
    add_case("nvme", (Case) { queue, "", .nvme = true });
    add_case("net", (Case) { queue, "", .net = true });
    add_case("backend", (Case) { queue, "drain-timeout=50",
                                 .guest = SOAK_GUEST_BACKEND });
    if (ops->pasid_space) {
        add_case("pasid", (Case) { ops->pasid_form, ops->pasid_props,
                                   .pasid = true });
    }
    if (ops->attach_ats) {
        add_case("ats", (Case) { queue, ops->ats_props, .ats = true });
    }
    return g_test_run();
}

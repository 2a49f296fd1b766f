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
 * or holds what no device may see (space of the reader).
 *
 * A short run is part of make check.  VIOMMU_SOAK_SECONDS: so long for each
 * case instead (make soak).  One case is counted: so many pages are mapped,
 * used and taken away, against a thread that writes through maps and one that
 * reads; VIOMMU_SOAK_ROUNDS says how many, ten thousand in make soak.
 */
#include "qemu/osdep.h"
#include "hw/misc/x-dma-bench.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "viommu-rig.h"

#define IOVA            0x10000000ULL
/* Pages that a space maps, and those there are */
#define WINDOW          32
#define POOL            48
#define BATCH_MAX       16

/* What a device writes has a byte below 0x80 at the least. */
#define PATTERN         0x80
#define ALLOWED         0x11
#define FORBIDDEN       0xee
#define FORBIDDEN64     (FORBIDDEN * 0x0101010101010101ULL)

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
    uint64_t operations, rounds, waited;
    uint64_t changed;        /* pages, by all rounds */
} Soak;

typedef struct Case {
    unsigned form;
    const char *props;
    bool counted;
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

static uint16_t device_sid(unsigned i)
{
    return (5 + i) << 3;
}

static void device_start(Soak *s, unsigned i)
{
    QPCIDevice *pci = s->pci[i];

    s->bar[i] = qpci_iomap(pci, 0, NULL);
    qpci_device_enable(pci);
    if (!s->threads[i]) {
        return;
    }
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

/*
 * 2^@order pages from @first on are unmapped, or replaced; the old ones have
 * their next owners as soon as the invalidation is complete.
 */
static void side_change(Soak *s, Side *side, unsigned first, unsigned order,
                        UnitScope scope)
{
    int old[BATCH_MAX];
    unsigned i;

    for (i = 0; i < 1u << order; i++) {
        bool unmap = side->written && g_rand_int(s->rand) % 3 == 0;

        old[i] = side->at[first + i];
        side_map(s, side, first + i, unmap || !side->n_free ? -1 :
                                     page_take(s, side));
        /* Never empty for the reader: there are POOL - WINDOW spare ones. */
    }
    unit_inv(s->unit, s->form, scope, side->space,
             scope == UNIT_RANGE ? IOVA + first * UNIT_PAGE : 0,
             scope == UNIT_RANGE ? order : 0);
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
    s->unit->ops->enable(s->unit, s->form);
    for (i = 0; i < DEVICES; i++) {
        device_start(s, i);
    }
}

static void soak_check_free(Soak *s)
{
    unsigned i, j;

    for (i = 0; i < 2; i++) {
        for (j = 0; j < s->sides[i].n_free; j++) {
            page_check(s, &s->sides[i], s->sides[i].free[j]);
        }
    }
}

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

static void soak_say(const Soak *s)
{
    g_test_message("soak: %" PRIu64 " operations, %" PRIu64 " invalidations, "
                   "%" PRIu64 " waited, 0 violations", s->operations,
                   s->rounds, s->waited);
}

static Soak *soak_new(const Case *c)
{
    Soak *s = g_new0(Soak, 1);
    unsigned i, j;

    s->form = c->form;
    s->threads = c->counted ? threads_counted : threads_soak;
    s->len = c->counted ? COUNTED_LEN : UNIT_PAGE;
    s->rand = g_rand_new_with_seed(g_test_rand_int());
    s->unit = unit_ops()->start(c->form, c->props,
                                "-device x-dma-bench,addr=05.0 "
                                "-device x-dma-bench,addr=06.0 "
                                "-device x-dma-bench,addr=07.0 ");
    for (i = 0; i < 2; i++) {
        Side *side = &s->sides[i];

        side->written = i == 0;
        side->space = s->unit->ops->space(s->unit, c->form, 7 + i);
        for (j = 0; j < POOL; j++) {
            side->pages[j].gpa = unit_alloc(s->unit, 1);
            page_release(s, side, j);
        }
        for (j = 0; j < WINDOW; j++) {
            side_map(s, side, j, page_take(s, side));
        }
    }
    for (i = 0; i < DEVICES; i++) {
        s->pci[i] = qpci_device_find(s->unit->bus, device_sid(i));
        g_assert_nonnull(s->pci[i]);
    }
    return s;
}

static void soak_free(Soak *s)
{
    unsigned i;

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
    unsigned i;

    soak_count_waits(s);
    s->unit->ops->reset(s->unit);
    soak_check_free(s);
    for (i = 0; i < DEVICES; i++) {
        g_free(s->pci[i]);
        s->pci[i] = qpci_device_find(s->unit->bus, device_sid(i));
    }
    soak_begin(s);
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
        for (i = 0; i < DEVICES; i++) {
            device_stop(s, i);
        }
        soak_check_free(s);
        for (i = 0; i < DEVICES; i++) {
            device_start(s, i);
        }
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

static void add_case(unsigned form, const char *name, const char *props,
                     bool counted)
{
    g_autofree char *path = g_strdup_printf("/viommu/soak/%s/%s",
                                            unit_ops()->forms[form], name);
    Case *c = g_new0(Case, 1);

    c->form = form;
    c->props = props;
    c->counted = counted;
    qtest_add_data_func_full(path, c, counted ? test_counted : test_soak,
                             g_free);
}

int main(int argc, char **argv)
{
    unsigned form, queue;

    g_test_init(&argc, &argv, NULL);
    for (form = 0; unit_ops()->forms[form]; form++) {
        add_case(form, "drain", "", false);
    }
    queue = unit_ops()->queue_form;
    add_case(queue, "bounce", "dma-mode=bounce", false);
    add_case(queue, "no-cache", "dma-cache-size=0", false);
    add_case(queue, "small-iotlb", "iotlb-size=64,dma-cache-size=0", false);
    add_case(queue, "counted", "", true);
    return g_test_run();
}

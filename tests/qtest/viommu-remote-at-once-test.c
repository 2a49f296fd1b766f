/*
 * What the thread of a remote unit's connection invalidates itself
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * It does so if nobody has the BQL, which a test cannot make sure of: so a case
 * is done until it was that thread, and holds whoever it was.  Who it was is
 * traced.  Until then the test does not look at a register, which would have it
 * carried out there.
 *
 * The server is qemu-viommud.
 */
#include "qemu/osdep.h"
#include "viommu-listener.h"
#include "viommu-rig.h"
#include "viommu-vhost-user.h"
#include "viommu-vtd.h"

/* So many times a case is done; and an invalidation is looked for, each ms */
#define TRIES       200
#define LOOKS       60000
/* Invalidations that somebody hears of */
#define HEARD       20
/* Of vtd-sm's forms, the first stage; its accessed and dirty flags (9.8) */
#define FORM_FIRST  1
#define FLAGS       0x60

/* What is traced of invalidations of translations: VRPInvKind */
#define INV_ALL     3
#define INV_RANGE   5

typedef struct Log {
    char *path, *args;
} Log;

/* How many there were, and how many of those at once */
typedef struct Count {
    unsigned all, at_once;
} Count;

static void log_begin(Log *log, const char *args)
{
    int fd = g_file_open_tmp("viommu-log-XXXXXX", &log->path, NULL);

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    log->args = g_strdup_printf("-trace viommu_remote_invalidate -D %s %s",
                                log->path, args);
}

static void log_end(Log *log)
{
    unlink(log->path);
    g_free(log->path);
    g_free(log->args);
}

static Count log_count(const Log *log)
{
    g_autofree char *text = NULL;
    Count count = { 0 };
    char *at;

    g_assert_true(g_file_get_contents(log->path, &text, NULL, NULL));
    for (at = text; (at = strstr(at, "viommu_remote_invalidate ")); at++) {
        char *end = strchr(at, '\n'), *kind = strstr(at, " kind ");
        unsigned n;

        if (!end) {
            break;
        }
        g_assert_true(kind && kind < end);
        n = atoi(kind + strlen(" kind "));
        if (n >= INV_ALL && n <= INV_RANGE) {
            count.all++;
            count.at_once += end[-1] == '1';
        }
    }
    return count;
}

/* One more than @before has been carried out.  Returns: at once? */
static bool log_await(const Log *log, Count before)
{
    for (unsigned i = 0; i < LOOKS; i++) {
        Count now = log_count(log);

        if (now.all > before.all) {
            g_assert_cmpuint(now.all, ==, before.all + 1);
            return now.at_once > before.at_once;
        }
        g_usleep(1000);
    }
    g_assert_not_reached();
}

/* Invalidate the page under test.  Returns: at once? */
static bool inv_page(Rig *rig, const Log *log)
{
    Count before = log_count(log);

    rig_inv(rig, UNIT_RANGE, rig->space, rig->data_iova, 0);
    return log_await(log, before);
}

typedef struct Case {
    const char *name;
    bool is_write;           /* a disk write: the device reads memory */
    bool iothread;
    /* Returns: was the invalidation under test carried out at once? */
    bool (*once)(Rig *rig, const Log *log, bool is_write);
} Case;

/*
 * A bounced request is in flight, whose page becomes another: nobody waits,
 * what the device read is what was there when it began, and what it writes goes
 * where the page is when it ends.
 */
static bool bounced(Rig *rig, const Log *log, bool is_write)
{
    uint64_t page = unit_alloc(rig->unit, 1);
    bool at_once;

    viommu_fill(rig->unit, rig->page, RIG_BEFORE, RIG_LEN);
    viommu_fill(rig->unit, page, RIG_REUSED, RIG_LEN);
    rig_hold(rig, is_write, rig->data_iova);
    rig->unit->ops->map(rig->unit, rig->space, rig->data_iova, page, UNIT_PAGE,
                        UNIT_RW);
    at_once = inv_page(rig, log);
    rig_assert_done(rig);
    viommu_fill(rig->unit, rig->page, RIG_REUSED, RIG_LEN);
    rig_release(rig);
    g_assert_true(viommu_is_filled(rig->unit, rig->page, RIG_REUSED, RIG_LEN));
    if (is_write) {
        g_assert_true(rig_disk_is(rig, RIG_BEFORE));
    } else {
        g_assert_true(viommu_is_filled(rig->unit, page, RIG_ON_DISK, RIG_LEN));
    }
    rig->page = page;
    return at_once;
}

static uint64_t flags(Rig *rig)
{
    return qtest_readq(rig->unit->qts,
                       rig->unit->ops->pte(rig->unit, rig->space,
                                           rig->data_iova)) & FLAGS;
}

static void clear_flags(Rig *rig)
{
    uint64_t at = rig->unit->ops->pte(rig->unit, rig->space, rig->data_iova);

    qtest_writeq(rig->unit->qts, at,
                 qtest_readq(rig->unit->qts, at) & ~(uint64_t)FLAGS);
}

static void access_page(Rig *rig, bool is_write)
{
    rig_hold(rig, is_write, rig->data_iova);
    rig_release(rig);
}

/*
 * The page has been used, and is known: software that clears its flags is told
 * of the next use once it has had the page invalidated, and not before.
 */
static bool used(Rig *rig, const Log *log, bool is_write)
{
    bool at_once;

    access_page(rig, is_write);
    clear_flags(rig);
    access_page(rig, is_write);
    g_assert_cmphex(flags(rig), ==, 0);
    at_once = inv_page(rig, log);
    rig_inv_wait(rig);
    g_assert_cmphex(flags(rig), ==, 0);
    access_page(rig, is_write);
    g_assert_cmphex(flags(rig), ==, is_write ? 0x20 : 0x60);
    return at_once;
}

/* The same while it is in use: that use is over when it is complete. */
static bool in_use(Rig *rig, const Log *log, bool is_write)
{
    bool at_once;

    viommu_fill(rig->unit, rig->page, RIG_BEFORE, RIG_LEN);
    rig_hold(rig, is_write, rig->data_iova);
    clear_flags(rig);
    at_once = inv_page(rig, log);
    rig_assert_pending(rig);
    g_assert_true(viommu_is_filled(rig->unit, rig->page, RIG_BEFORE, RIG_LEN));
    rig_release(rig);
    rig_inv_wait(rig);
    g_assert_true(is_write ? rig_disk_is(rig, RIG_BEFORE) :
                  viommu_is_filled(rig->unit, rig->page, RIG_ON_DISK,
                                   RIG_LEN));
    access_page(rig, is_write);
    g_assert_cmphex(flags(rig), ==, is_write ? 0x20 : 0x60);
    return at_once;
}

/* The page is taken away while a request is in flight. */
static bool taken(Rig *rig, const Log *log, bool is_write)
{
    Count before = log_count(log);
    bool at_once;

    viommu_fill(rig->unit, rig->page, RIG_BEFORE, RIG_LEN);
    rig_hold(rig, is_write, rig->data_iova);
    rig_unmap(rig, UNIT_RANGE);
    at_once = log_await(log, before);
    rig_assert_pending(rig);
    rig_release(rig);
    rig_inv_wait(rig);
    g_assert_true(is_write ? rig_disk_is(rig, RIG_BEFORE) :
                  viommu_is_filled(rig->unit, rig->page, RIG_ON_DISK,
                                   RIG_LEN));
    rig->unit->ops->map(rig->unit, rig->space, rig->data_iova, rig->page,
                        UNIT_PAGE, UNIT_RW);
    return at_once;
}

static void run_case(const Case *c, const char *unit, RigOptions opt)
{
    unsigned tries = 0;
    Rig *rig;
    Log log;

    g_setenv("VIOMMU_UNIT", unit, true);
    log_begin(&log, "");
    opt.iothread = c->iothread;
    opt.args = log.args;
    rig = rig_new(&opt);
    while (!c->once(rig, &log, c->is_write)) {
        g_assert_cmpuint(tries++, <, TRIES);
        rig_again(rig);
    }
    g_test_message("tried %u times", tries + 1);
    rig->unit->ops->assert_no_fault(rig->unit);
    rig_free(rig);
    log_end(&log);
}

static void test_map(const void *opaque)
{
    run_case(opaque, "remote-vtd", (RigOptions) { .form = VTD_QUEUED });
}

static void test_bounce(const void *opaque)
{
    run_case(opaque, "remote-vtd", (RigOptions) {
        .form = VTD_QUEUED, .props = "dma-mode=bounce",
    });
}

static void test_flags(const void *opaque)
{
    run_case(opaque, "remote-vtd-sm", (RigOptions) { .form = FORM_FIRST });
}

/*
 * Somebody hears of what is invalidated, and may have the unit asked: it is
 * left to the main loop, every time.
 */
typedef struct Hearer {
    const char *name, *props, *args;
    bool listens;            /* x-iommu-listener */
} Hearer;

static void test_heard(const void *opaque)
{
    const Hearer *h = opaque;
    RigOptions opt = { .form = VTD_QUEUED, .props = h->props };
    Listener *l = NULL;
    Rig *rig;
    Log log;

    g_setenv("VIOMMU_UNIT", "remote-vtd", true);
    log_begin(&log, h->args);
    opt.args = log.args;
    rig = rig_new(&opt);
    if (h->listens) {
        rig->unit->ops->attach(rig->unit, LISTENER_SID, rig->space);
        l = listener_new(rig->unit, LISTENER_SID);
    }
    for (unsigned i = 0; i < HEARD; i++) {
        if (l) {
            listener_clear(l);
        }
        g_assert_false(inv_page(rig, &log));
        rig_inv_wait(rig);
        if (l) {
            g_assert_cmpuint(listener_count(l), >, 0);
        }
    }
    if (l) {
        listener_free(l);
    }
    rig_free(rig);
    log_end(&log);
}

#define BACKEND_SID     (6 << 3)
#define BACKEND_RING    0x11000000ull

/* The same of a backend in a process of its own, which has to acknowledge it */
static void test_backend(void)
{
    RigOptions opt = { .form = VTD_QUEUED };
    VUBackend *vu = vu_new(VU_WITHOUT_NOTHING);
    g_autofree char *args = NULL;
    uint64_t ring;
    VBlk *blk;
    Rig *rig;
    Log log;

    g_setenv("VIOMMU_UNIT", "remote-vtd", true);
    args = g_strdup_printf("-chardev socket,id=vu,path=%s "
                           "-device vhost-user-blk-pci,id=backend,chardev=vu,"
                           "addr=6,num-queues=1,disable-legacy=on,"
                           "iommu_platform=on", vu_path(vu));
    log_begin(&log, args);
    opt.args = log.args;
    rig = rig_new(&opt);
    ring = unit_alloc(rig->unit, 1);
    qtest_memset(rig->unit->qts, ring, 0, UNIT_PAGE);
    rig->unit->ops->map(rig->unit, rig->space, BACKEND_RING, ring, UNIT_PAGE,
                        UNIT_RW);
    rig->unit->ops->attach(rig->unit, BACKEND_SID, rig->space);
    blk = vblk_new(rig->unit, BACKEND_SID, "backend", ring, BACKEND_RING);
    viommu_until(rig->unit, vu_updates(vu) > 0);
    for (unsigned i = 0; i < HEARD; i++) {
        g_assert_false(inv_page(rig, &log));
        rig_inv_wait(rig);
    }
    g_assert_false(vu_hung_up(vu));
    vblk_free(blk);
    rig_free(rig);
    vu_free(vu);
    log_end(&log);
}

static void add(const Case *c, const char *group,
                void (*fn)(const void *opaque))
{
    for (unsigned i = 0; i < 4; i++) {
        Case *copy = g_memdup2(c, sizeof(*c));
        g_autofree char *path = NULL;

        copy->is_write = i & 2;
        copy->iothread = i & 1;
        path = g_strdup_printf("viommu/remote/at-once/%s/%s/%s/%s", group,
                               c->name, i & 2 ? "disk-write" : "disk-read",
                               i & 1 ? "iothread" : "main-loop");
        qtest_add_data_func_full(path, copy, fn, g_free);
    }
}

int main(int argc, char **argv)
{
    static const Case map = { "taken", .once = taken };
    static const Case bounce = { "moved", .once = bounced };
    static const Case flag_cases[] = {
        { "used", .once = used },
        { "in-use", .once = in_use },
    };
    static const Hearer hearers[] = {
        { "listener", "", LISTENER_DEVICE "id=host", true },
        { "sanitizer", "sanitizer=on", "" },
    };

    g_test_init(&argc, &argv, NULL);
    add(&map, "map", test_map);
    add(&bounce, "bounce", test_bounce);
    for (size_t i = 0; i < G_N_ELEMENTS(flag_cases); i++) {
        add(&flag_cases[i], "flags", test_flags);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(hearers); i++) {
        g_autofree char *path = g_strconcat("viommu/remote/at-once/heard/",
                                            hearers[i].name, NULL);

        qtest_add_data_func(path, &hearers[i], test_heard);
    }
    qtest_add_func("viommu/remote/at-once/heard/backend", test_backend);
    return g_test_run();
}

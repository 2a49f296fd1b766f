/*
 * viommu-remote: what the drain's suite, which runs on it too, does not say
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The server is tests/remote/toy.py; its quirks are the servers that are slow,
 * lie or go away.
 */
#include "qemu/osdep.h"
#include <sys/socket.h>
#include <sys/wait.h>
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "viommu-remote.h"
#include "viommu-rig.h"

#define DEVFN       QPCI_DEVFN(5, 0)
#define DOMAIN      3
/* Not half of the pieces that a request which is refused is tried in */
#define LATE_PIECES (RIG_LEN / 32)
#define DISK        "-device virtio-blk-pci,id=disk,addr=05.0,drive=slow," \
                    "disable-legacy=on,iommu_platform=on"

typedef struct Remote {
    RMT *rmt;
    UnitSpace *space;
    uint64_t ring, page;                 /* guest memory */
    char *image;
    VBlk *blk;
} Remote;

static void remote_map(Remote *r, uint64_t iova, uint64_t gpa, unsigned perms)
{
    rmt_map(r->rmt, r->space, iova, gpa, UNIT_PAGE, perms);
}

/* A disk behind the unit, which is on, with its ring and one page mapped */
static Remote *remote_new(const char *props, const char *args)
{
    Remote *r = g_new0(Remote, 1);
    g_autofree char *backend = NULL, *all = NULL;

    r->image = rig_make_image();
    backend = rig_backend(r->image, true);
    all = g_strdup_printf("%s " DISK " %s", backend, args);
    r->rmt = rmt_start(props, all);
    r->space = rmt_space(r->rmt, DOMAIN);
    r->ring = unit_alloc(&r->rmt->unit, 1);
    r->page = unit_alloc(&r->rmt->unit, 2);
    remote_map(r, RIG_RING_IOVA, r->ring, UNIT_RW);
    remote_map(r, RIG_DATA_IOVA, r->page, UNIT_RW);
    rmt_attach(r->rmt, DEVFN, r->space);
    rmt_enable(r->rmt);
    r->blk = vblk_new(&r->rmt->unit, DEVFN, "disk", r->ring, RIG_RING_IOVA);
    return r;
}

static void remote_free(Remote *r)
{
    vblk_free(r->blk);
    rmt_stop(r->rmt);
    unlink(r->image);
    g_free(r->image);
    g_free(r->space);
    g_free(r);
}

/* One disk read to @iova, to its end, if it has one; its status */
static uint8_t remote_disk_read(Remote *r, uint64_t iova)
{
    unsigned n = vblk_submit(r->blk, false, 0, iova, RIG_LEN);

    viommu_until(r->rmt, vblk_completed(r->blk) > n);
    return vblk_result(r->blk, n);
}

/*
 * A read to @iova, which would lead to @gpa if it led anywhere: nothing is
 * written there, whatever the disk thinks of it.
 */
static void assert_unreached(Remote *r, uint64_t iova, uint64_t gpa)
{
    viommu_fill(r->rmt, gpa, RIG_BEFORE, RIG_LEN);
    remote_disk_read(r, iova);
    g_assert_true(unit_is_filled(r->rmt->qts, gpa, RIG_BEFORE, RIG_LEN));
}

static bool remote_has_data(Remote *r)
{
    return unit_is_filled(r->rmt->qts, r->page, RIG_ON_DISK, RIG_LEN);
}

static uint64_t remote_asked_of(Remote *r, const char *name)
{
    return rmt_says(r->rmt->qts, name);
}

/* Is @words in the reason of a fault that was logged? */
static bool remote_logged(Remote *r, const char *words)
{
    QDict *answer = qtest_qmp(r->rmt->qts, "{'execute': 'query-viommu'}");
    QDict *unit = qobject_to(QDict,
                             qlist_peek(qdict_get_qlist(answer, "return")));
    const QListEntry *entry;
    bool found = false;

    QLIST_FOREACH_ENTRY(qdict_get_qlist(unit, "fault-log"), entry) {
        const QDict *fault = qobject_to(QDict, qlist_entry_obj(entry));

        fault = qdict_get_qdict(fault, "fault");
        found |= strstr(qdict_get_str(fault, "reason"), words) != NULL;
    }
    qobject_unref(answer);
    return found;
}

/* What is asked once is known; and a driver that looks sees nothing else. */
static void test_translate(void)
{
    Remote *r = remote_new("", "");
    uint64_t asked, resolved;

    g_assert_cmpint(remote_disk_read(r, RIG_DATA_IOVA), ==, 0);
    g_assert_true(remote_has_data(r));
    g_assert_cmphex(rmt_read(r->rmt, RMT_FAULT), ==, 0);
    asked = rmt_read(r->rmt, RMT_ASKED);
    resolved = rmt_read(r->rmt, RMT_RESOLVED);
    g_assert_cmpuint(asked, >, 0);
    g_assert_cmpuint(resolved, >, 0);
    g_assert_cmpint(remote_disk_read(r, RIG_DATA_IOVA), ==, 0);
    g_assert_cmpuint(rmt_read(r->rmt, RMT_ASKED), ==, asked);
    g_assert_cmpuint(rmt_read(r->rmt, RMT_RESOLVED), ==, resolved);
    g_assert_cmpuint(rmt_read(r->rmt, RMT_MAPPED), ==, 0);
    g_assert_cmpuint(remote_asked_of(r, "connected"), ==, 1);
    g_assert_cmpuint(remote_asked_of(r, "answers-late"), ==, 0);
    remote_free(r);
}

/* Each verdict reaches whoever made the access, and the server's own record. */
static void test_fault(void)
{
    static const struct {
        uint64_t entry;
        unsigned verdict;
    } cases[] = {
        { 0, 1 },                        /* absent */
        { UNIT_R, 2 },                   /* denied */
        { UNIT_RW | 1ull << 50, 3 },     /* reserved */
    };
    Remote *r = remote_new("", "");
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(cases); i++) {
        uint64_t fault;

        rmt_map(r->rmt, r->space, RIG_DATA_IOVA, r->page | cases[i].entry,
                UNIT_PAGE, cases[i].entry & UNIT_RW);
        rmt_inv(r->rmt, RMT_INV_DOMAIN, DOMAIN);
        viommu_until(r->rmt, rmt_drained(r->rmt));
        remote_disk_read(r, RIG_DATA_IOVA);
        fault = rmt_read(r->rmt, RMT_FAULT);
        g_assert_true(fault & RMT_FAULT_VALID);
        g_assert_true(fault & RMT_FAULT_WRITE);
        g_assert_cmpuint(RMT_FAULT_VERDICT(fault), ==, cases[i].verdict);
        g_assert_cmpuint(RMT_FAULT_REASON(fault), ==,
                         0x10 + cases[i].verdict);
        g_assert_cmphex(RMT_FAULT_RID(fault), ==, DEVFN);
        g_assert_cmphex(rmt_read(r->rmt, RMT_FAULT_IOVA) & -UNIT_PAGE, ==,
                        RIG_DATA_IOVA);
        while (rmt_read(r->rmt, RMT_FAULT)) {
            rmt_write(r->rmt, RMT_FAULT, 0);
        }
    }
    g_assert_true(remote_logged(r, "nothing is mapped there"));
    g_assert_true(unit_is_filled(r->rmt->qts, r->page, 0, RIG_LEN));
    remote_free(r);
}

/* Whom the server blocks it tells so, with its own reason. */
static void test_blocked(void)
{
    Remote *r = remote_new("", "");
    uint64_t fault;

    rmt_attach(r->rmt, DEVFN, NULL);
    rmt_inv(r->rmt, RMT_INV_RID, DEVFN);
    viommu_until(r->rmt, rmt_drained(r->rmt));
    vblk_submit(r->blk, false, 0, RIG_DATA_IOVA, RIG_LEN);
    viommu_until(r->rmt, rmt_read(r->rmt, RMT_FAULT));
    fault = rmt_read(r->rmt, RMT_FAULT);
    g_assert_cmpuint(RMT_FAULT_VERDICT(fault), ==, 0);
    g_assert_cmpuint(RMT_FAULT_REASON(fault), ==, 1);
    g_assert_true(remote_logged(r, "the requester is blocked"));
    remote_free(r);
}

/* Memory that can be mapped is, and is read there. */
static void test_shared(void)
{
    Remote *r = remote_new("", "-object memory-backend-memfd,id=ram,"
                           "size=256M,share=on -machine memory-backend=ram");

    g_assert_cmpuint(rmt_read(r->rmt, RMT_MAPPED), >=, 255 << 20);
    g_assert_cmpint(remote_disk_read(r, RIG_DATA_IOVA), ==, 0);
    g_assert_true(remote_has_data(r));
    remote_free(r);
}

/* The next page's answer is there before it is asked for. */
static void test_prefetch(void)
{
    Remote *r = remote_new("", "");
    uint64_t asked;

    remote_map(r, RIG_DATA_IOVA + UNIT_PAGE, r->page + UNIT_PAGE, UNIT_RW);
    rmt_write(r->rmt, RMT_QUIRKS, RMT_PREFETCH);
    g_assert_cmpint(remote_disk_read(r, RIG_DATA_IOVA), ==, 0);
    asked = rmt_read(r->rmt, RMT_ASKED);
    g_assert_cmpint(remote_disk_read(r, RIG_DATA_IOVA + UNIT_PAGE), ==, 0);
    g_assert_cmpuint(rmt_read(r->rmt, RMT_ASKED), ==, asked);

    /* It goes with the invalidation that is about it. */
    remote_map(r, RIG_DATA_IOVA + UNIT_PAGE, 0, 0);
    rmt_write(r->rmt, RMT_QUIRKS, 0);
    rmt_write(r->rmt, RMT_FIRST, RIG_DATA_IOVA + UNIT_PAGE);
    rmt_write(r->rmt, RMT_LAST, RIG_DATA_IOVA + 2 * UNIT_PAGE - 1);
    rmt_inv(r->rmt, RMT_INV_RANGE, DOMAIN);
    viommu_until(r->rmt, rmt_drained(r->rmt));
    assert_unreached(r, RIG_DATA_IOVA + UNIT_PAGE, r->page + UNIT_PAGE);
    remote_free(r);
}

/* What is for one access is not kept, and what is not kept is asked again. */
static void test_once(void)
{
    Remote *r = remote_new("", "");
    uint64_t asked, resolved;

    rmt_write(r->rmt, RMT_QUIRKS, RMT_ONCE | RMT_FORGETFUL);
    rmt_inv(r->rmt, RMT_INV_CONFIG, 0);
    rmt_inv(r->rmt, RMT_INV_ALL, 0);
    viommu_until(r->rmt, rmt_drained(r->rmt));
    g_assert_cmpint(remote_disk_read(r, RIG_DATA_IOVA), ==, 0);
    asked = rmt_read(r->rmt, RMT_ASKED);
    resolved = rmt_read(r->rmt, RMT_RESOLVED);
    g_assert_cmpint(remote_disk_read(r, RIG_DATA_IOVA), ==, 0);
    g_assert_true(remote_has_data(r));
    g_assert_cmpuint(rmt_read(r->rmt, RMT_ASKED), >, asked);
    g_assert_cmpuint(rmt_read(r->rmt, RMT_RESOLVED), >, resolved);

    /* So without an invalidation the change is seen at once. */
    remote_map(r, RIG_DATA_IOVA, 0, 0);
    assert_unreached(r, RIG_DATA_IOVA, r->page);
    remote_free(r);
}

/* The server changes an entry, if it is still what it has seen. */
static void test_update(void)
{
    Remote *r = remote_new("", "");
    uint64_t at = 0, table = r->space->root;
    int level;

    for (level = 3; level; level--) {
        at = table + 8 * (RIG_DATA_IOVA >> (12 + 9 * (level - 1)) & 511);
        table = qtest_readq(r->rmt->qts, at) & ~0xfffull;
    }
    rmt_write(r->rmt, RMT_QUIRKS, RMT_ACCESSED);
    g_assert_cmphex(qtest_readq(r->rmt->qts, at) & 0x20, ==, 0);
    g_assert_cmpint(remote_disk_read(r, RIG_DATA_IOVA), ==, 0);
    g_assert_cmphex(qtest_readq(r->rmt->qts, at), ==,
                    r->page | UNIT_RW | 0x20);
    remote_free(r);
}

static void test_interrupt(void)
{
    Remote *r = remote_new("", "");

    rmt_write(r->rmt, RMT_MSI_ADDR, r->page);
    rmt_write(r->rmt, RMT_MSI_DATA, 0x12345678);
    viommu_until(r->rmt, qtest_readl(r->rmt->qts, r->page) == 0x12345678);

    rmt_write(r->rmt, RMT_MSI_ADDR, VIOMMU_MSI_ADDR);
    rmt_write(r->rmt, RMT_MSI_DATA, 0x61);
    viommu_until(r->rmt, viommu_irq_arrived(r->rmt, 0, 0x61));
    remote_free(r);
}

/*
 * A server that does not answer costs an access its time, once, though what is
 * refused is tried again in pieces; and nobody else theirs.  @opaque: the
 * device's thread does not hold the BQL.
 */
static void test_late(const void *opaque)
{
    /* A busy host is to answer the rest in time. */
    Remote *r = remote_new("timeout=10000", opaque ?
                           "-object iothread,id=io "
                           "-global virtio-blk-pci.iothread=io" : "");
    QTestState *qts = r->rmt->qts;
    uint64_t asked = rmt_read(r->rmt, RMT_ASKED);

    rmt_write(r->rmt, RMT_QUIRKS, RMT_MUTE);
    vblk_submit(r->blk, false, 0, RIG_DATA_IOVA, RIG_LEN);
    qtest_qmp_eventwait(qts, "VIOMMU_REMOTE_LATE");
    viommu_until(r->rmt, vblk_completed(r->blk) == 1);
    g_assert_true(remote_logged(r, "did not answer in time"));
    g_assert_cmpuint(remote_asked_of(r, "answers-late"), >, LATE_PIECES);
    g_assert_cmpuint(remote_asked_of(r, "connected"), ==, 1);
    /* While it is late nobody waits long for a register: until it answers. */
    viommu_until(r->rmt, rmt_read(r->rmt, RMT_CTRL) != UINT64_MAX);
    /* It knows of no fault: it has not said that it is one. */
    g_assert_cmphex(rmt_read(r->rmt, RMT_FAULT), ==, 0);
    g_assert_cmpuint(rmt_read(r->rmt, RMT_ASKED) - asked, <, LATE_PIECES);
    remote_free(r);
}

/*
 * What the server says before it has answered to a reset is about a machine
 * that is no more: none of it reaches the memory of the new one.
 */
static void test_last_words(void)
{
    Remote *r = remote_new("", "");
    QTestState *qts = r->rmt->qts;

    viommu_fill(r->rmt, r->page, RIG_BEFORE, RIG_LEN);
    rmt_write(r->rmt, RMT_MSI_ADDR, r->page);
    rmt_write(r->rmt, RMT_QUIRKS, RMT_LAST_WORDS);
    qtest_system_reset(qts);
    /* The answer to this comes after them, and so does what it asks for. */
    g_assert_cmphex(rmt_read(r->rmt, RMT_QUIRKS), ==, 0);
    unit_turns(qts);
    g_assert_true(unit_is_filled(qts, r->page, RIG_BEFORE, RIG_LEN));
    g_assert_true(rmt_drained(r->rmt));
    /* And it is heard again. */
    rmt_write(r->rmt, RMT_MSI_ADDR, r->page);
    rmt_write(r->rmt, RMT_MSI_DATA, 0x12345678);
    viommu_until(r->rmt, qtest_readl(qts, r->page) == 0x12345678);
    g_assert_cmpuint(remote_asked_of(r, "connected"), ==, 1);
    remote_free(r);
}

/*
 * What it writes, and whom it interrupts, when it is told that the machine has
 * stopped is there before the machine's memory is sent, however long it takes.
 */
static void test_stop(void)
{
    RMT *from = rmt_start("", ""), *to;
    GPid server;
    g_autofree char *args = rmt_args("", &server);
    uint64_t page = unit_alloc(&from->unit, 1);

    viommu_fill(from, page, RIG_BEFORE, UNIT_PAGE);
    rmt_write(from, RMT_MSI_ADDR, page);
    rmt_write(from, RMT_QUIRKS, RMT_LAST_LINES);
    to = rmt_adopt(from, qtest_initf("%s -incoming defer", args));
    g_array_append_val(to->servers, server);
    unit_load(to->qts, unit_save(from->qts));
    /* RMT_LAST_LINES: toy.py */
    g_assert_cmphex(qtest_readq(to->qts, page), ==, 0xdead);
    g_assert_cmphex(qtest_readl(to->qts, page + 8), ==, 0xbeef);
    g_assert_cmphex(rmt_read(to, RMT_MSI_ADDR), ==, page);
    rmt_stop(from);
    rmt_stop(to);
}

static void test_sulk(void)
{
    Remote *r = remote_new("", "");

    rmt_write(r->rmt, RMT_QUIRKS, RMT_SULK);
    assert_unreached(r, RIG_DATA_IOVA, r->page);
    g_assert_true(remote_logged(r, "answered with an error"));
    g_assert_cmphex(rmt_read(r->rmt, RMT_FAULT), ==, 0);
    g_assert_cmpuint(remote_asked_of(r, "connected"), ==, 1);
    remote_free(r);
}

/* The reason of VIOMMU_REMOTE_DOWN, which is waited for */
static void assert_down(Remote *r, const char *words)
{
    QDict *event = qtest_qmp_eventwait_ref(r->rmt->qts, "VIOMMU_REMOTE_DOWN");
    const char *reason = qdict_get_str(qdict_get_qdict(event, "data"),
                                       "reason");

    g_assert_nonnull(strstr(reason, words));
    qobject_unref(event);
    g_assert_cmpuint(remote_asked_of(r, "connected"), ==, 0);
    /* As on a bus where nobody answers */
    g_assert_cmphex(rmt_read(r->rmt, RMT_CTRL), ==, UINT64_MAX);
}

/* @opaque: the quirk; who says what cannot be right is hung up on. */
static void test_lie(const void *opaque)
{
    unsigned quirk = GPOINTER_TO_UINT(opaque);
    Remote *r = remote_new("", "");

    rmt_write(r->rmt, RMT_QUIRKS, quirk);
    if (quirk == RMT_LIE_SEQ) {
        rmt_inv(r->rmt, RMT_INV_NOTHING, 0);
        assert_down(r, "do not rise");
    } else {
        vblk_submit(r->blk, false, 0, RIG_DATA_IOVA, RIG_LEN);
        assert_down(r, quirk == RMT_LIE_ID ? "what it was not asked" :
                    "a page's size");
    }
    g_assert_false(remote_has_data(r));
    remote_free(r);
}

/* Without a server nothing is translated, and what was known is forgotten. */
static void test_dead(void)
{
    Remote *r = remote_new("", "");
    GPid server = g_array_index(r->rmt->servers, GPid, 0);

    g_assert_cmpint(remote_disk_read(r, RIG_DATA_IOVA), ==, 0);
    viommu_fill(r->rmt, r->page, RIG_BEFORE, RIG_LEN);
    g_array_set_size(r->rmt->servers, 0);
    rmt_end_server(server);
    assert_down(r, "the connection ended");
    vblk_submit(r->blk, false, 0, RIG_DATA_IOVA, RIG_LEN);
    viommu_until(r->rmt, remote_logged(r, "no connection"));
    unit_turns(r->rmt->qts);
    g_assert_true(unit_is_filled(r->rmt->qts, r->page, RIG_BEFORE, RIG_LEN));
    /* A reset has nobody to wait for. */
    qtest_system_reset(r->rmt->qts);
    remote_free(r);
}

static void test_dead_stops(void)
{
    Remote *r = remote_new("on-disconnect=stop", "");
    GPid server = g_array_index(r->rmt->servers, GPid, 0);
    QDict *answer;

    g_array_set_size(r->rmt->servers, 0);
    rmt_end_server(server);
    qtest_qmp_eventwait(r->rmt->qts, "STOP");
    answer = qtest_qmp_assert_success_ref(r->rmt->qts,
                                          "{'execute': 'query-status'}");
    g_assert_cmpstr(qdict_get_str(answer, "status"), ==, "io-error");
    qobject_unref(answer);
    qtest_qmp_assert_success(r->rmt->qts, "{'execute': 'cont'}");
    remote_free(r);
}

/* A device's DMA is in flight when its page goes, and nobody waits in vain. */
static void test_dead_drains(void)
{
    Remote *r = remote_new("", "");
    GPid server = g_array_index(r->rmt->servers, GPid, 0);

    rig_throttle(r->rmt->qts);
    vblk_submit(r->blk, false, 0, RIG_DATA_IOVA, RIG_LEN);
    viommu_until(r->rmt, vblk_completed(r->blk) == 1);
    vblk_submit(r->blk, false, 0, RIG_DATA_IOVA, RIG_LEN);
    viommu_until(r->rmt, vblk_in_flight(r->blk) == 1);
    remote_map(r, RIG_DATA_IOVA, 0, 0);
    rmt_inv(r->rmt, RMT_INV_DOMAIN, DOMAIN);
    unit_turns(r->rmt->qts);
    g_assert_false(rmt_drained(r->rmt));
    g_assert_cmpuint(remote_asked_of(r, "drains-waiting"), ==, 1);
    g_array_set_size(r->rmt->servers, 0);
    rmt_end_server(server);
    assert_down(r, "the connection ended");
    viommu_until(r->rmt, !remote_asked_of(r, "drains-waiting"));
    qtest_clock_step(r->rmt->qts, RIG_RELEASE_NS);
    unit_turns(r->rmt->qts);
    remote_free(r);
}

/* Another server in its place: it is told of memory, and asked anew. */
static void test_again(void)
{
    g_autofree char *path = NULL;
    int listener = rmt_listen(&path);
    GPid server = rmt_serve(listener, "--stay");
    g_autofree char *image = rig_make_image();
    g_autofree char *backend = rig_backend(image, true);
    QTestState *qts = qtest_initf(
        "-machine q35 -m 256 -nodefaults -display none -chardev socket,"
        "id=remote,path=%s,reconnect-ms=20 -device viommu-remote,"
        "chardev=remote,mmio=0x%llx,timeout=60000 %s " DISK, path, RMT_BASE,
        backend);

    /* The machine is not made without a server. */
    qtest_writeq(qts, RMT_BASE + RMT_DIR, 0x1000);
    g_assert_cmphex(qtest_readq(qts, RMT_BASE + RMT_DIR), ==, 0x1000);
    rmt_end_server(server);
    qtest_qmp_eventwait(qts, "VIOMMU_REMOTE_DOWN");
    server = rmt_serve(rmt_listen(&path), NULL);
    qtest_qmp_eventwait(qts, "VIOMMU_REMOTE_UP");
    /* It is another one, and knows the memory: an entry there is read. */
    g_assert_cmphex(qtest_readq(qts, RMT_BASE + RMT_DIR), ==, 0);
    qtest_writeq(qts, RMT_BASE + RMT_MSI_ADDR, 0x2000000);
    qtest_writeq(qts, RMT_BASE + RMT_MSI_DATA, 77);
    while (qtest_readl(qts, 0x2000000) != 77) {
        unit_turn(qts);
    }
    qtest_quit(qts);
    rmt_end_server(server);
    unlink(path);
    unlink(image);
}

/* A connection that is recorded the character device carries. */
static void test_recorded(void)
{
    g_autofree char *path = NULL, *log = NULL, *text = NULL;
    int fd = g_file_open_tmp("viommu-remote-log-XXXXXX", &log, NULL);
    GPid server = rmt_serve(rmt_listen(&path), NULL);
    QTestState *qts = qtest_initf(
        "-machine q35 -m 256 -nodefaults -display none -chardev socket,"
        "id=remote,path=%s,logfile=%s -device viommu-remote,chardev=remote,"
        "mmio=0x%llx,timeout=60000", path, log, RMT_BASE);
    gsize size;

    qtest_writeq(qts, RMT_BASE + RMT_DIR, 0x1000);
    g_assert_cmphex(qtest_readq(qts, RMT_BASE + RMT_DIR), ==, 0x1000);
    qtest_writeq(qts, RMT_BASE + RMT_MSI_ADDR, 0x2000000);
    qtest_writeq(qts, RMT_BASE + RMT_MSI_DATA, 77);
    while (qtest_readl(qts, 0x2000000) != 77) {
        unit_turn(qts);
    }
    rmt_end_server(server);
    qtest_qmp_eventwait(qts, "VIOMMU_REMOTE_DOWN");
    g_assert_cmphex(qtest_readq(qts, RMT_BASE + RMT_DIR), ==, UINT64_MAX);
    qtest_quit(qts);
    g_assert_true(g_file_get_contents(log, &text, &size, NULL));
    g_assert_cmpuint(size, >, 0);
    close(fd);
    unlink(log);
    unlink(path);
}

/* What the operator is told */
static void test_refused(void)
{
    static const struct {
        const char *props, *words;
    } cases[] = {
        { "timeout=0", "timeout is 0 ms, but must be 1 to 60000" },
        { "on-disconnect=panic", "must be 'block' (the guest runs on" },
        { "mmio=0x10", "must be a multiple of 4096" },
        { "sanitizer=maybe", "sanitizer" },
    };
    static const char * const others[] = { "null", "pty", "ringbuf" };
    g_autofree char *nobody =
        unit_refused("-machine q35 -device viommu-remote");
    unsigned i;

    g_assert_nonnull(strstr(nobody, "there is no server; give chardev=ID"));
    for (i = 0; i < ARRAY_SIZE(others); i++) {
        g_autofree char *args = g_strdup_printf(
            "-machine q35 -chardev %s,id=other -device viommu-remote,"
            "chardev=other", others[i]);
        g_autofree char *said = unit_refused(args);

        g_assert_nonnull(strstr(said, "chardev 'other' is no socket; give "
                                      "-chardev socket,id=ID,path="));
    }
    for (i = 0; i < ARRAY_SIZE(cases); i++) {
        GPid server;
        g_autofree char *args = rmt_args(cases[i].props, &server);
        g_autofree char *said = unit_refused(args);

        g_assert_nonnull(strstr(said, cases[i].words));
        rmt_end_server(server);
    }
}

/* Who is no vIOMMU is found out before the machine is made. */
static void test_no_server(void)
{
    g_autofree char *path = NULL;
    int listener = rmt_listen(&path);
    g_autofree char *args = g_strdup_printf(
        "-machine q35 -chardev socket,id=remote,path=%s "
        "-device viommu-remote,chardev=remote", path);
    g_autofree char *said = NULL;
    GPid pid = fork();

    g_assert_cmpint(pid, >=, 0);
    if (!pid) {
        int fd = accept(listener, NULL, NULL);

        close(fd);
        _exit(0);
    }
    close(listener);
    said = unit_refused(args);
    g_assert_nonnull(strstr(said, "the server at chardev 'remote' will not do: "
                                  "the connection ended"));
    rmt_end_server(pid);
    unlink(path);
}

/* A socket that tries again does so until the server comes, not for ever. */
static void test_server_late(void)
{
    g_autofree char *path = NULL;
    int listener = rmt_listen(&path);
    g_autofree char *args = g_strdup_printf(
        "-machine q35 -chardev socket,id=remote,path=%s,reconnect-ms=10 "
        "-device viommu-remote,chardev=remote,timeout=1", path);
    g_autofree char *said = NULL;
    QTestState *qts;
    GPid pid;

    close(listener);
    unlink(path);
    said = unit_refused(args);
    g_assert_nonnull(strstr(said, "no server has come to chardev 'remote' in "
                                  "10000 ms: Failed to connect to"));
    g_assert_nonnull(strstr(said, "give a longer timeout="));

    pid = fork();
    g_assert_cmpint(pid, >=, 0);
    if (!pid) {
        /* As long as this, and for what QEMU needs to come to it, it waits. */
        g_usleep(500 * 1000);
        waitpid(rmt_serve(rmt_listen(&path), NULL), NULL, 0);
        _exit(0);
    }
    qts = qtest_initf("%s -nodefaults", args);
    g_assert_cmpuint(rmt_says(qts, "connected"), ==, 1);
    qtest_quit(qts);
    /* The server ends with its client. */
    g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
    unlink(path);
}

static void test_second(void)
{
    g_autofree char *said = NULL;
    GPid server;
    g_autofree char *args = rmt_args("", &server);
    g_autofree char *both = g_strdup_printf("%s -device intel-iommu", args);

    said = unit_refused(both);
    g_assert_nonnull(strstr(said, "is behind another vIOMMU; remove one"));
    rmt_end_server(server);
}

/* Where @iova of edu leads, once the server has answered the monitor in time */
static uint64_t translated(QTestState *qts, uint64_t iova)
{
    unsigned tries = 0;

    for (;;) {
        QDict *answer = qtest_qmp_assert_success_ref(qts,
            "{'execute': 'viommu-translate', 'arguments': {'device': 'edu',"
            " 'iova': %" PRIu64 "}}", iova);
        bool answered = qdict_haskey(answer, "address");
        uint64_t address = qdict_get_try_int(answer, "address", 0);

        if (!answered) {
            g_assert_nonnull(strstr(qdict_get_str(answer, "verdict"),
                                    "the server has not answered yet"));
        }
        qobject_unref(answer);
        if (answered) {
            return address;
        }
        g_assert_cmpuint(tries++, <, VIOMMU_TRIES);
        unit_pause(qts);
    }
}

/*
 * On any machine with a PCI bus: registers, tables in memory, and a question to
 * the server, by way of the one that an operator asks.
 */
static void test_virt(void)
{
    const uint64_t mmio = 0x0b000000, dir = 0x41000000, table = 0x41100000;
    const uint64_t iova = 0x200000, gpa = 0x42000000;
    const unsigned devfn = 5 << 3;
    g_autofree char *path = NULL;
    GPid server = rmt_serve(rmt_listen(&path), NULL);
    QTestState *qts = qtest_initf(
        "-machine virt -m 64 -nodefaults -display none -chardev socket,"
        "id=remote,path=%s -device viommu-remote,chardev=remote,"
        "mmio=0x%" PRIx64 ",timeout=60000 -device edu,id=edu,addr=05.0",
        path, mmio);
    unsigned level;

    qtest_memset(qts, dir, 0, 0x80000);
    qtest_memset(qts, table, 0, 0x3000);
    qtest_writeq(qts, dir + 8 * devfn, 1ull << 63 | table | DOMAIN);
    for (level = 3; level > 1; level--) {
        qtest_writeq(qts, table + (3 - level) * UNIT_PAGE +
                     8 * (iova >> (12 + 9 * (level - 1)) & 511),
                     (table + (4 - level) * UNIT_PAGE) | UNIT_RW);
    }
    qtest_writeq(qts, table + 2 * UNIT_PAGE, gpa | UNIT_R);
    qtest_writeq(qts, mmio + RMT_DIR, dir);
    qtest_writeq(qts, mmio + RMT_CTRL, 1);
    g_assert_cmphex(qtest_readq(qts, mmio + RMT_CTRL), ==, 1);
    g_assert_cmphex(qtest_readl(qts, mmio + RMT_DIR), ==, dir);

    g_assert_cmphex(translated(qts, iova + 0x123), ==, gpa + 0x123);
    qtest_quit(qts);
    rmt_end_server(server);
    unlink(path);
}

static void test_help(void)
{
    unit_assert_help("viommu-remote", 12);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("viommu/remote/help", test_help);
    if (!g_str_equal(qtest_get_arch(), "x86_64")) {
        qtest_add_func("viommu/remote/virt", test_virt);
        return g_test_run();
    }
    qtest_add_func("viommu/remote/translate", test_translate);
    qtest_add_func("viommu/remote/fault", test_fault);
    qtest_add_func("viommu/remote/blocked", test_blocked);
    qtest_add_func("viommu/remote/shared", test_shared);
    qtest_add_func("viommu/remote/prefetch", test_prefetch);
    qtest_add_func("viommu/remote/once", test_once);
    qtest_add_func("viommu/remote/update", test_update);
    qtest_add_func("viommu/remote/interrupt", test_interrupt);
    qtest_add_data_func("viommu/remote/late/main-loop", NULL, test_late);
    qtest_add_data_func("viommu/remote/late/iothread", "io", test_late);
    qtest_add_func("viommu/remote/last-words", test_last_words);
    qtest_add_func("viommu/remote/stop", test_stop);
    qtest_add_func("viommu/remote/sulk", test_sulk);
    qtest_add_data_func("viommu/remote/lie/id",
                        GUINT_TO_POINTER(RMT_LIE_ID), test_lie);
    qtest_add_data_func("viommu/remote/lie/page",
                        GUINT_TO_POINTER(RMT_LIE_PAGE), test_lie);
    qtest_add_data_func("viommu/remote/lie/sequence",
                        GUINT_TO_POINTER(RMT_LIE_SEQ), test_lie);
    qtest_add_func("viommu/remote/dead/blocks", test_dead);
    qtest_add_func("viommu/remote/dead/stops", test_dead_stops);
    qtest_add_func("viommu/remote/dead/drains", test_dead_drains);
    qtest_add_func("viommu/remote/again", test_again);
    qtest_add_func("viommu/remote/recorded", test_recorded);
    qtest_add_func("viommu/remote/refused", test_refused);
    qtest_add_func("viommu/remote/no-server", test_no_server);
    qtest_add_func("viommu/remote/server-late", test_server_late);
    qtest_add_func("viommu/remote/second", test_second);
    return g_test_run();
}

/*
 * The link to a remote unit under stress: askers, an invalidator, a server
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What tests/model/remote-drain.pml and remote-lead.pml have in Promela is
 * here with the real connection (remote-link.c and its like), the real order
 * of what the server asks for (remote-serve.c), the real IOTLB and the real
 * epochs.  The server (fake-server.c) does everything that the protocol allows,
 * and goes away at any moment.
 *
 * As in test-dma-drain-stress.c the old page is poisoned with plain stores once
 * an invalidation is acknowledged, and checked again before its next use: who
 * uses an answer that was asked for before that destroys the poison, and
 * ThreadSanitizer sees it race.
 */
#include "qemu/osdep.h"
#include <sys/socket.h>
#include "qemu/main-loop.h"
#include "system/dma-epoch.h"
#include "hw/iommu/remote/remote-internal.h"
#include "hw/iommu/remote/remote-link-internal.h"
#include "fake-server.h"

#define PAGES           16
#define ASKERS          3
#define SLOT_BYTES      64
#define PAGE_BYTES      (SLOT_BYTES * ASKERS)
#define TAG             IOTLB_TAG(0, DOMAIN, 0)
#define POISON          0xa5
#define HANG_US         (BELL_HANG_SECONDS * G_USEC_PER_SEC)
/* How long an answer may take: on any host, and when it is to be late */
#define TIMEOUT_MS      60000
#define SHORT_MS        2

/* Each asker writes bytes of its own, so that only stale ones race. */
typedef struct Page {
    uint8_t byte[PAGE_BYTES];
} Page;

typedef struct Case {
    const char *name;
    bool plain;              /* the connection is nothing but a socket */
    bool late;               /* some answers are */
} Case;

static Page pages[PAGES];
static uint64_t memory[MEM_WORDS];
static VIOMMURemote *remote;
static const Case *current;
static bool stop;                        /* atomic */
static unsigned step;                    /* atomic; of the guest */
static bool heard;                       /* BQL */
/* Who carried out invalidations, and how many interrupts there were; BQL */
static unsigned by_link, by_others, interrupts;
static unsigned downs;                   /* atomic */

static uint64_t *word(hwaddr addr)
{
    g_assert_cmpuint(addr % 8, ==, 0);
    g_assert_cmpuint(addr / 8, <, MEM_WORDS);
    return &memory[addr / 8];
}

/* Guest memory as the link's files see it */

MemTxResult address_space_read(AddressSpace *as, hwaddr addr, MemTxAttrs attrs,
                               void *buf, hwaddr len)
{
    uint64_t value = qatomic_load_acquire(word(addr));

    g_assert_cmpuint(len, ==, 8);
    memcpy(buf, &value, 8);
    return MEMTX_OK;
}

bool dma_ram_write(hwaddr addr, const void *buf, hwaddr len)
{
    uint64_t value;

    g_assert_cmpuint(len, ==, 8);
    memcpy(&value, buf, 8);
    qatomic_store_release(word(addr), value);
    return true;
}

MemTxResult address_space_write(AddressSpace *as, hwaddr addr,
                                MemTxAttrs attrs, const void *buf, hwaddr len)
{
    g_assert_not_reached();
}

static bool memory_update(void *opaque, uint64_t addr, uint64_t *expected,
                          uint64_t value)
{
    *expected = qatomic_cmpxchg(word(addr), *expected, value);
    return true;
}

/* An interrupt comes after what it is about. */
void address_space_stl_le(AddressSpace *as, hwaddr addr, uint32_t value,
                          MemTxAttrs attrs, MemTxResult *result)
{
    g_assert_true(bql_locked());
    g_assert_cmpuint(qatomic_load_acquire(&memory[MEM_STATUS]), >=, value);
    interrupts++;
}

/* The core: what is removed, and the drain */

static TAILQ_HEAD(, DMAFence) fences = TAILQ_HEAD_INITIALIZER(fences);
static QEMUBH *fence_bh;

static int ask(VRPCommand command, const void *message, void *answer,
               RemoteWait wait)
{
    int error = remote_link_ask(remote->link, command, message, NULL, 0, answer,
                                NULL, wait);

    if (error != -ENOTCONN && !current->late) {
        g_assert_cmpint(error, ==, 0);
    }
    return error;
}

/* A notifier asks where something leads now. */
static void notify(const VIOMMUInv *inv)
{
    const VRPTranslate question = {
        .iova = inv->kind == VIOMMU_INV_RANGE ? inv->first : 0,
        .pasid = VRP_NO_PASID,
        .domain = DOMAIN,
    };
    VRPAnswer answer;

    ask(VRP_TRANSLATE, &question, &answer, REMOTE_WAIT_USUAL);
}

void viommu_invalidate(VIOMMU *v, const VIOMMUInv *inv)
{
    g_assert_true(bql_locked());
    switch (inv->kind) {
    case VIOMMU_INV_ALL:
        iotlb_invalidate_all(v->iotlb);
        break;
    case VIOMMU_INV_TAG:
        iotlb_invalidate_tag(v->iotlb, inv->tag);
        break;
    case VIOMMU_INV_RANGE:
        iotlb_invalidate_range(v->iotlb, inv->tag, inv->first, inv->last);
        break;
    default:
        /* Who is told of configurations may wait, too. */
        g_assert_false(fake_in_iothread());
        break;
    }
    if (heard) {
        g_assert_false(fake_in_iothread());
        notify(inv);
    }
    *(fake_in_iothread() ? &by_link : &by_others) += 1;
}

bool viommu_invalidation_is_heard(VIOMMU *v)
{
    g_assert_true(bql_locked());
    return heard;
}

bool viommu_fence(VIOMMU *v, DMAFence *fence, void (*done)(void *opaque),
                  void *opaque)
{
    g_assert_true(bql_locked());
    smp_mb(); /* removed, before the slots of those who use it are read */
    if (dma_epoch_idle()) {
        return true;
    }
    fence->epoch = dma_epoch_next();
    if (dma_epoch_passed(fence->epoch)) {
        fence->epoch = 0;
        return true;
    }
    fence->done = done;
    fence->opaque = opaque;
    TAILQ_INSERT_TAIL(&fences, fence, next);
    return false;
}

void viommu_fence_cancel(VIOMMU *v, DMAFence *fence)
{
    g_assert_true(bql_locked());
    if (fence->epoch) {
        TAILQ_REMOVE(&fences, fence, next);
        fence->epoch = 0;
    }
}

static void fences_look(void *opaque)
{
    DMAFence *fence, *next;

    QTAILQ_FOREACH_SAFE(fence, &fences, next, next) {
        if (dma_epoch_passed(fence->epoch)) {
            viommu_fence_cancel(NULL, fence);
            fence->done(fence->opaque);
        }
    }
}

static void fences_wake(void)
{
    qemu_bh_schedule(fence_bh);
}

/* What remote-serve.c may call for features that are not in use here */

void remote_invalidate_devices(VIOMMURemote *s, const VRPInvalidate *inv)
{
    g_assert_not_reached();
}

void remote_irq_invalidate(VIOMMURemote *s, const VRPInvalidate *inv)
{
    g_assert_not_reached();
}

void remote_page_response(VIOMMURemote *s, const VRPPageResponse *response)
{
    g_assert_not_reached();
}

/* The device, as far as it is the link's: viommu-remote.c */

char *remote_hello(uint32_t features)
{
    return g_strdup("{}");
}

const char *remote_hello_read(const uint8_t *data, size_t len,
                              uint32_t features, RemoteUnit *unit)
{
    g_assert_cmpmem(data, len, "{}", 3);
    return NULL;
}

static const char *device_greet(void *opaque, uint64_t region_size,
                                const RemoteUnit *unit)
{
    const VRPRun run = { .running = 1 };

    remote_serve_restart(remote);
    remote_link_post(remote->link, VRP_RUN, &run, NULL, 0, -1);
    return NULL;
}

static void device_up(void *opaque)
{
    qatomic_set(&remote->came_up, true);
}

static bool device_ready(void *opaque)
{
    QEMU_LOCK_GUARD(&remote->lock);
    return !remote->settling;
}

static void device_settled(void *opaque)
{
    WITH_QEMU_LOCK_GUARD(&remote->lock) {
        remote->settling = false;
    }
    remote_link_go_on(remote->link);
}

static void device_down(void *opaque, unsigned connection, const char *reason)
{
    WITH_QEMU_LOCK_GUARD(&remote->lock) {
        /* It comes up again when this one's answers are used no more. */
        g_assert_false(remote->settling);
        remote->settling = true;
        g_free(remote->down_reason);
        remote->down_reason = g_strdup(reason);
        remote->down_connection = connection;
    }
    qatomic_inc(&downs);
    /* Nobody else says what cannot be right, or is taken for such a one. */
    if (strcmp(reason, "the connection ended")) {
        g_assert_cmpint(qatomic_fetch_dec(&server_lies), >, 0);
    }
    qemu_bh_schedule(remote->news_bh);
}

static void device_late(void *opaque)
{
    g_assert_true(current->late);
}

static void device_news(void *opaque)
{
    const VIOMMUInv all = { .kind = VIOMMU_INV_ALL };
    g_autofree char *reason = NULL;
    unsigned connection;

    WITH_QEMU_LOCK_GUARD(&remote->lock) {
        reason = g_steal_pointer(&remote->down_reason);
        connection = remote->down_connection;
    }
    if (reason) {
        remote_serve_went_down(remote, connection);
        viommu_invalidate(&remote->viommu, &all);
        if (viommu_fence(&remote->viommu, &remote->before, device_settled,
                         NULL)) {
            device_settled(NULL);
        }
    }
}

static const RemoteLinkOps device_ops = {
    .greet = device_greet,
    .ready = device_ready,
    .up = device_up,
    .down = device_down,
    .command = remote_serve,
    .commanded = remote_serve_commanded,
    .reset = remote_serve_was_reset,
    .stopped = remote_serve_was_stopped,
    .late = device_late,
};

/* BQL.  Returns: false if nobody answers. */
static bool device_read(uint64_t *value)
{
    const VRPRegionInfo info = { .argsz = sizeof(info) };
    const VRPRegion region = { .count = 8 };
    g_autoptr(GByteArray) data = g_byte_array_new();

    if (remote->wrote) {
        remote->wrote = false;
        ask(VRP_REGION_INFO, &info, NULL, REMOTE_WAIT_USUAL);
    }
    remote_serve_invalidations(remote);
    if (remote_link_ask(remote->link, VRP_REGION_READ, &region, NULL, 0, NULL,
                        data, REMOTE_WAIT_USUAL)) {
        return false;
    }
    g_assert_cmpuint(data->len, ==, 8);
    memcpy(value, data->data, 8);
    return true;
}

/* BQL */
static void device_write(uint64_t value)
{
    const VRPRegion region = { .count = 8 };

    remote->wrote = true;
    remote_link_post(remote->link, VRP_REGION_WRITE, &region, &value, 8, -1);
}

/* Devices */

typedef struct Asker {
    unsigned index;
    Rand rand;
    uint64_t accesses, asked, faults;
    pthread_t thread;
} Asker;

static Page *asker_translate(Asker *a, unsigned iova)
{
    const VRPTranslate question = {
        .iova = (uint64_t)iova << 12,
        .rid = a->index,
        .pasid = VRP_NO_PASID,
        .domain = DOMAIN,
        .access = VRP_WRITE,
    };
    IOTLB *tlb = remote->viommu.iotlb;
    VRPAnswer answer;
    IOTLBEntry e;
    uint64_t seq;

    if (iotlb_lookup(tlb, TAG, question.iova, &e)) {
        return &pages[e.addr >> 12];
    }
    seq = iotlb_seq(tlb);
    if (ask(VRP_TRANSLATE, &question, &answer,
            rand_below(&a->rand, 8) ? REMOTE_WAIT_USUAL :
                                      REMOTE_WAIT_PATIENT) ||
        answer.verdict != VRP_OK) {
        a->faults++;
        return NULL;
    }
    a->asked++;
    if (!(answer.flags & VRP_ANSWER_ONCE)) {
        e = (IOTLBEntry) {
            .tag = TAG,
            .iova = question.iova,
            .addr = answer.addr,
            .shift = answer.shift,
            .perm = IOTLB_READ | IOTLB_WRITE,
        };
        iotlb_insert(tlb, &e, seq);
    }
    return &pages[answer.addr >> 12];
}

static void asker_write(Asker *a, Page *page)
{
    uint8_t *slot = page->byte + a->index * SLOT_BYTES;

    for (unsigned i = 0; i < SLOT_BYTES; i++) {
        slot[i] = i;
        if (i == SLOT_BYTES / 2 && rand_below(&a->rand, 32) == 0) {
            sched_yield();
        }
    }
    a->accesses++;
}

/* Some in the main loop's place, with the BQL */
static void *asker_run(void *opaque)
{
    Asker *a = opaque;

    while (!qatomic_load_acquire(&stop)) {
        bool with_bql = rand_below(&a->rand, 16) == 0;
        Page *page;

        if (with_bql) {
            bql_lock();
        }
        dma_epoch_enter();
        page = asker_translate(a, rand_below(&a->rand, IOVAS));
        if (rand_below(&a->rand, 32) == 0) {
            sched_yield();
        }
        if (page) {
            asker_write(a, page);
        }
        dma_epoch_exit();
        if (with_bql) {
            bql_unlock();
        }
        /* And leaves the link's thread something to read */
        if (!page || rand_below(&a->rand, 8) == 0) {
            g_usleep(rand_below(&a->rand, 200));
        }
    }
    return NULL;
}

/* A monitor, for whom nobody waits long */
static void *monitor_run(void *opaque)
{
    Rand *r = opaque;
    const VRPRegion region = { .count = 8 };
    RemoteLinkStats stats;

    while (!qatomic_load_acquire(&stop)) {
        g_autoptr(GByteArray) data = g_byte_array_new();

        remote_link_ask(remote->link, VRP_REGION_READ, &region, NULL, 0, NULL,
                        data, REMOTE_WAIT_BRIEF);
        remote_link_stats(remote->link, &stats);
        remote_link_is_up(remote->link);
        remote_link_backlog(remote->link);
        g_usleep(rand_below(r, 1000));
    }
    return NULL;
}

/* Who ends connections, each after some more of the guest's steps */
typedef struct Operator {
    Rand rand;
    Server *server;
    pthread_t thread;
} Operator;

static Server *operator_new_server(Operator *o)
{
    int fds[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==,
                    0);
    fake_chr_offer(remote->chr.chr, fds[1]);
    return server_new(fds[0], memory, current->late, rand64(&o->rand));
}

static void *operator_run(void *opaque)
{
    Operator *o = opaque;

    while (!qatomic_load_acquire(&stop)) {
        unsigned until = qatomic_read(&step) + 1 + rand_below(&o->rand, 60);

        while (qatomic_read(&step) < until && !qatomic_load_acquire(&stop) &&
               remote_link_is_up(remote->link)) {
            g_usleep(rand_below(&o->rand, 500));
        }
        if (qatomic_load_acquire(&stop)) {
            break;
        }
        if (remote_link_is_up(remote->link)) {
            server_end(o->server);
        } else if (!rand_below(&o->rand, 2)) {
            /* It may have been the handshake that it is in. */
            continue;
        }
        server_end(o->server);
        server_free(o->server);
        o->server = operator_new_server(o);
        while (!remote_link_is_up(remote->link) &&
               !qatomic_load_acquire(&stop) && rand_below(&o->rand, 64)) {
            g_usleep(1000);
        }
    }
    return NULL;
}

/* The guest: it alone changes the table. */

static void guest_write(uint32_t ticket, unsigned kind, unsigned iova)
{
    bql_lock();
    device_write(REG_INV(ticket, kind, iova));
    bql_unlock();
}

/* Is it complete?  If it has not arrived, or is gone, it is sent again. */
static bool guest_asks(uint32_t ticket, unsigned kind, unsigned iova)
{
    uint64_t value;
    bool known;

    bql_lock();
    known = device_read(&value);
    bql_unlock();
    if (known && REG_TICKET(value) == ticket) {
        return REG_COMPLETE(value) == ticket;
    }
    if (known) {
        guest_write(ticket, kind, iova);
    }
    return false;
}

static void guest_invalidate(Rand *r, uint32_t ticket, unsigned iova)
{
    int64_t end = g_get_monotonic_time() + HANG_US;
    unsigned kind = rand_below(r, SERVER_INVS), looks = 0;
    bool polls = rand_below(r, 2);

    guest_write(ticket, kind, iova);
    while (polls && ++looks % 64 ?
           qatomic_load_acquire(&memory[MEM_STATUS]) != ticket :
           !guest_asks(ticket, kind, iova)) {
        if (g_get_monotonic_time() > end) {
            g_error("an invalidation is never acknowledged");
        }
        g_usleep(polls ? 50 : 0);
    }
}

/* A notifier comes or goes, a machine stops and runs on, or is reset. */
static void guest_disturb(Rand *r)
{
    const VRPRun run = { .running = 0 };

    bql_lock();
    switch (rand_below(r, 16)) {
    case 0:
        heard = !heard && rand_below(r, 4) == 0;
        break;
    case 1:
        if (rand_below(r, 2)) {
            ask(VRP_RUN, &run, NULL, REMOTE_WAIT_PATIENT);
        } else {
            remote_serve_stop(remote);
        }
        remote_serve_settle(remote);
        break;
    case 2:
        remote_serve_reset(remote);
        iotlb_invalidate_all(remote->viommu.iotlb);
        break;
    case 3:
        /* Somebody has the BQL for long. */
        g_usleep(500);
        break;
    }
    bql_unlock();
}

static void poison(Page *page)
{
    memset(page->byte, POISON, PAGE_BYTES);
}

static void check_poison(const Page *page)
{
    for (unsigned i = 0; i < PAGE_BYTES; i++) {
        g_assert_cmphex(page->byte[i], ==, POISON);
    }
}

static void guest_run(Rand *r, unsigned steps)
{
    unsigned users[PAGES] = { 0 };

    for (unsigned i = 0; i < PAGES; i++) {
        poison(&pages[i]);
    }
    for (unsigned n = 1; n <= steps; n++) {
        unsigned iova = rand_below(r, IOVAS);
        uint64_t old = memory[MEM_TABLE + iova], new = 0;

        /* Often a page that another IOVA leads to already; sometimes none. */
        if (rand_below(r, 8)) {
            new = 1 + rand_below(r, PAGES);
            if (!users[new - 1]++) {
                check_poison(&pages[new - 1]);
            }
        }
        qatomic_store_release(&memory[MEM_TABLE + iova], new);
        guest_invalidate(r, n, iova);
        if (old && --users[old - 1] == 0) {
            poison(&pages[old - 1]);
        }
        qatomic_set(&step, n);
        guest_disturb(r);
        for (unsigned i = 0; i < PAGES; i++) {
            if (!users[i]) {
                check_poison(&pages[i]);
            }
        }
    }
}

static void remote_setup(const Case *c, Operator *o)
{
    memset(memory, 0, sizeof(memory));
    current = c;
    by_link = by_others = interrupts = downs = step = 0;
    server_lies = 0;
    heard = stop = false;
    fake_main_loop_start();
    remote = g_new0(VIOMMURemote, 1);
    remote->chr.chr = fake_chr_new("server", c->plain);
    remote->viommu.iotlb = iotlb_new(64);
    remote->viommu.mem.update = memory_update;
    remote_serve_init(remote);
    remote->news_bh = aio_bh_new(iohandler_get_aio_context(), device_news,
                                 remote);
    fence_bh = aio_bh_new(iohandler_get_aio_context(), fences_look, NULL);
    dma_epoch_set_wake(fences_wake);
    remote->link = remote_link_new(&remote->chr, c->late ? SHORT_MS :
                                   TIMEOUT_MS, 0, &device_ops, remote, NULL);
    o->server = operator_new_server(o);
    bql_lock();
    g_assert_true(remote_link_wait(remote->link, TIMEOUT_MS, NULL));
    bql_unlock();
}

/* Nothing is left that somebody would wait for. */
static void remote_teardown(Operator *o)
{
    bql_lock();
    remote_serve_settle(remote);
    remote_link_free(remote->link);
    remote_serve_went_down(remote, INT_MAX);
    g_assert_true(QTAILQ_EMPTY(&remote->drains));
    g_assert_true(g_queue_is_empty(&remote->commands));
    bql_unlock();
    server_free(o->server);
    fake_main_loop_stop();
    fake_chr_free(remote->chr.chr);
    iotlb_free(remote->viommu.iotlb);
    qemu_mutex_destroy(&remote->lock);
    g_free(remote->down_reason);
    g_free(remote);
}

/* Whoever is about to take a lock may be overtaken. */
static void stress_before_lock(QemuMutex *lock)
{
    static __thread Rand rand;
    static uint64_t threads;

    if (!rand.state) {
        rand.state = qatomic_fetch_inc(&threads) * 0x9e3779b97f4a7c15ull | 1;
    }
    if (rand_below(&rand, 256) == 0) {
        sched_yield();
    } else if (rand_below(&rand, 2048) == 0) {
        g_usleep(rand_below(&rand, 2000));
    }
}

static void test_stress(const void *opaque)
{
    const Case *c = opaque;
    Rand r = rand_new(), monitor_rand = { rand64(&r) | 1 };
    Operator o = { .rand = { rand64(&r) | 1 } };
    Asker a[ASKERS];
    uint64_t accesses = 0, asked = 0, faults = 0;
    pthread_t monitor;

    fake_before_lock = stress_before_lock;
    remote_setup(c, &o);
    for (unsigned i = 0; i < ASKERS; i++) {
        a[i] = (Asker) { .index = i, .rand = { rand64(&r) | 1 } };
        thread_start(&a[i].thread, asker_run, &a[i]);
    }
    thread_start(&monitor, monitor_run, &monitor_rand);
    thread_start(&o.thread, operator_run, &o);

    guest_run(&r, rounds(500));

    qatomic_store_release(&stop, true);
    thread_join(o.thread);
    thread_join(monitor);
    for (unsigned i = 0; i < ASKERS; i++) {
        thread_join(a[i].thread);
        accesses += a[i].accesses;
        asked += a[i].asked;
        faults += a[i].faults;
    }
    bql_lock();
    g_test_message("%" PRIu64 " accesses, %" PRIu64 " asked, %" PRIu64
                   " refused, %u connections ended, %u interrupts; "
                   "invalidations: %u by the link's thread, %u by others",
                   accesses, asked, faults, downs, interrupts, by_link,
                   by_others);
    bql_unlock();
    remote_teardown(&o);
}

/*
 * Somebody asks while the connection ends, and is overtaken until there is the
 * next one, whose server must not see the question: to answer what nobody waits
 * for is to be hung up on.
 */
enum { END_NOT, END_BEGINS, END_WRITES_NO_MORE, END_ASKED };

static unsigned end_phase;               /* atomic */
static __thread bool end_asks;

static void end_await(unsigned phase)
{
    while (qatomic_load_acquire(&end_phase) < phase) {
        g_usleep(100);
    }
}

static void end_before_lock(QemuMutex *lock)
{
    unsigned phase = qatomic_load_acquire(&end_phase);
    RemoteLink *link;

    if (phase == END_NOT) {
        return;
    }
    link = remote->link;
    if (fake_in_iothread() && lock == &link->lock && phase == END_BEGINS &&
        !remote_link_connection(link)) {
        /* It is known as up for the last time. */
        qatomic_store_release(&end_phase, END_WRITES_NO_MORE);
        end_await(END_ASKED);
    } else if (end_asks && lock == &link->out_lock) {
        end_asks = false;
        qatomic_store_release(&end_phase, END_ASKED);
        do {
            g_usleep(100);
        } while (!remote_link_is_up(link) || remote_link_connection(link) < 2);
    }
}

static void *end_ask(void *opaque)
{
    const VRPTranslate question = { .pasid = VRP_NO_PASID, .domain = DOMAIN };
    VRPAnswer answer;

    end_await(END_WRITES_NO_MORE);
    end_asks = true;
    g_assert_cmpint(ask(VRP_TRANSLATE, &question, &answer,
                        REMOTE_WAIT_USUAL), ==, -ENOTCONN);
    return NULL;
}

static void test_end(const void *opaque)
{
    Rand r = rand_new();
    Operator o = { .rand = { rand64(&r) | 1 } };
    pthread_t asker;
    uint64_t value;

    end_phase = END_NOT;
    fake_before_lock = end_before_lock;
    remote_setup(opaque, &o);
    thread_start(&asker, end_ask, NULL);
    qatomic_store_release(&end_phase, END_BEGINS);
    server_end(o.server);
    server_free(o.server);
    o.server = operator_new_server(&o);
    thread_join(asker);
    bql_lock();
    g_assert_true(device_read(&value));
    bql_unlock();
    g_assert_cmpuint(qatomic_read(&o.server->questions), ==, 0);
    g_assert_cmpuint(remote_link_connection(remote->link), ==, 2);
    remote_teardown(&o);
}

static void ask_of(unsigned rid)
{
    const VRPResolve question = { .rid = rid, .pasid = VRP_NO_PASID };
    VRPConfig answer;

    g_assert_cmpint(ask(VRP_RESOLVE, &question, &answer, REMOTE_WAIT_USUAL),
                    ==, 0);
}

static void await_status(uint64_t status)
{
    int64_t end = g_get_monotonic_time() + HANG_US;

    while (qatomic_load_acquire(&memory[MEM_STATUS]) != status) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_usleep(100);
    }
}

/*
 * What comes behind an answer, or later on, is carried out though nobody asks
 * any more.
 */
static void test_quiet(const void *opaque)
{
    Rand r = rand_new();
    Operator o = { .rand = { rand64(&r) | 1 } };

    fake_before_lock = NULL;
    remote_setup(opaque, &o);
    for (unsigned i = 1; i <= 20; i++) {
        ask_of(i);
        await_status(i);
    }
    remote_teardown(&o);
}

/*
 * The link's thread, which was woken before somebody began to lead, reads his
 * answer when he has seen that it is not there, and before he sleeps.
 */
enum { KICK_NOT, KICK_ARMED, KICK_LINK_WOKEN, KICK_SLEEPS, KICK_READ };

static unsigned kick_phase;              /* atomic */
static __thread unsigned kick_asks;      /* so many more unlocks */
static Server *kick_server;

static void kick_await(unsigned phase)
{
    while (qatomic_load_acquire(&kick_phase) < phase) {
        g_usleep(100);
    }
}

static void kick_before_lock(QemuMutex *lock)
{
    if (qatomic_load_acquire(&kick_phase) == KICK_ARMED &&
        fake_in_iothread() && lock == &remote->link->wire->lock) {
        qatomic_store_release(&kick_phase, KICK_LINK_WOKEN);
        kick_await(KICK_SLEEPS);
    }
}

static void kick_after_unlock(QemuMutex *lock)
{
    unsigned phase = qatomic_load_acquire(&kick_phase);

    if (phase == KICK_SLEEPS && fake_in_iothread() &&
        lock == &remote->link->wire->lock) {
        qatomic_store_release(&kick_phase, KICK_READ);
    } else if (kick_asks && lock == &remote->link->lock && !--kick_asks) {
        while (qatomic_load_acquire(&kick_server->resolved) < 2) {
            g_usleep(100);
        }
        qatomic_store_release(&kick_phase, KICK_SLEEPS);
        kick_await(KICK_READ);
    }
}

static void test_kick(const void *opaque)
{
    Rand r = rand_new();
    Operator o = { .rand = { rand64(&r) | 1 } };
    const VRPResolve question = { .rid = 1, .pasid = VRP_NO_PASID };

    kick_phase = KICK_NOT;
    fake_before_lock = kick_before_lock;
    fake_after_unlock = kick_after_unlock;
    remote_setup(opaque, &o);
    kick_server = o.server;
    qatomic_store_release(&kick_phase, KICK_ARMED);
    /* Something comes that nobody waits for. */
    remote_link_post(remote->link, VRP_RESOLVE, &question, NULL, 0, -1);
    kick_await(KICK_LINK_WOKEN);
    /* When the question is registered, and before it is slept for the answer */
    kick_asks = 2;
    ask_of(2);
    await_status(2);
    remote_teardown(&o);
    fake_after_unlock = NULL;
}

int main(int argc, char **argv)
{
    static const Case cases[] = {
        { "socket", .plain = true },
        { "wrapped" },
        { "late", .plain = true, .late = true },
    };

    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        g_autofree char *path = g_strdup_printf("/remote-link/stress/%s",
                                                cases[i].name);

        g_test_add_data_func(path, &cases[i], test_stress);
    }
    g_test_add_data_func("/remote-link/end/socket", &cases[0], test_end);
    g_test_add_data_func("/remote-link/end/wrapped", &cases[1], test_end);
    g_test_add_data_func("/remote-link/quiet/socket", &cases[0], test_quiet);
    g_test_add_data_func("/remote-link/quiet/wrapped", &cases[1], test_quiet);
    g_test_add_data_func("/remote-link/kick", &cases[0], test_kick);
    return g_test_run();
}

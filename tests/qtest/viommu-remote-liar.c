/*
 * viommu-remote, with a server that a byte string makes lie
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The layouts of messages are written down here once more
 * (docs/interop/viommu-remote.rst): a mistake in the emulator's header must not
 * hide in the test.
 */
#include "qemu/osdep.h"
#include <sys/socket.h>
#include <sys/un.h>
#include "libqos/pci-pc.h"
#include "viommu-remote.h"
#include "viommu-remote-liar.h"

#define FIRST_FREE  0x1000000ull
#define DOORBELL    0xfee00000ull
#define IOVA        0x40200000ull
#define REGION_SIZE 0x100
#define PAGES_MAX   256
#define SCRIPT_MAX  1024
#define HEADER      16
#define BODY_MAX    ((1u << 20) + 64)
#define NO_PASID    UINT32_MAX
#define RAW_MAX     64

enum {
    VERSION = 1, REGION_INFO = 5, REGION_READ = 9, DMA_READ = 11,
    DMA_WRITE = 12, RESET = 13, RESOLVE = 0x8001, TRANSLATE, FAULT, STATE_SAVE,
    STATE_LOAD, RUN, ENDPOINT, ATS_FAULT, PAGE_REQUEST, INVALIDATE = 0x8101,
    PREFETCH, INTERRUPT, UPDATE, PAGE_RESPONSE,
    REPLY = 1, NO_REPLY = 1 << 4, ERROR = 1 << 5,
};
enum { INV_ALL = 3, INV_DOMAIN, INV_RANGE, INV_KINDS = 9 };

static const char hello[] =
    "{\"capabilities\":{\"viommu\":{\"version\":1,\"features\":"
    "[\"endpoints\",\"device-tlb\",\"page-requests\"]}}}";

typedef struct LiarPage {
    unsigned domain, perms;
    uint64_t iova, gpa;
} LiarPage;

static struct {
    GThread *thread;
    int listener;
    char *path;
    GMutex lock;             /* of what follows */
    int fd;                  /* the connection; -1: there is none */
    bool up;                 /* it has been told all that it is told first */
    bool lied;               /* in this connection */
    uint64_t seq;
    uint16_t id;
    unsigned pending;        /* invalidations that are unanswered */
    bool on;                 /* it translates */
    LiarPage pages[PAGES_MAX];
    unsigned pages_n;
    unsigned domains[256];   /* by the requester on bus 0; 0: blocked */
    uint8_t script[SCRIPT_MAX];
    size_t script_n, script_at;
} liar = { .fd = -1 };

/* Bytes */

static void put(GByteArray *to, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++) {
        uint8_t byte = value >> 8 * i;

        g_byte_array_append(to, &byte, 1);
    }
}

static uint64_t get(const uint8_t *from, unsigned bytes)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < bytes; i++) {
        value |= (uint64_t)from[i] << 8 * i;
    }
    return value;
}

/* What has not arrived when the connection ends is lost. */
static void send_bytes(const uint8_t *data, size_t len)
{
    while (len && liar.fd >= 0) {
        ssize_t n = send(liar.fd, data, len, MSG_NOSIGNAL);

        if (n < 0 && errno != EINTR) {
            return;
        }
        data += MAX(n, 0);
        len -= MAX(n, 0);
    }
}

static GByteArray *message(uint16_t id, uint16_t command, uint32_t flags)
{
    GByteArray *m = g_byte_array_new();

    put(m, id, 2);
    put(m, command, 2);
    put(m, 0, 4);
    put(m, flags, 4);
    put(m, flags & ERROR ? EIO : 0, 4);
    return m;
}

static void message_sized(GByteArray *m)
{
    for (unsigned i = 0; i < 4; i++) {
        m->data[4 + i] = m->len >> 8 * i;
    }
}

static void message_send(GByteArray *m)
{
    message_sized(m);
    send_bytes(m->data, m->len);
    g_byte_array_unref(m);
}

/* The script: lock held */

static bool script_left(void)
{
    return liar.script_at < liar.script_n;
}

static uint64_t script_take(unsigned bytes)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < bytes && script_left(); i++) {
        value |= (uint64_t)liar.script[liar.script_at++] << 8 * i;
    }
    return value;
}

static uint64_t script_address(void)
{
    uint8_t how = script_take(1);
    uint64_t page = (how >> 2) * UNIT_PAGE;

    switch (how % 4) {
    case 0:
        return IOVA + page;
    case 1:
        return FIRST_FREE + page;
    case 2:
        return DOORBELL + page;
    default:
        return script_take(8);
    }
}

static uint32_t script_requester(void)
{
    uint8_t how = script_take(1);

    return how < 0xf0 ? (4 + how % 2) << 3 : script_take(4);
}

static uint32_t script_pasid(void)
{
    uint8_t how = script_take(1);

    return how < 0x80 ? NO_PASID : how < 0xf0 ? how % 4 : script_take(4);
}

static void tell_invalidate(GByteArray *m)
{
    uint8_t how = script_take(1);
    uint64_t first = script_address();

    liar.seq += how < 0xf8;
    put(m, liar.seq, 8);
    put(m, first, 8);
    put(m, first + (UNIT_PAGE << how % 4) - 1, 8);
    put(m, how % (INV_KINDS + (how >= 0xf0)), 4);
    put(m, 7 + script_take(1) % 3, 4);
    put(m, script_requester(), 4);
    put(m, how & 0x40 ? 0xffff : 0, 4);
    put(m, script_pasid(), 4);
    put(m, 0, 4);
}

static void tell_dma(GByteArray *m, bool is_write)
{
    uint8_t how = script_take(1);
    uint64_t count = how < 0xf0 ? 1 + how % 16 : 1 + script_take(3);

    count = is_write ? MIN(count, RAW_MAX) : count;
    put(m, script_address() + how % 8, 8);
    put(m, count, 8);
    for (unsigned i = 0; is_write && i < count; i++) {
        put(m, script_take(1), 1);
    }
}

static void tell_prefetch(GByteArray *m)
{
    uint8_t how = script_take(1);

    put(m, script_address(), 8);
    put(m, FIRST_FREE + how * UNIT_PAGE, 8);
    put(m, 7 + how % 3, 4);
    put(m, how < 0xf0 ? 12 : script_take(1), 4);
    put(m, 1 + how % 3, 4);
    put(m, 0, 4);
}

static void tell_page_response(GByteArray *m)
{
    uint8_t how = script_take(1);

    put(m, script_requester(), 4);
    put(m, script_pasid(), 4);
    put(m, how % 16, 4);
    put(m, how >> 4, 4);
}

/* Something that nobody has asked for; lock held */
static void tell(void)
{
    static const uint16_t commands[] = {
        INVALIDATE, INVALIDATE, DMA_READ, DMA_WRITE, UPDATE, PREFETCH,
        INTERRUPT, PAGE_RESPONSE,
    };
    uint8_t how = script_take(1);
    uint16_t command = commands[how % G_N_ELEMENTS(commands)];
    bool posted = command == PREFETCH || command == INTERRUPT ||
                  command == PAGE_RESPONSE;
    GByteArray *m = message(++liar.id, command,
                            posted != (how >= 0xf8) ? NO_REPLY : 0);

    if (command == INVALIDATE) {
        tell_invalidate(m);
    } else if (command == DMA_READ || command == DMA_WRITE) {
        tell_dma(m, command == DMA_WRITE);
    } else if (command == UPDATE) {
        put(m, script_address() & ~7ull, 8);
        put(m, script_take(1), 8);
        put(m, script_take(1), 8);
    } else if (command == PREFETCH) {
        tell_prefetch(m);
    } else if (command == INTERRUPT) {
        put(m, script_address(), 8);
        put(m, script_take(2), 4);
        put(m, script_requester(), 4);
    } else {
        tell_page_response(m);
    }
    liar.lied = true;
    message_send(m);
}

static void tell_raw(void)
{
    uint8_t raw[RAW_MAX];
    size_t n = script_take(1) % sizeof(raw);

    for (size_t i = 0; i < n; i++) {
        raw[i] = script_take(1);
    }
    send_bytes(raw, n);
}

/* What becomes of the answer @m; lock held.  Takes over @m. */
static void lie(GByteArray *m)
{
    uint8_t how = script_take(1);
    unsigned at;

    liar.lied = true;
    message_sized(m);
    switch (how % 16) {
    case 4:
        /* Rare: somebody waits for it. */
        if (how == 4) {
            g_byte_array_unref(m);
            return;
        }
        break;
    case 5:
        m->data[8] |= ERROR;
        m->data[12] = script_take(1);
        g_byte_array_set_size(m, script_take(1) & 1 ? m->len : HEADER);
        break;
    case 6:
        send_bytes(m->data, m->len);
        break;
    case 7:
        m->data[0] ^= script_take(1);
        break;
    case 8:
        at = script_take(1) % m->len;
        m->data[at] ^= script_take(1);
        send_bytes(m->data, m->len);
        g_byte_array_unref(m);
        return;
    case 9 ... 13:
        tell();
        break;
    case 14:
        tell_raw();
        break;
    case 15:
        shutdown(liar.fd, SHUT_RDWR);
        break;
    }
    message_send(m);
}

/* An honest answer: lock held */

static const LiarPage *page_of(unsigned domain, uint64_t iova)
{
    for (unsigned i = 0; i < liar.pages_n; i++) {
        if (liar.pages[i].domain == domain &&
            liar.pages[i].iova == (iova & -UNIT_PAGE)) {
            return &liar.pages[i];
        }
    }
    return NULL;
}

static void answer_resolve(GByteArray *m, const uint8_t *body)
{
    uint32_t rid = get(body, 4);
    unsigned domain = rid < G_N_ELEMENTS(liar.domains) ? liar.domains[rid] : 0;

    put(m, !liar.on ? 1 : domain ? 2 : 0, 4);
    put(m, 5, 4);            /* to be kept; ATS */
    put(m, domain, 4);
    put(m, 1, 4);
    put(m, liar.on ? 0 : 64, 4);
    put(m, 0, 4);
}

static void answer_translate(GByteArray *m, const uint8_t *body)
{
    uint64_t iova = get(body, 8);
    const LiarPage *page = page_of(get(body + 16, 4), iova);
    uint32_t wrong = page ? get(body + 20, 4) & UNIT_RW & ~page->perms : 0;

    put(m, !page ? 1 : wrong ? 2 : 0, 4);
    put(m, !page || wrong, 4);
    put(m, page ? page->gpa : 0, 8);
    put(m, 12, 4);
    put(m, page ? page->perms : 0, 4);
    put(m, 0, 8);
}

static void answer_region_info(GByteArray *m, const uint8_t *body)
{
    uint32_t index = get(body + 8, 4);

    put(m, 32, 4);
    put(m, 3, 4);
    put(m, index, 4);
    put(m, 0, 4);
    put(m, index ? 0 : REGION_SIZE, 8);
    put(m, 0, 8);
}

static void answer(GByteArray *m, uint16_t command, const uint8_t *body)
{
    switch (command) {
    case VERSION:
        put(m, 0, 2);
        put(m, 1, 2);
        g_byte_array_append(m, (const uint8_t *)hello, sizeof(hello));
        break;
    case REGION_INFO:
        answer_region_info(m, body);
        break;
    case REGION_READ:
        g_byte_array_append(m, body, HEADER);
        put(m, 0, MIN(get(body + 12, 4), 8));
        break;
    case REGION_READ + 1:
        g_byte_array_append(m, body, HEADER);
        break;
    case RESOLVE:
        answer_resolve(m, body);
        break;
    case TRANSLATE:
        answer_translate(m, body);
        break;
    case ATS_FAULT:
        put(m, 0, 8);
        break;
    case STATE_SAVE:
        put(m, liar.seq, 8);
        break;
    }
}

/* A command or a reply of the emulator's; lock held */
static void take(uint16_t id, uint16_t command, uint32_t flags,
                 const uint8_t *body)
{
    GByteArray *m;

    if (flags & REPLY) {
        liar.pending -= command == INVALIDATE && liar.pending;
        return;
    }
    if (command == RESET) {
        liar.pending = 0;
    }
    if (command == RUN) {
        liar.up = true;
    }
    if (flags & NO_REPLY) {
        return;
    }
    m = message(id, command, REPLY);
    answer(m, command, body);
    if (liar.up && script_left()) {
        lie(m);
    } else {
        message_send(m);
    }
}

/* The server */

static bool receive(int fd, uint8_t *to, size_t len)
{
    while (len) {
        ssize_t n = recv(fd, to, len, 0);

        if (n <= 0 && !(n < 0 && errno == EINTR)) {
            return false;
        }
        to += MAX(n, 0);
        len -= MAX(n, 0);
    }
    return true;
}

static void serve(int fd)
{
    g_autofree uint8_t *body = g_malloc0(BODY_MAX);
    uint8_t header[HEADER];

    while (receive(fd, header, sizeof(header))) {
        uint32_t size = get(header + 4, 4);

        if (size < HEADER || size - HEADER > BODY_MAX ||
            !receive(fd, body, size - HEADER)) {
            return;
        }
        g_mutex_lock(&liar.lock);
        take(get(header, 2), get(header + 2, 2), get(header + 8, 4), body);
        g_mutex_unlock(&liar.lock);
    }
}

static void *liar_run(void *opaque)
{
    for (;;) {
        int fd = accept(liar.listener, NULL, NULL);

        g_assert_cmpint(fd, >=, 0);
        g_mutex_lock(&liar.lock);
        liar.fd = fd;
        liar.up = liar.lied = false;
        liar.seq = liar.pending = 0;
        g_mutex_unlock(&liar.lock);
        serve(fd);
        g_mutex_lock(&liar.lock);
        liar.fd = -1;
        liar.up = false;
        g_mutex_unlock(&liar.lock);
        close(fd);
    }
    return NULL;
}

void liar_script(const uint8_t *bytes, size_t n)
{
    g_mutex_lock(&liar.lock);
    liar.script_at = 0;
    liar.script_n = MIN(n, sizeof(liar.script));
    memcpy(liar.script, bytes, liar.script_n);
    g_mutex_unlock(&liar.lock);
}

void liar_tell(void)
{
    g_mutex_lock(&liar.lock);
    if (liar.up) {
        tell();
    }
    g_mutex_unlock(&liar.lock);
}

/* The unit */

static void leave_nothing(void)
{
    unlink(liar.path);
}

static char *args(unsigned form, const char *props)
{
    if (!liar.thread) {
        liar.listener = rmt_listen(&liar.path);
        atexit(leave_nothing);
        liar.thread = g_thread_new("liar", liar_run, NULL);
    }
    return g_strdup_printf(
        "-machine q35 -m 256 -nodefaults -display none "
        "-chardev socket,id=remote,path=%s,reconnect-ms=1 -device "
        "viommu-remote,chardev=remote,mmio=0x%llx,timeout=1000%s%s", liar.path,
        LIAR_REGS, *props ? "," : "", props);
}

static bool is_up(void)
{
    bool up;

    g_mutex_lock(&liar.lock);
    up = liar.up;
    g_mutex_unlock(&liar.lock);
    return up;
}

/* Of what it has said so far nothing is to be seen in what follows. */
static void start_afresh(void)
{
    g_mutex_lock(&liar.lock);
    liar.script_n = liar.script_at = 0;
    liar.on = false;
    liar.pages_n = 0;
    memset(liar.domains, 0, sizeof(liar.domains));
    if (liar.lied && liar.fd >= 0) {
        shutdown(liar.fd, SHUT_RDWR);
        liar.up = false;
    }
    g_mutex_unlock(&liar.lock);
}

static Unit *start(unsigned form, const char *props, const char *more)
{
    g_autofree char *machine = args(form, props);
    RMT *rmt = g_new0(RMT, 1);

    start_afresh();
    rmt->qts = unit_launch(machine, more);
    rmt->bus = qpci_new_pc(rmt->qts, NULL);
    rmt->next = FIRST_FREE;
    /* The emulator asks it, too. */
    viommu_until(rmt, is_up() && !qtest_readq(rmt->qts, LIAR_REGS));
    return &rmt->unit;
}

static void stop(Unit *unit)
{
    qpci_free_pc(unit->bus);
    unit_quit(unit->qts);
    g_free(container_of(unit, RMT, unit));
}

static UnitSpace *space(Unit *unit, unsigned form, uint16_t id)
{
    UnitSpace *s = g_new0(UnitSpace, 1);

    s->domain = id;
    return s;
}

static void attach(Unit *unit, uint16_t sid, UnitSpace *s)
{
    g_assert_cmpuint(sid, <, G_N_ELEMENTS(liar.domains));
    g_mutex_lock(&liar.lock);
    liar.domains[sid] = s ? s->domain : 0;
    g_mutex_unlock(&liar.lock);
}

static void map(Unit *unit, UnitSpace *s, uint64_t iova, uint64_t gpa,
                uint64_t size, unsigned perms)
{
    g_assert_cmphex(size, ==, UNIT_PAGE);
    g_mutex_lock(&liar.lock);
    g_assert_cmpuint(liar.pages_n, <, PAGES_MAX);
    liar.pages[liar.pages_n++] = (LiarPage) { s->domain, perms, iova, gpa };
    g_mutex_unlock(&liar.lock);
}

/* lock held */
static void invalidate(unsigned kind, unsigned domain, uint64_t first,
                       uint64_t last)
{
    GByteArray *m = message(++liar.id, INVALIDATE, 0);

    put(m, ++liar.seq, 8);
    put(m, first, 8);
    put(m, last, 8);
    put(m, kind, 4);
    put(m, domain, 4);
    put(m, 0, 16);
    liar.pending++;
    message_send(m);
}

static bool inv_done(Unit *unit, unsigned form)
{
    bool done;

    g_mutex_lock(&liar.lock);
    done = !liar.pending;
    g_mutex_unlock(&liar.lock);
    return done;
}

static void enable(Unit *unit, unsigned form)
{
    g_mutex_lock(&liar.lock);
    liar.on = true;
    invalidate(0, 0, 0, 0);
    invalidate(INV_ALL, 0, 0, 0);
    g_mutex_unlock(&liar.lock);
    viommu_until(unit, inv_done(unit, form));
}

static void inv_start(Unit *unit, unsigned form, UnitScope scope,
                      const UnitSpace *s, uint64_t iova, unsigned order)
{
    g_mutex_lock(&liar.lock);
    if (liar.up) {
        invalidate(scope == UNIT_ALL ? INV_ALL : scope == UNIT_SPACE ?
                   INV_DOMAIN : INV_RANGE, s->domain, iova,
                   iova + (UNIT_PAGE << order) - 1);
    }
    g_mutex_unlock(&liar.lock);
}

static const char *const forms[] = { "message", NULL };

const UnitOps liar_unit_ops = {
    .name = "liar",
    .target = "x86_64",
    .type = "viommu-remote",
    .forms = forms,
    .vague = true,
    .args = args,
    .start = start,
    .stop = stop,
    .space = space,
    .attach = attach,
    .map = map,
    .enable = enable,
    .inv_start = inv_start,
    .inv_done = inv_done,
};

/*
 * A vIOMMU outside the VMM: the connection
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Two locks, of which no thread holds both: @lock has who waits for what, and
 * whether the link is up; @out_lock what is to be written.  The character
 * device may tell of a connection's end in the middle of a write, under
 * @out_lock: so what it tells is only noted, and the link's thread acts on it.
 *
 * A connection has a number, and so have those who write: what was meant for
 * one never reaches the next.
 *
 * Who asks reads the answer itself, if nobody else who asks is reading: such a
 * one leads.  What comes before that answer it carries out, as the link's
 * thread does; that one gets the rest, and is told of the connection's end.
 * So bytes are read and carried out under the wire's lock, before the other
 * two: in the order in which they have come.  What is not a plain socket (TLS)
 * the character device carries, and the link's thread alone reads.
 */
#include "qemu/osdep.h"
#include "block/aio-wait.h"
#include "block/aio.h"
#include "chardev/char-socket.h"
#include "qapi/error.h"
#include "qemu/coroutine-tls.h"
#include "qemu/error-report.h"
#include "qemu/lockable.h"
#include "qemu/main-loop.h"
#include "qemu/thread.h"
#include "system/iothread.h"
#include "../trace.h"
#include "remote-link.h"
#include "remote-wire.h"

/* What may wait to be written or answered.  A guest can cause both. */
#define OUT_MAX (4u << 20)
#define ASKS_MAX 4096
/* Who waits in vain for a server that is late does so in one of so many ms. */
#define LATE_SHARE 10
/* So many messages that are not its answer who leads carries out */
#define LEAD_MAX 64
/* So many us who leads looks on before it sleeps, at most, and at first */
#define SPIN_MAX 50
#define SPIN_MIN 10
/* So many messages in one write */
#define OUT_VECTOR 16

typedef enum LinkState {
    LINK_DOWN,               /* nobody is there */
    LINK_GREETING,           /* the handshake is under way */
    LINK_UP,
} LinkState;

/* Somebody waits for an answer, or has given up. */
typedef struct RemoteAsk {
    uint16_t command;
    bool done, abandoned, brief;
    bool leads;              /* it is not .answered that it waits for */
    int error;
    QemuCond answered;
    void *answer;            /* the waiter's; and .more; NULL: not wanted */
    GByteArray *more;
    /* Nobody waits: called in place of all that.  The link's thread */
    void (*then)(RemoteLink *link, const void *message, const uint8_t *data,
                 size_t len);
} RemoteAsk;

/* Who reads, and is not the link's thread */
typedef struct LinkReader {
    const RemoteAsk *mine;   /* what it waits for */
    bool done;               /* that is answered */
    unsigned budget;         /* messages that it carries out yet */
} LinkReader;

typedef struct OutMessage {
    size_t done, len;
    int fd;
    uint8_t bytes[];
} OutMessage;

struct RemoteLink {
    CharBackend *chr;
    IOThread *iothread;
    QEMUBH *event_bh;
    QEMUBH *rest_bh;         /* who led has left something */
    const RemoteLinkOps *ops;
    void *opaque;
    uint32_t timeout_ms;
    uint32_t features;       /* that we have */
    /* Noted by whoever is told; atomic */
    bool opened;
    unsigned openings;
    const char *wrong;       /* why it is to be hung up on */

    QemuMutex lock;
    QemuCond changed;        /* .state or .reason */
    LinkState state;
    RemoteWire *wire;        /* NULL: the character device carries it */
    bool led;                /* somebody leads */
    unsigned spin;           /* us that it looks before it sleeps */
    char *reason;            /* why it is not up */
    GHashTable *asks;        /* RemoteAsk by .id */
    uint16_t next_id;
    bool late;
    uint64_t silence;        /* a number of its own for each time that it is */
    int64_t rest_until;      /* until then nobody is brief; us */
    unsigned owed;           /* answers to brief questions */
    RemoteLinkStats stats;

    QemuMutex out_lock;
    GQueue out;              /* OutMessage */
    size_t out_bytes;
    RemoteWire *out_wire;    /* .wire */
    bool watching;
    bool greeted;            /* others than the handshake may write */
    unsigned connection;

    /* The link's thread's */
    GSource *wire_source;
    GByteArray *in;          /* without a wire */
    RemoteUnit unit;         /* others' who lead, to be read */
    unsigned acted_on;       /* .openings; written with the lock */
};

/* Writing */

static void out_free(OutMessage *m)
{
    if (m->fd >= 0) {
        close(m->fd);
    }
    g_free(m);
}

static gboolean link_writable(void *do_not_use, GIOCondition cond,
                              void *opaque);

/* out_lock held: tell when there is room.  The character device carries it. */
static void out_watch(RemoteLink *link)
{
    if (link->out_wire) {
        remote_wire_want_out(link->out_wire, true);
        link->watching = true;
    } else {
        link->watching = qemu_chr_fe_add_watch(
            link->chr, G_IO_OUT | G_IO_HUP, link_writable, link);
    }
}

/*
 * out_lock held: what there is of the first messages, which is something.  A
 * descriptor goes with the first byte of a write.
 * Returns: how much was written, or a negative errno.
 */
static ssize_t out_send(RemoteLink *link)
{
    OutMessage *first = g_queue_peek_head(&link->out);
    int fd = first->done ? -1 : first->fd;
    struct iovec iov[OUT_VECTOR];
    unsigned n = 0;
    ssize_t done;

    if (link->out_wire) {
        for (GList *at = link->out.head; at && n < OUT_VECTOR; at = at->next) {
            OutMessage *m = at->data;

            if (n && m->fd >= 0) {
                break;
            }
            iov[n++] = (struct iovec) { m->bytes + m->done, m->len - m->done };
        }
        return remote_wire_write(link->out_wire, iov, n, fd);
    }
    if (fd >= 0) {
        qemu_chr_fe_set_msgfds(link->chr, &fd, 1);
    }
    done = qemu_chr_fe_write(link->chr, first->bytes + first->done,
                             first->len - first->done);
    return done > 0 ? done : errno == EAGAIN ? -EAGAIN : -EIO;
}

/* out_lock held */
static void link_flush(RemoteLink *link)
{
    while (!g_queue_is_empty(&link->out)) {
        ssize_t n = out_send(link);

        if (n < 0) {
            /* If it is broken, the end of the connection clears the queue. */
            if (!link->watching && n == -EAGAIN) {
                out_watch(link);
            }
            return;
        }
        link->out_bytes -= n;
        while (n) {
            OutMessage *m = g_queue_peek_head(&link->out);
            size_t part = MIN((size_t)n, m->len - m->done);

            m->done += part;
            n -= part;
            if (m->done == m->len) {
                out_free(g_queue_pop_head(&link->out));
            }
        }
    }
}

static gboolean link_writable(void *do_not_use, GIOCondition cond,
                              void *opaque)
{
    RemoteLink *link = opaque;

    QEMU_LOCK_GUARD(&link->out_lock);
    link->watching = false;
    link_flush(link);
    return G_SOURCE_REMOVE;
}

static OutMessage *out_new(VRPHeader *h, const char *fields,
                           const void *message, const void *data, size_t len)
{
    size_t fixed = vrp_fields_size(fields);
    OutMessage *m;

    h->size = sizeof(*h) + fixed + len;
    m = g_malloc(sizeof(*m) + h->size);
    m->done = 0;
    m->len = h->size;
    m->fd = -1;
    vrp_pack(VRP_HEADER_FIELDS, h, m->bytes);
    vrp_pack(fields, message, m->bytes + sizeof(*h));
    if (len) {
        memcpy(m->bytes + sizeof(*h) + fixed, data, len);
    }
    return m;
}

/*
 * Takes over @m.  @connection: 0 for whichever there is, once it has been
 * greeted.
 */
static void link_write(RemoteLink *link, unsigned connection, OutMessage *m)
{
    bool full;

    WITH_QEMU_LOCK_GUARD(&link->out_lock) {
        if (connection ? connection != link->connection : !link->greeted) {
            out_free(m);
            return;
        }
        full = link->out_bytes + m->len > OUT_MAX;
        if (full) {
            out_free(m);
        } else {
            g_queue_push_tail(&link->out, m);
            link->out_bytes += m->len;
            link_flush(link);
        }
    }
    if (full) {
        remote_link_hang_up(link, "it does not read what it is sent");
    }
}

/* A new connection has begun, or there is none any more: @number 0. */
static void out_restart(RemoteLink *link, unsigned number, RemoteWire *wire)
{
    OutMessage *m;

    QEMU_LOCK_GUARD(&link->out_lock);
    while ((m = g_queue_pop_head(&link->out))) {
        out_free(m);
    }
    if (link->out_wire) {
        remote_wire_unref(link->out_wire);
        link->watching = false;
    }
    link->out_wire = wire ? remote_wire_ref(wire) : NULL;
    link->out_bytes = 0;
    link->greeted = false;
    link->connection = number;
}

/* Asking */

static void ask_free(RemoteAsk *ask)
{
    qemu_cond_destroy(&ask->answered);
    g_free(ask);
}

/*
 * lock held.  NULL: so many are waiting that the server cannot be alive.  The
 * answer's @id.
 */
static RemoteAsk *ask_new(RemoteLink *link, VRPCommand command, uint16_t *id)
{
    RemoteAsk *ask;

    if (g_hash_table_size(link->asks) >= ASKS_MAX) {
        return NULL;
    }
    do {
        *id = link->next_id++;
    } while (g_hash_table_contains(link->asks, GUINT_TO_POINTER(*id)));
    ask = g_new0(RemoteAsk, 1);
    ask->command = command;
    qemu_cond_init(&ask->answered);
    g_hash_table_insert(link->asks, GUINT_TO_POINTER(*id), ask);
    return ask;
}

/* The silence in which this thread has waited in vain for an answer */
QEMU_DEFINE_STATIC_CO_TLS(uint64_t, waited_in_vain)

/* Nothing is different if it is not asked but by the answer. */
static bool ask_is_question(VRPCommand command)
{
    return command == VRP_RESOLVE || command == VRP_TRANSLATE ||
           command == VRP_ATS_FAULT || command == VRP_REGION_READ;
}

/*
 * lock held: how many ms may @wait be?  0: it is not to be asked at all.
 *
 * What is refused is tried again in pieces of a few bytes, all of them in one
 * RCU read section, or under the BQL: so a thread is patient once in a silence.
 */
static unsigned ask_patience(const RemoteLink *link, VRPCommand command,
                             RemoteWait wait)
{
    unsigned brief = MIN(link->timeout_ms, REMOTE_LATE_MS);

    if (wait == REMOTE_WAIT_BRIEF) {
        return link->late || link->owed ? brief :
               MIN(link->timeout_ms, REMOTE_BRIEF_MS);
    }
    if (wait == REMOTE_WAIT_PATIENT || !link->late ||
        (!bql_locked() && get_waited_in_vain() != link->silence)) {
        return link->timeout_ms;
    }
    return ask_is_question(command) &&
           g_get_monotonic_time() < link->rest_until ? 0 : brief;
}

/* lock held: no answer has come.  Returns: true if that is the first sign. */
static bool link_is_late(RemoteLink *link)
{
    static uint64_t silences;
    bool first = !link->late;

    if (first) {
        link->late = true;
        link->silence = qatomic_fetch_inc(&silences) + 1;
    }
    link->stats.late++;
    return first;
}

/*
 * lock held.  It may still be answered, and that will be no lie.  Returns: true
 * if that is the first sign of a server that is late.
 */
static bool ask_abandon(RemoteLink *link, RemoteAsk *ask)
{
    bool first;

    ask->abandoned = true;
    ask->answer = NULL;
    ask->more = NULL;
    if (ask->brief) {
        link->owed++;
        link->stats.unanswered++;
        return false;
    }
    first = link_is_late(link);
    set_waited_in_vain(link->silence);
    link->rest_until = g_get_monotonic_time() +
                       (LATE_SHARE - 1) * REMOTE_LATE_MS * 1000;
    return first;
}

/* How many ms there are until @end, which is in us; 0: it is over. */
static int ask_left(int64_t end)
{
    return MAX(0, (end - g_get_monotonic_time() + 999) / 1000);
}

/* lock held */
static void ask_await(RemoteLink *link, RemoteAsk *ask, int64_t end)
{
    int left;

    while (!ask->done && (left = ask_left(end))) {
        qemu_cond_timedwait(&ask->answered, &link->lock, left);
    }
}

/* lock held: @ask is over; @mine: the caller's, if it leads. */
static void ask_done(RemoteAsk *ask, const RemoteWire *wire,
                     const RemoteAsk *mine)
{
    ask->done = true;
    if (!ask->leads) {
        qemu_cond_signal(&ask->answered);
    } else if (ask != mine) {
        remote_wire_kick((RemoteWire *)wire);
    }
}

static ssize_t link_receive(RemoteLink *link, RemoteWire *wire,
                            LinkReader *reader);

/* lock held.  Returns: the wire, if @ask is to lead; to be unreferenced. */
static RemoteWire *ask_begin_to_lead(RemoteLink *link, RemoteAsk *ask)
{
    if (!link->wire || link->led) {
        return NULL;
    }
    link->led = true;
    ask->leads = true;
    return remote_wire_ref(link->wire);
}

/*
 * To sleep and to be woken takes longer than a server that is awake takes to
 * answer: so look for that long, if there is another processor for it, and if
 * the last answer, which took @us, would have been seen so.
 */
static unsigned spin_next(unsigned spin, int64_t us)
{
    if (us > SPIN_MAX || g_get_num_processors() == 1) {
        return 0;
    }
    return us <= spin ? spin : MIN(MAX(2 * spin, SPIN_MIN), SPIN_MAX);
}

/* Until @until, in us.  Returns: what link_receive() does. */
static ssize_t lead_spin(RemoteLink *link, RemoteWire *wire, LinkReader *reader,
                         int64_t until)
{
    ssize_t n;

    do {
        n = link_receive(link, wire, reader);
    } while (n == -EAGAIN && g_get_monotonic_time() < until);
    return n;
}

/* lock held, but not while it waits and reads */
static void ask_lead(RemoteLink *link, RemoteWire *wire, RemoteAsk *ask,
                     int64_t end)
{
    LinkReader reader = { .mine = ask, .budget = LEAD_MAX };
    int64_t begin = g_get_monotonic_time();
    unsigned spin = link->spin;
    ssize_t n = -EAGAIN;
    int left;

    if (spin && !ask->done) {
        qemu_mutex_unlock(&link->lock);
        n = lead_spin(link, wire, &reader, begin + spin);
        qemu_mutex_lock(&link->lock);
    }
    while (n && !ask->done && (left = ask_left(end))) {
        qemu_mutex_unlock(&link->lock);
        remote_wire_await(wire, left);
        n = link_receive(link, wire, &reader);
        qemu_mutex_lock(&link->lock);
    }
    link->spin = spin_next(spin, g_get_monotonic_time() - begin);
    ask->leads = false;
    link->led = false;
    qemu_mutex_unlock(&link->lock);
    remote_wire_follow(wire);
    remote_wire_unref(wire);
    qemu_mutex_lock(&link->lock);
}

int remote_link_ask(RemoteLink *link, VRPCommand command, const void *message,
                    const void *data, size_t len, void *answer,
                    GByteArray *more, RemoteWait wait)
{
    bool first_late = false;
    unsigned connection, patience;
    RemoteWire *wire;
    RemoteAsk *ask;
    VRPHeader h = { .command = command };
    int64_t end;
    int error;

    qemu_mutex_lock(&link->lock);
    if (link->state != LINK_UP) {
        qemu_mutex_unlock(&link->lock);
        return -ENOTCONN;
    }
    if (wait == REMOTE_WAIT_BRIEF && link->owed >= REMOTE_BRIEF_MAX) {
        link->stats.unanswered++;
        qemu_mutex_unlock(&link->lock);
        return -EBUSY;
    }
    patience = ask_patience(link, command, wait);
    if (!patience) {
        link_is_late(link);
        qemu_mutex_unlock(&link->lock);
        return -EBUSY;
    }
    ask = ask_new(link, command, &h.id);
    if (!ask) {
        qemu_mutex_unlock(&link->lock);
        remote_link_hang_up(link, "it does not answer");
        return -ETIMEDOUT;
    }
    ask->brief = wait == REMOTE_WAIT_BRIEF;
    ask->answer = answer;
    ask->more = more;
    wire = ask_begin_to_lead(link, ask);
    /* While it is up, only the link's thread changes it. */
    connection = qatomic_read(&link->connection);
    qemu_mutex_unlock(&link->lock);

    end = g_get_monotonic_time() + (int64_t)patience * 1000;
    if (wire) {
        /* Before the answer can be there */
        remote_wire_lead(wire);
    }
    link_write(link, connection,
               out_new(&h, vrp_shape(command)->fields, message, data, len));

    qemu_mutex_lock(&link->lock);
    if (wire) {
        ask_lead(link, wire, ask, end);
    }
    ask_await(link, ask, end);
    if (ask->done) {
        error = ask->error;
        link->stats.asked += !error;
        ask_free(ask);
    } else {
        error = -ETIMEDOUT;
        first_late = ask_abandon(link, ask);
    }
    qemu_mutex_unlock(&link->lock);
    if (first_late) {
        link->ops->late(link->opaque);
    }
    return error;
}

static void link_was_reset(RemoteLink *link, const void *message,
                           const uint8_t *data, size_t len)
{
    link->ops->reset(link->opaque);
}

bool remote_link_reset(RemoteLink *link)
{
    VRPHeader h = { .command = VRP_RESET };
    unsigned connection;
    RemoteAsk *ask;

    WITH_QEMU_LOCK_GUARD(&link->lock) {
        if (link->state != LINK_UP) {
            return false;
        }
        ask = ask_new(link, VRP_RESET, &h.id);
        if (ask) {
            ask->then = link_was_reset;
        }
        connection = qatomic_read(&link->connection);
    }
    if (!ask) {
        remote_link_hang_up(link, "it does not answer");
        return false;
    }
    link_write(link, connection,
               out_new(&h, vrp_shape(VRP_RESET)->fields, NULL, NULL, 0));
    return true;
}

void remote_link_post(RemoteLink *link, VRPCommand command,
                      const void *message, const void *data, size_t len,
                      int fd)
{
    VRPHeader h = { .command = command, .flags = VRP_FLAG_NO_REPLY };
    OutMessage *m = out_new(&h, vrp_shape(command)->fields, message, data,
                            len);

    if (fd >= 0) {
        m->fd = qemu_dup(fd);
    }
    link_write(link, 0, m);
}

void remote_link_reply(RemoteLink *link, unsigned connection,
                       const VRPHeader *h, int error, const void *message,
                       const void *data, size_t len)
{
    VRPHeader back = {
        .id = h->id,
        .command = h->command,
        .flags = VRP_TYPE_REPLY | (error ? VRP_FLAG_ERROR : 0),
        .error = error,
    };
    const char *fields = error ? NULL : vrp_shape(h->command)->answer;

    link_write(link, connection,
               out_new(&back, fields, message, data, error ? 0 : len));
}

unsigned remote_link_connection(RemoteLink *link)
{
    return qatomic_read(&link->connection);
}

/* What happens to the connection: the link's thread */

/* Whoever leads carries out nothing any more when this returns. */
static void link_end_wire(RemoteLink *link, RemoteWire *wire)
{
    WITH_QEMU_LOCK_GUARD(&wire->lock) {
        wire->over = true;
    }
    remote_wire_close(wire);
    g_source_destroy(link->wire_source);
    g_clear_pointer(&link->wire_source, g_source_unref);
}

static void link_down(RemoteLink *link, const char *reason)
{
    g_autoptr(RemoteWire) wire = link->wire;
    GHashTableIter iter;
    gpointer value;
    bool was_up;

    if (wire) {
        link_end_wire(link, wire);
    }
    out_restart(link, 0, NULL);
    g_byte_array_set_size(link->in, 0);
    WITH_QEMU_LOCK_GUARD(&link->lock) {
        link->wire = NULL;
        was_up = link->state == LINK_UP;
        link->state = LINK_DOWN;
        link->late = false;
        link->owed = 0;
        g_free(link->reason);
        link->reason = g_strdup(reason);
        g_hash_table_iter_init(&iter, link->asks);
        while (g_hash_table_iter_next(&iter, NULL, &value)) {
            RemoteAsk *ask = value;

            g_hash_table_iter_remove(&iter);
            if (ask->abandoned || ask->then) {
                ask_free(ask);
                continue;
            }
            ask->error = -ENOTCONN;
            ask_done(ask, wire, NULL);
        }
        qemu_cond_broadcast(&link->changed);
    }
    if (was_up) {
        link->ops->down(link->opaque, link->acted_on, reason);
    }
}

/* The handshake's next question */
static void link_greet(RemoteLink *link, VRPCommand command,
                       const void *message, const char *text,
                       void (*then)(RemoteLink *, const void *,
                                    const uint8_t *, size_t))
{
    VRPHeader h = { .command = command };

    WITH_QEMU_LOCK_GUARD(&link->lock) {
        ask_new(link, command, &h.id)->then = then;
    }
    link_write(link, qatomic_read(&link->connection),
               out_new(&h, vrp_shape(command)->fields, message, text,
                       text ? strlen(text) + 1 : 0));
}

static void link_region_known(RemoteLink *link, const void *message,
                              const uint8_t *data, size_t len)
{
    const VRPRegionInfo *info = message;
    const char *wrong;

    WITH_QEMU_LOCK_GUARD(&link->out_lock) {
        link->greeted = true;
    }
    wrong = link->ops->greet(link->opaque, info->size, &link->unit);
    if (wrong) {
        remote_link_hang_up(link, wrong);
        return;
    }
    WITH_QEMU_LOCK_GUARD(&link->lock) {
        link->state = LINK_UP;
        link->stats.connections++;
        g_clear_pointer(&link->reason, g_free);
        qemu_cond_broadcast(&link->changed);
    }
    link->ops->up(link->opaque);
}

static void link_version_known(RemoteLink *link, const void *message,
                               const uint8_t *data, size_t len)
{
    VRPRegionInfo info = { .argsz = sizeof(info) };
    const char *wrong = remote_hello_read(data, len, link->features,
                                          &link->unit);

    if (wrong) {
        remote_link_hang_up(link, wrong);
        return;
    }
    link_greet(link, VRP_REGION_INFO, &info, NULL, link_region_known);
}

static gboolean link_wire_ready(gint fd, GIOCondition cond, gpointer opaque)
{
    RemoteLink *link = opaque;
    RemoteWire *wire = link->wire;
    unsigned events = remote_wire_events(wire);

    if (events & REMOTE_WIRE_OUT) {
        QEMU_LOCK_GUARD(&link->out_lock);
        remote_wire_want_out(wire, false);
        link->watching = false;
        link_flush(link);
    }
    if (events & REMOTE_WIRE_IN) {
        link_receive(link, wire, NULL);
    }
    return G_SOURCE_CONTINUE;
}

/*
 * The socket that the connection is, if it is nothing but that: who reads past
 * the character device reads what it would have been told, and nothing is
 * recorded.
 */
static RemoteWire *link_wire(RemoteLink *link)
{
    Chardev *chr = qemu_chr_fe_get_driver(link->chr);
    SocketChardev *socket;

    if (!object_dynamic_cast(OBJECT(chr), TYPE_CHARDEV_SOCKET) ||
        chr->logfd >= 0 ||
        qemu_chr_has_feature(chr, QEMU_CHAR_FEATURE_REPLAY)) {
        return NULL;
    }
    socket = SOCKET_CHARDEV(chr);
    if (!socket->sioc || socket->ioc != QIO_CHANNEL(socket->sioc) ||
        socket->do_telnetopt) {
        return NULL;
    }
    return remote_wire_new(socket->sioc->fd);
}

static void link_listen_to_wire(RemoteLink *link, RemoteWire *wire)
{
    GMainContext *context = iothread_get_g_main_context(link->iothread);

    link->wire_source = g_unix_fd_source_new(remote_wire_fd(wire), G_IO_IN);
    g_source_set_callback(link->wire_source, G_SOURCE_FUNC(link_wire_ready),
                          link, NULL);
    /* It runs no loop; or it would be taken out while it runs, at some cost. */
    g_source_set_can_recurse(link->wire_source, true);
    g_source_attach(link->wire_source, context);
}

static void link_hello(RemoteLink *link, unsigned opening)
{
    VRPVersion version = { VRP_MAJOR, VRP_MINOR };
    g_autofree char *text = remote_hello(link->features);
    RemoteWire *wire = link_wire(link);

    /* It was about the connection before. */
    qatomic_set(&link->wrong, NULL);
    out_restart(link, opening, wire);
    if (wire) {
        link_listen_to_wire(link, wire);
    }
    link->unit = (RemoteUnit) { .kind = REMOTE_UNIT_OTHER };
    /* At once: who waits takes one without the other for a refusal. */
    WITH_QEMU_LOCK_GUARD(&link->lock) {
        link->acted_on = opening;
        link->wire = wire;
        link->state = LINK_GREETING;
    }
    link_greet(link, VRP_VERSION, &version, text, link_version_known);
}

/* It is over; what was said before that is heard. */
static void link_receive_rest(RemoteLink *link)
{
    unsigned most = OUT_MAX / REMOTE_WIRE_READ;

    while (link->wire && most-- && link_receive(link, link->wire, NULL) > 0) {
        /* Mostly the other end is closed, so there is an end. */
    }
}

static void link_rest_bh(void *opaque)
{
    RemoteLink *link = opaque;

    if (link->wire) {
        link_receive(link, link->wire, NULL);
    }
}

static void link_event_bh(void *opaque)
{
    RemoteLink *link = opaque;
    const char *wrong = qatomic_xchg(&link->wrong, NULL);
    unsigned openings = qatomic_read(&link->openings);

    if (wrong && link->state != LINK_DOWN) {
        trace_viommu_remote_hang_up(wrong);
        link_down(link, wrong);
        qemu_chr_fe_disconnect(link->chr);
    }
    if (link->state != LINK_DOWN &&
        (openings != link->acted_on || !qatomic_read(&link->opened))) {
        link_receive_rest(link);
        link_down(link, "the connection ended");
    }
    if (openings != link->acted_on && qatomic_read(&link->opened)) {
        link_hello(link, openings);
    }
}

static void link_event(void *opaque, QEMUChrEvent event)
{
    RemoteLink *link = opaque;

    if (event == CHR_EVENT_OPENED) {
        qatomic_set(&link->openings, link->openings + 1);
        qatomic_set(&link->opened, true);
    } else if (event == CHR_EVENT_CLOSED) {
        qatomic_set(&link->opened, false);
    } else {
        return;
    }
    qemu_bh_schedule(link->event_bh);
}

void remote_link_hang_up(RemoteLink *link, const char *reason)
{
    qatomic_set(&link->wrong, reason);
    qemu_bh_schedule(link->event_bh);
}

/* Reading: the link's thread, or who leads; the wire's lock held */

/* Returns: what is wrong with it, or NULL. */
static const char *link_answered(RemoteLink *link, LinkReader *reader,
                                 const VRPHeader *h, const void *message,
                                 const uint8_t *data, size_t len)
{
    const char *fields = vrp_shape(h->command)->answer;
    int error = h->flags & VRP_FLAG_ERROR ? -(int)MIN(h->error, 4095) : 0;
    void (*then)(RemoteLink *, const void *, const uint8_t *, size_t) = NULL;
    RemoteAsk *ask;

    WITH_QEMU_LOCK_GUARD(&link->lock) {
        ask = g_hash_table_lookup(link->asks, GUINT_TO_POINTER(h->id));
        if (!ask || ask->command != h->command) {
            return "it answers what it was not asked";
        }
        g_hash_table_remove(link->asks, GUINT_TO_POINTER(h->id));
        link->late = false;
        if (ask->abandoned || ask->then) {
            link->owed -= ask->abandoned && ask->brief;
            then = ask->then;
            ask_free(ask);
        } else {
            ask->error = h->flags & VRP_FLAG_ERROR && !error ? -EIO : error;
            if (!ask->error && ask->answer) {
                memcpy(ask->answer, message, vrp_fields_size(fields));
            }
            if (!ask->error && ask->more) {
                g_byte_array_append(ask->more, data, len);
            }
            ask_done(ask, link->wire, reader ? reader->mine : NULL);
            if (reader) {
                reader->done |= ask == reader->mine;
            }
        }
    }
    if (then) {
        if (h->flags & VRP_FLAG_ERROR) {
            return h->command == VRP_RESET ? "it refuses a reset" :
                   "it refuses the handshake";
        }
        then(link, message, data, len);
    }
    return NULL;
}

static const char *link_message(RemoteLink *link, LinkReader *reader,
                                const VRPHeader *h, const uint8_t *body)
{
    QEMU_ALIGNED(8) uint8_t message[VRP_FIXED_MAX];
    const char *wrong = vrp_check_server(h, body, link->unit.features, message);
    const VRPShape *shape = vrp_shape(h->command);
    bool reply = (h->flags & VRP_FLAG_TYPE) == VRP_TYPE_REPLY;
    size_t fixed;

    if (wrong) {
        return wrong;
    }
    fixed = h->flags & VRP_FLAG_ERROR ? 0 :
            vrp_fields_size(reply ? shape->answer : shape->fields);
    trace_viommu_remote_message(h->id, h->command, h->flags, h->size);
    if (reply) {
        return link_answered(link, reader, h, message, body + fixed,
                             h->size - sizeof(*h) - fixed);
    }
    if (link->state != LINK_UP) {
        return "it commands before the handshake is over";
    }
    return link->ops->command(link->opaque, h, message, body + fixed,
                              h->size - sizeof(*h) - fixed);
}

/* Is there a message in @in behind @at, or the beginning of what is none? */
static bool link_has_message(const GByteArray *in, size_t at)
{
    VRPHeader h;

    if (in->len - at < sizeof(h)) {
        return false;
    }
    vrp_unpack(VRP_HEADER_FIELDS, in->data + at, &h);
    return vrp_check_header(&h) || in->len - at >= h.size;
}

/*
 * Carry out what there is in @in; who leads, until its answer has come, and
 * within its budget.  Returns: true if there is more.
 */
static bool link_carry_out(RemoteLink *link, GByteArray *in,
                           LinkReader *reader)
{
    const char *wrong = NULL;
    size_t at = 0;
    bool more;

    while ((more = link_has_message(in, at)) && !wrong &&
           !qatomic_read(&link->wrong) &&
           !(reader && (reader->done || !reader->budget))) {
        VRPHeader h;

        vrp_unpack(VRP_HEADER_FIELDS, in->data + at, &h);
        wrong = vrp_check_header(&h);
        if (!wrong) {
            wrong = link_message(link, reader, &h, in->data + at + sizeof(h));
            at += h.size;
        }
        if (reader) {
            reader->budget--;
        }
    }
    g_byte_array_remove_range(in, 0, at);
    if (wrong) {
        remote_link_hang_up(link, wrong);
    }
    return more;
}

/* link_receive(), the wire's lock held */
static ssize_t link_receive_locked(RemoteLink *link, RemoteWire *wire,
                                   LinkReader *reader)
{
    ssize_t n;

    if (wire->over || qatomic_read(&link->wrong)) {
        return 0;
    }
    n = remote_wire_read(wire);
    if (link_carry_out(link, wire->in, reader) && reader) {
        qemu_bh_schedule(link->rest_bh);
        return 0;
    }
    if (!n) {
        remote_link_hang_up(link, "the connection ended");
    }
    return reader && !reader->budget ? 0 : n;
}

/*
 * What has come, without waiting.  @reader: who leads; NULL: the link's thread.
 * Returns: how many bytes that was; -EAGAIN: none; 0: there is nothing to be
 * read any more, or not by @reader.
 */
static ssize_t link_receive(RemoteLink *link, RemoteWire *wire,
                            LinkReader *reader)
{
    ssize_t n;

    WITH_QEMU_LOCK_GUARD(&wire->lock) {
        n = link_receive_locked(link, wire, reader);
    }
    link->ops->commanded(link->opaque, !reader);
    return n;
}

/* Without a wire the character device reads: the link's thread */

static int link_can_read(void *opaque)
{
    RemoteLink *link = opaque;

    return link->wire ? 0 : 1 << 16;
}

static void link_read(void *opaque, const uint8_t *buf, int size)
{
    RemoteLink *link = opaque;

    if (link->state == LINK_DOWN || qatomic_read(&link->wrong)) {
        return;
    }
    g_byte_array_append(link->in, buf, size);
    link_carry_out(link, link->in, NULL);
    /* The character device is in the middle of something. */
    link->ops->commanded(link->opaque, false);
}

/* Beginning and end */

RemoteLink *remote_link_new(CharBackend *chr, uint32_t timeout_ms,
                            uint32_t features, const RemoteLinkOps *ops,
                            void *opaque, Error **errp)
{
    g_autofree char *id = g_strdup_printf("viommu-remote-%s",
                                          qemu_chr_fe_get_driver(chr)->label);
    IOThread *iothread = iothread_create(id, errp);
    RemoteLink *link;

    if (!iothread) {
        return NULL;
    }
    link = g_new0(RemoteLink, 1);
    link->chr = chr;
    link->iothread = iothread;
    link->ops = ops;
    link->opaque = opaque;
    link->timeout_ms = timeout_ms;
    link->features = features;
    link->reason = g_strdup("it has not answered");
    link->asks = g_hash_table_new(NULL, NULL);
    link->in = g_byte_array_new();
    qemu_mutex_init(&link->lock);
    qemu_mutex_init(&link->out_lock);
    qemu_cond_init(&link->changed);
    g_queue_init(&link->out);
    link->event_bh = aio_bh_new(iothread_get_aio_context(iothread),
                                link_event_bh, link);
    link->rest_bh = aio_bh_new(iothread_get_aio_context(iothread),
                               link_rest_bh, link);
    return link;
}

/*
 * In the link's thread: it frees a socket's sources when the other end hangs
 * up, so nobody else may be putting them there, or taking them away.
 */
static void link_listen(void *opaque)
{
    RemoteLink *link = opaque;

    qemu_chr_fe_set_handlers(link->chr, link_can_read, link_read, link_event,
                             NULL, link,
                             iothread_get_g_main_context(link->iothread), true);
}

static void link_listen_no_more(void *opaque)
{
    RemoteLink *link = opaque;

    qemu_chr_fe_set_handlers(link->chr, NULL, NULL, NULL, NULL, NULL, NULL,
                             true);
    if (link->wire) {
        link_end_wire(link, link->wire);
        g_clear_pointer(&link->wire, remote_wire_unref);
    }
}

bool remote_link_wait(RemoteLink *link, unsigned ms, Error **errp)
{
    int64_t end = g_get_monotonic_time() + (int64_t)ms * 1000;

    /* From now on its thread calls .ops. */
    aio_wait_bh_oneshot(iothread_get_aio_context(link->iothread), link_listen,
                        link);
    QEMU_LOCK_GUARD(&link->lock);
    /* A connection that has ended does not come up by itself. */
    while (link->state != LINK_UP &&
           (link->state == LINK_GREETING || !link->acted_on)) {
        int64_t left = (end - g_get_monotonic_time()) / 1000;

        if (left <= 0) {
            break;
        }
        qemu_cond_timedwait(&link->changed, &link->lock, left);
    }
    if (link->state != LINK_UP) {
        error_setg(errp, "viommu-remote: the server at chardev '%s' will not "
                   "do: %s", qemu_chr_fe_get_driver(link->chr)->label,
                   link->reason);
        return false;
    }
    return true;
}

void remote_link_free(RemoteLink *link)
{
    aio_wait_bh_oneshot(iothread_get_aio_context(link->iothread),
                        link_listen_no_more, link);
    qemu_bh_delete(link->event_bh);
    qemu_bh_delete(link->rest_bh);
    iothread_destroy(link->iothread);
    out_restart(link, 0, NULL);
    g_hash_table_unref(link->asks);
    g_byte_array_unref(link->in);
    qemu_cond_destroy(&link->changed);
    qemu_mutex_destroy(&link->out_lock);
    qemu_mutex_destroy(&link->lock);
    g_free(link->reason);
    g_free(link);
}

bool remote_link_is_up(RemoteLink *link)
{
    QEMU_LOCK_GUARD(&link->lock);
    return link->state == LINK_UP;
}

void remote_link_stats(RemoteLink *link, RemoteLinkStats *stats)
{
    QEMU_LOCK_GUARD(&link->lock);
    *stats = link->stats;
}

size_t remote_link_backlog(RemoteLink *link)
{
    QEMU_LOCK_GUARD(&link->out_lock);
    return link->out_bytes;
}

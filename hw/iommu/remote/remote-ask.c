/*
 * A vIOMMU outside the VMM: who waits for an answer
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/coroutine-tls.h"
#include "qemu/lockable.h"
#include "qemu/main-loop.h"
#include "remote-link-internal.h"

/* What may wait to be answered.  A guest can cause it. */
#define ASKS_MAX 4096
/* Who waits in vain for a server that is late does so in one of so many ms. */
#define LATE_SHARE 10
/* So many messages that are not its answer who leads carries out */
#define LEAD_MAX 64
/* So many us who leads looks on before it sleeps, at most, and at first */
#define SPIN_MAX 50
#define SPIN_MIN 10

void remote_ask_free(RemoteAsk *ask)
{
    qemu_cond_destroy(&ask->answered);
    g_free(ask);
}

/*
 * lock held.  NULL: so many are waiting that the server cannot be alive.  The
 * answer's @id.
 */
RemoteAsk *remote_ask_new(RemoteLink *link, VRPCommand command, uint16_t *id)
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
void remote_ask_done(RemoteAsk *ask, const RemoteWire *wire,
                     const RemoteAsk *mine)
{
    ask->done = true;
    if (!ask->leads) {
        qemu_cond_signal(&ask->answered);
    } else if (ask != mine) {
        remote_wire_kick((RemoteWire *)wire);
    }
}

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

/* Until @until, in us.  Returns: what remote_read() does. */
static ssize_t lead_spin(RemoteLink *link, RemoteWire *wire,
                         RemoteReader *reader, int64_t until)
{
    ssize_t n;

    do {
        n = remote_read(link, wire, reader);
    } while (n == -EAGAIN && g_get_monotonic_time() < until);
    return n;
}

/* lock held, but not while it waits and reads */
static void ask_lead(RemoteLink *link, RemoteWire *wire, RemoteAsk *ask,
                     int64_t end)
{
    RemoteReader reader = { .mine = ask, .budget = LEAD_MAX };
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
        n = remote_read(link, wire, &reader);
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
    ask = remote_ask_new(link, command, &h.id);
    if (!ask) {
        qemu_mutex_unlock(&link->lock);
        remote_link_hang_up(link, "it does not answer");
        return -ETIMEDOUT;
    }
    ask->brief = wait == REMOTE_WAIT_BRIEF;
    ask->answer = answer;
    ask->more = more;
    wire = ask_begin_to_lead(link, ask);
    connection = link->acted_on;
    qemu_mutex_unlock(&link->lock);

    end = g_get_monotonic_time() + (int64_t)patience * 1000;
    if (wire) {
        /* Before the answer can be there */
        remote_wire_lead(wire);
    }
    remote_out_write(link, connection,
                     remote_out_new(&h, vrp_shape(command)->fields, message,
                                    data, len));

    qemu_mutex_lock(&link->lock);
    if (wire) {
        ask_lead(link, wire, ask, end);
    }
    ask_await(link, ask, end);
    if (ask->done) {
        error = ask->error;
        link->stats.asked += !error;
        remote_ask_free(ask);
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

static void link_has_stopped(RemoteLink *link, const void *message,
                             const uint8_t *data, size_t len)
{
    link->ops->stopped(link->opaque);
}

/*
 * Send it if the link is in @state; @then, once it is answered.  Returns: false
 * if it is not.
 */
static bool link_ask_for_later(RemoteLink *link, RemoteLinkState state,
                               VRPCommand command, const void *message,
                               void (*then)(RemoteLink *, const void *,
                                            const uint8_t *, size_t))
{
    VRPHeader h = { .command = command };
    unsigned connection;
    RemoteAsk *ask;

    WITH_QEMU_LOCK_GUARD(&link->lock) {
        if (link->state != state) {
            return false;
        }
        ask = remote_ask_new(link, command, &h.id);
        if (ask) {
            ask->then = then;
        }
        connection = link->acted_on;
    }
    if (!ask) {
        remote_link_hang_up(link, "it does not answer");
        return false;
    }
    remote_out_write(link, connection,
                     remote_out_new(&h, vrp_shape(command)->fields, message,
                                    NULL, 0));
    return true;
}

bool remote_link_reset(RemoteLink *link)
{
    return link_ask_for_later(link, LINK_UP, VRP_RESET, NULL, link_was_reset);
}

bool remote_link_reset_first(RemoteLink *link)
{
    return link_ask_for_later(link, LINK_GREETING, VRP_RESET, NULL,
                              link_was_reset);
}

bool remote_link_stop(RemoteLink *link)
{
    const VRPRun run = { .running = 0 };

    return link_ask_for_later(link, LINK_UP, VRP_RUN, &run, link_has_stopped);
}

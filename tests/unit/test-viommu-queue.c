/*
 * The command-queue engine, with a drain played by the test
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/iommu/viommu-queue.h"
#include "loop-world.h"

/* The drain */

struct VIOMMU {
    bool stale;              /* something is in flight: fences wait */
    unsigned asked;          /* fences that had to wait */
    unsigned cancelled;
    bool collecting;         /* commands are taken up */
    unsigned views;          /* changed so far */
    DMAFence *fence;         /* the one that waits */
    void (*done)(void *opaque);
    void *opaque;
};

bool viommu_fence(VIOMMU *v, DMAFence *fence, void (*done)(void *opaque),
                  void *opaque)
{
    g_assert_cmpuint(fence->seq, ==, 0);
    if (!v->stale) {
        return true;
    }
    g_assert_null(v->fence);
    v->asked++;
    fence->seq = 1;
    v->fence = fence;
    v->done = done;
    v->opaque = opaque;
    return false;
}

void viommu_fence_cancel(VIOMMU *v, DMAFence *fence)
{
    if (fence->seq) {
        g_assert_true(v->fence == fence);
        v->cancelled++;
        v->fence = NULL;
        fence->seq = 0;
    }
}

unsigned viommu_views(const VIOMMU *v)
{
    return v->views;
}

void viommu_collect_begin(VIOMMU *v)
{
    g_assert_false(v->collecting);
    v->collecting = true;
}

void viommu_collect_end(VIOMMU *v)
{
    g_assert_true(v->collecting);
    v->collecting = false;
}

static void drain(VIOMMU *v)
{
    DMAFence *fence = v->fence;

    g_assert_nonnull(fence);
    v->fence = NULL;
    fence->seq = 0;
    v->done(v->opaque);
}

/* The machine, of one queue at a time */

static struct VMChangeStateEntry {
    void (*cb)(void *opaque, bool running, RunState state);
    void *opaque;
} the_handler;

VMChangeStateEntry *qemu_add_vm_change_state_handler(
    void (*cb)(void *opaque, bool running, RunState state), void *opaque)
{
    the_handler = (VMChangeStateEntry) { .cb = cb, .opaque = opaque };
    return &the_handler;
}

static void set_running(bool running)
{
    machine_runs = running;
    the_handler.cb(the_handler.opaque, running, 0);
}

/* A model: letters for entries */

typedef struct Model {
    VIOMMU v;
    VIOMMUQueue q;
    /* '.': nothing, 'V': a view changes, 'F': a fence, 'E': an error */
    const char *entries;
    unsigned head, tail;
    bool on, error;
    unsigned taken;          /* entries taken up, in this go */
    unsigned completed;
    unsigned rested;
    void (*on_complete)(struct Model *m);
    QemuMutex lock;
    VIOMMUEvents events;
    unsigned written;
    void (*on_event)(struct Model *m);
    void (*on_told)(struct Model *m);
    bool again;              /* that turns it on again */
} Model;

static bool model_ready(void *opaque)
{
    Model *m = opaque;

    return m->on && !m->error && m->head < m->tail;
}

static VIOMMUQueueStep model_take_up(void *opaque)
{
    Model *m = opaque;

    g_assert_true(model_ready(m));
    m->taken++;
    switch (m->entries ? m->entries[m->head] : '.') {
    case 'F':
        return VIOMMU_QUEUE_FENCE;
    case 'E':
        m->error = true;
        return VIOMMU_QUEUE_NEXT;
    case 'V':
        m->v.views++;
        m->head++;
        return VIOMMU_QUEUE_NEXT;
    default:
        m->head++;
        return VIOMMU_QUEUE_NEXT;
    }
}

static void model_complete(void *opaque)
{
    Model *m = opaque;

    m->completed++;
    m->head++;
    if (m->on_complete) {
        m->on_complete(m);
    }
}

static void model_rested(void *opaque)
{
    Model *m = opaque;

    m->rested++;
}

static const VIOMMUQueueOps model_ops = {
    .name = "model",
    .ready = model_ready,
    .take_up = model_take_up,
    .complete = model_complete,
    .rested = model_rested,
};

static void model_init(Model *m, const char *entries)
{
    *m = (Model) {
        .entries = entries,
        .tail = entries ? strlen(entries) : 0,
        .on = true,
    };
    world_begin();
    viommu_queue_init(&m->q, &m->v, &model_ops, NULL, m);
}

static void event_write(void *opaque, const void *record)
{
    Model *m = opaque;

    m->written++;
    if (m->on_event) {
        m->on_event(m);
    }
}

static void event_lost(void *opaque)
{
}

static void event_told(void *opaque)
{
    Model *m = opaque;

    if (m->on_told) {
        m->on_told(m);
    }
}

static const VIOMMUEventsOps event_ops = {
    .name = "model",
    .size = 1,
    .write = event_write,
    .lost = event_lost,
    .told = event_told,
};

/* A model whose fences are behind so many events */
static void model_init_events(Model *m, const char *entries, unsigned n)
{
    model_init(m, entries);
    world_begin();
    qemu_mutex_init(&m->lock);
    viommu_events_init(&m->events, &m->lock, &event_ops, m);
    viommu_queue_init(&m->q, &m->v, &model_ops, &m->events, m);
    while (n--) {
        g_assert_true(viommu_events_add(&m->events, "e", SIZE_MAX));
    }
}

static void test_order(void)
{
    Model m;

    model_init(&m, "..F.");
    viommu_queue_run(&m.q);
    g_assert_cmpuint(m.head, ==, 4);
    g_assert_cmpuint(m.completed, ==, 1);
    g_assert_cmpuint(m.rested, ==, 1);
    g_assert_false(main_loop_due());
}

/* What one register write may cost */
static void test_budget(void)
{
    Model m;
    unsigned goes = 0;

    model_init(&m, NULL);
    m.tail = 3 * VIOMMU_QUEUE_BUDGET + 1;
    viommu_queue_run(&m.q);
    g_assert_cmpuint(m.taken, ==, VIOMMU_QUEUE_BUDGET);
    do {
        m.taken = 0;
        goes++;
    } while (main_loop_once() && m.taken <= VIOMMU_QUEUE_BUDGET);
    g_assert_cmpuint(m.head, ==, m.tail);
    g_assert_cmpuint(goes, ==, 4);
    g_assert_false(main_loop_once());
}

/* What is behind one that has changed a view follows later, in its order. */
static void test_views(void)
{
    static const unsigned heads[] = { 2, 3, 6, 7 };
    Model m;

    model_init(&m, ".VV.FV.");
    viommu_queue_run(&m.q);
    for (unsigned i = 0; i < G_N_ELEMENTS(heads); i++) {
        g_assert_cmpuint(m.head, ==, heads[i]);
        g_assert_cmpint(main_loop_once(), ==, i + 1 < G_N_ELEMENTS(heads));
    }
    g_assert_cmpuint(m.completed, ==, 1);

    /* Nobody waits for the BQL when the machine has stopped. */
    model_init(&m, ".VV.FV.");
    set_running(false);
    g_assert_cmpuint(m.head, ==, 7);
    g_assert_false(main_loop_due());
}

/* No bottom half is left over where the budget was just enough. */
static void test_budget_exact(void)
{
    Model m;

    model_init(&m, NULL);
    m.tail = VIOMMU_QUEUE_BUDGET;
    viommu_queue_run(&m.q);
    g_assert_cmpuint(m.head, ==, m.tail);
    g_assert_false(main_loop_due());
}

static void test_fence(void)
{
    Model m;

    model_init(&m, ".F.F.");
    m.v.stale = true;
    viommu_queue_run(&m.q);
    g_assert_cmpuint(m.head, ==, 1);
    g_assert_true(viommu_queue_waits(&m.q));

    /* A tail write meanwhile changes nothing. */
    viommu_queue_run(&m.q);
    main_loop_once();
    g_assert_cmpuint(m.taken, ==, 2);
    g_assert_cmpuint(m.completed, ==, 0);

    drain(&m.v);
    g_assert_cmpuint(m.completed, ==, 1);
    g_assert_cmpuint(m.head, ==, 3);
    m.v.stale = false;
    drain(&m.v);
    g_assert_cmpuint(m.completed, ==, 2);
    g_assert_cmpuint(m.head, ==, 5);
    g_assert_false(viommu_queue_waits(&m.q));
}

static void test_error(void)
{
    Model m;

    model_init(&m, ".E.");
    viommu_queue_run(&m.q);
    viommu_queue_run(&m.q);
    g_assert_cmpuint(m.head, ==, 1);
    g_assert_cmpuint(m.taken, ==, 2);

    m.error = false;
    m.entries = "...";
    viommu_queue_run(&m.q);
    g_assert_cmpuint(m.head, ==, 3);
}

static void run_again(Model *m)
{
    unsigned head = m->head;

    m->tail = strlen(m->entries);
    viommu_queue_run(&m->q);
    /* The outer run does it, once we are done. */
    g_assert_cmpuint(m->head, ==, head);
}

/* The signal of a fence writes the tail: at once, and after a wait */
static void test_reentry(void)
{
    Model m;

    for (unsigned wait = 0; wait < 2; wait++) {
        model_init(&m, "F..");
        m.tail = 1;
        m.v.stale = wait;
        m.on_complete = run_again;
        viommu_queue_run(&m.q);
        if (wait) {
            g_assert_cmpuint(m.completed, ==, 0);
            drain(&m.v);
        }
        g_assert_cmpuint(m.completed, ==, 1);
        g_assert_cmpuint(m.head, ==, 3);
    }
}

static void turn_off(Model *m)
{
    m->on = false;
    viommu_queue_off(&m->q);
}

/* ... or turns the queue off */
static void test_off_in_complete(void)
{
    Model m;

    model_init(&m, "F..");
    m.on_complete = turn_off;
    viommu_queue_run(&m.q);
    g_assert_cmpuint(m.head, ==, 1);
    g_assert_false(main_loop_once());
}

/*
 * Off and on again at a fence: it is completed once, after the drain, and the
 * fence that it asked for first goes on (its clock with it).
 */
static void test_off_at_fence(void)
{
    Model m;

    model_init(&m, "F.");
    m.v.stale = true;
    viommu_queue_run(&m.q);
    turn_off(&m);
    g_assert_false(viommu_queue_waits(&m.q));
    m.on = true;
    viommu_queue_run(&m.q);
    g_assert_true(viommu_queue_waits(&m.q));
    g_assert_cmpuint(m.v.asked, ==, 1);
    g_assert_cmpuint(m.v.cancelled, ==, 0);

    /* What was begun in between may take longer. */
    drain(&m.v);
    g_assert_cmpuint(m.v.asked, ==, 2);
    g_assert_cmpuint(m.completed, ==, 0);
    m.v.stale = false;
    drain(&m.v);
    g_assert_cmpuint(m.completed, ==, 1);
    g_assert_cmpuint(m.head, ==, 2);

    /* Off for good: nothing is completed. */
    model_init(&m, "F.");
    m.v.stale = true;
    viommu_queue_run(&m.q);
    turn_off(&m);
    drain(&m.v);
    g_assert_cmpuint(m.completed, ==, 0);
    g_assert_cmpuint(m.head, ==, 0);
}

static void test_cancel(void)
{
    Model m;

    model_init(&m, "F.");
    m.v.stale = true;
    viommu_queue_run(&m.q);
    viommu_queue_cancel(&m.q);
    g_assert_null(m.v.fence);
    g_assert_false(viommu_queue_waits(&m.q));

    model_init(&m, NULL);
    m.tail = 2 * VIOMMU_QUEUE_BUDGET;
    viommu_queue_run(&m.q);
    viommu_queue_cancel(&m.q);
    g_assert_false(main_loop_once());
    g_assert_cmpuint(m.head, ==, VIOMMU_QUEUE_BUDGET);
}

/*
 * A guest whose fences put in as many entries as are taken out: a machine that
 * stops does so, and the rest is done when it runs.
 */
static void one_more_entry(Model *m)
{
    m->tail++;
}

static void test_stop_endless(void)
{
    g_autofree char *entries = g_strnfill(3 * VIOMMU_QUEUE_LONGEST, 'F');
    unsigned head;
    Model m;

    model_init(&m, entries);
    m.tail = 1;
    m.on_complete = one_more_entry;
    set_running(false);
    g_assert_cmpuint(m.head, ==, VIOMMU_QUEUE_LONGEST);
    g_assert_false(main_loop_due());
    head = m.head;
    set_running(true);
    g_assert_cmpuint(m.head, ==, head + VIOMMU_QUEUE_BUDGET);
    g_assert_true(main_loop_due());
}

/* A machine that stops: nothing is left but what the drain holds up. */
static void test_stop(void)
{
    Model m;

    model_init(&m, NULL);
    m.tail = 5 * VIOMMU_QUEUE_BUDGET;
    viommu_queue_run(&m.q);
    g_assert_cmpuint(m.head, ==, VIOMMU_QUEUE_BUDGET);
    set_running(false);
    g_assert_cmpuint(m.head, ==, m.tail);

    /* Loaded with a fence at the head: done again when the machine runs. */
    m.entries = "F.";
    m.head = 0;
    m.tail = 2;
    set_running(true);
    g_assert_cmpuint(m.completed, ==, 1);
    g_assert_cmpuint(m.head, ==, 2);
}

/* Events that there are at a fence are written before it is completed. */
static void test_events(void)
{
    const unsigned n = 2 * VIOMMU_EVENTS_BUDGET;
    Model m;

    for (unsigned wait = 0; wait < 2; wait++) {
        model_init_events(&m, ".F.F.", n + 1);
        m.v.stale = wait;
        viommu_queue_run(&m.q);
        if (wait) {
            g_assert_cmpuint(m.written, ==, 0);
            m.v.stale = false;
            drain(&m.v);
        }
        /* One go, and the rest from the main loop; the guest runs meanwhile. */
        g_assert_cmpuint(m.written, ==, VIOMMU_EVENTS_BUDGET);
        g_assert_cmpuint(m.completed, ==, 0);
        g_assert_true(viommu_queue_waits(&m.q));
        viommu_queue_run(&m.q);
        g_assert_cmpuint(m.written, ==, VIOMMU_EVENTS_BUDGET);
        main_loop_once();
        g_assert_cmpuint(m.written, ==, n + 1);
        g_assert_cmpuint(m.head, ==, 5);
        g_assert_cmpuint(m.completed, ==, 2);
        /* The events' own bottom half finds nothing left. */
        main_loop_once();
        g_assert_false(main_loop_once());
    }
}

/* Those that come later do not hold it up, however many there are. */
static void one_more(Model *m)
{
    g_assert_true(viommu_events_add(&m->events, "e", SIZE_MAX));
}

static void test_events_go_on(void)
{
    Model m;

    model_init_events(&m, "F", 10);
    m.on_event = one_more;
    viommu_queue_run(&m.q);
    g_assert_cmpuint(m.completed, ==, 1);
    g_assert_cmpuint(m.written, ==, 10);
}

/* Turned off, or a machine that stops, while they are written */
static void test_events_off(void)
{
    Model m;

    model_init_events(&m, "F", 2 * VIOMMU_EVENTS_BUDGET);
    viommu_queue_run(&m.q);
    turn_off(&m);
    main_loop_all();
    g_assert_cmpuint(m.written, ==, 2 * VIOMMU_EVENTS_BUDGET);
    g_assert_cmpuint(m.completed, ==, 0);
    m.on = true;
    viommu_queue_run(&m.q);
    g_assert_cmpuint(m.completed, ==, 1);

    model_init_events(&m, "F", 3 * VIOMMU_EVENTS_BUDGET);
    viommu_queue_run(&m.q);
    g_assert_cmpuint(m.completed, ==, 0);
    set_running(false);
    g_assert_cmpuint(m.written, ==, 3 * VIOMMU_EVENTS_BUDGET);
    g_assert_cmpuint(m.completed, ==, 1);
}

/* What an event writes runs the queue, up to a fence: that is behind it. */
static void run_to_fence(Model *m)
{
    if (!m->tail) {
        m->tail = 1;
        viommu_queue_run(&m->q);
        g_assert_cmpuint(m->completed, ==, 0);
    }
}

static void test_events_reentry(void)
{
    Model m;

    for (unsigned n = 1; n < 3; n++) {
        model_init_events(&m, "F", n);
        m.tail = 0;
        m.on_event = run_to_fence;
        viommu_events_write(&m.events);
        g_assert_cmpuint(m.written, ==, n);
        main_loop_once();
        g_assert_cmpuint(m.completed, ==, 1);
    }
}

/*
 * The interrupt of the events turns the queue off, and some on again: what is
 * at its head is then taken up anew, and completed once.
 */
static void off_and_on(Model *m)
{
    m->on_told = NULL;
    turn_off(m);
    m->on = m->again;
    viommu_queue_run(&m->q);
}

static void test_events_off_when_told(void)
{
    static const unsigned numbers[] = { 1, 2 * VIOMMU_EVENTS_BUDGET };

    for (unsigned i = 0; i < 8; i++) {
        unsigned n = numbers[i / 4];
        Model m;

        model_init_events(&m, "F.", n);
        m.on_told = off_and_on;
        m.again = i & 1;
        m.v.stale = i & 2;
        viommu_queue_run(&m.q);
        if (m.v.stale) {
            m.v.stale = false;
            drain(&m.v);
        }
        main_loop_all();
        if (!m.again) {
            g_assert_cmpuint(m.completed, ==, 0);
            m.on = true;
            viommu_queue_run(&m.q);
            main_loop_all();
        }
        g_assert_cmpuint(m.written, ==, n);
        g_assert_cmpuint(m.completed, ==, 1);
        g_assert_cmpuint(m.head, ==, 2);
    }
}

/* However many come, those of before are what a fence is behind. */
static void more_and_more(Model *m)
{
    if (!m->completed) {
        g_assert_true(viommu_events_add(&m->events, "e", SIZE_MAX));
    }
}

static void test_events_flood(void)
{
    Model m;

    model_init_events(&m, "F", VIOMMU_EVENTS_BUDGET + 10);
    m.on_event = more_and_more;
    viommu_queue_run(&m.q);
    g_assert_cmpuint(m.completed, ==, 0);
    main_loop_once();
    g_assert_cmpuint(m.completed, ==, 1);
}

/* Two fences, each behind what there is at its time */
static void more_at_first(Model *m)
{
    for (unsigned i = 0; m->completed == 1 && i < VIOMMU_EVENTS_BUDGET + 1;
         i++) {
        g_assert_true(viommu_events_add(&m->events, "e", SIZE_MAX));
    }
}

static void test_events_two_fences(void)
{
    const unsigned n = VIOMMU_EVENTS_BUDGET + 1;
    Model m;

    model_init_events(&m, "FF", n);
    m.on_complete = more_at_first;
    viommu_queue_run(&m.q);
    g_assert_cmpuint(m.completed, ==, 0);
    while (m.completed < 2) {
        unsigned before = m.written;

        g_assert_true(main_loop_once());
        g_assert_true(m.completed < 2 || before == 2 * n || m.written == 2 * n);
    }
    g_assert_cmpuint(m.written, ==, 2 * n);
}

/* Off while events are written, and then something else is in the queue. */
static void test_events_off_other(void)
{
    Model m;

    model_init_events(&m, "F", 2 * VIOMMU_EVENTS_BUDGET);
    viommu_queue_run(&m.q);
    g_assert_true(viommu_queue_waits(&m.q));
    turn_off(&m);
    m.entries = NULL;
    m.tail = 3 * VIOMMU_QUEUE_BUDGET;
    m.on = true;
    viommu_queue_run(&m.q);
    main_loop_all();
    g_assert_cmpuint(m.head, ==, m.tail);
    g_assert_cmpuint(m.completed, ==, 0);
}

/* A command in a register */

static unsigned reported;

static void report(void *opaque)
{
    reported++;
}

static void test_busy(void)
{
    VIOMMU v = { 0 };
    VIOMMUBusy busy;

    reported = 0;
    viommu_busy_init(&busy, &v, report, NULL);
    g_assert_true(viommu_busy_begin(&busy));
    g_assert_false(viommu_busy_pending(&busy));

    /* Ten commands while the first waits: one fence, and one more after it */
    v.stale = true;
    for (unsigned i = 0; i < 10; i++) {
        g_assert_false(viommu_busy_begin(&busy));
    }
    g_assert_true(viommu_busy_pending(&busy));
    g_assert_cmpuint(v.asked, ==, 1);
    g_assert_cmpuint(v.cancelled, ==, 0);
    drain(&v);
    g_assert_cmpuint(v.asked, ==, 2);
    g_assert_cmpuint(reported, ==, 0);
    drain(&v);
    g_assert_cmpuint(reported, ==, 1);
    g_assert_false(viommu_busy_pending(&busy));

    g_assert_false(viommu_busy_begin(&busy));
    g_assert_false(viommu_busy_begin(&busy));
    viommu_busy_cancel(&busy);
    g_assert_false(viommu_busy_pending(&busy));
    /* What was begun before it is forgotten. */
    g_assert_false(viommu_busy_begin(&busy));
    drain(&v);
    g_assert_cmpuint(reported, ==, 2);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/viommu-queue/order", test_order);
    g_test_add_func("/viommu-queue/budget", test_budget);
    g_test_add_func("/viommu-queue/budget-exact", test_budget_exact);
    g_test_add_func("/viommu-queue/views", test_views);
    g_test_add_func("/viommu-queue/fence", test_fence);
    g_test_add_func("/viommu-queue/error", test_error);
    g_test_add_func("/viommu-queue/reentry", test_reentry);
    g_test_add_func("/viommu-queue/off-in-complete", test_off_in_complete);
    g_test_add_func("/viommu-queue/off-at-fence", test_off_at_fence);
    g_test_add_func("/viommu-queue/cancel", test_cancel);
    g_test_add_func("/viommu-queue/stop", test_stop);
    g_test_add_func("/viommu-queue/events", test_events);
    g_test_add_func("/viommu-queue/events-go-on", test_events_go_on);
    g_test_add_func("/viommu-queue/events-off", test_events_off);
    g_test_add_func("/viommu-queue/events-reentry", test_events_reentry);
    g_test_add_func("/viommu-queue/events-off-when-told",
                    test_events_off_when_told);
    g_test_add_func("/viommu-queue/events-flood", test_events_flood);
    g_test_add_func("/viommu-queue/events-two-fences", test_events_two_fences);
    g_test_add_func("/viommu-queue/events-off-other", test_events_off_other);
    g_test_add_func("/viommu-queue/stop-endless", test_stop_endless);
    g_test_add_func("/viommu-queue/busy", test_busy);
    return g_test_run();
}

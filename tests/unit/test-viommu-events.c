/*
 * What a unit has to tell its guest: order, room, bounds, and threads
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include <malloc.h>
#include "hw/iommu/viommu-events.h"
#include "loop-world.h"

/* A unit: what its guest has been told */

typedef struct Record {
    unsigned thread, number;
} Record;

typedef struct Unit {
    QemuMutex lock;
    VIOMMUEvents events;
    GArray *log;
    unsigned lost, told;
    void (*on_write)(struct Unit *u);
} Unit;

static void unit_write(void *opaque, const void *record)
{
    Unit *u = opaque;
    Record r = *(const Record *)record;

    g_array_append_val(u->log, r);
    if (u->on_write) {
        u->on_write(u);
    }
}

static void unit_lost(void *opaque)
{
    Unit *u = opaque;

    u->lost++;
}

static void unit_told(void *opaque)
{
    Unit *u = opaque;

    u->told++;
}

static const VIOMMUEventsOps unit_ops = {
    .name = "unit",
    .size = sizeof(Record),
    .write = unit_write,
    .lost = unit_lost,
    .told = unit_told,
};

static void unit_init_ops(Unit *u, const VIOMMUEventsOps *ops)
{
    *u = (Unit) { .log = g_array_new(false, false, sizeof(Record)) };
    qemu_mutex_init(&u->lock);
    world_begin();
    viommu_events_init(&u->events, &u->lock, ops, u);
}

static void unit_init(Unit *u)
{
    unit_init_ops(u, &unit_ops);
}

static void unit_free(Unit *u)
{
    g_array_free(u->log, true);
    g_array_free(u->events.in, true);
    g_array_free(u->events.out, true);
    qemu_mutex_destroy(&u->lock);
}

static bool add(Unit *u, unsigned thread, unsigned number, size_t room)
{
    const Record r = { .thread = thread, .number = number };
    bool taken;

    qemu_mutex_lock(&u->lock);
    taken = viommu_events_add(&u->events, &r, room);
    qemu_mutex_unlock(&u->lock);
    return taken;
}

static void add_some(Unit *u, unsigned from, unsigned n)
{
    for (unsigned i = from; i < from + n; i++) {
        g_assert_true(add(u, 0, i, SIZE_MAX));
    }
}

static void check_log(const Unit *u, unsigned n)
{
    g_assert_cmpuint(u->log->len, ==, n);
    for (unsigned i = 0; i < n; i++) {
        g_assert_cmpuint(g_array_index(u->log, Record, i).number, ==, i);
    }
}

/* At once by who has the big lock, otherwise from the main loop */
static void test_who(void)
{
    Unit u;

    unit_init(&u);
    g_assert_true(viommu_events_none(&u.events));
    add_some(&u, 0, 1);
    g_assert_false(viommu_events_none(&u.events));
    viommu_events_go(&u.events);
    g_assert_cmpuint(u.log->len, ==, 0);
    g_assert_true(main_loop_once());
    check_log(&u, 1);

    has_bql = true;
    add_some(&u, 1, 1);
    viommu_events_go(&u.events);
    has_bql = false;
    check_log(&u, 2);
    g_assert_false(main_loop_once());
    g_assert_cmpuint(u.told, ==, 2);

    /* Nothing to tell, nothing told */
    viommu_events_write(&u.events);
    g_assert_cmpuint(u.told, ==, 2);
    unit_free(&u);
}

static void test_budget(void)
{
    const unsigned n = 3 * VIOMMU_EVENTS_BUDGET + 5;
    unsigned goes = 0;
    Unit u;

    unit_init(&u);
    add_some(&u, 0, n);
    viommu_events_write(&u.events);
    g_assert_cmpuint(u.log->len, ==, VIOMMU_EVENTS_BUDGET);
    /* What comes meanwhile is behind the rest. */
    add_some(&u, n, 2);
    while (main_loop_once()) {
        goes++;
        g_assert_cmpuint(u.log->len, <=, (goes + 1) * VIOMMU_EVENTS_BUDGET);
    }
    g_assert_cmpuint(goes, ==, 3);
    g_assert_cmpuint(u.told, ==, 4);
    check_log(&u, n + 2);

    /* Just enough: no bottom half is left over. */
    add_some(&u, n + 2, VIOMMU_EVENTS_BUDGET);
    viommu_events_write(&u.events);
    g_assert_false(main_loop_once());
    unit_free(&u);
}

static void refill(Unit *u)
{
    add_some(u, u->log->len, 1);
}

/* As many come as are written: each is of the next go. */
static void test_go_on(void)
{
    Unit u;

    unit_init(&u);
    u.on_write = refill;
    add_some(&u, 0, 1);
    viommu_events_write(&u.events);
    check_log(&u, 1);
    g_assert_true(main_loop_once());
    check_log(&u, 2);
    unit_free(&u);
}

/* Nobody waits for the big lock when the machine has stopped. */
static void test_stopped(void)
{
    const unsigned n = 3 * VIOMMU_EVENTS_BUDGET;
    Unit u;

    unit_init(&u);
    add_some(&u, 0, n);
    viommu_events_go(&u.events);
    machine_runs = false;
    /* Its memory may have been sent: the main loop leaves it alone. */
    g_assert_true(main_loop_once());
    g_assert_cmpuint(u.log->len, ==, 0);
    viommu_events_write(&u.events);
    check_log(&u, n);
    g_assert_false(main_loop_once());
    unit_free(&u);
}

/* Not even then does it end never. */
static void test_stopped_go_on(void)
{
    Unit u;

    unit_init(&u);
    u.on_write = refill;
    add_some(&u, 0, 3 * VIOMMU_EVENTS_BUDGET);
    machine_runs = false;
    viommu_events_write(&u.events);
    check_log(&u, 3 * VIOMMU_EVENTS_BUDGET);
    unit_free(&u);
}

/* The guest's queue has room for four. */
static void test_lost(void)
{
    Unit u;

    unit_init(&u);
    for (unsigned i = 0; i < 4; i++) {
        g_assert_true(add(&u, 0, i, 4));
    }
    g_assert_false(add(&u, 0, 4, 4));
    g_assert_false(add(&u, 0, 5, 4));
    viommu_events_write(&u.events);
    check_log(&u, 4);
    g_assert_cmpuint(u.lost, ==, 1);
    g_assert_cmpuint(u.told, ==, 1);
    g_assert_true(add(&u, 0, 4, 4));
    viommu_events_write(&u.events);
    check_log(&u, 5);
    g_assert_cmpuint(u.lost, ==, 1);
    unit_free(&u);
}

/* One that was lost is told after those before it, and before those after. */
static void test_lost_order(void)
{
    const unsigned room = VIOMMU_EVENTS_BUDGET + 1;
    Unit u;

    unit_init(&u);
    add_some(&u, 0, room);
    g_assert_false(add(&u, 0, room, room));
    viommu_events_write(&u.events);
    g_assert_cmpuint(u.lost, ==, 0);
    /* There is room again, but this one came after the one that was lost. */
    g_assert_false(add(&u, 0, room, room));
    g_assert_true(main_loop_once());
    g_assert_cmpuint(u.lost, ==, 1);
    check_log(&u, room);
    g_assert_true(add(&u, 0, room, room));
    unit_free(&u);
}

/* One more, and another that finds no room, while the first is written */
static void fill_at_first(Unit *u)
{
    if (u->log->len == 1) {
        g_assert_true(add(u, 0, 1, 2));
        g_assert_false(add(u, 0, 2, 2));
    }
}

static void test_lost_meanwhile(void)
{
    Unit u;

    unit_init(&u);
    u.on_write = fill_at_first;
    g_assert_true(add(&u, 0, 0, 2));
    viommu_events_write(&u.events);
    check_log(&u, 1);
    g_assert_cmpuint(u.lost, ==, 0);
    g_assert_true(main_loop_once());
    check_log(&u, 2);
    g_assert_cmpuint(u.lost, ==, 1);
    unit_free(&u);
}

/* No room at all: there is nothing to be written, but something to be told. */
static void test_lost_alone(void)
{
    Unit u;

    unit_init(&u);
    g_assert_false(add(&u, 0, 0, 0));
    g_assert_false(viommu_events_none(&u.events));
    viommu_events_write(&u.events);
    g_assert_cmpuint(u.lost, ==, 1);
    g_assert_cmpuint(u.told, ==, 1);
    g_assert_true(viommu_events_none(&u.events));
    unit_free(&u);
}

/* A unit that counts what is lost itself, and has a budget of its own */
static void test_quiet(void)
{
    static const VIOMMUEventsOps quiet_ops = {
        .name = "quiet",
        .size = sizeof(Record),
        .budget = 2,
        .write = unit_write,
    };
    Unit u;

    unit_init_ops(&u, &quiet_ops);
    for (unsigned i = 0; i < 4; i++) {
        g_assert_true(add(&u, 0, i, 4));
    }
    g_assert_false(add(&u, 0, 4, 4));
    has_bql = true;
    viommu_events_later(&u.events);
    has_bql = false;
    g_assert_cmpuint(u.log->len, ==, 0);
    g_assert_true(main_loop_once());
    check_log(&u, 2);
    g_assert_true(add(&u, 0, 4, 3));
    g_assert_false(add(&u, 0, 5, 3));
    /* Those behind it are taken. */
    g_assert_true(add(&u, 0, 5, 4));
    main_loop_all();
    check_log(&u, 6);
    g_assert_true(viommu_events_none(&u.events));
    unit_free(&u);
}

static void test_mark(void)
{
    unsigned mark;
    Unit u;

    unit_init(&u);
    /* The count comes to its end. */
    u.events.added = u.events.done = UINT_MAX - 2;
    add_some(&u, 0, VIOMMU_EVENTS_BUDGET + 1);
    mark = viommu_events_mark(&u.events);
    add_some(&u, VIOMMU_EVENTS_BUDGET + 1, VIOMMU_EVENTS_BUDGET);
    viommu_events_write(&u.events);
    g_assert_false(viommu_events_reached(&u.events, mark));
    main_loop_once();
    g_assert_true(viommu_events_reached(&u.events, mark));
    g_assert_false(viommu_events_none(&u.events));
    main_loop_all();
    check_log(&u, 2 * VIOMMU_EVENTS_BUDGET + 1);
    unit_free(&u);
}

static void discard_at_three(Unit *u)
{
    if (u->log->len == 3) {
        /* Its own go is under way. */
        viommu_events_write(&u->events);
        viommu_events_discard(&u->events);
    }
}

static void test_discard(void)
{
    unsigned mark;
    Unit u;

    unit_init(&u);
    u.on_write = discard_at_three;
    add_some(&u, 0, 10);
    g_assert_false(add(&u, 0, 10, 10));
    mark = viommu_events_mark(&u.events);
    viommu_events_write(&u.events);
    check_log(&u, 3);
    g_assert_cmpuint(u.lost, ==, 0);
    g_assert_true(viommu_events_reached(&u.events, mark));
    g_assert_true(viommu_events_none(&u.events));

    add_some(&u, 3, 1);
    viommu_events_write(&u.events);
    check_log(&u, 4);

    /* Those that have not been taken up, too */
    add_some(&u, 100, 3);
    viommu_events_discard(&u.events);
    g_assert_true(viommu_events_none(&u.events));
    viommu_events_write(&u.events);
    check_log(&u, 4);
    add_some(&u, 4, 1);
    viommu_events_write(&u.events);
    check_log(&u, 5);
    unit_free(&u);
}

/* The room that a flood needed is given back. */

#define FLOOD (8 * VIOMMU_EVENTS_BUDGET)

static void check_room(const Unit *u)
{
    const size_t flood = FLOOD * sizeof(Record);

    g_assert_cmpuint(malloc_usable_size(u->events.in->data), <, flood);
    g_assert_cmpuint(malloc_usable_size(u->events.out->data), <, flood);
}

static void test_memory(void)
{
    Unit u;

    unit_init(&u);
    add_some(&u, 0, FLOOD);
    machine_runs = false;
    viommu_events_write(&u.events);
    check_log(&u, FLOOD);
    check_room(&u);
    machine_runs = true;
    add_some(&u, FLOOD, FLOOD);
    while (!viommu_events_none(&u.events)) {
        viommu_events_write(&u.events);
    }
    check_log(&u, 2 * FLOOD);
    check_room(&u);
    unit_free(&u);
}

static void discard_second(Unit *u)
{
    if (u->log->len == 2) {
        viommu_events_discard(&u->events);
    }
}

/*
 * Nor does it stay if it has not been written: all of two floods, the first of
 * which is being written, and then by a record of its own.
 */
static void test_discard_memory(void)
{
    Unit u;

    unit_init(&u);
    add_some(&u, 0, FLOOD);
    viommu_events_write(&u.events);
    check_log(&u, VIOMMU_EVENTS_BUDGET);
    add_some(&u, FLOOD, FLOOD);
    viommu_events_discard(&u.events);
    g_assert_true(viommu_events_none(&u.events));
    check_room(&u);
    main_loop_all();
    check_log(&u, VIOMMU_EVENTS_BUDGET);

    g_array_set_size(u.log, 0);
    u.on_write = discard_second;
    add_some(&u, 0, FLOOD);
    viommu_events_write(&u.events);
    check_log(&u, 2);
    check_room(&u);
    add_some(&u, 2, 1);
    viommu_events_write(&u.events);
    check_log(&u, 3);
    unit_free(&u);
}

/* Threads that have events, and the main loop that writes them */

#define THREADS 3
#define EACH 20000
#define ROOM 64

static unsigned threads_done;
static unsigned taken[THREADS];

typedef struct Adder {
    Unit *u;
    unsigned thread;
} Adder;

static void *adder(void *opaque)
{
    Adder *a = opaque;

    for (unsigned i = 0; i < EACH; i++) {
        if (add(a->u, a->thread, taken[a->thread], ROOM)) {
            taken[a->thread]++;
        } else {
            sched_yield();
        }
        viommu_events_go(&a->u->events);
    }
    qatomic_fetch_add(&threads_done, 1);
    return NULL;
}

static void test_threads(void)
{
    unsigned next[THREADS] = { 0 };
    Adder adders[THREADS];
    QemuThread threads[THREADS];
    Unit u;

    unit_init(&u);
    for (unsigned i = 0; i < THREADS; i++) {
        adders[i] = (Adder) { .u = &u, .thread = i };
        qemu_thread_create(&threads[i], "adder", adder, &adders[i],
                           QEMU_THREAD_DETACHED);
    }
    has_bql = true;
    while (qatomic_load_acquire(&threads_done) < THREADS) {
        main_loop_once();
    }
    viommu_events_write(&u.events);
    g_assert_true(viommu_events_none(&u.events));
    has_bql = false;

    for (unsigned i = 0; i < u.log->len; i++) {
        Record r = g_array_index(u.log, Record, i);

        g_assert_cmpuint(r.thread, <, THREADS);
        g_assert_cmpuint(r.number, ==, next[r.thread]++);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        g_assert_cmpuint(next[i], ==, taken[i]);
    }
    g_test_message("%u of %u taken, %u times lost", u.log->len, THREADS * EACH,
                   u.lost);
    unit_free(&u);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/viommu-events/who", test_who);
    g_test_add_func("/viommu-events/budget", test_budget);
    g_test_add_func("/viommu-events/go-on", test_go_on);
    g_test_add_func("/viommu-events/stopped", test_stopped);
    g_test_add_func("/viommu-events/stopped-go-on", test_stopped_go_on);
    g_test_add_func("/viommu-events/lost", test_lost);
    g_test_add_func("/viommu-events/lost-order", test_lost_order);
    g_test_add_func("/viommu-events/lost-meanwhile", test_lost_meanwhile);
    g_test_add_func("/viommu-events/lost-alone", test_lost_alone);
    g_test_add_func("/viommu-events/quiet", test_quiet);
    g_test_add_func("/viommu-events/mark", test_mark);
    g_test_add_func("/viommu-events/discard", test_discard);
    g_test_add_func("/viommu-events/memory", test_memory);
    g_test_add_func("/viommu-events/discard-memory", test_discard_memory);
    g_test_add_func("/viommu-events/threads", test_threads);
    return g_test_run();
}

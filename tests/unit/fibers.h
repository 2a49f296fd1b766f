/*
 * Interleavings, step by step, and stores that are late
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One thread plays several.  Before each access to shared state it may go on
 * with another one, which is drawn; one that was left may sleep for long, as a
 * thread does that lost its processor in the wrong moment.  So windows of one
 * instruction are met often, on any machine, and the seed repeats a failure.
 *
 * Who stores sees it at once, the others later: a store waits in its fiber's
 * buffer for as long as it pleases, and overtakes earlier ones unless it is a
 * release or there was a smp_wmb().  A smp_mb() and a read-modify-write wait
 * until the buffer is empty.  So a store that needs one of these and has none
 * is found.  Loads take effect in program order: a missing acquire is not found
 * here, but by ThreadSanitizer.
 *
 * Included once, by a test that was built with QEMU_SHIM_FIBERS, after
 * QEMU_SHIM_STEP_MINE and "qemu/atomic.h".
 */
#ifndef FIBERS_H
#define FIBERS_H

#include <ucontext.h>
#include "test-common.h"

#define FIBERS_MAX      4
#define STACK_BYTES     (256 * 1024)
#define SLEEP_STEPS     400
#define LATE_MAX        12

typedef struct LateStore {
    void *p;
    size_t size;
    uint64_t value;
    unsigned fences;         /* smp_wmb()s before it */
    bool release;
} LateStore;

typedef struct Fiber {
    ucontext_t context;
    void (*run)(Rand *r);
    Rand rand;
    uint64_t sleeps_until;
    bool done;
    LateStore late[LATE_MAX];
    unsigned late_count, fences;
} Fiber;

static Fiber fibers[FIBERS_MAX];
static char *stacks[FIBERS_MAX];
static unsigned fiber_count, current;
static ucontext_t home;
static bool playing;
static Rand chance;
static unsigned switch_odds;        /* one step in so many */
static unsigned late_odds;          /* one late store in so many steps */
static uint64_t steps;
/* Called between two fibers: thread-local variables change hands. */
static void (*fiber_switched)(unsigned from, unsigned to);

static void late_take_effect(Fiber *f, unsigned i)
{
    LateStore *s = &f->late[i];

    switch (s->size) {
    case 1:
        __atomic_store_n((uint8_t *)s->p, s->value, __ATOMIC_SEQ_CST);
        break;
    case 4:
        __atomic_store_n((uint32_t *)s->p, s->value, __ATOMIC_SEQ_CST);
        break;
    case 8:
        __atomic_store_n((uint64_t *)s->p, s->value, __ATOMIC_SEQ_CST);
        break;
    default:
        g_assert_not_reached();
    }
    f->late_count--;
    memmove(s, s + 1, (f->late_count - i) * sizeof(*s));
}

static void late_flush(Fiber *f)
{
    while (f->late_count) {
        late_take_effect(f, 0);
    }
}

/* May the @i-th overtake those before it? */
static bool late_may_overtake(const Fiber *f, unsigned i)
{
    const LateStore *s = &f->late[i];
    unsigned j;

    for (j = 0; j < i; j++) {
        if (s->release || f->late[j].p == s->p ||
            f->late[j].fences != s->fences) {
            return false;
        }
    }
    return true;
}

static void late_happen(void)
{
    Fiber *f = &fibers[rand_below(&chance, fiber_count)];
    unsigned i;

    if (f->late_count) {
        i = rand_below(&chance, f->late_count);
        late_take_effect(f, late_may_overtake(f, i) ? i : 0);
    }
}

/* Go on with one that is awake; if none is, with any that is not done. */
static void play_next(Fiber *from)
{
    unsigned i, n = rand_below(&chance, fiber_count), next = fiber_count;
    unsigned left = current;

    for (i = 0; i < fiber_count; i++) {
        unsigned at = (n + i) % fiber_count;

        if (fibers[at].done) {
            continue;
        }
        next = at;
        if (fibers[at].sleeps_until <= steps) {
            break;
        }
    }
    if (next == fiber_count) {
        playing = false;
        swapcontext(&from->context, &home);
        return;
    }
    fibers[next].sleeps_until = 0;
    current = next;
    if (&fibers[next] != from) {
        if (fiber_switched) {
            fiber_switched(left, next);
        }
        swapcontext(&from->context, &fibers[next].context);
    }
}

void qemu_shim_step(void)
{
    if (!playing) {
        return;
    }
    steps++;
    if (rand_below(&chance, late_odds) == 0) {
        late_happen();
    }
    if (rand_below(&chance, switch_odds)) {
        return;
    }
    if (rand_below(&chance, 8) == 0) {
        fibers[current].sleeps_until = steps +
                                       rand_below(&chance, SLEEP_STEPS);
    }
    play_next(&fibers[current]);
}

uint64_t qemu_shim_load(const void *p, size_t size)
{
    Fiber *f = &fibers[current];
    unsigned i;

    qemu_shim_step();
    for (i = playing ? f->late_count : 0; i--; ) {
        if (f->late[i].p == p) {
            return f->late[i].value;
        }
    }
    switch (size) {
    case 1:
        return __atomic_load_n((const uint8_t *)p, __ATOMIC_SEQ_CST);
    case 4:
        return __atomic_load_n((const uint32_t *)p, __ATOMIC_SEQ_CST);
    default:
        return __atomic_load_n((const uint64_t *)p, __ATOMIC_SEQ_CST);
    }
}

void qemu_shim_store(void *p, size_t size, uint64_t value, bool release)
{
    Fiber *f = &fibers[current];

    qemu_shim_step();
    if (f->late_count == LATE_MAX) {
        late_take_effect(f, 0);
    }
    f->late[f->late_count++] = (LateStore) {
        .p = p,
        .size = size,
        .value = value,
        .fences = f->fences,
        .release = release,
    };
    if (!playing) {
        late_flush(f);
    }
}

void qemu_shim_fence(void)
{
    /* What is late may be seen in any order until here. */
    qemu_shim_step();
    late_flush(&fibers[current]);
}

void qemu_shim_store_fence(void)
{
    fibers[current].fences++;
}

static void fiber_main(void)
{
    Fiber *f = &fibers[current];

    f->run(&f->rand);
    late_flush(f);
    f->done = true;
    play_next(f);
    g_assert_not_reached();
}

/* All of @run at once, until the last has returned. */
static void play(void (*const run[])(Rand *r), unsigned count)
{
    unsigned i;

    g_assert_cmpuint(count, <=, FIBERS_MAX);
    fiber_count = count;
    steps = 0;
    switch_odds = 1 + rand_below(&chance, 12);
    late_odds = 1 + rand_below(&chance, 24);
    for (i = 0; i < count; i++) {
        Fiber *f = &fibers[i];

        if (!stacks[i]) {
            stacks[i] = g_malloc(STACK_BYTES);
        }
        f->run = run[i];
        f->rand.state = rand64(&chance) | 1;
        f->sleeps_until = 0;
        f->done = false;
        getcontext(&f->context);
        f->context.uc_stack.ss_sp = stacks[i];
        f->context.uc_stack.ss_size = STACK_BYTES;
        f->context.uc_link = NULL;
        makecontext(&f->context, fiber_main, 0);
    }
    current = rand_below(&chance, count);
    if (fiber_switched) {
        fiber_switched(FIBERS_MAX, current);
    }
    playing = true;
    swapcontext(&home, &fibers[current].context);
}

#endif

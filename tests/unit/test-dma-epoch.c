/*
 * Unit tests of the epochs of short DMA accesses
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "system/dma-epoch.h"
#include "test-common.h"

static Bell bell = BELL_INIT;

static void wake(void)
{
    bell_ring(&bell);
}

/* Two threads take turns: each step is announced and waited for. */
static Bell steps = BELL_INIT;

static void await_step(uint64_t n)
{
    uint64_t seen;

    while ((seen = bell_count(&steps)) < n) {
        bell_wait(&steps, seen);
    }
}

static void test_single(void)
{
    uint64_t epoch, later, rung;

    g_assert_false(dma_epoch_active());
    g_assert_true(dma_epoch_idle());
    epoch = dma_epoch_next();
    g_assert_true(dma_epoch_passed(epoch));
    later = dma_epoch_next();
    g_assert_cmpuint(later, >, epoch);

    /* One's own slot counts, as long as its outermost use lasts. */
    dma_epoch_enter();
    g_assert_true(dma_epoch_active());
    g_assert_true(dma_epoch_passed(later));
    g_assert_false(dma_epoch_idle());
    epoch = dma_epoch_next();
    g_assert_false(dma_epoch_passed(epoch));
    dma_epoch_enter();
    rung = bell_count(&bell);
    g_assert_false(dma_epoch_passed(epoch));
    dma_epoch_exit();
    g_assert_true(dma_epoch_active());
    g_assert_false(dma_epoch_passed(epoch));
    g_assert_cmpuint(bell_count(&bell), ==, rung);
    dma_epoch_exit();
    g_assert_false(dma_epoch_active());
    g_assert_cmpuint(bell_count(&bell), ==, rung + 1);
    g_assert_true(dma_epoch_passed(epoch));
    g_assert_true(dma_epoch_idle());

    /* Nobody waits: nobody is woken. */
    rung = bell_count(&bell);
    dma_epoch_enter();
    dma_epoch_exit();
    g_assert_cmpuint(bell_count(&bell), ==, rung);
}

static void *holder(void *opaque)
{
    dma_epoch_enter();
    bell_ring(&steps);                  /* 1: open */
    await_step(2);
    dma_epoch_exit();
    dma_epoch_enter();
    bell_ring(&steps);                  /* 3: closed and opened again */
    await_step(4);
    dma_epoch_exit();
    return NULL;
}

static void test_other_thread(void)
{
    pthread_t thread;
    uint64_t before, epoch;

    thread_start(&thread, holder, NULL);
    await_step(1);
    before = bell_count(&bell);
    epoch = dma_epoch_next();
    g_assert_false(dma_epoch_passed(epoch));
    bell_ring(&steps);
    await_step(3);
    /* What was opened since began after the epoch. */
    g_assert_true(dma_epoch_passed(epoch));
    g_assert_cmpuint(bell_count(&bell), >, before);
    g_assert_false(dma_epoch_passed(dma_epoch_next()));
    bell_ring(&steps);
    thread_join(thread);
    g_assert_true(dma_epoch_passed(dma_epoch_next()));
}

static void *short_life(void *opaque)
{
    unsigned *n = opaque;

    dma_epoch_enter();
    g_assert_false(dma_epoch_passed(dma_epoch_next()));
    (*n)++;
    dma_epoch_exit();
    return NULL;
}

/* A slot of a thread that is gone neither blocks nor is lost to others. */
static void test_thread_exit(void)
{
    unsigned i, n = 0;

    for (i = 0; i < 500; i++) {
        pthread_t thread;

        thread_start(&thread, short_life, &n);
        thread_join(thread);
        g_assert_true(dma_epoch_passed(dma_epoch_next()));
    }
    g_assert_cmpuint(n, ==, 500);
}

/*
 * Stress.  Mutators replace a published object and, once nobody can be using
 * the old one, poison it with plain stores: a reader that still looks sees the
 * poison, and ThreadSanitizer a race.
 */
#define READERS     3
#define MUTATORS    2
#define WORDS       8
#define POISON      0xdeaddeaddeaddeadull

typedef struct Object {
    uint64_t word[WORDS];
} Object;

typedef struct Worker {
    Rand rand;
    unsigned index;
    unsigned steps;
    uint64_t uses;
    pthread_t thread;
} Worker;

static Object *published[MUTATORS];
static unsigned mutators_left;

static void use(Worker *w, unsigned depth)
{
    Object *o;
    uint64_t value;
    unsigned i;

    dma_epoch_enter();
    o = qatomic_load_acquire(&published[rand_below(&w->rand, MUTATORS)]);
    value = o->word[0];
    if (rand_below(&w->rand, 16) == 0) {
        sched_yield();
    }
    if (depth && rand_below(&w->rand, 4) == 0) {
        use(w, depth - 1);
    }
    for (i = 0; i < WORDS; i++) {
        g_assert_cmphex(o->word[i], ==, value);
        g_assert_cmphex(o->word[i], !=, POISON);
    }
    w->uses++;
    dma_epoch_exit();
}

static void *reader(void *opaque)
{
    Worker *w = opaque;

    do {
        use(w, 2);
    } while (qatomic_load_acquire(&mutators_left));
    return NULL;
}

static Object *object_new(uint64_t value)
{
    Object *o = g_new(Object, 1);
    unsigned i;

    for (i = 0; i < WORDS; i++) {
        o->word[i] = value;
    }
    return o;
}

static void *mutator(void *opaque)
{
    Worker *w = opaque;
    unsigned i, j;

    for (i = 1; i <= w->steps; i++) {
        Object *old = published[w->index];
        uint64_t epoch;

        qatomic_store_release(&published[w->index], object_new(i));
        epoch = dma_epoch_next();
        for (;;) {
            uint64_t seen = bell_count(&bell);

            if (dma_epoch_passed(epoch)) {
                break;
            }
            bell_wait(&bell, seen);
        }
        for (j = 0; j < WORDS; j++) {
            old->word[j] = POISON;
        }
        if (rand_below(&w->rand, 8) == 0) {
            sched_yield();
        }
        for (j = 0; j < WORDS; j++) {
            g_assert_cmphex(old->word[j], ==, POISON);
        }
        g_free(old);
    }
    qatomic_fetch_add(&mutators_left, -1);
    return NULL;
}

static void test_stress(void)
{
    Rand r = rand_new();
    Worker w[READERS + MUTATORS];
    uint64_t uses = 0;
    unsigned i;

    for (i = 0; i < MUTATORS; i++) {
        published[i] = object_new(0);
    }
    mutators_left = MUTATORS;
    for (i = 0; i < ARRAY_SIZE(w); i++) {
        bool reads = i < READERS;

        w[i] = (Worker) {
            .rand = { rand64(&r) | 1 },
            .index = reads ? i : i - READERS,
            .steps = rounds(4000),
        };
        thread_start(&w[i].thread, reads ? reader : mutator, &w[i]);
    }
    for (i = 0; i < ARRAY_SIZE(w); i++) {
        thread_join(w[i].thread);
        uses += w[i].uses;
    }
    for (i = 0; i < MUTATORS; i++) {
        g_free(published[i]);
    }
    g_test_message("%" PRIu64 " uses", uses);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    dma_epoch_set_wake(wake);
    g_test_add_func("/dma-epoch/single", test_single);
    g_test_add_func("/dma-epoch/other-thread", test_other_thread);
    g_test_add_func("/dma-epoch/thread-exit", test_thread_exit);
    g_test_add_func("/dma-epoch/stress", test_stress);
    return g_test_run();
}

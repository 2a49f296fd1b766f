/*
 * What the unit tests share
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TEST_COMMON_H
#define TEST_COMMON_H

#include <pthread.h>
#include <sched.h>

/*
 * Per-thread pseudo-random numbers (xorshift64*).  With TEST_RAND_INPUT they
 * are taken from a fuzzer's input as long as there is any.
 */
typedef struct Rand {
    uint64_t state;
#ifdef TEST_RAND_INPUT
    const uint8_t *next, *end;
#endif
} Rand;

#ifdef TEST_RAND_INPUT
/* The first bytes seed what follows when the input is used up. */
static inline Rand rand_of_input(const uint8_t *data, size_t size)
{
    Rand r = { .state = 1, .next = data, .end = data + size };

    for (unsigned i = 0; i < 4 && i < size; i++) {
        r.state = r.state << 8 | data[i];
    }
    r.state |= 1;
    return r;
}

static inline bool rand_has_input(const Rand *r)
{
    return r->next < r->end;
}

static inline bool rand_take(Rand *r, unsigned bytes, uint64_t *value)
{
    if (r->end - r->next < bytes) {
        r->next = r->end;
        return false;
    }
    *value = 0;
    while (bytes--) {
        *value = *value << 8 | *r->next++;
    }
    return true;
}
#endif

static inline uint64_t rand64(Rand *r)
{
#ifdef TEST_RAND_INPUT
    uint64_t value;

    if (rand_take(r, 8, &value)) {
        return value;
    }
#endif
    r->state ^= r->state >> 12;
    r->state ^= r->state << 25;
    r->state ^= r->state >> 27;
    return r->state * 0x2545f4914f6cdd1dull;
}

/* 0 .. n - 1 */
static inline unsigned rand_below(Rand *r, unsigned n)
{
#ifdef TEST_RAND_INPUT
    uint64_t value;

    if (rand_take(r, n <= 256 ? 1 : 4, &value)) {
        return value % n;
    }
#endif
    return (rand64(r) >> 32) % n;
}

/*
 * Seeded from glib's, whose seed is printed at the start of the program and
 * can be given with --seed.
 */
static inline Rand rand_new(void)
{
    Rand r = { (uint64_t)g_test_rand_int() << 32 | (guint32)g_test_rand_int() };

    r.state |= 1;
    g_test_message("seed 0x%" PRIx64, r.state);
    return r;
}

/* More rounds with -m thorough. */
static inline unsigned rounds(unsigned n)
{
    return g_test_thorough() ? n * 20 : n;
}

static inline void thread_start(pthread_t *thread, void *(*fn)(void *),
                                void *opaque)
{
    if (pthread_create(thread, NULL, fn, opaque)) {
        abort();
    }
}

static inline void thread_join(pthread_t thread)
{
    if (pthread_join(thread, NULL)) {
        abort();
    }
}

/*
 * A counter to sleep on.  The deadline only turns a hang into a message: it is
 * no expectation.
 */
typedef struct Bell {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    uint64_t rung;
} Bell;

#define BELL_INIT { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0 }
#define BELL_HANG_SECONDS 120

static inline void bell_ring(Bell *bell)
{
    pthread_mutex_lock(&bell->lock);
    bell->rung++;
    pthread_cond_broadcast(&bell->cond);
    pthread_mutex_unlock(&bell->lock);
}

static inline uint64_t bell_count(Bell *bell)
{
    uint64_t n;

    pthread_mutex_lock(&bell->lock);
    n = bell->rung;
    pthread_mutex_unlock(&bell->lock);
    return n;
}

/* Sleep until it has been rung since bell_count() returned @seen. */
static inline void bell_wait(Bell *bell, uint64_t seen)
{
    struct timespec deadline;
    int err = 0;

    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += BELL_HANG_SECONDS;
    pthread_mutex_lock(&bell->lock);
    while (bell->rung == seen && !err) {
        err = pthread_cond_timedwait(&bell->cond, &bell->lock, &deadline);
    }
    pthread_mutex_unlock(&bell->lock);
    if (err) {
        g_error("nobody was woken: a wake-up was lost");
    }
}

#endif

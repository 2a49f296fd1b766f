/*
 * QEMU's mutex, condition and thread for the standalone build
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef QEMU_THREAD_H
#define QEMU_THREAD_H

#include <pthread.h>

typedef struct QemuMutex {
    pthread_mutex_t lock;
} QemuMutex;

static inline void qemu_mutex_check(int err)
{
    if (err) {
        abort();
    }
}

static inline void qemu_mutex_init(QemuMutex *mutex)
{
    qemu_mutex_check(pthread_mutex_init(&mutex->lock, NULL));
}

static inline void qemu_mutex_destroy(QemuMutex *mutex)
{
    qemu_mutex_check(pthread_mutex_destroy(&mutex->lock));
}

/* Returns: 0 if the caller has it now. */
static inline int qemu_mutex_trylock(QemuMutex *mutex)
{
    return pthread_mutex_trylock(&mutex->lock);
}

#ifdef QEMU_SHIM_FIBERS

/* One thread plays all of them (fibers.h): it must not block. */
void qemu_shim_step(void);
void qemu_shim_fence(void);

static inline void qemu_mutex_lock(QemuMutex *mutex)
{
    while (pthread_mutex_trylock(&mutex->lock)) {
        qemu_shim_step();
    }
    qemu_shim_fence();
}

static inline void qemu_mutex_unlock(QemuMutex *mutex)
{
    qemu_shim_fence();
    qemu_mutex_check(pthread_mutex_unlock(&mutex->lock));
}

#else

static inline void qemu_mutex_lock(QemuMutex *mutex)
{
    qemu_mutex_check(pthread_mutex_lock(&mutex->lock));
}

static inline void qemu_mutex_unlock(QemuMutex *mutex)
{
    qemu_mutex_check(pthread_mutex_unlock(&mutex->lock));
}

#endif

typedef struct QemuCond {
    pthread_cond_t cond;
} QemuCond;

static inline void qemu_cond_init(QemuCond *cond)
{
    qemu_mutex_check(pthread_cond_init(&cond->cond, NULL));
}

static inline void qemu_cond_signal(QemuCond *cond)
{
    qemu_mutex_check(pthread_cond_signal(&cond->cond));
}

static inline void qemu_cond_wait(QemuCond *cond, QemuMutex *mutex)
{
    qemu_mutex_check(pthread_cond_wait(&cond->cond, &mutex->lock));
}

static inline void qemu_cond_broadcast(QemuCond *cond)
{
    qemu_mutex_check(pthread_cond_broadcast(&cond->cond));
}

static inline void qemu_cond_destroy(QemuCond *cond)
{
    qemu_mutex_check(pthread_cond_destroy(&cond->cond));
}

/* Returns: false if @ms milliseconds have gone by. */
static inline bool qemu_cond_timedwait(QemuCond *cond, QemuMutex *mutex, int ms)
{
    struct timespec until;
    int err;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000l;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    err = pthread_cond_timedwait(&cond->cond, &mutex->lock, &until);
    qemu_mutex_check(err == ETIMEDOUT ? 0 : err);
    return !err;
}

typedef struct QemuThread {
    pthread_t thread;
} QemuThread;

#define QEMU_THREAD_DETACHED 1

/* Detached is the only mode that is used. */
static inline void qemu_thread_create(QemuThread *thread, const char *name,
                                      void *(*fn)(void *), void *arg, int mode)
{
    qemu_mutex_check(pthread_create(&thread->thread, NULL, fn, arg));
    qemu_mutex_check(pthread_detach(thread->thread));
}

#endif

/*
 * QEMU's mutex for the standalone build
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

#ifdef QEMU_SHIM_FIBERS

/* One thread plays all of them (test-cache.c): it must not block. */
void qemu_shim_step(void);

static inline void qemu_mutex_lock(QemuMutex *mutex)
{
    while (pthread_mutex_trylock(&mutex->lock)) {
        qemu_shim_step();
    }
}

#else

static inline void qemu_mutex_lock(QemuMutex *mutex)
{
    qemu_mutex_check(pthread_mutex_lock(&mutex->lock));
}

#endif

static inline void qemu_mutex_unlock(QemuMutex *mutex)
{
    qemu_mutex_check(pthread_mutex_unlock(&mutex->lock));
}

#endif

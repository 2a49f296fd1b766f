/*
 * Locks before which a test may do something: wait, or let others go on
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef UNIT_LINK_THREAD_H
#define UNIT_LINK_THREAD_H

#include "../../include/qemu/thread.h"

/*
 * Called before @lock is taken, and after it has been given back; set while
 * there are no other threads.
 */
extern void (*fake_before_lock)(QemuMutex *lock);
extern void (*fake_after_unlock)(QemuMutex *lock);

#define qemu_mutex_lock(lock) \
    ((fake_before_lock ? fake_before_lock(lock) : (void)0), \
     qemu_mutex_lock(lock))
#define qemu_mutex_unlock(lock) \
    (qemu_mutex_unlock(lock), \
     fake_after_unlock ? fake_after_unlock(lock) : (void)0)

#endif

/*
 * RCU grace periods on demand
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The thread reads the last ticket that was drawn, waits for a grace period
 * that begins after that, and then ends all tickets up to the one it read.
 * Those drawn meanwhile share the next.
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/thread.h"
#include "system/dma-grace.h"

static QemuMutex grace_lock;
static QemuCond grace_cond;
static uint64_t grace_drawn;             /* grace_lock */
static uint64_t grace_ended;             /* atomic; written by the thread */
static void (*grace_wake)(void);

static void *dma_grace_thread(void *opaque)
{
    uint64_t ticket = 0;

    for (;;) {
        qemu_mutex_lock(&grace_lock);
        while (grace_drawn == ticket) {
            qemu_cond_wait(&grace_cond, &grace_lock);
        }
        ticket = grace_drawn;
        qemu_mutex_unlock(&grace_lock);

        synchronize_rcu_hurry();

        qatomic_store_release(&grace_ended, ticket);
        grace_wake();
    }
    return NULL;
}

void dma_grace_init(void (*wake)(void))
{
    QemuThread thread;

    if (grace_wake) {
        return;
    }
    grace_wake = wake;
    qemu_mutex_init(&grace_lock);
    qemu_cond_init(&grace_cond);
    qemu_thread_create(&thread, "dma-grace", dma_grace_thread, NULL,
                       QEMU_THREAD_DETACHED);
}

uint64_t dma_grace_begin(void)
{
    uint64_t ticket;

    qemu_mutex_lock(&grace_lock);
    ticket = ++grace_drawn;
    qemu_cond_signal(&grace_cond);
    qemu_mutex_unlock(&grace_lock);
    return ticket;
}

bool dma_grace_passed(uint64_t ticket)
{
    return qatomic_load_acquire(&grace_ended) >= ticket;
}

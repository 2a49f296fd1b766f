/*
 * RCU grace periods on demand
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * call_rcu() collects callbacks before it begins a grace period, for some 50
 * ms: a guest that has turned translation on would wait for that.  Here a
 * thread of our own begins one at once, and it lasts no longer than its longest
 * reader.  Nobody blocks: tickets are drawn, and asked for later, as epochs
 * are (dma-epoch.h).
 */
#ifndef SYSTEM_DMA_GRACE_H
#define SYSTEM_DMA_GRACE_H

/**
 * dma_grace_init: make the thread, if there is none yet.
 *
 * @wake is called on that thread when a grace period has ended, and must only
 * schedule.  BQL, in the main loop's thread: a thread has its creator's
 * processors and control groups, and a vCPU's may be pinned.
 */
void dma_grace_init(void (*wake)(void));

/**
 * dma_grace_begin: begin a grace period, after the removal.
 *
 * Returns: the ticket to hand to dma_grace_passed(); never 0.  @wake will be
 * called after that has become true.  Any thread.
 */
uint64_t dma_grace_begin(void);

/**
 * dma_grace_passed: has every RCU read section ended that was open when @ticket
 * was drawn?  @ticket 0: of no grace period.  Any thread.
 */
bool dma_grace_passed(uint64_t ticket);

/*
 * synchronize_rcu_hurry: synchronize_rcu() that makes vCPUs that execute leave
 * their read sections; in util/rcu.c.  Any thread that is in none.
 */
void synchronize_rcu_hurry(void);

#endif

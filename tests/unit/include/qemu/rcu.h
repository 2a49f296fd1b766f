/*
 * RCU callbacks, for the standalone build: the test calls them
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef QEMU_RCU_H
#define QEMU_RCU_H

struct rcu_head {
    struct rcu_head *next;
    void (*func)(struct rcu_head *head);
};

void call_rcu1(struct rcu_head *head, void (*func)(struct rcu_head *head));

#endif

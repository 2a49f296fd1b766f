/*
 * Whether the machine runs, for the standalone build: the test decides
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef SYSTEM_RUNSTATE_H
#define SYSTEM_RUNSTATE_H

typedef int RunState;
typedef struct VMChangeStateEntry VMChangeStateEntry;

bool runstate_is_running(void);
VMChangeStateEntry *qemu_add_vm_change_state_handler(
    void (*cb)(void *opaque, bool running, RunState state), void *opaque);

#endif

/*
 * A main loop, who has the big lock, and whether the machine runs, played by
 * the test
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef LOOP_WORLD_H
#define LOOP_WORLD_H

#include "qemu/atomic.h"
#include "qemu/main-loop.h"
#include "system/runstate.h"

struct QEMUBH {
    void (*cb)(void *opaque);
    void *opaque;
    bool scheduled;          /* atomic */
};

/* In the order in which they were made, which is that of their turns, too */
static QEMUBH world_bhs[2];
static unsigned world_n_bhs;

static bool machine_runs = true;
static __thread bool has_bql;

/* A world without bottom halves, in which the machine runs */
static inline void world_begin(void)
{
    world_n_bhs = 0;
    machine_runs = true;
}

AioContext *iohandler_get_aio_context(void)
{
    return NULL;
}

QEMUBH *aio_bh_new(AioContext *ctx, void (*cb)(void *opaque), void *opaque)
{
    g_assert_cmpuint(world_n_bhs, <, G_N_ELEMENTS(world_bhs));
    world_bhs[world_n_bhs] = (QEMUBH) { .cb = cb, .opaque = opaque };
    return &world_bhs[world_n_bhs++];
}

void qemu_bh_schedule(QEMUBH *bh)
{
    qatomic_set(&bh->scheduled, true);
}

void qemu_bh_cancel(QEMUBH *bh)
{
    qatomic_set(&bh->scheduled, false);
}

bool bql_locked(void)
{
    return has_bql;
}

bool runstate_is_running(void)
{
    return machine_runs;
}

/* Returns: false if there was nothing to do */
static inline bool main_loop_once(void)
{
    bool any = false;

    for (unsigned i = 0; i < world_n_bhs; i++) {
        QEMUBH *bh = &world_bhs[i];

        if (qatomic_read(&bh->scheduled)) {
            qatomic_set(&bh->scheduled, false);
            bh->cb(bh->opaque);
            any = true;
        }
    }
    return any;
}

static inline void main_loop_all(void)
{
    bool more;

    do {
        more = main_loop_once();
    } while (more);
}

/* Will there be anything to do? */
static inline bool main_loop_due(void)
{
    for (unsigned i = 0; i < world_n_bhs; i++) {
        if (qatomic_read(&world_bhs[i].scheduled)) {
            return true;
        }
    }
    return false;
}

#endif

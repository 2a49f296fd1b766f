/*
 * The vIOMMU core: what a unit has to tell its guest, until it is written
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/iommu/viommu-events.h"
#include "system/dma-held.h"
#include "system/runstate.h"
#include "trace.h"

bool viommu_events_add(VIOMMUEvents *e, const void *record, size_t room)
{
    if (e->lost || e->added - qatomic_read(&e->done) >= room) {
        qatomic_set(&e->lost, e->ops->lost);
        return false;
    }
    g_array_append_vals(e->in, record, 1);
    qatomic_set(&e->added, e->added + 1);
    return true;
}

void viommu_events_later(VIOMMUEvents *e)
{
    qemu_bh_schedule(e->bh);
}

void viommu_events_go(VIOMMUEvents *e)
{
    if (bql_locked()) {
        viommu_events_write(e);
    } else {
        viommu_events_later(e);
    }
}

/* None of out is to be written any more.  What a flood needed is not kept. */
static void events_out_empty(VIOMMUEvents *e)
{
    bool flood = e->out->len > 4 * VIOMMU_EVENTS_BUDGET;

    e->next = 0;
    g_array_set_size(e->out, 0);
    if (flood) {
        g_array_free(e->out, true);
        e->out = g_array_new(false, false, e->ops->size);
    }
}

/* Those being written have been; the others now.  Returns: is there one? */
static bool events_take_up(VIOMMUEvents *e)
{
    GArray *empty = e->out;

    if (!e->out->len) {
        qemu_mutex_lock(e->lock);
        e->out = e->in;
        e->in = empty;
        qemu_mutex_unlock(e->lock);
    }
    return e->out->len;
}

/* Returns: is one lost that came after all that have been written? */
static bool events_take_lost(VIOMMUEvents *e)
{
    bool lost = false;

    if (qatomic_read(&e->lost) && !e->out->len) {
        qemu_mutex_lock(e->lock);
        lost = !e->in->len;
        qatomic_set(&e->lost, !lost);
        qemu_mutex_unlock(e->lock);
    }
    return lost;
}

/* Of those that were taken up.  Returns: how many, @most of them */
static size_t events_write_some(VIOMMUEvents *e, size_t most)
{
    size_t n = 0;

    /* Asked for each: what one writes may have them discarded. */
    while (n < most && e->next < e->out->len) {
        const char *record = e->out->data + e->next++ * e->ops->size;
        unsigned at = e->done;

        e->ops->write(e->opaque, record);
        n++;
        /* Unless all have been discarded there, this one with them */
        if (e->done == at) {
            qatomic_set(&e->done, at + 1);
        }
    }
    if (e->next == e->out->len) {
        events_out_empty(e);
    }
    return n;
}

/*
 * What comes meanwhile is not waited for: each one more would take the lock
 * once more, from those who add to them.
 */
void viommu_events_write(VIOMMUEvents *e)
{
    size_t most = qatomic_read(&e->added) - e->done, n = 0;
    bool lost;

    /* Who comes back here from a record leaves the rest to the outer. */
    if (e->writing || viommu_events_none(e)) {
        return;
    }
    if (runstate_is_running()) {
        most = MIN(most, e->budget);
    }
    e->writing = true;
    while (n < most && events_take_up(e)) {
        n += events_write_some(e, most - n);
    }
    lost = events_take_lost(e);
    if (lost) {
        e->ops->lost(e->opaque);
    }
    e->writing = false;
    if (!viommu_events_none(e)) {
        trace_viommu_events_yield(e->ops->name);
        viommu_events_later(e);
    }
    if ((n || lost) && e->ops->told) {
        e->ops->told(e->opaque);
    }
}

/* Threads that have events do not wait for memory to be given back. */
void viommu_events_discard(VIOMMUEvents *e)
{
    GArray *empty;

    events_out_empty(e);
    empty = e->out;
    qemu_mutex_lock(e->lock);
    e->out = e->in;
    e->in = empty;
    qatomic_set(&e->done, e->added);
    qatomic_set(&e->lost, false);
    qemu_mutex_unlock(e->lock);
    events_out_empty(e);
}

static void events_bh(void *opaque)
{
    DMA_HELD("faults");

    /* The memory of a VM that stopped meanwhile may have been migrated. */
    if (runstate_is_running()) {
        viommu_events_write(opaque);
    }
}

void viommu_events_init(VIOMMUEvents *e, QemuMutex *lock,
                        const VIOMMUEventsOps *ops, void *opaque)
{
    *e = (VIOMMUEvents) {
        .ops = ops,
        .opaque = opaque,
        .budget = ops->budget ?: VIOMMU_EVENTS_BUDGET,
        .lock = lock,
        .in = g_array_new(false, false, ops->size),
        .out = g_array_new(false, false, ops->size),
        .bh = aio_bh_new(iohandler_get_aio_context(), events_bh, e),
    };
}

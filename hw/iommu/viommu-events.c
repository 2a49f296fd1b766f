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

/* What was needed for a flood is not kept. */
static GArray *events_emptied(VIOMMUEvents *e, GArray *records)
{
    if (records->len <= 4 * VIOMMU_EVENTS_BUDGET) {
        return g_array_set_size(records, 0);
    }
    g_array_free(records, true);
    return g_array_new(false, false, e->ops->size);
}

/*
 * The others, once those that are being written have been.  Returns: false if
 * there is none; then, whether one was @lost
 */
static bool events_take_up(VIOMMUEvents *e, bool *lost)
{
    GArray *empty;

    *lost = false;
    if (e->next < e->out->len) {
        return true;
    }
    empty = events_emptied(e, e->out);
    qemu_mutex_lock(e->lock);
    e->out = e->in;
    e->in = empty;
    e->next = 0;
    if (!e->out->len) {
        *lost = e->lost;
        qatomic_set(&e->lost, false);
    }
    qemu_mutex_unlock(e->lock);
    return e->out->len;
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
    return n;
}

void viommu_events_write(VIOMMUEvents *e)
{
    unsigned there = qatomic_read(&e->added) - e->done;
    size_t budget = runstate_is_running() ? e->budget : MAX(e->budget, there);
    size_t n = 0;
    bool more, lost;

    /* Who comes back here from a record leaves the rest to the outer. */
    if (e->writing || viommu_events_none(e)) {
        return;
    }
    e->writing = true;
    while ((more = events_take_up(e, &lost)) && n < budget) {
        n += events_write_some(e, budget - n);
    }
    if (lost) {
        e->ops->lost(e->opaque);
    }
    e->writing = false;
    if (more) {
        trace_viommu_events_yield(e->ops->name);
        viommu_events_later(e);
    }
    if ((n || lost) && e->ops->told) {
        e->ops->told(e->opaque);
    }
}

void viommu_events_discard(VIOMMUEvents *e)
{
    g_array_set_size(e->out, 0);
    e->next = 0;
    qemu_mutex_lock(e->lock);
    g_array_set_size(e->in, 0);
    qatomic_set(&e->done, e->added);
    qatomic_set(&e->lost, false);
    qemu_mutex_unlock(e->lock);
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

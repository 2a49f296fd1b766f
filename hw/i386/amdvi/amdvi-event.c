/*
 * AMD-Vi: the event log, and the unit's interrupt
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * 48882 2.5.  Any thread may have an event.  It goes to a list of ours; the
 * list is written to the guest's log, in order, under the BQL: at once if the
 * thread has that, otherwise from a bottom half.  A COMPLETION_WAIT writes it
 * first.
 *
 * The list takes as many events as the log has entries.  So when one does not
 * fit, the log is full once the list has been written, and overflows.
 */
#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "exec/address-spaces.h"
#include "hw/i386/apic_internal.h"
#include "hw/pci/msi.h"
#include "system/dma-held.h"
#include "system/dma.h"
#include "system/runstate.h"
#include "trace/trace-hw_i386.h"
#include "amdvi-internal.h"

/* 3.4.10: the message that the general interrupt register stands for */
static void amdvi_xt_message(AMDVIState *s, MSIMessage *msg)
{
    X86IOMMUIrq irq = {
        .vector = amdvi_get(s->xt_int, AMDVI_XT_INT_VECTOR),
        .delivery_mode = amdvi_get(s->xt_int, AMDVI_XT_INT_DELIVERY_MODE),
        .dest_mode = amdvi_get(s->xt_int, AMDVI_XT_INT_DEST_MODE),
        .dest = amdvi_get(s->xt_int, AMDVI_XT_INT_DEST_LOW) |
                amdvi_get(s->xt_int, AMDVI_XT_INT_DEST_HIGH) << 24,
    };

    x86_iommu_irq_to_msi_message(&irq, msg);
}

/* It is the unit's own, and never remapped. */
void amdvi_interrupt(AMDVIState *s)
{
    MSIMessage msg = { 0 };

    if (s->control & AMDVI_CONTROL_INT_CAP_XT_EN) {
        amdvi_xt_message(s, &msg);
    } else if (msi_enabled(&s->pci->dev)) {
        msg = msi_get_message(&s->pci->dev, 0);
    } else {
        return;
    }
    apic_get_class(NULL)->send_msi(&msg);
}

void amdvi_event_log(AMDVIState *s, const AMDVIEvent *event)
{
    WITH_QEMU_LOCK_GUARD(&s->lock) {
        if (!(s->status & AMDVI_STATUS_EVENT_RUN)) {
            return;
        }
        if (s->events->len >> amdvi_ring_log2(s->event_base)) {
            s->events_lost = true;
            return;
        }
        g_array_append_val(s->events, *event);
    }
    if (bql_locked()) {
        amdvi_event_flush(s);
    } else {
        qemu_bh_schedule(s->event_bh);
    }
}

/* 2.5.2: the log stops until it is turned off and on. */
static void amdvi_event_overflow(AMDVIState *s)
{
    amdvi_status_change(s, AMDVI_STATUS_EVENT_RUN, AMDVI_STATUS_EVENT_OVERFLOW);
}

static void amdvi_event_write(AMDVIState *s, const AMDVIEvent *event)
{
    uint32_t next = amdvi_ring_next(s->event_base, s->event_tail);
    uint64_t addr = (s->event_base & AMDVI_RING_ADDR) + s->event_tail;
    uint64_t words[2];

    if (!(s->status & AMDVI_STATUS_EVENT_RUN)) {
        return;
    }
    if (next == s->event_head) {
        amdvi_event_overflow(s);
        return;
    }
    amdvi_encode_event(event, words);
    words[0] = cpu_to_le64(words[0]);
    words[1] = cpu_to_le64(words[1]);
    if (dma_memory_write(&address_space_memory, addr, words, sizeof(words),
                         AMDVI_MEM_ATTRS) != MEMTX_OK) {
        trace_amdvi_evntlog_fail(s->event_base, s->event_tail);
        return;
    }
    s->event_tail = next;
    amdvi_status_change(s, 0, AMDVI_STATUS_EVENT_INT);
}

/*
 * What has come while the rest was written is written as well, so many times:
 * who adds to it without the BQL is not to keep it taken.
 */
#define FLUSH_ROUNDS 4

/* What has been logged so far; NULL: nothing */
static GArray *amdvi_event_take(AMDVIState *s, bool *lost)
{
    GArray *events = NULL;

    QEMU_LOCK_GUARD(&s->lock);
    if (s->events->len || s->events_lost) {
        events = s->events;
        s->events = g_array_new(false, false, sizeof(AMDVIEvent));
        *lost = s->events_lost;
        s->events_lost = false;
    }
    return events;
}

void amdvi_event_flush(AMDVIState *s)
{
    bool any = false, lost;
    unsigned rounds = FLUSH_ROUNDS;
    GArray *events;

    /* Who comes back here from an interrupt leaves the rest to the outer. */
    if (s->events_flushing) {
        return;
    }
    s->events_flushing = true;
    while (rounds && (events = amdvi_event_take(s, &lost))) {
        rounds--;
        any = true;
        for (unsigned i = 0; i < events->len; i++) {
            amdvi_event_write(s, &g_array_index(events, AMDVIEvent, i));
        }
        if (lost && (s->status & AMDVI_STATUS_EVENT_RUN)) {
            amdvi_event_overflow(s);
        }
        g_array_free(events, true);
    }
    s->events_flushing = false;
    if (!rounds) {
        qemu_bh_schedule(s->event_bh);
    }
    if (any && (s->control & AMDVI_CONTROL_EVENT_INT_EN)) {
        amdvi_interrupt(s);
    }
}

void amdvi_event_discard(AMDVIState *s)
{
    QEMU_LOCK_GUARD(&s->lock);
    g_array_set_size(s->events, 0);
    s->events_lost = false;
}

static void amdvi_event_bh(void *opaque)
{
    DMA_HELD("faults");

    /* The memory of a VM that stopped meanwhile may have been migrated. */
    if (runstate_is_running()) {
        amdvi_event_flush(opaque);
    }
}

void amdvi_event_init(AMDVIState *s)
{
    s->events = g_array_new(false, false, sizeof(AMDVIEvent));
    s->event_bh = aio_bh_new(iohandler_get_aio_context(), amdvi_event_bh, s);
}

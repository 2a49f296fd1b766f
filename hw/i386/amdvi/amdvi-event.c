/*
 * AMD-Vi: the event log, and the unit's interrupt
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * 48882 2.5.  Any thread may have an event: viommu-events.h has it until it is
 * written.  A COMPLETION_WAIT waits for those before it.  A log that is turned
 * off takes as many of them as there are in one go.
 */
#include "qemu/osdep.h"
#include "exec/address-spaces.h"
#include "hw/i386/apic_internal.h"
#include "hw/pci/msi.h"
#include "system/dma.h"
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
        viommu_events_add(&s->events, event,
                          1u << amdvi_ring_log2(s->event_base));
    }
    viommu_events_go(&s->events);
}

/* 2.5.2: the log stops until it is turned off and on. */
static void amdvi_event_overflow(AMDVIState *s)
{
    s->event_news = true;
    amdvi_status_change(s, AMDVI_STATUS_EVENT_RUN, AMDVI_STATUS_EVENT_OVERFLOW);
}

static void amdvi_event_write(void *opaque, const void *record)
{
    AMDVIState *s = opaque;
    const AMDVIEvent *event = record;
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
    s->event_news = true;
    amdvi_status_change(s, 0, AMDVI_STATUS_EVENT_INT);
}

static void amdvi_event_lost(void *opaque)
{
    AMDVIState *s = opaque;

    if (s->status & AMDVI_STATUS_EVENT_RUN) {
        amdvi_event_overflow(s);
    }
}

static void amdvi_event_told(void *opaque)
{
    AMDVIState *s = opaque;

    bool news = s->event_news;

    s->event_news = false;
    if (news && (s->control & AMDVI_CONTROL_EVENT_INT_EN)) {
        amdvi_interrupt(s);
    }
}

static const VIOMMUEventsOps amdvi_event_ops = {
    .name = "amdvi",
    .size = sizeof(AMDVIEvent),
    .write = amdvi_event_write,
    .lost = amdvi_event_lost,
    .told = amdvi_event_told,
};

void amdvi_event_init(AMDVIState *s)
{
    viommu_events_init(&s->events, &s->lock, &amdvi_event_ops, s);
}

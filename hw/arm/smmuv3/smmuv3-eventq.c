/*
 * SMMUv3: the event queue
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * IHI 0070 7.2 and 7.4.  Any thread may have an event: viommu-events.h has it
 * until it is written.  A CMD_SYNC waits for those before it.  EVENTQEN going
 * to 0 writes as many as there are in one go; what is behind them has not been
 * committed, and is forgotten (7.2).
 *
 * An event that finds no room is lost by the rules of overflow (7.4).
 *
 * Events are not merged (7.3.1).  Aborts on writes are synchronous (7.2.2).
 */
#include "qemu/osdep.h"
#include "exec/address-spaces.h"
#include "system/dma.h"
#include "trace.h"
#include "smmuv3-internal.h"

void smmuv3_record_event(SMMUv3State *s, const SMMUv3Event *event)
{
    SMMUv3EventRecord record;

    trace_smmuv3_record_event(smmuv3_event_name(event->type), event->sid);
    smmuv3_encode_event(event, record.words);

    WITH_QEMU_LOCK_GUARD(&s->lock) {
        if (!(s->cr0 & SMMU_CR0_EVENTQEN)) {
            return;
        }
        viommu_events_add(&s->events, &record, 1u << s->eventq.log2size);
    }
    viommu_events_go(&s->events);
}

static bool eventq_full(const SMMUv3State *s)
{
    return smmuv3_queue_full(s->eventq.prod, s->eventq.cons,
                             s->eventq.log2size);
}

static void eventq_overflow(void *opaque)
{
    SMMUv3State *s = opaque;
    bool present = (s->eventq.prod ^ s->eventq.cons) & SMMU_EVENTQ_OVFLG;

    if (!present) {
        trace_smmuv3_eventq_overflow();
        s->eventq.prod ^= SMMU_EVENTQ_OVFLG;
    }
}

/*
 * Otherwise an event is discarded, which is no overflow (7.2.1), and neither is
 * one that found no room for that.
 */
static bool eventq_takes(const SMMUv3State *s)
{
    return (s->cr0 & SMMU_CR0_EVENTQEN) &&
           !smmuv3_gerror_active(s, SMMU_GERROR_EVENTQ_ABT);
}

static void eventq_write(void *opaque, const void *record)
{
    SMMUv3State *s = opaque;
    const SMMUv3EventRecord *event = record;
    SMMUQueue *q = &s->eventq;
    dma_addr_t addr = smmuv3_queue_entry(q->base, q->prod, q->log2size,
                                         SMMU_EVT_SHIFT, s->oas);
    uint64_t val[SMMU_EVT_WORDS];
    bool was_empty = smmuv3_queue_empty(q->prod, q->cons, q->log2size);

    if (!eventq_takes(s)) {
        return;
    }
    if (eventq_full(s)) {
        eventq_overflow(s);
        return;
    }
    for (unsigned i = 0; i < SMMU_EVT_WORDS; i++) {
        val[i] = cpu_to_le64(event->words[i]);
    }
    if (dma_memory_write(&address_space_memory, addr, val, sizeof(val),
                         SMMU_MEM_ATTRS) != MEMTX_OK) {
        smmuv3_gerror(s, SMMU_GERROR_EVENTQ_ABT);
        return;
    }
    q->prod = smmuv3_queue_next(q->prod, q->log2size);
    s->eventq_not_empty |= was_empty;
}

static void eventq_lost(void *opaque)
{
    SMMUv3State *s = opaque;

    if (eventq_takes(s)) {
        eventq_overflow(s);
    }
}

static void eventq_told(void *opaque)
{
    SMMUv3State *s = opaque;

    if (s->eventq_not_empty) {
        s->eventq_not_empty = false;
        smmuv3_irq_eventq(s);
    }
}

static const VIOMMUEventsOps eventq_ops = {
    .name = "smmuv3",
    .size = sizeof(SMMUv3EventRecord),
    .write = eventq_write,
    .lost = eventq_lost,
    .told = eventq_told,
};

void smmuv3_eventq_init(SMMUv3State *s)
{
    viommu_events_init(&s->events, &s->lock, &eventq_ops, s);
}

/*
 * SMMUv3: the event queue
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * IHI 0070 7.2 and 7.4.  Any thread may have an event.  It commits it to a list
 * of ours; the list is written to the guest's queue, in order, under the BQL:
 * at once if the thread has that, otherwise from a bottom half.  A CMD_SYNC and
 * EVENTQEN going to 0 write it first, so that what was committed before is
 * visible when they complete.
 *
 * The list takes as many events as the guest's queue has entries.  So when one
 * does not fit, the queue is full once the list has been written, and the
 * event is lost by the rules of overflow (7.4).
 *
 * Events are not merged (7.3.1).  Aborts on writes are synchronous (7.2.2).
 */
#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "exec/address-spaces.h"
#include "system/dma-held.h"
#include "system/dma.h"
#include "system/runstate.h"
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
        if (s->events->len >> s->eventq.log2size) {
            s->events_lost = true;
            return;
        }
        g_array_append_val(s->events, record);
    }
    if (bql_locked()) {
        smmuv3_eventq_flush(s);
    } else {
        qemu_bh_schedule(s->event_bh);
    }
}

static bool eventq_full(const SMMUv3State *s)
{
    return smmuv3_queue_full(s->eventq.prod, s->eventq.cons,
                             s->eventq.log2size);
}

static void eventq_overflow(SMMUv3State *s)
{
    bool present = (s->eventq.prod ^ s->eventq.cons) & SMMU_EVENTQ_OVFLG;

    if (!present) {
        trace_smmuv3_eventq_overflow();
        s->eventq.prod ^= SMMU_EVENTQ_OVFLG;
    }
}

/* Returns: true if the queue was empty before */
static bool eventq_deliver(SMMUv3State *s, const SMMUv3EventRecord *record)
{
    SMMUQueue *q = &s->eventq;
    dma_addr_t addr = smmuv3_queue_entry(q->base, q->prod, q->log2size,
                                         SMMU_EVT_SHIFT, s->oas);
    uint64_t val[SMMU_EVT_WORDS];
    bool was_empty = smmuv3_queue_empty(q->prod, q->cons, q->log2size);

    /* Otherwise it is discarded, which is no overflow (7.2.1). */
    if (!(s->cr0 & SMMU_CR0_EVENTQEN) ||
        smmuv3_gerror_active(s, SMMU_GERROR_EVENTQ_ABT)) {
        return false;
    }
    if (eventq_full(s)) {
        eventq_overflow(s);
        return false;
    }
    for (unsigned i = 0; i < SMMU_EVT_WORDS; i++) {
        val[i] = cpu_to_le64(record->words[i]);
    }
    if (dma_memory_write(&address_space_memory, addr, val, sizeof(val),
                         SMMU_MEM_ATTRS) != MEMTX_OK) {
        smmuv3_gerror(s, SMMU_GERROR_EVENTQ_ABT);
        return false;
    }
    q->prod = smmuv3_queue_next(q->prod, q->log2size);
    return was_empty;
}

/*
 * What has come while the rest was written is written as well, so many times:
 * who adds to it without the BQL is not to keep it taken.
 */
#define FLUSH_ROUNDS 4

/* What has been committed so far; NULL: nothing */
static GArray *eventq_take(SMMUv3State *s, bool *lost)
{
    GArray *events = NULL;

    QEMU_LOCK_GUARD(&s->lock);
    if (s->events->len || s->events_lost) {
        events = s->events;
        s->events = g_array_new(false, false, sizeof(SMMUv3EventRecord));
        *lost = s->events_lost;
        s->events_lost = false;
    }
    return events;
}

void smmuv3_eventq_flush(SMMUv3State *s)
{
    bool not_empty = false, lost;
    unsigned rounds = FLUSH_ROUNDS;
    GArray *events;

    /* Who comes back here from an interrupt leaves the rest to the outer. */
    if (s->events_flushing) {
        return;
    }
    s->events_flushing = true;
    while (rounds && (events = eventq_take(s, &lost))) {
        rounds--;
        for (unsigned i = 0; i < events->len; i++) {
            not_empty |= eventq_deliver(s, &g_array_index(events,
                                                          SMMUv3EventRecord,
                                                          i));
        }
        if (lost && eventq_full(s)) {
            eventq_overflow(s);
        }
        g_array_free(events, true);
    }
    s->events_flushing = false;
    if (!rounds) {
        qemu_bh_schedule(s->event_bh);
    }
    if (not_empty) {
        smmuv3_irq_eventq(s);
    }
}

void smmuv3_eventq_discard(SMMUv3State *s)
{
    QEMU_LOCK_GUARD(&s->lock);
    g_array_set_size(s->events, 0);
    s->events_lost = false;
}

static void eventq_bh(void *opaque)
{
    DMA_HELD("faults");

    /* The memory of a VM that stopped meanwhile may have been migrated. */
    if (runstate_is_running()) {
        smmuv3_eventq_flush(opaque);
    }
}

void smmuv3_eventq_init(SMMUv3State *s)
{
    s->events = g_array_new(false, false, sizeof(SMMUv3EventRecord));
    s->event_bh = aio_bh_new(iohandler_get_aio_context(), eventq_bh, s);
}

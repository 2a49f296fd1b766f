/*
 * viommu-remote: what the server asks for
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * 1. The link's thread, or one that waits for an answer and reads it, serves
 *    what needs nobody else: reads and writes of guest memory, prefetched
 *    answers.  They are carried out in the order in which they come.  Nobody
 *    waits for the BQL there, which somebody may hold who waits for it.
 * 2. Invalidations, interrupts and page responses need the BQL, and follow in
 *    the main loop, in order, a bounded number in one go.  A prefetched answer
 *    that came before an invalidation has been cached by then, and goes with
 *    it.
 *    To wake the main loop takes longer than an invalidation: so the link's
 *    thread carries out those that are next itself, if nobody has the BQL.
 *    Only those that no notifier hears of: it must not wait.
 *    Those that are next are carried out before a register is read, too:
 *    software may be looking at whether they are complete.
 * 3. An invalidation is answered when the drain says that no access uses what
 *    it was about.  Those of one go share a fence.
 * 4. Nobody waits for a reset to be answered.  What comes until then was sent
 *    by a unit that had not been reset: nothing of it is carried out any more.
 *    So .resets is looked at, and what has to be over before a reset is done,
 *    under one lock.
 */
#include "qemu/osdep.h"
#include "exec/address-spaces.h"
#include "qemu/lockable.h"
#include "qemu/main-loop.h"
#include "../trace.h"
#include "system/bql-trylock.h"
#include "system/dma-held.h"
#include "remote-internal.h"

/* Commands in one go, and how many may wait */
#define SERVE_BUDGET 128
#define SERVE_MAX 4096

typedef struct RemoteCommand {
    VRPHeader h;
    unsigned connection;
    union {
        VRPInvalidate inv;
        VRPInterrupt irq;
        VRPPageResponse page;
    };
} RemoteCommand;

typedef struct RemoteDrain {
    VIOMMURemote *s;
    DMAFence fence;
    GQueue commands;         /* that are answered with it */
    QTAILQ_ENTRY(RemoteDrain) next;
} RemoteDrain;

/* Who reads: one thread at a time */

static void serve_reply(VIOMMURemote *s, const VRPHeader *h, int error,
                        const void *message, const void *data, size_t len)
{
    if (!(h->flags & VRP_FLAG_NO_REPLY)) {
        remote_link_reply(s->link, remote_link_connection(s->link), h, error,
                          message, data, len);
    }
}

/* Only memory: a device's registers would want the BQL. */
static const MemTxAttrs serve_attrs = { .memory = 1 };

static void serve_dma_read(VIOMMURemote *s, const VRPHeader *h,
                           const VRPDMA *dma)
{
    g_autofree uint8_t *data = g_malloc(dma->count);
    MemTxResult result = address_space_read(s->viommu.memory, dma->addr,
                                            serve_attrs, data, dma->count);

    serve_reply(s, h, result == MEMTX_OK ? 0 : EFAULT, dma, data, dma->count);
}

/*
 * A word is stored once.  Software may look at it all the time and have cleared
 * it by the next instruction; the C library's copy of 4 or 8 bytes is two
 * stores, of which the second would then undo that.
 */
static MemTxResult serve_store(VIOMMURemote *s, const VRPDMA *dma,
                               const uint8_t *data)
{
    bool word = dma->count == 4 || dma->count == 8;

    RCU_READ_LOCK_GUARD();
    if (word && QEMU_IS_ALIGNED(dma->addr, dma->count) &&
        dma_ram_write(dma->addr, data, dma->count)) {
        return MEMTX_OK;
    }
    return address_space_write(s->viommu.memory, dma->addr, serve_attrs, data,
                               dma->count);
}

static void serve_dma_write(VIOMMURemote *s, const VRPHeader *h,
                            const VRPDMA *dma, const uint8_t *data)
{
    MemTxResult result = MEMTX_ERROR;

    WITH_QEMU_LOCK_GUARD(&s->lock) {
        if (!s->resets) {
            result = serve_store(s, dma, data);
        }
    }
    serve_reply(s, h, result == MEMTX_OK ? 0 : EFAULT, dma, NULL, 0);
}

static void serve_update(VIOMMURemote *s, const VRPHeader *h,
                         const VRPUpdate *update)
{
    const IOPTMem *mem = &s->viommu.mem;
    VRPUpdate done = *update;
    bool good = false;

    WITH_QEMU_LOCK_GUARD(&s->lock) {
        if (!s->resets) {
            RCU_READ_LOCK_GUARD();
            good = mem->update(mem->opaque, update->addr, &done.expected,
                               update->value);
        }
    }
    serve_reply(s, h, good || done.expected != update->expected ? 0 : EFAULT,
                &done, NULL, 0);
}

static void serve_prefetch(VIOMMURemote *s, const VRPPrefetch *p)
{
    IOTLBEntry entry = {
        .tag = IOTLB_TAG(0, p->domain, 0),
        .iova = p->iova,
        .addr = p->addr,
        .shift = p->shift,
        .perm = (p->perm & VRP_READ ? IOPT_READ : 0) |
                (p->perm & VRP_WRITE ? IOPT_WRITE : 0),
    };
    IOTLB *tlb = s->viommu.iotlb;

    QEMU_LOCK_GUARD(&s->lock);
    if (!s->resets) {
        /* What invalidates it comes after it, and is carried out later. */
        RCU_READ_LOCK_GUARD();
        iotlb_insert(tlb, &entry, iotlb_seq(tlb));
    }
}

/* What came after a reset that the server had not seen: it is over. */
static void serve_outdated(VIOMMURemote *s, RemoteCommand *c)
{
    const VRPDrained drained = { c->inv.seq };

    if (c->h.command == VRP_INVALIDATE) {
        serve_reply(s, &c->h, 0, &drained, NULL, 0);
    }
    g_free(c);
}

static const char *serve_later(VIOMMURemote *s, const VRPHeader *h,
                               const void *message)
{
    RemoteCommand *c = g_new0(RemoteCommand, 1);
    bool full, outdated;

    c->h = *h;
    c->connection = remote_link_connection(s->link);
    if (h->command == VRP_INVALIDATE) {
        c->inv = *(const VRPInvalidate *)message;
        if (c->inv.seq <= s->last_seq) {
            g_free(c);
            return "the sequence numbers of its invalidations do not rise";
        }
        s->last_seq = c->inv.seq;
    } else if (h->command == VRP_PAGE_RESPONSE) {
        c->page = *(const VRPPageResponse *)message;
    } else {
        c->irq = *(const VRPInterrupt *)message;
    }
    WITH_QEMU_LOCK_GUARD(&s->lock) {
        outdated = s->resets;
        full = g_queue_get_length(&s->commands) >= SERVE_MAX;
        if (!full && !outdated) {
            g_queue_push_tail(&s->commands, c);
        }
    }
    if (outdated) {
        serve_outdated(s, c);
        return NULL;
    }
    if (full) {
        g_free(c);
        return "it does not wait for the answers to its invalidations";
    }
    qatomic_set(&s->commanded, true);
    return NULL;
}

const char *remote_serve(void *opaque, const VRPHeader *h, const void *message,
                         const uint8_t *data, size_t len)
{
    VIOMMURemote *s = opaque;

    switch (h->command) {
    case VRP_DMA_READ:
        serve_dma_read(s, h, message);
        return NULL;
    case VRP_DMA_WRITE:
        serve_dma_write(s, h, message, data);
        return NULL;
    case VRP_UPDATE:
        serve_update(s, h, message);
        return NULL;
    case VRP_PREFETCH:
        serve_prefetch(s, message);
        return NULL;
    default:
        return serve_later(s, h, message);
    }
}

/* With the BQL: the main loop, or whoever else is said to */

/* @at_once: by the link's thread */
static void serve_invalidate(VIOMMURemote *s, const VRPInvalidate *c,
                             bool at_once)
{
    static const VIOMMUInvKind kinds[VRP_INV_KINDS] = {
        [VRP_INV_CONFIG_ALL] = VIOMMU_INV_CONFIG_ALL,
        [VRP_INV_CONFIG_RID] = VIOMMU_INV_CONFIG_ENDPOINT,
        [VRP_INV_CONFIG_PASID] = VIOMMU_INV_CONFIG_PASID,
        [VRP_INV_ALL] = VIOMMU_INV_ALL,
        [VRP_INV_DOMAIN] = VIOMMU_INV_TAG,
        [VRP_INV_RANGE] = VIOMMU_INV_RANGE,
    };
    VIOMMUInv inv = {
        .kind = kinds[c->kind],
        .tag = IOTLB_TAG(0, c->domain, 0),
        .first = c->first,
        .last = c->last,
        .sid = c->rid,
        .sid_mask = c->rid_mask,
        .pasid = c->pasid,
    };

    trace_viommu_remote_invalidate(c->seq, c->kind, c->domain, c->first,
                                   c->last, at_once);
    if (c->kind == VRP_INV_DEVICE || c->kind == VRP_INV_DEVICE_ALL) {
        remote_invalidate_devices(s, c);
    } else if (c->kind == VRP_INV_INTERRUPT ||
               c->kind == VRP_INV_INTERRUPT_ALL) {
        remote_irq_invalidate(s, c);
    } else if (c->kind != VRP_INV_NOTHING) {
        viommu_invalidate(&s->viommu, &inv);
    }
}

static void serve_interrupt(VIOMMURemote *s, const VRPInterrupt *irq)
{
    MemTxAttrs attrs = { .requester_id = irq->rid };

    address_space_stl_le(s->viommu.memory, irq->addr, irq->data, attrs, NULL);
}

/* Removes, and frees, @d. */
static void drain_end(RemoteDrain *d, bool answer)
{
    VIOMMURemote *s = d->s;
    RemoteCommand *c;

    QTAILQ_REMOVE(&s->drains, d, next);
    while ((c = g_queue_pop_head(&d->commands))) {
        VRPDrained drained = { c->inv.seq };

        if (answer && !(c->h.flags & VRP_FLAG_NO_REPLY)) {
            trace_viommu_remote_drained(drained.seq);
            remote_link_reply(s->link, c->connection, &c->h, 0, &drained, NULL,
                              0);
        }
        g_free(c);
    }
    g_free(d);
}

static void serve_drained(void *opaque)
{
    drain_end(opaque, true);
}

/* What is not answered.  Returns: false if it is not of that. */
static bool serve_posted(VIOMMURemote *s, const RemoteCommand *c)
{
    if (c->h.command == VRP_INTERRUPT) {
        serve_interrupt(s, &c->irq);
        return true;
    }
    if (c->h.command == VRP_PAGE_RESPONSE) {
        remote_page_response(s, &c->page);
        return true;
    }
    return false;
}

/* Which commands are carried out, up to the first that is none of these */
typedef enum ServeWhat {
    SERVE_ALL,
    SERVE_INVALIDATIONS,
    SERVE_TRANSLATIONS,      /* invalidations of what was translated here */
} ServeWhat;

static bool serve_is(const RemoteCommand *c, ServeWhat what)
{
    if (what == SERVE_ALL || c->h.command != VRP_INVALIDATE) {
        return what == SERVE_ALL;
    }
    return what == SERVE_INVALIDATIONS || c->inv.kind == VRP_INV_NOTHING ||
           c->inv.kind == VRP_INV_ALL || c->inv.kind == VRP_INV_DOMAIN ||
           c->inv.kind == VRP_INV_RANGE;
}

/* The next one, if it is one of @what */
static RemoteCommand *serve_take(VIOMMURemote *s, ServeWhat what)
{
    RemoteCommand *c;

    QEMU_LOCK_GUARD(&s->lock);
    c = g_queue_peek_head(&s->commands);
    return c && serve_is(c, what) ? g_queue_pop_head(&s->commands) : NULL;
}

/*
 * What there is of @what, but not too much.  Returns: true if there may be
 * more.
 */
static bool serve_commands(VIOMMURemote *s, ServeWhat what)
{
    RemoteDrain *d = g_new0(RemoteDrain, 1);
    unsigned budget = SERVE_BUDGET;
    RemoteCommand *c;

    d->s = s;
    g_queue_init(&d->commands);
    QTAILQ_INSERT_TAIL(&s->drains, d, next);
    while (budget && (c = serve_take(s, what))) {
        budget--;
        if (serve_posted(s, c)) {
            g_free(c);
        } else {
            serve_invalidate(s, &c->inv, what == SERVE_TRANSLATIONS);
            g_queue_push_tail(&d->commands, c);
        }
    }
    if (g_queue_is_empty(&d->commands) ||
        viommu_fence(&s->viommu, &d->fence, serve_drained, d)) {
        serve_drained(d);
    }
    return !budget;
}

static void serve_commands_bh(void *opaque)
{
    VIOMMURemote *s = opaque;
    DMA_HELD("server");

    if (serve_commands(s, SERVE_ALL)) {
        qemu_bh_schedule(s->command_bh);
    }
}

/*
 * The link's thread; no lock held.  Returns: true if there is something left
 * for the main loop.
 */
static bool serve_at_once(VIOMMURemote *s)
{
    bool left = true;

    if (!bql_trylock()) {
        return true;
    }
    if (!viommu_invalidation_is_heard(&s->viommu)) {
        DMA_HELD("server");

        serve_commands(s, SERVE_TRANSLATIONS);
        WITH_QEMU_LOCK_GUARD(&s->lock) {
            left = !g_queue_is_empty(&s->commands);
        }
    }
    bql_unlock();
    return left;
}

void remote_serve_commanded(void *opaque, bool free)
{
    VIOMMURemote *s = opaque;

    if (qatomic_read(&s->commanded) && qatomic_xchg(&s->commanded, false) &&
        (!free || serve_at_once(s))) {
        qemu_bh_schedule(s->command_bh);
    }
}

void remote_serve_settle(VIOMMURemote *s)
{
    bool more;

    do {
        more = serve_commands(s, SERVE_ALL);
    } while (more);
}

void remote_serve_invalidations(VIOMMURemote *s)
{
    serve_commands(s, SERVE_INVALIDATIONS);
}

/* Those that came over @connection, or one before it */
static void commands_drop(GQueue *commands, unsigned connection)
{
    GList *at, *next;

    for (at = commands->head; at; at = next) {
        RemoteCommand *c = at->data;

        next = at->next;
        if (remote_is_over(c->connection, connection)) {
            g_queue_delete_link(commands, at);
            g_free(c);
        }
    }
}

void remote_serve_went_down(VIOMMURemote *s, unsigned connection)
{
    RemoteDrain *d, *next;

    QTAILQ_FOREACH_SAFE(d, &s->drains, next, next) {
        commands_drop(&d->commands, connection);
        if (g_queue_is_empty(&d->commands)) {
            viommu_fence_cancel(&s->viommu, &d->fence);
            drain_end(d, false);
        }
    }
    QEMU_LOCK_GUARD(&s->lock);
    commands_drop(&s->commands, connection);
}

void remote_serve_forget(VIOMMURemote *s)
{
    RemoteDrain *d, *next, *rest = g_new0(RemoteDrain, 1);
    RemoteCommand *c;

    QTAILQ_FOREACH_SAFE(d, &s->drains, next, next) {
        viommu_fence_cancel(&s->viommu, &d->fence);
        drain_end(d, true);
    }
    /* What has not been taken up is about what is forgotten, too. */
    rest->s = s;
    g_queue_init(&rest->commands);
    QTAILQ_INSERT_TAIL(&s->drains, rest, next);
    while ((c = serve_take(s, SERVE_ALL))) {
        if (c->h.command == VRP_INVALIDATE) {
            g_queue_push_tail(&rest->commands, c);
        } else {
            g_free(c);
        }
    }
    drain_end(rest, true);
}

/* Returns: false if nobody is there, who is to be told later. */
static bool serve_send_reset(VIOMMURemote *s)
{
    /* Before it is sent, since the answer may be quicker than we are. */
    WITH_QEMU_LOCK_GUARD(&s->lock) {
        s->resets++;
    }
    if (remote_link_reset(s->link)) {
        return true;
    }
    remote_serve_was_reset(s);
    WITH_QEMU_LOCK_GUARD(&s->lock) {
        s->reset_missed = true;
    }
    return false;
}

void remote_serve_reset(VIOMMURemote *s)
{
    /* One that comes up meanwhile has looked before, or is seen here. */
    if (!serve_send_reset(s) && remote_link_is_up(s->link)) {
        remote_serve_reset_missed(s);
    }
    remote_serve_forget(s);
}

void remote_serve_reset_missed(VIOMMURemote *s)
{
    bool missed;

    WITH_QEMU_LOCK_GUARD(&s->lock) {
        missed = s->reset_missed;
        s->reset_missed = false;
    }
    if (missed) {
        serve_send_reset(s);
    }
}

void remote_serve_was_reset(void *opaque)
{
    VIOMMURemote *s = opaque;

    QEMU_LOCK_GUARD(&s->lock);
    if (s->resets) {
        s->resets--;
    }
}

void remote_serve_stop(VIOMMURemote *s)
{
    WITH_QEMU_LOCK_GUARD(&s->lock) {
        s->stops++;
    }
    if (!remote_link_stop(s->link)) {
        remote_serve_was_stopped(s);
    }
}

void remote_serve_was_stopped(void *opaque)
{
    VIOMMURemote *s = opaque;

    WITH_QEMU_LOCK_GUARD(&s->lock) {
        if (s->stops) {
            s->stops--;
        }
    }
    qemu_bh_schedule(s->news_bh);
}

bool remote_serve_is_stopped(VIOMMURemote *s)
{
    QEMU_LOCK_GUARD(&s->lock);
    return !s->stops;
}

void remote_serve_restart(VIOMMURemote *s)
{
    bool missed;

    s->last_seq = 0;
    WITH_QEMU_LOCK_GUARD(&s->lock) {
        missed = s->reset_missed;
        s->reset_missed = false;
        s->resets = missed;
        s->stops = 0;
    }
    if (missed) {
        /* One that has stayed has what was set up before. */
        remote_link_reset_first(s->link);
    }
}

void remote_serve_init(VIOMMURemote *s)
{
    qemu_mutex_init(&s->lock);
    g_queue_init(&s->commands);
    QTAILQ_INIT(&s->drains);
    /* Like the drain's: not in the middle of somebody's register write. */
    s->command_bh = aio_bh_new(iohandler_get_aio_context(), serve_commands_bh,
                               s);
}

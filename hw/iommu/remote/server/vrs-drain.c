/*
 * The server's library: invalidations that have not drained
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Answers may come in any order; the unit is told of a number when all up to it
 * are there.  A client need not bear more than 4,096 unanswered commands: what
 * exceeds half of that is not sent but becomes a few, of everything, which are
 * sent when there is room.  They have their numbers from the first such on, so
 * that numbers rise in the order in which they are sent.
 */
#include "qemu/osdep.h"
#include "vrs-internal.h"

#define PENDING_MAX 2048

bool vrs_drain_is_pending(const VRSServer *s, uint16_t id)
{
    return g_hash_table_contains(s->pending_ids, GUINT_TO_POINTER(id));
}

static void drain_send(VRSServer *s, const VRPInvalidate *inv, uint64_t seq)
{
    VRSPending *p = g_new0(VRSPending, 1);
    VRPInvalidate message = *inv;

    message.seq = seq;
    p->seq = seq;
    p->id = vrs_order(s, VRP_INVALIDATE, 0, &message, NULL, 0);
    g_queue_push_tail(&s->pending, p);
    g_hash_table_insert(s->pending_ids, GUINT_TO_POINTER(p->id), p);
}

/* Everything: what is of a feature, if that is in use */
static const VRPInvalidate drain_all[] = {
    { .kind = VRP_INV_CONFIG_ALL },
    { .kind = VRP_INV_ALL },
    { .kind = VRP_INV_DEVICE_ALL, .rid_mask = 0xffff, .last = UINT64_MAX },
    { .kind = VRP_INV_INTERRUPT_ALL },
};

static uint32_t drain_feature(const VRPInvalidate *inv)
{
    switch (inv->kind) {
    case VRP_INV_DEVICE:
    case VRP_INV_DEVICE_ALL:
        return VRP_F_DEVICE_TLB;
    case VRP_INV_INTERRUPT:
    case VRP_INV_INTERRUPT_ALL:
        return VRP_F_INTERRUPTS;
    default:
        return 0;
    }
}

/* What devices keep, where they keep nothing; and the like */
static bool drain_is_nobodys(const VRSServer *s, const VRPInvalidate *inv)
{
    return drain_feature(inv) & ~s->features;
}

static unsigned drain_all_n(const VRSServer *s)
{
    unsigned i, n = 0;

    for (i = 0; i < ARRAY_SIZE(drain_all); i++) {
        n += !drain_is_nobodys(s, &drain_all[i]);
    }
    return n;
}

/* There may be room for what was not sent. */
static void drain_send_merged(VRSServer *s)
{
    uint64_t seq = s->merged - drain_all_n(s);
    unsigned i;

    if (s->merged && g_queue_get_length(&s->pending) < PENDING_MAX / 2) {
        for (i = 0; i < ARRAY_SIZE(drain_all); i++) {
            if (!drain_is_nobodys(s, &drain_all[i])) {
                drain_send(s, &drain_all[i], ++seq);
            }
        }
        s->merged = 0;
    }
}

uint64_t vrs_invalidate(VRSServer *s, const VRPInvalidate *inv)
{
    if (!s->up || s->gone) {
        /* Nobody has been told anything, or knows anything any more. */
        return vrs_drained(s);
    }
    if (s->merged) {
        return s->merged;
    }
    if (drain_is_nobodys(s, inv)) {
        return s->seq;
    }
    if (s->seq > UINT64_MAX - ARRAY_SIZE(drain_all)) {
        vrs_end(s, "there are no more sequence numbers");
        return vrs_drained(s);
    }
    if (g_queue_get_length(&s->pending) >= PENDING_MAX) {
        s->seq += drain_all_n(s);
        s->merged = s->seq;
        return s->merged;
    }
    drain_send(s, inv, ++s->seq);
    return s->seq;
}

uint64_t vrs_drained(const VRSServer *s)
{
    const VRSPending *first = g_queue_peek_head((GQueue *)&s->pending);

    if (s->gone) {
        return s->seq;
    }
    return first ? first->seq - 1 :
           s->merged ? s->merged - drain_all_n(s) : s->seq;
}

const char *vrs_drain_replied(VRSServer *s, const VRPHeader *h,
                              const VRPDrained *drained)
{
    VRSPending *p = g_hash_table_lookup(s->pending_ids,
                                        GUINT_TO_POINTER(h->id));

    if (!p) {
        return "it answers what it was not asked";
    }
    if (h->flags & VRP_FLAG_ERROR || drained->seq != p->seq) {
        return "it does not say which invalidation has drained";
    }
    p->drained = true;
    g_hash_table_remove(s->pending_ids, GUINT_TO_POINTER(h->id));
    while ((p = g_queue_peek_head(&s->pending)) && p->drained) {
        g_free(g_queue_pop_head(&s->pending));
    }
    drain_send_merged(s);
    return NULL;
}

void vrs_drain_tell(VRSServer *s)
{
    uint64_t now;

    while (!s->gone && (now = vrs_drained(s)) > s->told) {
        s->told = now;
        if (s->ops->drained) {
            s->ops->drained(s->opaque, now);
        }
    }
}

void vrs_drain_init(VRSServer *s)
{
    g_queue_init(&s->pending);
    s->pending_ids = g_hash_table_new(NULL, NULL);
}

void vrs_drain_free(VRSServer *s)
{
    g_hash_table_unref(s->pending_ids);
    g_queue_clear_full(&s->pending, g_free);
}

/*
 * viommu-remote: where message interrupts lead, on x86
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The server is asked once about a message, and if it says so what it answers
 * is kept until it takes that back.  All of this is under the BQL: what is sent
 * to an interrupt controller needs it anyway.  So there is nothing to drain:
 * when an invalidation is carried out nobody is in the middle of sending
 * anything, and who sends the next message looks here before.
 *
 * Who asks waits as an access does that holds the BQL.  The server needs nobody
 * who has it to answer, nor to read or write memory on the way
 * (remote-serve.c).  A message that is not answered about is lost, as one that
 * is blocked: whom it is for only the server can say.
 */
#include "qemu/osdep.h"
#include "../trace.h"
#include "remote-internal.h"

/* A guest may make up messages: with so many all are asked about anew. */
#define IRQS_MAX 4096

/* What was asked, but for VRP_REMAP_REQUEST, and what was answered */
typedef struct RemoteIrq {
    VRPRemap question;
    VRPRemapped answer;
} RemoteIrq;

static guint irq_hash(gconstpointer key)
{
    const VRPRemap *q = key;

    return g_int64_hash(&q->addr) * 31 + q->data * 0x9e3779b1u +
           (q->rid << 1 | (q->flags & VRP_REMAP_IOAPIC));
}

static gboolean irq_equal(gconstpointer a, gconstpointer b)
{
    const VRPRemap *x = a, *y = b;

    return x->addr == y->addr && x->data == y->data && x->rid == y->rid &&
           !((x->flags ^ y->flags) & VRP_REMAP_IOAPIC);
}

static void irq_keep(VIOMMURemote *s, const VRPRemap *question,
                     const VRPRemapped *answer)
{
    RemoteIrq *irq = g_new(RemoteIrq, 1);

    if (g_hash_table_size(s->irqs) >= IRQS_MAX) {
        g_hash_table_remove_all(s->irqs);
    }
    irq->question = *question;
    irq->answer = *answer;
    g_hash_table_replace(s->irqs, &irq->question, irq);
}

/* Elsewhere is memory.  KVM is asked for routes of what a guest made up. */
static bool irq_is_one(const VRPRemap *question)
{
    return (question->addr & ~0xfffffu & UINT32_MAX) == VRP_INTERRUPT_ADDR;
}

static void irq_ask(VIOMMURemote *s, const VRPRemap *question,
                    VRPRemapped *answer)
{
    if (remote_link_ask(s->link, VRP_REMAP, question, NULL, 0, answer, NULL,
                        REMOTE_WAIT_USUAL)) {
        *answer = (VRPRemapped) { .verdict = VRP_REMAP_BLOCKED,
                                  .index = VRP_NO_ENTRY };
        s->irqs_lost += !!(question->flags & VRP_REMAP_REQUEST);
    } else if (answer->flags & VRP_REMAPPED_KEEP) {
        irq_keep(s, question, answer);
    }
}

VRPRemapVerdict remote_irq_remap(VIOMMURemote *s, const VRPRemap *question,
                                 VRPRemapped *answer)
{
    const RemoteIrq *kept = g_hash_table_lookup(s->irqs, question);

    if (kept) {
        *answer = kept->answer;
    } else if (irq_is_one(question)) {
        irq_ask(s, question, answer);
    } else {
        *answer = (VRPRemapped) { .verdict = VRP_REMAP_BLOCKED,
                                  .index = VRP_NO_ENTRY };
    }
    trace_viommu_remote_remap(question->addr, question->data, question->rid,
                              kept != NULL, answer->verdict, answer->index,
                              answer->addr, answer->data);
    return answer->verdict;
}

bool remote_irq_send(VIOMMURemote *s, const VRPRemap *question, bool *by_entry)
{
    VRPRemapped answer;
    VRPRemapVerdict verdict = remote_irq_remap(s, question, &answer);

    *by_entry = answer.index != VRP_NO_ENTRY;
    if (verdict == VRP_REMAP_SEND) {
        remote_x86_send(answer.addr, answer.data);
    }
    return verdict != VRP_REMAP_BLOCKED;
}

static gboolean irq_is_within(gpointer key, gpointer value, gpointer opaque)
{
    const RemoteIrq *irq = value;
    const VRPInvalidate *inv = opaque;

    return inv->kind == VRP_INV_INTERRUPT_ALL ||
           (irq->answer.index != VRP_NO_ENTRY &&
            irq->answer.index >= inv->first && irq->answer.index <= inv->last);
}

void remote_irq_invalidate(VIOMMURemote *s, const VRPInvalidate *inv)
{
    if (remote_remaps(s)) {
        g_hash_table_foreach_remove(s->irqs, irq_is_within, (gpointer)inv);
        remote_x86_changed(s);
    }
}

void remote_irq_forget(VIOMMURemote *s)
{
    g_hash_table_remove_all(s->irqs);
}

void remote_irq_init(VIOMMURemote *s)
{
    s->irqs = g_hash_table_new_full(irq_hash, irq_equal, NULL, g_free);
}

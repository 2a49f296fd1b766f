/*
 * Holds: somebody who was told of an invalidation and has not answered yet
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Numbers only grow, so the list is in order of arrival.
 */

#include "qemu/osdep.h"
#include "system/dma-hold.h"

void dma_holds_init(DMAHolds *holds)
{
    g_queue_init(&holds->list);
}

DMAHold *dma_holds_add(DMAHolds *holds, uint64_t seq)
{
    DMAHold *last = g_queue_peek_tail(&holds->list);
    DMAHold *hold = g_new0(DMAHold, 1);

    assert(!last || last->seq <= seq);
    hold->seq = seq;
    hold->holds = holds;
    hold->link.data = hold;
    g_queue_push_tail_link(&holds->list, &hold->link);
    return hold;
}

DMAHold *dma_holds_oldest(const DMAHolds *holds)
{
    return holds->list.head ? holds->list.head->data : NULL;
}

DMAHold *dma_holds_oldest_of(const DMAHolds *holds, const void *endpoint)
{
    GList *link;

    for (link = holds->list.head; link; link = link->next) {
        DMAHold *hold = link->data;

        if (hold->endpoint == endpoint) {
            return hold;
        }
    }
    return NULL;
}

void dma_holds_flush(DMAHolds *holds, uint64_t seq)
{
    GList *link = holds->list.head;

    while (link) {
        DMAHold *hold = link->data;

        if (hold->seq > seq) {
            break;
        }
        link = link->next;
        if (!hold->flushed) {
            hold->flushed = true;
            if (hold->ops && hold->ops->flush) {
                hold->ops->flush(hold->opaque);
                /* The list is not what it was. */
                link = holds->list.head;
            }
        }
    }
}

void dma_holds_reset(DMAHolds *holds)
{
    GList *link = holds->list.head;

    while (link) {
        DMAHold *hold = link->data;

        link = link->next;
        if (hold->ops && hold->ops->reset &&
            hold->ops->reset(hold->opaque)) {
            /* The list is not what it was. */
            link = holds->list.head;
        }
    }
}

void dma_hold_abandon(DMAHold *hold)
{
    if (hold->holds) {
        g_queue_unlink(&hold->holds->list, &hold->link);
        hold->holds = NULL;
    }
}

bool dma_hold_free(DMAHold *hold)
{
    bool waited = hold->holds;

    dma_hold_abandon(hold);
    g_free(hold);
    return waited;
}

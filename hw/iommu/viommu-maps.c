/*
 * vIOMMU core: when the memory of mapping sets is freed
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * RCU's thread holds the BQL for all callbacks of a grace period, and while one
 * lasts a guest may make thousands of requests that retire something, or one
 * that removes millions of mappings.  So a callback only puts what may be freed
 * on a list.  Who retires frees more of that than it brings, as a rule, and a
 * bottom half what is left, a bounded number in one go.  Everything here: BQL.
 */

#include "qemu/osdep.h"
#include "hw/iommu/iopt-maps.h"
#include "hw/iommu/viommu.h"
#include "qemu/main-loop.h"
#include "qemu/rcu.h"
#include "system/dma-held.h"

/* Nodes that are freed at a time: more than most that are retired together */
#define RECLAIM_PIECE 128
/* Pieces by who retires, and in one go of the bottom half */
#define RECLAIM_RETIRING 2
#define RECLAIM_GO       32

typedef struct MapsDead {
    struct rcu_head rcu;
    void *dead;
    struct MapsDead *next;
} MapsDead;

/* What no reader can see any more, and the last of that */
static MapsDead *maps_ready, *maps_ready_last;
static QEMUBH *maps_bh;

static void maps_reclaim(unsigned pieces)
{
    while (maps_ready && pieces--) {
        MapsDead *d = maps_ready;

        d->dead = iopt_maps_reclaim(d->dead, RECLAIM_PIECE);
        if (!d->dead) {
            maps_ready = d->next;
            g_free(d);
        }
    }
}

static void maps_reclaim_bh(void *opaque)
{
    DMA_HELD("mappings");

    maps_reclaim(RECLAIM_GO);
    if (maps_ready) {
        qemu_bh_schedule(maps_bh);
    }
}

static void maps_unseen(struct rcu_head *head)
{
    MapsDead *d = container_of(head, MapsDead, rcu);

    if (maps_ready) {
        maps_ready_last->next = d;
    } else {
        maps_ready = d;
        qemu_bh_schedule(maps_bh);
    }
    maps_ready_last = d;
}

void viommu_maps_retire(void *dead)
{
    MapsDead *d = g_new0(MapsDead, 1);

    if (!maps_bh) {
        maps_bh = aio_bh_new(iohandler_get_aio_context(), maps_reclaim_bh,
                             NULL);
    }
    maps_reclaim(RECLAIM_RETIRING);
    d->dead = dead;
    call_rcu1(&d->rcu, maps_unseen);
}

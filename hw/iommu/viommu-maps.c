/*
 * vIOMMU core: when the memory of mapping sets is freed
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/iommu/iopt-maps.h"
#include "hw/iommu/viommu.h"
#include "qemu/rcu.h"

/*
 * Nodes freed in one go: RCU's thread holds the BQL meanwhile, and one request
 * of the guest may have removed all its mappings.
 */
#define RECLAIM_MAX 4096

typedef struct MapsDead {
    struct rcu_head rcu;
    void *dead;
} MapsDead;

static void maps_reclaim(struct rcu_head *head)
{
    MapsDead *d = container_of(head, MapsDead, rcu);

    d->dead = iopt_maps_reclaim(d->dead, RECLAIM_MAX);
    if (d->dead) {
        call_rcu1(&d->rcu, maps_reclaim);
    } else {
        g_free(d);
    }
}

void viommu_maps_retire(void *dead)
{
    MapsDead *d = g_new(MapsDead, 1);

    d->dead = dead;
    call_rcu1(&d->rcu, maps_reclaim);
}

/*
 * viommu-remote: what the server is told of devices, if it wants to be
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Whatever changes, all are looked at, and the difference is told: so nothing
 * has to be known of what a guest does to bus numbers on the way.
 */
#include "qemu/osdep.h"
#include "qemu/lockable.h"
#include "system/system.h"
#include "remote-internal.h"

/* With so much to be written yet, whoever changes something waits. */
#define ENDPOINT_BACKLOG (1u << 16)

/* map_lock held */
static void endpoint_tell(VIOMMURemote *s, gpointer rid, bool present)
{
    const VRPEndpoint endpoint = {
        .rid = GPOINTER_TO_UINT(rid),
        .present = present,
    };

    if (!s->tells_requesters) {
        return;
    }
    if (remote_link_backlog(s->link) > ENDPOINT_BACKLOG) {
        /* A guest numbers buses faster than the server reads. */
        remote_link_ask(s->link, VRP_ENDPOINT, &endpoint, NULL, 0, NULL, NULL,
                        REMOTE_WAIT_USUAL);
    } else {
        remote_link_post(s->link, VRP_ENDPOINT, &endpoint, NULL, 0, -1);
    }
}

static void endpoint_note(uint16_t rid, void *opaque)
{
    g_hash_table_add(opaque, GUINT_TO_POINTER(rid));
}

void remote_requesters_changed(VIOMMU *v)
{
    VIOMMURemote *s = container_of(v, VIOMMURemote, viommu);
    g_autoptr(GHashTable) now = g_hash_table_new(NULL, NULL);
    GHashTableIter iter;
    gpointer rid;

    if (!phase_check(PHASE_MACHINE_READY)) {
        return;
    }
    viommu_each_requester(v, endpoint_note, now);
    QEMU_LOCK_GUARD(&s->map_lock);
    g_hash_table_iter_init(&iter, s->requesters);
    while (g_hash_table_iter_next(&iter, &rid, NULL)) {
        if (!g_hash_table_contains(now, rid)) {
            endpoint_tell(s, rid, false);
        }
    }
    g_hash_table_iter_init(&iter, now);
    while (g_hash_table_iter_next(&iter, &rid, NULL)) {
        if (!g_hash_table_contains(s->requesters, rid)) {
            endpoint_tell(s, rid, true);
        }
    }
    g_hash_table_unref(s->requesters);
    s->requesters = g_steal_pointer(&now);
}

void remote_endpoint_greet(VIOMMURemote *s, const RemoteUnit *unit)
{
    GHashTableIter iter;
    gpointer rid;

    QEMU_LOCK_GUARD(&s->map_lock);
    s->tells_requesters = unit->features & VRP_F_ENDPOINTS;
    g_hash_table_iter_init(&iter, s->requesters);
    while (s->tells_requesters && g_hash_table_iter_next(&iter, &rid, NULL)) {
        const VRPEndpoint endpoint = {
            .rid = GPOINTER_TO_UINT(rid),
            .present = 1,
        };

        remote_link_post(s->link, VRP_ENDPOINT, &endpoint, NULL, 0, -1);
    }
}

static void endpoint_machine_done(Notifier *notifier, void *unused)
{
    VIOMMURemote *s = container_of(notifier, VIOMMURemote, machine_done);

    remote_requesters_changed(&s->viommu);
}

void remote_endpoint_start(VIOMMURemote *s)
{
    s->machine_done.notify = endpoint_machine_done;
    qemu_add_machine_init_done_notifier(&s->machine_done);
}

void remote_endpoint_init(VIOMMURemote *s)
{
    s->requesters = g_hash_table_new(NULL, NULL);
}

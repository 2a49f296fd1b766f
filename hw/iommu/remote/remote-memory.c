/*
 * viommu-remote: what the server is told of guest memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Memory that other processes can map is handed over as a file descriptor; it
 * is for reading.  What the server writes, it has us write, so that migration
 * and whoever else logs writes sees them.
 */
#include "qemu/osdep.h"
#include "exec/address-spaces.h"
#include "exec/cpu-common.h"
#include "exec/ramblock.h"
#include "monitor/monitor.h"
#include "qemu/lockable.h"
#include "system/runstate.h"
#include "remote-internal.h"

static void memory_tell(VIOMMURemote *s, const RemoteMap *m)
{
    remote_link_post(s->link, VRP_DMA_MAP, &m->map, NULL, 0, m->fd);
}

static bool memory_is_ours(const MemoryRegionSection *section)
{
    return memory_region_is_ram(section->mr) &&
           !memory_region_is_ram_device(section->mr) &&
           !int128_gethi(section->size);
}

/* MemoryListener; BQL */
static void memory_added(MemoryListener *listener, MemoryRegionSection *section)
{
    VIOMMURemote *s = container_of(listener, VIOMMURemote, listener);
    RAMBlock *block = section->mr->ram_block;
    RemoteMap m = {
        .map = {
            .argsz = sizeof(m.map),
            .flags = VRP_DMA_READABLE |
                     (section->readonly ? 0 : VRP_DMA_WRITEABLE),
            .addr = section->offset_within_address_space,
            .size = int128_get64(section->size),
        },
        .fd = -1,
    };

    if (!memory_is_ours(section)) {
        return;
    }
    if (qemu_ram_is_shared(block) && qemu_ram_get_fd(block) >= 0) {
        m.fd = qemu_ram_get_fd(block);
        m.map.offset = block->fd_offset + section->offset_within_region;
    }
    QEMU_LOCK_GUARD(&s->map_lock);
    g_array_append_val(s->maps, m);
    memory_tell(s, &m);
}

static void memory_removed(MemoryListener *listener,
                           MemoryRegionSection *section)
{
    VIOMMURemote *s = container_of(listener, VIOMMURemote, listener);
    VRPDMAUnmap unmap = {
        .argsz = sizeof(unmap),
        .addr = section->offset_within_address_space,
        .size = int128_get64(section->size),
    };

    if (!memory_is_ours(section)) {
        return;
    }
    QEMU_LOCK_GUARD(&s->map_lock);
    for (guint i = 0; i < s->maps->len; i++) {
        if (g_array_index(s->maps, RemoteMap, i).map.addr == unmap.addr) {
            g_array_remove_index_fast(s->maps, i);
            break;
        }
    }
    remote_link_post(s->link, VRP_DMA_UNMAP, &unmap, NULL, 0, -1);
}

void remote_memory_greet(VIOMMURemote *s)
{
    VRPRun run = { 0 };

    QEMU_LOCK_GUARD(&s->map_lock);
    for (guint i = 0; i < s->maps->len; i++) {
        memory_tell(s, &g_array_index(s->maps, RemoteMap, i));
    }
    run.running = s->running;
    remote_link_post(s->link, VRP_RUN, &run, NULL, 0, -1);
}

/* Who says stop, or goes away, is not to wait; who saves the machine is. */
static RemoteWait memory_stop_wait(RunState state)
{
    return monitor_cur() || state == RUN_STATE_SHUTDOWN ? REMOTE_WAIT_BRIEF :
                                                          REMOTE_WAIT_USUAL;
}

void remote_memory_settle(VIOMMURemote *s)
{
    if (s->unsettled && remote_serve_is_stopped(s)) {
        remote_serve_settle(s);
        s->unsettled = false;
    }
}

void remote_run_state(void *opaque, bool running, RunState state)
{
    VIOMMURemote *s = opaque;
    const VRPRun run = { .running = running };
    int error;

    s->unsettled = false;

    WITH_QEMU_LOCK_GUARD(&s->map_lock) {
        s->running = running;
        if (running) {
            remote_link_post(s->link, VRP_RUN, &run, NULL, 0, -1);
        }
    }
    if (!running) {
        /* What it writes to finish things, it writes before its answer. */
        error = remote_link_ask(s->link, VRP_RUN, &run, NULL, 0, NULL, NULL,
                                memory_stop_wait(state));
        remote_serve_settle(s);
        if (error == -EBUSY || error == -ETIMEDOUT) {
            /* It says so later on, of this one if not of that. */
            s->unsettled = true;
            remote_serve_stop(s);
        }
    }
}

void remote_memory_init(VIOMMURemote *s)
{
    s->listener = (MemoryListener) {
        .name = TYPE_VIOMMU_REMOTE,
        .region_add = memory_added,
        .region_del = memory_removed,
    };
    memory_listener_register(&s->listener, s->viommu.memory);
}

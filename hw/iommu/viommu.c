/*
 * vIOMMU core: the life of a vIOMMU: init, on and off, reset, load, stop
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Everything here runs under the BQL.
 */

#include "qemu/osdep.h"
#include "exec/address-spaces.h"
#include "hw/iommu/viommu-model.h"
#include "hw/iommu/viommu-policy.h"
#include "qemu/lockable.h"
#include "qemu/main-loop.h"
#include "system/block-backend.h"
#include "system/dma-held.h"
#include "system/runstate.h"
#include "system/system.h"
#include "trace.h"
#include "viommu-internal.h"
#include "viommu-query-internal.h"

/* Drop everything cached and make every endpoint follow the tables. */
static void viommu_start_over(VIOMMU *v, bool drain)
{
    DMADrainScope scope = { .last = HWADDR_MAX };
    VIOMMUEndpoint *ep;

    QLIST_FOREACH(ep, &v->endpoints, next) {
        qatomic_set(&ep->unlisted, viommu_endpoint_unlisted(ep));
    }
    WITH_QEMU_LOCK_GUARD(&v->lock) {
        qatomic_store_release(&v->config_seq, v->config_seq + 1);
        QLIST_FOREACH(ep, &v->endpoints, next) {
            viommu_config_drop(ep);
        }
    }
    iotlb_invalidate_all(v->iotlb);
    if (unlikely(v->sanitizer)) {
        viommu_sanitize_config_dropped(v);
        viommu_sanitize_invalidated(v, 0, 0, 0, HWADDR_MAX);
    }
    /* Removed, before the slots of those who might still use it are read. */
    smp_mb();

    memory_region_transaction_begin();
    QLIST_FOREACH(ep, &v->endpoints, next) {
        scope.topology |= viommu_refresh(ep);
    }
    memory_region_transaction_commit();
    QLIST_FOREACH(ep, &v->endpoints, next) {
        viommu_notify_unmap(ep, 0, HWADDR_MAX);
        if (scope.topology) {
            viommu_forget_identity(ep);
        }
    }
    if (drain) {
        dma_drain_start(v->drain, &scope);
    } else {
        dma_drain_drop_caches(v->drain);
    }
}

void viommu_set_enabled(VIOMMU *v, bool enabled)
{
    trace_viommu_set_enabled(v->name, enabled);
    qatomic_set(&v->enabled, enabled);
    viommu_start_over(v, true);
    if (unlikely(v->sanitizer)) {
        viommu_sanitize_bypass(v);
    }
}

void viommu_reset(VIOMMU *v)
{
    VIOMMUEndpoint *ep;
    DMA_HELD("reset");

    qatomic_set(&v->enabled, false);
    viommu_pages_forget(v);
    QLIST_FOREACH(ep, &v->endpoints, next) {
        viommu_notify_forget(ep);
    }
    viommu_start_over(v, false);
    dma_drain_reset(v->drain);
    if (unlikely(v->sanitizer)) {
        viommu_sanitize_clear(v);
    }
}

bool viommu_post_load(VIOMMU *v, bool enabled)
{
    DMA_HELD("load");

    qatomic_set(&v->enabled, enabled);
    viommu_policy_loaded();
    viommu_start_over(v, false);
    if (unlikely(v->sanitizer)) {
        viommu_sanitize_clear(v);
    }
    return viommu_windows_loaded(v);
}

/*
 * The machine stops: whatever a drain waits for is brought to its end now, so
 * that migration finds no drain pending, and the guest's memory, which is sent
 * before the devices' state, has the completion already.  What even this does
 * not end (a request that the block layer keeps for later) stays pending, and
 * the model's state says so.
 */
static void viommu_vm_state_change(void *opaque, bool running, RunState state)
{
    VIOMMU *v = opaque;

    if (!running && dma_drain_busy(v->drain)) {
        blk_drain_all();
        dma_drain_poll(v->drain);
    }
}

void viommu_init(VIOMMU *v, const VIOMMUModel *model, Object *owner)
{
    const VIOMMUProperties *props = &v->props;
    const DMADrainParams drain = {
        .bounce = props->dma_mode && !strcmp(props->dma_mode, "bounce"),
        /* The sanitizer wants to see each access. */
        .cache_pages = props->sanitizer ? 0 : props->dma_cache_size,
        .stall_ms = props->drain_stall_time,
        .timeout_ms = props->drain_timeout,
    };

    v->ops = model->ops;
    v->owner = owner;
    v->name = model->name;
    v->memory = &address_space_memory;
    v->mem = (IOPTMem) {
        .read = viommu_read_entry,
        .update = viommu_update_entry,
        .opaque = v,
    };
    v->iotlb = iotlb_new(props->iotlb_size);
    v->drain = dma_drain_new(&drain);
    qemu_mutex_init(&v->lock);
    v->by_key = viommu_endpoint_table_new();
    QLIST_INIT(&v->endpoints);
    /* Like the drain's: not in the middle of somebody's register write. */
    viommu_pages_init(v);
    v->refresh_bh = aio_bh_new(iohandler_get_aio_context(), viommu_refresh_bh,
                               v);
    v->vmstate = qemu_add_vm_change_state_handler(viommu_vm_state_change, v);
    v->device_listener.realize = viommu_device_realized;
    v->device_listener.unrealize = viommu_device_unrealized;
    device_listener_register(&v->device_listener);
    v->told_notifier.notify = viommu_told_changed;
    viommu_policy_told_add_notifier(&v->told_notifier);

    viommu_views_init(v);
    viommu_query_init(v);
    viommu_sanitizer_init(v);
    v->registration.driver_ok = viommu_sanitizer_driver;
    v->registration.bus_numbered = viommu_renumbered;
    v->registration.memory_ok = viommu_windows_memory_ok;
    viommu_register(&v->registration);
    viommu_windows_migration_init(v);
    v->machine_done.notify = viommu_windows_machine_done;
    qemu_add_machine_init_done_notifier(&v->machine_done);
}

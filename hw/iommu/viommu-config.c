/*
 * vIOMMU core: what applies to an endpoint, and the copy kept of it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A kept configuration is read under RCU by any thread.  It may be kept only if
 * no configuration was invalidated between reading the tables and installing
 * it: viommu_config_install() checks that, with the sequence number that was
 * read before the tables.
 */

#include "qemu/osdep.h"
#include "qemu/lockable.h"
#include "qemu/rcu.h"
#include "trace.h"
#include "viommu-internal.h"

void viommu_resolve_now(VIOMMUEndpoint *ep, uint32_t pasid,
                        VIOMMUConfig *config)
{
    VIOMMU *v = ep->viommu;

    memset(config, 0, sizeof(*config));
    if (!qatomic_read(&ep->bus)) {
        /* Its bus was unplugged: no configuration entry is its own. */
        config->mode = VIOMMU_BLOCKED;
        config->quiet = true;
        return;
    }
    if (!qatomic_read(&v->enabled) || qatomic_read(&ep->unlisted)) {
        config->mode = VIOMMU_BYPASS;
        config->tag = DMA_TAG_UNTRANSLATED;
        config->bypass_bits = 64;
        return;
    }
    v->ops->resolve(v, ep, pasid, config);
    if (trace_event_get_state_backends(TRACE_VIOMMU_RESOLVE)) {
        trace_viommu_resolve(viommu_endpoint_sid(ep), config->mode,
                             config->tag, config->reason);
    }
}

/* Keep a copy of @config, unless configuration was invalidated since @seq. */
static void viommu_config_install(VIOMMUEndpoint *ep,
                                  const VIOMMUConfig *config, uint64_t seq)
{
    VIOMMU *v = ep->viommu;

    QEMU_LOCK_GUARD(&v->lock);
    if (v->config_seq == seq && !ep->config) {
        qatomic_rcu_set(&ep->config, g_memdup2(config, sizeof(*config)));
    }
}

void viommu_config_drop(VIOMMUEndpoint *ep)
{
    VIOMMUConfig *old = ep->config;

    if (old) {
        qatomic_rcu_set(&ep->config, NULL);
        g_free_rcu(old, rcu);
    }
}

VIOMMUConfig *viommu_config_get(VIOMMUEndpoint *ep, uint32_t pasid,
                                VIOMMUConfig *fresh)
{
    VIOMMU *v = ep->viommu;
    VIOMMUConfig *config = qatomic_rcu_read(&ep->config);
    uint64_t seq;

    if (likely(config && pasid == VIOMMU_NO_PASID)) {
        return config;
    }
    seq = qatomic_load_acquire(&v->config_seq);
    viommu_resolve_now(ep, pasid, fresh);
    if (pasid != VIOMMU_NO_PASID) {
        return fresh;
    }
    if (fresh->cacheable) {
        viommu_config_install(ep, fresh, seq);
    }
    if (fresh->mode == VIOMMU_BYPASS && !qatomic_read(&ep->refresh)) {
        /* It could have the bypass view, but that takes the BQL. */
        qatomic_set(&ep->refresh, true);
        qemu_bh_schedule(v->refresh_bh);
    }
    return fresh;
}

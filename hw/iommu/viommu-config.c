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
#include "viommu-query-internal.h"

typedef void ViommuResolve(VIOMMU *v, VIOMMUEndpoint *ep, uint32_t pasid,
                           VIOMMUConfig *config);

static void viommu_resolve_through(VIOMMUEndpoint *ep, uint32_t pasid,
                                   const IOPTMem *mem, ViommuResolve *resolve,
                                   VIOMMUConfig *config)
{
    VIOMMU *v = ep->viommu;

    memset(config, 0, sizeof(*config));
    config->pasid = pasid;
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
    config->mem = mem;
    resolve(v, ep, pasid, config);
    config->mem = NULL;
    if (trace_event_get_state_backends(TRACE_VIOMMU_RESOLVE)) {
        trace_viommu_resolve(viommu_endpoint_sid(ep), config->mode,
                             config->tag, config->reason);
    }
}

void viommu_resolve_now(VIOMMUEndpoint *ep, uint32_t pasid,
                        VIOMMUConfig *config)
{
    VIOMMU *v = ep->viommu;

    viommu_resolve_through(ep, pasid, &v->mem, v->ops->resolve, config);
}

void viommu_resolve_look(VIOMMUEndpoint *ep, uint32_t pasid,
                         const IOPTMem *mem, VIOMMUConfig *config)
{
    viommu_resolve_through(ep, pasid, mem, ep->viommu->ops->resolve, config);
}

void viommu_query_resolve(VIOMMUEndpoint *ep, uint32_t pasid,
                          const IOPTMem *mem, VIOMMUConfig *config)
{
    const VIOMMUOps *ops = ep->viommu->ops;

    viommu_resolve_through(ep, pasid, mem, ops->query && ops->query->resolve ?
                           ops->query->resolve : ops->resolve, config);
}

/* v->lock held. */
static void viommu_config_set(VIOMMUConfig **slot, VIOMMUConfig *config)
{
    VIOMMUConfig *old = *slot;

    qatomic_rcu_set(slot, config);
    if (old) {
        g_free_rcu(old, rcu);
    }
}

/* Neighbours do not displace each other: PASIDs are given out in turn. */
static unsigned viommu_pasid_slot(uint32_t pasid)
{
    return pasid & (VIOMMU_PASID_SLOTS - 1);
}

/*
 * Keep a copy of @config, unless configuration was invalidated since @seq.  Of
 * two PASIDs that share a slot the last one is kept.
 */
static void viommu_config_install(VIOMMUEndpoint *ep, uint32_t pasid,
                                  const VIOMMUConfig *config, uint64_t seq)
{
    static uint64_t last_id;
    VIOMMU *v = ep->viommu;
    VIOMMUConfig **slot = &ep->config;
    VIOMMUConfig *kept;

    QEMU_LOCK_GUARD(&v->lock);
    if (v->config_seq != seq) {
        return;
    }
    if (pasid != VIOMMU_NO_PASID) {
        if (!ep->pasid_configs) {
            qatomic_rcu_set(&ep->pasid_configs,
                            g_new0(VIOMMUConfig *, VIOMMU_PASID_SLOTS));
        }
        slot = &ep->pasid_configs[viommu_pasid_slot(pasid)];
    } else if (ep->config) {
        return;
    }
    kept = g_memdup2(config, sizeof(*config));
    /* Never another's again, unlike its address. */
    kept->id = qatomic_fetch_inc(&last_id) + 1;
    viommu_config_set(slot, kept);
}

void viommu_config_drop(VIOMMUEndpoint *ep)
{
    viommu_config_set(&ep->config, NULL);
    for (unsigned i = 0; ep->pasid_configs && i < VIOMMU_PASID_SLOTS; i++) {
        viommu_config_set(&ep->pasid_configs[i], NULL);
    }
}

void viommu_config_drop_pasid(VIOMMUEndpoint *ep, uint32_t pasid)
{
    VIOMMUConfig **slot;

    if (ep->config && ep->config->pasid == pasid) {
        viommu_config_set(&ep->config, NULL);
    }
    if (ep->pasid_configs) {
        slot = &ep->pasid_configs[viommu_pasid_slot(pasid)];
        if (*slot && (*slot)->pasid == pasid) {
            viommu_config_set(slot, NULL);
        }
    }
}

void viommu_config_drop_tag(VIOMMUEndpoint *ep, uint64_t tag, uint64_t mask)
{
    if (ep->config && !((ep->config->tag ^ tag) & mask)) {
        viommu_config_set(&ep->config, NULL);
    }
    for (unsigned i = 0; ep->pasid_configs && i < VIOMMU_PASID_SLOTS; i++) {
        VIOMMUConfig **slot = &ep->pasid_configs[i];

        if (*slot && !(((*slot)->tag ^ tag) & mask)) {
            viommu_config_set(slot, NULL);
        }
    }
}

VIOMMUConfig *viommu_config_kept(VIOMMUEndpoint *ep, uint32_t pasid)
{
    VIOMMUConfig **configs, *config;

    if (likely(pasid == VIOMMU_NO_PASID)) {
        return qatomic_rcu_read(&ep->config);
    }
    configs = qatomic_rcu_read(&ep->pasid_configs);
    if (!configs) {
        return NULL;
    }
    config = qatomic_rcu_read(&configs[viommu_pasid_slot(pasid)]);
    return config && config->pasid == pasid ? config : NULL;
}

uint32_t viommu_config_pasid_at(VIOMMUEndpoint *ep, unsigned i)
{
    VIOMMUConfig **configs = i ? qatomic_rcu_read(&ep->pasid_configs) : NULL;
    VIOMMUConfig *config = configs ? qatomic_rcu_read(&configs[i - 1]) : NULL;

    return config ? config->pasid : VIOMMU_NO_PASID;
}

VIOMMUConfig *viommu_config_get(VIOMMUEndpoint *ep, uint32_t pasid,
                                VIOMMUConfig *fresh)
{
    VIOMMU *v = ep->viommu;
    VIOMMUConfig *config = viommu_config_kept(ep, pasid);
    uint64_t seq;

    if (likely(config)) {
        return config;
    }
    seq = qatomic_load_acquire(&v->config_seq);
    viommu_resolve_now(ep, pasid, fresh);
    if (fresh->cacheable) {
        viommu_config_install(ep, pasid, fresh, seq);
    }
    if (pasid == VIOMMU_NO_PASID && fresh->mode == VIOMMU_BYPASS &&
        !qatomic_read(&ep->refresh)) {
        /* It could have the bypass view, but that takes the BQL. */
        qatomic_set(&ep->refresh, true);
        qemu_bh_schedule(v->refresh_bh);
    }
    return fresh;
}

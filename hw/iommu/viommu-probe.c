/*
 * vIOMMU core: what the drain asks of the tables as they are now
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Any thread, inside an RCU read section, with no lock held.
 */

#include "qemu/osdep.h"
#include "viommu-internal.h"

bool viommu_probe(void *opaque, uint32_t pid, hwaddr iova, bool is_write,
                  hwaddr *gpa, hwaddr *len)
{
    VIOMMUEndpoint *ep = opaque;
    VIOMMU *v = ep->viommu;
    VIOMMUConfig config;
    /* It is no access: no table is written for it. */
    const IOPTMem mem = { .read = v->mem.read, .opaque = v->mem.opaque };
    IOTLBEntry entry;
    IOPTResult res;
    bool refused;

    viommu_resolve_now(ep, viommu_pasid_of(v, pid), &config);
    switch (config.mode) {
    case VIOMMU_BYPASS:
        *gpa = iova;
        *len = BYPASS_PAGE_MASK + 1 - (iova & BYPASS_PAGE_MASK);
        return config.bypass_bits >= 64 || !(iova >> config.bypass_bits);
    case VIOMMU_TRANSLATE:
        if (viommu_walk(v, &config, &mem, iova,
                        is_write ? IOPT_WRITE : IOPT_READ, &entry, &res,
                        &refused) != IOPT_OK || refused) {
            return false;
        }
        *gpa = entry.addr | (iova & ((1ULL << entry.shift) - 1));
        *len = entry.addr + (1ULL << entry.shift) - *gpa;
        return true;
    default:
        return false;
    }
}

hwaddr viommu_canonical(void *opaque, uint32_t pid, hwaddr iova)
{
    VIOMMUEndpoint *ep = opaque;
    VIOMMUConfig *config, fresh;

    config = viommu_config_get(ep, viommu_pasid_of(ep->viommu, pid), &fresh);
    return config->mode == VIOMMU_TRANSLATE ?
           iopt_space_iova(&config->space, iova) : iova;
}

/*
 * vIOMMU core: what an endpoint is told where no vIOMMU of ours can be
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/iommu/viommu-ats.h"

ssize_t viommu_ats_translate(AddressSpace *as, uint32_t attrs, hwaddr addr,
                             hwaddr len, bool no_write, IOMMUTLBEntry *result,
                             size_t n, uint32_t *errors)
{
    return -ENODEV;
}

int viommu_ats_page_request(AddressSpace *as, const VIOMMUPageRequest *req)
{
    return -ENODEV;
}

bool viommu_ats_listen(AddressSpace *as, VIOMMUATSListener *l)
{
    return false;
}

void viommu_ats_dropped(AddressSpace *as)
{
}

void viommu_ats_unlisten(VIOMMUATSListener *l)
{
}

int viommu_ats_register_notifier(AddressSpace *as, IOMMUNotifier *n)
{
    return -ENODEV;
}

int viommu_ats_unregister_notifier(AddressSpace *as, IOMMUNotifier *n)
{
    return -ENODEV;
}

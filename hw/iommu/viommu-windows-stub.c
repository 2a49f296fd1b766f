/*
 * vIOMMU core: windows where no vIOMMU of ours can be
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/iommu/viommu-windows.h"

void viommu_windows_device_class(ObjectClass *klass)
{
}

bool viommu_windows_host_memory_ok(GList *usable, const char *memory,
                                   uint64_t first, uint64_t last,
                                   Error **errp)
{
    return true;
}

bool viommu_windows_host_plug_ok(GList *usable, const char *device,
                                 uint64_t first, uint64_t last,
                                 uint64_t *next, Error **errp)
{
    return true;
}

bool viommu_windows_device_ok(PCIDevice *dev, Error **errp)
{
    return true;
}

void viommu_windows_rmrr(GArray *table)
{
}

void viommu_windows_ivmd(GArray *table)
{
}

void viommu_windows_rmr(GArray *table, uint32_t iort, uint32_t smmu,
                        uint32_t id)
{
}

void *viommu_windows_e820(void *table, size_t *bytes)
{
    return table;
}

uint8_t viommu_windows_dsm_functions(void)
{
    return 0;
}

void viommu_windows_dsm(Aml *uuid)
{
}

void viommu_windows_direct(IOMMUWindows *list)
{
}

const IOMMUWindows *viommu_windows_of(PCIDevice *dev)
{
    return NULL;
}

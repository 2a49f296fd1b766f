/*
 * AMD-Vi: what acpi-build.c needs to link without the model
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/i386/amd_iommu.h"

uint64_t amdvi_extended_feature_register(AMDVIState *s)
{
    return 0;
}

uint32_t amdvi_ivhd_features(AMDVIState *s)
{
    return 0;
}

void amdvi_ivhd_40h(GArray *table, unsigned len)
{
}

/*
 * viommu-remote: what firmware tells of it where there is none
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/iommu/viommu-remote.h"

void viommu_remote_dmar(GArray *offsets, GArray *tables, BIOSLinker *linker,
                        const char *oem_id, const char *oem_table_id)
{
}

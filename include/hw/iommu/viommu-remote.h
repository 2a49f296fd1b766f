/*
 * viommu-remote: what the machine asks of it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_IOMMU_VIOMMU_REMOTE_H
#define HW_IOMMU_VIOMMU_REMOTE_H

#include "hw/acpi/bios-linker-loader.h"

/**
 * viommu_remote_dmar: append to @tables, and to their @offsets, a DMAR (VT-d,
 * chapter 8) of the units in other processes that are VT-ds: where their
 * registers are, and who is behind them.  Nothing if there is none.  Not beside
 * a DMAR of the machine's own.  BQL.
 */
void viommu_remote_dmar(GArray *offsets, GArray *tables, BIOSLinker *linker,
                        const char *oem_id, const char *oem_table_id);

#endif

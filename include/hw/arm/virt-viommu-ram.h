/*
 * virt: RAM beside the windows of devices behind a vIOMMU
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * BQL, while the machine is created.  With ram-holes=off, and where the command
 * line has no window in RAM, it is in one piece.
 */
#ifndef HW_ARM_VIRT_VIOMMU_RAM_H
#define HW_ARM_VIRT_VIOMMU_RAM_H

#include "hw/acpi/aml-build.h"
#include "hw/arm/virt.h"
#include "hw/firmware/smbios.h"

/*
 * virt_viommu_ram_lay_out: where it goes; ahead of the others, once.  Exits if
 * there is no room.  Returns: the address behind it.
 * virt_viommu_ram_span: bytes from where it begins to there.
 * virt_viommu_ram_map: put it into @sysmem, and have the device tree say where
 * it is, and with firmware not where it is mapped one to one for devices.
 */
uint64_t virt_viommu_ram_lay_out(VirtMachineState *vms);
uint64_t virt_viommu_ram_span(VirtMachineState *vms);
void virt_viommu_ram_map(VirtMachineState *vms, MemoryRegion *sysmem);

/*
 * virt_viommu_ram_each: call @fn for each range of addresses that has a part of
 * the @size bytes of RAM that would begin at @base if it were in one piece.
 */
typedef void VirtRAMFn(uint64_t addr, uint64_t size, void *opaque);
void virt_viommu_ram_each(VirtMachineState *vms, uint64_t base, uint64_t size,
                          VirtRAMFn *fn, void *opaque);

/*
 * virt_viommu_ram_srat: the same for SRAT, with build_srat_memory().
 * virt_viommu_ram_smbios: an array of struct smbios_phys_mem_area, to be freed.
 */
void virt_viommu_ram_srat(VirtMachineState *vms, GArray *table, uint64_t base,
                          uint64_t len, int node, MemoryAffinityFlags flags);
GArray *virt_viommu_ram_smbios(VirtMachineState *vms);

#endif

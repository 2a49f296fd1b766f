/*
 * virt: the SMMUv3's "virtio" switch, which is an option of the machine
 * because the machine creates the SMMU
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/arm/smmuv3.h"
#include "hw/arm/virt.h"
#include "hw/arm/virt-viommu-policy.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "system/device_tree.h"

static int get_switch(Object *obj, Error **errp)
{
    return VIRT_MACHINE(obj)->viommu_policy.virtio;
}

static void set_switch(Object *obj, int value, Error **errp)
{
    VIRT_MACHINE(obj)->viommu_policy.virtio = value;
}

void virt_viommu_policy_class_init(ObjectClass *oc)
{
    object_class_property_add_enum(oc, "iommu-virtio", "VIOMMUVirtio",
                                   &VIOMMUVirtio_lookup, get_switch,
                                   set_switch);
    object_class_property_set_description(oc, "iommu-virtio",
                                          "With iommu=smmuv3: which virtio "
                                          "devices are translated. Valid "
                                          "values are device, translate, "
                                          "bypass and require; device if it is "
                                          "not given");
}

void virt_viommu_policy_init(VirtMachineState *vms, PCIBus *bus)
{
    VIOMMUPolicy *policy = &vms->viommu_policy;

    if (vms->iommu == VIRT_IOMMU_SMMUV3) {
        policy->model = TYPE_ARM_SMMUV3;
        policy->bus = bus;
        policy->follows_tables = true;
        viommu_policy_register(policy, &error_fatal);
    } else if (policy->virtio != VIOMMU_VIRTIO_DEVICE) {
        error_setg(&error_fatal, "-machine virt: iommu-virtio=%s needs "
                   "iommu=smmuv3; a virtio-iommu-pci has the option as its "
                   "own property, virtio=%s",
                   VIOMMUVirtio_str(policy->virtio),
                   VIOMMUVirtio_str(policy->virtio));
    }
}

typedef struct IOMMUMap {
    GArray *cells;
    uint32_t phandle;
    VIOMMURids *rids;        /* the same */
} IOMMUMap;

static void map_add_cell(IOMMUMap *map, uint32_t value)
{
    const uint32_t cell = cpu_to_be32(value);

    g_array_append_val(map->cells, cell);
}

static void map_add(uint32_t first, uint32_t last, void *opaque)
{
    IOMMUMap *map = opaque;

    map_add_cell(map, first);
    map_add_cell(map, map->phandle);
    map_add_cell(map, first);
    map_add_cell(map, last - first + 1);
    viommu_rids_set(map->rids, first, last, true);
}

void virt_viommu_policy_fdt(VirtMachineState *vms)
{
    void *fdt = MACHINE(vms)->fdt;
    const char *node = vms->pciehb_nodename;
    uint32_t last = PCI_BUILD_BDF(PCI_BUS_MAX - 1, PCI_DEVFN_MAX - 1);
    g_autoptr(GArray) cells = g_array_new(false, false, sizeof(uint32_t));
    g_autofree VIOMMURids *rids = g_new0(VIOMMURids, 1);
    IOMMUMap map = { cells, vms->iommu_phandle, rids };
    bool acpi = vms->bootinfo.firmware_loaded && virt_is_acpi_enabled(vms);
    VIOMMUListed listed;

    if (!viommu_policy_truthful() || !vms->iommu_phandle ||
        vms->default_bus_bypass_iommu) {
        return;
    }
    listed = viommu_policy_unnumbered(vms->bus);
    if (listed == VIOMMU_LISTED_NONE) {
        last = PCI_DEVFN_MAX - 1;
    } else if (listed == VIOMMU_LISTED_SOME && !acpi) {
        warn_report("the device tree lists all that is behind PCI bridges "
                    "as translated, and not all of it is: boot with "
                    "firmware and ACPI, or put the others on the root bus");
    }
    viommu_policy_rids(vms->bus, 0, last, map_add, &map);
    qemu_fdt_setprop(fdt, node, "iommu-map", cells->data,
                     cells->len * sizeof(uint32_t));
    if (!acpi) {
        /* There will be no IORT, which could say more. */
        viommu_policy_told_tree(g_steal_pointer(&rids));
    }
}

/*
 * virt: RAM beside the windows of devices behind a vIOMMU
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * With ram-holes=auto RAM goes on behind each window (hw/iommu/ram-holes.h).
 * All that speaks of where RAM is, in one piece from its beginning on, asks
 * here; with one piece everything is the base's.
 *
 * With firmware, the memory of direct windows is none of its memory: it gives
 * the guest what is left, and would use all that it has itself.
 */
#include "qemu/osdep.h"
#include "hw/acpi/aml-build.h"
#include "hw/arm/boot.h"
#include "hw/arm/virt.h"
#include "hw/arm/virt-viommu-ram.h"
#include "hw/iommu/ram-holes.h"
#include "hw/iommu/viommu-windows.h"
#include "qapi/error.h"
#include "qemu/units.h"
#include "system/device_tree.h"

/* Where kernel, initramfs and tree are put, and what firmware begins with */
#define RAM_LEAST (256 * MiB)

uint64_t virt_viommu_ram_lay_out(VirtMachineState *vms)
{
    return ram_holes_lay_out(vms->memmap[VIRT_MEM].base,
                             MACHINE(vms)->ram_size, RAM_LEAST);
}

static void ram_end_piece(uint64_t addr, uint64_t offset, uint64_t size,
                          void *opaque)
{
    *(uint64_t *)opaque = addr + size;
}

uint64_t virt_viommu_ram_span(VirtMachineState *vms)
{
    uint64_t end = 0;

    ram_holes_pieces(ram_end_piece, &end);
    return end - vms->memmap[VIRT_MEM].base;
}

typedef struct RAMMap {
    VirtMachineState *vms;
    MemoryRegion *sysmem;
} RAMMap;

static void ram_map_piece(uint64_t addr, uint64_t offset, uint64_t size,
                          void *opaque)
{
    RAMMap *map = opaque;
    MemoryRegion *ram = MACHINE(map->vms)->ram, *piece = ram;

    if (size != memory_region_size(ram)) {
        piece = g_new(MemoryRegion, 1);
        memory_region_init_alias(piece, OBJECT(map->vms), "mach-virt.ram",
                                 ram, offset, size);
    }
    memory_region_add_subregion(map->sysmem, addr, piece);
}


/* Parts of RAM, as they are where it is in one piece */

typedef struct RAMPart {
    uint64_t offset, size;
    VirtRAMFn *fn;
    void *opaque;
} RAMPart;

static void ram_part_piece(uint64_t addr, uint64_t offset, uint64_t size,
                           void *opaque)
{
    const RAMPart *part = opaque;
    uint64_t first = MAX(offset, part->offset);
    uint64_t end = MIN(offset + size, part->offset + part->size);

    if (first < end) {
        part->fn(addr + (first - offset), end - first, part->opaque);
    }
}

void virt_viommu_ram_each(VirtMachineState *vms, uint64_t base, uint64_t size,
                          VirtRAMFn *fn, void *opaque)
{
    RAMPart part = {
        .offset = base - vms->memmap[VIRT_MEM].base, .size = size,
        .fn = fn, .opaque = opaque,
    };

    ram_holes_pieces(ram_part_piece, &part);
}

/* The device tree */

/* Nodes of memory, as they will be */
typedef struct RAMNode {
    uint64_t first, last;
    int numa;                /* -1: none is given */
} RAMNode;

typedef struct RAMTree {
    VirtMachineState *vms;
    void *fdt;
    IOMMUWindows direct;     /* what firmware is not to have */
    GArray *nodes;           /* RAMNode */
    int numa;                /* of the node that is looked at */
} RAMTree;

static void ram_tree_gap(uint64_t first, uint64_t last, void *opaque)
{
    RAMTree *t = opaque;
    const RAMNode node = { .first = first, .last = last, .numa = t->numa };

    g_array_append_val(t->nodes, node);
}

static void ram_tree_piece(uint64_t addr, uint64_t size, void *opaque)
{
    RAMTree *t = opaque;

    iommu_windows_gaps(&t->direct, addr, addr + size - 1, ram_tree_gap, t);
}

/* A node of the base's goes; what it stands for is kept. */
static void ram_tree_take(RAMTree *t, const char *node)
{
    Error *none = NULL;
    const uint64_t *reg;
    uint64_t base, size;
    int len;

    reg = qemu_fdt_getprop(t->fdt, node, "reg", &len, &error_fatal);
    if (len != 2 * sizeof(*reg)) {
        return;
    }
    base = ldq_be_p(reg);
    size = ldq_be_p(reg + 1);
    t->numa = qemu_fdt_getprop_cell(t->fdt, node, "numa-node-id", NULL, &none);
    if (none) {
        error_free(none);
        t->numa = -1;
    }
    qemu_fdt_nop_node(t->fdt, node);
    virt_viommu_ram_each(t->vms, base, size, ram_tree_piece, t);
}

static void ram_tree_put(RAMTree *t, const RAMNode *n)
{
    g_autofree char *node = g_strdup_printf("/memory@%" PRIx64, n->first);

    qemu_fdt_add_subnode(t->fdt, node);
    qemu_fdt_setprop_string(t->fdt, node, "device_type", "memory");
    qemu_fdt_setprop_sized_cells(t->fdt, node, "reg", 2, n->first, 2,
                                 n->last - n->first + 1);
    if (n->numa >= 0) {
        qemu_fdt_setprop_cell(t->fdt, node, "numa-node-id", n->numa);
    }
}

/* arm_boot_info.modify_dtb */
static void ram_tree(const struct arm_boot_info *info, void *fdt)
{
    RAMTree t = {
        .vms = container_of(info, VirtMachineState, bootinfo), .fdt = fdt,
    };
    g_auto(GStrv) nodes = NULL;
    unsigned i;

    if (info->firmware_loaded) {
        viommu_windows_direct(&t.direct);
    }
    if (!t.direct.n &&
        virt_viommu_ram_span(t.vms) == MACHINE(t.vms)->ram_size) {
        return;
    }
    t.nodes = g_array_new(false, false, sizeof(RAMNode));
    nodes = qemu_fdt_node_unit_path(fdt, "memory", &error_fatal);
    for (i = 0; nodes[i]; i++) {
        if (g_str_has_prefix(nodes[i], "/memory@")) {
            ram_tree_take(&t, nodes[i]);
        }
    }
    /* Their names may be those of what has gone. */
    for (i = 0; i < t.nodes->len; i++) {
        ram_tree_put(&t, &g_array_index(t.nodes, RAMNode, i));
    }
    g_array_unref(t.nodes);
    iommu_windows_clear(&t.direct);
}

void virt_viommu_ram_map(VirtMachineState *vms, MemoryRegion *sysmem)
{
    RAMMap map = { .vms = vms, .sysmem = sysmem };

    ram_holes_pieces(ram_map_piece, &map);
    vms->bootinfo.modify_dtb = ram_tree;
}

/* SRAT */

typedef struct RAMSrat {
    GArray *table;
    int node;
    MemoryAffinityFlags flags;
} RAMSrat;

static void ram_srat_piece(uint64_t addr, uint64_t size, void *opaque)
{
    const RAMSrat *srat = opaque;

    build_srat_memory(srat->table, addr, size, srat->node, srat->flags);
}

void virt_viommu_ram_srat(VirtMachineState *vms, GArray *table, uint64_t base,
                          uint64_t len, int node, MemoryAffinityFlags flags)
{
    RAMSrat srat = { .table = table, .node = node, .flags = flags };

    virt_viommu_ram_each(vms, base, len, ram_srat_piece, &srat);
}

/* SMBIOS */

static void ram_smbios_piece(uint64_t addr, uint64_t size, void *opaque)
{
    const struct smbios_phys_mem_area area = {
        .address = addr, .length = size,
    };

    g_array_append_val((GArray *)opaque, area);
}

GArray *virt_viommu_ram_smbios(VirtMachineState *vms)
{
    GArray *areas = g_array_new(false, false,
                                sizeof(struct smbios_phys_mem_area));

    virt_viommu_ram_each(vms, vms->memmap[VIRT_MEM].base,
                         MACHINE(vms)->ram_size, ram_smbios_piece, areas);
    return areas;
}

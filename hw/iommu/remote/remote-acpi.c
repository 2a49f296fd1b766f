/*
 * viommu-remote: what firmware tells the guest of the unit
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Where the registers are, and who is behind them, is this side's to know; what
 * they are, the server has said.  Who remaps interrupts has the I/O APIC in its
 * scope.
 */
#include "qemu/osdep.h"
#include "hw/acpi/aml-build.h"
#include "hw/iommu/viommu-policy-acpi.h"
#include "hw/iommu/viommu-remote.h"
#include "hw/pci/pci_bus.h"
#include "hw/pci/pci_host.h"
#include "../viommu-acpi-spec.h"
#include "../viommu-policy-internal.h"
#include "remote-internal.h"

typedef struct AcpiScopes {
    const VIOMMURemote *s;
    GByteArray *blob;
} AcpiScopes;

/* A root bus may be another one's child, and goes where that one's goes. */
static int acpi_scopes_of(Object *obj, void *opaque)
{
    AcpiScopes *scopes = opaque;
    g_autoptr(VIOMMUBus) root = NULL;
    PCIBus *bus;

    if (!object_dynamic_cast(obj, TYPE_PCI_HOST_BRIDGE)) {
        return 0;
    }
    bus = PCI_HOST_BRIDGE(obj)->bus;
    if (bus && viommu_policy_of_bus(bus) == &scopes->s->policy) {
        root = viommu_policy_bus(bus);
        for (unsigned i = 0; i < root->n; i++) {
            viommu_dmar_scopes(scopes->blob, root, i);
        }
    }
    return 0;
}

/* VT-d, 8.3.1: the I/O APIC, by the ID that MADT has, as a requester */
static void acpi_ioapic(GByteArray *blob)
{
    const uint8_t scope[] = {
        DMAR_SCOPE_IOAPIC, DMAR_SCOPE_BYTES + 2, 0, 0, REMOTE_IOAPIC_ID,
        REMOTE_IOAPIC_RID >> 8, PCI_SLOT(REMOTE_IOAPIC_RID & 0xff),
        PCI_FUNC(REMOTE_IOAPIC_RID & 0xff),
    };

    g_byte_array_append(blob, scope, sizeof(scope));
}

/* VT-d, 8.3 */
static void acpi_drhd(const VIOMMURemote *s, GArray *table)
{
    g_autoptr(GByteArray) blob = g_byte_array_new();
    AcpiScopes scopes = { s, blob };
    unsigned pages = DIV_ROUND_UP(s->region_size, DMAR_DRHD_PAGE);

    if (remote_remaps(s)) {
        acpi_ioapic(blob);
    }
    object_child_foreach_recursive(object_get_root(), acpi_scopes_of, &scopes);
    build_append_int_noprefix(table, DMAR_DRHD, 2);
    build_append_int_noprefix(table, DMAR_DRHD_SCOPES + blob->len, 2);
    build_append_int_noprefix(table, 0, 1);     /* Flags: not all of PCI */
    build_append_int_noprefix(table, ctz32(pow2ceil(pages)), 1);    /* Size */
    build_append_int_noprefix(table, 0, 2);     /* Segment Number */
    build_append_int_noprefix(table, s->mmio, 8);
    g_array_append_vals(table, blob->data, blob->len);
}

/* VT-d, 8.5: below which root ports devices may have TLBs */
static void acpi_atsr(GArray *table)
{
    if (viommu_policy_dmar_atsr(table)) {
        return;
    }
    build_append_int_noprefix(table, DMAR_ATSR, 2);
    build_append_int_noprefix(table, DMAR_ATSR_SCOPES, 2);
    build_append_int_noprefix(table, DMAR_ATSR_ALL_PORTS, 1);   /* Flags */
    build_append_int_noprefix(table, 0, 1);     /* Reserved */
    build_append_int_noprefix(table, 0, 2);     /* Segment Number */
}

static int acpi_unit(Object *obj, void *opaque)
{
    VIOMMURemote *s = (VIOMMURemote *)object_dynamic_cast(obj,
                                                          TYPE_VIOMMU_REMOTE);

    if (s && DEVICE(s)->realized && remote_acpi_tells(s)) {
        g_ptr_array_add(opaque, s);
    }
    return 0;
}

void viommu_remote_dmar(GArray *offsets, GArray *tables, BIOSLinker *linker,
                        const char *oem_id, const char *oem_table_id)
{
    AcpiTable table = { .sig = "DMAR", .rev = 1, .oem_id = oem_id,
                        .oem_table_id = oem_table_id };
    g_autoptr(GPtrArray) units = g_ptr_array_new();
    const uint8_t reserved[10] = { 0 };
    uint32_t features = 0;
    unsigned bits = 0;

    object_child_foreach_recursive(object_get_root(), acpi_unit, units);
    if (!units->len) {
        return;
    }
    for (guint i = 0; i < units->len; i++) {
        const VIOMMURemote *s = g_ptr_array_index(units, i);

        bits = MAX(bits, s->unit.address_bits);
        features |= s->unit.features;
    }
    acpi_add_table(offsets, tables);
    acpi_table_begin(&table, tables);
    build_append_int_noprefix(tables, bits - 1, 1);     /* Host Address Width */
    build_append_int_noprefix(tables, features & VRP_F_INTERRUPTS ?
                              DMAR_INTR_REMAP : 0, 1);  /* Flags */
    g_array_append_vals(tables, reserved, sizeof(reserved));
    for (guint i = 0; i < units->len; i++) {
        acpi_drhd(g_ptr_array_index(units, i), tables);
    }
    viommu_windows_rmrr(tables);
    if (features & VRP_F_DEVICE_TLB) {
        acpi_atsr(tables);
    }
    acpi_table_end(linker, &table);
}

/*
 * DMAR: the scopes of the endpoints that are translated
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * VT-d specification, chapter 8.  VIOT and IORT need no code of their own: they
 * take viommu_policy_rids().
 */
#include "qemu/osdep.h"
#include "hw/acpi/aml-build.h"
#include "hw/iommu/viommu-policy-acpi.h"
#include "hw/pci/pci_bus.h"
#include "hw/pci/pci_device.h"
#include "viommu-acpi-spec.h"
#include "viommu-policy-internal.h"

bool viommu_policy_dmar_scope(PCIDevice *dev, GArray *blob)
{
    g_autoptr(GByteArray) scopes = g_byte_array_new();
    g_autoptr(VIOMMUBus) root = NULL;
    unsigned i = 0;

    if (!viommu_policy_truthful()) {
        return false;
    }
    root = viommu_policy_bus(pci_get_bus(dev));
    while (root->functions[i].devfn != dev->devfn) {
        i++;
    }
    viommu_dmar_scopes(scopes, root, i);
    g_array_append_vals(blob, scopes->data, scopes->len);
    return true;
}

bool viommu_policy_dmar_atsr(GArray *table)
{
    g_autoptr(GByteArray) scopes = g_byte_array_new();
    g_autoptr(GPtrArray) roots = NULL;
    bool all = true;
    unsigned i;

    if (!viommu_policy_truthful()) {
        return false;
    }
    roots = viommu_policy_roots();
    for (i = 0; i < roots->len; i++) {
        all &= viommu_dmar_ports(scopes, g_ptr_array_index(roots, i));
    }
    if (all) {
        return false;
    }
    if (scopes->len) {
        build_append_int_noprefix(table, DMAR_ATSR, 2);
        build_append_int_noprefix(table, DMAR_ATSR_SCOPES + scopes->len, 2);
        build_append_int_noprefix(table, 0, 1);     /* Flags: not ALL_PORTS */
        build_append_int_noprefix(table, 0, 1);     /* Reserved */
        build_append_int_noprefix(table, 0, 2);     /* Segment Number */
        g_array_append_vals(table, scopes->data, scopes->len);
    }
    return true;
}

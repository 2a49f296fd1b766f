/*
 * What is needed of the layout of DMAR, IORT and VIOT
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_IOMMU_VIOMMU_ACPI_SPEC_H
#define HW_IOMMU_VIOMMU_ACPI_SPEC_H

/* ACPI 6.5, 5.2.6, System Description Table Header: offsets in bytes */
#define ACPI_LENGTH             4
#define ACPI_HEADER_BYTES       36

/* VT-d, 8.1: the remapping structures begin here */
#define DMAR_STRUCTURES         48
#define DMAR_INTR_REMAP         0x01    /* of its Flags */
/* All of them begin so. */
#define DMAR_TYPE               0
#define DMAR_LENGTH             2
#define DMAR_HEADER_BYTES       4

/* VT-d, 8.3, DRHD */
#define DMAR_DRHD               0
#define DMAR_DRHD_FLAGS         4
#define DMAR_DRHD_PCI_ALL       0x01
#define DMAR_DRHD_SCOPES        16
/* Its Size is log2 of so many bytes. */
#define DMAR_DRHD_PAGE          4096

/* VT-d, 8.4, RMRR; then base, limit (its last byte), and device scopes */
#define DMAR_RMRR               1
#define DMAR_RMRR_BASE          8
#define DMAR_RMRR_LIMIT         16
#define DMAR_RMRR_SCOPES        24

/* VT-d, 8.5, ATSR */
#define DMAR_ATSR               2
#define DMAR_ATSR_ALL_PORTS     0x01
#define DMAR_ATSR_SCOPES        8

/* VT-d, 8.3.1, Device Scope Structure; its path follows, 2 bytes a step. */
#define DMAR_SCOPE_TYPE         0
#define DMAR_SCOPE_LENGTH       1
#define DMAR_SCOPE_BUS          5
#define DMAR_SCOPE_BYTES        6
#define DMAR_SCOPE_ENDPOINT     1
#define DMAR_SCOPE_BRIDGE       2
#define DMAR_SCOPE_IOAPIC       3
#define DMAR_PATH_MAX           ((UINT8_MAX - DMAR_SCOPE_BYTES) / 2)

/* Arm DEN 0049, IORT: the table, and the head of each node */
#define IORT_NODE_COUNT         36
#define IORT_NODE_OFFSET        40
#define IORT_NODE_TYPE          0
#define IORT_NODE_LENGTH        1
#define IORT_NODE_MAPPINGS      8
#define IORT_NODE_MAPPING_OFFSET 12
#define IORT_NODE_BYTES         16
#define IORT_ROOT_COMPLEX       2
#define IORT_SMMUV3             4

/* An ID mapping */
#define IORT_MAPPING_INPUT      0
#define IORT_MAPPING_COUNT      4   /* minus one */
#define IORT_MAPPING_REFERENCE  12
#define IORT_MAPPING_BYTES      20

/* RMR nodes (DEN 0049E.d, 3.1.1.5), which need this revision of the table */
#define ACPI_REVISION           8
#define IORT_REVISION_RMR       5
#define IORT_RMR                6
#define IORT_RMR_REVISION       3
#define IORT_RMR_REMAP          0x1     /* the OS may, once it has control */
#define IORT_RMR_NORMAL_WB      (5 << 2)
#define IORT_RMR_BYTES          28      /* head, flags, count, offset */
#define IORT_RMR_DESC_BYTES     20      /* offset, length, reserved */
#define IORT_RMR_ALIGN          0x10000

/* AMD IOMMU, 5.2.3, IVMD: a block of memory, and whose it is */
#define IVMD_ALL                0x20
#define IVMD_ONE                0x21
#define IVMD_RANGE              0x22
#define IVMD_BYTES              32
#define IVMD_UNITY              0x01
#define IVMD_READ               0x02
#define IVMD_WRITE              0x04

/* ACPI 6.5, 15.4, as fw_cfg has it in etc/e820: address, length, type */
#define E820_ENTRY_BYTES        20
#define E820_ENTRY_LENGTH       8
#define E820_ENTRY_TYPE         16
#define E820_TYPE_MEMORY        1
#define E820_TYPE_RESERVED      2

/* ACPI 6.5, 5.2.30, VIOT: the table, the head of each node, a PCI range */
#define VIOT_NODE_COUNT         36
#define VIOT_NODE_OFFSET        38
#define VIOT_NODE_TYPE          0
#define VIOT_NODE_LENGTH        2
#define VIOT_NODE_BYTES         4
#define VIOT_PCI_RANGE          1
#define VIOT_RANGE_FIRST        12
#define VIOT_RANGE_LAST         14

#endif

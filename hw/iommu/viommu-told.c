/*
 * What the guest was told: the requesters that DMAR, IORT and VIOT list
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The tables are our own, or those of the QEMU that the guest has come from.
 */
#include "qemu/osdep.h"
#include "hw/iommu/viommu-listed.h"
#include "viommu-acpi-spec.h"

/* Some bytes; what is read beyond them is 0 */
typedef struct Bytes {
    const uint8_t *data;
    size_t len;
} Bytes;

static uint32_t bytes_get(const Bytes *b, size_t at, unsigned n)
{
    uint32_t value = 0;

    if (at > b->len || n > b->len - at) {
        return 0;
    }
    while (n--) {
        value = value << 8 | b->data[at + n];
    }
    return value;
}

/* What is at @at, but at most @len; empty if that is outside */
static Bytes bytes_part(const Bytes *b, size_t at, size_t len)
{
    if (at > b->len) {
        return (Bytes) { NULL, 0 };
    }
    return (Bytes) { b->data + at, MIN(len, b->len - at) };
}

static const VIOMMUBus *told_bus(VIOMMUBus *const *roots, unsigned n,
                                 uint8_t number)
{
    unsigned i;

    for (i = 0; i < n; i++) {
        if (roots[i]->number == number) {
            return roots[i];
        }
    }
    return NULL;
}

static const VIOMMUFunction *told_function(const VIOMMUBus *bus, uint8_t devfn)
{
    unsigned i;

    for (i = 0; bus && i < bus->n; i++) {
        if (bus->functions[i].devfn == devfn) {
            return &bus->functions[i];
        }
    }
    return NULL;
}

static void told_scope(VIOMMURids *rids, const Bytes *scope,
                       VIOMMUBus *const *roots, unsigned n)
{
    uint8_t type = bytes_get(scope, DMAR_SCOPE_TYPE, 1);
    uint8_t number = bytes_get(scope, DMAR_SCOPE_BUS, 1);
    const VIOMMUBus *bus = told_bus(roots, n, number);
    size_t at;

    for (at = DMAR_SCOPE_BYTES; at + 2 <= scope->len; at += 2) {
        uint8_t devfn = (bytes_get(scope, at, 1) & 0x1f) << 3 |
                        (bytes_get(scope, at + 1, 1) & 7);
        const VIOMMUFunction *fn = told_function(bus, devfn);
        uint16_t rid = number << 8 | devfn;

        if (at + 4 > scope->len) {
            viommu_rids_set(rids, rid, rid, true);
        }
        bus = fn ? fn->below : NULL;
        if (!bus || !bus->number || bus->last < bus->number) {
            return;
        }
        number = bus->number;
    }
    if (type == DMAR_SCOPE_BRIDGE && bus) {
        viommu_rids_set(rids, bus->number << 8, bus->last << 8 | 0xff, true);
    }
}

static void told_drhd(VIOMMURids *rids, const Bytes *drhd,
                      VIOMMUBus *const *roots, unsigned n)
{
    size_t at = DMAR_DRHD_SCOPES, len;

    if (bytes_get(drhd, DMAR_DRHD_FLAGS, 1) & DMAR_DRHD_PCI_ALL) {
        viommu_rids_set(rids, 0, VIOMMU_RIDS - 1, true);
    }
    for (; at < drhd->len; at += len) {
        Bytes scope;
        uint8_t type = bytes_get(drhd, at + DMAR_SCOPE_TYPE, 1);

        len = bytes_get(drhd, at + DMAR_SCOPE_LENGTH, 1);
        if (len < DMAR_SCOPE_BYTES) {
            return;
        }
        if (type == DMAR_SCOPE_ENDPOINT || type == DMAR_SCOPE_BRIDGE) {
            scope = bytes_part(drhd, at, len);
            told_scope(rids, &scope, roots, n);
        }
    }
}

static void told_dmar(VIOMMURids *rids, const Bytes *dmar,
                      VIOMMUBus *const *roots, unsigned n)
{
    size_t at = DMAR_STRUCTURES, len;

    for (; at < dmar->len; at += len) {
        len = bytes_get(dmar, at + DMAR_LENGTH, 2);
        if (len < DMAR_HEADER_BYTES) {
            return;
        }
        if (bytes_get(dmar, at + DMAR_TYPE, 2) == DMAR_DRHD) {
            Bytes drhd = bytes_part(dmar, at, len);

            told_drhd(rids, &drhd, roots, n);
        }
    }
}

/* The mappings of a root complex that lead to an SMMU */
static void told_mappings(VIOMMURids *rids, const Bytes *iort,
                          const Bytes *node)
{
    uint32_t n = bytes_get(node, IORT_NODE_MAPPINGS, 4);
    size_t at = bytes_get(node, IORT_NODE_MAPPING_OFFSET, 4);

    for (; n && at + IORT_MAPPING_BYTES <= node->len; n--) {
        uint32_t first = bytes_get(node, at + IORT_MAPPING_INPUT, 4);
        uint32_t more = bytes_get(node, at + IORT_MAPPING_COUNT, 4);
        uint32_t to = bytes_get(node, at + IORT_MAPPING_REFERENCE, 4);

        if (bytes_get(iort, to + IORT_NODE_TYPE, 1) == IORT_SMMUV3 &&
            first < VIOMMU_RIDS) {
            viommu_rids_set(rids, first,
                            first + MIN(more, VIOMMU_RIDS - 1 - first), true);
        }
        at += IORT_MAPPING_BYTES;
    }
}

/* False: it has no SMMU. */
static bool told_iort(VIOMMURids *rids, const Bytes *iort)
{
    bool any = false;
    uint32_t n = bytes_get(iort, IORT_NODE_COUNT, 4);
    size_t at = bytes_get(iort, IORT_NODE_OFFSET, 4);

    for (; n && at < iort->len; n--) {
        size_t len = bytes_get(iort, at + IORT_NODE_LENGTH, 2);
        Bytes node = bytes_part(iort, at, len);
        uint8_t type = bytes_get(&node, IORT_NODE_TYPE, 1);

        if (len < IORT_NODE_BYTES) {
            break;
        }
        any |= type == IORT_SMMUV3;
        if (type == IORT_ROOT_COMPLEX) {
            told_mappings(rids, iort, &node);
        }
        at += len;
    }
    return any;
}

static void told_viot(VIOMMURids *rids, const Bytes *viot)
{
    uint32_t n = bytes_get(viot, VIOT_NODE_COUNT, 2);
    size_t at = bytes_get(viot, VIOT_NODE_OFFSET, 2), len;

    for (; n && at < viot->len; n--, at += len) {
        Bytes node;

        len = bytes_get(viot, at + VIOT_NODE_LENGTH, 2);
        if (len < VIOT_NODE_BYTES) {
            return;
        }
        node = bytes_part(viot, at, len);
        if (bytes_get(&node, VIOT_NODE_TYPE, 1) == VIOT_PCI_RANGE) {
            viommu_rids_set(rids, bytes_get(&node, VIOT_RANGE_FIRST, 2),
                            bytes_get(&node, VIOT_RANGE_LAST, 2), true);
        }
    }
}

bool viommu_told(VIOMMURids *rids, const uint8_t *tables, size_t len,
                 VIOMMUBus *const *roots, unsigned n)
{
    const Bytes all = { tables, len };
    size_t at = 0, bytes;
    bool any = false;

    memset(rids, 0, sizeof(*rids));
    for (; at < len && len - at >= ACPI_HEADER_BYTES; at += bytes) {
        Bytes table;

        bytes = bytes_get(&all, at + ACPI_LENGTH, 4);
        if (bytes < ACPI_HEADER_BYTES) {
            break;
        }
        table = bytes_part(&all, at, bytes);
        if (memcmp(table.data, "DMAR", 4) == 0) {
            told_dmar(rids, &table, roots, n);
            any = true;
        } else if (memcmp(table.data, "IORT", 4) == 0) {
            any |= told_iort(rids, &table);
        } else if (memcmp(table.data, "VIOT", 4) == 0) {
            told_viot(rids, &table);
            any = true;
        }
    }
    return any;
}

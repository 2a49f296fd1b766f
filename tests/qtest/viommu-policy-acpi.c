/*
 * What firmware tables say of an endpoint: DMAR, IORT, VIOT
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "standard-headers/linux/pci_regs.h"
#include "viommu-policy-acpi.h"

/* VT-d, chapter 8 */
#define DMAR_HEADER     48
#define DMAR_DRHD       0
#define DMAR_ATSR       2
#define DRHD_HEADER     16
#define ATSR_HEADER     8
#define ATSR_ALL_PORTS  1
#define SCOPE_ENDPOINT  1
#define SCOPE_BRIDGE    2

/* ACPI, VIOT */
#define VIOT_PCI_RANGE  1

/* Arm DEN 0049, IORT */
#define IORT_RC         2
#define IORT_SMMUV3     4
#define IORT_MAPPING    20
#define IORT_SMMUV3_FLAGS 24

const char *policy_table_name(PolicyModel model)
{
    static const char *const names[] = {
        [POLICY_VTD] = "DMAR", [POLICY_SMMUV3] = "IORT",
        [POLICY_VIRTIO_IOMMU] = "VIOT", [POLICY_AMD] = "IVRS",
    };

    return names[model];
}

static uint64_t field(const PolicyTable *t, uint32_t at, unsigned bytes)
{
    uint64_t value = 0;

    g_assert_cmpuint(at + bytes, <=, t->len);
    while (bytes--) {
        value = value << 8 | t->data[at + bytes];
    }
    return value;
}

void policy_table_read(PolicyTable *t, PolicyRig *rig)
{
    const char *name = policy_table_name(rig->model);
    size_t size, at = 0;
    g_autofree uint8_t *file = policy_tables(rig, &size);

    while (at + 8 < size && memcmp(file + at, name, 4) != 0) {
        at++;
    }
    g_assert_cmpuint(at + 8, <, size);
    t->rig = rig;
    t->len = file[at + 4] | file[at + 5] << 8;
    g_assert_cmpuint(at + t->len, <=, size);
    t->data = g_memdup2(file + at, t->len);
}

void policy_table_free(PolicyTable *t)
{
    g_free(t->data);
}

char *policy_table_hex(const PolicyTable *t)
{
    GString *hex = g_string_new(NULL);
    uint32_t i;

    for (i = 0; i < t->len; i++) {
        g_string_append_printf(hex, "%02x", t->data[i]);
    }
    return g_string_free(hex, false);
}

static uint8_t bridge_register(const PolicyTable *t, uint16_t bdf, int reg)
{
    QPCIDevice *dev = qpci_device_find(t->rig->bus, bdf);
    uint8_t value;

    g_assert_nonnull(dev);
    value = qpci_config_readb(dev, reg);
    g_free(dev);
    return value;
}

/* The device scope at @at: does it contain @bdf? */
static bool scope_contains(const PolicyTable *t, uint32_t at, uint16_t bdf)
{
    uint8_t type = field(t, at, 1), len = field(t, at + 1, 1);
    uint8_t bus = field(t, at + 5, 1);
    uint32_t path = at + 6;
    uint16_t found;

    g_assert_cmpuint(len, >=, 8);
    for (;;) {
        found = bus << 8 | field(t, path, 1) << 3 | field(t, path + 1, 1);
        path += 2;
        if (path >= at + len) {
            break;
        }
        bus = bridge_register(t, found, PCI_SECONDARY_BUS);
    }
    switch (type) {
    case SCOPE_ENDPOINT:
        /* A guest objects to one that is a bridge. */
        g_assert_cmphex(bridge_register(t, found, PCI_HEADER_TYPE) & 0x7f, ==,
                        PCI_HEADER_TYPE_NORMAL);
        return found == bdf;
    case SCOPE_BRIDGE:
        g_assert_cmphex(bridge_register(t, found, PCI_HEADER_TYPE) & 0x7f, ==,
                        PCI_HEADER_TYPE_BRIDGE);
        return found == bdf ||
               ((bdf >> 8) >= bridge_register(t, found, PCI_SECONDARY_BUS) &&
                (bdf >> 8) <= bridge_register(t, found, PCI_SUBORDINATE_BUS));
    }
    return false;               /* the I/O APIC */
}

static bool scopes_contain(const PolicyTable *t, uint32_t at, uint32_t end,
                           uint16_t bdf)
{
    bool contain = false;

    while (at < end) {
        contain |= scope_contains(t, at, bdf);
        at += field(t, at + 1, 1);
    }
    g_assert_cmpuint(at, ==, end);
    return contain;
}

static bool dmar_lists(const PolicyTable *t, uint16_t type, uint16_t bdf)
{
    uint32_t at = DMAR_HEADER;
    bool lists = false;

    while (at < t->len) {
        uint32_t len = field(t, at + 2, 2);

        if (field(t, at, 2) == type) {
            uint32_t header = type == DMAR_DRHD ? DRHD_HEADER : ATSR_HEADER;

            lists |= type == DMAR_ATSR &&
                     (field(t, at + 4, 1) & ATSR_ALL_PORTS);
            lists |= scopes_contain(t, at + header, at + len, bdf);
        }
        at += len;
    }
    g_assert_cmpuint(at, ==, t->len);
    return lists;
}

static bool viot_lists(const PolicyTable *t, uint16_t bdf)
{
    uint32_t at = field(t, 38, 2);
    uint32_t nodes = field(t, 36, 2);
    uint32_t last_end = 0;
    bool lists = false;

    while (nodes--) {
        if (field(t, at, 1) == VIOT_PCI_RANGE) {
            uint32_t first = field(t, at + 12, 2), last = field(t, at + 14, 2);

            g_assert_cmphex(first, <=, last);
            g_assert_true(!last_end || first > last_end);
            g_assert_cmphex(field(t, at + 4, 4), ==, first);
            last_end = last;
            lists |= bdf >= first && bdf <= last;
        }
        at += field(t, at + 2, 2);
    }
    g_assert_cmpuint(at, ==, t->len);
    return lists;
}

static bool iort_lists(const PolicyTable *t, uint16_t bdf)
{
    uint32_t nodes = field(t, 36, 4), at = field(t, 40, 4);
    uint32_t smmu = 0, mapped = 0;
    bool lists = false;

    while (nodes--) {
        uint32_t i, n = field(t, at + 8, 4), map = at + field(t, at + 12, 4);

        if (field(t, at, 1) == IORT_SMMUV3) {
            smmu = at;
        }
        for (i = 0; field(t, at, 1) == IORT_RC && i < n; i++) {
            uint32_t first = field(t, map, 4), count = field(t, map + 4, 4);

            /* Every requester is mapped once, whoever translates it. */
            if (bdf >= first && bdf <= first + count) {
                mapped++;
                g_assert_cmphex(field(t, map + 8, 4), ==, first);
                lists = field(t, map + 12, 4) == smmu;
            }
            map += IORT_MAPPING;
        }
        at += field(t, at + 1, 2);
    }
    g_assert_cmpuint(mapped, ==, 1);
    g_assert_cmpuint(smmu, !=, 0);
    return lists;
}

uint32_t policy_table_smmu_flags(const PolicyTable *t)
{
    uint32_t nodes = field(t, 36, 4), at = field(t, 40, 4);

    while (nodes-- && field(t, at, 1) != IORT_SMMUV3) {
        at += field(t, at + 1, 2);
    }
    g_assert_cmpuint(field(t, at, 1), ==, IORT_SMMUV3);
    return at + IORT_SMMUV3_FLAGS;
}

bool policy_table_lists(const PolicyTable *t, uint16_t bdf)
{
    switch (t->rig->model) {
    case POLICY_VTD:
        return dmar_lists(t, DMAR_DRHD, bdf);
    case POLICY_SMMUV3:
        return iort_lists(t, bdf);
    case POLICY_VIRTIO_IOMMU:
        return viot_lists(t, bdf);
    case POLICY_NONE:
    case POLICY_AMD:
        break;
    }
    g_assert_not_reached();
}

bool policy_table_ats(const PolicyTable *t, uint16_t root_port)
{
    return dmar_lists(t, DMAR_ATSR, root_port);
}

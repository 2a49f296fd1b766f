/*
 * Which requesters firmware tables list
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Random machines: what is said of each endpoint by the requester IDs and by
 * the scopes, read as a guest reads them, is compared with what it is.
 */
#include "qemu/osdep.h"
#include "hw/iommu/viommu-listed.h"
#include "test-common.h"

#define MAX_FUNCTIONS   6
#define MAX_DEPTH       3

static VIOMMUBus *bus_new(uint8_t number, uint8_t last, bool shared)
{
    VIOMMUBus *bus = g_new0(VIOMMUBus, 1);

    bus->number = number;
    bus->last = last;
    bus->shared = shared;
    bus->functions = g_new0(VIOMMUFunction, MAX_FUNCTIONS);
    return bus;
}

static void bus_free(VIOMMUBus *bus)
{
    unsigned i;

    for (i = 0; i < bus->n; i++) {
        if (bus->functions[i].below) {
            bus_free(bus->functions[i].below);
        }
    }
    g_free(bus->functions);
    g_free(bus);
}

static VIOMMUFunction *add(VIOMMUBus *bus, uint8_t devfn, bool translated,
                           VIOMMUBus *below)
{
    VIOMMUFunction *fn = &bus->functions[bus->n++];

    g_assert_cmpuint(bus->n, <=, MAX_FUNCTIONS);
    *fn = (VIOMMUFunction) {
        .devfn = devfn, .translated = translated, .below = below,
        .root_port = below != NULL,
    };
    return fn;
}

/* Numbers buses depth first, as firmware does; *@next is the first free. */
static VIOMMUBus *random_bus(Rand *r, unsigned *next, unsigned depth,
                             bool shared)
{
    VIOMMUBus *bus = bus_new((*next)++, 0, shared);
    unsigned i, n = rand_below(r, MAX_FUNCTIONS + 1);
    uint8_t devfn = rand_below(r, 8);

    bus->open = rand_below(r, 2);
    bus->open_translated = rand_below(r, 2);
    for (i = 0; i < n; i++) {
        VIOMMUBus *below = NULL;

        if (depth < MAX_DEPTH && rand_below(r, 2)) {
            below = random_bus(r, next, depth + 1,
                               shared || rand_below(r, 3) == 0);
        }
        add(bus, devfn, rand_below(r, 2), below);
        devfn += 1 + rand_below(r, 32);
    }
    bus->last = *next - 1;
    return bus;
}

/* Is anything at all translated here, or might it be?  Brute force. */
static bool any_translated(const VIOMMUBus *bus)
{
    bool any = bus->open && (bus->shared || !bus->n) && bus->open_translated;
    unsigned i;

    for (i = 0; i < bus->n; i++) {
        const VIOMMUFunction *fn = &bus->functions[i];

        any |= fn->below ? any_translated(fn->below) : fn->translated;
        /* Nothing can ever come there: it is listed, which harms nobody. */
        any |= fn->below && !fn->below->n && !fn->below->open;
    }
    return any || (!bus->n && !bus->open);
}

/* Each endpoint alone, or the shared bus that it is on, against the set */
static void check_endpoints(const VIOMMUBus *bus, const VIOMMURids *rids,
                            bool below_shared, bool shared_listed)
{
    unsigned i;

    for (i = 0; i < bus->n; i++) {
        const VIOMMUFunction *fn = &bus->functions[i];
        uint16_t rid = bus->number << 8 | fn->devfn;

        if (fn->below && !below_shared && fn->below->shared) {
            bool listed = any_translated(fn->below);

            check_endpoints(fn->below, rids, true, listed);
            /* The two that a bridge may use for all of them. */
            g_assert_true(viommu_rids_have(rids, rid) == listed);
            g_assert_true(viommu_rids_have(rids, fn->below->number << 8) ==
                          listed);
        } else if (fn->below) {
            check_endpoints(fn->below, rids, below_shared, shared_listed);
        } else {
            g_assert_true(viommu_rids_have(rids, rid) ==
                          (below_shared ? shared_listed : fn->translated));
        }
    }
}

static void put(GByteArray *bytes, uint64_t value, unsigned n)
{
    while (n--) {
        uint8_t byte = value;

        g_byte_array_append(bytes, &byte, 1);
        value >>= 8;
    }
}

typedef struct Field {
    uint32_t value;
    unsigned bytes;
} Field;

/* Until one of no bytes */
static void put_fields(GByteArray *bytes, const Field *field)
{
    for (; field->bytes; field++) {
        put(bytes, field->value, field->bytes);
    }
}

/* An ACPI table's header; its length comes last. */
static GByteArray *table_new(const char *signature)
{
    GByteArray *table = g_byte_array_new();

    g_byte_array_append(table, (const uint8_t *)signature, 4);
    put(table, 0, 32);
    return table;
}

static void table_end(GByteArray *table)
{
    unsigned i;

    for (i = 0; i < 4; i++) {
        table->data[4 + i] = table->len >> (8 * i);
    }
}

/* A table that is not looked for, and DMAR after it */
static GByteArray *dmar(VIOMMUBus *const *roots, unsigned n)
{
    g_autoptr(GByteArray) scopes = g_byte_array_new();
    g_autoptr(GByteArray) table = table_new("DMAR");
    GByteArray *all = table_new("DSDT");
    unsigned i, j;

    for (i = 0; i < n; i++) {
        for (j = 0; j < roots[i]->n; j++) {
            viommu_dmar_scopes(scopes, roots[i], j);
        }
    }
    put(table, 0, 12);
    /* One structure of another type first */
    put(table, 4, 2);
    put(table, 8, 2);
    put(table, 0, 4);
    put(table, 0, 2);
    put(table, 16 + scopes->len, 2);
    put(table, 0, 12);
    g_byte_array_append(table, scopes->data, scopes->len);
    table_end(table);
    put(all, 0, 7);
    table_end(all);
    g_byte_array_append(all, table->data, table->len);
    return all;
}

static void test_random(void)
{
    Rand r = rand_new();
    unsigned round, i;

    for (round = 0; round < rounds(3000); round++) {
        g_autofree VIOMMURids *rids = g_new0(VIOMMURids, 1);
        g_autofree VIOMMURids *told = g_new0(VIOMMURids, 1);
        g_autoptr(GByteArray) tables = NULL;
        VIOMMUBus *roots[2];
        unsigned next = 0;

        for (i = 0; i < 2; i++) {
            roots[i] = random_bus(&r, &next, 0, false);
        }
        tables = dmar(roots, 2);
        viommu_told(told, tables->data, tables->len, roots, 2);
        viommu_rids_set(rids, 0, VIOMMU_RIDS - 1, true);
        for (i = 0; i < 2; i++) {
            viommu_bus_unlist(roots[i], rids);
            /* There are so many buses, seldom. */
            if (next <= 0x100) {
                check_endpoints(roots[i], rids, false, false);
                check_endpoints(roots[i], told, false, false);
            }
        }
        bus_free(roots[0]);
        bus_free(roots[1]);
    }
}

/* A conventional bus with one of each kind is one requester: all of it */
static void test_shared(void)
{
    VIOMMUBus *root = bus_new(0, 0, false), *conv = bus_new(1, 1, true);
    g_autofree VIOMMURids *rids = g_new0(VIOMMURids, 1);
    g_autoptr(GByteArray) scopes = g_byte_array_new();
    const uint8_t whole[] = { 2, 8, 0, 0, 0, 0, 5, 0 };

    add(conv, 1 << 3, false, NULL);
    add(conv, 2 << 3, true, NULL);
    add(root, 5 << 3, false, conv);
    g_assert_cmpint(viommu_function_listed(&root->functions[0]), ==,
                    VIOMMU_LISTED_ALL);
    viommu_rids_set(rids, 0, VIOMMU_RIDS - 1, true);
    viommu_bus_unlist(root, rids);
    g_assert_true(viommu_rids_have(rids, 0x108));
    g_assert_true(viommu_rids_have(rids, 0x110));
    viommu_dmar_scopes(scopes, root, 0);
    g_assert_cmpmem(scopes->data, scopes->len, whole, sizeof(whole));

    /* Both bypass: none of it, nor the bridge */
    conv->functions[1].translated = false;
    viommu_bus_unlist(root, rids);
    g_assert_false(viommu_rids_have(rids, 5 << 3));
    g_assert_false(viommu_rids_have(rids, 0x100));
    g_assert_false(viommu_rids_have(rids, 0x110));
    g_assert_true(viommu_rids_have(rids, 0x200));

    /* Among other devices there is room for what would be translated. */
    conv->open = conv->open_translated = true;
    g_assert_cmpint(viommu_function_listed(&root->functions[0]), ==,
                    VIOMMU_LISTED_ALL);
    /* Not so in a PCIe port. */
    conv->shared = false;
    g_assert_cmpint(viommu_function_listed(&root->functions[0]), ==,
                    VIOMMU_LISTED_NONE);
    bus_free(root);
}

/* ATSR: root ports only; "all" only if all below them is */
static void test_ports(void)
{
    VIOMMUBus *root = bus_new(0x20, 0x20, false), *below[3];
    g_autoptr(GByteArray) scopes = g_byte_array_new();
    const uint8_t first[] = { 2, 8, 0, 0, 0, 0x20, 1, 0 };
    const uint8_t third[] = { 2, 8, 0, 0, 0, 0x20, 3, 2 };
    unsigned i;

    for (i = 0; i < 3; i++) {
        below[i] = bus_new(0x21 + i, 0x21 + i, false);
        add(below[i], 0, true, NULL);
        add(root, (i + 1) << 3 | i, false, below[i]);
    }
    root->functions[1].root_port = false;
    below[1]->functions[0].translated = false;
    g_assert_true(viommu_dmar_ports(scopes, root));
    g_assert_cmpuint(scopes->len, ==, 16);
    g_assert_cmpmem(scopes->data, 8, first, 8);
    g_assert_cmpmem(scopes->data + 8, 8, third, 8);

    g_byte_array_set_size(scopes, 0);
    below[0]->functions[0].translated = false;
    g_assert_false(viommu_dmar_ports(scopes, root));
    g_assert_cmpmem(scopes->data, scopes->len, third, 8);

    g_byte_array_set_size(scopes, 0);
    add(below[2], 1, false, NULL);
    g_assert_false(viommu_dmar_ports(scopes, root));
    g_assert_cmpmem(scopes->data, scopes->len, third, 8);
    bus_free(root);
}

/* What has no number yet has no ID, and is told of apart. */
static void test_unnumbered(void)
{
    VIOMMUBus *root = bus_new(0, 0, false);
    VIOMMUBus *a = bus_new(0, 0, false), *b = bus_new(0, 0, false);
    g_autofree VIOMMURids *rids = g_new0(VIOMMURids, 1);

    g_assert_cmpint(viommu_bus_unnumbered(root), ==, VIOMMU_LISTED_ALL);
    add(a, 0, false, NULL);
    add(b, 0, true, NULL);
    add(root, 8, false, a);
    g_assert_cmpint(viommu_bus_unnumbered(root), ==, VIOMMU_LISTED_NONE);
    add(root, 16, false, b);
    g_assert_cmpint(viommu_bus_unnumbered(root), ==, VIOMMU_LISTED_SOME);
    viommu_rids_set(rids, 0, VIOMMU_RIDS - 1, true);
    viommu_bus_unlist(root, rids);
    g_assert_true(viommu_rids_have(rids, 0));
    a->number = a->last = 1;
    g_assert_cmpint(viommu_bus_unnumbered(root), ==, VIOMMU_LISTED_ALL);
    viommu_bus_unlist(root, rids);
    g_assert_false(viommu_rids_have(rids, 8));
    g_assert_false(viommu_rids_have(rids, 0x100));
    g_assert_false(viommu_rids_have(rids, 0x1ff));
    g_assert_true(viommu_rids_have(rids, 0x200));
    bus_free(root);
}

static void append_range(uint32_t first, uint32_t last, void *opaque)
{
    g_string_append_printf(opaque, "%x-%x ", first, last);
}

static void test_ranges(void)
{
    g_autofree VIOMMURids *rids = g_new0(VIOMMURids, 1);
    g_autoptr(GString) text = g_string_new("");

    viommu_rids_each(rids, 0, 0xffff, append_range, text);
    g_assert_cmpstr(text->str, ==, "");
    viommu_rids_set(rids, 0, 0xffff, true);
    viommu_rids_each(rids, 0, 0xffff, append_range, text);
    viommu_rids_set(rids, 0x3f, 0x40, false);
    viommu_rids_set(rids, 0x80, 0x80, false);
    viommu_rids_set(rids, 0xffff, 0xffff, false);
    viommu_rids_each(rids, 0, 0xffff, append_range, text);
    viommu_rids_each(rids, 0x40, 0x80, append_range, text);
    viommu_rids_each(rids, 0x100, 0x1ff, append_range, text);
    g_assert_cmpstr(text->str, ==, "0-ffff 0-3e 41-7f 81-fffe 41-7f 100-1ff ");
    /* Backwards is empty. */
    viommu_rids_set(rids, 0x200, 0x1ff, false);
    g_assert_true(viommu_rids_have(rids, 0x1ff));
    g_assert_true(viommu_rids_have(rids, 0x200));
}

/* What the tables say is behind the unit, as ranges of requester IDs */
static void assert_told(const GByteArray *tables, VIOMMUBus *const *roots,
                        unsigned n, const char *expected)
{
    g_autofree VIOMMURids *rids = g_new0(VIOMMURids, 1);
    g_autoptr(GString) text = g_string_new("");

    g_assert_true(viommu_told(rids, tables->data, tables->len, roots, n));
    viommu_rids_each(rids, 0, 0xffff, append_range, text);
    g_assert_cmpstr(text->str, ==, expected);
}

static void put_mapping(GByteArray *table, uint32_t first, uint32_t n,
                        uint32_t to)
{
    put(table, first, 4);
    put(table, n - 1, 4);
    put(table, first, 4);
    put(table, to, 4);
    put(table, 0, 4);
}

/* An ITS at 48, perhaps an SMMU at 72, and a root complex with mappings */
static GByteArray *iort(uint8_t second)
{
    const Field fields[] = {
        { 3, 4 }, { 48, 4 }, { 0, 4 },
        { 0, 1 }, { 24, 2 }, { 0, 21 },
        { second, 1 }, { 68, 2 }, { 0, 65 },
        { 2, 1 }, { 36 + 3 * 20, 2 }, { 0, 5 }, { 3, 4 }, { 36, 4 }, { 0, 20 },
        { },
    };
    GByteArray *table = table_new("IORT");

    put_fields(table, fields);
    put_mapping(table, 0, 0x108, 72);
    put_mapping(table, 0x108, 1, 48);
    /* More than there are */
    put_mapping(table, 0x109, 0x10000, 72);
    table_end(table);
    return table;
}

static void test_iort(void)
{
    g_autofree VIOMMURids *rids = g_new0(VIOMMURids, 1);
    g_autoptr(GByteArray) smmu = iort(4), none = iort(0);

    assert_told(smmu, NULL, 0, "0-107 109-ffff ");
    /* Without an SMMU it tells nothing of the kind. */
    g_assert_false(viommu_told(rids, none->data, none->len, NULL, 0));
}

static void test_viot(void)
{
    const Field fields[] = {
        { 2, 2 }, { 48, 2 }, { 0, 8 },
        /* virtio-iommu at 0:2.0 */
        { 3, 2 }, { 16, 2 }, { 0x10, 12 },
        /* A PCI range that is behind it */
        { 1, 2 }, { 24, 2 }, { 0x20, 4 }, { 0, 4 }, { 0x20, 2 }, { 0x2ff, 2 },
        { 0, 8 },
        { },
    };
    g_autoptr(GByteArray) table = table_new("VIOT");

    put_fields(table, fields);
    table_end(table);
    assert_told(table, NULL, 0, "20-2ff ");
}

/* INCLUDE_PCI_ALL, and no table at all */
static void test_all(void)
{
    const Field drhd[] = { { 0, 12 }, { 0, 2 }, { 16, 2 }, { 1, 12 }, { } };
    g_autofree VIOMMURids *rids = g_new0(VIOMMURids, 1);
    g_autoptr(GByteArray) table = table_new("DMAR");
    g_autoptr(GByteArray) other = table_new("APIC");

    put_fields(table, drhd);
    table_end(table);
    assert_told(table, NULL, 0, "0-ffff ");
    table_end(other);
    g_assert_false(viommu_told(rids, other->data, other->len, NULL, 0));
    g_assert_false(viommu_told(rids, NULL, 0, NULL, 0));
}

/* A scope lists what its path leads to, not what is on the way. */
static void test_path(void)
{
    VIOMMUBus *root = bus_new(0, 0, false), *below = bus_new(1, 1, false);
    g_autoptr(GByteArray) tables = NULL;

    add(below, 0, true, NULL);
    add(below, 1, false, NULL);
    add(root, 8, false, below);
    tables = dmar(&root, 1);
    assert_told(tables, &root, 1, "100-100 ");
    bus_free(root);
}

/* Every byte of a table may be anything, and it may end anywhere. */
static void test_malformed(void)
{
    Rand r = rand_new();
    g_autofree VIOMMURids *rids = g_new0(VIOMMURids, 1);
    unsigned round;

    for (round = 0; round < rounds(3000); round++) {
        unsigned next = 0, i, n = 1 + rand_below(&r, 8);
        VIOMMUBus *root = random_bus(&r, &next, 1, false);
        g_autoptr(GByteArray) table = round & 1 ? dmar(&root, 1) : iort(4);
        size_t len = rand_below(&r, 2) ? table->len :
                                         1 + rand_below(&r, table->len);
        /* Of that size exactly, for the sanitizer */
        g_autofree uint8_t *copy = g_memdup2(table->data, len);

        for (i = 0; i < n; i++) {
            copy[rand_below(&r, len)] = rand64(&r);
        }
        viommu_told(rids, copy, len, &root, 1);
        bus_free(root);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/listed/random", test_random);
    g_test_add_func("/listed/shared", test_shared);
    g_test_add_func("/listed/ports", test_ports);
    g_test_add_func("/listed/unnumbered", test_unnumbered);
    g_test_add_func("/listed/ranges", test_ranges);
    g_test_add_func("/told/iort", test_iort);
    g_test_add_func("/told/viot", test_viot);
    g_test_add_func("/told/all", test_all);
    g_test_add_func("/told/path", test_path);
    g_test_add_func("/told/malformed", test_malformed);
    return g_test_run();
}

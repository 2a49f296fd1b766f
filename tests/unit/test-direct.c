/*
 * Firmware tables: what is mapped one to one, byte by byte
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/iommu/viommu-direct.h"
#include "test-common.h"

#define DIRECT  IOMMU_WINDOW_DIRECT
#define RELAXED IOMMU_WINDOW_DIRECT_RELAXABLE

static void add(IOMMUWindows *list, uint64_t first, uint64_t last,
                IOMMUWindowKind kind)
{
    const IOMMUWindow w = {
        .first = first, .last = last, .kind = kind,
        .origin = IOMMU_WINDOW_OPERATOR,
    };

    iommu_windows_add(list, &w);
}

/*
 * 00:02.0 and 00:02.1, then a port 00:03.0 with 01:00.0, an empty one 00:04.0
 * (bus 2), and a conventional bus 3 behind 00:05.0 with 03:01.0 and 03:02.0.
 */
typedef struct Machine {
    IOMMUWindows none, lists[3];
    VIOMMUFunction conventional[2], below[1], root[5];
    VIOMMUBus buses[4];
    VIOMMUBus *roots[1];
    VIOMMUDirect d;
} Machine;

static void machine_init(Machine *m)
{
    static const uint8_t devfns[] = { 0x10, 0x11, 0x18, 0x20, 0x28 };
    unsigned i;

    *m = (Machine) { .roots = { &m->buses[0] } };
    for (i = 0; i < G_N_ELEMENTS(devfns); i++) {
        m->root[i] = (VIOMMUFunction) {
            .devfn = devfns[i], .translated = i < 2, .requester = devfns[i],
            .below = i < 2 ? NULL : &m->buses[i - 1],
        };
    }
    m->below[0] = (VIOMMUFunction) {
        .devfn = 0, .translated = true, .requester = 0x100,
    };
    /* A PCIe-to-PCI bridge uses its secondary bus's number for all. */
    for (i = 0; i < 2; i++) {
        m->conventional[i] = (VIOMMUFunction) {
            .devfn = 8 * (i + 1), .translated = true, .requester = 0x300,
        };
    }
    m->buses[0] = (VIOMMUBus) { .n = 5, .functions = m->root };
    m->buses[1] = (VIOMMUBus) {
        .number = 1, .last = 1, .n = 1, .functions = m->below,
    };
    m->buses[2] = (VIOMMUBus) {
        .number = 2, .last = 2, .open = true, .open_translated = true,
    };
    m->buses[3] = (VIOMMUBus) {
        .number = 3, .last = 3, .n = 2, .shared = true,
        .functions = m->conventional,
    };
    m->d = (VIOMMUDirect) { .roots = m->roots, .n = 1, .all = &m->none };
}

static void machine_clear(Machine *m)
{
    unsigned i;

    iommu_windows_clear(&m->none);
    for (i = 0; i < G_N_ELEMENTS(m->lists); i++) {
        iommu_windows_clear(&m->lists[i]);
    }
}

/* Everybody has @m->none's windows, which are then no longer none. */
static void machine_all(Machine *m)
{
    m->root[0].windows = m->root[1].windows = &m->none;
    m->below[0].windows = &m->none;
    m->conventional[0].windows = m->conventional[1].windows = &m->none;
}

static void is(const GByteArray *bytes, const char *ought)
{
    g_autoptr(GString) hex = g_string_new(NULL);
    unsigned i;

    for (i = 0; i < bytes->len; i++) {
        g_string_append_printf(hex, "%02x", bytes->data[i]);
    }
    g_assert_cmpstr(hex->str, ==, ought);
}

static void test_none(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    Machine m;

    machine_init(&m);
    /* Windows of other kinds are nothing to map. */
    add(&m.none, 0x1000, 0x1fff, IOMMU_WINDOW_RESERVED);
    add(&m.none, 0xfee00000, 0xfeefffff, IOMMU_WINDOW_MSI);
    add(&m.none, 0x8000000, 0x80fffff, IOMMU_WINDOW_SOFTWARE_MSI);
    machine_all(&m);
    viommu_direct_rmrr(&m.d, bytes);
    viommu_direct_ivmd(&m.d, bytes);
    g_assert_cmpuint(viommu_direct_rmr(&m.d, bytes, 0x48, 3), ==, 0);
    g_assert_cmpuint(bytes->len, ==, 0);
    machine_clear(&m);
}

/* 00:02.1 and 01:00.0 have the same, and 01:00.0 one more. */
static void machine_some(Machine *m)
{
    machine_init(m);
    add(&m->lists[0], 0x50000000, 0x500fffff, DIRECT);
    add(&m->lists[1], 0x50000000, 0x500fffff, DIRECT);
    add(&m->lists[1], 0x140000000, 0x14000ffff, RELAXED);
    m->root[1].windows = &m->lists[0];
    m->below[0].windows = &m->lists[1];
}

static void test_rmrr(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    Machine m;

    machine_some(&m);
    viommu_direct_rmrr(&m.d, bytes);
    is(bytes, /* type 1, length; base; limit; scopes */
       "01002a0000000000" "0000005000000000" "ffff0f5000000000"
       "0108000000000201" "010a0000000003000000"
       "0100220000000000" "0000004001000000" "ffff004001000000"
       "010a0000000003000000");
    /* What the guest is told goes round the unit gets none. */
    m.root[1].translated = false;
    m.below[0].translated = false;
    g_byte_array_set_size(bytes, 0);
    viommu_direct_rmrr(&m.d, bytes);
    is(bytes, "");
    machine_clear(&m);
}

/* A window is what it is as a whole, and whose it is is looked at for each. */
static void test_rmrr_alike(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    Machine m;

    machine_init(&m);
    add(&m.lists[0], 0x50000000, 0x500fffff, DIRECT);
    add(&m.lists[1], 0x50000000, 0x5000ffff, DIRECT);
    m.root[0].windows = &m.lists[1];
    m.root[1].windows = m.below[0].windows = &m.lists[0];
    m.below[0].translated = false;
    viommu_direct_rmrr(&m.d, bytes);
    is(bytes,
       "0100200000000000" "0000005000000000" "ffff005000000000"
       "0108000000000200"
       "0100200000000000" "0000005000000000" "ffff0f5000000000"
       "0108000000000201");
    machine_clear(&m);
}

/* What all have covers bridges, with what will be plugged in. */
static void test_rmrr_all(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    Machine m;

    machine_init(&m);
    add(&m.none, 0x50000000, 0x500fffff, DIRECT);
    machine_all(&m);
    viommu_direct_rmrr(&m.d, bytes);
    is(bytes, "0100400000000000" "0000005000000000" "ffff0f5000000000"
       "0108000000000200" "0108000000000201" "0208000000000300"
       "0208000000000400" "0208000000000500");
    /* Not what goes round it. */
    m.root[0].translated = false;
    m.buses[2].open_translated = false;
    g_byte_array_set_size(bytes, 0);
    viommu_direct_rmrr(&m.d, bytes);
    is(bytes, "0100300000000000" "0000005000000000" "ffff0f5000000000"
       "0108000000000201" "0208000000000300" "0208000000000500");
    machine_clear(&m);
}

static void test_ivmd(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    Machine m;

    machine_some(&m);
    viommu_direct_ivmd(&m.d, bytes);
    is(bytes, /* type, flags, length, device, auxiliary; -; start; length */
       "2107200011000000" "0000000000000000"
       "0000005000000000" "0000100000000000"
       "2107200000010000" "0000000000000000"
       "0000005000000000" "0000100000000000"
       "2107200000010000" "0000000000000000"
       "0000004001000000" "0000010000000000");
    /* Neighbours are a range. */
    m.root[0].windows = &m.lists[0];
    m.below[0].windows = NULL;
    g_byte_array_set_size(bytes, 0);
    viommu_direct_ivmd(&m.d, bytes);
    is(bytes, "2207200010001100" "0000000000000000"
       "0000005000000000" "0000100000000000");
    /* And of all there is one. */
    machine_all(&m);
    add(&m.none, 0x50000000, 0x500fffff, DIRECT);
    g_byte_array_set_size(bytes, 0);
    viommu_direct_ivmd(&m.d, bytes);
    is(bytes, "2007200000000000" "0000000000000000"
       "0000005000000000" "0000100000000000");
    machine_clear(&m);
}

static void test_rmr(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    Machine m;

    machine_some(&m);
    g_assert_cmpuint(viommu_direct_rmr(&m.d, bytes, 0x48, 3), ==, 2);
    is(bytes, /* type, length, revision, id, mappings; flags, descriptors */
       "065800" "03" "03000000" "02000000" "30000000"
       "14000000" "01000000" "1c000000"
       "0000005000000000" "0000100000000000" "00000000"
       "11000000" "00000000" "11000000" "48000000" "00000000"
       "00010000" "00000000" "00010000" "48000000" "00000000"
       "064400" "03" "04000000" "01000000" "30000000"
       "15000000" "01000000" "1c000000"
       "0000004001000000" "0000010000000000" "00000000"
       "00010000" "00000000" "00010000" "48000000" "00000000");
    machine_clear(&m);

    /* All: also what will be plugged in, and the bus that is one requester */
    machine_init(&m);
    add(&m.none, 0x50000000, 0x500fffff, DIRECT);
    machine_all(&m);
    g_byte_array_set_size(bytes, 0);
    g_assert_cmpuint(viommu_direct_rmr(&m.d, bytes, 0x48, 3), ==, 1);
    is(bytes, "06a800" "03" "03000000" "06000000" "30000000"
       "14000000" "01000000" "1c000000"
       "0000005000000000" "0000100000000000" "00000000"
       "10000000" "01000000" "10000000" "48000000" "00000000"
       "00010000" "00000000" "00010000" "48000000" "00000000"
       "00020000" "00000000" "00020000" "48000000" "00000000"
       "00030000" "00000000" "00030000" "48000000" "00000000"
       "08030000" "00000000" "08030000" "48000000" "00000000"
       "10030000" "00000000" "10030000" "48000000" "00000000");
    /* Buses without a number have no IDs yet. */
    m.buses[1].number = m.buses[2].number = m.buses[3].number = 0;
    g_byte_array_set_size(bytes, 0);
    g_assert_cmpuint(viommu_direct_rmr(&m.d, bytes, 0x48, 3), ==, 1);
    g_assert_cmpuint(bytes->len, ==, 48 + 20);
    machine_clear(&m);
}

/* A node's length has 16 bits: what has more mappings is several. */
static void test_rmr_many(void)
{
    enum { ROOTS = 32 };
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    VIOMMUFunction functions[128];
    VIOMMUBus buses[ROOTS];
    VIOMMUBus *roots[ROOTS];
    IOMMUWindows list = { 0 }, none = { 0 };
    VIOMMUDirect d = { .roots = roots, .n = ROOTS, .all = &none };
    unsigned i, at = 0, n, mappings = 0;

    add(&list, 0x50000000, 0x500fffff, DIRECT);
    for (i = 0; i < 128; i++) {
        functions[i] = (VIOMMUFunction) {
            .devfn = 2 * i, .translated = true, .windows = &list,
        };
    }
    for (i = 0; i < ROOTS; i++) {
        buses[i] = (VIOMMUBus) {
            .number = i, .last = i, .n = 128, .functions = functions,
        };
        roots[i] = &buses[i];
    }
    n = viommu_direct_rmr(&d, bytes, 0x48, 3);
    g_assert_cmpuint(n, ==, 2);
    for (i = 0; i < n; i++) {
        const uint8_t *node = bytes->data + at;

        mappings += node[8] | node[9] << 8;
        at += node[1] | node[2] << 8;
    }
    g_assert_cmpuint(at, ==, bytes->len);
    g_assert_cmpuint(mappings, ==, ROOTS * 128);
    iommu_windows_clear(&list);
}

/* What they are over, whoever has them */
static void test_union(void)
{
    IOMMUWindows list = { 0 };
    Machine m;

    machine_some(&m);
    add(&m.lists[0], 0x50100000, 0x501fffff, RELAXED);
    add(&m.lists[0], 0x60000000, 0x60000fff, IOMMU_WINDOW_RESERVED);
    viommu_direct_union(&m.d, &list);
    g_assert_cmpuint(list.n, ==, 2);
    g_assert_cmphex(list.at[0].first, ==, 0x50000000);
    g_assert_cmphex(list.at[0].last, ==, 0x501fffff);
    g_assert_cmphex(list.at[1].first, ==, 0x140000000);
    iommu_windows_clear(&list);
    machine_clear(&m);
}

static void put_e820(GByteArray *table, uint64_t at, uint64_t len,
                     uint32_t type)
{
    uint8_t entry[20];
    unsigned i;

    for (i = 0; i < 8; i++) {
        entry[i] = at >> 8 * i;
        entry[8 + i] = len >> 8 * i;
    }
    for (i = 0; i < 4; i++) {
        entry[16 + i] = type >> 8 * i;
    }
    g_byte_array_append(table, entry, sizeof(entry));
}

static void test_e820(void)
{
    g_autoptr(GByteArray) table = g_byte_array_new();
    g_autoptr(GByteArray) out = g_byte_array_new();
    g_autoptr(GByteArray) ought = g_byte_array_new();
    IOMMUWindows list = { 0 };

    put_e820(table, 0, 0x80000000, 1);
    put_e820(table, 0xfeffc000, 0x4000, 2);
    put_e820(table, 0x100000000, 0x40000000, 1);
    viommu_direct_e820(table->data, table->len, &list, out);
    g_assert_cmpmem(out->data, out->len, table->data, table->len);

    /* Inside, at both ends, over a whole one, and where there is nothing */
    add(&list, 0x50000000, 0x500fffff, DIRECT);
    add(&list, 0x7fff0000, 0x7fffffff, DIRECT);
    add(&list, 0xc0000000, 0xc0000fff, DIRECT);
    add(&list, 0x100000000, 0x13fffffff, DIRECT);
    put_e820(ought, 0, 0x50000000, 1);
    put_e820(ought, 0x50100000, 0x2fef0000, 1);
    put_e820(ought, 0xfeffc000, 0x4000, 2);
    put_e820(ought, 0x50000000, 0x100000, 2);
    put_e820(ought, 0x7fff0000, 0x10000, 2);
    put_e820(ought, 0xc0000000, 0x1000, 2);
    put_e820(ought, 0x100000000, 0x40000000, 2);
    g_byte_array_set_size(out, 0);
    viommu_direct_e820(table->data, table->len, &list, out);
    g_assert_cmpmem(out->data, out->len, ought->data, ought->len);
    iommu_windows_clear(&list);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/direct/none", test_none);
    g_test_add_func("/direct/rmrr", test_rmrr);
    g_test_add_func("/direct/rmrr-alike", test_rmrr_alike);
    g_test_add_func("/direct/rmrr-all", test_rmrr_all);
    g_test_add_func("/direct/ivmd", test_ivmd);
    g_test_add_func("/direct/rmr", test_rmr);
    g_test_add_func("/direct/rmr-many", test_rmr_many);
    g_test_add_func("/direct/union", test_union);
    g_test_add_func("/direct/e820", test_e820);
    return g_test_run();
}

/*
 * Windows: what firmware tables tell the guest of them, byte for byte
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Read from fw_cfg, or the device tree from memory, as the machine offers them;
 * no firmware has to run.  Without windows the tables are the base's, which
 * other tests see to.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/units.h"
#include "qobject/qdict.h"
#include "viommu-plug.h"
#include "viommu-policy-acpi.h"

#define RP0_DEVFN       POLICY_PORT_DEVFN(2)
#define EDU_DEVFN       (4 << 3)
#define MEMORY          1
#define RESERVED        2

/* An address in the guest's RAM, which begins at 0 or 1 GiB */
static uint64_t ram(uint64_t offset)
{
    return offset + (g_str_equal(qtest_get_arch(), "aarch64") ? GiB : 0);
}

/*
 * The unit's own; those of edu; those of the device behind the root port, of
 * which the first is edu's, too.
 */
#define ALL_AT          UINT64_C(0x30000000)
#define EDU_AT          UINT64_C(0x38000000)
#define FAR_AT          UINT64_C(0x7000000000)
#define HOLE_AT         UINT64_C(0x6000000000)

static char *ranges_of_all(void)
{
    return g_strdup_printf("reserved-ranges=0x%" PRIx64 ":0x%" PRIx64 ":direct",
                           ram(ALL_AT), ram(ALL_AT) + 0xfffff);
}

/* The devices, with @kind for edu's and the other's first */
static char *ranges_of_devices(const char *kind)
{
    g_autofree char *port = policy_port(2);

    return g_strdup_printf(
        "-device edu,addr=04.0,reserved-ranges=0x%" PRIx64 ":0x%" PRIx64
        ":%s,,0x%" PRIx64 ":0x%" PRIx64 ":0 %s"
        "-device virtio-rng-pci,bus=rp2,reserved-ranges=0x%" PRIx64 ":0x%"
        PRIx64 ":%s,,0x%" PRIx64 ":0x%" PRIx64 ":direct ",
        ram(EDU_AT), ram(EDU_AT) + 0xffff, kind, HOLE_AT, HOLE_AT + 0xffff,
        port, ram(EDU_AT), ram(EDU_AT) + 0xffff, kind,
        FAR_AT, FAR_AT + 0xfffff);
}

static PolicyRig *tables_start(PolicyModel model, const char *kind,
                               const char *more)
{
    g_autofree char *all = ranges_of_all(), *devices = ranges_of_devices(kind);
    g_autofree char *args = NULL;
    PolicyRig *rig;
    uint8_t number;

    if (model == POLICY_SMMUV3) {
        args = g_strdup_printf("-global arm-smmuv3.%s%s %s", all, more,
                               devices);
    } else {
        /* The unit's property goes on where the rig has named the unit. */
        args = g_strdup_printf(",%s%s %s", all, more, devices);
    }
    rig = policy_start(model, NULL, "", args);
    if (model != POLICY_SMMUV3 || policy_firmware) {
        g_free(policy_open(rig, RP0_DEVFN, &number));
        g_assert_cmpuint(number, ==, 1);
    }
    return rig;
}

/* The table ends with @ought, and @rest bytes more. */
static void table_ends(const PolicyTable *t, const char *ought, unsigned rest)
{
    g_autofree char *hex = policy_table_hex(t);
    size_t n = strlen(ought);

    g_assert_cmpuint(strlen(hex), >, n + 2 * rest);
    hex[strlen(hex) - 2 * rest] = '\0';
    g_assert_cmpstr(hex + strlen(hex) - n, ==, ought);
}

/* VT-d 8.4: structures are in the order of their types. */
static void test_dmar(void)
{
    static const char ought[] =
        "0100480000000000" "0000003000000000" "ffff0f3000000000"
        "0108000000000000" "0108000000000400" "0208000000000500"
        "0108000000001f00" "0108000000001f02" "0108000000001f03"
        "01002a0000000000" "0000003800000000" "ffff003800000000"
        "0108000000000400" "010a0000000005000000"
        "0100220000000000" "0000000070000000" "ffff0f0070000000"
        "010a0000000005000000";
    PolicyRig *rig = tables_start(POLICY_VTD, "direct", "");
    PolicyTable t;

    policy_table_read(&t, rig);
    table_ends(&t, ought, 0);
    policy_table_free(&t);
    policy_stop(rig);

    rig = tables_start(POLICY_VTD, "direct", ",device-iotlb=on");
    policy_table_read(&t, rig);
    table_ends(&t, ought, 8);
    policy_table_free(&t);
    policy_stop(rig);
}

/* What goes round the unit is not told of. */
static void test_dmar_bypass(void)
{
    PolicyRig *rig = tables_start(POLICY_VTD, "direct", ",virtio=bypass");
    PolicyTable t;

    policy_table_read(&t, rig);
    table_ends(&t,
               "0100400000000000" "0000003000000000" "ffff0f3000000000"
               "0108000000000000" "0108000000000400"
               "0108000000001f00" "0108000000001f02" "0108000000001f03"
               "0100200000000000" "0000003800000000" "ffff003800000000"
               "0108000000000400", 0);
    policy_table_free(&t);
    policy_stop(rig);
}

static void test_ivrs(void)
{
    PolicyRig *rig = tables_start(POLICY_AMD, "direct", "");
    PolicyTable t;

    policy_table_read(&t, rig);
    table_ends(&t,
               "2007200000000000" "0000000000000000"
               "0000003000000000" "0000100000000000"
               "2107200020000000" "0000000000000000"
               "0000003800000000" "0000010000000000"
               "2107200000010000" "0000000000000000"
               "0000003800000000" "0000010000000000"
               "2107200000010000" "0000000000000000"
               "0000000070000000" "0000100000000000", 0);
    policy_table_free(&t);
    policy_stop(rig);
}

/* Entries of @table with an address in @first .. @last, of @type */
static unsigned e820_count(const uint8_t *table, size_t len, uint64_t first,
                           uint64_t last, uint32_t type)
{
    unsigned n = 0;

    for (; len >= 20; table += 20, len -= 20) {
        uint64_t at = ldq_le_p(table), bytes = ldq_le_p(table + 8);

        n += at <= last && at + bytes > first &&
             (uint32_t)ldl_le_p(table + 16) == type;
    }
    g_assert_cmpuint(len, ==, 0);
    return n;
}

static uint64_t e820_memory(const uint8_t *table, size_t len)
{
    uint64_t sum = 0;

    for (; len >= 20; table += 20, len -= 20) {
        sum += ldl_le_p(table + 16) == MEMORY ? ldq_le_p(table + 8) : 0;
    }
    return sum;
}

/* Linux wants to find there what RMRRs are over. */
static void test_e820(const void *model)
{
    static const uint64_t windows[][2] = {
        { ALL_AT, 0x100000 }, { EDU_AT, 0x10000 }, { FAR_AT, 0x100000 },
    };
    PolicyRig *rig = tables_start(GPOINTER_TO_INT(model), "direct", "");
    g_autofree uint8_t *table = NULL, *plain = NULL;
    size_t len, plain_len;
    unsigned i;

    table = policy_file(rig, "etc/e820", &len);
    policy_stop(rig);
    rig = policy_start(GPOINTER_TO_INT(model), NULL, "", "");
    plain = policy_file(rig, "etc/e820", &plain_len);
    policy_stop(rig);
    for (i = 0; i < G_N_ELEMENTS(windows); i++) {
        uint64_t first = windows[i][0], last = first + windows[i][1] - 1;

        g_assert_cmpuint(e820_count(table, len, first, last, RESERVED), ==, 1);
        g_assert_cmpuint(e820_count(table, len, first, first, RESERVED), ==, 1);
        g_assert_cmpuint(e820_count(table, len, last, last, RESERVED), ==, 1);
        g_assert_cmpuint(e820_count(table, len, first - 1, first - 1,
                                    RESERVED), ==, 0);
        g_assert_cmpuint(e820_count(table, len, last + 1, last + 1,
                                    RESERVED), ==, 0);
        g_assert_cmpuint(e820_count(table, len, first, last, MEMORY), ==, 0);
    }
    /* What is not to be mapped is not the guest's business. */
    g_assert_cmpuint(e820_count(table, len, HOLE_AT, HOLE_AT, RESERVED), ==,
                     0);
    g_assert_cmpuint(e820_memory(table, len), ==,
                     e820_memory(plain, plain_len) - 0x110000);
    g_assert_cmpuint(plain_len % 20, ==, 0);
    g_assert_cmpuint(e820_count(plain, plain_len, 0, GiB - 1, MEMORY), ==, 1);
    g_assert_cmpuint(e820_count(plain, plain_len, 0, GiB - 1, RESERVED), ==, 0);
}

/* "If (Arg2 == 5) { Return (0) }" */
static bool has_dsm(PolicyRig *rig)
{
    static const uint8_t aml[] = { 0x93, 0x6a, 0x0a, 0x05, 0xa4, 0x00 };
    g_autofree uint8_t *tables = NULL;
    size_t size, i;

    tables = policy_tables(rig, &size);
    for (i = 0; i + sizeof(aml) <= size; i++) {
        if (!memcmp(tables + i, aml, sizeof(aml))) {
            return true;
        }
    }
    return false;
}

static void test_iort(void)
{
    PolicyRig *rig = tables_start(POLICY_SMMUV3, "direct-relaxable", "");
    PolicyTable t;

    policy_table_read(&t, rig);
    table_ends(&t,
               "066c00" "03" "03000000" "03000000" "30000000"
               "14000000" "01000000" "1c000000"
               "0000007000000000" "0000100000000000" "00000000"
               "00000000" "00000000" "00000000" "48000000" "00000000"
               "20000000" "00000000" "20000000" "48000000" "00000000"
               "00010000" "00000000" "00010000" "48000000" "00000000"
               "065800" "03" "04000000" "02000000" "30000000"
               "15000000" "01000000" "1c000000"
               "0000007800000000" "0000010000000000" "00000000"
               "20000000" "00000000" "20000000" "48000000" "00000000"
               "00010000" "00000000" "00010000" "48000000" "00000000"
               "064400" "03" "05000000" "01000000" "30000000"
               "14000000" "01000000" "1c000000"
               "0000000070000000" "0000100000000000" "00000000"
               "00010000" "00000000" "00010000" "48000000" "00000000", 0);
    /* Revision, and the number of nodes */
    g_assert_cmpuint(t.data[8], ==, 5);
    g_assert_cmpuint(ldl_le_p(t.data + 36), ==, 6);
    g_assert_true(has_dsm(rig));
    policy_table_free(&t);
    policy_stop(rig);

    /* Without them, it may number its buses anew. */
    rig = policy_start(POLICY_SMMUV3, NULL, "", "");
    policy_table_read(&t, rig);
    g_assert_cmpuint(t.data[8], ==, 3);
    g_assert_false(has_dsm(rig));
    policy_table_free(&t);
    policy_stop(rig);
}

/* The device tree as text: "/path property hex", a line for each property */
static char *tree_read(QTestState *qts)
{
    g_autoptr(GString) text = g_string_new(NULL), path = g_string_new(NULL);
    uint64_t base = GiB;
    g_autofree uint8_t *fdt = NULL;
    uint8_t header[8];
    uint32_t at, strings, size, i;

    qtest_memread(qts, base, header, sizeof(header));
    g_assert_cmphex((uint32_t)ldl_be_p(header), ==, 0xd00dfeed);
    size = ldl_be_p(header + 4);
    g_assert_cmpuint(size, <=, 2 * MiB);
    fdt = g_malloc(size);
    qtest_memread(qts, base, fdt, size);
    at = ldl_be_p(fdt + 8);
    strings = ldl_be_p(fdt + 12);
    for (;;) {
        uint32_t token = ldl_be_p(fdt + at), len;
        const char *name = (const char *)fdt + at + 4;

        g_assert_cmpuint(at, <, size);
        at += 4;
        if (token == 9) {
            return g_string_free(g_steal_pointer(&text), false);
        } else if (token == 1) {
            g_string_append_printf(path, "%s%s", path->len > 1 ? "/" : "",
                                   *name ? name : "/");
            at = ROUND_UP(at + strlen(name) + 1, 4);
        } else if (token == 2) {
            g_string_truncate(path, MAX(g_strrstr(path->str, "/") - path->str,
                                        1));
        } else if (token == 3) {
            len = ldl_be_p(fdt + at);
            g_string_append_printf(text, "%s %s ", path->str,
                                   fdt + strings + ldl_be_p(fdt + at + 4));
            for (i = 0; i < len; i++) {
                g_string_append_printf(text, "%02x", fdt[at + 8 + i]);
            }
            g_string_append_c(text, '\n');
            at = ROUND_UP(at + 8 + len, 4);
        }
    }
}

static void tree_has(const char *tree, const char *line)
{
    g_autofree char *whole = g_strdup_printf("\n%s\n", line);

    if (!strstr(tree, whole)) {
        g_error("the tree has no '%s'", line);
    }
}

/* The value of @property of the only node whose path begins with @path */
static char *tree_get(const char *tree, const char *path, const char *property)
{
    g_auto(GStrv) lines = g_strsplit(tree, "\n", 0);
    char *value = NULL;
    unsigned i;

    for (i = 0; lines[i]; i++) {
        g_auto(GStrv) word = g_strsplit(lines[i], " ", 3);

        if (word[0] && g_str_has_prefix(word[0], path) &&
            g_str_equal(word[1], property)) {
            g_assert_null(value);
            value = g_strdup(word[2]);
        }
    }
    g_assert_nonnull(value);
    return value;
}

/* The value of the property that @line, "/path property", names */
static char *tree_value(const char *tree, const char *line)
{
    g_autofree char *begin = g_strdup_printf("\n%s ", line);
    const char *at = strstr(tree, begin);

    g_assert_nonnull(at);
    at += strlen(begin);
    return g_strndup(at, strcspn(at, "\n"));
}

#define WINDOW(n) "/reserved-memory/viommu-window-" #n
#define PCIE_NODE "/pcie@10000000"
#define PCIE      PCIE_NODE "/device@"

#define PORT PCIE_NODE "/pci@5,0"

/*
 * The device behind the port: in the port's node, by which its interrupts go.
 * @all, @own: phandles of the windows that it shares.
 */
static void check_behind(const char *tree, const char *all, const char *own)
{
    g_autofree char *far = tree_get(tree, WINDOW(3) "@7000000000", "phandle");
    g_autofree char *dev = tree_get(tree, PORT "/device@0,0", "phandle");
    g_autofree char *root = tree_value(tree, PCIE_NODE " phandle");
    g_autofree char *map = tree_value(tree, PORT " interrupt-map");
    g_autofree char *line = NULL, *addresses = NULL, *route = NULL;

    tree_has(tree, PORT " device_type 70636900");
    tree_has(tree, PORT " reg 0000280000000000000000000000000000000000");
    tree_has(tree, PORT " interrupt-map-mask "
                   "00001800000000000000000000000007");
    tree_has(tree, PORT "/device@0,0 reg "
                   "0000000000000000000000000000000000000000");
    line = g_strdup_printf(PORT "/device@0,0 memory-region %s%s%s", all, own,
                           far);
    tree_has(tree, line);
    addresses = tree_get(tree, WINDOW(3) "@7000000000", "iommu-addresses");
    g_free(line);
    line = g_strdup_printf("%s03000000" "00000070000000000000000000100000",
                           dev);
    g_assert_cmpstr(addresses, ==, line);
    /* Pin A of device 1 behind it is its pin B. */
    route = g_strdup_printf("00000800" "0000000000000000" "00000001" "%s"
                            "00002800" "0000000000000000" "00000002", root);
    g_assert_cmpuint(strlen(map), ==, 16 * 9 * 8);
    g_assert_true(g_str_has_prefix(map + 4 * 9 * 8, route));
}

/*
 * Without firmware.  The host bridge is a device, too, with what all have.
 */
static void test_tree(void)
{
    g_autofree char *tree = NULL, *edu = NULL, *bridge = NULL, *all = NULL;
    g_autofree char *own = NULL, *hole = NULL, *ought = NULL, *dev = NULL;
    PolicyRig *rig;

    policy_firmware = false;
    rig = tables_start(POLICY_SMMUV3, "direct-relaxable", "");
    tree = tree_read(rig->qts);
    tree_has(tree, "/reserved-memory ranges ");
    tree_has(tree, PCIE "4,0 reg 0000200000000000000000000000000000000000");
    edu = tree_get(tree, PCIE "4,0", "phandle");
    bridge = tree_get(tree, PCIE "0,0", "phandle");
    all = tree_get(tree, WINDOW(0) "@70000000", "phandle");
    hole = tree_get(tree, WINDOW(2) "@6000000000", "phandle");
    own = tree_get(tree, WINDOW(1) "@78000000", "phandle");
    dev = tree_get(tree, PORT "/device@0,0", "phandle");

    tree_has(tree, WINDOW(0) "@70000000 reg 00000000700000000000000000100000");
    tree_has(tree, WINDOW(0) "@70000000 no-map ");
    ought = g_strdup_printf(WINDOW(0) "@70000000 iommu-addresses %s03000000"
                            "00000000700000000000000000100000%s03000000"
                            "00000000700000000000000000100000%s03000000"
                            "00000000700000000000000000100000", bridge, edu,
                            dev);
    tree_has(tree, ought);
    g_free(ought);
    ought = g_strdup_printf(WINDOW(2) "@6000000000 iommu-addresses %s03000000"
                            "00000060000000000000000000010000", edu);
    tree_has(tree, ought);
    /* Nothing is mapped there. */
    g_assert_null(strstr(tree, WINDOW(2) "@6000000000 reg"));
    tree_has(tree, WINDOW(1) "@78000000 reg 00000000780000000000000000010000");
    g_free(ought);
    ought = g_strdup_printf(PCIE "4,0 memory-region %s%s%s", all, own, hole);
    tree_has(tree, ought);
    tree_has(tree, "/memory@40000000 reg 00000000400000000000000040000000");

    check_behind(tree, all, own);
    policy_stop(rig);

    rig = policy_start(POLICY_SMMUV3, NULL, "", "-device edu ");
    g_free(tree);
    tree = tree_read(rig->qts);
    g_assert_null(strstr(tree, "reserved-memory"));
    g_assert_null(strstr(tree, PCIE));
    policy_stop(rig);
    policy_firmware = true;
}

/* Firmware's memory has holes there, which it does not give to the guest. */
static void test_tree_firmware(void)
{
    PolicyRig *rig = tables_start(POLICY_SMMUV3, "direct", "");
    g_autofree char *tree = tree_read(rig->qts);

    tree_has(tree, "/memory@40000000 reg 00000000400000000000000030000000");
    tree_has(tree, "/memory@70100000 reg 00000000701000000000000007f00000");
    tree_has(tree, "/memory@78010000 reg 00000000780100000000000007ff0000");
    tree_has(tree, "/memory@78010000 device_type 6d656d6f727900");
    g_assert_null(strstr(tree, "reserved-memory"));
    policy_stop(rig);
}

/* With firmware, but without ACPI: both */
static void test_tree_no_acpi(void)
{
    PolicyRig *rig = tables_start(POLICY_SMMUV3, "direct",
                                  " -machine acpi=off");
    g_autofree char *tree = tree_read(rig->qts);

    tree_has(tree, "/memory@70100000 reg 00000000701000000000000007f00000");
    tree_has(tree, WINDOW(0) "@70000000 no-map ");
    g_free(tree_get(tree, WINDOW(1) "@78000000", "iommu-addresses"));
    g_free(tree_get(tree, PCIE "4,0", "memory-region"));
    policy_stop(rig);
}

/* A PC without ACPI tells nobody of its vIOMMU, but leaves the memory alone. */
static void test_no_acpi(const void *model)
{
    PolicyRig *rig = tables_start(GPOINTER_TO_INT(model), "direct",
                                  " -machine acpi=off");
    g_autofree uint8_t *table = NULL;
    size_t len;

    table = policy_file(rig, "etc/e820", &len);
    g_assert_cmpuint(e820_count(table, len, ALL_AT, ALL_AT, RESERVED), ==, 1);
    g_assert_cmpuint(e820_count(table, len, EDU_AT, EDU_AT, MEMORY), ==, 0);
    policy_stop(rig);
}

/* RAM in pieces */

#define PIECES "-machine ram-holes=auto -object memory-backend-ram,id=m0,"     \
               "size=512M -object memory-backend-ram,id=m1,size=512M "        \
               "-numa node,memdev=m0 -numa node,memdev=m1 "                   \
               "-device edu,addr=04.0,reserved-ranges=0x50000000:0x50000fff:0 "

static void check_pieces_tree(PolicyRig *rig)
{
    g_autofree char *tree = tree_read(rig->qts);

    tree_has(tree, "/memory@40000000 reg 00000000400000000000000010000000");
    tree_has(tree, "/memory@40000000 numa-node-id 00000000");
    tree_has(tree, "/memory@50200000 reg 00000000502000000000000010000000");
    tree_has(tree, "/memory@50200000 numa-node-id 00000000");
    tree_has(tree, "/memory@60200000 reg 00000000602000000000000020000000");
    tree_has(tree, "/memory@60200000 numa-node-id 00000001");
    g_assert_null(strstr(tree, "/memory@60000000"));
}

/* ACPI 6.5, 5.2.16.2: Memory Affinity structures, from the first on */
static void check_pieces_srat(PolicyRig *rig)
{
    static const char ought[] =
        "0128000000000000" "0000004000000000" "0000001000000000"
        "0000000001000000" "0000000000000000"
        "0128000000000000" "0000205000000000" "0000001000000000"
        "0000000001000000" "0000000000000000"
        "0128010000000000" "0000206000000000" "0000002000000000"
        "0000000001000000" "0000000000000000";
    g_autofree uint8_t *tables = NULL;
    g_autoptr(GString) hex = g_string_new(NULL);
    size_t size, at = 0, i;

    tables = policy_tables(rig, &size);
    while (at + 8 < size && memcmp(tables + at, "SRAT", 4)) {
        at++;
    }
    g_assert_cmpuint(at + ldl_le_p(tables + at + 4), <=, size);
    for (i = 0; i < (uint32_t)ldl_le_p(tables + at + 4); i++) {
        g_string_append_printf(hex, "%02x", tables[at + i]);
    }
    g_assert_nonnull(strstr(hex->str, ought));
}

static void test_pieces(void)
{
    PolicyRig *rig = policy_start(POLICY_SMMUV3, NULL, "", PIECES);

    check_pieces_tree(rig);
    check_pieces_srat(rig);
    policy_stop(rig);
    policy_firmware = false;
    rig = policy_start(POLICY_SMMUV3, NULL, "", PIECES);
    check_pieces_tree(rig);
    policy_stop(rig);
    policy_firmware = true;
}

/* Refusals */

static void refuses(PolicyModel model, const char *unit, const char *args,
                    const char *why)
{
    const char *where = model == POLICY_SMMUV3 ? "-global arm-smmuv3." : ",";
    g_autofree char *more = NULL, *said = NULL;

    if (*unit) {
        more = g_strconcat(where, "reserved-ranges=", unit, " ", args, NULL);
    } else {
        more = g_strconcat(" ", args, NULL);
    }
    said = policy_refused(model, NULL, "", more);
    if (!strstr(said, why)) {
        g_error("'%s' does not say '%s'", said, why);
    }
}

#define RELAXABLE "0x50000000:0x5000ffff:direct-relaxable"
#define DIRECT    "0x50000000:0x5000ffff:direct"
#define ON_EDU    "-device edu,id=me,reserved-ranges="

static void test_refused(const void *opaque)
{
    PolicyModel model = GPOINTER_TO_INT(opaque);

    if (model == POLICY_VIRTIO_IOMMU) {
        refuses(model, DIRECT, "", "cannot be told to map it");
        refuses(model, "", ON_EDU DIRECT, "cannot be told to map it");
        return;
    }
    if (model == POLICY_SMMUV3) {
        refuses(model, "0x50000000:0x50000fff:direct", "",
                "pages of 0x10000 bytes");
        refuses(model, "", ON_EDU "0x50001000:0x5000ffff:direct-relaxable",
                "pages of 0x10000 bytes");
    } else {
        refuses(model, RELAXABLE, "", "make it direct");
        refuses(model, "", ON_EDU RELAXABLE, "me: reserved-ranges has direct-"
                "relaxable");
        /* Nor what is no memory anyway */
        refuses(model, "", ON_EDU "0xfee00000:0xfee00fff:direct",
                "there is already msi");
        refuses(model, "0xfee00000:0xfee00fff:direct", "",
                "there is already msi 0xfee00000 .. 0xfeefffff (model)");
        refuses(model, "0xfedff000:0xfee00fff:direct", "",
                "there is already msi");
        refuses(model, "0x140000000:0x14000ffff:direct",
                "-m 1G,slots=2,maxmem=4G", "where memory devices come");
    }
    if (model == POLICY_AMD) {
        refuses(model, "0xfd00000000:0xfd000fffff:direct", "",
                "there is already reserved");
    }
    refuses(model, DIRECT, ON_EDU "0x50000000:0x50000fff:0",
            "there is already direct");
    refuses(model, "0x50000000:0x5fffffff:0", ON_EDU DIRECT,
            "there is already reserved");
}

/* An assigned device, whose host's doorbell is where the guest has nothing */
#define USABLE  "0:0xcfffffff,,0xd0100000:0xfedfffff,,0xfef00000:" \
                "0xffffffffff "
#define HOST(n) "-device x-iommu-listener,id=h" #n ",map=on,host-usable=" \
                USABLE

static void test_doorbell(void)
{
    PolicyRig *rig;

    refuses(POLICY_AMD, "", HOST(0), "h0: the host's IOMMU keeps "
            "0xd0000000 .. 0xd00fffff for itself");
    refuses(POLICY_AMD, "0xd0000000:0xd007ffff:0", HOST(0),
            "0xd0080000 .. 0xd00fffff");
    rig = policy_start(POLICY_AMD, NULL, "",
                       ",reserved-ranges=0xd0000000:0xd00fffff:0 "
                       HOST(1));
    policy_stop(rig);
    /* Or into the device's own; not into another's */
    rig = policy_start(POLICY_AMD, NULL, "", " -device x-iommu-listener,id=own,"
                       "map=on,reserved-ranges=0xd0000000:0xd00fffff:0,"
                       "host-usable=" USABLE);
    policy_stop(rig);
    refuses(POLICY_AMD, "", "-device edu,reserved-ranges="
            "0xd0000000:0xd00fffff:0 " HOST(3), "h3: the host's IOMMU keeps");
    /* PROBE tells of it. */
    rig = policy_start(POLICY_VIRTIO_IOMMU, NULL, "", HOST(2));
    policy_stop(rig);
}

/* A guest that runs has read its tables. */
static void test_hotplug(const void *model)
{
    g_autofree char *port = policy_port(0);
    PolicyRig *rig = policy_start(GPOINTER_TO_INT(model), NULL, "", port);
    QDict *answer;
    const char *desc;

    answer = qtest_qmp(rig->qts, "{'execute': 'device_add', 'arguments': {"
                       "'driver': 'virtio-rng-pci', 'id': 'late', 'bus': 'rp0',"
                       " 'reserved-ranges': '" DIRECT "'}}");
    desc = qdict_get_str(qdict_get_qdict(answer, "error"), "desc");
    g_assert_nonnull(strstr(desc, "late: reserved-ranges has direct"));
    g_assert_nonnull(strstr(desc, "a running guest"));
    qobject_unref(answer);
    policy_stop(rig);
}

static void add_model(PolicyModel model)
{
    g_autofree char *refused = g_strdup_printf("/viommu/windows/tables/%s/"
                                               "refused",
                                               policy_model_name(model));
    g_autofree char *hotplug = g_strdup_printf("/viommu/windows/tables/%s/"
                                               "hotplug",
                                               policy_model_name(model));

    qtest_add_data_func(refused, GINT_TO_POINTER(model), test_refused);
    if (model != POLICY_VIRTIO_IOMMU) {
        qtest_add_data_func(hotplug, GINT_TO_POINTER(model), test_hotplug);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_model(POLICY_VIRTIO_IOMMU);
    if (g_str_equal(qtest_get_arch(), "aarch64")) {
        add_model(POLICY_SMMUV3);
        qtest_add_func("/viommu/windows/tables/iort", test_iort);
        qtest_add_func("/viommu/windows/tables/tree", test_tree);
        qtest_add_func("/viommu/windows/tables/tree/firmware",
                       test_tree_firmware);
        qtest_add_func("/viommu/windows/tables/tree/no-acpi",
                       test_tree_no_acpi);
        qtest_add_func("/viommu/windows/tables/pieces", test_pieces);
    } else {
        add_model(POLICY_VTD);
        add_model(POLICY_AMD);
        qtest_add_func("/viommu/windows/tables/dmar", test_dmar);
        qtest_add_func("/viommu/windows/tables/dmar/bypass", test_dmar_bypass);
        qtest_add_func("/viommu/windows/tables/ivrs", test_ivrs);
        qtest_add_func("/viommu/windows/tables/doorbell", test_doorbell);
        qtest_add_data_func("/viommu/windows/tables/no-acpi/vtd",
                            GINT_TO_POINTER(POLICY_VTD), test_no_acpi);
        qtest_add_data_func("/viommu/windows/tables/no-acpi/amd",
                            GINT_TO_POINTER(POLICY_AMD), test_no_acpi);
        qtest_add_data_func("/viommu/windows/tables/e820/vtd",
                            GINT_TO_POINTER(POLICY_VTD), test_e820);
        qtest_add_data_func("/viommu/windows/tables/e820/amd",
                            GINT_TO_POINTER(POLICY_AMD), test_e820);
    }
    return g_test_run();
}

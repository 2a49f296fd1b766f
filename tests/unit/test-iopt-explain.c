/*
 * Unit test: what a walk tells its observer, and what is made of it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/iommu/iopt-amd.h"
#include "hw/iommu/iopt-explain.h"
#include "hw/iommu/iopt-vtd.h"
#include "test-iopt-world.h"

#define AREA0 0x100000ull
#define AREA1 0x200000ull
#define IOVA  0x604567ull

/* A plain space of two levels, and all that its walks have told */
typedef struct Bench {
    World w;
    IOPTSpace space;
    IOPTMem mem;
    IOPTStep steps[64];
    unsigned n;
    uint64_t read[64];       /* addresses, in memory */
    unsigned reads;
} Bench;

static bool bench_read(void *opaque, uint64_t addr, uint64_t *entry)
{
    Bench *b = opaque;

    g_assert_cmpuint(b->reads, <, ARRAY_SIZE(b->read));
    b->read[b->reads++] = addr;
    return world_read(&b->w, addr, entry);
}

static void bench_observe(void *opaque, const IOPTStep *step)
{
    Bench *b = opaque;

    g_assert_cmpuint(b->n, <, ARRAY_SIZE(b->steps));
    b->steps[b->n++] = *step;
}

static uint64_t *bench_word(Bench *b, uint64_t table, unsigned index)
{
    return world_word(&b->w, table + 8 * index);
}

static IOPTTable plain_table(uint64_t root)
{
    IOPTTable t = {
        .format = &iopt_vtd_ss, .levels = 2, .input_bits = 30,
        .output_bits = 46, .root = root,
    };

    t.reserved[0][2] = t.reserved[1][1] = BIT(51);
    t.reserved[1][2] = 0x1ff000;
    return t;
}

static void bench_init(Bench *b)
{
    memset(b, 0, sizeof(*b));
    world_init(&b->w, NULL);
    world_area(&b->w, 0, AREA0, 0x3000);
    world_area(&b->w, 1, AREA1, 0x3000);
    b->mem = (IOPTMem) {
        .read = bench_read, .observe = bench_observe, .opaque = b,
    };
    b->space.table = plain_table(AREA0);
    *bench_word(b, AREA0, 3) = (AREA0 + 0x1000) | 3;
    *bench_word(b, AREA0 + 0x1000, 4) = 0x234000 | 3;
}

/* The same walk, watched and not; the answers are the same. */
static IOPTFault bench_walk(Bench *b, unsigned access, IOPTResult *res)
{
    IOPTFault fault, unseen;
    IOPTResult other;

    b->n = b->reads = 0;
    fault = iopt_space_walk(&b->space, IOVA, access, &b->mem, res);
    unseen = iopt_space_walk(&b->space, IOVA, access, probe_mem(&b->w),
                             &other);
    g_assert_cmpint(fault, ==, unseen);
    g_assert_cmphex(res->addr, ==, other.addr);
    g_assert_cmpuint(res->level, ==, other.level);
    g_assert_cmphex(res->entry, ==, other.entry);
    if (fault == IOPT_OK) {
        g_assert_cmpuint(res->perm, ==, other.perm);
        g_assert_cmpuint(res->shift, ==, other.shift);
    }
    return fault;
}

static void test_steps(void)
{
    IOPTSays says;
    IOPTResult res;
    Bench b;

    bench_init(&b);
    g_assert_cmpint(bench_walk(&b, IOPT_READ, &res), ==, IOPT_OK);
    g_assert_cmpuint(b.n, ==, 2);
    g_assert_true(b.steps[0].table == &b.space.table);
    g_assert_cmpuint(b.steps[0].level, ==, 2);
    g_assert_cmphex(b.steps[0].addr, ==, AREA0 + 24);
    g_assert_cmphex(b.steps[0].entry, ==, (AREA0 + 0x1000) | 3);
    g_assert_cmphex(b.steps[0].iova, ==, IOVA);
    iopt_explain(&b.steps[0], &says);
    g_assert_true(says.ok && !says.leaf && !says.updates);
    g_assert_cmphex(says.addr, ==, AREA0 + 0x1000);
    g_assert_cmpuint(says.shift, ==, 21);
    iopt_explain(&b.steps[1], &says);
    g_assert_true(says.ok && says.leaf);
    g_assert_cmphex(says.addr, ==, 0x234000);
    g_assert_cmpuint(says.perm, ==, 3);
    g_assert_cmpuint(says.shift, ==, 12);
    world_free(&b.w);
}

/* Each entry of the first stage comes after those that led to it. */
static void test_nested_steps(void)
{
    unsigned i;
    IOPTResult res;
    Bench b;

    bench_init(&b);
    b.space.second = b.space.table;
    b.space.table = plain_table(0x1000);
    b.space.second.root = AREA1;
    *bench_word(&b, AREA1, 0) = (AREA1 + 0x1000) | 3;
    *bench_word(&b, AREA1, 1) = (AREA1 + 0x1000) | 3;
    for (i = 0; i < 3; i++) {
        *bench_word(&b, AREA1 + 0x1000, 1 + i) = (AREA0 + 0x1000 * i) | 3;
    }
    *bench_word(&b, AREA0, 3) = 0x2000 | 3;
    *bench_word(&b, AREA0 + 0x1000, 4) = 0x201000 | 3;
    g_assert_cmpint(bench_walk(&b, IOPT_READ, &res), ==, IOPT_OK);
    g_assert_cmphex(res.addr, ==, AREA0);
    g_assert_cmpuint(b.n, ==, 8);
    g_assert_cmpuint(b.n, ==, b.reads);
    for (i = 0; i < 8; i++) {
        g_assert_true(b.steps[i].table == (i == 2 || i == 5 ?
                                           &b.space.table : &b.space.second));
    }
    g_assert_cmphex(b.steps[2].addr, ==, 0x1000 + 24);
    g_assert_cmphex(b.read[2], ==, AREA0 + 24);
    g_assert_cmphex(b.steps[3].iova, ==, 0x2000 + 32);
    g_assert_cmphex(b.steps[7].iova, ==, 0x201567);

    /* Where the second stage stops the walk it is the last that is told of. */
    *bench_word(&b, AREA1 + 0x1000, 2) = 0;
    g_assert_cmpint(bench_walk(&b, IOPT_READ, &res), ==,
                    IOPT_FAULT_NOT_PRESENT);
    g_assert_cmpuint(b.n, ==, 5);
    g_assert_true(b.steps[4].table == &b.space.second);
    g_assert_cmpint(b.steps[4].fault, ==, IOPT_FAULT_NOT_PRESENT);
    world_free(&b.w);
}

/* One entry wrong, and what is said to be wrong with it. */
static void test_culprits(void)
{
    static const struct {
        unsigned level;
        uint64_t entry;
        unsigned access;
        IOPTFault fault;
        uint64_t culprits, reserved;
    } cases[] = {
        { 1, 0x234000, IOPT_READ, IOPT_FAULT_NOT_PRESENT, 1 },
        { 1, 0x234000, IOPT_WRITE, IOPT_FAULT_NOT_PRESENT, 2 },
        { 1, 0x234001, IOPT_WRITE, IOPT_FAULT_PERMISSION, 2 },
        { 1, 0x234002, IOPT_READ, IOPT_FAULT_PERMISSION, 1 },
        { 1, 0x234003 | BIT(51), IOPT_READ, IOPT_FAULT_RESERVED, BIT(51),
          BIT(51) },
        /* Two bits are wrong: no one of them alone. */
        { 1, 0x234000 | BIT(51), IOPT_READ, IOPT_FAULT_NOT_PRESENT, 0 },
        { 2, 0, IOPT_READ, IOPT_FAULT_NOT_PRESENT, 1 },
        /* As a page it would be fine, but that is not what is wrong. */
        { 2, (AREA0 + 0x1000) | BIT(51) | 3, IOPT_READ, IOPT_FAULT_RESERVED,
          BIT(51), BIT(51) },
        /* Large pages that begin anywhere; as a table each would be fine. */
        { 2, 0x201083, IOPT_READ, IOPT_FAULT_RESERVED, BIT(12), BIT(12) },
        { 2, (AREA0 + 0x1000) | BIT(7) | 3, IOPT_READ, IOPT_FAULT_RESERVED, 0,
          BIT(20) | BIT(12) },
        { 2, 0x70000003, IOPT_READ, IOPT_FAULT_READ_TABLE, 0 },
    };
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(cases); i++) {
        const IOPTStep *last;
        IOPTSays says;
        IOPTResult res;
        Bench b;

        bench_init(&b);
        if (cases[i].level == 1) {
            *bench_word(&b, AREA0 + 0x1000, 4) = cases[i].entry;
        } else {
            *bench_word(&b, AREA0, 3) = cases[i].entry;
        }
        g_assert_cmpint(bench_walk(&b, cases[i].access, &res), ==,
                        cases[i].fault);
        last = &b.steps[b.n - 1];
        g_assert_cmpint(last->fault, ==, cases[i].fault);
        iopt_explain(last, &says);
        g_assert_false(says.ok);
        g_assert_cmphex(says.culprits, ==, cases[i].culprits);
        g_assert_cmphex(says.reserved, ==, cases[i].reserved);
        g_assert_cmpstr(iopt_fault_name(last->fault), !=, "refused");
        world_free(&b.w);
    }
    g_assert_cmpstr(iopt_bit_name(&iopt_vtd_ss, 1), ==, "W");
    g_assert_null(iopt_bit_name(&iopt_vtd_ss, 12));
    g_assert_cmpuint(iopt_stage_number(&iopt_vtd_ss), ==, 2);
    g_assert_cmpuint(iopt_level_number(&iopt_vtd_ss, 1), ==, 1);
}

static void assert_reserved(const IOPTStep *step, uint64_t bits,
                            const char *words)
{
    g_autofree char *text = NULL;
    IOPTSays says;

    iopt_explain(step, &says);
    g_assert_cmphex(says.reserved, ==, bits);
    text = iopt_reserved_words(step, &says);
    g_assert_cmpstr(text, ==, words);
}

/* Several that are set, each of which hides the others; in each format */
static void test_reserved_words(void)
{
    static const char page[] = "but a page of 2048 KiB begins at a multiple of "
                               "its size";
    g_autofree char *two = g_strdup_printf("bits 12 and 20, %s", page);
    g_autofree char *one = g_strdup_printf("bit 13, %s", page);
    IOPTTable vtd = plain_table(AREA0), fs = vtd, v2 = vtd, v1 = vtd;
    IOPTStep step = { .table = &vtd, .level = 2, .access = IOPT_READ,
                      .fault = IOPT_FAULT_RESERVED };

    step.entry = 0x1101083;
    assert_reserved(&step, BIT(20) | BIT(12), two);
    step.entry = 0x1101083 | BIT(51);
    vtd.reserved[1][2] |= BIT(51);
    assert_reserved(&step, BIT(51) | BIT(20) | BIT(12),
                    "bits 12, 20 and 51");
    fs.format = &iopt_vtd_fs;
    step.table = &fs;
    step.entry = 0x1101000 | 0xe7;
    assert_reserved(&step, BIT(20) | BIT(12), two);
    /* Bit 12 is PAT. */
    v2.format = &iopt_amd_v2;
    step.table = &v2;
    step.entry = 0x1003000 | 0xe7;
    assert_reserved(&step, BIT(13), one);
    v1.format = &iopt_amd_v1;
    step.table = &v1;
    step.entry = (AREA0 + 0x1000) | BIT(61) | BIT(57) | BIT(53) | 1 << 9 | 1;
    assert_reserved(&step, BIT(57) | BIT(53), "bits 53 and 57");
    /* Its Next Level is none: no bit is reserved. */
    step.entry = (AREA0 + 0x1000) | BIT(61) | 6 << 9 | 1;
    assert_reserved(&step, 0, NULL);
}

/* Hardware would set the Access flag; the limits of tables are inherited. */
static void test_armv8(void)
{
    IOPTArmv8Params p = { 12, 34, 0, AREA0, 48, 48, IOPT_ARMV8_HA };
    IOPTSays says;
    IOPTResult res;
    Bench b;

    bench_init(&b);
    g_assert_cmpint(iopt_armv8_stage1(&b.space.table, &p), ==, 0);
    *bench_word(&b, AREA0 + 0x1000, 4) = 0x234000 | BIT(6) | 3;
    g_assert_cmpint(bench_walk(&b, IOPT_WRITE, &res), ==, IOPT_OK);
    iopt_explain(&b.steps[1], &says);
    g_assert_true(says.ok && says.leaf && says.updates);
    g_assert_cmphex(*bench_word(&b, AREA0 + 0x1000, 4), ==,
                    0x234000 | BIT(6) | 3);

    b.space.table.flags = 0;
    g_assert_cmpint(bench_walk(&b, IOPT_WRITE, &res), ==,
                    IOPT_FAULT_ACCESS_FLAG);
    iopt_explain(&b.steps[1], &says);
    g_assert_cmphex(says.culprits, ==, BIT(10));
    g_assert_cmpstr(iopt_bit_name(b.steps[1].table->format, 10), ==, "AF");
    g_assert_cmpuint(iopt_stage_number(b.steps[1].table->format), ==, 1);
    g_assert_cmpuint(iopt_level_number(b.steps[1].table->format, 1), ==, 3);

    /* APTable[1]: no flip of the leaf's grants what the table forbids. */
    *bench_word(&b, AREA0, 3) |= BIT(62);
    *bench_word(&b, AREA0 + 0x1000, 4) |= BIT(10);
    g_assert_cmpint(bench_walk(&b, IOPT_WRITE, &res), ==,
                    IOPT_FAULT_PERMISSION);
    iopt_explain(&b.steps[1], &says);
    g_assert_cmphex(says.culprits, ==, 0);
    world_free(&b.w);
}

typedef struct Pieces {
    uint64_t next;           /* all before it was visited */
    uint64_t mapped;         /* bytes */
    bool unread;
} Pieces;

static bool pieces_visit(void *opaque, uint64_t first, uint64_t last,
                         const IOPTResult *res)
{
    Pieces *p = opaque;

    g_assert_cmphex(first, ==, p->next);
    if (res->unread) {
        g_assert_cmpuint(res->perm, ==, 0);
        p->unread = true;
        return false;
    }
    if (res->perm) {
        p->mapped += last - first + 1;
    }
    p->next = last + 1;
    return true;
}

/* However few entries may be read at once, the pieces make up the whole. */
static void test_unread(void)
{
    unsigned budget, i;
    Bench b;

    bench_init(&b);
    *bench_word(&b, AREA0, 3) = 0;
    *bench_word(&b, AREA0 + 0x1000, 4) = 0;
    *bench_word(&b, AREA0, 5) = (AREA0 + 0x1000) | 3;
    *bench_word(&b, AREA0, 511) = (AREA0 + 0x2000) | 3;
    for (i = 0; i < 512; i += 3) {
        *bench_word(&b, AREA0 + 0x1000, i) = 0x800000 | i << 12 | 3;
    }
    for (budget = 3; budget < 2000; budget = budget * 3 / 2) {
        Pieces p = { 0 };

        b.space.table.max_reads = budget;
        do {
            uint64_t before = p.next;

            p.unread = false;
            iopt_space_walk_range(&b.space, p.next, UINT64_MAX,
                                  probe_mem(&b.w), pieces_visit, &p);
            g_assert_true(!p.unread || p.next > before);
        } while (p.unread);
        g_assert_cmphex(p.next, ==, 0);
        g_assert_cmpuint(p.mapped, ==, 171 * 4096);
    }
    world_free(&b.w);
}

/* Tables that are to be marked, too, and a page of the supervisor's */
static void test_vtd(void)
{
    IOPTSays says;
    IOPTResult res;
    Bench b;

    bench_init(&b);
    b.space.table.format = &iopt_vtd_fs;
    *bench_word(&b, AREA0, 3) = (AREA0 + 0x1000) | 7;
    *bench_word(&b, AREA0 + 0x1000, 4) = 0x234000 | 0x27;
    g_assert_cmpint(bench_walk(&b, IOPT_WRITE, &res), ==, IOPT_OK);
    iopt_explain(&b.steps[0], &says);
    g_assert_true(says.ok && !says.leaf && says.updates);
    g_assert_cmphex(says.addr, ==, AREA0 + 0x1000);
    iopt_explain(&b.steps[1], &says);
    g_assert_true(says.ok && says.leaf && says.updates);

    *bench_word(&b, AREA0, 3) |= 0x20;
    *bench_word(&b, AREA0 + 0x1000, 4) = 0x234000 | 0x63;
    g_assert_cmpint(bench_walk(&b, IOPT_WRITE, &res), ==,
                    IOPT_FAULT_PRIVILEGE);
    iopt_explain(&b.steps[0], &says);
    g_assert_true(says.ok && !says.updates);
    iopt_explain(&b.steps[1], &says);
    g_assert_false(says.ok);
    g_assert_cmphex(says.culprits, ==, BIT(2));
    g_assert_cmpstr(iopt_bit_name(&iopt_vtd_fs, 2), ==, "U/S");

    b.space.table.flags = IOPT_VTD_NO_UPDATE;
    *bench_word(&b, AREA0 + 0x1000, 4) = 0x234000 | 0x47;
    g_assert_cmpint(bench_walk(&b, IOPT_WRITE, &res), ==, IOPT_FAULT_UPDATE);
    iopt_explain(&b.steps[1], &says);
    g_assert_cmphex(says.culprits, ==, BIT(5));
    world_free(&b.w);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/iopt-explain/steps", test_steps);
    g_test_add_func("/iopt-explain/steps/nested", test_nested_steps);
    g_test_add_func("/iopt-explain/culprits", test_culprits);
    g_test_add_func("/iopt-explain/culprits/reserved", test_reserved_words);
    g_test_add_func("/iopt-explain/armv8", test_armv8);
    g_test_add_func("/iopt-explain/vtd", test_vtd);
    g_test_add_func("/iopt-explain/unread", test_unread);
    return g_test_run();
}

/*
 * AMD-Vi's host page tables against a second reading, and by hand
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * With the bits of 48882 2.2.3 as numbers.
 */
#include "qemu/osdep.h"
#include "hw/iommu/iopt-amd.h"
#include "hw/iommu/iopt-explain.h"
#include "test-iopt-world.h"

#define PR      BIT(0)
#define NEXT(n) ((uint64_t)(n) << 9)
#define IR      BIT(61)
#define IW      BIT(62)
#define RW      (IR | IW)
#define TABLE   0x1000u                      /* bytes */

#define AREA    BIT(32)

/* Of the random world: tables of each level; what is looked at in them */
#ifdef TEST_RAND_INPUT
#define PER_LEVEL 2
#define POINTS    12
#define RANGES    2
/* An input is short: only the entries of used[] are anything. */
#define SPARSE    true
#else
#define PER_LEVEL 8
#define POINTS    400
#define RANGES    20
#define SPARSE    false
#endif

/* A table of @level, number @n of those */
static uint64_t table_at(unsigned level, unsigned n)
{
    return AREA + (uint64_t)TABLE * ((level - 1) * PER_LEVEL + n);
}

static void amd_world(World *w, Rand *r)
{
    world_init(w, r);
    world_area(w, 0, AREA, TABLE * 6 * PER_LEVEL);
    world_area(w, 1, BIT(50), 8);
}

static void put(World *w, uint64_t table, unsigned index, uint64_t entry)
{
    *world_word(w, table + 8 * index) = entry;
}

/* The second reading: one address, one level after the other */

typedef struct Ref {
    IOPTFault fault;
    unsigned level, shift, perm;
    uint64_t addr;
} Ref;

/* A page's size as its entry has it; 0: none */
static unsigned ref_shift(unsigned level, uint64_t e)
{
    unsigned own = 12 + 9 * (level - 1), s;

    if (level == 6) {
        return 0;
    }
    if ((e >> 9 & 7) == 0) {
        return own;
    }
    for (s = 13; s <= 52; s++) {
        if (!(e & BIT(s - 1))) {
            return s > own && s < own + 9 ? s : 0;
        }
    }
    return 0;
}

static IOPTFault ref_entry(uint64_t e, Ref *ref, bool *leaf)
{
    unsigned next = e >> 9 & 7, bit;

    if (!(e & PR)) {
        return IOPT_FAULT_NOT_PRESENT;
    }
    *leaf = next == 0 || next == 7;
    for (bit = 52; bit <= (*leaf ? 58 : 60); bit++) {
        if (e & BIT(bit)) {
            return IOPT_FAULT_RESERVED;
        }
    }
    if (*leaf ? !ref_shift(ref->level, e) : next >= ref->level) {
        return IOPT_FAULT_RESERVED;
    }
    return IOPT_OK;
}

static Ref ref_walk(World *w, uint64_t root, unsigned mode, unsigned denied,
                    uint64_t iova, unsigned access)
{
    Ref ref = { .level = mode, .perm = 3 & ~denied };
    uint64_t table = root;
    bool leaf;

    if (mode < 6 && iova >> (12 + 9 * mode)) {
        ref.fault = IOPT_FAULT_RANGE;
        return ref;
    }
    for (;;) {
        unsigned shift = 12 + 9 * (ref.level - 1), next;
        uint64_t e;

        if (!world_read(w, table + 8 * (iova >> shift & 511), &e)) {
            ref.fault = IOPT_FAULT_READ_TABLE;
            return ref;
        }
        ref.fault = ref_entry(e, &ref, &leaf);
        if (ref.fault != IOPT_OK) {
            return ref;
        }
        ref.perm &= (e & IR ? 1 : 0) | (e & IW ? 2 : 0);
        if (!ref.perm || (access & ~ref.perm)) {
            ref.fault = IOPT_FAULT_PERMISSION;
            return ref;
        }
        if (leaf) {
            ref.shift = ref_shift(ref.level, e);
            ref.addr = e & mask(52) & ~mask(MAX(ref.shift, 12));
            return ref;
        }
        next = e >> 9 & 7;
        if (iova & mask(shift) & ~mask(12 + 9 * next)) {
            ref.fault = IOPT_FAULT_NOT_PRESENT;
            return ref;
        }
        table = e & mask(52) & ~mask(12);
        ref.level = next;
    }
}

/* Random tables */

static unsigned seen_fault[IOPT_FAULT_UPDATE + 1], seen_shift[53];
static unsigned seen_skip, seen_range;

/* The indices that tables use: few, so that walks meet something */
static const unsigned used[] = { 0, 0, 0, 1, 2, 31, 32, 255, 256, 511 };

static unsigned used_index(Rand *r)
{
    return used[rand_below(r, ARRAY_SIZE(used))];
}

static bool index_is_used(unsigned index)
{
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(used) && used[i] != index; i++) {
        /* The next one */
    }
    return i < ARRAY_SIZE(used);
}

static uint64_t random_page(Rand *r, unsigned level)
{
    uint64_t e = rand64(r) & (mask(52) ^ mask(12));
    unsigned own = 12 + 9 * (level - 1), s;

    if (rand_below(r, 2)) {
        return e;
    }
    s = MIN(rand_below(r, 8), MIN(rand_below(r, 8), rand_below(r, 8)));
    s = rand_below(r, 8) ? own + 1 + s : rand_below(r, 41) + 12;
    s = MIN(s, 53);
    return (e & ~mask(s)) | NEXT(7) | (mask(s - 1) & ~mask(12));
}

static uint64_t random_entry(Rand *r, unsigned level)
{
    uint64_t e = level > 1 && rand_below(r, 3) ? 0 : random_page(r, level);
    unsigned next;

    e |= PR | (rand_below(r, 8) ? RW : (rand64(r) & RW));
    if (!(e & (mask(52) ^ mask(12)))) {
        next = rand_below(r, 3) ? level - 1 : 1 + rand_below(r, level - 1);
        e |= NEXT(next) | table_at(next, rand_below(r, PER_LEVEL));
        e ^= rand_below(r, 32) ? 0 : BIT(45);
    } else {
        e |= rand64(r) & (BIT(59) | BIT(60));
    }
    /* What is ignored; and now and then something that is not */
    e |= rand64(r) & (0xfe | BIT(8) | BIT(63));
    e ^= rand_below(r, 16) ? 0 : BIT(52 + rand_below(r, 12));
    if (rand_below(r, 16) == 0) {
        /* No level that may follow: every table stays one of its level. */
        e = (e & ~NEXT(7)) | NEXT(level + rand_below(r, 7 - level));
    }
    return rand_below(r, 16) ? e : e & ~PR;
}

/* All entries of a page of several say the same, as they have to. */
static void fill_table(World *w, unsigned level, uint64_t table)
{
    unsigned index = 0;

    while (index < 512) {
        unsigned n = 1, own = 12 + 9 * (level - 1);
        uint64_t e;

        if (SPARSE && !index_is_used(index)) {
            index++;
            continue;
        }
        e = rand_below(w->rand, 4) ? random_entry(w->rand, level) : 0;
        if ((e & PR) && (e >> 9 & 7) == 7 && ref_shift(level, e)) {
            n = 1u << (ref_shift(level, e) - own);
            if (index & (n - 1)) {
                continue;
            }
        }
        for (; n; n--) {
            put(w, table, index++, e);
        }
    }
}

static void check_point(World *w, const IOPTSpace *space, unsigned mode,
                        uint64_t iova)
{
    unsigned access;

    for (access = 0; access < 4; access++) {
        Ref ref = ref_walk(w, space->table.root, mode, space->table.flags,
                           iova, access);
        IOPTResult res;
        IOPTFault fault = iopt_space_walk(space, iova, access, update_mem(w),
                                          &res);

        g_assert_cmpuint(fault, ==, ref.fault);
        seen_fault[fault]++;
        if (fault == IOPT_OK) {
            g_assert_cmphex(res.addr, ==, ref.addr);
            g_assert_cmpuint(res.shift, ==, ref.shift);
            g_assert_cmpuint(res.perm, ==, ref.perm);
            seen_shift[res.shift]++;
        }
        if (fault != IOPT_FAULT_RANGE) {
            g_assert_cmpuint(res.level, ==, ref.level);
        }
        seen_skip += fault == IOPT_FAULT_NOT_PRESENT && (res.entry & PR);
        g_assert_cmpuint(w->writes->len, ==, 0);
    }
}

static void check_visit(World *w, const IOPTSpace *space, unsigned mode,
                        const Visited *v, uint64_t iova)
{
    Ref ref = ref_walk(w, space->table.root, mode, space->table.flags, iova,
                       0);

    if (ref.fault != IOPT_OK) {
        g_assert_cmpuint(v->res.perm, ==, 0);
        return;
    }
    g_assert_cmphex(v->res.addr, ==, ref.addr);
    g_assert_cmpuint(v->res.shift, ==, ref.shift);
    g_assert_cmpuint(v->res.perm, ==, ref.perm);
    g_assert_cmphex(v->first >> ref.shift, ==, iova >> ref.shift);
    g_assert_cmphex(v->last >> ref.shift, ==, iova >> ref.shift);
    seen_range++;
}

static void check_range(World *w, IOPTSpace *space, unsigned mode,
                        uint64_t first, uint64_t last)
{
    GArray *visits = g_array_new(false, false, sizeof(Visited));
    uint64_t next = first;
    bool all;
    unsigned i;

    space->table.max_reads = 20000;
    all = iopt_space_walk_range(space, first, last, probe_mem(w),
                                record_visit, visits);
    for (i = 0; i < visits->len; i++) {
        Visited *v = &g_array_index(visits, Visited, i);

        g_assert_cmphex(v->first, ==, next);
        g_assert_cmphex(v->last, >=, v->first);
        next = v->last + 1;
        if (all || i < visits->len - 1) {
            check_visit(w, space, mode, v, v->first);
            check_visit(w, space, mode, v, v->last);
            check_visit(w, space, mode, v, v->first + rand64(w->rand) %
                        MAX(v->last - v->first, 1));
        }
    }
    g_assert_cmphex(next, ==, last + 1);
    g_array_free(visits, true);
    space->table.max_reads = 0;
}

static uint64_t random_iova(Rand *r, unsigned mode)
{
    uint64_t iova = rand64(r) & mask(12);
    unsigned level;

    for (level = 1; level <= mode; level++) {
        unsigned index = rand_below(r, 8) ? used_index(r) : rand64(r) & 511;

        iova |= (uint64_t)(level == 6 ? index & 127 : index)
                << (12 + 9 * (level - 1));
    }
    return rand_below(r, 64) ? iova : rand64(r);
}

static void run_random(Rand *r, unsigned mode)
{
    IOPTSpace space = { 0 };
    unsigned level, i;
    World w;

    amd_world(&w, r);
    for (level = 1; level <= 6; level++) {
        for (i = 0; i < PER_LEVEL; i++) {
            fill_table(&w, level, table_at(level, i));
        }
    }
    iopt_amd_v1_table(&space.table, table_at(mode, 0), mode,
                      rand_below(r, 4) ? 0 : rand_below(r, 4));
    for (i = 0; i < POINTS; i++) {
        check_point(&w, &space, mode, random_iova(r, mode));
    }
    check_range(&w, &space, mode, 0, UINT64_MAX);
    for (i = 0; i < RANGES; i++) {
        uint64_t first = random_iova(r, mode);
        uint64_t size = mask(12 + rand_below(r, 40));

        if (first + size > first) {
            check_range(&w, &space, mode, first, first + size);
        }
    }
    world_free(&w);
}

static void test_random(void)
{
    Rand r = rand_new();
    unsigned i, mode, sizes = 0;

    for (i = 0; i < rounds(20); i++) {
        for (mode = 1; mode <= 6; mode++) {
            run_random(&r, mode);
        }
    }
    for (i = 12; i <= 50; i++) {
        g_test_message("pages of 2^%u: %u", i, seen_shift[i]);
        sizes += seen_shift[i] != 0;
    }
    g_assert_cmpuint(sizes, >, 15);
    g_assert_cmpuint(seen_fault[IOPT_FAULT_RANGE], >, 0);
    g_assert_cmpuint(seen_fault[IOPT_FAULT_READ_TABLE], >, 0);
    g_assert_cmpuint(seen_fault[IOPT_FAULT_NOT_PRESENT], >, 0);
    g_assert_cmpuint(seen_fault[IOPT_FAULT_RESERVED], >, 0);
    g_assert_cmpuint(seen_fault[IOPT_FAULT_PERMISSION], >, 0);
    g_assert_cmpuint(seen_skip, >, 0);
    g_assert_cmpuint(seen_range, >, 0);
}

/* Sizes by hand: those of the specification's examples */
static void test_sizes(void)
{
    static const struct {
        unsigned level, shift;
        uint64_t entry, addr;
    } rows[] = {
        { 1, 12, 0x0000000012345000, 0x12345000 },
        { 1, 13, 0x0000000012344000 | NEXT(7), 0x12344000 },
        { 1, 16, 0x0000000012347000 | NEXT(7), 0x12340000 },
        { 1, 20, 0x000000001237f000 | NEXT(7), 0x12300000 },
        { 2, 21, 0x0000000012200000, 0x12200000 },
        { 2, 22, 0x00000000121ff000 | NEXT(7), 0x12000000 },
        { 2, 29, 0x000000040ffff000 | NEXT(7), 0x400000000 },
        { 3, 30, 0x0000000040000000, 0x40000000 },
        { 3, 32, 0x000000057ffff000 | NEXT(7), 0x500000000 },
        { 5, 52, 0x0007fffffffff000 | NEXT(7), 0x0 },
        /* Sizes that are not this level's: a smaller one's, a larger one's */
        { 1, 0, 0x00000000123ff000 | NEXT(7), 0 },
        { 1, 0, 0x00000000120ff000 | NEXT(7), 0 },
        { 2, 0, 0x00000000120ff000 | NEXT(7), 0 },
        { 2, 0, 0x0000000012000000 | NEXT(7), 0 },
        { 5, 0, 0x000ffffffffff000 | NEXT(7), 0 },
        { 6, 0, 0, 0 },
        { 6, 0, 0x0007fffffffff000 | NEXT(7), 0 },
    };
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(rows); i++) {
        IOPTSpace space = { 0 };
        IOPTResult res;
        IOPTFault fault;
        World w;

        amd_world(&w, NULL);
        iopt_amd_v1_table(&space.table, AREA, rows[i].level, 0);
        put(&w, AREA, 0, rows[i].entry | PR | RW);
        fault = iopt_space_walk(&space, 0xabc, IOPT_WRITE, update_mem(&w),
                                &res);
        if (rows[i].shift) {
            g_assert_cmpuint(fault, ==, IOPT_OK);
            g_assert_cmpuint(res.shift, ==, rows[i].shift);
            g_assert_cmphex(res.addr, ==, rows[i].addr);
        } else {
            g_assert_cmpuint(fault, ==, IOPT_FAULT_RESERVED);
            g_assert_false(iopt_amd_v1_reserved(rows[i].level, res.entry));
        }
        world_free(&w);
    }
}

/* Every size that there is, at every level */
static void test_all_sizes(void)
{
    unsigned level, shift;

    for (level = 1; level <= 5; level++) {
        unsigned own = 12 + 9 * (level - 1);

        for (shift = own + 1; shift < MIN(own + 9, 53); shift++) {
            uint64_t page = mask(52) & ~mask(shift);
            IOPTSpace space = { 0 };
            IOPTResult res;
            World w;

            amd_world(&w, NULL);
            iopt_amd_v1_table(&space.table, AREA, level, 0);
            put(&w, AREA, 1, page | (mask(shift - 1) & ~mask(12)) | NEXT(7) |
                PR | RW);
            g_assert_cmpuint(iopt_space_walk(&space, BIT(own), IOPT_READ,
                                             update_mem(&w), &res), ==,
                             IOPT_OK);
            g_assert_cmpuint(res.shift, ==, shift);
            g_assert_cmphex(res.addr, ==, page);
            world_free(&w);
        }
    }
}

/* A root that grows while it is in use: what was mapped stays so. */
static void test_grow(void)
{
    IOPTSpace space = { 0 };
    IOPTResult res;
    unsigned mode;
    World w;

    amd_world(&w, NULL);
    put(&w, table_at(1, 0), 5, 0x77000 | PR | RW);
    for (mode = 1; mode <= 6; mode++) {
        if (mode > 1) {
            put(&w, table_at(mode, 0), 0,
                table_at(mode - 1, 0) | NEXT(mode - 1) | PR | RW);
        }
        iopt_amd_v1_table(&space.table, table_at(mode, 0), mode, 0);
        g_assert_cmpuint(iopt_space_walk(&space, 0x5123, IOPT_READ,
                                         update_mem(&w), &res), ==, IOPT_OK);
        g_assert_cmphex(res.addr, ==, 0x77000);
        g_assert_cmpuint(space.table.input_bits, ==,
                         mode == 6 ? 64 : 12 + 9 * mode);
        g_assert_cmpuint(iopt_space_walk(&space, UINT64_MAX, IOPT_READ,
                                         update_mem(&w), &res), ==,
                         mode == 6 ? IOPT_FAULT_NOT_PRESENT :
                                     IOPT_FAULT_RANGE);
    }
    world_free(&w);
}

/* IR and IW: those of all levels, and of the device table entry */
static void test_permissions(void)
{
    unsigned i;

    for (i = 0; i < 64; i++) {
        unsigned denied = i & 3, directory = i >> 2 & 3, page = i >> 4;
        unsigned all = page & directory & ~denied;
        IOPTSpace space = { 0 };
        IOPTResult res;
        World w;

        amd_world(&w, NULL);
        iopt_amd_v1_table(&space.table, table_at(2, 0), 2, denied);
        put(&w, table_at(2, 0), 0, table_at(1, 0) | NEXT(1) | PR |
            (uint64_t)directory << 61);
        put(&w, table_at(1, 0), 0, 0x1000 | PR | (uint64_t)page << 61);
        if (!all) {
            g_assert_cmpuint(iopt_space_walk(&space, 0, 0, update_mem(&w),
                                             &res), ==, IOPT_FAULT_PERMISSION);
        } else {
            g_assert_cmpuint(iopt_space_walk(&space, 0, 0, update_mem(&w),
                                             &res), ==, IOPT_OK);
            g_assert_cmpuint(res.perm, ==, all);
        }
        world_free(&w);
    }
}

/* A range that is not translated, in the middle of random tables */

static void check_identity(World *w, IOPTSpace *space, uint64_t first,
                           uint64_t last)
{
    GArray *visits = g_array_new(false, false, sizeof(Visited));
    uint64_t next = first, at;
    unsigned i, k;

    space->table.max_reads = 2000;
    iopt_space_walk_range(space, first, last, probe_mem(w), record_visit,
                          visits);
    for (i = 0; i < visits->len; i++) {
        Visited *v = &g_array_index(visits, Visited, i);

        g_assert_cmphex(v->first, ==, next);
        next = v->last + 1;
        for (k = 0; k < 2; k++) {
            IOPTResult res;
            IOPTFault fault;

            at = k ? v->last : v->first;
            fault = iopt_space_walk(space, at, 0, probe_mem(w), &res);
            if (v->res.unread) {
                continue;
            }
            g_assert_true((fault == IOPT_OK) == (v->res.perm != 0));
            if (fault == IOPT_OK) {
                g_assert_cmphex(res.addr, ==, v->res.addr);
                g_assert_cmpuint(res.shift, ==, v->res.shift);
                g_assert_cmpuint(res.perm, ==, v->res.perm);
            }
        }
    }
    g_assert_cmphex(next, ==, last + 1);
    g_array_free(visits, true);
}

static void test_identity(void)
{
    Rand r = rand_new();
    unsigned i, k;

    for (i = 0; i < rounds(100); i++) {
        IOPTSpace space = { 0 };
        uint64_t a = random_iova(&r, 3) & ~mask(12);
        uint64_t b = a + (rand64(&r) & mask(12 + rand_below(&r, 30)));
        IOPTResult res;
        World w;

        amd_world(&w, &r);
        for (k = 0; k < PER_LEVEL; k++) {
            fill_table(&w, 1, table_at(1, k));
            fill_table(&w, 2, table_at(2, k));
            fill_table(&w, 3, table_at(3, k));
        }
        iopt_amd_v1_table(&space.table, table_at(3, 0), 3, 0);
        space.identity_perm = 1 + rand_below(&r, 3);
        space.identity_first = a;
        space.identity_last = b | mask(12);
        for (k = 0; k < 8; k++) {
            uint64_t at = a + rand64(&r) % (space.identity_last - a + 1);
            unsigned access = rand_below(&r, 4);
            bool ok = !(access & ~space.identity_perm);

            g_assert_cmpuint(iopt_space_walk(&space, at, access,
                                             update_mem(&w), &res), ==,
                             ok ? IOPT_OK : IOPT_FAULT_PERMISSION);
            g_assert_cmphex(res.addr | (at & mask(res.shift)), ==, at);
            g_assert_cmphex(res.addr, >=, a);
            g_assert_cmphex(res.addr | mask(res.shift), <=,
                            space.identity_last);
            g_assert_cmpuint(res.perm, ==, space.identity_perm);
        }
        w.reads = 0;
        iopt_space_walk(&space, a, 0, update_mem(&w), &res);
        g_assert_cmpuint(w.reads, ==, 0);
        check_identity(&w, &space, 0, UINT64_MAX);
        check_identity(&w, &space, a + 0x1000, a + 0x1fff);
        check_identity(&w, &space, a ? a - 1 : 0, b);
        check_identity(&w, &space, b, b + 0x10000);
        world_free(&w);
    }
    {
        /* All there is */
        IOPTSpace space = { .identity_perm = 1, .identity_last = UINT64_MAX };
        World w;

        amd_world(&w, &r);
        iopt_amd_v1_table(&space.table, 0, 1, 0);
        space.table.disabled = true;
        check_identity(&w, &space, 0, UINT64_MAX);
        world_free(&w);
    }
}

/* A level that is skipped, and what the explanation says of it */

static IOPTStep steps[8];
static unsigned n_steps;

static void note_step(void *opaque, const IOPTStep *step)
{
    steps[n_steps++] = *step;
}

static void test_explain(void)
{
    IOPTSpace space = { 0 };
    IOPTResult res;
    IOPTSays says;
    IOPTMem mem;
    World w;

    amd_world(&w, NULL);
    mem = (IOPTMem) { .read = world_read, .observe = note_step, .opaque = &w };
    iopt_amd_v1_table(&space.table, table_at(4, 0), 4, 0);
    put(&w, table_at(4, 0), 0, table_at(1, 0) | NEXT(1) | PR | RW);
    put(&w, table_at(1, 0), 16, 0x127000 | NEXT(7) | PR | RW);

    g_assert_cmpuint(iopt_space_walk(&space, 0x10000, IOPT_READ, &mem, &res),
                     ==, IOPT_OK);
    g_assert_cmpuint(n_steps, ==, 2);
    g_assert_cmpuint(steps[1].level, ==, 1);
    iopt_explain(&steps[1], &says);
    g_assert_true(says.ok && says.leaf);
    g_assert_cmpuint(says.shift, ==, 16);
    g_assert_cmphex(says.addr, ==, 0x120000);
    g_assert_cmpstr(iopt_bit_name(&iopt_amd_v1, 61), ==, "IR");
    g_assert_cmpuint(iopt_stage_number(&iopt_amd_v1), ==, 2);

    /* Bits of a level that is skipped: no bit of the entry makes it good. */
    n_steps = 0;
    g_assert_cmpuint(iopt_space_walk(&space, BIT(30) | 0x10000, IOPT_READ,
                                     &mem, &res), ==, IOPT_FAULT_NOT_PRESENT);
    g_assert_cmpuint(n_steps, ==, 1);
    g_assert_cmpuint(steps[0].fault, ==, IOPT_FAULT_NOT_PRESENT);
    iopt_explain(&steps[0], &says);
    g_assert_false(says.ok);
    /* Next Level 0b001: 0b011 would do, 0b101 is beyond, 0b000 is a page. */
    g_assert_cmphex(says.culprits, ==, BIT(9) | BIT(10));
    world_free(&w);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/iopt-amd/sizes", test_sizes);
    g_test_add_func("/iopt-amd/all-sizes", test_all_sizes);
    g_test_add_func("/iopt-amd/grow", test_grow);
    g_test_add_func("/iopt-amd/permissions", test_permissions);
    g_test_add_func("/iopt-amd/explain", test_explain);
    g_test_add_func("/iopt-amd/random", test_random);
    g_test_add_func("/iopt-amd/identity", test_identity);
    return g_test_run();
}

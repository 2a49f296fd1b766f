/*
 * AMD-Vi's guest page tables against a second reading, alone and nested
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * With the bits of 48882 2.2.6 as numbers.
 */
#include "qemu/osdep.h"
#include "hw/iommu/iopt-amd.h"
#include "hw/iommu/iopt-explain.h"
#include "test-iopt-world.h"

#define P       BIT(0)
#define RW      BIT(1)
#define US      BIT(2)
#define A       BIT(5)
#define D       BIT(6)
#define PS      BIT(7)
#define TABLE   0x1000u                      /* bytes */

#define AREA    BIT(32)

/* Of the random world: tables of each level; what is looked at in them */
#ifdef TEST_RAND_INPUT
#define PER_LEVEL 2
#define POINTS    24
#define RANGES    2
/* An input is short: only the entries of used[] are anything. */
#define SPARSE    true
#else
#define PER_LEVEL 8
#define POINTS    2000
#define RANGES    20
#define SPARSE    false
#endif

/*
 * Nested: guest-physical pages from NESTED on, of tables and then of data; what
 * the host's table says of each
 */
#define NESTED  BIT(30)
#define TABLES  (5 * PER_LEVEL)
#define PAGES   (2 * TABLES)
#define HOST    BIT(40)                      /* the host's own tables */

typedef struct Rig {
    World w;
    IOPTSpace space;
    unsigned levels, flags;
    bool nested;
    unsigned host[PAGES];                    /* IOPT_READ, IOPT_WRITE */
} Rig;

static unsigned table_number(unsigned level, unsigned n)
{
    return (level - 1) * PER_LEVEL + n;
}

/* Where a table is for whoever names it in an entry */
static uint64_t table_at(const Rig *rig, unsigned level, unsigned n)
{
    return (rig->nested ? NESTED : AREA) +
           (uint64_t)TABLE * table_number(level, n);
}

/* The second reading */

typedef struct Ref {
    IOPTFault fault;
    bool second;
    unsigned level, shift, perm, can;
    uint64_t addr;
    unsigned n;                              /* entries that are updated */
    struct {
        uint64_t *word, value;
    } mark[8];
} Ref;

/* Through the host's table: where, and what may be done there */
static unsigned ref_host(const Rig *rig, uint64_t gpa, uint64_t *addr)
{
    *addr = gpa;
    if (!rig->nested) {
        return 3;
    }
    if (gpa < NESTED || (gpa - NESTED) / TABLE >= PAGES) {
        return 0;
    }
    *addr = gpa - NESTED + AREA;
    return rig->host[(gpa - NESTED) / TABLE];
}

static void ref_mark(Ref *ref, uint64_t *word, uint64_t value)
{
    if (*word != value) {
        ref->mark[ref->n].word = word;
        ref->mark[ref->n++].value = value;
    }
}

static IOPTFault ref_bad(Ref *ref, bool second, IOPTFault fault)
{
    ref->second = second;
    return fault;
}

static bool ref_reserved(unsigned level, uint64_t e)
{
    unsigned bit;

    if (level == 1 || !(e & PS)) {
        return false;
    }
    for (bit = 13; level < 4 && bit < 12 + 9 * (level - 1); bit++) {
        if (e & BIT(bit)) {
            return true;
        }
    }
    return level >= 4;
}

static IOPTFault ref_page(Rig *rig, Ref *ref, uint64_t iova, unsigned access,
                          uint64_t *word, unsigned word_can)
{
    uint64_t e = *word, made = e | A | (access & IOPT_WRITE ? D : 0), addr;
    unsigned host;

    if (!ref->can || (access & ~ref->can)) {
        return IOPT_FAULT_PERMISSION;
    }
    ref->shift = 12 + 9 * (ref->level - 1);
    addr = (e & mask(52) & ~mask(ref->shift)) | (iova & mask(ref->shift));
    host = ref_host(rig, addr, &addr);
    if (!host || (access & ~host) || (made != e && !(word_can & IOPT_WRITE))) {
        return ref_bad(ref, true, IOPT_FAULT_PERMISSION);
    }
    ref_mark(ref, word, made);
    ref->perm = ref->can & (made & D ? 3 : 1) & host;
    ref->shift = rig->nested ? 12 : ref->shift;
    ref->addr = addr & ~mask(ref->shift);
    return IOPT_OK;
}

static IOPTFault ref_walk(Rig *rig, uint64_t iova, unsigned access, Ref *ref)
{
    unsigned bits = 12 + 9 * rig->levels;
    uint64_t table = table_at(rig, rig->levels, 0), at, *word;
    bool user = true, write = true;

    *ref = (Ref) { .level = rig->levels };
    if ((uint64_t)((int64_t)(iova << (64 - bits)) >> (64 - bits)) != iova) {
        return IOPT_FAULT_RANGE;
    }
    for (;; ref->level--) {
        unsigned can = ref_host(rig, table + 8 * (iova >>
                                (9 * ref->level + 3) & 511), &at);

        word = world_word(&rig->w, at);
        if (rig->nested && !(can & IOPT_READ)) {
            return ref_bad(ref, true, IOPT_FAULT_PERMISSION);
        }
        if (!word) {
            return IOPT_FAULT_READ_TABLE;
        }
        if (!(*word & P)) {
            return IOPT_FAULT_NOT_PRESENT;
        }
        if (ref_reserved(ref->level, *word)) {
            return IOPT_FAULT_RESERVED;
        }
        write &= (*word & RW) != 0;
        user &= (*word & US) != 0;
        if (ref->level == 1 || (*word & PS)) {
            ref->can = (1 | write << 1) & ~rig->flags;
            return user ? ref_page(rig, ref, iova, access, word, can) :
                          IOPT_FAULT_PRIVILEGE;
        }
        if (!(*word & A) && !(can & IOPT_WRITE)) {
            return ref_bad(ref, true, IOPT_FAULT_PERMISSION);
        }
        ref_mark(ref, word, *word | A);
        table = *word & mask(52) & ~mask(12);
    }
}

/* Random tables */

static unsigned seen_fault[IOPT_FAULT_UPDATE + 1], seen_shift[53];
static unsigned seen_updates, seen_second, seen_range, seen_upper;

/* The indices that tables use: few, so that walks meet something */
static const unsigned used[] = { 0, 0, 0, 1, 2, 255, 256, 511 };

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

static uint64_t random_entry(Rig *rig, unsigned level)
{
    Rand *r = rig->w.rand;
    uint64_t e = rand64(r) & (BIT(3) | BIT(4) | BIT(8) | BIT(63) | A | D |
                              (mask(63) ^ mask(52)) | BIT(9));

    e |= rand_below(r, 16) ? P : 0;
    e |= rand_below(r, 8) ? RW : 0;
    e |= rand_below(r, 12) ? US : 0;
    if (level > 1 && (level > 3 || rand_below(r, 3))) {
        e |= table_at(rig, level - 1, rand_below(r, PER_LEVEL));
        e ^= rand_below(r, 32) ? 0 : rand_below(r, 2) ? BIT(45) : PS;
    } else if (rig->nested) {
        e |= NESTED + (uint64_t)TABLE * (TABLES + rand_below(r, TABLES));
    } else {
        e |= (rand64(r) & (mask(52) ^ mask(12))) &
             ~(rand_below(r, 16) ? mask(12 + 9 * (level - 1)) : 0);
        e |= level > 1 ? PS | (rand64(r) & BIT(12)) : rand64(r) & PS;
    }
    return e;
}

static void rig_fill(Rig *rig)
{
    unsigned level, n, i;

    for (level = 1; level <= 5; level++) {
        for (n = 0; n < PER_LEVEL; n++) {
            uint64_t at = AREA + (uint64_t)TABLE * table_number(level, n);

            for (i = 0; i < 512; i++) {
                if (SPARSE && !index_is_used(i)) {
                    continue;
                }
                *world_word(&rig->w, at + 8 * i) =
                    rand_below(rig->w.rand, 4) ? random_entry(rig, level) : 0;
            }
        }
    }
}

/* The host's tables: version 1, three levels */
static void rig_host(Rig *rig)
{
    uint64_t rw = 3ull << 61, next;
    unsigned i;

    *world_word(&rig->w, HOST + 8 * (NESTED >> 30)) =
        (HOST + TABLE) | rw | 2ull << 9 | 1;
    next = (HOST + 2 * TABLE) | rw | 1ull << 9 | 1;
    *world_word(&rig->w, HOST + TABLE) = next;
    for (i = 0; i < PAGES; i++) {
        unsigned can = rand_below(rig->w.rand, 12) ? 3 :
                       rand_below(rig->w.rand, 4);

        rig->host[i] = can;
        *world_word(&rig->w, HOST + 2 * TABLE + 8 * i) =
            (AREA + (uint64_t)TABLE * i) | (uint64_t)can << 61 | 1;
    }
    iopt_amd_v1_table(&rig->space.second, HOST, 3, 0);
}

static void rig_start(Rig *rig, Rand *r, unsigned levels, bool nested)
{
    *rig = (Rig) { .levels = levels, .nested = nested };
    world_init(&rig->w, r);
    world_area(&rig->w, 0, AREA, (uint64_t)TABLE * TABLES);
    world_area(&rig->w, 1, HOST, 3 * TABLE);
    if (!nested) {
        rig->flags = rand_below(r, 3) ? 0 : 1 + rand_below(r, 2);
    }
    rig_fill(rig);
    iopt_amd_v2_space(&rig->space, table_at(rig, levels, 0), levels,
                      rig->flags);
    if (nested) {
        rig_host(rig);
    }
}

static uint64_t random_iova(Rig *rig)
{
    Rand *r = rig->w.rand;
    unsigned bits = 12 + 9 * rig->levels, level;
    uint64_t iova = rand64(r) & mask(12);

    for (level = 1; level <= rig->levels; level++) {
        iova |= (uint64_t)(rand_below(r, 8) ? used_index(r) :
                           rand64(r) & 511) << (12 + 9 * (level - 1));
    }
    if (iova & BIT(bits - 1)) {
        iova |= ~mask(bits);
        seen_upper++;
    }
    return rand_below(r, 64) ? iova : iova ^ BIT(bits + rand_below(r, 5));
}

static void check_updates(Rig *rig, const Ref *ref)
{
    unsigned i;

    g_assert_cmpuint(rig->w.writes->len, ==, ref->n);
    for (i = 0; i < ref->n; i++) {
        g_assert_cmphex(*ref->mark[i].word, ==, ref->mark[i].value);
    }
    seen_updates += ref->n;
    if (rand_below(rig->w.rand, 2)) {
        world_undo(&rig->w);
    }
    g_array_set_size(rig->w.writes, 0);
}

static void check_point(Rig *rig, uint64_t iova, unsigned access)
{
    IOPTResult res;
    Ref ref;
    IOPTFault expect = ref_walk(rig, iova, access, &ref), fault;

    fault = iopt_space_walk(&rig->space, iova, access, update_mem(&rig->w),
                            &res);
    if (ref.second) {
        seen_second++;
        g_assert_cmpuint(fault, !=, IOPT_OK);
        g_assert_true(res.second);
    } else {
        g_assert_cmpuint(fault, ==, expect);
        seen_fault[fault]++;
    }
    if (fault == IOPT_OK) {
        g_assert_cmphex(res.addr, ==, ref.addr);
        g_assert_cmpuint(res.shift, ==, ref.shift);
        g_assert_cmpuint(res.perm, ==, ref.perm);
        seen_shift[res.shift]++;
    } else if (fault != IOPT_FAULT_RANGE && !ref.second) {
        g_assert_cmpuint(res.level, ==, ref.level);
    }
    check_updates(rig, &ref);
}

/* A range is a probe: what any access could do, and no update. */
static void check_visit(Rig *rig, const Visited *v, uint64_t iova)
{
    unsigned can = 0, access;
    Ref ref;

    for (access = 1; access < 3; access++) {
        can |= ref_walk(rig, iova, access, &ref) == IOPT_OK ? access : 0;
    }
    if (rig->nested && can != 3) {
        /* What could be marked by a write alone is not said of a read. */
        return;
    }
    g_assert_cmpuint(v->res.perm, ==, can);
    if (can) {
        g_assert_cmphex(v->res.addr, ==, ref.addr ?: v->res.addr);
        seen_range++;
    }
}

static void check_range(Rig *rig, uint64_t first, uint64_t last)
{
    GArray *visits = g_array_new(false, false, sizeof(Visited));
    uint64_t next = first;
    unsigned i;

    rig->space.table.max_reads = 20000;
    iopt_space_walk_range(&rig->space, first, last, probe_mem(&rig->w),
                          record_visit, visits);
    for (i = 0; i < visits->len; i++) {
        Visited *v = &g_array_index(visits, Visited, i);

        g_assert_cmphex(v->first, ==, next);
        g_assert_cmphex(v->last, >=, v->first);
        next = v->last + 1;
        if (!v->res.unread) {
            check_visit(rig, v, v->first);
            check_visit(rig, v, v->last);
        }
    }
    g_assert_cmphex(next, ==, last + 1);
    g_assert_cmpuint(rig->w.writes->len, ==, 0);
    g_array_free(visits, true);
    rig->space.table.max_reads = 0;
}

static void run_random(Rand *r, unsigned levels, bool nested)
{
    unsigned i;
    Rig rig;

    rig_start(&rig, r, levels, nested);
    for (i = 0; i < POINTS; i++) {
        check_point(&rig, random_iova(&rig), 1 + rand_below(r, 3));
    }
    check_range(&rig, 0, UINT64_MAX);
    for (i = 0; i < RANGES; i++) {
        uint64_t first = random_iova(&rig) & ~mask(12);
        uint64_t size = mask(12 + rand_below(r, 40));

        if (first + size > first) {
            check_range(&rig, first, first + size);
        }
    }
    world_free(&rig.w);
}

static void test_random(void)
{
    Rand r = rand_new();
    unsigned i;

    for (i = 0; i < rounds(20); i++) {
        run_random(&r, 4 + i % 2, false);
        run_random(&r, 4 + i % 2, true);
    }
    for (i = 0; i <= IOPT_FAULT_PRIVILEGE; i++) {
        g_test_message("%s: %u", iopt_fault_name(i), seen_fault[i]);
        /* Software is not asked for A, and addresses have 52 bits. */
        g_assert_true(seen_fault[i] || i == IOPT_FAULT_ACCESS_FLAG ||
                      i == IOPT_FAULT_ADDR_SIZE);
    }
    g_assert_cmpuint(seen_shift[12], >, 0);
    g_assert_cmpuint(seen_shift[21], >, 0);
    g_assert_cmpuint(seen_shift[30], >, 0);
    g_assert_cmpuint(seen_updates, >, 0);
    g_assert_cmpuint(seen_second, >, 0);
    g_assert_cmpuint(seen_range, >, 0);
    g_assert_cmpuint(seen_upper, >, 0);
}

/* One page, by hand: what is set in its entry, and what becomes of it */
static void test_entries(void)
{
    static const struct {
        uint64_t entry;
        unsigned access;
        IOPTFault fault;
        uint64_t after;
    } rows[] = {
        { 0x5000 | P | US, IOPT_READ, IOPT_OK, 0x5000 | P | US | A },
        { 0x5000 | P | US, IOPT_WRITE, IOPT_FAULT_PERMISSION, 0x5000 | P | US },
        { 0x5000 | P | US | RW, IOPT_READ, IOPT_OK, 0x5000 | P | US | RW | A },
        { 0x5000 | P | US | RW, IOPT_WRITE, IOPT_OK,
          0x5000 | P | US | RW | A | D },
        { 0x5000 | P | RW, IOPT_READ, IOPT_FAULT_PRIVILEGE, 0x5000 | P | RW },
        { 0x5000 | US | RW, IOPT_READ, IOPT_FAULT_NOT_PRESENT,
          0x5000 | US | RW },
        /* NX, PAT, and what is left to software */
        { 0xfff0000000005f98 | P | US | RW, IOPT_READ, IOPT_OK,
          0xfff0000000005f98 | P | US | RW | A },
    };
    unsigned i, level;

    for (i = 0; i < ARRAY_SIZE(rows); i++) {
        Rand r = rand_new();
        IOPTResult res;
        Rig rig;

        rig_start(&rig, &r, 4, false);
        iopt_amd_v2_space(&rig.space, table_at(&rig, 4, 0), 4, 0);
        for (level = 4; level > 1; level--) {
            *world_word(&rig.w, table_at(&rig, level, 0)) =
                table_at(&rig, level - 1, 0) | P | RW | US;
        }
        *world_word(&rig.w, table_at(&rig, 1, 0)) = rows[i].entry;
        g_assert_cmpuint(iopt_space_walk(&rig.space, 0x123, rows[i].access,
                                         update_mem(&rig.w), &res), ==,
                         rows[i].fault);
        g_assert_cmphex(*world_word(&rig.w, table_at(&rig, 1, 0)), ==,
                        rows[i].after);
        g_assert_true(*world_word(&rig.w, table_at(&rig, 4, 0)) & A);
        if (rows[i].fault == IOPT_OK) {
            g_assert_cmphex(res.addr, ==, 0x5000);
        }
        world_free(&rig.w);
    }
}

static void test_reserved(void)
{
    unsigned level, bit;

    for (level = 1; level <= 5; level++) {
        for (bit = 0; bit < 64; bit++) {
            g_assert_true(iopt_amd_v2_reserved(level, PS | P | BIT(bit)) ==
                          ref_reserved(level, PS | P | BIT(bit)));
            g_assert_false(iopt_amd_v2_reserved(level, P | (BIT(bit) & ~PS)));
        }
    }
    g_assert_cmpstr(iopt_bit_name(&iopt_amd_v2, 2), ==, "U/S");
    g_assert_cmpuint(iopt_stage_number(&iopt_amd_v2), ==, 1);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/iopt-amd-v2/entries", test_entries);
    g_test_add_func("/iopt-amd-v2/reserved", test_reserved);
    g_test_add_func("/iopt-amd-v2/random", test_random);
    return g_test_run();
}

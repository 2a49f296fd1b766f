/*
 * Unit tests of the page-table walker
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/iommu/iopt.h"
#include "test-common.h"

/* A format unlike VT-d's in everything, to show that nothing is built in. */
static const IOPTFormat format_16k = {
    .name = "test-16k",
    .page_shift = 14,
    .index_bits = 11,
    .read_bit = 1ull << 5,
    .write_bit = 1ull << 1,
    .leaf_bit = 1ull << 3,
    .leaf_levels = 1u << 1 | 1u << 2 | 1u << 4,
};

/*
 * Table memory: a run of pages, in which single entries may be unreadable.
 * Everything else is unreadable too.
 */
typedef struct Memory {
    uint64_t base;
    unsigned words;
    uint64_t *word;
    bool *bad;
    uint64_t reads;
} Memory;

static bool memory_read(void *opaque, uint64_t addr, uint64_t *entry)
{
    Memory *m = opaque;
    uint64_t offset = addr - m->base;

    m->reads++;
    g_assert_cmpuint(addr % 8, ==, 0);
    if (offset / 8 >= m->words || m->bad[offset / 8]) {
        return false;
    }
    *entry = m->word[offset / 8];
    return true;
}

static void memory_init(Memory *m, uint64_t base, uint64_t bytes)
{
    m->base = base;
    m->words = bytes / 8;
    m->word = g_new0(uint64_t, m->words);
    m->bad = g_new0(bool, m->words);
    m->reads = 0;
}

static void memory_free(Memory *m)
{
    g_free(m->word);
    g_free(m->bad);
}

/*
 * The reference: a flat list of everything in the tree, made by recursion from
 * the top, each with the entries that led there.
 */
typedef struct Flat {
    uint64_t first, last;
    unsigned top, bottom;                    /* levels of the entries */
    uint64_t entry[IOPT_MAX_LEVELS + 1];
    bool unreadable;                         /* the one at @bottom */
    bool leaf;
} Flat;

typedef struct Builder {
    const IOPTTable *table;
    Memory *memory;
    GArray *flat;
} Builder;

static uint64_t bits_below(unsigned n)
{
    return n >= 64 ? UINT64_MAX : ~(UINT64_MAX << n);
}

static bool reference_present(const IOPTTable *t, uint64_t entry)
{
    return (entry & (t->format->read_bit | t->format->write_bit)) != 0;
}

static uint64_t reference_reserved(const IOPTTable *t, unsigned level,
                                   bool leaf)
{
    return leaf ? t->reserved[1][level] : t->reserved[0][level];
}

static void reference_build(Builder *b, uint64_t table, unsigned level,
                            uint64_t iova, const Flat *above)
{
    const IOPTTable *t = b->table;
    unsigned shift = t->format->page_shift +
                     t->format->index_bits * (level - 1);
    unsigned entries = 1u << (level == t->levels ? t->input_bits - shift :
                              t->format->index_bits);
    unsigned i;

    for (i = 0; i < entries; i++) {
        Flat f = *above;
        uint64_t e = 0;

        f.first = iova + ((uint64_t)i << shift);
        f.last = f.first + bits_below(shift);
        f.bottom = level;
        f.unreadable = !memory_read(b->memory, table + i * 8, &e);
        f.entry[level] = e;
        f.leaf = level == 1;
        if (level > 1 && (t->format->leaf_levels & (1u << level)) &&
            (e & t->format->leaf_bit)) {
            f.leaf = true;
        }
        if (f.unreadable || f.leaf || !reference_present(t, e) ||
            (e & reference_reserved(t, level, false))) {
            g_array_append_val(b->flat, f);
        } else {
            reference_build(b, e & bits_below(t->output_bits) &
                               ~bits_below(t->format->page_shift),
                            level - 1, f.first, &f);
        }
    }
}

/* What the flat entry says about an access. */
static IOPTFault reference_verdict(const IOPTTable *t, const Flat *f,
                                   unsigned access, IOPTResult *out)
{
    bool r = true, w = true;
    unsigned level;

    memset(out, 0, sizeof(*out));
    for (level = f->top; level >= f->bottom; level--) {
        uint64_t e = f->entry[level];
        bool leaf = level == f->bottom && f->leaf;

        out->level = level;
        out->entry = e;
        if (level == f->bottom && f->unreadable) {
            return IOPT_FAULT_READ_TABLE;
        }
        if (!reference_present(t, e)) {
            return IOPT_FAULT_NOT_PRESENT;
        }
        if (e & reference_reserved(t, level, leaf)) {
            return IOPT_FAULT_RESERVED;
        }
        r = r && (e & t->format->read_bit);
        w = w && (e & t->format->write_bit);
        if ((!r && !w) || ((access & IOPT_READ) && !r) ||
            ((access & IOPT_WRITE) && !w)) {
            return IOPT_FAULT_PERMISSION;
        }
    }
    out->shift = t->format->page_shift +
                 (f->bottom - 1) * t->format->index_bits;
    out->perm = (r ? IOPT_READ : 0) | (w ? IOPT_WRITE : 0);
    out->addr = out->entry & bits_below(t->output_bits) &
                ~bits_below(out->shift);
    return IOPT_OK;
}

static const Flat *flat_find(GArray *flat, uint64_t iova)
{
    unsigned low = 0, high = flat->len - 1;

    while (low < high) {
        unsigned mid = (low + high + 1) / 2;

        if (g_array_index(flat, Flat, mid).first <= iova) {
            low = mid;
        } else {
            high = mid - 1;
        }
    }
    return &g_array_index(flat, Flat, low);
}

/* What the random trees had in them: a test of the test. */
static unsigned seen_fault[IOPT_FAULT_PERMISSION + 1][IOPT_MAX_LEVELS + 1];

static void check_point(const IOPTTable *t, Memory *m, GArray *flat,
                        uint64_t iova)
{
    unsigned access;

    for (access = 0; access < 4; access++) {
        IOPTResult got, want;
        IOPTFault fault, expected;

        if (iova & ~bits_below(t->input_bits)) {
            expected = IOPT_FAULT_RANGE;
        } else {
            expected = reference_verdict(t, flat_find(flat, iova), access,
                                         &want);
        }
        fault = iopt_walk(t, iova, access, memory_read, m, &got);
        g_assert_cmpuint(fault, ==, expected);
        seen_fault[fault][fault == IOPT_FAULT_RANGE ? 0 : got.level]++;
        if (fault != IOPT_FAULT_RANGE) {
            g_assert_cmpuint(got.level, ==, want.level);
            g_assert_cmphex(got.entry, ==, want.entry);
        }
        if (fault == IOPT_OK) {
            g_assert_cmphex(got.addr, ==, want.addr);
            g_assert_cmpuint(got.shift, ==, want.shift);
            g_assert_cmpuint(got.perm, ==, want.perm);
        }
    }
}

typedef struct Visited {
    uint64_t first, last, addr;
    unsigned perm, shift;
} Visited;

typedef struct Visits {
    GArray *array;
    unsigned stop_after;         /* 0: never */
} Visits;

static bool record_visit(void *opaque, uint64_t first, uint64_t last,
                         const IOPTResult *res)
{
    Visits *v = opaque;
    Visited visited = { first, last, res->addr, res->perm, res->shift };

    g_assert_true(!v->stop_after || v->array->len < v->stop_after);
    g_array_append_val(v->array, visited);
    return v->array->len != v->stop_after;
}

/* What a walk of the range should visit: point walks, holes joined. */
static GArray *reference_range(const IOPTTable *t, GArray *flat,
                               uint64_t first, uint64_t last)
{
    GArray *array = g_array_new(false, false, sizeof(Visited));
    unsigned i;

    for (i = 0; i < flat->len; i++) {
        const Flat *f = &g_array_index(flat, Flat, i);
        Visited v = { MAX(f->first, first), MIN(f->last, last) };
        Visited *previous;
        IOPTResult res;

        if (f->first > last || f->last < first) {
            continue;
        }
        if (reference_verdict(t, f, 0, &res) == IOPT_OK) {
            v.addr = res.addr;
            v.perm = res.perm;
            v.shift = res.shift;
        } else if (array->len) {
            previous = &g_array_index(array, Visited, array->len - 1);
            if (!previous->perm) {
                previous->last = v.last;
                continue;
            }
        }
        g_array_append_val(array, v);
    }
    return array;
}

static void check_range(const IOPTTable *t, Memory *m, GArray *flat,
                        uint64_t first, uint64_t last)
{
    Visits got = { .array = g_array_new(false, false, sizeof(Visited)) };
    GArray *want = reference_range(t, flat, first, last);
    unsigned i;

    g_assert_true(iopt_walk_range(t, first, last, memory_read, m,
                                  record_visit, &got));
    g_assert_cmpuint(got.array->len, ==, want->len);
    for (i = 0; i < want->len; i++) {
        Visited *a = &g_array_index(got.array, Visited, i);
        Visited *b = &g_array_index(want, Visited, i);

        g_assert_cmphex(a->first, ==, b->first);
        g_assert_cmphex(a->last, ==, b->last);
        g_assert_cmpuint(a->perm, ==, b->perm);
        g_assert_cmphex(a->addr, ==, b->addr);
        g_assert_cmpuint(a->shift, ==, b->shift);
    }
    /* Stopped at any visit but the last, it says so and stops. */
    if (want->len > 1) {
        g_array_set_size(got.array, 0);
        got.stop_after = want->len / 2;
        g_assert_false(iopt_walk_range(t, first, last, memory_read, m,
                                       record_visit, &got));
        g_assert_cmpuint(got.array->len, ==, got.stop_after);
    }
    g_array_free(got.array, true);
    g_array_free(want, true);
}

/*
 * Random tables.  Only a few entries of each are used, the first and the last
 * among them, so that deep trees with loops stay small enough for the
 * reference.
 */
static void random_tree(Rand *r, IOPTTable *t, Memory *m, unsigned tables,
                        uint64_t table_bytes)
{
    const IOPTFormat *f = t->format;
    unsigned entries = table_bytes / 8;
    unsigned i, j;

    for (i = 0; i < tables; i++) {
        unsigned used[] = {
            0, 1, entries / 2, (1u << f->index_bits) - 1, entries - 1,
        };

        for (j = 0; j < ARRAY_SIZE(used); j++) {
            unsigned word = i * entries + used[j];
            uint64_t e = 0;

            switch (rand_below(r, 16)) {
            case 0:
                break;
            case 1:                      /* garbage */
                e = rand64(r);
                break;
            case 2:                      /* a table outside memory */
                e = (m->base ^ 1ull << 40) | f->read_bit | f->write_bit;
                break;
            case 3 ... 6:                /* a leaf somewhere */
                e = (rand64(r) & bits_below(t->output_bits) &
                     ~bits_below(f->page_shift + f->index_bits *
                                 rand_below(r, 4))) | f->leaf_bit;
                break;
            default:                     /* another table, or this one */
                e = m->base + rand_below(r, tables) * table_bytes;
                break;
            }
            if (e && rand_below(r, 8)) {
                e |= f->read_bit | f->write_bit;
            } else if (e) {
                e |= rand_below(r, 2) ? f->read_bit : f->write_bit;
            }
            if (e && rand_below(r, 16) == 0) {
                e |= 1ull << rand_below(r, 64);
            }
            m->word[word] = e;
            m->bad[word] = rand_below(r, 32) == 0;
        }
    }
}

static void run_random(Rand *r, const IOPTFormat *format, unsigned levels,
                       unsigned input_bits)
{
    unsigned top_shift = format->page_shift +
                         format->index_bits * (levels - 1);
    unsigned top_bits = input_bits - top_shift;
    unsigned table_bits = 3 + MAX(top_bits, format->index_bits);
    unsigned tables = 3;
    IOPTTable t = {
        .format = format,
        .levels = levels,
        .input_bits = input_bits,
        .output_bits = rand_below(r, 3) ? 52 : 46,
    };
    Flat start = { .top = levels };
    Builder b = { .table = &t };
    uint64_t limit = bits_below(input_bits);
    unsigned i, level;
    Memory m;

    /* Bits that are neither address, permission nor size, and some that are. */
    for (level = 1; level <= IOPT_MAX_LEVELS; level++) {
        t.reserved[0][level] = ~bits_below(t.output_bits) & rand64(r);
        t.reserved[1][level] = ~bits_below(t.output_bits) & rand64(r);
        if (rand_below(r, 4) == 0) {
            t.reserved[0][level] |= format->leaf_bit;
        }
        if (rand_below(r, 4) == 0) {
            t.reserved[1][level] |= bits_below(format->page_shift +
                (level - 1) * format->index_bits) &
                ~bits_below(format->page_shift);
        }
    }
    memory_init(&m, 0x2345ull << 24, (uint64_t)tables << table_bits);
    t.root = m.base + ((uint64_t)rand_below(r, tables) << table_bits);
    random_tree(r, &t, &m, tables, 1ull << table_bits);

    b.memory = &m;
    b.flat = g_array_new(false, false, sizeof(Flat));
    reference_build(&b, t.root, levels, 0, &start);

    for (i = 0; i < 300; i++) {
        const Flat *f = &g_array_index(b.flat, Flat,
                                       rand_below(r, b.flat->len));

        check_point(&t, &m, b.flat, f->first);
        check_point(&t, &m, b.flat, f->last);
        check_point(&t, &m, b.flat,
                    f->first + (rand64(r) & (f->last - f->first)));
        check_point(&t, &m, b.flat, rand64(r));
    }
    check_point(&t, &m, b.flat, 0);
    check_point(&t, &m, b.flat, limit);
    check_point(&t, &m, b.flat, limit + 1);
    check_point(&t, &m, b.flat, UINT64_MAX);

    check_range(&t, &m, b.flat, 0, limit);
    for (i = 0; i < 4; i++) {
        const Flat *f = &g_array_index(b.flat, Flat,
                                       rand_below(r, b.flat->len));
        const Flat *g = &g_array_index(b.flat, Flat,
                                       rand_below(r, b.flat->len));
        uint64_t first = MIN(f->first, g->first) + rand_below(r, 3) * 0x123;
        uint64_t last = MAX(f->last, g->last) - rand_below(r, 3) * 0x321;

        check_range(&t, &m, b.flat, first, last);
        check_range(&t, &m, b.flat, f->first, f->first);
        check_range(&t, &m, b.flat, f->last, f->last);
    }
    g_array_free(b.flat, true);
    memory_free(&m);
}

static void test_random_vtd(void)
{
    Rand r = rand_new();
    unsigned i, levels;

    for (i = 0; i < rounds(40); i++) {
        for (levels = 2; levels <= 5; levels++) {
            unsigned natural = 12 + 9 * levels;

            run_random(&r, &iopt_vtd_ss, levels, natural);
            /* A partial top table, and one of several pages */
            run_random(&r, &iopt_vtd_ss, levels,
                       natural - 1 - rand_below(&r, 8));
            run_random(&r, &iopt_vtd_ss, levels,
                       natural + 1 + rand_below(&r, 2));
        }
    }
    g_assert_cmpuint(seen_fault[IOPT_FAULT_RANGE][0], >, 0);
    for (i = IOPT_FAULT_READ_TABLE; i <= IOPT_FAULT_PERMISSION; i++) {
        for (levels = 1; levels <= 5; levels++) {
            g_assert_cmpuint(seen_fault[i][levels], >, 0);
        }
    }
    for (levels = 1; levels <= 3; levels++) {
        g_test_message("level %u: %u leaves", levels,
                       seen_fault[IOPT_OK][levels]);
        g_assert_cmpuint(seen_fault[IOPT_OK][levels], >, 100);
    }
}

static void test_random_16k(void)
{
    Rand r = rand_new();
    unsigned i;

    for (i = 0; i < rounds(10); i++) {
        run_random(&r, &format_16k, 2, 36);
        run_random(&r, &format_16k, 3, 47);
        run_random(&r, &format_16k, 4, 50);
        /* All 64 bits: the last byte is UINT64_MAX. */
        run_random(&r, &format_16k, 5, 64);
    }
}

/* Each level's leaf, by hand, with the bits of VT-d 9.8 as numbers. */
static void test_vtd_leaves(void)
{
    IOPTTable t = {
        .format = &iopt_vtd_ss,
        .levels = 4,
        .input_bits = 48,
        .output_bits = 46,
        .root = 0x10000,
    };
    uint64_t iova = 1ull << 39 | 2ull << 30 | 3ull << 21 | 4ull << 12 | 0x567;
    IOPTResult res;
    Memory m;

    memory_init(&m, 0x10000, 4 * 4096);
    m.word[1] = 0x11003;
    m.word[512 + 2] = 0x12003;
    m.word[1024 + 3] = 0x13003;
    m.word[1536 + 4] = 0xabcd000 | 0x3;
    g_assert_cmpuint(iopt_walk(&t, iova, 3, memory_read, &m, &res), ==,
                     IOPT_OK);
    g_assert_cmphex(res.addr, ==, 0xabcd000);
    g_assert_cmpuint(res.shift, ==, 12);
    g_assert_cmpuint(res.perm, ==, IOPT_READ | IOPT_WRITE);

    /* Bit 7 means nothing at level 1. */
    m.word[1536 + 4] |= 0x80;
    g_assert_cmpuint(iopt_walk(&t, iova, 3, memory_read, &m, &res), ==,
                     IOPT_OK);
    g_assert_cmphex(res.addr, ==, 0xabcd000);

    m.word[1024 + 3] = 0x40200000 | 0x83;
    g_assert_cmpuint(iopt_walk(&t, iova, 3, memory_read, &m, &res), ==,
                     IOPT_OK);
    g_assert_cmphex(res.addr, ==, 0x40200000);
    g_assert_cmpuint(res.shift, ==, 21);

    m.word[512 + 2] = 0x80000000 | 0x81;
    g_assert_cmpuint(iopt_walk(&t, iova, 1, memory_read, &m, &res), ==,
                     IOPT_OK);
    g_assert_cmphex(res.addr, ==, 0x80000000);
    g_assert_cmpuint(res.shift, ==, 30);
    g_assert_cmpuint(res.perm, ==, IOPT_READ);
    g_assert_cmpuint(iopt_walk(&t, iova, 2, memory_read, &m, &res), ==,
                     IOPT_FAULT_PERMISSION);
    g_assert_cmpuint(res.level, ==, 3);

    /* No leaf at level 4: bit 7 is for the model's reserved bits. */
    m.word[1] |= 0x80;
    g_assert_cmpuint(iopt_walk(&t, iova, 1, memory_read, &m, &res), ==,
                     IOPT_OK);
    t.reserved[0][4] = 0x80;
    g_assert_cmpuint(iopt_walk(&t, iova, 1, memory_read, &m, &res), ==,
                     IOPT_FAULT_RESERVED);
    g_assert_cmpuint(res.level, ==, 4);
    memory_free(&m);
}

/* A table all of whose entries lead back to it. */
static void test_loop(void)
{
    IOPTTable t = {
        .format = &iopt_vtd_ss,
        .levels = 4,
        .input_bits = 48,
        .output_bits = 46,
        .root = 0x10000,
    };
    Visits v = { .array = g_array_new(false, false, sizeof(Visited)) };
    uint64_t budgets[] = { 1, 2, 4, 5, 100000, 0 };
    unsigned i, j;
    Memory m;

    memory_init(&m, 0x10000, 4096);
    for (i = 0; i < 512; i++) {
        m.word[i] = 0x10003;
    }
    for (i = 0; i < ARRAY_SIZE(budgets) - !g_test_thorough(); i++) {
        uint64_t next = 0;

        g_array_set_size(v.array, 0);
        m.reads = 0;
        t.max_reads = budgets[i];
        g_assert_false(iopt_walk_range(&t, 0, UINT64_MAX, memory_read, &m,
                                       record_visit, &v));
        g_assert_cmpuint(m.reads, ==, budgets[i] ?: IOPT_MAX_READS);
        for (j = 0; j < v.array->len; j++) {
            Visited *visited = &g_array_index(v.array, Visited, j);

            g_assert_cmphex(visited->first, ==, next);
            g_assert_true((visited->perm == 0) == (j == v.array->len - 1));
            next = visited->last + 1;
        }
        g_assert_cmphex(next, ==, 1ull << 48);
    }

    /* Just enough is enough. */
    g_array_set_size(v.array, 0);
    t.max_reads = 3 + 512;
    g_assert_true(iopt_walk_range(&t, 0, (1 << 21) - 1, memory_read, &m,
                                  record_visit, &v));
    g_assert_cmpuint(v.array->len, ==, 512);
    t.max_reads--;
    g_array_set_size(v.array, 0);
    g_assert_false(iopt_walk_range(&t, 0, (1 << 21) - 1, memory_read, &m,
                                   record_visit, &v));

    /* Nothing of the range is below input_bits, or there is no range. */
    g_array_set_size(v.array, 0);
    g_assert_true(iopt_walk_range(&t, 1ull << 48, UINT64_MAX, memory_read, &m,
                                  record_visit, &v));
    g_assert_true(iopt_walk_range(&t, 2, 1, memory_read, &m, record_visit,
                                  &v));
    g_assert_cmpuint(v.array->len, ==, 0);
    g_array_free(v.array, true);
    memory_free(&m);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/iopt/vtd-leaves", test_vtd_leaves);
    g_test_add_func("/iopt/random/vtd", test_random_vtd);
    g_test_add_func("/iopt/random/16k", test_random_16k);
    g_test_add_func("/iopt/loop", test_loop);
    return g_test_run();
}

/*
 * Test the page-table formats of VT-d's scalable mode by hand
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * From a PASID table entry to the address or the fault reason.  Bits are
 * literals here: a layout that is wrong in the code must fail.
 */
#include "qemu/osdep.h"
#include "../../hw/i386/vtd/vtd-decode-sm.h"
#include "test-iopt-world.h"

#define FS1GP BIT(56)
#define SC BIT(7)

/* First-stage entries */
#define P BIT(0)
#define RW BIT(1)
#define US BIT(2)
#define A BIT(5)
#define D BIT(6)
#define PS BIT(7)
#define EA BIT(10)
/* Second-stage entries */
#define R BIT(0)
#define W BIT(1)
#define SA BIT(8)
#define SD BIT(9)

/* One table a level: level n of the first stage is at FS(n). */
#define FS(level) (0x10000 + ((uint64_t)(level) << 12))
#define SS(level) (0x80000 + ((uint64_t)(level) << 12))

typedef struct Case {
    World w;
    VTDPASIDEntry e;
    IOPTSpace space;
    unsigned aw_bits;
    uint64_t cap;
    IOPTResult res;
} Case;

static Rand no_rand = { .state = 1 };

static void case_init(Case *c, unsigned pgtt)
{
    *c = (Case) {
        .e = {
            .pgtt = pgtt, .pwsnp = true,
            .fs_levels = 4, .fsptptr = FS(4),
            .ss_levels = 4, .ssptptr = SS(4),
        },
        .aw_bits = 48,
        .cap = FS1GP,
    };
    world_init(&c->w, &no_rand);
    world_area(&c->w, 0, FS(0), 0x8000);
    world_area(&c->w, 1, SS(0), 0x8000);
}

static uint64_t *at(Case *c, uint64_t table, unsigned level, uint64_t iova)
{
    uint64_t *word = world_word(&c->w, table +
                                (iova >> (3 + 9 * level) & 511) * 8);

    g_assert_nonnull(word);
    return word;
}

/* The first stage's entry of @level for @iova */
static uint64_t *fs(Case *c, unsigned level, uint64_t iova)
{
    return at(c, FS(level), level, iova);
}

static uint64_t *ss(Case *c, unsigned level, uint64_t ipa)
{
    return at(c, SS(level), level, ipa);
}

/* Tables down to @leaf, all used and open, and the entry of that level */
static void fs_map(Case *c, uint64_t iova, unsigned leaf, uint64_t entry)
{
    for (unsigned level = c->e.fs_levels; level > leaf; level--) {
        *fs(c, level, iova) = FS(level - 1) | P | RW | US | A | EA;
    }
    *fs(c, leaf, iova) = entry | (leaf > 1 ? PS : 0);
}

static void ss_map(Case *c, uint64_t ipa, unsigned leaf, uint64_t entry)
{
    for (unsigned level = c->e.ss_levels; level > leaf; level--) {
        *ss(c, level, ipa) = SS(level - 1) | R | W | SA;
    }
    *ss(c, leaf, ipa) = entry | (leaf > 1 ? PS : 0);
}

static IOPTFault walk_with(Case *c, uint64_t iova, unsigned access,
                           const IOPTMem *mem)
{
    vtd_pasid_space(&c->e, c->aw_bits, c->cap, SC, &c->space);
    return iopt_space_walk(&c->space, iova, access, mem, &c->res);
}

/* Returns: the fault reason, 0 for none */
static int walk(Case *c, uint64_t iova, unsigned access)
{
    IOPTFault fault = walk_with(c, iova, access, update_mem(&c->w));

    return fault == IOPT_OK ? 0 :
           vtd_sm_walk_fault(&c->space, fault, &c->res, access & IOPT_WRITE);
}

static int probe(Case *c, uint64_t iova, unsigned access, bool as_is)
{
    IOPTFault fault = walk_with(c, iova, access,
                                as_is ? as_is_mem(&c->w) : probe_mem(&c->w));

    g_assert_cmpuint(c->w.writes->len, ==, 0);
    return fault == IOPT_OK ? 0 :
           vtd_sm_walk_fault(&c->space, fault, &c->res, access & IOPT_WRITE);
}

#define USED (P | RW | US | A | D)
#define RD IOPT_READ
#define WR IOPT_WRITE
#define SUPER IOPT_PRIV

/* First stage: addresses */

static void test_canonical(void)
{
    for (unsigned levels = 4; levels <= 5; levels++) {
        unsigned width = 12 + 9 * levels;
        uint64_t low_last = mask(width - 1), high_first = ~low_last;
        uint64_t ok[] = { 0, low_last, high_first, UINT64_MAX };
        Case c;

        case_init(&c, VTD_PGTT_FIRST);
        c.aw_bits = width;
        c.e.fs_levels = levels;
        c.e.fsptptr = FS(levels);
        for (size_t i = 0; i < ARRAY_SIZE(ok); i++) {
            uint64_t page = 0x1000000 * (i + 1);

            memset(c.w.area[0].word, 0, c.w.area[0].words * 8);
            fs_map(&c, ok[i], 1, page | USED);
            g_assert_cmphex(walk(&c, ok[i], RD), ==, 0);
            g_assert_cmphex(c.res.addr, ==, page);
            g_assert_cmpuint(c.res.shift, ==, 12);
        }
        /* Every bit above the sign bit must be like it. */
        for (unsigned bit = width - 1; bit < 64; bit++) {
            for (size_t i = 0; i < ARRAY_SIZE(ok); i++) {
                g_assert_cmphex(walk(&c, ok[i] ^ BIT(bit), RD), ==, 0x80);
                g_assert_cmphex(probe(&c, ok[i] ^ BIT(bit), 0, false),
                                ==, 0x80);
            }
        }
        g_assert_cmphex(walk(&c, low_last + 1, WR), ==, 0x80);
        g_assert_cmphex(walk(&c, high_first - 1, WR), ==, 0x80);
        world_free(&c.w);
    }
}

/* The two halves are one space for whoever walks a range. */
static void test_range(void)
{
    const uint64_t iovas[] = {
        0x1000, mask(47) & ~mask(12), ~mask(47), ~mask(12),
    };
    GArray *visits = g_array_new(false, false, sizeof(Visited));
    unsigned leaves = 0;
    Case c;

    case_init(&c, VTD_PGTT_FIRST);
    for (unsigned i = 0; i < 4; i++) {
        /* One table a level: all of them are mapped wherever one is. */
        fs_map(&c, iovas[i], 1, 0x1000000 | USED);
    }
    vtd_pasid_space(&c.e, 48, 0, 0, &c.space);
    g_assert_true(iopt_space_walk_range(&c.space, 0, UINT64_MAX,
                                        probe_mem(&c.w), record_visit,
                                        visits));
    for (unsigned i = 0; i < visits->len; i++) {
        Visited *v = &g_array_index(visits, Visited, i);

        if (v->res.perm) {
            g_assert_cmphex(v->last - v->first, ==, 0xfff);
            for (unsigned j = 0; j < 4; j++) {
                leaves += v->first == iovas[j];
            }
            g_assert_true(v->first <= mask(47) || v->first >= ~mask(47));
        }
    }
    g_assert_cmpuint(leaves, ==, 4);
    g_assert_cmphex(g_array_index(visits, Visited, visits->len - 1).last, ==,
                    UINT64_MAX);
    g_array_free(visits, true);
    world_free(&c.w);
}

static void test_page_sizes(void)
{
    static const unsigned shift[] = { 0, 12, 21, 30 };

    for (unsigned levels = 4; levels <= 5; levels++) {
        for (unsigned leaf = 1; leaf <= 3; leaf++) {
            uint64_t iova = 0x7edcba987654ULL;
            Case c;

            case_init(&c, VTD_PGTT_FIRST);
            c.aw_bits = 12 + 9 * levels;
            c.e.fs_levels = levels;
            c.e.fsptptr = FS(levels);
            fs_map(&c, iova, leaf, 0x0000ffffc0000000ULL | USED);
            g_assert_cmphex(walk(&c, iova, WR), ==, 0);
            g_assert_cmphex(c.res.addr, ==, 0x0000ffffc0000000ULL);
            g_assert_cmpuint(c.res.shift, ==, shift[leaf]);
            g_assert_cmpuint(c.w.writes->len, ==, 0);
            /* 1 GiB is an extra. */
            c.cap = 0;
            g_assert_cmphex(walk(&c, iova, WR), ==, leaf == 3 ? 0x72 : 0);
            world_free(&c.w);
        }
    }
}

/* Every bit of every entry: reserved or not */
static void test_fs_reserved(void)
{
    for (unsigned i = 0; i < 9; i++) {
        unsigned aw = i % 3 == 0 ? 39 : i % 3 == 1 ? 48 : 57;
        unsigned leaf = 1 + i / 3;
        uint64_t above = mask(52) & ~mask(MIN(aw, 52));
        Case c;

        case_init(&c, VTD_PGTT_FIRST);
        c.aw_bits = aw;
        fs_map(&c, 0, leaf, USED);
        for (unsigned level = leaf; level <= 4; level++) {
            uint64_t reserved = above, good = *fs(&c, level, 0);

            if (level == leaf && leaf > 1) {
                /* Bit 12 is a memory type. */
                reserved |= mask(12 + 9 * (leaf - 1)) & ~mask(13);
            } else if (level == 4) {
                reserved |= PS;
            }
            for (unsigned bit = 3; bit < 64; bit++) {
                uint64_t bad = good | BIT(bit);

                /* These lead elsewhere. */
                if (!(reserved & BIT(bit)) && level > leaf &&
                    (bit == 7 || (bit >= 12 && bit < 52))) {
                    continue;
                }
                *fs(&c, level, 0) = bad;
                g_assert_cmphex(walk(&c, 0, RD), ==,
                                reserved & BIT(bit) ? 0x72 : 0);
                /* Not present comes first. */
                *fs(&c, level, 0) = bad & ~P;
                g_assert_cmphex(walk(&c, 0, RD), ==, 0x71);
                *fs(&c, level, 0) = good;
            }
        }
        world_free(&c.w);
    }
}

/* First stage: who may do what, with each level denying what it can */
static void test_fs_rights(void)
{
    for (unsigned i = 0; i < 1 << 7; i++) {
        unsigned level = 1 + (i & 3);
        bool rw = i & 4, us = i & 8, wpe = i & 0x10, super = i & 0x20;
        unsigned access = i & 0x40 ? WR : RD;
        unsigned leaf = level == 1 ? 1 : 1 + i % 2;
        int want = !us && !super ? 0x81 :
                   access == WR && !rw && !(super && !wpe) ? 0x85 : 0;
        Case c;

        case_init(&c, VTD_PGTT_FIRST);
        c.e.wpe = wpe;
        c.e.sre = true;
        fs_map(&c, 0, leaf, USED);
        *fs(&c, MAX(level, leaf), 0) &= ~((rw ? 0 : RW) | (us ? 0 : US));
        g_assert_cmphex(walk(&c, 0, access | (super ? SUPER : 0)), ==, want);
        if (!want) {
            g_assert_cmpuint(c.res.perm, ==,
                             rw || (super && !wpe) ? RD | WR : RD);
        }
        /* XD is nothing to a unit without execute requests. */
        *fs(&c, leaf, 0) |= BIT(63);
        g_assert_cmphex(walk(&c, 0, access | (super ? SUPER : 0)), ==, want);
        /* Not present below comes before what was denied above. */
        *fs(&c, leaf, 0) &= ~P;
        g_assert_cmphex(walk(&c, 0, access), ==, 0x71);
        world_free(&c.w);
    }
}

/* First stage: A, EA and D */

static void test_fs_updates(void)
{
    for (unsigned i = 0; i < 1 << 5; i++) {
        bool eafe = i & 1, write = i & 2, present = i & 4;
        unsigned leaf = 1 + (i >> 3) % 3;
        uint64_t used = A | (eafe ? EA : 0);
        unsigned changed = 0;
        Case c;

        case_init(&c, VTD_PGTT_FIRST);
        c.e.eafe = eafe;
        fs_map(&c, 0, leaf, (present ? P : 0) | RW | US);
        for (unsigned level = 4; level > leaf; level--) {
            *fs(&c, level, 0) &= ~(A | EA);
        }
        g_assert_cmphex(probe(&c, 0, write ? WR : RD, false), ==,
                        present ? 0 : 0x71);
        g_assert_cmphex(probe(&c, 0, write ? WR : RD, true), !=, 0);
        g_assert_cmphex(walk(&c, 0, write ? WR : RD), ==, present ? 0 : 0x71);
        /* Tables were used, and say so, even if that led to nothing. */
        for (unsigned level = 4; level > leaf; level--) {
            g_assert_cmphex(*fs(&c, level, 0), ==,
                            FS(level - 1) | P | RW | US | used);
            changed++;
        }
        g_assert_cmphex(*fs(&c, leaf, 0) & ~PS, ==,
                        !present ? RW | US :
                        P | RW | US | used | (write ? D : 0));
        if (present) {
            g_assert_cmpuint(c.res.perm, ==, write ? RD | WR : RD);
            g_assert_cmpuint(c.w.writes->len, >=, changed + 1);
            /* Once more: nothing is left to be done. */
            g_array_set_size(c.w.writes, 0);
            g_assert_cmphex(walk(&c, 0, write ? WR : RD), ==, 0);
            g_assert_cmphex(probe(&c, 0, write ? WR : RD, true), ==, 0);
        }
        world_free(&c.w);
    }
}

/* An access that is denied leaves no page accessed or dirty. */
static void test_fs_denied(void)
{
    Case c;

    case_init(&c, VTD_PGTT_FIRST);
    fs_map(&c, 0, 1, P | US);
    g_assert_cmphex(walk(&c, 0, WR), ==, 0x85);
    g_assert_cmphex(*fs(&c, 1, 0), ==, P | US);
    /* Nor does one ask whether it could be marked. */
    c.e.pwsnp = false;
    g_assert_cmphex(walk(&c, 0, WR), ==, 0x85);
    *fs(&c, 1, 0) = P;
    g_assert_cmphex(walk(&c, 0, WR), ==, 0x81);
    c.e.pwsnp = true;
    *fs(&c, 1, 0) = P | RW;
    g_assert_cmphex(walk(&c, 0, WR), ==, 0x81);
    g_assert_cmphex(*fs(&c, 1, 0), ==, P | RW);
    /* Who may write at all may write a page that is only dirty now. */
    g_assert_cmphex(walk(&c, 0, WR | SUPER), ==, 0);
    g_assert_cmphex(*fs(&c, 1, 0), ==, P | RW | A | D);
    world_free(&c.w);
}

/* PWSNP clear: nothing can be updated (SFS.9), or the memory cannot (SFS.10) */
static void test_fs_no_update(void)
{
    for (unsigned i = 0; i < 1 << 4; i++) {
        bool pwsnp = i & 1, write = i & 2;
        unsigned level = 1 + (i >> 2);
        Case c;

        case_init(&c, VTD_PGTT_FIRST);
        c.e.pwsnp = pwsnp;
        c.w.read_only = pwsnp;
        fs_map(&c, 0, 1, USED);
        *fs(&c, level, 0) &= ~A;
        g_assert_cmphex(walk(&c, 0, write ? WR : RD), ==,
                        pwsnp ? 0x91 : 0x90);
        g_assert_cmpuint(c.w.writes->len, ==, 0);
        /* What cannot be updated is not for a probe, either. */
        g_assert_cmphex(probe(&c, 0, RD, false), ==, pwsnp ? 0 : 0x90);

        *fs(&c, level, 0) |= A;
        *fs(&c, 1, 0) &= ~D;
        g_assert_cmphex(walk(&c, 0, write ? WR : RD), ==,
                        !write ? 0 : pwsnp ? 0x91 : 0x90);
        g_assert_cmphex(probe(&c, 0, WR, false), ==, pwsnp ? 0 : 0x90);
        g_assert_cmphex(probe(&c, 0, RD, false), ==, 0);
        g_assert_cmpuint(c.res.perm, ==, pwsnp ? RD | WR : RD);
        /* With EAFE, EA is one of them. */
        c.e.eafe = true;
        *fs(&c, 1, 0) = USED;
        g_assert_cmphex(walk(&c, 0, RD), ==, pwsnp ? 0x91 : 0x90);
        world_free(&c.w);
    }
}

static void test_fs_unreadable(void)
{
    for (unsigned level = 1; level <= 4; level++) {
        Case c;

        case_init(&c, VTD_PGTT_FIRST);
        fs_map(&c, 0, 1, USED);
        if (level == 4) {
            c.e.fsptptr = 0x100000;
        } else {
            *fs(&c, level + 1, 0) = 0x100000 | USED;
        }
        g_assert_cmphex(walk(&c, 0, RD), ==, level == 4 ? 0x73 : 0x70);
        world_free(&c.w);
    }
}

/* Second stage */

static void test_ss_updates(void)
{
    for (unsigned i = 0; i < 1 << 6; i++) {
        bool ssade = i & 1, write = i & 2, pwsnp = i & 4, five = i & 0x20;
        unsigned leaf = 1 + (i >> 3 & 3) % 3;
        uint64_t iova = five ? BIT(56) : BIT(46);
        int want = ssade && !pwsnp ? 0x7c : 0;
        Case c;

        case_init(&c, VTD_PGTT_SECOND);
        c.aw_bits = five ? 57 : 48;
        c.e.ssade = ssade;
        c.e.pwsnp = pwsnp;
        c.e.ss_levels = five ? 5 : 4;
        c.e.ssptptr = SS(c.e.ss_levels);
        ss_map(&c, iova, leaf, R | W | BIT(40));
        for (unsigned level = c.e.ss_levels; level > leaf; level--) {
            *ss(&c, level, iova) &= ~SA;
        }
        g_assert_cmphex(probe(&c, iova, WR, false), ==, want);
        g_assert_cmphex(walk(&c, iova, write ? WR : RD), ==, want);
        if (want || !ssade) {
            g_assert_cmpuint(c.w.writes->len, ==, 0);
            world_free(&c.w);
            continue;
        }
        for (unsigned level = c.e.ss_levels; level > leaf; level--) {
            g_assert_cmphex(*ss(&c, level, iova), ==,
                            SS(level - 1) | R | W | SA);
        }
        g_assert_cmphex(*ss(&c, leaf, iova) & ~PS, ==,
                        R | W | BIT(40) | SA | (write ? SD : 0));
        g_assert_cmphex(c.res.addr, ==, BIT(40));
        g_assert_cmpuint(c.res.perm, ==, write ? RD | WR : RD);
        world_free(&c.w);
    }
}

static void test_ss_faults(void)
{
    for (unsigned i = 0; i < 2; i++) {
        uint64_t last = mask(48);
        Case c;

        case_init(&c, VTD_PGTT_SECOND);
        c.e.ssade = i;
        ss_map(&c, last, 1, R | W | SA | SD | 0x5000);
        g_assert_cmphex(walk(&c, last, WR), ==, 0);
        g_assert_cmphex(walk(&c, last + 1, WR), ==, 0x84);
        g_assert_cmphex(walk(&c, ~0ULL, WR), ==, 0x84);
        /* None of the two; with the levels above; one of them */
        *ss(&c, 1, last) &= ~(R | W);
        g_assert_cmphex(walk(&c, last, WR), ==, 0x79);
        *ss(&c, 1, last) |= R;
        *ss(&c, 2, last) &= ~R;
        g_assert_cmphex(walk(&c, last, WR), ==, 0x79);
        g_assert_cmphex(walk(&c, last, RD), ==, 0x86);
        *ss(&c, 2, last) ^= R | W;
        g_assert_cmphex(walk(&c, last, RD), ==, 0);
        g_assert_cmphex(walk(&c, last, WR), ==, 0x85);
        /* Not present: whatever else is set */
        *ss(&c, 2, last) = ~3ULL;
        g_assert_cmphex(walk(&c, last, WR), ==, 0x79);
        *ss(&c, 2, last) = BIT(62) | R;
        g_assert_cmphex(walk(&c, last, RD), ==, 0x7a);
        *ss(&c, 2, last) = 0x100000 | R | SA;
        g_assert_cmphex(walk(&c, last, RD), ==, 0x78);
        c.e.ssptptr = 0x100000;
        g_assert_cmphex(walk(&c, last, RD), ==, 0x7b);
        world_free(&c.w);
    }
    /* What should be marked and cannot be written: SSS.6 */
    for (unsigned level = 1; level <= 4; level++) {
        Case c;

        case_init(&c, VTD_PGTT_SECOND);
        c.e.ssade = true;
        c.w.read_only = true;
        ss_map(&c, 0, 1, R | W | SA | SD);
        g_assert_cmphex(walk(&c, 0, RD), ==, 0);
        *ss(&c, level, 0) &= ~SA;
        g_assert_cmphex(walk(&c, 0, RD), ==, 0x7d);
        world_free(&c.w);
    }
}

/* Nested: the first stage's tables and pages are where the second says. */

#define GUEST BIT(21)                    /* guest address of the tables */

/* One 2 MiB page of the second stage has the tables, another one the rest. */
static void nested_init(Case *c)
{
    case_init(c, VTD_PGTT_NESTED);
    c->e.ssade = true;
    fs_map(c, 0, 1, USED | 0x400000);
    for (unsigned level = 4; level > 1; level--) {
        *fs(c, level, 0) += GUEST;
    }
    c->e.fsptptr = GUEST + FS(4);
    ss_map(c, GUEST, 2, R | W | SA | SD);
    ss_map(c, 0x400000, 2, R | W | SA | SD | BIT(30));
}

static void test_nested(void)
{
    Case c;

    nested_init(&c);
    g_assert_cmphex(walk(&c, 0x123, WR), ==, 0);
    g_assert_cmphex(c.res.addr, ==, BIT(30));
    g_assert_cmpuint(c.res.shift, ==, 12);
    g_assert_cmpuint(c.w.writes->len, ==, 0);

    /*
     * All tables are in one large page: 3 reads for it; the other one is beside
     * it.
     */
    c.w.reads = 0;
    g_assert_cmphex(walk(&c, 0x123, RD), ==, 0);
    g_assert_cmpuint(c.w.reads, ==, 4 + 3 + 1);

    /* Both are marked: the page for a read, the tables for being written */
    *fs(&c, 1, 0) &= ~(A | D);
    *ss(&c, 2, 0x400000) &= ~(SA | SD);
    *ss(&c, 2, GUEST) &= ~(SA | SD);
    g_assert_cmphex(probe(&c, 0, WR, false), ==, 0);
    g_assert_cmphex(walk(&c, 0, RD), ==, 0);
    g_assert_cmphex(*fs(&c, 1, 0) & (A | D), ==, A);
    g_assert_cmphex(*ss(&c, 2, 0x400000) & (SA | SD), ==, SA);
    g_assert_cmphex(*ss(&c, 2, GUEST) & (SA | SD), ==, SA | SD);
    g_assert_cmpuint(c.res.perm, ==, RD);
    g_assert_cmphex(walk(&c, 0, WR), ==, 0);
    g_assert_cmphex(*fs(&c, 1, 0) & (A | D), ==, A | D);
    g_assert_cmphex(*ss(&c, 2, 0x400000) & (SA | SD), ==, SA | SD);
    world_free(&c.w);
}

/* The second stage stands in the way of a table: its own reasons, or SFS.x */
static void test_nested_table_faults(void)
{
    Case c;

    /* The top table, and one below */
    for (unsigned top = 0; top < 2; top++) {
        uint64_t far = BIT(22) + BIT(21), entry;
        uint64_t *table;

        nested_init(&c);
        table = ss(&c, 2, far);
        if (top) {
            c.e.fsptptr = far;
        } else {
            *fs(&c, 3, 0) = far | USED;
        }
        entry = PS | SA | SD;
        g_assert_cmphex(walk(&c, 0, RD), ==, 0x79);
        *table = entry | W;
        g_assert_cmphex(walk(&c, 0, RD), ==, top ? 0x75 : 0x76);
        *table = entry | R | BIT(62);
        g_assert_cmphex(walk(&c, 0, RD), ==, 0x7a);
        /* Nothing is there. */
        *table = entry | R | W | BIT(40);
        g_assert_cmphex(walk(&c, 0, RD), ==, top ? 0x73 : 0x70);
        c.e.pwsnp = false;
        *table &= ~SA;
        g_assert_cmphex(walk(&c, 0, RD), ==, 0x7c);
        world_free(&c.w);
    }

    /* Beyond the second stage's width */
    nested_init(&c);
    c.e.fsptptr = BIT(40);
    c.e.ss_levels = 3;
    c.e.ssptptr = SS(3);
    g_assert_cmphex(walk(&c, 0, RD), ==, 0x74);
    world_free(&c.w);

    /* An entry that must be marked and may only be read */
    for (unsigned level = 1; level <= 4; level++) {
        nested_init(&c);
        *ss(&c, 2, GUEST) &= ~W;
        g_assert_cmphex(walk(&c, 0, WR), ==, 0);
        *fs(&c, level, 0) &= ~A;
        g_assert_cmphex(walk(&c, 0, WR), ==, 0x77);
        g_assert_cmphex(probe(&c, 0, WR, false), ==, 0x77);
        g_assert_cmphex(walk(&c, 0, RD), ==, 0x77);
        world_free(&c.w);
    }
}

static void test_nested_page_faults(void)
{
    Case c;

    nested_init(&c);
    *ss(&c, 2, 0x400000) &= ~W;
    g_assert_cmphex(walk(&c, 0, WR), ==, 0x85);
    g_assert_cmphex(walk(&c, 0, RD), ==, 0);
    *ss(&c, 2, 0x400000) ^= R | W;
    g_assert_cmphex(walk(&c, 0, RD), ==, 0x86);
    *ss(&c, 2, 0x400000) &= ~(R | W);
    g_assert_cmphex(walk(&c, 0, RD), ==, 0x79);
    /* The page that faults is not accessed in the first stage, either. */
    *fs(&c, 1, 0) &= ~(A | D);
    g_assert_cmphex(walk(&c, 0, WR), ==, 0x79);
    g_assert_cmphex(*fs(&c, 1, 0) & (A | D), ==, 0);

    *fs(&c, 1, 0) = USED | BIT(47) | 0x400000;
    g_assert_cmphex(walk(&c, 0, RD), ==, 0x79);
    c.e.ss_levels = 3;
    c.e.ssptptr = SS(3);
    g_assert_cmphex(walk(&c, 0, RD), ==, 0x84);
    g_assert_cmphex(walk(&c, BIT(47), RD), ==, 0x80);
    world_free(&c.w);
}

/* An entry that is never the same twice while it is to be marked */
typedef struct Restless {
    Case *c;
    unsigned updates;
} Restless;

static bool restless_read(void *opaque, uint64_t addr, uint64_t *entry)
{
    return world_read(&((Restless *)opaque)->c->w, addr, entry);
}

static bool restless_update(void *opaque, uint64_t addr, uint64_t *expected,
                            uint64_t value)
{
    ((Restless *)opaque)->updates++;
    *expected ^= BIT(52);
    return true;
}

static void test_restless(void)
{
    for (unsigned level = 1; level <= 4; level++) {
        Case c;
        Restless r = { &c, 0 };
        const IOPTMem mem = {
            .read = restless_read, .update = restless_update, .opaque = &r,
        };
        IOPTFault fault;

        case_init(&c, VTD_PGTT_FIRST);
        fs_map(&c, 0, 1, USED);
        *fs(&c, level, 0) &= ~A;
        fault = walk_with(&c, 0, RD, &mem);
        g_assert_cmphex(vtd_sm_walk_fault(&c.space, fault, &c.res, false),
                        ==, 0x91);
        g_assert_cmpuint(r.updates, <=, 64);
        world_free(&c.w);
    }
}

/* Pass-through has nothing to walk. */
static void test_pass_through(void)
{
    VTDPASIDEntry e = { .pgtt = VTD_PGTT_PASS_THROUGH };
    IOPTSpace space;

    memset(&space, 0xff, sizeof(space));
    vtd_pasid_space(&e, 48, ~0ULL, ~0ULL, &space);
    g_assert_null(space.table.format);
    g_assert_null(space.upper.format);
    g_assert_null(space.second.format);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/iopt-vtd/fs/canonical", test_canonical);
    g_test_add_func("/iopt-vtd/fs/range", test_range);
    g_test_add_func("/iopt-vtd/fs/page-sizes", test_page_sizes);
    g_test_add_func("/iopt-vtd/fs/reserved", test_fs_reserved);
    g_test_add_func("/iopt-vtd/fs/rights", test_fs_rights);
    g_test_add_func("/iopt-vtd/fs/updates", test_fs_updates);
    g_test_add_func("/iopt-vtd/fs/denied", test_fs_denied);
    g_test_add_func("/iopt-vtd/fs/no-update", test_fs_no_update);
    g_test_add_func("/iopt-vtd/fs/unreadable", test_fs_unreadable);
    g_test_add_func("/iopt-vtd/ss/updates", test_ss_updates);
    g_test_add_func("/iopt-vtd/ss/faults", test_ss_faults);
    g_test_add_func("/iopt-vtd/nested/both", test_nested);
    g_test_add_func("/iopt-vtd/nested/tables", test_nested_table_faults);
    g_test_add_func("/iopt-vtd/nested/pages", test_nested_page_faults);
    g_test_add_func("/iopt-vtd/restless", test_restless);
    g_test_add_func("/iopt-vtd/pass-through", test_pass_through);
    return g_test_run();
}

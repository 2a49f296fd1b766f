/*
 * Random tables of VT-d's scalable mode, alone and nested, against a second
 * reading
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The reference below is written from the specification again (3.6 to 3.8, 9.7,
 * 9.8), and without a look at the walker: it plays one access, step by step, as
 * hardware would do it, and notes what it writes beside the memory.
 */
#ifndef IOPT_VTD_WORLD_H
#define IOPT_VTD_WORLD_H

#include "../../hw/i386/vtd/vtd-decode-sm.h"
#include "test-iopt-world.h"

/* The reference */

#define REF_FS1GP BIT(56)
#define REF_SC BIT(7)

typedef struct RefUnit {
    VTDPASIDEntry e;
    unsigned aw_bits;
    bool page_1g, snoop;
} RefUnit;

typedef struct RefAccess {
    World *w;
    const RefUnit *u;
    unsigned rights;             /* 0: a probe for any */
    bool supervisor;
    bool commit;                 /* what is to be marked is marked */
    int reason;                  /* of the fault, 0: none */
    /* What has been written */
    struct {
        uint64_t *word, value;
    } write[80];
    unsigned writes;
} RefAccess;

/* Where a stage led: one page, and what may be done in it */
typedef struct RefPage {
    uint64_t addr;
    unsigned shift, perm;
} RefPage;

static int ref_fault(RefAccess *x, int reason)
{
    x->reason = reason;
    return reason;
}

static bool ref_load(RefAccess *x, uint64_t addr, uint64_t *value)
{
    uint64_t *word = world_word(x->w, addr);
    unsigned i;

    if (!word) {
        return false;
    }
    *value = *word;
    for (i = 0; i < x->writes; i++) {
        if (x->write[i].word == word) {
            *value = x->write[i].value;
        }
    }
    return true;
}

static void ref_store(RefAccess *x, uint64_t addr, uint64_t value)
{
    g_assert_cmpuint(x->writes, <, ARRAY_SIZE(x->write));
    x->write[x->writes].word = world_word(x->w, addr);
    x->write[x->writes++].value = value;
}

/* Address bits of any entry, and those that the unit does not have */
static uint64_t ref_frame(uint64_t entry)
{
    return entry >> 12 << 24 >> 12;
}

static bool ref_too_wide(const RefUnit *u, uint64_t entry)
{
    return u->aw_bits < 52 && ref_frame(entry) >> u->aw_bits;
}

enum { REF_TABLE, REF_PAGE };

/*
 * The second stage, for the first's table or for a page.  @rights: 0: any.
 * @dry: nothing is marked, whatever the access is; would it do?
 */
static int ref_second(RefAccess *x, uint64_t ipa, int what, unsigned rights,
                      bool top_table, bool dry, RefPage *page)
{
    const RefUnit *u = x->u;
    const VTDPASIDEntry *e = &u->e;
    unsigned width = MIN(9 * e->ss_levels + 12, u->aw_bits), perm = 3;
    uint64_t table = e->ssptptr;
    int level;

    if (width < 64 && ipa >> width) {
        return ref_fault(x, what == REF_TABLE ? 0x74 : 0x84);
    }
    for (level = e->ss_levels; ; level--) {
        uint64_t at, entry, marked;
        bool leaf, large;

        at = table + 8 * (ipa >> (9 * level + 3) & 511);
        if (!ref_load(x, at, &entry)) {
            return ref_fault(x, level == e->ss_levels ? 0x7b : 0x78);
        }
        if (entry % 4 == 0) {
            return ref_fault(x, 0x79);
        }
        large = level > 1 && (entry & BIT(7));
        leaf = level == 1 || (large && level <= 3);
        /* SNP is for leaves of a unit that can control snooping. */
        if (ref_too_wide(u, entry) || (entry & BIT(62)) ||
            (level >= 4 && large) ||
            ((entry & BIT(11)) && !(leaf && u->snoop)) ||
            (leaf && ref_frame(entry) & mask(9 * level + 3))) {
            return ref_fault(x, 0x7a);
        }
        perm &= entry;
        if (perm == 0) {
            return ref_fault(x, 0x79);
        }
        if (rights & ~perm) {
            if (what == REF_TABLE) {
                return ref_fault(x, rights & 2 ? 0x77 :
                                 top_table ? 0x75 : 0x76);
            }
            return ref_fault(x, rights & 2 ? 0x85 : 0x86);
        }
        marked = entry;
        if (e->ssade) {
            marked |= BIT(8) | (leaf && (rights & 2) ? BIT(9) : 0);
        }
        if (marked != entry) {
            if (!e->pwsnp) {
                return ref_fault(x, 0x7c);
            }
            if (x->commit && !dry) {
                ref_store(x, at, marked);
            }
        }
        if (leaf) {
            page->shift = 9 * level + 3;
            page->addr = ref_frame(entry) >> page->shift << page->shift;
            page->perm = perm;
            if (e->ssade && !(marked & BIT(9)) &&
                ((x->commit && !dry) || !e->pwsnp)) {
                page->perm &= ~2;
            }
            /* To be written only, and it cannot be made dirty. */
            return page->perm ? 0 : ref_fault(x, 0x7c);
        }
        table = ref_frame(entry);
    }
}

/* Where the first stage's entry is in memory.  @rights: 1 to read it, 2 */
static int ref_entry_memory(RefAccess *x, uint64_t at, unsigned rights,
                            bool dry, uint64_t *memory)
{
    bool top = at >> 12 == x->u->e.fsptptr >> 12;
    RefPage page;

    *memory = at;
    if (x->u->e.pgtt != VTD_PGTT_NESTED) {
        return 0;
    }
    if (ref_second(x, at, REF_TABLE, rights, top, dry, &page)) {
        return x->reason;
    }
    *memory = page.addr + (at & mask(page.shift));
    return 0;
}

static bool ref_canonical(uint64_t va, unsigned levels)
{
    int64_t sign = (int64_t)va >> (9 * levels + 11);

    return sign == 0 || sign == -1;
}

static bool ref_first_reserved(const RefUnit *u, uint64_t entry, int level,
                               bool leaf)
{
    if (ref_too_wide(u, entry)) {
        return true;
    }
    if (!(entry & BIT(7)) || level == 1) {
        return false;
    }
    /* Bit 12 of a large page is part of its memory type. */
    return !leaf || (level == 3 && !u->page_1g) ||
           (ref_frame(entry) & mask(9 * level + 3) & ~BIT(12));
}

/* An entry of the first stage is used: A and EA.  Leaves: and D for a write */
static uint64_t ref_first_marked(const RefUnit *u, uint64_t entry, bool dirty)
{
    return entry | BIT(5) | (u->e.eafe ? BIT(10) : 0) | (dirty ? BIT(6) : 0);
}

/*
 * The leaf's own word of it: @to is what the entry becomes.  Before a leaf is
 * marked both stages are asked; what they say first is the fault.
 */
static int ref_mark(RefAccess *x, uint64_t at, uint64_t from, uint64_t to,
                    bool leaf, uint64_t page)
{
    uint64_t memory;
    RefPage unused;
    bool ask = x->u->e.pgtt == VTD_PGTT_NESTED && (x->rights || x->commit);

    if (from == to) {
        return 0;
    }
    if (!x->u->e.pwsnp) {
        return ref_fault(x, 0x90);
    }
    if (ask && (leaf || !x->commit)) {
        if (ref_entry_memory(x, at, 2, true, &memory) ||
            (leaf && ref_second(x, page, REF_PAGE, x->rights, false, true,
                                &unused))) {
            return x->reason;
        }
    }
    if (x->commit) {
        uint64_t now = from;

        if (ref_entry_memory(x, at, 2, false, &memory)) {
            return x->reason;
        }
        /* It may be an entry of the second stage's, just marked as such. */
        ref_load(x, memory, &now);
        ref_store(x, memory, now | to);
    }
    return 0;
}

static int ref_first(RefAccess *x, uint64_t va, RefPage *page)
{
    const RefUnit *u = x->u;
    const VTDPASIDEntry *e = &u->e;
    bool write = x->rights & 2, rw = true, user = true;
    uint64_t table = e->fsptptr;
    int level;

    if (!ref_canonical(va, e->fs_levels)) {
        return ref_fault(x, 0x80);
    }
    for (level = e->fs_levels; ; level--) {
        uint64_t at = table + 8 * (va >> (9 * level + 3) & 511);
        uint64_t memory, entry, marked;
        bool leaf;

        if (ref_entry_memory(x, at, 1, false, &memory)) {
            return x->reason;
        }
        if (!ref_load(x, memory, &entry)) {
            return ref_fault(x, level == e->fs_levels ? 0x73 : 0x70);
        }
        if (entry % 2 == 0) {
            return ref_fault(x, 0x71);
        }
        leaf = level == 1 || (level <= 3 && (entry & BIT(7)));
        if (ref_first_reserved(u, entry, level, leaf)) {
            return ref_fault(x, 0x72);
        }
        rw = rw && (entry & BIT(1));
        user = user && (entry & BIT(2));
        marked = ref_first_marked(u, entry, leaf && write);
        if (leaf) {
            bool writable = rw || (x->supervisor && !e->wpe);

            page->shift = 9 * level + 3;
            page->addr = ref_frame(entry) >> page->shift << page->shift;
            page->perm = writable ? 3 : 1;
            if (!user && !x->supervisor) {
                return ref_fault(x, 0x81);
            }
            if (write && !writable) {
                return ref_fault(x, 0x85);
            }
            if (!(marked & BIT(6)) && (x->commit || !e->pwsnp)) {
                page->perm &= ~2;
            }
        }
        if (ref_mark(x, at, entry, marked, leaf,
                     leaf ? page->addr + (va & mask(page->shift)) : 0)) {
            return x->reason;
        }
        if (leaf) {
            return 0;
        }
        table = ref_frame(entry);
    }
}

/* Returns: the reason of the fault, or 0 and @page */
static int ref_access(RefAccess *x, uint64_t va, RefPage *page)
{
    RefPage first;
    uint64_t ipa;

    x->reason = 0;
    x->writes = 0;
    if (x->u->e.pgtt == VTD_PGTT_SECOND) {
        return ref_second(x, va, REF_PAGE, x->rights, false, false, page);
    }
    if (ref_first(x, va, &first) || x->u->e.pgtt == VTD_PGTT_FIRST) {
        *page = first;
        return x->reason;
    }
    ipa = first.addr + (va & mask(first.shift));
    if (ref_second(x, ipa, REF_PAGE, x->rights, false, false, page)) {
        return x->reason;
    }
    page->perm &= first.perm;
    if (!page->perm) {
        return ref_fault(x, 0x79);
    }
    /* The smaller one, wherever in the larger one it is */
    if (first.shift < page->shift) {
        page->addr += (ipa & mask(page->shift)) >> first.shift << first.shift;
        page->shift = first.shift;
    }
    return 0;
}

/* Comparison */

static unsigned seen_reason[256], seen_writes, seen_leaves;

/* What has been written is what the reference has written. */
static void check_writes(World *w, const RefAccess *x)
{
    unsigned i, j;

    for (i = 0; i < x->writes; i++) {
        /* The last one that is written to a word counts. */
        for (j = i + 1; j < x->writes; j++) {
            if (x->write[j].word == x->write[i].word) {
                break;
            }
        }
        if (j == x->writes) {
            g_assert_cmphex(*x->write[i].word & ~SOFTWARE, ==,
                            x->write[i].value & ~SOFTWARE);
        }
    }
    seen_writes += x->writes;
    for (i = 0; i < w->writes->len; i++) {
        Write *write = &g_array_index(w->writes, Write, i);

        for (j = 0; j < x->writes; j++) {
            if (x->write[j].word == write->word) {
                break;
            }
        }
        g_assert_true(j < x->writes ||
                      !((*write->word ^ write->old) & ~SOFTWARE));
    }
}

static void check_as_is(World *w, const IOPTSpace *space, uint64_t iova,
                        unsigned access, bool still)
{
    GArray *visits = g_array_new(false, false, sizeof(Visited));
    IOPTSpace with = *space;
    IOPTResult res;

    g_assert_true(still == (iopt_space_walk(space, iova, access, as_is_mem(w),
                                            &res) == IOPT_OK));
    with.attrs = access & IOPT_PRIV;
    iopt_space_walk_range(&with, iova, iova, as_is_mem(w), record_visit,
                          visits);
    g_assert_cmpuint(w->writes->len, ==, 0);
    g_assert_cmpuint(visits->len, ==, 1);
    g_assert_true(still == !(access & 3 & ~g_array_index(visits, Visited,
                                                         0).res.perm));
    g_array_free(visits, true);
}

static void check_access(World *w, const RefUnit *u, const IOPTSpace *space,
                         uint64_t iova, unsigned rights, bool supervisor,
                         bool commit)
{
    RefAccess x = {
        .w = w, .u = u, .rights = rights, .supervisor = supervisor,
        .commit = commit,
    };
    unsigned access = rights | (supervisor ? IOPT_PRIV : 0);
    RefPage want;
    IOPTResult res;
    IOPTFault fault;
    bool still;

    ref_access(&x, iova, &want);
    fault = iopt_space_walk(space, iova, access,
                            commit ? update_mem(w) : probe_mem(w), &res);
    if (x.reason) {
        g_assert_cmpint(fault, !=, IOPT_OK);
        g_assert_cmphex(vtd_sm_walk_fault(space, fault, &res, rights & 2),
                        ==, x.reason);
    } else {
        g_assert_cmpint(fault, ==, IOPT_OK);
        g_assert_cmphex(res.addr, ==, want.addr);
        g_assert_cmpuint(res.shift, ==, want.shift);
        g_assert_cmpuint(res.perm, ==, want.perm);
        g_assert_false(res.global);
    }
    seen_reason[x.reason]++;
    if (!commit) {
        g_assert_cmpuint(w->writes->len, ==, 0);
        return;
    }
    check_writes(w, &x);
    still = !x.reason && !w->writes->len;
    world_undo(w);
    check_as_is(w, space, iova, access, still);
}

/* Of a visit: what a probe for any right finds at each of its bytes */
static void check_visit(World *w, const RefUnit *u, unsigned attrs,
                        const Visited *v, uint64_t iova)
{
    RefAccess x = { .w = w, .u = u, .supervisor = attrs & IOPT_PRIV };
    RefPage want;

    if (ref_access(&x, iova, &want)) {
        g_assert_cmpuint(v->res.perm, ==, 0);
        return;
    }
    g_assert_cmpuint(v->res.perm, ==, want.perm);
    g_assert_cmpuint(v->res.shift, ==, want.shift);
    g_assert_cmphex(v->res.addr, ==, want.addr);
    g_assert_cmphex((v->first ^ iova) >> want.shift, ==, 0);
    g_assert_cmphex((v->last ^ iova) >> want.shift, ==, 0);
    seen_leaves++;
}

static void check_range(World *w, Rand *r, const RefUnit *u,
                        IOPTSpace *space, uint64_t first, uint64_t last)
{
    GArray *visits = g_array_new(false, false, sizeof(Visited));
    uint64_t next = first;
    unsigned i;
    bool all;

    space->attrs = rand_below(r, 2) ? IOPT_PRIV : 0;
    space->table.max_reads = 20000;
    all = iopt_space_walk_range(space, first, last, probe_mem(w),
                                record_visit, visits);
    for (i = 0; i < visits->len; i++) {
        Visited *v = &g_array_index(visits, Visited, i);

        g_assert_cmphex(v->first, ==, next);
        g_assert_cmphex(v->last, >=, v->first);
        next = v->last + 1;
        if (all || i < visits->len - 1) {
            check_visit(w, u, space->attrs, v, v->first);
            check_visit(w, u, space->attrs, v, v->last);
            check_visit(w, u, space->attrs, v, v->first +
                        rand64(r) % MAX(v->last - v->first, 1));
        }
    }
    g_assert_cmphex(next, ==, last + 1);
    g_array_free(visits, true);
    space->attrs = 0;
    space->table.max_reads = 0;
}

/*
 * Random tables.  An area is pages in turn of each level, from the top, and
 * entries mostly lead to pages of the level below; few indices are used, so
 * that walks meet what is there.
 */

#ifdef TEST_RAND_INPUT
#define NUM_IOVAS   16
#else
#define NUM_IOVAS   128
#endif
#define FIRST_PAGES 20
#define SECOND_PAGES 20
#define FIRST_BASE  BIT(21)
/* Where pages of the second stage hardly ever lead */
#define SECOND_BASE (BIT(38) + BIT(22))

typedef struct Maker {
    World *w;
    const RefUnit *u;
    unsigned flaws;              /* the larger, the rarer */
} Maker;

static uint64_t used_index(Rand *r)
{
    static const unsigned used[] = { 0, 0, 0, 1, 255, 256, 511 };

    return used[rand_below(r, ARRAY_SIZE(used))];
}

static uint64_t used_address(Rand *r, unsigned levels)
{
    uint64_t address = rand64(r) & mask(12);
    unsigned level;

    for (level = 1; level <= levels; level++) {
        address |= used_index(r) << (9 * level + 3);
    }
    return address;
}

static bool flaw(const Maker *m, unsigned often)
{
    return rand_below(m->w->rand, often * m->flaws) == 0;
}

/* A page of an area whose tables have @levels levels, of @level or of any */
static uint64_t table_page(Rand *r, uint64_t base, unsigned pages,
                           unsigned levels, unsigned level)
{
    unsigned page = rand_below(r, pages / levels) * levels + levels - level;

    if (rand_below(r, 16) == 0) {
        page = rand_below(r, pages);
    }
    return base + (uint64_t)page * 4096;
}

/*
 * Where the first stage finds its table page @page: with two stages an address
 * that the second makes of it, if there is any
 */
static uint64_t before_second(const Maker *m, uint64_t page)
{
    Rand *r = m->w->rand;
    unsigned tries = 60;
    RefAccess x = { .w = m->w, .u = m->u };
    uint64_t ipa;

    if (m->u->e.pgtt != VTD_PGTT_NESTED) {
        return page;
    }
    do {
        RefPage to;

        ipa = used_address(r, m->u->e.ss_levels) >> 12 << 12;
        if (ref_second(&x, ipa, REF_PAGE, 1, false, true, &to) == 0 &&
            area_has(&m->w->area[0], to.addr + (ipa & mask(to.shift)))) {
            /* With a large page, any of those that it covers */
            return to.shift == 12 ? ipa : ipa >> to.shift << to.shift |
                   (page & mask(to.shift));
        }
    } while (tries--);
    return ipa;
}

/* A bit in a hundred entries that need not be there, or must not be */
static uint64_t random_bits(const Maker *m, uint64_t harmless)
{
    Rand *r = m->w->rand;
    uint64_t bits = rand64(r) & rand64(r) & harmless;

    return flaw(m, 16) ? bits ^ BIT(rand_below(r, 64)) : bits;
}

static uint64_t random_first(const Maker *m, unsigned level)
{
    Rand *r = m->w->rand;
    unsigned levels = m->u->e.fs_levels;
    uint64_t harmless = SOFTWARE | BIT(63) | BIT(8) | BIT(9) | BIT(3) | BIT(4);
    uint64_t entry = random_bits(m, harmless), page;

    entry |= flaw(m, 12) ? 0 : BIT(0);
    entry |= flaw(m, 8) ? 0 : BIT(1);
    entry |= flaw(m, 8) ? 0 : BIT(2);
    entry |= rand_below(r, 3) ? BIT(5) : 0;
    entry |= rand_below(r, 2) ? BIT(6) : 0;
    entry |= rand_below(r, 2) ? BIT(10) : 0;
    if (level > 1 && (level <= 3 ? rand_below(r, 5) == 0 : flaw(m, 16))) {
        page = rand64(r) & mask(38);
        if (m->u->e.pgtt == VTD_PGTT_NESTED) {
            page = used_address(r, m->u->e.ss_levels);
        }
        entry |= BIT(7) | page >> (9 * level + 3) << (9 * level + 3);
        return flaw(m, 8) ? entry | BIT(12 + rand_below(r, 19)) : entry;
    }
    page = level > 1 ? table_page(r, FIRST_BASE, FIRST_PAGES, levels,
                                  level - 1) :
           used_address(r, m->u->e.ss_levels);
    return entry | before_second(m, page >> 12 << 12);
}

static uint64_t random_second(const Maker *m, unsigned level)
{
    Rand *r = m->w->rand;
    unsigned levels = m->u->e.ss_levels;
    uint64_t entry = random_bits(m, SOFTWARE | BIT(63) | BIT(2) |
                                 (mask(7) ^ mask(3)));

    entry |= flaw(m, 8) ? rand_below(r, 4) : 3;
    entry |= rand_below(r, 3) ? BIT(8) : 0;
    entry |= rand_below(r, 2) ? BIT(9) : 0;
    entry |= flaw(m, 24) ? BIT(11) : 0;
    if (level > 1 && (level <= 3 ? rand_below(r, 5) == 0 : flaw(m, 16))) {
        /* The one around the first stage's tables, or another */
        uint64_t page = rand_below(r, 3) ? FIRST_BASE : rand64(r) & mask(38);

        return entry | BIT(7) | page >> (9 * level + 3) << (9 * level + 3);
    }
    if (level > 1) {
        return entry | table_page(r, SECOND_BASE, SECOND_PAGES, levels,
                                  level - 1);
    }
    return entry | (rand_below(r, 4) ? FIRST_BASE +
                    (uint64_t)rand_below(r, FIRST_PAGES) * 4096 :
                    (rand64(r) & mask(38)) >> 12 << 12);
}

static void fill_area(const Maker *m, unsigned area, unsigned levels)
{
    Rand *r = m->w->rand;
    Area *a = &m->w->area[area];
    unsigned i, j;

    for (i = 0; i < a->words / 512; i++) {
        unsigned level = levels - i % levels;

        for (j = 0; j < 12; j++) {
            a->word[i * 512 + used_index(r)] = area ? random_second(m, level) :
                                                      random_first(m, level);
        }
    }
}

static uint64_t random_iova(Rand *r, const RefUnit *u)
{
    bool first = u->e.pgtt != VTD_PGTT_SECOND;
    unsigned levels = first ? u->e.fs_levels : u->e.ss_levels;
    uint64_t iova = used_address(r, levels);

    if (first && (iova >> (9 * levels + 11) & 1)) {
        iova |= ~mask(9 * levels + 12);
    }
    if (rand_below(r, 24) == 0) {
        iova ^= BIT(rand_below(r, 64));
    }
    return iova;
}

static void random_unit(Rand *r, RefUnit *u, unsigned pgtt)
{
    static const unsigned widths[] = { 39, 48, 48, 57 };

    *u = (RefUnit) {
        .aw_bits = widths[rand_below(r, 4)],
        .page_1g = rand_below(r, 4), .snoop = rand_below(r, 2),
        .e = {
            .pgtt = pgtt,
            .pwsnp = rand_below(r, 5),
            .ssade = rand_below(r, 3), .eafe = rand_below(r, 2),
            .wpe = rand_below(r, 2), .sre = true,
            .fs_levels = 4 + rand_below(r, 2),
            .ss_levels = 3 + rand_below(r, 3),
            .ssptptr = SECOND_BASE,
        },
    };
}

/* @pgtt: VTD_PGTT_* but pass-through */
static void random_world(Rand *r, unsigned pgtt, World *w, RefUnit *u,
                         Maker *m, IOPTSpace *space)
{
    *m = (Maker) { w, u, 1 + 7 * rand_below(r, 3) };
    memset(space, 0, sizeof(*space));
    random_unit(r, u, pgtt);
    world_init(w, r);
    world_area(w, 0, FIRST_BASE, FIRST_PAGES * 4096);
    world_area(w, 1, SECOND_BASE, SECOND_PAGES * 4096);
    fill_area(m, 1, u->e.ss_levels);
    fill_area(m, 0, u->e.fs_levels);
    /* What is wider is no valid PASID table entry. */
    u->e.fsptptr = before_second(m, FIRST_BASE) & mask(MIN(u->aw_bits, 52));
    vtd_pasid_space(&u->e, u->aw_bits, u->page_1g ? REF_FS1GP : 0,
                    u->snoop ? REF_SC : 0, space);
}

static void run_random(Rand *r, unsigned pgtt)
{
    IOPTSpace space;
    RefUnit u;
    World w;
    Maker m;
    unsigned i, access;

    random_world(r, pgtt, &w, &u, &m, &space);
    for (i = 0; i < NUM_IOVAS; i++) {
        uint64_t iova = random_iova(r, &u);

        w.meddle = i % 2 ? 2 : 0;
        for (access = 0; access < 16; access++) {
            unsigned rights = access & 3;
            bool commit = access & 4;

            if (rights || !commit) {
                check_access(&w, &u, &space, iova, rights, access & 8, commit);
            }
        }
    }
    check_range(&w, r, &u, &space, 0, UINT64_MAX);
    for (i = 0; i < 3; i++) {
        uint64_t first = random_iova(r, &u);
        uint64_t size = mask(12 + rand_below(r, 30));

        if (first + size > first) {
            check_range(&w, r, &u, &space, first, first + size);
        }
    }
    world_free(&w);
}

#endif

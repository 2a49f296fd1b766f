/*
 * Random Armv8 tables, in one stage and two, against a second reading
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The reference below is written from DDI 0487 D8 again, in the
 * architecture's own terms (levels 0 to 3) and without a look at the walker:
 * first it finds out what an access meets, then which descriptors change.
 */
#ifndef IOPT_RANDOM_WORLD_H
#define IOPT_RANDOM_WORLD_H

#include "test-iopt-world.h"

/* The reference */

typedef struct RefStage {
    IOPTArmv8Params p;
    bool on;
    bool two;                    /* stage 2 */
    int start;                   /* level */
    unsigned start_bits;         /* that the start level resolves */
} RefStage;

typedef struct RefSpace {
    RefStage lower, upper, second;
    unsigned attrs;
} RefSpace;

static unsigned ref_shift(const RefStage *s, int level)
{
    return s->p.granule + (3 - level) * (s->p.granule - 3);
}

/* What a block at a level covers; 0: there is none. */
static unsigned ref_block(unsigned granule, int level)
{
    if (granule == 12) {
        return level == 1 ? 30 : level == 2 ? 21 : 0;
    }
    return level != 2 ? 0 : granule == 14 ? 25 : 29;
}

typedef struct RefLeaf {
    uint64_t *word;              /* the descriptor */
    uint64_t at;                 /* its address, as its own stage knows it */
    uint64_t desc;
    uint64_t out;                /* where its page begins */
    unsigned size;               /* of the page */
    int level;
    bool ap_table0, ap_table1, xn_table, pxn_table;
} RefLeaf;

typedef struct RefFault {
    IOPTFault kind;
    int level;
    bool second, on_table, table_write;
    uint64_t ipa, fetch;
} RefFault;

typedef struct RefWalk {
    World *w;
    const RefSpace *space;
    bool probe;
    RefFault fault;
    RefLeaf touched[8];          /* second-stage leaves of tables read */
    unsigned num_touched;
    RefLeaf first, second, table; /* @table: under the first stage's leaf */
    bool table_written;
    bool aliased;                /* the stages share descriptors, maybe */
} RefWalk;

static bool ref_fail(RefWalk *rw, IOPTFault kind, int level)
{
    rw->fault.kind = kind;
    rw->fault.level = level;
    return false;
}

static bool ref_second(RefWalk *rw, uint64_t ipa, RefLeaf *leaf, bool table);

/* Down the tables of one stage to a leaf.  @ia: relative to the range */
static bool ref_tables(RefWalk *rw, const RefStage *s, uint64_t ia,
                       RefLeaf *leaf)
{
    uint64_t table = s->p.ttb >> (s->start_bits + 3) << (s->start_bits + 3);
    unsigned width = MIN(s->p.output_bits, 48);
    int level;

    memset(leaf, 0, sizeof(*leaf));
    if (table >> width) {
        return ref_fail(rw, IOPT_FAULT_ADDR_SIZE, s->start);
    }
    for (level = s->start; ; level++) {
        unsigned low = ref_shift(s, level);
        unsigned high = level == s->start ? low + s->start_bits :
                        low + s->p.granule - 3;
        uint64_t index = (ia & mask(high)) >> low;
        uint64_t at = table + 8 * index, memory = at, desc, address;
        bool is_leaf;

        if (!s->two && rw->space->second.on) {
            RefLeaf *under = &rw->touched[rw->num_touched];

            if (!ref_second(rw, at, under, true)) {
                rw->fault.second = true;
                rw->fault.on_table = true;
                rw->fault.ipa = at;
                return false;
            }
            rw->num_touched++;
            memory = under->out + (at & mask(under->size));
        }
        rw->aliased |= rw->space->second.on &&
                       area_has(&rw->w->area[!s->two], memory);
        leaf->at = at;
        leaf->word = world_word(rw->w, memory);
        leaf->level = level;
        if (!leaf->word) {
            rw->fault.fetch = memory;
            return ref_fail(rw, IOPT_FAULT_READ_TABLE, level);
        }
        leaf->desc = desc = *leaf->word;
        if (desc % 2 == 0) {
            return ref_fail(rw, IOPT_FAULT_NOT_PRESENT, level);
        }
        is_leaf = level == 3 || desc % 4 == 1;
        if (is_leaf) {
            leaf->size = level == 3 ? s->p.granule :
                         ref_block(s->p.granule, level);
            if (!leaf->size || (level == 3 && desc % 4 == 1)) {
                return ref_fail(rw, IOPT_FAULT_NOT_PRESENT, level);
            }
        }
        low = is_leaf ? leaf->size : s->p.granule;
        address = (desc & mask(48)) >> low << low;
        if (address >> width) {
            return ref_fail(rw, IOPT_FAULT_ADDR_SIZE, level);
        }
        if (is_leaf) {
            leaf->out = address;
            break;
        }
        if (!s->two && !(s->p.flags & IOPT_ARMV8_HPD)) {
            leaf->pxn_table |= desc >> 59 & 1;
            leaf->xn_table |= desc >> 60 & 1;
            leaf->ap_table0 |= desc >> 61 & 1;
            leaf->ap_table1 |= desc >> 62 & 1;
        }
        table = address;
    }
    if (!(leaf->desc & BIT(10)) &&
        !(s->p.flags & (IOPT_ARMV8_HA | IOPT_ARMV8_AFFD))) {
        return ref_fail(rw, IOPT_FAULT_ACCESS_FLAG, level);
    }
    return true;
}

static bool ref_dirty_by_hardware(const RefStage *s, const RefLeaf *leaf)
{
    return (s->p.flags & IOPT_ARMV8_HA) && (s->p.flags & IOPT_ARMV8_HD) &&
           (leaf->desc & BIT(51));
}

/*
 * What a leaf allows; @clean: to a clean page nothing is written.  The
 * permissions of AP[2:1] are those of the architecture's table.
 */
static unsigned ref_allows(const RefStage *s, const RefLeaf *leaf,
                           unsigned attrs, bool clean)
{
    static const struct {
        const char *priv, *user;
    } data[4] = {
        { "rw", "" }, { "rw", "rw" }, { "r", "" }, { "r", "r" },
    };
    uint64_t d = leaf->desc;
    bool priv = attrs & IOPT_PRIV;
    unsigned ap = d >> 6 & 3;
    const char *user_can, *priv_can, *can;
    bool xn, wxn, uxn, pxn, is_clean = false;
    unsigned perm = 0;

    if (s->two) {
        unsigned xn2 = d >> 53 & 3;
        bool exec = xn2 < 2;

        if ((attrs & IOPT_TABLE) && (s->p.flags & IOPT_ARMV8_PTW) &&
            (d >> 4 & 3) == 0) {
            return 0;
        }
        if (s->p.flags & IOPT_ARMV8_XNX) {
            exec = xn2 == 0 || (xn2 == 1 && !priv) || (xn2 == 3 && priv);
        }
        perm |= (attrs & IOPT_EXEC ? exec : ap & 1) ? IOPT_READ : 0;
        if ((ap & 2) || (ref_dirty_by_hardware(s, leaf) && !clean)) {
            perm |= IOPT_WRITE;
        }
        return perm;
    }

    if ((ap & 2) && ref_dirty_by_hardware(s, leaf)) {
        ap &= 1;
        is_clean = true;
    }
    if (leaf->ap_table1) {
        ap |= 2;
    }
    if (s->p.flags & IOPT_ARMV8_ONE_PRIV) {
        /* One level: AP[1] is one; all of it is "privileged". */
        user_can = "";
        priv_can = data[ap].priv;
        can = priv_can;
    } else {
        if (leaf->ap_table0) {
            ap &= 2;
        }
        user_can = data[ap].user;
        priv_can = data[ap].priv;
        can = priv ? priv_can : user_can;
    }
    wxn = s->p.flags & IOPT_ARMV8_WXN;
    uxn = (d & BIT(54)) || leaf->xn_table ||
          (wxn && strchr(user_can, 'w'));
    pxn = (d & BIT(53)) || leaf->pxn_table || strchr(user_can, 'w') ||
          (wxn && strchr(priv_can, 'w'));
    if (s->p.flags & IOPT_ARMV8_ONE_PRIV) {
        xn = (d & BIT(54)) || leaf->xn_table || (wxn && strchr(can, 'w'));
    } else {
        xn = priv ? pxn : uxn;
    }
    if (priv && (s->p.flags & IOPT_ARMV8_PAN) && *user_can) {
        can = "";
    }
    if (attrs & IOPT_EXEC ? !xn : strchr(can, 'r') != NULL) {
        perm |= IOPT_READ;
    }
    if (strchr(can, 'w') && !(clean && is_clean)) {
        perm |= IOPT_WRITE;
    }
    return perm;
}

static bool ref_refuses(const RefStage *s, const RefLeaf *leaf,
                        unsigned access, unsigned attrs)
{
    unsigned perm = ref_allows(s, leaf, attrs, false);

    return !perm || (access & ~perm);
}

static bool ref_second(RefWalk *rw, uint64_t ipa, RefLeaf *leaf, bool table)
{
    const RefStage *s = &rw->space->second;

    if (ipa >> (64 - s->p.tsz)) {
        return ref_fail(rw, IOPT_FAULT_RANGE, 0);
    }
    if (!ref_tables(rw, s, ipa, leaf)) {
        return false;
    }
    if (table && ref_refuses(s, leaf, IOPT_READ, IOPT_TABLE)) {
        return ref_fail(rw, IOPT_FAULT_PERMISSION, leaf->level);
    }
    return true;
}

/* The descriptor after @access, which succeeds. */
static uint64_t ref_updated(const RefStage *s, const RefLeaf *leaf,
                            unsigned access)
{
    uint64_t d = leaf->desc;

    if (s->p.flags & IOPT_ARMV8_HA) {
        d |= BIT(10);
    }
    if ((access & IOPT_WRITE) && ref_dirty_by_hardware(s, leaf)) {
        d = s->two ? d | BIT(7) : d & ~BIT(7);
    }
    return d;
}

static const RefStage *ref_range(const RefSpace *space, uint64_t *iova)
{
    const RefStage *s = &space->lower;
    uint64_t top = 0, va = *iova;
    unsigned bits;

    if (space->upper.on && (va & BIT(55))) {
        s = &space->upper;
        top = UINT64_MAX;
    }
    if (s->p.flags & IOPT_ARMV8_EPD) {
        return NULL;
    }
    bits = 64 - s->p.tsz;
    if (s->p.flags & IOPT_ARMV8_TBI) {
        va = (va & mask(56)) | (top & ~mask(56));
    }
    if ((va ^ top) & ~mask(bits)) {
        return NULL;
    }
    *iova = va & mask(bits);
    return s;
}

/* @rw: w, space and probe are given.  Returns: false and @rw->fault. */
static bool ref_translate(RefWalk *rw, uint64_t iova, unsigned access,
                          IOPTResult *out)
{
    const RefSpace *space = rw->space;
    const RefStage *s = ref_range(space, &iova), *t = &space->second;
    const RefLeaf *f = &rw->first;
    bool clean = !rw->probe && !(access & IOPT_WRITE);
    uint64_t ipa;

    memset(out, 0, sizeof(*out));
    if (!s) {
        return ref_fail(rw, IOPT_FAULT_RANGE, 0);
    }
    if (!ref_tables(rw, s, iova, &rw->first)) {
        return false;
    }
    if (ref_refuses(s, f, access, space->attrs)) {
        return ref_fail(rw, IOPT_FAULT_PERMISSION, f->level);
    }
    out->addr = f->out;
    out->shift = f->size;
    out->perm = ref_allows(s, f, space->attrs, clean);
    out->global = !s->two && !(f->desc & BIT(11));
    if (!space->second.on) {
        return out->perm || ref_fail(rw, IOPT_FAULT_PERMISSION, f->level);
    }

    if (access && ref_updated(s, f, access) != f->desc) {
        rw->table = rw->touched[rw->num_touched - 1];
        rw->table_written = true;
        if (ref_refuses(t, &rw->table, IOPT_WRITE, IOPT_TABLE)) {
            rw->fault = (RefFault) {
                .kind = IOPT_FAULT_PERMISSION, .level = rw->table.level,
                .second = true, .on_table = true, .table_write = true,
                .ipa = f->at,
            };
            return false;
        }
    }
    ipa = f->out + (iova & mask(f->size));
    if (!ref_second(rw, ipa, &rw->second, false) ||
        (ref_refuses(t, &rw->second, access, space->attrs) &&
         !ref_fail(rw, IOPT_FAULT_PERMISSION, rw->second.level))) {
        rw->fault.second = true;
        rw->fault.ipa = ipa;
        return false;
    }
    if (rw->table_written && rw->table.word == rw->second.word) {
        /* The table that was written made its own page dirty. */
        clean = false;
    }
    out->perm &= ref_allows(t, &rw->second, space->attrs, clean);
    if (!out->perm) {
        rw->fault.second = true;
        rw->fault.ipa = ipa;
        return ref_fail(rw, IOPT_FAULT_PERMISSION, rw->second.level);
    }
    out->shift = MIN(f->size, rw->second.size);
    out->addr = (rw->second.out + (ipa & mask(rw->second.size))) >>
                out->shift << out->shift;
    return true;
}

/* What the words that change become. */
static GArray *ref_writes(RefWalk *rw, uint64_t iova, unsigned access, bool ok)
{
    GArray *writes = g_array_new(false, false, sizeof(Write));
    const RefStage *t = &rw->space->second, *s;
    GHashTable *seen = g_hash_table_new(NULL, NULL);
    unsigned i, n = 0;
    struct {
        const RefStage *stage;
        RefLeaf *leaf;
        unsigned access;
    } use[16];

    for (i = 0; i < rw->num_touched; i++) {
        use[n++] = (typeof(use[0])) { t, &rw->touched[i], IOPT_READ };
    }
    s = ref_range(rw->space, &iova);
    if (ok) {
        use[n++] = (typeof(use[0])) { s, &rw->first, access };
        if (t->on) {
            use[n++] = (typeof(use[0])) { t, &rw->second, access };
        }
        if (rw->table_written) {
            use[n++] = (typeof(use[0])) { t, &rw->table, IOPT_WRITE };
        }
    }
    for (i = 0; i < n; i++) {
        uint64_t value = ref_updated(use[i].stage, use[i].leaf, use[i].access);
        gpointer index = g_hash_table_lookup(seen, use[i].leaf->word);
        Write write = { use[i].leaf->word, value };

        if (index) {
            /* Bits that are set in either, or cleared in either */
            Write *old = &g_array_index(writes, Write,
                                        GPOINTER_TO_UINT(index) - 1);
            uint64_t d = use[i].leaf->desc;

            old->old = d ^ ((d ^ old->old) | (d ^ value));
        } else if (value != use[i].leaf->desc) {
            g_array_append_val(writes, write);
            g_hash_table_insert(seen, write.word,
                                GUINT_TO_POINTER(writes->len));
        }
    }
    g_hash_table_destroy(seen);
    return writes;
}

/* Which fault, of which stage, on what; and what succeeded, by granules */
static unsigned seen_fault[IOPT_FAULT_ADDR_SIZE + 1][3];
static unsigned seen_ok[17][17], seen_writes, seen_range_leaves;

static void check_writes(World *w, RefWalk *rw, uint64_t iova,
                         unsigned access, bool ok)
{
    GArray *want = ref_writes(rw, iova, access, ok);
    GHashTable *changed = g_hash_table_new(NULL, NULL);
    unsigned i;

    for (i = 0; i < want->len; i++) {
        Write *write = &g_array_index(want, Write, i);

        g_assert_cmphex(*write->word & ~SOFTWARE, ==,
                        write->old & ~SOFTWARE);
        seen_writes++;
    }
    for (i = 0; i < w->writes->len; i++) {
        Write *write = &g_array_index(w->writes, Write, i);

        if ((*write->word ^ write->old) & ~SOFTWARE) {
            g_hash_table_add(changed, write->word);
        }
    }
    g_assert_cmpuint(g_hash_table_size(changed), ==, want->len);
    g_hash_table_destroy(changed);
    g_array_free(want, true);
}

/*
 * With the entries as they are, an access succeeds if it does so without an
 * update; a walk of the range that is this byte says so, too.
 */
static void check_as_is(World *w, const IOPTSpace *space, const RefSpace *ref,
                        uint64_t iova, unsigned rights, bool still)
{
    GArray *visits = g_array_new(false, false, sizeof(Visited));
    IOPTSpace with = *space;
    IOPTResult res;

    with.attrs = ref->attrs;
    g_assert_true(still == (iopt_space_walk(&with, iova, rights, as_is_mem(w),
                                            &res) == IOPT_OK));
    iopt_space_walk_range(&with, iova, iova, as_is_mem(w), record_visit,
                          visits);
    g_assert_cmpuint(w->writes->len, ==, 0);
    if (visits->len && iopt_space_iova(space, iova) == iova) {
        g_assert_true(still == !(rights & ~g_array_index(visits, Visited,
                                                         0).res.perm));
    }
    g_array_free(visits, true);
}

static void check_point(World *w, IOPTSpace *space, const RefSpace *ref,
                        uint64_t iova)
{
    unsigned access;

    for (access = 0; access < 8; access++) {
        RefWalk rw = { .w = w, .space = ref, .probe = access & 4 };
        unsigned rights = access & 3;
        IOPTResult got, want;
        IOPTFault fault;
        bool ok;

        if (!rights && !rw.probe) {
            continue;                    /* see test-iopt-armv8.c */
        }
        ok = ref_translate(&rw, iova, rights, &want);
        /* The attributes are the space's, or come with the access. */
        space->attrs = rand_below(w->rand, 2) ? ref->attrs : 0;
        fault = iopt_space_walk(space, iova, rights |
                                (space->attrs ? 0 : ref->attrs),
                                rw.probe ? probe_mem(w) : update_mem(w), &got);
        if (rw.aliased && !rw.probe) {
            /* What is updated may be what is read next. */
            world_undo(w);
            continue;
        }
        g_assert_cmpuint(fault, ==, rw.fault.kind);
        g_assert_true(ok == (fault == IOPT_OK));
        if (ok) {
            g_assert_cmphex(got.addr, ==, want.addr);
            g_assert_cmpuint(got.shift, ==, want.shift);
            g_assert_cmpuint(got.perm, ==, want.perm);
            g_assert_true(got.global == want.global);
            seen_ok[ref->lower.p.granule]
                   [ref->second.on ? ref->second.p.granule : 0]++;
        } else {
            g_assert_true(got.second == rw.fault.second);
            g_assert_true(got.on_table == rw.fault.on_table);
            g_assert_true(got.table_write == rw.fault.table_write);
            if (got.second) {
                g_assert_cmphex(got.ipa, ==, rw.fault.ipa);
            }
            if (fault != IOPT_FAULT_RANGE) {
                g_assert_cmpint(iopt_armv8_level(got.level), ==,
                                rw.fault.level);
            }
            if (fault == IOPT_FAULT_READ_TABLE) {
                g_assert_cmphex(got.fetch, ==, rw.fault.fetch);
            }
        }
        seen_fault[fault][got.second + got.on_table]++;
        if (rw.probe) {
            g_assert_cmpuint(w->writes->len, ==, 0);
        } else {
            bool still = ok && !w->writes->len;

            check_writes(w, &rw, iova, rights, ok);
            world_undo(w);
            check_as_is(w, space, ref, iova, rights, still);
        }
    }
}

/* Ranges: every visit is what a point walk finds, and nothing is left out. */

static void check_same(World *w, const RefSpace *ref, const Visited *v,
                       uint64_t iova)
{
    RefWalk rw = { .w = w, .space = ref, .probe = true };
    bool upper = ref->upper.on && (iova & BIT(55));
    const RefStage *s = upper ? &ref->upper : &ref->lower;
    IOPTResult want;

    if ((s->p.flags & IOPT_ARMV8_TBI) && iova >> 56 != (upper ? 0xff : 0)) {
        /* Of all its aliases one is visited. */
        g_assert_cmpuint(v->res.perm, ==, 0);
        return;
    }
    if (!ref_translate(&rw, iova, 0, &want)) {
        g_assert_cmpuint(v->res.perm, ==, 0);
        return;
    }
    g_assert_cmpuint(v->res.perm, ==, want.perm);
    g_assert_cmpuint(v->res.shift, ==, want.shift);
    g_assert_cmphex(v->res.addr, ==, want.addr);
    g_assert_true(v->res.global == want.global);
    /* One page, or the part of it that was asked for */
    g_assert_cmphex(v->first >> want.shift, ==, iova >> want.shift);
    g_assert_cmphex(v->last >> want.shift, ==, iova >> want.shift);
    seen_range_leaves++;
}

static void check_range(World *w, Rand *r, IOPTSpace *space,
                        const RefSpace *ref, uint64_t first, uint64_t last,
                        const uint64_t *iovas, unsigned num)
{
    GArray *visits = g_array_new(false, false, sizeof(Visited));
    uint64_t next = first;
    unsigned i;
    bool all;

    space->attrs = ref->attrs;
    space->table.max_reads = 150000;
    w->reads = 0;
    all = iopt_space_walk_range(space, first, last, probe_mem(w),
                                record_visit, visits);
    g_assert_cmpuint(w->reads, <=, space->table.max_reads);
    g_assert_true(all || w->reads == space->table.max_reads);
    for (i = 0; i < visits->len; i++) {
        Visited *v = &g_array_index(visits, Visited, i);
        bool unknown = !all && i == visits->len - 1;

        g_assert_cmphex(v->first, ==, next);
        g_assert_cmphex(v->last, >=, v->first);
        next = v->last + 1;
        if (unknown) {
            g_assert_cmpuint(v->res.perm, ==, 0);
        } else {
            check_same(w, ref, v, v->first);
            check_same(w, ref, v, v->last);
            check_same(w, ref, v, v->first +
                       rand64(r) % MAX(v->last - v->first, 1));
        }
        g_assert_true(v->res.unread == unknown);
        if (i && !v->res.perm && !unknown) {
            g_assert_cmpuint((v - 1)->res.perm, !=, 0);
        }
    }
    g_assert_cmphex(next, ==, last + 1);
    for (i = 0; i < num; i++) {
        unsigned low = 0, high = visits->len - 1;

        if (iovas[i] < first || iovas[i] > last) {
            continue;
        }
        while (low < high) {
            unsigned mid = (low + high + 1) / 2;

            if (g_array_index(visits, Visited, mid).first <= iovas[i]) {
                low = mid;
            } else {
                high = mid - 1;
            }
        }
        if (all || low < visits->len - 1) {
            check_same(w, ref, &g_array_index(visits, Visited, low), iovas[i]);
        }
    }
    g_array_free(visits, true);
    space->table.max_reads = 0;
}

/* Random tables */

/* Tables of stage 1 and 2, in bytes */
#ifdef TEST_RAND_INPUT
#define NUM_IOVAS    16
#define FIRST_AREA   BIT(17)
#define SECOND_AREA  BIT(17)
#else
#define NUM_IOVAS    256
#define FIRST_AREA   BIT(18)
#define SECOND_AREA  BIT(20)
#endif
#define AREA_ALIGN   BIT(30)

static unsigned pick(Rand *r, const unsigned *of, unsigned n)
{
    return of[rand_below(r, n)];
}

static const unsigned granules[] = { 12, 14, 16 };

static void random_stage(Rand *r, RefStage *s, IOPTTable *t, bool two)
{
    static const unsigned sizes[] = {
        32, 36, 42, 44, 48, 48, 48, 48, 48, 48, 48, 52, 52,
    };
    static const unsigned features[] = {
        0, 0, IOPT_ARMV8_AFFD, IOPT_ARMV8_HA, IOPT_ARMV8_HA,
        IOPT_ARMV8_HA | IOPT_ARMV8_HD, IOPT_ARMV8_HA | IOPT_ARMV8_HD,
        IOPT_ARMV8_HD, IOPT_ARMV8_HA | IOPT_ARMV8_AFFD,
    };
    static const unsigned extra[2][5] = {
        { IOPT_ARMV8_HPD, IOPT_ARMV8_WXN, IOPT_ARMV8_PAN,
          IOPT_ARMV8_ONE_PRIV, IOPT_ARMV8_TBI },
        { IOPT_ARMV8_XNX, IOPT_ARMV8_PTW, 0, 0, 0 },
    };
    IOPTArmv8Status status;
    unsigned i, bits, stride, flags = 0;

    for (i = 0; i < 5; i++) {
        flags |= rand_below(r, 3) ? 0 : extra[two][i];
    }
    flags |= pick(r, features, ARRAY_SIZE(features));
    flags |= rand_below(r, 2) ? IOPT_ARMV8_STT : 0;
    do {
        s->p = (IOPTArmv8Params) {
            .granule = pick(r, granules, 3),
            .tsz = 16 + rand_below(r, flags & IOPT_ARMV8_STT ? 33 : 24),
            .sl0 = rand_below(r, 4),
            .output_bits = pick(r, sizes, ARRAY_SIZE(sizes)),
            .pa_bits = 48,
            .flags = flags,
        };
        status = two ? iopt_armv8_stage2(t, &s->p) :
                       iopt_armv8_stage1(t, &s->p);
    } while (status != IOPT_ARMV8_OK);

    /* Where it starts: by counting up from level 3, or as SL0 says. */
    s->on = true;
    s->two = two;
    bits = 64 - s->p.tsz;
    stride = s->p.granule - 3;
    s->start = 3;
    if (two) {
        s->start = s->p.granule != 12 ? 3 - s->p.sl0 :
                   s->p.sl0 == 3 ? 3 : 2 - s->p.sl0;
    } else {
        while (s->p.granule + (4 - s->start) * stride < bits) {
            s->start--;
        }
    }
    s->start_bits = bits - ref_shift(s, s->start);
}

/* The indices that tables use: few, so that trees with loops stay small. */
static uint64_t used_index(Rand *r, unsigned bits)
{
    uint64_t n = BIT(bits);
    uint64_t used[] = { 0, 0, 1, n / 2, n - 1 };

    return MIN(used[rand_below(r, ARRAY_SIZE(used))], n - 1);
}

/* An address which those indices cover */
static uint64_t used_address(Rand *r, const RefStage *s)
{
    uint64_t address = rand64(r) & mask(s->p.granule);
    int level;

    for (level = s->start; level <= 3; level++) {
        address |= used_index(r, level == s->start ? s->start_bits :
                              s->p.granule - 3) << ref_shift(s, level);
    }
    return address;
}

static uint64_t random_attributes(Rand *r, bool two)
{
    uint64_t d = 0;

    d |= rand_below(r, two ? 12 : 5) ? BIT(10) : 0;  /* AF */
    d |= rand_below(r, 4) ? 0 : BIT(51);             /* DBM */
    d |= (uint64_t)(rand_below(r, 3) ? 0 : rand_below(r, 4)) << 53;
    d |= rand_below(r, 2) ? BIT(11) : 0;             /* nG */
    d |= (uint64_t)rand_below(r, 16) << 2;           /* MemAttr or the like */
    if (two) {
        d |= rand_below(r, 6) ? BIT(6) | BIT(7) : rand_below(r, 4) << 6;
        d = rand_below(r, 3) ? d | BIT(5) : d;
    } else {
        d |= (uint64_t)rand_below(r, 4) << 6;
    }
    d |= rand_below(r, 8) ? 0 : BIT(52) | BIT(16);   /* Contiguous, nT */
    d |= rand64(r) & SOFTWARE;
    if (rand_below(r, 4) == 0) {
        d |= (rand64(r) & 15) << 59;                 /* APTable and so on */
    }
    return d;
}

/* A page before stage 2, of @granule, that leads to memory if there is any */
static uint64_t mapped_page(Rand *r, World *w, const RefSpace *ref,
                            unsigned granule, unsigned tries)
{
    uint64_t ipa;

    do {
        RefWalk rw = { .w = w, .space = ref };
        RefLeaf leaf;

        ipa = used_address(r, &ref->second) >> granule << granule;
        if (ref_second(&rw, ipa, &leaf, true) &&
            area_has(&w->area[0], leaf.out + (ipa & mask(leaf.size)))) {
            break;
        }
    } while (tries--);
    return ipa;
}

static uint64_t random_descriptor(Rand *r, World *w, const RefSpace *ref,
                                  const RefStage *s)
{
    unsigned g = s->p.granule;
    uint64_t d = random_attributes(r, s->two);
    /* Where other tables of this stage are, as this stage knows them */
    uint64_t other, area = w->area[0].base;

    if (!s->two && ref->second.on) {
        other = mapped_page(r, w, ref, g, rand_below(r, 20));
        other += (uint64_t)(rand_below(r, 4) ? 0 : rand_below(r, 4)) << g;
    } else if (s->two && s != &ref->lower) {
        other = w->area[1].base +
                ((uint64_t)rand_below(r, w->area[1].words * 8 >> g) << g);
        /* Sometimes to where there is no memory */
        other ^= rand_below(r, 16) ? 0 : BIT(40);
    } else {
        other = area + ((uint64_t)rand_below(r, FIRST_AREA >> g) << g);
    }
    switch (rand_below(r, 16)) {
    case 0:
        return rand_below(r, 2) ? 0 : rand64(r) & ~1ull;
    case 1:
        return rand64(r) & (rand_below(r, 2) ? UINT64_MAX : mask(52));
    case 2 ... 3:                        /* a page, if at level 3 */
        d = (d & ~(mask(48) ^ mask(12))) | (rand64(r) & mask(44)) >> g << g;
        return d | 3;
    case 4 ... 6:                        /* a block */
        d &= ~mask(48) | mask(12);
        if (s->two && rand_below(r, 8)) {
            return d | area | 1;
        }
        return d | (rand64(r) & mask(44)) >> 29 << 29 | 1;
    case 7 ... 10:                       /* stage 2: to tables of stage 1 */
        if (s->two) {
            d &= ~mask(48) | mask(12);
            return d | area | 3 |
                   (uint64_t)(rand_below(r, FIRST_AREA >> 16)) << 16;
        }
        /* fall through */
    default:
        d &= ~mask(48) | mask(12);
        return d | other | 3;
    }
}

static void fill_table(Rand *r, World *w, const RefSpace *ref,
                       const RefStage *s, uint64_t *word, unsigned bits)
{
    unsigned i;

    for (i = 0; i < 12; i++) {
        word[used_index(r, bits)] = random_descriptor(r, w, ref, s);
    }
}

/* Tables of @s all over @area, of both sizes that it has */
static void fill_area(Rand *r, World *w, const RefSpace *ref,
                      const RefStage *s, Area *area)
{
    unsigned entries = BIT(s->p.granule - 3);
    unsigned i;

    for (i = 0; i + entries <= area->words; i += entries) {
        fill_table(r, w, ref, s, area->word + i, s->p.granule - 3);
        if (s->start_bits < s->p.granule - 3) {
            fill_table(r, w, ref, s, area->word + i, s->start_bits);
        }
    }
}

static uint64_t sign_extended(const RefSpace *ref, bool upper, uint64_t iova)
{
    return upper ? iova | ~mask(64 - ref->upper.p.tsz) : iova;
}

static uint64_t random_iova(Rand *r, const RefSpace *ref)
{
    bool upper = ref->upper.on && rand_below(r, 2);
    uint64_t iova = used_address(r, upper ? &ref->upper : &ref->lower);

    iova = sign_extended(ref, upper, iova);
    if (rand_below(r, 8) == 0) {
        iova ^= (rand64(r) & 0xff) << 56;
    }
    if (rand_below(r, 16) == 0) {
        iova ^= BIT(rand_below(r, 64));
    }
    return rand_below(r, 32) ? iova : rand64(r);
}

/* A root of a first stage, where its tables may be */
static void random_root(Rand *r, World *w, const RefSpace *ref, RefStage *s,
                        IOPTTable *t)
{
    if (s->two && s != &ref->second) {
        /* The only stage: its tables are in the first area. */
        s->p.ttb = w->area[0].base;
    } else if (s->two) {
        s->p.ttb = w->area[1].base;
    } else if (!ref->second.on) {
        s->p.ttb = w->area[0].base +
            ((uint64_t)rand_below(r, FIRST_AREA >> s->p.granule) <<
             s->p.granule);
    } else {
        s->p.ttb = mapped_page(r, w, ref, s->p.granule, 50);
    }
    s->p.ttb |= rand64(r) & mask(s->start_bits + 3);
    if (s->two) {
        iopt_armv8_stage2(t, &s->p);
    } else {
        iopt_armv8_stage1(t, &s->p);
    }
}

/* @kind: 1: stage 1 only; 2: stage 2 only; 3: both */
static void run_random(Rand *r, unsigned kind)
{
    RefSpace ref = { 0 };
    IOPTSpace space = { 0 };
    uint64_t iovas[NUM_IOVAS], first_bytes = FIRST_AREA;
    unsigned i;
    World w;

    world_init(&w, r);
    random_stage(r, &ref.lower, &space.table, kind == 2);
    if (kind == 2) {
        first_bytes = MAX(first_bytes, BIT(ref.lower.start_bits + 3));
    } else {
        if (rand_below(r, 2)) {
            random_stage(r, &ref.upper, &space.upper, false);
            /* The tables of both halves are in one area. */
            if (ref.upper.p.granule != ref.lower.p.granule) {
                space.upper.format = NULL;
                ref.upper.on = false;
            }
        }
        if (kind == 3) {
            random_stage(r, &ref.second, &space.second, true);
        }
    }
    ref.attrs = space.attrs = rand_below(r, 4) << 2;

    world_area(&w, 0, AREA_ALIGN * (1 + rand_below(r, 63)), first_bytes);
    world_area(&w, 1, AREA_ALIGN * (64 + rand_below(r, 64)),
               MAX(SECOND_AREA, BIT(ref.second.start_bits + 3)) + FIRST_AREA);
    if (kind == 3) {
        fill_area(r, &w, &ref, &ref.second, &w.area[1]);
        fill_table(r, &w, &ref, &ref.second, w.area[1].word,
                   ref.second.start_bits);
        random_root(r, &w, &ref, &ref.second, &space.second);
    }
    fill_area(r, &w, &ref, &ref.lower, &w.area[0]);
    if (kind == 2) {
        fill_table(r, &w, &ref, &ref.lower, w.area[0].word,
                   ref.lower.start_bits);
    }
    random_root(r, &w, &ref, &ref.lower, &space.table);
    if (ref.upper.on) {
        random_root(r, &w, &ref, &ref.upper, &space.upper);
    }

    for (i = 0; i < ARRAY_SIZE(iovas); i++) {
        w.meddle = i % 2 ? 2 : 0;
        iovas[i] = random_iova(r, &ref);
        check_point(&w, &space, &ref, iovas[i]);
    }
    check_range(&w, r, &space, &ref, 0, UINT64_MAX, iovas, ARRAY_SIZE(iovas));
    for (i = 0; i < 3; i++) {
        uint64_t a = iovas[rand_below(r, ARRAY_SIZE(iovas))];
        uint64_t size = mask(12 + rand_below(r, 20));

        if (a + size > a) {
            check_range(&w, r, &space, &ref, a, a + size, iovas,
                        ARRAY_SIZE(iovas));
        }
    }
    world_free(&w);
}

#endif

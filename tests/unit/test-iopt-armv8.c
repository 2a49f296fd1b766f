/*
 * Unit tests of the Armv8 table formats and of walks through two stages
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The reference below is written from DDI 0487 D8 again, in the
 * architecture's own terms (levels 0 to 3) and without a look at the walker:
 * first it finds out what an access meets, then which descriptors change.
 */
#include "qemu/osdep.h"
#include "hw/iommu/iopt-armv8.h"
#include "test-common.h"

#define BIT(n) (1ull << (n))

static uint64_t mask(unsigned bits)
{
    return bits >= 64 ? UINT64_MAX : BIT(bits) - 1;
}

/* Memory: two areas, one for the tables of each stage. */

typedef struct Area {
    uint64_t base;
    unsigned words;
    uint64_t *word;
} Area;

typedef struct Write {
    uint64_t *word;
    uint64_t old;
} Write;

typedef struct World {
    Area area[2];
    Rand *rand;
    unsigned meddle;             /* 1 of so many updates meets a change */
    bool read_only;              /* no update succeeds */
    GArray *writes;
    uint64_t reads;
} World;

static bool area_has(const Area *area, uint64_t addr)
{
    return (addr - area->base) / 8 < area->words;
}

static uint64_t *world_word(World *w, uint64_t addr)
{
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(w->area); i++) {
        Area *area = &w->area[i];

        if (area_has(area, addr)) {
            return &area->word[(addr - area->base) / 8];
        }
    }
    return NULL;
}

static bool world_read(void *opaque, uint64_t addr, uint64_t *entry)
{
    World *w = opaque;
    uint64_t *word = world_word(w, addr);

    w->reads++;
    g_assert_cmpuint(addr % 8, ==, 0);
    if (!word) {
        return false;
    }
    *entry = *word;
    return true;
}

/* Bits that the architecture leaves to software */
#define SOFTWARE (BIT(55) | BIT(56) | BIT(57) | BIT(58))

static bool world_update(void *opaque, uint64_t addr, uint64_t *expected,
                         uint64_t value)
{
    World *w = opaque;
    uint64_t *word = world_word(w, addr);
    Write write;

    g_assert_nonnull(word);
    if (w->read_only) {
        return false;
    }
    write = (Write) { word, *word };
    g_array_append_val(w->writes, write);
    if (w->meddle && rand_below(w->rand, w->meddle) == 0) {
        *word ^= BIT(55 + rand_below(w->rand, 4));
    }
    if (*word != *expected) {
        *expected = *word;
        return true;
    }
    g_assert_cmphex(value, !=, *word);
    *word = value;
    return true;
}

static const IOPTMem *probe_mem(World *w)
{
    static IOPTMem mem = { .read = world_read };

    mem.opaque = w;
    return &mem;
}

static const IOPTMem *update_mem(World *w)
{
    static IOPTMem mem = { .read = world_read, .update = world_update };

    mem.opaque = w;
    return &mem;
}

static void world_undo(World *w)
{
    while (w->writes->len) {
        Write *write = &g_array_index(w->writes, Write, w->writes->len - 1);

        *write->word = write->old;
        g_array_set_size(w->writes, w->writes->len - 1);
    }
}

static void world_init(World *w, Rand *r)
{
    *w = (World) {
        .rand = r,
        .writes = g_array_new(false, false, sizeof(Write)),
    };
}

static void world_area(World *w, unsigned i, uint64_t base, uint64_t bytes)
{
    w->area[i] = (Area) {
        .base = base, .words = bytes / 8, .word = g_new0(uint64_t, bytes / 8),
    };
}

static void world_free(World *w)
{
    g_free(w->area[0].word);
    g_free(w->area[1].word);
    g_array_free(w->writes, true);
}

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
    bool second, on_table;
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
                .second = true, .on_table = true, .ipa = f->at,
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

static void check_point(World *w, const IOPTSpace *space,
                        const RefSpace *ref, uint64_t iova)
{
    unsigned access;

    for (access = 0; access < 8; access++) {
        RefWalk rw = { .w = w, .space = ref, .probe = access & 4 };
        unsigned rights = access & 3;
        IOPTResult got, want;
        IOPTFault fault;
        bool ok;

        if (!rights && !rw.probe) {
            continue;                    /* see test_look() */
        }
        ok = ref_translate(&rw, iova, rights, &want);
        fault = iopt_space_walk(space, iova, rights,
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
            check_writes(w, &rw, iova, rights, ok);
            world_undo(w);
        }
    }
}

/* Ranges: every visit is what a point walk finds, and nothing is left out. */

typedef struct Visited {
    uint64_t first, last;
    IOPTResult res;
} Visited;

static bool record_visit(void *opaque, uint64_t first, uint64_t last,
                         const IOPTResult *res)
{
    GArray *array = opaque;
    Visited v = { first, last, *res };

    g_array_append_val(array, v);
    return true;
}

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
        if (i && !v->res.perm) {
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

#define FIRST_AREA   BIT(18)                 /* tables of stage 1, bytes */
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
    case 2:
    case 3:                              /* a page, if at level 3 */
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
    uint64_t iovas[256], first_bytes = FIRST_AREA;
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
               MAX(BIT(20), BIT(ref.second.start_bits + 3)) + BIT(18));
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

static void test_random(gconstpointer kind)
{
    Rand r = rand_new();
    unsigned i, j, n = GPOINTER_TO_UINT(kind);

    memset(seen_fault, 0, sizeof(seen_fault));
    memset(seen_ok, 0, sizeof(seen_ok));
    seen_writes = seen_range_leaves = 0;
    for (i = 0; i < rounds(n == 3 ? 600 : 150); i++) {
        run_random(&r, n);
    }
    for (i = 0; i <= IOPT_FAULT_ADDR_SIZE; i++) {
        g_test_message("result %u: %u, stage 2 %u, on a table %u", i,
                       seen_fault[i][0], seen_fault[i][1], seen_fault[i][2]);
        if (i == IOPT_FAULT_RESERVED) {
            continue;
        }
        g_assert_cmpuint(seen_fault[i][0], >, 0);
        /* The rarest of them take more rounds. */
        if (n == 3 && i != IOPT_OK && g_test_thorough()) {
            g_assert_cmpuint(seen_fault[i][1], >, 0);
            g_assert_cmpuint(seen_fault[i][2], >, 0);
        }
    }
    for (i = 12; i <= 16; i += 2) {
        for (j = n == 3 ? 12 : 0; j <= (n == 3 ? 16 : 0); j += 2) {
            g_test_message("granules %u, %u: %u", i, j, seen_ok[i][j]);
            g_assert_cmpuint(seen_ok[i][j], >, 0);
        }
    }
    g_test_message("%u writes, %u leaves in ranges", seen_writes,
                   seen_range_leaves);
    g_assert_cmpuint(seen_writes, >, 0);
    g_assert_cmpuint(seen_range_leaves, >, 0);
}

/* By hand, with the bits of DDI 0487 as numbers */

#define AREA0 BIT(30)
#define AREA1 BIT(36)

static void hand_world(World *w)
{
    world_init(w, NULL);
    world_area(w, 0, AREA0, 8 * BIT(16));
    world_area(w, 1, AREA1, 8 * BIT(16));
}

static void put(World *w, uint64_t table, uint64_t index, uint64_t desc)
{
    *world_word(w, table + 8 * index) = desc;
}

static IOPTFault walk_at(World *w, const IOPTSpace *space, uint64_t iova,
                         unsigned access, IOPTResult *res)
{
    return iopt_space_walk(space, iova, access, update_mem(w), res);
}

/* Leaves and no leaves, of each granule at each level */
static void test_leaves(void)
{
    static const struct {
        unsigned granule, level, shift;
    } leaves[] = {
        { 12, 0, 0 }, { 12, 1, 30 }, { 12, 2, 21 }, { 12, 3, 12 },
        { 14, 0, 0 }, { 14, 1, 0 }, { 14, 2, 25 }, { 14, 3, 14 },
        { 16, 1, 0 }, { 16, 2, 29 }, { 16, 3, 16 },
    };
    /* AF, and read and write for whoever it is */
    static const uint64_t attributes[2] = { BIT(10) | BIT(6),
                                            BIT(10) | BIT(6) | BIT(7) };
    unsigned i, stage;

    for (i = 0; i < ARRAY_SIZE(leaves); i++) {
        for (stage = 0; stage < 2; stage++) {
            unsigned g = leaves[i].granule, stride = g - 3, level;
            /* 4K: level 0; 16K: stage 1 level 0, stage 2 level 1 (SL0) */
            unsigned start = g == 12 ? 0 : g == 14 && !stage ? 0 : 1;
            uint64_t attr = attributes[stage];
            IOPTArmv8Params p = {
                .granule = g,
                .tsz = 16,
                .sl0 = 2,
                .ttb = AREA0,
                .output_bits = 48,
                .pa_bits = 48,
            };
            IOPTSpace space = { 0 };
            uint64_t iova = 0x321, out;
            IOPTResult res;
            World w;

            if (leaves[i].level < start) {
                continue;
            }
            hand_world(&w);
            g_assert_cmpint(stage ? iopt_armv8_stage2(&space.table, &p) :
                            iopt_armv8_stage1(&space.table, &p), ==,
                            IOPT_ARMV8_OK);
            g_assert_cmpuint(space.table.levels, ==, 4 - start);
            for (level = start; level <= leaves[i].level; level++) {
                uint64_t next = AREA0 + (level - start + 1) * BIT(16);
                unsigned shift = g + (3 - level) * stride;

                iova |= 1ull << shift;
                put(&w, AREA0 + (level - start) * BIT(16), 1,
                    level < leaves[i].level ? next | 3 : 0);
            }
            level = leaves[i].level;
            out = 0xabcull << 32;
            /* Bits that are no address: 51:48, those below it, nT, DBM. */
            put(&w, AREA0 + (level - start) * BIT(16), 1,
                out | attr | BIT(48) | BIT(51) | BIT(52) |
                (level == 3 ? 3 : 1 | BIT(16)) | (g == 16 ? 0xf000 : 0));
            if (leaves[i].shift) {
                g_assert_cmpuint(walk_at(&w, &space, iova, 3, &res), ==,
                                 IOPT_OK);
                g_assert_cmphex(res.addr, ==, out);
                g_assert_cmpuint(res.shift, ==, leaves[i].shift);
                g_assert_cmpuint(res.perm, ==, IOPT_READ | IOPT_WRITE);
                g_assert_cmpuint(iopt_armv8_level(res.level), ==, level);
                g_assert_true(res.global == !stage);
            } else {
                g_assert_cmpuint(walk_at(&w, &space, iova, 1, &res), ==,
                                 IOPT_FAULT_NOT_PRESENT);
            }
            if (level == 3) {
                /* 0b01 is reserved here. */
                put(&w, AREA0 + (level - start) * BIT(16), 1, out | attr | 1);
                g_assert_cmpuint(walk_at(&w, &space, iova, 1, &res), ==,
                                 IOPT_FAULT_NOT_PRESENT);
            }
            put(&w, AREA0 + (level - start) * BIT(16), 1, out | attr | 2);
            g_assert_cmpuint(walk_at(&w, &space, iova, 1, &res), ==,
                             IOPT_FAULT_NOT_PRESENT);
            g_assert_cmpuint(iopt_armv8_level(res.level), ==, level);
            world_free(&w);
        }
    }
}

/* Which parameters make a table */
static void test_stage1_params(void)
{
    static const struct {
        IOPTArmv8Params p;
        IOPTArmv8Status status;
        unsigned levels;
        uint64_t root;
    } cases[] = {
        { { 12, 16, 0, 0x12345678, 48 }, IOPT_ARMV8_OK, 4, 0x12345000 },
        { { 12, 25, 0, 0x12345678, 48 }, IOPT_ARMV8_OK, 3, 0x12345000 },
        { { 12, 24, 0, 0x12345678, 48 }, IOPT_ARMV8_OK, 4, 0x12345670 },
        { { 12, 39, 0, 0x12345678, 48 }, IOPT_ARMV8_OK, 2, 0x12345600 },
        { { 14, 16, 0, 0x12345678, 48 }, IOPT_ARMV8_OK, 4, 0x12345670 },
        { { 14, 17, 0, 0x12345678, 48 }, IOPT_ARMV8_OK, 3, 0x12344000 },
        { { 16, 16, 0, 0x12345678, 48 }, IOPT_ARMV8_OK, 3, 0x12345600 },
        { { 16, 22, 0, 0x12345678, 48 }, IOPT_ARMV8_OK, 2, 0x12340000 },
        { { 16, 39, 0, 0x12345678, 48 }, IOPT_ARMV8_OK, 1, 0x12345000 },
        { { 13, 16, 0, 0, 48 }, IOPT_ARMV8_BAD_GRANULE },
        { { 0, 16, 0, 0, 48 }, IOPT_ARMV8_BAD_GRANULE },
        { { 12, 15, 0, 0, 48 }, IOPT_ARMV8_BAD_SIZE },
        { { 12, 40, 0, 0, 48 }, IOPT_ARMV8_BAD_SIZE },
        { { 16, 12, 0, 0, 52 }, IOPT_ARMV8_BAD_SIZE },
        { { 12, 48, 0, 0, 48, 0, IOPT_ARMV8_STT }, IOPT_ARMV8_OK, 1 },
        { { 12, 49, 0, 0, 48, 0, IOPT_ARMV8_STT }, IOPT_ARMV8_BAD_SIZE },
        { { 16, 47, 0, 0, 48, 0, IOPT_ARMV8_STT }, IOPT_ARMV8_OK, 1 },
        { { 16, 48, 0, 0, 48, 0, IOPT_ARMV8_STT }, IOPT_ARMV8_BAD_SIZE },
        { { 12, 16, 0, BIT(44), 44 }, IOPT_ARMV8_BAD_TTB, 4, BIT(44) },
        { { 12, 16, 0, BIT(50), 52 }, IOPT_ARMV8_BAD_TTB, 4, BIT(50) },
        { { 12, 16, 0, BIT(43), 44 }, IOPT_ARMV8_OK, 4, BIT(43) },
        { { 99, 99, 0, 0, 48, 0, IOPT_ARMV8_EPD }, IOPT_ARMV8_OK, 1 },
    };
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(cases); i++) {
        IOPTSpace space = { 0 };
        IOPTResult res;
        IOPTFault fault;
        World w;

        hand_world(&w);
        g_test_message("case %u", i);
        g_assert_cmpint(iopt_armv8_stage1(&space.table, &cases[i].p), ==,
                        cases[i].status);
        fault = walk_at(&w, &space, 0, IOPT_READ, &res);
        if (cases[i].levels && !(cases[i].p.flags & IOPT_ARMV8_EPD)) {
            g_assert_cmpuint(space.table.levels, ==, cases[i].levels);
            g_assert_cmphex(space.table.root, ==, cases[i].root);
            g_assert_cmpuint(fault, ==,
                             cases[i].status == IOPT_ARMV8_BAD_TTB ?
                             IOPT_FAULT_ADDR_SIZE : IOPT_FAULT_READ_TABLE);
            g_assert_cmpuint(res.level, ==, cases[i].levels);
            g_assert_cmphex(res.fetch, ==, fault == IOPT_FAULT_READ_TABLE ?
                            cases[i].root : 0);
        } else {
            g_assert_cmpuint(fault, ==, IOPT_FAULT_RANGE);
        }
        world_free(&w);
    }
}

static void test_stage2_params(void)
{
    unsigned g, tsz, sl0, pa, stt, ok = 0;

    for (g = 12; g <= 16; g += 2) {
        for (tsz = 0; tsz < 64; tsz++) {
            for (sl0 = 0; sl0 < 4; sl0++) {
                for (pa = 32; pa <= 52; pa += 4) {
                    for (stt = 0; stt < 2; stt++) {
                        IOPTArmv8Params p = {
                            g, tsz, sl0, 0, 48, pa,
                            stt ? IOPT_ARMV8_STT : 0,
                        };
                        /* The architecture's table of start levels */
                        int start = g == 12 ? (sl0 == 3 ? 3 : 2 - (int)sl0) :
                                    3 - (int)sl0;
                        unsigned top = stt ? (g == 16 ? 47 : 48) : 39;
                        unsigned low = g + (3 - start) * (g - 3);
                        bool size = tsz >= 64 - MIN(pa, 48) && tsz <= top;
                        bool level = g == 12 ? sl0 < 3 || stt : sl0 < 3;
                        IOPTTable t;
                        IOPTArmv8Status status = iopt_armv8_stage2(&t, &p);

                        /* Start levels that small memory does not have */
                        level &= !(g == 12 && sl0 == 2 && pa <= 42) &&
                                 !(g == 14 && sl0 == 2 && pa <= 40) &&
                                 !(g == 16 && sl0 == 2 && pa <= 42);
                        /* One entry is too few, and 17 tables too many. */
                        level &= 64 - tsz > low && 64 - tsz <= low + g + 1;
                        g_assert_cmpint(status, ==, !size ?
                                        IOPT_ARMV8_BAD_SIZE : !level ?
                                        IOPT_ARMV8_BAD_START : IOPT_ARMV8_OK);
                        g_assert_true(t.disabled == (status != 0));
                        if (!status) {
                            ok++;
                            g_assert_cmpint(t.levels, ==, 4 - start);
                            g_assert_cmpuint(t.input_bits, ==, 64 - tsz);
                        }
                    }
                }
            }
        }
    }
    g_assert_cmpuint(ok, >, 100);
    g_assert_cmpuint(iopt_armv8_tg0(0), ==, 12);
    g_assert_cmpuint(iopt_armv8_tg0(1), ==, 16);
    g_assert_cmpuint(iopt_armv8_tg0(2), ==, 14);
    g_assert_cmpuint(iopt_armv8_tg0(3), ==, 0);
    g_assert_cmpuint(iopt_armv8_tg1(0), ==, 0);
    g_assert_cmpuint(iopt_armv8_tg1(1), ==, 14);
    g_assert_cmpuint(iopt_armv8_tg1(2), ==, 12);
    g_assert_cmpuint(iopt_armv8_tg1(3), ==, 16);
    g_assert_cmpuint(iopt_armv8_pa_bits(0), ==, 32);
    g_assert_cmpuint(iopt_armv8_pa_bits(5), ==, 48);
    g_assert_cmpuint(iopt_armv8_pa_bits(7), ==, 52);
}

/*
 * Two stages of 4K: stage 1 of one level (STT) at IPA 0x1000, stage 2 of two
 * levels whose level 2 entry 0 leads to a table of pages.  IPA page 1 is the
 * stage 1 table, IPA page 2 its only page's output.
 */
typedef struct Hand {
    World w;
    IOPTSpace space;
    uint64_t *s1, *s2_table, *s2_page;   /* descriptors */
} Hand;

#define S1_LEAF  (0x2000 | BIT(10) | BIT(6) | 3)
#define S2_TABLE (AREA0 | BIT(10) | BIT(7) | BIT(6) | BIT(5) | 3)
#define S2_PAGE  (0xabcd000 | BIT(10) | BIT(7) | BIT(6) | 3)

static void hand_nested(Hand *h, unsigned flags1, unsigned flags2)
{
    IOPTArmv8Params one = { 12, 44, 0, 0x1000, 48, 48,
                            flags1 | IOPT_ARMV8_STT };
    IOPTArmv8Params two = { 12, 34, 0, AREA1, 48, 48, flags2 };

    memset(h, 0, sizeof(*h));
    hand_world(&h->w);
    g_assert_cmpint(iopt_armv8_stage1(&h->space.table, &one), ==, 0);
    g_assert_cmpint(iopt_armv8_stage2(&h->space.second, &two), ==, 0);
    g_assert_cmpuint(h->space.table.levels, ==, 1);
    g_assert_cmpuint(h->space.second.levels, ==, 2);
    put(&h->w, AREA1, 0, (AREA1 + 0x10000) | 3);
    put(&h->w, AREA1 + 0x10000, 1, S2_TABLE);
    put(&h->w, AREA1 + 0x10000, 2, S2_PAGE);
    put(&h->w, AREA0, 5, S1_LEAF);
    h->s1 = world_word(&h->w, AREA0 + 40);
    h->s2_table = world_word(&h->w, AREA1 + 0x10008);
    h->s2_page = world_word(&h->w, AREA1 + 0x10010);
}

#define HAND_IOVA 0x5123

static IOPTFault hand_walk(Hand *h, unsigned access, IOPTResult *res)
{
    return walk_at(&h->w, &h->space, HAND_IOVA, access, res);
}

static IOPTFault hand_probe(Hand *h, unsigned access, IOPTResult *res)
{
    return iopt_space_walk(&h->space, HAND_IOVA, access, probe_mem(&h->w),
                           res);
}

static void test_nested_faults(void)
{
    IOPTResult res;
    Hand h;

    hand_nested(&h, 0, 0);
    g_assert_cmpuint(hand_walk(&h, 3, &res), ==, IOPT_OK);
    g_assert_cmphex(res.addr, ==, 0xabcd000);
    g_assert_cmpuint(res.shift, ==, 12);
    g_assert_true(res.global);

    /* Stage 2 says no to the page; then both do, and stage 1 is first. */
    *h.s2_page &= ~BIT(7);
    g_assert_cmpuint(hand_walk(&h, 1, &res), ==, IOPT_OK);
    g_assert_cmpuint(res.perm, ==, IOPT_READ);
    g_assert_cmpuint(hand_walk(&h, 2, &res), ==, IOPT_FAULT_PERMISSION);
    g_assert_true(res.second && !res.on_table);
    g_assert_cmphex(res.ipa, ==, 0x2123);
    *h.s1 |= BIT(7);
    g_assert_cmpuint(hand_walk(&h, 2, &res), ==, IOPT_FAULT_PERMISSION);
    g_assert_true(!res.second);

    /* The Access flag is before permissions, an address size before it. */
    *h.s2_page = 0xabcd003;
    g_assert_cmpuint(hand_walk(&h, 1, &res), ==, IOPT_FAULT_ACCESS_FLAG);
    g_assert_true(res.second && !res.on_table);
    h.space.second.output_bits = 27;
    g_assert_cmpuint(hand_walk(&h, 1, &res), ==, IOPT_FAULT_ADDR_SIZE);
    h.space.second.output_bits = 48;
    *h.s1 &= ~BIT(10);
    g_assert_cmpuint(hand_walk(&h, 1, &res), ==, IOPT_FAULT_ACCESS_FLAG);
    g_assert_true(!res.second);

    /* Stage 2 says no to the table: before anything in it. */
    *h.s2_table &= ~BIT(6);
    g_assert_cmpuint(hand_walk(&h, 1, &res), ==, IOPT_FAULT_PERMISSION);
    g_assert_true(res.second && res.on_table);
    g_assert_cmphex(res.ipa, ==, 0x1028);
    *h.s2_table = 0;
    g_assert_cmpuint(hand_walk(&h, 1, &res), ==, IOPT_FAULT_NOT_PRESENT);
    g_assert_true(res.second && res.on_table);

    /* The table leads where nothing can be read: no fault of stage 2's. */
    *h.s2_table = S2_TABLE ^ BIT(40);
    g_assert_cmpuint(hand_walk(&h, 1, &res), ==, IOPT_FAULT_READ_TABLE);
    g_assert_true(!res.second);
    g_assert_cmphex(res.fetch, ==, (AREA0 ^ BIT(40)) + 0x28);
    put(&h.w, AREA1, 0, (AREA1 ^ BIT(40)) | 3);
    g_assert_cmpuint(hand_walk(&h, 1, &res), ==, IOPT_FAULT_READ_TABLE);
    g_assert_true(res.second && res.on_table);
    g_assert_cmphex(res.fetch, ==, (AREA1 ^ BIT(40)) + 8);

    /* Stage 1's output is beyond stage 2's input. */
    put(&h.w, AREA1, 0, (AREA1 + 0x10000) | 3);
    *h.s2_table = S2_TABLE;
    *h.s1 = S1_LEAF | BIT(30);
    g_assert_cmpuint(hand_walk(&h, 1, &res), ==, IOPT_FAULT_RANGE);
    g_assert_true(res.second && !res.on_table);
    g_assert_cmphex(res.ipa, ==, BIT(30) | 0x2123);

    /* Device memory holds tables unless it is protected. */
    *h.s1 = S1_LEAF;
    *h.s2_page = S2_PAGE;
    *h.s2_table &= ~BIT(5);
    g_assert_cmpuint(hand_walk(&h, 1, &res), ==, IOPT_OK);
    h.space.second.flags |= IOPT_ARMV8_PTW;
    g_assert_cmpuint(hand_walk(&h, 1, &res), ==, IOPT_FAULT_PERMISSION);
    g_assert_true(res.second && res.on_table);
    g_assert_cmpuint(h.w.writes->len, ==, 0);
    world_free(&h.w);
}

static void test_nested_updates(void)
{
    IOPTResult res;
    Hand h;

    hand_nested(&h, IOPT_ARMV8_HA | IOPT_ARMV8_HD,
                IOPT_ARMV8_HA | IOPT_ARMV8_HD);
    /* All clean, and never accessed */
    *h.s1 = (S1_LEAF | BIT(51) | BIT(7)) & ~BIT(10);
    *h.s2_table = (S2_TABLE | BIT(51)) & ~BIT(10) & ~BIT(7);
    *h.s2_page = (S2_PAGE | BIT(51)) & ~BIT(10) & ~BIT(7);

    /* A probe says that it could, and touches nothing. */
    g_assert_cmpuint(hand_probe(&h, 2, &res), ==, IOPT_OK);
    g_assert_cmpuint(res.perm, ==, 3);
    g_assert_cmpuint(h.w.writes->len, ==, 0);

    /* Read: accessed; the page of the table is dirty, because of that. */
    g_assert_cmpuint(hand_walk(&h, 1, &res), ==, IOPT_OK);
    g_assert_cmpuint(res.perm, ==, IOPT_READ);
    g_assert_cmphex(*h.s1, ==, S1_LEAF | BIT(51) | BIT(7));
    g_assert_cmphex(*h.s2_table, ==, S2_TABLE | BIT(51));
    g_assert_cmphex(*h.s2_page, ==, (S2_PAGE | BIT(51)) & ~BIT(7));
    g_array_set_size(h.w.writes, 0);
    g_assert_cmpuint(hand_walk(&h, 1, &res), ==, IOPT_OK);
    g_assert_cmpuint(h.w.writes->len, ==, 0);

    /* Write: dirty in both, once. */
    g_assert_cmpuint(hand_walk(&h, 2, &res), ==, IOPT_OK);
    g_assert_cmpuint(res.perm, ==, 3);
    g_assert_cmphex(*h.s1, ==, S1_LEAF | BIT(51));
    g_assert_cmphex(*h.s2_page, ==, S2_PAGE | BIT(51));
    g_array_set_size(h.w.writes, 0);
    g_assert_cmpuint(hand_walk(&h, 3, &res), ==, IOPT_OK);
    g_assert_cmpuint(h.w.writes->len, ==, 0);

    /* Stage 2 refuses the write: stage 1 does not become dirty. */
    *h.s1 |= BIT(7);
    *h.s2_page = (S2_PAGE) & ~BIT(7);
    g_assert_cmpuint(hand_walk(&h, 2, &res), ==, IOPT_FAULT_PERMISSION);
    g_assert_true(res.second && !res.on_table);
    g_assert_cmpuint(h.w.writes->len, ==, 0);

    /* Stage 2 does not let the table be written. */
    *h.s2_page = S2_PAGE;
    *h.s2_table = S2_TABLE & ~BIT(7);
    g_assert_cmpuint(hand_walk(&h, 2, &res), ==, IOPT_FAULT_PERMISSION);
    g_assert_true(res.second && res.on_table);
    g_assert_cmphex(res.ipa, ==, 0x1028);
    g_assert_cmpuint(hand_probe(&h, 2, &res), ==, IOPT_FAULT_PERMISSION);
    g_assert_cmpuint(hand_walk(&h, 1, &res), ==, IOPT_OK);
    g_assert_cmpuint(h.w.writes->len, ==, 0);

    /* Nor does the memory. */
    *h.s2_table = S2_TABLE;
    h.w.read_only = true;
    g_assert_cmpuint(hand_walk(&h, 2, &res), ==, IOPT_FAULT_READ_TABLE);
    g_assert_true(!res.second);
    g_assert_cmphex(res.fetch, ==, AREA0 + 40);
    h.w.read_only = false;

    /* HD without HA does nothing, nor does DBM where AP[2] is from above. */
    h.space.table.flags = IOPT_ARMV8_HD;
    g_assert_cmpuint(hand_walk(&h, 2, &res), ==, IOPT_FAULT_PERMISSION);
    *h.s1 &= ~BIT(10);
    g_assert_cmpuint(hand_walk(&h, 1, &res), ==, IOPT_FAULT_ACCESS_FLAG);
    h.space.table.flags |= IOPT_ARMV8_AFFD;
    g_assert_cmpuint(hand_walk(&h, 1, &res), ==, IOPT_OK);
    g_assert_cmpuint(h.w.writes->len, ==, 0);
    world_free(&h.w);
}

/* An access of nothing marks pages accessed, and none dirty. */
static void test_look(void)
{
    IOPTResult res;
    Hand h;

    hand_nested(&h, IOPT_ARMV8_HA | IOPT_ARMV8_HD,
                IOPT_ARMV8_HA | IOPT_ARMV8_HD);
    *h.s1 = (S1_LEAF | BIT(51) | BIT(7)) & ~BIT(10);
    *h.s2_page = (S2_PAGE | BIT(51)) & ~BIT(10) & ~BIT(7);
    g_assert_cmpuint(hand_walk(&h, 0, &res), ==, IOPT_OK);
    g_assert_cmpuint(res.perm, ==, IOPT_READ);
    g_assert_cmphex(*h.s1, ==, S1_LEAF | BIT(51) | BIT(7));
    g_assert_cmphex(*h.s2_page, ==, (S2_PAGE | BIT(51)) & ~BIT(7));

    /* A clean page that is for writes only allows nothing yet. */
    *h.s2_page &= ~BIT(6);
    g_assert_cmpuint(hand_walk(&h, 0, &res), ==, IOPT_FAULT_PERMISSION);
    g_assert_cmphex(*h.s2_page & BIT(7), ==, 0);
    g_assert_cmpuint(hand_probe(&h, 0, &res), ==, IOPT_OK);
    g_assert_cmpuint(res.perm, ==, IOPT_WRITE);
    g_assert_cmpuint(hand_walk(&h, 2, &res), ==, IOPT_OK);
    world_free(&h.w);
}

/* Somebody who changes the entry before each update */
static void test_contended(void)
{
    IOPTResult res;
    Rand r = rand_new();
    Hand h;

    hand_nested(&h, IOPT_ARMV8_HA, 0);
    h.w.rand = &r;
    h.w.meddle = 1;
    *h.s1 &= ~BIT(10);
    h.w.reads = 0;
    g_assert_cmpuint(hand_walk(&h, 1, &res), ==, IOPT_FAULT_READ_TABLE);
    g_assert_cmpuint(h.w.writes->len, >, 8);
    g_assert_cmpuint(h.w.writes->len, <, 1000);
    g_assert_cmphex(res.fetch, ==, AREA0 + 40);
    h.w.meddle = 2;
    g_assert_cmpuint(hand_walk(&h, 1, &res), ==, IOPT_OK);
    g_assert_true(*h.s1 & BIT(10));
    world_free(&h.w);
}

/* Both halves, their limits, and addresses whose top byte is ignored */
static void test_halves(void)
{
    IOPTArmv8Params low = { 12, 25, 0, AREA0, 48, 48, 0 };
    IOPTArmv8Params high = { 12, 32, 0, AREA0 + 0x10000, 48, 48, 0 };
    static const struct {
        uint64_t iova;
        unsigned half;                   /* 0: out of range */
        unsigned tbi;                    /* with TBI */
    } cases[] = {
        { 0, 1, 1 },
        { BIT(39) - 1, 1, 1 },
        { BIT(39), 0, 0 },
        { BIT(55), 0, 0 },
        { BIT(55) - 1, 0, 0 },
        { BIT(56), 0, 1 },
        { 0xabull << 56 | 1, 0, 1 },
        { -BIT(32), 2, 2 },
        { -BIT(32) - 1, 0, 0 },
        { UINT64_MAX, 2, 2 },
        { UINT64_MAX >> 8, 0, 2 },
        { UINT64_MAX ^ BIT(63), 0, 2 },
        { 0x7f7full << 48 | 0xffffffffffff, 0, 0 },
    };
    IOPTSpace space = { 0 };
    unsigned i, tbi;
    World w;

    hand_world(&w);
    for (i = 0; i < 512; i++) {
        put(&w, AREA0, i, (0x5000000000 + i * BIT(30)) | BIT(10) | BIT(6) | 1);
        put(&w, AREA0 + 0x10000, i,
            (0x7000000000 + i * BIT(30)) | BIT(11) | BIT(10) | BIT(6) | 1);
    }
    for (tbi = 0; tbi < 2; tbi++) {
        GArray *visits = g_array_new(false, false, sizeof(Visited));
        Visited *v;

        low.flags = high.flags = tbi ? IOPT_ARMV8_TBI : 0;
        g_assert_cmpint(iopt_armv8_stage1(&space.table, &low), ==, 0);
        g_assert_cmpint(iopt_armv8_stage1(&space.upper, &high), ==, 0);
        for (i = 0; i < ARRAY_SIZE(cases); i++) {
            unsigned half = tbi ? cases[i].tbi : cases[i].half;
            uint64_t iova = cases[i].iova, same;
            IOPTResult res;

            g_assert_cmpuint(walk_at(&w, &space, iova, 1, &res), ==,
                             half ? IOPT_OK : IOPT_FAULT_RANGE);
            if (half) {
                g_assert_cmphex(res.addr, ==, half == 1 ?
                    0x5000000000 + (iova & mask(39) & ~mask(30)) :
                    0x7000000000 + (iova & mask(32) & ~mask(30)));
                g_assert_true(res.global == (half == 1));
                same = half == 1 ? iova & mask(56) : iova | 0xffull << 56;
                g_assert_cmphex(iopt_space_iova(&space, iova), ==, same);
            }
        }
        /* 512 blocks, a hole, four blocks */
        iopt_space_walk_range(&space, 0, UINT64_MAX, probe_mem(&w),
                              record_visit, visits);
        g_assert_cmpuint(visits->len, ==, 517);
        v = &g_array_index(visits, Visited, 512);
        g_assert_cmphex(v->first, ==, BIT(39));
        g_assert_cmphex(v->last, ==, -BIT(32) - 1);
        g_assert_cmpuint(v->res.perm, ==, 0);
        g_assert_cmphex((v + 4)->last, ==, UINT64_MAX);
        g_array_free(visits, true);
    }

    /* Each half can be closed, and the other one does not mind. */
    for (i = 0; i < 2; i++) {
        IOPTResult res;

        low.flags = i ? 0 : IOPT_ARMV8_EPD;
        high.flags = i ? IOPT_ARMV8_EPD : 0;
        g_assert_cmpint(iopt_armv8_stage1(&space.table, &low), ==, 0);
        g_assert_cmpint(iopt_armv8_stage1(&space.upper, &high), ==, 0);
        g_assert_cmpuint(walk_at(&w, &space, 0, 1, &res), ==,
                         i ? IOPT_OK : IOPT_FAULT_RANGE);
        g_assert_cmpuint(walk_at(&w, &space, UINT64_MAX, 1, &res), ==,
                         i ? IOPT_FAULT_RANGE : IOPT_OK);
    }
    world_free(&w);
}

/* Both stages lead back to themselves everywhere: work is bounded. */
static void test_hostile(void)
{
    static const uint64_t budgets[] = { 1, 2, 3, 10, 1000, 100000 };
    IOPTArmv8Params one = { 12, 16, 0, AREA0, 48, 48, IOPT_ARMV8_AFFD };
    IOPTArmv8Params two = { 12, 16, 2, AREA1, 48, 48, IOPT_ARMV8_AFFD };
    IOPTSpace space = { 0 };
    IOPTResult res;
    unsigned i;
    World w;

    hand_world(&w);
    g_assert_cmpint(iopt_armv8_stage1(&space.table, &one), ==, 0);
    g_assert_cmpint(iopt_armv8_stage1(&space.upper, &one), ==, 0);
    g_assert_cmpint(iopt_armv8_stage2(&space.second, &two), ==, 0);
    /* Stage 2 sends everything to the table of stage 1. */
    for (i = 0; i < 512; i++) {
        put(&w, AREA0, i, AREA0 | BIT(6) | 3);
        put(&w, AREA1, i, (AREA1 + 0x1000) | 3);
        put(&w, AREA1 + 0x1000, i, (AREA1 + 0x2000) | 3);
        put(&w, AREA1 + 0x2000, i, (AREA1 + 0x3000) | 3);
        put(&w, AREA1 + 0x3000, i, AREA0 | BIT(6) | BIT(7) | BIT(5) | 3);
    }
    g_assert_cmpuint(walk_at(&w, &space, 0x123456789abc, 1, &res), ==,
                     IOPT_OK);
    g_assert_cmphex(res.addr, ==, AREA0);
    g_assert_cmpuint(w.reads, ==, 24);
    for (i = 0; i < ARRAY_SIZE(budgets); i++) {
        GArray *visits = g_array_new(false, false, sizeof(Visited));
        unsigned j;
        uint64_t next = 0;

        space.table.max_reads = budgets[i];
        w.reads = 0;
        g_assert_false(iopt_space_walk_range(&space, 0, UINT64_MAX,
                                             probe_mem(&w), record_visit,
                                             visits));
        g_assert_cmpuint(w.reads, ==, budgets[i]);
        for (j = 0; j < visits->len; j++) {
            Visited *v = &g_array_index(visits, Visited, j);

            g_assert_cmphex(v->first, ==, next);
            g_assert_true(!v->res.perm == (j == visits->len - 1));
            next = v->last + 1;
        }
        g_assert_cmphex(next, ==, 0);
        g_array_free(visits, true);
    }
    world_free(&w);
}

/* Formats that are data go through the same stages. */
static void test_plain_nested(void)
{
    IOPTSpace space = {
        .table = {
            .format = &iopt_vtd_ss, .levels = 2, .input_bits = 30,
            .output_bits = 46, .root = 0x1000,
        },
        .second = {
            .format = &iopt_vtd_ss, .levels = 2, .input_bits = 30,
            .output_bits = 46, .root = AREA1,
        },
    };
    GArray *visits = g_array_new(false, false, sizeof(Visited));
    IOPTResult res;
    World w;

    hand_world(&w);
    put(&w, AREA1, 0, (AREA1 + 0x1000) | 3);
    put(&w, AREA1, 1, 0x40000000 | 0x81);        /* 2 MiB, read */
    put(&w, AREA1 + 0x1000, 1, AREA0 | 3);       /* table of stage 1 */
    put(&w, AREA1 + 0x1000, 2, (AREA0 + 0x1000) | 1);
    put(&w, AREA0, 3, 0x2000 | 3);
    put(&w, AREA0 + 0x1000, 4, 0x234000 | 3);
    g_assert_cmpuint(walk_at(&w, &space, 0x604567, 1, &res), ==, IOPT_OK);
    g_assert_cmphex(res.addr, ==, 0x40034000);
    g_assert_cmpuint(res.shift, ==, 12);
    g_assert_cmpuint(res.perm, ==, IOPT_READ);
    g_assert_cmpuint(walk_at(&w, &space, 0x604567, 2, &res), ==,
                     IOPT_FAULT_PERMISSION);
    g_assert_true(res.second && !res.on_table);
    g_assert_cmphex(res.ipa, ==, 0x234567);
    g_assert_cmpuint(walk_at(&w, &space, BIT(30), 1, &res), ==,
                     IOPT_FAULT_RANGE);
    g_assert_true(!res.second);
    /* A permission that an upper level takes away */
    put(&w, AREA0, 3, 0x2000 | 2);
    g_assert_cmpuint(walk_at(&w, &space, 0x604567, 1, &res), ==,
                     IOPT_FAULT_PERMISSION);
    g_assert_cmpuint(res.level, ==, 2);
    g_assert_true(!res.second);
    put(&w, AREA0, 3, 0x2000 | 3);

    g_assert_true(iopt_space_walk_range(&space, 0, UINT64_MAX, probe_mem(&w),
                                        record_visit, visits));
    g_assert_cmpuint(visits->len, ==, 3);
    g_assert_cmphex(g_array_index(visits, Visited, 1).first, ==, 0x604000);
    g_assert_cmphex(g_array_index(visits, Visited, 1).res.addr, ==,
                    0x40034000);
    g_assert_cmphex(g_array_index(visits, Visited, 2).last, ==, UINT64_MAX);
    g_array_free(visits, true);
    world_free(&w);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/iopt-armv8/leaves", test_leaves);
    g_test_add_func("/iopt-armv8/stage1-params", test_stage1_params);
    g_test_add_func("/iopt-armv8/stage2-params", test_stage2_params);
    g_test_add_func("/iopt-armv8/halves", test_halves);
    g_test_add_func("/iopt-armv8/nested/faults", test_nested_faults);
    g_test_add_func("/iopt-armv8/nested/updates", test_nested_updates);
    g_test_add_func("/iopt-armv8/nested/look", test_look);
    g_test_add_func("/iopt-armv8/nested/contended", test_contended);
    g_test_add_func("/iopt-armv8/nested/hostile", test_hostile);
    g_test_add_func("/iopt-armv8/nested/plain", test_plain_nested);
    g_test_add_data_func("/iopt-armv8/random/stage1", GUINT_TO_POINTER(1),
                         test_random);
    g_test_add_data_func("/iopt-armv8/random/stage2", GUINT_TO_POINTER(2),
                         test_random);
    g_test_add_data_func("/iopt-armv8/random/nested", GUINT_TO_POINTER(3),
                         test_random);
    return g_test_run();
}

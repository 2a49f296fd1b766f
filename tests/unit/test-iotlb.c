/*
 * Unit tests of the IOTLB
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#define QEMU_SHIM_STEP_MINE
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "hw/iommu/iotlb.h"
#include "test-common.h"
#include "iotlb-world.h"

#define MIN_SHIFT 12

/* A domain of group 0, seen without a variant */
#define DOMAIN(n) IOTLB_TAG(0, n, 0)

/* ThreadSanitizer's build: yield here and there, in the middle of it all. */
static __thread Rand step_rand;

#ifdef QEMU_SHIM_STEPS
void qemu_shim_step(void)
{
    if (step_rand.state && rand_below(&step_rand, 256) == 0) {
        sched_yield();
    }
}
#endif

static IOTLBEntry make_entry(uint64_t tag, uint64_t iova, unsigned shift,
                             uint64_t version, unsigned perm)
{
    return (IOTLBEntry) {
        .tag = tag,
        .iova = iova >> shift << shift,
        .addr = version << shift,
        .shift = shift,
        .perm = perm,
    };
}

static void assert_same(const IOTLBEntry *a, const IOTLBEntry *b)
{
    g_assert_cmphex(a->tag, ==, b->tag);
    g_assert_cmphex(a->iova, ==, b->iova);
    g_assert_cmphex(a->addr, ==, b->addr);
    g_assert_cmpuint(a->shift, ==, b->shift);
    g_assert_cmpuint(a->perm, ==, b->perm);
}

static void test_size(void)
{
    static const struct {
        unsigned asked, got;
    } cases[] = {
        { 0, 64 }, { 1, 64 }, { 64, 64 }, { 65, 128 }, { 1000, 1024 },
        { 4096, 4096 },
    };
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(cases); i++) {
        IOTLB *tlb = iotlb_new(cases[i].asked);

        g_assert_cmpuint(iotlb_size(tlb), ==, cases[i].got);
        g_assert_cmpuint(iotlb_bytes(tlb), >=, cases[i].got * 24);
        iotlb_free(tlb);
    }
    iotlb_free(NULL);
}

/* Every page size, at both ends of the address space. */
static void test_page_sizes(void)
{
    IOTLB *tlb = iotlb_new(64);
    unsigned shift, i;

    for (shift = MIN_SHIFT; shift <= IOTLB_MAX_SHIFT; shift++) {
        uint64_t size = 1ull << shift;
        uint64_t at[] = { 0, size, -size };

        for (i = 0; i < ARRAY_SIZE(at); i++) {
            IOTLBEntry in = make_entry(UINT64_MAX - i, at[i], shift,
                                       0xabc0 + i, 1 + i);
            IOTLBEntry out;

            g_assert_false(iotlb_lookup(tlb, in.tag, at[i], &out));
            g_assert_true(iotlb_insert(tlb, &in, iotlb_seq(tlb)));
            g_assert_true(iotlb_lookup(tlb, in.tag, at[i], &out));
            assert_same(&in, &out);
            g_assert_true(iotlb_lookup(tlb, in.tag, at[i] + size - 1, &out));
            assert_same(&in, &out);
            g_assert_false(iotlb_lookup(tlb, in.tag, at[i] + size, &out));
            g_assert_false(iotlb_lookup(tlb, in.tag, at[i] - 1, &out));
            g_assert_false(iotlb_lookup(tlb, in.tag ^ 8, at[i], &out));
            /* The last byte alone is overlap enough. */
            iotlb_invalidate_range(tlb, in.tag, at[i] + size - 1,
                                   at[i] + size - 1);
            g_assert_false(iotlb_lookup(tlb, in.tag, at[i], &out));
        }
        iotlb_invalidate_all(tlb);
    }
    for (shift = 0; shift < 64; shift++) {
        IOTLBEntry in = make_entry(1, 0, shift, 1, 3);

        g_assert_true(iotlb_insert(tlb, &in, iotlb_seq(tlb)) ==
                      (shift >= MIN_SHIFT && shift <= IOTLB_MAX_SHIFT));
    }
    iotlb_free(tlb);
}

/* An insert whose tables were read before any invalidation is refused. */
static void test_seq(void)
{
    IOTLB *tlb = iotlb_new(64);
    IOTLBEntry in = make_entry(DOMAIN(1), 0x1000, 12, 5, 3),
               out;
    unsigned kind;

    for (kind = 0; kind < 5; kind++) {
        uint64_t seq = iotlb_seq(tlb);

        switch (kind) {
        case 0:
            iotlb_invalidate_all(tlb);
            break;
        case 1:
            iotlb_invalidate_tag(tlb, DOMAIN(7));
            break;
        case 2:
            iotlb_invalidate_range(tlb, DOMAIN(7), 0x7000, 0x7fff);
            break;
        case 3:
            iotlb_invalidate_range(tlb, DOMAIN(7), 0, UINT64_MAX);
            break;
        case 4:
            iotlb_invalidate_group(tlb, IOTLB_TAG(3, 7, 0));
            break;
        }
        g_assert_cmpuint(iotlb_seq(tlb), ==, seq + 1);
        g_assert_false(iotlb_insert(tlb, &in, seq));
        g_assert_false(iotlb_lookup(tlb, DOMAIN(1), 0x1000, &out));
    }
    iotlb_free(tlb);
}

static unsigned count_hits(IOTLB *tlb, uint64_t tag, uint64_t stride,
                           unsigned pages)
{
    IOTLBEntry out;
    unsigned i, hits = 0;

    for (i = 0; i < pages; i++) {
        hits += iotlb_lookup(tlb, tag, i * stride, &out);
    }
    return hits;
}

static void fill(IOTLB *tlb, uint64_t tag, uint64_t stride, unsigned pages)
{
    unsigned i;

    for (i = 0; i < pages; i++) {
        IOTLBEntry in = make_entry(tag, i * stride, 12, i, 3);

        g_assert_true(iotlb_insert(tlb, &in, iotlb_seq(tlb)));
    }
}

/* What fits stays, and an invalidation of something else does not hurt it. */
static void test_capacity(void)
{
    IOTLB *tlb = iotlb_new(4096);
    IOTLBEntry out;
    const uint64_t d3 = DOMAIN(3), d4 = DOMAIN(4), d5 = DOMAIN(5);
    unsigned bit;

    /* A contiguous working set as large as the table fits entirely. */
    fill(tlb, d3, 4096, 4096);
    g_assert_cmpuint(count_hits(tlb, d3, 4096, 4096), ==, 4096);
    /* Filling it again takes no other entry's place. */
    fill(tlb, d3, 4096, 4096);
    g_assert_cmpuint(count_hits(tlb, d3, 4096, 4096), ==, 4096);

    /* One page of 64 KiB buffers, and so on: strides do not all collide. */
    for (bit = 13; bit <= 30; bit++) {
        iotlb_invalidate_all(tlb);
        fill(tlb, d3, 1ull << bit, 1024);
        g_assert_cmpuint(count_hits(tlb, d3, 1ull << bit, 1024), >=, 900);
    }

    iotlb_invalidate_all(tlb);
    fill(tlb, d3, 4096, 512);
    fill(tlb, d4, 4096, 512);
    iotlb_invalidate_range(tlb, d3, 0x10000, 0x10fff);
    g_assert_false(iotlb_lookup(tlb, d3, 0x10000, &out));
    g_assert_true(iotlb_lookup(tlb, d4, 0x10000, &out));
    g_assert_cmpuint(count_hits(tlb, d3, 4096, 512), ==, 511);
    iotlb_invalidate_range(tlb, d3, 0x20000, 0x20000 + 64 * 4096 - 1);
    g_assert_cmpuint(count_hits(tlb, d3, 4096, 512), ==, 511 - 64);
    iotlb_invalidate_tag(tlb, d4);
    g_assert_cmpuint(count_hits(tlb, d4, 4096, 512), ==, 0);
    g_assert_cmpuint(count_hits(tlb, d3, 4096, 512), ==, 511 - 64);
    /* Dead entries are the first to make room. */
    fill(tlb, d5, 4096, 4096 - 512);
    g_assert_cmpuint(count_hits(tlb, d3, 4096, 512), >=, 400);
    iotlb_free(tlb);
}

/* The variants of a domain are apart, but are invalidated together. */
static void test_variants(void)
{
    static const unsigned variants[] = { 0, 1, 2, 128, 255 };
    IOTLB *tlb = iotlb_new(64);
    unsigned kind, i, by;

    for (kind = 0; kind < 4; kind++) {
        for (by = 0; by < ARRAY_SIZE(variants); by++) {
            uint64_t tag = IOTLB_TAG(3, 9, variants[by]);
            IOTLBEntry in, out;

            for (i = 0; i < ARRAY_SIZE(variants); i++) {
                in = make_entry(IOTLB_TAG(3, 9, variants[i]), 0x5000, 12,
                                i + 1, i % 4);
                g_assert_false(iotlb_lookup(tlb, in.tag, 0x5000, &out));
                g_assert_true(iotlb_insert(tlb, &in, iotlb_seq(tlb)));
            }
            for (i = 0; i < ARRAY_SIZE(variants); i++) {
                in = make_entry(IOTLB_TAG(3, 9, variants[i]), 0x5000, 12,
                                i + 1, i % 4);
                g_assert_true(iotlb_lookup(tlb, in.tag, 0x5000, &out));
                assert_same(&in, &out);
            }
            g_assert_false(iotlb_lookup(tlb, IOTLB_TAG(3, 9, 77), 0x5000,
                                        &out));
            switch (kind) {
            case 0:
                iotlb_invalidate_range(tlb, tag, 0x5abc, 0x5abc);
                break;
            case 1:
                iotlb_invalidate_range(tlb, tag, 0, UINT64_MAX);
                break;
            case 2:
                iotlb_invalidate_tag(tlb, tag);
                break;
            case 3:
                iotlb_invalidate_group(tlb, tag);
                break;
            }
            for (i = 0; i < ARRAY_SIZE(variants); i++) {
                g_assert_false(iotlb_lookup(tlb, IOTLB_TAG(3, 9, variants[i]),
                                            0x5000, &out));
            }
        }
    }
    iotlb_free(tlb);
}

/* Group, domain and variant do not run into each other. */
static void test_groups(void)
{
    static const struct {
        unsigned group, domain;
    } at[] = {
        { 0, 0 }, { 0, 1 }, { 0, 0xffffff }, { 1, 0 }, { 1, 1 },
        { 0xffffffff, 0 }, { 0xffffffff, 0xffffff },
    };
    IOTLB *tlb = iotlb_new(1024);
    IOTLBEntry out;
    unsigned i, j;

    g_assert_cmphex(IOTLB_TAG(0xffffffff, 0xffffff, 0xff), ==, UINT64_MAX);
    g_assert_cmphex(IOTLB_TAG_GROUP_MASK | IOTLB_TAG(0, 0xffffff, 0), ==,
                    IOTLB_TAG_DOMAIN_MASK);
    for (i = 0; i < ARRAY_SIZE(at); i++) {
        for (j = 0; j < ARRAY_SIZE(at); j++) {
            IOTLBEntry in = make_entry(IOTLB_TAG(at[j].group, at[j].domain, 3),
                                       0x5000, 12, j, 3);

            g_assert_true(iotlb_insert(tlb, &in, iotlb_seq(tlb)));
        }
        /* A page of one domain goes, and no other's. */
        iotlb_invalidate_range(tlb, IOTLB_TAG(at[i].group, at[i].domain, 0),
                               0x5000, 0x5000);
        for (j = 0; j < ARRAY_SIZE(at); j++) {
            bool hit = iotlb_lookup(tlb, IOTLB_TAG(at[j].group, at[j].domain,
                                                   3), 0x5000, &out);

            g_assert_true(hit == (i != j));
            g_assert_true(!hit || out.addr == (uint64_t)j << 12);
        }
        iotlb_invalidate_group(tlb, IOTLB_TAG(at[i].group, 55, 66));
        for (j = 0; j < ARRAY_SIZE(at); j++) {
            if (at[j].group == at[i].group) {
                g_assert_false(iotlb_lookup(tlb, IOTLB_TAG(at[j].group,
                                                           at[j].domain, 3),
                                            0x5000, &out));
            }
        }
    }
    iotlb_free(tlb);
}

/*
 * Brute-force reference: every entry that may still be found.  The table may
 * have lost any of them, but may have no other.
 */
typedef struct Reference {
    GArray *entries;
} Reference;

static bool covers(const IOTLBEntry *e, uint64_t tag, uint64_t first,
                   uint64_t last)
{
    uint64_t e_last = e->iova + ((1ull << e->shift) - 1);

    return e->tag == tag && e->iova <= last && e_last >= first;
}

/* All whose tag is the same under @mask */
static void reference_drop(Reference *ref, uint64_t mask, uint64_t tag,
                           uint64_t first, uint64_t last)
{
    unsigned i = 0;

    while (i < ref->entries->len) {
        IOTLBEntry *e = &g_array_index(ref->entries, IOTLBEntry, i);

        if (!((e->tag ^ tag) & mask) && covers(e, e->tag, first, last)) {
            g_array_remove_index_fast(ref->entries, i);
        } else {
            i++;
        }
    }
}

static void reference_insert(Reference *ref, const IOTLBEntry *in)
{
    unsigned i;

    for (i = 0; i < ref->entries->len; i++) {
        IOTLBEntry *e = &g_array_index(ref->entries, IOTLBEntry, i);

        if (e->tag == in->tag && e->shift == in->shift &&
            e->iova == in->iova) {
            *e = *in;
            return;
        }
    }
    g_array_append_val(ref->entries, *in);
}

static bool reference_has(Reference *ref, const IOTLBEntry *out)
{
    unsigned i;

    for (i = 0; i < ref->entries->len; i++) {
        if (!memcmp(&g_array_index(ref->entries, IOTLBEntry, i), out,
                    sizeof(*out))) {
            return true;
        }
    }
    return false;
}

static uint64_t random_iova(Rand *r)
{
    static const uint64_t bases[] = {
        0, 1ull << 21, 1ull << 30, 1ull << 39, 1ull << 48, 1ull << 57,
        1ull << 63, -(1ull << 21), -(1ull << 16),
    };

    /* Sometimes below the base, which wraps to the top for the first. */
    return bases[rand_below(r, ARRAY_SIZE(bases))] +
           ((uint64_t)rand_below(r, 40) << 12) - (8 << 12) +
           rand_below(r, 4096);
}

static void test_reference(void)
{
    static const uint64_t tags[] = {
        0, 1, DOMAIN(1), DOMAIN(1) | 0xff, DOMAIN(0xffffff),
        IOTLB_TAG(1, 0, 0), IOTLB_TAG(1, 1, 1), UINT64_MAX,
    };
    Rand r = rand_new();
    unsigned round, i, hits = 0;

    for (round = 0; round < rounds(20); round++) {
        IOTLB *tlb = iotlb_new(64u << rand_below(&r, 4));
        Reference ref = {
            .entries = g_array_new(false, false, sizeof(IOTLBEntry)),
        };
        uint64_t old_seq = iotlb_seq(tlb);
        uint64_t version = 0;
        uint64_t shift_set = rand64(&r) & rand64(&r);

        for (i = 0; i < 10000; i++) {
            uint64_t tag = tags[rand_below(&r, ARRAY_SIZE(tags))];
            uint64_t iova = random_iova(&r);
            IOTLBEntry e;
            unsigned shift;
            uint64_t last;

            memset(&e, 0, sizeof(e));
            switch (rand_below(&r, 100)) {
            case 0 ... 39:
                do {
                    shift = MIN_SHIFT + rand_below(&r, IOTLB_MAX_SHIFT + 1 -
                                                       MIN_SHIFT);
                } while (rand_below(&r, 4) && !(shift_set >> shift & 1));
                e.tag = tag;
                e.shift = shift;
                e.iova = iova >> shift << shift;
                e.addr = ++version << shift;
                e.perm = rand_below(&r, 4);
                if (rand_below(&r, 8) == 0) {
                    g_assert_true(iotlb_insert(tlb, &e, old_seq) ==
                                  (old_seq == iotlb_seq(tlb)));
                    if (old_seq == iotlb_seq(tlb)) {
                        reference_insert(&ref, &e);
                    }
                } else {
                    g_assert_true(iotlb_insert(tlb, &e, iotlb_seq(tlb)));
                    reference_insert(&ref, &e);
                }
                break;
            case 40 ... 95:
                if (iotlb_lookup(tlb, tag, iova, &e)) {
                    hits++;
                    g_assert_true(covers(&e, tag, iova, iova));
                    g_assert_true(reference_has(&ref, &e));
                }
                break;
            case 96:
                old_seq = iotlb_seq(tlb);
                break;
            case 97:
                last = rand_below(&r, 2) ? random_iova(&r) :
                       iova + ((1ull << rand_below(&r, 64)) - 1);
                iotlb_invalidate_range(tlb, tag, MIN(iova, last),
                                       MAX(iova, last));
                reference_drop(&ref, IOTLB_TAG_DOMAIN_MASK, tag,
                               MIN(iova, last), MAX(iova, last));
                break;
            case 98:
                if (rand_below(&r, 4)) {
                    last = iova + rand_below(&r, 0x10000);
                    last = last < iova ? UINT64_MAX : last;
                    iotlb_invalidate_range(tlb, tag, iova, last);
                    reference_drop(&ref, IOTLB_TAG_DOMAIN_MASK, tag, iova,
                                   last);
                } else {
                    iotlb_invalidate_tag(tlb, tag);
                    reference_drop(&ref, IOTLB_TAG_DOMAIN_MASK, tag, 0,
                                   UINT64_MAX);
                }
                break;
            case 99:
                if (rand_below(&r, 8) == 0) {
                    iotlb_invalidate_group(tlb, tag);
                    reference_drop(&ref, IOTLB_TAG_GROUP_MASK, tag, 0,
                                   UINT64_MAX);
                } else if (rand_below(&r, 4) == 0) {
                    iotlb_invalidate_all(tlb);
                    reference_drop(&ref, 0, 0, 0, UINT64_MAX);
                }
                break;
            }
        }
        iotlb_free(tlb);
        g_array_free(ref.entries, true);
    }
    g_assert_cmpuint(hits, >, 0);
    g_test_message("%u hits", hits);
}

/* Threads: users beside one invalidator. */
#define T_USERS     3

typedef struct Worker {
    unsigned *working;              /* of those that the others wait for */
    unsigned steps;
    IOTLB *tlb;
    Rand rand;
    uint64_t hits;
    pthread_t thread;
} Worker;

static IWorld iworld;

static void *user(void *opaque)
{
    Worker *w = opaque;

    step_rand.state = rand64(&w->rand) | 1;
    do {
        w->hits += iworld_access(&iworld, &w->rand);
    } while (qatomic_load_acquire(w->working));
    return NULL;
}

static void *invalidator(void *opaque)
{
    Worker *w = opaque;
    unsigned i;

    step_rand.state = rand64(&w->rand) | 1;
    for (i = 0; i < w->steps; i++) {
        iworld_change(&iworld, &w->rand);
        w->hits += iworld_access(&iworld, &w->rand);
        iworld_yield(&iworld, &w->rand);
    }
    qatomic_fetch_add(w->working, -1);
    return NULL;
}

/* Few pages: the sets are contended.  Many: entries make room for others. */
static void test_threads(gconstpointer pages)
{
    Rand r = rand_new();
    unsigned working = 1, i;
    Worker w[T_USERS + 1];
    uint64_t hits = 0;

    iworld_init(&iworld, GPOINTER_TO_UINT(pages));
    iworld.yield = 4;
    for (i = 0; i < ARRAY_SIZE(w); i++) {
        w[i] = (Worker) {
            .working = &working,
            .steps = rounds(20000),
            .rand = { rand64(&r) | 1 },
        };
        thread_start(&w[i].thread, i ? user : invalidator, &w[i]);
    }
    for (i = 0; i < ARRAY_SIZE(w); i++) {
        thread_join(w[i].thread);
        hits += w[i].hits;
    }
    g_test_message("%" PRIu64 " hits", hits);
    iotlb_free(iworld.tlb);
}

/*
 * A lookup never mixes two entries.  All entries are of one page, in far more
 * domains than fit, so that a way changes its domain all the time and nothing
 * but that.  (The moment in which it could go wrong is short; ThreadSanitizer's
 * build makes it long enough to be met.)
 */
#define D_TAGS 256

static uint64_t torn_tag(unsigned i)
{
    return IOTLB_TAG(0, i / 64, i % 64);
}

static void *domain_inserter(void *opaque)
{
    Worker *w = opaque;
    unsigned i;

    for (i = 0; i < w->steps; i++) {
        unsigned n = rand_below(&w->rand, D_TAGS);
        IOTLBEntry e = make_entry(torn_tag(n), 0x5000, 12, n, 3);

        iotlb_insert(w->tlb, &e, iotlb_seq(w->tlb));
    }
    qatomic_fetch_add(w->working, -1);
    return NULL;
}

static void *domain_reader(void *opaque)
{
    Worker *w = opaque;

    do {
        unsigned n = rand_below(&w->rand, D_TAGS);
        IOTLBEntry e;

        if (iotlb_lookup(w->tlb, torn_tag(n), 0x5123, &e)) {
            w->hits++;
            g_assert_cmphex(e.addr, ==, (uint64_t)n << 12);
        }
    } while (qatomic_load_acquire(w->working));
    return NULL;
}

static void test_torn(void)
{
    Rand r = rand_new();
    IOTLB *tlb = iotlb_new(64);
    unsigned working = 1, i;
    Worker w[3];

    for (i = 0; i < ARRAY_SIZE(w); i++) {
        w[i] = (Worker) {
            .working = &working,
            .steps = rounds(300000),
            .tlb = tlb,
            .rand = { rand64(&r) | 1 },
        };
        thread_start(&w[i].thread, i ? domain_reader : domain_inserter, &w[i]);
    }
    for (i = 0; i < ARRAY_SIZE(w); i++) {
        thread_join(w[i].thread);
    }
    g_test_message("%" PRIu64 " hits", w[1].hits + w[2].hits);
    iotlb_free(tlb);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/iotlb/size", test_size);
    g_test_add_func("/iotlb/page-sizes", test_page_sizes);
    g_test_add_func("/iotlb/seq", test_seq);
    g_test_add_func("/iotlb/capacity", test_capacity);
    g_test_add_func("/iotlb/variants", test_variants);
    g_test_add_func("/iotlb/groups", test_groups);
    g_test_add_func("/iotlb/reference", test_reference);
    g_test_add_data_func("/iotlb/threads", GUINT_TO_POINTER(IWORLD_PAGES),
                         test_threads);
    g_test_add_data_func("/iotlb/threads-contended", GUINT_TO_POINTER(3),
                         test_threads);
    g_test_add_func("/iotlb/torn", test_torn);
    return g_test_run();
}

/*
 * Unit tests of the IOTLB
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "hw/iommu/iotlb.h"
#include "test-common.h"

#define MIN_SHIFT 12

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
    IOTLBEntry in = make_entry(1, 0x1000, 12, 5, 3), out;
    unsigned kind;

    for (kind = 0; kind < 4; kind++) {
        uint64_t seq = iotlb_seq(tlb);

        switch (kind) {
        case 0:
            iotlb_invalidate_all(tlb);
            break;
        case 1:
            iotlb_invalidate_tag(tlb, 7);
            break;
        case 2:
            iotlb_invalidate_range(tlb, 7, 0x7000, 0x7fff);
            break;
        case 3:
            iotlb_invalidate_range(tlb, 7, 0, UINT64_MAX);
            break;
        }
        g_assert_cmpuint(iotlb_seq(tlb), ==, seq + 1);
        g_assert_false(iotlb_insert(tlb, &in, seq));
        g_assert_false(iotlb_lookup(tlb, 1, 0x1000, &out));
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
    unsigned bit;

    /* A contiguous working set as large as the table fits entirely. */
    fill(tlb, 3, 4096, 4096);
    g_assert_cmpuint(count_hits(tlb, 3, 4096, 4096), ==, 4096);
    /* Filling it again takes no other entry's place. */
    fill(tlb, 3, 4096, 4096);
    g_assert_cmpuint(count_hits(tlb, 3, 4096, 4096), ==, 4096);

    /* One page of 64 KiB buffers, and so on: strides do not all collide. */
    for (bit = 13; bit <= 30; bit++) {
        iotlb_invalidate_all(tlb);
        fill(tlb, 3, 1ull << bit, 1024);
        g_assert_cmpuint(count_hits(tlb, 3, 1ull << bit, 1024), >=, 900);
    }

    iotlb_invalidate_all(tlb);
    fill(tlb, 3, 4096, 512);
    fill(tlb, 4, 4096, 512);
    iotlb_invalidate_range(tlb, 3, 0x10000, 0x10fff);
    g_assert_false(iotlb_lookup(tlb, 3, 0x10000, &out));
    g_assert_true(iotlb_lookup(tlb, 4, 0x10000, &out));
    g_assert_cmpuint(count_hits(tlb, 3, 4096, 512), ==, 511);
    iotlb_invalidate_range(tlb, 3, 0x20000, 0x20000 + 64 * 4096 - 1);
    g_assert_cmpuint(count_hits(tlb, 3, 4096, 512), ==, 511 - 64);
    iotlb_invalidate_tag(tlb, 4);
    g_assert_cmpuint(count_hits(tlb, 4, 4096, 512), ==, 0);
    g_assert_cmpuint(count_hits(tlb, 3, 4096, 512), ==, 511 - 64);
    /* Dead entries are the first to make room. */
    fill(tlb, 5, 4096, 4096 - 512);
    g_assert_cmpuint(count_hits(tlb, 3, 4096, 512), >=, 400);
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

static void reference_drop(Reference *ref, bool any_tag, uint64_t tag,
                           uint64_t first, uint64_t last)
{
    unsigned i = 0;

    while (i < ref->entries->len) {
        IOTLBEntry *e = &g_array_index(ref->entries, IOTLBEntry, i);

        if (any_tag || covers(e, tag, first, last)) {
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
    static const uint64_t tags[] = { 0, 1, 2, 0xffff, 1ull << 32, UINT64_MAX };
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
                reference_drop(&ref, false, tag, MIN(iova, last),
                               MAX(iova, last));
                break;
            case 98:
                if (rand_below(&r, 4)) {
                    last = iova + rand_below(&r, 0x10000);
                    last = last < iova ? UINT64_MAX : last;
                    iotlb_invalidate_range(tlb, tag, iova, last);
                    reference_drop(&ref, false, tag, iova, last);
                } else {
                    iotlb_invalidate_tag(tlb, tag);
                    reference_drop(&ref, false, tag, 0, UINT64_MAX);
                }
                break;
            case 99:
                if (rand_below(&r, 4) == 0) {
                    iotlb_invalidate_all(tlb);
                    reference_drop(&ref, true, 0, 0, 0);
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

/*
 * Threads.  The tables are an array of versions, one per page; a translation's
 * address holds page and version.  An invalidator raises a page's version,
 * invalidates, and then publishes the version as the floor: whoever has read
 * the floor must not find anything older.
 */
#define T_PAGES     128              /* twice what fits */
#define T_READERS   3
#define T_WRITERS   2

typedef struct Shared {
    IOTLB *tlb;
    uint64_t table[T_PAGES];
    uint64_t floor[T_PAGES];
    unsigned steps;
    unsigned writers;            /* still at work */
} Shared;

typedef struct Worker {
    Shared *shared;
    Rand rand;
    unsigned index;
    uint64_t hits;
    pthread_t thread;
} Worker;

static uint64_t page_tag(unsigned page)
{
    return page % 3;
}

static void *reader(void *opaque)
{
    Worker *w = opaque;
    Shared *s = w->shared;

    do {
        unsigned page = rand_below(&w->rand, T_PAGES);
        uint64_t iova = (uint64_t)page << 12;
        uint64_t floor = qatomic_load_acquire(&s->floor[page]);
        IOTLBEntry e;

        if (iotlb_lookup(s->tlb, page_tag(page), iova, &e)) {
            w->hits++;
            g_assert_cmphex(e.iova, ==, iova);
            g_assert_cmphex(e.addr >> 12 & 0xff, ==, page);
            g_assert_cmpuint(e.addr >> 20, >=, floor);
        } else {
            uint64_t seq = iotlb_seq(s->tlb);
            uint64_t version = qatomic_load_acquire(&s->table[page]);

            if (rand_below(&w->rand, 8) == 0) {
                sched_yield();
            }
            e = make_entry(page_tag(page), iova, 12, version << 8 | page, 3);
            iotlb_insert(s->tlb, &e, seq);
        }
    } while (qatomic_load_acquire(&s->writers));
    return NULL;
}

static void *writer(void *opaque)
{
    Worker *w = opaque;
    Shared *s = w->shared;
    unsigned i;

    for (i = 1; i <= s->steps; i++) {
        unsigned page = rand_below(&w->rand, T_PAGES / T_WRITERS) *
                        T_WRITERS + w->index;
        uint64_t iova = (uint64_t)page << 12;

        qatomic_store_release(&s->table[page], i);
        switch (rand_below(&w->rand, 16)) {
        case 0:
            iotlb_invalidate_all(s->tlb);
            break;
        case 1:
            iotlb_invalidate_tag(s->tlb, page_tag(page));
            break;
        case 2:
            iotlb_invalidate_range(s->tlb, page_tag(page), 0, UINT64_MAX);
            break;
        default:
            iotlb_invalidate_range(s->tlb, page_tag(page), iova, iova);
            break;
        }
        qatomic_store_release(&s->floor[page], i);
        if (rand_below(&w->rand, 4) == 0) {
            sched_yield();
        }
    }
    qatomic_fetch_add(&s->writers, -1);
    return NULL;
}

static void test_threads(void)
{
    Rand r = rand_new();
    Shared s = {
        .tlb = iotlb_new(64),
        .steps = rounds(30000),
        .writers = T_WRITERS,
    };
    Worker w[T_READERS + T_WRITERS];
    uint64_t hits = 0;
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(w); i++) {
        bool reads = i < T_READERS;

        w[i] = (Worker) {
            .shared = &s,
            .rand = { rand64(&r) | 1 },
            .index = reads ? i : i - T_READERS,
        };
        thread_start(&w[i].thread, reads ? reader : writer, &w[i]);
    }
    for (i = 0; i < ARRAY_SIZE(w); i++) {
        thread_join(w[i].thread);
        hits += w[i].hits;
    }
    g_test_message("%" PRIu64 " hits", hits);
    iotlb_free(s.tlb);
}

/*
 * A lookup never mixes two entries.  All entries are of one page, in far more
 * domains than fit, so that a way changes its domain all the time and nothing
 * but that.  (The moment in which it could go wrong is short; ThreadSanitizer's
 * build makes it long enough to be met.)
 */
#define D_TAGS 256

static void *domain_inserter(void *opaque)
{
    Worker *w = opaque;
    Shared *s = w->shared;
    unsigned i;

    for (i = 0; i < s->steps; i++) {
        unsigned tag = rand_below(&w->rand, D_TAGS);
        IOTLBEntry e = make_entry(tag, 0x5000, 12, tag, 3);

        iotlb_insert(s->tlb, &e, iotlb_seq(s->tlb));
    }
    qatomic_fetch_add(&s->writers, -1);
    return NULL;
}

static void *domain_reader(void *opaque)
{
    Worker *w = opaque;
    Shared *s = w->shared;

    do {
        unsigned tag = rand_below(&w->rand, D_TAGS);
        IOTLBEntry e;

        if (iotlb_lookup(s->tlb, tag, 0x5123, &e)) {
            w->hits++;
            g_assert_cmphex(e.addr, ==, (uint64_t)tag << 12);
        }
    } while (qatomic_load_acquire(&s->writers));
    return NULL;
}

static void test_torn(void)
{
    Rand r = rand_new();
    Shared s = {
        .tlb = iotlb_new(64),
        .steps = rounds(500000),
        .writers = 1,
    };
    Worker w[3];
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(w); i++) {
        w[i] = (Worker) { .shared = &s, .rand = { rand64(&r) | 1 } };
        thread_start(&w[i].thread, i ? domain_reader : domain_inserter, &w[i]);
    }
    for (i = 0; i < ARRAY_SIZE(w); i++) {
        thread_join(w[i].thread);
    }
    g_test_message("%" PRIu64 " hits", w[1].hits + w[2].hits);
    iotlb_free(s.tlb);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/iotlb/size", test_size);
    g_test_add_func("/iotlb/page-sizes", test_page_sizes);
    g_test_add_func("/iotlb/seq", test_seq);
    g_test_add_func("/iotlb/capacity", test_capacity);
    g_test_add_func("/iotlb/reference", test_reference);
    g_test_add_func("/iotlb/threads", test_threads);
    g_test_add_func("/iotlb/torn", test_torn);
    return g_test_run();
}

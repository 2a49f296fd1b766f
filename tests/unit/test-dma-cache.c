/*
 * Unit tests of the DMA translation cache
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#define QEMU_SHIM_STEP_MINE
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "system/dma-epoch.h"
#include "test-common.h"
#include "dma-cache-world.h"

#define RW      (DMA_CACHE_READ | DMA_CACHE_WRITE)
#define PAGE    DMA_CACHE_PAGE_SIZE
#define CHUNK   DMA_CACHE_CHUNK_SIZE

/* Any host address will do: that of IOVA n is HOST + n, modulo 2^64. */
#define HOST    ((uint8_t *)(uintptr_t)(1ull << 45))
#define OWNER   ((void *)(uintptr_t)0x1234)

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

static void put_leaf(DMACache *c, uint64_t first, uint64_t last, uint64_t iova,
                     unsigned perm, unsigned leaf_shift)
{
    DMACacheRun run = {
        .first = first,
        .last = last,
        .host = HOST + first,
        .owner = OWNER,
        .perm = perm,
        .leaf_shift = leaf_shift,
    };

    dma_cache_insert(c, &run, iova, dma_cache_seq(c));
}

static void put(DMACache *c, uint64_t first, uint64_t last, unsigned perm)
{
    put_leaf(c, first, last, first, perm, 12);
}

/* The bytes from @iova on that are known; 0: a miss. */
static uint64_t avail(DMACache *c, uint64_t iova, unsigned need)
{
    DMACacheHit hit;

    if (!dma_cache_find(c, 0, iova, need, &hit)) {
        return 0;
    }
    g_assert_true(hit.host == HOST + iova);
    g_assert_true(hit.owner == OWNER);
    return hit.avail;
}

static void test_size(void)
{
    static const struct {
        unsigned asked, pages, chunks;
    } cases[] = {
        { 0, 64, 8 }, { 1, 64, 8 }, { 64, 64, 8 }, { 65, 128, 16 },
        { 1000, 1024, 128 }, { 8192, 8192, 1024 }, { 16384, 16384, 1024 },
        { UINT_MAX, 1u << 20, 1024 },
    };
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(cases); i++) {
        DMACache *c = dma_cache_new(cases[i].asked, 0);

        g_assert_cmpuint(1u << c->page_bits, ==, cases[i].pages);
        g_assert_cmpuint(1u << c->chunk_bits, ==, cases[i].chunks);
        g_assert_cmpuint(dma_cache_bytes(cases[i].asked), ==, c->bytes);
        g_assert_cmpuint(c->bytes, >=, (cases[i].pages + cases[i].chunks) * 32);
        g_assert_cmpuint(c->bytes, <=,
                         (cases[i].pages + cases[i].chunks) * 32 + 512);
        g_assert_cmpuint((uintptr_t)c->pages % 64, ==, 0);
        /* Both ends of both tables are ours. */
        put(c, (uint64_t)(cases[i].pages - 1) * PAGE,
            (uint64_t)cases[i].pages * PAGE - 1, RW);
        put(c, (cases[i].chunks - 1) * CHUNK,
            cases[i].chunks * CHUNK - 1, RW);
        g_assert_cmpuint(avail(c, (cases[i].chunks - 1) * CHUNK, RW), >, 0);
        dma_cache_free(c);
    }
    dma_cache_free(NULL);
}

static void test_page(void)
{
    static const uint64_t at[] = {
        0, PAGE, CHUNK - PAGE, 1ull << 39, 1ull << 63, -PAGE,
    };
    DMACache *c = dma_cache_new(64, 0);
    DMACacheHit hit;
    uint64_t tag;
    unsigned i;

    g_assert_true(!dma_cache_set_tag(c, 0, 77));
    g_assert_true(dma_cache_set_tag(c, 0, 77));
    for (i = 0; i < ARRAY_SIZE(at); i++) {
        g_assert_cmpuint(avail(c, at[i], 0), ==, 0);
        put(c, at[i], at[i] + (PAGE - 1), RW);
        g_assert_cmpuint(avail(c, at[i], RW), ==, PAGE);
        g_assert_cmpuint(avail(c, at[i] + PAGE - 1, RW), ==, 1);
        g_assert_cmpuint(avail(c, at[i] + 0x123, DMA_CACHE_READ), ==,
                         PAGE - 0x123);
        g_assert_cmpuint(avail(c, at[i] - 1, 0), ==, 0);
        g_assert_cmpuint(avail(c, at[i] + PAGE, 0), ==, 0);

        tag = 0;
        g_assert_true(dma_cache_find_run(c, 0, at[i] + 8, 8, RW, &hit, &tag));
        g_assert_cmpuint(tag, ==, 77);
        g_assert_true(hit.host == HOST + (at[i] + 8));
        /* More than it has is found too: avail says how much. */
        g_assert_true(dma_cache_find_run(c, 0, at[i] + 8, PAGE, RW, &hit,
                                         &tag));
        g_assert_cmpuint(hit.avail, ==, PAGE - 8);
        g_assert_false(dma_cache_find_run(c, 0, at[i] + PAGE, 1, 0, &hit,
                                          &tag));

        /* Its last byte alone is overlap enough; its neighbours are not. */
        if (at[i]) {
            dma_cache_invalidate_range(c, at[i] - 1, at[i] - 1);
        }
        if (at[i] + PAGE) {
            dma_cache_invalidate_range(c, at[i] + PAGE, at[i] + PAGE);
        }
        g_assert_cmpuint(avail(c, at[i], RW), ==, PAGE);
        dma_cache_invalidate_range(c, at[i] + PAGE - 1, at[i] + PAGE - 1);
        g_assert_cmpuint(avail(c, at[i], 0), ==, 0);
    }
    dma_cache_free(c);
}

static void test_permissions(void)
{
    DMACache *c = dma_cache_new(64, 0);
    unsigned size, perm, need;

    for (size = 1; size <= 2; size++) {
        for (perm = 0; perm <= RW; perm++) {
            put(c, 0, size * PAGE - 1, perm);
            for (need = 0; need <= RW; need++) {
                g_assert_cmpuint(avail(c, 0, need), ==,
                                 (need & ~perm) ? 0 : size * PAGE);
            }
        }
        dma_cache_invalidate_all(c);
    }
    /* What the page does not allow, the chunk may. */
    put(c, 0, 4 * PAGE - 1, RW);
    put(c, 0, PAGE - 1, DMA_CACHE_READ);
    g_assert_cmpuint(avail(c, 0, DMA_CACHE_READ), ==, PAGE);
    g_assert_cmpuint(avail(c, 0, RW), ==, 4 * PAGE);
    dma_cache_free(c);
}

/* The part around the IOVA, up to the chunk's ends */
static void test_chunk(void)
{
    static const struct {
        uint64_t first, last, iova, lo, hi;
    } cases[] = {
        { 0, 2 * PAGE - 1, 0, 0, 2 * PAGE - 1 },
        { 0, CHUNK - 1, 0x5000, 0, CHUNK - 1 },
        { CHUNK - PAGE, CHUNK + PAGE - 1, CHUNK - 1, CHUNK - PAGE, CHUNK - 1 },
        { CHUNK - PAGE, CHUNK + PAGE - 1, CHUNK, CHUNK, CHUNK + PAGE - 1 },
        { PAGE, 5 * CHUNK - PAGE - 1, 2 * CHUNK + 7, 2 * CHUNK,
          3 * CHUNK - 1 },
        { PAGE, 5 * CHUNK - PAGE - 1, 7 * PAGE, PAGE, CHUNK - 1 },
        { PAGE, 5 * CHUNK - PAGE - 1, 5 * CHUNK - PAGE - 1, 4 * CHUNK,
          5 * CHUNK - PAGE - 1 },
        { -2 * PAGE, -1ull, -1ull, -2 * PAGE, -1ull },
        { -CHUNK, -1ull, -CHUNK, -CHUNK, -1ull },
    };
    DMACache *c = dma_cache_new(64, 0);
    DMACacheHit hit;
    uint64_t tag;
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(cases); i++) {
        uint64_t lo = cases[i].lo, hi = cases[i].hi;

        put_leaf(c, cases[i].first, cases[i].last, cases[i].iova, RW, 12);
        g_assert_cmpuint(avail(c, lo, RW), ==, hi - lo + 1);
        g_assert_cmpuint(avail(c, hi, RW), ==, 1);
        g_assert_cmpuint(avail(c, cases[i].iova, RW), ==,
                         hi - cases[i].iova + 1);
        g_assert_cmpuint(avail(c, lo - 1, 0), ==, 0);
        g_assert_cmpuint(avail(c, hi + 1, 0), ==, 0);
        g_assert_true(dma_cache_find_run(c, 0, lo, hi - lo + 1, RW, &hit,
                                         &tag));
        g_assert_cmpuint(hit.avail, ==, hi - lo + 1);
        dma_cache_invalidate_range(c, hi, hi);
        g_assert_cmpuint(avail(c, lo, 0), ==, 0);
    }

    /* All there is, as a bypass has it, is one run too. */
    {
        DMACacheRun all = {
            .first = 0, .last = UINT64_MAX, .host = HOST, .owner = OWNER,
            .perm = RW,
        };

        dma_cache_insert(c, &all, 0x1234, dma_cache_seq(c));
        g_assert_cmpuint(avail(c, 0, RW), ==, CHUNK);
        dma_cache_insert(c, &all, UINT64_MAX, dma_cache_seq(c));
        g_assert_true(dma_cache_find(c, 0, UINT64_MAX, RW, &hit));
        g_assert_true(hit.host == HOST + UINT64_MAX);
        g_assert_cmpuint(hit.avail, ==, 1);
        dma_cache_invalidate_range(c, UINT64_MAX, UINT64_MAX);
        g_assert_false(dma_cache_find(c, 0, UINT64_MAX, 0, &hit));
        /* No entry is left whatever the range is. */
        dma_cache_insert(c, &all, UINT64_MAX, dma_cache_seq(c));
        dma_cache_insert(c, &all, CHUNK, dma_cache_seq(c));
        dma_cache_invalidate_range(c, 0, UINT64_MAX);
        g_assert_false(dma_cache_find(c, 0, UINT64_MAX, 0, &hit));
        g_assert_cmpuint(avail(c, CHUNK, 0), ==, 0);
        g_assert_cmpuint(avail(c, 0, 0), ==, 0);
    }
    dma_cache_free(c);
}

static void test_join(void)
{
    DMACache *c = dma_cache_new(64, 0);
    DMACacheRun run = {
        .first = 8 * PAGE, .last = 10 * PAGE - 1, .host = HOST + 8 * PAGE,
        .owner = OWNER, .perm = RW, .leaf_shift = 12,
    };
    DMACacheRun other;
    unsigned i;

    /* After it, before it, over it, within it */
    put(c, 4 * PAGE, 6 * PAGE - 1, RW);
    put(c, 6 * PAGE, 8 * PAGE - 1, RW);
    g_assert_cmpuint(avail(c, 4 * PAGE, RW), ==, 4 * PAGE);
    put(c, 2 * PAGE, 4 * PAGE - 1, RW);
    g_assert_cmpuint(avail(c, 2 * PAGE, RW), ==, 6 * PAGE);
    put(c, 0, 3 * PAGE - 1, RW);
    g_assert_cmpuint(avail(c, 0, RW), ==, 8 * PAGE);
    put(c, 5 * PAGE, 7 * PAGE - 1, RW);
    g_assert_cmpuint(avail(c, 0, RW), ==, 8 * PAGE);
    g_assert_cmpuint(avail(c, 8 * PAGE, RW), ==, 0);
    /* One byte anywhere, and all of it goes. */
    dma_cache_invalidate_range(c, 7 * PAGE, 7 * PAGE);
    g_assert_cmpuint(avail(c, 0, 0), ==, 0);

    /* A page between them, before or after */
    for (i = 0; i < 2; i++) {
        uint64_t first = i ? 9 * PAGE : 3 * PAGE;

        put(c, 6 * PAGE, 8 * PAGE - 1, RW);
        put(c, first, first + 2 * PAGE - 1, RW);
        g_assert_cmpuint(avail(c, first, RW), ==, 2 * PAGE);
        g_assert_cmpuint(avail(c, 6 * PAGE, 0), ==, 0);
        g_assert_cmpuint(avail(c, 8 * PAGE, 0), ==, 0);
        dma_cache_invalidate_all(c);
    }

    /* Neighbours that differ */
    for (i = 0; i < 4; i++) {
        put(c, 6 * PAGE, 8 * PAGE - 1, RW);
        other = run;
        switch (i) {
        case 0:
            other.host += PAGE;
            break;
        case 1:
            other.owner = HOST;
            break;
        case 2:
            other.perm = DMA_CACHE_READ;
            break;
        case 3:
            /* of an older generation */
            dma_cache_invalidate_all(c);
            break;
        }
        dma_cache_insert(c, &other, other.first, dma_cache_seq(c));
        g_assert_cmpuint(avail(c, 6 * PAGE, 0), ==, 0);
        dma_cache_invalidate_all(c);
    }

    /* Emptied by hand: nothing of it is joined. */
    put(c, 6 * PAGE, 8 * PAGE - 1, RW);
    dma_cache_invalidate_range(c, 6 * PAGE, 6 * PAGE);
    dma_cache_insert(c, &run, run.first, dma_cache_seq(c));
    g_assert_cmpuint(avail(c, 8 * PAGE, RW), ==, 2 * PAGE);
    g_assert_cmpuint(avail(c, 6 * PAGE, 0), ==, 0);
    dma_cache_free(c);
}

/* A slot holds one of those that share it; nobody finds the other's. */
static void test_collide(void)
{
    DMACache *c = dma_cache_new(64, 0);
    uint64_t page, chunk;
    unsigned i, kept = 0;

    for (page = 1; dma_cache_page_slot(c, page) != c->pages; page++) {
        continue;
    }
    put(c, 0, PAGE - 1, RW);
    put(c, page * PAGE, page * PAGE + PAGE - 1, RW);
    g_assert_cmpuint(avail(c, 0, 0), ==, 0);
    g_assert_cmpuint(avail(c, page * PAGE, RW), ==, PAGE);
    dma_cache_invalidate_range(c, 0, 0);
    g_assert_cmpuint(avail(c, page * PAGE, RW), ==, PAGE);

    for (chunk = 1; dma_cache_chunk_slot(c, chunk) != c->chunks; chunk++) {
        continue;
    }
    put(c, 0, 2 * PAGE - 1, RW);
    put(c, chunk * CHUNK, chunk * CHUNK + 2 * PAGE - 1, RW);
    g_assert_cmpuint(avail(c, 0, 0), ==, 0);
    g_assert_cmpuint(avail(c, chunk * CHUNK, RW), ==, 2 * PAGE);
    dma_cache_invalidate_range(c, 0, 0);
    g_assert_cmpuint(avail(c, chunk * CHUNK, RW), ==, 2 * PAGE);
    dma_cache_free(c);

    /* A contiguous working set as large as the tables fits. */
    c = dma_cache_new(1024, 0);
    for (i = 0; i < 1024; i++) {
        put(c, i * PAGE, i * PAGE + PAGE - 1, RW);
    }
    for (i = 0; i < 128; i++) {
        put(c, (1000 + i) * CHUNK, (1001 + i) * CHUNK - 1, RW);
    }
    for (i = 0; i < 1024; i++) {
        g_assert_cmpuint(avail(c, i * PAGE, RW), ==, PAGE);
    }
    for (i = 0; i < 128; i++) {
        kept += avail(c, (1000 + i) * CHUNK, RW) == CHUNK;
    }
    g_assert_cmpuint(kept, >=, 96);
    dma_cache_free(c);
}

/* Any kind of invalidation since refuses an insert. */
static void test_seq(void)
{
    DMACache *c = dma_cache_new(64, 0);
    unsigned kind, size;

    for (size = 1; size <= 2; size++) {
        for (kind = 0; kind < 5; kind++) {
            DMACacheRun run = {
                .first = 0, .last = size * PAGE - 1, .host = HOST,
                .owner = OWNER, .perm = RW, .leaf_shift = 12,
            };
            uint64_t seq;

            dma_cache_invalidate_all(c);
            seq = dma_cache_seq(c);
            dma_cache_insert(c, &run, 0, seq);
            g_assert_cmpuint(avail(c, 0, RW), ==, size * PAGE);
            switch (kind) {
            case 0:
                dma_cache_invalidate_all(c);
                break;
            case 1:
                dma_cache_invalidate_range(c, 0, 0);
                break;
            case 2:
                dma_cache_invalidate_range(c, 1ull << 40, 1ull << 40);
                g_assert_cmpuint(avail(c, 0, RW), ==, size * PAGE);
                dma_cache_invalidate_range(c, 0, 0);
                break;
            case 3:
                dma_cache_invalidate_range(c, PAGE, 0);     /* nonsense */
                break;
            case 4:
                g_assert_false(dma_cache_set_tag(c, 0, c->tag + 1));
                break;
            }
            g_assert_cmpuint(avail(c, 0, 0), ==, 0);
            g_assert_cmpuint(dma_cache_seq(c), >, seq);
            dma_cache_insert(c, &run, 0, seq);
            g_assert_cmpuint(avail(c, 0, 0), ==, 0);
            dma_cache_insert(c, &run, 0, dma_cache_seq(c));
            g_assert_cmpuint(avail(c, 0, RW), ==, size * PAGE);
        }
    }
    dma_cache_free(c);
}

/* Of two that share a cache neither finds what is the other's. */
static void test_who(void)
{
    static const uint32_t whos[] = { 0, 1, 1u << 20, 0x7fffffff };
    DMACacheRun run = {
        .first = 0, .last = PAGE - 1, .host = HOST, .owner = OWNER,
        .perm = RW, .leaf_shift = 12,
    };
    DMACacheRun chunk = run;
    DMACacheHit hit;
    uint64_t tag, seq;
    unsigned i, j, round;

    chunk.first = 0;
    chunk.last = 4 * PAGE - 1;
    for (i = 0; i < ARRAY_SIZE(whos); i++) {
        DMACache *c = dma_cache_new(64, whos[i]);

        for (round = 0; round < 3; round++) {
            uint32_t who = whos[(i + round) % ARRAY_SIZE(whos)];

            g_assert_false(dma_cache_set_tag(c, who, 5));
            g_assert_true(dma_cache_set_tag(c, who, 5));
            run.who = chunk.who = who;
            seq = dma_cache_seq(c);
            dma_cache_insert(c, &run, 0, seq);
            dma_cache_insert(c, &chunk, 0, seq);
            for (j = 0; j < ARRAY_SIZE(whos); j++) {
                bool his = whos[j] == who;

                g_assert_true(dma_cache_find(c, whos[j], 0, RW, &hit) == his);
                g_assert_true(dma_cache_find(c, whos[j], 2 * PAGE, RW, &hit) ==
                              his);
                g_assert_true(dma_cache_find_run(c, whos[j], 0, 4 * PAGE, RW,
                                                 &hit, &tag) == his);
                /* Nor can he leave anything there. */
                run.who = whos[j];
                run.first = 8 * PAGE;
                run.last = run.first + (PAGE - 1);
                dma_cache_insert(c, &run, run.first, seq);
                g_assert_true(dma_cache_find(c, whos[j], run.first, RW,
                                             &hit) == his);
                run.first = 0;
                run.last = PAGE - 1;
                dma_cache_invalidate_range(c, 8 * PAGE, 8 * PAGE);
                seq = dma_cache_seq(c);
            }
            /* All of it goes, and it stays his. */
            dma_cache_invalidate_all(c);
            g_assert_true(dma_cache_set_tag(c, who, 5));
            g_assert_false(dma_cache_find(c, who, 0, RW, &hit));
        }
        dma_cache_free(c);
    }
}

/* It changes hands at once for nobody, and for nobody who does not insist. */
static void test_claim(void)
{
    DMACache *c = dma_cache_new(64, 1);
    unsigned i, got = 0;

    for (i = 0; i < 4 * DMA_CACHE_CLAIMS; i++) {
        g_assert_true(dma_cache_claim(c, 1));
        got += dma_cache_claim(c, 2);
        g_assert_cmpuint(got, ==, (i + 1) / DMA_CACHE_CLAIMS);
    }
    g_assert_false(dma_cache_set_tag(c, 2, c->tag));
    g_assert_true(dma_cache_claim(c, 2));
    g_assert_false(dma_cache_claim(c, 1));
    dma_cache_free(c);
}

/*
 * What was read from the cache itself while a range goes may be of what is
 * going: nothing is inserted in between, whenever its count was read.
 */
static void test_under_way(void)
{
    DMACache *c = dma_cache_new(64, 0);

    put(c, 0, 2 * PAGE - 1, RW);
    g_assert_cmpuint(avail(c, 0, RW), ==, 2 * PAGE);
    g_assert_cmpuint(dma_cache_seq(c) % 2, ==, 0);
    dma_cache_invalidate_range(c, 0, 0);
    g_assert_cmpuint(dma_cache_seq(c) % 2, ==, 0);
    dma_cache_invalidate_range(c, PAGE, 0);         /* nonsense */
    g_assert_cmpuint(dma_cache_seq(c) % 2, ==, 0);

    /* As it is in the middle */
    c->seq++;
    put(c, 0, PAGE - 1, RW);
    put(c, 0, 2 * PAGE - 1, RW);
    g_assert_cmpuint(avail(c, 0, 0), ==, 0);
    g_assert_false(dma_cache_set_tag(c, 0, c->tag + 1));
    put(c, 0, PAGE - 1, RW);
    g_assert_cmpuint(avail(c, 0, 0), ==, 0);
    c->seq++;
    put(c, 0, 2 * PAGE - 1, RW);
    g_assert_cmpuint(avail(c, 0, RW), ==, 2 * PAGE);
    dma_cache_free(c);
}

/*
 * Of a large leaf some pieces are cached, as pages and in chunks.  One byte
 * anywhere in the leaf removes all of them, and another leaf's byte does not.
 */
static void test_leaves(void)
{
    static const unsigned shifts[] = { 13, 14, 16, 20, 21, 25, 30, 39, 48, 52 };
    unsigned i, piece, byte, round;

    for (i = 0; i < ARRAY_SIZE(shifts); i++) {
        uint64_t size = 1ull << shifts[i];
        uint64_t base = MAX(size, 8 * CHUNK);
        uint64_t page = size - PAGE;
        const uint64_t pieces[][2] = {
            { 0, PAGE - 1 },
            { page, size - 1 },
            { size / 2, size / 2 + PAGE - 1 },
            { 0, MIN(size, 2 * PAGE) - 1 },
            { size - MIN(size, 2 * PAGE), size - 1 },
            { size / 2 & -CHUNK, (size / 2 & -CHUNK) + MIN(size, CHUNK) - 1 },
            { 0, size - 1 },
        };
        const uint64_t bytes[] = {
            0, size - 1, size / 2, PAGE, size - PAGE - 1,
        };

        for (piece = 0; piece < ARRAY_SIZE(pieces); piece++) {
            for (byte = 0; byte < ARRAY_SIZE(bytes); byte++) {
                DMACache *c = dma_cache_new(64, 0);
                uint64_t first = base + pieces[piece][0];
                uint64_t last = base + pieces[piece][1];
                uint64_t at = base + bytes[byte];

                /* A second time: a new generation begins without leaves. */
                for (round = 0; round < 2; round++) {
                    put_leaf(c, first, last, first, RW, shifts[i]);
                    put_leaf(c, first, last, last, RW, shifts[i]);
                    g_assert_cmpuint(avail(c, last, RW), ==, 1);
                    /* The first may have had to make room for it. */
                    if (last - first < CHUNK) {
                        g_assert_cmpuint(avail(c, first, RW), >, 0);
                    }
                    if (size < CHUNK) {
                        /* Not so large that all goes for it */
                        dma_cache_invalidate_range(c, base - 1, base - 1);
                        dma_cache_invalidate_range(c, base + size,
                                                   base + size);
                        g_assert_cmpuint(avail(c, last, RW), ==, 1);
                    }
                    dma_cache_invalidate_range(c, at, at);
                    g_assert_cmpuint(avail(c, first, 0), ==, 0);
                    g_assert_cmpuint(avail(c, last, 0), ==, 0);
                    dma_cache_invalidate_all(c);
                    g_assert_cmpuint(c->leaf_shifts, ==, 0);
                }
                dma_cache_free(c);
            }
        }
    }
}

/* A whole large page in its own chunk makes no invalidation any wider. */
static void test_whole_leaf(void)
{
    DMACache *c = dma_cache_new(64, 0);

    put(c, 0, PAGE - 1, RW);
    put_leaf(c, CHUNK, 2 * CHUNK - 1, CHUNK + 5, RW, 21);
    g_assert_cmpuint(c->leaf_shifts, ==, 0);
    dma_cache_invalidate_range(c, PAGE, PAGE);
    g_assert_cmpuint(avail(c, 0, RW), ==, PAGE);
    g_assert_cmpuint(avail(c, CHUNK, RW), ==, CHUNK);
    dma_cache_invalidate_range(c, 2 * CHUNK - 1, 2 * CHUNK - 1);
    g_assert_cmpuint(avail(c, CHUNK, 0), ==, 0);
    g_assert_cmpuint(avail(c, 0, RW), ==, PAGE);
    dma_cache_free(c);
}

/* Ranges up to the limit drop what is in them, larger ones everything. */
static void test_range_limit(void)
{
    uint64_t pages, first = 6 * PAGE;
    uint64_t far = 7 * CHUNK + 2 * PAGE;

    for (pages = 1; pages <= 1100; pages = pages < 8 ? pages + 1
                                                     : pages + 63) {
        DMACache *c = dma_cache_new(2048, 0);
        uint64_t last = first + pages * PAGE - 1, at;
        bool all;

        for (at = 0; at < 1200; at++) {
            put(c, at * PAGE, at * PAGE + PAGE - 1, RW);
        }
        put(c, far, far + 2 * PAGE - 1, RW);
        dma_cache_invalidate_range(c, first, last);
        all = avail(c, far, RW) == 0;
        g_assert_true(all == (pages > 512));
        for (at = 0; at < 1200; at++) {
            bool gone = at * PAGE >= first && at * PAGE <= last;

            g_assert_cmpuint(avail(c, at * PAGE, RW), ==,
                             gone || all ? 0 : PAGE);
        }
        dma_cache_free(c);
    }
}

/* The very last generation: nothing of the first time comes back. */
static void test_wrap(void)
{
    uint64_t last = (uint64_t)UINT32_MAX << DMA_CACHE_GEN_SHIFT;
    uint64_t one = 1ull << DMA_CACHE_GEN_SHIFT;
    bool by_tag = false;

    do {
        DMACache *c = dma_cache_new(64, 0);
        uint64_t seq, taken;
        unsigned i;

        g_assert_cmphex(c->gen, ==, one);
        for (i = 0; i < 64; i++) {
            put(c, i * PAGE, i * PAGE + PAGE - 1, RW);
        }
        for (i = 8; i < 16; i++) {
            put(c, i * CHUNK, i * CHUNK + CHUNK - 1, RW);
        }
        c->gen = last - one;
        g_assert_cmpuint(avail(c, 0, 0), ==, 0);
        put(c, 0, PAGE - 1, RW);
        g_assert_cmpuint(avail(c, 0, RW), ==, PAGE);
        /* Somebody has this one; what he makes of it is nothing, too. */
        c->pages[9].word |= 1;
        taken = c->pages[9].word;
        seq = dma_cache_seq(c);
        if (by_tag) {
            g_assert_false(dma_cache_set_tag(c, 0, 5));
        } else {
            dma_cache_invalidate_all(c);
        }
        g_assert_cmpuint(dma_cache_seq(c), >, seq);
        g_assert_cmphex(c->gen, ==, one);
        g_assert_cmphex(c->pages[9].word, ==, (uint32_t)taken + 2);
        for (i = 0; i < 64; i++) {
            g_assert_cmpuint(avail(c, i * PAGE, 0), ==, 0);
        }
        for (i = 8; i < 16; i++) {
            g_assert_cmpuint(avail(c, i * CHUNK, 0), ==, 0);
        }
        put(c, 0, PAGE - 1, RW);
        g_assert_cmpuint(avail(c, 0, RW), ==, PAGE);
        /* In the last one, while it is wiped, nothing is found or taken. */
        c->gen = last;
        g_assert_cmpuint(avail(c, 0, 0), ==, 0);
        put(c, 0, PAGE - 1, RW);
        g_assert_cmpuint(avail(c, 0, 0), ==, 0);
        dma_cache_free(c);
        by_tag = !by_tag;
    } while (by_tag);
}

/* A slot's count wraps, too. */
static void test_count_wrap(void)
{
    DMACache *c = dma_cache_new(64, 0);
    unsigned i;

    c->pages[0].word = 0xfffffff8;
    for (i = 0; i < 10; i++) {
        put(c, 0, PAGE - 1, RW);
        g_assert_cmpuint(avail(c, 0, RW), ==, PAGE);
        g_assert_cmphex(c->pages[0].word >> 32, ==, 1);
        if (i % 3 == 0) {
            dma_cache_invalidate_range(c, 0, 0);
            g_assert_cmpuint(avail(c, 0, RW), ==, 0);
        }
    }
    /* Somebody has it: neither found, nor taken, nor left to him. */
    c->pages[0].word |= 1;
    g_assert_cmpuint(avail(c, 0, 0), ==, 0);
    put(c, 0, PAGE - 1, RW);
    g_assert_cmpuint(avail(c, 0, 0), ==, 0);
    dma_cache_invalidate_range(c, 0, 0);
    g_assert_cmpuint(c->pages[0].word & 1, ==, 1);
    g_assert_cmphex(c->pages[0].word >> 32, ==, 0);
    dma_cache_free(c);
}

/* One thread, the truth, and all operations in any order. */
static void test_reference(gconstpointer opaque)
{
    const WorldKind *kind = opaque;
    Rand r = rand_new();
    uint64_t iova, hits = 0;
    DMACacheHit hit;
    unsigned round, i;
    World w;

    for (round = 0; round < rounds(40); round++) {
        world_init(&w, 64u << rand_below(&r, 5), &r);
        world_set_kind(&w, kind);
        if (round % 2) {
            world_set_generation(&w, UINT32_MAX - 1 - round);
        }
        for (i = 0; i < 20000; i++) {
            switch (rand_below(&r, 16)) {
            case 0:
                world_change(&w, &r);
                break;
            case 1 ... 7:
                world_fill(&w, &r);
                break;
            default:
                if (world_lookup(&w, &r, &hit, &iova)) {
                    hits++;
                    /* Alone, it has to be the very latest. */
                    world_check_floor(w.floor, iova, &hit);
                }
                break;
            }
        }
        dma_cache_free(w.cache);
    }
    g_assert_cmpuint(hits, >, 0);
    g_test_message("%" PRIu64 " hits", hits);
}

/*
 * Threads.  Users look up and use what they found in an epoch slot; the
 * invalidator waits until every slot that was open has closed, and then the old
 * host pages have another use.  A page is some memory: a user writes a word of
 * his own, the invalidator all of them, so that ThreadSanitizer sees a late
 * one even where the checks do not.
 */
#define T_USERS     3
#define T_KEPT      256             /* versions with memory of their own */

static World world;
static uint32_t memory[WORLD_TAGS][WORLD_LEAVES][T_KEPT][T_USERS];
static Bell bell = BELL_INIT;
static unsigned stop;

typedef struct User {
    unsigned index;
    Rand rand;
    uint64_t hits, fills;
    pthread_t thread;
} User;

static void wake(void)
{
    bell_ring(&bell);
}

static unsigned leaf_of(uint64_t iova)
{
    unsigned i = 0;

    while (iova < world_leaves[i].first || iova > world_last(i)) {
        i++;
        g_assert_cmpuint(i, <, WORLD_LEAVES);
    }
    return i;
}

static void use(User *u, uint64_t iova, const DMACacheHit *hit)
{
    unsigned t = world_hit_tag(hit), leaf = leaf_of(iova);
    uint32_t *word = &memory[t][leaf][world_hit_version(hit) % T_KEPT]
                            [u->index];

    *word = 1;
    world_yield(&world, &u->rand);
    world_check_floor(world.dead, iova, hit);
    *word = 2;
}

static void *user(void *opaque)
{
    User *u = opaque;
    DMACacheHit hit;
    uint64_t iova;

    step_rand.state = rand64(&u->rand) | 1;
    while (!qatomic_load_acquire(&stop)) {
        dma_epoch_enter();
        if (rand_below(&u->rand, 4) &&
            world_lookup(&world, &u->rand, &hit, &iova)) {
            u->hits++;
            use(u, iova, &hit);
        } else {
            u->fills++;
            world_fill(&world, &u->rand);
        }
        dma_epoch_exit();
    }
    return NULL;
}

static void wait_for_slots(void)
{
    uint64_t epoch = dma_epoch_next(), seen;

    for (;;) {
        seen = bell_count(&bell);
        if (dma_epoch_passed(epoch)) {
            return;
        }
        bell_wait(&bell, seen);
    }
}

static void test_threads(gconstpointer opaque)
{
    Rand r = rand_new();
    User users[T_USERS];
    uint64_t old[WORLD_TAGS][WORLD_LEAVES];
    unsigned i, j, steps = rounds(4000);
    uint64_t hits = 0;

    world_init(&world, 64, &r);
    world_set_kind(&world, opaque);
    world.yield = 32;
    world_set_generation(&world, UINT32_MAX - 100);
    stop = 0;
    step_rand.state = rand64(&r) | 1;
    dma_epoch_set_wake(wake);
    for (i = 0; i < T_USERS; i++) {
        users[i] = (User) { .index = i, .rand = { rand64(&r) | 1 } };
        thread_start(&users[i].thread, user, &users[i]);
    }
    for (i = 0; i < steps; i++) {
        WorldChange change;

        memcpy(old, world.version, sizeof(old));
        change = world_change(&world, &r);
        wait_for_slots();
        if (change.context) {
            continue;
        }
        for (j = change.low; j <= change.high; j++) {
            /* The guest uses the old page for something else. */
            memset(memory[change.tag][j][old[change.tag][j] % T_KEPT], 0xa5,
                   sizeof(memory[0][0][0]));
            qatomic_store_release(&world.dead[change.tag][j], change.version);
        }
        if (rand_below(&r, 2)) {
            sched_yield();
        }
    }
    qatomic_store_release(&stop, 1);
    for (i = 0; i < T_USERS; i++) {
        thread_join(users[i].thread);
        hits += users[i].hits;
    }
    step_rand.state = 0;
    g_test_message("%" PRIu64 " hits, %" PRIu64 " of the other domain", hits,
                   world.skipped);
    dma_cache_free(world.cache);
}

int main(int argc, char **argv)
{
    unsigned i;

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/dma-cache/size", test_size);
    g_test_add_func("/dma-cache/page", test_page);
    g_test_add_func("/dma-cache/permissions", test_permissions);
    g_test_add_func("/dma-cache/chunk", test_chunk);
    g_test_add_func("/dma-cache/join", test_join);
    g_test_add_func("/dma-cache/collide", test_collide);
    g_test_add_func("/dma-cache/seq", test_seq);
    g_test_add_func("/dma-cache/who", test_who);
    g_test_add_func("/dma-cache/claim", test_claim);
    g_test_add_func("/dma-cache/under-way", test_under_way);
    g_test_add_func("/dma-cache/leaves", test_leaves);
    g_test_add_func("/dma-cache/whole-leaf", test_whole_leaf);
    g_test_add_func("/dma-cache/range-limit", test_range_limit);
    g_test_add_func("/dma-cache/wrap", test_wrap);
    g_test_add_func("/dma-cache/count-wrap", test_count_wrap);
    for (i = 0; i < ARRAY_SIZE(world_kinds); i++) {
        const WorldKind *kind = &world_kinds[i];
        g_autofree char *name = g_strdup_printf("/dma-cache/reference%s",
                                                kind->name);

        g_test_add_data_func(name, kind, test_reference);
    }
    for (i = 0; i < ARRAY_SIZE(world_kinds); i++) {
        const WorldKind *kind = &world_kinds[i];
        g_autofree char *name = g_strdup_printf("/dma-cache/threads%s",
                                                kind->name);

        g_test_add_data_func(name, kind, test_threads);
    }
    return g_test_run();
}

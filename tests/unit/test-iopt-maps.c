/*
 * Unit tests of mapping sets, against a reference of one byte a page
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Readers beside a writer: whatever a reader finds was there at one moment, as
 * a whole.
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "hw/iommu/iopt-maps.h"
#include "iopt-maps-world.h"

#define ROUNDS  20000

static void random_rounds(uint64_t base)
{
    g_autofree World *w = g_new0(World, 1);
    Rand r = { .state = 0x1234567 ^ base };
    unsigned i;

    w->base = base;
    iopt_maps_init(&w->maps, retire_now);
    for (i = 0; i < ROUNDS; i++) {
        if (rand_below(&r, 3)) {
            world_add(w, &r);
        } else {
            world_remove(w, &r);
        }
        if (i % 7 == 0) {
            world_check(w);
        }
    }
    iopt_maps_clear(&w->maps);
    g_assert_cmpuint(iopt_maps_count(&w->maps), ==, 0);
}

static void test_random(void)
{
    random_rounds(0);
    random_rounds(0x7fff0000);
    /* The last byte of it is the last there is. */
    random_rounds(-PAGES * PAGE);
}

static bool count_visit(void *opaque, uint64_t first, uint64_t last,
                        const IOPTResult *res)
{
    uint64_t *unread = opaque;

    *unread = res->unread ? first : UINT64_MAX;
    return true;
}

/* Neither holes nor mappings nobody may use are visited for nothing. */
static void test_budget(void)
{
    IOPTMapping m = { .perm = 0 };
    uint64_t unread;
    IOPTMaps maps;

    iopt_maps_init(&maps, retire_now);
    for (unsigned i = 0; i < 1000; i++) {
        m.first = m.addr = i * 2 * PAGE;
        m.last = m.first + PAGE - 1;
        g_assert_true(iopt_maps_add(&maps, &m));
    }
    g_assert_false(iopt_maps_walk_range(&maps, 0, UINT64_MAX, 100, count_visit,
                                        &unread));
    g_assert_cmphex(unread, ==, 100 * PAGE);
    g_assert_true(iopt_maps_walk_range(&maps, 0, UINT64_MAX, 2000, count_visit,
                                       &unread));
    iopt_maps_clear(&maps);
}

/* All of 2^64 bytes: one mapping, or two, and one removal */
static void test_everything(void)
{
    IOPTMapping m = { .last = UINT64_MAX, .perm = 3 };
    IOPTMapping low = { .last = PAGE - 1 };
    IOPTMapping high = { .first = -PAGE, .last = UINT64_MAX };
    uint64_t first = 0, last = UINT64_MAX, unread;
    IOPTMaps maps;
    IOPTResult res;

    iopt_maps_init(&maps, retire_now);
    g_assert_cmpint(iopt_maps_remove(&maps, &first, &last), ==,
                    IOPT_MAPS_NOTHING);
    g_assert_true(iopt_maps_fits(&m));
    g_assert_true(iopt_maps_add(&maps, &m));
    g_assert_cmpint(iopt_maps_walk(&maps, UINT64_MAX, 3, &res), ==, IOPT_OK);
    g_assert_cmpuint(res.shift, ==, 52);
    g_assert_cmphex(res.addr, ==, 0xfffull << 52);
    g_assert_true(iopt_maps_walk_range(&maps, 0, UINT64_MAX, 4096, count_visit,
                                       &unread));
    last--;
    g_assert_cmpint(iopt_maps_remove(&maps, &first, &last), ==,
                    IOPT_MAPS_SPLIT);
    last = UINT64_MAX;
    g_assert_cmpint(iopt_maps_remove(&maps, &first, &last), ==,
                    IOPT_MAPS_REMOVED);
    g_assert_cmpuint(iopt_maps_count(&maps), ==, 0);
    g_assert_true(iopt_maps_add(&maps, &low));
    g_assert_true(iopt_maps_add(&maps, &high));
    g_assert_cmpint(iopt_maps_remove(&maps, &first, &last), ==,
                    IOPT_MAPS_REMOVED);
    g_assert_cmpuint(iopt_maps_count(&maps), ==, 0);
    iopt_maps_clear(&maps);
}

static void test_fits(void)
{
    static const IOPTMapping bad[] = {
        { 0x1001, 0x1fff, 0 }, { 0x1000, 0x1ffe, 0 }, { 0x1000, 0x1fff, 1 },
        { 0x2000, 0x1fff, 0 }, { 0x2000, 0x0fff, 0 },
        { 0, 0x1fff, -PAGE }, { PAGE, UINT64_MAX, 2 * PAGE },
    };
    static const IOPTMapping good[] = {
        { 0, 0xfff, -PAGE }, { PAGE, UINT64_MAX, PAGE }, { 0, UINT64_MAX, 0 },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        g_assert_false(iopt_maps_fits(&bad[i]));
    }
    for (unsigned i = 0; i < ARRAY_SIZE(good); i++) {
        g_assert_true(iopt_maps_fits(&good[i]));
    }
}

/*
 * The work of an operation is that of a balanced tree, in the worst order too:
 * what is retired for each is a few nodes, however many there are.
 */
static uint64_t buried;

static void retire_counted(void *dead)
{
    while (dead) {
        dead = iopt_maps_reclaim(dead, 1);
        buried++;
    }
}

static void test_balance(void)
{
    const unsigned n = 100000, most = 80;
    IOPTMapping m = { .perm = 3 };
    uint64_t first, last, before;
    IOPTMaps maps;
    unsigned i;

    buried = 0;
    iopt_maps_init(&maps, retire_counted);
    for (i = 0; i < n; i++) {
        m.first = m.addr = i * PAGE;
        m.last = m.first + PAGE - 1;
        g_assert_true(iopt_maps_add(&maps, &m));
    }
    g_assert_cmpuint(buried, <, (uint64_t)n * most);
    before = buried;
    for (i = 0; i < n / 2; i++) {
        first = i * PAGE;
        last = first + PAGE - 1;
        g_assert_cmpint(iopt_maps_remove(&maps, &first, &last), ==,
                        IOPT_MAPS_REMOVED);
    }
    g_assert_cmpuint(buried - before, <, (uint64_t)n / 2 * most);
    g_assert_cmpuint(iopt_maps_count(&maps), ==, n - n / 2);
    iopt_maps_clear(&maps);
}

/*
 * Readers beside the writer.  Two pages next to each other are always mapped
 * by one mapping, to 2 * i or 2 * i + 1 of two places; a reader that finds one
 * of the pages finds a page of the pair's.  Grace periods are the test's: the
 * writer waits until each reader has left the section that it was in.
 */
#define READERS 3
#define PAIRS   32

typedef struct Reader {
    pthread_t thread;
    uint64_t sections;       /* odd: inside one; atomic */
} Reader;

static Reader readers[READERS];
static IOPTMaps shared;
static bool stop;

static void wait_for_readers(void)
{
    smp_mb(); /* the new root is seen, or the section is */
    for (unsigned i = 0; i < READERS; i++) {
        uint64_t was = qatomic_load_acquire(&readers[i].sections);

        while ((was & 1) &&
               qatomic_load_acquire(&readers[i].sections) == was) {
            sched_yield();
        }
    }
}

static void retire_later(void *dead)
{
    wait_for_readers();
    while (dead) {
        dead = iopt_maps_reclaim(dead, 5);
    }
}

static void *read_all_the_time(void *opaque)
{
    Reader *me = opaque;
    Rand r = { .state = 77 + (me - readers) };
    unsigned rounds = 0;

    while (!qatomic_read(&stop) || rounds < 100) {
        unsigned pair = rand_below(&r, PAIRS);
        IOPTResult res[2];
        IOPTMapping m;

        rounds++;
        qatomic_set(&me->sections, me->sections + 1);
        smp_mb(); /* the section is seen, or the new root is */
        for (unsigned i = 0; i < 2; i++) {
            uint64_t iova = (2 * pair + i) * PAGE;

            if (iopt_maps_walk(&shared, iova, IOPT_READ, &res[i]) == IOPT_OK) {
                uint64_t mask = (1ull << res[i].shift) - 1;
                uint64_t to = res[i].addr + (iova & mask);

                g_assert_true(to == iova || to == iova + (1ull << 40));
            }
        }
        if (iopt_maps_next(&shared, 2 * pair * PAGE, &m)) {
            g_assert_cmphex(m.last - m.first, ==, 2 * PAGE - 1);
        }
        qatomic_store_release(&me->sections, me->sections + 1);
        sched_yield();
    }
    return NULL;
}

static void write_once(Rand *r)
{
    unsigned pair = rand_below(r, PAIRS);
    uint64_t first = 2 * pair * PAGE;
    uint64_t last = first + 2 * PAGE - 1;
    IOPTMapping m = {
        .first = first,
        .last = last,
        .addr = first + (rand_below(r, 2) ? 1ull << 40 : 0),
        .perm = 3,
    };

    if (!iopt_maps_add(&shared, &m)) {
        if (!rand_below(r, 8)) {
            /* Many at once */
            last = MIN(last + 16 * PAGE, 2 * PAIRS * PAGE - 1);
        }
        g_assert_cmpint(iopt_maps_remove(&shared, &first, &last), ==,
                        IOPT_MAPS_REMOVED);
    }
}

static void test_readers(void)
{
    Rand r = { .state = 4711 };
    unsigned i;

    iopt_maps_init(&shared, retire_later);
    for (i = 0; i < READERS; i++) {
        pthread_create(&readers[i].thread, NULL, read_all_the_time,
                       &readers[i]);
    }
    for (i = 0; i < 20000; i++) {
        write_once(&r);
    }
    qatomic_set(&stop, true);
    for (i = 0; i < READERS; i++) {
        pthread_join(readers[i].thread, NULL);
    }
    iopt_maps_clear(&shared);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/iopt-maps/random", test_random);
    g_test_add_func("/iopt-maps/budget", test_budget);
    g_test_add_func("/iopt-maps/everything", test_everything);
    g_test_add_func("/iopt-maps/fits", test_fits);
    g_test_add_func("/iopt-maps/balance", test_balance);
    g_test_add_func("/iopt-maps/readers", test_readers);
    return g_test_run();
}

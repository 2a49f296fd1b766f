/*
 * Maps in flight, and the references that keep their memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * However maps and releases follow each other, who has something mapped keeps
 * the owner; and once nothing is mapped and what is kept was released, nobody
 * does.
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "system/dma-epoch.h"
#include "system/dma-maps.h"
#include "test-common.h"
#include "dma-maps-world.h"

static MapsOwner owner_a, owner_b;

static DMAMaps *refs_start(void)
{
    DMAMaps *maps = dma_maps_new(&maps_owner_ops);

    revoked = g_array_new(false, false, sizeof(DMAMapInfo));
    owner_a = owner_b = (MapsOwner) { .maps = maps };
    return maps;
}

/* Nothing is mapped: all that is left is what is kept. */
static void refs_finish(DMAMaps *maps)
{
    g_assert_cmpuint(dma_maps_count(maps), ==, 0);
    g_assert_cmpuint(owner_a.refs + owner_b.refs, <=, 1);
    finish(maps);
    g_assert_cmpuint(owner_a.refs + owner_b.refs, ==, 0);
}

static bool try_map(DMAMaps *maps, uint64_t iova, char *host, MapsOwner *owner)
{
    return dma_maps_add_request(maps, iova, 4096, host, owner, 0, 0, true);
}

static void map(DMAMaps *maps, uint64_t iova, char *host, MapsOwner *owner)
{
    g_assert_true(try_map(maps, iova, host, owner));
}

/* As by the memory core, which has taken a reference */
static void map_own(DMAMaps *maps, uint64_t iova, char *host,
                    MapsOwner *owner, bool vague)
{
    DMAMapInfo info = {
        .iova = iova, .len = 4096, .host = host, .owner = owner,
        .is_write = true,
    };

    maps_owner_take(owner, 1);
    if (vague) {
        dma_maps_add_vague(maps, &info);
    } else {
        g_assert_true(dma_maps_add(maps, &info));
    }
}

static void unmap(DMAMaps *maps, char *host, MapsOwner *owner)
{
    DMAMapsEnd end;
    void *left;

    if (dma_maps_remove_request(maps, host, true, &left)) {
        g_assert_true(!left || left == owner);
    } else {
        g_assert_true(dma_maps_remove(maps, host, true, &end));
        left = end.relied ? NULL : owner;
    }
    if (left) {
        maps_owner_drop(left);
    }
}

static unsigned scan(DMAMaps *maps, uint64_t seq)
{
    return scan_if(maps, 0, NOBODY, NULL, NULL, seq);
}

/* Many at once: in slots, and in records where there is no slot */
static void test_many(void)
{
    enum { MANY = 400 };
    DMAMaps *maps = refs_start();
    unsigned i, round;

    for (round = 0; round < 4; round++) {
        for (i = 0; i < MANY; i++) {
            map(maps, i << 12, memory + i * 64, &owner_a);
            g_assert_cmpuint(owner_a.refs, ==, 1);
        }
        if (round & 1) {
            dma_maps_release(maps);
            g_assert_cmpuint(owner_a.refs, ==, MANY);
        }
        if (round & 2) {
            g_assert_cmpuint(scan(maps, round), ==, MANY);
        }
        for (i = 0; i < MANY; i++) {
            unmap(maps, memory + i * 64, &owner_a);
            g_assert_cmpuint(owner_a.refs, ==,
                             round & 1 ? MANY - 1 - i : 1);
        }
    }
    map(maps, 0, memory, &owner_a);
    unmap(maps, memory, &owner_a);
    g_assert_cmpuint(owner_a.refs, ==, 1);
    refs_finish(maps);
}

/* What becomes of a map before it ends */
static void fate_none(DMAMaps *maps)
{
}

static void fate_waited(DMAMaps *maps)
{
    g_assert_cmpuint(scan(maps, 1), ==, 1);
}

static void fate_given_up(DMAMaps *maps)
{
    fate_waited(maps);
    g_assert_cmpuint(dma_maps_abandon(maps, 1), ==, 1);
}

static void fate_shared(DMAMaps *maps)
{
    map(maps, 0x1000, memory, &owner_a);
    unmap(maps, memory, &owner_a);
}

static void fate_shared_own(DMAMaps *maps)
{
    map_own(maps, 0x1000, memory, &owner_a, false);
    unmap(maps, memory, &owner_a);
}

static void fate_vague(DMAMaps *maps)
{
    map_own(maps, 0x7000, memory, &owner_a, true);
    unmap(maps, memory, &owner_a);
}

static void fate_vague_waited(DMAMaps *maps)
{
    fate_waited(maps);
    fate_vague(maps);
}

static void fate_neighbour(DMAMaps *maps)
{
    /* Its pointer was advanced: slots around become records. */
    map(maps, 0x9000, memory + 2048, &owner_a);
    unmap(maps, memory + 4096, &owner_a);
}

static void fate_forgotten_tag(DMAMaps *maps)
{
    dma_maps_forget_tags(maps);
}

static void fate_crowd(DMAMaps *maps)
{
    unsigned i;

    for (i = 1; i < 100; i++) {
        map(maps, i << 12, memory + i * 8192, &owner_a);
    }
    for (i = 0; i < 100; i++) {
        dma_maps_concerned(maps, 1ull << 40, NOBODY, 0, 0);
    }
    for (i = 1; i < 100; i++) {
        unmap(maps, memory + i * 8192, &owner_a);
    }
}

static void fate_others(DMAMaps *maps)
{
    unsigned i;

    for (i = 0; i <= DMA_REFS_MISSES; i++) {
        map(maps, 0x9000, memory + 8192, &owner_b);
        unmap(maps, memory + 8192, &owner_b);
    }
    g_assert_cmpuint(owner_b.refs, ==, 1);
}

static void test_fates(void)
{
    static void (*const fates[])(DMAMaps *maps) = {
        fate_none, fate_waited, fate_given_up, fate_shared, fate_shared_own,
        fate_vague, fate_vague_waited, fate_neighbour, fate_forgotten_tag,
        fate_crowd, fate_others,
    };
    unsigned i, when;

    for (i = 0; i < ARRAY_SIZE(fates); i++) {
        /* Released never, before, after; again by another map; or by clear */
        for (when = 0; when < 5; when++) {
            DMAMaps *maps = refs_start();

            map(maps, 0x1000, memory, &owner_a);
            if (when == 1) {
                dma_maps_release(maps);
                g_assert_cmpuint(owner_a.refs, ==, 1);
            }
            fates[i](maps);
            g_assert_cmpuint(owner_a.refs, >=, 1);
            if (when >= 2) {
                dma_maps_release(maps);
                g_assert_cmpuint(owner_a.refs, ==, 1);
                g_assert_cmpuint(owner_b.refs, ==, 0);
            }
            if (when == 3) {
                map(maps, 0x5000, memory + 65536, &owner_a);
                unmap(maps, memory + 65536, &owner_a);
                g_assert_cmpuint(owner_a.refs, ==, 2);
            }
            if (when == 4) {
                dma_maps_clear(maps);
                g_assert_cmpuint(owner_a.refs, ==, 1);
                maps_owner_drop(&owner_a);
            } else {
                unmap(maps, memory, &owner_a);
            }
            refs_finish(maps);
        }
    }
}

/* One record of maps that rely on what is kept, and of others, of all turns */
static void test_one_record(void)
{
    DMAMaps *maps = refs_start();
    unsigned i;

    map(maps, 0x1000, memory, &owner_a);
    map(maps, 0x1000, memory, &owner_a);
    g_assert_cmpuint(owner_a.refs, ==, 1);
    map_own(maps, 0x1000, memory, &owner_a, false);
    g_assert_cmpuint(owner_a.refs, ==, 2);
    dma_maps_release(maps);
    g_assert_cmpuint(owner_a.refs, ==, 3);
    map(maps, 0x1000, memory, &owner_a);
    map(maps, 0x1000, memory, &owner_a);
    g_assert_cmpuint(owner_a.refs, ==, 4);
    map_own(maps, 0x2000, memory, &owner_a, true);
    g_assert_cmpuint(owner_a.refs, ==, 5);
    for (i = 6; i; i--) {
        g_assert_cmpuint(owner_a.refs, >=, 1);
        g_assert_cmpuint(owner_a.refs, <=, i + 1);
        unmap(maps, memory, &owner_a);
    }
    g_assert_cmpuint(owner_a.refs, ==, 1);
    dma_maps_release(maps);
    g_assert_cmpuint(owner_a.refs, ==, 0);
    refs_finish(maps);
}

static void test_refused(void)
{
    DMAMaps *maps = refs_start();

    map(maps, 0x1000, memory, &owner_a);
    g_assert_false(try_map(maps, 0x2000, memory, &owner_a));
    g_assert_cmpuint(owner_a.refs, ==, 1);
    dma_maps_release(maps);
    g_assert_false(try_map(maps, 0x2000, memory, &owner_a));
    g_assert_cmpuint(owner_a.refs, ==, 1);
    unmap(maps, memory, &owner_a);
    g_assert_cmpuint(owner_a.refs, ==, 0);
    refs_finish(maps);
}

static void test_clear(void)
{
    DMAMaps *maps = refs_start();
    unsigned i;

    map(maps, 0x1000, memory, &owner_a);
    unmap(maps, memory, &owner_a);
    dma_maps_clear(maps);
    g_assert_cmpuint(owner_a.refs, ==, 0);

    /* What is unmapped later finds nothing, and has its reference. */
    for (i = 0; i < 5; i++) {
        map(maps, 0x1000 * i, memory + 4096 * i, &owner_a);
    }
    map(maps, 0, memory, &owner_a);
    map_own(maps, 0, memory, &owner_a, false);
    g_assert_cmpuint(owner_a.refs, ==, 2);
    dma_maps_clear(maps);
    g_assert_cmpuint(owner_a.refs, ==, 7);
    map(maps, 0x9000, memory, &owner_b);
    g_assert_cmpuint(owner_b.refs, ==, 1);
    unmap(maps, memory, &owner_b);
    owner_a.refs -= 7;
    refs_finish(maps);
}

/*
 * Memory that is plugged and pulled while threads map it: who finds it does so
 * in an epoch slot, as in an RCU read section, and maps it there; what is
 * pulled is found no more, and when all slots are closed what is kept is
 * released.  Then it goes with the last map.  It is really freed, and written
 * to as long as it is mapped: it is the sanitizers that see this fail.
 */
#define PLUG_MAPPERS    3
#define PLUG_PAGES      4
#define PLUG_MAPS       4        /* at once, of each */
/* Of 100 us: what does not go has to end, and no host is to be too slow. */
#define PLUG_TRIES      300000

typedef struct Dimm {
    unsigned refs;
    char bytes[PLUG_MAPPERS][PLUG_PAGES][16];
} Dimm;

static DMAMaps *plug_maps;
static Dimm *plugged[2];
static unsigned plug_freed, plug_stop;

static void dimm_take(void *owner, unsigned n)
{
    g_assert_cmpuint(qatomic_fetch_add(&((Dimm *)owner)->refs, n), >, 0);
}

static void dimm_drop(void *owner)
{
    Dimm *dimm = owner;
    unsigned before = qatomic_fetch_add(&dimm->refs, -1);

    dma_maps_waited(plug_maps);
    g_assert_cmpuint(before, >, 0);
    if (before == 1) {
        g_free(dimm);
        qatomic_fetch_add(&plug_freed, 1);
    }
}

typedef struct PlugMapper {
    unsigned index;
    Rand rand;
    struct {
        Dimm *dimm;
        char *host;
    } mapped[PLUG_MAPS];
    uint64_t maps, own;
    pthread_t thread;
} PlugMapper;

static void plug_unmap(PlugMapper *m, unsigned i)
{
    char *host = m->mapped[i].host;
    DMAMapsEnd end;
    void *left;

    memset(host, i, 16);
    if (!dma_maps_remove_request(plug_maps, host, true, &left)) {
        g_assert_true(dma_maps_remove(plug_maps, host, true, &end));
        left = end.relied ? NULL : m->mapped[i].dimm;
    }
    m->mapped[i].dimm = NULL;
    if (left) {
        m->own++;
        dimm_drop(left);
    }
}

static void plug_map(PlugMapper *m, unsigned i)
{
    uint64_t iova = (uint64_t)rand_below(&m->rand, PLUG_PAGES) << 12;
    Dimm *dimm;
    char *host;

    dma_epoch_enter();
    dimm = qatomic_load_acquire(&plugged[rand_below(&m->rand, 2)]);
    if (rand_below(&m->rand, 32) == 0) {
        sched_yield();
    }
    if (dimm) {
        host = dimm->bytes[m->index][iova >> 12];
        if (dma_maps_add_request(plug_maps, iova, 16, host, dimm, 0, 0,
                                 true)) {
            m->mapped[i].dimm = dimm;
            m->mapped[i].host = host;
            m->maps++;
        }
    }
    dma_epoch_exit();
}

static void *plug_mapper(void *opaque)
{
    PlugMapper *m = opaque;
    unsigned i;

    while (!qatomic_load_acquire(&plug_stop)) {
        i = rand_below(&m->rand, PLUG_MAPS);
        if (m->mapped[i].dimm) {
            plug_unmap(m, i);
        } else {
            plug_map(m, i);
        }
        if (rand_below(&m->rand, 64) == 0) {
            sched_yield();
        }
    }
    for (i = 0; i < PLUG_MAPS; i++) {
        if (m->mapped[i].dimm) {
            plug_unmap(m, i);
        }
    }
    return NULL;
}

static void plug_wait_epoch(void)
{
    uint64_t epoch = dma_epoch_next();

    while (!dma_epoch_passed(epoch)) {
        sched_yield();
    }
}

static void plug_pull(unsigned which)
{
    Dimm *dimm = plugged[which];
    unsigned freed = qatomic_read(&plug_freed), tries = 0;

    qatomic_store_release(&plugged[which], NULL);
    plug_wait_epoch();
    dma_maps_release(plug_maps);
    dimm_drop(dimm);
    /* The threads' maps end, whatever they map next. */
    while (qatomic_load_acquire(&plug_freed) == freed) {
        g_assert_cmpuint(tries++, <, PLUG_TRIES);
        g_usleep(100);
    }
}

static void plug_wake(void)
{
}

static void test_plug(void)
{
    static const DMARefsOps ops = { .take = dimm_take, .drop = dimm_drop };
    PlugMapper m[PLUG_MAPPERS];
    Rand r = rand_new();
    unsigned i, step, pulled = 0;
    uint64_t maps = 0, own = 0;

    plug_maps = dma_maps_new(&ops);
    revoked = g_array_new(false, false, sizeof(DMAMapInfo));
    in_threads = true;
    dma_epoch_set_wake(plug_wake);
    for (i = 0; i < PLUG_MAPPERS; i++) {
        m[i] = (PlugMapper) { .index = i, .rand = { rand64(&r) | 1 } };
        thread_start(&m[i].thread, plug_mapper, &m[i]);
    }
    for (step = 0; step < rounds(400); step++) {
        unsigned which = rand_below(&r, 2);

        if (!plugged[which]) {
            Dimm *dimm = g_new0(Dimm, 1);

            dimm->refs = 1;
            qatomic_store_release(&plugged[which], dimm);
        } else if (rand_below(&r, 2)) {
            plug_pull(which);
            pulled++;
        } else {
            /* Others ask for what is in flight, and move it. */
            scan_if(plug_maps, 0, NOBODY, is_stale,
                    &(StaleSet) { rand64(&r) }, step + 1);
            dma_maps_release(plug_maps);
        }
        sched_yield();
    }
    for (i = 0; i < 2; i++) {
        if (plugged[i]) {
            plug_pull(i);
            pulled++;
        }
    }
    qatomic_store_release(&plug_stop, 1);
    for (i = 0; i < PLUG_MAPPERS; i++) {
        thread_join(m[i].thread);
        maps += m[i].maps;
        own += m[i].own;
    }
    g_assert_cmpuint(plug_freed, ==, pulled);
    g_assert_cmpuint(dma_maps_count(plug_maps), ==, 0);
    g_test_message("%u pulled, %" PRIu64 " maps, %" PRIu64 " with a reference"
                   " of their own", pulled, maps, own);
    in_threads = false;
    finish(plug_maps);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/dma-maps-refs/many", test_many);
    g_test_add_func("/dma-maps-refs/fates", test_fates);
    g_test_add_func("/dma-maps-refs/one-record", test_one_record);
    g_test_add_func("/dma-maps-refs/refused", test_refused);
    g_test_add_func("/dma-maps-refs/clear", test_clear);
    g_test_add_func("/dma-maps-refs/plug", test_plug);
    return g_test_run();
}

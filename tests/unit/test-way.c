/*
 * Walks that begin where the one before came by: interleavings, step by step
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Any number of threads in one, and stores that are late: fibers.h.
 *
 * Software moves a page: by its leaf, or by another table, which it says.  Once
 * the invalidation is complete the page that was left is poisoned, and so is
 * the table: who still reads either meets the poison.
 */
#define QEMU_SHIM_STEP_MINE
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "fibers.h"
#include "../../hw/iommu/viommu-way.h"
#include "../../system/dma-epoch.c"

#define SLOTS       16
#define POISON      UINT64_MAX
#define RW          3ull
#define TOP_AT      0x1000ull
#define TABLES_AT   0x100000ull
#define PAGES_AT    0x200000ull

static uint64_t top;                /* the entry of the top table */
static uint64_t table[SLOTS];       /* the entry of each last table */
static uint64_t page[SLOTS];
static uint64_t lost;               /* invalidations of more than leaves */
static uint64_t tables_made, pages_made;
static uint64_t wakes, uses, short_walks, reads;

static const IOPTSpace space = {
    .table = {
        .format = &iopt_vtd_ss, .root = TOP_AT, .levels = 2,
        .input_bits = 30, .output_bits = 48,
    },
};

/* What a thread has */
static VIOMMUWay way;
static VIOMMUWay fiber_way[FIBERS_MAX];
static DMAEpochSlot *fiber_slot[FIBERS_MAX];
static unsigned fiber_depth[FIBERS_MAX];

static void switched(unsigned from, unsigned to)
{
    if (from < FIBERS_MAX) {
        fiber_way[from] = way;
        fiber_slot[from] = my_slot;
        fiber_depth[from] = my_depth;
    }
    way = fiber_way[to];
    my_slot = fiber_slot[to];
    my_depth = fiber_depth[to];
}

static void wake(void)
{
    wakes++;
}

static bool read_entry(void *opaque, uint64_t addr, uint64_t *entry)
{
    unsigned *n = opaque;

    ++*n;
    if (addr == TOP_AT) {
        *entry = qatomic_read(&top);
    } else {
        g_assert_cmphex(addr % 4096, ==, 0);
        g_assert_cmpuint((addr - TABLES_AT) / 4096, <, SLOTS);
        *entry = qatomic_read(&table[(addr - TABLES_AT) / 4096]);
    }
    g_assert_cmphex(*entry, !=, POISON);
    return true;
}

static bool never_update(void *opaque, uint64_t addr, uint64_t *expected,
                         uint64_t value)
{
    g_assert_not_reached();
}

static void access_page(void)
{
    unsigned n = 0;
    IOPTMem mem = {
        .read = read_entry, .update = never_update, .opaque = &n,
    };
    IOPTResult res;
    IOPTFault fault;

    /* The thread goes on with a way of its own, whoever runs meanwhile. */
    mem.memo = viommu_way(&way, 1, &lost);
    fault = iopt_space_walk(&space, 0, IOPT_WRITE, &mem, &res);
    g_assert_cmpint(fault, ==, IOPT_OK);
    g_assert_cmphex(qatomic_read(&page[(res.addr - PAGES_AT) / 4096]), !=,
                    POISON);
    uses++;
    reads += n;
    short_walks += n == 1;
}

static void device(Rand *r)
{
    unsigned i, n = 1 + rand_below(r, 4);

    for (i = 0; i < n; i++) {
        dma_epoch_enter();
        access_page();
        if (rand_below(r, 3) == 0) {
            access_page();
        }
        dma_epoch_exit();
    }
}

static bool others_done(void)
{
    unsigned i;

    for (i = 0; i < fiber_count; i++) {
        if (i != current && !fibers[i].done) {
            return false;
        }
    }
    return true;
}

static void drain(void)
{
    uint64_t epoch = dma_epoch_next(), seen;

    for (;;) {
        seen = wakes;
        if (dma_epoch_passed(epoch)) {
            return;
        }
        while (seen == wakes) {
            g_assert_false(others_done());
            qemu_shim_step();
        }
    }
}

static void invalidator(Rand *r)
{
    unsigned i, n = 1 + rand_below(r, 3);

    for (i = 0; i < n; i++) {
        bool leaf = rand_below(r, 2);
        unsigned old_page = pages_made % SLOTS, old_table = tables_made % SLOTS;
        unsigned new_page = ++pages_made % SLOTS;
        uint64_t entry = (PAGES_AT + new_page * 4096) | RW;

        qatomic_set(&page[new_page], 0);
        if (leaf) {
            qatomic_store_release(&table[old_table], entry);
        } else {
            unsigned new_table = ++tables_made % SLOTS;

            qatomic_set(&table[new_table], entry);
            qatomic_store_release(&top, (TABLES_AT + new_table * 4096) | RW);
            viommu_way_lost(&lost);
        }
        drain();
        qatomic_set(&page[old_page], POISON);
        if (!leaf) {
            qatomic_set(&table[old_table], POISON);
        }
        /* It is given away: who comes next there sees the poison. */
        smp_mb();
    }
}

static void test_way(void)
{
    static void (*const run[])(Rand *r) = {
        device, device, invalidator, device,
    };
    unsigned i, n;

    chance = rand_new();
    fiber_switched = switched;
    dma_epoch_set_wake(wake);
    for (i = 0; i < SLOTS; i++) {
        table[i] = page[i] = POISON;
    }
    page[0] = 0;
    table[0] = PAGES_AT | RW;
    top = TABLES_AT | RW;
    for (i = 0; i < rounds(40000); i++) {
        n = 1 + rand_below(&chance, 3);
        play(run + 3 - n, n + rand_below(&chance, 2));
        switched(current, 0);
    }
    g_test_message("%" PRIu64 " uses, %" PRIu64 " of them by one entry", uses,
                   short_walks);
    g_assert_cmpuint(short_walks, >, uses / 10);
    g_assert_cmpuint(tables_made, >, SLOTS);
    g_assert_cmpuint(pages_made, >, tables_made);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/way", test_way);
    return g_test_run();
}

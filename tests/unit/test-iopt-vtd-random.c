/*
 * Random tables of VT-d's scalable mode, alone and nested, against a second
 * reading
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "iopt-vtd-world.h"

/*
 * What must have been met; 0 ends it.  Those after the first 0 only in a
 * thorough run: they depend on few entries of a space.
 */
static const uint8_t wanted[][20] = {
    [VTD_PGTT_FIRST] = {
        0x70, 0x71, 0x72, 0x80, 0x81, 0x85, 0x90,
    },
    [VTD_PGTT_SECOND] = {
        0x78, 0x79, 0x7a, 0x7c, 0x84, 0x85, 0x86,
    },
    [VTD_PGTT_NESTED] = {
        0x70, 0x71, 0x72, 0x77, 0x79, 0x7a, 0x7c, 0x80, 0x81, 0x85, 0x90, 0,
        0x73, 0x74, 0x75, 0x76, 0x78, 0x84, 0x86,
    },
};

static void test_random(gconstpointer data)
{
    unsigned pgtt = GPOINTER_TO_UINT(data), i;
    bool common = true;
    Rand r = rand_new();

    memset(seen_reason, 0, sizeof(seen_reason));
    seen_writes = seen_leaves = 0;
    for (i = 0; i < rounds(pgtt == VTD_PGTT_NESTED ? 500 : 200); i++) {
        run_random(&r, pgtt);
    }
    for (i = 0; i < ARRAY_SIZE(seen_reason); i++) {
        if (seen_reason[i]) {
            g_test_message("reason 0x%x: %u", i, seen_reason[i]);
        }
    }
    g_test_message("%u writes, %u leaves in ranges", seen_writes, seen_leaves);
    for (i = 0; i < ARRAY_SIZE(wanted[pgtt]); i++) {
        common = common && wanted[pgtt][i];
        if (common || g_test_thorough()) {
            g_assert_cmpuint(seen_reason[wanted[pgtt][i]], >, 0);
        }
    }
    g_assert_cmpuint(seen_reason[0], >, 0);
    g_assert_cmpuint(seen_writes, >, 0);
    g_assert_cmpuint(seen_leaves, >, 0);
}

/* Walks that begin where those before them came by */

typedef struct Memory {
    World w;
    RefUnit u;
    Maker m;
    IOPTSpace space;
    IOPTMemo memo;
    bool out_of_date;            /* tables changed, and it was not emptied */
    unsigned kept, faults;
} Memory;

static bool is_nested(const Memory *mem)
{
    return mem->u.e.pgtt == VTD_PGTT_NESTED;
}

/* A table that was left may be written where the second stage leads by now. */
static bool update_if_memory(void *opaque, uint64_t addr, uint64_t *expected,
                             uint64_t value)
{
    return world_word(opaque, addr) &&
           world_update(opaque, addr, expected, value);
}

static IOPTFault walk_remembered(Memory *mem, uint64_t iova, unsigned access,
                                 IOPTResult *res)
{
    const IOPTMem to = {
        .read = world_read,
        .update = update_if_memory,
        .memo = &mem->memo,
        .opaque = &mem->w,
    };

    mem->w.reads = 0;
    return iopt_space_walk(&mem->space, iova, access, &to, res);
}

/* A fault is as of now; a page is, if all that changed was told. */
static void check_remembered(Memory *mem, uint64_t iova, unsigned rights,
                             bool supervisor)
{
    RefAccess x = {
        .w = &mem->w, .u = &mem->u, .rights = rights, .supervisor = supervisor,
        .commit = true,
    };
    unsigned access = rights | (supervisor ? IOPT_PRIV : 0);
    RefPage want;
    IOPTResult res, again;
    IOPTFault fault;

    ref_access(&x, iova, &want);
    fault = walk_remembered(mem, iova, access, &res);
    if (fault != IOPT_OK) {
        g_assert_cmphex(vtd_sm_walk_fault(&mem->space, fault, &res,
                                          rights & 2), ==, x.reason);
        mem->faults += mem->out_of_date;
    } else if (!mem->out_of_date) {
        g_assert_cmphex(x.reason, ==, 0);
        g_assert_cmphex(res.addr, ==, want.addr);
        g_assert_cmpuint(res.shift, ==, want.shift);
        g_assert_cmpuint(res.perm, ==, want.perm);
        check_writes(&mem->w, &x);
        g_array_set_size(mem->w.writes, 0);
        /* All is marked by now; of each stage the last entry is read. */
        g_assert_cmpint(walk_remembered(mem, iova, access, &again), ==,
                        IOPT_OK);
        g_assert_cmpuint(mem->w.reads, ==, is_nested(mem) ? 2 : 1);
        g_assert_cmpuint(mem->w.writes->len, ==, 0);
        g_assert_cmphex(again.addr, ==, res.addr);
        g_assert_cmpuint(again.perm, ==, res.perm);
        mem->kept++;
    }
    g_array_set_size(mem->w.writes, 0);
}

/* Did the walks come by the table @addr, before the last one? */
static bool came_by(const Memory *mem, uint64_t addr)
{
    const IOPTPath *path = &mem->memo.first;
    unsigned level;

    if (!path->lowest) {
        return false;
    }
    for (level = path->lowest + 1; level < mem->space.table.levels; level++) {
        if (path->base[level] == addr) {
            return true;
        }
    }
    return addr == mem->space.table.root && level > path->lowest;
}

/* Of one stage, what is in the last table is never remembered. */
static void change_an_entry(Memory *mem, Rand *r)
{
    unsigned second = is_nested(mem) ? rand_below(r, 2) :
                      mem->u.e.pgtt == VTD_PGTT_SECOND;
    unsigned levels = second ? mem->u.e.ss_levels : mem->u.e.fs_levels;
    Area *area = &mem->w.area[second];
    unsigned page = rand_below(r, area->words / 512);
    unsigned level = levels - page % levels;

    area->word[page * 512 + used_index(r)] =
        second ? random_second(&mem->m, level) : random_first(&mem->m, level);
    mem->out_of_date |= is_nested(mem) ||
                        came_by(mem, area->base + page * 4096);
}

static void forget(Memory *mem)
{
    memset(&mem->memo, 0, sizeof(mem->memo));
    mem->out_of_date = false;
}

static void run_remembered(Rand *r, unsigned pgtt, unsigned *kept,
                           unsigned *faults)
{
    Memory mem = { 0 };
    uint64_t iova = 0;
    unsigned i;

    random_world(r, pgtt, &mem.w, &mem.u, &mem.m, &mem.space);
    for (i = 0; i < 4 * NUM_IOVAS; i++) {
        switch (rand_below(r, 16)) {
        case 0 ... 3:
            iova = random_iova(r, &mem.u);
            break;
        case 4:
            change_an_entry(&mem, r);
            break;
        case 5:
            forget(&mem);
            break;
        case 6 ... 9:
            iova ^= used_index(r) << 21;
            break;
        default:
            iova ^= used_index(r) << 12;
            break;
        }
        check_remembered(&mem, iova, 1 + rand_below(r, 3), rand_below(r, 2));
    }
    *kept += mem.kept;
    *faults += mem.faults;
    world_free(&mem.w);
}

static void test_remembered(gconstpointer data)
{
    unsigned pgtt = GPOINTER_TO_UINT(data);
    Rand r = rand_new();
    unsigned i, kept = 0, faults = 0;

    for (i = 0; i < rounds(400); i++) {
        run_remembered(&r, pgtt, &kept, &faults);
    }
    g_test_message("%u pages, %u faults of tables that changed", kept, faults);
    g_assert_cmpuint(kept, >, 0);
    g_assert_cmpuint(faults, >, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/iopt-vtd-random/first",
                         GUINT_TO_POINTER(VTD_PGTT_FIRST), test_random);
    g_test_add_data_func("/iopt-vtd-random/second",
                         GUINT_TO_POINTER(VTD_PGTT_SECOND), test_random);
    g_test_add_data_func("/iopt-vtd-random/nested",
                         GUINT_TO_POINTER(VTD_PGTT_NESTED), test_random);
    g_test_add_data_func("/iopt-vtd-random/remembered/first",
                         GUINT_TO_POINTER(VTD_PGTT_FIRST), test_remembered);
    g_test_add_data_func("/iopt-vtd-random/remembered/second",
                         GUINT_TO_POINTER(VTD_PGTT_SECOND), test_remembered);
    g_test_add_data_func("/iopt-vtd-random/remembered/nested",
                         GUINT_TO_POINTER(VTD_PGTT_NESTED), test_remembered);
    return g_test_run();
}

/*
 * Armv8 table formats and walks through two stages, by hand
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * With the bits of DDI 0487 D8 as numbers.
 */
#include "qemu/osdep.h"
#include "test-iopt-world.h"

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
            if (stage) {
                iopt_armv8_stage2(&space.table, &p);
            } else {
                iopt_armv8_stage1(&space.table, &p);
            }
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
    } rows[] = {
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

    for (i = 0; i < ARRAY_SIZE(rows); i++) {
        IOPTSpace space = { 0 };
        IOPTResult res;
        IOPTFault fault;
        World w;

        hand_world(&w);
        g_test_message("case %u", i);
        g_assert_cmpint(iopt_armv8_stage1(&space.table, &rows[i].p), ==,
                        rows[i].status);
        fault = walk_at(&w, &space, 0, IOPT_READ, &res);
        if (rows[i].levels && !(rows[i].p.flags & IOPT_ARMV8_EPD)) {
            g_assert_cmpuint(space.table.levels, ==, rows[i].levels);
            g_assert_cmphex(space.table.root, ==, rows[i].root);
            g_assert_cmpuint(fault, ==,
                             rows[i].status == IOPT_ARMV8_BAD_TTB ?
                             IOPT_FAULT_ADDR_SIZE : IOPT_FAULT_READ_TABLE);
            g_assert_cmpuint(res.level, ==, rows[i].levels);
            g_assert_cmphex(res.fetch, ==, fault == IOPT_FAULT_READ_TABLE ?
                            rows[i].root : 0);
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
                        int start = 3 - (int)sl0;
                        unsigned top = stt ? (g == 16 ? 47 : 48) : 39;
                        unsigned low;
                        bool size = tsz >= 64 - MIN(pa, 48) && tsz <= top;
                        bool level = sl0 < 3 || (g == 12 && stt);
                        IOPTTable t;
                        IOPTArmv8Status status = iopt_armv8_stage2(&t, &p);

                        if (g == 12) {
                            start = sl0 == 3 ? 3 : 2 - (int)sl0;
                        }
                        low = g + (3 - start) * (g - 3);
                        /* Start levels that small memory does not have */
                        level &= !(g == 12 && sl0 == 2 && pa <= 42) &&
                                 !(g == 14 && sl0 == 2 && pa <= 40) &&
                                 !(g == 16 && sl0 == 2 && pa <= 42);
                        /* One entry is too few, and 17 tables too many. */
                        level &= 64 - tsz > low && 64 - tsz <= low + g + 1;
                        if (size && level) {
                            g_assert_cmpint(status, ==, IOPT_ARMV8_OK);
                        } else if (size) {
                            g_assert_cmpint(status, ==, IOPT_ARMV8_BAD_START);
                        } else {
                            g_assert_cmpint(status, ==, IOPT_ARMV8_BAD_SIZE);
                        }
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

    /* Stage 2 refuses the write: neither table becomes dirty. */
    *h.s1 |= BIT(7);
    *h.s2_table &= ~BIT(7);
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

/* Stops at the visit that makes *@opaque nothing. */
static bool count_down(void *opaque, uint64_t first, uint64_t last,
                       const IOPTResult *res)
{
    unsigned *left = opaque;

    g_assert_cmpuint(*left, >, 0);
    return --*left > 0;
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
    } rows[] = {
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
        for (i = 0; i < ARRAY_SIZE(rows); i++) {
            unsigned half = tbi ? rows[i].tbi : rows[i].half;
            uint64_t iova = rows[i].iova, same;
            IOPTResult res;

            g_assert_cmpuint(walk_at(&w, &space, iova, 1, &res), ==,
                             half ? IOPT_OK : IOPT_FAULT_RANGE);
            if (half) {
                same = half == 1 ? 0x5000000000 + (iova & mask(39)) :
                                   0x7000000000 + (iova & mask(32));
                g_assert_cmphex(res.addr, ==, same & ~mask(30));
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
        /* One that stops is asked no more, in whichever half it is. */
        for (i = 1; i <= 518; i++) {
            unsigned left = i;

            g_assert_true(iopt_space_walk_range(&space, 0, UINT64_MAX,
                                                probe_mem(&w), count_down,
                                                &left) == (i == 518));
            g_assert_cmpuint(left, ==, i == 518);
        }
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
    /*
     * The tables of stage 1 are one page, which is located once; so is the way
     * to the page that they lead to.
     */
    g_assert_cmpuint(w.reads, ==, 4 + 4 + 1);
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
    return g_test_run();
}

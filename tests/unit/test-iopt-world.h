/*
 * Table memory for unit tests of the page-table walker
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TEST_IOPT_WORLD_H
#define TEST_IOPT_WORLD_H

#include "hw/iommu/iopt-armv8.h"
#include "test-common.h"

#define BIT(n) (1ull << (n))

static inline uint64_t mask(unsigned bits)
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

static inline bool area_has(const Area *area, uint64_t addr)
{
    return (addr - area->base) / 8 < area->words;
}

static inline uint64_t *world_word(World *w, uint64_t addr)
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

static inline bool world_read(void *opaque, uint64_t addr, uint64_t *entry)
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

static inline bool world_update(void *opaque, uint64_t addr, uint64_t *expected,
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

static inline const IOPTMem *probe_mem(World *w)
{
    static IOPTMem mem = { .read = world_read };

    mem.opaque = w;
    return &mem;
}

/* A probe of the entries as they are */
static inline const IOPTMem *as_is_mem(World *w)
{
    static IOPTMem mem = { .read = world_read, .as_is = true };

    mem.opaque = w;
    return &mem;
}

static inline const IOPTMem *update_mem(World *w)
{
    static IOPTMem mem = { .read = world_read, .update = world_update };

    mem.opaque = w;
    return &mem;
}

static inline void world_undo(World *w)
{
    while (w->writes->len) {
        Write *write = &g_array_index(w->writes, Write, w->writes->len - 1);

        *write->word = write->old;
        g_array_set_size(w->writes, w->writes->len - 1);
    }
}

static inline void world_init(World *w, Rand *r)
{
    *w = (World) {
        .rand = r,
        .writes = g_array_new(false, false, sizeof(Write)),
    };
}

static inline void world_area(World *w, unsigned i, uint64_t base,
                              uint64_t bytes)
{
    w->area[i] = (Area) {
        .base = base, .words = bytes / 8, .word = g_new0(uint64_t, bytes / 8),
    };
}

static inline void world_free(World *w)
{
    g_free(w->area[0].word);
    g_free(w->area[1].word);
    g_array_free(w->writes, true);
}

/* Ranges */

typedef struct Visited {
    uint64_t first, last;
    IOPTResult res;
} Visited;

static inline bool record_visit(void *opaque, uint64_t first, uint64_t last,
                                const IOPTResult *res)
{
    GArray *array = opaque;
    Visited v = { first, last, *res };

    g_array_append_val(array, v);
    return true;
}

#endif

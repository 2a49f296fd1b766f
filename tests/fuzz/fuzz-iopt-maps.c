/*
 * Fuzz target: a set of mappings in the unit tests' world
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The input says what is added, removed and looked at, and where.
 */
#define TEST_RAND_INPUT
#include "fuzz.h"
#include "../unit/iopt-maps-world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint64_t bases[] = { 0, 0x7fff0000, -PAGES * PAGE };
    Rand r = rand_of_input(data, size);
    g_autofree World *w = g_new0(World, 1);

    w->base = bases[rand_below(&r, ARRAY_SIZE(bases))];
    iopt_maps_init(&w->maps, retire_now);
    while (rand_has_input(&r)) {
        switch (rand_below(&r, 8)) {
        case 0:
            world_check(w);
            break;
        case 1 ... 3:
            world_remove(w, &r);
            break;
        default:
            world_add(w, &r);
            break;
        }
    }
    world_check(w);
    iopt_maps_clear(&w->maps);
    return 0;
}

/*
 * Fuzz target: an endpoint's translation cache in the unit tests' world
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The input says what happens in which order, and the numbers that the world
 * would draw.
 */
#define TEST_RAND_INPUT
#include "fuzz.h"
#include "../unit/test-common.h"
#include "../unit/dma-cache-world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Rand r = rand_of_input(data, size);
    DMACacheHit hit;
    uint64_t iova;
    World w;

    world_init(&w, 64u << rand_below(&r, 3), &r);
    while (rand_has_input(&r)) {
        switch (rand_below(&r, 4)) {
        case 0:
            world_change(&w, &r);
            break;
        case 1:
            world_fill(&w, &r);
            break;
        default:
            if (world_lookup(&w, &r, &hit, &iova)) {
                world_check_floor(w.floor, iova, &hit);
            }
            break;
        }
    }
    dma_cache_free(w.cache);
    return 0;
}

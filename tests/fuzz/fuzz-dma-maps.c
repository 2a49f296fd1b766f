/*
 * Fuzz target: the records of maps in flight in the unit tests' world
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The input says what happens in which order, and the numbers that the world
 * would draw.
 */
#define TEST_RAND_INPUT
#include "fuzz.h"
#include "../unit/test-common.h"
#include "../unit/dma-maps-world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Rand r = rand_of_input(data, size);
    MapsWorld w;

    maps_world_init(&w);
    while (rand_has_input(&r)) {
        maps_world_step(&w, &r);
    }
    maps_world_free(&w);
    return 0;
}

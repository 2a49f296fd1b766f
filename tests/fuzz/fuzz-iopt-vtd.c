/*
 * Fuzz target: the walker over tables of VT-d's scalable mode that the input
 * chooses, against the second reading of the unit tests
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#define TEST_RAND_INPUT
#include "fuzz.h"
#include "../unit/iopt-vtd-world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Rand r = rand_of_input(data, size);

    run_random(&r, VTD_PGTT_FIRST + rand_below(&r, 3));
    return 0;
}

/*
 * Fuzz target: the walker over AMD-Vi's host tables, against the second
 * reading of their unit test
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#define TEST_RAND_INPUT
#include "fuzz.h"

/* What the test program does by itself is not wanted here. */
int unit_tests(int argc, char **argv);
#define main unit_tests
#include "../unit/test-iopt-amd.c"
#undef main

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Rand r = rand_of_input(data, size);

    run_random(&r, 1 + rand_below(&r, 6));
    return 0;
}

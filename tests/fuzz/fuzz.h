/*
 * What the fuzz targets share
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A target is one function, as libFuzzer wants it.  It must end by itself,
 * whatever the input, and abort where a rule is broken.  The same function is
 * linked with replay.c, which feeds it what once failed.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include "qemu/osdep.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The input, read from the front; what is beyond its end reads as zeroes. */
typedef struct FuzzInput {
    const uint8_t *next, *end;
} FuzzInput;

static inline FuzzInput fuzz_input(const uint8_t *data, size_t size)
{
    return (FuzzInput) { data, data + size };
}

static inline bool fuzz_more(const FuzzInput *in)
{
    return in->next < in->end;
}

/* @bytes: 1 .. 8, little-endian */
static inline uint64_t fuzz_take(FuzzInput *in, unsigned bytes)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < bytes && fuzz_more(in); i++) {
        value |= (uint64_t)*in->next++ << 8 * i;
    }
    return value;
}

/* A rule; not an assertion of the code under test. */
#define FUZZ_RULE(condition)                                            \
    do {                                                                \
        if (!(condition)) {                                             \
            fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__,  \
                    #condition);                                        \
            abort();                                                    \
        }                                                               \
    } while (0)

#endif

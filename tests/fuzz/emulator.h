/*
 * The emulator as a fuzz target: what latency.c asks
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef FUZZ_EMULATOR_H
#define FUZZ_EMULATOR_H

/*
 * emulator_longest: by the kind of a step, the longest that one took of its
 * thread's time, in ns (int64_t *); NULL: there was none
 */
GHashTable *emulator_longest(void);

#endif

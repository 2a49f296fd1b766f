/*
 * The emulator as a fuzz target: what latency.c asks, and the guest
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

/*
 * emulator_memset: the guest's qtest_memset(), which fills @size bytes of its
 * memory at @addr, in the process of the emulator; keeps nothing.  BQL.
 */
void emulator_memset(QTestState *qts, uint64_t addr, uint8_t patt,
                     size_t size);

#endif

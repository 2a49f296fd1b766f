/*
 * The vIOMMU core: entries of a table that are larger than what can be read
 * atomically
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pure: no QEMU type beyond fixed-width integers.
 */
#ifndef HW_IOMMU_VIOMMU_FETCH_H
#define HW_IOMMU_VIOMMU_FETCH_H

#include "hw/iommu/iopt.h"

/* The most words of an entry: a stream table entry of SMMUv3 */
#define VIOMMU_FETCH_WORDS_MAX 8

/**
 * viommu_fetch: read a root, context, stream, interrupt, ... table entry while
 * the guest may be writing it.
 *
 * Every 64-bit word is read atomically, word 0 (which has the bit Present or
 * Valid in all formats) before the others.  Whoever makes an entry valid writes
 * word 0 last, so what is seen with the bit set is what was meant by it.
 * Whoever makes one invalid writes word 0 first, and what follows once the
 * invalidation has completed, for which the drain waits for us.
 *
 * An entry of two words may also be replaced in one piece (CMPXCHG16B; VT-d
 * 5.1.4 for IRTEs, AMD's device table).  So if word 0 has changed when the
 * others have been read, all is read again.  A guest that does nothing but
 * change it gets what was read last: each word is one that it wrote.
 *
 * @addr: guest-physical, a multiple of 8
 * @words: host byte order; @n of them, 1 to VIOMMU_FETCH_WORDS_MAX
 * Returns: false if a word cannot be read; then @words is not to be used.
 * Any thread, as @mem->read.
 */
bool viommu_fetch(const IOPTMem *mem, uint64_t addr, uint64_t *words,
                  unsigned n);

#endif

/*
 * The vIOMMU core: entries of a table that are larger than what can be read
 * atomically
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/iommu/viommu-fetch.h"
#include "qemu/atomic.h"

/* More than once is unlikely, more often is no accident. */
#define VIOMMU_FETCH_TRIES 4

bool viommu_fetch(const IOPTMem *mem, uint64_t addr, uint64_t *words,
                  unsigned n)
{
    unsigned tries = VIOMMU_FETCH_TRIES;
    uint64_t now;

    if (!mem->read(mem->opaque, addr, &now)) {
        return false;
    }
    do {
        words[0] = now;
        if (n == 1) {
            return true;
        }
        smp_rmb();      /* word 0 before the others */
        for (unsigned i = 1; i < n; i++) {
            if (!mem->read(mem->opaque, addr + 8 * i, &words[i])) {
                return false;
            }
        }
        smp_rmb();      /* and again after them */
        if (!mem->read(mem->opaque, addr, &now)) {
            return false;
        }
    } while (now != words[0] && --tries);
    return true;
}

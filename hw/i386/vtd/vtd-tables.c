/*
 * VT-d: root and context entries, and the core's questions
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Legacy mode, VT-d 3.4 and 9.1, 9.3.  vtd_resolve() runs on any thread and
 * only reads memory and what s->lock protects.
 */
#include "qemu/osdep.h"
#include "exec/address-spaces.h"
#include "qapi/error.h"
#include "system/dma.h"
#include "trace.h"
#include "vtd-decode.h"
#include "vtd-internal.h"

static IntelIOMMUState *vtd_of(VIOMMU *v)
{
    return container_of(v, IntelIOMMUState, viommu);
}

void vtd_latch_root(IntelIOMMUState *s)
{
    uint64_t rtaddr = vtd_reg64(s, DMAR_RTADDR_REG);

    WITH_QEMU_LOCK_GUARD(&s->lock) {
        s->root = VTD_RTADDR_RTA(rtaddr) & vtd_haw_mask(s);
        s->root_ttm = VTD_RTADDR_TTM(rtaddr);
    }
    trace_vtd_reg_dmar_root(s->root, s->root_ttm);
}

static bool read_pair(uint64_t addr, uint64_t *lo, uint64_t *hi)
{
    uint64_t val[2];

    if (dma_memory_read(&address_space_memory, addr, val, sizeof(val),
                        VTD_MEM_ATTRS) != MEMTX_OK) {
        return false;
    }
    *lo = le64_to_cpu(val[0]);
    *hi = le64_to_cpu(val[1]);
    return true;
}


/*
 * VT-d: what all files of the model share
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The files of the model stand on each other.  Each has a header, and includes
 * only what is below it:
 *
 *   vtd.c            the device in a machine: realize, PCI
 *   vtd-unit.c       the unit: its parts, reset; which register write goes
 *                    where
 *   vtd-props.c      properties
 *   vtd-migration.c  the migration stream
 *   vtd-gcmd.c       GCMD/GSTS
 *   vtd-mistakes.c   what software must not do with GCMD and IQA
 *   vtd-queue.c      invalidation through the queue
 *   vtd-inv.c        invalidation, and through registers
 *   vtd-prq.c        the page request queue
 *   vtd-tables.c     root and context entries, the core's ops
 *   vtd-tables-sm.c  scalable mode's entries
 *   vtd-ir-window.c  where devices' interrupt requests come in
 *   vtd-ir.c         interrupt remapping
 *   vtd-post.c       posted interrupts
 *   vtd-fault.c      fault records and their event
 *   vtd-event.c      where event messages (MSI) go
 *   vtd-regs.c       the register file
 *   vtd-cap.c        VER, CAP and ECAP from the properties
 *   vtd-decode*.c    pure decoders
 *   vtd-spec.h       bit layouts
 *
 * vtd.c, vtd-ir-window.c and vtd-event.c are about the machine that the unit is
 * in; qemu-viommud (hw/iommu/remote/server) has others in their place.
 *
 * This header is the ground floor's: the state, and the register file.
 */
#ifndef HW_I386_VTD_INTERNAL_H
#define HW_I386_VTD_INTERNAL_H

#include "hw/i386/intel_iommu.h"
#include "qemu/bswap.h"
#include "qemu/lockable.h"
#include "vtd-spec.h"

/* Names of vtd-spec.h are its owner's: the others follow it. */

/*
 * Memory that the unit itself reads and writes (tables, queue, status) is RAM:
 * no MMIO handler runs, so this needs no BQL and cannot re-enter us.
 */
#define VTD_MEM_ATTRS ((MemTxAttrs) { .memory = 1 })

/*
 * Registers as the unit sees them, without masks.  @reg is an offset of ours,
 * never the guest's; a caller that competes with fault recording (FSTS,
 * FECTL, FRCD) holds s->lock.
 */
static inline uint32_t vtd_reg32(const IntelIOMMUState *s, hwaddr reg)
{
    return ldl_le_p(&s->csr[reg]);
}

static inline uint64_t vtd_reg64(const IntelIOMMUState *s, hwaddr reg)
{
    return ldq_le_p(&s->csr[reg]);
}

static inline void vtd_reg32_set(IntelIOMMUState *s, hwaddr reg, uint32_t val)
{
    stl_le_p(&s->csr[reg], val);
}

static inline void vtd_reg64_set(IntelIOMMUState *s, hwaddr reg, uint64_t val)
{
    stq_le_p(&s->csr[reg], val);
}

static inline void vtd_reg32_change(IntelIOMMUState *s, hwaddr reg,
                                    uint32_t clear, uint32_t set)
{
    vtd_reg32_set(s, reg, (vtd_reg32(s, reg) & ~clear) | set);
}

static inline void vtd_reg64_change(IntelIOMMUState *s, hwaddr reg,
                                    uint64_t clear, uint64_t set)
{
    vtd_reg64_set(s, reg, (vtd_reg64(s, reg) & ~clear) | set);
}

/*
 * Tags (see IOTLB_TAG).  A domain's translations by the second stage alone, in
 * legacy mode all of them; and, in scalable mode, those of a PASID in a domain,
 * with a group for each domain.
 */
#define VTD_TAG_DOMAIN(did)         IOTLB_TAG(0, did, 0)
#define VTD_TAG_PASID(did, pasid)   IOTLB_TAG((did) + 1ULL, pasid, 0)

/* VIOMMUConfig.model */
#define VTD_MODEL_SCALABLE          1

/* Offset of fault recording register @index */
static inline hwaddr vtd_frcd_reg(unsigned index)
{
    return DMAR_FRCD_REG_OFFSET + 16 * (hwaddr)index;
}

/* vtd-cap.c */

/** vtd_cap_init: s->cap and s->ecap from the properties. */
void vtd_cap_init(IntelIOMMUState *s);

/* vtd-regs.c */

/* What a guest's write to a register does.  BQL. */
typedef struct VTDRegAction {
    hwaddr first, last;      /* bytes of which any triggers it */
    void (*written)(IntelIOMMUState *s);
    /*
     * busy: a command register belongs to the unit from the command until its
     * bit clears; software must not write it then (VT-d 11.4.6), and cannot.
     * NULL: never.
     */
    bool (*busy)(const IntelIOMMUState *s);
} VTDRegAction;

extern const MemoryRegionOps vtd_reg_ops;

/**
 * vtd_regs_init: @actions, @n of them, at most 32, are done in this order after
 * a write.
 */
void vtd_regs_init(IntelIOMMUState *s, const VTDRegAction *actions, size_t n);

/** vtd_regs_reset: every register to its default, with its masks.  BQL. */
void vtd_regs_reset(IntelIOMMUState *s);

#endif

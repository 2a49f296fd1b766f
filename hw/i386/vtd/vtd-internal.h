/*
 * What the files of the VT-d model share
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 *   vtd.c            the device: properties, realize, reset, PCI
 *   vtd-cap.c        VER, CAP and ECAP from the properties
 *   vtd-regs.c       the register file
 *   vtd-gcmd.c       GCMD/GSTS
 *   vtd-inv.c        invalidation through registers
 *   vtd-queue.c      invalidation through the queue
 *   vtd-tables.c     root and context entries, the core's ops
 *   vtd-fault.c      fault records and their event
 *   vtd-event.c      event messages (MSI)
 *   vtd-ir.c         interrupt remapping
 *   vtd-migration.c  the migration stream
 *   vtd-spec.h       bit layouts
 *   vtd-decode.c     pure decoders
 */
#ifndef HW_I386_VTD_INTERNAL_H
#define HW_I386_VTD_INTERNAL_H

#include "hw/i386/intel_iommu.h"
#include "hw/pci-host/q35.h"
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

/* Offset of fault recording register @index */
static inline hwaddr vtd_frcd_reg(unsigned index)
{
    return DMAR_FRCD_REG_OFFSET + 16 * (hwaddr)index;
}

/* vtd-cap.c */

/** vtd_cap_init: s->cap and s->ecap from the properties. */
void vtd_cap_init(IntelIOMMUState *s);

/* vtd-regs.c */

extern const MemoryRegionOps vtd_reg_ops;

/** vtd_regs_reset: every register to its default, with its masks.  BQL. */
void vtd_regs_reset(IntelIOMMUState *s);

/* vtd-gcmd.c: BQL */

void vtd_gcmd_written(IntelIOMMUState *s);
void vtd_gcmd_cancel(IntelIOMMUState *s);

/* vtd-inv.c: BQL */

void vtd_ccmd_written(IntelIOMMUState *s);
void vtd_iotlb_written(IntelIOMMUState *s);
/** vtd_inv_cancel: pending completions will not come. */
void vtd_inv_cancel(IntelIOMMUState *s);

/*
 * The invalidations themselves, for the registers and the queue alike.  They
 * remove, notify and start the drain; completion is the caller's.
 */
void vtd_inv_context_global(IntelIOMMUState *s);
void vtd_inv_context_domain(IntelIOMMUState *s, uint16_t did);
void vtd_inv_context_device(IntelIOMMUState *s, uint16_t sid, unsigned fm);
void vtd_inv_iotlb_global(IntelIOMMUState *s);
void vtd_inv_iotlb_domain(IntelIOMMUState *s, uint16_t did);
/** @am: at most CAP.MAMV; checked by the caller */
void vtd_inv_iotlb_page(IntelIOMMUState *s, uint16_t did, hwaddr addr,
                        unsigned am);

/* vtd-queue.c: BQL */

void vtd_queue_cancel(IntelIOMMUState *s);
void vtd_queue_enable(IntelIOMMUState *s, bool enable);
void vtd_queue_tail_written(IntelIOMMUState *s);
/** vtd_queue_run: take up what is in the queue, if nothing stops it. */
void vtd_queue_run(IntelIOMMUState *s);
void vtd_ics_written(IntelIOMMUState *s);
void vtd_iectl_written(IntelIOMMUState *s);

/* vtd-event.c */

/**
 * vtd_event_message: the message in event registers @addr_reg, @upper_reg,
 * @data_reg.  Never remapped (VT-d 5.1.6).  With s->lock or the BQL.
 */
MSIMessage vtd_event_message(IntelIOMMUState *s, hwaddr addr_reg,
                             hwaddr upper_reg, hwaddr data_reg);
/** vtd_event_send: BQL, without s->lock. */
void vtd_event_send(IntelIOMMUState *s, MSIMessage msg);

/* vtd-fault.c */

void vtd_fault_init(IntelIOMMUState *s);
/** vtd_fault_flush: send an event that an iothread left to us.  BQL. */
void vtd_fault_flush(IntelIOMMUState *s);
/** vtd_record_dma_fault: any thread, without s->lock. */
void vtd_record_dma_fault(IntelIOMMUState *s, uint16_t sid, hwaddr addr,
                          VTDFaultReason reason, bool is_write);
/** vtd_record_ir_fault: any thread, without s->lock. */
void vtd_record_ir_fault(IntelIOMMUState *s, uint16_t sid, uint16_t index,
                         VTDFaultReason reason);
/**
 * vtd_record_queue_error: set @fsts_bit (IQE, ICE or ITE).
 * Any thread, without s->lock.
 */
void vtd_record_queue_error(IntelIOMMUState *s, uint32_t fsts_bit);
/* After a guest write to the register, without s->lock; BQL. */
void vtd_fsts_written(IntelIOMMUState *s);
void vtd_fectl_written(IntelIOMMUState *s);
void vtd_frcd_written(IntelIOMMUState *s);
/** vtd_fault_index_reset: both translations are off now.  BQL. */
void vtd_fault_index_reset(IntelIOMMUState *s);

/* vtd-tables.c */

extern const VIOMMUOps vtd_viommu_ops;

/** vtd_latch_root: RTADDR into use (SRTP).  BQL. */
void vtd_latch_root(IntelIOMMUState *s);

/* vtd-migration.c */

extern const VMStateDescription vtd_vmstate;
void vtd_migration_init(IntelIOMMUState *s);

/* vtd-ir.c: BQL, but for vtd_int_remap(): any thread */

/* The I/O APIC as a requester: the scope that the DMAR table gives it */
#define VTD_IOAPIC_SID \
    PCI_BUILD_BDF(Q35_PSEUDO_BUS_PLATFORM, Q35_PSEUDO_DEVFN_IOAPIC)

/* An endpoint's interrupt window: VIOMMUEndpoint.model */
typedef struct VTDInterruptWindow {
    MemoryRegion mr;
    IntelIOMMUState *s;
    VIOMMUEndpoint *ep;
    bool ioapic;             /* no source-id: it is the I/O APIC's */
} VTDInterruptWindow;

/* The opaque is a VTDInterruptWindow. */
extern const MemoryRegionOps vtd_ir_window_ops;
int vtd_int_remap(X86IOMMUState *iommu, MSIMessage *src, MSIMessage *dst,
                  uint16_t sid);
/** vtd_ir_set_table: IRTA into use (SIRTP); tells users of the old one. */
void vtd_ir_set_table(IntelIOMMUState *s);
/** vtd_ir_invalidate: entries cached by KVM and the IOAPIC are dropped. */
void vtd_ir_invalidate(IntelIOMMUState *s, bool global, uint16_t index,
                       uint32_t mask);

#endif

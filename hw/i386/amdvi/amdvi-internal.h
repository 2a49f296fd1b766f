/*
 * AMD-Vi: what the files of the model share
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 *   amdvi.c            the devices: realize, reset, PCI
 *   amdvi-regs.c       registers
 *   amdvi-mistakes.c   what software must not do with them
 *   amdvi-cmd.c        the command buffer
 *   amdvi-event.c      the event log, and the unit's interrupt
 *   amdvi-tables.c     the device table, the core's ops
 *   amdvi-guest.c      the GCR3 table, guest translations
 *   amdvi-ir.c         interrupt remapping
 *   amdvi-southbridge.c  a device where the I/O APIC's interrupts come from
 *   amdvi-query.c      what the unit says of itself
 *   amdvi-migration.c  the migration stream
 *   amdvi-decode*.c    pure decoders
 *   amdvi-spec.h       bit layouts
 */
#ifndef HW_I386_AMDVI_INTERNAL_H
#define HW_I386_AMDVI_INTERNAL_H

#include "hw/i386/amd_iommu.h"
#include "hw/iommu/viommu-query.h"
#include "qemu/lockable.h"
#include "amdvi-decode.h"

/*
 * Memory that the unit itself writes (stores, log) is RAM: no MMIO handler
 * runs, so this cannot re-enter us.
 */
#define AMDVI_MEM_ATTRS ((MemTxAttrs) { .memory = 1 })

/*
 * Tags (see IOTLB_TAG).  A domain's host translations are in group 0; its guest
 * translations in a group of their own, by PASID: nested ones too, which is why
 * a change of a domain's host tables removes the group.
 */
#define AMDVI_TAG_HOST(domain)          IOTLB_TAG(0, domain, 0)
#define AMDVI_TAG_GUEST(domain, pasid)  IOTLB_TAG((domain) + 1ULL, pasid, 0)

static inline AMDVIState *amdvi_of(VIOMMU *v)
{
    return container_of(v, AMDVIState, viommu);
}

/* Registers; BQL */

extern const MemoryRegionOps amdvi_reg_ops;

/** amdvi_regs_reset: every register to its default. */
void amdvi_regs_reset(AMDVIState *s);
/** amdvi_ring_log2: entries of the ring whose base register is @base. */
unsigned amdvi_ring_log2(uint64_t base);
/** amdvi_ring_wrap: one beyond its end is as good as one within it. */
uint32_t amdvi_ring_wrap(uint64_t base, uint32_t pointer);
/** amdvi_ring_next: the pointer behind @pointer in that ring. */
uint32_t amdvi_ring_next(uint64_t base, uint32_t pointer);
/** amdvi_status_change: any thread; returns: the bits of @set that were set */
uint64_t amdvi_status_change(AMDVIState *s, uint64_t clear, uint64_t set);
/** amdvi_control_wmask: the bits of Control that are there. */
uint64_t amdvi_control_wmask(const AMDVIState *s);
/** amdvi_mistakes: the register @reg is about to be @value: what is wrong? */
void amdvi_mistakes(AMDVIState *s, hwaddr reg, uint64_t value);
/** amdvi_control: Control; any thread */
uint64_t amdvi_control(AMDVIState *s);
/** amdvi_inv_all: everything cached, of configuration and translations. */
void amdvi_inv_all(AMDVIState *s);

/* The command buffer; BQL */

/** amdvi_cmd_init: after viommu_init() and amdvi_event_init() */
void amdvi_cmd_init(AMDVIState *s);
/** amdvi_cmd_run: there may be something to do. */
void amdvi_cmd_run(AMDVIState *s);
/** amdvi_cmd_off: Status.CmdBufRun has been cleared. */
void amdvi_cmd_off(AMDVIState *s);
void amdvi_cmd_cancel(AMDVIState *s);

/* The event log */

void amdvi_event_init(AMDVIState *s);
/** amdvi_event_log: log @event.  Any thread, with or without the BQL. */
void amdvi_event_log(AMDVIState *s, const AMDVIEvent *event);
/** amdvi_interrupt: the unit's own interrupt.  BQL. */
void amdvi_interrupt(AMDVIState *s);

/* The device table */

extern const VIOMMUOps amdvi_viommu_ops;

/**
 * amdvi_fetch_dte: read two words of @sid's entry, from word @first on, which
 * is 0 or 2.  Any thread.
 *
 * Returns: true; or false with @event's code, flags and, if it is not that of
 * the access, addr.
 */
bool amdvi_fetch_dte(AMDVIState *s, const IOPTMem *mem, uint16_t sid,
                     unsigned first, uint64_t words[2], AMDVIEvent *event);
/*
 * VIOMMUConfig.reason: an event's code and its flags; VIOMMUConfig.model is its
 * address, 0: the access's.
 */
#define AMDVI_REASON(code, flags) ((int)(code) | (int)(flags) << 8)
#define AMDVI_REASON_CODE(reason) ((AMDVIEventCode)((reason) & 0xff))
#define AMDVI_REASON_FLAGS(reason) ((uint16_t)((reason) >> 8))

/** amdvi_resolve_blocked: every access leads to this event.  Any thread. */
void amdvi_resolve_blocked(VIOMMUConfig *config, AMDVIEventCode code,
                           uint16_t flags, uint64_t addr);
/**
 * amdvi_resolve_guest: what applies to @sid's accesses with @pasid by its
 * entry @dte, which is valid, translated and has GV.  As VIOMMUOps.resolve;
 * what is the same of host translations has been filled in.
 */
void amdvi_resolve_guest(AMDVIState *s, uint16_t sid, const AMDVIDTEDma *dte,
                         uint32_t pasid, VIOMMUConfig *config);
/**
 * amdvi_walk_flags: what of PR, PE and RZ an IO_PAGE_FAULT has, that of the
 * stage which it is about.
 */
uint16_t amdvi_walk_flags(const VIOMMUConfig *config,
                          const VIOMMUFault *fault);
/**
 * amdvi_fault_event: the event of a fault.  Any thread.
 *
 * Returns: false if it is not logged.
 */
bool amdvi_fault_event(VIOMMU *v, const VIOMMUConfig *config,
                       const VIOMMUFault *fault, AMDVIEvent *event);

/*
 * The southbridge.  IVRS's special entry says that the I/O APIC's interrupts
 * come from this function of bus 0.
 */
#define AMDVI_IOAPIC_DEVFN PCI_DEVFN(0x14, 0)

/**
 * amdvi_southbridge_realize: see that there is a device, as the property
 * "southbridge" says.  While amd-iommu is realized; BQL.
 *
 * Returns: false if there cannot be, although it is "on".
 */
bool amdvi_southbridge_realize(AMDVIState *s, PCIBus *bus, Error **errp);

/* Interrupt remapping */

/* The opaque is an AMDVIWindow. */
/** amdvi_window_init: the interrupt window.  BQL. */
void amdvi_window_init(AMDVIState *s);
/** amdvi_int_remap: X86IOMMUClass.int_remap.  Any thread. */
int amdvi_int_remap(X86IOMMUState *iommu, MSIMessage *src, MSIMessage *dst,
                    uint16_t sid);
/** amdvi_ir_changed: entries cached by KVM and the IOAPIC are dropped.  BQL. */
void amdvi_ir_changed(AMDVIState *s);

/* Questions and migration */

extern const VIOMMUQueryOps amdvi_query_ops;
extern const VMStateDescription amdvi_vmstate, amdvi_pci_vmstate;

void amdvi_migration_init(AMDVIState *s);

#endif

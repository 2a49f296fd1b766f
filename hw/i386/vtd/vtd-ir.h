/*
 * VT-d: interrupt remapping
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_I386_VTD_IR_H
#define HW_I386_VTD_IR_H

#include "hw/pci-host/q35.h"
#include "vtd-internal.h"

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

/* The opaque is a VTDInterruptWindow.  BQL. */
extern const MemoryRegionOps vtd_ir_window_ops;
/** vtd_int_remap: X86IOMMUClass.int_remap.  Any thread. */
int vtd_int_remap(X86IOMMUState *iommu, MSIMessage *src, MSIMessage *dst,
                  uint16_t sid);
/** vtd_ir_set_table: IRTA into use (SIRTP); its users are told.  BQL. */
void vtd_ir_set_table(IntelIOMMUState *s);
/**
 * vtd_ir_invalidate: entries cached by KVM and the IOAPIC are dropped.  BQL.
 */
void vtd_ir_invalidate(IntelIOMMUState *s, bool global, uint16_t index,
                       uint32_t mask);

#endif

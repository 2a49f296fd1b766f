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

/* Who requests an interrupt */
typedef struct VTDRequester {
    uint16_t sid;
    bool ioapic;             /* the I/O APIC itself, not one who has its ID */
} VTDRequester;

#define VTD_IOAPIC_REQUESTER \
    ((VTDRequester) { .sid = VTD_IOAPIC_SID, .ioapic = true })

/** vtd_ir_window_init: the interrupt window (vtd-ir-window.c).  BQL. */
void vtd_ir_window_init(IntelIOMMUState *s);
/** vtd_ir_window_endpoint: VIOMMUOps.endpoint_init: it is one of @ep's.  BQL */
void vtd_ir_window_endpoint(VIOMMU *v, VIOMMUEndpoint *ep);

/**
 * vtd_remap_message: where an interrupt request leads.  Any thread.
 *
 * @request: it is real: it may be posted, and a fault is recorded
 * @send: set to whether @dst is, and is to be sent
 * Returns: false if the request is blocked.
 */
bool vtd_remap_message(IntelIOMMUState *s, const MSIMessage *src,
                       MSIMessage *dst, VTDRequester who, bool request,
                       bool *send);
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

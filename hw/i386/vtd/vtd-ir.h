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

/* Where an interrupt request leads, and what says so */
typedef enum VTDRemapBy {
    VTD_REMAP_BY_NOTHING,    /* remapping is off */
    VTD_REMAP_BY_FORMAT,     /* compatibility format, and that it passes */
    VTD_REMAP_BY_ENTRY,      /* .index */
    VTD_REMAP_BY_DESCRIPTOR, /* a posted interrupt's, of the entry .index */
} VTDRemapBy;

typedef struct VTDRemapped {
    MSIMessage msg;
    bool send;               /* .msg is to be sent; else it has been posted */
    VTDRemapBy by;
    uint32_t index;
    /* It is blocked, why; whether that is recorded; it asks for .index */
    VTDFaultReason reason;
    bool recorded, has_index;
} VTDRemapped;

/**
 * vtd_remap_message: where the interrupt request @src leads: @dst is set; or
 * why it leads nowhere.  Any thread.
 *
 * @request: it is real: it may be posted, and a fault is recorded
 * Returns: false if the request is blocked.
 */
bool vtd_remap_message(IntelIOMMUState *s, const MSIMessage *src,
                       VTDRequester who, bool request, VTDRemapped *dst);
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
/**
 * vtd_ir_settle (vtd-ir-window.c): does nobody use any more what was
 * invalidated?  If somebody does, @busy begins, which is idle or not.  BQL.
 */
bool vtd_ir_settle(VIOMMUBusy *busy);

#endif

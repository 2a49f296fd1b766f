/*
 * VT-d: event messages, fault recording and the fault event
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_I386_VTD_FAULT_H
#define HW_I386_VTD_FAULT_H

#include "vtd-decode.h"
#include "vtd-internal.h"

/* vtd-event.c */

/** vtd_event_send: BQL, without s->lock. */
void vtd_event_send(IntelIOMMUState *s, MSIMessage msg);

/* vtd-fault.c */

/**
 * vtd_event_message: the message in event registers @addr_reg, @upper_reg,
 * @data_reg.  Never remapped (VT-d 5.1.6).  With s->lock or the BQL.
 */
MSIMessage vtd_event_message(IntelIOMMUState *s, hwaddr addr_reg,
                             hwaddr upper_reg, hwaddr data_reg);
void vtd_fault_init(IntelIOMMUState *s);
/** vtd_fault_flush: send an event that an iothread left to us.  BQL. */
void vtd_fault_flush(IntelIOMMUState *s);
/** vtd_record_dma_fault: any thread, without s->lock. */
void vtd_record_dma_fault(IntelIOMMUState *s, const VTDFaultRecord *record);
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

#endif

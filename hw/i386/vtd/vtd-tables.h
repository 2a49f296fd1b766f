/*
 * VT-d: root and context entries
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_I386_VTD_TABLES_H
#define HW_I386_VTD_TABLES_H

#include "vtd-internal.h"

extern const VIOMMUOps vtd_viommu_ops;

/* vtd-query.c */
extern const VIOMMUQueryOps vtd_query_ops;

/** vtd_fault_reason: what is recorded of @fault.  Any thread. */
VTDFaultReason vtd_fault_reason(const VIOMMUConfig *config,
                                const VIOMMUFault *fault);

/** vtd_fault_words: @reason in a sentence (vtd-query.c); NULL: it has none. */
const char *vtd_fault_words(VTDFaultReason reason);

/** vtd_latch_root: RTADDR into use (SRTP).  BQL. */
void vtd_latch_root(IntelIOMMUState *s);

#endif

/*
 * VT-d: posted interrupts
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_I386_VTD_POST_H
#define HW_I386_VTD_POST_H

#include "vtd-decode.h"
#include "vtd-internal.h"

/**
 * vtd_post: record an interrupt in the descriptor of @irte, a posted entry.
 *
 * @eime: extended interrupt mode is enabled (x2APIC)
 * @notify: set to whether a notification is due; then @msg is set to it.  What
 *          the descriptor has is visible before (5.2.4).
 * Returns: VTD_FR_NONE; VTD_FR_IR_PID_ACCESS: the descriptor is no memory that
 * can be updated; VTD_FR_IR_PID_RSVD.  Nothing has been recorded then, unless
 * the descriptor went away meanwhile.  Any thread.
 */
VTDFaultReason vtd_post(IntelIOMMUState *s, const VTDIRTE *irte, bool eime,
                        bool *notify, MSIMessage *msg);

#endif

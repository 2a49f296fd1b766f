/*
 * VT-d: the invalidation queue.  BQL
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_I386_VTD_QUEUE_H
#define HW_I386_VTD_QUEUE_H

#include "vtd-internal.h"

void vtd_queue_init(IntelIOMMUState *s);
void vtd_queue_cancel(IntelIOMMUState *s);
void vtd_queue_enable(IntelIOMMUState *s, bool enable);
/** vtd_queue_run: take up what is in the queue, if nothing stops it. */
void vtd_queue_run(IntelIOMMUState *s);
void vtd_queue_tail_written(IntelIOMMUState *s);
void vtd_ics_written(IntelIOMMUState *s);
void vtd_iectl_written(IntelIOMMUState *s);

#endif

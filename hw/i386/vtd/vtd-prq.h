/*
 * VT-d: the page request queue.  BQL
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_I386_VTD_PRQ_H
#define HW_I386_VTD_PRQ_H

#include "vtd-internal.h"

/** vtd_prq_request: VIOMMUOps.page_request. */
VIOMMUPageCode vtd_prq_request(VIOMMU *v, VIOMMUEndpoint *ep,
                               const VIOMMUPageRequest *req);

/* After a guest write to the register */
void vtd_prs_written(IntelIOMMUState *s);
void vtd_pectl_written(IntelIOMMUState *s);

#endif

/*
 * VT-d: scalable mode's entries, from the root to the PASID table
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_I386_VTD_TABLES_SM_H
#define HW_I386_VTD_TABLES_SM_H

#include "vtd-decode-sm.h"
#include "vtd-internal.h"

/**
 * vtd_sm_resolve: VIOMMUOps.resolve, with the root table @root in use.
 */
void vtd_sm_resolve(IntelIOMMUState *s, hwaddr root, uint16_t sid,
                    uint32_t pasid, VIOMMUConfig *config);

/**
 * vtd_sm_check_page: do the entries down to the PASID table's let the page
 * request @req of @sid pass?
 * @quiet: set to whether FPD says that what it returns is not recorded.
 */
VTDFaultReason vtd_sm_check_page(IntelIOMMUState *s, hwaddr root,
                                 uint16_t sid, const VTDSMRequest *req,
                                 bool *quiet);

/*
 * Of a fault with reserved_range: no page leads beyond HAW, but an endpoint may
 * say that it was told so (LGN.1.2, SGN.4.1).
 */
static inline bool vtd_fault_is_beyond_haw(const VIOMMUFault *fault)
{
    return fault->access == VIOMMU_TRANSLATED &&
           (fault->iova < VTD_INTERRUPT_ADDR_FIRST ||
            fault->iova > VTD_INTERRUPT_ADDR_LAST);
}

/** vtd_sm_fault_reason: of @fault, in a @config that vtd_sm_resolve() made. */
VTDFaultReason vtd_sm_fault_reason(const VIOMMUConfig *config,
                                   const VIOMMUFault *fault);

#endif

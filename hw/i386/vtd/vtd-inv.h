/*
 * VT-d: invalidation, and its register interface.  BQL
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_I386_VTD_INV_H
#define HW_I386_VTD_INV_H

#include "vtd-internal.h"

void vtd_inv_init(IntelIOMMUState *s);

void vtd_ccmd_written(IntelIOMMUState *s);
void vtd_iotlb_written(IntelIOMMUState *s);
/** vtd_inv_cancel: pending completions will not come. */
void vtd_inv_cancel(IntelIOMMUState *s);

/*
 * The invalidations themselves, for the registers and the queue alike.  They
 * remove, notify and start the drain; completion is the caller's.
 */
void vtd_inv_context_global(IntelIOMMUState *s);
void vtd_inv_context_domain(IntelIOMMUState *s, uint16_t did);
void vtd_inv_context_device(IntelIOMMUState *s, uint16_t sid, unsigned fm);
void vtd_inv_iotlb_global(IntelIOMMUState *s);
void vtd_inv_iotlb_domain(IntelIOMMUState *s, uint16_t did);
/** @am: at most CAP.MAMV; checked by the caller; @ih: only leaves changed */
void vtd_inv_iotlb_page(IntelIOMMUState *s, uint16_t did, hwaddr addr,
                        unsigned am, bool ih);
/*
 * Scalable mode.  The PASID cache is the core's copies of what entries said.
 * They are dropped by PASID alone, whatever the domain: what an entry that is
 * not kept was for is not known.
 */
void vtd_inv_pasid_cache_global(IntelIOMMUState *s);
void vtd_inv_pasid_cache(IntelIOMMUState *s, uint32_t pasid);
void vtd_inv_piotlb_pasid(IntelIOMMUState *s, uint16_t did, uint32_t pasid);
/** @first .. @last: inclusive bytes; @ih: only leaves changed */
void vtd_inv_piotlb_pages(IntelIOMMUState *s, uint16_t did, uint32_t pasid,
                          hwaddr first, hwaddr last, bool ih);

#endif

/*
 * vIOMMU core: queries: what their files share
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Everything here: BQL, except as noted.  Nothing here changes anything that a
 * guest, a device or another query could see.
 */
#ifndef HW_IOMMU_VIOMMU_QUERY_INTERNAL_H
#define HW_IOMMU_VIOMMU_QUERY_INTERNAL_H

#include "hw/iommu/viommu-query.h"
#include "viommu-internal.h"

/*
 * viommu-config.c: as viommu_resolve_look(), for who must not wait for somebody
 * who has to be asked: the answer may be that he has not answered.
 */
void viommu_query_resolve(VIOMMUEndpoint *ep, uint32_t pasid,
                          const IOPTMem *mem, VIOMMUConfig *config);

/* viommu-query.c */

/* viommu_query_init: from viommu_init() */
void viommu_query_init(VIOMMU *v);

/*
 * viommu_query_look: what applies to @ep now.  No table is updated and nothing
 * kept.  Inside an RCU read section.
 */
void viommu_query_look(VIOMMUEndpoint *ep, uint32_t pasid,
                       VIOMMUConfig *config);
/* The device that stands at the endpoint's address now, or NULL */
PCIDevice *viommu_query_device(VIOMMUEndpoint *ep);
/* Its ID, to be freed, or NULL */
char *viommu_query_device_id(VIOMMUEndpoint *ep);
/* Its QOM type, to be freed, or NULL */
char *viommu_query_device_type(VIOMMUEndpoint *ep);
/* "00:05.0", to be freed */
char *viommu_query_address(uint16_t sid);
/* What @config makes of DMA of @ep, and why if it does not translate it */
VIOMMUEndpointMode viommu_query_mode(VIOMMUEndpoint *ep,
                                     const VIOMMUConfig *config,
                                     VIOMMUBypassReason *bypass,
                                     char **why);
/* The domain of @config in the model's words */
VIOMMUNumberList *viommu_query_domain(VIOMMU *v, const VIOMMUConfig *config);

/* viommu-windows-query.c: @ep's; VIOMMUQueries.windows */
VIOMMUWindowList *viommu_query_windows(VIOMMUEndpoint *ep);
VIOMMUUnitWindows *viommu_query_unit_windows(VIOMMURegistration *reg);

/* viommu-faultlog.c */

VIOMMUFaultLog *viommu_fault_log_new(void);
/* The last faults, the most recent one first */
VIOMMUFaultInfoList *viommu_fault_log_list(VIOMMU *v);
/* What the guest is told of @fault.  Any thread. */
void viommu_fault_says(VIOMMU *v, const VIOMMUConfig *config,
                       const VIOMMUFault *fault, VIOMMUFaultSays *says);
VIOMMUFaultWords *viommu_fault_words(const VIOMMUFaultSays *says);

/*
 * viommu-explain-entry.c: DMA of @ep is blocked, for @words were read of its
 * configuration, if any.  Returns: which single bits of them, the other way
 * round, would let it through ("It would be translated, if bit 3 of 0x1008 were
 * clear"), to be freed; or NULL.  Inside an RCU read section.
 */
char *viommu_explain_entry(VIOMMUEndpoint *ep, uint32_t pasid,
                           const VIOMMUWordList *words);

/* viommu-sanitizer.c: what it has found, the most recent one first */
VIOMMUFindingList *viommu_sanitizer_list(VIOMMU *v);
/* And how long caches were behind */
VIOMMUStaleInfo *viommu_sanitizer_stale(VIOMMU *v);

/* VIOMMUQueries of these names: viommu-explain.c, viommu-query-map.c, -dma.c */
VIOMMUTranslation *viommu_query_translate(void *endpoint, uint64_t iova,
                                          bool write, uint32_t pasid);
VIOMMUMapping *viommu_query_map(void *endpoint, uint32_t pasid,
                                uint64_t start, uint32_t max);
bool viommu_query_in_flight(VIOMMURegistration *reg, void *endpoint,
                            VIOMMUFlightCursor *at, VIOMMUFlightList ***tail,
                            uint32_t *left);

#endif

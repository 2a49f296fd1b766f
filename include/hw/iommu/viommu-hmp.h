/*
 * The vIOMMUs of this machine, for the human monitor
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_IOMMU_VIOMMU_HMP_H
#define HW_IOMMU_VIOMMU_HMP_H

#include "monitor/monitor.h"

/*
 * Views of what QMP answers: "info viommu" of query-viommu (-e, -f) and
 * viommu-in-flight (-d), viommu_translate of viommu-translate, and viommu_map
 * of viommu-map.  BQL; each takes a bounded time.
 */
void hmp_info_viommu(Monitor *mon, const QDict *qdict);
void hmp_viommu_translate(Monitor *mon, const QDict *qdict);
void hmp_viommu_map(Monitor *mon, const QDict *qdict);

#endif

/*
 * Trace events of the pure files in hw/iommu, for the standalone build: none
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TRACE_HW_IOMMU_H
#define TRACE_HW_IOMMU_H

#define trace_viommu_queue_wait(name)       ((void)(name))
#define trace_viommu_queue_drained(name)    ((void)(name))
#define trace_viommu_queue_yield(name)      ((void)(name))
#define trace_viommu_events_yield(name)     ((void)(name))

#endif

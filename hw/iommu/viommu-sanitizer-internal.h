/*
 * vIOMMU core: the sanitizer: what its files share
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_IOMMU_VIOMMU_SANITIZER_INTERNAL_H
#define HW_IOMMU_VIOMMU_SANITIZER_INTERNAL_H

#include "hw/iommu/viommu-history.h"
#include "hw/iommu/viommu-stale.h"
#include "qapi/qapi-types-viommu.h"
#include "qemu/lockable.h"
#include "qemu/timer.h"
#include "viommu-internal.h"

/* Places that are remembered, and that are reported of each kind */
#define SANITIZER_FINDINGS  64
#define SANITIZER_REPORTS   100
#define SANITIZER_PAGE      ((hwaddr)0xfff)

/* A window that is open for longer was forgotten: ns of QEMU_CLOCK_VIRTUAL */
#define SANITIZER_OVERDUE   NANOSECONDS_PER_SECOND
/* How often that is looked after, and how much of the history each time */
#define SANITIZER_TICK      (NANOSECONDS_PER_SECOND / 2)
#define SANITIZER_SWEEP     512

typedef struct SanitizerFinding {
    VIOMMUEndpoint *ep;      /* lives as long as the vIOMMU; NULL: the unit */
    VIOMMUFindingKind kind;
    uint16_t sid;            /* at that time */
    uint32_t pasid;
    uint64_t iova;           /* of the first access */
    bool has_iova, has_write, is_write;
    bool report;             /* the event has yet to be sent */
    char *message;           /* of the first access */
    uint64_t count;          /* 0: the place is free */
    int64_t first_us, last_us;
    uint64_t last;           /* findings so far at the last one */
} SanitizerFinding;

struct VIOMMUSanitizer {
    VIOMMU *viommu;
    QEMUBH *bh;              /* reports */
    QEMUTimer *timer;        /* pending while there is something to sweep */
    QemuMutex lock;          /* a leaf, of everything below */
    VIOMMUHistory *history;
    VIOMMUStaleWindows *windows;
    unsigned sweep;          /* the history's place that is next; BQL */
    uint64_t last;
    unsigned reported[VIOMMU_FINDING_KIND__MAX];
    SanitizerFinding findings[SANITIZER_FINDINGS];
};

/* viommu-sanitizer.c */

/*
 * sanitizer_found: keep @new, whose message becomes the callee's.  Any thread;
 * the lock is not held.
 */
void sanitizer_found(VIOMMUSanitizer *s, SanitizerFinding *new);

/* sanitizer_of: a finding that is about @ep's accesses with @pasid */
SanitizerFinding sanitizer_of(VIOMMUEndpoint *ep, VIOMMUFindingKind kind,
                              uint32_t pasid);

/* "for reading", and so on */
const char *sanitizer_rights(unsigned perm);

/* viommu-sanitize-use.c */

/* There is something to be looked after.  Any thread. */
void sanitizer_wake(VIOMMUSanitizer *s);
/* QEMUTimerCB of @timer; BQL */
void sanitizer_tick(void *opaque);

#endif

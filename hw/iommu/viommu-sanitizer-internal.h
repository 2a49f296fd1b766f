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

/* Pages of tables that are remembered; a place for each hash */
#define SANITIZER_TABLES    1024
/* More than any walk takes: the rest is not remembered. */
#define SANITIZER_READS     48

/* The pages that entries were read from; opaque of sanitizer_read() */
typedef struct SanitizerReads {
    VIOMMU *viommu;
    unsigned n;
    hwaddr pages[SANITIZER_READS];
} SanitizerReads;

/* A page of tables, and what it was read for the last time */
typedef struct SanitizerTable {
    hwaddr page;
    VIOMMUEndpoint *ep;      /* NULL: none */
    uint32_t attrs;
    hwaddr iova;
} SanitizerTable;

struct VIOMMUSanitizer {
    VIOMMU *viommu;
    QEMUBH *bh;              /* reports */
    QEMUTimer *timer;        /* pending while there is something to sweep */
    QemuMutex lock;          /* a leaf, of everything below */
    VIOMMUHistory *history;
    VIOMMUStaleWindows *windows;
    SanitizerTable tables[SANITIZER_TABLES];
    /* BQL: */
    unsigned sweep;          /* the history's place that is next */
    bool unfenced;           /* what a queue had invalidated, */
    bool unfenced_told;
    int64_t unfenced_since;  /* QEMU_CLOCK_VIRTUAL, ns */
    /* The lock again: */
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

/* viommu-sanitize-inv.c: told of in time?  Returns: ask again later.  BQL. */
bool sanitizer_look_at_fence(VIOMMUSanitizer *s);

/* viommu-sanitize-tables.c.  Any thread; the lock is not held. */

/* An IOPTRead that notes what is read; opaque: SanitizerReads */
bool sanitizer_read(void *opaque, uint64_t addr, uint64_t *entry);
/* @reads was what an access with @attrs to @iova took. */
void sanitizer_tables_read(VIOMMUSanitizer *s, const SanitizerReads *reads,
                           VIOMMUEndpoint *ep, uint32_t attrs, hwaddr iova);
/* Was @addr in a table's page, and what was that for? */
bool sanitizer_table_find(VIOMMUSanitizer *s, hwaddr addr,
                          SanitizerTable *out);
bool sanitizer_has_read(const SanitizerReads *reads, hwaddr addr);
/* @ep writes to @addr, which is in @table. */
void sanitizer_table_hit(VIOMMUEndpoint *ep, uint32_t attrs, hwaddr iova,
                         hwaddr addr, const SanitizerTable *table);

/* viommu-sanitize-use.c */

/* There is something to be looked after.  Any thread. */
void sanitizer_wake(VIOMMUSanitizer *s);
/* QEMUTimerCB of @timer; BQL */
void sanitizer_tick(void *opaque);

#endif

/*
 * vIOMMU core: the sanitizer: what its files share
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_IOMMU_VIOMMU_SANITIZER_INTERNAL_H
#define HW_IOMMU_VIOMMU_SANITIZER_INTERNAL_H

#include "hw/iommu/viommu-granted.h"
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
    uint64_t iova;           /* of the last access */
    uint64_t piece;          /* and of its last piece so far */
    bool has_iova, has_write, is_write;
    bool report;             /* the event has yet to be sent */
    char *message;           /* of the last one */
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

/* What an access goes by, and what the tables say of that */
typedef struct SanitizerNow {
    VIOMMUConfig config;     /* the kept one, or by the tables */
    VIOMMUConfig tables;     /* by the tables */
    bool config_stale;
    IOPTFault fault;         /* of the walk; config.mode TRANSLATE */
    bool mapped;
    IOTLBEntry entry;        /* if @mapped */
    SanitizerReads reads;    /* by both */
} SanitizerNow;

/* A device-TLB invalidation by which nothing went that had been told */
typedef struct SanitizerLost {
    VIOMMUEndpoint *ep;      /* NULL: there has been none */
    uint32_t pasid;
    hwaddr first, last;
    int64_t when;            /* QEMU_CLOCK_VIRTUAL */
} SanitizerLost;

/* What had been invalidated, before something was looked at */
typedef struct SanitizerMoment {
    int64_t when;            /* get_clock() */
    uint64_t seq;            /* iotlb_seq() */
    uint64_t config_seq;     /* VIOMMU.config_seq */
} SanitizerMoment;

/*
 * What was seen not to be there, on a unit that may keep that (caching mode):
 * a page of a domain, or what applies to @ep.
 */
#define SANITIZER_ABSENT    256

typedef struct SanitizerAbsent {
    VIOMMUEndpoint *ep;      /* NULL: a page */
    uint32_t attrs;
    uint64_t tag;
    hwaddr page;
    int64_t when;            /* get_clock(); 0: the place is free */
    uint64_t config_seq;     /* v->config_seq at that time */
} SanitizerAbsent;

struct VIOMMUSanitizer {
    VIOMMU *viommu;
    QEMUBH *bh;              /* reports */
    QEMUTimer *timer;        /* pending while there is something to sweep */
    QemuMutex lock;          /* a leaf, of everything below */
    VIOMMUHistory *history;
    VIOMMUStaleWindows *windows;
    VIOMMUGrants *grants;
    uint64_t device_seq;     /* device-TLB invalidations so far */
    SanitizerLost lost;      /* the last one */
    SanitizerTable tables[SANITIZER_TABLES];
    SanitizerAbsent absent[SANITIZER_ABSENT];
    /* BQL: */
    VIOMMUInv astray;        /* a configuration's of which none was kept, */
    int64_t astray_when;     /* the last one: QEMU_CLOCK_VIRTUAL, ns */
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

/*
 * viommu-sanitize-now.c: any thread, in an RCU read section, but for the words
 * of a domain, which take the BQL.
 */

/*
 * sanitizer_now_config: what applies to @ep's accesses with @attrs; begins
 * @now.  sanitizer_now_page: where @iova leads then; mode TRANSLATE.
 */
void sanitizer_now_config(VIOMMUEndpoint *ep, uint32_t attrs,
                          SanitizerNow *now);
void sanitizer_now_page(VIOMMU *v, uint32_t attrs, hwaddr iova,
                        SanitizerNow *now);
/* Does @page, of a cache or the history, say what the tables say of @iova? */
bool sanitizer_agrees(const SanitizerNow *now, const VIOMMUPastPage *page,
                      hwaddr iova);
/* Something else is there, and not just less. */
bool sanitizer_leads_elsewhere(const SanitizerNow *now,
                               const VIOMMUPastPage *page, hwaddr iova);
/* What the tables say of where @page was, in words, to be freed */
char *sanitizer_now_words(const SanitizerNow *now, const VIOMMUPastPage *page,
                          hwaddr iova);
/* Appends "DID=0x7" to @text. */
void sanitizer_domain_words(VIOMMU *v, const VIOMMUConfig *config,
                            GString *text);
/* "translate, DID=0x7, tables at 0x1000", to be freed */
char *sanitizer_config_words(VIOMMU *v, const VIOMMUConfig *config);
/* A window that opens now */
VIOMMUStaleWindow sanitizer_page_window(const VIOMMUPastPage *page);
VIOMMUStaleWindow sanitizer_config_window(VIOMMUEndpoint *ep, uint32_t attrs);

/* viommu-sanitize-inv.c: of s->astray, in words, to be freed.  BQL. */
char *sanitizer_astray_words(VIOMMUSanitizer *s);

/* viommu-sanitize-use.c: @page led there, the tables lead elsewhere now. */
void sanitizer_remapped(VIOMMUSanitizer *s, const SanitizerNow *now,
                        const VIOMMUPastPage *page, hwaddr iova);

/* viommu-sanitize-absent.c.  Any thread, in an RCU read section; not locked */

/* An access with @attrs to @iova, which began at @before, was refused. */
void sanitizer_absent(VIOMMUEndpoint *ep, const SanitizerNow *now,
                      uint32_t attrs, hwaddr iova,
                      const SanitizerMoment *before);
/* Some of @first .. @last has been invalidated: what is not there?  BQL */
void sanitizer_absent_range(VIOMMU *v, uint64_t tag, uint64_t tag_mask,
                            hwaddr first, hwaddr last);
/* An access was made: was it absent, and has nothing been invalidated since? */
void sanitizer_used_absent(VIOMMUSanitizer *s, const SanitizerNow *now,
                           const VIOMMUPastPage *page, VIOMMUEndpoint *ep,
                           uint32_t attrs, hwaddr iova);

/* viommu-sanitize-device.c */

/* A translated access of @ep to @addr.  In an RCU read section; no lock held */
void sanitizer_used_granted(VIOMMUEndpoint *ep, hwaddr addr, bool is_write);
/* Does what was told as @page hold?  @now says why not.  As above */
bool sanitizer_granted_agrees(const VIOMMUPastPage *page, SanitizerNow *now);
/*
 * Was another PASID's invalidated meanwhile, of what @window is about?  In
 * words, to be freed, or NULL.
 */
char *sanitizer_lost_words(VIOMMUSanitizer *s, const VIOMMUStaleWindow *window);
/* Looks at all that was told.  Returns: whether there is anything.  BQL */
bool sanitizer_sweep_granted(VIOMMUSanitizer *s);

/* viommu-sanitize-bypass.c: who passes for want of an entry?  BQL */
bool sanitizer_sweep_bypass(VIOMMUSanitizer *s);

/* viommu-sanitize-late.c */

/* There is something to be looked after.  Any thread. */
void sanitizer_wake(VIOMMUSanitizer *s);
/* QEMUTimerCB of @timer; BQL */
void sanitizer_tick(void *opaque);

#endif

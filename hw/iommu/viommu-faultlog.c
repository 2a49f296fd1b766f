/*
 * vIOMMU core: the last faults, for whoever asks
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Of fixed size.  Accesses of one endpoint to one page that are refused for one
 * reason are one record with a count, so that a device that tries again and
 * again does not drive out what went before.  So are its requests for one
 * interrupt.
 */

#include "qemu/osdep.h"
#include "qapi/util.h"
#include "qemu/lockable.h"
#include "viommu-query-internal.h"

#define FAULT_RECORDS   64
#define FAULT_PAGE_MASK (~(uint64_t)0xfff)

typedef struct FaultRecord {
    VIOMMUEndpoint *ep;      /* lives as long as the vIOMMU */
    uint16_t sid;            /* at that time */
    uint32_t pasid;
    uint64_t page;           /* of an interrupt: the message's address */
    bool is_write;
    bool interrupt, has_index;
    uint32_t index;
    VIOMMUFaultSays says;
    uint64_t count;          /* 0: the record is free */
    int64_t first_us, last_us;
    uint64_t last;           /* log->last of the last one */
} FaultRecord;

struct VIOMMUFaultLog {
    QemuMutex lock;          /* a leaf */
    uint64_t last;           /* faults so far */
    FaultRecord records[FAULT_RECORDS];
};

VIOMMUFaultLog *viommu_fault_log_new(void)
{
    VIOMMUFaultLog *log = g_new0(VIOMMUFaultLog, 1);

    qemu_mutex_init(&log->lock);
    return log;
}

/* What is known without the model */
static const char *fault_reason(const VIOMMUFault *fault)
{
    if (fault->blocked) {
        return "the configuration tables block the endpoint";
    }
    if (fault->reserved_range) {
        return "the page leads where no memory is";
    }
    switch (fault->kind) {
    case IOPT_FAULT_RANGE:
        return "no table covers the address";
    case IOPT_FAULT_READ_TABLE:
        return "a table entry cannot be read";
    case IOPT_FAULT_NOT_PRESENT:
        return "the page is not mapped";
    case IOPT_FAULT_RESERVED:
        return "a reserved bit is set in a table entry";
    case IOPT_FAULT_PERMISSION:
        return fault->is_write ? "the page may not be written" :
                                 "the page may not be read";
    case IOPT_FAULT_ACCESS_FLAG:
        return "the page's Access flag is clear";
    case IOPT_FAULT_ADDR_SIZE:
        return "a table entry leads beyond the address size";
    case IOPT_FAULT_PRIVILEGE:
        return "the page is for privileged accesses alone";
    case IOPT_FAULT_UPDATE:
        return "a table entry would have to be updated, and must not be";
    default:
        return "a table entry refuses the access";
    }
}

void viommu_fault_says(VIOMMU *v, const VIOMMUConfig *config,
                       const VIOMMUFault *fault, VIOMMUFaultSays *says)
{
    *says = (VIOMMUFaultSays) {
        .code = fault->blocked ? config->reason : fault->kind,
        .reason = fault_reason(fault),
        .recorded = !config->quiet,
    };
    if (v->ops->query && v->ops->query->fault) {
        v->ops->query->fault(v, config, fault, says);
    }
    if (fault->blocked && config->why) {
        says->reason = config->why;
    }
    if (fault->window) {
        says->reason = "the address is in a window that is no memory for the "
                       "endpoint; query-viommu-windows lists them";
    }
}

static bool fault_is_like(const FaultRecord *r, const FaultRecord *new)
{
    return r->count && r->ep == new->ep && r->sid == new->sid &&
           r->page == new->page && r->pasid == new->pasid &&
           r->is_write == new->is_write && r->interrupt == new->interrupt &&
           r->has_index == new->has_index && r->index == new->index &&
           r->says.code == new->says.code &&
           r->says.reason == new->says.reason &&
           r->says.recorded == new->says.recorded;
}

/* The record like @new, or the one that goes.  Lock held. */
static FaultRecord *fault_slot(VIOMMUFaultLog *log, const FaultRecord *new)
{
    FaultRecord *r = log->records;
    unsigned i;

    for (i = 0; i < FAULT_RECORDS; i++) {
        if (fault_is_like(&log->records[i], new)) {
            return &log->records[i];
        }
        if (log->records[i].last < r->last) {
            r = &log->records[i];
        }
    }
    r->count = 0;
    return r;
}

static void fault_log_add(VIOMMUEndpoint *ep, FaultRecord *new)
{
    VIOMMUFaultLog *log = ep->viommu->fault_log;
    int64_t now = g_get_real_time();
    FaultRecord *r;

    new->ep = ep;
    new->sid = viommu_endpoint_sid(ep);
    new->first_us = now;
    QEMU_LOCK_GUARD(&log->lock);
    r = fault_slot(log, new);
    if (!r->count) {
        *r = *new;
    }
    r->count++;
    r->last_us = now;
    r->last = ++log->last;
}

void viommu_fault_log(VIOMMUEndpoint *ep, const VIOMMUConfig *config,
                      const VIOMMUFault *fault)
{
    FaultRecord new = {
        .pasid = fault->pasid,
        .page = fault->iova & FAULT_PAGE_MASK,
        .is_write = fault->is_write,
    };

    viommu_fault_says(ep->viommu, config, fault, &new.says);
    fault_log_add(ep, &new);
}

void viommu_refused_interrupt(VIOMMUEndpoint *ep,
                              const VIOMMURefusedInterrupt *refused)
{
    FaultRecord new = {
        .pasid = VIOMMU_NO_PASID,
        .page = refused->addr,
        .is_write = true,
        .interrupt = true,
        .has_index = refused->has_index,
        .index = refused->has_index ? refused->index : 0,
        .says = refused->says,
    };

    qatomic_set(&ep->stats.interrupts_refused,
                qatomic_read(&ep->stats.interrupts_refused) + 1);
    fault_log_add(ep, &new);
}

VIOMMUFaultWords *viommu_fault_words(const VIOMMUFaultSays *says)
{
    VIOMMUFaultWords *words = g_new0(VIOMMUFaultWords, 1);

    words->code = says->code;
    words->name = g_strdup(says->name);
    words->reason = g_strdup(says->reason);
    words->recorded = says->recorded;
    return words;
}

static VIOMMUFaultInfo *fault_info(const FaultRecord *r)
{
    VIOMMUFaultInfo *info = g_new0(VIOMMUFaultInfo, 1);

    info->address = viommu_query_address(r->sid);
    info->device = viommu_query_device_id(r->ep);
    info->type = viommu_query_device_type(r->ep);
    info->iova = r->page;
    info->has_pasid = r->pasid != VIOMMU_NO_PASID;
    info->pasid = info->has_pasid ? r->pasid : 0;
    info->write = r->is_write;
    info->interrupt = r->interrupt;
    info->has_index = r->has_index;
    info->index = r->index;
    info->fault = viommu_fault_words(&r->says);
    info->count = r->count;
    info->first_us = r->first_us;
    info->last_us = r->last_us;
    return info;
}

static int fault_order(const void *a, const void *b)
{
    const FaultRecord *x = a, *y = b;

    return x->last < y->last ? -1 : x->last > y->last;
}

VIOMMUFaultInfoList *viommu_fault_log_list(VIOMMU *v)
{
    VIOMMUFaultLog *log = v->fault_log;
    g_autofree FaultRecord *records = g_new(FaultRecord, FAULT_RECORDS);
    VIOMMUFaultInfoList *list = NULL;
    unsigned i;

    WITH_QEMU_LOCK_GUARD(&log->lock) {
        memcpy(records, log->records, sizeof(log->records));
    }
    qsort(records, FAULT_RECORDS, sizeof(*records), fault_order);
    for (i = 0; i < FAULT_RECORDS; i++) {
        if (records[i].count) {
            QAPI_LIST_PREPEND(list, fault_info(&records[i]));
        }
    }
    return list;
}

/*
 * vIOMMU core: the sanitizer: mistakes of drivers, explained
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * It looks on while accesses are translated (viommu-sanitize-use.c) or refused
 * (-fault.c) and translations invalidated (-inv.c), and changes nothing but
 * the time it takes.  What it finds is kept here, once for each place and with
 * a count; of new places there is an event and a line in the log, as long as
 * they are not too many.
 *
 * Its memory is of fixed size: viommu_history_bytes(), viommu_stale_bytes(),
 * viommu_grants_bytes(), and struct VIOMMUSanitizer with the findings.
 */

#include "qemu/osdep.h"
#include "hw/pci/pci_device.h"
#include "qapi/qapi-events-viommu.h"
#include "qapi/util.h"
#include "qemu/error-report.h"
#include "system/dma-held.h"
#include "viommu-query-internal.h"
#include "viommu-sanitizer-internal.h"

static bool finding_is_like(const SanitizerFinding *f,
                            const SanitizerFinding *new)
{
    return f->count && f->ep == new->ep && f->kind == new->kind &&
           f->sid == new->sid && f->pasid == new->pasid &&
           f->is_write == new->is_write &&
           !((f->iova ^ new->iova) & ~SANITIZER_PAGE);
}

SanitizerFinding sanitizer_of(VIOMMUEndpoint *ep, VIOMMUFindingKind kind,
                              uint32_t pasid)
{
    return (SanitizerFinding) {
        .ep = ep, .kind = kind, .sid = viommu_endpoint_sid(ep), .pasid = pasid,
    };
}

/*
 * @f was found again, as @new.  What is refused is tried in pieces, one behind
 * the other: the message stays that of an access's first one.
 */
static void finding_again(const VIOMMUSanitizer *s, SanitizerFinding *f,
                          const SanitizerFinding *new)
{
    if (f->last == s->last && new->iova > f->piece) {
        g_free(new->message);
    } else {
        g_free(f->message);
        f->message = new->message;
        f->iova = new->iova;
    }
    f->piece = new->iova;
}

void sanitizer_found(VIOMMUSanitizer *s, SanitizerFinding *new)
{
    SanitizerFinding *f = s->findings;
    unsigned i;

    new->last_us = g_get_real_time();
    QEMU_LOCK_GUARD(&s->lock);
    for (i = 0; i < SANITIZER_FINDINGS; i++) {
        if (finding_is_like(&s->findings[i], new)) {
            f = &s->findings[i];
            break;
        }
        if (s->findings[i].last < f->last) {
            f = &s->findings[i];
        }
    }
    if (i < SANITIZER_FINDINGS) {
        finding_again(s, f, new);
    } else {
        g_free(f->message);
        new->piece = new->iova;
        new->first_us = new->last_us;
        new->report = s->reported[new->kind] < SANITIZER_REPORTS;
        s->reported[new->kind] += new->report;
        *f = *new;
    }
    f->count++;
    f->last_us = new->last_us;
    f->last = ++s->last;
    if (f->report) {
        qemu_bh_schedule(s->bh);
    }
}

static VIOMMUFinding *sanitizer_info(const SanitizerFinding *f)
{
    VIOMMUFinding *info = g_new0(VIOMMUFinding, 1);

    info->kind = f->kind;
    info->address = f->ep ? viommu_query_address(f->sid) : NULL;
    info->device = f->ep ? viommu_query_device_id(f->ep) : NULL;
    info->type = f->ep ? viommu_query_device_type(f->ep) : NULL;
    info->has_pasid = f->pasid != VIOMMU_NO_PASID;
    info->pasid = info->has_pasid ? f->pasid : 0;
    info->has_iova = f->has_iova;
    info->iova = f->iova;
    info->has_write = f->has_write;
    info->write = f->is_write;
    info->message = g_strdup(f->message);
    info->count = f->count;
    info->first_us = f->first_us;
    info->last_us = f->last_us;
    return info;
}

static void sanitizer_report(VIOMMUSanitizer *s, const VIOMMUFinding *info)
{
    g_autofree char *path = object_get_canonical_path(s->viommu->owner);

    warn_report("%s: sanitizer: %s: %s%s%s%s%s", path,
                VIOMMUFindingKind_str(info->kind), info->address ?: "",
                info->address ? " " : "",
                info->address ? info->device ?: info->type ?: "(gone)" : "",
                info->address ? ": " : "", info->message);
    qapi_event_send_viommu_sanitizer(path, info->kind, info->address,
                                     info->device, info->type,
                                     info->has_pasid, info->pasid,
                                     info->has_iova, info->iova,
                                     info->has_write, info->write,
                                     info->message);
}

/* What is new.  BQL, main loop. */
static void sanitizer_bh(void *opaque)
{
    VIOMMUSanitizer *s = opaque;
    unsigned i;
    DMA_HELD("sanitizer");

    for (i = 0; i < SANITIZER_FINDINGS; i++) {
        g_autoptr(VIOMMUFinding) info = NULL;

        WITH_QEMU_LOCK_GUARD(&s->lock) {
            if (s->findings[i].report) {
                s->findings[i].report = false;
                info = sanitizer_info(&s->findings[i]);
            }
        }
        if (info) {
            sanitizer_report(s, info);
        }
    }
}

void viommu_sanitizer_init(VIOMMU *v)
{
    VIOMMUSanitizer *s;

    if (!v->props.sanitizer) {
        return;
    }
    s = g_new0(VIOMMUSanitizer, 1);
    s->viommu = v;
    s->bh = aio_bh_new(iohandler_get_aio_context(), sanitizer_bh, s);
    s->timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, sanitizer_tick, s);
    s->history = viommu_history_new();
    s->windows = viommu_stale_new();
    s->grants = viommu_grants_new();
    s->astray_when = INT64_MIN;
    qemu_mutex_init(&s->lock);
    v->sanitizer = s;
}

const char *sanitizer_rights(unsigned perm)
{
    switch (perm & (IOPT_READ | IOPT_WRITE)) {
    case IOPT_READ:
        return "for reading";
    case IOPT_WRITE:
        return "for writing";
    default:
        return "for reading and writing";
    }
}

static int sanitizer_order(const void *a, const void *b)
{
    const SanitizerFinding *x = *(const SanitizerFinding *const *)a;
    const SanitizerFinding *y = *(const SanitizerFinding *const *)b;

    return x->last < y->last ? -1 : x->last > y->last;
}

VIOMMUFindingList *viommu_sanitizer_list(VIOMMU *v)
{
    VIOMMUSanitizer *s = v->sanitizer;
    const SanitizerFinding *order[SANITIZER_FINDINGS];
    VIOMMUFindingList *list = NULL;
    unsigned i;

    QEMU_LOCK_GUARD(&s->lock);
    for (i = 0; i < SANITIZER_FINDINGS; i++) {
        order[i] = &s->findings[i];
    }
    qsort(order, SANITIZER_FINDINGS, sizeof(*order), sanitizer_order);
    for (i = 0; i < SANITIZER_FINDINGS; i++) {
        if (order[i]->count) {
            QAPI_LIST_PREPEND(list, sanitizer_info(order[i]));
        }
    }
    return list;
}

VIOMMUStaleInfo *viommu_sanitizer_stale(VIOMMU *v)
{
    VIOMMUStaleInfo *info = g_new0(VIOMMUStaleInfo, 1);
    VIOMMUStaleStats stats;

    WITH_QEMU_LOCK_GUARD(&v->sanitizer->lock) {
        viommu_stale_stats(v->sanitizer->windows, &stats);
    }
    info->windows = stats.windows;
    info->uses = stats.uses;
    info->open = stats.open;
    info->longest_us = stats.longest / SCALE_US;
    return info;
}

/*
 * vIOMMU core: the sanitizer: mistakes of drivers, explained
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * It looks on while tables are walked, translations invalidated and accesses
 * refused, and changes nothing.  A hit of a cache does not come here.  What it
 * finds is kept, once for each place and with a count; of new places there is
 * an event and a line in the log, as long as they are not too many.
 *
 * Its memory is of fixed size: viommu_history_bytes(), and the findings.
 */

#include "qemu/osdep.h"
#include "hw/iommu/viommu-history.h"
#include "hw/pci/pci_device.h"
#include "hw/virtio/virtio.h"
#include "qapi/qapi-events-viommu.h"
#include "qapi/util.h"
#include "qemu/error-report.h"
#include "qemu/lockable.h"
#include "qemu/timer.h"
#include "standard-headers/linux/virtio_config.h"
#include "viommu-policy-internal.h"
#include "viommu-query-internal.h"

/* Places that are remembered, and that are reported of each kind */
#define FINDINGS        64
#define REPORTS         100
#define FINDING_PAGE    ((uint64_t)0xfff)

typedef struct Finding {
    VIOMMUEndpoint *ep;      /* lives as long as the vIOMMU; NULL: free */
    VIOMMUFindingKind kind;
    uint16_t sid;            /* at that time */
    uint32_t pasid;
    uint64_t iova;           /* of the first access */
    bool has_iova, is_write;
    bool report;             /* the event has yet to be sent */
    char *message;           /* of the first access */
    uint64_t count;
    int64_t first_us, last_us;
    uint64_t last;           /* findings so far at the last one */
} Finding;

struct VIOMMUSanitizer {
    VIOMMU *viommu;
    QEMUBH *bh;              /* reports */
    QemuMutex lock;          /* a leaf, of everything below */
    VIOMMUHistory *history;
    uint64_t last;
    unsigned reported[VIOMMU_FINDING_KIND__MAX];
    Finding findings[FINDINGS];
};

static bool finding_is_like(const Finding *f, const Finding *new)
{
    return f->ep == new->ep && f->kind == new->kind && f->sid == new->sid &&
           f->pasid == new->pasid && f->is_write == new->is_write &&
           !((f->iova ^ new->iova) & ~FINDING_PAGE);
}

/* Keep @new, whose message becomes the callee's.  Any thread. */
static void sanitizer_found(VIOMMUSanitizer *s, Finding *new)
{
    Finding *f = s->findings;
    unsigned i;

    new->last_us = g_get_real_time();
    QEMU_LOCK_GUARD(&s->lock);
    for (i = 0; i < FINDINGS; i++) {
        if (finding_is_like(&s->findings[i], new)) {
            f = &s->findings[i];
            break;
        }
        if (s->findings[i].last < f->last) {
            f = &s->findings[i];
        }
    }
    if (i < FINDINGS) {
        g_free(new->message);
    } else {
        g_free(f->message);
        new->first_us = new->last_us;
        new->report = s->reported[new->kind] < REPORTS;
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

static VIOMMUFinding *sanitizer_info(const Finding *f)
{
    VIOMMUFinding *info = g_new0(VIOMMUFinding, 1);

    info->kind = f->kind;
    info->address = viommu_query_address(f->sid);
    info->device = viommu_query_device_id(f->ep);
    info->has_pasid = f->pasid != VIOMMU_NO_PASID;
    info->pasid = info->has_pasid ? f->pasid : 0;
    info->has_iova = f->has_iova;
    info->iova = f->iova;
    info->has_write = f->has_iova;
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

    warn_report("%s: sanitizer: %s: %s %s: %s", path,
                VIOMMUFindingKind_str(info->kind), info->address,
                info->device ?: "(no ID)", info->message);
    qapi_event_send_viommu_sanitizer(path, info->kind, info->address,
                                     info->device, info->has_pasid,
                                     info->pasid, info->has_iova, info->iova,
                                     info->has_write, info->write,
                                     info->message);
}

/* What is new.  BQL, main loop. */
static void sanitizer_bh(void *opaque)
{
    VIOMMUSanitizer *s = opaque;
    unsigned i;

    for (i = 0; i < FINDINGS; i++) {
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
    s->history = viommu_history_new();
    qemu_mutex_init(&s->lock);
    v->sanitizer = s;
}

void viommu_sanitize_walked(VIOMMU *v, const VIOMMUConfig *config,
                            const IOTLBEntry *entry)
{
    const VIOMMUPastPage page = {
        .tag = config->tag,
        .first = entry->iova,
        .addr = entry->addr,
        .shift = entry->shift,
        .perm = entry->perm & (IOPT_READ | IOPT_WRITE),
        .when = get_clock(),
    };

    if (page.perm) {
        QEMU_LOCK_GUARD(&v->sanitizer->lock);
        viommu_history_mapped(v->sanitizer->history, &page);
    }
}

void viommu_sanitize_invalidated(VIOMMU *v, uint64_t tag, uint64_t tag_mask,
                                 hwaddr first, hwaddr last)
{
    const VIOMMUPastInv inv = {
        .tag = tag, .tag_mask = tag_mask, .first = first, .last = last,
        .when = get_clock(),
    };

    QEMU_LOCK_GUARD(&v->sanitizer->lock);
    viommu_history_invalidated(v->sanitizer->history, &inv);
}

static const char *sanitizer_rights(unsigned perm)
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

/* What became of the page, in words */
static char *sanitizer_unmapped(const VIOMMUPast *past, hwaddr iova)
{
    g_autofree char *was = NULL;
    int64_t age = get_clock() - past->inv.when;
    const char *scope = past->inv.tag_mask ? "of its domain" : "of everything";

    if (!past->mapped) {
        return g_strdup_printf("was unmapped: 0x%" PRIx64 " .. 0x%" PRIx64
                               " was invalidated %" PRId64 " ms ago; no device "
                               "had used the page", past->inv.first,
                               past->inv.last, age / SCALE_MS);
    }
    was = g_strdup_printf("was mapped to 0x%" PRIx64 " %s",
                          past->page.addr | (iova - past->page.first),
                          sanitizer_rights(past->page.perm));
    if (!past->invalidated) {
        return g_strdup_printf("%s; its entry has been changed since, and "
                               "not been invalidated", was);
    }
    if (past->inv.first || past->inv.last != HWADDR_MAX) {
        return g_strdup_printf("%s, until 0x%" PRIx64 " .. 0x%" PRIx64 " was "
                               "invalidated %" PRId64 " ms ago", was,
                               past->inv.first, past->inv.last,
                               age / SCALE_MS);
    }
    return g_strdup_printf("%s, until an invalidation %s %" PRId64 " ms ago",
                           was, scope, age / SCALE_MS);
}

/*
 * Where @iova leads by the tables as they are now; no table is updated.
 * Returns: false if nowhere.  In an RCU read section.
 */
static bool sanitizer_look(VIOMMU *v, const VIOMMUConfig *config, hwaddr iova,
                           IOTLBEntry *entry)
{
    const IOPTMem mem = { .read = viommu_read_entry, .opaque = v };
    IOPTResult res;
    bool refused;

    return viommu_walk(v, config, &mem, iova, 0, entry, &res,
                       &refused) == IOPT_OK && !refused && entry->perm;
}

/* A mapping that ends, or begins, where the page of @iova begins, or ends */
static char *sanitizer_overrun(VIOMMU *v, const VIOMMUConfig *config,
                               hwaddr iova)
{
    hwaddr first = iova & ~FINDING_PAGE, last = iova | FINDING_PAGE;
    IOTLBEntry entry;

    if (first && sanitizer_look(v, config, first - 1, &entry)) {
        g_autofree char *by = iova == first ? g_strdup("right") :
                              g_strdup_printf("%" PRIu64 " bytes",
                                              iova - first);

        return g_strdup_printf("is %s behind the end of a mapping: 0x%" PRIx64
                               " .. 0x%" PRIx64 " leads to 0x%" PRIx64 " %s",
                               by, entry.iova, first - 1, entry.addr,
                               sanitizer_rights(entry.perm));
    }
    if (last != HWADDR_MAX && sanitizer_look(v, config, last + 1, &entry)) {
        return g_strdup_printf("is %" PRIu64 " bytes in front of a mapping: 0x%"
                               PRIx64 " leads to 0x%" PRIx64 " %s",
                               last + 1 - iova, last + 1, entry.addr,
                               sanitizer_rights(entry.perm));
    }
    return NULL;
}

/* Was it refused because nothing is mapped there? */
static bool sanitizer_is_unmapped(const VIOMMUConfig *config,
                                  const VIOMMUFault *fault)
{
    return config->mode == VIOMMU_TRANSLATE && !fault->blocked &&
           !fault->denied && !fault->reserved_range &&
           fault->access == VIOMMU_UNTRANSLATED &&
           (fault->kind == IOPT_FAULT_NOT_PRESENT ||
            (fault->kind == IOPT_FAULT_PERMISSION &&
             !(fault->res.perm & (IOPT_READ | IOPT_WRITE))));
}

void viommu_sanitize_fault(VIOMMUEndpoint *ep, const VIOMMUConfig *config,
                           const VIOMMUFault *fault)
{
    VIOMMU *v = ep->viommu;
    VIOMMUSanitizer *s = v->sanitizer;
    hwaddr iova = iopt_space_iova(&config->space, fault->iova);
    VIOMMUPast past;
    Finding new = {
        .ep = ep,
        .sid = viommu_endpoint_sid(ep),
        .pasid = fault->pasid,
        .iova = fault->iova,
        .has_iova = true,
        .is_write = fault->is_write,
    };
    g_autofree char *what = NULL;
    bool known;

    if (!sanitizer_is_unmapped(config, fault)) {
        return;
    }
    WITH_QEMU_LOCK_GUARD(&s->lock) {
        known = viommu_history_find(s->history, config->tag, iova, &past);
    }
    if (known) {
        new.kind = VIOMMU_FINDING_KIND_USE_AFTER_UNMAP;
        what = sanitizer_unmapped(&past, iova);
    } else {
        new.kind = VIOMMU_FINDING_KIND_OUT_OF_BOUNDS;
        what = sanitizer_overrun(v, config, iova);
    }
    if (what) {
        new.message = g_strdup_printf("%s at 0x%" PRIx64 ", which %s",
                                      fault->is_write ? "write" : "read",
                                      fault->iova, what);
        sanitizer_found(s, &new);
    }
}

/*
 * Does its driver run, or begin to (@starts), and its DMA go round a vIOMMU
 * that is used?
 */
static bool sanitizer_goes_round(VIOMMUEndpoint *ep,
                                 const VirtIODevice *starts)
{
    PCIDevice *dev = viommu_query_device(ep);
    VirtIODevice *vdev = dev ? viommu_policy_virtio(dev) : NULL;

    /* A vIOMMU that is a virtio device has to go round itself. */
    return vdev && OBJECT(vdev) != ep->viommu->owner &&
           (vdev == starts || (vdev->status & VIRTIO_CONFIG_S_DRIVER_OK)) &&
           !viommu_policy_translated(vdev) && !qatomic_read(&ep->unlisted);
}

static void sanitizer_bypass(VIOMMU *v, const VirtIODevice *starts)
{
    VIOMMUEndpoint *ep;

    if (!qatomic_read(&v->enabled)) {
        return;
    }
    QLIST_FOREACH(ep, &v->endpoints, next) {
        Finding new = {
            .ep = ep,
            .kind = VIOMMU_FINDING_KIND_BYPASS,
            .sid = viommu_endpoint_sid(ep),
            .pasid = VIOMMU_NO_PASID,
        };

        if (sanitizer_goes_round(ep, starts)) {
            new.message = g_strdup("translation is on, and no table "
                                   "translates its DMA: it is a virtio device "
                                   "without iommu_platform=on");
            sanitizer_found(v->sanitizer, &new);
        }
    }
}

void viommu_sanitize_bypass(VIOMMU *v)
{
    sanitizer_bypass(v, NULL);
}

void viommu_sanitizer_driver(VIOMMURegistration *reg, const VirtIODevice *vdev)
{
    VIOMMU *v = container_of(reg, VIOMMU, registration);

    if (v->sanitizer) {
        sanitizer_bypass(v, vdev);
    }
}

static int sanitizer_order(const void *a, const void *b)
{
    const Finding *x = *(const Finding *const *)a;
    const Finding *y = *(const Finding *const *)b;

    return x->last < y->last ? -1 : x->last > y->last;
}

VIOMMUFindingList *viommu_sanitizer_list(VIOMMU *v)
{
    VIOMMUSanitizer *s = v->sanitizer;
    const Finding *order[FINDINGS];
    VIOMMUFindingList *list = NULL;
    unsigned i;

    QEMU_LOCK_GUARD(&s->lock);
    for (i = 0; i < FINDINGS; i++) {
        order[i] = &s->findings[i];
    }
    qsort(order, FINDINGS, sizeof(*order), sanitizer_order);
    for (i = 0; i < FINDINGS; i++) {
        if (order[i]->ep) {
            QAPI_LIST_PREPEND(list, sanitizer_info(order[i]));
        }
    }
    return list;
}

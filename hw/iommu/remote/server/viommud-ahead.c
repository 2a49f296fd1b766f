/*
 * qemu-viommud: answers that nobody has asked for yet
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Who asks about one page after the other is told the next ones with the
 * answer.  They are looked up as they are: nothing is marked accessed for it,
 * and what would have to be is not told.  Nor is anything for which the client
 * would have to be asked first.
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/bswap.h"
#include "viommud-internal.h"

/* As many as a cache of the client's looks ahead, and no large ones */
#define AHEAD_PAGES 32
#define AHEAD_SHIFT 12

/* The page that would be the next one */
static struct {
    uint32_t rid, pasid, domain;
    uint64_t iova;
} ahead_next;

static bool ahead_read(void *opaque, uint64_t addr, uint64_t *entry)
{
    const uint64_t *at = vrs_at(viommud.link, addr, sizeof(*at));

    if (!at || !QEMU_PTR_IS_ALIGNED(at, sizeof(*at))) {
        return false;
    }
    *entry = le64_to_cpu(qatomic_read(at));
    return true;
}

/* An IOPTVisit: up to the first that is more than just a page */
static bool ahead_tell(void *opaque, uint64_t first, uint64_t last,
                       const IOPTResult *res)
{
    VIOMMU *v = viommud.viommu;
    uint64_t mask = (1ULL << res->shift) - 1;
    const VRPPrefetch page = {
        .iova = first & ~mask,
        .addr = res->addr & ~mask,
        .domain = ahead_next.domain,
        .shift = res->shift,
        .perm = (res->perm & IOPT_READ ? VRP_READ : 0) |
                (res->perm & IOPT_WRITE ? VRP_WRITE : 0),
    };

    if (!res->perm || res->global || res->once || res->shift != AHEAD_SHIFT ||
        (v->ops->output_ok &&
         !v->ops->output_ok(v, page.addr, page.addr | mask))) {
        return false;
    }
    vrs_prefetch(viommud.link, &page);
    ahead_next.iova = (first | mask) + 1;
    return true;
}

void viommud_ahead(const VIOMMUConfig *config, const VRPTranslate *question,
                   const VRPAnswer *answer)
{
    const IOPTMem mem = { .read = ahead_read, .as_is = true };
    uint64_t page = question->iova & ~((1ULL << AHEAD_SHIFT) - 1);
    bool follows = page && ahead_next.iova == page &&
                   ahead_next.rid == question->rid &&
                   ahead_next.pasid == question->pasid &&
                   ahead_next.domain == question->domain;
    uint64_t last;

    ahead_next.rid = question->rid;
    ahead_next.pasid = question->pasid;
    ahead_next.domain = question->domain;
    ahead_next.iova = page + (1ULL << AHEAD_SHIFT);
    last = ahead_next.iova + ((uint64_t)AHEAD_PAGES << AHEAD_SHIFT) - 1;
    if (follows && config->mode == VIOMMU_TRANSLATE && !answer->flags &&
        answer->shift == AHEAD_SHIFT && last > ahead_next.iova &&
        !(question->access & (VRP_EXEC | VRP_PRIV))) {
        iopt_space_walk_range(&config->space, ahead_next.iova, last, &mem,
                              ahead_tell, NULL);
    }
}

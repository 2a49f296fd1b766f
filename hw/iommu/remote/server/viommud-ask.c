/*
 * qemu-viommud: what the client asks, by the model's functions
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Nothing is kept of an answer: the tables are read each time, and it is the
 * client that caches.
 */
#include "qemu/osdep.h"
#include "viommud-internal.h"

/* The smallest page of any format */
#define SMALLEST_SHIFT 12

uint32_t viommud_ask_pasid(uint32_t pasid)
{
    return pasid == VRP_NO_PASID ? VIOMMU_NO_PASID : pasid;
}

unsigned viommud_ask_attrs(uint32_t access)
{
    return (access & VRP_EXEC ? IOPT_EXEC : 0) |
           (access & VRP_PRIV ? IOPT_PRIV : 0);
}

static unsigned ask_need(uint32_t access)
{
    return (access & VRP_READ ? IOPT_READ : 0) |
           (access & VRP_WRITE ? IOPT_WRITE : 0);
}

void viommud_ask_config(uint32_t rid, uint32_t pasid, VIOMMUConfig *config)
{
    VIOMMU *v = viommud.viommu;
    VIOMMUEndpoint ep = { .viommu = v, .sid = rid };

    memset(config, 0, sizeof(*config));
    config->mem = &v->mem;
    config->pasid = viommud_ask_pasid(pasid);
    if (!viommud.begun) {
        config->mode = VIOMMU_BLOCKED;
        return;
    }
    if (!v->enabled) {
        config->mode = VIOMMU_BYPASS;
        config->tag = DMA_TAG_UNTRANSLATED;
        config->bypass_bits = 64;
        config->cacheable = true;
        return;
    }
    v->ops->resolve(v, &ep, config->pasid, config);
}

static uint32_t ask_refuse(ViommudRefused *refused)
{
    VIOMMU *v = viommud.viommu;
    VIOMMUFaultSays says = { 0 };

    /* The model has refused nothing before. */
    if (viommud.begun && v->ops->query && v->ops->query->fault) {
        v->ops->query->fault(v, &refused->config, &refused->fault, &says);
    }
    return viommud_refused_keep(refused, says.code);
}

void viommud_resolve(void *opaque, const VRPResolve *question,
                     VRPConfig *answer)
{
    static const VRPMode modes[] = {
        [VIOMMU_BLOCKED] = VRP_BLOCKED,
        [VIOMMU_BYPASS] = VRP_BYPASS,
        [VIOMMU_TRANSLATE] = VRP_TRANSLATED,
    };
    ViommudRefused r = { .rid = question->rid };

    viommud_ask_config(question->rid, question->pasid, &r.config);
    answer->mode = modes[r.config.mode];
    answer->flags = (r.config.cacheable ? VRP_CONFIG_KEEP : 0) |
                    (r.config.ats ? VRP_CONFIG_ATS : 0) |
                    (r.config.ats_first ? VRP_CONFIG_ATS_FIRST : 0);
    if (r.config.mode == VIOMMU_BLOCKED) {
        r.fault.pasid = viommud_ask_pasid(question->pasid);
        r.fault.blocked = true;
        answer->reason = ask_refuse(&r);
        return;
    }
    answer->domain = viommud_domain_of(r.config.tag);
    answer->bypass_bits = r.config.mode == VIOMMU_BYPASS ?
                          MAX(r.config.bypass_bits, SMALLEST_SHIFT) : 0;
}

static bool ask_output_ok(VIOMMU *v, hwaddr addr, hwaddr mask)
{
    return !v->ops->output_ok ||
           v->ops->output_ok(v, addr & ~mask, addr | mask);
}

/*
 * Where @iova leads; @answer is filled in if it does.  As the core's walk: a
 * page of which only a part is a target is handed out in its smallest pieces.
 * Returns: false if @r->fault says why not.
 */
static bool ask_walk(ViommudRefused *r, uint64_t iova, unsigned need,
                     VRPAnswer *answer)
{
    VIOMMU *v = viommud.viommu;
    IOPTResult *res = &r->fault.res;
    hwaddr mask, addr;

    iova = iopt_space_iova(&r->config.space, iova);
    r->fault.kind = iopt_space_walk(&r->config.space, iova, need, &v->mem,
                                    res);
    if (r->fault.kind != IOPT_OK) {
        return false;
    }
    mask = (1ULL << res->shift) - 1;
    addr = res->addr | (iova & mask);
    if (!ask_output_ok(v, addr, mask)) {
        res->shift = MIN(res->shift, SMALLEST_SHIFT);
        mask = (1ULL << res->shift) - 1;
        r->fault.reserved_range = !ask_output_ok(v, addr, mask);
    }
    answer->addr = addr & ~mask;
    answer->shift = res->shift;
    answer->perm = (res->perm & IOPT_READ ? VRP_READ : 0) |
                   (res->perm & IOPT_WRITE ? VRP_WRITE : 0);
    answer->flags = res->once ? VRP_ANSWER_ONCE : 0;
    v->global_seen |= res->global;
    return !r->fault.reserved_range;
}

static VRPVerdict ask_verdict(const VIOMMUFault *fault)
{
    if (fault->blocked || fault->reserved_range) {
        return VRP_DENIED;
    }
    switch (fault->kind) {
    case IOPT_FAULT_RANGE:
    case IOPT_FAULT_ADDR_SIZE:
        return VRP_RANGE;
    case IOPT_FAULT_READ_TABLE:
    case IOPT_FAULT_UPDATE:
        return VRP_UNREADABLE;
    case IOPT_FAULT_RESERVED:
        return VRP_RESERVED;
    case IOPT_FAULT_PERMISSION:
    case IOPT_FAULT_PRIVILEGE:
        return VRP_DENIED;
    default:
        return VRP_ABSENT;
    }
}

/* Bypass is asked about only if it has come to that meanwhile. */
static void ask_bypass(uint64_t iova, VRPAnswer *answer)
{
    answer->addr = iova & ~((1ULL << SMALLEST_SHIFT) - 1);
    answer->shift = SMALLEST_SHIFT;
    answer->perm = VRP_READ | VRP_WRITE;
    answer->flags = VRP_ANSWER_ONCE;
}

/* What a refusal is about, for the model's .query.fault */
static void ask_fill_fault(ViommudRefused *r, const VRPTranslate *question)
{
    r->fault.pasid = viommud_ask_pasid(question->pasid);
    r->fault.iova = question->iova;
    r->fault.is_write = question->access & VRP_WRITE;
    r->fault.attrs = viommud_ask_attrs(question->access);
    r->fault.access = VIOMMU_UNTRANSLATED;
}

bool viommud_ask_translate(ViommudRefused *r, const VRPTranslate *question,
                           VRPAnswer *answer)
{
    unsigned need;

    viommud_ask_config(question->rid, question->pasid, &r->config);
    ask_fill_fault(r, question);
    need = ask_need(question->access) |
           (viommud_ask_attrs(question->access) & ~r->config.attrs_fixed);
    r->fault.blocked = r->config.mode == VIOMMU_BLOCKED ||
                       (need & r->config.blocked_attrs);
    if (r->fault.blocked) {
        return false;
    }
    if (r->config.mode == VIOMMU_BYPASS) {
        ask_bypass(question->iova, answer);
        return true;
    }
    return ask_walk(r, question->iova, need, answer);
}

void viommud_translate(void *opaque, const VRPTranslate *question,
                       VRPAnswer *answer)
{
    ViommudRefused r = { .rid = question->rid };

    if (!viommud_ask_translate(&r, question, answer)) {
        *answer = (VRPAnswer) {
            .verdict = ask_verdict(&r.fault),
            .reason = ask_refuse(&r),
        };
        return;
    }
    if (viommud_domain_of(r.config.tag) != question->domain) {
        /* The requester has moved, and the client will hear of it. */
        answer->flags |= VRP_ANSWER_ONCE;
    }
    if (!answer->perm) {
        *answer = (VRPAnswer) { .verdict = VRP_ABSENT };
        return;
    }
    viommud_ahead(&r.config, question, answer);
}

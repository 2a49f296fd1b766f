/*
 * qemu-viommud: the core of the models: invalidation and fences
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Caches, devices and what is in flight are the client's.  What the model
 * invalidates becomes messages, and a fence waits for their answers: the client
 * answers when no access uses any more what they were about.
 */
#include "qemu/osdep.h"
#include "hw/iommu/viommu-model.h"
#include "hw/iommu/viommu-sanitizer.h"
#include "viommud-internal.h"

Viommud viommud;

static QTAILQ_HEAD(, DMAFence) core_fences =
    QTAILQ_HEAD_INITIALIZER(core_fences);
static uint64_t core_sent;               /* the number of the last one */

/* Invalidation */

static void core_send(const VRPInvalidate *inv)
{
    core_sent = vrs_invalidate(viommud.link, inv);
}

void viommud_invalidate(const VRPInvalidate *inv)
{
    if (viommud.link) {
        core_send(inv);
    }
}

static void core_send_domain(uint32_t domain, void *opaque)
{
    const VRPInvalidate inv = { .kind = VRP_INV_DOMAIN, .domain = domain };

    core_send(&inv);
}

static void core_invalidate_config(const VIOMMUInv *inv)
{
    VRPInvalidate message = {
        .kind = inv->kind == VIOMMU_INV_CONFIG_ENDPOINT ? VRP_INV_CONFIG_RID :
                inv->kind == VIOMMU_INV_CONFIG_PASID ? VRP_INV_CONFIG_PASID :
                VRP_INV_CONFIG_ALL,
    };

    if (message.kind == VRP_INV_CONFIG_RID) {
        message.rid = inv->sid;
        message.rid_mask = inv->sid_mask;
    } else if (message.kind == VRP_INV_CONFIG_PASID) {
        message.pasid = inv->pasid;
    }
    core_send(&message);
}

static void core_send_range(uint32_t domain, void *opaque)
{
    const VIOMMUInv *inv = opaque;
    const VRPInvalidate message = {
        .kind = VRP_INV_RANGE,
        .domain = domain,
        .first = inv->first,
        .last = inv->last,
    };

    core_send(&message);
}

static void core_invalidate_tlb(VIOMMU *v, const VIOMMUInv *inv)
{
    const VRPInvalidate all = { .kind = VRP_INV_ALL };
    const VRPInvalidate config = { .kind = VRP_INV_CONFIG_ALL };

    if (inv->roots) {
        core_send(&config);
    }
    if (inv->kind == VIOMMU_INV_ALL) {
        core_send(&all);
    } else if (inv->kind == VIOMMU_INV_GROUP || v->global_seen) {
        /* A page marked global is translated alike in all of a group. */
        viommud_domain_each(inv->tag, IOTLB_TAG_GROUP_MASK, core_send_domain,
                            NULL);
    } else {
        /* What has no number has been told to nobody. */
        viommud_domain_like(inv->tag, inv->kind == VIOMMU_INV_TAG ?
                            core_send_domain : core_send_range, (void *)inv);
    }
}

static void core_invalidate(VIOMMU *v, const VIOMMUInv *inv)
{
    switch (inv->kind) {
    case VIOMMU_INV_CONFIG_ALL:
    case VIOMMU_INV_CONFIG_ENDPOINT:
    case VIOMMU_INV_CONFIG_PASID:
        core_invalidate_config(inv);
        break;
    default:
        core_invalidate_tlb(v, inv);
        break;
    }
}

void viommu_invalidate(VIOMMU *v, const VIOMMUInv *inv)
{
    /* While all bypass, or nobody is there, nobody knows of any table. */
    if (v->enabled && viommud.link) {
        core_invalidate(v, inv);
    }
}

void viommu_set_enabled(VIOMMU *v, bool enabled)
{
    static const VIOMMUInv config = { .kind = VIOMMU_INV_CONFIG_ALL };
    static const VIOMMUInv all = { .kind = VIOMMU_INV_ALL };

    v->enabled = enabled;
    if (viommud.link) {
        core_invalidate(v, &config);
        core_invalidate(v, &all);
    }
}

/* The devices', whose TLBs are at the client's side */

void viommu_invalidate_device_tlb(VIOMMU *v, uint16_t sid, hwaddr first,
                                  hwaddr last)
{
    viommu_invalidate_device_tlb_pasid(v, sid, VIOMMU_NO_PASID, false, first,
                                       last);
}

static uint32_t core_pasid(uint32_t pasid)
{
    return pasid == VIOMMU_NO_PASID ? VRP_NO_PASID : pasid;
}

void viommu_invalidate_device_tlb_pasid(VIOMMU *v, uint16_t sid,
                                        uint32_t pasid, bool global,
                                        hwaddr first, hwaddr last)
{
    const VRPInvalidate inv = {
        .kind = global ? VRP_INV_DEVICE_ALL : VRP_INV_DEVICE,
        .rid = sid,
        .pasid = core_pasid(pasid),
        .first = first,
        .last = last,
    };

    viommud_invalidate(&inv);
}

void viommu_page_response(VIOMMU *v, uint16_t sid, uint32_t pasid,
                          uint16_t prgi, VIOMMUPageCode code)
{
    const VRPPageResponse response = {
        .rid = sid,
        .pasid = core_pasid(pasid),
        .group = prgi,
        .code = code,
    };

    if (viommud.link) {
        vrs_page_response(viommud.link, &response);
    }
}

/* Fences */

bool viommu_fence(VIOMMU *v, DMAFence *fence, void (*done)(void *opaque),
                  void *opaque)
{
    if (!viommud.link || vrs_drained(viommud.link) >= core_sent) {
        return true;
    }
    fence->seq = core_sent;
    fence->done = done;
    fence->opaque = opaque;
    QTAILQ_INSERT_TAIL(&core_fences, fence, next);
    return false;
}

/* What the client's devices are told is the client's to collect. */
void viommu_collect_begin(VIOMMU *v)
{
}

void viommu_collect_end(VIOMMU *v)
{
}

/* So are their views of memory. */
unsigned viommu_views(const VIOMMU *v)
{
    return 0;
}

void viommu_fence_cancel(VIOMMU *v, DMAFence *fence)
{
    if (fence->seq) {
        QTAILQ_REMOVE(&core_fences, fence, next);
        fence->seq = 0;
    }
}

void viommud_drained(void *opaque, uint64_t seq)
{
    DMAFence *fence;

    /* Numbers rise, so the first one is the oldest. */
    while ((fence = QTAILQ_FIRST(&core_fences)) && fence->seq <= seq) {
        viommu_fence_cancel(viommud.viommu, fence);
        fence->done(fence->opaque);
    }
}

void viommud_all_drained(void)
{
    core_sent = 0;
    viommud_drained(NULL, UINT64_MAX);
}

/* Life */

void viommu_reset(VIOMMU *v)
{
    /* The client forgets by itself. */
    v->enabled = false;
    v->global_seen = false;
    viommud_domain_forget();
}

bool viommu_post_load(VIOMMU *v, bool enabled)
{
    /* Windows are the client's to compare. */
    v->enabled = enabled;
    v->global_seen = true;
    return true;
}

/* The common properties are the client's: viommud-device.c takes none. */
bool viommu_realize(VIOMMU *v, const VIOMMUModel *model, Object *owner,
                    PCIBus *bus, VIOMMUPolicy *policy, Error **errp)
{
    v->ops = model->ops;
    v->owner = owner;
    v->name = model->name;
    v->type = model->type;
    v->memory = &address_space_memory;
    v->mem = (IOPTMem) {
        .read = viommud_read_entry,
        .update = viommud_update_entry,
        .opaque = v,
    };
    viommud.viommu = v;
    return true;
}

/* The endpoint of a question: see viommud-ask.c. */
uint16_t viommu_endpoint_sid(VIOMMUEndpoint *ep)
{
    return ep->sid;
}

/* Properties */

/* The common ones are the client's, and not shown. */
void viommu_describe(ObjectClass *klass, const VIOMMUPropertyHelp *own,
                     unsigned n)
{
    viommu_describe_each(klass, own, n);
}

/* The sanitizer looks on in the client: VIOMMU.sanitizer is NULL here. */
void viommu_sanitize_tail(VIOMMU *v, const VIOMMUTail *tail)
{
}

void viommu_sanitize_queued(VIOMMU *v)
{
}

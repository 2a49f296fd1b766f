/*
 * viommu-remote: devices that keep translations, and ask for pages
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A translation request is a question like that of an access; how one ends
 * that was refused, the server's specification says.  Whoever asks for a page
 * gets an answer: the server's, or ours, if it goes away before that.
 */
#include "qemu/osdep.h"
#include "remote-internal.h"

/* With so much to be written yet, no page request goes there. */
#define PAGE_BACKLOG (1u << 16)
/* Groups of page requests that may wait for their answers */
#define PAGES_MAX 4096

/* A group that is to be answered, and over which connection it was asked for */
typedef struct RemotePage {
    VRPPageResponse answer;
    unsigned connection;
} RemotePage;

/* VIOMMUOps.ats_fault: any thread */
VIOMMUATSStatus remote_ats_fault(VIOMMU *v, VIOMMUEndpoint *ep,
                                 const VIOMMUConfig *config,
                                 const VIOMMUFault *fault)
{
    static const VIOMMUATSStatus statuses[VRP_ATS_STATUSES] = {
        [VRP_ATS_NO_RIGHTS] = VIOMMU_ATS_SUCCESS,
        [VRP_ATS_UR] = VIOMMU_ATS_UR,
        [VRP_ATS_CA] = VIOMMU_ATS_CA,
    };
    VIOMMURemote *s = container_of(v, VIOMMURemote, viommu);
    VIOMMUATSStatus unheard = fault->denied || fault->blocked ?
                              VIOMMU_ATS_UR : VIOMMU_ATS_CA;
    VRPFault told = remote_fault_message(ep, config, fault);
    VRPATSAnswer answer;

    if (!remote_fault_is_servers(config, fault)) {
        return unheard;
    }
    if (!(s->unit.features & VRP_F_DEVICE_TLB)) {
        /* It knows of no such requests: an access that may not be */
        v->ops->fault(v, ep, config, fault);
        return unheard;
    }
    if (remote_link_ask(s->link, VRP_ATS_FAULT, &told, NULL, 0, &answer, NULL,
                        REMOTE_WAIT_USUAL)) {
        return unheard;
    }
    return statuses[answer.status];
}

void remote_invalidate_devices(VIOMMURemote *s, const VRPInvalidate *inv)
{
    uint32_t pasid = inv->pasid == VRP_NO_PASID ? VIOMMU_NO_PASID : inv->pasid;
    bool all = inv->kind == VRP_INV_DEVICE_ALL;
    VIOMMU *v = &s->viommu;
    VIOMMUEndpoint *ep;

    QLIST_FOREACH(ep, &v->endpoints, next) {
        uint16_t sid = viommu_endpoint_sid(ep);

        if (ep->bus && !((sid ^ inv->rid) & ~inv->rid_mask)) {
            viommu_invalidate_device_tlb_pasid(v, sid, pasid, all, inv->first,
                                               inv->last);
        }
    }
}

/* Page requests: BQL */

/* The next one that waits for this answer, or NULL */
static GList *page_find(VIOMMURemote *s, const VRPPageResponse *response)
{
    GList *at;

    for (at = s->pages.head; at; at = at->next) {
        const VRPPageResponse *waits = &((const RemotePage *)at->data)->answer;

        if (waits->rid == response->rid && waits->group == response->group &&
            waits->pasid == response->pasid) {
            break;
        }
    }
    return at;
}

static void page_answer(VIOMMURemote *s, const VRPPageResponse *response)
{
    viommu_page_response(&s->viommu, response->rid,
                         response->pasid == VRP_NO_PASID ? VIOMMU_NO_PASID :
                                                           response->pasid,
                         response->group, (VIOMMUPageCode)response->code);
}

/* VIOMMUOps.page_request */
VIOMMUPageCode remote_page_request(VIOMMU *v, VIOMMUEndpoint *ep,
                                   const VIOMMUPageRequest *req)
{
    VIOMMURemote *s = container_of(v, VIOMMURemote, viommu);
    uint32_t pasid = req->pasid == VIOMMU_NO_PASID ? VRP_NO_PASID : req->pasid;
    const VRPPageRequest told = {
        .iova = req->iova,
        .rid = viommu_endpoint_sid(ep),
        .pasid = pasid,
        .flags = (req->read ? VRP_READ : 0) | (req->write ? VRP_WRITE : 0) |
                 (req->exec ? VRP_EXEC : 0) | (req->priv ? VRP_PRIV : 0) |
                 (req->last ? VRP_PAGE_LAST : 0) |
                 (req->response_pasid ? VRP_PAGE_PASID : 0),
        .group = req->prgi,
    };
    const RemotePage waits = {
        .answer = {
            .rid = told.rid,
            .pasid = req->response_pasid ? pasid : VRP_NO_PASID,
            .group = req->prgi,
        },
        .connection = remote_link_connection(s->link),
    };

    if (!(s->unit.features & VRP_F_PAGE_REQUESTS) ||
        !remote_link_is_up(s->link)) {
        return VIOMMU_PAGE_INVALID;
    }
    if (remote_link_backlog(s->link) > PAGE_BACKLOG ||
        g_queue_get_length(&s->pages) >= PAGES_MAX) {
        /* As of a queue that is full: it asks again. */
        return VIOMMU_PAGE_SUCCESS;
    }
    if (req->last && (req->read || req->write)) {
        g_queue_push_tail(&s->pages, g_memdup2(&waits, sizeof(waits)));
    }
    remote_link_post(s->link, VRP_PAGE_REQUEST, &told, NULL, 0, -1);
    return VIOMMU_PAGE_QUEUED;
}

/*
 * Software may answer what nobody has asked for here: after a migration, what
 * was asked for elsewhere.
 */
void remote_page_response(VIOMMURemote *s, const VRPPageResponse *response)
{
    GList *at = page_find(s, response);

    if (at) {
        g_free(at->data);
        g_queue_delete_link(&s->pages, at);
    }
    page_answer(s, response);
}

void remote_pages_went_down(VIOMMURemote *s, unsigned connection)
{
    RemotePage *waits;

    /* Who is answered may ask again: in the order in which they asked */
    while ((waits = g_queue_peek_head(&s->pages)) &&
           remote_is_over(waits->connection, connection)) {
        g_queue_pop_head(&s->pages);
        waits->answer.code = VRP_PAGE_INVALID;
        page_answer(s, &waits->answer);
        g_free(waits);
    }
}

void remote_pages_forget(VIOMMURemote *s)
{
    g_queue_clear_full(&s->pages, g_free);
}

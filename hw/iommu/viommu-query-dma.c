/*
 * vIOMMU core: the answer to viommu-in-flight
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What an answer takes grows with the maps in it and the number of endpoints.
 * BQL; devices go on in iothreads.
 */

#include "qemu/osdep.h"
#include "qapi/util.h"
#include "system/dma-query.h"
#include "viommu-query-internal.h"

/* How many are copied at once */
#define FLIGHTS_MAX 16

/* VIOMMUFlightCursor.word */
static void flight_load(const VIOMMUFlightCursor *at, DMAFlightCursor *cursor)
{
    *cursor = (DMAFlightCursor) {
        .kind = at->word[0],
        .maps = {
            .stage = at->word[1],
            .at = at->word[2],
            .key = { at->word[3], at->word[4] },
        },
        .bounced = at->word[5],
    };
}

static void flight_save(VIOMMUFlightCursor *at, const DMAFlightCursor *cursor)
{
    at->word[0] = cursor->kind;
    at->word[1] = cursor->maps.stage;
    at->word[2] = cursor->maps.at;
    at->word[3] = cursor->maps.key[0];
    at->word[4] = cursor->maps.key[1];
    at->word[5] = cursor->bounced;
}

static VIOMMUFlight *flight_info(VIOMMUEndpoint *ep, const DMAFlight *f)
{
    VIOMMUFlight *info = g_new0(VIOMMUFlight, 1);
    uint32_t pasid = viommu_pasid_of(f->attrs);

    info->endpoint = viommu_query_address(viommu_endpoint_sid(ep));
    info->device = viommu_query_device_id(ep);
    info->type = viommu_query_device_type(ep);
    info->kind = f->standing ? VIOMMU_FLIGHT_KIND_STANDING :
                 f->bounced ? VIOMMU_FLIGHT_KIND_BOUNCED :
                              VIOMMU_FLIGHT_KIND_REQUEST;
    info->iova = f->iova;
    info->length = f->len;
    info->write = f->is_write;
    info->vague = f->vague;
    info->has_pasid = pasid != VIOMMU_NO_PASID;
    info->pasid = info->has_pasid ? pasid : 0;
    info->has_waited_ms = f->waited_ns >= 0;
    info->waited_ms = MAX(f->waited_ns, 0) / SCALE_MS;
    info->has_age_ms = f->age_ns >= 0;
    info->age_ms = MAX(f->age_ns, 0) / SCALE_MS;
    return info;
}

/* Returns: true if that was all of @ep's. */
static bool flight_endpoint(VIOMMUEndpoint *ep, VIOMMUFlightCursor *at,
                            VIOMMUFlightList ***tail, uint32_t *left)
{
    DMAFlight flights[FLIGHTS_MAX];
    DMAFlightCursor cursor;
    unsigned i, n;

    flight_load(at, &cursor);
    while (*left) {
        n = dma_query_flights(ep->inflight, &cursor, flights,
                              MIN(*left, FLIGHTS_MAX));
        if (!n) {
            return true;
        }
        for (i = 0; i < n; i++) {
            QAPI_LIST_APPEND(*tail, flight_info(ep, &flights[i]));
        }
        *left -= n;
    }
    flight_save(at, &cursor);
    return false;
}

bool viommu_query_in_flight(VIOMMURegistration *reg, void *endpoint,
                            VIOMMUFlightCursor *at, VIOMMUFlightList ***tail,
                            uint32_t *left)
{
    VIOMMU *v = container_of(reg, VIOMMU, registration);
    g_autoptr(GPtrArray) endpoints = g_ptr_array_new();
    VIOMMUEndpoint *ep;

    dma_query_age();
    /* New ones come to the head of the list, so numbers count from its end. */
    QLIST_FOREACH(ep, &v->endpoints, next) {
        g_ptr_array_insert(endpoints, 0, ep);
    }
    for (; at->endpoint < endpoints->len; at->endpoint++) {
        ep = g_ptr_array_index(endpoints, at->endpoint);
        if (endpoint && ep != endpoint) {
            continue;
        }
        if (!flight_endpoint(ep, at, tail, left)) {
            return false;
        }
        memset(at->word, 0, sizeof(at->word));
    }
    at->endpoint = 0;
    return true;
}

/*
 * A vIOMMU outside the VMM: what a client may send
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A server looks at it here before it believes it.
 */
#include "qemu/osdep.h"
#include "remote-frame.h"

#define RID_MAX     0xffffu
#define PASID_MAX   0xfffffu
#define ACCESS_ALL  (VRP_READ | VRP_WRITE | VRP_EXEC | VRP_PRIV)
/* Of one access to registers */
#define ACCESS_BYTES_MAX 8

static const char *client_check_who(uint32_t rid, uint32_t pasid)
{
    if (rid > RID_MAX) {
        return "a requester ID has more than 16 bits";
    }
    return pasid > PASID_MAX && pasid != VRP_NO_PASID ?
           "a PASID has more than 20 bits" : NULL;
}

static const char *client_check_memory(uint64_t addr, uint64_t size)
{
    if (!size) {
        return "memory is of no size";
    }
    return addr + (size - 1) < addr ?
           "memory wraps around the end of the address space" : NULL;
}

static const char *client_check_map(const VRPDMAMap *map)
{
    const char *wrong = client_check_memory(map->addr, map->size);

    if (wrong) {
        return wrong;
    }
    if (map->flags & ~(VRP_DMA_READABLE | VRP_DMA_WRITEABLE) ||
        !(map->flags & VRP_DMA_READABLE)) {
        return "memory has reserved flags set, or cannot be read";
    }
    return map->offset + (map->size - 1) < map->offset ?
           "memory wraps around the end of its file" : NULL;
}

static const char *client_check_region(const VRPRegion *region)
{
    if (region->region) {
        return "it has but one region, 0";
    }
    if (!region->count || region->count > ACCESS_BYTES_MAX) {
        return "an access to registers is not of 1 to 8 bytes";
    }
    return region->offset + (region->count - 1) < region->offset ?
           "an access wraps around the end of the registers" : NULL;
}

static const char *client_check_translate(const VRPTranslate *question)
{
    if (question->domain >= VRP_DOMAINS) {
        return "a domain is not below 2^24";
    }
    return question->access & ~ACCESS_ALL ? "an access has reserved bits set" :
           client_check_who(question->rid, question->pasid);
}

static const char *client_check_fault(const VRPFault *fault, uint32_t features)
{
    uint32_t access = ACCESS_ALL |
                      (features & VRP_F_DEVICE_TLB ? VRP_BY_ATS : 0);

    if (fault->verdict >= VRP_VERDICTS) {
        return "a fault has an unknown verdict";
    }
    return fault->access & ~access ? "an access has reserved bits set" :
           client_check_who(fault->rid, fault->pasid);
}

static const char *client_check_page(const VRPPageRequest *request)
{
    if (request->flags & ~(ACCESS_ALL | VRP_PAGE_LAST | VRP_PAGE_PASID)) {
        return "a page request has reserved bits set";
    }
    return request->group >= VRP_PAGE_GROUPS ?
           "a group of page requests is not below 512" :
           client_check_who(request->rid, request->pasid);
}

static const char *client_check_endpoint(const VRPEndpoint *endpoint)
{
    return endpoint->present > 1 ? "a device is neither there nor gone" :
           client_check_who(endpoint->rid, VRP_NO_PASID);
}

/* A guest may have any address and data sent: they are not looked at here. */
static const char *client_check_remap(const VRPRemap *question)
{
    return question->flags & ~VRP_REMAP_FLAGS || question->reserved ?
           "an interrupt has reserved bits set" :
           client_check_who(question->rid, VRP_NO_PASID);
}

static const char *client_check_command(uint16_t command, uint32_t features,
                                        const void *message)
{
    const VRPDMAUnmap *unmap = message;
    const VRPResolve *resolve = message;
    const VRPVersion *version = message;
    const VRPRun *run = message;

    switch (command) {
    case VRP_VERSION:
        return version->major == VRP_MAJOR ? NULL :
               "it speaks another major version";
    case VRP_DMA_MAP:
        return client_check_map(message);
    case VRP_DMA_UNMAP:
        return client_check_memory(unmap->addr, unmap->size);
    case VRP_REGION_READ:
    case VRP_REGION_WRITE:
        return client_check_region(message);
    case VRP_RESOLVE:
        return client_check_who(resolve->rid, resolve->pasid);
    case VRP_TRANSLATE:
        return client_check_translate(message);
    case VRP_FAULT:
        return client_check_fault(message, features);
    case VRP_ATS_FAULT:
        return client_check_fault(message, 0);
    case VRP_PAGE_REQUEST:
        return client_check_page(message);
    case VRP_ENDPOINT:
        return client_check_endpoint(message);
    case VRP_REMAP:
        return client_check_remap(message);
    case VRP_RUN:
        return run->running > 1 || run->reserved ?
               "a guest neither runs nor has stopped" : NULL;
    default:
        return NULL;
    }
}

/* Of what has data whose length the fixed part says */
static bool client_data_fits(const VRPHeader *h, bool reply,
                             const void *message, size_t len)
{
    const VRPRegion *region = message;
    const VRPDMA *dma = message;

    if (!reply && h->command == VRP_REGION_WRITE) {
        return len == region->count;
    }
    return !reply || h->command != VRP_DMA_READ || len == dma->count;
}

const char *vrp_check_client(const VRPHeader *h, const uint8_t *body,
                             uint32_t features, void *message)
{
    const VRPShape *shape = vrp_shape(h->command);
    bool reply = (h->flags & VRP_FLAG_TYPE) == VRP_TYPE_REPLY;
    const char *fields = reply ? shape->answer : shape->fields;
    size_t fixed = vrp_fields_size(fields), len = h->size - sizeof(*h);
    const char *wrong;

    if (!reply && shape->server) {
        return "a command is the server's to send";
    }
    if (reply && (!shape->server || shape->posted)) {
        return "a reply is to a command that has none";
    }
    wrong = vrp_check_feature(shape, features);
    if (wrong) {
        return wrong;
    }
    memset(message, 0, VRP_FIXED_MAX);
    if (h->flags & VRP_FLAG_ERROR) {
        return NULL;
    }
    if (len < fixed ||
        (len > fixed && !(reply ? shape->answer_data : shape->data))) {
        return "a message has not the size of its command";
    }
    vrp_unpack(fields, body, message);
    wrong = reply ? NULL : client_check_command(h->command, features, message);
    if (!wrong && !client_data_fits(h, reply, message, len - fixed)) {
        wrong = "a message has not as much data as it says";
    }
    return wrong;
}

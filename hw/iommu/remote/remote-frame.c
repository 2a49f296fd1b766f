/*
 * A vIOMMU outside the VMM: messages as bytes and as numbers
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Whatever a server sends is looked at here before anybody believes it.
 */
#include "qemu/osdep.h"
#include "remote-frame.h"

#define PAGE_SHIFT_MIN 12
#define PAGE_SHIFT_MAX 52
#define RID_MAX        0xffffu
#define PASID_MAX      0xfffffu

static const char *check_page(uint64_t addr, uint32_t shift, uint32_t perm)
{
    if (shift < PAGE_SHIFT_MIN || shift > PAGE_SHIFT_MAX) {
        return "a page's size is not 2^12 to 2^52 bytes";
    }
    if (addr & ((1ull << shift) - 1)) {
        return "an address is not a multiple of its page's size";
    }
    if (!perm || perm & ~(VRP_READ | VRP_WRITE)) {
        return "a permission is not one of read, write or both";
    }
    return NULL;
}

static const char *check_version(const void *message, uint32_t features)
{
    const VRPVersion *v = message;

    return v->major == VRP_MAJOR ? NULL : "it speaks another major version";
}

static const char *check_region_info(const void *message, uint32_t features)
{
    const VRPRegionInfo *info = message;

    return info->index ? "it describes another region than was asked for" :
                         NULL;
}

static const char *check_dma(const void *message, uint32_t features)
{
    const VRPDMA *dma = message;

    if (!dma->count || dma->count > VRP_DATA_MAX) {
        return "a DMA is not of 1 byte to 1 MiB";
    }
    return dma->addr + (dma->count - 1) < dma->addr ?
           "a DMA wraps around the end of memory" : NULL;
}

static const char *check_config(const void *message, uint32_t features)
{
    const VRPConfig *config = message;
    uint32_t flags = VRP_CONFIG_FLAGS &
                     (features & VRP_F_DEVICE_TLB ? ~0u :
                                                    ~VRP_CONFIG_ATS_FLAGS);

    if (config->mode > VRP_TRANSLATED) {
        return "a configuration has an unknown mode";
    }
    if (config->flags & ~flags || config->reserved) {
        return "a configuration has reserved bits set";
    }
    if (config->domain >= VRP_DOMAINS) {
        return "a domain is not below 2^24";
    }
    return config->mode == VRP_BYPASS &&
           (config->bypass_bits < PAGE_SHIFT_MIN || config->bypass_bits > 64) ?
           "a bypass is not of 12 to 64 bits" : NULL;
}

static const char *check_ats_answer(const void *message, uint32_t features)
{
    const VRPATSAnswer *answer = message;

    return answer->status >= VRP_ATS_STATUSES || answer->reserved ?
           "a translation request ends in an unknown way" : NULL;
}

static const char *check_answer(const void *message, uint32_t features)
{
    const VRPAnswer *answer = message;

    if (answer->verdict >= VRP_VERDICTS) {
        return "a translation has an unknown verdict";
    }
    if (answer->flags & ~VRP_ANSWER_ONCE || answer->reserved) {
        return "a translation has reserved bits set";
    }
    return answer->verdict == VRP_OK ?
           check_page(answer->addr, answer->shift, answer->perm) : NULL;
}

/* What devices keep */
static const char *check_invalidate_device(const VRPInvalidate *inv,
                                           uint32_t features)
{
    if (!(features & VRP_F_DEVICE_TLB)) {
        return "an invalidation is of a feature that is not in use";
    }
    if ((inv->rid | inv->rid_mask) > RID_MAX) {
        return "a requester ID has more than 16 bits";
    }
    if (inv->kind == VRP_INV_DEVICE && inv->pasid > PASID_MAX &&
        inv->pasid != VRP_NO_PASID) {
        return "a PASID has more than 20 bits";
    }
    return inv->first > inv->last ? "a range ends before it begins" : NULL;
}

/* Where messages lead */
static const char *check_invalidate_interrupt(const VRPInvalidate *inv,
                                              uint32_t features)
{
    if (!(features & VRP_F_INTERRUPTS)) {
        return "an invalidation is of a feature that is not in use";
    }
    return inv->kind == VRP_INV_INTERRUPT && inv->first > inv->last ?
           "a range ends before it begins" : NULL;
}

static const char *check_invalidate(const void *message, uint32_t features)
{
    const VRPInvalidate *inv = message;

    if (inv->kind >= VRP_INV_KINDS) {
        return "an invalidation is of an unknown kind";
    }
    if (inv->reserved) {
        return "an invalidation has reserved bits set";
    }
    if (inv->kind == VRP_INV_DEVICE || inv->kind == VRP_INV_DEVICE_ALL) {
        return check_invalidate_device(inv, features);
    }
    if (inv->kind == VRP_INV_INTERRUPT || inv->kind == VRP_INV_INTERRUPT_ALL) {
        return check_invalidate_interrupt(inv, features);
    }
    if (inv->kind == VRP_INV_CONFIG_RID &&
        (inv->rid | inv->rid_mask) > RID_MAX) {
        return "a requester ID has more than 16 bits";
    }
    if (inv->kind == VRP_INV_CONFIG_PASID && inv->pasid > PASID_MAX) {
        return "a PASID has more than 20 bits";
    }
    if ((inv->kind == VRP_INV_DOMAIN || inv->kind == VRP_INV_RANGE) &&
        inv->domain >= VRP_DOMAINS) {
        return "a domain is not below 2^24";
    }
    return inv->kind == VRP_INV_RANGE && inv->first > inv->last ?
           "a range ends before it begins" : NULL;
}

static const char *check_prefetch(const void *message, uint32_t features)
{
    const VRPPrefetch *p = message;
    const char *wrong = check_page(p->addr, p->shift, p->perm);

    if (wrong) {
        return wrong;
    }
    if (p->iova & ((1ull << p->shift) - 1)) {
        return "an IOVA is not a multiple of its page's size";
    }
    if (p->reserved) {
        return "a translation has reserved bits set";
    }
    return p->domain >= VRP_DOMAINS ? "a domain is not below 2^24" : NULL;
}

static const char *check_interrupt(const void *message, uint32_t features)
{
    const VRPInterrupt *irq = message;

    if (irq->rid > RID_MAX) {
        return "a requester ID has more than 16 bits";
    }
    return irq->addr & 3 ? "an interrupt's address is no multiple of 4" : NULL;
}

static const char *check_update(const void *message, uint32_t features)
{
    const VRPUpdate *update = message;

    return update->addr & 7 ? "an update's address is no multiple of 8" : NULL;
}

static const char *check_page_response(const void *message, uint32_t features)
{
    const VRPPageResponse *response = message;

    if (response->rid > RID_MAX) {
        return "a requester ID has more than 16 bits";
    }
    if (response->pasid > PASID_MAX && response->pasid != VRP_NO_PASID) {
        return "a PASID has more than 20 bits";
    }
    if (response->group >= VRP_PAGE_GROUPS) {
        return "a group of page requests is not below 512";
    }
    return response->code > VRP_PAGE_FAILURE ?
           "a page response has a code of more than 4 bits" : NULL;
}

static const char *check_remapped(const void *message, uint32_t features)
{
    const uint32_t window = ~0xfffffu;
    const VRPRemapped *answer = message;

    if (answer->verdict >= VRP_REMAP_VERDICTS ||
        (answer->verdict == VRP_REMAP_DONE && !(features & VRP_F_POSTED))) {
        return "an interrupt has an unknown verdict";
    }
    if (answer->flags & ~VRP_REMAPPED_KEEP) {
        return "an interrupt has reserved bits set";
    }
    if (answer->index >= VRP_ENTRIES && answer->index != VRP_NO_ENTRY) {
        return "an entry is not below 2^16";
    }
    if (answer->verdict != VRP_REMAP_SEND) {
        return answer->flags ? "what is not sent may not be kept" : NULL;
    }
    return (answer->addr & window) != VRP_INTERRUPT_ADDR ?
           "an interrupt leads to where none are" : NULL;
}

static const VRPShape shapes[] = {
    { VRP_VERSION, .fields = "hh", .answer = "hh", .data = true,
      .answer_data = true, .check = check_version },
    { VRP_DMA_MAP, .fields = "iiqqq" },
    { VRP_DMA_UNMAP, .fields = "iiqq" },
    { VRP_REGION_INFO, .fields = "iiiiqq", .answer = "iiiiqq",
      .check = check_region_info },
    { VRP_REGION_READ, .fields = "qii", .answer = "qii",
      .answer_data = true },
    { VRP_REGION_WRITE, .fields = "qii", .data = true, .answer = "qii" },
    { VRP_DMA_READ, .server = true, .fields = "qq", .answer = "qq",
      .answer_data = true, .check = check_dma },
    { VRP_DMA_WRITE, .server = true, .fields = "qq", .data = true,
      .answer = "qq", .check = check_dma },
    { VRP_RESET },
    { VRP_RESOLVE, .fields = "ii", .answer = "iiiiii", .check = check_config },
    { VRP_TRANSLATE, .fields = "qiiii", .answer = "iiqiiii",
      .check = check_answer },
    { VRP_FAULT, .fields = "qiiiiii", .posted = true },
    { VRP_STATE_SAVE, .answer_data = true },
    { VRP_STATE_LOAD, .data = true },
    { VRP_RUN, .fields = "ii" },
    { VRP_ENDPOINT, .feature = VRP_F_ENDPOINTS, .fields = "ii" },
    { VRP_ATS_FAULT, .feature = VRP_F_DEVICE_TLB, .fields = "qiiiiii",
      .answer = "ii", .check = check_ats_answer },
    { VRP_PAGE_REQUEST, .feature = VRP_F_PAGE_REQUESTS, .posted = true,
      .fields = "qiiii" },
    { VRP_REMAP, .feature = VRP_F_INTERRUPTS, .fields = "qiiii",
      .answer = "qiiii", .check = check_remapped },
    { VRP_INVALIDATE, .server = true, .fields = "qqqiiiiii", .answer = "q",
      .check = check_invalidate },
    { VRP_PREFETCH, .server = true, .posted = true, .fields = "qqiiii",
      .check = check_prefetch },
    { VRP_INTERRUPT, .server = true, .posted = true, .fields = "qii",
      .check = check_interrupt },
    { VRP_UPDATE, .server = true, .fields = "qqq", .answer = "qqq",
      .check = check_update },
    { VRP_PAGE_RESPONSE, .server = true, .feature = VRP_F_PAGE_REQUESTS,
      .posted = true, .fields = "iiii", .check = check_page_response },
};

const VRPShape *vrp_shape(uint16_t command)
{
    size_t i;

    for (i = 0; i < ARRAY_SIZE(shapes); i++) {
        if (shapes[i].command == command) {
            return &shapes[i];
        }
    }
    return NULL;
}

/* By their bits */
static const char *const features_known[] = {
    VRP_FEATURE_ENDPOINTS,
    VRP_FEATURE_DEVICE_TLB,
    VRP_FEATURE_PAGE_REQUESTS,
    VRP_FEATURE_INTERRUPTS,
    VRP_FEATURE_POSTED,
};

const char *vrp_feature_name(unsigned i)
{
    return i < ARRAY_SIZE(features_known) ? features_known[i] : NULL;
}

uint32_t vrp_feature(const char *name, size_t len)
{
    const char *known;
    unsigned i;

    for (i = 0; (known = vrp_feature_name(i)); i++) {
        if (strlen(known) == len && !memcmp(known, name, len)) {
            return 1u << i;
        }
    }
    return 0;
}

static size_t field_size(char field)
{
    return field == 'q' ? 8 : field == 'i' ? 4 : 2;
}

size_t vrp_fields_size(const char *fields)
{
    size_t size = 0;

    for (; fields && *fields; fields++) {
        size += field_size(*fields);
    }
    return size;
}

/* The structures have no padding: each field is where its size wants it. */
void vrp_pack(const char *fields, const void *message, uint8_t *bytes)
{
    const uint8_t *from = message;

    for (; fields && *fields; fields++) {
        size_t size = field_size(*fields), i;
        uint64_t value = 0;

        if (size == 8) {
            memcpy(&value, from, 8);
        } else if (size == 4) {
            uint32_t value32;

            memcpy(&value32, from, 4);
            value = value32;
        } else {
            uint16_t value16;

            memcpy(&value16, from, 2);
            value = value16;
        }
        for (i = 0; i < size; i++) {
            bytes[i] = value >> (8 * i);
        }
        from += size;
        bytes += size;
    }
}

void vrp_unpack(const char *fields, const uint8_t *bytes, void *message)
{
    uint8_t *to = message;

    for (; fields && *fields; fields++) {
        size_t size = field_size(*fields), i;
        uint64_t value = 0;

        for (i = 0; i < size; i++) {
            value |= (uint64_t)bytes[i] << (8 * i);
        }
        if (size == 8) {
            memcpy(to, &value, 8);
        } else if (size == 4) {
            uint32_t value32 = value;

            memcpy(to, &value32, 4);
        } else {
            uint16_t value16 = value;

            memcpy(to, &value16, 2);
        }
        to += size;
        bytes += size;
    }
}

const char *vrp_check_header(const VRPHeader *h)
{
    const uint32_t known = VRP_FLAG_TYPE | VRP_FLAG_NO_REPLY | VRP_FLAG_ERROR;
    uint32_t type = h->flags & VRP_FLAG_TYPE;

    if (h->size < sizeof(*h) || h->size > VRP_MESSAGE_MAX) {
        return "a message is not of 16 bytes to 1 MiB";
    }
    if (type > VRP_TYPE_REPLY || h->flags & ~known) {
        return "a message has reserved flags set";
    }
    if (type == VRP_TYPE_COMMAND && h->flags & VRP_FLAG_ERROR) {
        return "a command is an error";
    }
    return vrp_shape(h->command) ? NULL : "a command is unknown";
}

static const char *check_sender(const VRPHeader *h, const VRPShape *shape)
{
    bool reply = (h->flags & VRP_FLAG_TYPE) == VRP_TYPE_REPLY;

    if (!reply && !shape->server) {
        return "a command is the client's to send";
    }
    if (reply && (shape->server || shape->posted)) {
        return "a reply is to a command that has none";
    }
    return NULL;
}

const char *vrp_check_feature(const VRPShape *shape, uint32_t features)
{
    return shape->feature & ~features ?
           "a command is of a feature that is not in use" : NULL;
}

const char *vrp_check_server(const VRPHeader *h, const uint8_t *body,
                             uint32_t features, void *message)
{
    const VRPShape *shape = vrp_shape(h->command);
    bool reply = (h->flags & VRP_FLAG_TYPE) == VRP_TYPE_REPLY;
    const char *fields = reply ? shape->answer : shape->fields;
    bool data = reply ? shape->answer_data : shape->data;
    size_t fixed = vrp_fields_size(fields), len = h->size - sizeof(*h);
    const char *wrong = check_sender(h, shape);

    wrong = wrong ?: vrp_check_feature(shape, features);
    if (wrong) {
        return wrong;
    }
    memset(message, 0, VRP_FIXED_MAX);
    if (h->flags & VRP_FLAG_ERROR) {
        return NULL;
    }
    if (len < fixed || (len > fixed && !data)) {
        return "a message has not the size of its command";
    }
    vrp_unpack(fields, body, message);
    wrong = fixed && shape->check ? shape->check(message, features) :
                                     NULL;
    if (!wrong && h->command == VRP_DMA_WRITE &&
        len - fixed != ((const VRPDMA *)message)->count) {
        wrong = "a DMA has not as much data as it says";
    }
    return wrong;
}

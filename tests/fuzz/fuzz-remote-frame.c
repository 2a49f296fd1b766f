/*
 * Fuzz target: what a remote unit's server sends
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The input is a stream of messages.
 */
#include "fuzz.h"
#include "../../hw/iommu/remote/remote-frame.h"

/* A message that is accepted is what its command says, and no more. */
static void fuzz_accepted(const VRPHeader *h, const void *message)
{
    bool reply = (h->flags & VRP_FLAG_TYPE) == VRP_TYPE_REPLY;

    if (h->flags & VRP_FLAG_ERROR) {
        FUZZ_RULE(reply);
        return;
    }
    if (h->command == VRP_TRANSLATE) {
        const VRPAnswer *answer = message;

        FUZZ_RULE(reply && answer->verdict < VRP_VERDICTS);
        if (answer->verdict == VRP_OK) {
            FUZZ_RULE(answer->shift >= 12 && answer->shift <= 52);
            FUZZ_RULE(answer->addr % (1ull << answer->shift) == 0);
            FUZZ_RULE(answer->perm && answer->perm <= 3);
        }
    } else if (h->command == VRP_RESOLVE) {
        const VRPConfig *config = message;

        FUZZ_RULE(reply && config->mode <= VRP_TRANSLATED);
        FUZZ_RULE(config->domain < VRP_DOMAINS);
    } else if (h->command == VRP_INVALIDATE) {
        const VRPInvalidate *inv = message;

        FUZZ_RULE(!reply && inv->kind < VRP_INV_KINDS);
        FUZZ_RULE(inv->kind < VRP_INV_DEVICE ||
                  inv->kind >= VRP_INV_INTERRUPT ||
                  (inv->first <= inv->last && inv->rid <= 0xffff));
        FUZZ_RULE(inv->kind != VRP_INV_INTERRUPT || inv->first <= inv->last);
        FUZZ_RULE(inv->kind != VRP_INV_RANGE || inv->first <= inv->last);
    } else if (h->command == VRP_ATS_FAULT) {
        const VRPATSAnswer *answer = message;

        FUZZ_RULE(reply && answer->status < VRP_ATS_STATUSES);
    } else if (h->command == VRP_REMAP) {
        const VRPRemapped *answer = message;

        FUZZ_RULE(reply && answer->verdict < VRP_REMAP_VERDICTS);
        FUZZ_RULE(answer->index < VRP_ENTRIES || answer->index == VRP_NO_ENTRY);
        FUZZ_RULE(answer->verdict == VRP_REMAP_SEND ?
                  (uint32_t)answer->addr >> 20 == 0xfee : !answer->flags);
    } else if (h->command == VRP_PAGE_RESPONSE) {
        const VRPPageResponse *response = message;

        FUZZ_RULE(!reply && response->rid <= 0xffff &&
                  response->group < VRP_PAGE_GROUPS && response->code < 16);
    } else if (h->command == VRP_DMA_READ || h->command == VRP_DMA_WRITE) {
        const VRPDMA *dma = message;

        FUZZ_RULE(!reply && dma->count && dma->count <= VRP_DATA_MAX);
        FUZZ_RULE(dma->addr <= UINT64_MAX - (dma->count - 1));
    }
}

/* What is unpacked is packed to the same bytes. */
static void fuzz_there_and_back(const VRPHeader *h, const uint8_t *body,
                                const void *message)
{
    const VRPShape *shape = vrp_shape(h->command);
    const char *fields = (h->flags & VRP_FLAG_TYPE) == VRP_TYPE_REPLY ?
                         shape->answer : shape->fields;
    size_t size = vrp_fields_size(fields);
    uint8_t bytes[VRP_FIXED_MAX];

    vrp_pack(fields, message, bytes);
    FUZZ_RULE(!size || !memcmp(bytes, body, size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    while (size >= sizeof(VRPHeader)) {
        uint64_t message[VRP_FIXED_MAX / 8];
        g_autofree uint8_t *body = NULL;
        const char *wrong, *plain;
        VRPHeader h;

        vrp_unpack(VRP_HEADER_FIELDS, data, &h);
        wrong = vrp_check_header(&h);
        if (wrong || h.size > size) {
            FUZZ_RULE(!wrong || *wrong);
            return 0;
        }
        /* Of the very size: what is read beyond it is found. */
        body = g_memdup2(data + sizeof(h), h.size - sizeof(h));
        /* What needs no feature is the same with all of them. */
        plain = vrp_check_server(&h, body, 0, message);
        wrong = vrp_check_server(&h, body, VRP_F_ALL, message);
        FUZZ_RULE(plain || !wrong);
        if (!wrong) {
            fuzz_accepted(&h, message);
            if (!(h.flags & VRP_FLAG_ERROR)) {
                fuzz_there_and_back(&h, body, message);
            }
        }
        data += h.size;
        size -= h.size;
    }
    return 0;
}

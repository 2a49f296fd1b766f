/*
 * Fuzz target: the IOTLB against a list
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The reference keeps every entry that was inserted and not invalidated since.
 * The IOTLB may forget, but what it finds is one of them.
 */
#include "fuzz.h"
#include "hw/iommu/iotlb.h"

#define ENTRIES_MAX 512

typedef struct Reference {
    IOTLBEntry entry[ENTRIES_MAX];
    unsigned n;
} Reference;

static uint64_t entry_last(const IOTLBEntry *e)
{
    return e->iova + ((1ull << e->shift) - 1);
}

/* Drop those of @tag, in the bits of @mask, that overlap the range. */
static void reference_drop(Reference *ref, uint64_t tag, uint64_t mask,
                           uint64_t first, uint64_t last)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < ref->n; i++) {
        const IOTLBEntry *e = &ref->entry[i];

        if (((e->tag ^ tag) & mask) || e->iova > last ||
            entry_last(e) < first) {
            ref->entry[kept++] = *e;
        }
    }
    ref->n = kept;
}

static bool reference_has(const Reference *ref, const IOTLBEntry *found)
{
    for (unsigned i = 0; i < ref->n; i++) {
        const IOTLBEntry *e = &ref->entry[i];

        if (e->tag == found->tag && e->iova == found->iova &&
            e->addr == found->addr && e->shift == found->shift &&
            e->perm == found->perm) {
            return true;
        }
    }
    return false;
}

/* Few tags and few places, so that they meet */
static uint64_t take_tag(FuzzInput *in)
{
    uint8_t b = fuzz_take(in, 1);

    return IOTLB_TAG(b & 1, b >> 1 & 3, b >> 3 & 1);
}

static uint64_t take_iova(FuzzInput *in)
{
    uint8_t b = fuzz_take(in, 1);

    switch (b >> 6) {
    case 0:
        return (uint64_t)(b & 63) << 12;
    case 1:
        return (uint64_t)(b & 63) << 21;
    case 2:
        return UINT64_MAX - ((uint64_t)(b & 63) << 12);
    default:
        return fuzz_take(in, 8);
    }
}

static void fuzz_insert(IOTLB *tlb, Reference *ref, FuzzInput *in)
{
    IOTLBEntry e = { .tag = take_tag(in), .iova = take_iova(in) };
    uint8_t b = fuzz_take(in, 1);

    e.shift = b & 0x80 ? b & 63 : 12 + 9 * (b & 1);
    e.perm = b >> 6 & 1 ? 3 : 1;
    e.addr = fuzz_take(in, 2) << 12;
    if (e.shift < 64) {
        e.iova &= -(1ull << e.shift);
        e.addr &= -(1ull << e.shift);
    }
    if (iotlb_insert(tlb, &e, iotlb_seq(tlb))) {
        FUZZ_RULE(e.shift >= 12 && e.shift <= IOTLB_MAX_SHIFT);
        ref->entry[ref->n++] = e;
    }
}

static void fuzz_lookup(IOTLB *tlb, const Reference *ref, FuzzInput *in)
{
    uint64_t tag = take_tag(in), iova = take_iova(in);
    IOTLBEntry found;

    if (iotlb_lookup(tlb, tag, iova, &found)) {
        FUZZ_RULE(found.tag == tag);
        FUZZ_RULE(found.iova <= iova && iova <= entry_last(&found));
        FUZZ_RULE(reference_has(ref, &found));
    }
}

static void fuzz_invalidate(IOTLB *tlb, Reference *ref, FuzzInput *in)
{
    uint64_t tag = take_tag(in), first, last;

    switch (fuzz_take(in, 1) % 8) {
    case 0:
        iotlb_invalidate_all(tlb);
        ref->n = 0;
        break;
    case 1:
        iotlb_invalidate_group(tlb, tag);
        reference_drop(ref, tag, IOTLB_TAG_GROUP_MASK, 0, UINT64_MAX);
        break;
    case 2:
        iotlb_invalidate_tag(tlb, tag);
        reference_drop(ref, tag, IOTLB_TAG_DOMAIN_MASK, 0, UINT64_MAX);
        break;
    default:
        first = take_iova(in);
        last = take_iova(in);
        iotlb_invalidate_range(tlb, tag, MIN(first, last), MAX(first, last));
        reference_drop(ref, tag, IOTLB_TAG_DOMAIN_MASK, MIN(first, last),
                       MAX(first, last));
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    FuzzInput in = fuzz_input(data, size);
    IOTLB *tlb = iotlb_new(64);
    Reference ref = { .n = 0 };

    while (fuzz_more(&in)) {
        switch (fuzz_take(&in, 1) % 8) {
        case 0 ... 2:
            if (ref.n < ENTRIES_MAX) {
                fuzz_insert(tlb, &ref, &in);
            }
            break;
        case 3:
            fuzz_invalidate(tlb, &ref, &in);
            break;
        default:
            fuzz_lookup(tlb, &ref, &in);
            break;
        }
    }
    iotlb_free(tlb);
    return 0;
}

/*
 * Fuzz target: a device's address translation cache, against lists
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One list has every translation that was kept and not invalidated since: the
 * cache may forget, but what it finds is one of them.  The other has the uses
 * under way, and who waits for them.
 */
#include "fuzz.h"
#include "hw/pci/atc.h"

#define ENTRIES     16
#define USES        8
#define KEPT_MAX    512

typedef struct RefUse {
    ATCUse use;
    bool begun;              /* and not ended */
    bool listed;             /* not forgotten by a reset */
    uint32_t key;
    uint64_t iova;           /* what was asked for */
    uint64_t first, last;
    uint64_t stamp;
    uint64_t seq;            /* invalidations when it began */
} RefUse;

typedef struct Reference {
    ATC *atc;
    RefUse uses[USES];
    ATCEntry kept[KEPT_MAX];
    unsigned n;
    uint64_t seq, stamp;
} Reference;

static uint64_t entry_last(const ATCEntry *e)
{
    return e->iova + ((1ull << e->shift) - 1);
}

/* Few keys and few places, so that they meet */
static uint32_t take_key(FuzzInput *in)
{
    return fuzz_take(in, 1) % 4;
}

static uint64_t take_iova(FuzzInput *in)
{
    uint8_t b = fuzz_take(in, 1);

    switch (b >> 6) {
    case 0:
        return (uint64_t)(b & 63) << 12;
    case 1:
        return (uint64_t)(b & 63) << 21 | (b & 1);
    case 2:
        return UINT64_MAX - ((uint64_t)(b & 63) << 12);
    default:
        return fuzz_take(in, 8);
    }
}

static bool kept_has(const Reference *ref, const ATCEntry *found)
{
    for (unsigned i = 0; i < ref->n; i++) {
        const ATCEntry *e = &ref->kept[i];

        if (e->key == found->key && e->iova == found->iova &&
            e->addr == found->addr && e->shift == found->shift &&
            e->perm == found->perm) {
            return true;
        }
    }
    return false;
}

/* What of the page is asked for again replaces what was kept of it. */
static void kept_add(Reference *ref, const ATCEntry *entry)
{
    for (unsigned i = 0; i < ref->n; i++) {
        ATCEntry *e = &ref->kept[i];

        if (e->key == entry->key && e->shift == entry->shift &&
            e->iova == entry->iova) {
            *e = *entry;
            return;
        }
    }
    ref->kept[ref->n++] = *entry;
}

static void kept_drop(Reference *ref, uint32_t key, uint32_t mask,
                      uint64_t first, uint64_t last)
{
    unsigned left = 0;

    for (unsigned i = 0; i < ref->n; i++) {
        const ATCEntry *e = &ref->kept[i];

        if (((e->key ^ key) & mask) || e->iova > last ||
            entry_last(e) < first) {
            ref->kept[left++] = *e;
        }
    }
    ref->n = left;
}

/* Whoever invalidates a part of a page means all of it. */
static void use_covers(RefUse *u, const ATCEntry *e)
{
    u->first = MIN(u->first, e->iova);
    u->last = MAX(u->last, entry_last(e));
}

static void fuzz_begin(Reference *ref, RefUse *u, FuzzInput *in)
{
    uint64_t len = 1 + fuzz_take(in, 2);
    unsigned need = fuzz_take(in, 1) % 8;
    ATCEntry out;

    u->begun = u->listed = true;
    u->key = take_key(in);
    u->iova = u->first = take_iova(in);
    u->last = len - 1 > UINT64_MAX - u->first ? UINT64_MAX :
                                                u->first + (len - 1);
    u->stamp = 0;
    u->seq = ref->seq;
    if (atc_begin(ref->atc, &u->use, u->key, u->iova, len, need, &out)) {
        FUZZ_RULE(out.key == u->key && !(need & ~out.perm));
        FUZZ_RULE(out.iova <= u->iova && u->iova <= entry_last(&out));
        FUZZ_RULE(kept_has(ref, &out));
        use_covers(u, &out);
    }
}

static void fuzz_fill(Reference *ref, RefUse *u, FuzzInput *in)
{
    uint8_t how = fuzz_take(in, 1);
    ATCEntry e = {
        .key = u->key, .shift = how & 0x80 ? 12 + how % 52 : 12 + 9 * (how % 3),
        .perm = fuzz_take(in, 1) % 8, .addr = fuzz_take(in, 2) << 12,
    };

    if (ref->n == KEPT_MAX) {
        return;
    }
    e.iova = u->iova & -(1ull << e.shift);
    atc_fill(ref->atc, &u->use, &e);
    if (u->listed && u->seq == ref->seq) {
        kept_add(ref, &e);
        use_covers(u, &e);
    }
}

static void fuzz_end(Reference *ref, RefUse *u)
{
    FUZZ_RULE(atc_end(ref->atc, &u->use) == (u->listed && u->stamp));
    u->begun = u->listed = false;
}

static void fuzz_invalidate(Reference *ref, FuzzInput *in)
{
    uint32_t key = take_key(in), mask = fuzz_take(in, 1) % 4;
    uint64_t a = take_iova(in), b = take_iova(in);
    uint64_t first = MIN(a, b), last = MAX(a, b);
    unsigned n = 0;

    ref->seq++;
    ref->stamp++;
    mask = mask == 3 ? UINT32_MAX : mask;
    kept_drop(ref, key, mask, first, last);
    for (unsigned i = 0; i < USES; i++) {
        RefUse *u = &ref->uses[i];

        if (u->listed && !u->stamp && !((u->key ^ key) & mask) &&
            u->first <= last && u->last >= first) {
            u->stamp = ref->stamp;
            n++;
        }
    }
    FUZZ_RULE(atc_invalidate(ref->atc, key, mask, first, last, ref->stamp) ==
              n);
}

static void fuzz_reset(Reference *ref)
{
    ref->seq++;
    ref->n = 0;
    for (unsigned i = 0; i < USES; i++) {
        ref->uses[i].listed = false;
    }
    atc_reset(ref->atc);
}

static void check_waits(const Reference *ref)
{
    uint64_t oldest = UINT64_MAX;
    unsigned listed = 0;

    for (unsigned i = 0; i < USES; i++) {
        const RefUse *u = &ref->uses[i];

        listed += u->listed;
        if (u->listed && u->stamp) {
            oldest = MIN(oldest, u->stamp);
        }
    }
    FUZZ_RULE(atc_oldest(ref->atc) == oldest);
    FUZZ_RULE(atc_uses(ref->atc) == listed);
    FUZZ_RULE(atc_count(ref->atc) <= MIN(ENTRIES, ref->n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    FuzzInput in = fuzz_input(data, size);
    g_autofree Reference *ref = g_new0(Reference, 1);

    ref->atc = atc_new(ENTRIES);
    while (fuzz_more(&in)) {
        uint8_t what = fuzz_take(&in, 1);
        RefUse *u = &ref->uses[what >> 5];

        switch (what % 8) {
        case 0:
            fuzz_invalidate(ref, &in);
            break;
        case 1:
            if (what == 1) {
                fuzz_reset(ref);
            }
            break;
        default:
            if (!u->begun) {
                fuzz_begin(ref, u, &in);
            } else if (what % 8 < 6) {
                fuzz_fill(ref, u, &in);
            } else {
                fuzz_end(ref, u);
            }
        }
        check_waits(ref);
    }
    fuzz_reset(ref);
    atc_free(ref->atc);
    return 0;
}

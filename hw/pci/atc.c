/*
 * An address translation cache: what a device keeps of what ATS told it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Set-associative; pages of every size are in the one table, and a lookup
 * looks for each size that there has been.  An invalidation looks at every
 * entry: there are few.
 */
#include "qemu/osdep.h"
#include "qemu/thread.h"
#include "hw/pci/atc.h"

#define ATC_WAYS 4
#define ATC_MIN  16

typedef struct ATCSlot {
    bool valid;
    ATCEntry entry;
} ATCSlot;

struct ATC {
    QemuMutex lock;          /* of everything here */
    ATCSlot *slots;          /* sets of ATC_WAYS */
    unsigned sets;           /* a power of two */
    unsigned victim;         /* the way that is replaced next */
    uint64_t shifts;         /* page sizes that were kept; a bit each */
    uint64_t seq;            /* invalidations so far */
    unsigned count;
    ATCUse *uses;
};

ATC *atc_new(unsigned entries)
{
    ATC *atc = g_new0(ATC, 1);
    unsigned n = ATC_MIN;

    while (n < entries) {
        n *= 2;
    }
    qemu_mutex_init(&atc->lock);
    atc->sets = n / ATC_WAYS;
    atc->slots = g_new0(ATCSlot, n);
    return atc;
}

void atc_free(ATC *atc)
{
    if (!atc) {
        return;
    }
    assert(!atc->uses);
    qemu_mutex_destroy(&atc->lock);
    g_free(atc->slots);
    g_free(atc);
}

static uint64_t atc_page_last(const ATCEntry *e)
{
    return e->iova | ((1ULL << e->shift) - 1);
}

static ATCSlot *atc_set(ATC *atc, uint32_t key, uint64_t iova, unsigned shift)
{
    uint64_t hash = ((iova >> shift) ^ ((uint64_t)key << 32) ^ shift) *
                    0x9e3779b97f4a7c15ULL;

    return &atc->slots[(hash >> 32 & (atc->sets - 1)) * ATC_WAYS];
}

/* In @shift's set; lock held */
static ATCSlot *atc_find_shift(ATC *atc, uint32_t key, uint64_t iova,
                               unsigned shift)
{
    ATCSlot *set = atc_set(atc, key, iova, shift);
    unsigned i;

    for (i = 0; i < ATC_WAYS; i++) {
        const ATCEntry *e = &set[i].entry;

        if (set[i].valid && e->key == key && e->shift == shift &&
            !((e->iova ^ iova) >> shift)) {
            return &set[i];
        }
    }
    return NULL;
}

static ATCSlot *atc_find(ATC *atc, uint32_t key, uint64_t iova)
{
    uint64_t shifts = atc->shifts;
    ATCSlot *slot = NULL;

    while (shifts && !slot) {
        slot = atc_find_shift(atc, key, iova, __builtin_ctzll(shifts));
        shifts &= shifts - 1;
    }
    return slot;
}

static void atc_use_link(ATC *atc, ATCUse *use)
{
    use->next = atc->uses;
    use->prev = &atc->uses;
    if (use->next) {
        use->next->prev = &use->next;
    }
    atc->uses = use;
}

static void atc_use_unlink(ATCUse *use)
{
    *use->prev = use->next;
    if (use->next) {
        use->next->prev = use->prev;
    }
    use->prev = NULL;
}

bool atc_begin(ATC *atc, ATCUse *use, uint32_t key, uint64_t iova,
               uint64_t len, unsigned need, ATCEntry *out)
{
    ATCSlot *slot;
    bool hit;

    qemu_mutex_lock(&atc->lock);
    *use = (ATCUse) {
        .key = key,
        .first = iova,
        .last = len - 1 > UINT64_MAX - iova ? UINT64_MAX : iova + (len - 1),
        .seq = atc->seq,
    };
    slot = atc_find(atc, key, iova);
    hit = slot && !(need & ~slot->entry.perm);
    if (hit) {
        *out = slot->entry;
        /* Whoever invalidates a part of a page means all of it. */
        use->first = MIN(use->first, out->iova);
        use->last = MAX(use->last, atc_page_last(out));
    }
    atc_use_link(atc, use);
    qemu_mutex_unlock(&atc->lock);
    return hit;
}

/* A way for @entry: its own, if it is there; lock held */
static ATCSlot *atc_way(ATC *atc, const ATCEntry *entry)
{
    ATCSlot *slot = atc_find_shift(atc, entry->key, entry->iova, entry->shift);
    ATCSlot *set = atc_set(atc, entry->key, entry->iova, entry->shift);
    unsigned i;

    for (i = 0; !slot && i < ATC_WAYS; i++) {
        if (!set[i].valid) {
            slot = &set[i];
        }
    }
    return slot ?: &set[atc->victim++ % ATC_WAYS];
}

void atc_fill(ATC *atc, ATCUse *use, const ATCEntry *entry)
{
    ATCSlot *slot;

    qemu_mutex_lock(&atc->lock);
    if (use->prev && use->seq == atc->seq) {
        slot = atc_way(atc, entry);
        atc->count += !slot->valid;
        slot->valid = true;
        slot->entry = *entry;
        atc->shifts |= 1ULL << entry->shift;
        use->first = MIN(use->first, entry->iova);
        use->last = MAX(use->last, atc_page_last(entry));
    }
    qemu_mutex_unlock(&atc->lock);
}

bool atc_end(ATC *atc, ATCUse *use)
{
    bool waited;

    qemu_mutex_lock(&atc->lock);
    waited = use->prev && use->stamp;
    if (use->prev) {
        atc_use_unlink(use);
    }
    qemu_mutex_unlock(&atc->lock);
    return waited;
}

/* Lock held */
static void atc_drop(ATC *atc, uint32_t key, uint32_t mask, uint64_t first,
                     uint64_t last)
{
    unsigned i;

    for (i = 0; atc->count && i < atc->sets * ATC_WAYS; i++) {
        ATCSlot *slot = &atc->slots[i];

        if (slot->valid && !((slot->entry.key ^ key) & mask) &&
            slot->entry.iova <= last && atc_page_last(&slot->entry) >= first) {
            slot->valid = false;
            atc->count--;
        }
    }
    if (!atc->count) {
        atc->shifts = 0;
    }
}

unsigned atc_invalidate(ATC *atc, uint32_t key, uint32_t mask, uint64_t first,
                        uint64_t last, uint64_t stamp)
{
    unsigned n = 0;
    ATCUse *use;

    qemu_mutex_lock(&atc->lock);
    atc->seq++;
    atc_drop(atc, key, mask, first, last);
    for (use = atc->uses; use; use = use->next) {
        if (!use->stamp && !((use->key ^ key) & mask) && use->first <= last &&
            use->last >= first) {
            use->stamp = stamp;
            n++;
        }
    }
    qemu_mutex_unlock(&atc->lock);
    return n;
}

uint64_t atc_oldest(ATC *atc)
{
    uint64_t oldest = UINT64_MAX;
    ATCUse *use;

    qemu_mutex_lock(&atc->lock);
    for (use = atc->uses; use; use = use->next) {
        if (use->stamp && use->stamp < oldest) {
            oldest = use->stamp;
        }
    }
    qemu_mutex_unlock(&atc->lock);
    return oldest;
}

void atc_reset(ATC *atc)
{
    qemu_mutex_lock(&atc->lock);
    atc->seq++;
    atc_drop(atc, 0, 0, 0, UINT64_MAX);
    while (atc->uses) {
        atc_use_unlink(atc->uses);
    }
    qemu_mutex_unlock(&atc->lock);
}

unsigned atc_count(ATC *atc)
{
    unsigned count;

    qemu_mutex_lock(&atc->lock);
    count = atc->count;
    qemu_mutex_unlock(&atc->lock);
    return count;
}

unsigned atc_uses(ATC *atc)
{
    unsigned n = 0;
    ATCUse *use;

    qemu_mutex_lock(&atc->lock);
    for (use = atc->uses; use; use = use->next) {
        n++;
    }
    qemu_mutex_unlock(&atc->lock);
    return n;
}

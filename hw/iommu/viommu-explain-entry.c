/*
 * vIOMMU core: viommu-translate: what is wrong with a configuration entry
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A fault says that something in an entry is reserved, or not offered, and not
 * what.  So each bit of what was read last is tried the other way round, by the
 * model itself: no rule of it is here again.  That takes a bounded number of
 * resolutions, some milliseconds, and nothing is kept.  BQL.
 */
#include "qemu/osdep.h"
#include "qemu/rcu.h"
#include "viommu-query-internal.h"

/* An STE and a CD, a device table entry, a context and a PASID table entry */
#define ENTRY_WORDS 16
/* As many are named: if it is more, it is not one bit's fault. */
#define ENTRY_BITS  4

/* Memory, with a bit the other way round */
typedef struct EntryFlip {
    VIOMMU *viommu;
    uint64_t addr, bit;
} EntryFlip;

typedef struct EntryBit {
    uint64_t addr;
    unsigned bit;
    bool is_set;
} EntryBit;

static bool entry_read(void *opaque, uint64_t addr, uint64_t *entry)
{
    const EntryFlip *flip = opaque;

    if (!viommu_read_entry(flip->viommu, addr, entry)) {
        return false;
    }
    *entry ^= addr == flip->addr ? flip->bit : 0;
    return true;
}

/* Those of @word with which DMA is @mode, added to @bits; returns: their sum */
static unsigned entry_try(VIOMMUEndpoint *ep, uint32_t pasid,
                          const VIOMMUWord *word, VIOMMUMode mode,
                          EntryBit *bits, unsigned n)
{
    EntryFlip flip = { .viommu = ep->viommu, .addr = word->address };
    const IOPTMem mem = { .read = entry_read, .opaque = &flip };
    VIOMMUConfig config;

    for (unsigned bit = 0; bit < 64 && n <= ENTRY_BITS; bit++) {
        flip.bit = 1ull << bit;
        viommu_query_resolve(ep, pasid, &mem, &config);
        if (config.mode == mode) {
            if (n < ENTRY_BITS) {
                bits[n] = (EntryBit) {
                    .addr = word->address, .bit = bit,
                    .is_set = word->value & flip.bit,
                };
            }
            n++;
        }
    }
    return n;
}

static char *entry_words(VIOMMUMode mode, const EntryBit *bits, unsigned n)
{
    GString *text = g_string_new(mode == VIOMMU_TRANSLATE ?
                                 "It would be translated, if " :
                                 "It would pass untranslated, if ");

    for (unsigned i = 0; i < n; i++) {
        g_string_append_printf(text, "%sbit %u of 0x%" PRIx64 " were %s",
                               i ? ", or " : "", bits[i].bit, bits[i].addr,
                               bits[i].is_set ? "clear" : "set");
    }
    return g_string_free(text, false);
}

char *viommu_explain_entry(VIOMMUEndpoint *ep, uint32_t pasid,
                           const VIOMMUWordList *words)
{
    /* What lets it pass is what was meant only if nothing else is. */
    static const VIOMMUMode modes[] = { VIOMMU_TRANSLATE, VIOMMU_BYPASS };
    unsigned skip = 0, n = 0, i;
    const VIOMMUWordList *w;
    EntryBit bits[ENTRY_BITS];

    for (w = words; w; w = w->next) {
        skip++;
    }
    for (skip -= MIN(skip, ENTRY_WORDS); skip; skip--) {
        words = words->next;
    }
    for (i = 0; i < ARRAY_SIZE(modes) && !n; i++) {
        for (w = words; w; w = w->next) {
            n = entry_try(ep, pasid, w->value, modes[i], bits, n);
        }
    }
    return n && n <= ENTRY_BITS ? entry_words(modes[i - 1], bits, n) : NULL;
}

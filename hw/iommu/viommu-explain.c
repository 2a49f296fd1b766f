/*
 * vIOMMU core: the answer to viommu-translate
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The walker itself walks, and tells an observer what it reads.  It is a probe:
 * no table is updated, nothing cached, no fault recorded, nothing counted.
 * What an answer takes is one walk.  BQL.
 */

#include "qemu/osdep.h"
#include "hw/iommu/iopt-explain.h"
#include "hw/iommu/iopt-maps.h"
#include "qapi/util.h"
#include "qemu/rcu.h"
#include "system/dma-cache.h"
#include "system/dma-query.h"
#include "viommu-query-internal.h"

/* More than any configuration has: the rest is not shown. */
#define EXPLAIN_WORDS 64

typedef struct Explain {
    VIOMMUEndpoint *ep;
    IOPTMem mem;
    uint64_t last_read;      /* address of the last entry, in memory */
    VIOMMUWordList **words;  /* where the next one goes */
    unsigned words_left;
    uint64_t entry;          /* address of the configuration entry's start */
    VIOMMUWalkStepList **steps;
    VIOMMUTranslation *answer;
} Explain;

static bool explain_read(void *opaque, uint64_t addr, uint64_t *entry)
{
    Explain *x = opaque;

    x->last_read = addr;
    return viommu_read_entry(x->ep->viommu, addr, entry);
}

static bool explain_read_config(void *opaque, uint64_t addr, uint64_t *entry)
{
    Explain *x = opaque;
    VIOMMUWord *word;
    /* That it has not changed meanwhile is seen by reading its start again. */
    bool again = x->words_left < EXPLAIN_WORDS && addr == x->entry;

    if (addr != x->last_read + sizeof(*entry)) {
        x->entry = addr;
    }
    if (!explain_read(x, addr, entry)) {
        return false;
    }
    if (!again && x->words_left) {
        x->words_left--;
        word = g_new0(VIOMMUWord, 1);
        word->address = addr;
        word->value = *entry;
        QAPI_LIST_APPEND(x->words, word);
    }
    return true;
}

/* "bit 1 (W)", and so on */
static VIOMMUBitList *explain_bits(const IOPTStep *step, const IOPTSays *says)
{
    VIOMMUBitList *list = NULL, **tail = &list;
    unsigned bit;

    for (bit = 0; bit < 64; bit++) {
        if (says->culprits >> bit & 1) {
            VIOMMUBit *about = g_new0(VIOMMUBit, 1);

            about->bit = bit;
            about->name = g_strdup(iopt_bit_name(step->table->format, bit));
            QAPI_LIST_APPEND(tail, about);
        }
    }
    return list;
}

static const char *explain_perm(unsigned perm)
{
    static const char *const names[] = {
        "no access", "read", "write", "read and write",
    };

    return names[perm & (IOPT_READ | IOPT_WRITE)];
}

static char *explain_words(const IOPTStep *step, const IOPTSays *says)
{
    g_autofree char *reserved = NULL;

    if (!says->ok) {
        /* One bit is named behind it, as any that is to blame. */
        reserved = says->culprits ? NULL : iopt_reserved_words(step, says);
        return g_strconcat(iopt_fault_name(step->fault),
                           reserved ? ": " : NULL, reserved, NULL);
    }
    if (!says->leaf) {
        return g_strdup_printf("a table at 0x%" PRIx64, says->addr);
    }
    return g_strdup_printf("a page of %" PRIu64 " KiB at 0x%" PRIx64 ", %s%s",
                           (uint64_t)1 << says->shift >> 10, says->addr,
                           explain_perm(says->perm),
                           says->updates ? "; the access would update the "
                                           "entry first" : "");
}

/* IOPTMem.observe */
static void explain_step(void *opaque, const IOPTStep *step)
{
    Explain *x = opaque;
    VIOMMUWalkStep *about = g_new0(VIOMMUWalkStep, 1);
    IOPTSays says;

    iopt_explain(step, &says);
    about->stage = iopt_stage_number(step->table->format);
    about->level = iopt_level_number(step->table->format, step->level);
    about->input = step->iova;
    about->address = step->memory;
    about->value = step->entry;
    about->ok = says.ok;
    about->says = explain_words(step, &says);
    about->has_leads_to = says.ok;
    about->leads_to = says.addr;
    about->has_page_size = says.ok && says.leaf;
    about->page_size = about->has_page_size ? (uint64_t)1 << says.shift : 0;
    about->bits = explain_bits(step, &says);
    QAPI_LIST_APPEND(x->steps, about);
}

static VIOMMUCached *explain_iotlb(Explain *x, const VIOMMUConfig *config,
                                   hwaddr iova)
{
    VIOMMUTranslation *answer = x->answer;
    VIOMMUCached *cached;
    IOTLBEntry entry;
    hwaddr mask;

    if (!iotlb_lookup(x->ep->viommu->iotlb, config->tag,
                      iopt_space_iova(&config->space, iova), &entry)) {
        return NULL;
    }
    mask = ((hwaddr)1 << entry.shift) - 1;
    cached = g_new0(VIOMMUCached, 1);
    cached->first = entry.iova;
    cached->last = entry.iova | mask;
    cached->has_address = true;
    cached->address = entry.addr;
    cached->read = entry.perm & IOTLB_READ;
    cached->write = entry.perm & IOTLB_WRITE;
    cached->agrees = answer->ok &&
                     answer->address == (entry.addr | (iova & mask));
    return cached;
}

static VIOMMUCached *explain_dma_cache(Explain *x, uint32_t pasid, hwaddr iova)
{
    uint32_t attrs = pasid == VIOMMU_NO_PASID ? 0 : DMA_ATTRS_PASID | pasid;
    VIOMMUTranslation *answer = x->answer;
    VIOMMUCached *cached;
    DMACached found;

    if (!dma_query_cached(x->ep->inflight, attrs, iova,
                          answer->ok ? answer->address : 0, &found)) {
        return NULL;
    }
    cached = g_new0(VIOMMUCached, 1);
    cached->first = found.first;
    cached->last = found.last;
    cached->agrees = answer->ok && found.agrees;
    cached->has_address = cached->agrees;
    cached->address = cached->agrees ? answer->address - (iova - found.first) :
                                       0;
    cached->read = found.perm & DMA_CACHE_READ;
    cached->write = found.perm & DMA_CACHE_WRITE;
    return cached;
}

static void explain_ok(VIOMMUTranslation *answer, hwaddr address,
                       unsigned perm, unsigned shift)
{
    answer->ok = true;
    answer->has_address = answer->has_read = answer->has_write = true;
    answer->address = address;
    answer->read = perm & IOPT_READ;
    answer->write = perm & IOPT_WRITE;
    answer->has_page_size = shift != 0;
    answer->page_size = shift ? (uint64_t)1 << shift : 0;
}

/* Mode TRANSLATE.  Returns: false if @fault says why it fails. */
static bool explain_walk(Explain *x, const VIOMMUConfig *config,
                         VIOMMUFault *fault)
{
    VIOMMU *v = x->ep->viommu;
    hwaddr iova = iopt_space_iova(&config->space, fault->iova);
    IOTLBEntry entry;
    hwaddr mask;

    fault->kind = viommu_walk(v, config, &x->mem, iova,
                              fault->is_write ? IOPT_WRITE : IOPT_READ,
                              &entry, &fault->res, &fault->reserved_range);
    if (fault->kind != IOPT_OK || fault->reserved_range) {
        return false;
    }
    mask = ((hwaddr)1 << entry.shift) - 1;
    explain_ok(x->answer, entry.addr | (iova & mask), entry.perm,
               entry.shift);
    return true;
}

/* There is no walk: the mapping itself, or the next one */
static VIOMMURange *explain_mapping(const VIOMMUConfig *config, hwaddr iova)
{
    VIOMMURange *range;
    IOPTMapping m;

    if (!config->space.maps ||
        !iopt_maps_next(config->space.maps, iova, &m)) {
        return NULL;
    }
    range = g_new0(VIOMMURange, 1);
    range->first = m.first;
    range->last = m.last;
    range->address = m.addr;
    range->read = m.perm & IOPT_READ;
    range->write = m.perm & IOPT_WRITE;
    return range;
}

/* As viommu_lookup() has it.  Returns: false if @fault says why it fails. */
static bool explain_access(Explain *x, const VIOMMUConfig *config,
                           VIOMMUFault *fault)
{
    unsigned bits = config->bypass_bits;

    if (config->mode != VIOMMU_BLOCKED && fault->pasid == VIOMMU_NO_PASID) {
        fault->window = viommu_in_window(x->ep, fault->iova);
        if (fault->window) {
            fault->kind = IOPT_FAULT_NOT_PRESENT;
            return false;
        }
    }
    switch (config->mode) {
    case VIOMMU_TRANSLATE:
        return explain_walk(x, config, fault);
    case VIOMMU_BYPASS:
        if (bits < 64 && fault->iova >> bits) {
            fault->kind = IOPT_FAULT_RANGE;
            return false;
        }
        if (viommu_in_window(x->ep, fault->iova)) {
            fault->reserved_range = true;
            return false;
        }
        explain_ok(x->answer, fault->iova, IOPT_READ | IOPT_WRITE, 0);
        return true;
    default:
        fault->blocked = true;
        return false;
    }
}

/* The same of a domain without tables */
static void explain_blame_mapping(GString *text, const VIOMMURange *m,
                                  hwaddr iova)
{
    if (m->first <= iova) {
        g_string_append_printf(text, ". The mapping 0x%" PRIx64 " .. 0x%"
                               PRIx64 " is for %s", m->first, m->last,
                               explain_perm((m->read ? IOPT_READ : 0) |
                                            (m->write ? IOPT_WRITE : 0)));
    } else {
        g_string_append_printf(text, ". The next mapping is 0x%" PRIx64
                               " .. 0x%" PRIx64, m->first, m->last);
    }
}

/* What of the last entry is to blame: "bit 1 (W) of it" */
static void explain_blame(GString *text, const VIOMMUTranslation *answer)
{
    const VIOMMUWalkStepList *last = answer->walk;
    const VIOMMUBitList *bit;

    while (last && last->next) {
        last = last->next;
    }
    if (!last || last->value->ok) {
        return;
    }
    g_string_append_printf(text, ". The entry of stage %u, level %u at 0x%"
                           PRIx64 " is 0x%" PRIx64 ": %s", last->value->stage,
                           last->value->level, last->value->address,
                           last->value->value, last->value->says);
    for (bit = last->value->bits; bit; bit = bit->next) {
        const char *name = bit->value->name;

        g_string_append_printf(text, "%s bit %u%s%s%s",
                               bit == last->value->bits ? "; it is" : " or",
                               bit->value->bit, name ? " (" : "", name ?: "",
                               name ? ")" : "");
    }
}

/* Where it leads to is no memory: what is there, in words */
static void explain_place(GString *text, VIOMMU *v, hwaddr addr)
{
    MemoryRegionSection at = memory_region_find(v->memory->root, addr, 1);

    if (!at.mr) {
        g_string_append(text, ", where nothing is");
        return;
    }
    if (!memory_region_is_ram(at.mr) && !memory_region_is_romd(at.mr)) {
        g_string_append_printf(text, ", which is no memory, but a device's: %s",
                               memory_region_name(at.mr));
    }
    memory_region_unref(at.mr);
}

/* @entry: which bit of the configuration does it, or NULL */
static char *explain_verdict(VIOMMU *v, const VIOMMUTranslation *answer,
                             hwaddr iova, bool write, const char *why,
                             const char *entry)
{
    GString *text = g_string_new(NULL);

    g_string_printf(text, "A %s at 0x%" PRIx64, write ? "write" : "read",
                    iova);
    if (answer->fault) {
        g_string_append_printf(text, " is refused: %s",
                               answer->fault->reason);
        explain_blame(text, answer);
        if (answer->mapping) {
            explain_blame_mapping(text, answer->mapping, iova);
        }
        if (entry) {
            g_string_append_printf(text, ". %s", entry);
        }
    } else if (!answer->ok) {
        g_string_append_printf(text, " is %s: it is not translated, and no "
                               "memory is there", write ?
                               "an interrupt message" :
                               "where interrupt messages are sent to");
    } else if (answer->mode == VIOMMU_ENDPOINT_MODE_BYPASS) {
        g_string_append_printf(text, " is not translated: %s", why);
    } else {
        g_string_append_printf(text, " leads to 0x%" PRIx64,
                               answer->address);
        explain_place(text, v, answer->address);
    }
    g_string_append_c(text, '.');
    return g_string_free(text, false);
}

/* The endpoint's DMA comes to the vIOMMU, and not as an interrupt. */
static void explain_dma(Explain *x, const VIOMMUConfig *config,
                        VIOMMUFault *fault)
{
    VIOMMUTranslation *answer = x->answer;
    VIOMMUFaultSays says;

    if (!explain_access(x, config, fault)) {
        viommu_fault_says(x->ep->viommu, config, fault, &says);
        answer->fault = viommu_fault_words(&says);
    }
    if (config->mode == VIOMMU_TRANSLATE) {
        answer->mapping = explain_mapping(config, fault->iova);
        answer->iotlb = explain_iotlb(x, config, fault->iova);
        answer->dma_cache = explain_dma_cache(x, fault->pasid, fault->iova);
    }
}

VIOMMUTranslation *viommu_query_translate(void *endpoint, uint64_t iova,
                                          bool write, uint32_t pasid)
{
    VIOMMUTranslation *answer = g_new0(VIOMMUTranslation, 1);
    Explain x = {
        .ep = endpoint,
        .answer = answer,
        .words = &answer->configuration,
        .words_left = EXPLAIN_WORDS,
        .steps = &answer->walk,
    };
    VIOMMUFault fault = { .pasid = pasid, .iova = iova, .is_write = write };
    const IOMMUWindow *window;
    g_autofree char *why = NULL, *entry = NULL;
    VIOMMUConfig config;

    RCU_READ_LOCK_GUARD();
    x.mem = (IOPTMem) { .read = explain_read_config, .opaque = &x };
    viommu_query_resolve(x.ep, pasid, &x.mem, &config);
    x.mem = (IOPTMem) {
        .read = explain_read, .observe = explain_step, .opaque = &x,
    };
    answer->viommu = object_get_canonical_path(x.ep->viommu->owner);
    answer->endpoint = viommu_query_address(viommu_endpoint_sid(x.ep));
    answer->mode = viommu_query_mode(x.ep, &config, &answer->bypass, &why);
    answer->has_bypass = answer->mode == VIOMMU_ENDPOINT_MODE_BYPASS;
    window = viommu_in_window(x.ep, iova);
    if (answer->has_bypass && (config.mode != VIOMMU_BYPASS ||
                               answer->bypass == VIOMMU_BYPASS_REASON_POLICY)) {
        /* It is asked of tables, or a unit, that are not asked. */
        explain_ok(answer, iova, IOPT_READ | IOPT_WRITE, 0);
    } else if (!window || window->kind != IOMMU_WINDOW_MSI ||
               pasid != VIOMMU_NO_PASID) {
        answer->domain = viommu_query_domain(x.ep->viommu, &config);
        explain_dma(&x, &config, &fault);
    }
    if (answer->fault && config.mode == VIOMMU_BLOCKED) {
        entry = viommu_explain_entry(x.ep, pasid, answer->configuration);
    }
    answer->verdict = explain_verdict(x.ep->viommu, answer, iova, write, why,
                                      entry);
    return answer;
}

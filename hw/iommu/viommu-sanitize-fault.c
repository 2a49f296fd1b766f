/*
 * vIOMMU core: the sanitizer: what was wrong with an access that was refused
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/iommu/iopt-explain.h"
#include "viommu-query-internal.h"
#include "viommu-sanitizer-internal.h"

/* What became of the page, in words */
static char *sanitizer_unmapped(const VIOMMUPast *past, hwaddr iova)
{
    g_autofree char *was = NULL;
    int64_t age = get_clock() - past->inv.when;
    const char *scope = past->inv.tag_mask ? "of its domain" : "of everything";

    if (!past->mapped) {
        return g_strdup_printf("was unmapped: 0x%" PRIx64 " .. 0x%" PRIx64
                               " was invalidated %" PRId64 " ms ago; no device "
                               "had used the page", past->inv.first,
                               past->inv.last, age / SCALE_MS);
    }
    was = g_strdup_printf("was mapped to 0x%" PRIx64 " %s",
                          past->page.addr | (iova - past->page.first),
                          sanitizer_rights(past->page.perm));
    if (!past->invalidated) {
        return g_strdup_printf("%s; its entry has been changed since, and "
                               "not been invalidated", was);
    }
    if (past->inv.first || past->inv.last != HWADDR_MAX) {
        return g_strdup_printf("%s, until 0x%" PRIx64 " .. 0x%" PRIx64 " was "
                               "invalidated %" PRId64 " ms ago", was,
                               past->inv.first, past->inv.last,
                               age / SCALE_MS);
    }
    return g_strdup_printf("%s, until an invalidation %s %" PRId64 " ms ago",
                           was, scope, age / SCALE_MS);
}

/*
 * Where @iova leads by the tables as they are now; no table is updated.
 * Returns: false if nowhere.  In an RCU read section.
 */
static bool sanitizer_look(VIOMMU *v, const VIOMMUConfig *config, hwaddr iova,
                           IOTLBEntry *entry)
{
    const IOPTMem mem = { .read = viommu_read_entry, .opaque = v };
    IOPTResult res;
    bool refused;

    return viommu_walk(v, config, &mem, iova, 0, entry, &res,
                       &refused) == IOPT_OK && !refused && entry->perm;
}

/* A mapping that ends, or begins, where the page of @iova begins, or ends */
static char *sanitizer_overrun(VIOMMU *v, const VIOMMUConfig *config,
                               hwaddr iova)
{
    hwaddr first = iova & ~SANITIZER_PAGE, last = iova | SANITIZER_PAGE;
    IOTLBEntry entry;

    if (first && sanitizer_look(v, config, first - 1, &entry)) {
        g_autofree char *by = iova == first ? g_strdup("right") :
                              g_strdup_printf("%" PRIu64 " bytes",
                                              iova - first);

        return g_strdup_printf("is %s behind the end of a mapping: 0x%" PRIx64
                               " .. 0x%" PRIx64 " leads to 0x%" PRIx64 " %s",
                               by, entry.iova, first - 1, entry.addr,
                               sanitizer_rights(entry.perm));
    }
    if (last != HWADDR_MAX && sanitizer_look(v, config, last + 1, &entry)) {
        return g_strdup_printf("is %" PRIu64 " bytes in front of a mapping: 0x%"
                               PRIx64 " leads to 0x%" PRIx64 " %s",
                               last + 1 - iova, last + 1, entry.addr,
                               sanitizer_rights(entry.perm));
    }
    return NULL;
}

/* Is it the table's last entry for which it was refused? */
static bool sanitizer_is_entry(const VIOMMUConfig *config,
                                  const VIOMMUFault *fault)
{
    return config->mode == VIOMMU_TRANSLATE && !fault->blocked &&
           !fault->denied && !fault->reserved_range && !fault->window &&
           fault->access == VIOMMU_UNTRANSLATED &&
           (fault->kind == IOPT_FAULT_NOT_PRESENT ||
            fault->kind == IOPT_FAULT_RESERVED ||
            fault->kind == IOPT_FAULT_PERMISSION);
}

/* Something is mapped there, but not for this. */
static char *sanitizer_wrong_way(VIOMMU *v, const VIOMMUConfig *config,
                                 hwaddr iova)
{
    IOTLBEntry entry;

    if (!sanitizer_look(v, config, iova, &entry) ||
        !((IOPT_READ | IOPT_WRITE) & ~entry.perm)) {
        return NULL;
    }
    return g_strdup_printf("is mapped %s alone: 0x%" PRIx64 " .. 0x%" PRIx64
                           " leads to 0x%" PRIx64,
                           sanitizer_rights(entry.perm), entry.iova,
                           entry.iova + (((hwaddr)1 << entry.shift) - 1),
                           entry.addr);
}

/* "bit 51", "no single bit" */
static char *sanitizer_bits(uint64_t bits)
{
    GString *text = g_string_new(NULL);
    unsigned bit;

    for (bit = 0; bit < 64; bit++) {
        if (bits >> bit & 1) {
            g_string_append_printf(text, "%sbit %u", text->len ? " or " : "",
                                   bit);
        }
    }
    if (!text->len) {
        g_string_append(text, "more than one bit");
    }
    return g_string_free(text, false);
}

/* A reserved bit is set in the entry where the walk ended. */
static char *sanitizer_reserved(const VIOMMUConfig *config,
                                const VIOMMUFault *fault, hwaddr iova)
{
    const IOPTSpace *space = &config->space;
    const IOPTResult *res = &fault->res;
    const IOPTStep step = {
        .table = res->second ? &space->second :
                 iopt_space_is_upper(space, iova) ? &space->upper :
                                                    &space->table,
        .level = res->level,
        .iova = res->second ? res->ipa : iova,
        .entry = res->entry,
        .access = fault->is_write ? IOPT_WRITE : IOPT_READ,
        .fault = fault->kind,
    };
    g_autofree char *bits = NULL;
    IOPTSays says;

    iopt_explain(&step, &says);
    bits = sanitizer_bits(says.culprits);
    return g_strdup_printf("is translated by an entry with a reserved bit: "
                           "stage %u, level %u, 0x%" PRIx64 ": %s",
                           iopt_stage_number(step.table->format),
                           iopt_level_number(step.table->format, step.level),
                           step.entry, bits);
}

/* Words of the configuration tables, as they are read */
#define FAULT_WORDS 12

typedef struct FaultWords {
    VIOMMU *viommu;
    uint64_t addr[FAULT_WORDS], value[FAULT_WORDS];
    unsigned n;              /* of all: the last ones are kept */
} FaultWords;

static bool fault_read(void *opaque, uint64_t addr, uint64_t *entry)
{
    FaultWords *words = opaque;
    unsigned i;

    if (!viommu_read_entry(words->viommu, addr, entry)) {
        return false;
    }
    for (i = 0; i < MIN(words->n, FAULT_WORDS); i++) {
        if (words->addr[i] == addr) {
            /* That it has not changed meanwhile is seen by reading it again. */
            return true;
        }
    }
    words->addr[words->n % FAULT_WORDS] = addr;
    words->value[words->n++ % FAULT_WORDS] = *entry;
    return true;
}

/* Something reserved is set in what applies to the endpoint. */
static void fault_illegal(VIOMMUEndpoint *ep, const VIOMMUConfig *config,
                          const VIOMMUFault *fault)
{
    SanitizerFinding new = sanitizer_of(ep, VIOMMU_FINDING_KIND_RESERVED_BITS,
                                        fault->pasid);
    FaultWords words = { .viommu = ep->viommu };
    const IOPTMem mem = { .read = fault_read, .opaque = &words };
    GString *text = g_string_new(NULL);
    VIOMMUFaultSays says;
    VIOMMUConfig now;
    unsigned i;

    viommu_resolve_look(ep, fault->pasid, &mem, &now);
    viommu_fault_says(ep->viommu, config, fault, &says);
    g_string_printf(text, "its DMA is refused: %s%s%s; what was read last:",
                    says.name ?: "", says.name ? ": " : "", says.reason);
    for (i = MAX(words.n, FAULT_WORDS) - FAULT_WORDS; i < words.n; i++) {
        g_string_append_printf(text, " 0x%" PRIx64 " at 0x%" PRIx64 "%s",
                               words.value[i % FAULT_WORDS],
                               words.addr[i % FAULT_WORDS],
                               i + 1 < words.n ? "," : "");
    }
    new.message = g_string_free(text, false);
    sanitizer_found(ep->viommu->sanitizer, &new);
}

static char *sanitizer_explain(VIOMMU *v, const VIOMMUConfig *config,
                               const VIOMMUFault *fault,
                               VIOMMUFindingKind *kind)
{
    hwaddr iova = iopt_space_iova(&config->space, fault->iova);
    VIOMMUSanitizer *s = v->sanitizer;
    VIOMMUPast past;
    bool known;

    if (fault->kind == IOPT_FAULT_RESERVED) {
        *kind = VIOMMU_FINDING_KIND_RESERVED_BITS;
        return sanitizer_reserved(config, fault, iova);
    }
    if (fault->kind == IOPT_FAULT_PERMISSION && fault->res.perm) {
        *kind = VIOMMU_FINDING_KIND_WRONG_DIRECTION;
        return sanitizer_wrong_way(v, config, iova);
    }
    WITH_QEMU_LOCK_GUARD(&s->lock) {
        known = viommu_history_find(s->history, config->tag, iova, &past);
    }
    *kind = known ? VIOMMU_FINDING_KIND_USE_AFTER_UNMAP :
                    VIOMMU_FINDING_KIND_OUT_OF_BOUNDS;
    return known ? sanitizer_unmapped(&past, iova) :
                   sanitizer_overrun(v, config, iova);
}

void viommu_sanitize_fault(VIOMMUEndpoint *ep, const VIOMMUConfig *config,
                           const VIOMMUFault *fault)
{
    VIOMMU *v = ep->viommu;
    SanitizerFinding new = sanitizer_of(ep, 0, fault->pasid);
    g_autofree char *what = NULL;

    if (fault->blocked && config->illegal) {
        fault_illegal(ep, config, fault);
    }
    if (!sanitizer_is_entry(config, fault)) {
        return;
    }
    what = sanitizer_explain(v, config, fault, &new.kind);
    if (what) {
        new.iova = fault->iova;
        new.is_write = fault->is_write;
        new.has_iova = new.has_write = true;
        new.message = g_strdup_printf("%s at 0x%" PRIx64 ", which %s",
                                      fault->is_write ? "write" : "read",
                                      fault->iova, what);
        sanitizer_found(v->sanitizer, &new);
    }
}

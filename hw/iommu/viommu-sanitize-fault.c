/*
 * vIOMMU core: the sanitizer: what was wrong with an access that was refused
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/iommu/iopt-explain.h"
#include "viommu-query-internal.h"
#include "viommu-sanitizer-internal.h"

static bool past_is_range(const VIOMMUPast *past)
{
    return past->inv.first || past->inv.last != HWADDR_MAX;
}

static char *past_range(const VIOMMUPast *past)
{
    return g_strdup_printf("0x%" PRIx64 " .. 0x%" PRIx64, past->inv.first,
                           past->inv.last);
}

/*
 * It has been invalidated more than once since it was used.  What it led to in
 * between nobody has seen; perhaps it is the buffer that this is about.
 */
static char *sanitizer_reused(const VIOMMUPast *past, const char *where,
                              int64_t now)
{
    g_autofree char *range = past_is_range(past) ? past_range(past) :
        g_strdup(past->inv.tag_mask ? "its domain" : "everything");

    return g_strdup_printf("led to %s when it was last used, %" PRId64 " ms "
                           "ago; it has been invalidated %u times since then "
                           "(%s %" PRId64 " ms ago), and what it led to in "
                           "between no device has used", where,
                           (now - past->page.when) / SCALE_MS, past->invs,
                           range, (now - past->inv.when) / SCALE_MS);
}

/* What became of the page, in words */
static char *sanitizer_unmapped(VIOMMUEndpoint *ep, const VIOMMUPast *past,
                                hwaddr iova)
{
    g_autofree char *where = NULL, *by = NULL, *range = past_range(past);
    int64_t now = get_clock(), age = now - past->inv.when;
    const char *scope = past->inv.tag_mask ? "of its domain" : "of everything";

    if (!past->mapped) {
        return g_strdup_printf("probably was unmapped: %s was invalidated %"
                               PRId64 " ms ago; no device had used the page",
                               range, age / SCALE_MS);
    }
    if (past->page.owner != ep) {
        g_autofree char *who = viommu_query_address(
            viommu_endpoint_sid(past->page.owner));

        by = g_strdup_printf(" (%s has used it)", who);
    }
    where = g_strdup_printf("0x%" PRIx64 " %s%s",
                            past->page.addr | (iova - past->page.first),
                            sanitizer_rights(past->page.perm), by ?: "");
    if (!past->invalidated) {
        return g_strdup_printf("was mapped to %s; its entry has been changed "
                               "since, and not been invalidated", where);
    }
    if (past->invs > 1) {
        return sanitizer_reused(past, where, now);
    }
    if (past_is_range(past)) {
        return g_strdup_printf("was mapped to %s, until %s was invalidated %"
                               PRId64 " ms ago", where, range, age / SCALE_MS);
    }
    return g_strdup_printf("was mapped to %s, until an invalidation %s %" PRId64
                           " ms ago", where, scope, age / SCALE_MS);
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

/*
 * A mapping in @from .. @to that ends, or begins, where the page of @iova
 * begins, or ends
 */
static char *sanitizer_overrun(VIOMMU *v, const VIOMMUConfig *config,
                               hwaddr iova, hwaddr from, hwaddr to)
{
    hwaddr first = iova & ~SANITIZER_PAGE, last = iova | SANITIZER_PAGE;
    IOTLBEntry entry;

    if (first > from && sanitizer_look(v, config, first - 1, &entry)) {
        g_autofree char *by = iova == first ? g_strdup("right") :
                              g_strdup_printf("%" PRIu64 " bytes",
                                              iova - first);

        return g_strdup_printf("is %s behind the end of a mapping: 0x%" PRIx64
                               " .. 0x%" PRIx64 " leads to 0x%" PRIx64 " %s",
                               by, entry.iova, first - 1, entry.addr,
                               sanitizer_rights(entry.perm));
    }
    if (last < to && sanitizer_look(v, config, last + 1, &entry)) {
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
    bits = iopt_reserved_words(&step, &says);
    return g_strdup_printf("is translated by an entry with a reserved bit: "
                           "stage %u, level %u, 0x%" PRIx64 ": %s",
                           iopt_stage_number(step.table->format),
                           iopt_level_number(step.table->format, step.level),
                           step.entry, bits ?: "more than one bit");
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

/*
 * Invalidations are of powers of two, and of what is made present, too: one
 * that is also about a neighbour which is mapped does not say that this page
 * was.
 */
static char *sanitizer_rounded(VIOMMU *v, const VIOMMUConfig *config,
                               hwaddr iova, const VIOMMUPast *past)
{
    g_autofree char *range = past_range(past), *over = NULL;

    if (past->mapped) {
        return NULL;
    }
    over = sanitizer_overrun(v, config, iova, past->inv.first, past->inv.last);
    return over ? g_strdup_printf("%s (%s, which it is in, was invalidated %"
                                  PRId64 " ms ago)", over, range,
                                  (get_clock() - past->inv.when) / SCALE_MS) :
                  NULL;
}

static char *sanitizer_explain(VIOMMUEndpoint *ep, const VIOMMUConfig *config,
                               const VIOMMUFault *fault,
                               VIOMMUFindingKind *kind)
{
    hwaddr iova = iopt_space_iova(&config->space, fault->iova);
    VIOMMU *v = ep->viommu;
    VIOMMUSanitizer *s = v->sanitizer;
    char *over;
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
    *kind = VIOMMU_FINDING_KIND_OUT_OF_BOUNDS;
    if (!known) {
        return sanitizer_overrun(v, config, iova, 0, HWADDR_MAX);
    }
    over = sanitizer_rounded(v, config, iova, &past);
    if (over) {
        return over;
    }
    *kind = VIOMMU_FINDING_KIND_USE_AFTER_UNMAP;
    return sanitizer_unmapped(ep, &past, iova);
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
    what = sanitizer_explain(ep, config, fault, &new.kind);
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

/*
 * Windows: ranges of I/O virtual addresses that are not, or not only, memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/iommu/windows.h"

static const char *const kind_names[] = {
    [IOMMU_WINDOW_RESERVED] = "reserved",
    [IOMMU_WINDOW_MSI] = "msi",
    [IOMMU_WINDOW_DIRECT] = "direct",
    [IOMMU_WINDOW_DIRECT_RELAXABLE] = "direct-relaxable",
    [IOMMU_WINDOW_SOFTWARE_MSI] = "software-msi",
};

static const char *const origin_names[] = {
    [IOMMU_WINDOW_HOST] = "host",
    [IOMMU_WINDOW_MACHINE] = "machine",
    [IOMMU_WINDOW_OPERATOR] = "operator",
    [IOMMU_WINDOW_MODEL] = "model",
};

const char *iommu_window_kind_name(IOMMUWindowKind kind)
{
    return kind_names[kind];
}

const char *iommu_window_origin_name(IOMMUWindowOrigin origin)
{
    return origin_names[origin];
}

/* Is what @old says of an address left as it is by @new? */
static bool window_stands(const IOMMUWindow *old, const IOMMUWindow *new)
{
    if (old->origin != new->origin) {
        return old->origin > new->origin;
    }
    return iommu_window_is_opaque(old) || !iommu_window_is_opaque(new);
}

/* @first .. @last, like @w, behind everything else */
static void windows_append(IOMMUWindows *list, const IOMMUWindow *w,
                           uint64_t first, uint64_t last)
{
    IOMMUWindow *before = list->n ? &list->at[list->n - 1] : NULL;

    if (before && before->last + 1 == first && before->kind == w->kind &&
        before->origin == w->origin) {
        before->last = last;
        return;
    }
    list->at = g_renew(IOMMUWindow, list->at, list->n + 1);
    list->at[list->n] = *w;
    list->at[list->n].first = first;
    list->at[list->n++].last = last;
}

/* Append to @out what is left of @list when @w has taken what it may. */
static void windows_yield(const IOMMUWindows *list, const IOMMUWindow *w,
                          IOMMUWindows *out)
{
    unsigned i;

    for (i = 0; i < list->n; i++) {
        const IOMMUWindow *old = &list->at[i];

        if (old->last < w->first || old->first > w->last ||
            window_stands(old, w)) {
            windows_append(out, old, old->first, old->last);
            continue;
        }
        if (old->first < w->first) {
            windows_append(out, old, old->first, w->first - 1);
        }
        if (old->last > w->last) {
            windows_append(out, old, w->last + 1, old->last);
        }
    }
}

/* Append to @out what is in @list, and @w in the gaps that are left. */
static void windows_fill(const IOMMUWindows *list, const IOMMUWindow *w,
                         IOMMUWindows *out)
{
    uint64_t at = w->first;        /* what of @w is still to come */
    bool all = false;
    unsigned i;

    for (i = 0; i < list->n; i++) {
        const IOMMUWindow *old = &list->at[i];

        if (!all && old->first > w->last) {
            windows_append(out, w, at, w->last);
            all = true;
        } else if (!all && old->last >= at) {
            if (old->first > at) {
                windows_append(out, w, at, old->first - 1);
            }
            all = old->last >= w->last;
            at = old->last + 1;
        }
        windows_append(out, old, old->first, old->last);
    }
    if (!all) {
        windows_append(out, w, at, w->last);
    }
}

void iommu_windows_add(IOMMUWindows *list, const IOMMUWindow *w)
{
    IOMMUWindows left = { 0 }, all = { 0 };

    windows_yield(list, w, &left);
    windows_fill(&left, w, &all);
    iommu_windows_clear(&left);
    iommu_windows_clear(list);
    *list = all;
}

void iommu_windows_add_all(IOMMUWindows *list, const IOMMUWindows *more)
{
    unsigned i;

    for (i = 0; i < more->n; i++) {
        iommu_windows_add(list, &more->at[i]);
    }
}

void iommu_windows_clear(IOMMUWindows *list)
{
    g_free(list->at);
    *list = (IOMMUWindows) { 0 };
}

/* Index of the first window that ends at @addr or later */
static unsigned windows_index(const IOMMUWindows *list, uint64_t addr)
{
    unsigned low = 0, high = list->n;

    while (low < high) {
        unsigned mid = low + (high - low) / 2;

        if (list->at[mid].last < addr) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

const IOMMUWindow *iommu_windows_find(const IOMMUWindows *list, uint64_t addr)
{
    unsigned i = windows_index(list, addr);

    return i < list->n && list->at[i].first <= addr ? &list->at[i] : NULL;
}

const IOMMUWindow *iommu_windows_next(const IOMMUWindows *list, uint64_t first,
                                      uint64_t last, bool opaque)
{
    unsigned i;

    for (i = windows_index(list, first); i < list->n; i++) {
        if (list->at[i].first > last) {
            return NULL;
        }
        if (!opaque || iommu_window_is_opaque(&list->at[i])) {
            return &list->at[i];
        }
    }
    return NULL;
}

bool iommu_windows_cut(const IOMMUWindows *list, uint64_t addr,
                       uint64_t *first, uint64_t *last)
{
    unsigned at = windows_index(list, addr), i;

    for (i = at; i < list->n && list->at[i].first <= *last; i++) {
        if (iommu_window_is_opaque(&list->at[i])) {
            if (list->at[i].first <= addr) {
                return false;
            }
            *last = list->at[i].first - 1;
            break;
        }
    }
    for (i = at; i > 0 && list->at[i - 1].last >= *first; i--) {
        if (iommu_window_is_opaque(&list->at[i - 1])) {
            *first = list->at[i - 1].last + 1;
            break;
        }
    }
    return true;
}

uint64_t iommu_windows_mask(const IOMMUWindows *list, uint64_t addr,
                            uint64_t mask)
{
    uint64_t first = addr & ~mask, last = addr | mask;

    iommu_windows_cut(list, addr, &first, &last);
    while ((addr & ~mask) < first || (addr | mask) > last) {
        mask >>= 1;
    }
    return mask;
}

void iommu_windows_gaps(const IOMMUWindows *list, uint64_t first,
                        uint64_t last, IOMMUGapFn *fn, void *opaque)
{
    unsigned i;

    for (i = windows_index(list, first); i < list->n; i++) {
        const IOMMUWindow *w = &list->at[i];

        if (w->first > last) {
            break;
        }
        if (w->first > first) {
            fn(first, w->first - 1, opaque);
        }
        if (w->last >= last) {
            return;
        }
        first = w->last + 1;
    }
    fn(first, last, opaque);
}

bool iommu_windows_cover(const IOMMUWindows *list, const IOMMUWindow *w,
                         bool exact)
{
    uint64_t at = w->first;
    unsigned i;

    for (i = windows_index(list, at); i < list->n; i++) {
        const IOMMUWindow *has = &list->at[i];
        bool same = has->kind == w->kind ||
                    (!exact && iommu_window_is_opaque(has) &&
                     iommu_window_is_opaque(w));

        if (has->first > at || !same) {
            return false;
        }
        if (has->last >= w->last) {
            return true;
        }
        at = has->last + 1;
    }
    return false;
}

bool iommu_window_is_expected(const IOMMUWindow *w, const IOMMUWindows *known)
{
    bool announced = false;
    unsigned i;

    if (w->last == UINT64_MAX) {
        return w->first >> IOMMU_WINDOW_HOST_BITS;
    }
    if (iommu_windows_cover(known, w, false)) {
        return true;
    }
    for (i = 0; i < known->n; i++) {
        announced |= known->at[i].origin == IOMMU_WINDOW_OPERATOR;
    }
    return !announced && w->last - w->first < IOMMU_WINDOW_HOST_SIZE;
}

/* A TYPE.  Returns: IOMMU_WINDOW_KINDS if it is none. */
static IOMMUWindowKind window_parse_kind(const char *text)
{
    unsigned kind;

    if (!strcmp(text, "0") || !strcmp(text, "1")) {
        return text[0] - '0';
    }
    for (kind = 0; kind < IOMMU_WINDOW_KINDS; kind++) {
        if (!strcmp(text, kind_names[kind])) {
            break;
        }
    }
    return kind;
}

static bool window_parse_number(const char *text, uint64_t *number)
{
    char *end;

    errno = 0;
    *number = g_ascii_strtoull(text, &end, 0);
    return !errno && end != text && !*end && *text != '-' && *text != '+' &&
           !g_ascii_isspace(*text);
}

static const char *window_parse_item(const char *item, IOMMUWindow *w)
{
    g_auto(GStrv) part = g_strsplit(item, ":", 0);

    if (g_strv_length(part) != 3) {
        return "it is not START:END:TYPE";
    }
    if (!window_parse_number(part[0], &w->first) ||
        !window_parse_number(part[1], &w->last)) {
        return "START and END have to be numbers of at most 64 bits";
    }
    w->kind = window_parse_kind(part[2]);
    if (w->kind == IOMMU_WINDOW_KINDS) {
        return "TYPE has to be reserved (or 0), msi (or 1), direct, "
               "direct-relaxable or software-msi";
    }
    if (w->first > w->last) {
        return "END, its last byte, is below START";
    }
    if (w->first % IOMMU_WINDOW_PAGE ||
        (w->last + 1) % IOMMU_WINDOW_PAGE) {
        return "it has to begin and end at pages of 0x1000 bytes";
    }
    return NULL;
}

char *iommu_windows_parse(const char *text, IOMMUWindowOrigin origin,
                          IOMMUWindows *list)
{
    g_auto(GStrv) items = g_strsplit(text, ",", 0);
    IOMMUWindows found = { 0 };
    const char *wrong = NULL;
    unsigned i;

    for (i = 0; items[i] && !wrong; i++) {
        IOMMUWindow w = { .origin = origin };

        wrong = i >= IOMMU_WINDOWS_MAX ? "there are more than 64" :
                window_parse_item(items[i], &w);
        if (!wrong && iommu_windows_next(&found, w.first, w.last, false)) {
            wrong = "it overlaps another one";
        }
        if (wrong) {
            break;
        }
        iommu_windows_add(&found, &w);
        if (found.n == 1 && !found.at->first &&
            found.at->last == UINT64_MAX) {
            wrong = "it leaves no address to devices";
            break;
        }
    }
    if (!wrong) {
        iommu_windows_add_all(list, &found);
    }
    iommu_windows_clear(&found);
    return wrong ? g_strdup_printf("'%s': %s", items[i], wrong) : NULL;
}

char *iommu_window_text(const IOMMUWindow *w)
{
    return g_strdup_printf("%s 0x%" PRIx64 " .. 0x%" PRIx64 " (%s)",
                           kind_names[w->kind], w->first, w->last,
                           origin_names[w->origin]);
}

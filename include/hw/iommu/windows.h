/*
 * Windows: ranges of I/O virtual addresses that are not, or not only, memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A sorted list without overlaps.  Pure: no lock, no thread; whoever shares a
 * list does so when it is complete.
 */
#ifndef HW_IOMMU_WINDOWS_H
#define HW_IOMMU_WINDOWS_H

/* The first two are TYPE 0 and 1 of the base's START:END:TYPE. */
typedef enum IOMMUWindowKind {
    IOMMU_WINDOW_RESERVED,         /* never to be used */
    IOMMU_WINDOW_MSI,              /* the hardware's doorbell */
    IOMMU_WINDOW_DIRECT,           /* mapped one to one, must stay */
    IOMMU_WINDOW_DIRECT_RELAXABLE, /* the same while firmware uses it */
    IOMMU_WINDOW_SOFTWARE_MSI,     /* where software maps the doorbell */
    IOMMU_WINDOW_KINDS,
} IOMMUWindowKind;

/* Who says so; of two that overlap, the later one in this list is believed. */
typedef enum IOMMUWindowOrigin {
    IOMMU_WINDOW_HOST,             /* the IOMMU behind an assigned device */
    IOMMU_WINDOW_OPERATOR,
    IOMMU_WINDOW_MACHINE,
    IOMMU_WINDOW_MODEL,            /* the vIOMMU itself */
    IOMMU_WINDOW_ORIGINS,
} IOMMUWindowOrigin;

typedef struct IOMMUWindow {
    uint64_t first, last;          /* inclusive */
    IOMMUWindowKind kind;
    IOMMUWindowOrigin origin;
} IOMMUWindow;

typedef struct IOMMUWindows {
    IOMMUWindow *at;               /* rising, no two overlap */
    unsigned n;
} IOMMUWindows;

/* Windows begin and end at pages: nothing smaller is ever translated. */
#define IOMMU_WINDOW_PAGE 0x1000ULL
/* As many as one property may have */
#define IOMMU_WINDOWS_MAX 64

/* The name of each, as the operator and Linux spell it */
const char *iommu_window_kind_name(IOMMUWindowKind kind);
const char *iommu_window_origin_name(IOMMUWindowOrigin origin);

/*
 * Is it mapped one to one?  Firmware tables tell the guest's software to have
 * each address there lead to itself, from when it turns translation on.  What
 * it maps is still up to it: DMA there is translated by its tables like any
 * other, and such a window is memory, never a hole.
 */
static inline bool iommu_window_is_direct(const IOMMUWindow *w)
{
    return w->kind == IOMMU_WINDOW_DIRECT ||
           w->kind == IOMMU_WINDOW_DIRECT_RELAXABLE;
}

/* Is DMA without a PASID never translated there, and never memory? */
static inline bool iommu_window_is_opaque(const IOMMUWindow *w)
{
    return w->kind == IOMMU_WINDOW_RESERVED || w->kind == IOMMU_WINDOW_MSI;
}

/*
 * iommu_windows_add: @w's addresses that nobody with a stronger word has said
 * something else of.  Of the same origin, an opaque kind is stronger, and
 * otherwise what was there.  Neighbours of one kind and origin become one.
 */
void iommu_windows_add(IOMMUWindows *list, const IOMMUWindow *w);
void iommu_windows_add_all(IOMMUWindows *list, const IOMMUWindows *more);
void iommu_windows_clear(IOMMUWindows *list);

/* iommu_windows_find: the window that @addr is in, or NULL. */
const IOMMUWindow *iommu_windows_find(const IOMMUWindows *list, uint64_t addr);

/*
 * iommu_windows_next: the first window, opaque if @opaque, that has an address
 * in @first .. @last, or NULL.
 */
const IOMMUWindow *iommu_windows_next(const IOMMUWindows *list, uint64_t first,
                                      uint64_t last, bool opaque);

/*
 * iommu_windows_cut: make *@first .. *@last, around @addr, end before the next
 * opaque window on either side.
 * Returns: false if @addr is in one.
 */
bool iommu_windows_cut(const IOMMUWindows *list, uint64_t addr,
                       uint64_t *first, uint64_t *last);

/*
 * iommu_windows_mask: @mask (a power of two, less 1), or the largest smaller
 * one such that the aligned block around @addr, which is in no opaque window,
 * touches none either.
 */
uint64_t iommu_windows_mask(const IOMMUWindows *list, uint64_t addr,
                            uint64_t mask);

/*
 * iommu_windows_gaps: call @fn for each part of @first .. @last that no window
 * of @list is over, of whatever kind, in ascending order.
 */
typedef void IOMMUGapFn(uint64_t first, uint64_t last, void *opaque);
void iommu_windows_gaps(const IOMMUWindows *list, uint64_t first,
                        uint64_t last, IOMMUGapFn *fn, void *opaque);

/*
 * iommu_windows_cover: does @list say of each of @w's addresses what @w says:
 * @exact: its kind; otherwise, if it is opaque, any opaque kind?
 */
bool iommu_windows_cover(const IOMMUWindows *list, const IOMMUWindow *w,
                         bool exact);

/*
 * Of the gaps in what a host's IOMMU lets a device use, one that nobody has
 * announced is expected to be a doorbell (1 MiB), or what firmware keeps for
 * graphics and the like; and addresses to have as many bits as the smallest
 * IOMMUs have.
 */
#define IOMMU_WINDOW_HOST_SIZE  0x10000000ULL
#define IOMMU_WINDOW_HOST_BITS  39

/*
 * iommu_window_is_expected: is @w, of a host, no surprise to who knows of
 * @known, the endpoint's other windows?  If the operator has announced some
 * (@known has them), only those are none, however small.
 */
bool iommu_window_is_expected(const IOMMUWindow *w, const IOMMUWindows *known);

/*
 * iommu_windows_parse: append what @text says to @list, with @origin: items
 * START:END:TYPE, with commas in between; END is the last byte, TYPE a number
 * as in the base or a kind's name.  No item at all is fine.
 * Returns: NULL, or what is wrong, as a sentence to be freed; then @list is as
 * it was.
 */
char *iommu_windows_parse(const char *text, IOMMUWindowOrigin origin,
                          IOMMUWindows *list);

/* iommu_window_text: "reserved 0x1000 .. 0x1fff (operator)", to be freed */
char *iommu_window_text(const IOMMUWindow *w);

#endif

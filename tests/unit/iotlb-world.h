/*
 * Domains whose translations the IOTLB keeps, and the truth
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Each page leads to a version; a translation's address holds domain, page and
 * version.  The only rule: once an invalidation has returned, no lookup that
 * begins finds a version below the floor.
 */
#ifndef IOTLB_WORLD_H
#define IOTLB_WORLD_H

#include "hw/iommu/iotlb.h"

#define IWORLD_DOMAINS      4       /* two in each of two groups */
#define IWORLD_VARIANTS     3
#define IWORLD_PAGES        40      /* with all domains, more than fit */
#define IWORLD_ID_BITS      8

typedef struct IWorld {
    IOTLB *tlb;
    uint64_t version[IWORLD_DOMAINS][IWORLD_PAGES];
    uint64_t floor[IWORLD_DOMAINS][IWORLD_PAGES];
    uint64_t last_version;
    unsigned pages;             /* so many are in use */
    unsigned yield;             /* one in so many; 0: never */
} IWorld;

static inline uint64_t iworld_tag(unsigned d, unsigned variant)
{
    return IOTLB_TAG(d / 2, d % 2 + 7, variant);
}

/* Each eighth page is of 64 KiB, the others of 4 KiB. */
static inline unsigned iworld_shift(unsigned page)
{
    return page % 8 == 7 ? 16 : 12;
}

static inline uint64_t iworld_iova(unsigned page)
{
    return page % 8 == 7 ? (1ull << 30) + ((uint64_t)page << 16)
                         : (uint64_t)page << 12;
}

static inline uint64_t iworld_addr(unsigned d, unsigned page, uint64_t version)
{
    return (version << IWORLD_ID_BITS | d << 6 | page) << 16;
}

static inline void iworld_yield(IWorld *w, Rand *r)
{
    if (w->yield && rand_below(r, w->yield) == 0) {
        sched_yield();
    }
}

/* Look up, and on a miss walk and insert.  Returns: was it a hit? */
static inline bool iworld_access(IWorld *w, Rand *r)
{
    unsigned d = rand_below(r, IWORLD_DOMAINS);
    unsigned page = rand_below(r, w->pages);
    unsigned variant = rand_below(r, IWORLD_VARIANTS);
    uint64_t tag = iworld_tag(d, variant);
    uint64_t iova = iworld_iova(page), version, seq;
    uint64_t floor = __atomic_load_n(&w->floor[d][page], __ATOMIC_ACQUIRE);
    IOTLBEntry e;

    if (iotlb_lookup(w->tlb, tag, iova + rand_below(r, 4096), &e)) {
        g_assert_cmphex(e.tag, ==, tag);
        g_assert_cmphex(e.iova, ==, iova);
        g_assert_cmpuint(e.shift, ==, iworld_shift(page));
        g_assert_cmpuint(e.perm, ==, variant + 1);
        g_assert_cmphex(e.addr >> 16 & ((1u << IWORLD_ID_BITS) - 1), ==,
                        d << 6 | page);
        version = e.addr >> (16 + IWORLD_ID_BITS);
        g_assert_cmpuint(version, >=, floor);
        return true;
    }
    seq = iotlb_seq(w->tlb);
    version = qatomic_load_acquire(&w->version[d][page]);
    iworld_yield(w, r);
    e = (IOTLBEntry) {
        .tag = tag,
        .iova = iova,
        .addr = iworld_addr(d, page, version),
        .shift = iworld_shift(page),
        .perm = variant + 1,
    };
    iotlb_insert(w->tlb, &e, seq);
    return false;
}

/* The guest changes something, and invalidates.  One thread at a time. */
static inline void iworld_change(IWorld *w, Rand *r)
{
    unsigned how = rand_below(r, 20), d = rand_below(r, IWORLD_DOMAINS), i;
    unsigned page = rand_below(r, w->pages);
    uint64_t tag = iworld_tag(d, rand_below(r, 256));
    uint64_t iova = iworld_iova(page);
    uint64_t version = ++w->last_version;
    /* Which domains and pages lead elsewhere */
    unsigned d_first = d, d_last = d, p_first = page, p_last = page;

    switch (how) {
    case 0:
        d_first = 0;
        d_last = IWORLD_DOMAINS - 1;
        break;
    case 1:
        d_first = d & ~1u;
        d_last = d_first + 1;
        break;
    default:
        break;
    }
    if (how <= 3) {
        p_first = 0;
        p_last = w->pages - 1;
    }
    for (d = d_first; d <= d_last; d++) {
        for (i = p_first; i <= p_last; i++) {
            qatomic_store_release(&w->version[d][i], version);
        }
    }
    switch (how) {
    case 0:
        iotlb_invalidate_all(w->tlb);
        break;
    case 1:
        iotlb_invalidate_group(w->tlb, tag);
        break;
    case 2:
        iotlb_invalidate_tag(w->tlb, tag);
        break;
    case 3:
        iotlb_invalidate_range(w->tlb, tag, 0, UINT64_MAX);
        break;
    default:
        /* One byte of the page is enough. */
        iova += rand_below(r, 1u << iworld_shift(page));
        iotlb_invalidate_range(w->tlb, tag, iova, iova);
        break;
    }
    /* Whoever is told is told after all of it. */
    smp_mb();
    for (d = d_first; d <= d_last; d++) {
        for (i = p_first; i <= p_last; i++) {
            __atomic_store_n(&w->floor[d][i], version, __ATOMIC_RELEASE);
        }
    }
}

static inline void iworld_init(IWorld *w, unsigned pages)
{
    memset(w, 0, sizeof(*w));
    w->tlb = iotlb_new(64);
    w->pages = pages;
}

#endif

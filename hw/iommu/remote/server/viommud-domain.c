/*
 * qemu-viommud: the model's tags as the protocol's domains
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A tag has 64 bits (see IOTLB_TAG), a domain 24.  They are numbered in the
 * order in which they are asked about.  A guest has more tags than there is
 * room for here: then all are invalidated, and numbered anew.
 *
 * Variants of a tag are domains of their own, since what is cached differs;
 * invalidations are about all of them.
 */
#include "qemu/osdep.h"
#include "viommud-internal.h"

/* 0 is that of no table (DMA_TAG_UNTRANSLATED). */
#define DOMAINS_MAX (1u << 16)
#define VARIANT_MASK (~IOTLB_TAG_DOMAIN_MASK)

static GHashTable *domain_numbers;       /* tag -> number */
static GArray *domain_tags;              /* number - 1 -> tag */
static unsigned domain_variants;         /* the largest of them */

static void domain_init(void)
{
    if (!domain_numbers) {
        domain_numbers = g_hash_table_new_full(g_int64_hash, g_int64_equal,
                                               g_free, NULL);
        domain_tags = g_array_new(false, false, sizeof(uint64_t));
    }
}

void viommud_domain_forget(void)
{
    domain_init();
    g_hash_table_remove_all(domain_numbers);
    g_array_set_size(domain_tags, 0);
    domain_variants = 0;
}

static uint32_t domain_find(uint64_t tag)
{
    domain_init();
    return GPOINTER_TO_UINT(g_hash_table_lookup(domain_numbers, &tag));
}

void viommud_domain_like(uint64_t tag,
                         void (*each)(uint32_t domain, void *opaque),
                         void *opaque)
{
    tag &= IOTLB_TAG_DOMAIN_MASK;
    for (unsigned variant = 0; variant <= domain_variants; variant++) {
        uint32_t number = domain_find(tag | variant);

        if (number) {
            each(number, opaque);
        }
    }
}

uint32_t viommud_domain_of(uint64_t tag)
{
    static const VIOMMUInv config = { .kind = VIOMMU_INV_CONFIG_ALL };
    static const VIOMMUInv all = { .kind = VIOMMU_INV_ALL };
    uint32_t number;

    if (tag == DMA_TAG_UNTRANSLATED) {
        return 0;
    }
    number = domain_find(tag);
    if (number) {
        return number;
    }
    if (domain_tags->len >= DOMAINS_MAX) {
        viommu_invalidate(viommud.viommu, &config);
        viommu_invalidate(viommud.viommu, &all);
        viommud_domain_forget();
    }
    domain_variants = MAX(domain_variants, tag & VARIANT_MASK);
    g_array_append_val(domain_tags, tag);
    number = domain_tags->len;
    g_hash_table_insert(domain_numbers, g_memdup2(&tag, sizeof(tag)),
                        GUINT_TO_POINTER(number));
    return number;
}

void viommud_domain_each(uint64_t tag, uint64_t mask,
                         void (*each)(uint32_t domain, void *opaque),
                         void *opaque)
{
    domain_init();
    for (guint i = 0; i < domain_tags->len; i++) {
        if (!((g_array_index(domain_tags, uint64_t, i) ^ tag) & mask)) {
            each(i + 1, opaque);
        }
    }
}

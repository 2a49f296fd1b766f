/*
 * Soak: a device that keeps translations of its own, by ATS
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "viommu-soak-ats.h"

#define CONTEXTS    4

struct SoakATS {
    SVA *sva;
    uint64_t iova;
    unsigned pages;
    GRand *rand;
    uint64_t operations;
};

void soak_ats_open(SoakATS *a, Unit *unit)
{
    if (!a) {
        return;
    }
    if (a->sva) {
        sva_close(a->sva);
    }
    a->sva = sva_open(unit, SVA_SID);
    sva_enable(a->sva, SVA_ATS);
}

void soak_ats_adopt(SoakATS *a, Unit *unit)
{
    if (a) {
        a->sva->unit = unit;
        a->sva->pci->bus = unit->bus;
    }
}

/* What it writes has bytes below 0x80, like that of the other devices. */
static void ats_start(SoakATS *a, unsigned context)
{
    unsigned first = g_rand_int_range(a->rand, 0, a->pages);
    unsigned n = g_rand_int_range(a->rand, 1, a->pages - first + 1);
    uint32_t flags = SVT_F_ATC | (g_rand_boolean(a->rand) ? SVT_F_HOLD : 0) |
                     (g_rand_boolean(a->rand) ? SVT_F_MAP : 0);

    sva_set(a->sva, context, SVT_ARG, g_rand_int_range(a->rand, 0, 0x80));
    sva_start(a->sva, context, SVT_C_FILL, flags, 0, 0,
              a->iova + first * UNIT_PAGE, n * UNIT_PAGE);
}

void soak_ats_round(SoakATS *a)
{
    unsigned i;

    for (i = 0; a && i < CONTEXTS; i++) {
        switch (sva_get32(a->sva, i, SVT_STATUS)) {
        case SVT_S_BUSY:
        case SVT_S_HELD:
            break;
        default:
            a->operations += sva_get(a->sva, i, SVT_DONE) / UNIT_PAGE;
            ats_start(a, i);
        }
    }
}

void soak_ats_release(SoakATS *a)
{
    unsigned i;

    for (i = 0; a && i < CONTEXTS; i++) {
        if (sva_get32(a->sva, i, SVT_STATUS) == SVT_S_HELD) {
            sva_set32(a->sva, i, SVT_CMD, SVT_C_RELEASE);
        }
    }
}

SoakATS *soak_ats_new(uint64_t iova, unsigned pages, GRand *rand)
{
    SoakATS *a = g_new0(SoakATS, 1);

    a->iova = iova;
    a->pages = pages;
    a->rand = rand;
    return a;
}

void soak_ats_free(SoakATS *a)
{
    if (a) {
        sva_close(a->sva);
        g_free(a);
    }
}

uint64_t soak_ats_operations(const SoakATS *a)
{
    return a ? a->operations : 0;
}

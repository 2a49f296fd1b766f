/*
 * Fuzz target: firmware tables of whoever the guest has come from
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The input: some buses, then ACPI tables.  They arrive with a migration
 * stream, so they may be anything.
 */
#include "fuzz.h"
#include "hw/iommu/viommu-listed.h"

#define BUSES       4
#define FUNCTIONS   3
/* Of an ACPI table's header (ACPI 5.2.6) */
#define HEADER      36
#define LENGTH      4

typedef struct Buses {
    VIOMMUBus bus[BUSES];
    VIOMMUFunction functions[BUSES][FUNCTIONS];
    VIOMMUBus *roots[2];
} Buses;

/* A tree: a bridge leads to a bus behind its own. */
static void take_buses(Buses *b, FuzzInput *in)
{
    for (unsigned i = 0; i < BUSES; i++) {
        uint8_t devfn = fuzz_take(in, 1);

        b->bus[i] = (VIOMMUBus) {
            .number = fuzz_take(in, 1), .last = fuzz_take(in, 1),
            .n = FUNCTIONS, .functions = b->functions[i],
        };
        for (unsigned k = 0; k < FUNCTIONS; k++) {
            b->functions[i][k].devfn = devfn + 8 * k;
        }
        if (i + 2 < BUSES) {
            b->functions[i][0].below = &b->bus[i + 2];
        }
    }
    b->roots[0] = &b->bus[0];
    b->roots[1] = &b->bus[1];
}

static uint32_t table_length(const uint8_t *table)
{
    return table[LENGTH] | table[LENGTH + 1] << 8 | table[LENGTH + 2] << 16 |
           (uint32_t)table[LENGTH + 3] << 24;
}

/* What each of the tables lists by itself; those after a broken one do not. */
static bool told_alone(VIOMMURids *rids, const uint8_t *tables, size_t len,
                       const Buses *b)
{
    g_autofree VIOMMURids *one = g_new0(VIOMMURids, 1);
    bool any = false;

    memset(rids, 0, sizeof(*rids));
    while (len >= HEADER && table_length(tables) >= HEADER) {
        size_t n = MIN(len, table_length(tables));

        any |= viommu_told(one, tables, n, b->roots, 2);
        for (unsigned i = 0; i < VIOMMU_RIDS / 64; i++) {
            rids->words[i] |= one->words[i];
        }
        tables += n;
        len -= n;
    }
    return any;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    FuzzInput in = fuzz_input(data, size);
    g_autofree VIOMMURids *rids = g_new0(VIOMMURids, 1);
    g_autofree VIOMMURids *sum = g_new0(VIOMMURids, 1);
    g_autofree Buses *b = g_new0(Buses, 1);
    g_autofree uint8_t *tables = NULL;
    size_t len;
    bool any;

    take_buses(b, &in);
    len = in.end - in.next;
    /* Of the very size: what is read beyond it is found. */
    tables = g_memdup2(in.next, len);
    any = viommu_told(rids, tables, len, b->roots, 2);
    FUZZ_RULE(told_alone(sum, tables, len, b) == any);
    FUZZ_RULE(!memcmp(sum, rids, sizeof(*rids)));
    return 0;
}

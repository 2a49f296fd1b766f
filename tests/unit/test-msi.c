/*
 * A message to memory comes after what it tells of: step by step
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The SMMUv3 writes events and then the MSI of a CMD_SYNC, which may be a word
 * in memory that a processor looks at all the time.  Stores are late
 * (fibers.h), as they are on hosts where they need not be seen in their order:
 * who sees the word sees what was written before it.
 */
#define QEMU_SHIM_STEP_MINE
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "fibers.h"

/* In place of the model's header: what smmuv3-wire.c makes use of */
#define HW_ARM_SMMUV3_INTERNAL_H

typedef unsigned SMMUIrq;

typedef struct SMMUv3State {
    unsigned irq[4];
} SMMUv3State;

#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#include "../../hw/arm/smmuv3/smmuv3-wire.c"

#define EVENTS 64

static SMMUv3State unit;
static uint32_t events[EVENTS];
static unsigned met;

/* Each MSI says how many events have been written. */
static void unit_run(Rand *r)
{
    unsigned written = 0;

    smmuv3_wire_pulse(&unit, 0);
    while (written < EVENTS) {
        unsigned n = MIN(1 + rand_below(r, 3), EVENTS - written);

        while (n--) {
            qatomic_set(&events[written], written + 1);
            written++;
        }
        g_assert_true(smmuv3_wire_msi(&unit, 0, written));
        g_assert_false(smmuv3_wire_msi(&unit, 4, written));
    }
}

static void guest_run(Rand *r)
{
    uint32_t told = 0, before;

    while (told < EVENTS) {
        before = told;
        told = qatomic_load_acquire(&address_space_memory.word);
        g_assert_cmpuint(told, >=, before);
        for (uint32_t i = before; i < told; i++) {
            g_assert_cmpuint(qatomic_read(&events[i]), ==, i + 1);
        }
        met += told > before;
    }
}

static void test_msi(void)
{
    static void (*const run[])(Rand *r) = { unit_run, guest_run };

    chance = rand_new();
    for (unsigned i = 0; i < rounds(2000); i++) {
        memset(events, 0, sizeof(events));
        address_space_memory.word = 0;
        play(run, G_N_ELEMENTS(run));
    }
    g_assert_cmpuint(met, >, 0);
    g_test_message("%u times the guest met one", met);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/msi/steps", test_msi);
    return g_test_run();
}

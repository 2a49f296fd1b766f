/*
 * qemu-viommud: what has been refused, until it is told as a fault
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A question records no fault; the client says later which of the refusals an
 * access met, and names the reason.  What the model wants to know of it then
 * (level, stage, the entry) is kept here: the last few, which is more than
 * there are threads that ask.
 */
#include "qemu/osdep.h"
#include "viommud-internal.h"

#define REFUSED_MAX 256
#define CODE_BITS 16

static ViommudRefused refused_kept[REFUSED_MAX];
static uint32_t refused_serials[REFUSED_MAX];    /* 0: it is free */
static uint32_t refused_serial;

uint32_t viommud_refused_keep(const ViommudRefused *refused, unsigned code)
{
    const uint32_t max = UINT32_MAX >> CODE_BITS;

    refused_serial = refused_serial % max + 1;
    refused_kept[refused_serial % REFUSED_MAX] = *refused;
    refused_serials[refused_serial % REFUSED_MAX] = refused_serial;
    return refused_serial << CODE_BITS | (code & ((1u << CODE_BITS) - 1));
}

const ViommudRefused *viommud_refused_find(uint32_t reason)
{
    uint32_t serial = reason >> CODE_BITS;

    return serial && refused_serials[serial % REFUSED_MAX] == serial ?
           &refused_kept[serial % REFUSED_MAX] : NULL;
}

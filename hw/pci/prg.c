/*
 * Page request groups: what a device has asked for and not been answered
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/pci/prg.h"

void prg_reset(PRGs *prgs)
{
    memset(prgs, 0, sizeof(*prgs));
}

PRGResult prg_request(PRGs *prgs, uint16_t prgi, uint32_t pasid, bool last,
                      uint32_t max)
{
    PRGroup *g = &prgs->groups[prgi % PRG_GROUPS];

    if (g->state == PRG_WAITS) {
        return PRG_BUSY;
    }
    if (g->state == PRG_OPEN && g->pasid != pasid) {
        return PRG_MIXED;
    }
    if (prgs->outstanding >= max) {
        return PRG_FULL;
    }
    g->pasid = pasid;
    g->requests++;
    g->state = last ? PRG_WAITS : PRG_OPEN;
    prgs->outstanding++;
    return PRG_OK;
}

static void prg_end(PRGs *prgs, PRGroup *g)
{
    prgs->outstanding -= g->requests;
    *g = (PRGroup) { .state = PRG_FREE };
}

bool prg_response(PRGs *prgs, uint16_t prgi, uint32_t *pasid, bool has_pasid)
{
    PRGroup *g = &prgs->groups[prgi % PRG_GROUPS];

    if (prgi >= PRG_GROUPS || g->state != PRG_WAITS ||
        (has_pasid && g->pasid != *pasid)) {
        return false;
    }
    *pasid = g->pasid;
    prg_end(prgs, g);
    return true;
}

bool prg_take(PRGs *prgs, uint16_t *prgi, uint32_t *pasid)
{
    unsigned i;

    for (i = 0; prgs->outstanding && i < PRG_GROUPS; i++) {
        PRGroup *g = &prgs->groups[i];

        if (g->state == PRG_WAITS) {
            *prgi = i;
            *pasid = g->pasid;
            prg_end(prgs, g);
            return true;
        }
    }
    return false;
}

void prg_drop_open(PRGs *prgs)
{
    unsigned i;

    for (i = 0; prgs->outstanding && i < PRG_GROUPS; i++) {
        if (prgs->groups[i].state == PRG_OPEN) {
            prg_end(prgs, &prgs->groups[i]);
        }
    }
}

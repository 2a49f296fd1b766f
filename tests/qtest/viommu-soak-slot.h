/*
 * Soak: a slot whose device comes and goes while everything else is at work
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VIOMMU_SOAK_SLOT_H
#define VIOMMU_SOAK_SLOT_H

#include "viommu-plug.h"

/* Of a machine with a guest whose device is a backend in the test */
#define SOAK_SLOT_BACKEND_ARGS \
    "-object memory-backend-memfd,id=ram,size=2G,share=on " \
    "-machine memory-backend=ram "

typedef enum SoakGuest {
    SOAK_GUEST_NONE,
    SOAK_GUEST_WRITER,       /* an x-dma-bench, unplugged at work */
    /*
     * A vhost-user disk.  Its backend answers, or keeps an invalidation until
     * drain-timeout has it marked broken, and ends with its sockets, or dies.
     */
    SOAK_GUEST_BACKEND,
} SoakGuest;

typedef struct SoakSlot SoakSlot;

/*
 * soak_slot_new: behind PLUG_PORT_ARGS of @unit.  The guest is attached to
 * @space; a writer writes to @pages pages at @iova, a backend has its ring at
 * @iova - UNIT_PAGE.
 */
SoakSlot *soak_slot_new(Unit *unit, unsigned form, UnitSpace *space,
                        SoakGuest guest, uint64_t iova, unsigned pages,
                        GRand *rand);
void soak_slot_free(SoakSlot *slot);

/* soak_slot_round: now and then it comes, goes, dies, or keeps silent. */
void soak_slot_round(SoakSlot *slot);
/* soak_slot_wait: an invalidation waits for something; time may pass. */
void soak_slot_wait(SoakSlot *slot);
/* soak_slot_empty: it goes, if it is there. */
void soak_slot_empty(SoakSlot *slot);
/*
 * soak_slot_adopt: the machine is @unit from now on; the slot is empty, and the
 * port as it was.
 */
void soak_slot_adopt(SoakSlot *slot, Unit *unit);

/* How often it has come, gone without saying so, and what it has written */
uint64_t soak_slot_visits(const SoakSlot *slot);
uint64_t soak_slot_kills(const SoakSlot *slot);
uint64_t soak_slot_operations(const SoakSlot *slot);

#endif

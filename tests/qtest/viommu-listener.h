/*
 * x-iommu-listener as a test drives it, and the picture it ought to have
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VIOMMU_LISTENER_H
#define VIOMMU_LISTENER_H

#include "viommu-unit.h"
#include "hw/misc/x-iommu-listener.h"

#define LISTENER_SLOT 4
#define LISTENER_SID (LISTENER_SLOT << 3)
#define LISTENER_DEVICE "-device x-iommu-listener,addr=04.0,"

typedef struct Listener {
    Unit *unit;
    QPCIDevice *pci;
    QPCIBar bar;
} Listener;

/* An event, or with type XIL_MAP something that is mapped */
typedef struct Heard {
    uint32_t type;
    uint64_t iova, mask, addr;
    uint32_t perm;
} Heard;

Listener *listener_new(Unit *unit, int devfn);
void listener_free(Listener *l);
/* listener_again: its registers are lost in a reset of the machine. */
void listener_again(Listener *l);

uint32_t listener_status(Listener *l);
unsigned listener_regions(Listener *l);
unsigned listener_count(Listener *l);
void listener_clear(Listener *l);
/* listener_events: all of the log, of type Heard. */
GArray *listener_events(Listener *l);

/*
 * listener_heard: the log is just these, which are given in rising order; it
 * is emptied, and nothing that VFIO would have choked on has happened.
 */
void listener_heard(Listener *l, const Heard *events, unsigned n);
#define LISTENER_HEARD(l, ...) do {                                     \
        const Heard events_[] = { __VA_ARGS__ };                        \
        listener_heard(l, events_, G_N_ELEMENTS(events_));              \
    } while (0)
#define LISTENER_SILENT(l) listener_heard(l, NULL, 0)

/* Its picture, neighbours that belong together joined; of type Heard */
GArray *listener_picture(Listener *l);
/* picture_put: append what is mapped, or make the last one longer. */
void picture_put(GArray *picture, uint64_t iova, uint64_t last, uint64_t addr,
                 uint32_t perm);
/* listener_agrees_with: its picture is @ought, and its status is clean. */
void listener_agrees_with(Listener *l, const GArray *ought);
/* listener_is_empty: nothing is mapped. */
void listener_is_empty(Listener *l);

#endif

/*
 * Network devices behind a vIOMMU that take frames or send them
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One queue of one direction each, in one page of guest memory.  What is put
 * there comes back in order.
 */
#ifndef VIOMMU_NIC_H
#define VIOMMU_NIC_H

#include "viommu-unit.h"

/* Buffers at most that are put and not taken back, and pieces of one */
#define NIC_SLOTS       8
#define NIC_PIECES      3
/* A buffer for a frame is one piece of this size. */
#define NIC_RX_LEN      2048

typedef struct NicPiece {
    uint64_t iova;
    uint32_t len;
} NicPiece;

typedef struct Nic Nic;

typedef struct NicOps {
    const char *device;      /* for -device, without the netdev */
    unsigned header_len;     /* zeroes that a frame begins with */
    /* open: @id at @sid, begun anew with its ring in the page @gpa, at @iova */
    Nic *(*open)(Unit *unit, const char *id, uint16_t sid, uint64_t gpa,
                 uint64_t iova, bool sends);
    void (*close)(Nic *nic);
    /* put: a buffer for a frame, or a frame to send, of @n pieces */
    void (*put)(Nic *nic, const NicPiece *pieces, unsigned n);
    /* take: has it come back, the one that was put first? */
    bool (*take)(Nic *nic);
    /*
     * held: how many of those that have not come back it has mapped, at least:
     * they are the first ones.
     */
    unsigned (*held)(Nic *nic);
    /* broken: it wants to be opened anew. */
    bool (*broken)(Nic *nic);
} NicOps;

/* What all of them have */
struct Nic {
    Unit *unit;
    QPCIDevice *pci;
    QPCIBar bar;
    uint64_t gpa, iova;      /* of the ring */
    bool sends;
    unsigned put, taken;     /* buffers */
};

extern const NicOps nic_e1000e, nic_virtio;

unsigned nic_room(const Nic *nic);
/* nic_adopt: the machine is @unit from now on, and the device as it was. */
void nic_adopt(Nic *nic, Unit *unit);

#endif

/*
 * An NVMe controller behind a vIOMMU, with its queues in guest memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * NVM Express Base Specification 2.0: the admin queues, and one pair of I/O
 * queues.  Each of the four is a page.
 */
#ifndef VIOMMU_NVME_H
#define VIOMMU_NVME_H

#include "block/nvme.h"
#include "viommu-unit.h"

#define NVME_QUEUE_PAGES    4
#define NVME_QUEUE_LEN      16
#define NVME_SECTOR         512

enum { NVME_ADMIN, NVME_IO };

/* One pair of queues, as far as the driver has got */
typedef struct NvmePair {
    unsigned tail, head;     /* of submissions, of completions */
    bool phase;              /* that of a completion which is new (4.2.1) */
    unsigned completed;
} NvmePair;

typedef struct Nvme {
    Unit *unit;
    QPCIDevice *pci;
    QPCIBar bar;
    uint64_t gpa, iova;      /* of the queues' pages */
    NvmePair pairs[2];
} Nvme;

/*
 * nvme_new: the controller at @sid, started with its queues in the
 * NVME_QUEUE_PAGES pages at @gpa, to which @iova leads.
 */
Nvme *nvme_new(Unit *unit, uint16_t sid, uint64_t gpa, uint64_t iova);
void nvme_free(Nvme *n);

/* nvme_submit: @cmd, which has its cid, to one of the two pairs. */
void nvme_submit(Nvme *n, int pair, const NvmeCmd *cmd);
/* nvme_take: the next completion, if there is one. */
bool nvme_take(Nvme *n, int pair, uint16_t *cid, uint16_t *status);
/* nvme_completed: how many there have been, all of which are taken. */
unsigned nvme_completed(Nvme *n, int pair);

#endif

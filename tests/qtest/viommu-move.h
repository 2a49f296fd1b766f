/*
 * The rig (viommu-rig.h) moves: what the tests of migration have in common
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VIOMMU_MOVE_H
#define VIOMMU_MOVE_H

#include "viommu-rig.h"

/* From where to where: between ours, and stock QEMU, which VIOMMU_PEER names */
typedef struct Move {
    bool from_stock, to_stock;
    unsigned form;                      /* of unit_ops()->forms */
} Move;

/*
 * move_begin: a rig in the emulator that @move begins in; @to: the same machine
 * in the other one, waiting for its state.  NULL: VIOMMU_PEER is not set, and
 * the test is skipped.
 */
Rig *move_begin(const Move *move, QTestState **to);
/* move_to: the rig's state goes to @to, where nothing has run yet. */
void move_to(Rig *rig, QTestState *to);
/* move_go_on: the machine, which has arrived, runs. */
void move_go_on(Rig *rig);
/* move_see_request: a read of the disk gets to the page under test. */
void move_see_request(Rig *rig);
/* move_see_unmap: the guest takes the page away, and the device faults. */
void move_see_unmap(Rig *rig);
/* move_add: the test @fn, which gets a Move; its path: @group/ours-to-stock */
void move_add(const char *group, bool from_stock, bool to_stock, unsigned form,
              void (*fn)(const void *opaque));

#endif

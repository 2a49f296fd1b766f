/*
 * A machine's RAM beside the windows of its devices
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The machine property "ram-holes".  Windows are known when devices are made,
 * and RAM is laid out before: so this is about those that the command line has
 * (reserved-ranges, of a device or by -global), and about those that a model
 * always has.  Everything here runs before there is a second thread.
 */
#ifndef HW_IOMMU_RAM_HOLES_H
#define HW_IOMMU_RAM_HOLES_H

#include "qom/object.h"

/* ram_holes_class: the property, for a class of machines that asks below. */
void ram_holes_class(ObjectClass *machine);

/* ram_holes_device: the command line has the device @opts, in JSON. */
void ram_holes_device(const QDict *opts);

/*
 * ram_holes_model: devices of the type @driver, if there is one, see a
 * reserved window at @first .. @last.  @driver lives on.
 */
void ram_holes_model(const char *driver, uint64_t first, uint64_t last);

/*
 * ram_holes_below: how far RAM that begins at 0, and is @size bytes long if
 * nothing is in its way, may reach: at most @limit bytes, which is what it is
 * with ram-holes=off.  Ends the process if that is too little.
 */
uint64_t ram_holes_below(uint64_t size, uint64_t limit);

/*
 * ram_holes_above: where @size bytes that are wanted at @start find room in one
 * piece: @start, with ram-holes=off, or some multiple of 1 GiB above it.
 * @fixed: they cannot move; then the process ends if they would have to.
 */
uint64_t ram_holes_above(uint64_t start, uint64_t size, bool fixed);

/*
 * For a machine whose RAM may be in several pieces, that go on behind each
 * window.
 *
 * ram_holes_lay_out: @size bytes of RAM that begin at @start, a multiple of
 * 2 MiB; in one piece with ram-holes=off.  Once, before devices are made.  Ends
 * the process if a window is in the first @least bytes, or there is no room.
 * Returns: the address behind the last piece.
 *
 * ram_holes_pieces: call @fn for each piece, in ascending order, of what has
 * been laid out: @size bytes of RAM from its byte @offset on are at @addr.
 */
typedef void RAMPieceFn(uint64_t addr, uint64_t offset, uint64_t size,
                        void *opaque);
uint64_t ram_holes_lay_out(uint64_t start, uint64_t size, uint64_t least);
void ram_holes_pieces(RAMPieceFn *fn, void *opaque);

#endif

/*
 * viommu-remote, with a server that a byte string makes lie
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The server is a thread of the test, or of the fuzz target.  Without a script
 * it is an honest one, whose tables are what UnitOps.map() was told.
 */
#ifndef VIOMMU_REMOTE_LIAR_H
#define VIOMMU_REMOTE_LIAR_H

#include "viommu-unit.h"

extern const UnitOps liar_unit_ops;

/* Where its registers are */
#define LIAR_REGS   0xfed91000ull
/* What a step gives it to go by, in bytes */
#define LIAR_SCRIPT 64

/*
 * liar_script: what it says next, of itself and in place of its answers.  It is
 * honest again when that is over, or when a machine starts.
 */
void liar_script(const uint8_t *bytes, size_t n);

/* liar_tell: one thing of itself, now; what, the script says. */
void liar_tell(void);

#endif

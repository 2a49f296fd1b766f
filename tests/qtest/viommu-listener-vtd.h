/*
 * What a listener behind a VT-d unit ought to know: a walk of our own
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VIOMMU_LISTENER_VTD_H
#define VIOMMU_LISTENER_VTD_H

#include "viommu-listener.h"
#include "viommu-vtd.h"

/*
 * table_picture: from a walk by the specification, of the table of @levels at
 * @root; the interrupt window is left out.
 */
GArray *table_picture(VTD *vtd, uint64_t root, int levels);
/* listener_agrees: its picture is that of the domain's table. */
void listener_agrees(Listener *l, VTD *vtd, const VTDDomain *dom);

#endif

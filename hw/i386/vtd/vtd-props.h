/*
 * VT-d: the device's properties, and what follows from them.  BQL
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_I386_VTD_PROPS_H
#define HW_I386_VTD_PROPS_H

#include "vtd-internal.h"

void vtd_props_class_init(ObjectClass *klass);
void vtd_props_instance_init(Object *obj);

/**
 * vtd_props_decide: give the properties that were not given what the profile
 * says, and check them all.  In realize, before anything else.
 *
 * Returns: false with @errp set, which names the property and what to do.
 */
bool vtd_props_decide(IntelIOMMUState *s, Error **errp);

#endif

/*
 * VT-d: what software does with the registers that it must not.  BQL
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_I386_VTD_MISTAKES_H
#define HW_I386_VTD_MISTAKES_H

#include "vtd-internal.h"

/* vtd_mistakes_gcmd: GCMD_REG has been written, and nothing done yet. */
void vtd_mistakes_gcmd(IntelIOMMUState *s);

/* vtd_mistakes_iqa: a part of IQA_REG has been written. */
void vtd_mistakes_iqa(IntelIOMMUState *s);

#endif

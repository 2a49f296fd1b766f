/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The base's events (vtd_reg_read, vtd_inv_desc_*, ...) keep their names and
 * are declared there; ours are the ones it has no equivalent of.
 */
#include "trace/trace-hw_i386.h"
#include "trace/trace-hw_i386_vtd.h"

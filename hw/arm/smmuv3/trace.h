/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The base's events (smmuv3_read_mmio, smmuv3_cmdq_opcode, ...) keep their
 * names and are declared there; ours are the ones it has no equivalent of.
 */
#include "trace/trace-hw_arm.h"
#include "trace/trace-hw_arm_smmuv3.h"

/*
 * AHCI's command table: the command FIS, the ATAPI command and the PRDT
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_IDE_AHCI_TABLE_H
#define HW_IDE_AHCI_TABLE_H

#include "hw/ide/ahci-internal.h"

/*
 * ahci_copy_table: a copy of the @len bytes (1 MiB at most: 65535 entries of a
 * PRDT) at address @addr of a command table (AHCI 1.3.1, 4.2.3); g_free() it.
 * NULL if not all of them can be read.  BQL.
 */
uint8_t *ahci_copy_table(AHCIState *s, uint64_t addr, uint32_t len);

#endif

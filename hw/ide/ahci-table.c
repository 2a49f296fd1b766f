/*
 * AHCI's command table: the command FIS, the ATAPI command and the PRDT
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A table may cross pages, and behind an IOMMU its next page is anywhere in
 * memory.  So it cannot be mapped in one piece; it is copied page by page.
 */

#include "qemu/osdep.h"
#include "hw/ide/ahci-table.h"
#include "system/dma.h"

uint8_t *ahci_copy_table(AHCIState *s, uint64_t addr, uint32_t len)
{
    g_autofree uint8_t *copy = g_malloc(len);

    if (dma_memory_read(s->as, addr, copy, len,
                        MEMTXATTRS_UNSPECIFIED) != MEMTX_OK) {
        return NULL;
    }
    return g_steal_pointer(&copy);
}

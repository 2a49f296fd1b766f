/*
 * An x-dma-bench whose threads read what is not mapped, as fast as they can
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/misc/x-dma-bench.h"
#include "viommu-flood.h"

void flood_open(Flood *f, QPCIBus *bus)
{
    f->pci = qpci_device_find(bus, FLOOD_SID);
    g_assert_nonnull(f->pci);
    qpci_device_enable(f->pci);
    f->bar = qpci_iomap(f->pci, 0, NULL);
}

void flood_close(Flood *f)
{
    g_free(f->pci);
}

void flood_run(Flood *f, unsigned threads, uint64_t iova, unsigned count)
{
    qpci_io_writel(f->pci, f->bar, XDB_THREADS, threads);
    qpci_io_writeq(f->pci, f->bar, XDB_ADDR, iova);
    qpci_io_writeq(f->pci, f->bar, XDB_LENGTH, 4);
    qpci_io_writeq(f->pci, f->bar, XDB_STRIDE, 4);
    qpci_io_writeq(f->pci, f->bar, XDB_WINDOW, 4);
    qpci_io_writeq(f->pci, f->bar, XDB_COUNT, count);
    qpci_io_writel(f->pci, f->bar, XDB_CMD, XDB_READ);
    g_assert_cmphex(qpci_io_readl(f->pci, f->bar, XDB_STATUS), ==, 0);
    g_assert_cmpint(qpci_io_readq(f->pci, f->bar, XDB_ERRORS), ==,
                    threads * count);
}

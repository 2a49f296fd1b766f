/*
 * The edu device as a source of DMA: small reads and writes on demand
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "standard-headers/linux/pci_regs.h"
#include "viommu-edu.h"

#define EDU_IRQ_STATUS  0x24
#define EDU_IRQ_RAISE   0x60
#define EDU_IRQ_ACK     0x64
#define EDU_DMA_SRC     0x80
#define EDU_DMA_DST     0x88
#define EDU_DMA_COUNT   0x90
#define EDU_DMA_CMD     0x98
#define EDU_CMD_RUN     0x1
#define EDU_CMD_STORE   0x2
#define EDU_BUFFER      0x40000
#define EDU_DELAY_NS    (100 * 1000 * 1000)

Edu *edu_new(Unit *unit, int devfn)
{
    Edu *edu = g_new0(Edu, 1);

    edu->unit = unit;
    edu->pci = qpci_device_find(unit->bus, devfn);
    g_assert_nonnull(edu->pci);
    qpci_device_enable(edu->pci);
    edu->bar = qpci_iomap(edu->pci, 0, NULL);
    return edu;
}

void edu_free(Edu *edu)
{
    g_free(edu->pci);
    g_free(edu);
}

static void dma(Edu *edu, uint64_t src, uint64_t dst, unsigned len,
                uint64_t cmd)
{
    qpci_io_writeq(edu->pci, edu->bar, EDU_DMA_SRC, src);
    qpci_io_writeq(edu->pci, edu->bar, EDU_DMA_DST, dst);
    qpci_io_writeq(edu->pci, edu->bar, EDU_DMA_COUNT, len);
    qpci_io_writeq(edu->pci, edu->bar, EDU_DMA_CMD, cmd | EDU_CMD_RUN);
    qtest_clock_step(edu->unit->qts, EDU_DELAY_NS);
    g_assert_cmphex(qpci_io_readq(edu->pci, edu->bar, EDU_DMA_CMD) &
                    EDU_CMD_RUN, ==, 0);
}

void edu_load(Edu *edu, uint64_t iova, unsigned len)
{
    dma(edu, iova, EDU_BUFFER, len, 0);
}

void edu_store(Edu *edu, uint64_t iova, unsigned len)
{
    dma(edu, EDU_BUFFER, iova, len, EDU_CMD_STORE);
}

void edu_msi(Edu *edu, uint64_t addr, uint16_t data)
{
    uint8_t cap = qpci_find_capability(edu->pci, PCI_CAP_ID_MSI, 0);
    uint16_t flags = qpci_config_readw(edu->pci, cap + PCI_MSI_FLAGS);

    qpci_config_writel(edu->pci, cap + PCI_MSI_ADDRESS_LO, addr);
    qpci_config_writel(edu->pci, cap + PCI_MSI_ADDRESS_HI, addr >> 32);
    qpci_config_writew(edu->pci, cap + PCI_MSI_DATA_64, data);
    qpci_config_writew(edu->pci, cap + PCI_MSI_FLAGS,
                       flags | PCI_MSI_FLAGS_ENABLE);
}

void edu_raise(Edu *edu)
{
    qpci_io_writel(edu->pci, edu->bar, EDU_IRQ_RAISE, 1);
    qpci_io_writel(edu->pci, edu->bar, EDU_IRQ_ACK, 1);
}

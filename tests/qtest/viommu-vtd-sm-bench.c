/*
 * A workbench for scalable mode
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/misc/x-dma-bench.h"
#include "viommu-vtd-sm-bench.h"

#define READ_THIS   0x5ca1ab1eu

SMBench *smb_new(const char *props)
{
    SMBench *b = g_new0(SMBench, 1);
    g_autofree char *all = g_strdup_printf("%s%s%s", VTD_SM_ALL,
                                           *props ? "," : "", props);

    b->vtd = vtd_sm_start(all, "-device x-dma-bench,addr=04.0");
    b->pci = qpci_device_find(b->vtd->bus, SMB_SID);
    g_assert_nonnull(b->pci);
    qpci_device_enable(b->pci);
    b->bar = qpci_iomap(b->pci, 0, NULL);
    b->page = vtd_alloc(b->vtd, 1);
    vtd_enable(b->vtd, VTD_QUEUED);
    return b;
}

void smb_free(SMBench *b)
{
    g_free(b->pci);
    vtd_stop(b->vtd);
    g_free(b);
}

static bool run(SMBench *b, XDBCommand command, uint32_t pasid, uint64_t iova)
{
    qpci_io_writel(b->pci, b->bar, XDB_PASID, pasid);
    qpci_io_writeq(b->pci, b->bar, XDB_ADDR, iova);
    qpci_io_writeq(b->pci, b->bar, XDB_LENGTH, 4);
    qpci_io_writeq(b->pci, b->bar, XDB_STRIDE, 4);
    qpci_io_writeq(b->pci, b->bar, XDB_WINDOW, 4);
    qpci_io_writeq(b->pci, b->bar, XDB_COUNT, 1);
    qpci_io_writel(b->pci, b->bar, XDB_CMD, command);
    g_assert_cmphex(qpci_io_readl(b->pci, b->bar, XDB_STATUS), ==, 0);
    return qpci_io_readq(b->pci, b->bar, XDB_ERRORS) == 0;
}

bool smb_read(SMBench *b, uint32_t pasid, uint64_t iova)
{
    return run(b, XDB_READ, pasid, iova);
}

bool smb_write(SMBench *b, uint32_t pasid, uint64_t iova)
{
    return run(b, XDB_NUMBER, pasid, iova);
}

/* The number that is written is 0; that a read failed is no answer. */
bool smb_leads(SMBench *b, uint32_t pasid, uint64_t iova, uint64_t gpa)
{
    bool reads, writes;

    qtest_writel(b->vtd->qts, gpa, READ_THIS);
    qpci_io_writeq(b->pci, b->bar, XDB_AUX, READ_THIS);
    reads = smb_read(b, pasid, iova) && !run(b, XDB_READ_NOT, pasid, iova);
    writes = smb_write(b, pasid, iova) &&
             qtest_readl(b->vtd->qts, gpa) == 0;
    g_assert_cmpint(reads, ==, writes);
    if (reads) {
        vtd_assert_no_fault(b->vtd);
    }
    return reads;
}

static void assert_fault(SMBench *b, uint32_t pasid, bool is_read,
                         uint64_t iova, uint8_t reason)
{
    VTDFault fault;

    g_assert_true(vtd_fault_take(b->vtd, 0, &fault));
    g_assert_cmphex(fault.reason, ==, reason);
    g_assert_cmphex(fault.sid, ==, SMB_SID);
    g_assert_cmphex(fault.info, ==, iova & ~(VTD_PAGE_SIZE - 1));
    g_assert_cmpint(fault.is_read, ==, is_read);
    g_assert_cmpint(!!(fault.hi & VTD_FRCD_PP), ==, pasid != SMB_NO_PASID);
    g_assert_cmphex(VTD_FRCD_PASID(fault.hi), ==, pasid);
    vtd_assert_no_fault(b->vtd);
}

void smb_faults(SMBench *b, uint32_t pasid, uint64_t iova, uint8_t reason)
{
    g_assert_false(smb_read(b, pasid, iova));
    assert_fault(b, pasid, true, iova, reason);
    g_assert_false(smb_write(b, pasid, iova));
    assert_fault(b, pasid, false, iova, reason);
}

void smb_fails(SMBench *b, uint32_t pasid, uint64_t iova)
{
    g_assert_false(smb_read(b, pasid, iova));
    g_assert_false(smb_write(b, pasid, iova));
    vtd_assert_no_fault(b->vtd);
}

void smb_inv_all(SMBench *b)
{
    vtd_queue_put(b->vtd, VTD_D_CC | VTD_D_G(VTD_GLOBAL), 0);
    vtd_queue_put(b->vtd, VTD_D_PC | VTD_D_G(3), 0);
    vtd_inv_iotlb(b->vtd, VTD_QUEUED, VTD_GLOBAL, 0, 0, 0);
}

void smb_poke(SMBench *b, uint64_t gpa, uint64_t value)
{
    qtest_writeq(b->vtd->qts, gpa, value);
    smb_inv_all(b);
}

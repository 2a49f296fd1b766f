/*
 * The drain with a disk that is not virtio: an NVMe read in flight
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "block/nvme.h"
#include "viommu-rig.h"

#define SID             (7 << 3)
#define DID             5
#define ADMIN_SQ        0x50000000ULL      /* IOVAs, one page each */
#define ADMIN_CQ        0x50001000ULL
#define IO_SQ           0x50002000ULL
#define IO_CQ           0x50003000ULL
#define SPARE           0x50004000ULL
#define DATA            0x50005000ULL
#define PAGES           6
#define QUEUE_LEN       16
#define BAD_OPCODE      0x7f
#define DOORBELL(qid, cq) (0x1000 + ((qid) * 2 + (cq)) * 4)

typedef struct Nvme {
    VTD *vtd;
    VTDDomain dom;
    QPCIDevice *pci;
    QPCIBar bar;
    char *image;
    uint64_t gpa;            /* of the pages, in the order of the IOVAs */
    unsigned tail[2];        /* of the submission queues */
} Nvme;

static uint64_t gpa_of(Nvme *n, uint64_t iova)
{
    return n->gpa + (iova - ADMIN_SQ);
}

static void submit(Nvme *n, int qid, NvmeCmd *cmd)
{
    uint64_t sq = gpa_of(n, qid ? IO_SQ : ADMIN_SQ);

    cmd->cid = cpu_to_le16(n->tail[qid]);
    qtest_memwrite(n->vtd->qts, sq + n->tail[qid] * sizeof(*cmd), cmd,
                   sizeof(*cmd));
    n->tail[qid]++;
    g_assert_cmpint(n->tail[qid], <, QUEUE_LEN);
    qpci_io_writel(n->pci, n->bar, DOORBELL(qid, 0), n->tail[qid]);
}

/* completions: how many entries of the queue carry the first pass's phase. */
static unsigned completions(Nvme *n, int qid)
{
    uint64_t cq = gpa_of(n, qid ? IO_CQ : ADMIN_CQ);
    unsigned i = 0;

    while (i < QUEUE_LEN && (qtest_readw(n->vtd->qts, cq + i * 16 + 14) & 1)) {
        i++;
    }
    return i;
}

static void create_queue(Nvme *n, uint8_t opcode, uint64_t iova,
                         uint16_t flags, uint16_t cqid)
{
    NvmeCreateSq cmd = {
        .opcode = opcode,
        .prp1 = cpu_to_le64(iova),
        .sqid = cpu_to_le16(1),
        .qsize = cpu_to_le16(QUEUE_LEN - 1),
        .sq_flags = cpu_to_le16(flags),
        .cqid = cpu_to_le16(cqid),
    };
    unsigned before = completions(n, 0);

    submit(n, 0, (NvmeCmd *)&cmd);
    viommu_until(n->vtd, completions(n, 0) == before + 1);
}

static void submit_read(Nvme *n, uint64_t iova)
{
    NvmeRwCmd cmd = {
        .opcode = NVME_CMD_READ,
        .nsid = cpu_to_le32(1),
        .dptr.prp1 = cpu_to_le64(iova),
        .slba = cpu_to_le64(RIG_SECTOR),
        .nlb = cpu_to_le16(RIG_LEN / VBLK_SECTOR - 1),
    };

    submit(n, 1, (NvmeCmd *)&cmd);
}

static Nvme *nvme_new(VTDForm form)
{
    Nvme *n = g_new0(Nvme, 1);
    g_autofree char *backend = NULL;
    VTD *vtd;
    int i;

    n->image = rig_make_image();
    backend = rig_backend(n->image, false);
    n->vtd = vtd = vtd_start("", "%s -device nvme,id=disk,addr=07.0,"
                             "serial=x,drive=slow", backend);
    rig_throttle(vtd->qts);
    n->gpa = vtd_alloc(vtd, PAGES);
    vtd_domain_init(vtd, &n->dom, DID, 4);
    for (i = 0; i < PAGES; i++) {
        vtd_map(vtd, &n->dom, ADMIN_SQ + i * VTD_PAGE_SIZE,
                n->gpa + i * VTD_PAGE_SIZE, 1, VTD_PTE_RW);
    }
    vtd_attach(vtd, SID, &n->dom, VTD_TT_UNTRANSLATED);
    vtd_enable(vtd, form);

    n->pci = qpci_device_find(vtd->bus, SID);
    g_assert_nonnull(n->pci);
    qpci_device_enable(n->pci);
    n->bar = qpci_iomap(n->pci, 0, NULL);
    qpci_io_writel(n->pci, n->bar, NVME_REG_AQA,
                   (QUEUE_LEN - 1) << 16 | (QUEUE_LEN - 1));
    qpci_io_writeq(n->pci, n->bar, NVME_REG_ASQ, ADMIN_SQ);
    qpci_io_writeq(n->pci, n->bar, NVME_REG_ACQ, ADMIN_CQ);
    qpci_io_writel(n->pci, n->bar, NVME_REG_CC,
                   6 << CC_IOSQES_SHIFT | 4 << CC_IOCQES_SHIFT | 1);
    viommu_until(vtd, qpci_io_readl(n->pci, n->bar, NVME_REG_CSTS) & 1);
    create_queue(n, NVME_ADM_CMD_CREATE_CQ, IO_CQ, 1, 0);
    create_queue(n, NVME_ADM_CMD_CREATE_SQ, IO_SQ, 1, 1);

    submit_read(n, SPARE);
    viommu_until(vtd, completions(n, 1) == 1);
    g_assert_true(viommu_is_filled(vtd, gpa_of(n, SPARE), RIG_ON_DISK,
                                   RIG_LEN));
    return n;
}

static void test_read(const void *opaque)
{
    VTDForm form = GPOINTER_TO_INT(opaque);
    Nvme *n = nvme_new(form);
    VTD *vtd = n->vtd;
    uint64_t page = gpa_of(n, DATA);
    NvmeCmd bad = { .opcode = BAD_OPCODE, .nsid = cpu_to_le32(1) };

    /*
     * The controller takes commands in order, so the refusal of the second
     * says that the first has been mapped.
     */
    submit_read(n, DATA);
    submit(n, 1, &bad);
    viommu_until(vtd, completions(n, 1) == 2);
    viommu_turns(vtd);
    g_assert_cmpint(completions(n, 1), ==, 2);

    vtd_unmap(vtd, &n->dom, DATA, 1);
    vtd_inv_iotlb_start(vtd, form, VTD_DOMAIN, DID, 0, 0);
    viommu_turns(vtd);
    qtest_clock_step(vtd->qts, RIG_SHORT_NS);
    viommu_turns(vtd);
    g_assert_cmpint(vtd_inv_done(vtd, form), ==, expect_corruption());
    if (expect_corruption()) {
        viommu_fill(vtd, page, RIG_REUSED, RIG_LEN);
    }
    qtest_clock_step(vtd->qts, RIG_RELEASE_NS);
    vtd_inv_wait(vtd, form);
    if (expect_corruption()) {
        viommu_until(vtd, completions(n, 1) == 3);
    }
    g_assert_true(viommu_is_filled(vtd, page, RIG_ON_DISK, RIG_LEN));
    if (!expect_corruption()) {
        viommu_fill(vtd, page, RIG_REUSED, RIG_LEN);
        qtest_clock_step(vtd->qts, RIG_RELEASE_NS);
        viommu_until(vtd, completions(n, 1) == 3);
        g_assert_true(viommu_is_filled(vtd, page, RIG_REUSED, RIG_LEN));
    }
    vtd_assert_no_fault(vtd);

    g_free(n->pci);
    vtd_stop(vtd);
    unlink(n->image);
    g_free(n->image);
    g_free(n);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_data_func("/viommu/drain/nvme/register",
                        GINT_TO_POINTER(VTD_REGISTER), test_read);
    qtest_add_data_func("/viommu/drain/nvme/queued",
                        GINT_TO_POINTER(VTD_QUEUED), test_read);
    return g_test_run();
}

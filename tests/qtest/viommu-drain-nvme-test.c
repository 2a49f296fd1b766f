/*
 * The drain with a disk that is not virtio: an NVMe read in flight
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "block/nvme.h"
#include "viommu-rig.h"

#define SID             (7 << 3)
#define SPACE_ID        5
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
    Unit *unit;
    UnitSpace *space;
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
    qtest_memwrite(n->unit->qts, sq + n->tail[qid] * sizeof(*cmd), cmd,
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

    while (i < QUEUE_LEN && (qtest_readw(n->unit->qts, cq + i * 16 + 14) & 1)) {
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
    viommu_until(n->unit, completions(n, 0) == before + 1);
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

static Nvme *nvme_new(unsigned form)
{
    Nvme *n = g_new0(Nvme, 1);
    g_autofree char *backend = NULL, *args = NULL;
    Unit *unit;
    int i;

    n->image = rig_make_image();
    backend = rig_backend(n->image, false);
    args = g_strdup_printf("%s -device nvme,id=disk,addr=07.0,serial=x,"
                           "drive=slow", backend);
    n->unit = unit = unit_ops()->start(form, "", args);
    rig_throttle(unit->qts);
    n->gpa = unit_alloc(unit, PAGES);
    n->space = unit->ops->space(unit, form, SPACE_ID);
    for (i = 0; i < PAGES; i++) {
        unit->ops->map(unit, n->space, ADMIN_SQ + i * UNIT_PAGE,
                       n->gpa + i * UNIT_PAGE, UNIT_PAGE, UNIT_RW);
    }
    unit->ops->attach(unit, SID, n->space);
    unit->ops->enable(unit, form);

    n->pci = qpci_device_find(unit->bus, SID);
    g_assert_nonnull(n->pci);
    qpci_device_enable(n->pci);
    n->bar = qpci_iomap(n->pci, 0, NULL);
    qpci_io_writel(n->pci, n->bar, NVME_REG_AQA,
                   (QUEUE_LEN - 1) << 16 | (QUEUE_LEN - 1));
    qpci_io_writeq(n->pci, n->bar, NVME_REG_ASQ, ADMIN_SQ);
    qpci_io_writeq(n->pci, n->bar, NVME_REG_ACQ, ADMIN_CQ);
    qpci_io_writel(n->pci, n->bar, NVME_REG_CC,
                   6 << CC_IOSQES_SHIFT | 4 << CC_IOCQES_SHIFT | 1);
    viommu_until(unit, qpci_io_readl(n->pci, n->bar, NVME_REG_CSTS) & 1);
    create_queue(n, NVME_ADM_CMD_CREATE_CQ, IO_CQ, 1, 0);
    create_queue(n, NVME_ADM_CMD_CREATE_SQ, IO_SQ, 1, 1);

    submit_read(n, SPARE);
    viommu_until(unit, completions(n, 1) == 1);
    g_assert_true(viommu_is_filled(unit, gpa_of(n, SPARE), RIG_ON_DISK,
                                   RIG_LEN));
    return n;
}

static void test_read(const void *opaque)
{
    unsigned form = ((const RigOptions *)opaque)->form;
    Nvme *n = nvme_new(form);
    Unit *unit = n->unit;
    uint64_t page = gpa_of(n, DATA);
    NvmeCmd bad = { .opcode = BAD_OPCODE, .nsid = cpu_to_le32(1) };

    /*
     * The controller takes commands in order, so the refusal of the second
     * says that the first has been mapped.
     */
    submit_read(n, DATA);
    submit(n, 1, &bad);
    viommu_until(unit, completions(n, 1) == 2);
    viommu_turns(unit);
    g_assert_cmpint(completions(n, 1), ==, 2);

    unit_unmap(unit, n->space, DATA);
    unit->ops->inv_start(unit, form, UNIT_SPACE, n->space, 0, 0);
    viommu_turns(unit);
    qtest_clock_step(unit->qts, RIG_SHORT_NS);
    viommu_turns(unit);
    g_assert_cmpint(unit->ops->inv_done(unit, form), ==, expect_corruption());
    if (expect_corruption()) {
        viommu_fill(unit, page, RIG_REUSED, RIG_LEN);
    }
    qtest_clock_step(unit->qts, RIG_RELEASE_NS);
    unit_inv_wait(unit, form);
    if (expect_corruption()) {
        viommu_until(unit, completions(n, 1) == 3);
    }
    g_assert_true(viommu_is_filled(unit, page, RIG_ON_DISK, RIG_LEN));
    if (!expect_corruption()) {
        viommu_fill(unit, page, RIG_REUSED, RIG_LEN);
        qtest_clock_step(unit->qts, RIG_RELEASE_NS);
        viommu_until(unit, completions(n, 1) == 3);
        g_assert_true(viommu_is_filled(unit, page, RIG_REUSED, RIG_LEN));
    }
    unit->ops->assert_no_fault(unit);

    g_free(n->pci);
    g_free(n->space);
    unit->ops->stop(unit);
    unlink(n->image);
    g_free(n->image);
    g_free(n);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    rig_add("drain/nvme", "read", false, test_read);
    return g_test_run();
}

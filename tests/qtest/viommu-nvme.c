/*
 * An NVMe controller behind a vIOMMU, with its queues in guest memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "viommu-nvme.h"

/* With CAP.DSTRD 0 (3.1.3) */
#define DOORBELL(qid, cq)   (0x1000 + ((qid) * 2 + (cq)) * 4)

/* Entries are 64 and 16 bytes. */
#define SQES    6
#define CQES    4

/* The pages, in this order */
static uint64_t sq_offset(int pair)
{
    return pair * 2 * UNIT_PAGE;
}

static uint64_t cq_offset(int pair)
{
    return sq_offset(pair) + UNIT_PAGE;
}

void nvme_submit(Nvme *n, int pair, const NvmeCmd *cmd)
{
    NvmePair *p = &n->pairs[pair];

    qtest_memwrite(n->unit->qts,
                   n->gpa + sq_offset(pair) + p->tail * sizeof(*cmd), cmd,
                   sizeof(*cmd));
    p->tail = (p->tail + 1) % NVME_QUEUE_LEN;
    qpci_io_writel(n->pci, n->bar, DOORBELL(pair, 0), p->tail);
}

bool nvme_take(Nvme *n, int pair, uint16_t *cid, uint16_t *status)
{
    NvmePair *p = &n->pairs[pair];
    NvmeCqe cqe;

    qtest_memread(n->unit->qts,
                  n->gpa + cq_offset(pair) + p->head * sizeof(cqe), &cqe,
                  sizeof(cqe));
    if ((le16_to_cpu(cqe.status) & 1) != p->phase) {
        return false;
    }
    *cid = le16_to_cpu(cqe.cid);
    *status = le16_to_cpu(cqe.status) >> 1;
    p->completed++;
    p->head = (p->head + 1) % NVME_QUEUE_LEN;
    p->phase ^= !p->head;
    qpci_io_writel(n->pci, n->bar, DOORBELL(pair, 1), p->head);
    return true;
}

unsigned nvme_completed(Nvme *n, int pair)
{
    uint16_t cid, status;

    while (nvme_take(n, pair, &cid, &status)) {
        /* The count is all there is to know. */
    }
    return n->pairs[pair].completed;
}

static void create_queue(Nvme *n, uint8_t opcode, uint64_t offset,
                         uint16_t flags, uint16_t cqid)
{
    NvmeCreateSq cmd = {
        .opcode = opcode,
        .prp1 = cpu_to_le64(n->iova + offset),
        .sqid = cpu_to_le16(NVME_IO),
        .qsize = cpu_to_le16(NVME_QUEUE_LEN - 1),
        .sq_flags = cpu_to_le16(flags),
        .cqid = cpu_to_le16(cqid),
    };
    uint16_t cid, status;

    nvme_submit(n, NVME_ADMIN, (NvmeCmd *)&cmd);
    viommu_until(n->unit, nvme_take(n, NVME_ADMIN, &cid, &status));
    g_assert_cmphex(status, ==, NVME_SUCCESS);
}

Nvme *nvme_new(Unit *unit, uint16_t sid, uint64_t gpa, uint64_t iova)
{
    Nvme *n = g_new0(Nvme, 1);

    *n = (Nvme) { .unit = unit, .gpa = gpa, .iova = iova };
    n->pairs[NVME_ADMIN].phase = n->pairs[NVME_IO].phase = true;
    viommu_fill(unit, gpa, 0, NVME_QUEUE_PAGES * UNIT_PAGE);
    n->pci = qpci_device_find(unit->bus, sid);
    g_assert_nonnull(n->pci);
    qpci_device_enable(n->pci);
    n->bar = qpci_iomap(n->pci, 0, NULL);
    qpci_io_writel(n->pci, n->bar, NVME_REG_AQA,
                   (NVME_QUEUE_LEN - 1) << 16 | (NVME_QUEUE_LEN - 1));
    qpci_io_writeq(n->pci, n->bar, NVME_REG_ASQ, iova + sq_offset(NVME_ADMIN));
    qpci_io_writeq(n->pci, n->bar, NVME_REG_ACQ, iova + cq_offset(NVME_ADMIN));
    qpci_io_writel(n->pci, n->bar, NVME_REG_CC,
                   SQES << CC_IOSQES_SHIFT | CQES << CC_IOCQES_SHIFT | 1);
    viommu_until(unit, qpci_io_readl(n->pci, n->bar, NVME_REG_CSTS) & 1);
    create_queue(n, NVME_ADM_CMD_CREATE_CQ, cq_offset(NVME_IO), 1, 0);
    create_queue(n, NVME_ADM_CMD_CREATE_SQ, sq_offset(NVME_IO), 1, NVME_IO);
    return n;
}

void nvme_free(Nvme *n)
{
    g_free(n->pci);
    g_free(n);
}

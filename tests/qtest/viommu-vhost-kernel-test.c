/*
 * The kernel's vhost-vsock and vhost-scsi behind a VT-d unit
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * See viommu-vhost-net-test.c, which has what is true of all of vhost.  Here is
 * that vhost-vsock is told as well, and that vhost-scsi, which cannot be, is
 * refused.
 */
#include "qemu/osdep.h"
#include <linux/vm_sockets.h>
#include "qobject/qdict.h"
#include "viommu-plug.h"
#include "viommu-vring.h"
#include "viommu-vtd.h"

#define SID         (5 << 3)
#define DID         7
#define RX_IOVA     0x20000000ULL
#define CID         3
#define PORT        1234

/* virtio 1.2, 5.10.6: struct virtio_vsock_hdr, little-endian */
typedef struct QEMU_PACKED VsockHeader {
    uint64_t src_cid, dst_cid;
    uint32_t src_port, dst_port, len;
    uint16_t type, op;
    uint32_t flags, buf_alloc, fwd_cnt;
} VsockHeader;

#define VSOCK_OP_REQUEST 1

/* The host calls the guest: that is a message in the receive queue. */
static void see_call(VTD *vtd, VRing *rx, const uint8_t *page)
{
    struct sockaddr_vm addr = {
        .svm_family = AF_VSOCK, .svm_cid = CID, .svm_port = PORT,
    };
    int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_NONBLOCK, 0);
    VsockHeader header;
    uint32_t len;

    g_assert_cmpint(fd, >=, 0);
    vring_put(rx, RX_IOVA, VTD_PAGE_SIZE, true);
    vring_kick(rx);
    g_assert_cmpint(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), ==,
                    -1);
    g_assert_cmpint(errno, ==, EINPROGRESS);
    do {
        viommu_until(vtd, vring_take(rx, &len));
        memcpy(&header, page, sizeof(header));
        if (header.op != VSOCK_OP_REQUEST) {
            /* The end of the last call */
            vring_put(rx, RX_IOVA, VTD_PAGE_SIZE, true);
            vring_kick(rx);
        }
    } while (header.op != VSOCK_OP_REQUEST);
    g_assert_cmpuint(len, ==, sizeof(header));
    g_assert_cmpuint(header.src_cid, ==, VMADDR_CID_HOST);
    g_assert_cmpuint(header.dst_cid, ==, CID);
    g_assert_cmpuint(header.dst_port, ==, PORT);
    close(fd);
}

static void test_vsock(void)
{
    VMem *mem = vmem_new();
    g_autofree char *args = vmem_args(mem);
    VTD *vtd = vtd_start("", "%s -device vhost-vsock-pci,guest-cid=%d,addr=5,"
                         "iommu_platform=on", args, CID);
    QVirtioPCIDevice *pci;
    VRing ring[3];
    uint64_t gpa[3], page[2];
    VTDDomain dom;
    int i;

    vtd_domain_init(vtd, &dom, DID, 3);
    vtd_attach(vtd, SID, &dom, VTD_TT_UNTRANSLATED);
    for (i = 0; i < 3; i++) {
        gpa[i] = vtd_alloc(vtd, 1);
        vtd_map(vtd, &dom, gpa[i], gpa[i], 1, VTD_PTE_RW);
    }
    page[0] = vtd_alloc(vtd, 1);
    page[1] = vtd_alloc(vtd, 1);
    vtd_enable(vtd, VTD_QUEUED);
    pci = vring_device(&vtd->unit, SID, 0);
    for (i = 0; i < 3; i++) {
        vring_setup(&ring[i], pci, i, mem->host + gpa[i], gpa[i]);
    }
    qvirtio_set_driver_ok(&pci->vdev);

    for (i = 0; i < 4; i++) {
        uint64_t now = page[i & 1], old = page[!(i & 1)];

        vtd_map(vtd, &dom, RX_IOVA, now, 1, VTD_PTE_RW);
        vtd_inv_iotlb(vtd, VTD_QUEUED, VTD_PAGE, DID, RX_IOVA, 0);
        viommu_fill(vtd, old, 0xa5, VTD_PAGE_SIZE);
        see_call(vtd, &ring[0], mem->host + now);
        g_assert_true(viommu_is_filled(vtd, old, 0xa5, VTD_PAGE_SIZE));
    }
    vtd_assert_no_fault(vtd);
    vring_device_free(pci);
    vtd_stop(vtd);
    vmem_free(mem);
}

static void test_scsi(void)
{
    VTD *vtd = vtd_start("", PLUG_PORT_ARGS);
    QDict *answer = qtest_qmp(vtd->qts,
        "{'execute': 'device_add', 'arguments': {"
        " 'driver': 'vhost-scsi-pci', 'id': 'scsi', 'bus': 'rp',"
        " 'wwpn': 'naa.5001405000000001', 'iommu_platform': true,"
        " 'disable-legacy': 'on'}}");
    QDict *error = qdict_get_qdict(answer, "error");

    g_assert_nonnull(error);
    g_assert_nonnull(strstr(qdict_get_str(error, "desc"),
                            "iommu_platform=true is not supported"));
    qobject_unref(answer);
    vtd_stop(vtd);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("/viommu/vhost-vsock/remap", test_vsock);
    qtest_add_func("/viommu/vhost-scsi/refused", test_scsi);
    return g_test_run();
}

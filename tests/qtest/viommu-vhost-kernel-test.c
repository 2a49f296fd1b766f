/*
 * The kernel's vhost-vsock and vhost-scsi behind a vIOMMU
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

#define SID         (5 << 3)
#define SPACE_ID    7
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
static void see_call(Unit *unit, VRing *rx, const uint8_t *page)
{
    struct sockaddr_vm addr = {
        .svm_family = AF_VSOCK, .svm_cid = CID, .svm_port = PORT,
    };
    int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_NONBLOCK, 0);
    VsockHeader header;
    uint32_t len;

    g_assert_cmpint(fd, >=, 0);
    vring_put(rx, RX_IOVA, UNIT_PAGE, true);
    vring_kick(rx);
    g_assert_cmpint(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), ==,
                    -1);
    g_assert_cmpint(errno, ==, EINPROGRESS);
    do {
        viommu_until(unit, vring_take(rx, &len));
        memcpy(&header, page, sizeof(header));
        if (header.op != VSOCK_OP_REQUEST) {
            /* The end of the last call */
            vring_put(rx, RX_IOVA, UNIT_PAGE, true);
            vring_kick(rx);
        }
    } while (header.op != VSOCK_OP_REQUEST);
    g_assert_cmpuint(len, ==, sizeof(header));
    g_assert_cmpuint(header.src_cid, ==, VMADDR_CID_HOST);
    g_assert_cmpuint(header.dst_cid, ==, CID);
    g_assert_cmpuint(header.dst_port, ==, PORT);
    close(fd);
}

static void test_vsock(const void *opaque)
{
    unsigned form = *(const unsigned *)opaque;
    VMem *mem = vmem_new(unit_ops()->ram);
    g_autofree char *memory = vmem_args(mem);
    g_autofree char *args = g_strdup_printf(
        "%s -device vhost-vsock-pci,guest-cid=%d,addr=5,iommu_platform=on",
        memory, CID);
    Unit *unit = unit_ops()->start(form, "", args);
    g_autofree UnitSpace *space = unit->ops->space(unit, form, SPACE_ID);
    QVirtioPCIDevice *pci;
    VRing ring[3];
    uint64_t gpa[3], page[2];
    int i;

    unit->ops->attach(unit, SID, space);
    for (i = 0; i < 3; i++) {
        gpa[i] = unit_alloc(unit, 1);
        unit->ops->map(unit, space, gpa[i], gpa[i], UNIT_PAGE, UNIT_RW);
    }
    page[0] = unit_alloc(unit, 1);
    page[1] = unit_alloc(unit, 1);
    unit->ops->enable(unit, form);
    pci = vring_device(unit, SID, 0);
    for (i = 0; i < 3; i++) {
        vring_setup(&ring[i], pci, i, vmem_at(mem, gpa[i]), gpa[i]);
    }
    qvirtio_set_driver_ok(&pci->vdev);

    for (i = 0; i < 4; i++) {
        uint64_t now = page[i & 1], old = page[!(i & 1)];

        unit->ops->map(unit, space, RX_IOVA, now, UNIT_PAGE, UNIT_RW);
        unit_inv(unit, form, i < 2 ? UNIT_RANGE : UNIT_ALL, space,
                 i < 2 ? RX_IOVA : 0, 0);
        viommu_fill(unit, old, 0xa5, UNIT_PAGE);
        see_call(unit, &ring[0], vmem_at(mem, now));
        g_assert_true(viommu_is_filled(unit, old, 0xa5, UNIT_PAGE));
    }
    unit->ops->assert_no_fault(unit);
    vring_device_free(pci);
    unit->ops->stop(unit);
    vmem_free(mem);
}

static void test_scsi(void)
{
    Unit *unit = unit_ops()->start(unit_ops()->queue_form, "",
                                   PLUG_PORT_ARGS);
    QDict *answer = qtest_qmp(unit->qts,
        "{'execute': 'device_add', 'arguments': {"
        " 'driver': 'vhost-scsi-pci', 'id': 'scsi', 'bus': 'rp',"
        " 'wwpn': 'naa.5001405000000001', 'iommu_platform': true,"
        " 'disable-legacy': 'on'}}");
    QDict *error = qdict_get_qdict(answer, "error");

    g_assert_nonnull(error);
    g_assert_nonnull(strstr(qdict_get_str(error, "desc"),
                            "iommu_platform=true is not supported"));
    qobject_unref(answer);
    unit->ops->stop(unit);
}

int main(int argc, char **argv)
{
    const char *const *forms = unit_ops()->forms;
    unsigned i;

    g_test_init(&argc, &argv, NULL);
    for (i = 0; forms[i]; i++) {
        g_autofree char *path = g_strdup_printf("/viommu/vhost-vsock/remap/%s",
                                                forms[i]);

        qtest_add_data_func_full(path, g_memdup2(&i, sizeof(i)), test_vsock,
                                 g_free);
    }
    qtest_add_func("/viommu/vhost-scsi/refused", test_scsi);
    return g_test_run();
}

/*
 * A driver that is offered VIRTIO_F_ACCESS_PLATFORM and does not want it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * It gets neither FEATURES_OK nor DRIVER_OK (virtio 1.2, 2.1, 3.1.1 and 6.2),
 * and whatever it does, the device does not touch memory.
 */
#include "qemu/osdep.h"
#include "standard-headers/linux/pci_regs.h"
#include "standard-headers/linux/virtio_config.h"
#include "standard-headers/linux/virtio_ring.h"
#include "viommu-policy-rig.h"

#define V1              (1ULL << VIRTIO_F_VERSION_1)
#define ACCESS          (1ULL << VIRTIO_F_ACCESS_PLATFORM)
#define EVENT_IDX       (1ULL << VIRTIO_RING_F_EVENT_IDX)
#define DEVFN           (5 << 3)
#define ACK_DRIVER      (VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER)

/* The ring page, as policy_ring() lays it out */
#define AVAIL           0x200
#define USED            0x400
#define REQUEST         0x800
#define ANSWER          0x900
#define RESULT          0xa00
#define GET_ID          8
#define SERIAL          "0123456789"

typedef struct Disk {
    PolicyRig *rig;
    QVirtioPCIDevice *dev;
    uint64_t page;
} Disk;

static void disk_start(Disk *d, const void *opaque, const char *policy,
                       const char *more)
{
    g_autofree char *args = g_strdup_printf(
        "-blockdev null-co,node-name=node0,size=65536 "
        "-device virtio-blk-pci,drive=node0,addr=5.0,disable-legacy=on,"
        "serial=" SERIAL "%s", more);

    d->rig = policy_start(*(const PolicyModel *)opaque, policy, "", args);
    d->dev = policy_device(d->rig, DEVFN);
    d->page = policy_alloc(d->rig, 1);
}

static void disk_stop(Disk *d)
{
    policy_device_free(d->dev);
    policy_stop(d->rig);
}

static void put_desc(Disk *d, unsigned i, uint64_t addr, uint32_t len,
                     uint16_t flags)
{
    uint64_t at = d->page + i * sizeof(struct vring_desc);

    qtest_writeq(d->rig->qts, at, addr);
    qtest_writel(d->rig->qts, at + 8, len);
    qtest_writew(d->rig->qts, at + 12, flags);
    qtest_writew(d->rig->qts, at + 14, i + 1);
}

/* A request for the serial number is in the ring; everything else is 0. */
static void disk_request(Disk *d)
{
    QTestState *qts = d->rig->qts;

    qtest_memset(qts, d->page, 0, VTD_PAGE_SIZE);
    qtest_writel(qts, d->page + REQUEST, GET_ID);
    qtest_writeb(qts, d->page + RESULT, 0xff);
    put_desc(d, 0, d->page + REQUEST, 16, VRING_DESC_F_NEXT);
    put_desc(d, 1, d->page + ANSWER, 20,
             VRING_DESC_F_NEXT | VRING_DESC_F_WRITE);
    put_desc(d, 2, d->page + RESULT, 1, VRING_DESC_F_WRITE);
    qtest_writew(qts, d->page + AVAIL + 2, 1);
    policy_ring(d->dev, 0, d->page);
}

static uint8_t status(Disk *d)
{
    return d->dev->vdev.bus->get_status(&d->dev->vdev);
}

static void set_status(Disk *d, uint8_t value)
{
    d->dev->vdev.bus->set_status(&d->dev->vdev, value);
}

static void set_features(Disk *d, uint64_t features)
{
    policy_set_features(d->dev, features);
}

static bool answered(Disk *d, unsigned n)
{
    g_autofree char *id = g_malloc0(21);

    qtest_memread(d->rig->qts, d->page + ANSWER, id, 20);
    return g_str_equal(id, SERIAL) &&
           qtest_readb(d->rig->qts, d->page + RESULT) == 0 &&
           qtest_readw(d->rig->qts, d->page + USED + 2) == n;
}

/* Until @n requests are done */
static void disk_wait(Disk *d, unsigned n)
{
    int tries = 0;

    while (!answered(d, n)) {
        g_assert_cmpint(tries++, <, VIOMMU_TRIES);
        g_usleep(500);
    }
}

/* Kicks bring about nothing: memory is as it was. */
static void assert_hands_off(Disk *d)
{
    g_autofree uint8_t *before = g_malloc(VTD_PAGE_SIZE);
    g_autofree uint8_t *after = g_malloc(VTD_PAGE_SIZE);

    qtest_memread(d->rig->qts, d->page, before, VTD_PAGE_SIZE);
    policy_kick(d->dev, 0);
    g_assert_false(policy_objects(d->rig, d->dev));
    qtest_memread(d->rig->qts, d->page, after, VTD_PAGE_SIZE);
    g_assert_cmpmem(before, VTD_PAGE_SIZE, after, VTD_PAGE_SIZE);
    if (d->rig->vtd) {
        vtd_assert_no_fault(d->rig->vtd);
    }
}

static void assert_works(Disk *d)
{
    disk_request(d);
    set_status(d, status(d) | VIRTIO_CONFIG_S_DRIVER_OK);
    g_assert_true(status(d) & VIRTIO_CONFIG_S_DRIVER_OK);
    policy_kick(d->dev, 0);
    disk_wait(d, 1);
}

/* The driver knows virtio 1.x and nothing of the platform. */
static void test_refuses(const void *opaque)
{
    Disk d;

    disk_start(&d, opaque, "translate", "");
    policy_begin(d.dev);
    g_assert_true(policy_offers(d.dev));
    g_assert_false(policy_accept(d.dev, V1 | EVENT_IDX));
    disk_request(&d);
    assert_hands_off(&d);
    /* It goes on all the same. */
    set_status(&d, ACK_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK |
                   VIRTIO_CONFIG_S_DRIVER_OK);
    g_assert_cmphex(status(&d), ==, ACK_DRIVER);
    assert_hands_off(&d);
    set_status(&d, ACK_DRIVER | VIRTIO_CONFIG_S_DRIVER_OK);
    g_assert_cmphex(status(&d), ==, ACK_DRIVER);
    assert_hands_off(&d);
    disk_stop(&d);
}

/* The driver does not even know virtio 1.x. */
static void test_old(const void *opaque)
{
    Disk d;

    disk_start(&d, opaque, "translate", "");
    policy_begin(d.dev);
    g_assert_false(policy_accept(d.dev, 0));
    disk_request(&d);
    assert_hands_off(&d);
    set_status(&d, ACK_DRIVER | VIRTIO_CONFIG_S_DRIVER_OK);
    g_assert_cmphex(status(&d), ==, ACK_DRIVER);
    assert_hands_off(&d);
    disk_stop(&d);
}

/* Nothing was negotiated at all. */
static void test_never(const void *opaque)
{
    Disk d;

    disk_start(&d, opaque, "translate", "");
    disk_request(&d);
    assert_hands_off(&d);
    policy_begin(d.dev);
    set_features(&d, V1 | ACCESS);
    disk_request(&d);
    assert_hands_off(&d);
    disk_stop(&d);
}

static void test_accepts(const void *opaque)
{
    Disk d;

    disk_start(&d, opaque, "translate", "");
    policy_begin(d.dev);
    g_assert_true(policy_accept(d.dev, V1 | ACCESS));
    assert_works(&d);
    disk_stop(&d);
}

/* Refused first; the driver thinks better of it. */
static void test_late(const void *opaque)
{
    Disk d;

    disk_start(&d, opaque, "translate", "");
    policy_begin(d.dev);
    g_assert_false(policy_accept(d.dev, V1));
    disk_request(&d);
    assert_hands_off(&d);
    g_assert_true(policy_accept(d.dev, V1 | ACCESS));
    assert_works(&d);
    disk_stop(&d);
}

/* Another driver takes over after a reset, both ways round. */
static void test_again(const void *opaque)
{
    Disk d;
    int i;

    disk_start(&d, opaque, "translate", "");
    for (i = 0; i < 2; i++) {
        policy_begin(d.dev);
        g_assert_true(policy_accept(d.dev, V1 | ACCESS));
        assert_works(&d);
        policy_begin(d.dev);
        g_assert_false(policy_accept(d.dev, V1));
        disk_request(&d);
        assert_hands_off(&d);
    }
    disk_stop(&d);
}

/* While it runs the driver goes back on its word. */
static void test_withdraws(const void *opaque)
{
    Disk d;

    disk_start(&d, opaque, "translate", "");
    policy_begin(d.dev);
    g_assert_true(policy_accept(d.dev, V1 | ACCESS));
    assert_works(&d);
    set_status(&d, ACK_DRIVER);
    set_features(&d, V1);
    disk_request(&d);
    /* The second request is the first one's descriptors again. */
    qtest_writew(d.rig->qts, d.page + AVAIL + 2, 2);
    assert_hands_off(&d);
    set_status(&d, ACK_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK |
                   VIRTIO_CONFIG_S_DRIVER_OK);
    g_assert_cmphex(status(&d), ==, ACK_DRIVER);
    assert_hands_off(&d);
    disk_stop(&d);
}

/* After a reset of the machine everything is to be agreed anew. */
static void test_system_reset(const void *opaque)
{
    Disk d;

    disk_start(&d, opaque, "translate", "");
    policy_begin(d.dev);
    g_assert_true(policy_accept(d.dev, V1 | ACCESS));
    assert_works(&d);
    qtest_system_reset(d.rig->qts);
    policy_device_free(d.dev);
    d.dev = policy_device(d.rig, DEVFN);
    g_assert_cmphex(status(&d), ==, 0);
    disk_request(&d);
    assert_hands_off(&d);
    policy_begin(d.dev);
    g_assert_true(policy_accept(d.dev, V1 | ACCESS));
    assert_works(&d);
    disk_stop(&d);
}

/* Without the bit, a driver of any age uses guest-physical addresses. */
static void test_clear(const void *opaque)
{
    Disk d;

    disk_start(&d, opaque, "bypass", "");
    policy_block(d.rig, true);
    policy_begin(d.dev);
    g_assert_false(policy_offers(d.dev));
    g_assert_true(policy_accept(d.dev, V1));
    assert_works(&d);
    policy_begin(d.dev);
    /* Accepting what is not offered does not help to be translated. */
    policy_accept(d.dev, V1 | ACCESS);
    assert_works(&d);
    disk_stop(&d);
}

/* A transitional device that bypasses serves legacy drivers as ever. */
static void test_transitional(const void *opaque)
{
    Disk d;

    disk_start(&d, opaque, "bypass", ",disable-legacy=off");
    g_assert_cmphex(qpci_config_readw(d.dev->pdev, PCI_DEVICE_ID), <, 0x1040);
    policy_begin(d.dev);
    g_assert_false(policy_offers(d.dev));
    g_assert_true(policy_accept(d.dev, V1));
    assert_works(&d);
    disk_stop(&d);
}

/* The other controller, which is reset; whoever resets one drains all disks. */
#define SCSI_DEVFN      (6 << 3)

static QVirtioPCIDevice *scsi_start(Disk *d)
{
    QVirtioPCIDevice *scsi = policy_device(d->rig, SCSI_DEVFN);
    const QVirtioBus *bus = scsi->vdev.bus;

    policy_begin(scsi);
    g_assert_true(policy_accept(scsi, V1 | ACCESS));
    bus->set_status(&scsi->vdev, bus->get_status(&scsi->vdev) |
                                 VIRTIO_CONFIG_S_DRIVER_OK);
    return scsi;
}

/*
 * Firmware used a disk and left it; the guest turns translation on, and resets
 * another controller, or the operator stops the machine for a while.  Nobody
 * notified the disk: it leaves its ring alone.
 */
static void test_left(const void *opaque)
{
    QVirtioPCIDevice *scsi;
    Disk d;

    disk_start(&d, opaque, "translate",
               " -device virtio-scsi-pci,addr=6.0,disable-legacy=on");
    scsi = scsi_start(&d);
    policy_begin(d.dev);
    g_assert_true(policy_accept(d.dev, V1 | ACCESS));
    assert_works(&d);
    /* The notification may have come when the request was done already. */
    g_assert_false(policy_objects(d.rig, d.dev));
    policy_block(d.rig, true);
    qvirtio_reset(&scsi->vdev);
    g_assert_false(policy_objects(d.rig, d.dev));
    qtest_qmp_assert_success(d.rig->qts, "{'execute': 'stop'}");
    qtest_qmp_assert_success(d.rig->qts, "{'execute': 'cont'}");
    g_assert_false(policy_objects(d.rig, d.dev));
    if (d.rig->vtd) {
        vtd_assert_no_fault(d.rig->vtd);
    }
    /* It is alive: a notification is heard. */
    policy_block(d.rig, false);
    qtest_writeb(d.rig->qts, d.page + RESULT, 0xff);
    qtest_writew(d.rig->qts, d.page + AVAIL + 2, 2);
    policy_kick(d.dev, 0);
    disk_wait(&d, 2);
    /* And what comes while nobody looks is seen when the machine goes on. */
    qtest_qmp_assert_success(d.rig->qts, "{'execute': 'stop'}");
    qtest_writew(d.rig->qts, d.page + AVAIL + 2, 3);
    qtest_qmp_assert_success(d.rig->qts, "{'execute': 'cont'}");
    disk_wait(&d, 3);
    policy_device_free(scsi);
    disk_stop(&d);
}

int main(int argc, char **argv)
{
    static PolicyModel models[POLICY_MODELS];
    static const struct {
        const char *name;
        void (*test)(const void *opaque);
    } tests[] = {
        { "refuses", test_refuses },
        { "old", test_old },
        { "never", test_never },
        { "accepts", test_accepts },
        { "late", test_late },
        { "again", test_again },
        { "withdraws", test_withdraws },
        { "system-reset", test_system_reset },
        { "clear", test_clear },
        { "transitional", test_transitional },
        { "left", test_left },
    };
    unsigned i, j, n;

    g_test_init(&argc, &argv, NULL);
    n = policy_models(models);
    for (i = 0; i < n; i++) {
        for (j = 0; j < G_N_ELEMENTS(tests); j++) {
            g_autofree char *path =
                g_strdup_printf("/viommu/policy/negotiate/%s/%s",
                                policy_model_name(models[i]), tests[j].name);

            qtest_add_data_func(path, &models[i], tests[j].test);
        }
    }
    return g_test_run();
}

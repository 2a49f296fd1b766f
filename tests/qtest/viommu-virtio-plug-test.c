/*
 * virtio-iommu: a bridge to a conventional bus that comes and goes, with
 * functions behind it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * They make their requests as one endpoint, and each one's ID is another name
 * of that (docs/system/virtio-iommu.rst).  Which IDs those are changes with
 * what is plugged, and with the numbers that the guest gives to buses.
 */
#include "qemu/osdep.h"
#include "standard-headers/linux/pci_regs.h"
#include "viommu-edu.h"
#include "viommu-plug.h"
#include "viommu-virtio.h"

#define PORT_BUS    1
#define BUS         2                    /* behind the bridge */
#define OTHER_BUS   5
#define ALIAS(bus)  ((bus) << 8)
#define EDU(bus)    (ALIAS(bus) | 1 << 3)
#define CARD(bus)   (ALIAS(bus) | 2 << 3)
#define NOBODY(bus) (ALIAS(bus) | 3 << 3)

#define DOMAIN      7
#define IOVA        0x10000000ull
#define RW          (VIO_MAP_F_R | VIO_MAP_F_W)
#define MARK        0x5a
#define BLANK       0x11
#define LEN         64
#define R_DOMAIN    1                    /* 5.13.6.9 */

/* The bridge's hot-plug controller: where a command goes, and one of them */
#define SHPC_COMMAND    0x14
#define SHPC_SLOT_OFF   0x3f             /* disabled, both indicators off */

typedef struct Slot {
    VIO *vio;
    QPCIDevice *port, *bridge;
    QPCIBar shpc;            /* the bridge's */
    Edu *edu;
    uint64_t mem;            /* a page, which DOMAIN has at IOVA */
} Slot;

static void slot_assert_attach(Slot *s, uint32_t id, uint8_t status)
{
    g_assert_cmphex(vio_wait(s->vio, vio_put_attach(s->vio, DOMAIN, id, 0)),
                    ==, status);
}

static void slot_assert_detach(Slot *s, uint32_t id, uint8_t status)
{
    g_assert_cmphex(vio_wait(s->vio, vio_put_detach(s->vio, DOMAIN, id)), ==,
                    status);
}

/* Neither the bus's own ID nor that of any function on it */
static void slot_assert_nobody(Slot *s, uint8_t bus)
{
    slot_assert_attach(s, ALIAS(bus), VIO_S_NOENT);
    slot_assert_attach(s, EDU(bus), VIO_S_NOENT);
    slot_assert_attach(s, CARD(bus), VIO_S_NOENT);
}

static void slot_map(Slot *s)
{
    unsigned put = vio_put_map(s->vio, DOMAIN, IOVA, IOVA + UNIT_PAGE - 1,
                               s->mem, RW);

    g_assert_cmphex(vio_wait(s->vio, put), ==, VIO_S_OK);
}

/* The slot is empty.  Who is attached to nothing has no DMA. */
static Slot *slot_new(void)
{
    Slot *s = g_new0(Slot, 1);

    s->vio = vio_start("", PLUG_PORT_ARGS);
    vio_setup(s->vio, VIO_ALL_FEATURES);
    s->vio->transport->set_config(s->vio, VIO_CONFIG_BYPASS, 0);
    s->mem = unit_alloc(&s->vio->unit, 1);
    return s;
}

static void slot_close(Slot *s)
{
    if (s->edu) {
        edu_free(s->edu);
    }
    g_free(s->bridge);
    g_free(s->port);
}

static void slot_free(Slot *s)
{
    slot_close(s);
    vio_stop(s->vio);
    g_free(s);
}

static void slot_add_edu(Slot *s)
{
    qtest_qmp_device_add(s->vio->qts, "edu", "edu", "{'bus': 'bridge',"
                         " 'addr': '1', 'dma_mask': %u}", UINT32_MAX);
}

/* The operator puts a bridge into the slot, and two functions behind it. */
static void slot_fill(Slot *s)
{
    qtest_qmp_device_add(s->vio->qts, "pcie-pci-bridge", "bridge",
                         "{'bus': 'rp'}");
    slot_add_edu(s);
    qtest_qmp_device_add(s->vio->qts, "pci-testdev", "card",
                         "{'bus': 'bridge', 'addr': '2'}");
}

/* The guest finds them, and gives the bus this number. */
static void slot_open(Slot *s, uint8_t bus)
{
    slot_close(s);
    s->port = unit_open_bridge(&s->vio->unit, PLUG_PORT, PORT_BUS);
    plug_power(s->port);
    qpci_config_writeb(s->port, PCI_SUBORDINATE_BUS, bus);
    /* What is behind the bridge, and after that its own */
    qpci_config_writew(s->port, PCI_MEMORY_LIMIT,
                       qpci_config_readw(s->port, PCI_MEMORY_BASE) + 0x10);
    s->bridge = unit_open_bridge(&s->vio->unit, PORT_BUS << 8, bus);
    s->edu = edu_new(&s->vio->unit, EDU(bus));
    s->shpc = qpci_iomap(s->bridge, 0, NULL);
}

/* The operator takes the function away, and the guest turns its slot off. */
static void slot_del_edu(Slot *s)
{
    unsigned slot = EDU(BUS) >> 3 & 0x1f;

    qtest_qmp_device_del_send(s->vio->qts, "edu");
    qpci_io_writew(s->bridge, s->shpc, SHPC_COMMAND, SHPC_SLOT_OFF | slot << 8);
    qtest_qmp_eventwait(s->vio->qts, "DEVICE_DELETED");
}

/* Does DMA of the function reach the page, both ways? */
static bool slot_dma(Slot *s)
{
    viommu_fill(s->vio, s->mem, MARK, LEN);
    edu_load(s->edu, IOVA, LEN);
    viommu_fill(s->vio, s->mem, BLANK, LEN);
    edu_store(s->edu, IOVA, LEN);
    return viommu_is_filled(s->vio, s->mem, MARK, LEN);
}

/* It does not, and whose it was is said by the name that requests have. */
static void slot_assert_blocked(Slot *s, uint8_t bus)
{
    VIOFault fault;
    unsigned n = 0;

    g_assert_false(slot_dma(s));
    for (; vio_fault_take(s->vio, &fault); n++) {
        g_assert_cmphex(fault.reason, ==, R_DOMAIN);
        g_assert_cmphex(fault.endpoint, ==, ALIAS(bus));
    }
    g_assert_cmpuint(n, >, 0);
}

/* Any of the names attaches all of them, and they go with the bridge. */
static void test_comes(void)
{
    Slot *s = slot_new();

    slot_assert_nobody(s, BUS);
    for (unsigned i = 0; i < 2; i++) {
        slot_fill(s);
        /* Until buses have numbers nobody has an ID. */
        slot_assert_nobody(s, BUS);
        slot_open(s, BUS);
        slot_assert_blocked(s, BUS);
        slot_assert_attach(s, NOBODY(BUS), VIO_S_NOENT);
        slot_assert_attach(s, i ? CARD(BUS) : EDU(BUS), VIO_S_OK);
        slot_map(s);
        g_assert_true(slot_dma(s));
        g_assert_cmpuint(vio_register(s->vio, "domains"), ==, 1);
        plug_pull(&s->vio->unit, s->port, "bridge");
        slot_assert_nobody(s, BUS);
        slot_assert_detach(s, EDU(BUS), VIO_S_NOENT);
        /* The driver gives back what it has attached. */
        slot_assert_detach(s, ALIAS(BUS), VIO_S_OK);
        g_assert_cmpuint(vio_register(s->vio, "domains"), ==, 0);
    }
    slot_free(s);
}

/* A function comes and goes alone: its name is its own, the endpoint is not. */
static void test_behind(void)
{
    Slot *s = slot_new();

    slot_fill(s);
    slot_open(s, BUS);
    slot_assert_attach(s, CARD(BUS), VIO_S_OK);
    slot_map(s);
    g_assert_true(slot_dma(s));
    slot_del_edu(s);
    slot_assert_attach(s, EDU(BUS), VIO_S_NOENT);
    slot_assert_attach(s, ALIAS(BUS), VIO_S_OK);
    slot_assert_attach(s, CARD(BUS), VIO_S_OK);
    slot_add_edu(s);
    slot_open(s, BUS);
    slot_assert_attach(s, EDU(BUS), VIO_S_OK);
    g_assert_true(slot_dma(s));
    slot_assert_detach(s, EDU(BUS), VIO_S_OK);
    slot_assert_blocked(s, BUS);
    slot_free(s);
}

/* With another number all have other IDs, and nobody is attached by those. */
static void test_number(void)
{
    Slot *s = slot_new();

    slot_fill(s);
    slot_open(s, BUS);
    slot_assert_attach(s, EDU(BUS), VIO_S_OK);
    slot_map(s);
    slot_open(s, OTHER_BUS);
    slot_assert_attach(s, EDU(BUS), VIO_S_NOENT);
    slot_assert_blocked(s, OTHER_BUS);
    slot_assert_attach(s, EDU(OTHER_BUS), VIO_S_OK);
    g_assert_true(slot_dma(s));
    slot_open(s, BUS);
    slot_assert_attach(s, EDU(OTHER_BUS), VIO_S_NOENT);
    g_assert_true(slot_dma(s));
    slot_free(s);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("/viommu/virtio/plug/comes", test_comes);
    qtest_add_func("/viommu/virtio/plug/behind", test_behind);
    qtest_add_func("/viommu/virtio/plug/number", test_number);
    return g_test_run();
}

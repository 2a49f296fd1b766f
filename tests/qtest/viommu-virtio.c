/*
 * A virtio-iommu as a test drives it: requests, faults, its config space
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "libqos/pci-pc.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "qobject/qnum.h"
#include "standard-headers/linux/virtio_config.h"
#include "standard-headers/linux/virtio_pci.h"
#include "standard-headers/linux/virtio_ring.h"
#include "viommu-virtio.h"

/* Below it: what firmware would use. */
#define FIRST_FREE      0x100000

/* A queue's page */
#define RING_SIZE       64
#define AVAIL_OFF       0x400
#define USED_OFF        0x600

/* A request's slot: what is readable, then what is writable */
#define SLOT_SIZE       128
#define ANSWER_OFF      96

#define EVENTS          16
#define EVENT_SIZE      24

char *vio_machine(const char *props)
{
    return g_strdup_printf("-machine q35 -m 2G -nodefaults "
        "-global ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off "
        "-device virtio-iommu-pci,addr=1e.0,disable-legacy=on%s%s",
        *props ? "," : "", props);
}

static void vio_alloc(VIO *vio)
{
    vio->requests.gpa = unit_alloc(&vio->unit, 1);
    vio->events.gpa = unit_alloc(&vio->unit, 1);
    vio->buffers = unit_alloc(&vio->unit, VIO_SLOTS * SLOT_SIZE / UNIT_PAGE);
    vio->event_buffers = unit_alloc(&vio->unit, 1);
    vio->big = unit_alloc(&vio->unit, 1);
}

VIO *vio_start(const char *props, const char *args)
{
    VIO *vio = g_new0(VIO, 1);
    g_autofree char *machine = vio_machine(props);

    vio->qts = qtest_initf("%s %s", machine, args);
    vio->bus = qpci_new_pc(vio->qts, NULL);
    vio->next = FIRST_FREE;
    vio->attachments = g_array_new(false, false, sizeof(VIOAttachment));
    vio_alloc(vio);
    return vio;
}

VIO *vio_adopt(const VIO *from, QTestState *qts)
{
    VIO *vio = g_new0(VIO, 1);

    *vio = *from;
    vio->qts = qts;
    vio->bus = qpci_new_pc(qts, NULL);
    vio->attachments = g_array_copy(from->attachments);
    if (from->pci) {
        /* The BAR is where it was. */
        vio->pci = g_memdup2(from->pci, sizeof(*from->pci));
        vio->pci->pdev = g_memdup2(from->pci->pdev, sizeof(*from->pci->pdev));
        vio->pci->pdev->bus = vio->bus;
    }
    return vio;
}

void vio_forget(VIO *vio)
{
    if (vio->pci) {
        g_free(vio->pci->pdev);
        g_free(vio->pci);
        vio->pci = NULL;
    }
    memset(vio->slots, 0, sizeof(vio->slots));
    vio->on = false;
}

void vio_stop(VIO *vio)
{
    vio_forget(vio);
    g_array_free(vio->attachments, true);
    qpci_free_pc(vio->bus);
    qtest_quit(vio->qts);
    g_free(vio);
}

/* The driver's side of the transport */

#define COMMON(field) \
    (vio->pci->common_cfg_offset + \
     offsetof(struct virtio_pci_common_cfg, field))

static void write_address(VIO *vio, uint64_t reg, uint64_t gpa)
{
    qpci_io_writel(vio->pci->pdev, vio->pci->bar, reg, gpa);
    qpci_io_writel(vio->pci->pdev, vio->pci->bar, reg + 4, gpa >> 32);
}

static void start_queue(VIO *vio, VIOQueue *q, unsigned index)
{
    QPCIDevice *dev = vio->pci->pdev;
    QPCIBar bar = vio->pci->bar;

    qtest_memset(vio->qts, q->gpa, 0, UNIT_PAGE);
    q->avail = q->seen = 0;
    qpci_io_writew(dev, bar, COMMON(queue_select), index);
    qpci_io_writew(dev, bar, COMMON(queue_size), RING_SIZE);
    write_address(vio, COMMON(queue_desc_lo), q->gpa);
    write_address(vio, COMMON(queue_avail_lo), q->gpa + AVAIL_OFF);
    write_address(vio, COMMON(queue_used_lo), q->gpa + USED_OFF);
    q->notify = vio->pci->notify_cfg_offset +
                qpci_io_readw(dev, bar, COMMON(queue_notify_off)) *
                vio->pci->notify_off_multiplier;
    qpci_io_writew(dev, bar, COMMON(queue_enable), 1);
}

static void put_desc(VIO *vio, VIOQueue *q, unsigned index, uint64_t gpa,
                     uint32_t len, uint16_t flags, unsigned next)
{
    struct vring_desc desc = {
        .addr = cpu_to_le64(gpa),
        .len = cpu_to_le32(len),
        .flags = cpu_to_le16(flags),
        .next = cpu_to_le16(next),
    };

    qtest_memwrite(vio->qts, q->gpa + index * sizeof(desc), &desc,
                   sizeof(desc));
}

static void announce(VIO *vio, VIOQueue *q, unsigned head)
{
    qtest_writew(vio->qts, q->gpa + AVAIL_OFF + 4 + q->avail % RING_SIZE * 2,
                 head);
    q->avail++;
    qtest_writew(vio->qts, q->gpa + AVAIL_OFF + 2, q->avail);
}

/* Returns: false if nothing has come back that was not seen yet. */
static bool take_used(VIO *vio, VIOQueue *q, uint32_t *head, uint32_t *len)
{
    uint64_t used = q->gpa + USED_OFF;

    if (qtest_readw(vio->qts, used + 2) == q->seen) {
        return false;
    }
    used += 4 + q->seen++ % RING_SIZE * 8;
    *head = qtest_readl(vio->qts, used);
    *len = qtest_readl(vio->qts, used + 4);
    return true;
}

static void put_event_buffer(VIO *vio, unsigned i)
{
    put_desc(vio, &vio->events, i, vio->event_buffers + i * EVENT_SIZE,
             EVENT_SIZE, VRING_DESC_F_WRITE, 0);
    announce(vio, &vio->events, i);
}

void vio_setup(VIO *vio, uint64_t features)
{
    QPCIAddress addr = { .devfn = VIO_DEVFN };
    QVirtioDevice *vdev;
    unsigned i;

    vio_forget(vio);
    vio->pci = virtio_pci_new(vio->bus, &addr);
    g_assert_nonnull(vio->pci);
    qvirtio_pci_device_enable(vio->pci);
    vdev = &vio->pci->vdev;
    qvirtio_reset(vdev);
    qvirtio_set_acknowledge(vdev);
    qvirtio_set_driver(vdev);
    qvirtio_set_features(vdev, 1ULL << VIRTIO_F_VERSION_1 |
                               (features & qvirtio_get_features(vdev)));
    start_queue(vio, &vio->requests, 0);
    start_queue(vio, &vio->events, 1);
    qvirtio_set_driver_ok(vdev);
    for (i = 0; i < EVENTS; i++) {
        put_event_buffer(vio, i);
    }
}

/* Requests */

unsigned vio_put(VIO *vio, const void *req, unsigned len, unsigned writable)
{
    unsigned slot = vio->put++ % VIO_SLOTS;
    uint64_t at = vio->buffers + slot * SLOT_SIZE;
    uint64_t answer = writable > SLOT_SIZE - ANSWER_OFF ? vio->big :
                                                          at + ANSWER_OFF;
    unsigned head = slot * 2;

    g_assert_cmpuint(len, <=, ANSWER_OFF);
    g_assert_false(vio->slots[slot].busy);
    vio->slots[slot] = (VIOSlot) { .busy = true };
    qtest_memwrite(vio->qts, at, req, len);
    qtest_memset(vio->qts, answer, VIO_S_NONE, MAX(writable, 4));
    put_desc(vio, &vio->requests, head, at, len,
             writable ? VRING_DESC_F_NEXT : 0, head + 1);
    put_desc(vio, &vio->requests, head + 1, answer, writable,
             VRING_DESC_F_WRITE, 0);
    announce(vio, &vio->requests, head);
    return slot;
}

void vio_kick(VIO *vio)
{
    qpci_io_writew(vio->pci->pdev, vio->pci->bar, vio->requests.notify, 0);
}

static void take_answers(VIO *vio)
{
    uint32_t head, len;

    while (take_used(vio, &vio->requests, &head, &len)) {
        VIOSlot *slot = &vio->slots[head / 2];

        g_assert_true(slot->busy);
        slot->busy = false;
        slot->len = len;
    }
}

bool vio_done(VIO *vio, unsigned slot)
{
    take_answers(vio);
    return !vio->slots[slot].busy;
}

bool vio_idle(VIO *vio)
{
    unsigned i;

    take_answers(vio);
    for (i = 0; i < VIO_SLOTS; i++) {
        if (vio->slots[i].busy) {
            return false;
        }
    }
    return true;
}

uint8_t vio_answer(VIO *vio, unsigned slot, unsigned at)
{
    return qtest_readb(vio->qts,
                       vio->buffers + slot * SLOT_SIZE + ANSWER_OFF + at);
}

uint8_t vio_wait(VIO *vio, unsigned slot)
{
    vio_kick(vio);
    viommu_until(vio, vio_done(vio, slot));
    return vio_answer(vio, slot, 0);
}

unsigned vio_put_attach(VIO *vio, uint32_t domain, uint32_t endpoint,
                        uint32_t flags)
{
    uint8_t req[20] = { VIO_T_ATTACH };

    stl_le_p(req + 4, domain);
    stl_le_p(req + 8, endpoint);
    stl_le_p(req + 12, flags);
    return vio_put(vio, req, sizeof(req), 4);
}

unsigned vio_put_detach(VIO *vio, uint32_t domain, uint32_t endpoint)
{
    uint8_t req[20] = { VIO_T_DETACH };

    stl_le_p(req + 4, domain);
    stl_le_p(req + 8, endpoint);
    return vio_put(vio, req, sizeof(req), 4);
}

unsigned vio_put_map(VIO *vio, uint32_t domain, uint64_t first, uint64_t last,
                     uint64_t gpa, uint32_t flags)
{
    uint8_t req[36] = { VIO_T_MAP };

    stl_le_p(req + 4, domain);
    stq_le_p(req + 8, first);
    stq_le_p(req + 16, last);
    stq_le_p(req + 24, gpa);
    stl_le_p(req + 32, flags);
    return vio_put(vio, req, sizeof(req), 4);
}

unsigned vio_put_unmap(VIO *vio, uint32_t domain, uint64_t first,
                       uint64_t last)
{
    uint8_t req[28] = { VIO_T_UNMAP };

    stl_le_p(req + 4, domain);
    stq_le_p(req + 8, first);
    stq_le_p(req + 16, last);
    return vio_put(vio, req, sizeof(req), 4);
}

/* Faults */

bool vio_fault_take(VIO *vio, VIOFault *fault)
{
    uint8_t event[EVENT_SIZE];
    uint32_t head, len;

    if (!take_used(vio, &vio->events, &head, &len)) {
        return false;
    }
    g_assert_cmpuint(len, ==, EVENT_SIZE);
    qtest_memread(vio->qts, vio->event_buffers + head * EVENT_SIZE, event,
                  sizeof(event));
    *fault = (VIOFault) {
        .reason = event[0],
        .flags = ldl_le_p(event + 4),
        .endpoint = ldl_le_p(event + 8),
        .address = ldq_le_p(event + 16),
    };
    put_event_buffer(vio, head);
    return true;
}

/* What it says */

uint64_t vio_register(VIO *vio, const char *name)
{
    QDict *answer = qtest_qmp(vio->qts, "{'execute': 'query-viommu'}");
    const QListEntry *unit =
        qlist_first(qdict_get_qlist(answer, "return"));
    QList *list = qdict_get_qlist(qobject_to(QDict, qlist_entry_obj(unit)),
                                  "registers");
    QListEntry *entry;
    uint64_t value = 0;
    bool found = false;

    QLIST_FOREACH_ENTRY(list, entry) {
        QDict *number = qobject_to(QDict, qlist_entry_obj(entry));

        if (g_str_equal(qdict_get_str(number, "name"), name)) {
            value = qnum_get_uint(qobject_to(QNum, qdict_get(number, "value")));
            found = true;
        }
    }
    qobject_unref(answer);
    g_assert_true(found);
    return value;
}

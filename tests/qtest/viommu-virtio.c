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
#include "standard-headers/linux/virtio_ring.h"
#include "viommu-smmu-spec.h"
#include "viommu-virtio.h"

/* Below it: what firmware, or the board, would use. */
#define FIRST_FREE      0x1000000

/* A request's slot: what is readable, then what is writable */
#define SLOT_SIZE       128
#define ANSWER_OFF      96

#define EVENTS          16
#define EVENT_SIZE      24

static bool is_arm(void)
{
    return g_str_equal(qtest_get_arch(), "aarch64");
}

static const VIOTransport *transport_of_test(void)
{
    return g_str_equal(g_getenv("VIOMMU_UNIT") ?: "", "virtio-mmio") ?
           &vio_mmio_transport : &vio_pci_transport;
}

char *vio_machine(const char *props)
{
    const VIOTransport *t = transport_of_test();

    return g_strdup_printf("%s -m 2G -nodefaults -device %s%s%s%s",
        is_arm() ? "-machine virt,gic-version=2 -cpu cortex-a57 "
                   "-global virtio-mmio.force-legacy=off" :
                   "-machine q35 -global ICH9-LPC.acpi-pci-hotplug-with-"
                   "bridge-support=off",
        t->device, *props ? "," : "", props, t->more);
}

static void open_bus(VIO *vio)
{
    if (is_arm()) {
        qpci_init_generic(&vio->generic, vio->qts, NULL, true);
        vio->bus = &vio->generic.bus;
    } else {
        vio->bus = qpci_new_pc(vio->qts, NULL);
    }
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

    vio->qts = unit_launch(machine, args);
    vio->transport = transport_of_test();
    open_bus(vio);
    vio->next = FIRST_FREE + (is_arm() ? VIRT_RAM : 0);
    vio->attachments = g_array_new(false, false, sizeof(VIOAttachment));
    vio_alloc(vio);
    return vio;
}

VIO *vio_adopt(const VIO *from, QTestState *qts)
{
    VIO *vio = g_new0(VIO, 1);

    *vio = *from;
    vio->qts = qts;
    open_bus(vio);
    vio->bus->mmio_alloc_ptr = from->bus->mmio_alloc_ptr;
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
    if (vio->started) {
        vio->transport->forget(vio);
        vio->started = false;
    }
    memset(vio->slots, 0, sizeof(vio->slots));
    vio->on = false;
}

void vio_stop(VIO *vio)
{
    vio_forget(vio);
    g_array_free(vio->attachments, true);
    if (!is_arm()) {
        qpci_free_pc(vio->bus);
    }
    unit_quit(vio->qts);
    g_free(vio);
}

/* The rings */

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
    uint64_t slot = q->gpa + VIO_AVAIL_OFF + 4 +
                    q->avail % VIO_RING_SIZE * 2;

    qtest_writew(vio->qts, slot, head);
    q->avail++;
    qtest_writew(vio->qts, q->gpa + VIO_AVAIL_OFF + 2, q->avail);
}

/* Returns: false if nothing has come back that was not seen yet. */
static bool take_used(VIO *vio, VIOQueue *q, uint32_t *head, uint32_t *len)
{
    uint64_t used = q->gpa + VIO_USED_OFF;

    if (qtest_readw(vio->qts, used + 2) == q->seen) {
        return false;
    }
    used += 4 + q->seen++ % VIO_RING_SIZE * 8;
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

void vio_reset_start(VIO *vio)
{
    vio->transport->set_status(vio, 0);
}

bool vio_reset_done(VIO *vio)
{
    return vio->transport->status(vio) == 0;
}

static void start_queue(VIO *vio, VIOQueue *q, unsigned index)
{
    qtest_memset(vio->qts, q->gpa, 0, UNIT_PAGE);
    q->avail = q->seen = 0;
    vio->transport->start_queue(vio, q, index);
}

void vio_find(VIO *vio)
{
    vio_forget(vio);
    vio->transport->find(vio);
    vio->started = true;
}

void vio_negotiate(VIO *vio, uint64_t features)
{
    const VIOTransport *t = vio->transport;
    unsigned status = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;
    unsigned i;

    memset(vio->slots, 0, sizeof(vio->slots));
    t->set_status(vio, status);
    t->set_features(vio, 1ULL << VIRTIO_F_VERSION_1 |
                         (features & t->features(vio)));
    status |= VIRTIO_CONFIG_S_FEATURES_OK;
    t->set_status(vio, status);
    g_assert_cmphex(t->status(vio), ==, status);
    start_queue(vio, &vio->requests, 0);
    start_queue(vio, &vio->events, 1);
    t->set_status(vio, status | VIRTIO_CONFIG_S_DRIVER_OK);
    for (i = 0; i < EVENTS; i++) {
        put_event_buffer(vio, i);
    }
}

void vio_setup(VIO *vio, uint64_t features)
{
    vio_find(vio);
    vio_reset_start(vio);
    viommu_until(vio, vio_reset_done(vio));
    vio_negotiate(vio, features);
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
    vio->transport->kick(vio, &vio->requests, 0);
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

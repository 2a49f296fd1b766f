/*
 * virtio-iommu: the device
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Our model in place of the base's, with its name, properties and defaults.
 * virtio-iommu-internal.h lists the files and their jobs.
 *
 * There are three kinds of reset:
 *
 *   - the driver's, a 0 written to the device's status: nobody is attached any
 *     more and "bypass" stays as it is (5.13.4.2).  Devices may be doing DMA,
 *     so it is a removal like any other: the driver reads a status of 0, which
 *     says that the reset is complete (2.4.1), when all of that has drained;
 *   - one of the PCI function (FLR, bus reset): the same, but it is not asked
 *     when it is complete, so the next request that removes something waits;
 *   - the machine's: everything is as at the start.  In the exit phase: devices
 *     stop their DMA in the enter and hold phases, and until then it goes where
 *     the guest directed it.
 */
#include "qemu/osdep.h"
#include "hw/pci/pci_bus.h"
#include "hw/qdev-properties.h"
#include "hw/qdev-properties-system.h"
#include "hw/virtio/virtio-bus.h"
#include "hw/virtio/virtio-mmio.h"
#include "hw/virtio/virtio-slow-reset.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/units.h"
#include "standard-headers/linux/virtio_ids.h"
#include "system/dma-held.h"
#include "system/reset.h"
#include "system/runstate.h"
#include "system/system.h"
#include "trace.h"
#include "virtio-iommu-internal.h"

#define QUEUE_SIZE 256
#define PROBE_SIZE 512
#define X86_PAGE_SIZE (4 * KiB)

/*
 * Each is some 70 bytes of the host's memory; in pages of 4 KiB they are
 * 16 GiB, and drivers map more than a page at a time.
 */
#define MAX_MAPPINGS (4u << 20)
/* All endpoints that there can be, each with its own */
#define MAX_DOMAINS VIRTIO_IOMMU_ENDPOINTS

/* The config space */

static void virtio_iommu_get_config(VirtIODevice *vdev, uint8_t *data)
{
    VirtIOIOMMU *s = VIRTIO_IOMMU(vdev);
    const struct virtio_iommu_config *c = &s->config;
    const struct virtio_iommu_config out = {
        .page_size_mask = cpu_to_le64(c->page_size_mask),
        .input_range.start = cpu_to_le64(c->input_range.start),
        .input_range.end = cpu_to_le64(c->input_range.end),
        .domain_range.start = cpu_to_le32(c->domain_range.start),
        .domain_range.end = cpu_to_le32(c->domain_range.end),
        .probe_size = cpu_to_le32(c->probe_size),
        .bypass = c->bypass,
    };

    memcpy(data, &out, sizeof(out));
    trace_virtio_iommu_get_config(c->page_size_mask, c->input_range.start,
                                  c->input_range.end, c->domain_range.start,
                                  c->domain_range.end, c->probe_size,
                                  c->bypass);
}

/*
 * 5.13.4: the driver writes nothing but "bypass", and that 0 or 1.  What is in
 * flight of endpoints that are attached to no domain the next request to remove
 * something waits for.
 */
static void virtio_iommu_set_config(VirtIODevice *vdev, const uint8_t *data)
{
    const VIOMMUInv inv = { .kind = VIOMMU_INV_CONFIG_ALL };
    VirtIOIOMMU *s = VIRTIO_IOMMU(vdev);
    uint8_t bypass = data[offsetof(struct virtio_iommu_config, bypass)];
    DMA_HELD("configuration");

    trace_virtio_iommu_set_config(bypass);
    if (bypass == s->config.bypass) {
        return;
    }
    if (!virtio_vdev_has_feature(vdev, VIRTIO_IOMMU_F_BYPASS_CONFIG)) {
        virtio_error(vdev, "cannot set config.bypass");
        return;
    }
    if (bypass > 1) {
        virtio_error(vdev, "invalid config.bypass value '%u'", bypass);
        return;
    }
    qatomic_set(&s->config.bypass, bypass);
    viommu_invalidate(&s->viommu, &inv);
}

static bool virtio_iommu_init_config(VirtIOIOMMU *s, Error **errp)
{
    static const uint64_t masks[] = {
        [GRANULE_MODE_4K] = -(4 * KiB),
        [GRANULE_MODE_8K] = -(8 * KiB),
        [GRANULE_MODE_16K] = -(16 * KiB),
        [GRANULE_MODE_64K] = -(64 * KiB),
    };

    if (s->aw_bits < 32 || s->aw_bits > 64) {
        error_setg(errp, "aw-bits must be within [32,64]");
        return false;
    }
    s->config.page_size_mask = s->granule_mode < ARRAY_SIZE(masks) ?
                               masks[s->granule_mode] :
                               qemu_real_host_page_mask();
    s->config.input_range.end = MAKE_64BIT_MASK(0, s->aw_bits);
    s->config.domain_range.end = UINT32_MAX;
    s->config.probe_size = PROBE_SIZE;
    s->config.bypass = s->boot_bypass;
    return true;
}

/* Features */

static void virtio_iommu_init_features(VirtIOIOMMU *s)
{
    static const unsigned features[] = {
        VIRTIO_RING_F_EVENT_IDX, VIRTIO_RING_F_INDIRECT_DESC,
        VIRTIO_F_VERSION_1, VIRTIO_IOMMU_F_INPUT_RANGE,
        VIRTIO_IOMMU_F_DOMAIN_RANGE, VIRTIO_IOMMU_F_MAP_UNMAP,
        VIRTIO_IOMMU_F_MMIO, VIRTIO_IOMMU_F_PROBE,
        VIRTIO_IOMMU_F_BYPASS_CONFIG,
    };
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(features); i++) {
        virtio_add_feature(&s->features, features[i]);
    }
}

static uint64_t virtio_iommu_get_features(VirtIODevice *vdev, uint64_t f,
                                          Error **errp)
{
    f |= VIRTIO_IOMMU(vdev)->features;
    trace_virtio_iommu_get_features(f);
    return f;
}

static void virtio_iommu_set_status(VirtIODevice *vdev, uint8_t status)
{
    trace_virtio_iommu_device_status(status);
    if (vdev->status) {
        VIRTIO_IOMMU(vdev)->reset_status = vdev->status;
    }
}

/* Reset */

static void virtio_iommu_reset_drained(void *opaque)
{
    trace_virtio_iommu_reset_drained();
}

/* VirtIOSlowResetClass.reset_status */
static uint8_t virtio_iommu_reset_status(VirtIODevice *vdev)
{
    VirtIOIOMMU *s = VIRTIO_IOMMU(vdev);

    return dma_drain_fence_pending(&s->reset_fence) ? s->reset_status : 0;
}

/*
 * Requests that the reset has dropped may have removed something, too.  Where
 * nothing has gone since the last reset, that one is waited for as it was.
 */
static void virtio_iommu_reset_wait(VirtIOIOMMU *s, bool removed)
{
    if (dma_drain_fence_pending(&s->reset_fence)) {
        if (!removed) {
            return;
        }
        viommu_fence_cancel(&s->viommu, &s->reset_fence);
    }
    if (!viommu_fence(&s->viommu, &s->reset_fence, virtio_iommu_reset_drained,
                      s)) {
        trace_virtio_iommu_reset_wait(s->reset_status);
    }
}

/*
 * Nobody is attached any more, and DMA may be under way.  Returns: was anybody?
 */
static bool virtio_iommu_detach_all(VirtIOIOMMU *s)
{
    GList *gone = virtio_iommu_domains_leave(s);

    if (gone) {
        viommu_invalidate_everything(&s->viommu);
        virtio_iommu_domains_free(gone);
    }
    return gone;
}

/* VirtioDeviceClass.reset: in each of them, before the queues are reset */
static void virtio_iommu_reset(VirtIODevice *vdev)
{
    VirtIOIOMMU *s = VIRTIO_IOMMU(vdev);
    bool removed = virtio_iommu_requests_pending(s);
    DMA_HELD("device reset");

    virtio_iommu_requests_drop(s);
    viommu_events_discard(&s->faults.events);
    if (!s->in_reset) {
        removed |= virtio_iommu_detach_all(s);
        virtio_iommu_reset_wait(s, removed);
    }
}

static void virtio_iommu_queue_reset(VirtIODevice *vdev, uint32_t index)
{
    VirtIOIOMMU *s = VIRTIO_IOMMU(vdev);

    if (index == virtio_get_queue_index(s->req_vq)) {
        virtio_iommu_requests_drop(s);
    }
}

static void virtio_iommu_reset_enter(Object *obj, ResetType type)
{
    VIRTIO_IOMMU(obj)->in_reset = true;
}

/* It is told of the machine's alone. */
static void virtio_iommu_system_reset(void *opaque)
{
    VirtIOIOMMU *s = opaque;

    trace_virtio_iommu_system_reset();
    s->system_reset = true;
}

static void virtio_iommu_reset_exit(Object *obj, ResetType type)
{
    VirtIOIOMMU *s = VIRTIO_IOMMU(obj);
    GList *gone;

    trace_virtio_iommu_device_reset_exit();
    s->in_reset = false;
    if (!s->system_reset) {
        virtio_iommu_detach_all(s);
        return;
    }
    s->system_reset = false;
    viommu_fence_cancel(&s->viommu, &s->reset_fence);
    gone = virtio_iommu_domains_leave(s);
    qatomic_set(&s->config.bypass, s->boot_bypass);
    viommu_reset(&s->viommu);
    viommu_set_enabled(&s->viommu, true);
    virtio_iommu_domains_free(gone);
}

/* The life of the device */

static void virtio_iommu_vm_state(void *opaque, bool running, RunState state)
{
    VirtIOIOMMU *s = opaque;

    virtio_iommu_requests_vm_state(s, running);
}

/* When the VM stops, after the core's: that ends DMA, which may fault. */
static void virtio_iommu_faults_vm_state(void *opaque, bool running,
                                         RunState state)
{
    VirtIOIOMMU *s = opaque;

    viommu_events_write(&s->faults.events);
}

/*
 * A PC's guest has pages of 4 KiB.  Linux takes no larger granule than its
 * pages, and lets all devices go past the unit; that it says in its own log.
 */
static void virtio_iommu_warn_granule(uint64_t granule)
{
    if (granule > X86_PAGE_SIZE &&
        object_dynamic_cast(qdev_get_machine(), "x86-machine")) {
        warn_report("virtio-iommu: granule is %" PRIu64 " KiB, but pages of "
                    "this machine's guest are 4 KiB, so that Linux leaves all "
                    "devices untranslated; give granule=4k", granule / KiB);
    }
}

/* When hosts of assigned devices have said what they map, too */
static void virtio_iommu_freeze_granule(Notifier *notifier, void *unused)
{
    VirtIOIOMMU *s = container_of(notifier, VirtIOIOMMU, machine_done);
    uint64_t granule = virtio_iommu_granule(s->config.page_size_mask);

    s->granule_frozen = true;
    trace_virtio_iommu_freeze_granule(granule);
    virtio_iommu_warn_granule(granule);
}

static bool virtio_iommu_check_properties(VirtIOIOMMU *s, Error **errp)
{
    if (!s->primary_bus) {
        error_setg(errp, "virtio-iommu-device: primary-bus is not given; give "
                   "the PCI root bus whose devices it translates, as "
                   "primary-bus=pcie.0");
        return false;
    }
    if (!pci_bus_is_root(s->primary_bus)) {
        error_setg(errp, "virtio-iommu-device: primary-bus is '%s', but must "
                   "be a root bus", BUS(s->primary_bus)->name);
        return false;
    }
    if (!s->max_domains || !s->max_mappings) {
        error_setg(errp, "virtio-iommu: max-domains and max-mappings must be "
                   "at least 1");
        return false;
    }
    return virtio_iommu_regions_check(s, errp) &&
           virtio_iommu_init_config(s, errp);
}

/* The specification has no legacy interface of the unit. */
static void virtio_iommu_warn_legacy(VirtIOIOMMU *s)
{
    Object *proxy = OBJECT(qdev_get_parent_bus(DEVICE(s))->parent);

    if (object_dynamic_cast(proxy, TYPE_VIRTIO_MMIO) &&
        VIRTIO_MMIO(proxy)->legacy) {
        warn_report("virtio-iommu-device: drivers do not take it from a legacy "
                    "virtio-mmio; give -global virtio-mmio.force-legacy=off");
    }
}

static void virtio_iommu_realize(DeviceState *dev, Error **errp)
{
    static const VIOMMUModel model = {
        .name = "virtio-iommu",
        .type = "virtio-iommu",
        .ops = &virtio_iommu_viommu_ops,
        .pci_ops = &virtio_iommu_pci_ops,
    };
    VirtIODevice *vdev = VIRTIO_DEVICE(dev);
    VirtIOIOMMU *s = VIRTIO_IOMMU(dev);

    /* virtio-iommu-pci has the switch "virtio". */
    if (!virtio_iommu_check_properties(s, errp) ||
        !viommu_realize(&s->viommu, &model, OBJECT(s), s->primary_bus, NULL,
                        errp)) {
        return;
    }
    virtio_iommu_warn_legacy(s);
    virtio_iommu_domains_init(s);
    virtio_iommu_host_init(s);
    virtio_iommu_faults_init(s);
    virtio_iommu_requests_init(s);
    virtio_iommu_init_features(s);

    virtio_init(vdev, VIRTIO_ID_IOMMU, sizeof(struct virtio_iommu_config));
    s->req_vq = virtio_add_queue(vdev, QUEUE_SIZE,
                                 virtio_iommu_handle_requests);
    s->event_vq = virtio_add_queue(vdev, QUEUE_SIZE, NULL);

    /* "bypass" counts from the start. */
    viommu_set_enabled(&s->viommu, true);

    s->machine_done.notify = virtio_iommu_freeze_granule;
    qemu_add_machine_init_done_notifier(&s->machine_done);
    qemu_add_vm_change_state_handler(virtio_iommu_vm_state, s);
    qemu_add_vm_change_state_handler_prio(virtio_iommu_faults_vm_state, s, -1);
    qemu_register_reset(virtio_iommu_system_reset, s);
}

/* Not hot-pluggable: whatever the bus then refuses ends the process. */
static void virtio_iommu_unrealize(DeviceState *dev)
{
    VirtIODevice *vdev = VIRTIO_DEVICE(dev);
    VirtIOIOMMU *s = VIRTIO_IOMMU(dev);

    qemu_unregister_reset(virtio_iommu_system_reset, s);
    virtio_delete_queue(s->req_vq);
    virtio_delete_queue(s->event_vq);
    virtio_cleanup(vdev);
}

static const Property virtio_iommu_properties[] = {
    DEFINE_PROP_LINK("primary-bus", VirtIOIOMMU, primary_bus,
                     TYPE_PCI_BUS, PCIBus *),
    DEFINE_PROP_BOOL("boot-bypass", VirtIOIOMMU, boot_bypass, true),
    DEFINE_PROP_GRANULE_MODE("granule", VirtIOIOMMU, granule_mode,
                             GRANULE_MODE_HOST),
    DEFINE_PROP_UINT8("aw-bits", VirtIOIOMMU, aw_bits, 64),
    DEFINE_PROP_UINT32("max-domains", VirtIOIOMMU, max_domains, MAX_DOMAINS),
    DEFINE_PROP_UINT32("max-mappings", VirtIOIOMMU, max_mappings,
                       MAX_MAPPINGS),
    DEFINE_VIOMMU_PROPERTIES(VirtIOIOMMU, viommu),
};

static const VIOMMUPropertyHelp virtio_iommu_help[] = {
    { "primary-bus", "the root bus whose devices it translates; the "
                     "machine sets it" },
    { "boot-bypass", "on: devices see memory until the guest has attached them "
                     "to a domain; off: they see nothing" },
    { "granule", "the smallest page that can be mapped: 4k, 8k, 16k, 64k, or "
                 "host, the host's" },
    { "aw-bits", "width of the addresses that can be mapped, in bits, 32 to "
                 "64" },
    { "max-domains", "domains that there may be at a time; more are refused "
                     "with VIRTIO_IOMMU_S_NOMEM" },
    { "max-mappings", "mappings that there may be at a time, in all domains, "
                      "some 70 bytes each; more are refused with "
                      "VIRTIO_IOMMU_S_NOMEM" },
};

void virtio_iommu_pci_describe(ObjectClass *klass)
{
    object_class_property_set_description(klass, "reserved-regions",
        "ranges of addresses that the guest is told not to map, first:last:type "
        "each; type 0: nothing is there, 1: interrupt messages (MSI); the "
        "machine sets it, so use reserved-ranges");
}

bool virtio_iommu_pci_check(VirtIOIOMMU *s, PCIBus *bus, Error **errp)
{
    if (s->regions_given) {
        error_setg(errp, "virtio-iommu-pci: reserved-regions is this "
                   "machine's, which has its doorbell there; give "
                   "reserved-ranges=START:END:TYPE for what else is reserved");
        return false;
    }
    if (s->primary_bus && s->primary_bus != bus) {
        error_setg(errp, "virtio-iommu-pci: primary-bus is '%s', but it "
                   "translates the bus that it is on, '%s': leave primary-bus "
                   "out, or plug it into the other one",
                   BUS(s->primary_bus)->name, BUS(bus)->name);
        return false;
    }
    return true;
}

static void virtio_iommu_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    VirtioDeviceClass *vdc = VIRTIO_DEVICE_CLASS(klass);
    VirtIOSlowResetClass *src = VIRTIO_SLOW_RESET_CLASS(klass);
    ResettableClass *rc = RESETTABLE_CLASS(klass);

    device_class_set_props(dc, virtio_iommu_properties);
    viommu_describe(klass, virtio_iommu_help, ARRAY_SIZE(virtio_iommu_help));
    dc->vmsd = &vmstate_virtio_iommu;
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
    rc->phases.enter = virtio_iommu_reset_enter;
    rc->phases.exit = virtio_iommu_reset_exit;
    vdc->realize = virtio_iommu_realize;
    vdc->unrealize = virtio_iommu_unrealize;
    vdc->reset = virtio_iommu_reset;
    vdc->queue_reset = virtio_iommu_queue_reset;
    vdc->get_config = virtio_iommu_get_config;
    vdc->set_config = virtio_iommu_set_config;
    vdc->get_features = virtio_iommu_get_features;
    vdc->set_status = virtio_iommu_set_status;
    vdc->vmsd = &vmstate_virtio_iommu_device;
    src->reset_status = virtio_iommu_reset_status;
}

static const TypeInfo virtio_iommu_info = {
    .name = TYPE_VIRTIO_IOMMU,
    .parent = TYPE_VIRTIO_DEVICE,
    .instance_size = sizeof(VirtIOIOMMU),
    .class_init = virtio_iommu_class_init,
    .interfaces = (InterfaceInfo[]) {
        { TYPE_VIRTIO_SLOW_RESET },
        { }
    },
};

static void virtio_iommu_register_types(void)
{
    type_register_static(&virtio_iommu_info);
}

type_init(virtio_iommu_register_types)

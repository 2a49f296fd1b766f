/*
 * Which virtio devices are behind the vIOMMU: its "virtio" switch
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/iommu/viommu-policy.h"
#include "hw/pci/pci_bridge.h"
#include "hw/pci/pci_bus.h"
#include "hw/qdev-core.h"
#include "hw/virtio/virtio-bus.h"
#include "hw/virtio/virtio-iommu.h"
#include "hw/virtio/virtio-pci.h"
#include "qapi/error.h"
#include "qapi/qapi-visit-viommu.h"
#include "qemu/error-report.h"
#include "trace.h"
#include "viommu-policy-internal.h"

static QLIST_HEAD(, VIOMMUPolicy) policies =
    QLIST_HEAD_INITIALIZER(policies);

/* The vIOMMU that @dev is behind; NULL: none, or its bus goes around it. */
VIOMMUPolicy *viommu_policy_of(PCIDevice *dev)
{
    return viommu_policy_of_bus(pci_get_bus(dev));
}

VIOMMUPolicy *viommu_policy_of_bus(PCIBus *bus)
{
    PCIBus *top = bus;
    VIOMMUPolicy *policy;

    if (pci_bus_bypass_iommu(bus)) {
        return NULL;
    }
    while (top->parent_dev) {
        top = pci_get_bus(top->parent_dev);
    }
    QLIST_FOREACH(policy, &policies, next) {
        if (policy->bus == top) {
            return policy;
        }
    }
    return NULL;
}

/* The vIOMMU that must not be gone around; NULL: none is so strict. */
static VIOMMUPolicy *strict_policy(void)
{
    VIOMMUPolicy *policy;

    QLIST_FOREACH(policy, &policies, next) {
        if (policy->virtio == VIOMMU_VIRTIO_REQUIRE) {
            return policy;
        }
    }
    return NULL;
}

bool viommu_policy_truthful(void)
{
    VIOMMUPolicy *policy;

    QLIST_FOREACH(policy, &policies, next) {
        if (policy->virtio != VIOMMU_VIRTIO_DEVICE) {
            return true;
        }
    }
    return false;
}

/* What the guest sees of @vdev: its transport. */
static DeviceState *policy_transport(VirtIODevice *vdev)
{
    return qdev_get_parent_bus(DEVICE(vdev))->parent;
}

static PCIDevice *pci_transport(VirtIODevice *vdev)
{
    return (PCIDevice *)object_dynamic_cast(OBJECT(policy_transport(vdev)),
                                            TYPE_PCI_DEVICE);
}

/* "virtio-blk-pci 'disk0' on bus 'pcie.0'", for messages */
static char *policy_describe(VirtIODevice *vdev)
{
    DeviceState *dev = policy_transport(vdev);
    BusState *bus = qdev_get_parent_bus(dev);
    /* With virtio-mmio it is the device, not its transport, that has a name. */
    const char *id = pci_transport(vdev) ? dev->id : DEVICE(vdev)->id;
    const char *type = object_get_typename(pci_transport(vdev) ? OBJECT(dev)
                                                               : OBJECT(vdev));
    g_autofree char *path = NULL;

    if (!pci_transport(vdev)) {
        bus = qdev_get_parent_bus(DEVICE(vdev));
    }
    if (!id) {
        path = object_get_canonical_path(OBJECT(dev));
        id = path;
    }
    return g_strdup_printf("%s '%s' on bus '%s'", type, id,
                           bus ? bus->name : "");
}

bool viommu_policy_exempt(VirtIODevice *vdev)
{
    return object_dynamic_cast(OBJECT(vdev), TYPE_VIRTIO_IOMMU);
}

bool viommu_policy_translated(VirtIODevice *vdev)
{
    return !viommu_policy_exempt(vdev) &&
           virtio_host_has_feature(vdev, VIRTIO_F_ACCESS_PLATFORM);
}

/* Does @policy, or the device's own word, say that @vdev is translated? */
static bool policy_wants(const VIOMMUPolicy *policy, VirtIODevice *vdev)
{
    if (vdev->access_platform != VIRTIO_ACCESS_PLATFORM_UNSET) {
        return vdev->access_platform == VIRTIO_ACCESS_PLATFORM_ON;
    }
    return policy->virtio == VIOMMU_VIRTIO_TRANSLATE ||
           policy->virtio == VIOMMU_VIRTIO_REQUIRE;
}

/* virtio=require: @vdev has no vIOMMU in front of it at all. */
static bool refuse_outside(VirtIODevice *vdev, Error **errp)
{
    VIOMMUPolicy *strict = strict_policy();
    PCIDevice *dev = pci_transport(vdev);
    g_autofree char *name = NULL;
    const char *fix;

    if (!strict) {
        return true;
    }
    name = policy_describe(vdev);
    if (!dev) {
        fix = "only PCI devices are behind it, so use the device's -pci "
              "variant";
    } else if (pci_bus_bypass_iommu(pci_get_bus(dev))) {
        fix = "plug it into another bus, or give the bus' host bridge "
              "bypass_iommu=off (the machine's own: "
              "-machine default-bus-bypass-iommu=off)";
    } else {
        fix = "plug it into a bus that is behind the vIOMMU";
    }
    error_setg(errp, "%s would bypass %s, which has virtio=require: %s", name,
               strict->model, fix);
    return false;
}

/* ats=on is of use only if everything that it needs is there. */
static void check_ats(const VIOMMUPolicy *policy, VirtIODevice *vdev,
                      PCIDevice *dev, const char *name)
{
    PCIBus *bus = pci_get_bus(dev);

    if (!object_dynamic_cast(OBJECT(dev), TYPE_VIRTIO_PCI) ||
        !(VIRTIO_PCI(dev)->flags & VIRTIO_PCI_FLAG_ATS)) {
        return;
    }
    if (!policy_wants(policy, vdev)) {
        warn_report("%s: ats=on has no effect without iommu_platform=on",
                    name);
    } else if (!pci_bus_is_express(bus) || pci_bus_is_root(bus)) {
        warn_report("%s: ats=on has no effect: ATS needs a PCIe port, so plug "
                    "the device into a pcie-root-port", name);
    } else if (!policy->device_iotlb) {
        warn_report("%s: ats=on has no effect: %s%s%s", name, policy->model,
                    policy->device_iotlb_fix ? " needs " :
                                               " has no device TLBs",
                    policy->device_iotlb_fix ?: "");
    }
}

/* @dev, called @name, is not what the guest was told of its slot. */
static void report_untold(const VIOMMUPolicy *policy, PCIDevice *dev,
                          const char *name, bool translated)
{
    bool listed;

    if (!viommu_policy_told_of(dev, &listed) || listed == translated) {
        return;
    }
    if (listed) {
        warn_report("%s bypasses %s, but the guest was told when it booted "
                    "that the slot is translated: until it reboots only the "
                    "device's interrupts are", name, policy->model);
    } else if (policy->follows_tables) {
        warn_report("%s bypasses %s until the guest reboots: the guest was "
                    "told when it booted that the slot is not translated",
                    name, policy->model);
    } else {
        warn_report("%s does not work until the guest reboots: it is behind "
                    "%s, but the guest was told when it booted that the slot "
                    "is not", name, policy->model);
    }
}

/* What an operator should know about @vdev, once. */
static void policy_report(const VIOMMUPolicy *policy, VirtIODevice *vdev,
                          PCIDevice *dev, const char *name)
{
    bool want = policy_wants(policy, vdev);

    trace_viommu_policy(name, VIOMMUVirtio_str(policy->virtio),
                        vdev->access_platform, want);
    if (policy->virtio == VIOMMU_VIRTIO_DEVICE) {
        if (vdev->access_platform == VIRTIO_ACCESS_PLATFORM_UNSET) {
            warn_report("%s bypasses %s: it has no iommu_platform=on", name,
                        policy->model);
        }
    } else {
        report_untold(policy, dev, name, want);
    }
}

/* False: @vdev says iommu_platform=off where none may. */
static bool check_required(const VIOMMUPolicy *policy, VirtIODevice *vdev,
                           const char *name, Error **errp)
{
    if (policy->virtio != VIOMMU_VIRTIO_REQUIRE || policy_wants(policy, vdev)) {
        return true;
    }
    error_setg(errp, "%s would bypass %s, which has virtio=require: remove "
               "iommu_platform=off from the device, or give the vIOMMU "
               "virtio=translate", name, policy->model);
    return false;
}

bool viommu_policy_plug(VirtIODevice *vdev, Error **errp)
{
    PCIDevice *dev = pci_transport(vdev);
    VIOMMUPolicy *policy = dev ? viommu_policy_of(dev) : NULL;
    g_autofree char *name = NULL;

    if (viommu_policy_exempt(vdev)) {
        if (vdev->access_platform == VIRTIO_ACCESS_PLATFORM_ON) {
            name = policy_describe(vdev);
            warn_report("%s: iommu_platform=on has no effect: a vIOMMU's own "
                        "requests are never translated", name);
        }
        return true;
    }
    if (!policy) {
        return refuse_outside(vdev, errp);
    }
    name = policy_describe(vdev);
    if (!check_required(policy, vdev, name, errp)) {
        return false;
    }
    if (policy_wants(policy, vdev)) {
        virtio_add_feature(&vdev->host_features, VIRTIO_F_ACCESS_PLATFORM);
    }
    policy_report(policy, vdev, dev, name);
    check_ats(policy, vdev, dev, name);
    return true;
}

/* @vdev was there before the vIOMMU, and it was not told to be behind one. */
static bool policy_adopt(VirtIODevice *vdev, const char *name, Error **errp)
{
    ERRP_GUARD();
    BusState *bus = qdev_get_parent_bus(DEVICE(vdev));
    VirtioDeviceClass *vdc = VIRTIO_DEVICE_GET_CLASS(vdev);
    VirtioBusClass *klass = VIRTIO_BUS_GET_CLASS(bus);
    uint64_t features = vdev->host_features;

    if (object_dynamic_cast(OBJECT(bus->parent), TYPE_VIRTIO_PCI) &&
        virtio_pci_legacy(VIRTIO_PCI(bus->parent))) {
        virtio_access_refuse_legacy(vdev, errp);
        error_prepend(errp, "%s: ", name);
        return false;
    }
    virtio_add_feature(&features, VIRTIO_F_ACCESS_PLATFORM);
    features = vdc->get_features(vdev, features, errp);
    if (*errp) {
        return false;
    }
    if (!virtio_has_feature(features, VIRTIO_F_ACCESS_PLATFORM)) {
        virtio_access_refuse_backend(vdev, errp);
        error_prepend(errp, "%s: ", name);
        return false;
    }
    virtio_add_feature(&vdev->host_features, VIRTIO_F_ACCESS_PLATFORM);
    memory_listener_unregister(&vdev->listener);
    vdev->dma_as = klass->get_dma_as(bus->parent);
    memory_listener_register(&vdev->listener, vdev->dma_as);
    return true;
}

static int apply_late(Object *child, void *opaque)
{
    Error **errp = opaque;
    VirtIODevice *vdev;
    VIOMMUPolicy *policy;
    PCIDevice *dev;
    g_autofree char *name = NULL;
    int n;

    if (!object_dynamic_cast(child, TYPE_VIRTIO_DEVICE) ||
        !DEVICE(child)->realized) {
        return 0;
    }
    vdev = VIRTIO_DEVICE(child);
    if (viommu_policy_exempt(vdev)) {
        return 0;
    }
    dev = pci_transport(vdev);
    policy = dev ? viommu_policy_of(dev) : NULL;
    if (!policy) {
        return refuse_outside(vdev, errp) ? 0 : -1;
    }
    name = policy_describe(vdev);
    if (!check_required(policy, vdev, name, errp)) {
        return -1;
    }
    if (policy_wants(policy, vdev) && !viommu_policy_translated(vdev) &&
        !policy_adopt(vdev, name, errp)) {
        return -1;
    }
    for (n = 0; n < VIRTIO_QUEUE_MAX; n++) {
        virtio_queue_settle_size(vdev, n);
    }
    policy_report(policy, vdev, dev, name);
    check_ats(policy, vdev, dev, name);
    return 0;
}

/* What is no virtio device is translated: in any slot that is. */
static void device_realized(DeviceListener *listener, DeviceState *dev)
{
    PCIDevice *pci = (PCIDevice *)object_dynamic_cast(OBJECT(dev),
                                                      TYPE_PCI_DEVICE);
    g_autofree char *path = NULL;
    g_autofree char *name = NULL;
    VIOMMUPolicy *policy;

    /* Of a virtio device all has been said. */
    if (!pci || object_dynamic_cast(OBJECT(dev), TYPE_VIRTIO_PCI) ||
        object_dynamic_cast(OBJECT(dev), TYPE_PCI_BRIDGE)) {
        return;
    }
    policy = viommu_policy_of(pci);
    if (policy) {
        path = object_get_canonical_path(OBJECT(dev));
        name = g_strdup_printf("%s '%s'", object_get_typename(OBJECT(dev)),
                               dev->id ?: path);
        report_untold(policy, pci, name, true);
    }
}

static DeviceListener device_listener = {
    .realize = device_realized,
};

bool viommu_policy_register(VIOMMUPolicy *policy, Error **errp)
{
    Error *err = NULL;
    VIOMMUPolicy *other;

    if (phase_check(PHASE_MACHINE_READY)) {
        error_setg(errp, "%s cannot be plugged in while the machine runs",
                   policy->model);
        return false;
    }
    QLIST_FOREACH(other, &policies, next) {
        if (other->bus == policy->bus) {
            error_setg(errp, "%s: the PCI bus '%s' is behind %s already; "
                       "remove one of the two", policy->model,
                       BUS(policy->bus)->name, other->model);
            return false;
        }
    }
    QLIST_INSERT_HEAD(&policies, policy, next);
    object_child_foreach_recursive(object_get_root(), apply_late, &err);
    if (err) {
        QLIST_REMOVE(policy, next);
        error_propagate(errp, err);
        return false;
    }
    if (!QTAILQ_IN_USE(&device_listener, link)) {
        device_listener_register(&device_listener);
    }
    viommu_policy_told_start();
    return true;
}

void viommu_policy_unregister(VIOMMUPolicy *policy)
{
    QLIST_REMOVE(policy, next);
}

bool viommu_policy_device_iotlb(PCIDevice *dev)
{
    VIOMMUPolicy *policy = viommu_policy_of(dev);

    return !policy || policy->device_iotlb;
}

bool viommu_policy_sizes_queues(VirtIODevice *vdev)
{
    PCIDevice *dev = pci_transport(vdev);

    return dev && viommu_policy_of(dev) && viommu_policy_translated(vdev);
}

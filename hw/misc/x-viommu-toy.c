/*
 * x-viommu-toy: the smallest vIOMMU on the core
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * docs/devel/viommu-core.rst ("Writing a model") shows this file piece by
 * piece, by the comments that begin a part: what is compiled and tested here is
 * what is read there.  Registers: x-viommu-toy.h.
 */
#include "qemu/osdep.h"
#include "hw/i386/pc.h"
#include "hw/iommu/viommu-model.h"
#include "hw/iommu/viommu-query.h"
#include "hw/iommu/viommu-queue.h"
#include "hw/sysbus.h"
#include "migration/vmstate.h"
#include "qapi/error.h"
#include "qemu/lockable.h"
#include "qemu/module.h"
#include "x-viommu-toy.h"

OBJECT_DECLARE_SIMPLE_TYPE(XVIOMMUToy, X_VIOMMU_TOY)

/* Part: state */
struct XVIOMMUToy {
    SysBusDevice parent_obj;
    MemoryRegion mmio;
    VIOMMU viommu;
    VIOMMUPolicy policy;
    VIOMMUBusy busy;
    /* Registers; those that any thread uses come with @lock. */
    QemuMutex lock;
    uint64_t root, fault, fault_iova;    /* lock */
    uint64_t ctrl, status, first, last;  /* BQL */
};

/* Part: resolve */
static void xvt_resolve(VIOMMU *v, VIOMMUEndpoint *ep, uint32_t pasid,
                        VIOMMUConfig *config)
{
    XVIOMMUToy *s = container_of(v, XVIOMMUToy, viommu);
    const uint64_t reserved = ~(XVT_ROOT_ADDR | XVT_ROOT_DOMAIN);
    uint64_t root;
    unsigned level;

    WITH_QEMU_LOCK_GUARD(&s->lock) {
        root = s->root;
    }
    config->tag = IOTLB_TAG(0, root & XVT_ROOT_DOMAIN, 0);
    config->cacheable = true;
    if (root & reserved) {
        config->mode = VIOMMU_BLOCKED;
        config->reason = XVT_R_ROOT;
        return;
    }
    config->mode = VIOMMU_TRANSLATE;
    config->space.table = (IOPTTable) {
        .format = &iopt_vtd_ss,
        .root = root & XVT_ROOT_ADDR,
        .levels = 3,
        .input_bits = 39,
        .output_bits = 48,
    };
    for (level = 1; level <= 3; level++) {
        config->space.table.reserved[0][level] = reserved;
        config->space.table.reserved[1][level] = reserved;
    }
}

/* Part: fault */
static void xvt_fault(VIOMMU *v, VIOMMUEndpoint *ep,
                      const VIOMMUConfig *config, const VIOMMUFault *fault)
{
    static const uint8_t reasons[] = {
        [IOPT_FAULT_RANGE] = XVT_R_RANGE,
        [IOPT_FAULT_READ_TABLE] = XVT_R_TABLE,
        [IOPT_FAULT_NOT_PRESENT] = XVT_R_ABSENT,
        [IOPT_FAULT_RESERVED] = XVT_R_RESERVED,
        [IOPT_FAULT_PERMISSION] = XVT_R_PERMISSION,
        [IOPT_FAULT_ADDR_SIZE] = XVT_R_RESERVED,
    };
    XVIOMMUToy *s = container_of(v, XVIOMMUToy, viommu);
    uint64_t reason = fault->blocked ? config->reason : reasons[fault->kind];

    QEMU_LOCK_GUARD(&s->lock);
    if (s->fault) {
        s->fault |= XVT_FAULT_MORE;
        return;
    }
    s->fault = XVT_FAULT_VALID | (fault->is_write ? XVT_FAULT_WRITE : 0) |
               reason << XVT_FAULT_REASON_SHIFT | viommu_endpoint_sid(ep);
    s->fault_iova = fault->iova;
}

/* Part: query */
static void xvt_query_unit(VIOMMU *v, VIOMMUInfo *info)
{
    XVIOMMUToy *s = container_of(v, XVIOMMUToy, viommu);
    VIOMMUNumberList **tail = &info->registers;

    WITH_QEMU_LOCK_GUARD(&s->lock) {
        info->root = s->root & XVT_ROOT_ADDR;
        info->has_root = info->root != 0;
        viommu_say_number(&tail, "FAULT", s->fault);
    }
    viommu_say_number(&tail, "STATUS", s->status);
}

static void xvt_query_domain(VIOMMU *v, const VIOMMUConfig *config,
                             VIOMMUNumberList ***tail)
{
    viommu_say_number(tail, "DOMAIN", IOTLB_TAG_DOMAIN(config->tag));
}

static const VIOMMUQueryOps xvt_query_ops = {
    .unit = xvt_query_unit,
    .domain = xvt_query_domain,
};

/* Part: operations */
static bool xvt_check_notifier(VIOMMU *v, VIOMMUEndpoint *ep,
                               IOMMUNotifierFlag flags, Error **errp)
{
    if (flags & (IOMMU_NOTIFIER_MAP | IOMMU_NOTIFIER_DEVIOTLB_UNMAP)) {
        error_setg(errp, TYPE_X_VIOMMU_TOY " has neither a caching mode nor "
                   "device TLBs; use intel-iommu for this device");
        return false;
    }
    return true;
}

static const VIOMMUOps xvt_ops = {
    .resolve = xvt_resolve,
    .fault = xvt_fault,
    .query = &xvt_query_ops,
    .check_notifier = xvt_check_notifier,
};

/* Part: invalidation */
static void xvt_drained(void *opaque)
{
    XVIOMMUToy *s = opaque;

    s->status &= ~XVT_STATUS_BUSY;
}

static void xvt_drain(XVIOMMUToy *s)
{
    s->status |= XVT_STATUS_BUSY;
    if (viommu_busy_begin(&s->busy)) {
        xvt_drained(s);
    }
}

static void xvt_ctrl_written(XVIOMMUToy *s, uint64_t value)
{
    uint64_t changed = (s->ctrl ^ value) & XVT_CTRL_ENABLE;

    s->ctrl ^= changed;
    if (changed) {
        viommu_set_enabled(&s->viommu, s->ctrl);
        xvt_drain(s);
    }
}

static void xvt_inv_written(XVIOMMUToy *s, uint64_t value)
{
    static const VIOMMUInvKind kinds[] = {
        [XVT_INV_CONFIG] = VIOMMU_INV_CONFIG_ALL,
        [XVT_INV_DOMAIN] = VIOMMU_INV_TAG,
        [XVT_INV_RANGE] = VIOMMU_INV_RANGE,
    };
    uint64_t domain = value >> XVT_INV_DOMAIN_SHIFT & XVT_ROOT_DOMAIN;
    XVTInv what = value & XVT_INV_KIND;
    VIOMMUInv inv = {
        .tag = IOTLB_TAG(0, domain, 0),
        .first = s->first,
        .last = s->last,
    };

    /* A range that ends before it begins is as good as none: all of it. */
    if (what == XVT_INV_RANGE && inv.first > inv.last) {
        what = XVT_INV_DOMAIN;
    }
    if (what != XVT_INV_NOTHING) {
        inv.kind = kinds[what];
        viommu_invalidate(&s->viommu, &inv);
    }
    xvt_drain(s);
}

/* Part: registers */
static uint64_t xvt_mmio_read(void *opaque, hwaddr offset, unsigned size)
{
    XVIOMMUToy *s = opaque;

    QEMU_LOCK_GUARD(&s->lock);
    switch (offset) {
    case XVT_CTRL:
        return s->ctrl;
    case XVT_STATUS:
        return s->status;
    case XVT_ROOT:
        return s->root;
    case XVT_FIRST:
        return s->first;
    case XVT_LAST:
        return s->last;
    case XVT_FAULT:
        return s->fault;
    case XVT_FAULT_IOVA:
        return s->fault_iova;
    default:
        return 0;
    }
}

static void xvt_mmio_write(void *opaque, hwaddr offset, uint64_t value,
                           unsigned size)
{
    XVIOMMUToy *s = opaque;

    switch (offset) {
    case XVT_CTRL:
        xvt_ctrl_written(s, value);
        break;
    case XVT_ROOT:
        WITH_QEMU_LOCK_GUARD(&s->lock) {
            s->root = value;
        }
        break;
    case XVT_FIRST:
        s->first = value;
        break;
    case XVT_LAST:
        s->last = value;
        break;
    case XVT_INV:
        xvt_inv_written(s, value);
        break;
    case XVT_FAULT:
        WITH_QEMU_LOCK_GUARD(&s->lock) {
            s->fault = s->fault_iova = 0;
        }
        break;
    }
}

static const MemoryRegionOps xvt_mmio_ops = {
    .read = xvt_mmio_read,
    .write = xvt_mmio_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 8, .max_access_size = 8 },
    .impl = { .min_access_size = 8, .max_access_size = 8 },
};

/* Part: reset */
static void xvt_reset_exit(Object *obj, ResetType type)
{
    XVIOMMUToy *s = X_VIOMMU_TOY(obj);

    viommu_busy_cancel(&s->busy);
    WITH_QEMU_LOCK_GUARD(&s->lock) {
        s->root = s->fault = s->fault_iova = 0;
    }
    s->ctrl = s->status = s->first = s->last = 0;
    viommu_reset(&s->viommu);
}

/* Part: migration */
static int xvt_pre_load(void *opaque)
{
    XVIOMMUToy *s = opaque;

    viommu_busy_cancel(&s->busy);
    return 0;
}

/*
 * A stream with BUSY is of a source whose drain is stuck.  DMA that is in
 * flight there does not reach memory here.
 */
static int xvt_post_load(void *opaque, int version_id)
{
    XVIOMMUToy *s = opaque;

    s->status = 0;
    s->ctrl &= XVT_CTRL_ENABLE;
    return viommu_post_load(&s->viommu, s->ctrl) ? 0 : -EINVAL;
}

static const VMStateDescription xvt_vmstate = {
    .name = TYPE_X_VIOMMU_TOY,
    .version_id = 1,
    .minimum_version_id = 1,
    .priority = MIG_PRI_IOMMU,
    .pre_load = xvt_pre_load,
    .post_load = xvt_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT64(ctrl, XVIOMMUToy),
        VMSTATE_UINT64(status, XVIOMMUToy),
        VMSTATE_UINT64(root, XVIOMMUToy),
        VMSTATE_UINT64(first, XVIOMMUToy),
        VMSTATE_UINT64(last, XVIOMMUToy),
        VMSTATE_UINT64(fault, XVIOMMUToy),
        VMSTATE_UINT64(fault_iova, XVIOMMUToy),
        VMSTATE_END_OF_LIST()
    },
};

/* Part: realize */
static const PCIIOMMUOps xvt_pci_ops = {
    .get_address_space = viommu_get_address_space,
};

static void xvt_realize(DeviceState *dev, Error **errp)
{
    static const VIOMMUModel model = {
        .name = "toy",
        .type = TYPE_X_VIOMMU_TOY,
        .ops = &xvt_ops,
        .pci_ops = &xvt_pci_ops,
    };
    XVIOMMUToy *s = X_VIOMMU_TOY(dev);

    if (!viommu_realize(&s->viommu, &model, OBJECT(s),
                        PC_MACHINE(qdev_get_machine())->pcibus, &s->policy,
                        errp)) {
        return;
    }
    qemu_mutex_init(&s->lock);
    viommu_busy_init(&s->busy, &s->viommu, xvt_drained, s);
    memory_region_init_io(&s->mmio, OBJECT(s), &xvt_mmio_ops, s,
                          TYPE_X_VIOMMU_TOY, XVT_SIZE);
    sysbus_init_mmio(SYS_BUS_DEVICE(s), &s->mmio);
    sysbus_mmio_map(SYS_BUS_DEVICE(s), 0, XVT_BASE);
}

/* Part: class */
static const Property xvt_properties[] = {
    DEFINE_PROP_VIOMMU_VIRTIO(XVIOMMUToy, policy.virtio),
    DEFINE_VIOMMU_PROPERTIES(XVIOMMUToy, viommu),
};

static void xvt_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);

    RESETTABLE_CLASS(klass)->phases.exit = xvt_reset_exit;
    dc->realize = xvt_realize;
    dc->vmsd = &xvt_vmstate;
    dc->desc = "The smallest vIOMMU on the core, for tests";
    dc->user_creatable = true;
    dc->hotpluggable = false;
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
    device_class_set_props(dc, xvt_properties);
    viommu_describe(klass, NULL, 0);
}

/* Part: type */
static const TypeInfo xvt_info = {
    .name = TYPE_X_VIOMMU_TOY,
    .parent = TYPE_SYS_BUS_DEVICE,
    .instance_size = sizeof(XVIOMMUToy),
    .class_init = xvt_class_init,
};

static void xvt_register_types(void)
{
    type_register_static(&xvt_info);
}

type_init(xvt_register_types)

/*
 * VT-d: the device's properties, and what follows from them
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The base's properties have its names and defaults, and QEMU 11's where that
 * renamed them: the same switch twice.  A profile is what properties that
 * nobody gave have for a value; one that was given wins, whatever the order.
 */
#include "qemu/osdep.h"
#include "hw/iommu/viommu-model.h"
#include "hw/qdev-properties.h"
#include "kvm/kvm_i386.h"
#include "qapi/error.h"
#include "qapi/visitor.h"
#include "qemu/error-report.h"
#include "system/kvm.h"
#include "vtd-props.h"

/* As many as the register window of one page has room for after FRO */
#define VTD_FAULT_RECORDS_MAX \
    ((VTD_REG_WINDOW_MAX - DMAR_FRCD_REG_OFFSET) / 16)

/* Properties that a profile has a say in: bits of IntelIOMMUState.given */
enum {
    VTD_PROP_SCALABLE,
    VTD_PROP_FSTS,
    VTD_PROP_SSTS,
    VTD_PROP_NESTING,
    VTD_PROP_PASID,
    VTD_PROP_PASID_MODE,
    VTD_PROP_AW,
    VTD_PROP_COHERENCY,
    VTD_PROP_SSADS,
    VTD_PROP_EAFS,
    VTD_PROP_RPS,
    VTD_PROP_SVM,
    VTD_PROP_DEVICE_IOTLB,
    VTD_PROP_PI,
};

static bool vtd_given(const IntelIOMMUState *s, unsigned prop)
{
    return s->given & (1u << prop);
}

/* Properties that know whether they were given: .bitnr is VTD_PROP_* */

static void vtd_prop_given(Object *obj, const Property *prop)
{
    INTEL_IOMMU_DEVICE(obj)->given |= 1u << prop->bitnr;
}

static const PropertyInfo vtd_prop_uint8;

/* What does the work */
static const PropertyInfo *vtd_prop_base(const Property *prop)
{
    return prop->info == &vtd_prop_uint8 ? &qdev_prop_uint8 : &qdev_prop_bool;
}

static void vtd_get_prop(Object *obj, Visitor *v, const char *name,
                         void *opaque, Error **errp)
{
    vtd_prop_base(opaque)->get(obj, v, name, opaque, errp);
}

static void vtd_set_prop(Object *obj, Visitor *v, const char *name,
                         void *opaque, Error **errp)
{
    vtd_prop_base(opaque)->set(obj, v, name, opaque, errp);
    vtd_prop_given(obj, opaque);
}

static void vtd_default_prop(ObjectProperty *op, const Property *prop)
{
    vtd_prop_base(prop)->set_default_value(op, prop);
}

static const PropertyInfo vtd_prop_bool = {
    .type = "bool",
    .description = "on/off",
    .get = vtd_get_prop,
    .set = vtd_set_prop,
    .set_default_value = vtd_default_prop,
};

static const PropertyInfo vtd_prop_uint8 = {
    .type = "uint8",
    .get = vtd_get_prop,
    .set = vtd_set_prop,
    .set_default_value = vtd_default_prop,
};

#define VTD_PROP_DEFINE_BOOL(_name, _field, _bit)                       \
    DEFINE_PROP(_name, IntelIOMMUState, _field, vtd_prop_bool, bool,    \
                .bitnr = (_bit), .set_default = true, .defval.u = false)
#define VTD_PROP_DEFINE_UINT8(_name, _field, _bit, _default)            \
    DEFINE_PROP(_name, IntelIOMMUState, _field, vtd_prop_uint8,         \
                uint8_t, .bitnr = (_bit), .set_default = true,          \
                .defval.u = (_default))

static const Property vtd_properties[] = {
    DEFINE_PROP_UINT32("version", IntelIOMMUState, version, 0),
    DEFINE_PROP_ON_OFF_AUTO("eim", IntelIOMMUState, intr_eim,
                            ON_OFF_AUTO_AUTO),
    DEFINE_PROP_BOOL("x-buggy-eim", IntelIOMMUState, buggy_eim, false),
    VTD_PROP_DEFINE_UINT8("aw-bits", aw_bits, VTD_PROP_AW,
                          VTD_HOST_ADDRESS_WIDTH),
    DEFINE_PROP_BOOL("caching-mode", IntelIOMMUState, caching_mode, false),
    VTD_PROP_DEFINE_BOOL("x-scalable-mode", scalable_mode, VTD_PROP_SCALABLE),
    VTD_PROP_DEFINE_BOOL("x-flts", fsts, VTD_PROP_FSTS),
    DEFINE_PROP_BOOL("snoop-control", IntelIOMMUState, snoop_control, false),
    VTD_PROP_DEFINE_BOOL("x-pasid-mode", pasid, VTD_PROP_PASID_MODE),
    DEFINE_PROP_BOOL("dma-drain", IntelIOMMUState, dma_drain, true),
    DEFINE_PROP_BOOL("dma-translation", IntelIOMMUState, dma_translation, true),
    DEFINE_PROP_BOOL("stale-tm", IntelIOMMUState, stale_tm, false),
    DEFINE_PROP_BOOL("fs1gp", IntelIOMMUState, fs1gp, true),

    /* QEMU 11's */
    VTD_PROP_DEFINE_BOOL("scalable-mode", scalable_mode, VTD_PROP_SCALABLE),
    VTD_PROP_DEFINE_BOOL("fsts", fsts, VTD_PROP_FSTS),
    VTD_PROP_DEFINE_UINT8("pasid-bits", pasid_bits, VTD_PROP_PASID, 0),
    VTD_PROP_DEFINE_BOOL("svm", svm, VTD_PROP_SVM),

    /* Ours */
    DEFINE_PROP_STRING("profile", IntelIOMMUState, profile),
    VTD_PROP_DEFINE_BOOL("ssts", ssts, VTD_PROP_SSTS),
    VTD_PROP_DEFINE_BOOL("nesting", nesting, VTD_PROP_NESTING),
    VTD_PROP_DEFINE_BOOL("ssads", ssads, VTD_PROP_SSADS),
    VTD_PROP_DEFINE_BOOL("eafs", eafs, VTD_PROP_EAFS),
    VTD_PROP_DEFINE_BOOL("rid-pasid", rps, VTD_PROP_RPS),
    VTD_PROP_DEFINE_BOOL("posted-interrupts", posted_interrupts, VTD_PROP_PI),
    VTD_PROP_DEFINE_BOOL("page-walk-coherency", page_walk_coherency,
                         VTD_PROP_COHERENCY),
    DEFINE_PROP_BOOL("x-ioapic-sid-check", IntelIOMMUState, ioapic_sid_check,
                     false),
    DEFINE_PROP_VIOMMU_VIRTIO(IntelIOMMUState, policy.virtio),
    DEFINE_PROP_UINT8("fault-records", IntelIOMMUState, fault_records, 1),
    DEFINE_VIOMMU_PROPERTIES(IntelIOMMUState, viommu),
};

/* What "-device intel-iommu,help" says of each: what it does, and its unit */
static const VIOMMUPropertyHelp vtd_property_help[] = {
    { "version", "without effect" },
    { "eim", "32-bit APIC IDs in interrupt remapping (ECAP.EIM): on/off/auto; "
             "auto is on with KVM's split irqchip" },
    { "x-buggy-eim", "eim=auto is on wherever interrupts are remapped, and the "
                     "host is not checked; for old machine types" },
    { "aw-bits", "bits of an address (CAP.MGAW, SAGAW), 39, 48 or 57; "
                 "profile=modern has 57" },
    { "caching-mode", "the guest also invalidates what it makes present "
                      "(CAP.CM); vfio-pci needs it" },
    { "x-scalable-mode", "scalable mode (ECAP.SMTS); scalable-mode is the same "
                         "property" },
    { "scalable-mode", "scalable mode (ECAP.SMTS); x-scalable-mode is the same "
                       "property" },
    { "x-flts", "first-stage translation in scalable mode (ECAP.FSTS); fsts "
                "is the same property" },
    { "fsts", "first-stage translation in scalable mode (ECAP.FSTS); x-flts "
              "is the same property" },
    { "ssts", "second-stage translation in scalable mode (ECAP.SSTS); if it "
              "is not given, it is on where there is no first stage, with "
              "nesting and in profile=modern" },
    { "nesting", "both stages at once (ECAP.NEST)" },
    { "ssads", "accessed and dirty bits of the second stage in scalable mode "
               "(ECAP.SSADS)" },
    { "eafs", "extended accessed bit of the first stage (ECAP.EAFS)" },
    { "rid-pasid", "software chooses the PASID of requests without one "
                   "(ECAP.RPS), and their privilege (ECAP.RPRIVS)" },
    { "posted-interrupts", "interrupts may be posted into the guest's memory "
                           "(CAP.PI); not with KVM's irqchip" },
    { "snoop-control", "second-stage leaves may have SNP (ECAP.SC); excludes "
                       "vhost with a device TLB, and VFIO" },
    { "x-pasid-mode", "requests with PASID (ECAP.PASID), of 1 bit if "
                      "neither pasid-bits nor profile=modern is given" },
    { "pasid-bits", "bits of a PASID (ECAP.PASID, PSS), up to 20; 0: none, "
                    "unless x-pasid-mode=on" },
    { "svm", "devices may ask for pages (ECAP.PRS, PDS), which shared virtual "
             "memory needs; with device-iotlb=on and PASIDs" },
    { "profile", "base (properties that are not given are as in stock QEMU) or "
                 "modern (all of scalable mode is on); base if not given" },
    { "dma-drain", "the guest is told that DMA can be drained (CAP.DRD, DWD); "
                   "it is drained in any case" },
    { "dma-translation", "off: DMA is never translated (CAP.SAGAW is 0), for "
                         "interrupt remapping alone" },
    { "stale-tm", "with device-iotlb=on, bit TM of second-stage leaves is "
                  "accepted, for guests that follow older specifications" },
    { "fs1gp", "the first stage has pages of 1 GiB (CAP.FS1GP)" },
    { "page-walk-coherency", "tables are read through the processor's caches "
                             "(ECAP.C, and SMPWC in scalable mode); off: Linux "
                             "flushes caches for each table entry that it "
                             "writes" },
    { "x-ioapic-sid-check", "an interrupt of the I/O APIC is blocked if its "
                            "remapping entry is for another source-id; off: it "
                            "is accepted, as stock QEMU does" },
    { "fault-records", "fault recording registers (CAP.NFR), 1 to 222; each "
                       "holds one requester's first fault until it is read" },
    /* The parent's */
    { "intremap", "interrupts are remapped: on/off/auto; auto is on, but with "
                  "KVM's full irqchip" },
    { "device-iotlb", "devices with ats=on may have a TLB of their own" },
    { "pt", "the guest may let a device pass through untranslated" },
};

/* device-iotlb is the parent's, whose other children know no profile. */
static ObjectPropertyAccessor *vtd_parent_set_device_iotlb;

static void vtd_set_device_iotlb(Object *obj, Visitor *v, const char *name,
                                 void *opaque, Error **errp)
{
    vtd_parent_set_device_iotlb(obj, v, name, opaque, errp);
    if (object_dynamic_cast(obj, TYPE_INTEL_IOMMU_DEVICE)) {
        INTEL_IOMMU_DEVICE(obj)->given |= 1u << VTD_PROP_DEVICE_IOTLB;
    }
}

void vtd_props_class_init(ObjectClass *klass)
{
    ObjectProperty *prop = object_class_property_find(klass, "device-iotlb");

    vtd_parent_set_device_iotlb = prop->set;
    prop->set = vtd_set_device_iotlb;
    device_class_set_props(DEVICE_CLASS(klass), vtd_properties);
    viommu_describe(klass, vtd_property_help, ARRAY_SIZE(vtd_property_help));
}

void vtd_props_instance_init(Object *obj)
{
    /* Defaults are set by the same functions; they have been by now. */
    INTEL_IOMMU_DEVICE(obj)->given = 0;
}

/* The profile */

static bool vtd_profile_is_modern(IntelIOMMUState *s, bool *modern,
                                  Error **errp)
{
    *modern = s->profile && !strcmp(s->profile, "modern");
    if (s->profile && !*modern && strcmp(s->profile, "base")) {
        error_setg(errp, "intel-iommu: profile is '%s', but must be 'base' "
                   "(as stock QEMU) or 'modern' (all of scalable mode)",
                   s->profile);
        return false;
    }
    return true;
}

static void vtd_pick(const IntelIOMMUState *s, unsigned prop, bool *field,
                     bool value)
{
    if (!vtd_given(s, prop)) {
        *field = value;
    }
}

/*
 * What was not given.  A profile turns nothing on that lacks what it needs: one
 * property turned off takes with it what it carries.
 */
static void vtd_profile_apply(IntelIOMMUState *s, bool modern)
{
    vtd_pick(s, VTD_PROP_SCALABLE, &s->scalable_mode, modern);
    vtd_pick(s, VTD_PROP_FSTS, &s->fsts, modern && s->scalable_mode);
    vtd_pick(s, VTD_PROP_SSTS, &s->ssts,
             s->scalable_mode && (modern || s->nesting || !s->fsts));
    vtd_pick(s, VTD_PROP_NESTING, &s->nesting, modern && s->fsts && s->ssts);
    vtd_pick(s, VTD_PROP_SSADS, &s->ssads, modern && s->ssts);
    vtd_pick(s, VTD_PROP_EAFS, &s->eafs, modern && s->fsts);
    vtd_pick(s, VTD_PROP_RPS, &s->rps, modern && s->scalable_mode);
    vtd_pick(s, VTD_PROP_COHERENCY, &s->page_walk_coherency, modern);
    if (!vtd_given(s, VTD_PROP_PASID)) {
        s->pasid_bits = modern && s->scalable_mode &&
                        (s->pasid || !vtd_given(s, VTD_PROP_PASID_MODE)) ?
                        VTD_PASID_BITS : s->pasid;
    }
    if (modern && !vtd_given(s, VTD_PROP_AW)) {
        s->aw_bits = VTD_HOST_AW_57BIT;
    }
    vtd_pick(s, VTD_PROP_PI, &s->posted_interrupts,
             modern && x86_iommu_ir_supported(X86_IOMMU_DEVICE(s)) &&
             !kvm_irqchip_in_kernel());
    vtd_pick(s, VTD_PROP_DEVICE_IOTLB, &X86_IOMMU_DEVICE(s)->dt_supported,
             modern);
    vtd_pick(s, VTD_PROP_SVM, &s->svm,
             modern && s->pasid_bits && X86_IOMMU_DEVICE(s)->dt_supported);
}

/* Checks */

static bool vtd_check_widths(IntelIOMMUState *s, Error **errp)
{
    ERRP_GUARD();

    if (s->fsts && s->aw_bits != VTD_HOST_AW_48BIT &&
        s->aw_bits != VTD_HOST_AW_57BIT) {
        error_setg(errp, "Scalable mode(flts=on): supported values for aw-bits "
                   "are: %d, %d", VTD_HOST_AW_48BIT, VTD_HOST_AW_57BIT);
        error_append_hint(errp, "It is %u. Machine types up to pc-q35-9.1 have "
                          "39 where aw-bits is not given.\n", s->aw_bits);
        return false;
    }
    if (s->aw_bits != VTD_HOST_AW_39BIT && s->aw_bits != VTD_HOST_AW_48BIT &&
        s->aw_bits != VTD_HOST_AW_57BIT) {
        error_setg(errp, "%s: supported values for aw-bits are: %d, %d, %d",
                   s->scalable_mode ? "Scalable mode(flts=off)" : "Legacy mode",
                   VTD_HOST_AW_39BIT, VTD_HOST_AW_48BIT, VTD_HOST_AW_57BIT);
        return false;
    }
    if (s->pasid_bits > VTD_PASID_BITS) {
        error_setg(errp, "intel-iommu: pasid-bits is %u, but must be at most "
                   "%u", s->pasid_bits, VTD_PASID_BITS);
        return false;
    }
    return true;
}

/* What needs what */
static bool vtd_check_needs(IntelIOMMUState *s, Error **errp)
{
    const struct {
        bool on, has;
        const char *property, *needs;
    } rules[] = {
        { s->fsts, s->scalable_mode, "x-flts", "x-scalable-mode=on" },
        { s->ssts, s->scalable_mode, "ssts", "x-scalable-mode=on" },
        { s->nesting, s->fsts, "nesting", "x-flts=on" },
        { s->nesting, s->ssts, "nesting", "ssts=on" },
        { s->ssads, s->ssts, "ssads", "ssts=on" },
        { s->eafs, s->fsts, "eafs", "x-flts=on" },
        { s->rps, s->scalable_mode, "rid-pasid", "x-scalable-mode=on" },
        { s->pasid, s->scalable_mode, "x-pasid-mode", "x-scalable-mode=on" },
        { s->svm, s->pasid_bits, "svm", "pasid-bits=1 to 20" },
        { s->svm, X86_IOMMU_DEVICE(s)->dt_supported, "svm", "device-iotlb=on" },
        { s->scalable_mode, s->dma_drain, "x-scalable-mode", "dma-drain=on" },
        { s->scalable_mode, s->fsts || s->ssts, "x-scalable-mode",
          "ssts=on or x-flts=on" },
        { s->posted_interrupts, x86_iommu_ir_supported(X86_IOMMU_DEVICE(s)),
          "posted-interrupts", "intremap=on" },
        /* KVM wants to know beforehand where each message leads. */
        { s->posted_interrupts, !kvm_irqchip_in_kernel(), "posted-interrupts",
          "accel=tcg" },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(rules); i++) {
        if (rules[i].on && !rules[i].has) {
            error_setg(errp, "intel-iommu: %s=on needs %s", rules[i].property,
                       rules[i].needs);
            return false;
        }
    }
    if (s->pasid_bits && !s->scalable_mode) {
        error_setg(errp, "intel-iommu: pasid-bits=%u needs x-scalable-mode=on",
                   s->pasid_bits);
        return false;
    }
    return true;
}

/* What contradicts what */
static bool vtd_check_contradictions(IntelIOMMUState *s, Error **errp)
{
    if (vtd_given(s, VTD_PROP_PASID_MODE) && s->pasid != !!s->pasid_bits) {
        error_setg(errp, "intel-iommu: x-pasid-mode=%s and pasid-bits=%u "
                   "exclude each other; remove one of them",
                   s->pasid ? "on" : "off", s->pasid_bits);
        return false;
    }
    if (s->policy.virtio == VIOMMU_VIRTIO_REQUIRE && !s->dma_translation) {
        error_setg(errp, "intel-iommu: virtio=require and dma-translation=off "
                   "exclude each other, since no DMA is ever translated; "
                   "remove one of them");
        return false;
    }
    return true;
}

/* What was asked for is not to be had: no error, as in the base */
static void vtd_warn_idle(IntelIOMMUState *s)
{
    X86IOMMUState *x86 = X86_IOMMU_DEVICE(s);
    const struct {
        bool idle;
        const char *property, *needs;
    } rules[] = {
        { s->stale_tm && !x86->dt_supported, "stale-tm=on", "device-iotlb=on" },
        { s->ioapic_sid_check && !x86_iommu_ir_supported(x86),
          "x-ioapic-sid-check=on", "intremap=on" },
        { !s->fs1gp && !s->fsts, "fs1gp=off", "x-flts=on" },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(rules); i++) {
        if (rules[i].idle) {
            warn_report("intel-iommu: %s has no effect without %s",
                        rules[i].property, rules[i].needs);
        }
    }
}

static bool vtd_check_eim(IntelIOMMUState *s, Error **errp)
{
    bool ir = x86_iommu_ir_supported(X86_IOMMU_DEVICE(s));

    if (s->intr_eim == ON_OFF_AUTO_ON && !ir) {
        error_setg(errp, "eim=on cannot be selected without intremap=on");
        return false;
    }
    if (s->intr_eim == ON_OFF_AUTO_AUTO) {
        bool on = ir && (kvm_irqchip_in_kernel() || s->buggy_eim);

        s->intr_eim = on ? ON_OFF_AUTO_ON : ON_OFF_AUTO_OFF;
    }
    if (s->intr_eim == ON_OFF_AUTO_ON && !s->buggy_eim &&
        kvm_irqchip_is_split() && !kvm_enable_x2apic()) {
        error_setg(errp, "eim=on requires support on the KVM side "
                   "(X2APIC_API, first shipped in v4.7)");
        return false;
    }
    return true;
}

bool vtd_props_decide(IntelIOMMUState *s, Error **errp)
{
    bool modern;

    if (!vtd_profile_is_modern(s, &modern, errp)) {
        return false;
    }
    vtd_profile_apply(s, modern);
    if (!vtd_check_widths(s, errp) || !vtd_check_needs(s, errp) ||
        !vtd_check_contradictions(s, errp)) {
        return false;
    }
    if (!s->fault_records || s->fault_records > VTD_FAULT_RECORDS_MAX) {
        error_setg(errp, "intel-iommu: fault-records is %u, but must be "
                   "1 to %u", s->fault_records, VTD_FAULT_RECORDS_MAX);
        return false;
    }
    if (!vtd_check_eim(s, errp)) {
        return false;
    }
    vtd_warn_idle(s);
    return true;
}

/*
 * SMMUv3: the properties, and the ID registers that they make
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/iommu/viommu-model.h"
#include "hw/qdev-properties.h"
#include "qapi/error.h"
#include "smmuv3-internal.h"

static bool props_is(const char *value, const char *name)
{
    return value && !strcmp(value, name);
}

/* The properties are those of the base, but for what is beyond it. */
bool smmuv3_props_stage(const char *stage, SMMUv3Features *f, Error **errp)
{
    if (!stage || props_is(stage, "1")) {
        f->s1p = true;
    } else if (props_is(stage, "2")) {
        f->s2p = true;
    } else if (props_is(stage, "nested")) {
        f->s1p = true;
        f->s2p = true;
    } else {
        error_setg(errp, "arm-smmuv3: stage is '%s', but must be '1', '2' or "
                   "'nested'", stage);
        return false;
    }
    return true;
}

static bool props_check_httu(const SMMUv3State *s, SMMUv3Features *f,
                             Error **errp)
{
    if (!s->httu || props_is(s->httu, "off")) {
        f->httu = SMMU_HTTU_NONE;
    } else if (props_is(s->httu, "access")) {
        f->httu = SMMU_HTTU_ACCESS;
    } else if (props_is(s->httu, "dirty")) {
        f->httu = SMMU_HTTU_DIRTY;
    } else {
        error_setg(errp, "arm-smmuv3: httu is '%s', but must be 'off', "
                   "'access' (the Access flag) or 'dirty' (dirty state, too)",
                   s->httu);
        return false;
    }
    return true;
}

bool smmuv3_props_decide(SMMUv3State *s, Error **errp)
{
    SMMUv3Features f = {
        .ats = s->ats,
        .msi = s->msi,
        .perms_ovr = s->perms_ovr,
        .ssid_bits = s->ssidsize,
        .oas_bits = s->oas,
    };

    if (!smmuv3_props_stage(s->stage, &f, errp) ||
        !props_check_httu(s, &f, errp)) {
        return false;
    }
    if (s->oas != 44 && s->oas != 48) {
        error_setg(errp, "arm-smmuv3: oas is %u bits, but must be 44 or 48",
                   s->oas);
        return false;
    }
    if (s->ssidsize > SMMU_SSIDSIZE_MAX) {
        error_setg(errp, "arm-smmuv3: ssidsize is %u bits, but must be 0 to "
                   "%u", s->ssidsize, SMMU_SSIDSIZE_MAX);
        return false;
    }
    if (s->ssidsize && !f.s1p) {
        error_setg(errp, "arm-smmuv3: ssidsize=%u needs stage 1; use "
                   "stage=nested or ssidsize=0", s->ssidsize);
        return false;
    }
    if (s->caching_mode && f.httu) {
        error_setg(errp, "arm-smmuv3: caching-mode=on is for devices that do "
                   "not update the guest's tables; use httu=off");
        return false;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(s->idr); i++) {
        s->idr[i] = smmuv3_idr(&f, i);
    }
    return true;
}

static const Property smmuv3_properties[] = {
    DEFINE_PROP_STRING("stage", SMMUv3State, stage),

    /* Ours.  An OAS of 52 would need the tables of FEAT_LPA and LPA2. */
    DEFINE_PROP_UINT8("oas", SMMUv3State, oas, 44),
    DEFINE_PROP_UINT8("ssidsize", SMMUv3State, ssidsize, 0),
    DEFINE_PROP_STRING("httu", SMMUv3State, httu),
    DEFINE_PROP_BOOL("ats", SMMUv3State, ats, false),
    DEFINE_PROP_BOOL("msi", SMMUv3State, msi, false),
    DEFINE_PROP_BOOL("attr-perms-ovr", SMMUv3State, perms_ovr, false),
    DEFINE_PROP_BOOL("caching-mode", SMMUv3State, caching_mode, false),
    DEFINE_VIOMMU_PROPERTIES(SMMUv3State, viommu),
};

static const VIOMMUPropertyHelp smmuv3_property_help[] = {
    { "stage", "stages of translation (IDR0.S1P, S2P): 1, 2, or nested, which "
               "is both; 1 if it is not given" },
    { "oas", "bits of an output address (IDR5.OAS), 44 or 48" },
    { "ssidsize", "bits of a SubstreamID, or PASID (IDR1.SSIDSIZE), up to 20; "
                  "0: no substreams" },
    { "httu", "hardware update of tables (IDR0.HTTU, and the machine's IORT): "
              "off, access (the Access flag) or dirty (dirty state, too); off "
              "if it is not given" },
    { "ats", "endpoints may have address translation caches of their own "
             "(IDR0.ATS)" },
    { "msi", "CMD_SYNC, events and GERROR can signal by MSI (IDR0.MSI)" },
    { "attr-perms-ovr", "an STE's PRIVCFG and INSTCFG count "
                        "(IDR1.ATTR_PERMS_OVR)" },
    { "caching-mode", "allow devices that keep a copy of the guest's tables "
                      "(vfio-pci); for guests that invalidate what they map, "
                      "which Linux does not" },
};

void smmuv3_props_class_init(ObjectClass *klass)
{
    device_class_set_props(DEVICE_CLASS(klass), smmuv3_properties);
    viommu_describe(klass, smmuv3_property_help,
                    ARRAY_SIZE(smmuv3_property_help));
}

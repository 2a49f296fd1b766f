/*
 * VT-d, scalable mode: what properties refuse each other
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What they give, when they do not, is in viommu-vtd-regs-test.c.
 */
#include "qemu/osdep.h"
#include "viommu-vtd.h"

typedef struct Refused {
    const char *name;
    const char *unit;        /* properties */
    const char *text[2];     /* what the message has to name */
} Refused;

static const Refused refused[] = {
    { "profile", "profile=new", { "profile", "'modern'" } },
    { "flts", "x-flts=on", { "x-flts", "x-scalable-mode=on" } },
    { "ssts", "ssts=on", { "ssts", "x-scalable-mode=on" } },
    { "nesting", "x-scalable-mode=on,nesting=on", { "nesting", "x-flts=on" } },
    { "nesting-ssts", "x-scalable-mode=on,x-flts=on,ssts=off,nesting=on",
      { "nesting", "ssts=on" } },
    { "no-stage", "x-scalable-mode=on,ssts=off",
      { "x-scalable-mode", "ssts=on" } },
    { "ssads", "ssads=on", { "ssads", "ssts=on" } },
    { "eafs", "x-scalable-mode=on,eafs=on", { "eafs", "x-flts=on" } },
    { "rid-pasid", "rid-pasid=on", { "rid-pasid", "x-scalable-mode=on" } },
    { "pasid", "x-pasid-mode=on", { "x-pasid-mode", "x-scalable-mode=on" } },
    { "pasid-bits", "pasid-bits=4", { "pasid-bits", "x-scalable-mode=on" } },
    { "pasid-bits-most", "x-scalable-mode=on,pasid-bits=21",
      { "pasid-bits is 21", "20" } },
    { "pasid-contradiction", "x-scalable-mode=on,x-pasid-mode=on,pasid-bits=0",
      { "x-pasid-mode", "pasid-bits=0" } },
    { "svm-pasid", "x-scalable-mode=on,svm=on,device-iotlb=on",
      { "svm", "pasid-bits" } },
    { "svm-iotlb", "x-scalable-mode=on,pasid-bits=20,svm=on",
      { "svm", "device-iotlb=on" } },
    { "drain", "x-scalable-mode=on,dma-drain=off",
      { "x-scalable-mode", "dma-drain=on" } },
    { "posted-interrupts", "posted-interrupts=on,intremap=off",
      { "posted-interrupts", "intremap=on" } },
    { "first-39", "x-scalable-mode=on,x-flts=on,aw-bits=39",
      { "aw-bits", "48, 57" } },
    { "aw-bits", "aw-bits=52", { "aw-bits", "39, 48, 57" } },
};

static void test_refused(const void *opaque)
{
    const Refused *r = opaque;
    g_autofree char *args = vtd_machine(r->unit);
    g_autofree char *message = unit_refused(args);

    g_assert_nonnull(message);
    for (unsigned i = 0; i < ARRAY_SIZE(r->text); i++) {
        g_assert_nonnull(strstr(message, r->text[i]));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < ARRAY_SIZE(refused); i++) {
        g_autofree char *path = g_strdup_printf("/viommu/vtd-sm/refused/%s",
                                                refused[i].name);

        qtest_add_data_func(path, &refused[i], test_refused);
    }
    return g_test_run();
}

/*
 * vIOMMU: what a model says of itself in words and numbers
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Everything here is optional.  What is asked of the core's own structures the
 * core answers; the model knows its registers, what it calls a domain, and what
 * its faults mean.
 */
#ifndef HW_IOMMU_VIOMMU_QUERY_H
#define HW_IOMMU_VIOMMU_QUERY_H

#include "hw/iommu/viommu.h"

/* A fault as the model records it; strings live for ever. */
typedef struct VIOMMUFaultSays {
    unsigned code;           /* the specification's number */
    const char *name;        /* and its name for that; NULL: it has none */
    const char *reason;      /* a sentence */
    bool recorded;           /* the guest is told */
} VIOMMUFaultSays;

struct VIOMMUQueryOps {
    /*
     * resolve: in place of VIOMMUOps.resolve, for a query, by a model that has
     * to ask somebody (.asks): it waits a moment at most, and so do walks of
     * the space; without an answer @config is BLOCKED, and .fault says why.
     * NULL: that one.  BQL.
     */
    void (*resolve)(VIOMMU *v, VIOMMUEndpoint *ep, uint32_t pasid,
                    VIOMMUConfig *config);
    /* Names of the device's properties that matter; NULL ends them. */
    const char *const *properties;
    /*
     * unit: fill @info->root, registers and queues, which are empty.  Changes
     * nothing.  BQL.
     */
    void (*unit)(VIOMMU *v, VIOMMUInfo *info);
    /*
     * domain: append what the model calls the domain of @config, whose tag is
     * not DMA_TAG_UNTRANSLATED, to *@tail.  BQL.
     */
    void (*domain)(VIOMMU *v, const VIOMMUConfig *config,
                   VIOMMUNumberList ***tail);
    /*
     * bypass: why the DMA of @ep passes while its mode is BYPASS and
     * translation is on: a sentence's second half.  NULL: tables say so.  BQL,
     * inside an RCU read section.
     */
    const char *(*bypass)(VIOMMU *v, VIOMMUEndpoint *ep);
    /* remaps: does the model remap interrupts now?  NULL: it never does. */
    bool (*remaps)(VIOMMU *v);
    /*
     * fault: what VIOMMUOps.fault would do of @fault.  Any thread, with or
     * without the BQL; takes at most a leaf lock of the model's own.
     */
    void (*fault)(VIOMMU *v, const VIOMMUConfig *config,
                  const VIOMMUFault *fault, VIOMMUFaultSays *says);
};

/* A request for an interrupt that was refused */
typedef struct VIOMMURefusedInterrupt {
    hwaddr addr;             /* that the message was written to */
    bool has_index;          /* it names an entry of the remapping table */
    uint32_t index;
    VIOMMUFaultSays says;
} VIOMMURefusedInterrupt;

/**
 * viommu_refused_interrupt: the model has refused one of @ep, and has recorded
 * that its own way.  For whoever asks.  Any thread, no lock held.
 */
void viommu_refused_interrupt(VIOMMUEndpoint *ep,
                              const VIOMMURefusedInterrupt *refused);

/* Appends to a list of an answer. */

/** viommu_say_number: @value, which the specification calls @name. */
void viommu_say_number(VIOMMUNumberList ***tail, const char *name,
                       uint64_t value);

/** viommu_say_queue: takes over @queue, which g_new0() made. */
void viommu_say_queue(VIOMMUQueueInfoList ***tail, VIOMMUQueueInfo *queue);

#endif

/*
 * The vIOMMU core: what a model says of itself, as lists of an answer
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/iommu/viommu-query.h"
#include "qapi/util.h"

void viommu_say_number(VIOMMUNumberList ***tail, const char *name,
                       uint64_t value)
{
    VIOMMUNumber *number = g_new0(VIOMMUNumber, 1);

    number->name = g_strdup(name);
    number->value = value;
    QAPI_LIST_APPEND(*tail, number);
}

void viommu_say_queue(VIOMMUQueueInfoList ***tail, VIOMMUQueueInfo *queue)
{
    QAPI_LIST_APPEND(*tail, queue);
}

/*
 * What a vIOMMU needs to know of a request beside its address, as a number
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * MemTxAttrs has it in several fields.  This is what IOMMU indexes and the
 * records of DMA in flight carry.  0: an untranslated request without a PASID.
 */
#ifndef SYSTEM_DMA_ATTRS_H
#define SYSTEM_DMA_ATTRS_H

#include "exec/memattrs.h"

#define DMA_ATTRS_PASID_BITS    20
#define DMA_ATTRS_PASID_MASK    ((1u << DMA_ATTRS_PASID_BITS) - 1)
#define DMA_ATTRS_PASID         (1u << 20)  /* it has one, even if that is 0 */
#define DMA_ATTRS_EXEC          (1u << 21)  /* with a PASID: Execute */
#define DMA_ATTRS_PRIV          (1u << 22)  /* ... Privileged Mode */
#define DMA_ATTRS_TRANSLATED    (1u << 23)  /* its address came by ATS */
#define DMA_ATTRS_BITS          24

/** dma_attrs_plain: is dma_attrs_code() 0?  Any thread. */
static inline bool dma_attrs_plain(MemTxAttrs attrs)
{
    return !(attrs.pid | attrs.pid_valid | attrs.address_type);
}

/**
 * dma_attrs_code: DMA_ATTRS_* of @attrs.  A device that knows of no pid_valid
 * has a PASID if pid is not 0.  Any thread.
 */
static inline uint32_t dma_attrs_code(MemTxAttrs attrs)
{
    uint32_t code = attrs.address_type ? DMA_ATTRS_TRANSLATED : 0;

    if (attrs.pid | attrs.pid_valid) {
        code |= attrs.pid | DMA_ATTRS_PASID |
                (attrs.pid_exec ? DMA_ATTRS_EXEC : 0) |
                (attrs.pid_priv ? DMA_ATTRS_PRIV : 0);
    }
    return code;
}

#endif

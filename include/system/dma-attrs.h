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

static inline uint64_t dma_attrs_bits(MemTxAttrs attrs)
{
    uint64_t bits = 0;

    memcpy(&bits, &attrs, sizeof(attrs));
    return bits;
}

/*
 * The fields as a number.  Compilers lay them out in a row, in this order, but
 * do not see that one shift is enough; all but that shift is gone when they
 * have seen it here.
 */
static inline uint32_t dma_attrs_fields(MemTxAttrs attrs)
{
    const uint64_t pid = dma_attrs_bits((MemTxAttrs) {
        .pid = DMA_ATTRS_PASID_MASK,
    });
    const uint64_t valid = dma_attrs_bits((MemTxAttrs) { .pid_valid = 1 });
    const uint64_t exec = dma_attrs_bits((MemTxAttrs) { .pid_exec = 1 });
    const uint64_t priv = dma_attrs_bits((MemTxAttrs) { .pid_priv = 1 });
    const uint64_t type = dma_attrs_bits((MemTxAttrs) { .address_type = 1 });
    const int shift = __builtin_ctzll(pid);

    if (pid >> shift == DMA_ATTRS_PASID_MASK &&
        valid >> shift == DMA_ATTRS_PASID && exec >> shift == DMA_ATTRS_EXEC &&
        priv >> shift == DMA_ATTRS_PRIV &&
        type >> shift == DMA_ATTRS_TRANSLATED) {
        return dma_attrs_bits(attrs) >> shift & ((1u << DMA_ATTRS_BITS) - 1);
    }
    return attrs.pid | (attrs.pid_valid ? DMA_ATTRS_PASID : 0) |
           (attrs.pid_exec ? DMA_ATTRS_EXEC : 0) |
           (attrs.pid_priv ? DMA_ATTRS_PRIV : 0) |
           (attrs.address_type ? DMA_ATTRS_TRANSLATED : 0);
}

/**
 * dma_attrs_code: DMA_ATTRS_* of @attrs.  A device that knows of no pid_valid
 * has a PASID if pid is not 0.  Any thread.
 */
static inline uint32_t dma_attrs_code(MemTxAttrs attrs)
{
    uint32_t fields = dma_attrs_fields(attrs);

    return fields & (DMA_ATTRS_PASID | DMA_ATTRS_PASID_MASK) ?
           fields | DMA_ATTRS_PASID : fields & DMA_ATTRS_TRANSLATED;
}

/**
 * dma_attrs_who: of requests with dma_attrs_code() @code: those with the same
 * number are translated alike.  A translated request's PASID says nothing of
 * where it leads.  Any thread.
 */
static inline uint32_t dma_attrs_who(uint32_t code)
{
    return code & DMA_ATTRS_TRANSLATED ?
           DMA_ATTRS_TRANSLATED | DMA_ATTRS_PASID : code;
}

#endif

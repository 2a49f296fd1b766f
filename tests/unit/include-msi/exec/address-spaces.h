/*
 * Guest memory of one word, for test-msi.c
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * As an access to RAM is: a plain store, which orders nothing.
 */
#ifndef EXEC_ADDRESS_SPACES_H
#define EXEC_ADDRESS_SPACES_H

#include "qemu/atomic.h"

typedef enum MemTxResult {
    MEMTX_OK,
    MEMTX_DECODE_ERROR,
} MemTxResult;

#define MEMTXATTRS_UNSPECIFIED 0

/* The word's address in guest memory is 0. */
static struct AddressSpace {
    uint32_t word;
} address_space_memory;

static void address_space_stl_le(struct AddressSpace *as, uint64_t addr,
                                 uint32_t val, unsigned attrs,
                                 MemTxResult *result)
{
    *result = addr ? MEMTX_DECODE_ERROR : MEMTX_OK;
    if (!addr) {
        qatomic_set(&as->word, val);
    }
}

#endif

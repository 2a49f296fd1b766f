/*
 * vIOMMU core: access to the tables in guest memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "exec/address-spaces.h"
#include "qemu/rcu.h"
#include "viommu-internal.h"

/* Tables are memory: an entry that would have to come from a device fails. */
static const MemTxAttrs table_attrs = { .memory = 1 };

/* Out of line, for the walks that read nothing but RAM: all there are. */
static bool __attribute__((noinline)) read_elsewhere(VIOMMU *v, uint64_t addr,
                                                     uint64_t *entry)
{
    uint64_t val;

    if (address_space_read_full(v->memory, addr, table_attrs, &val,
                                sizeof(val)) != MEMTX_OK) {
        return false;
    }
    *entry = le64_to_cpu(val);
    return true;
}

bool viommu_read_entry(void *opaque, uint64_t addr, uint64_t *entry)
{
    return likely(dma_ram_read64(addr, entry)) ||
           read_elsewhere(opaque, addr, entry);
}

bool viommu_update_entry(void *opaque, uint64_t addr,
                         uint64_t *expected, uint64_t value)
{
    VIOMMU *v = opaque;
    hwaddr xlat, len = sizeof(value);
    MemoryRegion *mr;
    uint64_t *entry, old;

    RCU_READ_LOCK_GUARD();
    mr = address_space_translate(v->memory, addr, &xlat, &len, true,
                                 table_attrs);
    if (len < sizeof(value) || addr % sizeof(value) ||
        !memory_access_is_direct(mr, true, table_attrs)) {
        return false;
    }
    entry = qemu_map_ram_ptr(mr->ram_block, xlat);
    old = qatomic_cmpxchg(entry, cpu_to_le64(*expected), cpu_to_le64(value));
    memory_region_set_dirty(mr, xlat, sizeof(value));
    *expected = le64_to_cpu(old);
    return true;
}

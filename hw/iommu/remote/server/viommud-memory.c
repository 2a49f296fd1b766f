/*
 * qemu-viommud: the guest's memory, as models ask for it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The functions of the memory core and of the DMA API that models call.  There
 * is but one address space, the guest's physical one.
 */
#include "qemu/osdep.h"
#include "exec/address-spaces.h"
#include "qemu/atomic.h"
#include "qemu/bswap.h"
#include "system/dma-inflight.h"
#include "viommud-internal.h"

AddressSpace address_space_memory;

const void *dma_ram_at(hwaddr gpa, hwaddr len)
{
    return viommud.link ? vrs_at(viommud.link, gpa, len) : NULL;
}

/* Memory is shared for reading alone: there is no short way. */
bool dma_ram_write(hwaddr gpa, const void *buf, hwaddr len)
{
    return false;
}

/*
 * What models write (a status, a record of a queue, a message) they do not look
 * at again, and software is to see it before what comes after it: no more.
 */
MemTxResult address_space_rw(AddressSpace *as, hwaddr addr, MemTxAttrs attrs,
                             void *buf, hwaddr len, bool is_write)
{
    bool good = viommud.link &&
                (is_write ? vrs_post(viommud.link, addr, buf, len) :
                            vrs_read(viommud.link, addr, buf, len));

    return good ? MEMTX_OK : MEMTX_ERROR;
}

bool viommud_read_entry(void *opaque, uint64_t addr, uint64_t *entry)
{
    const uint64_t *at;
    uint64_t value;

    if (!viommud.link) {
        return false;
    }
    at = vrs_at(viommud.link, addr, sizeof(*at));
    if (at && QEMU_PTR_IS_ALIGNED(at, sizeof(*at))) {
        /* The guest may be writing it. */
        value = qatomic_read(at);
    } else if (!vrs_read(viommud.link, addr, &value, sizeof(value))) {
        return false;
    }
    *entry = le64_to_cpu(value);
    return true;
}

bool viommud_update_entry(void *opaque, uint64_t addr, uint64_t *expected,
                          uint64_t value)
{
    return viommud.link && !(addr % sizeof(value)) &&
           vrs_update(viommud.link, addr, expected, value);
}

/*
 * The server's library: the guest's memory
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What comes with a descriptor is mapped for reading; what does not is read by
 * message.  Writes are messages always, so that the client's migration sees
 * them.
 */
#include "qemu/osdep.h"
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "vrs-internal.h"

#define MAPS_MAX 4096

typedef struct VRSMap {
    uint64_t addr, size;
    bool writable;
    const uint8_t *data;     /* NULL: it is not shared */
    void *mapping;
    size_t mapping_size;
} VRSMap;

static VRSMap *memory_map_at(const VRSServer *s, guint i)
{
    return &g_array_index(s->maps, VRSMap, i);
}

/* The first one that ends at @addr or behind it: its place, or the number */
static guint memory_place(const VRSServer *s, uint64_t addr)
{
    guint low = 0, high = s->maps->len;

    while (low < high) {
        guint middle = low + (high - low) / 2;
        const VRSMap *m = memory_map_at(s, middle);

        if (m->addr + (m->size - 1) < addr) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* The one that has @addr */
static const VRSMap *memory_find(const VRSServer *s, uint64_t addr)
{
    guint i = memory_place(s, addr);
    const VRSMap *m = i < s->maps->len ? memory_map_at(s, i) : NULL;

    return m && m->addr <= addr ? m : NULL;
}

static const char *memory_share(VRSMap *m, const VRPDMAMap *map, int fd)
{
    uint64_t page = sysconf(_SC_PAGESIZE), skip = map->offset % page;
    struct stat st;

    if (fstat(fd, &st) < 0 || st.st_size < 0 ||
        map->offset + (map->size - 1) >= (uint64_t)st.st_size) {
        return "a descriptor has not the memory that it comes with";
    }
    m->mapping_size = map->size + skip;
    m->mapping = mmap(NULL, m->mapping_size, PROT_READ, MAP_SHARED, fd,
                      map->offset - skip);
    if (m->mapping == MAP_FAILED) {
        return "memory cannot be mapped";
    }
    m->data = (const uint8_t *)m->mapping + skip;
    return NULL;
}

static void memory_end(VRSMap *m)
{
    if (m->data) {
        munmap(m->mapping, m->mapping_size);
    }
}

const char *vrs_memory_map(VRSServer *s, const VRPDMAMap *map, int fd)
{
    guint i = memory_place(s, map->addr);
    VRSMap m = {
        .addr = map->addr,
        .size = map->size,
        .writable = map->flags & VRP_DMA_WRITEABLE,
    };
    const char *wrong = NULL;

    if (s->maps->len >= MAPS_MAX) {
        wrong = "memory is in too many pieces";
    } else if (i < s->maps->len &&
               memory_map_at(s, i)->addr <= map->addr + (map->size - 1)) {
        wrong = "memory is where there is some already";
    } else if (fd >= 0) {
        wrong = memory_share(&m, map, fd);
    }
    if (fd >= 0) {
        close(fd);
    }
    if (!wrong) {
        g_array_insert_val(s->maps, i, m);
    }
    return wrong;
}

void vrs_memory_unmap(VRSServer *s, const VRPDMAUnmap *unmap)
{
    uint64_t last = unmap->addr + (unmap->size - 1);
    guint i = memory_place(s, unmap->addr);

    while (i < s->maps->len && memory_map_at(s, i)->addr <= last) {
        memory_end(memory_map_at(s, i));
        g_array_remove_index(s->maps, i);
    }
}

const void *vrs_at(const VRSServer *s, uint64_t addr, uint64_t len)
{
    const VRSMap *m = memory_find(s, addr);

    if (!m || !m->data || len > m->size - (addr - m->addr)) {
        return NULL;
    }
    return m->data + (addr - m->addr);
}

/* One piece, of which the client has to be asked */
static bool memory_read_asking(VRSServer *s, uint64_t addr, void *data,
                               size_t len)
{
    VRPDMA dma = { .addr = addr, .count = len };

    return vrs_ask(s, VRP_DMA_READ, &dma, NULL, 0, &dma, data, len) &&
           dma.addr == addr;
}

bool vrs_read(VRSServer *s, uint64_t addr, void *data, size_t len)
{
    uint8_t *to = data;

    while (len) {
        const VRSMap *m = memory_find(s, addr);
        uint64_t part = m ? MIN(len, m->size - (addr - m->addr)) : 0;

        if (!m) {
            return false;
        }
        if (m->data) {
            memcpy(to, m->data + (addr - m->addr), part);
        } else {
            part = MIN(part, VRP_DATA_MAX);
            if (!memory_read_asking(s, addr, to, part)) {
                return false;
            }
        }
        addr += part;
        to += part;
        len -= part;
    }
    return true;
}

bool vrs_write(VRSServer *s, uint64_t addr, const void *data, size_t len)
{
    const uint8_t *from = data;

    while (len) {
        size_t part = MIN(len, VRP_DATA_MAX);
        VRPDMA dma = { .addr = addr, .count = part };

        if (!vrs_ask(s, VRP_DMA_WRITE, &dma, from, part, &dma, NULL, 0)) {
            return false;
        }
        addr += part;
        from += part;
        len -= part;
    }
    return true;
}

/* All of it or nothing, as far as is known here */
static bool memory_is_writable(const VRSServer *s, uint64_t addr, uint64_t len)
{
    while (len) {
        const VRSMap *m = memory_find(s, addr);
        uint64_t part;

        if (!m || !m->writable) {
            return false;
        }
        part = MIN(len, m->size - (addr - m->addr));
        addr += part;
        len -= part;
    }
    return true;
}

bool vrs_post(VRSServer *s, uint64_t addr, const void *data, size_t len)
{
    const uint8_t *from = data;

    if (!s->up || s->gone || !memory_is_writable(s, addr, len)) {
        return false;
    }
    while (len) {
        size_t part = MIN(len, VRP_DATA_MAX);
        VRPDMA dma = { .addr = addr, .count = part };

        vrs_order(s, VRP_DMA_WRITE, VRP_FLAG_NO_REPLY, &dma, from, part);
        addr += part;
        from += part;
        len -= part;
    }
    return !s->gone;
}

bool vrs_update(VRSServer *s, uint64_t addr, uint64_t *expected,
                uint64_t value)
{
    VRPUpdate update = { .addr = addr, .expected = *expected, .value = value };

    if (!vrs_ask(s, VRP_UPDATE, &update, NULL, 0, &update, NULL, 0)) {
        return false;
    }
    *expected = update.expected;
    return true;
}

void vrs_memory_init(VRSServer *s)
{
    s->maps = g_array_new(false, false, sizeof(VRSMap));
}

void vrs_memory_free(VRSServer *s)
{
    for (guint i = 0; i < s->maps->len; i++) {
        memory_end(memory_map_at(s, i));
    }
    g_array_unref(s->maps);
}

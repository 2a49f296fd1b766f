/*
 * I/O page-table walker: two stages, two halves, and entries that are updated
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A walk of the first stage reads each of its entries through the second, and
 * then sends its output through the second: with five levels each that is 35
 * entries at the most, whatever the tables say.  Tables lie close to each
 * other, so most of it is the same way: IOPTPath.  And so is most of the next
 * walk's: IOPTMemo.
 *
 * Updates (Access flag, dirty state) are made when it is known that the access
 * succeeds, so that an access that faults leaves no page dirty.
 */
#include "qemu/osdep.h"
#include "hw/iommu/iopt-maps.h"
#include "iopt-internal.h"

/*
 * How often an entry that changes under us is tried again: each time somebody
 * else's change got through, so a guest has to work at it to lose us.
 */
#define MAX_UPDATES 64

#define ACCESS_MASK (IOPT_READ | IOPT_WRITE)

IOPTFault iopt_stage_start(const IOPTTable *table, IOPTResult *out)
{
    if (!table->format->decode) {
        return IOPT_OK;
    }
    if (table->disabled) {
        return IOPT_FAULT_RANGE;
    }
    if (table->root & ~iopt_block_last(0, table->output_bits)) {
        out->level = table->levels;
        return IOPT_FAULT_ADDR_SIZE;
    }
    return IOPT_OK;
}

/* Make the second stage's fault @fault, which is in @res, that of the walk. */
static IOPTFault second_fault(IOPTFault fault, const IOPTResult *res,
                              uint64_t ipa, bool on_table, IOPTResult *out)
{
    *out = *res;
    out->second = true;
    out->on_table = on_table;
    out->ipa = ipa;
    return fault;
}

IOPTFault iopt_locate_entry(IOPTWalk *w, uint64_t addr, unsigned access,
                            IOPTTablePage *page, uint64_t *memory,
                            IOPTResult *out)
{
    IOPTResult res;
    IOPTFault fault;
    uint64_t in_page;

    if (page && page->shift && (addr ^ page->first) >> page->shift == 0) {
        *memory = page->addr + (addr - page->first);
        return IOPT_OK;
    }
    fault = iopt_stage_walk(w, w->second, false, addr, access, IOPT_TABLE,
                            &res);
    if (fault != IOPT_OK) {
        res.table_write = access & IOPT_WRITE;
        return second_fault(fault, &res, addr, true, out);
    }
    in_page = addr & iopt_block_last(0, res.shift);
    *memory = res.addr | in_page;
    /* An observer is told of every step. */
    if (page && !w->mem->observe) {
        *page = (IOPTTablePage) {
            .first = addr - in_page, .addr = res.addr, .shift = res.shift,
        };
    }
    return IOPT_OK;
}

/*
 * Would the second stage let the first update the entry at @addr, and @access
 * the page that leads to @output?
 */
static IOPTFault probe_second(IOPTWalk *w, uint64_t addr, uint64_t output,
                              unsigned access, unsigned attrs, IOPTResult *out)
{
    IOPTWalk probe = *w;
    IOPTMemo memo;
    IOPTResult res;
    IOPTFault fault;
    uint64_t memory;

    probe.update = false;
    if (w->memo) {
        /* What a probe passes may not be marked accessed. */
        memo = *w->memo;
        probe.memo = &memo;
    }
    fault = iopt_locate_entry(&probe, addr, IOPT_WRITE, NULL, &memory, out);
    if (fault != IOPT_OK) {
        return fault;
    }
    fault = iopt_stage_walk(&probe, w->second, false, output, access, attrs,
                            &res);
    return fault == IOPT_OK ? IOPT_OK :
           second_fault(fault, &res, output, false, out);
}

/*
 * Make the entry @value if it is still *@entry; *@entry becomes what it is
 * then.
 */
static IOPTFault update_entry(IOPTWalk *w, bool nested, uint64_t addr,
                              uint64_t *entry, uint64_t value, IOPTResult *out)
{
    uint64_t found = *entry;
    IOPTFault fault;

    if (nested) {
        fault = iopt_locate_entry(w, addr, IOPT_WRITE, NULL, &addr, out);
        if (fault != IOPT_OK) {
            return fault;
        }
    }
    out->fetch = addr;
    if (!w->mem->update(w->mem->opaque, addr, &found, value)) {
        out->not_updated = true;
        return IOPT_FAULT_READ_TABLE;
    }
    *entry = found == *entry ? value : found;
    return IOPT_OK;
}

/*
 * The entry at @addr leads to a table, and must be marked accessed: that is
 * done as soon as it is used, whatever the levels below say.  In a probe, see
 * whether it could be done.  Out of line, as update_leaf() is, for the walks
 * that need neither.
 */
static __attribute__((noinline))
IOPTFault mark_table(IOPTWalk *w, bool nested, uint64_t addr, unsigned access,
                     const IOPTEntry *e, IOPTResult *out)
{
    uint64_t memory;

    if (!e->can || (access & ~e->can)) {
        out->perm = e->can;
        return IOPT_FAULT_PERMISSION;
    }
    if (w->mem->as_is) {
        return IOPT_FAULT_ACCESS_FLAG;
    }
    if (e->accessed == out->entry) {
        return IOPT_FAULT_UPDATE;
    }
    if (w->update) {
        return update_entry(w, nested, addr, &out->entry, e->accessed, out);
    }
    return nested && access ?
           iopt_locate_entry(w, addr, IOPT_WRITE, NULL, &memory, out) :
           IOPT_OK;
}

/*
 * The leaf at @addr must be updated for @access.  In a probe, see whether it
 * could be.
 */
static __attribute__((noinline))
IOPTFault update_leaf(IOPTWalk *w, bool nested, uint64_t addr, uint64_t iova,
                      unsigned access, unsigned attrs, const IOPTEntry *e,
                      IOPTResult *out)
{
    uint64_t value = access & IOPT_WRITE ? e->dirty : e->accessed;

    if (w->mem->as_is) {
        return access & IOPT_WRITE ? IOPT_FAULT_PERMISSION :
                                     IOPT_FAULT_ACCESS_FLAG;
    }
    if (value == out->entry && (access || e->dirty == out->entry)) {
        return IOPT_FAULT_UPDATE;
    }
    if (value == out->entry && w->update) {
        /* To be written only, and this is no write. */
        out->perm = e->can;
        return IOPT_FAULT_PERMISSION;
    }
    if (nested && (access || w->update)) {
        IOPTFault fault = probe_second(w, addr, e->addr |
                                       (iova & iopt_block_last(0, out->shift)),
                                       access, attrs, out);

        if (fault != IOPT_OK) {
            return fault;
        }
    }
    return w->update ? update_entry(w, nested, addr, &out->entry, value, out) :
                       IOPT_OK;
}

/*
 * Decode the entry at @addr and check it for @access; if it is a leaf make it
 * such that it needs no update for @access any more, or, in a probe, see
 * whether that could be done.
 */
static IOPTFault settle_entry(IOPTWalk *w, const IOPTTable *table,
                              bool nested, uint64_t addr, uint64_t iova,
                              unsigned access, unsigned attrs,
                              unsigned inherited, IOPTEntry *e,
                              IOPTResult *out)
{
    unsigned tries;

    for (tries = 0; tries < MAX_UPDATES; tries++) {
        IOPTFault fault = iopt_decode(table, out->level, out->entry, attrs,
                                      inherited, e);

        if (fault != IOPT_OK) {
            if (!iopt_is_unmarked(fault, e)) {
                return fault;
            }
            fault = mark_table(w, nested, addr, access, e, out);
            if (fault != IOPT_OK || !w->update) {
                return fault;
            }
            continue;
        }
        if (!e->can || (access & ~e->can)) {
            out->perm = e->can;
            return IOPT_FAULT_PERMISSION;
        }
        if (!e->leaf) {
            return IOPT_OK;
        }
        if (e->now && !(access & ~e->now)) {
            break;
        }
        fault = update_leaf(w, nested, addr, iova, access, attrs, e, out);
        if (fault != IOPT_OK) {
            return fault;
        }
        if (!w->update) {
            break;
        }
    }
    if (tries == MAX_UPDATES) {
        out->not_updated = true;
        return IOPT_FAULT_READ_TABLE;
    }
    if (!w->update && !w->mem->as_is) {
        e->now = iopt_updated_perm(out->entry, e);
    }
    return IOPT_OK;
}

static void observe_entry(const IOPTWalk *w, const IOPTTable *table,
                          bool nested, uint64_t addr, uint64_t iova,
                          unsigned access,
                          unsigned attrs, unsigned inherited, IOPTFault fault,
                          const IOPTResult *out)
{
    const IOPTStep step = {
        .table = table,
        .level = out->level,
        .iova = iova,
        .addr = addr,
        .memory = nested ? out->fetch : addr,
        .entry = out->entry,
        .access = access,
        .attrs = attrs,
        .inherited = inherited,
        .fault = fault,
    };

    /* Of a fault that the second stage met on the way it has told already. */
    if (!out->second) {
        w->mem->observe(w->mem->opaque, &step);
    }
}

/*
 * iopt_stage_walk() through a second stage that is data, with nothing to be
 * updated: most of what a nested walk is made of.
 */
static IOPTFault walk_plain_second(IOPTWalk *w, uint64_t iova, unsigned access,
                                   IOPTResult *out)
{
    const IOPTTable *table = w->second;
    const IOPTFormat *format = table->format;
    const uint64_t address = iopt_block_last(0, table->output_bits) &
                             ~iopt_block_last(0, format->page_shift);
    uint64_t base = table->root, entry;
    unsigned inherited = 0, level, shift;
    IOPTFault fault;

    level = iopt_path_begin(&w->memo->second, table, iova, access, &base,
                            &inherited);
    shift = iopt_level_shift(format, level);
    for (;; level--, shift -= format->index_bits) {
        unsigned perm;
        bool leaf;

        out->level = level;
        out->shift = shift;
        out->entry = 0;
        fault = iopt_read_entry(w, false,
                                iopt_entry_addr(table, base, level, iova),
                                NULL, out);
        if (fault != IOPT_OK) {
            return fault;
        }
        entry = out->entry;
        perm = (entry & format->read_bit ? IOPT_READ : 0) |
               (entry & format->write_bit ? IOPT_WRITE : 0);
        if (!perm) {
            return IOPT_FAULT_NOT_PRESENT;
        }
        leaf = iopt_is_leaf(format, level, entry);
        if (entry & table->reserved[leaf][level]) {
            return IOPT_FAULT_RESERVED;
        }
        perm &= ~inherited;
        out->perm = perm;
        if (!perm || (access & ~perm)) {
            return IOPT_FAULT_PERMISSION;
        }
        base = entry & address;
        if (leaf) {
            out->addr = base & ~iopt_block_last(0, shift);
            return IOPT_OK;
        }
        inherited = ~perm;
        iopt_path_step(&w->memo->second, level, base, inherited, perm);
    }
}

/* NULL: the walk of this stage is a whole one. */
static IOPTPath *stage_path(const IOPTWalk *w, const IOPTTable *table)
{
    if (!w->memo) {
        return NULL;
    }
    if (table == w->second) {
        return &w->memo->second;
    }
    return w->remembers ? &w->memo->first : NULL;
}

IOPTFault iopt_stage_walk(IOPTWalk *w, const IOPTTable *table, bool nested,
                          uint64_t iova, unsigned access, unsigned attrs,
                          IOPTResult *out)
{
    IOPTPath *path = stage_path(w, table);
    IOPTTablePage *page = w->memo ? &w->memo->page : NULL;
    uint64_t base = table->root;
    unsigned inherited = 0;
    IOPTFault fault;
    IOPTEntry e;

    iopt_check_table(table);
    memset(out, 0, sizeof(*out));
    fault = iopt_stage_start(table, out);
    if (fault == IOPT_FAULT_RANGE || iova > iopt_input_last(table)) {
        return IOPT_FAULT_RANGE;
    }
    if (fault != IOPT_OK) {
        return fault;
    }
    if (path && table == w->second && !table->format->decode) {
        return walk_plain_second(w, iova, access, out);
    }
    for (out->level = path ? iopt_path_begin(path, table, iova, access, &base,
                                             &inherited) : table->levels; ;
         out->level = iopt_next_level(&e, out->level)) {
        uint64_t addr = iopt_entry_addr(table, base, out->level, iova);

        out->shift = iopt_level_shift(table->format, out->level);
        out->entry = 0;
        fault = iopt_read_entry(w, nested, addr, page, out);
        if (fault == IOPT_OK) {
            fault = settle_entry(w, table, nested, addr, iova, access, attrs,
                                 inherited, &e, out);
        }
        if (fault == IOPT_OK && !iopt_is_covered(table, out->level, &e, iova)) {
            fault = IOPT_FAULT_NOT_PRESENT;
        }
        if (unlikely(w->mem->observe)) {
            observe_entry(w, table, nested, addr, iova, access, attrs,
                          inherited, fault, out);
        }
        if (fault != IOPT_OK) {
            return fault;
        }
        if (e.leaf) {
            out->shift = e.leaf_shift ?: out->shift;
            out->addr = e.addr;
            out->perm = e.now;
            out->global = e.global;
            return IOPT_OK;
        }
        base = e.addr;
        inherited = e.inherited;
        /* With levels left out it is not known what a table covers. */
        if (path && !e.next_level) {
            iopt_path_step(path, out->level, base, inherited, e.can);
        }
    }
}

/* @table's own address of @iova; beyond input_bits if it covers it not. */
static uint64_t lower_iova(const IOPTTable *table, uint64_t iova)
{
    return table->ignore_top ? iova & UINT64_MAX >> table->ignore_top : iova;
}

static uint64_t upper_iova(const IOPTTable *table, uint64_t iova)
{
    uint64_t last = iopt_input_last(table);

    if (table->ignore_top) {
        iova |= ~(UINT64_MAX >> table->ignore_top);
    }
    return ~iova > last ? UINT64_MAX : iova & last;
}

/* Send the page of @first at @iova, the first stage's, through the second. */
static IOPTFault walk_second(IOPTWalk *w, uint64_t iova, unsigned access,
                             unsigned attrs, const IOPTResult *first,
                             IOPTResult *out)
{
    uint64_t ipa = first->addr | (iova & iopt_block_last(0, first->shift));
    IOPTResult res;
    IOPTFault fault = iopt_stage_walk(w, w->second, false, ipa, access, attrs,
                                      &res);

    if (fault == IOPT_OK && !(first->perm & res.perm)) {
        res.perm = 0;
        fault = IOPT_FAULT_PERMISSION;
    }
    if (fault != IOPT_OK) {
        return second_fault(fault, &res, ipa, false, out);
    }
    out->perm = first->perm & res.perm;
    out->shift = MIN(first->shift, res.shift);
    out->addr = (res.addr | (ipa & iopt_block_last(0, res.shift))) &
                ~iopt_block_last(0, out->shift);
    return IOPT_OK;
}

/* The table for *@iova, which becomes an address of the table's */
static const IOPTTable *walk_half(const IOPTSpace *space, uint64_t *iova)
{
    if (iopt_space_is_upper(space, *iova)) {
        *iova = upper_iova(&space->upper, *iova);
        return &space->upper;
    }
    *iova = lower_iova(&space->table, *iova);
    return &space->table;
}

/* The first stage of two, and the second with what it led to */
static IOPTFault walk_nested(IOPTWalk *w, const IOPTTable *table,
                             uint64_t iova, unsigned access, unsigned attrs,
                             IOPTResult *out)
{
    IOPTFault fault = iopt_stage_walk(w, table, true, iova, access, attrs, out);
    IOPTResult first;

    if (fault != IOPT_OK) {
        return fault;
    }
    first = *out;
    return walk_second(w, iova, access, attrs, &first, out);
}

/* The same: what it meets at first is not looked for again. */
static IOPTFault walk_alone(IOPTWalk *w, const IOPTTable *table,
                            uint64_t iova, unsigned access, unsigned attrs,
                            IOPTResult *out)
{
    IOPTMemo memo = { 0 };

    w->memo = &memo;
    return walk_nested(w, table, iova, access, attrs, out);
}

static IOPTFault walk_once(IOPTWalk *w, const IOPTTable *table, uint64_t iova,
                           unsigned access, unsigned attrs, IOPTResult *out)
{
    return w->second ? walk_nested(w, table, iova, access, attrs, out) :
           iopt_stage_walk(w, table, false, iova, access, attrs, out);
}

/*
 * And with what the walks before it met.  That may be out of date by now,
 * so a fault is one of a walk that met nothing but what is there.
 */
static IOPTFault walk_remembering(IOPTWalk *w, const IOPTTable *table,
                                  bool upper, uint64_t iova, unsigned access,
                                  unsigned attrs, IOPTResult *out)
{
    IOPTMemo *memo = w->memo;
    IOPTFault fault;

    w->remembers = true;
    if (memo->upper != upper) {
        memo->upper = upper;
        memo->first.lowest = 0;
    }
    if (memo->first.lowest || memo->second.lowest) {
        fault = walk_once(w, table, iova, access, attrs, out);
        if (fault == IOPT_OK) {
            return fault;
        }
        *memo = (IOPTMemo) { .upper = upper };
    }
    return walk_once(w, table, iova, access, attrs, out);
}

/* All stages there are, one by one */
static IOPTFault walk_stages(const IOPTSpace *space, bool nested,
                             uint64_t iova, unsigned access, unsigned attrs,
                             const IOPTMem *mem, IOPTResult *out)
{
    const IOPTTable *table = walk_half(space, &iova);
    IOPTWalk w = {
        .second = nested ? &space->second : NULL,
        .mem = mem,
        .reads_left = UINT64_MAX,
        .update = mem->update != NULL,
    };

    if (mem->memo && w.update && !mem->observe) {
        w.memo = mem->memo;
        return walk_remembering(&w, table, table == &space->upper, iova,
                                access, attrs, out);
    }
    if (!nested || mem->observe) {
        /* One who observes is told of every step. */
        return walk_once(&w, table, iova, access, attrs, out);
    }
    return walk_alone(&w, table, iova, access, attrs, out);
}

/* @iova is in the range that is not translated. */
static IOPTFault walk_identity(const IOPTSpace *space, uint64_t iova,
                               unsigned access, IOPTResult *out)
{
    unsigned shift = iopt_identity_shift(space, iova);

    *out = (IOPTResult) {
        .addr = iova & ~iopt_block_last(0, shift),
        .shift = shift,
        .perm = space->identity_perm,
    };
    return access & ACCESS_MASK & ~out->perm ? IOPT_FAULT_PERMISSION : IOPT_OK;
}

IOPTFault iopt_space_walk(const IOPTSpace *space, uint64_t iova,
                          unsigned access, const IOPTMem *mem,
                          IOPTResult *out)
{
    const IOPTTable *table = &space->table;
    bool nested = space->second.format != NULL;

    if (space->maps) {
        return iopt_maps_walk(space->maps, iova, access, out);
    }
    if (space->ask) {
        memset(out, 0, sizeof(*out));
        return space->ask->walk(space->ask, space, iova,
                                access | space->attrs, out);
    }
    if (iopt_is_identity(space, iova)) {
        return walk_identity(space, iova, access, out);
    }
    if (!nested && !space->upper.format && !table->format->decode &&
        !mem->observe) {
        return iopt_walk_plain(table, iova, access & ACCESS_MASK, mem, out);
    }
    return walk_stages(space, nested, iova, access & ACCESS_MASK,
                       space->attrs | (access & ~ACCESS_MASK), mem, out);
}

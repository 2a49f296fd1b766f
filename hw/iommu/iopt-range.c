/*
 * I/O page-table walker: everything that a range maps
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Everything in a table is the guest's.  A walk counts the entries it reads,
 * because a table that points to itself has more leaves than anyone can visit.
 */
#include "qemu/osdep.h"
#include "hw/iommu/iopt-maps.h"
#include "iopt-internal.h"

typedef struct RangeWalk {
    IOPTWalk w;
    unsigned attrs;
    IOPTVisit *visit;
    void *visit_opaque;
    uint64_t next;           /* everything below it has been visited */
    uint64_t last;
    bool complete;           /* @last has been visited */
    bool stopped;            /* the visitor said so */
    uint64_t unread;         /* w.exhausted: what is not known begins here */
} RangeWalk;

/*
 * A stage that is being walked.  @delta added to the stage's own address makes
 * it the IOVA.
 */
typedef struct RangeStage {
    const IOPTTable *table;
    uint64_t delta;
    const IOPTResult *first; /* the second stage: the leaf of the first */
} RangeStage;

static bool walk_table(RangeWalk *r, const RangeStage *s, uint64_t base,
                       unsigned level, unsigned inherited, uint64_t first,
                       uint64_t last);

static bool visit_part(RangeWalk *r, uint64_t first, uint64_t last,
                       const IOPTResult *res)
{
    /* @next wraps to 0 after the very last byte; @complete tells. */
    r->next = last + 1;
    r->complete = last == r->last;
    r->stopped = !r->visit(r->visit_opaque, first, last, res);
    return !r->stopped;
}

/* Visit what lies between the previous leaf and @last as one hole. */
static bool visit_hole(RangeWalk *r, uint64_t last, bool unread)
{
    const IOPTResult hole = { .unread = unread };

    return visit_part(r, r->next, last, &hole);
}

static bool visit_leaf(RangeWalk *r, uint64_t first, uint64_t last,
                       const IOPTResult *res)
{
    if (r->next < first && !visit_hole(r, first - 1, false)) {
        return false;
    }
    return visit_part(r, first, last, res);
}

/* Walk @first .. @last, the stage's own addresses, clipped to its input. */
static bool walk_stage(RangeWalk *r, const RangeStage *s, uint64_t first,
                       uint64_t last)
{
    const IOPTTable *table = s->table;
    IOPTResult unused;

    iopt_check_table(table);
    last = MIN(last, iopt_input_last(table));
    if (first > last || iopt_stage_start(table, &unused) != IOPT_OK) {
        return true;
    }
    return walk_table(r, s, table->root, table->levels, 0, first, last);
}

/* @first .. @last of the leaf @res of the stage @s, the stage's addresses */
static bool walk_leaf(RangeWalk *r, const RangeStage *s, uint64_t first,
                      uint64_t last, IOPTResult *res)
{
    if (r->w.second && !s->first) {
        uint64_t ipa = res->addr |
                       (first & iopt_block_last(0, res->shift));
        RangeStage second = {
            .table = r->w.second,
            .delta = s->delta + first - ipa,
            .first = res,
        };

        return walk_stage(r, &second, ipa, ipa + (last - first));
    }
    if (s->first) {
        res->perm &= s->first->perm;
        res->global = s->first->global;
        if (!res->perm) {
            return true;
        }
        if (s->first->shift < res->shift) {
            /* One page of the first stage, somewhere in this one. */
            res->addr |= s->first->addr & iopt_block_last(0, res->shift);
            res->shift = s->first->shift;
        }
    }
    return visit_leaf(r, first + s->delta, last + s->delta, res);
}

/*
 * Visit @first .. @last, all of it below the table @base, whose level is
 * @level.  The recursion is as deep as both stages have levels.  Returns:
 * false to stop.
 */
static bool walk_table(RangeWalk *r, const RangeStage *s, uint64_t base,
                       unsigned level, unsigned inherited, uint64_t first,
                       uint64_t last)
{
    const IOPTTable *table = s->table;
    unsigned shift = iopt_level_shift(table->format, level);
    IOPTTablePage page = { 0 };
    uint64_t addr = first;

    for (;;) {
        uint64_t end = MIN(last, iopt_block_last(addr, shift));
        IOPTResult res = { .level = level, .shift = shift };
        IOPTFault fault;
        IOPTEntry e;

        fault = iopt_read_entry(&r->w, r->w.second && !s->first,
                                iopt_entry_addr(table, base, level, addr),
                                &page, &res);
        if (r->w.exhausted) {
            r->unread = addr + s->delta;
            return false;
        }
        if (fault == IOPT_OK) {
            fault = iopt_decode(table, level, res.entry, r->attrs, inherited,
                                &e);
            if (iopt_is_markable(fault, res.entry, &e) &&
                !r->w.mem->as_is) {
                fault = IOPT_OK;
            }
        }
        /* What faults joins the hole that is reported before the next leaf. */
        if (fault == IOPT_OK && e.can) {
            bool on;

            if (e.leaf) {
                res.addr = e.addr;
                if (e.leaf_shift) {
                    res.shift = e.leaf_shift;
                    end = MIN(last, iopt_block_last(addr, res.shift));
                }
                res.perm = r->w.mem->as_is ? e.now :
                           iopt_updated_perm(res.entry, &e);
                res.global = e.global;
                on = !res.perm || walk_leaf(r, s, addr, end, &res);
            } else if (iopt_is_covered(table, level, &e, addr)) {
                on = walk_table(r, s, e.addr, iopt_next_level(&e, level),
                                e.inherited, addr,
                                MIN(end, iopt_covered_last(table, level, &e,
                                                           addr)));
            } else {
                on = true;
            }
            if (!on) {
                return false;
            }
        }
        if (end == last) {
            return true;
        }
        addr = end + 1;
    }
}

/* What is left is one hole, or one that is known and one that is not. */
static bool walk_end(RangeWalk *r, bool all)
{
    if (r->w.exhausted && r->next < r->unread &&
        !visit_hole(r, r->unread - 1, false)) {
        return false;
    }
    if (r->stopped ||
        (!r->complete && !visit_hole(r, r->last, r->w.exhausted))) {
        return false;
    }
    return all;
}

bool iopt_walk_range(const IOPTTable *table, uint64_t first, uint64_t last,
                     IOPTRead *read, void *opaque,
                     IOPTVisit *visit, void *visit_opaque)
{
    const IOPTMem mem = { .read = read, .opaque = opaque };
    RangeStage stage = { .table = table };
    RangeWalk r = {
        .w = {
            .mem = &mem,
            .reads_left = table->max_reads ?: IOPT_MAX_READS,
        },
        .visit = visit,
        .visit_opaque = visit_opaque,
        .next = first,
        .last = MIN(last, iopt_input_last(table)),
    };

    if (first > r.last) {
        return true;
    }
    return walk_end(&r, walk_stage(&r, &stage, first, r.last));
}

/* What the tables of both halves say of @first .. @last */
static bool walk_tables(RangeWalk *r, const IOPTSpace *space, uint64_t first,
                        uint64_t last)
{
    RangeStage lower = { .table = &space->table };
    bool all = walk_stage(r, &lower, first, last);

    if (all && space->upper.format) {
        uint64_t start = ~iopt_input_last(&space->upper);
        RangeStage upper = { .table = &space->upper, .delta = start };

        if (last >= start) {
            all = walk_stage(r, &upper, MAX(first, start) - start,
                             last - start);
        }
    }
    return all;
}

/* @first .. @last of the range that is not translated, block by block */
static bool walk_identity(RangeWalk *r, const IOPTSpace *space, uint64_t first,
                          uint64_t last)
{
    for (;;) {
        unsigned shift = iopt_identity_shift(space, first);
        uint64_t end = MIN(last, iopt_block_last(first, shift));
        const IOPTResult res = {
            .addr = first & ~iopt_block_last(0, shift),
            .shift = shift,
            .perm = space->identity_perm,
        };

        if (!visit_leaf(r, first, end, &res)) {
            return false;
        }
        if (end == last) {
            return true;
        }
        first = end + 1;
    }
}

bool iopt_space_walk_range(const IOPTSpace *space, uint64_t first,
                           uint64_t last, const IOPTMem *mem,
                           IOPTVisit *visit, void *visit_opaque)
{
    RangeWalk r = {
        .w = {
            .second = space->second.format ? &space->second : NULL,
            .mem = mem,
            .reads_left = space->table.max_reads ?: IOPT_MAX_READS,
        },
        .attrs = space->attrs,
        .visit = visit,
        .visit_opaque = visit_opaque,
        .next = first,
        .last = last,
    };
    bool all;

    if (first > last) {
        return true;
    }
    if (space->maps) {
        return iopt_maps_walk_range(space->maps, first, last, r.w.reads_left,
                                    visit, visit_opaque);
    }
    if (space->ask) {
        const IOPTResult unread = { .unread = true };

        visit(visit_opaque, first, last, &unread);
        return false;
    }
    if (!space->identity_perm || first > space->identity_last ||
        last < space->identity_first) {
        all = walk_tables(&r, space, first, last);
    } else {
        all = (first >= space->identity_first ||
               walk_tables(&r, space, first, space->identity_first - 1)) &&
              walk_identity(&r, space, MAX(first, space->identity_first),
                            MIN(last, space->identity_last)) &&
              (last <= space->identity_last ||
               walk_tables(&r, space, space->identity_last + 1, last));
    }
    return walk_end(&r, all);
}

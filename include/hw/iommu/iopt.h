/*
 * I/O page-table walker, with table formats as data
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pure: no QEMU type beyond fixed-width integers.  Table memory is reached
 * through a callback.  All functions are re-entrant; the locking is whatever
 * the callback needs.
 */
#ifndef HW_IOMMU_IOPT_H
#define HW_IOMMU_IOPT_H

/* What an access asks for, and what a translation allows. */
#define IOPT_READ   (1u << 0)
#define IOPT_WRITE  (1u << 1)
/* How an access is made, beside IOPT_READ; never part of a permission. */
#define IOPT_EXEC   (1u << 2)   /* an instruction fetch */
#define IOPT_PRIV   (1u << 3)   /* privileged */
#define IOPT_TABLE  (1u << 4)   /* by the walk of another stage */

#define IOPT_MAX_LEVELS 6

typedef struct IOPTTable IOPTTable;
typedef struct IOPTEntry IOPTEntry;
typedef struct IOPTMaps IOPTMaps;
typedef struct IOPTAsk IOPTAsk;
typedef struct IOPTSpace IOPTSpace;

typedef enum IOPTFault {
    IOPT_OK,
    IOPT_FAULT_RANGE,        /* no table covers the IOVA */
    IOPT_FAULT_READ_TABLE,   /* an entry could not be read (or updated) */
    IOPT_FAULT_NOT_PRESENT,  /* no permission at all at some level */
    IOPT_FAULT_RESERVED,     /* a reserved bit is set in a present entry */
    IOPT_FAULT_PERMISSION,   /* present, but not for this access */
    IOPT_FAULT_ACCESS_FLAG,  /* never accessed, and software wants to know */
    IOPT_FAULT_ADDR_SIZE,    /* an entry leads beyond output_bits */
    IOPT_FAULT_PRIVILEGE,    /* present, but for privileged accesses only */
    IOPT_FAULT_UPDATE,       /* an entry would have to be updated, never is */
} IOPTFault;

/*
 * A format: what the bits of an entry mean.  Level 1 is the leaf level, level
 * @levels the root.  64-bit little-endian entries.
 */
typedef struct IOPTFormat {
    const char *name;
    uint8_t page_shift;      /* log2 of the smallest page */
    uint8_t index_bits;      /* log2 of the entries in a table */
    uint8_t leaf_levels;     /* bit n set: level n may hold a leaf */
    /*
     * decode: what the entry @entry of level @level says.  NULL: what the
     * fields below say.
     *
     * @attrs: IOPT_EXEC, IOPT_PRIV, IOPT_TABLE: the access; they matter to
     *         leaves alone
     * @inherited: the format's own: IOPTEntry.inherited of the level above,
     *             0 at the top
     * Returns: NOT_PRESENT, RESERVED, ADDR_SIZE, ACCESS_FLAG, PRIVILEGE; or OK
     * and fills @out (zeroed), whose permissions are the caller's to check.
     * ACCESS_FLAG and @out filled, with @accessed: the entry leads to a table
     * and must be made that first.
     */
    IOPTFault (*decode)(const IOPTTable *table, unsigned level, uint64_t entry,
                        unsigned attrs, unsigned inherited, IOPTEntry *out);
    /*
     * Permission bits of an entry; an entry with none of them set is not
     * present.  Permissions are the AND over all levels.
     */
    uint64_t read_bit;
    uint64_t write_bit;
    uint64_t leaf_bit;       /* set in an entry above level 1 that is a leaf */
} IOPTFormat;

/* One entry, decoded. */
struct IOPTEntry {
    uint64_t addr;           /* where the next table or the page begins */
    unsigned inherited;      /* what it asks of the levels below */
    bool leaf;
    bool global;             /* a leaf: see IOPTResult */
    /*
     * log2 of the page's size if it is not what the level covers; 0: it is.
     * Of a larger one every entry in it says the same: one is looked at.
     */
    uint8_t leaf_shift;
    /*
     * Not a leaf: the level of the table that it leads to; 0: the next one.
     * Address bits of a level that is skipped have to be 0.
     */
    uint8_t next_level;
    /*
     * IOPT_READ | IOPT_WRITE: what it allows, with all levels above.
     * @can: at all; @now: without making the entry @accessed first (or @dirty,
     * for a write).  Not a leaf: what a leaf below could allow.
     */
    uint8_t can, now;
    /* The entry itself: it may not be updated, so all there is, is @now. */
    uint64_t accessed, dirty;
};

/* VT-d second-stage paging entries, VT-d 9.8 (legacy mode: Read/Write) */
extern const IOPTFormat iopt_vtd_ss;

/* One table tree: a format, where it starts and what is reserved in it. */
struct IOPTTable {
    const IOPTFormat *format;
    uint64_t root;           /* address of the top table */
    uint8_t levels;          /* number of levels, 1 .. IOPT_MAX_LEVELS */
    uint8_t input_bits;      /* an IOVA at or above 1 << this faults */
    uint8_t output_bits;     /* address bits of an entry: page_shift .. this */
    /* Formats with decode() only: */
    uint8_t ignore_top;      /* so many top bits of an IOVA do not matter */
    bool disabled;           /* covers no IOVA */
    uint32_t flags;          /* the format's own */
    /*
     * Reserved bits, by level (index 0 unused): a present entry with one of
     * them set faults.  [0]: entries that lead to a table, [1]: leaves.
     */
    uint64_t reserved[2][IOPT_MAX_LEVELS + 1];
    uint64_t max_reads;      /* of one iopt_walk_range(); 0: IOPT_MAX_READS */
};

/*
 * How many entries one iopt_walk_range() reads unless the table says
 * otherwise: a table that leads back to itself has 2^36 leaves in 48 bits, and
 * a guest must not keep the caller busy for hours.  This is 64 GiB mapped in
 * 4 KiB pages, or 32 TiB in 2 MiB pages.
 */
#define IOPT_MAX_READS (1ull << 24)

typedef struct IOPTResult {
    uint64_t addr;           /* address of the page's first byte */
    /*
     * A hole of a range that is only not known to be mapped: the entries that
     * might be read had been.
     */
    bool unread;
    uint8_t shift;           /* log2 of the page size */
    /*
     * IOPT_READ | IOPT_WRITE, all levels ANDed; of IOPT_FAULT_PERMISSION: what
     * could be had
     */
    uint8_t perm;
    uint8_t level;           /* level at which the walk ended or faulted */
    uint64_t entry;          /* the last entry read */
    bool global;             /* the page is the same in all of its group */
    bool once;               /* for this one access: nobody may keep it */
    /* It is said to lead to a device: no copy of the table needs to have it. */
    bool device;
    /* Of a fault in a space with two stages: */
    bool second;             /* it is IOPTSpace.second's */
    bool on_table;           /* met when a first-stage entry was read */
    bool table_write;        /* or had to be updated (@on_table too) */
    /* Of IOPT_FAULT_READ_TABLE: */
    bool not_updated;        /* the entry was read, but could not be updated */
    uint64_t fetch;          /* its address in memory (nested: always) */
    /* Of a fault with @second: */
    uint64_t ipa;            /* the second stage's input address */
} IOPTResult;

/**
 * IOPTRead: read one 64-bit little-endian entry at address @addr.
 * Returns: false if the memory cannot be read.
 */
typedef bool IOPTRead(void *opaque, uint64_t addr, uint64_t *entry);

/**
 * iopt_walk: translate one IOVA.
 *
 * @access: IOPT_READ, IOPT_WRITE or both: what is asked for; 0 asks for any
 *          permission at all
 * Returns: IOPT_OK and fills @out, or why not; @out->level and @out->entry are
 * valid for every fault but IOPT_FAULT_RANGE.
 *
 * A not-present entry (neither read nor write) is IOPT_FAULT_NOT_PRESENT; an
 * entry that lacks a bit which @access needs, or the AND of the levels lacking
 * it, is IOPT_FAULT_PERMISSION.  Reserved bits are checked in every present
 * entry, before the permission for @access.
 */
IOPTFault iopt_walk(const IOPTTable *table, uint64_t iova, unsigned access,
                    IOPTRead *read, void *opaque, IOPTResult *out);

/**
 * IOPTVisit: called for each leaf, and for each hole as a whole
 * (@res->perm == 0, @first .. @last may be any length), in rising order
 * without gaps.
 *
 * @first, @last: the part of the leaf that lies in the range asked for;
 *                @res->addr is still where the leaf's first byte leads
 * Returns: false to stop the walk.
 */
typedef bool IOPTVisit(void *opaque, uint64_t first, uint64_t last,
                       const IOPTResult *res);

/**
 * iopt_walk_range: visit what @first .. @last (inclusive) maps.
 *
 * Holes are skipped a whole table at a time, so that the cost is that of the
 * tables present.  An entry that faults (reserved bits, unreadable) counts as
 * a hole.  The range is clipped to input_bits.
 *
 * When the table's max_reads entries have been read, the rest of the range is
 * visited as one hole: what is not known to be mapped is not mapped.  It has
 * IOPTResult.unread, and a walk from its first byte on goes on with what comes.
 *
 * Returns: true if the whole range was walked; false if the visitor stopped
 * it or max_reads did.
 */
bool iopt_walk_range(const IOPTTable *table, uint64_t first, uint64_t last,
                     IOPTRead *read, void *opaque,
                     IOPTVisit *visit, void *visit_opaque);

/* An entry that a walk has read, for whoever explains the walk. */
typedef struct IOPTStep {
    const IOPTTable *table;  /* of the stage whose entry it is */
    unsigned level;
    uint64_t iova;           /* the stage's own input address */
    uint64_t addr;           /* of the entry; before the second stage */
    uint64_t memory;         /* where that is in memory */
    uint64_t entry;
    unsigned access;         /* IOPT_READ, IOPT_WRITE */
    unsigned attrs, inherited;   /* IOPTFormat.decode's */
    IOPTFault fault;         /* what the walk made of it */
} IOPTStep;

/* Where a page of the first stage's tables is in memory */
typedef struct IOPTTablePage {
    uint64_t first, addr;
    uint8_t shift;           /* 0: not known */
} IOPTTablePage;

/*
 * Where the tables are that the last walk through a stage went through: the
 * next one begins at the lowest that covers its address, too.  By level; what
 * the levels above a table say is as of then.
 */
typedef struct IOPTPath {
    uint8_t lowest;          /* level of the lowest that is known; 0: none is */
    uint64_t iova;
    uint64_t base[IOPT_MAX_LEVELS + 1];
    unsigned inherited[IOPT_MAX_LEVELS + 1];
    uint8_t can[IOPT_MAX_LEVELS + 1];
} IOPTPath;

/*
 * What a walk met on its way, but for the last entry of either stage:
 * hardware's paging-structure caches, of one entry a level.  Zeroed, it is
 * empty.
 */
typedef struct IOPTMemo {
    IOPTPath first, second;  /* of one stage: @first */
    IOPTTablePage page;      /* the last of the first's tables */
    bool upper;              /* @first is of IOPTSpace.upper */
} IOPTMemo;

/* What a walk needs of memory. */
typedef struct IOPTMem {
    IOPTRead *read;
    /*
     * observe: iopt_space_walk() tells of each entry when it is done with it;
     * those of the second stage, through which an entry is read, come before
     * it.  Not of ranges.  NULL: nobody wants to know.
     */
    void (*observe)(void *opaque, const IOPTStep *step);
    /*
     * update: make the entry at @addr @value if it is still @expected (64-bit
     * little-endian, as read() gives it), atomically.  On a mismatch @expected
     * becomes what it is.  Returns: false if the memory cannot be written.
     *
     * NULL: a probe: would the access succeed?  No table is written, and what
     * the hardware would update first is allowed.  So the permissions of a
     * probe say what any access could do, and must not be cached.
     */
    bool (*update)(void *opaque, uint64_t addr, uint64_t *expected,
                   uint64_t value);
    /*
     * A probe: would it succeed with the entries as they are?  What needs an
     * update first, in either stage, is refused; of a range it is a hole.
     */
    bool as_is;
    /*
     * memo: with update() only: iopt_space_walk() begins where the walks
     * before it came by.  It is the caller's to empty before a walk of another
     * space, and as soon as any translation of the space may have been
     * invalidated; of one with one stage, other than a last level's entry.
     * Until then, tables that were left may be used on, as if there had been
     * no invalidation yet.  A fault is always as of now.  One thread at a
     * time.  NULL: every walk is a whole one.
     */
    IOPTMemo *memo;
    void *opaque;
} IOPTMem;

/*
 * Somebody else has the tables, and is asked.  What needs no update of a table
 * is his to say.
 */
struct IOPTAsk {
    /* walk: as iopt_space_walk(), which has zeroed @out; may wait. */
    IOPTFault (*walk)(const IOPTAsk *ask, const IOPTSpace *space,
                      uint64_t iova, unsigned access, IOPTResult *out);
};

/* All that translates one IOVA space. */
struct IOPTSpace {
    IOPTTable table;         /* the only or the first stage (lower half) */
    /*
     * First stage, for an IOVA with bit 55 set, or bit 63 if input_bits is
     * larger than that: of the top 1 << input_bits bytes.  No format: none;
     * @table is for every IOVA.
     */
    IOPTTable upper;
    /*
     * What the first stage's tables and outputs go through.  No format:
     * nothing.
     */
    IOPTTable second;
    uint8_t attrs;           /* IOPT_EXEC | IOPT_PRIV: of every access */
    /*
     * A set of mappings (iopt-maps.h), which is all there is: no table is
     * looked at then, and IOPTMem is not used.  NULL: the tables.  Of @table,
     * max_reads counts: how many pages a range's walk visits.
     */
    const IOPTMaps *maps;
    /*
     * Who is asked; there are neither tables nor mappings then, and IOPTMem is
     * not used.  A range is a hole that has not been read.  NULL: nobody.
     */
    const IOPTAsk *ask;
    uint32_t ask_rid, ask_pasid, ask_domain;     /* the question's */
    /*
     * IOPT_READ, IOPT_WRITE: IOVAs @identity_first .. @identity_last (pages of
     * 4 KiB) are the addresses of memory, with these permissions, whatever the
     * tables say.  0: none are.
     */
    uint8_t identity_perm;
    uint64_t identity_first, identity_last;
};

/**
 * iopt_space_walk: translate one IOVA through all stages, as iopt_walk().
 *
 * @access: also IOPT_EXEC and the like, beside @space->attrs
 *
 * @out->addr, shift, perm: of the whole way; the page is the smaller one of
 * the stages'.  Unless it is a probe (IOPTMem.update) what @out->perm allows
 * needs no update of a table any more; the walk has made the update that
 * @access needs.  For an access that faults none is made, but tables remember
 * that they were used, where the format has that, and the second stage that
 * tables were read.  @access 0 marks a page accessed (maybe even if it faults),
 * never dirty.
 *
 * An entry that goes on changing while it is to be updated is
 * IOPT_FAULT_READ_TABLE, not_updated.
 */
IOPTFault iopt_space_walk(const IOPTSpace *space, uint64_t iova,
                          unsigned access, const IOPTMem *mem,
                          IOPTResult *out);

/**
 * iopt_space_walk_range: iopt_walk_range() through all stages, of @first ..
 * @last as a whole: what no table covers is a hole.
 *
 * It is a probe, of attributes @space->attrs: without @mem->update.  A leaf is
 * visited in pieces of the smaller page of the stages.  The entries read of
 * both stages, and of both halves, count against @space->table.max_reads.
 */
bool iopt_space_walk_range(const IOPTSpace *space, uint64_t first,
                           uint64_t last, const IOPTMem *mem,
                           IOPTVisit *visit, void *visit_opaque);

/** iopt_space_is_upper: is @iova one of @space->upper? */
static inline bool iopt_space_is_upper(const IOPTSpace *space, uint64_t iova)
{
    return space->upper.format &&
           (iova >> (space->upper.input_bits > 55 ? 63 : 55) & 1);
}

/**
 * iopt_space_iova: the one IOVA among all those that differ from @iova in
 * ignored top bits only, by which caches and invalidations know it.
 */
static inline uint64_t iopt_space_iova(const IOPTSpace *space, uint64_t iova)
{
    bool upper = iopt_space_is_upper(space, iova);
    unsigned ignore = upper ? space->upper.ignore_top :
                              space->table.ignore_top;
    uint64_t top = ignore ? ~(UINT64_MAX >> ignore) : 0;

    return upper ? iova | top : iova & ~top;
}

#endif

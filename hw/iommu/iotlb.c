/*
 * IOTLB: a set-associative cache of IOVA translations
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Locking.  Inserts hold tlb->lock.  Lookups hold nothing: a set is guarded by
 * a sequence count which is odd while the set changes; a lookup that meets a
 * change reports a miss, it never spins.  Invalidations hold nothing unless
 * they meet an insert in the very set; they only ever zero a stamp.
 *
 * Generations.  tlb->seq counts invalidations.  An entry is stamped with the
 * count at its insertion.  Dropping everything, or a domain, writes the new
 * count to a floor; an entry stamped below one of its two floors is dead.
 * The count starts at 1 so that the zeroes of a fresh table are dead too.
 *
 * Why nothing removed comes back: an insert makes the set's count odd (1) and
 * then compares the count of invalidations that its caller read before the
 * tables with the present one (2).  An invalidation counts itself (a) and then
 * looks at the set (b).  Either (2) sees (a), and tables that were read before
 * the invalidation are refused; or (b) sees the set odd, and waits for the
 * lock, or filled, and removes the entry.
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/thread.h"
#include "hw/iommu/iotlb.h"

#define IOTLB_WAYS          8
#define IOTLB_MIN_ENTRIES   64u
#define IOTLB_MAX_ENTRIES   (1u << 24)
#define IOTLB_MIN_SHIFT     12
#define IOTLB_ALIGN         64

/* Domain floors; tags that collide here are invalidated together. */
#define IOTLB_TAG_BITS      12
#define IOTLB_TAGS          (1u << IOTLB_TAG_BITS)

/* A range of more pages than this (of one size) drops the whole domain. */
#define IOTLB_PROBE_PAGES   64

/* A page number is at most 64 - 12 = 52 bits, which leaves 12 for its size. */
#define KEY_SHIFT_BITS      6
#define VALUE_PERM_MASK     ((uint64_t)(IOTLB_READ | IOTLB_WRITE))

typedef struct IOTLBWay {
    uint64_t tag;
    uint64_t value;          /* address of the page | permissions */
    uint64_t stamp;          /* tlb->seq at insertion; 0: empty */
} IOTLBWay;

/* The keys are together so that a lookup scans one cache line. */
typedef struct IOTLBSet {
    uint64_t key[IOTLB_WAYS];       /* page number and size */
    IOTLBWay way[IOTLB_WAYS];
    uint32_t seq;                   /* odd: being changed */
    uint32_t victim;                /* round robin; writers only */
} QEMU_ALIGNED(IOTLB_ALIGN) IOTLBSet;

struct IOTLB {
    /* Read by every lookup */
    IOTLBSet *sets;
    unsigned set_bits;
    uint64_t shifts;         /* bit n: a page of size 1 << n was inserted */
    uint64_t floor;          /* of all domains */
    uint64_t tag_floor[IOTLB_TAGS];
    /* Writers */
    uint64_t seq;
    QemuMutex lock;
    void *mem;               /* what sets points into */
    size_t bytes;
};

/* A bijection that spreads low-entropy numbers over all the bits. */
static inline uint64_t mix64(uint64_t x)
{
    x *= 0x9e3779b97f4a7c15ull;
    x ^= x >> 32;
    return x * 0xd6e8feb86659fd93ull;
}

static inline uint64_t make_key(uint64_t iova, unsigned shift)
{
    return (iova >> shift) << KEY_SHIFT_BITS | shift;
}

/*
 * Neighbouring pages go to neighbouring sets, so that a contiguous working set
 * fills the table evenly; the higher bits are folded in for large strides.
 */
static inline IOTLBSet *find_set(IOTLB *tlb, uint64_t tag, uint64_t iova,
                                 unsigned shift)
{
    unsigned bits = tlb->set_bits;
    uint64_t page = iova >> shift;
    uint64_t index;

    index = page ^ (page >> bits) ^ (page >> 2 * bits) ^ (page >> 3 * bits);
    index ^= mix64((tag & IOTLB_TAG_DOMAIN_MASK) ^ shift) >> 40;
    return &tlb->sets[index & ((1u << bits) - 1)];
}

static inline uint64_t *find_tag_floor(IOTLB *tlb, uint64_t tag)
{
    return &tlb->tag_floor[mix64(tag & IOTLB_TAG_DOMAIN_MASK) >>
                           (64 - IOTLB_TAG_BITS)];
}

static inline bool is_live(IOTLB *tlb, uint64_t tag, uint64_t stamp)
{
    return stamp >= qatomic_load_acquire(&tlb->floor) &&
           stamp >= qatomic_load_acquire(find_tag_floor(tlb, tag));
}

static bool lookup_page(IOTLB *tlb, uint64_t tag, uint64_t iova,
                        unsigned shift, IOTLBEntry *out)
{
    IOTLBSet *set = find_set(tlb, tag, iova, shift);
    uint64_t key = make_key(iova, shift);
    uint32_t seq = qatomic_load_acquire(&set->seq);
    uint64_t way_tag, value, stamp;
    unsigned i;

    for (i = 0; i < IOTLB_WAYS; i++) {
        if (qatomic_read(&set->key[i]) != key) {
            continue;
        }
        way_tag = qatomic_read(&set->way[i].tag);
        value = qatomic_read(&set->way[i].value);
        stamp = qatomic_read(&set->way[i].stamp);
        if (way_tag != tag || stamp == 0) {
            continue;
        }
        /* The fields belong together only if no writer was here. */
        smp_rmb();
        if ((seq & 1) || qatomic_read(&set->seq) != seq) {
            return false;
        }
        if (!is_live(tlb, tag, stamp)) {
            return false;
        }
        out->tag = tag;
        out->iova = iova >> shift << shift;
        out->addr = value & ~VALUE_PERM_MASK;
        out->shift = shift;
        out->perm = value & VALUE_PERM_MASK;
        return true;
    }
    return false;
}

bool iotlb_lookup(IOTLB *tlb, uint64_t tag, uint64_t iova, IOTLBEntry *out)
{
    uint64_t shifts = qatomic_read(&tlb->shifts);

    while (shifts) {
        if (lookup_page(tlb, tag, iova, __builtin_ctzll(shifts), out)) {
            return true;
        }
        shifts &= shifts - 1;
    }
    return false;
}

uint64_t iotlb_seq(IOTLB *tlb)
{
    return qatomic_load_acquire(&tlb->seq);
}

/* Under the lock: the bracket around an insert. */
static void set_change_begin(IOTLBSet *set)
{
    qatomic_set(&set->seq, set->seq + 1);
    /*
     * Whoever sees a field change sees the odd count, and what is read from
     * here on is read after that: (1) and (2) above.
     */
    smp_mb();
}

static void set_change_end(IOTLBSet *set)
{
    qatomic_store_release(&set->seq, set->seq + 1);
}

/*
 * The way for a new entry: where it is already (two ways with one key would
 * make page invalidation miss one), else a dead one, else the next in turn.
 */
static unsigned choose_way(IOTLB *tlb, IOTLBSet *set, uint64_t tag,
                           uint64_t key)
{
    unsigned i, dead = IOTLB_WAYS;

    for (i = 0; i < IOTLB_WAYS; i++) {
        IOTLBWay *way = &set->way[i];
        uint64_t stamp = qatomic_read(&way->stamp);

        if (set->key[i] == key && way->tag == tag && stamp) {
            return i;
        }
        if (dead == IOTLB_WAYS && !is_live(tlb, way->tag, stamp)) {
            dead = i;
        }
    }
    return dead < IOTLB_WAYS ? dead : set->victim++ % IOTLB_WAYS;
}

bool iotlb_insert(IOTLB *tlb, const IOTLBEntry *entry, uint64_t seq)
{
    unsigned shift = entry->shift;
    uint64_t page_mask, key;
    IOTLBSet *set;
    bool current;
    unsigned i;

    if (shift < IOTLB_MIN_SHIFT || shift > IOTLB_MAX_SHIFT) {
        return false;
    }
    page_mask = ~(uint64_t)0 << shift;
    key = make_key(entry->iova, shift);
    set = find_set(tlb, entry->tag, entry->iova, shift);

    qemu_mutex_lock(&tlb->lock);
    /* Before the entry, so that an invalidation knows what to look for. */
    if (!(qatomic_read(&tlb->shifts) >> shift & 1)) {
        qatomic_set(&tlb->shifts, tlb->shifts | (uint64_t)1 << shift);
    }
    set_change_begin(set);
    current = qatomic_load_acquire(&tlb->seq) == seq;
    if (current) {
        i = choose_way(tlb, set, entry->tag, key);
        qatomic_set(&set->key[i], key);
        qatomic_set(&set->way[i].tag, entry->tag);
        qatomic_set(&set->way[i].value, (entry->addr & page_mask) |
                                        (entry->perm & VALUE_PERM_MASK));
        qatomic_set(&set->way[i].stamp, seq);
    }
    set_change_end(set);
    qemu_mutex_unlock(&tlb->lock);
    return current;
}

/* Count an invalidation, before what it removes goes: (a) above. */
static uint64_t count_invalidation(IOTLB *tlb)
{
    uint64_t seq = qatomic_read(&tlb->seq) + 1;

    /* Who sees it sees the tables as software had them before. */
    qatomic_store_release(&tlb->seq, seq);
    /* And, for the caller: whatever he counted before this */
    smp_mb();
    return seq;
}

void iotlb_invalidate_all(IOTLB *tlb)
{
    qemu_mutex_lock(&tlb->lock);
    qatomic_store_release(&tlb->floor, count_invalidation(tlb));
    /* No page of any size is left to be looked for. */
    qatomic_set(&tlb->shifts, 0);
    qemu_mutex_unlock(&tlb->lock);
}

void iotlb_invalidate_tag(IOTLB *tlb, uint64_t tag)
{
    qatomic_store_release(find_tag_floor(tlb, tag), count_invalidation(tlb));
}

void iotlb_invalidate_group(IOTLB *tlb, uint64_t tag)
{
    /* A floor of groups would be one more thing for each lookup to read. */
    iotlb_invalidate_all(tlb);
}

/* Returns: was there anything? */
static bool drop_page(IOTLB *tlb, uint64_t tag, uint64_t iova, unsigned shift)
{
    IOTLBSet *set = find_set(tlb, tag, iova, shift);
    uint64_t key = make_key(iova, shift);
    bool dropped = false;
    unsigned i;

    if (qatomic_load_acquire(&set->seq) & 1) {
        /* Let the insert finish. */
        qemu_mutex_lock(&tlb->lock);
        qemu_mutex_unlock(&tlb->lock);
    }
    /*
     * A later insert reads the count that was made before this, so it may do
     * what it likes; if a stamp of it is zeroed, it was an insert in vain.
     */
    for (i = 0; i < IOTLB_WAYS; i++) {
        IOTLBWay *way = &set->way[i];

        if (qatomic_read(&set->key[i]) == key &&
            !((qatomic_read(&way->tag) ^ tag) & IOTLB_TAG_DOMAIN_MASK)) {
            qatomic_set(&way->stamp, 0);
            dropped = true;
        }
    }
    return dropped;
}

void iotlb_invalidate_range(IOTLB *tlb, uint64_t tag, uint64_t iova,
                            uint64_t last)
{
    uint64_t seq = count_invalidation(tlb);
    uint64_t shifts = qatomic_read(&tlb->shifts);
    bool dropped = false;

    if (shifts) {
        unsigned smallest = __builtin_ctzll(shifts);

        /* A range that wraps is nonsense; dropping too much is safe. */
        if (last < iova ||
            (last >> smallest) - (iova >> smallest) >= IOTLB_PROBE_PAGES) {
            qatomic_store_release(find_tag_floor(tlb, tag), seq);
            shifts = 0;
            dropped = true;
        }
    }
    for (; shifts; shifts &= shifts - 1) {
        unsigned shift = __builtin_ctzll(shifts);
        uint64_t page = iova >> shift;

        /* Page numbers are 52 bits: the loop cannot wrap. */
        for (; page <= last >> shift; page++) {
            dropped |= drop_page(tlb, tag, page << shift, shift);
        }
    }
    if (dropped) {
        /* Gone, before it is looked who has it from here. */
        smp_mb();
    }
}

IOTLB *iotlb_new(unsigned entries)
{
    IOTLB *tlb = g_new0(IOTLB, 1);
    unsigned size = IOTLB_MIN_ENTRIES;
    size_t bytes;

    while (size < entries && size < IOTLB_MAX_ENTRIES) {
        size <<= 1;
    }
    tlb->set_bits = __builtin_ctz(size / IOTLB_WAYS);
    bytes = (size_t)(size / IOTLB_WAYS) * sizeof(IOTLBSet) + IOTLB_ALIGN - 1;
    tlb->mem = g_malloc0(bytes);
    tlb->sets = (IOTLBSet *)(((uintptr_t)tlb->mem + IOTLB_ALIGN - 1) &
                             ~(uintptr_t)(IOTLB_ALIGN - 1));
    tlb->bytes = sizeof(*tlb) + bytes;
    tlb->seq = 1;
    tlb->floor = 1;
    qemu_mutex_init(&tlb->lock);
    return tlb;
}

void iotlb_free(IOTLB *tlb)
{
    if (tlb) {
        qemu_mutex_destroy(&tlb->lock);
        g_free(tlb->mem);
        g_free(tlb);
    }
}

unsigned iotlb_size(const IOTLB *tlb)
{
    return IOTLB_WAYS << tlb->set_bits;
}

size_t iotlb_bytes(const IOTLB *tlb)
{
    return tlb->bytes;
}

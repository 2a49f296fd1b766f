/*
 * An I/O address space that is a set of mappings instead of page tables
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An AVL tree whose siblings differ by at most two in height, by path copying.
 * One mapping is added or removed by copying the path to it; what removes many
 * is made of two operations: split (a tree at an address) and join (two trees
 * and a mapping between them).  No node is written once it can be reached from
 * maps->root, except for the link of the list of the dead, which readers do not
 * look at.
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "hw/iommu/iopt-maps.h"

/* So many dead nodes are kept until they are retired: some 5 KiB */
#define MAPS_BATCH 64
/* Neighbours that a walk looks at to make its page larger */
#define MAPS_NEIGHBOURS 32
/* log2 of the largest page: IOTLB_MAX_SHIFT */
#define MAPS_MAX_SHIFT 52
#define MAPS_IMBALANCE 2
/*
 * Nodes that are kept to be used again, by whichever set: some 300 KiB.  What
 * another thread has freed costs malloc() more than all else that a writer
 * does.  None where a sanitizer is to see who uses what is free.
 */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MAPS_POOL 0
#else
#define MAPS_POOL 4096
#endif
/*
 * RCU's thread has freed them, so the writer's processor has them in no cache:
 * so many are fetched ahead, which is what two paths take.
 */
#define MAPS_AHEAD 16

struct IOPTMapsNode {
    IOPTMapping m;
    uint8_t height;
    bool whole;              /* dead: the trees below it are, too */
    uint32_t count;          /* mappings in this tree */
    IOPTMapsNode *left, *right;
    IOPTMapsNode *next_dead;
};

/* Memory; writers take turns, and whoever reclaims is one. */

static IOPTMapsNode *maps_pool[MAPS_POOL + 1];
static unsigned maps_pooled;

static IOPTMapsNode *maps_alloc(void)
{
    IOPTMapsNode *ahead;

    if (!maps_pooled) {
        return g_new(IOPTMapsNode, 1);
    }
    maps_pooled--;
    if (maps_pooled >= MAPS_AHEAD) {
        /* To be written, both ends: it is larger than a cache line. */
        ahead = maps_pool[maps_pooled - MAPS_AHEAD];
        __builtin_prefetch(ahead, 1);
        __builtin_prefetch(&ahead->next_dead, 1);
    }
    return maps_pool[maps_pooled];
}

static void maps_free(IOPTMapsNode *n)
{
    if (maps_pooled + 1 > MAPS_POOL) {
        g_free(n);
        return;
    }
    maps_pool[maps_pooled++] = n;
}

/* Trees */

static unsigned maps_height(const IOPTMapsNode *n)
{
    return n ? n->height : 0;
}

static uint32_t maps_size(const IOPTMapsNode *n)
{
    return n ? n->count : 0;
}

static void maps_bury(IOPTMaps *maps, IOPTMapsNode *n, bool whole)
{
    n->whole = whole;
    n->next_dead = maps->dead;
    maps->dead = n;
    maps->ndead += whole ? n->count : 1;
}

static IOPTMapsNode *maps_make(IOPTMapsNode *left, const IOPTMapping *m,
                               IOPTMapsNode *right)
{
    IOPTMapsNode *n = maps_alloc();

    *n = (IOPTMapsNode) {
        .m = *m,
        .height = 1 + MAX(maps_height(left), maps_height(right)),
        .count = 1 + maps_size(left) + maps_size(right),
        .left = left,
        .right = right,
    };
    return n;
}

/* @left is higher than @right by one more than is allowed. */
static IOPTMapsNode *maps_rotate_right(IOPTMaps *maps, IOPTMapsNode *left,
                                       const IOPTMapping *m,
                                       IOPTMapsNode *right)
{
    IOPTMapsNode *inner = left->right, *n;

    if (maps_height(left->left) >= maps_height(inner)) {
        n = maps_make(left->left, &left->m, maps_make(inner, m, right));
    } else {
        n = maps_make(maps_make(left->left, &left->m, inner->left), &inner->m,
                      maps_make(inner->right, m, right));
        maps_bury(maps, inner, false);
    }
    maps_bury(maps, left, false);
    return n;
}

static IOPTMapsNode *maps_rotate_left(IOPTMaps *maps, IOPTMapsNode *left,
                                      const IOPTMapping *m,
                                      IOPTMapsNode *right)
{
    IOPTMapsNode *inner = right->left, *n;

    if (maps_height(right->right) >= maps_height(inner)) {
        n = maps_make(maps_make(left, m, inner), &right->m, right->right);
    } else {
        n = maps_make(maps_make(left, m, inner->left), &inner->m,
                      maps_make(inner->right, &right->m, right->right));
        maps_bury(maps, inner, false);
    }
    maps_bury(maps, right, false);
    return n;
}

/* Their heights differ by at most one more than is allowed. */
static IOPTMapsNode *maps_balance(IOPTMaps *maps, IOPTMapsNode *left,
                                  const IOPTMapping *m, IOPTMapsNode *right)
{
    unsigned l = maps_height(left), r = maps_height(right);

    if (l > r + MAPS_IMBALANCE) {
        return maps_rotate_right(maps, left, m, right);
    }
    if (r > l + MAPS_IMBALANCE) {
        return maps_rotate_left(maps, left, m, right);
    }
    return maps_make(left, m, right);
}

/* All of @left is before @m, all of @right behind it. */
static IOPTMapsNode *maps_join(IOPTMaps *maps, IOPTMapsNode *left,
                               const IOPTMapping *m, IOPTMapsNode *right)
{
    unsigned l = maps_height(left), r = maps_height(right);
    IOPTMapsNode *n;

    if (l > r + MAPS_IMBALANCE) {
        n = maps_balance(maps, left->left, &left->m,
                         maps_join(maps, left->right, m, right));
        maps_bury(maps, left, false);
        return n;
    }
    if (r > l + MAPS_IMBALANCE) {
        n = maps_balance(maps, maps_join(maps, left, m, right->left),
                         &right->m, right->right);
        maps_bury(maps, right, false);
        return n;
    }
    return maps_make(left, m, right);
}

/* Take the first mapping out of @n.  Returns: the rest. */
static IOPTMapsNode *maps_take_first(IOPTMaps *maps, IOPTMapsNode *n,
                                     IOPTMapping *m)
{
    IOPTMapsNode *rest;

    if (n->left) {
        rest = maps_balance(maps, maps_take_first(maps, n->left, m), &n->m,
                            n->right);
    } else {
        *m = n->m;
        rest = n->right;
    }
    maps_bury(maps, n, false);
    return rest;
}

/* No mapping of @n overlaps @m. */
static IOPTMapsNode *maps_insert(IOPTMaps *maps, IOPTMapsNode *n,
                                 const IOPTMapping *m)
{
    IOPTMapsNode *made;

    if (!n) {
        return maps_make(NULL, m, NULL);
    }
    if (m->first < n->m.first) {
        made = maps_balance(maps, maps_insert(maps, n->left, m), &n->m,
                            n->right);
    } else {
        made = maps_balance(maps, n->left, &n->m,
                            maps_insert(maps, n->right, m));
    }
    maps_bury(maps, n, false);
    return made;
}

/* Take the mapping that begins at @first, which is there, out of @n. */
static IOPTMapsNode *maps_take(IOPTMaps *maps, IOPTMapsNode *n, uint64_t first)
{
    IOPTMapsNode *rest;
    IOPTMapping m;

    if (first < n->m.first) {
        rest = maps_balance(maps, maps_take(maps, n->left, first), &n->m,
                            n->right);
    } else if (first > n->m.first) {
        rest = maps_balance(maps, n->left, &n->m,
                            maps_take(maps, n->right, first));
    } else if (n->left && n->right) {
        rest = maps_take_first(maps, n->right, &m);
        rest = maps_balance(maps, n->left, &m, rest);
    } else {
        rest = n->left ?: n->right;
    }
    maps_bury(maps, n, false);
    return rest;
}

/* maps_join() without a mapping in between */
static IOPTMapsNode *maps_concat(IOPTMaps *maps, IOPTMapsNode *left,
                                 IOPTMapsNode *right)
{
    IOPTMapping m;

    if (!left || !right) {
        return left ?: right;
    }
    right = maps_take_first(maps, right, &m);
    return maps_join(maps, left, &m, right);
}

/* Those that begin before @at, and the others */
static void maps_split(IOPTMaps *maps, IOPTMapsNode *n, uint64_t at,
                       IOPTMapsNode **left, IOPTMapsNode **right)
{
    IOPTMapsNode *part;

    if (!n) {
        *left = *right = NULL;
        return;
    }
    if (n->m.first < at) {
        maps_split(maps, n->right, at, &part, right);
        *left = maps_join(maps, n->left, &n->m, part);
    } else {
        maps_split(maps, n->left, at, left, &part);
        *right = maps_join(maps, part, &n->m, n->right);
    }
    maps_bury(maps, n, false);
}

/* The first that ends at or after @iova */
static const IOPTMapsNode *maps_seek(const IOPTMapsNode *n, uint64_t iova)
{
    const IOPTMapsNode *found = NULL;

    while (n) {
        if (n->m.last < iova) {
            n = n->right;
        } else {
            found = n;
            n = n->left;
        }
    }
    return found;
}

static const IOPTMapsNode *maps_find(const IOPTMapsNode *root, uint64_t iova)
{
    const IOPTMapsNode *n = maps_seek(root, iova);

    return n && n->m.first <= iova ? n : NULL;
}

/* The set */

static const IOPTMapsNode *maps_read(const IOPTMaps *maps)
{
    return qatomic_load_acquire(&maps->root);
}

/* Readers see @root from now on. */
static void maps_show(IOPTMaps *maps, IOPTMapsNode *root, unsigned batch)
{
    IOPTMapsNode *dead = maps->dead;

    qatomic_store_release(&maps->root, root);
    if (dead && maps->ndead >= batch) {
        maps->dead = NULL;
        maps->ndead = 0;
        maps->retire(dead);
    }
}

void iopt_maps_init(IOPTMaps *maps, IOPTMapsRetire *retire)
{
    *maps = (IOPTMaps) { .retire = retire };
}

void iopt_maps_clear(IOPTMaps *maps)
{
    if (maps->root) {
        maps_bury(maps, maps->root, true);
    }
    maps_show(maps, NULL, 0);
}

void *iopt_maps_reclaim(void *dead, unsigned max)
{
    IOPTMapsNode *list = dead;

    for (; list && max; max--) {
        IOPTMapsNode *n = list, *below[2] = { n->left, n->right };
        unsigned i;

        list = n->next_dead;
        for (i = 0; n->whole && i < 2; i++) {
            if (below[i]) {
                below[i]->whole = true;
                below[i]->next_dead = list;
                list = below[i];
            }
        }
        maps_free(n);
    }
    return list;
}

bool iopt_maps_fits(const IOPTMapping *m)
{
    const uint64_t page = (1ull << IOPT_MAPS_SHIFT) - 1;

    return m->first < m->last && !(m->first & page) &&
           (m->last & page) == page && !(m->addr & page) &&
           m->last - m->first <= UINT64_MAX - m->addr;
}

bool iopt_maps_add(IOPTMaps *maps, const IOPTMapping *m)
{
    assert(iopt_maps_fits(m));
    if (iopt_maps_overlaps(maps, m->first, m->last)) {
        return false;
    }
    maps_show(maps, maps_insert(maps, maps->root, m), MAPS_BATCH);
    return true;
}

static bool maps_would_split(const IOPTMapsNode *root, uint64_t first,
                             uint64_t last)
{
    const IOPTMapsNode *n = maps_find(root, first);

    if (n && n->m.first < first) {
        return true;
    }
    n = maps_find(root, last);
    return n && n->m.last > last;
}

static void maps_hull(const IOPTMapsNode *n, uint64_t *first, uint64_t *last)
{
    const IOPTMapsNode *end = n;

    while (n->left) {
        n = n->left;
    }
    while (end->right) {
        end = end->right;
    }
    *first = n->m.first;
    *last = end->m.last;
}

IOPTMapsRemoved iopt_maps_remove(IOPTMaps *maps, uint64_t *first,
                                 uint64_t *last)
{
    const IOPTMapsNode *n = maps_seek(maps->root, *first);
    IOPTMapsNode *left, *middle, *right = NULL;

    if (!n || n->m.first > *last) {
        return IOPT_MAPS_NOTHING;
    }
    if (maps_would_split(maps->root, *first, *last)) {
        return IOPT_MAPS_SPLIT;
    }
    if (n->m.last == *last) {
        /* Just one, which is what most requests are about. */
        *first = n->m.first;
        maps_show(maps, maps_take(maps, maps->root, *first), MAPS_BATCH);
        return IOPT_MAPS_REMOVED;
    }
    maps_split(maps, maps->root, *first, &left, &middle);
    if (*last < UINT64_MAX) {
        maps_split(maps, middle, *last + 1, &middle, &right);
    }
    maps_hull(middle, first, last);
    maps_bury(maps, middle, true);
    maps_show(maps, maps_concat(maps, left, right), MAPS_BATCH);
    return IOPT_MAPS_REMOVED;
}

uint64_t iopt_maps_count(const IOPTMaps *maps)
{
    return maps_size(maps_read(maps));
}

bool iopt_maps_next(const IOPTMaps *maps, uint64_t iova, IOPTMapping *m)
{
    const IOPTMapsNode *n = maps_seek(maps_read(maps), iova);

    if (n) {
        *m = n->m;
    }
    return n;
}

bool iopt_maps_overlaps(const IOPTMaps *maps, uint64_t first, uint64_t last)
{
    const IOPTMapsNode *n = maps_seek(maps_read(maps), first);

    return n && n->m.first <= last;
}

/* Walks */

/* What leads to consecutive memory alike: @addr - @first is @delta. */
typedef struct MapsRun {
    uint64_t first, last, delta;
    uint8_t perm;
    bool device;
} MapsRun;

static MapsRun maps_run(const IOPTMapping *m)
{
    return (MapsRun) {
        .first = m->first,
        .last = m->last,
        .delta = m->addr - m->first,
        .perm = m->perm,
        .device = m->device,
    };
}

/* log2 of the largest aligned page around @iova that is within @run */
static unsigned maps_page_shift(const MapsRun *run, uint64_t iova)
{
    unsigned shift = IOPT_MAPS_SHIFT;

    while (shift < MAPS_MAX_SHIFT) {
        uint64_t mask = (1ull << (shift + 1)) - 1;

        if ((run->delta & mask) || (iova & ~mask) < run->first ||
            (iova | mask) > run->last) {
            break;
        }
        shift++;
    }
    return shift;
}

/* Make @run as long as the mapping at @iova, next to it, if that is alike. */
static bool maps_run_take(MapsRun *run, const IOPTMapsNode *root,
                          uint64_t iova)
{
    const IOPTMapsNode *n = maps_find(root, iova);
    MapsRun other;

    if (!n) {
        return false;
    }
    other = maps_run(&n->m);
    if (other.delta != run->delta || other.perm != run->perm ||
        other.device != run->device) {
        return false;
    }
    run->first = MIN(run->first, other.first);
    run->last = MAX(run->last, other.last);
    return true;
}

/* As maps_page_shift(), and neighbours join @run as far as that helps. */
static unsigned maps_grown_shift(MapsRun *run, const IOPTMapsNode *root,
                                 uint64_t iova)
{
    unsigned left = MAPS_NEIGHBOURS;
    unsigned shift;

    for (;;) {
        uint64_t mask, at;

        shift = maps_page_shift(run, iova);
        mask = (1ull << (shift + 1)) - 1;
        if (shift == MAPS_MAX_SHIFT || (run->delta & mask)) {
            return shift;
        }
        at = (iova & ~mask) < run->first ? run->first - 1 : run->last + 1;
        if (!left-- || !maps_run_take(run, root, at)) {
            return shift;
        }
    }
}

IOPTFault iopt_maps_walk(const IOPTMaps *maps, uint64_t iova, unsigned access,
                         IOPTResult *out)
{
    const IOPTMapsNode *root = maps_read(maps);
    const IOPTMapsNode *n = maps_find(root, iova);
    MapsRun run;

    memset(out, 0, sizeof(*out));
    if (!n) {
        return IOPT_FAULT_NOT_PRESENT;
    }
    run = maps_run(&n->m);
    out->perm = run.perm;
    out->device = run.device;
    if (!run.perm || ((access & (IOPT_READ | IOPT_WRITE)) & ~run.perm)) {
        return IOPT_FAULT_PERMISSION;
    }
    out->shift = maps_grown_shift(&run, root, iova);
    out->addr = (iova + run.delta) & ~((1ull << out->shift) - 1);
    return IOPT_OK;
}

/* What is at @next, as far as @last: one page of @n's, or a hole */
static uint64_t maps_piece(const IOPTMapsNode *n, uint64_t next, uint64_t last,
                           IOPTResult *res)
{
    MapsRun run;
    uint64_t mask;

    *res = (IOPTResult) { 0 };
    if (!n || n->m.first > next) {
        return n ? MIN(n->m.first - 1, last) : last;
    }
    if (!n->m.perm) {
        /* Nobody may go there. */
        return MIN(n->m.last, last);
    }
    run = maps_run(&n->m);
    res->shift = maps_page_shift(&run, next);
    mask = (1ull << res->shift) - 1;
    res->addr = (next + run.delta) & ~mask;
    res->perm = run.perm;
    res->device = run.device;
    return MIN(next | mask, last);
}

bool iopt_maps_walk_range(const IOPTMaps *maps, uint64_t first, uint64_t last,
                          uint64_t max, IOPTVisit *visit, void *opaque)
{
    const IOPTMapsNode *root = maps_read(maps);
    const IOPTMapsNode *n = maps_seek(root, first);
    uint64_t next = first, end;

    if (first > last) {
        return true;
    }
    for (;;) {
        IOPTResult res;

        if (!max--) {
            res = (IOPTResult) { .unread = true };
            visit(opaque, next, last, &res);
            return false;
        }
        end = maps_piece(n, next, last, &res);
        if (!visit(opaque, next, end, &res)) {
            return false;
        }
        if (end == last) {
            return true;
        }
        next = end + 1;
        if (n && n->m.last < next) {
            n = maps_seek(root, next);
        }
    }
}

/*
 * One slot of the DMA translation cache: inserts, lookups, an invalidator
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Two domains, each with one page (A), which leads to a version; and another
 * page (B) that shares A's slot.  The invalidator raises a version and runs the
 * whole invalidation.  Asserted: a lookup that begins after it has returned
 * never finds the older version; what a lookup finds belongs together; and
 * the tag that it is told is that of the domain.
 *
 * With PASIDS the domains are those of two PASIDs that share the cache: whose
 * it is changes with the tag, and a lookup never finds what is the other's.
 * Who wants to insert may take the cache over or leave it; if he leaves it, he
 * goes on as if it were his, and nothing may come of that.
 *
 * Each access to shared state is one step, so every interleaving of them is
 * tried; a loop around a compare-and-swap whose outcome does not depend on what
 * was there is one step.  Steps take effect in program order: where the code
 * needs a barrier for that, there is a BROKEN_ variant with the steps
 * exchanged, which is what a missing barrier would do.
 *
 *   here                 system/dma-cache.c
 *   w_gen, w_count       a slot's word; an odd count: somebody has it
 *   leaf                 leaf_shifts: if the page is a piece of a large leaf,
 *                        an invalidation of the rest of the leaf looks for it
 *                        only if this is set
 *   LAST                 GEN_LAST, after which generation 1 comes again
 *   gen, who             DMACache.gen, both halves of it; who 2: nobody
 *
 * Not here: that generations pass all the way round under one lookup or insert.
 *
 * tests/model/run checks it, and that each BROKEN_ variant is rejected.
 */

#ifndef INSERTERS
#define INSERTERS   2
#endif
#ifndef INSERTS
#define INSERTS     1       /* of each */
#endif
#ifndef ROUNDS
#define ROUNDS      2       /* invalidations */
#endif
/* Too many for one lookup to see the same one come again: 2^32 in the code */
#ifndef LAST
#define LAST        7
#endif
#ifndef TAGS
#define TAGS        2       /* domains */
#endif

#define A           0
#define B           1
#define HOST_B      255
#define HOST(t, v)  ((t) * 16 + (v))

#ifdef PASIDS
#define IS_WHO(is, wanted)  ((is) == (wanted))
#define SET_WHO(t)          who = t
#else
#define SET_WHO(t)          skip
#define IS_WHO(is, wanted)  true
#endif

byte gen;
byte who;
byte seq;
byte tag;
bit leaf;
bit lock;

/* An entry of the first time that there was a generation 1 */
byte w_gen = 1;
byte w_count;
bit key = A;
byte host = HOST(0, 0);

bit piece;                  /* A is a piece of a large leaf */
byte table[2] = 1;
byte floor[2] = 1;

inline slot_empty()
{
    atomic { w_gen = 0; w_count = w_count + 2 }
}

/* Lock held */
inline new_generation(t, g)
{
    g = gen + 1;
#ifdef BROKEN_LEAF_FIRST
    leaf = 0;
#endif
#ifndef BROKEN_NOT_CLOSED
    atomic { gen = LAST; SET_WHO(2) }
#endif
    if
    :: g == LAST ->
#ifndef BROKEN_NO_WIPE
        slot_empty();
#endif
        g = 1
    :: else
    fi;
#ifndef BROKEN_TAG_LAST
    tag = t;
#endif
#ifndef BROKEN_LEAF_FIRST
    leaf = 0;
#endif
#ifdef BROKEN_OPEN_BEFORE_COUNT
    atomic { gen = g; SET_WHO(t) }
    seq++;
#else
    seq++;
    atomic { gen = g; SET_WHO(t) }
#endif
#ifdef BROKEN_TAG_LAST
    tag = t;
#endif
    g = 0
}

inline take_lock()
{
    atomic { !lock -> lock = 1 }
}

/* As dma_cache_set_tag(); @same: its result */
inline set_tag(t, same, g)
{
    if
    :: atomic { tag == t -> same = 1 }
    :: atomic { tag != t -> same = 0 }
    fi;
#ifdef PASIDS
    if
    :: atomic { same && who != t -> same = 0 }
    :: else
    fi;
#endif
    if
    :: same
    :: !same ->
        take_lock();
        if
        :: tag == t && IS_WHO(who, t) -> same = 1
        :: else -> new_generation(t, g)
        fi;
        lock = 0
    fi
}

/* As insert_gen(); @g: the generation, or 0 */
inline insert_gen(g, s, now, t, w)
{
#ifdef BROKEN_COUNT_BEFORE_GEN
    now = seq;
    atomic { g = gen; w = who }
#else
    atomic { g = gen; w = who }
    now = seq;
#endif
    if
#ifndef BROKEN_INSERT_ANYBODYS
    :: !IS_WHO(w, t) -> g = 0
#endif
#ifndef BROKEN_INSERT_IN_LAST
    :: g == LAST -> g = 0
#endif
#ifndef BROKEN_NO_COUNT_CHECK
    :: now != s -> g = 0
#endif
    :: else
    fi;
    now = 0;
    w = 0
}

inline note_leaf()
{
#ifndef BROKEN_LEAF_NOT_NOTED
    if
    :: piece -> leaf = 1
    :: else
    fi
#else
    skip
#endif
}

proctype Inserter()
{
    byte n, s, t, v, g, w, wg, wc, now;
    bit same, k, mine, leave;

    do
    :: n < INSERTS ->
        n++;
        s = seq;
        if
        :: t = 0
        :: TAGS > 1 -> t = 1
        fi;
#ifdef PASIDS
        if
        :: atomic { who != t -> leave = 1 }
        :: skip
        fi;
#endif
#ifdef BROKEN_TRANSLATED_EARLY
        /* Before the tag is seen set by others, which it is when that is over */
        v = HOST(t, table[t]);
#endif
        if
        :: !leave -> set_tag(t, same, g)
        :: leave -> same = 1
        fi;
#ifdef BROKEN_TRANSLATED_EARLY
        if
        :: same -> v = HOST(t, table[t])
        :: else -> s = seq; set_tag(t, same, g)
        fi;
#endif
        if
        :: !same -> goto done
        :: else
        fi;
        if
#ifdef BROKEN_TRANSLATED_EARLY
        :: atomic { k = A }
#else
        :: atomic { k = A; v = HOST(t, table[t]) }
#endif
        :: atomic { k = B; v = HOST_B }
        fi;
#ifndef BROKEN_NOTE_AFTER_CHECK
        note_leaf();
#endif
#ifdef BROKEN_CHECK_BEFORE_TAKE
        insert_gen(g, s, now, t, w);
#endif
        /* As slot_take() */
        atomic { wg = w_gen; wc = w_count };
        atomic {
            if
            :: !(wc & 1) && w_gen == wg && w_count == wc ->
                w_gen = 0;
                w_count++;
                mine = 1
            :: else
            fi;
            wg = 0
        };
        if
        :: !mine -> goto done
        :: else
        fi;
#ifndef BROKEN_CHECK_BEFORE_TAKE
        insert_gen(g, s, now, t, w);
#endif
#ifdef BROKEN_NOTE_AFTER_CHECK
        note_leaf();
#endif
        if
        :: g ->
            key = k;
            host = v;
#ifdef BROKEN_GEN_AT_RELEASE
            g = gen
#endif
        :: else
        fi;
        /* As slot_release() */
        atomic {
            if
#ifndef BROKEN_POISON_IGNORED
            :: w_gen != 0 || w_count != wc + 1 ->
                w_gen = 0;
                w_count++
#endif
            :: else ->
                w_gen = g;
                w_count = wc + 2
            fi
        };
done:
        atomic {
            s = 0; t = 0; v = 0; g = 0; wg = 0; wc = 0;
            same = 0; k = 0; mine = 0; leave = 0
        }
    :: else -> break
    od
}

/* As dma_cache_find_run(); without the tag, as dma_cache_find() */
proctype Lookup()
{
    byte f0, f1, g, w, wg, wc, h, t, asks;
    bit k;

end:
    do
    :: atomic { f0 = floor[0]; f1 = floor[1] };
#ifdef PASIDS
        if
        :: asks = 0
        :: asks = 1
        fi;
#endif
#ifdef BROKEN_WHO_APART
        w = who;
        g = gen;
#else
        atomic { g = gen; w = who };
#endif
#ifndef BROKEN_NO_WHO
        if
        :: !IS_WHO(w, asks) -> goto miss
        :: else
        fi;
#endif
        atomic { wg = w_gen; wc = w_count };
        if
        :: wg != g || (wc & 1) -> goto miss
        :: else
        fi;
        k = key;
        if
        :: k == B -> goto miss
        :: else
        fi;
        h = host;
#ifndef BROKEN_NO_RECHECK
        if
        :: w_gen != wg || w_count != wc -> goto miss
        :: else
        fi;
#endif
        assert(h != HOST_B);
        assert(IS_WHO(h / 16, asks));
        assert((h / 16) || (h % 16) >= f0);
        assert(!(h / 16) || (h % 16) >= f1);
        t = tag;
#ifndef BROKEN_NO_GEN_RECHECK
        if
        :: gen != g -> goto miss
        :: else
        fi;
#endif
        assert(h / 16 == t);
miss:
        atomic {
            f0 = 0; f1 = 0; g = 0; w = 0; wg = 0; wc = 0; h = 0; t = 0;
            k = 0; asks = 0
        }
    od
}

/* The slot, as drop_page() sees it */
inline look(wc, k)
{
    wc = w_count;
    k = key;
    if
#ifdef BROKEN_TAKEN_LEFT
    :: !(wc & 1) && k == A -> slot_empty()
#else
    :: (wc & 1) || k == A -> slot_empty()
#endif
    :: else
    fi;
    wc = 0;
    k = 0
}

inline invalidate_range(wc, k)
{
#ifdef BROKEN_COUNT_AFTER_LOOK
    if
    :: !piece || leaf -> look(wc, k)
    :: else
    fi;
    seq++
#else
    seq++;
    if
    :: !piece || leaf -> look(wc, k)
    :: else
    fi
#endif
}

inline invalidate_all(g)
{
    take_lock();
    new_generation(tag, g);
    lock = 0
}

proctype Invalidator()
{
    byte n = 1, t, g, wc;
    bit k, ours;

    do
    :: n <= ROUNDS ->
        n++;
        if
        :: t = 0
        :: TAGS > 1 -> t = 1
        fi;
#ifdef BROKEN_TAG_READ_EARLY
        ours = (tag == t);
        table[t] = n;
#else
        table[t] = n;
        ours = (tag == t);
#endif
        if
        :: !ours
        :: ours -> invalidate_range(wc, k)
        :: ours -> invalidate_all(g)
        fi;
        floor[t] = n;
        atomic { ours = 0; t = 0 }
    :: else -> break
    od
}

init
{
    byte i;

    atomic {
        if
        :: piece = 0
        :: piece = 1
        fi;
        if
        :: gen = 2
        :: gen = LAST - 1
        fi;
        run Invalidator();
        run Lookup();
        do
        :: i < INSERTERS -> run Inserter(); i++
        :: else -> break
        od
    }
}

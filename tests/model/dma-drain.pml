/*
 * The drain protocol: translators against an invalidator
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One IOVA, whose table entry leads to page 0 or 1.  The invalidator changes
 * the entry, runs the whole invalidation and then frees the old page; then
 * back again.  Asserted: no access ever touches a page that is free.  A
 * deadlock is an error too: it is a wake-up that was lost.
 *
 * Each statement that touches shared state is one step, so every interleaving
 * of them is tried.  What the code does under a lock or a sequence count is
 * one atomic step here.  Steps take effect in program order: where the code
 * needs a full barrier for that, there is a BROKEN_ variant with the two
 * steps exchanged, which is what a missing barrier would do.
 *
 *   here                 there
 *   slot, epoch,         system/dma-epoch.c
 *   waiting
 *   cache, inv_seq       hw/iommu/iotlb.c
 *   map                  system/dma-maps.c; one record per translator.
 *                        Copies and vague records are not modelled (the unit
 *                        tests of dma-maps.c are about these)
 *   dev                  a device's own cache that is told by a notifier and
 *                        answers (vhost)
 *
 * tests/model/run checks it, and that each BROKEN_ variant is rejected.
 */

#ifndef TRANSLATORS
#define TRANSLATORS 2
#endif
#ifndef ROUNDS
#define ROUNDS      2       /* invalidations */
#endif
#ifndef DEVICES
#define DEVICES     1       /* 0 or 1: with the device behind a notifier */
#endif

typedef Map {
    bit valid;
    bit page;
    bit gen;                /* tells a record from the one before it */
    byte stamp;             /* invalidation that waits for it; 0: none */
};

bit table;                  /* the page that the IOVA leads to */
bit freed[2];

bit cache_valid;            /* IOTLB */
bit cache_page;
byte inv_seq;

bit dev_valid;              /* device TLB */
bit dev_page;
bit dev_busy;

byte epoch = 1;
byte slot[TRANSLATORS];     /* 0: closed */
bit waiting;
bit woken;

Map map[TRANSLATORS];

/* The invalidator's, while it looks at a record */
bit look_gen, look_page, look_valid;

#define use(p) assert(!freed[p])

/* As dma_epoch_enter() and dma_epoch_exit() */
inline slot_open(i, e)
{
    e = epoch;
    slot[i] = e;
    e = 0
}

inline slot_close(i)
{
    slot[i] = 0;
    if
    :: waiting ->
        atomic {
            if
            :: waiting -> waiting = 0; woken = 1
            :: else
            fi
        }
    :: else
    fi
}

/* Through the cache, or past it: an entry may have been evicted. */
inline translate(result, count)
{
    if
    :: atomic { cache_valid -> result = cache_page }
    :: true ->
#ifdef BROKEN_SEQ_AFTER_TABLE
        result = table;
        count = inv_seq;
#else
        count = inv_seq;
        result = table;
#endif
        atomic {
            if
#ifndef BROKEN_INSERT_NO_SEQ
            :: count != inv_seq
#endif
            :: else -> cache_valid = 1; cache_page = result
            fi;
            count = 0
        }
    fi
}

inline record(who, where)
{
    atomic {
        map[who].valid = 1; map[who].page = where; map[who].stamp = 0;
        map[who].gen = 1 - map[who].gen
    }
}

proctype Translator(byte me)
{
    byte e, seq;
    bit page;

end:
    do
    :: true ->
#ifdef BROKEN_ENTER_LATE
        translate(page, seq);
        slot_open(me, e);
#else
        slot_open(me, e);
        translate(page, seq);
#endif
        if
        :: true ->
            /* a short access, which takes a while */
            use(page);
            use(page);
            slot_close(me)
        :: !map[me].valid ->
#ifdef BROKEN_RECORD_OUTSIDE
            slot_close(me);
            record(me, page)
#else
            record(me, page);
            slot_close(me)
#endif
        fi;
        page = 0
    :: map[me].valid ->
        use(map[me].page)
    :: map[me].valid ->
        /* The last write, and the end of the map */
        use(map[me].page);
        atomic {
            if
            :: map[me].stamp -> woken = 1
            :: else
            fi;
            map[me].valid = 0; map[me].page = 0; map[me].stamp = 0
        }
    :: !map[me].valid ->
        break
    od
}

/*
 * The device behind a notifier: it uses its own cache, which a miss fills.  A
 * miss is served in one step, because a notification cannot run beside it.
 */
proctype Device()
{
    bit page;

end:
    do
    :: atomic { dev_valid -> page = dev_page; dev_busy = 1 };
        use(page);
        dev_busy = 0;
        page = 0
    :: atomic {
            !dev_valid ->
            if
            :: cache_valid -> dev_page = cache_page
            :: true -> dev_page = table
            fi;
            dev_valid = 1
        }
    :: break
    od
}

inline remove_cached()
{
    atomic { inv_seq++; cache_valid = 0; cache_page = 0 }
}

inline notify()
{
    atomic { dev_valid = 0; dev_page = 0 };
    /* and have the answer */
    dev_busy == 0
}

inline check_slots(ok, i, e)
{
    ok = 1;
    i = 0;
    do
    :: i < TRANSLATORS ->
        if
        :: slot[i] && slot[i] < e -> ok = 0
        :: else
        fi;
        i++
    :: else -> break
    od;
    i = 0
}

/*
 * As dma_epoch_idle(), with IDLE; then as dma_epoch_next() and
 * dma_epoch_passed(), asked until it says yes
 */
inline wait_slots(ok, i, e)
{
#ifdef IDLE
    check_slots(ok, i, 255);
#else
    ok = 0;
#endif
    if
    :: !ok -> atomic { epoch++; e = epoch }
    :: else
    fi;
    do
    :: ok -> break
    :: else ->
        woken = 0;
        check_slots(ok, i, e);
        if
        :: ok -> break
        :: else
        fi;
        waiting = 1;
#ifdef BROKEN_NO_RESCAN
        woken
#else
        check_slots(ok, i, e);
        if
        :: ok -> break
        :: else -> woken
        fi
#endif
    od
}

/*
 * One record after the other: look at it, walk the table with no lock held,
 * and mark it if it is still there.
 */
inline scan_maps(i, n)
{
    i = 0;
    do
    :: i < TRANSLATORS ->
        atomic {
            look_gen = map[i].gen;
            look_page = map[i].page;
            look_valid = map[i].valid && !map[i].stamp
        };
        if
        :: look_valid && look_page != table ->
            atomic {
                if
#ifdef BROKEN_MARK_GONE
                :: map[i].stamp = n
#else
                :: map[i].valid && map[i].gen == look_gen -> map[i].stamp = n
                :: else
#endif
                fi
            }
        :: else
        fi;
        atomic { look_gen = 0; look_page = 0; look_valid = 0; i++ }
    :: else -> break
    od;
    i = 0
}

inline wait_maps(ok, i, n)
{
    do
    :: true ->
        woken = 0;
        atomic {
            ok = 1;
            i = 0;
            do
            :: i < TRANSLATORS ->
                if
                :: map[i].stamp && map[i].stamp <= n -> ok = 0
                :: else
                fi;
                i++
            :: else -> break
            od;
            i = 0
        };
        if
        :: ok -> break
        :: else -> woken
        fi
    od
}

inline drain(ok, i, e, n)
{
#ifdef BROKEN_NO_SCAN_AFTER_SLOTS
    scan_maps(i, n);
    wait_slots(ok, i, e);
#else
    wait_slots(ok, i, e);
    scan_maps(i, n);
#endif
#ifndef BROKEN_NO_WAIT_MAPS
    wait_maps(ok, i, n);
#endif
    e = 0
}

proctype Invalidator()
{
    byte n = 1, i, e;
    bit ok, old;

    do
    :: n <= ROUNDS ->
        old = table;
        freed[1 - old] = 0;
        table = 1 - old;
#ifdef BROKEN_DRAIN_BEFORE_REMOVE
        drain(ok, i, e, n);
        remove_cached();
        notify();
#else
#ifdef BROKEN_NOTIFY_FIRST
        notify();
        remove_cached();
#else
        remove_cached();
        notify();
#endif
        drain(ok, i, e, n);
#endif
        /* Reported complete: the guest uses the page for something else. */
        freed[old] = 1;
        n++
    :: else -> break
    od
}

init
{
    byte i;

    atomic {
        freed[1] = 1;
        run Invalidator();
        if
        :: DEVICES -> run Device()
        :: else
        fi;
        do
        :: i < TRANSLATORS -> run Translator(i); i++
        :: else -> break
        od
    }
}

/*
 * A vhost-user backend: updates, invalidations, and the holds of these
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One IOVA, which leads to page n after n invalidations.  The backend has a
 * translation of its own, asks for one when it has none, and accesses the page.
 * It may die at any time, and our end of the connection may be closed at any
 * time, which it hears of later.  The guest changes the table, has it
 * invalidated, and does so again or waits; then it frees all pages but the one
 * that the table leads to.  Asserted: no access touches a page that is free.
 * A deadlock is a hold that nobody releases.
 *
 * What the front end does under the BQL is one step: a translation and its
 * message, an invalidation and its hold.  The guest's stores to its tables
 * need no BQL.
 *
 *   here                 hw/virtio/vhost-user-iotlb.c
 *   queue, hold          sent and waiting: what was asked for, in this order
 *   sent                 so many have been: nothing about them can be changed
 *   dropped              our end is closed: nothing is sent or read any more
 *   lingering            the hold of that: the backend may not know it yet
 *   mapped, open         the backend's: it can access memory; its end is open
 *   gone                 we have seen that its end is closed
 *
 * tests/model/run checks it, and that each BROKEN_ variant is rejected.
 */

#ifndef ROUNDS
#define ROUNDS      3       /* invalidations */
#endif
#ifndef UPDATES
#define UPDATES     2
#endif

#define MESSAGES    (ROUNDS + UPDATES)

#define INVALIDATE  1
#define UPDATE      2       /* + the page */

byte table;
bit freed[ROUNDS + 1];
byte asked;                 /* invalidations so far */

byte queue[MESSAGES];
bit hold[MESSAGES];
byte queued, sent, taken, acknowledged;
bit dropped, lingering, gone;

byte known;                 /* the backend's; 0: none, else the page + 1 */
bit miss;
bit open = 1, mapped = 1;

#define use(p) assert(!(mapped && freed[p]))

inline queue_add(what, with_hold)
{
    queue[queued] = what;
    hold[queued] = with_hold;
    queued++
}

inline release_all(i)
{
    i = 0;
    do
    :: i < queued -> hold[i] = 0; i++
    :: else -> break
    od;
    i = 0;
    lingering = 0
}

/* It takes one message after the other, between two accesses. */
proctype Backend()
{
    byte page;

    do
    :: taken < sent && !dropped ->
        if
        :: queue[taken] == INVALIDATE ->
#ifdef BROKEN_ACK_FIRST
            taken++;
            if
            :: known -> use(known - 1)
            :: else
            fi;
            known = 0
#else
            known = 0;
            taken++
#endif
        :: else ->
            atomic { known = queue[taken] - UPDATE + 1; miss = 0 };
            taken++
        fi
    :: known -> use(known - 1)
    :: !known && !miss -> miss = 1
    :: true -> break
    od;
#ifdef BROKEN_SOCKET_FIRST
    open = 0;
    if
    :: known -> use(known - 1)
    :: else
    fi;
    mapped = 0
#else
    mapped = 0;
    open = 0
#endif
}

/* The main loop: sends, takes acknowledgements, answers misses */
proctype FrontEnd()
{
    byte i, page, updates;

    do
    :: atomic { sent < queued && !dropped -> sent++ }
    :: atomic { acknowledged < taken && !dropped ->
            hold[acknowledged] = 0;
            acknowledged++
        }
    :: miss && updates < UPDATES && !dropped ->
        atomic { miss = 0; updates++ };
#ifdef BROKEN_UPDATE_LATE
        page = table;
        atomic { queue_add(UPDATE + page, 0); page = 0 }
#else
        atomic { page = table; queue_add(UPDATE + page, 0); page = 0 }
#endif
    :: atomic { !dropped -> dropped = 1;
#ifdef BROKEN_RELEASE_AT_OUR_END
            release_all(i)
#else
#ifndef BROKEN_NO_HOLD_LEFT
            lingering = 1
#endif
#endif
        }
    :: atomic { !open -> release_all(i); gone = 1 };
        break
    od
}

/* With the one that will be sent last, if that is one, too */
inline invalidate()
{
    atomic {
        asked++;
        if
        :: dropped || gone
        :: else ->
            if
            :: queued > sent && queue[queued - 1] == INVALIDATE
#ifdef BROKEN_MERGE_PAST_UPDATE
            :: queued > sent + 1 && queue[queued - 2] == INVALIDATE
#endif
            :: !(queued > sent && queue[queued - 1] == INVALIDATE) ->
                queue_add(INVALIDATE, 1)
            fi
        fi
    }
}

inline held(yes, i)
{
    atomic {
        yes = lingering;
        i = 0;
        do
        :: i < queued -> yes = yes || hold[i]; i++
        :: else -> break
        od;
        i = 0
    }
}

proctype Guest()
{
    byte i;
    bit yes;

    do
    :: asked < ROUNDS ->
        table = asked + 1;
        invalidate();
        if
        :: asked < ROUNDS    /* the next one, before it waits */
        :: true ->
            do
            :: true ->
                held(yes, i);
                if
                :: yes -> yes = 0
                :: else -> break
                fi
            od;
            atomic {
                do
                :: i < table -> freed[i] = 1; i++
                :: else -> break
                od;
                i = 0
            }
        fi
    :: else -> break
    od
}

init
{
    atomic {
        run Guest();
        run FrontEnd();
        run Backend()
    }
}

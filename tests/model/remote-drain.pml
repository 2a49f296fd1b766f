/*
 * The drain through a unit in another process: askers, a link, a server, a guest
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * As in dma-drain.pml one IOVA leads to page 0 or 1.  The guest changes the
 * entry, has it invalidated, waits until the server says that this is complete,
 * and frees the old page; then back again.  Asserted: no access ever touches a
 * page that is free.  A deadlock is an error too: somebody waits for an answer
 * that waits for him.
 *
 * Each direction of the connection is a channel that keeps the order.
 *
 *   here                 there
 *   Asker                remote_link_ask() in an access: remote-model.c
 *   Link                 the link's thread: remote-link.c, remote-serve.c
 *   MainLoop             serve_commands_bh(), or serve_at_once() in the link's
 *                        thread, with the BQL, and their fence: remote-serve.c
 *   Server               vrs-serve.c, vrs-drain.c, toy.py, or any other
 *   slot, epoch          system/dma-epoch.c, whose own steps dma-drain.pml has
 *   cache, inv_seq       hw/iommu/iotlb.c
 *   server_cache         what a server may keep of its tables, or read ahead
 *   Device               one that keeps what it was told: remote-ats.c, atc.c
 *
 * With DEVICE the guest has the device's TLB invalidated, too (VRP_INV_DEVICE),
 * after the translations; the device asks and keeps as an asker does, and then
 * uses what it keeps without asking anybody.
 *
 * tests/model/run checks it, and that each BROKEN_ variant is rejected.
 */

#ifndef ASKERS
#define ASKERS      2
#endif
#ifndef ROUNDS
#define ROUNDS      2       /* invalidations */
#endif
#ifndef PREFETCHES
#define PREFETCHES  1       /* answers that nobody asked for */
#endif

#ifdef DEVICE
#define ASKING      (ASKERS + 1)
/* Of which every second is about the device */
#define MESSAGES    (2 * ROUNDS)
#else
#define ASKING      ASKERS
#define MESSAGES    ROUNDS
#endif

mtype = { ask, answer, prefetch, invalidate, drained, registers };

/* What, who or which one, and the page */
chan to_server = [ASKING + MESSAGES + 1] of { mtype, byte, bit };
chan to_client = [ASKING + MESSAGES + PREFETCHES] of { mtype, byte, bit };
/* What the link's thread leaves to the main loop */
chan later = [MESSAGES + PREFETCHES] of { mtype, byte, bit };

bit table;
bit freed[2];
byte complete;              /* invalidations that the guest was told of */

/* The client's */
bit cache_valid, cache_page;
byte inv_seq;
byte epoch = 1;
byte slot[ASKING];          /* 0: closed */
bit answered[ASKING], answer_page[ASKING];

/* The device's */
bit kept_valid, kept_page;
byte kept_seq;

/* The server's */
bit server_valid, server_page;

#define use(p) assert(!freed[p])

inline cache_insert(p)
{
    cache_valid = 1;
    cache_page = p
}

proctype Asker(byte me)
{
    byte seq;
    bit page;

end:
    do
    :: true ->
        slot[me] = epoch;
        if
        :: atomic { cache_valid -> page = cache_page }
        :: true ->
#ifndef BROKEN_SEQ_AFTER_ANSWER
            seq = inv_seq;
#endif
            to_server!ask(me, 0);
            atomic { answered[me] -> answered[me] = 0; page = answer_page[me] };
#ifdef BROKEN_SEQ_AFTER_ANSWER
            seq = inv_seq;
#endif
            atomic {
                if
#ifndef BROKEN_CACHE_NO_SEQ
                :: seq != inv_seq
#endif
                :: else -> cache_insert(page)
                fi;
                seq = 0
            }
        fi;
        /* The access takes a while. */
        use(page);
        use(page);
        atomic { slot[me] = 0; page = 0 }
    :: break
    od
}

/* What was there when something of it was invalidated is not put there. */
proctype Device(byte me)
{
    byte seq, kept;
    bit page;

end:
    do
    :: true ->
        /* A translation request: the client's cache, or a question */
        slot[me] = epoch;
        kept = kept_seq;
        if
        :: atomic { cache_valid -> page = cache_page }
        :: true ->
            seq = inv_seq;
            to_server!ask(me, 0);
            atomic { answered[me] -> answered[me] = 0; page = answer_page[me] };
            atomic {
                if
                :: seq != inv_seq
                :: else -> cache_insert(page)
                fi;
                seq = 0
            }
        fi;
        atomic {
            if
#ifndef BROKEN_DEVICE_KEEPS_OLD
            :: kept != kept_seq
#endif
            :: else -> kept_valid = 1; kept_page = page
            fi;
            kept = 0
        };
        atomic { slot[me] = 0; page = 0 }
    :: true ->
        /* A translated access */
#ifdef BROKEN_DEVICE_UNSEEN
        if
        :: atomic { kept_valid -> page = kept_page }
        :: atomic { !kept_valid -> goto end }
        fi;
#else
        slot[me] = epoch;
        if
        :: atomic { kept_valid -> page = kept_page }
        :: atomic { !kept_valid -> slot[me] = 0; goto end }
        fi;
#endif
        use(page);
        use(page);
        atomic { slot[me] = 0; page = 0 }
    :: break
    od
}

/* Reads, and waits for nobody */
proctype Link()
{
    byte who;
    bit page;

end:
    do
    :: to_client?answer(who, page) ->
        atomic { answer_page[who] = page; answered[who] = 1; who = 0; page = 0 }
    :: to_client?prefetch(who, page) ->
#ifdef BROKEN_PREFETCH_LATER
        later!prefetch(0, page);
#else
        atomic { cache_insert(page); page = 0 }
#endif
    :: to_client?invalidate(who, page) ->
#ifdef BROKEN_PREFETCH_LATER
        atomic { inv_seq++; cache_valid = 0; cache_page = 0 };
#endif
        atomic { later!invalidate(who, 0); who = 0 }
    od
}

inline client_remove()
{
    atomic { inv_seq++; cache_valid = 0; cache_page = 0 }
}

/* Those whose slots were open when it began */
inline client_drain(e, i)
{
    atomic { epoch++; e = epoch };
    i = 0;
    do
    :: i < ASKING ->
        !slot[i] || slot[i] >= e;
        i++
    :: else -> break
    od;
    atomic { e = 0; i = 0 }
}

/* Whatever is invalidated; of what devices keep, that */
inline client_forget(n)
{
#ifdef DEVICE
    if
    :: n % 2 -> client_remove()
    :: else -> atomic { kept_seq++; kept_valid = 0; kept_page = 0 }
    fi
#else
    client_remove()
#endif
}

proctype MainLoop()
{
    byte n, e, i;
    bit page;

end:
    do
    :: later?prefetch(n, page) ->
        atomic { cache_insert(page); page = 0 }
    :: later?invalidate(n, page) ->
#ifdef BROKEN_DRAIN_FIRST
        client_drain(e, i);
        client_forget(n);
#else
#ifndef BROKEN_PREFETCH_LATER
        client_forget(n);
#endif
#ifdef BROKEN_REPLY_WHEN_REMOVED
#elif defined(BROKEN_DEVICE_NOT_WAITED)
        if
        :: n % 2 -> client_drain(e, i)
        :: else
        fi;
#else
        client_drain(e, i);
#endif
#endif
        atomic { to_server!drained(n, 0); n = 0 }
#ifdef DEVICE
    :: atomic { len(later) >= 2 && later?[invalidate] ->
        later?invalidate(n, page) };
        /* Those of one go share a fence. */
        client_forget(n);
        later?invalidate(n, page);
        client_forget(n);
        client_drain(e, i);
        atomic { to_server!drained(n - 1, 0) };
        atomic { to_server!drained(n, 0); n = 0 }
#endif
    od
}

inline server_read(p)
{
    if
    :: atomic { server_valid -> p = server_page }
    :: true ->
        atomic { p = table; server_valid = 1; server_page = p }
    fi
}

proctype Server()
{
    byte who, sent, back;
    byte ahead = PREFETCHES;
    bit page;

end:
    do
#ifdef BROKEN_WAIT_FOR_DRAINED
    :: sent == back && to_server?[ask] ->
        to_server?ask(who, page);
#else
    :: to_server?ask(who, page) ->
#endif
        server_read(page);
        atomic { to_client!answer(who, page); who = 0; page = 0 }
    :: atomic { ahead && sent < MESSAGES -> ahead-- };
        server_read(page);
#ifdef BROKEN_PREFETCH_OLD
        if
        :: to_server?registers(who, _) ->
            server_valid = 0;
            sent++;
            to_client!invalidate(sent, 0)
        :: true
        fi;
#endif
        atomic { to_client!prefetch(0, page); who = 0; page = 0 }
    :: to_server?registers(who, page) ->
#ifndef BROKEN_FLUSH_LATE
        server_valid = 0;
#endif
#if defined(DEVICE) && defined(BROKEN_DEVICE_FIRST)
        atomic { sent = sent + 2; to_client!invalidate(sent, 0) };
        atomic { to_client!invalidate(sent - 1, 0) };
#else
        atomic { sent++; to_client!invalidate(sent, 0) };
#ifdef DEVICE
        atomic { sent++; to_client!invalidate(sent, 0) };
#endif
#endif
#ifdef BROKEN_FLUSH_LATE
        /* What is asked meanwhile it still answers by what it has kept. */
        if
        :: to_server?ask(who, page) ->
            server_read(page);
            to_client!answer(who, page)
        :: true
        fi;
        server_valid = 0;
#endif
#ifdef BROKEN_COMPLETE_WHEN_SENT
        complete = sent;
#endif
        atomic { who = 0; page = 0 }
    :: to_server?drained(who, page) ->
#ifdef DEVICE
        /* What is complete is what all its parts are. */
        atomic {
            back++;
#ifdef BROKEN_DEVICE_HALF
            complete = (back + 1) / 2;
#else
            complete = back / 2;
#endif
            who = 0
        }
#else
        back = who;
        complete = back;
        who = 0
#endif
    od
}

proctype Guest()
{
    byte n = 1;
    bit old;

    do
    :: n <= ROUNDS ->
        old = table;
        freed[1 - old] = 0;
        table = 1 - old;
        to_server!registers(n, 0);
        complete >= n;
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
        run Link();
        run MainLoop();
        run Server();
        run Guest();
        do
        :: i < ASKERS -> run Asker(i); i++
        :: else -> break
        od;
#ifdef DEVICE
        run Device(ASKERS)
#endif
    }
}

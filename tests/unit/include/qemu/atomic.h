/*
 * QEMU's atomics, as far as our pure files use them, for the standalone build
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ThreadSanitizer knows acquire, release and read-modify-write operations but
 * not standalone fences (the compiler refuses to build them quietly).  Under
 * it a fence is a sequentially consistent read-modify-write of one variable:
 * every fence then happens after every fence before it.  That orders at least
 * what the real fences order, and tells the tool so; it can hide a missing
 * fence, which the model check (tests/model) and the fibers are for, but makes
 * no false race.
 *
 * With QEMU_SHIM_FIBERS, stores are late: tests/unit/fibers.h.
 */
#ifndef QEMU_ATOMIC_H
#define QEMU_ATOMIC_H

#if defined(__SANITIZE_THREAD__)
#define QEMU_SHIM_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define QEMU_SHIM_TSAN 1
#endif
#endif

#if defined(QEMU_SHIM_FIBERS)

void qemu_shim_fence(void);
void qemu_shim_store_fence(void);

#define smp_mb()        qemu_shim_fence()
#define smp_rmb()       ((void)0)
#define smp_wmb()       qemu_shim_store_fence()
/* Loads take effect in program order there. */
#define smp_mb_release()    qemu_shim_store_fence()

#elif defined(QEMU_SHIM_TSAN)

static inline void qemu_shim_fence(void)
{
    /* One per file that includes this would do no harm to a fence's user, but
     * would not order two files' fences: hence one common symbol. */
    extern unsigned qemu_shim_fence_word;

    __atomic_fetch_add(&qemu_shim_fence_word, 1, __ATOMIC_SEQ_CST);
}

/* In every object file, merged by the linker. */
__attribute__((weak)) unsigned qemu_shim_fence_word;

#define smp_mb()        qemu_shim_fence()
#define smp_rmb()       qemu_shim_fence()
#define smp_wmb()       qemu_shim_fence()
#define smp_mb_release()    qemu_shim_fence()

#else

#define smp_mb()        __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define smp_rmb()       __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define smp_wmb()       __atomic_thread_fence(__ATOMIC_RELEASE)
#define smp_mb_release()    __atomic_thread_fence(__ATOMIC_RELEASE)

#endif

#define smp_mb__after_rmw()         smp_mb()

/*
 * Built with QEMU_SHIM_STEPS, qemu_shim_step() is called before each access to
 * shared state.  A test that has one of its own decides there who goes on: it
 * may yield the processor, or run something else; it defines
 * QEMU_SHIM_STEP_MINE before it includes this.  Otherwise it does nothing.
 */
#ifdef QEMU_SHIM_STEPS
void qemu_shim_step(void);
#ifndef QEMU_SHIM_STEP_MINE
/* In every object file, merged by the linker; a test's own comes first. */
__attribute__((weak)) void qemu_shim_step(void)
{
}
#endif
#else
#define qemu_shim_step()            ((void)0)
#endif

#ifdef QEMU_SHIM_FIBERS

uint64_t qemu_shim_load(const void *p, size_t size);
void qemu_shim_store(void *p, size_t size, uint64_t value, bool release);

#define qatomic_read(p) \
    ((__typeof__(*(p)))(uintptr_t)qemu_shim_load(p, sizeof(*(p))))
#define qatomic_load_acquire(p)     qatomic_read(p)
#define qemu_shim_set(p, v, release) \
    qemu_shim_store(p, sizeof(*(p)), (uintptr_t)(__typeof__(*(p)))(v), release)
#define qatomic_set(p, v)           qemu_shim_set(p, v, false)
#define qatomic_store_release(p, v) qemu_shim_set(p, v, true)
/* A read-modify-write operation comes after all stores before it. */
#define qemu_shim_rmw_step()        (qemu_shim_step(), qemu_shim_fence())

#else

#define qatomic_read(p) \
    (qemu_shim_step(), __atomic_load_n(p, __ATOMIC_RELAXED))
#define qatomic_set(p, v) \
    (qemu_shim_step(), __atomic_store_n(p, v, __ATOMIC_RELAXED))
#define qatomic_load_acquire(p) \
    (qemu_shim_step(), __atomic_load_n(p, __ATOMIC_ACQUIRE))
#define qatomic_store_release(p, v) \
    (qemu_shim_step(), __atomic_store_n(p, v, __ATOMIC_RELEASE))

#define qemu_shim_rmw_step()        qemu_shim_step()

#endif

#define qatomic_xchg(p, v) \
    (qemu_shim_rmw_step(), __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST))
#define qatomic_fetch_inc(p)        qatomic_fetch_add(p, 1)
#define qatomic_fetch_dec(p)        qatomic_fetch_add(p, -1)
#define qatomic_inc(p)              ((void)qatomic_fetch_inc(p))
#define qatomic_or(p, n) \
    (qemu_shim_rmw_step(), (void)__atomic_fetch_or(p, n, __ATOMIC_SEQ_CST))
#define qatomic_fetch_add(p, n) \
    (qemu_shim_rmw_step(), __atomic_fetch_add(p, n, __ATOMIC_SEQ_CST))

/* Returns what was there. */
#define qatomic_cmpxchg(p, old, new) \
    ({ \
        __typeof__(*(p)) expected_ = (old); \
        qemu_shim_rmw_step(); \
        __atomic_compare_exchange_n(p, &expected_, new, false, \
                                    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
        expected_; \
    })

#endif

/*
 * QEMU's loops, locks and character device, for the tests of the link
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ThreadSanitizer does not see into glib: so what goes from one thread to
 * another goes by the locks here, and only a loop's own thread touches its
 * sources.
 */
#include "qemu/osdep.h"
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include "fake-qemu.h"
#include "system/bql-trylock.h"
#include "test-common.h"

void (*fake_before_lock)(QemuMutex *lock);
void (*fake_after_unlock)(QemuMutex *lock);

/* The BQL */

static QemuMutex bql = { PTHREAD_MUTEX_INITIALIZER };
static __thread bool have_bql;

bool bql_locked(void)
{
    return have_bql;
}

void bql_lock(void)
{
    g_assert_false(have_bql);
    qemu_mutex_lock(&bql);
    have_bql = true;
}

bool bql_trylock(void)
{
    g_assert_false(have_bql);
    have_bql = !qemu_mutex_trylock(&bql);
    return have_bql;
}

void bql_unlock(void)
{
    g_assert_true(have_bql);
    have_bql = false;
    qemu_mutex_unlock(&bql);
}

/* Bottom halves, and the loops that run them */

struct QEMUBH {
    AioContext *ctx;
    void (*cb)(void *opaque);
    void *opaque;
    bool scheduled, deleted; /* ctx->lock */
    TAILQ_ENTRY(QEMUBH) next;
};

struct AioContext {
    QemuMutex lock;
    TAILQ_HEAD(, QEMUBH) bhs;
    int event_fd;
    bool with_bql;           /* its bottom halves run with that */
    bool stop;               /* atomic */
    pthread_t thread;
};

struct IOThread {
    AioContext ctx;
    GMainContext *context;
    GSource *source;
};

static void context_notify(AioContext *ctx)
{
    const uint64_t one = 1;

    if (write(ctx->event_fd, &one, sizeof(one)) < 0) {
        g_assert_cmpint(errno, ==, EAGAIN);
    }
}

static void context_init(AioContext *ctx, bool with_bql)
{
    qemu_mutex_init(&ctx->lock);
    TAILQ_INIT(&ctx->bhs);
    ctx->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    g_assert_cmpint(ctx->event_fd, >=, 0);
    ctx->with_bql = with_bql;
    ctx->stop = false;
}

static void context_fini(AioContext *ctx)
{
    QEMUBH *bh;

    while ((bh = TAILQ_FIRST(&ctx->bhs))) {
        TAILQ_REMOVE(&ctx->bhs, bh, next);
        g_free(bh);
    }
    close(ctx->event_fd);
    qemu_mutex_destroy(&ctx->lock);
}

/* The next that is scheduled; it is not any more. */
static QEMUBH *context_next(AioContext *ctx)
{
    QEMUBH *bh;

    QEMU_LOCK_GUARD(&ctx->lock);
    TAILQ_FOREACH(bh, &ctx->bhs, next) {
        if (bh->scheduled && !bh->deleted) {
            bh->scheduled = false;
            return bh;
        }
    }
    return NULL;
}

static void context_run(AioContext *ctx)
{
    uint64_t count;
    QEMUBH *bh;

    if (read(ctx->event_fd, &count, sizeof(count)) < 0) {
        g_assert_cmpint(errno, ==, EAGAIN);
    }
    if (ctx->with_bql) {
        bql_lock();
    }
    while ((bh = context_next(ctx))) {
        bh->cb(bh->opaque);
    }
    if (ctx->with_bql) {
        bql_unlock();
    }
}

QEMUBH *aio_bh_new(AioContext *ctx, void (*cb)(void *opaque), void *opaque)
{
    QEMUBH *bh = g_new0(QEMUBH, 1);

    bh->ctx = ctx;
    bh->cb = cb;
    bh->opaque = opaque;
    QEMU_LOCK_GUARD(&ctx->lock);
    TAILQ_INSERT_TAIL(&ctx->bhs, bh, next);
    return bh;
}

void qemu_bh_schedule(QEMUBH *bh)
{
    WITH_QEMU_LOCK_GUARD(&bh->ctx->lock) {
        bh->scheduled = true;
    }
    context_notify(bh->ctx);
}

/* It may be running; its memory is the loop's until that ends. */
void qemu_bh_delete(QEMUBH *bh)
{
    QEMU_LOCK_GUARD(&bh->ctx->lock);
    bh->deleted = true;
}

typedef struct Once {
    void (*cb)(void *opaque);
    void *opaque;
    bool done;               /* atomic */
} Once;

/* Not in Once, whose memory is free before who rings it is done with that. */
static Bell once_bell = BELL_INIT;

static void once_bh(void *opaque)
{
    Once *once = opaque;

    once->cb(once->opaque);
    qatomic_store_release(&once->done, true);
    bell_ring(&once_bell);
}

void aio_wait_bh_oneshot(AioContext *ctx, void (*cb)(void *opaque),
                         void *opaque)
{
    uint64_t seen = bell_count(&once_bell);
    Once once = { cb, opaque, false };
    QEMUBH *bh = aio_bh_new(ctx, once_bh, &once);

    qemu_bh_schedule(bh);
    while (!qatomic_load_acquire(&once.done)) {
        bell_wait(&once_bell, seen);
        seen = bell_count(&once_bell);
    }
    qemu_bh_delete(bh);
}

/* The main loop */

static AioContext main_context;

AioContext *iohandler_get_aio_context(void)
{
    return &main_context;
}

static void *main_loop(void *opaque)
{
    struct pollfd pfd = { main_context.event_fd, POLLIN, 0 };

    while (!qatomic_load_acquire(&main_context.stop)) {
        if (poll(&pfd, 1, -1) > 0) {
            context_run(&main_context);
        }
    }
    return NULL;
}

void fake_main_loop_start(void)
{
    context_init(&main_context, true);
    thread_start(&main_context.thread, main_loop, NULL);
}

void fake_main_loop_stop(void)
{
    qatomic_store_release(&main_context.stop, true);
    context_notify(&main_context);
    thread_join(main_context.thread);
    context_fini(&main_context);
}

/* An iothread, in a loop of glib's; there is one at a time. */

static IOThread *the_iothread;
static __thread bool in_iothread;

bool fake_in_iothread(void)
{
    return in_iothread;
}

static gboolean iothread_woken(gint fd, GIOCondition condition, gpointer opaque)
{
    context_run(opaque);
    return G_SOURCE_CONTINUE;
}

static void *iothread_run(void *opaque)
{
    IOThread *iothread = opaque;

    in_iothread = true;
    while (!qatomic_load_acquire(&iothread->ctx.stop)) {
        g_main_context_iteration(iothread->context, TRUE);
    }
    return NULL;
}

IOThread *iothread_create(const char *id, Error **errp)
{
    IOThread *iothread = g_new0(IOThread, 1);

    context_init(&iothread->ctx, false);
    iothread->context = g_main_context_new();
    iothread->source = g_unix_fd_source_new(iothread->ctx.event_fd, G_IO_IN);
    g_source_set_callback(iothread->source, G_SOURCE_FUNC(iothread_woken),
                          &iothread->ctx, NULL);
    g_source_attach(iothread->source, iothread->context);
    thread_start(&iothread->ctx.thread, iothread_run, iothread);
    g_assert_null(the_iothread);
    the_iothread = iothread;
    return iothread;
}

void iothread_destroy(IOThread *iothread)
{
    the_iothread = NULL;
    qatomic_store_release(&iothread->ctx.stop, true);
    context_notify(&iothread->ctx);
    thread_join(iothread->ctx.thread);
    g_source_destroy(iothread->source);
    g_source_unref(iothread->source);
    g_main_context_unref(iothread->context);
    context_fini(&iothread->ctx);
    g_free(iothread);
}

AioContext *iothread_get_aio_context(IOThread *iothread)
{
    return &iothread->ctx;
}

GMainContext *iothread_get_g_main_context(IOThread *iothread)
{
    return iothread->context;
}

/* The character device: its context's thread, if nothing else is said */

static void source_end(GSource **source)
{
    if (*source) {
        g_source_destroy(*source);
        g_clear_pointer(source, g_source_unref);
    }
}

static GSource *source_new(Chardev *chr, GIOCondition condition,
                           gboolean (*cb)(gint, GIOCondition, gpointer))
{
    GSource *source = g_unix_fd_source_new(chr->socket.fd, condition);

    g_source_set_callback(source, G_SOURCE_FUNC(cb), chr, NULL);
    g_source_attach(source, chr->context);
    return source;
}

/* lock held: as in QEMU the end of one connection is told before the next. */
static void chr_tell_end(Chardev *chr)
{
    if (chr->open) {
        chr->open = false;
        chr->event(chr->opaque, CHR_EVENT_CLOSED);
    }
}

static void chr_close(Chardev *chr)
{
    source_end(&chr->source);
    source_end(&chr->out_source);
    WITH_QEMU_LOCK_GUARD(&chr->lock) {
        chr->watch = NULL;
        if (chr->socket.fd >= 0) {
            close(chr->socket.fd);
            chr->socket.fd = -1;
        }
        chr_tell_end(chr);
    }
    qemu_bh_schedule(chr->bh);
}

static gboolean chr_ready(gint fd, GIOCondition condition, gpointer opaque)
{
    Chardev *chr = opaque;
    uint8_t bytes[4096];
    ssize_t n = 0;

    if (condition & G_IO_IN && !chr->plain) {
        /* Once it is hung up on nobody reads it, which is no end. */
        n = recv(fd, bytes, MIN((int)sizeof(bytes), chr->can_read(chr->opaque)),
                 MSG_DONTWAIT);
        if (n > 0) {
            chr->read(chr->opaque, bytes, n);
            return G_SOURCE_CONTINUE;
        }
        if (n < 0 && errno == EAGAIN) {
            return G_SOURCE_CONTINUE;
        }
    }
    chr_close(chr);
    return G_SOURCE_REMOVE;
}

static gboolean chr_writable(gint fd, GIOCondition condition, gpointer opaque)
{
    Chardev *chr = opaque;
    gboolean (*watch)(void *, GIOCondition, void *);

    source_end(&chr->out_source);
    WITH_QEMU_LOCK_GUARD(&chr->lock) {
        watch = chr->watch;
        chr->watch = NULL;
    }
    if (watch) {
        watch(NULL, condition, chr->opaque);
    }
    return G_SOURCE_REMOVE;
}

/* There may be a connection, and somebody may want room in it. */
static void chr_bh(void *opaque)
{
    Chardev *chr = opaque;
    bool opened = false, wanted;

    WITH_QEMU_LOCK_GUARD(&chr->lock) {
        if (chr->socket.fd < 0 && chr->next_fd >= 0) {
            chr->socket.fd = chr->next_fd;
            chr->next_fd = -1;
            chr->open = opened = true;
            chr->event(chr->opaque, CHR_EVENT_OPENED);
        }
        wanted = chr->socket.fd >= 0 && chr->watch;
    }
    if (opened) {
        chr->source = source_new(chr, (chr->plain ? 0 : G_IO_IN) | G_IO_HUP,
                                 chr_ready);
    }
    if (wanted && !chr->out_source) {
        chr->out_source = source_new(chr, G_IO_OUT, chr_writable);
    }
}

Chardev *fake_chr_new(const char *label, bool plain)
{
    Chardev *chr = g_new0(Chardev, 1);

    chr->label = label;
    chr->logfd = -1;
    chr->plain = plain;
    chr->socket.fd = chr->next_fd = -1;
    chr->sioc = &chr->socket;
    chr->ioc = plain ? chr->sioc : NULL;
    qemu_mutex_init(&chr->lock);
    return chr;
}

void fake_chr_free(Chardev *chr)
{
    if (chr->next_fd >= 0) {
        close(chr->next_fd);
    }
    qemu_mutex_destroy(&chr->lock);
    g_free(chr);
}

void fake_chr_offer(Chardev *chr, int fd)
{
    int missed;

    WITH_QEMU_LOCK_GUARD(&chr->lock) {
        missed = chr->next_fd;
        chr->next_fd = fd;
        if (chr->bh) {
            qemu_bh_schedule(chr->bh);
        }
    }
    if (missed >= 0) {
        close(missed);
    }
}

Chardev *qemu_chr_fe_get_driver(CharBackend *be)
{
    return be->chr;
}

bool qemu_chr_has_feature(Chardev *chr, int feature)
{
    return false;
}

void *object_dynamic_cast(Object *object, const char *type)
{
    return object;
}

void qemu_chr_fe_set_handlers(CharBackend *be, int (*can_read)(void *opaque),
                              void (*read)(void *opaque, const uint8_t *buf,
                                           int size),
                              void (*event)(void *opaque, QEMUChrEvent event),
                              int (*be_change)(void *opaque), void *opaque,
                              GMainContext *context, bool set_open)
{
    Chardev *chr = be->chr;

    if (!event) {
        source_end(&chr->source);
        source_end(&chr->out_source);
        QEMU_LOCK_GUARD(&chr->lock);
        chr->open = false;
        if (chr->socket.fd >= 0) {
            close(chr->socket.fd);
            chr->socket.fd = -1;
        }
        qemu_bh_delete(g_steal_pointer(&chr->bh));
        return;
    }
    QEMU_LOCK_GUARD(&chr->lock);
    chr->can_read = can_read;
    chr->read = read;
    chr->event = event;
    chr->opaque = opaque;
    chr->context = context;
    chr->bh = aio_bh_new(&the_iothread->ctx, chr_bh, chr);
    qemu_bh_schedule(chr->bh);
}

void qemu_chr_fe_disconnect(CharBackend *be)
{
    chr_close(be->chr);
}

/* Any thread */
int qemu_chr_fe_write(CharBackend *be, const uint8_t *buf, int len)
{
    Chardev *chr = be->chr;
    int done;

    QEMU_LOCK_GUARD(&chr->lock);
    if (!chr->open) {
        errno = EIO;
        return -1;
    }
    done = send(chr->socket.fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (done < 0 && errno != EAGAIN) {
        chr_tell_end(chr);
        errno = EIO;
    }
    return done;
}

int qemu_chr_fe_set_msgfds(CharBackend *be, int *fds, int n)
{
    return 0;
}

/* Any thread */
guint qemu_chr_fe_add_watch(CharBackend *be, GIOCondition cond,
                            gboolean (*fn)(void *unused, GIOCondition cond,
                                           void *opaque), void *opaque)
{
    Chardev *chr = be->chr;

    QEMU_LOCK_GUARD(&chr->lock);
    chr->watch = fn;
    qemu_bh_schedule(chr->bh);
    return 1;
}

/* What else there is */

void error_setg(Error **errp, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    g_logv(NULL, G_LOG_LEVEL_ERROR, fmt, args);
    va_end(args);
}

int qemu_dup(int fd)
{
    return fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

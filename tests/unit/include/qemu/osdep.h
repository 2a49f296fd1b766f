/*
 * What our pure files need of QEMU's osdep.h, for the standalone build
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef QEMU_OSDEP_H
#define QEMU_OSDEP_H

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <inttypes.h>
#include <limits.h>
#include <sys/types.h>
#include <unistd.h>
#include <glib.h>

#define likely(x)       __builtin_expect(!!(x), 1)
#define unlikely(x)     __builtin_expect(!!(x), 0)

#define QEMU_ALIGNED(n) __attribute__((aligned(n)))

#define QEMU_IS_ALIGNED(n, m) (((n) % (m)) == 0)

#define ARRAY_SIZE(a)   (sizeof(a) / sizeof((a)[0]))

/* The structure of @type whose @member is at @ptr; @ptr's type is checked. */
#define container_of(ptr, type, member) \
    ((type *)((char *)(1 ? (ptr) : &((type *)0)->member) - \
              offsetof(type, member)))

#endif

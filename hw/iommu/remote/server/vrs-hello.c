/*
 * The server's library: the JSON of the handshake
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A number is wanted of it, and a list of names.  So values are skipped,
 * without being understood more than that takes, and no deeper than a few
 * levels.
 */
#include "qemu/osdep.h"
#include "vrs-internal.h"

#define DEPTH_MAX 16

static const char *hello_skip_blank(const char *p)
{
    while (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n') {
        p++;
    }
    return p;
}

/* Behind the string at @p, which begins with its quote; NULL: there is none. */
static const char *hello_skip_string(const char *p)
{
    if (*p++ != '"') {
        return NULL;
    }
    for (; *p != '"'; p++) {
        if (*p == '\\') {
            p++;
        }
        if (!*p) {
            return NULL;
        }
    }
    return p + 1;
}

static const char *hello_skip_value(const char *p, unsigned depth);

/* Behind the name and the colon of a member */
static const char *hello_skip_name(const char *p)
{
    p = hello_skip_string(p);
    if (!p) {
        return NULL;
    }
    p = hello_skip_blank(p);
    return *p == ':' ? hello_skip_blank(p + 1) : NULL;
}

/* Behind the object or array at @p */
static const char *hello_skip_inside(const char *p, unsigned depth)
{
    bool object = *p == '{';
    char end = object ? '}' : ']';

    p = hello_skip_blank(p + 1);
    if (*p == end) {
        return p + 1;
    }
    for (;;) {
        if (object) {
            p = hello_skip_name(p);
        }
        p = p ? hello_skip_value(p, depth) : NULL;
        if (!p) {
            return NULL;
        }
        p = hello_skip_blank(p);
        if (*p == end) {
            return p + 1;
        }
        if (*p != ',') {
            return NULL;
        }
        p = hello_skip_blank(p + 1);
    }
}

static const char *hello_skip_value(const char *p, unsigned depth)
{
    const char *from;

    if (*p == '"') {
        return hello_skip_string(p);
    }
    if (*p == '{' || *p == '[') {
        return depth < DEPTH_MAX ? hello_skip_inside(p, depth + 1) : NULL;
    }
    for (from = p; g_ascii_isalnum(*p) || (*p && strchr("+-.", *p)); p++) {
    }
    return p > from ? p : NULL;
}

/* The value of the member @name of the object at @p; NULL: there is none. */
static const char *hello_member(const char *p, const char *name)
{
    size_t len = strlen(name);

    if (!p || *p != '{') {
        return NULL;
    }
    p = hello_skip_blank(p + 1);
    while (*p == '"') {
        bool found = !strncmp(p + 1, name, len) && p[1 + len] == '"';

        p = hello_skip_name(p);
        if (!p || found) {
            return p;
        }
        p = hello_skip_value(p, 0);
        if (!p) {
            return NULL;
        }
        p = hello_skip_blank(p);
        if (*p != ',') {
            return NULL;
        }
        p = hello_skip_blank(p + 1);
    }
    return NULL;
}

/* What the list at @p names, of what is known; NULL: there is no list. */
static uint32_t hello_features(const char *p)
{
    uint32_t features = 0;

    if (!p || *p != '[') {
        return 0;
    }
    do {
        const char *from = hello_skip_blank(p + 1);

        p = hello_skip_value(from, 0);
        if (!p) {
            break;
        }
        if (*from == '"') {
            features |= vrp_feature(from + 1, p - from - 2);
        }
        p = hello_skip_blank(p);
    } while (*p == ',');
    return features;
}

bool vrs_hello_speaks(const uint8_t *text, size_t len, uint32_t *features)
{
    const char *p = (const char *)text;

    *features = 0;
    if (!len || text[len - 1]) {
        return false;
    }
    p = hello_skip_blank(p);
    if (!hello_skip_value(p, 0)) {
        return false;
    }
    p = hello_member(p, "capabilities");
    p = hello_member(p, "viommu");
    *features = hello_features(hello_member(p, "features"));
    p = hello_member(p, "version");
    return p && g_ascii_isdigit(*p) &&
           strtoul(p, NULL, 10) == VRP_VIOMMU_VERSION;
}

/*
 * A vIOMMU outside the VMM: messages as bytes and as numbers
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pure, and re-entrant.
 */
#ifndef HW_IOMMU_REMOTE_FRAME_H
#define HW_IOMMU_REMOTE_FRAME_H

#include "hw/iommu/viommu-remote-proto.h"

/* The most that the fixed part of a message takes, in bytes */
#define VRP_FIXED_MAX 64

/* What a command looks like on the wire.  Fields: q 64, i 32, h 16 bits. */
typedef struct VRPShape {
    uint16_t command;
    bool server;             /* the server sends it */
    bool posted;             /* it is never answered */
    bool data, answer_data;  /* more follows the fixed part */
    uint32_t feature;        /* VRPFeature that it is of; 0: of none */
    const char *fields;      /* of the command's fixed part */
    const char *answer;      /* of its reply's */
    /* What is wrong with the fixed part of what the server sent; NULL: none */
    const char *(*check)(const void *message, uint32_t features);
} VRPShape;

/** vrp_shape: of @command; NULL: there is none such. */
const VRPShape *vrp_shape(uint16_t command);

/** vrp_fields_size: how many bytes @fields are on the wire. */
size_t vrp_fields_size(const char *fields);

/**
 * vrp_pack: @message, a structure of @fields, as vrp_fields_size() bytes.
 * vrp_unpack: the other way.
 */
void vrp_pack(const char *fields, const void *message, uint8_t *bytes);
void vrp_unpack(const char *fields, const uint8_t *bytes, void *message);

/* A VRPHeader's fields */
#define VRP_HEADER_FIELDS "hhiii"

/**
 * vrp_feature: the VRPFeature that is called by the @len bytes @name; 0: none.
 * vrp_feature_name: of the bit @i; NULL: there are no more.
 */
uint32_t vrp_feature(const char *name, size_t len);
const char *vrp_feature_name(unsigned i);

/**
 * vrp_check_header: is @h one that either side may send?
 * Returns: NULL, or what is wrong with it.
 */
const char *vrp_check_header(const VRPHeader *h);

/**
 * vrp_check_server: is the message @h (which vrp_check_header() accepts) with
 * the bytes @body behind it one that a server may send?  Fills @message, of
 * VRP_FIXED_MAX bytes, with its fixed part, which an error reply has not.
 * @features: those in use, VRPFeature.
 * Returns: NULL, or what is wrong with it.
 */
const char *vrp_check_server(const VRPHeader *h, const uint8_t *body,
                             uint32_t features, void *message);

/**
 * vrp_check_client: the same of what a client may send (remote-frame-client.c).
 */
const char *vrp_check_client(const VRPHeader *h, const uint8_t *body,
                             uint32_t features, void *message);

/**
 * vrp_check_feature: is a command of the shape @shape one of those in use?
 * Returns: NULL, or what is wrong with it.
 */
const char *vrp_check_feature(const VRPShape *shape, uint32_t features);

#endif

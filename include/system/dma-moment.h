/*
 * DMA maps in flight: since when
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Time passes in moments, as no clock is read when a map is added: each map has
 * the number of the moment in which it was, modulo 2^32.  Whoever asks for ages
 * begins another one, and remembers when.
 */
#ifndef SYSTEM_DMA_MOMENT_H
#define SYSTEM_DMA_MOMENT_H

#include "system/dma-maps.h"

/** dma_moment: the number now.  Any thread. */
uint32_t dma_moment(void);

/**
 * dma_moment_next: begin another one.  Returns: its number.  One thread at a
 * time.
 */
uint32_t dma_moment_next(void);

/**
 * dma_maps_moment: when the map @info, as dma_maps_list() had it, was added;
 * the first of several that are one.  Returns: false if it has ended.  Any
 * thread.
 */
bool dma_maps_moment(DMAMaps *maps, const DMAMapInfo *info, uint32_t *moment);

#endif

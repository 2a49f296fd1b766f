/*
 * The BQL, if it is free
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef SYSTEM_BQL_TRYLOCK_H
#define SYSTEM_BQL_TRYLOCK_H

/**
 * bql_trylock: take the BQL unless somebody has it, without waiting.
 *
 * For a thread that does not have it, and that record and replay know nothing
 * of.  Returns: true if the caller has it, and is to call bql_unlock().
 */
bool bql_trylock(void);

#endif

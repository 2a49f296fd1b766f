/*
 * VT-d: bytes of the register file, and their masks
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pure.  An access may cover several registers, or part of one, so values go
 * through the masks byte by byte.  Pointers are to the first byte of the access
 * in arrays of which @n more bytes (0 .. 8) are there.
 */
#ifndef HW_I386_VTD_REGFILE_H
#define HW_I386_VTD_REGFILE_H

/** vtd_regfile_read: @womask: bits that are write only, and read as 0 */
static inline uint64_t vtd_regfile_read(const uint8_t *csr,
                                        const uint8_t *womask, unsigned n)
{
    uint64_t val = 0;

    for (unsigned i = 0; i < n; i++) {
        val |= (uint64_t)(uint8_t)(csr[i] & ~womask[i]) << (8 * i);
    }
    return val;
}

/**
 * vtd_regfile_write: @wmask: bits that software changes; @w1cmask: those that
 * it clears by writing 1
 */
static inline void vtd_regfile_write(uint8_t *csr, const uint8_t *wmask,
                                     const uint8_t *w1cmask, uint64_t val,
                                     unsigned n)
{
    if (n == 8) {
        /* A queue's tail: all bytes at once, in whatever order they are */
        uint8_t bytes[8];
        uint64_t new, old, w, w1c;

        for (unsigned i = 0; i < 8; i++) {
            bytes[i] = val >> (8 * i);
        }
        memcpy(&new, bytes, 8);
        memcpy(&old, csr, 8);
        memcpy(&w, wmask, 8);
        memcpy(&w1c, w1cmask, 8);
        old = ((old & ~w) | (new & w)) & ~(new & w1c);
        memcpy(csr, &old, 8);
        return;
    }
    for (unsigned i = 0; i < n; i++) {
        uint8_t byte = val >> (8 * i);

        csr[i] = (csr[i] & ~wmask[i]) | (byte & wmask[i]);
        csr[i] &= ~(byte & w1cmask[i]);
    }
}

#endif

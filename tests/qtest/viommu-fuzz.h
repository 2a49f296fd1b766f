/*
 * A guest whose every step is a byte string's: for fuzzing, and for replay
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An input begins with a machine that is set up as a driver does it: two
 * spaces, a device in each, translation on.  Then it writes registers, words of
 * tables and queues, commands, and has the devices do DMA, mostly something
 * that is nearly valid.  Whatever it does, each step ends; and after a reset
 * the machine is set up again, and works.  That is the next input's beginning.
 */
#ifndef VIOMMU_FUZZ_H
#define VIOMMU_FUZZ_H

#include "viommu-unit.h"

#define FUZZ_BENCH_SID  (5 << 3)
#define FUZZ_SVA_SID    (4 << 3)
#define FUZZ_DEVICES    "-device x-dma-bench,addr=05.0 " \
                        "-device x-sva-test,id=sva,addr=04.0"

/* Where the spaces' pages are mapped */
#define FUZZ_IOVA       0x40200000ULL
#define FUZZ_END        UINT32_MAX

/* What a step may take of its thread's time, whatever else the host does */
#define FUZZ_STEP_NS    1000000000LL

typedef struct FuzzGuest FuzzGuest;
typedef struct FuzzModel FuzzModel;

/* A byte of a migration stream: where, and which of its bits are others */
typedef struct FuzzChange {
    uint16_t offset;
    uint8_t flip;
} FuzzChange;

/* How an input's machine is reset and asked: in this process or another */
typedef struct FuzzHost {
    void (*reset)(QTestState *qts);
    /* ask: a monitor's question, one of FUZZ_QUESTIONS, about @iova */
    void (*ask)(QTestState *qts, unsigned question, uint64_t iova,
                uint32_t pasid);
    /* NULL, or to give the main loop a turn */
    void (*turn)(QTestState *qts);
    /* begin: NULL, or told that a step begins, which may never end */
    void (*begin)(const char *step);
    /* took: NULL, or told what it took of this thread's time */
    void (*took)(const char *step, int64_t ns);
    /*
     * migrate: NULL, or the machine stops, is reset, and goes on with what the
     * unit's stream has, with @n changes.  False: the stream is refused.
     */
    bool (*migrate)(const FuzzModel *model, const FuzzChange *changes,
                    unsigned n);
} FuzzHost;

typedef enum FuzzQuestion {
    FUZZ_ASK_ALL,            /* query-viommu */
    FUZZ_ASK_TRANSLATE,      /* viommu-translate */
    FUZZ_ASK_MAP,            /* viommu-map */
    FUZZ_ASK_IN_FLIGHT,      /* viommu-in-flight */
    FUZZ_QUESTIONS,
} FuzzQuestion;

struct FuzzModel {
    const char *name;        /* of the target, and of the corpus */
    const UnitOps *ops;
    const char *props;
    unsigned dma_max;        /* bytes of one access of a device; 0: any */
    const uint32_t *regs;    /* what a driver writes; FUZZ_END ends them */
    const uint64_t *flags;   /* of entries; 0 ends them */
    /* ready: g->regs is set, and fuzz_word() called for words of entries */
    void (*ready)(FuzzGuest *g);
    /* command: one or more, well-formed or nearly so, and the doorbell */
    void (*command)(FuzzGuest *g);
};

struct FuzzGuest {
    const FuzzModel *model;
    const FuzzHost *host;
    Unit *unit;
    unsigned form;
    uint64_t regs;           /* where the unit's registers are */
    UnitSpace *spaces[2];
    GArray *words;           /* guest addresses of 64-bit words of entries */
    uint64_t arena;          /* pages that entries may lead to */
    QPCIDevice *bench;
    QPCIBar bar;
    struct SVA *sva;
    bool background;         /* the bench works on its own */
    const char *only;        /* NULL, or see fuzz_run_only() */
    unsigned steps;          /* so far */
    const uint8_t *next, *end;   /* what is left of the input */
};

/* NULL ends them */
extern const FuzzModel *const fuzz_models[];
/* Those of whose unit the input is a part (viommu-remote-liar.h) */
extern const FuzzModel *const fuzz_liar_models[];
/* Those whose unit is in a process of its own (viommu-viommud.h) */
extern const FuzzModel *const fuzz_remote_models[];

/* fuzz_machine: the arguments of the model's emulator; freed by the caller */
char *fuzz_machine(const FuzzModel *model);
/*
 * fuzz_run: an input on the machine @qts, which is reset first.  Aborts if the
 * machine does not work after that, or a step takes a second of this thread.
 */
void fuzz_run(const FuzzModel *model, const FuzzHost *host, QTestState *qts,
              const uint8_t *data, size_t size);

/*
 * fuzz_run_only: the same, where every other step is of the kind @only, and
 * those between have a device do DMA.
 */
void fuzz_run_only(const FuzzModel *model, const FuzzHost *host,
                   QTestState *qts, const char *only, const uint8_t *data,
                   size_t size);

/* For models: the input, and what it makes of a word that is @old now */
uint64_t fuzz_bytes(FuzzGuest *g, unsigned n);
uint64_t fuzz_value(FuzzGuest *g, uint64_t old);
void fuzz_word(FuzzGuest *g, uint64_t gpa);
/* fuzz_words: @n words from @gpa on */
void fuzz_words(FuzzGuest *g, uint64_t gpa, unsigned n);

#endif

# SPDX-License-Identifier: GPL-2.0-or-later

CHECKS := unit model qtest guest vhost docs tools libvirt base migration

.DEFAULT_GOAL := all
.NOTPARALLEL:
.PHONY: all run check $(CHECKS:%=check-%) check-mutants check-latency bench fuzz
.PHONY: soak check-long
.PHONY: install upstream clean distclean help

# Ninja decides by itself how much it does at once.
unexport MAKEFLAGS MFLAGS MAKELEVEL

all:
	@scripts/build qemu core

help:
	@echo 'make                build both emulators and the standalone core'
	@echo 'make run            build, then boot Linux and show the drain'
	@echo '                    (MODEL=vtd, smmuv3, virtio or amd; ARCH=)'
	@echo '                    (REMOTE=1: VT-d in a process of its own)'
	@echo '                    (ARCH=aarch64: behind an SMMUv3)'
	@echo 'make check          every test below; the last line is the sum'
	@echo 'make check-unit     the core alone, also under sanitizers'
	@echo 'make check-model    the drain protocol, exhaustively'
	@echo 'make check-qtest    the emulated hardware through qtest'
	@echo 'make check-guest    Linux guests doing verified I/O'
	@echo 'make check-vhost    a guest and a vhost-user backend of DPDK'
	@echo 'make check-docs     the command lines of the documentation'
	@echo 'make check-tools    viommu-top and viommu-report, used like a user'
	@echo "make check-libvirt  the documentation's domains under libvirt"
	@echo "make check-base     the base's own qtests on our binary"
	@echo 'make check-migration  migration with a stock QEMU'
	@echo 'make bench          measure DMA, invalidation (BENCH=--full: longer)'
	@echo 'make check-mutants  break the core; the unit tests have to notice'
	@echo 'make check-latency  how long a guest keeps the emulator busy (TIME=)'
	@echo 'make fuzz           fuzz the pure parts (TARGET=, TIME= seconds each)'
	@echo '                    or, of what make has built, TARGET=emulator'
	@echo 'make soak           devices on pages that change hands (TIME= seconds)'
	@echo 'make check-long     guests, kernels, migrations in a loop (TIME= seconds)'
	@echo 'make install        install to the prefix (DESTDIR=)'
	@echo 'make upstream       the untouched base, in build/upstream'
	@echo 'make clean          remove what was compiled (not the peer)'
	@echo 'make distclean      remove build/'
	@echo 'Options of the build: ./configure --help'

run: all
	@scripts/run $(ARCH) \
	  $(if $(REMOTE),--model=remote-vtd,$(if $(MODEL),--model=$(MODEL)))

check: all
	@scripts/install-deps --libvirt || true
	@scripts/install-deps --tools || true
	@scripts/install-deps --browser || true
	@scripts/check $(CHECKS)

check-unit check-model:
	@scripts/build core
	@scripts/check $(@:check-%=%)

check-qtest check-guest check-vhost check-docs check-base check-migration: all
	@scripts/check $(@:check-%=%)

check-tools: all
	@scripts/install-deps --tools || true
	@scripts/install-deps --browser || true
	@scripts/check tools

check-libvirt: all
	@scripts/install-deps --libvirt || true
	@scripts/check libvirt

bench: all
	@scripts/install-deps --bench || true
	@tests/bench/run $(BENCH)

check-mutants:
	@scripts/build core
	@scripts/check-mutants

check-latency: all
	@tests/fuzz/latency $(if $(TIME),--time=$(TIME))

fuzz:
	@scripts/install-deps --fuzz || true
	@tests/fuzz/run $(TARGET) $(if $(TIME),--time=$(TIME))

soak: all
	@tests/soak/run $(if $(TIME),--time=$(TIME))

check-long: all
	@tests/long/run $(if $(TIME),--time=$(TIME)) $(LONG)

install:
	@DESTDIR='$(DESTDIR)' scripts/build install

upstream:
	@scripts/build upstream

clean:
	rm -rf build/obj build/core build/check build/bench

distclean:
	rm -rf build

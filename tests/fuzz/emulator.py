# SPDX-License-Identifier: GPL-2.0-or-later
"""Build an emulator as a fuzz target: our files instrumented, the base's not.

Our objects are compiled once more by clang, with ASan, UBSan and coverage, into
build/fuzz/emulator, and linked with the objects of build/obj that are the
base's, with the base's fuzzing driver, its qtest client, and the guest. Minutes
instead of the quarter of an hour of a build with --enable-fuzzing; and what is
found is ours. Heap memory of the base is watched, too, where ours touches it.

Or as it is, without instruments, to be measured (latency.c).
"""

import concurrent.futures
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / 'build/fuzz/emulator'
OBJ = Path(os.environ.get('VIOMMU_OBJ', ROOT / 'build/obj'))
QEMU = OBJ.parent / 'qemu'
OURS = re.compile(r'/(hw/iommu/|hw/i386/(vtd|amdvi)/|hw/arm/smmuv3/|'
                  r'hw/virtio/viommu/|hw/virtio/vhost-(user-)?io|'
                  r'hw/pci/(atc|prg|pci-a|pcie-p)|system/dma-|hw/misc/x-)')
# clang does not have these, or wants more to be told
NOT_CLANG = ('-fzero-call', '-ftrivial', '-O', '-W', '-MF', '-MQ')
FLAGS = ['-g', '-O1', '-w', '-fno-omit-frame-pointer',
         '-fsanitize=fuzzer-no-link,address,undefined',
         '-fno-sanitize=function']
# What replays inputs to an emulator in another process; and what of it has no
# place in the emulator's own
TEST = 'tests/qtest/viommu-fuzz-test'
NOT_GUEST = ('viommu-fuzz-test', 'viommu-rig', 'viommu-plug', 'viommu-vblk')
WRAPPED = [f'{what}{size}' for what in ('in', 'out') for size in 'bwl'] + \
          [f'{what}{size}' for what in ('read', 'write') for size in 'bwlq'] + \
          ['memread', 'memwrite', 'memset', 'bufread', 'bufwrite']


def ninja(*arguments):
    return subprocess.run(['ninja', *arguments], cwd=OBJ, check=True,
                          text=True, stdout=subprocess.PIPE).stdout


def link_command(target):
    for entry in json.loads(ninja('-t', 'compdb', '-x', 'c_LINKER_RSP',
                                  'c_LINKER')):
        if entry['output'] == target:
            return shlex.split(entry['command'])
    sys.exit(f'error: build/obj has no {target}; run make first')


def as_clang(command):
    """A compiler's command without its compiler, input and output."""
    words = shlex.split(command)
    while not re.search(r'(gcc|cc|clang)$', words[0]):
        words.pop(0)
    kept, skip = [], True
    for word in words:
        if not skip and word in ('-o', '-c', '-MF', '-MQ'):
            skip = True
        elif skip:
            skip = False
        elif not word.startswith(NOT_CLANG) and word != '-MD':
            kept.append(word)
    return kept


def compiler(plain=False):
    """Without instruments any will do."""
    chosen = [os.environ.get('CC', 'cc') if plain else
              os.environ.get('CLANG', 'clang')]
    return (['ccache'] if shutil.which('ccache') else []) + chosen


def compile_all(work, plain):
    """work: (input, output, flags)"""
    def one(job):
        source, output, flags = job
        done = subprocess.run([*compiler(plain), *flags, '-c', source, '-o',
                               output],
                              cwd=OBJ, text=True, check=False,
                              stderr=subprocess.PIPE)
        return done.stderr if done.returncode else None

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for said in pool.map(one, work):
            if said:
                sys.exit(f'{said}\nerror: a fuzz target does not build')


def our_objects(arch, linked, commands):
    """{object of build/obj: ours}, and what makes them"""
    work, ours = [], {}
    for entry in commands:
        output = entry['output']
        if output in linked and OURS.search(f"/{entry['file']}"):
            ours[output] = str(BUILD / f"{arch}-{output.replace('/', '_')}")
            work.append((entry['file'], ours[output],
                         as_clang(entry['command']) + FLAGS))
    return work, ours


def guest_sources():
    """The replay's, by the build's own list"""
    names = (Path(word).name.removesuffix('.c.o') for word in link_command(TEST)
             if word.startswith(f'{TEST}.p/'))
    return [ROOT / f'tests/qtest/{name}.c' for name in names
            if name not in NOT_GUEST]


def guest_objects(arch, commands, plain):
    """The driver and the guest, compiled as a file of the target is"""
    like = next(as_clang(e['command']) for e in commands
                if e['output'].startswith(f'libqemu-{arch}-softmmu.a.p/'))
    # The base's wrapper of this one never frees what it allocates.
    flags = like + ['-g', '-O1', '-w', '-Dqtest_memset=emulator_memset',
                    *([] if plain else ['-fsanitize=address']),
                    f'-I{QEMU}', f'-I{QEMU}/tests/qtest', f'-I{ROOT}',
                    f'-I{ROOT}/tests/qtest', f'-I{ROOT}/hw']
    sources = [QEMU / 'tests/qtest/fuzz/fuzz.c',
               QEMU / 'tests/qtest/fuzz/qtest_wrappers.c',
               ROOT / 'tests/fuzz/emulator.c',
               *([ROOT / 'tests/fuzz/latency.c'] if plain else []),
               *guest_sources()]
    kind = 'plain' if plain else 'guest'
    work = [(str(source), str(BUILD / f'{arch}-{kind}-{source.stem}.o'), flags)
            for source in sources]
    if not plain:
        # libFuzzer wants at least one edge of the function that it calls.
        first = work[0]
        work[0] = (first[0], first[1], flags + ['-fsanitize=fuzzer-no-link'])
    return work


def build(arch, plain=False):
    """Returns the binary. plain: without sanitizers and libFuzzer"""
    BUILD.mkdir(parents=True, exist_ok=True)
    commands = json.loads((OBJ / 'compile_commands.json').read_text())
    link = link_command(f'qemu-system-{arch}')
    work, ours = our_objects(arch, set(link), commands)
    guest = guest_objects(arch, commands, plain)
    if plain:
        work, ours = [], {}
    elif not ours:
        sys.exit('error: none of our files is in the emulator')
    print(f'==> building the emulator for {arch}, and a guest: '
          f'{len(work) + len(guest)} files', flush=True)
    compile_all(work + guest, plain)
    libqos = [word for word in link_command(TEST) if 'libqos.a.p' in word]
    out = link.index('-o')
    rest = [ours.get(word, word) for word in link[1:out] + link[out + 2:]
            if not word.endswith('system_main.c.o')]
    binary = BUILD / f"qemu-{'latency' if plain else 'fuzz'}-{arch}"
    libraries = [] if plain else ['-fsanitize=fuzzer,address,undefined']
    wraps = [f'-Wl,-wrap,qtest_{name}' for name in WRAPPED]
    done = subprocess.run([compiler(plain)[-1], *libraries, '-o', str(binary),
                           *(job[1] for job in guest), *libqos, *rest, *wraps],
                          cwd=OBJ, text=True, check=False,
                          stderr=subprocess.PIPE)
    if done.returncode:
        sys.exit(f'{done.stderr[-2000:]}\nerror: a fuzz target does not link')
    return binary

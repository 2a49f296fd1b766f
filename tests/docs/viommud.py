# SPDX-License-Identifier: GPL-2.0-or-later
"""
What qemu-viommud is told: options and properties of --unit that are wrong, that
contradict each other or that have no effect are errors that name them. What it
takes of a unit's properties is in its help, and nothing else.
"""

import contextlib
import functools
import os
import re
import socket
import subprocess
import tempfile

import helptext

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
SERVER = os.path.join(ROOT, 'build', 'obj', 'hw', 'iommu', 'remote', 'server',
                      'qemu-viommud')
LIMIT = 600
# {unit: (emulator, a value for properties that have no default)}
UNITS = {'intel-iommu': ('x86_64', {'profile': 'base', 'dma-mode': 'drain'}),
         'arm-smmuv3': ('aarch64', {'stage': '1', 'httu': 'off', 'msi': 'on',
                                    'dma-mode': 'drain'})}
# Of the emulator's devices, but of no use here: why, and where it is of use
NOWHERE = {('intel-iommu', 'version'): 'no effect on any intel-iommu',
           ('arm-smmuv3', 'caching-mode'): 'nobody keeps a copy'}
# The base's: they are of every device on a bus of that kind.
BASE = {'bus_num'}
DEFAULT = re.compile(r'\(default: (.+)\)$')
VTD = '--unit intel-iommu '

# An error: what it has to have in it.  {} is a directory.
REFUSED = [
    ('--unit', ['--unit']),
    (f'{VTD}--socket', ['--socket']),
    (f'{VTD}--nothing', ['--nothing']),
    (f'{VTD}--socket {{}}/s more', ["'more' is no option"]),
    ('--socket {}/s', ['--unit is missing', '--unit help']),
    ('--unit amd-iommu --socket {}/s', ["'amd-iommu'", '--unit help']),
    (VTD, ['--socket PATH', '--fd FD']),
    (f'{VTD}--socket {{}}/s --fd 0', ['--socket and --fd exclude each other']),
    (f'{VTD}--socket {{}}/s --fd x', ["--fd is 'x'"]),
    (f'{VTD}--fd -1', ["--fd is '-1'"]),
    (f'{VTD}{VTD}--socket {{}}/s', ['--unit is given twice']),
    (f'{VTD}--socket {{}}/s --socket {{}}/t',
     ['--socket is given twice', '/s', '/t']),
    (f'{VTD}--fd 0 --fd 1', ["--fd is given twice, '0' and '1'"]),
    (f'{VTD}--socket {{}}/s --poll 0 --poll 1', ['--poll is given twice']),
    (f'{VTD}--socket {{}}/s --poll 10001', ["--poll is '10001'", '0 to 10000']),
    (f'{VTD}--socket {{}}/s --sandbox on --sandbox off',
     ['--sandbox is given twice']),
    (f'{VTD}--socket {{}}/s --sandbox maybe', ["--sandbox is 'maybe'"]),
    (f'{VTD}--socket {{}}/{"s" * 108}', ['at most 107 bytes']),
    (f'{VTD}--socket {{}}/none/s', ['/none/s', 'No such file']),
    (f'{VTD}--socket {{}}', ['is no socket', 'another path']),
    (f'{VTD}--socket {{}}/file', ['/file', 'is no socket', 'another path']),
    (f'{VTD}--socket {{}}/used', ['/used', 'another process']),
    ('--unit intel-iommu,realized=on --socket {}/s',
     ["no property 'realized'", '--unit intel-iommu,help']),
    ('--unit intel-iommu,mmio=0 --socket {}/s', ["no property 'mmio'"]),
    ('--unit intel-iommu,x-scalable-mode=on,fsts=on,x-flts=off --socket {}/s',
     ['x-flts=off and fsts=on are the same property', 'remove one']),
    ('--unit arm-smmuv3,msi=off --socket {}/s', ['remove msi=off']),
]


def server(args, stdin=subprocess.DEVNULL, fds=()):
    """(exit status, what it says)"""
    done = subprocess.run([SERVER, *args], stdin=stdin, timeout=LIMIT,
                          check=False, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, pass_fds=fds)
    return done.returncode, ' '.join(
        done.stdout.decode(errors='replace').split())


def refused(args, texts, **how):
    """An explanation of what is wrong, or ''."""
    status, said = server(args, **how)
    if status == 1 and all(t in said for t in texts):
        return ''
    return f'exit status {status}, says: {said}'


def check(line, texts):
    """Nor does it do anything: what is there stays there, and is all."""
    with tempfile.TemporaryDirectory() as directory, \
         socket.socket(socket.AF_UNIX) as used:
        with open(f'{directory}/file', 'w', encoding='utf-8'):
            pass
        used.bind(f'{directory}/used')
        used.listen()
        wrong = refused(line.format(*[directory] * 2).split(), texts)
        if not wrong and sorted(os.listdir(directory)) != ['file', 'used']:
            wrong = f'there are {os.listdir(directory)} now'
        return wrong


def check_fd(make, texts):
    """--fd with what is made"""
    with contextlib.ExitStack() as stack:
        fd = make(stack)
        return refused([*VTD.split(), '--fd', str(fd)],
                       [f'--fd {fd}', *texts], fds=(fd,))


def fd_file(stack):
    return stack.enter_context(tempfile.TemporaryFile()).fileno()


def fd_internet(stack):
    one = stack.enter_context(socket.create_server(('127.0.0.1', 0)))
    return one.fileno()


def fd_pair(stack):
    one, other = socket.socketpair()
    stack.enter_context(other)
    return stack.enter_context(one).fileno()


def fd_bound(stack):
    return stack.enter_context(socket.socket(socket.AF_UNIX)).fileno()


FDS = [(fd_file, ['is no socket']), (fd_internet, ['UNIX stream socket']),
       (fd_pair, ['does not listen']), (fd_bound, ['does not listen'])]


def check_closed():
    return refused([*VTD.split(), '--fd', '97'],
                   ['--fd 97', 'no such descriptor'])


def check_replaces():
    """What a process has left behind at the path is in nobody's way."""
    with tempfile.TemporaryDirectory() as directory:
        path = f'{directory}/s'
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(path)
            left.listen()
        with subprocess.Popen([SERVER, *VTD.split(), '--socket', path],
                              stderr=subprocess.PIPE) as running, \
             socket.socket(socket.AF_UNIX) as client:
            while running.poll() is None:
                try:
                    client.connect(path)
                    # It ends with its client.
                    client.shutdown(socket.SHUT_RDWR)
                    break
                except OSError:
                    pass
            said = running.stderr.read().decode()
        return '' if 'socket' not in said else said


@functools.cache
def offered(unit):
    said = server(['--unit', f'{unit},help'])[1]
    return set(re.findall(r'([\w-]+)=<', said))


def wrong_with(unit, name, value):
    """What, or '': it is taken, or refused and the error says where it is."""
    # Nothing can be made there, so it ends.
    status, said = server(['--unit', f'{unit},{name}={value}', '--socket',
                           '/proc/none'])
    if status != 1:
        return f'{name}: exit status {status}: {said}'
    if '/proc/none' in said:
        return '' if name in offered(unit) else f'{name}: is taken'
    if name in offered(unit):
        return f'{name}={value}: {said}'
    if (unit, name) in NOWHERE:
        known = name in said and NOWHERE[unit, name] in said
    else:
        known = f'-device viommu-remote,{name}=' in said and \
            name in helptext.properties('x86_64', 'viommu-remote')
    return '' if known else f'{name}: {said}'


def check_unit(unit):
    """Every property that it has as a device, with its own default"""
    arch, values = UNITS[unit]
    has = helptext.properties(arch, unit)
    wrong = [wrong_with(unit, name, values.get(name) or
                        (DEFAULT.search(text) or [0, 'x'])[1])
             for name, (_, text) in has.items() if name not in BASE]
    if not offered(unit) <= set(has):
        wrong.append(f'help has more: {offered(unit) - set(has)}')
    return '; '.join(one for one in wrong if one) or \
        ('' if wrong else 'it has no properties')


def checks():
    """Pairs of a name and a function that says what is wrong."""
    if not os.path.exists(SERVER):
        return
    for line, texts in REFUSED:
        yield (f'refused: qemu-viommud {line:.60}',
               functools.partial(check, line, texts))
    yield ("refused: qemu-viommud --socket ''",
           functools.partial(refused, [*VTD.split(), '--socket', ''],
                             ['--socket is empty']))
    yield 'refused: qemu-viommud --fd, which is not open', check_closed
    for make, texts in FDS:
        yield (f'refused: qemu-viommud --{make.__name__.replace("_", " ")}',
               functools.partial(check_fd, make, texts))
    yield 'qemu-viommud --socket, which nobody has any more', check_replaces
    for unit, (arch, _) in UNITS.items():
        if os.path.exists(helptext.emulator(arch)) and \
           os.path.exists(helptext.emulator('x86_64')):
            yield (f'properties of qemu-viommud --unit {unit}',
                   functools.partial(check_unit, unit))

# SPDX-License-Identifier: GPL-2.0-or-later
"""viommu-top in a real terminal (tmux), at a machine that runs"""

import os
import shlex
import shutil
import subprocess
import tempfile
import unittest

import rig


class Terminal:
    """A tmux of our own, with one window"""

    def __init__(self, command, width=80, height=24, **environment):
        self.dir = tempfile.mkdtemp()
        self.status = os.path.join(self.dir, 'status')
        self.errors = os.path.join(self.dir, 'errors')
        words = [f'{name}={value}' for name, value in environment.items()]
        shell = (f'env {shlex.join(words)} {shlex.join(command)} '
                 f'2>{shlex.quote(self.errors)}; '
                 f'echo $? >{shlex.quote(self.status)}; sleep 600')
        self.tmux('-f', '/dev/null', 'new-session', '-d', '-x', str(width),
                  '-y', str(height), shell)
        # The size is ours to choose, whoever looks.
        self.tmux('set-option', '-g', 'window-size', 'manual')

    def tmux(self, *words):
        environ = {key: value for key, value in os.environ.items()
                   if not key.startswith('TMUX')}
        environ.setdefault('LC_ALL', 'C.UTF-8')
        return subprocess.run(
            ['tmux', '-S', os.path.join(self.dir, 'tmux'), *words],
            check=True, env=environ, stdout=subprocess.PIPE,
            encoding='utf-8').stdout

    def lines(self):
        return self.tmux('capture-pane', '-p', '-N').split('\n')[:-1]

    def text(self):
        said = ''
        if os.path.exists(self.errors):
            with open(self.errors, encoding='utf-8') as file:
                said = file.read()
        return '\n'.join(self.lines()) + said

    def keys(self, *names):
        self.tmux('send-keys', *names)

    def type(self, text):
        self.tmux('send-keys', '-l', text)

    def resize(self, width, height):
        self.tmux('resize-window', '-x', str(width), '-y', str(height))

    def until(self, *words):
        """The screen, once it has all of these"""
        return rig.until(
            lambda: (lambda text: text if all(word in text for word in words)
                     else '')(self.text()),
            lambda: f'{words} in\n{self.text()}')

    def ended(self):
        """The exit status"""
        def look():
            if not os.path.exists(self.status):
                return ''
            with open(self.status, encoding='ascii') as file:
                return file.read()
        return int(rig.until(look, self.text))

    def close(self):
        self.tmux('kill-server')
        shutil.rmtree(self.dir)


class TerminalCase(rig.Case):
    def top(self, *more, width=80, height=24, **environment):
        terminal = Terminal([*rig.program('viommu-top'), self.guest.monitor,
                             '-i', '0.2', *more], width, height,
                            **environment)
        self.addCleanup(terminal.close)
        return terminal

    def leave(self, terminal):
        terminal.keys('q')
        self.assertEqual(terminal.ended(), 0)


@unittest.skipUnless(shutil.which('tmux'), 'there is no tmux')
class TestKeys(TerminalCase):
    def test_first_page(self):
        terminal = self.top()
        text = terminal.until('viommu-top guest', 'translation on',
                              '00:04.0 edu', 'translate', '> ', 'q leave')
        self.assertEqual(len(text.split('\n')), 24)
        self.leave(terminal)

    def test_choose_open_and_back(self):
        terminal = self.top()
        terminal.until('> 00:00.0')
        terminal.keys('Down')
        terminal.until('> 00:04.0')
        terminal.keys('Enter')
        terminal.until('Endpoint 00:04.0 edu', 'DID=0x7', 'vtd-ss, 4 levels',
                       'write at 0x8001000: no table entry lets the device '
                       'write')
        terminal.keys('Escape')
        terminal.until('q leave', '> 00:04.0')
        terminal.keys('Down', 'Enter')
        terminal.until('Endpoint 00:05.0 sata', 'maps in flight: 2',
                       'write of 0x400 bytes at 0x8000000, standing')
        terminal.keys('q')
        terminal.until('q leave')
        self.leave(terminal)

    def test_sort_and_freeze(self):
        terminal = self.top()
        terminal.until('by rate')
        terminal.keys('s', 's', 's')
        text = terminal.until('by in-flight')
        self.assertLess(text.index(' sata '), text.index(' edu '))
        terminal.keys('S')
        terminal.until('turned round')
        terminal.keys('f')
        terminal.until('FROZEN')
        self.guest.again()
        terminal.keys('h')
        terminal.until('Keys and columns')
        terminal.keys('q')
        frozen = terminal.until('FROZEN', 'q leave')
        self.assertIn('Nothing has been refused', frozen)
        terminal.keys('f')
        terminal.until('What happened', 'edu write at 0x8001000')
        self.leave(terminal)

    def test_walk_an_address(self):
        terminal = self.top()
        terminal.until('> 00:00.0')
        terminal.keys('Down')
        terminal.until('> 00:04.0')
        terminal.keys('w')
        terminal.until('00:04.0 reads (Tab) at 0x')
        terminal.type('80g')
        terminal.keys('Enter')
        terminal.until('(hexadecimal')
        terminal.keys('BSpace')
        terminal.type('01000')
        terminal.keys('Tab')
        terminal.until('writes (Tab) at 0x8001000')
        terminal.keys('Enter')
        terminal.until('00:04.0 edu writes at 0x8001000', 'bit 1 (W)',
                       'is refused')
        terminal.keys('Escape')
        terminal.until('q leave')
        terminal.keys('m')
        terminal.until('may reach', '0x8000000 .. 0x8000fff (4 KiB) to '
                       '0x1100000 rw of pages of 4 KiB')
        terminal.keys('q')
        self.leave(terminal)

    def test_faults_as_they_come(self):
        terminal = self.top()
        terminal.until('Nothing has been refused')
        self.guest.again()
        terminal.until('What happened', '00:04.0 edu write at 0x8001000: no '
                       'table entry lets the device')
        self.leave(terminal)

    def test_the_package(self):
        # The first one is without, wherever it is not installed.
        terminal = self.top(PYTHONPATH=rig.PACKAGE)
        terminal.until('viommu-top guest', '00:04.0 edu')
        self.guest.again()
        terminal.until('edu write at 0x8001000')
        self.leave(terminal)


@unittest.skipUnless(shutil.which('tmux'), 'there is no tmux')
class TestTerminals(TerminalCase):
    def test_sizes(self):
        terminal = self.top()
        terminal.until('q leave')
        terminal.resize(120, 40)
        # There is room for long names.
        text = terminal.until('DEVICE' + 50 * ' ', 'h help')
        self.assertEqual(len(text.split('\n')), 40)
        for width, height in ((40, 10), (5, 3), (20, 2), (80, 24)):
            terminal.resize(width, height)
        terminal.until('translation on', 'q leave', '00:1f.3')
        self.leave(terminal)

    def test_no_colour_and_no_utf_8(self):
        for name in ('vt100', 'vt220', 'linux'):
            terminal = self.top(TERM=name, LC_ALL='C')
            terminal.until('00:04.0 edu')
            self.leave(terminal)

    def test_a_terminal_that_cannot(self):
        terminal = self.top(TERM='no-such-terminal')
        self.assertEqual(terminal.ended(), 1)
        terminal.until('TERM=no-such-terminal', 'try --once')

    def test_interrupt(self):
        terminal = self.top()
        terminal.until('q leave')
        terminal.keys('C-c')
        self.assertEqual(terminal.ended(), 0)


@unittest.skipUnless(shutil.which('tmux'), 'there is no tmux')
class TestLost(unittest.TestCase):
    def lose(self, **environment):
        guest = rig.Guest()
        stop = guest.stop
        terminal = Terminal([*rig.program('viommu-top'), guest.monitor, '-i',
                             '0.2'], **environment)
        try:
            terminal.until('q leave', '00:04.0 edu')
            guest.owned = False
            stop()
            os.unlink(guest.monitor)
            # What was there is still to be seen.
            terminal.until('! ', 'trying again', '00:04.0 edu')
            guest = rig.Guest(guest.dir)
            guest.owned = True
            terminal.until('q leave', '00:04.0 edu')
            guest.again()
            terminal.until('edu write at 0x8001000')
            terminal.keys('q')
            self.assertEqual(terminal.ended(), 0)
        finally:
            terminal.close()
            guest.stop()

    def test_by_the_standard_library(self):
        self.lose()

    def test_by_the_package(self):
        self.lose(PYTHONPATH=rig.PACKAGE)

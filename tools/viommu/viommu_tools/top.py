# SPDX-License-Identifier: GPL-2.0-or-later
"""viommu-top: what a running machine's vIOMMU does, in a terminal"""

import argparse
import curses
import json
import locale
import os
import signal
import sys
import time

from . import link, pages, rates, record, watch, words

# Milliseconds that a key is waited for until events are looked for
TICK = 100
FASTEST, SLOWEST = 0.1, 3600.0
ESCAPE = '\x1b'
BACK = (ESCAPE, 'q')


class Leave(Exception):
    """The user has had enough."""


class Terminal:
    """The main page, and those that are opened from it"""

    def __init__(self, window, watched, args):
        self.window, self.watch, self.interval = window, watched, args.interval
        self.count = args.count
        self.screen = pages.Screen()
        self.screen.order = args.sort
        self.due = 0.0
        self.looks = {pages.PLAIN: curses.A_NORMAL, pages.BOLD: curses.A_BOLD,
                      pages.MARKED: curses.A_REVERSE}

    def draw(self, page, cursor=None):
        self.window.erase()
        for y, (text, style) in enumerate(page):
            try:
                self.window.addstr(y, 0, text, self.looks[style])
            except curses.error:
                pass  # The lower right corner; or it is smaller by now.
        try:
            curses.curs_set(0 if cursor is None else 1)
            if cursor is not None:
                self.window.move(*cursor)
        except curses.error:
            pass  # It has no way to hide its cursor.
        self.window.refresh()

    def size(self):
        height, width = self.window.getmaxyx()
        return width, height

    def refresh(self):
        """Ask, if it is time."""
        if self.screen.frozen or time.monotonic() < self.due:
            return
        self.ask_now()

    def ask_now(self):
        self.due = time.monotonic() + self.interval
        answer = self.watch.sample()
        self.screen.problem = self.watch.problem
        if answer:
            self.screen.add_news(answer[1])
            self.screen.show(answer[0])
            if self.count:
                self.count -= 1
                if not self.count:
                    raise Leave()

    def key(self):
        """A character, a number of curses', or None after a while"""
        try:
            key = self.window.get_wch()
        except curses.error:
            return None
        if key == curses.KEY_RESIZE:
            curses.update_lines_cols()
            self.window.clear()
            return None
        return key

    def tick(self):
        """A key, if there is one; what is due is done first."""
        self.refresh()
        self.watch.take_events()
        if self.watch.problem:
            self.screen.problem = self.watch.problem
        self.screen.title = f'{self.watch.title}, every {self.interval:g} s'
        return self.key()

    # Pages

    def main(self):
        while True:
            key = self.tick()
            if key is None or not self.main_key(key):
                self.draw(self.screen.main_page(*self.size()))

    def main_key(self, key):
        """Returns: true if the page has not changed."""
        screen, index = self.screen, self.screen.chosen_index() or 0
        moves = {curses.KEY_UP: -1, 'k': -1, curses.KEY_DOWN: 1, 'j': 1,
                 curses.KEY_PPAGE: -8, curses.KEY_NPAGE: 8,
                 curses.KEY_HOME: -1 << 30, curses.KEY_END: 1 << 30}
        if key in moves:
            screen.choose(index + moves[key])
        elif key in BACK:
            raise Leave()
        elif key in ('\n', '\r', curses.KEY_ENTER):
            self.open_endpoint()
        elif key in ('f', ' '):
            screen.frozen = not screen.frozen
        elif key in ('s', 'S'):
            self.sort(key == 'S')
        elif key in ('+', '-'):
            self.interval = faster_slower(self.interval, key == '+')
        elif key == 'r':
            self.ask_now()
        elif key == 'w':
            self.walk()
        elif key == 'm':
            self.map()
        elif key in ('h', '?', curses.KEY_F1):
            self.text('Keys and columns', lambda: pages.HELP)
        else:
            return True
        return False

    def sort(self, turn):
        if turn:
            self.screen.upside_down = not self.screen.upside_down
        else:
            at = rates.ORDERS.index(self.screen.order) + 1
            self.screen.order = rates.ORDERS[at % len(rates.ORDERS)]
        self.screen.sort()

    def text(self, title, make):
        """A page of what @make() says, until it is left"""
        first, shown, seen = 0, None, None
        while True:
            # What has not been asked again says the same.
            if shown is None or seen is not self.screen.units:
                shown, seen = make(), self.screen.units
            page, first = self.screen.text_page(title, shown, first,
                                                *self.size())
            self.draw(page)
            key = self.tick()
            step = {curses.KEY_UP: -1, 'k': -1, curses.KEY_DOWN: 1, 'j': 1,
                    curses.KEY_PPAGE: -10, curses.KEY_NPAGE: 10, ' ': 10,
                    curses.KEY_HOME: -1 << 30, curses.KEY_END: 1 << 30}
            if key in step:
                first = max(first + step[key], 0)
            elif key in BACK:
                return

    def ask(self, command, **arguments):
        """(answer, what to say instead)"""
        try:
            return self.watch.ask(command, **arguments), None
        except link.Refused as error:
            return None, [str(error)]
        except link.Lost as error:
            return None, [f'no answer: {error}']

    @staticmethod
    def called(one):
        return one.get('qom-path', one['address'])

    def open_endpoint(self):
        def make():
            one = self.screen.chosen_endpoint()
            if one is None:
                return ['it has gone']
            flights, _ = (None, None) if not one['maps-in-flight'] else \
                self.ask('viommu-in-flight', device=self.called(one), max=64)
            return pages.endpoint_text(self.screen.unit_of(one), one, flights)

        one = self.screen.chosen_endpoint()
        if one:
            self.text(f'Endpoint {one["address"]} {words.name(one)}', make)

    def map(self):
        one = self.screen.chosen_endpoint()
        if one:
            answer, said = self.ask('viommu-map', device=self.called(one))
            self.text(f'What {one["address"]} {words.name(one)} may reach',
                      lambda: said or pages.map_text(answer))

    def walk(self):
        one = self.screen.chosen_endpoint()
        typed, write, wrong = '', False, ''
        while one:
            label = (f'{one["address"]} {"writes" if write else "reads"} '
                     '(Tab) at 0x')
            page = self.screen.main_page(*self.size())
            foot = f'{label}{typed}{wrong and f"   {wrong}"}'
            page[-1] = (words.fit(foot, self.size()[0]), pages.MARKED)
            self.draw(page, (len(page) - 1, min(len(label + typed),
                                                self.size()[0] - 1)))
            key = self.tick()
            if key == ESCAPE:
                return
            if key == '\t':
                write = not write
            elif key in ('\b', '\x7f', curses.KEY_BACKSPACE):
                typed = typed[:-1]
            elif key in ('\n', '\r', curses.KEY_ENTER):
                try:
                    self.walked(one, words.number(typed), write)
                    return
                except ValueError:
                    wrong = '(hexadecimal, of at most 64 bits)'
            elif isinstance(key, str) and key.isprintable() and \
                    len(typed) < 24:
                typed, wrong = typed + key, ''

    def walked(self, one, iova, write):
        answer, said = self.ask('viommu-translate', device=self.called(one),
                                iova=iova, write=write)
        self.text(f'{one["address"]} {words.name(one)} '
                  f'{"writes" if write else "reads"} at 0x{iova:x}',
                  lambda: said or pages.walk_text(answer, iova))


def faster_slower(interval, faster):
    steps = (FASTEST, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
    if faster:
        return max((step for step in steps if step < interval),
                   default=min(interval, FASTEST))
    return min((step for step in steps if step > interval),
               default=max(interval, steps[-1]))


def in_terminal(window, watched, args):
    window.keypad(True)
    window.timeout(TICK)
    try:
        Terminal(window, watched, args).main()
    except (Leave, KeyboardInterrupt):
        pass


# Without a terminal

def summary(units, seconds, said):
    """What --json prints"""
    return {'time': time.time(), 'seconds': seconds, 'units': units,
            'news': said}


def text_of(units, width):
    """What --once prints"""
    screen = pages.Screen()
    screen.show(units)
    lines = [line for unit in units for line, _ in pages.unit_lines(unit)]
    lines.append(pages.table_line('', [one[0] for one in pages.COLUMNS],
                                  width))
    lines += [pages.table_line('', pages.endpoint_cells(one), width)
              for one in screen.endpoints]
    return '\n'.join(words.plain(line).rstrip() for line in lines)


def without_terminal(watched, args):
    """One line, page or record after the other; returns the exit status."""
    left = 1 if args.once else args.count
    watched.sample()
    while not watched.problem:
        time.sleep(args.interval)
        answer = watched.sample()
        if answer is None:
            break
        units, said = answer
        for unit in units:
            unit['endpoint-info'] = rates.in_order(unit['endpoint-info'],
                                                   args.sort)
        if args.json:
            print(json.dumps(summary(units, watched.seconds, said)),
                  flush=True)
        elif args.once:
            print(text_of(units, pages.WIDTH), flush=True)
        if left:
            left -= 1
            if not left:
                return 0
    print(f'viommu-top: {words.plain(args.monitor)}: '
          f'{watched.problem.removesuffix("; trying again")}', file=sys.stderr)
    return 1


def parse(argv):
    parser = argparse.ArgumentParser(
        prog='viommu-top', description='Watch the vIOMMU of a running QEMU: '
        'its endpoints, translations, invalidations, drains and faults.',
        epilog='The monitor is one of its own, on the emulator\'s command '
        'line: -qmp unix:PATH,server=on,wait=off. In the terminal, h shows '
        'the keys.')
    parser.add_argument('monitor', help='a QMP monitor: PATH, or HOST:PORT')
    parser.add_argument('-i', '--interval', type=float, default=2.0,
                        metavar='SECONDS', help='between two answers, '
                        f'{FASTEST} to {SLOWEST:g} (default: 2)')
    parser.add_argument('-n', '--count', type=int, default=0, metavar='N',
                        help='leave after so many answers (default: never)')
    parser.add_argument('-s', '--sort', choices=rates.ORDERS, default='rate',
                        help='how endpoints are sorted (default: rate)')
    parser.add_argument('--once', action='store_true',
                        help='print what happens within one interval, and '
                        'leave')
    parser.add_argument('--json', action='store_true',
                        help='print JSON, a line for each interval: the '
                        'answer of query-viommu with "rates" (per second)')
    parser.add_argument('--record', metavar='FILE',
                        help='keep every answer there, for viommu-report; '
                        '.gz: compressed')
    args = parser.parse_args(argv)
    if not FASTEST <= args.interval <= SLOWEST:
        parser.error(f'--interval is {args.interval:g}, but must be '
                     f'{FASTEST} to {SLOWEST:g} seconds')
    if args.count < 0:
        parser.error(f'--count is {args.count}, but must be at least 1')
    return args


def run(args):
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    quiet = args.once or args.json or (args.record and not terminal)
    if not quiet and not terminal:
        print('viommu-top: this is no terminal; use --once, --json or '
              '--record', file=sys.stderr)
        return 2
    watched = watch.Watch(args.monitor)
    watched.open()
    name = watched.name()
    watched.title = words.plain(name or args.monitor)
    if args.record:
        watched.recorder = record.Recorder(args.record, {
            'name': name, 'version': watched.ask('query-version')})
    try:
        if quiet:
            return without_terminal(watched, args)
        os.environ.setdefault('ESCDELAY', '25')
        curses.wrapper(in_terminal, watched, args)
        return 0
    finally:
        watched.close()
        if watched.recorder:
            watched.recorder.close()


def main(argv=None):
    args = parse(argv)
    try:
        locale.setlocale(locale.LC_ALL, '')
    except locale.Error:
        pass  # It is not installed here: plain ASCII then.
    # So that a recording is whole when it is told to end
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        return run(args)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except link.Lost as error:
        print(f'viommu-top: {words.plain(args.monitor)}: {error}',
              file=sys.stderr)
    except ValueError as error:
        print(f'viommu-top: {error}', file=sys.stderr)
    except curses.error as error:
        print(f'viommu-top: the terminal (TERM={os.environ.get("TERM", "")}) '
              f'cannot be used: {error}; try --once', file=sys.stderr)
    except OSError as error:
        print(f'viommu-top: {error.filename or args.record}: '
              f'{error.strerror}', file=sys.stderr)
    return 1


if __name__ == '__main__':
    sys.exit(main())

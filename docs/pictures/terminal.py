"""Records a program in a terminal, and draws the recording as an animated SVG.

    terminal.py record PROGRAM > RECORDING     runs the program in a terminal of 100 columns; a line for each piece of its output
    terminal.py draw RECORDING > SVG           the frames of the recording; pauses of more than two seconds are shortened

It knows the few control sequences that `make demo` uses: cursor up, erase to the end of the line, and new lines.
"""

import fcntl
import json
import os
import pty
import re
import select
import struct
import sys
import termios
import time
from html import escape

COLUMNS, ROWS = 100, 30
# Pixels of a character, and around all of them.
WIDTH, HEIGHT, MARGIN = 8.4, 18, 16
# Seconds: how much faster than in reality, the longest pause between two frames, and the rest on the last one.
SPEED, LONGEST, REST = 6, 2, 8
SEQUENCE = re.compile(r"\x1b\[(\d*)([A-Z])|\r?\n|\r|[^\x1b\r\n]+")


def record(program):
    """Runs the program, and prints each piece of its output with its time as JSON."""
    child, terminal = pty.fork()
    if child == 0:
        os.execvp(program[0], program)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    begin, pending = time.monotonic(), b""
    while True:
        select.select([terminal], [], [])
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # Linux says so when the program has ended.
            break
        if not piece:
            break
        pending += piece
        # A character of several bytes may arrive in two pieces.
        text = pending.decode("utf-8", errors="ignore")
        pending = pending[len(text.encode()):]
        print(json.dumps([round(time.monotonic() - begin, 3), text], ensure_ascii=False), flush=True)
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


class Screen:
    """The lines that a terminal has shown, and the place of its cursor."""

    def __init__(self):
        self.lines, self.row, self.column = [""], 0, 0

    def write(self, text):
        for match in SEQUENCE.finditer(text):
            count, letter = match.group(1), match.group(2)
            if letter == "A":
                self.row = max(0, self.row - int(count or 1))
            elif letter == "K":
                self.lines[self.row] = self.lines[self.row][: self.column]
            elif match.group().endswith("\n"):
                self.row, self.column = self.row + 1, 0
                if self.row == len(self.lines):
                    self.lines.append("")
            elif match.group() == "\r":
                self.column = 0
            elif not letter:
                line = self.lines[self.row].ljust(self.column)
                after = self.column + len(match.group())
                self.lines[self.row] = line[: self.column] + match.group() + line[after:]
                self.column = after

    def shown(self):
        return tuple(line.rstrip()[:COLUMNS] for line in self.lines)[-ROWS:]


def frames(recording):
    """The screens of a recording with their seconds in the drawing, each different from the one before."""
    screen, at, before, found = Screen(), 0.0, 0.0, []
    for second, text in recording:
        screen.write(text)
        at += min((second - before) / SPEED, LONGEST)
        before = second
        if not found or found[-1][1] != screen.shown():
            found.append((at, screen.shown()))
    return found


def draw(recording):
    """The frames as an SVG. A viewer that does not animate shows the last one."""
    found = frames(recording)
    total = found[-1][0] + REST
    rows = max(len(lines) for _, lines in found)
    width, height = COLUMNS * WIDTH + 2 * MARGIN, rows * HEIGHT + 2 * MARGIN
    # Each different line at each row is drawn once, and is visible in the frames that have it.
    spans = {}
    for index, (at, lines) in enumerate(found):
        end = found[index + 1][0] if index + 1 < len(found) else total
        for row, line in enumerate(lines):
            if line:
                times = spans.setdefault((row, line), [])
                if times and times[-1][1] == at:
                    times[-1][1] = end
                else:
                    times.append([at, end])
    print(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" role="img" '
        f'aria-label="A terminal that shows make demo" font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,'
        f'DejaVu Sans Mono,monospace" font-size="14"><rect width="100%" height="100%" rx="8" fill="#10151c"/>'
    )
    last = set(enumerate(found[-1][1]))
    for (row, line), times in spans.items():
        y = MARGIN + (row + 0.75) * HEIGHT
        at_rest = "visible" if (row, line) in last else "hidden"
        color = "#e6b450" if "█" in line else "#c9d3df"
        animation = ""
        if times != [[0.0, total]]:
            values, keys = ["hidden"], [0.0]
            for begin, end in times:
                values += ["visible", "hidden"]
                keys += [begin / total, end / total]
            if keys[1] == 0.0:
                values, keys = values[1:], keys[1:]
            if keys[-1] >= 1.0:
                values, keys = values[:-1], keys[:-1]
            animation = (
                f'<animate attributeName="visibility" calcMode="discrete" dur="{total:.2f}s" repeatCount="indefinite" '
                f'values="{";".join(values)}" keyTimes="{";".join(f"{key:.4f}" for key in keys)}"/>'
            )
        print(
            f'<text x="{MARGIN}" y="{y:.1f}" fill="{color}" xml:space="preserve" visibility="{at_rest}" '
            f'textLength="{len(line) * WIDTH:.1f}">{escape(line)}{animation}</text>'
        )
    print("</svg>")


def main():
    if len(sys.argv) < 3 or sys.argv[1] not in ("record", "draw"):
        sys.exit(__doc__)
    if sys.argv[1] == "record":
        record(sys.argv[2:])
    with open(sys.argv[2], encoding="utf-8") as file:
        draw([json.loads(line) for line in file])


if __name__ == "__main__":
    main()

"""What a person watches while a command works through its stages."""

import sys
import time

import rich.console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from experiments.shared.quiet import is_quiet
from vlm_rewards.time_left import TimeLeft

# Where output goes to a file a bar cannot move: a line now and then instead.
SECONDS_BETWEEN_LINES = 10.0


class Bars:
    """One progress bar a stage on a terminal, plain lines elsewhere, both with the time left; when quiet neither."""

    def __init__(self, stage_width: int = 34, stderr: bool = False) -> None:
        """Print to standard output, or where that holds a result for other programs, to standard error.

        Args:
            stage_width: Characters that the names of stages get.
            stderr: Print to standard error.
        """
        self._width = stage_width
        self.console = rich.console.Console(file=sys.stderr if stderr else sys.stdout, highlight=False)
        self._progress = Progress(
            TextColumn(f"{{task.description:<{stage_width}}}"),
            BarColumn(bar_width=24),
            TextColumn("{task.completed:,.0f}/{task.total:,.0f}"),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self.console,
        )
        self._tasks: dict[str, TaskID] = {}
        self._left: dict[str, TimeLeft] = {}
        self._last_line = 0.0

    def __enter__(self) -> "Bars":
        if self.console.is_terminal and not is_quiet():
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def say(self, text: str) -> None:
        """Announce a stage without a bar."""
        if not is_quiet():
            self.tell(text)

    def tell(self, text: str) -> None:
        """Print what stands when all is over, a result or a warning: with `--quiet`, too."""
        self.console.print(f"[bold]•[/] {text}", soft_wrap=True)

    def show(self, stage: str, done: int, total: int, note: str = "") -> None:
        """Move a stage's bar, or print a line now and then; `note` stands beside it."""
        if is_quiet():
            return
        if not self.console.is_terminal:
            left = self._left.setdefault(stage, TimeLeft(total, done))
            if done == total or time.monotonic() - self._last_line >= SECONDS_BETWEEN_LINES:
                self._last_line = time.monotonic()
                line = f"  {stage:<{self._width}}{done:>9,}/{total:,}  {note}".rstrip()
                self.console.print(f"{line}  {left.text(done)}".rstrip(), soft_wrap=True)
            return
        if stage not in self._tasks:
            self._tasks[stage] = self._progress.add_task(stage, total=total, note=note)
        self._progress.update(self._tasks[stage], completed=done, total=total, note=note)

"""The report for people: colours and wrapped lines in a terminal, plain lines where it is piped."""

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from app.doctor.exchange import printable
from app.doctor.report import Finding, Outcome, Report
from app.doctor.verdicts import Grade

_LOOKS: Mapping[Grade, tuple[str, str]] = {
    Grade.PASS: ("✓", "green"),
    Grade.WARNING: ("!", "yellow"),
    Grade.FAIL: ("✗", "bold red"),
    Grade.SKIPPED: ("-", "dim"),
}
_GRADE_WIDTH = max(map(len, Grade))
_EXCHANGES = 3


class Teller:
    """Tells findings as they come. What the other side wrote is never taken for markup or for control characters."""

    def __init__(self, console: Console, titles: Mapping[str, str]) -> None:
        self._console = console
        self._titles = titles
        self._group = ""

    @property
    def _is_rich(self) -> bool:
        return self._console.is_terminal

    def begin(self, what: str, plan: Sequence[str]) -> None:
        self._print(Text(what, "bold" if self._is_rich else ""))
        for sentence in plan:
            self._print(Text(sentence, "dim" if self._is_rich else ""))

    def tell(self, finding: Finding) -> None:
        if self._is_rich:
            self._tell_richly(finding)
        else:
            self._tell_plainly(finding)

    def end(self, report: Report) -> None:
        counts = ", ".join(f"{count} {grade}" for grade, count in report.counts.items() if count)
        is_healthy = report.outcome is Outcome.HEALTHY
        verdict = report.outcome.capitalize()
        style = ("green" if is_healthy else "bold red") if self._is_rich else ""
        self._print(Text(""))
        self._print(Text(f"{verdict}: {counts}. {report.exchanges} exchanges in {report.seconds:.1f} s.", style))
        if not is_healthy:
            self._print(Text("docs/doctor.md explains every check.", "dim" if self._is_rich else ""))

    def _tell_plainly(self, finding: Finding) -> None:
        self._print(Text(f"{finding.grade:<{_GRADE_WIDTH}}  {finding.check}: {printable(finding.found)}"))
        for name, line in _details(finding):
            self._print(Text(f"{'':{_GRADE_WIDTH}}  {name}: {printable(line)}"))

    def _tell_richly(self, finding: Finding) -> None:
        if finding.group != self._group:
            self._group = finding.group
            self._print(Text(f"\n{self._titles[finding.group]}", "bold"))
        glyph, style = _LOOKS[finding.grade]
        line = Table.grid(padding=(0, 1))
        line.add_column(width=1)
        line.add_column(ratio=1)
        about = Text(finding.title)
        about.append(f"  {finding.check}", "dim")
        if finding.grade is Grade.SKIPPED:
            about.append(f"  {printable(finding.found)}", "dim")
        line.add_row(Text(glyph, style), about)
        if finding.grade in (Grade.WARNING, Grade.FAIL):
            line.add_row("", Text(printable(finding.found), style))
        details = Table.grid(padding=(0, 1))
        details.add_column(width=5, style="dim")
        details.add_column(ratio=1)
        for name, text in _details(finding):
            details.add_row(name, Text(printable(text), "" if name in ("cause", "mend") else "dim"))
        if finding.problem:
            line.add_row("", details)
        self._console.print(line)

    def _print(self, text: Text) -> None:
        self._console.print(text, soft_wrap=not self._is_rich)


def _details(finding: Finding) -> list[tuple[str, str]]:
    pairs = [("cause", finding.cause or ""), ("mend", finding.mend or "")]
    for line in finding.exchanges[-_EXCHANGES:]:
        pairs += [("sent", line.sent), ("came", line.came)]
    return [pair for pair in pairs if pair[1]]

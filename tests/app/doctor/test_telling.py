"""What people see: nothing secret, nothing a terminal would obey, plain where it is piped."""

import io

import pytest
from rich.console import Console

from app.doctor.exchange import Answer, Request, Trouble, excerpt
from app.doctor.rendering import Teller
from app.doctor.report import Finding, Line
from app.doctor.target import Target
from app.doctor.upstream.groups import GROUPS
from app.doctor.verdicts import Grade, failure

TITLES = {group.name: group.title for group in GROUPS}
WRONG = failure("wrong", cause="it is wrong", mend="put it right")


def told(finding: Finding, *, terminal: bool) -> str:
    output = io.StringIO()
    Teller(Console(file=output, force_terminal=terminal, width=60, highlight=False), TITLES).tell(finding)
    return output.getvalue()


@pytest.mark.parametrize("terminal", [True, False])
def test_what_the_other_side_wrote_is_shown_as_it_is_and_obeyed_by_nobody(terminal: bool) -> None:
    found = Finding.of(
        "reach.answers", "It answers", WRONG.found("[bold]\x1b[2J\r\u202eabc"), [Line(sent="[red]x", came="\x07y")]
    )

    text = told(found, terminal=terminal)

    assert "\x1b[2J" not in text
    assert "\r" not in text
    assert "\u202e" not in text
    assert "\x07" not in text
    assert "[bold]" in text
    assert "[red]x" in text


def test_piped_a_finding_is_a_line_and_what_belongs_to_it_is_indented() -> None:
    found = Finding.of("reach.answers", "It answers", WRONG.found("no " * 40), [Line(sent="GET /", came="404")])

    first, *details = told(found, terminal=False).splitlines()

    assert first.startswith("fail     reach.answers: no no no")
    assert [line.strip() for line in details] == [
        "cause: it is wrong",
        "mend: put it right",
        "sent: GET /",
        "came: 404",
    ]
    assert all(line.startswith(" ") for line in details)


@pytest.mark.parametrize("grade", [Grade.PASS, Grade.SKIPPED])
def test_in_a_terminal_what_passes_or_is_skipped_is_one_line(grade: Grade) -> None:
    found = Finding(check="reach.answers", title="It answers", grade=grade, found="200")

    assert told(found, terminal=True).count("\n") == 3  # a blank line, the group's title, the check


def test_an_excerpt_holds_no_token_and_one_line() -> None:
    text = excerpt(b"token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl\n refused " + b"word " * 50)

    assert text.startswith("token … refused word")
    assert len(text) <= 101


def test_a_request_is_told_without_its_query() -> None:
    request = Request("POST", "http://localhost/e?code=s3cr3t", (("ce-type", "azure.webpubsub.sys.connect"),), b"{}")

    assert str(request) == "POST http://localhost/e sys.connect no content type, 2 bytes"


def test_an_answer_is_told_in_a_few_words() -> None:
    assert str(Answer(204, seconds=0.0123)) == "204 in 12 ms"
    assert str(Answer(400, (("Content-Type", "text/plain"),), b"no\x1b")) == "400 in 0 ms text/plain, 3 bytes “no\\x1b”"
    assert str(Answer(trouble=Trouble.TIMEOUT)) == "no answer in time"
    assert str(Answer(trouble=Trouble.BAD_CERTIFICATE, detail="expired")) == "TLS failed (expired)"


def test_a_template_is_filled_as_the_service_does_it() -> None:
    template = "https://app.example/api/{HUB}/{event}?code=1%2F2#part"
    target = Target(template, "Sample_ChatApp`1")

    assert target.url("a b/c") == "https://app.example/api/Sample_ChatApp%601/a%20b%2Fc?code=1%2F2"
    assert target.shown == "https://app.example/api/{HUB}/{event}?…"
    assert "key" not in repr(Target("http://localhost/", "chat", access_key=b"key"))


@pytest.mark.parametrize(
    ("template", "changes"),
    [
        ("localhost:8080/eventhandler", {}),
        ("http://", {}),
        ("http://localhost:99999/", {}),
        ("http://ana@localhost/", {}),
        ("http://{event}.example/", {}),
        ("http://localhost/", {"hub": ""}),
        ("http://localhost/", {"hub": "chat\r\nx: y"}),
        ("http://localhost/", {"events": ("1st",)}),
        ("http://localhost/", {"user": " "}),
        ("http://localhost/", {"user": "ana\r\nx: y"}),
        ("http://localhost/", {"origin": "https://contoso.webpubsub.azure.com/"}),
        ("http://localhost/", {"origin": "a\r\nx: y"}),
    ],
)
def test_what_no_hub_could_be_set_to_is_refused(template: str, changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        Target(template, **({"hub": "chat"} | changes))  # type: ignore[arg-type]

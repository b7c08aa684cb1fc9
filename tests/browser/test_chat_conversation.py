"""What a page remembers of a conversation: order, repeats, limits. It runs in a browser, as it does for people."""

import random

from playwright.async_api import Page

from tests.browser.conftest import Chat

ADD_ALL = """async (numbers) => {
  const { Conversation } = await import("/web/chat/conversation.js");
  const room = new Conversation("tea", false);
  room.enter({ number: 0, lines: [], members: new Map() }, "mia");
  for (const number of numbers) {
    room.add({ id: `m-${number}`, number, at: number, from: "jonas", text: "", key: "" }, { me: "mia", isNews: true });
  }
  return { numbers: room.entries.map(({ number }) => number), missingAfter: room.missingAfter() };
}"""


async def page_of(chat: Chat) -> Page:
    return (await chat.visit()).page


async def test_any_order_with_any_repeats_gives_each_line_once_in_order(chat: Chat) -> None:
    page = await page_of(chat)
    chance = random.Random(7)

    for _ in range(50):
        count = chance.randint(1, 40)
        numbers = list(range(1, count + 1)) + chance.choices(range(1, count + 1), k=count)
        chance.shuffle(numbers)
        told = await page.evaluate(ADD_ALL, numbers)
        assert told == {"numbers": list(range(1, count + 1)), "missingAfter": None}, numbers


async def test_the_first_gap_is_found(chat: Chat) -> None:
    page = await page_of(chat)
    chance = random.Random(8)

    for _ in range(50):
        numbers = chance.sample(range(1, 30), k=chance.randint(1, 28))
        told = await page.evaluate(ADD_ALL, numbers)
        expected = next((n for n in range(max(numbers)) if n + 1 not in numbers), None)
        assert told == {"numbers": sorted(numbers), "missingAfter": expected}, numbers


async def test_a_long_evening_is_kept_to_its_newest_lines(chat: Chat) -> None:
    page = await page_of(chat)

    told = await page.evaluate(ADD_ALL, list(range(1, 1_501)))

    assert told == {"numbers": list(range(501, 1_501)), "missingAfter": None}


async def test_a_line_older_than_all_that_is_kept_is_no_gap(chat: Chat) -> None:
    page = await page_of(chat)

    told = await page.evaluate(ADD_ALL, [*range(2, 1_502), 1])

    assert told == {"numbers": list(range(502, 1_502)), "missingAfter": None}

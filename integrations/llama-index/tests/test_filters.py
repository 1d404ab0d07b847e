"""Filters mean what LlamaIndex's own evaluation means, on a real server; what they cannot say is refused by name."""

import random
from typing import Any

import pytest
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores import FilterCondition, FilterOperator, MetadataFilter, MetadataFilters
from llama_index.core.vector_stores.utils import build_metadata_filter_fn

from llama_index.vector_stores.shortlist import ShortlistVectorStore

CHOICES: dict[str, list[Any]] = {
    "number": [None, -10, 2, 2.5, 7, 2**53],
    "text": [None, "", "a", "b", "2024-05-01", "ä"],
    "tags": [None, [], ["a"], ["a", "b"], ["b", "ä"]],
}
ORDERS = [FilterOperator.GT, FilterOperator.GTE, FilterOperator.LT, FilterOperator.LTE]
ABSENT = object()


def nodes(dice: random.Random) -> list[TextNode]:
    """Return nodes that have any of the fields, or None in it, or lack it."""
    made = []
    for number in range(40):
        found = {path: dice.choice([ABSENT, *choices]) for path, choices in CHOICES.items()}
        metadata = {path: value for path, value in found.items() if value is not ABSENT}
        made.append(TextNode(id_=str(number), text=f"text {number}", metadata=metadata))
    return made


def condition(dice: random.Random) -> MetadataFilter:
    """Return a condition: equality between any types, an order where the field has one, of lists what is in them."""
    texts, numbers = CHOICES["text"][1:], CHOICES["number"][1:]
    if dice.random() < 0.3:
        several = dice.sample(["a", "b", "ä", "none"], dice.randrange(1, 3))
        operator, value = dice.choice(
            [
                (FilterOperator.CONTAINS, dice.choice(["a", "b", "none"])),
                (FilterOperator.ANY, several),
                (FilterOperator.ALL, several),
                (FilterOperator.IS_EMPTY, None),
            ]
        )
        return MetadataFilter(key=dice.choice(["tags", "tags", "nowhere"]), value=value, operator=operator)
    key = dice.choice(["number", "number", "text", "text", "nowhere"])
    own = texts if key == "text" else numbers
    operator = dice.choice([*list(FilterOperator)[:8], FilterOperator.IS_EMPTY])
    value = dice.choice(own if operator in ORDERS else [*texts, *numbers])
    if operator in {FilterOperator.IN, FilterOperator.NIN}:
        value = dice.sample(texts, dice.randrange(4)) if dice.random() < 0.5 else dice.sample([-10, 2, 7], 2)
    return MetadataFilter(key=key, value=None if operator == FilterOperator.IS_EMPTY else value, operator=operator)


def any_filters(dice: random.Random, levels: int = 3) -> MetadataFilters:
    """Return filters that nest at most so deep."""
    found = [
        any_filters(dice, levels - 1) if levels > 1 and dice.random() < 0.5 else condition(dice)
        for _ in range(dice.choice([1, 2, 2, 3]))
    ]
    return MetadataFilters(filters=found, condition=dice.choice(list(FilterCondition)))


def matches(given: MetadataFilter | MetadataFilters, node: TextNode) -> bool:
    """Return what LlamaIndex's evaluation says of each condition, joined as it joins those of one level."""
    if isinstance(given, MetadataFilter):
        evaluate = build_metadata_filter_fn(lambda _: node.metadata, MetadataFilters(filters=[given]))
        return evaluate(node.node_id)
    found = [matches(one, node) for one in given.filters]
    if given.condition == FilterCondition.NOT:
        return not any(found)
    return any(found) if given.condition == FilterCondition.OR else all(found)


async def test_the_meaning_is_llama_indexs(store: ShortlistVectorStore):
    """Of 500 filters, nested or not, each finds the nodes that LlamaIndex's evaluation finds, sync and async."""
    dice = random.Random(3)
    stored = nodes(dice)
    store.add(stored)
    sizes = []
    for number in range(500):
        given = any_filters(dice)
        expected = {one.node_id for one in stored if matches(given, one)}
        found = store.get_nodes(filters=given) if number % 2 else await store.aget_nodes(filters=given)
        assert {one.node_id for one in found} == expected, given
        sizes.append(len(expected))
    assert sum(0 < size < len(stored) for size in sizes) > 250, "most filters are to tell nodes apart"


@pytest.mark.parametrize(
    ("operator", "value", "message"),
    [
        (FilterOperator.TEXT_MATCH, "x", "filter 'a' text_match 'x': Shortlist searches no text within metadata"),
        (FilterOperator.TEXT_MATCH_INSENSITIVE, "x", "Shortlist searches no text within metadata; use =="),
        (FilterOperator.EQ, None, "filter 'a' == None: it compares with one value; use is_empty"),
        (FilterOperator.EQ, ["x"], r"filter 'a' == \['x'\]: it compares with one value"),
        (FilterOperator.CONTAINS, ["x"], "it compares with one value; .* any or all for several"),
        (FilterOperator.IN, "x", "filter 'a' in 'x': it compares with several values; pass a list"),
        (FilterOperator.ALL, None, "it compares with several values"),
        (FilterOperator.GT, "x", "it is text, and field 'a' holds a number; compare it with a value of that type"),
        (FilterOperator.EQ, float("nan"), "numbers must be finite"),
    ],
)
async def test_refused(store: ShortlistVectorStore, operator: FilterOperator, value: Any, message: str):
    """Every call refuses such a filter as a ValueError that names field, operator, value and limit."""
    store.add([TextNode(id_="1", text="text", metadata={"a": 1})])
    given = MetadataFilters(filters=[MetadataFilter(key="a", value=value, operator=operator)])
    for call in (store.get_nodes, store.delete_nodes):
        with pytest.raises(ValueError, match=message):
            call(filters=given)
    for call_async in (store.aget_nodes, store.adelete_nodes):
        with pytest.raises(ValueError, match=message):
            await call_async(filters=given)
    assert len(store.get_nodes()) == 1


def test_what_differs_from_llama_index(store: ShortlistVectorStore):
    """What the README says of `==` is so: of a list, one element is enough."""
    node = TextNode(id_="1", text="text", metadata={"tags": ["a", "b"]})
    store.add([node])
    equal = MetadataFilters(filters=[MetadataFilter(key="tags", value="a")])
    assert [one.node_id for one in store.get_nodes(filters=equal)] == ["1"]
    assert not matches(equal, node)


def test_no_values(store: ShortlistVectorStore):
    """Any of no values is met by no node, and all of none by each that has a value."""
    store.add([TextNode(id_="1", text="text", metadata={"tags": ["a"]}), TextNode(id_="2", text="text")])
    found = {}
    for operator in (FilterOperator.ANY, FilterOperator.ALL, FilterOperator.IN, FilterOperator.NIN):
        given = MetadataFilters(filters=[MetadataFilter(key="tags", value=[], operator=operator)])
        found[operator.value] = {one.node_id for one in store.get_nodes(filters=given)}
    assert found == {"any": set(), "all": {"1"}, "in": set(), "nin": {"1", "2"}}


def test_no_filters(store: ShortlistVectorStore):
    """Filters that name nothing match everything, alone and within others."""
    store.add([TextNode(id_=str(n), text="text", metadata={"n": n}) for n in range(3)])
    nothing = MetadataFilters(filters=[])
    assert len(store.get_nodes(filters=nothing)) == 3
    within = MetadataFilters(filters=[nothing, MetadataFilter(key="n", value=1)])
    assert [one.node_id for one in store.get_nodes(filters=within)] == ["1"]

"""The query of a request: names and values, of which a name may have several.

Threads: any; it does not change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import parse_qsl

__all__ = ["Query"]

MOST_FIELDS = 1000


class Query(Mapping[str, str]):
    """What stands behind the ``?`` of a target: a mapping of names, whose case counts, to values.

    ``q[name]`` is the first value, ``get_all`` gives all, ``fields()`` each pair. ValueError for more than 1,000 pairs.

    Example::

        q = goish.http.Query("tag=a&tag=b&page=2")
        print(q["page"], q.get_all("tag"), q.get("sort", "name"))  # -> 2 ['a', 'b'] name
    """

    __slots__ = ("_by_name", "_fields")

    def __init__(self, text: str = "") -> None:
        self._fields = parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS)
        self._by_name: dict[str, list[str]] = {}
        for name, value in self._fields:
            self._by_name.setdefault(name, []).append(value)

    def __getitem__(self, name: str) -> str:
        return self._by_name[name][0]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)

    def get_all(self, name: str) -> list[str]:
        """All values of a name, in their order; an empty list if there is none.

        Example::

            print(goish.http.Query("a=1").get_all("b"))  # -> []
        """
        return self._by_name.get(name, []).copy()

    def fields(self) -> list[tuple[str, str]]:
        """Each ``(name, value)``, in the order of the query.

        Example::

            print(goish.http.Query("a=1&b=2&a=3").fields())  # -> [('a', '1'), ('b', '2'), ('a', '3')]
        """
        return self._fields.copy()

    def __repr__(self) -> str:
        return f"Query({self._fields!r})"

"""What goes first when there is too much: what belongs to the visitor who has the most."""

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping
from typing import TypeVar

Owner = TypeVar("Owner", bound=Hashable)
Item = TypeVar("Item", bound=Hashable)


def heaviest_first(
    loose: dict[Owner, list[Item]],
    shares: Counter[Owner],
    sizes: Mapping[Item, int],
    excess: int,
) -> Iterator[Item]:
    """Yield what to delete, until that is enough or there is no more.

    Args:
        loose: What may be deleted, by owner, the oldest last; it is emptied.
        shares: Bytes of each owner, also of what may not be deleted; they are reduced.
        sizes: Bytes of each item.
        excess: How many bytes are too many.
    """
    while excess > 0 and loose:
        owner = max(loose, key=lambda owner: shares[owner])
        item = loose[owner].pop()
        if not loose[owner]:
            del loose[owner]
        shares[owner] -= sizes[item]
        excess -= sizes[item]
        yield item

"""Did you mean: the names nearest to one that does not exist."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

_SHORTLIST = 48
_PLAUSIBLE = 0.6  # of 1: below it a suggestion is a guess
_BEHIND = 0.2  # a name that is so much worse than the best is noise beside it
_CONTAINED = 0.95  # all segments of one name stand in the other: a prefix too many or too few


def nearest(word: str, candidates: Iterable[str], limit: int = 3) -> list[str]:
    """At most `limit` of `candidates` that may have been meant by `word`, nearest first; [] if none is plausible.

    Names are compared as a whole and segment by segment, without regard to case or to which separator (`/` or `.`) is written,
    so that `attn/kernel` finds both `attention/kernel` and `encoder/attn/kernel`. The answer does not depend on the order of the
    candidates, and `word` itself is never in it.
    """
    names = sorted(set(candidates) - {word})
    if not names or limit < 1:
        return []
    from rapidfuzz import fuzz, process

    keys = [_key(name) for name in names]
    key = _key(word)
    spaced = [other.replace("/", " ") for other in keys]
    # Two cheap scorers make the short list: letters in their order, and whole segments wherever they stand.
    shortlist = {index for _, _, index in process.extract(key, keys, scorer=fuzz.ratio, limit=_SHORTLIST)}
    shortlist.update(
        index for _, _, index in process.extract(key.replace("/", " "), spaced, scorer=fuzz.token_sort_ratio, limit=_SHORTLIST)
    )

    ranked: list[tuple[float, float, str]] = []
    for index in shortlist:
        whole = fuzz.ratio(key, keys[index]) / 100
        segments = _alignment(key.split("/"), keys[index].split("/"))
        ranked.append((-max(whole, segments), -min(whole, segments), names[index]))
    ranked.sort()
    floor = max(_PLAUSIBLE, -ranked[0][0] - _BEHIND)
    return [name for score, _, name in ranked[:limit] if -score >= floor]


def _key(name: str) -> str:
    return name.replace(".", "/").casefold()


def _alignment(left: Sequence[str], right: Sequence[str]) -> float:
    """How well two paths agree, 0 to 1: the best pairing of their segments that keeps the order, each pair counted by likeness.

    Paths of which one has all the other's segments agree well, however much longer it is.
    """
    from rapidfuzz import fuzz

    best = [0.0] * (len(right) + 1)
    for segment in left:
        previous = best
        best = [0.0]
        for j, other in enumerate(right):
            paired = previous[j] + fuzz.ratio(segment, other) / 100
            best.append(max(paired, previous[j + 1], best[j]))
    agreement = 2 * best[-1] / (len(left) + len(right))
    contained = best[-1] >= min(len(left), len(right))
    return max(agreement, _CONTAINED) if contained else agreement

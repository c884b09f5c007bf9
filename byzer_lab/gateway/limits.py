"""How often a key may ask, and how many tokens it may use."""

from __future__ import annotations

import time
from collections.abc import Callable

from byzer_lab.errors import RateLimitError
from byzer_lab.records import KeyRecord

MINUTE_S = 60.0


class Bucket:
    """Fills evenly up to one minute's worth.

    Args:
        per_minute: How much a minute brings.
        clock: Seconds, for tests.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.per_minute = per_minute
        self._clock = clock
        self._left = float(per_minute)
        self._at = clock()

    def left(self) -> float:
        """What is in it now; less than 0 where more was taken than was there."""
        now = self._clock()
        filled = self._left + (now - self._at) * self.per_minute / MINUTE_S
        self._left, self._at = min(float(self.per_minute), filled), now
        return self._left

    def take(self, amount: float) -> None:
        """Take something out of it."""
        self._left = self.left() - amount

    def wait_s(self, amount: float) -> float:
        """Seconds until that much is in it."""
        return max(0.0, (amount - self.left()) * MINUTE_S / self.per_minute)


class Limits:
    """The buckets of every key, of one server."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: dict[tuple[str, str], Bucket] = {}

    def admit(self, key: KeyRecord) -> dict[str, str]:
        """Count one request.

        Returns:
            Headers that tell what is left, as OpenAI's.

        Raises:
            RateLimitError: The minute's requests or tokens are used up.
        """
        requests = self._bucket(key, "requests", key.requests_per_minute)
        tokens = self._bucket(key, "tokens", key.tokens_per_minute)
        for name, bucket in (("requests", requests), ("tokens", tokens)):
            wait_s = bucket.wait_s(1) if bucket else 0.0
            if bucket and wait_s:
                raise RateLimitError(
                    f"The key {key.name!r} has used its {bucket.per_minute} {name} of a minute; "
                    f"ask again in {wait_s:.0f} s.",
                    limit=name,
                    retry_after_s=wait_s,
                )
        headers: dict[str, str] = {}
        if requests:
            requests.take(1)
        for name, bucket in (("requests", requests), ("tokens", tokens)):
            if bucket:
                headers[f"x-ratelimit-limit-{name}"] = str(bucket.per_minute)
                headers[f"x-ratelimit-remaining-{name}"] = str(max(0, int(bucket.left())))
        return headers

    def spend(self, key: KeyRecord, tokens: int) -> None:
        """Count tokens, once they are known."""
        if bucket := self._bucket(key, "tokens", key.tokens_per_minute):
            bucket.take(tokens)

    def _bucket(self, key: KeyRecord, kind: str, per_minute: int) -> Bucket | None:
        if not per_minute:
            return None
        bucket = self._buckets.get((key.hash, kind))
        if bucket is None or bucket.per_minute != per_minute:
            bucket = self._buckets[key.hash, kind] = Bucket(per_minute, self._clock)
        return bucket

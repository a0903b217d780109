from hypothesis import given
from hypothesis import strategies as st

from hookwright.domain.decisions import Delivered, GiveUp, RetryAt, decide, seconds_to_wait
from hookwright.domain.deliveries import Trigger
from hookwright.domain.retries import RetryPolicy

NOW = 1_750_000_000_000
POLICIES = st.builds(
    RetryPolicy,
    schedule=st.lists(st.floats(min_value=0.1, max_value=1e6), max_size=12).map(tuple),
    jitter=st.floats(min_value=0, max_value=0.9),
    longest_retry_after=st.floats(min_value=1, max_value=1e6),
)
CHANCES = st.floats(min_value=0, max_value=1, exclude_max=True)


@given(POLICIES, st.integers(min_value=1, max_value=20), CHANCES, st.none() | st.floats(min_value=0, max_value=1e9))
def test_a_delay_is_within_the_jitter_or_what_was_asked_for(policy: RetryPolicy, failures: int, rand: float, asked: float | None) -> None:
    delay = policy.delay(failures, rand, asked)
    if failures > len(policy.schedule):
        assert delay is None
        return
    step = policy.schedule[failures - 1]
    assert delay is not None
    assert step * (1 - policy.jitter) * 0.999999 <= delay <= max(step * (1 + policy.jitter) * 1.000001, policy.longest_retry_after)


@given(st.text(max_size=60) | st.from_regex(r"[A-Z][a-z]{2}, \d{1,3} [A-Z][a-z]{2} \d{1,6} \d\d?:\d\d?:\d\d? ?(GMT|[+-]\d{1,6})?"))
def test_any_retry_after_is_understood_or_ignored(text: str) -> None:
    seconds = seconds_to_wait(text, NOW)
    assert seconds is None or 0 <= seconds < 1e12


@given(
    st.integers(min_value=0, max_value=999),
    st.none() | st.text(max_size=20),
    st.sampled_from(Trigger),
    st.integers(1, 15),
    POLICIES,
    CHANCES,
)
def test_every_answer_is_decided_and_only_a_2xx_is_a_success(
    status: int, retry_after: str | None, trigger: Trigger, attempts: int, policy: RetryPolicy, rand: float
) -> None:
    decision = decide(status=status, retry_after=retry_after, trigger=trigger, attempts=attempts, policy=policy, now=NOW, rand=rand)
    assert isinstance(decision, Delivered) == (200 <= status < 300)
    if isinstance(decision, RetryAt):
        assert decision.due_at >= NOW
        assert attempts <= len(policy.schedule)
        assert trigger is not Trigger.RESEND
    if isinstance(decision, RetryAt | GiveUp):
        assert decision.disable == (status == 410)

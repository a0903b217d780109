"""`throttleRate`, as it is set with the SDK, spreads what is sent; that nothing comes too late is a matter of the machine."""

from svix.api import ApplicationPatch, EndpointPatch, MessageAttemptListByEndpointOptions, Svix

from tests.e2e.journeys import APP, endpoint, send
from tests.harness import Receiver
from tests.waiting import eventually

COUNT = 11


def span(client: Svix, *endpoints: str) -> float:
    """Seconds between the first attempt at any of these and the last."""
    options = MessageAttemptListByEndpointOptions(limit=50)
    listed = [attempt for ident in endpoints for attempt in client.message_attempt.list_by_endpoint(APP, ident, options).data]
    times = [attempt.timestamp for attempt in listed]
    return (max(times) - min(times)).total_seconds()


def test_an_endpoint_is_sent_no_more_a_second_than_its_throttle_rate(client: Svix, receiver: Receiver) -> None:
    slow, free = endpoint(client, receiver.url, throttle_rate=5), endpoint(client, receiver.url)
    for _ in range(COUNT):
        send(client)
    eventually(lambda: client.endpoint.get_stats(APP, free.id).success == COUNT)
    eventually(lambda: client.endpoint.get_stats(APP, slow.id).success == COUNT)
    assert span(client, slow.id) >= 0.9 * (COUNT - 1) / 5


def test_the_endpoints_of_an_application_share_its_throttle_rate(client: Svix, receiver: Receiver) -> None:
    made = [endpoint(client, receiver.url) for _ in range(2)]
    client.application.patch(APP, ApplicationPatch(throttle_rate=10))
    for _ in range(COUNT):
        send(client)
    for one in made:
        eventually(lambda one=one: client.endpoint.get_stats(APP, one.id).success == COUNT)  # type: ignore[misc]
    assert span(client, *(one.id for one in made)) >= 1.3, "22 at ten a second take 2.1 s, and 1.0 if each endpoint had them for itself"


def test_a_throttle_rate_that_is_taken_away_lets_everything_go(client: Svix, receiver: Receiver) -> None:
    slow = endpoint(client, receiver.url, throttle_rate=1)
    for _ in range(60):
        send(client)
    client.endpoint.patch(APP, slow.id, EndpointPatch(throttle_rate=None))
    eventually(lambda: client.endpoint.get_stats(APP, slow.id).success == 60)

from hookwright.engine.tenants import LEAST, REMEMBERED, Tenants


def busy(most: int, **under_way: int) -> Tenants:
    tenants = Tenants(most)
    for organization, count in under_way.items():
        for _ in range(count):
            tenants.begin(organization)
    return tenants


def test_a_noisy_organization_gets_no_slot_of_the_last_fifth() -> None:
    tenants = busy(100, noisy=79, quiet=1)
    assert not tenants.may_begin("noisy")
    assert tenants.may_begin("quiet")
    tenants.end("noisy")
    assert tenants.may_begin("noisy")


def test_an_organization_that_is_alone_may_use_every_slot() -> None:
    assert busy(100, noisy=99).may_begin("noisy")


def test_whoever_has_few_attempts_under_way_is_not_noisy() -> None:
    assert busy(100, small=LEAST - 1, others=60).may_begin("small")


def test_whoever_has_no_more_than_a_tenth_of_all_is_not_noisy() -> None:
    tenants = busy(1000, one=90, another=900)
    assert tenants.may_begin("one")
    assert not tenants.may_begin("another")


def test_somebody_new_finds_a_slot_beside_a_noisy_organization() -> None:
    assert busy(100, noisy=79, quiet=1).may_begin("new")


def test_organizations_that_have_nothing_under_way_do_not_pile_up() -> None:
    tenants = Tenants(100)
    for number in range(3 * REMEMBERED):
        tenants.begin(f"org_{number}")
        tenants.end(f"org_{number}")
    assert len(tenants._under_way) <= REMEMBERED + 1
    tenants.begin("org_0")
    tenants.end("org_0")
    assert tenants.may_begin("org_0")

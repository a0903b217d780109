-- What is written differently here: a row that is looked up is looked up in the day that its id names, and in no other.

-- name: ended_rounds
select one.message, state, endpoint, round, application, organization, trigger, attempts, 0 as due_at, 0 as owner, 0 as created_at
from json_array_elements_text(cast(:messages as json)) as wanted (message)
cross join lateral (select * from outcomes where endpoint = :endpoint and message = wanted.message offset 0) as one

-- A list of an endpoint's attempts judges its filters in the index, and reads the rows that it shows.
drop index attempts_endpoint;
create index attempts_endpoint on attempts (endpoint, id, state, response_status, event_type, channels);

-- expand: a list of an endpoint's attempts judges its filters in the index, and reads the rows that it shows
-- cost: an index of all attempts is built; the start waits for it, some seconds a million
drop index attempts_endpoint;
create index attempts_endpoint on attempts (endpoint, id, state, response_status, event_type, channels);

-- expand: ended portal tokens are found by an index when nobody needs to know of them any more
-- cost: a moment; a second for a million of them, in which none is ended

create index revocations_expiry on revocations (forget_at);

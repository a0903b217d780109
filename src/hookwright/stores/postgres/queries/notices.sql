-- What is written differently here.

-- name: remove
delete from notices where id = any(array(select cast(value as bigint) from json_array_elements_text(cast(:ids as json)) as given (value)))

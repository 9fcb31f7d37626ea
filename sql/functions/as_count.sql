-- as_count: a text as a whole number from 0 to 999,999,999, or null where it is none.
--
-- Counters kept inside jsonb may be damaged, or somebody else's; one bad row must not abort a batch
-- (protocol.md, 29).
--
-- arguments    p_text
-- result       integer or null
-- locks        none
create or replace function as_count(p_text text)
returns integer
language sql
immutable
parallel safe
set search_path = public, pg_temp
as $$
    select case when p_text ~ '^\d{1,9}$' then p_text::integer end;
$$;

-- as_time: a text as a point in time, or null where it is none.
--
-- A time kept inside jsonb may be damaged; one bad row must not abort a batch (protocol.md, 29).
--
-- arguments    p_text, ISO 8601 with offset
-- result       timestamptz or null
-- locks        none
create or replace function as_time(p_text text)
returns timestamptz
language plpgsql
stable
set search_path = public, pg_temp
as $$
begin
    return p_text::timestamptz;
exception
    when data_exception then
        return null;
end;
$$;

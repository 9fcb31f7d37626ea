-- as_uuid: a text as a uuid, or null where it is none.
--
-- A payload may be malformed; one bad event must not break the claim of its neighbours.
--
-- arguments    p_text
-- result       uuid or null
-- locks        none
create or replace function as_uuid(p_text text)
returns uuid
language sql
immutable
parallel safe
set search_path = public, pg_temp
as $$
    select case
        when p_text ~* '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' then p_text::uuid
    end;
$$;

-- as_readable: a jsonb value as its reader can parse it: JSON null where it is nested too deep.
--
-- PostgreSQL stores thousands of levels; the API and Python give up at about a thousand, and with it at
-- every other row of the same answer. No payload of ours has ten.
--
-- arguments    p_value, any jsonb or null
-- result       p_value, or JSON null if anything stands 100 levels deep
-- locks        none
create or replace function as_readable(p_value jsonb)
returns jsonb
language sql
immutable
parallel safe
set search_path = public, pg_temp
as $$
    select case when jsonb_path_exists(p_value, 'strict $.**{100}') then 'null' else p_value end;
$$;

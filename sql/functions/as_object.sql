-- as_object: a jsonb value as an object. Null, JSON null, scalars and arrays count as {}.
--
-- Existing rows may hold anything in a nullable jsonb column (protocol.md, 11), so every reader of
-- events.metadata, message_queue.message_data and the like normalises first.
--
-- arguments    p_value, any jsonb or null
-- result       p_value if it is an object, else {}
-- locks        none
create or replace function as_object(p_value jsonb)
returns jsonb
language sql
immutable
parallel safe
set search_path = public, pg_temp
as $$
    select case when jsonb_typeof(p_value) = 'object' then p_value else '{}'::jsonb end;
$$;

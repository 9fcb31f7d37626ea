-- normal_tags: tags as they are compared: trimmed and case-folded, without empty ones.
--
-- behaviour.md, "Community".
--
-- arguments    p_tags, or null
-- result       an array, never null
-- locks        none
create or replace function normal_tags(p_tags text[])
returns text[]
language sql
immutable
parallel safe
set search_path = public, pg_temp
as $$
    select coalesce(array_agg(distinct lower(btrim(t.tag))), '{}')
    from unnest(p_tags) as t (tag)
    where btrim(t.tag) <> '';
$$;

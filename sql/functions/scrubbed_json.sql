-- scrubbed_json: a JSON value whose strings are scrubbed.
--
-- arguments    p_value, or null; p_pattern, p_words: see scrubbed
-- result       the value in the same form; JSON null in place of what is nested too deep to be read
-- locks        none
create or replace function scrubbed_json(p_value jsonb, p_pattern text, p_words text[])
returns jsonb
language plpgsql
immutable
parallel safe
set search_path = public, pg_temp
as $$
begin
    return case jsonb_typeof(p_value)
        when 'string' then to_jsonb(scrubbed(p_value #>> '{}', p_pattern, p_words))
        when 'array' then (
            select coalesce(jsonb_agg(scrubbed_json(a.value, p_pattern, p_words) order by a.place), '[]')
            from jsonb_array_elements(as_readable(p_value)) with ordinality as a (value, place)
        )
        when 'object' then (
            select coalesce(
                jsonb_object_agg(scrubbed(o.key, p_pattern, p_words), scrubbed_json(o.value, p_pattern, p_words)), '{}'
            )
            from jsonb_each(p_value) as o
        )
        else p_value
    end;
end;
$$;

-- identity_pattern: a regular expression for how others may have written down who a member is.
--
-- Their number in any spelling, their e-mail, their LinkedIn, and their full name. A first or last name
-- alone is many people's.
--
-- arguments    p_member; p_national, the digits of their number without the country's code, or null
--              p_with_name, false: without the name, where it may be another's
-- result       the expression, for ~* and regexp_replace
-- locks        none
create or replace function identity_pattern(p_member users, p_national text, p_with_name boolean)
returns text
language plpgsql
immutable
parallel safe
set search_path = public, pg_temp
as $$
declare
    c_special constant text := '([^[:alnum:][:space:]])';
    c_between constant text := '[[:space:]().-]*';
    v_digits text := regexp_replace(p_member.phone_number, '\D', '', 'g');
    v_national text := coalesce(p_national, v_digits);
    v_first text := regexp_replace(btrim(p_member.first_name), c_special, '\\\1', 'g');
    v_last text := regexp_replace(btrim(p_member.last_name), c_special, '\\\1', 'g');
    v_parts text [];
begin
    if v_digits = '' or right(v_digits, length(v_national)) <> v_national or length(v_national) < 7 then
        v_national := v_digits;
    end if;
    v_parts := array[
        case when v_digits <> '' then format(
            '(?<![0-9])(?:\+?%s%s)?\(?%s(?![0-9])',
            regexp_replace(left(v_digits, length(v_digits) - length(v_national)), '(.)', '\1' || c_between, 'g'),
            c_between, regexp_replace(v_national, '(.)(?=.)', '\1' || c_between, 'g')
        ) end,
        '(?<![[:alnum:]_.+-])' || regexp_replace(btrim(p_member.email), c_special, '\\\1', 'g') || '(?![[:alnum:]_-])',
        'linkedin\.com/in/' || regexp_replace(linkedin_name(p_member.linkedin_url), c_special, '\\\1', 'g')
        || '(?![[:alnum:]_-])',
        case when p_with_name and v_first <> '' and v_last <> '' then format(
            '(?<![[:alnum:]])(?:%1$s[[:space:]]+%2$s|%2$s,?[[:space:]]+%1$s)(?![[:alnum:]])',
            regexp_replace(v_first, '[[:space:]]+', '[[:space:]]+', 'g'),
            regexp_replace(v_last, '[[:space:]]+', '[[:space:]]+', 'g')
        ) end
    ];
    return array_to_string(v_parts, '|');
end;
$$;

-- scrubbed: a text without what is to be erased.
--
-- arguments    p_text, or null; p_pattern, a regular expression (any case) for what is taken out, or null
--              p_words, texts (plain_words): what contains one of them goes whole
-- result       the text, with (erased) in place of what was taken out
-- locks        none
-- idempotency  nothing is left to be taken out
create or replace function scrubbed(p_text text, p_pattern text, p_words text[])
returns text
language plpgsql
immutable
parallel safe
set search_path = public, pg_temp
as $$
declare
    v_plain text;
begin
    if cardinality(p_words) > 0 then
        v_plain := plain_words(p_text);
        if exists (select 1 from unnest(p_words) as w (word) where strpos(v_plain, w.word) > 0) then
            return '(erased)';
        end if;
    end if;
    if p_text ~* p_pattern then
        return regexp_replace(p_text, p_pattern, '(erased)', 'gi');
    end if;
    return p_text;
end;
$$;

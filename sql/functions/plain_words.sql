-- plain_words: a text as it is compared with what may quote it: lower case, plain punctuation, one space.
--
-- arguments    p_text
-- result       the text in that form
-- locks        none
create or replace function plain_words(p_text text)
returns text
language sql
immutable
parallel safe
set search_path = public, pg_temp
as $$
    select btrim(regexp_replace(translate(lower(p_text), '‘’“”–—', '''''""--'), '\s+', ' ', 'g'));
$$;

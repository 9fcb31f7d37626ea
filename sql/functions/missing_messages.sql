-- missing_messages: which of these message ids are not recorded?
--
-- The sweeper lists recent inbound texts at Twilio and records what the webhook missed.
--
-- arguments    p_ids, jsonb array of at most 1,000 message ids; p_now, taken as by all, not used
-- result       {outcome: found, missing: ids}
-- locks        none
create or replace function missing_messages(p_ids jsonb, p_now timestamptz default null)
returns jsonb
language sql
stable
set search_path = public, pg_temp
as $$
    select jsonb_build_object('outcome', 'found', 'missing', coalesce(jsonb_agg(i.value), '[]'))
    from jsonb_array_elements_text(p_ids) as i
    where not exists (select 1 from messages as m where m.id = i.value::uuid);
$$;

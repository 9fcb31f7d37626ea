-- intro_context: the introduction that an event names.
--
-- arguments    p_payload {intro_opportunity_id}; p_now
-- result       {now, opportunity: see intro_document | null}
-- locks        none
create or replace function intro_context(p_payload jsonb, p_now timestamptz)
returns jsonb
language plpgsql
stable
set search_path = public, pg_temp
as $$
begin
    return (
        select jsonb_build_object(
            'now', p_now,
            'opportunity', intro_document(as_uuid(as_object(p_payload) ->> 'intro_opportunity_id'))
        )
    );
end;
$$;

-- member_is_busy: does another holder work for this member now?
--
-- One lease per member: a live lease on any open event, or a task in processing whose claim has
-- not run out, keeps everybody else away (architecture.md, "One lease per member").
--
-- arguments    p_user_id; p_token, the caller's own token; p_now
-- result       true if a lease with another token is live
-- locks        none of its own: meaningful only under lock_member
create or replace function member_is_busy(p_user_id uuid, p_token uuid, p_now timestamptz)
returns boolean
language plpgsql
stable
set search_path = public, pg_temp
as $$
begin
    return exists (
        select 1
        from events
        where
            aggregate_id = p_user_id
            and aggregate_type = 'user'
            and processed is not true
            and metadata #>> '{lease,token}' is distinct from p_token::text
            and lease_is_live(metadata, p_now)
    ) or exists (
        select 1
        from agent_tasks
        where
            user_id = p_user_id
            and (status = 'processing') is true
            and as_object(result_json) #>> '{claim,token}' is distinct from p_token::text
            and lease_runs(result_json #>> '{claim,until}', p_now)
    );
end;
$$;

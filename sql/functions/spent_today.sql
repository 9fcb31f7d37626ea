-- spent_today: what Claude has cost since midnight UTC, failed and stale calls included.
--
-- arguments    p_now, tests and the local clock only
-- result       {outcome: found, cost_usd}
-- locks        none
-- idempotency  reads only
create or replace function spent_today(p_now timestamptz default null)
returns jsonb
language plpgsql
stable
set search_path = public, pg_temp
as $$
declare
    v_now timestamptz := coalesce(p_now, clock_timestamp());
begin
    return jsonb_build_object(
        'outcome', 'found',
        'cost_usd', (
            select coalesce(sum(l.cost_usd), 0)
            from agent_actions_log as l
            where l.created_at >= date_trunc('day', v_now, 'UTC')
        )
    );
end;
$$;

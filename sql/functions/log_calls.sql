-- log_calls: record model calls, whatever became of the work they were made for.
--
-- arguments    p_calls, array of agent_actions_log rows, each with its id; p_now
-- result       {outcome: applied, rows: how many were new}
-- locks        none
-- idempotency  primary key
create or replace function log_calls(p_calls jsonb, p_now timestamptz default null)
returns jsonb
language plpgsql
volatile
set search_path = public, pg_temp
as $$
declare
    v_rows integer;
begin
    insert into agent_actions_log (
        id, agent_type, agent_instance_id, action_type, user_id, context_id, context_type, model_used,
        input_tokens, output_tokens, cost_usd, latency_ms, input_data, output_data, error, created_at
    )
    select
        c.id, c.agent_type, a.id, c.action_type, c.user_id, c.context_id, c.context_type, c.model_used,
        c.input_tokens, c.output_tokens, c.cost_usd, c.latency_ms, c.input_data, c.output_data, c.error,
        coalesce(p_now, clock_timestamp())
    from jsonb_populate_recordset(null::agent_actions_log, coalesce(p_calls, '[]')) as c
    -- The instance may belong to a unit of work that was refused and so does not exist.
    left join agent_instances as a on a.id = c.agent_instance_id
    on conflict (id) do nothing;
    get diagnostics v_rows = row_count;
    return jsonb_build_object('outcome', 'applied', 'rows', v_rows);
end;
$$;

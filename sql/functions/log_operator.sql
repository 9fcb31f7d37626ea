-- log_operator: what an operator did to a member, for the audit trail: a row of agent_actions_log.
--
-- Kept whatever its age (prune). Nobody's words are in it.
--
-- arguments    p_token, made by the caller of the command: the row's id
--              p_action, the command; p_user_id; p_by, who gave it; p_before, what it found; p_result; p_now
-- result       p_result
-- locks        none
-- idempotency  by p_token
create or replace function log_operator(
    p_token uuid, p_action text, p_user_id uuid, p_by text, p_before jsonb, p_result jsonb, p_now timestamptz
)
returns jsonb
language plpgsql
volatile
set search_path = public, pg_temp
as $$
begin
    insert into agent_actions_log (
        id, agent_type, action_type, user_id, context_id, context_type, input_data, output_data, created_at
    )
    values (
        p_token, 'operator', p_action, p_user_id, p_user_id, 'user',
        p_before || jsonb_build_object('by', left(p_by, 100)), p_result, p_now
    )
    on conflict (id) do nothing;
    return p_result;
end;
$$;

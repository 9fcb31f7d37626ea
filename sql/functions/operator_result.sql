-- operator_result: what a command has answered already, when the same call is repeated.
--
-- arguments    p_token, of log_operator
-- result       its result and the member's card of now, or null: the command is new
-- locks        none
create or replace function operator_result(p_token uuid)
returns jsonb
language sql
stable
set search_path = public, pg_temp
as $$
    select l.output_data || jsonb_build_object('member', member_card(u))
    from agent_actions_log as l
    inner join users as u on l.user_id = u.id
    where l.id = p_token and l.agent_type = 'operator';
$$;

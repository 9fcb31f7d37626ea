-- task_document: a claimed task as its decider gets it (lib/engine/tasks.py).
--
-- Only what is read: turning a whole row into JSON costs more than claiming it.
--
-- arguments    p_task, a claimed task; p_now
-- result       {id, task_type, user_id, retry_count, context_json, context: see task_context}
-- locks        none of its own: meaningful only under the member's lease
create or replace function task_document(p_task agent_tasks, p_now timestamptz)
returns jsonb
language plpgsql
stable
set search_path = public, pg_temp
as $$
begin
    return jsonb_build_object(
        'id', p_task.id,
        'task_type', p_task.task_type,
        'user_id', p_task.user_id,
        'retry_count', p_task.retry_count,
        'context_json', as_readable(p_task.context_json),
        'context', task_context(p_task, p_now)
    );
end;
$$;

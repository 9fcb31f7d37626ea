-- fail_texts_of_nobody: rows of a member who does not exist would take members' places for ever.
--
-- Foreign keys may be missing in a database that was not made by us.
--
-- arguments    p_user_id, perhaps nobody's
-- result       true if there were such rows
-- locks        none
-- idempotency  by state
create or replace function fail_texts_of_nobody(p_user_id uuid)
returns boolean
language plpgsql
volatile
set search_path = public, pg_temp
as $$
begin
    update message_queue
    set
        status = 'failed',
        message_data = as_object(message_data) || '{"error_code": "no_member"}'
    where
        user_id = p_user_id
        and status = 'queued'
        and not exists (select 1 from users where id = p_user_id);
    return found;
end;
$$;

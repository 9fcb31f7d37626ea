-- lock_member: take the member's lock for the rest of the transaction.
--
-- Whatever claims, commits, records an inbound text or sends for a member takes this lock first,
-- as a statement of its own, so that the statements after it see what the holder before left
-- (protocol.md, 1). It does not block foreign-key checks of rows that refer to the member.
--
-- arguments    p_user_id
-- result       false if there is no such member
-- locks        users row, for no key update; waits up to the caller's lock_timeout
create or replace function lock_member(p_user_id uuid)
returns boolean
language plpgsql
volatile
set search_path = public, pg_temp
as $$
begin
    perform 1 from users where id = p_user_id for no key update;
    return found;
end;
$$;

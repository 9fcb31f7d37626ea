-- is_opted_out: has this member told us to stop?
--
-- behaviour.md, "Opt-out": no active conversation, and the newest one archived.
--
-- arguments    p_user_id
-- result       boolean; false for a member without conversations
-- locks        none of its own: meaningful only under lock_member
create or replace function is_opted_out(p_user_id uuid)
returns boolean
language plpgsql
stable
set search_path = public, pg_temp
as $$
begin
    return not exists (
        select 1 from conversations where user_id = p_user_id and status = 'active'
    ) and coalesce((
        select c.status = 'archived'
        from conversations as c
        where c.user_id = p_user_id
        order by c.created_at desc nulls last, c.id desc
        limit 1
    ), false);
end;
$$;

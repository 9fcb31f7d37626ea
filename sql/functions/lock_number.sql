-- lock_number: lock the member with a phone number.
--
-- The number is looked at again under the lock: it may have been erased meanwhile.
--
-- arguments    p_phone, as users.phone_number
-- result       the member as they are now; all null if there is none
-- locks        the member's users row
create or replace function lock_number(p_phone text)
returns users
language plpgsql
volatile
set search_path = public, pg_temp
as $$
declare
    v_member users%rowtype;
begin
    select * into v_member from users where phone_number = p_phone;
    perform lock_member(v_member.id);
    select * into v_member from users where id = v_member.id and phone_number = p_phone;
    return v_member;
end;
$$;

-- Balances that disagree with the ledger are reported, never changed: which of the two is right is for a
-- person to say. From here on both move by the same amounts.

do $$
declare
    v_users bigint;
    v_innovators bigint;
begin
    select count(*) into v_users
    from users as u
    left join user_credit_balances as b on b.user_id = u.id
    where coalesce(u.credit_balance, 0) <> coalesce(b.balance, 0);
    if v_users > 0 then
        raise notice 'users: % have a credit_balance other than the sum of their credit_events; '
            'nothing was changed.', v_users;
    end if;
    select count(*) into v_innovators
    from innovators as i
    inner join users as u on u.id = i.user_id
    where coalesce(i.credits_balance, 0) <> coalesce(u.credit_balance, 0);
    if v_innovators > 0 then
        raise notice 'innovators: % have a credits_balance other than their user''s credit_balance; '
            'it is set right with their next movement of credits.', v_innovators;
    end if;
end;
$$;

-- status_rank: how far along a text is, so that receipts in any order only move it forward.
--
-- arguments    p_status, a Twilio message status (or our own sending), or null
-- result       integer; 9 is terminal
-- locks        none
create or replace function status_rank(p_status text)
returns integer
language sql
immutable
parallel safe
set search_path = public, pg_temp
as $$
    select case p_status
        when 'accepted' then 2
        when 'scheduled' then 2
        when 'queued' then 3
        when 'sending' then 4
        when 'sent' then 5
        when 'delivered' then 9
        when 'read' then 9
        when 'undelivered' then 9
        when 'failed' then 9
        when 'canceled' then 9
        else 0
    end;
$$;

-- move_status: apply a receipt to a sent message; the first terminal status wins.
--
-- arguments    p_message_id, an outbound message with a SID; p_status, Twilio's; p_error_code; p_now
-- result       true if the status moved
-- locks        the messages row
-- idempotency  monotone by status_rank
create or replace function move_status(
    p_message_id uuid, p_status text, p_error_code text, p_now timestamptz
)
returns boolean
language plpgsql
volatile
set search_path = public, pg_temp
as $$
declare
    v_moved boolean;
begin
    -- Our own sending (no SID yet) ranks below everything Twilio says.
    update messages
    set
        status = p_status,
        sent_at = case when status_rank(p_status) >= 5 then coalesce(sent_at, p_now) else sent_at end,
        delivered_at = case when p_status in ('delivered', 'read') then coalesce(delivered_at, p_now) else delivered_at end
    where
        id = p_message_id
        and twilio_message_sid is not null
        and status_rank(status) < 9
        and status_rank(p_status) > status_rank(status);
    v_moved := found;
    if v_moved and p_error_code is not null then
        update message_queue
        set message_data = as_object(message_data) || jsonb_build_object('error_code', p_error_code)
        where id = p_message_id;
    end if;
    return v_moved;
end;
$$;

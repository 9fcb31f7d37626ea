-- One row for each text that Twilio knows. A belt only: ids made from the SID keep rows single
-- (protocol.md, 12). Also finds the text that a delivery receipt speaks of.
create unique index concurrently if not exists messages_one_per_twilio_sid
on public.messages (twilio_message_sid)
where twilio_message_sid is not null;

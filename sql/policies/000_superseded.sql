-- What earlier versions of ours have left behind.
-- squawk-ignore-file ban-drop-function, require-concurrent-index-deletion

-- Functions whose arguments have changed: the older form would make calls ambiguous.
drop function if exists gate_text(message_queue, users, timestamptz);
drop function if exists member_zone(text);
drop function if exists sweep_events(integer, timestamptz);
drop function if exists list_dead_letters(text, timestamptz, integer, timestamptz);
drop function if exists fail_event(jsonb, uuid, text, text, jsonb, timestamptz);
drop function if exists replay_dead_letter(uuid, text, timestamptz);

-- Indexes that others have taken the place of.
drop index if exists agent_tasks_pending;
drop index if exists agent_tasks_processing;
drop index if exists events_open;
drop index if exists message_queue_due;
drop index if exists message_queue_in_flight;
drop index if exists message_queue_unclaimed;

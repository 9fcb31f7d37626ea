-- Room for updates in the tables that work as queues.
--
-- Their rows change state a few times soon after they are written. Free space in the page lets those
-- updates stay heap-only where no indexed column changes (a lease, a stamp), and vacuum comes by number of
-- dead rows rather than by share of the table, so that a claim does not wade through them.

alter table events set (
    fillfactor = 70,
    autovacuum_vacuum_scale_factor = 0.01,
    autovacuum_vacuum_threshold = 500,
    autovacuum_analyze_scale_factor = 0.02
);
alter table agent_tasks set (
    fillfactor = 70,
    autovacuum_vacuum_scale_factor = 0.01,
    autovacuum_vacuum_threshold = 500,
    autovacuum_analyze_scale_factor = 0.02
);
alter table message_queue set (
    fillfactor = 70,
    autovacuum_vacuum_scale_factor = 0.01,
    autovacuum_vacuum_threshold = 500,
    autovacuum_analyze_scale_factor = 0.02
);
alter table messages set (
    fillfactor = 85,
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_threshold = 500,
    autovacuum_analyze_scale_factor = 0.02
);

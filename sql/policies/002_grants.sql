-- Who may do what: the service role works, the publishable roles get nothing.
--
-- Everything in the schema public is covered, whoever made it, except what belongs to an extension: a
-- table or function that is open to anon can be reached by anybody who reads the publishable key. Runs
-- after the functions, so that a new one is never left open.

do $$
declare
    v_publishable text;
    v_everybody text;
    v_has_service_role boolean := to_regrole('service_role') is not null;
    v_object record;
begin
    select concat_ws(', ', 'public', string_agg(r.rolname, ', ' order by r.rolname)) into v_publishable
    from pg_roles as r
    where r.rolname in ('anon', 'authenticated');
    v_everybody := concat_ws(', ', v_publishable, case when v_has_service_role then 'service_role' end);

    begin
        execute format('revoke create on schema public from %s', v_publishable);
    exception
        when insufficient_privilege then
            raise notice 'The schema public belongs to another role; who may create in it was not changed.';
    end;

    for v_object in
        select o.kind, o.name, o.granted
        from (
            select
                'pg_class'::regclass as catalog,
                c.oid,
                'table' as kind,
                c.oid::regclass::text as name,
                case
                    when c.relname = 'credit_events' then 'select, insert, update (processed)'
                    when c.relkind in ('v', 'm') then 'select'
                    else 'select, insert, update, delete'
                end as granted
            from pg_class as c
            where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f')
            union all
            select 'pg_class'::regclass, c.oid, 'sequence', c.oid::regclass::text, 'usage, select'
            from pg_class as c
            where c.relnamespace = 'public'::regnamespace and c.relkind = 'S'
            union all
            select 'pg_proc'::regclass, p.oid, 'routine', p.oid::regprocedure::text, 'execute'
            from pg_proc as p
            where p.pronamespace = 'public'::regnamespace
        ) as o
        where not exists (
            select 1 from pg_depend as d
            where d.classid = o.catalog and d.objid = o.oid and d.deptype = 'e'
        )
    loop
        begin
            execute format('revoke all on %s %s from %s', v_object.kind, v_object.name, v_everybody);
            if v_has_service_role then
                execute format(
                    'grant %s on %s %s to service_role', v_object.granted, v_object.kind, v_object.name
                );
            end if;
        exception
            when insufficient_privilege then
                raise notice 'The % % belongs to another role; its grants were not changed.',
                    v_object.kind, v_object.name;
        end;
    end loop;
end;
$$;

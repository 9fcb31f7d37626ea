-- Who may do what: the service role works, the publishable roles get nothing.
--
-- Everything in the schema public is covered, whoever made it, except what belongs to an extension: a
-- table or function that is open to anon can be reached by anybody who reads the publishable key. Runs
-- after the functions, so that a new one is never left open.
--
-- Who may not revoke a grant is mostly told so by a warning only. So what is open all the same is looked
-- up at the end, and reported.

do $$
declare
    v_publishable text;
    v_everybody text;
    v_has_service_role boolean := to_regrole('service_role') is not null;
    v_object record;
    v_owner text;
    v_open text;
begin
    select concat_ws(', ', 'public', string_agg(r.rolname, ', ' order by r.rolname)) into v_publishable
    from pg_roles as r
    where r.rolname in ('anon', 'authenticated');
    v_everybody := concat_ws(', ', v_publishable, case when v_has_service_role then 'service_role' end);

    begin
        execute format('revoke create on schema public from %s cascade', v_publishable);
    exception
        when insufficient_privilege then null;
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
            execute format('revoke all on %s %s from %s cascade', v_object.kind, v_object.name, v_everybody);
            if v_has_service_role then
                execute format(
                    'grant %s on %s %s to service_role', v_object.granted, v_object.kind, v_object.name
                );
            end if;
        exception
            when insufficient_privilege then null;
        end;
    end loop;

    if exists (
        select 1 from pg_roles as r
        where r.rolname in ('anon', 'authenticated') and has_schema_privilege(r.oid, 'public', 'create')
    ) then
        raise notice 'The schema public belongs to another role; anon or authenticated may still create in it.';
    end if;
    for v_owner, v_open in
        select o.owner::regrole::text, string_agg(o.name, ', ' order by o.name)
        from (
            select c.relowner as owner, c.oid::regclass::text as name
            from pg_class as c
            where
                c.relnamespace = 'public'::regnamespace
                and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
                and exists (
                    select 1 from pg_roles as r
                    where
                        r.rolname in ('anon', 'authenticated')
                        and case c.relkind
                            when 'S' then has_sequence_privilege(r.oid, c.oid, 'usage, select, update')
                            else
                                has_table_privilege(
                                    r.oid, c.oid, 'select, insert, update, delete, truncate, references, trigger'
                                )
                                or has_any_column_privilege(r.oid, c.oid, 'select, insert, update, references')
                        end
                )
                and not exists (
                    select 1 from pg_depend as d
                    where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e'
                )
            union all
            select p.proowner, p.oid::regprocedure::text
            from pg_proc as p
            where
                p.pronamespace = 'public'::regnamespace
                and exists (
                    select 1 from pg_roles as r
                    where r.rolname in ('anon', 'authenticated') and has_function_privilege(r.oid, p.oid, 'execute')
                )
                and not exists (
                    select 1 from pg_depend as d
                    where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e'
                )
        ) as o
        group by o.owner
    loop
        raise notice 'Still open to anon or authenticated, by grants that % may not revoke (the owner is %): %.',
            current_user, v_owner, v_open;
    end loop;
end;
$$;
